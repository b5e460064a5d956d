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
import { Session } from "./session.js";
import { ReconnectingSocket } from "./socket.js";
import { steadyTimers, systemTimers } from "./time.js";
import { TokenKeeper } from "./token.js";

/**
 * @typedef {import("./index.js").SignalingOptions} SignalingOptions
 * @typedef {import("./index.js").SignalingState} SignalingState
 * @typedef {import("./index.js").StateDetail} StateDetail
 * @typedef {import("./index.js").ConnectChange} ConnectChange
 * @typedef {import("./index.js").Joined} Joined
 * @typedef {import("./index.js").Peer} Peer
 * @typedef {import("./index.js").PresenceDetail} PresenceDetail
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
const LEAVING = 1000; // the close code that ends the membership
/** While the membership waits for us, or our name to be free again, no pause between two tries is longer. */
const HURRY_MS = 5000;
/** A bridge asks another one for 2 s at most: whoever waits longer for `resumed` has lost the connection again. */
const RESUME_MS = 5000;
/** Close codes by which the bridge ends the membership for sure. After others, asking in vain costs little. */
const endings = new Set([1008, 1013, 4401, 4409]);

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
  takenRetries: 12,
};

export class Signaling extends Messages {
  #options;
  #timers;
  #wallClock;
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
  /** @type {Session | null} */ #session = null; // kept over a loss, for as long as it may be resumed
  #resuming = false; // the present socket is to take it up again
  /** @type {Message | null} */ #resumed = null; // the bridge agreed; what was missed is coming in
  /** @type {Joined | null} */ #joined = null;
  /** @type {Arrival | null} */ #arrival = null; // what connect() promised
  /** @type {string | undefined} */ #token; // for the join that comes next
  /** @type {unknown} */ #joinTimer = null;
  #turn = 0; // rises with each loss and each end: what belongs to an older one is stale
  #unanswered = false; // a join was: the name may be taken by ourselves
  /** @type {SignalingError | null} */ #refusal = null; // why the bridge ends this, until the socket is gone
  /** @type {string | undefined} */ #lostBy; // the word for the last loss
  #takenTries = 0;
  #tokenTries = 0;

