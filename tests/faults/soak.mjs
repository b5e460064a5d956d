/* A soak: members come, call, talk and leave, one fault follows the other, and at the end everything must be
 * as after the first minute: memory, descriptors, subscriptions and retained topics in the broker, rows in
 * flight. See README.md.
 *
 *     node tests/faults/soak.mjs [--minutes N] [--json FILE]        60 minutes unless told otherwise
 *
 * The first bridge is never ended, so that its memory can be compared; the faults hit the others. */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { until } from "../integration/harness.mjs";
import { get } from "../integration/world.mjs";
import { Ledger } from "./ledger.mjs";
import { Handshake, Storm } from "./moments.mjs";
import { Site } from "./site.mjs";
import { flowing, judge, recoveries, sleep, strike, summary, WARM } from "./strike.mjs";
import { settle } from "./truth.mjs";
import { rows } from "./rows.mjs";

const { values } = parseArgs({ options: { minutes: { type: "string", default: "60" }, json: { type: "string" }, guests: { type: "string", default: "8" },
    pause: { type: "string", default: "5" }, only: { type: "string", multiple: true }, logs: { type: "string" } } });
const MINUTES = Number(values.minutes);
const PAUSE_MS = Number(values.pause) * 1000; /* without a fault, after each */
const WINDOW_S = 8;
const GROWTH = { rss: 0.25, rssKb: 4096, fds: 4 };

/* Rows that leave the site as it was, or that putRight() can mend. */
const soaked = rows.filter((row) => row.soak && (!values.only || values.only.includes(row.key)));
if (!soaked.length) {
    console.error(`no such row; those with a soak are ${rows.filter((row) => row.soak).map((row) => row.key).join(" ")}`);
    process.exit(2);
}

/* Calls and guests together, with longer pauses than a cell has. */
class Life {
    constructor(site) {
        this.calls = new Handshake(site, { every: 500, between: 700 });
        this.guests = new Storm(site, { every: 500, crowd: Number(values.guests), trickle: false, linger: 2000, stay: false });
        this.pairs = this.calls.pairs;
    }

    get counts() {
        return { ...this.calls.counts, ...this.guests.counts };
    }

    start() {
        this.calls.start();
        this.guests.start();
    }

    arm() {
        return this.calls.arm();
    }

    release() {
        this.calls.release();
    }

    async stop() {
        await Promise.all([this.calls.stop(), this.guests.stop()]);
    }
}

const status = (pid, name) => Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(readFileSync(`/proc/${pid}/status`, "utf8"))[1]);
const descriptors = (pid) => readdirSync(`/proc/${pid}/fd`).length;

const WANTED = ["sessions", "rooms", "connections", "outbound_queued", "outbound_queued_bytes", "outbound_in_flight", "store_queued"];

async function sample(site) {
    const bridges = [];
    for (const slot of site.bridges) {
        const { text } = await get(slot, "/metrics");
        const of = (name) => Number(new RegExp(`^sigbridge_${name} (\\S+)$`, "m").exec(text)?.[1]);
        bridges.push({ id: slot.id, rssKb: status(slot.program.pid, "VmRSS"), fds: descriptors(slot.program.pid),
            ...Object.fromEntries(WANTED.map((name) => [name, of(name)])) });
    }
    return { bridges, broker: { rssKb: status(site.broker.program.pid, "VmRSS"), fds: descriptors(site.broker.program.pid), ...site.sys } };
}

/* $SYS, as the broker tells every second. */
async function watchBroker(site) {
    site.sys = {};
    const names = { "$SYS/broker/subscriptions/count": "subscriptions", "$SYS/broker/retained messages/count": "retained",
        "$SYS/broker/clients/connected": "clients", "$SYS/broker/clients/total": "sessions" };
    site.eye.client.on("message", (topic, payload) => {
        if (names[topic])
            site.sys[names[topic]] = Number(payload.toString());
    });
    const subscribe = () => site.eye.client.subscribeAsync([...Object.keys(names), "sigbridge/v1/rooms/+/peers/+/presence"]).catch(() => {});
    site.eye.client.on("connect", subscribe); /* the broker may have forgotten */
    await subscribe();
}

/* After a fault: all bridges are there, every session is on the bridge where it began. */
async function putRight(site, homes) {
    for (const slot of site.bridges.filter((b) => !b.up)) {
        await site.startBridge(slot);
        await site.ready(slot);
    }
    for (const session of site.sessions.filter((s) => s.bridge !== homes.get(s))) {
        site.lead(session, homes.get(session));
        session.wire.snap();
    }
}

/* What of two samples must be the same, and is not. */
function compare(first, last) {
    const wrong = [];
    const same = (what, a, b, slack = 0) => Math.abs(a - b) > slack && wrong.push(`${what}: ${a} after the first minute, ${b} at the end`);
    first.bridges.forEach((a, i) => {
        const b = last.bridges[i];
        if (b.rssKb > a.rssKb * (1 + GROWTH.rss) + GROWTH.rssKb)
            wrong.push(`${a.id}: ${a.rssKb} KB after the first minute, ${b.rssKb} KB at the end`);
        same(`${a.id}: descriptors`, a.fds, b.fds, GROWTH.fds);
        for (const name of WANTED)
            same(`${a.id}: ${name}`, a[name], b[name]);
        for (const name of ["outbound_queued", "outbound_in_flight", "store_queued"])
            if (b[name] !== 0)
                wrong.push(`${b.id}: ${name} is ${b[name]} at rest`);
    });
    for (const name of ["subscriptions", "retained", "clients", "sessions"])
        same(`broker: ${name}`, first.broker[name], last.broker[name]);
    same("broker: descriptors", first.broker.fds, last.broker.fds, GROWTH.fds);
    return wrong;
}

