/* The columns: what goes on while something breaks. All have a trickle of numbered messages between the
 * members, so that there is something to lose; what each adds to that is in its name.
 *
 *     const moment = new moments.handshake(site);
 *     moment.start();
 *     await moment.arm();       it is as the column says: break now
 *     moment.release();         broken: what was held back goes on, into the fault
 *     await moment.stop();      nothing new; resolves when all that was begun is done
 *
 * `counts` says how much of it there was, `least` how much there must have been. */
import { Session } from "./session.mjs";

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/* Each member to the next ones of its room, one of a room to all of it. */
export class Idle {
    constructor(site, { every = 120, trickle = true } = {}) {
        Object.assign(this, { site, every, trickle, counts: {}, least: {}, timers: [] });
        this.pairs = [];
        for (const room of ["a", "b"]) {
            const members = site.members(room).filter((member) => member.say);
            members.forEach((from, i) => {
                for (const step of [1, 2])
                    this.pairs.push({ from, to: members[(i + step) % members.length] });
            });
        }
    }

    start() {
        if (!this.trickle)
            return;
        this.timers = this.pairs.map(({ from, to }, i) => setInterval(() => !from.over && !from.quiet && from.say(to.name), this.every + i % 7));
        const { echo } = this.site;
        if (echo)
            this.timers.push(setInterval(() => !echo.over && this.site.sessions[0].say(echo.name), this.every));
        this.timers.push(setInterval(() => {
            const all = this.site.sessions[0];
            all.sayAll(this.site.members("a").filter((m) => m !== all && m.epoch && m.say).map((m) => m.name));
        }, this.every * 2));
    }

    async arm() {}

    release() {}

    async stop() {
        this.timers.forEach(clearInterval);
    }
}

const CANDIDATES = 6;
const CALLS_MIN = 1;

/* Calls without end between pairs: offer, answer, candidates from both sides, bye. */
export class Handshake extends Idle {
    constructor(site, options) {
        super(site, { every: 250, ...options });
        this.between = options?.between ?? 40;
        this.counts = { calls: 0, failed: 0 };
        this.calls = [];
        const [s, d] = [site.sessions, site.devices];
        const pairs = [];
        for (let i = 0; i + 2 < s.length; i += 4)
            pairs.push([s[i], s[i + 2]], [s[i + 3] ?? s[1], s[i + 1]]);
        if (d[0])
            pairs.push([s[0], d[0]], [s[2], d[0]]);
        if (d[1])
            pairs.push([d[1], s[1]]);
        this.lines = pairs.filter(([a, b]) => a && b && a !== b && a.room === b.room)
            .map(([caller, callee], i) => new Call(this, caller, callee, i % 2 ? "answer" : "candidates", i));
        this.least = { calls: this.lines.length * CALLS_MIN };
        for (const member of [...s, ...d])
            member.onFrame = (frame) => this.lines.forEach((line) => line.take(member, frame));
    }

    start() {
        super.start();
        for (const line of this.lines)
            line.run();
    }

    /* Half of the pairs have an offer without an answer, the others some of their candidates. */
    async arm() {
        this.hold = true;
        const end = Date.now() + 10_000;
        while (!this.lines.every((line) => line.held) && Date.now() < end)
            await sleep(10);
        if (!this.lines.every((line) => line.held))
            throw new Error("the handshakes did not come to the point where they are to be broken");
    }

    release() {
        this.hold = false;
        for (const line of this.lines)
            line.resume();
    }

    async stop() {
        this.hold = false;
        this.ending = true;
        await super.stop();
        const end = Date.now() + 20_000;
        while (this.lines.some((line) => line.running) && Date.now() < end)
            await sleep(20);
        for (const line of this.lines.filter((l) => l.running))
            this.site.ledger.fault(`a handshake of ${line.caller.name} with ${line.callee.name} never ended: ${line.describe()}`);
    }
}

let calls = 0; /* so that no name of a call comes twice */

class Call {
    constructor(column, caller, callee, holds, i) {
        Object.assign(this, { column, caller, callee, holds, i, running: false, held: false });
    }

    describe() {
        return `call ${this.id}: ${this.state}, ${this.near} and ${this.far} candidates, epochs ${this.epochs} now ${this.#epochs()}`;
    }

