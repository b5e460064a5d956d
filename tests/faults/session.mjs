/* A browser's session, as the browser library behaves, with a hand on each frame: it connects again when
 * its socket is lost or silent, resumes with the last number it has seen, joins again when that is refused,
 * keeps the ids of what was not acknowledged and sends it again after a resume, at most 64 at a time.
 *
 * It checks what it is told while it goes: numbers without a gap, a roster that adds up, and after a resume
 * the roster in `resumed` against its own once the missed frames are in.
 *
 *     const ann = new Session({ name: "ann", room: "a", url: () => wire.wsUrl, ledger });
 *     await ann.start();
 *     ann.say("bob", { pad: "x" });       numbered in the ledger
 *     ann.onFrame = (frame) => …          signaling that came */
import WebSocket from "ws";
import { answerSdp, candidate, sdp } from "../integration/world.mjs";
import { numberOf } from "./ledger.mjs";

const OUTSTANDING = 64;
const SILENCE_MS = { ping: 500, drop: 2000 };
const BACKOFF_MS = { first: 40, most: 800 };
const ANSWER_MS = 12_000; /* for join and resume */
const TAKEN_MS = 150;
const SIGNALS = new Set(["invite", "offer", "answer", "candidate", "bye", "message", "sealed"]);

export class Session {
    constructor({ name, room, url, ledger, meta = {} }) {
        Object.assign(this, { name, room, url, ledger, meta });
        this.kind = "session";
        this.epoch = 0; /* rises with each `joined` */
        this.roster = new Map();
        this.seq = 0;
        this.state = "idle"; /* connecting, joining, joined, waiting, idle */
        this.over = false; /* left, and not to come back */
        this.pending = new Map(); /* id -> item: sent, not answered */
        this.queue = [];
        this.ids = 0;
        this.failures = 0;
        this.recoveries = []; /* {lost, back, how, from, to} */
        this.closes = []; /* codes of its sockets */
        this.left = []; /* {peer, reason, at}: what it was told */
        this.log = [];
        this.onFrame = () => {};
        this.waiters = new Set();
        ledger.members.set(name, this);
    }

    note(text) {
        this.log.push(`${new Date().toISOString().slice(11, 23)} ${this.name} ${text}`);
        if (this.log.length > 400)
            this.log.shift();
    }

    /* Resolves when `check` holds after some change of this session. */
    when(check) {
        if (check())
            return Promise.resolve();
        return new Promise((resolve) => this.waiters.add({ check, resolve }));
    }

