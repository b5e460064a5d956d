/* The camera against a real broker, watched by real Chromium. No bridge takes part: the viewer is an
 * MQTT peer like the camera itself. Media and ICE stay on the loopback interface. */
import assert from "node:assert/strict";
import { createHash, createHmac } from "node:crypto";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { Chrome, MqttPeer } from "./camera_viewer.mjs";
import { endAll, run, startCamera, startMosquitto, tempDir, until } from "./harness.mjs";
import { Wire } from "./wire.mjs";

const SLOW_MS = 45_000; /* for what takes the camera 30 s */
const TOLERANCE = 60; /* of 255: colour subsampling, limited range and lossy coding */

let broker;
let chrome;
let number = 0;

before(async () => {
    broker = await startMosquitto();
    chrome = await Chrome.start();
});
after(async () => {
    await chrome?.close();
    if (broker)
        await endAll(broker);
});

/* A camera at the broker `at`, and a peer in its room at the one `behind` it, both with names that no
 * other test uses. At the end of the test the camera must end well. */
async function world(t, { args = [], viewer = "viewer", at = broker, behind = at, env } = {}) {
    const room = `room${++number}`;
    const name = `cam${number}`;
    const peer = await MqttPeer.join(behind.mqtt, room, viewer);
    const camera = startCamera({ mqtt: at.mqtt, room, name, args: ["--address", "127.0.0.1", ...args], env });
    t.after(async () => {
        await peer.close();
        await endAll(camera);
    });
    await peer.present(name);
    return { room, name, peer, camera, watch: (options) => chrome.watch(peer, name, options) };
}

const near = (a, b) => a.every((v, i) => Math.abs(v - b[i]) <= TOLERANCE);

/* ---- the command line ---- */

const bin = process.env.SIGBRIDGE_CAMERA_BIN;

describe("command line", () => {
    const rows = [
        { name: "help", args: ["--help"], code: 0, stdout: /^usage: sigbridge-camera/ },
        { name: "version", args: ["--version"], code: 0, stdout: /^sigbridge-camera \d+\.\d+\.\d+\n$/ },
        { name: "unknown option", args: ["--colour", "red"], code: 2, stderr: /--colour: no such option; see --help/ },
        { name: "bad size", args: ["--size", "big"], code: 2, stderr: /--size: give WIDTHxHEIGHT/ },
        { name: "bad room", args: ["--room", "a/b"], code: 2, stderr: /--room: give 1 to 64/ },
        { name: "bad prefix", args: ["--prefix", "a/#"], code: 1, stderr: /--prefix: / },
        { name: "no such CA", args: ["--broker", "mqtts://h", "--ca-file", "/no/such/ca"], code: 1, stderr: /--ca-file: / },
        { name: "no such file", args: ["--source", "file:/no/such/clip.webm"], code: 1, stderr: /--source: cannot read \/no\/such\/clip.webm: No such file/ },
        { name: "no such device", args: ["--source", "v4l2:/dev/no-such-video"], code: 1, stderr: /--source: cannot read \/dev\/no-such-video/ },
        { name: "no password file", args: ["--user", "u", "--password-file", "/no/such/file"], code: 1, stderr: /--password-file: .*\/no\/such\/file/ },
    ];
    for (const { name, args, code, stdout, stderr } of rows)
        test(name, async () => {
            const result = await run(bin, args);
            assert.equal(result.code, code, result.stderr);
            assert.match(result.stdout, stdout ?? /^$/);
            assert.match(result.stderr, stderr ?? /^$/);
        });
});

test("presence says what it is, and the ready line where", async (t) => {
    const { room, name, peer, camera } = await world(t, { args: ["--size", "320x240", "--fps", "15", "--pattern", "ball"] });
    const presence = peer.presence.get(name);
    assert.equal(presence.kind, "device");
    assert.deepEqual(presence.meta, {
        name, model: "sigbridge-camera",
        streams: [{ kind: "video", codecs: ["VP8", "H264"], width: 320, height: 240, fps: 15 }],
    });
    const line = await camera.line(" ready ");
    assert.match(line, new RegExp(`ready room=${room} name=${name} source=test$`));
});

