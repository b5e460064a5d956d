// The client on a socket that the test holds the other end of: joining, roster, sending.

import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { SignalingError } from "../../clients/js/src/index.js";
import { FakeSocket } from "./fake-socket.js";
import { settle } from "./fake-timers.js";
import { closeAll, joined, joinedClient, newClient, record, startClean, timers, word } from "./helpers.js";

beforeEach(startClean);
afterEach(closeAll);

test("connect joins and tells what the bridge said", async () => {
  const signaling = newClient({ peer: "ann", meta: { name: "Ann" }, token: "secret-token" });
  const states = record(signaling, "state");
  const connecting = signaling.connect();
  assert.equal(signaling.connect(), connecting);
  await settle();
  const socket = FakeSocket.last;
  assert.equal(socket.url, "ws://bridge.test/ws");
  assert.equal(socket.protocols, "sigbridge.v1");
  assert.deepEqual(socket.sent, []);
  socket.open();
  assert.deepEqual(socket.sent, [
    { type: "join", room: "lobby", peer: "ann", token: "secret-token", meta: { name: "Ann" } },
  ]);
  socket.say(joined({ peers: [{ peer: "cam1", kind: "device", meta: {}, since: 5 }] }));
  const me = await connecting;
  assert.equal(me.peer, "ann");
  assert.equal(me.rejoined, false);
  assert.equal("secret" in me, false);
  assert.deepEqual(signaling.peers.get("cam1"), { peer: "cam1", kind: "device", meta: {}, since: 5 });
  assert.deepEqual(signaling.iceServers, [{ urls: "stun:192.0.2.1" }]);
  assert.equal(signaling.limits.message, 262144);
  assert.deepEqual(states.map(([, { state }]) => state), ["connecting", "joining", "joined"]);
  assert.equal(await signaling.connect(), me);
});

test("a bridge may pick the name; it is asked for again after a loss", async () => {
  const signaling = await joinedClient({}, { peer: "guest7" });
  assert.equal(signaling.peer, "guest7");
  assert.equal("peer" in FakeSocket.last.of("join")[0], false);
  FakeSocket.last.die();
  await timers.advance(500);
  FakeSocket.last.open();
  assert.equal(FakeSocket.last.of("join")[0].peer, "guest7");
});

const badOptions = [
  { name: "no room", options: { room: undefined } },
  { name: "a room with a slash", options: { room: "a/b" } },
  { name: "an empty peer", options: { peer: "" } },
  { name: "a peer of the bridge's own", options: { peer: "_bridge" } },
];
for (const { name, options } of badOptions)
  test(`options are checked: ${name}`, () => {
    assert.throws(() => newClient(options), word("invalid-message"));
  });

test("presence keeps the roster and comes in events", async () => {
  const signaling = await joinedClient({}, { peers: [{ peer: "cam1" }] });
  const seen = record(signaling, "presence");
  const socket = FakeSocket.last;
  socket.say({ type: "presence", joined: [{ peer: "bob", kind: "browser" }], seq: 1 });
  socket.say({ type: "presence", updated: [{ peer: "cam1", meta: { a: 1 } }], left: [{ peer: "bob", reason: "leave" }], seq: 2 });
  socket.say({ type: "presence", left: [{ peer: "nobody" }], seq: 3 });
  socket.say({ type: "presence", joined: [{ peer: "ann" }], seq: 4 });
  assert.deepEqual([...signaling.peers.keys()], ["cam1"]);
  assert.deepEqual(signaling.peers.get("cam1").meta, { a: 1 });
  assert.deepEqual(seen.map(([, detail]) => detail), [
    { joined: [{ peer: "bob", kind: "browser" }], updated: [], left: [], missed: false },
    { joined: [], updated: [{ peer: "cam1", meta: { a: 1 } }], left: [{ peer: "bob", reason: "leave" }], missed: false },
  ]);
  assert.equal(signaling.seq, 4);
});

test("forwarded messages arrive once and in order, with `call` filled in", async () => {
  const signaling = await joinedClient();
  const seen = record(signaling, "invite", "offer", "answer", "candidate", "bye", "message", "sealed");
  const socket = FakeSocket.last;
  const messages = [
    { type: "offer", from: "cam1", sdp: "v=0", seq: 1 },
    { type: "candidate", from: "cam1", call: "c", candidate: null, seq: 2 },
    { type: "candidate", from: "cam1", call: "c", candidate: null, seq: 2 },
    { type: "message", from: "bob", data: [1], ext: { a: 1 }, seq: 3 },
    { type: "sealed", from: "bob", data: "AAAA", seq: 4 },
    { type: "bye", from: "cam1", reason: "done", seq: 5 },
    { type: "bye", from: "cam1", seq: 4 },
  ];
  for (const message of messages) socket.say(message);
  assert.deepEqual(
    seen.map(([type, { from, call, seq }]) => [type, from, call, seq]),
    [
      ["offer", "cam1", "", 1], ["candidate", "cam1", "c", 2], ["message", "bob", undefined, 3],
      ["sealed", "bob", "", 4], ["bye", "cam1", "", 5],
    ],
  );
});

