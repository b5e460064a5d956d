/* One cell: builds a site, lets the column's traffic run, breaks what the row breaks, mends it, waits for
 * rest, counts. Resolves to what was counted and `failures`, sentences about all that must not be. */
import { deadline } from "../integration/harness.mjs";
import { Ledger } from "./ledger.mjs";
import { moments } from "./moments.mjs";
import { Site } from "./site.mjs";
import { flowing, judge, recoveries, sleep, strike, WARM } from "./strike.mjs";
import { settle } from "./truth.mjs";

const REST_MS = 45_000; /* for all answers to be in: longer than limits.outage_age */
const LEAST = { acknowledged: 150, delivered: 150, during: 20 };

async function rest(ledger) {
    const end = Date.now() + REST_MS;
    while (ledger.unsettled.length && Date.now() < end)
        await sleep(50);
    await sleep(100); /* what is acknowledged may still be on its way */
}

/* Nothing passes because nothing was counted. */
function tooLittle(result, row, moment) {
    const few = [];
    for (const [what, bound] of Object.entries({ ...LEAST, ...row.least }))
        if (result[what] < bound)
            few.push(`only ${result[what]} ${what}: at least ${bound} are needed for this to mean anything`);
    for (const [what, bound] of Object.entries(moment.least))
        if (moment.counts[what] < bound)
            few.push(`only ${moment.counts[what]} ${what}: at least ${bound} are needed`);
    return few;
}

export async function runCell(row, column, { long = false, crowd } = {}) {
    const ledger = new Ledger();
    const site = new Site(ledger);
    const failures = [];
    const result = { row: row.key, column, failures, started: new Date().toISOString() };
    const began = Date.now();
    let moment;
    try {
        await site.build(row.site ?? {});
        moment = new moments[column](site, { ...(crowd ? { crowd } : {}), ...row.traffic });
        moment.start();
        const slow = await flowing(site, moment, 0, WARM, 15_000);
        if (slow.length)
            throw new Error(`no traffic before the break: ${slow.map(({ from, to }) => `${from.name}>${to.name}`)}`);
        const context = await strike(site, moment, row, { long });
        failures.push(...context.failures);
        await deadline(moment.stop(), "the traffic's end", 60_000);
        await rest(ledger);
        const within = row.within ?? 10_000;
        const truth = await settle(site, within);
        result.agreed = truth.ms;
        failures.push(...truth.wrong.map((sentence) => `presence after ${within} ms: ${sentence}`));
        const count = ledger.count(context.broken);
        const { toldOf, ...counted } = count;
        const verdict = judge(site, row, context, count);
        failures.push(...verdict.failures);
        Object.assign(result, counted, { rejoined: verdict.rejoined, counts: moment.counts,
            during: [...ledger.records()].filter((r) => r.at >= context.broken && r.at <= context.mended).length });
        if (site.echo && !row.expects?.devices && site.echo.missing)
            failures.push(`${site.echo.missing} answers of the C device were lost`);
        failures.push(...tooLittle(result, row, moment));
        if (row.recovery) {
            result.recovery = recoveries(site, moment, row, context);
            if (!result.recovery.length)
                failures.push("nothing had to recover");
        }
        await row.after?.(site, context);
    } catch (error) {
        failures.push(`${error.stack ?? error}`);
    }
    result.logs = { members: [...site.sessions, ...site.devices, ...site.storm].map((m) => m.log.join("\n")),
        bridges: site.bridges.map((b) => `${b.id}\n${b.program?.tail(4000)}`), broker: site.broker?.program?.tail(200) };
    await moment?.stop?.().catch(() => {});
    await row.clean?.(site);
    await site.end().catch((error) => failures.push(`at the end: ${error.message}`));
    result.seconds = (Date.now() - began) / 1000;
    return result;
}
