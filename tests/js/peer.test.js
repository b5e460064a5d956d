// Two PeerLinks in one process: over a fake bridge, against an RTCPeerConnection that keeps the rules.

import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { PeerLink, Signaling, isPolite } from "../../clients/js/src/index.js";
import { FakeBridge } from "./fake-bridge.js";
import { FakePeerConnection, FakeStream } from "./fake-rtc.js";
import { FakeTimers, settle } from "./fake-timers.js";
import { record, word } from "./helpers.js";

let bridge;
let timers;
let clients;
let links;

beforeEach(() => {
  bridge = new FakeBridge();
  timers = new FakeTimers();
  clients = [];
  links = [];
});
afterEach(async () => {
  for (const link of links) link.close();
  for (const client of clients) client.close();
  await settle();
});

async function join(peer, options = {}) {
  const signaling = new Signaling("ws://bridge.test/ws", {
    room: "lobby", peer, WebSocket: bridge.WebSocket, timers, backoff: { random: () => 0 }, ...options,
  });
  clients.push(signaling);
  await signaling.connect();
  return signaling;
}

function newLink(signaling, peer, options = {}) {
  const link = new PeerLink(signaling, peer, { RTCPeerConnection: FakePeerConnection, ...options });
  links.push(link);
  return link;
}

/** Accepts every call. @returns the calls and links as they come */
function answering(signaling, options = {}) {
  const calls = [];
  signaling.addEventListener("call", ({ detail: call }) => {
    const link = call.accept({ RTCPeerConnection: FakePeerConnection, ...options });
    links.push(link);
    calls.push({ call, link });
  });
  return calls;
}

/** ann is impolite towards bob: her name sorts first. */
async function annAndBob() {
  const [ann, bob] = [await join("ann"), await join("bob")];
  await settle();
  return { ann, bob };
}

async function connectedPair(options = {}) {
  const { ann, bob } = await annAndBob();
  const calls = answering(bob, { streams: [new FakeStream("audio", "video")], ...options.callee });
  const caller = newLink(ann, "bob", { streams: [new FakeStream("video")], ...options.caller });
  const errors = record(caller, "error");
  caller.start();
  await settle(60);
  assert.equal(caller.state, "connected");
  const callee = calls[0].link;
  errors.push(...record(callee, "error"));
  assert.equal(callee.state, "connected");
  return { ann, bob, caller, callee, calls, errors };
}

const sent = (type, from) => bridge.log.filter((entry) => entry.message.type === type && (!from || entry.from === from));

// --- setting up ------------------------------------------------------------------------------------

const polite = [
  ["bob", "ann", true], ["ann", "bob", false], ["a", "B", true], ["a.b", "a-b", true], ["cam10", "cam9", false],
  ["ab", "a", true], ["same", "same", false],
];
for (const [own, other, expected] of polite)
  test(`${own} is ${expected ? "polite" : "impolite"} towards ${other}`, () => {
    assert.equal(isPolite(own, other), expected);
    assert.equal(Buffer.compare(Buffer.from(own), Buffer.from(other)) > 0, expected);
  });

test("a caller with a stream, a callee that accepts: connected, with tracks both ways", async () => {
  const { ann, bob } = await annAndBob();
  const calls = answering(bob, { streams: [new FakeStream("audio", "video")] });
  const caller = newLink(ann, "bob", { streams: [new FakeStream("audio", "video")] });
  const seen = record(caller, "track", "state", "error");
  caller.start();
  await settle(60);
  const [{ call, link: callee }] = calls;
  assert.deepEqual([call.from, call.call, call.kind], ["ann", "", "offer"]);
  assert.equal(caller.polite, false);
  assert.equal(callee.polite, true);
  assert.deepEqual(seen.filter(([type]) => type === "track").map(([, { track }]) => track.kind), ["audio", "video"]);
  assert.deepEqual(seen.filter(([type]) => type === "state").map(([, { state }]) => state), ["connecting", "connected"]);
  assert.equal(sent("offer").length, 1);
  assert.equal(sent("answer").length, 1);
  assert.equal(callee.state, "connected");
});

test("a viewer without media asks for it with `media` and start()", async () => {
  const { ann, bob } = await annAndBob();
  answering(bob, { streams: [new FakeStream("video")] });
  const viewer = newLink(ann, "bob", { media: { video: true, audio: false } });
  const tracks = record(viewer, "track");
  viewer.start();
  await settle(60);
  assert.equal(viewer.state, "connected");
  assert.deepEqual(viewer.pc.getTransceivers().map(({ kind, direction }) => [kind, direction]), [["video", "recvonly"]]);
  assert.deepEqual(tracks.map(([, { track, streams }]) => [track.kind, streams.length]), [["video", 1]]);
});

test("invite: the other side makes the offer", async () => {
  const { ann, bob } = await annAndBob();
  const calls = answering(bob, { streams: [new FakeStream("video")] });
  const viewer = newLink(ann, "bob", { media: { video: true } });
  await viewer.invite();
  await settle(60);
  assert.equal(viewer.state, "connected");
  assert.deepEqual([calls[0].call.kind, calls[0].call.media], ["invite", { video: true }]);
  assert.deepEqual(bridge.log.filter(({ message }) => message.type === "offer").map(({ from }) => from), ["bob"]);
  assert.deepEqual(bridge.log[0].message.media, { video: true });
});

