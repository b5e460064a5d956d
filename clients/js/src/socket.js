// A WebSocket that is opened again whenever it is lost. It knows nothing of rooms: what is said on it,
// and whether a loss is final, is the owner's business.

import { SignalingError, textOf } from "./errors.js";
import { backoffDefaults, backoffDelay } from "./backoff.js";

/**
 * @typedef {import("./index.js").Timers} Timers
 * @typedef {import("./index.js").SocketLike} SocketLike
 * @typedef {import("./index.js").SocketConstructor} SocketConstructor
 * @typedef {import("./index.js").BackoffOptions} BackoffOptions
 * @typedef {{code?: number, reason: string}} Loss
 * @typedef {{
 *   prepare(): Promise<void>,
 *   opening(): void,
 *   opened(): void,
 *   received(text: string): void,
 *   lost(loss: Loss): SignalingError | null,
 *   longestWait(): number,
 *   waiting(plan: Loss & {retryIn: number, attempt: number}): void,
 *   ended(error: SignalingError, loss: Loss): void,
 * }} Owner
 * prepare: before each socket; may fail. lost: null to try again, an error to stop. longestWait: ms.
 */

const SUBPROTOCOL = "sigbridge.v1";
/** Given up by us, and coming back: 1000 and 1001 would end the membership. */
const GIVEN_UP = 4000;
const HIGH_WATER_BYTES = 1 << 20;

export class ReconnectingSocket {
  /** @type {SocketLike | null} */ #socket = null;
  /** @type {unknown} */ #timer = null; // one at a time: open in time, next try, or long enough up
  #run = 0; // rises with each try and each stop: what belongs to an older one is stale
  #failures = 0;
  #notBefore = 0;
  #worked = false; // the present socket did what it is for
  #urls;
  #at = 0; // which of them is in use
  #WebSocket;
  #timers;
  #backoff;
  #connectTimeout;
  #owner;

  /**
   * @param {string[]} urls one or more
   * @param {{WebSocket: SocketConstructor, timers: Timers, backoff: BackoffOptions, connectTimeout: number}} options
   * @param {Owner} owner
   */
  constructor(urls, { WebSocket, timers, backoff, connectTimeout }, owner) {
    this.#urls = urls;
    this.#WebSocket = WebSocket;
    this.#timers = timers;
    this.#backoff = { ...backoffDefaults, ...backoff };
    this.#connectTimeout = connectTimeout;
    this.#owner = owner;
  }

  get isOpen() {
    return this.#socket !== null && this.#socket.readyState === 1;
  }

  get congested() {
    return this.#socket !== null && this.#socket.bufferedAmount > HIGH_WATER_BYTES;
  }

  /** Opens a socket now, whatever was planned. */
  start() {
    this.#forget();
    void this.#open(this.#run);
  }

  /** @param {string} text */
  send(text) {
    if (this.isOpen) this.#socket?.send(text);
  }

  /** The connection does what it is for; once it has lasted, the delays start over. */
  good() {
    this.#worked = true;
    this.#setTimer(() => {
      this.#failures = 0;
    }, this.#backoff.minUptime ?? backoffDefaults.minUptime);
  }

  /** The other side named a delay: no new try before it has passed. @param {number} ms */
  retryAfter(ms) {
    this.#notBefore = this.#timers.now() + ms;
  }

  /** The other side is about to go: the next try is for the next address. */
  elsewhere() {
    this.#worked = false;
  }

  /**
   * Gives this socket up and plans the next one. A dead network would delay its close event.
   * @param {string} reason @param {number} [code]
   */
  drop(reason, code = GIVEN_UP) {
    this.#lost({ reason }, code);
  }

  /** Closes for good, or until start(). @param {number} [code] @param {string} [reason] */
  stop(code = 1000, reason = "") {
    const socket = this.#forget();
    this.#failures = 0;
    this.#notBefore = 0;
    if (socket) closeQuietly(socket, code, reason);
  }

  /** @param {number} run */
  async #open(run) {
    this.#worked = false;
    this.#owner.opening();
    if (run !== this.#run) return;
    this.#limitOpening();
    try {
      await this.#owner.prepare();
    } catch (thrown) {
      if (run === this.#run) this.#lost({ reason: textOf(thrown) });
      return;
    }
    if (run !== this.#run) return;
    let socket;
    try {
      socket = new this.#WebSocket(this.#urls[this.#at], SUBPROTOCOL);
    } catch (thrown) {
      this.#lost({ reason: textOf(thrown) });
      return;
    }
    this.#socket = socket;
    this.#limitOpening();
    this.#listen(socket, run);
  }

  /** For the token to come, and again for the socket to open. */
  #limitOpening() {
    const reason = `no connection within ${this.#connectTimeout / 1000} s`;
    this.#setTimer(() => this.#lost({ reason }), this.#connectTimeout);
  }

  /** @param {SocketLike} socket @param {number} run */
  #listen(socket, run) {
    /** @param {(event: any) => void} handler */
    const current = (handler) => (/** @type {any} */ event) => {
      if (run === this.#run && socket === this.#socket) handler(event);
    };
    socket.addEventListener("open", current(() => {
      this.#clearTimer();
      this.#owner.opened();
    }));
    socket.addEventListener("message", current(({ data }) => {
      if (typeof data === "string") this.#owner.received(data);
    }));
    socket.addEventListener("close", current(({ code, reason }) => {
      this.#lost({ code, reason: reason || `the connection closed (${code})` });
    }));
    // `ws` throws without a listener; what follows is a close event in any case.
    socket.addEventListener("error", () => {});
  }

  /** @param {Loss} loss @param {number} [code] */
  #lost(loss, code = GIVEN_UP) {
    const socket = this.#forget();
    if (socket) closeQuietly(socket, code, "");
    // Where we were let in, we try first.
    if (!this.#worked) this.#at = (this.#at + 1) % this.#urls.length;
    const final = this.#owner.lost(loss);
    if (final) return this.#owner.ended(final, loss);
    if (this.#failures >= (this.#backoff.attempts ?? Infinity))
      return this.#owner.ended(
        new SignalingError("gave-up", `${this.#failures} tries in a row failed: ${loss.reason}`),
        loss,
      );
    this.#plan(loss);
  }

  /** @param {Loss} loss */
  #plan(loss) {
    const asked = this.#notBefore - this.#timers.now();
    const max = Math.min(this.#backoff.max ?? Infinity, this.#owner.longestWait());
    const retryIn = asked > 0 ? asked : backoffDelay(this.#failures, { ...this.#backoff, max });
    this.#failures += 1;
    this.#setTimer(() => this.start(), retryIn);
    this.#owner.waiting({ ...loss, retryIn, attempt: this.#failures });
  }

  /** Makes everything under way stale. Returns the socket that was in use. */
  #forget() {
    const socket = this.#socket;
    this.#run += 1;
    this.#socket = null;
    this.#clearTimer();
    return socket;
  }

  /** @param {() => void} callback @param {number} ms */
  #setTimer(callback, ms) {
    this.#clearTimer();
    this.#timer = this.#timers.setTimeout(callback, ms);
  }

  #clearTimer() {
    if (this.#timer !== null) this.#timers.clearTimeout(this.#timer);
    this.#timer = null;
  }
}

/** @param {SocketLike} socket @param {number} code @param {string} reason */
function closeQuietly(socket, code, reason) {
  try {
    socket.close(code, reason);
  } catch {
    // it never opened, or is closed
  }
}
