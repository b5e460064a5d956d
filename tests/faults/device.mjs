/* A device by mqtt.js: a will, an inbox, a presence that it publishes again when it sees it cleared while
 * it is alive, messages with `id` and `sent`, one at a time on their way. A message that is byte for byte
 * one of the last of its sender is a redelivery (QoS 1) and is dropped, as the protocol allows.
 *
 * With `persistent` the broker keeps its session: then its membership goes on over a lost connection. */
import mqtt from "mqtt";
import { allTopic, inboxTopic, presenceTopic } from "../integration/world.mjs";
import { numberOf } from "./ledger.mjs";
import { signalFrame } from "./session.mjs";

const REMEMBERED = 256;
const NO_SUBSCRIBER = 0x10;

export class FaultDevice {
    constructor({ name, room, address, ledger, persistent = false, keepalive = 2, heeds = true }) {
        Object.assign(this, { name, room, address, ledger, persistent, keepalive, heeds });
        this.kind = "device";
        this.epoch = 0;
        this.roster = null; /* devices keep none */
        this.left = [];
        this.recoveries = [];
        this.log = [];
        this.last = []; /* payloads, for redeliveries */
        this.redelivered = 0;
        this.repaired = 0; /* presence that it published again because it was cleared */
        this.queue = [];
        this.byId = new Map();
        this.reasons = new Map(); /* of PUBACKs, by packet: mqtt.js keeps them to itself */
        this.ids = 0;
        this.connects = 0;
        this.onFrame = () => {};
        ledger.members.set(name, this);
    }

    note(text) {
        this.log.push(`${new Date().toISOString().slice(11, 23)} ${this.name} ${text}`);
    }

    async start(clientId = `${this.room}-${this.name}`) {
        this.over = false;
        this.#connect(clientId);
        await this.ready;
    }

    #connect(clientId) {
        const client = this.client = mqtt.connect(`mqtt://${this.address()}`, {
            protocolVersion: 5, clientId, clean: !this.persistent, keepalive: this.keepalive, reconnectPeriod: 250,
            connectTimeout: 2000, resubscribe: false,
            properties: this.persistent ? { sessionExpiryInterval: 120 } : undefined,
            will: { topic: presenceTopic(this.room, this.name), payload: Buffer.alloc(0), qos: 1, retain: true },
        });
        this.ready = new Promise((resolve) => (this.#isReady = resolve));
        client.on("error", () => {});
        client.on("packetreceive", ({ cmd, messageId, reasonCode }) => cmd === "puback" && this.reasons.set(messageId, reasonCode));
        client.on("message", (topic, payload, packet) => client === this.client && this.#take(topic, payload.toString(), packet));
        client.on("connect", ({ sessionPresent }) => client === this.client && this.#connected(sessionPresent));
        client.on("close", () => {
            if (client !== this.client)
                return;
            this.lostAt ??= this.connects ? Date.now() : undefined;
            this.up = false;
        });
    }

    #isReady = () => {};

    async #connected(sessionPresent) {
        const { client } = this;
        this.note(`connected, session ${sessionPresent ? "kept" : "new"}`);
        if (!sessionPresent || !this.connects) {
            this.epoch++;
            this.since = Date.now();
        }
        this.connects++;
        try {
            await client.subscribeAsync([inboxTopic(this.room, this.name, "+"), allTopic(this.room, "+"), presenceTopic(this.room, this.name)], { qos: 1 });
            await this.#present();
        } catch {
            return; /* lost again: the next connection does it */
        }
        if (client !== this.client)
            return;
        if (this.lostAt !== undefined)
            this.recoveries.push({ lost: this.lostAt, back: Date.now(), how: sessionPresent ? "resumed" : "joined", from: "broker", to: "broker" });
        this.lostAt = undefined;
        this.up = true;
        this.#isReady();
        this.#flush();
    }

    #present() {
        const presence = JSON.stringify({ kind: "device", since: this.since });
        return this.client.publishAsync(presenceTopic(this.room, this.name), presence, { qos: 1, retain: true });
    }

    #take(topic, text, packet) {
        const parts = topic.split("/");
        if (parts.at(-1) === "presence") {
            if (text === "" && this.heeds && this.up && !packet.retain) {
                this.repaired++;
                this.note("its presence was cleared while it is alive: publishes it again");
                this.#present().catch(() => {});
            }
            return;
        }
        const [kind, from] = [parts.at(-2), parts.at(-1)];
        if (from === this.name)
            return;
        const whole = `${topic} ${text}`;
        if (this.last.includes(whole)) {
            this.redelivered++;
            return;
        }
        this.last.push(whole);
        if (this.last.length > REMEMBERED)
            this.last.shift();
        const frame = { ...JSON.parse(text), from };
        if (from === "_bridge") {
            const record = this.byId.get(frame.id);
            if (frame.type === "error" && record)
                this.ledger.outcome(record, frame.error);
            return;
        }
        const n = numberOf(frame);
        if (n !== undefined && this.ledger.got(this.name, from, kind === "all" ? "*" : this.name, frame.call ?? "", n))
            this.onFrame(frame);
    }

    /* One at a time: what is behind waits for the PUBACK, over reconnects, too. */
    async #flush() {
        if (this.busy || !this.queue.length || this.over)
            return;
        this.busy = true;
        const { client } = this;
        const { topic, frame, record, resolve } = this.queue[0];
        const text = (frame.text ??= JSON.stringify({ ...frame.body, id: frame.id, sent: Date.now() }));
        let word;
        try {
            const packet = await client.publishAsync(topic, text, { qos: 1 });
            word = this.reasons.get(packet.messageId) === NO_SUBSCRIBER ? "peer-not-found" : "ack";
            this.reasons.delete(packet.messageId);
        } catch {
            word = undefined; /* this client was ended; the next one says it again */
        }
        if (client !== this.client)
            return; /* again() or start() has taken the queue over */
        this.busy = false;
        if (word === undefined)
            return;
        this.queue.shift();
        this.ledger.outcome(record, word);
        resolve(word);
        this.#flush();
    }

    numbered(to, call, build) {
        const record = this.ledger.sent(this.name, to, call);
        const id = `${this.name}-${++this.ids}`;
        const { to: _, ...body } = build(record.n);
        this.byId.set(id, record);
        return new Promise((resolve) => {
            this.queue.push({ topic: inboxTopic(this.room, to, this.name), frame: { id, body }, record, resolve });
            this.#flush();
        });
    }

    say(to, data = {}) {
        return this.numbered(to, "", (n) => ({ type: "message", data: { ...data, n } }));
    }

    signal(type, to, call) {
        return this.numbered(to, call, (n) => signalFrame(type, to, call, n));
    }

    /* As by a power cut: the program is gone, its connection ends without DISCONNECT. */
    kill() {
        const { client } = this;
        this.client = null;
        this.up = false;
        this.over = true;
        this.busy = false;
        for (const { record, resolve } of this.queue.splice(0)) { /* it was only in the program's memory */
            this.ledger.outcome(record, "interrupted");
            resolve("interrupted");
        }
        client.end(true);
        client.stream.destroy();
    }

    /* A new connection under another client id while the old one may still be there. */
    again() {
        const { client } = this;
        this.client = null;
        this.over = false;
        this.busy = false;
        this.old = client;
        client.options.reconnectPeriod = 0;
        this.#connect(`${this.room}-${this.name}-${++this.connects}`);
        return this.ready;
    }

    end() {
        this.over = true;
        for (const client of [this.client, this.old])
            client?.end(true);
    }
}
