/* What SQLite holds about who was there (protocol section 5, "Recorded in SQLite"). */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { deadline, until } from "./harness.mjs";
import { metric, newRoom, presenceTopic, sees, sql, World } from "./world.mjs";

const world = new World();
before(() => world.start({ config: "ping: { interval = 1; timeout = 1; };\npresence: { resume_window = 1; };\n", args: ["--bridge-id", "here"] }));
after(() => world.end());

const rowsOf = (room, columns = "*", more = "") => sql(world.bridge, `SELECT ${columns} FROM membership WHERE room = '${room}' ${more} ORDER BY id`);

/* The rows of a room as soon as they are what is wanted: recording never delays signaling. */
async function rows(room, columns, wanted) {
    let last;
    await until(async () => JSON.stringify(last = await rowsOf(room, columns)) === JSON.stringify(wanted), () =>
        `the rows of ${room} are ${JSON.stringify(wanted)}; they are ${JSON.stringify(last)}`);
}

test("the file is ours, versioned and in WAL mode", async () => {
    assert.deepEqual(await sql(world.bridge, "PRAGMA journal_mode"), [{ journal_mode: "wal" }]);
    assert.ok((await sql(world.bridge, "PRAGMA user_version"))[0].user_version >= 1);
    assert.deepEqual(await sql(world.bridge, "PRAGMA integrity_check"), [{ integrity_check: "ok" }]);
});

test("a browser: kind, bridge, transport, meta, times, reason", async () => {
    const room = newRoom();
    const start = Date.now();
    const ann = await world.join({ room, peer: "ann", meta: { name: "Ann \"quoted\" ä" } });
    const columns = "peer, kind, bridge, transport, meta, reason";
    const row = { peer: "ann", kind: "browser", bridge: "here", transport: "ws", meta: '{"name":"Ann \\"quoted\\" ä"}', reason: null };
    await rows(room, columns, [row]);
    const { joined_ms: joined, sid } = (await rowsOf(room))[0];
    assert.ok(joined >= start - 5 && joined <= Date.now());
    assert.ok(ann.joined.session.endsWith(sid));
    await ann.request({ type: "update", meta: {} });
    await rows(room, columns, [{ ...row, meta: "{}" }]);
    await ann.request({ type: "leave" });
    await rows(room, columns, [{ ...row, meta: "{}", reason: "leave" }]);
    const [last] = await rowsOf(room);
    assert.ok(last.left_ms >= last.joined_ms && last.left_ms <= Date.now() && last.updated_ms >= last.joined_ms);
});

const reasons = [
    { name: "leave", end: (peer) => peer.request({ type: "leave" }), reason: "leave" },
    { name: "close", end: (peer) => peer.close(), reason: "closed" },
    { name: "break", end: (peer) => peer.terminate(), reason: "timeout" },
    { name: "silence", options: { autoPong: false }, end: (peer) => peer.closed, reason: "timeout" },
    { name: "a device takes the name", end: async (peer, room) => {
        await world.device({ room, name: "ann" });
        await deadline(peer.closed, "the close");
    }, reason: "replaced" },
];

for (const { name, options, end, reason } of reasons)
    test(`why a browser left: ${name}`, async () => {
        const room = newRoom();
        const ann = await world.join({ room, peer: "ann" }, options);
        await end(ann, room);
        await until(async () => (await rowsOf(room, "reason", "AND transport = 'ws'"))[0]?.reason === reason, `the reason is ${reason}`);
    });

const devices = [
    { name: "clears its presence", presence: {}, end: (cam) => cam.present(""), reason: "gone" },
    { name: "vanishes", presence: { kind: "device" }, end: (cam) => cam.drop(), reason: "gone" },
    { name: "does not renew its presence", presence: { ttl: 1 }, end: () => {}, reason: "ttl" },
    { name: "publishes nonsense", presence: {}, end: (cam) => cam.present("{"), reason: "invalid" },
];

for (const { name, presence, end, reason } of devices)
    test(`a device that ${name}`, async () => {
        const room = newRoom();
        const cam = await world.device({ room, name: "cam", presence: { ...presence, meta: { model: "x" } } });
        const columns = "peer, kind, bridge, transport, meta, reason";
        const row = { peer: "cam", kind: "device", bridge: "", transport: "mqtt", meta: '{"model":"x"}', reason: null };
        await rows(room, columns, [row]);
        await end(cam);
        await rows(room, columns, [{ ...row, reason }]);
    });

test("kinds are kept, and what a device says of its time", async () => {
    const room = newRoom();
    const writer = await world.mqtt();
    const since = Date.now() - 3_600_000;
    for (const kind of ["device", "sfu", "http", "browser"])
        await writer.publish(presenceTopic(room, kind), { kind, since }, { retain: true });
    await rows(room, "peer, kind, joined_ms", ["device", "sfu", "http", "browser"].map((kind) => ({ peer: kind, kind, joined_ms: since })));
});

