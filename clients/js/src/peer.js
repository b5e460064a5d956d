// One RTCPeerConnection to one peer: perfect negotiation (W3C webrtc, section 10.7) over Signaling.
//
// Everything that touches descriptions or remote candidates runs in one chain, one task after the
// other, in the order in which it came. So a task never finds the connection between two states, and
// glare has one face only: an offer that comes while ours is out. The polite side then takes its own
// offer back; the impolite one passes the other's over.
//
// One offer is not applied before its answer is here: the polite side's first one with data channels.
// Chromium cannot take such an offer back: its data channels stay dead ever after.

import { SignalingError, textOf } from "./errors.js";
import { emit } from "./events.js";
import { checkName, isPolite, soundReason } from "./protocol.js";
import { bringsData, hasFragment, restartsIce, saysNothingNew } from "./sdp.js";

/**
 * @typedef {import("./client.js").Signaling} Signaling
 * @typedef {import("./index.js").PeerLinkOptions} PeerLinkOptions
 * @typedef {import("./index.js").MediaWish} MediaWish
 * @typedef {import("./index.js").PresenceDetail} PresenceDetail
 * @typedef {import("./protocol.js").Message} Message
 */

const MAX_HELD = 256; // remote candidates that wait for their description
const MAX_LOST = 64; // own candidates that could not be sent
const IDLE_OFFER_MS = 2000;
/** Nothing wrong with the message: it, or what replaces it, is sent again when the way is back. */
const passing = new Set(["offline", "queue-full", "interrupted", "timeout", "unavailable", "peer-not-found"]);
/** Of these we cannot tell whether the message arrived. */
const unsure = new Set(["interrupted", "timeout"]);

export class PeerLink extends EventTarget {
  #signaling;
  #options;
  /** @type {RTCIceServer[] | null} */ #iceServers; // of the bridge, as the connection has them; null: the application chose
  #chain = Promise.resolve();
  #closed = false;
  #started = false; // we may make offers
  #needed = false; // negotiation was asked for before we might
  #talked = false; // the other side may know of this call
  /** @type {{pending: boolean} | null} */ #offer = null; // ours that is under way, as far as we know
  /** @type {RTCSessionDescriptionInit | null} */ #unapplied = null; // ours that waits for its answer
  /** @type {string | null} */ #answered = null; // the last offer of ours that was answered
  #waiting = false; // to make an offer that seems to say nothing new
  #ignoring = false; // the other side's last offer was passed over
  /** @type {MediaWish | null | undefined} */ #invited; // an invite that no offer has answered yet
  #present;
  #restarts = 0;
  #lastState;
  /** @type {(RTCIceCandidateInit | null)[]} */ #held = [];
  /** @type {(RTCIceCandidateInit | null)[]} */ #lost = [];
  /** Whether the peer went and came back since its last description. */
  _returned = false;

  /** @param {Signaling} signaling @param {string} peer @param {PeerLinkOptions} [options] */
  constructor(signaling, peer, options = {}) {
    super();
    this.#signaling = signaling;
    this.#options = options;
    this.peer = checkName(peer, "peer");
    this.call = options.call ?? "";
    this.#present = signaling.peers.has(peer);
    this.#iceServers = options.rtc?.iceServers === undefined ? signaling.iceServers : null;
    signaling._calls.add(this);
    try {
      const Connection = options.RTCPeerConnection ?? globalThis.RTCPeerConnection;
      this.pc = new Connection({ iceServers: signaling.iceServers, ...options.rtc });
    } catch (thrown) {
      signaling._calls.remove(this);
      throw thrown;
    }
    this.#lastState = this.pc.connectionState;
    this.#listen();
    for (const stream of options.streams ?? [])
      for (const track of stream.getTracks()) this.pc.addTrack(track, stream);
    for (const message of signaling._calls.earlyFor(this)) this._receive(message);
  }

