/* Members that attack with messages: the hostile corpus, names that try to become something else, floods,
 * guesses at other people's sessions. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { frame, Target, textFrame, times } from "./attacker.mjs";
import { clientMessagesFor, expectation, loadCorpus } from "./corpus.mjs";
import { deadline, until } from "./harness.mjs";
import { assertError, get, inboxTopic, newRoom, presenceTopic, sdp, sees, sql } from "./world.mjs";

let target;
before(async () => {
    target = await Target.start({ config: "limits: { join_timeout = 5; };\n" });
});
after(() => target.end());

const PACKET_MAX = 500_000; /* with more, the broker ends the connection */
const ERRORS = /^(invalid-(json|message|sdp|candidate)|too-large|unexpected-answer|peer-not-found|not-joined|already-joined|session-expired|forbidden|rate-limited|peer-taken)$/;

/* ---- the corpus ---- */

const hostile = loadCorpus().filter((entry) => expectation(entry).verdict === "reject");

/* What arrives of hostile entries is judged in corpus.test.mjs; here it is what they leave behind. */
test(`${hostile.length} hostile entries of the corpus by WebSocket`, () => target.withstands((round) => times(hostile.length, async (i) => {
    const { messages } = clientMessagesFor(hostile[i], { to: "browser" });
    const raw = await (await target.raw()).upgrade();
    if (messages.length === 1)
        await raw.send(textFrame({ type: "join", room: target.first.room, peer: `eve-${round}-${i}` }));
    for (const message of messages)
        await raw.send(frame(message));
    await raw.send(textFrame({ type: "ping", id: "fence" }));
    await Promise.race([raw.until(() => raw.messages.some((m) => m.id === "fence")).catch(() => {}), raw.enough]);
    const errors = raw.messages.filter((m) => m.type === "error");
    assert.ok(errors.length > 0 || raw.isOver, `${hostile[i].name}: ${JSON.stringify(raw.messages).slice(0, 500)}`);
    for (const { error } of errors)
        assert.match(error, ERRORS, hostile[i].name);
    await raw.drop();
}, { at_once: 8 }), { log: /refused from=ws /, lines: 80 }));

test(`${hostile.length} hostile entries of the corpus by MQTT`, () => target.withstands(async () => {
    const { room, browser } = target.first;
    const eve = await target.mqttClient({ clientId: "eve" });
    const heard = browser.received.length;
    const small = hostile.flatMap((entry) => clientMessagesFor(entry, { to: "browser" }).messages).filter((message) => message.length < PACKET_MAX);
    assert.ok(small.length > 200);
    for (const message of small)
        for (const topic of [inboxTopic(room, "browser", "eve"), inboxTopic(room, "_bridge", "eve"), presenceTopic(room, "eve")])
            await eve.publish(topic, message);
    await eve.publish(presenceTopic(room, "eve"), "");
    await target.call(target.first);
    const judged = new Set(["offer", "answer", "candidate"]);
    const mine = browser.received.slice(heard).filter((m) => m.from === "eve" && judged.has(m.type));
    assert.ok(mine.length <= hostile.length / 20, `${mine.length} of them arrived`);
    await eve.end();
}, { log: /refused from=mqtt /, lines: 80 }));

/* ---- names ---- */

const texts = ["_bridge", ".", "..", "../../etc/passwd", "a/b", "a/+/b", "#", "+", "$SYS", "a b", "a\nb", "a\r\n2026-01-01T00:00:00.000Z error forged", "\u001b[2J",
    "<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "'; DROP TABLE membership; --", "' OR '1'='1", "${jndi:ldap://x}", "%s%n%x", "%00", "a=b level=error",
    "\u202egnp.exe", "ä", "💣", "x".repeat(65), "", "__proto__", "-rf", "~"];
const isName = (name) => /^[A-Za-z0-9][A-Za-z0-9._~-]{0,63}$/.test(name);

test("names that are none are refused in every field, and named nowhere", () => target.withstands(async () => {
    const { room } = target.first;
    for (const [n, name] of texts.filter((text) => !isName(text)).entries()) {
        const eve = await target.socket();
        for (const message of [{ type: "join", room: name, peer: "eve" }, { type: "join", room, peer: name }])
            if (name !== "" || message.peer !== "")
                assertError(await eve.ask(message, "joined").then(() => assert.fail(`joined as ${JSON.stringify(name)}`), (error) => error.answer),
                    { code: 400, error: "invalid-message" }, JSON.stringify(message));
        eve.joined = await eve.ask({ type: "join", room, peer: `eve-${n}` }, "joined");
        for (const message of [{ type: "offer", to: name, sdp: sdp() }, { type: "message", to: name, data: 1 }, { type: "bye", to: name }, { type: "candidate", to: name, candidate: null }])
            assertError(await eve.ask(message, "ack").then(() => assert.fail(), (error) => error.answer), { code: 400, error: "invalid-message" }, JSON.stringify(message));
        await eve.close();
    }
}, { log: /refused from=ws /, lines: 80, secrets: ["forged", "alert(1)", "DROP TABLE"] }));

