/* A broker that is there and does not answer: frozen for a minute, behind a cable that is out, or
 * silent about what it was asked. The tests run beside each other, because most of them wait. */
import assert from "node:assert/strict";
import { readdirSync, readlinkSync } from "node:fs";
import { describe, test } from "node:test";
import { makePair } from "./certificates.mjs";
import { until } from "./harness.mjs";
import { get, metric, newRoom, rosterOf, sees, World } from "./world.mjs";
import { Wire } from "./wire.mjs";

const MINUTE = Number(process.env.FREEZE_MS ?? 60_000);
const PATIENT = { timeout: 120_000 };
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const seconds = (since) => ((Date.now() - since) / 1000).toFixed(1);

/* Edits MQTT packets on a wire, one by one. `edit` gets type and bytes, and gives bytes or null. */
function packets(edit) {
    const rest = new WeakMap();
    return (chunk, socket) => {
        let bytes = Buffer.concat([rest.get(socket) ?? Buffer.alloc(0), chunk]);
        const out = [];
        for (;;) {
            let length = 0;
            let at = 1;
            for (let shift = 0; at < bytes.length; shift += 7) {
                const byte = bytes[at++];
                length |= (byte & 127) << shift;
                if (byte < 128)
                    break;
                if (at === bytes.length)
                    length = Infinity;
            }
            if (bytes.length < 2 || bytes.length < at + length)
                break;
            const packet = edit(bytes[0] >> 4, bytes.subarray(0, at + length));
            if (packet)
                out.push(packet);
            bytes = bytes.subarray(at + length);
        }
        rest.set(socket, bytes);
        return Buffer.concat(out);
    };
}
const SUBACK = 9;

async function behindWire(options = {}) {
    const world = new World();
    world.broker = await world.addBroker();
    world.wire = await new Wire(world.broker.mqtt).open();
    world.bridge = await world.addBridge({ broker: world.wire.url, ...options });
    return world;
}

async function end(world) {
    await world.end();
    world.wire?.close();
}

const sockets = (program) => readdirSync(`/proc/${program.pid}/fd`).filter((fd) => {
    try {
        return readlinkSync(`/proc/${program.pid}/fd/${fd}`).startsWith("socket:");
    } catch {
        return false;
    }
}).length;

/* Numbered messages from ann to bob and to cam until `stop` says so. Each has an outcome in the end. */
function talk(ann, to) {
    const sent = [];
    const timer = setInterval(() => {
        const n = sent.length;
        sent.push(ann.request({ type: "message", to, data: n }, 60_000).then(() => "ack", (e) => e.error ?? Promise.reject(e)));
    }, 50);
    return { sent, end: () => (clearInterval(timer), Promise.all(sent)) };
}

/* Exactly once and in order what was acknowledged; at most once what was not. */
function checkNumbers(outcomes, got, name) {
    assert.deepEqual(got, [...new Set(got)], `${name}: nothing twice`);
    assert.deepEqual(got, [...got].sort((a, b) => a - b), `${name}: in order`);
    outcomes.forEach((outcome, n) => outcome === "ack" ? assert.ok(got.includes(n), `${name}: ${n} was acknowledged`)
        : assert.equal(outcome, "unavailable"));
}

