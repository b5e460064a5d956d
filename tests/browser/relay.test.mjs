/* A room where nobody learns anybody's address: two browsers connect through a real TURN server, with
 * the bridge's time-limited credentials, and nothing that signaling carries holds an address of
 * theirs. The relay has an address of its own (127.0.0.2), so that nothing but relay to relay works:
 * each side lets only the other's relay in (RFC 8656 section 9). */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join as joinPath } from "node:path";
import { after, before, test } from "node:test";
import { endAll, startBridge, startCamera, tempDir, until, WAIT_MS, webRoot } from "../integration/harness.mjs";
import { startTurn } from "../integration/turn_server.mjs";
import { Mqtt, PREFIX } from "../integration/world.mjs";
import { close, framesAdvance, launch, open, tile, tileState } from "./browser.mjs";

const SECRET = "relay-7dK2mQw9";
const RELAY = "127.0.0.2";
/* Two allocations, and checks through them: on a busy machine a call may need a second try. */
const CONNECT_MS = 4 * WAIT_MS;

let browser, bridge, turn;
before(async () => {
    turn = await startTurn({ secret: SECRET, relay: RELAY });
    const file = joinPath(tempDir("secret"), "turn-secret");
    writeFileSync(file, SECRET, { mode: 0o600 });
    browser = await launch();
    bridge = await startBridge({
        web: webRoot(),
        config: `ice_policies = ( { rooms = "relay-*"; relay_only = true; } );
            ice_servers = ( { urls = ["turn:127.0.0.1:${turn.port}?transport=udp"]; secret_file = "${file}"; } );\n`,
    });
});
after(async () => {
    await browser?.close();
    if (bridge)
        await endAll(bridge);
    await turn?.stop();
});

/* A page in a room, with every frame of its sockets in `sent` and `got`, and its peer connections in
 * `window.connections`. */
async function enter(room, name) {
    const page = await open(browser, "about:blank");
    page.sent = [];
    page.got = [];
    page.on("websocket", (socket) => {
        socket.on("framesent", ({ payload }) => page.sent.push(payload));
        socket.on("framereceived", ({ payload }) => page.got.push(payload));
    });
    await page.addInitScript(() => {
        window.connections = [];
        window.RTCPeerConnection = class extends window.RTCPeerConnection {
            constructor(...args) {
                super(...args);
                window.connections.push(this);
            }
        };
    });
    await page.goto(bridge.url);
    await page.getByLabel("Room").fill(room);
    await page.getByLabel("Your name").fill(name);
    await page.getByRole("button", { name: "Join" }).click();
    await page.locator("body[data-stage=room]").waitFor();
    return page;
}

/* Who reads along at the broker. */
async function listen(room) {
    const tap = await Mqtt.connect(bridge.mqtt);
    await tap.subscribe(`${PREFIX}/rooms/${room}/#`);
    return tap;
}

async function call(room) {
    const tap = await listen(room);
    const pages = [await enter(room, "ada"), await enter(room, "bob")];
    const [ada, bob] = pages;
    await ada.locator('#people [data-peer="bob"]').getByRole("button", { name: /^Call/ }).click();
    await bob.getByRole("dialog", { name: "ada calls" }).getByRole("button", { name: "Accept" }).click();
    for (const page of pages) {
        await page.locator("#call[data-state=talking]").waitFor({ timeout: CONNECT_MS });
        await framesAdvance(page.locator("#call-remote"), 15);
    }
    return { tap, pages };
}

/* The pair that the page sends on, and all by which something came: the other side may use another. */
function transport(page) {
    return page.evaluate(async () => {
        const connection = window.connections.find((one) => one.connectionState === "connected");
        const stats = [...(await connection.getStats()).values()];
        const byId = (id) => stats.find((one) => one.id === id);
        const ends = (pair) => [pair.localCandidateId, pair.remoteCandidateId].map(byId)
            .map(({ candidateType, address }) => `${candidateType} ${address}`);
        const { bytesReceived, selectedCandidatePairId } = stats.find(({ type }) => type === "transport");
        const received = stats.filter((one) => one.type === "candidate-pair" && one.bytesReceived > 0).map(ends);
        return { bytes: bytesReceived, selected: ends(byId(selectedCandidatePairId)), received };
    });
}

