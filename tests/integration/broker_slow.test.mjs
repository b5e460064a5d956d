/* A broker that is slow, and one whose disk is full: memory is bounded, whoever sends too much is
 * told, the others do not notice. */
import assert from "node:assert/strict";
import { readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { freePort, Program, run, tempDir, until } from "./harness.mjs";
import { assertError, get, metric, newRoom, sees, World } from "./world.mjs";
import { Wire } from "./wire.mjs";

const PATIENT = { timeout: 180_000 };
const seconds = (since) => ((Date.now() - since) / 1000).toFixed(1);
const resident = (program) => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${program.pid}/status`, "utf8"))[1]) * 1024;

async function behindWire(config) {
    const world = new World();
    world.broker = await world.addBroker({ config: ["max_queued_bytes 0"] });
    world.wire = await new Wire(world.broker.mqtt).open();
    /* The sanitizer would keep for a while what is freed, and that is what is measured here. */
    const env = { ASAN_OPTIONS: [process.env.ASAN_OPTIONS, "quarantine_size_mb=1"].filter(Boolean).join(":") };
    world.bridge = await world.addBridge({ broker: world.wire.url, config, env });
    return world;
}

/* What became of each request: "ack", or the error as it was told. */
const outcome = (request) => request.then(() => "ack", (error) => error.answer ?? Promise.reject(error));

describe("a slow broker", { concurrency: 2 }, () => {
    test("large messages faster than it takes them", PATIENT, async () => {
        const world = await behindWire("limits: { outage_bytes = 2000000; };\n");
        const room = newRoom();
        const ann = await world.join({ room, peer: "ann" });
        const bob = await world.join({ room, peer: "bob" });
        await sees(ann, "bob");
        const data = "x".repeat(60_000);
        world.wire.slow(1_000_000);
        const before = resident(world.bridge);
        const start = Date.now();
        const answers = Promise.all(Array.from({ length: 500 }, (_, n) => outcome(ann.request({ type: "message", to: "bob", data: `${n} ${data}` }, 120_000))));
        let most = 0;
        let waiting = 0;
        let done = false;
        const watch = (async () => {
            while (!done) {
                most = Math.max(most, resident(world.bridge));
                const asked = Date.now();
                waiting = Math.max(waiting, await metric(world.bridge, "sigbridge_outbound_queued_bytes"));
                assert.ok(await metric(world.bridge, "sigbridge_outbound_in_flight") <= 100);
                assert.equal((await get(world.bridge, "/healthz")).status, 200);
                await bob.ask({ type: "ping" }, "pong");
                assert.ok(Date.now() - asked < 5000, "the bridge answers meanwhile");
                await new Promise((resolve) => setTimeout(resolve, 100));
            }
        })();
        const told = await answers;
        done = true;
        await watch;
        const taken = told.map((answer, n) => (answer === "ack" ? n : -1)).filter((n) => n >= 0);
        const refused = told.filter((answer) => answer !== "ack");
        console.log(`# slow: ${taken.length} acknowledged, ${refused.length} refused in ${seconds(start)} s; at most ${waiting} bytes waited, memory grew by ${((most - before) / 1e6).toFixed(0)} MB`);
        assert.ok(taken.length > 50 && refused.length > 50, `${taken.length} and ${refused.length}`);
        for (const answer of refused)
            assertError(answer, { code: 503, error: "unavailable", id: answer.id, to: "bob", message: /full/ });
        assert.equal(await metric(world.bridge, "sigbridge_outbound_refused_total"), refused.length, "each is counted");
        assert.equal(await metric(world.bridge, "sigbridge_outbound_expired_total"), 0);
        assert.ok(waiting <= 2_000_000);
        /* 4 MiB on the way, each there three times (ours, libmosquitto's message and packet), 2 MB that
         * wait, frames to bob. */
        assert.ok(most - before < 40_000_000, `memory grew by ${most - before}`);
        await bob.expect((m) => m.type === "message" && m.data.startsWith(`${taken.at(-1)} `), 60_000);
        assert.deepEqual(bob.received.filter((m) => m.type === "message").map((m) => parseInt(m.data, 10)), taken);
        assert.equal(await metric(world.bridge, "sigbridge_broker_given_up_total"), 0, "slow is not away");
        assert.equal(await metric(world.bridge, "sigbridge_broker_connects_total"), 1);
        world.wire.heal();
        await ann.request({ type: "message", to: "bob", data: "after" });
        await bob.expect((m) => m.data === "after");
        await world.end();
        world.wire.close();
    });

    test("so slow that what waits grows too old: its sender is told, and it does not arrive", PATIENT, async () => {
        const world = await behindWire("limits: { outage_age = 3; };\nmqtt: { keepalive = 60; };\n");
        const room = newRoom();
        const ann = await world.join({ room, peer: "ann" });
        const bob = await world.join({ room, peer: "bob" });
        await sees(ann, "bob");
        world.wire.slow(2000);
        const start = Date.now();
        const answers = Array.from({ length: 400 }, (_, n) => outcome(ann.request({ type: "message", to: "bob", data: n }, 120_000)));
        await until(async () => await metric(world.bridge, "sigbridge_outbound_expired_total") > 0, "something is too old");
        console.log(`# very slow: told after ${seconds(start)} s`);
        assert.equal((await get(world.bridge, "/readyz")).status, 200);
        world.wire.slow(1_000_000);
        const told = await Promise.all(answers);
        const taken = told.map((answer, n) => (answer === "ack" ? n : -1)).filter((n) => n >= 0);
        const refused = told.filter((answer) => answer !== "ack");
        assert.ok(refused.length >= 100, `${refused.length} refused`);
        for (const answer of refused)
            assertError(answer, { code: 503, error: "unavailable", id: answer.id, to: "bob" });
        assert.equal(await metric(world.bridge, "sigbridge_outbound_expired_total"), refused.length);
        await ann.request({ type: "message", to: "bob", data: "end" });
        await bob.expect((m) => m.data === "end");
        assert.deepEqual(bob.received.filter((m) => m.type === "message").map((m) => m.data), [...taken, "end"]);
        await world.end();
        world.wire.close();
    });

    test("its disk is full: signaling goes on, and it is the same broker afterwards", PATIENT, async (t) => {
        const { code } = await run("unshare", ["-m", "mount", "-t", "tmpfs", "tmpfs", tempDir()]).catch(() => ({ code: 1 }));
        if (code !== 0 || process.getuid() !== 0)
            return t.skip("no mount namespace");
        const dir = tempDir("broker");
        const port = await freePort();
        const file = join(tempDir(), "mosquitto.conf");
        writeFileSync(file, `log_dest stderr\nlog_type all\nlistener ${port} 127.0.0.1\nallow_anonymous true\nuser root\n`
            + `set_tcp_nodelay true\npersistence true\npersistence_location ${dir}/\nautosave_interval 1\n`);
        const broker = new Program("unshare", ["-m", "sh", "-c", `mount -t tmpfs -o size=128k tmpfs ${dir} && exec mosquitto -c ${file}`]);
        await broker.line(/mosquitto version \S+ running/);
        const world = new World();
        world.broker = { mqtt: `127.0.0.1:${port}`, url: `mqtt://127.0.0.1:${port}`, stop() {} };
        world.bridge = await world.addBridge();
        const inside = join("/proc", String(broker.pid), "root", dir);
        const room = newRoom();
        const ann = await world.join({ room, peer: "ann" });
        const cam = await world.device({ room, name: "cam" });
        await sees(ann, "cam");
        for (const size of [65536, 4096, 1])
            for (let i = 0; ; i++)
                try {
                    writeFileSync(join(inside, `fill-${size}-${i}`), Buffer.alloc(size), { flag: "wx" });
                } catch (error) {
                    assert.equal(error.code, "ENOSPC");
                    break;
                }
        /* More than stays in the C library's buffer, so that mosquitto sees that it failed. */
        for (let i = 0; i < 10; i++)
            await world.join({ room, peer: `p${i}`, meta: { text: "x".repeat(1000) } });
        await broker.line(/No space left on device/);
        const bob = await world.join({ room, peer: "bob" });
        await sees(ann, "bob", "p9");
        await ann.request({ type: "message", to: "bob", data: 1 });
        await bob.expect("message");
        await cam.send("ann", { type: "message", data: 2 });
        await ann.expect("message");
        for (const name of readdirSync(inside).filter((entry) => entry.startsWith("fill-")))
            rmSync(join(inside, name));
        await until(() => readdirSync(inside).includes("mosquitto.db") && readFileSync(join(inside, "mosquitto.db")).includes("bob"), "it saves again");
        assert.equal(await metric(world.bridge, "sigbridge_broker_connects_total"), 1);
        await world.end();
        await broker.stop();
        return undefined;
    });
});
