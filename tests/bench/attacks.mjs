/* What attacks cost the bridge: its CPU time, by unit and in all, its memory at the peak and afterwards,
 * and what a well-behaved browser and device notice. Prints a table.
 *
 *     node tests/bench/attacks.mjs --bridge build/sigbridge [--seconds 3] [--only WORD]
 *
 * Each attack runs for so many seconds in a process of its own, from 127.0.0.3, as fast as that process can,
 * with a lower priority than the rest. Meanwhile the pair sends a message to and fro 40 times in a second;
 * its times are given as a multiple of those before the attack. All of it shares the machine's cores, so a
 * part of that is the attacker's own load: compare the rows. */
import { fork } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { constants, setPriority } from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const { values: options } = parseArgs({
    options: {
        bridge: { type: "string", default: "build/sigbridge" },
        seconds: { type: "string", default: "3" },
        only: { type: "string" },
    },
});
process.env.SIGBRIDGE_BIN ??= options.bridge;

const { ATTACKER, frame, handshake, mqttConnect, Raw, Target, textFrame, times } = await import("../integration/attacker.mjs");
const { clientMessagesFor, expectation, loadCorpus } = await import("../integration/corpus.mjs");
const { WsPeer } = await import("../integration/harness.mjs");
const { allTopic, inboxTopic, Mqtt, presenceTopic, sdp } = await import("../integration/world.mjs");
const { compact, makeKey } = await import("../integration/jwt.mjs");

/* ---- attacks: each act is so many units, and gets {http, mqtt, room, round} ---- */

const raw = (at) => Raw.connect(at.http);
const ws = async (at) => (await raw(at)).upgrade();
const get = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";

/* One connection: send, and wait for its end. */
const each = (count, act) => ({ units: count, act: (at) => times(count, (i, random) => act(at, i, random), { seed: at.round * count + 1 }) });
const say = async (socket, ...bytes) => {
    await socket.send(Buffer.concat(bytes.map((b) => Buffer.from(b))));
    return socket.finish();
};
const joined = async (at, i) => {
    const socket = await ws(at);
    await socket.send(textFrame({ type: "join", room: at.room, peer: `eve-${at.round}-${i}` }));
    await socket.until(() => socket.messages.some((m) => m.type === "joined"));
    return socket;
};
/* Many pieces on few sockets; who is cut off comes again with the next round. */
const pour = (sockets, pieces, piece, connect = ws) => ({
    units: sockets * pieces,
    act: (at) => times(sockets, async (i) => {
        const socket = await connect(at, i);
        const sent = Buffer.concat(Array(100).fill(piece));
        await socket.pour(sent, pieces / 100);
        await socket.finish();
    }, { at_once: sockets }),
});
const hostile = loadCorpus().filter((entry) => expectation(entry).verdict === "reject").flatMap((entry) => clientMessagesFor(entry, { to: "browser" }).messages);

const mqtt = (count, publish) => ({
    units: count,
    act: async (at) => {
        const eve = await Mqtt.connect(at.mqtt, { clientId: "eve" });
        for (let i = 0; i < count; i++)
            publish(eve.client, at, i);
        await eve.publish(inboxTopic("nowhere", "nobody", "eve"), "{}");
        await eve.end();
    },
});
const deep = `{"type":"message","data":${"[".repeat(100_000)}`;
const longSdp = `${sdp()}${"a=x-attack:y\r\n".repeat(12_000)}`;
const keys = JSON.parse(process.env.ATTACK_KEYS ?? "null");
const forged = (token) => each(50, async (at) => {
    const peer = await WsPeer.connect(at.wsUrl, { localAddress: ATTACKER });
    peer.send({ type: "join", room: at.room, peer: "eve", token });
    await peer.expect("error");
    await peer.terminate();
});

