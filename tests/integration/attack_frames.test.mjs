/* WebSocket frames as no client library sends them: each ends its own socket, or is taken, and nobody
 * else notices. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { frame, Random, SEED, Target, textFrame, times } from "./attacker.mjs";
import { deadline, until } from "./harness.mjs";
import { sdp } from "./world.mjs";

const MESSAGE_MAX = 262144;
const ping = '{"type":"ping"}';
const close = (code, reason = "") => frame(Buffer.concat([Buffer.from([code >> 8, code & 255]), Buffer.from(reason, "latin1")]), { opcode: 8 });
const padded = (size) => ping.padEnd(size, " ");

let target;
before(async () => {
    target = await Target.start({ config: "limits: { join_timeout = 5; };\n" });
});
after(() => target.end());

/* `code`: of the bridge's Close frame, null for an end without one; a reset may overtake it. `served`: what follows is answered. */
const rows = [
    { name: "RSV1: it claims to be compressed", frames: [frame(ping, { rsv: 4 })], code: 1002 },
    { name: "RSV2", frames: [frame(ping, { rsv: 2 })], code: 1002 },
    { name: "RSV3", frames: [frame(ping, { rsv: 1 })], code: 1002 },
    { name: "all RSV bits", frames: [frame(ping, { rsv: 7 })], code: 1002 },
    { name: "a compressed ping", frames: [frame("x", { rsv: 4, opcode: 9 })], code: 1002 },
    { name: "a compressed continuation", frames: [frame("{", { fin: false }), frame("}", { opcode: 0, rsv: 4 })], code: 1002 },
    { name: "compressed zeros", frames: [frame(Buffer.alloc(60000), { rsv: 4 })], code: [1002, null] },
    ...[3, 4, 5, 6, 7, 11, 12, 13, 14, 15].map((opcode) => ({ name: `opcode ${opcode}`, frames: [frame("x", { opcode })], code: 1002 })),
    { name: "a continuation of nothing", frames: [frame("x", { opcode: 0 })], code: 1002 },
    { name: "an unfinished continuation of nothing", frames: [frame("x", { opcode: 0, fin: false })], code: 1002 },
    { name: "a message within a message", frames: [frame("{", { fin: false }), frame(ping)], code: 1002 },
    { name: "a ping in fragments", frames: [frame("x", { opcode: 9, fin: false })], code: 1002 },
    { name: "a Close in fragments", frames: [frame("x", { opcode: 8, fin: false })], code: 1002 },
    { name: "a ping that is too long", frames: [frame("x".repeat(126), { opcode: 9 })], code: [1002, null] },
    { name: "a Close that is too long", frames: [frame(Buffer.alloc(126, 3), { opcode: 8 })], code: [1002, null] },
    { name: "a length with its highest bit set", frames: [frame("x", { length: 1n << 63n, wide: 8 })], code: [1002, 1009, null] },
    { name: "an unmasked message", frames: [frame(ping, { masked: false })], served: true },
    { name: "a length in more bytes than it needs", frames: [frame(ping, { wide: 8 })], served: true },
    { name: "a pong that nobody asked for", frames: [frame("hello", { opcode: 10 })], served: true },
    { name: "a binary frame", frames: [frame("x", { opcode: 2 })], code: 1003 },
    { name: "a Close of one byte", frames: [frame("x", { opcode: 8 })], code: [1002, null, undefined] },
    { name: "Close 1005", frames: [close(1005)], code: 1002 },
    { name: "Close 1006", frames: [close(1006)], code: 1002 },
    { name: "Close 999", frames: [close(999)], code: 1002 },
    { name: "Close 65535", frames: [close(65535)], code: [1002, 65535] },
    { name: "a Close whose reason is no UTF-8", frames: [close(1000, "\xff\xfe")], code: [1000, 1007] },
    { name: "messages behind a Close", frames: [close(1000), ...Array(50).fill(frame(ping))], code: [1000, null] },
    { name: "a message of one byte too many", frames: [textFrame(padded(MESSAGE_MAX + 1))], code: [1009, null] },
    { name: "a message of a gigabyte, begun", frames: [frame(padded(MESSAGE_MAX + 1), { length: 1 << 30, wide: 8 })], code: [1009, null] },
    { name: "a message of 2^62 bytes, begun", frames: [frame(padded(MESSAGE_MAX + 1), { length: 1n << 62n, wide: 8 })], code: [1009, null] },
];

for (const { name, frames, code, served } of rows)
    test(`a frame: ${name}`, () => target.withstands(() => times(20, async () => {
        const raw = await (await target.raw()).upgrade();
        for (const bytes of frames)
            await raw.send(bytes);
        if (served) {
            await raw.send(textFrame({ type: "ping", id: "after" }));
            await raw.until(() => raw.messages.some((m) => m.id === "after"), "the answer to what follows");
            await raw.drop();
            return;
        }
        await deadline(raw.enough, "a Close");
        await raw.drop();
        assert.ok([code].flat().some((c) => (c ?? undefined) === raw.closeCode), `Close ${raw.closeCode}`);
        assert.equal(raw.messages.some((m) => m.type === "pong"), false, "it is not taken for a message");
    })));

