/* Every message of a client: what it does, how it is acknowledged, how it is refused. */
import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { deadline, until } from "./harness.mjs";
import { allTopic, answerSdp, assertError, candidate, newRoom, presenceTopic, rosterOf, sdp, sees, World } from "./world.mjs";

const servers = [{ urls: ["turn:turn.example.org:3478"], username: "u", credential: "c" }];
const config = 'ice_servers = ( { urls = ["turn:turn.example.org:3478"]; username = "u"; credential = "c"; } );\n';
const world = new World();
let room, ann, bob, cam;

before(() => world.start({ config }));
after(() => world.end());

/* Each test has a room with two browsers and a device. */
beforeEach(async () => {
    room = newRoom();
    cam = await world.device({ room, name: "cam" });
    bob = await world.join({ room, peer: "bob" });
    ann = await world.join({ room, peer: "ann" });
    await sees(bob, "cam", "ann");
});

/* ---- effect and ack ---- */

/* `call` and `ext` are added to each. */
const forwarded = [
    { name: "invite", message: { type: "invite" } },
    { name: "invite with media", message: { type: "invite", media: { audio: true, video: false } } },
    { name: "offer", message: { type: "offer", sdp: sdp(1) } },
    { name: "candidate", message: { type: "candidate", candidate: candidate() } },
    { name: "candidate with null members", message: { type: "candidate", candidate: { candidate: candidate().candidate, sdpMid: null, sdpMLineIndex: 0, usernameFragment: null } } },
    { name: "end of candidates, null", message: { type: "candidate", candidate: null } },
    { name: "end of candidates, empty", message: { type: "candidate", candidate: { candidate: "", sdpMid: "0", sdpMLineIndex: 0 } } },
    { name: "bye", message: { type: "bye" } },
    { name: "bye with reason", message: { type: "bye", reason: "no time — später" } },
    { name: "sealed", message: { type: "sealed", data: "SGVsbG8gd29ybGQ=" } },
    { name: "message, null", message: { type: "message", data: null }, plain: true },
    { name: "message, false", message: { type: "message", data: false }, plain: true },
    { name: "message, number", message: { type: "message", data: -1.5e300 }, plain: true },
    { name: "message, text", message: { type: "message", data: "quote \" backslash \\ umlaut ä line\nend" }, plain: true },
    { name: "message, list", message: { type: "message", data: [1, [2, { three: 3 }]] }, plain: true },
    { name: "message, object with our names in it", message: { type: "message", data: { type: "offer", from: "eve", to: "eve", seq: 9 } }, plain: true },
];

for (const { name, message, plain } of forwarded)
    test(`${name} arrives as sent, at a browser and at a device`, async () => {
        for (const extra of [{}, { ext: { "example.org/x": [1] }, ...plain ? {} : { call: "screen" } }]) {
            const sent = { ...message, ...extra };
            await ann.request({ ...sent, to: "bob", id: `b${Object.keys(extra)}` });
            const { seq, id, ...atBob } = await bob.expect(message.type);
            assert.deepEqual(atBob, { ...sent, from: "ann" });
            assert.ok(seq > 0 && id.startsWith("b"));
            await ann.request({ ...sent, to: "cam", id: `c${Object.keys(extra)}` });
            const { from, sent: when, id: idAtCam, ...atCam } = await cam.receive(message.type);
            assert.deepEqual(atCam, sent);
            assert.equal(from, "ann");
            assert.ok(Math.abs(when - Date.now()) < 10_000 && idAtCam.startsWith("c"));
        }
    });

test("without an id nothing is acknowledged", async () => {
    ann.send({ type: "message", to: "bob", data: 1 });
    await bob.expect("message");
    await ann.request({ type: "message", to: "bob", data: 2 });
    assert.equal(ann.received.filter((m) => m.type === "ack").length, 1);
});

test("unknown fields and a forged sender are dropped", async () => {
    await ann.request({ type: "message", to: "bob", data: 1, from: "cam", seq: 77, sent: 1, other: true, session: "x" });
    const message = await bob.expect("message");
    assert.deepEqual(Object.keys(message).sort(), ["data", "from", "id", "seq", "type"]);
    assert.equal(message.from, "ann");
    await ann.request({ type: "message", to: "cam", data: 1, from: "cam", peer: "x", other: true });
    assert.deepEqual(Object.keys((await cam.receive("message", "ann"))).sort(), ["data", "from", "id", "sent", "type"]);
});

