// The membership as the bridge keeps it while our socket is away: what takes it up again, until when
// that may work, and the number of the last message that we have.

/** @typedef {import("./protocol.js").Message} Message */

/**
 * The bridge begins to count when it misses us, which may be so much later: it asks after 25 s of
 * silence, and waits 10 s for the answer. It decides; asking in vain costs one message.
 */
const SLACK_MS = 40000;

export class Session {
  #name;
  #secret;
  #window;
  #seq = 0;
  #until = Infinity; // of a clock that nobody sets

  /** @param {Message} joined */
  constructor({ session, secret, resumeWindow = 0 }) {
    this.#name = session;
    this.#secret = secret;
    this.#window = resumeWindow * 1000;
  }

  get name() {
    return this.#name;
  }

  get seq() {
    return this.#seq;
  }

  get windowSeconds() {
    return this.#window / 1000;
  }

  get resumable() {
    return this.#window > 0;
  }

  /** The socket is gone; only the first time since we were in counts. @param {number} now ms */
  lost(now) {
    this.#until = Math.min(this.#until, now + this.#window + SLACK_MS);
  }

  /** @param {number} now ms */
  mayResume(now) {
    return this.resumable && now < this.#until;
  }

  /** @returns {Message} */
  question() {
    return { type: "resume", session: this.#name, secret: this.#secret, seq: this.#seq };
  }

  /** The bridge took us up again, under new names. @param {Message} resumed */
  renew({ session, secret, resumeWindow }) {
    this.#name = session;
    this.#secret = secret;
    if (resumeWindow !== undefined) this.#window = resumeWindow * 1000;
    this.#until = Infinity;
  }

  /** Whether the message of this number is the next one, one that we have, or one too far. @param {number} seq */
  take(seq) {
    if (seq <= this.#seq) return "old";
    if (seq > this.#seq + 1) return "gap";
    this.#seq = seq;
    return "next";
  }
}