test("own tracks of an inviting side wait for the offer and travel in the answer", async () => {
  const { ann, bob } = await annAndBob();
  const calls = answering(bob, { streams: [new FakeStream("video")] });
  const viewer = newLink(ann, "bob", { streams: [new FakeStream("video")] });
  await settle();
  assert.equal(sent("offer").length, 0, "nobody asked us to negotiate");
  await viewer.invite();
  await settle(60);
  assert.equal(sent("offer", "ann").length, 0);
  assert.equal(sent("offer", "bob").length, 1);
  assert.equal(calls[0].link.state, "connected");
});

test("a data channel is enough", async () => {
  const { ann, bob } = await annAndBob();
  answering(bob);
  const caller = newLink(ann, "bob");
  caller.pc.createDataChannel("chat");
  caller.start();
  await settle(60);
  assert.equal(caller.state, "connected");
});

test("the bridge's ICE servers are used unless the application names some", async () => {
  const { ann } = await annAndBob();
  const [a, b] = [newLink(ann, "bob"), newLink(ann, "cam1", { rtc: { iceServers: [], bundlePolicy: "max-bundle" } })];
  assert.deepEqual(a.pc.getConfiguration().iceServers, [{ urls: "stun:192.0.2.1:3478" }]);
  assert.deepEqual(b.pc.getConfiguration(), { iceServers: [], bundlePolicy: "max-bundle" });
});

// --- ICE servers whose credentials end -------------------------------------------------------------

const turn = (number) => [{ urls: ["turn:192.0.2.9"], username: `${number}:ann`, credential: `pw${number}` }];
/** A token was renewed, and fresh ICE servers came with it. */
async function renewServers(signaling, servers) {
  bridge.refreshed = { iceServers: servers, tokenExpiresIn: 3600 };
  await signaling.refresh("t");
}
const serversOf = (link) => link.pc.getConfiguration().iceServers;

test("fresh ICE servers are for new links, and for open ones when a path is sought anew", async () => {
  const { ann, bob, caller, callee } = await connectedPair();
  const before = serversOf(caller);
  await renewServers(ann, turn(2));
  await renewServers(bob, turn(3));
  await settle(60);
  assert.deepEqual(serversOf(newLink(ann, "bob", { call: "new" })), turn(2));
  assert.deepEqual([serversOf(caller), serversOf(callee)], [before, before], "nothing is sought now");
  caller.pc.fail();
  callee.pc.fail();
  await settle(100);
  assert.equal(caller.state, "connected");
  assert.deepEqual([serversOf(caller), serversOf(callee)], [turn(2), turn(3)]);
});

test("a restart by the application, and the side that only answers it, take the fresh ICE servers too", async () => {
  const { ann, bob, caller, callee } = await connectedPair();
  await renewServers(ann, turn(2));
  await renewServers(bob, turn(3));
  caller.pc.restartIce();
  await settle(100);
  assert.deepEqual([serversOf(caller), serversOf(callee)], [turn(2), turn(3)]);
  assert.equal(sent("offer", "ann").length, 2, "one for the restart");
  assert.deepEqual([caller.state, callee.state], ["connected", "connected"]);
});

test("an offer that restarts nothing leaves the ICE servers alone", async () => {
  const { bob, caller, callee } = await connectedPair();
  const before = serversOf(callee);
  await renewServers(bob, turn(3));
  caller.pc.addTrack(new FakeStream("audio").getTracks()[0]);
  await settle(100);
  assert.deepEqual(serversOf(callee), before);
});

test("after a lost connection the credentials of before are not used", async () => {
  const { ann } = await annAndBob();
  bridge.joinedWith = { iceServers: turn(2) };
  bridge.cut("ann");
  await settle();
  const link = newLink(ann, "bob", { streams: [new FakeStream("video")] });
  assert.deepEqual(serversOf(link), [{ urls: "stun:192.0.2.1:3478" }], "made while away");
  await timers.advance(500);
  await settle(60);
  assert.deepEqual(serversOf(newLink(ann, "bob", { call: "new" })), turn(2));
  link.start();
  await settle(60);
  assert.deepEqual(serversOf(link), turn(2));
});

test("the application's own ICE servers stay, whatever the bridge has", async () => {
  const { ann } = await annAndBob();
  const own = newLink(ann, "bob", { rtc: { iceServers: [] }, streams: [new FakeStream("video")] });
  await renewServers(ann, turn(2));
  own.start();
  await settle(60);
  assert.deepEqual(serversOf(own), []);
});

test("a candidate that a small device has no room for is no error of the call", async () => {
  const { ann, bob } = await annAndBob();
  answering(bob);
  const caller = newLink(ann, "bob", { streams: [new FakeStream("video")] });
  const errors = record(caller, "error");
  let refused = 0;
  bridge.filter = ({ from, message }) =>
    from === "ann" && message.type === "candidate" && refused++ === 0
      ? { code: 413, error: "too-large", message: "the candidate has 120 bytes, the device takes 100" }
      : undefined;
  caller.start();
  await settle(60);
  assert.equal(refused > 0, true);
  assert.deepEqual(errors, []);
});

test("candidates that come too fast all arrive", async () => {
  const { ann, bob } = await annAndBob();
  const calls = answering(bob);
  const caller = newLink(ann, "bob", { streams: [new FakeStream("video")] });
  const errors = record(caller, "error");
  let refused = 0;
  bridge.filter = ({ message }) =>
    message.type === "candidate" && refused++ < 3 ? { code: 429, error: "rate-limited", message: "slow down", retryAfter: 40 } : undefined;
  caller.start();
  await settle(60);
  await timers.advance(2000);
  await settle(60);
  assert.equal(caller.state, "connected");
  assert.equal(calls[0].link.state, "connected");
  assert.deepEqual(errors, []);
  assert.ok(refused > 3);
});

