/* HTTP as an attacker writes it, byte by byte: paths that lead elsewhere, requests that two readers
 * understand in two ways, methods and versions of other protocols. Nothing outside of the web directory
 * comes back, and every time the bridge answers a good request afterwards.
 *
 * Symbolic links are followed, wherever they lead: who may write into the web directory says so. */
import assert from "node:assert/strict";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { deadline, tempDir, until } from "./harness.mjs";
import { get, metric, World } from "./world.mjs";

const PROXY = "127.0.0.7";
const world = new World();
const base = tempDir("paths");
const web = join(base, "web");
let bridge;

before(async () => {
    for (const dir of ["sub", ".git", ".well-known"])
        mkdirSync(join(web, dir), { recursive: true });
    writeFileSync(join(base, "secret.txt"), "the secret");
    writeFileSync(join(web, ".env.txt"), "the secret");
    writeFileSync(join(web, ".git/config.txt"), "the secret");
    writeFileSync(join(web, ".well-known/who.txt"), "well known");
    writeFileSync(join(web, "index.html"), "<!doctype html><title>page</title>");
    writeFileSync(join(web, "big.txt"), "x".repeat(300_000));
    writeFileSync(join(web, "sub/module.js"), "export const listed = 1;");
    symlinkSync("../secret.txt", join(web, "link.txt"));
    bridge = (await world.start({ web, args: ["--trusted-proxy", PROXY] })).bridge;
});
after(() => world.end());

/* Sends bytes as they are and hears what comes until the bridge closes, or until `enough`. */
function raw(text, { enough = () => false, from } = {}) {
    const [host, port] = bridge.http.split(":");
    const socket = connect({ host, port: Number(port), localAddress: from });
    let got = "";
    const over = new Promise((resolve) => {
        socket.on("data", (chunk) => {
            got += chunk.toString("latin1");
            if (enough(got))
                resolve();
        });
        socket.on("error", () => {});
        socket.on("close", resolve);
    });
    socket.write(Buffer.from(text, "latin1"));
    return deadline(over, () => `the end of ${JSON.stringify(text.slice(0, 80))}, after ${JSON.stringify(got.slice(0, 200))}`)
        .then(() => got).finally(() => socket.destroy());
}

const request = (method, path, more = "", end = "Connection: close\r\n") => `${method} ${path} HTTP/1.1\r\nHost: localhost\r\n${end}${more}\r\n`;
const statuses = (answer) => [...answer.matchAll(/(?:^|\n)HTTP\/1\.[01] (\d{3})/g)].map((m) => Number(m[1]));

async function healthy() {
    assert.equal((await get(bridge, "/healthz")).status, 200);
}

/* ---- paths ---- */

const paths = [
    ...["/../secret.txt", "/sub/../../secret.txt", "/%2e%2e/secret.txt", "/%2E%2E/secret.txt", "/.%2e/secret.txt", "/..%2fsecret.txt",
        "/sub/..%2f..%2fsecret.txt", "/%2e%2e%2fsecret.txt", "/../../../../../../etc/passwd", "/./../secret.txt", "//../secret.txt",
        "/sub//..//..//secret.txt", "/sub/;/../../secret.txt", "/;/../../secret.txt", "/sub/%c0%ae%c0%ae/%c0%ae%c0%ae/secret.txt",
        "/%252e%252e/secret.txt", "/%uff0e%uff0e/secret.txt", "/?/../../secret.txt", "/..?/../secret.txt"].map((path) => ({ path })),
    ...["/..;/secret.txt", "/..%5csecret.txt", "/..\\secret.txt", "/%5c..%5csecret.txt", "/..%01/secret.txt", "/.env.txt", "/%2eenv.txt", "/.git/config.txt",
        "/sub/../.git/config.txt", "/...", "/sub", "/sub/", `/${"a/".repeat(150)}x.txt`, "/link.txt/", "/%7f"].map((path) => ({ path, status: 404 })),
    ...["http://localhost/../secret.txt", "http://localhost/index.html", "file:///etc/passwd", "secret.txt", "../secret.txt", "*", "/%zz", "/%2"]
        .map((path) => ({ path, status: 403 })),
    { path: "/\0../secret.txt", status: 200, page: true }, { path: "/%00../secret.txt", status: 200, page: true },
    { path: "/index.html;../../secret.txt", status: 200, page: true },
    { path: "/.well-known/who.txt", status: 200 }, { path: "/link.txt", status: 200, secret: true },
];

