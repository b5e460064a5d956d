// A lost socket and the session that outlives it: what the client asks, what it takes, what it tells.

import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { FakeSocket } from "./fake-socket.js";
import { settle } from "./fake-timers.js";
import { closeAll, joined, joinedClient, newClient, nextSocket, record, resumed, startClean, timers, word } from "./helpers.js";

beforeEach(startClean);
afterEach(closeAll);

const WINDOW_S = 30;
const member = (options, reply) => joinedClient({ peer: "ann", ...options }, { resumeWindow: WINDOW_S, ...reply });
const say = (...messages) => messages.forEach((message) => FakeSocket.last.say(message));
const note = (seq) => ({ type: "message", from: "bob", data: seq, seq });
const first = () => FakeSocket.last.sent[0];
const notJoined = { type: "error", code: 410, error: "session-expired", message: "join again" };

/** The socket breaks, and the next one is open. */
async function dropAndOpen(code) {
  FakeSocket.last.die(code);
  (await nextSocket()).open();
  return FakeSocket.last;
}

// --- what is missed, and what is not ---------------------------------------------------------------

const replays = [
  // name, frames before the loss, seq of `resumed`, frames after it, data of all messages
  ["nothing was missed", [1, 2], 2, [], [1, 2]],
  ["nothing was ever sent", [], 0, [], []],
  ["three were missed", [1, 2], 5, [3, 4, 5], [1, 2, 3, 4, 5]],
  ["everything was missed", [], 3, [1, 2, 3], [1, 2, 3]],
  ["what we have comes again", [1, 2, 3], 4, [2, 3, 4], [1, 2, 3, 4]],
  ["one comes twice", [1], 3, [2, 2, 3, 3], [1, 2, 3]],
  ["new ones follow at once", [1], 2, [2, 3, 4], [1, 2, 3, 4]],
];
for (const [name, before, seq, after, data] of replays)
  test(`resume: ${name}`, async () => {
    const signaling = await member();
    const seen = record(signaling, "message", "resumed", "joined", "error");
    const states = record(signaling, "state");
    say(...before.map(note));
    await dropAndOpen();
    assert.deepEqual(FakeSocket.last.sent, [{ type: "resume", session: "s1", secret: "hush", seq: before.length }]);
    assert.equal(signaling.state, "joining");
    say(resumed({ seq }), ...after.map(note));
    assert.deepEqual(seen.filter(([type]) => type === "message").map(([, message]) => message.data), data);
    const others = seen.filter(([type]) => type !== "message");
    assert.deepEqual(others.map(([type, { resumed, rejoined }]) => [type, resumed, rejoined]), [["resumed", true, false]]);
    assert.deepEqual(states.map(([, { state }]) => state), ["waiting", "connecting", "joining", "joined"]);
    assert.equal(states[0][1].resumable, true);
    assert.equal(signaling.seq, Math.max(seq, ...after));
    assert.equal(signaling.state, "joined");
  });

test("what was missed comes before the event that says so", async () => {
  const signaling = await member();
  await dropAndOpen();
  const seen = record(signaling, "message", "presence", "resumed");
  say(resumed({ seq: 3, peers: [{ peer: "eve", since: 5 }] }));
  say(note(1));
  say({ type: "presence", joined: [{ peer: "eve", since: 5 }], seq: 2 });
  assert.equal(signaling.state, "joining", "one is still to come");
  assert.equal(signaling.peers.size, 1);
  say(note(3));
  assert.equal(signaling.state, "joined");
  assert.deepEqual(seen.map(([type]) => type), ["message", "presence", "message", "resumed"]);
  assert.deepEqual(seen.at(-1)[1].peers, [{ peer: "eve", since: 5 }]);
  say(note(4));
  assert.equal(signaling.seq, 4);
});

test("messages that we cannot read, or whose type is not known yet, count", async () => {
  const signaling = await member();
  const seen = record(signaling, "error", "message");
  say({ type: "weather", seq: 1 }, { type: "message", from: "_", data: 1, seq: 2 }, note(3));
  assert.deepEqual(seen.map(([type, { error, data }]) => [type, error ?? data]), [["error", "invalid-message"], ["message", 3]]);
  await dropAndOpen();
  assert.equal(first().seq, 3);
});

