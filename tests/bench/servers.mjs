/* How each candidate is started. One that cannot be started is an error of `start`, which the
 * benchmark puts into its table. */
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { freePort, listening } from "./ports.mjs";
import { Child, newDir, removeDir } from "./processes.mjs";

const HERE = join(dirname(fileURLToPath(import.meta.url)), "candidates");
const READY_MS = 30_000;

/* `programs` is {sigbridge, relay}: paths, and perhaps `under`, see serve.mjs. The result: `load` are the
 * generator's options that say where the candidate is, `pids` its processes by their part, `readyMs` the
 * time from start to ready, `stop()` ends them all. */
export async function start(kind, programs) {
  const running = { children: [], dir: newDir(), pids: {} };
  const stop = async () => {
    for (const child of running.children.reverse()) await child.stop();
    removeDir(running.dir);
  };
  try {
    const load = await launch[kind](running, kind, programs);
    return { ...running, load: [...load, "--pids", Object.values(running.pids).join(",")], stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function add(running, part, command, args) {
  const child = new Child("servers", command, args);
  running.children.push(child);
  running.pids[part] = child.pid;
  return child;
}

/* {child, http, mqtt}, ports as text; `broker` is a URL instead of the embedded one, `under` the command
 * that runs the bridge, `part` its name among the processes. */
export async function launchSigbridge(running, program, { broker = "embedded", under = [], part = "bridge" } = {}) {
  const began = performance.now();
  const [command, ...before] = [...under, program];
  const child = add(running, part, command, [...before, "--dev", "--listen", "127.0.0.1:0", "--mqtt-listen", "127.0.0.1:0", "--broker", broker,
    "--data", join(running.dir, part), "--web", "none", "--config", join(HERE, "sigbridge.conf")]);
  const [, http, mqtt] = await child.line(/ready http=\S+:(\d+) mqtt=(?:\S+:(\d+)|-)/, READY_MS);
  running.readyMs = performance.now() - began;
  const [embedded] = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, "utf8").trim().split(" ");
  if (embedded) running.pids.broker = Number(embedded);
  return { child, http, mqtt };
}

async function startSigbridge(running, kind, { sigbridge, under }) {
  running.data = join(running.dir, "bridge");
  if (under?.length > 0) {
    /* The embedded broker is watched by a system call that valgrind does not know. */
    const { tcp } = await launchMosquitto(running);
    const { http } = await launchSigbridge(running, sigbridge, { under, broker: `mqtt://127.0.0.1:${tcp}` });
    return ["--port", http, "--mqtt-port", String(tcp), "--path", "/ws"];
  }
  const { http, mqtt } = await launchSigbridge(running, sigbridge);
  running.mqtt = Number(mqtt);
  return ["--port", http, "--mqtt-port", mqtt, "--path", "/ws"];
}

/* One mosquitto for both; on one core, this shows what crossing costs, not what a second core gives. */
async function startTwo(running, kind, { sigbridge }) {
  const { tcp } = await launchMosquitto(running);
  const broker = `mqtt://127.0.0.1:${tcp}`;
  const first = await launchSigbridge(running, sigbridge, { broker });
  const second = await launchSigbridge(running, sigbridge, { broker, part: "second bridge" });
  return ["--port", first.http, "--second-port", second.http, "--path", "/ws"];
}

async function launchMosquitto(running) {
  const began = performance.now();
  const [tcp, ws] = [await freePort(), await freePort()];
  const file = join(running.dir, "mosquitto.conf");
  writeFileSync(file, readFileSync(join(HERE, "mosquitto.conf"), "utf8").replace("@TCP@", tcp).replace("@WS@", ws));
  add(running, "broker", "mosquitto", ["-c", file]);
  await listening(tcp);
  await listening(ws);
  running.readyMs = performance.now() - began;
  return { tcp, ws };
}

async function startMosquitto(running) {
  const { tcp, ws } = await launchMosquitto(running);
  return ["--port", String(ws), "--mqtt-port", String(tcp)];
}

async function launchNode(running, part, script, args = []) {
  const began = performance.now();
  const child = add(running, part, process.execPath, [join(HERE, `${script}.mjs`), ...args]);
  const [, port] = await child.line(/^ready ws=(\d+)$/, READY_MS);
  running.readyMs = performance.now() - began;
  return port;
}

async function startNode(running, kind) {
  return ["--port", await launchNode(running, "server", kind)];
}

async function startNodeBridge(running, kind) {
  const { tcp } = await launchMosquitto(running);
  return ["--port", await launchNode(running, "bridge", kind, [String(tcp)]), "--path", "/ws"];
}

async function startRelay(running, kind, programs) {
  const began = performance.now();
  const child = add(running, "server", programs.relay, []);
  const [, port] = await child.line(/^ready ws=(\d+)$/, READY_MS);
  running.readyMs = performance.now() - began;
  return ["--port", port];
}

const launch = {
  sigbridge: startSigbridge,
  "sigbridge-device": startSigbridge,
  "sigbridge-two": startTwo,
  "mosquitto-ws-0": startMosquitto,
  "mosquitto-ws-1": startMosquitto,
  "mosquitto-tcp-0": startMosquitto,
  "mosquitto-tcp-1": startMosquitto,
  "room-server": startNode,
  peerjs: startNode,
  socketio: startNode,
  "node-bridge": startNodeBridge,
  relay: startRelay,
};