for (const { path, status, page, secret } of paths)
    test(`path: ${JSON.stringify(path.slice(0, 60))}`, async () => {
        for (const method of ["GET", "HEAD"]) {
            const answer = await raw(request(method, path));
            if (!secret)
                assert.doesNotMatch(answer, /the secret|root:/);
            assert.doesNotMatch(answer, /module\.js|config\.txt/, "no listing of a directory");
            if (status)
                assert.deepEqual(statuses(answer), [status], answer.slice(0, 300));
            else
                assert.ok([200, 403, 404].includes(statuses(answer)[0]), answer.slice(0, 300));
            if (page && method === "GET")
                assert.match(answer, /<title>page/);
        }
        await healthy();
    });

/* ---- requests that two readers understand in two ways ---- */

const hidden = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"; /* must never be answered */

const bodies = [
    { name: "a length", headers: "Content-Length: 47\r\n" },
    { name: "two lengths", headers: "Content-Length: 0\r\nContent-Length: 47\r\n" },
    { name: "two lengths, the other way round", headers: "Content-Length: 47\r\nContent-Length: 0\r\n" },
    { name: "a list of lengths", headers: "Content-Length: 0, 47\r\n" },
    { name: "a length with a sign", headers: "Content-Length: +47\r\n" },
    { name: "a length in hexadecimal", headers: "Content-Length: 0x2f\r\n" },
    { name: "a length of 00", headers: "Content-Length: 00\r\n" },
    { name: "a long length", headers: `Content-Length: ${"0".repeat(40)}47\r\n` },
    { name: "no number", headers: "Content-Length: x\r\n" },
    { name: "chunks", headers: "Transfer-Encoding: chunked\r\n" },
    { name: "chunks and a length", headers: "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n" },
    { name: "chunks of an odd name", headers: "Transfer-Encoding: xchunked\r\n" },
    { name: "identity", headers: "Transfer-Encoding: identity\r\n" },
];

for (const { name, headers } of bodies)
    test(`a request with a body is refused, and what follows is not read: ${name}`, async () => {
        for (const path of ["/healthz", "/index.html", "/nothing"]) {
            const answer = await raw(request("GET", path, headers, "") + hidden);
            assert.deepEqual(statuses(answer), [400], answer.slice(0, 300));
            assert.doesNotMatch(answer, /# HELP/);
        }
        await healthy();
    });

test("an upgrade with a body is refused, and what follows is not read, on a connection that served before", async () => {
    const upgrade = "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    for (const more of [`Connection: Upgrade\r\n${upgrade}Content-Length: 47\r\n`, `Connection: Upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n`,
        "Connection: Upgrade\r\nUpgrade: unheard\r\n"]) {
        const answer = await raw(request("GET", "/healthz", "", "") + request("GET", "/ws", more, "") + hidden);
        assert.equal(statuses(answer).length, 2, answer);
        assert.ok([400, 403].includes(statuses(answer)[1]));
        assert.doesNotMatch(answer, /# HELP/);
    }
    await healthy();
});

const oddLines = [
    { name: "no Host", text: "GET /healthz HTTP/1.1\r\n\r\n", status: 400 },
    { name: "two Hosts", text: request("GET", "/healthz", "Host: localhost\r\n"), status: 400 },
    { name: "HTTP/1.0 without Host, in development", text: "GET /healthz HTTP/1.0\r\n\r\n", status: 403 },
    { name: "HTTP/0.9", text: "GET /healthz\r\n\r\n", status: 400 },
    { name: "HTTP/1.2", text: "GET /healthz HTTP/1.2\r\nHost: localhost\r\n\r\n", status: 400 },
    { name: "HTTP/2.0", text: "GET /healthz HTTP/2.0\r\nHost: localhost\r\n\r\n", status: 400 },
    { name: "a blank in the path", text: request("GET", "/healthz /x"), status: 400 },
    { name: "a tab for a blank", text: "GET /healthz\tHTTP/1.1\r\nHost: localhost\r\n\r\n", status: 400 },
    { name: "a line end in the path", text: request("GET", "/a%0d%0aX-Header: 1"), status: 400 },
    { name: "the preface of HTTP/2", text: "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0", status: 403 },
    { name: "two request lines", text: `GET /healthz HTTP/1.1\r\n${request("GET", "/metrics")}`, status: undefined },
    { name: "empty lines first", text: `\r\n\r\n${request("GET", "/metrics")}`, status: undefined },
    { name: "headers without end", text: request("GET", "/healthz", `X: ${"a".repeat(30_000)}\r\n`), status: undefined },
    { name: "100 headers", text: request("GET", "/healthz", Array.from({ length: 100 }, (_, i) => `X-${i}: y\r\n`).join("")), status: 200 },
    { name: "100 times one header", text: request("GET", "/healthz", "Accept: y\r\n".repeat(100)), status: undefined },
    { name: "a folded header", text: request("GET", "/healthz", "X-Fold: a\r\n b: c\r\n"), status: 200 },
    { name: "line feeds only", text: request("GET", "/healthz").replaceAll("\r\n", "\n"), status: 200 },
    { name: "controls in a header", text: request("GET", "/healthz", "X-Odd: \x01\x7f\xff\r\n"), status: 200 },
];

