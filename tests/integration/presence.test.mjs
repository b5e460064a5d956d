/* Who is there: as the broker has it, told to everyone, in its order (protocol section 5). */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { deadline, until } from "./harness.mjs";
import { assertSchema, get, metric, newRoom, presenceTopic, rosterOf, sees, World } from "./world.mjs";

const world = new World();
let eye; /* an MQTT client that sees every presence */
before(async () => {
    await world.start({ config: "presence: { resume_window = 0; };\n" }); /* what it changes: resume.test.mjs */
    eye = await world.mqtt();
    await eye.subscribe("sigbridge/v1/rooms/+/peers/+/presence");
});
after(() => world.end());

/* What a client that comes now gets to see as retained on a topic: the presence, or undefined. */
async function retained(topic) {
    const reader = await world.mqtt();
    await reader.subscribe(topic);
    await reader.subscribe("fence");
    await reader.publish("fence", "x");
    await reader.expect("fence");
    const found = reader.mail.all.find((m) => m.topic === topic);
    await reader.end();
    return found;
}

const sidOf = (joined) => joined.session.slice(joined.session.indexOf(".") + 1);

/* ---- joining ---- */

test("who has joined is retained in the broker, with everything that belongs to a session", async () => {
    for (let i = 0; i < 5; i++) {
        const room = newRoom();
        const ann = await world.join({ room, peer: "ann", meta: { name: "Ann", i } });
        const { message, expiry } = await retained(presenceTopic(room, "ann"));
        assertSchema("presence.json", message);
        const { since, ...rest } = message;
        assert.deepEqual(rest, { kind: "browser", meta: { name: "Ann", i }, via: world.bridge.ready.bridge, sid: sidOf(ann.joined), ttl: 600, bundle: true, together: true });
        assert.ok(Math.abs(since - Date.now()) < 10_000);
        assert.ok(expiry > 590 && expiry <= 600, `expires in ${expiry} s`);
    }
});

test("joined does not come before the broker has the presence", async () => {
    const room = newRoom();
    const ann = await world.connect();
    world.broker.freeze();
    ann.send({ type: "join", room, peer: "ann" });
    ann.send({ type: "ping" });
    await ann.expect("pong");
    await new Promise((resolve) => setTimeout(resolve, 300));
    assert.equal(ann.has("joined"), false);
    world.broker.thaw();
    await ann.expect("joined");
});

test("who has joined can be signaled by everyone who knows it", async () => {
    const room = newRoom();
    const cam = await world.device({ room, name: "cam" });
    for (let i = 0; i < 20; i++) {
        const ann = await world.join({ room, peer: `ann${i}` });
        await cam.send(`ann${i}`, { type: "message", data: i });
        assert.equal((await ann.expect("message")).data, i);
    }
});

test("somebody is announced before it is heard", async () => {
    const room = newRoom();
    const ann = await world.join({ room, peer: "ann" });
    const writer = await world.mqtt();
    for (let i = 0; i < 30; i++) {
        writer.publish(presenceTopic(room, `dev${i}`), {}, { retain: true });
        writer.publish(`sigbridge/v1/rooms/${room}/peers/ann/in/dev${i}`, { type: "message", data: i });
    }
    for (let i = 0; i < 30; i++) {
        const { from, seq } = await ann.expect("message");
        const announced = ann.received.find((m) => m.joined?.some((p) => p.peer === from));
        assert.ok(announced.seq < seq, `${from} is announced in ${announced.seq}, heard in ${seq}`);
    }
});

test("a room knows nothing of another one", async () => {
    const [one, two] = [newRoom(), newRoom()];
    const ann = await world.join({ room: one, peer: "ann" });
    await world.join({ room: two, peer: "bob" });
    await world.device({ room: two, name: "cam" });
    const eve = await world.join({ room: one, peer: "eve" });
    assert.deepEqual(eve.joined.peers.map((p) => p.peer), ["ann"]);
    await sees(ann, "eve");
    assert.deepEqual([...rosterOf(ann).keys()], ["eve"]);
});

/* ---- many at once ---- */

