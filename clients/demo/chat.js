/* Text chat over `message`: {"kind":"chat","text":…} to the room, or to one peer with "direct":true. */
import { toastError } from "./errors.js";
import { byId, clock, fill, isCamera, setText, titleOf } from "./page.js";

const LINES_MAX = 300;
const TEXT_MAX = 2000;

export class Chat {
    #signaling;
    #unread = 0;
    #isOpen;
    #abort = new AbortController();

    /* `isOpen()` tells whether somebody sees the chat right now. */
    constructor(signaling, isOpen) {
        this.#signaling = signaling;
        this.#isOpen = isOpen;
        signaling.addEventListener("message", ({ detail }) => this.#came(detail));
        signaling.addEventListener("presence", () => this.#targets());
        signaling.addEventListener("joined", () => this.#targets());
        byId("say").addEventListener("submit", (event) => {
            event.preventDefault();
            this.#say();
        }, { signal: this.#abort.signal });
    }

    destroy() {
        this.#abort.abort();
        byId("talk").replaceChildren();
        byId("talk-empty").hidden = false;
        this.seen();
    }

    /* The chat is on the screen: nothing is unread. */
    seen() {
        this.#unread = 0;
        byId("chat-unread").hidden = true;
        byId("talk").scrollTop = byId("talk").scrollHeight;
    }

    writeTo(peer) {
        byId("say-to").value = peer;
        byId("say-text").focus();
    }

    #targets() {
        const select = byId("say-to");
        const chosen = select.value;
        const people = [...this.#signaling.peers.values()].filter((peer) => !isCamera(peer) && peer.kind !== "sfu");
        const options = people
            .sort((a, b) => titleOf(a).localeCompare(titleOf(b)))
            .map((peer) => new Option(titleOf(peer), peer.peer));
        select.replaceChildren(new Option("everyone", ""), ...options);
        select.value = people.some(({ peer }) => peer === chosen) ? chosen : "";
    }

    async #say() {
        const field = byId("say-text");
        const text = field.value.trim();
        const to = byId("say-to").value;
        if (!text)
            return;
        field.value = "";
        const line = this.#add({ who: "You", how: to ? `to ${to}` : "", text, own: true });
        line.root.dataset.sending = "true";
        try {
            const data = { kind: "chat", text, ...(to && { direct: true }) };
            await this.#signaling.message(data, to ? { to } : {});
            delete line.root.dataset.sending;
        } catch (error) {
            line.root.dataset.failed = "true";
            delete line.root.dataset.sending;
            setText(line.how, "not sent");
            toastError(error);
        }
    }

    #came({ from, data, sent }) {
        const text = typeof data === "string" ? data
            : data?.kind === "chat" && typeof data.text === "string" ? data.text
            : null;
        if (text === null)
            return; /* other applications share the room */
        const peer = this.#signaling.peers.get(from);
        this.#add({
            who: peer ? titleOf(peer) : from,
            how: data.direct === true ? "to you" : "",
            text: text.slice(0, TEXT_MAX),
            at: sent,
        });
        if (!this.#isOpen()) {
            this.#unread++;
            byId("chat-unread").hidden = false;
            setText(byId("chat-unread"), String(Math.min(this.#unread, 99)));
            byId("chat-unread").setAttribute("aria-label", `${this.#unread} unread`);
        }
    }

    #add({ who, how, text, at = Date.now(), own = false }) {
        const list = byId("talk");
        const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 60;
        const line = fill("t-said");
        line.root.dataset.own = String(own);
        line.who.textContent = who;
        line.how.textContent = how;
        line.when.textContent = clock(at);
        line.when.dateTime = new Date(at).toISOString();
        line.text.textContent = text;
        list.append(line.root);
        while (list.children.length > LINES_MAX)
            list.firstElementChild.remove();
        byId("talk-empty").hidden = true;
        if (atEnd || own)
            list.scrollTop = list.scrollHeight;
        return line;
    }
}
