/* Resume (protocol, section 7): a socket that drops and comes back, to the same bridge and to another
 * one. Two bridges on one broker; raw clients, so that every frame is seen. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { WsPeer, until } from "./harness.mjs";
import { World, answerSdp, inboxTopic, metric, newRoom, presenceTopic, sdp, sees } from "./world.mjs";

const world = new World();
let here, there;

before(async () => {
    await world.start({ args: ["--bridge-id", "b1"] });
    here = world.bridge;
    there = await world.addBridge({ args: ["--bridge-id", "b2"] });
    await world.ready(here);
    await world.ready(there);
});
after(() => world.end());

const WHERE = [
    ["the same bridge", () => here],
    ["another bridge", () => there],
];

/* The place of a peer: what it needs to come back. */
class Place {
    constructor(joined) {
        this.session = joined.session;
        this.secret = joined.secret;
        this.seq = 0;
    }

    /* Notes the numbered frames of a peer that were not noted yet; they rise by one. */
    follow(peer) {
        for (const message of peer.received.slice(peer.followed ?? 0))
            if (message.seq !== undefined && message.type !== "resumed")
                assert.equal(message.seq, ++this.seq, "numbers rise by one");
        peer.followed = peer.received.length;
        return this;
    }
}

async function member(room, name, bridge = here) {
    const peer = await world.join({ room, peer: name, meta: { name } }, { bridge });
    peer.place = new Place(peer.joined);
    await peer.request({ type: "message", data: "I have read `joined`" });
    return peer;
}

async function lose(peer) {
    peer.terminate();
    await peer.closed;
    peer.place.follow(peer);
}

async function away(count = 1, bridge = here) {
    await until(async () => (await metric(bridge, "sigbridge_sessions_away")) === count, `${count} away`);
}

async function resume(place, bridge, fields = {}) {
    const peer = await world.connect({ bridge });
    peer.place = place;
    peer.send({ type: "resume", session: place.session, secret: place.secret, seq: place.seq, ...fields });
    const answer = await peer.expect((m) => m.type === "resumed" || m.type === "error");
    if (answer.type === "error")
        return { peer, error: answer };
    assert.notEqual(answer.secret, place.secret);
    assert.ok(answer.seq >= place.seq);
    Object.assign(place, { session: answer.session, secret: answer.secret });
    peer.name = answer.peer;
    peer.joined = answer;
    if (answer.seq > place.seq)
        await until(() => peer.received.some((m) => m.type !== "resumed" && m.seq === answer.seq), "what was missed");
    place.follow(peer);
    return { peer, resumed: answer };
}

