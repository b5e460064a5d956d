/* Brokers of several places, joined by mosquitto itself with the files of broker-config/: any browser
 * reaches any device, and what an outage between them leaves behind. The numbers in its README come
 * from here. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Ledger } from "../faults/ledger.mjs";
import { Session } from "../faults/session.mjs";
import { central, endpoints, everyPair, lookInto, rosters, site } from "./fleet.mjs";
import { deadline, run, until, WsPeer } from "./harness.mjs";
import { makeKey } from "./jwt.mjs";
import { stopBridge } from "./machine.mjs";
import { codeBlock } from "./readme.mjs";
import { answerSdp, checkReceived, Device, inboxTopic, newRoom, presenceTopic, rosterOf, sdp, sees, statusTopic } from "./world.mjs";

const fast = {
    SIGBRIDGE_LIMITS_MESSAGES_PER_SECOND: "100000", SIGBRIDGE_LIMITS_MESSAGES_BURST: "1000000",
    SIGBRIDGE_LIMITS_BYTES_PER_SECOND: "1073741824", SIGBRIDGE_LIMITS_BYTES_BURST: "1073741824",
    SIGBRIDGE_LIMITS_REPLAY_MESSAGES: "65536", SIGBRIDGE_LIMITS_REPLAY_BYTES: "67108864", SIGBRIDGE_LIMITS_DRAIN: "1",
};
const bridgeOn = (machine, name, { args = [], ...more } = {}) =>
    machine.bridge({}, { args: ["--log-level", "debug", "--bridge-id", name, ...args], env: fast, ...more });

/* Retained now, as who comes next sees it: Map topic -> text. */
async function retained(machine, filter) {
    const late = await lookInto(machine);
    await late.subscribe(filter);
    await late.subscribe(statusTopic("fence"));
    await late.publish(statusTopic("fence"), "x");
    await late.expect(statusTopic("fence"));
    await late.end();
    return new Map(late.mail.all.filter((m) => m.retain).map((m) => [m.topic, m.text]));
}
const present = async (machine, room) => [...(await retained(machine, presenceTopic(room, "+"))).keys()].map((t) => t.split("/").at(-2)).sort();

/* The line's ends have noticed, which the centre says of each site. */
const lineIs = (eye, place, up) => eye.expect(statusTopic(place.siteName), (m) => m.text === (up ? "1" : "0"), 60_000);

/* ---- cameras at the sites, bridges at the centre ---- */

