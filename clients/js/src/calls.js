// Which PeerLink a message belongs to, and calls that nobody has answered yet.

import { SignalingError } from "./errors.js";
import { emit } from "./events.js";
import { PeerLink } from "./peer.js";
import { soundReason } from "./protocol.js";
import { sameEndpoint } from "./sdp.js";

/**
 * @typedef {import("./client.js").Signaling} Signaling
 * @typedef {import("./index.js").PeerLinkOptions} PeerLinkOptions
 * @typedef {import("./index.js").PresenceDetail} PresenceDetail
 * @typedef {import("./protocol.js").Message} Message
 */

const MAX_RINGING = 32; // a peer can invent call names; the oldest is forgotten
const MAX_HELD = 256; // candidates that wait for one call to be accepted
const MAX_EARLY = 32; // calls of which candidates have come, but no offer
const EARLY_MS = 15000;

/** @param {string} peer @param {string} call */
const keyOf = (peer, call) => `${peer} ${call}`; // names hold no space

export class IncomingCall extends EventTarget {
  /** @type {Message[]} */ #held = [];
  /** @type {Message} */ #first;
  #calls;
  #settled = false;

  /** @param {Calls} calls @param {Message} message an offer or an invite */
  constructor(calls, message) {
    super();
    this.#calls = calls;
    this.#first = message;
  }

  get from() {
    return /** @type {string} */ (this.#first.from);
  }

  get call() {
    return /** @type {string} */ (this.#first.call);
  }

  get kind() {
    return /** @type {"offer" | "invite"} */ (this.#first.type);
  }

  get media() {
    return this.#first.media;
  }

  get settled() {
    return this.#settled;
  }

  /** @param {Omit<PeerLinkOptions, "call">} [options] */
  accept(options = {}) {
    this.#demandOpen();
    const link = new PeerLink(this.#calls.signaling, this.from, { ...options, call: this.call });
    this.#settle();
    if (this.kind === "invite") link.start();
    else link._receive(this.#first);
    for (const message of this.#held) link._receive(message);
    return link;
  }

  /** @param {string} [reason] */
  decline(reason) {
    this.#demandOpen();
    this.#settle();
    const options = { call: this.call, reason: soundReason(reason) };
    this.#calls.signaling.bye(this.from, options).catch(() => {}); // whoever is gone needs no bye
  }

  /** @param {Message} message */
  _receive(message) {
    if (message.type === "bye") this._end(message.reason);
    else if (message.type === "offer" || message.type === "invite") this.#first = message;
    else if (message.type === "candidate" && this.#held.length < MAX_HELD) this.#held.push(message);
  }

  /** @param {string} [reason] */
  _end(reason) {
    if (this.#settled) return;
    this.#settle();
    emit(this, "end", { reason });
  }

  #demandOpen() {
    if (this.#settled)
      throw new SignalingError("closed", "this call was accepted, was declined or has ended");
  }

  #settle() {
    this.#settled = true;
    this.#calls.forget(this);
  }
}

export class Calls {
  /** @type {Map<string, PeerLink>} */ #links = new Map();
  /** @type {Map<string, IncomingCall>} */ #ringing = new Map();
  /** @type {Map<string, {until: number, from: string, messages: Message[]}>} */ #early = new Map();

  /** @param {Signaling} signaling */
  constructor(signaling) {
    this.signaling = signaling;
  }

  /** @param {PeerLink} link */
  add(link) {
    const key = keyOf(link.peer, link.call);
    if (this.#links.has(key))
      throw new SignalingError(
        "invalid-message",
        `there is a link to ${link.peer} for this call: close it, or name another call`,
      );
    this.#links.set(key, link);
  }

  /** Candidates that came before the link was made. @param {PeerLink} link */
  earlyFor(link) {
    return this.#takeEarly(keyOf(link.peer, link.call));
  }

  /** @param {PeerLink} link */
  remove(link) {
    const key = keyOf(link.peer, link.call);
    if (this.#links.get(key) === link) this.#links.delete(key);
  }

  /** @param {IncomingCall} ringing */
  forget(ringing) {
    this.#ringing.delete(keyOf(ringing.from, ringing.call));
  }

  /** A message from peer to peer. @param {Message} message */
  route(message) {
    const key = keyOf(message.from, message.call);
    const link = this.#links.get(key);
    if (link && !isNewcomer(link, message)) return link._receive(message);
    link?._end("remote", "restarted");
    const ringing = this.#ringing.get(key);
    if (ringing) return ringing._receive(message);
    if (message.type === "offer" || message.type === "invite") this.#ring(key, message);
    else if (message.type === "candidate") this.#keepEarly(key, message);
    else this.#early.delete(key);
  }

  /** @param {PresenceDetail} change */
  presence(change) {
    for (const link of [...this.#links.values()]) link._presence(change);
    for (const { peer, reason } of change.left)
      for (const ringing of [...this.#ringing.values()])
        if (ringing.from === peer) ringing._end(reason);
    const gone = new Set(change.left.map(({ peer }) => peer));
    for (const [key, { from }] of this.#early) if (gone.has(from)) this.#early.delete(key);
  }

  /** We are back in the room, as somebody new: whatever was under way may be lost. */
  rejoined() {
    for (const link of [...this.#links.values()]) link._reachable();
  }

  /** Our session goes on where it had stopped. */
  resumed() {
    for (const link of [...this.#links.values()]) link._resumed();
  }

  /** A candidate that overtook its offer. @param {string} key @param {Message} message */
  #keepEarly(key, message) {
    const until = this.signaling._now() + EARLY_MS;
    const messages = this.#early.get(key)?.messages ?? [];
    if (messages.length < MAX_HELD) messages.push(message);
    this.#early.delete(key); // and to the end: the first is the one that waits longest
    this.#early.set(key, { until, from: message.from, messages });
    for (const [oldest] of this.#early) {
      if (this.#early.size <= MAX_EARLY) break;
      this.#early.delete(oldest);
    }
  }

  /** @param {string} key @returns {Message[]} */
  #takeEarly(key) {
    const early = this.#early.get(key);
    this.#early.delete(key);
    return early && early.until >= this.signaling._now() ? early.messages : [];
  }

  /** @param {string} key @param {Message} message */
  #ring(key, message) {
    if (this.#ringing.size >= MAX_RINGING)
      for (const oldest of this.#ringing.values()) {
        oldest._end("too many calls");
        break;
      }
    const ringing = new IncomingCall(this, message);
    this.#ringing.set(key, ringing);
    for (const early of this.#takeEarly(key)) ringing._receive(early);
    emit(this.signaling, "call", ringing);
  }
}

/**
 * A page that was loaded again calls under the same name with a new RTCPeerConnection, whose
 * description the old one could not take. A connection keeps its certificate for life, so other
 * fingerprints mean another connection.
 * @param {PeerLink} link @param {Message} message
 */
function isNewcomer(link, message) {
  const known = link.pc.remoteDescription?.sdp;
  if (!known) return false;
  if (message.type === "offer") return !sameEndpoint(known, message.sdp);
  return message.type === "invite" && link._returned;
}
