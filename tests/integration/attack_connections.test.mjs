/* Connections that are slow, silent, half open, many, or come and go; and HTTP that is none. */
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { frame, handshake, SEED, Target, textFrame, times } from "./attacker.mjs";
import { deadline, tempDir, until } from "./harness.mjs";
import { newRoom } from "./world.mjs";

const ADDRESS_MAX = 256; /* limits.address_sessions by default */
let target;
const web = tempDir("web");
before(async () => {
    mkdirSync(join(web, "sigbridge"));
    writeFileSync(join(web, "index.html"), "<!doctype html><title>page</title>");
    writeFileSync(join(web, "sigbridge/large.js"), `/* ${"x".repeat(1 << 20)} */`);
    target = await Target.start({ web, config: "limits: { join_timeout = 1; };\nping: { interval = 1; timeout = 1; };\n" });
});
after(() => target.end());

const get_ = (path, more = "") => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n${more}\r\n`;

/* A byte at a time until the other side ends it. */
async function dribble(raw, bytes) {
    for (let at = 0; !raw.isOver; at = (at + 1) % bytes.length) {
        await raw.send(bytes.subarray(at, at + 1));
        await Promise.race([raw.enough, new Promise((resolve) => setTimeout(resolve, 100))]);
    }
}

/* ---- slow and silent ---- */

/* Each takes the time that the bridge allows, so they run side by side, and the pair calls all the time. */
test("slow and silent clients are cut off, and nobody waits for them", () => target.withstands(async () => {
    let done = false;
    let refused;
    const calls = (async () => {
        while (!done) {
            await target.call(target.first);
            await new Promise((resolve) => setTimeout(resolve, 200)); /* below its message rate */
        }
    })().catch((error) => (refused = error));
    const header = Buffer.from(`X-A: ${"b".repeat(50)}\r\n`);
    const kinds = [
        async (raw) => dribble(raw, Buffer.from(get_("/healthz").slice(0, -2))), /* a request without end */
        async (raw) => dribble(raw, header), /* headers without a request */
        async (raw) => { /* nothing at all */
            await raw.enough;
        },
        async (raw) => { /* half a request */
            await raw.send(handshake().slice(0, -20));
            await raw.enough;
        },
        async (raw) => { /* it never joins */
            await raw.upgrade();
            await deadline(raw.enough, "the join timeout");
            assert.equal(raw.closeCode, 4408);
        },
        async (raw) => { /* it takes its time with a join */
            await raw.upgrade();
            await dribble(raw, Buffer.concat([frame("{", { fin: false }), ...Array(200).fill(frame(" ", { fin: false, opcode: 0 }))]));
            assert.equal(raw.closeCode, 4408);
        },
        async (raw) => { /* a member that is gone without a word */
            await raw.upgrade();
            await raw.send(textFrame({ type: "join", room: newRoom(), peer: "mute" }));
            await raw.until(() => raw.messages.some((m) => m.type === "joined"));
            await deadline(raw.enough, "the ping timeout");
        },
    ];
    try {
        await times(kinds.length * 8, async (i) => {
            const raw = await target.raw();
            await deadline(kinds[i % kinds.length](raw), `the end of slow client ${i % kinds.length}`, 40_000);
            await raw.drop();
        }, { at_once: kinds.length * 8 });
    } finally {
        done = true;
        await calls;
        assert.ifError(refused);
    }
}));

test("a member may take its time with a message", async () => {
    const raw = await (await target.raw()).upgrade();
    await raw.send(textFrame({ type: "join", room: newRoom(), peer: "slow" }));
    await raw.until(() => raw.messages.some((m) => m.type === "joined"));
    const bytes = textFrame({ type: "ping", id: "slow" });
    for (let at = 0; at < bytes.length; at++)
        await raw.send(bytes.subarray(at, at + 1));
    await raw.until(() => raw.messages.some((m) => m.id === "slow"));
    await raw.drop();
});

test("half-open sockets are closed from the other side too", () => target.withstands(() => times(100, async (i) => {
    const raw = await target.raw();
    if (i % 2)
        await raw.upgrade();
    await raw.finish();
})));

test("readers that do not read HTTP answers hold up nobody", () => target.withstands(() => times(40, async (i) => {
    const raw = await target.raw();
    raw.socket.pause();
    const request = get_(i % 2 ? "/metrics" : "/sigbridge/large.js");
    for (let n = 0; n < 20; n++)
        raw.socket.write(request);
    await target.call(target.first);
    await (i % 3 ? raw.drop() : raw.reset());
})));

/* With the default rates one sender does not fill a queue: here it may. */
const fast = "limits: { bytes_per_second = 1073741824; bytes_burst = 1073741824; messages_per_second = 100000; messages_burst = 1000000; };\n";

test("readers that do not read what their room says are cut off", async () => {
    const open = await Target.start({ config: fast });
    await open.withstands(async () => {
        const room = newRoom();
        const sender = await open.intruder({ room, peer: "sender" });
        const slow = await Promise.all(Array.from({ length: 20 }, (_, i) => open.intruder({ room, peer: `slow${i}` })));
        for (const peer of slow)
            peer.socket._socket.pause();
        const data = "x".repeat(60_000);
        const slowReaders = async () => (await open.metrics())("sigbridge_slow_readers_total");
        const all = await slowReaders() + slow.length;
        for (let n = 0; await slowReaders() < all; n++) {
            assert.ok(n < 2000, "they are noticed");
            await sender.request({ type: "message", data });
        }
        for (const peer of slow)
            peer.socket._socket.resume();
        await deadline(Promise.all(slow.map((peer) => peer.closed)), "their end");
        await sender.close();
    }, { log: /slow-reader address=127\.0\.0\.3 /, lines: 60 });
    await open.end();
});

/* ---- many ---- */

/* Half of them are dropped by reset, half by FIN. */
const endings = [
    (raw) => raw.drop(),
    (raw) => raw.reset(),
    (raw) => raw.finish(),
    async (raw) => {
        await raw.upgrade();
        await raw.drop();
    },
    async (raw) => {
        await raw.send(get_("/healthz", "Connection: close\r\n"));
        await raw.over();
    },
    async (raw) => {
        raw.send(get_("/metrics"));
        await raw.reset();
    },
    async (raw) => {
        await raw.upgrade();
        await raw.send(textFrame({ type: "join", room: "churn", peer: "eve" }));
        await raw.reset();
    },
    async (raw, i) => {
        await raw.upgrade();
        await raw.send(textFrame({ type: "join", room: "churn", peer: `eve${i}` }));
        await raw.until(() => raw.messages.some((m) => m.type === "joined"));
        await raw.drop();
    },
];

test("3,200 connections that come and go", () => target.withstands(() => times(3200, async (i) => {
    const raw = await target.raw();
    await endings[i % endings.length](raw, i);
}, { at_once: 32 })));

/* The attacker keeps what it gets. More than limits.address_sessions it does not get: the rest is closed
 * at once, and others do not notice. */
test("10,000 connections of one address", () => target.withstands(async () => {
    const held = [];
    const refused = async () => (await target.metrics())("sigbridge_connections_refused_total");
    const before = await refused();
    await times(10_000, async (i) => {
        const raw = await target.raw();
        held.push(raw);
        await raw.send(i % 4 ? handshake() : "GET ");
        if (i % 1000 === 999)
            await target.serves();
    }, { at_once: 64 });
    const open = () => held.filter((raw) => !raw.isOver && !raw.socket.destroyed);
    const count = await target.metrics();
    assert.ok(count("sigbridge_sockets") <= ADDRESS_MAX + 2, `${count("sigbridge_sockets")} sockets`);
    await until(() => open().length <= ADDRESS_MAX, () => `${open().length} are still open`);
    const second = await Promise.all(Array.from({ length: 50 }, () => target.socket({ localAddress: "127.0.0.2" })));
    for (const peer of second)
        await peer.ask({ type: "ping" }, "pong");
    await Promise.all(second.map((peer) => peer.close()));
    assert.ok(await refused() - before > 100, "the rest was refused");
    await Promise.all(held.map((raw) => raw.drop()));
}, { log: /connection-refused address=127\.0\.0\.3 .*limits\.address_sessions/, lines: 60 }));

/* ---- no HTTP ---- */

const requests = [
    get_("/"), get_("/metrics"), get_("/healthz?token=abc"), get_("/api/v1/rooms", "Authorization: Bearer a.b.c\r\n"), handshake(),
    handshake("/ws?token=a.b.c", "Origin: https://example.org\r\nX-Forwarded-For: 192.0.2.1, 10.0.0.1\r\n"),
    "HEAD /sigbridge/large.js HTTP/1.1\r\nHost: localhost\r\nRange: bytes=0-10\r\nIf-None-Match: \"x\"\r\n\r\n",
    "POST /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 20\r\n\r\n{\"a\":1}",
    "POST /healthz HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    get_("/healthz") + get_("/nothing") + handshake(),
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00",
    "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n",
];

test(`bytes of chance in place of HTTP (seed ${SEED})`, () => target.withstands((round) => times(400, async (i, random) => {
    const raw = await target.raw();
    const ends = random.below(2) ? Buffer.from("\r\n\r\n") : Buffer.alloc(0);
    await raw.send(Buffer.concat([random.bytes(1 + random.below(2000)), ends]));
    await raw.finish();
}, { seed: SEED + round })));

test(`HTTP with mistakes of chance (seed ${SEED})`, () => target.withstands((round) => times(600, async (i, random) => {
    const raw = await target.raw();
    await raw.send(random.mutate(Buffer.from(random.pick(requests), "latin1")));
    await raw.finish();
}, { seed: SEED + round })));

const smuggled = [
    { name: "two lengths", text: "POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nContent-Length: 44\r\n\r\n" + get_("/metrics") },
    { name: "length and chunks", text: "POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + get_("/metrics") },
    { name: "a GET with a body that is a request", text: `GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: ${get_("/metrics").length}\r\n\r\n` + get_("/metrics") },
    { name: "a handshake with a body that is a request", text: handshake("/ws", `Content-Length: ${get_("/metrics").length}\r\n`) + get_("/metrics") },
    { name: "header lines that are folded", text: get_("/healthz", "X-A: b\r\n Authorization: Bearer x\r\n") },
    { name: "a bare LF", text: get_("/healthz", "X-A: b\nAuthorization: Bearer x\r\n") },
    { name: "a bare CR", text: get_("/healthz", "X-A: b\rAuthorization: Bearer x\r\n") },
    { name: "NUL in a header", text: get_("/healthz", "X-A: b\0c\r\n") },
    { name: "a header without a name", text: get_("/healthz", ": b\r\n") },
    { name: "an absolute URL", text: "GET http://127.0.0.1:1/metrics HTTP/1.1\r\nHost: x\r\n\r\n" },
    { name: "CONNECT", text: "CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: x\r\n\r\n" },
    { name: "TRACE", text: "TRACE /healthz HTTP/1.1\r\nHost: x\r\nCookie: secret\r\n\r\n" },
    { name: "percent signs at the end", text: get_("/%") + get_("/%2") + get_("/?%") + get_("/ws?token=%") },
    { name: "hundreds of query arguments", text: get_(`/ws?${"a=b&".repeat(900)}`) },
    { name: "a token of 8 KiB", text: handshake(`/ws?token=${"a".repeat(8000)}`) },
];

for (const { name, text } of smuggled)
    test(`a request that is two, or none: ${name}`, () => target.withstands(() => times(20, async () => {
        const raw = await target.raw();
        await raw.send(Buffer.from(text, "latin1"));
        const said = (await raw.finish()).toString("latin1");
        assert.doesNotMatch(said, /secret/);
        assert.ok(said === "" || /^HTTP\/1\.[01] [1-5]/.test(said), said.slice(0, 100));
        if (/length|body|chunks/.test(name))
            assert.doesNotMatch(said, /# HELP/, "what is inside a body is no request");
    })));