const attacks = [
    ["TCP connections that come and go", each(500, async (at) => (await raw(at)).finish())],
    ["WebSockets that come and go", each(200, async (at) => (await ws(at)).finish())],
    ["members that come and go", each(100, async (at, i) => (await joined(at, i)).finish())],
    ["connections beyond those of one address", { units: 1000, act: async (at) => {
        const held = [];
        await times(1000, async () => held.push(await raw(at)), { at_once: 64 });
        await Promise.all(held.map((socket) => socket.drop()));
    } }],
    ["200 senders of a byte at a time (connections)", { units: 200, act: (at) => times(200, async () => {
        const socket = await raw(at);
        for (let n = 0; n < 30 && !socket.isOver; n++) {
            await socket.send("G");
            await new Promise((resolve) => setTimeout(resolve, 100));
        }
        await socket.drop();
    }, { at_once: 200 }) }],
    ["bytes of chance as HTTP", each(200, async (at, i, random) => say(await raw(at), random.bytes(1000), "\r\n\r\n"))],
    ["HTTP with mistakes", each(200, async (at, i, random) => say(await raw(at), random.mutate(Buffer.from(random.pick([get, handshake()])))))],
    ["requests for /metrics", each(200, async (at) => say(await raw(at), get.replace("/healthz", "/metrics")))],
    ["frames that claim to be compressed", each(200, async (at) => say(await ws(at), frame("x".repeat(100), { rsv: 4 })))],
    ["pings of 125 bytes", pour(8, 5000, frame("x".repeat(125), { opcode: 9 }))],
    ["empty fragments", pour(8, 20_000, frame("", { opcode: 1, fin: false }), async (at) => {
        const socket = await ws(at);
        await socket.send(frame("", { fin: false }));
        return socket;
    })],
    ["fragments without end (10 KB each)", pour(8, 200, frame("x".repeat(10_000), { opcode: 0, fin: false }), async (at) => {
        const socket = await ws(at);
        await socket.send(frame("{", { fin: false }));
        return socket;
    })],
    ["messages of one member, until it is cut off", pour(8, 2000, textFrame({ type: "message", to: "eve", data: 1 }), (at, i) => joined({ ...at, room: "flooded" }, i))],
    ["hostile messages of the corpus", each(hostile.length, async (at, i) => {
        const socket = await joined(at, i);
        await say(socket, frame(hostile[i]));
    })],
    ["deep JSON, 100 KB", each(50, async (at) => say(await ws(at), textFrame(deep)))],
    ["offers of 160 KB", each(50, async (at, i) => say(await joined(at, i), textFrame({ type: "offer", to: "browser", sdp: longSdp })))],
    ["readers that read nothing (1 MB wanted by each)", each(20, async (at) => {
        const socket = await raw(at);
        socket.socket.pause();
        await socket.send(get.replace("/healthz", "/metrics").repeat(100));
        await socket.drop();
    })],
    ["bytes of chance as MQTT", each(200, async (at, i, random) => say(await Raw.connect(at.mqtt), mqttConnect({ clientId: "" }), random.bytes(1000)))],
    ["MQTT: messages that are no JSON", mqtt(5000, (client, at) => client.publish(inboxTopic(at.room, "browser", "eve"), "{", { qos: 0 }))],
    ["MQTT: deep JSON, 100 KB", mqtt(100, (client, at) => client.publish(inboxTopic(at.room, "browser", "eve"), deep, { qos: 0 }))],
    ["MQTT: messages of 500 KB", mqtt(50, (client, at) => client.publish(allTopic(at.room, "eve"), "x".repeat(500_000), { qos: 0 }))],
    ["MQTT: presences of many rooms, and their end", { units: 4000, act: async (at) => {
        const eve = await Mqtt.connect(at.mqtt, { clientId: "eve" });
        for (const payload of ['{"meta":{"name":"x"}}', ""])
            for (let i = 0; i < 2000; i++)
                eve.client.publish(presenceTopic(`flood-${i}`, "eve"), payload, { qos: 0, retain: true });
        await eve.publish(presenceTopic("flood", "eve"), "", { retain: true });
        await eve.end();
    } }],
    ["MQTT: messages to a whole room of 10", { units: 10_000, act: async (at) => {
        const members = [];
        for (let i = 0; i < 10; i++)
            members.push(await joined({ ...at, room: "flooded" }, i));
        await mqtt(1000, (client) => client.publish(allTopic("flooded", "eve"), '{"type":"message","data":1}', { qos: 0 })).act(at);
        await Promise.all(members.map((member) => member.finish()));
    } }],
    ["tokens with a wrong HS256 signature", { keys: "free", ...forged(keys?.hs) }],
    ["tokens with a wrong RS256 signature", { keys: "free", ...forged(keys?.rs) }],
    ["tokens with a wrong ES256 signature", { keys: "free", ...forged(keys?.es) }],
    ["tokens of an address that has to wait", { keys: "strict", ...forged(keys?.rs) }],
];

/* ---- the attacker's process ---- */

if (process.env.ATTACK_NAME) {
    setPriority(constants.priority.PRIORITY_BELOW_NORMAL);
    const [, attack] = attacks.find(([name]) => name === process.env.ATTACK_NAME);
    const at = JSON.parse(process.env.ATTACK_AT);
    const end = Date.now() + Number(process.env.ATTACK_SECONDS) * 1000;
    let round = 0;
    do
        await attack.act({ ...at, round: ++round });
    while (Date.now() < end);
    process.send(round * attack.units, () => process.exit(0));
    await new Promise(() => {});
}

