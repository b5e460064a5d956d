/* Devices that attack: at the MQTT port of the embedded broker, with anything that an MQTT client can
 * send. In development mode, where the broker lets everybody in and nothing but the bridge is in the way. */
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { mqttConnect, mqttPacket, mqttPublish, mqttString, Raw, SEED, Target, times } from "./attacker.mjs";
import { deadline, until } from "./harness.mjs";
import { allTopic, inboxTopic, newRoom, PREFIX, presenceTopic, sdp, statusTopic } from "./world.mjs";

let target;
before(async () => {
    target = await Target.start();
});
after(() => target.end());

/* ---- bytes ---- */

const connected = async () => {
    const raw = await target.rawMqtt();
    await raw.send(mqttConnect({ clientId: "" }));
    await raw.until((said) => said.length >= 4, "CONNACK");
    return raw;
};

test(`bytes of chance in place of MQTT (seed ${SEED})`, () => target.withstands((round) => times(400, async (i, random) => {
    const raw = i % 2 ? await connected() : await target.rawMqtt();
    await raw.send(random.bytes(1 + random.below(2000)));
    await raw.finish();
}, { seed: SEED + round })));

/* Nothing in it is retained: what the broker keeps would be there for the next test. */
const packets = (room) => [
    mqttConnect({ clientId: "eve", user: "eve", password: "pass", will: { topic: inboxTopic(room, "browser", "eve"), payload: "{}" } }),
    mqttPacket(0x82, Buffer.concat([Buffer.from([0, 1]), mqttString(`${PREFIX}/rooms/${room}/peers/eve/in/+`), Buffer.from([1])])),
    mqttPacket(0x82, Buffer.concat([Buffer.from([0, 2]), mqttString("#"), Buffer.from([2])])),
    mqttPublish(inboxTopic(room, "browser", "eve"), JSON.stringify({ type: "offer", sdp: sdp() })),
    mqttPublish(allTopic(room, "eve"), '{"type":"message","data":1}'),
    mqttPublish(inboxTopic(room, "_bridge", "eve"), '{"type":"ice-servers","id":"1"}'),
    mqttPacket(0xc0), mqttPacket(0xe0),
];

test(`MQTT with mistakes of chance (seed ${SEED})`, () => target.withstands((round) => times(600, async (i, random) => {
    const raw = await target.rawMqtt();
    const list = packets(target.first.room);
    for (let n = 1 + random.below(3); n > 0; n--) {
        const at = random.below(list.length);
        list[at] = random.mutate(list[at]);
        if (list[at].length > 0 && (list[at][0] & 0xf1) === 0x31)
            list[at][0] &= 0xfe;
    }
    await raw.send(Buffer.concat(list));
    await raw.finish();
}, { seed: SEED + round })));

for (const { name, bytes } of [
    { name: "a packet that says it is 256 MB", bytes: mqttPacket(0x10, "x".repeat(1000), 268435455) },
    { name: "a length without end", bytes: Buffer.from([0x10, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]) },
    { name: "a client id of 65,535 bytes", bytes: mqttConnect({ clientId: "x".repeat(65535) }) },
    { name: "a client id that is no UTF-8", bytes: mqttConnect({ clientId: Buffer.from([0xff, 0xfe]) }) },
    { name: "a will for the room of the pair", bytes: mqttConnect({ will: { topic: "sigbridge/v1/rooms/room-1/all/eve", payload: "{" } }) },
    { name: "a topic with NUL", bytes: Buffer.concat([mqttConnect(), mqttPublish("sigbridge/v1/rooms/a\0b/all/eve", "{}")]) },
    { name: "a topic that is no UTF-8", bytes: Buffer.concat([mqttConnect(), mqttPublish(Buffer.from("sigbridge/v1/rooms/\xff/all/eve", "latin1"), "{}")]) },
    { name: "a topic with wildcards", bytes: Buffer.concat([mqttConnect(), mqttPublish("sigbridge/v1/rooms/+/all/#", "{}")]) },
    { name: "a topic of 65,535 bytes", bytes: Buffer.concat([mqttConnect(), mqttPublish("sigbridge/v1/rooms/".padEnd(65535, "/x"), "{}")]) },
    { name: "two CONNECTs", bytes: Buffer.concat([mqttConnect(), mqttConnect()]) },
])
    test(`MQTT: ${name}`, () => target.withstands(() => times(20, async () => {
        const raw = await target.rawMqtt();
        await raw.send(bytes);
        await raw.finish();
    })));

