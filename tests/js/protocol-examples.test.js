// The tokens that PROTOCOL.md tells how to make: the code runs as it stands there, and what it prints
// is a token with the claims that it promises, signed with the key that lies beside it.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHmac, createPublicKey, generateKeyPairSync, randomBytes, verify } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";

const document = readFileSync(new URL("../../clients/PROTOCOL.md", import.meta.url), "utf8");
const section = document.slice(document.indexOf("### Making one"), document.indexOf("\n## MQTT"));
const example = (language) => section.match(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\``, "ms"))[1];
// Of several Pythons the one that has PyJWT: Debian's, as tests/run installs it, if no other.
const python = ["python3", "/usr/bin/python3"].find((program) => spawnSync(program, ["-c", "import jwt"]).status === 0);

const secret = randomBytes(32).toString("hex");
const { privateKey } = generateKeyPairSync("ed25519");
const signs = (signed) => createHmac("sha256", secret).update(signed).digest();

let home;
before(() => {
  home = mkdtempSync(join(tmpdir(), "sigbridge-token-"));
  writeFileSync(join(home, "token.key"), `${secret}\n`);
  writeFileSync(join(home, "token.pem"), privateKey.export({ type: "pkcs8", format: "pem" }));
});
after(() => rmSync(home, { recursive: true }));

const rows = [
  { language: "js", file: "make.mjs", program: process.execPath, alg: "HS256" },
  { language: "sh", file: "make.sh", program: "sh", alg: "EdDSA" },
  { language: "python", file: "make.py", program: python, alg: "HS256" },
];
for (const { language, file, program, alg } of rows)
  test(`a token made as PROTOCOL.md says, in ${language}`, () => {
    assert.ok(program, "PyJWT is missing: apt-get install python3-jwt");
    writeFileSync(join(home, file), example(language));
    const { status, stdout, stderr } = spawnSync(program, [file], { cwd: home, encoding: "utf8" });
    assert.equal(status, 0, stderr);
    assert.match(stdout, /^[\w-]+\.[\w-]+\.[\w-]+\n$/);
    const [head, claims, signature] = stdout.trim().split(".");
    const read = (part) => JSON.parse(Buffer.from(part, "base64url").toString());
    assert.equal(read(head).alg, alg);
    const { exp, ...others } = read(claims);
    assert.deepEqual(others, { sub: "ann", rooms: ["lobby", "yard-*"] });
    assert.ok(Math.abs(exp - Date.now() / 1000 - 3600) < 60);
    const signed = Buffer.from(`${head}.${claims}`);
    const bytes = Buffer.from(signature, "base64url");
    const sound = alg === "HS256" ? signs(signed).equals(bytes) : verify(null, signed, createPublicKey(privateKey), bytes);
    assert.ok(sound, "the signature");
  });
