/* broker-config/: every file of it, with the real mosquitto, the real bridge and real devices, set up as
 * its README says. TLS between bridge and broker that goes wrong: broker_tls.test.mjs. */
import assert from "node:assert/strict";
import { chmodSync, chownSync, copyFileSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { deadline, Program, repository, run, tempDir, until, WsPeer } from "./harness.mjs";
import { deviceRights } from "./device_rights.mjs";
import { authority, isRoot, Machine, owner, source, started, stopBridge } from "./machine.mjs";
import { codeBlock, codeBlocks } from "./readme.mjs";
import { allTopic, answerSdp, candidate, inboxTopic, metric, Mqtt, newRoom, presenceTopic, sdp, sees } from "./world.mjs";

const files = ["one-machine.conf", "certificates.conf", "fleet.conf"];
/* In brokers.test.mjs and proxies.test.mjs. */
const elsewhere = ["site.conf", "nginx.conf", "haproxy.cfg", "LARGER-BROKERS.md"];
const hasSocket = (file) => file !== "fleet.conf";
const byCertificate = ["--certificate"];
const refused = (error) => error.code === 0x87;

/* ---- the folder ---- */

test("every file of the folder is used here", () => {
    assert.deepEqual(readdirSync(source).sort(), [...files, ...elsewhere, "README.md", "ca.cnf"].sort());
});

for (const name of [...files, "site.conf"])
    test(`the README explains every setting of ${name}`, () => {
        const readme = readFileSync(join(source, "README.md"), "utf8");
        const settings = readFileSync(join(source, name), "utf8").match(/^[a-z_]+(?= )/gm);
        assert.ok(settings.length > 10);
        const rows = readme.split("## Why each line")[1].split("\n").filter((line) => line.startsWith("| `")).map((line) => line.split("|")[1]);
        for (const setting of new Set(settings))
            assert.ok(rows.some((row) => new RegExp(`\`${setting}[ \`]`).test(row)), setting);
    });

/* All commands in order, with the machine's directories moved and its administration switched off. */
test("the README's commands do what they say", async () => {
    const dir = tempDir("steps");
    const places = [["/etc/tmpfiles.d/", `${dir}/tmpfiles.d/`], ["/etc/mosquitto", `${dir}/mosquitto`]];
    const moved = (text) => places.reduce((changed, [from, to]) => changed.replaceAll(from, to), text);
    for (const made of ["bin", "mosquitto", "mosquitto/conf.d", "mosquitto/certs", "tmpfiles.d"])
        mkdirSync(join(dir, made));
    symlinkSync(source, join(dir, "broker-config"));
    for (const name of ["apt-get", "adduser", "systemctl", "systemd-tmpfiles"])
        writeFileSync(join(dir, "bin", name), "#!/bin/sh\n", { mode: 0o755 });
    symlinkSync(process.env.SIGBRIDGE_BIN, join(dir, "bin/sigbridge"));
    const blocks = codeBlocks("broker-config/README.md", "sh").filter((text) => !text.startsWith("mosquitto_sub"));
    const { code, stdout, stderr } = await run("sh", ["-e", "-c", moved(blocks.join("\n"))], { cwd: dir, env: { PATH: `${dir}/bin:${process.env.PATH}` } });
    assert.equal(code, 0, stderr);
    assert.equal(stdout.match(/^password: [0-9a-f]{32}$/gm).length, 4, "cam1, cam2, eye, and cam2 again");
    assert.match(stdout, /^cam1 +password +yard\ncam2 +password +yard,hall\neye +password +\* \(watches\)$/m);
    assert.match(readFileSync(join(dir, "sigbridge-ca/bridge1-password"), "utf8"), /^[0-9a-f]{32}\n$/);
    assert.equal(readFileSync(join(dir, "tmpfiles.d/sigbridge-broker.conf"), "utf8"), "d /run/sigbridge 2750 mosquitto sigbridge\n");
    const installed = (name) => readFileSync(join(dir, "mosquitto", name), "utf8");
    assert.match(installed("conf.d/sigbridge-site.conf"), /^remote_password [0-9a-f]{32}$/m);
    assert.equal(statSync(join(dir, "mosquitto/conf.d/sigbridge-site.conf")).mode & 0o777, 0o640);
    assert.equal(installed("conf.d/sigbridge.conf"), readFileSync(join(source, "certificates.conf"), "utf8"));
    assert.equal(statSync(join(dir, "mosquitto/certs/sigbridge.key")).mode & 0o777, 0o640);
    assert.deepEqual(installed("sigbridge-devices.acl").match(/^user .*/gm), ["user cam1", "user cam2"]);
    assert.deepEqual(installed("sigbridge-bridges.acl").match(/^user .*/gm), ["user bridge1", "user site1"]);
    const verified = await run("openssl", ["verify", "-CAfile", join(dir, "sigbridge-ca/ca.crt"), "-CRLfile", join(dir, "mosquitto/certs/sigbridge-ca.crl"), "-crl_check",
        join(dir, "sigbridge-ca/door1.crt")]);
    assert.match(verified.stderr + verified.stdout, /certificate revoked/);
});

test("the README's configuration of a bridge is one that it takes", async () => {
    const dir = tempDir("bridge");
    writeFileSync(join(dir, "mqtt-password"), "secret\n", { mode: 0o600 });
    for (const [from, to] of [["ca.crt", "ca.crt"], ["here.crt", "bridge1.crt"], ["here.key", "bridge1.key"]])
        copyFileSync(join(authority.dir, from), join(dir, to));
    writeFileSync(join(dir, "sigbridge.conf"), codeBlock("broker-config/README.md", "conf", "broker = ").replaceAll("/etc/sigbridge", dir));
    const { code, stdout, stderr } = await run(process.env.SIGBRIDGE_BIN, ["-c", join(dir, "sigbridge.conf"), "--data", dir, "--dev", "--check-config"]);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /broker = "mqtts:\/\/broker\.example\.org:8884"/);
});