test("200 sockets join one room at once, and leave it at once", async () => {
    const room = newRoom();
    const names = Array.from({ length: 200 }, (_, i) => `p${i}`);
    const watcher = await world.join({ room, peer: "watcher" });
    const sockets = await Promise.all(names.map(() => world.connect()));
    const before = await metric(world.bridge, "sigbridge_presence_frames_total");
    const start = Date.now();
    await Promise.all(sockets.map(async (socket, i) => {
        socket.name = names[i];
        socket.joined = await socket.ask({ type: "join", room, peer: names[i], meta: { i } }, "joined");
    }));
    for (const socket of [watcher, ...sockets])
        await until(() => rosterOf(socket).size === 200, () => `${socket.name} sees ${rosterOf(socket).size}`, { every: 5 });
    const took = Date.now() - start;
    const sorted = (socket) => [...rosterOf(socket).values()].sort((a, b) => (a.peer < b.peer ? -1 : 1));
    const everyone = sorted(watcher);
    assert.deepEqual(everyone.map((p) => p.peer), [...names].sort());
    for (const socket of sockets)
        assert.deepEqual(sorted(socket).filter((p) => p.peer !== "watcher"), everyone.filter((p) => p.peer !== socket.name));
    const frames = await metric(world.bridge, "sigbridge_presence_frames_total") - before;
    assert.ok(frames < 200 * 200 / 4, `${frames} presence frames`);
    console.log(`# 200 joins: ${took} ms, ${frames} presence frames`);

    for (const socket of sockets)
        socket.send({ type: "leave" });
    await until(() => rosterOf(watcher).size === 0, () => `${rosterOf(watcher).size} are still there`);
    await Promise.all(sockets.map((socket) => socket.close()));
    assert.equal(await metric(world.bridge, "sigbridge_presence_frames_total") - before - frames > 0, true);
});

test("a room of devices is there at once for who comes, and a flood of changes ends well", async () => {
    const room = newRoom();
    const writer = await world.mqtt();
    const all = (presence) => Promise.all(Array.from({ length: 300 }, (_, i) => writer.publish(presenceTopic(room, `dev${i}`), presence(i), { retain: true })));
    await all((i) => ({ kind: "device", meta: { i } }));
    const ann = await world.join({ room, peer: "ann" });
    assert.equal(ann.joined.peers.length, 300);
    const bob = await world.join({ room, peer: "bob" });
    /* Every third goes, every third is changed, every third goes and comes back. */
    for (let i = 0; i < 300; i++) {
        const topic = presenceTopic(room, `dev${i}`);
        if (i % 3 !== 1)
            writer.publish(topic, "", { retain: true });
        if (i % 3 !== 0)
            writer.publish(topic, { kind: "device", meta: { i, changed: true } }, { retain: true });
    }
    await writer.publish(presenceTopic(room, "last"), {}, { retain: true });
    for (const peer of [ann, bob]) {
        await sees(peer, "last");
        const devices = [...rosterOf(peer).values()].filter((p) => p.peer.startsWith("dev"));
        assert.equal(devices.length, 200);
        assert.ok(devices.every((p) => p.meta.changed));
    }
    await all(() => "");
});

/* ---- changes ---- */

test("a peer that goes and comes back between two frames stands in left and in joined", async () => {
    const room = newRoom();
    const ann = await world.join({ room, peer: "ann" });
    const writer = await world.mqtt();
    const topic = presenceTopic(room, "dev");
    await writer.publish(topic, { since: 1000 }, { retain: true });
    await sees(ann, "dev");
    for (let i = 1; i <= 20; i++) {
        writer.publish(topic, "", { retain: true });
        await writer.publish(topic, { since: 1000 + i }, { retain: true });
        await until(() => rosterOf(ann).get("dev")?.since === 1000 + i, "the new one is known", { every: 5 });
    }
    const told = ann.received.filter((m) => m.type === "presence");
    const count = (list) => told.flatMap((m) => m[list] ?? []).filter((p) => p.peer === "dev").length;
    assert.deepEqual([count("joined"), count("left"), count("updated")], [21, 20, 0]);
});

test("presence that says the same again is no change", async () => {
    const room = newRoom();
    const cam = await world.device({ room, name: "cam", presence: { meta: { a: 1 } } });
    const ann = await world.join({ room, peer: "ann" });
    for (let i = 0; i < 5; i++)
        await cam.present({ meta: { a: 1 } });
    await cam.present({ meta: { a: 2 } });
    assert.deepEqual((await ann.expect((m) => m.type === "presence" && m.updated)).updated[0].meta, { a: 2 });
    assert.equal(ann.received.filter((m) => m.updated).length, 1);
});

const ends = [
    { name: "leave", end: (peer) => peer.request({ type: "leave" }), reason: "leave" },
    { name: "close", end: (peer) => peer.close(), reason: "closed" },
    { name: "a broken connection", end: (peer) => peer.terminate(), reason: "closed" },
    { name: "a frame that is no JSON", end: (peer) => peer.send("x"), reason: "closed" },
];

for (const { name, end, reason } of ends)
    test(`who ends by ${name} is gone for everyone, in the broker too`, async () => {
        const room = newRoom();
        const bob = await world.join({ room, peer: "bob" });
        const ann = await world.join({ room, peer: "ann" });
        await sees(bob, "ann");
        await end(ann);
        assert.deepEqual((await bob.expect((m) => m.left)).left, [{ peer: "ann", reason }]);
        assert.equal(await retained(presenceTopic(room, "ann")), undefined);
        await assert.rejects(bob.request({ type: "bye", to: "ann" }), { error: "peer-not-found" });
    });

/* ---- the same name again ---- */

