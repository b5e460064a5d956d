// What the tests of the client share: a clean stage, clients that are closed at the end, records.

import assert from "node:assert/strict";
import { Signaling, SignalingError } from "../../clients/js/src/index.js";
import { FakeSocket } from "./fake-socket.js";
import { FakeTimers, settle } from "./fake-timers.js";

/** The time of the present test. */
export let timers = new FakeTimers();
let clients = [];

export function startClean() {
  FakeSocket.reset();
  timers = new FakeTimers();
}

export function closeAll() {
  for (const signaling of clients) signaling.close();
  clients = [];
}

/** A client without random delays. */
export function newClient({ url = "ws://bridge.test/ws", ...options } = {}) {
  const signaling = new Signaling(url, {
    room: "lobby", WebSocket: FakeSocket, timers, backoff: { random: () => 0 }, ...options,
  });
  clients.push(signaling);
  return signaling;
}

export const joined = (more = {}) => ({
  type: "joined", room: "lobby", peer: "ann", session: "s1", secret: "hush", peers: [],
  iceServers: [{ urls: "stun:192.0.2.1" }], resumeWindow: 0, limits: { message: 262144 }, ...more,
});

export const resumed = (more = {}) => ({
  type: "resumed", room: "lobby", peer: "ann", session: "s2", secret: "hush2", peers: [], seq: 0,
  iceServers: [{ urls: "stun:192.0.2.1" }], resumeWindow: 30, limits: { message: 262144 }, ...more,
});

/** Time passes until the client opens another socket. */
export async function nextSocket() {
  const count = FakeSocket.all.length;
  for (let i = 0; i < 400 && FakeSocket.all.length === count; i++) await timers.advance(250);
  assert.equal(FakeSocket.all.length, count + 1);
  return FakeSocket.last;
}

export async function joinedClient(options, reply) {
  const signaling = newClient(options);
  const connecting = signaling.connect();
  await settle();
  FakeSocket.last.open();
  FakeSocket.last.say(joined(reply));
  await connecting;
  return signaling;
}

/** @returns the events of these types as they come, each as [type, detail] */
export function record(target, ...types) {
  const seen = [];
  for (const type of types) target.addEventListener(type, ({ detail }) => seen.push([type, detail]));
  return seen;
}

/** For assert.rejects: a SignalingError with this word. */
export const word = (error) => (thrown) => {
  assert.ok(thrown instanceof SignalingError, String(thrown));
  assert.equal(thrown.error, error, thrown.message);
  return true;
};
