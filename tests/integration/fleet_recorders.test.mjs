/* A large installation as broker-config/LARGER-BROKERS.md has it: bridges that watch only the rooms of
 * their sessions, and beside them one that watches and records all, or several that share that. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { run, tempDir, until } from "./harness.mjs";
import { codeBlock } from "./readme.mjs";
import { metric, newRoom, presenceTopic, sees, sql, World } from "./world.mjs";

const rows = (bridge) => sql(bridge, "SELECT DISTINCT room, peer FROM membership ORDER BY room, peer").then((all) => all.map((r) => `${r.room}/${r.peer}`));
const records = (bridge, wanted) => until(async () => JSON.stringify(await rows(bridge)) === JSON.stringify(wanted),
    () => `the database of ${bridge.ready.bridge} has ${wanted}`);

describe("one recorder beside bridges with scope = rooms", () => {
    const world = new World();
    const room = { one: newRoom(), two: newRoom(), nobody: newRoom() };
    let recorder, one, two;
    const start = (name, scope) => world.addBridge({ config: `presence: { scope = "${scope}"; };\n`, args: ["--bridge-id", name] });

    before(async () => {
        world.broker = await world.addBroker();
        recorder = await start("0-recorder", "all");
        one = await start("one", "rooms");
        two = await start("two", "rooms");
    });
    after(() => world.end());

    test("it records every room, the others only theirs", async () => {
        await world.device({ room: room.nobody, name: "cam" });
        await world.join({ room: room.one, peer: "ann" }, { bridge: one });
        await world.join({ room: room.two, peer: "bob" }, { bridge: two });
        await records(recorder, [`${room.one}/ann`, `${room.two}/bob`, `${room.nobody}/cam`].sort());
        await records(one, [`${room.one}/ann`]);
        await records(two, [`${room.two}/bob`]);
        assert.deepEqual(await Promise.all([recorder, one, two].map((b) => metric(b, "sigbridge_peers"))), [3, 1, 1]);
    });

    test("it clears what a killed bridge left in rooms that nobody else watches", async () => {
        const eye = await world.mqtt();
        await eye.subscribe(presenceTopic(room.two, "bob"));
        await eye.expect(presenceTopic(room.two, "bob"));
        await world.kill(two);
        assert.equal((await eye.expect(presenceTopic(room.two, "bob"), (m) => m.text === "")).reason, "bridge-gone");
    });

    test("it clears a device whose ttl is over in a room that nobody else watches", async () => {
        const eye = await world.mqtt();
        await eye.subscribe(presenceTopic(room.nobody, "timed"));
        await world.device({ room: room.nobody, name: "timed", presence: { kind: "device", ttl: 2 } });
        assert.equal((await eye.expect(presenceTopic(room.nobody, "timed"), (m) => m.text === "")).reason, "ttl");
    });
});

test("the configuration of a recorder is one that a bridge takes", async () => {
    const dir = tempDir("recorder");
    writeFileSync(join(dir, "sigbridge.conf"), codeBlock("broker-config/LARGER-BROKERS.md", "conf", "0-recorder"));
    const { code, stdout, stderr } = await run(process.env.SIGBRIDGE_BIN, ["-c", join(dir, "sigbridge.conf"), "--data", dir, "--dev", "--check-config"]);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /bridge_id = "0-recorder"/);
});

describe("two recorders that share the rooms by the broker's rights", () => {
    const world = new World();
    const mine = [newRoom(), newRoom()], theirs = [newRoom()];
    const share = (user, rooms) => [`user ${user}`, "topic readwrite sigbridge/v1/bridges/#", "topic write sigbridge/v1/rooms/#",
        ...rooms.map((room) => `topic read sigbridge/v1/rooms/${room}/#`), ""].join("\n");
    let first, second, serving;

    before(async () => {
        world.broker = await world.addBroker({ acl: `topic readwrite #\n\n${share("first", mine)}\n${share("second", theirs)}` });
        const start = (user) => world.addBridge({ args: ["--bridge-id", user], env: { SIGBRIDGE_MQTT_USERNAME: user } });
        first = await start("first");
        second = await start("second");
        serving = await world.addBridge({ args: ["--bridge-id", "serving"], config: 'presence: { scope = "rooms"; };\n' });
    });
    after(() => world.end());

    test("each is ready, and records its own", async () => {
        for (const room of [...mine, ...theirs]) {
            const ann = await world.join({ room, peer: "ann" }, { bridge: serving });
            await world.device({ room, name: "cam" });
            await sees(ann, "cam");
        }
        const of = (rooms) => rooms.flatMap((room) => [`${room}/ann`, `${room}/cam`]).sort();
        await records(first, of(mine));
        await records(second, of(theirs));
        assert.deepEqual([await metric(first, "sigbridge_ready"), await metric(first, "sigbridge_peers"), await metric(second, "sigbridge_peers")], [1, 4, 2]);
    });
});
