/* The rest of an installation, as the broker sees it: devices in other rooms, present and retained, and
 * subscriptions of others. Raw MQTT 3.1.1, because a library would take longer to write 50,000
 * presences than the bridge may take to read them. */
import { once } from "node:events";
import { connect } from "node:net";
import { within } from "./processes.mjs";

const CONNECT = 1, PUBLISH = 3, PUBACK = 4, SUBSCRIBE = 8, SUBACK = 9, CONNACK = 2, DISCONNECT = 14;
const FILTERS_AT_ONCE = 500;
const WAIT_MS = 60_000;

function text(value) {
  const bytes = Buffer.from(value);
  return Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 255]), bytes]);
}

function packet(type, flags, ...parts) {
  const body = Buffer.concat(parts);
  const length = [];
  for (let rest = body.length; rest > 0 || length.length === 0; rest >>= 7) length.push((rest & 127) | (rest > 127 ? 128 : 0));
  return Buffer.concat([Buffer.from([(type << 4) | flags, ...length]), body]);
}

export class Crowd {
  #socket;
  #seen = new Map(); // type of packet: how many came
  #watchers = new Set();
  #lastId = 0;

  static async connect(port) {
    const crowd = new Crowd();
    crowd.#socket = connect(port, "127.0.0.1");
    await once(crowd.#socket, "connect");
    crowd.#listen();
    /* A clean session, and no keepalive: it says nothing for as long as it is there. */
    crowd.#socket.write(packet(CONNECT, 0, text("MQTT"), Buffer.from([4, 2, 0, 0]), text(`crowd-${process.pid}-${port}`)));
    await crowd.#until(CONNACK, 1);
    return crowd;
  }

  #listen() {
    let rest = Buffer.alloc(0);
    this.#socket.on("error", () => {}); // who waits for something finds that it does not come
    this.#socket.on("data", (chunk) => {
      rest = Buffer.concat([rest, chunk]);
      for (;;) {
        let at = 1, length = 0;
        do {
          if (at >= rest.length) return;
          length |= (rest[at] & 127) << (7 * (at - 1));
        } while (rest[at++] & 128);
        if (rest.length < at + length) return;
        const type = rest[0] >> 4;
        this.#seen.set(type, (this.#seen.get(type) ?? 0) + 1);
        rest = rest.subarray(at + length);
        for (const watcher of this.#watchers) watcher();
      }
    });
  }

  #until(type, count) {
    let watcher;
    const enough = new Promise((resolve) => {
      watcher = () => (this.#seen.get(type) ?? 0) >= count && resolve();
      this.#watchers.add(watcher);
      watcher();
    });
    return within(WAIT_MS, enough, () => `packet ${type} of the broker`).finally(() => this.#watchers.delete(watcher));
  }

  #nextId() {
    this.#lastId = (this.#lastId % 65_535) + 1;
    return Buffer.from([this.#lastId >> 8, this.#lastId & 255]);
  }

  /* `count` devices, four to a room, present until somebody says otherwise. */
  async present(count) {
    const before = this.#seen.get(PUBACK) ?? 0;
    for (let i = 0; i < count; i++) {
      const topic = `sigbridge/v1/rooms/far-${Math.floor(i / 4)}/peers/cam-${i % 4}/presence`;
      const state = JSON.stringify({ kind: "device", meta: { name: `Camera ${i}`, streams: 2 } });
      const sent = this.#socket.write(packet(PUBLISH, 3, text(topic), this.#nextId(), Buffer.from(state)));
      if (!sent) await once(this.#socket, "drain");
    }
    await this.#until(PUBACK, before + count);
  }

  /* `count` inboxes, as so many devices or sessions of other bridges have them. */
  async subscribe(count) {
    const before = this.#seen.get(SUBACK) ?? 0;
    let packets = 0;
    for (let at = 0; at < count; at += FILTERS_AT_ONCE) {
      const filters = Array.from({ length: Math.min(FILTERS_AT_ONCE, count - at) }, (_, i) =>
        Buffer.concat([text(`sigbridge/v1/rooms/far-${Math.floor((at + i) / 4)}/peers/cam-${(at + i) % 4}/in/+`), Buffer.from([1])]));
      this.#socket.write(packet(SUBSCRIBE, 2, this.#nextId(), ...filters));
      packets++;
    }
    await this.#until(SUBACK, before + packets);
  }

  end() {
    this.#socket.end(packet(DISCONNECT, 0));
  }
}
