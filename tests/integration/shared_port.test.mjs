/* Several bridges on one machine at one port (listen_shared): the kernel spreads connections over them,
 * rooms span them, and a new one takes the place of an old one without a connection refused. Each has
 * a port of its own besides, for who wants to look into that one. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { Ledger } from "../faults/ledger.mjs";
import { makePair } from "./certificates.mjs";
import { deadline, freePort, parseReady, Program, tempDir, until, WsPeer } from "./harness.mjs";
import { Page } from "./page.mjs";
import { codeBlock } from "./readme.mjs";
import { answerSdp, assertNoSanitizer, candidate, metric, newRoom, rosterOf, sdp, sees, World } from "./world.mjs";

const bridgeOf = (peer) => peer.joined.session.split(".")[0];

/* At any port, or at the one that is given. */
async function share(world, name, { at = "127.0.0.1:0", ...more } = {}) {
    const bridge = await world.addBridge({ listen: at, args: ["--listen-shared", "--listen", "127.0.0.1:0", "--bridge-id", name], ...more });
    const [shared, own] = bridge.ready.http.split(",");
    return Object.assign(bridge, { http: shared, wsUrl: `ws://${shared}/ws`, url: `http://${own}/`, ownUrl: `ws://${own}/ws` });
}

describe("two bridges at one port", () => {
    const world = new World();
    let one, two;
    before(async () => {
        world.broker = await world.addBroker();
        one = world.bridge = await share(world, "one");
        two = await share(world, "two", { at: one.http });
    });
    after(() => world.end());

    const join = (fields) => world.join(fields, { bridge: one });
    /* A member of the room on this bridge, by the port that both share. */
    async function on(bridge, room, peer) {
        for (let tries = 0; tries < 40; tries++) {
            const session = await join({ room, peer });
            if (bridgeOf(session) === bridge.ready.bridge)
                return session;
            await session.request({ type: "leave" });
            await session.close();
        }
        throw new Error(`40 connections, and none reached ${bridge.ready.bridge}`);
    }

    test("both get connections", async () => {
        const room = newRoom();
        const peers = await Promise.all(Array.from({ length: 40 }, (_, i) => join({ room, peer: `p${i}` })));
        const count = (name) => peers.filter((peer) => bridgeOf(peer) === name).length;
        assert.ok(count("one") > 0 && count("two") > 0, `one: ${count("one")}, two: ${count("two")}`);
        assert.equal(count("one") + count("two"), peers.length);
        for (const bridge of [one, two])
            assert.equal(await metric(bridge, "sigbridge_sessions"), count(bridge.ready.bridge));
        await sees(peers[0], ...peers.slice(1).map((peer) => peer.name));
        await Promise.all(peers.map((peer) => peer.close()));
        await until(async () => await metric(one, "sigbridge_sessions") + await metric(two, "sigbridge_sessions") === 0, "all have left");
    });

    test("a room is spread over both: presence, and a call", async () => {
        const room = newRoom();
        const cam = await world.device({ room, name: "cam" });
        const ann = await on(one, room, "ann");
        const bob = await on(two, room, "bob");
        await sees(ann, "bob", "cam");
        await sees(bob, "ann", "cam");
        await ann.request({ type: "offer", to: "bob", sdp: sdp(1) });
        assert.equal((await bob.expect("offer")).sdp, sdp(1));
        await bob.request({ type: "answer", to: "ann", sdp: answerSdp(1) });
        assert.equal((await ann.expect("answer")).sdp, answerSdp(1));
        for (let i = 0; i < 20; i++) {
            ann.send({ type: "candidate", to: "bob", candidate: candidate(1000 + i) });
            bob.send({ type: "candidate", to: "ann", candidate: candidate(2000 + i) });
        }
        for (let i = 0; i < 20; i++) {
            assert.deepEqual((await bob.expect("candidate")).candidate, candidate(1000 + i));
            assert.deepEqual((await ann.expect("candidate")).candidate, candidate(2000 + i));
        }
        await ann.request({ type: "bye", to: "bob" });
        await bob.expect("bye");
        for (const [i, peer] of [ann, bob].entries()) {
            await cam.send(peer.name, { type: "message", data: i });
            assert.equal((await peer.expect("message")).data, i);
        }
        await bob.request({ type: "leave" });
        await until(() => !rosterOf(ann).has("bob"), "bob is gone on the other bridge");
    });

    test("a socket that dropped comes back by the same port, whichever bridge it reaches", async () => {
        const room = newRoom();
        const names = Array.from({ length: 12 }, (_, i) => `p${i}`);
        const eve = await join({ room, peer: "eve" });
        let moved = 0;
        for (const peer of names) {
            const before = await join({ room, peer });
            await before.request({ type: "message", to: "eve", data: peer });
            before.terminate();
            const again = await world.connect({ bridge: one });
            again.name = peer;
            const resumed = await again.ask({ type: "resume", session: before.joined.session, secret: before.joined.secret, seq: before.received.findLast((m) => m.seq !== undefined)?.seq ?? 0 }, "resumed");
            moved += resumed.session.split(".")[0] !== bridgeOf(before);
            await eve.request({ type: "message", to: peer, data: `for ${peer}` });
            await again.expect((m) => m.type === "message" && m.data === `for ${peer}`);
        }
        assert.ok(moved > 0, "some came to the other bridge");
        assert.deepEqual(eve.received.flatMap((m) => m.left ?? []), [], "nobody is told that anybody left");
    });
});

