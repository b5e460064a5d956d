// sigbridge: WebRTC signaling for browsers and Node.
//
// Two classes: `Signaling` is one membership in one room over a WebSocket that reconnects by itself;
// `PeerLink` is one RTCPeerConnection to one peer of that room. Times are milliseconds since the Unix
// epoch, durations milliseconds, unless a name says otherwise.

// ---------------------------------------------------------------------------------------------------
// What travels

export type PeerKind = "device" | "browser" | "sfu" | "http";
export type Meta = { [name: string]: unknown };
export type Extension = { [name: string]: unknown };

/** Any value that JSON can carry. At most 65536 bytes as JSON text. */
export type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

/** What an inviting peer would like to receive or use. */
export interface MediaWish {
  audio?: boolean;
  video?: boolean;
  data?: boolean;
}

/** A peer of the room, as the roster and presence describe it. */
export interface Peer {
  peer: string;
  kind?: PeerKind | (string & {});
  meta?: Meta;
  since?: number;
}

export interface Departure {
  peer: string;
  /** Why, in a word of the bridge: `leave`, `gone`, `expired`, … ; `missed` when it went while we were away. */
  reason?: string;
}

/** The largest things the bridge takes; absent members mean the protocol's defaults. */
export interface Limits {
  message?: number;
  sdp?: number;
  meta?: number;
  [name: string]: number | undefined;
}

/** Answer to `join` and `resume`. `secret` is kept by the client and not shown here. */
export interface Joined {
  room: string;
  /** Our own name, given or picked by the bridge. */
  peer: string;
  session: string;
  /** Everyone else in the room. */
  peers: Peer[];
  /** Their TURN credentials may end: `signaling.iceServers` has the newest. */
  iceServers: RTCIceServer[];
  /** Seconds for which a dropped socket keeps its membership; 0: not at all. */
  resumeWindow: number;
  limits: Limits;
  /** Seconds until the token expires; absent where no token is in use. */
  tokenExpiresIn?: number;
  /**
   * True when the connection was lost and the membership with it: we joined again, and what others
   * sent meanwhile is gone. `presence` follows with the difference between the rosters.
   */
  rejoined: boolean;
  /** True when the connection was lost and the membership was not: nothing is missing. */
  resumed: boolean;
}

interface Forwarded {
  from: string;
  /** Name of the call; the empty string when the sender named none. */
  call: string;
  seq?: number;
  id?: string;
  /** When it was sent, as its sender tells. */
  sent?: number;
  ext?: Extension;
}
export interface InviteMessage extends Forwarded { type: "invite"; media?: MediaWish }
export interface OfferMessage extends Forwarded { type: "offer"; sdp: string }
export interface AnswerMessage extends Forwarded { type: "answer"; sdp: string }
/** `candidate` null, or with an empty `candidate` string: no more will come. */
export interface CandidateMessage extends Forwarded { type: "candidate"; candidate: RTCIceCandidateInit | null }
export interface ByeMessage extends Forwarded { type: "bye"; reason?: string }
export interface SealedMessage extends Forwarded { type: "sealed"; data: string }
export interface DataMessage extends Omit<Forwarded, "call"> { type: "message"; data: Json }

/** What `send()` takes: a message of the protocol without `id`, which the client adds. */
export type Outgoing =
  | { type: "invite"; to: string; call?: string; media?: MediaWish; ext?: Extension }
  | { type: "offer" | "answer"; to: string; sdp: string; call?: string; ext?: Extension }
  | { type: "candidate"; to: string; candidate: RTCIceCandidateInit | null; call?: string; ext?: Extension }
  | { type: "bye"; to: string; call?: string; reason?: string; ext?: Extension }
  | { type: "message"; to?: string; data: unknown; ext?: Extension }
  | { type: "sealed"; to: string; data: string; call?: string; ext?: Extension }
  | { type: "update"; meta: Meta }
  | { type: "refresh"; token: string };

export interface Ack {
  id: string;
  /** Only for `refresh`. */
  iceServers?: RTCIceServer[];
  tokenExpiresIn?: number;
}

// ---------------------------------------------------------------------------------------------------
// Errors