/* ---- calls through every listener ---- */

/* A call with all its messages, both ways. */
async function call(ann, cam) {
    await ann.request({ type: "offer", to: "cam1", sdp: sdp() });
    assert.equal((await cam.receive("offer", "ann")).sdp, sdp());
    await cam.send("ann", { type: "answer", sdp: answerSdp() });
    assert.equal((await ann.expect("answer")).from, "cam1");
    await ann.request({ type: "candidate", to: "cam1", candidate: candidate() });
    await cam.receive("candidate", "ann");
    await cam.send("ann", { type: "candidate", candidate: null });
    assert.equal((await ann.expect("candidate")).candidate, null);
    await ann.request({ type: "bye", to: "cam1" });
    await cam.receive("bye", "ann");
}

/* What is said to the room and to the bridge, errors, presence, the will. */
async function company(ann, cam) {
    await cam.subscribe(allTopic(cam.room, "+"));
    await ann.request({ type: "message", data: "to all" });
    await cam.expect(allTopic(cam.room, "ann"));
    await cam.broadcast({ type: "message", data: "from cam1 to all" });
    await ann.expect((m) => m.data === "from cam1 to all");
    await cam.send("_bridge", { type: "ice-servers", id: "1" });
    await cam.receive("ice-servers", "_bridge");
    await cam.send("ann", { type: "answer", sdp: answerSdp() });
    assert.equal((await cam.error()).error, "unexpected-answer");
    await cam.present({ kind: "device", meta: { name: "Door" } });
    assert.equal((await ann.expect((m) => m.updated)).updated[0].meta.name, "Door");
    await cam.drop();
    assert.deepEqual((await ann.expect((m) => m.left)).left, [{ peer: "cam1", reason: "gone" }]);
}

