/* A broker, bridges and peers for the tests of the running bridge, and what must hold for all of them
 * whatever a test is about:
 *
 *     const world = new World();            one for a test file
 *     before(() => world.start());          a real mosquitto and a bridge on it
 *     after(() => world.end());             ends the bridges and checks the promises below
 *     const ann = await world.join({ room: "lobby", peer: "ann" });
 *     const cam = await world.device({ room: "lobby", name: "cam1" });
 *
 * Checked at the end: every bridge exits with 0, without a word of a sanitizer, and has logged sound
 * lines; every frame that it sent to a socket fits the schema; `seq` rises by one; nobody was told that
 * somebody left who was not there, or came who was. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import Ajv2020 from "ajv/dist/2020.js";
import mqtt from "mqtt";
import { deadline, freePort, repository, run, startBridge, startMosquitto, tempDir, until, WAIT_MS, WsPeer } from "./harness.mjs";

export const PREFIX = "sigbridge/v1";
export const presenceTopic = (room, peer) => `${PREFIX}/rooms/${room}/peers/${peer}/presence`;
export const inboxTopic = (room, to, from) => `${PREFIX}/rooms/${room}/peers/${to}/in/${from}`;
export const allTopic = (room, from) => `${PREFIX}/rooms/${room}/all/${from}`;
export const statusTopic = (bridge) => `${PREFIX}/bridges/${bridge}/status`;

let rooms = 0;
/* A room that no other test of the file uses. */
export const newRoom = () => `room-${++rooms}`;

/* ---- session descriptions and candidates ---- */

/* A sound description of a data channel; `mark` makes each one different. */
export function sdp(mark = 1, setup = "actpass") {
    return ["v=0", `o=- ${mark} 2 IN IP4 127.0.0.1`, "s=-", "t=0 0", "a=group:BUNDLE 0",
        "m=application 9 UDP/DTLS/SCTP webrtc-datachannel", "c=IN IP4 0.0.0.0", "a=ice-ufrag:Yx3k",
        "a=ice-pwd:0123456789abcdefghijKLMN", `a=fingerprint:sha-256 ${Array(32).fill("AB").join(":")}`,
        `a=setup:${setup}`, "a=mid:0", "a=sctp-port:5000", "a=max-message-size:262144", ""].join("\r\n");
}

export const answerSdp = (mark = 1) => sdp(mark, "active");

export const candidate = (port = 50000) => ({
    candidate: `candidate:1 1 udp 2122260223 192.0.2.10 ${port} typ host generation 0 ufrag Yx3k`,
    sdpMid: "0", sdpMLineIndex: 0, usernameFragment: "Yx3k",
});

/* ---- things that arrive ---- */

/* Keeps what arrives; expect() takes the first that fits, now or later. */
export class Mailbox {
    #unread = [];
    #waiting = new Set();
    constructor(show = JSON.stringify) {
        this.all = [];
        this.show = show;
    }

