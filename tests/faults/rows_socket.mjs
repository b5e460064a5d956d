/* Rows: what happens to a session's socket. Half of the sessions are hit, the others must notice nothing. */
import { until } from "../integration/harness.mjs";

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
/* Of both rooms, and of each bridge. */
const half = (site) => site.sessions.filter((_, i) => i % 4 < 2 === Math.floor(i / 4) % 2 < 1);
/* Whose sockets the test holds itself. */
const own = (site) => half(site).filter((session) => session.detach);
const other = (site, bridge) => site.bridges[(bridge.i + 1) % site.bridges.length];

/* Who has joined this very moment when its socket breaks, so that its pong to `joined` is lost, is taken for
 * one who never heard of it: it has to join again. */
const fresh = { told: ["guest:interrupted"] };

export default [
    {
        key: "socket-cut", soak: true, title: "socket cut, back on the same bridge",
        break: (site) => half(site).forEach((s) => s.wire.cut()),
        lasts: 600,
        mend: (site) => half(site).forEach((s) => s.wire.heal()),
        expects: fresh,
        recovery: { name: "resume here", of: "back", from: "mend" },
        short: ["handshake"],
    },
    {
        key: "socket-blackhole", soak: true, title: "socket without a FIN, back on the same bridge",
        break: (site) => half(site).forEach((s) => s.wire.blackhole()),
        lasts: 4000,
        mend: (site) => half(site).forEach((s) => s.wire.heal()),
        expects: fresh,
        recovery: { name: "resume here", of: "back", from: "mend" },
        short: ["storm"],
    },
    {
        key: "socket-elsewhere", soak: true, title: "socket cut, back on another bridge",
        break(site) {
            for (const session of half(site)) {
                site.lead(session, other(site, session.bridge));
                session.wire.snap();
            }
        },
        expects: fresh,
        recovery: { name: "resume elsewhere", of: "own", from: "break" },
        short: ["idle", "handshake"],
    },
    {
        key: "socket-ping-pong", soak: true, title: "from bridge to bridge, four times in a second each",
        async break(site) {
            for (let round = 0; round < 4; round++) {
                for (const session of half(site)) {
                    site.lead(session, other(site, session.bridge));
                    session.wire.snap();
                }
                await sleep(250);
            }
        },
        expects: fresh,
        recovery: { name: "resume elsewhere", of: "own", from: "break" },
    },
    {
        key: "socket-old-here", title: "old socket alive when the new one resumes, same bridge",
        async break(site, context) {
            context.ghosts = own(site).map((session) => {
                const ghost = { session, socket: session.detach(), code: undefined };
                ghost.socket.on("close", (code) => (ghost.code = code));
                return ghost;
            });
        },
        lasts: 600,
        async mend(site, { ghosts }) {
            /* What the old one says now is said by nobody. */
            for (const { socket, session } of ghosts)
                if (socket.readyState === 1)
                    socket.send(JSON.stringify({ type: "message", to: session.name, data: { n: 1e9 } }));
        },
        after: (site, { ghosts }) => until(() => ghosts.every((g) => g.code === 4409),
            () => `4409 for the old sockets: ${ghosts.map((g) => g.code)}`, { timeout: 3000 }),
        recovery: { name: "resume here", of: "own", from: "break" },
        short: ["idle"],
    },
    {
        key: "socket-old-elsewhere", title: "old socket alive when the new one resumes, other bridge",
        async break(site, context) {
            /* The old line stays as it is; new connections are led elsewhere. */
            context.ghosts = own(site).map((session) => {
                site.lead(session, other(site, session.bridge));
                const ghost = { session, socket: session.detach(), code: undefined };
                ghost.socket.on("close", (code) => (ghost.code = code));
                return ghost;
            });
        },
        lasts: 600,
        async mend(site, { ghosts }) {
            for (const { socket, session } of ghosts)
                if (socket.readyState === 1)
                    socket.send(JSON.stringify({ type: "message", to: session.name, data: { n: 1e9 } }));
        },
        after: (site, { ghosts }) => until(() => ghosts.every((g) => g.code === 4409),
            () => `4409 for the old sockets: ${ghosts.map((g) => g.code)}`, { timeout: 3000 }),
        recovery: { name: "resume elsewhere", of: "own", from: "break" },
    },
    {
        key: "socket-late", title: "socket back after the resume window",
        site: { env: { SIGBRIDGE_PRESENCE_RESUME_WINDOW: "1" } },
        break(site, { victims }) {
            for (const session of half(site)) {
                victims.add(session.name);
                session.wire.cut();
            }
        },
        lasts: 3500,
        mend: (site) => half(site).forEach((s) => s.wire.heal()),
        expects: { rejoin: "victims", told: ["peer-not-found", "guest:peer-not-found", "interrupted", "guest:interrupted", "device:interrupted",
            "unexpected-answer", "device:unexpected-answer"] },
        recovery: { name: "join again", of: "back", from: "mend" },
        short: ["idle"],
    },
    {
        key: "socket-flaky", soak: true, title: "sockets delayed and cut at random",
        async break(site) {
            for (const session of half(site))
                session.wire.delay(60);
            for (let i = 0; i < 12; i++) {
                await sleep(100 + Math.random() * 200);
                for (const session of half(site))
                    if (Math.random() < 0.4)
                        session.wire.snap();
            }
        },
        lasts: 100,
        mend: (site) => half(site).forEach((s) => s.wire.heal()),
        expects: fresh,
        recovery: { name: "resume here", of: "own", from: "break" },
    },
    {
        key: "slow-reader", title: "one that reads slowly, and one that stops to read",
        site: { env: { SIGBRIDGE_LIMITS_SEND_QUEUE_MESSAGES: "64", SIGBRIDGE_LIMITS_SEND_QUEUE_BYTES: "300000",
            SIGBRIDGE_PING_TIMEOUT: "10" } },
        async break(site, context) {
            const [slow, stopped] = [site.sessions[3], site.sessions[2]];
            context.victims.add(slow.name).add(stopped.name);
            context.stopped = stopped;
            slow.deaf = stopped.deaf = true; /* no pings of its own: it only reads slowly */
            slow.wire.slow(20_000);
            stopped.wire.blackhole("down");
            const pad = "x".repeat(20_000);
            for (let i = 0; i < 100; i++) {
                site.sessions[5].say(slow.name, { pad });
                site.sessions[6].say(stopped.name, { pad });
            }
        },
        lasts: 3000,
        async mend(site, context) {
            context.refused = Number(await site.metric(context.stopped.bridge, "sigbridge_slow_readers_total"));
            for (const session of [site.sessions[3], site.sessions[2]]) {
                session.deaf = false;
                session.wire.heal();
            }
        },
        after(site, context) {
            if (!(context.refused >= 1))
                throw new Error(`sigbridge_slow_readers_total is ${context.refused}: nobody was too slow`);
        },
        expects: { told: ["peer-not-found", "guest:peer-not-found", "interrupted", "guest:interrupted", "device:interrupted",
            "unexpected-answer", "device:unexpected-answer"] },
        recovery: { name: "slow reader", of: "own", from: "break" },
    },
];
