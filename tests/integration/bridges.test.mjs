/* Several bridges on one broker, with all rooms watched and with only those of their sessions. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { deadline, until } from "./harness.mjs";
import { answerSdp, assertSchema, candidate, newRoom, presenceTopic, rosterOf, sdp, sees, statusTopic, World } from "./world.mjs";

for (const scope of ["all", "rooms"])
    describe(`two bridges, presence.scope = ${scope}`, () => {
        const world = new World();
        const config = `presence: { scope = "${scope}"; };\n`;
        let one, two, eye;
        const start = (name, more) => world.addBridge({ config, args: ["--bridge-id", name], ...more });

        before(async () => {
            world.broker = await world.addBroker();
            one = await start("one");
            two = await start("two");
            eye = await world.mqtt();
            await eye.subscribe("sigbridge/v1/rooms/+/peers/+/presence");
            await eye.subscribe("sigbridge/v1/bridges/+/status");
        });
        after(() => world.end());

        const on = (bridge, room, peer) => world.join({ room, peer }, { bridge });

        test("each says in the broker that it runs", async () => {
            for (const bridge of [one, two]) {
                const { message } = await eye.expect(statusTopic(bridge.ready.bridge), (m) => m.message.online);
                assertSchema("status.json", message);
            }
        });

        test("sessions of different bridges call each other", async () => {
            const room = newRoom();
            const ann = await on(one, room, "ann");
            const bob = await on(two, room, "bob");
            await sees(ann, "bob");
            assert.deepEqual(bob.joined.peers.map((p) => p.peer), ["ann"]);
            await ann.request({ type: "offer", to: "bob", sdp: sdp(1) });
            assert.equal((await bob.expect("offer")).sdp, sdp(1));
            await assert.rejects(ann.request({ type: "answer", to: "bob", sdp: answerSdp(1) }), { error: "unexpected-answer" });
            await bob.request({ type: "answer", to: "ann", sdp: answerSdp(1) });
            assert.equal((await ann.expect("answer")).sdp, answerSdp(1));
            for (let i = 0; i < 50; i++) {
                ann.send({ type: "candidate", to: "bob", candidate: candidate(1000 + i) });
                bob.send({ type: "candidate", to: "ann", candidate: candidate(2000 + i) });
            }
            for (let i = 0; i < 50; i++) {
                assert.deepEqual((await bob.expect("candidate")).candidate, candidate(1000 + i));
                assert.deepEqual((await ann.expect("candidate")).candidate, candidate(2000 + i));
            }
            await ann.request({ type: "bye", to: "bob" });
            await bob.expect("bye");
        });

        test("a message to the room reaches the sessions of both, once", async () => {
            const room = newRoom();
            const peers = await Promise.all([on(one, room, "a"), on(one, room, "b"), on(two, room, "c"), on(two, room, "d")]);
            for (const peer of peers)
                await sees(peer, ...["a", "b", "c", "d"].filter((name) => name !== peer.name));
            for (const peer of peers)
                await peer.request({ type: "message", data: peer.name });
            for (const peer of peers) {
                await peers[0].request({ type: "message", to: peer.name === "a" ? "b" : peer.name, data: "fence" });
                const heard = () => peer.received.filter((m) => m.type === "message" && m.data !== "fence").map((m) => m.data).sort();
                await until(() => heard().length >= 3, "three messages");
                assert.deepEqual(heard(), ["a", "b", "c", "d"].filter((name) => name !== peer.name));
            }
        });

        for (const { name, end, reason } of [
            { name: "leaves", end: (peer) => peer.request({ type: "leave" }), reason: "leave" },
            { name: "closes", end: (peer) => peer.close(), reason: "closed" },
        ])
            test(`who ${name} on one bridge is gone on the other, with the reason`, async () => {
                const room = newRoom();
                const bob = await on(two, room, "bob");
                const ann = await on(one, room, "ann");
                await sees(bob, "ann");
                await end(ann);
                assert.deepEqual((await bob.expect((m) => m.left)).left, [{ peer: "ann", reason }]);
                await on(two, room, "ann");
            });

        test("a name in use on one bridge is refused on the other", async () => {
            const room = newRoom();
            await on(one, room, "ann");
            await assert.rejects(on(two, room, "ann"), { error: "peer-taken" });
        });

        test("a name raced for on both bridges is one's in the end", async () => {
            for (let round = 0; round < 20; round++) {
                const room = newRoom();
                const [left, right] = await Promise.all([on(one, room, "w1"), on(two, room, "w2")]);
                const sockets = [await world.connect({ bridge: one }), await world.connect({ bridge: two })];
                const outcomes = await Promise.all(sockets.map(async (socket, i) => {
                    socket.name = "ann";
                    try {
                        await socket.ask({ type: "join", room, peer: "ann", meta: { at: i } }, "joined");
                        return "joined";
                    } catch (error) {
                        return error.error ?? (await socket.closed).code; /* 4409 may come before `joined` */
                    }
                }));
                /* The end of it has reached both bridges when both witnesses hear this. */
                await left.request({ type: "message", to: "w2", data: 1 });
                await right.request({ type: "message", to: "w1", data: 1 });
                await Promise.all([left, right].map((w) => w.expect("message")));
                const closed = await Promise.all(sockets.map((s) => Promise.race([s.closed.then((end) => end.code), s.ask({ type: "ping" }, "pong").then(() => 0, () => s.closed.then((end) => end.code))])));
                const stays = [0, 1].filter((i) => outcomes[i] === "joined" && closed[i] === 0);
                assert.equal(stays.length, 1, `${outcomes} ${closed}`);
                const loser = 1 - stays[0];
                assert.ok(outcomes[loser] === "peer-taken" || closed[loser] === 4409, `${outcomes} ${closed}`);
                for (const witness of [left, right])
                    await until(() => rosterOf(witness).get("ann")?.meta.at === stays[0], "both see the one that stays", { every: 5 });
                await right.request({ type: "message", to: "ann", data: round });
                assert.equal((await sockets[stays[0]].expect("message")).data, round);
            }
        });

        test("who comes late sees everyone: sessions of both bridges, devices, and not who left", async () => {
            const room = newRoom();
            const cam = await world.device({ room, name: "cam" });
            const ann = await on(one, room, "ann");
            const bob = await on(two, room, "bob");
            await sees(ann, "bob", "cam");
            for (const bridge of [one, two]) {
                const eve = await on(bridge, room, "eve");
                assert.deepEqual(eve.joined.peers.map((p) => p.peer).sort(), ["ann", "bob", "cam"]);
                await eve.close();
                await until(() => !rosterOf(ann).has("eve") && !rosterOf(bob).has("eve"), "eve is gone");
            }
            /* Nobody of bridge two is in the room while the device goes. */
            await bob.close();
            await until(() => !rosterOf(ann).has("bob"), "bob is gone");
            await cam.present("");
            await until(() => !rosterOf(ann).has("cam"), "cam is gone");
            const again = await on(two, room, "bob");
            assert.deepEqual(again.joined.peers.map((p) => p.peer), ["ann"]);
        });

        test("many rooms at once, joined on both bridges", async () => {
            const names = Array.from({ length: 40 }, newRoom);
            await Promise.all(names.map(async (room) => {
                const [ann, bob] = await Promise.all([on(one, room, "ann"), on(two, room, "bob")]);
                await Promise.all([sees(ann, "bob"), sees(bob, "ann")]);
                await ann.request({ type: "message", to: "bob", data: room });
                assert.equal((await bob.expect("message")).data, room);
                await Promise.all([ann.close(), bob.close()]);
            }));
        });

        async function ask(cam, count) {
            const from = cam.mail.all.length;
            for (let i = 0; i < count; i++)
                await cam.send("_bridge", { type: "ice-servers", id: `q${i}` });
            for (let i = 0; i < count; i++)
                await cam.mail.expect((m) => m.message?.type === "ice-servers" && m.message.id === `q${i}`);
            return cam.mail.all.slice(from).filter((m) => m.message?.type === "ice-servers").length;
        }

        test("a question to the bridges is answered once", async () => {
            assert.equal(await ask(await world.device({ room: newRoom(), name: "cam" }), 10), 10);
        });

        test("when a bridge is killed, the other clears its peers, and answers in its place", async () => {
            for (let round = 0; round < 3; round++) {
                const room = newRoom();
                const ann = await on(one, room, "ann");
                const bobs = await Promise.all(["bob1", "bob2", "bob3"].map((name) => on(two, room, name)));
                await sees(ann, "bob1", "bob2", "bob3");
                await world.kill(two);
                await until(() => rosterOf(ann).size === 0, () => `all of bridge two are gone: ${[...rosterOf(ann).keys()]}`);
                for (const { reason } of ann.received.flatMap((m) => m.left ?? []))
                    assert.equal(reason, "bridge-gone");
                for (const bob of bobs) {
                    await eye.expect(presenceTopic(room, bob.name), (m) => m.text === "");
                    await deadline(bob.closed, "its sockets");
                }
                assert.equal((await eye.expect(statusTopic("two"), (m) => m.message?.online === false)).message.online, false);
                assert.equal(await ask(await world.device({ room, name: "cam" }), 6), 6);
                two = await start("two", { data: two.data });
                assert.equal(await ask(await world.device({ room, name: "cam2" }), 6), 6);
                /* The bridge that came back serves as before. */
                const bob = await on(two, room, "bob1");
                await sees(ann, "bob1");
                await ann.request({ type: "message", to: "bob1", data: 1 });
                await bob.expect("message");
            }
        });

        test("what a bridge held is cleared by one that starts after both have died", async () => {
            const room = newRoom();
            await on(two, room, "ghost");
            await world.kill(one);
            await world.kill(two);
            one = await start("one", { data: one.data });
            /* One that watches all rooms needs nobody there to see it. */
            const eve = scope === "rooms" ? await on(one, room, "eve") : undefined;
            await until(async () => {
                const late = await world.mqtt();
                await late.subscribe(presenceTopic(room, "ghost"));
                await late.subscribe("fence");
                await late.publish("fence", "x");
                await late.expect("fence");
                await late.end();
                return !late.mail.all.some((m) => m.topic.endsWith("/presence"));
            }, "the ghost is cleared");
            if (eve)
                assert.deepEqual((await eve.expect((m) => m.left)).left, [{ peer: "ghost", reason: "bridge-gone" }]);
            await eve?.close();
            const ann = await on(one, room, "ann");
            await until(() => rosterOf(ann).size === 0, "nobody is left");
            two = await start("two", { data: two.data });
        });

        test("two bridges of one name are a mistake that the log names", async () => {
            const twin = await start("one");
            assert.match(await one.line("bridge-name-taken"), /bridge=one remedy=".*--bridge-id/);
            await world.stop(twin);
            world.bridges = world.bridges.filter((bridge) => bridge !== twin);
        });

        test("a bridge that ends in order says so for its sessions", async () => {
            const room = newRoom();
            const ann = await on(one, room, "ann");
            const bob = await on(two, room, "bob");
            await sees(ann, "bob");
            await world.stop(two);
            assert.deepEqual((await ann.expect((m) => m.left)).left, [{ peer: "bob", reason: "drain" }]);
            assert.equal((await bob.closed).code, 1012);
            await eye.expect(statusTopic("two"), (m) => m.message?.online === false);
        });
    });
