/* Child processes of the benchmark: each on the core that it belongs to, each ended by its pid, with
 * deadlines, and with its last lines kept for when something goes wrong. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const LINES_KEPT = 40;
const SAID_MAX = 400; // characters of an error message
const END_MS = 10_000;
const children = new Set();
const directories = new Set();

/* The state of a process: a letter, Z for one that has ended, or nothing. */
function stateOf(pid) {
  try {
    return readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1][0];
  } catch {
    return undefined;
  }
}

/* Whatever is left is asked to end, because sigbridge then ends its broker, which outlives it otherwise. */
process.on("exit", () => {
  for (const child of children) child.kill("SIGTERM");
  const running = () => [...children].some(({ pid }) => ![undefined, "Z"].includes(stateOf(pid)));
  for (const end = Date.now() + END_MS; running() && Date.now() < end; ) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
  for (const child of children) child.kill("SIGKILL");
  for (const dir of directories) rmSync(dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
});
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => process.exit(1));

/* The cores that this process may use. Servers have the last one, the generator the first. */
export function cores() {
  const [, list] = /Cpus_allowed_list:\s+(\S+)/.exec(readFileSync("/proc/self/status", "utf8"));
  const all = list.split(",").flatMap((range) => {
    const [first, last = first] = range.split("-").map(Number);
    return Array.from({ length: last - first + 1 }, (_, i) => first + i);
  });
  return { count: all.length, generator: all[0], servers: all.at(-1), apart: all.length > 1 };
}
const CORES = cores();

/* A new directory that goes with this process. */
export function newDir() {
  const dir = mkdtempSync(join(tmpdir(), "sigbridge-bench-"));
  directories.add(dir);
  return dir;
}

export function removeDir(dir) {
  rmSync(dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
  directories.delete(dir);
}

/* The promise's outcome, or an error that says what was not there in time. */
export function within(ms, promise, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what()}: nothing after ${ms / 1000} s`)), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

export class Child {
  /* `side` is "servers" or "generator". */
  constructor(side, command, args, env = {}) {
    this.name = command.split("/").at(-1);
    this.lines = [];
    this.watchers = new Set();
    const pinned = CORES.apart ? ["taskset", ["-c", String(CORES[side]), command, ...args]] : [command, args];
    this.child = spawn(...pinned, { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, ...env } });
    this.pid = this.child.pid; // taskset becomes the program
    children.add(this.child);
    this.errors = [];
    this.#readLines(this.child.stdout, this.lines);
    this.#readLines(this.child.stderr, this.lines, this.errors);
    this.ended = once(this.child, "close").then(
      ([code, signal]) => {
        children.delete(this.child);
        return { code, signal };
      },
      (error) => {
        children.delete(this.child);
        this.lines.push(String(error));
        return { code: null, signal: "none", error };
      },
    );
  }

  #readLines(stream, ...keepers) {
    let rest = "";
    stream.setEncoding("utf8");
    stream.on("data", (text) => {
      const lines = (rest + text).split("\n");
      rest = lines.pop();
      for (const line of lines) this.#onLine(line, keepers);
    });
  }

  #onLine(line, keepers) {
    for (const lines of keepers) {
      lines.push(line);
      if (lines.length > LINES_KEPT) lines.shift();
    }
    for (const watcher of this.watchers) watcher(line);
  }

  /* The first line that the expression matches, as its match. */
  async line(expression, ms) {
    const old = this.lines.map((line) => expression.exec(line)).find(Boolean);
    if (old) return old;
    let watcher;
    const found = new Promise((resolve) => {
      watcher = (line) => {
        const match = expression.exec(line);
        if (match) resolve(match);
      };
      this.watchers.add(watcher);
    });
    const over = this.ended.then(() => {
      throw new Error(`did not start: ${this.tail()}`);
    });
    try {
      return await within(ms, Promise.race([found, over]), () => `${this.name}: ${this.tail()}`);
    } finally {
      this.watchers.delete(watcher);
      over.catch(() => {}); // it ends one day
    }
  }

  /* What it wrote to standard error, the last lines of it. */
  said() {
    return this.errors.slice(-5).join(" | ").slice(-SAID_MAX);
  }

  tail() {
    return this.lines.slice(-5).join(" | ").slice(-SAID_MAX) || "it said nothing";
  }

  /* Of a program that ends by itself: all that it writes to standard output, and its exit code. */
  async result(ms) {
    let text = "";
    this.child.stdout.on("data", (chunk) => (text += chunk));
    const { code, signal } = await within(ms, this.ended, () => `${this.name}: ${this.tail()}`).catch(async (error) => {
      await this.stop();
      throw error;
    });
    return { code, signal, text };
  }

  /* SIGTERM, and SIGKILL when that does not help. */
  async stop() {
    this.child.kill("SIGTERM");
    try {
      await within(END_MS, this.ended, () => this.name);
    } catch {
      this.child.kill("SIGKILL");
      await this.ended;
    }
  }
}
