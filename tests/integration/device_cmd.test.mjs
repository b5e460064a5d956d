/* `sigbridge device` and the embedded broker's logins: the files, the running broker, and strangers at
 * the bridge's own socket. What a device may do once it is in: device_rights.test.mjs. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { chmodSync, chownSync, existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { deadline, freePort, parseReady, Program, run, startBridge, startMosquitto, tempDir, until, WsPeer } from "./harness.mjs";
import { makeKey } from "./jwt.mjs";
import { assertNoSanitizer, Device, metric, Mqtt, newRoom, presenceTopic, rosterOf, sees } from "./world.mjs";

const SECRET = /^password: ([0-9a-f]{32})\n$/;
const HASH = /^\$7\$101\$[A-Za-z0-9+/]{16}\$[A-Za-z0-9+/]{86}==$/;
const isRoot = process.getuid() === 0;
const key = makeKey("HS256");
const token = key.token({ rooms: ["*"] });

const device = (...args) => run(process.env.SIGBRIDGE_BIN, ["device", ...args]);

/* A data directory, and the command on it. */
function place() {
    const data = tempDir("data");
    const file = (name) => join(data, "broker", name);
    return {
        data, file,
        device: (...args) => device(...args, "--data", data),
        async add(...args) {
            const { code, stdout, stderr } = await device("add", ...args, "--data", data);
            assert.equal(code, 0, stderr);
            return SECRET.exec(stdout)[1];
        },
        users: () => readFileSync(file("devices.passwd"), "utf8").split("\n").filter(Boolean).map((line) => line.split(":")),
        async list() {
            const { code, stdout, stderr } = await device("list", "--json", "--data", data);
            assert.equal(code, 0, stderr);
            return stdout.split("\n").filter(Boolean).map((line) => JSON.parse(line));
        },
    };
}

const start = async (data, options) => {
    const bridge = await startBridge({ data, dev: false, ...options, args: ["--log-level", "debug", "--jwt-key", key.option, ...options?.args ?? []] });
    bridge.admin = key.token({ rooms: ["*"], can: ["admin"] });
    return bridge;
};

async function stop(bridge) {
    const { code } = await bridge.stop();
    assertNoSanitizer(bridge);
    assert.equal(code, 0, bridge.tail());
}

/* ---- files ---- */

