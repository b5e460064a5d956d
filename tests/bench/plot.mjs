/* Plots of a result, as SVG without any script or style sheet of others:
 *
 *     node tests/bench/plot.mjs bench.json [DIRECTORY]      writes candidates.svg and growth.svg
 *
 * Everything in them comes from the file. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { KINDS } from "./kinds.mjs";

const INK = "#24292f", PALE = "#8c959f", GRID = "#d0d7de", GROUND = "#ffffff";
const OURS = "#0969da", OURS_TOO = "#54aeff", OTHERS = "#afb8c1", OTHERS_TOO = "#d0d7de";
const LINES = ["#0969da", "#cf222e", "#1a7f37", "#8250df", "#bf8700", "#1b7c83", "#bc4c00", "#bf3989", "#57606a"];
const FONT = 'font-family="system-ui, sans-serif"';

const escape = (text) => String(text).replace(/[&<>"]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[c]);
const label = (x, y, text, { size = 12, fill = INK, anchor = "start", weight = 400 } = {}) =>
  `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" ${FONT} font-size="${size}" font-weight="${weight}" fill="${fill}" text-anchor="${anchor}">${escape(text)}</text>`;
const rect = (x, y, width, height, fill) => `<rect x="${x.toFixed(1)}" y="${y.toFixed(1)}" width="${Math.max(0, width).toFixed(1)}" height="${height}" fill="${fill}"/>`;
const line = (x1, y1, x2, y2, stroke, width = 1, dash = "") =>
  `<line x1="${x1.toFixed(1)}" y1="${y1.toFixed(1)}" x2="${x2.toFixed(1)}" y2="${y2.toFixed(1)}" stroke="${stroke}" stroke-width="${width}"${dash && ` stroke-dasharray="${dash}"`}/>`;
const number = (value) => (value >= 1000 ? Math.round(value).toLocaleString("en") : value >= 100 ? value.toFixed(0) : value.toFixed(1));

function document(width, height, title, parts) {
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${escape(title)}">
${rect(0, 0, width, height, GROUND)}
${parts.join("\n")}
</svg>
`;
}

/* Bars, one under the other, of one number of each candidate; `pieces` are the parts that a bar is made of. */
function bars(x, y, width, { title, note, entries }) {
  const names = 150, values = 56, step = 22;
  const most = Math.max(...entries.map(({ value }) => value));
  const parts = [label(x, y + 14, title, { size: 14, weight: 600 }), label(x, y + 30, note, { size: 11, fill: PALE })];
  entries.forEach(({ name, value, pieces, ours }, i) => {
    const top = y + 42 + i * step;
    const scale = (width - names - values) / most;
    parts.push(label(x + names - 8, top + 12, name, { size: 11, anchor: "end", weight: ours ? 600 : 400 }));
    let at = x + names;
    pieces.forEach((piece, k) => {
      parts.push(rect(at, top, piece * scale, 15, ours ? [OURS, OURS_TOO][k % 2] : [OTHERS, OTHERS_TOO][k % 2]));
      at += piece * scale;
    });
    parts.push(label(at + 5, top + 12, number(value), { size: 11 }));
  });
  return parts;
}

function panel(report, title, note, figure, value, pieces = () => undefined) {
  const entries = report.candidates.flatMap((candidate) => {
    const cell = report.table[figure]?.[candidate];
    const amount = cell && cell.wrong === undefined ? value(cell) : undefined;
    if (amount === undefined) return [];
    return [{ name: KINDS[candidate].short, value: amount, pieces: pieces(candidate) ?? [amount], ours: candidate.startsWith("sigbridge") }];
  });
  return { title, note, entries };
}