/* The same with nothing but mosquitto's programs: one connection for each user at a time. */
async function plainTools(machine, ann, room) {
    const port = machine.port("cam2");
    const secret = machine.secrets.cam2;
    const options = [...secret ? ["-u", "cam2", "-P", secret] : ["--cert", authority.path("cam2", "crt"), "--key", authority.path("cam2", "key")],
        ...port === 1883 ? [] : ["--cafile", authority.crt], "-h", "127.0.0.1", "-p", `${machine.ports[port]}`, "-q", "1"];
    const publish = async (...args) => {
        const { code, stderr } = await run("mosquitto_pub", [...options, ...args]);
        assert.equal(code, 0, stderr);
    };
    await publish("-r", "-t", presenceTopic(room, "cam2"), "-m", '{"kind":"device"}');
    await ann.expect((m) => m.joined?.[0].peer === "cam2");
    await publish("-t", inboxTopic(room, "ann", "cam2"), "-m", '{"type":"message","data":"it rang"}');
    assert.deepEqual((await ann.expect("message")).from, "cam2");
    const inbox = new Program("mosquitto_sub", [...options, "-i", "cam2", "-C", "1", "-v", "-t", inboxTopic(room, "cam2", "+")]);
    started.push(inbox);
    await machine.broker.line("Sending SUBACK to cam2");
    await ann.request({ type: "offer", to: "cam2", sdp: sdp() });
    await inbox.line((line) => line.startsWith(`${inboxTopic(room, "cam2", "ann")} {"type":"offer"`));
    await inbox.exited;
    await publish("-r", "-n", "-t", presenceTopic(room, "cam2"));
    await ann.expect((m) => m.left?.[0].peer === "cam2");
}

/* Of each connection by socket, and of a TLS connection that breaks, as one does here. */
const harmless = [/Unable to set TCP_NODELAY/, /unexpected eof while reading/];
const complaints = (broker) => broker.logs.filter((line) => /\b(Warning|Error)\b/.test(line) && !harmless.some((known) => known.test(line)));

const ways = [
    { file: "one-machine.conf", login: [] },
    { file: "certificates.conf", login: byCertificate },
    { file: "fleet.conf", login: [] },
    { file: "fleet.conf", login: byCertificate },
];
for (const { file, login } of ways)
    test(`${file}: a call with a device that has a ${login.length ? "certificate" : "password"}`, async () => {
        const machine = await Machine.install(file);
        const room = newRoom();
        for (const name of ["cam1", "cam2"])
            await machine.add(name, "--room", room, ...login);
        await machine.start();
        const bridge = await machine.bridge();
        const cam = await machine.come(room, "cam1");
        const ann = await WsPeer.join(bridge.wsUrl, { room, peer: "ann" });
        await sees(ann, "cam1");
        await call(ann, cam);
        await company(ann, cam);
        await plainTools(machine, ann, room);
        const denied = machine.broker.logs.filter((line) => line.includes("Denied"));
        await machine.stop();
        assert.deepEqual(denied, [], "nothing that anybody needs is denied");
        assert.deepEqual(complaints(machine.broker), []);
    });

/* ---- what a device may not do ---- */

for (const { file, login } of ways)
    for (const version of login.length ? [5] : [4, 5])
        deviceRights(`${file}, ${login.length ? "certificates" : "passwords"}`, async (rooms) => {
            const machine = await Machine.install(file);
            for (const [name, room] of Object.entries({ cam1: rooms.own, cam2: rooms.own, cam3: rooms.other, spare: rooms.own }))
                await machine.add(name, "--room", room, ...login);
            await machine.start();
            return {
                bridge: await machine.bridge(), address: machine.address(machine.port("cam1")),
                login: (name) => machine.login(name), namedByCertificate: login.length > 0, end: () => machine.stop(),
            };
        }, { version });

/* ---- who is not let in ---- */

