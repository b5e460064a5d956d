// An RTCPeerConnection without media, but with the rules of the W3C text that perfect negotiation
// lives by: the signaling states, one operation at a time, implicit rollback, when negotiation is
// needed, which candidates fit which description, ICE restarts. Connections find each other by their
// ICE fragments and connect when both know the other's description and one of its candidates.

let nextNumber = 1;
const byFragment = new Map();
const domError = (name, message) => Object.assign(new Error(message), { name });
const task = (callback) => setImmediate(callback);

export class FakeTrack extends EventTarget {
  id = `track${nextNumber++}`;
  constructor(kind) {
    super();
    this.kind = kind;
  }
}

export class FakeStream {
  constructor(...kinds) {
    this.tracks = kinds.map((kind) => new FakeTrack(kind));
  }
  getTracks() {
    return this.tracks;
  }
}

class FakeDescription {
  constructor(type, sdp) {
    this.type = type;
    this.sdp = sdp;
  }
  toJSON() {
    return { type: this.type, sdp: this.sdp };
  }
}

class FakeCandidate {
  constructor(init) {
    Object.assign(this, init);
  }
  toJSON() {
    return { ...this };
  }
}

export class FakePeerConnection extends EventTarget {
  static all = [];

  signalingState = "stable";
  connectionState = "new";
  number = nextNumber++;
  /** Every call that changed a description, for tests of the order: "local offer", … */
  history = [];
  /** Candidates that were accepted. */
  candidates = [];
  broken = false; // no packet gets through
  stubborn = false; // asks for negotiation for ever, as engines have done

  #configuration;
  #transceivers = [];
  #channels = 0;
  #local = { current: null, pending: null };
  #remote = { current: null, pending: null };
  #queue = Promise.resolve();
  #busy = 0;
  #closed = false;
  #version = 0;
  #needed = false;
  #restart = false;
  #fragment = null;
  #gathered = [];
  #created = null; // the last offer made by createOffer()
  #dataDead = false; // Chromium: the first data section was rolled back
  #trickled = false; // a candidate of the present remote generation is here

  constructor(configuration = {}) {
    super();
    this.#configuration = configuration;
    FakePeerConnection.all.push(this);
  }

  get localDescription() {
    const description = this.#local.pending ?? this.#local.current;
    return description && new FakeDescription(description.type, withCandidates(description.sdp, this.#gathered));
  }
  get remoteDescription() {
    return this.#remote.pending ?? this.#remote.current;
  }
  get fragment() {
    return this.#fragment;
  }

  getConfiguration() {
    return { ...this.#configuration };
  }
  setConfiguration(configuration) {
    this.#configuration = configuration;
  }
  getTransceivers() {
    return [...this.#transceivers];
  }

  addTrack(track, ...streams) {
    const free = this.#transceivers.find((t) => t.kind === track.kind && !t.sender.track);
    if (free) {
      free.sender.track = track;
      free.direction = free.direction === "recvonly" ? "sendrecv" : "sendonly";
    }
    const transceiver = free ?? this.#newTransceiver(track.kind, "sendrecv", track);
    transceiver.streams = streams;
    this.#updateNeeded();
    return transceiver.sender;
  }

  addTransceiver(kind, { direction = "sendrecv" } = {}) {
    const transceiver = this.#newTransceiver(kind, direction, null);
    transceiver.explicit = true;
    this.#updateNeeded();
    return transceiver;
  }

  createDataChannel(label) {
    this.#channels += 1;
    this.#updateNeeded();
    return { label };
  }

  restartIce() {
    this.#restart = true;
    this.#updateNeeded();
  }

  createOffer() {
    return this.#operation(() => {
      this.#created = this.#draftOffer();
      return { type: "offer", sdp: this.#created.sdp };
    });
  }

  setLocalDescription(description) {
    return this.#operation(() => {
      const isAnswer = this.signalingState === "have-remote-offer";
      if (description?.type === "rollback") return this.#rollBack();
      if (isAnswer) return this.#setLocalAnswer();
      if (description && description.sdp !== this.#created?.sdp)
        throw domError("InvalidModificationError", "not the last offer that was created");
      this.#setLocalOffer(description ? this.#created : this.#draftOffer());
    });
  }

  setRemoteDescription({ type, sdp }) {
    return this.#operation(() => {
      if (type === "offer") {
        if (this.signalingState === "have-local-offer") this.#rollBack();
        this.#checkSections(sdp);
        this.#remote.pending = new FakeDescription(type, sdp);
        this.#associate(sdp);
        this.#setSignaling("have-remote-offer");
      } else {
        if (this.signalingState !== "have-local-offer")
          throw domError("InvalidStateError", `an ${type} in state ${this.signalingState}`);
        if (sections(sdp).length !== sections(this.#local.pending.sdp).length)
          throw domError("InvalidAccessError", "the answer has other media sections than the offer");
        this.#remote = { current: new FakeDescription(type, sdp), pending: null };
        this.#local = { current: this.#local.pending, pending: null };
        this.#becomeStable();
      }
      this.history.push(`remote ${type}`);
      this.#trickled = /a=candidate:/.test(sdp);
      this.#fireTracks(sdp);
      this.#tryConnect();
    });
  }

  addIceCandidate(candidate) {
    return this.#operation(() => {
      if (!this.remoteDescription) throw domError("InvalidStateError", "no remote description");
      if (!candidate?.candidate) return;
      const fragment = candidate.usernameFragment;
      if (fragment && !this.remoteDescription.sdp.includes(`a=ice-ufrag:${fragment}\r\n`))
        throw domError("OperationError", `unknown fragment ${fragment}`);
      this.candidates.push(candidate);
      this.#trickled = true;
      this.#tryConnect();
    });
  }

