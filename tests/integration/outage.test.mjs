/* The broker goes away and comes back (protocol section 8). */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { deadline, freePort, until } from "./harness.mjs";
import { assertError, Line, metric, newRoom, presenceTopic, rosterOf, sees, World } from "./world.mjs";

const sidOf = (joined) => joined.session.slice(joined.session.indexOf(".") + 1);

async function retained(world, topic) {
    const reader = await world.mqtt();
    await reader.subscribe(topic);
    await reader.subscribe("fence");
    await reader.publish("fence", "x");
    await reader.expect("fence");
    await reader.end();
    return reader.mail.all.find((m) => m.topic === topic)?.message;
}

for (const persistence of [true, false])
    describe(`the broker is killed and starts again, ${persistence ? "with what it had saved" : "with nothing"}`, () => {
        const world = new World();
        before(() => world.start({ brokerOptions: { persistence } }));
        after(() => world.end());

        const outage = async (meanwhile) => {
            if (persistence)
                await world.broker.save();
            await world.broker.kill();
            await world.ready(world.bridge, 503);
            await meanwhile?.();
            await world.broker.restart();
        };

        test("sockets stay, and what is sent meanwhile arrives in order, acknowledged", async () => {
            const room = newRoom();
            const ann = await world.join({ room, peer: "ann" });
            const bob = await world.join({ room, peer: "bob" });
            await sees(ann, "bob");
            const acks = [];
            await outage(async () => {
                for (let i = 0; i < 40; i++)
                    acks.push((i % 2 ? ann : bob).request({ type: "message", ...i % 4 < 2 ? { to: i % 2 ? "bob" : "ann" } : {}, data: i }));
                await ann.ask({ type: "ping" }, "pong");
                assert.equal(ann.has("ack"), false);
            });
            await Promise.all(acks);
            for (const [peer, odd] of [[ann, 0], [bob, 1]])
                for (let i = odd; i < 40; i += 2)
                    assert.equal((await peer.expect("message")).data, i);
            for (const peer of [ann, bob]) {
                assert.equal(peer.socket.readyState, 1);
                assert.equal(peer.received.some((m) => m.left || m.error), false, "nobody was gone");
            }
        });

        test("joins wait", async () => {
            const room = newRoom();
            const peer = await world.connect();
            await outage(async () => {
                peer.send({ type: "join", room, peer: "late", id: "j" });
                await peer.ask({ type: "ping" }, "pong");
                assert.equal(peer.has("joined") || peer.has("ack"), false);
            });
            await peer.expect("joined");
            await peer.expect((m) => m.type === "ack" && m.id === "j");
            assert.equal((await retained(world, presenceTopic(room, "late"))).sid, sidOf(peer.received.find((m) => m.type === "joined")));
        });

        test("presence is in the broker again, and who left meanwhile is not", async () => {
            const room = newRoom();
            const ann = await world.join({ room, peer: "ann", meta: { n: 1 } });
            const bob = await world.join({ room, peer: "bob" });
            const eve = await world.join({ room, peer: "eve" });
            await sees(ann, "bob", "eve");
            await outage(async () => {
                await bob.request({ type: "leave" });
                await eve.close();
                await ann.ask({ type: "ping" }, "pong");
                ann.send({ type: "update", meta: { n: 2 }, id: "u" });
            });
            await ann.expect((m) => m.type === "ack" && m.id === "u");
            await until(() => rosterOf(ann).size === 0, "both are gone");
            const reasons = Object.fromEntries(ann.received.flatMap((m) => m.left ?? []).map((p) => [p.peer, p.reason]));
            assert.deepEqual(reasons, { bob: "leave", eve: "closed" });
            await until(async () => (await retained(world, presenceTopic(room, "ann")))?.meta.n === 2, "the presence is there");
            assert.equal(await retained(world, presenceTopic(room, "bob")), undefined);
            assert.equal(await retained(world, presenceTopic(room, "eve")), undefined);
            /* The name may be used again, and nothing of the old session disturbs it. */
            const again = await world.join({ room, peer: "bob" });
            await ann.request({ type: "message", to: "bob", data: 1 });
            await again.expect("message");
        });

        test("who leaves and joins again meanwhile is there once", async () => {
            const room = newRoom();
            const ann = await world.join({ room, peer: "ann" });
            const bob = await world.join({ room, peer: "bob", meta: { n: 1 } });
            await sees(ann, "bob");
            const next = await world.connect();
            await outage(async () => {
                await bob.close();
                next.send({ type: "join", room, peer: "bob", meta: { n: 2 } });
                await next.ask({ type: "ping" }, "pong");
            });
            await next.expect("joined");
            await until(() => rosterOf(ann).get("bob")?.meta.n === 2, "the new one is known");
            const told = ann.received.filter((m) => m.type === "presence").flatMap((m) => [...m.left ?? [], ...m.updated ?? []]);
            assert.deepEqual(told, [{ peer: "bob", reason: "closed" }]);
            await ann.request({ type: "message", to: "bob", data: 1 });
            await next.expect("message");
        });

        test("five times in a row", async () => {
            const room = newRoom();
            const ann = await world.join({ room, peer: "ann" });
            const bob = await world.join({ room, peer: "bob" });
            await sees(ann, "bob");
            for (let i = 0; i < 5; i++) {
                const sent = [];
                await outage(() => sent.push(ann.request({ type: "message", to: "bob", data: i })));
                await Promise.all(sent);
                /* A broker that was killed may send again what had been acknowledged since it saved. */
                await bob.expect((m) => m.data === i);
            }
        });
    });

