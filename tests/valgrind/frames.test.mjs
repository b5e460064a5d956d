/* The bytes of WebSockets under memcheck: libwebsockets, whose buffers we make as small as what it puts
 * into them, is not built with sanitizers. With a broker of its own, as bridge.test.mjs. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Random } from "../integration/attacker.mjs";
import { makePair } from "../integration/certificates.mjs";
import { Frames, maskedFrame } from "../integration/frames.mjs";
import { deadline, parseReady, Program, startMosquitto, tempDir } from "../integration/harness.mjs";

const SLOW = 120_000;
const [PING, PONG, CLOSE] = [9, 10, 8];
const MOST = 125; /* bytes of a control frame */

/* In segments of one byte and of many. */
async function sendInPieces(peer, bytes, random) {
    for (let at = 0; at < bytes.length;) {
        const end = at + 1 + (random.below(2) ? 0 : random.below(90));
        peer.send(bytes.subarray(at, end));
        at = end;
        await new Promise((resolve) => setTimeout(resolve, 1));
    }
}

async function controlFrames(peer, random) {
    for (const size of [MOST, 0, MOST, 1, MOST - 1, MOST]) {
        const payload = random.bytes(size);
        const text = JSON.stringify({ type: "ping", id: `s${size}`, x: "y".repeat(random.below(300)) });
        await sendInPieces(peer, Buffer.concat([
            maskedFrame(text.slice(0, 9), { fin: false }), maskedFrame(random.bytes(MOST), { opcode: PONG }),
            maskedFrame(payload, { opcode: PING }), maskedFrame(text.slice(9), { opcode: 0 }),
        ]), random);
        assert.deepEqual((await peer.next((f) => f.opcode === PONG, SLOW)).payload, payload);
        await peer.hear((m) => m.type === "ack" && m.id === `s${size}`, SLOW);
    }
}

test("control frames and bursts touch nothing that is not theirs", async () => {
    const random = new Random();
    const pair = await makePair();
    const broker = await startMosquitto();
    const [valgrind, ...flags] = process.env.SIGBRIDGE_TEST_MEMCHECK.split(" ");
    const bridge = new Program(valgrind, [...flags, process.env.SIGBRIDGE_TEST_PLAIN_BIN, "--dev", "--listen", "http://127.0.0.1:0",
        "--listen", "https://127.0.0.1:0", "--tls-cert", pair.cert, "--tls-key", pair.key,
        "--broker", `mqtt://${broker.mqtt}`, "--data", tempDir(), "--web", "none"],
    { env: { SIGBRIDGE_LIMITS_BYTES_BURST: "100000000", SIGBRIDGE_LIMITS_BYTES_PER_SECOND: "100000000" } });
    const { http, https } = parseReady(await bridge.line((line) => parseReady(line) !== null, SLOW));
    const lines = [{ address: http }, { address: https, ca: pair.pem }];

    await Promise.all(lines.flatMap(({ address, ca }) => [0, 1, 2].map(async (i) => {
        const peer = await Frames.open(address, { ca, timeout: SLOW });
        await controlFrames(peer, random);
        const reason = Buffer.concat([Buffer.from([0x0f, 0xa0 + i]), Buffer.alloc(MOST - 2, "r")]);
        await sendInPieces(peer, maskedFrame(reason, { opcode: CLOSE }), random);
        assert.deepEqual((await peer.next((f) => f.opcode === CLOSE, SLOW)).payload, reason);
        await deadline(peer.closed, "the end", SLOW);
    })));

    /* More than 125 bytes, and connections that end inside a control frame. */
    for (const { address, ca } of lines)
        for (const opcode of [PING, PONG, CLOSE]) {
            const large = await Frames.open(address, { ca, timeout: SLOW });
            large.send(maskedFrame(Buffer.alloc(300, "z"), { opcode }));
            await deadline(large.closed, "the end", SLOW);
            const half = await Frames.open(address, { ca, timeout: SLOW });
            half.send(maskedFrame(random.bytes(MOST), { opcode }).subarray(0, 100));
            await half.drop();
        }

    for (const { address, ca } of lines) {
        const [from, to] = [await Frames.open(address, { ca, timeout: SLOW }), await Frames.open(address, { ca, timeout: SLOW })];
        await from.join(ca ? "secure" : "plain", "from", SLOW);
        await to.join(ca ? "secure" : "plain", "to", SLOW);
        await from.hear((m) => m.joined?.[0].peer === "to", SLOW);
        const sizes = [1, 50, 4000, 4090, 100, 20000, 100, 65000, 1, 60000, 60000, 1];
        from.send(Buffer.concat(sizes.map((size, i) => maskedFrame(JSON.stringify({ type: "message", to: "to", data: `${i}:${"x".repeat(size)}` })))));
        await to.hear((m) => m.data?.startsWith(`${sizes.length - 1}:`), SLOW);
        const got = to.all(1).map((f) => JSON.parse(f.payload.toString())).filter((m) => m.type === "message");
        assert.deepEqual(got.map((m) => m.data.length), sizes.map((size, i) => size + `${i}:`.length));
        await Promise.all([from.drop(), to.drop()]);
    }

    bridge.kill("SIGTERM");
    const { code } = await bridge.exited;
    assert.equal(code, 0, bridge.tail());
    await broker.stop();
});