  close() {
    this.#closed = true;
    this.signalingState = "closed";
    this.connectionState = "closed"; // without an event, as the standard has it
    byFragment.delete(this.#fragment);
  }

  // The test's end:

  /** The media path breaks: both ends notice. */
  fail() {
    const other = this.other;
    for (const pc of [this, other]) if (pc) pc.#setConnection("failed");
  }

  /** The connection that ours is negotiated with. */
  get other() {
    const sdp = this.#remote.current?.sdp ?? this.#remote.pending?.sdp;
    return sdp ? byFragment.get(fragmentOf(sdp)) : undefined;
  }

  // Inside:

  #operation(run) {
    if (this.#closed) return Promise.reject(domError("InvalidStateError", "closed"));
    this.#busy += 1;
    const result = this.#queue.then(
      () =>
        new Promise((resolve, reject) => {
          task(() => {
            if (this.#closed) return; // never settles
            this.#busy -= 1;
            try {
              resolve(run());
            } catch (error) {
              reject(error);
            }
            this.#updateNeeded();
          });
        }),
    );
    this.#queue = result.catch(() => {});
    return result;
  }

  #newTransceiver(kind, direction, track) {
    const transceiver = {
      kind, direction, mid: null, explicit: false, streams: [], heard: false,
      sender: { track }, receiver: { track: new FakeTrack(kind) },
    };
    this.#transceivers.push(transceiver);
    return transceiver;
  }