describe("bounds of an outage", () => {
    const world = new World();
    before(() => world.start({ config: "limits: { outage_age = 4; outage_bytes = 200000; };\nmqtt: { keepalive = 5; };\n" }));
    after(() => world.end());
    let ann, bob;
    const enter = async () => {
        const room = newRoom();
        ann = await world.join({ room, peer: "ann" });
        bob = await world.join({ room, peer: "bob" });
        await sees(ann, "bob");
    };

    test("the sender is told what has grown too old, and it does not arrive", async () => {
        await enter();
        await world.broker.save();
        await world.broker.kill();
        await world.ready(world.bridge, 503);
        const start = Date.now();
        ann.send({ type: "message", to: "bob", data: "old, without id" });
        ann.send({ type: "message", to: "bob", data: "old", id: "o" });
        const old = await ann.expect((m) => m.type === "error" && m.id === "o");
        assertError(old, { code: 503, error: "unavailable", id: "o", to: "bob", message: /not delivered/ });
        assert.ok(Date.now() - start >= 3900 && Date.now() - start < 8000);
        assertError(await ann.expect("error"), { code: 503, error: "unavailable", to: "bob" });
        await world.broker.restart();
        await world.ready();
        await ann.request({ type: "message", to: "bob", data: "fresh" });
        assert.equal((await bob.expect("message")).data, "fresh");
        assert.equal(await metric(world.bridge, "sigbridge_outbound_expired_total"), 2);
    });

    test("what the broker had not acknowledged when it died grows old as well", async () => {
        await enter();
        await world.broker.save();
        world.broker.freeze();
        const lost = ann.request({ type: "message", to: "bob", data: "lost", id: "l" }).then(() => assert.fail("ack"), (e) => e.answer);
        await ann.ask({ type: "ping" }, "pong");
        await world.broker.kill();
        assertError(await lost, { code: 503, error: "unavailable", id: "l", to: "bob" });
        await world.broker.restart();
        await ann.request({ type: "message", to: "bob", data: "after" });
        assert.equal((await bob.expect("message")).data, "after");
    });

    test("what the broker had not acknowledged goes out again, in order, when it comes back in time", async () => {
        await enter();
        await world.broker.save();
        world.broker.freeze();
        const sent = [];
        for (let i = 0; i < 150; i++) /* more than go out at a time */
            sent.push(ann.request({ type: "message", to: "bob", data: i }));
        await ann.ask({ type: "ping" }, "pong");
        await world.broker.kill();
        await world.broker.restart();
        await Promise.all(sent);
        for (let i = 0; i < 150; i++)
            assert.equal((await bob.expect("message")).data, i);
    });

    test("a broker that freezes is noticed, and what waited arrives when it thaws", async () => {
        await enter();
        world.broker.freeze();
        /* It may be told undelivered and arrive all the same: the frozen broker has it already. */
        const first = ann.request({ type: "message", to: "bob", data: 1 }).catch((error) => assert.equal(error.error, "unavailable"));
        await world.ready(world.bridge, 503);
        world.broker.thaw();
        await world.ready();
        await first;
        await ann.request({ type: "message", to: "bob", data: 2 });
        await bob.expect((m) => m.data === 2);
    });

    test("past the bound of bytes the sender is told at once", async () => {
        await enter();
        await world.broker.save();
        await world.broker.kill();
        await world.ready(world.bridge, 503);
        const data = "x".repeat(60000);
        const waiting = [1, 2, 3].map((n) => ann.request({ type: "message", to: "bob", data: [n, data] }));
        const refused = await ann.request({ type: "message", to: "bob", data: [4, data], id: "r" }).then(() => assert.fail("ack"), (e) => e.answer);
        assertError(refused, { code: 503, error: "unavailable", id: "r", to: "bob", message: /full/ });
        /* What the bridge itself has to do is not held up by it. */
        const eve = await world.connect();
        eve.send({ type: "join", room: ann.joined.room, peer: "eve" });
        await world.broker.restart();
        await Promise.all(waiting);
        for (const n of [1, 2, 3])
            assert.equal((await bob.expect("message")).data[0], n);
        await eve.expect("joined");
        /* There is room again, and the id that failed may be used. */
        await ann.request({ type: "message", to: "bob", data: [5], id: "r" });
        assert.deepEqual((await bob.expect("message")).data, [5]);
    });
});