test("a broker that needs a password", async (t) => {
    const dir = tempDir();
    const passwords = join(dir, "passwords");
    const made = await run("mosquitto_passwd", ["-b", "-c", passwords, "camX", "secret"]);
    assert.equal(made.code, 0, made.stderr);
    const own = await startMosquitto({ config: `password_file ${passwords}`, dir });
    const file = join(dir, "secret");
    writeFileSync(file, "secret\n");
    const camera = startCamera({ mqtt: own.mqtt, args: ["--user", "camX", "--password-file", file] });
    t.after(() => endAll(camera, own));
    await camera.line(" ready ");
    assert.ok(!camera.logs.some((line) => line.includes("secret")));
});

/* ---- watching ---- */

const BARS = [[255, 255, 255], [255, 255, 0], [0, 255, 255], [0, 255, 0], [255, 0, 255], [255, 0, 0], [0, 0, 255]];

for (const codec of ["VP8", "H264"])
    for (const invite of [false, true])
        test(`${codec}, ${invite ? "the camera offers" : "the viewer offers"}`, async (t) => {
            const { camera, watch } = await world(t, { args: ["--codec", codec] });
            const watching = await watch({ invite });
            const look = await watching.playing(10);
            assert.deepEqual([look.width, look.height], [640, 360]);
            const { video } = await watching.stats();
            assert.equal(video.codec, `video/${codec}`);
            assert.ok(video.keys >= 1);
            for (const [i, colour] of BARS.entries()) {
                const seen = await watching.pixel((i + 0.5) / BARS.length - 0.01, 0.3);
                assert.ok(near(seen, colour), `bar ${i}: ${seen} instead of ${colour}`);
            }
            assert.equal(watching.received[0].type, invite ? "offer" : "answer");
            for (const [, name] of watching.received[0].sdp.matchAll(/cname:(.*)/g))
                assert.match(name, /^[0-9a-z]{19}$/, "a name that tells neither user nor machine");
            assert.ok(watching.received.some((m) => m.type === "candidate" && m.candidate === null), "end of candidates");
            await camera.line(`viewer-connected viewer=viewer call="" codec=${codec}`);
            await watching.close();
            await camera.line("viewer-gone viewer=viewer call=\"\" reason=bye");
        });

test("only what the viewer takes, under its own payload types", async (t) => {
    const { watch } = await world(t);
    for (const codec of ["H264", "VP8"]) {
        const watching = await watch({ call: codec, codec });
        await watching.playing(5);
        const { video } = await watching.stats();
        assert.equal(video.codec, `video/${codec}`);
        const offered = watching.told.find((m) => m.type === "offer").sdp;
        assert.match(offered, new RegExp(`a=rtpmap:${video.payload} ${codec}/90000`));
        if (codec === "H264")
            assert.match(offered, new RegExp(`a=fmtp:${video.payload} .*packetization-mode=1`));
        await watching.close();
    }
});

test("sound, when it is on", async (t) => {
    const { watch, peer, name } = await world(t, { args: ["--audio", "on"] });
    assert.deepEqual(peer.presence.get(name).meta.streams[1], { kind: "audio", codecs: ["opus"] });
    for (const invite of [false, true]) {
        const watching = await watch({ call: `${invite}`, invite, audio: true });
        await watching.playing(5);
        await until(async () => (await watching.stats()).audio?.packets >= 20, "sound");
        assert.equal((await watching.stats()).audio.codec, "audio/opus");
        /* Sender reports of both: a browser plays sound and picture together by them. */
        await until(async () => {
            const { audio, video } = await watching.stats();
            return audio.reports > 0 && video.reports > 0;
        }, "sender reports");
        await watching.close();
    }
});

test("sections that the camera does not serve are rejected in place", async (t) => {
    const { watch } = await world(t);
    const watching = await watch({ extra: "data-first", audio: true });
    await watching.playing(5);
    const { sdp } = watching.received.find((m) => m.type === "answer");
    const ports = [...sdp.matchAll(/^m=(\w+) (\d+) /gm)].map(([, kind, port]) => [kind, port !== "0"]);
    const offered = [...watching.told.find((m) => m.type === "offer").sdp.matchAll(/^m=(\w+) /gm)].map(([, kind]) => kind);
    assert.deepEqual(ports, offered.map((kind) => [kind, kind === "video"]));
    await watching.close();
});

test("candidates may come before the offer", async (t) => {
    const { watch } = await world(t);
    const watching = await watch({ candidatesFirst: true });
    assert.equal(watching.told.at(-1).type, "offer");
    await watching.playing(5);
    await watching.close();
});

