/* What goes out of a WebSocket when much comes together for it, and the control frames between: on TCP
 * and on TLS. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Random } from "./attacker.mjs";
import { makePair } from "./certificates.mjs";
import { Frames, maskedFrame } from "./frames.mjs";
import { deadline, until } from "./harness.mjs";
import { inboxTopic, metric, newRoom, sees, World } from "./world.mjs";

const [PING, PONG, CLOSE] = [9, 10, 8];
const QUEUE_BYTES = 1 << 20; /* limits.send_queue_bytes, as it is by itself */
const pair = await makePair();
const world = new World();
let bridge;

before(async () => {
    await world.start({
        listen: "http://127.0.0.1:0", args: ["--listen", "https://127.0.0.1:0", "--tls-cert", pair.cert, "--tls-key", pair.key],
        config: "ping: { interval = 1; timeout = 2; };\npresence: { resume_window = 1; };\n",
    });
    bridge = world.bridge;
});
after(() => world.end());

const lines = [
    { name: "TCP", open: () => Frames.open(bridge.http) },
    { name: "TLS", open: () => Frames.open(bridge.ready.https, { ca: pair.pem }) },
];
const SIZE = 9000;
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const textOf = (f) => JSON.parse(f.payload.toString());

/* Whatever is published while the bridge stands still comes in very few turns. */
async function inOneTurn(act) {
    bridge.kill("SIGSTOP");
    try {
        await act();
        await sleep(100); /* the broker writes it out */
    } finally {
        bridge.kill("SIGCONT");
    }
}

/* Messages of a device whose frames have exactly these sizes, in front of each its number. */
function sized(sizes, seq) {
    return sizes.map((size, i) => {
        const bare = JSON.stringify({ type: "message", from: "cam", data: `${i}:`, seq: seq + i });
        return { type: "message", data: `${i}:`.padEnd(size - bare.length + `${i}:`.length, "x") };
    });
}

function checkSized(frames, sizes) {
    assert.deepEqual(frames.map((f) => f.payload.length), sizes);
    frames.forEach((f, i) => {
        const { data } = textOf(f);
        assert.ok(data.startsWith(`${i}:`) && /^\d+:x*$/.test(data), `${data.slice(0, 20)} is number ${i}`);
    });
}

async function callee(open) {
    const room = newRoom();
    const device = await world.device({ room, name: "cam" });
    const peer = await open();
    const joined = await peer.join(room, "peer");
    const inbox = inboxTopic(room, "peer", "cam");
    let { seq } = joined;
    if (!joined.peers.some((p) => p.peer === "cam"))
        ({ seq } = await peer.hear((m) => m.joined?.[0].peer === "cam"));
    return { room, device, peer, inbox, seq: seq ?? 0 };
}

const small = (count) => Array.from({ length: count }, (_, i) => 80 + i % 40);
const bursts = [
    { name: "small ones", sizes: small(400) },
    { name: "each width of the length", sizes: [124, 125, 126, 127, 128, 65534, 65535, 65536, 65537, 125, 126, 65535, 65536] },
    { name: "sizes around what is written together", sizes: [4095, 4096, 4097, 90, 16372, 90, 16373, 16374, 90, 16380, 16383, 16384, 16385, 90] },
    { name: "up to the last byte of it", sizes: [...Array(4).fill(4092), 90, ...Array(4).fill(4091), 90, ...Array(3).fill(4096), 4086, 90] },
    { name: "one larger than it between small ones", sizes: [...small(50), 30000, ...small(50), 65536, ...small(50)] },
    { name: "large ones only", sizes: Array(12).fill(60000) },
];

for (const { name: line, open } of lines)
    for (const { name, sizes } of bursts)
        test(`${line}: frames of one turn arrive whole and in order: ${name}`, async () => {
            const { peer, device, inbox, seq } = await callee(open);
            const before = peer.chunks;
            await inOneTurn(() => {
                for (const message of sized(sizes, seq + 1))
                    device.client.publish(inbox, JSON.stringify(message), { qos: 0 });
            });
            await peer.hear((m) => m.data?.startsWith(`${sizes.length - 1}:`));
            checkSized(peer.all(1).filter((f) => textOf(f).type === "message"), sizes);
            assert.equal(peer.torn, 0);
            if (sizes.length >= 400)
                assert.ok(peer.chunks - before < sizes.length / 4, `${peer.chunks - before} writes`);
            await peer.drop();
        });

