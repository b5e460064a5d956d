/* broker-config/: every file of it, with the real mosquitto and the real bridge.
 *
 * The files are installed as the README says, below a directory of the test's own: paths and ports are
 * replaced, listeners that are switched off can be switched on, and nothing else is changed. */
import assert from "node:assert/strict";
import { chmodSync, chownSync, copyFileSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { deadline, freePort, Program, repository, run, startBridge, tempDir, until, WsPeer } from "./harness.mjs";
import { codeBlock } from "./readme.mjs";
import { allTopic, answerSdp, assertNoSanitizer, candidate, Device, get, inboxTopic, metric, Mqtt, newRoom, presenceTopic, sdp, statusTopic } from "./world.mjs";

const source = join(repository, "broker-config");
const isRoot = process.getuid() === 0;
const idOf = async (flag, user) => Number((await run("id", [flag, user])).stdout);
/* What mosquitto becomes when root starts it. */
const owner = isRoot ? { uid: await idOf("-u", "mosquitto"), gid: await idOf("-g", "mosquitto") }
    : { uid: process.getuid(), gid: process.getgid() };

/* ---- certificates ---- */

const pki = tempDir("pki");

async function openssl(...args) {
    const { code, stderr } = await run("openssl", args, { cwd: pki });
    assert.equal(code, 0, stderr);
}

const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];

async function makeCa(name) {
    await openssl("req", "-x509", ...newKey, "-days", "2", "-subj", `/CN=${name}`, "-keyout", `${name}.key`, "-out", `${name}.crt`);
    return join(pki, `${name}.crt`);
}

async function makeServerCert(name, names) {
    writeFileSync(join(pki, `${name}.ext`), `subjectAltName=${names}\n`);
    await openssl("req", ...newKey, "-subj", "/CN=broker", "-keyout", `${name}.key`, "-out", `${name}.csr`);
    await openssl("x509", "-req", "-in", `${name}.csr`, "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
        "-extfile", `${name}.ext`, "-out", `${name}.crt`);
}

const ca = await makeCa("ca");
const otherCa = await makeCa("other-ca");
await makeServerCert("here", "IP:127.0.0.1,DNS:localhost");
await makeServerCert("elsewhere", "DNS:broker.example.org");

/* ---- an operator's machine ---- */

const started = [];
after(async () => {
    for (const program of started.reverse())
        if (program.running)
            await program.stop();
});

/* The replacements are the only difference between what is tested and what is in the folder. */
class Machine {
    /* `everything`: all listeners are switched on. `edit` changes a file's text last. */
    static async install(name, { everything = false, certificate = "here", edit = (file, text) => text } = {}) {
        const machine = new Machine();
        machine.dir = tempDir("machine");
        machine.etc = join(machine.dir, "etc");
        machine.run = join(machine.dir, "run");
        machine.ports = {};
        machine.edit = edit;
        for (const dir of ["etc", "etc/conf.d", "etc/certs", "run", "db"])
            mkdirSync(join(machine.dir, dir));
        for (const dir of ["run", "db"])
            chownSync(join(machine.dir, dir), owner.uid, owner.gid);
        await machine.#addMain();
        await machine.#addConfig(name, everything);
        machine.putAcl("devices");
        machine.putAcl("bridges");
        for (const end of ["crt", "key"]) {
            const file = join(machine.etc, `certs/sigbridge.${end}`);
            copyFileSync(join(pki, `${certificate}.${end}`), file);
            chownSync(file, owner.uid, owner.gid);
        }
        return machine;
    }

    /* As Debian's package has it, but for the log, which the tests read. */
    async #addMain() {
        this.pidFile = join(this.run, "mosquitto.pid");
        this.main = join(this.etc, "mosquitto.conf");
        writeFileSync(this.main, [`pid_file ${this.pidFile}`, "persistence true", `persistence_location ${this.dir}/db/`,
            "log_dest stderr", "log_type all", `include_dir ${this.etc}/conf.d`, ""].join("\n"));
    }

    async #addConfig(name, everything) {
        let text = readFileSync(join(source, name), "utf8");
        if (everything)
            text = text.replace(/^#(?=\S)/gm, "");
        for (const [, port] of text.matchAll(/^listener (\d+)/gm))
            if (port !== "0")
                this.ports[port] = await freePort();
        text = text.replace(/^listener ([1-9]\d*).*$/gm, (line, port) => `listener ${this.ports[port]} 127.0.0.1`)
            .replaceAll("/etc/mosquitto/", `${this.etc}/`).replaceAll("/run/sigbridge/", `${this.run}/`);
        writeFileSync(join(this.etc, "conf.d/sigbridge.conf"), this.edit(name, text));
        this.socket = join(this.run, "mqtt.sock");
    }

    putAcl(kind, change = (text) => text) {
        const text = this.edit(`${kind}.acl`, readFileSync(join(source, `${kind}.acl`), "utf8"));
        writeFileSync(join(this.etc, `sigbridge-${kind}.acl`), change(text));
    }

    address(port) {
        return `127.0.0.1:${this.ports[port]}`;
    }

    passwords(kind) {
        return join(this.etc, `sigbridge-${kind}.passwd`);
    }

    /* The script, and, when mosquitto runs, that it has read the file again. */
    async addUser(name, ...options) {
        const before = this.broker?.running ? this.reloads() : undefined;
        const kind = name === "_bridge" ? "bridges" : "devices";
        const result = await run(join(source, "add-device"), ["-f", this.passwords(kind), "-p", this.pidFile, ...options, name]);
        assert.equal(result.code, 0, result.stderr);
        if (before !== undefined)
            await until(() => this.reloads() > before, "mosquitto reads its files again");
        return result.stdout.trim();
    }

    reloads() {
        return this.broker.logs.filter((line) => line.includes("Reloading config")).length;
    }

    async reload() {
        const before = this.reloads();
        this.broker.kill("SIGHUP");
        await until(() => this.reloads() > before, "mosquitto reads its files again");
    }

    /* `users`: to be added first; their secrets are in `secrets`. */
    async start(users = []) {
        this.secrets ??= {};
        for (const name of users)
            this.secrets[name] = await this.addUser(name);
        this.broker = new Program("mosquitto", ["-c", this.main]);
        started.push(this.broker);
        await this.broker.line(/mosquitto version \S+ running/);
        return this;
    }

    async stop() {
        for (const bridge of this.bridges ?? [])
            if (bridge.running)
                await stopBridge(bridge);
        await this.broker.stop();
    }

    /* A bridge that reaches the broker by one of bridgeWays. */
    async bridge(way, options = {}) {
        const bridge = await startBridge({ args: ["--log-level", "debug"], ...this.bridgeOptions(way), ...options });
        started.push(bridge);
        (this.bridges ??= []).push(bridge);
        return bridge;
    }

    bridgeOptions({ broker, login, authority }, { secret = this.secrets._bridge, user = "_bridge" } = {}) {
        const lines = [];
        if (login) {
            const file = join(this.dir, "bridge-password");
            writeFileSync(file, `${secret}\n`);
            lines.push(`username = "${user}"; password_file = "${file}";`);
        }
        if (authority)
            lines.push(`ca = "${authority}";`);
        return { broker: broker(this), config: lines.length ? `mqtt: { ${lines.join(" ")} };` : undefined };
    }

    /* A device that logs in. `port` is the listener's, as the file has it. */
    login(name, { port = 1883, version = 5 } = {}) {
        const login = name in this.secrets ? { username: name, password: this.secrets[name] } : {};
        const tls = port === 8883 ? { protocol: "mqtts", ca: [readFileSync(ca)] } : {};
        return { ...login, ...tls, version };
    }

    async device(room, name, { port = 1883, ...options } = {}) {
        return Device.start(this.address(port), { room, name, ...this.login(name, { port }), ...options });
    }

    /* Sees everything, through the bridge's socket. */
    async watcher(filter = "#") {
        const client = await Mqtt.connect("localhost", { protocol: "mqtt+unix", path: this.socket });
        await client.subscribe(filter);
        return client;
    }
}

