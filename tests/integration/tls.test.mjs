/* TLS at the bridge's own listeners: what is spoken, what is refused, and new certificates at SIGHUP. */
import assert from "node:assert/strict";
import { copyFileSync, writeFileSync } from "node:fs";
import { get as httpsGet } from "node:https";
import { connect } from "node:net";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { connect as tlsConnect } from "node:tls";
import { makePair, openssl } from "./certificates.mjs";
import { deadline, Program, tempDir, until } from "./harness.mjs";
import { metric, newRoom, World } from "./world.mjs";

const world = new World();
const web = tempDir("web");
const dir = tempDir("tls");
const files = { cert: join(dir, "live.crt"), key: join(dir, "live.key") };
let bridge, first;

function install(pair) {
    copyFileSync(pair.cert, files.cert);
    copyFileSync(pair.key, files.key);
}

before(async () => {
    writeFileSync(join(web, "index.html"), "<!doctype html><title>page</title>");
    first = await makePair();
    install(first);
    await world.start({ web, listen: "http://127.0.0.1:0", args: ["--listen", "https://127.0.0.1:0", "--tls-cert", files.cert, "--tls-key", files.key] });
    bridge = world.bridge;
    bridge.wssUrl = `wss://${bridge.ready.https}/ws`;
});
after(() => world.end());

const [hostOf, portOf] = [(address) => address.split(":")[0], (address) => Number(address.split(":")[1])];
const https = () => ({ host: hostOf(bridge.ready.https), port: portOf(bridge.ready.https) });

/* A handshake: what was agreed, or the error's code. */
async function shake(options = {}) {
    const socket = tlsConnect({ ...https(), rejectUnauthorized: false, ...options });
    const done = new Promise((resolve) => {
        socket.on("error", (error) => resolve({ error: error.code ?? error.message }));
        socket.on("close", () => resolve({ error: "closed" }));
        socket.on("secureConnect", () => resolve({
            protocol: socket.getProtocol(),
            alpn: socket.alpnProtocol,
            cipher: socket.getCipher().name,
            fingerprint: socket.getPeerCertificate().fingerprint256,
            authorized: socket.authorized,
        }));
    });
    return deadline(done, "a handshake").finally(() => socket.destroy());
}

function page(path, options = {}) {
    return deadline(new Promise((resolve, reject) => {
        httpsGet({ ...https(), path, ca: first.pem, agent: false, ...options }, (response) => {
            let text = "";
            response.setEncoding("utf8").on("data", (chunk) => (text += chunk));
            response.on("end", () => resolve({ status: response.statusCode, headers: response.headers, text }));
        }).on("error", reject);
    }), path);
}

test("`ready` names both kinds of listeners", () => {
    assert.match(bridge.ready.http, /^127\.0\.0\.1:\d+$/);
    assert.match(bridge.ready.https, /^127\.0\.0\.1:\d+$/);
    assert.notEqual(bridge.ready.http, bridge.ready.https);
});

test("pages come over TLS, to a client that checks the certificate", async () => {
    const answer = await page("/");
    assert.equal(answer.status, 200);
    assert.match(answer.text, /<title>page/);
    assert.equal((await page("/healthz")).text, "ok\n");
    assert.equal((await page("/metrics")).status, 200);
});

test("Strict-Transport-Security is said over TLS only", async () => {
    for (const path of ["/", "/healthz", "/nothing"]) {
        assert.equal((await page(path)).headers["strict-transport-security"], "max-age=31536000", path);
        const plain = await fetch(new URL(path, bridge.url));
        assert.equal(plain.headers.get("strict-transport-security"), null, path);
    }
});

test("a call between a peer over TLS and one without", async () => {
    const room = newRoom();
    const ann = await world.join({ room, peer: "ann" }, { bridge: { wsUrl: bridge.wssUrl }, ca: first.pem });
    const bob = await world.join({ room, peer: "bob" });
    const data = "x".repeat(60_000); /* many TLS records and reads */
    await ann.request({ type: "message", to: "bob", data });
    assert.equal((await bob.expect("message")).data, data);
    await bob.request({ type: "message", to: "ann", data });
    assert.equal((await ann.expect("message")).data, data);
});