describe("sigbridge device", () => {
    test("adds, lists, rotates and removes", async () => {
        const { add, device, list, users, file } = place();
        assert.deepEqual(await list(), []);
        const first = await add("cam2", "--room", "yard", "--room", "hall", "--watch");
        const second = await add("cam1", "-r", "*");
        assert.notEqual(first, second);
        const both = [
            { device: "cam1", rooms: ["*"], watch: false, password: true },
            { device: "cam2", rooms: ["yard", "hall"], watch: true, password: true },
        ];
        assert.deepEqual(await list(), both);
        assert.match((await device("list")).stdout, /^DEVICE +LOGIN +ROOMS\ncam1 +password +\*\ncam2 +password +yard,hall \(watches\)\n$/);
        const before = users();
        for (const [, hash] of before)
            assert.match(hash, HASH);
        const rotated = await device("rotate", "cam2");
        assert.notEqual(SECRET.exec(rotated.stdout)[1], first);
        assert.deepEqual(await list(), both);
        assert.deepEqual(users().map(([name, hash]) => [name, before.some((user) => user[1] === hash)]), [["cam2", false], ["cam1", true]]);
        const removed = await device("remove", "cam2");
        assert.deepEqual([removed.code, removed.stdout], [0, ""]);
        assert.deepEqual(await list(), both.slice(0, 1));
        assert.deepEqual(users().map(([name]) => name), ["cam1"]);
        assert.ok(!readFileSync(file("devices.acl"), "utf8").includes("cam2"));
    });

    test("gives exactly the rights of the rooms", async () => {
        const { add, file } = place();
        await add("cam1", "--room", "yard", "hall");
        await add("eye", "--room", "*", "--watch");
        const rights = (name, room, watch) => [`readwrite sigbridge/v1/rooms/${room}/peers/${name}/presence`, `write sigbridge/v1/rooms/${room}/peers/+/in/${name}`,
            `write sigbridge/v1/rooms/${room}/all/${name}`, `read sigbridge/v1/rooms/${room}/peers/${name}/in/+`, `read sigbridge/v1/rooms/${room}/all/+`,
            ...watch ? [`read sigbridge/v1/rooms/${room}/peers/+/presence`] : []].map((line) => `topic ${line}`);
        assert.deepEqual(readFileSync(file("devices.acl"), "utf8").split("\n"), [
            "# Devices and their rooms, kept by `sigbridge device`: change them with that command.", "# Format 1. Prefix: sigbridge/v1", "",
            "user cam1", ...rights("cam1", "yard"), ...rights("cam1", "hall"), "", "user eye", ...rights("eye", "+", true), ""]);
    });

    test("keeps its files from others, as whom the broker runs", async () => {
        const { add, file, data } = place();
        await add("cam1", "--room", "a");
        const dir = statSync(join(data, "broker"));
        assert.equal(dir.mode & 0o777, 0o700);
        for (const name of ["devices.acl", "devices.passwd"]) {
            const { mode, uid } = statSync(file(name));
            assert.deepEqual([mode & 0o777, uid], [0o640, dir.uid], name);
        }
        chmodSync(file("devices.passwd"), 0o600);
        await add("cam2", "--room", "a");
        assert.equal(statSync(file("devices.passwd")).mode & 0o777, 0o600, "as the operator had it");
        assert.deepEqual(readdirSync(join(data, "broker")).sort(), ["devices.acl", "devices.lock", "devices.passwd"], "nothing else is left");
        if (isRoot)
            assert.notEqual(dir.uid, 0);
    });

    test("says what is not so, in a sentence, and changes nothing", async () => {
        const { add, device, file } = place();
        await add("cam1", "--room", "a");
        const before = readFileSync(file("devices.passwd"), "utf8");
        for (const [args, why] of [
            [["add", "cam1", "--room", "b"], /cam1 is there already: rotate gives it a new password/],
            [["remove", "cam2"], /there is no device cam2/],
            [["rotate", "cam2"], /there is no device cam2/],
        ]) {
            const { code, stdout, stderr } = await device(...args);
            assert.deepEqual([code, stdout], [1, ""]);
            assert.match(stderr, why);
        }
        assert.equal(readFileSync(file("devices.passwd"), "utf8"), before);
    });

    const names = ["", "+", "#", "a/b", "/a", "cam 1", "cam+", "a#", "$a", "_cam", "_bridge", "-cam", ".a", "~a", "a:b", "a\nb", "k\u00e4m", "c\u0430m1", "x".repeat(65), "*", "a%u", "..", "'; DROP TABLE"];
    for (const name of names)
        test(`refuses the name ${JSON.stringify(name)}`, async () => {
            const { device, data } = place();
            const { code, stdout, stderr } = await device("add", "--room", "a", "--", name);
            assert.deepEqual([code, stdout], [2, ""]);
            assert.match(stderr, /is no name|belong to the bridge|is empty/);
            assert.match(stderr, /^[\x20-\x7e\n]+$/);
            assert.deepEqual(readdirSync(data), []);
        });

    const wrong = [
        { name: "nothing to do", args: [], stderr: /what is to be done\? add, remove, rotate or list/ },
        { name: "an action it does not have", args: ["ad", "cam1"], stderr: /unknown action "ad"/ },
        { name: "no name", args: ["add", "--room", "a"], stderr: /the name is missing/ },
        { name: "no room", args: ["add", "cam1"], stderr: /in which room\? Give --room/ },
        { name: "a room that is none", args: ["add", "cam1", "--room", "a/+"], stderr: /"a\/\+" is no name/ },
        { name: "a wildcard as a room", args: ["add", "cam1", "--room", "+"], stderr: /"\+" is no name/ },
        { name: "a room for who is removed", args: ["remove", "cam1", "--room", "a"], stderr: /only a device that is added has rooms/ },
        { name: "two names", args: ["remove", "cam1", "cam2"], stderr: /cam2/ },
        { name: "a bridge at the embedded broker", args: ["add", "b", "--bridge"], stderr: /needs --mosquitto/ },
        { name: "a certificate at the embedded broker", args: ["add", "b", "--room", "a", "--certificate"], stderr: /needs --mosquitto/ },
        { name: "an option it does not have", args: ["list", "--rooms"], stderr: /unknown option "rooms": did you mean --room/ },
        { name: "an option without its value", args: ["add", "cam1", "--room"], stderr: /--room/ },
        { name: "JSON for add", args: ["add", "cam1", "--room", "a", "--json"], stderr: /only for list/ },
        { name: "too many rooms", args: ["add", "cam1", ...Array.from({ length: 65 }, (_, i) => ["--room", `r${i}`]).flat()], stderr: /may have 64 rooms/ },
        { name: "a prefix that is none", args: ["list", "--prefix", "a/+"], stderr: /prefix/ },
        { name: "a broker of another kind", args: ["list"], env: { SIGBRIDGE_BROKER: "mqtt://127.0.0.1" }, stderr: /give --mosquitto DIR/ },
    ];
    for (const { name, args, stderr, env } of wrong)
        test(`is called with ${name}`, async () => {
            const result = await run(process.env.SIGBRIDGE_BIN, ["device", "--data", tempDir(), ...args], { env });
            assert.deepEqual([result.code, result.stdout], [2, ""]);
            assert.match(result.stderr, stderr);
        });

    test("explains itself", async () => {
        for (const args of [["device", "--help"], ["help", "device"]]) {
            const { code, stdout } = await run(process.env.SIGBRIDGE_BIN, args);
            assert.equal(code, 0);
            assert.match(stdout, /usage: sigbridge device add NAME --room ROOM/);
        }
    });

    const strange = [
        { name: "a comment", change: (text) => `${text}# mine\n`, line: 10 },
        { name: "a right more", change: (text) => `${text}topic read #\n`, line: 10 },
        { name: "a user by hand", change: (text) => `${text}\nuser eve\ntopic readwrite #\n`, line: 12 },
        { name: "a right less", change: (text) => text.replace(/^topic read .*all.*\n/m, ""), line: 9 },
        { name: "a line that is cut", change: (text) => text.slice(0, -10), line: 9 },
        { name: "another head", change: (text) => `# ours\n${text}`, line: 1 },
        { name: "the same user twice", change: (text) => text + text.split("\n").slice(2).join("\n"), line: 11 },
        { name: "bytes", change: () => randomBytes(4096).toString("latin1"), line: 1 },
        { name: "a pattern", change: (text) => text.replace("topic readwrite", "pattern readwrite"), line: 5 },
    ];
    for (const { name, change, line } of strange)
        test(`does not lose what it did not write: ${name}`, async () => {
            const { add, device, file } = place();
            await add("cam1", "--room", "a");
            writeFileSync(file("devices.acl"), change(readFileSync(file("devices.acl"), "utf8")));
            const before = readFileSync(file("devices.acl"), "utf8");
            for (const args of [["add", "cam2", "--room", "a"], ["remove", "cam1"], ["list"]]) {
                const { code, stdout, stderr } = await device(...args);
                assert.deepEqual([code, stdout], [1, ""]);
                assert.match(stderr, new RegExp(`devices\\.acl: line ${line} `));
            }
            assert.equal(readFileSync(file("devices.acl"), "utf8"), before);
        });

    test("understands what older versions wrote, and writes it as it is now", async () => {
        const { add, device, file } = place();
        await add("cam1", "--room", "a");
        const text = readFileSync(file("devices.acl"), "utf8");
        const older = text.replace("topic readwrite", "topic write");
        assert.notEqual(older, text);
        writeFileSync(file("devices.acl"), older);
        assert.match((await device("list")).stdout, /^cam1\b.*\ba\b/m);
        await add("cam2", "--room", "a");
        assert.ok(readFileSync(file("devices.acl"), "utf8").startsWith(text));
    });

    test("says so when the file has another prefix", async () => {
        const { add, device } = place();
        await add("cam1", "--room", "a", "--prefix", "home/signals");
        const { code, stderr } = await device("list");
        assert.equal(code, 1);
        assert.match(stderr, /line 2 has another prefix than sigbridge\/v1/);
        assert.equal((await device("list", "--prefix", "home/signals")).code, 0);
    });

    test("keeps users of the password file that it does not know", async () => {
        const { add, device, users, file } = place();
        await add("cam1", "--room", "a");
        writeFileSync(file("devices.passwd"), `${readFileSync(file("devices.passwd"), "utf8")}guest:$7$101$x$y\n`);
        await add("cam2", "--room", "a");
        assert.deepEqual(users().map(([name]) => name), ["cam1", "guest", "cam2"]);
        assert.match((await device("add", "guest", "--room", "a")).stderr, /guest is there already/);
        assert.equal((await device("remove", "cam2")).code, 0);
        assert.deepEqual(users().map(([name]) => name), ["cam1", "guest"]);
    });

    test("many at once: all are there", async () => {
        const { device, list, users } = place();
        const names = Array.from({ length: 12 }, (_, i) => `cam${i}`).sort();
        const results = await Promise.all(names.map((name) => device("add", name, "--room", "a")));
        assert.deepEqual(results.map(({ code, stderr }) => code === 0 ? "" : stderr), names.map(() => ""));
        assert.equal(new Set(results.map(({ stdout }) => SECRET.exec(stdout)[1])).size, names.length);
        assert.deepEqual((await list()).map((d) => d.device), names);
        assert.deepEqual(users().map(([name]) => name).sort(), names);
    });

    test("starts anew after a command that was killed in the middle", async () => {
        const { add, list, file } = place();
        await add("cam1", "--room", "a");
        writeFileSync(file("devices.acl.new"), "half of");
        writeFileSync(file("devices.passwd.new"), "");
        await add("cam2", "--room", "a");
        assert.deepEqual((await list()).map((d) => d.device), ["cam1", "cam2"]);
        assert.ok(!existsSync(file("devices.acl.new")));
    });

    test("follows no link out of the directory", async () => {
        const { add, device, file, data } = place();
        await add("cam1", "--room", "a");
        const victim = join(data, "victim");
        writeFileSync(victim, "untouched");
        await run("ln", ["-sf", victim, file("devices.passwd")]);
        const { code, stderr } = await device("add", "cam2", "--room", "a");
        assert.equal(code, 1);
        assert.match(stderr, /cannot read .*devices\.passwd/);
        assert.equal(readFileSync(victim, "utf8"), "untouched");
    });

    test("signals only the broker of this directory", async () => {
        const { add, device, file } = place();
        await add("cam1", "--room", "a");
        const bystander = new Program("sleep", ["600"]);
        const other = await startMosquitto();
        for (const pid of [bystander.pid, other.pid, 999999999, -1, 0, "x", ""]) {
            writeFileSync(file("mosquitto.pid"), `${pid}\n`);
            const { code, stderr } = await device("rotate", "cam1");
            assert.equal(code, 0);
            assert.match(stderr, /no broker runs by .*so it counts from the next start on/);
        }
        assert.ok(bystander.running && !other.logs.some((line) => line.includes("Reloading")));
        await bystander.stop();
        await other.stop();
    });
});

