// One membership in one room: joins, stays joined, keeps the roster, sends with an answer to each
// message, and tells what happens in events.

import { Calls } from "./calls.js";
import { SignalingError, textOf } from "./errors.js";
import { emit } from "./events.js";
import { Messages } from "./messages.js";
import { Outbox } from "./outbox.js";
import { Pinger } from "./pinger.js";
import { checkIncoming, checkName, checkOutgoing } from "./protocol.js";
import { applyPresence, isEmpty, replaceRoster } from "./roster.js";
import { ReconnectingSocket } from "./socket.js";
import { TokenKeeper } from "./token.js";

/**
 * @typedef {import("./index.js").SignalingOptions} SignalingOptions
 * @typedef {import("./index.js").SignalingState} SignalingState
 * @typedef {import("./index.js").StateDetail} StateDetail
 * @typedef {import("./index.js").ConnectChange} ConnectChange
 * @typedef {import("./index.js").Joined} Joined
 * @typedef {import("./index.js").Peer} Peer
 * @typedef {import("./index.js").Ack} Ack
 * @typedef {import("./index.js").Meta} Meta
 * @typedef {import("./index.js").Outgoing} Outgoing
 * @typedef {import("./index.js").SendOptions} SendOptions
 * @typedef {import("./protocol.js").Message} Message
 * @typedef {import("./socket.js").Loss} Loss
 * @typedef {{
 *   promise: Promise<Joined>,
 *   resolve: (joined: Joined) => void,
 *   reject: (error: SignalingError) => void,
 * }} Arrival
 */

const TOKEN_RETRIES = 3;

/** Types that come without being asked for, and only to members. */
const unasked = new Set([
  "presence", "invite", "offer", "answer", "candidate", "bye", "message", "sealed",
]);

const defaults = {
  connectTimeout: 10000,
  joinTimeout: 15000,
  ackTimeout: 35000,
  queueTimeout: 30000,
  queueLimit: 1024,
  keepalive: 25000,
  takenRetries: 8,
};

const defaultTimers = {
  /** @param {() => void} callback @param {number} ms @returns {unknown} */
  setTimeout: (callback, ms) => globalThis.setTimeout(callback, ms),
  /** @param {any} handle */
  clearTimeout: (handle) => globalThis.clearTimeout(handle),
  now: () => Date.now(),
};

export class Signaling extends Messages {
  #options;
  #timers;
  #socket;
  #outbox;
  #pinger;
  #tokens;
  /** @type {SignalingState} */ #state = "idle";
  #room;
  #peer;
  #meta;
  /** @type {Map<string, Peer>} */ #peers = new Map();
  /** @type {RTCIceServer[]} */ #iceServers = [];
  /** @type {import("./index.js").Limits} */ #limits = {};
  /** The place that a resume would start from: kept up to date, though no bridge resumes yet. */
  /** @type {{session: string, secret: string, seq: number} | null} */ #session = null;
  /** @type {Joined | null} */ #joined = null;
  /** @type {Arrival | null} */ #arrival = null; // what connect() promised
  /** @type {string | undefined} */ #token; // for the join that comes next
  /** @type {unknown} */ #joinTimer = null;
  /** @type {SignalingError | null} */ #refusal = null; // why the bridge ends this, until the socket is gone
  /** @type {string | undefined} */ #lostBy; // the word for the last loss
  #takenTries = 0;
  #tokenTries = 0;

