// Tokens: asked for, renewed before they run out, replaced when they no longer count.

import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { FakeSocket } from "./fake-socket.js";
import { settle } from "./fake-timers.js";
import { closeAll, joined, joinedClient, newClient, record, startClean, timers, word } from "./helpers.js";

beforeEach(startClean);
afterEach(closeAll);

const counting = () => {
  let count = 0;
  return async () => `t${++count}`;
};
const refreshes = () => FakeSocket.last.of("refresh");
const ack = (more = {}) => FakeSocket.last.say({ type: "ack", id: refreshes().at(-1).id, iceServers: [], tokenExpiresIn: 3600, ...more });
const refuse = (error, code, more = {}) =>
  FakeSocket.last.say({ type: "error", code, error, message: `no: ${error}`, id: refreshes().at(-1).id, ...more });
const YEAR_S = 31_536_000;

const lives = [
  // seconds the token lives, the draw, seconds before its end at which a fresh one is handed in
  [3600, 0, 30], [3600, 0.999, 44.985], [600, 0, 30], [300, 0, 30], [60, 0, 6], [60, 0.5, 7.5], [10, 0, 1], [5, 0, 0.5],
  [YEAR_S, 0, 30], // longer than setTimeout() can
];
for (const [life, draw, before] of lives)
  test(`a token that lives ${life} s is renewed ${before} s before its end (draw ${draw})`, async () => {
    const signaling = await joinedClient({ token: counting(), keepalive: 0, backoff: { random: () => draw } }, { tokenExpiresIn: life });
    const early = Math.round((life - before) * 1000) - 1;
    assert.ok(timers.due.every((ms) => ms <= 0x7fffffff));
    await timers.advance(early);
    assert.deepEqual(refreshes(), []);
    await timers.advance(2);
    assert.deepEqual(refreshes().map(({ token }) => token), ["t2"]);
    ack();
    await settle();
    await timers.advance(3_500_000);
    assert.equal(refreshes().length, 1, "the next one by its own life");
    await timers.advance(100_000);
    assert.equal(refreshes()[1].token, "t3");
    assert.equal(signaling.state, "joined");
  });

const never = [
  ["the bridge names no end", { token: counting() }, {}],
  ["the token is a string", { token: "fixed" }, { tokenExpiresIn: 100 }],
  ["there is no token", {}, { tokenExpiresIn: 100 }],
];
for (const [name, options, reply] of never)
  test(`not renewed: ${name}`, async () => {
    await joinedClient({ ...options, keepalive: 0 }, reply);
    await timers.advance(10_000_000);
    assert.deepEqual(refreshes(), []);
  });

test("with a fresh token come fresh ICE servers: an event, and the property before it", async () => {
  const signaling = newClient({ token: counting(), keepalive: 0 });
  const seen = [];
  signaling.addEventListener("iceservers", ({ detail }) => seen.push([detail, signaling.iceServers === detail, signaling.state]));
  const connecting = signaling.connect();
  await settle();
  FakeSocket.last.open();
  FakeSocket.last.say(joined({ tokenExpiresIn: 60 }));
  assert.equal((await connecting).tokenExpiresIn, 60);
  await timers.advance(54_001);
  const turn = [{ urls: ["turn:192.0.2.9"], username: "1:ann", credential: "pw" }];
  ack({ iceServers: turn });
  await settle();
  assert.deepEqual(seen, [[[{ urls: "stun:192.0.2.1" }], true, "joined"], [turn, true, "joined"]]);
});

