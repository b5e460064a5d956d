/* The two commands of the README: what they say to wrong calls, and quickstart from its first line to
 * Ctrl-C. It builds into build-tests/quickstart, which takes a while the first time. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { deadline, Program, repository, run, tempDir, WsPeer } from "./harness.mjs";

const BUILD_MS = 600_000;
const quickstart = join(repository, "bridge/quickstart");
const tests = join(repository, "tests/run");

const calls = [
    { name: "help of quickstart", args: [quickstart, "--help"], code: 0, stdout: /^usage: sh bridge\/quickstart \[options\]\n/ },
    { name: "unknown option", args: [quickstart, "--turbo"], code: 1, stderr: /^quickstart: unknown option --turbo; see --help\n$/ },
    { name: "option without its value", args: [quickstart, "--listen"], code: 1, stderr: /^quickstart: --listen needs a value; see --help\n$/ },
    { name: "help of the tests", args: [tests, "--help"], code: 0, stdout: /^usage: sh tests\/run \[part\.\.\.\]\n/ },
    { name: "unknown part", args: [tests, "units"], code: 1, stderr: /^run: unknown part units: it must be one of format unit / },
];

for (const { name, args, code, stdout = /^$/, stderr = /^$/ } of calls)
    test(`commands: ${name}`, async () => {
        const result = await run("sh", args);
        assert.match(result.stdout, stdout);
        assert.match(result.stderr, stderr);
        assert.equal(result.code, code);
    });

test("quickstart: from a checkout to a page and a camera, and a clean end", async () => {
    const data = tempDir();
    const build = join(repository, "build-tests/quickstart");
    const program = new Program("sh", [quickstart, "--no-install", "--build-dir", build, "--data", data, "--listen", "127.0.0.1:0"]);
    const [, url] = /Open (http:\S+) in a browser/.exec(await program.line("in a browser", BUILD_MS));
    const [, pid] = /pid=(\d+)/.exec(await program.line("ready http="));
    await program.line('The camera "cam1" waits in the room "lobby".');

    const page = await fetch(url);
    assert.equal(page.status, 200);
    assert.match(await page.text(), /<!doctype html>/i);
    const viewer = await WsPeer.join(`${url.replace("http", "ws")}ws`, { room: "lobby" });
    if (!viewer.joined.peers.some(({ peer }) => peer === "cam1"))
        await viewer.expect((message) => message.joined?.some(({ peer }) => peer === "cam1"));

    program.kill("SIGINT");
    const { code } = await deadline(program.exited, () => `the end\n${program.tail()}`);
    assert.equal(code, 0, program.tail());
    assert.equal((await viewer.closed).code, 1012);
    assert.throws(() => process.kill(Number(pid), 0), { code: "ESRCH" });
    /* The camera has said goodbye while there was a bridge to record it. */
    const left = await run(join(build, "sigbridge"), ["presence", "--data", data, "--history", "--peer", "cam1", "--json"]);
    assert.equal(JSON.parse(left.stdout).reason, "gone", left.stdout);
});
