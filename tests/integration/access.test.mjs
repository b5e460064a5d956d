/* A broker that does not let the bridge, or a device, do everything. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { until } from "./harness.mjs";
import { assertError, get, inboxTopic, newRoom, presenceTopic, sdp, sees, World } from "./world.mjs";

const acl = `
user bridge
topic readwrite sigbridge/v1/#
topic deny sigbridge/v1/rooms/closed/#
topic deny sigbridge/v1/rooms/+/peers/locked/in/+

user eye
topic readwrite #

pattern write sigbridge/v1/rooms/+/peers/+/in/%u
pattern write sigbridge/v1/rooms/+/all/%u
pattern readwrite sigbridge/v1/rooms/+/peers/%u/presence
pattern read sigbridge/v1/rooms/+/peers/%u/in/+
`;

const world = new World();
before(() => world.start({ brokerOptions: { acl }, config: 'mqtt: { username = "bridge"; };\n' }));
after(() => world.end());

test("a room that the broker keeps from the bridge: forbidden", async () => {
    const ann = await world.connect();
    const error = await ann.ask({ type: "join", room: "closed", peer: "ann", id: "j" }, "joined").then(() => assert.fail("joined"), (e) => e.answer);
    assertError(error, { code: 403, error: "forbidden", id: "j", message: /broker/ });
    ann.name = "ann";
    await ann.ask({ type: "join", room: newRoom(), peer: "ann" }, "joined");
});

test("an inbox that the broker keeps from the bridge: forbidden", async () => {
    const room = newRoom();
    const eye = await world.mqtt({ username: "eye" });
    await eye.subscribe(inboxTopic(room, "locked", "+"));
    await eye.publish(presenceTopic(room, "locked"), {}, { retain: true });
    const ann = await world.join({ room, peer: "ann" });
    await sees(ann, "locked");
    const error = await ann.request({ type: "offer", to: "locked", sdp: sdp(), id: "o" }).then(() => assert.fail("ack"), (e) => e.answer);
    assertError(error, { code: 403, error: "forbidden", id: "o", to: "locked" });
    assert.equal(eye.mail.all.length, 0);
});

test("a device speaks for itself only", async () => {
    const room = newRoom();
    const ann = await world.join({ room, peer: "ann" });
    const cam = await world.device({ room, name: "cam", username: "cam" });
    await sees(ann, "cam");
    await cam.publish(inboxTopic(room, "ann", "eve"), { type: "message", data: "forged" }).catch(() => {});
    await cam.publish(presenceTopic(room, "ann"), { kind: "device" }, { retain: true }).catch(() => {});
    await cam.send("ann", { type: "message", data: "own" });
    assert.equal((await ann.expect("message")).data, "own");
    assert.equal(ann.socket.readyState, 1);
    await ann.request({ type: "offer", to: "cam", sdp: sdp() });
    await cam.receive("offer", "ann");
    await cam.send("_bridge", { type: "ice-servers", id: "q" });
    await cam.receive("ice-servers");
});

test("a bridge that may not hear itself is not ready, and says why", async () => {
    const broker = await world.addBroker({ acl: "user bridge\ntopic readwrite sigbridge/v1/rooms/#\ntopic readwrite sigbridge/v1/bridges/+/status\n" });
    let http;
    const start = world.addBridge({ broker: broker.url, config: 'mqtt: { username = "bridge"; };\n', timeout: 8000 });
    const failure = await start.then(() => "ready", (error) => error.message);
    assert.match(failure, /roster-late .*topic=sigbridge\/v1\/bridges\/[^ ]+\/in\/.* remedy=".*ACL"/);
    void http;
});

test("a bridge that the broker does not let in says so", async () => {
    const broker = await world.addBroker({ config: ["allow_anonymous false"] });
    const failure = await world.addBridge({ broker: broker.url, timeout: 3000 }).then(() => "ready", (error) => error.message);
    assert.match(failure, /broker-refused .*remedy="check mqtt\.username/);
    await until(async () => (await get(world.bridge, "/readyz")).status === 200, "the other one is not concerned");
});
