/* Breaks what a row breaks while a column's traffic goes on, mends it, and waits until messages go between
 * all pairs again. Then judge() says what was not as the row expects. */
export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

export const WARM = 4; /* deliveries of each pair before the break, and again after the mend */

/* Resolves to the pairs of the trickle that have not had `count` messages through that were sent after
 * `since`; empty when all have. */
export async function flowing(site, moment, since, count, timeout) {
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

/* Everything that row.break() and the others get: who may have to join again (`victims`), and when what
 * happened. */
export async function strike(site, moment, row, { long = false } = {}) {
    const members = [...site.sessions, ...site.devices];
    const context = { long, victims: new Set(), failures: [], members, epochs: new Map(members.map((m) => [m.name, m.epoch])) };
    await moment.arm();
    context.broken = Date.now();
    await row.break(site, context);
    moment.release();
    await sleep(long && row.longLasts ? row.longLasts : row.lasts ?? 1500);
    await row.mend?.(site, context);
    context.mended = Date.now();
    for (const { from, to } of await flowing(site, moment, context.mended, WARM, row.flows ?? 30_000))
        context.failures.push(`nothing goes from ${from.name} to ${to.name} any more`);
    return context;
}

const expectations = (row, long) => ({ told: [], rejoin: "nobody", ...row.expects, ...(long ? row.longExpects : {}) });

/* Sentences about who had to join again, who was said to have left, and what `count` of the ledger holds. */
export function judge(site, row, context, count) {
    const { victims, members, epochs, broken, long } = context;
    const failures = [];
    const expects = expectations(row, long);
    const rejoined = members.filter((m) => m.epoch !== epochs.get(m.name)).map((m) => m.name);
    const isDevice = (name) => site.devices.some((d) => d.name === name);
    const may = (name) => expects.rejoin === "anybody" || victims.has(name) || (expects.devices && isDevice(name));
    for (const name of rejoined)
        if (!may(name))
            failures.push(`${name} had to join again`);
    if (expects.rejoin === "victims")
        for (const name of victims)
            if (!rejoined.includes(name))
                failures.push(`${name} should have had to join again`);
    const core = new Set(members.map((m) => m.name));
    for (const member of site.sessions)
        for (const { peer, reason, at } of member.left)
            if (at >= broken && core.has(peer) && !may(peer))
                failures.push(`${member.name} was told ${at - broken} ms after the break that ${peer} left (${reason}), who stayed`);
    for (const what of ["lost", "doubled", "reordered", ...(expects.late ? [] : ["late"]), "silent", ...(expects.refuted ? [] : ["refuted"])])
        for (const sentence of count[what])
            failures.push(`${what}: ${sentence}`);
    for (const sentence of count.wrong)
        failures.push(`wrong: ${sentence}`);
    for (const [word, times] of Object.entries(count.told))
        if (!expects.told.includes(word))
            failures.push(`${times} senders were told ${word}, which nobody expects here: ${count.toldOf[word].slice(0, 3).join("; ")}`);
    if (count.excused && expects.rejoin === "nobody" && !victims.size && !expects.devices)
        failures.push(`${count.excused} messages went to members that were not there, though nobody should have gone`);
    return { failures, rejoined: rejoined.length };
}

/* How long it took, one number for each session, device or pair. */
export function recoveries(site, moment, row, { broken, mended }) {
    const reference = row.recovery.from === "mend" ? mended : broken;
    const back = (members) => members.flatMap((m) => m.recoveries).filter((r) => r.back >= broken);
    switch (row.recovery.of) {
    case "flow": return firstDeliveries(site, moment, reference);
    case "devices": return back(site.devices).map((r) => r.back - reference);
    case "first": return back(site.sessions).filter((r) => r.back < mended).map((r) => r.back - reference);
    case "own": return back(site.sessions).map((r) => r.back - r.lost);
    default: return back(site.sessions).map((r) => r.back - reference);
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

export function summary(numbers) {
    const sorted = [...numbers].sort((a, b) => a - b);
    return sorted.length ? { count: sorted.length, median: Math.round(sorted[Math.floor((sorted.length - 1) / 2)]),
        worst: Math.round(sorted.at(-1)) } : undefined;
}
