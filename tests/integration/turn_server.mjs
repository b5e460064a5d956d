/* A real coturn for tests, and the smallest TURN client that can say whether credentials count.
 *
 *     const turn = await startTurn({ secret: "north" });
 *     await allocate(turn.port, { username, password });   // { relay: { address, port } } or { error: 401 }
 *     await turn.stop();
 */
import { createHash, createHmac, randomBytes } from "node:crypto";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { deadline, freePort, Program, tempDir } from "./harness.mjs";

export const turnUser = (secret, expires, name) => {
    const username = `${expires}:${name}`;
    return { username, password: createHmac("sha1", secret).update(username).digest("base64") };
};

/* With the secret in its configuration file, as broker and bridge have theirs. Everything stays on
 * the loopback interface, which has 127.0.0.2 too: a relay there is not where its clients are. */
export async function startTurn({ secret, relay = "127.0.0.1", dir = tempDir("turn") }) {
    const port = await freePort();
    const file = join(dir, "turnserver.conf");
    writeFileSync(file, [
        "listening-ip=127.0.0.1", `relay-ip=${relay}`, `listening-port=${port}`, "allow-loopback-peers", "fingerprint",
        "realm=example.org", "use-auth-secret", `static-auth-secret=${secret}`, "no-cli", "no-tls", "no-dtls",
        "log-file=stdout", "simple-log", "no-software-attribute", `pidfile=${join(dir, "pid")}`, `userdb=${join(dir, "db")}`,
        "verbose", "",
    ].join("\n"), { mode: 0o600 });
    const turn = new Program("turnserver", ["-c", file]);
    await turn.line(/IPv4\. UDP listener opened on.*:/);
    await turn.line(/Total auth threads|turn server id=0 created|Total General servers/);
    return Object.assign(turn, { port, secret });
}

/* ---- STUN (RFC 8489) and Allocate (RFC 8656 section 7) ---- */

const COOKIE = 0x2112a442;
const ALLOCATE = 0x0003;
const SUCCESS = 0x0100;
const ATTRIBUTE = { username: 0x0006, integrity: 0x0008, error: 0x0009, realm: 0x0014, nonce: 0x0015, relayed: 0x0016, transport: 0x0019 };

const attribute = (type, value) => {
    const head = Buffer.alloc(4);
    head.writeUInt16BE(type, 0);
    head.writeUInt16BE(value.length, 2);
    return Buffer.concat([head, value, Buffer.alloc((4 - (value.length % 4)) % 4)]);
};

function message(attributes, key) {
    const body = Buffer.concat(attributes);
    const head = Buffer.alloc(20);
    head.writeUInt16BE(ALLOCATE, 0);
    head.writeUInt16BE(body.length + (key ? 24 : 0), 2);
    head.writeUInt32BE(COOKIE, 4);
    randomBytes(12).copy(head, 8);
    const signed = Buffer.concat([head, body]);
    return key ? Buffer.concat([signed, attribute(ATTRIBUTE.integrity, createHmac("sha1", key).update(signed).digest())]) : signed;
}

function parse(bytes) {
    const found = new Map();
    for (let at = 20; at + 4 <= bytes.length;) {
        const size = bytes.readUInt16BE(at + 2);
        found.set(bytes.readUInt16BE(at), bytes.subarray(at + 4, at + 4 + size));
        at += 4 + size + ((4 - (size % 4)) % 4);
    }
    return { type: bytes.readUInt16BE(0), found };
}

/* Asks for a relayed address, first without credentials, as clients do to learn realm and nonce. */
export async function allocate(port, { username, password }) {
    const socket = createSocket("udp4");
    const ask = async (bytes) => {
        const answered = once(socket, "message");
        socket.send(bytes, port, "127.0.0.1");
        return parse((await deadline(answered, "an answer of the TURN server"))[0]);
    };
    const errorOf = ({ found }) => {
        const error = found.get(ATTRIBUTE.error);
        return error && error[2] * 100 + error[3];
    };
    try {
        const udp = attribute(ATTRIBUTE.transport, Buffer.from([17, 0, 0, 0]));
        const challenge = await ask(message([udp]));
        const realm = challenge.found.get(ATTRIBUTE.realm);
        const nonce = challenge.found.get(ATTRIBUTE.nonce);
        if (errorOf(challenge) !== 401 || !realm || !nonce)
            throw new Error(`the TURN server lets in whom it does not know (${errorOf(challenge)})`);
        const key = createHash("md5").update(`${username}:${realm}:${password}`).digest();
        const answer = await ask(message([udp, attribute(ATTRIBUTE.username, Buffer.from(username)),
            attribute(ATTRIBUTE.realm, realm), attribute(ATTRIBUTE.nonce, nonce)], key));
        if (answer.type !== (ALLOCATE | SUCCESS))
            return { error: errorOf(answer) };
        const at = answer.found.get(ATTRIBUTE.relayed);
        const relayPort = at.readUInt16BE(2) ^ (COOKIE >>> 16);
        return { relay: { address: [...at.subarray(4, 8)].map((b, i) => b ^ ((COOKIE >>> (24 - 8 * i)) & 0xff)).join("."), port: relayPort } };
    } finally {
        socket.close();
    }
}