    #epochs() {
        return `${this.caller.epoch}.${this.callee.epoch}`;
    }

    async run() {
        this.running = true;
        while (!this.column.ending) {
            this.id = `c${this.i}-${++calls}`;
            Object.assign(this, { near: 0, far: 0, state: "offered", epochs: this.#epochs(), held: false, broken: false });
            const done = new Promise((resolve) => (this.done = resolve));
            this.say(this.caller, "offer", this.callee);
            /* One side joined anew: what was between them is gone, and both know. */
            const watch = setInterval(() => this.epochs !== this.#epochs() && this.fail(), 50);
            await done;
            clearInterval(watch);
            if (this.broken)
                this.column.counts.failed++;
            else
                this.column.counts.calls++;
            await sleep(this.broken ? 200 : this.column.between);
        }
        this.running = false;
    }

    async say(from, type, to) {
        const { id } = this;
        const word = await from.signal(type, to.name, id);
        if (word !== "ack" && type !== "bye" && id === this.id)
            this.fail();
    }

    fail() {
        this.broken = true;
        this.held = false;
        this.waiting = undefined;
        this.done?.();
    }

    take(member, frame) {
        if (frame.call !== this.id || (member !== this.caller && member !== this.callee))
            return;
        if (frame.type === "offer")
            this.step("answer", () => {
                this.state = "answered";
                this.say(this.callee, "answer", this.caller);
                this.candidates(this.callee, this.caller, 0, CANDIDATES);
            });
        else if (frame.type === "answer") {
            this.candidates(this.caller, this.callee, 0, CANDIDATES / 2);
            this.step("candidates", () => this.candidates(this.caller, this.callee, CANDIDATES / 2, CANDIDATES));
        } else if (frame.type === "candidate") {
            if (member === this.caller)
                this.near++;
            else
                this.far++;
            if (this.near === CANDIDATES && this.far === CANDIDATES) {
                this.state = "connected";
                this.say(this.caller, "bye", this.callee);
                this.done();
            }
        }
    }

    candidates(from, to, first, end) {
        for (let i = first; i < end; i++)
            this.say(from, "candidate", to);
    }

    /* Goes on at once, or is held back until the fault is there. */
    step(what, then) {
        if (!this.column.hold || this.holds !== what)
            return then();
        this.waiting = then;
        return (this.held = true);
    }

    resume() {
        const { waiting } = this;
        this.waiting = undefined;
        this.held = false;
        waiting?.();
    }
}

/* Many that come, say a few words, and go. */
export class Storm extends Idle {
    constructor(site, { crowd = 40, linger = 200, stay = true, ...options } = {}) {
        super(site, { every: 250, ...options });
        Object.assign(this, { crowd, linger, stay });
        this.counts = { joins: 0, leaves: 0 };
        this.least = { joins: crowd * 2, leaves: crowd };
    }

    start() {
        super.start();
        const { site } = this;
        this.runs = Array.from({ length: this.crowd }, (_, i) => {
            const home = site.sessions[i % site.sessions.length];
            const session = new Session({ name: `x${i}`, room: home.room, ledger: site.ledger,
                url: () => `ws://${home.wire.address}/ws` });
            Object.assign(session, { wire: home.wire, home, guest: true });
            site.storm.push(session);
            return this.#guest(session, i);
        });
    }

    async #guest(session, i) {
        const host = session.home;
        await sleep(Math.random() * 300);
        while (!this.ending) {
            await session.start();
            this.counts.joins++;
            await Promise.all([session.say(host.name), session.say(host.name)]);
            await sleep(this.linger * (0.5 + Math.random()));
            if (this.ending)
                break;
            await session.leave();
            this.counts.leaves++;
            await sleep(this.linger * Math.random());
        }
        if (session.state === "idle")
            await session.start();
        if (i % 2 || !this.stay)
            await session.leave(); /* half of them stay */
    }

    async arm() {
        while (this.counts.leaves < this.crowd)
            await sleep(20);
    }

    async stop() {
        this.ending = true;
        await super.stop();
        let timer;
        const late = new Promise((resolve) => (timer = setTimeout(resolve, 30_000, "late")));
        if (await Promise.race([Promise.all(this.runs), late]) === "late")
            this.site.ledger.fault("the storm never ended: " +
                this.site.storm.filter((s) => s.state !== "joined" && s.state !== "idle").map((s) => `${s.name} ${s.state}`).join(", "));
        clearTimeout(timer);
    }
}

export const moments = { idle: Idle, handshake: Handshake, storm: Storm };
