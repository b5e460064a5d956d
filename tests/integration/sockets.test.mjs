/* WebSockets before any meaning: handshake, frames, sizes, pings, slow readers. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import WebSocket from "ws";
import { deadline, parseReady, Program, tempDir, until } from "./harness.mjs";
import { assertError, assertNoSanitizer, get, metric, newRoom, sees, World } from "./world.mjs";

const MESSAGE_MAX = 262144;
const world = new World();
before(() => world.start());
after(() => world.end());

/* The answer to a handshake: its status and headers. The socket is closed. */
async function handshake(path, protocols, options = {}) {
    const socket = new WebSocket(`ws://${world.bridge.http}${path}`, protocols, { perMessageDeflate: false, ...options });
    const answer = new Promise((resolve, reject) => {
        socket.on("upgrade", (response) => resolve({ status: response.statusCode, headers: response.headers }));
        socket.on("unexpected-response", (request, response) => {
            resolve({ status: response.statusCode, headers: response.headers });
            request.destroy();
        });
        socket.on("error", reject);
    });
    const { status, headers } = await deadline(answer, `a handshake at ${path}`).finally(() => socket.terminate());
    return { status, protocol: headers["sec-websocket-protocol"], extensions: headers["sec-websocket-extensions"] };
}

const handshakes = [
    { name: "our subprotocol", protocols: ["sigbridge.v1"], status: 101, protocol: "sigbridge.v1" },
    { name: "no subprotocol", protocols: [], status: 101, protocol: undefined },
    { name: "ours among others", protocols: ["sigbridge.v9", "sigbridge.v1", "mqtt"], status: 101, protocol: "sigbridge.v1" },
    { name: "ours without spaces", header: "mqtt,sigbridge.v1", status: 101, protocol: "sigbridge.v1" },
    { name: "unknown", protocols: ["sigbridge.v2"], status: 400 },
    { name: "several unknown", protocols: ["sigbridge.v2", "mqtt"], status: 400 },
    { name: "beginning like ours", protocols: ["sigbridge.v10"], status: 400 },
    { name: "end of ours", protocols: ["v1"], status: 400 },
    { name: "other case", protocols: ["Sigbridge.V1"], status: 400 },
    { name: "a name inside the library", protocols: ["http"], status: 400 },
    { name: "a list that is too long", protocols: Array.from({ length: 40 }, (_, i) => `sigbridge.v1${i}`), status: 400 },
    { name: "compression offered", protocols: ["sigbridge.v1"], options: { perMessageDeflate: true }, status: 101, protocol: "sigbridge.v1" },
    { name: "with a query", path: "/ws?token=abc&x=%20", protocols: ["sigbridge.v1"], status: 101, protocol: "sigbridge.v1" },
    { name: "at the root", path: "/", protocols: ["sigbridge.v1"], status: 404 },
    { name: "below /ws", path: "/ws/", protocols: ["sigbridge.v1"], status: 404 },
    { name: "at another path that begins so", path: "/wss", protocols: ["sigbridge.v1"], status: 404 },
    { name: "other case of the path", path: "/WS", protocols: ["sigbridge.v1"], status: 404 },
    { name: "at a page", path: "/healthz", protocols: ["sigbridge.v1"], status: 404 },
    { name: "old version of WebSocket", protocols: ["sigbridge.v1"], options: { protocolVersion: 8 }, status: 400 },
];

for (const { name, path = "/ws", protocols = [], header, options = {}, ...wanted } of handshakes)
    test(`handshake: ${name}`, async () => {
        const headers = header ? { "Sec-WebSocket-Protocol": header } : undefined;
        const answer = header
            ? await rawHandshake(path, header)
            : await handshake(path, protocols, { ...options, headers });
        assert.equal(answer.status, wanted.status);
        assert.equal(answer.protocol, wanted.protocol);
        assert.equal(answer.extensions, undefined, "no extension, so no compression");
    });

/* The client library checks what it offers; this one says what it is told. */
async function rawHandshake(path, protocol, more = {}) {
    const { request } = await import("node:http");
    const [host, port] = world.bridge.http.split(":");
    const call = request({ host, port, path, headers: { Connection: "Upgrade", Upgrade: "websocket", "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Protocol": protocol, ...more } });
    const answer = new Promise((resolve, reject) => {
        call.on("upgrade", (response, socket) => {
            socket.destroy();
            resolve(response);
        });
        call.on("response", resolve);
        call.on("error", reject);
    });
    call.end();
    const { statusCode, headers } = await deadline(answer, "a handshake");
    return { status: statusCode, protocol: headers["sec-websocket-protocol"], extensions: headers["sec-websocket-extensions"] };
}

