/* The program from the command line: help, options and their mistakes, `check` over tables, vectors
 * and the corpus, `presence` beside a running bridge. */
import assert from "node:assert/strict";
import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { clientMessagesFor, expectation, loadCorpus, payloadBytes } from "./corpus.mjs";
import { repository, run, startBridge, tempDir, until, WsPeer } from "./harness.mjs";

const bin = process.env.SIGBRIDGE_BIN;
const sigbridge = (args, options) => run(bin, args, options);

function assertOutput(result, { code, stdout, stderr }, name) {
    const fits = (text, wanted, what) => {
        if (wanted instanceof RegExp)
            assert.match(text, wanted, `${name}: ${what}`);
        else
            assert.equal(text, wanted, `${name}: ${what}`);
    };
    fits(result.stdout, stdout ?? "", "standard output");
    fits(result.stderr, stderr ?? "", "standard error");
    assert.equal(result.code, code, `${name}: exit code`);
}

/* ---- help and options ---- */

const example = readFileSync(join(repository, "bridge/config/sigbridge.conf"), "utf8");
const reference = readFileSync(join(repository, "bridge/config/options.md"), "utf8");

const calls = [
    { name: "help", args: ["--help"], code: 0, stdout: /^sigbridge: .*\n\nusage: sigbridge \[run\] \[options\]\n[^]*--listen ADDR:PORT[^]*-h, --help/ },
    { name: "help, short", args: ["-h"], code: 0, stdout: /^sigbridge: / },
    { name: "help as a command", args: ["help"], code: 0, stdout: /^sigbridge: / },
    { name: "help of run", args: ["run", "--help"], code: 0, stdout: /--mqtt-listen ADDR:PORT/ },
    { name: "help of check", args: ["help", "check"], code: 0, stdout: /^sigbridge check: [^]*--lines/ },
    { name: "help of presence", args: ["presence", "--help"], code: 0, stdout: /^sigbridge presence: [^]*--since TIME/ },
    { name: "help with the example file", args: ["help", "file"], code: 0, stdout: example },
    { name: "help with the reference", args: ["help", "options"], code: 0, stdout: reference },
    { name: "help about nothing known", args: ["help", "me"], code: 2, stderr: /^sigbridge: help knows only: file, options, run, presence, check\b.*\n$/ },
    { name: "version", args: ["--version"], code: 0, stdout: /^sigbridge \d+\.\d+\.\d+\n$/ },
    { name: "version wins over a bad variable", args: ["--version"], env: { SIGBRIDGE_LISTEN: "x" }, code: 0, stdout: /^sigbridge / },
    { name: "unknown command", args: ["presense"], code: 2, stderr: 'sigbridge: unknown command "presense": did you mean presence?\n' },
    { name: "command like no other", args: ["dance"], code: 2, stderr: 'sigbridge: unknown command "dance": see sigbridge --help\n' },
    { name: "unknown flag", args: ["--lisen", "x"], code: 2, stderr: 'sigbridge: unknown option "lisen": did you mean --listen?\nsigbridge: unexpected argument "x": see --help\n' },
    { name: "bad value", args: ["run", "--listen=1"], code: 2, stderr: /^sigbridge: --listen: "1" does not begin with an IPv4 address/ },
    { name: "bad variable", args: ["run"], env: { SIGBRIDGE_PREFIX: "a/#" }, code: 2, stderr: /^sigbridge: SIGBRIDGE_PREFIX: "a\/#" holds a wildcard/ },
    { name: "no such file", args: ["-c", "/nowhere/x.conf"], code: 2, stderr: "sigbridge: /nowhere/x.conf: cannot be read: No such file or directory\n" },
    { name: "a directory as the file", args: ["-c", "/"], code: 2, stderr: "sigbridge: /: cannot be read: Is a directory\n" },
    { name: "neither keys nor development mode", args: ["run"], code: 2, stderr: "sigbridge: no key is set that tokens may be signed with, so nobody could join: add --jwt-key ALG:FILE, or --dev for development on this machine\n" },
    { name: "development mode for all the world", args: ["--dev", "--listen", "0.0.0.0:0"], code: 2, stderr: /^sigbridge: --listen: 0\.0\.0\.0:0 can be reached from other machines, .* or add --dev-exposed\n$/ },
    { name: "the same for devices", args: ["--dev", "--mqtt-listen", "[::]:0"], code: 2, stderr: /^sigbridge: --mqtt-listen: \[::\]:0 can be reached from other machines, .* or add --dev-exposed\n$/ },
    { name: "https without a certificate", args: ["--dev", "--listen", "https://127.0.0.1:0"], code: 2, stderr: /^sigbridge: --listen: https:\/\/127\.0\.0\.1:0 needs a certificate: set tls_cert and tls_key/ },
    { name: "a way around the broker's certificate", args: ["--dev", "--mqtt-insecure"], code: 2, stderr: 'sigbridge: unknown option "mqtt-insecure": see --help\n' },
    { name: "data directory that cannot be", args: ["--dev", "--data", "/dev/null/x"], code: 1, stderr: "sigbridge: cannot make the data directory /dev/null/x: Not a directory; name another with --data\n" },
    { name: "nothing to check", args: ["check"], code: 2, stderr: "sigbridge: check needs --kind offer, answer, candidate, message or presence\n" },
    { name: "check without a file", args: ["check", "--kind", "offer"], code: 2, stderr: "sigbridge: check needs a FILE, or - for standard input\n" },
    { name: "check of an unknown kind", args: ["check", "--kind", "ofer", "-"], code: 2, stderr: 'sigbridge: --kind: "ofer" is not known here: did you mean offer?\n' },
    { name: "check of a missing file", args: ["check", "--kind", "offer", "/nowhere"], code: 2, stderr: 'sigbridge: "/nowhere": cannot be read: No such file or directory\n' },
    { name: "presence with a wrong time", args: ["presence", "--since", "tomorrow"], code: 2, stderr: /^sigbridge: --since: "tomorrow" is no time: write 2026-11-21,/ },
    { name: "presence with a wrong limit", args: ["presence", "-n", "-1"], code: 2, stderr: 'sigbridge: --limit: "-1" is no number of rows\n' },
    { name: "presence of no room", args: ["presence", "--room", "a/b"], code: 2, stderr: /^sigbridge: --room: "a\/b" is no name: write 1 to 64 characters/ },
    { name: "presence without a database", args: ["presence", "--data", "/nowhere"], code: 1, stderr: "sigbridge: nothing is recorded yet: there is no /nowhere/sigbridge.db. Start the bridge, or name its data directory with --data\n" },
];

