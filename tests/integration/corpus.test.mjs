/* The whole corpus through the running bridge, browser to device and device to browser: what real
 * endpoints send arrives equal, what is hostile is answered and does not arrive, and none of it gets
 * into the log. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { WsPeer } from "./harness.mjs";
import { clientMessagesFor, expectation, loadCorpus } from "./corpus.mjs";
import { answerSdp, inboxTopic, newRoom, presenceTopic, sdp, sees, World } from "./world.mjs";

const WORKERS = 6;
const world = new World();
const lines = [];
let outcome = {};

before(async () => {
    await world.start({ args: ["--log-format", "json"] });
    lines.push(...world.bridge.logs);
    world.bridge.on("line", (line) => lines.push(line));
});
after(() => world.end());

const corpus = loadCorpus();
const signals = corpus.filter((entry) => entry.kind !== "envelope");
const envelopes = corpus.filter((entry) => entry.kind === "envelope");

/* ---- what must arrive ---- */

const lineEnded = (text) => (text.endsWith("\n") ? text : `${text}\r\n`); /* the bridge ends the last line */

function valueOf(entry) {
    if (entry.bytes === undefined)
        return entry.payload;
    return entry.bare ? { type: entry.kind, sdp: entry.bytes.toString("utf8") } : JSON.parse(entry.bytes.toString("utf8"));
}

function members(value) {
    const known = ["candidate", "sdpMid", "sdpMLineIndex", "usernameFragment"];
    return value === null ? null : Object.fromEntries(known.filter((key) => key in value).map((key) => [key, value[key]]));
}

function assertEqual(entry, message) {
    const value = valueOf(entry);
    if (entry.kind === "candidate")
        assert.deepEqual(message.candidate, members(value), entry.name);
    else
        assert.ok(message.sdp === lineEnded(value.sdp), `${entry.name}: the SDP arrives byte for byte`);
    assert.equal(message.type, entry.kind, entry.name);
}

/* `arrived`: signals at the other end; `refusal`: an error's word, "closed", or undefined. */
function judge(entry, arrived, refusal) {
    const { verdict, why } = expectation(entry);
    const name = `${entry.name} (${verdict}: ${why})`;
    assert.ok(arrived.length <= 1, `${name}: ${arrived.length} messages arrived`);
    assert.notEqual(arrived.length === 1, refusal !== undefined, `${name}: it arrives, or it is refused; ${refusal}`);
    if (verdict !== "either")
        assert.equal(arrived.length === 1, verdict === "accept", `${name}: ${refusal}`);
    if (arrived.length === 1)
        assertEqual(entry, arrived[0]);
    const key = `${verdict}, ${refusal ?? "arrived"}`;
    outcome[key] = (outcome[key] ?? 0) + 1;
}

const failures = [];
async function each(entries, makeWorker) {
    const queue = [...entries];
    outcome = {};
    failures.length = 0;
    await Promise.all(Array.from({ length: WORKERS }, async () => {
        const work = await makeWorker();
        for (let entry; (entry = queue.shift());)
            try {
                await work(entry);
            } catch (error) {
                failures.push(`${entry.name}: ${error.message}`);
                if (failures.length > 20)
                    return;
            }
    }));
    console.log(`# ${JSON.stringify(outcome)}`);
    assert.deepEqual(failures, []);
}

const isSignal = (m) => ["offer", "answer", "candidate"].includes(m?.type);
let number = 0;

/* ---- browser to device ---- */

async function browserWorker() {
    const room = newRoom();
    const device = await world.device({ room, name: "target" });
    let browser;
    const enter = async () => {
        browser = await WsPeer.join(world.bridge.wsUrl, { room, peer: `web${++number}` });
        await sees(browser, "target");
    };
    await enter();

    return async (entry) => {
        if (entry.kind === "answer") {
            await device.send(browser.name, { type: "offer", sdp: sdp(++number) });
            await browser.expect("offer");
        }
        const seen = device.mail.all.length;
        const heard = browser.received.length;
        const { messages: [message] } = clientMessagesFor(entry, { to: "target" });
        const fence = `fence${++number}`;
        browser.socket.send(message, { binary: false });
        browser.send({ type: "message", to: "target", data: fence, id: fence });
        let end = await Promise.race([browser.expect((m) => m.type === "ack" && m.id === fence), browser.closed]);
        if (end.code) { /* closed: nothing behind it was done */
            const { code } = end;
            await enter();
            /* Whoever sends a megabyte may get a reset that overtakes the Close frame. */
            assert.ok([1003, 1007, 1009].includes(code) || (code === 1006 && message.length > 262144), `closed with ${code}`);
            await browser.request({ type: "message", to: "target", data: fence });
        } else {
            end = browser.received.slice(heard).find((m) => m.type === "error" && m.id !== fence);
        }
        await device.mail.expect((m) => m.message?.data === fence);
        const arrived = device.mail.all.slice(seen).map((m) => m.message).filter(isSignal);
        judge(entry, arrived, end?.code > 1000 ? "closed" : end?.error);
    };
}

