// The schemas compile strictly, and give each test vector its verdict. The library's own checks, and
// the bridge's validator in its unit tests, run over the same rows.

import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";
import Ajv2020 from "ajv/dist/2020.js";
import { SignalingError, checkIncoming, checkOutgoing } from "../../clients/js/src/index.js";

const folder = new URL("../../clients/schema/", import.meta.url);
const read = (name) => readFileSync(new URL(name, folder), "utf8");
const rowsOf = (name) => read(`vectors/${name}.jsonl`).trim().split("\n").map((line) => JSON.parse(line));

const ajv = new Ajv2020({ strict: true, strictRequired: false, strictTypes: false, allErrors: true });
for (const file of readdirSync(folder).filter((name) => name.endsWith(".json"))) ajv.addSchema(JSON.parse(read(file)), file);

/** The schema for a row: MQTT payloads are told apart by their topic, so they say the side. */
function schemaOf({ direction, side }) {
  return direction === "device" ? `device.json#/$defs/${side}` : `${direction}.json`;
}

const messages = rowsOf("messages");
const beyond = rowsOf("beyond-schema");
const status = rowsOf("status");
const bridges = rowsOf("bridges");

test("rows are well formed and every kind of message has good and bad ones", () => {
  const names = [...messages, ...beyond, ...status, ...bridges].map(({ name }) => name);
  assert.equal(new Set(names).size, names.length, "names are unique");
  const count = {};
  for (const { direction, side, valid, why, message } of [...messages, ...beyond, ...status, ...bridges]) {
    assert.ok(["client", "server", "device", "presence", "status", "bridges"].includes(direction));
    assert.equal(["peer", "bridge", "ask"].includes(side), direction === "device");
    assert.equal(typeof valid, "boolean");
    assert.ok(why.length > 0);
    const key = `${side ?? direction} ${typeof message.type === "string" ? message.type : ""}`;
    count[key] ??= { true: 0, false: 0 };
    count[key][valid] += 1;
  }
  for (const key of ["join", "resume", "update", "refresh", "invite", "offer", "answer", "candidate", "bye", "message", "sealed", "leave", "ping"].map((type) => `client ${type}`))
    assert.ok(count[key].true > 0 && count[key].false > 0, `${key}: ${JSON.stringify(count[key])}`);
});

for (const row of [...messages, ...status, ...bridges])
  test(`schema: ${row.name}: ${row.why}`, () => {
    const validate = ajv.getSchema(schemaOf(row));
    assert.equal(validate(row.message), row.valid, JSON.stringify(validate.errors?.slice(0, 3)));
  });

for (const row of beyond)
  test(`schema lets pass what only the bridge can judge: ${row.name}`, () => {
    const validate = ajv.getSchema(schemaOf(row));
    assert.equal(validate(row.message), true, JSON.stringify(validate.errors?.slice(0, 3)));
  });

/** What the browser library leaves to the bridge: the grammar inside SDP and candidates. */
const forBridge = (name) => /^client-(sdp|candidate)-/.test(name) && name !== "client-sdp-nul";
const insideCandidate = (name) => /candidate-candidate-(mid-space|mid-65|ufrag-3|ufrag-257|ufrag-crlf|line-513)$/.test(name);

for (const row of [...messages, ...beyond].filter(({ direction }) => direction === "client"))
  test(`library, outgoing: ${row.name}`, () => {
    const valid = row.valid || (beyond.includes(row) && forBridge(row.name)) || insideCandidate(row.name);
    if (valid) assert.equal(checkOutgoing(row.message).type, row.message.type);
    else assert.throws(() => checkOutgoing(row.message), SignalingError);
  });

// Reading, the library is no stricter than it must be: a field that it can do without may be missing.
const lenient = new Set([
  "server-joined-without-iceServers", "server-joined-without-resumeWindow", "server-joined-without-limits",
  "server-resumed-without-iceServers", "server-resumed-without-resumeWindow", "server-resumed-without-limits",
  "server-presence-without-seq", "server-closing-without-reason", "server-closing-without-retryAfter",
]);
for (const row of messages.filter(({ direction }) => direction === "server"))
  test(`library, incoming: ${row.name}`, () => {
    const isNeeded = row.name === "server-resumed-without-seq";
    const valid = row.valid || lenient.has(row.name) || (/(without-seq|turn-credential-number)$/.test(row.name) && !isNeeded);
    if (valid) assert.equal(checkIncoming(row.message).type, row.message.type);
    else assert.throws(() => checkIncoming(row.message), SignalingError);
  });

test("checks copy what is known and nothing else", () => {
  const full = messages.find(({ name }) => name === "client-offer-full").message;
  assert.deepEqual(checkOutgoing({ ...full, colour: "green" }), full);
  assert.equal("colour" in checkIncoming({ type: "pong", time: 1, colour: "green" }), false);
  assert.equal(checkIncoming({ type: "weather" }), null);
});

// The protocol document shows examples in blocks marked with their direction (and side).
const document = readFileSync(new URL("../../clients/PROTOCOL.md", import.meta.url), "utf8");
const examples = [...document.matchAll(/^```json ([a-z ]+)\n(.*?)^```/gms)].flatMap(([, marks, text]) => {
  const [direction, side] = marks.split(" ");
  return text.trim().split("\n").map((line) => ({ direction, side, line }));
});
for (const { direction, side, line } of examples)
  test(`PROTOCOL.md: ${side ?? direction}: ${line.slice(0, 60)}`, () => {
    const validate = ajv.getSchema(schemaOf({ direction, side }));
    assert.equal(validate(JSON.parse(line)), true, JSON.stringify(validate.errors?.slice(0, 3)));
  });

test("PROTOCOL.md shows every type at least once", () => {
  const shown = new Set(examples.map(({ direction, side, line }) => `${side ?? direction} ${JSON.parse(line).type}`));
  const types = new Set(
    [...messages, ...bridges].filter(({ valid }) => valid).map(({ direction, side, message }) => `${side ?? direction} ${message.type}`),
  );
  const missing = [...types].filter((type) => !shown.has(type));
  // Devices use the same messages as browsers.
  assert.deepEqual(missing, ["peer invite", "peer sealed"]);
});
