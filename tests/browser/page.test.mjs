/* The page itself: joining and its errors, chat, the wire view, phone width, keyboard, hostile names. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { WsPeer, endAll, startBridge, startCamera, webRoot } from "../integration/harness.mjs";
import { inSeconds, makeKey } from "../integration/jwt.mjs";
import { close, framesAdvance, join, launch, open, tile, tileState } from "./browser.mjs";

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

/* Opens a row of the wire view and reads what it holds. */
async function content(frame) {
    await frame.locator("summary").click();
    return frame.locator("pre:not(:empty)").textContent();
}

/* What reaches out of the window at the left or right, and what scrolls sideways, as beginnings of
 * markup. What an ancestor cuts off is not seen. */
function findWide() {
    const edges = (element) => {
        let { left, right } = element.getBoundingClientRect();
        for (let up = element.parentElement; up; up = up.parentElement)
            if (getComputedStyle(up).overflowX !== "visible") {
                const box = up.getBoundingClientRect();
                left = Math.max(left, box.left);
                right = Math.min(right, box.right);
            }
        return { left, right };
    };
    const isWide = (element) => {
        const { left, right } = edges(element);
        const scrolls = ["auto", "scroll"].includes(getComputedStyle(element).overflowX);
        return right > innerWidth + 0.5 || left < -0.5 || (scrolls && element.scrollWidth > element.clientWidth);
    };
    return [...document.querySelectorAll("html, body, body *")]
        .filter((element) => element.checkVisibility() && !element.closest(".visually-hidden, .skip"))
        .filter(isWide)
        .map((element) => element.outerHTML.slice(0, 120));
}

const PHONE = { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true };

test("the URL fills the form, and joins by itself when it says so", async () => {
    const page = await open(browser, `${bridge.url}?room=garden&peer=ada`);
    assert.equal(await page.getByLabel("Room").inputValue(), "garden");
    assert.equal(await page.getByLabel("Your name").inputValue(), "ada");
    assert.equal(await page.locator("#room").isHidden(), true);
    await page.goto(`${bridge.url}?room=garden&peer=ada&join`);
    await page.locator("body[data-stage=room]").waitFor();
    assert.equal(await page.locator("#where-room").textContent(), "garden");
    assert.equal(await page.locator("#where-self").textContent(), "ada");
    await page.getByRole("button", { name: "Leave" }).click();
    await page.getByRole("heading", { name: "Join a room" }).waitFor();
    await close(page);

    const fresh = await open(browser, bridge.url);
    assert.equal(await fresh.getByLabel("Room").inputValue(), "lobby");
    assert.match(await fresh.getByLabel("Your name").inputValue(), /^[a-z]+-\d\d$/);
    await close(fresh);
});

test("a name that is taken is said, and another one gets in", async () => {
    const peer = await WsPeer.join(bridge.wsUrl, { room: "taken", peer: "ada" });
    const page = await open(browser, `${bridge.url}?room=taken&peer=ada`);
    await page.getByRole("button", { name: "Join" }).click();
    const refusal = page.getByRole("alert");
    await refusal.filter({ hasText: "This name is in use in the room. Choose another one." }).waitFor();
    assert.equal(await refusal.locator("code").textContent(), "peer-taken");
    assert.equal(await page.getByLabel("Your name").evaluate((input) => input === document.activeElement), true);
    await page.getByLabel("Your name").fill("ada2");
    await page.keyboard.press("Enter");
    await page.locator("body[data-stage=room]").waitFor();
    await close(page);
    await peer.close();
});

test("names that cannot be are refused before anything is sent", async () => {
    const page = await open(browser, bridge.url);
    const rows = [
        { name: "", says: "Your name is missing." },
        { name: "two words", says: "Your name must begin with a letter or digit" },
        { name: "_bridge", says: "Your name must begin with a letter or digit" },
        { name: "a/b", says: "Your name must begin with a letter or digit" },
    ];
    for (const { name, says } of rows) {
        await page.getByLabel("Your name").fill(name);
        await page.getByRole("button", { name: "Join" }).click();
        await page.getByRole("alert").filter({ hasText: says }).waitFor();
    }
    assert.equal(await page.locator("body").getAttribute("data-stage"), "join");
    await close(page);
});

