/* How many connections one address may have, and all together; what is counted, and when it is free
 * again. Each client here has a loopback address of its own. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { connect } from "node:net";
import { after, before, test } from "node:test";
import { handshake } from "./attacker.mjs";
import { deadline, run, until, WsPeer } from "./harness.mjs";
import { get, metric, newRoom, World } from "./world.mjs";

const EACH = 5;
const PROXY = "127.0.0.7";
const world = new World();
let bridge;
let addresses = 20;
const newAddress = () => `127.0.1.${++addresses}`;

before(async () => {
    bridge = (await world.start({ args: ["--trusted-proxy", PROXY], config: `limits: { address_sessions = ${EACH}; };\n` })).bridge;
});
after(() => world.end());

/* A TCP connection from there: `over` resolves when the bridge has ended it, `said` is what came. */
async function knock(from, text = "", to = bridge.http) {
    const [host, port] = to.split(":");
    const socket = connect({ host, port: Number(port), localAddress: from });
    const self = { socket, said: "" };
    socket.on("data", (chunk) => (self.said += chunk.toString("latin1")));
    socket.on("error", () => {});
    self.over = new Promise((resolve) => socket.once("close", resolve));
    await deadline(Promise.race([once(socket, "connect").catch(() => {}), self.over]), "a connection");
    if (text)
        socket.write(text);
    return self;
}

const refused = (to = bridge) => metric(to, 'sigbridge_connections_refused_total{reason="address"}');

/* Connects until none more is let in; returns those that are. Each does `act` first. */
async function fill(from, act = async () => {}) {
    const inside = [];
    for (let i = 0; i < EACH; i++) {
        const c = await knock(from);
        await act(c);
        inside.push(c);
    }
    const before = await refused();
    const late = await knock(from);
    await deadline(late.over, "the end of one too many");
    assert.equal(late.said, "", "closed at once");
    assert.equal(await refused(), before + 1);
    return inside;
}

const drop = async (connections) => {
    for (const c of connections)
        c.socket.destroy();
    await Promise.all(connections.map((c) => c.over));
};

const said = (c, pattern) => until(() => pattern.test(c.said), `${pattern}, having heard ${c.said.slice(0, 100)}`, { every: 5 });