// --- links -----------------------------------------------------------------------------------------

test("one link per peer and call", async () => {
  const { ann } = await annAndBob();
  const first = newLink(ann, "bob");
  assert.throws(() => newLink(ann, "bob"), word("invalid-message"));
  newLink(ann, "bob", { call: "screen" });
  first.close();
  newLink(ann, "bob");
});

test("two calls between the same peers do not touch each other", async () => {
  const { ann, bob } = await annAndBob();
  const calls = answering(bob);
  for (const call of [undefined, "screen"]) {
    const link = newLink(ann, "bob", { call, streams: [new FakeStream("video")] });
    link.start();
  }
  await settle(60);
  assert.deepEqual(calls.map(({ call }) => call.call), ["", "screen"]);
  links[0].close("done");
  await settle();
  assert.equal(calls.find(({ call }) => call.call === "").link.closed, true);
  assert.equal(calls.find(({ call }) => call.call === "screen").link.state, "connected");
});

// --- incoming calls --------------------------------------------------------------------------------

test("decline says bye with the reason; the caller's link closes", async () => {
  const { ann, bob } = await annAndBob();
  bob.addEventListener("call", ({ detail: call }) => call.decline("busy"));
  const caller = newLink(ann, "bob", { streams: [new FakeStream("audio")] });
  const closed = record(caller, "close");
  caller.start();
  await settle(60);
  assert.deepEqual(closed, [["close", { by: "remote", reason: "busy" }]]);
  assert.equal(caller.pc.signalingState, "closed");
  assert.equal(sent("bye").length, 1, "a bye is not answered");
});

test("a call that waits keeps its candidates and takes the newest offer", async () => {
  const { ann, bob } = await annAndBob();
  const ringing = record(bob, "call");
  const caller = newLink(ann, "bob", { streams: [new FakeStream("audio")] });
  caller.start();
  await settle(60);
  bridge.cut("ann"); // and back: the offer is sent once more
  await settle();
  assert.equal(ringing.length, 1);
  assert.equal(ringing[0][1].settled, true, "whoever left waits no more");
  await timers.advance(500);
  await settle(60);
  assert.equal(ringing.length, 2);
  const callee = ringing[1][1].accept({ RTCPeerConnection: FakePeerConnection });
  links.push(callee);
  await settle(60);
  assert.equal(caller.state, "connected");
  assert.equal(callee.pc.history.filter((entry) => entry === "remote offer").length, 1);
});

test("a call that waits is answered by its newest offer", async () => {
  const { ann, bob } = await annAndBob();
  const ringing = record(bob, "call");
  const offers = [];
  for (let i = 0; i < 2; i++) {
    const offerer = new FakePeerConnection();
    offerer.createDataChannel("x");
    await offerer.setLocalDescription();
    offers.push(offerer.localDescription.sdp);
    await ann.offer("bob", offers[i]);
  }
  await settle();
  assert.equal(ringing.length, 1);
  const link = ringing[0][1].accept({ RTCPeerConnection: FakePeerConnection });
  links.push(link);
  await settle();
  assert.equal(link.pc.remoteDescription.sdp, offers[1]);
});

const endings = [
  ["the caller hangs up", (caller) => caller.close("never mind"), "never mind"],
  ["the caller leaves", (_, ann) => ann.close(), "leave"],
];
for (const [name, act, reason] of endings)
  test(`a call that waits ends when ${name}`, async () => {
    const { ann, bob } = await annAndBob();
    const ringing = record(bob, "call");
    const caller = newLink(ann, "bob", { streams: [new FakeStream("audio")] });
    caller.start();
    await settle();
    const [[, call]] = ringing;
    const ended = record(call, "end");
    act(caller, ann);
    await settle();
    assert.deepEqual(ended, [["end", { reason }]]);
    assert.equal(call.settled, true);
    assert.throws(() => call.accept({ RTCPeerConnection: FakePeerConnection }), word("closed"));
    assert.throws(() => call.decline(), word("closed"));
  });

test("a flood of call names is bounded: the oldest is forgotten", async () => {
  const { ann, bob } = await annAndBob();
  const ringing = record(bob, "call");
  for (let i = 0; i < 40; i++) void ann.invite("bob", { call: `call${i}` });
  await settle(60);
  assert.equal(ringing.length, 40);
  assert.deepEqual(ringing.map(([, call]) => call.settled), Array.from({ length: 40 }, (_, i) => i < 8));
  assert.equal(sent("bye").length, 0);
});

test("messages that belong to no call are passed over", async () => {
  const { ann, bob } = await annAndBob();
  const ringing = record(bob, "call");
  await Promise.all([ann.answer("bob", "v=0"), ann.candidate("bob", null), ann.bye("bob")]);
  await settle();
  assert.deepEqual(ringing, []);
});

// --- glare -----------------------------------------------------------------------------------------

for (const first of ["ann", "bob"])
  test(`glare: both offer at once, ${first}'s offer travels first; they meet in one session`, async () => {
    const { ann, bob } = await annAndBob();
    const a = newLink(ann, "bob", { streams: [new FakeStream("audio", "video")] });
    const b = newLink(bob, "ann", { streams: [new FakeStream("video")] });
    const errors = [...record(a, "error"), ...record(b, "error")];
    bridge.hold();
    for (const link of first === "ann" ? [a, b] : [b, a]) {
      link.start();
      await settle();
    }
    assert.equal(a.pc.signalingState, "have-local-offer");
    assert.equal(b.pc.signalingState, "have-local-offer");
    bridge.release();
    await settle(100);
    for (const link of [a, b]) {
      assert.equal(link.pc.signalingState, "stable");
      assert.equal(link.state, "connected");
    }
    assert.ok(b.pc.history.includes("rollback"), "the polite side gave way");
    assert.equal(a.pc.history.includes("rollback"), false);
    assert.deepEqual(errors, []);
    assert.deepEqual(a.pc.candidates.length > 0 && b.pc.candidates.length > 0, true);
  });