test("who is present, who left, and text between two pages", async () => {
    const ada = await join(browser, bridge.url, "chat", "ada");
    const bob = await join(browser, bridge.url, "chat", "bob");
    const eve = await join(browser, bridge.url, "chat", "eve");
    await ada.locator('#people [data-peer="eve"]').waitFor();
    assert.equal(await ada.locator("#people-count").textContent(), "3");

    await ada.getByRole("tab", { name: /^Chat/ }).click();
    await ada.getByLabel("Message", { exact: true }).fill("hello <b>all</b>");
    await ada.keyboard.press("Enter");
    for (const page of [bob, eve]) {
        await page.locator("#chat-unread", { hasText: "1" }).waitFor();
        await page.getByRole("tab", { name: /^Chat/ }).click();
        await page.locator(".said", { hasText: "hello <b>all</b>" }).waitFor();
        assert.equal(await page.locator(".said b").count(), 0);
        assert.equal(await page.locator("#chat-unread").isHidden(), true);
    }
    await bob.getByLabel("To", { exact: true }).selectOption("ada");
    await bob.getByLabel("Message", { exact: true }).fill("only for you");
    await bob.keyboard.press("Enter");
    await ada.locator(".said", { hasText: "only for you" }).locator("text=to you").waitFor();
    /* What eve says next comes after what bob said, so that his words would be here by now. */
    await eve.getByLabel("Message", { exact: true }).fill("bye");
    await eve.keyboard.press("Enter");
    await ada.locator(".said", { hasText: "bye" }).waitFor();
    assert.equal(await eve.locator(".said", { hasText: "only for you" }).count(), 0);

    await eve.getByRole("button", { name: "Leave" }).click();
    await ada.getByRole("tab", { name: /^People/ }).click();
    await ada.locator("#gone li", { hasText: "eve" }).waitFor();
    await ada.locator('#people [data-peer="eve"]').waitFor({ state: "detached" });
    await Promise.all([close(ada), close(bob), close(eve)]);
});

test("on the wire: messages with direction, type and peer; passwords masked; filter and pause", async () => {
    const camera = startCamera({ mqtt: bridge.mqtt, room: "wire", name: "cam1", args: ["--address", "127.0.0.1"] });
    const page = await join(browser, bridge.url, "wire", "ada");
    await tileState(page, "cam1", "ready");
    await tile(page, "cam1").getByRole("button", { name: /^Play/ }).click();
    await tileState(page, "cam1", "live");
    await page.getByRole("tab", { name: "On the wire" }).click();
    const offer = page.locator('.frame[data-type="offer"][data-direction="out"]');
    const answer = page.locator('.frame[data-type="answer"][data-direction="in"]');
    assert.equal(await offer.locator(".peer").textContent(), "cam1");
    for (const frame of [offer, answer]) {
        const text = await content(frame);
        assert.match(text, /^v=0$/m);
        assert.match(text, /^a=ice-pwd:•+$/m);
        assert.doesNotMatch(text, /a=ice-pwd:[\w+/]/);
        assert.match(text, /^a=ice-ufrag:\S+$/m);
    }
    const joined = page.locator('.frame[data-type="joined"]');
    const shown = JSON.parse(await content(joined));
    assert.equal(shown.room, "wire");
    assert.doesNotMatch(String(shown.secret), /[0-9A-Za-z]{6}/);

    await page.getByLabel("Show type").selectOption("offer");
    assert.equal(await page.locator(".frame:visible").count(), 1);
    await page.getByLabel("Show type").selectOption("");

    await page.getByRole("button", { name: "Pause" }).click();
    const before = await page.locator(".frame").count();
    const peer = await WsPeer.join(bridge.wsUrl, { room: "wire", peer: "bob" });
    await page.locator("#wire-count", { hasText: "1 held back" }).waitFor();
    assert.equal(await page.locator(".frame").count(), before);
    await page.getByRole("button", { name: "Resume" }).click();
    await page.locator('.frame[data-type="presence"]', { hasText: "bob" }).waitFor();
    await close(page);
    await peer.close();
    await endAll(camera);
});