/** Words that the bridge sends. */
export type WireError =
  | "invalid-json" | "invalid-message" | "invalid-sdp" | "invalid-candidate" | "unauthorized"
  | "forbidden" | "peer-not-found" | "peer-taken" | "unexpected-answer" | "not-joined"
  | "already-joined" | "session-expired" | "too-large" | "rate-limited" | "unavailable";

/**
 * Words of this library; their `code` is 0.
 * - `offline`: never sent; no connection came within `queueTimeout`.
 * - `queue-full`: never sent; too much was waiting.
 * - `interrupted`: sent, then the connection broke before the bridge answered, and the session could
 *   not be resumed: it may have arrived.
 * - `timeout`: sent, no answer within the time limit: it may have arrived.
 * - `closed`: the client or link was closed.
 * - `replaced`: a newer session of the same name took over; the client does not reconnect.
 * - `gap`: messages of the bridge are missing from the count; the client joins again.
 * - `gave-up`: `backoff.attempts` new tries in a row failed.
 * - `negotiation`: the RTCPeerConnection refused a description or candidate (`cause` holds its error).
 * - `ice-failed`: the media path broke and restarting it did not help.
 */
export type LocalError =
  | "offline" | "queue-full" | "interrupted" | "timeout" | "closed" | "replaced" | "gap" | "gave-up"
  | "negotiation" | "ice-failed";

export class SignalingError extends Error {
  constructor(
    error: WireError | LocalError,
    message: string,
    more?: { code?: number; to?: string; id?: string; retryAfter?: number; rule?: string; cause?: unknown },
  );
  /** Number of the protocol's error table; 0 for words of this library. */
  code: number;
  /** The stable word to compare with. */
  error: WireError | LocalError | (string & {});
  /** A sentence that says what to do. */
  message: string;
  /** The peer that the refused message was for. */
  to?: string;
  /** `id` of the refused message. */
  id?: string;
  /** The rule that was broken, in a word of the bridge: `sdp-fingerprint`, … */
  rule?: string;
  /** Milliseconds to wait before the next try. */
  retryAfter?: number;
  cause?: unknown;
}

// ---------------------------------------------------------------------------------------------------
// Signaling

/**
 * - `idle`: not connected and not trying (before `connect()`, after `leave()`, after a final error)
 * - `connecting`: a socket is being opened
 * - `joining`: the socket is open, the bridge has not let us in yet, or what we missed is coming in
 * - `joined`: everything works
 * - `waiting`: the connection is lost; the next try starts by itself
 * - `closed`: `close()` was called; for good
 */
export type SignalingState = "idle" | "connecting" | "joining" | "joined" | "waiting" | "closed";

/** What is used of a WebSocket; the browser's and `ws` both fit. */
export interface SocketLike {
  readonly readyState: number;
  readonly bufferedAmount: number;
  send(data: string): void;
  close(code?: number, reason?: string): void;
  addEventListener(type: string, listener: (event: any) => void): void;
}
export type SocketConstructor = new (url: string, protocols?: string | string[]) => SocketLike;

export interface Timers {
  setTimeout(callback: () => void, ms: number): unknown;
  clearTimeout(handle: any): void;
  /** Milliseconds since the Unix epoch. */
  now(): number;
  /** Milliseconds of a clock that nobody sets: durations are measured by it. Default `now`. */
  steady?(): number;
}

export interface BackoffOptions {
  /** First delay in ms. Default 500. */
  base?: number;
  /** Longest delay in ms. Default 30000; never more than 5000 while the session may be resumed or our own name is taken. */
  max?: number;
  /** Growth per attempt. Default 2. */
  factor?: number;
  /** Part of the delay that is random, 0 to 1, drawn anew each time. Default 0.5. */
  jitter?: number;
  /** Tries in a row that may fail after a loss before giving up with `gave-up`. Default: no limit. */
  attempts?: number;
  /** A connection counts as good, and the delays start over, after this many ms. Default 5000. */
  minUptime?: number;
  /** In [0, 1). Default Math.random. */
  random?: () => number;
}

export type TokenSource = string | (() => string | Promise<string>);

/** What `connect()` may change while the client is `idle`. */
export interface ConnectChange {
  room?: string;
  peer?: string;
  meta?: Meta;
  /** In place of the one that was refused or has expired. */
  token?: TokenSource;
}

