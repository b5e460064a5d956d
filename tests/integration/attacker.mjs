/* Tools to attack a running bridge, and the three things that must hold after every attack:
 *
 *     const target = await Target.start();              a bridge with its own broker, and a well-behaved pair
 *     await target.withstands(async () => { ... }, { log: /frame-refused/ });
 *     await target.end();
 *
 * 1. The pair, a browser and a device, which was there before gets its offer and answer through, and so
 *    does a new one.
 * 2. Memory is back where it was: the attack runs twice, and leaves no socket, session, descriptor, peer
 *    or room behind, and the second time no memory. An allocator keeps some of what is free, so an attack
 *    that needed more gets a few more turns; what leaks grows with each of them. (What is lost for good,
 *    the leak sanitizer says at the end.)
 * 3. The log says what happened, in few lines of printable ASCII, and holds no secret.
 *
 * Attacks come from another loopback address than everybody else, so that limits per address hit the
 * attacker only. Nothing here is random by chance: Random has a seed, which a failure names. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { connect } from "node:net";
import { deadline, run, startBridge, tempDir, until, WsPeer } from "./harness.mjs";
import { answerSdp, assertLog, assertNoSanitizer, candidate, Device, get, newRoom, sdp, sees, World } from "./world.mjs";

export const ATTACKER = "127.0.0.3";
export const SEED = Number(process.env.SIGBRIDGE_TEST_SEED ?? 20261121);
const GROWTH_KIB = 4 * 1024;
const TURNS_MAX = 6;
const LOG_TURNS_MAX = 5;
const LOG_LINE_MS = 1100;

/* ---- chance that repeats itself ---- */

/* mulberry32 */
export class Random {
    constructor(seed = SEED) {
        this.seed = this.state = seed >>> 0;
    }

    next() {
        this.state = (this.state + 0x6d2b79f5) >>> 0;
        let t = this.state;
        t = Math.imul(t ^ (t >>> 15), t | 1);
        t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
        return (t ^ (t >>> 14)) >>> 0;
    }

    below(n) {
        return this.next() % n;
    }

    pick(list) {
        return list[this.below(list.length)];
    }

    bytes(count) {
        return Buffer.from(Array.from({ length: count }, () => this.next() & 255));
    }

    /* A few small changes, as a fuzzer makes them. */
    mutate(bytes) {
        let out = Buffer.from(bytes);
        for (let n = 1 + this.below(4); n > 0; n--) {
            const at = this.below(out.length + 1);
            const end = Math.min(out.length, at + 1 + this.below(16));
            switch (this.below(6)) {
            case 0: /* a bit */
                if (at < out.length)
                    out[at] ^= 1 << this.below(8);
                break;
            case 1: /* a byte that often hurts */
                if (at < out.length)
                    out[at] = this.pick([0, 0x0a, 0x0d, 0x20, 0x22, 0x25, 0x2f, 0x5c, 0x7f, 0x80, 0xc0, 0xfe, 0xff]);
                break;
            case 2:
                out = Buffer.concat([out.subarray(0, at), out.subarray(end)]);
                break;
            case 3:
                out = Buffer.concat([out.subarray(0, at), this.bytes(1 + this.below(8)), out.subarray(at)]);
                break;
            case 4: /* a piece again and again */
                out = Buffer.concat([out.subarray(0, at), ...Array(1 + this.below(40)).fill(out.subarray(at, end)), out.subarray(at)]);
                break;
            case 5:
                out = out.subarray(0, at);
                break;
            }
        }
        return out;
    }
}

/* Runs `act(i, random)` `count` times, so many at once. What goes wrong names seed and number. */
export async function times(count, act, { at_once = 16, seed = SEED } = {}) {
    let next = 0;
    await Promise.all(Array.from({ length: Math.min(at_once, count) }, async () => {
        for (let i; (i = next++) < count;)
            try {
                await act(i, new Random(seed + i * 7919));
            } catch (error) {
                throw new Error(`number ${i} with SIGBRIDGE_TEST_SEED=${seed}: ${error.message}`, { cause: error });
            }
    }));
}

/* ---- a socket without manners ---- */

export class Raw {
    #enough;

    /* Resolves when TCP is connected; a path instead of "address:port" is a Unix socket. */
    static async connect(address, { localAddress = ATTACKER } = {}) {
        const [host, port] = address.split(":");
        const where = address.startsWith("/") ? { path: address } : { host, port: Number(port), localAddress };
        return until(async () => {
            const raw = new Raw(connect({ ...where, allowHalfOpen: true }));
            try {
                await once(raw.socket, "connect");
                return raw;
            } catch (error) {
                if (error.code !== "EAGAIN") /* a Unix socket says so when its backlog is full */
                    throw error;
            }
        }, `a connection to ${address}`);
    }

