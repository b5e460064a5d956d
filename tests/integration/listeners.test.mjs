/* Several listeners of one bridge: plain and TLS, IPv4 and IPv6. */
import assert from "node:assert/strict";
import { connect } from "node:net";
import { after, before, describe, test } from "node:test";
import { makePair } from "./certificates.mjs";
import { deadline, freePort, Program, run, startBridge, tempDir, until, WsPeer } from "./harness.mjs";
import { makeKey } from "./jwt.mjs";
import { assertNoSanitizer, checkReceived, metric, newRoom, sees, World } from "./world.mjs";

const pair = await makePair();
const tls = ["--tls-cert", pair.cert, "--tls-key", pair.key];
const world = new World();
before(() => world.start());
after(() => world.end());

const flags = (...addresses) => addresses.flatMap((address) => ["--listen", address]);
const list = (text) => (text === "-" ? [] : text.split(","));
const httpsOf = (bridge) => bridge.ready.https ?? "-"; /* the field is there where TLS is */

/* A bridge with these listeners, and `doors`: the WebSocket URL of each, plain ones first. */
async function open(addresses, options = {}) {
    const [listen, ...more] = addresses;
    const bridge = await startBridge({ broker: world.broker.url, listen, ...options, args: [...flags(...more), ...options.args ?? []] });
    world.bridges.push(bridge);
    const [plain, secure] = [list(bridge.ready.http), list(httpsOf(bridge))];
    bridge.doors = [...plain.map((at) => `ws://${at}/ws`), ...secure.map((at) => `wss://${at}/ws`)];
    bridge.url = plain.length ? `http://${plain[0]}/` : `https://${secure[0]}/`;
    return bridge;
}

async function close(bridge) {
    world.bridges = world.bridges.filter((other) => other !== bridge);
    assert.deepEqual(await bridge.stop(), { code: 0, signal: null }, bridge.tail());
    assertNoSanitizer(bridge);
}

/* What is said in the line `ready`; P stands for any port. */
const rows = [
    { name: "plain by default", listen: ["127.0.0.1:0"], http: "127.0.0.1:P", https: "-" },
    { name: "plain, in words", listen: ["http://127.0.0.1:0"], args: tls, http: "127.0.0.1:P", https: "-" },
    { name: "TLS where there is a certificate", listen: ["127.0.0.1:0"], args: tls, http: "-", https: "127.0.0.1:P" },
    { name: "plain inside, TLS outside", listen: ["http://127.0.0.1:0", "https://127.0.0.2:0"], args: tls, http: "127.0.0.1:P", https: "127.0.0.2:P" },
    { name: "IPv6", listen: ["[::1]:0"], http: "[::1]:P", https: "-" },
    { name: "of each kind two", listen: ["https://[::1]:0", "http://[::1]:0", "https://127.0.0.1:0", "http://127.0.0.1:0"], args: tls,
        http: "[::1]:P,127.0.0.1:P", https: "[::1]:P,127.0.0.1:P" },
    { name: "the most there may be", listen: Array(8).fill("http://127.0.0.1:0"), http: Array(8).fill("127.0.0.1:P").join(), https: "-" },
];

describe("the line `ready`", { concurrency: 2 }, () => {
    for (const { name, listen, args, http, https } of rows)
        test(name, async () => {
            const bridge = await open(listen, { args });
            const without = (text) => text.replaceAll(/:\d+(?=,|$)/g, ":P");
            assert.deepEqual([without(bridge.ready.http), without(httpsOf(bridge))], [http, https]);
            for (const url of bridge.doors) {
                const peer = await WsPeer.join(url, { room: newRoom(), peer: "me" }, { ca: pair.pem });
                peer.socket.terminate();
            }
            await close(bridge);
        });
});

test("as JSON, too", async () => {
    const bridge = await open(["http://127.0.0.1:0", "https://127.0.0.1:0"], { args: [...tls, "--log-format", "json"] });
    assert.match(bridge.ready.http, /^127\.0\.0\.1:\d+$/);
    assert.match(bridge.ready.https, /^127\.0\.0\.1:\d+$/);
    await close(bridge);
});