const extensions = [
    "permessage-deflate", "permessage-deflate; client_max_window_bits", "permessage-deflate; server_max_window_bits=15; client_max_window_bits=15",
    "permessage-deflate; server_no_context_takeover; client_no_context_takeover", "permessage-deflate; x=y, permessage-deflate", "x-webkit-deflate-frame",
    "deflate-frame", "permessage-bzip2", "permessage-snappy", "mux; max-channels=4; flow-control", "permessage-deflate;", ",,;=", "x".repeat(60),
];

for (const offered of extensions)
    test(`no extension, whatever is offered: ${offered.slice(0, 60)}`, async () => {
        const answer = await rawHandshake("/ws", "sigbridge.v1", { "Sec-WebSocket-Extensions": offered });
        assert.equal(answer.status, 101);
        assert.equal(answer.extensions, undefined);
    });

/* ---- frames ---- */

const padded = (size) => '{"type":"ping"}'.padEnd(size, " ");
const parts = (text, ...at) => [0, ...at].map((from, i) => text.slice(from, [...at, text.length][i]));

const answered = [
    { name: "one frame", frames: ['{"type":"ping"}'] },
    { name: "two fragments", frames: parts('{"type":"ping"}', 7) },
    { name: "one byte in each fragment", frames: [...'{"type":"ping"}'] },
    { name: "empty fragments", frames: ["", '{"type":', "", '"ping"}', ""] },
    { name: "a fragment that ends inside a character", frames: [Buffer.from('{"type":"ping","x":"\xc3', "latin1"), Buffer.from('\xa4"}', "latin1")] },
    { name: "larger than one read", frames: [padded(100000)] },
    { name: "the largest", frames: [padded(MESSAGE_MAX)] },
    { name: "the largest, in fragments", frames: parts(padded(MESSAGE_MAX), 1, 1000, 200000) },
];

function sendFrames(peer, frames, options) {
    frames.forEach((frame, i) => peer.socket.send(frame, { binary: false, fin: i === frames.length - 1, ...options }));
}

for (const { name, frames } of answered)
    test(`a message arrives whole: ${name}`, async () => {
        const peer = await world.connect();
        sendFrames(peer, frames);
        const { time } = await peer.expect("pong");
        assert.ok(Math.abs(time - Date.now()) < 10_000);
        await peer.close();
    });

test("control frames between fragments disturb nothing", async () => {
    const peer = await world.connect();
    const pong = once(peer.socket, "pong");
    peer.socket.send('{"type":', { fin: false, binary: false });
    peer.socket.ping("between");
    peer.socket.send('"ping"}', { fin: true, binary: false });
    await peer.expect("pong");
    assert.equal((await deadline(pong, "the answer to a ping"))[0].toString(), "between");
});

test("messages in one burst are answered in order", async () => {
    const peer = await world.connect();
    const ids = Array.from({ length: 200 }, (_, i) => `n${i}`);
    for (const id of ids)
        peer.send({ type: "ping", id });
    await peer.expect((m) => m.type === "ack" && m.id === ids.at(-1));
    assert.deepEqual(peer.received.filter((m) => m.type === "ack").map((m) => m.id), ids);
});

/* `error`: the message before the close, if one must come. */
const closing = [
    { name: "a binary frame", frames: [Buffer.from('{"type":"ping"}')], options: { binary: true }, code: 1003 },
    { name: "a fragmented binary message", frames: [Buffer.from("{"), Buffer.from("}")], options: { binary: true }, code: 1003 },
    { name: "no JSON", frames: ["hello"], code: 1003, error: "invalid-json" },
    { name: "an empty message", frames: [""], code: 1003, error: "invalid-json" },
    { name: "an array", frames: ["[]"], code: 1003, error: "invalid-json" },
    { name: "a string", frames: ['"ping"'], code: 1003, error: "invalid-json" },
    { name: "half an object", frames: ['{"type":"ping"'], code: 1003, error: "invalid-json" },
    { name: "something behind the object", frames: ['{"type":"ping"}{"type":"ping"}'], code: 1003, error: "invalid-json" },
    { name: "a key twice", frames: ['{"type":"ping","type":"ping"}'], code: 1003, error: "invalid-json" },
    { name: "NUL in a string", frames: ['{"type":"ping","x":"\\u0000"}'], code: 1003, error: "invalid-json" },
    { name: "bytes that are no UTF-8", frames: [Buffer.from('{"type":"ping","x":"\xff"}', "latin1")], code: [1003, 1007] },
    { name: "too deep", frames: [`{"type":"ping","x":${"[".repeat(2000)}${"]".repeat(2000)}}`], code: 1003, error: "invalid-json" },
    { name: "one byte too large", frames: [padded(MESSAGE_MAX + 1)], code: 1009 },
    { name: "one byte too large, in fragments", frames: parts(padded(MESSAGE_MAX + 1), 1000, 200000), code: 1009 },
];