/* ---- the running broker ---- */

describe("a running bridge", () => {
    const room = newRoom();
    const { data, add, device, file } = place();
    const secrets = {};
    let bridge, ann, cam1;
    const login = (name) => ({ username: name, password: secrets[name] });
    const come = (name, options) => Device.start(bridge.mqtt, { room, name, ...login(name), ...options });

    before(async () => {
        secrets.cam1 = await add("cam1", "--room", room);
        bridge = await start(data);
        cam1 = await come("cam1");
        ann = await WsPeer.join(bridge.wsUrl, { room, peer: "ann", token });
        await sees(ann, "cam1");
    });
    after(() => stop(bridge));

    const calls = async () => {
        await ann.request({ type: "message", to: "cam1", data: 1 });
        await cam1.receive("message", "ann");
        assert.equal(await metric(bridge, "sigbridge_broker_connects_total"), 1);
    };

    test("lets a device in that was added meanwhile, and cuts nobody off", async () => {
        await assert.rejects(come("cam2"), /closed the connection/);
        const { code, stdout, stderr } = await device("add", "cam2", "--room", room);
        assert.equal(code, 0);
        assert.match(stderr, /cam2 is added, and the broker \(process \d+\) reads it now/);
        secrets.cam2 = SECRET.exec(stdout)[1];
        const cam2 = await until(() => come("cam2").catch(() => null), "cam2 gets in");
        await sees(ann, "cam2");
        await calls();
        await cam2.end();
    });

    test("cuts off a device with a new password, and only that one", async () => {
        const cam2 = await come("cam2");
        const old = login("cam2");
        secrets.cam2 = SECRET.exec((await device("rotate", "cam2")).stdout)[1];
        await deadline(cam2.closed, "the device is cut off");
        await assert.rejects(come("cam2", old), /closed the connection/);
        await (await come("cam2")).end();
        await calls();
    });

    test("cuts off a device that is removed, and only that one", async () => {
        const cam2 = await come("cam2");
        await until(() => rosterOf(ann).has("cam2"), "ann sees it");
        await device("remove", "cam2");
        await deadline(cam2.closed, "the device is cut off");
        await until(() => !rosterOf(ann).has("cam2"), "and its presence is cleared, though it had no last will");
        await assert.rejects(come("cam2"), /closed the connection/);
        await calls();
    });

    test("gives a device that is added again its new rooms only", async () => {
        const other = newRoom();
        secrets.cam2 = SECRET.exec((await device("add", "cam2", "--room", other)).stdout)[1];
        const cam2 = await until(() => Mqtt.connect(bridge.mqtt, login("cam2")).catch(() => null), "cam2 gets in");
        await assert.rejects(cam2.publish(presenceTopic(room, "cam2"), "{}", { retain: true }), (error) => error.code === 0x87);
        await cam2.publish(presenceTopic(other, "cam2"), "{}", { retain: true });
        await cam2.end();
    });

    test("a device that watches sees who is in its rooms, and no more", async () => {
        const other = newRoom();
        secrets.eye = SECRET.exec((await device("add", "eye", "--room", room, "--watch")).stdout)[1];
        const eye = await until(() => come("eye").catch(() => null), "eye gets in");
        await eye.subscribe(presenceTopic("+", "+"));
        const bob = await WsPeer.join(bridge.wsUrl, { room: other, peer: "bob", token });
        const eve = await WsPeer.join(bridge.wsUrl, { room, peer: "eve", token });
        await eye.expect(presenceTopic(room, "eve"));
        assert.ok(eye.mail.all.every((m) => m.topic.startsWith(presenceTopic(room, "").replace("//presence", ""))), "of its room only");
        await assert.rejects(eye.publish(presenceTopic(room, "ann"), "", { retain: true }), (error) => error.code === 0x87);
        await eye.end();
        await bob.close();
        await eve.close();
    });

    test("its broker comes back with the same users when it dies", async () => {
        const pid = Number(readFileSync(file("mosquitto.pid"), "utf8"));
        process.kill(pid, "SIGKILL");
        await cam1.closed;
        await bridge.line("broker-restarted");
        cam1 = await until(() => come("cam1").catch(() => null), "cam1 gets in again");
        await until(async () => await metric(bridge, "sigbridge_ready") === 1, "ready again");
        await until(async () => {
            await ann.request({ type: "message", to: "cam1", data: 2 });
            return cam1.mail.has((m) => m.message?.data === 2);
        }, "they talk again");
        assert.match((await device("rotate", "eye")).stderr, /the broker \(process \d+\) reads it now/);
    });

    test("nothing of a password is in its log", () => {
        for (const secret of Object.values(secrets))
            assert.ok(!bridge.logs.some((line) => line.includes(secret)));
    });
});

