/* The corpus of real and hostile payloads, and how each of them reaches the bridge.
 *
 *     for (const entry of loadCorpus()) {
 *         const { protocols, messages } = clientMessagesFor(entry, { to: "cam1" });
 *         ...connect with the subprotocols, send the messages in order...
 *         const { verdict } = expectation(entry);   "accept", "reject" or "either"
 *     }
 *
 * The hand-made envelopes use neutral keys (v, type, room, from, to, sdp). Their hostile part is a
 * value, so that value goes where it would go with us: v into the subprotocol, room and from into
 * `join`, type, to and sdp into the message after it. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { repository } from "./harness.mjs";

/* Beside the checkout there may be a larger corpus than the packed one: it is read where it lies. */
const directory = join(repository, "..", "shared", "corpus");
const pack = join(repository, "tests", "data", "corpus.jsonl.gz");

/* [{name, kind, expect, why, tag, envelope, payload | bytes, bare}]. `kind`: offer, answer, candidate
 * or envelope. An entry has either `payload` (the value after JSON parsing) or `bytes` (a Buffer): of
 * the whole JSON text, or of the SDP alone when `bare` is true. */
export function loadCorpus() {
    const lines = [];
    const take = (text) => lines.push(...text.split("\n").filter((line) => line !== ""));
    if (existsSync(directory))
        for (const file of readdirSync(directory).filter((name) => name.endsWith(".jsonl")).sort())
            take(readFileSync(join(directory, file), "utf8"));
    else
        take(gunzipSync(readFileSync(pack)).toString("utf8"));
    return lines.map((line) => {
        const { name, kind, expect, why = "", tag, envelope, payload, payload_b64: b64, b64_is: is } = JSON.parse(line);
        const bytes = b64 === undefined ? undefined : Buffer.from(b64, "base64");
        return { name, kind, expect, why, tag, envelope, payload, bytes, bare: is === "sdp" };
    });
}

/* Where our protocol differs from what the corpus assumes about envelopes. */
const ours = new Map([
    ["bad-env-missing-from", ["accept", "`peer` is optional in join: the bridge picks a name"]],
    ["envelope-foreign-simple-peer-offer", ["reject", "a bare description does not say for whom it is"]],
]);

export function expectation(entry) {
    const [verdict, why] = ours.get(entry.name) ?? [entry.expect, entry.why];
    return { verdict, why };
}

/* The payload as it stands alone: what `sigbridge check --kind offer|answer|candidate` reads. */
export function payloadBytes(entry) {
    return entry.bytes ?? Buffer.from(JSON.stringify(entry.payload));
}

/* What a client sends to hand the entry over: subprotocols to offer, and messages (Buffers). A `join`
 * is among the messages only where the entry says something about room or sender. */
export function clientMessagesFor(entry, { to = "target" } = {}) {
    if (entry.kind !== "envelope")
        return { protocols: ["sigbridge.v1"], messages: [signalFor(entry, to)] };
    if (entry.envelope !== "neutral") /* foreign dialects and Janus: as they came */
        return { protocols: ["sigbridge.v1"], messages: [payloadBytes(entry)] };
    return entry.bytes ? neutralBytes(entry.bytes) : neutralPayload(entry.payload);
}

/* One signaling message around an offer, answer or candidate. */
function signalFor(entry, to) {
    const address = JSON.stringify(to);
    if (entry.kind === "candidate")
        return Buffer.concat([Buffer.from(`{"type":"candidate","to":${address},"candidate":`), payloadBytes(entry), Buffer.from("}")]);
    if (entry.bare)
        return Buffer.concat([Buffer.from(`{"type":"${entry.kind}","to":${address},"sdp":"`), escaped(entry.bytes), Buffer.from('"}')]);
    if (entry.bytes)
        return withMember(entry.bytes, `"to":${address}`);
    /* We have no provisional answers: what a client gets from its browser as one goes as an answer. */
    const type = entry.payload.type === "pranswer" ? { type: "answer" } : {};
    return Buffer.from(JSON.stringify({ ...entry.payload, ...type, to }));
}

/* Puts a member into the text of an object, after its first brace, and changes nothing else. */
function withMember(bytes, member) {
    const brace = bytes.indexOf("{");
    if (brace < 0)
        return bytes;
    const empty = /^\s*\}/.test(bytes.toString("latin1", brace + 1, brace + 64));
    return Buffer.concat([bytes.subarray(0, brace + 1), Buffer.from(member + (empty ? "" : ",")), bytes.subarray(brace + 1)]);
}

/* The inside of a JSON string: bytes that are no ASCII stay as they are, valid UTF-8 or not. */
function escaped(bytes) {
    const parts = [];
    for (const byte of bytes) {
        if (byte === 0x22 || byte === 0x5c)
            parts.push(0x5c, byte);
        else if (byte < 0x20)
            parts.push(...Buffer.from(`\\u${byte.toString(16).padStart(4, "0")}`));
        else
            parts.push(byte);
    }
    return Buffer.from(parts);
}

function neutralPayload({ v, room, from, ...signal }) {
    const hello = { type: "join", room, peer: from };
    return {
        protocols: [`sigbridge.v${v}`],
        messages: [hello, signal].map((message) => Buffer.from(JSON.stringify(message))),
    };
}

/* The same for raw bytes, byte by byte: what is hostile in them may be no text at all. */
function neutralBytes(bytes) {
    const text = bytes.toString("latin1");
    const parts = /^\{"v": (\d+), "type": ("\w+"), (.*?)("to": "[^"]*", "sdp": "(?:[^"\\]|\\.)*")(.*)\}$/s.exec(text);
    if (!parts)
        throw new Error("an envelope of another shape: write down here how it maps");
    const [, v, type, before, signal, after] = parts;
    const hello = `${before}${after}`.replace('"from":', '"peer":').replace(/,\s*(,|$)/, "$1");
    return {
        protocols: [`sigbridge.v${v}`],
        messages: [`{"type":"join",${hello}}`, `{"type":${type},${signal}}`].map((message) => Buffer.from(message, "latin1")),
    };
}