describe("fleet.conf lets in", () => {
    const room = newRoom();
    let machine, bridge;
    before(async () => {
        machine = await Machine.install("fleet.conf");
        await machine.add("cam1", "--room", room);
        await machine.add("pin1", "--room", room, "--certificate");
        await machine.start();
        bridge = await machine.bridge();
    });
    after(() => machine.stop());

    const at = (port, options) => Mqtt.connect(machine.address(port), { protocol: "mqtts", ca: [readFileSync(authority.crt)], ...options });
    const pair = (name) => ({ cert: readFileSync(authority.path(name, "crt")), key: readFileSync(authority.path(name, "key")) });
    const password = (name) => ({ username: name, password: machine.secrets[name] });
    const rows = [
        { name: "a device with its password", port: 8883, options: () => password("cam1"), in: true },
        { name: "no device without password", port: 8883, options: () => ({}) },
        { name: "no device with a wrong one", port: 8883, options: () => ({ username: "cam1", password: "guess" }) },
        { name: "no device by certificate where passwords are wanted", port: 8883, options: () => pair("pin1") },
        { name: "no bridge at the devices' listener", port: 8883, options: () => password("bridge1") },
        { name: "a device with its certificate", port: 8885, options: () => pair("pin1"), in: true },
        { name: "no device by password where certificates are wanted", port: 8885, options: () => password("cam1") },
        { name: "no device with the broker's own certificate", port: 8885, options: () => pair("here") },
        { name: "no device at the bridges' listener with its certificate alone", port: 8884, options: () => pair("pin1") },
        { name: "no device at the bridges' listener with certificate and password", port: 8884, options: () => ({ ...pair("pin1"), ...password("cam1") }) },
        { name: "no bridge without its certificate", port: 8884, options: () => password("bridge1") },
        { name: "no bridge without its password", port: 8884, options: () => ({ ...pair("bridge1"), username: "bridge1" }) },
        { name: "a bridge with both", port: 8884, options: () => ({ ...pair("bridge1"), ...password("bridge1") }), in: true },
    ];
    for (const { name, port, options, in: welcome = false } of rows)
        test(name, async () => {
            const attempt = at(port, options());
            if (welcome)
                await (await attempt).end();
            else
                await assert.rejects(attempt, /closed the connection/);
        });

    test("a bridge's certificate at the devices' listener, which gives no rights there", async () => {
        const client = await at(8885, pair("bridge1"));
        await assert.rejects(client.publish(presenceTopic(room, "bridge1"), "{}"), refused);
        await client.end();
    });

    test("two bridges, and one of them is put out alone", async () => {
        const other = await machine.bridge({ user: "bridge2" });
        const ann = await WsPeer.join(bridge.wsUrl, { room, peer: "ann" });
        const bob = await WsPeer.join(other.wsUrl, { room, peer: "bob" });
        await sees(ann, "bob");
        await ann.request({ type: "message", to: "bob", data: 1 });
        await bob.expect("message");
        const { code } = await machine.command("remove", "bridge2", "--bridge");
        assert.equal(code, 0);
        await other.line("broker-lost");
        await other.line(/broker-refused why="Not authorized"/);
        assert.equal(await metric(bridge, "sigbridge_broker_connects_total"), 1);
        assert.deepEqual((await machine.command("list", "--bridge", "--json")).stdout, '{"bridge":"bridge1","password":true}\n');
        await ann.close();
        bob.socket.terminate();
        await stopBridge(other);
    });

    test("a bridge of the name _bridge, too, and nobody else with a leading _", async () => {
        await machine.add("_bridge", "--bridge");
        const { code } = await machine.command("add", "_other", "--bridge");
        assert.equal(code, 2);
        await machine.command("remove", "_bridge", "--bridge");
    });
});

/* ---- what one client may be owed ---- */

