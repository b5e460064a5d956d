// What the client does when the connection is lost, as tables: by close code, by refusal, over time.

import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { FakeSocket } from "./fake-socket.js";
import { settle } from "./fake-timers.js";
import { closeAll, joined, joinedClient, newClient, nextSocket, record, startClean, timers, word } from "./helpers.js";

beforeEach(startClean);
afterEach(closeAll);

/** The next socket opens and the bridge lets us in. */
async function letIn(reply) {
  FakeSocket.last.open();
  FakeSocket.last.say(joined(reply));
  await settle();
}

const closeCodes = [
  // close code, what follows, word of the error event
  [1000, "waiting"], [1001, "waiting"], [1003, "waiting"], [1006, "waiting"], [1008, "waiting"],
  [1009, "waiting"], [1011, "waiting"], [1012, "waiting"], [1013, "waiting"], [4408, "waiting"],
  [4409, "idle", "replaced"], [4401, "idle", "unauthorized"],
];
for (const [code, state, error] of closeCodes)
  test(`close code ${code} of a member leads to ${state}`, async () => {
    const signaling = await joinedClient({ token: "fixed" });
    const states = record(signaling, "state");
    const errors = record(signaling, "error");
    FakeSocket.last.die(code, "because");
    assert.equal(signaling.state, state);
    assert.equal(states[0][1].closeCode, code);
    assert.deepEqual(errors.map(([, { error: is }]) => is), error ? [error] : []);
    await timers.advance(60_000);
    assert.equal(FakeSocket.all.length > 1, state === "waiting");
  });

test("4401 with a token function: a fresh token is tried", async () => {
  let count = 0;
  const signaling = await joinedClient({ token: () => `t${++count}` });
  FakeSocket.last.die(4401);
  await timers.advance(500);
  FakeSocket.last.open();
  assert.equal(FakeSocket.last.of("join")[0].token, "t2");
  await letIn();
  assert.equal(signaling.state, "joined");
});

const refusals = [
  // error of the first join, ends at once?
  ["forbidden", 403, true], ["unauthorized", 401, true], ["peer-taken", 409, true], ["invalid-message", 400, true],
  ["too-large", 413, true], ["rate-limited", 429, false], ["unavailable", 503, false], ["brand-new", 500, false],
  ["brand-new", 418, true],
];
for (const [error, code, ends] of refusals)
  test(`a first join refused with ${code} ${error} ${ends ? "rejects connect" : "is tried again"}`, async () => {
    const signaling = newClient({ peer: "ann", token: "fixed" });
    const events = record(signaling, "error");
    const connecting = signaling.connect();
    const result = Promise.allSettled([connecting]);
    await settle();
    FakeSocket.last.open();
    FakeSocket.last.say({ type: "error", code, error, message: "no" });
    await settle();
    assert.ok(FakeSocket.last.closedWith, "the refused socket is closed");
    assert.equal(signaling.state, ends ? "idle" : "waiting");
    assert.deepEqual(events, [], "the promise tells");
    if (ends) await assert.rejects(connecting, word(error));
    else {
      await timers.advance(500);
      await letIn();
      await connecting;
    }
    await result;
  });

test("unauthorized with a token function is tried three times more, each with a fresh token", async () => {
  let count = 0;
  const signaling = newClient({ token: async () => `t${++count}` });
  const connecting = signaling.connect();
  const result = assert.rejects(connecting, word("unauthorized"));
  const tokens = [];
  await settle();
  for (;;) {
    FakeSocket.last.open();
    tokens.push(FakeSocket.last.of("join")[0].token);
    FakeSocket.last.say({ type: "error", code: 401, error: "unauthorized", message: "expired" });
    if (signaling.state === "idle") break;
    await nextSocket();
  }
  await result;
  assert.deepEqual(tokens, ["t1", "t2", "t3", "t4"]);
});

