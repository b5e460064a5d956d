/* The page: join a room, then hand the connection to its parts. URL parameters: room and peer fill the
 * form; `join` joins at once; `play` plays every camera that appears. A token may stand behind the `#`,
 * which browsers send to nobody: #token=eyJ... It is taken out of the address bar at once, and lives in
 * this variable only. */
import { Signaling } from "./sigbridge/index.js";
import { Calls } from "./calls.js";
import { Wall } from "./cameras.js";
import { Chat } from "./chat.js";
import { describe, sentence, toast } from "./errors.js";
import { byId, setText } from "./page.js";
import { People } from "./people.js";
import { Tabs } from "./tabs.js";
import { Wire } from "./wire.js";

const NAME = /^[A-Za-z0-9][A-Za-z0-9._~-]{0,63}$/;
const WORDS = ["alder", "aspen", "birch", "cedar", "elm", "hazel", "juniper", "larch", "linden", "maple", "rowan", "willow"];
const COUNTDOWN_MS = 250;

const parameters = new URLSearchParams(location.search);
const form = byId("join-form");
let visit = null; /* {signaling, parts} of the room we are in or enter */
let token;        /* undefined: none */

/* ---- the form ---- */

function suggestName() {
    const [word, number] = crypto.getRandomValues(new Uint16Array(2));
    return `${WORDS[word % WORDS.length]}-${10 + (number % 90)}`;
}

/* A reload of the tab keeps the name; another tab gets another one. */
function rememberedName() {
    try {
        return sessionStorage.getItem("peer");
    } catch {
        return null; /* storage may be forbidden */
    }
}

function rememberName(name) {
    try {
        sessionStorage.setItem("peer", name);
    } catch {
        /* then the next visit suggests a new one */
    }
}

