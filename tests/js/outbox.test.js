// Slowing down: what the bridge refuses as `rate-limited` is sent again, in order, a bounded number of
// times. The bridge here takes so many messages at once and one more every 10 ms, as the real one does.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { SignalingError } from "../../clients/js/src/index.js";
import { Outbox } from "../../clients/js/src/outbox.js";
import { FakeTimers, settle } from "./fake-timers.js";
import { word } from "./helpers.js";

let timers;
let outbox;
beforeEach(() => {
  timers = new FakeTimers();
  outbox = new Outbox({ timers, limit: 1024, queueTimeout: 30_000 });
});

const EVERY_MS = 10;

/** A way to a bridge with a bucket. @returns what it took and refused, and how near it came to hanging up */
function bucket({ burst, delay }) {
  const seen = { taken: [], refused: 0, strikes: 0, mostStrikes: 0 };
  let level = burst;
  let at = timers.now();
  const answer = (message) => {
    level = Math.min(burst, level + (timers.now() - at) / EVERY_MS);
    at = timers.now();
    if (level >= 1) {
      level -= 1;
      seen.taken.push(message);
      seen.strikes = Math.max(0, seen.strikes - 1);
      return () => outbox.acknowledge({ type: "ack", id: message.id });
    }
    seen.refused += 1;
    seen.strikes += 1;
    seen.mostStrikes = Math.max(seen.mostStrikes, seen.strikes);
    const retryAfter = Math.ceil((1 - level) * EVERY_MS);
    return () => outbox.refuse(message.id, new SignalingError("rate-limited", "slow down", { code: 429, id: message.id, retryAfter }));
  };
  const write = (message) => timers.setTimeout(() => timers.setTimeout(answer(message), delay), delay);
  outbox.open({ write, congested: () => false });
  return seen;
}

/** A way on which the test answers itself. @returns what was written */
function manual() {
  const written = [];
  outbox.open({ write: (message) => written.push(message), congested: () => false });
  return written;
}

const refuse = (message, retryAfter = 100, error = "rate-limited", rule = "rate") =>
  outbox.refuse(message.id, new SignalingError(error, "slow down", { id: message.id, retryAfter, rule }));
const take = ({ id }) => outbox.acknowledge({ type: "ack", id });
const names = (messages) => messages.map(({ name }) => name);

for (const { burst, count, delay } of [
  { burst: 400, count: 900, delay: 4 }, { burst: 400, count: 900, delay: 90 }, { burst: 20, count: 300, delay: 1 },
  { burst: 1, count: 100, delay: 30 }, { burst: 400, count: 300, delay: 4 },
])
  test(`a burst of ${count} through a bucket of ${burst}, ${delay} ms away: none is lost, few are refused`, async () => {
    const seen = bucket({ burst, delay });
    const sends = Array.from({ length: count }, (_, i) =>
      outbox.push({ type: "candidate", to: "cam1", name: i }, 35_000));
    await timers.advance(120_000);
    await Promise.all(sends);
    assert.deepEqual(names(seen.taken).sort((a, b) => a - b), [...Array(count).keys()]);
    assert.ok(seen.mostStrikes <= 64, `${seen.mostStrikes}: the bridge closes the socket at 256`);
    assert.ok(seen.refused <= 64 + count / 4, `${seen.refused} refused`);
    if (burst > count) assert.equal(seen.refused, 0);
    else assert.ok(seen.refused > 0);
  });

test("a refused message keeps its place; what follows waits for it", async () => {
  const written = manual();
  const sends = ["a", "b", "c"].map((name) => outbox.push({ type: "message", name }, 1000));
  for (const message of written.splice(0)) refuse(message, 100);
  const late = outbox.push({ type: "message", name: "d" }, 1000);
  await timers.advance(99);
  assert.deepEqual(written, []);
  await timers.advance(1);
  assert.deepEqual(names(written), ["a"], "one at a time at first");
  for (let i = 0; i < 4; i++) {
    take(written[i]);
    await timers.advance(200);
  }
  await Promise.all([...sends, late]);
  assert.deepEqual(names(written), ["a", "b", "c", "d"]);
});

test("after a refusal the pace is slow, and slowly rises again", async () => {
  const written = manual();
  const sends = Array.from({ length: 400 }, (_, name) => outbox.push({ type: "message", name }, 1e6));
  assert.equal(written.length, 64);
  const [first, ...others] = written.splice(0);
  refuse(first, 200);
  for (const message of others) take(message);
  const answered = async (ms) => {
    const before = written.length;
    for (let i = 0; i < ms; i += 10) {
      await timers.advance(10);
      for (const message of written.slice(before)) take(message);
    }
    return written.length - before;
  };
  await timers.advance(200);
  assert.deepEqual(names(written), [0], "it alone, when the time is over");
  take(written[0]);
  const counts = [await answered(1000), await answered(1000), await answered(1000)];
  for (let i = 1; i < counts.length; i++) assert.ok(counts[i] > counts[i - 1], counts.join(" "));
  while (written.length < 337) {
    await timers.advance(1);
    for (const message of written) take(message);
  }
  await Promise.all(sends);
});

