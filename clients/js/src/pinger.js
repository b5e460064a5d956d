// Asks the bridge for a sign of life: on demand, and after a silence. A browser tells nobody when the
// network under an open WebSocket is gone.

import { SignalingError } from "./errors.js";

/**
 * @typedef {import("./index.js").Timers} Timers
 * @typedef {{time: number, roundTrip: number}} Pong
 * @typedef {{
 *   sentAt: number,
 *   timer: unknown,
 *   resolve: (pong: Pong) => void,
 *   reject: (error: SignalingError) => void,
 * }} Asked
 */

const ANSWER_MS = 10000;
/**
 * A timer that comes so much too late was not late alone: the page slept, and what came meanwhile
 * stands in line behind it. To give the socket up now would be to throw away what was received.
 */
const SLEPT_MS = 2000;

export class Pinger {
  /** @type {Asked[]} */ #asked = []; // pongs come in the order of the pings
  /** @type {unknown} */ #timer = null;
  #lastHeard = 0;
  #timers;
  #interval;
  #write;
  #silent;

  /** @param {{timers: Timers, interval: number, write: () => void, silent: () => void}} options */
  constructor({ timers, interval, write, silent }) {
    this.#timers = timers;
    this.#interval = interval;
    this.#write = write;
    this.#silent = silent;
  }

  start() {
    this.stop();
    this.#lastHeard = this.#timers.now();
    if (this.#interval > 0) this.#watch(this.#interval);
  }

  stop() {
    if (this.#timer !== null) this.#timers.clearTimeout(this.#timer);
    this.#timer = null;
    for (const one of this.#asked.splice(0)) {
      this.#timers.clearTimeout(one.timer);
      one.reject(new SignalingError("interrupted", "the connection ended before the answer"));
    }
  }

  /** Anything the bridge says is a sign of life. */
  heard() {
    this.#lastHeard = this.#timers.now();
  }

  /** @param {number} time of the bridge */
  answered(time) {
    const one = this.#asked.shift();
    if (!one) return;
    this.#timers.clearTimeout(one.timer);
    one.resolve({ time, roundTrip: this.#timers.now() - one.sentAt });
  }

  /** @param {number} timeout ms @returns {Promise<Pong>} */
  ping(timeout) {
    return new Promise((resolve, reject) => {
      /** @type {Asked} */
      const one = { sentAt: this.#timers.now(), timer: null, resolve, reject };
      // The entry stays in line, so that a late pong is not taken for the next one's.
      one.timer = this.#timers.setTimeout(
        () => reject(new SignalingError("timeout", `no pong within ${timeout / 1000} s`)),
        timeout,
      );
      this.#asked.push(one);
      this.#write();
    });
  }

  /** @param {number} ms */
  #watch(ms) {
    this.#timer = this.#timers.setTimeout(() => this.#check(), ms);
  }

  #check() {
    const quiet = this.#timers.now() - this.#lastHeard;
    if (quiet < this.#interval) return this.#watch(this.#interval - quiet);
    const asked = this.#timers.now();
    this.#write();
    this.#asked.push({ sentAt: asked, timer: null, resolve: () => {}, reject: () => {} });
    this.#timer = this.#timers.setTimeout(() => {
      const slept = this.#timers.now() - asked > ANSWER_MS + SLEPT_MS;
      if (this.#lastHeard >= asked) this.#watch(this.#interval);
      else if (slept) this.#check();
      else this.#silent();
    }, ANSWER_MS);
  }
}