test("a message to the room reaches everyone else, and no other room", async () => {
    const other = await world.join({ room: newRoom(), peer: "bob" });
    await cam.subscribe(allTopic(room, "+"));
    await ann.request({ type: "message", data: { hello: 1 }, ext: { x: 1 } });
    const { seq, id, ...atBob } = await bob.expect("message");
    assert.deepEqual(atBob, { type: "message", from: "ann", data: { hello: 1 }, ext: { x: 1 } });
    assert.ok(seq && id);
    assert.deepEqual((await cam.expect(allTopic(room, "ann"))).message.data, { hello: 1 });
    await bob.request({ type: "message", data: "fence" });
    assert.equal((await ann.expect("message")).data, "fence", "the sender does not hear itself");
    await other.ask({ type: "ping" }, "pong");
    assert.deepEqual(other.received.map((m) => m.type), ["joined", "pong"]);
});

test("a message to an empty room is acknowledged", async () => {
    const alone = await world.join({ room: newRoom(), peer: "alone" });
    await alone.request({ type: "message", data: 1 });
});

test("messages of one sender keep their order, to one and to all", async () => {
    const last = 60;
    for (let i = 1; i <= last; i++)
        ann.send({ type: "message", data: i, ...i % 2 ? { to: "bob" } : {} });
    for (let i = 1; i <= last; i++)
        assert.equal((await bob.expect("message")).data, i);
});

test("ping is answered with the time, and an ack when it has an id", async () => {
    const { time } = await ann.ask({ type: "ping" }, "pong");
    assert.ok(Math.abs(time - Date.now()) < 10_000);
    await ann.request({ type: "ping" });
});

test("refresh is acknowledged with fresh ICE servers, which joined had too", async () => {
    assert.deepEqual(ann.joined.iceServers, servers);
    assert.deepEqual((await ann.request({ type: "refresh", token: "x.y.z" })).iceServers, servers);
});

test("joined says who and where one is, and what the limits are", () => {
    const { session, secret, peers, limits, resumeWindow, ...rest } = ann.joined;
    assert.deepEqual(rest, { type: "joined", room, peer: "ann", iceServers: servers });
    assert.deepEqual(peers.map((p) => `${p.kind} ${p.peer}`).sort(), ["browser bob", "device cam"]);
    assert.ok(session.startsWith(`${world.bridge.ready.bridge}.`));
    assert.ok(secret.length >= 20 && secret !== bob.joined.secret && session !== bob.joined.session);
    assert.equal(limits.message, 262144);
    assert.equal(resumeWindow, 30);
});

test("without a name the bridge picks one, another for each", async () => {
    const guests = await Promise.all([1, 2, 3].map(() => world.join({ room })));
    assert.equal(new Set(guests.map((g) => g.name)).size, 3);
    await sees(bob, ...guests.map((g) => g.name));
});

test("update replaces meta for the others", async () => {
    await ann.request({ type: "update", meta: { name: "Ann", muted: true } });
    const { updated } = await bob.expect((m) => m.updated);
    assert.deepEqual(updated.map(({ since, ...p }) => p), [{ peer: "ann", kind: "browser", meta: { name: "Ann", muted: true } }]);
    await ann.request({ type: "update", meta: {} });
    assert.deepEqual((await bob.expect((m) => m.updated)).updated[0].meta, {});
    const late = await world.join({ room, peer: "late", meta: { n: 1 } });
    assert.deepEqual(late.joined.peers.find((p) => p.peer === "ann").meta, {});
    assert.deepEqual((await bob.expect((m) => m.joined?.[0].peer === "late")).joined[0].meta, { n: 1 });
});

test("leave ends the membership, and the socket may join again", async () => {
    await ann.request({ type: "leave" });
    assert.deepEqual((await bob.expect((m) => m.left)).left, [{ peer: "ann", reason: "leave" }]);
    await assert.rejects(ann.request({ type: "message", to: "bob", data: 1 }), { error: "not-joined" });
    const again = await ann.ask({ type: "join", room, peer: "ann2", meta: { n: 2 } }, "joined");
    assert.notEqual(again.session, ann.joined.session);
    await sees(bob, "ann2");
    ann.name = "ann2";
    await bob.request({ type: "message", to: "ann2", data: 1 });
    assert.equal((await ann.expect("message")).seq, 1, "a new session counts from 1");
    const elsewhere = newRoom();
    await ann.request({ type: "leave" });
    ann.name = "ann";
    assert.deepEqual((await ann.ask({ type: "join", room: elsewhere, peer: "ann" }, "joined")).peers, []);
    assert.deepEqual(rosterOf(ann), new Map());
});

