/* What befalls the embedded broker: killed again and again, frozen, its disk full, its file damaged. */
import assert from "node:assert/strict";
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { freePort, run, tempDir, until } from "./harness.mjs";
import { Device, get, metric, newRoom, rosterOf, sees, World } from "./world.mjs";

const PATIENT = { timeout: 120_000 };
const seconds = (since) => ((Date.now() - since) / 1000).toFixed(1);

async function brokerOf(bridge) {
    const { stdout } = await run("pgrep", ["-P", String(bridge.pid), "-x", "mosquitto"]);
    const pids = stdout.trim().split("\n").filter(Boolean).map(Number);
    assert.ok(pids.length <= 1, "there is one broker at most");
    return pids[0];
}

async function start(options) {
    const world = new World();
    world.bridge = await world.addBridge({ broker: "embedded", ...options });
    world.broker = { mqtt: world.bridge.mqtt, stop() {} };
    return world;
}

const ready = (world, status = 200) => until(async () => (await get(world.bridge, "/readyz")).status === status, `${status} from /readyz`, { timeout: 40_000 });

/* A bridge whose broker's directory is a small file system of its own, if this machine lets us make
 * one. `inside` is that directory as seen from here. */
async function startOnSmallDisk(size) {
    const { code } = await run("unshare", ["-m", "mount", "-t", "tmpfs", "tmpfs", tempDir()]).catch(() => ({ code: 1 }));
    if (code !== 0 || process.getuid() !== 0)
        return null;
    const data = tempDir();
    const broker = join(data, "broker");
    mkdirSync(broker, { mode: 0o700 });
    const script = join(tempDir(), "bridge");
    writeFileSync(script, `#!/bin/sh\nexec unshare -m sh -c 'mount -t tmpfs -o size=${size} tmpfs "${broker}" && exec "${process.env.SIGBRIDGE_BIN}" "$@"' sh "$@"\n`);
    chmodSync(script, 0o755);
    const own = process.env.SIGBRIDGE_BIN;
    process.env.SIGBRIDGE_BIN = script;
    try {
        const world = await start({ data });
        world.inside = join("/proc", String(world.bridge.pid), "root", broker);
        return world;
    } finally {
        process.env.SIGBRIDGE_BIN = own;
    }
}

function fill(world) {
    for (const size of [65536, 4096, 512, 1])
        for (let i = 0; ; i++)
            try {
                writeFileSync(join(world.inside, `fill-${size}-${i}`), Buffer.alloc(size), { flag: "wx" });
            } catch (error) {
                assert.equal(error.code, "ENOSPC");
                break;
            }
}

function drain(world) {
    for (const name of readdirSync(world.inside).filter((file) => file.startsWith("fill-")))
        rmSync(join(world.inside, name));
}

