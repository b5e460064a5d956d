/* What one bridge costs when the installation around it grows: CPU, memory, what it records, with
 * presence.scope = all and = rooms. Prints one table.
 *
 *     node tests/bench/scope.mjs --bridge build/sigbridge [--seconds 20] [--rooms 1000] [--times 1,2,4,8]
 *
 * The bridge's own work is the same in each row: 20 rooms with two sessions each that send each other
 * candidates, 5 messages a second in each room. Elsewhere, as other bridges would have them: so many
 * times --rooms rooms with four devices each; each second 2 % of them renew their presence and 1 % leave,
 * or come back when they had left. Nobody else runs: what is elsewhere is written by this process over MQTT. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import mqtt from "mqtt";
import WebSocket from "ws";
import { freePort, listening } from "./ports.mjs";

const { values: options } = parseArgs({
  options: {
    bridge: { type: "string", default: "build/sigbridge" },
    seconds: { type: "string", default: "20" },
    rooms: { type: "string", default: "1000" },
    times: { type: "string", default: "1,2,4,8" },
  },
});
const SECONDS = Math.min(Number(options.seconds), 3600);
const ROOMS = Math.min(Number(options.rooms), 10_000);
const TIMES = options.times.split(",").map(Number);
const PEERS = 4;
const OWN_ROOMS = 20;
const PREFIX = "sigbridge/v1";

const children = new Set();
const dirs = [];
process.on("exit", () => {
  for (const child of children) child.kill("SIGKILL");
  for (const dir of dirs) rmSync(dir, { recursive: true, force: true });
});

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
function newDir() {
  dirs.push(mkdtempSync(join(tmpdir(), "sigbridge-scope-")));
  return dirs.at(-1);
}

function start(command, args, env = {}) {
  const child = spawn(command, args, { stdio: ["ignore", "ignore", "inherit"], env: { ...process.env, ...env } });
  children.add(child);
  child.on("exit", () => children.delete(child));
  return child;
}

async function end(child) {
  if (child.exitCode !== null) throw new Error(`${child.spawnfile} ended before its time`);
  child.kill("SIGTERM");
  await once(child, "exit");
}

/* Seconds of CPU, user and system, since the process began. */
function cpu(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1].split(" ");
  return (Number(fields[11]) + Number(fields[12])) / 100;
}
const memory = (pid) => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))[1]) / 1024;

async function metrics(port) {
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  return (name) => Number(new RegExp(`^${name} (\\S+)$`, "m").exec(text)?.[1]);
}

async function until(check, what) {
  for (let tries = 0; tries < 3000; tries++) {
    if (await check()) return;
    await sleep(20);
  }
  throw new Error(`never: ${what}`);
}

class Elsewhere {
  constructor(client, rooms) {
    Object.assign(this, { client, count: rooms * PEERS, rooms, at: 0, published: 0, away: new Set() });
  }

  topic(i) {
    return `${PREFIX}/rooms/far-${i % this.rooms}/peers/cam-${Math.floor(i / this.rooms)}/presence`;
  }

  publish(i, here) {
    const text = here ? JSON.stringify({ kind: "device", ttl: 600, meta: { name: `Camera ${i}`, model: "bench", streams: 2 } }) : "";
    this.published++;
    return new Promise((resolve) => this.client.publish(this.topic(i), text, { qos: 1, retain: true }, resolve));
  }

  async fill() {
    for (let i = 0; i < this.count; i += 500)
      await Promise.all(Array.from({ length: Math.min(500, this.count - i) }, (_, k) => this.publish(i + k, true)));
  }

  /* A fiftieth of a second's share. */
  step() {
    this.due = (this.due ?? 0) + this.count * 0.03 / 50;
    for (; this.due >= 1; this.due--) {
      const i = this.at++ % this.count;
      if (this.at % 3) this.publish(i, true).then(() => this.away.delete(i));
      else if (this.away.delete(i)) this.publish(i, true);
      else this.away.add(i) && this.publish(i, false);
    }
  }
}

function join2(url, room, peer) {
  const socket = new WebSocket(url, ["sigbridge.v1"], { perMessageDeflate: false });
  return new Promise((resolve, reject) => {
    socket.on("error", reject);
    socket.on("open", () => socket.send(JSON.stringify({ type: "join", room, peer })));
    socket.on("message", (text) => {
      const message = JSON.parse(text);
      if (message.type === "error") reject(new Error(message.message));
      if (message.type === "joined") resolve(socket);
      if (message.type === "candidate") socket.heard = (socket.heard ?? 0) + 1;
    });
  });
}

