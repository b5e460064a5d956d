/* "On the wire": every message of the connection, newest first. Bounded; what is secret is masked
 * before it is kept. */
import { byId, bytes, clock, fill, setText } from "./page.js";

const ROWS_MAX = 500;
const MASK = "••••••••";
const SECRETS = new Set(["secret", "token", "credential", "password", "pwd"]);
const encoder = new TextEncoder();

/* A copy for eyes: secrets and ICE passwords blanked. */
export function masked(value, name = "") {
    if (SECRETS.has(name) && value !== null && typeof value !== "object")
        return MASK;
    if (typeof value === "string")
        return value.replace(/(a=ice-pwd:)[^\r\n]+/g, `$1${MASK}`);
    if (Array.isArray(value))
        return value.map((entry) => masked(entry));
    if (value && typeof value === "object")
        return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, masked(entry, key)]));
    return value;
}

/* Indented JSON; a session description follows as the lines that it is. */
function printed(message) {
    const { sdp, ...rest } = message;
    if (typeof sdp !== "string")
        return JSON.stringify(message, null, 2);
    const lines = sdp.split(/\r?\n/).filter(Boolean);
    return `${JSON.stringify({ ...rest, sdp: `${lines.length} lines` }, null, 2)}\n\n${lines.join("\n")}`;
}

/* Whom a message is about: its peer, or the peers of a presence. */
function peersOf(message) {
    if (message.to || message.from)
        return message.to ?? message.from;
    const names = [message.joined, message.updated, message.left]
        .flatMap((peers) => (Array.isArray(peers) ? peers : []))
        .map((entry) => String(entry?.peer));
    if (names.length)
        return names.length > 2 ? `${names[0]} and ${names.length - 1} more` : names.join(", ");
    return message.type === "message" ? "everyone" : String(message.peer ?? "");
}

export class Wire {
    #entries = [];     /* newest first; those of the list, whether shown or not */
    #held = [];        /* came while paused */
    #paused = false;
    #types = new Set();
    #asked = new Map(); /* id of a request: what it was, for the ack's row */
    #abort = new AbortController();

    constructor(signaling) {
        const { signal } = this.#abort;
        signaling.addEventListener("wire", ({ detail }) => this.#came(detail), { signal });
        byId("wire-type").addEventListener("change", () => this.#filter(), { signal });
        byId("wire-pause").addEventListener("click", () => this.#pause(!this.#paused), { signal });
        byId("wire-clear").addEventListener("click", () => this.#clear(), { signal });
        this.#count();
    }

    destroy() {
        this.#abort.abort();
        this.#pause(false);
        this.#clear();
        byId("wire-type").length = 1;
    }

    #came({ direction, message, at }) {
        const type = String(message.type ?? "unknown");
        const about = peersOf(message);
        const entry = {
            direction,
            at,
            type,
            peer: this.#matched(direction, type, message.id, about),
            size: encoder.encode(JSON.stringify(message)).length,
            message: masked(message),
        };
        if (this.#paused) {
            this.#held.push(entry);
            this.#held.splice(0, this.#held.length - ROWS_MAX);
        } else {
            this.#add(entry);
        }
        this.#count();
    }

    /* An ack names only an id; its row says what was acknowledged. */
    #matched(direction, type, id, about) {
        if (direction === "out" && id !== undefined) {
            this.#asked.set(id, `${type} ${about}`.trim());
            if (this.#asked.size > ROWS_MAX)
                this.#asked.delete(this.#asked.keys().next().value);
        }
        if (type !== "ack")
            return about;
        const asked = this.#asked.get(id) ?? "";
        this.#asked.delete(id);
        return asked;
    }

    #add(entry) {
        this.#offerType(entry.type);
        const row = fill("t-wire");
        entry.root = row.root;
        row.root.dataset.direction = entry.direction;
        row.root.dataset.type = entry.type;
        row.time.textContent = clock(entry.at, true);
        row.way.textContent = entry.direction === "out" ? "↑" : "↓";
        row.way.setAttribute("role", "img");
        row.way.setAttribute("aria-label", entry.direction === "out" ? "sent" : "received");
        row.type.textContent = entry.type;
        row.peer.textContent = entry.peer;
        row.peer.title = entry.peer;
        row.size.textContent = bytes(entry.size);
        row.details.addEventListener("toggle", () => {
            row.body.textContent = row.details.open ? printed(entry.message) : "";
        });
        row.root.hidden = !this.#fits(entry);
        this.#entries.unshift(entry);
        byId("wire").prepend(row.root);
        for (const old of this.#entries.splice(ROWS_MAX))
            old.root.remove();
    }

    #offerType(type) {
        if (this.#types.has(type))
            return;
        this.#types.add(type);
        const select = byId("wire-type");
        const next = [...select.options].slice(1).find((option) => option.value > type);
        select.add(new Option(type, type), next ?? null);
    }

    #fits(entry) {
        const type = byId("wire-type").value;
        return !type || entry.type === type;
    }

    #filter() {
        for (const entry of this.#entries)
            entry.root.hidden = !this.#fits(entry);
        this.#count();
    }

    #pause(paused) {
        this.#paused = paused;
        byId("wire-pause").setAttribute("aria-pressed", String(paused));
        setText(byId("wire-pause"), paused ? "Resume" : "Pause");
        if (!paused)
            for (const entry of this.#held.splice(0))
                this.#add(entry);
        this.#count();
    }

    #clear() {
        this.#entries = [];
        this.#held = [];
        this.#types.clear();
        byId("wire").replaceChildren();
        byId("wire-type").length = 1;
        this.#count();
    }

    #count() {
        const shown = this.#entries.filter((entry) => !entry.root.hidden).length;
        const text = `${shown} shown`;
        setText(byId("wire-count"), this.#held.length ? `${this.#held.length} held back` : text);
    }
}
