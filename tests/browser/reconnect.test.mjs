/* The bridge is killed under a page that plays video, and comes back; the line to it is cut during a
 * call; it hands its sessions to another bridge. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { endAll, startBridge, startCamera, until, webRoot } from "../integration/harness.mjs";
import { Wire } from "../integration/wire.mjs";
import { World, get } from "../integration/world.mjs";
import {
    LOST_SOCKET, close, framesAdvance, join, launch, longestGap, open, renegotiate, startCall, talking, tile, tileState,
    watchFrames,
} from "./browser.mjs";

/* Video that goes on has gaps of some 40 ms; a new connection would take longer than this. Busy
 * machines need the room between. */
const GAP_MS = 3000;

let browser;
let web;
before(async () => {
    browser = await launch();
    web = webRoot();
});
after(() => browser?.close());

const connection = (page, text) => page.locator("#connection", { hasText: text }).waitFor();

test("the page reconnects while the running video goes on", async (t) => {
    const bridge = await startBridge({ web });
    const camera = startCamera({ mqtt: bridge.mqtt, room: "lobby", name: "cam1", args: ["--address", "127.0.0.1"] });
    const page = await join(browser, bridge.url, "lobby", "ada");
    await tileState(page, "cam1", "ready");
    await tile(page, "cam1").getByRole("button", { name: /^Play/ }).click();
    await tileState(page, "cam1", "live");
    const video = tile(page, "cam1").locator("video");
    await framesAdvance(video);
    await watchFrames(video);
    const stream = await video.evaluate((element) => element.srcObject.id);

    await bridge.stop("SIGKILL");
    await connection(page, /Reconnecting/);
    await page.getByText("Calls and video go on").waitFor();
    await framesAdvance(video, 25);

    const again = await startBridge({ web, data: bridge.data, listen: bridge.http, mqttListen: bridge.mqtt });
    const upAt = Date.now();
    await connection(page, "Connected");
    t.diagnostic(`the page was back ${Date.now() - upAt} ms after the bridge`);
    assert.equal(await page.locator("#outage").isHidden(), true);
    await page.locator('#people [data-peer="cam1"]').waitFor(); /* the camera found its way back, too */
    await framesAdvance(video, 25);
    await tileState(page, "cam1", "live");
    assert.equal(await video.evaluate((element) => element.srcObject.id), stream, "the video is the same connection");
    const gap = await longestGap(video);
    t.diagnostic(`longest time without a frame: ${gap.toFixed(0)} ms`);
    assert.ok(gap < GAP_MS, `no frame for ${gap} ms`);
    await close(page, { allow: LOST_SOCKET });
    await endAll(camera, again);
});

test("a page that finds no bridge says so, counts down, and joins when there is one", async () => {
    const bridge = await startBridge({ web });
    const page = await open(browser, bridge.url);
    await page.waitForLoadState("networkidle");
    await bridge.stop();
    await page.getByLabel("Your name").fill("ada");
    await page.getByRole("button", { name: "Join" }).click();
    await page.getByText(/does not answer\. Trying again in \d+ s\./).waitFor();
    await page.getByRole("button", { name: "Cancel" }).click();
    assert.equal(await page.getByRole("button", { name: "Join" }).isEnabled(), true);

    await page.getByRole("button", { name: "Join" }).click();
    await page.getByText(/does not answer/).waitFor();
    const again = await startBridge({ web, data: bridge.data, listen: bridge.http, mqttListen: bridge.mqtt });
    await page.locator("body[data-stage=room]").waitFor();
    await connection(page, "Connected");
    /* Chromium fetches the icon when it likes: the bridge may have gone in the middle of it. */
    await close(page, { allow: new RegExp(`${LOST_SOCKET.source}|/icon\\.svg`) });
    await endAll(again);
});

test("a bridge that ends in order tells the page, which comes back when it does", async () => {
    const bridge = await startBridge({ web });
    const page = await join(browser, bridge.url, "lobby", "ada");
    const how = await bridge.stop("SIGTERM");
    assert.equal(how.code, 0);
    await connection(page, /Reconnecting/);
    const again = await startBridge({ web, data: bridge.data, listen: bridge.http, mqttListen: bridge.mqtt });
    await connection(page, "Connected");
    await page.locator('#people [data-peer="ada"]').waitFor();
    await close(page, { allow: LOST_SOCKET });
    await endAll(again);
});

/* ---- the session is resumed ---- */

const said = (page, text) => page.locator("#talk", { hasText: text }).waitFor({ state: "attached" });

async function say(page, text) {
    await page.locator("#tab-chat").click();
    await page.locator("#say-text").fill(text);
    await page.locator("#say-text").press("Enter");
    await said(page, text);
}

const linesOf = (page) => page.locator("#talk").evaluate((talk) => [...talk.children].map((line) => line.textContent));
const goneOf = (page) => page.locator("#gone").evaluate((gone) => [...gone.children].map((line) => line.textContent));

/* ada's line to the bridge runs over the wire, bob's does not; they talk to each other. */
async function talkOverWire({ env, bridge: given } = {}) {
    const bridge = given ?? await startBridge({ web, env });
    const wire = await new Wire(bridge.http).open();
    const bob = await join(browser, bridge.url, "lobby", "bob");
    const ada = await join(browser, `http://${wire.address}/`, "lobby", "ada");
    await startCall(ada, bob, "bob");
    for (const page of [ada, bob])
        await watchFrames(page.locator("#call-remote"));
    return { bridge, wire, ada, bob };
}

