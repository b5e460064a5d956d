/* One cell: builds a site, lets the column's traffic run, breaks what the row breaks, mends it, waits for
 * rest, counts. Resolves to what was counted and `failures`, sentences about all that must not be. */
import { deadline } from "../integration/harness.mjs";
import { Ledger } from "./ledger.mjs";
import { moments } from "./moments.mjs";
import { Site } from "./site.mjs";
import { settle } from "./truth.mjs";

const WARM = 4; /* deliveries of each pair before the break, and again after the mend */
const REST_MS = 45_000; /* for all answers to be in: longer than limits.outage_age */
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/* Resolves to the pairs of the trickle that have not had `count` messages through that were sent after
 * `since`; empty when all have. */
async function flowing(site, moment, since, count, timeout) {
    const behind = () => moment.pairs.filter(({ from, to }) => {
        if (from.quiet || to.quiet)
            return false;
        const pair = site.ledger.pairs.get(`${from.name}>${to.name}/`);
        if (!pair)
            return true;
        let good = 0;
        for (const record of [...pair.records.values()].reverse()) {
            if (record.at < since || good >= count)
                break;
            good += record.got.has(to.name);
        }
        return good < count;
    });
    const end = Date.now() + timeout;
    for (;;) {
        const left = behind();
        if (!left.length || Date.now() > end)
            return left;
        await sleep(25);
    }
}

/* First delivery of each pair after `since`, in ms. */
function firstDeliveries(site, moment, since) {
    return moment.pairs.filter(({ from, to }) => !from.quiet && !to.quiet).map(({ from, to }) => {
        let first = Infinity;
        for (const record of site.ledger.pairs.get(`${from.name}>${to.name}/`)?.records.values() ?? []) {
            const at = record.got.get(to.name);
            if (at >= since && at < first)
                first = at;
        }
        return first - since;
    }).filter(Number.isFinite);
}

function median(numbers) {
    const sorted = [...numbers].sort((a, b) => a - b);
    return sorted.length ? sorted[Math.floor((sorted.length - 1) / 2)] : undefined;
}

export const summary = (numbers) => numbers.length
    ? { count: numbers.length, median: Math.round(median(numbers)), worst: Math.round(Math.max(...numbers)) } : undefined;

