/* Tokens, end to end: who gets in, how long, and who may look at metrics and rosters. What makes a
 * token sound, case by case, is in tests/unit/test_token.c. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { endAll, startBridge, tempDir, until, WsPeer } from "./harness.mjs";
import { inSeconds, makeKey } from "./jwt.mjs";
import { assertError, assertLog, get, metric, World } from "./world.mjs";

const algorithms = ["HS256", "RS256", "ES256", "EdDSA"];
const flags = (...keys) => keys.flatMap((key) => ["--jwt-key", key.option]);
const bearer = (token) => ({ headers: { authorization: `Bearer ${token}` } });

/* Joins on a socket of its own and returns the peer; or the error and the close code. */
async function tryJoin(bridge, { query = "", headers, ...fields }) {
    const peer = await WsPeer.connect(`${bridge.wsUrl}${query}`, { headers });
    try {
        peer.joined = await peer.ask({ type: "join", room: "yard", peer: "me", ...fields }, "joined");
        return { peer };
    } catch (error) {
        const answer = error.answer ?? peer.received.find((m) => m.type === "error");
        peer.socket.terminate();
        return { error: answer, closed: await peer.closed };
    }
}

describe("tokens", () => {
    const keys = Object.fromEntries(algorithms.map((alg) => [alg, makeKey(alg)]));
    let world, bridge;
    const secrets = [];
    const token = (alg, claims) => {
        const text = keys[alg].token({ rooms: ["yard"], ...claims });
        secrets.push(text, ...text.split("."));
        return text;
    };

    before(async () => {
        world = new World();
        await world.start({ dev: false, args: flags(...Object.values(keys)) });
        bridge = world.bridge;
        bridge.admin = token("EdDSA", { can: ["admin"] });
    });

    after(async () => {
        for (const line of bridge.logs)
            for (const secret of secrets)
                assert.ok(secret.length < 8 || !line.includes(secret), line);
        await world.end();
    });

    for (const alg of algorithms) {
        const sources = {
            "the field": () => ({ token: token(alg) }),
            "the query": () => ({ query: `?token=${token(alg)}` }),
            "the header": () => bearer(token(alg)),
            "the header, before a bad query and field": () => ({ ...bearer(token(alg)), query: "?token=bad", token: "bad" }),
            "the query, before a bad field": () => ({ query: `?token=${token(alg)}`, token: "bad" }),
        };
        for (const [name, source] of Object.entries(sources))
            test(`${alg} in ${name}`, async () => {
                const { peer, error } = await tryJoin(bridge, source());
                assert.ok(peer, JSON.stringify(error));
                assert.ok(peer.joined.tokenExpiresIn > 3590 && peer.joined.tokenExpiresIn <= 3600);
                await peer.close();
                await until(async () => (await metric(bridge, "sigbridge_sessions")) === 0, "it left");
            });
    }

    const refused = {
        "no token": [{}, 401, "unauthorized", 4401],
        "expired": [{ token: token("HS256", { exp: inSeconds(-1) }) }, 401, "unauthorized", 4401],
        "a bad header, before a good field": [{ ...bearer("bad"), token: token("ES256") }, 401, "unauthorized", 4401],
        "another room": [{ room: "street", token: token("HS256") }, 403, "forbidden", undefined],
        "another name": [{ token: token("HS256", { sub: "you" }) }, 403, "forbidden", undefined],
    };
    for (const [name, [fields, code, word, close]] of Object.entries(refused))
        test(`refused: ${name}`, async () => {
            const { error, closed } = await tryJoin(bridge, fields);
            assertError(error, { code, error: word });
            if (close)
                assert.equal(closed.code, close);
        });

    test("a token's end ends the membership; refresh in time goes on", async () => {
        const stays = await world.join({ room: "yard", peer: "stays", token: token("ES256", { exp: inSeconds(3) }) });
        const goes = await world.join({ room: "yard", peer: "goes", token: token("ES256", { exp: inSeconds(3) }) });
        const ack = await stays.request({ type: "refresh", token: token("HS256") });
        assert.ok(ack.tokenExpiresIn > 3590);
        assert.deepEqual(ack.iceServers, []);
        const { code } = await goes.closed;
        assert.equal(code, 4401);
        assertError(goes.received.at(-1), { code: 401, error: "unauthorized" });
        await until(() => stays.received.some((m) => m.left?.some((l) => l.peer === "goes" && l.reason === "expired")), "goes left");
        await stays.request({ type: "leave" });
    });

    test("who proves the name takes it over", async () => {
        const old = await world.join({ room: "yard", peer: "ada", token: token("RS256", { sub: "ada" }) });
        const { error } = await tryJoin(bridge, { peer: "ada", token: token("RS256") });
        assertError(error, { code: 409, error: "peer-taken" });
        const fresh = await world.join({ room: "yard", token: token("EdDSA", { sub: "ada" }) });
        assert.equal(fresh.joined.peer, "ada");
        assert.equal((await old.closed).code, 4409);
        await fresh.request({ type: "leave" });
    });

    test("on another bridge, too", async () => {
        const second = await world.addBridge({ dev: false, args: flags(...Object.values(keys)) });
        second.admin = bridge.admin;
        const witness = await world.join({ room: "yard", peer: "witness", token: token("HS256") });
        const old = await world.join({ room: "yard", peer: "eve", token: token("RS256", { sub: "eve" }) });
        const { error } = await tryJoin(second, { peer: "eve", token: token("RS256") });
        assertError(error, { code: 409, error: "peer-taken" });
        const fresh = await world.join({ room: "yard", peer: "eve", token: token("RS256", { sub: "eve" }) }, { bridge: second });
        assert.equal((await old.closed).code, 4409);
        await witness.request({ type: "bye", to: "eve" });
        await fresh.expect("bye");
        assert.ok(witness.received.some((m) => m.left?.some((l) => l.peer === "eve" && l.reason === "replaced")));
        await fresh.request({ type: "leave" });
        await witness.request({ type: "leave" });
    });

    test("the token's meta counts", async () => {
        const peer = await world.join({ room: "yard", peer: "bob", meta: { name: "Eve", hat: 1 },
            token: token("HS256", { meta: { name: "Bob" } }) });
        const other = await world.join({ room: "yard", peer: "see", token: token("HS256") });
        assert.deepEqual(other.joined.peers.find((p) => p.peer === "bob").meta, { name: "Bob", hat: 1 });
        await peer.request({ type: "leave" });
        await other.request({ type: "leave" });
    });

    const looks = [
        ["/healthz", null, 200],
        ["/readyz", null, 200],
        ["/metrics", null, 401],
        ["/metrics", {}, 403],
        ["/metrics", { can: ["admin"] }, 200],
        ["/api/v1/rooms", null, 401],
        ["/api/v1/rooms", { can: ["offer"] }, 403],
        ["/api/v1/rooms", { can: ["admin"] }, 200],
        ["/api/v1/rooms/nobody", { can: ["admin"] }, 404],
        ["/api/v1/rooms/yard/peers", { can: ["admin"] }, 404],
    ];
    for (const [path, claims, status] of looks)
        test(`${path} with ${claims ? JSON.stringify(claims) : "no token"}: ${status}`, async () => {
            const answer = await get(bridge, path, claims ? bearer(token("ES256", claims)) : { headers: {} });
            assert.equal(answer.status, status, answer.text);
            if (status === 401)
                assert.match(answer.headers.get("www-authenticate"), /^Bearer/);
        });

    test("the roster by the API", async () => {
        const admin = bearer(token("ES256", { can: ["admin"] }));
        const peer = await world.join({ room: "yard", peer: "bob", meta: { hat: 1 }, token: token("HS256") });
        const rooms = JSON.parse((await get(bridge, "/api/v1/rooms", admin)).text);
        assert.deepEqual(rooms, { rooms: [{ room: "yard", peers: 1, sessions: 1 }] });
        const room = JSON.parse((await get(bridge, "/api/v1/rooms/yard", admin)).text);
        assert.equal(room.room, "yard");
        assert.deepEqual(room.peers.map(({ since, ...rest }) => rest),
            [{ peer: "bob", kind: "browser", meta: { hat: 1 }, via: bridge.ready.bridge }]);
        await peer.request({ type: "leave" });
    });
});