/* ---- names in topics ---- */

/* None of them may come to anything: no peer, no room, no line, no row. */
const names = ["_bridge", ".", "..", "-", "a b", "a%2fb", "..%2f", "a\\b", "a\nb", "a\r\nSet-Cookie: x", "\u0001", "\u007f", "\u0085", "ä", "💣",
    "<script>alert(1)</script>", "'; DROP TABLE memberships; --", "\" OR 1=1", "${jndi:ldap://x}", "a=b level=error", "$SYS", "%s%n%x",
    "x".repeat(65), "x".repeat(2000), "null", "__proto__", "constructor"];
const isName = (name) => /^[A-Za-z0-9][A-Za-z0-9._~-]{0,63}$/.test(name);

test("names that are none come to nothing, wherever they stand in a topic", () => target.withstands(async () => {
    const { room, browser } = target.first;
    const message = '{"type":"message","data":1}';
    const heard = browser.received.length;
    for (const name of names.filter((n) => !isName(n)))
        for (const [topic, payload] of [
            [presenceTopic(room, name), "{}"], [presenceTopic(name, "eve"), "{}"],
            [inboxTopic(room, name, "eve"), message], [inboxTopic(room, "browser", name), message], [inboxTopic(name, "browser", "eve"), message],
            [allTopic(room, name), message], [allTopic(name, "eve"), message],
            [statusTopic(name), '{"online":true}'], [`${PREFIX}/bridges/${name}/in/${name}`, "{}"], [`${PREFIX}/rooms/${room}/peers/${name}`, "{}"],
        ]) {
            if (topic === inboxTopic(room, "browser", "_bridge"))
                continue; /* that is how bridges tell of errors; outside development mode the ACL keeps it */
            const raw = await target.rawMqtt(); /* the broker ends the connection for some of them */
            await raw.send(Buffer.concat([mqttConnect({ clientId: "" }), mqttPublish(topic, payload), mqttPacket(0xe0)]));
            await raw.finish();
        }
    await target.call(target.first);
    assert.deepEqual(browser.received.slice(heard).filter((m) => m.type === "message" || JSON.stringify(m).includes("eve")), []);
}));

test("what stands in a presence is text, and stays text", async () => {
    const { browser, room } = target.first;
    const eve = await target.mqttClient({ clientId: "eve" });
    for (const [i, text] of names.entries()) {
        await eve.publish(presenceTopic(room, "eve"), { kind: "device", meta: { name: text, [text.slice(0, 30)]: [text], n: i } }, { retain: true });
        const { joined, updated } = await browser.expect((m) => [m.joined, m.updated].flat().some((p) => p?.meta?.n === i));
        const { meta } = [...(joined ?? []), ...(updated ?? [])][0];
        assert.equal(meta.name, text);
        assert.equal(Object.getPrototypeOf(meta), Object.prototype);
    }
    await eve.publish(presenceTopic(room, "eve"), "", { retain: true });
    await browser.expect((m) => m.left?.some((p) => p.peer === "eve"));
    await eve.end();
    target.checkLog();
});

/* ---- payloads ---- */

const payloads = [
    { name: "deep JSON", payload: `{"type":"message","data":${"[".repeat(100_000)}${"]".repeat(100_000)}}` },
    { name: "deep objects", payload: '{"a":'.repeat(50_000) },
    { name: "half a megabyte", payload: JSON.stringify({ type: "message", data: "x".repeat(500_000) }) },
    { name: "a hundred thousand members", payload: `{"type":"message",${Array.from({ length: 40_000 }, (_, i) => `"k${i}":1`).join(",")}}` },
    { name: "the same key again and again", payload: `{"type":"message",${'"a":1,'.repeat(40_000)}"a":1}` },
    { name: "text that is no UTF-8", payload: Buffer.from('{"type":"message","data":"\xff\xfe\xc0\x80"}', "latin1") },
    { name: "NUL", payload: Buffer.alloc(100_000) },
    { name: "a number of 300,000 digits", payload: `{"type":"message","data":${"9".repeat(300_000)}}` },
    { name: "an exponent without end", payload: '{"type":"message","id":1e999999999,"sent":-1e99999999}' },
    { name: "escapes of half characters", payload: '{"type":"message","data":"\\ud800\\udfff\\ud800"}' },
    { name: "somebody else's name", payload: '{"type":"message","from":"browser","to":"root","data":1}' },
    { name: "a message of the bridge", payload: '{"type":"joined","room":"x","peer":"y","secret":"z"}' },
    { name: "a log line", payload: '{"type":"\\n2026-01-01T00:00:00.000Z error forged password=hunter2"}' },
    { name: "an offer of 20,000 lines", payload: JSON.stringify({ type: "offer", sdp: sdp() + "a=x:y\r\n".repeat(20_000) }) },
    { name: "an offer of 20,000 candidates", payload: JSON.stringify({ type: "offer", sdp: sdp() + "a=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\n".repeat(4_000) }) },
    { name: "a hundred thousand candidates", payload: JSON.stringify({ type: "candidates", candidates: Array(20_000).fill({ candidate: "" }) }) },
];