for (const { name, args, env, ...wanted } of calls)
    test(`command line: ${name}`, async () => assertOutput(await sigbridge(args, { env }), wanted, name));

test("--check-config prints what is in force, and that is a file", async () => {
    const dir = tempDir();
    const file = join(dir, "a.conf");
    writeFileSync(file, 'dev = true; listen = "[::1]:0";\nweb = "none";\nlimits: { sessions = 7; };\nice_servers = ( { urls = "turn:t.example.org"; username = "u"; credential = "hunter2"; } );\n', { mode: 0o600 });
    const first = await sigbridge(["-c", file, "--data", join(dir, "data"), "--check-config"], { env: { SIGBRIDGE_PING_INTERVAL: "5" } });
    assert.equal(first.stderr, "");
    assert.equal(first.code, 0);
    for (const line of [`listen = "[::1]:0"; # ${file}:1`, `data = "${dir}/data"; # --data`, 'prefix = "sigbridge/v1"; # default',
        `    sessions = 7; # ${file}:3`, "    interval = 5; # SIGBRIDGE_PING_INTERVAL"])
        assert.ok(first.stdout.split("\n").includes(line), `${line}\nis not in\n${first.stdout}`);
    assert.ok(!first.stdout.includes("hunter2"));

    const again = join(dir, "b.conf");
    writeFileSync(again, first.stdout.replace("# credential is set, and not shown here", 'credential = "hunter2";'), { mode: 0o600 });
    const second = await sigbridge(["-c", again, "--check-config"]);
    assert.equal(second.stderr, "");
    const plain = (text) => text.replace(/(;|\)) # .*$/gm, "$1");
    assert.equal(plain(second.stdout), plain(first.stdout));
});

