/* The test vectors beside the schema, through the running bridge: what a client, a device or a
 * presence says there gets the verdict that stands there. And what bridges say to each other fits the
 * schema. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { repository } from "./harness.mjs";
import { assertSchema, inboxTopic, newRoom, presenceTopic, sdp, World } from "./world.mjs";

const vectors = ["messages", "beyond-schema"].flatMap((name) =>
    readFileSync(join(repository, "clients/schema/vectors", `${name}.jsonl`), "utf8").trim().split("\n").map((line) => JSON.parse(line)));
const rows = (direction, side) => vectors.filter((row) => row.direction === direction && row.side === side);

const world = new World();
before(() => world.start());
after(() => world.end());

const isName = (value) => typeof value === "string" && /^[A-Za-z0-9][A-Za-z0-9._~-]{0,63}$/.test(value);
const malformed = ["invalid-json", "invalid-message", "invalid-sdp", "invalid-candidate", "too-large"];

/* What a message met: "accepted", or the error word of a message that is none. Refusals for other
 * reasons (nobody of that name, already a member) mean that the message itself was sound. */
async function verdictOfClient(peer, row, number) {
    const fence = `fence-${number}`;
    peer.send(JSON.stringify(row.message));
    peer.send({ type: "ping", id: fence });
    const from = peer.received.length;
    try {
        await peer.expect((m) => m.type === "ack" && m.id === fence);
    } catch {
        /* closed: the error came before */
    }
    const error = peer.received.slice(from).find((m) => m.type === "error" && malformed.includes(m.error));
    return error ? error.error : "accepted";
}

describe("clients", () => {
    let peer, room;
    /* Those to whom the vectors speak are there. */
    const others = new Set(rows("client").map((row) => row.message.to).filter(isName));
    const enter = async () => {
        room = newRoom();
        const ear = await world.mqtt();
        await ear.subscribe(inboxTopic(room, "+", "+"));
        for (const name of others)
            await ear.publish(presenceTopic(room, name), {}, { retain: true });
        peer = await world.join({ room, peer: "vector" });
    };
    before(enter);
    let number = 0;
    for (const row of rows("client"))
        test(`${row.name}: ${row.why}`, async () => {
            const verdict = await verdictOfClient(peer, row, ++number);
            assert.equal(verdict === "accepted", row.valid, verdict);
            const closed = peer.socket.readyState !== 1;
            assert.equal(closed, verdict === "invalid-json", "closed for JSON only");
            /* Leaving is a message, too. */
            if (closed || row.message.type === "leave" || row.message.type === "join")
                await enter();
        });
});

/* What the bridge has to say about a message it says before it answers the question behind it. */
async function verdictOfDevice(device, target, message, number) {
    const from = device.mail.all.length;
    await device.send(target, message);
    await device.send("_bridge", { type: "ice-servers", id: `fence-${number}` });
    await device.mail.expect((m) => m.message?.id === `fence-${number}`);
    const error = device.mail.all.slice(from).find((m) => malformed.includes(m.message?.error));
    return error ? error.message.error : "accepted";
}

for (const [side, target] of [["peer", "vector"], ["ask", "_bridge"]])
    describe(`devices, ${side === "peer" ? "to a browser" : "to the bridge"}`, () => {
        let device, room;
        before(async () => {
            room = newRoom();
            await world.join({ room, peer: "vector" });
            device = await world.device({ room, name: "cam1" });
        });
        const ends = (message) => ({ ...message, ...isName(message.from) && { from: "cam1" }, ...isName(message.to) && { to: target } });
        for (const [number, row] of rows("device", side).entries())
            test(`${row.name}: ${row.why}`, async () => {
                /* The topic has its own names, with which a sound name in the message must agree. */
                const verdict = await verdictOfDevice(device, target, ends(row.message), number);
                assert.equal(verdict === "accepted", row.valid, verdict);
            });
    });

describe("presence", () => {
    let writer, watcher, room;
    before(async () => {
        room = newRoom();
        writer = await world.mqtt();
        watcher = await world.join({ room, peer: "watcher" });
    });
    for (const [number, row] of rows("presence").entries())
        test(`${row.name}: ${row.why}`, async () => {
            const name = `v${number}`;
            await writer.publish(presenceTopic(room, name), row.message, { retain: true });
            await writer.publish(inboxTopic(room, "watcher", name), { type: "message", data: name });
            await watcher.expect((m) => m.type === "message" && m.data === name);
            const known = watcher.received.some((m) => m.joined?.some((p) => p.peer === name));
            assert.equal(known, row.valid);
            await writer.publish(presenceTopic(room, name), "", { retain: true });
        });
});

describe("bridges", () => {
    test("what they say when a session moves fits the schema", async () => {
        const other = await world.addBridge({ args: ["--bridge-id", "other"] });
        await world.ready(other);
        const ear = await world.mqtt();
        await ear.subscribe("sigbridge/v1/bridges/+/in/+");
        await ear.subscribe(inboxTopic("+", "ann", "_bridge"));
        const room = newRoom();
        const ann = await world.join({ room, peer: "ann", meta: { name: "Ann" } });
        const bob = await world.join({ room, peer: "bob" });
        await ann.request({ type: "offer", to: "bob", sdp: sdp(1), call: "a \"b\"" });
        await bob.request({ type: "message", to: "ann", data: "seen" });
        await ann.expect((m) => m.data === "seen");
        ann.terminate();
        await ann.closed;
        await bob.request({ type: "message", to: "ann", data: "missed" });
        const back = await world.connect({ bridge: other });
        const { session, secret } = ann.joined;
        const seq = ann.received.findLast((m) => m.seq !== undefined).seq;
        back.send({ type: "resume", session, secret, seq });
        await back.expect((m) => m.data === "missed");
        await ear.mail.expect((m) => m.message?.type === "state");
        const said = ear.mail.all.filter(({ topic }) => !/\/bridges\/([^/]+)\/in\/\1$/.test(topic));
        for (const { topic, text } of said) {
            const [line, frame] = text.split("\n");
            assertSchema(/\/bridges\//.test(topic) ? "bridges.json" : "device.json#/$defs/bridge", JSON.parse(line));
            assert.equal(frame !== undefined, JSON.parse(line).type === "missed");
            if (frame !== undefined)
                assertSchema("server.json", JSON.parse(frame));
        }
        const types = said.map(({ text }) => JSON.parse(text.split("\n")[0]).type);
        assert.deepEqual([...new Set(types)], ["take", "granted", "takeover", "knows", "missed", "state"]);
    });
});
