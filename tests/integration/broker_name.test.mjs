/* A broker that is given by name, while name servers are silent, say no, or give several addresses. */
import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { freePort, run, tempDir, until } from "./harness.mjs";
import { get, newRoom, World } from "./world.mjs";

const PATIENT = { timeout: 120_000 };

/* A name server at an address of its own. `answer` gets the name and gives addresses, null for "no
 * such name", or undefined for silence. */
async function nameServer(address, answer) {
    const server = createSocket("udp4");
    server.asked = 0;
    server.on("message", (query, from) => {
        server.asked++;
        let end = 12;
        const labels = [];
        while (query[end] !== 0) {
            labels.push(query.subarray(end + 1, end + 1 + query[end]).toString());
            end += 1 + query[end];
        }
        const isA = query.readUInt16BE(end + 1) === 1;
        const addresses = answer(labels.join("."));
        if (addresses === undefined)
            return;
        const records = isA && addresses ? addresses : [];
        const head = Buffer.from(query.subarray(0, end + 5));
        head.writeUInt16BE(addresses ? 0x8180 : 0x8183, 2);
        head.writeUInt16BE(records.length, 6);
        head.writeUInt16BE(0, 8);
        head.writeUInt16BE(0, 10);
        server.send(Buffer.concat([head, ...records.map((ip) =>
            Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, ...ip.split(".").map(Number)]))]), from.port, from.address);
    });
    server.bind(53, address);
    await once(server, "listening");
    server.unref();
    return server;
}

/* The bridge with a resolv.conf of its own, or null where this machine does not let us. */
async function withNameServer(address, world, options) {
    const { code } = await run("unshare", ["-m", "true"]).catch(() => ({ code: 1 }));
    if (code !== 0 || process.getuid() !== 0)
        return null;
    const dir = tempDir();
    writeFileSync(join(dir, "resolv.conf"), `nameserver ${address}\n`);
    writeFileSync(join(dir, "bridge"), `#!/bin/sh\nexec unshare -m sh -c 'mount --bind ${dir}/resolv.conf /etc/resolv.conf && exec "${process.env.SIGBRIDGE_BIN}" "$@"' sh "$@"\n`);
    chmodSync(join(dir, "bridge"), 0o755);
    const own = process.env.SIGBRIDGE_BIN;
    process.env.SIGBRIDGE_BIN = join(dir, "bridge");
    try {
        const http = `127.0.0.1:${await freePort()}`;
        const starting = world.addBridge({ listen: http, timeout: 90_000, ...options });
        return { starting, bridge: { url: `http://${http}/`, wsUrl: `ws://${http}/ws` } };
    } finally {
        process.env.SIGBRIDGE_BIN = own;
    }
}

describe("a broker by name", { concurrency: true }, () => {
    test("while the name server is silent, everything else goes on, and the bridge gets in when it answers", PATIENT, async (t) => {
        let addresses;
        const world = new World();
        world.broker = await world.addBroker();
        const server = await nameServer("127.0.0.77", () => addresses).catch(() => null);
        const made = server && await withNameServer("127.0.0.77", world, { broker: `mqtt://broker.test:${world.broker.port}` });
        if (!made)
            return t.skip("no mount namespace or no port 53");
        await until(() => server.asked > 0, "it asks");
        const early = await world.connect({ bridge: made.bridge });
        early.send({ type: "join", room: newRoom(), peer: "early" });
        /* A look-up takes 10 s in vain; each of these has less. */
        for (let i = 0; i < 120; i++) {
            const start = Date.now();
            await early.ask({ type: "ping" }, "pong");
            assert.equal((await get(made.bridge, "/healthz")).status, 200);
            assert.ok(Date.now() - start < 3000, "the loop goes on");
            await new Promise((resolve) => setTimeout(resolve, 100));
        }
        assert.match((await get(made.bridge, "/readyz")).text, /broker\.test cannot be found: ./);
        addresses = ["127.0.0.1"];
        world.bridge = await made.starting;
        await early.expect("joined", 30_000);
        await world.end();
        server.close();
        return undefined;
    });

    test("no such name, then one, at the second of its addresses", PATIENT, async (t) => {
        let addresses = null;
        const world = new World();
        world.broker = await world.addBroker();
        const server = await nameServer("127.0.0.78", () => addresses).catch(() => null);
        const made = server && await withNameServer("127.0.0.78", world, { broker: `mqtt://broker.test:${world.broker.port}` });
        if (!made)
            return t.skip("no mount namespace or no port 53");
        await until(async () => /broker\.test cannot be found: (?!no name server)/.test((await get(made.bridge, "/readyz").catch(() => ({ text: "" }))).text), "it says so");
        addresses = ["127.0.0.250", "127.0.0.1"];
        world.bridge = await made.starting;
        await world.join({ room: newRoom(), peer: "ann" });
        await world.broker.kill();
        await world.ready(world.bridge, 503);
        await world.broker.restart();
        await world.ready();
        await world.end();
        server.close();
        return undefined;
    });
});