async function stopBridge(bridge) {
    const { code } = await bridge.stop();
    assertNoSanitizer(bridge);
    assert.equal(code, 0, bridge.tail());
}

const bridgeWays = {
    socket: { broker: (m) => `unix:${m.socket}` },
    device: { broker: (m) => `mqtt://${m.address(1883)}` },
    tcp: { broker: (m) => `mqtt://${m.address(1884)}`, login: true },
    tls: { broker: (m) => `mqtts://${m.address(8884)}`, login: true, authority: ca },
};

/* ---- the folder ---- */

test("every file of the folder is used here", () => {
    assert.deepEqual(readdirSync(source).sort(), ["README.md", "add-device", "bridges.acl", "devices.acl", "one-machine.conf", "secured.conf"]);
    assert.equal(statSync(join(source, "add-device")).mode & 0o111, 0o111, "add-device can be started");
});

/* Each setting has a reason in the README. */
for (const name of ["one-machine.conf", "secured.conf"])
    test(`the README explains every setting of ${name}`, () => {
        const readme = readFileSync(join(source, "README.md"), "utf8");
        const settings = readFileSync(join(source, name), "utf8").match(/^#?[a-z_]+(?= )/gm).map((line) => line.replace("#", ""));
        assert.ok(settings.length > 5);
        const rows = readme.split("## Why each line")[1].split("\n").filter((line) => line.startsWith("| `")).map((line) => line.split("|")[1]);
        for (const setting of new Set(settings))
            assert.ok(rows.some((row) => new RegExp(`\`${setting}[ \`]`).test(row)), setting);
    });

/* The commands, with the machine's directories moved and its administration switched off: they lead to
 * what Machine.install() makes. */
test("the README's commands put everything in its place", async () => {
    const dir = tempDir("steps");
    const places = [["/etc/tmpfiles.d/", `${dir}/tmpfiles.d/`], ["/etc/mosquitto/", `${dir}/mosquitto/`], ["/run/mosquitto/", `${dir}/`]];
    const moved = (text) => places.reduce((changed, [from, to]) => changed.replaceAll(from, to), text);
    for (const made of ["bin", "broker-config", "mosquitto", "mosquitto/conf.d", "mosquitto/certs", "tmpfiles.d"])
        mkdirSync(join(dir, made));
    for (const name of ["apt-get", "adduser", "systemctl", "systemd-tmpfiles"])
        writeFileSync(join(dir, "bin", name), "#!/bin/sh\n", { mode: 0o755 });
    for (const name of readdirSync(source))
        copyFileSync(join(source, name), join(dir, "broker-config", name));
    writeFileSync(join(dir, "broker-config/add-device"), moved(readFileSync(join(source, "add-device"), "utf8")));
    const steps = ["apt-get install", "secured.conf", "add-device cam2", "add-device _bridge"]
        .map((part) => codeBlock("broker-config/README.md", "sh", part));
    const { code, stdout, stderr } = await run("sh", ["-e", "-c", moved(steps.join("\n"))], { cwd: dir, env: { PATH: `${dir}/bin:${process.env.PATH}` } });
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^[0-9a-f]{32}\n[0-9a-f]{32}\n$/);
    assert.equal(readFileSync(join(dir, "tmpfiles.d/sigbridge-broker.conf"), "utf8"), "d /run/sigbridge 2750 mosquitto sigbridge\n");
    assert.match(readFileSync(join(dir, "mqtt-password"), "utf8"), /^[0-9a-f]{32}\n$/);
    assert.equal(statSync(join(dir, "mqtt-password")).mode & 0o777, 0o600);
    const installed = (name) => readFileSync(join(dir, "mosquitto", name), "utf8");
    for (const [name, from] of [["conf.d/sigbridge.conf", "secured.conf"], ["sigbridge-devices.acl", "devices.acl"], ["sigbridge-bridges.acl", "bridges.acl"]])
        assert.equal(installed(name), readFileSync(join(source, from), "utf8"), name);
    const users = (name) => installed(name).trimEnd().split("\n").map((line) => line.split(":")[0]);
    assert.deepEqual(users("sigbridge-devices.passwd"), ["cam1", "cam2"]);
    assert.deepEqual(users("sigbridge-bridges.passwd"), ["_bridge"]);
});

