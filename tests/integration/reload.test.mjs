/* SIGHUP: the configuration is read again. What may change is taken over, all or nothing; what may not
 * is named; nobody is disturbed. Which option is which, each of them: tests/unit/test_config_change.c. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { copyFileSync, readdirSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { connect as tlsConnect } from "node:tls";
import { makePair } from "./certificates.mjs";
import { deadline, parseReady, Program, run, startMosquitto, tempDir, until, WsPeer } from "./harness.mjs";
import { makeKey } from "./jwt.mjs";
import { assertNoSanitizer, Broker, candidate, checkReceived, get, Line, metric, newRoom, World } from "./world.mjs";

/* ---- the file ---- */

/* An object as libconfig has it. `raw` at the end goes as it is. */
function written({ raw = "", ...options }) {
    const value = (v) => Array.isArray(v) && typeof v[0] === "object" ? `( ${v.map(value).join(", ")} )`
        : Array.isArray(v) ? `[${v.map(value).join(", ")}]`
        : typeof v === "object" ? `{ ${Object.entries(v).map(([k, w]) => `${k} = ${value(w)};`).join(" ")} }`
        : JSON.stringify(v);
    const lines = Object.entries(options).map(([key, v]) =>
        typeof v === "object" && !Array.isArray(v) ? `${key}: ${value(v)};` : `${key} = ${value(v)};`);
    return `${lines.join("\n")}\n${raw}\n`;
}

/* `more` on top of `base`, groups member by member; undefined takes away. */
function over(base, more) {
    const out = { ...base };
    for (const [key, value] of Object.entries(more)) {
        const group = typeof value === "object" && !Array.isArray(value);
        out[key] = group ? { ...base[key], ...value } : value;
        if (value === undefined)
            delete out[key];
    }
    return out;
}

/* ---- the log ---- */

