// The protocol's messages as tables: which fields a type has and what each must look like. Checking
// copies what is known and drops the rest, in both directions.

import { SignalingError, textOf } from "./errors.js";

/** @typedef {{type: string, [field: string]: any}} Message */
/**
 * Null, or how the sentence "`field` must be …" ends. `max`: the most bytes `bytes()` may count; more
 * is `too-large`, not `invalid-message`.
 * @typedef {((value: any) => string | null) & {max?: number, bytes?: (value: any) => number}} Check
 */
/** @typedef {{required: Record<string, Check>, optional: Record<string, Check>}} Rule */

export const limits = {
  message: 262144, // bytes of a whole message
  sdp: 200000, // bytes
  data: 65536, // bytes of JSON text
  meta: 4096,
  ext: 1024,
  sealed: 131072, // characters
  token: 8192,
  depth: 16, // nested objects and arrays, the message counted
  openKeys: 256, // keys of all objects open at once: the bridge reads with a table of this size
  key: 128, // bytes of one key
};

const encoder = new TextEncoder();
/** @param {unknown} value @returns {number} bytes of its JSON text */
const jsonBytes = (value) => encoder.encode(JSON.stringify(value) ?? "").length;
/** @param {unknown} value */
const textBytes = (value) => encoder.encode(String(value)).length;
/** @param {unknown} value @returns {value is Record<string, unknown>} */
const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);

/** @param {(value: any) => boolean} test @param {string} want @returns {Check} */
const rule = (test, want) => (value) => (test(value) ? null : want);

/** @param {RegExp} pattern @param {string} want */
const matches = (pattern, want) =>
  rule((value) => typeof value === "string" && pattern.test(value), want);

/** @param {Check} check @param {number} max @param {(value: any) => number} [bytes] @returns {Check} */
const upTo = (check, max, bytes = jsonBytes) => Object.assign(check, { max, bytes });