const brokenCounts = [
  // name, what the bridge says after `joined`
  ["one is missing", [note(1), note(3)]],
  ["wrong order", [note(2), note(1)]],
  ["the first one is missing", [note(2)]],
];
for (const [name, messages] of brokenCounts)
  test(`gap: ${name}: an error, and a fresh join`, async () => {
    const signaling = await member();
    const seen = record(signaling, "error", "joined", "message");
    const socket = FakeSocket.last;
    const pending = assert.rejects(signaling.message("x"), word("interrupted"));
    say(...messages);
    await pending;
    assert.equal(socket.closedWith.code, 1000, "the old membership ends at once");
    (await nextSocket()).open();
    assert.deepEqual(FakeSocket.last.sent, [{ type: "join", room: "lobby", peer: "ann" }]);
    say(joined({ session: "s9", resumeWindow: WINDOW_S }), note(1));
    assert.equal(signaling.seq, 1, "counted anew");
    assert.deepEqual(seen.filter(([type]) => type === "error").map(([, { error }]) => error), ["gap"]);
    assert.equal(seen.find(([type]) => type === "joined")[1].rejoined, true);
    assert.equal(seen.at(-1)[1].data, 1);
  });

const brokenReplays = [
  // name, seq of `resumed`, what follows
  ["one is missing", 5, [note(3), note(5)]],
  ["it starts too late", 5, [note(4)]],
  ["the bridge has counted less than we have", 1, []],
];
for (const [name, seq, messages] of brokenReplays)
  test(`gap in the replay: ${name}: an error, and a fresh join`, async () => {
    const signaling = await member();
    say(note(1), note(2));
    const seen = record(signaling, "error", "resumed", "joined");
    await dropAndOpen();
    say(resumed({ seq }), ...messages);
    assert.equal(signaling.state, "waiting");
    (await nextSocket()).open();
    assert.equal(first().type, "join");
    say(joined());
    assert.deepEqual(seen.map(([type, { error }]) => [type, error]), [["error", "gap"], ["joined", undefined]]);
  });

// --- secrets ---------------------------------------------------------------------------------------

test("session and secret are new each time, the count goes on", async () => {
  const signaling = await member();
  say(note(1));
  for (let i = 2; i <= 4; i++) {
    await dropAndOpen();
    say(resumed({ session: `s${i}`, secret: `hush${i}`, seq: i }), note(i));
    assert.equal(signaling.state, "joined");
  }
  const resumes = FakeSocket.all.slice(1).map((socket) => socket.sent[0]);
  assert.deepEqual(resumes, [
    { type: "resume", session: "s1", secret: "hush", seq: 1 },
    { type: "resume", session: "s2", secret: "hush2", seq: 2 },
    { type: "resume", session: "s3", secret: "hush3", seq: 3 },
  ]);
});

test("secrets are not shown on the wire", async () => {
  const signaling = await member();
  const wire = record(signaling, "wire");
  await dropAndOpen();
  say(resumed());
  const shown = wire.map(([, { message }]) => message).filter(({ type }) => type === "resume" || type === "resumed");
  assert.deepEqual(shown.map(({ secret }) => secret), ["…", "…"]);
});

test("dropped between `resumed` and what was missed: the new secret, and from where we are", async () => {
  const signaling = await member();
  const events = record(signaling, "resumed");
  await dropAndOpen();
  say(resumed({ seq: 3 }), note(1), note(2));
  await dropAndOpen();
  assert.deepEqual(first(), { type: "resume", session: "s2", secret: "hush2", seq: 2 });
  assert.deepEqual(events, []);
  say(resumed({ session: "s3", seq: 3 }), note(3));
  assert.equal(events.length, 1);
});

test("dropped before the answer: asked again", async () => {
  const signaling = await member();
  await dropAndOpen();
  const socket = await dropAndOpen();
  assert.deepEqual(socket.sent, [{ type: "resume", session: "s1", secret: "hush", seq: 0 }]);
  say(resumed());
  assert.equal(signaling.state, "joined");
});

