/* Viewers for the camera's tests: a peer on plain MQTT, and in it real Chromium that plays what the
 * camera sends. No bridge takes part: devices signal each other over the broker alone.
 *
 *     const peer = await MqttPeer.join(broker.mqtt, "lobby", "viewer1");
 *     const watching = await chrome.watch(peer, "cam1");         Chromium offers
 *     await watching.playing();
 *     await watching.bye();
 */
import { randomUUID } from "node:crypto";
import mqtt from "mqtt";
import { chromium } from "playwright-core";
import { deadline, until } from "./harness.mjs";

const PREFIX = "sigbridge/v1";

/* ---- a peer with nothing but an MQTT client ---- */

export class MqttPeer {
    #unread = [];
    #waiting = new Set();

    static async join(address, room, name, { presence = { kind: "device" } } = {}) {
        const peer = new MqttPeer(room, name);
        peer.client = await mqtt.connectAsync(`mqtt://${address}`, {
            clientId: `${room}/${name}`, protocolVersion: 5, reconnectPeriod: 0,
            will: { topic: peer.topic(`peers/${name}/presence`), payload: Buffer.alloc(0), retain: true, qos: 1 },
        });
        peer.client.on("message", (topic, payload) => peer.#take(topic, payload.toString()));
        await peer.client.subscribeAsync([peer.topic(`peers/${name}/in/+`), peer.topic("peers/+/presence")], { qos: 1 });
        if (presence)
            await peer.client.publishAsync(peer.topic(`peers/${name}/presence`), JSON.stringify(presence), { qos: 1, retain: true });
        return peer;
    }

    constructor(room, name) {
        this.room = room;
        this.name = name;
        this.presence = new Map(); /* of everyone: object, or absent */
        this.listeners = new Set(); /* called with each message */
    }

    topic(rest) {
        return `${PREFIX}/rooms/${this.room}/${rest}`;
    }

    #take(topic, payload) {
        const [, kind, who] = topic.match(/peers\/([^/]+)\/(?:in|presence)\/?(.*)$/) ?? [];
        if (topic.endsWith("/presence")) {
            if (payload)
                this.presence.set(kind, JSON.parse(payload));
            else
                this.presence.delete(kind);
            for (const wait of this.#waiting)
                wait();
            return;
        }
        const message = { from: who, ...JSON.parse(payload) };
        this.#unread.push(message);
        for (const listener of this.listeners)
            listener(message);
        for (const wait of this.#waiting)
            wait();
    }

    /* Publishes a message to a peer; a string goes as it is. */
    send(to, message) {
        const text = typeof message === "string" ? message : JSON.stringify(message);
        return this.client.publishAsync(this.topic(`peers/${to}/in/${this.name}`), text, { qos: 1 });
    }

    /* The first message not yet taken of this type (and call, when given). */
    expect(type, { call, timeout } = {}) {
        const fits = (m) => m.type === type && (call === undefined || (m.call ?? "") === call);
        return this.#wait(() => {
            const at = this.#unread.findIndex(fits);
            return at < 0 ? undefined : this.#unread.splice(at, 1)[0];
        }, `${type} for ${this.name}`, timeout);
    }

    /* Its presence, once it is there; `gone`: once it is not. */
    present(peer, timeout) {
        return this.#wait(() => this.presence.get(peer), `presence of ${peer}`, timeout);
    }

    gone(peer, timeout) {
        return this.#wait(() => !this.presence.has(peer) || undefined, `${peer} leaving`, timeout);
    }

    #wait(look, what, timeout) {
        let wait;
        const found = new Promise((resolve) => {
            wait = () => {
                const value = look();
                if (value !== undefined)
                    resolve(value);
            };
            this.#waiting.add(wait);
            wait();
        });
        return deadline(found, what, timeout).finally(() => this.#waiting.delete(wait));
    }

    /* What came of a type and was not taken. */
    unread(type) {
        return this.#unread.filter((m) => m.type === type);
    }

    /* Drops the connection as a crash would: the broker sends the will. */
    close() {
        return this.client.endAsync(true);
    }
}

/* ---- Chromium ---- */