const name = matches(
  /^[A-Za-z0-9][A-Za-z0-9._~-]{0,63}$/,
  "1 to 64 of A-Z a-z 0-9 . _ ~ -, beginning with a letter or digit",
);
const id = matches(/^[\x20-\x7e]{1,64}$/, "1 to 64 printable ASCII characters");
const call = matches(/^[\x20-\x7e]{0,64}$/, "up to 64 printable ASCII characters");
const secret = matches(/^[\x20-\x7e]{1,128}$/, "the string that `joined` gave");
const token = rule(
  (value) =>
    typeof value === "string" && value !== "" && textBytes(value) <= limits.token,
  `a string of 1 to ${limits.token} bytes`,
);
const sdp = upTo(
  rule((value) => typeof value === "string" && value !== "", "a string that is not empty"),
  limits.sdp,
  textBytes,
);
const sealed = upTo(
  matches(
    /^(?=.)(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/,
    "base64 with padding",
  ),
  limits.sealed,
  textBytes,
);
const data = upTo(
  rule((value) => JSON.stringify(value) !== undefined, "a JSON value"),
  limits.data,
);
const reason = matches(
  /^[^\x00-\x1f\x7f]{0,128}$/u,
  "a string of up to 128 characters without control characters",
);
const media = rule(
  (value) =>
    isObject(value) &&
    ["audio", "video", "data"].every(
      (kind) => value[kind] === undefined || typeof value[kind] === "boolean",
    ),
  "an object of booleans: audio, video, data",
);
const whole = rule((value) => Number.isSafeInteger(value) && value >= 0, "a whole number, 0 or more");
const text = rule((value) => typeof value === "string", "a string");
const array = rule(Array.isArray, "an array");
const object = rule(isObject, "an object");
const meta = upTo(rule(isObject, "an object"), limits.meta);
const ext = upTo(rule(isObject, "an object"), limits.ext);

/** @param {unknown} value */
const textOrNull = (value) => value === undefined || value === null || typeof value === "string";
/** @type {Check} */
const candidate = (value) => {
  if (value === null) return null;
  if (!isObject(value)) return "an RTCIceCandidateInit object or null";
  const { candidate: line, sdpMid, sdpMLineIndex: index, usernameFragment } = value;
  if (typeof line !== "string") return "an object whose `candidate` is a string";
  if (!textOrNull(sdpMid)) return "an object whose `sdpMid` is a string or null";
  if (!textOrNull(usernameFragment)) return "an object whose `usernameFragment` is a string or null";
  const indexOk =
    index === undefined || index === null || (Number.isInteger(index) && Number(index) >= 0 && Number(index) <= 65535);
  if (!indexOk) return "an object whose `sdpMLineIndex` is 0 to 65535 or null";
  if (line !== "" && (sdpMid ?? null) === null && (index ?? null) === null)
    return "an object that names its media section by `sdpMid` or `sdpMLineIndex`";
  return null;
};

/** @type {Check} */
const peerObject = (value) => {
  if (!isObject(value) || name(value.peer) !== null) return "an array of peers with a name each";
  const sound =
    (value.kind === undefined || typeof value.kind === "string") &&
    (value.meta === undefined || isObject(value.meta)) &&
    (value.since === undefined || whole(value.since) === null);
  return sound ? null : "an array of peers {peer, kind, meta, since}";
};
/** @param {Check} item @returns {Check} */
const arrayOf = (item) => (value) => {
  if (!Array.isArray(value)) return "an array";
  for (const one of value) {
    const wrong = item(one);
    if (wrong !== null) return wrong;
  }
  return null;
};
const departure = rule(
  (value) =>
    isObject(value) &&
    name(value.peer) === null &&
    (value.reason === undefined || typeof value.reason === "string"),
  "an array of {peer, reason}",
);

/** @param {Record<string, Check>} required @param {Record<string, Check>} optional @returns {Rule} */
const fields = (required, optional = {}) => ({ required, optional });

// What a peer sends to a peer: the same both ways, but for `to` and `from`.
/** @type {Record<string, Rule>} */
const forwarded = {
  invite: fields({}, { call, media, ext }),
  offer: fields({ sdp }, { call, ext }),
  answer: fields({ sdp }, { call, ext }),
  candidate: fields({ candidate }, { call, ext }),
  bye: fields({}, { call, reason, ext }),
  message: fields({ data }, { ext }),
  sealed: fields({ data: sealed }, { call, ext }),
};

/** @param {"to" | "from"} end @param {Record<string, Check>} more */
const forwardedWith = (end, more) =>
  Object.entries(forwarded).map(([type, { required, optional }]) => {
    const always = end === "from" || type !== "message";
    return /** @type {[string, Rule]} */ ([
      type,
      fields(
        always ? { ...required, [end]: name } : required,
        always ? { ...optional, ...more } : { ...optional, ...more, [end]: name },
      ),
    ]);
  });

/** @type {Map<string, Rule>} */
const outgoing = new Map([
  ["join", fields({ room: name }, { id, peer: name, token, meta })],
  ["resume", fields({ session: secret, secret, seq: whole }, { id })],
  ["leave", fields({}, { id })],
  ["update", fields({ meta }, { id })],
  ["refresh", fields({ token }, { id })],
  ["ping", fields({}, { id })],
  ...forwardedWith("to", { id }),
]);

/** @type {Map<string, Rule>} */
const incoming = new Map([
  [
    "joined",
    fields(
      { room: name, peer: name, session: secret, secret, peers: arrayOf(peerObject) },
      { iceServers: array, resumeWindow: whole, limits: object, tokenExpiresIn: whole },
    ),
  ],
  [
    "resumed",
    fields(
      { room: name, peer: name, session: secret, secret, peers: arrayOf(peerObject), seq: whole },
      { iceServers: array, resumeWindow: whole, limits: object, tokenExpiresIn: whole },
    ),
  ],
  [
    "presence",
    fields(
      {},
      { joined: arrayOf(peerObject), updated: arrayOf(peerObject), left: arrayOf(departure), seq: whole },
    ),
  ],
  ["ack", fields({ id }, { iceServers: array, tokenExpiresIn: whole })],
  ["pong", fields({ time: whole }, { id })],
  ["closing", fields({}, { reason: text, retryAfter: whole })],
  [
    "error",
    fields({ code: whole, error: text }, { message: text, id, to: text, retryAfter: whole, rule: text }),
  ],
  ...forwardedWith("from", { id, seq: whole, sent: whole }),
]);

/** @param {string} sentence */
const refuse = (sentence) => new SignalingError("invalid-message", sentence);

/** @param {Message} message @param {Rule} known @returns {Message} */
function copyKnown(message, known) {
  /** @type {Message} */
  const copy = { type: message.type };
  for (const [field, check] of Object.entries({ ...known.required, ...known.optional })) {
    const value = message[field];
    if (value === undefined) {
      if (field in known.required) throw refuse(`\`${field}\` is missing: \`${message.type}\` needs it`);
      continue;
    }
    const wrong = check(value);
    if (wrong !== null) throw refuse(`\`${field}\` must be ${wrong}`);
    if (check.max !== undefined && check.bytes !== undefined && check.bytes(value) > check.max)
      throw new SignalingError("too-large", `\`${field}\` may have ${check.max} bytes`);
    copy[field] = value;
  }
  return copy;
}

/**
 * The bridge's reader is strict and closes the socket on text it cannot take, so what it would not
 * take is refused here, where only this one message fails.
 * @param {unknown} value @param {number} depth @param {number} keys open so far
 */
function checkReadable(value, depth, keys) {
  if (typeof value === "string" && /[\0\p{Surrogate}]/u.test(value))
    throw refuse("strings must not hold U+0000 or half a surrogate pair");
  if (typeof value !== "object" || value === null) return;
  if (depth >= limits.depth) throw refuse(`at most ${limits.depth} objects and arrays may be nested`);
  const isArray = Array.isArray(value);
  for (const [key, member] of Object.entries(value)) {
    if (!isArray) {
      keys += 1;
      if (keys > limits.openKeys) throw refuse(`objects have more than ${limits.openKeys} keys`);
      if (jsonBytes(key) - 2 > limits.key) throw refuse(`a key is longer than ${limits.key} bytes`);
      checkReadable(key, depth, keys);
    }
    checkReadable(member, depth + 1, keys);
  }
}

/** @param {unknown} message @returns {Message} */
function withType(message) {
  if (!isObject(message)) throw refuse("a message must be one JSON object");
  if (typeof message.type !== "string") throw refuse("`type` must be a string");
  return /** @type {Message} */ (message);
}

/**
 * What will travel: toJSON() called, undefined members gone.
 * @param {Message} message @returns {Message}
 */
function asJson(message) {
  try {
    return JSON.parse(JSON.stringify(message));
  } catch (thrown) {
    throw refuse(`the message cannot be written as JSON: ${textOf(thrown)}`); // a cycle, a BigInt
  }
}

/** @param {unknown} message @returns {Message} */
export function checkOutgoing(message) {
  const given = withType(message);
  const known = outgoing.get(given.type);
  if (!known) throw refuse(`\`type\` is none that the protocol knows: ${given.type.slice(0, 64)}`);
  const plain = copyKnown(asJson(given), known);
  checkReadable(plain, 0, 0);
  if (jsonBytes(plain) > limits.message)
    throw new SignalingError("too-large", `a message may have ${limits.message} bytes`);
  return plain;
}

/** @param {unknown} message @returns {Message | null} null: a type that this version does not know */
export function checkIncoming(message) {
  const given = withType(message);
  const known = incoming.get(given.type);
  return known ? copyKnown(given, known) : null;
}

/** @param {unknown} value @param {string} field @returns {string} */
export function checkName(value, field) {
  const wrong = name(value);
  if (wrong !== null) throw refuse(`\`${field}\` must be ${wrong}`);
  return String(value);
}

/** A reason that may not travel must not keep a `bye` from doing so. @param {string} [given] */
export function soundReason(given) {
  return given !== undefined && reason(given) === null ? given : undefined;
}

/** @param {string} own @param {string} other */
export function isPolite(own, other) {
  return own > other; // names are ASCII: code units sort as bytes do
}
