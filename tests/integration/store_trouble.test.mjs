/* The database in trouble under a running bridge: damaged, deleted, full, locked, killed, old. Nobody who
 * is connected notices; what is missing is counted; and in the end it tells who is present. */
import assert from "node:assert/strict";
import { chmodSync, closeSync, existsSync, openSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { Program, repository, run, tempDir, until } from "./harness.mjs";
import { get, metric, newRoom, presenceTopic, sees, sql, statusTopic, World } from "./world.mjs";

const database = (bridge) => join(bridge.data, "sigbridge.db");
const movedFiles = (data) => readdirSync(data).filter((name) => /^sigbridge\.db\.damaged-\d{8}T\d{6}Z(-\d+)?$/.test(name));

/* All but the first page, with the WAL file emptied before: nothing else holds what was there. */
async function scribble(bridge) {
    const { code, stderr } = await run("sqlite3", [database(bridge), "UPDATE run SET bridge = bridge; PRAGMA wal_checkpoint(TRUNCATE)"]);
    assert.equal(code, 0, stderr);
    const file = openSync(database(bridge), "r+");
    for (let at = 4096; at < statSync(database(bridge)).size; at += 4096)
        writeSync(file, Buffer.alloc(4096, "!"), 0, 4096, at);
    closeSync(file);
}

const presentNames = async (bridge, room) => (await sql(bridge, `SELECT peer FROM present WHERE room = '${room}' ORDER BY peer`)).map((row) => row.peer);

async function isPresent(bridge, room, ...names) {
    let last;
    await until(async () => `${last = await presentNames(bridge, room).catch((error) => [error.message])}` === `${names.sort()}`,
        () => `${names} are recorded; there are ${last}`);
}

async function isSound(bridge) {
    assert.deepEqual(await sql(bridge, "PRAGMA integrity_check"), [{ integrity_check: "ok" }]);
}

/* Those who are connected are served as ever. */
async function canTalk(ann, bob) {
    await ann.request({ type: "message", to: bob.name, data: "still here" });
    await bob.expect("message");
}

/* ---- damage ---- */

for (const scope of ["all", "rooms"])
    test(`damaged while the bridge was down, presence.scope = ${scope}: moved aside, and the ghosts are cleared all the same`, async () => {
        const config = `presence: { scope = "${scope}"; };\n`;
        const world = await new World().start({ config });
        const room = newRoom();
        const eye = await world.mqtt();
        await eye.subscribe(presenceTopic("+", "+"));
        await world.device({ room, name: "cam" });
        await world.join({ room, peer: "ghost" });
        await isPresent(world.bridge, room, "cam", "ghost");
        await world.kill(world.bridge);
        const { data } = world.bridge;
        await scribble({ data });
        const before = readFileSync(join(data, "sigbridge.db"));
        world.bridge = await world.addBridge({ config, data });
        const line = await world.bridge.line(" error store-damaged ");
        const moved = movedFiles(data);
        assert.equal(moved.length, 1);
        assert.ok(line.includes(`file=${join(data, "sigbridge.db")} moved_to=${join(data, moved[0])} `) && line.includes("remedy="), line);
        assert.deepEqual(readFileSync(join(data, moved[0])), before);
        assert.equal(await metric(world.bridge, "sigbridge_store_damaged_total"), 1);
        const ann = await world.join({ room, peer: "ann" });
        assert.deepEqual(ann.joined.peers.map((p) => p.peer), ["cam"]);
        assert.equal((await eye.expect(presenceTopic(room, "ghost"), (m) => m.text === "")).reason, "bridge-restart");
        await isPresent(world.bridge, room, "ann", "cam");
        await isSound(world.bridge);
        await world.end();
    });

const running = [
    { name: "damaged", make: scribble, damaged: 1 },
    { name: "cut off", make: (bridge) => truncateSync(database(bridge), 4096), damaged: 1 },
    { name: "deleted", make: (bridge) => rmSync(database(bridge)), damaged: 0 },
];
for (const { name, make, damaged } of running)
    test(`${name} while the bridge runs: nobody notices, and who is present is recorded anew`, async () => {
        const world = await new World().start({ args: ["--bridge-id", "here"] });
        const room = newRoom();
        await world.device({ room, name: "cam" });
        const [ann, bob] = [await world.join({ room, peer: "ann", meta: { a: 1 } }), await world.join({ room, peer: "bob" })];
        await isPresent(world.bridge, room, "ann", "bob", "cam");
        const columns = "SELECT peer, kind, bridge, transport, sid, meta, since_ms FROM membership WHERE left_ms IS NULL ORDER BY peer";
        const before = await sql(world.bridge, columns);
        if (name === "cut off") /* the pages are read again when somebody else has written */
            await run("sqlite3", [database(world.bridge), "UPDATE run SET bridge = bridge; PRAGMA wal_checkpoint(TRUNCATE)"]);
        await make(world.bridge);
        const eve = await world.join({ room, peer: "eve" });
        await canTalk(ann, bob);
        await isPresent(world.bridge, room, "ann", "bob", "cam", "eve");
        await eve.request({ type: "leave" });
        await isPresent(world.bridge, room, "ann", "bob", "cam");
        assert.deepEqual(await sql(world.bridge, columns), before);
        await world.bridge.line(damaged ? " error store-damaged " : " error store-taken-away ");
        assert.equal(movedFiles(world.bridge.data).length, damaged);
        assert.equal(await metric(world.bridge, "sigbridge_store_damaged_total"), damaged);
        assert.equal(await metric(world.bridge, 'sigbridge_store_dropped_total{reason="disk"}'), 0);
        await world.ready();
        await isSound(world.bridge);
        await world.end();
    });

/* ---- full, locked ---- */

/* Runs `start` with a bridge program whose directory is a file system of 1 MiB of its own. */
async function onSmallDisk(data, start) {
    const program = process.env.SIGBRIDGE_BIN;
    const wrapper = join(tempDir(), "small-disk");
    writeFileSync(wrapper, `#!/bin/sh\nexec unshare -rm sh -c 'mount -t tmpfs -o size=1m tmpfs "${data}" && exec "${program}" "$@"' sh "$@"\n`);
    chmodSync(wrapper, 0o755);
    process.env.SIGBRIDGE_BIN = wrapper;
    try {
        return await start();
    } finally {
        process.env.SIGBRIDGE_BIN = program;
    }
}

/* Like sql(), in the bridge's own file systems. */
async function sqlInside(bridge, query) {
    const { code, stdout, stderr } = await run("nsenter", ["-t", String(bridge.pid), "-U", "-m", "--preserve-credentials",
        "sqlite3", "-json", "-readonly", database(bridge), query]);
    assert.equal(code, 0, stderr);
    return stdout.trim() === "" ? [] : JSON.parse(stdout);
}

test("the disk is full: what waits is written when there is room again", async () => {
    const data = tempDir();
    const world = await onSmallDisk(data, () => new World().start({ data }));
    const room = newRoom();
    const count = async (condition) => (await sqlInside(world.bridge, `SELECT count(*) AS n FROM membership WHERE room = '${room}' AND ${condition}`))[0].n;
    const [ann, bob] = [await world.join({ room, peer: "ann" }), await world.join({ room, peer: "bob" })];
    await until(async () => await count("left_ms IS NULL") === 2, "both are recorded");
    const fill = join(`/proc/${world.bridge.pid}/root`, data, "filler");
    const filler = openSync(fill, "w");
    assert.throws(() => {
        for (;;)
            writeSync(filler, Buffer.alloc(4096));
    }, { code: "ENOSPC" });
    for (let i = 0; i < 100; i++) {
        const peer = await world.join({ room, peer: `p${i}`, meta: { text: "x".repeat(1000) } });
        if (i % 2)
            await peer.request({ type: "leave" });
    }
    await canTalk(ann, bob);
    const { text } = await world.ready(world.bridge, 503);
    assert.match(text, /database: /);
    assert.ok(await metric(world.bridge, "sigbridge_store_queued") > 0);
    closeSync(filler);
    rmSync(fill);
    await world.bridge.line(" info store-recovered ");
    await world.ready();
    await until(async () => await count("left_ms IS NULL") === 52, "all are recorded");
    assert.equal(await count("reason = 'leave'"), 50);
    assert.deepEqual(await sqlInside(world.bridge, "PRAGMA integrity_check"), [{ integrity_check: "ok" }]);
    await world.end();
});

test("locked for longer than the queue has room: what is lost is counted, who is present is not lost", async () => {
    const world = await new World().start({ config: "limits: { store_queue = 64; };\n" });
    const room = newRoom();
    const [ann, bob] = [await world.join({ room, peer: "ann" }), await world.join({ room, peer: "bob" })];
    await isPresent(world.bridge, room, "ann", "bob");
    const holder = new Program("sqlite3", [database(world.bridge)]);
    holder.write("PRAGMA busy_timeout = 5000;\nBEGIN EXCLUSIVE;\nSELECT 'locked';\n");
    await holder.line("locked");
    for (let i = 0; i < 200; i++) {
        await ann.request({ type: "leave" });
        await ann.ask({ type: "join", room, peer: "ann", meta: { i } }, "joined");
    }
    await canTalk(ann, bob);
    await world.ready(world.bridge, 503);
    await world.bridge.line(" warn store-dropping ");
    const dropped = await metric(world.bridge, 'sigbridge_store_dropped_total{reason="queue-full"}');
    assert.equal(dropped, 400 - 64);
    assert.equal(await metric(world.bridge, "sigbridge_store_unsettled"), 1);
    holder.write("ROLLBACK;\n");
    holder.child.stdin.end();
    await holder.exited;
    await world.bridge.line(" info store-recovered ");
    await isPresent(world.bridge, room, "ann", "bob");
    await until(async () => (await sql(world.bridge, "SELECT meta FROM present WHERE peer = 'ann'"))[0].meta === '{"i":199}', "her last state is recorded");
    await isSound(world.bridge);
    await world.end();
});

/* ---- killed ---- */

test("killed in a storm of joins, again and again: the file is sound, and closes what was open", async () => {
    const world = await new World().start();
    const { data } = world.bridge;
    for (let round = 0; round < 5; round++) {
        const room = newRoom();
        const storm = Promise.allSettled(Array.from({ length: 60 }, (_, i) => world.join({ room, peer: `p${i}` })));
        await until(async () => (await presentNames(world.bridge, room)).length > round * 10, "some are recorded", { every: 1 });
        await world.kill(world.bridge);
        await storm;
        await isSound({ data });
        const open = (await sql({ data }, "SELECT id FROM membership WHERE left_ms IS NULL")).length;
        assert.ok(open > round * 10);
        world.bridge = await world.addBridge({ data });
        assert.equal((await sql(world.bridge, `SELECT id FROM membership WHERE room = '${room}' AND reason = 'bridge-restart'`)).length, open);
        const ann = await world.join({ room, peer: "ann" });
        assert.deepEqual(ann.joined.peers, []);
        await isPresent(world.bridge, room, "ann");
        await ann.request({ type: "leave" });
        await isPresent(world.bridge, room);
    }
    await world.end();
});

/* ---- memberships that move ---- */

describe("a session that moves between bridges", () => {
    const online = (run) => ({ online: true, run, since: Date.now(), version: "1" });

    test("keeps its one row, wherever it is", async () => {
        const world = await new World().start({ args: ["--bridge-id", "here"] });
        const room = newRoom();
        const writer = await world.mqtt();
        const since = Date.now() - 1000;
        for (const name of ["x", "y"])
            await writer.publish(statusTopic(name), online(name.repeat(6)), { retain: true });
        for (const name of ["x", "y", "x"]) {
            await writer.publish(presenceTopic(room, "bob"), { kind: "browser", via: name, sid: `${name.repeat(6)}-0123456789abc`, since }, { retain: true });
            await until(async () => (await sql(world.bridge, "SELECT bridge FROM present WHERE peer = 'bob'"))[0]?.bridge === name, `bob is at ${name}`);
        }
        assert.deepEqual(await sql(world.bridge, "SELECT peer, bridge, sid, since_ms, joined_ms, left_ms FROM membership"),
            [{ peer: "bob", bridge: "x", sid: "xxxxxx-0123456789abc", since_ms: since, joined_ms: since, left_ms: null }]);
        /* And over a restart of this one. */
        await world.kill(world.bridge);
        world.bridge = await world.addBridge({ args: ["--bridge-id", "here"], data: world.bridge.data });
        const ann = await world.join({ room, peer: "ann" });
        await sees(ann, "bob");
        await isPresent(world.bridge, room, "ann", "bob");
        assert.equal((await sql(world.bridge, "SELECT id FROM membership WHERE peer = 'bob'")).length, 1);
        await world.end();
    });

    test("and is not ended nor cleared when the bridge where it was is killed and comes back", async () => {
        const world = await new World().start({ args: ["--bridge-id", "here"] });
        const room = newRoom();
        const there = await world.addBridge({ args: ["--bridge-id", "there"] });
        const before = await world.join({ room, peer: "bob" });
        const eve = await world.join({ room, peer: "eve" });
        before.terminate();
        await before.closed;
        const bob = await world.connect({ bridge: there });
        const { session, secret } = before.joined;
        const seq = Math.max(0, ...before.received.filter((m) => m.seq !== undefined).map((m) => m.seq));
        const resumed = await bob.ask({ type: "resume", session, secret, seq }, "resumed");
        await until(async () => (await sql(world.bridge, "SELECT bridge FROM present WHERE peer = 'bob'"))[0]?.bridge === "there", "bob is there");
        await world.kill(world.bridge);
        await eve.closed;
        world.bridge = await world.addBridge({ args: ["--bridge-id", "here"], data: world.bridge.data });
        const ann = await world.join({ room, peer: "ann" });
        await sees(ann, "bob");
        await isPresent(world.bridge, room, "ann", "bob");
        assert.deepEqual(await sql(world.bridge, "SELECT bridge, sid, left_ms FROM membership WHERE peer = 'bob'"),
            [{ bridge: "there", sid: resumed.session.split(".")[1], left_ms: null }]);
        assert.deepEqual(await sql(world.bridge, "SELECT reason FROM membership WHERE peer = 'eve'"), [{ reason: "bridge-restart" }]);
        ann.send({ type: "message", to: "bob", data: 1 });
        await bob.expect("message");
        await world.end();
    });

    test("and one that moved away just before its old bridge was killed is neither ended nor cleared by it", async () => {
        const world = await new World().start({ args: ["--bridge-id", "here"] });
        const room = newRoom();
        const writer = await world.mqtt();
        await world.join({ room, peer: "bob" });
        await isPresent(world.bridge, room, "bob");
        const [{ sid, since_ms: since }] = await sql(world.bridge, "SELECT sid, since_ms FROM present JOIN membership USING (sid)");
        await world.kill(world.bridge);
        await writer.publish(statusTopic("there"), online("tttttt"), { retain: true });
        const moved = { kind: "browser", via: "there", sid: `tttttt-${sid.split("-")[1]}`, since };
        await writer.publish(presenceTopic(room, "bob"), moved, { retain: true });
        world.bridge = await world.addBridge({ args: ["--bridge-id", "here"], data: world.bridge.data });
        const ann = await world.join({ room, peer: "ann" });
        await sees(ann, "bob");
        await isPresent(world.bridge, room, "ann", "bob");
        assert.deepEqual(await sql(world.bridge, "SELECT bridge, sid, left_ms, reason, uncleared FROM membership WHERE peer = 'bob'"),
            [{ bridge: "there", sid: moved.sid, left_ms: null, reason: null, uncleared: 0 }]);
        await world.end();
    });
});

/* ---- old ---- */

/* A directory with the database of version 1, of a bridge "here": last used in May 2026. */
async function oldDatabase() {
    const data = tempDir();
    const { code, stderr } = await run("sqlite3", [join(data, "sigbridge.db")],
        { input: readFileSync(join(repository, "tests/unit/test_store_v1.sql"), "utf8") });
    assert.equal(code, 0, stderr);
    return data;
}

test("a database of an older version is migrated, and shown", async () => {
    const data = await oldDatabase();
    const show = () => run(process.env.SIGBRIDGE_BIN, ["presence", "--history", "--data", data]);
    const early = await show();
    assert.equal(early.code, 1);
    assert.match(early.stderr, /start the bridge once to bring it to version 2/);
    const world = await new World().start({ args: ["--bridge-id", "here"], data, config: "history: { keep_days = 0; };\n" });
    const room = newRoom();
    await world.join({ room, peer: "ann" });
    await isPresent(world.bridge, room, "ann");
    assert.deepEqual(await sql(world.bridge, "PRAGMA user_version"), [{ user_version: 2 }]);
    const { code, stdout } = await show();
    assert.equal(code, 0);
    for (const name of ["ann", "cam1", "bob", "mia", "tom", "eva"])
        assert.match(stdout, new RegExp(`\\b${name}\\b`));
    assert.equal(await metric(world.bridge, "sigbridge_store_pruned_total"), 0);
    await isSound(world.bridge);
    await world.end();
});

test("what ended longer ago than it is kept goes; who has to be cleared in the broker stays until then", async () => {
    const data = await oldDatabase();
    const args = ["--bridge-id", "here"];
    const ended = Date.UTC(2026, 4, 28, 20, 26, 49); /* bob; the machine's clock is later */
    const days = Math.floor((Date.now() - ended) / 86_400_000);
    const names = (bridge) => sql(bridge, "SELECT peer FROM membership ORDER BY id").then((rows) => rows.map((row) => row.peer).join());
    const world = await new World().start({ args, data, config: `history: { keep_days = ${days + 2}; };\n` });
    assert.equal(await metric(world.bridge, "sigbridge_store_pruned_total"), 0);
    assert.match(await names(world.bridge), /^ann,cam1,bob,mia,tom,eva$/);
    await world.stop(world.bridge);
    world.bridge = await world.addBridge({ args, data, config: `history: { keep_days = ${days - 1}; };\n` });
    await world.bridge.line(" info store-pruned ");
    assert.ok(await metric(world.bridge, "sigbridge_store_pruned_total") > 0);
    assert.doesNotMatch(await names(world.bridge), /bob/);
    const help = await run(process.env.SIGBRIDGE_BIN, ["presence", "--help"]);
    assert.match(help.stdout, /history\.keep_days/);
    await world.end();
});

test("nothing of this is left beside the database", async () => {
    const world = await new World().start();
    await world.join({ room: newRoom(), peer: "ann" });
    assert.ok(existsSync(database(world.bridge)));
    assert.equal((await get(world.bridge, "/readyz")).status, 200);
    await world.end();
    assert.deepEqual(readdirSync(world.bridge.data).filter((name) => name.startsWith("sigbridge.db")), ["sigbridge.db"]);
});