describe("one-machine.conf: what waits", () => {
    const COUNT = 1500; /* mosquitto's default drops what is beyond 1000 and what is in flight */
    const room = newRoom();
    let machine, watcher;
    before(async () => {
        machine = await Machine.install("one-machine.conf");
        for (const name of ["cam1", "cam2"])
            await machine.add(name, "--room", room);
        await machine.start();
        watcher = await Mqtt.connect("localhost", { protocol: "mqtt+unix", path: machine.socket });
    });
    after(() => machine?.stop());

    test("a flood of retained presence reaches a client that takes few at a time, and the bridge", async () => {
        await Promise.all(Array.from({ length: COUNT }, (_, i) =>
            watcher.publish(presenceTopic(`flood-${i % 10}`, `cam${i}`), '{"kind":"device"}', { retain: true })));
        const { code, stdout } = await run("mosquitto_sub", ["--unix", machine.socket, "-V", "mqttv311", "-q", "1", "-t",
            "sigbridge/v1/rooms/+/peers/+/presence", "-C", `${COUNT}`, "-W", "10", "-F", "%t"]);
        assert.equal(stdout.split("\n").length - 1, COUNT);
        assert.equal(code, 0);
        const bridge = await machine.bridge();
        assert.equal(await metric(bridge, "sigbridge_peers"), COUNT);
        await stopBridge(bridge);
    });

    test("a sleeping device gets on waking what came meanwhile, also over a restart", async () => {
        const options = { clean: false, version: 4, will: false, presence: null, clientId: "cam1" };
        await (await machine.come(room, "cam1", options)).end();
        const cam2 = await machine.come(room, "cam2");
        await Promise.all(Array.from({ length: COUNT }, (_, i) => cam2.send("cam1", { type: "message", data: i })));
        await cam2.end();
        await machine.broker.stop();
        await machine.start();
        const again = await machine.come(room, "cam1", options);
        for (let i = 0; i < COUNT; i++)
            assert.equal((await again.receive("message", "cam2")).data, i);
        await again.end();
    });

    test("nothing was dropped", () => {
        assert.deepEqual(machine.broker.logs.filter((line) => /dropped/.test(line)), []);
    });

    test("a message of a browser's largest size passes", async () => {
        const bridge = await machine.bridge();
        const cam1 = await machine.come(room, "cam1");
        const ann = await WsPeer.join(bridge.wsUrl, { room, peer: "ann" });
        const big = sdp().replace("a=mid:0\r\n", `a=mid:0\r\n${`a=x-fill:${"x".repeat(4000)}\r\n`.repeat(48)}`);
        await ann.request({ type: "offer", to: "cam1", sdp: big });
        assert.equal((await cam1.receive("offer")).sdp, big);
        assert.equal(cam1.connack.properties.maximumPacketSize, 524288);
        assert.equal(cam1.connack.properties.receiveMaximum, 100);
        await cam1.end();
        await stopBridge(bridge);
    });
});

/* ---- a bridge's rights: every one is needed ---- */