const unreadable = [
  { name: "not JSON", text: "{" },
  { name: "an array", text: "[]" },
  { name: "no type", text: "{}" },
  { name: "an offer without sdp", text: '{"type":"offer","from":"cam1"}' },
  { name: "a bad sender", text: '{"type":"bye","from":"a/b"}' },
  { name: "presence with a number", text: '{"type":"presence","joined":7}' },
];
for (const { name, text } of unreadable)
  test(`what cannot be read is told and changes nothing: ${name}`, async () => {
    const signaling = await joinedClient();
    const seen = record(signaling, "error", "offer", "bye", "presence");
    FakeSocket.last.sayText(text);
    assert.equal(seen.length, 1);
    assert.equal(seen[0][1].error, "invalid-message");
    assert.equal(signaling.state, "joined");
  });

test("types of later versions are passed over", async () => {
  const signaling = await joinedClient();
  const seen = record(signaling, "error");
  FakeSocket.last.say({ type: "weather", sunny: true });
  assert.deepEqual(seen, []);
});

test("each helper sends its message; the promise is the ack", async () => {
  const signaling = await joinedClient();
  const candidate = { candidate: "candidate:1 1 udp 1 192.0.2.1 1 typ host", sdpMid: "0" };
  const rows = [
    [() => signaling.offer("cam1", "v=0"), { type: "offer", to: "cam1", sdp: "v=0" }],
    [() => signaling.answer("cam1", { type: "answer", sdp: "v=0" }, { call: "c" }), { type: "answer", to: "cam1", sdp: "v=0", call: "c" }],
    [() => signaling.candidate("cam1", { ...candidate, toJSON: () => candidate }), { type: "candidate", to: "cam1", candidate }],
    [() => signaling.candidate("cam1", null, { ext: { a: 1 } }), { type: "candidate", to: "cam1", candidate: null, ext: { a: 1 } }],
    [() => signaling.bye("cam1", { reason: "done" }), { type: "bye", to: "cam1", reason: "done" }],
    [() => signaling.invite("cam1", { media: { video: true } }), { type: "invite", to: "cam1", media: { video: true } }],
    [() => signaling.message({ hi: 1 }), { type: "message", data: { hi: 1 } }],
    [() => signaling.message(null, { to: "cam1" }), { type: "message", to: "cam1", data: null }],
    [() => signaling.sealed("cam1", "AAAA"), { type: "sealed", to: "cam1", data: "AAAA" }],
    [() => signaling.update({ name: "A" }), { type: "update", meta: { name: "A" } }],
    [() => signaling.refresh("t2"), { type: "refresh", token: "t2" }],
    [() => signaling.send({ type: "bye", to: "cam1", unknown: 1 }), { type: "bye", to: "cam1" }],
  ];
  for (const [call, expected] of rows) {
    const promise = call();
    const { id, ...rest } = FakeSocket.last.sent.at(-1);
    assert.deepEqual(rest, expected);
    FakeSocket.last.say({ type: "ack", id });
    assert.deepEqual(await promise, { type: "ack", id });
  }
  const ids = FakeSocket.last.sent.slice(1).map(({ id }) => id);
  assert.equal(new Set(ids).size, ids.length);
});

test("acks are matched by id, not by order; an error goes to its message", async () => {
  const signaling = await joinedClient();
  const first = signaling.offer("cam1", "v=0");
  const second = signaling.bye("bob");
  const [a, b] = FakeSocket.last.sent.slice(-2);
  FakeSocket.last.say({ type: "ack", id: b.id });
  await second;
  FakeSocket.last.say({ type: "error", code: 400, error: "invalid-sdp", message: "line 3: …", rule: "sdp-origin", id: a.id });
  await assert.rejects(first, (error) => {
    assert.ok(error instanceof SignalingError && error instanceof Error);
    const { name, code, error: is, message, to, rule } = error;
    assert.deepEqual(
      { name, code, is, message, to, rule },
      { name: "SignalingError", code: 400, is: "invalid-sdp", message: "line 3: …", to: "cam1", rule: "sdp-origin" },
    );
    return true;
  });
});

