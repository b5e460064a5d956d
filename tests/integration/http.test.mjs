/* What the bridge serves over HTTP: health, readiness, metrics, pages. */
import assert from "node:assert/strict";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { deadline, tempDir, until } from "./harness.mjs";
import { get, newRoom, sdp, World } from "./world.mjs";

const world = new World();
const web = tempDir("web");
const outside = tempDir("outside");

before(async () => {
    mkdirSync(join(web, "sigbridge"));
    writeFileSync(join(web, "index.html"), "<!doctype html><title>page</title>");
    writeFileSync(join(web, "demo.css"), "body{}");
    writeFileSync(join(web, "icon.svg"), "<svg xmlns='http://www.w3.org/2000/svg'/>");
    writeFileSync(join(web, "sigbridge/index.js"), "export const here = 1;");
    writeFileSync(join(web, "sigbridge/extra.mjs"), "export const here = 2;");
    writeFileSync(join(outside, "secret.txt"), "the secret");
    for (const dir of [".git", ".well-known"]) {
        mkdirSync(join(web, dir));
        writeFileSync(join(web, dir, "config.txt"), `in ${dir}`);
    }
    writeFileSync(join(web, ".htpasswd"), "the secret");
    symlinkSync(join(outside, "secret.txt"), join(web, "linked.txt"));
    await world.start({ web });
});
after(() => world.end());

/* One request as written, and all that comes back until the bridge closes or has said enough. */
function raw(text, enough = () => false) {
    const [host, port] = world.bridge.http.split(":");
    const socket = connect(Number(port), host);
    let got = "";
    const done = new Promise((resolve) => {
        socket.on("data", (chunk) => {
            got += chunk.toString("latin1");
            if (enough(got))
                resolve(got);
        });
        socket.on("error", () => resolve(got));
        socket.on("close", () => resolve(got));
    });
    socket.write(text);
    return deadline(done, `an answer to ${text.slice(0, 60)}`).finally(() => socket.destroy());
}

const request = (method, path, more = "") => `${method} ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n${more}\r\n`;
const statusOf = (answer) => Number(/^HTTP\/1\.[01] (\d{3})/.exec(answer)?.[1]);

