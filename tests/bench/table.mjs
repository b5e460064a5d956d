/* The result as Markdown, for the terminal and for pages: one table of the candidates, one of the goals,
 * one of growth. Made from what bench.mjs writes as JSON, and from nothing else. */
import { KINDS } from "./kinds.mjs";

const BASE = "room-server";

const digits = (value) => (Math.abs(value) >= 1000 ? Math.round(value).toLocaleString("en") : value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2));
const scaled = (name, factor) => (cell) => (cell[name] === undefined ? undefined : cell[name] * factor);

/* Heading, figure, and which number of it. */
const COLUMNS = [
  ["CPU per message, us", "saturation", scaled("cpuUsPerMessage", 1)],
  ["messages/s", "saturation", scaled("messagesPerSecond", 1)],
  ["CPU at low load, us", "latency", scaled("cpuUsPerMessage", 1)],
  ["handshake p50, ms", "latency", scaled("p50", 1)],
  ["p99, ms", "latency", scaled("p99", 1)],
  ["burst of 100, p99, ms", "burst-100", scaled("p99", 1)],
  ["burst of 1,000, p99, ms", "burst-1000", scaled("p99", 1)],
  ["idle session, rooms of 10, KiB", "idle-5000-in-10", scaled("bytesPerSession", 1 / 1024)],
  ["rooms of 2, KiB", "idle-5000-in-2", scaled("bytesPerSession", 1 / 1024)],
  ["joins/s", "storm-rooms", scaled("joinsPerSecond", 1)],
  ["joins/s, one room", "storm-room", scaled("joinsPerSecond", 1)],
  ["broadcast, deliveries/s", "fanout", scaled("messagesPerSecond", 1)],
];

function markdown(head, rows, numbers) {
  const line = (cells) => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map((_, i) => (i < numbers ? "---" : "---:"))), ...rows.map(line)].join("\n");
}

/* One entry per kind of trouble, numbered as it first comes. */
class Notes {
  #texts = [];

  mark(text) {
    if (!this.#texts.includes(text)) this.#texts.push(text);
    return `[${this.#texts.indexOf(text) + 1}]`;
  }

  get lines() {
    return this.#texts.map((text, i) => `[${i + 1}] ${text}`);
  }
}

function candidates(report, notes) {
  const columns = COLUMNS.filter(([, figure]) => report.table[figure]);
  const rows = report.candidates.map((candidate) => {
    const cells = columns.map(([, figure, value]) => {
      const cell = report.table[figure][candidate];
      if (cell === undefined) return "–";
      if (cell.wrong !== undefined) return `failed ${notes.mark(cell.wrong)}`;
      const mine = value(cell);
      if (mine === undefined) return "–";
      const base = report.table[figure][BASE] && value(report.table[figure][BASE]);
      return base === undefined ? digits(mine) : `${digits(mine)} (${(mine / base).toFixed(2)})`;
    });
    return [KINDS[candidate].name, ...cells];
  });
  return markdown(["", ...columns.map(([heading]) => heading)], rows, 1);
}

/* Of a candidate's CPU time, what each of its processes took, and the generator beside it. */
function parts(report) {
  const rows = report.candidates.flatMap((candidate) => {
    const cell = report.table.saturation?.[candidate];
    if (cell === undefined || cell.wrong !== undefined) return [];
    const each = Object.entries(report.parts[candidate] ?? {}).map(([part, us]) => `${part} ${digits(us)}`);
    return [[KINDS[candidate].name, each.join(", "), digits(cell.generatorCpuUsPerMessage)]];
  });
  return markdown(["CPU per message at saturation, us", "servers", "generator"], rows, 2);
}

/* Those that this run has something to say about. */
function goalRows(report) {
  const amount = (number, unit) => (unit === "x" ? number.toFixed(2) : `${digits(number)} ${unit}`.trim());
  const measured = report.goals.filter(({ value }) => value !== undefined);
  const rows = measured.map(({ what, value, limit, unit, sign, reached }) => [what, amount(value, unit), `${sign} ${amount(limit, unit)}`, reached ? "reached" : "not reached"]);
  const others = report.goals.length - measured.length;
  return markdown(["goal", "measured", "wanted", ""], rows, 1) + (others > 0 ? `\n\nNot measured in this run: ${others} other goals.` : "");
}

function growthRows(report, notes) {
  const step = ({ n, cost, error }, first) => {
    if (error !== undefined) return `${n}: failed ${notes.mark(error)}`;
    if (cost === undefined) return "–";
    return `${n.toLocaleString("en")}: ${digits(cost)}${first > 0 ? ` (${(cost / first).toFixed(2)})` : ""}`;
  };
  const rows = report.growth.map(({ axis, candidate, unit, steps }) => [axis, KINDS[candidate].name, unit, ...steps.map((one) => step(one, steps[0].cost))]);
  return markdown(["what grows", "candidate", "cost", ...report.growth[0].steps.map(({ factor }) => `x${factor}`)], rows, 3);
}

export function text(report) {
  const notes = new Notes();
  const { machine, meanwhile } = report;
  const percent = (share) => `${(100 * share).toFixed(0)} %`;
  const where = machine.apart ? `servers on core ${machine.serverCore}, generator on core ${machine.generatorCore}` : "servers and generator share the only core there is: compare CPU times, not rates";
  const out = [
    `${report.form} form, ${machine.cpu}, Linux ${machine.kernel}, mosquitto ${machine.mosquitto}, Node ${machine.node}; ${where}; ${machine.awake ? "idle cores kept awake" : "idle cores may sleep, and who wakes them pays"}; no TLS.`,
    `Meanwhile other programs used ${percent(meanwhile.others)} of the machine, its host ${percent(meanwhile.host)}. In brackets: multiples of the tutorial server's.`, "",
  ];
  if (Object.keys(report.table).length) out.push(candidates(report, notes), "");
  if (Object.keys(report.parts).length) out.push(parts(report), "");
  if (report.goals.some(({ value }) => value !== undefined)) out.push(goalRows(report), "");
  if (report.growth.length) out.push(growthRows(report, notes), "");
  out.push(...notes.lines);
  return `${out.join("\n").trimEnd()}\n`;
}