const failures = [
  ["the function throws", { fail: 1 }, "unauthorized", /login is down/],
  ["the function gives nothing", { empty: 1 }, "unauthorized", /gave none/],
  ["the bridge refuses the token", { error: ["unauthorized", 401] }, "unauthorized", /no: unauthorized/],
  ["the token is for another room", { error: ["forbidden", 403] }, "forbidden", /no: forbidden/],
  ["too many were refused", { error: ["rate-limited", 429] }, "rate-limited", /no: rate-limited/],
];
for (const [name, { fail, empty, error }, expected, sentence] of failures)
  test(`a renewal that fails is told, the membership goes on, the next try follows: ${name}`, async () => {
    let asked = 0;
    const token = async () => {
      asked += 1;
      if (asked === 2 && fail) throw new Error("login is down");
      return asked === 2 && empty ? undefined : `t${asked}`;
    };
    const signaling = await joinedClient({ token, keepalive: 0 }, { tokenExpiresIn: 600 });
    const errors = record(signaling, "error");
    await timers.advance(570_000);
    if (error) refuse(...error, { rule: "token-attempts" });
    await settle();
    assert.deepEqual(errors.map(([, { error: is }]) => is), [expected]);
    assert.match(errors[0][1].message, sentence);
    assert.equal(signaling.state, "joined");
    await timers.advance(15_000); // half of the rest
    assert.equal(refreshes().at(-1).token, "t3");
    ack();
    await settle();
    await timers.advance(60_000);
    assert.equal(asked, 3);
    assert.equal(errors.length, 1);
  });

test("a function that never answers is asked again; what it says later is not used", async () => {
  const answers = [];
  let asked = 0;
  const token = () => (++asked === 1 ? "t1" : new Promise((resolve) => answers.push(resolve)));
  await joinedClient({ token, keepalive: 0 }, { tokenExpiresIn: 600 });
  await timers.advance(570_000 + 15_000);
  assert.equal(answers.length, 2);
  answers[1]("fresh");
  await settle();
  ack();
  answers[0]("stale");
  await settle();
  assert.deepEqual(refreshes().map(({ token: one }) => one), ["fresh"]);
});

test("a function that gives the same old token again is asked a few times, not without end", async () => {
  let asked = 0;
  const signaling = await joinedClient({ token: () => `old${++asked && ""}`, keepalive: 0 }, { tokenExpiresIn: 60 });
  await timers.advance(54_000);
  for (let left = 6; left > 0 && asked < 100; ) {
    ack({ tokenExpiresIn: left });
    await settle();
    const before = timers.now();
    const count = refreshes().length;
    while (refreshes().length === count && timers.now() - before < 7000) await timers.advance(100);
    left -= Math.ceil((timers.now() - before) / 1000);
  }
  assert.ok(asked <= 12, `${asked} times`);
  assert.equal(signaling.state, "joined");
});

test("renewing ends with the connection, and starts again with the next", async () => {
  const token = counting();
  const signaling = await joinedClient({ token, keepalive: 0, backoff: { random: () => 0 } }, { tokenExpiresIn: 60 });
  FakeSocket.last.die();
  await timers.advance(500);
  FakeSocket.last.open();
  assert.equal(FakeSocket.last.of("join")[0].token, "t2");
  FakeSocket.last.say(joined({ tokenExpiresIn: 100 }));
  await settle();
  await timers.advance(80_000);
  assert.deepEqual(refreshes(), [], "the old plan is forgotten");
  await timers.advance(10_000);
  assert.deepEqual(refreshes().map(({ token: one }) => one), ["t3"]);
  ack();
  signaling.close();
  await settle();
  assert.equal(timers.size, 0);
});

const expiry = { type: "error", code: 401, error: "unauthorized", message: "the token has expired: come back with a new one", rule: "token" };