test("texts that are allowed stay texts: in frames, in the database, in metrics, in the roster", async () => {
    const room = newRoom();
    const ann = await target.join({ room, peer: "ann" });
    const eve = await target.intruder({ room, peer: "eve" });
    for (const [n, text] of texts.entries()) {
        const meta = { n, name: text, list: [text], [`k${text.slice(0, 20)}`]: { text } };
        await eve.request({ type: "update", meta });
        const { updated } = await ann.expect((m) => m.updated?.some((p) => p.meta.n === n));
        assert.deepEqual(updated.find((p) => p.peer === "eve").meta, meta);
        await eve.request({ type: "message", to: "ann", data: { text }, ext: { text } });
        const message = await ann.expect("message");
        assert.deepEqual([message.data, message.ext], [{ text }, { text }]);
        const bye = eve.request({ type: "bye", to: "ann", reason: text, call: "c" });
        if (/[\0-\x1f]/.test(text))
            await assert.rejects(bye, { error: "invalid-message" });
        else
            assert.equal((await bye, await ann.expect("bye")).reason, text);
        await until(async () => {
            const rows = await sql(target.bridge, `SELECT meta FROM membership WHERE room = '${room}' AND peer = 'eve'`);
            return rows.length === 1 && JSON.stringify(JSON.parse(rows[0].meta)) === JSON.stringify(meta);
        }, `meta ${n} is in the database as it is`);
    }
    assert.deepEqual(await sql(target.bridge, "PRAGMA integrity_check"), [{ integrity_check: "ok" }]);
    const { text: metrics } = await get(target.bridge, "/metrics");
    assert.doesNotMatch(metrics, /alert|DROP|passwd/);
    const roster = JSON.parse((await get(target.bridge, `/api/v1/rooms/${room}`)).text);
    assert.equal(roster.peers.find((p) => p.peer === "eve").meta.name, texts.at(-1));
    const answer = await get(target.bridge, `/api/v1/rooms/${room}`);
    assert.match(answer.headers.get("content-type"), /^application\/json/);
    assert.equal(answer.headers.get("x-content-type-options"), "nosniff");
    await eve.close();
    await ann.close();
    target.checkLog(undefined, ["forged", "alert(1)", "DROP TABLE"]);
});

const paths = ["/api/v1/rooms/..", "/api/v1/rooms/%2e%2e", "/api/v1/rooms/%2e%2e/%2e%2e/etc/passwd", "/api/v1/rooms/../../metrics", "/api/v1/rooms//", "/api/v1/rooms/a/b",
    "/api/v1/rooms/%00", "/api/v1/rooms/a%00b", "/api/v1/rooms/%0d%0aSet-Cookie:x=y", "/api/v1/rooms/<script>alert(1)</script>", "/api/v1/rooms/%3Cscript%3Ealert(1)%3C/script%3E",
    "/api/v1/rooms/'%20OR%20'1'='1", "/api/v1/rooms/_bridge", "/api/v1/rooms/%2b", "/api/v1/rooms/%23", `/api/v1/rooms/${"x".repeat(2000)}`, "/api/v1/rooms?token=x&token=y", "/api/../metrics/",
    "/<script>alert(1)</script>", "/%0d%0aX-Injected:%201", "/healthz%0d%0aX-Injected:%201", "/?%0d%0aX-Injected:%201", "/metrics%00.js", "//metrics", "/./metrics/../../x"];

test("paths that try to become something else", () => target.withstands(() => times(paths.length, async (i) => {
    const raw = await target.raw();
    await raw.send(`GET ${paths[i]} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`);
    const said = (await raw.finish()).toString("latin1");
    assert.doesNotMatch(said, /root:|<script>|^X-Injected|^Set-Cookie/im, paths[i]);
    assert.ok(said === "" || /^HTTP\/1\.[01] (4\d\d|30[1278]|200)/.test(said), `${paths[i]}: ${said.slice(0, 100)}`);
    assert.doesNotMatch(said.split("\r\n\r\n")[0], /^location: *(https?:)?\/\/(?!localhost)/im, paths[i]);
})));

/* ---- floods ---- */

test("a flood of messages is slowed down, then ended, and the others go on", () => target.withstands(async () => {
    const room = newRoom();
    const ann = await target.join({ room, peer: "ann" });
    const eve = await target.intruder({ room, peer: "eve" });
    await sees(eve, "ann");
    for (let n = 0; n < 5000 && eve.socket.readyState === 1; n++)
        eve.send({ type: "message", to: "ann", data: n });
    const { code } = await deadline(eve.closed, "the close");
    assert.ok([1008, 1006].includes(code), `${code}`);
    const refused = eve.received.filter((m) => m.type === "error");
    for (const error of refused) {
        assertError(error, { code: 429, error: "rate-limited", to: error.to });
        assert.ok(error.retryAfter > 0 && error.retryAfter <= 60_000);
    }
    assert.ok(refused.length >= 1 || code === 1006, "it was told, unless a reset overtook that");
    await ann.expect((m) => m.left?.some((p) => p.peer === "eve"));
    const arrived = ann.received.filter((m) => m.type === "message").map((m) => m.data);
    assert.deepEqual(arrived, [...arrived].sort((a, b) => a - b));
    assert.ok(arrived.length < 5000 - 200, `${arrived.length} arrived`);
    await ann.close();
}, { log: /too-fast address=127\.0\.0\.3/, lines: 60 }));