/* ---- what it costs ---- */

const status = (pid, key) => Number(new RegExp(`${key}:\\s+(\\d+)`).exec(readFileSync(`/proc/${pid}/status`, "utf8"))[1]) / 1024; /* MiB */
const cpu = (pid) => readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1].split(" ").slice(11, 13).reduce((sum, ticks) => sum + Number(ticks), 0) / 100;
const childOf = (pid) => readdirSync("/proc").find((dir) => /^\d+$/.test(dir) && (() => {
    try {
        return readFileSync(`/proc/${dir}/stat`, "utf8").split(") ")[1].split(" ")[1] === String(pid);
    } catch {
        return false; /* it has ended meanwhile */
    }
})());
const percentile = (list, p) => list.sort((a, b) => a - b)[Math.min(list.length - 1, Math.floor(list.length * p))];

/* To the device and back, 40 times in a second until `over()`; times in ms. */
async function probe({ browser, device }, over) {
    const took = [];
    while (!over()) {
        const start = performance.now();
        const data = `probe-${start}`;
        browser.send({ type: "message", to: device.name, data });
        await device.mail.expect((m) => m.message?.data === data);
        await device.send("browser", { type: "message", data });
        await browser.expect((m) => m.data === data);
        took.push(performance.now() - start);
        await new Promise((resolve) => setTimeout(resolve, 25));
    }
    return { p50: percentile(took, 0.5), p99: percentile(took, 0.99) };
}

const keyring = { hs: makeKey("HS256"), rs: makeKey("RS256"), es: makeKey("ES256") };
const bad = Object.fromEntries(Object.entries(keyring).map(([name, key]) =>
    [name, compact({ alg: key.alg }, { exp: 4e9, rooms: ["*"] }, (bytes) => key.sign(Buffer.concat([bytes, Buffer.from("x")])))]));

const kinds = {
    open: {},
    free: { keys: Object.values(keyring), env: { SIGBRIDGE_LIMITS_AUTH_FAILURES: "1000000" } },
    strict: { keys: Object.values(keyring), env: { SIGBRIDGE_LIMITS_AUTH_FAILURES: "1" } },
};
const targets = {};

async function measure(name, attack) {
    const kind = attack.keys ?? "open";
    const target = targets[kind] ??= await Target.start(kinds[kind]);
    const { pid } = target.bridge;
    const broker = childOf(pid);
    const quiet = Date.now() + 2000;
    const before = await probe(target.first, () => Date.now() > quiet);
    writeFileSync(`/proc/${pid}/clear_refs`, "5"); /* the peak counts from here */
    const start = { rss: status(pid, "VmRSS"), cpu: cpu(pid), broker: cpu(broker) };
    const child = fork(fileURLToPath(import.meta.url), ["--bridge", options.bridge], { env: { ...process.env, ATTACK_NAME: name, ATTACK_SECONDS: options.seconds,
        ATTACK_KEYS: JSON.stringify(bad), ATTACK_AT: JSON.stringify({ http: target.bridge.http, wsUrl: target.bridge.wsUrl, mqtt: target.bridge.mqtt, room: target.first.room }) } });
    let over = false;
    const units = once(child, "message").then(([count]) => count);
    const end = once(child, "exit").then(([code]) => {
        over = true;
        if (code !== 0)
            throw new Error(`${name}: the attacker ended with ${code}`);
    });
    const during = await probe(target.first, () => over);
    await end;
    const spent = { cpu: cpu(pid) - start.cpu, broker: cpu(broker) - start.broker, peak: status(pid, "VmHWM") };
    await target.serves();
    const count = await units;
    return [name, count, spent.cpu.toFixed(2), Math.round(spent.cpu / count * 1e6), spent.broker.toFixed(2), start.rss.toFixed(1), spent.peak.toFixed(1),
        status(pid, "VmRSS").toFixed(1), (during.p50 / before.p50).toFixed(1), (during.p99 / before.p99).toFixed(1), during.p99.toFixed(1)];
}

console.log("| attack | amount | bridge CPU s | µs each | broker CPU s | MiB before | peak | after | round trip p50 × | p99 × | p99 ms |");
console.log("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
for (const [name, attack] of attacks.filter(([name]) => name.includes(options.only ?? "")))
    console.log(`| ${(await measure(name, attack)).join(" | ")} |`);
for (const target of Object.values(targets))
    await target.end();
process.exit(0);