for (const { name: line, open } of lines)
    test(`${line}: a message larger than one write arrives whole, and what is behind it`, async () => {
        const room = newRoom();
        const peer = await open();
        await peer.join(room, "peer");
        const sender = await world.join({ room, peer: "sender" });
        await sees(sender, "peer");
        const data = "QUJD".repeat(32768); /* 131,072 bytes */
        for (let round = 0; round < 5; round++) {
            sender.send({ type: "sealed", to: "peer", data });
            sender.send({ type: "message", to: "peer", data: round });
        }
        await peer.hear((m) => m.data === 4);
        const got = peer.all(1).map(textOf).filter((m) => m.data !== undefined).map((m) => m.data);
        assert.deepEqual(got.map((d) => (d === data ? "sealed" : d)), [0, 1, 2, 3, 4].flatMap((n) => ["sealed", n]));
        await Promise.all([peer.drop(), sender.close()]);
    });

/* ---- control frames ---- */

/* In pieces that end anywhere, each a segment of its own. */
async function sendInPieces(peer, bytes, random) {
    for (let at = 0; at < bytes.length;) {
        const end = Math.min(bytes.length, at + 1 + random.below(random.below(3) ? 8 : 64));
        peer.send(bytes.subarray(at, end));
        at = end;
        await sleep(random.below(2));
    }
}

const mask = (random) => [...random.bytes(3), 1 + random.below(255)];

for (const { name: line, open } of lines)
    test(`${line}: each ping gets its own payload back, however it comes and whatever others do`, async () => {
        const random = new Random();
        const peers = await Promise.all(Array.from({ length: 24 }, open));
        await Promise.all(peers.map(async (peer, i) => {
            for (let round = 0; round < 12; round++) {
                const size = round % 3 === 0 ? 125 : random.below(126);
                const payload = random.bytes(size);
                const ping = maskedFrame(payload, { opcode: PING, mask: mask(random) });
                /* Between the fragments of a message, or alone; now and then a pong that nobody asked for. */
                const text = Buffer.from(JSON.stringify({ type: "ping", id: `${i}-${round}`, x: "y".repeat(random.below(400)) }));
                const cut = random.below(text.length + 1);
                const around = round % 2 === 0
                    ? [maskedFrame(text.subarray(0, cut), { fin: false, mask: mask(random) }), maskedFrame(text.subarray(cut), { opcode: 0, mask: mask(random) })]
                    : [Buffer.alloc(0), Buffer.alloc(0)];
                const pong = round % 4 === 1 ? maskedFrame(random.bytes(125), { opcode: PONG, mask: mask(random) }) : Buffer.alloc(0);
                await sendInPieces(peer, Buffer.concat([around[0], pong, ping, around[1]]), random);
                const answer = await peer.next((f) => f.opcode === PONG);
                assert.deepEqual(answer.payload, payload, `seed ${random.seed}, socket ${i}, round ${round}`);
                if (round % 2 === 0)
                    await peer.hear((m) => m.type === "ack" && m.id === `${i}-${round}`);
            }
        }));
        await Promise.all(peers.map(async (peer, i) => {
            const reason = Buffer.concat([Buffer.from([0x0f, 0xa0 + i]), Buffer.alloc(123, "r")]);
            await sendInPieces(peer, maskedFrame(reason, { opcode: CLOSE }), random);
            assert.deepEqual((await peer.next((f) => f.opcode === CLOSE)).payload, reason);
            await deadline(peer.closed, "the end");
        }));
    });

for (const opcode of [PING, PONG, CLOSE])
    for (const length of [126, 127])
        test(`a control frame that claims more than 125 bytes ends the connection: opcode ${opcode}, ${length}`, async () => {
            const peer = await lines[0].open();
            const neighbour = await lines[0].open();
            const frame = maskedFrame(Buffer.alloc(length === 126 ? 300 : 70000, "z"), { opcode });
            peer.send(frame);
            await deadline(peer.closed, "the end");
            neighbour.send(maskedFrame("n".repeat(125), { opcode: PING }));
            assert.equal((await neighbour.next((f) => f.opcode === PONG)).payload.toString(), "n".repeat(125));
            await neighbour.drop();
        });

test("our pings go out to who is idle and to who is busy, and the answer counts", async () => {
    const { peer: busy, device, inbox } = await callee(lines[0].open);
    const { peer: idle } = await callee(lines[0].open);
    const { peer: mute, device: other, inbox: elsewhere } = await callee(lines[0].open);
    let more = true;
    const flood = async (client, topic) => {
        for (let n = 0; more; n++) {
            client.publish(topic, { type: "message", data: `${n}:${"x".repeat(2000)}` }, { qos: 0 });
            if (n % 10 === 0)
                await sleep(10);
        }
    };
    const answer = async (peer) => {
        while (more) {
            const { payload } = await peer.next((f) => f.opcode === PING, 5000);
            peer.send(maskedFrame(payload, { opcode: PONG }));
        }
    };
    const floods = [flood(device, inbox), flood(other, elsewhere)];
    const answers = [answer(busy), answer(idle)];
    await deadline(mute.closed, "the end of who does not answer, though it is written to all the time");
    await until(() => [busy, idle].every((peer) => peer.all(PING).length >= 4), "pings");
    more = false;
    await Promise.all([...floods, ...answers]);
    for (const peer of [busy, idle]) {
        const pings = peer.all(PING).map((f) => f.payload);
        assert.ok(pings.every((payload, i) => payload.length === 1 && payload[0] === (pings[0][0] + i) % 256), "each has the next number");
        assert.equal(peer.closeCode, undefined);
        await peer.drop();
    }
});