const offers = [
    { name: "TLS 1.3", options: { minVersion: "TLSv1.3" }, protocol: "TLSv1.3" },
    { name: "TLS 1.2", options: { maxVersion: "TLSv1.2" }, protocol: "TLSv1.2", cipher: /^ECDHE-ECDSA-/ },
    { name: "TLS 1.1", options: { minVersion: "TLSv1", maxVersion: "TLSv1.1", ciphers: "ALL:@SECLEVEL=0" }, error: /PROTOCOL|VERSION/ },
    { name: "without forward secrecy", options: { maxVersion: "TLSv1.2", ciphers: "AES128-GCM-SHA256:@SECLEVEL=0" }, error: /HANDSHAKE|NO_SHARED|ALERT/i },
    { name: "CBC", options: { maxVersion: "TLSv1.2", ciphers: "ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0" }, error: /HANDSHAKE|NO_SHARED|ALERT/i },
    { name: "no encryption", options: { maxVersion: "TLSv1.2", ciphers: "NULL:@SECLEVEL=0" }, error: /HANDSHAKE|NO_SHARED|ALERT/i },
    { name: "HTTP/2 and HTTP/1.1", options: { ALPNProtocols: ["h2", "http/1.1"] }, protocol: "TLSv1.3", alpn: "http/1.1" },
    { name: "no ALPN", options: {}, protocol: "TLSv1.3", alpn: false },
    { name: "another name (SNI)", options: { servername: "elsewhere.example.org" }, protocol: "TLSv1.3" },
];

for (const { name, options, protocol, cipher = /./, alpn, error } of offers)
    test(`what a client may ask for: ${name}`, async () => {
        const got = await shake(options);
        if (error)
            return assert.match(got.error ?? JSON.stringify(got), error);
        assert.equal(got.protocol, protocol, got.error);
        assert.match(got.cipher, cipher);
        if (alpn !== undefined)
            assert.equal(got.alpn, alpn);
    });

test("HTTP/2 alone is not spoken", async () => {
    const got = await shake({ ALPNProtocols: ["h2"] });
    assert.notEqual(got.alpn, "h2");
});

/* What comes back for these bytes, until the bridge ends the connection. */
function say(address, bytes) {
    const socket = connect(portOf(address), hostOf(address));
    const pieces = [];
    const done = new Promise((resolve) => {
        socket.on("data", (chunk) => pieces.push(chunk));
        socket.on("error", () => {});
        socket.on("close", () => resolve(Buffer.concat(pieces)));
    });
    socket.write(bytes);
    return deadline(done, "its end").finally(() => socket.destroy());
}