test("dropped while the first join waits: another join, and the name may be our own meanwhile", async () => {
  const signaling = newClient({ peer: "ann" });
  const connecting = signaling.connect();
  await settle();
  FakeSocket.last.open();
  const socket = await dropAndOpen();
  assert.equal(first().type, "join");
  say({ type: "error", code: 409, error: "peer-taken", message: "in use" });
  assert.equal(socket.closedWith !== undefined, true);
  assert.equal(signaling.state, "waiting");
  (await nextSocket()).open();
  say(joined());
  assert.equal((await connecting).rejoined, false);
});

// --- too late --------------------------------------------------------------------------------------

test("too late: joins on the same socket, and says that it is a new membership", async () => {
  const tokens = [];
  const signaling = await member({ token: () => `t${tokens.push(0)}` }, { peers: [{ peer: "old", since: 1 }, { peer: "bob", since: 1 }] });
  const seen = record(signaling, "joined", "resumed", "presence", "error");
  say(note(1));
  const socket = await dropAndOpen();
  assert.equal(tokens.length, 1, "a resume needs no token");
  say(notJoined);
  await settle();
  assert.deepEqual(socket.sent.slice(1), [{ type: "join", room: "lobby", peer: "ann", token: "t2" }]);
  assert.equal(FakeSocket.last, socket);
  say(joined({ session: "s8", peers: [{ peer: "bob", since: 2 }], resumeWindow: WINDOW_S }));
  assert.deepEqual(seen.map(([type]) => type), ["joined", "presence"]);
  assert.deepEqual([seen[0][1].rejoined, seen[0][1].resumed], [true, false]);
  assert.deepEqual(seen[1][1], {
    joined: [{ peer: "bob", since: 2 }], updated: [],
    left: [{ peer: "old", reason: "missed" }, { peer: "bob", reason: "missed" }], missed: true,
  });
  say(note(1));
  assert.equal(signaling.seq, 1);
});

test("too late, and the name is still taken: asked again for some time, then told", async () => {
  const signaling = await member({ takenRetries: 2 });
  const errors = record(signaling, "error");
  await dropAndOpen();
  say(notJoined);
  await settle();
  for (let i = 0; i < 3; i++) {
    assert.equal(FakeSocket.last.of("join").length, 1);
    say({ type: "error", code: 409, error: "peer-taken", message: "in use" });
    if (i < 2) (await nextSocket()).open();
  }
  assert.equal(signaling.state, "idle");
  assert.deepEqual(errors.map(([, { error }]) => error), ["peer-taken"]);
});

test("our own name is asked for for half a minute, at short intervals", async () => {
  const signaling = await member({ backoff: { base: 1000, max: 60_000, random: () => 0 } });
  const states = record(signaling, "state");
  const start = timers.now();
  await dropAndOpen();
  say(notJoined);
  await settle();
  while (signaling.state !== "idle") {
    say({ type: "error", code: 409, error: "peer-taken", message: "in use" });
    if (signaling.state === "waiting") (await nextSocket()).open();
  }
  const waits = states.map(([, { retryIn }]) => retryIn).filter((ms) => ms !== undefined);
  assert.equal(waits.length, 13);
  assert.ok(waits.every((ms) => ms <= 5000), waits.join(" "));
  assert.ok(timers.now() - start > 30_000);
});

const refusals = [
  // refusal of a resume, what is said on which socket then
  [{ code: 410, error: "session-expired" }, "join", "same"],
  [{ code: 400, error: "invalid-message" }, "join", "same"],
  [{ code: 403, error: "forbidden" }, "join", "same"],
  [{ code: 429, error: "rate-limited", retryAfter: 700 }, "resume", "next"],
  [{ code: 503, error: "unavailable" }, "resume", "next"],
];
for (const [refusal, type, where] of refusals)
  test(`a resume refused with ${refusal.error}: ${type} on the ${where} socket`, async () => {
    const signaling = await member();
    const socket = await dropAndOpen();
    say({ type: "error", message: "no", ...refusal });
    await settle();
    if (where === "next") (await nextSocket()).open();
    assert.equal(FakeSocket.last === socket, where === "same");
    assert.equal(FakeSocket.last.sent.at(-1).type, type);
    say(type === "join" ? joined() : resumed());
    assert.equal(signaling.state, "joined");
  });

