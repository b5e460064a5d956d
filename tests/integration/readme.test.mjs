/* What the README says, run. The quick start is run by quickstart.test.mjs, the page by tests/browser. */
import assert from "node:assert/strict";
import { existsSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { Program, WsPeer, deadline, endAll, parseReady, repository, run, startBridge, tempDir, until } from "./harness.mjs";
import { codeBlock, readText } from "./readme.mjs";

const program = process.env.SIGBRIDGE_BIN;
let bridge;
let ann;

before(async () => {
    bridge = await startBridge();
    ann = await WsPeer.join(bridge.wsUrl, { room: "lobby", peer: "ann" });
});
after(async () => {
    ann?.socket.close();
    if (bridge)
        await endAll(bridge);
});

test("a device of nothing but command line tools", async () => {
    const port = bridge.mqtt.split(":").pop();
    const script = codeBlock("README.md", "sh", "mosquitto_pub").replace("port=1883", `port=${port}`);
    const device = new Program("sh", ["-c", `trap 'kill $!' TERM\n${script}\nwait`]);
    try {
        const said = await ann.expect("message");
        assert.deepEqual([said.from, said.data], ["door", "somebody rang"]);
        const presence = ann.received.find((m) => m.type === "presence" && m.joined?.[0].peer === "door");
        assert.deepEqual(presence.joined[0].meta, { name: "Front door" });
        assert.ok(ann.received.indexOf(presence) < ann.received.indexOf(said));
        /* mosquitto_sub runs beside the rest of the script and may be behind it. */
        await until(() => ann.request({ type: "message", to: "door", data: "coming" }).catch((error) => {
            assert.match(error.message, /nobody listens/);
            return false;
        }), "an answer at the door");
        await device.line(/\/peers\/door\/in\/ann \{"type":"message","data":"coming"/);
    } finally {
        device.kill("SIGTERM"); // the shell, which ends mosquitto_sub
        await device.exited;
    }
});

test("only who belongs is let in", async () => {
    const dir = tempDir("site");
    const path = `${dirname(program)}:${process.env.PATH}`;
    const lines = codeBlock("README.md", "sh", "--new-key").trim().split("\n");
    const start = lines.pop();
    const prepared = await run("sh", ["-ec", lines.join("\n")], { cwd: dir, env: { PATH: path } });
    assert.equal(prepared.code, 0, prepared.stderr);
    const password = /^password: (\S+)$/m.exec(prepared.stdout)[1];
    const words = start.split(" ").slice(1);
    const site = new Program(program, [...words, "--listen", "127.0.0.1:0", "--mqtt-listen", "127.0.0.1:0"], { cwd: dir });
    const { http, mqtt } = parseReady(await site.line(/ ready http=/));
    const made = await run("sh", ["-ec", codeBlock("README.md", "sh", "--ttl")], { cwd: dir, env: { PATH: path } });
    assert.equal(made.code, 0, made.stderr);
    const peer = await WsPeer.join(`ws://${http}/ws`, { room: "lobby", peer: "ann", token: made.stdout.trim() });
    const port = mqtt.split(":").pop();
    const publish = (...rest) => run("mosquitto_pub", ["-p", port, "-q", "1", "-V", "5",
        "-t", "sigbridge/v1/rooms/lobby/peers/ann/in/door", "-m", '{"type":"message","data":"rang"}', ...rest]);
    await publish(); /* nobody in particular */
    await publish("-u", "door", "-P", `${password}x`);
    assert.equal((await publish("-u", "door", "-P", password)).code, 0);
    assert.deepEqual((await peer.expect("message")).from, "door");
    assert.equal(peer.received.filter((m) => m.type === "message").length, 1);
    await assert.rejects(WsPeer.join(`ws://${http}/ws`, { room: "lobby", peer: "bob" }), /4401|unauthorized/);
    peer.socket.close();
    await endAll(site);
});

test("the commands of the table", async (t) => {
    const config = join(tempDir(), "sigbridge.conf");
    const sdp = join(tempDir(), "offer.sdp");
    const rows = [
        ["--help", 0],
        ["help options", 0],
        [`presence --data ${bridge.data}`, 0],
        [`presence --history --room lobby --since 2h --data ${bridge.data}`, 0],
        [`check --kind offer ${sdp}`, 1],
    ];
    writeFileSync(sdp, "v=0\r\n");
    const example = await run(program, ["help", "file"]);
    writeFileSync(config, example.stdout.replace(/^# (jwt_key = )/m, "$1")); /* the least to edit */
    rows.push([`-c ${config} --check-config`, 0]);
    for (const [words, code] of rows)
        await t.test(words.replace(/\/\S*\//g, ""), async () => {
            const done = await run(program, words.split(" "));
            assert.equal(done.code, code, done.stderr);
        });
    for (const path of ["/healthz", "/readyz", "/metrics"])
        await t.test(`GET ${path}`, async () => {
            const answer = await deadline(fetch(`${bridge.url.replace(/\/$/, "")}${path}`), path);
            assert.equal(answer.status, 200);
            await answer.text();
        });
});

test("the reference of options is what the program prints", async () => {
    const { stdout } = await run(program, ["help", "options"]);
    assert.equal(stdout, readText("bridge/config/options.md"));
});

/* Every link to a file of the project leads somewhere, in every document. */
test("links", async (t) => {
    const { stdout } = await run("git", ["-C", repository, "ls-files", "*.md"]);
    for (const file of stdout.trim().split("\n"))
        await t.test(file, () => {
            for (const [, link] of readText(file).matchAll(/\]\((?![a-z]+:|#)([^)#]+)[^)]*\)/g))
                assert.ok(existsSync(join(repository, dirname(file), link)), `${link} is not there`);
        });
});
