/* The security headers on what libwebsockets answers by itself; those on our own answers are in
 * origin.test.mjs, and HSTS in tls.test.mjs. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { deadline, tempDir } from "./harness.mjs";
import { World } from "./world.mjs";

const world = new World();
const web = tempDir("headers");
let bridge;

before(async () => {
    writeFileSync(join(web, "index.html"), "<!doctype html><title>page</title>");
    writeFileSync(join(web, "script.mjs"), "export const here = 1;");
    writeFileSync(join(web, "odd.extension"), "?");
    bridge = (await world.start({ web })).bridge;
});
after(() => world.end());

async function ask(method, path, more = "") {
    const [host, port] = bridge.http.split(":");
    const socket = connect(Number(port), host);
    let got = "";
    socket.on("data", (chunk) => (got += chunk.toString("latin1")));
    socket.on("error", () => {});
    const over = new Promise((resolve) => socket.on("close", resolve));
    socket.write(`${method} ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n${more}\r\n`);
    await deadline(over, `an answer to ${method} ${path}`);
    const [head, body] = got.split("\r\n\r\n");
    const [line, ...lines] = head.split("\r\n");
    const headers = lines.map((l) => /^([^:]+): *(.*)$/.exec(l).slice(1)).map(([name, value]) => [name.toLowerCase(), value]);
    return { status: Number(line.split(" ")[1]), body, all: (name) => headers.filter(([n]) => n === name).map(([, value]) => value) };
}

const etag = async () => (await ask("GET", "/")).all("etag")[0];

const answers = [
    { name: "a page", path: "/", status: 200 },
    { name: "a script", path: "/script.mjs", status: 200 },
    { name: "HEAD of a file", method: "HEAD", path: "/script.mjs", status: 200 },
    { name: "a file that is the same still", path: "/", more: async () => `If-None-Match: ${await etag()}\r\n`, status: 304 },
    { name: "a file of an unknown kind", path: "/odd.extension", status: 415 },
    { name: "a path without a slash", path: "index.html", status: 403 },
    { name: "a bad escape", path: "/%zz", status: 403 },
    { name: "an unknown method", method: "BREW", path: "/", status: 403 },
    { name: "an unknown upgrade", path: "/ws", more: async () => "Connection: Upgrade\r\nUpgrade: tea\r\n", status: 403 },
];

for (const { name, method = "GET", path, more = async () => "", status } of answers)
    test(`every answer has the security headers, each once: ${name}`, async () => {
        const answer = await ask(method, path, await more());
        assert.equal(answer.status, status);
        assert.match(answer.all("content-security-policy").join(" and "), /^default-src 'none'; script-src 'self'; [^]*frame-ancestors 'none'$/);
        assert.deepEqual(answer.all("x-content-type-options"), ["nosniff"]);
        assert.deepEqual(answer.all("referrer-policy"), ["no-referrer"]);
        assert.deepEqual(answer.all("cross-origin-opener-policy"), ["same-origin"]);
        assert.deepEqual(answer.all("x-frame-options"), ["DENY"]);
        assert.equal(answer.all("permissions-policy").length, 1);
        assert.deepEqual(answer.all("server"), []);
        assert.deepEqual(answer.all("access-control-allow-origin"), []);
        if (status === 304)
            assert.equal(answer.body, "");
    });
