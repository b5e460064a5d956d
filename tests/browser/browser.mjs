/* Opens the demo page in Chromium and reads what a person would see. */
import assert from "node:assert/strict";
import { chromium } from "playwright-core";
import { WAIT_MS } from "../integration/harness.mjs";

const FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    /* Media stays on the loopback interface, under its own address and not an mDNS name. */
    "--allow-loopback-in-peer-connection",
    "--disable-features=WebRtcHideLocalIpsWithMdns",
];

export function launch() {
    return chromium.launch({ executablePath: process.env.CHROMIUM_BIN ?? "/usr/bin/chromium", args: FLAGS });
}

/* What Chromium writes to the console when a test ends the bridge under the page. */
export const LOST_SOCKET = /WebSocket connection to '[^']*' failed|ERR_CONNECTION_REFUSED|ERR_CONNECTION_RESET/;

/* A page of its own (no storage shared with others) that remembers what went wrong in it, and in
 * `connections` every RTCPeerConnection that was made. */
export async function open(browser, url, { viewport = { width: 1280, height: 800 }, ...options } = {}) {
    const context = await browser.newContext({ viewport, permissions: ["camera", "microphone"], ...options });
    context.setDefaultTimeout(WAIT_MS);
    await context.addInitScript(() => {
        window.connections = [];
        window.RTCPeerConnection = class extends RTCPeerConnection {
            constructor(...args) {
                super(...args);
                window.connections.push(this);
            }
        };
    });
    const page = await context.newPage();
    page.faults = [];
    page.on("console", (message) => {
        if (message.type() === "error")
            page.faults.push(`console: ${message.text()} ${message.location().url}`);
    });
    page.on("pageerror", (error) => page.faults.push(`exception: ${error.stack}`));
    page.on("response", (response) => {
        if (response.status() >= 400)
            page.faults.push(`${response.status()} ${response.url()}`);
    });
    await page.goto(url);
    return page;
}

/* Closes the page and fails when its console held an error that the test did not cause itself. */
export async function close(page, { allow } = {}) {
    await page.context().close();
    assert.deepEqual(page.faults.filter((fault) => !allow?.test(fault)), []);
}

/* Opens the page and joins by its form. */
export async function join(browser, url, room, peer, options) {
    const page = await open(browser, url, options);
    await page.getByLabel("Room").fill(room);
    await page.getByLabel("Your name").fill(peer);
    await page.getByRole("button", { name: "Join" }).click();
    await page.locator("body[data-stage=room]").waitFor();
    return page;
}

/* ---- the wall ---- */

export const tile = (page, name) => page.locator(`.tile[data-peer="${name}"]`);

export async function tileState(page, name, state, timeout = WAIT_MS) {
    await page.locator(`.tile[data-peer="${name}"][data-state="${state}"]`).waitFor({ timeout });
}

/* ---- calls ---- */

const person = (page, name) => page.locator(`#people [data-peer="${name}"]`);

export async function talking(page) {
    await page.locator("#call[data-state=talking]").waitFor();
    await framesAdvance(page.locator("#call-remote"), 15);
}

/* `caller` calls `name`, whose page is `callee`; returns when both see the other's picture. */
export async function startCall(caller, callee, name) {
    await person(caller, name).getByRole("button", { name: /^Call/ }).click();
    await callee.locator("#ring").getByRole("button", { name: "Accept" }).click();
    await Promise.all([talking(caller), talking(callee)]);
}

/* Asks for another path, which takes an offer, an answer and candidates, and waits until it is in use. */
export async function renegotiate(page) {
    await page.evaluate(() => new Promise((resolve) => {
        const connection = window.connections.at(-1);
        const fragment = (description) => /a=ice-ufrag:(\S+)/.exec(description.sdp)[1];
        const [mine, theirs] = [fragment(connection.localDescription), fragment(connection.remoteDescription)];
        const look = () => {
            const isNew = fragment(connection.localDescription) !== mine && fragment(connection.remoteDescription) !== theirs;
            if (isNew && connection.signalingState === "stable" && ["connected", "completed"].includes(connection.iceConnectionState))
                resolve();
        };
        for (const type of ["signalingstatechange", "iceconnectionstatechange"])
            connection.addEventListener(type, look);
        connection.restartIce();
    }));
}

/* ---- video ---- */

/* Waits until `count` more frames than now have been shown. */
export async function framesAdvance(video, count = 10) {
    await video.evaluate((element, more) => new Promise((resolve) => {
        const next = () => (more-- > 0 ? element.requestVideoFrameCallback(next) : resolve());
        next();
    }), count);
}

/* From now on the longest time between two frames is kept; `longestGap` reads it. */
export async function watchFrames(video) {
    await video.evaluate((element) => {
        element.gap = 0;
        element.frameAt = performance.now();
        const next = () => {
            const now = performance.now();
            element.gap = Math.max(element.gap, now - element.frameAt);
            element.frameAt = now;
            element.requestVideoFrameCallback(next);
        };
        element.requestVideoFrameCallback(next);
    });
}

export function longestGap(video) {
    return video.evaluate((element) => Math.max(element.gap, performance.now() - element.frameAt));
}

/* Mean colour [r, g, b] of a small square around each point, given as fractions of width and height. */
export function colours(video, points) {
    return video.evaluate((element, places) => {
        const canvas = document.createElement("canvas");
        canvas.width = element.videoWidth;
        canvas.height = element.videoHeight;
        const context = canvas.getContext("2d", { willReadFrequently: true });
        context.drawImage(element, 0, 0);
        const side = 9;
        return places.map(([x, y]) => {
            const { data } = context.getImageData(
                Math.round(x * canvas.width) - 4, Math.round(y * canvas.height) - 4, side, side);
            const sum = [0, 0, 0];
            for (let i = 0; i < data.length; i += 4)
                for (let c = 0; c < 3; c++)
                    sum[c] += data[i + c];
            return sum.map((total) => Math.round(total / (side * side)));
        });
    }, points);
}