test("a viewer that hides its addresses behind mDNS names", async (t) => {
    const { watch, camera } = await world(t, { args: ["--log-level", "debug"] });
    for (const invite of [false, true]) {
        const watching = await watch({ call: `${invite}`, invite, hidden: true });
        /* One more than Chromium has: where there is only loopback it tells none. */
        await watching.tell({ type: "candidate", candidate: {
            candidate: "candidate:9 1 udp 2122260223 192.0.2.1 40000 typ host", sdpMid: invite ? "video0" : "0", sdpMLineIndex: 0,
        } });
        /* Somewhere: Chromium's own may come in between. */
        assert.ok(watching.told.some((m) => / [-0-9a-f]{36}\.local 40000 /.test(m.candidate?.candidate)));
        await watching.playing(5);
        await watching.close();
    }
    await camera.line("candidate-ignored why=mdns");
});

test("a request for a key frame reaches the encoder", async (t) => {
    const { watch } = await world(t);
    const watching = await watch();
    await watching.playing(10);
    const { keys } = (await watching.stats()).video;
    assert.equal(await watching.requestKeyFrame(), "sent");
    await until(async () => (await watching.stats()).video.keys > keys, "another key frame", { timeout: 5000 });
    await watching.close();
});

/* ---- several viewers ---- */

test("viewers come and go without disturbing the others", async (t) => {
    const { camera, watch } = await world(t);
    const first = await watch({ call: "first" });
    await first.playing(5);
    for (let i = 0; i < 6; i++) {
        const guest = await watch({ call: `guest${i}`, codec: i % 2 ? "H264" : "VP8" });
        await guest.playing(5);
        await guest.close({ bye: i < 3 });
        await camera.line(`viewer-gone viewer=viewer call=guest${i}`);
        await first.playing(5);
    }
    const { video } = await first.stats();
    assert.equal(video.lost, 0);
    assert.equal(video.pli, 0); /* it never lost its picture */
    await first.close();
});

test("two calls of one viewer, and calls of the same name of two viewers", async (t) => {
    const { room, name, peer, watch } = await world(t);
    const other = await MqttPeer.join(broker.mqtt, room, "other");
    t.after(() => other.close());
    const all = [await watch({ call: "a" }), await watch({ call: "b" }), await chrome.watch(other, name, { call: "a" })];
    await Promise.all(all.map((w) => w.playing(5)));
    await all[0].close();
    await Promise.all(all.slice(1).map((w) => w.playing(5)));
    await Promise.all(all.slice(1).map((w) => w.close()));
    assert.ok(!peer.unread("bye").length);
});

test("as many as are allowed, then busy", async (t) => {
    const { peer, watch } = await world(t, { args: ["--max-viewers", "1"] });
    const first = await watch({ call: "first" });
    await first.playing(5);
    const second = await watch({ call: "second" });
    const bye = await peer.expect("bye", { call: "second" });
    assert.match(bye.reason, /^busy/);
    await second.close({ bye: false });
    await first.close();
    const third = await watch({ call: "third" });
    await third.playing(5);
    await third.close();
});

test("fifty viewers later nothing has remained", async (t) => {
    const { camera, watch } = await world(t);
    const proc = (file) => readFileSync(`/proc/${camera.pid}/${file}`, "utf8");
    const used = () => ({
        files: readdirSync(`/proc/${camera.pid}/fd`).length,
        threads: Number(proc("status").match(/Threads:\s+(\d+)/)[1]),
        rss: Number(proc("status").match(/VmRSS:\s+(\d+)/)[1]),
    });
    let viewers = 0;
    const round = async () => {
        const all = [];
        for (let i = 0; i < 10; i++)
            all.push(await watch({ call: `call${viewers++}`, codec: i % 2 ? "H264" : "VP8", invite: i % 5 === 4 }));
        await Promise.all(all.map((w) => w.playing(3)));
        await Promise.all(all.map((w, i) => w.close({ bye: i % 3 === 0 })));
        /* One whose last word got lost is given up after 30 s of silence, or 50 s without any RTCP. */
        await until(() => camera.logs.filter((line) => line.includes("viewer-gone")).length === viewers,
                    `all ${viewers} gone`, { timeout: 90_000 });
    };
    await round(); /* plugins, keys and pools are there after it */
    await until(() => used().threads < 12, "threads of the first round ending");
    /* AddressSanitizer keeps what is freed for a while; that nothing leaks it says at the end. */
    const sanitized = proc("maps").includes("libasan");
    const before = used();
    for (let i = 0; i < 5; i++)
        await round();
    const settled = (now) => now.files <= before.files && now.threads <= before.threads && (sanitized || now.rss < before.rss * 1.5);
    await until(() => settled(used()), `as before: ${JSON.stringify(before)}`)
        .catch((error) => { throw new Error(`${error.message}; now ${JSON.stringify(used())}`); });
});

