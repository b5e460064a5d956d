/* mqtts between a bridge and its broker: what is not right is refused, with a line in the log and in
 * /readyz that says what, and the bridge gets in by itself once it is. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { copyFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { after, before, describe, test } from "node:test";
import { freePort, run, tempDir, until, WsPeer } from "./harness.mjs";
import { authority, certificateOf, Machine, stopBridge, stranger } from "./machine.mjs";
import { metric, newRoom, sees } from "./world.mjs";

/* Certificates that are wrong in one thing. */
const day = (offset) => new Date(Date.now() + offset * 86400_000).toISOString().replace(/[-:T]|\.\d+/g, "").replace(/^(\d{14})Z?$/, "$1Z");
const sign = async (by, name, extensions, dates) => {
    for (const args of [
        ["req", "-config", "ca.cnf", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc", "-subj", `/CN=${name}`, "-keyout", `${name}.key`, "-out", `${name}.csr`],
        ["ca", "-config", "ca.cnf", "-batch", "-notext", "-extensions", extensions, "-startdate", day(dates[0]), "-enddate", day(dates[1]), "-in", `${name}.csr`, "-out", `${name}.crt`],
    ]) {
        const { code, stderr } = await run("openssl", args, { cwd: by.dir });
        assert.equal(code, 0, stderr);
    }
};
await sign(authority, "expired", "broker", [-10, -1]);
await sign(authority, "tomorrow", "broker", [1, 10]);
await sign(authority, "old-bridge", "client", [-10, -1]);
await certificateOf("gone-bridge");
await certificateOf("a-device");
await certificateOf("bridge1", stranger);
await authority.revoke("gone-bridge");

const of = (name, by = authority) => by.path(name, "");

describe("a bridge does not take a broker", () => {
    const reject = "its certificate is not accepted: ";
    const unknown = /its certificate is not accepted: (unable to get local issuer certificate|self-signed certificate in certificate chain)/;
    const rows = [
        { name: "whose certificate an authority signed that it does not know", broker: of("here", stranger), why: unknown },
        { name: "when it is given the wrong authority", way: { ca: stranger.crt }, why: unknown },
        { name: "by the system's authorities, unless they signed it", way: { ca: null }, why: unknown },
        { name: "with a certificate for another host", broker: of("elsewhere"), why: "its certificate is for another host" },
        { name: "whose certificate is expired", broker: of("expired"), why: `${reject}certificate has expired` },
        { name: "whose certificate is not valid yet", broker: of("tomorrow"), why: `${reject}certificate is not yet valid` },
        { name: "that shows a device's certificate", broker: of("a-device"), why: `${reject}unsuitable certificate purpose` },
    ];
    for (const { name, broker = of("here"), way, why } of rows)
        test(name, async () => {
            const machine = await Machine.install("fleet.conf", { certificate: broker });
            await machine.add("bridge1", "--bridge");
            await machine.start();
            const { program, readyz } = await machine.unready(way);
            const line = await program.line(/warn broker-unreachable /);
            const wanted = typeof why === "string" ? { test: (text) => text.includes(why) } : why;
            assert.ok(wanted.test(line), line);
            assert.match(line, /remedy="check mqtt\.ca, mqtt\.cert and mqtt\.key, and the broker's certificate"/);
            await until(async () => wanted.test(await readyz()), "/readyz says it, too");
            assert.ok(!program.logs.some((text) => text.includes(machine.secrets.bridge1)));
            assert.ok(!machine.broker.logs.some((text) => /New client connected/.test(text)), "not even the login was sent");
            await stopBridge(program);
            await machine.stop();
        });
});

describe("a broker does not take a bridge", () => {
    let machine;
    before(async () => {
        machine = await Machine.install("fleet.conf");
        await machine.add("bridge1", "--bridge");
        await machine.start();
        machine.putCrl();
        /* A listener without TLS, to be spoken to with it. */
        machine.plain = await Machine.install("one-machine.conf");
        await machine.plain.start();
        /* A proxy that has nobody behind it. */
        machine.closing = createServer((socket) => socket.end()).listen(0, "127.0.0.1");
        await once(machine.closing, "listening");
    });
    after(async () => {
        machine.closing.close();
        await machine.plain.stop();
        await machine.stop();
    });

    const refused = { log: /error broker-refused why="Not authorized" remedy="check mqtt\.username, mqtt\.password_file/, ready: /refused the bridge: Not authorized/ };
    const cut = { log: /warn broker-unreachable /, ready: /^broker: the broker at 127\.0\.0\.1 (ended the connection before it let the bridge in|cannot be reached): / };
    const rows = [
        { name: "with a wrong password", way: { secret: "guess" }, ...refused },
        { name: "of an unknown user", way: { user: "bridge9", secret: "guess" }, ...refused },
        { name: "without a certificate", way: { certificate: null }, ...cut },
        { name: "with a certificate of another authority", way: { certificate: of("bridge1", stranger) }, ...cut },
        { name: "with an expired certificate", way: { certificate: of("old-bridge") }, ...cut },
        { name: "with a revoked certificate", way: { certificate: of("gone-bridge") }, ...cut },
        { name: "with a broker's certificate", way: { certificate: of("here") }, ...cut },
        { name: "that speaks no TLS", way: () => ({ broker: `mqtt://${machine.address(8884)}`, ca: null, certificate: null }), ...cut },
        { name: "that speaks TLS to a listener without", way: () => ({ broker: `mqtts://${machine.plain.address(1883)}` }), ...cut },
        { name: "when it closes the connection in the handshake", way: () => ({ broker: `mqtts://127.0.0.1:${machine.closing.address().port}` }),
            log: /warn broker-unreachable .*(TLS handshake|unexpected eof|Connection reset by peer)/, ready: /cannot be reached: .*(it ended|eof|Connection reset)/ },
        { name: "at a port where nobody listens", way: async () => ({ broker: `mqtts://127.0.0.1:${await freePort()}` }), log: /warn broker-unreachable .*why="Connection refused"/, ready: /cannot be reached: Connection refused/ },
    ];
    for (const { name, way, log, ready } of rows)
        test(name, async () => {
            const { program, readyz } = await machine.unready(typeof way === "function" ? await way() : way);
            const line = await program.line(log);
            assert.ok(!line.includes(machine.secrets.bridge1) && !line.includes("guess"), "without the password");
            await until(async () => ready.test(await readyz()), `/readyz says ${ready}`);
            await stopBridge(program);
        });

    test("whose certificate and key do not belong together", async () => {
        const dir = tempDir();
        copyFileSync(authority.path("bridge1", "crt"), `${dir}/pair.crt`);
        copyFileSync(authority.path("here", "key"), `${dir}/pair.key`);
        const { program } = await machine.unready({ certificate: `${dir}/pair.` });
        await program.line(/warn broker-unreachable .*Unable to load client key file/);
        await stopBridge(program);
    });
});

describe("the right ones", () => {
    test("meet, and a call goes through", async () => {
        const machine = await Machine.install("fleet.conf");
        const room = newRoom();
        await machine.add("cam1", "--room", room);
        await machine.start();
        const bridge = await machine.bridge();
        const cam1 = await machine.come(room, "cam1");
        const ann = await WsPeer.join(bridge.wsUrl, { room, peer: "ann" });
        await sees(ann, "cam1");
        await ann.request({ type: "message", to: "cam1", data: 1 });
        await cam1.receive("message", "ann");
        assert.equal(await metric(bridge, "sigbridge_broker_connects_total"), 1);
        assert.match(machine.broker.logs.join("\n"), /New client connected from 127\.0\.0\.1:\d+ as bridge-\S+ \(p5, .*u'bridge1'\)/);
        await machine.stop();
    });

    test("meet by themselves when the broker's certificate becomes right", async () => {
        const machine = await Machine.install("fleet.conf", { certificate: of("expired") });
        await machine.add("bridge1", "--bridge");
        await machine.start();
        const { program, readyz } = await machine.unready();
        await until(async () => /certificate has expired/.test(await readyz()), "/readyz names the reason");
        machine.putCertificate(of("here"));
        await machine.reload();
        await program.line("ready http=");
        await stopBridge(program);
        await machine.stop();
    });

    test("meet by themselves when the bridge's user is added", async () => {
        const machine = await Machine.install("fleet.conf");
        await machine.start();
        const { program } = await machine.unready({ secret: "known before" });
        await program.line("broker-refused");
        await machine.add("bridge1", "--bridge");
        /* The bridge reads its password once: this one is told what the bridge was told. */
        const { code } = await run("mosquitto_passwd", ["-b", machine.path("bridges", "passwd"), "bridge1", "known before"]);
        assert.equal(code, 0);
        await machine.reload();
        await program.line("ready http=");
        await stopBridge(program);
        await machine.stop();
    });

    test("verify each other always: there is no option to switch that off", async () => {
        const { stdout } = await run(process.env.SIGBRIDGE_BIN, ["help", "options"]);
        assert.match(stdout, /mqtt[._]ca/);
        assert.doesNotMatch(stdout, /insecure|no[-_]verify|skip[-_]verify/i);
        for (const flag of ["--mqtt-insecure", "--insecure", "--mqtt-verify=false"])
            assert.equal((await run(process.env.SIGBRIDGE_BIN, ["--dev", flag, "--check-config"])).code, 2, flag);
    });
});
