// A WebSocket whose other end is the test.

export class FakeSocket extends EventTarget {
  /** Every socket made since the last reset, oldest first. */
  static all = [];
  static get last() {
    return FakeSocket.all.at(-1);
  }
  static reset() {
    FakeSocket.all = [];
  }

  readyState = 0;
  bufferedAmount = 0;
  sent = []; // messages as values
  closedWith = undefined; // by the client

  constructor(url, protocols) {
    super();
    this.url = url;
    this.protocols = protocols;
    FakeSocket.all.push(this);
  }

  send(text) {
    if (this.readyState !== 1) throw new Error("InvalidStateError");
    this.sent.push(JSON.parse(text));
    this.onsent?.(JSON.parse(text));
  }

  close(code, reason) {
    this.closedWith ??= { code, reason };
    this.readyState = 3;
    this.onclosed?.();
  }

  // The test's end:
  open() {
    this.readyState = 1;
    this.dispatchEvent(new Event("open"));
  }

  say(message) {
    this.sayText(JSON.stringify(message));
  }

  sayText(data) {
    this.dispatchEvent(Object.assign(new Event("message"), { data }));
  }

  die(code = 1006, reason = "") {
    this.readyState = 3;
    this.dispatchEvent(Object.assign(new Event("close"), { code, reason, wasClean: false }));
  }

  /** Messages of one type that the client sent. */
  of(type) {
    return this.sent.filter((message) => message.type === type);
  }
}