/* ---- renewed offers ---- */

test("a browser adds a section, pauses, goes on, restarts ICE", async (t) => {
    for (const invite of [false, true]) {
        const { camera, watch } = await world(t);
        const watching = await watch({ invite });
        await watching.playing(5);

        await watching.run((pc) => { pc.createDataChannel("more"); });
        await watching.renegotiate();
        await watching.playing(5);

        await watching.run((pc) => { pc.getTransceivers()[0].direction = "inactive"; });
        await watching.renegotiate();
        const still = await watching.still();
        assert.ok(still, "the picture stands while it is paused");
        await watching.run((pc) => { pc.getTransceivers()[0].direction = "recvonly"; });
        await watching.renegotiate();
        await watching.playing(5);

        await watching.renegotiate({ iceRestart: true });
        await until(() => watching.run(async (pc) => {
            const report = await pc.getStats();
            const transport = [...report.values()].find((s) => s.type === "transport");
            const pair = report.get(transport.selectedCandidatePairId);
            const fresh = pc.localDescription.sdp.match(/a=ice-ufrag:(\S+)/)[1];
            return report.get(pair.localCandidateId).usernameFragment === fresh;
        }), "a pair of the new generation");
        await watching.playing(10);
        assert.ok(!camera.logs.some((line) => line.includes("viewer-gone")));
        await watching.close();
    }
});

test("a new connection takes the place of the old one of the same call", async (t) => {
    const { camera, watch } = await world(t);
    const first = await watch();
    await first.playing(5);
    first.deaf();
    const second = await watch();
    await second.playing(5);
    await until(async () => (await first.look()).state !== "connected", "the first one ending");
    assert.ok(camera.logs.findLast((line) => line.includes("viewer-offer")).endsWith("viewers=1"));
    await first.close({ bye: false });
    await second.playing(5);
    await second.close();
});

test("both offer at once: the name that sorts later gives way", async (t) => {
    /* cam… is before viewer: the camera insists; after acam: it gives way. */
    for (const [viewer, glare] of [["viewer", true], ["acam", false]]) {
        const { name, peer, camera } = await world(t, { viewer });
        await peer.send(name, { type: "invite" });
        await peer.expect("offer");
        const watching = await chrome.watch(peer, name);
        if (glare) {
            await camera.line(`viewer-glare viewer=${viewer}`);
        } else {
            await watching.playing(5);
            assert.ok(!camera.logs.some((line) => line.includes("viewer-glare")));
        }
        await watching.close();
    }
});

/* ---- what cannot be ---- */

const dtls = (setup = "actpass") => ["c=IN IP4 0.0.0.0", "a=ice-ufrag:abcd", "a=ice-pwd:0123456789abcdefghijKL",
    `a=fingerprint:sha-256 ${Array(32).fill("AB").join(":")}`, `a=setup:${setup}`, "a=rtcp-mux", "a=mid:0"];