describe("several at once", () => {
    let bridge;
    before(async () => (bridge = await open(["http://127.0.0.1:0", "http://[::1]:0", "https://127.0.0.1:0", "https://[::1]:0"], {
        args: tls, config: "limits: { address_sessions = 6; };\n",
    })));

    const enter = (url, fields) => WsPeer.join(url, fields, { ca: pair.pem });

    test("all doors lead into the same rooms", async () => {
        const room = newRoom();
        const peers = await Promise.all(bridge.doors.map((url, i) => enter(url, { room, peer: `p${i}` })));
        for (const from of peers) {
            await sees(from, ...peers.filter((to) => to !== from).map((to) => to.name));
            await from.request({ type: "message", data: `from ${from.name}` });
        }
        for (const to of peers)
            for (const from of peers.filter((other) => other !== to))
                await to.expect((m) => m.type === "message" && m.from === from.name && m.data === `from ${from.name}`);
        for (const peer of peers) {
            checkReceived(peer);
            peer.socket.close();
            await peer.closed;
        }
        await until(async () => await metric(bridge, "sigbridge_sessions") === 0, "all have left");
    });

    test("an address has its number of connections, whichever door they come by", async () => {
        const doors = bridge.doors.filter((url) => url.includes("127.0.0.1"));
        assert.equal(doors.length, 2);
        const peers = [];
        const localAddress = "127.0.0.7";
        for (let i = 0; i < 6; i++)
            peers.push(await WsPeer.connect(doors[i % 2], { ca: pair.pem, localAddress }));
        for (const url of doors)
            await assert.rejects(WsPeer.connect(url, { ca: pair.pem, localAddress }), url);
        peers.push(await WsPeer.connect(doors[0], { localAddress: "127.0.0.8" }));
        for (const peer of peers) {
            peer.socket.close();
            await peer.closed;
        }
    });

    test("at the end each session hears 1012, and every door is shut", async () => {
        const peers = await Promise.all(bridge.doors.map((url, i) => enter(url, { room: newRoom(), peer: `p${i}` })));
        await close(bridge);
        for (const peer of peers)
            assert.equal((await deadline(peer.closed, "its end")).code, 1012);
        for (const url of bridge.doors) {
            const { hostname, port } = new URL(url);
            const socket = connect(Number(port), hostname.replaceAll(/[[\]]/g, ""));
            const error = await deadline(new Promise((resolve) => {
                socket.once("error", resolve);
                socket.once("connect", () => resolve(new Error("still open")));
            }), "a refusal");
            assert.equal(error.code, "ECONNREFUSED", url);
        }
    });
});

/* ---- what cannot be ---- */

async function refuses(args, why) {
    const program = new Program(process.env.SIGBRIDGE_BIN, ["--dev", "--broker", world.broker.url, "--data", tempDir(), ...args]);
    const { code } = await deadline(program.exited, "its end");
    assert.ok(code === 1 || code === 2, program.tail());
    assert.equal(program.logs.filter((line) => why.test(line)).length, 1, program.tail());
    assertNoSanitizer(program);
}

test("one port of several is in use: nothing is opened, and the sentence names it", async () => {
    const taken = world.bridge.http;
    await refuses(flags("127.0.0.1:0", taken), new RegExp(`cannot-start.*${taken.replace(":", " port ")} is in use by another program`));
});

test("nine are too many", () => refuses(flags(...Array(9).fill("127.0.0.1:0")), /listen.*8/));
test("TLS without a certificate", () => refuses(flags("http://127.0.0.1:0", "https://127.0.0.1:0"), /https:\/\/127\.0\.0\.1:0 needs a certificate/));
test("a scheme that is not spoken", () => refuses(flags("ftp://127.0.0.1:0"), /listen/));
test("development mode stays on this machine, at every door", () => refuses([...flags("http://127.0.0.1:0", "https://0.0.0.0:0"), ...tls], /0\.0\.0\.0:0 can be reached/));

/* ---- and nothing else ---- */

const exposed = [
    { name: "plain on this machine", addresses: ["http://127.0.0.1:0"], warns: false },
    { name: "plain on every address", addresses: ["http://0.0.0.0:0"], warns: true },
    { name: "plain behind a proxy", addresses: ["http://0.0.0.0:0"], args: ["--trusted-proxy", "127.0.0.1"], warns: false },
    { name: "TLS on every address", addresses: ["http://127.0.0.1:0", "https://0.0.0.0:0"], args: tls, warns: false },
];
for (const { name, addresses, args = [], warns } of exposed)
    test(`a warning where tokens would be read on the way: ${name}`, async () => {
        const bridge = await open(addresses, { dev: false, args: ["--jwt-key", makeKey("HS256").option, ...args] });
        assert.equal(bridge.logs.some((line) => / warn http-plain host=0\.0\.0\.0 /.test(line)), warns, bridge.tail());
        await close(bridge);
    });

test("each is at its address and nowhere else", async () => {
    const port = await freePort();
    const bridge = await open([`127.0.0.3:${port}`, `127.0.0.4:${port}`]);
    const { code, stdout } = await run("ss", ["-Hltn", `sport = :${port}`]);
    assert.equal(code, 0);
    const listening = stdout.trim().split("\n").map((line) => line.trim().split(/\s+/)[3]);
    assert.deepEqual(listening.sort(), [`127.0.0.3:${port}`, `127.0.0.4:${port}`]);
    await close(bridge);
});

test("a restart finds its ports again at once", async () => {
    const bridge = await open(["127.0.0.1:0", "127.0.0.1:0"]);
    const peer = await WsPeer.join(bridge.doors[1], { room: newRoom() });
    await close(bridge);
    await peer.closed;
    const again = await open(list(bridge.ready.http));
    assert.equal(again.ready.http, bridge.ready.http);
    await close(again);
});