export interface SignalingOptions {
  room: string;
  /** Without it the bridge picks a name. The same name is asked for whenever we join again. */
  peer?: string;
  meta?: Meta;
  /**
   * What lets us in. A function is asked for each `join`, and again shortly before the token
   * expires: 30 s, or a tenth of its life if that is less, and up to half of that earlier by chance.
   * A string is used until it expires; then the client goes `idle` with the error `unauthorized`.
   * Travels in `join` and `refresh`, never in the URL.
   */
  token?: TokenSource;
  /** Default globalThis.WebSocket. */
  WebSocket?: SocketConstructor;
  timers?: Timers;
  backoff?: BackoffOptions;
  /**
   * For a socket to open, and again for the bridge to let us in. Default 10000 and 15000; a resume is
   * tried again when 5000 have passed without an answer.
   */
  connectTimeout?: number;
  joinTimeout?: number;
  /** From sending to the bridge's answer. Default 35000: the bridge itself gives up after 30 s. */
  ackTimeout?: number;
  /** How long a message may wait for a connection, also when it was sent once. Default 30000. */
  queueTimeout?: number;
  /** How many messages may wait. Default 1024. */
  queueLimit?: number;
  /** Silence in ms after which we ask whether the bridge is still there; 0 never. Default 25000. */
  keepalive?: number;
  /**
   * How often a name that is still taken by our own lost connection is asked for again, at most 5 s
   * apart. Default 12: half a minute.
   */
  takenRetries?: number;
}

export interface SendOptions {
  /** Overrides `ackTimeout` for this message. */
  timeout?: number;
}
export interface CallSendOptions extends SendOptions {
  call?: string;
  ext?: Extension;
}

export interface StateDetail {
  state: SignalingState;
  previous: SignalingState;
  /** With `waiting`: milliseconds until the next try, and which try it will be (1, 2, …). */
  retryIn?: number;
  attempt?: number;
  /** Why the connection ended, with `waiting` and `idle`. */
  reason?: string;
  /** The same as a word, with `idle`, and with `waiting` where the bridge gave one: `rate-limited`, … */
  error?: WireError | LocalError | (string & {});
  /** WebSocket close code, where there was one. */
  closeCode?: number;
  /** With `waiting`: whether the membership may still be resumed, so that the others miss nobody. */
  resumable?: boolean;
}

export interface PresenceDetail {
  joined: Peer[];
  updated: Peer[];
  left: Departure[];
  /** True when this is the difference between the rosters before and after a lost connection. */
  missed: boolean;
}

export interface WireDetail {
  direction: "in" | "out";
  /** The message as JSON value; tokens and secrets are blanked. */
  message: { type?: string; [field: string]: unknown };
  at: number;
}

export interface SignalingEventMap {
  /** The state changed. */
  state: CustomEvent<StateDetail>;
  /** The bridge let us in, for the first time or again (`detail.rejoined`). */
  joined: CustomEvent<Joined>;
  /**
   * The connection was lost and is back, and nothing is missing: what others sent meanwhile has come
   * as events before this one. Comes in place of `joined`.
   */
  resumed: CustomEvent<Joined>;
  /** `peers` changed. Comes after the change. */
  presence: CustomEvent<PresenceDetail>;
  invite: CustomEvent<InviteMessage>;
  offer: CustomEvent<OfferMessage>;
  answer: CustomEvent<AnswerMessage>;
  candidate: CustomEvent<CandidateMessage>;
  bye: CustomEvent<ByeMessage>;
  message: CustomEvent<DataMessage>;
  sealed: CustomEvent<SealedMessage>;
  /** An offer or invite that no PeerLink owns: somebody calls. */
  call: CustomEvent<IncomingCall>;
  /** The bridge is about to go; the client comes back by itself after `retryAfter` ms. */
  closing: CustomEvent<{ reason?: string; retryAfter: number }>;
  /**
   * Something failed that no promise tells: a refused join, a replaced session, an expired token, an
   * unreadable message. While `state` is `joined` the membership goes on, as when a token could not
   * be renewed: the next try follows by itself.
   */
  error: CustomEvent<SignalingError>;
  /** `iceServers` was replaced: with each join, and with each fresh token. */
  iceservers: CustomEvent<RTCIceServer[]>;
  /** Every message, for a debugging panel. */
  wire: CustomEvent<WireDetail>;
}