test("join may carry an id: it is acknowledged when the broker took the presence", async () => {
    const eve = await world.connect();
    eve.send({ type: "join", room, peer: "eve", id: "j1", token: "anything" });
    await eve.expect((m) => m.type === "ack" && m.id === "j1");
    await eve.expect("joined");
});

test("a second join while the first is on its way is refused, and the first goes on", async () => {
    const eve = await world.connect();
    eve.send({ type: "join", room, peer: "eve", id: "1" });
    eve.send({ type: "join", room, peer: "eva", id: "2" });
    assertError(await eve.expect("error"), { code: 409, error: "already-joined", id: "2" });
    assert.equal((await eve.expect("joined")).peer, "eve");
    eve.name = "eve";
});

test("a socket that closes while its join is on its way leaves nothing behind", async () => {
    for (let i = 0; i < 20; i++) {
        const eve = await world.connect();
        eve.send({ type: "join", room, peer: "eve" });
        await (i % 2 ? eve.terminate() : eve.close());
    }
    await bob.request({ type: "message", to: "ann", data: "fence" });
    await until(() => [...rosterOf(bob).keys()].sort().join() === "ann,cam", "eve is gone");
    const eve = await world.connect();
    await until(() => eve.ask({ type: "join", room, peer: "eve" }, "joined").then(() => true, () => false), "the name is free");
    eve.name = "eve";
});

/* ---- refusals ---- */

const whole = {
    join: { room: "r" }, update: { meta: {} }, invite: { to: "bob" }, offer: { to: "bob", sdp: sdp() }, answer: { to: "bob", sdp: answerSdp() },
    candidate: { to: "bob", candidate: null }, bye: { to: "bob" }, message: { data: 1 }, sealed: { to: "bob", data: "AAAA" },
    refresh: { token: "x" }, resume: { session: "s", secret: "s", seq: 0 },
};

for (const [type, fields] of Object.entries(whole))
    for (const missing of Object.keys(fields))
        test(`${type} without ${missing} is refused by the field's name`, async () => {
            const { [missing]: gone, ...rest } = fields;
            const error = await ann.request({ type, ...rest }).then(() => assert.fail("acknowledged"), (e) => e.answer);
            assertError(error, { code: 400, error: "invalid-message", id: error.id, to: rest.to, message: new RegExp(`\`${missing}\``) });
            void gone;
        });

