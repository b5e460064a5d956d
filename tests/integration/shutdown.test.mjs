/* The end of a bridge, in order and without warning, and what the next start makes of it. */
import assert from "node:assert/strict";
import { connect } from "node:net";
import { describe, test } from "node:test";
import { deadline, freePort, Program, tempDir, until } from "./harness.mjs";
import { assertNoSanitizer, inboxTopic, newRoom, presenceTopic, rosterOf, sees, sql, statusTopic, World } from "./world.mjs";

const LIMIT_MS = 5000;

/* Ends the bridge with a signal and says how long that took. */
async function end(world, signal = "SIGTERM") {
    const start = Date.now();
    world.bridge.kill(signal);
    await deadline(world.bridge.exited, "the end of the bridge");
    const took = Date.now() - start;
    await world.stop(world.bridge);
    assert.ok(took < LIMIT_MS, `${took} ms`);
    return took;
}

async function watched(options) {
    const world = await new World().start(options);
    world.eye = await world.mqtt();
    await world.eye.subscribe("sigbridge/v1/rooms/+/peers/+/presence");
    await world.eye.subscribe("sigbridge/v1/bridges/+/status");
    return world;
}

describe("SIGTERM", () => {
    for (const signal of ["SIGTERM", "SIGINT"])
        test(`${signal} while idle`, async () => {
            const world = await watched();
            await end(world, signal);
            await world.eye.expect(statusTopic(world.bridge.ready.bridge), (m) => m.message.online === false);
            await world.end();
        });

    test("sessions are told, and their presence is cleared", async () => {
        const world = await watched();
        const room = newRoom();
        const peers = [];
        for (let i = 0; i < 30; i++)
            peers.push(await world.join({ room, peer: `p${i}` }));
        const stranger = await world.connect(); /* not a member of anything */
        await stranger.ask({ type: "ping" }, "pong");
        await end(world);
        const delays = new Set();
        for (const peer of [...peers, stranger]) {
            assert.equal((await peer.closed).code, 1012);
            const closing = peer.received.at(-1);
            assert.equal(closing.type, "closing");
            assert.ok(closing.reason.length > 0 && Number.isInteger(closing.retryAfter) && closing.retryAfter > 0);
            delays.add(closing.retryAfter);
        }
        assert.ok(delays.size > 15, "not all come back at once");
        for (const peer of peers)
            assert.equal((await world.eye.expect(presenceTopic(room, peer.name), (m) => m.text === "")).reason, "drain");
        const rows = await sql(world.bridge, `SELECT reason, count(*) AS n FROM membership WHERE room = '${room}' GROUP BY reason`);
        assert.deepEqual(rows, [{ reason: "drain", n: 30 }]);
        await world.end();
    });

    test("what was sent before the end arrives and is acknowledged", async () => {
        const world = await watched();
        const room = newRoom();
        const cam = await world.device({ room, name: "cam" });
        const ann = await world.join({ room, peer: "ann" });
        for (let i = 0; i < 50; i++)
            ann.send({ type: "message", to: "cam", data: i, id: `n${i}` });
        await ann.ask({ type: "ping" }, "pong");
        await end(world);
        for (let i = 0; i < 50; i++)
            assert.equal((await cam.receive("message", "ann")).data, i);
        await world.end();
    });

    test("a client that reads nothing delays it by no more than the limit", async () => {
        const world = await watched();
        const room = newRoom();
        const ann = await world.join({ room, peer: "ann" });
        const bob = await world.join({ room, peer: "bob" });
        await sees(ann, "bob");
        bob.socket._socket.pause();
        for (let i = 0; i < 8; i++)
            await ann.request({ type: "message", to: "bob", data: "x".repeat(60000) });
        await end(world);
        assert.equal((await ann.closed).code, 1012);
        await world.eye.expect(presenceTopic(room, "bob"), (m) => m.text === "");
        bob.socket._socket.resume();
        await world.end();
    });

    test("nobody is let in any more", async () => {
        const world = await watched();
        const slow = await world.join({ room: newRoom(), peer: "slow" });
        slow.socket._socket.pause(); /* keeps the bridge waiting for the answer to its Close */
        world.bridge.kill("SIGTERM");
        await world.bridge.line("draining");
        const [host, port] = world.bridge.http.split(":");
        const refused = new Promise((resolve) => connect(Number(port), host).on("error", (error) => resolve(error.code)).on("connect", () => resolve("connected")));
        assert.equal(await deadline(refused, "an answer"), "ECONNREFUSED");
        slow.socket._socket.resume();
        await world.end();
    });

    test("twice: it ends at once", async () => {
        const world = await watched();
        const slow = await world.join({ room: newRoom(), peer: "slow" });
        slow.socket._socket.pause();
        world.bridge.kill("SIGTERM");
        await world.bridge.line("draining");
        const start = Date.now();
        world.bridge.kill("SIGTERM");
        await deadline(world.bridge.exited, "the end");
        assert.ok(Date.now() - start < 1500);
        await world.end();
    });

    for (const { name, away } of [
        { name: "the broker is gone", away: (broker) => broker.kill() },
        { name: "the broker is frozen", away: (broker) => broker.freeze() },
    ])
        test(`while ${name}`, async () => {
            const world = await watched();
            const room = newRoom();
            const ann = await world.join({ room, peer: "ann" });
            await world.broker.save();
            await away(world.broker);
            ann.send({ type: "message", data: 1 });
            await ann.ask({ type: "ping" }, "pong");
            await end(world);
            assert.equal((await ann.closed).code, 1012);
            await world.end();
        });

    test("before the broker was ever there", async () => {
        const http = `127.0.0.1:${await freePort()}`;
        const bridge = new Program(process.env.SIGBRIDGE_BIN, ["--dev", "--listen", http, "--data", tempDir(), "--broker", `mqtt://127.0.0.1:${await freePort()}`]);
        await until(() => fetch(`http://${http}/healthz`).then(() => true, () => false), "it listens");
        assert.deepEqual(await bridge.stop("SIGTERM", LIMIT_MS), { code: 0, signal: null });
        assertNoSanitizer(bridge);
    });
});