async function pictureWentOn(t, ...pages) {
    for (const page of pages) {
        await framesAdvance(page.locator("#call-remote"), 25);
        const gap = await longestGap(page.locator("#call-remote"));
        t.diagnostic(`longest time without a frame: ${gap.toFixed(0)} ms`);
        assert.ok(gap < GAP_MS, `no frame for ${gap} ms`);
        assert.equal(await page.evaluate(() => window.connections.length), 1, "it is the same connection");
    }
}

async function endCall({ ada, bob, wire }, ...bridges) {
    await Promise.all([close(ada, { allow: LOST_SOCKET }), close(bob, { allow: LOST_SOCKET })]);
    wire.close();
    await endAll(...bridges);
}

test("the line is cut during a call: the page is back in a moment, and has missed nothing", async (t) => {
    const talk = await talkOverWire();
    const { bridge, wire, ada, bob } = talk;
    wire.cut();
    await ada.getByText("Connection lost, back in a moment. Calls and video go on.").waitFor();
    await ada.getByText("The connection to the room is lost. The call goes on.").waitFor();
    await say(bob, "can you hear me");
    await say(bob, "and now");
    await Promise.all([framesAdvance(ada.locator("#call-remote"), 25), framesAdvance(bob.locator("#call-remote"), 25)]);
    wire.heal();
    const healedAt = Date.now();
    await connection(ada, "Connected");
    t.diagnostic(`back ${Date.now() - healedAt} ms after the line`);
    assert.equal(await ada.locator("#outage").isHidden(), true);
    await said(ada, "and now");
    assert.deepEqual((await linesOf(ada)).map((line) => /can you hear me|and now/.exec(line)?.[0]), ["can you hear me", "and now"]);
    assert.deepEqual(await goneOf(bob), [], "bob has seen nothing of it");
    assert.equal(await ada.locator(".toast").count(), 0);
    await renegotiate(ada);
    await renegotiate(bob);
    await pictureWentOn(t, ada, bob);
    await endCall(talk, bridge);
});

test("a cable is out, which the bridge notices and the page does not: nothing is missed either", async (t) => {
    const talk = await talkOverWire({ env: { SIGBRIDGE_PING_INTERVAL: "1", SIGBRIDGE_PING_TIMEOUT: "1" } });
    const { bridge, wire, ada, bob } = talk;
    wire.blackhole();
    await until(async () => /^sigbridge_sessions_away 1$/m.test((await get(bridge, "/metrics")).text), "the bridge misses ada");
    await connection(ada, "Connected");
    await say(bob, "into the dark");
    await framesAdvance(ada.locator("#call-remote"), 25);
    wire.heal();
    await said(ada, "into the dark");
    await connection(ada, "Connected");
    assert.equal((await linesOf(ada)).length, 1);
    assert.deepEqual(await goneOf(bob), []);
    await renegotiate(bob);
    await pictureWentOn(t, ada, bob);
    await endCall(talk, bridge);
});

test("the window is over: both are told, the call goes on, and can be changed", async (t) => {
    const talk = await talkOverWire({ env: { SIGBRIDGE_PRESENCE_RESUME_WINDOW: "1" } });
    const { bridge, wire, ada, bob } = talk;
    wire.cut();
    await bob.getByText("ada is not in the room any more. The call goes on.").waitFor();
    assert.match((await goneOf(bob))[0], /^ada/);
    await say(bob, "nobody hears this");
    wire.heal();
    await ada.getByText("You are in the room again. What was said while you were away is missing.").waitFor();
    await connection(ada, "Connected");
    await bob.getByText("ada is not in the room any more. The call goes on.").waitFor({ state: "detached" });
    assert.deepEqual(await linesOf(ada), []);
    await Promise.all([talking(ada), talking(bob)]);
    await renegotiate(ada);
    await renegotiate(bob);
    await pictureWentOn(t, ada, bob);
    await endCall(talk, bridge);
});

test("the bridge goes, another one runs: the page moves there in the middle of a call", async (t) => {
    const world = await new World().start({ web, args: ["--bridge-id", "one"], env: { SIGBRIDGE_LIMITS_DRAIN: "10" } });
    const other = await world.addBridge({ web, args: ["--bridge-id", "two"] });
    await world.ready(other);
    const { bridge } = world;
    const wire = await new Wire(bridge.http).open();
    const bob = await join(browser, other.url, "lobby", "bob");
    const ada = await join(browser, `http://${wire.address}/`, "lobby", "ada");
    await startCall(ada, bob, "bob");
    for (const page of [ada, bob])
        await watchFrames(page.locator("#call-remote"));
    wire.target = other.http;
    await world.stop(bridge);
    world.bridges = world.bridges.filter((one) => one !== bridge);
    await connection(ada, "Connected");
    await ada.locator("#people [data-peer=bob]").waitFor();
    assert.deepEqual(await goneOf(bob), [], "bob has seen nothing of it");
    await say(bob, "still there?");
    await said(ada, "still there?");
    await renegotiate(ada);
    await pictureWentOn(t, ada, bob);
    await Promise.all([close(ada, { allow: LOST_SOCKET }), close(bob, { allow: LOST_SOCKET })]);
    wire.close();
    await world.end();
});