test("the delays grow, keep within the maximum, and start over after a good connection", async () => {
  const signaling = await joinedClient({ backoff: { base: 100, max: 1000, random: () => 0, minUptime: 5000 } });
  const plans = record(signaling, "state");
  FakeSocket.last.die();
  for (let i = 0; i < 6; i++) {
    await timers.advance(plans.at(-1)[1].retryIn);
    FakeSocket.last.die();
  }
  const waits = () => plans.filter(([, { state }]) => state === "waiting").map(([, { retryIn, attempt }]) => [retryIn, attempt]);
  assert.deepEqual(waits(), [[100, 1], [200, 2], [400, 3], [800, 4], [1000, 5], [1000, 6], [1000, 7]]);
  await timers.advance(1000);
  await letIn();
  await timers.advance(4999); // not long enough
  FakeSocket.last.die();
  assert.deepEqual(waits().at(-1), [1000, 8]);
  await timers.advance(1000);
  await letIn();
  await timers.advance(5000);
  FakeSocket.last.die();
  assert.deepEqual(waits().at(-1), [100, 1]);
});

test("jitter is drawn anew for each try", async () => {
  const draws = [0.2, 0.8, 0.4];
  const signaling = await joinedClient({ backoff: { base: 1000, max: 1000, random: () => draws.shift() } });
  const plans = record(signaling, "state");
  for (let i = 0; i < 3; i++) {
    FakeSocket.last.die();
    await timers.advance(1000);
  }
  assert.deepEqual(plans.filter(([, { state }]) => state === "waiting").map(([, { retryIn }]) => retryIn), [900, 600, 800]);
});

test("after `backoff.attempts` failures the client gives up and says so", async () => {
  const signaling = newClient({ backoff: { attempts: 2, base: 10, random: () => 0 } });
  const connecting = signaling.connect();
  const result = assert.rejects(connecting, word("gave-up"));
  for (let i = 0; i < 3; i++) {
    await timers.advance(100);
    FakeSocket.last.die(1006, "refused");
  }
  await result;
  assert.equal(FakeSocket.all.length, 3);
  assert.equal(signaling.state, "idle");
  const again = signaling.connect();
  await settle();
  await letIn();
  await again;
});

const closings = [
  // name, retryAfter, ms between `closing` and the end of the socket, delay then
  ["the bridge's delay is kept", 7000, 0, 7000],
  ["time that passed since counts", 7000, 3000, 4000],
  ["when it is over, our own delay", 7000, 8000, 500],
  ["none named", undefined, 0, 500],
];
for (const [name, retryAfter, passed, expected] of closings)
  test(`closing: ${name}`, async () => {
    const signaling = await joinedClient();
    const events = record(signaling, "closing", "state");
    FakeSocket.last.say({ type: "closing", reason: "drain", retryAfter });
    assert.equal(signaling.state, "joined");
    await timers.advance(passed);
    FakeSocket.last.die(1012);
    assert.deepEqual(events[0], ["closing", { reason: "drain", retryAfter: retryAfter ?? 0 }]);
    assert.equal(events[1][1].retryIn, expected);
    await timers.advance(expected - 1);
    assert.equal(FakeSocket.all.length, 1);
    await timers.advance(1);
    assert.equal(FakeSocket.all.length, 2);
  });

test("a refused join may name the delay", async () => {
  const signaling = newClient();
  const plans = record(signaling, "state");
  void signaling.connect().catch(() => {});
  await settle();
  FakeSocket.last.open();
  FakeSocket.last.say({ type: "error", code: 429, error: "rate-limited", message: "slow", retryAfter: 9000 });
  assert.equal(plans.at(-1)[1].retryIn, 9000);
});

