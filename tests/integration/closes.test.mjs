/* What goes out in front of a Close frame, and that nothing does behind it: on TCP and on TLS. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { makePair } from "./certificates.mjs";
import { Frames, maskedFrame } from "./frames.mjs";
import { deadline } from "./harness.mjs";
import { inboxTopic, newRoom, sees, World } from "./world.mjs";

const [BINARY, CLOSE] = [2, 8];
const DATA = "QUJD".repeat(32768); /* more than libwebsockets writes at a time */
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const textOf = (f) => JSON.parse(f.payload.toString());

const pair = await makePair();
const world = new World();
before(() => world.start({
    listen: "http://127.0.0.1:0", args: ["--listen", "https://127.0.0.1:0", "--tls-cert", pair.cert, "--tls-key", pair.key],
}));
after(() => world.end());

const lines = [
    { name: "TCP", open: () => Frames.open(world.bridge.http) },
    { name: "TLS", open: () => Frames.open(world.bridge.ready.https, { ca: pair.pem }) },
];

for (const { name, open } of lines)
    test(`${name}: a Close comes behind what the kernel did not take at once`, async () => {
        const room = newRoom();
        const peer = await open();
        await peer.join(room, "peer");
        const sender = await world.join({ room, peer: "sender" });
        await sees(sender, "peer");
        peer.socket.pause();
        const count = 6;
        for (let n = 0; n < count; n++)
            await sender.request({ type: "sealed", to: "peer", data: DATA });
        peer.send(maskedFrame("x", { opcode: BINARY })); /* the answer is a Close */
        await sleep(300);
        peer.socket.resume();
        await deadline(peer.closed, "the end");
        assert.equal(peer.all(1).map(textOf).filter((m) => m.type === "sealed" && m.data === DATA).length, count);
        assert.equal(peer.closeCode, 1003);
        assert.equal(peer.torn, 0);
        await sender.close();
    });

for (const { name, open } of lines)
    test(`${name}: nothing follows the Close for a frame that is against the rules`, async () => {
        const room = newRoom();
        const device = await world.device({ room, name: "cam" });
        const peer = await open();
        await peer.join(room, "peer");
        const bad = maskedFrame("x");
        bad[0] |= 0x40; /* a reserved bit */
        peer.send(bad);
        await peer.next((f) => f.opcode === CLOSE);
        for (let n = 0; n < 20; n++) {
            device.client.publish(inboxTopic(room, "peer", "cam"), JSON.stringify({ type: "message", data: n }), { qos: 0 });
            await sleep(20);
        }
        assert.equal(peer.closeCode, 1002);
        assert.equal(peer.mail.all.at(-1).opcode, CLOSE);
        await peer.drop();
    });
