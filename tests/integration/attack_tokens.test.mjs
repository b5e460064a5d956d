/* Tokens that are none, by every way a token can come: nobody gets in, the answer is the same, the
 * address has to wait after some, others do not, and no part of a token gets into the log. What makes a
 * token sound, case by case, is in tests/unit/test_token.c. */
import assert from "node:assert/strict";
import { createHmac, createPublicKey, generateKeyPairSync, sign as signBytes } from "node:crypto";
import { after, before, describe, test } from "node:test";
import { ATTACKER, handshake, Target, textFrame, times } from "./attacker.mjs";
import { deadline, tempDir, WsPeer } from "./harness.mjs";
import { base64url, compact, inSeconds, makeKey } from "./jwt.mjs";
import { assertError, get } from "./world.mjs";

const dir = tempDir("keys");
const hs = makeKey("HS256", { kid: "h1", dir });
const rs = makeKey("RS256", { kid: "r1", dir });
const es = makeKey("ES256", { kid: "e1", dir });
const ed = makeKey("EdDSA", { kid: "d1", dir });
const hmac = (secret) => (bytes) => createHmac("sha256", secret).update(bytes).digest();

const claims = { exp: inSeconds(3600), rooms: ["*"], sub: "eve" };
const sound = hs.token(claims);
const [head, body, signature] = sound.split(".");
const other = makeKey("ES256", { dir: tempDir("other") });
const publicDer = createPublicKey(rs.pem).export({ type: "spki", format: "der" });
const derSigner = (bytes) => signBytes("sha256", bytes, { key: es.privatePem, dsaEncoding: "der" });