describe("the rights of a bridge", () => {
    const joined = newRoom();
    let machine, room, bridge, cam, ann, full;

    before(async () => {
        machine = await Machine.install("fleet.conf");
        await machine.add("cam1", "--room", "*");
        await machine.add("bridge1", "--bridge");
        full = readFileSync(machine.path("bridges", "acl"), "utf8");
        await machine.start();
    });
    after(() => machine?.stop());

    async function setUp() {
        room = newRoom();
        bridge = await machine.bridge();
        cam = await machine.come(room, "cam1");
    }
    const joinAnn = async () => ann = await WsPeer.join(bridge.wsUrl, { room, peer: "ann" });
    /* What was sent before it has been lost when this comes. */
    const lost = async (data, fence) => {
        await fence();
        assert.ok(!ann.received.some((m) => m.data === data));
    };
    const forbidden = { error: "forbidden" };

    const rights = [
        { without: "write", on: "/presence", then: async () => {
            await assert.rejects(joinAnn(), forbidden);
        } },
        { without: "read", on: "/presence", then: async () => {
            assert.equal(await metric(bridge, "sigbridge_ready"), 1);
            assert.equal(await metric(bridge, "sigbridge_peers"), 0, "the device is not seen");
        } },
        { without: "write", on: "/peers/+/in/+", then: async () => {
            await joinAnn();
            await assert.rejects(ann.request({ type: "offer", to: "cam1", sdp: sdp() }), forbidden);
            await cam.send("ann", { type: "answer", sdp: answerSdp() });
            await bridge.line(/publish-failed topic=\S+\/in\/_bridge error=forbidden/);
        } },
        { without: "read", on: "/peers/+/in/+", then: async () => {
            await joinAnn();
            await cam.send("ann", { type: "message", data: "to ann" });
            await lost("to ann", async () => {
                await cam.broadcast({ type: "message", data: "to all" });
                await ann.expect((m) => m.data === "to all");
            });
        } },
        { without: "write", on: "/all/+", then: async () => {
            await joinAnn();
            await assert.rejects(ann.request({ type: "message", data: 1 }), forbidden);
        } },
        { without: "read", on: "/all/+", then: async () => {
            await joinAnn();
            await cam.broadcast({ type: "message", data: "to all" });
            await lost("to all", async () => {
                await cam.send("ann", { type: "message", data: "to ann" });
                await ann.expect((m) => m.data === "to ann");
            });
        } },
        { without: "write", on: "/status", then: async () => {
            await bridge.line(/publish-failed topic=\S+\/status error=forbidden/);
        } },
        { without: "read", on: "/status", then: async () => {
            await joinAnn();
            const other = await joinElsewhere();
            await ann.expect(bobGone, 45_000); /* a bridge without a status is taken for dead, after some grace */
            assert.ok(other.running);
            await stopBridge(other);
        } },
        { without: "write", on: "/bridges/+/in/+", starts: false, then: async (program) => {
            await program.line(/publish-failed topic=\S+\/in\/\S+ error=forbidden/);
        } },
        { without: "read", on: "/bridges/+/in/+", starts: false, then: async (program) => {
            await program.line(/roster-late topic=\S+\/in\/\S+ remedy=/);
        } },
    ];

    /* Another bridge with the same user, with bob. */
    async function joinElsewhere() {
        const other = await machine.bridge();
        await WsPeer.join(other.wsUrl, { room, peer: "bob" });
        await ann.expect((m) => m.joined?.some((p) => p.peer === "bob"));
        return other;
    }
    const bobGone = (m) => m.left?.some((p) => p.peer === "bob" && p.reason === "bridge-gone");
    const rightOn = (on) => new RegExp(`^topic readwrite (\\S+${on.replaceAll("+", "\\+")})$`, "m");
    const put = async (text) => {
        writeFileSync(machine.path("bridges", "acl"), text);
        await machine.reload();
    };

    test("are complete, also for two of them with one user", async () => {
        await setUp();
        await joinAnn();
        await call(ann, cam);
        const other = await joinElsewhere();
        await ann.request({ type: "message", to: "bob", data: "over two bridges with one user" });
        assert.equal(await metric(bridge, "sigbridge_broker_connects_total"), 1, "they do not throw each other out");
        other.kill("SIGKILL");
        await ann.expect(bobGone);
        await stopBridge(bridge);
    });

    for (const { without, on, starts = true, then } of rights)
        test(`contain the right to ${without} ${on}, which is needed`, async () => {
            assert.match(full, rightOn(on));
            await put(full.replace(rightOn(on), `topic ${without === "read" ? "write" : "read"} $1`));
            if (starts) {
                await setUp();
                await then();
                cam.client.end(true);
                await stopBridge(bridge);
                return;
            }
            const { program, readyz } = await machine.unready();
            await until(async () => /^roster: .*bridges\/\+\/in\/\+/.test(await readyz()), "/readyz names the right");
            await then(program);
            await stopBridge(program);
        });

    test("have a row above for every one", () => {
        const given = full.match(/^topic .*/gm);
        assert.equal(given.length * 2, rights.length);
        assert.ok(given.every((line) => line.startsWith("topic readwrite sigbridge/v1/")));
    });

    test("contain nothing outside of the prefix", async () => {
        await put(full);
        const own = (end) => readFileSync(authority.path("bridge1", end));
        const client = await Mqtt.connect(machine.address(8884), { protocol: "mqtts", ca: [readFileSync(authority.crt)], cert: own("crt"), key: own("key"),
            username: "bridge1", password: machine.secrets.bridge1 });
        await assert.rejects(client.publish("zigbee2mqtt/light/set", "on"), refused);
        await client.publish(presenceTopic(joined, "x"), "", { retain: true });
        await client.end();
    });
});

/* ---- the socket ---- */

