/* What signaling through the bridge costs, beside the same through mosquitto's own WebSocket listener, in
 * one run: one-way latency browser to device and back, and memory per idle session. Prints two tables.
 *
 *     node tests/bench/first_call.mjs --bridge build/sigbridge [--messages 2000] [--sessions 5000]
 *
 * Both ends and the clock are this process, so its own event loop is in every figure: compare the rows,
 * do not read them as absolute. */
import { readFileSync } from "node:fs";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import mqtt from "mqtt";
import WebSocket from "ws";
import { freePort, listening } from "./ports.mjs";

const { values: options } = parseArgs({
  options: {
    bridge: { type: "string", default: "build/sigbridge" },
    messages: { type: "string", default: "2000" },
    sessions: { type: "string", default: "5000" },
  },
});
const MESSAGES = Math.min(Number(options.messages), 100_000);
const SESSIONS = Math.min(Number(options.sessions), 9_000);
const RATE = 200; // messages per second and direction
const PREFIX = "sigbridge/v1/rooms/bench";

const dir = mkdtempSync(join(tmpdir(), "sigbridge-bench-"));
const children = [];

/* Everything here comes from one address, and faster than people do. */
const env = {
  ...process.env,
  SIGBRIDGE_LIMITS_ADDRESS_SESSIONS: "100000",
  SIGBRIDGE_LIMITS_MESSAGES_PER_SECOND: "100000",
  SIGBRIDGE_LIMITS_MESSAGES_BURST: "1000000",
};

function start(command, args) {
  const child = spawn(command, args, { stdio: ["ignore", "ignore", "pipe"], env });
  children.push(child);
  return child;
}

function residentKiB(pid) {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))[1]);
}

function percentile(sorted, p) {
  return sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * p) / 100))];
}

const candidate = {
  candidate: "candidate:842163049 1 udp 1677729535 203.0.113.45 46154 typ srflx raddr 0.0.0.0 rport 0",
  sdpMid: "0",
  sdpMLineIndex: 0,
  usernameFragment: "aseG",
};

/* Sends MESSAGES at RATE, one outstanding or many; `send(n)` puts n into the message, `onReceive` finds
 * it again. Resolves with sorted one-way times in microseconds. */
async function measure(send, onReceive) {
  const sent = new Map();
  const took = [];
  let all;
  const done = new Promise((resolve) => (all = resolve));
  onReceive((n) => {
    if (!sent.has(n)) return;
    took.push((performance.now() - sent.get(n)) * 1000);
    sent.delete(n);
    if (took.length === MESSAGES) all();
  });
  const begin = performance.now();
  for (let n = 0; n < MESSAGES; n++) {
    while (performance.now() - begin < (n * 1000) / RATE) await new Promise(setImmediate);
    sent.set(n, performance.now());
    send(n);
  }
  await done;
  return took.sort((a, b) => a - b);
}

const rows = [];
function report(name, sorted) {
  rows.push({ name, p50: percentile(sorted, 50), p99: percentile(sorted, 99) });
}

async function startBridge() {
  const child = start(options.bridge, ["--dev", "--listen", "127.0.0.1:0", "--mqtt-listen", "127.0.0.1:0",
    "--data", join(dir, "data"), "--web", "none"]);
  let text = "";
  for await (const chunk of child.stderr) {
    text += chunk;
    const ready = /ready http=(\S+) mqtt=(\S+)/.exec(text);
    if (ready) {
      child.stderr.resume();
      return { pid: child.pid, url: `ws://${ready[1]}/ws`, mqtt: `mqtt://${ready[2]}`, data: join(dir, "data") };
    }
  }
  throw new Error(`the bridge did not start:\n${text}`);
}

async function startMosquitto() {
  const [tcp, ws] = [await freePort(), await freePort()];
  const config = join(dir, "mosquitto.conf");
  writeFileSync(config, `listener ${tcp} 127.0.0.1\nsocket_domain ipv4\nlistener ${ws} 127.0.0.1\n`
    + "protocol websockets\nsocket_domain ipv4\nallow_anonymous true\nset_tcp_nodelay true\n");
  start("mosquitto", ["-c", config]).stderr.resume();
  await listening(tcp);
  await listening(ws);
  return { tcp: `mqtt://127.0.0.1:${tcp}`, ws: `ws://127.0.0.1:${ws}` };
}

async function device(url) {
  const client = await mqtt.connectAsync(url, { protocolVersion: 5, reconnectPeriod: 100 });
  client.stream.setNoDelay?.(true);
  await client.subscribeAsync(`${PREFIX}/peers/cam/in/+`, { qos: 1 });
  return client;
}

const mark = (n) => ({ ...candidate, usernameFragment: `u${String(n).padStart(8, "0")}` });
const read = (o) => Number(o.candidate?.usernameFragment?.slice(1));