const sdp = (...lines) => ["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "t=0 0", ...lines, ""].join("\r\n");
const video = (...lines) => sdp("m=video 9 UDP/TLS/RTP/SAVPF 96", ...dtls(), ...lines);

describe("offers that are declined", () => {
    const rows = [
        { name: "no SDP at all", sdp: "hello", reason: /./ },
        { name: "without a media section", sdp: sdp(), reason: /section|media|m=/ },
        { name: "without a codec of ours", sdp: video("a=rtpmap:96 AV1/90000"), reason: /no common codec/ },
        { name: "H.264 without packetization-mode=1", sdp: video("a=rtpmap:96 H264/90000", "a=fmtp:96 profile-level-id=42e01f"), reason: /no common codec/ },
        { name: "the viewer only sends", sdp: video("a=rtpmap:96 VP8/90000", "a=sendonly"), reason: /nothing to send/ },
        { name: "only data", sdp: sdp("m=application 9 UDP/DTLS/SCTP webrtc-datachannel", ...dtls(), "a=sctp-port:5000"), reason: /nothing to send/ },
        { name: "without a fingerprint", sdp: video("a=rtpmap:96 VP8/90000").replace(/a=fingerprint.*\r\n/, ""), reason: /fingerprint/ },
        { name: "without ICE", sdp: video("a=rtpmap:96 VP8/90000").replace(/a=ice-.*\r\n/g, ""), reason: /ICE|ice/ },
    ];
    for (const row of rows)
        test(row.name, async (t) => {
            const { name, peer } = await world(t);
            await peer.send(name, { type: "offer", sdp: row.sdp, call: "bad" });
            const bye = await peer.expect("bye", { call: "bad" });
            assert.match(bye.reason, row.reason);
        });

    test("the camera goes on serving after all of them", async (t) => {
        const { name, peer, camera, watch } = await world(t);
        for (const row of rows)
            await peer.send(name, { type: "offer", sdp: row.sdp, call: "bad" });
        for (const text of ["", "{", "[]", "{\"type\":\"offer\"}", "{\"type\":\"dance\"}", "\u0000", "x".repeat(300_000)])
            await peer.send(name, text);
        await peer.send(name, { type: "answer", sdp: video("a=rtpmap:96 VP8/90000") });
        await peer.send(name, { type: "candidate", candidate: { candidate: "candidate:nonsense", sdpMid: "0" } });
        await peer.send(name, { type: "bye", call: "never-was" });
        const watching = await watch({ call: "good" });
        await watching.playing(5);
        await watching.close();
        assert.ok(camera.logs.some((line) => line.includes("message-refused")));
    });
});

test("an invitation that refuses all that there is", async (t) => {
    const { name, peer } = await world(t);
    await peer.send(name, { type: "invite", media: { video: false } });
    assert.match((await peer.expect("bye")).reason, /nothing to send/);
});

test("an answer that cannot be: the call ends with a reason", async (t) => {
    const { name, peer } = await world(t);
    await peer.send(name, { type: "invite", call: "x" });
    await peer.expect("offer", { call: "x" });
    await peer.send(name, { type: "answer", call: "x", sdp: sdp("m=video 0 UDP/TLS/RTP/SAVPF 96", "c=IN IP4 0.0.0.0", "a=mid:0") });
    assert.ok((await peer.expect("bye", { call: "x" })).reason);
});

test("a certificate that is not the one of the fingerprint", async (t) => {
    const { peer, watch, camera } = await world(t);
    const mangle = (text) => text.replace(/(a=fingerprint:sha-256 )(..)/g, (_, head, byte) => head + (byte === "00" ? "11" : "00"));
    const watching = await watch({ call: "forged", mangle });
    const bye = await peer.expect("bye", { call: "forged" });
    assert.match(bye.reason, /fingerprint/);
    assert.equal((await watching.look()).frames, 0);
    assert.ok(!camera.logs.some((line) => line.includes("viewer-connected")));
    await watching.close({ bye: false });
});

/* ---- the end of a call ---- */

test("a call that never connects is dropped", async (t) => {
    const { name, peer } = await world(t, { args: ["--connect-timeout", "1"] });
    await peer.send(name, { type: "offer", sdp: video("a=rtpmap:96 VP8/90000", "a=recvonly"), call: "silent" });
    await peer.expect("answer", { call: "silent" });
    assert.match((await peer.expect("bye", { call: "silent" })).reason, /no connection in time/);
    await peer.send(name, { type: "invite", call: "mute" });
    await peer.expect("offer", { call: "mute" });
    assert.match((await peer.expect("bye", { call: "mute" })).reason, /no connection in time/);
});

test("a viewer that closes without bye is noticed at once", async (t) => {
    const { camera, watch } = await world(t);
    const watching = await watch();
    await watching.playing(5);
    await watching.close({ bye: false });
    await camera.line("the viewer closed the connection", 3000);
});

test("a viewer that is killed is noticed by its silence, also when its presence went", async (t) => {
    const own = await Chrome.start();
    t.after(() => own.close());
    const { room, name, camera } = await world(t);
    const doomed = await MqttPeer.join(broker.mqtt, room, "doomed");
    const watching = await own.watch(doomed, name);
    await watching.playing(60); /* RTCP has come by then */
    await doomed.close(); /* its will clears the presence; the call goes on */
    await watching.playing(10);
    own.kill();
    await camera.line("viewer-gone viewer=doomed", SLOW_MS);
    assert.match(camera.logs.findLast((line) => line.includes("viewer-gone")), /fell silent/);
});

test("a viewer that cannot be reached before it connects", async (t) => {
    const { room, name, camera } = await world(t);
    const ghost = await MqttPeer.join(broker.mqtt, room, "ghost");
    await ghost.client.unsubscribeAsync(ghost.topic("peers/ghost/in/+"));
    await ghost.send(name, { type: "offer", sdp: video("a=rtpmap:96 VP8/90000", "a=recvonly") });
    await camera.line("viewer-gone viewer=ghost call=\"\" reason=\"the viewer cannot be reached\"");
    await ghost.close();
});

for (const signal of ["SIGTERM", "SIGINT"])
    test(`${signal}: viewers are told, presence cleared, code 0`, async (t) => {
        const room = `room${++number}`;
        const name = `cam${number}`;
        const peer = await MqttPeer.join(broker.mqtt, room, "viewer");
        t.after(() => peer.close());
        const camera = startCamera({ mqtt: broker.mqtt, room, name, args: ["--address", "127.0.0.1"] });
        await peer.present(name);
        const watching = [await chrome.watch(peer, name, { call: "a" }), await chrome.watch(peer, name, { call: "b" })];
        await Promise.all(watching.map((w) => w.playing(3)));
        const begin = Date.now();
        const ended = camera.stop(signal);
        for (const call of ["a", "b"])
            assert.match((await peer.expect("bye", { call })).reason, /switched off/);
        await peer.gone(name);
        assert.deepEqual(await ended, { code: 0, signal: null });
        assert.ok(Date.now() - begin < 2000, `it took ${Date.now() - begin} ms`);
        await Promise.all(watching.map((w) => w.close({ bye: false })));
    });

/* ---- the broker ---- */

test("the picture goes on without the broker, and the presence comes back with it", async (t) => {
    const own = await startMosquitto();
    const { room, name, camera, watch } = await world(t, { at: own });
    const watching = await watch();
    await watching.playing(5);
    await own.stop();
    await camera.line("broker-away");
    await watching.playing(10);
    const again = await startMosquitto({ port: own.port });
    t.after(() => endAll(again));
    await camera.line("broker-back", 30_000);
    const peer = await MqttPeer.join(again.mqtt, room, "viewer2");
    t.after(() => peer.close());
    await peer.present(name);
    await watching.playing(10);
    assert.equal((await watching.stats()).video.pli, 0);
});

test("the picture goes on while the cable to the broker is out, and nobody is called twice", async (t) => {
    const wire = await new Wire(broker.mqtt).open();
    const { peer, name, camera, watch } = await world(t, { at: { mqtt: wire.address }, args: ["--keepalive", "5"], behind: broker });
    t.after(() => wire.close());
    const watching = await watch();
    await watching.playing(5);
    wire.blackhole();
    assert.match(await camera.line("broker-away", SLOW_MS), /the broker has stopped answering/);
    await peer.gone(name, SLOW_MS); /* the broker has sent the camera's will */
    await watching.playing(10);
    wire.heal();
    assert.match(await camera.line("broker-back", SLOW_MS), /away_ms=\d{4,}/);
    await peer.present(name, SLOW_MS);
    await watching.playing(10);
    assert.equal((await watching.stats()).video.pli, 0);
    assert.equal(camera.logs.filter((line) => line.includes("viewer-gone")).length, 0);
    assert.equal(camera.logs.filter((line) => line.includes("viewer-connected")).length, 1);
});

/* ---- ICE servers ---- */

/* A STUN server that says the same foreign address to everyone. libnice asks in the form of RFC 3489,
 * without the magic cookie, so the address goes back as it is (MAPPED-ADDRESS). */
async function stunServer(t, address = [203, 0, 113, 9], port = 40404) {
    const socket = createSocket("udp4");
    socket.on("message", (request, from) => {
        if (request.length < 20 || request.readUInt16BE(0) !== 0x0001)
            return;
        const answer = Buffer.alloc(32);
        answer.writeUInt16BE(0x0101, 0);
        answer.writeUInt16BE(12, 2);
        request.copy(answer, 4, 4, 20); /* the transaction */
        answer.writeUInt16BE(0x0001, 20);
        answer.writeUInt16BE(8, 22);
        answer[25] = 1; /* IPv4 */
        answer.writeUInt16BE(port, 26);
        answer.set(address, 28);
        socket.send(answer, from.port, from.address);
    });
    socket.bind(0, "127.0.0.1");
    await once(socket, "listening");
    t.after(() => socket.close());
    return `stun:127.0.0.1:${socket.address().port}`;
}

const reflexive = (watching) => until(() => watching.received.find((m) => m.candidate?.candidate?.includes("203.0.113.9")), "a reflexive candidate");

test("a STUN server of the options", async (t) => {
    const { watch } = await world(t, { args: ["--stun", await stunServer(t)] });
    const watching = await watch();
    assert.match((await reflexive(watching)).candidate.candidate, /typ srflx/);
    await watching.close();
});

/* A TURN server that lends everyone the same foreign address, if the login is right (RFC 8656 section 7,
 * RFC 8489 section 9.2). It relays nothing. */
async function turnServer(t, { user, password }) {
    const socket = createSocket("udp4");
    const key = createHash("md5").update(`${user}:realm:${password}`).digest();
    const attribute = (type, value) => {
        const head = Buffer.alloc(4);
        head.writeUInt16BE(type, 0);
        head.writeUInt16BE(value.length, 2);
        return Buffer.concat([head, value, Buffer.alloc((4 - value.length % 4) % 4)]);
    };
    const xored = (address, port) => {
        const value = Buffer.from([0, 1, 0, 0, ...address.map((byte, i) => byte ^ [0x21, 0x12, 0xa4, 0x42][i])]);
        value.writeUInt16BE(port ^ 0x2112, 2);
        return value;
    };
    const relayed = attribute(0x0016, xored([203, 0, 113, 10], 50505));
    const mapped = attribute(0x0020, xored([203, 0, 113, 11], 40404));
    const signed = (message) => {
        message.writeUInt16BE(message.length - 20 + 24, 2);
        return Buffer.concat([message, attribute(0x0008, createHmac("sha1", key).update(message).digest())]);
    };
    const reply = (request, type, ...attributes) => {
        const message = Buffer.concat([request.subarray(0, 20), ...attributes]);
        message.writeUInt16BE(type, 0);
        message.writeUInt16BE(message.length - 20, 2);
        return message;
    };
    const logins = [];
    socket.on("message", (request, from) => {
        if (request.length < 20 || request.readUInt16BE(0) !== 0x0003)
            return;
        const attributes = new Map();
        for (let at = 20; at + 4 <= request.length;) {
            const length = request.readUInt16BE(at + 2);
            attributes.set(request.readUInt16BE(at), { at, value: request.subarray(at + 4, at + 4 + length) });
            at += 4 + length + (4 - length % 4) % 4;
        }
        const integrity = attributes.get(0x0008);
        let answer;
        if (integrity) {
            const covered = Buffer.from(request.subarray(0, integrity.at));
            covered.writeUInt16BE(integrity.at - 20 + 24, 2);
            logins.push({
                user: attributes.get(0x0006).value.toString(),
                right: createHmac("sha1", key).update(covered).digest().equals(integrity.value),
            });
            answer = signed(reply(request, 0x0103, relayed, mapped, attribute(0x000d, Buffer.from([0, 0, 2, 88]))));
        } else {
            answer = reply(request, 0x0113, attribute(0x0009, Buffer.from([0, 0, 4, 1])), attribute(0x0014, Buffer.from("realm")),
                attribute(0x0015, Buffer.from("nonce")));
        }
        socket.send(answer, from.port, from.address);
    });
    socket.bind(0, "127.0.0.1");
    await once(socket, "listening");
    t.after(() => socket.close());
    return { url: `turn:127.0.0.1:${socket.address().port}?transport=udp`, logins };
}

test("ICE servers of the bridge, with their login", async (t) => {
    const login = { user: "1700000000:cam", password: "a/b+c=@:hidden" };
    const turn = await turnServer(t, login);
    const room = `room${++number}`;
    const name = `cam${number}`;
    const bridge = await MqttPeer.join(broker.mqtt, room, "_bridge", { presence: null });
    const peer = await MqttPeer.join(broker.mqtt, room, "viewer");
    const camera = startCamera({ mqtt: broker.mqtt, room, name, args: ["--address", "127.0.0.1"] });
    t.after(async () => {
        await Promise.all([bridge.close(), peer.close()]);
        await endAll(camera);
    });
    const question = await bridge.expect("ice-servers");
    assert.equal(question.from, name);
    await bridge.send(name, { type: "ice-servers", id: question.id, iceServers: [
        { urls: ["http://not.an.ice.server", turn.url], username: login.user, credential: login.password },
    ] });
    await camera.line("ice-servers stun=0 turn=1");
    const watching = await chrome.watch(peer, name);
    const relayed = () => watching.received.find((m) => m.candidate?.candidate?.includes("203.0.113.10 50505 typ relay"));
    await until(relayed, "a relayed candidate");
    assert.deepEqual(turn.logins[0], { user: login.user, right: true });
    await watching.playing(3);
    await watching.close();
    assert.ok(!camera.logs.some((line) => line.includes("hidden")));
});

/* ---- sources ---- */

/* A clip of two seconds without any encoder: red, then blue. */
function clip(file, { width = 64, height = 48, fps = 10 } = {}) {
    const frame = (y, u, v) => Buffer.concat([Buffer.from("FRAME\n"), Buffer.alloc(width * height, y),
        Buffer.alloc(width * height / 4, u), Buffer.alloc(width * height / 4, v)]);
    const second = (...colour) => Array(fps).fill(frame(...colour));
    writeFileSync(file, Buffer.concat([Buffer.from(`YUV4MPEG2 W${width} H${height} F${fps}:1 Ip A1:1 C420\n`),
        ...second(81, 90, 240), ...second(41, 240, 110)]));
}

test("a file plays in a loop, also when it lacks the sound that is on", async (t) => {
    const file = join(tempDir(), "red then blue.y4m");
    clip(file);
    const { watch, camera } = await world(t, { args: ["--source", `file:${file}`, "--size", "320x240", "--audio", "on"] });
    assert.match(await camera.line(" ready "), /source="?file:/);
    const watching = await watch();
    await watching.playing(3);
    const colour = (rgb, what) => until(async () => near(await watching.pixel(0.5, 0.5), rgb), what);
    for (let i = 0; i < 2; i++) {
        await colour([255, 0, 0], `red ${i}`);
        await colour([0, 0, 255], `blue ${i}`);
    }
    assert.deepEqual([(await watching.look()).width, (await watching.look()).height], [320, 240]);
    await watching.close();
});

test("a source that fails is tried again, and its password is in no log", async (t) => {
    const { watch, camera } = await world(t, { args: ["--source", "rtsp://admin:hunter2@127.0.0.1:9/none"] });
    assert.match(await camera.line(" ready "), /source=rtsp:rtsp:\/\/127.0.0.1:9\/none$/);
    assert.ok(!camera.logs.some((line) => line.includes("source-retry"))); /* nobody watches yet */
    const watching = await watch();
    await camera.line("source-retry in_ms=1000");
    await camera.line("source-retry in_ms=2000");
    assert.ok(!camera.logs.some((line) => line.includes("hunter2")));
    await watching.close();
    await camera.line("viewer-gone");
});

test("nothing is encoded while nobody watches", async (t) => {
    const { camera, watch } = await world(t, { args: ["--log-level", "debug"] });
    const watching = await watch({ codec: "H264" });
    await watching.playing(3);
    await watching.close();
    await camera.line("viewer-gone");
    const events = camera.logs.filter((line) => / encoder-/.test(line)).map((line) => line.match(/encoder-\w+ codec=\w+/)[0]);
    assert.deepEqual(events, ["encoder-start codec=H264", "encoder-stop codec=H264"]);
    const ticks = () => readFileSync(`/proc/${camera.pid}/stat`, "utf8").split(" ").slice(13, 15).reduce((sum, n) => sum + Number(n), 0);
    /* It ends within moments; then a second costs less than 20 ms. */
    await until(async () => {
        const before = ticks();
        await new Promise((resolve) => setTimeout(resolve, 1000));
        return ticks() - before < 2;
    }, "a second without work");
});