for (const { name, frames, options, code, error } of closing)
    test(`a socket is closed for ${name}`, async () => {
        const peer = await world.connect();
        sendFrames(peer, frames, options);
        if (error)
            assertError(await peer.expect("error"), { code: 400, error });
        const end = await deadline(peer.closed, "the close");
        assert.ok([code].flat().includes(end.code), `${end.code} ${end.reason}`);
        assert.equal(peer.received.some((m) => m.type === "pong"), false);
    });

test("a message that never ends is cut off", async () => {
    const peer = await world.connect();
    const piece = "x".repeat(16384);
    peer.socket.send('{"type":"ping","x":"', { fin: false, binary: false });
    let sent = 0;
    const pump = () => peer.socket.readyState === WebSocket.OPEN && ++sent < 4000 &&
        peer.socket.send(piece, { fin: false, binary: false }, () => setImmediate(pump));
    pump();
    const { code } = await deadline(peer.closed, "the close");
    assert.ok(code === 1009 || code === 1006, `${code}`); /* a reset may overtake the Close frame */
    assert.ok(sent * piece.length < 32 << 20, `${sent} pieces`);
});

test("after an error that closes, nothing more is done", async () => {
    const room = newRoom();
    const peer = await world.connect();
    peer.send("{");
    peer.send({ type: "join", room, peer: "late" });
    await deadline(peer.closed, "the close");
    assert.deepEqual(peer.received.map((m) => m.type), ["error"]);
});

/* ---- descriptors ---- */

const descriptors = (bridge) => readdirSync(`/proc/${bridge.pid}/fd`).length;

test("sockets leave no descriptor behind, however they end", async () => {
    await get(world.bridge, "/healthz");
    const before = descriptors(world.bridge);
    const room = newRoom();
    for (let round = 0; round < 10; round++) {
        const peers = await Promise.all(Array.from({ length: 30 }, (_, i) => world.connect().then((peer) => {
            if (i % 3 === 0)
                peer.send({ type: "join", room, peer: `p${i}` });
            return peer;
        })));
        await Promise.all(peers.map((peer, i) => (i % 2 ? peer.close() : peer.terminate())));
    }
    await until(() => descriptors(world.bridge) <= before + 2, "they are closed");
});

test("without descriptors for all, those that are open go on, and others get in later", async () => {
    const files = 40;
    const data = tempDir();
    const bridge = new Program("sh", ["-c", `ulimit -n ${files}; exec "$0" "$@"`, process.env.SIGBRIDGE_BIN, "--dev", "--listen", "127.0.0.1:0",
        "--data", data, "--broker", world.broker.url]);
    const { http } = parseReady(await bridge.line((line) => parseReady(line) !== null));
    const wsUrl = `ws://${http}/ws`;
    const first = await world.connect({ bridge: { wsUrl } });
    const sockets = Array.from({ length: 60 }, () => new WebSocket(wsUrl, "sigbridge.v1", { handshakeTimeout: 60_000 }));
    for (const socket of sockets)
        socket.on("error", () => {});
    await until(() => sockets.filter((socket) => socket.readyState === WebSocket.OPEN).length >= 10, "some are open");
    await new Promise((resolve) => setTimeout(resolve, 500));
    assert.ok(sockets.some((socket) => socket.readyState === WebSocket.CONNECTING), "some must wait");
    await first.ask({ type: "join", room: newRoom(), peer: "first" }, "joined");
    const cpu = () => readFileSync(`/proc/${bridge.pid}/stat`, "utf8").split(" ").slice(13, 15).reduce((sum, ticks) => sum + Number(ticks), 0);
    const used = cpu();
    await new Promise((resolve) => setTimeout(resolve, 1000));
    assert.ok(cpu() - used < 50, "it does not spin"); /* hundredths of a second */
    while (sockets.some((socket) => socket.readyState < WebSocket.CLOSING)) {
        for (const socket of sockets.filter((s) => s.readyState === WebSocket.OPEN))
            socket.terminate();
        await new Promise((resolve) => setTimeout(resolve, 50));
    }
    await first.ask({ type: "ping" }, "pong");
    await (await world.connect({ bridge: { wsUrl } })).ask({ type: "ping" }, "pong");
    assert.deepEqual(await bridge.stop(), { code: 0, signal: null });
    assertNoSanitizer(bridge);
});

/* ---- time ---- */

const short = "ping: { interval = 1; timeout = 1; };\n" +
    "limits: { join_timeout = 2; send_queue_messages = 16; sessions = 12; room_peers = 6; };\n";

