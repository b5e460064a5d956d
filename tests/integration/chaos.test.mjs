/* Many clients do at random what clients do, on two bridges, while links break and the broker and a
 * bridge are killed. What must hold all the time is checked by the world at its end; what must hold
 * when everything has come to rest is checked here. The seed is printed, and can be given. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { until, WsPeer } from "./harness.mjs";
import { Wire } from "./wire.mjs";
import { answerSdp, candidate, Device, presenceTopic, rosterOf, sdp, sql, World } from "./world.mjs";

const seed = Number(process.env.CHAOS_SEED ?? Date.now() % 1_000_000);
const SECONDS = Number(process.env.CHAOS_SECONDS ?? 6);

/* mulberry32: small, and the same for the same seed. */
function generator(state) {
    return () => {
        state = (state + 0x6d2b79f5) | 0;
        let t = Math.imul(state ^ (state >>> 15), 1 | state);
        t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
        return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
    };
}

const ROOMS = ["red", "green"];
const NAMES = Array.from({ length: 8 }, (_, i) => `peer${i}`);
const expected = new Set(["session-expired", "peer-taken", "peer-not-found", "unexpected-answer", "not-joined", "already-joined", "unavailable", "invalid-message"]);

/* A browser that joins, talks, leaves and breaks at random. `bridgeOf` tells where to go now. */
class Browser {
    constructor(world, random, bridgeOf) {
        Object.assign(this, { world, random, bridgeOf });
    }

    pick(list) {
        return list[Math.floor(this.random() * list.length)];
    }

    async step() {
        if (!this.peer || this.peer.socket.readyState !== 1)
            return this.open();
        const to = this.pick(NAMES);
        const id = `i${Math.floor(this.random() * 50)}`;
        const say = (message) => this.peer.send({ ...message, ...this.random() < 0.5 ? { id } : {} });
        const actions = [
            () => say({ type: "join", room: this.pick(ROOMS), peer: this.pick(NAMES), meta: { r: this.random() } }),
            () => say({ type: "join", room: this.pick(ROOMS), peer: this.pick(NAMES), meta: { r: this.random() } }),
            () => say({ type: "leave" }),
            () => say({ type: "update", meta: { r: this.random() } }),
            () => say({ type: "offer", to, sdp: sdp(1 + Math.floor(this.random() * 9)), call: this.pick(["", "a"]) }),
            () => say({ type: "answer", to, sdp: answerSdp(), call: this.pick(["", "a"]) }),
            () => say({ type: "candidate", to, candidate: candidate() }),
            () => say({ type: "bye", to }),
            () => say({ type: "message", data: this.random() }),
            () => say({ type: "message", to, data: this.random() }),
            () => this.random() < 0.2 && this.peer.close(),
            () => this.random() < 0.2 && this.peer.terminate(),
        ];
        return this.pick(actions)();
    }

    /* Ends whatever it was and joins under a name of its own. A join may still be on its way. */
    async settle(room, name) {
        for (;;) {
            try {
                if (this.peer?.socket.readyState !== 1)
                    await this.open();
                await this.peer.request({ type: "leave", id: `leave${this.random()}` }).catch((error) => assert.equal(error.error, "not-joined"));
                await this.peer.ask({ type: "join", room, peer: name, id: `join${this.random()}` }, "ack");
                await this.peer.expect((m) => m.type === "joined" && m.peer === name);
                return Object.assign(this.peer, { name });
            } catch (error) {
                if (error.error !== "already-joined" && this.peer?.socket.readyState === 1)
                    throw error;
            }
        }
    }

    /* From its last place, if it ever had one. Whether that is over by now, the bridge knows. */
    async resume(before) {
        const place = before.received.findLast((m) => m.type === "joined" || m.type === "resumed");
        if (!place)
            return;
        const seq = before.received.findLast((m) => m.seq !== undefined && m !== place)?.seq ?? place.seq ?? 0;
        this.peer.send({ type: "resume", session: place.session, secret: place.secret, seq });
        await this.peer.expect((m) => m.type === "resumed" || m.type === "error").catch(() => {});
    }

    async open() {
        try {
            const before = this.peer;
            this.peer = await WsPeer.connect(this.bridgeOf().wsUrl);
            this.world.peers.push(this.peer);
            if (before && this.random() < 0.5)
                await this.resume(before);
        } catch {
            /* the bridge is not there just now */
        }
    }
}