/* Runs in the page. One RTCPeerConnection per key; what it wants to say goes out through tell(). */
function pageScript() {
    const calls = new Map();
    window.open_ = (key, { codec, audio, extra, transceiver = "recvonly" } = {}) => {
        const pc = new RTCPeerConnection();
        const video = document.createElement("video");
        Object.assign(video, { muted: true, autoplay: true, playsInline: true });
        document.body.append(video);
        const call = { pc, video, early: [] };
        calls.set(key, call);
        pc.onicecandidate = ({ candidate }) => window.tell(key, { type: "candidate", candidate: candidate ? candidate.toJSON() : null });
        pc.ontrack = ({ track, streams }) => {
            video.srcObject ??= streams[0] ?? new MediaStream();
            if (!video.srcObject.getTracks().includes(track))
                video.srcObject.addTrack(track);
            video.play().catch(() => {});
        };
        if (extra === "data-first")
            pc.createDataChannel("x");
        if (transceiver) {
            const t = pc.addTransceiver("video", { direction: transceiver });
            if (codec) {
                const all = RTCRtpReceiver.getCapabilities("video").codecs;
                t.setCodecPreferences(all.filter((c) => c.mimeType === `video/${codec}` || c.mimeType === "video/rtx"));
            }
            if (audio)
                pc.addTransceiver("audio", { direction: "recvonly" });
        }
    };
    window.offer_ = async (key, options) => {
        const { pc } = calls.get(key);
        await pc.setLocalDescription(await pc.createOffer(options));
        return pc.localDescription.sdp;
    };
    /* A candidate of an earlier session of the same call does not fit into this one. */
    const ours = (pc, candidate) => !candidate || pc.remoteDescription.sdp.includes(`a=ice-ufrag:${candidate.usernameFragment}\r\n`);
    window.take_ = async (key, message) => {
        const { pc, early } = calls.get(key);
        if (message.type === "candidate") {
            if (!pc.remoteDescription)
                early.push(message.candidate);
            else if (ours(pc, message.candidate))
                await pc.addIceCandidate(message.candidate ?? undefined);
            return null;
        }
        await pc.setRemoteDescription({ type: message.type, sdp: message.sdp });
        for (const candidate of early.splice(0))
            if (ours(pc, candidate))
                await pc.addIceCandidate(candidate ?? undefined);
        if (message.type === "offer") {
            await pc.setLocalDescription();
            return pc.localDescription.sdp;
        }
        return null;
    };
    window.look_ = (key) => {
        const { pc, video } = calls.get(key);
        const quality = video.getVideoPlaybackQuality();
        return { state: pc.connectionState, frames: quality.totalVideoFrames, width: video.videoWidth, height: video.videoHeight };
    };
    /* Asks for a key frame as a decoder that lost its way would (RTCP PLI). */
    window.pli_ = (key) => {
        const code = `onrtctransform = ({ transformer }) => {
            transformer.readable.pipeTo(transformer.writable);
            onmessage = () => transformer.sendKeyFrameRequest().then(() => postMessage("sent"), (e) => postMessage(String(e)));
            postMessage("ready");
        };`;
        const call = calls.get(key);
        return new Promise((resolve) => {
            call.worker = new Worker(URL.createObjectURL(new Blob([code])));
            call.worker.onmessage = ({ data }) => (data === "ready" ? call.worker.postMessage(0) : resolve(data));
            call.pc.getReceivers().find((r) => r.track.kind === "video").transform = new RTCRtpScriptTransform(call.worker, {});
        });
    };
    window.stats_ = async (key) => {
        const out = {};
        const report = await calls.get(key).pc.getStats();
        for (const s of report.values())
            if (s.type === "inbound-rtp") {
                const codec = report.get(s.codecId);
                out[s.kind] = { codec: codec?.mimeType, payload: codec?.payloadType, frames: s.framesDecoded, keys: s.keyFramesDecoded,
                    pli: s.pliCount, packets: s.packetsReceived, lost: s.packetsLost,
                    reports: report.get(s.remoteId)?.reportsSent ?? 0 };
            }
        return out;
    };
    /* Mean colour of a rectangle given in fractions of the picture. */
    window.pixel_ = (key, x, y, w, h) => {
        const { video } = calls.get(key);
        const canvas = document.createElement("canvas");
        canvas.width = video.videoWidth;
        canvas.height = video.videoHeight;
        const context = canvas.getContext("2d");
        context.drawImage(video, 0, 0);
        const { data } = context.getImageData(x * canvas.width, y * canvas.height, w * canvas.width, h * canvas.height);
        const sum = [0, 0, 0];
        for (let i = 0; i < data.length; i++)
            if (i % 4 < 3)
                sum[i % 4] += data[i];
        return sum.map((v) => Math.round(v / (data.length / 4)));
    };
    window.close_ = (key) => {
        const call = calls.get(key);
        calls.delete(key);
        call?.video.remove();
        call?.pc.close();
    };
    window.pc_ = (key) => calls.get(key).pc;
}

export class Chrome {
    #handlers = new Map();
    #number = 0;

    static async start() {
        const chrome = new Chrome();
        chrome.server = await chromium.launchServer({
            executablePath: process.env.CHROMIUM_BIN ?? "/usr/bin/chromium",
            args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
                "--disable-component-update", "--disable-sync", "--autoplay-policy=no-user-gesture-required",
                /* Media also where there is no other network: on loopback, under its own address. */
                "--allow-loopback-in-peer-connection", "--disable-features=WebRtcHideLocalIpsWithMdns"],
        });
        chrome.browser = await chromium.connect(chrome.server.wsEndpoint());
        chrome.page = await chrome.browser.newPage();
        await chrome.page.exposeFunction("tell", (key, message) => chrome.#handlers.get(key)?.(message));
        await chrome.page.evaluate(pageScript);
        return chrome;
    }

