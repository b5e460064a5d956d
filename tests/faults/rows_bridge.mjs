/* Rows: what happens to bridges. */
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const gone = { told: ["peer-not-found", "guest:peer-not-found", "interrupted", "guest:interrupted", "device:interrupted", "unexpected-answer", 
    "device:unexpected-answer"], rejoin: "victims" };

/* Who has joined this very moment, as in rows_socket.mjs. */
const fresh = { told: ["guest:interrupted"] };

/* The bridge is killed; the sessions of it that `away` names stay away until the mend. The presence of those
 * is cleared once, by one bridge, within 5 s of the will; that of the others at most once: who comes back
 * first takes its place over. */
async function kill(site, context, slot, homes) {
    context.sessions = site.on(slot);
    context.sessions.forEach((session, i) => {
        context.victims.add(session.name);
        site.lead(session, homes[i % homes.length]);
        if (i % 2)
            session.wire.cut();
    });
    await site.killBridge(slot);
}

const back = (site, { sessions }) => sessions.forEach((session) => session.wire.heal());

function clearedOnce(site, { sessions, broken }) {
    sessions.forEach(({ name }, i) => {
        const cleared = site.changes.filter((c) => c.name === name && c.gone && c.at >= broken);
        const tell = cleared.map((c) => `${c.reason} after ${c.at - broken} ms`);
        if (cleared.length > 1 || (i % 2 && !cleared.length))
            throw new Error(`${name} was cleared ${cleared.length} times: ${tell}`);
        if (cleared[0]?.at - broken > 5000)
            throw new Error(`${name} was cleared late: ${tell}`);
    });
}

/* The sessions of a bridge that is about to vanish find the next one. */
function lead(site, slot, to) {
    for (const session of site.on(slot))
        site.lead(session, to);
}

