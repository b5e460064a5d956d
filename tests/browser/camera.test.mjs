/* The wall of cameras: a page plays a real camera's picture, and gets it back when the camera does. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { endAll, startBridge, startCamera, webRoot } from "../integration/harness.mjs";
import { close, colours, framesAdvance, join, launch, tile, tileState } from "./browser.mjs";

/* The upper part of videotestsrc's "smpte" pattern: seven bars of equal width, full colours. */
const BARS = [
    { bar: "white", rgb: [255, 255, 255] },
    { bar: "yellow", rgb: [255, 255, 0] },
    { bar: "cyan", rgb: [0, 255, 255] },
    { bar: "green", rgb: [0, 255, 0] },
    { bar: "magenta", rgb: [255, 0, 255] },
    { bar: "red", rgb: [255, 0, 0] },
    { bar: "blue", rgb: [0, 0, 255] },
];
const TOLERANCE = 48; /* of 255: colour subsampling, limited range and lossy coding */

const LOOPBACK = ["--address", "127.0.0.1"];

let browser;
let bridge;
before(async () => {
    browser = await launch();
    bridge = await startBridge({ web: webRoot() });
});
after(async () => {
    await browser?.close();
    if (bridge)
        await endAll(bridge);
});

async function assertBars(video) {
    const points = BARS.map((_, index) => [(index + 0.5) / BARS.length, 0.3]);
    const seen = await colours(video, points);
    BARS.forEach(({ bar, rgb }, index) => {
        const distance = Math.max(...rgb.map((value, channel) => Math.abs(value - seen[index][channel])));
        assert.ok(distance <= TOLERANCE, `${bar}: expected about ${rgb}, saw ${seen[index]}`);
    });
}

for (const codec of ["VP8", "H264"])
    test(`the page plays the camera's test pattern in ${codec}`, async (t) => {
        const room = `play-${codec}`;
        const camera = startCamera({ mqtt: bridge.mqtt, room, name: "cam1", args: [...LOOPBACK, "--codec", codec] });
        const page = await join(browser, bridge.url, room, "ada");
        await tileState(page, "cam1", "ready");
        await tile(page, "cam1").getByRole("button", { name: /^Play/ }).click();
        await tileState(page, "cam1", "live");
        const video = tile(page, "cam1").locator("video");
        await framesAdvance(video, 25);
        await assertBars(video);
        assert.equal(await video.evaluate((element) => element.muted), true);

        /* The figures are read once a second. */
        const figures = tile(page, "cam1").locator("dd");
        await figures.filter({ hasText: /bit\/s/ }).waitFor();
        await figures.filter({ hasText: /^\d+×\d+$/ }).waitFor();
        await figures.filter({ hasText: /^[1-9]\d* \/s$/ }).waitFor();
        assert.equal(await tile(page, "cam1").locator('[data-part="size"]').getAttribute("title"), codec);
        const fromOffer = await tile(page, "cam1").getAttribute("data-offer-to-frame");
        const fromClick = await tile(page, "cam1").locator('[data-part="first"]').textContent();
        t.diagnostic(`${codec}: first frame ${fromOffer} ms after the offer was sent, ${fromClick} after the click`);

        await tile(page, "cam1").locator(".screen").hover();
        await tile(page, "cam1").getByRole("button", { name: /^Stop/ }).click();
        await tileState(page, "cam1", "ready");
        await close(page);
        await endAll(camera);
    });

test("two cameras play at once with one click", async () => {
    const cameras = ["cam1", "cam2"].map((name) =>
        startCamera({ mqtt: bridge.mqtt, room: "two", name, args: LOOPBACK }));
    const page = await join(browser, bridge.url, "two", "ada");
    await page.getByRole("button", { name: "Play all" }).click();
    for (const name of ["cam1", "cam2"]) {
        await tileState(page, name, "live");
        await framesAdvance(tile(page, name).locator("video"));
    }
    assert.equal(await page.locator("#wall-count").textContent(), "2 of 2 playing");
    await close(page);
    await endAll(...cameras);
});

test("a camera that is killed and comes back plays again by itself", async (t) => {
    const start = () => startCamera({ mqtt: bridge.mqtt, room: "back", name: "cam1", args: LOOPBACK });
    const first = start();
    const page = await join(browser, bridge.url, "back", "ada");
    await tileState(page, "cam1", "ready");
    await tile(page, "cam1").getByRole("button", { name: /^Play/ }).click();
    await tileState(page, "cam1", "live");
    await framesAdvance(tile(page, "cam1").locator("video"));

    const killedAt = Date.now();
    await first.stop("SIGKILL");
    const row = page.locator('#people [data-peer="cam1"]');
    await row.waitFor({ state: "detached" }); /* its will */
    t.diagnostic(`presence was gone ${Date.now() - killedAt} ms after the kill`);
    await tileState(page, "cam1", "away");
    assert.match(await tile(page, "cam1").locator(".notice").textContent(), /^Gone since .* Resumes/);

    const second = start();
    await row.waitFor();
    const cameAt = Date.now();
    await tileState(page, "cam1", "live");
    t.diagnostic(`video was back ${Date.now() - cameAt} ms after presence was`);
    const video = tile(page, "cam1").locator("video");
    await framesAdvance(video);
    await assertBars(video);
    await close(page);
    await endAll(second);
});

test("a camera that leaves the room without having played leaves the wall", async () => {
    const camera = startCamera({ mqtt: bridge.mqtt, room: "leave", name: "cam1", args: LOOPBACK });
    const page = await join(browser, bridge.url, "leave", "ada");
    await tileState(page, "cam1", "ready");
    await endAll(camera);
    await tile(page, "cam1").waitFor({ state: "detached" });
    await page.getByText("No camera is in this room yet.").waitFor();
    await close(page);
});