test("a secret that every user may read: a warning in the log and in what is shown, and never the secret", async () => {
    const dir = tempDir();
    const secret = join(dir, "turn-secret");
    const config = `ice_servers = ( { urls = "turn:t.example.org"; secret_file = "${secret}"; } );\n`;
    const file = join(dir, "a.conf");
    writeFileSync(file, config);
    writeFileSync(secret, "hunter2hunter2hunter2\n");
    chmodSync(secret, 0o644);
    const sentence = `${secret} (ice_servers.secret_file) is open to every user of this machine: chmod o-rwx it`;
    const shown = await sigbridge(["--dev", "-c", file, "--check-config"]);
    assert.equal(shown.code, 0, shown.stderr);
    assert.ok(shown.stdout.startsWith(`# warning: ${sentence}\n`), shown.stdout);
    const bridge = await startBridge({ config, args: ["--log-level", "debug"] });
    assert.ok(bridge.logs.some((line) => line.includes(" config-warning ") && line.includes(sentence)), bridge.tail());
    await bridge.stop();
    assert.ok(!(shown.stdout + bridge.logs.join("\n")).includes("hunter2"));

    chmodSync(secret, 0o640);
    assert.doesNotMatch((await sigbridge(["--dev", "-c", file, "--check-config"])).stdout, /warning/);
});

test("every mistake is said at once", async () => {
    const file = join(tempDir(), "x.conf");
    writeFileSync(file, 'lisen = "x";\nlimits: {\n  mesage = 1;\n};\n');
    const result = await sigbridge(["-c", file, "--check-config", "--log-level", "loud"], { env: { SIGBRIDGE_DTA: "x" } });
    assertOutput(result, {
        code: 2,
        stderr: `sigbridge: ${file}:1: unknown key "lisen": did you mean "listen"?\n`
            + `sigbridge: ${file}:3: unknown key "limits.mesage": did you mean "limits.message"?\n`
            + 'sigbridge: unknown variable "SIGBRIDGE_DTA": did you mean SIGBRIDGE_DATA?\n'
            + 'sigbridge: --log-level: "loud" is not known here: write one of debug, info, warn, error\n',
    }, "mistakes");
});

/* ---- check ---- */

const sdp = [
    "v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "t=0 0",
    "m=application 9 UDP/DTLS/SCTP webrtc-datachannel", "c=IN IP4 0.0.0.0",
    "a=ice-ufrag:abcd", "a=ice-pwd:0123456789012345678901",
    `a=fingerprint:sha-256 ${Array(32).fill("AB").join(":")}`, "a=setup:actpass", "a=mid:0", "a=sctp-port:5000", "",
].join("\r\n");
const answer = sdp.replace("actpass", "active");
const line = "candidate:1 1 udp 2122260223 192.0.2.10 50000 typ host";
const accepted = /^accepted\n$/;