test("the README's configuration of a bridge is one that it takes", async () => {
    const dir = tempDir("bridge");
    writeFileSync(join(dir, "mqtt-password"), "secret\n");
    const text = codeBlock("broker-config/README.md", "conf", "broker = ").replaceAll("/etc/sigbridge/broker-ca.pem", ca).replaceAll("/etc/sigbridge", dir);
    writeFileSync(join(dir, "sigbridge.conf"), text);
    const { code, stdout, stderr } = await run(process.env.SIGBRIDGE_BIN, ["-c", join(dir, "sigbridge.conf"), "--data", dir, "--dev", "--check-config"]);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /broker = "mqtts:\/\/broker\.example\.org:8884"/);
});

/* ---- calls through every listener ---- */

const ways = [
    { name: "one-machine.conf: bridge by socket, device by TCP", file: "one-machine.conf", bridge: "socket" },
    { name: "one-machine.conf: bridge and device by TCP", file: "one-machine.conf", bridge: "device" },
    { name: "secured.conf as it is: bridge by socket, device with password", file: "secured.conf", bridge: "socket", users: ["cam1", "cam2"] },
    { name: "secured.conf, all listeners: bridge with password", file: "secured.conf", everything: true, bridge: "tcp", users: ["cam1", "cam2", "_bridge"] },
    { name: "secured.conf, all listeners: bridge and device by TLS", file: "secured.conf", everything: true, bridge: "tls", port: 8883, users: ["cam1", "cam2", "_bridge"] },
    { name: "secured.conf, all listeners: bridge by socket, device by TLS", file: "secured.conf", everything: true, bridge: "socket", port: 8883, users: ["cam1", "cam2", "_bridge"] },
];

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
async function plainTools(machine, ann, room, port = 1883) {
    const options = (name) => [
        ...name in machine.secrets ? ["-u", name, "-P", machine.secrets[name]] : [],
        ...port === 8883 ? ["--cafile", ca] : [], "-h", "127.0.0.1", "-p", `${machine.ports[port]}`, "-q", "1"];
    const publish = async (...args) => {
        const { code, stderr } = await run("mosquitto_pub", [...options("cam2"), ...args]);
        assert.equal(code, 0, stderr);
    };
    await publish("-r", "-t", presenceTopic(room, "cam2"), "-m", '{"kind":"device"}');
    await ann.expect((m) => m.joined?.[0].peer === "cam2");
    await publish("-t", inboxTopic(room, "ann", "cam2"), "-m", '{"type":"message","data":"it rang"}');
    assert.deepEqual((await ann.expect("message")).from, "cam2");
    const inbox = new Program("mosquitto_sub", [...options("cam2"), "-i", "cam2", "-C", "1", "-v", "-t", inboxTopic(room, "cam2", "+")]);
    started.push(inbox);
    await machine.broker.line("Sending SUBACK to cam2");
    await ann.request({ type: "offer", to: "cam2", sdp: sdp() });
    await inbox.line((line) => line.startsWith(`${inboxTopic(room, "cam2", "ann")} {"type":"offer"`));
    await inbox.exited;
    await publish("-r", "-n", "-t", presenceTopic(room, "cam2"));
    await ann.expect((m) => m.left?.[0].peer === "cam2");
}

/* Of each connection by socket, of the pattern for rooms, and of a TLS connection that breaks, as one does here. */
const harmless = [/Unable to set TCP_NODELAY/, /ACL pattern '\S+\/all\/\+' does not contain/, /unexpected eof while reading/];
const complaints = (broker) => broker.logs.filter((line) => /\b(Warning|Error)\b/.test(line) && !harmless.some((known) => known.test(line)));

for (const { name, file, everything, bridge: way, users = [], port = 1883 } of ways)
    test(name, async () => {
        const machine = await (await Machine.install(file, { everything })).start(users);
        const bridge = await machine.bridge(bridgeWays[way]);
        const room = newRoom();
        const cam = await machine.device(room, "cam1", { port });
        const ann = await WsPeer.join(bridge.wsUrl, { room, peer: "ann" });
        if (!ann.joined.peers.length)
            await ann.expect("presence");
        await call(ann, cam);
        await company(ann, cam);
        await plainTools(machine, ann, room, port);
        const denied = machine.broker.logs.filter((line) => line.includes("Denied"));
        await machine.stop();
        assert.deepEqual(denied, [], "nothing that anybody needs is denied");
        assert.deepEqual(complaints(machine.broker), []);
    });

/* ---- what one client may be owed ---- */