/* Sent by ann with an id; `to` of the error is that of the message. */
const refused = [
    { name: "unknown type", message: { type: "dance" }, error: [400, "invalid-message"], says: /`type`/ },
    { name: "type of the bridge", message: { type: "joined" }, error: [400, "invalid-message"], says: /`type`/ },
    { name: "type of the MQTT side", message: { type: "candidates", to: "bob", candidates: [null] }, error: [400, "invalid-message"], says: /`type`/ },
    { name: "no type", message: { to: "bob" }, error: [400, "invalid-message"], says: /`type`/ },
    { name: "join while a member", message: { type: "join", room: "elsewhere" }, error: [409, "already-joined"], says: /leave/ },
    { name: "to one's own name", message: { type: "bye", to: "ann" }, error: [400, "invalid-message"], says: /own name/ },
    { name: "to nobody", message: { type: "offer", to: "nobody", sdp: sdp() }, error: [404, "peer-not-found"] },
    { name: "message to nobody", message: { type: "message", to: "nobody", data: 1 }, error: [404, "peer-not-found"] },
    { name: "to the bridges", message: { type: "bye", to: "_bridge" }, error: [400, "invalid-message"], says: /`to`/, to: undefined },
    { name: "to no name", message: { type: "bye", to: "a/b" }, error: [400, "invalid-message"], says: /`to`/, to: undefined },
    { name: "to a wildcard", message: { type: "bye", to: "+" }, error: [400, "invalid-message"], says: /`to`/, to: undefined },
    { name: "answer without an offer", message: { type: "answer", to: "bob", sdp: answerSdp() }, error: [409, "unexpected-answer"] },
    { name: "SDP that is none", message: { type: "offer", to: "bob", sdp: "hello" }, error: [400, "invalid-sdp"], says: /line 1/ },
    { name: "SDP without a fingerprint", message: { type: "offer", to: "bob", sdp: sdp().replace(/a=fingerprint.*\r\n/, "") }, error: [400, "invalid-sdp"], says: /fingerprint/ },
    { name: "candidate that is none", message: { type: "candidate", to: "bob", candidate: { candidate: "candidate:x", sdpMid: "0" } }, error: [400, "invalid-candidate"] },
    { name: "candidate without its place", message: { type: "candidate", to: "bob", candidate: { candidate: candidate().candidate } }, error: [400, "invalid-candidate"], says: /sdpMid/ },
    { name: "meta too large", message: { type: "update", meta: { x: "x".repeat(5000) } }, error: [413, "too-large"], says: /`meta`/ },
    { name: "data too large", message: { type: "message", to: "bob", data: "x".repeat(70000) }, error: [413, "too-large"], says: /`data`/ },
    { name: "ext too large", message: { type: "bye", to: "bob", ext: { x: "x".repeat(2000) } }, error: [413, "too-large"], says: /`ext`/ },
    { name: "SDP too large", message: { type: "offer", to: "bob", sdp: sdp() + "a=x:yyyyyyyyyyyyyyy\r\n".repeat(10000) }, error: [[400, "invalid-sdp"], [413, "too-large"]] },
    { name: "sealed that is no base64", message: { type: "sealed", to: "bob", data: "no base64!" }, error: [400, "invalid-message"], says: /base64/ },
    { name: "call too long", message: { type: "bye", to: "bob", call: "x".repeat(65) }, error: [400, "invalid-message"], says: /`call`/ },
    { name: "reason with a control character", message: { type: "bye", to: "bob", reason: "a\nb" }, error: [400, "invalid-message"], says: /`reason`/ },
    { name: "resume", message: { type: "resume", session: "a.b", secret: "c", seq: 0 }, error: [409, "already-joined"] },
];

for (const { name, message, error, says, ...row } of refused)
    test(`refused: ${name}`, async () => {
        const answer = await ann.request({ id: "x1", ...message }).then(() => assert.fail("acknowledged"), (e) => e.answer);
        const [code, word] = [error].flat(2).length > 2 ? error.find(([, w]) => w === answer.error) ?? error[0] : error;
        assertError(answer, { code, error: word, id: "x1", to: "to" in row ? row.to : message.to, message: says });
        assert.ok(answer.message.length > 8);
        /* Nothing of it arrived: this would have come behind it. */
        await ann.request({ type: "message", to: "bob", data: "fence" });
        assert.equal((await bob.expect((m) => m.from === "ann")).data, "fence");
    });

const strangers = ["leave", "update", "invite", "offer", "answer", "candidate", "bye", "message", "sealed", "refresh"];
for (const type of strangers)
    test(`before join: ${type} is refused with not-joined`, async () => {
        const eve = await world.connect();
        const error = await eve.request({ type, ...whole[type] }).then(() => assert.fail("acknowledged"), (e) => e.answer);
        assertError(error, { code: 409, error: "not-joined", id: error.id, to: whole[type]?.to, message: /join/ });
        await eve.ask({ type: "join", room, peer: "eve" }, "joined");
    });

const badJoins = [
    { name: "a name in use by a browser", fields: { peer: "bob" }, error: [409, "peer-taken"] },
    { name: "a name in use by a device", fields: { peer: "cam" }, error: [409, "peer-taken"] },
    { name: "a name with a slash", fields: { peer: "a/b" }, error: [400, "invalid-message"], says: /`peer`/ },
    { name: "a name of the bridges", fields: { peer: "_bridge" }, error: [400, "invalid-message"], says: /`peer`/ },
    { name: "an empty name", fields: { peer: "" }, error: [400, "invalid-message"], says: /`peer`/ },
    { name: "a name of 65 bytes", fields: { peer: "x".repeat(65) }, error: [400, "invalid-message"], says: /`peer`/ },
    { name: "a name that is null", fields: { peer: null }, error: [400, "invalid-message"], says: /`peer`/ },
    { name: "a room with a wildcard", fields: { room: "a+b" }, error: [400, "invalid-message"], says: /`room`/ },
    { name: "a room that is a number", fields: { room: 7 }, error: [400, "invalid-message"], says: /`room`/ },
    { name: "meta that is a list", fields: { peer: "eve", meta: [] }, error: [400, "invalid-message"], says: /`meta`/ },
];

