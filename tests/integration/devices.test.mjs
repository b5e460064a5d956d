/* Devices: peers with nothing but an MQTT client, of any version and quality of service. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Program, run, until } from "./harness.mjs";
import { allTopic, answerSdp, assertSchema, Broker, candidate, Device, inboxTopic, metric, newRoom, presenceTopic, rosterOf, sdp, sees, World } from "./world.mjs";

const config = 'ice_servers = ( { urls = "stun:stun.example.org:3478"; } );\n';
const world = new World();
before(() => world.start({ config }));
after(() => world.end());

/* ---- with mosquitto_pub and mosquitto_sub ---- */

for (const version of ["mqttv311", "mqttv5"])
    for (const qos of ["0", "1"])
        test(`mosquitto_pub and mosquitto_sub as a device: ${version}, QoS ${qos}`, async () => {
            const room = newRoom();
            const broker = ["-h", "127.0.0.1", "-p", String(world.broker.port), "-V", version, "-q", qos];
            const publish = async (topic, ...more) => {
                const { code, stderr } = await run("mosquitto_pub", [...broker, "-t", topic, ...more]);
                assert.equal(code, 0, stderr);
            };
            const say = (message) => publish(inboxTopic(room, "ann", "cam"), "-m", JSON.stringify(message));
            const ear = new Program("mosquitto_sub", [...broker, "-v", "-t", inboxTopic(room, "cam", "+"),
                "--will-topic", presenceTopic(room, "cam"), "--will-retain", "--will-qos", qos]);
            /* It says nothing of its own when it is ready. */
            await until(async () => {
                await publish(inboxTopic(room, "cam", "probe"), "-m", "ready");
                return ear.logs.length > 0;
            }, "mosquitto_sub listens");
            await publish(presenceTopic(room, "cam"), "-r", "-m", '{"kind":"device","meta":{"name":"Front door"}}');

            const ann = await world.join({ room, peer: "ann" });
            await sees(ann, "cam");
            assert.deepEqual(rosterOf(ann).get("cam").meta, { name: "Front door" });
            const heard = async (type) => {
                const start = `${inboxTopic(room, "cam", "ann")} `;
                return JSON.parse((await ear.line((line) => line.startsWith(start) && line.includes(`"type":"${type}"`))).slice(start.length));
            };
            await ann.request({ type: "offer", to: "cam", sdp: sdp(7) });
            assert.equal((await heard("offer")).sdp, sdp(7));
            await say({ type: "answer", sdp: answerSdp(8) });
            assert.equal((await ann.expect("answer")).sdp, answerSdp(8));
            await say({ type: "answer", sdp: answerSdp(8), id: "twice" });
            assert.match(await ear.line(`${inboxTopic(room, "cam", "_bridge")} `), /"error":"unexpected-answer".*"id":"twice"/);
            await publish(allTopic(room, "cam"), "-m", '{"type":"message","data":"hello all"}');
            assert.equal((await ann.expect("message")).data, "hello all");
            ear.kill("SIGKILL");
            assert.deepEqual((await ann.expect((m) => m.left)).left, [{ peer: "cam", reason: "gone" }]);
        });

/* ---- a whole call, in every version and quality ---- */