test("the wire view keeps 500 rows, also of what came while it was paused", async () => {
    const page = await open(browser, bridge.url);
    const rows = await page.evaluate(async () => {
        const { Wire } = await import("/wire.js");
        const source = new EventTarget();
        const send = (number) => source.dispatchEvent(new CustomEvent("wire", {
            detail: { direction: "in", at: Date.now(), message: { type: "message", from: "bob", data: number } },
        }));
        const seen = () => [...document.querySelectorAll("#wire > li")];
        const wire = new Wire(source);
        for (let i = 0; i < 700; i++)
            send(i);
        const running = seen().length;
        document.getElementById("wire-pause").click();
        for (let i = 700; i < 1400; i++)
            send(i);
        const paused = seen().length;
        document.getElementById("wire-pause").click();
        const resumed = seen().length;
        const newest = seen()[0];
        newest.querySelector("details").open = true;
        await new Promise((resolve) => newest.querySelector("details").addEventListener("toggle", resolve, { once: true }));
        const text = newest.querySelector("pre").textContent;
        wire.destroy();
        return { running, paused, resumed, newest: JSON.parse(text).data, after: seen().length };
    });
    assert.deepEqual(rows, { running: 500, paused: 500, resumed: 500, newest: 1399, after: 0 });
    await close(page);
});

test("at phone width nothing is wider than the screen", async () => {
    const long = "w".repeat(64);
    const peer = await WsPeer.join(bridge.wsUrl, { room: long, peer: "x".repeat(64), meta: { name: "M".repeat(200), model: "W".repeat(200) } });
    const camera = startCamera({ mqtt: bridge.mqtt, room: long, name: "c".repeat(64), args: ["--address", "127.0.0.1"] });
    const page = await join(browser, bridge.url, long, "ada", PHONE);
    const bob = await join(browser, bridge.url, long, "bob");
    await tileState(page, "c".repeat(64), "ready");
    await tile(page, "c".repeat(64)).getByRole("button", { name: /^Play/ }).click();
    await tileState(page, "c".repeat(64), "live");
    const assertFits = async (where) => {
        const wide = await page.evaluate(findWide);
        assert.deepEqual(wide, [], where);
        assert.equal(await page.evaluate(() => Math.max(document.documentElement.scrollWidth, document.body.scrollWidth)), 360, where);
    };
    await assertFits("cameras");
    await page.getByRole("tab", { name: "People" }).click();
    await assertFits("people");
    await page.getByRole("tab", { name: "Chat" }).click();
    await page.getByLabel("Message", { exact: true }).fill("y".repeat(300));
    await page.keyboard.press("Enter");
    await page.locator(".said").waitFor();
    await assertFits("chat");
    await page.getByRole("tab", { name: "Wire" }).click();
    await page.locator('.frame[data-type="offer"] summary').click();
    await assertFits("wire");
    await bob.locator('#people [data-peer="ada"]').getByRole("button", { name: /^Call/ }).click();
    await page.locator("#ring[open]").waitFor();
    await assertFits("ringing");
    await page.getByRole("button", { name: "Accept" }).click();
    await page.locator("#call[data-state=talking]").waitFor();
    await framesAdvance(page.locator("#call-remote"));
    await assertFits("call");
    await Promise.all([close(page), close(bob)]);
    await peer.close();
    await endAll(camera);
});