const returns = [
    { name: "after the ack of leave", again: async (peer, join) => {
        await peer.request({ type: "leave" });
        await peer.ask(join, "joined");
        return peer;
    } },
    { name: "without waiting for anything", again: async (peer, join) => {
        peer.send({ type: "leave" });
        await peer.ask(join, "joined");
        return peer;
    } },
    { name: "on a new socket, after closing the old", again: async (peer, join) => {
        await peer.close();
        return world.join(join);
    } },
    { name: "on a new socket, after breaking the old", again: async (peer, join) => {
        const next = await world.connect();
        await peer.terminate();
        /* The bridge may hear of the end after the join: a page that was reloaded tries again. */
        for (;;) {
            try {
                await next.ask(join, "joined");
                next.name = join.peer;
                return next;
            } catch (error) {
                assert.equal(error.error, "peer-taken");
            }
        }
    } },
];

for (const { name, again } of returns)
    test(`leave and join 50 times under one name leaves no ghost: ${name}`, async () => {
        const room = newRoom();
        const bob = await world.join({ room, peer: "bob" });
        let ann = await world.join({ room, peer: "ann" });
        let last;
        for (let i = 1; i <= 50; i++) {
            ann = await again(ann, { type: "join", room, peer: "ann", meta: { i } });
            last = ann.received.findLast((m) => m.type === "joined");
        }
        await until(() => rosterOf(bob).get("ann")?.meta?.i === 50, "the last one is known");
        assert.equal((await retained(presenceTopic(room, "ann"))).message.sid, sidOf(last));
        await bob.request({ type: "message", to: "ann", data: "for the last" });
        assert.equal((await ann.expect("message")).data, "for the last");
        await ann.close();
        await until(() => rosterOf(bob).size === 0, "ann is gone");
        assert.equal(await retained(presenceTopic(room, "ann")), undefined);
        const told = bob.received.filter((m) => m.type === "presence");
        const count = (list) => told.flatMap((m) => m[list] ?? []).length;
        assert.equal(count("joined"), count("left"), "as many came as went");
        assert.equal(count("updated"), 0, "another session is no update");
    });

test("two sockets at once ask for one name: one gets it", async () => {
    for (let i = 0; i < 10; i++) {
        const room = newRoom();
        const sockets = await Promise.all([1, 2, 3].map(() => world.connect()));
        const answers = await Promise.allSettled(sockets.map((s) => s.ask({ type: "join", room, peer: "ann" }, "joined")));
        assert.deepEqual(answers.map((a) => a.reason?.error ?? "joined").sort(), ["joined", "peer-taken", "peer-taken"]);
    }
});

/* ---- others who write on a session's presence ---- */

for (const { name, payload } of [{ name: "cleared", payload: "" }, { name: "overwritten with garbage", payload: "{" }])
    test(`a session's presence that somebody has ${name} is published again`, async () => {
        const room = newRoom();
        const bob = await world.join({ room, peer: "bob" });
        const ann = await world.join({ room, peer: "ann", meta: { here: true } });
        await sees(bob, "ann");
        const topic = presenceTopic(room, "ann");
        const writer = await world.mqtt();
        for (let i = 0; i < 4; i++)
            await writer.publish(topic, payload, { retain: true });
        await until(async () => (await retained(topic))?.message?.sid === sidOf(ann.joined), "it is there again");
        assert.deepEqual((await retained(topic)).message.meta, { here: true });
        await bob.request({ type: "message", to: "ann", data: 1 });
        await ann.expect("message");
        assert.equal(bob.received.some((m) => m.left), false, "nobody was told that it went");
    });

test("a device that takes a session's name has it: the session is closed with 4409", async () => {
    const room = newRoom();
    const bob = await world.join({ room, peer: "bob" });
    const ann = await world.join({ room, peer: "ann" });
    await sees(bob, "ann");
    const device = await world.device({ room, name: "ann", presence: { kind: "device", meta: { real: true } } });
    assert.equal((await deadline(ann.closed, "the close")).code, 4409);
    const { left, joined } = await bob.expect((m) => m.left);
    assert.deepEqual(left, [{ peer: "ann", reason: "replaced" }]);
    assert.deepEqual(joined.map((p) => [p.peer, p.kind, p.meta]), [["ann", "device", { real: true }]]);
    await bob.request({ type: "message", to: "ann", data: 1 });
    await device.receive("message", "bob");
    assert.deepEqual((await retained(presenceTopic(room, "ann"))).message, { kind: "device", meta: { real: true } });
    /* Nothing of the bridge listens any more in that name. */
    await device.end();
    await assert.rejects(bob.request({ type: "message", to: "ann", data: 2 }), { error: "peer-not-found" });
});

test("everything that the bridge published as presence fits the schema", async () => {
    for (const { topic, message, text } of eye.mail.all)
        if (text !== "" && message?.via === world.bridge.ready.bridge)
            assertSchema("presence.json", message, topic);
    assert.ok(eye.mail.all.length > 200);
    assert.equal((await get(world.bridge, "/readyz")).status, 200);
});