for (const { name, payload } of payloads)
    test(`a payload: ${name}`, () => target.withstands(async () => {
        const { room, browser } = target.first;
        const eve = await target.mqttClient({ clientId: "eve" });
        const heard = browser.received.length;
        for (let i = 0; i < 10; i++) {
            await eve.publish(inboxTopic(room, "browser", "eve"), payload);
            await eve.publish(inboxTopic(room, "_bridge", "eve"), payload);
            await eve.publish(allTopic(room, "eve"), payload);
            await eve.publish(presenceTopic(room, "eve"), payload);
            await eve.publish(statusTopic("eve"), payload);
            await eve.publish(`${PREFIX}/bridges/${target.bridge.ready.bridge}/in/eve`, payload);
        }
        await target.call(target.first);
        for (const message of browser.received.slice(heard)) {
            assert.ok(JSON.stringify(message).length < 262144);
            assert.notEqual(message.type, "joined");
            assert.notEqual(message.from, "browser");
        }
        await eve.publish(presenceTopic(room, "eve"), "");
        await eve.end();
    }, { lines: 80, secrets: ["hunter2"] }));

test("what is retained where nothing may be is never delivered", () => target.withstands(async (round) => {
    const eve = await target.mqttClient({ clientId: "eve" });
    const room = `junk-${round}`;
    const topics = [inboxTopic(room, "ann", "eve"), allTopic(room, "eve")];
    for (const topic of topics)
        await eve.publish(topic, { type: "message", data: "from long ago" }, { retain: true });
    const ann = await target.join({ room, peer: "ann" });
    const bob = await target.join({ room, peer: "bob" });
    await bob.request({ type: "message", to: "ann", data: "now" });
    assert.equal((await ann.expect("message")).data, "now");
    for (const topic of topics)
        await eve.publish(topic, "", { retain: true });
    await eve.end();
    await ann.close();
    await bob.close();
}));

/* ---- floods ---- */

test("a flood of mistakes is answered at a bounded rate, and told in few lines", () => target.withstands(async () => {
    const { room } = target.first;
    const eve = await target.mqttClient({ clientId: "eve" });
    await eve.subscribe(inboxTopic(room, "eve", "+"));
    const start = Date.now();
    const count = 5000;
    for (let i = 0; i < count; i++)
        eve.client.publish(inboxTopic(room, "browser", "eve"), "{", { qos: 0 });
    await eve.publish(inboxTopic(room, "_bridge", "eve"), { type: "ice-servers", id: "fence" });
    await target.call(target.first);
    await until(async () => (await target.metrics())("sigbridge_messages_refused_total") >= count, "all are seen");
    const seconds = (Date.now() - start) / 1000;
    const errors = eve.mail.all.filter((m) => m.message?.type === "error").length;
    assert.ok(errors >= 1 && errors <= 250 + 50 * seconds, `${errors} errors in ${seconds} s`);
    await eve.end();
}, { log: /refused/, lines: 60 }));

test("a flood of presences of many rooms and peers goes when they go", () => target.withstands(async () => {
    const eve = await target.mqttClient({ clientId: "eve" });
    const topics = Array.from({ length: 3000 }, (_, i) => presenceTopic(`flood-${i % 1500}`, `peer-${i}`));
    const meta = { name: "x".repeat(1000) };
    for (const payload of [JSON.stringify({ meta }), ""]) {
        for (const topic of topics)
            eve.client.publish(topic, payload, { qos: 0, retain: true });
        await eve.publish(statusTopic("eve"), "{}");
        await target.call(target.first);
    }
    await eve.end();
}));

