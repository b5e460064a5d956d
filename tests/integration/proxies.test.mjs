/* Three bridges on one mosquitto behind nginx and behind HAProxy, from the files in broker-config/. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { get as httpGet } from "node:http";
import { request } from "node:https";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { deadline, run, tempDir, until, WsPeer } from "./harness.mjs";
import { makeKey } from "./jwt.mjs";
import { authority } from "./machine.mjs";
import { startProxy } from "./proxies.mjs";
import { codeBlock } from "./readme.mjs";
import { answerSdp, candidate, Line, metric, newRoom, sdp, sees, World } from "./world.mjs";

const EACH = 4; /* sockets of one address */

/* One request by the proxy: {status, headers, text}. */
const ask = (proxy, path, headers = {}) => deadline(new Promise((resolve, reject) => {
    const asked = request(new URL(path, proxy.url), { ca: [readFileSync(authority.crt)], headers, agent: false }, (answer) => {
        let text = "";
        answer.setEncoding("utf8").on("data", (more) => (text += more)).on("end", () => resolve({ status: answer.statusCode, headers: answer.headers, text }));
    });
    asked.on("error", reject).end();
}), path);

test("the README's configuration of a bridge behind a proxy is one that it takes", async () => {
    const dir = tempDir("bridge");
    writeFileSync(join(dir, "sigbridge.conf"), codeBlock("broker-config/README.md", "conf", "trusted_proxy"));
    const { code, stdout, stderr } = await run(process.env.SIGBRIDGE_BIN, ["-c", join(dir, "sigbridge.conf"), "--data", dir, "--jwt-key", makeKey("HS256").option, "--check-config"]);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /10\.0\.0\.2/);
});

