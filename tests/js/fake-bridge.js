// Enough of a bridge for clients in one process: rooms, presence, forwarding with `from` and `seq`,
// acks, peer-not-found; sessions that outlive their sockets, where a resume window is set. What it
// forwards can be held back, to make messages cross.

import { FakeSocket } from "./fake-socket.js";

export class FakeBridge {
  members = new Map(); // name -> {socket, peer, meta, since, session, frames, ids}
  /** Seconds. */
  resumeWindow = 0;
  /** Every forwarded message, in order: {from, to, message}. */
  log = [];
  /** Return an error object to refuse a message, "drop" to lose it, "no answer" to forward it without an ack. */
  filter = () => undefined;
  /** What `joined` says otherwise, and what the ack of a `refresh` brings. */
  joinedWith = {};
  refusesSockets = false;
  refreshed = {};
  #held = null;
  #clock = 1000;

  /** A WebSocket class whose sockets end here. */
  get WebSocket() {
    const bridge = this;
    return class extends FakeSocket {
      constructor(url, protocols) {
        super(url, protocols);
        bridge.#accept(this);
      }
    };
  }

  hold() {
    this.#held ??= [];
  }

  release() {
    const held = this.#held ?? [];
    this.#held = null;
    for (const deliver of held) deliver();
  }

  socketOf(name) {
    return this.members.get(name)?.socket;
  }

  /** The socket breaks; the bridge notices at once. */
  cut(name) {
    const { socket } = this.members.get(name);
    this.#leave(socket, "lost");
    socket.die();
  }

  /** The socket breaks; the session waits to be resumed. */
  drop(name) {
    this.members.get(name).socket.die();
  }

  /** The window is over. */
  expire(name) {
    this.#leave(this.members.get(name).socket, "timeout");
  }

  #accept(socket) {
    socket.onsent = (message) => setImmediate(() => this.#take(socket, message));
    socket.onclosed = () => this.#ends(socket.closedWith) && this.#leave(socket, "leave");
    setImmediate(() => (this.refusesSockets ? socket.die() : socket.open()));
  }

  #ends({ code }) {
    return this.resumeWindow === 0 || code === 1000 || code === 1001;
  }

  #take(socket, message) {
    if (socket.readyState !== 1) return;
    const ack = () => message.id && socket.say({ type: "ack", id: message.id });
    switch (message.type) {
      case "join":
        return this.#join(socket, message);
      case "resume":
        return this.#resume(socket, message);
      case "leave":
        this.#leave(socket, "leave");
        return ack();
      case "ping":
        return socket.say({ type: "pong", time: this.#clock });
      case "refresh":
        return socket.say({ type: "ack", id: message.id, ...this.refreshed });
      case "update":
        socket.member.meta = message.meta;
        this.#tell({ updated: [shown(socket.member)] }, socket);
        return ack();
      default:
        return this.#forward(socket, message, ack);
    }
  }

  #join(socket, { peer = `guest${this.#clock}`, meta }) {
    const others = [...this.members.values()].map(shown);
    const since = this.#clock++;
    const member = { socket, peer, meta, since, session: `s${since}`, frames: [], ids: new Set() };
    socket.member = member;
    this.members.set(peer, member);
    this.#tell({ joined: [shown(member)] }, socket);
    socket.say({
      type: "joined", room: "lobby", peer, session: member.session, secret: "x".repeat(22), peers: others,
      iceServers: [{ urls: "stun:192.0.2.1:3478" }], resumeWindow: this.resumeWindow, limits: {}, ...this.joinedWith,
    });
  }

  #resume(socket, { session, seq }) {
    const member = [...this.members.values()].find((one) => one.session === session);
    if (!member) return socket.say({ type: "error", code: 410, error: "session-expired", message: "join again" });
    member.socket = socket;
    member.session = `s${this.#clock++}`;
    socket.member = member;
    socket.say({
      type: "resumed", room: "lobby", peer: member.peer, session: member.session, secret: "y".repeat(22),
      peers: [...this.members.values()].filter((one) => one !== member).map(shown), seq: member.frames.length,
      iceServers: [{ urls: "stun:192.0.2.1:3478" }], resumeWindow: this.resumeWindow, limits: {},
    });
    for (const frame of member.frames.slice(seq)) socket.say(frame);
  }

  #leave(socket, reason) {
    const { member } = socket;
    if (!member || this.members.get(member.peer) !== member) return;
    this.members.delete(member.peer);
    this.#tell({ left: [{ peer: member.peer, reason }] }, socket);
  }

  #forward(socket, { id, to, ...message }, ack) {
    const from = socket.member.peer;
    if (socket.member.ids.has(id)) return ack();
    this.log.push({ from, to, message });
    const refusal = this.filter({ from, to, message });
    if (refusal === "drop") return ack();
    if (refusal === "no answer") ack = () => {};
    else if (refusal) return socket.say({ type: "error", id, to, ...refusal });
    if (to !== undefined && !this.members.has(to))
      return socket.say({ type: "error", code: 404, error: "peer-not-found", message: "not here", id, to });
    if (id !== undefined) socket.member.ids.add(id);
    const deliver = () => {
      for (const member of [...this.members.values()])
        if (member.peer === to || (to === undefined && member.peer !== from)) say(member, { ...message, from });
    };
    if (this.#held) this.#held.push(deliver);
    else deliver();
    ack();
  }

  #tell(change, except) {
    for (const member of this.members.values())
      if (member.socket !== except) say(member, { type: "presence", ...change });
  }
}

function say(member, message) {
  const frame = { ...message, seq: member.frames.length + 1 };
  member.frames.push(frame);
  if (member.socket.readyState === 1) member.socket.say(frame);
}

function shown({ peer, meta, since }) {
  return { peer, kind: "browser", ...(meta && { meta }), since };
}