/* True: there was one. */
function takeToken() {
    const fragment = new URLSearchParams(location.hash.slice(1));
    if (!fragment.has("token"))
        return false;
    token = fragment.get("token").trim() || undefined;
    fragment.delete("token");
    const rest = String(fragment);
    history.replaceState(null, "", `${location.pathname}${location.search}${rest && `#${rest}`}`);
    return token !== undefined;
}

function askForToken() {
    byId("join-token-field").hidden = false;
    form.elements.token.value = "";
    return form.elements.token;
}

function showRefusal(text, word = "", field) {
    const box = byId("join-error");
    box.replaceChildren(text);
    if (word) {
        const code = document.createElement("code");
        code.textContent = word;
        box.append(" ", code);
    }
    box.hidden = !text;
    for (const input of form.querySelectorAll("input"))
        input.toggleAttribute("aria-invalid", input === field);
    field?.focus();
}

function checkedName(input, what) {
    const value = input.value.trim();
    if (NAME.test(value))
        return value;
    showRefusal(value
        ? `${what} must begin with a letter or digit and hold only letters, digits and . _ ~ - (at most 64).`
        : `${what} is missing.`, "", input);
    return null;
}

function showJoining(joining) {
    byId("join-submit").disabled = joining;
    byId("join-submit").dataset.busy = String(joining);
    setText(byId("join-submit"), joining ? "Joining…" : "Join");
    byId("join-cancel").hidden = !joining;
    for (const input of form.querySelectorAll("input"))
        input.readOnly = joining;
}

/* ---- connection state ---- */

const LAMPS = { joined: "good", connecting: "busy", joining: "busy", waiting: "bad", idle: "off", closed: "off" };
/* While the bridge keeps our place, nobody has missed us, and nothing will be missing. */
const OUTAGES = {
    kept: "Connection lost, back in a moment. Calls and video go on.",
    lost: "The connection to the bridge is lost. Calls and video go on, but others may see that you are gone.",
};
let countdown;

function showState({ state, retryIn, error, reason, resumable }) {
    clearInterval(countdown);
    const lamp = byId("connection");
    const outage = byId("outage");
    lamp.dataset.state = LAMPS[state];
    const isOutage = document.body.dataset.stage === "room" && state !== "joined";
    outage.hidden = !isOutage;
    byId("outage-retry").disabled = state !== "waiting";
    if (state !== "waiting") {
        const words = { joined: "Connected", idle: "Not connected", closed: "Not connected" };
        setText(byId("connection-text"), words[state] ?? (isOutage ? "Reconnecting…" : "Connecting…"));
    } else {
        const end = performance.now() + (retryIn ?? 0);
        const show = () => {
            const seconds = Math.max(1, Math.ceil((end - performance.now()) / 1000));
            setText(byId("connection-text"), `Reconnecting in ${seconds} s`);
            if (document.body.dataset.stage === "join")
                showRefusal(`${error ? sentence(reason) : `The bridge at ${location.host} does not answer.`} Trying again in ${seconds} s.`, error);
        };
        show();
        countdown = setInterval(show, COUNTDOWN_MS);
    }
    if (isOutage && state === "waiting") {
        outage.dataset.place = resumable ? "kept" : "lost";
        setText(byId("outage-text"), OUTAGES[outage.dataset.place]);
        setText(byId("announce"), resumable ? "Connection lost, back in a moment" : "Connection lost, reconnecting");
    }
    if (state === "joined")
        setText(byId("announce"), "Connected");
}

/* ---- in and out ---- */

/* What others see beside our name: "Chromium 156, Linux". */
function browserModel() {
    const data = navigator.userAgentData;
    const brand = data?.brands?.find((entry) => !/not.?a.?brand|chromium/i.test(entry.brand)) ?? data?.brands?.find((entry) => entry.brand === "Chromium");
    if (brand)
        return [`${brand.brand} ${brand.version}`, data.platform].filter(Boolean).join(", ");
    const [, name, version] = /(Firefox|Version|Chrome)\/(\d+)/.exec(navigator.userAgent) ?? [];
    return name ? `${name === "Version" ? "Safari" : name} ${version}` : "Browser";
}

async function enter(room, peer) {
    const url = new URL("ws", document.baseURI);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    url.search = "";
    const signaling = new Signaling(url, { room, peer, token, meta: { model: browserModel() } });
    const mine = { signaling, parts: [] };
    visit = mine;
    showJoining(true);
    showRefusal("");
    const chat = new Chat(signaling, () => tabs.isVisible("chat"));
    const calls = new Calls(signaling, {
        onring: (who) => setTitle(who ? `${who} calls` : room),
        onshow: () => tabs.narrow && tabs.select("cameras"),
    });
    mine.parts.push(
        new Wire(signaling),
        new Wall(signaling, { playAll: parameters.has("play") }),
        new People(signaling, {
            call: (name) => calls.start(name),
            write: (name) => {
                tabs.select("chat");
                chat.writeTo(name);
            },
        }),
        chat,
        calls,
    );
    mine.chat = chat;
    signaling.addEventListener("state", ({ detail }) => visit === mine && showState(detail));
    signaling.addEventListener("joined", ({ detail }) => {
        if (visit === mine && detail.rejoined)
            toast("You are in the room again. What was said while you were away is missing.");
    });
    signaling.addEventListener("closing", () => toast("The bridge is about to stop. This page comes back by itself."));
    signaling.addEventListener("error", ({ detail }) => {
        if (visit !== mine)
            return;
        if (signaling.state === "idle" || signaling.state === "closed")
            leave(detail);
        else if (document.body.dataset.stage === "room")
            toast(describe(detail).text, { word: detail.error, tone: "error" });
    });
    try {
        const { peer: name } = await signaling.connect();
        if (visit === mine)
            showRoom(room, name);
    } catch (error) {
        if (visit === mine)
            leave(error);
    }
}

function setTitle(text) {
    document.title = text ? `${text} · sigbridge` : "sigbridge";
}

function showRoom(room, peer) {
    showJoining(false);
    byId("join-token-field").hidden = true;
    rememberName(peer);
    setText(byId("where-room"), room);
    setText(byId("where-self"), peer);
    byId("join").hidden = true;
    byId("room").hidden = false;
    document.body.dataset.stage = "room";
    showState({ state: visit.signaling.state });
    setTitle(room);
    parameters.set("room", room);
    parameters.set("peer", peer);
    history.replaceState(null, "", `?${parameters.toString().replace(/=(?=&|$)/g, "")}`);
    byId("main").focus({ preventScroll: true });
}

/* Why we are back at the form, and which field can change it. */
function showError(error) {
    const { text, word } = describe(error);
    const field = ["peer-taken", "replaced"].includes(word) ? form.elements.peer
        : word === "unauthorized" || (word === "forbidden" && token !== undefined) ? askForToken()
        : undefined;
    const hadNone = word === "unauthorized" && token === undefined;
    if (word === "unauthorized")
        token = undefined;
    showRefusal(hadNone ? "This bridge lets nobody in without a token. Enter yours." : text, word, field);
}

/* Back to the form, with an error when that is why. */
async function leave(error) {
    const { signaling, parts } = visit;
    visit = null;
    clearInterval(countdown);
    for (const part of parts)
        part.destroy();
    showJoining(false);
    byId("room").hidden = true;
    byId("outage").hidden = true;
    byId("join").hidden = false;
    document.body.dataset.stage = "join";
    setTitle("");
    if (error) {
        showError(error);
    } else {
        showRefusal("");
        form.elements.peer.focus();
    }
    if (signaling.state === "joined")
        await signaling.leave().catch(() => {}); /* the socket closes next, which says the same */
    signaling.close();
}

/* ---- start ---- */

const tabs = new Tabs((view) => view === "chat" && visit?.chat.seen());

form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (visit)
        return;
    const room = checkedName(form.elements.room, "The room");
    const peer = room && checkedName(form.elements.peer, "Your name");
    if (!peer)
        return;
    token = form.elements.token.value.trim() || token;
    form.elements.token.value = "";
    enter(room, peer);
});
byId("join-cancel").addEventListener("click", () => visit && leave());
byId("leave").addEventListener("click", () => visit && leave());
byId("outage-retry").addEventListener("click", () => visit?.signaling.reconnect());
window.addEventListener("online", () => visit?.signaling.state === "waiting" && visit.signaling.reconnect());
window.addEventListener("pagehide", () => visit && leave());

takeToken();
window.addEventListener("hashchange", () => takeToken() && !visit && form.requestSubmit());

form.elements.room.value = parameters.get("room") ?? "lobby";
form.elements.peer.value = parameters.get("peer") ?? rememberedName() ?? suggestName();
if (parameters.has("join"))
    form.requestSubmit();
else
    form.elements.peer.select();
