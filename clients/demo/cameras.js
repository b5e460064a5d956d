/* The wall: one tile for each camera of the room. A tile that was asked to play goes on wanting to:
 * when its camera comes back, or its video stops, it connects anew by itself. */
import { PeerLink } from "./sigbridge/index.js";
import { describe, toastError } from "./errors.js";
import { Meter } from "./meter.js";
import { bitrate, byId, clock, fill, isCamera, millis, modelOf, nameButton, setText, titleOf, token } from "./page.js";

const TICK_MS = 1000;
const SILENCE_MS = 1500;      /* no bytes for that long, with a reason to doubt: it does not flow */
const FIRST_FRAME_MS = 12_000; /* longest wait for a picture before the next try */
const STALLED_MS = 3000;      /* no bytes for that long: say so */
const STALLED_RETRY_MS = 8000;
const RETRY_MS = [2000, 5000, 10_000, 20_000, 30_000];

/* A try after these words would end the same way. */
const FINAL = new Set(["forbidden", "unauthorized", "invalid-message", "invalid-sdp", "too-large", "negotiation"]);
/* These say that one message is late or lost; whether video flows tells more. */
const PASSING = new Set(["offline", "interrupted", "timeout", "queue-full", "closed", "unexpected-answer", "invalid-candidate"]);

const STATES = {
    ready: "Ready",
    connecting: "Connecting",
    live: "Live",
    stalled: "Stalled",
    waiting: "Waiting",
    ended: "Ended",
    away: "Away",
};

class Tile {
    #signaling;
    #parts = fill("t-tile");
    #link = null;
    #meter = null;
    #openedAt = 0;
    #flowedAt = 0;   /* when bytes last came, of the current link */
    #bytes = 0;
    #hasPicture = false;
    #tries = 0;
    #retry = null;