for (const { name, text, status } of oddLines)
    test(`a request of an odd form: ${name}`, async () => {
        const answer = await raw(text);
        assert.deepEqual(statuses(answer), status ? [status] : [], answer.slice(0, 300));
        assert.doesNotMatch(answer, /# HELP|X-Header: 1/);
        await healthy();
    });

test("a length that the parser overlooks does not give a proxy's next request to a stranger", async () => {
    const before = await metric(bridge, "sigbridge_websockets_accepted_total");
    for (const path of ["/healthz", "/index.html", "/nothing", "/ws"]) {
        const stranger = "X-Forwarded-For: 203.0.113.1\r\n";
        const answer = await raw(request("GET", path, `${stranger}X-A: b\r\nContent-Length: 47\r\n`, "") + hidden, { from: PROXY });
        assert.equal(statuses(answer).length, 1, answer.slice(0, 600));
        assert.doesNotMatch(answer, /# HELP/);
    }
    assert.equal(await metric(bridge, "sigbridge_websockets_accepted_total"), before);
});

/* ---- methods ---- */

for (const [method, status] of [["PUT", 405], ["PATCH", 405], ["POST", 405], ["DELETE", 405], ["OPTIONS", 405], ["TRACE", 403], ["PROPFIND", 403], ["CONNECT", undefined]])
    test(`method: ${method}`, async () => {
        for (const path of ["/index.html", "/healthz", "/", "/ws"]) {
            const answer = await raw(request(method, path, "X-Secret: mirror\r\n"));
            assert.deepEqual(statuses(answer), status ? [status] : [], answer.slice(0, 300));
            assert.doesNotMatch(answer, /mirror/, "nothing is sent back");
            if (status === 405)
                assert.match(answer, /^allow: GET, HEAD\r$/m);
        }
        await healthy();
    });

test("CONNECT makes no connection that stays", async () => {
    const before = await metric(bridge, "sigbridge_connections");
    for (let i = 0; i < 20; i++)
        assert.equal(await raw(`CONNECT localhost:${i} HTTP/1.1\r\nHost: localhost\r\n\r\nhello`), "");
    await until(async () => await metric(bridge, "sigbridge_connections") <= before, "as before");
});

/* ---- several requests in one write ---- */

test("behind a file the connection ends, or its next request is answered rightly", async () => {
    for (const file of ["/big.txt", "/index.html"]) {
        const answer = await raw(request("GET", file, "", "") + request("GET", "/healthz"));
        const [first, second] = statuses(answer);
        assert.equal(first, 200);
        assert.ok([undefined, 403].includes(second) || (second === 200 && answer.endsWith("ok\n")), String(second));
        const body = answer.split("\r\n\r\n")[1];
        assert.ok(file !== "/big.txt" || body.startsWith("x".repeat(300_000)), "the file is whole");
        await healthy();
    }
});

test("many requests in one write are answered in order", async () => {
    const answer = await raw(request("GET", "/healthz", "", "").repeat(50) + request("GET", "/readyz"));
    assert.deepEqual(statuses(answer), Array(51).fill(200));
    assert.equal(answer.split("ok\n").length, 51);
    assert.ok(answer.endsWith("ready\n"));
});