interface TypedEventTarget<M> extends EventTarget {
  addEventListener<K extends keyof M & string>(
    type: K,
    listener: ((event: M[K]) => unknown) | { handleEvent(event: M[K]): unknown } | null,
    options?: boolean | AddEventListenerOptions,
  ): void;
  addEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | null,
    options?: boolean | AddEventListenerOptions,
  ): void;
  removeEventListener<K extends keyof M & string>(
    type: K,
    listener: ((event: M[K]) => unknown) | { handleEvent(event: M[K]): unknown } | null,
    options?: boolean | EventListenerOptions,
  ): void;
  removeEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | null,
    options?: boolean | EventListenerOptions,
  ): void;
}

export interface Signaling extends TypedEventTarget<SignalingEventMap> {}
export class Signaling {
  /**
   * Does nothing yet: `connect()` starts. Throws SignalingError for impossible options. Of several
   * addresses the first is tried first, and the next one after each failure and when a bridge goes.
   */
  constructor(url: string | URL | (string | URL)[], options: SignalingOptions);

  readonly state: SignalingState;
  /** Our own name; undefined until known. */
  readonly peer: string | undefined;
  readonly room: string;
  readonly meta: Meta | undefined;
  /** Everyone else in the room, as last heard. Kept while the connection is lost. */
  readonly peers: ReadonlyMap<string, Peer>;
  /** For `new RTCPeerConnection()`: the newest that the bridge gave. */
  readonly iceServers: RTCIceServer[];
  readonly limits: Limits;
  /** Number of the last message that a resume would start after. */
  readonly seq: number;

  /**
   * Connects and joins, and from then on stays joined: every loss is followed by new tries.
   * Resolves when joined; rejects on a final refusal (`forbidden`, `peer-taken`, …) or `close()`.
   * While it is under way, further calls return the same promise. While `idle` (after `leave()`, or
   * after a refusal) the argument may name another room, peer, meta or token.
   */
  connect(change?: ConnectChange): Promise<Joined>;
  /** While `waiting`: try now (the network is back, the page is visible again). */
  reconnect(): void;
  /**
   * Ends the membership and goes `idle`; the socket stays open for another `connect()`. While the
   * connection is lost nobody can be told: the others see us leave when `resumeWindow` is over.
   */
  leave(): Promise<void>;
  /** Leaves, closes the socket, rejects what waits. For good. Peer connections live on. */
  close(): void;

  /**
   * Sends one message; resolves when the broker has taken it. Order is kept. While the connection
   * is away, the message waits. What was sent and not answered when it broke is sent again when the
   * session is resumed, and arrives once. What the bridge refuses as `rate-limited` is sent again when it asks
   * for that, up to eight times. Rejects with SignalingError.
   */
  send(message: Outgoing, options?: SendOptions): Promise<Ack>;
  offer(to: string, sdp: string | RTCSessionDescriptionInit, options?: CallSendOptions): Promise<Ack>;
  answer(to: string, sdp: string | RTCSessionDescriptionInit, options?: CallSendOptions): Promise<Ack>;
  candidate(
    to: string,
    candidate: RTCIceCandidateInit | RTCIceCandidate | null,
    options?: CallSendOptions,
  ): Promise<Ack>;
  bye(to: string, options?: CallSendOptions & { reason?: string }): Promise<Ack>;
  invite(to: string, options?: CallSendOptions & { media?: MediaWish }): Promise<Ack>;
  /** Application data to one peer, or without `to` to the whole room. */
  message(data: unknown, options?: SendOptions & { to?: string; ext?: Extension }): Promise<Ack>;
  /** `data` is base64. The bridge sees only its size. */
  sealed(to: string, data: string, options?: CallSendOptions): Promise<Ack>;
  /** Replaces our `meta`, now and after reconnects. */
  update(meta: Meta, options?: SendOptions): Promise<Ack>;
  /**
   * Hands in a new token, by default a fresh one of the `token` function; updates `iceServers`. If the
   * bridge refuses it, the old one still counts. With a `token` function this happens by itself. A
   * string given here takes the place of the option's string, also for the next connection.
   */
  refresh(token?: string, options?: SendOptions): Promise<Ack>;
  /** Asks for the bridge's time. `roundTrip` in ms. */
  ping(options?: SendOptions): Promise<{ time: number; roundTrip: number }>;
}

