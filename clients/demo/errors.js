/* Errors as sentences for people. The word of the protocol stands beside each, so that it can be
 * looked up. */
import { byId, fill } from "./page.js";

const TOASTS_MAX = 4;
const TOAST_MS = 9000;

/* Words of the bridge and of the library. What is missing here shows its own sentence. */
const SENTENCES = {
    "invalid-message": "The bridge did not accept a message of this page.",
    "invalid-sdp": "The bridge did not accept the session description.",
    "invalid-candidate": "The bridge did not accept a network candidate.",
    "peer-taken": "This name is in use in the room. Choose another one.",
    "session-expired": "The bridge no longer knows this session. Joining again.",
    "rate-limited": "That was too fast. Wait a moment, then try again.",
    "unavailable": "The bridge cannot reach its broker right now. Try again in a moment.",
    "offline": "There was no connection to the bridge in time, so this was not sent.",
    "queue-full": "Too much is waiting for the connection to come back.",
    "interrupted": "The connection broke before the bridge answered. It may have arrived.",
    "timeout": "The bridge did not answer in time. It may have arrived.",
    "replaced": "This name joined from somewhere else, so this page has left the room.",
    "gave-up": "The bridge could not be reached.",
    "negotiation": "This browser and the other side could not agree on a connection.",
    "ice-failed": "No network path to the other side was found.",
    /* getUserMedia() */
    "NotAllowedError": "The browser may not use your camera or microphone. Allow it for this page and call again.",
    "NotFoundError": "No camera and no microphone was found.",
    "NotReadableError": "Your camera or microphone is in use by another program.",
    "SecurityError": "Cameras work only on secure pages: open this page over https, or on localhost.",
};

/* Here the bridge says it best: which claim of the token, how many bytes. */
const SPOKEN = new Set(["unauthorized", "forbidden", "too-large"]);

export function sentence(text) {
    const plain = text.trim().replace(/[.:]?$/, ".");
    return plain[0].toUpperCase() + plain.slice(1);
}

export function describe(error) {
    const word = error?.error ?? error?.name ?? "Error";
    if (word === "peer-not-found")
        return { word, text: error.to ? `${error.to} is not in the room.` : "That peer is not in the room." };
    if (SPOKEN.has(word) && error.message)
        return { word, text: sentence(error.message) };
    return { word, text: SENTENCES[word] ?? error?.message ?? "Something went wrong." };
}

/* Shows a sentence for some seconds, longer while the pointer or the focus is on it. The same text
 * again only starts the time anew. */
export function toast(text, { word = "", tone = "plain" } = {}) {
    const box = byId("toasts");
    for (const old of box.children)
        if (old.dataset.text === text)
            old.remove();
    const parts = fill("t-toast");
    const { root } = parts;
    root.dataset.tone = tone;
    root.dataset.text = text;
    root.setAttribute("role", tone === "error" ? "alert" : "status");
    parts.text.textContent = text;
    parts.word.textContent = word;
    parts.word.hidden = !word;
    parts.close.addEventListener("click", () => root.remove());
    let timer;
    const start = () => {
        timer = setTimeout(() => root.remove(), TOAST_MS);
    };
    const hold = () => clearTimeout(timer);
    root.addEventListener("pointerenter", hold);
    root.addEventListener("pointerleave", start);
    root.addEventListener("focusin", hold);
    root.addEventListener("focusout", start);
    box.append(root);
    while (box.children.length > TOASTS_MAX)
        box.firstElementChild.remove();
    start();
}

export function toastError(error, lead = "") {
    const { text, word } = describe(error);
    toast(lead ? `${lead} ${text}` : text, { word, tone: "error" });
}