describe("a broker that does not answer", { concurrency: true }, () => {
    test("frozen for a minute", PATIENT, async () => {
        const world = await new World().start();
        const room = newRoom();
        const ann = await world.join({ room, peer: "ann" });
        const bob = await world.join({ room, peer: "bob" });
        await sees(ann, "bob");
        const calm = sockets(world.bridge);
        const numbers = talk(ann, "bob");
        await until(() => numbers.sent.length > 10, "some are on the way");
        const frozen = Date.now();
        world.broker.freeze();
        await world.bridge.line("broker-lost", 30_000);
        const noticed = seconds(frozen);
        let most = 0;
        while (Date.now() - frozen < MINUTE) {
            most = Math.max(most, sockets(world.bridge));
            assert.equal((await get(world.bridge, "/healthz")).status, 200);
            await sleep(250);
        }
        assert.ok(most <= calm + 1, `${most} sockets, ${calm} before`); /* +1: ours to /healthz */
        const thawed = Date.now();
        world.broker.thaw();
        await until(async () => (await get(world.bridge, "/readyz")).status === 200, "ready again", { timeout: 30_000 });
        console.log(`# frozen: noticed after ${noticed} s, back ${seconds(thawed)} s after it went on`);
        const before = numbers.sent.length;
        await until(() => numbers.sent.length > before + 10, "some more");
        const outcomes = await numbers.end();
        await ann.request({ type: "message", to: "bob", data: "end" });
        await bob.expect((m) => m.data === "end");
        checkNumbers(outcomes, bob.received.filter((m) => m.type === "message" && m.data !== "end").map((m) => m.data), "bob");
        assert.ok(outcomes.includes("unavailable"), "what grew older than 30 s was told");
        assert.equal(outcomes.at(-1), "ack");
        for (const peer of [ann, bob])
            assert.equal(peer.received.some((m) => m.left), false, "nobody was gone");
        await world.end();
    });

    test("the cable is out for 20 s, in the middle of messages", PATIENT, async () => {
        const world = await behindWire();
        const room = newRoom();
        const ann = await world.join({ room, peer: "ann" });
        const bob = await world.join({ room, peer: "bob" });
        const cam = await world.device({ room, name: "cam", version: 5, clean: false, expiry: 300 });
        await sees(ann, "bob", "cam");
        const numbers = talk(ann, "bob");
        await until(() => numbers.sent.length > 10, "some are on the way");
        const start = Date.now();
        world.wire.blackhole();
        world.wire.accepted = 0;
        for (let i = 0; i < 20; i++) /* what the broker keeps for the bridge meanwhile */
            await cam.send("ann", { type: "message", data: `cam${i}` });
        await world.bridge.line("broker-lost", 30_000);
        const noticed = seconds(start);
        await sleep(Math.max(0, 20_000 - (Date.now() - start)));
        assert.ok(world.wire.openConnections <= 2, `${world.wire.openConnections} connections are open`);
        const healed = Date.now();
        world.wire.heal();
        await until(async () => (await get(world.bridge, "/readyz")).status === 200, "ready again", { timeout: 30_000 });
        console.log(`# cable out: noticed after ${noticed} s, ${world.wire.accepted} attempts, back ${seconds(healed)} s after it was in again`);
        const outcomes = await numbers.end();
        assert.deepEqual([...new Set(outcomes)], ["ack"], "20 s are no reason to lose anything");
        await ann.request({ type: "message", to: "bob", data: "end" });
        await bob.expect((m) => m.data === "end");
        checkNumbers(outcomes, bob.received.filter((m) => m.type === "message" && m.data !== "end").map((m) => m.data), "bob");
        await until(() => ann.received.filter((m) => m.from === "cam").length >= 20, "what the camera sent meanwhile");
        assert.deepEqual(ann.received.filter((m) => m.from === "cam" && m.type === "message").map((m) => m.data), Array.from({ length: 20 }, (_, i) => `cam${i}`));
        assert.equal(await metric(world.bridge, "sigbridge_broker_sessions_lost_total"), 0);
        await end(world);
    });

    test("the cable is out, over TLS", PATIENT, async () => {
        const pair = await makePair();
        const world = new World();
        world.broker = await world.addBroker({ config: [`certfile ${pair.cert}`, `keyfile ${pair.key}`] });
        world.wire = await new Wire(world.broker.mqtt).open();
        world.bridge = await world.addBridge({ broker: `mqtts://${world.wire.address}`, config: `mqtt: { ca = "${pair.cert}"; };\n` });
        const room = newRoom();
        const ann = await world.join({ room, peer: "ann" });
        const bob = await world.join({ room, peer: "bob" });
        await sees(ann, "bob");
        for (let i = 0; i < 2; i++) {
            const start = Date.now();
            const mark = world.bridge.logs.length;
            world.wire.blackhole();
            const sent = [1, 2, 3].map((n) => ann.request({ type: "message", to: "bob", data: [i, n] }, 60_000));
            await until(() => world.bridge.logs.slice(mark).some((line) => line.includes('broker-lost why="it does not answer"')), "it is given up", { timeout: 30_000 });
            console.log(`# cable out, TLS: noticed after ${seconds(start)} s`);
            world.wire.heal();
            await Promise.all(sent);
            for (const n of [1, 2, 3])
                await bob.expect((m) => m.type === "message" && m.data[0] === i && m.data[1] === n);
        }
        assert.equal(await metric(world.bridge, "sigbridge_broker_sessions_lost_total"), 0);
        await end(world);
    });

    test("the cable is out, and nobody says anything", PATIENT, async () => {
        const world = await behindWire({ config: "mqtt: { keepalive = 5; };\n" });
        const room = newRoom();
        const ann = await world.join({ room, peer: "ann" });
        const start = Date.now();
        world.wire.blackhole();
        await world.bridge.line("broker-lost", 30_000);
        console.log(`# cable out, idle, keepalive 5 s: noticed after ${seconds(start)} s`);
        world.wire.heal();
        await until(async () => (await get(world.bridge, "/readyz")).status === 200, "ready again", { timeout: 30_000 });
        await world.device({ room, name: "cam" });
        await sees(ann, "cam");
        await end(world);
    });

    test("pings are answered, PUBACKs are not", PATIENT, async () => {
        const world = await behindWire();
        const room = newRoom();
        const ann = await world.join({ room, peer: "ann" });
        const cam = await world.device({ room, name: "cam" });
        await sees(ann, "cam");
        world.wire.edit = { down: packets((type, bytes) => (type === 4 ? null : bytes)) };
        const start = Date.now();
        const acknowledged = ann.request({ type: "message", to: "cam", data: 1 }, 60_000);
        await world.bridge.line(/broker-lost why="it does not answer"/, 30_000);
        console.log(`# without PUBACK: given up after ${seconds(start)} s`);
        world.wire.edit = null;
        await acknowledged;
        await cam.receive("message", "ann");
        assert.equal(await metric(world.bridge, "sigbridge_broker_given_up_total"), 1);
        await end(world);
    });

    test("a SUBACK that never comes", PATIENT, async () => {
        const world = await behindWire();
        const room = newRoom();
        const cam = await world.device({ room, name: "cam" });
        let dropped = 0;
        world.wire.edit = { down: packets((type, bytes) => (type === SUBACK && !dropped++ ? null : bytes)) };
        const start = Date.now();
        const ann = await world.connect();
        ann.send({ type: "join", room, peer: "ann" });
        await world.bridge.line(/broker-lost why="it does not answer"/, 90_000);
        console.log(`# without SUBACK: given up after ${seconds(start)} s`);
        await ann.expect("joined", 60_000);
        await cam.send("ann", { type: "message", data: 1 });
        await ann.expect("message");
        await end(world);
    });

    test("a subscription that is refused is said once, tried again, and works once it is allowed", PATIENT, async () => {
        const world = await behindWire();
        const room = newRoom();
        let refused = 0;
        world.wire.edit = {
            down: packets((type, bytes) => {
                if (type === SUBACK && refused < 1 && ++refused)
                    return Buffer.concat([bytes.subarray(0, -1), Buffer.from([0x87])]);
                return bytes;
            }),
        };
        const start = Date.now();
        const ann = await world.connect();
        ann.send({ type: "join", room, peer: "ann" });
        await world.bridge.line("subscription-refused");
        await until(async () => await metric(world.bridge, "sigbridge_broker_subscriptions_refused") === 1, "it is counted");
        await world.bridge.line("subscription-granted", 60_000);
        console.log(`# refused subscription: tried again after ${seconds(start)} s`);
        assert.equal(await metric(world.bridge, "sigbridge_broker_subscriptions_refused"), 0);
        assert.equal(world.bridge.logs.filter((line) => line.includes("subscription-refused")).length, 1);
        assert.equal(await metric(world.bridge, "sigbridge_broker_given_up_total"), 0);
        await end(world);
    });

    test("a broker by a name from /etc/hosts", async () => {
        const world = new World();
        world.broker = await world.addBroker();
        world.bridge = await world.addBridge({ broker: `mqtt://localhost:${world.broker.port}` });
        const ann = await world.join({ room: newRoom(), peer: "ann" });
        await world.broker.kill();
        await world.ready(world.bridge, 503);
        const start = Date.now();
        await ann.ask({ type: "ping" }, "pong");
        assert.ok(Date.now() - start < 5000);
        await world.broker.restart();
        await world.ready();
        assert.equal(rosterOf(ann).size, 0);
        await world.end();
    });
});