/* Each must be refused although everything but its name is right. */
const forged = {
    "alg none without a signature": `${base64url({ alg: "none" })}.${body}.`,
    "alg none with a signature": `${base64url({ alg: "none" })}.${body}.${signature}`,
    "alg nOnE": `${base64url({ alg: "nOnE", kid: "h1" })}.${body}.`,
    "alg none and the kid of a key": `${base64url({ alg: "none", kid: "r1" })}.${body}.`,
    "the RSA public key as HMAC secret": compact({ alg: "HS256", kid: "r1" }, claims, hmac(rs.pem)),
    "the same without kid": compact({ alg: "HS256" }, claims, hmac(rs.pem)),
    "the same without the final line end": compact({ alg: "HS256" }, claims, hmac(rs.pem.trimEnd())),
    "the RSA public key's DER as HMAC secret": compact({ alg: "HS256" }, claims, hmac(publicDer)),
    "the EC public key as HMAC secret": compact({ alg: "HS256", kid: "e1" }, claims, hmac(es.pem)),
    "an empty HMAC secret": compact({ alg: "HS256", kid: "h1" }, claims, hmac("")),
    "alg of another key": compact({ alg: "RS256", kid: "h1" }, claims, hs.sign),
    "kid of another key": compact({ alg: "HS256", kid: "e1" }, claims, hs.sign),
    "kid that nobody has": compact({ alg: "HS256", kid: "h2" }, claims, hs.sign),
    "kid like a path": compact({ alg: "HS256", kid: "../../../../dev/null" }, claims, hmac("")),
    "kid like SQL": compact({ alg: "HS256", kid: "' UNION SELECT 'x" }, claims, hmac("x")),
    "kid like a log line": compact({ alg: "HS256", kid: "h1\n2026-01-01T00:00:00.000Z error forged" }, claims, hs.sign),
    "a key of its own in the header": compact({ alg: "ES256", jwk: other.jwk }, claims, other.sign),
    "the address of a key in the header": compact({ alg: "ES256", jku: "http://127.0.0.1/keys", x5u: "http://127.0.0.1/" }, claims, other.sign),
    "a foreign key with our kid": compact({ alg: "ES256", kid: "e1" }, claims, other.sign),
    "crit": compact({ alg: "HS256", kid: "h1", crit: ["exp"] }, claims, hs.sign),
    "expired": hs.token({ ...claims, exp: inSeconds(-1) }),
    "not yet valid": hs.token({ ...claims, nbf: inSeconds(3600) }),
    "without an end": compact({ alg: "HS256", kid: "h1" }, { rooms: ["*"] }, hs.sign),
    "an end beyond all numbers": compact({ alg: "HS256", kid: "h1" }, '{"exp":1e999,"rooms":["*"]}', hs.sign),
    "two ends": compact({ alg: "HS256", kid: "h1" }, `{"exp":1,"rooms":["*"],"exp":${claims.exp}}`, hs.sign),
    "claims that are no object": compact({ alg: "HS256", kid: "h1" }, "[]", hs.sign),
    "claims that are no UTF-8": compact({ alg: "HS256", kid: "h1" }, Buffer.from(`{"exp":${claims.exp},"rooms":["*"],"x":"\xff"}`, "latin1"), hs.sign),
    "deep claims": compact({ alg: "HS256", kid: "h1" }, `{"exp":${claims.exp},"x":${"[".repeat(1000)}${"]".repeat(1000)}}`, hs.sign),
    "without its signature": `${head}.${body}.`,
    "without its signature and dot": `${head}.${body}`,
    "without claims": `${head}..${signature}`,
    "without a header": `.${body}.${signature}`,
    "with a fourth part": `${sound}.${signature}`,
    "encrypted (five parts)": `${head}.${body}.${body}.${body}.${signature}`,
    "the signature cut short": sound.slice(0, -8),
    "the signature's last bits changed": sound.slice(0, -1) + String.fromCharCode(sound.charCodeAt(sound.length - 1) + 1),
    "other claims under the signature": `${head}.${base64url({ ...claims, sub: "root" })}.${signature}`,
    "an EC signature of zeros": `${base64url({ alg: "ES256", kid: "e1" })}.${body}.${base64url(Buffer.alloc(64))}`,
    "an EC signature in DER": compact({ alg: "ES256", kid: "e1" }, claims, derSigner),
    "an Ed25519 signature of zeros": `${base64url({ alg: "EdDSA", kid: "d1" })}.${body}.${base64url(Buffer.alloc(64))}`,
    "a key too short to trust": (() => {
        const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 1024 });
        return compact({ alg: "RS256", kid: "r1" }, claims, (bytes) => signBytes("sha256", bytes, privateKey));
    })(),
    "padding": `${sound}=`,
    "dots": ".".repeat(100),
    "no token": "hello",
    "HTML": "<script>alert(1)</script>",
};

const secrets = Object.values(forged).filter((t) => t.length > 40).flatMap((t) => [t.slice(0, 60), ...t.split(".").filter((part) => part.length > 20)]);

/* Every way in: what the socket and the message `join` hold. */
const ways = {
    header: (token) => ({ options: { headers: { authorization: `Bearer ${token}` } } }),
    query: (token) => ({ query: `?token=${encodeURIComponent(token)}` }),
    field: (token) => ({ fields: { token } }),
};

/* What became of it: the error and the close code. */
async function attempt(target, { options = {}, query = "", fields = {} }, localAddress = ATTACKER) {
    const peer = await WsPeer.connect(`${target.bridge.wsUrl}${query}`, { localAddress, ...options });
    const answer = peer.ask({ type: "join", room: "yard", peer: "eve", ...fields }, "joined").then((joined) => ({ joined }), (error) => ({ error: error.answer }));
    const outcome = await answer;
    outcome.error ??= peer.received.find((m) => m.type === "error");
    if (outcome.error?.code !== 401)
        peer.socket.close(); /* it may try again on this socket */
    outcome.code = (await deadline(peer.closed, "the close")).code;
    return outcome;
}

