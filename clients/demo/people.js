/* Who is present, since when, and who left lately. */
import { ago, byId, clock, fill, isCamera, modelOf, nameButton, setIcon, setText, titleOf } from "./page.js";

const GONE_MAX = 8;
const REFRESH_MS = 20_000;

/* The protocol's reasons. One that is not here reads as "gone". */
const REASONS = {
    leave: "left",
    closed: "closed the page",
    timeout: "fell silent",
    gone: "vanished",
    ttl: "fell silent",
    replaced: "replaced by a newer one",
    drain: "its bridge stopped",
    "bridge-gone": "its bridge vanished",
    "bridge-restart": "its bridge vanished",
    missed: "left meanwhile",
};

const iconOf = (peer) => (peer.kind === "sfu" ? "server" : isCamera(peer) ? "cam" : "browser");
const nounOf = (peer) => (peer.kind === "sfu" ? "Media server" : isCamera(peer) ? "Camera" : peer.kind === "http" ? "Viewer" : "Browser");

export class People {
    #signaling;
    #actions;
    #rows = new Map();
    #gone = [];
    #timer;
    #since = Date.now();

    /* `call(peer)` and `write(peer)` are the two things one can do with somebody. */
    constructor(signaling, actions) {
        this.#signaling = signaling;
        this.#actions = actions;
        signaling.addEventListener("joined", ({ detail }) => {
            if (!detail.rejoined)
                this.#since = Date.now();
            this.#show();
        });
        signaling.addEventListener("presence", ({ detail }) => this.#presence(detail));
        this.#timer = setInterval(() => this.#show(), REFRESH_MS);
    }

    destroy() {
        clearInterval(this.#timer);
        this.#rows.clear();
        byId("people").replaceChildren();
        byId("gone").replaceChildren();
        byId("gone-block").hidden = true;
    }

    #presence({ joined, left }) {
        for (const { peer, reason } of left)
            this.#gone.unshift({ peer, reason, at: Date.now() });
        const back = new Set(joined.map(({ peer }) => peer));
        this.#gone = this.#gone
            .filter((entry, index, all) => !back.has(entry.peer) && all.findIndex((e) => e.peer === entry.peer) === index)
            .slice(0, GONE_MAX);
        this.#show();
    }

    #show() {
        const own = { peer: this.#signaling.peer, kind: "browser", meta: this.#signaling.meta, since: this.#since };
        const others = [...this.#signaling.peers.values()]
            .sort((a, b) => isCamera(a) - isCamera(b) || titleOf(a).localeCompare(titleOf(b)));
        const wanted = [own, ...others];
        const names = new Set(wanted.map(({ peer }) => peer));
        for (const [name, row] of this.#rows)
            if (!names.has(name)) {
                row.root.remove();
                this.#rows.delete(name);
            }
        const list = byId("people");
        wanted.forEach((peer, index) => {
            const row = this.#row(peer, peer === own);
            if (list.children[index] !== row.root)
                list.insertBefore(row.root, list.children[index] ?? null);
        });
        setText(byId("people-count"), String(wanted.length));
        this.#showGone();
    }

    #row(peer, isOwn) {
        let row = this.#rows.get(peer.peer);
        if (!row) {
            row = fill("t-person");
            row.root.dataset.peer = peer.peer;
            row.call.addEventListener("click", () => this.#actions.call(peer.peer));
            row.write.addEventListener("click", () => this.#actions.write(peer.peer));
            this.#rows.set(peer.peer, row);
        }
        const title = titleOf(peer);
        const camera = isCamera(peer);
        setIcon(row.kind, iconOf(peer));
        row.face.dataset.kind = camera ? "camera" : "person";
        setText(row.name, isOwn ? `${title} (you)` : title);
        setText(row.about, [modelOf(peer) || nounOf(peer), peer.since ? ago(peer.since) : ""].filter(Boolean).join(" · "));
        row.about.title = peer.since ? `${nounOf(peer)} ${peer.peer}, here since ${new Date(peer.since).toLocaleString()}` : peer.peer;
        row.call.hidden = isOwn || camera || peer.kind === "sfu";
        row.write.hidden = isOwn || camera || peer.kind === "sfu";
        nameButton(row.call, `Call ${title}`);
        nameButton(row.write, `Write to ${title}`);
        return row;
    }

    #showGone() {
        byId("gone-block").hidden = this.#gone.length === 0;
        byId("gone").replaceChildren(...this.#gone.map(({ peer, reason, at }) => {
            const row = document.createElement("li");
            const name = document.createElement("span");
            name.textContent = peer;
            const how = document.createElement("span");
            how.className = "hint";
            how.textContent = `${REASONS[reason] ?? REASONS.gone} · ${clock(at)}`;
            row.append(name, how);
            return row;
        }));
    }
}