    #changed() {
        for (const waiter of this.waiters)
            if (waiter.check()) {
                this.waiters.delete(waiter);
                waiter.resolve();
            }
    }

    start() {
        this.over = false;
        this.#open();
        this.watch ??= setInterval(() => this.#listen(), SILENCE_MS.ping / 2);
        return this.when(() => this.state === "joined");
    }

    /* ---- the socket ---- */

    #open() {
        this.state = "connecting";
        const socket = this.socket = new WebSocket(this.url(), "sigbridge.v1", { perMessageDeflate: false });
        const current = (then) => (...args) => socket === this.socket && then(...args);
        this.heard = Date.now();
        this.retryAfter = undefined;
        this.deadline = Date.now() + ANSWER_MS;
        socket.on("error", () => {});
        socket.on("open", current(() => {
            socket._socket?.setNoDelay(true);
            this.#greet();
        }));
        socket.on("message", current((bytes) => this.#take(JSON.parse(bytes.toString()))));
        socket.on("close", (code, reason) => {
            this.closes.push(code);
            this.note(`close ${code} ${reason}`);
            if (socket !== this.socket)
                return;
            if (code === 4409) /* nobody else bears its name */
                this.ledger.fault(`${this.name} was replaced: ${reason}`);
            this.#lost();
        });
    }

    #greet() {
        this.state = "joining";
        this.heard = Date.now();
        this.deadline = Date.now() + ANSWER_MS;
        this.note(this.held ? `resumes ${this.held.session} at ${this.seq}` : "joins");
        if (this.held)
            this.write({ type: "resume", session: this.held.session, secret: this.held.secret, seq: this.seq });
        else
            this.#join();
    }

    #join() {
        this.write({ type: "join", room: this.room, peer: this.name, meta: this.meta });
    }

    write(frame) {
        if (this.socket?.readyState === WebSocket.OPEN)
            this.socket.send(JSON.stringify(frame));
    }

    /* Nothing heard for too long: a cable may be out. */
    #listen() {
        const now = Date.now();
        if (this.state === "joining" || this.state === "connecting") {
            if (now > this.deadline || (this.state === "connecting" && now - this.heard > SILENCE_MS.drop))
                this.drop("no answer");
            return;
        }
        if (this.state !== "joined" || this.deaf)
            return;
        if (now - this.heard > SILENCE_MS.drop)
            this.drop("silence");
        else if (now - this.heard > SILENCE_MS.ping)
            this.write({ type: "ping" });
    }

    /* Gives the socket up and connects again. The bridge may not hear of it. */
    drop(why) {
        this.note(`drops its socket: ${why}`);
        const { socket } = this;
        this.socket = null;
        socket?.terminate();
        this.#lost();
    }

    /* As when the network changes under a browser: the old socket stays where it is, unheard, and a new
     * one resumes. The old one is returned. */
    detach() {
        const { socket } = this;
        this.socket = null;
        this.#lost();
        return socket;
    }

    #lost() {
        if (this.state === "idle")
            return;
        this.lostAt ??= this.state === "joined" ? Date.now() : undefined;
        this.state = "waiting";
        this.#changed();
        if (this.over)
            return;
        const jitter = 0.5 + Math.random() / 2;
        const wait = this.retryAfter ?? Math.min(BACKOFF_MS.most, BACKOFF_MS.first * 2 ** this.failures) * jitter;
        this.failures++;
        setTimeout(() => this.state === "waiting" && !this.over && this.#open(), wait);
    }

    /* ---- frames ---- */

    #take(frame) {
        this.heard = Date.now();
        if (this.state !== "joined")
            this.note(`hears ${frame.type} ${frame.seq ?? ""}`);
        if (frame.seq !== undefined && !["joined", "resumed"].includes(frame.type)) {
            if (frame.seq !== this.seq + 1)
                this.ledger.fault(`${this.name}: seq ${frame.seq} after ${this.seq} (${frame.type})`);
            this.seq = frame.seq;
        }
        switch (frame.type) {
        case "joined": this.#joined(frame); break;
        case "resumed": this.#resumed(frame); break;
        case "ack": this.#answered(frame.id, "ack"); break;
        case "error": this.#error(frame); break;
        case "presence": this.#presence(frame); break;
        case "closing":
            this.note(`closing: ${frame.reason}, ${frame.retryAfter} ms`);
            this.retryAfter = frame.retryAfter;
            break;
        default:
            if (SIGNALS.has(frame.type))
                this.#signal(frame);
        }
        this.#compare();
        this.#changed();
    }

    #signal(frame) {
        if (this.onEcho?.(frame))
            return;
        const n = numberOf(frame);
        const to = frame.data?.all ? "*" : this.name;
        if (n !== undefined && this.ledger.got(this.name, frame.from, to, frame.call ?? "", n))
            this.onFrame(frame);
    }

    #arrived(frame, how) {
        this.last = undefined;
        this.note(`${how} ${frame.session} after ${Date.now() - (this.lostAt ?? Date.now())} ms`);
        if (this.lostAt !== undefined)
            this.recoveries.push({ lost: this.lostAt, back: Date.now(), how, from: this.held?.session.split(".")[0] ?? this.was,
                to: frame.session.split(".")[0] });
        this.lostAt = undefined;
        this.held = { session: frame.session, secret: frame.secret };
        this.was = frame.session.split(".")[0];
        this.state = "joined";
        this.failures = 0;
    }

    #joined(frame) {
        this.epoch++;
        this.joinedAt = Date.now();
        this.seq = 0;
        this.expected = null;
        this.#arrived(frame, "joined");
        this.roster = new Map(frame.peers.map((info) => [info.peer, info]));
        if (frame.peer !== this.name)
            this.ledger.fault(`${this.name} joined as ${frame.peer}`);
        for (const [, item] of this.pending)
            item.done("interrupted");
        this.pending.clear();
        this.#flush();
    }

    #resumed(frame) {
        if (frame.seq < this.seq)
            this.ledger.fault(`${this.name}: resumed at ${frame.seq}, but it has ${this.seq}`);
        this.#arrived(frame, "resumed");
        this.expected = { seq: frame.seq, peers: frame.peers };
        for (const { frame: unanswered } of this.pending.values())
            this.write(unanswered);
        this.#flush();
    }

    /* `peers` of `resumed` is the roster once the missed frames are in. */
    #compare() {
        if (!this.expected || this.seq < this.expected.seq)
            return;
        const names = (list) => list.map(({ peer, since }) => `${peer}@${since}`).sort().join(" ");
        const [told, own] = [names(this.expected.peers), names([...this.roster.values()])];
        if (told !== own)
            this.ledger.fault(`${this.name}: resumed with ${told}, but has been told of ${own}`);
        this.expected = null;
    }

    #presence({ joined = [], updated = [], left = [] }) {
        for (const { peer, reason } of left) {
            this.left.push({ peer, reason, at: Date.now() });
            if (!this.roster.delete(peer))
                this.ledger.fault(`${this.name} is told that ${peer} left, who was not there`);
        }
        for (const info of joined) {
            if (this.roster.has(info.peer))
                this.ledger.fault(`${this.name} is told that ${info.peer} joined, who was there`);
            this.roster.set(info.peer, info);
        }
        for (const info of updated) {
            if (!this.roster.has(info.peer))
                this.ledger.fault(`${this.name} is told of an update of ${info.peer}, who is not there`);
            this.roster.set(info.peer, info);
        }
        if (this.roster.has(this.name))
            this.ledger.fault(`${this.name} is told of itself`);
    }

    #error(frame) {
        if (frame.id !== undefined)
            return this.#answered(frame.id, frame.error);
        if (this.last !== frame.error)
            this.note(`error ${frame.error}: ${frame.message}`);
        this.last = frame.error;
        if (this.state !== "joining")
            return undefined;
        if (frame.error === "session-expired") {
            this.held = undefined;
            this.note(`joins anew: ${frame.message}`);
            return this.#join();
        }
        if (frame.error === "peer-taken") /* by ourselves, a moment ago */
            return setTimeout(() => this.state === "joining" && this.#join(), TAKEN_MS);
        return this.drop(frame.error);
    }

    /* ---- sending ---- */

    #answered(id, word) {
        const item = this.pending.get(id);
        if (!item)
            return;
        this.pending.delete(id);
        item.done(word);
        this.#flush();
    }

    #flush() {
        while (this.state === "joined" && this.queue.length && this.pending.size < OUTSTANDING) {
            const item = this.queue.shift();
            this.pending.set(item.frame.id, item);
            this.write(item.frame);
        }
    }

    /* Any frame; resolves with "ack" or the word of an error. */
    request(frame) {
        return new Promise((resolve) => {
            this.queue.push({ frame: { ...frame, id: (++this.ids).toString(36) }, done: resolve });
            this.#flush();
        });
    }

    /* A numbered one. `build` gets the number. */
    async numbered(to, call, build, listeners) {
        const record = this.ledger.sent(this.name, to, call, listeners);
        const word = await this.request(build(record.n));
        this.ledger.outcome(record, word);
        return word;
    }

    say(to, data = {}) {
        return this.numbered(to, "", (n) => ({ type: "message", to, data: { ...data, n } }));
    }

    sayAll(listeners) {
        return this.numbered("*", "", (n) => ({ type: "message", data: { n, all: true } }), listeners);
    }

    signal(type, to, call) {
        return this.numbered(to, call, (n) => signalFrame(type, to, call, n));
    }

    /* Out of the room, for good or until start(). */
    async leave() {
        const word = this.state === "idle" ? "ack" : await this.request({ type: "leave" });
        this.over = true;
        this.state = "idle";
        this.held = undefined;
        this.socket?.close(1000);
        this.socket = null;
        return word;
    }

    /* The program ends: its sockets with it, and its membership. */
    end() {
        this.over = true;
        this.state = "idle";
        clearInterval(this.watch);
        this.watch = undefined;
        this.socket?.close(1000);
        this.socket = null;
    }
}

export function signalFrame(type, to, call, n) {
    switch (type) {
    case "offer": return { type, to, call, sdp: sdp(n) };
    case "answer": return { type, to, call, sdp: answerSdp(n) };
    case "candidate": return { type, to, call, candidate: candidate(n) };
    default: return { type, to, call, reason: String(n) };
    }
}