for (const version of [4, 5])
    for (const qos of [0, 1])
        describe(`MQTT ${version === 4 ? "3.1.1" : "5"}, QoS ${qos}`, () => {
            test("the browser calls", async () => {
                const room = newRoom();
                const cam = await world.device({ room, name: "cam", version, qos });
                const ann = await world.join({ room, peer: "ann" });
                await ann.request({ type: "offer", to: "cam", sdp: sdp(1), call: "c" });
                const { from, sent, id, ...offer } = await cam.receive("offer");
                assert.deepEqual(offer, { type: "offer", sdp: sdp(1), call: "c" });
                assert.ok(from === "ann" && sent > 0 && id);
                await cam.send("ann", { type: "answer", sdp: answerSdp(2), call: "c", id: "d1" });
                const { seq, ...answer } = await ann.expect("answer");
                assert.deepEqual(answer, { type: "answer", from: "cam", sdp: answerSdp(2), call: "c", id: "d1" });
                for (const value of [candidate(1), candidate(2), null]) {
                    await ann.request({ type: "candidate", to: "cam", candidate: value });
                    assert.deepEqual((await cam.receive("candidate")).candidate, value);
                    await cam.send("ann", { type: "candidate", candidate: value });
                    assert.deepEqual((await ann.expect("candidate")).candidate, value);
                }
                await cam.send("ann", { type: "bye", reason: "done" });
                assert.equal((await ann.expect("bye")).reason, "done");
                void seq;
            });

            test("the camera calls, invited", async () => {
                const room = newRoom();
                const cam = await world.device({ room, name: "cam", version, qos });
                const ann = await world.join({ room, peer: "ann" });
                await ann.request({ type: "invite", to: "cam", media: { video: true } });
                assert.deepEqual((await cam.receive("invite", "ann")).media, { video: true });
                await cam.send("ann", { type: "offer", sdp: sdp(1) });
                assert.equal((await ann.expect("offer")).sdp, sdp(1));
                await ann.request({ type: "answer", to: "cam", sdp: answerSdp(1) });
                assert.equal((await cam.receive("answer", "ann")).sdp, answerSdp(1));
            });

            test("its will takes its presence away", async () => {
                const room = newRoom();
                const ann = await world.join({ room, peer: "ann" });
                const cam = await world.device({ room, name: "cam", version, qos });
                await sees(ann, "cam");
                await cam.drop();
                assert.deepEqual((await ann.expect((m) => m.left)).left, [{ peer: "cam", reason: "gone" }]);
                await assert.rejects(ann.request({ type: "bye", to: "cam" }), { error: "peer-not-found" });
            });

            test("what came while it slept is there when it wakes, in order", async () => {
                const room = newRoom();
                const options = { room, name: "cam", version, qos: 1, clean: false, expiry: 3600, will: false };
                const awake = await world.device(options);
                const ann = await world.join({ room, peer: "ann" });
                await ann.request({ type: "message", to: "cam", data: "awake" });
                await awake.receive("message");
                await awake.end();
                for (let i = 0; i < 30; i++)
                    await ann.request({ type: "message", to: "cam", data: i });
                const woken = await world.device({ ...options, presence: null });
                for (let i = 0; i < 30; i++) {
                    const { data, sent } = await woken.receive("message", "ann");
                    assert.equal(data, i);
                    assert.ok(sent > Date.now() - 60_000 && sent <= Date.now() + 1000);
                }
            });

            test("two devices need no bridge", async () => {
                const broker = await Broker.start();
                const [one, two] = await Promise.all(["one", "two"].map((name) => Device.start(broker.mqtt, { room: "r", name, version, qos })));
                await one.send("two", { type: "offer", sdp: sdp(1) });
                assert.equal((await two.receive("offer", "one")).sdp, sdp(1));
                await two.send("one", { type: "answer", sdp: answerSdp(1) });
                await one.receive("answer", "two");
                for (const device of [one, two])
                    await device.end();
                await broker.stop();
            });
        });

test("a bridge keeps out of what two devices say to each other", async () => {
    const room = newRoom();
    const ann = await world.join({ room, peer: "ann" });
    const [one, two] = await Promise.all(["one", "two"].map((name) => world.device({ room, name })));
    await one.send("two", { type: "anything", we: ["like"] });
    await two.send("one", "not even JSON");
    assert.equal((await two.receive("anything", "one")).we[0], "like");
    await one.send("ann", { type: "message", data: "fence" });
    await ann.expect("message");
    assert.equal(one.mail.has((m) => m.topic.endsWith("_bridge")), false);
});

/* ---- what a device says wrongly ---- */

