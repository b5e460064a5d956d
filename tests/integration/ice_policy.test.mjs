/* Which candidates pass through a room, in both directions: trickled, inside an SDP, several at once.
 * What each rule takes away is in tests/unit/test_ice_filter.c, case by case. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { World, assertError, metric, newRoom, sdp } from "./world.mjs";

const HOST = "candidate:1 1 udp 2122260223 192.168.1.23 50000 typ host generation 0 ufrag Yx3k";
const HOST6 = "candidate:2 1 udp 2122260222 fd12:3456:789a::23 50001 typ host";
const MDNS = "candidate:3 1 udp 2122260221 5f2e7a5e-1111-4b4a-9d53-2d7a1fb6a001.local 50002 typ host";
const TCP = "candidate:4 1 tcp 1518280447 8.8.4.4 9 typ host tcptype active";
const SRFLX = "candidate:5 1 udp 1686052607 8.8.8.8 50000 typ srflx raddr 192.168.1.23 rport 50000";
const SRFLX_HIDDEN = "candidate:5 1 udp 1686052607 8.8.8.8 50000 typ srflx raddr 0.0.0.0 rport 9";
const RELAY = "candidate:6 1 udp 41885439 9.9.9.9 60000 typ relay raddr 8.8.8.8 rport 50000 generation 0";
const RELAY_HIDDEN = "candidate:6 1 udp 41885439 9.9.9.9 60000 typ relay raddr 0.0.0.0 rport 9 generation 0";
const ALL = [HOST, HOST6, MDNS, TCP, SRFLX, RELAY];

/* What is left of ALL in each kind of room, and what must then stand nowhere. */
const ROOMS = {
    relay: { left: [RELAY_HIDDEN], gone: ["192.168.1.23", "fd12:", ".local", "8.8.4.4", "8.8.8.8"], port: 9, address: "0.0.0.0" },
    public: { left: [SRFLX_HIDDEN, RELAY], gone: ["192.168.1.23", "fd12:", ".local", "8.8.4.4"], port: 9, address: "0.0.0.0" },
    lan: { left: [HOST, HOST6], gone: [".local", "8.8.4.4", "8.8.8.8", "9.9.9.9"], port: 50000, address: "192.168.1.23" },
    open: { left: ALL, gone: [], port: 50000, address: "192.168.1.23" },
};

const CONFIG = `ice_policies = (
    { rooms = "relay-*"; relay_only = true; },
    { rooms = "public-*"; transports = ["udp"]; addresses = ["public"]; },
    { rooms = "lan-*"; networks = ["192.168.0.0/16", "fd00::/8"]; },
    { rooms = "sealed-*"; relay_only = true; sealed = true; });
`;

/* A sound description with all candidates and a default destination. */
function fullSdp(mark, setup, candidates = ALL, port = 50000, address = "192.168.1.23") {
    const lines = sdp(mark, setup).split("\r\n").map((line) => line
        .replace("m=application 9", `m=application ${port}`)
        .replace("c=IN IP4 0.0.0.0", `c=IN IP4 ${address}`));
    const end = lines.pop();
    return [...lines, ...candidates.map((c) => `a=${c}`), "a=end-of-candidates", end].join("\r\n");
}

const init = (line) => ({ candidate: line, sdpMid: "0", sdpMLineIndex: 0, usernameFragment: "Yx3k" });

/* As it goes out of a room with the policy: o= says a host's address, too. */
function filteredSdp(kind, mark, setup) {
    const { left, port, address } = ROOMS[kind];
    const text = fullSdp(mark, setup, left, port, address);
    return kind === "open" ? text : text.replace("IN IP4 127.0.0.1", "IN IP4 0.0.0.0");
}