test("what a sleeping device missed outlives a restart of bridge and broker", async () => {
    const { data, add } = place();
    const room = newRoom();
    const login = { username: "sleeper", password: await add("sleeper", "--room", room) };
    const mqttListen = `127.0.0.1:${await freePort()}`;
    const sleeper = { room, name: "sleeper", clean: false, expiry: 3600, will: false, clientId: "sleeper", ...login };
    let bridge = await start(data, { mqttListen });
    await (await Device.start(bridge.mqtt, sleeper)).end();
    const ann = await WsPeer.join(bridge.wsUrl, { room, peer: "ann", token });
    await ann.request({ type: "message", to: "sleeper", data: "before" });
    await stop(bridge);
    bridge = await start(data, { mqttListen });
    const bob = await WsPeer.join(bridge.wsUrl, { room, peer: "bob", token });
    assert.deepEqual([...rosterOf(bob).keys()], ["sleeper"]);
    await bob.request({ type: "message", to: "sleeper", data: "after" });
    const woken = await Device.start(bridge.mqtt, { ...sleeper, presence: null });
    assert.equal((await woken.receive("message", "ann")).data, "before");
    assert.equal((await woken.receive("message", "bob")).data, "after");
    await woken.end();
    await stop(bridge);
});

test("a device that is removed while the bridge is away has left when it comes back", async () => {
    const { data, add, device } = place();
    const room = newRoom();
    const come = async (bridge, name, password) => (await Device.start(bridge.mqtt, { room, name, username: name, password, will: false })).end();
    let bridge = await start(data);
    const secrets = {};
    for (const name of ["stays", "goes", "moves"])
        secrets[name] = await until(() => add(name, "--room", room), `${name} is added`);
    for (const [name, secret] of Object.entries(secrets))
        await until(() => come(bridge, name, secret).then(() => true, () => false), `${name} is present`);
    await stop(bridge);
    await device("remove", "goes");
    await device("remove", "moves");
    await add("moves", "--room", newRoom());
    bridge = await start(data);
    await bridge.line(/device-cleared room=\S+ peer=goes/);
    await bridge.line(/device-cleared room=\S+ peer=moves/);
    const ann = await WsPeer.join(bridge.wsUrl, { room, peer: "ann", token });
    await until(() => [...rosterOf(ann).keys()].join() === "stays", "only one is left");
    await stop(bridge);
});

