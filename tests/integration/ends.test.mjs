/* However a connection ends, it is counted no longer: neither in all nor for its address. Each kind of
 * end comes more often than one address may have connections. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { after, before, test } from "node:test";
import { connect as tlsConnect } from "node:tls";
import { handshake } from "./attacker.mjs";
import { makePair } from "./certificates.mjs";
import { deadline, until, WsPeer } from "./harness.mjs";
import { metric, newRoom, World } from "./world.mjs";

const EACH = 3;
const TIMES = 8;
const world = new World();
let bridge, pair;
let addresses = 0;

before(async () => {
    pair = await makePair();
    bridge = (await world.start({
        listen: "http://127.0.0.1:0",
        args: ["--listen", "https://127.0.0.1:0", "--tls-cert", pair.cert, "--tls-key", pair.key, "--origin", "https://app.example.org"],
        config: `limits: { address_sessions = ${EACH}; join_timeout = 1; };\n`,
    })).bridge;
});
after(() => world.end());

const count = () => metric(bridge, "sigbridge_connections");

async function open(from, tls) {
    const [host, port] = (tls ? bridge.ready.https : bridge.http).split(":");
    const tcp = connect({ host, port: Number(port), localAddress: from });
    tcp.on("error", () => {});
    await deadline(once(tcp, "connect"), "a connection");
    const self = { tcp, socket: tcp, said: "", over: new Promise((resolve) => tcp.once("close", resolve)) };
    if (tls === "open") {
        self.socket = tlsConnect({ socket: tcp, rejectUnauthorized: false });
        self.socket.on("error", () => {});
        await deadline(once(self.socket, "secureConnect"), "a handshake");
    }
    self.socket.on("data", (chunk) => (self.said += chunk.toString("latin1")));
    return self;
}

const hears = (c, pattern) => until(() => pattern.test(c.said), `${pattern}, having heard ${c.said.slice(0, 200)}`, { every: 5 });
const asks = (text, pattern) => async (c) => {
    c.socket.write(text);
    await hears(c, pattern);
};
const page = (path, more = "") => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n${more}\r\n`;
const drops = (c) => c.tcp.destroy();
const resets = (c) => c.tcp.resetAndDestroy();
const waits = () => {}; /* the bridge closes */

const ends = [
    { name: "not a byte", end: drops },
    { name: "not a byte, reset", end: resets },
    { name: "half a request", act: (c) => c.socket.write("GET / HT"), end: drops },
    { name: "half a request, reset", act: (c) => c.socket.write("GET / HT"), end: resets },
    { name: "no HTTP", act: (c) => c.socket.write("hello\r\n\r\n"), end: waits },
    { name: "a page, and gone at once", act: (c) => c.socket.write(page("/metrics")), end: resets },
    { name: "a page, closed by us", act: asks(page("/healthz"), /ok\n/), end: drops },
    { name: "a page, closed by the bridge", act: asks(page("/healthz", "Connection: close\r\n"), /ok\n/), end: waits },
    { name: "CONNECT", act: (c) => c.socket.write("CONNECT a:1 HTTP/1.1\r\nHost: localhost\r\n\r\n"), end: waits },
    { name: "a body that is refused", act: asks(page("/healthz", "Content-Length: 1\r\n"), / 400 /), end: waits },
    { name: "a wrong path for a WebSocket", act: asks(handshake("/other"), / 404 /), end: waits },
    { name: "an origin that is refused", act: asks(handshake("/ws", "Origin: https://evil.example.org\r\n"), / 403 /), end: waits },
    { name: "an upgrade to something else", act: asks(handshake().replace("Upgrade: websocket", "Upgrade: h2c"), / 400 /), end: waits },
    { name: "a WebSocket, dropped", act: asks(handshake(), / 101 /), end: drops },
    { name: "a WebSocket, reset", act: asks(handshake(), / 101 /), end: resets },
    { name: "a WebSocket that never joins", act: asks(handshake(), / 101 /), end: waits },
    { name: "TLS: not a byte", tls: "tcp", end: drops },
    { name: "TLS: half a hello, reset", tls: "tcp", act: (c) => c.tcp.write("\x16\x03\x01\x02\x00\x01", "latin1"), end: resets },
    { name: "TLS: no hello", tls: "tcp", act: (c) => c.tcp.write(page("/healthz")), end: waits },
    { name: "TLS: a handshake, and nothing", tls: "open", end: drops },
    { name: "TLS: a page", tls: "open", act: asks(page("/healthz"), /ok\n/), end: drops },
    { name: "TLS: a WebSocket, reset", tls: "open", act: asks(handshake(), / 101 /), end: resets },
];

for (const { name, tls, act = () => {}, end } of ends)
    test(`the end of a connection is counted: ${name}`, async () => {
        const from = `127.0.3.${++addresses}`;
        const before = await count();
        for (let i = 0; i < TIMES; i++) {
            const c = await open(from, tls);
            await act(c);
            end(c);
            await deadline(c.over, () => `the end, having heard ${c.said.slice(0, 200)}`);
            await until(async () => await count() <= before, "as many connections as before", { every: 2 });
        }
        const peer = await WsPeer.join(bridge.wsUrl, { room: newRoom() }, { localAddress: from });
        await peer.close();
    });

test("nobody was refused for having too many", async () => {
    assert.equal(await metric(bridge, 'sigbridge_connections_refused_total{reason="address"}'), 0);
    await until(async () => await metric(bridge, "sigbridge_addresses") <= 1, "no address is remembered");
});
