/* Whose pages may connect or read: Origin, Host, CORS, the headers that every answer carries, and
 * what is believed of a proxy. */
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { handshake } from "./attacker.mjs";
import { deadline, tempDir, WsPeer } from "./harness.mjs";
import { makeKey } from "./jwt.mjs";
import { metric, newRoom, World } from "./world.mjs";

const APP = "https://app.example.org";
const PROXY = "127.0.0.7"; /* a listed one; the tests' own address is not */
const world = new World();
const web = tempDir("web");
const key = makeKey("HS256");
const admin = key.token({ can: ["admin"] });
let listed, plain, strict;

before(async () => {
    mkdirSync(join(web, "sigbridge"));
    writeFileSync(join(web, "index.html"), "<!doctype html><title>page</title>");
    plain = (await world.start({ web })).bridge;
    listed = await world.addBridge({ web, args: ["--origin", APP, "--trusted-proxy", PROXY] });
    strict = await world.addBridge({ web, dev: false, args: ["--jwt-key", key.option, "--origin", APP, "--trusted-proxy", PROXY] });
    strict.admin = admin;
});
after(() => world.end());

/* One request as written, and what comes back until the bridge has answered it in full or closes. */
function ask(bridge, text, { from } = {}) {
    const [host, port] = bridge.http.split(":");
    const socket = connect({ host, port: Number(port), localAddress: from });
    let got = "";
    const done = new Promise((resolve) => {
        socket.on("data", (chunk) => {
            got += chunk.toString("latin1");
            if (/^HTTP\/1\.1 101 [^]*\r\n\r\n/.test(got))
                resolve();
        });
        socket.on("error", () => {});
        socket.on("close", resolve);
    });
    socket.write(text);
    return deadline(done, `an answer to ${text.slice(0, 60)}`).finally(() => socket.destroy()).then(() => {
        const [head, ...body] = got.split("\r\n\r\n");
        const [line, ...lines] = head.split("\r\n");
        const headers = {};
        for (const [, name, value] of lines.map((l) => /^([^:]+): *(.*)$/.exec(l)))
            (headers[name.toLowerCase()] ??= []).push(value);
        return { status: Number(/^HTTP\/1\.[01] (\d+)/.exec(line)?.[1]), headers, body: body.join("\r\n\r\n") };
    });
}

const request = (method, path, headers = {}) =>
    `${method} ${path} HTTP/1.1\r\n${Object.entries({ Host: "localhost", Connection: "close", ...headers }).map(([n, v]) => `${n}: ${v}\r\n`).join("")}\r\n`;
const upgrade = (headers = {}, host = "localhost") =>
    handshake("/ws", Object.entries(headers).map(([n, v]) => `${n}: ${v}\r\n`).join("")).replace("Host: localhost", `Host: ${host}`);

/* ---- Origin ---- */

const origins = [
    { name: "no browser", headers: {}, status: 101 },
    { name: "the bridge's own page", origin: (b) => `http://${b.http}`, host: (b) => b.http, status: 101 },
    { name: "a listed one", bridge: () => listed, origin: () => APP, status: 101 },
    { name: "a listed one, outside development", bridge: () => strict, origin: () => APP, status: 101 },
    { name: "one that is not", bridge: () => listed, origin: () => "https://evil.example.org", status: 403 },
    { name: "one that is not, outside development", bridge: () => strict, origin: () => "https://evil.example.org", status: 403 },
    { name: "one below a listed one", bridge: () => strict, origin: () => "https://x.app.example.org", status: 403 },
    { name: "a page of this machine, in development", origin: () => "http://localhost:3000", status: 101 },
    { name: "a page of this machine, outside development", bridge: () => strict, origin: () => "http://localhost:3000", status: 403 },
    { name: "a sandboxed page", origin: () => "null", status: 403 },
    { name: "an empty one", origin: () => "", status: 101 },
    { name: "a long one", origin: () => `https://${"a".repeat(3000)}.example.org`, status: 403 },
    { name: "two headers", bridge: () => strict, origin: () => `${APP}\r\nOrigin: https://evil.example.org`, status: 403 },
    { name: "controls", bridge: () => strict, origin: () => `${APP}\x01`, status: 403 },
];