test("without an outage buffer everything works while the broker is there", async () => {
    const world = await new World().start({ config: "limits: { outage_bytes = 0; };\n" });
    const room = newRoom();
    const ann = await world.join({ room, peer: "ann" });
    const bob = await world.join({ room, peer: "bob" });
    await sees(ann, "bob");
    for (let i = 0; i < 50; i++)
        await ann.request({ type: "message", to: "bob", data: i });
    await bob.expect((m) => m.data === 49);
    await world.broker.kill();
    await world.ready(world.bridge, 503);
    await assert.rejects(ann.request({ type: "message", to: "bob", data: 1 }), { error: "unavailable" });
    await world.end();
});

describe("the line to the broker breaks, and the broker goes on", () => {
    const world = new World();
    let line;
    before(async () => {
        world.broker = await world.addBroker();
        line = await Line.start(world.broker.port);
        world.bridge = await world.addBridge({ broker: line.url });
    });
    after(() => world.end());

    test("devices that came, left and changed meanwhile are told", async () => {
        const room = newRoom();
        const ann = await world.join({ room, peer: "ann" });
        const [goes, , changes] = await Promise.all(["goes", "stays", "changes"].map((name) => world.device({ room, name, presence: { since: 5 } })));
        await sees(ann, "goes", "stays", "changes");
        line.cut();
        await world.ready(world.bridge, 503);
        await goes.drop();
        await changes.present({ since: 5, meta: { new: true } });
        await world.device({ room, name: "comes", presence: { since: 5 } });
        line.restore();
        await sees(ann, "comes");
        await until(() => !rosterOf(ann).has("goes") && rosterOf(ann).get("changes").meta, "all is told");
        const told = ann.received.filter((m) => m.type === "presence");
        assert.equal(told.flatMap((m) => m.joined ?? []).filter((p) => p.peer === "stays").length, 1, "who stays is not told again");
        assert.deepEqual([...rosterOf(ann).keys()].sort(), ["changes", "comes", "stays"]);
    });

    test("a session's name that a device took meanwhile is the device's", async () => {
        const room = newRoom();
        const ann = await world.join({ room, peer: "ann" });
        line.cut();
        await world.ready(world.bridge, 503);
        const device = await world.device({ room, name: "ann" });
        line.restore();
        await world.ready();
        /* Either of the two may be the last in the broker's order; but one has it, for all to see. */
        const end = await Promise.race([ann.closed, ann.request({ type: "message", data: 1 }).then(() => ann.ask({ type: "ping" }, "pong"))]);
        const held = await retained(world, presenceTopic(room, "ann"));
        if (end.code)
            assert.deepEqual([end.code, held], [4409, { kind: "device" }]);
        else
            assert.equal(held.sid, sidOf(ann.joined));
        void device;
    });

    test("messages from devices meanwhile are there afterwards", async () => {
        const room = newRoom();
        const ann = await world.join({ room, peer: "ann" });
        const cam = await world.device({ room, name: "cam" });
        await sees(ann, "cam");
        line.cut();
        await world.ready(world.bridge, 503);
        for (let i = 0; i < 20; i++)
            await cam.send("ann", { type: "message", data: i });
        line.restore();
        for (let i = 0; i < 20; i++)
            assert.equal((await ann.expect("message")).data, i);
    });

    test("who left on the bridge meanwhile is not spoken to any more", async () => {
        const room = newRoom();
        const ann = await world.join({ room, peer: "ann" });
        const bob = await world.join({ room, peer: "bob" });
        const cam = await world.device({ room, name: "cam", version: 5 });
        await sees(bob, "ann", "cam");
        line.cut();
        await world.ready(world.bridge, 503);
        await ann.close();
        line.restore();
        await bob.expect((m) => m.left?.[0].peer === "ann");
        await assert.rejects(bob.request({ type: "bye", to: "ann" }), { error: "peer-not-found" });
        await cam.send("ann", { type: "message", data: 1 });
        await cam.send("bob", { type: "message", data: 2 });
        await bob.expect("message");
    });
});