test("after too long a time the client does not even ask", async () => {
  const signaling = await member();
  const states = record(signaling, "state");
  FakeSocket.last.die();
  for (let i = 0; i < 40 && states.at(-1)[1].resumable !== false; i++) (await nextSocket()).die();
  (await nextSocket()).open();
  assert.equal(first().type, "join");
  const away = states.findIndex(([, { resumable }]) => resumable === false);
  assert.ok(away > 10, "it tried often meanwhile");
  say(joined());
  assert.equal(signaling.state, "joined");
});

test("while the session may be resumed, tries are at most 5 s apart; then they may be rarer", async () => {
  const signaling = await member({ backoff: { base: 1000, max: 60_000, random: () => 0 } });
  const states = record(signaling, "state");
  FakeSocket.last.die();
  for (let i = 0; i < 20; i++) (await nextSocket()).die();
  const waits = states.map(([, detail]) => detail).filter(({ state }) => state === "waiting");
  for (const { retryIn, resumable } of waits) assert.ok(!resumable || retryIn <= 5000, `${retryIn}`);
  const rare = waits.filter(({ resumable }) => !resumable);
  assert.ok(rare.length > 0 && rare.every(({ retryIn }) => retryIn > 5000));
});

test("a delay that the bridge names may outlast the session", async () => {
  await member();
  say({ type: "closing", reason: "drain", retryAfter: 80_000 });
  FakeSocket.last.die(1012);
  (await nextSocket()).open();
  assert.equal(first().type, "join");
});

test("the window is measured by a clock that nobody sets", async () => {
  let jump = 0;
  const steady = timers;
  const jumping = {
    setTimeout: steady.setTimeout, clearTimeout: steady.clearTimeout, now: () => steady.now() + jump, steady: steady.now,
  };
  await member({ timers: jumping });
  jump = 86_400_000;
  FakeSocket.last.die();
  jump = -86_400_000;
  (await nextSocket()).open();
  assert.equal(first().type, "resume");
});

const closings = [
  // close code of a member's socket, what comes first on the next one
  [1006, "resume"], [1001, "resume"], [1011, "resume"], [1012, "resume"], [1009, "resume"],
  [1008, "join"], [1013, "join"], [4401, "join"],
];
for (const [code, type] of closings)
  test(`close code ${code}: ${type}`, async () => {
    await member({ token: () => "t" });
    await dropAndOpen(code);
    assert.equal(first().type, type);
  });

test("close code 4409: somebody else has the name, and we stay away", async () => {
  const signaling = await member();
  FakeSocket.last.die(4409);
  await timers.advance(60_000);
  assert.equal(FakeSocket.all.length, 1);
  assert.equal(signaling.state, "idle");
});

test("without a window there is nothing to resume", async () => {
  const signaling = await member({}, { resumeWindow: 0 });
  const states = record(signaling, "state");
  await dropAndOpen();
  assert.equal(first().type, "join");
  assert.equal(states[0][1].resumable, false);
});

// --- sockets that are half dead --------------------------------------------------------------------

test("a silent bridge is given up without ending the membership", async () => {
  const signaling = await member({ keepalive: 25_000 });
  const dead = FakeSocket.last;
  await timers.advance(35_000);
  assert.equal(signaling.state, "waiting");
  assert.ok(dead.closedWith.code >= 4000, `${dead.closedWith.code}`);
  (await nextSocket()).open();
  say(resumed({ seq: 0 }));
  dead.say(note(1));
  dead.die(4409); // its end comes through at last
  assert.equal(signaling.state, "joined");
  assert.equal(signaling.seq, 0);
});

test("a resume that is not answered is tried on another socket, and does not end the membership", async () => {
  const signaling = await member();
  const socket = await dropAndOpen();
  await timers.advance(4999);
  assert.equal(signaling.state, "joining");
  await timers.advance(1);
  assert.equal(signaling.state, "waiting");
  assert.ok(socket.closedWith.code >= 4000);
  (await nextSocket()).open();
  assert.equal(first().type, "resume");
});

test("missed messages that stop coming are asked for on another socket", async () => {
  const signaling = await member({ joinTimeout: 8000 });
  await dropAndOpen();
  say(resumed({ seq: 3 }));
  await timers.advance(7000);
  say(note(1)); // it goes on
  await timers.advance(7000);
  assert.equal(signaling.state, "joining");
  await timers.advance(1000);
  assert.equal(signaling.state, "waiting");
  (await nextSocket()).open();
  assert.deepEqual(first(), { type: "resume", session: "s2", secret: "hush2", seq: 1 });
});