for (const { name, bridge: which = () => plain, origin, host, status } of origins)
    test(`Origin: ${name}`, async () => {
        const bridge = which();
        const headers = origin ? { Origin: origin(bridge) } : {};
        const answer = await ask(bridge, upgrade(headers, host ? host(bridge) : "localhost"));
        assert.equal(answer.status, status, answer.body);
        if (status === 403)
            assert.match(answer.body, /origin|localhost/i, "a sentence");
    });

test("a refused origin is logged once, escaped, and counted", async () => {
    const before = await metric(strict, "sigbridge_origins_refused_total");
    await ask(strict, upgrade({ Origin: "https://evil\"x\x1b[31m" }));
    await ask(strict, upgrade({ Origin: "https://evil.example.net" }));
    assert.equal(await metric(strict, "sigbridge_origins_refused_total"), before + 2);
    assert.match(await strict.line(/origin-refused .*evil\\"x/), /address=127\.0\.0\.1/);
    for (const line of strict.logs)
        assert.doesNotMatch(line, /[\x00-\x1f\x7f]/);
    for (let i = 0; i < 200; i++)
        await ask(strict, upgrade({ Origin: "https://flood.example.net" }));
    assert.ok(strict.logs.filter((l) => /flood\.example\.net/.test(l)).length < 40, "a flood is no flood of lines");
    assert.equal(await metric(strict, "sigbridge_origins_refused_total"), before + 202);
});

/* ---- Host: a page whose name was made to point here (DNS rebinding) ---- */

const hosts = [
    { host: "localhost", status: 200 }, { host: "127.0.0.1:8080", status: 200 }, { host: "[::1]", status: 200 },
    { host: "LocalHost:1", status: 200 }, { host: "evil.example.org", status: 403 }, { host: "localhost.evil.org", status: 403 },
    { host: "127.0.0.1.evil.org", status: 403 }, { host: "192.168.0.1", status: 403 },
];

for (const { host, status } of hosts)
    test(`in development, the bridge answers to this machine's names only: ${host}`, async () => {
        assert.equal((await ask(plain, request("GET", "/metrics", { Host: host }))).status, status);
        assert.equal((await ask(plain, request("GET", "/api/v1/rooms", { Host: host }))).status, status);
        assert.equal((await ask(plain, upgrade({}, host))).status, status === 200 ? 101 : 403);
    });

test("outside development any name will do", async () => {
    assert.equal((await ask(strict, upgrade({}, "bridge.example.org"))).status, 101);
    assert.equal((await ask(strict, upgrade({ Origin: "http://bridge.example.org" }, "bridge.example.org"))).status, 101);
    assert.equal((await ask(strict, upgrade({ Origin: "http://bridge.example.org" }, "other.example.org"))).status, 403);
});

/* ---- headers ---- */

const security = {
    "content-security-policy": /default-src 'none'.*script-src 'self'.*connect-src 'self' ws: wss:.*frame-ancestors 'none'/,
    "x-content-type-options": /^nosniff$/,
    "referrer-policy": /^no-referrer$/,
    "cross-origin-opener-policy": /^same-origin$/,
    "x-frame-options": /^DENY$/,
    "permissions-policy": /camera=\(self\)/,
};
const answers = [
    { method: "GET", path: "/", status: 200 },
    { method: "HEAD", path: "/", status: 200 },
    { method: "GET", path: "/healthz", status: 200 },
    { method: "GET", path: "/metrics", status: 401 },
    { method: "GET", path: "/api/v1/rooms", status: 401 },
    { method: "GET", path: "/nothing", status: 404 },
    { method: "GET", path: "/ws", status: 426 },
    { method: "POST", path: "/", status: 405 },
    { method: "OPTIONS", path: "/", status: 405 },
];

for (const { method, path, status } of answers)
    test(`security headers, each once: ${method} ${path}`, async () => {
        const answer = await ask(strict, request(method, path));
        assert.equal(answer.status, status);
        for (const [name, value] of Object.entries(security)) {
            assert.equal(answer.headers[name]?.length, 1, name);
            assert.match(answer.headers[name][0], value);
        }
        assert.equal(answer.headers["strict-transport-security"], undefined, "not without TLS");
        assert.equal(answer.headers.server, undefined);
    });

test("a refused handshake carries them too", async () => {
    const { headers } = await ask(strict, upgrade({ Origin: "https://evil.example.org" }));
    for (const [name, value] of Object.entries(security))
        assert.match(headers[name]?.[0] ?? "", value, name);
});

/* ---- CORS ---- */

const cors = (headers) => Object.keys(headers).filter((name) => name.startsWith("access-control-"));

test("the API is for listed origins, with their token", async () => {
    const { status, headers } = await ask(strict, request("GET", "/api/v1/rooms", { Origin: APP, Authorization: `Bearer ${admin}` }));
    assert.equal(status, 200);
    assert.deepEqual(headers["access-control-allow-origin"], [APP]);
    assert.equal(headers["access-control-allow-credentials"], undefined);
    assert.match(String(headers.vary), /origin/i);
});

test("a preflight for the Authorization header is answered, for listed origins", async () => {
    const preflight = { "Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization" };
    const yes = await ask(strict, request("OPTIONS", "/api/v1/rooms", { Origin: APP, ...preflight }));
    assert.equal(yes.status, 200);
    assert.deepEqual(yes.headers["access-control-allow-origin"], [APP]);
    assert.deepEqual(yes.headers["access-control-allow-headers"], ["authorization"]);
    assert.doesNotMatch(String(yes.headers["access-control-allow-methods"]), /POST|PUT|DELETE|\*/);
    const no = await ask(strict, request("OPTIONS", "/api/v1/rooms", { Origin: "https://evil.example.org", ...preflight }));
    assert.deepEqual(cors(no.headers), []);
});

for (const { name, path, headers } of [
    { name: "the API, another origin", path: "/api/v1/rooms", headers: { Origin: "https://evil.example.org" } },
    { name: "the API, no origin", path: "/api/v1/rooms", headers: {} },
    { name: "metrics, a listed origin", path: "/metrics", headers: { Origin: APP } },
    { name: "a page, a listed origin", path: "/", headers: { Origin: APP } },
    { name: "health, a listed origin", path: "/healthz", headers: { Origin: APP } },
    { name: "nothing, a listed origin", path: "/apis", headers: { Origin: APP } },
])
    test(`no CORS: ${name}`, async () => {
        for (const method of ["GET", "OPTIONS"]) {
            const answer = await ask(strict, request(method, path, { Authorization: `Bearer ${admin}`, ...headers }));
            assert.deepEqual(cors(answer.headers), []);
        }
    });

/* ---- pages that need a token ---- */

const reads = [
    { name: "none", status: 401 },
    { name: "an administrator's", headers: () => ({ Authorization: `Bearer ${admin}` }), status: 200 },
    { name: "scheme in other case", headers: () => ({ authorization: `bearer ${admin}` }), status: 200 },
    { name: "in the address", query: () => `?token=${admin}`, status: 200 },
    { name: "in the address, percent-encoded", query: () => `?x=1&token=${admin.replaceAll(".", "%2E")}&y=2`, status: 200 },
    { name: "the header counts first", headers: () => ({ Authorization: "Bearer x.y.z" }), query: () => `?token=${admin}`, status: 401 },
    { name: "another scheme, and one in the address", headers: () => ({ Authorization: "Basic dXNlcjp4" }), query: () => `?token=${admin}`, status: 200 },
    { name: "without `admin`", headers: () => ({ Authorization: `Bearer ${key.token({ rooms: ["*"] })}` }), status: 403 },
    { name: "another key's", headers: () => ({ Authorization: `Bearer ${makeKey("HS256").token({ can: ["admin"] })}` }), status: 401 },
];

for (const { name, headers = () => ({}), query = () => "", status } of reads)
    test(`/metrics and the API with a token: ${name}`, async () => {
        for (const path of ["/metrics", "/api/v1/rooms"]) {
            const answer = await ask(strict, request("GET", path + query(), headers()));
            assert.equal(answer.status, status, answer.body);
            if (status === 401)
                assert.match(String(answer.headers["www-authenticate"]), /^Bearer/);
            assert.deepEqual(answer.headers["cache-control"], ["no-store"]);
        }
    });

test("health needs no token", async () => {
    assert.equal((await ask(strict, request("GET", "/healthz"))).status, 200);
    assert.equal((await ask(strict, request("GET", "/readyz"))).status, 200);
});

/* A token of about this many bytes that counts. */
function large(bytes) {
    const token = (length) => key.token({ can: ["admin", "offer", "message"], rooms: ["*"], padding: "x".repeat(length) });
    const got = token(Math.floor(bytes * 3 / 4) - 200);
    return token(Math.floor(bytes * 3 / 4) - 200 + Math.floor((bytes - got.length) * 3 / 4));
}

test("a token of 8 KiB fits into the header, the address and both", async () => {
    const token = large(8190);
    assert.ok(token.length > 8180 && token.length <= 8192, String(token.length));
    assert.equal((await ask(strict, request("GET", "/metrics", { Authorization: `Bearer ${token}` }))).status, 200);
    assert.equal((await ask(strict, request("GET", `/metrics?token=${token}`))).status, 200);
    assert.equal((await ask(strict, request("GET", `/metrics?token=${token}`, { Authorization: `Bearer ${token}` }))).status, 200);
    for (const options of [{ headers: { authorization: `Bearer ${token}` } }, { query: `?token=${token}` }]) {
        const peer = await WsPeer.join(strict.wsUrl + (options.query ?? ""), { room: newRoom() }, { headers: options.headers });
        assert.ok(peer.joined);
        await peer.close();
    }
});

test("a larger one is refused", async () => {
    for (const token of [large(8300), large(12000)]) {
        assert.notEqual((await ask(strict, request("GET", "/metrics", { Authorization: `Bearer ${token}` }))).status, 200);
        assert.notEqual((await ask(strict, request("GET", `/metrics?token=${token}`))).status, 200);
    }
});

/* ---- what a proxy says ---- */

test("X-Forwarded-Proto makes the origin https, from a listed proxy only", async () => {
    const headers = { Origin: "https://bridge.example.org", "X-Forwarded-Proto": "https" };
    assert.equal((await ask(strict, upgrade(headers, "bridge.example.org"), { from: PROXY })).status, 101);
    assert.equal((await ask(strict, upgrade(headers, "bridge.example.org"))).status, 403);
    assert.equal((await ask(strict, upgrade({ Origin: "http://bridge.example.org", "X-Forwarded-Proto": "https" }, "bridge.example.org"), { from: PROXY })).status, 403);
});

const forwarded = [
    { name: "from a stranger", from: "127.0.0.1", by: ["198.51.100.9"], logged: "127.0.0.1" },
    { name: "from the proxy", from: PROXY, by: ["198.51.100.9"], logged: "198.51.100.9" },
    { name: "a claim of the client before it", from: PROXY, by: ["203.0.113.5, 198.51.100.10"], logged: "198.51.100.10" },
    { name: "a claim of the client in a header of its own", from: PROXY, by: ["203.0.113.6", "198.51.100.11"], logged: "198.51.100.11" },
    { name: "a claim to be a proxy", from: PROXY, by: [`${PROXY}, 198.51.100.12`], logged: "198.51.100.12" },
    { name: "IPv6", from: PROXY, by: ["2001:db8:1:2:3::4"], logged: "2001:db8:1:2::/64" },
    { name: "none", from: PROXY, by: [], logged: PROXY },
    { name: "garbage", from: PROXY, by: ["<script>"], logged: PROXY },
    { name: "much garbage", from: PROXY, by: ["x,".repeat(2000)], logged: PROXY },
];

for (const [i, { name, from, by, logged }] of forwarded.entries())
    test(`X-Forwarded-For ${name}`, async () => {
        const origin = `https://for-${i}.example.org`;
        const text = upgrade({ Origin: origin }).replace("\r\n\r\n", `\r\n${by.map((value) => `X-Forwarded-For: ${value}\r\n`).join("")}\r\n`);
        assert.equal((await ask(listed, text, { from })).status, 403);
        const line = await listed.line((l) => l.includes("origin-refused") && l.includes(origin));
        assert.ok(line.includes(`address=${logged} `), line);
    });

test("in development a client behind a proxy is not this machine, and reads nothing", async () => {
    const from = (by) => ask(listed, request("GET", "/metrics", by ? { "X-Forwarded-For": by } : {}), { from: PROXY });
    assert.equal((await from("198.51.100.9")).status, 401);
    assert.equal((await from()).status, 401, "a proxy that does not say for whom");
    assert.equal((await from("127.0.0.1")).status, 200);
    assert.equal((await ask(listed, request("GET", "/metrics"))).status, 200);
});

test("no token is in any log", () => {
    for (const bridge of [plain, listed, strict])
        for (const line of bridge.logs)
            assert.ok(!line.includes("eyJ") && !line.includes(key.secret), line);
});