  /** @param {string | URL | (string | URL)[]} url @param {SignalingOptions} options */
  constructor(url, options) {
    super();
    this.#options = { ...defaults, ...options };
    const timers = options.timers ?? systemTimers;
    this.#timers = steadyTimers(timers);
    this.#wallClock = () => timers.now();
    this.#room = checkName(options.room, "room");
    this.#peer = options.peer === undefined ? undefined : checkName(options.peer, "peer");
    this.#meta = options.meta;
    const urls = [url].flat().map(String);
    if (urls.length === 0) throw new SignalingError("invalid-message", "an address is needed: the list is empty");
    const WebSocket = options.WebSocket ?? globalThis.WebSocket;
    if (!WebSocket) throw new SignalingError("invalid-message", "there is no WebSocket here: pass one in the options");
    this.#outbox = new Outbox({
      timers: this.#timers,
      limit: this.#options.queueLimit,
      queueTimeout: this.#options.queueTimeout,
    });
    this.#socket = new ReconnectingSocket(
      urls,
      { WebSocket, timers: this.#timers, backoff: options.backoff ?? {}, connectTimeout: this.#options.connectTimeout },
      {
        prepare: () => this.#prepare(),
        opening: () => this.#setState("connecting"),
        opened: () => (this.#resuming ? this.#sendResume() : this.#sendJoin()),
        received: (text) => this.#receive(text),
        lost: (loss) => this.#lost(loss),
        longestWait: () => (this.#mayResume() || this.#takenTries > 0 ? HURRY_MS : Infinity),
        waiting: (plan) => this.#tellWaiting(plan),
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
      if (this.#socket.isOpen) {
        this.#setState("connecting");
        void this.#joinHere();
      } else this.#socket.start();
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

  /** Before each socket: a token, unless the session is still to be had. */
  async #prepare() {
    this.#resuming = this.#mayResume();
    if (this.#resuming) return;
    this.#forgetSession();
    this.#token = await this.#tokens.ask();
  }

  /** On an open socket: the one that leave() left, or on which a resume was refused. */
  async #joinHere() {
    this.#limitJoining("the bridge did not answer the join");
    const turn = this.#turn;
    let token;
    try {
      token = await this.#tokens.ask();
    } catch (thrown) {
      if (turn === this.#turn) this.#socket.drop(textOf(thrown));
      return;
    }
    if (turn !== this.#turn) return;
    this.#token = token;
    this.#sendJoin();
  }

  #sendJoin() {
    this.#setState("joining");
    this.#refusal = null;
    this.#limitJoining("the bridge did not answer the join");
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
    const rejoined = this.#joined !== null;
    this.#session = new Session(message);
    const missed = this.#enter(message, { rejoined, resumed: false });
    emit(this, "joined", this.#joined);
    if (rejoined) this.#tellMissed(missed);
    else this._calls.presence(missed);
    if (rejoined) this._calls.rejoined();
  }

  /** We are in. @param {Message} message @param {{rejoined: boolean, resumed: boolean}} how @returns {PresenceDetail} */
  #enter({ room, peer, peers, iceServers, limits = this.#limits, tokenExpiresIn }, how) {
    const session = /** @type {Session} */ (this.#session);
    this.#clearJoinTimer();
    this.#takenTries = 0;
    this.#tokenTries = 0;
    this.#unanswered = false;
    this.#room = room;
    this.#peer = peer;
    this.#limits = limits;
    if (iceServers) this.#iceServers = iceServers;
    const missed = replaceRoster(this.#peers, peers, peer);
    const roster = [...this.#peers.values()];
    this.#joined = {
      room, peer, session: session.name, peers: roster, iceServers: this.#iceServers, resumeWindow: session.windowSeconds,
      limits, tokenExpiresIn, ...how,
    };
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
    return missed;
  }

  /** @param {PresenceDetail} missed */
  #tellMissed(missed) {
    if (isEmpty(missed)) return;
    emit(this, "presence", missed);
    this._calls.presence(missed);
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

  /** @param {string} reason why we give up when it takes too long @param {number} [ms] */
  #limitJoining(reason, ms = this.#options.joinTimeout) {
    this.#clearJoinTimer();
    // A join that may yet succeed would hold our name.
    const code = this.#resuming ? undefined : LEAVING;
    this.#joinTimer = this.#timers.setTimeout(() => this.#socket.drop(reason, code), ms);
  }

  // --- resuming ----------------------------------------------------------------------------------

  #mayResume() {
    return this.#session !== null && this.#session.mayResume(this.#timers.now());
  }

  #sendResume() {
    const session = /** @type {Session} */ (this.#session);
    this.#setState("joining");
    this.#limitJoining("the bridge did not answer the resume", Math.min(RESUME_MS, this.#options.joinTimeout));
    this.#write(session.question());
  }

  /** The messages that we missed come next, up to the one that `peers` includes. @param {Message} message */
  #takeResumed(message) {
    const session = /** @type {Session} */ (this.#session);
    session.renew(message);
    if (message.seq < session.seq)
      return this.#outOfStep(`the bridge has sent ${message.seq} messages, but we have ${session.seq}`);
    this.#resumed = message;
    this.#catchUp();
  }

  #catchUp() {
    if (!this.#resumed || !this.#session) return;
    if (this.#session.seq < this.#resumed.seq)
      return this.#limitJoining("the messages that were missed did not come");
    const message = this.#resumed;
    this.#resumed = null;
    const missed = this.#enter(message, { rejoined: false, resumed: true });
    emit(this, "resumed", this.#joined);
    this.#tellMissed(missed);
    this._calls.resumed();
  }

  /** The bridge does not keep our membership, so we join anew on the same socket. */
  #notResumed() {
    this.#resuming = false;
    this.#forgetSession();
    void this.#joinHere();
  }

  /** @param {string} sentence */
  #outOfStep(sentence) {
    this.#forgetSession();
    this.#socket.drop(sentence, LEAVING);
    emit(this, "error", new SignalingError("gap", `${sentence}: joining again`));
  }

  #forgetSession() {
    this.#session = null;
    this.#outbox.forget();
  }

  // --- losing ------------------------------------------------------------------------------------

  /** @param {Loss} loss @returns {SignalingError | null} */
  #lost(loss) {
    this.#turn += 1;
    this.#clearJoinTimer();
    this.#pinger.stop();
    this.#tokens.stop();
    this.#outbox.interrupt();
    if (this.#state === "idle") return new SignalingError("closed", loss.reason);
    const isMember = this.#state === "joined";
    if (this.#state === "joining" && !this.#resuming && !this.#refusal) this.#unanswered = true;
    this.#resuming = false;
    this.#resumed = null;
    this.#session?.lost(this.#timers.now());
    if (!this.#mayResume() || (isMember && endings.has(loss.code ?? 0))) this.#forgetSession();
    const error = this.#causeOf(loss);
    this.#refusal = null;
    this.#lostBy = error?.error;
    return error && this.#isFinal(error) ? error : null;
  }

  /** @param {Loss & {retryIn: number, attempt: number}} plan */
  #tellWaiting({ code, ...plan }) {
    this.#setState("waiting", { ...plan, closeCode: code, error: this.#lostBy, resumable: this.#mayResume() });
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
      const mayBeOurs = this.#joined !== null || this.#unanswered;
      return !mayBeOurs || this.#takenTries > this.#options.takenRetries;
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
    this.#turn += 1;
    this.#clearJoinTimer();
    this.#pinger.stop();
    this.#tokens.stop();
    this.#token = undefined;
    this.#joined = null;
    this.#session = null;
    this.#resuming = false;
    this.#resumed = null;
    this.#unanswered = false;
    this.#takenTries = 0;
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
      if (!this.#isNext(parsed?.seq, parsed?.type)) return;
      message = checkIncoming(parsed);
    } catch (thrown) {
      const sentence = `the bridge sent what this client cannot read: ${textOf(thrown)}`;
      emit(this, "error", new SignalingError("invalid-message", sentence, { cause: thrown }));
    }
    if (message && unasked.has(message.type)) this.#takeUnasked(message);
    else if (message) this.#takeReply(message);
    if (message?.type !== "resumed") this.#catchUp();
  }

  /** Also of what we cannot read, the number counts. @param {unknown} seq @param {unknown} type */
  #isNext(seq, type) {
    if (type === "resumed" || !Number.isSafeInteger(seq) || !this.#session) return true;
    if (!this.#isHere()) return false; // it crossed our `leave`
    const place = this.#session.take(Number(seq));
    if (place === "gap")
      this.#outOfStep(`message ${seq} of the bridge came where ${this.#session.seq + 1} was due`);
    return place === "next";
  }

  /** A member of the room, in the bridge's eyes. */
  #isHere() {
    return this.#state === "joined" || this.#resumed !== null;
  }

  /** @param {Message} message */
  #takeReply(message) {
    const isAwaited = this.#state === "joining" && !this.#resumed;
    if (message.type === "joined" && isAwaited && !this.#resuming) this.#takeJoined(message);
    else if (message.type === "resumed" && isAwaited && this.#resuming) this.#takeResumed(message);
    else if (message.type === "ack") this.#outbox.acknowledge(/** @type {any} */ (message));
    else if (message.type === "pong") this.#pinger.answered(message.time);
    else if (message.type === "error") this.#takeError(message);
    else if (message.type === "closing") this.#takeClosing(message);
  }

  /** What a member of the room hears. @param {Message} message */
  #takeUnasked(message) {
    if (!this.#isHere()) return; // it crossed our `leave`
    if (message.type === "presence") return this.#takePresence(message);
    const { type } = message;
    if (type !== "message") message.call ??= "";
    emit(this, type, message);
    if (type !== "message" && type !== "sealed") this._calls.route(message);
  }

  /** @param {Message} message */
  #takeClosing({ reason, retryAfter = 0 }) {
    this.#socket.retryAfter(retryAfter);
    this.#socket.elsewhere();
    emit(this, "closing", { reason, retryAfter });
  }

  /** @param {Message} message */
  #takeError({ error, message: sentence = error, code, id, to, retryAfter, rule }) {
    const problem = new SignalingError(error, sentence, { code, id, to, retryAfter, rule });
    if (id !== undefined && this.#outbox.refuse(id, problem)) return;
    const isPassing = problem.code === 429 || problem.code >= 500;
    if (this.#state === "joining" && this.#resuming && !this.#resumed && !isPassing) this.#notResumed();
    else if (this.#state === "joining" && !this.#resumed) this.#refuseJoin(problem);
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
    emit(this, "wire", { direction, message: withoutSecrets(message), at: this.#wallClock() });
  }

  /** @param {Message} message */
  #write(message) {
    this.#socket.send(JSON.stringify(message));
    this.#tellWire("out", message);
  }

  /** @param {SignalingState} state @param {Partial<StateDetail> & {code?: number}} [more] */
  #setState(state, { retryIn, attempt, reason, closeCode, error, resumable } = {}) {
    const previous = this.#state;
    if (previous === state && state !== "waiting") return;
    this.#state = state;
    emit(this, "state", { state, previous, retryIn, attempt, reason, closeCode, error, resumable });
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