test("expired, with a string: idle, one error, and a reason in words", async () => {
  const signaling = await joinedClient({ token: "fixed" }, { tokenExpiresIn: 5 });
  const seen = record(signaling, "error", "state");
  FakeSocket.last.say(expiry);
  assert.deepEqual(seen, [], "the bridge closes next");
  FakeSocket.last.die(4401, "the token has expired");
  assert.deepEqual(seen.map(([type, { state, error, reason, message, closeCode }]) => [type, state ?? message, error, reason, closeCode]), [
    ["state", "idle", "unauthorized", expiry.message, 4401],
    ["error", expiry.message, "unauthorized", undefined, undefined],
  ]);
  await timers.advance(600_000);
  assert.equal(FakeSocket.all.length, 1, "it would be refused again");
  const connecting = signaling.connect({ token: "another" });
  await settle();
  FakeSocket.last.open();
  assert.equal(FakeSocket.last.of("join")[0].token, "another");
  FakeSocket.last.say(joined());
  await connecting;
  assert.equal(signaling.state, "joined");
});

test("expired, with a function: asked once more, back with backoff, nothing to complain about", async () => {
  const signaling = await joinedClient({ token: counting() }, { tokenExpiresIn: 5 });
  const seen = record(signaling, "error", "state");
  FakeSocket.last.say(expiry);
  FakeSocket.last.die(4401, "the token has expired");
  assert.deepEqual(seen.map(([type, { state, error, retryIn }]) => [type, state, error, retryIn]), [["state", "waiting", "unauthorized", 500]]);
  await timers.advance(500);
  FakeSocket.last.open();
  assert.equal(FakeSocket.last.of("join")[0].token, "t2");
});

test("refused at the handshake for too many bad tokens: waits as long as the bridge asks", async () => {
  const signaling = newClient({ token: "bad" });
  const states = record(signaling, "state");
  void signaling.connect().catch(() => {});
  await settle();
  FakeSocket.last.open();
  FakeSocket.last.say({ type: "error", code: 429, error: "rate-limited", message: "later", retryAfter: 8000 });
  const { state, retryIn, error, reason } = states.at(-1)[1];
  assert.deepEqual({ state, retryIn, error, reason }, { state: "waiting", retryIn: 8000, error: "rate-limited", reason: "later" });
});

test("another word of the bridge does not stick to the next loss", async () => {
  const signaling = await joinedClient({ token: counting() });
  const states = record(signaling, "state");
  FakeSocket.last.die(4401);
  await timers.advance(500);
  FakeSocket.last.open();
  FakeSocket.last.say(joined());
  await settle();
  FakeSocket.last.die(1006);
  assert.deepEqual(states.filter(([, { state }]) => state === "waiting").map(([, { error }]) => error), ["unauthorized", undefined]);
});

const handed = [
  ["a string: the next connection uses the new one", "t1", "t2"],
  ["none: the next connection uses the new one", undefined, "t2"],
  ["a function: the next connection asks it", () => "asked", "asked"],
];
for (const [name, token, next] of handed)
  test(`refresh(token) with ${name}`, async () => {
    const signaling = await joinedClient({ token });
    const refreshing = signaling.refresh("t2");
    ack();
    await refreshing;
    FakeSocket.last.die();
    await timers.advance(500);
    FakeSocket.last.open();
    assert.equal(FakeSocket.last.of("join")[0].token, next);
  });

test("refresh(token) that is refused changes nothing", async () => {
  const signaling = await joinedClient({ token: "t1" });
  const result = assert.rejects(signaling.refresh("bad"), word("unauthorized"));
  refuse("unauthorized", 401);
  await result;
  assert.equal(signaling.state, "joined");
  FakeSocket.last.die();
  await timers.advance(500);
  FakeSocket.last.open();
  assert.equal(FakeSocket.last.of("join")[0].token, "t1");
});

test("a newer session of the name took over: never back by itself", async () => {
  const signaling = await joinedClient({ token: counting() }, { tokenExpiresIn: 600 });
  const seen = record(signaling, "error", "state");
  FakeSocket.last.die(4409, "a newer session");
  assert.deepEqual(seen.map(([type, { state, error }]) => [type, state, error]), [["state", "idle", "replaced"], ["error", undefined, "replaced"]]);
  await timers.advance(600_000);
  assert.equal(FakeSocket.all.length, 1);
  assert.equal(timers.size, 0);
});