for (const file of ["one-machine.conf", "secured.conf"])
    describe(`${file}: what waits`, () => {
        const COUNT = 1500; /* mosquitto's default drops what is beyond 1000 and what is in flight */
        const users = file === "secured.conf" ? ["cam1", "cam2"] : [];
        let machine, watcher;
        before(async () => {
            machine = await (await Machine.install(file)).start(users);
            watcher = await machine.watcher("nothing");
        });
        after(() => machine?.stop());

        test("a flood of retained presence reaches a client that takes few at a time, and the bridge", async () => {
            await Promise.all(Array.from({ length: COUNT }, (_, i) =>
                watcher.publish(presenceTopic(`flood-${i % 10}`, `cam${i}`), '{"kind":"device"}', { retain: true })));
            const { code, stdout } = await run("mosquitto_sub", ["--unix", machine.socket, "-V", "mqttv311", "-q", "1", "-t",
                "sigbridge/v1/rooms/+/peers/+/presence", "-C", `${COUNT}`, "-W", "10", "-F", "%t"]);
            assert.equal(stdout.split("\n").length - 1, COUNT);
            assert.equal(code, 0);
            const bridge = await machine.bridge(bridgeWays.socket);
            assert.equal(await metric(bridge, "sigbridge_peers"), COUNT);
            await stopBridge(bridge);
        });

        test("a sleeping device gets on waking what came meanwhile, also over a restart", async () => {
            const options = { clean: false, version: 4, will: false, presence: null, clientId: "cam1" };
            const room = newRoom();
            const awake = await machine.device(room, "cam1", options);
            await awake.end();
            const cam2 = await machine.device(room, "cam2");
            await Promise.all(Array.from({ length: COUNT }, (_, i) => cam2.send("cam1", { type: "message", data: i })));
            await cam2.end();
            await machine.broker.stop();
            await machine.start();
            const again = await machine.device(room, "cam1", options);
            for (let i = 0; i < COUNT; i++)
                assert.equal((await again.receive("message", "cam2")).data, i);
            await again.end();
        });

        test("nothing was dropped", () => {
            assert.deepEqual(machine.broker.logs.filter((line) => /dropped/.test(line)), []);
        });

        test("a message of a browser's largest size passes, one over the broker's size is refused by name", async () => {
            const bridge = await machine.bridge(bridgeWays.socket);
            const room = newRoom();
            const cam1 = await machine.device(room, "cam1");
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

/* ---- secured.conf: what a device may not do ---- */

for (const version of [4, 5])
    describe(`secured.conf, MQTT ${version === 4 ? "3.1.1" : "5"}: a device`, () => {
        const room = newRoom();
        let machine, bridge, ann, cam1, cam2, watcher, mark = 0;

        before(async () => {
            machine = await (await Machine.install("secured.conf")).start(["cam1", "cam2", "cam3"]);
            bridge = await machine.bridge(bridgeWays.socket);
            cam1 = await machine.device(room, "cam1", { version });
            cam2 = await machine.device(room, "cam2", { version });
            ann = await WsPeer.join(bridge.wsUrl, { room, peer: "ann" });
            watcher = await machine.watcher();
        });
        after(() => machine?.stop());

        /* What may be done, done behind what was tried: when it has arrived, the other would have. */
        async function fence() {
            const data = `fence ${++mark}`;
            await cam1.send("ann", { type: "message", data });
            await ann.expect((m) => m.data === data);
            await cam1.send("cam2", { type: "message", data });
            await cam2.mail.expect((m) => m.message?.data === data);
            await watcher.mail.expect((m) => m.topic === inboxTopic(room, "cam2", "cam1") && m.message.data === data);
        }

        const secret = { type: "message", data: "not allowed" };
        const writes = [
            { name: "to a browser in another's name", topic: inboxTopic(room, "ann", "cam2") },
            { name: "to a browser in a browser's name", topic: inboxTopic(room, "ann", "bob") },
            { name: "to a device in another's name", topic: inboxTopic(room, "cam2", "ann") },
            { name: "to itself in another's name", topic: inboxTopic(room, "cam1", "ann") },
            { name: "to a browser as _bridge", topic: inboxTopic(room, "ann", "_bridge") },
            { name: "to a device as _bridge", topic: inboxTopic(room, "cam2", "_bridge"), message: { type: "error", code: 403, error: "forbidden", message: "x" } },
            { name: "to the bridge in another's name", topic: inboxTopic(room, "_bridge", "cam2"), message: { type: "ice-servers" } },
            { name: "to a room in another's name", topic: allTopic(room, "cam2") },
            { name: "another's presence", topic: presenceTopic(room, "cam2"), message: { kind: "sfu" }, retain: true },
            { name: "another's absence", topic: presenceTopic(room, "cam2"), message: "", retain: true },
            { name: "a browser's absence", topic: presenceTopic(room, "ann"), message: "", retain: true },
            { name: "somebody who is not there into presence", topic: presenceTopic(room, "nobody"), message: {}, retain: true },
            { name: "that a bridge is away", topic: statusTopic("bridge-1"), message: { online: false, run: "x" }, retain: true },
            { name: "into a bridge's inbox", topic: "sigbridge/v1/bridges/bridge-1/in/bridge-1", message: { fence: 1 } },
            { name: "below its own topic", topic: `${inboxTopic(room, "ann", "cam1")}/more` },
            { name: "under another prefix", topic: `other/rooms/${room}/peers/ann/in/cam1` },
            { name: "outside", topic: "zigbee2mqtt/light/set" },
        ];
        for (const { name, topic, message = secret, retain = false } of writes)
            test(`cannot write ${name}`, async () => {
                const known = watcher.mail.all.length;
                const heard = ann.received.length;
                const sent = cam1.publish(topic, message, { retain });
                if (version === 5)
                    await assert.rejects(sent, (error) => error.code === 0x87, "PUBACK says that it is not authorized");
                else
                    await sent; /* MQTT 3.1.1 has no way to say so */
                await fence();
                assert.deepEqual(watcher.mail.all.slice(known).map((m) => m.topic), [inboxTopic(room, "ann", "cam1"), inboxTopic(room, "cam2", "cam1")]);
                assert.deepEqual(ann.received.slice(heard).map((m) => m.data), [`fence ${mark}`]);
                assert.ok(cam1.client.connected);
            });

        const reads = [
            { name: "another's inbox", filter: inboxTopic(room, "cam2", "+") },
            { name: "one sender in another's inbox", filter: inboxTopic(room, "cam2", "ann") },
            { name: "a browser's inbox", filter: inboxTopic(room, "ann", "+") },
            { name: "everyone's inbox", filter: "sigbridge/v1/rooms/+/peers/+/in/+" },
            { name: "the bridge's inbox", filter: inboxTopic("+", "_bridge", "+") },
            { name: "presence", filter: presenceTopic("+", "+") },
            { name: "bridges", filter: "sigbridge/v1/bridges/#" },
            { name: "the prefix", filter: "sigbridge/v1/#" },
            { name: "everything", filter: "#" },
            { name: "everything, one level down", filter: "+/#" },
            { name: "the broker's own topics", filter: "$SYS/#" },
            { name: "a share of another's inbox", filter: `$share/mine/${inboxTopic(room, "cam2", "+")}`},
            { name: "a share of the bridge's inbox", filter: `$share/mine/${inboxTopic("+", "_bridge", "+")}` },
        ];
        for (const { name, filter } of reads)
            test(`cannot read ${name}, though the broker grants the subscription`, async () => {
                const known = cam1.mail.all.length;
                const [granted] = await cam1.subscribe(filter);
                assert.equal(granted.qos, 1);
                await ann.request({ type: "message", to: "cam2", data: "for cam2 only" });
                await cam2.send("ann", { type: "message", data: "for ann only" });
                await ann.expect((m) => m.data === "for ann only");
                await cam2.present({ kind: "device", meta: { time: ++mark } });
                await ann.expect((m) => m.updated?.[0].meta.time === mark);
                await cam2.send("_bridge", { type: "ice-servers" });
                await watcher.publish("zigbee2mqtt/light", "on", { retain: true });
                await ann.request({ type: "message", to: "cam1", data: "for cam1" });
                await cam1.mail.expect((m) => m.message?.data === "for cam1");
                await cam1.client.unsubscribeAsync(filter);
                const foreign = cam1.mail.all.slice(known).filter((m) => m.topic !== inboxTopic(room, "cam1", "ann"));
                assert.deepEqual(foreign, []);
            });

        test("has a will for its own presence only", async () => {
            const other = await Mqtt.connect(machine.address(1883), {
                ...machine.login("cam3", { version }), will: { topic: presenceTopic(room, "cam2"), payload: Buffer.alloc(0), qos: 1, retain: true } });
            const known = watcher.mail.all.length;
            await other.drop();
            await machine.broker.line(/Client cam3 (closed its connection|disconnected)/);
            await fence();
            assert.deepEqual(watcher.mail.all.slice(known).filter((m) => m.topic === presenceTopic(room, "cam2")), []);
        });

        test("cannot take another's connection, nor the bridge's, by their client ids", async () => {
            const line = await machine.broker.line(new RegExp(`New client connected from \\S+ as ${bridge.ready.bridge}-`));
            const [, bridgeId] = / as (\S+) /.exec(line);
            for (const clientId of ["cam1", "cam2", `${room}-cam1`, `${room}-cam2`, bridgeId]) {
                const other = await Mqtt.connect(machine.address(1883), { ...machine.login("cam3", { version }), clientId });
                await fence();
                assert.ok(cam1.client.connected && cam2.client.connected);
                await other.end();
            }
            assert.equal(await metric(bridge, "sigbridge_broker_connects_total"), 1);
        });

        test("has one connection: a second login ends the first", async () => {
            const first = await Mqtt.connect(machine.address(1883), { ...machine.login("cam3", { version }), clientId: "one" });
            const second = await Mqtt.connect(machine.address(1883), { ...machine.login("cam3", { version }), clientId: "two" });
            await deadline(first.closed, "the first connection ends");
            await second.end();
        });

        const strangers = [
            { name: "nobody", login: {} },
            { name: "a name without password", login: { username: "cam1" } },
            { name: "a wrong password", login: { username: "cam1", password: "guess" } },
            { name: "another's password", login: () => ({ username: "cam1", password: machine.secrets.cam2 }) },
            { name: "an unknown name", login: { username: "cam9", password: "guess" } },
            { name: "the bridges' user", login: { username: "_bridge", password: "guess" } },
        ];
        for (const { name, login } of strangers)
            test(`is not let in as ${name}`, async () => {
                await assert.rejects(Mqtt.connect(machine.address(1883), { version, ...typeof login === "function" ? login() : login }), /closed the connection/);
            });

        test("has left its company as it was", async () => {
            const late = await WsPeer.join(bridge.wsUrl, { room, peer: "late" });
            assert.deepEqual(late.joined.peers.map((p) => `${p.peer} ${p.kind}`).sort(), ["ann browser", "cam1 device", "cam2 device"]);
            await late.close();
        });
    });

test("devices.acl: the line that is switched off lets a device watch presence", async () => {
    const edit = (file, text) => file === "devices.acl" ? text.replace(/^#(?=\S)/gm, "") : text;
    const machine = await (await Machine.install("secured.conf", { edit })).start(["cam1", "cam2"]);
    const bridge = await machine.bridge(bridgeWays.socket);
    const room = newRoom();
    const cam1 = await machine.device(room, "cam1");
    await cam1.subscribe(presenceTopic(room, "+"));
    const ann = await WsPeer.join(bridge.wsUrl, { room, peer: "ann" });
    await cam1.expect(presenceTopic(room, "ann"), (m) => m.message?.kind === "browser");
    await assert.rejects(cam1.publish(presenceTopic(room, "ann"), "", { retain: true }), (error) => error.code === 0x87);
    await cam1.subscribe(inboxTopic(room, "ann", "+"));
    await cam1.send("ann", { type: "message", data: 1 });
    await ann.expect("message");
    assert.ok(!cam1.mail.has((m) => m.topic === inboxTopic(room, "ann", "cam1")), "an inbox stays closed");
    await machine.stop();
});

/* ---- bridges.acl: every right is needed ---- */

describe("bridges.acl", () => {
    let machine, room, bridge, cam, ann;

    before(async () => {
        machine = await (await Machine.install("secured.conf", { everything: true })).start(["cam1", "_bridge"]);
    });
    after(() => machine?.stop());

    async function setUp() {
        room = newRoom();
        bridge = await machine.bridge(bridgeWays.tcp);
        cam = await machine.device(room, "cam1");
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
            await ann.expect(bobGone); /* a bridge without a status is taken for dead */
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

    /* Another bridge, with bob. */
    async function joinElsewhere() {
        const other = await machine.bridge(bridgeWays.tcp);
        await WsPeer.join(other.wsUrl, { room, peer: "bob" });
        await ann.expect((m) => m.joined?.some((p) => p.peer === "bob"));
        return other;
    }
    const bobGone = (m) => m.left?.some((p) => p.peer === "bob" && p.reason === "bridge-gone");

    const rightOn = (on) => new RegExp(`^topic readwrite (\\S+${on.replaceAll("+", "\\+")})$`, "m");

    test("is complete", async () => {
        machine.putAcl("bridges");
        await machine.reload();
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
        test(`needs the right to ${without} ${on}`, async () => {
            machine.putAcl("bridges", (text) => {
                assert.match(text, rightOn(on));
                return text.replace(rightOn(on), `topic ${without === "read" ? "write" : "read"} $1`);
            });
            await machine.reload();
            if (starts) {
                await setUp();
                await then();
                cam.client.end(true);
                await stopBridge(bridge);
                return;
            }
            const { program, readyz } = await startUnready(machine, machine.bridgeOptions(bridgeWays.tcp));
            await until(async () => /^roster: .*bridges\/\+\/in\/\+/.test(await readyz()), "/readyz names the right");
            await then(program);
            await stopBridge(program);
        });

    test("has a row above for every right", () => {
        const given = readFileSync(join(source, "bridges.acl"), "utf8").match(/^topic .*/gm);
        assert.equal(given.length * 2, rights.length);
        assert.ok(given.every((line) => line.startsWith("topic readwrite sigbridge/v1/")));
    });

    test("gives nothing outside of the prefix", async () => {
        machine.putAcl("bridges");
        await machine.reload();
        const client = await Mqtt.connect(machine.address(1884), { username: "_bridge", password: machine.secrets._bridge });
        await assert.rejects(client.publish("zigbee2mqtt/light/set", "on"), (error) => error.code === 0x87);
        await client.end();
    });
});

/* ---- a bridge that is not let in ---- */

/* A bridge that does not get ready, with the answer of /readyz. */
async function startUnready(machine, { broker, config }) {
    const http = `127.0.0.1:${await freePort()}`;
    const file = join(tempDir(), "sigbridge.conf");
    writeFileSync(file, config ?? "");
    const program = new Program(process.env.SIGBRIDGE_BIN, ["--dev", "--listen", http, "--broker", broker, "--data", tempDir(), "--config", file]);
    started.push(program);
    const readyz = async () => {
        const { status, text } = await until(() => get({ url: `http://${http}/` }, "/readyz").catch(() => null), "the bridge answers");
        assert.equal(status, 503);
        return text;
    };
    return { program, readyz };
}

describe("a bridge that the broker does not take says so in its log and in /readyz", () => {
    const refused = { log: /error broker-refused why="Not authorized" remedy="check mqtt\.username, mqtt\.password_file/, ready: /^broker: the broker refused the bridge: Not authorized/ };
    const noTls = { log: /warn broker-unreachable .*why=".*TLS.*"/, ready: /^broker: the broker at 127\.0\.0\.1 cannot be reached: .*TLS/ };
    const cut = { log: /warn broker-unreachable .*why="The connection was lost\."/, ready: /^broker: the broker at 127\.0\.0\.1 ended the connection before it let the bridge in: / };
    const rows = [
        { name: "wrong password", way: bridgeWays.tcp, secret: "guess", ...refused },
        { name: "wrong password, TLS", way: bridgeWays.tls, secret: "guess", ...refused },
        { name: "unknown user", way: bridgeWays.tcp, user: "nobody", ...refused },
        { name: "no password", way: { ...bridgeWays.tcp, login: false }, ...refused },
        { name: "a device's user at the bridges' listener", way: bridgeWays.tcp, user: "cam1", secret: (m) => m.secrets.cam1, ...refused },
        { name: "the bridges' user at the devices' listener", way: { ...bridgeWays.device, login: true }, ...refused },
        { name: "a CA that did not sign", way: { ...bridgeWays.tls, authority: otherCa }, ...noTls },
        { name: "the system's CAs", way: { ...bridgeWays.tls, authority: undefined }, ...noTls },
        { name: "TLS at a listener without", way: { ...bridgeWays.tls, broker: (m) => `mqtts://${m.address(1884)}` }, ...noTls },
        { name: "a certificate for another host", way: bridgeWays.tls, certificate: "elsewhere", ...noTls },
        { name: "no broker at this port", way: { broker: (m) => `mqtt://127.0.0.1:${m.nothing}` }, log: /warn broker-unreachable .*why="Connection refused"/, ready: /cannot be reached: Connection refused/ },
        { name: "no socket", way: { broker: (m) => `unix:${m.run}/nothing.sock` }, log: /warn broker-unreachable .*why="No such file or directory"/, ready: /cannot be reached: No such file/ },
        { name: "no TLS at a listener with it", way: { ...bridgeWays.tcp, broker: (m) => `mqtt://${m.address(8884)}` }, ...cut },
    ];
    const machines = {};

    before(async () => {
        for (const certificate of ["here", "elsewhere"]) {
            machines[certificate] = await (await Machine.install("secured.conf", { everything: true, certificate })).start(["cam1", "_bridge"]);
            machines[certificate].nothing = await freePort();
        }
    });
    after(() => Promise.all(Object.values(machines).map((machine) => machine.stop())));

    for (const { name, way, user, secret, certificate = "here", log, ready } of rows)
        test(name, async () => {
            const machine = machines[certificate];
            const options = machine.bridgeOptions(way, { user, secret: typeof secret === "function" ? secret(machine) : secret });
            const { program, readyz } = await startUnready(machine, options);
            const line = await program.line(log);
            assert.ok(!line.includes(machine.secrets._bridge) && !line.includes("guess"), "without the password");
            await until(async () => ready.test(await readyz()), `/readyz says ${ready}`);
            await stopBridge(program);
        });

    test("it gets in by itself when the broker's certificate is right", async () => {
        const machine = await (await Machine.install("secured.conf", { everything: true, certificate: "elsewhere" })).start(["cam1", "_bridge"]);
        const { program, readyz } = await startUnready(machine, machine.bridgeOptions(bridgeWays.tls));
        await until(async () => /TLS/.test(await readyz()), "/readyz speaks of TLS");
        for (const end of ["crt", "key"])
            writeFileSync(join(machine.etc, `certs/sigbridge.${end}`), readFileSync(join(pki, `here.${end}`)));
        await machine.reload();
        await program.line("ready http=");
        await stopBridge(program);
        await machine.stop();
    });

    test("it gets in by itself when its user is added", async () => {
        const machine = await Machine.install("secured.conf", { everything: true });
        writeFileSync(machine.passwords("bridges"), "", { mode: 0o644 });
        await machine.start(["cam1"]);
        const options = machine.bridgeOptions(bridgeWays.tcp, { secret: "known before" });
        const { program } = await startUnready(machine, options);
        await program.line("broker-refused");
        await run("mosquitto_passwd", ["-b", machine.passwords("bridges"), "_bridge", "known before"]);
        await machine.reload();
        await program.line("ready http=");
        await stopBridge(program);
        await machine.stop();
    });
});

test("the client id is the user at the devices' listeners, and not at the bridges', where two would throw each other out", () => {
    const text = readFileSync(join(source, "secured.conf"), "utf8").replace(/^#(?=\S)/gm, "");
    const listeners = text.split(/^(?=listener )/m).slice(1);
    assert.equal(listeners.length, 5);
    for (const listener of listeners)
        assert.equal(/-devices\./.test(listener), /^use_username_as_clientid true$/m.test(listener), listener);
});

/* ---- the socket ---- */

test("the socket is for the owner and the group of its directory", async () => {
    const machine = await Machine.install("secured.conf");
    const group = isRoot ? await idOf("-g", "nobody") : process.getgid();
    chownSync(machine.run, owner.uid, group);
    chmodSync(machine.run, 0o2750);
    await machine.start(["cam1"]);
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

describe("secured.conf at work", () => {
    const room = newRoom();
    let machine, bridge, cam1, ann;
    before(async () => {
        machine = await (await Machine.install("secured.conf", { everything: true })).start(["cam1", "_bridge"]);
        bridge = await machine.bridge(bridgeWays.tls);
        cam1 = await machine.device(room, "cam1");
        ann = await WsPeer.join(bridge.wsUrl, { room, peer: "ann" });
    });
    after(() => machine?.stop());

    test("a device that is added can log in at once, and nobody is cut off", async () => {
        await assert.rejects(machine.device(room, "cam2"), /closed the connection/);
        machine.secrets.cam2 = await machine.addUser("cam2");
        const cam2 = await machine.device(room, "cam2");
        await ann.expect((m) => m.joined?.some((p) => p.peer === "cam2"));
        await cam2.end();
        await call(ann, cam1);
        assert.equal(await metric(bridge, "sigbridge_broker_connects_total"), 1);
    });

    test("a device with a new password is cut off with the old one, and only that one", async () => {
        const cam2 = await machine.device(room, "cam2");
        const secret = await machine.addUser("cam2", "-r");
        assert.notEqual(secret, machine.secrets.cam2);
        await deadline(cam2.closed, "the device is cut off");
        await assert.rejects(machine.device(room, "cam2"), /closed the connection/);
        machine.secrets.cam2 = secret;
        await (await machine.device(room, "cam2")).end();
        await call(ann, cam1);
    });

    test("after a restart everyone is back, with what was retained", async () => {
        await machine.broker.stop();
        await machine.start();
        await bridge.line((line) => line.includes("broker-connected") && bridge.logs.filter((l) => l.includes("broker-connected")).length === 2);
        await until(async () => await metric(bridge, "sigbridge_ready") === 1, "the bridge is ready again");
        const watcher = await machine.watcher(presenceTopic(room, "+"));
        await watcher.expect(presenceTopic(room, "ann"), (m) => m.message !== undefined);
        cam1 = await machine.device(room, "cam1");
        await until(() => ann.received.some((m) => m.joined?.some((p) => p.peer === "cam1")) || ann.joined.peers.length, "ann knows cam1");
        await call(ann, cam1);
        await watcher.end();
    });
});

test("retained presence of a device is still there after a restart, for the bridge and for devices", async () => {
    const edit = (file, text) => file === "devices.acl" ? text.replace(/^#(?=\S)/gm, "") : text;
    const machine = await (await Machine.install("secured.conf", { edit })).start(["cam1", "cam2"]);
    const room = newRoom();
    const cam1 = await machine.device(room, "cam1", { will: false });
    await cam1.end();
    const first = await machine.bridge(bridgeWays.socket);
    await WsPeer.join(first.wsUrl, { room, peer: "ann" });
    first.kill("SIGKILL"); /* its presence stays behind */
    await first.exited;
    await machine.broker.stop();
    await machine.start();
    const cam2 = await machine.device(room, "cam2");
    await cam2.subscribe(presenceTopic(room, "+"));
    await cam2.expect(presenceTopic(room, "cam1"), (m) => m.retain);
    await cam2.expect(presenceTopic(room, "ann"), (m) => m.retain);
    const bridge = await machine.bridge(bridgeWays.socket);
    const eve = await WsPeer.join(bridge.wsUrl, { room, peer: "eve" });
    assert.ok(eve.joined.peers.some((p) => p.peer === "cam1"));
    await machine.stop();
});

/* ---- add-device ---- */

describe("add-device", () => {
    const script = join(source, "add-device");
    const HASH = /^\$7\$101\$[A-Za-z0-9+/=]+\$[A-Za-z0-9+/=]{80,}$/;
    const SECRET = /^[0-9a-f]{32}\n$/;

    function place() {
        const dir = tempDir("passwords");
        const file = join(dir, "devices.passwd");
        return {
            dir, file,
            add: (...args) => run("sh", [script, "-f", file, "-p", join(dir, "pid"), ...args]),
            users: () => readFileSync(file, "utf8").trimEnd().split("\n").map((line) => line.split(":")),
        };
    }

    test("adds users, keeps the others, prints each secret alone", async () => {
        const { add, users, dir } = place();
        const names = ["cam1", "cam10", "a", "A.b_c~d-e", "9", "x".repeat(64)];
        const secrets = new Set();
        for (const name of names) {
            const before = name === "cam1" ? [] : users();
            const { code, stdout, stderr } = await add(name);
            assert.equal(code, 0, stderr);
            assert.match(stdout, SECRET);
            secrets.add(stdout);
            assert.ok(!stderr.includes(stdout.trim()), "the secret is on standard output only");
            assert.deepEqual(users().slice(0, -1), before, "the others' lines stay");
        }
        assert.equal(secrets.size, names.length);
        assert.deepEqual(users().map(([name]) => name), names);
        for (const [, hash] of users())
            assert.match(hash, HASH);
        assert.deepEqual(readdirSync(dir), ["devices.passwd"], "nothing else is left");
    });

    test("makes a file that mosquitto can read and others cannot", async () => {
        const { add, file } = place();
        await add("cam1");
        const { mode, gid } = statSync(file);
        assert.equal(mode & 0o777, isRoot ? 0o640 : 0o600);
        assert.equal(gid, owner.gid);
        if (isRoot) {
            chmodSync(file, 0o600);
            chownSync(file, owner.uid, owner.gid);
            await add("cam2");
            const kept = statSync(file);
            assert.deepEqual([kept.mode & 0o777, kept.uid, kept.gid], [0o600, owner.uid, owner.gid], "as the operator had it");
        }
    });

    test("gives a new password with -r only", async () => {
        const { add, users } = place();
        await add("cam1");
        await add("cam2");
        const before = users();
        const refused = await add("cam1");
        assert.deepEqual([refused.code, refused.stdout], [1, ""]);
        assert.match(refused.stderr, /cam1 has a password already: -r gives it a new one/);
        assert.deepEqual(users(), before);
        const renewed = await add("-r", "cam1");
        assert.equal(renewed.code, 0);
        assert.match(renewed.stdout, SECRET);
        assert.deepEqual(users().map(([name]) => name), ["cam1", "cam2"]);
        assert.notEqual(users()[0][1], before[0][1]);
        assert.equal(users()[1][1], before[1][1]);
        const unknown = await add("-r", "cam3");
        assert.deepEqual([unknown.code, unknown.stdout], [1, ""]);
        assert.match(unknown.stderr, /cam3 is not in/);
    });

    const wrong = ["", "+", "#", "a/b", "/a", "cam 1", "cam+", "a#", "$a", "_cam", "-cam", ".a", "~a", "a:b", "a\nb", "käm", "_bridge2", "x".repeat(65), "*", "a%u"];
    for (const name of wrong)
        test(`refuses the name ${JSON.stringify(name)}`, async () => {
            const { add, dir } = place();
            const { code, stdout, stderr } = await add("--", name);
            assert.deepEqual([code, stdout], [2, ""]);
            assert.match(stderr, /cannot be a peer name/);
            assert.deepEqual(readdirSync(dir), []);
        });

    const calls = [
        { name: "help", args: ["-h"], code: 0, stdout: /^usage: add-device .*\n[^]*not shown again/ },
        { name: "no name", args: [], code: 2, stderr: /one NAME is needed/ },
        { name: "two names", args: ["a", "b"], code: 2, stderr: /one NAME is needed/ },
        { name: "an option it does not have", args: ["-x", "a"], code: 2, stderr: /there is no option -x/ },
        { name: "an option without its value", args: ["-f"], code: 2, stderr: /-f needs a value/ },
        { name: "a directory that is not there", args: ["-f", "/nowhere/passwd", "a"], code: 1, stderr: /cannot create \/nowhere\/passwd\.new: the directory is not writable/ },
    ];
    for (const { name, args, code, stdout = /^$/, stderr = /^$/ } of calls)
        test(`is called with ${name}`, async () => {
            const result = await run(script, args);
            assert.equal(result.code, code);
            assert.match(result.stdout, stdout);
            assert.match(result.stderr, stderr);
        });

    test("waits for no other one, and leaves the file alone then", async () => {
        const { add, file, users } = place();
        await add("cam1");
        const before = users();
        writeFileSync(`${file}.new`, "another one's work");
        const { code, stdout, stderr } = await add("cam2");
        assert.deepEqual([code, stdout], [1, ""]);
        assert.match(stderr, /another add-device is at work/);
        assert.deepEqual(users(), before);
        assert.equal(readFileSync(`${file}.new`, "utf8"), "another one's work");
    });

    test("many at once: each that says it was added is there", async () => {
        const { add, users } = place();
        await add("cam0");
        const results = await Promise.all(Array.from({ length: 8 }, async (_, i) => ({ name: `cam${i + 1}`, ...await add(`cam${i + 1}`) })));
        const added = results.filter((result) => result.code === 0).map((result) => result.name);
        assert.ok(added.length >= 1);
        assert.deepEqual(users().map(([name]) => name).sort(), ["cam0", ...added].sort());
    });

    test("tells only a mosquitto to reload", async () => {
        const { add, dir } = place();
        const bystander = new Program("sleep", ["600"]);
        started.push(bystander);
        writeFileSync(join(dir, "pid"), `${bystander.pid}\n`);
        const { code, stderr } = await add("cam1");
        assert.equal(code, 0);
        assert.match(stderr, /no mosquitto runs by .*pid, so it counts from the next start on/);
        assert.equal(bystander.child.signalCode, null);
        await bystander.stop();
    });

    test("says what is missing when mosquitto's tools are", async () => {
        const { dir, file } = place();
        mkdirSync(join(dir, "bin"));
        const { code, stdout, stderr } = await run("/bin/sh", [script, "-f", file, "cam1"], { env: { PATH: join(dir, "bin") } });
        assert.deepEqual([code, stdout], [1, ""]);
        assert.match(stderr, /install Debian's package mosquitto/);
    });

    test("the bridges' password goes into a file as it comes", async () => {
        const machine = await Machine.install("secured.conf", { everything: true });
        const { code } = await run("sh", ["-c", `umask 077 && "$0" -f "$1" -p "$2" _bridge >"$3"`, script, machine.passwords("bridges"), machine.pidFile, join(machine.dir, "mqtt-password")]);
        assert.equal(code, 0);
        await machine.start(["cam1"]);
        const bridge = await machine.bridge({ broker: bridgeWays.tcp.broker }, { config: `mqtt: { username = "_bridge"; password_file = "${join(machine.dir, "mqtt-password")}"; };` });
        assert.equal(statSync(join(machine.dir, "mqtt-password")).mode & 0o777, 0o600);
        await stopBridge(bridge);
        await machine.stop();
    });
});
