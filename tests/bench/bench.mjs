/* The benchmark: starts each candidate, has the load generator measure it, and says what came of it.
 * `sh tests/bench/run` builds what this needs and starts it; README.md tells how to read the result.
 *
 * Writes bench.json, bench.md, candidates.svg and growth.svg. Exits with 1 when a message of sigbridge
 * was lost or wrong, or of anybody with --strict, and with 2 for wrong use. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { goals, medians } from "./figures.mjs";
import { KINDS } from "./kinds.mjs";
import { keepAwake, machine, watchOthers } from "./machine.mjs";
import { Measuring } from "./measure.mjs";
import { plan } from "./plan.mjs";
import { writePlots } from "./plot.mjs";
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

const measuring = new Measuring(options, progress);
mkdirSync(options.out, { recursive: true });
for (let round = 0; round < size.rounds; round++) {
  for (const candidate of wanted.length > 0 ? candidates : []) {
    progress(`round ${round + 1} of ${size.rounds}: ${candidate}`);
    await measuring.candidate(candidate, wanted, round);
  }
}
let startTimes = {};
if (modes.includes("start") && candidates.includes("sigbridge")) {
  progress("from start to ready");
  startTimes = await measureStart(options.sigbridge, size).catch((error) => ({ error: error.message }));
  if (startTimes.error) progress(startTimes.error);
}
const grown = modes.includes("growth") ? await measuring.growth(growth, candidates) : [];

const { runs } = measuring;
const table = medians(runs);
const report = {
  form: options.form, date: new Date().toISOString(), seconds: (Date.now() - began) / 1000,
  machine: { ...machine(), awake }, meanwhile: others(), plan: { ...size, axes: size.axes.source },
  candidates, table, parts: measuring.parts(), growth: grown, start: startTimes,
  goals: options.form === "smoke" ? [] : goals({ table, growth: grown, start: startTimes, form: options.form, presences: size.presences }),
  runs,
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
