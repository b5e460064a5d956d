/* Calls between two browsers, one at a time: ringing, talking, hanging up. A data channel carries what
 * the other side has switched off. */
import { PeerLink } from "./sigbridge/index.js";
import { toast, toastError } from "./errors.js";
import { closeMedia, openMedia } from "./media.js";
import { Meter } from "./meter.js";
import { bitrate, byId, duration, nameButton, setText, titleOf, token } from "./page.js";

const RING_MS = 45_000;
const TICK_MS = 1000;
const DEVICES = "devices"; /* label of the data channel */

const ENDINGS = {
    declined: (who) => `${who} declined the call.`,
    busy: (who) => `${who} is in another call.`,
    "no-answer": (who) => `${who} did not answer.`,
    "no-media": (who) => `${who} could not start a camera or microphone.`,
    "hang-up": (who) => `${who} hung up.`,
    left: (who) => `${who} left.`,
};

export class Calls {
    #signaling;
    #current = null;  /* the one call: see #take() */
    #incoming = null; /* the IncomingCall that rings */
    #ringTimer;
    #tick;
    #abort = new AbortController();

    /* `onring(peer or null)` when a call rings and stops ringing, `onshow()` when the call takes the stage. */
    constructor(signaling, { onring, onshow }) {
        this.#signaling = signaling;
        this.onring = onring;
        this.onshow = onshow;
        const { signal } = this.#abort;
        const on = (id, type, handler) => byId(id).addEventListener(type, handler, { signal });
        signaling.addEventListener("call", ({ detail }) => this.#ring(detail), { signal });
        signaling.addEventListener("state", () => this.#current && this.#note(this.#current), { signal });
        on("call-end", "click", () => this.#end("hang-up"));
        on("call-mic", "click", () => this.#switch("audio"));
        on("call-cam", "click", () => this.#switch("video"));
        on("call-full", "click", () => this.#fullScreen());
        on("ring-accept", "click", () => this.#accept());
        on("ring-decline", "click", () => this.#decline("declined"));
        on("ring", "cancel", (event) => {
            event.preventDefault();
            this.#decline("declined");
        });
        this.#tick = setInterval(() => this.#showFigures(), TICK_MS);
    }

    destroy() {
        clearInterval(this.#tick);
        this.#decline("left");
        this.#end("left");
        this.#abort.abort();
    }

    #nameOf(peer) {
        const known = this.#signaling.peers.get(peer);
        return known ? titleOf(known) : peer;
    }

    /* ---- outgoing ---- */

    async start(peer) {
        if (this.#current) {
            toast("You are in a call already. Hang up first.");
            return;
        }
        if (this.#incoming?.from === peer) { /* they were faster */
            this.#accept();
            return;
        }
        const call = this.#take(peer);
        this.#status("Starting your camera…");
        if (!await this.#openMedia(call))
            return;
        if (call.crossing && !call.crossing.settled) {
            this.#answer(call.crossing, call);
            return;
        }
        const link = new PeerLink(this.#signaling, peer, { call: token(), streams: [call.stream] });
        this.#use(call, link);
        this.#useChannel(call, link.pc.createDataChannel(DEVICES));
        link.start();
        this.#status(`Calling ${call.who}…`);
        call.timer = setTimeout(() => {
            if (call === this.#current && !call.since)
                this.#end("no-answer", ENDINGS["no-answer"](call.who));
        }, RING_MS);
    }

    /* ---- incoming ---- */

    #ring(incoming) {
        const { from } = incoming;
        const current = this.#current;
        if (current?.peer === from && !current.since) {
            this.#cross(incoming, current);
            return;
        }
        if (this.#incoming || (current && current.peer !== from)) {
            incoming.decline("busy");
            toast(`${this.#nameOf(from)} tried to call you.`);
            return;
        }
        if (current) /* they start anew, so the old call is over for them */
            this.#end("renewed");
        this.#incoming = incoming;
        const who = this.#nameOf(from);
        setText(byId("ring-title"), `${who} calls`);
        setText(byId("ring-letter"), who[0].toUpperCase());
        byId("ring").showModal();
        this.onring?.(who);
        incoming.addEventListener("end", () => {
            if (this.#incoming === incoming) {
                this.#stopRinging();
                toast(`Missed call from ${who}.`);
            }
        });
        this.#ringTimer = setTimeout(() => this.#incoming === incoming && this.#decline("no-answer"), RING_MS);
    }

    #stopRinging() {
        clearTimeout(this.#ringTimer);
        this.#incoming = null;
        byId("ring").close();
        this.onring?.(null);
    }

    #decline(reason) {
        const incoming = this.#incoming;
        if (!incoming)
            return;
        this.#stopRinging();
        incoming.decline(reason);
    }

    async #accept() {
        const incoming = this.#incoming;
        if (!incoming)
            return;
        this.#stopRinging();
        const call = this.#take(incoming.from);
        const over = () => {
            if (call !== this.#current || call.link)
                return;
            this.#end("left");
            toast(`${call.who} hung up.`);
        };
        incoming.addEventListener("end", over);
        this.#status("Starting your camera…");
        if (!await this.#openMedia(call)) {
            if (!incoming.settled)
                incoming.decline("no-media");
            return;
        }
        this.#answer(incoming, call);
    }

    #answer(incoming, call) {
        this.#use(call, incoming.accept({ streams: [call.stream] }));
        this.#status("Connecting…");
    }

    /* Both called at the same time. The user said yes already, so nothing rings. Before our own offer
     * is under way, theirs is the call; after that, the call of the name that sorts first stands. That
     * side does nothing: the other one takes its own call back when it answers. */
    #cross(incoming, call) {
        const own = call.link;
        if (!own) {
            call.crossing = incoming;
        } else if (own.polite) {
            call.link = null; /* so that its end is not taken for the end of the call */
            call.channel = null;
            clearTimeout(call.timer);
            own.close("renewed");
            this.#answer(incoming, call);
        }
    }

    /* ---- the one call ---- */

    #take(peer) {
        const call = { peer, who: this.#nameOf(peer), link: null, stream: null, channel: null, since: 0, theirs: {}, crossing: null };
        this.#current = call;
        setText(byId("call-peer"), call.who);
        setText(byId("call-letter"), call.who[0].toUpperCase());
        setText(byId("call-time"), "");
        setText(byId("call-figures"), "");
        byId("call").dataset.peer = peer;
        byId("call").dataset.state = "ringing";
        byId("call").hidden = false;
        this.#note(call);
        this.#showSwitches(call);
        this.onshow?.();
        byId("call").scrollIntoView({ block: "nearest" });
        return call;
    }

    async #openMedia(call) {
        let stream;
        try {
            stream = await openMedia();
        } catch (error) {
            if (call === this.#current) {
                this.#end("no-media");
                toastError(error);
            }
            return false;
        }
        if (call !== this.#current) { /* hung up meanwhile */
            closeMedia(stream);
            return false;
        }
        call.stream = stream;
        const own = byId("call-own");
        own.srcObject = stream;
        own.muted = true;
        own.hidden = stream.getVideoTracks().length === 0;
        this.#showSwitches(call);
        return true;
    }

    #use(call, link) {
        call.link = link;
        call.meter = new Meter(link.pc);
        const mine = (handler) => (event) => call === this.#current && call.link === link && handler(event.detail);
        const remote = new MediaStream();
        byId("call-remote").srcObject = remote;
        link.addEventListener("track", mine(({ track }) => {
            remote.addTrack(track);
            byId("call-remote").play().catch(() => {});
            const show = mine(() => this.#showCover(call));
            for (const type of ["mute", "unmute", "ended"])
                track.addEventListener(type, show);
            this.#showCover(call);
        }));
        link.addEventListener("datachannel", mine(({ channel }) => this.#useChannel(call, channel)));
        link.addEventListener("state", mine(({ state }) => this.#linkState(call, state)));
        link.addEventListener("presence", mine(() => this.#note(call)));
        link.addEventListener("close", mine(({ reason }) => {
            this.#end();
            toast((ENDINGS[reason] ?? (() => `${call.who} ended the call.`))(call.who));
        }));
        link.addEventListener("error", mine((error) => {
            if (["peer-not-found", "ice-failed", "negotiation", "forbidden"].includes(error.error)) {
                /* A peer that is away from the room may still be on the line. */
                if (error.error === "peer-not-found" && call.since && link.state === "connected")
                    return;
                this.#end("failed");
            }
            toastError(error);
        }));
    }

    #useChannel(call, channel) {
        if (channel.label !== DEVICES)
            return;
        call.channel = channel;
        channel.addEventListener("open", () => this.#tellSwitches(call));
        channel.addEventListener("message", ({ data }) => {
            if (call !== this.#current || call.channel !== channel || typeof data !== "string" || data.length > 200)
                return;
            try {
                const { audio, video } = JSON.parse(data);
                call.theirs = { audio: audio !== false, video: video !== false };
            } catch {
                return; /* not ours */
            }
            this.#note(call);
            this.#showCover(call);
        });
    }

    #linkState(call, state) {
        if (state === "connected") {
            clearTimeout(call.timer);
            call.since ||= Date.now();
            byId("call").dataset.state = "talking";
        }
        this.#showCover(call);
        this.#note(call);
    }

    /* Ends the call, says why to the other side, and with `text` to the user. */
    #end(reason = "hang-up", text) {
        const call = this.#current;
        if (!call)
            return;
        this.#current = null;
        clearTimeout(call.timer);
        call.link?.close(reason);
        closeMedia(call.stream);
        byId("call-remote").srcObject = null;
        byId("call-own").srcObject = null;
        if (document.fullscreenElement && byId("call").contains(document.fullscreenElement))
            document.exitFullscreen().catch(() => {});
        byId("call").hidden = true;
        if (text)
            toast(text);
    }

    /* ---- switches ---- */

    #switch(kind) {
        const tracks = this.#current?.stream?.getTracks().filter((track) => track.kind === kind) ?? [];
        for (const track of tracks)
            track.enabled = !track.enabled;
        this.#showSwitches(this.#current);
        this.#tellSwitches(this.#current);
    }

    #isOn(call, kind) {
        return Boolean(call?.stream?.getTracks().some((track) => track.kind === kind && track.enabled));
    }

    #tellSwitches(call) {
        if (call?.channel?.readyState === "open")
            call.channel.send(JSON.stringify({ audio: this.#isOn(call, "audio"), video: this.#isOn(call, "video") }));
    }

    #showSwitches(call) {
        const show = (id, kind, off, on) => {
            const button = byId(id);
            const has = Boolean(call?.stream?.getTracks().some((track) => track.kind === kind));
            const isOn = this.#isOn(call, kind);
            button.disabled = !has;
            button.setAttribute("aria-pressed", String(has && !isOn));
            nameButton(button, isOn ? off : on);
        };
        show("call-mic", "audio", "Mute microphone", "Microphone is off: turn it on");
        show("call-cam", "video", "Turn camera off", "Camera is off: turn it on");
        byId("call-own").dataset.off = String(Boolean(call?.stream) && !this.#isOn(call, "video"));
    }

    /* ---- what is seen ---- */

    #status(text) {
        setText(byId("call-status"), text);
        byId("call-cover").hidden = false;
    }

    #showCover(call) {
        const video = byId("call-remote").srcObject?.getVideoTracks().some((track) => !track.muted && track.readyState === "live");
        if (!call.since)
            return;
        byId("call-cover").hidden = Boolean(video) && call.theirs.video !== false;
        setText(byId("call-status"), "");
    }

    /* One line over the picture: what is odd about the other side just now. */
    #note(call) {
        const { link, theirs, since, who } = call;
        const notes = [];
        if (since && link?.state === "disconnected")
            notes.push("The connection is weak. Trying to get it back.");
        else if (since && link && this.#signaling.state !== "joined")
            notes.push("The connection to the room is lost. The call goes on.");
        else if (since && link && !link.present)
            notes.push(`${who} is not in the room any more. The call goes on.`);
        if (theirs.audio === false && theirs.video === false)
            notes.push(`${who} turned camera and microphone off.`);
        else if (theirs.audio === false)
            notes.push(`${who} is muted.`);
        else if (theirs.video === false)
            notes.push(`${who} turned the camera off.`);
        setText(byId("call-note"), notes.join(" "));
    }

    async #showFigures() {
        const call = this.#current;
        if (!call?.since || !call.meter)
            return;
        const { width, height, framesPerSecond, bitsPerSecond } = await call.meter.read();
        if (call !== this.#current)
            return;
        setText(byId("call-time"), duration(Date.now() - call.since));
        setText(byId("call-figures"), width ? `${width}×${height} · ${Math.round(framesPerSecond)} /s · ${bitrate(bitsPerSecond)}` : "");
    }

    #fullScreen() {
        const screen = document.querySelector(".call-screen");
        if (document.fullscreenElement)
            document.exitFullscreen();
        else if (screen.requestFullscreen)
            screen.requestFullscreen().catch(() => {});
        else
            byId("call-remote").webkitEnterFullscreen?.();
    }
}