function parse(line) {
    if (line.startsWith("{"))
        return JSON.parse(line);
    const [, level, event, rest] = /^\S+ (\w+) (\S+)(.*)$/.exec(line) ?? [];
    const fields = {};
    for (const [, key, value] of (rest ?? "").matchAll(/ (\w+)=("(?:[^"\\]|\\.)*"|\S+)/g))
        fields[key] = value.startsWith('"') ? JSON.parse(value) : value;
    return { level, event, ...fields };
}

const ENDS = ["reloaded", "reload-failed", "reload-ignored"];
const ABOUT = [...ENDS, "config-mistake", "config-needs-restart", "config-warning"];

const said = (bridge) => bridge.logs.map((line) => ({ ...parse(line), line })).filter(({ event }) => ABOUT.includes(event));

/* What the log says about one SIGHUP. */
async function hangUp(bridge) {
    const ends = () => said(bridge).filter(({ event }) => ENDS.includes(event)).length;
    const [seen, before] = [said(bridge).length, ends()];
    bridge.kill("SIGHUP");
    await until(() => ends() > before, () => `a word about SIGHUP\n${bridge.tail()}`, { every: 5 });
    return said(bridge).slice(seen);
}

/* ---- a bridge with everything in its file ---- */

class Reloadable {
    static async start(base) {
        const self = new Reloadable();
        self.dir = tempDir("reload");
        self.file = join(self.dir, "sigbridge.conf");
        self.base = { listen: "127.0.0.1:0", mqtt_listen: "127.0.0.1:0", data: join(self.dir, "data"), web: "none", ...base };
        self.write();
        self.bridge = new Program(process.env.SIGBRIDGE_BIN, ["--config", self.file]);
        self.bridge.ready = parseReady(await self.bridge.line((line) => parseReady(line) !== null));
        const { http, https } = self.bridge.ready;
        self.bridge.url = `http://${http}/`;
        self.bridge.wsUrl = https ? `wss://${https}/ws` : `ws://${http}/ws`;
        return self;
    }

    write(more = {}) {
        writeFileSync(this.file, written(over(this.base, more)));
    }

    /* The file as given, and SIGHUP. */
    async reload(more) {
        this.write(more);
        return hangUp(this.bridge);
    }

    /* The same, and it must have changed just these options. */
    async changes(more, changed, restart = "-") {
        const lines = await this.reload(more);
        const last = lines.at(-1);
        assert.deepEqual([last.level, last.event, last.changed, last.restart], ["info", "reloaded", changed, restart],
            lines.map(({ line }) => line).join("\n"));
        return lines;
    }

    async stop() {
        assert.deepEqual(await this.bridge.stop(), { code: 0, signal: null }, this.bridge.tail());
        assertNoSanitizer(this.bridge);
    }
}

/* ---- what can be changed ---- */

describe("options", () => {
    const keys = { first: makeKey("HS256", { kid: "one" }), second: makeKey("ES256", { kid: "two" }) };
    const admin = keys.first.token({ rooms: ["*"], can: ["admin"] });
    const token = (claims, key = keys.first) => key.token({ rooms: ["*"], ...claims });
    let broker, line, self, bridge, ann, bob, room;
    let count = 0;

    const enter = (options = {}, fields = {}) =>
        WsPeer.join(bridge.wsUrl, { room: newRoom(), peer: `p${++count}`, token: token(), ...fields }, options);
    const opens = (options) => WsPeer.connect(bridge.wsUrl, options).then((peer) => peer.terminate().then(() => true), () => false);
    const connected = (yes) => until(async () => await metric(bridge, "sigbridge_broker_connected") === Number(yes), () => `connected: ${yes}`);

    /* Ann and Bob talk, the same two all the time. */
    async function undisturbed(what) {
        await ann.request({ type: "message", to: "bob", data: what });
        assert.equal((await bob.expect((m) => m.type === "message" && m.data === what)).from, "ann");
        await bob.request({ type: "message", to: "ann", data: what });
        assert.equal((await ann.expect((m) => m.type === "message" && m.data === what)).from, "bob");
    }

    before(async () => {
        broker = await Broker.start();
        line = await Line.start(broker.port);
        self = await Reloadable.start({
            broker: line.url, jwt_key: keys.first.option, log_level: "info",
            limits: {
                message: 16384, send_queue_messages: 65536, send_queue_bytes: 67108864, join_timeout: 300, auth_failures: 1000,
                messages_per_second: 100000, messages_burst: 1000000, bytes_per_second: 1073741824, bytes_burst: 1073741824,
            },
            ping: { interval: 3600 },
        });
        bridge = self.bridge;
        bridge.admin = admin;
        room = newRoom();
        ann = await enter({}, { room, peer: "ann" });
        bob = await enter({}, { room, peer: "bob" });
    });

    after(async () => {
        checkReceived(ann);
        checkReceived(bob);
        await self.stop();
        for (const secret of [keys.first.secret, admin, "turn-pass"])
            assert.ok(bridge.logs.every((text) => !text.includes(secret)), "no secret in the log");
        await broker.stop();
    });

    /* `is` must fail with the file as it was, and hold with `file`; both may leave sockets behind. */
    const rows = [
        {
            name: "a second key", option: "jwt_key", file: { jwt_key: [keys.first.option, keys.second.option] },
            is: () => enter({}, { token: token({}, keys.second) }).then((peer) => peer.terminate().then(() => true), () => false),
        },
        {
            name: "a key less", option: "jwt_key", from: { jwt_key: [keys.first.option, keys.second.option] }, file: {},
            is: () => enter({}, { token: token({}, keys.second) }).then((peer) => peer.terminate().then(() => false), ({ error }) => error === "unauthorized"),
        },
        {
            name: "an issuer", option: "jwt.issuer", file: { jwt: { issuer: "us" } },
            is: async () => {
                await (await enter({}, { token: token({ iss: "us" }) })).terminate();
                return enter().then((peer) => peer.terminate().then(() => false), ({ error }) => error === "unauthorized");
            },
        },
        {
            name: "an audience", option: "jwt.audience", file: { jwt: { audience: "here" } },
            is: async () => {
                await (await enter({}, { token: token({ aud: ["here"] }) })).terminate();
                return enter({}, { token: token({ aud: "there" }) }).then((peer) => peer.terminate().then(() => false), ({ error }) => error === "unauthorized");
            },
        },
        { name: "an origin", option: "origin", file: { origin: ["https://a.example", "https://b.example"] }, is: () => opens({ origin: "https://b.example" }) },
        { name: "no origin any more", option: "origin", from: { origin: "https://a.example" }, file: {}, is: async () => !await opens({ origin: "https://a.example" }) },
        {
            name: "a proxy", option: "trusted_proxy", file: { trusted_proxy: "127.0.0.6" },
            is: async () => {
                const client = `203.0.113.${++count % 250}`;
                const seen = bridge.logs.length;
                await enter({ localAddress: "127.0.0.6", headers: { "x-forwarded-for": client } }, { token: "no" }).catch(() => {});
                const { address } = parse(await until(() => bridge.logs.slice(seen).find((text) => parse(text).event === "refused"), "a line about it"));
                assert.ok([client, "127.0.0.6"].includes(address), address);
                return address === client;
            },
        },
        {
            name: "ICE servers", option: "ice_servers", file: { ice_servers: [{ urls: ["turn:t.example:3478"], username: "u", credential: "turn-pass" }] },
            is: async () => {
                const peer = await enter();
                await peer.terminate();
                return JSON.stringify(peer.joined.iceServers) === '[{"urls":["turn:t.example:3478"],"username":"u","credential":"turn-pass"}]';
            },
        },
        {
            name: "an ICE policy", option: "ice_policies", file: { ice_policies: [{ rooms: "*", types: ["relay"] }] },
            is: async () => {
                const dropped = () => metric(bridge, 'sigbridge_candidates_dropped_total{reason="type"}');
                const earlier = await dropped();
                await ann.request({ type: "candidate", to: "bob", candidate: candidate() });
                return await dropped() === earlier + 1;
            },
        },
        {
            name: "messages per second", option: "limits.messages_per_second,limits.messages_burst",
            file: { limits: { messages_per_second: 1, messages_burst: 2 } },
            is: async () => {
                const peer = await enter();
                const answers = await Promise.all(Array.from({ length: 5 }, () => peer.request({ type: "ping" }).catch(({ error }) => error)));
                await peer.terminate();
                return answers.includes("rate-limited");
            },
        },
        {
            name: "bytes per second, of a session that is there", option: "limits.bytes_per_second,limits.bytes_burst",
            file: { limits: { bytes_per_second: 1024, bytes_burst: 16384 } },
            is: async () => {
                const peer = await enter();
                const send = () => peer.request({ type: "message", data: "x".repeat(12000) }).catch(({ error }) => error);
                const answers = [await send(), await send(), await send()];
                await peer.terminate();
                return answers.includes("rate-limited");
            },
        },
        {
            name: "peers in a room", option: "limits.room_peers", file: { limits: { room_peers: 2 } },
            is: () => enter({}, { room }).then((peer) => peer.terminate().then(() => false), ({ error }) => error === "unavailable"),
        },
        {
            name: "rooms", option: "limits.rooms", file: { limits: { rooms: 1 } },
            is: () => enter().then((peer) => peer.terminate().then(() => false), ({ error }) => error === "unavailable"),
        },
        {
            name: "connections of one address", option: "limits.address_sessions", file: { limits: { address_sessions: 1 } },
            is: async () => {
                const first = await WsPeer.connect(bridge.wsUrl, { localAddress: "127.0.0.7" });
                const second = await opens({ localAddress: "127.0.0.7" });
                await first.terminate();
                return !second;
            },
        },
        {
            name: "tokens that may fail", option: "limits.auth_failures", file: { limits: { auth_failures: 1 } },
            is: async () => {
                const address = `127.0.1.${++count % 250}`;
                const attempt = () => enter({ localAddress: address }, { token: "no" }).then(() => assert.fail(), ({ error }) => error);
                return [await attempt(), await attempt(), await attempt()].includes("rate-limited");
            },
        },
        {
            name: "how long a session may come back", option: "presence.resume_window", file: { presence: { resume_window: 77 } },
            is: async () => {
                const peer = await enter();
                await peer.terminate();
                return peer.joined.resumeWindow === 77;
            },
        },
        {
            name: "what is kept for who is away", option: "limits.replay_messages,limits.replay_bytes",
            file: { limits: { replay_messages: 16, replay_bytes: 65536 } },
            is: async () => {
                const peer = await enter();
                const other = await enter({}, { room: peer.joined.room });
                const { seq } = await peer.expect("presence");
                await peer.terminate();
                for (let i = 0; i < 40; i++)
                    await other.request({ type: "message", to: peer.name, data: i }).catch(() => {});
                const { session, secret } = peer.joined;
                const back = await WsPeer.connect(bridge.wsUrl);
                const lost = await back.ask({ type: "resume", session, secret, seq }, "resumed").then(() => false, ({ error }) => error === "session-expired");
                await back.close();
                await other.close();
                return lost;
            },
        },
        {
            name: "frames that wait for a slow reader", option: "limits.send_queue_messages,limits.send_queue_bytes",
            file: { limits: { send_queue_messages: 8, send_queue_bytes: 65536 } },
            is: async () => {
                const cut = () => metric(bridge, "sigbridge_slow_readers_total");
                const earlier = await cut();
                const slow = await enter({}, { room: newRoom() });
                const fast = await enter({}, { room: slow.joined.room });
                slow.socket._socket.pause();
                for (let i = 0; i < 900 && await cut() === earlier; i += 30) /* 11 MB: more than kernels keep, less than the queue of before */
                    await Promise.all(Array.from({ length: 30 }, () => fast.request({ type: "message", to: slow.name, data: "x".repeat(12000) }).catch(() => {})));
                slow.socket._socket.resume();
                await slow.terminate();
                await fast.terminate();
                return await cut() > earlier;
            },
        },
    ];
    for (const { name, option, from = {}, file, is } of rows)
        test(name, async () => {
            await self.reload(from);
            assert.equal(await is(), false, "before");
            await self.changes(file, option);
            assert.equal(await is(), true, "after");
            await self.changes(from, option);
            assert.equal(await is(), false, "and back");
            await self.changes(from, "-");
            await undisturbed(name);
        });

    test("the join timeout, of sockets that are open already", async () => {
        await self.reload({});
        const idle = await WsPeer.connect(bridge.wsUrl);
        await self.changes({ limits: { join_timeout: 1 } }, "limits.join_timeout");
        assert.equal((await deadline(idle.closed, "the end of the socket")).code, 4408);
        await undisturbed("the join timeout");
    });

    test("pings, of sockets that are open already", async () => {
        await self.reload({});
        const deaf = await enter({ autoPong: false });
        const earlier = await metric(bridge, "sigbridge_ping_timeouts_total");
        await self.changes({ ping: { interval: 1, timeout: 1 } }, "ping.interval,ping.timeout");
        await deadline(once(ann.socket, "ping"), "a ping");
        await deadline(deaf.closed, "the end of who does not answer");
        assert.equal(await metric(bridge, "sigbridge_ping_timeouts_total"), earlier + 1);
        await self.changes({}, "ping.interval,ping.timeout");
        await undisturbed("pings");
    });

    test("how old may get what waits for the broker", async () => {
        await self.reload({ limits: { outage_age: 3600 } });
        line.cut();
        await connected(false);
        const late = ann.request({ type: "message", to: "bob", data: "late" }).catch(({ error }) => error);
        await self.changes({ limits: { outage_age: 1 } }, "limits.outage_age");
        assert.equal(await late, "unavailable");
        line.restore();
        await connected(true);
        await undisturbed("the age");
    });

    test("how much may wait for the broker", async () => {
        await self.reload({ limits: { outage_age: 3600 } });
        line.cut();
        await connected(false);
        const waits = ann.request({ type: "message", to: "bob", data: "early" });
        await bob.request({ type: "ping" });
        await self.changes({ limits: { outage_age: 3600, outage_bytes: 0 } }, "limits.outage_bytes");
        assert.equal(await bob.request({ type: "message", to: "ann", data: "none" }).catch(({ error }) => error), "unavailable");
        line.restore();
        await waits;
        assert.equal((await bob.expect("message")).data, "early");
        await undisturbed("the amount");
    });

    test("the log's form", async () => {
        await self.reload({});
        await self.changes({ log_format: "json" }, "log_format");
        assert.ok((await self.changes({}, "log_format")).at(-1).line.startsWith("{"));
        assert.ok(!(await self.changes({}, "-")).at(-1).line.startsWith("{"));
    });

    test("the log's level", async () => {
        const done = () => metric(bridge, 'sigbridge_reloads_total{result="done"}');
        await self.reload({});
        await self.changes({ log_level: "error" }, "log_level");
        const [before, lines] = [await done(), said(bridge).length];
        bridge.kill("SIGHUP");
        await until(async () => await done() === before + 1, "it is read");
        assert.equal(said(bridge).length, lines, "and nothing said");
        await self.changes({}, "log_level");
    });

    /* ---- what cannot ---- */

    test("what needs a restart is named, the rest taken over, and all goes on", async () => {
        await self.reload({});
        const more = {
            dev: true, listen: "127.0.0.1:1", broker: "mqtt://127.0.0.1:1", mqtt_listen: "127.0.0.1:1", data: join(self.dir, "other"),
            bridge_id: "other", prefix: "other", web: self.dir, presence: { scope: "rooms", expiry: 60 },
            limits: { message: 20000, sessions: 2, store_queue: 64, rooms: 100 }, mqtt: { keepalive: 5 },
        };
        const names = ["dev", "listen", "broker", "mqtt_listen", "data", "bridge_id", "prefix", "web", "presence.scope", "presence.expiry",
            "limits.message", "limits.sessions", "limits.store_queue", "mqtt.keepalive"];
        for (const changed of ["limits.rooms", "-"]) { /* each time anew, until the restart */
            const lines = await self.changes(more, changed, names.join());
            const restart = lines.filter(({ event }) => event === "config-needs-restart");
            assert.deepEqual(restart.map(({ level, option }) => [level, option]), names.map((name) => ["warn", name]));
            await undisturbed(changed);
            assert.equal((await get(bridge, "/readyz")).status, 200);
            assert.equal((await get(bridge, "/metrics", { headers: {} })).status, 401, "still no development mode");
            await (await enter()).terminate();
        }
        await self.changes({}, "limits.rooms");
    });

    test("tokens are not turned off", async () => {
        const lines = await self.changes({ dev: true, jwt_key: undefined }, "-", "dev,jwt_key");
        assert.deepEqual(lines.slice(0, -1).map(({ option }) => option), ["dev", "jwt_key"]);
        await assert.rejects(enter({}, { token: undefined }), ({ error }) => error === "unauthorized");
        await (await enter()).terminate();
    });

    /* ---- mistakes ---- */

    const short = join(tempDir(), "short");
    writeFileSync(short, "short\n", { mode: 0o600 });
    const mistakes = [
        { name: "syntax", file: { raw: "presence: {" }, says: [/sigbridge\.conf:\d+: .*: write `key = value;` and close what was opened$/], why: /^the configuration has mistakes$/ },
        { name: "a value", file: { limits: { room_peers: 1 } }, says: [/sigbridge\.conf:\d+: limits\.room_peers: "1" is too small: /], why: /mistakes/ },
        {
            name: "several", file: { limits: { room_peers: 1 }, log_levle: "info" }, why: /mistakes/,
            says: [/sigbridge\.conf:\d+: limits\.room_peers: /, /sigbridge\.conf:\d+: unknown key "log_levle": did you mean "log_level"\?/],
        },
        { name: "two that do not fit", file: { limits: { messages_burst: 1, messages_per_second: 2 } }, says: [/limits\.messages_burst \(1\) is less than/], why: /mistakes/ },
        { name: "a credential that is not there", file: { ice_servers: [{ urls: ["turn:t"], username: "u", credential_file: "/nowhere" }] }, says: [/\/nowhere: cannot be read for ice_servers\.credential_file/], why: /mistakes/ },
        { name: "a key that is not there", file: { jwt_key: "HS256:/nowhere" }, says: [], why: /^jwt_key \/nowhere cannot be read: / },
        { name: "a key that is none", file: { jwt_key: [keys.first.option, `HS256:${short}`] }, says: [], why: /^jwt_key .*\/short: .*32 bytes/ },
    ];
    const nothingChanged = async (says, why) => {
        const refusals = () => metric(bridge, 'sigbridge_reloads_total{result="refused"}');
        const earlier = await refusals();
        const lines = await hangUp(bridge);
        assert.equal(lines.length, says.length + 1, lines.map(({ line }) => line).join("\n"));
        says.forEach((wanted, i) => {
            assert.deepEqual([lines[i].level, lines[i].event], ["error", "config-mistake"]);
            assert.match(lines[i].text, wanted);
        });
        const { level, event, why: reason, remedy, line: last } = lines.at(-1);
        assert.deepEqual([level, event], ["error", "reload-failed"]);
        assert.match(reason, why);
        assert.equal(remedy, "all stays as it was: correct it and send SIGHUP again");
        assert.ok(!last.startsWith("{"), "the log's form is as it was");
        assert.equal(await refusals(), earlier + 1);
        await (await enter()).terminate(); /* limits.rooms, too */
    };
    for (const { name, file, says, why } of mistakes)
        test(`a mistake, and nothing changes: ${name}`, async () => {
            await self.reload({});
            self.write({ log_format: "json", ...file, limits: { rooms: 1, ...file.limits } });
            await nothingChanged(says, why);
            await undisturbed(name);
            await self.changes({}, "-");
        });

    test("a mistake, and nothing changes: there is no file", async () => {
        unlinkSync(self.file);
        await nothingChanged([/sigbridge\.conf: cannot be read: No such file or directory/], /mistakes/);
        await self.changes({}, "-");
    });

    /* ---- again and again ---- */

    test("fifty times, while people talk", async () => {
        const all = {
            jwt_key: [keys.second.option, keys.first.option], origin: ["https://a.example"], trusted_proxy: ["10.0.0.0/8", "192.0.2.1"],
            ice_servers: [{ urls: ["turn:t.example:3478"], username: "u", credential: "turn-pass" }, { urls: ["stun:s.example"] }],
            ice_policies: [{ rooms: "a*", types: ["relay"] }, { rooms: "b", addresses: ["public"], networks: ["10.0.0.0/8"] }],
            limits: { room_peers: 500, outage_bytes: 1000000 }, ping: { interval: 1000 },
        };
        const files = () => readdirSync(`/proc/${bridge.pid}/fd`).length;
        await self.reload({});
        const [sockets, before] = [await metric(bridge, "sigbridge_sockets"), files()];
        let [talks, over] = [0, false];
        const talk = (async () => {
            for (; !over; talks++)
                await undisturbed(`talk ${talks}`);
        })();
        for (let i = 0; i < 25; i++) {
            const lines = await self.reload(all);
            assert.equal(lines.at(-1).event, "reloaded");
            assert.notEqual(lines.at(-1).changed, "-");
            assert.notEqual((await self.reload({})).at(-1).changed, "-");
        }
        for (let i = 0; i < 50; i++)
            bridge.kill("SIGHUP"); /* those that meet are one */
        over = true;
        await talk;
        assert.ok(talks > 0);
        assert.equal(await metric(bridge, "sigbridge_sockets"), sockets);
        await until(() => files() <= before + 1, () => `${files()} files, ${before} before`); /* HTTP connections come and go */
        await self.changes({}, "-");
        await undisturbed("afterwards");
    });
});

/* ---- the broker's password ---- */

test("another password at the broker", async () => {
    const dir = tempDir();
    const [known, ours] = [join(dir, "known"), join(dir, "ours")];
    const learn = async (password) => assert.equal((await run("mosquitto_passwd", ["-c", "-b", known, "bridge", password])).code, 0);
    const config = [`allow_anonymous false`, `password_file ${known}`, "user root"].join("\n");
    await learn("old-password");
    writeFileSync(ours, "old-password\n", { mode: 0o600 });
    let broker = await startMosquitto({ config, dir });
    const self = await Reloadable.start({ broker: `mqtt://${broker.mqtt}`, dev: true, mqtt: { username: "bridge", password_file: ours } });
    const [ann, room] = [await WsPeer.join(self.bridge.wsUrl, { room: "r", peer: "ann" }), "r"];
    await broker.stop();
    await learn("new-password");
    broker = await startMosquitto({ config, dir, port: broker.port });
    await self.bridge.line(" broker-refused ");
    writeFileSync(ours, "new-password\n", { mode: 0o600 });
    await self.changes({}, "mqtt.password_file");
    const bob = await until(() => WsPeer.join(self.bridge.wsUrl, { room, peer: "bob" }).catch(() => false), "the bridge lets people in");
    await ann.request({ type: "message", to: "bob", data: 1 });
    await bob.expect("message");
    await self.changes({}, "-");
    await self.stop();
    assert.ok(self.bridge.logs.every((text) => !/(old|new)-password/.test(text)), "no password in the log");
    await broker.stop();
});

/* ---- files that are named in it ---- */

describe("keys and certificate", () => {
    const dir = tempDir("files");
    const files = { cert: join(dir, "server.crt"), key: join(dir, "server.key"), secret: join(dir, "tokens.key") };
    const [oldKey, newKey] = [makeKey("HS256"), makeKey("HS256")];
    const world = new World();
    let good, other, self, bridge, ann, bob;
    const token = (key) => key.token({ rooms: ["*"] });
    const enter = (key, fields, room = newRoom()) =>
        WsPeer.join(bridge.wsUrl, { room, token: token(key), ...fields }, { ca: `${good.pem}${other.pem}` });
    const put = {
        keys: (key) => writeFileSync(files.secret, key.pem),
        certificate: (pair) => {
            copyFileSync(pair.cert, files.cert);
            copyFileSync(pair.key, files.key);
        },
    };
    const spoil = {
        keys: () => writeFileSync(files.secret, "short\n"),
        certificate: () => copyFileSync(good.key, files.key),
    };

    const fingerprint = () => {
        const [, port] = bridge.ready.https.split(":");
        const socket = tlsConnect({ host: "127.0.0.1", port: Number(port), rejectUnauthorized: false });
        return deadline(new Promise((resolve, reject) => {
            socket.once("error", reject);
            socket.once("secureConnect", () => resolve(socket.getPeerCertificate().fingerprint256));
        }), "a handshake").finally(() => socket.destroy());
    };

    /* Which of the two keys counts, and which certificate is shown. */
    async function inForce(key, pair) {
        assert.equal(await fingerprint(), pair.fingerprint);
        await (await enter(key, {})).terminate();
        await assert.rejects(enter(key === newKey ? oldKey : newKey, {}), ({ error }) => error === "unauthorized");
    }

    before(async () => {
        [good, other] = [await makePair(), await makePair({ kind: "rsa" })];
        put.keys(oldKey);
        put.certificate(good);
        await world.start();
        self = await Reloadable.start({ broker: world.broker.url, listen: "https://127.0.0.1:0", tls_cert: files.cert, tls_key: files.key, jwt_key: `HS256:${files.secret}` });
        bridge = self.bridge;
        const room = newRoom();
        ann = await enter(oldKey, { peer: "ann" }, room);
        bob = await enter(oldKey, { peer: "bob" }, room);
    });

    after(async () => {
        await self.stop();
        for (const key of [oldKey, newKey])
            assert.ok(bridge.logs.every((text) => !text.includes(key.secret)), "no secret in the log");
        await world.end();
    });

    const rows = [
        { name: "both good", bad: [] },
        { name: "the certificate bad", bad: ["certificate"], why: /server\.key does not fit/ },
        { name: "the keys bad", bad: ["keys"], why: /^jwt_key .*tokens\.key: / },
        { name: "both bad", bad: ["keys", "certificate"], why: /tokens\.key|server\.key/ },
    ];
    for (const { name, bad, why } of rows)
        test(name, async () => {
            put.keys(oldKey);
            put.certificate(good);
            assert.equal((await hangUp(bridge)).at(-1).read, "jwt_key,tls_cert");
            await inForce(oldKey, good);
            put.keys(newKey);
            put.certificate(other);
            for (const part of bad)
                spoil[part]();
            const lines = await hangUp(bridge);
            if (why)
                assert.match(lines.find(({ event }) => event === "reload-failed").why, why);
            else
                assert.deepEqual([lines.at(-1).event, lines.at(-1).changed], ["reloaded", "-"]);
            await inForce(why ? oldKey : newKey, why ? good : other);
            await ann.request({ type: "message", to: "bob", data: name });
            assert.equal((await bob.expect("message")).data, name);
        });

    test("the file that names them names others", async () => {
        put.keys(oldKey);
        put.certificate(good);
        await hangUp(bridge);
        const moved = join(dir, "moved.key");
        writeFileSync(moved, newKey.pem, { mode: 0o600 });
        await self.changes({ tls_cert: other.cert, tls_key: other.key, jwt_key: `HS256:${moved}` }, "tls_cert,tls_key,jwt_key");
        await inForce(newKey, other);
        await self.changes({}, "tls_cert,tls_key,jwt_key");
        await inForce(oldKey, good);
    });

    test("TLS does not end while it is listened with", async () => {
        await self.changes({ listen: "127.0.0.1:0", tls_cert: undefined, tls_key: undefined }, "-", "listen,tls_cert,tls_key");
        await inForce(oldKey, good);
    });

    test("what only goes together with a restart changes nothing", async () => {
        const lines = await self.reload({ limits: { message: 16384, send_queue_bytes: 65536, rooms: 1 } });
        assert.deepEqual(lines.map(({ event, option }) => option ?? event), ["limits.message", "config-mistake", "reload-failed"]);
        assert.match(lines[1].text, /limits\.send_queue_bytes \(65536\) is less than limits\.message \(262144\)/);
        assert.equal(lines[2].remedy, "restart the bridge");
        await inForce(oldKey, good);
        await self.changes({}, "-");
    });
});

/* ---- when ---- */

describe("when it comes", () => {
    const world = new World();
    before(() => world.start());
    after(() => world.end());

    test("with nothing to read, it says so", async () => {
        const [line, ...more] = await hangUp(world.bridge);
        assert.match(line.line, /^\S+ info reloaded changed=- read=- restart=-$/);
        assert.deepEqual(more, []);
    });

    test("while the bridge starts, it waits until it runs", async () => {
        const bridge = new Program(process.env.SIGBRIDGE_BIN, ["--dev", "--broker", world.broker.url, "--data", tempDir(), "--listen", "127.0.0.1:0"]);
        await bridge.line(" development-mode ");
        bridge.kill("SIGHUP");
        await bridge.line((text) => parseReady(text) !== null);
        await bridge.line(" reloaded ");
        assert.deepEqual(await bridge.stop(), { code: 0, signal: null }, bridge.tail());
        assertNoSanitizer(bridge);
    });

    test("while the bridge goes down, it is passed over", async () => {
        const bridge = await world.addBridge();
        const slow = await WsPeer.join(bridge.wsUrl, { room: newRoom(), peer: "slow" });
        slow.socket._socket.pause(); /* the bridge waits for its answer to the Close */
        bridge.kill("SIGTERM");
        await bridge.line(" draining ");
        const lines = await hangUp(bridge);
        assert.deepEqual(lines.map(({ event, why }) => [event, why]), [["reload-ignored", "the bridge is going down"]]);
        assert.deepEqual(await deadline(bridge.exited, "its end"), { code: 0, signal: null }, bridge.tail());
        assertNoSanitizer(bridge);
        world.bridges = world.bridges.filter((b) => b !== bridge);
        slow.socket.terminate();
    });
});