const payloads = [
    { name: "offer as JSON", kind: "offer", input: JSON.stringify({ type: "offer", sdp }), out: accepted },
    { name: "offer as bare SDP", kind: "offer", input: sdp, out: accepted },
    { name: "offer with another member", kind: "offer", input: JSON.stringify({ sdp, type: "offer", x: [1] }), out: accepted },
    { name: "answer as JSON", kind: "answer", input: JSON.stringify({ type: "answer", sdp: answer }), out: accepted },
    { name: "provisional answer", kind: "answer", input: JSON.stringify({ type: "pranswer", sdp: answer }), out: accepted },
    { name: "answer as bare SDP", kind: "answer", input: answer, out: accepted },
    { name: "offer's role in an answer", kind: "answer", input: sdp, out: /^refused: invalid-sdp .*sdp-setup: / },
    { name: "answer for an offer", kind: "offer", input: JSON.stringify({ type: "answer", sdp: answer }), out: "refused: invalid-message message-field: `type` must be the string offer\n" },
    { name: "rollback", kind: "offer", input: '{"type":"rollback","sdp":""}', out: /^refused: invalid-message / },
    { name: "no sdp", kind: "offer", input: '{"type":"offer"}', out: "refused: invalid-message message-field: `sdp` must be a string\n" },
    { name: "SDP without a fingerprint", kind: "offer", input: sdp.replace(/a=fingerprint.*\r\n/, ""), out: /^refused: invalid-sdp line 5 sdp-fingerprint-missing: .+\n$/ },
    { name: "key twice", kind: "offer", input: `{"type":"offer","type":"offer","sdp":${JSON.stringify(sdp)}}`, out: /^refused: invalid-json / },
    { name: "no JSON", kind: "offer", input: '{"type":"offer",', out: /^refused: invalid-json / },
    { name: "nothing", kind: "offer", input: "", out: /^refused: invalid-sdp / },
    { name: "candidate as JSON", kind: "candidate", input: JSON.stringify({ candidate: line, sdpMid: "0" }), out: accepted },
    { name: "candidate as a line", kind: "candidate", input: `${line}\n`, out: accepted },
    { name: "candidate as an SDP line", kind: "candidate", input: `a=${line}`, out: accepted },
    { name: "end of candidates", kind: "candidate", input: " null\n", out: accepted },
    { name: "end of candidates as a string", kind: "candidate", input: '{"candidate":"","sdpMid":"0"}', out: accepted },
    { name: "candidate with a bad port", kind: "candidate", input: line.replace("50000", "70000"), out: /^refused: invalid-candidate candidate-/ },
    { name: "candidates in an array", kind: "candidate", input: `[${JSON.stringify({ candidate: line })}]`, out: /^refused: invalid-candidate / },
    { name: "message", kind: "message", input: JSON.stringify({ type: "offer", to: "cam1", sdp }), out: accepted },
    { name: "message without a receiver", kind: "message", input: JSON.stringify({ type: "offer", sdp }), out: /^refused: invalid-message .*`to`/ },
    { name: "message that is no object", kind: "message", input: "[]", out: /^refused: invalid-json / },
    { name: "message of a device", kind: "message", side: "peer", input: JSON.stringify({ type: "candidates", candidates: [{ candidate: line, sdpMid: "0" }] }), out: accepted },
    { name: "that a client may not send", kind: "message", input: JSON.stringify({ type: "error", code: 400, error: "x", message: "x" }), out: /^refused: invalid-message .*`type`/ },
    { name: "message over the limit", kind: "message", input: JSON.stringify({ type: "message", data: "x".repeat(262144) }), out: /^refused: too-large / },
    { name: "presence", kind: "presence", input: "{}", out: accepted },
    { name: "presence with a wrong ttl", kind: "presence", input: '{"ttl":-1}', out: /^refused: invalid-message / },
];

for (const { name, kind, side, input, out } of payloads)
    test(`check: ${name}`, async () => {
        const args = ["check", "--kind", kind, ...(side ? ["--side", side] : []), "-"];
        assertOutput(await sigbridge(args, { input }), { code: out === accepted ? 0 : 1, stdout: out }, name);
    });

test("check: several files, each named in its verdict", async () => {
    const dir = tempDir();
    const [good, bad] = [join(dir, "good.sdp"), join(dir, "b\u001bad.sdp")];
    writeFileSync(good, sdp);
    writeFileSync(bad, "nonsense");
    const text = await sigbridge(["check", "-k", "offer", good, bad]);
    assert.match(text.stdout, new RegExp(`^${good}: accepted\n"${dir}/b\\\\x1bad.sdp": refused: invalid-sdp line 1 .*\n$`));
    assert.equal(text.code, 1);
    const json = await sigbridge(["check", "--kind=offer", "--json", good, bad]);
    const [first, second] = json.stdout.trim().split("\n").map((one) => JSON.parse(one));
    assert.deepEqual(first, { verdict: "accepted", file: good });
    assert.equal(second.verdict, "refused");
    assert.equal(second.code, 400);
    assert.equal(second.error, "invalid-sdp");
    assert.equal(second.line, 1);
    assert.match(second.rule, /^sdp-/);
    assert.ok(second.message.length > 10);
});

