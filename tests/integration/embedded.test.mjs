/* The bridge with the broker it brings: devices at its port, both ends of its life. */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { describe, test } from "node:test";
import { deadline, freePort, Program, run, tempDir, until } from "./harness.mjs";
import { answerSdp, Device, get, newRoom, rosterOf, sdp, sees, World } from "./world.mjs";

/* The broker of a bridge, by its parent. */
async function brokerOf(bridge) {
    const { stdout } = await run("pgrep", ["-P", String(bridge.pid), "-x", "mosquitto"]);
    const pids = stdout.trim().split("\n").filter(Boolean).map(Number);
    assert.equal(pids.length, 1, "the bridge has one broker");
    return pids[0];
}

const alive = (pid) => existsSync(`/proc/${pid}`) && !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));

async function start(options) {
    const world = new World();
    world.bridge = await world.addBridge({ broker: "embedded", ...options });
    world.broker = { mqtt: world.bridge.mqtt, stop() {} };
    return world;
}

async function call(ann, cam) {
    await ann.request({ type: "offer", to: cam.name, sdp: sdp() });
    await cam.receive("offer", ann.name);
    await cam.send(ann.name, { type: "answer", sdp: answerSdp() });
    await ann.expect("answer");
}

describe("embedded broker", () => {
    test("a device at its port and a browser call each other", async () => {
        const world = await start();
        assert.equal(world.bridge.ready.broker, "embedded");
        const room = newRoom();
        const ann = await world.join({ room, peer: "ann" });
        const cams = await Promise.all([[4, 0], [4, 1], [5, 0], [5, 1]].map(([version, qos], i) => world.device({ room, name: `cam${i}`, version, qos })));
        for (const cam of cams) {
            await sees(ann, cam.name);
            await call(ann, cam);
        }
        const pid = await brokerOf(world.bridge);
        await world.stop(world.bridge);
        assert.equal(alive(pid), false, "it ends with the bridge");
    });

    test("killed alone, it comes back at its port, and nobody's socket closes", async () => {
        const world = await start();
        const room = newRoom();
        const ann = await world.join({ room, peer: "ann" });
        const bob = await world.join({ room, peer: "bob" });
        const cam = await world.device({ room, name: "cam" });
        await sees(ann, "bob", "cam");
        for (let i = 0; i < 3; i++) {
            const pid = await brokerOf(world.bridge);
            process.kill(pid, "SIGKILL");
            await world.bridge.line((line) => line.includes("broker-died"));
            await ann.request({ type: "message", to: "bob", data: i });
            await bob.expect((m) => m.data === i);
            assert.notEqual(await brokerOf(world.bridge), pid);
            await until(async () => (await get(world.bridge, "/readyz")).status === 200, "ready again");
        }
        await cam.closed;
        const again = await Device.start(world.bridge.mqtt, { room, name: "cam" });
        await sees(ann, "cam");
        await call(ann, again);
        await again.end();
        assert.equal(ann.received.some((m) => m.left?.some((p) => p.peer === "bob")), false);
        await world.end();
    });

    test("killed with SIGKILL, the bridge takes it along, and both start again at their ports", async () => {
        const http = `127.0.0.1:${await freePort()}`;
        const mqttListen = `127.0.0.1:${await freePort()}`;
        const options = { listen: http, mqttListen, data: tempDir() };
        const world = await start(options);
        const room = newRoom();
        for (let i = 0; i < 3; i++) {
            const pid = await brokerOf(world.bridge);
            await world.join({ room, peer: `p${i}` });
            await world.kill(world.bridge);
            await until(() => !alive(pid), "the broker is gone", { every: 5 });
            world.bridge = await world.addBridge({ broker: "embedded", ...options });
            assert.equal(world.bridge.mqtt, mqttListen);
        }
        const ann = await world.join({ room, peer: "ann" });
        assert.deepEqual([...rosterOf(ann).keys()], []);
        await world.end();
    });

    test("what a sleeping device missed, and who is present, outlive a restart of both", async () => {
        /* At the same port: mosquitto keeps for each sleeping client where it came from. */
        const options = { data: tempDir(), mqttListen: `127.0.0.1:${await freePort()}` };
        const world = await start(options);
        const room = newRoom();
        const sleeper = { room, name: "sleeper", clean: false, expiry: 3600, will: false };
        await (await Device.start(world.bridge.mqtt, sleeper)).end();
        const ann = await world.join({ room, peer: "ann" });
        await ann.request({ type: "message", to: "sleeper", data: "before" });
        await world.stop(world.bridge);
        world.bridge = await world.addBridge({ broker: "embedded", ...options });
        const bob = await world.join({ room, peer: "bob" });
        assert.deepEqual([...rosterOf(bob).keys()], ["sleeper"]);
        await bob.request({ type: "message", to: "sleeper", data: "after" });
        const woken = await Device.start(world.bridge.mqtt, { ...sleeper, presence: null });
        assert.equal((await woken.receive("message", "ann")).data, "before");
        assert.equal((await woken.receive("message", "bob")).data, "after");
        await woken.end();
        await world.end();
    });

    test("a second bridge on the same directory is told to go elsewhere", async () => {
        const world = await start();
        const second = await run(process.env.SIGBRIDGE_BIN, ["--dev", "--data", world.bridge.data, "--listen", "127.0.0.1:0", "--mqtt-listen", "127.0.0.1:0"]);
        assert.equal(second.code, 1);
        assert.match(second.stderr, /data/);
        await world.join({ room: newRoom(), peer: "ann" });
        await world.end();
    });

    for (const { name, option } of [{ name: "HTTP", option: "--listen" }, { name: "MQTT", option: "--mqtt-listen" }])
        test(`a ${name} port that is taken is named in one sentence, with the remedy`, async () => {
            const world = await start();
            const taken = option === "--listen" ? world.bridge.http : world.bridge.mqtt;
            const other = option === "--listen" ? "--mqtt-listen" : "--listen";
            const dir = tempDir();
            const second = new Program(process.env.SIGBRIDGE_BIN, ["--dev", "--data", dir, option, taken, other, "127.0.0.1:0"]);
            const { code } = await deadline(second.exited, "its end");
            assert.equal(code, 1);
            assert.match(second.tail(), new RegExp(`${taken.split(":")[1]}.*(in use|taken).*${option}`));
            /* Nothing of it stays behind. */
            const { stdout } = await run("pgrep", ["-f", dir]);
            assert.equal(stdout, "");
            await world.end();
        });

    test("its socket is for the bridge's user only, its port listens where it was told", async () => {
        const world = await start();
        const { stdout } = await run("stat", ["-c", "%a", join(world.bridge.data, "broker")]);
        assert.match(stdout.trim(), /^7[0-5]0$/);
        const [host, port] = world.bridge.mqtt.split(":");
        assert.equal(host, "127.0.0.1");
        const socket = connect(Number(port), host);
        await deadline(new Promise((resolve, reject) => socket.on("connect", resolve).on("error", reject)), "a connection");
        socket.destroy();
        await world.end();
    });
});