test("a bridge with short times", async (t) => {
    const bridge = await world.addBridge({ config: short });
    const room = newRoom();
    const witness = await world.join({ room, peer: "witness" }, { bridge });

    await t.test("a client that answers pings stays", async () => {
        for (let i = 0; i < 3; i++)
            await deadline(once(witness.socket, "ping"), "a ping");
        assert.equal(witness.socket.readyState, WebSocket.OPEN);
    });

    await t.test("a client that falls silent is dropped", async () => {
        const mute = await world.join({ room, peer: "mute" }, { bridge, autoPong: false });
        await deadline(mute.closed, "the end of the socket");
        const { left } = await witness.expect((m) => m.left?.[0].peer === "mute");
        assert.deepEqual(left, [{ peer: "mute", reason: "timeout" }]);
        assert.equal(await metric(bridge, "sigbridge_ping_timeouts_total"), 1);
    });

    await t.test("a client that talks but does not answer pings stays", async () => {
        const talker = await world.join({ room, peer: "talker" }, { bridge, autoPong: false });
        const end = Date.now() + 5000;
        while (Date.now() < end) {
            await talker.ask({ type: "ping" }, "pong");
            await new Promise((resolve) => setTimeout(resolve, 200));
        }
        assert.equal(talker.socket.readyState, WebSocket.OPEN);
        await talker.close();
    });

    for (const { name, act } of [
        { name: "who says nothing", act: () => {} },
        { name: "who only pings", act: (peer) => peer.send({ type: "ping" }) },
        { name: "whose join failed", act: (peer) => peer.send({ type: "join", room, peer: "witness" }) },
        { name: "who left and does not join again", act: async (peer) => {
            await peer.ask({ type: "join", room, peer: "leaver" }, "joined");
            await peer.request({ type: "leave" });
        } },
    ])
        await t.test(`join timeout: ${name}`, async () => {
            const peer = await world.connect({ bridge });
            const start = Date.now();
            await act(peer);
            assert.equal((await deadline(peer.closed, "the close")).code, 4408);
            assert.ok(Date.now() - start >= 1900);
            assert.equal(witness.socket.readyState, WebSocket.OPEN, "a member has no such limit");
        });

    await t.test("a slow reader is cut off, and the others are not disturbed", async () => {
        const [sender, slow, quick] = await Promise.all(["sender", "slow", "quick"].map((peer) => world.join({ room, peer }, { bridge })));
        await sees(sender, "quick", "slow");
        const data = "x".repeat(60000);
        const before = await metric(bridge, "sigbridge_slow_readers_total");
        slow.socket._socket.pause();
        let sent = 0;
        await until(async () => {
            await sender.request({ type: "message", data: [++sent, data] });
            return await metric(bridge, "sigbridge_slow_readers_total") > before;
        }, "the slow reader is noticed", { every: 0, timeout: 60_000 });
        slow.socket._socket.resume();
        const end = await deadline(slow.closed, "the close");
        assert.ok(end.code === 1013 || end.code === 1006, `${end.code}`);
        for (let i = 1; i <= sent; i++)
            assert.equal((await quick.expect("message")).data[0], i);
        await witness.expect((m) => m.left?.some((p) => p.peer === "slow"));
        assert.equal(sender.has("error"), false);
        assert.ok(sent * data.length > 16 * 60000, "the queue was used");
    });

    await t.test("beyond limits.room_peers a room is full", async () => {
        const full = newRoom();
        const peers = [];
        for (let i = 0; i < 6; i++)
            peers.push(await world.join({ room: full, peer: `p${i}` }, { bridge }));
        const extra = await world.connect({ bridge });
        const error = await extra.ask({ type: "join", room: full, peer: "extra", id: "j" }, "joined").then(() => assert.fail("joined"), (e) => e.answer);
        assertError(error, { code: 503, error: "unavailable", id: "j", message: /full/ });
        await peers[0].close();
        await sees(peers[1], "p2");
        await until(() => extra.ask({ type: "join", room: full, peer: "extra" }, "joined").then(() => true, () => false), "there is room");
        extra.name = "extra";
        await Promise.all([extra, ...peers].map((peer) => peer.close()));
    });

    await t.test("beyond limits.sessions a socket is told that the bridge is full", async () => {
        const open = async () => {
            const peer = await world.connect({ bridge });
            await peer.ask({ type: "ping" }, "pong");
            return peer;
        };
        const free = 12 - await metric(bridge, "sigbridge_sockets");
        const peers = [];
        for (let i = 0; i < free; i++)
            peers.push(await open());
        const extra = await world.connect({ bridge });
        assert.equal((await deadline(extra.closed, "the close")).code, 1013);
        assert.equal(await metric(bridge, "sigbridge_websockets_refused_total"), 1);
        await peers[0].close();
        await until(async () => await metric(bridge, "sigbridge_sockets") < 12, "there is room again");
        await (await open()).close();
        assert.equal((await get(bridge, "/healthz")).status, 200);
    });
});
