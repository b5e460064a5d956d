/* The fault matrix: rows are faults, columns are moments. See README.md.
 *
 *     node tests/faults/matrix.mjs [--short] [--only ROW[/COLUMN]]... [--json FILE] [--list] */
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { runCell } from "./cell.mjs";
import { moments } from "./moments.mjs";
import { mayMount } from "./small_disk.mjs";
import { summary } from "./strike.mjs";
import { rows } from "./rows.mjs";

const columns = Object.keys(moments);
const SHOWN = 12; /* failures of one cell */

const { values } = parseArgs({ options: {
    short: { type: "boolean" }, only: { type: "string", multiple: true }, json: { type: "string" }, list: { type: "boolean" },
    logs: { type: "string" }, repeat: { type: "string", default: "1" },
} });

const only = (values.only ?? []).map((text) => text.split("/"));
for (const [row, column] of only)
    if (!rows.some(({ key }) => key.startsWith(row)) || (column && !columns.includes(column))) {
        console.error(`no such cell: ${row}/${column ?? ""}; rows are ${rows.map(({ key }) => key).join(" ")}, columns ${columns.join(" ")}`);
        process.exit(2);
    }
const wanted = (row, column) => only.length
    ? only.some(([r, c]) => (row.key === r || (r.endsWith("-") && row.key.startsWith(r))) && (!c || c === column))
    : !values.short || row.short?.includes(column);

if (values.list) {
    for (const { key, title, short } of rows)
        console.log(`${key.padEnd(26)} ${title}${short ? ` (short: ${short.join(", ")})` : ""}`);
    process.exit(0);
}

const width = Math.max(...rows.map(({ key }) => key.length));
function word(result) {
    if (!result)
        return "";
    if (!result.failures.length)
        return "ok";
    const parts = [["L", result.lost], ["D", result.doubled], ["R", result.reordered], ["T", result.late], ["S", result.silent], ["F", result.refuted]]
        .filter(([, list]) => list?.length).map(([letter, list]) => letter + list.length);
    return `FAIL ${parts.join(" ")}`.trim();
}

const results = [];
const needsMount = new Set(["store-full", "broker-disk-full"]);
for (let round = 0; round < Number(values.repeat); round++)
    for (const row of rows)
        for (const column of columns.filter((c) => wanted(row, c))) {
            if (needsMount.has(row.key) && !mayMount()) {
                console.log(`${row.key}/${column}: left out, it needs the right to mount a file system`);
                continue;
            }
            const result = await runCell(row, column, { long: !values.short, crowd: 40 });
            results.push(result);
            const recovery = result.recovery ? `, ${row.recovery.name} ${JSON.stringify(summary(result.recovery))}` : "";
            console.log(`${result.failures.length ? "FAIL" : "ok  "} ${row.key}/${column}: ${result.sent ?? 0} sent, ${result.acknowledged ?? 0} acknowledged, ` +
                `${result.delivered ?? 0} delivered, ${result.during ?? 0} during the fault, told ${JSON.stringify(result.told ?? {})}, ` +
                `${result.excused ?? 0} excused, ${result.rejoined ?? 0} joined again, ${JSON.stringify(result.counts ?? {})}, ` +
                `agreed in ${result.agreed} ms${recovery}, ${result.seconds.toFixed(1)} s`);
            for (const sentence of result.failures.slice(0, SHOWN))
                console.log(`     ${sentence}`);
            if (result.failures.length > SHOWN)
                console.log(`     and ${result.failures.length - SHOWN} more`);
            if (values.logs)
                writeFileSync(`${values.logs}/${row.key}-${column}.log`,
                    [...result.failures, ...Object.values(result.logs).flat()].join("\n\n"));
        }

/* ---- the matrix, and how long things took ---- */

console.log(`\n${"".padEnd(width)}  ${columns.map((c) => c.padEnd(18)).join("")}`);
for (const row of rows) {
    const of = (column) => results.filter((r) => r.row === row.key && r.column === column);
    if (!columns.some((c) => of(c).length))
        continue;
    const cell = (column) => {
        const all = of(column);
        return all.length ? word(all.find((r) => r.failures.length) ?? all[0]) : "-";
    };
    console.log(`${row.key.padEnd(width)}  ${columns.map((c) => cell(c).padEnd(18)).join("")}`);
}

const times = {};
for (const result of results) {
    const row = rows.find(({ key }) => key === result.row);
    if (result.recovery?.length)
        (times[`${row.recovery.name} (${row.recovery.of === "own" ? "from losing the socket" : `from the ${row.recovery.from}`})`] ??= []).push(...result.recovery);
}
console.log("\nrecovery, ms");
for (const [name, samples] of Object.entries(times)) {
    const { count, median, worst } = summary(samples);
    console.log(`  ${name.padEnd(48)} median ${String(median).padStart(6)}  worst ${String(worst).padStart(6)}  of ${count}`);
}

if (values.json)
    writeFileSync(values.json, JSON.stringify({ when: new Date().toISOString(), short: !!values.short, results: results.map(({ logs, ...r }) => r),
        recovery: Object.fromEntries(Object.entries(times).map(([name, samples]) => [name, summary(samples)])) }, null, 1));
const failed = results.filter((r) => r.failures.length).length;
console.log(`\n${results.length - failed} passed, ${failed} failed`);
process.exit(failed || !results.length ? 1 : 0);
