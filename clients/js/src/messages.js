// The messages from peer to peer as methods: each builds one and hands it to send().

/**
 * @typedef {import("./index.js").Ack} Ack
 * @typedef {import("./index.js").CallSendOptions} CallSendOptions
 * @typedef {import("./index.js").Extension} Extension
 * @typedef {import("./index.js").MediaWish} MediaWish
 * @typedef {import("./index.js").Outgoing} Outgoing
 * @typedef {import("./index.js").SendOptions} SendOptions
 */

/** @abstract */
export class Messages extends EventTarget {
  /** @abstract @param {Outgoing} message @param {SendOptions} [options] @returns {Promise<Ack>} */
  send(message, options) {
    throw new TypeError(`nobody sends ${message.type} ${options}`);
  }

  /** @param {string} to @param {string | RTCSessionDescriptionInit} sdp @param {CallSendOptions} [options] */
  offer(to, sdp, options = {}) {
    return this.send({ type: "offer", to, sdp: sdpOf(sdp), ...fieldsOf(options) }, options);
  }

  /** @param {string} to @param {string | RTCSessionDescriptionInit} sdp @param {CallSendOptions} [options] */
  answer(to, sdp, options = {}) {
    return this.send({ type: "answer", to, sdp: sdpOf(sdp), ...fieldsOf(options) }, options);
  }

  /** @param {string} to @param {RTCIceCandidateInit | null} candidate @param {CallSendOptions} [options] */
  candidate(to, candidate, options = {}) {
    return this.send({ type: "candidate", to, candidate, ...fieldsOf(options) }, options);
  }

  /** @param {string} to @param {CallSendOptions & {reason?: string}} [options] */
  bye(to, options = {}) {
    return this.send({ type: "bye", to, reason: options.reason, ...fieldsOf(options) }, options);
  }

  /** @param {string} to @param {CallSendOptions & {media?: MediaWish}} [options] */
  invite(to, options = {}) {
    return this.send({ type: "invite", to, media: options.media, ...fieldsOf(options) }, options);
  }

  /** @param {unknown} data @param {SendOptions & {to?: string, ext?: Extension}} [options] */
  message(data, options = {}) {
    return this.send({ type: "message", to: options.to, data, ext: options.ext }, options);
  }

  /** @param {string} to @param {string} data @param {CallSendOptions} [options] */
  sealed(to, data, options = {}) {
    return this.send({ type: "sealed", to, data, ...fieldsOf(options) }, options);
  }
}

/** @param {string | RTCSessionDescriptionInit} description @returns {string} */
function sdpOf(description) {
  return typeof description === "string" ? description : (description.sdp ?? "");
}

/** @param {CallSendOptions} options */
function fieldsOf({ call, ext }) {
  return { call, ext };
}