  /** @param {string | URL} url @param {SignalingOptions} options */
  constructor(url, options) {
    super();
    this.#options = { ...defaults, ...options };
    this.#timers = options.timers ?? defaultTimers;
    this.#room = checkName(options.room, "room");
    this.#peer = options.peer === undefined ? undefined : checkName(options.peer, "peer");
    this.#meta = options.meta;
    const WebSocket = options.WebSocket ?? globalThis.WebSocket;
    if (!WebSocket) throw new SignalingError("invalid-message", "there is no WebSocket here: pass one in the options");
    this.#outbox = new Outbox({
      timers: this.#timers,
      limit: this.#options.queueLimit,
      queueTimeout: this.#options.queueTimeout,
    });
    this.#socket = new ReconnectingSocket(
      String(url),
      { WebSocket, timers: this.#timers, backoff: options.backoff ?? {}, connectTimeout: this.#options.connectTimeout },
      {
        prepare: () => this.#fetchToken(),
        opening: () => this.#setState("connecting"),
        opened: () => this.#sendJoin(),
        received: (text) => this.#receive(text),
        lost: (loss) => this.#lost(loss),
        waiting: (plan) => this.#setState("waiting", { ...plan, closeCode: plan.code, error: this.#lostBy }),
        ended: (error, loss) => this.#stop(error, loss),
      },
    );
    this.#pinger = new Pinger({
      timers: this.#timers,
      interval: this.#options.keepalive,
      write: () => this.#write({ type: "ping" }),
      silent: () => this.#socket.drop("the bridge does not answer"),
    });
    this.#tokens = new TokenKeeper(
      options.token,
      { timers: this.#timers, random: options.backoff?.random ?? Math.random },
      { renew: (token) => this.send({ type: "refresh", token }), failed: (thrown) => this.#notRenewed(thrown) },
    );
    this._calls = new Calls(this);
  }

  get state() {
    return this.#state;
  }

  get peer() {
    return this.#peer;
  }

  get room() {
    return this.#room;
  }

  get meta() {
    return this.#meta;
  }

  get peers() {
    return this.#peers;
  }

  get iceServers() {
    return this.#iceServers;
  }

  get limits() {
    return this.#limits;
  }

  get seq() {
    return this.#session?.seq ?? 0;
  }

  // --- being there -------------------------------------------------------------------------------

  /** @param {ConnectChange} [change] @returns {Promise<Joined>} */
  connect(change = {}) {
    if (this.#state === "closed") return Promise.reject(closedError());
    if (this.#state === "joined" && this.#joined) return Promise.resolve(this.#joined);
    if (this.#arrival) return this.#arrival.promise;
    this.#arrival = newArrival();
    const { promise } = this.#arrival;
    if (this.#state === "idle") {
      try {
        this.#change(change);
      } catch (thrown) {
        this.#arrival = null;
        return Promise.reject(thrown);
      }
      if (this.#socket.isOpen) void this.#joinAgain();
      else this.#socket.start();
    }
    return promise;
  }

  reconnect() {
    if (this.#state === "waiting") this.#socket.start();
  }

  async leave() {
    if (this.#isOver()) return;
    if (this.#state === "joined") {
      const left = this.#outbox.push({ type: "leave" }, this.#options.ackTimeout);
      await left.catch(() => this.#socket.stop()); // that ends the membership just as well
    } else {
      this.#socket.stop();
    }
    if (!this.#isOver()) this.#stop(new SignalingError("closed", "leave() was called"), null);
  }

  #isOver() {
    return this.#state === "idle" || this.#state === "closed";
  }

  close() {
    if (this.#state === "closed") return;
    if (this.#state === "joined") this.#write({ type: "leave" });
    this.#socket.stop(1000, "leave");
    this.#end("closed", closedError(), null);
  }

  // --- sending -----------------------------------------------------------------------------------

  /** @param {Outgoing} message @param {SendOptions} [options] @returns {Promise<Ack>} */
  async send(message, { timeout = this.#options.ackTimeout } = {}) {
    const checked = checkOutgoing(message);
    if (this.#state === "closed") throw closedError();
    if (this.#state === "idle")
      throw new SignalingError("not-joined", "not in a room: call connect() first", { to: checked.to });
    const ack = await this.#outbox.push(checked, timeout);
    if (checked.type === "refresh" && this.#state === "joined") this.#takeMeans(ack);
    return ack;
  }

  /** @param {Meta} meta @param {SendOptions} [options] */
  async update(meta, options) {
    const ack = await this.send({ type: "update", meta }, options);
    this.#meta = meta;
    return ack;
  }

  /** @param {string} [token] @param {SendOptions} [options] */
  async refresh(token, options) {
    const fresh = token ?? (await this.#tokens.ask());
    if (fresh === undefined) throw new SignalingError("unauthorized", "there is no token to hand in");
    const ack = await this.send({ type: "refresh", token: fresh }, options);
    if (token !== undefined && !this.#tokens.renews) this.#tokens.replace(token);
    return ack;
  }

  /** @param {SendOptions} [options] */
  async ping({ timeout = 10000 } = {}) {
    if (this.#state !== "joined") throw new SignalingError("offline", "there is no connection to ask over");
    return this.#pinger.ping(timeout);
  }

  /** @returns {number} */
  _now() {
    return this.#timers.now();
  }

  /** @param {number} ms @returns {Promise<void>} */
  _pause(ms) {
    return new Promise((resolve) => void this.#timers.setTimeout(resolve, ms));
  }

  // --- joining -----------------------------------------------------------------------------------

  async #fetchToken() {
    this.#token = await this.#tokens.ask();
  }

  /** On the socket that leave() left open. */
  async #joinAgain() {
    this.#setState("connecting");
    const arrival = this.#arrival;
    try {
      await this.#fetchToken();
    } catch (thrown) {
      if (arrival === this.#arrival) this.#socket.drop(textOf(thrown));
      return;
    }
    if (arrival !== this.#arrival || this.#state !== "connecting") return;
    if (this.#socket.isOpen) this.#sendJoin();
    else this.#socket.start();
  }

  #sendJoin() {
    this.#setState("joining");
    this.#refusal = null;
    this.#joinTimer = this.#timers.setTimeout(
      () => this.#socket.drop("the bridge did not answer the join"),
      this.#options.joinTimeout,
    );
    /** @type {Message} */
    let join;
    try {
      join = checkOutgoing({ type: "join", room: this.#room, peer: this.#peer, token: this.#token, meta: this.#meta });
      this.#token = undefined;
    } catch (thrown) {
      this.#refuseJoin(/** @type {SignalingError} */ (thrown));
      return;
    }
    this.#write(join);
  }

  /** @param {Message} message */
  #takeJoined(message) {
    this.#clearJoinTimer();
    const rejoined = this.#joined !== null;
    const { room, peer, session, secret, peers, iceServers = [], resumeWindow = 0, limits = {}, tokenExpiresIn } = message;
    this.#takenTries = 0;
    this.#tokenTries = 0;
    this.#room = room;
    this.#peer = peer;
    this.#session = { session, secret, seq: 0 };
    this.#iceServers = iceServers;
    this.#limits = limits;
    const missed = replaceRoster(this.#peers, peers, peer);
    const roster = [...this.#peers.values()];
    this.#joined = { room, peer, session, peers: roster, iceServers, resumeWindow, limits, tokenExpiresIn, rejoined };
    this.#socket.good();
    this.#pinger.start();
    this.#setState("joined");
    this.#takeMeans({ iceServers, tokenExpiresIn });
    this.#outbox.open({
      write: (queued) => this.#write(queued),
      congested: () => this.#socket.congested,
    });
    const arrival = this.#arrival;
    this.#arrival = null;
    arrival?.resolve(this.#joined);
    emit(this, "joined", this.#joined);
    if (rejoined && !isEmpty(missed)) emit(this, "presence", missed);
    this._calls.presence(missed);
    if (rejoined) this._calls.rejoined();
  }

  /** What `joined` and the `ack` of a `refresh` bring. @param {Pick<Ack, "iceServers" | "tokenExpiresIn">} means */
  #takeMeans({ iceServers, tokenExpiresIn }) {
    this.#tokens.expiresIn(tokenExpiresIn);
    if (!iceServers) return;
    this.#iceServers = iceServers;
    emit(this, "iceservers", iceServers);
  }

  /** The old token still counts. @param {unknown} thrown by the token function, or the bridge's refusal */
  #notRenewed(thrown) {
    if (this.#state !== "joined") return; // joining again asks again
    const sentence = `the token could not be renewed: ${textOf(thrown)}`;
    const word = thrown instanceof SignalingError ? thrown.error : "unauthorized";
    emit(this, "error", new SignalingError(word, sentence, { cause: thrown }));
  }

  /** @param {SignalingError} error */
  #refuseJoin(error) {
    this.#refusal = error;
    if (error.retryAfter !== undefined) this.#socket.retryAfter(error.retryAfter);
    this.#socket.drop(error.message);
  }

  // --- losing ------------------------------------------------------------------------------------

  /** @param {Loss} loss @returns {SignalingError | null} */
  #lost(loss) {
    this.#clearJoinTimer();
    this.#pinger.stop();
    this.#tokens.stop();
    this.#outbox.interrupt();
    if (this.#state === "idle") return new SignalingError("closed", loss.reason);
    const error = this.#causeOf(loss);
    this.#refusal = null;
    this.#lostBy = error?.error;
    return error && this.#isFinal(error) ? error : null;
  }

  /** @param {Loss} loss @returns {SignalingError | null} null: we cannot tell, or it does not matter */
  #causeOf({ code, reason }) {
    if (code === 4409)
      return new SignalingError("replaced", "a newer session of the same name took over: close one of them");
    if (this.#refusal) return this.#refusal;
    if (code === 4401) return new SignalingError("unauthorized", `the bridge ended the membership: ${reason}`);
    return null;
  }

  /** Whether another try cannot help. @param {SignalingError} refusal of a join */
  #isFinal({ error, code }) {
    if (error === "peer-taken") {
      // Our own lost connection may still hold the name, until the bridge notices.
      this.#takenTries += 1;
      return this.#joined === null || this.#takenTries > this.#options.takenRetries;
    }
    if (error === "unauthorized") {
      this.#tokenTries += 1;
      return !this.#tokens.renews || this.#tokenTries > TOKEN_RETRIES;
    }
    return code !== 429 && code < 500;
  }

  /** Goes idle. @param {SignalingError} error @param {Loss | null} loss */
  #stop(error, loss) {
    const wanted = error.error === "closed";
    const promised = this.#arrival !== null;
    this.#end("idle", error, loss);
    if (!wanted && !promised) emit(this, "error", error);
  }

  /** @param {"idle" | "closed"} state @param {SignalingError} error @param {Loss | null} loss */
  #end(state, error, loss) {
    this.#clearJoinTimer();
    this.#pinger.stop();
    this.#tokens.stop();
    this.#token = undefined;
    this.#joined = null;
    this.#session = null;
    this.#peers.clear();
    const arrival = this.#arrival;
    this.#arrival = null;
    this.#setState(state, { reason: error.message, closeCode: loss?.code, error: error.error });
    this.#outbox.abandon(error);
    arrival?.reject(error);
  }

  // --- receiving ---------------------------------------------------------------------------------

  /** @param {string} text */
  #receive(text) {
    this.#pinger.heard();
    let message;
    try {
      const parsed = JSON.parse(text);
      this.#tellWire("in", parsed);
      message = checkIncoming(parsed);
    } catch (thrown) {
      const sentence = `the bridge sent what this client cannot read: ${textOf(thrown)}`;
      emit(this, "error", new SignalingError("invalid-message", sentence, { cause: thrown }));
      return;
    }
    if (!message || !this.#isNew(message)) return;
    if (unasked.has(message.type)) this.#takeUnasked(message);
    else this.#takeReply(message);
  }

  /** @param {Message} message */
  #isNew({ seq }) {
    if (seq === undefined || !this.#session) return true;
    if (seq <= this.#session.seq) return false;
    this.#session.seq = seq;
    return true;
  }

  /** @param {Message} message */
  #takeReply(message) {
    if (message.type === "joined" && this.#state === "joining") this.#takeJoined(message);
    else if (message.type === "ack") this.#outbox.acknowledge(/** @type {any} */ (message));
    else if (message.type === "pong") this.#pinger.answered(message.time);
    else if (message.type === "error") this.#takeError(message);
    else if (message.type === "closing") this.#takeClosing(message);
  }

  /** What a member of the room hears. @param {Message} message */
  #takeUnasked(message) {
    if (this.#state !== "joined") return; // it crossed our `leave`
    if (message.type === "presence") return this.#takePresence(message);
    const { type } = message;
    if (type !== "message") message.call ??= "";
    emit(this, type, message);
    if (type !== "message" && type !== "sealed") this._calls.route(message);
  }

  /** @param {Message} message */
  #takeClosing({ reason, retryAfter = 0 }) {
    this.#socket.retryAfter(retryAfter);
    emit(this, "closing", { reason, retryAfter });
  }

  /** @param {Message} message */
  #takeError({ error, message: sentence = error, code, id, to, retryAfter, rule }) {
    const problem = new SignalingError(error, sentence, { code, id, to, retryAfter, rule });
    if (id !== undefined && this.#outbox.refuse(id, problem)) return;
    if (this.#state === "joining") this.#refuseJoin(problem);
    // The token has expired: the bridge closes the socket next, and that is when we tell.
    else if (error === "unauthorized") this.#refusal = problem;
    else emit(this, "error", problem);
  }

  /** @param {any} message */
  #takePresence(message) {
    const change = applyPresence(this.#peers, message, this.#peer);
    if (isEmpty(change)) return;
    emit(this, "presence", change);
    this._calls.presence(change);
  }

  // --- telling -----------------------------------------------------------------------------------

  /** @param {"in" | "out"} direction @param {any} message */
  #tellWire(direction, message) {
    emit(this, "wire", { direction, message: withoutSecrets(message), at: this.#timers.now() });
  }

  /** @param {Message} message */
  #write(message) {
    this.#socket.send(JSON.stringify(message));
    this.#tellWire("out", message);
  }

  /** @param {SignalingState} state @param {Partial<StateDetail> & {code?: number}} [more] */
  #setState(state, { retryIn, attempt, reason, closeCode, error } = {}) {
    const previous = this.#state;
    if (previous === state && state !== "waiting") return;
    this.#state = state;
    emit(this, "state", { state, previous, retryIn, attempt, reason, closeCode, error });
  }

  /** @param {ConnectChange} change */
  #change({ room, peer, meta, token }) {
    if (room !== undefined) this.#room = checkName(room, "room");
    if (peer !== undefined) this.#peer = checkName(peer, "peer");
    if (meta !== undefined) this.#meta = meta;
    if (token !== undefined) this.#tokens.replace(token);
  }

  #clearJoinTimer() {
    if (this.#joinTimer !== null) this.#timers.clearTimeout(this.#joinTimer);
    this.#joinTimer = null;
  }
}

/** @param {any} message */
function withoutSecrets(message) {
  const shown = { ...message };
  for (const field of ["token", "secret"]) if (field in shown) shown[field] = "…";
  if (Array.isArray(shown.iceServers))
    shown.iceServers = shown.iceServers.map((/** @type {any} */ server) =>
      server?.credential === undefined ? server : { ...server, credential: "…" },
    );
  return shown;
}

function closedError() {
  return new SignalingError("closed", "this client was closed: make a new one");
}

/** @returns {Arrival} */
function newArrival() {
  /** @type {any} */
  const arrival = {};
  arrival.promise = new Promise((resolve, reject) => Object.assign(arrival, { resolve, reject }));
  return arrival;
}
