/* Who sent what to whom, and what became of it. Every message has a number within its sender, its target
 * and its call; the sender notes how it was answered, the receiver notes the numbers as they come.
 *
 *     lost        acknowledged, the target was a member from then on until the end, and it never came
 *     doubled     came twice
 *     reordered   came after a later one of the same sender, target and call
 *     late        the same, where the sender had been told that it may have arrived, and had joined again
 *     silent      neither acknowledged nor refused when everything had come to rest
 *     refuted     refused, and came all the same
 *     told        refused, by word; `device:` before it where the target is a device, `guest:` where the
 *                 sender is one of a storm
 *     excused     acknowledged and never came, but the target's membership ended about then: it was not
 *                 there, and knows it, because it had to join again
 *     wrong       anything else that must not be, as sentences: a gap in `seq`, a leave of somebody who
 *                 stayed, a roster that does not add up */
const WRONG_MAX = 200;
const UNSURE = new Set(["interrupted", "timeout"]); /* "it may have arrived" */
const EARLIER_MS = 500; /* acknowledged so long before the break, a message must have come */

export class Ledger {
    constructor() {
        this.pairs = new Map(); /* "from>to/call" -> {next, highest, records} */
        this.members = new Map(); /* name -> member: {epoch, epochs: [time of each join]} */
        this.wrong = [];
        this.doubled = [];
        this.reordered = [];
        this.unknown = 0;
    }

    #pair(from, to, call) {
        const key = `${from}>${to}/${call}`;
        let pair = this.pairs.get(key);
        if (!pair)
            this.pairs.set(key, pair = { key, from, to, next: 1, folded: 0, records: new Map(), heard: new Map() });
        return pair;
    }

    /* A new message; outcome() tells what became of it. `to` is "*" for one to the room, which all of
     * `listeners` (names) must hear. */
    sent(from, to, call = "", listeners = [to]) {
        const pair = this.#pair(from, to, call);
        const record = { n: pair.next++, pair, at: Date.now(), outcome: undefined, got: new Map(),
            epochs: listeners.map((name) => [name, this.members.get(name)?.epoch ?? 0]) };
        pair.records.set(record.n, record);
        return record;
    }

    /* "ack", or the word of an error. A later error wins over an acknowledgement: devices get those. */
    outcome(record, word) {
        if (record.outcome === undefined || word !== "ack")
            record.outcome = word;
        record.answered = Date.now();
    }

    got(by, from, to, call, n) {
        const pair = this.#pair(from, to, call);
        const record = pair.records.get(n);
        if (!record && n <= pair.folded) {
            this.doubled.push(`${pair.key} ${n} at ${by}, long after the first`);
            return undefined;
        }
        if (!record) {
            this.fault(`${by} got number ${n} of ${pair.key}, which nobody sent`);
            return undefined;
        }
        if (record.got.has(by)) {
            this.doubled.push(`${pair.key} ${n} at ${by}, ${Date.now() - record.got.get(by)} ms after the first`);
            return undefined;
        }
        const highest = pair.heard.get(by) ?? 0;
        if (n < highest)
            this.reordered.push({ record, text: `${pair.key} ${n} after ${highest} at ${by}` });
        pair.heard.set(by, Math.max(n, highest));
        record.got.set(by, Date.now());
        return record;
    }

    fault(sentence) {
        if (this.wrong.length < WRONG_MAX)
            this.wrong.push(sentence);
    }

    *records() {
        for (const pair of this.pairs.values())
            yield* pair.records.values();
    }

    get unsettled() {
        return [...this.records()].filter((record) => record.outcome === undefined);
    }

    /* For those who go on for hours: counts what was answered before `until` and forgets it. */
    fold(broken, until) {
        const kept = new Map();
        for (const [key, pair] of this.pairs) {
            const late = [...pair.records.values()].filter((r) => r.outcome === undefined || r.answered >= until);
            kept.set(key, { pair, late });
            late.forEach((record) => pair.records.delete(record.n));
        }
        const result = this.count(broken);
        Object.assign(this, { wrong: [], doubled: [], reordered: [] });
        for (const [key, { pair, late }] of kept) {
            const calls = !key.endsWith("/") && !late.length; /* a call's name comes once */
            if (calls)
                this.pairs.delete(key);
            pair.folded = (late.length ? Math.min(...late.map(({ n }) => n)) : pair.next) - 1;
            pair.records = new Map(late.map((record) => [record.n, record]));
        }
        return result;
    }

    /* `broken`: when the fault began. */
    count(broken) {
        const result = { sent: 0, acknowledged: 0, delivered: 0, lost: [], doubled: this.doubled,
            reordered: this.reordered.filter(({ record }) => !UNSURE.has(record.outcome)).map(({ text }) => text),
            late: this.reordered.filter(({ record }) => UNSURE.has(record.outcome)).map(({ text }) => text),
            silent: [], refuted: [], told: {}, toldOf: {}, excused: 0, wrong: this.wrong };
        for (const record of this.records()) {
            const { pair, n, outcome, got, at, answered } = record;
            const name = `${pair.key} ${n} (sent ${at - broken} ms after the break, answered ${answered - broken})`;
            result.sent++;
            result.delivered += got.size;
            if (outcome === undefined) {
                result.silent.push(name);
            } else if (outcome !== "ack") {
                const word = (this.members.get(pair.from)?.guest ? "guest:" : "") +
                    (this.members.get(pair.to)?.kind === "device" ? "device:" : "") + outcome;
                result.told[word] = (result.told[word] ?? 0) + 1;
                (result.toldOf[word] ??= []).push(name);
                if (got.size && !UNSURE.has(outcome))
                    result.refuted.push(`${name}: ${outcome}`);
            } else {
                result.acknowledged++;
                for (const [listener, epoch] of record.epochs) {
                    if (got.has(listener))
                        continue;
                    const member = this.members.get(listener);
                    const ended = epoch === 0 || member?.epoch !== epoch || member?.over;
                    if (ended && answered > broken - EARLIER_MS)
                        result.excused++;
                    else if (epoch !== 0 || pair.to !== "*")
                        result.lost.push(`${name} for ${listener}`);
                }
            }
        }
        return result;
    }
}

/* The number that a frame carries, wherever its type has room for one. */
export function numberOf(frame) {
    switch (frame.type) {
    case "message": return frame.data?.n;
    case "offer":
    case "answer": return Number(/^o=- (\d+) /m.exec(frame.sdp)?.[1]);
    case "candidate": return Number(frame.candidate?.candidate.split(" ")[5]);
    case "bye": return Number(frame.reason);
    default: return undefined;
    }
}