for (const scope of ["all", "rooms"])
    describe(`SIGKILL, presence.scope = ${scope}`, () => {
        test("what the killed bridge held is cleared before anyone is let in, and closed in the history", async () => {
            const config = `presence: { scope = "${scope}"; };\n`;
            const http = `127.0.0.1:${await freePort()}`;
            const world = await watched({ config, listen: http });
            const rooms = [newRoom(), newRoom()];
            const cam = await world.device({ room: rooms[0], name: "cam" });
            for (const room of rooms)
                for (let i = 0; i < 10; i++)
                    await world.join({ room, peer: `ghost${i}` });
            await until(async () => (await sql(world.bridge, "SELECT * FROM present WHERE transport = 'ws'")).length === 20, "all are recorded");
            await world.kill(world.bridge);
            const { data } = world.bridge;
            const before = Date.now();
            const starting = world.addBridge({ config, listen: http, data });
            /* At the door from the first moment on, under the name of a ghost. */
            const early = await until(async () => {
                try {
                    return await world.connect({ bridge: { wsUrl: `ws://${http}/ws` } });
                } catch {
                    return null;
                }
            }, "the door is open", { every: 2 });
            early.name = "ghost3";
            const joined = await early.ask({ type: "join", room: rooms[0], peer: "ghost3", meta: { real: true } }, "joined");
            assert.deepEqual(joined.peers.map((p) => p.peer), ["cam"]);
            world.bridge = await starting;
            for (const room of rooms)
                for (let i = 0; i < 10; i++)
                    assert.equal((await world.eye.expect(presenceTopic(room, `ghost${i}`), (m) => m.text === "")).reason, "bridge-restart");
            await early.request({ type: "message", to: "cam", data: 1 });
            await cam.receive("message", "ghost3");
            const present = await until(async () => {
                const rows = await sql(world.bridge, "SELECT room, peer, meta FROM present ORDER BY peer");
                return rows.length === 2 && rows;
            }, "two are present");
            assert.deepEqual(present.map((row) => row.peer), ["cam", "ghost3"]);
            const closed = await sql(world.bridge, "SELECT reason, left_ms - joined_ms >= 0 AS ordered, left_ms FROM membership WHERE left_ms IS NOT NULL AND transport = 'ws'");
            assert.equal(closed.length, 20);
            for (const row of closed)
                assert.ok(row.reason === "bridge-restart" && row.ordered === 1 && row.left_ms >= before - 1000, JSON.stringify(row));
            if (scope === "all")
                assert.equal((await sql(world.bridge, "SELECT count(*) AS n FROM membership WHERE peer = 'cam'"))[0].n, 1, "the device has one membership");
            await world.end();
        });

        test("devices that went while no bridge ran are closed in the history", async () => {
            const config = `presence: { scope = "${scope}"; };\n`;
            const world = await watched({ config });
            const room = newRoom();
            const cams = await Promise.all(["goes", "stays"].map((name) => world.device({ room, name, presence: {} })));
            const ann = await world.join({ room, peer: "ann" });
            await sees(ann, "goes", "stays");
            await until(async () => (await sql(world.bridge, "SELECT * FROM present")).length === 3, "all are recorded");
            await world.kill(world.bridge);
            await cams[0].drop();
            await world.eye.expect(presenceTopic(room, "goes"), (m) => m.text === "");
            world.bridge = await world.addBridge({ config, data: world.bridge.data });
            const bob = await world.join({ room, peer: "bob" });
            assert.deepEqual([...rosterOf(bob).keys()], ["stays"]);
            const rows = await until(async () => {
                const list = await sql(world.bridge, "SELECT peer, reason FROM membership ORDER BY peer, joined_ms");
                return list.some((row) => row.peer === "bob") && list.some((row) => row.peer === "goes" && row.reason) && list;
            }, "the history is closed");
            assert.deepEqual(rows.filter((row) => row.peer !== "stays"), [{ peer: "ann", reason: "bridge-restart" }, { peer: "bob", reason: null }, { peer: "goes", reason: "missed" }]);
            if (scope === "all")
                assert.deepEqual(rows.filter((row) => row.peer === "stays"), [{ peer: "stays", reason: null }]);
            await world.end();
        });
    });

test("killed and started ten times, with sessions and calls each time", async () => {
    const world = await watched();
    const room = newRoom();
    const cam = await world.device({ room, name: "cam" });
    for (let i = 0; i < 10; i++) {
        const ann = await world.join({ room, peer: "ann" });
        await ann.request({ type: "message", to: "cam", data: i });
        assert.equal((await cam.receive("message", "ann")).data, i);
        await cam.publish(inboxTopic(room, "_bridge", "cam"), { type: "ice-servers", id: `q${i}` });
        await cam.mail.expect((m) => m.message?.id === `q${i}` && m.message.type === "ice-servers");
        await world.kill(world.bridge);
        world.bridge = await world.addBridge({ data: world.bridge.data });
    }
    const rows = await sql(world.bridge, "SELECT reason, count(*) AS n FROM membership WHERE peer = 'ann' GROUP BY reason");
    assert.ok(rows.every((row) => row.reason === "bridge-restart"), JSON.stringify(rows));
    await world.end();
});