test("glare in a running call: renegotiation on both sides", async () => {
  const { caller, callee, errors } = await connectedPair();
  bridge.hold();
  for (const link of [caller, callee]) {
    const stream = new FakeStream("audio");
    link.pc.addTrack(stream.getTracks()[0], stream);
    await settle();
  }
  bridge.release();
  await settle(100);
  for (const { pc } of [caller, callee]) {
    assert.equal(pc.signalingState, "stable");
    assert.equal(pc.connectionState, "connected");
  }
  assert.equal(sent("offer", "ann").length >= 2 && sent("offer", "bob").length >= 1, true);
  assert.deepEqual(errors, []);
});

test("glare with data channels: the polite side takes no data offer back, and its channel comes about", async () => {
  const { caller, callee, errors } = await connectedPair();
  bridge.hold();
  caller.pc.addTrack(new FakeStream("audio").getTracks()[0]);
  callee.pc.createDataChannel("chat");
  await settle();
  assert.equal(callee.pc.signalingState, "stable", "offered, but not applied");
  assert.match(sent("offer", "bob").at(-1).message.sdp, /m=application/);
  bridge.release();
  await settle(100);
  for (const { pc } of [caller, callee]) {
    assert.equal(pc.signalingState, "stable");
    assert.match(pc.localDescription.sdp, /m=application/);
    assert.equal(pc.history.includes("rollback"), false);
  }
  assert.deepEqual(errors, []);
});

test("an offer that is not applied yet is repeated after a loss, and taken up when it is answered", async () => {
  const { ann, bob } = await annAndBob();
  answering(ann);
  const polite = newLink(bob, "ann");
  polite.pc.createDataChannel("chat");
  bridge.filter = ({ message }) => (message.type === "offer" ? "drop" : undefined);
  polite.start();
  await settle(60);
  assert.equal(polite.pc.signalingState, "stable");
  bridge.filter = () => undefined;
  bridge.cut("bob");
  await timers.advance(500);
  await settle(100);
  assert.equal(sent("offer", "bob").length, 2);
  assert.equal(polite.state, "connected");
});

test("a connection that asks for negotiation without end gets an offer now and then", async () => {
  const { caller } = await connectedPair();
  caller.pc.stubborn = true;
  caller.pc.addTrack(new FakeStream("audio").getTracks()[0]);
  await settle(200);
  const count = sent("offer", "ann").length;
  assert.ok(count <= 4, `${count} offers`);
  for (let i = 1; i <= 3; i++) {
    await timers.advance(2000);
    await settle(60);
    assert.equal(sent("offer", "ann").length, count + i);
  }
  caller.pc.addTrack(new FakeStream("audio").getTracks()[0]);
  await timers.advance(2000);
  await settle(60);
  assert.equal(caller.pc.getTransceivers().every(({ mid }) => mid !== null), true, "what is new is offered");
});

test("an impolite offer that never got through does not shut the other's out", async () => {
  const ann = await join("ann");
  const a = newLink(ann, "bob", { streams: [new FakeStream("audio")] });
  const errors = record(a, "error");
  a.start();
  await settle(60);
  assert.deepEqual(errors.map(([, { error }]) => error), ["peer-not-found"]);
  assert.equal(a.pc.signalingState, "have-local-offer");
  // bob comes; his offer crosses the one that ann repeats now
  bridge.filter = ({ from, message }) => (from === "ann" && message.type === "offer" ? "drop" : undefined);
  const bob = await join("bob");
  await settle();
  bridge.filter = () => undefined;
  const b = newLink(bob, "ann", { streams: [new FakeStream("audio")] });
  b.start();
  await settle(60);
  assert.equal(b.pc.signalingState, "have-local-offer", "ann believes that her offer is under way");
  bridge.cut("ann");
  await timers.advance(500);
  await settle(100);
  assert.equal(a.state, "connected");
  assert.equal(b.state, "connected");
});

// --- candidates ------------------------------------------------------------------------------------

test("an impolite offer that was refused does not shut the other's out", async () => {
  const { ann, bob } = await annAndBob();
  const a = newLink(ann, "bob", { streams: [new FakeStream("audio")] });
  const errors = record(a, "error");
  bridge.filter = ({ from }) => (from === "ann" ? { code: 503, error: "unavailable", message: "later" } : undefined);
  a.start();
  await settle(60);
  assert.deepEqual(errors.map(([, { error }]) => error), ["unavailable"]);
  assert.equal(a.pc.signalingState, "have-local-offer");
  bridge.filter = () => undefined;
  const b = newLink(bob, "ann", { streams: [new FakeStream("audio")] });
  b.start();
  await settle(100);
  assert.equal(a.state, "connected");
  assert.deepEqual(sent("offer").map(({ from }) => from).slice(0, 2), ["ann", "bob"]);
});