describe("the embedded broker", { concurrency: 2 }, () => {
    test("killed ten times, as soon as it is back: one broker, nothing lost that was acknowledged", PATIENT, async () => {
        const world = await start();
        const room = newRoom();
        const ann = await world.join({ room, peer: "ann" });
        const bob = await world.join({ room, peer: "bob" });
        await sees(ann, "bob");
        const sent = [];
        const timer = setInterval(() => sent.push(ann.request({ type: "message", to: "bob", data: sent.length }, 60_000)), 20);
        const pids = new Set();
        const back = [];
        for (let i = 0; i < 10; i++) {
            const pid = await until(() => brokerOf(world.bridge), "a broker");
            assert.ok(!pids.has(pid));
            pids.add(pid);
            process.kill(pid, "SIGKILL");
            const start = Date.now();
            await until(async () => await brokerOf(world.bridge) !== pid, "it is gone");
            await ready(world);
            back.push(Number(seconds(start)));
        }
        console.log(`# killed: ready again after ${back.join(", ")} s`);
        clearInterval(timer);
        await Promise.all(sent);
        await ann.request({ type: "message", to: "bob", data: "end" });
        await bob.expect((m) => m.data === "end");
        const got = bob.received.filter((m) => m.type === "message" && m.data !== "end").map((m) => m.data);
        assert.deepEqual(got, Array.from({ length: sent.length }, (_, i) => i));
        assert.equal(bob.received.some((m) => m.left), false);
        await world.end();
    });

    test("killed, and devices come back with their presence", PATIENT, async () => {
        const world = await start();
        const room = newRoom();
        const ann = await world.join({ room, peer: "ann" });
        const cam = await world.device({ room, name: "cam" });
        const gone = await world.device({ room, name: "gone" });
        await sees(ann, "cam", "gone");
        process.kill(await brokerOf(world.bridge), "SIGKILL");
        await Promise.all([cam.closed, gone.closed]);
        /* It connects again as soon as somebody listens there, and says that it is there. */
        const again = await until(() => Device.start(world.bridge.mqtt, { room, name: "cam" }).catch(() => null), "the device is back");
        world.devices.push(again);
        await ready(world);
        await until(() => !rosterOf(ann).has("gone") && rosterOf(ann).has("cam"), "who came back is there, who did not is not", { timeout: 60_000 });
        await ann.request({ type: "message", to: "cam", data: 1 });
        await again.receive("message", "ann");
        await world.end();
    });

    test("frozen: it is ended, and another one takes its place", PATIENT, async () => {
        const world = await start();
        const room = newRoom();
        const ann = await world.join({ room, peer: "ann" });
        const bob = await world.join({ room, peer: "bob" });
        await sees(ann, "bob");
        const old = await brokerOf(world.bridge);
        process.kill(old, "SIGSTOP");
        const begin = Date.now();
        const sent = [1, 2, 3].map((data) => ann.request({ type: "message", to: "bob", data }, 60_000));
        await world.bridge.line("broker-frozen", 40_000);
        const noticed = seconds(begin);
        await until(async () => ![undefined, old].includes(await brokerOf(world.bridge)), "another broker");
        await ready(world);
        console.log(`# frozen: noticed after ${noticed} s, ready after ${seconds(begin)} s`);
        await Promise.all(sent);
        for (const data of [1, 2, 3])
            await bob.expect((m) => m.data === data);
        assert.equal(ann.received.concat(bob.received).some((m) => m.left || m.error), false);
        await world.end();
    });

    test("a device may be called like what feels the broker's pulse", PATIENT, async () => {
        const world = await start({ args: ["--log-level", "debug"] });
        const room = newRoom();
        const ann = await world.join({ room, peer: "ann" });
        const cam = await world.device({ room, name: "pulse", clientId: "pulse" });
        await world.bridge.line(/as _pulse /);
        await sees(ann, "pulse");
        assert.equal(cam.client.connected, true);
        await ann.request({ type: "message", to: "pulse", data: 1 });
        await cam.receive("message", "ann");
        await world.end();
    });

    test("it and the bridge frozen together, as a machine is that sleeps: nothing is replaced", PATIENT, async () => {
        const world = await start();
        const room = newRoom();
        const ann = await world.join({ room, peer: "ann" });
        const pid = await brokerOf(world.bridge);
        process.kill(pid, "SIGSTOP");
        world.bridge.kill("SIGSTOP");
        await new Promise((resolve) => setTimeout(resolve, 25_000));
        world.bridge.kill("SIGCONT"); /* first, and alone for a moment */
        await new Promise((resolve) => setTimeout(resolve, 500));
        process.kill(pid, "SIGCONT");
        await ready(world);
        const bob = await world.join({ room, peer: "bob" });
        await sees(bob, "ann").catch(() => assert.equal(ann.socket.readyState, 3, "ann was cut off for not answering"));
        assert.equal(await brokerOf(world.bridge), pid);
        await world.end();
    });

    test("its disk is full: signaling goes on, also when it is killed, and it saves again when there is room", PATIENT, async (t) => {
        const world = await startOnSmallDisk("512k");
        if (!world)
            return t.skip("no mount namespace");
        const room = newRoom();
        const ann = await world.join({ room, peer: "ann" });
        const cam = await world.device({ room, name: "cam" });
        await sees(ann, "cam");
        fill(world);
        const save = async () => process.kill(await brokerOf(world.bridge), "SIGUSR1");
        await save();
        const bob = await world.join({ room, peer: "bob" });
        await sees(ann, "bob");
        await ann.request({ type: "message", to: "bob", data: 1 });
        await bob.expect("message");
        await cam.send("ann", { type: "message", data: 2 });
        await ann.expect("message");
        /* Killed while its disk is full, it starts with the files that are there. */
        for (let i = 0; i < 2; i++) {
            const pid = await brokerOf(world.bridge);
            process.kill(pid, "SIGKILL");
            await until(async () => ![undefined, pid].includes(await brokerOf(world.bridge)), "another broker");
            await ready(world);
            await ann.request({ type: "message", to: "bob", data: i });
            await bob.expect((m) => m.data === i);
        }
        assert.ok(world.bridge.logs.some((line) => line.includes("broker-files-kept") && /make room/.test(line)));
        drain(world);
        const file = join(world.inside, "mosquitto.db");
        const before = existsSync(file) ? statSync(file).ino : 0;
        await save();
        await until(() => existsSync(file) && statSync(file).ino !== before && statSync(file).size > 100, "it has saved");
        await world.end();
        return undefined;
    });

    test("a file that it cannot read is kept aside, at the start and in between", PATIENT, async () => {
        const options = { data: tempDir(), mqttListen: `127.0.0.1:${await freePort()}` };
        let world = await start(options);
        const dir = join(options.data, "broker");
        const file = join(dir, "mosquitto.db");
        const asides = () => readdirSync(dir).filter((name) => name.startsWith("mosquitto.db.damaged-"));
        const room = newRoom();
        await world.device({ room, name: "cam" });
        await world.end();
        const good = readFileSync(file);
        assert.ok(good.length > 200);
        writeFileSync(file, good.subarray(0, 150));
        world = await start(options);
        assert.equal(asides().length, 1);
        assert.equal(statSync(join(dir, asides()[0])).size, 150);
        assert.ok(world.bridge.logs.some((line) => line.includes("broker-database-damaged") && line.includes(asides()[0])));
        const ann = await world.join({ room, peer: "ann" });
        await world.device({ room, name: "cam2" });
        await sees(ann, "cam2");
        writeFileSync(file, "this is no database of a broker");
        await new Promise((resolve) => setTimeout(resolve, 1100)); /* the name has the second in it */
        process.kill(await brokerOf(world.bridge), "SIGKILL");
        await world.bridge.line((line) => line.includes("broker-database-damaged") && !line.includes(asides()[0]) || asides().length === 2);
        await ready(world);
        assert.equal(asides().length, 2);
        await world.device({ room, name: "cam3" });
        await sees(ann, "cam3");
        assert.ok(await metric(world.bridge, "sigbridge_broker_sessions_lost_total") >= 1);
        await world.end();
    });
});