test("rejoin: same name, fresh roster, and events that say what was missed", async () => {
  const before = [
    { peer: "same", since: 1 }, { peer: "gone", since: 1 }, { peer: "renamed", since: 1, meta: { a: 1 } },
    { peer: "restarted", since: 1 },
  ];
  const after = [
    { peer: "same", since: 1 }, { peer: "fresh", since: 9 }, { peer: "renamed", since: 1, meta: { a: 2 } },
    { peer: "restarted", since: 9 },
  ];
  const signaling = await joinedClient({ peer: "ann" }, { peers: before });
  const seen = record(signaling, "joined", "presence");
  FakeSocket.last.say({ type: "presence", joined: [{ peer: "x" }], left: [], seq: 1 });
  FakeSocket.last.say({ type: "presence", left: [{ peer: "x", reason: "leave" }], seq: 2 });
  seen.length = 0;
  assert.equal(signaling.seq, 2);
  FakeSocket.last.die();
  assert.equal(signaling.peers.size, 4, "the roster is kept meanwhile");
  await timers.advance(500);
  FakeSocket.last.open();
  assert.deepEqual(FakeSocket.last.sent, [{ type: "join", room: "lobby", peer: "ann" }]);
  await letIn({ peers: after, session: "s2" });
  assert.equal(signaling.seq, 0);
  assert.deepEqual(seen.map(([type]) => type), ["joined", "presence"]);
  assert.equal(seen[0][1].rejoined, true);
  assert.deepEqual(seen[1][1], {
    joined: [{ peer: "fresh", since: 9 }, { peer: "restarted", since: 9 }],
    updated: [{ peer: "renamed", since: 1, meta: { a: 2 } }],
    left: [{ peer: "gone", reason: "missed" }, { peer: "restarted", reason: "missed" }],
    missed: true,
  });
  assert.deepEqual([...signaling.peers.keys()].sort(), ["fresh", "renamed", "restarted", "same"]);
  FakeSocket.last.say({ type: "message", from: "same", data: 1, seq: 1 });
  assert.equal(signaling.seq, 1);
});

test("rejoin: a name that our lost connection still holds is asked for again, but not for ever", async () => {
  const signaling = await joinedClient({ peer: "ann", takenRetries: 3 });
  const errors = record(signaling, "error");
  FakeSocket.last.die();
  let asked = 0;
  while (signaling.state !== "idle") {
    await nextSocket();
    FakeSocket.last.open();
    assert.equal(FakeSocket.last.of("join")[0].peer, "ann");
    FakeSocket.last.say({ type: "error", code: 409, error: "peer-taken", message: "in use" });
    asked += 1;
  }
  assert.equal(asked, 4);
  assert.deepEqual(errors.map(([, { error }]) => error), ["peer-taken"]);
});

test("a socket that the bridge closes after leave is not opened again", async () => {
  const signaling = await joinedClient();
  const leaving = signaling.leave();
  FakeSocket.last.say({ type: "ack", id: FakeSocket.last.of("leave")[0].id });
  await leaving;
  FakeSocket.last.die(4408, "no join in time");
  assert.equal(signaling.state, "idle");
  await timers.advance(60_000);
  assert.equal(FakeSocket.all.length, 1);
  const again = signaling.connect();
  await settle();
  await letIn();
  assert.equal((await again).rejoined, false);
});

test("a ping that the loss overtakes is rejected, and does not count against the next connection", async () => {
  const signaling = await joinedClient({ keepalive: 25_000 });
  const result = assert.rejects(signaling.ping({ timeout: 60_000 }), word("interrupted"));
  await timers.advance(24_000);
  FakeSocket.last.die();
  await result;
  await timers.advance(500);
  await letIn();
  await timers.advance(15_000);
  assert.equal(FakeSocket.last.of("ping").length, 0);
  assert.equal(signaling.state, "joined");
});

test("rejoin: the tries for a taken name are counted anew after each success", async () => {
  const signaling = await joinedClient({ peer: "ann", takenRetries: 2 });
  for (let i = 0; i < 3; i++) {
    FakeSocket.last.die();
    for (let j = 0; j < 2; j++) {
      await nextSocket();
      FakeSocket.last.open();
      FakeSocket.last.say({ type: "error", code: 409, error: "peer-taken", message: "in use" });
    }
    await nextSocket();
    await letIn();
    assert.equal(signaling.state, "joined");
  }
});

test("reconnect() before the bridge's delay is over is one early try, no more", async () => {
  const signaling = await joinedClient();
  FakeSocket.last.say({ type: "closing", reason: "drain", retryAfter: 5000 });
  FakeSocket.last.die(1012);
  signaling.reconnect();
  await settle();
  FakeSocket.last.die();
  await timers.advance(4999);
  assert.equal(FakeSocket.all.length, 2);
  await timers.advance(1);
  assert.equal(FakeSocket.all.length, 3);
});