test("a flood of changes of one presence", () => target.withstands(async () => {
    const { room, browser } = target.first;
    const eve = await target.mqttClient({ clientId: "eve" });
    for (let i = 0; i < 3000; i++)
        eve.client.publish(presenceTopic(room, "eve"), i % 3 ? JSON.stringify({ meta: { i } }) : "", { qos: 0, retain: true });
    await eve.publish(presenceTopic(room, "eve"), { meta: { i: "last" } }, { retain: true });
    await browser.expect((m) => [m.joined, m.updated].flat().some((p) => p?.meta?.i === "last"));
    await eve.publish(presenceTopic(room, "eve"), "", { retain: true });
    await browser.expect((m) => m.left?.some((p) => p.peer === "eve"));
    await eve.end();
}));

test("a flood of questions to the bridge, and of messages to its room", () => target.withstands(async () => {
    const { room, browser } = target.first;
    const eve = await target.mqttClient({ clientId: "eve" });
    await eve.subscribe(inboxTopic(room, "eve", "+"));
    for (let i = 0; i < 1500; i++) {
        eve.client.publish(inboxTopic(room, "_bridge", "eve"), JSON.stringify({ type: "ice-servers", id: `${i}` }), { qos: 0 });
        eve.client.publish(allTopic(room, "eve"), '{"type":"message","data":"noise"}', { qos: 0 });
    }
    await eve.publish(allTopic(room, "eve"), { type: "message", data: "the end" });
    await browser.expect((m) => m.data === "the end", 60_000);
    await eve.end();
}));

test("names of bridges that are not there, and of this one", () => target.withstands(async (round) => {
    const eve = await target.mqttClient({ clientId: "eve" });
    const me = target.bridge.ready.bridge;
    for (let i = 0; i < 500; i++) {
        await eve.publish(statusTopic(`ghost-${i}`), { online: true, since: i, version: "9" }, { retain: true });
        await eve.publish(statusTopic(`ghost-${i}`), { online: false }, { retain: true });
        await eve.publish(statusTopic(`ghost-${i}`), "", { retain: true });
    }
    for (const payload of [{ online: false }, "", "{", { online: true, since: 0 }])
        await eve.publish(statusTopic(me), payload, { retain: true });
    await target.call(target.first);
    assert.equal(target.first.browser.socket.readyState, 1);
    await eve.end();
    void round;
}));

/* ---- the bridge's own socket at the broker ---- */

const brokerSocket = () => {
    const dir = join(target.bridge.data, "broker");
    const name = readdirSync(dir).find((file) => file.endsWith(".sock"));
    assert.ok(name, `a socket in ${readdirSync(dir)}`);
    return join(dir, name);
};

for (const { name, bytes } of [
    { name: "without a password", bytes: mqttConnect({ clientId: "eve" }) },
    { name: "with the bridge's user and a wrong password", bytes: mqttConnect({ clientId: "eve", user: "_bridge", password: "hunter2-hunter2" }) },
    { name: "with the bridge's user and an empty password", bytes: mqttConnect({ clientId: "eve", user: "_bridge", password: "" }) },
    { name: "with a password and no user", bytes: mqttConnect({ clientId: "eve", password: "hunter2-hunter2", flags: 2 | 64 }) },
    { name: "with a user that is none", bytes: mqttConnect({ clientId: "eve", user: "root:x\n_bridge", password: "hunter2-hunter2" }) },
])
    test(`the bridge's own socket: ${name}`, () => target.withstands(() => times(50, async () => {
        const raw = await Raw.connect(brokerSocket());
        await raw.send(Buffer.concat([bytes, mqttPublish(statusTopic(target.bridge.ready.bridge), '{"online":false}', { retain: true })]));
        const said = await raw.finish();
        assert.ok(said.length === 0 || (said[0] === 0x20 && said[3] !== 0), "it is not let in");
    }), { secrets: ["hunter2"] }));

test(`the bridge's own socket: bytes of chance, and connections that stay (seed ${SEED})`, () => target.withstands(async (round) => {
    const silent = [];
    for (let i = 0; i < 50; i++)
        silent.push(await Raw.connect(brokerSocket()));
    await times(200, async (i, random) => {
        const raw = await Raw.connect(brokerSocket());
        await raw.send(random.bytes(1 + random.below(2000)));
        await raw.finish();
    }, { seed: SEED + round });
    await target.call(target.first);
    for (const raw of silent)
        await raw.drop();
}));

void [deadline, newRoom];
