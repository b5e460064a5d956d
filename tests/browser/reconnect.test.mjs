/* The bridge is killed under a page that plays video, and comes back. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { endAll, startBridge, startCamera, webRoot } from "../integration/harness.mjs";
import { LOST_SOCKET, close, framesAdvance, join, launch, longestGap, open, tile, tileState, watchFrames } from "./browser.mjs";

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