test("the keyboard is enough: tabs by arrows, play and stop by Enter", async () => {
    const camera = startCamera({ mqtt: bridge.mqtt, room: "keys", name: "cam1", args: ["--address", "127.0.0.1"] });
    const page = await open(browser, `${bridge.url}?room=keys&peer=ada`);
    await page.keyboard.press("Enter"); /* the name has the focus */
    await page.locator("body[data-stage=room]").waitFor();
    await tileState(page, "cam1", "ready");
    await page.keyboard.press("Tab"); /* from the start of the cameras to the first one */
    await page.keyboard.press("Enter");
    await tileState(page, "cam1", "live");
    const stop = tile(page, "cam1").getByRole("button", { name: /^Stop/ });
    assert.equal(await stop.evaluate((button) => button === document.activeElement), true);
    await page.keyboard.press("Enter");
    await tileState(page, "cam1", "ready");

    await page.getByRole("tab", { name: /^People/ }).focus();
    for (const [key, view] of [["ArrowRight", "chat"], ["ArrowRight", "wire"], ["ArrowRight", "people"], ["ArrowLeft", "wire"], ["Home", "people"]]) {
        await page.keyboard.press(key);
        assert.equal(await page.evaluate(() => document.activeElement.id), `tab-${view}`);
        assert.equal(await page.locator(`#view-${view}`).isVisible(), true);
    }
    await close(page);
    await endAll(camera);
});

test("markup in what others send stays text", async () => {
    const evil = '<img src=x onerror="document.title=\'owned\'">';
    const peer = await WsPeer.join(bridge.wsUrl, { room: "markup", peer: "mallory", meta: { name: evil, model: evil, streams: [{ name: evil }] } });
    const page = await join(browser, bridge.url, "markup", "ada");
    await tile(page, "mallory").getByRole("heading", { name: evil }).waitFor();
    await peer.request({ type: "message", data: { kind: "chat", text: evil } });
    await page.getByRole("tab", { name: /^Chat/ }).click();
    await page.locator(".said", { hasText: evil }).waitFor();
    await page.getByRole("tab", { name: "On the wire" }).click();
    for (const type of ["joined", "message"])
        await page.locator(`.frame[data-type="${type}"] summary`).click();
    await page.locator("pre", { hasText: "onerror" }).first().waitFor();
    assert.equal(await page.locator("#room img").count(), 0);
    assert.notEqual(await page.title(), "owned");
    await close(page);
    await peer.close();
});

/* ---- tokens ---- */

async function withTokens(run, options = {}) {
    const key = makeKey("ES256");
    const guarded = await startBridge({ web: webRoot(), dev: false, args: ["--jwt-key", key.option], ...options });
    try {
        await run(guarded, key);
    } finally {
        await endAll(guarded);
    }
}

/* Where a token must not be: what a person sees, what the browser keeps, what it fetched. (That the
 * page was opened with one stays in the page's own list of its navigation, for as long as it lives.) */
async function assertForgotten(page, token) {
    const seen = await page.evaluate(() => [
        location.href, document.documentElement.outerHTML, [...document.querySelectorAll("input")].map((input) => input.value),
        Object.entries(localStorage), Object.entries(sessionStorage), document.cookie, JSON.stringify(history.state),
        performance.getEntriesByType("resource").map((entry) => entry.name),
    ].flat(3).join("\n"));
    for (const part of [token, ...token.split(".").slice(1)])
        assert.ok(!seen.includes(part));
}

test("without a token the page asks for one, and never shows or keeps it", () => withTokens(async (guarded, key) => {
    const page = await open(browser, `${guarded.url}?room=yard&peer=ada`);
    const field = page.getByLabel("Token");
    assert.equal(await field.isVisible(), false);
    await page.getByRole("button", { name: "Join" }).click();
    await page.getByRole("alert").filter({ hasText: "This bridge lets nobody in without a token. Enter yours." }).waitFor();
    assert.equal(await page.getByRole("alert").locator("code").textContent(), "unauthorized");
    assert.equal(await field.evaluate((input) => input === document.activeElement && input.type), "password");
    const token = key.token({ rooms: ["yard"], sub: "ada" });
    await field.fill(token);
    await page.keyboard.press("Enter");
    await page.locator("body[data-stage=room]").waitFor();
    await page.getByRole("tab", { name: "On the wire" }).click();
    for (const type of ["join", "joined"])
        await page.locator(`.frame[data-type="${type}"]`).first().locator("summary").click();
    await page.locator("pre", { hasText: "tokenExpiresIn" }).waitFor();
    await assertForgotten(page, token);
    await page.getByRole("button", { name: "Leave" }).click();
    await assertForgotten(page, token);
    await page.getByRole("button", { name: "Join" }).click(); /* the same visit of the page still has it */
    await page.locator("body[data-stage=room]").waitFor();
    await close(page);
}));