const kinds = [
    { name: "that say nothing", act: async () => {} },
    { name: "that are half open", act: async (c) => c.socket.write("GET / HT") },
    { name: "that asked for a page", act: async (c) => {
        c.socket.write("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
        await said(c, /ok\n/);
    } },
    { name: "that are WebSockets", act: async (c) => {
        c.socket.write(handshake());
        await said(c, /101/);
    } },
];

for (const { name, act } of kinds)
    test(`one address has ${EACH} connections: ${name}`, async () => {
        const address = newAddress();
        const inside = await fill(address, act);
        const other = await WsPeer.join(bridge.wsUrl, { room: newRoom() }, { localAddress: newAddress() });
        for (const c of inside)
            assert.ok(!c.socket.destroyed, "those that are in stay");
        await drop(inside);
        await until(async () => {
            const again = await knock(address, handshake()); /* its places are free again */
            await Promise.race([again.over, said(again, /HTTP/)]);
            again.socket.destroy();
            return /101/.test(again.said);
        }, "a place");
        await other.close();
    });

test("who is refused leaves one line of the log, with the address and the option", async () => {
    const address = newAddress();
    const inside = await fill(address);
    const line = await bridge.line((l) => l.includes("connection-refused") && l.includes(`address=${address} `));
    assert.match(line, /limits\.address_sessions/);
    await drop(inside);
});

test("a thousand more from one address: they are closed, others are served, the log stays short", async () => {
    const address = newAddress();
    const inside = await fill(address);
    const lines = bridge.logs.length;
    const before = await refused();
    for (let i = 0; i < 50; i++)
        await Promise.all(Array.from({ length: 20 }, async () => (await knock(address)).over));
    assert.equal(await refused(), before + 1000);
    assert.ok(bridge.logs.slice(lines).filter((l) => l.includes("connection-refused")).length <= 60, "at most 20 and one each second");
    const peer = await WsPeer.join(bridge.wsUrl, { room: newRoom() }, { localAddress: newAddress() });
    await peer.close();
    await drop(inside);
});

test("churn leaves nothing behind", async () => {
    const address = newAddress();
    const count = async () => [await metric(bridge, "sigbridge_connections"), await metric(bridge, "sigbridge_addresses")];
    const before = await until(async () => {
        const first = await count();
        return first[0] <= 3 && first;
    }, "rest");
    for (let i = 0; i < 300; i++) {
        const c = await knock(address, ["", "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", handshake(), "garbage\r\n\r\n"][i % 4]);
        if (i % 3)
            c.socket.resetAndDestroy();
        else
            c.socket.destroy();
        await c.over;
    }
    await until(async () => {
        const now = await count();
        return now[0] <= before[0] && now[1] <= before[1];
    }, "as before");
});

/* ---- behind a proxy ---- */

const through = (client, text) => knock(PROXY, text.replace("\r\n\r\n", `\r\nX-Forwarded-For: ${client}\r\n\r\n`));

test("behind a listed proxy each client has its own number", async () => {
    const open = [];
    for (const client of ["198.51.100.1", "198.51.100.2"]) {
        for (let i = 0; i < EACH; i++) {
            const c = await through(client, handshake());
            await said(c, /HTTP\/1\.1 101/);
            open.push(c);
        }
        const late = await through(client, handshake());
        await deadline(late.over, "a refusal");
        assert.match(late.said, /^HTTP\/1\.[01] 429 /);
        assert.match(late.said, /too many connections/);
    }
    const page = await through("198.51.100.1", "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
    await deadline(page.over, "a refusal");
    assert.match(page.said, /^HTTP\/1\.[01] 429 /);
    await drop([...open, page]);
});

test("IPv6 clients count by /64", async () => {
    const open = [];
    for (let i = 0; i < EACH; i++) {
        const c = await through(`2001:db8:5:6::${i + 1}`, handshake());
        await said(c, /101/);
        open.push(c);
    }
    const late = await through("2001:db8:5:6:ffff::9", handshake());
    await deadline(late.over, "a refusal");
    assert.match(late.said, /429/);
    const next = await through("2001:db8:5:7::1", handshake());
    await said(next, /101/);
    await drop([...open, next]);
});

test("a proxy's own connections do not count, and each serves one request", async () => {
    const page = (client) => `GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: ${client}\r\n\r\n`;
    const idle = [];
    for (let i = 0; i < EACH * 4; i++)
        idle.push(await knock(PROXY));
    for (const [i, c] of idle.entries()) {
        c.socket.write(page(`198.51.100.${100 + i}`));
        await said(c, /ok\n/);
        assert.match(c.said, /^connection: close\r$/m);
        assert.ok(idle.slice(i + 1).every((other) => !other.socket.destroyed));
    }
    for (const c of idle) { /* a proxy that does not heed it */
        c.said = "";
        c.socket.write(page("198.51.100.99"));
        await deadline(c.over, "the end");
        assert.equal(c.said, "");
    }
});

test("who is no proxy cannot speak for another", async () => {
    const address = newAddress();
    const open = [];
    for (let i = 0; i < EACH; i++) {
        const c = await knock(address, handshake("/ws", `X-Forwarded-For: 198.51.100.${200 + i}\r\n`));
        await said(c, /101/);
        open.push(c);
    }
    const late = await knock(address, handshake("/ws", "X-Forwarded-For: 198.51.100.250\r\n"));
    await deadline(late.over, "a refusal");
    assert.equal(late.said, "");
    await drop(open);
});

/* ---- all together ---- */

test("all TCP connections together are bounded: limits.sessions and 256 more", async () => {
    const small = await world.addBridge({ config: "limits: { sessions = 4; address_sessions = 1000; };\n" });
    const idle = [];
    const peers = [];
    for (let i = 0; i < 4; i++)
        peers.push(await WsPeer.join(small.wsUrl, { room: newRoom() }));
    const fifth = await WsPeer.connect(small.wsUrl);
    assert.equal((await deadline(fifth.closed, "a refusal")).code, 1013);
    for (let i = 0; i < 256; i++)
        idle.push(await knock("127.0.2.1", "", small.http));
    const late = await knock("127.0.2.2", "", small.http);
    await deadline(late.over, "the end of one too many");
    await drop(idle.slice(0, 10));
    /* Asking takes a place, too: until there is one it fails. */
    await until(() => metric(small, "sigbridge_connections").then((count) => count <= 4 + 246 + 1, () => false), "places");
    assert.ok(await metric(small, 'sigbridge_connections_refused_total{reason="full"}') >= 1);
    assert.equal((await get(small, "/healthz")).status, 200);
    await drop(idle);
    for (const peer of peers)
        await peer.close();
});

test("without file descriptors who comes waits, those who are there stay, and the bridge rests", async () => {
    const poor = await world.addBridge({ config: "limits: { address_sessions = 1000; };\n" });
    const peer = await WsPeer.join(poor.wsUrl, { room: newRoom() });
    const open = readdirSync(`/proc/${poor.pid}/fd`).length;
    const { code, stderr } = await run("prlimit", ["--pid", String(poor.pid), `--nofile=${open + 20}:`]);
    assert.equal(code, 0, stderr);
    const crowd = await Promise.all(Array.from({ length: 60 }, () => knock("127.0.2.3", "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", poor.http)));
    assert.match(await poor.line(/no-descriptors/), /remedy=/);
    await peer.request({ type: "message", data: "still here" });
    for (const c of crowd)
        said(c, /ok\n/).then(() => c.socket.destroy()); /* makes a place for the next */
    await Promise.all(crowd.map((c) => deadline(c.over, "its turn")));
    for (const c of crowd)
        assert.match(c.said, /ok\n$/);
    assert.ok(await metric(poor, "sigbridge_descriptor_pauses_total") >= 1);
    assert.ok(poor.logs.filter((l) => l.includes("no-descriptors")).length <= 40);
    await peer.close();
});