const wrong = [
    { name: "no JSON", payload: "hello", error: "400 invalid-json" },
    { name: "bytes", payload: Buffer.from([0xff, 0xfe, 0, 1]), error: "400 invalid-json" },
    { name: "an empty payload", payload: "", error: "400 invalid-json" },
    { name: "an array", payload: "[1]", error: "400 invalid-json" },
    { name: "NUL", payload: '{"type":"message","data":"\\u0000"}', error: "400 invalid-json" },
    { name: "deep nesting", payload: `{"type":"message","data":${"[".repeat(5000)}${"]".repeat(5000)}}`, error: "400 invalid-json" },
    { name: "a megabyte", payload: JSON.stringify({ type: "message", data: "x".repeat(1 << 20), id: "i" }), error: "413 too-large", id: "i" },
    { name: "unknown type", payload: { type: "dance", id: "i" }, error: "400 invalid-message", id: "i", says: /`type`/ },
    { name: "a type for clients", payload: { type: "join", room: "x", id: "i" }, error: "400 invalid-message", id: "i", says: /`type`/ },
    { name: "an error of its own", payload: { type: "error", code: 400, error: "x" }, error: "400 invalid-message", says: /`type`/ },
    { name: "offer without sdp", payload: { type: "offer", id: "i" }, error: "400 invalid-message", id: "i", says: /`sdp`/ },
    { name: "SDP that is none", payload: { type: "offer", sdp: "hello", id: "i" }, error: "400 invalid-sdp", id: "i" },
    { name: "candidate that is none", payload: { type: "candidate", candidate: { candidate: "x", sdpMid: "0" } }, error: "400 invalid-candidate" },
    { name: "answer without offer", payload: { type: "answer", sdp: answerSdp(), id: "i" }, error: "409 unexpected-answer", id: "i" },
    { name: "another sender", payload: { type: "message", data: 1, from: "eve", id: "i" }, error: "400 invalid-message", id: "i", says: /`from`/ },
    { name: "the bridge as sender", payload: { type: "message", data: 1, from: "_bridge" }, error: "400 invalid-message", says: /`from`/ },
    { name: "another receiver", payload: { type: "message", data: 1, to: "eve" }, error: "400 invalid-message", says: /`to`/ },
    { name: "sender that is a number", payload: { type: "message", data: 1, from: 1 }, error: "400 invalid-message", says: /`from`/ },
    { name: "no candidates in a bundle", payload: { type: "candidates", candidates: [] }, error: /^400 invalid-(message|candidate)$/ },
    { name: "65 candidates in a bundle", payload: { type: "candidates", candidates: Array(65).fill(null) }, error: /^400 invalid-(message|candidate)$/ },
    { name: "a bad candidate in a bundle", payload: { type: "candidates", candidates: [candidate(), { candidate: "x", sdpMid: "0" }] }, error: "400 invalid-candidate" },
];

for (const { name, payload, error, id, says } of wrong)
    test(`a device is told what was wrong: ${name}`, async () => {
        const room = newRoom();
        const cam = await world.device({ room, name: "cam" });
        const ann = await world.join({ room, peer: "ann" });
        await cam.send("ann", payload);
        const { from, ...answer } = await cam.error();
        assertSchema("device.json#/$defs/bridge", answer);
        assert.match(`${answer.code} ${answer.error}`, error instanceof RegExp ? error : new RegExp(`^${error}$`), answer.message);
        assert.equal(answer.id, id);
        if (says)
            assert.match(answer.message, says);
        await cam.send("ann", { type: "message", data: "fence", from: "cam", to: "ann" });
        await ann.expect("message");
        assert.deepEqual(ann.received.filter((m) => m.from).map((m) => m.data), ["fence"], "nothing of it arrived");
    });

const wrongAll = [
    { name: "no JSON", payload: "x", error: "invalid-json" },
    { name: "an offer to a room", payload: { type: "offer", sdp: sdp() }, error: "invalid-message" },
    { name: "another sender", payload: { type: "message", data: 1, from: "eve" }, error: "invalid-message" },
];

for (const { name, payload, error } of wrongAll)
    test(`a broadcast of a device is refused: ${name}`, async () => {
        const room = newRoom();
        const cam = await world.device({ room, name: "cam" });
        const ann = await world.join({ room, peer: "ann" });
        await cam.broadcast(payload);
        assert.equal((await cam.error()).error, error);
        await cam.broadcast({ type: "message", data: "fence" });
        assert.equal((await ann.expect((m) => m.from === "cam")).data, "fence");
    });