test("candidates that come before their description wait for it", async () => {
  const { ann, bob } = await annAndBob();
  const callee = newLink(bob, "ann");
  const errors = record(callee, "error");
  const offerer = new FakePeerConnection();
  const candidates = [];
  offerer.addEventListener("icecandidate", ({ candidate }) => candidates.push(candidate?.toJSON() ?? null));
  offerer.createDataChannel("x");
  await offerer.setLocalDescription();
  const { sdp } = offerer.localDescription; // before gathering: holds no candidate
  await settle();
  for (const candidate of candidates) await ann.candidate("bob", candidate);
  await settle();
  assert.deepEqual(callee.pc.candidates, []);
  await ann.offer("bob", sdp);
  await settle(60);
  assert.deepEqual(callee.pc.candidates.map(({ candidate }) => candidate), candidates.slice(0, 2).map(({ candidate }) => candidate));
  assert.deepEqual(errors, []);
});

test("candidates that come before anybody knows of the call wait for its offer", async () => {
  const { ann, bob } = await annAndBob();
  const calls = answering(bob);
  const caller = newLink(ann, "bob", { streams: [new FakeStream("video")] });
  bridge.filter = ({ message }) =>
    message.type === "offer" ? { code: 429, error: "rate-limited", message: "slow down", retryAfter: 300 } : undefined;
  caller.start();
  await settle(60);
  assert.equal(sent("candidate", "ann").length > 1, true);
  bridge.filter = () => undefined;
  await timers.advance(300);
  await settle(60);
  assert.equal(calls[0].link.pc.candidates.length, 2);
  assert.equal(caller.state, "connected");
});

test("early candidates are forgotten with their peer, after a while, and beyond a number", async () => {
  const { ann, bob } = await annAndBob();
  const candidate = (n) => ({ candidate: `candidate:1 1 udp ${n} 192.0.2.1 1 typ host`, sdpMid: "0" });
  const rows = [
    ["kept", async () => {}, 1],
    ["a while", () => timers.advance(15_001), 0],
    ["gone", async () => { bridge.cut("ann"); await timers.advance(500); }, 0],
    ["many", () => Promise.all(Array.from({ length: 300 }, (_, n) => ann.candidate("bob", candidate(n), { call: "many" }))), 256],
  ];
  for (const [call, act, expected] of rows) {
    await ann.candidate("bob", candidate(0), { call });
    await settle();
    await act();
    await settle();
    const link = newLink(bob, "ann", { call });
    const offerer = new FakePeerConnection();
    offerer.createDataChannel("x");
    await offerer.setLocalDescription();
    await ann.offer("bob", offerer.localDescription, { call });
    await settle(400);
    assert.equal(link.pc.candidates.length, expected, call);
  }
});

test("candidates of the next generation wait for the next description", async () => {
  const { ann, bob, caller, callee, errors } = await connectedPair();
  const before = callee.pc.candidates.length;
  const held = [];
  bridge.filter = ({ from, message }) => {
    if (from !== "ann" || message.type !== "offer") return undefined;
    held.push(message);
    return "drop";
  };
  caller.pc.restartIce();
  await settle(60);
  assert.equal(held.length, 1);
  assert.equal(callee.pc.candidates.length, before, "they fit no description that is here");
  bridge.filter = () => undefined;
  await ann.offer("bob", held[0].sdp);
  await settle(60);
  assert.equal(callee.pc.candidates.length > before, true);
  assert.equal(caller.pc.signalingState, "stable");
  assert.equal(bob.state, "joined");
  assert.deepEqual(errors, []);
});

test("the end of candidates travels both ways, as null or as an empty string", async () => {
  const { ann, caller, errors } = await connectedPair();
  for (const from of ["ann", "bob"])
    assert.equal(sent("candidate", from).at(-1).message.candidate, null, `${from} says that no more will come`);
  caller.pc.dispatchEvent(Object.assign(new Event("icecandidate"), {
    candidate: { candidate: "", sdpMid: "0", usernameFragment: caller.pc.fragment },
  }));
  await settle();
  assert.equal(sent("candidate", "ann").at(-1).message.candidate.candidate, "");
  await ann.candidate("bob", null);
  await settle();
  assert.deepEqual(errors, []);
});

test("a candidate that the connection refuses is an error event, and the call goes on", async () => {
  const { bob, caller } = await connectedPair();
  const errors = record(caller, "error");
  caller.pc.addIceCandidate = () => Promise.reject(new Error("no such line"));
  await bob.candidate("ann", { candidate: "candidate:9 1 udp 1 192.0.2.1 1 typ host", sdpMid: "0" });
  await settle();
  assert.deepEqual(errors.map(([, { error, message }]) => [error, message]), [["negotiation", "no such line"]]);
  assert.equal(caller.closed, false);
});

// --- renegotiation, restart ------------------------------------------------------------------------

test("a track added later is negotiated, from either side", async () => {
  const { caller, callee, errors } = await connectedPair();
  for (const [adder, from, hearer] of [[callee, "bob", caller], [caller, "ann", callee]]) {
    const tracks = record(hearer, "track");
    const before = sent("offer", from).length;
    for (const track of new FakeStream("audio", "video").getTracks()) adder.pc.addTrack(track);
    await settle(60);
    assert.equal(sent("offer", from).length, before + 1, "both in one offer");
    assert.equal(tracks.length, 2);
    assert.equal(adder.pc.signalingState, "stable");
  }
  assert.deepEqual(errors, []);
});

test("a failed path is restarted with fresh ICE servers, and the call goes on", async () => {
  const { caller, callee, errors } = await connectedPair();
  const fragment = caller.pc.fragment;
  const states = record(caller, "state");
  caller.pc.fail();
  await settle(100);
  assert.deepEqual(states.map(([, { state }]) => state), ["failed", "connecting", "connected"]);
  assert.notEqual(caller.pc.fragment, fragment);
  assert.equal(callee.state, "connected");
  assert.deepEqual(errors, []);
});