test("rejoin: the name is free at the third try", async () => {
  const signaling = await joinedClient({ peer: "ann" });
  FakeSocket.last.die();
  for (let i = 0; i < 2; i++) {
    await nextSocket();
    FakeSocket.last.open();
    FakeSocket.last.say({ type: "error", code: 409, error: "peer-taken", message: "in use" });
  }
  await nextSocket();
  await letIn();
  assert.equal(signaling.state, "joined");
});

test("sends made while away wait and go out in order after the rejoin", async () => {
  const signaling = await joinedClient();
  FakeSocket.last.die();
  const sends = [1, 2, 3].map((data) => signaling.message(data));
  await timers.advance(500);
  FakeSocket.last.open();
  assert.deepEqual(FakeSocket.last.of("message"), [], "not before the join is answered");
  await letIn();
  const sent = FakeSocket.last.of("message");
  assert.deepEqual(sent.map(({ data }) => data), [1, 2, 3]);
  for (const { id } of sent) FakeSocket.last.say({ type: "ack", id });
  await Promise.all(sends);
});

test("sent but unanswered when the connection broke: `interrupted`, and not sent again", async () => {
  const signaling = await joinedClient();
  const sent = signaling.message("once");
  const result = assert.rejects(sent, word("interrupted"));
  FakeSocket.last.die();
  await result;
  await timers.advance(500);
  await letIn();
  assert.deepEqual(FakeSocket.last.of("message"), []);
});

test("a final refusal rejects what waits with the same word", async () => {
  const signaling = await joinedClient();
  FakeSocket.last.die();
  const waiting = signaling.message(1);
  const result = assert.rejects(waiting, word("forbidden"));
  await timers.advance(500);
  FakeSocket.last.open();
  FakeSocket.last.say({ type: "error", code: 403, error: "forbidden", message: "no" });
  await result;
});

test("the changed meta is used for the rejoin", async () => {
  const signaling = await joinedClient({ meta: { v: 1 } });
  const updating = signaling.update({ v: 2 });
  FakeSocket.last.say({ type: "ack", id: FakeSocket.last.of("update")[0].id });
  await updating;
  FakeSocket.last.die();
  await timers.advance(500);
  FakeSocket.last.open();
  assert.deepEqual(FakeSocket.last.of("join")[0].meta, { v: 2 });
});

test("a token is asked for at each connection; its failure is a failed try; it never is in the URL", async () => {
  const answers = ["a", new Error("login is down"), "b"];
  const signaling = newClient({
    token: () => {
      const next = answers.shift();
      if (next instanceof Error) throw next;
      return next;
    },
  });
  const states = record(signaling, "state");
  const connecting = signaling.connect();
  await settle();
  await letIn();
  await connecting;
  FakeSocket.last.die();
  await timers.advance(500);
  assert.equal(FakeSocket.all.length, 1, "no socket without a token");
  assert.match(states.at(-1)[1].reason, /login is down/);
  await timers.advance(1000);
  FakeSocket.last.open();
  assert.equal(FakeSocket.last.of("join")[0].token, "b");
  for (const { url } of FakeSocket.all) assert.equal(url, "ws://bridge.test/ws");
});

const stalls = [
  // name, what happens before the client gives the socket up, after how many ms
  ["the token never comes", { token: () => new Promise(() => {}) }, () => {}, 10_000],
  ["the socket never opens", {}, () => {}, 10_000],
  ["the join is never answered", {}, () => FakeSocket.last.open(), 15_000],
];
for (const [name, options, act, ms] of stalls)
  test(`a stall is noticed: ${name}`, async () => {
    const signaling = newClient(options);
    void signaling.connect().catch(() => {});
    await settle();
    act();
    await timers.advance(ms - 1);
    assert.notEqual(signaling.state, "waiting");
    await timers.advance(1);
    assert.equal(signaling.state, "waiting");
  });

