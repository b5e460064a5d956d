/* A device of the C library (the camera) and browsers, with faults between the device and the broker:
 * it comes back by itself, is shown as what it is, and is heard once. The library alone, against
 * brokers that misbehave: tests/unit/test_device_lasting.c. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { endAll, Program, run, startCamera, tempDir, until } from "./harness.mjs";
import { Wire } from "./wire.mjs";
import { assertNoSanitizer, inboxTopic, newRoom, presenceTopic, rosterOf, sees, World } from "./world.mjs";

const NOTICED_MS = 45_000; /* two keepalives of 5 s, the broker's own, and a slow machine */
const world = new World();
before(() => world.start());
after(() => world.end());

/* The camera has nothing to show to whoever wants data alone: it says bye, at once, without media. */
const dataOnly = ["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "t=0 0", "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
    "c=IN IP4 0.0.0.0", "a=ice-ufrag:abcd", "a=ice-pwd:0123456789abcdefghijKL",
    `a=fingerprint:sha-256 ${Array(32).fill("AB").join(":")}`, "a=setup:actpass", "a=mid:0", "a=sctp-port:5000", ""].join("\r\n");

async function call(ann, name) {
    await ann.request({ type: "offer", to: "cam", sdp: dataOnly, call: name });
    return ann.expect((m) => m.type === "bye" && m.call === name);
}

async function ended(camera) {
    if (camera.running)
        await endAll(camera);
    assertNoSanitizer(camera);
}

/* A camera behind a line of its own, a browser that sees it. */
async function scene(t, { args = [], at = world } = {}) {
    const room = newRoom();
    const wire = await new Wire(at.broker.mqtt).open();
    const ann = await at.join({ room, peer: "ann" });
    const camera = startCamera({ mqtt: wire.address, room, name: "cam", args: ["--address", "127.0.0.1", "--keepalive", "5", ...args] });
    t.after(async () => {
        await ended(camera);
        wire.close();
    });
    await sees(ann, "cam");
    await camera.line("ready");
    return { room, wire, ann, camera };
}

test("the cable is out for longer than two keepalives", async (t) => {
    const { wire, ann, camera } = await scene(t);
    assert.equal((await call(ann, "before")).from, "cam");
    wire.blackhole();
    assert.match(await camera.line("broker-away", NOTICED_MS), /the broker has stopped answering/);
    assert.deepEqual((await ann.expect((m) => m.left, NOTICED_MS)).left, [{ peer: "cam", reason: "gone" }]);
    wire.heal();
    const away = /away_ms=(\d+)/.exec(await camera.line("broker-back", NOTICED_MS));
    assert.ok(Number(away[1]) >= 5000, `away for ${away[1]} ms`);
    await until(() => rosterOf(ann).has("cam"), "ann sees it again");
    assert.equal((await call(ann, "after")).from, "cam");
});

/* Two networks and a cable between them: the camera in the one, the broker in the other. What the
 * broker has is heard over a Unix socket, which needs no network. */
const namespaces = (await run("unshare", ["-rn", "ip", "link", "add", "near", "type", "veth", "peer", "name", "far"]).catch(() => ({ code: 1 }))).code === 0;
const twoNetworks = (dir) => `
    unshare -n sleep 600 & there=$!
    trap 'kill $camera $broker $there; wait' EXIT
    until [ "$(readlink /proc/$there/ns/net)" != "$(readlink /proc/$$/ns/net)" ]; do sleep 0.05; done
    ip link add near type veth peer name far netns $there
    ip addr add 10.77.0.1/24 dev near
    nsenter -t $there -n ip addr add 10.77.0.2/24 dev far
    nsenter -t $there -n ip link set far up
    ip link set near up
    nsenter -t $there -n mosquitto -c ${dir}/conf & broker=$!
`;

