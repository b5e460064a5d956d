// The token: asked for when it is needed, and renewed before it runs out. What to do with a fresh one,
// and what to tell when there is none, is the owner's business. A token is never kept longer than it
// takes to send it, unless the application gave it as a string.

/**
 * @typedef {import("./index.js").Timers} Timers
 * @typedef {import("./index.js").SignalingOptions["token"]} Source
 * @typedef {{
 *   renew(token: string): Promise<unknown>,
 *   failed(thrown: unknown): void,
 * }} Owner
 * renew: hands the token in, and calls expiresIn() with what the bridge answers. failed: one try.
 */

const LEAD_MS = 30000; // before the end; less where the whole life is short
const LEAD_PART = 10;
const RETRY_MS = 500; // at least, between two tries: a token may come back that is as old
const LONGEST_TIMER_MS = 2147483647; // setTimeout() takes no more and would fire at once

export class TokenKeeper {
  /** @type {unknown} */ #timer = null;
  #run = 0; // rises with each answer, try and stop: what belongs to an older one is stale
  #endsAt = 0;
  #source;
  #timers;
  #random;
  #owner;

  /** @param {Source} source @param {{timers: Timers, random: () => number}} options @param {Owner} owner */
  constructor(source, { timers, random }, owner) {
    this.#source = source;
    this.#timers = timers;
    this.#random = random;
    this.#owner = owner;
  }

  /** Whether asking again may give another token. */
  get renews() {
    return typeof this.#source === "function";
  }

  /** @returns {Promise<string | undefined>} */
  async ask() {
    return typeof this.#source === "function" ? this.#source() : this.#source;
  }

  /** The application has another string, for this membership and the next. @param {Source} source */
  replace(source) {
    this.#source = source;
  }

  /** The bridge let us in, or took a fresh token. @param {number} [seconds] undefined: for ever */
  expiresIn(seconds) {
    this.stop();
    if (seconds === undefined || !this.renews) return;
    const life = seconds * 1000;
    const lead = Math.min(LEAD_MS, life / LEAD_PART) * (1 + this.#random() / 2);
    this.#endsAt = this.#timers.now() + life;
    this.#wakeAt(Math.max(this.#endsAt - lead, this.#timers.now() + RETRY_MS));
  }

  /** No membership to renew any more. */
  stop() {
    this.#run += 1;
    if (this.#timer !== null) this.#timers.clearTimeout(this.#timer);
    this.#timer = null;
  }

  /** @param {number} time */
  #wakeAt(time) {
    const ms = time - this.#timers.now();
    this.#timer = this.#timers.setTimeout(
      () => (ms > LONGEST_TIMER_MS ? this.#wakeAt(time) : void this.#renew()),
      Math.min(ms, LONGEST_TIMER_MS),
    );
  }

  async #renew() {
    this.stop();
    const run = this.#run;
    // Should this one fail or never end: again when half of the rest is over, and not at the very end.
    const rest = Math.max(RETRY_MS, (this.#endsAt - this.#timers.now()) / 2);
    if (this.#timers.now() + rest < this.#endsAt) this.#wakeAt(this.#timers.now() + rest);
    try {
      const token = await this.ask();
      if (run !== this.#run) return;
      if (token === undefined) throw new TypeError("the token function gave none");
      await this.#owner.renew(token);
    } catch (thrown) {
      if (run === this.#run) this.#owner.failed(thrown);
    }
  }
}