test("restarts that help are not counted", async () => {
  const { caller, errors } = await connectedPair({ caller: { restarts: 1 }, callee: { restarts: 1 } });
  for (let i = 0; i < 4; i++) {
    caller.pc.fail();
    await settle(100);
    assert.equal(caller.state, "connected");
  }
  assert.deepEqual(errors, []);
});

test("restarts that do not help are bounded and told", async () => {
  const { caller, callee } = await connectedPair({ caller: { restarts: 2 }, callee: { restarts: 0 } });
  const errors = record(caller, "error");
  caller.pc.broken = true;
  for (let i = 0; i < 3; i++) {
    caller.pc.fail();
    await settle(60);
  }
  assert.deepEqual(errors.map(([, { error }]) => error), ["ice-failed"]);
  assert.equal(sent("offer", "ann").length, 3);
  assert.equal(caller.closed, false);
  assert.equal(callee.closed, false);
});

// --- ending ----------------------------------------------------------------------------------------

test("close says bye once; both links close once", async () => {
  const { caller, callee, ann } = await connectedPair();
  const seen = [record(caller, "close", "state"), record(callee, "close", "state")];
  caller.close("done");
  caller.close("again");
  callee.close();
  await settle();
  assert.deepEqual(seen[0], [["state", { state: "closed" }], ["close", { by: "local", reason: "done" }]]);
  assert.equal(seen[1].filter(([type]) => type === "close").length, 1);
  assert.equal(caller.state, "closed");
  await settle();
  newLink(ann, "bob"); // the place is free
});

test("a link that never spoke says no bye", async () => {
  const { ann } = await annAndBob();
  newLink(ann, "bob").close();
  await settle();
  assert.equal(bridge.log.length, 0);
});

test("closing at any moment of the set-up leaves no error and no late message", async () => {
  for (let rounds = 0; rounds < 24; rounds += 1) {
    const [ann, bob] = [await join(`ann${rounds}`), await join(`bob${rounds}`)];
    const calls = answering(bob);
    const caller = newLink(ann, bob.peer, { streams: [new FakeStream("video")] });
    const errors = record(caller, "error");
    caller.start();
    for (let i = 0; i < rounds; i++) await settle(1);
    const said = bridge.socketOf(ann.peer).sent;
    const before = said.length;
    caller.close();
    await settle(60);
    assert.deepEqual(errors, [], `round ${rounds}`);
    const after = said.slice(before).map(({ type }) => type);
    assert.deepEqual(after, before > 1 ? ["bye"] : [], `round ${rounds}`); // the join is the first
    assert.equal(calls.every(({ link }) => link.closed), true, `round ${rounds}`);
    ann.close();
    bob.close();
    await settle();
  }
});

test("a peer that vanishes from the room does not end the call, but the link tells", async () => {
  const { caller, callee } = await connectedPair();
  const seen = record(caller, "presence", "close", "state");
  bridge.cut("bob");
  await settle();
  assert.deepEqual(seen, [["presence", { present: false, reason: "lost" }]]);
  assert.equal(caller.present, false);
  assert.equal(caller.state, "connected");
  await timers.advance(500);
  await settle(60);
  assert.deepEqual(seen.at(-1), ["presence", { present: true }]);
  assert.equal(caller.present, true);
  assert.equal(callee.state, "connected");
});

// --- losing the socket -----------------------------------------------------------------------------

test("our socket breaks while the offer is out: it is sent again and the call comes about", async () => {
  const { ann, bob } = await annAndBob();
  const calls = answering(bob);
  const caller = newLink(ann, "bob", { streams: [new FakeStream("video")] });
  bridge.filter = ({ message }) => (message.type === "offer" ? "drop" : undefined);
  caller.start();
  await settle(60);
  bridge.filter = () => undefined;
  bridge.cut("ann");
  await timers.advance(500);
  await settle(100);
  assert.equal(calls.length, 1);
  assert.equal(caller.state, "connected");
});

test("the answer is lost with the callee's socket: the caller offers again when it is back", async () => {
  const { ann, bob } = await annAndBob();
  const calls = answering(bob);
  const caller = newLink(ann, "bob", { streams: [new FakeStream("video")] });
  bridge.filter = ({ message }) => (message.type === "answer" ? "drop" : undefined);
  caller.start();
  await settle(60);
  assert.equal(caller.pc.signalingState, "have-local-offer");
  bridge.filter = () => undefined;
  bridge.cut("bob");
  await settle();
  await timers.advance(500);
  await settle(100);
  assert.equal(caller.state, "connected");
  assert.equal(calls.length, 1, "it is still the same call");
});

test("the connection is away when the call starts: everything goes out after the rejoin", async () => {
  const { ann, bob } = await annAndBob();
  answering(bob);
  bridge.cut("ann");
  const caller = newLink(ann, "bob", { streams: [new FakeStream("video")] });
  caller.start();
  await settle();
  await timers.advance(500);
  await settle(100);
  assert.equal(caller.state, "connected");
  assert.equal(sent("offer").length, 1, "what waited is not sent twice");
});

test("an invite that no offer answered is repeated when the peer is back", async () => {
  const { ann, bob } = await annAndBob();
  const viewer = newLink(ann, "bob", { media: { video: true } });
  bridge.filter = () => "drop";
  await viewer.invite();
  bridge.filter = () => undefined;
  bridge.cut("bob");
  await settle();
  answering(bob, { streams: [new FakeStream("video")] });
  await timers.advance(500);
  await settle(100);
  assert.equal(sent("invite").length, 2);
  assert.equal(viewer.state, "connected");
});