test(`browser to device: ${signals.length} descriptions and candidates`, () => each(signals, browserWorker));

/* ---- device to browser ---- */

/* The bridge answers 50 errors in a second, and 200 at once: no more than that is asked of it. */
let tokens = 150, refilled = Date.now();
async function errorToken() {
    for (;;) {
        tokens = Math.min(150, tokens + (Date.now() - refilled) * 0.045);
        refilled = Date.now();
        if (tokens >= 1)
            break;
        await new Promise((resolve) => setTimeout(resolve, 30));
    }
    tokens--;
}

async function deviceWorker() {
    const room = newRoom();
    const device = await world.device({ room, name: "cam" });
    const browser = await WsPeer.join(world.bridge.wsUrl, { room, peer: "web" });
    await sees(browser, "cam");

    return async (entry) => {
        if (entry.kind === "answer")
            await browser.request({ type: "offer", to: "cam", sdp: sdp(++number) });
        if (expectation(entry).verdict !== "accept")
            await errorToken();
        const seen = device.mail.all.length;
        const heard = browser.received.length;
        const { messages: [message] } = clientMessagesFor(entry, { to: "web" });
        const fence = `fence${++number}`;
        await device.send("web", message);
        await device.send("web", { type: "message", data: fence });
        await browser.expect((m) => m.data === fence);
        const arrived = browser.received.slice(heard).filter(isSignal);
        let error;
        if (arrived.length === 0)
            error = await device.mail.expect((m) => device.mail.all.indexOf(m, seen) >= 0 && m.message?.type === "error", `an error for ${entry.name}`);
        judge(entry, arrived, error?.message.error);
    };
}

test(`device to browser: ${signals.length} descriptions and candidates`, () => each(signals, deviceWorker));

/* ---- envelopes ---- */

const isName = (value) => typeof value === "string" && /^[A-Za-z0-9][A-Za-z0-9._~-]{0,63}$/.test(value);
const read = (message) => {
    try {
        return JSON.parse(message.toString("utf8"));
    } catch {
        return undefined;
    }
};

