/* Rows: what happens to the broker, and to the cable between it and the bridges. */
import { readFileSync } from "node:fs";
import { FullDiskBroker } from "./small_disk.mjs";

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const recovery = { name: "broker back", of: "flow", from: "mend" };
/* A device's connection ends with the broker: it comes and goes, and says so. */
const expects = { devices: true, told: ["device:peer-not-found", "device:unexpected-answer"] };

export default [
    {
        key: "broker-restart", soak: true, title: "broker restarted in order",
        async break(site) {
            await site.broker.stop();
        },
        lasts: 800,
        mend: (site) => site.broker.restart(),
        recovery, expects, short: ["handshake", "storm"],
    },
    {
        key: "broker-kill-saved", soak: true, title: "broker killed, back with what it saved a second before",
        async break(site) {
            await site.broker.save();
            await sleep(500);
            await site.broker.kill();
        },
        lasts: 800,
        mend: (site) => site.broker.restart(),
        recovery, expects, short: ["handshake"],
    },
    {
        key: "broker-kill-empty", title: "broker killed, back with nothing",
        site: { broker: { persistence: false } },
        break: (site) => site.broker.kill(),
        lasts: 800,
        mend: (site) => site.broker.restart(),
        /* Until the other bridge has subscribed again, nobody listens at its members' inboxes. */
        expects: { ...expects, told: [...expects.told, "peer-not-found", "guest:peer-not-found", "unexpected-answer"] },
        recovery, short: ["idle"],
    },
    {
        key: "broker-frozen", title: "broker frozen for a while (long form: a minute)",
        break: (site) => site.broker.freeze(),
        lasts: 3000,
        longLasts: 60_000,
        mend: (site) => site.broker.thaw(),
        recovery, expects,
        longExpects: { devices: true, told: [...expects.told, "unavailable", "guest:unavailable", "device:unavailable", "unexpected-answer",
            "timeout", "device:timeout", "offline", "device:offline"], refuted: true },
        flows: 60_000, within: 20_000,
        short: ["storm"],
    },
    {
        key: "broker-disk-full", title: "broker's disk full, then killed",
        site: { broker: { start: (options) => FullDiskBroker.start(options) } },
        async break(site) {
            await site.broker.fill();
            site.broker.program.kill("SIGUSR1"); /* saves, and cannot */
            await sleep(500);
            await site.broker.kill();
        },
        lasts: 500,
        async mend(site) {
            await site.broker.empty();
            await site.broker.restart();
        },
        expects: { ...expects, told: [...expects.told, "peer-not-found", "guest:peer-not-found", "unexpected-answer"] },
        recovery,
    },
    {
        key: "cable-out", soak: true, title: "cable between bridges and broker out, no FIN",
        break: (site) => site.cables.forEach((cable) => cable.blackhole()),
        lasts: 4000,
        longLasts: 20_000,
        mend: (site) => site.cables.forEach((cable) => cable.heal()),
        recovery: { name: "cable back", of: "flow", from: "mend" },
        flows: 40_000,
        longExpects: { told: ["unavailable", "device:unavailable", "guest:unavailable"] },
        short: ["handshake"],
    },
    {
        key: "cable-out-one", title: "cable of one of two bridges out for longer than its keepalive",
        break: (site) => site.cables[0].blackhole(),
        lasts: 12_000,
        mend: (site) => site.cables[0].heal(),
        recovery: { name: "cable back", of: "flow", from: "mend" },
        /* Its will fires: it is gone for the others, which clear its peers. */
        expects: { rejoin: "anybody", told: ["peer-not-found", "guest:peer-not-found", "guest:unavailable", "guest:interrupted", "unexpected-answer", "unavailable", "interrupted", "device:unavailable", "device:interrupted",
            "device:unexpected-answer"] },
        flows: 40_000, within: 20_000,
    },
    {
        key: "cable-cut", soak: true, title: "cable between bridges and broker cut (RST)",
        break: (site) => site.cables.forEach((cable) => cable.cut()),
        lasts: 1000,
        mend: (site) => site.cables.forEach((cable) => cable.heal()),
        recovery: { name: "cable back", of: "flow", from: "mend" },
        short: ["idle"],
    },
    {
        key: "cable-flaky", soak: true, title: "cable delayed and cut at random",
        async break(site) {
            for (const cable of site.cables)
                cable.delay(30);
            for (let i = 0; i < 8; i++) {
                await sleep(150 + Math.random() * 300);
                for (const cable of site.cables)
                    if (Math.random() < 0.5)
                        cable.snap();
            }
        },
        lasts: 100,
        mend: (site) => site.cables.forEach((cable) => cable.heal()),
        recovery: { name: "cable back", of: "flow", from: "mend" },
        flows: 40_000,
    },
    {
        key: "acks-lost", soak: true, title: "the broker's acknowledgements lost, then the cable cut",
        /* Everything goes out and is taken, nothing comes back: all of it is published again. */
        break: (site) => site.cables.forEach((cable) => cable.blackhole("down")),
        lasts: 2000,
        async mend(site) {
            for (const cable of site.cables) {
                cable.snap();
                cable.heal();
            }
        },
        recovery: { name: "cable back", of: "flow", from: "mend" },
        flows: 40_000,
        short: ["storm"],
    },
    {
        key: "embedded-kill", title: "embedded broker killed",
        site: { bridges: 1, embedded: true },
        async break(site) {
            const [{ program }] = site.bridges;
            const children = readFileSync(`/proc/${program.pid}/task/${program.pid}/children`, "utf8").trim().split(" ").map(Number);
            for (const pid of children.filter(Boolean))
                process.kill(pid, "SIGKILL");
            if (!children.filter(Boolean).length)
                throw new Error("the bridge has no broker of its own");
        },
        lasts: 0,
        mend: (site) => site.ready(site.bridges[0]),
        recovery: { name: "broker back", of: "flow", from: "break" },
        expects, least: { during: 0 },
        short: ["idle"],
    },
];