describe("ICE policy", () => {
    let world;
    before(async () => {
        world = new World();
        await world.start({ config: CONFIG });
    });
    after(() => world.end());

    const counts = async () => {
        const names = ["type", "transport", "address"].map((reason) => `sigbridge_candidates_dropped_total{reason="${reason}"}`);
        const values = await Promise.all([...names, "sigbridge_addresses_hidden_total"].map((name) => metric(world.bridge, name)));
        return Object.fromEntries(["type", "transport", "address", "hidden"].map((name, i) => [name, values[i]]));
    };
    const difference = (now, then) => Object.fromEntries(Object.keys(now).map((key) => [key, now[key] - then[key]]));

    /* A session `ann`, and `bob`, who is a device or a session; both as {send, receive, all}. */
    async function pair(kind, far) {
        const room = `${kind}-${newRoom()}`;
        const ann = await world.join({ room, peer: "ann" });
        const near = {
            name: "ann", send: (message) => ann.request({ to: "bob", ...message }),
            receive: (type) => ann.expect((m) => m.type === type), all: () => JSON.stringify(ann.received), peer: ann,
        };
        if (far === "device") {
            const cam = await world.device({ room, name: "bob" });
            await ann.expect((m) => m.type === "presence" && m.joined?.some(({ peer }) => peer === "bob"));
            return [near, {
                name: "bob", send: (message) => cam.send("ann", message), receive: (type) => cam.receive(type, "ann"),
                all: () => JSON.stringify(cam.mail.all), device: cam,
            }, room];
        }
        const bob = await world.join({ room, peer: "bob" });
        return [near, {
            name: "bob", send: (message) => bob.request({ to: "ann", ...message }),
            receive: (type) => bob.expect((m) => m.type === type), all: () => JSON.stringify(bob.received), peer: bob,
        }, room];
    }

    function nothingGone(kind, ...ends) {
        for (const end of ends)
            for (const text of ROOMS[kind].gone)
                assert.ok(!end.all().includes(text), `${end.name} got ${text}`);
    }

    for (const kind of Object.keys(ROOMS)) {
        for (const far of ["device", "session"]) {
            test(`${kind}, with a ${far}: offer, answer and trickled candidates, both ways`, async () => {
                const [ann, bob] = await pair(kind, far);
                for (const [from, to] of [[ann, bob], [bob, ann]]) {
                    await from.send({ type: "offer", sdp: fullSdp(1, "actpass"), call: `of-${from.name}` });
                    assert.equal((await to.receive("offer")).sdp, filteredSdp(kind, 1, "actpass"));
                    await to.send({ type: "answer", sdp: fullSdp(2, "active"), call: `of-${from.name}` });
                    assert.equal((await from.receive("answer")).sdp, filteredSdp(kind, 2, "active"));
                    for (const line of ALL)
                        await from.send({ type: "candidate", candidate: init(line) });
                    await from.send({ type: "candidate", candidate: init(`a=${ROOMS[kind].left[0]} `) });
                    await from.send({ type: "candidate", candidate: null });
                    for (const line of ROOMS[kind].left)
                        assert.deepEqual((await to.receive("candidate")).candidate, init(line));
                    assert.equal((await to.receive("candidate")).candidate.candidate.replace(/^a=/, "").trim(), ROOMS[kind].left[0]);
                    assert.equal((await to.receive("candidate")).candidate, null);
                }
                nothingGone(kind, ann, bob);
            });
        }

        test(`${kind}: several candidates of a device in one message`, async () => {
            const [ann, bob] = await pair(kind, "device");
            await bob.send({ type: "candidates", candidates: [null, ...ALL.map(init)] });
            assert.equal((await ann.receive("candidate")).candidate, null);
            for (const line of ROOMS[kind].left)
                assert.deepEqual((await ann.receive("candidate")).candidate, init(line));
            /* Nothing of this one passes: then nothing comes, and no error either. */
            const dropped = ALL.filter((line) => !ROOMS[kind].left.some((kept) => kept.startsWith(line.slice(0, 20))));
            if (dropped.length)
                await bob.send({ type: "candidates", candidates: dropped.map(init) });
            await bob.send({ type: "bye", reason: "enough" });
            await ann.receive("bye");
            assert.ok(!ann.peer.has("candidate"));
            nothingGone(kind, ann);
        });
    }

    test("what is dropped and hidden is counted, by reason", async () => {
        const [ann, bob] = await pair("public", "device");
        const start = await counts();
        await ann.send({ type: "offer", sdp: fullSdp(1, "actpass") });
        await bob.receive("offer");
        /* c= and o= are hidden, and the base of SRFLX; the transport is asked before the address. */
        assert.deepEqual(difference(await counts(), start), { type: 0, transport: 1, address: 3, hidden: 3 });

        const [eve, cam] = await pair("relay", "device");
        const middle = await counts();
        await cam.send({ type: "candidates", candidates: ALL.map(init) });
        await eve.receive("candidate");
        for (const line of ALL)
            await eve.send({ type: "candidate", candidate: init(line) });
        await cam.receive("candidate");
        assert.deepEqual(difference(await counts(), middle), { type: 10, transport: 0, address: 0, hidden: 2 });
    });

    test("a candidate that is dropped is acknowledged", async () => {
        const [ann, bob] = await pair("relay", "session");
        const ack = await ann.peer.request({ type: "candidate", to: "bob", candidate: init(HOST) });
        assert.equal(ack.type, "ack");
        await ann.send({ type: "bye" });
        await bob.receive("bye");
        assert.ok(!bob.peer.has("candidate"));
    });

    test("a broken candidate is still an error", async () => {
        const [ann] = await pair("relay", "session");
        await assert.rejects(ann.send({ type: "candidate", candidate: init("candidate:1 1 udp 1 999.1.1.1 5 typ relay") }),
            { error: "invalid-candidate" });
    });

    test("sealed messages are refused where a policy cannot look into them", async () => {
        for (const far of ["device", "session"]) {
            const [ann, bob, room] = await pair("relay", far);
            const refused = await ann.peer.request({ type: "sealed", to: "bob", data: "c2VhbGVk", id: "s1" }).catch((error) => error);
            assertError(refused.answer, { code: 403, error: "forbidden", id: "s1", to: "bob", message: /ICE policy/ });
            if (far === "session")
                continue;
            await bob.send({ type: "sealed", data: "c2VhbGVk", id: "s2" });
            assertError(await bob.device.error(), { code: 403, error: "forbidden", id: "s2", message: /ICE policy/ });
            assert.ok(!ann.peer.has("sealed"), room);
        }
    });

    test("unless the room lets them pass, or has no policy", async () => {
        for (const kind of ["sealed", "open"]) {
            const [ann, bob] = await pair(kind, "device");
            await ann.send({ type: "sealed", data: "c2VhbGVk" });
            assert.equal((await bob.receive("sealed")).data, "c2VhbGVk");
            await bob.send({ type: "sealed", data: "c2VhbGVk" });
            assert.equal((await ann.receive("sealed")).data, "c2VhbGVk");
        }
    });

    test("messages that are no signaling pass as they are", async () => {
        const [ann, bob] = await pair("relay", "device");
        await ann.send({ type: "message", data: { text: "I am at 192.168.1.23" } });
        assert.deepEqual((await bob.receive("message")).data, { text: "I am at 192.168.1.23" });
    });
});