const bounds = [
  { name: "refused for the ninth time", refusals: 9, retryAfter: 50, error: "rate-limited" },
  { name: "told to wait longer than a message may", refusals: 1, retryAfter: 30_001, error: "rate-limited" },
];
for (const { name, refusals, retryAfter, error } of bounds)
  test(`given up: ${name}`, async () => {
    const written = manual();
    const result = assert.rejects(outbox.push({ type: "message", to: "cam1" }, 1000), (thrown) => {
      assert.equal(thrown.to, "cam1");
      return word(error)(thrown);
    });
    for (let i = 0; i < refusals; i++) {
      refuse(written.at(-1), retryAfter);
      await timers.advance(1000);
    }
    await result;
    assert.equal(written.length, refusals);
    await timers.advance(60_000);
    assert.equal(timers.size, 0);
  });

const overtaking = [
  // the refused one, the later one that was taken, is the refused one sent again?
  [{ type: "offer", to: "cam1" }, { type: "bye", to: "cam1" }, false],
  [{ type: "offer", to: "cam1" }, { type: "offer", to: "cam1" }, false],
  [{ type: "invite", to: "cam1" }, { type: "bye", to: "cam1" }, false],
  [{ type: "answer", to: "cam1" }, { type: "offer", to: "cam1" }, false],
  [{ type: "offer", to: "cam1" }, { type: "candidate", to: "cam1" }, true],
  [{ type: "candidate", to: "cam1" }, { type: "offer", to: "cam1" }, true],
  [{ type: "offer", to: "cam1" }, { type: "bye", to: "cam2" }, true],
  [{ type: "offer", to: "cam1", call: "a" }, { type: "bye", to: "cam1", call: "b" }, true],
  [{ type: "offer", to: "cam1" }, { type: "message", to: "cam1" }, true],
  [{ type: "message", to: "cam1" }, { type: "message", to: "cam1" }, true],
];
for (const [refused, taken, again] of overtaking)
  test(`${refused.type} to ${refused.to} after a later ${taken.type} to ${taken.to} (${refused.call ?? "-"}, ${taken.call ?? "-"}): ${again ? "sent again" : "given up"}`, async () => {
    const written = manual();
    const [first, second] = [outbox.push(refused, 1000), outbox.push(taken, 1000)];
    const result = Promise.allSettled([first, second]);
    refuse(written[0], 100);
    take(written[1]);
    await second;
    if (!again) await assert.rejects(first, word("rate-limited"));
    await timers.advance(100);
    assert.equal(written.length, again ? 3 : 2);
    if (again) take(written[2]);
    await result;
  });

test("a fresh token goes before what waits, also when it is told to wait itself", async () => {
  const written = manual();
  const sends = Array.from({ length: 70 }, (_, name) => outbox.push({ type: "message", name }, 1e6));
  sends.push(outbox.push({ type: "refresh", name: "token" }, 1e6));
  take(written[0]);
  assert.deepEqual(names(written.slice(64)), ["token"]);
  refuse(written[64], 100);
  for (const message of written.splice(0).slice(1, 64)) take(message);
  await timers.advance(100);
  assert.deepEqual(names(written), ["token"]);
  for (let i = 0; i < 7; i++) {
    take(written[i]);
    await timers.advance(100);
  }
  await Promise.all(sends);
  assert.deepEqual(names(written), ["token", 64, 65, 66, 67, 68, 69]);
});

test("other refusals, and those of bad tokens, are told at once and hold nothing back", async () => {
  const written = manual();
  const [token, bad] = [outbox.push({ type: "refresh", token: "t" }, 1000), outbox.push({ type: "offer", to: "a" }, 1000)];
  const results = Promise.all([assert.rejects(token, word("rate-limited")), assert.rejects(bad, word("forbidden"))]);
  refuse(written[0], 20_000, "rate-limited", "token-attempts");
  refuse(written[1], undefined, "forbidden");
  await results;
  const next = outbox.push({ type: "bye", to: "a" }, 1000);
  take(written.at(-1));
  await next;
});

test("a lost connection ends the wait: the next one has a bucket of its own", async () => {
  manual();
  const written = manual();
  const sends = ["a", "b"].map((name) => outbox.push({ type: "message", name }, 1000));
  for (const message of written.splice(0)) refuse(message, 20_000);
  outbox.interrupt();
  const second = manual();
  assert.deepEqual(names(second), ["a", "b"], "both were refused, so neither has arrived");
  for (const message of second) take(message);
  await Promise.all(sends);
});

test("closed while it waits: rejected with the reason, and no timer stays", async () => {
  const written = manual();
  const result = assert.rejects(outbox.push({ type: "message" }, 1000), word("closed"));
  refuse(written[0], 5000);
  outbox.abandon(new SignalingError("closed", "over"));
  await result;
  await settle();
  assert.equal(timers.size, 0);
});