test("an error that belongs to no message is an event", async () => {
  const signaling = await joinedClient();
  const seen = record(signaling, "error");
  FakeSocket.last.say({ type: "error", code: 429, error: "rate-limited", message: "slow down", retryAfter: 700 });
  assert.deepEqual(seen.map(([, { error, code, retryAfter }]) => ({ error, code, retryAfter })), [
    { error: "rate-limited", code: 429, retryAfter: 700 },
  ]);
});

test("no answer in time rejects with `timeout`; a late ack is harmless", async () => {
  const signaling = await joinedClient({ ackTimeout: 2000 });
  const slow = signaling.bye("cam1");
  const quick = signaling.send({ type: "bye", to: "cam1" }, { timeout: 100 });
  const results = Promise.allSettled([slow, quick]);
  await timers.advance(100);
  await assert.rejects(quick, word("timeout"));
  await timers.advance(1900);
  await assert.rejects(slow, word("timeout"));
  await results;
  FakeSocket.last.say({ type: "ack", id: FakeSocket.last.sent.at(-1).id });
  assert.equal(signaling.state, "joined");
});

test("bad messages are refused here and never sent", async () => {
  const signaling = await joinedClient();
  const before = FakeSocket.last.sent.length;
  const cyclic = {};
  cyclic.self = cyclic;
  const rows = [
    [{ type: "offer", to: "cam1" }, "invalid-message"],
    [{ type: "bye", to: "a/b" }, "invalid-message"],
    [{ type: "teleport", to: "cam1" }, "invalid-message"],
    [{ type: "message", data: undefined }, "invalid-message"],
    [{ type: "message", data: cyclic }, "invalid-message"],
    [{ type: "message", data: "nul \0" }, "invalid-message"],
    [{ type: "message", data: "half \ud800" }, "invalid-message"],
    [{ type: "message", data: "x".repeat(65535) }, "too-large"],
    [{ type: "update", meta: { a: "x".repeat(4096) } }, "too-large"],
    [null, "invalid-message"],
  ];
  for (const [message, expected] of rows) await assert.rejects(signaling.send(message), word(expected));
  assert.equal(FakeSocket.last.sent.length, before);
});

test("at most 64 messages are unanswered; the rest waits for acks", async () => {
  const signaling = await joinedClient();
  const all = Array.from({ length: 70 }, (_, i) => signaling.message(i));
  const sent = () => FakeSocket.last.of("message");
  assert.equal(sent().length, 64);
  FakeSocket.last.say({ type: "ack", id: sent()[0].id });
  assert.equal(sent().length, 65);
  for (let i = 1; i < 70; i++) FakeSocket.last.say({ type: "ack", id: sent()[i].id });
  await Promise.all(all);
  assert.deepEqual(sent().map(({ data }) => data), [...Array(70).keys()]);
});

test("a congested socket holds messages back until it has drained", async () => {
  const signaling = await joinedClient();
  FakeSocket.last.bufferedAmount = 2 << 20;
  const waiting = signaling.message("later");
  await timers.advance(1000);
  assert.equal(FakeSocket.last.of("message").length, 0);
  FakeSocket.last.bufferedAmount = 0;
  await timers.advance(50);
  const [{ id }] = FakeSocket.last.of("message");
  FakeSocket.last.say({ type: "ack", id });
  await waiting;
});

test("the queue is bounded in number and in time", async () => {
  const signaling = newClient({ queueLimit: 2, queueTimeout: 3000 });
  void signaling.connect().catch(() => {});
  await settle();
  const rows = [signaling.message(1), signaling.message(2), signaling.message(3)];
  const results = Promise.allSettled(rows);
  await assert.rejects(rows[2], word("queue-full"));
  await timers.advance(2999);
  assert.equal(await Promise.race([rows[0].catch(() => "rejected"), settle().then(() => "waiting")]), "waiting");
  await timers.advance(1);
  await assert.rejects(rows[0], word("offline"));
  await assert.rejects(rows[1], word("offline"));
  await results;
});

test("before connect and after leave, sends are refused at once", async () => {
  const signaling = newClient();
  await assert.rejects(signaling.message(1), word("not-joined"));
  const joining = joinedClient();
  const other = await joining;
  const leaving = other.leave();
  FakeSocket.last.say({ type: "ack", id: FakeSocket.last.of("leave")[0].id });
  await leaving;
  await assert.rejects(other.message(1), word("not-joined"));
});