test("errors to devices are answered at a bounded rate, and what is beyond is counted", async () => {
    const own = new World(); // it uses up what the others' errors would need
    await own.start({ config });
    const room = newRoom();
    const cam = await own.device({ room, name: "cam" });
    const ann = await own.join({ room, peer: "ann" });
    const name = 'sigbridge_dropped_total{reason="error-replies"}';
    const before = await metric(own.bridge, name) ?? 0;
    for (let i = 0; i < 1000; i++)
        cam.send("ann", "x");
    await cam.send("ann", { type: "message", data: "fence" });
    await ann.expect("message");
    await cam.send("ann", "x");
    const dropped = await metric(own.bridge, name) - before;
    assert.ok(dropped > 500, `${dropped} dropped`);
    const got = cam.mail.all.filter((m) => m.topic.endsWith("_bridge")).length;
    assert.ok(got >= 1 && got + dropped <= 1002, `${got} got`);
    await own.end();
});

test("what a device retained in an inbox by mistake is heard once, not by everyone who comes later", async () => {
    const room = newRoom();
    const cam = await world.device({ room, name: "cam" });
    const ann = await world.join({ room, peer: "ann" });
    await cam.send("ann", { type: "offer", sdp: sdp() }, { retain: true });
    await cam.publish(allTopic(room, "cam"), { type: "message", data: "retained" }, { retain: true });
    await ann.expect("offer");
    await ann.expect("message");
    await ann.close();
    const again = await world.join({ room, peer: "ann" });
    await cam.send("ann", { type: "message", data: "live" });
    assert.equal((await again.expect((m) => m.from === "cam")).data, "live");
    assert.ok(await metric(world.bridge, 'sigbridge_dropped_total{reason="retained"}') >= 2);
});

/* ---- in bulk ---- */

test("a burst of a device arrives whole and in order at every browser", async () => {
    const room = newRoom();
    const cam = await world.device({ room, name: "cam", qos: 0 });
    const peers = await Promise.all(["a", "b", "c"].map((peer) => world.join({ room, peer })));
    for (let i = 0; i < 2000; i++)
        cam.broadcast({ type: "message", data: i });
    for (const peer of peers)
        for (let i = 0; i < 2000; i++)
            assert.equal((await peer.expect("message")).data, i);
});

test("a bundle of candidates reaches a browser one by one, with its call", async () => {
    const room = newRoom();
    const cam = await world.device({ room, name: "cam" });
    const ann = await world.join({ room, peer: "ann" });
    const candidates = [...Array.from({ length: 63 }, (_, i) => candidate(1000 + i)), null];
    for (let round = 0; round < 10; round++)
        await cam.send("ann", { type: "candidates", candidates, call: "c" });
    for (let i = 0; i < 640; i++) {
        const { seq, ...message } = await ann.expect("candidate");
        assert.deepEqual(message, { type: "candidate", from: "cam", candidate: candidates[i % 64], call: "c" });
        void seq;
    }
});

/* ---- questions to the bridge ---- */

for (const qos of [0, 1])
    test(`ice-servers are answered, QoS ${qos}`, async () => {
        const cam = await world.device({ room: newRoom(), name: "cam", qos });
        for (const id of ["q1", undefined]) {
            await cam.send("_bridge", { type: "ice-servers", id });
            const { from, ...answer } = await cam.receive("ice-servers");
            assert.deepEqual(answer, { type: "ice-servers", iceServers: [{ urls: ["stun:stun.example.org:3478"] }], ...id && { id } });
            assert.equal(from, "_bridge");
            assertSchema("device.json#/$defs/bridge", answer);
        }
    });

for (const { name, payload, error } of [
    { name: "no JSON", payload: "?", error: "invalid-json" },
    { name: "an offer", payload: { type: "offer", sdp: sdp() }, error: "invalid-message" },
    { name: "an id that is none", payload: { type: "ice-servers", id: "" }, error: "invalid-message" },
])
    test(`a question that the bridge does not understand: ${name}`, async () => {
        const cam = await world.device({ room: newRoom(), name: "cam" });
        await cam.send("_bridge", payload);
        assert.equal((await cam.error()).error, error);
    });