describe("forged tokens", () => {
    let target;
    before(async () => {
        target = await Target.start({ keys: [hs, rs, es, ed], env: { SIGBRIDGE_LIMITS_AUTH_FAILURES: "1000000" } });
    });
    after(() => target.end());

    for (const [way, make] of Object.entries(ways)) {
        test(`the sound one gets in by ${way}`, async () => {
            const { joined } = await attempt(target, make(sound));
            assert.equal(joined?.peer, "eve");
        });

        test(`${Object.keys(forged).length} forged tokens in the ${way}`, () => target.withstands(async () => {
            const list = Object.entries(forged).filter(([, token]) => way !== "header" || /^[\x21-\x7e]*$/.test(token));
            await times(list.length, async (i) => {
                const [name, token] = list[i];
                const { joined, error, code } = await attempt(target, make(token));
                assert.equal(joined, undefined, name);
                assertError(error, { code: 401, error: "unauthorized" }, name);
                assert.equal(code, 4401, name);
                for (const secret of secrets)
                    assert.ok(!error.message.includes(secret), `${name}: ${error.message}`);
            });
        }, { log: way === "header" ? /refused .*address=127\.0\.0\.3 .*error=unauthorized/ : [], lines: 60, secrets })); /* then the log's budget is used up */
    }

    test("tokens that are too long", () => target.withstands(async () => {
        for (const token of [hs.token({ ...claims, x: "x".repeat(7000) }), "x".repeat(9000), "x".repeat(100_000), "x".repeat(250_000)]) {
            const { joined, error } = await attempt(target, ways.field(token));
            assert.equal(joined, undefined);
            assert.ok([400, 401, 413].includes(error.code), JSON.stringify(error));
        }
        for (const size of [8190, 9000, 30_000, 1_000_000])
            for (const text of [handshake("/ws", `Authorization: Bearer ${"x".repeat(size)}\r\n`), handshake(`/ws?token=${"x".repeat(size)}`)]) {
                const raw = await target.raw();
                await raw.send(text);
                await raw.send(textFrame({ type: "join", room: "yard", peer: "eve" }));
                assert.doesNotMatch((await raw.finish()).toString("latin1"), /"joined"/);
            }
    }, { secrets: ["xxxxxxxxxxxxxxxxxxxxxxxx"] }));

    const headers = {
        "Basic": `Basic ${Buffer.from(`eve:${sound}`).toString("base64")}`,
        "Bearer and nothing": "Bearer",
        "Bearer and spaces": "Bearer     ",
        "the token alone": sound,
        "two tokens": `Bearer ${sound} ${sound}`,
        "two tokens with a comma": `Bearer ${sound}, Bearer ${sound}`,
        "another scheme that begins so": `Bearerx ${sound}`,
    };
    for (const [name, authorization] of Object.entries(headers))
        test(`an Authorization header that is none: ${name}`, async () => {
            const { joined, error } = await attempt(target, { options: { headers: { authorization } } });
            assert.equal(joined, undefined);
            assertError(error, { code: 401, error: "unauthorized" });
        });

    const hidden = {
        "behind a bad header": handshake("/ws", `Authorization: Bearer bad\r\nAuthorization: Bearer ${sound}\r\n`),
        "behind a bad one in the query": handshake(`/ws?token=bad&token=${sound}`),
        "under another name": handshake(`/ws?TOKEN=${sound}`),
        "under a longer name": handshake(`/ws?xtoken=${sound}`),
        "in the fragment": handshake(`/ws?x=1#token=${sound}`),
        "under a name with NUL": handshake(`/ws?token%00=${sound}`),
    };
    for (const [name, text] of Object.entries(hidden))
        test(`a token that is not where it belongs: ${name}`, async () => {
            const raw = await target.raw();
            await raw.send(text);
            await raw.send(textFrame({ type: "join", room: "yard", peer: "eve" }));
            assert.doesNotMatch((await raw.finish()).toString("latin1"), /"joined"/);
            target.checkLog(undefined, secrets);
        });

    /* A sound token, and what it does not allow. */
    const claimed = {
        "rooms as a string": [{ rooms: "yard" }, {}],
        "no rooms": [{ rooms: undefined }, {}],
        "a star in the middle": [{ rooms: ["y*d"] }, {}],
        "a star before": [{ rooms: ["*yard"] }, {}],
        "an expression": [{ rooms: [".*"] }, {}],
        "the name in other case": [{ rooms: ["YARD"] }, {}],
        "a longer name": [{ rooms: ["yard2"] }, {}],
        "another peer": [{ sub: "bob" }, {}],
        "the bridge's own name": [{ sub: "_bridge" }, { peer: "_bridge" }],
    };
    for (const [name, [change, fields]] of Object.entries(claimed))
        test(`a sound token that does not allow it: ${name}`, async () => {
            const { joined, error } = await attempt(target, { fields: { token: hs.token({ ...claims, ...change }), ...fields } });
            assert.equal(joined, undefined);
            assert.ok([400, 401, 403].includes(error.code), JSON.stringify(error));
        });

    test("nobody sends, reads metrics or rosters with what does not allow it", async () => {
        const mute = await target.intruder({ room: target.first.room, peer: "eve", token: hs.token({ ...claims, can: [] }) });
        for (const message of [{ type: "offer", to: "browser", sdp: "v=0" }, { type: "invite", to: "browser" }, { type: "sealed", to: "browser", data: "AAAA" },
            { type: "message", to: "browser", data: 1 }, { type: "message", data: 1 }])
            await assert.rejects(mute.request(message), { error: "forbidden" }, message.type);
        await mute.close();
        for (const path of ["/metrics", "/api/v1/rooms", `/api/v1/rooms/${target.first.room}`])
            for (const [token, status] of [[undefined, 401], ["x", 401], [forged["the RSA public key as HMAC secret"], 401], [sound, 403]]) {
                const answer = await get(target.bridge, path, token ? { headers: { authorization: `Bearer ${token}` } } : {});
                assert.equal(answer.status, status, `${path} with ${token?.slice(0, 20)}`);
                assert.doesNotMatch(answer.text, /sigbridge_|browser/);
            }
    });
});