    /* A call to the camera: Chromium offers, or with `invite` the camera does. */
    async watch(peer, camera, { call = "", invite = false, candidatesFirst = false, hidden = false, mangle, ...options } = {}) {
        const watching = new Watching(this, peer, camera, call, `k${++this.#number}`);
        Object.assign(watching, { candidatesFirst, hidden, mangle });
        this.#handlers.set(watching.key, (message) => watching.tell(message));
        await this.page.evaluate(([key, o]) => window.open_(key, o), [watching.key, invite ? { transceiver: null } : options]);
        await watching.begin(invite);
        return watching;
    }

    /* All its calls vanish without a word, not even of DTLS. */
    kill() {
        this.server.process().kill("SIGKILL");
    }

    async close() {
        await this.browser.close();
        await this.server.close();
    }
}

class Watching {
    constructor(chrome, peer, camera, call, key) {
        Object.assign(this, { chrome, peer, camera, call, key, received: [], told: [], answered: 0, turn: Promise.resolve() });
        this.on = (message) => this.#take(message);
        peer.listeners.add(this.on);
    }

    #page(name, ...args) {
        return this.chrome.page.evaluate(([n, a]) => window[n](...a), [name, [this.key, ...args]]);
    }

    /* What Chromium wants to say goes to the camera. */
    tell(message) {
        if (this.hidden && message.candidate) /* as a browser does before a page may use the camera */
            message.candidate.candidate = message.candidate.candidate.replace(/^((?:\S+ ){4})\S+/, `$1${randomUUID()}.local`);
        this.told.push(message);
        return this.peer.send(this.camera, this.call ? { ...message, call: this.call } : message);
    }

    #take(message) {
        if (message.from !== this.camera || (message.call ?? "") !== this.call)
            return;
        this.received.push(message);
        if (["offer", "answer", "candidate"].includes(message.type))
            this.turn = this.turn.then(() => this.#handle(message)).catch((error) => { this.error ??= error; });
    }

    /* One after the other: a candidate belongs to the description before it. */
    async #handle(message) {
        const answer = await this.#page("take_", message);
        if (answer)
            await this.tell({ type: "answer", sdp: answer });
        if (message.type === "answer")
            this.answered++;
    }

    async begin(invite) {
        if (invite)
            await this.tell({ type: "invite" });
        else
            await this.offer();
    }

    async offer(options) {
        let sdp = await this.#page("offer_", options);
        if (this.candidatesFirst)
            await until(() => this.told.some((m) => m.type === "candidate" && m.candidate === null), "the last candidate");
        if (this.mangle)
            sdp = this.mangle(sdp);
        await this.tell({ type: "offer", sdp });
    }

    /* Waits until `more` further frames were shown. */
    async playing(more = 10, timeout) {
        const first = (await this.look()).frames;
        return until(async () => {
            if (this.error)
                throw this.error;
            const now = await this.look();
            return now.frames >= first + more ? now : null;
        }, `${this.peer.name} (${this.call}) playing`, { timeout });
    }

    look() {
        return this.#page("look_");
    }

    /* Offers again, and waits for the answer to be taken. */
    async renegotiate(options) {
        const answers = this.answered;
        await this.offer(options);
        await until(() => {
            if (this.error)
                throw this.error;
            return this.answered > answers;
        }, "the answer to a renewed offer");
    }

    /* True when no frame is shown for half a second; what was on its way may still come. */
    async still() {
        let last = -1;
        let since = Date.now();
        await until(async () => {
            const { frames } = await this.look();
            if (frames !== last)
                [last, since] = [frames, Date.now()];
            return Date.now() - since > 500;
        }, "the picture standing still", { timeout: 5000 });
        return true;
    }

    /* Hears nothing more of the camera. */
    deaf() {
        this.peer.listeners.delete(this.on);
    }

    stats() {
        return this.#page("stats_");
    }

    /* Runs a function in the page: f(RTCPeerConnection). */
    run(f) {
        return this.chrome.page.evaluate(`(${f})(window.pc_("${this.key}"))`);
    }

    requestKeyFrame() {
        return this.#page("pli_");
    }

    pixel(x, y, w = 0.02, h = 0.02) {
        return this.#page("pixel_", x, y, w, h);
    }

    /* Closes the connection; with a bye first, unless it is to vanish. */
    async close({ bye = true } = {}) {
        if (bye)
            await this.tell({ type: "bye" });
        this.peer.listeners.delete(this.on);
        await this.#page("close_");
    }
}