    constructor(socket) {
        this.socket = socket;
        this.pieces = [];
        this.isOver = false; /* the other side has ended it, or has sent a Close frame */
        this.enough = new Promise((resolve) => (this.#enough = resolve)).then(() => (this.isOver = true));
        this.ended = new Promise((resolve) => socket.once("end", resolve)); /* the other side's FIN */
        this.closed = new Promise((resolve) => socket.once("close", resolve));
        socket.setNoDelay(true);
        socket.on("error", () => {});
        socket.on("data", (chunk) => {
            this.pieces.push(chunk);
            if (this.upgraded && this.frames.some((f) => f.opcode === 8))
                this.#enough();
        });
        Promise.race([this.ended, this.closed]).then(this.#enough);
    }

    get said() {
        return Buffer.concat(this.pieces);
    }

    /* Resolves when the bytes are with the kernel, or the socket is closed. */
    send(bytes) {
        return new Promise((resolve) => this.socket.write(bytes, resolve));
    }

    /* When the other side has ended the connection, one way or the other. */
    async over(timeout) {
        await deadline(Promise.race([this.ended, this.closed]), () => `the end of a connection that heard ${this.said.toString("latin1").slice(-200)}`, timeout);
        this.socket.destroy();
        await this.closed;
        return this.said;
    }

    until(fits, what = String(fits), timeout) {
        return deadline(new Promise((resolve, reject) => {
            const look = () => fits(this.said) && resolve(this.said);
            this.socket.on("data", look);
            this.enough.then(() => fits(this.said) || reject(new Error(`it ended before ${what}; heard ${this.said.toString("latin1").slice(-200)}`)));
            look();
        }), what, timeout);
    }

    /* Sends a piece again and again, at most so often, until the other side has had enough. Meanwhile,
     * when nobody takes it, `aside` is done. */
    async pour(piece, most, aside) {
        const drained = () => new Promise((resolve) => this.socket.once("drain", resolve));
        for (let sent = 0; sent < most && !this.isOver && !this.socket.destroyed; sent++)
            if (!this.socket.write(piece))
                await deadline(Promise.race([drained(), this.enough, ...(aside ? [aside()] : [])]), "a reader");
        return this.isOver || this.socket.destroyed; /* the event may be behind */
    }

    /* Says that nothing more comes, and waits for the other side's end: it has read everything then. */
    finish(timeout) {
        this.socket.end();
        return this.over(timeout);
    }

    drop() {
        this.socket.destroy();
        return this.closed;
    }

    /* The connection ends with RST. */
    reset() {
        this.socket.resetAndDestroy();
        return this.closed;
    }

    /* A WebSocket from here on. */
    async upgrade(path = "/ws", headers = "") {
        await this.send(handshake(path, headers));
        await this.until((said) => said.includes("\r\n\r\n"), "the answer to a handshake");
        assert.match(this.said.toString("latin1"), /^HTTP\/1\.1 101 /);
        this.pieces = [this.said.subarray(this.said.indexOf("\r\n\r\n") + 4)];
        this.upgraded = true;
        return this;
    }

    /* The frames that came, [{opcode, payload}]; whole ones only. */
    get frames() {
        const found = [];
        for (let rest = this.said; rest.length >= 2;) {
            let [at, length] = [2, rest[1] & 127];
            if (length === 126 && rest.length >= 4)
                [at, length] = [4, rest.readUInt16BE(2)];
            else if (length === 127 && rest.length >= 10)
                [at, length] = [10, Number(rest.readBigUInt64BE(2))];
            if (rest.length < at + length)
                break;
            found.push({ opcode: rest[0] & 15, payload: rest.subarray(at, at + length) });
            rest = rest.subarray(at + length);
        }
        return found;
    }

    get messages() {
        return this.frames.filter((f) => f.opcode === 1).map((f) => JSON.parse(f.payload.toString("utf8")));
    }

    /* The code of the Close frame, if one came. */
    get closeCode() {
        const close = this.frames.find((f) => f.opcode === 8);
        return close && close.payload.length >= 2 ? close.payload.readUInt16BE(0) : undefined;
    }
}

export const handshake = (path = "/ws", headers = "") =>
    `GET ${path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
    `Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: sigbridge.v1\r\n${headers}\r\n`;

/* A WebSocket frame as told, sound or not. `length` is what it claims, `wide` the bytes of the length
 * (1, 2 or 8). The mask is all zeros, so that the payload stays readable. */
export function frame(payload = "", { fin = true, rsv = 0, opcode = 1, masked = true, length, wide } = {}) {
    const body = Buffer.from(payload);
    const claimed = BigInt(length ?? body.length);
    const width = wide ?? (claimed < 126n ? 1 : claimed < 65536n ? 2 : 8);
    const head = Buffer.alloc(width === 1 ? 2 : 2 + width);
    head[0] = (fin ? 0x80 : 0) | (rsv << 4) | opcode;
    head[1] = (masked ? 0x80 : 0) | (width === 1 ? Number(claimed) : width === 2 ? 126 : 127);
    if (width === 2)
        head.writeUInt16BE(Number(claimed), 2);
    if (width === 8)
        head.writeBigUInt64BE(BigInt.asUintN(64, claimed), 2);
    return Buffer.concat([head, masked ? Buffer.alloc(4) : Buffer.alloc(0), body]);
}

export const textFrame = (message, options) => frame(typeof message === "string" ? message : JSON.stringify(message), options);

/* ---- MQTT by hand ---- */

export function mqttString(text) {
    const bytes = Buffer.from(text);
    return Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 255]), bytes]);
}

/* `length`: the remaining length that the packet claims. */
export function mqttPacket(first, body = "", length) {
    const bytes = Buffer.from(body);
    const size = [];
    for (let rest = length ?? bytes.length; size.length === 0 || rest > 0; rest = Math.floor(rest / 128))
        size.push((rest % 128) | (rest >= 128 ? 128 : 0));
    return Buffer.concat([Buffer.from([first, ...size]), bytes]);
}

export function mqttConnect({ clientId = "attacker", user, password, flags, will } = {}) {
    const bits = flags ?? (2 | (user === undefined ? 0 : 128) | (password === undefined ? 0 : 64) | (will ? 4 | 32 : 0));
    return mqttPacket(0x10, Buffer.concat([mqttString("MQTT"), Buffer.from([4, bits, 0, 60]), mqttString(clientId),
        ...(will ? [mqttString(will.topic), mqttString(will.payload)] : []),
        ...(user === undefined ? [] : [mqttString(user)]), ...(password === undefined ? [] : [mqttString(password)])]));
}

export const mqttPublish = (topic, payload, { retain = false } = {}) =>
    mqttPacket(0x30 | (retain ? 1 : 0), Buffer.concat([mqttString(topic), Buffer.from(payload)]));

/* ---- the target ---- */

/* Freed memory goes back at once, so that what is resident says something. */
const asan = [process.env.ASAN_OPTIONS, "quarantine_size_mb=4", "thread_local_quarantine_size_kb=64",
    "allocator_release_to_os_interval_ms=50"].filter(Boolean).join(":");

async function addDevice(data, name) {
    const { code, stdout, stderr } = await run(process.env.SIGBRIDGE_BIN, ["device", "add", name, "--room", "*", "--data", data]);
    assert.equal(code, 0, stderr);
    return /^password: (\S+)$/m.exec(stdout)[1];
}

const residentKiB = (pid) => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))[1]);
const descriptors = (pid) => readdirSync(`/proc/${pid}/fd`).length;

export class Target extends World {
    /* Options go to startBridge(). With `keys`, from makeKey(), it is no development mode: the first key
     * signs the tokens of the well-behaved, and devices called device, device-2 and eve may log in. */
    static async start({ keys = [], env = {}, args = [], data = tempDir(), ...options } = {}) {
        const self = new Target();
        const closed = keys.length > 0;
        Object.assign(self, { key: keys[0], passwords: {}, lines: [] });
        for (const name of closed ? ["device", "device-2", "eve"] : [])
            self.passwords[name] = await addDevice(data, name);
        self.bridge = await startBridge({
            broker: "embedded", dev: !closed, data, env: { ASAN_OPTIONS: asan, ...env },
            args: ["--log-level", "info", ...keys.flatMap((key) => ["--jwt-key", key.option]), ...args], ...options,
        });
        self.bridges.push(self.bridge);
        self.broker = { mqtt: self.bridge.mqtt, stop() {} };
        self.bridge.on("line", (line) => self.lines.push(line));
        self.first = await self.pair("device");
        return self;
    }

    login(name) {
        return this.passwords[name] ? { username: name, password: this.passwords[name], clientId: name } : {};
    }

    token(claims) {
        return this.key?.token({ rooms: ["*"], ...claims });
    }

    /* A browser and a device in a room of their own. */
    async pair(name) {
        const room = newRoom();
        const browser = await this.join({ room, peer: "browser", token: this.token() });
        const device = await Device.start(this.bridge.mqtt, { room, name, clientId: `${room}-${name}`, ...this.login(name) });
        await sees(browser, name);
        return { room, browser, device, calls: 0, last: Promise.resolve() };
    }

    /* Offer, answer and a candidate each way. One call of a pair at a time. */
    call(pair) {
        return pair.last = pair.last.catch(() => {}).then(() => this.#call(pair));
    }

    async #call(pair) {
        const { browser, device } = pair;
        const [offer, answer] = [sdp(++pair.calls), answerSdp(pair.calls)];
        await browser.request({ type: "offer", to: device.name, sdp: offer });
        assert.equal((await device.receive("offer", "browser")).sdp, offer);
        await device.send("browser", { type: "answer", sdp: answer });
        assert.equal((await browser.expect("answer")).sdp, answer);
        await browser.request({ type: "candidate", to: device.name, candidate: candidate() });
        await device.receive("candidate", "browser");
        await device.send("browser", { type: "candidate", candidate: candidate() });
        await browser.expect("candidate");
    }

    /* The one from the beginning, and a fresh one. */
    async serves() {
        await this.call(this.first);
        const fresh = await this.pair("device-2");
        await this.call(fresh);
        await fresh.device.present("");
        await fresh.device.end();
        await fresh.browser.close();
    }

    async metrics() {
        const { status, text } = await get(this.bridge, "/metrics", this.key ? { headers: { authorization: `Bearer ${this.token({ can: ["admin"] })}` } } : {});
        assert.equal(status, 200, text);
        return (name) => text.split("\n").filter((l) => l.startsWith(`${name} `) || l.startsWith(`${name}{`))
            .reduce((sum, l) => sum + Number(l.slice(l.lastIndexOf(" "))), 0);
    }

    /* What the bridge holds on to. */
    async held() {
        const count = await this.metrics();
        const held = { descriptors: descriptors(this.bridge.pid) };
        for (const name of ["sockets", "sessions", "peers", "rooms"])
            held[name] = count(`sigbridge_${name}`);
        return held;
    }

    /* Comes to rest: holds no more than before. fetch() keeps a connection or two open. */
    async settles(before) {
        let now;
        await until(async () => {
            now = await this.held();
            return Object.keys(before).every((key) => now[key] <= before[key] + (key === "descriptors" ? 3 : 0));
        }, () => `it lets go: ${JSON.stringify(before)} before, ${JSON.stringify(now)} now`, { timeout: 60_000, every: 100 });
    }

    /* The three checks around an attack. `log`: an expression, or several, that a line must match; `quiet`
     * when nothing needs to be said. `lines`: how many may be written for each run. */
    async withstands(attack, { log = [], lines = 40, secrets = [] } = {}) {
        const before = await this.held();
        const from = this.lines.length;
        const resident = [];
        const grows = () => resident.length < 2 || resident.at(-1) > resident.at(-2) + GROWTH_KIB;
        for (let turn = 0; grows(); turn++) {
            assert.ok(turn < TURNS_MAX, `it grows with each turn of the attack: ${resident} KiB`);
            await attack(turn);
            await this.settles(before);
            await this.serves();
            await this.settles(before);
            resident.push(residentKiB(this.bridge.pid));
        }
        let turns = resident.length;
        const unsaid = () => [log].flat().filter((wanted) => !this.lines.slice(from).some((line) => wanted.test(line)));
        /* The bridge bounds what strangers can write into its log. When others before have used that up,
         * a line comes back with each second: time is what is waited for. */
        for (; unsaid().length > 0; turns++) {
            assert.ok(turns < resident.length + LOG_TURNS_MAX, `the log says ${unsaid()}:\n${this.lines.slice(from).slice(-20).join("\n")}`);
            await new Promise((resolve) => setTimeout(resolve, LOG_LINE_MS));
            await attack(turns);
            await this.settles(before);
        }
        const said = this.lines.slice(from);
        assert.ok(said.length <= turns * lines, `${said.length} log lines, such as\n${said.slice(-5).join("\n")}`);
        this.checkLog(said, secrets);
    }

    checkLog(lines = this.lines, secrets = []) {
        assertLog({ logs: lines });
        for (const line of lines) {
            for (const secret of secrets)
                assert.ok(!line.includes(secret), `a secret in the log: ${line}`);
            assert.doesNotMatch(line, /broker-died|broker-exit/);
        }
        assertNoSanitizer(this.bridge);
    }

    /* A connection of the attacker's. */
    raw(options) {
        return Raw.connect(this.bridge.http, options);
    }

    rawMqtt(options) {
        return Raw.connect(this.bridge.mqtt, options);
    }

    /* The attacker as a proper WebSocket client. It is not checked at the end. */
    async socket(options) {
        return WsPeer.connect(this.bridge.wsUrl, { localAddress: ATTACKER, ...options });
    }

    async intruder(fields, options) {
        return WsPeer.join(this.bridge.wsUrl, fields, { localAddress: ATTACKER, ...options });
    }

    mqttClient(options) {
        return this.mqtt({ ...options, ...this.login(options.clientId) });
    }

    async end() {
        await this.serves();
        this.checkLog();
        await super.end();
    }
}
