/* The order of offers and answers: per pair, per call, in both directions, between browsers and
 * between browser and device (protocol section 4, "Order"). */
import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import { until } from "./harness.mjs";
import { answerSdp, newRoom, presenceTopic, sdp, sees, World } from "./world.mjs";

const world = new World();
before(() => world.start({ config: "limits: { outage_age = 1; };\n" }));
after(() => world.end());

/* Steps are "a offer", "b answer screen" (a call's name), "b bye", "a invite"; "!" behind means that
 * it must be refused with unexpected-answer. Everything else must arrive at the other end. */
const scripts = [
    { name: "offer and answer", steps: ["a offer", "b answer"] },
    { name: "and back", steps: ["a offer", "b answer", "b offer", "a answer"] },
    { name: "answer without an offer", steps: ["b answer!"] },
    { name: "answer to one's own offer", steps: ["a offer", "a answer!", "b answer"] },
    { name: "answer twice", steps: ["a offer", "b answer", "b answer!"] },
    { name: "glare: the impolite side's offer is answered", steps: ["a offer", "b offer", "b answer", "a answer!"] },
    { name: "glare: the other way", steps: ["a offer", "b offer", "a answer", "b answer!"] },
    { name: "glare, then all anew", steps: ["a offer", "b offer", "b answer", "a offer", "b answer"] },
    { name: "renewed offer", steps: ["a offer", "a offer", "b answer", "b answer!"] },
    { name: "offer after the answer", steps: ["a offer", "b answer", "a offer", "b answer", "a answer!"] },
    { name: "calls do not mix", steps: ["a offer one", "b answer!", "b answer two!", "b answer one"] },
    { name: "two calls at once", steps: ["a offer", "a offer screen", "b answer screen", "b answer", "b answer!"] },
    { name: "opposite directions on two calls", steps: ["a offer x", "b offer y", "a answer y", "b answer x"] },
    { name: "bye of the caller withdraws the offer", steps: ["a offer", "a bye", "b answer!"] },
    { name: "bye of the called declines it", steps: ["a offer", "b bye", "b answer!"] },
    { name: "bye of another call changes nothing", steps: ["a offer", "a bye other", "b answer"] },
    { name: "bye in glare clears both", steps: ["a offer", "b offer", "a bye", "a answer!", "b answer!"] },
    { name: "invite is no offer", steps: ["a invite", "a answer!", "b offer", "a answer"] },
    { name: "an invite between changes nothing", steps: ["a offer", "b invite", "b answer"] },
    { name: "names of calls are compared as a whole", steps: ["a offer x", "b answer xx!", "b answer X!", "b answer x"] },
];

const calls = new Map(); /* a name in a script -> what is sent */
const longCall = "c".repeat(64);
calls.set("x", longCall);
calls.set("xx", longCall.slice(1));
calls.set("X", longCall.toUpperCase());

let mark = 0;
function build(step) {
    const [, who, type, call, refused] = /^([ab]) (\w+)(?: (\w+))?(!?)$/.exec(step);
    const message = { type, ...call ? { call: calls.get(call) ?? call } : {} };
    if (type === "offer")
        message.sdp = sdp(++mark);
    if (type === "answer")
        message.sdp = answerSdp(++mark);
    return { who, message, refused: refused === "!" };
}

/* Both ends of a pair do the same by different means. */
class Browser {
    constructor(peer, other) {
        Object.assign(this, { peer, other });
    }
    async say(message, refused) {
        const said = this.peer.request({ ...message, to: this.other });
        await (refused ? assert.rejects(said, { error: "unexpected-answer", code: 409 }) : said);
    }
    hear(type) {
        return this.peer.expect((m) => m.type === type && m.from === this.other);
    }
}

class Camera {
    constructor(device, other) {
        Object.assign(this, { device, other });
    }
    async say(message, refused) {
        const id = `d${++mark}`;
        await this.device.send(this.other, { ...message, id });
        if (refused) {
            const error = await this.device.error();
            assert.equal(`${error.code} ${error.error} ${error.id}`, `409 unexpected-answer ${id}`);
        }
    }
    hear(type) {
        return this.device.receive(type, this.other);
    }
}

async function play(ends, steps) {
    for (const step of steps) {
        const { who, message, refused } = build(step);
        const [from, to] = who === "a" ? [ends.a, ends.b] : [ends.b, ends.a];
        await from.say(message, refused);
        if (refused)
            continue;
        const heard = await to.hear(message.type);
        assert.equal(heard.sdp, message.sdp, step);
        assert.equal(heard.call, message.call, step);
    }
    /* What was refused did not arrive: this comes behind it. */
    await ends.a.say({ type: "message", data: "fence" });
    await ends.b.hear("message");
    await ends.b.say({ type: "message", data: "fence" });
    await ends.a.hear("message");
}

async function makeEnds(pair) {
    const room = newRoom();
    if (pair === "browser and browser") {
        const a = await world.join({ room, peer: "a" });
        const b = await world.join({ room, peer: "b" });
        await sees(a, "b");
        return { a: new Browser(a, "b"), b: new Browser(b, "a") };
    }
    const device = await world.device({ room, name: "dev" });
    const browser = await world.join({ room, peer: "web" });
    const ends = [new Browser(browser, "dev"), new Camera(device, "web")];
    return pair === "browser and device" ? { a: ends[0], b: ends[1] } : { a: ends[1], b: ends[0] };
}