test("a flood of bytes is slowed down", () => target.withstands(async () => {
    const room = newRoom();
    const ann = await target.join({ room, peer: "ann" });
    const eve = await target.intruder({ room, peer: "eve" });
    await sees(eve, "ann");
    const data = "x".repeat(60_000);
    let refused = 0;
    for (let n = 0; n < 200 && refused < 5; n++)
        await eve.request({ type: "message", to: "ann", data }).catch((error) => {
            assert.equal(error.error, "rate-limited");
            refused++;
        });
    assert.equal(refused, 5, "12 MB do not pass at once");
    await eve.close();
    await ann.close();
}));

/* 2,000 at once, each sender within its rate: they may come in one turn of the bridge's loop. */
test("members who keep to their rates cut nobody off", () => target.withstands(async () => {
    const room = newRoom();
    const ann = await target.join({ room, peer: "ann" });
    const members = await Promise.all(Array.from({ length: 8 }, (_, i) => target.intruder({ room, peer: `eve${i}` })));
    for (const eve of members)
        await sees(eve, "ann");
    for (let n = 0; n < 250; n++)
        for (const eve of members)
            eve.send({ type: "message", to: "ann", data: n });
    await until(() => ann.received.filter((m) => m.type === "message").length === 2000, "all of them arrive");
    assert.equal(ann.socket.readyState, 1);
    for (const peer of [ann, ...members])
        await peer.close();
}));

test("candidates may come in bursts", async () => {
    const room = newRoom();
    const ann = await target.join({ room, peer: "ann" });
    const bob = await target.join({ room, peer: "bob" });
    await sees(ann, "bob");
    for (let n = 0; n < 200; n++)
        ann.send({ type: "candidate", to: "bob", candidate: { candidate: `candidate:1 1 udp 1 192.0.2.1 ${1000 + n} typ host`, sdpMid: "0", sdpMLineIndex: 0 } });
    for (let n = 0; n < 200; n++)
        await bob.expect((m) => m.type === "candidate" && m.candidate.candidate.includes(` ${1000 + n} `));
    assert.equal(ann.has("error"), false);
});

test("members that come and go all the time", () => target.withstands(async () => {
    const room = newRoom();
    const witness = await target.join({ room, peer: "witness" });
    await times(100, async (i) => {
        const eve = await target.socket();
        for (let n = 0; n < 10; n++) {
            await eve.ask({ type: "join", room, peer: `eve-${i}-${n}`, meta: { x: "x".repeat(3000) } }, "joined");
            await eve.request({ type: "leave" });
        }
        await eve.terminate();
    }, { at_once: 8 });
    await until(() => witness.received.filter((m) => m.left).flatMap((m) => m.left).length === 1000, "all of them left");
    await witness.close();
}));

test("guesses at sessions", () => target.withstands(async () => {
    const { session, secret } = target.first.browser.joined;
    const eve = await target.socket();
    for (const guess of [{ session, secret: "x".repeat(secret.length) }, { session, secret: "" }, { session, secret: secret.slice(0, -1) }, { session: `${session}x`, secret },
        { session: "a.b", secret }, { session: "../../x", secret }, { session: "", secret: "" }, { session: "x".repeat(10_000), secret: "y" }]) {
        const error = await eve.ask({ type: "resume", seq: 0, ...guess }, "resumed").then(() => assert.fail("resumed"), (e) => e.answer);
        assert.ok([400, 410].includes(error.code), JSON.stringify(error));
    }
    await eve.close();
    assert.equal(target.first.browser.socket.readyState, 1);
    target.checkLog(undefined, [secret]);
}));

test("a bridge with little room for strangers", async () => {
    const small = await Target.start({ config: "limits: { rooms = 20; room_peers = 10; };\n" });
    await small.withstands(async () => {
        const peers = await Promise.all(Array.from({ length: 60 }, () => small.socket()));
        let [joined, refused] = [0, 0];
        for (const [i, peer] of peers.entries())
            await peer.ask({ type: "join", room: `many-${i}`, peer: "eve" }, "joined").then(() => joined++, ({ answer }) => {
                assertError(answer, { code: 503, error: "unavailable" });
                refused++;
            });
        assert.ok(joined <= 20 && joined >= 15, `${joined} rooms`);
        assert.equal(joined + refused, 60);
        await small.call(small.first);
        await Promise.all(peers.map((peer) => peer.close()));
    }, { log: /refused from=ws .*unavailable/, lines: 60 });
    await small.end();
});
