/* Brokers that are hard to talk to: whose host says nothing, who takes small packets only. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { after, test } from "node:test";
import { deadline, endAll, freePort, Program, startBridge, startMosquitto, tempDir, until, WsPeer } from "./harness.mjs";

const ends = [];
after(() => ends.forEach((end) => end()));

/* Listens and never accepts. With its queue full, a further connect waits for an answer. */
async function deafPort() {
    const child = spawn(process.execPath, ["-e", `
        const s = require("net").createServer().listen({ port: 0, host: "127.0.0.1", backlog: 1 }, () => {
            require("fs").writeSync(1, s.address().port + "\\n");
            Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
        });`], { stdio: ["ignore", "pipe", "inherit"] });
    ends.push(() => child.kill("SIGKILL"));
    const port = Number(await deadline(once(child.stdout, "data"), "the deaf port"));
    const fillers = [1, 2, 3, 4].map(() => connect(port, "127.0.0.1").on("error", () => {}));
    ends.push(() => fillers.forEach((filler) => filler.destroy()));
    await deadline(Promise.all(fillers.slice(0, 2).map((filler) => once(filler, "connect"))), "a full queue");
    return { port, isDeaf: () => fillers[3].connecting };
}

async function start(port) {
    const http = `127.0.0.1:${await freePort()}`;
    const bridge = new Program(process.env.SIGBRIDGE_BIN,
        ["--dev", "--listen", http, "--broker", `mqtt://127.0.0.1:${port}`, "--data", tempDir(), "--web", "none"]);
    ends.push(() => bridge.kill("SIGKILL"));
    await until(() => fetch(`http://${http}/healthz`).then((r) => r.ok, () => false), "a healthy bridge");
    return { bridge, http };
}

test("a connect that hangs keeps nobody waiting", async () => {
    const { port, isDeaf } = await deafPort();
    const { bridge, http } = await start(port);
    assert.equal((await fetch(`http://${http}/readyz`)).status, 503);
    const began = Date.now();
    assert.deepEqual(await bridge.stop(), { code: 0, signal: null });
    assert.ok(Date.now() - began < 5000);
    assert.ok(isDeaf());
});

test("a broker that accepts and says nothing, and what the bridge asked it", async () => {
    let asked;
    const server = createServer((socket) => {
        socket.on("error", () => {});
        socket.on("data", (bytes) => asked ??= bytes);
    }).listen(0, "127.0.0.1");
    ends.push(() => server.close());
    await once(server, "listening");
    const { bridge } = await start(server.address().port);
    await until(() => asked, "CONNECT");
    assert.equal(asked[0], 0x10);
    assert.ok(asked.includes(Buffer.from([0x11, 0, 0, 0, 60])), "a session expiry of 60 s");
    const began = Date.now();
    assert.deepEqual(await bridge.stop(), { code: 0, signal: null });
    assert.ok(Date.now() - began < 5000);
});

test("a broker that takes small packets hears of all subscriptions after a reconnect", async () => {
    const config = "allow_anonymous true\nmax_packet_size 2000";
    let broker = await startMosquitto({ config });
    const bridge = await startBridge({ broker: `mqtt://${broker.mqtt}` });
    const names = Array.from({ length: 40 }, (_, i) => `${"p".repeat(60)}${i}`);
    const peers = [];
    for (const peer of names)
        peers.push(await WsPeer.join(bridge.wsUrl, { room: "r", peer }));
    await broker.stop();
    broker = await startMosquitto({ config, port: broker.port });
    await until(() => fetch(`${bridge.url}readyz`).then((r) => r.ok, () => false), "a ready bridge");
    for (let i = 0; i < 40; i++)
        await peers[0].request({ type: "message", to: names[i ? i : 1], data: i });
    assert.equal(bridge.logs.filter((line) => line.includes("subscribe-failed")).length, 0);
    for (const peer of peers)
        peer.close();
    await endAll(bridge, broker);
});
