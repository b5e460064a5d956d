/* TLS in numbers: handshakes that stop half-way, come broken, or come all at once; sizes around those
 * of records; readers that stop; and what a session costs. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { after, before, test } from "node:test";
import { connect as tlsConnect } from "node:tls";
import { makePair } from "./certificates.mjs";
import { deadline, until, WsPeer } from "./harness.mjs";
import { checkReceived, metric, newRoom, sees, World } from "./world.mjs";

const CROWD = 1000;
const pair = await makePair();
const tls = ["--tls-cert", pair.cert, "--tls-key", pair.key];
const limits = "limits: { join_timeout = 60; sessions = 5000; address_sessions = 2000; messages_per_second = 10000; messages_burst = 10000;"
    + " bytes_per_second = 100000000; bytes_burst = 100000000; };\n";
const world = new World();
let bridge, hello;

before(async () => {
    await world.start({ listen: "http://127.0.0.1:0", args: ["--listen", "https://127.0.0.1:0", ...tls], config: limits });
    bridge = world.bridge;
    bridge.wssUrl = `wss://${bridge.ready.https}/ws`;
    hello = await clientHello();
});
after(() => world.end());

const [host, port] = [() => bridge.ready.https.split(":")[0], () => Number(bridge.ready.https.split(":")[1])];
const descriptors = () => readdirSync(`/proc/${bridge.pid}/fd`).length;
const residentKiB = ({ pid }) => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))[1]);
const secure = (fields, options) => {
    const joined = WsPeer.join(bridge.wssUrl, fields, { ca: pair.pem, ...options });
    joined.then((peer) => world.peers.push(peer), () => {});
    return joined;
};

/* What a client says first. */
async function clientHello() {
    const server = createServer();
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const client = tlsConnect({ host: "127.0.0.1", port: server.address().port, servername: "localhost" });
    client.on("error", () => {});
    const [socket] = await once(server, "connection");
    const [bytes] = await once(socket, "data");
    client.destroy();
    socket.destroy();
    server.close();
    return bytes;
}

/* A connection that says these bytes and waits; `over` when the bridge has ended it. */
async function say(bytes, { address = bridge.ready.https } = {}) {
    const [, number] = address.split(":");
    const socket = connect({ port: Number(number), host: host(), localAddress: "127.0.0.3" });
    const pieces = [];
    socket.on("error", () => {});
    socket.on("data", (piece) => pieces.push(piece));
    const over = new Promise((resolve) => socket.on("close", () => resolve(Buffer.concat(pieces))));
    await Promise.race([new Promise((resolve) => socket.on("connect", resolve)), over]);
    socket.write(bytes);
    return { socket, over };
}

async function call(first, second, data) {
    await first.request({ type: "message", to: second.name, data });
    assert.deepEqual((await second.expect("message")).data, data);
}

test(`${CROWD} handshakes that stop half-way hinder nobody, and are cut`, async () => {
    const room = newRoom();
    const [ann, bob] = [await secure({ room, peer: "ann" }), await world.join({ room, peer: "bob" })];
    const atRest = descriptors();
    const crowd = await Promise.all(Array.from({ length: CROWD }, (_, i) => say(hello.subarray(0, i % 2 ? hello.length / 2 : 3))));
    await until(() => descriptors() >= atRest + CROWD, "all are connected");
    let over = 0;
    for (const one of crowd)
        one.over.then(() => over++);
    for (let i = 0; over < CROWD; i++) {
        await call(ann, bob, `message ${i}`);
        await call(bob, ann, `message ${i}`);
        const visitor = await secure({ room: newRoom(), peer: "visitor" });
        visitor.socket.close();
        await visitor.closed;
        await until(() => over === CROWD, "", { timeout: 200 }).catch(() => {});
        assert.ok(i < 500, `${CROWD - over} are still there`);
    }
    await until(() => descriptors() <= atRest, "their descriptors are free");
    assert.equal(bridge.logs.filter((line) => / (warn|error) libwebsockets /.test(line)).length, 0, bridge.tail());
    checkReceived(ann);
});

test("handshakes that break off at any byte, and garbage, leave nothing behind", async () => {
    const ann = await secure({ room: newRoom(), peer: "ann" });
    const atRest = descriptors();
    for (let at = 0; at < hello.length; at += 16)
        await Promise.all([...Array(16).keys()].map((i) => at + i).filter((n) => n < hello.length).map(async (n) => {
            const bad = Buffer.from(hello);
            bad[n] ^= 0x55;
            const [broken, noise] = [await say(hello.subarray(0, n)), await say(n % 2 ? bad : randomBytes(n + 1))];
            if (n % 3)
                broken.socket.end();
            else
                broken.socket.resetAndDestroy();
            noise.socket.end();
            await deadline(Promise.all([broken.over, noise.over]), `the end at byte ${n}`);
        }));
    await until(() => descriptors() <= atRest, "their descriptors are free");
    await ann.request({ type: "message", data: "still here" });
});

