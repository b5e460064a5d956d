/* What a device may not do, tried against a real broker by a device that has logged in. The same for
 * the embedded broker and for every configuration of broker-config/:
 *
 *     deviceRights("the embedded broker", async (rooms) => site, { version: 5 });
 *
 * `rooms` is {own, other}. The site has: bridge; token (for browsers, or undefined); address and
 * login(name) of the devices' listener; end(). It knows the devices cam1, cam2 (room own), cam3 (room
 * other) and spare (room own), and nobody else.
 *
 * The cast: cam1 attacks. cam2 and ann (a browser) are in its room. cam3 and bob are in the other one,
 * and so is a browser that calls itself cam1. "Nothing arrives" means: what may be done, done behind
 * what was tried, has arrived everywhere, and the other has not. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { deadline, until, WsPeer } from "./harness.mjs";
import { allTopic, Device, inboxTopic, metric, Mqtt, presenceTopic, rosterOf, statusTopic } from "./world.mjs";

const NOT_AUTHORIZED = 0x87;

export function deviceRights(name, setUp, { version = 5 } = {}) {
    describe(`${name}, MQTT ${version === 4 ? "3.1.1" : "5"}: a device`, () => {
        const rooms = { own: `own-${version}`, other: `other-${version}` };
        const { own, other } = rooms;
        let site, ann, bob, twin, cam1, cam2, cam3, mark = 0;

        const device = (room, name, options) => Device.start(site.address, { room, name, version, ...site.login(name), ...options });
        const stranger = (name, options) => Mqtt.connect(site.address, { version, ...site.login(name), ...options });

        before(async () => {
            site = await setUp(rooms);
            const join = (room, peer) => WsPeer.join(site.bridge.wsUrl, { room, peer, token: site.token });
            cam1 = await device(own, "cam1");
            cam2 = await device(own, "cam2");
            cam3 = await device(other, "cam3");
            ann = await join(own, "ann");
            bob = await join(other, "bob");
            twin = await join(other, "cam1");
            await until(() => rosterOf(ann).has("cam1") && rosterOf(ann).has("cam2") && rosterOf(bob).has("cam3") && rosterOf(bob).has("cam1"), "everybody is there");
            await cam2.subscribe(allTopic(own, "+"));
            await cam3.subscribe(allTopic(other, "+"));
        });
        after(() => site?.end());

        /* To everybody, by those who may. */
        async function fence() {
            const data = `fence ${++mark}`;
            const is = (m) => m.data === data;
            await cam1.send("ann", { type: "message", data });
            await cam1.send("cam2", { type: "message", data });
            await cam3.send("bob", { type: "message", data });
            await cam3.send("cam1", { type: "message", data });
            await ann.expect(is);
            await bob.expect(is);
            await twin.expect(is);
            await cam2.mail.expect((m) => m.message && is(m.message));
            await bob.request({ type: "message", to: "cam3", data });
            await cam3.mail.expect((m) => m.message && is(m.message));
        }

        /* Everything that reached the others since, but for fences. */
        function listen() {
            const sockets = [ann, bob, twin].map((peer) => ({ peer, from: peer.received.length }));
            const clients = [cam2, cam3].map((client) => ({ client, from: client.mail.all.length }));
            const is_fence = (m) => typeof m?.data === "string" && m.data.startsWith("fence ");
            return () => [
                ...sockets.flatMap(({ peer, from }) => peer.received.slice(from).filter((m) => m.type !== "ack" && !is_fence(m))),
                ...clients.flatMap(({ client, from }) => client.mail.all.slice(from).filter((m) => !is_fence(m.message))),
            ];
        }

        const evil = { type: "message", data: "not allowed" };
        const gone = { message: "", retain: true };
        const here = { message: { kind: "sfu" }, retain: true };
        const writes = [
            { name: "to a browser in another device's name", topic: inboxTopic(own, "ann", "cam2") },
            { name: "to a browser in a browser's name", topic: inboxTopic(own, "ann", "bob") },
            { name: "to a device in a browser's name", topic: inboxTopic(own, "cam2", "ann") },
            { name: "to itself in another's name", topic: inboxTopic(own, "cam1", "ann") },
            { name: "to a browser as _bridge", topic: inboxTopic(own, "ann", "_bridge"), message: { type: "error", code: 403, error: "forbidden", message: "x" } },
            { name: "to a device as _bridge", topic: inboxTopic(own, "cam2", "_bridge"), message: { type: "error", code: 403, error: "forbidden", message: "x" } },
            { name: "to the bridge in another's name", topic: inboxTopic(own, "_bridge", "cam2"), message: { type: "ice-servers" } },
            { name: "to its room in another's name", topic: allTopic(own, "cam2") },
            { name: "to its room as _bridge", topic: allTopic(own, "_bridge") },
            { name: "another device's presence", topic: presenceTopic(own, "cam2"), ...here },
            { name: "another device's absence", topic: presenceTopic(own, "cam2"), ...gone },
            { name: "a browser's presence", topic: presenceTopic(own, "ann"), ...here },
            { name: "a browser's absence", topic: presenceTopic(own, "ann"), ...gone },
            { name: "a presence of somebody who is not there", topic: presenceTopic(own, "nobody"), ...here },
            { name: "its presence into another room", topic: presenceTopic(other, "cam1"), ...here },
            { name: "the absence of its namesake in another room", topic: presenceTopic(other, "cam1"), ...gone },
            { name: "to a browser in another room", topic: inboxTopic(other, "bob", "cam1") },
            { name: "to a device in another room", topic: inboxTopic(other, "cam3", "cam1") },
            { name: "to the bridge in another room", topic: inboxTopic(other, "_bridge", "cam1"), message: { type: "ice-servers" } },
            { name: "to everybody in another room", topic: allTopic(other, "cam1") },
            { name: "that a bridge is away", topic: () => statusTopic(site.bridge.ready.bridge), message: { online: false, run: "x" }, retain: true },
            { name: "that a bridge was never there", topic: () => statusTopic(site.bridge.ready.bridge), ...gone },
            { name: "into a bridge's inbox", topic: () => `sigbridge/v1/bridges/${site.bridge.ready.bridge}/in/${site.bridge.ready.bridge}`, message: { fence: 1 } },
            { name: "below its own topic", topic: `${inboxTopic(own, "ann", "cam1")}/more` },
            { name: "in its name with another case", topic: inboxTopic(own, "ann", "CAM1") },
            { name: "in its name with a letter that looks the same", topic: inboxTopic(own, "ann", "\u0441am1") },
            { name: "in its name and something behind it", topic: inboxTopic(own, "ann", "cam1\u200b") },
            { name: "to a name of two levels", topic: inboxTopic(own, "ann/in/cam2", "cam1") },
            { name: "under another prefix", topic: `other/rooms/${own}/peers/ann/in/cam1` },
            { name: "outside", topic: "zigbee2mqtt/light/set" },
            { name: "the broker's own topics", topic: "$SYS/broker/uptime" },
            { name: "the broker's control", topic: "$CONTROL/dynamic-security/v1" },
            { name: "to a share group", topic: `$share/mine/${inboxTopic(own, "cam2", "cam1")}` },
        ];
        for (const { name, topic, message = evil, retain = false } of writes)
            test(`cannot write ${name}`, async () => {
                const arrived = listen();
                const sent = cam1.publish(typeof topic === "function" ? topic() : topic, message, { retain });
                if (version === 5)
                    await assert.rejects(sent, (error) => error.code === NOT_AUTHORIZED, "PUBACK says that it is not authorized");
                else
                    await sent; /* MQTT 3.1.1 has no way to say so */
                await fence();
                assert.deepEqual(arrived(), []);
                assert.ok(cam1.client.connected);
            });

        if (version === 5)
            test("cannot write by a topic alias what it cannot write by name", async () => {
                const arrived = listen();
                const alias = (topic, topicAlias) => deadline(cam1.client.publishAsync(topic, JSON.stringify(evil), { qos: 1, properties: { topicAlias } }), "PUBACK");
                const refused = (error) => error.code === NOT_AUTHORIZED;
                await assert.rejects(alias(inboxTopic(own, "ann", "cam2"), 1), refused);
                await assert.rejects(alias("", 1), refused);
                await fence();
                assert.deepEqual(arrived(), []);
            });

        const reads = [
            { name: "another's inbox", filter: inboxTopic(own, "cam2", "+") },
            { name: "one sender in another's inbox", filter: inboxTopic(own, "cam2", "ann") },
            { name: "a browser's inbox", filter: inboxTopic(own, "ann", "+") },
            { name: "everyone's inbox", filter: "sigbridge/v1/rooms/+/peers/+/in/+" },
            { name: "the bridge's inbox", filter: inboxTopic("+", "_bridge", "+") },
            { name: "presence", filter: presenceTopic("+", "+") },
            { name: "its namesake's inbox in another room", filter: inboxTopic(other, "cam1", "+") },
            { name: "what is said in another room", filter: allTopic(other, "+") },
            { name: "everything in another room", filter: `sigbridge/v1/rooms/${other}/#` },
            { name: "bridges", filter: "sigbridge/v1/bridges/#" },
            { name: "the prefix", filter: "sigbridge/v1/#" },
            { name: "everything", filter: "#" },
            { name: "one level", filter: "+" },
            { name: "everything, one level down", filter: "+/#" },
            { name: "the broker's own topics", filter: "$SYS/#" },
            { name: "a share of another's inbox", filter: `$share/mine/${inboxTopic(own, "cam2", "+")}` },
            { name: "a share of the bridge's inbox", filter: `$share/mine/${inboxTopic("+", "_bridge", "+")}` },
            { name: "a share of everything", filter: "$share/mine/#" },
        ];
        for (const { name, filter } of reads)
            test(`cannot read ${name}, though the broker grants the subscription`, async () => {
                const known = cam1.mail.all.length;
                const [granted] = await cam1.subscribe(filter);
                assert.equal(granted.qos, 1);
                await ann.request({ type: "message", to: "cam2", data: "for cam2 only" });
                await cam2.mail.expect((m) => m.message?.data === "for cam2 only");
                await cam2.send("ann", { type: "message", data: "for ann only" });
                await ann.expect((m) => m.data === "for ann only");
                await cam2.present({ kind: "device", meta: { time: ++mark } });
                await ann.expect((m) => m.updated?.[0].meta.time === mark);
                await cam2.send("_bridge", { type: "ice-servers", id: `i${mark}` });
                await cam2.receive("ice-servers", "_bridge");
                await bob.request({ type: "message", data: "for the other room" });
                await cam3.mail.expect((m) => m.message?.data === "for the other room");
                await fence();
                await ann.request({ type: "message", to: "cam1", data: `for cam1 ${mark}` });
                await cam1.mail.expect((m) => m.message?.data === `for cam1 ${mark}`);
                await cam1.client.unsubscribeAsync(filter);
                const foreign = cam1.mail.all.slice(known).filter((m) =>
                    !m.topic.startsWith(inboxTopic(own, "cam1", "")) && !m.topic.startsWith(allTopic(own, "")) && m.topic !== presenceTopic(own, "cam1"));
                assert.deepEqual(foreign, []);
            });

        /* Denied are the own inbox's neighbours, not the inbox: unsubscribing from "#" left it alone. */
        test("has kept its own inbox", async () => {
            await ann.request({ type: "message", to: "cam1", data: "still there" });
            assert.equal((await cam1.mail.expect((m) => m.message?.data === "still there")).topic, inboxTopic(own, "cam1", "ann"));
        });

        const wills = [
            { name: "another device's presence", topic: presenceTopic(own, "cam2"), payload: "" },
            { name: "a browser's presence", topic: presenceTopic(own, "ann"), payload: "" },
            { name: "a presence in another room", topic: presenceTopic(other, "cam3"), payload: "" },
            { name: "another's word", topic: inboxTopic(own, "ann", "cam2"), payload: JSON.stringify(evil) },
            { name: "a bridge's end", topic: () => statusTopic(site.bridge.ready.bridge), payload: '{"online":false}' },
        ];
        for (const { name, topic, payload } of wills)
            test(`has no will for ${name}`, async () => {
                const arrived = listen();
                const dying = await stranger("spare", { will: { topic: typeof topic === "function" ? topic() : topic, payload: Buffer.from(payload), qos: 1, retain: true } });
                await dying.drop();
                /* The next login comes after the end of the last one. */
                await (await stranger("spare")).end();
                await fence();
                assert.deepEqual(arrived(), []);
            });

        test("cannot take another's connection by its client id", async () => {
            for (const clientId of ["cam1", "cam2", `${own}-cam2`, "_bridge", site.bridge.ready.bridge, "+", "#"]) {
                const thief = await stranger("spare", { clientId });
                await fence();
                assert.ok(cam1.client.connected && cam2.client.connected);
                await thief.end();
            }
            assert.equal(await metric(site.bridge, "sigbridge_broker_connects_total"), 1, "the bridge stayed connected");
        });

        test("a message left in another's inbox reaches a browser once, and nobody who comes later", async () => {
            const data = `left ${version}`;
            const count = () => ann.received.filter((m) => m.data === data).length;
            await cam1.publish(inboxTopic(own, "ann", "cam1"), { type: "message", data }, { retain: true });
            await ann.expect((m) => m.data === data);
            await ann.close();
            ann = await WsPeer.join(site.bridge.wsUrl, { room: own, peer: "ann", token: site.token });
            await until(() => rosterOf(ann).has("cam2"), "ann is back");
            await fence();
            assert.equal(count(), 0);
            await cam1.publish(inboxTopic(own, "ann", "cam1"), "", { retain: true });
        });

        test("has left its company as it was", async () => {
            const late = await WsPeer.join(site.bridge.wsUrl, { room: own, peer: "late", token: site.token });
            assert.deepEqual(late.joined.peers.map((p) => `${p.peer} ${p.kind}`).sort(), ["ann browser", "cam1 device", "cam2 device"]);
            await late.close();
            const there = await WsPeer.join(site.bridge.wsUrl, { room: other, peer: "late", token: site.token });
            assert.deepEqual(there.joined.peers.map((p) => `${p.peer} ${p.kind}`).sort(), ["bob browser", "cam1 browser", "cam3 device"]);
            await there.close();
        });

        test("is not let in under a name that nobody gave it", async () => {
            const names = site.namedByCertificate ? [] : ["+", "#", "cam+", "cam1/../cam2", "cam1/in", "\u0441am1", "cam1\u200b", " cam1", "cam1 ", "CAM1", "_bridge", ""];
            for (const username of names)
                await assert.rejects(stranger("cam1", { username }), /closed the connection/, JSON.stringify(username));
            await fence();
        });
    });
}