/* As a service has it: the bridge is a user of its own, the operator is root. Only root can do that. */
const asRoot = isRoot ? test : () => {};
asRoot("root changes the devices of a bridge that runs as somebody else", async () => {
    const { data, add, device, file } = place();
    const room = newRoom();
    const nobody = Number((await run("id", ["-u", "nobody"])).stdout);
    chownSync(data, nobody, nobody);
    const before = await add("cam1", "--room", room); /* makes the directory, before the first start */
    chmodSync(key.file, 0o644);
    chmodSync(join(key.file, ".."), 0o755);
    const program = new Program("setpriv", [`--reuid=${nobody}`, `--regid=${nobody}`, "--clear-groups", process.env.SIGBRIDGE_BIN,
        "--data", data, "--listen", "127.0.0.1:0", "--mqtt-listen", "127.0.0.1:0", "--jwt-key", key.option]);
    const { mqtt } = parseReady(await program.line((line) => parseReady(line) !== null));
    const come = (name, password) => Device.start(mqtt, { room, name, username: name, password });
    await (await come("cam1", before)).end();
    const { stdout, stderr } = await device("add", "cam2", "--room", room);
    assert.match(stderr, /the broker \(process \d+\) reads it now/);
    const cam2 = await until(() => come("cam2", SECRET.exec(stdout)[1]).catch(() => null), "cam2 gets in");
    await device("remove", "cam2");
    await deadline(cam2.closed, "cam2 is cut off");
    for (const name of ["devices.acl", "devices.passwd", "devices.lock"])
        assert.equal(statSync(file(name)).uid, nobody, name);
    const { code } = await program.stop();
    assertNoSanitizer(program);
    assert.equal(code, 0, program.tail());
});