describe("sites of cameras, as site.conf comes", () => {
    const room = newRoom();
    let centre, sites, bridge, ann, eye;
    const cams = {};

    before(async () => {
        centre = await central();
        eye = await lookInto(centre);
        await eye.subscribe(statusTopic("+"));
        sites = [await site("site1", centre), await site("site2", centre)];
        for (const one of sites)
            await lineIs(eye, one, true);
        bridge = await bridgeOn(centre, "centre");
        ann = await WsPeer.join(bridge.wsUrl, { room, peer: "ann" });
        for (const [i, one] of sites.entries()) {
            const name = `cam${i + 1}`;
            await one.add(name, "--room", room);
            cams[name] = await one.come(room, name);
        }
        await sees(ann, "cam1", "cam2");
    });
    after(async () => {
        await eye?.end();
        for (const cam of Object.values(cams))
            cam.client.end(true);
        for (const one of sites ?? [])
            await one.stop();
        await centre?.stop();
        for (const machine of [centre, ...sites ?? []])
            assert.deepEqual(machine.broker.logs.filter((line) => /Denied|dropped/.test(line)), []);
        checkReceived(ann);
    });

    test("a browser and the devices of all sites, and devices of different sites, each other", async () => {
        await everyPair(room, endpoints([ann], Object.values(cams)));
    });

    test("a site tells the centre who is there, and is not told of others", async () => {
        assert.deepEqual(await present(centre, room), ["ann", "cam1", "cam2"]);
        assert.deepEqual(await present(sites[0], room), ["cam1"]);
    });

    test("who is in no roster is told of at once; whether somebody listens, no broker can tell any more", async () => {
        await assert.rejects(ann.request({ type: "invite", to: "nobody" }), { error: "peer-not-found" });
        const probe = await lookInto(centre);
        const code = (topic) => new Promise((resolve) => {
            probe.client.on("packetreceive", function look(packet) {
                if (packet.cmd !== "puback")
                    return;
                probe.client.off("packetreceive", look);
                resolve(packet.reasonCode);
            });
            probe.client.publish(topic, "{}", { qos: 1 });
        });
        assert.equal(await code(inboxTopic(room, "nobody", "_bridge")), 0, "the sites' subscription is one");
        assert.equal(await code("sigbridge/v1/bridges/nobody/in/nobody"), 0x10, "what no line carries");
        await probe.end();
    });

    test("over an outage messages wait, in order, and presence is true at its end", async () => {
        const [one] = sites;
        await one.add("brief", "--room", room);
        await one.add("late", "--room", room);
        const brief = await one.come(room, "brief");
        await sees(ann, "brief");
        one.line.cut();
        await lineIs(eye, one, false);
        for (let i = 0; i < 50; i++) {
            await cams.cam1.send("ann", { type: "message", data: i });
            await ann.request({ type: "message", to: "cam1", data: i });
        }
        await brief.drop();
        cams.late = await one.come(room, "late");
        await cams.cam1.present({ kind: "device", meta: { name: "renamed" } });
        one.line.restore();
        for (let i = 0; i < 50; i++) {
            assert.equal((await ann.expect((m) => m.type === "message" && m.from === "cam1")).data, i);
            assert.equal((await cams.cam1.receive("message", "ann")).data, i);
        }
        await sees(ann, "late");
        await until(() => !rosterOf(ann).has("brief") && rosterOf(ann).get("cam1")?.meta?.name === "renamed", "ann sees it as it is");
        assert.deepEqual(await present(centre, room), ["ann", "cam1", "cam2", "late"]);
        await lineIs(eye, one, true);
        await everyPair(room, endpoints([ann], Object.values(cams)));
    });

    test("a line that breaks in the middle of a burst repeats messages; a browser gets each once, in order", async () => {
        const [one] = sites;
        const COUNT = 1500;
        const heard = () => ann.received.filter((m) => m.type === "message" && m.data?.burst !== undefined).map((m) => m.data.burst);
        const sent = Array.from({ length: COUNT }, (_, i) => cams.cam1.send("ann", { type: "message", id: `burst${i}`, data: { burst: i } }));
        await until(() => heard().length > 200, "some are there", { every: 1 });
        one.line.cut();
        await Promise.all(sent);
        one.line.restore();
        await until(() => heard().at(-1) === COUNT - 1, "the last one comes");
        await ann.request({ type: "message", to: "cam2", data: "fence" });
        await cams.cam2.receive("message", "ann");
        assert.deepEqual(heard(), Array.from({ length: COUNT }, (_, i) => i));
        await lineIs(eye, one, false);
        await lineIs(eye, one, true);
    });

    test("a site that dies with its devices: the centre knows of the site, and of devices with a ttl", async () => {
        const [one] = sites;
        const machine = await retained(centre, statusTopic("+"));
        assert.equal(machine.get(statusTopic("site1")), "1");
        await one.add("timed", "--room", room);
        const timed = await one.come(room, "timed", { presence: { kind: "device", ttl: 3 } });
        await sees(ann, "timed");
        one.broker.kill("SIGKILL");
        await one.broker.exited;
        for (const cam of [timed, cams.cam1, cams.late])
            await deadline(cam.closed, "the device is cut off");
        delete cams.late;
        await lineIs(eye, one, false);
        assert.deepEqual((await ann.expect((m) => m.left?.some((p) => p.peer === "timed"))).left, [{ peer: "timed", reason: "ttl" }]);
        assert.ok(rosterOf(ann).has("late") && rosterOf(ann).has("cam1"), "nothing tells of the others");

        /* What the README gives an operator for those: at a broker with TLS, with a bridge's rights. */
        const script = codeBlock("broker-config/README.md", "sh", "--retained-only").replace("ROOM", room)
            .replaceAll(/mosquitto_(sub|pub) /g, (all) => `${all} -h 127.0.0.1 -p ${centre.ports[8884]} ${lookInto.options(centre)} `);
        const { code, stderr } = await run("sh", ["-e", "-c", script.replace("(late|cam1)", "(late)")]);
        assert.equal(code, 0, stderr);
        await ann.expect((m) => m.left?.some((p) => p.peer === "late"));
        assert.deepEqual(await present(centre, room), ["ann", "cam1", "cam2"]);

        /* The site comes back with what it had saved, and its devices come back by themselves. */
        await one.start();
        await lineIs(eye, one, true);
        cams.cam1 = await one.come(room, "cam1", { presence: { kind: "device", meta: { name: "back" } } });
        await until(() => rosterOf(ann).get("cam1")?.meta?.name === "back", "cam1 is back");
        await everyPair(room, endpoints([ann], Object.values(cams)));
    });
});