test("HTTP at the TLS port gets no page", async () => {
    const said = await say(bridge.ready.https, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert.doesNotMatch(said.toString("latin1"), /ok\n|200/);
});

test("a handshake that never ends is cut, and others do not wait for it", async () => {
    const silent = say(bridge.ready.https, "");
    const half = say(bridge.ready.https, Buffer.from("16030100c8010000c40303", "hex"));
    assert.equal((await page("/healthz")).status, 200);
    await Promise.all([silent, half]);
    await until(async () => await metric(bridge, "sigbridge_connections") <= 4, "their places are free");
});

/* ---- new certificates ---- */

/* The first line of this event after those that are there now. */
async function hangUp(event) {
    const seen = bridge.logs.filter((line) => line.includes(` ${event} `)).length;
    bridge.kill("SIGHUP");
    return until(() => bridge.logs.filter((line) => line.includes(` ${event} `))[seen], `${event} after SIGHUP`);
}

test("SIGHUP brings a new certificate, of another kind too, and drops nobody", async () => {
    const room = newRoom();
    const ann = await world.join({ room, peer: "ann" }, { bridge: { wsUrl: bridge.wssUrl }, ca: first.pem });
    const bob = await world.join({ room, peer: "bob" });
    for (const kind of ["rsa", "ec", "rsa"]) {
        const pair = await makePair({ kind });
        install(pair);
        assert.match(await hangUp("reloaded"), /tls_(cert|key)/);
        assert.equal((await shake()).fingerprint, pair.fingerprint, kind);
        assert.equal((await shake({ maxVersion: "TLSv1.2" })).fingerprint, pair.fingerprint, kind);
        assert.equal((await shake({ ca: pair.pem, rejectUnauthorized: true, servername: "localhost" })).authorized, true);
        await ann.request({ type: "message", to: "bob", data: kind });
        assert.equal((await bob.expect("message")).data, kind);
        first = pair;
    }
    assert.equal(ann.socket.readyState, 1);
});

test("a client cannot go back to the old certificate by resuming", async () => {
    let session;
    const socket = tlsConnect({ ...https(), rejectUnauthorized: false, maxVersion: "TLSv1.2" });
    socket.on("session", (s) => (session = s));
    await deadline(new Promise((resolve) => socket.once("secureConnect", resolve)), "a handshake");
    session ??= socket.getSession();
    socket.destroy();
    const pair = await makePair();
    install(pair);
    await hangUp("reloaded");
    assert.equal((await shake({ session, maxVersion: "TLSv1.2" })).fingerprint, pair.fingerprint);
    first = pair;
});

const faults = [
    { name: "the key of another", spoil: async () => copyFileSync((await makePair()).key, files.key), why: /does not fit/ },
    { name: "no certificate in the file", spoil: () => writeFileSync(files.cert, "hello\n"), why: /holds no PEM certificate/ },
    { name: "half a file", spoil: () => writeFileSync(files.cert, first.pem.slice(0, 300)), why: /damaged|holds no PEM/ },
    { name: "an empty key", spoil: () => writeFileSync(files.key, ""), why: /holds no PEM private key/ },
    { name: "RSA of 1024 bits", spoil: async () => install(await makePair({ kind: "weak" })), why: /refused by OpenSSL/ },
];

for (const { name, spoil, why } of faults)
    test(`SIGHUP with a pair that is no use changes nothing: ${name}`, async () => {
        install(first);
        await spoil();
        const line = await hangUp("reload-failed");
        assert.match(line, why);
        assert.match(line, /tls_(cert|key)/);
        assert.equal((await shake()).fingerprint, first.fingerprint);
        install(first);
        await hangUp("reloaded");
    });

test("SIGHUP many times at once, with clients that come", async () => {
    const ann = await world.join({ room: newRoom(), peer: "ann" }, { bridge: { wsUrl: bridge.wssUrl }, ca: first.pem });
    for (let i = 0; i < 50; i++) {
        bridge.kill("SIGHUP");
        if (i % 5 === 0)
            assert.equal((await shake()).fingerprint, first.fingerprint);
    }
    await ann.request({ type: "ping" }).catch(() => {});
    assert.equal(ann.socket.readyState, 1);
    assert.equal((await page("/healthz", { ca: first.pem })).status, 200);
});

test("a certificate that has ended is used all the same, with a warning", async () => {
    const ended = await makePair({ ended: true });
    install(ended);
    assert.match(await hangUp("certificate-out-of-date"), /expired/);
    assert.equal((await shake()).fingerprint, ended.fingerprint);
    assert.ok(await metric(bridge, "sigbridge_certificate_expires_seconds") < Date.now() / 1000);
    install(first);
    await hangUp("reloaded");
});

/* ---- at the start ---- */

const starts = [
    { name: "no certificate file", cert: () => "/nowhere/x.crt", why: /tls-cert.*(No such file|cannot be read)/ },
    { name: "no key file", key: () => "/nowhere/x.key", why: /tls-key.*(No such file|cannot be read)/ },
    { name: "a directory", cert: () => "/tmp", why: /tls.cert .*(not a file|cannot be read|directory)/i },
    { name: "a key that does not fit", key: async () => (await makePair()).key, why: /does not fit/ },
    { name: "an encrypted key", key: async () => {
        const path = join(tempDir("tls"), "encrypted.key");
        await openssl("rsa", "-aes128", "-passout", "pass:secret", "-in", (await makePair({ kind: "rsa" })).key, "-out", path);
        return path;
    }, why: /encrypted/ },
    { name: "the two the wrong way round", cert: () => files.key, key: () => files.cert, why: /holds no PEM certificate/ },
];

for (const { name, cert = () => files.cert, key = () => files.key, why } of starts)
    test(`the bridge does not start, and says why: ${name}`, async () => {
        const args = ["--dev", "--listen", "https://127.0.0.1:0", "--mqtt-listen", "127.0.0.1:0", "--data", tempDir(),
            "--broker", world.broker.url, "--tls-cert", await cert(), "--tls-key", await key()];
        const program = new Program(process.env.SIGBRIDGE_BIN, args);
        const { code } = await deadline(program.exited, "its end");
        assert.notEqual(code, 0);
        const said = program.logs.filter((line) => why.test(line));
        assert.equal(said.length, 1, program.tail());
        assert.doesNotMatch(program.tail(), /secret|BEGIN [A-Z ]*KEY-----[A-Za-z]/);
    });