test("check: --lines gives one verdict per line", async () => {
    const input = ['{"type":"ping"}', "nonsense", "", '{"type":"leave"}'].join("\n");
    const { stdout, code } = await sigbridge(["check", "--kind", "message", "--lines", "-"], { input });
    assert.deepEqual(stdout.trimEnd().split("\n").map((one) => one.split(" ")[0]), ["accepted", "refused:", "refused:", "accepted"]);
    assert.equal(code, 1);
});

/* ---- corpus and vectors ---- */

/* The verdicts of many payloads: those of one line go in one call as lines, the others as files. */
async function verdicts(args, payloads) {
    const dir = tempDir();
    const out = new Array(payloads.length);
    const lines = [];
    const files = new Map();
    payloads.forEach((bytes, i) => {
        if (bytes.length > 0 && !bytes.includes("\n"))
            lines.push(i);
        else
            files.set(join(dir, String(i)), i);
    });
    if (lines.length > 0) {
        const input = Buffer.concat(lines.flatMap((i) => [payloads[i], Buffer.from("\n")]));
        const { stdout, stderr } = await sigbridge(["check", ...args, "--json", "--lines", "-"], { input, timeout: 120_000 });
        assert.equal(stderr, "");
        const found = stdout.trimEnd().split("\n").map((one) => JSON.parse(one));
        assert.equal(found.length, lines.length);
        lines.forEach((i, k) => { out[i] = found[k]; });
    }
    if (files.size > 0) {
        for (const [file, i] of files)
            writeFileSync(file, payloads[i]);
        /* The first one twice, so that there always are two and each verdict names its file. */
        const { stdout, stderr } = await sigbridge(["check", ...args, "--json", ...files.keys(), [...files.keys()][0]], { timeout: 120_000 });
        assert.equal(stderr, "");
        for (const one of stdout.trimEnd().split("\n").map((text) => JSON.parse(text)))
            out[files.get(one.file)] = one;
    }
    return out;
}

const corpus = loadCorpus();

function assertVerdict(name, wanted, got, why) {
    if (got.verdict === "refused")
        assert.ok(got.error && got.message, `${name}: a refusal says why`);
    if (wanted !== "either")
        assert.equal(got.verdict, wanted === "accept" ? "accepted" : "refused", `${name} (${why}): ${JSON.stringify(got)}`);
}

for (const kind of ["offer", "answer", "candidate"])
    test(`corpus: every ${kind} gets its verdict`, async () => {
        const entries = corpus.filter((entry) => entry.kind === kind);
        assert.ok(entries.length > 400, "the corpus is there");
        const got = await verdicts(["--kind", kind], entries.map(payloadBytes));
        entries.forEach((entry, i) => assertVerdict(entry.name, entry.expect, got[i], entry.why));
    });

test("corpus: every entry gets its verdict as the message of a client", async () => {
    const wrapped = corpus.flatMap((entry) => clientMessagesFor(entry).messages.map((bytes) => ({ entry, bytes })));
    const got = await verdicts(["--kind", "message"], wrapped.map(({ bytes }) => bytes));
    const worst = new Map(); /* of an entry's messages: one refusal refuses the entry */
    wrapped.forEach(({ entry }, i) => {
        if (!worst.has(entry) || got[i].verdict === "refused")
            worst.set(entry, got[i]);
    });
    /* What the subprotocol says is not in the messages; the bridge itself looks at it. */
    const elsewhere = (entry) => entry.kind === "envelope" && !clientMessagesFor(entry).protocols.includes("sigbridge.v1");
    assert.deepEqual(corpus.filter((entry) => elsewhere(entry) && entry.expect !== "either").map(({ name }) => name), ["bad-env-type-v-int-1"]);
    for (const [entry, verdict] of worst)
        if (!elsewhere(entry))
            assertVerdict(entry.name, expectation(entry).verdict, verdict, expectation(entry).why);
});

