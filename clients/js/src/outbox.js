// What waits to be sent and what waits for its answer. Both are bounded in number and in time.
//
// A message is first in `#waiting`; while the way is open it is written and moves to `#sent` until
// the bridge answers its id. Order is kept.
//
// When the way is lost, what was written goes back to its place in `#waiting`, and is written again
// under the same id when the session was resumed: the bridge knows the ids of its last messages and
// acknowledges what it has already taken. It remembers as many as IN_FLIGHT, so that no message is
// written while one that is so many messages older is still unanswered. A new session knows no ids:
// then only such messages are written again that may be said twice.
//
// A message that was `rate-limited` goes back to its place in `#waiting`. All wait as long as the
// bridge asks for, then go out with gaps, and one at a time may be unanswered; with each answer the
// gap shrinks and more may. What followed the refused message closely may have been taken
// nevertheless. Candidates and application data do not mind; but of a call nothing is sent any more
// that a later offer, answer, invite or bye has overtaken.

import { SignalingError } from "./errors.js";

/**
 * @typedef {import("./index.js").Timers} Timers
 * @typedef {import("./index.js").Ack} Ack
 * @typedef {import("./protocol.js").Message} Message
 * @typedef {{
 *   message: Message,
 *   number: number,
 *   refusals: number,
 *   pace: number,
 *   written: number,
 *   firstWritten: number,
 *   ackTimeout: number,
 *   resolve: (ack: Ack) => void,
 *   reject: (error: SignalingError) => void,
 *   timer: unknown,
 * }} Item
 * @typedef {{write(message: Message): void, congested(): boolean}} Way
 * written: 0, or how many had been written when it was, itself counted. firstWritten: when, ms.
 */

const IN_FLIGHT = 64;
const CONGESTION_POLL_MS = 50; // WebSocket has no event for "buffer drained"
const SLOW_DOWN_TRIES = 8; // a message that is refused once more than this is given up
const SLOW_DOWN_MS = 1000; // where the bridge names no delay
const GAP_MS = { least: 10, most: 1000, shrink: 0.95 };
/** Of one call, these must not change places. */
const ordered = new Set(["invite", "offer", "answer", "bye"]);
/** What these say is true or done after once as after twice. */
const repeatable = new Set(["update", "refresh", "bye"]);

export class Outbox {
  /** @type {Item[]} */ #waiting = [];
  /** @type {Map<string, Item>} */ #sent = new Map();
  /** @type {Way | null} */ #way = null;
  /** @type {unknown} */ #poll = null;
  #window = IN_FLIGHT; // how many may be unanswered now
  #gap = 0; // ms between two messages; 0: none
  #resumeAt = 0; // nothing goes out before
  #pace = 0; // how often we have slowed down: refusals of one flight count once
  #lastId = 0;
  #written = 0;
  #timers;
  #limit;
  #queueTimeout;

  /** @param {{timers: Timers, limit: number, queueTimeout: number}} options */
  constructor({ timers, limit, queueTimeout }) {
    this.#timers = timers;
    this.#limit = limit;
    this.#queueTimeout = queueTimeout;
  }