const candidate = { candidate: "candidate:842163049 1 udp 1677729535 203.0.113.45 46154 typ srflx raddr 0.0.0.0 rport 0", sdpMid: "0", sdpMLineIndex: 0 };

async function run(times, scope) {
  const port = await freePort();
  const http = await freePort();
  const dir = newDir();
  const file = join(dir, "mosquitto.conf");
  writeFileSync(file, `listener ${port} 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\nmax_queued_messages 1000000\nmax_inflight_messages 100\nlog_type error\n`);
  const broker = start("mosquitto", ["-c", file]);
  await listening(port);
  const client = mqtt.connect(`mqtt://127.0.0.1:${port}`, { protocolVersion: 5, reconnectPeriod: 0 });
  await once(client, "connect");
  const elsewhere = new Elsewhere(client, ROOMS * times);
  await elsewhere.fill();
  const bridge = start(options.bridge, ["--dev", "--listen", `127.0.0.1:${http}`, "--broker", `mqtt://127.0.0.1:${port}`, "--data", newDir(), "--web", "none", "--log-level", "error"], {
    SIGBRIDGE_PRESENCE_SCOPE: scope, SIGBRIDGE_LIMITS_ROOMS: "1000000", SIGBRIDGE_LIMITS_ADDRESS_SESSIONS: "10000",
  });
  await listening(http);
  const readyFrom = Date.now();
  await until(async () => (await fetch(`http://127.0.0.1:${http}/readyz`)).status === 200, "ready");
  const ready = Date.now() - readyFrom;
  const url = `ws://127.0.0.1:${http}/ws`;
  const sockets = [];
  for (let i = 0; i < OWN_ROOMS; i++) sockets.push(await join2(url, `own-${i}`, "a"), await join2(url, `own-${i}`, "b"));
  await sleep(1000);
  const before = { bridge: cpu(bridge.pid), broker: cpu(broker.pid), at: performance.now(), published: elsewhere.published, m: await metrics(http) };
  let round = 0;
  const timer = setInterval(() => {
    elsewhere.step();
    /* In each room 5 candidates a second, from the one and from the other in turn. */
    for (let k = 0; k < 2; k++) {
      const i = round++;
      const room = i % OWN_ROOMS;
      const from = Math.floor(i / OWN_ROOMS) % 2;
      sockets[room * 2 + from].send(JSON.stringify({ type: "candidate", to: from ? "a" : "b", candidate }));
    }
  }, 20);
  await sleep(SECONDS * 1000);
  clearInterval(timer);
  const took = (performance.now() - before.at) / 1000;
  const m = await metrics(http);
  const row = {
    elsewhere: elsewhere.count, scope, took,
    changes: (elsewhere.published - before.published) / took,
    bridge: (cpu(bridge.pid) - before.bridge) / took * 100, broker: (cpu(broker.pid) - before.broker) / took * 100,
    memory: memory(bridge.pid), brokerMemory: memory(broker.pid), peers: m("sigbridge_peers"),
    recorded: (m("sigbridge_store_written_total") - before.m("sigbridge_store_written_total")) / took, ready,
  };
  await until(() => sockets.reduce((sum, s) => sum + (s.heard ?? 0), 0) === round, "all candidates have come");
  for (const socket of sockets) socket.terminate();
  client.end(true);
  await end(bridge);
  await end(broker);
  return row;
}

console.log("| present elsewhere | changes/s there | scope | bridge CPU | bridge memory | in its roster | recorded/s | ready after | broker CPU | broker memory |");
console.log("|---:|---:|---|---:|---:|---:|---:|---:|---:|---:|");
for (const times of TIMES)
  for (const scope of ["all", "rooms"]) {
    const r = await run(times, scope);
    console.log(`| ${r.elsewhere} | ${r.changes.toFixed(0)} | ${r.scope} | ${r.bridge.toFixed(1)} % | ${r.memory.toFixed(1)} MiB | ${r.peers} | ${r.recorded.toFixed(0)} | ${r.ready} ms | ${r.broker.toFixed(1)} % | ${r.brokerMemory.toFixed(1)} MiB |`);
  }
