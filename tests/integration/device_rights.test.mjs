/* A device's rights at the embedded broker, as `sigbridge device add` gives them. */
import assert from "node:assert/strict";
import { run, startBridge, tempDir } from "./harness.mjs";
import { deviceRights } from "./device_rights.mjs";
import { makeKey } from "./jwt.mjs";
import { assertNoSanitizer } from "./world.mjs";

const key = makeKey("HS256");

async function embedded(rooms) {
    const data = tempDir("data");
    const secrets = {};
    for (const [name, room] of Object.entries({ cam1: rooms.own, cam2: rooms.own, cam3: rooms.other, spare: rooms.own })) {
        const { code, stdout, stderr } = await run(process.env.SIGBRIDGE_BIN, ["device", "add", name, "--room", room, "--data", data]);
        assert.equal(code, 0, stderr);
        secrets[name] = /^password: ([0-9a-f]{32})\n$/.exec(stdout)[1];
    }
    const bridge = await startBridge({ data, dev: false, args: ["--log-level", "debug", "--jwt-key", key.option] });
    bridge.admin = key.token({ rooms: ["*"], can: ["admin"] });
    return {
        bridge, address: bridge.mqtt, token: key.token({ rooms: ["*"] }),
        login: (name) => ({ username: name, password: secrets[name] }),
        async end() {
            const { code } = await bridge.stop();
            assertNoSanitizer(bridge);
            assert.equal(code, 0, bridge.tail());
            const logs = bridge.logs.join("\n");
            for (const secret of Object.values(secrets))
                assert.ok(!logs.includes(secret), "no password in the log");
        },
    };
}

for (const version of [4, 5])
    deviceRights("the embedded broker", embedded, { version });