test("there is no network for a while", { skip: namespaces ? false : "no network namespaces here" }, async (t) => {
    const dir = tempDir("network");
    const room = newRoom();
    writeFileSync(join(dir, "conf"), `listener 1883 10.77.0.2\nlistener 0 ${dir}/sock\nallow_anonymous true\nuser root\n`);
    const shell = new Program("unshare", ["-rn", "--kill-child", "sh"]);
    t.after(async () => {
        shell.write("exit\n"); /* its trap ends the two */
        await shell.exited;
        assertNoSanitizer(shell);
    });
    shell.write(twoNetworks(dir));
    await shell.line(/mosquitto version \S+ running/);
    shell.write(`${process.env.SIGBRIDGE_CAMERA_BIN} --broker mqtt://10.77.0.2 --address 127.0.0.1 --room ${room} --name cam --keepalive 5 & camera=$!\n`);
    await shell.line("ready");
    const ear = new Program("mosquitto_sub", ["--unix", `${dir}/sock`, "-v", "-t", presenceTopic(room, "cam")]);
    t.after(() => ear.kill("SIGKILL"));
    await ear.line('{"bundle":true');
    shell.write("ip link set near down\n");
    await shell.line(/broker-away .*the broker has stopped answering/, NOTICED_MS);
    await shell.line(/broker-away .*Network is unreachable/, NOTICED_MS);
    await ear.line("(null)", NOTICED_MS);
    shell.write("ip link set near up\n");
    await shell.line("broker-back", NOTICED_MS);
    await until(() => ear.logs.at(-1).includes('{"bundle":true'), "it is present again");
    for (const line of shell.logs.filter((l) => l.includes("Network is unreachable")))
        assert.ok(Number(/retry_ms=(\d+)/.exec(line)[1]) <= 5000, line);
});

test("what the device sent and never saw acknowledged is sent again, and the browser gets it once", async (t) => {
    const { room, wire, ann, camera } = await scene(t);
    const ear = await world.mqtt();
    await ear.subscribe(inboxTopic(room, "ann", "cam"));
    let lost = 0;
    wire.edit = { down: (bytes) => (bytes[0] === 0x40 && lost++ < 100 ? null : bytes) };
    assert.equal((await call(ann, "once")).from, "cam");
    await until(() => lost > 0, "the PUBACK was lost");
    wire.edit = null;
    wire.snap();
    await camera.line("broker-back", NOTICED_MS);
    await until(() => rosterOf(ann).has("cam"), "ann sees it again");
    assert.equal((await call(ann, "fence")).from, "cam");
    const copies = ear.mail.all.filter((m) => m.message?.call === "once");
    assert.equal(copies.length, 2, "the broker had it twice");
    assert.equal(copies[0].text, copies[1].text, "byte for byte");
    assert.ok(copies[0].message.sent > 0);
    assert.equal(ann.received.filter((m) => m.type === "bye" && m.call === "once").length, 1);
});

test("a presence that somebody clears comes back while the device is there, and only then", async (t) => {
    const { room, ann, camera } = await scene(t);
    const writer = await world.mqtt();
    await writer.publish(presenceTopic(room, "cam"), "", { retain: true });
    assert.deepEqual((await ann.expect((m) => m.left)).left, [{ peer: "cam", reason: "gone" }]);
    await until(() => rosterOf(ann).has("cam"), "it is there again");
    assert.match(await camera.line("presence-cleared"), /there again/);
    assert.equal((await call(ann, "still")).from, "cam");
    const { code } = await camera.stop();
    assert.equal(code, 0);
    await ann.expect((m) => m.left);
    assert.equal(rosterOf(ann).has("cam"), false);
});

test("another device of the same name is named in the log", async (t) => {
    const { room, camera } = await scene(t);
    await world.device({ room, name: "cam", presence: { kind: "device", meta: { name: "Double" } } });
    assert.match(await camera.line("name-taken"), /another device has our name/);
});

for (const signal of ["SIGTERM", "SIGKILL"])
    test(`the broker restarts after ${signal} and has forgotten everything`, async (t) => {
        const own = new World();
        await own.start({ brokerOptions: { persistence: false } });
        const { ann, camera } = await scene(t, { at: own });
        own.broker.program.kill(signal);
        await own.broker.program.exited;
        await camera.line("broker-away");
        await own.broker.restart();
        await camera.line("broker-back", NOTICED_MS);
        await own.ready();
        await until(() => rosterOf(ann).has("cam"), "ann sees it");
        assert.equal((await call(ann, "again")).from, "cam");
        await ended(camera);
        await own.end();
    });

test("nobody answers for ICE servers, then a bridge comes", async (t) => {
    const own = new World();
    own.broker = await own.addBroker();
    const room = newRoom();
    const camera = startCamera({ mqtt: own.broker.mqtt, room, name: "cam", args: ["--address", "127.0.0.1"] });
    t.after(() => ended(camera));
    await camera.line("ready");
    own.bridge = await own.addBridge({ config: 'ice_servers = ( { urls = "stun:stun.example.org:3478"; } );\n' });
    assert.match(await camera.line("ice-servers", NOTICED_MS), /stun=1/);
    await ended(camera);
    await own.end();
});