test("who tries tokens has to wait, longer each time, and nobody else does", async () => {
    const target = await Target.start({ keys: [hs], env: { SIGBRIDGE_LIMITS_AUTH_FAILURES: "5" } });
    const bad = () => attempt(target, ways.field(forged["expired"]));
    for (let i = 0; i < 6; i++)
        assertError((await bad()).error, { code: 401, error: "unauthorized" }, `failure ${i}`);
    let longest = 0;
    while (longest <= 1000) { /* the second wait is of two seconds */
        const { error } = await bad();
        if (error.code === 401)
            continue; /* a wait was over: this failure began the next one */
        assertError(error, { code: 429, error: "rate-limited" });
        assert.ok(error.retryAfter > 0 && error.retryAfter <= 60_000, `${error.retryAfter}`);
        longest = Math.max(longest, error.retryAfter);
        await target.serves();
        await new Promise((resolve) => setTimeout(resolve, Math.min(error.retryAfter, 200)));
    }
    for (const way of Object.values(ways)) {
        const { joined, error } = await attempt(target, way(sound));
        assert.ok(joined || error.code === 429, "a sound one has to wait, too");
    }
    await target.end();
});

test("an address that has to wait costs little", async () => {
    const target = await Target.start({ keys: [hs, rs], env: { SIGBRIDGE_LIMITS_AUTH_FAILURES: "1" } });
    await target.withstands(() => times(1000, async (i) => {
        const { joined, error } = await attempt(target, ways[["header", "query", "field"][i % 3]](rs.token({ ...claims, exp: 1 })));
        assert.equal(joined, undefined);
        assert.ok(error && [401, 429].includes(error.code), JSON.stringify(error));
    }, { at_once: 8 }), { log: /refused .*address=127\.0\.0\.3 .*error=(unauthorized|rate-limited)/, lines: 60, secrets });
    await target.end();
});