async function throughBridge(bridge) {
  const cam = await device(bridge.mqtt);
  await cam.publishAsync(`${PREFIX}/peers/cam/presence`, "{}", { qos: 1, retain: true });
  const socket = new WebSocket(bridge.url, "sigbridge.v1");
  await once(socket, "open");
  socket.send(JSON.stringify({ type: "join", room: "bench", peer: "me" }));
  const [joined] = await once(socket, "message");
  if (JSON.parse(joined).type !== "joined") throw new Error(String(joined));
  report("bridge: browser to device", await measure(
    (n) => socket.send(JSON.stringify({ type: "candidate", to: "cam", candidate: mark(n) })),
    (take) => cam.on("message", (topic, payload) => take(read(JSON.parse(payload)))),
  ));
  report("bridge: device to browser", await measure(
    (n) => cam.publish(`${PREFIX}/peers/me/in/cam`, JSON.stringify({ type: "candidate", candidate: mark(n) }), { qos: 1 }),
    (take) => socket.on("message", (data) => take(read(JSON.parse(data)))),
  ));
  socket.close();
  await cam.publishAsync(`${PREFIX}/peers/cam/presence`, "", { qos: 1, retain: true });
  await cam.endAsync();
}

async function throughMosquitto() {
  const broker = await startMosquitto();
  const cam = await device(broker.tcp);
  const me = await mqtt.connectAsync(broker.ws, { protocolVersion: 5, reconnectPeriod: 100 });
  await me.subscribeAsync(`${PREFIX}/peers/me/in/+`, { qos: 1 });
  report("mosquitto alone: browser to device", await measure(
    (n) => me.publish(`${PREFIX}/peers/cam/in/me`, JSON.stringify({ type: "candidate", candidate: mark(n) }), { qos: 1 }),
    (take) => cam.on("message", (topic, payload) => take(read(JSON.parse(payload)))),
  ));
  report("mosquitto alone: device to browser", await measure(
    (n) => cam.publish(`${PREFIX}/peers/me/in/cam`, JSON.stringify({ type: "candidate", candidate: mark(n) }), { qos: 1 }),
    (take) => me.on("message", (topic, payload) => take(read(JSON.parse(payload)))),
  ));
  await cam.endAsync();
  await me.endAsync();
}

function brokerPid(bridgePid) {
  const text = readFileSync(`/proc/${bridgePid}/task/${bridgePid}/children`, "utf8");
  return Number(text.trim().split(" ")[0]);
}

async function idleSessions(bridge) {
  const broker = brokerPid(bridge.pid);
  const before = [residentKiB(bridge.pid), residentKiB(broker)];
  const begin = performance.now();
  const sockets = [];
  for (let at = 0; at < SESSIONS; at += 100) {
    const batch = Array.from({ length: Math.min(100, SESSIONS - at) }, async (_, i) => {
      const socket = new WebSocket(bridge.url, "sigbridge.v1", { perMessageDeflate: false });
      sockets.push(socket);
      await once(socket, "open");
      socket.send(JSON.stringify({ type: "join", room: `room-${Math.floor((at + i) / 10)}`, peer: `peer-${at + i}` }));
      await once(socket, "message");
    });
    await Promise.all(batch);
  }
  const took = (performance.now() - begin) / 1000;
  const after = [residentKiB(bridge.pid), residentKiB(broker)];
  for (const socket of sockets) socket.terminate();
  return { bridge: (after[0] - before[0]) / SESSIONS, broker: (after[1] - before[1]) / SESSIONS, took };
}

try {
  const bridge = await startBridge();
  await throughBridge(bridge);
  await throughMosquitto();
  console.log(`one way, ${MESSAGES} candidates each, ${RATE}/s, QoS 1`);
  for (const { name, p50, p99 } of rows)
    console.log(`  ${name.padEnd(36)} p50 ${p50.toFixed(0).padStart(5)} us   p99 ${p99.toFixed(0).padStart(6)} us`);
  const [down, up] = [rows[0].p50 / rows[2].p50, rows[1].p50 / rows[3].p50];
  console.log(`  bridge / mosquitto alone, p50: ${down.toFixed(2)} to the device, ${up.toFixed(2)} back`);
  const idle = await idleSessions(bridge);
  console.log(`${SESSIONS} idle sessions in rooms of 10, joined in ${idle.took.toFixed(1)} s`);
  console.log(`  memory per session: bridge ${idle.bridge.toFixed(2)} KiB, broker ${idle.broker.toFixed(2)} KiB`);
} finally {
  for (const child of children) child.kill("SIGTERM");
  await Promise.all(children.map((child) => child.exitCode === null && child.signalCode === null ? once(child, "exit") : null));
  rmSync(dir, { recursive: true, force: true });
}
process.exit(0);