/* ---- strangers ---- */

describe("the bridge's own socket", () => {
    const room = newRoom();
    const { data, add, file } = place();
    let bridge, ann, cam1, secret;
    before(async () => {
        secret = await add("cam1", "--room", room);
        bridge = await start(data);
        cam1 = await Device.start(bridge.mqtt, { room, name: "cam1", username: "cam1", password: secret });
        ann = await WsPeer.join(bridge.wsUrl, { room, peer: "ann", token });
        await sees(ann, "cam1");
    });
    after(() => stop(bridge));

    async function unharmed() {
        await ann.request({ type: "message", to: "cam1", data: 1 });
        await cam1.receive("message", "ann");
        assert.equal(await metric(bridge, "sigbridge_broker_connects_total"), 1);
        assert.equal(await metric(bridge, "sigbridge_ready"), 1);
    }

    const clientId = () => /as (\S+-[a-z0-9]{6}) /.exec(bridge.logs.find((line) => / as \S+-[a-z0-9]{6} /.test(line)))?.[1] ?? "_bridge";
    const strangers = [
        { name: "nobody", login: {} },
        { name: "the bridge's name alone", login: { username: "_bridge" } },
        { name: "a wrong password", login: { username: "_bridge", password: "0".repeat(32) } },
        { name: "an empty password", login: { username: "_bridge", password: "" } },
        { name: "a device with its right password", login: () => ({ username: "cam1", password: secret }) },
        { name: "the bridge's client id", login: () => ({ username: "_bridge", password: "x", clientId: clientId() }) },
        { name: "a will as the bridge", login: { username: "_bridge", password: "x", will: { topic: presenceTopic(room, "cam1"), payload: Buffer.alloc(0), qos: 1, retain: true } } },
    ];
    for (const version of [4, 5])
        for (const { name, login } of strangers)
            test(`refuses ${name}, MQTT ${version === 4 ? "3.1.1" : "5"}`, async () => {
                const options = typeof login === "function" ? login() : login;
                await assert.rejects(Mqtt.connect("localhost", { protocol: "mqtt+unix", path: file("bridge.sock"), version, ...options }), /closed the connection/);
                await unharmed();
            });

    test("bears bytes that are no MQTT, and publications before a login", async () => {
        const publish = Buffer.concat([Buffer.from([0x30, 3 + 40]), Buffer.from([0, 38]), Buffer.from(`sigbridge/v1/rooms/${room}/all/x`.padEnd(38, "x")), Buffer.from("{}")]);
        for (const bytes of [Buffer.alloc(4096, 0x5a), Buffer.alloc(65536, 0xff), Buffer.from("GET / HTTP/1.1\r\n\r\n"), publish]) {
            const socket = connect(file("bridge.sock"));
            const closed = new Promise((resolve) => socket.on("close", resolve));
            socket.on("error", () => {});
            await once(socket, "connect");
            socket.resume().write(bytes);
            await deadline(closed, "it is thrown out");
            await unharmed();
        }
    });

    test("is in a directory of the broker's user, with files for nobody else", () => {
        assert.equal(statSync(join(data, "broker")).mode & 0o777, 0o700);
        for (const name of ["bridge.passwd", "bridge.acl", "devices.passwd", "devices.acl"])
            assert.equal(statSync(file(name)).mode & 0o777, 0o640, name);
        assert.match(readFileSync(file("bridge.passwd"), "utf8"), /^_bridge:\$7\$101\$\S+\n$/);
        assert.deepEqual(readFileSync(file("bridge.acl"), "utf8").match(/^topic .*/gm).map((line) => line.replace("topic readwrite sigbridge/v1/", "")),
            ["rooms/+/peers/+/presence", "rooms/+/peers/+/in/+", "rooms/+/all/+", "bridges/+/status", "bridges/+/in/+"]);
    });

    test("the devices' port does not know the bridge's user, nor strangers", async () => {
        for (const login of [{}, { username: "_bridge", password: "x" }, { username: "cam1" }, { username: "cam1", password: "guess" }, { username: "cam9", password: secret }])
            await assert.rejects(Mqtt.connect(bridge.mqtt, login), /closed the connection/);
        await unharmed();
    });
});