  /** What an offer would be now, without any change to us. */
  #draftOffer() {
    let next = this.#nextMid();
    const mids = new Map(this.#transceivers.map((t) => [t, t.mid ?? String(next++)]));
    const dataMid = this.dataMid ?? (this.#channels && !this.#dataDead ? String(next++) : undefined);
    const fragment = this.#restart || !this.#fragment ? `uf${this.number}g${nextNumber++}` : this.#fragment;
    return { mids, dataMid, fragment, sdp: this.#write("actpass", { mids, dataMid, fragment }) };
  }

  #setLocalOffer({ mids, dataMid, fragment, sdp }) {
    if (this.signalingState !== "stable" && this.signalingState !== "have-local-offer")
      throw domError("InvalidStateError", `an offer in state ${this.signalingState}`);
    for (const [transceiver, mid] of mids) transceiver.mid = mid;
    this.dataMid = dataMid;
    this.#useFragment(fragment);
    this.#local.pending = { type: "offer", sdp };
    this.history.push("local offer");
    this.#setSignaling("have-local-offer");
    this.#gather();
  }

  #setLocalAnswer() {
    const restarted = this.#remote.current && fragmentOf(this.#remote.current.sdp) !== fragmentOf(this.#remote.pending.sdp);
    if (restarted || !this.#fragment) this.#useFragment(`uf${this.number}g${nextNumber++}`);
    this.#local = { current: { type: "answer", sdp: this.#write("active") }, pending: null };
    this.#remote = { current: this.#remote.pending, pending: null };
    this.history.push("local answer");
    this.#becomeStable();
    this.#gather();
    this.#tryConnect();
  }

  #rollBack() {
    this.#local.pending = null;
    this.#remote.pending = null;
    const kept = new Set(this.#local.current ? mids(this.#local.current.sdp) : []);
    for (const transceiver of this.#transceivers) if (!kept.has(transceiver.mid)) transceiver.mid = null;
    if (this.dataMid !== undefined && !kept.has(this.dataMid)) {
      this.dataMid = undefined;
      this.#dataDead = true;
    }
    if (!this.#local.current) this.#fragment = null;
    this.history.push("rollback");
    this.#setSignaling("stable");
  }

  /** A later offer must keep the sections that were agreed on. */
  #checkSections(sdp) {
    const known = this.#remote.current && mids(this.#remote.current.sdp);
    if (known?.some((mid, i) => mids(sdp)[i] !== mid))
      throw domError("InvalidAccessError", "the order of media sections does not match");
  }

  #associate(sdp) {
    for (const { kind, mid } of sections(sdp)) {
      if (kind === "application") {
        this.dataMid = mid;
        continue;
      }
      if (this.#transceivers.some((t) => t.mid === mid)) continue;
      const free = this.#transceivers.find((t) => t.kind === kind && t.mid === null && !t.explicit);
      (free ?? this.#newTransceiver(kind, "recvonly", null)).mid = mid;
    }
  }

  #fireTracks(sdp) {
    for (const { mid, direction } of sections(sdp)) {
      const transceiver = this.#transceivers.find((t) => t.mid === mid);
      if (!transceiver || transceiver.heard || !direction.startsWith("send")) continue;
      transceiver.heard = true;
      const { receiver } = transceiver;
      task(() =>
        this.#fire("track", { track: receiver.track, streams: [{ id: `stream${mid}` }], receiver, transceiver }),
      );
    }
  }

  #write(setup, { mids: midOf = new Map(), dataMid = this.dataMid, fragment = this.#fragment } = {}) {
    const given = this.#transceivers.map((t) => ({ ...t, mid: midOf.get(t) ?? t.mid }));
    const head = [
      "v=0", `o=- ${this.number} ${++this.#version} IN IP4 127.0.0.1`, "s=-", "t=0 0",
    ];
    const order = [...new Set([
      ...(this.remoteDescription ? mids(this.remoteDescription.sdp) : []),
      ...given.map((t) => t.mid).filter((mid) => mid !== null).sort(),
      ...(dataMid === undefined ? [] : [dataMid]),
    ])];
    const body = order.flatMap((mid) => {
      const transceiver = given.find((t) => t.mid === mid);
      const media = transceiver
        ? `m=${transceiver.kind} 9 UDP/TLS/RTP/SAVPF 96`
        : "m=application 9 UDP/DTLS/SCTP webrtc-datachannel";
      return [
        media, "c=IN IP4 0.0.0.0", `a=ice-ufrag:${fragment}`, "a=ice-pwd:0123456789abcdefghijkl",
        `a=fingerprint:sha-256 ${fingerprint(this.number)}`, `a=setup:${setup}`, `a=mid:${mid}`,
        ...(transceiver ? [`a=${transceiver.direction}`, "a=rtcp-mux"] : ["a=sctp-port:5000"]),
      ];
    });
    return `${[...head, `a=group:BUNDLE ${order.join(" ")}`, ...body].join("\r\n")}\r\n`;
  }

  #nextMid() {
    const used = this.#transceivers.map((t) => t.mid).concat(this.dataMid ?? null).filter((mid) => mid !== null);
    return used.length === 0 ? 0 : Math.max(...used.map(Number)) + 1;
  }