test("a join that is not answered is ended, so that it cannot hold the name", async () => {
  const signaling = newClient();
  void signaling.connect().catch(() => {});
  await settle();
  FakeSocket.last.open();
  await timers.advance(15_000);
  assert.equal(FakeSocket.last.closedWith.code, 1000);
});

const endings = [
  // name, what the application does, messages that the bridge gets, close code
  ["close()", (signaling) => signaling.close(), ["leave"], 1000],
  ["leave(), close()", async (signaling) => {
    const leaving = signaling.leave();
    say({ type: "ack", id: FakeSocket.last.of("leave")[0].id });
    await leaving;
    signaling.close();
  }, ["leave"], 1000],
];
for (const [name, act, types, code] of endings)
  test(`${name} ends the membership at once`, async () => {
    const signaling = await member();
    await act(signaling);
    assert.deepEqual(FakeSocket.last.sent.slice(1).map(({ type }) => type), types);
    assert.equal(FakeSocket.last.closedWith.code, code);
    await timers.advance(100_000);
    assert.equal(FakeSocket.all.length, 1);
  });

test("leave() that the loss overtakes resolves, and nothing is resumed", async () => {
  const signaling = await member();
  const leaving = signaling.leave();
  FakeSocket.last.die();
  await leaving;
  assert.equal(signaling.state, "idle");
  await timers.advance(100_000);
  assert.equal(FakeSocket.all.length, 1);
});

test("closed in the middle of a resume: nothing stays behind", async () => {
  for (const stage of ["waiting", "joining", "catching up", "refused"]) {
    FakeSocket.reset();
    const signaling = await member({ token: async () => "t" });
    void signaling.message("x").catch(() => {});
    FakeSocket.last.die();
    if (stage !== "waiting") (await nextSocket()).open();
    if (stage === "catching up") say(resumed({ seq: 3 }), note(1));
    if (stage === "refused") say(notJoined);
    signaling.close();
    await settle();
    assert.equal(timers.size, 0, stage);
    assert.equal(FakeSocket.last.of("join").length, stage === "waiting" ? 1 : 0, stage);
  }
});

test("connect() while away resolves with what happened", async () => {
  const signaling = await member();
  FakeSocket.last.die();
  const back = signaling.connect();
  (await nextSocket()).open();
  say(resumed());
  const { resumed: isResumed, rejoined, session } = await back;
  assert.deepEqual([isResumed, rejoined, session], [true, false, "s2"]);
});

// --- what we had sent ------------------------------------------------------------------------------

const sentOn = (socket) => socket.sent.filter(({ id }) => id !== undefined).map(({ id, data }) => [id, data]);
const ack = (id) => say({ type: "ack", id });

test("sent and not answered: sent again under the same ids and in order, before what waits", async () => {
  const signaling = await member();
  const settled = [];
  const send = (data) => signaling.message(data).then(() => settled.push(data));
  const sends = [1, 2, 3].map(send);
  const before = sentOn(FakeSocket.last);
  ack(before[1][0]);
  await settle();
  await dropAndOpen();
  sends.push(send(4));
  await settle();
  assert.equal(FakeSocket.last.of("message").length, 0, "not before we are back");
  say(resumed());
  assert.deepEqual(sentOn(FakeSocket.last).map(([, data]) => data), [1, 3, 4]);
  assert.deepEqual(sentOn(FakeSocket.last).slice(0, 2), [before[0], before[2]]);
  for (const [id] of sentOn(FakeSocket.last)) ack(id), ack(id);
  await Promise.all(sends);
  assert.deepEqual(settled, [2, 1, 3, 4]);
});

test("the answer comes before the message can be sent again: settled once, and not sent", async () => {
  const signaling = await member();
  const [sent, refused] = [signaling.message("x"), signaling.message("y", { to: "bob" })];
  const rejected = assert.rejects(refused, word("peer-not-found"));
  const [one, two] = FakeSocket.last.of("message");
  await dropAndOpen();
  say(resumed({ seq: 1 }));
  ack(one.id);
  say({ type: "error", code: 404, error: "peer-not-found", message: "gone", id: two.id });
  say(note(1));
  assert.equal((await sent).id, one.id);
  await rejected;
  assert.equal(FakeSocket.last.of("message").length, 0);
});