/* Candidates in a message, wherever they stand: [{type, address, related}]. */
function candidatesIn(text) {
    return [...text.matchAll(/candidate:\S+ \d+ \S+ \d+ (\S+) \d+ typ (\w+)(?: raddr (\S+))?/g)]
        .map(([, address, type, related]) => ({ type, address, related }));
}

const isMessage = (text) => /"type":"(offer|answer|candidate|candidates)"/.test(text);

/* Relay to relay, and media goes on. */
async function assertRelayed(page) {
    const { bytes } = await transport(page);
    const { selected, received } = await until(async () => {
        const now = await transport(page);
        return now.bytes > bytes && now.received.length > 0 && now;
    }, "more media comes through the relay");
    for (const ends of [selected, ...received])
        assert.deepEqual(ends, [`relay ${RELAY}`, `relay ${RELAY}`]);
    const { iceServers } = page.got.map((frame) => JSON.parse(frame)).find(({ type }) => type === "joined");
    await turn.line((line) => line.includes(`username=<${iceServers[0].username}>`) && line.includes("new, "));
}

/* `tried`: what clients sent; `arrived`: what reached pages and the broker. Of those addresses that
 * belong to somebody nothing is there any more. */
function assertHidden(tried, arrived) {
    const candidates = tried.flatMap(candidatesIn);
    const own = new Set(candidates.flatMap(({ type, address, related }) => [type === "relay" ? undefined : address, related])
        .filter((address) => address !== undefined && address !== "0.0.0.0" && address !== "::"));
    assert.ok(candidates.some(({ type }) => type === "host") && own.size > 0, "there was something to keep back");
    const left = arrived.flatMap(candidatesIn);
    assert.ok(left.length > 0);
    for (const { type, address, related } of left)
        assert.deepEqual({ type, address, related }, { type: "relay", address: RELAY, related: "0.0.0.0" });
    for (const text of arrived) {
        for (const address of own)
            assert.ok(!text.includes(address), `${address} in ${text}`);
        assert.doesNotMatch(text, /typ (host|srflx|prflx)|\.local|127\.0\.0\.1/);
    }
}

test("a relay-only room: media through TURN, and no address of anybody on the way", async () => {
    const { tap, pages } = await call("relay-yard");
    for (const page of pages)
        await assertRelayed(page);
    const arrived = [...pages.flatMap((page) => page.got), ...tap.mail.all.map(({ text }) => text)].filter(isMessage);
    assert.ok(arrived.length >= 6, "offer, answer and candidates, at the pages and at the broker");
    assertHidden(pages.flatMap((page) => page.sent), arrived);
    await tap.end();
    await Promise.all(pages.map((page) => close(page)));
});

/* What the camera itself publishes, the broker shows before the bridge sees it: only what goes to the
 * page, and to the camera, is the bridge's. */
test("a camera in a relay-only room", async () => {
    const room = "relay-gate";
    const tap = await listen(room);
    const camera = startCamera({ mqtt: bridge.mqtt, room, name: "cam1", args: ["--address", "127.0.0.1"] });
    await camera.line(/ice-servers .*turn=1/);
    const page = await enter(room, "ada");
    await tileState(page, "cam1", "ready");
    await tile(page, "cam1").getByRole("button", { name: /^Play/ }).click();
    await tileState(page, "cam1", "live", CONNECT_MS);
    await framesAdvance(tile(page, "cam1").locator("video"), 15);
    await assertRelayed(page);

    const published = tap.mail.all.filter(({ text }) => isMessage(text));
    const to = (name) => published.filter(({ topic }) => topic.includes(`/peers/${name}/in/`)).map(({ text }) => text);
    assertHidden(page.sent, to("cam1"));
    assertHidden(to("ada"), page.got.filter(isMessage));
    await tap.end();
    await close(page);
    await endAll(camera);
});

test("the same in a room without a policy: the addresses are there, and media takes the direct way", async () => {
    const { tap, pages } = await call("open-yard");
    for (const page of pages) {
        const { selected } = await transport(page);
        assert.doesNotMatch(selected[0], /relay/);
        assert.ok(page.got.flatMap(candidatesIn).some(({ type }) => type === "host"));
    }
    assert.ok(tap.mail.all.flatMap(({ text }) => candidatesIn(text)).some(({ type }) => type === "host"));
    await tap.end();
    await Promise.all(pages.map((page) => close(page)));
});