/* ---- presence ---- */

test("presence that cannot be read is not there, and the device is told", async () => {
    const room = newRoom();
    const ann = await world.join({ room, peer: "ann" });
    const cam = await world.device({ room, name: "cam", presence: null });
    for (const { presence, says } of [{ presence: "{" }, { presence: '"x"' }, { presence: { ttl: 0 }, says: /`ttl`/ },
        { presence: { meta: "x" }, says: /`meta`/ }, { presence: { since: "now" }, says: /`since`/ }]) {
        await cam.present(presence);
        const error = await cam.error();
        assert.equal(error.code, 400);
        assert.match(error.message, says ?? /./);
        await assert.rejects(ann.request({ type: "bye", to: "cam" }), { error: "peer-not-found" });
        await cam.present({});
        await sees(ann, "cam");
        assert.equal(rosterOf(ann).get("cam").kind, "device");
        await cam.present(presence);
        assert.deepEqual((await ann.expect((m) => m.left)).left, [{ peer: "cam", reason: "invalid" }]);
        await cam.error();
    }
});

test("presence with a ttl that is not renewed ends, in the broker too", async () => {
    const room = newRoom();
    const ann = await world.join({ room, peer: "ann" });
    const cam = await world.device({ room, name: "cam", presence: { ttl: 1 } });
    const end = Date.now() + 4000;
    while (Date.now() < end) {
        await new Promise((resolve) => setTimeout(resolve, 300));
        await cam.present({ ttl: 1 });
    }
    assert.equal(ann.received.some((m) => m.left), false, "renewed in time, it stays");
    const start = Date.now();
    assert.deepEqual((await ann.expect((m) => m.left)).left, [{ peer: "cam", reason: "ttl" }]);
    assert.ok(Date.now() - start >= 900, "not before its time");
    const late = await world.mqtt();
    await late.subscribe(presenceTopic(room, "+"));
    await late.expect(presenceTopic(room, "ann"));
    assert.equal(late.mail.has((m) => m.topic === presenceTopic(room, "cam")), false);
    await cam.present({ ttl: 1 });
    await sees(ann, "cam");
    await cam.present({});
    await ann.expect((m) => m.type === "presence" && m.updated === undefined && m.joined);
    await new Promise((resolve) => setTimeout(resolve, 2500));
    assert.ok(rosterOf(ann).has("cam"), "without ttl it stays");
});

test("a device that leaves in order is gone with the reason gone", async () => {
    const room = newRoom();
    const cam = await world.device({ room, name: "cam" });
    const ann = await world.join({ room, peer: "ann" });
    await cam.present("");
    assert.deepEqual((await ann.expect((m) => m.left)).left, [{ peer: "cam", reason: "gone" }]);
    await cam.present({});
    await ann.expect((m) => m.joined);
});

/* ---- names and topics that are none ---- */

test("topics that are none of ours are counted and do no harm", async () => {
    const writer = await world.mqtt();
    const root = "sigbridge/v1/rooms";
    const before = await metric(world.bridge, 'sigbridge_dropped_total{reason="bad-topic"}') ?? 0;
    const topics = [`${root}/_x/peers/a/presence`, `${root}/r/peers/_x/presence`, `${root}/r/peers/ä/presence`, `${root}/r/peers/_bridge/presence`,
        `${root}/r/peers/${"x".repeat(65)}/presence`, `${root}/ /peers/a/presence`, `${root}//peers/a/presence`, `${root}/r/peers//presence`];
    for (const topic of topics)
        await writer.publish(topic, {}, { retain: true });
    await until(async () => await metric(world.bridge, 'sigbridge_dropped_total{reason="bad-topic"}') - before >= topics.length, "all are counted");
    for (const topic of topics)
        await writer.publish(topic, "", { retain: true });
    await world.join({ room: "r", peer: "a" }).then((a) => assert.deepEqual(a.joined.peers, []));
});