for (const pair of ["browser and browser", "browser and device", "device and browser"])
    describe(`order between ${pair}`, () => {
        for (const { name, steps } of scripts)
            test(`${name}: ${steps.join(", ")}`, async () => {
                const ends = await makeEnds(pair);
                await play(ends, steps);
                const end = ends.b instanceof Browser ? ends.b.peer.received : ends.b.device.mail.all.map((m) => m.message ?? {});
                const wanted = steps.filter((step) => step.startsWith("a ") && !step.endsWith("!")).length + 1;
                assert.equal(end.filter((m) => ["offer", "answer", "bye", "invite", "message"].includes(m.type)).length, wanted);
            });
    });

describe("three at a table", () => {
    let room, a, b, c;
    beforeEach(async () => {
        room = newRoom();
        [a, b, c] = await Promise.all(["a", "b", "c"].map((peer) => world.join({ room, peer })));
        for (const peer of [a, b, c])
            await sees(peer, ...["a", "b", "c"].filter((name) => name !== peer.name));
    });

    test("an offer to one is not answered by another", async () => {
        await a.request({ type: "offer", to: "b", sdp: sdp() });
        await assert.rejects(c.request({ type: "answer", to: "a", sdp: answerSdp() }), { error: "unexpected-answer" });
        await b.request({ type: "answer", to: "a", sdp: answerSdp() });
    });

    test("each pair has its own state", async () => {
        for (const [from, to] of [[a, "b"], [b, "c"], [c, "a"]])
            await from.request({ type: "offer", to, sdp: sdp() });
        for (const [from, to] of [[a, "c"], [b, "a"], [c, "b"]])
            await from.request({ type: "answer", to, sdp: answerSdp() });
    });

    test("an answer that broke a rule may be corrected", async () => {
        await a.request({ type: "offer", to: "b", sdp: sdp() });
        await assert.rejects(b.request({ type: "answer", to: "a", sdp: sdp() }), { error: "invalid-sdp" }); /* actpass */
        await b.request({ type: "answer", to: "a", sdp: answerSdp() });
    });

    test("a refused offer does not replace the one that waits", async () => {
        await a.request({ type: "offer", to: "b", sdp: sdp() });
        await assert.rejects(a.request({ type: "offer", to: "b", sdp: "v=0" }), { error: "invalid-sdp" });
        await b.request({ type: "answer", to: "a", sdp: answerSdp() });
    });

    test("more than 256 offers wait: the oldest is forgotten", async () => {
        for (let i = 0; i < 257; i++)
            await a.request({ type: "offer", to: "b", sdp: sdp(), call: `c${i}` });
        await assert.rejects(b.request({ type: "answer", to: "a", sdp: answerSdp(), call: "c0" }), { error: "unexpected-answer" });
        await b.request({ type: "answer", to: "a", sdp: answerSdp(), call: "c256" });
        await b.request({ type: "answer", to: "a", sdp: answerSdp(), call: "c1" });
    });

    test("candidates may come before everything", async () => {
        await a.request({ type: "candidate", to: "b", candidate: null, call: "early" });
        await b.expect("candidate");
    });
});

/* An offer or answer that the broker could not deliver has not been made. */
describe("what did not arrive", () => {
    let room, writer, web;
    beforeEach(async () => {
        room = newRoom();
        writer = await world.mqtt();
        await writer.publish(presenceTopic(room, "deaf"), {}, { retain: true });
        web = await world.join({ room, peer: "web" });
        await sees(web, "deaf");
    });
    const say = (message) => writer.publish(`sigbridge/v1/rooms/${room}/peers/web/in/deaf`, message);

    test("an offer that nobody got is not answered", async () => {
        await assert.rejects(web.request({ type: "offer", to: "deaf", sdp: sdp() }), { error: "peer-not-found" });
        await say({ type: "answer", sdp: answerSdp() });
        await say({ type: "message", data: "fence" });
        await web.expect("message");
        assert.equal(web.has("answer"), false);
    });

    test("an offer that nobody got leaves the other side's offer answerable", async () => {
        await say({ type: "offer", sdp: sdp() });
        await web.expect("offer");
        await assert.rejects(web.request({ type: "offer", to: "deaf", sdp: sdp() }), { error: "peer-not-found" });
        await writer.subscribe(`sigbridge/v1/rooms/${room}/peers/deaf/in/+`);
        await web.request({ type: "answer", to: "deaf", sdp: answerSdp() });
    });

    test("an answer that nobody got may be sent again, with the same id", async () => {
        await say({ type: "offer", sdp: sdp() });
        await web.expect("offer");
        const answer = { type: "answer", to: "deaf", sdp: answerSdp(), id: "a1" };
        await assert.rejects(web.request(answer), { error: "peer-not-found" });
        await writer.subscribe(`sigbridge/v1/rooms/${room}/peers/deaf/in/+`);
        await web.request(answer);
        await assert.rejects(web.request({ ...answer, id: "a2" }), { error: "unexpected-answer" });
    });

    test("an answer that grew too old while the broker was away may be sent again", async () => {
        await say({ type: "offer", sdp: sdp() });
        await web.expect("offer");
        await world.broker.save();
        await world.broker.kill();
        const answer = { type: "answer", to: "deaf", sdp: answerSdp(), id: "a1" };
        await assert.rejects(web.request(answer), { error: "unavailable" });
        await world.broker.restart();
        const ear = await world.mqtt();
        await ear.subscribe(`sigbridge/v1/rooms/${room}/peers/deaf/in/+`);
        await until(async () => (await fetch(new URL("/readyz", world.bridge.url))).status === 200, "ready again");
        await web.request(answer);
        assert.equal((await ear.expect(`sigbridge/v1/rooms/${room}/peers/deaf/in/web`)).message.type, "answer");
    });
});