test("who opens connections to the devices' port without end keeps neither the bridge out nor those who are there", async () => {
    const { data, add } = place();
    const room = newRoom();
    const login = { username: "cam1", password: await add("cam1", "--room", room) };
    const program = new Program("sh", ["-c", 'ulimit -n 400 && exec "$0" "$@"', process.env.SIGBRIDGE_BIN,
        "--data", data, "--listen", "127.0.0.1:0", "--mqtt-listen", "127.0.0.1:0", "--jwt-key", key.option]);
    const { mqtt, http } = parseReady(await program.line((line) => parseReady(line) !== null));
    const bridge = { url: `http://${http}/`, wsUrl: `ws://${http}/ws`, admin: key.token({ rooms: ["*"], can: ["admin"] }) };
    const max = Number(/^max_connections (\d+)$/m.exec(readFileSync(join(data, "broker/mosquitto.conf"), "utf8"))[1]);
    assert.ok(max > 100 && max < 400, String(max));
    const cam1 = await Device.start(mqtt, { room, name: "cam1", ...login });
    const ann = await WsPeer.join(bridge.wsUrl, { room, peer: "ann", token });
    await sees(ann, "cam1");
    const [host, port] = mqtt.split(":");
    const open = new Set();
    let closed = 0;
    for (let i = 0; i < 600; i++) {
        const socket = connect(Number(port), host);
        open.add(socket);
        socket.on("error", () => {}).on("close", () => open.delete(socket) && closed++);
        socket.resume();
    }
    await until(() => closed >= 600 - max, "what is over the bound is closed");
    await ann.request({ type: "message", to: "cam1", data: 1 });
    await cam1.receive("message", "ann");
    assert.equal(await metric(bridge, "sigbridge_broker_connects_total"), 1);
    for (const socket of open)
        socket.destroy();
    await cam1.end();
    await until(() => Device.start(mqtt, { room, name: "cam1", ...login }).then((device) => device.end()).then(() => true, () => false), "devices get in again");
    await ann.close();
    const { code } = await program.stop();
    assertNoSanitizer(program);
    assert.equal(code, 0, program.tail());
});

/* ---- modes ---- */

describe("the devices' listener", () => {
    const rows = [
        { name: "in development", dev: true, mqttListen: "127.0.0.1:0", anonymous: true, warns: false },
        { name: "on loopback", dev: false, mqttListen: "127.0.0.1:0", anonymous: false, warns: false },
        { name: "on every address", dev: false, mqttListen: "0.0.0.0:0", anonymous: false, warns: true },
    ];
    for (const { name, dev, mqttListen, anonymous, warns } of rows)
        test(`${name}: ${anonymous ? "lets anybody in" : "wants a password"}${warns ? ", and says that it crosses the network" : ""}`, async () => {
            const bridge = dev ? await startBridge({ mqttListen }) : await start(tempDir(), { mqttListen });
            const attempt = Mqtt.connect(`127.0.0.1:${bridge.mqtt.split(":").at(-1)}`);
            if (anonymous)
                await (await attempt).end();
            else
                await assert.rejects(attempt, /closed the connection/);
            assert.equal(bridge.logs.some((line) => / warn mqtt-plain .*broker-config/.test(line)), warns);
            await stop(bridge);
        });
});