  /**
   * Resolves with the bridge's ack.
   * @param {Message} message checked; gets its `id` here
   * @param {number} ackTimeout ms
   * @returns {Promise<Ack>}
   */
  push(message, ackTimeout) {
    return new Promise((resolve, reject) => {
      if (this.#waiting.length >= this.#limit)
        return reject(
          this.#error("queue-full", `${this.#limit} messages are waiting: send less or wait`, message),
        );
      this.#lastId += 1;
      const item = {
        message: { ...message, id: this.#lastId.toString(36) },
        number: message.type === "refresh" ? 0 : this.#lastId, // a token does not wait behind a burst
        refusals: 0,
        pace: 0,
        written: 0,
        firstWritten: 0,
        ackTimeout,
        resolve,
        reject,
        timer: /** @type {unknown} */ (null),
      };
      this.#queue(item);
      this.#flush();
    });
  }

  /** The way is open, to the same session as before or after forget(): what waits goes out. @param {Way} way */
  open(way) {
    this.#way = way;
    this.#flush();
  }

  /** The way is lost, but the session may be resumed: what was sent goes back in line. */
  interrupt() {
    this.#shut();
    const items = [...this.#sent.values()];
    this.#sent.clear();
    for (const item of items) {
      this.#finish(item);
      // A connection that comes and goes must not keep a message for ever.
      const age = this.#timers.now() - item.firstWritten;
      const isOld = age > item.ackTimeout + this.#queueTimeout;
      if (isOld || item.message.type === "leave") item.reject(this.#interrupted(item));
      else this.#queue(item);
    }
  }

  /** The session is over: of what was sent, the next one cannot tell what arrived. */
  forget() {
    const lost = this.#waiting.filter(({ written, message }) => written > 0 && !repeatable.has(message.type));
    this.#waiting = this.#waiting.filter((item) => !lost.includes(item));
    for (const item of this.#waiting) item.written = 0;
    for (const item of lost) this.#finish(item).reject(this.#interrupted(item));
  }

  /** Nothing will ever go out any more. @param {SignalingError} why */
  abandon(why) {
    this.#shut();
    const items = [...this.#sent.values(), ...this.#waiting.splice(0)];
    this.#sent.clear();
    for (const item of items) this.#finish(item).reject(this.#error(why.error, why.message, item.message));
  }

  /** @param {Ack} ack */
  acknowledge(ack) {
    const item = this.#take(ack.id);
    if (!item) return;
    if (item.pace === this.#pace) this.#speedUp();
    this.#dropOvertaken(item);
    item.resolve(ack);
    this.#flush();
  }

  /** False: no such message waits for an answer. @param {string} id @param {SignalingError} error */
  refuse(id, error) {
    const item = this.#take(id);
    if (!item) return false;
    error.to ??= item.message.to;
    if (!this.#sendsLater(item, error)) item.reject(error);
    this.#flush();
    return true;
  }

  /** @param {Item} item @param {SignalingError} error @returns {boolean} it is back in line */
  #sendsLater(item, error) {
    // Bad tokens have a limit of their own, which must not hold everything else back.
    if (error.error !== "rate-limited" || error.rule === "token-attempts") return false;
    const wait = error.retryAfter ?? SLOW_DOWN_MS;
    item.refusals += 1;
    item.written = 0; // the bridge has not taken it
    this.#slowDown(item, Math.min(wait, this.#queueTimeout));
    if (item.refusals > SLOW_DOWN_TRIES || wait > this.#queueTimeout) return false;
    this.#queue(item, error);
    return true;
  }

  /** @param {Item} item that was refused @param {number} wait ms */
  #slowDown({ pace }, wait) {
    this.#resumeAt = Math.max(this.#resumeAt, this.#timers.now() + wait);
    if (pace !== this.#pace) return;
    this.#pace += 1;
    this.#window = 1;
    this.#gap = Math.min(GAP_MS.most, Math.max(GAP_MS.least, 2 * this.#gap, wait));
  }

  #speedUp() {
    this.#window = Math.min(IN_FLIGHT, this.#window + 1 / Math.floor(this.#window));
    this.#gap = this.#gap < 1 ? 0 : this.#gap * GAP_MS.shrink;
  }

  /** @param {Item} taken */
  #dropOvertaken({ message: { type, to, call }, number }) {
    if (!ordered.has(type)) return;
    for (const item of this.#waiting.filter((waits) => waits.number < number && waits.written === 0)) {
      const { message } = item;
      if (!ordered.has(message.type) || message.to !== to || message.call !== call) continue;
      this.#waiting.splice(this.#waiting.indexOf(item), 1);
      const sentence = `it came too fast, and a later \`${type}\` to the same peer overtook it`;
      this.#finish(item).reject(this.#error("rate-limited", sentence, message));
    }
  }

  #flush() {
    while (this.#way && this.#waiting.length > 0 && this.#hasRoom()) {
      const wait = this.#resumeAt - this.#timers.now();
      if (wait > 0) return this.#pollIn(wait);
      if (this.#way.congested()) return this.#pollIn(CONGESTION_POLL_MS);
      const item = /** @type {Item} */ (this.#waiting.shift());
      this.#finish(item);
      item.timer = this.#timers.setTimeout(() => this.#noAnswer(item), item.ackTimeout);
      item.pace = this.#pace;
      if (item.written === 0) {
        item.written = ++this.#written;
        item.firstWritten = this.#timers.now();
      }
      this.#sent.set(item.message.id, item);
      if (this.#gap > 0) this.#resumeAt = this.#timers.now() + this.#gap;
      this.#way.write(item.message);
    }
  }

  /** In number, and in the bridge's memory of ids. */
  #hasRoom() {
    if (this.#sent.size >= Math.floor(this.#window)) return false;
    const known = [...this.#sent.values(), ...this.#waiting].filter(({ written }) => written > 0);
    const oldest = known.reduce((least, { written }) => Math.min(least, written), Infinity);
    return this.#waiting[0].written > 0 || this.#written + 1 < oldest + IN_FLIGHT;
  }

  /** @param {number} ms */
  #pollIn(ms) {
    this.#poll ??= this.#timers.setTimeout(() => {
      this.#poll = null;
      this.#flush();
    }, ms);
  }

  #shut() {
    this.#way = null;
    this.#window = IN_FLIGHT; // the next connection is measured anew
    this.#gap = 0;
    this.#resumeAt = 0;
    if (this.#poll !== null) this.#timers.clearTimeout(this.#poll);
    this.#poll = null;
  }

  /** @param {Item} item @param {SignalingError} [refusal] why it waits again */
  #queue(item, refusal) {
    item.timer = this.#timers.setTimeout(() => this.#waitedTooLong(item, refusal), this.#queueTimeout);
    const next = this.#waiting.findIndex(({ number }) => number > item.number);
    this.#waiting.splice(next < 0 ? this.#waiting.length : next, 0, item);
  }

  /** @param {Item} item @param {SignalingError} [refusal] */
  #waitedTooLong(item, refusal) {
    this.#waiting.splice(this.#waiting.indexOf(item), 1);
    const seconds = this.#queueTimeout / 1000;
    const late = () => this.#error("offline", `not sent: it waited ${seconds} s for the connection`, item.message);
    item.reject(refusal ?? (item.written > 0 ? this.#interrupted(item) : late()));
  }

  /** @param {Item} item */
  #noAnswer(item) {
    this.#sent.delete(item.message.id);
    const seconds = item.ackTimeout / 1000;
    item.reject(this.#error("timeout", `no answer within ${seconds} s: it may have arrived`, item.message));
    this.#flush();
  }

  /** @param {Item} item */
  #interrupted({ message }) {
    return this.#error("interrupted", "the connection broke before the bridge answered: it may have arrived", message);
  }

  /** What waits for its answer, or for being written again. @param {string} id */
  #take(id) {
    const item = this.#sent.get(id) ?? this.#waiting.find(({ message, written }) => written > 0 && message.id === id);
    if (!item) return undefined;
    if (!this.#sent.delete(id)) this.#waiting.splice(this.#waiting.indexOf(item), 1);
    return this.#finish(item);
  }

  /** Ends the time limit of its present stage. @param {Item} item */
  #finish(item) {
    this.#timers.clearTimeout(item.timer);
    return item;
  }

  /** @param {string} word @param {string} sentence @param {Message} message */
  #error(word, sentence, message) {
    return new SignalingError(word, sentence, { id: message.id, to: message.to });
  }
}
