/* Brokers of several places joined as broker-config/README.md says: a central one with fleet.conf, and
 * sites with one-machine.conf and site.conf beside it.
 *
 *     const centre = await central();
 *     const site1 = await site("site1", centre);                    cameras only
 *     const site2 = await site("site2", centre, { bridges: true }); a bridge runs there, too
 *     site1.line.cut();                                             between it and the centre
 *
 * Paths, address and password are replaced; the lines that site.conf has for a site with a bridge are
 * taken as its comment says. Nothing else is changed. */
import assert from "node:assert/strict";
import { chownSync, copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { until } from "./harness.mjs";
import { authority, certificateOf, Machine, owner, source } from "./machine.mjs";
import { answerSdp, candidate, inboxTopic, Line, Mqtt, rosterOf, sdp } from "./world.mjs";

const siteConf = readFileSync(join(source, "site.conf"), "utf8");

/* As the comment in site.conf says. */
const withBridge = (text) => text.replace(/^topic .*presence out .*\n/m, "").replace(/^#topic /gm, "topic ");

export async function central() {
    const machine = await Machine.install("fleet.conf");
    await machine.add("watcher", "--bridge"); /* for the tests themselves */
    await certificateOf("watcher");
    return machine.start();
}

/* `above`: the machine whose broker it joins. */
export async function site(name, above, { bridges = false } = {}) {
    await above.add(name, "--bridge");
    await certificateOf(name);
    const line = await Line.start(above.ports[8884]);
    const machine = await Machine.install("one-machine.conf");
    const text = (bridges ? withBridge(siteConf) : siteConf).replaceAll("site1", name)
        .replace("broker.example.org:8884", line.url.slice("mqtt://".length))
        .replace("made-by-sigbridge-device-add", above.secrets[name]).replaceAll("/etc/mosquitto/", `${machine.etc}/`);
    writeFileSync(join(machine.etc, "conf.d/sigbridge-site.conf"), text);
    for (const end of ["crt", "key"]) {
        const file = join(machine.etc, `certs/sigbridge-site.${end}`);
        copyFileSync(authority.path(name, end), file);
        chownSync(file, owner.uid, owner.gid);
    }
    return Object.assign(machine, { line, siteName: name, above }).start();
}

/* What is at a broker, whoever may see it: with a bridge's rights. */
export function lookInto(machine) {
    if (/^listener 0 /m.test(machine.text))
        return Mqtt.connect("localhost", { protocol: "mqtt+unix", path: machine.socket });
    const own = (end) => readFileSync(authority.path("watcher", end));
    return Mqtt.connect(machine.address(8884), { protocol: "mqtts", ca: [readFileSync(authority.crt)], cert: own("crt"), key: own("key"),
        username: "watcher", password: machine.secrets.watcher });
}
/* The same as options of mosquitto's programs. */
lookInto.options = (machine) => {
    const own = (end) => authority.path("watcher", end);
    return `--cafile ${authority.crt} --cert ${own("crt")} --key ${own("key")} -u watcher -P ${machine.secrets.watcher}`;
};

/* ---- everybody with everybody ---- */

/* Sessions and devices as one kind of thing: {name, send(to, message), next(type, from), heard(type, from)}. */
export function endpoints(sessions, devices) {
    return [
        ...sessions.map((s) => ({
            name: s.name,
            send: (to, message) => s.request({ ...message, to }),
            next: (type, from) => s.expect((m) => m.type === type && m.from === from),
            heard: (type, from) => s.received.filter((m) => m.type === type && m.from === from),
        })),
        ...devices.map((d) => ({
            name: d.name,
            send: (to, message) => d.send(to, message),
            next: (type, from) => d.receive(type, from),
            heard: (type, from) => d.mail.all.filter((m) => m.topic === inboxTopic(d.room, d.name, from) && m.message?.type === type).map((m) => m.message),
        })),
    ];
}

const CANDIDATES = 8;
let calls = 0;

/* A call of each pair, all at the same time, with all its messages numbered both ways. Then what each
 * has heard of each is compared: nothing may be missing, doubled or out of order. */
export async function everyPair(room, all) {
    const pairs = all.flatMap((a, i) => all.slice(i + 1).map((b) => ({ a, b, call: `call${++calls}`, mark: calls })));
    const numbers = async (from, to, call) => {
        for (let i = 1; i <= CANDIDATES; i++)
            await from.send(to.name, { type: "candidate", candidate: candidate(i), call });
        await from.send(to.name, { type: "bye", call });
    };
    const heardAll = async (by, from, call) => {
        for (let i = 1; i <= CANDIDATES; i++)
            await by.next("candidate", from.name);
        await by.next("bye", from.name);
    };
    await Promise.all(pairs.map(async ({ a, b, call, mark }) => {
        await a.send(b.name, { type: "offer", sdp: sdp(mark), call });
        assert.equal((await b.next("offer", a.name)).sdp, sdp(mark));
        await b.send(a.name, { type: "answer", sdp: answerSdp(mark), call });
        assert.equal((await a.next("answer", b.name)).sdp, answerSdp(mark));
        await Promise.all([numbers(a, b, call), numbers(b, a, call), heardAll(a, b, call), heardAll(b, a, call)]);
    }));
    const wanted = Array.from({ length: CANDIDATES }, (_, i) => candidate(i + 1).candidate);
    for (const { a, b, call } of pairs)
        for (const [by, from, first] of [[b, a, "offer"], [a, b, "answer"]]) {
            const of = (type) => by.heard(type, from.name).filter((m) => m.call === call);
            assert.deepEqual(of("candidate").map((m) => m.candidate.candidate), wanted, `${by.name} of ${from.name}`);
            assert.deepEqual([of(first).length, of("bye").length], [1, 1], `${by.name} of ${from.name}`);
        }
}

/* Each session's roster is as `check(roster, name)` wants it, now or soon. */
export async function rosters(sessions, check, timeout) {
    for (const session of sessions) {
        let wrong;
        await until(() => {
            try {
                check(rosterOf(session), session.name);
                return true;
            } catch (error) {
                wrong = error;
                return false;
            }
        }, () => `${session.name} sees the room as it is: ${wrong.message}`, { timeout });
    }
}