  get polite() {
    return isPolite(this.#signaling.peer ?? "", this.peer);
  }

  get state() {
    return this.#closed ? "closed" : this.pc.connectionState;
  }

  get present() {
    return this.#present;
  }

  get closed() {
    return this.#closed;
  }

  /** @param {MediaWish} [media] */
  async invite(media = this.#options.media) {
    if (this.#closed) throw new SignalingError("closed", "this call is over: make a new link");
    await this.#send({ type: "invite", ...(media && { media }) });
    if (!this.pc.remoteDescription) this.#invited = media ?? null;
  }

  start() {
    if (this.#closed) return;
    this.#receive(this.#options.media ?? {});
    this.#begin();
  }

  /** @param {string} [reason] */
  close(reason) {
    if (this.#closed) return;
    // Whoever is gone needs no bye.
    if (this.#talked) this.#send({ type: "bye", reason: soundReason(reason) }).catch(() => {});
    this._end("local", reason);
  }

  // --- what comes in -----------------------------------------------------------------------------

  /** @param {Message} message */
  _receive(message) {
    this.#talked = true;
    const { type } = message;
    if (type === "offer" || type === "answer")
      this.#run(() => this.#takeDescription(type, message.sdp));
    else if (type === "candidate") this.#run(() => this.#takeCandidate(message.candidate));
    else if (type === "invite") this.#takeInvite();
    else if (type === "bye") this._end("remote", message.reason);
  }

  /** @param {PresenceDetail} change */
  _presence({ joined, updated, left }) {
    const departure = left.find(({ peer }) => peer === this.peer);
    const here = [...joined, ...updated].some(({ peer }) => peer === this.peer);
    if (departure && this.#present) {
      this.#present = false;
      emit(this, "presence", { present: false, reason: departure.reason });
    }
    if (here && !this.#present) {
      this.#present = true;
      this._returned = this.#talked;
      emit(this, "presence", { present: true });
      this._reachable();
    }
  }

  /** We or the peer came back to the room: say again what may have been lost. */
  _reachable() {
    if (this.#closed) return;
    this.#restarts = 0;
    if (this.#invited !== undefined && !this.pc.remoteDescription)
      this.#tell({ type: "invite", ...(this.#invited && { media: this.#invited }) });
    if (this.#isOffering()) this.#offerAgain();
    else if (this.pc.connectionState === "failed") this.#restart();
    for (const candidate of this.#lost.splice(0)) this.#sendCandidate(candidate);
  }

  /** Signaling goes on and has lost nothing: only what was given up meanwhile is left to say. */
  _resumed() {
    if (this.#closed) return;
    if (this.#isOffering() && this.#offer === null) this.#sendDescription();
    for (const candidate of this.#lost.splice(0)) this.#sendCandidate(candidate);
  }

  /** @param {"local" | "remote"} by @param {string} [reason] */
  _end(by, reason) {
    if (this.#closed) return;
    this.#closed = true;
    this.#held = [];
    this.#lost = [];
    this.#signaling._calls.remove(this);
    this.pc.close();
    emit(this, "state", { state: "closed" });
    emit(this, "close", { by, reason });
  }

  /** @param {RTCSdpType} type @param {string} sdp */
  async #takeDescription(type, sdp) {
    const { pc } = this;
    const ours = this.#isOffering();
    if (type === "answer" && !ours) return; // to an offer that was taken back
    // An offer of ours that never got through cannot be answered: then even the impolite side yields.
    this.#ignoring = type === "offer" && ours && !this.polite && this.#offer !== null;
    if (this.#ignoring) return;
    if (type === "answer") await this.#applyOffer();
    if (this.#closed) return;
    if (type === "offer" && restartsIce(sdp, pc.remoteDescription?.sdp)) this.#useFreshServers();
    this.#unapplied = null;
    await pc.setRemoteDescription({ type, sdp }); // takes our own offer back where there is one
    if (this.#closed) return;
    this.#offer = null;
    this.#needed = false; // the connection asks again if there is more to negotiate
    this.#invited = undefined;
    this._returned = false;
    this.#started = true;
    await this.#addHeld();
    if (type === "answer" || this.#closed) return;
    await pc.setLocalDescription();
    if (!this.#closed) this.#sendDescription();
  }

  /** Our offer was answered. */
  async #applyOffer() {
    const offer = this.#unapplied;
    if (offer) await this.pc.setLocalDescription(offer);
    this.#answered = this.pc.localDescription?.sdp ?? null;
  }

  /** @param {RTCIceCandidateInit | null} candidate */
  async #takeCandidate(candidate) {
    if (this.#isEarly(candidate)) {
      if (this.#held.length >= MAX_HELD) this.#held.shift();
      this.#held.push(candidate);
      return;
    }
    try {
      await this.pc.addIceCandidate(candidate);
    } catch (thrown) {
      const isEnd = !candidate?.candidate; // some engines refuse the end of candidates
      if (!isEnd && !this.#ignoring && !this.#closed) this.#report("negotiation", thrown);
    }
  }

  /** Its description has not come, or was passed over. @param {RTCIceCandidateInit | null} candidate */
  #isEarly(candidate) {
    const sdp = this.pc.remoteDescription?.sdp;
    const fragment = candidate?.usernameFragment;
    return !sdp || (Boolean(fragment) && !hasFragment(sdp, String(fragment)));
  }

  async #addHeld() {
    for (const candidate of this.#held.splice(0)) {
      if (this.#closed) return;
      await this.#takeCandidate(candidate);
    }
  }

  #takeInvite() {
    if (this.#isOffering()) return this.#offerAgain();
    if (this.pc.remoteDescription) this.#renewPath(); // asked again: offer what there is anew
    this.#begin();
  }

  // --- what goes out -----------------------------------------------------------------------------

  #listen() {
    const { pc } = this;
    pc.addEventListener("negotiationneeded", () => {
      this.#needed = true;
      if (this.#started) this.#begin();
    });
    pc.addEventListener("icecandidate", ({ candidate }) =>
      this.#sendCandidate(candidate ? (candidate.toJSON?.() ?? candidate) : null),
    );
    pc.addEventListener("track", ({ track, streams, receiver, transceiver }) =>
      emit(this, "track", { track, streams, receiver, transceiver }),
    );
    pc.addEventListener("datachannel", ({ channel }) => emit(this, "datachannel", { channel }));
    pc.addEventListener("connectionstatechange", () => this.#stateChanged());
  }

  #stateChanged() {
    const state = this.pc.connectionState;
    if (this.#closed || state === this.#lastState) return;
    this.#lastState = state;
    if (state === "connected") this.#restarts = 0;
    emit(this, "state", { state });
    if (state === "failed") this.#restart();
  }

  #restart() {
    if (this.#closed) return;
    if (this.#restarts >= (this.#options.restarts ?? 3)) {
      this.#report("ice-failed", `${this.#restarts} restarts did not bring the media path back`);
      return;
    }
    this.#restarts += 1;
    this.#renewPath();
  }

  #renewPath() {
    this.#useFreshServers();
    this.pc.restartIce(); // asks for negotiation
  }

  /** Credentials for TURN end. Only before candidates are gathered: engines take it for a reason to restart. */
  #useFreshServers() {
    const { iceServers } = this.#signaling;
    if (!this.#iceServers || this.#iceServers === iceServers) return false;
    this.#iceServers = iceServers;
    this.pc.setConfiguration({ ...this.pc.getConfiguration(), iceServers });
    return true;
  }

  /** @param {MediaWish} media */
  #receive(media) {
    for (const kind of /** @type {const} */ (["audio", "video"])) {
      const have = this.pc.getTransceivers().some(({ receiver }) => receiver.track.kind === kind);
      if (media[kind] && !have) this.pc.addTransceiver(kind, { direction: "recvonly" });
    }
  }

  #begin() {
    this.#started = true;
    if (!this.#needed) return;
    this.#needed = false;
    this.#run(() => this.#makeOffer());
  }

  #isOffering() {
    return this.#unapplied !== null || this.pc.signalingState === "have-local-offer";
  }

  /** @param {boolean} [patient] it has waited already */
  async #makeOffer(patient = false) {
    const { pc } = this;
    if (this.#isOffering() || pc.signalingState !== "stable") return; // it asks again when stable
    let offer = await pc.createOffer();
    if (this.#closed) return;
    // The application may have called restartIce() itself.
    if (restartsIce(offer.sdp ?? "", pc.localDescription?.sdp) && this.#useFreshServers())
      offer = await pc.createOffer();
    if (this.#closed) return;
    if (!patient && saysNothingNew(this.#answered, offer.sdp ?? "")) return this.#makeOfferLater();
    if (this.polite && bringsData(offer.sdp ?? "", pc.localDescription?.sdp)) this.#unapplied = offer;
    else await pc.setLocalDescription(offer);
    if (!this.#closed) this.#sendDescription();
  }

  /** Engines have asked for negotiation without end, with nothing to negotiate: once in a while will do. */
  #makeOfferLater() {
    if (this.#waiting) return;
    this.#waiting = true;
    void this.#signaling._pause(IDLE_OFFER_MS).then(() => {
      this.#waiting = false;
      this.#run(() => this.#makeOffer(true));
    });
  }

  #sendDescription() {
    const description = this.#unapplied ?? this.pc.localDescription;
    if (!description) return;
    const { type, sdp } = description;
    this.#lost = []; // the description holds all candidates there are
    const offer = { pending: true };
    if (type === "offer") this.#offer = offer;
    this.#tell({ type, sdp }, (error) => {
      offer.pending = false;
      if (error && !unsure.has(error.error) && this.#offer === offer) this.#offer = null;
    });
  }

  #offerAgain() {
    if (!this.#offer?.pending) this.#sendDescription();
  }

  /** @param {RTCIceCandidateInit | null} candidate */
  #sendCandidate(candidate) {
    if (this.#closed) return;
    this.#send({ type: "candidate", candidate }).catch((error) => {
      // A device with small buffers may have no room for one of them, and for others it has.
      if (this.#closed || error.error === "too-large") return;
      if (!passing.has(error.error)) emit(this, "error", error);
      else if (this.#lost.length < MAX_LOST) this.#lost.push(candidate);
    });
  }

  /** @param {Omit<Message, "to">} message @param {(error?: SignalingError) => void} [done] */
  #tell(message, done = () => {}) {
    this.#send(message).then(
      () => done(),
      (error) => {
        done(error);
        if (!this.#closed) emit(this, "error", error);
      },
    );
  }

  /** @param {Omit<Message, "to">} message @returns {Promise<unknown>} */
  #send(message) {
    this.#talked = true;
    const full = { ...message, to: this.peer, ...(this.call && { call: this.call }) };
    return this.#signaling.send(/** @type {any} */ (full));
  }

  // --- the chain ---------------------------------------------------------------------------------

  /** @param {() => Promise<void>} task */
  #run(task) {
    this.#chain = this.#chain
      .then(() => (this.#closed ? undefined : task()))
      .catch((thrown) => {
        if (!this.#closed) this.#report("negotiation", thrown);
      });
  }

  /** @param {"negotiation" | "ice-failed"} word @param {unknown} cause */
  #report(word, cause) {
    emit(this, "error", new SignalingError(word, textOf(cause), { to: this.peer, cause }));
  }
}