test("candidates that could not be sent go out after the rejoin", async () => {
  const { ann, bob } = await annAndBob();
  answering(bob);
  const caller = newLink(ann, "bob", { streams: [new FakeStream("video")] });
  const errors = record(caller, "error");
  bridge.filter = ({ from, message }) =>
    from === "ann" && message.type === "candidate" ? { code: 503, error: "unavailable", message: "later" } : undefined;
  caller.start();
  await settle(60);
  assert.equal(caller.state, "connecting");
  bridge.filter = () => undefined;
  bridge.cut("ann");
  await timers.advance(500);
  await settle(60);
  assert.equal(caller.state, "connected");
  assert.deepEqual(errors, []);
});

test("candidates that a newer description holds are not sent again", async () => {
  const { ann, caller } = await connectedPair();
  const refused = [];
  bridge.filter = ({ from, message }) => {
    if (from !== "ann" || message.type !== "candidate" || refused.length >= 2) return undefined;
    refused.push(message.candidate.usernameFragment);
    return { code: 503, error: "unavailable", message: "later" };
  };
  caller.pc.restartIce();
  await settle(60);
  caller.pc.restartIce();
  await settle(60);
  assert.equal(refused.length, 2);
  const before = sent("candidate", "ann").length;
  bridge.cut("ann");
  await timers.advance(500);
  await settle(60);
  assert.equal(ann.state, "joined");
  assert.equal(sent("candidate", "ann").length, before);
});

test("told to slow down, the link waits and says it again", async () => {
  const { ann, bob } = await annAndBob();
  answering(bob);
  const caller = newLink(ann, "bob", { streams: [new FakeStream("video")] });
  const errors = record(caller, "error");
  let refused = 0;
  bridge.filter = ({ message }) =>
    message.type === "offer" && refused++ < 2
      ? { code: 429, error: "rate-limited", message: "slow down", retryAfter: 800 }
      : undefined;
  caller.start();
  await settle(60);
  await timers.advance(800);
  await timers.advance(800);
  await settle(60);
  assert.equal(caller.state, "connected");
  assert.deepEqual(errors, []);
});

// --- the same name again ---------------------------------------------------------------------------

// --- resuming ----------------------------------------------------------------------------------------

/** The socket breaks, time passes, the session is resumed or joined again. */
async function comeBack(ms = 500) {
  await timers.advance(ms);
  await settle(100);
}

test("a running call does not notice a lost socket, and can be changed afterwards", async () => {
  bridge.resumeWindow = 30;
  const { ann, caller, callee, errors } = await connectedPair();
  const events = [...record(caller, "state", "presence", "close"), ...record(callee, "state", "presence", "close")];
  const before = bridge.log.length;
  const resumed = record(ann, "resumed", "joined");
  bridge.drop("ann");
  await comeBack();
  assert.deepEqual(resumed.map(([type]) => type), ["resumed"]);
  assert.equal(bridge.log.length, before, "nothing is negotiated");
  assert.deepEqual(events, []);
  callee.pc.addTrack(new FakeStream("audio").getTracks()[0]);
  caller.pc.addTrack(new FakeStream("audio").getTracks()[0]);
  await settle(100);
  assert.deepEqual([caller.state, callee.state], ["connected", "connected"]);
  assert.deepEqual([caller.pc, callee.pc].map((pc) => pc.getTransceivers().filter(({ kind }) => kind === "audio").length > 0), [true, true]);
  assert.deepEqual(errors, []);
});

test("what the other side negotiates while we are away is taken up", async () => {
  bridge.resumeWindow = 30;
  const { caller, callee, errors } = await connectedPair();
  const before = sent("offer").length;
  bridge.drop("ann");
  callee.pc.restartIce();
  await settle(60);
  assert.equal(callee.pc.signalingState, "have-local-offer");
  await comeBack();
  assert.deepEqual([caller.pc.signalingState, callee.pc.signalingState], ["stable", "stable"]);
  assert.equal(sent("offer").length, before + 1);
  assert.deepEqual(errors, []);
});

test("a path that fails while we are away is restarted as soon as we are back", async () => {
  bridge.resumeWindow = 30;
  const { caller, callee, errors } = await connectedPair();
  const before = sent("offer").length;
  bridge.drop("ann");
  caller.pc.fail();
  await settle(60);
  assert.equal(caller.state, "failed");
  await comeBack();
  assert.equal(caller.state, "connected");
  assert.equal(callee.state, "connected");
  assert.ok(sent("offer").length <= before + 2, "one of each side");
  assert.deepEqual(errors, []);
});

test("the answer comes while we are away: the call comes about with one offer", async () => {
  bridge.resumeWindow = 30;
  const { ann, bob } = await annAndBob();
  const calls = answering(bob);
  const caller = newLink(ann, "bob", { streams: [new FakeStream("video")] });
  bridge.hold();
  caller.start();
  await settle(60);
  bridge.drop("ann");
  bridge.release();
  await settle(60);
  assert.equal(caller.pc.signalingState, "have-local-offer");
  await comeBack();
  assert.equal(caller.state, "connected");
  assert.equal(calls.length, 1);
  assert.deepEqual([sent("offer").length, sent("answer").length], [1, 1]);
});