const pages = [
    { name: "health", path: "/healthz", status: 200, type: /^text\/plain/, text: /^ok\n$/ },
    { name: "readiness", path: "/readyz", status: 200, type: /^text\/plain/, text: /^ready\n$/ },
    { name: "metrics", path: "/metrics", status: 200, type: /^text\/plain; version=0\.0\.4/, text: /^# HELP sigbridge_/ },
    { name: "metrics with a query", path: "/metrics?x=1", status: 200, type: /version=0\.0\.4/, text: /^# HELP/ },
    { name: "page", path: "/", status: 200, type: /^text\/html/, text: /<title>page/ },
    { name: "page by its name", path: "/index.html", status: 200, type: /^text\/html/, text: /<title>page/ },
    { name: "page with a query", path: "/?room=lobby", status: 200, type: /^text\/html/, text: /<title>page/ },
    { name: "style", path: "/demo.css", status: 200, type: /^text\/css/, text: /body/ },
    { name: "picture", path: "/icon.svg", status: 200, type: /^image\/svg/, text: /<svg/ },
    { name: "module", path: "/sigbridge/index.js", status: 200, type: /^(text|application)\/javascript/, text: /here = 1/ },
    { name: "module .mjs", path: "/sigbridge/extra.mjs", status: 200, type: /javascript/, text: /here = 2/ },
    { name: "missing file", path: "/nothing.html", status: 404, text: /not found/ },
    { name: "missing file below", path: "/sigbridge/nothing.js", status: 404, text: /not found/ },
    { name: "below a page", path: "/healthz/x", status: 404, text: /not found/ },
    { name: "WebSocket path without an upgrade", path: "/ws", status: 426, text: /WebSocket/ },
];

for (const row of pages)
    test(`GET: ${row.name}`, async () => {
        const { status, headers, text } = await get(world.bridge, row.path);
        assert.equal(status, row.status);
        assert.match(text, row.text);
        if (row.type)
            assert.match(headers.get("content-type"), row.type);
    });

test("426 names the protocol to upgrade to (RFC 9110 15.5.22)", async () => {
    const answer = await raw(request("GET", "/ws"));
    assert.match(answer, /^HTTP\/1\.1 426/);
    assert.match(answer, /^upgrade: *websocket\r$/im);
});

for (const path of ["/", "/healthz", "/readyz", "/metrics", "/demo.css"])
    test(`HEAD ${path} has headers and no body`, async () => {
        const answer = await raw(request("HEAD", path));
        assert.equal(statusOf(answer), 200);
        assert.equal(answer.split("\r\n\r\n")[1], "");
    });

for (const method of ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
    for (const path of ["/healthz", "/metrics", "/", "/index.html", "/nothing", "/ws"])
        test(`${method} ${path} is refused with 405`, async () => {
            const answer = await raw(request(method, path, method === "DELETE" || method === "OPTIONS" ? "" : "Content-Length: 2\r\n") + "{}");
            assert.equal(statusOf(answer), 405, answer);
        });

const traversals = [
    "/../secret.txt", "/../../../../../../etc/passwd", "/sigbridge/../../secret.txt", "/%2e%2e/secret.txt",
    "/%2e%2e%2f%2e%2e%2fetc/passwd", "/..%2f..%2f..%2f..%2fetc/passwd", "/sigbridge/%2e%2e/%2e%2e/etc/passwd",
    "//etc/passwd", "/./../etc/passwd", "/....//....//etc/passwd", "/..\\..\\etc\\passwd", "/%5c..%5c..%5cetc%5cpasswd",
    "/\x00../etc/passwd", "/%00/etc/passwd", "/index.html%00.js", "/%252e%252e/etc/passwd", "/sigbridge/..%c0%af../etc/passwd",
    `/..${outside}/secret.txt`, "/sigbridge/..", "/sigbridge/../..", "/..;/secret.txt", "/%2e./secret.txt", "/.%2e/secret.txt", "/%2E%2E/secret.txt",
    "/%2e%2e%5csecret.txt", "/%u002e%u002e/secret.txt", "/..%00/secret.txt", "/..%0d%0a/secret.txt", "/.../secret.txt", "/~/secret.txt",
    `/${outside}/secret.txt`, `/%2f${outside}/secret.txt`, "/?/../secret.txt", "/#/../secret.txt", "/index.html/../../secret.txt",
    `/${"../".repeat(60)}etc/passwd`, `/${"a/".repeat(60)}${"../".repeat(62)}etc/passwd`, "/.htpasswd", "/sigbridge/../.htpasswd", "/%2ehtpasswd",
    "/./.htpasswd", "/proc/self/environ",
];

for (const path of traversals)
    test(`outside of the web directory: ${JSON.stringify(path)}`, async () => {
        const answer = await raw(request("GET", path));
        assert.doesNotMatch(answer, /root:|the secret/, path);
        assert.ok(![200].includes(statusOf(answer)) || /<title>page/.test(answer), `${path}: ${answer.slice(0, 200)}`);
    });

test("a file that begins with a dot is not served, but in .well-known (RFC 8615)", async () => {
    assert.equal(statusOf(await raw(request("GET", "/.git/config.txt"))), 404);
    assert.equal(statusOf(await raw(request("GET", "/.htpasswd"))), 404);
    assert.match(await raw(request("GET", "/.well-known/config.txt")), /^HTTP\/1\.1 200 [^]*in \.well-known/);
});

/* Who may write into the web directory decides what is in it. */
test("a symbolic link in the web directory is followed", async () => {
    assert.match(await raw(request("GET", "/linked.txt")), /^HTTP\/1\.1 200 [^]*the secret/);
});

const lines = (count) => Array.from({ length: count }, (_, i) => `X-${i}: y\r\n`).join("");

/* What readers of HTTP disagree about is refused, and what follows is not read as another request. */
const odd = [
    { name: "as it should be", text: request("GET", "/healthz"), status: 200 },
    { name: "HTTP/1.0", text: request("GET", "/healthz").replace("HTTP/1.1", "HTTP/1.0"), status: 200 },
    { name: "a body of no length", text: request("GET", "/healthz", "Content-Length: 0\r\n"), status: 200 },
    { name: "100 headers", text: request("GET", "/healthz", lines(100)), status: 200 },
    { name: "a header name in capitals", text: request("GET", "/healthz", "X-SHOUT: YES\r\n"), status: 200 },
    { name: "a header value with 8-bit bytes", text: request("GET", "/healthz", "X-Name: \xe4\xff\r\nCookie: a=\xe4\r\n"), status: 200 },
    { name: "no Host", text: "GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n", status: 400 },
    { name: "an empty Host", text: "GET /healthz HTTP/1.1\r\nHost:\r\nConnection: close\r\n\r\n", status: 400 },
    { name: "two Hosts", text: request("GET", "/healthz", "Host: evil.example.org\r\n"), status: 400 },
    { name: "a body", text: `${request("GET", "/healthz", "Content-Length: 5\r\n")}hello`, status: 400 },
    { name: "two lengths", text: `${request("GET", "/healthz", "Content-Length: 0\r\nContent-Length: 5\r\n")}hello`, status: 400 },
    { name: "a length with a sign", text: request("GET", "/healthz", "Content-Length: +0\r\n"), status: 400 },
    { name: "a length in hexadecimal", text: request("GET", "/healthz", "Content-Length: 0x0\r\n"), status: 400 },
    { name: "chunks", text: `${request("GET", "/healthz", "Transfer-Encoding: chunked\r\n")}0\r\n\r\n`, status: 400 },
    { name: "chunks in other words", text: `${request("GET", "/healthz", "Transfer-Encoding: xchunked\r\n")}0\r\n\r\n`, status: 400 },
    { name: "a version to come", text: "GET /healthz HTTP/1.9\r\nHost: localhost\r\n\r\n", status: 400 },
    { name: "an upgrade to h2c", text: request("GET", "/healthz").replace("Connection: close", "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__"), status: 400 },
];

for (const { name, text, status } of odd)
    test(`a request that is odd, or nearly: ${name}`, async () => {
        const answer = await raw(status === 200 ? text : text + request("GET", "/metrics"));
        assert.equal(statusOf(answer), status, answer.slice(0, 300));
        assert.doesNotMatch(answer, /# HELP/);
        if (status === 400)
            assert.match(answer, /\r\n\r\n.+\n$/, "a sentence");
    });

const nonsense = [
    { name: "no HTTP at all", text: "hello\r\n\r\n" },
    { name: "binary", text: "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" },
    { name: "headers too long", text: request("GET", "/healthz", `X-Long: ${"x".repeat(20000)}\r\n`) },
    { name: "path too long", text: request("GET", `/${"x".repeat(20000)}`) },
    { name: "many headers", text: request("GET", "/healthz", "A: b\r\n".repeat(5000)) },
    { name: "chunked body", text: request("POST", "/healthz", "Transfer-Encoding: chunked\r\n") + "5\r\nhello\r\n0\r\n\r\n" },
    { name: "negative length", text: request("POST", "/healthz", "Content-Length: -1\r\n") },
    { name: "length of no number", text: request("POST", "/healthz", "Content-Length: 99999999999999999999\r\n") },
    { name: "method of no kind", text: request("BREW", "/healthz") },
    { name: "HTTP/0.9", text: "GET /healthz\r\n\r\n" },
];

for (const { name, text } of nonsense)
    test(`a client that sends nonsense is dropped or refused: ${name}`, async () => {
        const answer = await raw(text, (got) => /\r\n\r\n/.test(got));
        assert.ok(answer === "" || statusOf(answer) >= 400 || /\r\n\r\nok\n/.test(answer), answer.slice(0, 200));
        assert.equal((await get(world.bridge, "/healthz")).status, 200);
    });

test("a client that does not finish its request is dropped", async () => {
    const start = Date.now();
    assert.equal(await raw("GET /healthz HTTP/1.1\r\nHost: local"), "");
    assert.ok(Date.now() - start < 14_000);
});

test("requests in one write are all answered, in order", async () => {
    const one = (path) => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`;
    const answer = await raw(one("/healthz") + one("/nothing") + one("/readyz"), (got) => got.includes("ready\n"));
    assert.deepEqual([...answer.matchAll(/HTTP\/1\.1 (\d+)/g)].map((m) => m[1]), ["200", "404", "200"]);
});

test("a client that asks and goes away at once costs nothing", async () => {
    const [host, port] = world.bridge.http.split(":");
    for (let i = 0; i < 20; i++) {
        const socket = connect(Number(port), host);
        socket.on("error", () => {});
        socket.write(request("GET", "/metrics"), () => socket.destroy());
        await deadline(new Promise((resolve) => socket.on("close", resolve)), "the socket closes");
    }
    /* A connection that leaked would spin: the bridge must come to rest. */
    const cpu = async () => Number(/process_cpu_seconds_total ([\d.]+)/.exec((await get(world.bridge, "/metrics")).text)[1]);
    await until(async () => {
        const first = await cpu();
        await new Promise((resolve) => setTimeout(resolve, 500));
        return await cpu() - first < 0.25;
    }, "the bridge rests");
});

/* ---- metrics ---- */

/* The text format 0.0.4, strictly. Returns Map name -> {type, samples: [{name, labels, value}]}. */
function parseMetrics(text) {
    assert.ok(text.endsWith("\n"), "the last line ends");
    const families = new Map();
    let current;
    for (const line of text.slice(0, -1).split("\n")) {
        const help = /^# HELP ([a-zA-Z_:][a-zA-Z0-9_:]*) (\S.*)$/.exec(line);
        const type = /^# TYPE ([a-zA-Z_:][a-zA-Z0-9_:]*) (counter|gauge|histogram)$/.exec(line);
        if (help) {
            assert.ok(!families.has(help[1]), `HELP of ${help[1]} comes once`);
            families.set(help[1], current = { name: help[1], help: help[2], samples: [] });
        } else if (type) {
            assert.equal(type[1], current?.name, "TYPE follows HELP");
            assert.equal(current.type, undefined, `TYPE of ${type[1]} comes once`);
            current.type = type[2];
        } else {
            const sample = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{(?:[a-zA-Z_]\w*="(?:[^"\\\n]|\\[\\"n])*",?)+\})? (\+Inf|-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)$/.exec(line);
            assert.ok(sample, `a sample: ${line}`);
            assert.ok(current?.type, `${line} comes after HELP and TYPE`);
            const base = current.type === "histogram" ? sample[1].replace(/_(bucket|sum|count)$/, "") : sample[1];
            assert.equal(base, current.name, `${line} stands with its family`);
            const labels = Object.fromEntries([...(sample[2] ?? "").matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map((m) => [m[1], m[2]]));
            current.samples.push({ name: sample[1], labels, value: Number(sample[3].replace("+Inf", "Infinity")) });
        }
    }
    return families;
}

function checkFamily({ name, type, samples }) {
    assert.match(name, /^(sigbridge|process)_[a-z0-9_]+$/, name);
    assert.ok(type, `${name} has a type`);
    const keys = samples.map((s) => s.name + JSON.stringify(s.labels));
    assert.equal(new Set(keys).size, keys.length, `${name}: every sample once`);
    assert.equal(name.endsWith("_total"), type === "counter", `${name} is a ${type}`);
    assert.ok(samples.every((s) => s.value >= 0), `${name} is not negative`);
    if (type !== "histogram")
        return;
    const buckets = samples.filter((s) => s.name === `${name}_bucket`);
    const bounds = buckets.map((s) => Number(s.labels.le.replace("+Inf", "Infinity")));
    assert.deepEqual(bounds, [...bounds].sort((a, b) => a - b), `${name}: bounds rise`);
    assert.equal(bounds.at(-1), Infinity);
    for (let i = 1; i < buckets.length; i++)
        assert.ok(buckets[i].value >= buckets[i - 1].value, `${name} is cumulative`);
    const count = samples.find((s) => s.name === `${name}_count`);
    assert.equal(count?.value, buckets.at(-1).value, `${name}: count is the last bucket`);
    assert.ok(samples.some((s) => s.name === `${name}_sum`), `${name} has a sum`);
}

const sampleOf = (families, name, labels = {}) => families.get(name)?.samples
    .filter((s) => Object.entries(labels).every(([key, value]) => s.labels[key] === value))
    .reduce((sum, s) => sum + s.value, 0);

test("metrics are Prometheus text and count what happens", async () => {
    const room = newRoom();
    const read = async () => parseMetrics((await get(world.bridge, "/metrics")).text);
    const old = await read();
    for (const family of old.values())
        checkFamily(family);

    const ann = await world.join({ room, peer: "ann" });
    const bob = await world.join({ room, peer: "bob" });
    const cam = await world.device({ room, name: "cam" });
    await ann.expect((m) => m.joined?.some((p) => p.peer === "cam"));
    await ann.request({ type: "offer", to: "bob", sdp: sdp() });
    await ann.request({ type: "message", to: "cam", data: 1 });
    await assert.rejects(ann.request({ type: "offer", to: "bob", sdp: "v=1" }), { error: "invalid-sdp" });
    await cam.send("ann", "no JSON");
    await cam.error();

    const now = await read();
    for (const family of now.values())
        checkFamily(family);
    assert.deepEqual([...now.keys()], [...old.keys()], "no family comes late");
    const grown = (name, labels) => sampleOf(now, name, labels) - sampleOf(old, name, labels);
    for (const [name, by] of [["sigbridge_sessions", 2], ["sigbridge_sockets", 2], ["sigbridge_peers", 3], ["sigbridge_rooms", 1],
        ["sigbridge_websockets_accepted_total", 2]])
        assert.equal(grown(name), by, name);
    const histogram = [...now.values()].find((f) => f.type === "histogram");
    assert.ok(histogram, "the way from WebSocket to PUBACK is a histogram");
    const counts = (families) => families.get(histogram.name).samples.find((s) => s.name === `${histogram.name}_count`).value;
    assert.ok(counts(now) - counts(old) >= 2);
    assert.equal(sampleOf(now, "sigbridge_ready"), 1);
    assert.equal(sampleOf(now, "sigbridge_broker_connected"), 1);
    void bob;
});

/* ---- readiness, last: it takes the broker away ---- */

test("readyz says 503 and why while the broker is away, and healthz stays", async () => {
    await world.broker.kill();
    const away = await until(async () => {
        const answer = await get(world.bridge, "/readyz");
        return answer.status === 503 && answer;
    }, "not ready");
    assert.match(away.text, /broker/i);
    assert.equal((await get(world.bridge, "/healthz")).status, 200);
    assert.match((await get(world.bridge, "/metrics")).text, /^sigbridge_broker_connected 0$/m);
    await world.broker.restart();
    await until(async () => (await get(world.bridge, "/readyz")).status === 200, "ready again");
});
