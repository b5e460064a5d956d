// The library's sources keep their JSDoc types, and the public declarations describe what they do.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { test } from "node:test";

const tsc = createRequire(import.meta.url).resolve("typescript/bin/tsc");

test("tsc --checkJs --strict passes over the sources and the examples of use", () => {
  const project = fileURLToPath(new URL("types/tsconfig.json", import.meta.url));
  const { status, stdout, stderr } = spawnSync(process.execPath, [tsc, "-p", project], { encoding: "utf8", timeout: 180_000 });
  assert.equal(status, 0, stdout + stderr);
});