test("the acks of a whole call are lost: it comes about, and nothing is forwarded twice", async () => {
  bridge.resumeWindow = 30;
  const { ann, bob } = await annAndBob();
  const calls = answering(bob);
  const caller = newLink(ann, "bob", { streams: [new FakeStream("video")] });
  const errors = record(caller, "error");
  bridge.filter = ({ from }) => (from === "ann" ? "no answer" : undefined);
  caller.start();
  await settle(60);
  const before = bridge.log.filter(({ from }) => from === "ann").length;
  assert.ok(before > 1);
  bridge.drop("ann");
  await comeBack();
  assert.equal(bridge.log.filter(({ from }) => from === "ann").length, before);
  assert.deepEqual([caller.state, calls[0].link.state], ["connected", "connected"]);
  assert.deepEqual(errors, []);
});

test("candidates that the bridge refused before the loss are sent after a resume", async () => {
  bridge.resumeWindow = 30;
  const { ann, bob } = await annAndBob();
  answering(bob);
  const caller = newLink(ann, "bob", { streams: [new FakeStream("video")] });
  bridge.filter = ({ from, message }) =>
    from === "ann" && message.type === "candidate" ? { code: 503, error: "unavailable", message: "later" } : undefined;
  caller.start();
  await settle(60);
  assert.equal(caller.state, "connecting");
  bridge.filter = () => undefined;
  bridge.drop("ann");
  await comeBack();
  assert.equal(caller.state, "connected");
  assert.equal(sent("offer").length, 1);
});

test("an offer that was given up while we were away is made again after a resume", async () => {
  bridge.resumeWindow = 60;
  const ann = await join("ann", { queueTimeout: 2000 });
  const bob = await join("bob");
  answering(bob);
  bridge.drop("ann");
  const caller = newLink(ann, "bob", { streams: [new FakeStream("video")] });
  const errors = record(caller, "error");
  bridge.refusesSockets = true;
  caller.start();
  await timers.advance(4000);
  bridge.refusesSockets = false;
  assert.deepEqual(errors.map(([, { error }]) => error), ["offline"]);
  await comeBack(5000);
  assert.equal(caller.state, "connected");
  assert.equal(sent("offer").length, 1);
});

test("the window is over: both sides stay in the call, see each other anew, and can change it", async () => {
  bridge.resumeWindow = 30;
  const { ann, caller, callee, calls, errors } = await connectedPair();
  const presence = record(callee, "presence");
  const back = record(ann, "joined", "resumed");
  bridge.drop("ann");
  bridge.expire("ann");
  await comeBack();
  assert.deepEqual(back.map(([type, { rejoined }]) => [type, rejoined]), [["joined", true]]);
  assert.deepEqual(presence.map(([, { present }]) => present), [false, true]);
  assert.deepEqual([caller.state, callee.state], ["connected", "connected"]);
  caller.pc.addTrack(new FakeStream("audio").getTracks()[0]);
  await settle(100);
  assert.deepEqual([caller.pc.signalingState, callee.pc.signalingState], ["stable", "stable"]);
  assert.equal(calls.length, 1, "it is still the same call");
  assert.deepEqual(errors, []);
});

test("a page that was loaded again calls anew: the old link closes, a new call comes", async () => {
  const { ann, bob, caller, callee, calls } = await connectedPair();
  const closed = record(callee, "close");
  ann.close();
  await settle();
  const again = await join("ann");
  const fresh = newLink(again, "bob", { streams: [new FakeStream("video")] });
  fresh.start();
  await settle(100);
  assert.deepEqual(closed, [["close", { by: "remote", reason: "restarted" }]]);
  assert.equal(calls.length, 2);
  assert.equal(fresh.state, "connected");
  assert.equal(bob.state, "joined");
  caller.close();
});

test("the same with an invite", async () => {
  const { ann, callee, calls } = await connectedPair();
  ann.close();
  await settle();
  const again = await join("ann");
  const fresh = newLink(again, "bob", { media: { video: true } });
  await fresh.invite();
  await settle(100);
  assert.equal(callee.closed, true);
  assert.equal(calls.length, 2);
  assert.equal(fresh.state, "connected");
});

test("a link that was started before the client joined goes to work then", async () => {
  const bob = await join("bob");
  answering(bob, { streams: [new FakeStream("video")] });
  const ann = new Signaling("ws://bridge.test/ws", { room: "lobby", peer: "ann", WebSocket: bridge.WebSocket, timers });
  clients.push(ann);
  const link = newLink(ann, "bob", { media: { video: true } });
  link.start();
  await settle();
  assert.equal(link.present, false);
  await ann.connect();
  await settle(60);
  assert.equal(link.present, true);
  assert.equal(link.state, "connected");
});

test("a reason that may not travel does not keep the bye from travelling", async () => {
  const { caller, callee } = await connectedPair();
  const closed = record(callee, "close");
  caller.close("line\nbreak");
  await settle();
  assert.deepEqual(closed, [["close", { by: "remote", reason: undefined }]]);
  await assert.rejects(caller.invite(), word("closed"));
});

test("an invite within a running call renegotiates it", async () => {
  const { ann, callee, caller, calls, errors } = await connectedPair();
  for (let i = 0; i < 5; i++) {
    const { fragment } = callee.pc;
    await ann.invite("bob");
    await settle(100);
    assert.notEqual(callee.pc.fragment, fragment);
    assert.equal(caller.state, "connected");
  }
  assert.equal(calls.length, 1);
  assert.deepEqual(errors, []);
});

test("an answer that comes late, to an offer that was taken back, changes nothing", async () => {
  const { bob, caller, errors } = await connectedPair();
  const history = [...caller.pc.history];
  await bob.answer("ann", sent("answer")[0].message.sdp);
  await settle();
  assert.deepEqual(caller.pc.history, history);
  assert.deepEqual(errors, []);
});