test("leave keeps the socket for another join, also to another room", async () => {
  const signaling = await joinedClient({ peer: "ann" }, { peers: [{ peer: "cam1" }] });
  const leaving = signaling.leave();
  FakeSocket.last.say({ type: "ack", id: FakeSocket.last.of("leave")[0].id });
  await leaving;
  assert.equal(signaling.state, "idle");
  assert.equal(signaling.peers.size, 0);
  FakeSocket.last.say({ type: "presence", joined: [{ peer: "late" }], seq: 9 });
  assert.equal(signaling.peers.size, 0);
  const connecting = signaling.connect({ room: "attic", meta: { a: 1 } });
  await settle();
  assert.equal(FakeSocket.all.length, 1);
  assert.deepEqual(FakeSocket.last.sent.at(-1), { type: "join", room: "attic", peer: "ann", meta: { a: 1 } });
  FakeSocket.last.say(joined({ room: "attic" }));
  assert.equal((await connecting).rejoined, false);
  assert.equal(signaling.room, "attic");
});

test("leave while the connection is away ends the tries", async () => {
  const signaling = await joinedClient();
  FakeSocket.last.die();
  assert.equal(signaling.state, "waiting");
  await signaling.leave();
  assert.equal(signaling.state, "idle");
  await timers.advance(120_000);
  assert.equal(FakeSocket.all.length, 1);
});

test("leave that loses its connection is left all the same", async () => {
  const signaling = await joinedClient();
  const leaving = signaling.leave();
  FakeSocket.last.die();
  await leaving;
  assert.equal(signaling.state, "idle");
  await timers.advance(120_000);
  assert.equal(FakeSocket.all.length, 1);
});

test("close leaves, closes, rejects what waits, and may be called twice", async () => {
  const signaling = await joinedClient();
  const waiting = signaling.message(1);
  const result = assert.rejects(waiting, word("closed"));
  signaling.close();
  signaling.close();
  await result;
  assert.equal(signaling.state, "closed");
  assert.equal(FakeSocket.last.sent.at(-1).type, "leave");
  assert.equal(FakeSocket.last.closedWith.code, 1000);
  await assert.rejects(signaling.connect(), word("closed"));
  await assert.rejects(signaling.message(1), word("closed"));
  await signaling.leave();
  assert.equal(timers.size, 0);
});

test("close while connecting rejects connect", async () => {
  const signaling = newClient();
  const connecting = signaling.connect();
  const result = assert.rejects(connecting, word("closed"));
  signaling.close();
  await result;
  await settle();
  assert.equal(FakeSocket.all.length, 0);
  assert.equal(timers.size, 0);
});

test("ping measures the round trip and knows the bridge's time", async () => {
  const signaling = await joinedClient();
  const pong = signaling.ping();
  await timers.advance(12);
  FakeSocket.last.say({ type: "pong", time: 99 });
  assert.deepEqual(await pong, { time: 99, roundTrip: 12 });
  const lost = signaling.ping({ timeout: 100 });
  const result = assert.rejects(lost, word("timeout"));
  await timers.advance(100);
  await result;
});

test("refresh takes a fresh token of the function and the new ICE servers", async () => {
  let count = 0;
  const signaling = await joinedClient({ token: async () => `t${++count}` });
  assert.equal(FakeSocket.last.of("join")[0].token, "t1");
  const refreshing = signaling.refresh();
  await settle();
  const [{ token, id }] = FakeSocket.last.of("refresh");
  assert.equal(token, "t2");
  FakeSocket.last.say({ type: "ack", id, iceServers: [{ urls: "turn:192.0.2.9" }] });
  await refreshing;
  assert.deepEqual(signaling.iceServers, [{ urls: "turn:192.0.2.9" }]);
});

test("wire events show every message and no secret", async () => {
  const signaling = newClient({ token: "top-secret" });
  const seen = record(signaling, "wire");
  const connecting = signaling.connect();
  await settle();
  FakeSocket.last.open();
  FakeSocket.last.say(joined({ iceServers: [{ urls: "turn:192.0.2.9", username: "u", credential: "pw" }] }));
  await connecting;
  assert.deepEqual(seen.map(([, { direction, message }]) => [direction, message.type]), [["out", "join"], ["in", "joined"]]);
  const text = JSON.stringify(seen);
  for (const secret of ["top-secret", "hush", '"pw"']) assert.equal(text.includes(secret), false, secret);
  assert.equal(signaling.iceServers[0].credential, "pw");
});
