/* What Chromium makes of the bridge's headers: whose pages may connect and read, and what may run in
 * and around its own page. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { after, before, test } from "node:test";
import { endAll, startBridge, webRoot } from "../integration/harness.mjs";
import { makeKey } from "../integration/jwt.mjs";
import { close, launch, open } from "./browser.mjs";

const key = makeKey("HS256");
const admin = key.token({ can: ["admin"], rooms: ["*"] });
let browser, bridge, ours, theirs;

/* Another site, at a port of its own: an empty page. */
async function site() {
    const server = createServer((request, response) => {
        response.setHeader("content-type", "text/html");
        response.end("<!doctype html><title>site</title><link rel=icon href=data:,>");
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return Object.assign(server, { origin: `http://127.0.0.1:${server.address().port}` });
}

before(async () => {
    browser = await launch();
    ours = await site();
    theirs = await site();
    bridge = await startBridge({ web: webRoot(), dev: false, args: ["--jwt-key", key.option, "--origin", ours.origin] });
});
after(async () => {
    await browser?.close();
    ours?.close();
    theirs?.close();
    if (bridge)
        await endAll(bridge);
});

/* In the page: what a request with a token gives, and whether a WebSocket opens. */
const read = (page, path) => page.evaluate(([url, token]) =>
    fetch(url, { headers: { authorization: `Bearer ${token}` } }).then((answer) => answer.status, () => "blocked"), [bridge.url + path, admin]);
const reach = (page) => page.evaluate((url) => new Promise((resolve) => {
    const socket = new WebSocket(url, "sigbridge.v1");
    socket.onopen = () => resolve("open");
    socket.onerror = () => resolve("refused");
}), bridge.wsUrl);

const rows = [
    { name: "a listed page", url: () => ours.origin, api: 200, metrics: "blocked", socket: "open" },
    { name: "another page", url: () => theirs.origin, api: "blocked", metrics: "blocked", socket: "refused" },
    { name: "the bridge's own page", url: () => bridge.url, api: 200, metrics: 200, socket: "open" },
];

for (const { name, url, api, metrics, socket } of rows)
    test(`who may read and connect: ${name}`, async () => {
        const page = await open(browser, url());
        assert.equal(await read(page, "api/v1/rooms"), api);
        assert.equal(await read(page, "metrics"), metrics);
        assert.equal(await reach(page), socket);
        await close(page, { allow: /blocked by CORS policy|ERR_FAILED|403|WebSocket connection to/ });
    });

test("no script runs in the page but its own files", async () => {
    const page = await open(browser, bridge.url);
    const ran = await page.evaluate(async (elsewhere) => {
        const add = (element) => new Promise((resolve) => {
            for (const type of ["load", "error"])
                element.addEventListener(type, resolve);
            document.body.append(element);
        });
        const inline = document.createElement("script");
        inline.textContent = "window.ranInline = true";
        document.body.append(inline); /* it would run here and now */
        const foreign = document.createElement("script");
        foreign.src = `${elsewhere}/x.js`;
        await add(foreign);
        const handler = document.createElement("img");
        handler.setAttribute("onerror", "window.ranHandler = true");
        handler.src = "data:,x";
        await add(handler);
        let evaluated = true;
        try {
            new Function("return 1")();
        } catch {
            evaluated = false;
        }
        return { inline: !!window.ranInline, handler: !!window.ranHandler, evaluated };
    }, theirs.origin);
    assert.deepEqual(ran, { inline: false, handler: false, evaluated: false });
    assert.ok(page.faults.filter((fault) => /Content Security Policy/.test(fault)).length >= 3);
    await close(page, { allow: /Content Security Policy/ });
});

test("no other site puts the page into a frame", async () => {
    const page = await open(browser, theirs.origin);
    const frame = page.waitForEvent("framenavigated", (f) => f !== page.mainFrame());
    await page.evaluate((url) => {
        const element = document.createElement("iframe");
        element.src = url;
        document.body.append(element);
    }, bridge.url);
    assert.match((await frame).url(), /^chrome-error:/);
    await close(page, { allow: /frame-ancestors|Refused to (frame|display)/ });
});