for (const file of files.filter(hasSocket))
    test(`${file}: the socket is for the owner and the group of its directory`, async () => {
        const machine = await Machine.install(file);
        const group = isRoot ? Number((await run("id", ["-g", "nobody"])).stdout) : process.getgid();
        chownSync(machine.run, owner.uid, group);
        chmodSync(machine.run, 0o2750);
        await machine.start();
        const socket = statSync(machine.socket);
        assert.equal(socket.mode & 0o777, 0o770);
        assert.equal(socket.gid, group);
        if (isRoot) {
            const publishAs = (...ids) => run("setpriv", [...ids, "--clear-groups", "mosquitto_pub", "--unix", machine.socket, "-t", "x", "-m", "y"]);
            assert.equal((await publishAs("--reuid=nobody", `--regid=${group}`)).code, 0);
            assert.notEqual((await publishAs("--reuid=nobody", "--regid=daemon")).code, 0);
        }
        await machine.stop();
    });

/* ---- reloading and restarting ---- */

describe("fleet.conf at work", () => {
    const room = newRoom();
    let machine, bridge, cam1, ann;
    before(async () => {
        machine = await Machine.install("fleet.conf");
        await machine.add("cam1", "--room", room);
        await machine.start();
        bridge = await machine.bridge();
        cam1 = await machine.come(room, "cam1");
        ann = await WsPeer.join(bridge.wsUrl, { room, peer: "ann" });
        await sees(ann, "cam1");
    });
    after(() => machine?.stop());

    test("a device that is added can log in at once, and nobody is cut off", async () => {
        await machine.add("cam2", "--room", room);
        const cam2 = await machine.come(room, "cam2");
        await sees(ann, "cam2");
        await cam2.end();
        await call(ann, cam1);
        assert.equal(await metric(bridge, "sigbridge_broker_connects_total"), 1);
    });

    test("a device with a new password is cut off with the old one, and only that one", async () => {
        const cam2 = await machine.come(room, "cam2");
        const old = machine.login("cam2");
        assert.notEqual(await machine.rotate("cam2"), old.password);
        await deadline(cam2.closed, "the device is cut off");
        await assert.rejects(machine.come(room, "cam2", old), /closed the connection/);
        await (await machine.come(room, "cam2")).end();
        await call(ann, cam1);
    });

    test("a renewed certificate of the broker is used from the next connection on", async () => {
        await authority.broker("renewed", "IP:127.0.0.1");
        machine.putCertificate(authority.path("renewed", ""));
        await machine.reload();
        const client = await machine.connect("cam2");
        assert.equal(client.client.stream.getPeerCertificate().subject.CN, "renewed");
        await client.end();
        await call(ann, cam1);
    });

    test("a certificate that is revoked is refused from the next connection on; removing the device silences it now", async () => {
        await machine.add("pin2", "--room", room, "--certificate");
        const pin2 = await machine.come(room, "pin2");
        await authority.revoke("pin2");
        machine.putCrl();
        await machine.reload();
        await assert.rejects(machine.connect("pin2"), /closed the connection/);
        await pin2.send("ann", { type: "message", data: "still here" }); /* a limit of mosquitto: README */
        await ann.expect((m) => m.data === "still here");
        await machine.command("remove", "pin2");
        await assert.rejects(pin2.send("ann", { type: "message", data: "not any more" }), refused);
        await call(ann, cam1);
        pin2.client.end(true);
    });

    test("after a restart everyone is back, with what was retained", async () => {
        await machine.broker.stop();
        await machine.start();
        await bridge.line((line) => line.includes("broker-connected") && bridge.logs.filter((l) => l.includes("broker-connected")).length === 2);
        await until(async () => await metric(bridge, "sigbridge_ready") === 1, "the bridge is ready again");
        cam1 = await machine.come(room, "cam1");
        await sees(ann, "cam1");
        await until(async () => {
            await ann.request({ type: "message", to: "cam1", data: 1 });
            return cam1.mail.has((m) => m.message?.data === 1);
        }, "they talk again");
    });
});

/* ---- what mosquitto 2.0.11 cannot prevent: the README's words, tried ---- */