export async function runCell(row, column, { long = false, crowd } = {}) {
    const ledger = new Ledger();
    const site = new Site(ledger);
    const failures = [];
    const result = { row: row.key, column, failures, started: new Date().toISOString() };
    const began = Date.now();
    let moment;
    try {
        await site.build({ ...row.site, ...(long ? row.longSite : {}) });
        moment = new moments[column](site, { ...(crowd ? { crowd } : {}), ...row.traffic });
        const context = { long, victims: new Set(), gone: new Set(), site, moment, note: (text) => (result.notes ??= []).push(text) };
        moment.start();
        const slow = await flowing(site, moment, 0, WARM, 15_000);
        if (slow.length)
            throw new Error(`no traffic before the break: ${slow.map(({ from, to }) => `${from.name}>${to.name}`)}`);
        await moment.arm();
        const members = [...site.sessions, ...site.devices];
        const before = new Map(members.map((m) => [m.name, m.epoch]));
        const broken = Date.now();
        context.broken = broken;
        await row.break(site, context);
        moment.release();
        await sleep(long && row.longLasts ? row.longLasts : row.lasts ?? 1500);
        await row.mend?.(site, context);
        const mended = context.mended = Date.now();
        const stuck = await flowing(site, moment, mended, WARM, row.flows ?? 30_000);
        for (const { from, to } of stuck)
            failures.push(`nothing goes from ${from.name} to ${to.name} any more`);
        await deadline(moment.stop(), "the traffic's end", 60_000);
        const rest = Date.now() + REST_MS;
        while (ledger.unsettled.length && Date.now() < rest)
            await sleep(50);
        await sleep(100); /* what is acknowledged may still be on its way */
        const within = row.within ?? 10_000;
        const truth = await settle(site, within);
        result.agreed = truth.ms;
        for (const sentence of truth.wrong)
            failures.push(`presence after ${within} ms: ${sentence}`);
        await row.after?.(site, context);

        /* Who had to join again, who was said to have left. */
        const expects = { told: [], rejoin: "nobody", ...row.expects, ...(long ? row.longExpects : {}) };
        const rejoined = members.filter((m) => m.epoch !== before.get(m.name)).map((m) => m.name);
        const may = (name) => expects.rejoin === "anybody" || context.victims.has(name) ||
            (expects.devices && site.devices.some((d) => d.name === name));
        for (const name of rejoined)
            if (!may(name))
                failures.push(`${name} had to join again`);
        if (expects.rejoin === "victims")
            for (const name of context.victims)
                if (!rejoined.includes(name))
                    failures.push(`${name} should have had to join again`);
        const core = new Set(members.map((m) => m.name));
        for (const member of site.sessions)
            for (const { peer, reason, at } of member.left)
                if (core.has(peer) && !rejoined.includes(peer) && !context.gone.has(peer) && !may(peer))
                    failures.push(`${member.name} was told ${at - broken} ms after the break that ${peer} left (${reason}), who stayed`);

        const count = ledger.count(broken);
        const { toldOf, ...counted } = count;
        Object.assign(result, counted, { rejoined: rejoined.length, counts: moment.counts });
        for (const what of ["lost", "doubled", "reordered", "silent", ...(expects.refuted ? [] : ["refuted"])])
            for (const sentence of count[what])
                failures.push(`${what}: ${sentence}`);
        for (const sentence of count.wrong)
            failures.push(`wrong: ${sentence}`);
        for (const [word, times] of Object.entries(count.told))
            if (!expects.told.includes(word))
                failures.push(`${times} senders were told ${word}, which nobody expects here: ${toldOf[word].slice(0, 3).join("; ")}`);
        if (count.excused && expects.rejoin === "nobody" && !expects.devices)
            failures.push(`${count.excused} messages went to members that were not there, though nobody should have gone`);

        /* Nothing passes because nothing was counted. */
        const during = [...ledger.records()].filter((r) => r.at >= broken && r.at <= mended).length;
        result.during = during;
        const least = { acknowledged: 150, delivered: 150, during: 20, ...row.least };
        for (const [what, bound] of Object.entries(least))
            if (result[what] < bound)
                failures.push(`only ${result[what]} ${what}: at least ${bound} are needed for this to mean anything`);
        for (const [what, bound] of Object.entries(moment.least))
            if (moment.counts[what] < bound)
                failures.push(`only ${moment.counts[what]} ${what}: at least ${bound} are needed`);
        if (row.recovery) {
            const reference = row.recovery.from === "mend" ? mended : broken;
            const back = site.sessions.flatMap((s) => s.recoveries).filter((r) => r.back >= broken);
            const samples = row.recovery.of === "flow" ? firstDeliveries(site, moment, reference)
                : row.recovery.of === "devices" ? site.devices.flatMap((d) => d.recoveries).filter((r) => r.back >= broken).map((r) => r.back - reference)
                : row.recovery.of === "own" ? back.map((r) => r.back - r.lost) : back.map((r) => r.back - reference);
            result.recovery = samples;
            result.how = back.reduce((sum, r) => ({ ...sum, [`${r.how} ${r.from === r.to ? "here" : "elsewhere"}`]: (sum[`${r.how} ${r.from === r.to ? "here" : "elsewhere"}`] ?? 0) + 1 }), {});
            if (!samples.length)
                failures.push("nothing had to recover");
        }
    } catch (error) {
        failures.push(`${error.stack ?? error}`);
    }
    result.redelivered = site.devices.reduce((sum, d) => sum + d.redelivered, 0);
    if (failures.length)
        result.logs = { members: [...site.sessions, ...site.devices].map((m) => m.log.slice(-40).join("\n")),
            bridges: site.bridges.map((b) => `${b.id}\n${b.program?.tail(4000)}`), broker: site.broker?.program?.tail(200) };
    await moment?.stop?.().catch(() => {});
    await row.clean?.(site);
    await site.end().catch((error) => failures.push(`at the end: ${error.message}`));
    result.seconds = (Date.now() - began) / 1000;
    return result;
}