/* Says whether the signal of the envelope arrived, and what spoke against it. */
async function sendEnvelope(ear, fencer, { protocols, messages }) {
    const room = read(messages[0])?.room;
    const to = read(messages.at(-1))?.to;
    if (isName(room) && isName(to))
        await ear.publish(presenceTopic(room, to), {}, { retain: true });
    await ear.publish(inboxTopic("fence", "fencer", "ear"), { type: "message", data: ++number });
    await fencer.expect((m) => m.data === number);
    const seen = ear.mail.all.length;
    let socket;
    try {
        socket = await WsPeer.connect(world.bridge.wsUrl, { protocols });
    } catch {
        return { arrived: [], refusal: "handshake" };
    }
    socket.socket.send(messages[0], { binary: false });
    if (messages.length > 1) {
        await Promise.race([socket.expect((m) => m.type === "joined" || m.type === "error"), socket.closed]);
        socket.socket.send(messages[1], { binary: false });
    }
    socket.send({ type: "ping", id: "fence" });
    await Promise.race([socket.expect((m) => m.type === "ack" && m.id === "fence"), socket.closed]);
    const error = socket.received.find((m) => m.type === "error");
    await fencer.request({ type: "message", to: "ear", data: "end" });
    await ear.expect(inboxTopic("fence", "ear", "fencer"));
    await socket.close();
    const arrived = ear.mail.all.slice(seen).filter((m) => /\/peers\/[^/]+\/in\//.test(m.topic)).map((m) => m.message).filter(isSignal);
    if (isName(room) && isName(to))
        await ear.publish(presenceTopic(room, to), "", { retain: true });
    return { arrived, refusal: error?.error };
}

test(`browser to device: ${envelopes.length} whole messages`, async () => {
    const ear = await world.mqtt();
    await ear.subscribe("sigbridge/v1/rooms/+/peers/+/in/+");
    const fencer = await world.join({ room: "fence", peer: "fencer" });
    await ear.publish(presenceTopic("fence", "ear"), {}, { retain: true });
    await sees(fencer, "ear");
    outcome = {};
    for (const entry of envelopes) {
        const { verdict, why } = expectation(entry);
        const { arrived, refusal } = await sendEnvelope(ear, fencer, clientMessagesFor(entry));
        const name = `${entry.name} (${verdict}: ${why}): ${refusal}`;
        if (verdict === "accept") {
            assert.equal(refusal, undefined, name);
            assert.equal(arrived.length, 1, name);
            assert.equal(arrived[0].sdp, entry.payload.sdp, name);
        } else if (verdict === "reject") {
            assert.notEqual(refusal, undefined, name);
            assert.equal(arrived.length, 0, name);
        } else {
            assert.ok(arrived.length <= 1 && (refusal !== undefined || arrived.length === 1 || entry.envelope !== "neutral"), name);
        }
        const key = `${verdict}, ${refusal ?? (arrived.length ? "arrived" : "taken")}`;
        outcome[key] = (outcome[key] ?? 0) + 1;
    }
    console.log(`# ${JSON.stringify(outcome)}`);
});

test(`device to browser: ${envelopes.length} whole messages harm nobody`, async () => {
    const room = newRoom();
    const device = await world.device({ room, name: "cam" });
    const browser = await world.join({ room, peer: "web" });
    for (const entry of envelopes) {
        for (const message of clientMessagesFor(entry, { to: "web" }).messages)
            await device.send("web", message);
        await device.send("web", { type: "message", data: ++number });
        await browser.expect((m) => m.data === number);
    }
    for (const message of browser.received.filter((m) => m.sdp !== undefined))
        assert.equal(typeof message.sdp, "string");
    await browser.request({ type: "offer", to: "cam", sdp: sdp() });
    await device.send("web", { type: "answer", sdp: answerSdp() });
    await browser.expect("answer");
});

/* ---- the log, after all that ---- */

test("the log holds no description, no candidate, no password and no token, and every line is sound", async () => {
    const secret = await world.join({ room: newRoom(), peer: "holder", token: "eyJhbGciOiJIUzI1NiJ9.the-token-of-holder.c2ln" });
    secret.send({ type: "refresh", token: "eyJhbGciOiJIUzI1NiJ9.another-token-of-holder.c2ln", id: "t" });
    await secret.expect((m) => m.id === "t");
    secret.send({ type: "resume", session: "a.b", secret: "the-secret-of-a-session", seq: 0 });
    await secret.expect("error");
    const words = new Set(["the-token-of-holder", "another-token-of-holder", "the-secret-of-a-session", secret.joined.secret]);
    const split = (text) => text.split(/[^A-Za-z0-9+/:.-]+/).filter((word) => word.length >= 16);
    for (const entry of corpus) {
        const text = entry.bytes ? entry.bytes.toString("utf8") : JSON.stringify(entry.payload);
        for (const [, , value] of text.matchAll(/a=(ice-ufrag|ice-pwd|fingerprint|candidate|msid|cname):([^\\"\r\n]+)/g))
            for (const word of split(value))
                words.add(word);
        if (entry.kind === "candidate" && typeof entry.payload?.candidate === "string")
            for (const word of split(entry.payload.candidate))
                words.add(word);
    }
    assert.ok(lines.length > 500, `${lines.length} lines`);
    for (const line of lines) {
        const fields = JSON.parse(line); /* throws for what is none */
        assert.match(line, /^[\x20-\x7e]+$/);
        assert.ok(fields.time && fields.level && fields.event, line);
        assert.doesNotMatch(line, /m=(audio|video|application) \d|o=\S+ \d|a=(candidate|fingerprint|ice-pwd):|typ (host|srflx|prflx|relay)/, line);
        for (const word of split(line))
            assert.ok(!words.has(word), `${word} is in the log: ${line}`);
    }
});