test("the same name again is another membership", async () => {
    const room = newRoom();
    const bob = await world.join({ room, peer: "bob" });
    const ann = await world.join({ room, peer: "ann" });
    for (let i = 0; i < 5; i++) {
        await ann.request({ type: "leave" });
        await ann.ask({ type: "join", room, peer: "ann", meta: { i } }, "joined");
    }
    await sees(bob, "ann");
    await until(async () => (await rowsOf(room)).length === 7, "all are recorded");
    const list = (await rowsOf(room)).filter((row) => row.peer === "ann");
    assert.deepEqual(list.map((row) => row.reason), ["leave", "leave", "leave", "leave", "leave", null]);
    assert.equal(new Set(list.map((row) => row.sid)).size, 6);
    for (let i = 1; i < list.length; i++)
        assert.ok(list[i].joined_ms >= list[i - 1].left_ms, "one after the other");
});

test("leaving and joining without a pause is recorded as such", async () => {
    const room = newRoom();
    const ann = await world.join({ room, peer: "ann" });
    for (let i = 0; i < 20; i++) {
        ann.send({ type: "leave" });
        await ann.ask({ type: "join", room, peer: "ann" }, "joined");
    }
    await until(async () => (await rowsOf(room)).length === 21, "all are recorded");
    assert.deepEqual((await rowsOf(room)).map((row) => row.reason), [...Array(20).fill("leave"), null]);
});

test("who is present is what the broker holds", async () => {
    const room = newRoom();
    const peers = await Promise.all(Array.from({ length: 50 }, (_, i) => world.join({ room, peer: `p${i}` })));
    await world.device({ room, name: "cam" });
    await Promise.all(peers.slice(0, 25).map((peer) => peer.close()));
    const present = () => sql(world.bridge, `SELECT peer FROM present WHERE room = '${room}'`);
    await until(async () => (await present()).length === 26, "26 are present");
    assert.deepEqual((await present()).map((row) => row.peer).sort(), ["cam", ...Array.from({ length: 25 }, (_, i) => `p${i + 25}`)].sort());
    assert.equal((await rowsOf(room)).length, 51);
});

test("sessions of another bridge are recorded with its name", async () => {
    const room = newRoom();
    const there = await world.addBridge({ args: ["--bridge-id", "there"] });
    const bob = await world.join({ room, peer: "bob" }, { bridge: there });
    const columns = "peer, kind, bridge, transport, reason";
    await rows(room, columns, [{ peer: "bob", kind: "browser", bridge: "there", transport: "ws", reason: null }]);
    await bob.close();
    await rows(room, columns, [{ peer: "bob", kind: "browser", bridge: "there", transport: "ws", reason: "closed" }]);
});

/* The socket drops, and its session is taken up again by a bridge. */
async function resumeAt(bridge, old) {
    const seq = Math.max(0, ...old.received.filter((m) => m.seq !== undefined).map((m) => m.seq));
    old.terminate();
    await old.closed;
    const peer = await world.connect({ bridge });
    const { session, secret } = old.joined;
    peer.joined = await peer.ask({ type: "resume", session, secret, seq }, "resumed");
    peer.name = old.name;
    return peer;
}

test("a session that is taken up again, here and there, has one row, with its place", async () => {
    const room = newRoom();
    const there = await world.addBridge({ args: ["--bridge-id", "elsewhere"], config: "presence: { resume_window = 1; };\n" });
    const present = (bridge) => sql(bridge, `SELECT bridge, sid, left_ms FROM membership WHERE room = '${room}'`);
    let ann = await world.join({ room, peer: "ann" });
    for (const bridge of [world.bridge, there, there, world.bridge, there]) {
        ann = await resumeAt(bridge, ann);
        const [name, sid] = ann.joined.session.split(".");
        const wanted = JSON.stringify([{ bridge: name, sid, left_ms: null }]);
        for (const teller of [world.bridge, there])
            await until(async () => JSON.stringify(await present(teller)) === wanted, `${teller.ready.bridge} says that she is at ${name}`);
    }
    await ann.request({ type: "leave" });
    await rows(room, "bridge, reason", [{ bridge: "elsewhere", reason: "leave" }]);
});

test("nothing was lost", async () => {
    assert.equal(await metric(world.bridge, 'sigbridge_store_dropped_total{reason="queue-full"}'), 0);
    assert.equal(await metric(world.bridge, 'sigbridge_store_dropped_total{reason="disk"}'), 0);
    assert.equal(await metric(world.bridge, "sigbridge_store_ok"), 1);
});