test("an answer to a later message of the same call does not give the earlier one up", async () => {
  const signaling = await member();
  const sends = [signaling.offer("bob", "v=0"), signaling.bye("bob")];
  const [offer, bye] = FakeSocket.last.sent.slice(1);
  await dropAndOpen();
  say(resumed({ seq: 1 }));
  ack(bye.id);
  say(note(1));
  assert.deepEqual(FakeSocket.last.sent.slice(1), [offer]);
  ack(offer.id);
  await Promise.all(sends);
});

test("the answer is lost three times: the message arrives under one id", async () => {
  const signaling = await member();
  const sent = signaling.message("x");
  for (let i = 0; i < 3; i++) {
    await dropAndOpen();
    say(resumed({ session: `s${i}` }));
  }
  const ids = FakeSocket.all.flatMap((socket) => socket.of("message").map(({ id }) => id));
  assert.equal(ids.length, 4);
  assert.equal(new Set(ids).size, 1);
  ack(ids[0]);
  await sent;
});

test("never more ids than the bridge remembers, counted from the oldest that is unanswered", async () => {
  const signaling = await member();
  const sends = Array.from({ length: 100 }, (_, i) => signaling.message(i));
  const all = Promise.allSettled(sends);
  const written = () => FakeSocket.last.of("message");
  assert.equal(written().length, 64);
  for (const { id } of written().slice(1)) ack(id);
  assert.equal(written().length, 64, "the first one is still unanswered: one more, and it would be forgotten");
  await dropAndOpen();
  say(resumed());
  assert.equal(written().length, 1, "the first one, alone");
  assert.equal(written()[0].data, 0);
  ack(written()[0].id);
  assert.equal(written().length, 37);
  for (const { id } of written()) ack(id);
  for (const { status } of await all) assert.equal(status, "fulfilled");
});

const afterRejoin = [
  // type, what it is sent with, does it go out again after a rejoin?
  ["message", { data: 1 }, false], ["offer", { to: "bob", sdp: "v=0" }, false], ["answer", { to: "bob", sdp: "v=0" }, false],
  ["candidate", { to: "bob", candidate: null }, false], ["invite", { to: "bob" }, false],
  ["sealed", { to: "bob", data: "SGVsbG8=" }, false],
  ["bye", { to: "bob" }, true], ["update", { meta: { a: 1 } }, true], ["refresh", { token: "t" }, true],
];
for (const [type, fields, again] of afterRejoin)
  test(`after a rejoin, an unanswered ${type} ${again ? "is sent again" : "is told as interrupted"}`, async () => {
    const signaling = await member();
    const sent = signaling.send({ type, ...fields });
    const result = again ? sent : assert.rejects(sent, word("interrupted"));
    await dropAndOpen();
    say(notJoined);
    await settle();
    say(joined({ session: "s3" }));
    assert.equal(FakeSocket.last.of(type).length, again ? 1 : 0);
    if (again) ack(FakeSocket.last.of(type)[0].id);
    await result;
  });

test("what was never sent goes out after a rejoin, too", async () => {
  const signaling = await member();
  FakeSocket.last.die();
  const sent = signaling.message("later");
  (await nextSocket()).open();
  say(notJoined);
  await settle();
  say(joined());
  ack(FakeSocket.last.of("message")[0].id);
  await sent;
});

test("a message that waits too long to be sent again is told", async () => {
  const signaling = await member({ queueTimeout: 20_000 });
  const result = assert.rejects(signaling.message("x"), word("interrupted"));
  FakeSocket.last.die();
  await timers.advance(20_000);
  await result;
  (await nextSocket()).open();
  say(resumed());
  assert.equal(FakeSocket.last.of("message").length, 0);
});

test("a connection that comes and goes keeps no message for ever", async () => {
  const signaling = await member({ queueTimeout: 5000, ackTimeout: 5000 });
  const result = assert.rejects(signaling.message("x"), word("interrupted"));
  const start = timers.now();
  let after = 0;
  void result.then(() => (after = timers.now() - start));
  for (let i = 0; i < 20; i++) {
    await dropAndOpen();
    say(resumed());
    await timers.advance(2000);
  }
  await result;
  assert.ok(after > 5000 && after <= 20_000, `each stage twice at most, not ${after} ms`);
});