    constructor(signaling, peer) {
        this.#signaling = signaling;
        this.name = peer.peer;
        this.present = true;
        this.wanted = false;
        this.state = "ready";
        const { play, stop, sound, full, video } = this.#parts;
        play.addEventListener("click", () => this.play());
        stop.addEventListener("click", () => {
            this.stop();
            this.#parts.play.focus();
        });
        sound.addEventListener("click", () => {
            video.muted = !video.muted;
            this.#showSound();
        });
        full.addEventListener("click", () => this.#fullScreen());
        video.muted = true; /* the attribute of a template's copy is not enough everywhere */
        this.describe(peer);
        this.#show("ready");
    }

    get root() {
        return this.#parts.root;
    }

    describe(peer) {
        const { root, name, model, play, stop, full, video } = this.#parts;
        this.title = titleOf(peer);
        root.dataset.peer = peer.peer;
        setText(name, this.title);
        setText(model, modelOf(peer) || (this.title === peer.peer ? "" : peer.peer));
        nameButton(play, `Play ${this.title}`);
        nameButton(stop, `Stop ${this.title}`);
        nameButton(full, `${this.title} on the full screen`);
        video.setAttribute("aria-label", `Video of ${this.title}`);
        this.#showSound();
    }

    play() {
        const { play, stop } = this.#parts;
        const hadFocus = document.activeElement === play;
        this.wanted = true;
        this.#tries = 0;
        if (this.present)
            this.#open();
        else
            this.#show("away");
        if (hadFocus) /* the button is gone now */
            stop.focus();
    }

    /* What the user wants. The tile of a camera that is gone has no reason to stay then. */
    stop() {
        this.wanted = false;
        this.#drop("stopped");
        this.#show(this.present ? "ready" : "away");
        this.onchange?.();
    }

    destroy() {
        this.wanted = false;
        this.#drop("left");
    }

    /* The camera left the room. Its video may well go on, so the link is kept while bytes come. */
    left() {
        this.present = false;
        clearTimeout(this.#retry);
        if (!this.#link)
            this.#show("away");
        else
            this.#doubt(() => {
                this.#drop("gone");
                this.#show("away");
            });
    }

    /* The camera came (back), perhaps as a new process that knows nothing of our link. */
    came(peer) {
        this.present = true;
        this.describe(peer);
        if (!this.wanted)
            this.#show("ready");
        else if (!this.#link)
            this.#open();
        else
            this.#doubt(() => this.#open());
    }

    /* Once a second: read the figures, and notice when nothing comes any more. */
    async tick() {
        const link = this.#link;
        if (!link)
            return;
        const figures = await this.#meter.read();
        if (link !== this.#link)
            return;
        const now = performance.now();
        if (figures.bytes !== this.#bytes) {
            this.#bytes = figures.bytes;
            this.#flowedAt = now;
        }
        const silent = now - Math.max(this.#flowedAt, this.#openedAt);
        this.#showFigures(figures);
        if (!this.present && silent > STALLED_MS) {
            this.#drop("gone");
            this.#show("away");
        } else if (!this.#hasPicture) {
            if (silent > FIRST_FRAME_MS)
                this.#fail("No picture came.");
        } else if (silent > STALLED_RETRY_MS) {
            this.#fail("The video stopped.");
        } else {
            this.#show(silent > STALLED_MS ? "stalled" : "live");
            if (silent < TICK_MS)
                this.#tries = 0;
        }
    }

    /* Runs `otherwise` when no bytes come for a moment on the link of now. */
    async #doubt(otherwise) {
        const link = this.#link;
        const present = this.present;
        const before = (await this.#meter.read()).bytes;
        await new Promise((resolve) => setTimeout(resolve, SILENCE_MS));
        if (link !== this.#link || present !== this.present)
            return;
        const after = (await this.#meter.read()).bytes;
        if (link === this.#link && present === this.present && after === before)
            otherwise();
    }

    #open() {
        this.#drop("renewed");
        const { video } = this.#parts;
        let link;
        try {
            link = new PeerLink(this.#signaling, this.name, { call: token(), media: { video: true, audio: true } });
        } catch (error) {
            toastError(error, `${this.title}:`);
            return;
        }
        this.#link = link;
        this.#meter = new Meter(link.pc);
        this.#openedAt = performance.now();
        this.#flowedAt = 0;
        this.#bytes = 0;
        this.#hasPicture = false;
        const stream = new MediaStream();
        const mine = (handler) => (event) => link === this.#link && handler(event.detail);
        link.addEventListener("track", mine(({ track }) => {
            stream.addTrack(track);
            this.#showSound();
        }));
        link.addEventListener("close", mine(({ reason }) => {
            this.#drop();
            this.#show("ended", reason ? `Ended by the camera: ${reason}` : "Ended by the camera.");
        }));
        link.addEventListener("error", mine((error) => this.#refused(error)));
        const sent = mine(({ direction, message }) => {
            if (direction === "out" && message.type === "offer" && message.call === link.call) {
                this.#signaling.removeEventListener("wire", sent);
                this.offeredAt = performance.now();
            }
        });
        this.#signaling.addEventListener("wire", sent);
        link.addEventListener("close", () => this.#signaling.removeEventListener("wire", sent));
        video.srcObject = stream;
        video.play().catch(() => {}); /* refused or replaced: the picture or the next try tells */
        const first = () => link === this.#link && !this.#hasPicture && this.#firstPicture();
        video.addEventListener("loadeddata", first, { once: true });
        video.requestVideoFrameCallback?.(first);
        this.#show("connecting");
        link.start();
        this.onchange?.();
    }

    #firstPicture() {
        const { root, first } = this.#parts;
        const now = performance.now();
        this.#hasPicture = true;
        this.#flowedAt = now;
        root.dataset.offerToFrame = (now - this.offeredAt).toFixed(1);
        setText(first, millis(now - this.#openedAt));
        first.title = `${millis(now - this.offeredAt)} after the offer was sent`;
        this.#show("live");
    }

    #refused(error) {
        if (error.error === "peer-not-found") {
            if (!this.#hasPicture)
                this.#fail(describe(error).text, { retry: this.present });
        } else if (error.error === "ice-failed") {
            this.#fail(describe(error).text);
        } else if (!PASSING.has(error.error) && !this.#hasPicture) {
            this.#fail(describe(error).text, { retry: !FINAL.has(error.error) });
        }
    }

    /* Gives the link up; tries again after a while that grows, when that may help. Without a
     * connection to the bridge, a new link would only lose what the old one still has. */
    #fail(text, { retry = true } = {}) {
        if (this.#signaling.state !== "joined") {
            this.#show("stalled", "");
            return;
        }
        this.#drop("failed");
        if (!retry || !this.present) {
            this.#show(this.present ? "ended" : "away", text);
            return;
        }
        const delay = RETRY_MS[Math.min(this.#tries++, RETRY_MS.length - 1)];
        this.#show("waiting", `${text} Trying again in ${delay / 1000} s.`);
        this.#retry = setTimeout(() => this.wanted && this.present && this.#open(), delay);
    }

    #drop(reason) {
        clearTimeout(this.#retry);
        const link = this.#link;
        if (link && this.#hasPicture)
            this.#keepStill();
        this.#link = null;
        this.#meter = null;
        link?.close(reason);
    }

    /* ---- what is seen ---- */

    #show(state, notice) {
        const { root, video, still, play, controls, notice: note, state: word, size, rate, bits, first } = this.#parts;
        const changed = state !== this.state;
        this.state = state;
        root.dataset.state = state;
        root.dataset.wanted = String(this.wanted);
        if (state === "away" && changed)
            this.awaySince = Date.now();
        setText(word, STATES[state]);
        play.hidden = !["ready", "ended"].includes(state);
        controls.hidden = !this.wanted || state === "ended";
        if (notice === undefined)
            notice = state === "away" ? `Gone since ${clock(this.awaySince)}.${this.wanted ? " Resumes when the camera is back." : ""}`
                : state === "stalled" ? "No video is coming."
                : "";
        setText(note, notice);
        if (!this.#link)
            for (const figure of [size, rate, bits, first])
                setText(figure, "–");
        if (state === "ready" || state === "connecting")
            first.removeAttribute("title");
        if (state === "ready") {
            still.width = still.width; /* clears it */
            video.srcObject = null;
            video.muted = true;
        }
        this.#showSound();
        if (changed)
            this.onchange?.();
    }

    /* The last picture stays, dimmed, where the video of a closed connection would go black. */
    #keepStill() {
        const { still, video } = this.#parts;
        still.width = video.videoWidth || 16;
        still.height = video.videoHeight || 9;
        still.getContext("2d").drawImage(video, 0, 0);
    }

    #showFigures({ width, height, framesPerSecond, bitsPerSecond, codec }) {
        const { size, rate, bits } = this.#parts;
        if (!this.#hasPicture)
            return;
        setText(size, width ? `${width}×${height}` : "–");
        setText(rate, `${Math.round(framesPerSecond)} /s`);
        setText(bits, bitrate(bitsPerSecond));
        size.title = codec;
    }

    #showSound() {
        const { sound, video } = this.#parts;
        const audible = Boolean(this.#link) && Boolean(video.srcObject?.getAudioTracks().length);
        sound.disabled = !audible;
        sound.setAttribute("aria-pressed", String(audible && !video.muted));
        nameButton(sound, audible ? `Sound of ${this.title}` : `${this.title} sends no sound`);
    }

    #fullScreen() {
        const { screen, video } = this.#parts;
        if (document.fullscreenElement)
            document.exitFullscreen();
        else if (screen.requestFullscreen)
            screen.requestFullscreen().catch(() => {});
        else
            video.webkitEnterFullscreen?.(); /* iPhone: videos only */
    }
}

export class Wall {
    #signaling;
    #tiles = new Map();
    #timer;

    constructor(signaling, { playAll = false } = {}) {
        this.#signaling = signaling;
        this.autoplay = playAll;
        signaling.addEventListener("joined", () => this.#sync());
        signaling.addEventListener("presence", ({ detail }) => this.#presence(detail));
        this.playAll = () => this.#idle().forEach((tile) => tile.play());
        byId("play-all").addEventListener("click", this.playAll);
        this.#timer = setInterval(() => this.#tiles.forEach((tile) => tile.tick()), TICK_MS);
        this.#count();
    }

    destroy() {
        clearInterval(this.#timer);
        byId("play-all").removeEventListener("click", this.playAll);
        for (const tile of this.#tiles.values()) {
            tile.onchange = null;
            tile.destroy();
            tile.root.remove();
        }
        this.#tiles.clear();
    }

    #idle() {
        return [...this.#tiles.values()].filter((tile) => tile.present && !tile.wanted);
    }

    /* Brings the wall in line with the roster, whatever was missed. */
    #sync() {
        for (const peer of this.#signaling.peers.values())
            if (isCamera(peer) && !this.#tiles.has(peer.peer))
                this.#came(peer);
        for (const tile of [...this.#tiles.values()])
            if (tile.present && !this.#signaling.peers.has(tile.name))
                this.#left(tile.name);
    }

    #presence({ joined, updated, left }) {
        for (const { peer } of left)
            this.#left(peer);
        for (const peer of joined)
            this.#came(peer);
        for (const peer of updated)
            if (this.#tiles.get(peer.peer)?.present)
                this.#tiles.get(peer.peer).describe(peer);
            else
                this.#came(peer);
    }

    #came(peer) {
        let tile = this.#tiles.get(peer.peer);
        if (tile) {
            tile.came(peer);
        } else if (isCamera(peer)) {
            tile = new Tile(this.#signaling, peer);
            tile.onchange = () => this.#changed(tile);
            this.#tiles.set(peer.peer, tile);
            this.#place(tile);
            if (this.autoplay)
                tile.play();
        }
        this.#count();
    }

    #left(name) {
        this.#tiles.get(name)?.left();
        this.#count();
    }

    #place(tile) {
        const list = byId("tiles");
        const before = [...this.#tiles.values()]
            .filter((other) => other !== tile && other.title.localeCompare(tile.title) > 0)
            .sort((a, b) => a.title.localeCompare(b.title))[0];
        list.insertBefore(tile.root, before?.root ?? null);
    }

    #changed(tile) {
        if (!tile.present && !tile.wanted) {
            tile.onchange = null;
            tile.destroy();
            tile.root.remove();
            this.#tiles.delete(tile.name);
        }
        this.#count();
    }

    #count() {
        const tiles = [...this.#tiles.values()];
        const playing = tiles.filter((tile) => tile.state === "live").length;
        byId("wall-empty").hidden = tiles.length > 0;
        byId("play-all").hidden = this.#idle().length < 2;
        setText(byId("wall-count"), tiles.length === 0 ? "" : `${playing} of ${tiles.length} playing`);
    }
}