const ledger = new Ledger();
const site = new Site(ledger);
const failures = [];
const totals = { sent: 0, acknowledged: 0, delivered: 0, lost: 0, doubled: 0, reordered: 0, silent: 0, refuted: 0, excused: 0, told: {}, rejoined: 0 };
const times = {};
const log = [];
const stamp = (text) => {
    console.log(`${new Date().toISOString().slice(11, 19)} ${text}`);
    log.push(text);
};
const fail = (where, sentences) => sentences.forEach((sentence, i) => {
    failures.push(`${where}: ${sentence}`);
    if (i < 6)
        stamp(`  FAIL ${where}: ${sentence}`);
});

/* Everything stops, what is to end has ended, all agree: then the figures mean something. */
async function atRest(life, name) {
    await life.stop();
    const end = Date.now() + 45_000;
    while (ledger.unsettled.length && Date.now() < end)
        await sleep(50);
    const truth = await settle(site, 20_000);
    fail(name, truth.wrong);
    await sleep((WINDOW_S + 3) * 1000); /* sessions that nobody takes up have ended, $SYS is up to date */
    /* The broker keeps the sessions of bridges that are gone for a minute. */
    await until(() => site.sys.sessions === site.sys.clients, () => `the broker forgets: ${JSON.stringify(site.sys)}`, { timeout: 120_000, every: 500 })
        .catch((error) => fail(name, [error.message]));
    await sleep(2000);
    const figures = await sample(site);
    stamp(`${name}: ${JSON.stringify(figures)}`);
    return figures;
}

function newLife() {
    const life = new Life(site);
    life.start();
    return life;
}

const began = Date.now();
let first, last, faults = 0;
const lived = {};
const addCounts = (life) => Object.entries(life.counts).forEach(([what, n]) => (lived[what] = (lived[what] ?? 0) + n));
try {
    await site.build({ bridges: 3, sessions: 12, broker: { config: ["sys_interval 1"] },
        env: { SIGBRIDGE_PRESENCE_RESUME_WINDOW: String(WINDOW_S), SIGBRIDGE_LOG_LEVEL: "info" } });
    await watchBroker(site);
    const homes = new Map(site.sessions.map((s) => [s, s.bridge]));
    let life = newLife();
    for (let i = 0; Date.now() - began < MINUTES * 60_000; i++) {
        if (!first && Date.now() - began > 60_000) {
            first = await atRest(life, "after the first minute");
            addCounts(life);
            site.storm.splice(0).forEach((guest) => guest.end());
            life = newLife();
        }
        const row = soaked[i % soaked.length];
        const slow = await flowing(site, life, Date.now(), WARM, 30_000);
        fail(`before ${row.key}`, slow.map(({ from, to }) => `nothing goes from ${from.name} to ${to.name}`));
        for (const member of [...site.sessions, ...site.devices])
            member.left = [];
        const context = await strike(site, life, row);
        faults++;
        await sleep(PAUSE_MS);
        const rest = Date.now() + 40_000;
        while ([...ledger.records()].some((r) => r.outcome === undefined && r.at <= context.mended) && Date.now() < rest)
            await sleep(100);
        const samples = row.recovery ? recoveries(site, life, row, context) : [];
        if (row.recovery)
            (times[row.recovery.name] ??= []).push(...samples);
        const settled = Date.now() - 1500;
        const count = ledger.fold(context.broken, settled);
        const verdict = judge(site, row, context, count);
        fail(row.key, [...context.failures, ...verdict.failures]);
        try {
            await row.after?.(site, context);
        } catch (error) {
            fail(row.key, [error.message]);
        }
        for (const what of Object.keys(totals))
            if (what === "told")
                Object.entries(count.told).forEach(([word, n]) => (totals.told[word] = (totals.told[word] ?? 0) + n));
            else if (what === "rejoined")
                totals.rejoined += verdict.rejoined;
            else
                totals[what] += count[what].length ?? count[what];
        stamp(`${row.key}: ${count.sent} sent, ${count.delivered} delivered, told ${JSON.stringify(count.told)}, ${verdict.rejoined} joined again, ` +
            `${JSON.stringify(summary(samples) ?? {})}, first bridge ${status(site.bridges[0].program.pid, "VmRSS")} KB`);
        for (const member of [...site.sessions, ...site.devices])
            member.recoveries = [];
        site.changes.length = 0;
        await putRight(site, homes);
    }
    last = await atRest(life, "at the end");
    addCounts(life);
    if (first)
        fail("compared", compare(first, last));
    else
        stamp("too short to compare: there was no first minute");
} catch (error) {
    failures.push(`${error.stack}`);
    stamp(`FAIL ${error.stack}`);
}
if (failures.length && values.logs) {
    site.bridges.forEach((b) => writeFileSync(`${values.logs}/${b.id}.log`, b.program.tail(20_000)));
    writeFileSync(`${values.logs}/members.log`, [...site.sessions, ...site.devices].map((m) => m.log.join("\n")).join("\n\n"));
}
await site.end().catch((error) => fail("at the end", [error.message]));
const minutes = (Date.now() - began) / 60_000;
const recovery = Object.fromEntries(Object.entries(times).map(([name, samples]) => [name, summary(samples)]));
const result = { minutes, faults, lived, totals, first, last, recovery, failures };
if (values.json)
    writeFileSync(values.json, JSON.stringify(result, null, 1));
console.log(JSON.stringify({ minutes, faults, lived, totals, recovery }, null, 1));
console.log(`${failures.length} failures`);
process.exit(failures.length ? 1 : 0);