test("a token behind the # lets in, and is gone from the address", () => withTokens(async (guarded, key) => {
    const token = key.token({ rooms: ["yard"] });
    const page = await open(browser, `${guarded.url}?room=yard&peer=ada&join#token=${token}`);
    await page.locator("body[data-stage=room]").waitFor();
    await assertForgotten(page, token);
    for (const line of guarded.logs)
        assert.ok(!line.includes(token.split(".")[2]));
    await close(page);

    const late = await open(browser, `${guarded.url}?room=yard&peer=bob`);
    await late.evaluate((text) => { location.hash = `token=${text}`; }, token); /* pasted into the address bar */
    await late.locator("body[data-stage=room]").waitFor();
    await assertForgotten(late, token);
    await close(late);
}));

test("the page says why a token does not let in, and takes a better one", () => withTokens(async (guarded, key) => {
    const rows = [
        { claims: { rooms: ["yard"], exp: inSeconds(-5) }, word: "unauthorized", says: /expired/ },
        { claims: { rooms: ["street"] }, word: "forbidden", says: /does not allow this room/ },
        { claims: { rooms: ["yard"], sub: "eve" }, word: "forbidden", says: /does not allow this peer name/ },
        { claims: {}, word: "forbidden", says: /does not allow this room/ },
        { text: "a.b.c", word: "unauthorized", says: /token/ },
    ];
    const page = await open(browser, `${guarded.url}?room=yard&peer=ada&join`);
    const refusal = page.locator("#join-error");
    await page.getByLabel("Token").waitFor();
    for (const { claims, text, word, says } of rows) {
        await page.getByLabel("Token").fill(text ?? key.token(claims));
        await page.keyboard.press("Enter");
        await refusal.filter({ hasText: says }).waitFor();
        assert.equal(await refusal.locator("code").textContent(), word);
        assert.equal(await page.getByLabel("Token").inputValue(), "");
    }
    await page.getByLabel("Token").fill(key.token({ rooms: ["y*"] }));
    await page.keyboard.press("Enter");
    await page.locator("body[data-stage=room]").waitFor();
    await close(page);
}));

test("a token that ends in the room: back to the form, with the reason", () => withTokens(async (guarded, key) => {
    const page = await open(browser, `${guarded.url}?room=yard&peer=ada&join#token=${key.token({ rooms: ["yard"], exp: inSeconds(8) })}`);
    await page.locator("body[data-stage=room]").waitFor();
    await page.locator("#join-error", { hasText: "The token has expired" }).waitFor();
    assert.equal(await page.getByLabel("Token").evaluate((input) => input === document.activeElement), true);
    assert.equal(await page.locator("#room").isHidden(), true);
    await close(page);
}));

test("too many bad tokens: the page waits as long as the bridge asks, and says so", () => withTokens(async (guarded) => {
    const page = await open(browser, `${guarded.url}?room=yard&peer=ada&join`);
    await page.getByLabel("Token").waitFor();
    const refusal = page.locator("#join-error");
    for (let tries = 0; tries < 8 && (await refusal.locator("code").textContent()) !== "rate-limited"; tries++) {
        await page.getByLabel("Token").fill("a.b.c");
        await page.keyboard.press("Enter");
        await page.locator('#join-submit[data-busy="false"]').or(refusal.filter({ hasText: "rate-limited" })).first().waitFor();
    }
    await refusal.filter({ hasText: /Too many tokens from this address were refused: try again later\. Trying again in \d+ s\./ }).waitFor();
    await close(page);
}, { env: { SIGBRIDGE_LIMITS_AUTH_FAILURES: "1" } }));
