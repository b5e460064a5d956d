/* The machine, and what else went on there meanwhile: others' work makes every figure worse, and not every
 * candidate's alike. */
import { execFileSync } from "node:child_process";
import { openSync, readFileSync, writeSync } from "node:fs";
import { cpus, release } from "node:os";
import { cores } from "./processes.mjs";

function version(command, args, expression) {
  try {
    return expression.exec(execFileSync(command, args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] }))?.[1];
  } catch (error) {
    return expression.exec(String(error.stdout))?.[1]; // mosquitto -h ends with 3
  }
}

export function machine() {
  const { count, generator, servers, apart } = cores();
  return {
    cpu: `${cpus()[0].model.trim()}, ${count} core${count > 1 ? "s" : ""}`, kernel: release(), node: process.versions.node,
    mosquitto: version("mosquitto", ["-h"], /mosquitto version (\S+)/), apart, generatorCore: generator, serverCore: servers,
  };
}

/* As long as this process runs, a core with nothing to do waits without going to sleep. Who writes to a
 * socket wakes the reader, and where a core sleeps, a virtual one above all, the writer pays several
 * microseconds for that, which with clients elsewhere he would not. False where the kernel or the rights
 * of the user do not allow it. */
export function keepAwake() {
  try {
    writeSync(openSync("/dev/cpu_dma_latency", "r+"), new Uint8Array(4)); // 0 us, until the file is closed
    return true;
  } catch {
    return false;
  }
}

/* Ticks since the start of all cores: busy, and taken away by the host of a virtual machine. */
function ticks() {
  const [user, nice, system, idle, wait, irq, softirq, steal] = readFileSync("/proc/stat", "utf8").split("\n")[0].trim().split(/\s+/).slice(1).map(Number);
  const busy = user + nice + system + irq + softirq;
  return { busy, steal, all: busy + idle + wait + steal };
}

/* Ticks of this process and of all children that have ended, with theirs. */
function own() {
  const fields = readFileSync("/proc/self/stat", "utf8").split(") ")[1].split(" ");
  return fields.slice(11, 15).reduce((sum, value) => sum + Number(value), 0);
}

/* Call it at the beginning; what it gives, at the end: shares of all cores' time that others took, and that
 * the host took. */
export function watchOthers() {
  const before = { ...ticks(), own: own() };
  return () => {
    const now = { ...ticks(), own: own() };
    const share = (amount) => Math.max(0, amount / (now.all - before.all));
    return { others: share(now.busy - before.busy - (now.own - before.own)), host: share(now.steal - before.steal) };
  };
}