const strays = [
    { name: "HTTP at the TLS port", bytes: () => "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", address: () => bridge.ready.https },
    { name: "MQTT at the TLS port", bytes: () => Buffer.from("101000044d5154540500003c000003616263", "hex"), address: () => bridge.ready.https },
    { name: "SSL 2 at the TLS port", bytes: () => Buffer.from("802e0100020015000000100100800200800600400400800700c0", "hex"), address: () => bridge.ready.https },
    { name: "TLS at the plain port", bytes: () => hello, address: () => bridge.http },
];
for (const { name, bytes, address } of strays)
    test(`${name} ends, and nothing of ours is told`, async () => {
        const { over } = await say(bytes(), { address: address() });
        const said = (await deadline(over, "its end")).toString("latin1");
        assert.doesNotMatch(said, /200|sigbridge/);
    });

test("messages of every size around that of a record pass both ways", async () => {
    const room = newRoom();
    const [ann, bob] = [await secure({ room, peer: "ann" }), await secure({ room, peer: "bob" }, { maxVersion: "TLSv1.2" })];
    for (const size of [0, 1, 125, 126, 4095, 4096, 8192, 16000, 16300, 16383, 16384, 16385, 32768, 32769, 60000, 65000])
        for (const [from, to] of [[ann, bob], [bob, ann]])
            await call(from, to, "x".repeat(size));
});

test("hundreds of messages in one record arrive, each and in order", async () => {
    const room = newRoom();
    const [ann, bob] = [await secure({ room, peer: "ann" }), await secure({ room, peer: "bob" })];
    await sees(ann, "bob");
    const count = 400;
    ann.socket._socket.cork(); /* so that many frames share a record, and end within one */
    for (let i = 0; i < count; i++)
        ann.send({ type: "message", to: "bob", data: [i, "x".repeat(i)] });
    ann.socket._socket.uncork();
    for (let i = 0; i < count; i++)
        assert.equal((await bob.expect("message")).data[0], i);
});

test("a reader that stops is cut, and the others are not disturbed", async () => {
    const room = newRoom();
    const [sender, slow, quick] = await Promise.all(["sender", "slow", "quick"].map((peer) => secure({ room, peer })));
    await sees(sender, "quick", "slow");
    const before = await metric(bridge, "sigbridge_slow_readers_total");
    slow.socket._socket.pause();
    let sent = 0;
    await until(async () => {
        await sender.request({ type: "message", data: [++sent, "x".repeat(60000)] });
        return await metric(bridge, "sigbridge_slow_readers_total") > before;
    }, "the slow reader is noticed", { every: 0, timeout: 60_000 });
    slow.socket._socket.resume();
    const end = await deadline(slow.closed, "the close");
    assert.ok(end.code === 1013 || end.code === 1006, `${end.code}`);
    for (let i = 1; i <= sent; i++)
        assert.equal((await quick.expect("message")).data[0], i);
});

test("what an idle socket costs", async (t) => {
    const count = 1000;
    const measure = async (listen, urlOf, options) => {
        const fresh = await world.addBridge({ listen, args: [...tls, "--log-level", "info"], config: limits });
        const url = urlOf(fresh.ready);
        const connect_ = (n) => Promise.all(Array.from({ length: n }, () => WsPeer.connect(url, options)));
        const warm = await connect_(50);
        const before = residentKiB(fresh);
        const peers = [];
        while (peers.length < count)
            peers.push(...await connect_(50));
        const each = (residentKiB(fresh) - before) / count;
        const sanitized = readFileSync(`/proc/${fresh.pid}/maps`, "utf8").includes("libasan");
        for (const peer of [...warm, ...peers])
            peer.socket.terminate();
        await Promise.all([...warm, ...peers].map((peer) => peer.closed));
        return { each, sanitized };
    };
    const plain = await measure("http://127.0.0.1:0", (ready) => `ws://${ready.http}/ws`, {});
    const over = await measure("https://127.0.0.1:0", (ready) => `wss://${ready.https}/ws`, { ca: pair.pem });
    t.diagnostic(`resident KiB for each idle socket: ${plain.each.toFixed(1)} plain, ${over.each.toFixed(1)} with TLS`);
    assert.ok(over.sanitized || over.each < 40, `${over.each} KiB`); /* a sanitizer keeps what was freed */
});