    add(item) {
        this.all.push(item);
        this.#unread.push(item);
        for (const look of [...this.#waiting])
            look();
    }

    has(fits) {
        return this.#unread.some(fits);
    }

    async expect(fits, what = String(fits), timeout = WAIT_MS) {
        let look;
        const found = new Promise((resolve) => {
            look = () => {
                const at = this.#unread.findIndex(fits);
                if (at < 0)
                    return;
                this.#waiting.delete(look);
                resolve(this.#unread.splice(at, 1)[0]);
            };
            this.#waiting.add(look);
            look();
        });
        const late = () => `${what}; the last were\n${this.all.slice(-10).map((item) => this.show(item).slice(0, 300)).join("\n")}`;
        try {
            return await deadline(found, late, timeout);
        } finally {
            this.#waiting.delete(look);
        }
    }
}

/* ---- broker ---- */

/* Not max_queued_messages 0: with that, mosquitto 2.0.11 disconnects whom it denies a topic.
 *
 * A mosquitto that can die and come back at its place. `acl`: text of an ACL file. */
export class Broker {
    static async start({ acl, config = [], persistence = true, port } = {}) {
        const dir = tempDir("broker");
        const lines = ["allow_anonymous true", "set_tcp_nodelay true", "max_queued_messages 100000", "user root", ...config];
        if (persistence)
            lines.push("persistence true", `persistence_location ${dir}/`, "autosave_interval 86400");
        if (acl !== undefined) {
            writeFileSync(join(dir, "acl"), acl);
            lines.push(`acl_file ${join(dir, "acl")}`);
        }
        const broker = new Broker();
        Object.assign(broker, { dir, config: lines.join("\n"), port: port ?? await freePort(), persistence });
        broker.mqtt = `127.0.0.1:${broker.port}`;
        broker.url = `mqtt://${broker.mqtt}`;
        await broker.restart();
        return broker;
    }

    async restart() {
        this.program = await startMosquitto({ config: this.config, port: this.port, dir: this.dir });
    }

    /* As a power cut does: what was not saved is lost. */
    async kill() {
        this.program.kill("SIGKILL");
        await this.program.exited;
    }

    /* What it knows now survives a kill. */
    async save() {
        const file = join(this.dir, "mosquitto.db");
        const version = () => {
            try {
                return statSync(file).ino;
            } catch {
                return 0;
            }
        };
        const old = version();
        this.program.kill("SIGUSR1");
        await until(() => version() !== old, "the broker's database is saved");
    }

    freeze() {
        this.program.kill("SIGSTOP");
    }

    thaw() {
        this.program.kill("SIGCONT");
    }

    async stop() {
        if (this.program.running) {
            this.thaw();
            await this.program.stop();
        }
    }
}

/* ---- a line between two programs that can break while both go on ---- */

export class Line {
    static async start(port) {
        const self = new Line();
        self.sockets = new Set();
        self.up = true;
        self.server = createServer((near) => self.#join(near, port));
        self.server.listen(0, "127.0.0.1");
        await once(self.server, "listening");
        self.server.unref();
        self.url = `mqtt://127.0.0.1:${self.server.address().port}`;
        return self;
    }

    #join(near, port) {
        if (!this.up)
            return near.resetAndDestroy();
        const far = connect(port, "127.0.0.1");
        this.joins = (this.joins ?? 0) + 1;
        if (this.life)
            setTimeout(() => near.destroy(), this.life).unref();
        for (const [one, other] of [[near, far], [far, near]]) {
            this.sockets.add(one);
            one.setNoDelay(true);
            one.on("data", (chunk) => other.write(chunk));
            one.on("error", () => {});
            one.on("close", () => {
                this.sockets.delete(one);
                other.destroy();
            });
        }
    }

    cut() {
        this.up = false;
        for (const socket of this.sockets)
            socket.destroy();
    }

    restore() {
        this.up = true;
    }
}

/* ---- MQTT clients ---- */

/* Any MQTT client, by mqtt.js. What arrives is in `mail`: {topic, text, message, retain, reason}. */
export class Mqtt {
    static async connect(address, { version = 5, clientId, clean = true, will, expiry, ...more } = {}) {
        const self = new Mqtt();
        self.mail = new Mailbox();
        self.client = mqtt.connect(`mqtt://${address}`, {
            protocolVersion: version, clientId: clientId ?? `test-${Math.random().toString(36).slice(2)}`, clean, will,
            reconnectPeriod: 0, connectTimeout: WAIT_MS,
            properties: version === 5 && expiry !== undefined ? { sessionExpiryInterval: expiry } : undefined, ...more,
        });
        self.client.on("message", (topic, payload, packet) => self.#take(topic, payload, packet));
        self.client.on("error", () => {});
        self.closed = new Promise((resolve) => self.client.once("close", resolve));
        await deadline(new Promise((resolve, reject) => {
            self.client.once("connect", (connack) => resolve(self.connack = connack));
            self.client.once("close", () => reject(new Error(`the broker at ${address} closed the connection`)));
        }), `MQTT to ${address}`);
        self.client.stream.setNoDelay(true);
        return self;
    }

    #take(topic, payload, packet) {
        const text = payload.toString();
        let message;
        try {
            message = text === "" ? undefined : JSON.parse(text);
        } catch {
            message = undefined;
        }
        this.mail.add({ topic, text, message, retain: packet.retain, reason: packet.properties?.userProperties?.reason,
            expiry: packet.properties?.messageExpiryInterval });
    }

    subscribe(filter, qos = 1) {
        return deadline(this.client.subscribeAsync(filter, { qos }), `SUBACK for ${filter}`);
    }

    publish(topic, message, { qos = 1, retain = false } = {}) {
        const payload = typeof message === "string" || Buffer.isBuffer(message) ? message : JSON.stringify(message);
        return deadline(this.client.publishAsync(topic, payload, { qos, retain }), `PUBACK for ${topic}`);
    }

    /* The next on a topic that the message fits. */
    expect(topic, fits = () => true, timeout) {
        return this.mail.expect((m) => m.topic === topic && fits(m), `something on ${topic} for ${fits}`, timeout);
    }

    end() {
        return deadline(this.client.endAsync(), "the end of an MQTT client");
    }

    /* The connection breaks without DISCONNECT: the will fires. */
    drop() {
        this.client.stream.destroy();
        return this.closed;
    }
}

/* A device as protocol section 2 has it: a will, an inbox, a presence. */
export class Device extends Mqtt {
    static async start(address, { room, name, presence = { kind: "device" }, qos = 1, will = true, ...more }) {
        const self = await Mqtt.connect(address, {
            clientId: `${room}-${name}`, ...more,
            will: will ? { topic: presenceTopic(room, name), payload: Buffer.alloc(0), qos, retain: true } : undefined,
        });
        Object.setPrototypeOf(self, Device.prototype);
        Object.assign(self, { room, name, qos });
        await self.subscribe(inboxTopic(room, name, "+"), qos);
        if (presence !== null)
            await self.present(presence);
        return self;
    }

    present(presence) {
        return this.publish(presenceTopic(this.room, this.name), presence, { qos: this.qos, retain: true });
    }

    send(to, message, options) {
        return this.publish(inboxTopic(this.room, to, this.name), message, { qos: this.qos, ...options });
    }

    broadcast(message) {
        return this.publish(allTopic(this.room, this.name), message, { qos: this.qos });
    }

    /* The next message of a type in the inbox, with who sent it. */
    async receive(type, from) {
        const start = inboxTopic(this.room, this.name, "");
        const fits = (m) => m.topic.startsWith(start) && m.message?.type === type && (from === undefined || m.topic === start + from);
        const { topic, message } = await this.mail.expect(fits, `${this.name} gets ${type}`);
        return { ...message, from: topic.slice(start.length) };
    }

    error() {
        return this.receive("error", "_bridge");
    }
}

/* ---- the promises that every test checks ---- */

const schemas = join(repository, "clients/schema");
const ajv = new Ajv2020({ strict: true, strictRequired: false, strictTypes: false, allErrors: true });
for (const file of readdirSync(schemas).filter((name) => name.endsWith(".json")))
    ajv.addSchema(JSON.parse(readFileSync(join(schemas, file), "utf8")), file);

export function assertSchema(schema, message) {
    const validate = ajv.getSchema(schema);
    assert.ok(validate(message), `${JSON.stringify(message).slice(0, 1000)}\n${JSON.stringify(validate.errors?.slice(0, 3))}`);
}

/* Everything that reached a socket: in order, without a gap, as the schema has it. */
export function checkReceived(peer) {
    let seq = 0;
    for (const message of peer.received) {
        assertSchema("server.json", message);
        if (message.type === "joined")
            seq = 0;
        if (message.type === "resumed") { /* it goes on where the socket before had got to */
            const next = peer.received.find((m, n) => n > peer.received.indexOf(message) && m.seq !== undefined);
            seq = next ? next.seq - 1 : message.seq;
            assert.ok(seq <= message.seq, `what follows ${message.seq} begins with ${seq}`);
        } else if (message.seq !== undefined)
            assert.equal(message.seq, ++seq, `seq of ${JSON.stringify(message).slice(0, 200)} for ${peer.name}`);
        else
            assert.ok(!["presence", "invite", "offer", "answer", "candidate", "bye", "message", "sealed"].includes(message.type),
                `${message.type} without seq`);
    }
}

/* Did frames follow `resumed` that it missed? */
const missed = (peer, resumed) => {
    const rest = peer.received.slice(peer.received.indexOf(resumed) + 1);
    const next = rest.find((m) => m.seq !== undefined || m.type === "joined");
    return next !== undefined && next.type !== "joined" && next.seq <= resumed.seq;
};

/* Who a session believes is there, from what it was told: Map name -> {peer, kind, meta, since}. */
export function rosterOf(peer) {
    const roster = new Map();
    let self, resumed;
    for (const message of peer.received) {
        if (message.type === "resumed" || message.type === "joined") {
            resumed = message.type === "resumed" ? message : undefined;
            roster.clear();
            self = message.peer;
        }
        /* Up to there the frames tell of changes to a roster that this socket has not been given. */
        if (resumed && (message.seq === undefined || message.seq <= resumed.seq)) {
            if (message === resumed ? !missed(peer, resumed) : message.seq === resumed.seq)
                for (const info of resumed.peers)
                    roster.set(info.peer, info);
            continue;
        }
        for (const { peer: name } of message.left ?? [])
            assert.ok(roster.delete(name), `${peer.name} is told that ${name} left, who was not there`);
        for (const info of message.peers ?? message.joined ?? []) {
            assert.ok(!roster.has(info.peer), `${peer.name} is told that ${info.peer} joined, who was there`);
            roster.set(info.peer, info);
        }
        for (const info of message.updated ?? []) {
            assert.ok(roster.has(info.peer), `${peer.name} is told of an update of ${info.peer}, who is not there`);
            roster.set(info.peer, info);
        }
        if (message.type === "presence")
            assert.ok(!roster.has(self), `${self} is told of itself`);
    }
    return roster;
}

export const sees = (peer, ...names) =>
    until(() => names.every((name) => rosterOf(peer).has(name)), () => `${peer.name} sees ${names}`, { every: 5 });

export function assertNoSanitizer(program) {
    const bad = program.logs.filter((line) => /Sanitizer|runtime error:/.test(line));
    assert.deepEqual(bad, [], program.tail(60));
}

const VALUE = /"(?:[^"\\]|\\["\\]|\\u00[0-9a-f]{2})*"|[!#-<>-[\]-~]+/.source;
const TEXT_LINE = new RegExp(`^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}Z (debug|info|warn|error) [a-z-]+( [a-z_]+=(${VALUE}))*$`);

/* Whatever came in, the log is lines of printable ASCII that a program can read. */
export function assertLog(program) {
    for (const line of program.logs) {
        assert.match(line, /^[\x20-\x7e]+$/);
        if (line.startsWith("{"))
            assert.equal(typeof JSON.parse(line).event, "string");
        else
            assert.match(line, TEXT_LINE);
    }
}

/* ---- all of it ---- */

export class World {
    constructor() {
        this.bridges = [];
        this.brokers = [];
        this.peers = [];
        this.devices = [];
    }

    /* A broker, unless `broker` is one, and a bridge on it. Options go to startBridge(). */
    async start({ broker, brokerOptions, ...options } = {}) {
        this.broker = broker ?? await this.addBroker(brokerOptions);
        this.bridge = await this.addBridge({ ...options, broker: this.broker.url });
        return this;
    }

    async addBroker(options) {
        const broker = await Broker.start(options);
        this.brokers.push(broker);
        return broker;
    }

    /* Tests speak faster than people; the limits themselves are met in attack*.test.mjs. */
    async addBridge(options = {}) {
        const { args = [], env, ...more } = options;
        const fast = {
            SIGBRIDGE_LIMITS_MESSAGES_PER_SECOND: "100000",
            SIGBRIDGE_LIMITS_MESSAGES_BURST: "1000000",
            SIGBRIDGE_LIMITS_BYTES_PER_SECOND: "1073741824",
            SIGBRIDGE_LIMITS_BYTES_BURST: "1073741824",
            SIGBRIDGE_LIMITS_DRAIN: "1",
        };
        const bridge = await startBridge({
            broker: this.broker?.url, args: ["--log-level", "debug", ...args], env: { ...fast, ...env }, ...more,
        });
        this.bridges.push(bridge);
        return bridge;
    }

    connect(options = {}) {
        return this.#keep(WsPeer.connect((options.bridge ?? this.bridge).wsUrl, options));
    }

    join(fields, { bridge = this.bridge, ...options } = {}) {
        return this.#keep(WsPeer.join(bridge.wsUrl, fields, options));
    }

    async device(options) {
        const device = await Device.start(this.broker.mqtt, options);
        this.devices.push(device);
        return device;
    }

    async mqtt(options) {
        const client = await Mqtt.connect(this.broker.mqtt, options);
        this.devices.push(client);
        return client;
    }

    async #keep(promise) {
        const peer = await promise;
        this.peers.push(peer);
        return peer;
    }

    async ready(bridge = this.bridge, status = 200) {
        return until(async () => {
            const answer = await get(bridge, "/readyz");
            return answer.status === status && answer;
        }, `${status} from /readyz`);
    }

    /* Ends a bridge and checks how. */
    async stop(bridge) {
        if (bridge.running) {
            const { text } = await get(bridge, "/metrics").catch(() => ({ text: "" }));
            const count = (name) => Number(text.split("\n").find((line) => line.startsWith(`sigbridge_${name} `))?.split(" ")[1]);
            if (text !== "")
                assert.equal(
                    count("sessions"),
                    count("joins_total") + count('sessions_resumed_total{from="elsewhere"}') - count("leaves_total") - count("handovers_total"),
                    "who came and did not go is there",
                );
        }
        const { code, signal } = await bridge.stop();
        assertNoSanitizer(bridge);
        assertLog(bridge);
        assert.deepEqual({ code, signal }, { code: 0, signal: null }, bridge.tail());
    }

    async kill(bridge) {
        bridge.kill("SIGKILL");
        await bridge.exited;
        this.bridges = this.bridges.filter((other) => other !== bridge);
        assertNoSanitizer(bridge);
    }

    async end() {
        for (const bridge of this.bridges)
            await this.stop(bridge);
        for (const device of this.devices)
            device.client.end(true);
        for (const peer of this.peers)
            peer.socket.terminate();
        for (const broker of this.brokers)
            await broker.stop();
        for (const peer of this.peers) {
            checkReceived(peer);
            rosterOf(peer);
        }
    }
}

/* ---- looking into a bridge ---- */

/* `bridge.admin`, when a test sets it, is a token that may see everything. */
export async function get(bridge, path, options) {
    const headers = bridge.admin ? { authorization: `Bearer ${bridge.admin}` } : {};
    const response = await fetch(new URL(path, bridge.url), { signal: AbortSignal.timeout(WAIT_MS), headers, ...options });
    return { status: response.status, headers: response.headers, text: await response.text() };
}

/* One sample of /metrics, by its name with labels as written there. */
export async function metric(bridge, name) {
    const { text } = await get(bridge, "/metrics");
    const line = text.split("\n").find((l) => l.startsWith(`${name} `));
    return line === undefined ? undefined : Number(line.slice(name.length + 1));
}

/* Rows of the bridge's database, by the sqlite3 program. */
export async function sql(bridge, query) {
    const { code, stdout, stderr } = await run("sqlite3", ["-json", "-readonly", join(bridge.data, "sigbridge.db"), query]);
    assert.equal(code, 0, stderr);
    return stdout.trim() === "" ? [] : JSON.parse(stdout);
}

/* Errors have a code, a word and a sentence; the rest is compared when given. */
export function assertError(error, { code, error: word, id, to, message }, name = "") {
    assert.equal(error.type, "error", name);
    assert.equal(`${error.code} ${error.error}`, `${code} ${word}`, `${name}: ${error.message}`);
    assert.equal(error.id, id, `${name}: id`);
    assert.equal(error.to, to, `${name}: to`);
    if (message)
        assert.match(error.message, message, name);
}