for (const [name, bridge] of WHERE)
    describe(`a socket drops and comes back to ${name}`, () => {
        test("what came meanwhile comes in order, and nobody heard of it", async () => {
            const room = newRoom();
            const watcher = await member(room, "watcher");
            const one = await member(room, "one");
            const two = await member(room, "two");
            const device = await world.device({ room, name: "cam" });
            await sees(one, "watcher", "two", "cam");
            await two.request({ type: "offer", to: "one", sdp: sdp(1) });
            await one.expect("offer");
            const heard = watcher.received.length;
            await lose(one);
            await away();
            for (let n = 0; n < 5; n++)
                await two.request({ type: "message", to: "one", data: n });
            device.client.publish(inboxTopic(room, "one", "cam"), JSON.stringify({ type: "message", data: "cam" }), { qos: 1 });
            await two.request({ type: "message", data: "everybody" });
            const { peer, resumed } = await resume(one.place, bridge());
            assert.deepEqual(resumed.peers.map((p) => p.peer).sort(), ["cam", "two", "watcher"]);
            assert.ok(resumed.session.startsWith(`${bridge() === here ? "b1" : "b2"}.`));
            const missed = peer.received.filter((m) => m.type === "message").map((m) => m.data);
            assert.deepEqual(missed.filter(Number.isInteger), [0, 1, 2, 3, 4]);
            assert.equal(missed.filter((data) => data === "cam").length, 1);
            assert.equal(missed.filter((data) => data === "everybody").length, 1);
            /* The offer from before still waits for its answer. */
            await peer.request({ type: "answer", to: "two", sdp: answerSdp(1) });
            assert.equal((await two.expect("answer")).from, "one");
            await two.request({ type: "message", to: "one", data: "again" });
            assert.equal((await peer.expect((m) => m.data === "again")).from, "two");
            const told = watcher.received.slice(heard).filter((m) => m.type === "presence");
            assert.deepEqual(told.filter((m) => JSON.stringify(m).includes('"one"')), []);
            await peer.request({ type: "update", meta: { name: "one", again: true } });
            await watcher.expect((m) => m.updated?.some((p) => p.meta.again));
            await peer.close();
            await watcher.expect((m) => m.left?.some((p) => p.peer === "one"));
        });

        test("three times, with another secret each time", async () => {
            const room = newRoom();
            const other = await member(room, "other");
            let { peer, place } = { peer: await member(room, "one") };
            place = peer.place;
            for (let n = 0; n < 3; n++) {
                await lose(peer);
                await other.request({ type: "message", to: "one", data: n });
                ({ peer } = await resume(place, n % 2 ? here : bridge()));
                assert.ok(peer.received.some((m) => m.data === n));
            }
            await peer.close();
        });

        test("an id from before is acknowledged again, and not forwarded again", async () => {
            const room = newRoom();
            const other = await member(room, "other");
            const one = await member(room, "one");
            await one.request({ type: "message", to: "other", data: "once", id: "same" });
            await other.expect((m) => m.data === "once");
            await lose(one);
            const { peer } = await resume(one.place, bridge());
            await peer.request({ type: "message", to: "other", data: "once", id: "same" });
            await peer.request({ type: "message", to: "other", data: "then" });
            await other.expect((m) => m.data === "then");
            assert.equal(other.received.filter((m) => m.data === "once").length, 1);
            await peer.close();
        });

        test("what was never sent cannot have been received", async () => {
            const one = await member(newRoom(), "one");
            await lose(one);
            const { peer, error } = await resume(one.place, bridge(), { seq: one.place.seq + 1000 });
            assert.equal(error.error, "session-expired");
            await peer.close();
            await (await resume(one.place, bridge())).peer.close();
        });

        for (const [what, change] of [
            ["a wrong secret", { secret: "x".repeat(24) }],
            ["a short secret", { secret: "x" }],
        ])
            test(`${what} is told that the session is over; the right one still counts`, async () => {
                const one = await member(newRoom(), "one");
                await lose(one);
                const { peer, error } = await resume(one.place, bridge(), change);
                assert.equal(error.error, "session-expired");
                assert.equal(error.code, 410);
                /* The same socket may join. */
                peer.joined = await peer.ask({ type: "join", room: newRoom() }, "joined");
                await peer.close();
                await (await resume(one.place, bridge())).peer.close();
            });

        test("the old socket, still open, is fenced off", async () => {
            const room = newRoom();
            const other = await member(room, "other");
            const one = await member(room, "one");
            one.place.follow(one);
            const { peer } = await resume(one.place, bridge());
            assert.equal((await one.closed).code, 4409);
            await peer.request({ type: "message", to: "other", data: "new" });
            await other.expect((m) => m.data === "new");
            await other.request({ type: "message", to: "one", data: "back" });
            await peer.expect((m) => m.data === "back");
            assert.ok(!one.has((m) => m.data === "back"));
            await peer.close();
        });

        test("who joined and left meanwhile is in the roster, or is not", async () => {
            const room = newRoom();
            const leaver = await member(room, "leaver");
            const one = await member(room, "one");
            await sees(one, "leaver");
            await lose(one);
            await leaver.close();
            const comer = await member(room, "comer", bridge());
            await until(async () => (await metric(here, "sigbridge_sessions_away")) > 0, "away");
            const { peer, resumed } = await resume(one.place, bridge());
            assert.deepEqual(resumed.peers.map((p) => p.peer), ["comer"]);
            const told = peer.received.filter((m) => m.type === "presence");
            assert.ok(told.some((m) => m.left?.some((p) => p.peer === "leaver")));
            assert.ok(told.some((m) => m.joined?.some((p) => p.peer === "comer")));
            await peer.close();
            await comer.close();
        });

        test("many messages while it changes the bridge: none lost, doubled or out of order", async () => {
            const room = newRoom();
            const other = await member(room, "other");
            const one = await member(room, "one");
            const device = await world.device({ room, name: "cam" });
            const got = { other: [], cam: [] };
            let peer = one, sent = 0, stop = false;
            const note = (m) => m.type === "message" && got[m.from]?.push(m.data);
            const talk = (async () => {
                while (!stop) {
                    await Promise.all([
                        other.request({ type: "message", to: "one", data: sent }),
                        device.publish(inboxTopic(room, "one", "cam"), JSON.stringify({ type: "message", data: sent, id: `${sent}` })),
                    ]);
                    sent++;
                }
            })();
            for (let n = 0; n < 6; n++) {
                await until(() => sent > (n + 1) * 10, "some messages");
                await lose(peer);
                peer.received.forEach(note);
                ({ peer } = await resume(one.place, n % 2 ? here : bridge()));
            }
            stop = true;
            await talk;
            await peer.request({ type: "message", to: "other", data: "end" });
            await until(() => {
                const now = { other: [...got.other], cam: [...got.cam] };
                for (const m of peer.received)
                    if (m.type === "message")
                        now[m.from]?.push(m.data);
                return now.other.length >= sent && now.cam.length >= sent;
            }, "all messages");
            peer.received.forEach(note);
            const all = Array.from({ length: sent }, (_, n) => n);
            assert.deepEqual(got.other, all);
            assert.deepEqual(got.cam, all);
            await peer.close();
        });
    });

/* What a client's Close says of its membership (RFC 6455, section 7.4). */
for (const [name, code, stays] of [
    ["1000, it is done", 1000, false],
    ["1001, its page is left", 1001, false],
    ["no code, as a page's close() sends it", undefined, false],
    ["4000, it opens a better socket", 4000, true],
    ["3000, a library's own", 3000, true],
])
    test(`a socket closed with ${name}: the membership ${stays ? "stays" : "ends"}`, async () => {
        const room = newRoom();
        const other = await member(room, "other");
        const one = await member(room, "one");
        await sees(other, "one");
        one.socket.close(code);
        await one.closed;
        one.place.follow(one);
        const { peer, error } = await resume(one.place, here);
        assert.equal(error?.error, stays ? undefined : "session-expired");
        assert.equal(other.received.some((m) => m.left), !stays);
        await peer.close();
    });

test("a client that did not hear where its session went comes back with the old name", async () => {
    const one = await member(newRoom(), "one");
    await lose(one);
    const old = Object.assign(new Place(one.place), { seq: one.place.seq });
    /* It says nothing and answers no ping: the bridge does not know that it got `resumed`. */
    const deaf = await world.connect({ bridge: there, autoPong: false });
    deaf.send({ type: "resume", session: old.session, secret: old.secret, seq: old.seq });
    await deaf.expect("resumed");
    deaf.terminate();
    await away(1, there);
    const again = await resume(old, here);
    assert.ok(again.resumed, JSON.stringify(again.error));
    await again.peer.close();
});