/* ---- a bridge in every place ---- */

for (const count of [2, 3])
    describe(`${count} brokers, each with a bridge, devices and browsers`, () => {
        const key = makeKey("HS256");
        const token = (peer) => key.token({ sub: peer, rooms: ["*"] });
        let places, bridges, eye;

        before(async () => {
            const centre = await central();
            eye = await lookInto(centre);
            await eye.subscribe(statusTopic("+"));
            places = [centre];
            for (let i = 1; i < count; i++)
                places.push(await site(`site${i}`, centre, { bridges: true }));
            for (const one of places.slice(1))
                await lineIs(eye, one, true);
            bridges = [];
            for (const [i, place] of places.entries())
                bridges.push(await bridgeOn(place, `b${i}`));
        });
        after(async () => {
            await eye?.end();
            for (const place of [...places ?? []].reverse())
                await place.stop();
            for (const place of places ?? [])
                assert.deepEqual(place.broker.logs.filter((line) => /Denied|dropped/.test(line)), []);
        });

        /* Two sessions and a device in each place. */
        async function company(room, ttl) {
            const sessions = [], devices = [];
            for (const [i, place] of places.entries()) {
                for (const name of [`ann${i}`, `zoe${i}`])
                    sessions.push(await WsPeer.join(bridges[i].wsUrl, { room, peer: name }));
                const cam = `${room}-cam${i}`;
                await place.add(cam, "--room", room, "--watch");
                devices.push(await place.come(room, cam, { presence: { kind: "device", ttl } }));
            }
            const names = [...sessions, ...devices].map((x) => x.name);
            for (const session of sessions)
                await sees(session, ...names.filter((name) => name !== session.name));
            return { sessions, devices, names };
        }
        const closeAll = async ({ sessions, devices }) => {
            for (const session of sessions)
                await session.close();
            for (const device of devices)
                await device.drop();
            for (const session of sessions)
                checkReceived(session);
        };

        test("each session reaches each device and each other session, numbered, none lost, doubled or reordered", async () => {
            const room = newRoom();
            const all = await company(room);
            await everyPair(room, endpoints(all.sessions, all.devices));
            await closeAll(all);
        });

        test("presence is the same everywhere: who comes, changes and goes", async () => {
            const room = newRoom();
            const all = await company(room);
            const [first, last] = [all.sessions[0], all.sessions.at(-1)];
            await last.request({ type: "update", meta: { name: "changed" } });
            await first.close();
            await all.devices[0].drop();
            await all.devices.at(-1).present({ kind: "device", meta: { name: "new" } });
            await rosters(all.sessions.slice(1), (roster, me) => {
                assert.deepEqual([...roster.keys(), me].sort(), all.names.filter((name) => name !== first.name && name !== all.devices[0].name).sort());
                assert.equal(roster.get(all.devices.at(-1).name).meta?.name, "new");
                if (me !== last.name)
                    assert.equal(roster.get(last.name).meta?.name, "changed");
            });
            for (const [i, place] of places.entries()) {
                await until(async () => (await present(place, room)).length === all.names.length - 2, "the broker has it, too");
                const late = await WsPeer.join(bridges[i].wsUrl, { room, peer: `late${i}` });
                assert.ok(!rosterOf(late).has(first.name) && rosterOf(late).has(last.name));
                await late.close();
            }
            await closeAll({ sessions: all.sessions.slice(1), devices: all.devices.slice(1) });
        });

        test("a name in use in one place is refused in another", async () => {
            const room = newRoom();
            const ann = await WsPeer.join(bridges[0].wsUrl, { room, peer: "ann" });
            const eve = await WsPeer.join(bridges.at(-1).wsUrl, { room, peer: "eve" });
            await sees(eve, "ann");
            await sees(ann, "eve");
            await assert.rejects(WsPeer.join(bridges.at(-1).wsUrl, { room, peer: "ann" }), { error: "peer-taken" });
            await ann.request({ type: "message", to: "eve", data: 1 });
            await eve.expect("message");
            await ann.close();
        });

        test("with a token for the name, the newer session replaces the older, in another place as in the same", async () => {
            const keyed = [];
            for (const [i, place] of places.entries())
                keyed.push(await bridgeOn(place, `k${i}`, { dev: false, args: ["--jwt-key", key.option] }));
            const room = newRoom();
            const witness = await WsPeer.join(keyed[0].wsUrl, { room, peer: "witness", token: token("witness") });
            let older = await WsPeer.join(keyed[0].wsUrl, { room, peer: "ann", token: token("ann") });
            for (const bridge of [...keyed.slice(1), keyed[0]]) {
                const eve = await WsPeer.join(bridge.wsUrl, { room, peer: "eve", token: token("eve") });
                await sees(eve, "ann");
                await eve.close();
                const newer = await WsPeer.join(bridge.wsUrl, { room, peer: "ann", token: token("ann") });
                assert.equal((await deadline(older.closed, "the older session's close")).code, 4409);
                await newer.ask({ type: "ping" }, "pong");
                await until(() => rosterOf(witness).has("ann"), "ann is there");
                await until(async () => {
                    try {
                        await witness.request({ type: "message", to: "ann", data: "for the newer" });
                        return true;
                    } catch (error) {
                        assert.equal(error.error, "peer-not-found");
                        return false;
                    }
                }, "ann can be reached");
                await newer.expect((m) => m.data === "for the newer");
                older = newer;
            }
            await older.close();
            await witness.close();
            for (const bridge of keyed)
                await stopBridge(bridge);
        });

        test("a name raced for in two places is one's in the end", async () => {
            for (let round = 0; round < 10; round++) {
                const room = newRoom();
                const witnesses = await Promise.all(bridges.map((b, i) => WsPeer.join(b.wsUrl, { room, peer: `w${i}` })));
                await Promise.all(witnesses.map((w) => sees(w, ...witnesses.map((x) => x.name).filter((n) => n !== w.name))));
                const ends = [bridges[0], bridges.at(-1)];
                const sockets = await Promise.all(ends.map((b) => WsPeer.connect(b.wsUrl)));
                const outcome = await Promise.all(sockets.map((s, i) => s.ask({ type: "join", room, peer: "ann", meta: { at: i } }, "joined")
                    .then(() => "joined", (error) => error.error ?? "closed")));
                /* Until both places have heard of both: each witness's word has gone to and fro. */
                for (const [a, b] of [[witnesses[0], witnesses.at(-1)], [witnesses.at(-1), witnesses[0]], [witnesses[0], witnesses.at(-1)]]) {
                    await a.request({ type: "message", to: b.name, data: "fence" });
                    await b.expect((m) => m.data === "fence");
                }
                const stays = await Promise.all(sockets.map(async (s, i) => outcome[i] === "joined" &&
                    Promise.race([s.closed.then(() => false), s.ask({ type: "ping" }, "pong").then(() => true, () => false)])));
                assert.equal(stays.filter(Boolean).length, 1, `${outcome} ${stays} ${await Promise.all(sockets.map((s) => Promise.race([s.closed.then((e) => e.code), new Promise((r) => setTimeout(r, 500, "open"))])))}`);
                const at = stays.indexOf(true);
                const loser = 1 - at;
                assert.ok(outcome[loser] === "peer-taken" || (await sockets[loser].closed).code === 4409);
                await rosters(witnesses, (roster) => assert.equal(roster.get("ann")?.meta?.at, at));
                for (const s of [...sockets, ...witnesses])
                    s.socket.terminate();
            }
        });

        test("a session that comes back in another place goes on there: nothing lost, doubled or out of order", async () => {
            const room = newRoom();
            const ledger = new Ledger();
            let at = 0;
            const member = (name, url) => new Session({ name, room, url, ledger });
            const ann = member("ann", () => bridges[at].wsUrl);
            const others = bridges.map((bridge, i) => member(`zoe${i}`, () => bridge.wsUrl));
            await Promise.all([ann, ...others].map((s) => s.start()));
            await until(() => [ann, ...others].every((s) => s.roster.size === others.length), "all see each other");
            const moves = 15;
            let moving = true;
            /* Each other one and ann write to each other, a few at a time, some 100 times a second. */
            const flow = async (from, to) => {
                for (; moving; await new Promise((resolve) => setTimeout(resolve, 10)))
                    await Promise.all([from.say(to.name), from.say(to.name), from.signal("offer", to.name, `${from.name}-${to.name}`)]);
            };
            const flows = others.flatMap((other) => [flow(other, ann), flow(ann, other)]);
            for (let move = 1; move <= moves; move++) {
                const heard = [...ledger.records()].filter((r) => r.got.has("ann")).length;
                await until(() => [...ledger.records()].filter((r) => r.got.has("ann")).length > heard + 20, "ann hears some");
                at = move % bridges.length;
                ann.drop("moves");
                await ann.when(() => ann.recoveries.length === move);
            }
            moving = false;
            const words = await deadline(Promise.all(flows), "the last answers");
            assert.equal(words.length, flows.length);
            for (const s of [ann, ...others])
                await s.say(s === ann ? "zoe0" : "ann");
            await until(() => [...ledger.records()].every((r) => r.got.size > 0), "the last ones come").catch(() => {});
            const count = ledger.count(Date.now());
            assert.deepEqual([count.lost, count.doubled, count.reordered, count.silent, count.refuted, count.wrong, count.told],
                [[], [], [], [], [], [], {}], ann.log.slice(-30).join("\n"));
            assert.ok(count.delivered > moves * 20 && count.excused === 0);
            assert.deepEqual([...new Set(ann.recoveries.map((r) => r.how))], ["resumed"], ann.log.join("\n"));
            assert.deepEqual(others.flatMap((s) => s.left), [], "nobody was told of anything");
            for (const s of [ann, ...others]) {
                await s.leave();
                s.end();
            }
        });

        test("over an outage messages wait, and presence is true again within the devices' ttl", async () => {
            const room = newRoom();
            const all = await company(room, 4);
            const far = places.at(-1);
            const [near, leaves, stays, leavesThere] = [all.sessions[0], all.sessions[1], all.sessions.at(-1), all.sessions.at(-2)];
            const renew = (device) => device.present({ kind: "device", ttl: 4 });
            const kept = all.devices.slice(1, -1);
            await far.add("new-cam", "--room", room);
            far.line.cut();
            await lineIs(eye, far, false);
            /* On both sides somebody leaves, somebody comes, and others write to each other. */
            await leaves.close();
            await leavesThere.close();
            await all.devices[0].drop();
            await all.devices.at(-1).drop();
            const newCam = await far.come(room, "new-cam");
            const newSession = await WsPeer.join(bridges[0].wsUrl, { room, peer: "new-session" });
            for (let i = 0; i < 30; i++) {
                await near.request({ type: "message", to: stays.name, data: i });
                await stays.request({ type: "message", to: near.name, data: i });
            }
            far.line.restore();
            for (let i = 0; i < 30; i++)
                for (const [to, from] of [[stays, near], [near, stays]])
                    assert.equal((await to.expect((m) => m.type === "message" && m.from === from.name)).data, i);
            const gone = [leaves, leavesThere, all.devices[0], all.devices.at(-1)].map((x) => x.name);
            const there = [...all.names.filter((name) => !gone.includes(name)), "new-cam", "new-session"].sort();
            const left = all.sessions.filter((s) => !gone.includes(s.name)).concat(newSession);
            const timer = setInterval(() => kept.forEach(renew), 1500);
            await rosters(left, (roster, me) => assert.deepEqual([...roster.keys(), me].sort(), there), 45_000);
            clearInterval(timer);
            for (const place of places)
                await until(async () => JSON.stringify(await present(place, room)) === JSON.stringify(there), "the broker has it, too");
            await everyPair(room, endpoints(left, [...kept, newCam]));
            await closeAll({ sessions: left, devices: [...kept, newCam] });
        });
    });