test("a broker that lets the bridge in and drops it again is not stormed", async () => {
    const world = new World();
    world.broker = await world.addBroker();
    const line = await Line.start(world.broker.port);
    world.bridge = await world.addBridge({ broker: line.url });
    line.life = 50; /* of every connection from now on, in milliseconds */
    line.cut();
    line.joins = 0;
    line.restore();
    await new Promise((resolve) => setTimeout(resolve, 4000));
    assert.ok(line.joins >= 3 && line.joins <= 14, `${line.joins} connections in 4 s`);
    line.life = 0;
    await world.ready();
    await world.join({ room: newRoom(), peer: "ann" });
    await world.end();
});

test("a bridge that starts before its broker waits for it", async () => {
    const world = new World();
    const port = await freePort();
    const http = `127.0.0.1:${await freePort()}`;
    const starting = world.addBridge({ broker: `mqtt://127.0.0.1:${port}`, listen: http });
    const away = await until(() => fetch(`http://${http}/readyz`).then(async (r) => ({ status: r.status, text: await r.text() }), () => null), "it listens");
    assert.equal(away.status, 503);
    assert.match(away.text, /broker/);
    assert.equal((await fetch(`http://${http}/healthz`)).status, 200);
    const early = await world.connect({ bridge: { wsUrl: `ws://${http}/ws` } });
    early.send({ type: "join", room: "r", peer: "early" });
    await early.ask({ type: "ping" }, "pong");
    world.broker = await world.addBroker({ port });
    world.bridge = await deadline(starting, "ready");
    await early.expect("joined");
    await world.end();
});