for (const kind of ["nginx", "haproxy"])
    describe(`three bridges behind ${kind}`, () => {
        const key = makeKey("HS256");
        const admin = key.token({ can: ["admin"] });
        const token = key.token({ rooms: ["*"] });
        const world = new World();
        let proxy, bridges, line, addresses = 10;
        const start = (name, more) => world.addBridge({
            dev: false, args: ["--bridge-id", name, "--trusted-proxy", "127.0.0.1", "--jwt-key", key.option],
            config: `limits: { address_sessions = ${EACH}; };\n`, ...more }).then((bridge) => Object.assign(bridge, { admin }));
        /* Each client has an address of its own, as behind a proxy in the world. */
        const from = () => ({ localAddress: `127.0.2.${++addresses}` });
        const enter = (fields, more) => world.join({ token, ...fields }, { bridge: proxy, ...proxy.options(from()), ...more });
        const connect = (more) => world.connect({ bridge: proxy, ...proxy.options(from()), ...more });
        const sessions = (bridge) => metric(bridge, "sigbridge_sessions");
        const accepted = (bridge) => metric(bridge, "sigbridge_websockets_accepted_total");

        before(async () => {
            world.broker = await world.addBroker();
            bridges = [];
            for (const name of ["one", "two"])
                bridges.push(await start(name));
            line = await Line.start(world.broker.port);
            bridges.push(await start("three", { broker: line.url }));
            proxy = await startProxy(kind, bridges);
        });
        after(async () => {
            await world.end();
            await proxy?.stop();
        });

        test("a browser reaches a device and a browser on another bridge", async () => {
            const room = newRoom();
            const cam = await world.device({ room, name: "cam" });
            const ann = await enter({ room, peer: "ann" });
            await sees(ann, "cam");
            await ann.request({ type: "offer", to: "cam", sdp: sdp() });
            await cam.receive("offer", "ann");
            await cam.send("ann", { type: "answer", sdp: answerSdp() });
            assert.equal((await ann.expect("answer")).sdp, answerSdp());
            await ann.request({ type: "candidate", to: "cam", candidate: candidate() });
            await cam.receive("candidate", "ann");
            const others = await Promise.all(["bob", "eve"].map((peer) => enter({ room, peer })));
            assert.deepEqual(await Promise.all(bridges.map(sessions)), [1, 1, 1], "each bridge has one of the three");
            for (const peer of others) {
                await sees(ann, peer.name);
                await ann.request({ type: "message", to: peer.name, data: peer.name });
                assert.equal((await peer.expect("message")).data, peer.name);
            }
            const big = "x".repeat(60_000);
            await ann.request({ type: "message", to: "bob", data: big });
            assert.equal((await others[0].expect((m) => m.data === big)).from, "ann");
            for (const peer of [ann, ...others])
                await peer.close();
        });

        test("the address that counts is the browser's, whatever it says of itself", async () => {
            const address = from();
            const inside = [];
            const lie = () => ({ headers: { "X-Forwarded-For": `192.0.2.${inside.length}`, Forwarded: `for=192.0.2.${inside.length}` } });
            await assert.rejects(async () => {
                for (;;)
                    inside.push(await connect({ ...address, ...lie() }));
            }, /429/);
            assert.ok(inside.length >= EACH && inside.length <= EACH * bridges.length, `${inside.length}`);
            const refused = await Promise.all(bridges.map((b) => metric(b, 'sigbridge_connections_refused_total{reason="address"}')));
            assert.equal(refused.reduce((a, b) => a + b), 1);
            const other = await connect({ ...from(), ...lie() });
            await other.close();
            for (const peer of inside)
                await peer.close();
        });

        test("a page of the bridges' own origin may connect, others may not; http is sent to https", async () => {
            const origin = `https://127.0.0.1:${proxy.ports.tls}`;
            const own = await connect({ origin });
            await own.close();
            await assert.rejects(WsPeer.connect(proxy.wsUrl, proxy.options({ ...from(), origin: "https://elsewhere.example" })), /403/);
            await assert.rejects(WsPeer.connect(proxy.wsUrl, proxy.options({ ...from(), origin: origin.replace("https", "http") })), /403/);
            const moved = await deadline(new Promise((resolve, reject) =>
                httpGet({ host: "127.0.0.1", port: proxy.ports.plain, path: "/x?y=z", headers: { host: "signal.example.org" }, agent: false }, resolve).on("error", reject)), "an answer");
            moved.resume();
            assert.deepEqual([moved.statusCode, moved.headers.location], [301, "https://signal.example.org/x?y=z"]);
        });

        test("pages come through, one request on each connection to a bridge; a token in the query is not logged", async () => {
            for (let i = 0; i < 6; i++)
                assert.equal((await ask(proxy, "/healthz")).text, "ok\n");
            assert.equal((await ask(proxy, "/readyz?token=secret-word")).status, 200);
            await assert.rejects(WsPeer.connect(`${proxy.wsUrl}?token=secret-word`, proxy.options({ ...from(), origin: "https://elsewhere.example" })), /403/);
            const logged = kind === "nginx" ? () => readFileSync(`${proxy.dir}/sigbridge.log`, "utf8") : () => proxy.logs.join("\n");
            await until(() => /GET \/readyz 200/.test(logged()), "the log has it");
            const all = kind === "nginx" ? logged() + readFileSync(`${proxy.dir}/sigbridge-error.log`, "utf8") + proxy.logs.join("\n") : logged();
            assert.ok(!all.includes("secret-word"));
        });

        test("the devices' and bridges' own things stay what they are: metrics need a right", async () => {
            assert.equal((await ask(proxy, "/metrics")).status, 401);
        });

        test("a bridge is killed: new sockets go to the others at once, and back when it is back", async () => {
            const [one] = bridges;
            await world.kill(one);
            const inside = [];
            for (let i = 0; i < 6; i++)
                inside.push(await enter({ room: newRoom() }));
            const per = await Promise.all(bridges.slice(1).map(sessions));
            assert.equal(per[0] + per[1], 6);
            for (const peer of inside)
                await peer.close();
            bridges[0] = await start("one", { data: one.data, listen: one.http });
            await until(async () => {
                const peer = await connect();
                const there = await accepted(bridges[0]) > 0;
                await peer.close();
                return there;
            }, "the one that is back gets a socket");
            /* Not one now and then, but its share. */
            const all = [];
            while (all.length < 6)
                all.push(await enter({ room: newRoom() }));
            assert.deepEqual(await Promise.all(bridges.map(sessions)), [2, 2, 2]);
            for (const peer of all)
                await peer.close();
        });

        if (kind === "haproxy")
            test("a bridge that has lost its broker keeps its sockets and gets no new ones", async () => {
                const all = [];
                while (all.length < 3)
                    all.push(await enter({ room: newRoom() }));
                line.cut();
                await world.ready(bridges[2], 503);
                await proxy.line(/bridges\/bridge3 is DOWN/);
                const late = [];
                while (late.length < 4)
                    late.push(await enter({ room: newRoom() }));
                assert.equal(await sessions(bridges[2]), 1);
                for (const peer of [...all, ...late])
                    await peer.ask({ type: "ping" }, "pong");
                line.restore();
                await proxy.line(/bridges\/bridge3 is UP/);
                for (const peer of [...all, ...late])
                    await peer.close();
            });

        test("a silent socket stays as long as the bridge pings it, and no longer", async () => {
            const short = { edit: (text) => text.replaceAll("60s", "5s") };
            const quick = await Promise.all(["q1", "q2", "q3"].map((name) => start(name, { env: { SIGBRIDGE_PING_INTERVAL: "1", SIGBRIDGE_PING_TIMEOUT: "10" } })));
            const pinged = await startProxy(kind, quick, short);
            const stays = await world.connect({ bridge: pinged, ...pinged.options(from()) });
            await stays.ask({ type: "join", room: newRoom(), token }, "joined");
            await deadline(new Promise((resolve) => {
                let pings = 0;
                stays.socket.on("ping", () => ++pings === 7 && resolve());
            }), "seven pings");
            await stays.ask({ type: "ping" }, "pong");
            await stays.close();
            const unpinged = await startProxy(kind, bridges, short);
            const goes = await world.connect({ bridge: unpinged, ...unpinged.options(from()) });
            await goes.ask({ type: "join", room: newRoom(), token }, "joined");
            assert.equal((await deadline(goes.closed, "the proxy's patience")).code, 1006);
            for (const one of [pinged, unpinged])
                await one.stop();
            for (const bridge of quick) {
                await world.stop(bridge);
                world.bridges = world.bridges.filter((b) => b !== bridge);
            }
        });

        test("a bridge that goes down gets no new sockets, and tells its own where to go", async () => {
            const room = newRoom();
            const all = [];
            while (all.length < 6)
                all.push(await enter({ room }));
            const [, two] = bridges;
            assert.equal(await sessions(two), 2);
            two.kill("SIGTERM");
            await two.line(/ draining /);
            const late = [];
            for (let i = 0; i < 6; i++)
                late.push(await enter({ room: newRoom() }));
            const told = () => all.filter((peer) => peer.received.some((m) => m.type === "closing"));
            await until(() => told().length === 2, "both of its sockets are told");
            for (const peer of told())
                assert.equal((await deadline(peer.closed, "its close")).code, 1012);
            for (const peer of late)
                await peer.ask({ type: "ping" }, "pong");
            await two.exited;
            for (const peer of [...all, ...late])
                peer.socket.terminate();
            world.bridges = world.bridges.filter((b) => b !== two);
            bridges[1] = await start("two", { data: two.data, listen: two.http });
        });
    });