for (const { name, fields, error: [code, error], says } of badJoins)
    test(`join refused: ${name}`, async () => {
        const eve = await world.connect();
        const answer = await eve.ask({ type: "join", room, id: "j", ...fields }, "joined").then(() => assert.fail("joined"), (e) => e.answer);
        assertError(answer, { code, error, id: "j", message: says });
        await eve.ask({ type: "join", room, peer: "eve" }, "joined");
        await sees(bob, "eve");
    });

test("names may be as long and as odd as the protocol allows", async () => {
    for (const peer of ["x".repeat(64), "0", "a.b_c~d-e", "A"]) {
        const eve = await world.join({ room, peer });
        await sees(bob, peer);
        await bob.request({ type: "message", to: peer, data: 1 });
        await eve.expect("message");
    }
});

test("present but nobody listens at the inbox: peer-not-found, by the broker's word", async () => {
    const writer = await world.mqtt();
    await writer.publish(presenceTopic(room, "nobody-home"), {}, { retain: true });
    await sees(ann, "nobody-home");
    const error = await ann.request({ type: "offer", to: "nobody-home", sdp: sdp(), id: "o1" }).then(() => assert.fail("ack"), (e) => e.answer);
    assertError(error, { code: 404, error: "peer-not-found", id: "o1", to: "nobody-home", message: /inbox/ });
    /* Without an id the sender is told as well. */
    ann.send({ type: "bye", to: "nobody-home" });
    assertError(await ann.expect("error"), { code: 404, error: "peer-not-found", to: "nobody-home" });
});

/* ---- the last 64 ids ---- */

const say = (id, data, to = "bob") => ann.ask({ type: "message", to, data, id }, (m) => m.type === "ack");
const heard = async () => {
    await say(`fence${Math.random()}`, "fence");
    await bob.expect((m) => m.data === "fence");
    return bob.received.filter((m) => m.type === "message" && m.data !== "fence").map((m) => m.data);
};

test("a repeated id is acknowledged again and not forwarded again", async () => {
    await say("one", 1);
    await say("one", 2);
    await say("one", 3);
    assert.deepEqual(await heard(), [1]);
});

test("a repeated id that is still on its way is forwarded once", async () => {
    for (let i = 0; i < 5; i++)
        ann.send({ type: "message", to: "bob", data: i, id: "same" });
    assert.deepEqual(await heard(), [0]);
    assert.ok(ann.received.some((m) => m.type === "ack" && m.id === "same"));
});

for (const [between, times] of [[63, 1], [64, 2]])
    test(`an id is ${times === 1 ? "known" : "forgotten"} after ${between} others`, async () => {
        await say("old", "x");
        for (let i = 0; i < between; i++)
            await say(`other${i}`, "y");
        await say("old", "x");
        assert.equal((await heard()).filter((data) => data === "x").length, times);
    });

test("an id that failed may be tried again", async () => {
    await assert.rejects(say("again", 1, "late"), { error: "peer-not-found" });
    await assert.rejects(say("again", 1, "late"), { error: "peer-not-found" });
    const late = await world.join({ room, peer: "late" });
    await sees(ann, "late");
    await say("again", 1, "late");
    await say("again", 1, "late");
    await say("fence", 2, "late");
    assert.equal((await late.expect("message")).data, 1);
    assert.equal((await late.expect("message")).data, 2);
});

test("ids of two sessions have nothing to do with each other", async () => {
    await say("same", 1);
    await bob.request({ type: "message", to: "ann", data: 2, id: "same" });
    assert.equal((await ann.expect("message")).data, 2);
});

test("ids of an earlier membership of the same socket are not remembered", async () => {
    await say("first", 1);
    await ann.request({ type: "leave" });
    await ann.ask({ type: "join", room, peer: "ann" }, "joined");
    await say("first", 2);
    assert.deepEqual(await heard(), [1, 2]);
});

test("acks that are owed come although the sender leaves at once", async () => {
    ann.send({ type: "message", to: "bob", data: 1, id: "last" });
    ann.send({ type: "leave", id: "bye" });
    await ann.expect((m) => m.type === "ack" && m.id === "last");
    await ann.expect((m) => m.type === "ack" && m.id === "bye");
    await deadline(bob.expect("message"), "the message");
});