test("asked twice, while it leaves the port: it ends at once", async () => {
    const world = new World();
    world.broker = await world.addBroker();
    const one = await share(world, "one");
    const ann = await world.join({ room: newRoom(), peer: "ann" }, { bridge: one });
    one.kill("SIGTERM");
    await one.line("draining");
    one.kill("SIGTERM");
    await world.end();
    assert.ok(!ann.received.some((m) => m.type === "closing"), "it did not wait until the port was left");
});

describe("who may listen at a port that is used", () => {
    const world = new World();
    let shared;
    before(async () => {
        await world.start();
        shared = await share(world, "one");
    });
    after(() => world.end());

    const rows = [
        { name: "without the option: not beside one that shares", at: () => shared.http, args: [], why: /is in use by another program: stop it, .*--listen-shared/ },
        { name: "without the option: not beside one that does not", at: () => world.bridge.http, args: [], why: /is in use by another program: stop it, .*--listen-shared/ },
        { name: "with it: not beside one that does not share", at: () => world.bridge.http, args: ["--listen-shared"], why: /is in use by another program that does not share it: .*--listen-shared.*the same user's/ },
    ];
    for (const { name, at, args, why } of rows)
        test(name, async () => {
            const program = new Program(process.env.SIGBRIDGE_BIN, ["--dev", "--broker", world.broker.url, "--data", tempDir(), "--listen", at(), ...args]);
            assert.equal((await deadline(program.exited, "its end")).code, 1, program.tail());
            const said = program.logs.filter((line) => line.includes("cannot-start"));
            assert.equal(said.length, 1, program.tail());
            assert.match(said[0], why);
            assert.ok(said[0].includes(at().replace(":", " port ")), said[0]);
            assertNoSanitizer(program);
        });

    test("not with a broker of one's own", async () => {
        const program = new Program(process.env.SIGBRIDGE_BIN, ["--dev", "--data", tempDir(), "--listen", shared.http, "--listen-shared"]);
        assert.equal((await deadline(program.exited, "its end")).code, 2, program.tail());
        assert.match(program.tail(), /listen_shared goes with a broker that all who share use: set broker/);
    });
});

test("the configuration of broker-config/README.md, with TLS, twice", async () => {
    const world = new World();
    world.broker = await world.addBroker();
    const pair = await makePair();
    const [shared, dir] = [await freePort(), tempDir("shared")];
    const text = codeBlock("broker-config/README.md", "conf", "listen_shared").replace("0.0.0.0:8443", `127.0.0.1:${shared}`)
        .replace("/etc/sigbridge/fullchain.pem", pair.cert).replace("/etc/sigbridge/privkey.pem", pair.key);
    for (const n of [1, 2]) {
        const file = join(dir, `${n}.conf`);
        writeFileSync(file, text.replace("127.0.0.1:9101", `127.0.0.1:${await freePort()}`).replace("/var/lib/sigbridge/1", join(dir, `${n}`)));
        const program = new Program(process.env.SIGBRIDGE_BIN, ["-c", file, "--dev", "--broker", world.broker.url]);
        const ready = parseReady(await program.line((line) => parseReady(line) !== null));
        world.bridges.push(Object.assign(program, { ready, url: `http://${ready.http}/` }));
        assert.deepEqual([ready.https, ready.data], [`127.0.0.1:${shared}`, join(dir, `${n}`)]);
    }
    const room = newRoom();
    const bridge = { wsUrl: `wss://127.0.0.1:${shared}/ws` };
    const peers = await Promise.all(Array.from({ length: 30 }, (_, i) => world.join({ room, peer: `p${i}` }, { bridge, ca: pair.pem })));
    assert.equal(new Set(peers.map(bridgeOf)).size, 2);
    await sees(peers[0], ...peers.slice(1).map((peer) => peer.name));
    await world.end();
});

describe("a rolling restart at one port", () => {
    const ROOM = "hall";
    const world = new World();
    const ledger = new Ledger();
    const pages = [];
    const env = { SIGBRIDGE_LIMITS_DRAIN: "30" };
    let one, two;
    before(async () => {
        world.broker = await world.addBroker();
        one = await share(world, "one", { env });
        two = await share(world, "two", { at: one.http, env });
        for (let i = 0; i < 8; i++) {
            const page = new Page(`page${i}`, { url: one.wsUrl, room: ROOM, ledger });
            pages.push(page);
            await page.library.connect();
        }
        await until(() => pages.every((page) => page.library.peers.size === pages.length - 1), "all see each other");
    });
    after(async () => {
        for (const page of pages)
            page.library.close();
        await world.end();
    });

    test("no session is lost, no message, and no connection is refused", async () => {
        let going = true;
        const visits = { done: 0, failed: [], slowest: 0 };
        const whileGoing = async (act, pause) => {
            for (; going; await new Promise((resolve) => setTimeout(resolve, pause)))
                await act();
        };
        /* Somebody who connects, joins and goes, and does not try again. */
        const visit = async (i) => {
            const start = Date.now();
            try {
                const peer = await WsPeer.join(one.wsUrl, { room: `visitors${i}`, peer: `visitor${visits.done}-${i}` });
                visits.slowest = Math.max(visits.slowest, Date.now() - start);
                visits.done++;
                await peer.close();
            } catch (error) {
                visits.failed.push(String(error));
            }
        };
        const flows = [
            ...pages.map((page, i) => whileGoing(() => page.say(pages[(i + 1) % pages.length].name), 15)),
            ...Array.from({ length: 8 }, (_, i) => whileGoing(() => visit(i), 2)),
        ];
        const more = async (count) => {
            const from = visits.done;
            await until(() => visits.done + visits.failed.length > from + count, "visitors come");
        };
        /* The new one first, beside the old one; then the old one goes. */
        const replace = async (old, name) => {
            const fresh = await share(world, name, { at: old.http, env });
            await more(30);
            old.kill("SIGTERM");
            const { code } = await deadline(old.exited, `${old.ready.bridge} ends`);
            assert.equal(code, 0, old.tail());
            assertNoSanitizer(old);
            world.bridges = world.bridges.filter((bridge) => bridge !== old);
            await until(() => pages.every((page) => page.library.state === "joined" && page.bridge !== old.ready.bridge), "its sessions are elsewhere");
            await more(30);
            return fresh;
        };
        try {
            let first = one, second = two;
            for (let round = 1; round <= 2; round++) {
                first = await replace(first, `one-${round}`);
                second = await replace(second, `two-${round}`);
            }
        } finally {
            going = false;
        }
        await deadline(Promise.all(flows), "the last answers");
        await until(() => [...ledger.records()].every((r) => r.got.size > 0), "the last ones come").catch(() => {}); /* the ledger says which did not */
        assert.deepEqual(visits.failed, [], `of ${visits.done + visits.failed.length}`);
        assert.ok(visits.slowest < 5000, `the slowest took ${visits.slowest} ms`);
        const { lost, doubled, reordered, silent, refuted, wrong, told, excused } = ledger.count(Date.now());
        assert.deepEqual({ lost, doubled, reordered, silent, refuted, wrong, told, excused },
            { lost: [], doubled: [], reordered: [], silent: [], refuted: [], wrong: [], told: {}, excused: 0 },
            pages.map((page) => `${page.name}\n    ${page.trace.join("\n    ")}`).join("\n"));
        for (const page of pages)
            assert.deepEqual([page.joins, page.left, page.errors], [1, [], []], `${page.name} kept its membership`);
        assert.ok(pages.reduce((sum, page) => sum + page.resumes, 0) >= pages.length, "they moved");
    });
});