test("the log says who did it and what it was, of a flood now and then", async () => {
    const fresh = await Target.start();
    const told = [
        [frame(ping, { rsv: 4 }), /warn protocol-violation address=127\.0\.0\.3 what="rsv bits" unsaid=0$/],
        [frame("x", { opcode: 3 }), /warn protocol-violation address=127\.0\.0\.3 what="bad opc" unsaid=0$/],
        [frame("x", { opcode: 0 }), /warn protocol-violation address=127\.0\.0\.3 what="bad cont" unsaid=0$/],
        [frame("x", { opcode: 2 }), /warn socket-cut address=127\.0\.0\.3 what="text frames only" unsaid=0$/],
        [textFrame(padded(MESSAGE_MAX + 1)), /warn socket-cut address=127\.0\.0\.3 what="the message is too large" unsaid=0$/],
        [frame("{"), /info refused from=ws .*invalid-json/],
    ];
    for (const [bytes, line] of told) {
        const raw = await (await fresh.raw()).upgrade();
        await raw.send(bytes);
        await deadline(raw.enough, "a Close");
        await raw.drop();
        await fresh.bridge.line(line);
    }
    const before = fresh.lines.length;
    await times(300, async () => {
        const raw = await (await fresh.raw()).upgrade();
        await raw.send(frame(ping, { rsv: 4 }));
        await deadline(raw.enough, "a Close");
        await raw.drop();
    });
    await until(async () => (await fresh.metrics())("sigbridge_protocol_violations_total") === 303, "all are counted");
    assert.ok(fresh.lines.length - before < 100, `${fresh.lines.length - before} lines`);
    const quiet = await (await fresh.raw()).upgrade();
    await quiet.send(close(1002));
    await quiet.finish();
    assert.equal((await fresh.metrics())("sigbridge_protocol_violations_total"), 303, "what the other side says of us is no violation of its own");
    await fresh.end();
});

/* ---- without end ---- */

test("fragments without end are cut off", () => target.withstands(() => times(8, async () => {
    const raw = await (await target.raw()).upgrade();
    await raw.send(frame("{", { fin: false }));
    assert.ok(await raw.pour(frame("x".repeat(10_000), { opcode: 0, fin: false }), 5000), "the bridge ends it");
    await raw.drop();
})));

test("empty fragments without end are no message and cost no memory", () => target.withstands(() => times(4, async () => {
    const raw = await (await target.raw()).upgrade();
    await raw.send(frame("", { fin: false }));
    await raw.pour(Buffer.concat(Array(1000).fill(frame("", { opcode: 0, fin: false }))), 50);
    await raw.send(frame(ping, { opcode: 0 }));
    await raw.finish();
})));

for (const { name, piece } of [
    { name: "pings", piece: frame("x".repeat(125), { opcode: 9 }) },
    { name: "pongs", piece: frame("x".repeat(125), { opcode: 10 }) },
    { name: "messages", piece: textFrame({ type: "ping", id: "x".repeat(60) }) },
    { name: "messages that are refused", piece: textFrame({ type: "offer", to: "nobody", id: "x".repeat(60) }) },
])
    test(`${name} without end, and nobody reads the answers`, () => target.withstands(() => times(8, async () => {
        const raw = await (await target.raw()).upgrade();
        raw.socket.pause();
        await raw.pour(Buffer.concat(Array(500).fill(piece)), 40, () => target.call(target.first));
        await raw.drop();
    })));

/* ---- by chance ---- */

const conversation = (room) => [
    textFrame({ type: "join", room, peer: "eve", meta: { name: "Eve" } }),
    textFrame({ type: "ping", id: "1" }),
    textFrame({ type: "offer", to: "nobody", sdp: sdp(), call: "a" }),
    frame('{"type":"message",', { fin: false }), frame('"data":[1,"a\\u00e9"]}', { opcode: 0 }),
    frame("x", { opcode: 9 }),
    textFrame({ type: "candidate", to: "nobody", candidate: null }),
    textFrame({ type: "update", meta: {} }),
];

test(`frames of chance (seed ${SEED})`, () => target.withstands((round) => times(400, async (i, random) => {
    const raw = await (await target.raw()).upgrade();
    await raw.send(frame("", { opcode: 10 }));
    await raw.send(random.bytes(1 + random.below(3000)));
    await raw.finish();
}, { seed: SEED + round })));

test(`conversations with mistakes of chance (seed ${SEED})`, () => target.withstands((round) => times(400, async (i, random) => {
    const raw = await (await target.raw()).upgrade();
    const frames = conversation(`chance-${random.below(20)}`);
    for (let n = 1 + random.below(3); n > 0; n--) {
        const at = random.below(frames.length);
        frames[at] = random.mutate(frames[at]);
    }
    for (const bytes of frames)
        await raw.send(bytes);
    await raw.finish();
}, { seed: SEED + round })));

test("the generator of chance repeats itself", () => {
    const series = () => {
        const random = new Random(7);
        return [random.next(), random.bytes(5).toString("hex"), random.mutate(Buffer.from("hello world")).toString("hex")];
    };
    assert.deepEqual(series(), series());
});