export function candidatesPlot(report) {
  const panels = [
    panel(report, "CPU per message, µs", "at saturation; shades: processes of the same candidate", "saturation", (c) => c.cpuUsPerMessage,
      (candidate) => report.parts[candidate] && Object.values(report.parts[candidate])),
    panel(report, "messages per second", "at saturation, servers on one core", "saturation", (c) => c.messagesPerSecond),
    panel(report, "burst of 1,000 pairs, p99 of a handshake, ms", "18 messages each, all at the same instant", "burst-1000", (c) => c.p99),
    panel(report, "memory per idle session, KiB", "5,000 sessions in rooms of ten, all processes", "idle-5000-in-10", (c) => c.bytesPerSession && c.bytesPerSession / 1024),
  ].filter(({ entries }) => entries.length > 0);
  const width = 920, column = 440;
  const rowHeights = [];
  panels.forEach(({ entries }, i) => {
    rowHeights[i >> 1] = Math.max(rowHeights[i >> 1] ?? 0, 64 + entries.length * 22);
  });
  const parts = [];
  panels.forEach((one, i) => {
    const top = 16 + rowHeights.slice(0, i >> 1).reduce((sum, height) => sum + height, 0);
    parts.push(...bars(20 + (i % 2) * (column + 10), top, column - 10, one));
  });
  return document(width, 20 + rowHeights.reduce((sum, height) => sum + height, 0), "sigbridge and its alternatives", parts);
}

/* Cost against growth, both as multiples of the first step, both axes in doublings: flat is flat, and in
 * proportion is the diagonal. */
export function growthPlot(report) {
  const axes = report.growth.filter(({ candidate, steps }) => candidate === "sigbridge" && steps.every(({ cost }) => cost > 0));
  const left = 60, top = 50, size = 330, legend = left + size + 30;
  const most = Math.log2(Math.max(2, ...axes.flatMap(({ steps }) => steps.map(({ factor }) => factor))));
  const least = Math.min(-1, ...axes.flatMap(({ steps }) => steps.map(({ cost }) => Math.floor(Math.log2(cost / steps[0].cost)))));
  const x = (factor) => left + (Math.log2(factor) / most) * size;
  const y = (cost) => top + size - ((Math.log2(cost) - least) / (most - least)) * size;
  const parts = [label(20, 22, "sigbridge: cost when the load doubles", { size: 14, weight: 600 }), label(20, 38, "both as multiples of the first step", { size: 11, fill: PALE })];
  for (let i = 0; i <= most; i++) {
    parts.push(label(x(2 ** i), top + size + 18, `×${2 ** i}`, { size: 11, anchor: "middle" }), line(x(2 ** i), top, x(2 ** i), top + size, GRID));
  }
  for (let i = least; i <= most; i++) {
    parts.push(label(left - 8, y(2 ** i) + 4, `×${i < 0 ? `1/${2 ** -i}` : 2 ** i}`, { size: 11, anchor: "end" }), line(left, y(2 ** i), left + size, y(2 ** i), GRID));
  }
  parts.push(line(x(1), y(1), x(2 ** most), y(2 ** most), PALE, 1, "4 4"));
  axes.forEach(({ axis, unit, steps }, i) => {
    const colour = LINES[i % LINES.length];
    const at = ({ factor, cost }) => `${x(factor).toFixed(1)},${y(cost / steps[0].cost).toFixed(1)}`;
    parts.push(`<polyline points="${steps.map(at).join(" ")}" fill="none" stroke="${colour}" stroke-width="2"/>`);
    parts.push(rect(legend, top + i * 38, 14, 4, colour), label(legend + 22, top + 6 + i * 38, axis, { size: 12 }));
    parts.push(label(legend + 22, top + 21 + i * 38, `${unit}: ${number(steps[0].cost)} → ${number(steps.at(-1).cost)}`, { size: 11, fill: PALE }));
  });
  parts.push(line(legend, top + 2 + axes.length * 38, legend + 14, top + 2 + axes.length * 38, PALE, 1, "4 4"), label(legend + 22, top + 6 + axes.length * 38, "in proportion", { size: 11, fill: PALE }));
  return document(780, top + size + 40, "How cost grows", parts);
}

export function writePlots(file, directory) {
  const report = JSON.parse(readFileSync(file, "utf8"));
  const files = [];
  const write = (name, svg) => {
    files.push(join(directory, name));
    writeFileSync(files.at(-1), svg);
  };
  if (Object.keys(report.table).length) write("candidates.svg", candidatesPlot(report));
  if (report.growth.length) write("growth.svg", growthPlot(report));
  return files;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [file, directory = "."] = process.argv.slice(2);
  if (!file) {
    console.error("usage: node tests/bench/plot.mjs bench.json [DIRECTORY]");
    process.exit(2);
  }
  for (const written of writePlots(file, directory)) console.log(written);
}
