/* A device with small buffers: what a browser sends it is made smaller or refused with the numbers, and
 * never more arrives than the device said it can hold. The rules are in tests/unit/test_budget.c. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { assertError, candidate, metric, newRoom, sdp, World } from "./world.mjs";

const line = (n, rest = "") => `candidate:${n} 1 udp 2122260223 192.0.2.10 ${50000 + n} typ host${rest}`;
const active = (n) => `candidate:${n} 1 tcp 1518280447 192.0.2.10 9 typ host tcptype active`;

/* A description of a data channel with these candidates. */
function withCandidates(lines, mark = 1) {
    const all = sdp(mark).split("\r\n");
    const end = all.pop();
    return [...all, ...lines.map((value) => `a=${value}`), end].join("\r\n");
}

const longest = (text) => Math.max(...text.split("\r\n").map((l) => l.length));
const count = (text) => text.split("\r\n").filter((l) => l.startsWith("a=candidate:")).length;

describe("byte budgets of devices", () => {
    let world;
    before(async () => {
        world = new World();
        await world.start();
    });
    after(() => world.end());

    /* `ann`, and a device `cam1` with these limits, whom she sees. */
    async function pair(limits, presence = {}) {
        const room = newRoom();
        const cam = await world.device({ room, name: "cam1", presence: { kind: "device", limits, ...presence } });
        const ann = await world.join({ room, peer: "ann" });
        return { room, cam, ann };
    }

    const refusal = (promise) => promise.then(() => assert.fail("it was taken"), (error) => error.answer);

    test("what fits arrives as it was sent", async () => {
        const text = withCandidates([line(1), active(2), line(1)]);
        const { cam, ann } = await pair({ sdp: text.length, line: longest(text), candidates: 3 });
        const before = await metric(world.bridge, "sigbridge_sdp_slimmed_total");
        await ann.request({ type: "offer", to: "cam1", sdp: text });
        assert.equal((await cam.receive("offer")).sdp, text);
        assert.equal(await metric(world.bridge, "sigbridge_sdp_slimmed_total"), before);
    });

    test("what does not is made smaller, no more than needed", async () => {
        const text = withCandidates([line(1), active(2), line(1)]);
        const steps = [withCandidates([line(1), active(2)]), withCandidates([line(1)])];
        const before = await metric(world.bridge, "sigbridge_sdp_slimmed_total");
        for (const [i, want] of steps.entries()) {
            for (const limits of [{ sdp: want.length }, { candidates: 2 - i }, { sdp: want.length, line: longest(want), candidates: 2 - i }]) {
                const { cam, ann } = await pair(limits);
                await ann.request({ type: "offer", to: "cam1", sdp: text });
                assert.equal((await cam.receive("offer")).sdp, want, JSON.stringify(limits));
            }
        }
        assert.equal(await metric(world.bridge, "sigbridge_sdp_slimmed_total"), before + 6);
    });

    test("an answer, too", async () => {
        const { cam, ann } = await pair({ candidates: 1 });
        await cam.send("ann", { type: "offer", sdp: sdp() });
        await ann.expect("offer");
        await ann.request({ type: "answer", to: "cam1", sdp: withCandidates([line(1), line(1)]).replace("actpass", "active") });
        assert.equal(count((await cam.receive("answer")).sdp), 1);
    });

    test("an open last line counts with the end that the bridge puts there", async () => {
        const text = withCandidates([line(1)]).slice(0, -2);
        for (const [room, fits] of [[text.length + 2, true], [text.length + 1, false]]) {
            const { cam, ann } = await pair({ sdp: room });
            const sent = ann.request({ type: "offer", to: "cam1", sdp: text });
            if (fits) {
                await sent;
                assert.equal((await cam.receive("offer")).sdp, `${text}\r\n`);
            } else {
                assert.equal((await refusal(sent)).error, "too-large");
            }
        }
    });

    test("what still does not fit is refused to the sender, with the numbers", async () => {
        const text = withCandidates([line(1), line(1), line(2)]);
        const left = withCandidates([line(1), line(2)]);
        const cases = [
            [{ sdp: 100 }, text, `hold 100 bytes of SDP; this one has ${text.length}, ${left.length} without what can be left out`],
            [{ candidates: 1 }, text, "hold 1 candidates in an SDP; this one has 3, 2 without what can be left out"],
            [{ line: 40 }, text, `hold 40 bytes of one SDP line; this one has ${longest(text)}, ${longest(left)} without what can be left out`],
        ];
        for (const [limits, sent, says] of cases) {
            const { cam, ann, room } = await pair(limits);
            const error = await refusal(ann.request({ type: "offer", to: "cam1", sdp: sent, id: "o1" }));
            assertError(error, { code: 413, error: "too-large", id: "o1", to: "cam1" });
            assert.ok(error.message.includes(says), error.message);
            /* The offer is not waiting: nothing of it came. */
            await ann.request({ type: "bye", to: "cam1" });
            await cam.receive("bye");
            assert.deepEqual(cam.mail.all.map(({ message }) => message?.type), ["bye"], room);
        }
    });

    test("a candidate that is longer than a line is refused", async () => {
        const { cam, ann } = await pair({ line: 80 });
        const short = line(1);
        const long = line(1, ` generation 0 ufrag Yx3k network-id 1`);
        assert.ok(short.length <= 80 && long.length > 80);
        const error = await refusal(ann.request({ type: "candidate", to: "cam1", candidate: { candidate: long, sdpMid: "0" } }));
        assertError(error, { code: 413, error: "too-large", id: error.id, to: "cam1", message: new RegExp(`lines of 80 bytes; this candidate has ${long.length}`) });
        await ann.request({ type: "candidate", to: "cam1", candidate: { candidate: short, sdpMid: "0" } });
        assert.equal((await cam.receive("candidate")).candidate.candidate, short);
        await ann.request({ type: "candidate", to: "cam1", candidate: null });
        assert.equal((await cam.receive("candidate")).candidate, null);
    });

    test("limits that change count at once", async () => {
        const { room, cam, ann } = await pair({ sdp: 100 }, { meta: { step: 1 } });
        assert.equal((await refusal(ann.request({ type: "offer", to: "cam1", sdp: sdp(1) }))).error, "too-large");
        await cam.present({ kind: "device", limits: { sdp: 4096 }, meta: { step: 2 } });
        await ann.expect((m) => m.type === "presence" && m.updated?.[0]?.meta.step === 2);
        await ann.request({ type: "offer", to: "cam1", sdp: sdp(2) });
        assert.equal((await cam.receive("offer")).sdp, sdp(2), room);
    });

    test("a peer without limits gets everything", async () => {
        const { room, ann } = await pair({ sdp: 100 });
        const bob = await world.join({ room, peer: "bob" });
        const text = withCandidates(Array(200).fill(line(1)));
        await ann.request({ type: "offer", to: "bob", sdp: text });
        assert.equal((await bob.expect("offer")).sdp, text);
    });

    test("whatever the limits are, nothing beyond them arrives", async () => {
        const many = withCandidates([...Array(40).keys()].flatMap((n) => [line(n % 7), active(n % 5), `${line(n % 3)}  `]));
        const audio = sdp(3).replace(/m=application[^]*?\r\n(c=.*\r\n)/, (_, c) => `m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n${c}`)
            .replace("a=sctp-port:5000\r\n", "a=rtpmap:111 opus/48000/2\r\na=extmap:1/inactive urn:x\r\na=extmap:2 urn:y\r\na=msid:s t\r\na=ssrc:1 cname:x\r\na=ssrc:1 msid:s t\r\na=ssrc:1 label:t\r\n");
        let taken = 0, refused = 0;
        for (let size = 300; size < many.length; size = Math.floor(size * 1.35)) {
            const limits = { sdp: size, line: 60 + (size % 90), candidates: 1 + (size % 50) };
            const { cam, ann } = await pair(limits);
            for (const [i, text] of [many, audio, withCandidates([line(1), line(1)]), sdp(7)].entries()) {
                await ann.request({ type: "offer", to: "cam1", call: `c${i}`, sdp: text }).then(() => taken++, ({ answer }) => {
                    assert.equal(answer.error, "too-large");
                    refused++;
                });
                await ann.request({ type: "candidate", to: "cam1", candidate: candidate(50000) }).catch(({ answer }) => assert.equal(answer.error, "too-large"));
            }
            await ann.request({ type: "bye", to: "cam1" });
            await cam.receive("bye");
            for (const { message } of cam.mail.all) {
                const text = message.sdp ?? "";
                assert.ok(Buffer.byteLength(text) <= limits.sdp && longest(text) <= limits.line && count(text) <= limits.candidates,
                    `${text.length} ${longest(text)} ${count(text)} with ${JSON.stringify(limits)}`);
                assert.ok((message.candidate?.candidate.length ?? 0) <= limits.line);
            }
        }
        assert.ok(taken > 8 && refused > 8, `${taken} taken, ${refused} refused`);
    });
});