/* ---- readers that stop, clients that go ---- */

for (const { name: line, open } of lines)
    test(`${line}: who stops reading in the middle of a burst is closed with 1013, and others get all of it`, async () => {
        const room = newRoom();
        const sender = await world.join({ room, peer: "sender" });
        const [slow, quick] = [await open(), await open()];
        await slow.join(room, "slow");
        await quick.join(room, "quick");
        await sees(sender, "slow", "quick");
        const before = await metric(bridge, "sigbridge_slow_readers_total");
        const data = "x".repeat(SIZE);
        let sent = 0;
        slow.socket.once("data", () => slow.socket.pause());
        await until(async () => {
            for (let n = 0; n < 20; n++)
                sender.send({ type: "message", data: `${sent++}:${data}` });
            await sender.request({ type: "message", data: `${sent++}:` });
            return await metric(bridge, "sigbridge_slow_readers_total") > before;
        }, "it is noticed", { every: 0, timeout: 60_000 });
        slow.socket.resume();
        await deadline(slow.closed, "the end");
        assert.equal(slow.closeCode, 1013);
        assert.equal(slow.torn, 0, "its last message is whole");
        const numbers = (peer) => peer.all(1).map(textOf).filter((m) => m.type === "message").map((m) => Number.parseInt(m.data, 10));
        const got = numbers(slow);
        assert.deepEqual(got, got.map((_, i) => i));
        assert.ok(sent * SIZE > QUEUE_BYTES, "the queue was used");
        await quick.hear((m) => m.data === `${sent - 1}:`);
        assert.deepEqual(numbers(quick), Array.from({ length: sent }, (_, i) => i));
        await quick.hear((m) => m.left?.[0].peer === "slow");
        await Promise.all([quick.drop(), sender.close()]);
    });

/* What the kernel holds of us in part would stand in front of our answer, which libwebsockets does not wait for. */
for (const { name: line, open } of lines)
    for (const { size, count } of [{ size: 2000, count: 400 }, { size: 9000, count: 100 }])
        test(`${line}: who says goodbye in the middle of a burst of ${count} times ${size} bytes is answered, and has left at once`, async () => {
            for (let round = 0; round < 6; round++) {
                const { room, peer, device, inbox } = await callee(open);
                const witness = await world.join({ room, peer: "witness" });
                await sees(witness, "peer");
                for (let n = 0; n < count; n++)
                    device.client.publish(inbox, JSON.stringify({ type: "message", data: `${n}:${"x".repeat(size)}` }), { qos: 0 });
                await peer.hear((m) => m.data?.startsWith("3:"));
                peer.send(maskedFrame(Buffer.from([0x03, 0xe8]), { opcode: CLOSE }));
                const { left } = await witness.expect((m) => m.left?.[0].peer === "peer");
                await deadline(peer.closed, "the end");
                assert.equal(peer.closeCode, 1000);
                assert.equal(peer.torn, 0);
                assert.equal(left[0].reason, "closed");
                assert.equal(peer.mail.all.at(-1).opcode, CLOSE, "nothing follows a Close");
                const numbers = peer.all(1).map(textOf).filter((m) => m.type === "message").map((m) => Number.parseInt(m.data, 10));
                assert.deepEqual(numbers, numbers.map((_, i) => i));
                await witness.close();
            }
        });

for (const { name: line, open } of lines)
    test(`${line}: who says goodbye and does not read is gone in a moment, and others are not harmed`, async () => {
        const { room, peer, device, inbox } = await callee(open);
        const witness = await world.join({ room, peer: "witness" });
        await sees(witness, "peer");
        peer.socket.pause();
        await inOneTurn(() => {
            for (let n = 0; n < 60; n++) {
                if (n === 30)
                    peer.send(maskedFrame(Buffer.from([0x03, 0xe8]), { opcode: CLOSE }));
                device.client.publish(inbox, JSON.stringify({ type: "message", data: `${n}:${"x".repeat(20000)}` }), { qos: 0 });
            }
        });
        await witness.expect((m) => m.left?.[0].peer === "peer");
        await witness.request({ type: "message", data: "still here" });
        peer.socket.resume();
        await deadline(peer.closed, "the end");
        const numbers = peer.all(1).map(textOf).filter((m) => m.type === "message").map((m) => Number.parseInt(m.data, 10));
        assert.deepEqual(numbers, numbers.map((_, i) => i), "what came, came in order");
        await witness.close();
    });
