/* The benchmark: starts each candidate, has the load generator measure it, and says what came of it.
 * `sh tests/bench/run` builds what this needs and starts it; README.md tells how to read the result.
 *
 * Writes bench.json, bench.md, candidates.svg and growth.svg. Exits with 1 when a message of sigbridge
 * was lost or wrong, or of anybody with --strict, and with 2 for wrong use. */
import { execFile } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs, promisify } from "node:util";
import { goals, median, medians } from "./figures.mjs";
import { runLoad } from "./generator.mjs";
import { KINDS } from "./kinds.mjs";
import { keepAwake, machine, watchOthers } from "./machine.mjs";
import { plan, withCrowd } from "./plan.mjs";
import { writePlots } from "./plot.mjs";
import { start } from "./servers.mjs";
import { measureStart } from "./start.mjs";
import { text } from "./table.mjs";

const MODES = ["saturation", "latency", "burst", "fanout", "idle", "join", "soak", "growth", "start"];

function usage(what) {
  console.error(`bench: ${what}`);
  process.exit(2);
}

function chosen(list, all, what) {
  if (list === undefined) return all;
  const names = list.split(",");
  const unknown = names.find((name) => !all.includes(name));
  if (unknown !== undefined) usage(`${what} ${unknown} is none of ${all.join(" ")}`);
  return all.filter((name) => names.includes(name));
}

const { values: options } = parseArgs({
  options: {
    form: { type: "string", default: "quick" },
    only: { type: "string" },
    mode: { type: "string" },
    out: { type: "string", default: "." },
    strict: { type: "boolean", default: false },
    sigbridge: { type: "string" },
    relay: { type: "string" },
    load: { type: "string" },
  },
});
for (const program of ["sigbridge", "relay", "load"]) {
  if (!options[program]) usage(`--${program}: the path of the built program is missing`);
}
const candidates = chosen(options.only, Object.keys(KINDS), "candidate");
const modes = chosen(options.mode, MODES, "mode");
const { size, figures, growth } = plan(options.form);
const wanted = figures.filter(({ mode }) => modes.includes(mode));
const began = Date.now();
const others = watchOthers();
const awake = keepAwake();
const progress = (what) => console.error(`${((Date.now() - began) / 1000).toFixed(1).padStart(6)} s  ${what}`);

/* ---- measuring ---- */