test("a dead network is noticed by a ping without answer", async () => {
  const signaling = await joinedClient({ keepalive: 25_000 });
  await timers.advance(24_000);
  FakeSocket.last.say({ type: "presence", seq: 1 }); // a sign of life postpones the question
  await timers.advance(24_999);
  assert.equal(FakeSocket.last.of("ping").length, 0);
  await timers.advance(1);
  assert.equal(FakeSocket.last.of("ping").length, 1);
  FakeSocket.last.say({ type: "pong", time: 1 });
  await timers.advance(10_000 + 25_000);
  assert.equal(FakeSocket.last.of("ping").length, 2);
  assert.equal(signaling.state, "joined");
  const dead = FakeSocket.last;
  await timers.advance(10_000);
  assert.equal(signaling.state, "waiting");
  dead.say({ type: "presence", joined: [{ peer: "ghost" }], seq: 2 });
  dead.die();
  assert.equal(signaling.peers.size, 0, "the old socket is not heard any more");
  await timers.advance(500);
  assert.equal(FakeSocket.all.length, 2);
});

test("a page that slept does not take its own sleep for the bridge's silence", async () => {
  const signaling = await joinedClient({ keepalive: 25_000 });
  await timers.advance(25_000);
  assert.equal(FakeSocket.last.of("ping").length, 1);
  timers.sleep(3_600_000);
  await timers.advance(0); // the timer comes first, then what was received
  assert.equal(signaling.state, "joined");
  assert.equal(FakeSocket.last.of("ping").length, 2, "asked again");
  FakeSocket.last.say({ type: "pong", time: 1 });
  await timers.advance(10_000);
  assert.equal(signaling.state, "joined");
  await timers.advance(15_000);
  timers.sleep(3_600_000);
  await timers.advance(10_000);
  assert.equal(signaling.state, "waiting", "now it was the bridge");
});

test("keepalive 0 asks nothing", async () => {
  await joinedClient({ keepalive: 0 });
  await timers.advance(600_000);
  assert.equal(FakeSocket.last.of("ping").length, 0);
});

test("reconnect() tries at once, once", async () => {
  const signaling = await joinedClient({ backoff: { base: 20_000, random: () => 0 } });
  signaling.reconnect();
  assert.equal(FakeSocket.all.length, 1, "not while joined");
  FakeSocket.last.die();
  signaling.reconnect();
  signaling.reconnect();
  await settle();
  assert.equal(FakeSocket.all.length, 2);
  await letIn();
  await timers.advance(20_000);
  assert.equal(FakeSocket.all.length, 2);
  assert.equal(signaling.state, "joined");
});

test("connect() while away resolves with the next rejoin", async () => {
  const signaling = await joinedClient();
  FakeSocket.last.die();
  const back = signaling.connect();
  await timers.advance(500);
  await letIn({ session: "s2" });
  assert.equal((await back).session, "s2");
});

test("a WebSocket that cannot be made is a failed try", async () => {
  const signaling = newClient({
    WebSocket: class {
      constructor() {
        throw new Error("blocked by policy");
      }
    },
  });
  const states = record(signaling, "state");
  void signaling.connect().catch(() => {});
  await settle();
  assert.equal(signaling.state, "waiting");
  assert.equal(states.at(-1)[1].reason, "blocked by policy");
});

test("closed in the middle of every stage, nothing stays behind", async () => {
  for (const stage of ["connecting", "joining", "joined", "waiting"]) {
    FakeSocket.reset();
    const signaling = newClient({ token: async () => "t" });
    void signaling.connect().catch(() => {});
    if (stage !== "connecting") await settle();
    if (stage !== "connecting") FakeSocket.last.open();
    if (stage === "joined" || stage === "waiting") FakeSocket.last.say(joined());
    if (stage === "waiting") FakeSocket.last.die();
    assert.equal(signaling.state, stage);
    signaling.close();
    await settle();
    assert.equal(timers.size, 0, stage);
    await timers.advance(100_000);
    assert.equal(FakeSocket.all.length, stage === "connecting" ? 0 : 1);
  }
});
