/* SIGHUP: what is read again, what stays, and when. */
import assert from "node:assert/strict";
import { copyFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { connect as tlsConnect } from "node:tls";
import { makePair } from "./certificates.mjs";
import { deadline, parseReady, Program, startBridge, tempDir, until, WsPeer } from "./harness.mjs";
import { makeKey } from "./jwt.mjs";
import { assertNoSanitizer, newRoom, World } from "./world.mjs";

const dir = tempDir("reload");
const files = { cert: join(dir, "server.crt"), key: join(dir, "server.key"), secret: join(dir, "tokens.key") };
const [good, other] = [await makePair(), await makePair({ kind: "rsa" })];
const [oldKey, newKey] = [makeKey("HS256"), makeKey("HS256")];
const world = new World();
before(() => world.start());
after(() => world.end());

const put = {
    keys: (key) => writeFileSync(files.secret, key.pem),
    certificate: (pair) => {
        copyFileSync(pair.cert, files.cert);
        copyFileSync(pair.key, files.key);
    },
};
const spoil = {
    keys: () => writeFileSync(files.secret, "short\n"),
    certificate: () => copyFileSync(good.key, files.key),
};

/* The lines about reloading, without their times, that a SIGHUP brings: `count` of them. */
async function hangUp(bridge, count) {
    const about = () => bridge.logs.filter((line) => / reload(ed|-failed) /.test(line)).map((line) => line.slice(line.indexOf(" ") + 1));
    const seen = about().length;
    bridge.kill("SIGHUP");
    await until(() => about().length >= seen + count, () => `${count} lines after SIGHUP\n${bridge.tail()}`);
    return about().slice(seen);
}

test("with nothing to read, it says so", async () => {
    const [line, ...more] = await hangUp(world.bridge, 1);
    assert.match(line, /^info reloaded what=nothing rest="restart to change other options"$/);
    assert.deepEqual(more, []);
});

describe("keys and certificate", () => {
    let bridge, ann, bob;
    const token = (key) => key.token({ rooms: ["*"] });
    const join_ = (key, fields, room = newRoom()) => WsPeer.join(bridge.wsUrl, { room, token: token(key), ...fields }, { ca: good.pem });

    const fingerprint = () => {
        const [, port] = bridge.ready.https.split(":");
        const socket = tlsConnect({ host: "127.0.0.1", port: Number(port), rejectUnauthorized: false });
        return deadline(new Promise((resolve, reject) => {
            socket.once("error", reject);
            socket.once("secureConnect", () => resolve(socket.getPeerCertificate().fingerprint256));
        }), "a handshake").finally(() => socket.destroy());
    };

    before(async () => {
        put.keys(oldKey);
        put.certificate(good);
        bridge = await startBridge({ broker: world.broker.url, dev: false, listen: "https://127.0.0.1:0",
            args: ["--tls-cert", files.cert, "--tls-key", files.key, "--jwt-key", `HS256:${files.secret}`] });
        bridge.wsUrl = `wss://${bridge.ready.https}/ws`;
        const room = newRoom();
        ann = await join_(oldKey, { peer: "ann" }, room);
        bob = await join_(oldKey, { peer: "bob" }, room);
    });

    after(async () => {
        assert.deepEqual(await bridge.stop(), { code: 0, signal: null }, bridge.tail());
        assertNoSanitizer(bridge);
        for (const key of [oldKey, newKey])
            assert.ok(bridge.logs.every((line) => !line.includes(key.secret)), "no secret in the log");
    });

    const rows = [
        { name: "both good", lines: [/^info reloaded what=keys,certificate /], keys: newKey, pair: other },
        { name: "the certificate bad", bad: ["certificate"], lines: [/^error reload-failed what=certificate why="[^"]*server\.key does not fit/, /^info reloaded what=keys /], keys: newKey, pair: good },
        { name: "the keys bad", bad: ["keys"], lines: [/^error reload-failed what=keys why="[^"]*tokens\.key/, /^info reloaded what=certificate /], keys: oldKey, pair: other },
        { name: "both bad", bad: ["keys", "certificate"], lines: [/^error reload-failed what=keys /, /^error reload-failed what=certificate /], keys: oldKey, pair: good },
    ];
    for (const { name, bad = [], lines, keys, pair } of rows)
        test(name, async () => {
            put.keys(oldKey);
            put.certificate(good);
            await hangUp(bridge, 1);
            assert.equal(await fingerprint(), good.fingerprint);

            put.keys(newKey);
            put.certificate(other);
            for (const part of bad)
                spoil[part]();
            const said = await hangUp(bridge, lines.length);
            assert.equal(said.length, lines.length, said.join("\n"));
            lines.forEach((line, i) => assert.match(said[i], line));

            assert.equal(await fingerprint(), pair.fingerprint);
            const ca = `${good.pem}${other.pem}`;
            const stale = keys === newKey ? oldKey : newKey;
            const peer = await WsPeer.join(bridge.wsUrl, { room: newRoom(), peer: "me", token: token(keys) }, { ca });
            peer.socket.terminate();
            await assert.rejects(WsPeer.join(bridge.wsUrl, { room: newRoom(), peer: "me", token: token(stale) }, { ca }));

            await ann.request({ type: "message", to: "bob", data: name });
            assert.equal((await bob.expect("message")).data, name);
        });
});

test("while the bridge starts, it waits until it runs", async () => {
    const bridge = new Program(process.env.SIGBRIDGE_BIN, ["--dev", "--broker", world.broker.url, "--data", tempDir(), "--listen", "127.0.0.1:0"]);
    await bridge.line(" development-mode ");
    bridge.kill("SIGHUP");
    await bridge.line((line) => parseReady(line) !== null);
    await bridge.line(" reloaded ");
    assert.deepEqual(await bridge.stop(), { code: 0, signal: null }, bridge.tail());
    assertNoSanitizer(bridge);
});

test("while the bridge goes down, nothing is read any more", async () => {
    const bridge = await world.addBridge();
    const slow = await WsPeer.join(bridge.wsUrl, { room: newRoom(), peer: "slow" });
    slow.socket._socket.pause(); /* the bridge waits for its answer to the Close */
    bridge.kill("SIGTERM");
    await bridge.line(" draining ");
    bridge.kill("SIGHUP");
    assert.deepEqual(await deadline(bridge.exited, "its end"), { code: 0, signal: null }, bridge.tail());
    assert.ok(bridge.logs.every((line) => !line.includes("reload")), bridge.tail());
    assertNoSanitizer(bridge);
    world.bridges = world.bridges.filter((b) => b !== bridge);
    slow.socket.terminate();
});