for (const [file, directions] of [["messages.jsonl", ["client", "device", "presence"]], ["beyond-schema.jsonl", ["client"]]])
    for (const direction of directions)
        test(`schema vectors: the C validator agrees about ${direction} in ${file}`, async () => {
            const vectors = readFileSync(join(repository, "clients/schema/vectors", file), "utf8").trim().split("\n")
                .map((text) => JSON.parse(text)).filter((vector) => vector.direction === direction);
            assert.ok(vectors.length > 20);
            for (const side of new Set(vectors.map((vector) => vector.side))) {
                const some = vectors.filter((vector) => vector.side === side);
                const args = direction === "presence" ? ["--kind", "presence"] : ["--kind", "message", "--side", side ?? "client"];
                const got = await verdicts(args, some.map(({ message }) => Buffer.from(JSON.stringify(message))));
                some.forEach(({ name, valid, why }, i) => assertVerdict(name, valid ? "accept" : "reject", got[i], why));
            }
        });

/* ---- beside a running bridge ---- */

test("one running bridge per data directory", async () => {
    const bridge = await startBridge();
    const second = await sigbridge(["--dev", "--listen", "127.0.0.1:0", "--mqtt-listen", "127.0.0.1:0", "--data", bridge.data]);
    assertOutput(second, {
        code: 1,
        stderr: `sigbridge: another bridge runs with the data directory ${bridge.data}; end it, or give this one its own with --data\n`,
    }, "second bridge");
    await bridge.stop();
});

test("a bridge keeps its name over a restart", async () => {
    const first = await startBridge();
    await first.stop();
    const second = await startBridge({ data: first.data });
    assert.match(first.ready.bridge, /^bridge-[a-z0-9]{8}$/);
    assert.equal(second.ready.bridge, first.ready.bridge);
    await second.stop();
});

test("presence: who is there, and history, while the bridge runs", async () => {
    const bridge = await startBridge({ env: { TZ: "UTC" } });
    const presence = async (...args) => {
        const result = await sigbridge(["presence", "--data", bridge.data, ...args], { env: { TZ: "UTC" } });
        assert.equal(result.stderr, "");
        assert.equal(result.code, 0);
        return result.stdout;
    };
    const rows = async (...args) => (await presence("--json", ...args)).split("\n").filter(Boolean).map((text) => JSON.parse(text));
    assert.equal(await presence(), "Nobody is present.\n");
    const before = Date.now();
    const ann = await WsPeer.join(bridge.wsUrl, { room: "lobby", peer: "ann", meta: { name: "Ann\u001b[31m" } });
    const bob = await WsPeer.join(bridge.wsUrl, { room: "hall", peer: "bob" });
    const present = await until(async () => {
        const found = await rows();
        return found.length === 2 && found;
    }, "both are recorded");
    assert.deepEqual(present.map(({ room, peer }) => [room, peer]), [["hall", "bob"], ["lobby", "ann"]]);
    assert.deepEqual(present[1].meta, { name: "Ann\u001b[31m" });
    assert.equal(present[1].bridge, bridge.ready.bridge);
    assert.ok(present[1].joined >= before - 1000 && present[1].joined <= Date.now() + 1000);
    assert.deepEqual((await rows("--room", "lobby")).map(({ peer }) => peer), ["ann"]);
    assert.deepEqual((await rows("--peer", "bob")).map(({ peer }) => peer), ["bob"]);
    assert.equal((await rows("--limit", "1")).length, 1);

    const table = (await presence()).trimEnd().split("\n");
    assert.match(table[0], /^ROOM +PEER +KIND +OVER +BRIDGE +SINCE +FOR$/);
    assert.match(table[1], /^hall +bob +browser +ws +bridge-\w+ +\d{4}-\d\d-\d\d \d\d:\d\d:\d\d +\d+s$/);
    assert.equal(table[1].indexOf("bob"), table[0].indexOf("PEER"));

    await bob.close();
    await until(async () => (await rows()).length === 1, "bob has left");
    const history = await rows("--history");
    assert.deepEqual(history.map(({ peer }) => peer).sort(), ["ann", "bob"]);
    const gone = history.find(({ peer }) => peer === "bob");
    assert.ok(gone.left >= gone.joined && gone.reason);
    assert.deepEqual(await rows("--since", "1h", "--peer", "bob"), [gone]);
    assert.deepEqual(await rows("--since", String(gone.left + 3_600_000), "--peer", "bob"), []);
    assert.match(await presence("--history"), /^ROOM +PEER +KIND +OVER +JOINED +LEFT +FOR +REASON\n/);
    await ann.close();
    await bridge.stop();
});
