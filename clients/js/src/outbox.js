// What waits to be sent and what waits for its answer. Both are bounded in number and in time.
//
// A message is first in `#waiting`; while the way is open it is written and moves to `#sent` until
// the bridge answers its id. Order is kept. At most IN_FLIGHT are unanswered at a time: the bridge
// remembers that many ids of a session.

import { SignalingError } from "./errors.js";

/**
 * @typedef {import("./index.js").Timers} Timers
 * @typedef {import("./index.js").Ack} Ack
 * @typedef {import("./protocol.js").Message} Message
 * @typedef {{
 *   message: Message,
 *   ackTimeout: number,
 *   resolve: (ack: Ack) => void,
 *   reject: (error: SignalingError) => void,
 *   timer: unknown,
 * }} Item
 * @typedef {{write(message: Message): void, congested(): boolean}} Way
 */

const IN_FLIGHT = 64;
const CONGESTION_POLL_MS = 50; // WebSocket has no event for "buffer drained"

export class Outbox {
  /** @type {Item[]} */ #waiting = [];
  /** @type {Map<string, Item>} */ #sent = new Map();
  /** @type {Way | null} */ #way = null;
  /** @type {unknown} */ #poll = null;
  #lastId = 0;
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
        ackTimeout,
        resolve,
        reject,
        timer: this.#timers.setTimeout(() => this.#waitedTooLong(item), this.#queueTimeout),
      };
      this.#waiting.push(item);
      this.#flush();
    });
  }

  /** The way is open: what waits goes out. @param {Way} way */
  open(way) {
    this.#way = way;
    this.#flush();
  }

  /** The way is lost. What waits goes on waiting; what was sent may or may not have arrived. */
  interrupt() {
    this.#shut();
    this.#rejectSent("interrupted", "the connection broke before the bridge answered: it may have arrived");
  }

  /** Nothing will ever go out any more. @param {SignalingError} why */
  abandon(why) {
    this.#shut();
    for (const item of this.#waiting.splice(0))
      this.#finish(item).reject(this.#error(why.error, why.message, item.message));
    this.#rejectSent(why.error, why.message);
  }

  /** @param {Ack} ack */
  acknowledge(ack) {
    this.#take(ack.id)?.resolve(ack);
    this.#flush();
  }

  /** False: no such message waits for an answer. @param {string} id @param {SignalingError} error */
  refuse(id, error) {
    const item = this.#take(id);
    if (!item) return false;
    error.to ??= item.message.to;
    item.reject(error);
    this.#flush();
    return true;
  }

  #flush() {
    while (this.#way && this.#waiting.length > 0 && this.#sent.size < IN_FLIGHT) {
      if (this.#way.congested()) return this.#pollLater();
      const item = /** @type {Item} */ (this.#waiting.shift());
      this.#finish(item);
      item.timer = this.#timers.setTimeout(() => this.#noAnswer(item), item.ackTimeout);
      this.#sent.set(item.message.id, item);
      this.#way.write(item.message);
    }
  }

  #pollLater() {
    this.#poll ??= this.#timers.setTimeout(() => {
      this.#poll = null;
      this.#flush();
    }, CONGESTION_POLL_MS);
  }

  #shut() {
    this.#way = null;
    if (this.#poll !== null) this.#timers.clearTimeout(this.#poll);
    this.#poll = null;
  }

  /** @param {Item} item */
  #waitedTooLong(item) {
    this.#waiting.splice(this.#waiting.indexOf(item), 1);
    const seconds = this.#queueTimeout / 1000;
    item.reject(this.#error("offline", `not sent: it waited ${seconds} s for the connection`, item.message));
  }

  /** @param {Item} item */
  #noAnswer(item) {
    this.#sent.delete(item.message.id);
    const seconds = item.ackTimeout / 1000;
    item.reject(this.#error("timeout", `no answer within ${seconds} s: it may have arrived`, item.message));
    this.#flush();
  }

  /** @param {string} word @param {string} sentence */
  #rejectSent(word, sentence) {
    const items = [...this.#sent.values()];
    this.#sent.clear();
    for (const item of items) this.#finish(item).reject(this.#error(word, sentence, item.message));
  }

  /** @param {string} id */
  #take(id) {
    const item = this.#sent.get(id);
    this.#sent.delete(id);
    return item && this.#finish(item);
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
