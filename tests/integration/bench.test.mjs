/* The benchmark in its smallest form: every candidate is started, every mode runs against it, no message is
 * lost, and table, file and plots come of it. The numbers mean nothing here. The first time it builds the
 * load generator and the relay into build-bench/ and installs the candidates' packages. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { repository, run, tempDir } from "./harness.mjs";
import { readText } from "./readme.mjs";

const FIRST_TIME_MS = 500_000;
/* Not as a part of this test, whose runner would else take over what it prints. */
const env = { NODE_TEST_CONTEXT: undefined };
const bench = (...args) => run("sh", [join(repository, "tests/bench/run"), ...args], { env, timeout: FIRST_TIME_MS });

const calls = [
    { name: "help", args: ["--help"], code: 0, stdout: /^usage: sh tests\/bench\/run \[options\]\n/ },
    { name: "unknown option", args: ["--turbo"], code: 1, stderr: /^run: unknown option --turbo; see --help\n$/ },
    { name: "option without its value", args: ["--out"], code: 1, stderr: /^run: --out needs a value; see --help\n$/ },
];

for (const { name, args, code, stdout = /^$/, stderr = /^$/ } of calls)
    test(`bench: ${name}`, async () => {
        const result = await bench(...args);
        assert.match(result.stdout, stdout);
        assert.match(result.stderr, stderr);
        assert.equal(result.code, code);
    });

test("bench: all candidates in all modes, and every message arrives", async () => {
    const out = tempDir("bench");
    const result = await bench("--smoke", "--strict", "--sigbridge", process.env.SIGBRIDGE_BIN, "--out", out);
    const said = `${result.stdout}\n${result.stderr}`;
    assert.equal(result.code, 0, said);

    const selfTest = await run(join(repository, "build-bench/load/load"), ["self-test"]);
    assert.equal(selfTest.code, 0, selfTest.stderr);

    const report = JSON.parse(readFileSync(join(out, "bench.json"), "utf8"));
    const missing = report.runs.filter(({ result }) => result?.ok !== true);
    assert.deepEqual(missing, [], said);
    for (const figure of ["saturation", "latency", "burst-5"])
        assert.equal(Object.keys(report.table[figure]).length, 12, `${figure}\n${said}`);
    const { recorded, sessions } = report.table["storm-rooms"].sigbridge;
    assert.equal(recorded, sessions, "memberships in the database");
    for (const { axis, candidate, steps } of report.growth)
        for (const { cost } of steps)
            assert.ok(cost >= 0, `${axis}, ${candidate}\n${said}`);

    assert.equal(result.stdout, `${readFileSync(join(out, "bench.md"), "utf8")}\n`);
    assert.match(result.stdout, /^\| sigbridge, browser to browser \|/m);
    for (const plot of ["candidates.svg", "growth.svg"]) {
        const svg = readFileSync(join(out, plot), "utf8");
        assert.match(svg, /^<svg [\s\S]*<\/svg>\n$/);
        assert.doesNotMatch(svg, /NaN|undefined|Infinity/);
    }
});

test("bench: a candidate that cannot be started is in the table, and the others go on", async () => {
    const out = tempDir("bench");
    const result = await bench("--smoke", "--only", "room-server,sigbridge-device", "--mode", "saturation", "--sigbridge", "/bin/false", "--out", out);
    assert.equal(result.code, 1, result.stderr);
    assert.match(result.stdout, /^\| sigbridge, browser to device \| failed \[1\] /m);
    assert.match(result.stdout, /^\| tutorial room server \(ws\) \| \d/m);
    assert.match(result.stdout, /^\[1\] .*did not start/m);
});

/* The README's rows in the order of its table; the numbers as they are rounded there. */
const ROWS = ["sigbridge", "sigbridge-two", "sigbridge-device", "room-server", "peerjs", "socketio", "node-bridge", "mosquitto-tcp-1", "mosquitto-ws-1", "relay"];
const COLUMNS = [
    ["saturation", "cpuUsPerMessage", (us) => `${us >= 100 ? us.toFixed(0) : us.toFixed(1)} µs`],
    ["saturation", "messagesPerSecond", (rate) => (Math.round(rate / 100) * 100).toLocaleString("en")],
    ["latency", "p50", (ms) => `${ms.toFixed(2)} ms`],
    ["burst-1000", "p99", (ms) => `${ms.toFixed(0)} ms`],
    ["idle-5000-in-10", "bytesPerSession", (bytes) => `${(bytes / 1024).toFixed(1)} KiB`],
];

test("bench: the README has the numbers of the published run", () => {
    const { table } = JSON.parse(readText("tests/bench/published/bench.json"));
    const lines = readText("README.md").split("\n");
    const head = lines.findIndex((line) => line.startsWith("| | CPU per message |"));
    const rows = lines.slice(head + 2, head + 2 + ROWS.length).map((line) => line.split("|").slice(2, -1).map((cell) => cell.trim()));
    const published = ROWS.map((candidate) => COLUMNS.map(([figure, name, form]) => {
        const value = table[figure]?.[candidate]?.[name];
        return value === undefined ? "–" : form(value);
    }));
    assert.deepEqual(rows, published);
});

/* Of a number its first digits, the rest cut off: what is said is not more than was measured. */
const about = (value, step) => (Math.floor(value / step) * step).toLocaleString("en");

test("bench: and so do its sentences", () => {
    const { table, start } = JSON.parse(readText("tests/bench/published/bench.json"));
    const of = (figure, name) => ["sigbridge", "room-server"].map((candidate) => table[figure][candidate][name]);
    const [joins, joinsOther] = of("storm-rooms", "joinsPerSecond");
    const [heard, heardOther] = of("fanout", "messagesPerSecond");
    const [pair, pairOther] = of("idle-5000-in-2", "bytesPerSession").map((bytes) => (bytes / 1024).toFixed(1));
    const readme = readText("README.md");
    for (const words of [
        `Joins: ${about(joins, 100)} a second, each recorded (${about(joinsOther, 100)}).`,
        `${about(heard, 10_000)} deliveries a second (${about(heardOther, 1000)}).`,
        `in rooms of two it takes ${pair} KiB (${pairOther})`,
        `${start.readyMs.toFixed(0)} ms with the embedded broker, ${(start.retainedMs / 1000).toFixed(1)} s with 50,000 devices`,
    ])
        assert.ok(readme.includes(words), `the README should say: ${words}`);
});