for (const scope of ["all", "rooms"])
    test(`chaos, presence.scope = ${scope}, seed ${seed}`, async () => {
        const random = generator(seed);
        const world = new World();
        world.broker = await world.addBroker();
        const wire = await new Wire(world.broker.mqtt).open();
        const config = `presence: { scope = "${scope}"; resume_window = 1; };\n`;
        const start = (name, more) => world.addBridge({ config, args: ["--bridge-id", name], ...more });
        let one = await start("one", { broker: wire.url });
        let two = await start("two");
        const browsers = Array.from({ length: 16 }, (_, i) => new Browser(world, random, () => (i % 2 ? one : two)));
        const stop = Date.now() + SECONDS * 1000;
        const disasters = [
            ...["cut", "blackhole", "lose"].map((fault) => async () => {
                wire[fault]();
                await new Promise((resolve) => setTimeout(resolve, random() * 500));
                wire.heal();
            }),
            ...["up", "down"].map((direction) => async () => {
                wire.lose(direction);
                await new Promise((resolve) => setTimeout(resolve, random() * 500));
                wire.heal();
            }),
            async () => {
                world.broker.freeze();
                await new Promise((resolve) => setTimeout(resolve, random() * 500));
                world.broker.thaw();
            },
            async () => {
                await world.broker.save();
                await world.broker.kill();
                await new Promise((resolve) => setTimeout(resolve, random() * 300));
                await world.broker.restart();
            },
            async () => {
                await world.kill(two);
                two = await start("two", { data: two.data });
            },
            async () => {
                const { data } = one;
                world.bridges = world.bridges.filter((bridge) => bridge !== one);
                await world.stop(one);
                one = await start("one", { broker: wire.url, data });
            },
        ];
        const unlucky = (async () => {
            for (let i = Math.floor(random() * disasters.length); Date.now() < stop; i++) {
                await new Promise((resolve) => setTimeout(resolve, 300 + random() * 700));
                await disasters[i % disasters.length]();
            }
        })();
        const busy = Promise.all(browsers.map(async (browser) => {
            while (Date.now() < stop) {
                await browser.step();
                await new Promise((resolve) => setTimeout(resolve, random() * 15));
            }
        }));
        const cams = Promise.all(ROOMS.map(async (room) => {
            while (Date.now() < stop)
                try {
                    const cam = await Device.start(world.broker.mqtt, { room, name: "cam", clientId: `cam-${room}-${random()}`, presence: { ttl: 2 } });
                    for (let i = 0; i < 20; i++)
                        await cam.send(NAMES[i % NAMES.length], { type: "message", data: i });
                    await (random() < 0.5 ? cam.present("").then(() => cam.end()) : cam.drop());
                } catch {
                    await new Promise((resolve) => setTimeout(resolve, 100)); /* the broker is not there just now */
                }
        }));
        await Promise.all([unlucky, busy, cams]);

        /* Rest: everyone joins once more, and all must agree with the broker. */
        await Promise.all([world.ready(one), world.ready(two)]);
        const eye = await world.mqtt();
        await eye.subscribe(presenceTopic("+", "+"));
        const settled = await Promise.all(browsers.map((browser, i) => browser.settle(ROOMS[i % 2], `last${i}`)));
        for (const room of ROOMS) {
            const held = () => {
                const present = new Map();
                for (const { topic, message } of eye.mail.all.filter((m) => m.topic.split("/")[3] === room)) {
                    const [,,,,, name] = topic.split("/");
                    if (message)
                        present.set(name, message);
                    else
                        present.delete(name);
                }
                return present;
            };
            const members = settled.filter((_, i) => ROOMS[i % 2] === room);
            const names = members.map((m) => m.name).sort();
            const others = (member) => names.filter((name) => name !== member.name).join();
            const seen = (member) => [...rosterOf(member).keys()].sort().join();
            await until(() => [...held().keys()].sort().join() === names.join(), () => `the broker holds ${[...held().keys()]}`, { timeout: 30_000 });
            for (const member of members)
                await until(() => seen(member) === others(member), () => `${member.name} sees ${seen(member)}`);
            /* The sessions that live are those that the broker holds. */
            for (const member of members)
                assert.ok(member.received.findLast((m) => m.type === "joined" || m.type === "resumed").session.endsWith(`.${held().get(member.name).sid}`));
            for (const bridge of scope === "all" ? [one, two] : [])
                await until(async () => (await sql(bridge, `SELECT peer FROM present WHERE room = '${room}' ORDER BY peer`)).map((r) => r.peer).join() === names.join(),
                    "the database agrees");
            /* And they hear each other. */
            for (const [i, member] of members.entries()) {
                const data = random();
                await member.request({ type: "message", data, id: `end${i}` });
                for (const other of members.filter((m) => m !== member))
                    await other.expect((m) => m.type === "message" && m.data === data);
            }
        }
        const counts = {};
        for (const { type, error } of world.peers.flatMap((peer) => peer.received))
            counts[error ?? type] = (counts[error ?? type] ?? 0) + 1;
        console.log(`# ${JSON.stringify(counts)}`);
        for (const type of ["joined", "presence", "message", "ack", "offer", "candidate", "peer-not-found"])
            assert.ok(counts[type] > 5, `there was ${counts[type]} ${type}`);
        for (const peer of world.peers)
            for (const { error, message } of peer.received.filter((m) => m.type === "error"))
                assert.ok(expected.has(error), `${error}: ${message}`);
        await world.end();
        wire.close();
    });
