/* The browser library (clients/js) as a member of the matrix: same face as Session, but connecting again,
 * resuming and saying again is the library's doing. */
import WebSocket from "ws";
import { Signaling } from "../../clients/js/src/index.js";
import { numberOf } from "./ledger.mjs";
import { signalFrame } from "./session.mjs";

const PONG_MS = 10_000; /* how long the library waits for a pong... */
const SHORT_PONG_MS = 1500; /* ...and how long it does here */
const EVENTS = ["invite", "offer", "answer", "candidate", "bye", "message"];

const timers = {
    setTimeout: (callback, ms) => setTimeout(callback, ms === PONG_MS ? SHORT_PONG_MS : ms),
    clearTimeout: (timer) => clearTimeout(timer),
    now: () => Date.now(),
    steady: () => performance.now(),
};

export class LibraryMember {
    constructor({ name, room, url, ledger, meta = {} }) {
        Object.assign(this, { name, room, ledger });
        this.kind = "session";
        this.epoch = 0;
        this.over = false;
        this.recoveries = [];
        this.left = [];
        this.log = [];
        this.onFrame = () => {};
        const library = this.library = new Signaling(url(), { room, peer: name, meta, WebSocket, timers, keepalive: 500, connectTimeout: 2000,
            joinTimeout: 12_000, backoff: { base: 40, max: 800, minUptime: 500 }, takenRetries: 60 });
        library.addEventListener("joined", ({ detail }) => {
            this.epoch++;
            this.#arrived(detail, "joined");
        });
        library.addEventListener("resumed", ({ detail }) => this.#arrived(detail, "resumed"));
        library.addEventListener("state", ({ detail }) => {
            this.note(`${detail.state} ${detail.reason ?? ""}`);
            if (detail.previous === "joined" && detail.state === "waiting")
                this.lostAt ??= Date.now();
        });
        library.addEventListener("presence", ({ detail }) => this.left.push(...detail.left.map((one) => ({ ...one, at: Date.now() }))));
        library.addEventListener("error", ({ detail }) => {
            this.note(`error ${detail.error}: ${detail.message}`);
            if (["gap", "invalid-message"].includes(detail.error))
                this.ledger.fault(`${name}, by the library: ${detail.error}: ${detail.message}`);
            if (library.state === "idle")
                this.ledger.fault(`${name}: the library gave up: ${detail.error}: ${detail.message}`);
        });
        for (const type of EVENTS)
            library.addEventListener(type, ({ detail }) => this.#take(detail));
        ledger.members.set(name, this);
    }

    get state() {
        return this.library.state;
    }

    get roster() {
        return this.library.peers;
    }

    note(text) {
        this.log.push(`${new Date().toISOString().slice(11, 23)} ${this.name} ${text}`);
        if (this.log.length > 400)
            this.log.shift();
    }

    async start() {
        this.over = false;
        await this.library.connect();
    }

    #arrived({ session }, how) {
        const [to] = session.split(".");
        this.note(`${how} ${session}`);
        if (this.lostAt !== undefined)
            this.recoveries.push({ lost: this.lostAt, back: Date.now(), how, from: this.was, to });
        this.lostAt = undefined;
        this.was = to;
        this.held = { session };
    }

    #take(frame) {
        const n = numberOf(frame);
        const to = frame.data?.all ? "*" : this.name;
        if (n !== undefined && this.ledger.got(this.name, frame.from, to, frame.call ?? "", n))
            this.onFrame(frame);
    }

    async numbered(to, call, build, listeners) {
        const record = this.ledger.sent(this.name, to, call, listeners);
        const word = await this.library.send(build(record.n)).then(() => "ack", (error) => error.error ?? String(error));
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

    end() {
        this.over = true;
        this.library.close();
    }
}
