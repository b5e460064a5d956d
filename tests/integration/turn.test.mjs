/* TURN credentials that end by themselves: what the bridge gives out is taken by a real coturn. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { tempDir } from "./harness.mjs";
import { inSeconds, makeKey } from "./jwt.mjs";
import { allocate, startTurn, turnUser } from "./turn_server.mjs";
import { inboxTopic, newRoom, World } from "./world.mjs";

const SECRET = "north-3Kq8vTz1";
const TTL = 600;

describe("time-limited TURN credentials", () => {
    const key = makeKey("HS256");
    const given = [];
    let turn, world;

    before(async () => {
        turn = await startTurn({ secret: SECRET });
        const file = join(tempDir("secret"), "turn-secret");
        writeFileSync(file, `${SECRET}\n`, { mode: 0o600 });
        world = new World();
        await world.start({
            dev: false, args: ["--jwt-key", key.option],
            config: `ice_servers = (
                { urls = ["stun:127.0.0.1:${turn.port}"]; },
                { urls = ["turn:127.0.0.1:${turn.port}?transport=udp"]; secret_file = "${file}"; ttl = ${TTL}; });\n`,
        });
        world.bridge.admin = key.token({ can: ["admin"] });
    });

    after(async () => {
        await world.end();
        await turn.stop();
        for (const line of world.bridge.logs)
            for (const secret of [SECRET, ...given])
                assert.ok(!line.includes(secret), line);
    });

    const token = (claims) => key.token({ rooms: ["*"], ...claims });
    const join_ = (room, peer) => world.join({ room, peer, token: token() });

    /* The server's entry, as a client of the TURN server takes it. */
    function credentials(iceServers, name, asked) {
        assert.equal(iceServers.length, 2);
        assert.deepEqual(iceServers[0], { urls: [`stun:127.0.0.1:${turn.port}`] });
        const { urls, username, credential } = iceServers[1];
        assert.deepEqual(urls, [`turn:127.0.0.1:${turn.port}?transport=udp`]);
        const [expires, ...rest] = username.split(":");
        assert.equal(rest.join(":"), name);
        assert.ok(Number(expires) >= asked + TTL && Number(expires) <= inSeconds(TTL), `${username}, asked at ${asked}`);
        given.push(credential);
        return { username, password: credential, expires: Number(expires) };
    }

    test("a browser gets them when it joins, under its own name", async () => {
        const asked = inSeconds(0);
        const ann = await join_(newRoom(), "ann");
        const { relay } = await allocate(turn.port, credentials(ann.joined.iceServers, "ann", asked));
        assert.equal(relay?.address, "127.0.0.1");
    });

    test("fresh ones come with a fresh token", async () => {
        const ann = await join_(newRoom(), "ann");
        const asked = inSeconds(0);
        const { iceServers } = await ann.request({ type: "refresh", token: token() });
        assert.ok((await allocate(turn.port, credentials(iceServers, "ann", asked))).relay);
    });

    test("a device gets them when it asks", async () => {
        const room = newRoom();
        const cam = await world.device({ room, name: "cam1" });
        const asked = inSeconds(0);
        await cam.publish(inboxTopic(room, "_bridge", "cam1"), { type: "ice-servers", id: "q1" });
        const { iceServers, id } = await cam.receive("ice-servers", "_bridge");
        assert.equal(id, "q1");
        assert.ok((await allocate(turn.port, credentials(iceServers, "cam1", asked))).relay);
    });

    test("each session has its own", async () => {
        const room = newRoom();
        const peers = await Promise.all(["ann", "bob"].map((name) => join_(room, name)));
        const users = peers.map((peer) => peer.joined.iceServers[1]);
        assert.notEqual(users[0].username, users[1].username);
        assert.notEqual(users[0].credential, users[1].credential);
    });

    test("what is altered or has ended is refused", async () => {
        const ann = await join_(newRoom(), "ann");
        const good = credentials(ann.joined.iceServers, "ann", inSeconds(-5));
        const refused = {
            "a later end": { ...good, username: `${good.expires + 3600}:ann` },
            "another name": { ...good, username: `${good.expires}:bob` },
            "another password": { ...good, password: good.password.replace(/^./, (c) => (c === "A" ? "B" : "A")) },
            "no password": { ...good, password: "" },
            "another secret": turnUser("south", good.expires, "ann"),
            "the right secret, but over": turnUser(SECRET, inSeconds(-1), "ann"),
        };
        for (const [name, user] of Object.entries(refused))
            assert.deepEqual(await allocate(turn.port, user), { error: 401 }, name);
        /* The bridge makes what coturn's documentation says. */
        assert.deepEqual(turnUser(SECRET, good.expires, "ann"), { username: good.username, password: good.password });
        assert.ok((await allocate(turn.port, good)).relay);
    });
});