test("keys are exchanged at SIGHUP; sessions go on", async () => {
    const dir = tempDir("keys");
    const file = join(dir, "jwks.json");
    const old = makeKey("ES256", { kid: "2025" });
    const fresh = makeKey("ES256", { kid: "2026" });
    const jwks = (...list) => writeFileSync(file, JSON.stringify({ keys: list.map((k) => ({ ...k.jwk, kid: k.kid, alg: "ES256", use: "sig" })) }));
    jwks(old);
    const world = new World();
    await world.start({ dev: false, args: ["--jwt-key", `ES256:${file}`] });
    const bridge = world.bridge;
    bridge.admin = old.token({ can: ["admin"] });
    const member = await world.join({ room: "r", peer: "a", token: old.token({ rooms: ["r"] }) });
    assertError((await tryJoin(bridge, { room: "r", token: fresh.token({ rooms: ["r"] }) })).error, { code: 401, error: "unauthorized" });
    jwks(old, fresh);
    bridge.kill("SIGHUP");
    await bridge.line(/ reloaded .*read=jwt_key/);
    const second = await world.join({ room: "r", peer: "b", token: fresh.token({ rooms: ["r"] }) });
    jwks(fresh);
    bridge.kill("SIGHUP");
    await until(async () => (await tryJoin(bridge, { room: "r", token: old.token({ rooms: ["r"] }) })).error?.error === "unauthorized", "the old key is gone");
    writeFileSync(file, "{");
    bridge.kill("SIGHUP");
    await bridge.line(/reload-failed/);
    await member.ask({ type: "ping" }, "pong");
    await second.request({ type: "refresh", token: fresh.token({ rooms: ["r"] }) });
    bridge.admin = fresh.token({ can: ["admin"] });
    await world.end();
});

test("too many bad tokens make an address wait", async () => {
    const key = makeKey("HS256");
    const bridge = await startBridge({ dev: false, args: flags(key), env: { SIGBRIDGE_LIMITS_AUTH_FAILURES: "3" } });
    const errors = [];
    for (let i = 0; i < 6; i++)
        errors.push((await tryJoin(bridge, { token: "a.b.c" })).error);
    assert.deepEqual(errors.slice(0, 4).map((e) => e.error), Array(4).fill("unauthorized"));
    assertError(errors[5], { code: 429, error: "rate-limited" });
    assert.ok(errors[5].retryAfter > 0 && errors[5].retryAfter <= 60_000);
    await bridge.line(/refused from=ws address=127\.0\.0\.1 .*error=unauthorized/);
    await until(async () => (await tryJoin(bridge, { token: key.token({ rooms: ["*"] }) })).peer, "the wait is over");
    assertLog(bridge);
    await endAll(bridge);
});

test("development mode says so, and needs no token", async () => {
    const bridge = await startBridge();
    await bridge.line(/warn development-mode/);
    const { peer } = await tryJoin(bridge, {});
    assert.equal(peer.joined.tokenExpiresIn, undefined);
    assert.equal((await get(bridge, "/metrics")).status, 200);
    peer.socket.terminate();
    await endAll(bridge);
});
