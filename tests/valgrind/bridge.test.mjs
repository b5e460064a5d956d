/* The bridge from start to end under memcheck: calls, refusals, a broker that goes and comes, SIGTERM.
 * With a broker of its own, because valgrind 3.19 does not know the system call by which the bridge
 * watches the embedded one. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Program, WsPeer, parseReady, startMosquitto, tempDir } from "../integration/harness.mjs";
import { answerSdp, candidate, sdp } from "../integration/world.mjs";

const SLOW = 120_000; // memcheck is some twenty times slower

test("nothing is lost and nothing is touched that is not ours", async () => {
    const broker = await startMosquitto();
    const [valgrind, ...flags] = process.env.SIGBRIDGE_TEST_MEMCHECK.split(" ");
    const bridge = new Program(valgrind, [...flags, process.env.SIGBRIDGE_TEST_PLAIN_BIN,
        "--dev", "--listen", "127.0.0.1:0", "--broker", `mqtt://${broker.mqtt}`, "--data", tempDir(), "--web", "none"]);
    const ready = parseReady(await bridge.line((line) => parseReady(line) !== null, SLOW));
    const url = `ws://${ready.http}/ws`;
    const ann = await WsPeer.join(url, { room: "r", peer: "ann", meta: { n: 1 } }, { timeout: SLOW });
    const bob = await WsPeer.join(url, { room: "r", peer: "bob" }, { timeout: SLOW });

    await ann.request({ type: "offer", to: "bob", sdp: sdp() }, SLOW);
    await bob.expect("offer", SLOW);
    await bob.request({ type: "answer", to: "ann", sdp: answerSdp() }, SLOW);
    await ann.expect("answer", SLOW);
    await ann.request({ type: "candidate", to: "bob", candidate: candidate() }, SLOW);
    await bob.expect("candidate", SLOW);
    await assert.rejects(ann.request({ type: "offer", to: "bob", sdp: "v=1" }, SLOW), /invalid-sdp/);
    await assert.rejects(ann.request({ type: "bye", to: "nobody" }, SLOW), /peer-not-found/);
    await ann.request({ type: "update", meta: { n: 2 } }, SLOW);
    await ann.request({ type: "message", data: "to all" }, SLOW);
    await bob.expect("message", SLOW);
    for (const path of ["healthz", "readyz", "metrics", "nothing"])
        await (await fetch(`http://${ready.http}/${path}`)).text();

    await broker.stop("SIGKILL");
    await bridge.line("broker-lost", SLOW);
    ann.send({ type: "message", to: "bob", data: "meanwhile", id: "later" });
    const again = await startMosquitto({ port: Number(broker.mqtt.split(":").pop()) });
    assert.equal((await bob.expect((m) => m.data === "meanwhile", SLOW)).from, "ann");
    bob.send("{");
    assert.equal((await bob.closed).code, 1003);

    bridge.kill("SIGTERM");
    const { code } = await bridge.exited;
    assert.equal(code, 0, bridge.tail());
    await ann.closed;
    await again.stop();
});
