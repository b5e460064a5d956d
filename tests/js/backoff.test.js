// Delays between tries, as a table.

import assert from "node:assert/strict";
import { test } from "node:test";
import { backoffDelay } from "../../clients/js/src/index.js";

const rows = [
  // name, attempt, options, expected
  ["first, no luck", 0, { random: () => 0 }, 500],
  ["first, most luck", 0, { random: () => 0.999999 }, 250],
  ["second", 1, { random: () => 0 }, 1000],
  ["seventh is capped", 6, { random: () => 0 }, 30000],
  ["capped before the jitter", 6, { random: () => 0.5 }, 22500],
  ["very late", 5000, { random: () => 0 }, 30000],
  ["own base and factor", 2, { base: 100, factor: 3, random: () => 0 }, 900],
  ["own maximum", 10, { max: 1234, random: () => 0 }, 1234],
  ["no jitter", 3, { jitter: 0, random: () => 0.9 }, 4000],
  ["all jitter", 3, { jitter: 1, random: () => 0.75 }, 1000],
];
for (const [name, attempt, options, expected] of rows)
  test(`delay: ${name}`, () => assert.equal(backoffDelay(attempt, options), expected));

test("the random part is drawn anew each time", () => {
  let draws = 0;
  const random = () => ++draws / 10;
  const delays = [0, 0, 0].map((attempt) => backoffDelay(attempt, { random }));
  assert.deepEqual(delays, [475, 450, 425]);
});

test("by default clients spread", () => {
  const delays = Array.from({ length: 50 }, () => backoffDelay(5));
  assert.ok(new Set(delays).size > 10);
  for (const delay of delays) assert.ok(delay > 8000 - 1 && delay <= 16000, String(delay));
});