export default [
    {
        key: "bridge-kill", soak: true, title: "bridge killed, another one there",
        break: (site, context) => kill(site, context, site.bridges[1], [site.bridges[0]]),
        lasts: 5500,
        mend: back,
        after: clearedOnce,
        expects: gone, within: 15_000,
        recovery: { name: "bridge kill", of: "first", from: "break" },
        short: ["handshake", "storm"],
    },
    {
        key: "bridge-kill-three", title: "bridge killed, two others there: one of them clears",
        site: { bridges: 3, sessions: 12 },
        break: (site, context) => kill(site, context, site.bridges[1], [site.bridges[0], site.bridges[2]]),
        lasts: 5500,
        mend: back,
        after: clearedOnce,
        expects: gone, within: 15_000,
        recovery: { name: "bridge kill", of: "first", from: "break" },
    },
    {
        key: "bridge-kill-restart", soak: true, title: "bridge killed and started again at once",
        async break(site, { victims }) {
            const [, two] = site.bridges;
            for (const session of site.on(two))
                victims.add(session.name);
            await site.killBridge(two);
        },
        lasts: 100,
        mend: (site) => site.startBridge(site.bridges[1]),
        expects: gone, within: 15_000,
        recovery: { name: "bridge restart", of: "back", from: "mend" },
        least: { during: 5 },
        short: ["idle"],
    },
    {
        key: "bridge-alone-restart", title: "the only bridge killed and started again",
        site: { bridges: 1 },
        async break(site, { victims }) {
            for (const session of site.sessions)
                victims.add(session.name);
            await site.killBridge(site.bridges[0]);
        },
        lasts: 300,
        mend: (site) => site.startBridge(site.bridges[0]),
        expects: gone, within: 15_000,
        recovery: { name: "bridge restart", of: "back", from: "mend" },
        least: { during: 5 },
    },
    {
        key: "bridge-drain", soak: true, title: "bridge drained, its sessions go to another one",
        async break(site, context) {
            const [one, two] = site.bridges;
            lead(site, two, one);
            context.ending = site.stopBridge(two);
        },
        mend: (site, { ending }) => ending,
        expects: fresh,
        recovery: { name: "resume elsewhere", of: "own", from: "break" },
        flows: 30_000,
        short: ["idle", "storm"],
    },
    {
        key: "rolling-restart", title: "three bridges restarted one after the other behind a balancer",
        site: { bridges: 3, sessions: 12 },
        async break(site, context) {
            /* The balancer: each line leads to a bridge that listens. */
            context.roll = (async () => {
                for (const slot of site.bridges) {
                    const others = site.bridges.filter((b) => b !== slot && b.up);
                    site.on(slot).forEach((session, i) => site.lead(session, others[i % others.length]));
                    await site.stopBridge(slot);
                    await site.startBridge(slot);
                    await site.ready(slot);
                    /* As a balancer that finds a new place empty. */
                    await sleep(300);
                }
            })();
            context.roll.catch(() => {});
        },
        mend: (site, { roll }) => roll,
        expects: fresh,
        recovery: { name: "resume elsewhere", of: "own", from: "break" },
        short: ["handshake"],
    },
    {
        key: "bridge-frozen", title: "bridge frozen for a while, its sessions come back to it",
        break: (site) => site.bridges[1].program.kill("SIGSTOP"),
        lasts: 4000,
        mend: (site) => site.bridges[1].program.kill("SIGCONT"),
        recovery: { name: "bridge thawed", of: "back", from: "mend" },
        flows: 40_000,
    },
    {
        key: "bridge-frozen-elsewhere", title: "bridge frozen until its will has fired, its sessions go to another one, it thaws",
        async break(site, { victims }) {
            const [one, two] = site.bridges;
            for (const session of site.on(two))
                victims.add(session.name);
            lead(site, two, one);
            two.program.kill("SIGSTOP");
        },
        lasts: 14_000, /* 1.5 times its keepalive, and the grace */
        mend: (site) => site.bridges[1].program.kill("SIGCONT"),
        /* What was in its sockets when it froze goes out when it thaws: the senders were told that it may. */
        expects: { ...gone, told: [...gone.told, "unavailable", "device:unavailable"], late: true },
        recovery: { name: "bridge frozen", of: "back", from: "break" },
        flows: 40_000, within: 20_000,
    },
    {
        key: "bridge-frozen-back-soon", title: "bridge frozen, its sessions go to another one, it thaws before its will fires",
        site: { env: { SIGBRIDGE_PRESENCE_RESUME_WINDOW: "6" } },
        async break(site, { victims }) {
            const [one, two] = site.bridges;
            for (const session of site.on(two))
                victims.add(session.name);
            lead(site, two, one);
            two.program.kill("SIGSTOP");
        },
        lasts: 5000,
        mend: (site) => site.bridges[1].program.kill("SIGCONT"),
        expects: { ...gone, told: [...gone.told, "unavailable", "device:unavailable"], late: true },
        recovery: { name: "bridge frozen", of: "back", from: "break" },
        flows: 40_000, within: 20_000,
    },
    {
        key: "bridge-cut-off-elsewhere", title: "bridge without its broker until its will has fired, its sessions go to another one",
        async break(site, { victims }) {
            const [one, two] = site.bridges;
            two.cable.blackhole();
            for (const session of site.on(two)) {
                victims.add(session.name);
                site.lead(session, one);
                session.wire.snap();
            }
        },
        lasts: 14_000,
        mend: (site) => site.bridges[1].cable.heal(),
        expects: { ...gone, told: [...gone.told, "unavailable", "device:unavailable"], late: true },
        recovery: { name: "bridge cut off", of: "back", from: "break" },
        flows: 40_000, within: 20_000,
    },
    {
        key: "sighup", soak: true, title: "SIGHUP in the middle, ten times",
        async break(site) {
            for (let i = 0; i < 10; i++) {
                for (const { program } of site.bridges)
                    program.kill("SIGHUP");
                await sleep(50);
            }
        },
        lasts: 300,
        short: ["handshake"],
    },
];