  #useFragment(fragment) {
    if (fragment === this.#fragment) return;
    this.#restart = false;
    this.#fragment = fragment;
    this.#gathered = [];
    byFragment.set(fragment, this);
  }

  #gather() {
    const fragment = this.#fragment;
    if (this.#gathered.length > 0) return;
    for (const port of [50001, 50002]) {
      const candidate = `candidate:1 1 udp 2122260223 192.0.2.${this.number % 250} ${port} typ host`;
      task(() => {
        if (fragment !== this.#fragment || this.#closed) return;
        this.#gathered.push(candidate);
        const init = { candidate, sdpMid: "0", sdpMLineIndex: 0, usernameFragment: fragment };
        this.#fire("icecandidate", { candidate: new FakeCandidate(init) });
      });
    }
    task(() => fragment === this.#fragment && this.#fire("icecandidate", { candidate: null }));
  }

  #tryConnect() {
    const { other } = this;
    if (!other || this.broken || other.broken) return this.#setConnection("connecting");
    if (other.other !== this || !this.#isReady() || !other.#isReady()) return this.#setConnection("connecting");
    for (const pc of [this, other]) pc.#setConnection("connected");
  }

  #isReady() {
    return this.signalingState === "stable" && this.#remote.current !== null && this.#trickled && !this.#closed;
  }

  #setConnection(state) {
    if (this.#closed || this.connectionState === state) return;
    if (state === "connecting" && this.connectionState === "connected") return;
    this.connectionState = state;
    task(() => this.#fire("connectionstatechange", {}));
  }

  #setSignaling(state) {
    this.signalingState = state;
    this.#fire("signalingstatechange", {});
  }

  #becomeStable() {
    this.#setSignaling("stable");
    this.#needed = false;
  }

  /** W3C webrtc 4.7.3: the flag is set once; the event waits for an idle, stable connection. */
  #updateNeeded() {
    if (this.#busy > 0 || this.signalingState !== "stable") return;
    const needed = this.#isNeeded();
    if (!needed || this.#needed) {
      this.#needed = needed;
      return;
    }
    this.#needed = true;
    task(() => {
      if (this.#closed || this.#busy > 0 || this.signalingState !== "stable") {
        this.#needed = false;
        return;
      }
      if (this.#isNeeded()) this.#fire("negotiationneeded", {});
    });
  }

  #isNeeded() {
    if (this.#restart || this.stubborn) return true;
    const known = sections(this.#local.current?.sdp ?? "");
    if (this.#channels && !known.some(({ kind }) => kind === "application")) return true;
    return this.#transceivers.some((t) => {
      const section = known.find(({ mid }) => mid === t.mid);
      return !section || section.direction !== t.direction;
    });
  }

  #fire(type, fields) {
    if (!this.#closed) this.dispatchEvent(Object.assign(new Event(type), fields));
  }
}

function sections(sdp) {
  return sdp.split(/(?=^m=)/m).slice(1).map((text) => ({
    kind: /^m=(\w+)/.exec(text)[1],
    mid: /^a=mid:(.*?)\r?$/m.exec(text)[1],
    direction: /^a=(sendrecv|sendonly|recvonly|inactive)\r?$/m.exec(text)?.[1] ?? "sendrecv",
  }));
}

function mids(sdp) {
  return sections(sdp).map(({ mid }) => mid);
}

function fragmentOf(sdp) {
  return /^a=ice-ufrag:(.*?)\r?$/m.exec(sdp)?.[1];
}

function withCandidates(sdp, candidates) {
  return sdp + candidates.map((line) => `a=${line}\r\n`).join("");
}

function fingerprint(number) {
  return Array.from({ length: 32 }, (_, i) => ((number * 7 + i) % 256).toString(16).padStart(2, "0").toUpperCase()).join(":");
}