// ---------------------------------------------------------------------------------------------------
// Calls

export interface IncomingCallEventMap {
  /** The caller hung up or left before the call was accepted. */
  end: CustomEvent<{ reason?: string }>;
}
export interface IncomingCall extends TypedEventTarget<IncomingCallEventMap> {
  readonly from: string;
  readonly call: string;
  /** `offer`: the caller negotiates. `invite`: the caller wants us to make the offer. */
  readonly kind: "offer" | "invite";
  /** What an `invite` wishes for. */
  readonly media?: MediaWish;
  /** True once accepted, declined or ended. */
  readonly settled: boolean;
  /** Answers the call. Tracks may still be added to `link.pc` in the same turn of the event loop. */
  accept(options?: Omit<PeerLinkOptions, "call">): PeerLink;
  decline(reason?: string): void;
}

export interface PeerLinkOptions {
  /** Name of the call, where two peers have more than one at a time. Default: the empty string. */
  call?: string;
  /** For `new RTCPeerConnection()`. Without `iceServers`, those of the bridge are used, the newest whenever a path is sought. */
  rtc?: RTCConfiguration;
  /** All their tracks are sent. */
  streams?: MediaStream[];
  /** What we want to get: sent with `invite()`; `start()` adds receiving transceivers for it. */
  media?: MediaWish;
  /** Default globalThis.RTCPeerConnection. */
  RTCPeerConnection?: new (configuration?: RTCConfiguration) => RTCPeerConnection;
  /** ICE restarts in a row without success before `ice-failed` is reported. Default 3. */
  restarts?: number;
}

export interface PeerLinkEventMap {
  track: CustomEvent<{
    track: MediaStreamTrack;
    streams: readonly MediaStream[];
    receiver: RTCRtpReceiver;
    transceiver: RTCRtpTransceiver;
  }>;
  datachannel: CustomEvent<{ channel: RTCDataChannel }>;
  /** `link.state` changed. */
  state: CustomEvent<{ state: RTCPeerConnectionState }>;
  /** The peer left the room or came back. A call outlives that: media may go on flowing. */
  presence: CustomEvent<{ present: boolean; reason?: string }>;
  /** The call is over. Comes once. */
  close: CustomEvent<{ by: "local" | "remote"; reason?: string }>;
  /** A refused message or description. The call goes on unless the application closes it. */
  error: CustomEvent<SignalingError>;
}

export interface PeerLink extends TypedEventTarget<PeerLinkEventMap> {}
export class PeerLink {
  /**
   * One connection to `peer`. Sends nothing until `invite()`, `start()` or an offer of the peer.
   * Throws SignalingError `invalid-message` when this peer and call already have a link.
   */
  constructor(signaling: Signaling, peer: string, options?: PeerLinkOptions);

  readonly pc: RTCPeerConnection;
  /** The other side. */
  readonly peer: string;
  readonly call: string;
  /** Whether we give way when both sides offer at once: our name sorts later by bytes. */
  readonly polite: boolean;
  /** `pc.connectionState`, and `closed` once the link is. */
  readonly state: RTCPeerConnectionState;
  /** Whether the peer is in the room, as far as we know. */
  readonly present: boolean;
  readonly closed: boolean;

  /** Asks the other side to make the offer. Resolves when the broker has taken the request. */
  invite(media?: MediaWish): Promise<void>;
  /** From now on we make offers whenever negotiation is needed; adds transceivers for `media`. */
  start(): void;
  /** Ends the call: says `bye`, closes the connection. Idempotent. */
  close(reason?: string): void;
}

// ---------------------------------------------------------------------------------------------------
// Smaller parts, for tests and tools

/** Highest byte order last: true when `own` is the polite side against `other`. */
export function isPolite(own: string, other: string): boolean;
/** Delay in ms before try number `attempt` (0, 1, …). Pure but for `random`. */
export function backoffDelay(attempt: number, options?: BackoffOptions): number;
/** Checks a message from client to bridge and copies what is known; throws SignalingError. */
export function checkOutgoing(message: unknown): { type: string; [field: string]: unknown };
/** The same for messages from bridge to client. Null for a type this version does not know. */
export function checkIncoming(message: unknown): { type: string; [field: string]: unknown } | null;