describe("a limit that the README tells", () => {
    const room = newRoom();
    let machine, watcher, cam1;
    before(async () => {
        machine = await Machine.install("one-machine.conf");
        for (const name of ["cam1", "cam2", "sleeper"])
            await machine.add(name, "--room", room);
        await machine.start();
        cam1 = await machine.come(room, "cam1");
        watcher = await Mqtt.connect("localhost", { protocol: "mqtt+unix", path: machine.socket });
    });
    after(() => machine?.stop());

    test("a device takes part in a shared subscription that it may not read, and messages are lost", async () => {
        const filter = "$share/workers/zigbee2mqtt/#";
        await watcher.subscribe(filter);
        await cam1.subscribe(filter);
        const known = watcher.mail.all.length;
        for (let i = 0; i < 10; i++)
            await watcher.publish(`zigbee2mqtt/${i}`, "on");
        await watcher.subscribe("fence");
        await watcher.publish("fence", "{}");
        await watcher.expect("fence");
        assert.ok(watcher.mail.all.length - 1 - known < 10, "some are lost");
        assert.ok(!cam1.mail.all.some((m) => m.topic.startsWith("zigbee2mqtt")), "and not read");
        await cam1.client.unsubscribeAsync(filter);
        await watcher.client.unsubscribeAsync(filter);
    });

    test("a retained message in an inbox comes again with each subscription, with the retain flag", async () => {
        const cam2 = await machine.come(room, "cam2");
        await cam1.send("cam2", { type: "message", data: "left" }, { retain: true });
        assert.equal((await cam2.expect(inboxTopic(room, "cam2", "cam1"))).retain, false);
        for (let i = 0; i < 2; i++) {
            await cam2.subscribe(inboxTopic(room, "cam2", "+"));
            assert.equal((await cam2.expect(inboxTopic(room, "cam2", "cam1"))).retain, true);
        }
        await cam1.send("cam2", "", { retain: true });
        await cam2.end();
    });

    test("a device may leave a retained message for every name it can think of", async () => {
        await Promise.all(Array.from({ length: 500 }, (_, i) => cam1.send(`nobody-${i}`, { type: "message", data: i }, { retain: true })));
        await watcher.subscribe(inboxTopic(room, "+", "cam1"));
        await until(() => new Set(watcher.mail.all.filter((m) => m.retain).map((m) => m.topic)).size >= 500, "all are kept");
    });

    test("a device that is cut off has no last will: its presence stays", async () => {
        const cam2 = await machine.come(room, "cam2");
        await machine.rotate("cam2");
        await deadline(cam2.closed, "it is cut off");
        const late = await Mqtt.connect("localhost", { protocol: "mqtt+unix", path: machine.socket });
        await late.subscribe(presenceTopic(room, "cam2"));
        await late.expect(presenceTopic(room, "cam2"), (m) => m.retain && m.message.kind === "device");
        /* The README's remedy. */
        const { code } = await run("mosquitto_pub", ["--unix", machine.socket, "-r", "-n", "-t", presenceTopic(room, "cam2")]);
        assert.equal(code, 0);
        await late.expect(presenceTopic(room, "cam2"), (m) => m.text === "");
        await late.end();
    });

    test("a reload after a restart makes a sleeping device deaf; a restart gives it its rights back", async () => {
        const options = { clean: false, version: 4, will: false, presence: null, clientId: "sleeper" };
        const sends = async (data) => {
            const cam2 = await machine.come(room, "cam2");
            await cam2.send("sleeper", { type: "message", data });
            await cam2.end();
        };
        await (await machine.come(room, "sleeper", options)).end();
        await machine.reload();
        await sends("after a reload");
        await machine.broker.stop();
        await machine.start();
        await sends("after a restart");
        await machine.reload();
        await sends("after both");
        await machine.broker.stop();
        await machine.start();
        await sends("after another restart");
        const woken = await machine.come(room, "sleeper", options);
        const got = [];
        for (let i = 0; i < 3; i++)
            got.push((await woken.receive("message", "cam2")).data);
        assert.deepEqual(got, ["after a reload", "after a restart", "after another restart"]);
        await woken.end();
    });
});