/* How many memberships are in sigbridge's database, once it has taken what it was given. */
async function recorded(server) {
  const url = `http://127.0.0.1:${server.load[1]}/metrics`;
  for (let tries = 0; tries < 400; tries++) {
    const queued = /^sigbridge_store_queued (\d+)$/m.exec(await (await fetch(url)).text());
    if (queued?.[1] === "0") break;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  const all = ["presence", "--data", server.data, "--history", "--limit", "0", "--json"];
  const { stdout } = await promisify(execFile)(options.sigbridge, all, { maxBuffer: 1 << 28 });
  return stdout.split("\n").filter(Boolean).length;
}

async function measure(candidate, server, { mode, args }) {
  return runLoad(options.load, { mode, candidate, server, args });
}

/* CPU time per message by the part of the candidate that took it, as the generator knows it by pid. */
function byPart(server, result) {
  return Object.fromEntries(Object.entries(server.pids).sort().map(([part, pid]) => [part, result.cpuByPid?.[pid] ?? 0]));
}

const runs = [];
const partsSeen = {};

async function record(candidate, server, figure, round) {
  for (let time = 0; time < (figure.repeats ?? 1); time++) await recordOnce(candidate, server, figure, round);
}

async function recordOnce(candidate, server, figure, round) {
  const begin = performance.now();
  const outcome = await measure(candidate, server, figure);
  const took = (performance.now() - begin) / 1000;
  if (outcome.result && figure.key === "saturation") (partsSeen[candidate] ??= []).push(byPart(server, outcome.result));
  if (outcome.result && figure.recorded && candidate === "sigbridge") outcome.result.recorded = await recorded(server);
  if (outcome.error) progress(`${candidate}, ${figure.key}: ${outcome.error}`);
  runs.push({ figure: figure.key, candidate, round, took, ...outcome });
}

/* With a server of its own; one that cannot be started is what the run then says. */
async function withServer(candidate, act, onTrouble) {
  let server;
  try {
    server = await start(candidate, options);
  } catch (error) {
    progress(`${candidate} ${error.message}`);
    onTrouble(error.message);
    return;
  }
  try {
    await act(server);
  } finally {
    await server.stop();
  }
}

async function measureCandidate(candidate, round) {
  const mine = wanted.filter(({ kinds }) => kinds.includes(candidate));
  const shared = mine.filter(({ fresh }) => !fresh);
  const failed = (list) => (error) => list.forEach(({ key }) => runs.push({ figure: key, candidate, round, error }));
  if (shared.length > 0) {
    await withServer(candidate, async (server) => {
      for (const figure of shared) await record(candidate, server, figure, round);
    }, failed(shared));
  }
  for (const figure of mine.filter(({ fresh }) => fresh)) {
    await withServer(candidate, (server) => record(candidate, server, figure, round), failed([figure]));
  }
}

async function measureStep(axis, candidate, n) {
  const costs = [];
  let trouble;
  for (let round = 0; round < size.rounds && trouble === undefined; round++) {
    await withServer(candidate, async (server) => {
      const crowd = await withCrowd(axis, server.mqtt, n);
      const { result, error } = await measure(candidate, server, { mode: axis.mode, args: axis.args(n) });
      crowd.end();
      trouble = error;
      if (result) costs.push(result[axis.cost]);
    }, (error) => {
      trouble = error;
    });
  }
  return trouble === undefined ? { cost: median(costs), costs } : { error: trouble };
}

async function measureGrowth() {
  const rows = [];
  for (const axis of growth) {
    for (const candidate of axis.kinds.filter((kind) => candidates.includes(kind))) {
      progress(`growth: ${axis.name}, ${candidate}`);
      const steps = [];
      for (const { factor, n } of axis.steps) steps.push({ factor, n, ...(await measureStep(axis, candidate, n)) });
      rows.push({ axis: axis.name, candidate, unit: axis.unit, linear: axis.linear ?? false, steps });
    }
  }
  return rows;
}

/* ---- all of it ---- */

mkdirSync(options.out, { recursive: true });
for (let round = 0; round < size.rounds; round++) {
  for (const candidate of wanted.length > 0 ? candidates : []) {
    progress(`round ${round + 1} of ${size.rounds}: ${candidate}`);
    await measureCandidate(candidate, round);
  }
}
let startTimes = {};
if (modes.includes("start") && candidates.includes("sigbridge")) {
  progress("from start to ready");
  startTimes = await measureStart(options.sigbridge, size).catch((error) => ({ error: error.message }));
}
const grown = modes.includes("growth") ? await measureGrowth() : [];

const table = medians(runs);
const parts = Object.fromEntries(Object.entries(partsSeen).map(([candidate, list]) =>
  [candidate, Object.fromEntries(Object.keys(list[0]).map((part) => [part, median(list.map((one) => one[part]))]))]));
const report = {
  form: options.form, date: new Date().toISOString(), seconds: (Date.now() - began) / 1000, machine: { ...machine(), awake }, meanwhile: others(), plan: { ...size, axes: size.axes.source },
  candidates, table, parts, goals: goals({ table, growth: grown, start: startTimes, form: options.form, presences: size.presences }), growth: grown, start: startTimes, runs,
};
const file = join(options.out, "bench.json");
writeFileSync(file, `${JSON.stringify(report, null, 1)}\n`);
/* From here on as anybody would who has nothing but the file. */
const markdown = text(JSON.parse(readFileSync(file, "utf8")));
writeFileSync(join(options.out, "bench.md"), markdown);
const plots = writePlots(file, options.out);
console.log(markdown);
progress(`written: ${[file, join(options.out, "bench.md"), ...plots].join(" ")}`);

const wrong = [
  ...runs.filter(({ error, candidate }) => error !== undefined && (options.strict || candidate.startsWith("sigbridge"))),
  ...grown.filter(({ steps, candidate }) => steps.some(({ error }) => error !== undefined) && (options.strict || candidate === "sigbridge")),
  ...(startTimes.error ? [startTimes] : []),
];
process.exit(wrong.length > 0 ? 1 : 0);