// --- more than one bridge --------------------------------------------------------------------------

const urls = ["ws://a.test/ws", "ws://b.test/ws", "ws://c.test/ws"];
const several = (options) => joinedClient({ peer: "ann", url: urls, ...options }, { resumeWindow: WINDOW_S });

test("a bridge that goes: its delay is kept, and the session is resumed at another one", async () => {
  const signaling = await several();
  const events = record(signaling, "closing", "resumed", "joined");
  say(note(1), { type: "closing", reason: "drain", retryAfter: 1700 });
  FakeSocket.last.die(1012);
  await timers.advance(1699);
  assert.equal(FakeSocket.all.length, 1);
  await timers.advance(1);
  FakeSocket.last.open();
  assert.equal(FakeSocket.last.url, urls[1]);
  assert.deepEqual(first(), { type: "resume", session: "s1", secret: "hush", seq: 1 });
  say(resumed({ session: "b.s2", seq: 2 }), note(2));
  assert.deepEqual(events.map(([type]) => type), ["closing", "resumed"]);
});

test("where we were let in is tried first, then the others in turn", async () => {
  const signaling = await several();
  FakeSocket.last.die();
  for (const _ of urls) (await nextSocket()).die();
  assert.deepEqual(FakeSocket.all.map(({ url }) => url), [urls[0], urls[0], urls[1], urls[2]]);
  (await nextSocket()).die(); // the first again
  (await nextSocket()).open();
  say(resumed());
  assert.equal(signaling.state, "joined");
  await dropAndOpen();
  assert.equal(FakeSocket.last.url, urls[1]);
});

test("an empty list of addresses is refused at once", () => {
  assert.throws(() => newClient({ url: [] }), word("invalid-message"));
});

// --- the roster ------------------------------------------------------------------------------------

test("after a resume the roster is the bridge's, and differences are told", async () => {
  const signaling = await member({}, { peers: [{ peer: "bob", since: 1 }, { peer: "eve", since: 1 }, { peer: "cam", since: 1 }] });
  const seen = record(signaling, "resumed", "presence");
  await dropAndOpen();
  say(resumed({ seq: 1, peers: [{ peer: "bob", since: 1, meta: { a: 1 } }, { peer: "cam", since: 2 }, { peer: "dan", since: 3 }] }));
  say({ type: "presence", joined: [{ peer: "dan", since: 3 }], seq: 1 });
  assert.deepEqual(seen.map(([type]) => type), ["presence", "resumed", "presence"]);
  assert.deepEqual(seen[2][1], {
    joined: [{ peer: "cam", since: 2 }], updated: [{ peer: "bob", since: 1, meta: { a: 1 } }],
    left: [{ peer: "eve", reason: "missed" }, { peer: "cam", reason: "missed" }], missed: true,
  });
  assert.deepEqual([...signaling.peers.keys()].sort(), ["bob", "cam", "dan"]);
});

test("a roster that is as we left it tells nothing", async () => {
  const peers = [{ peer: "bob", kind: "browser", meta: { name: "Bob" }, since: 1 }];
  const signaling = await member({}, { peers });
  const seen = record(signaling, "presence");
  await dropAndOpen();
  say(resumed({ peers }));
  assert.deepEqual(seen, []);
});

// --- tokens ----------------------------------------------------------------------------------------

test("`resumed` says how long the token still counts, and it is renewed in time", async () => {
  let asked = 0;
  const signaling = await member({ token: async () => `t${++asked}`, keepalive: 0 }, { tokenExpiresIn: 3600 });
  await dropAndOpen();
  say(resumed({ tokenExpiresIn: 100 }));
  await timers.advance(89_999);
  assert.equal(FakeSocket.last.of("refresh").length, 0);
  await timers.advance(1);
  assert.equal(FakeSocket.last.of("refresh")[0].token, "t2");
  assert.equal(signaling.state, "joined");
});

test("fresh ICE servers come with a resume", async () => {
  const signaling = await member();
  const events = record(signaling, "iceservers");
  await dropAndOpen();
  say(resumed({ iceServers: [{ urls: "turn:192.0.2.9" }] }));
  assert.deepEqual(signaling.iceServers, [{ urls: "turn:192.0.2.9" }]);
  assert.equal(events.length, 1);
});
