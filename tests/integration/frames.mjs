/* A WebSocket by hand, frame by frame, on TCP or TLS: for what a library would do for one.
 *
 *     const peer = await Frames.open(bridge.http);
 *     await peer.join("lobby", "ann");
 *     peer.send(maskedFrame("x", { opcode: 9 }));
 *     const pong = await peer.next((f) => f.opcode === 10);
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { connect as tlsConnect } from "node:tls";
import { handshake } from "./attacker.mjs";
import { deadline, WAIT_MS } from "./harness.mjs";
import { Mailbox } from "./world.mjs";

/* As a client must send it. The mask is never all zeros, so that nobody gets by without it. */
export function maskedFrame(payload = "", { opcode = 1, fin = true, mask = [0x12, 0xa5, 0x00, 0xff] } = {}) {
    const body = Buffer.from(payload);
    const width = body.length < 126 ? 0 : body.length < 65536 ? 2 : 8;
    const head = Buffer.alloc(2 + width + 4);
    head[0] = (fin ? 0x80 : 0) | opcode;
    head[1] = 0x80 | (width === 0 ? body.length : width === 2 ? 126 : 127);
    if (width === 2)
        head.writeUInt16BE(body.length, 2);
    if (width === 8)
        head.writeBigUInt64BE(BigInt(body.length), 2);
    Buffer.from(mask).copy(head, 2 + width);
    return Buffer.concat([head, body.map((byte, i) => byte ^ mask[i & 3])]);
}

export class Frames {
    #rest = Buffer.alloc(0);

    /* `ca` as for tls.connect(): on TLS. */
    static async open(address, { ca, timeout = WAIT_MS } = {}) {
        const at = address.lastIndexOf(":");
        const where = { host: address.slice(0, at), port: Number(address.slice(at + 1)) };
        const socket = ca ? tlsConnect({ ...where, ca, servername: "localhost" }) : connect(where);
        await deadline(once(socket, ca ? "secureConnect" : "connect"), `a connection to ${address}`, timeout);
        const self = new Frames(socket);
        self.send(Buffer.from(handshake()));
        await deadline(self.upgraded, "the answer to a handshake", timeout);
        return self;
    }

    constructor(socket) {
        this.socket = socket;
        this.chunks = 0; /* how often something came */
        this.mail = new Mailbox((f) => `${f.opcode} ${f.payload.toString("latin1")}`);
        this.closed = new Promise((resolve) => socket.once("close", resolve));
        socket.setNoDelay(true);
        socket.on("error", () => {});
        this.upgraded = new Promise((resolve) => {
            socket.on("data", (chunk) => {
                this.chunks++;
                this.#rest = Buffer.concat([this.#rest, chunk]);
                if (!this.open && !this.#greeted())
                    return;
                resolve();
                this.#take();
            });
        });
    }

    #greeted() {
        const end = this.#rest.indexOf("\r\n\r\n");
        if (end < 0)
            return false;
        assert.match(this.#rest.toString("latin1"), /^HTTP\/1\.1 101 /);
        this.#rest = this.#rest.subarray(end + 4);
        return this.open = true;
    }

    /* A server sends whole frames without mask, lengths as short as can be. */
    #take() {
        for (let rest = this.#rest; rest.length >= 2; rest = this.#rest) {
            let [at, length] = [2, rest[1]];
            assert.ok(length < 128 && [0x81, 0x88, 0x89, 0x8a].includes(rest[0]), `the bytes ${rest.subarray(0, 16).toString("hex")} begin a frame`);
            if (length === 126 && rest.length >= 4) {
                [at, length] = [4, rest.readUInt16BE(2)];
                assert.ok(length >= 126);
            } else if (length === 127 && rest.length >= 10) {
                [at, length] = [10, Number(rest.readBigUInt64BE(2))];
                assert.ok(length >= 65536);
            } else if (length >= 126) {
                return;
            }
            if (rest.length < at + length)
                return;
            this.#rest = rest.subarray(at + length);
            this.mail.add({ opcode: rest[0] & 15, payload: rest.subarray(at, at + length) });
        }
    }

    /* Half a frame that has come, and no more. */
    get torn() {
        return this.#rest.length;
    }

    send(bytes) {
        this.socket.write(bytes);
    }

    say(message) {
        this.send(maskedFrame(JSON.stringify(message)));
    }

    next(fits, timeout) {
        return this.mail.expect(fits, `a frame for ${fits}`, timeout);
    }

    async hear(fits, timeout) {
        const read = (f) => JSON.parse(f.payload.toString());
        return read(await this.next((f) => f.opcode === 1 && fits(read(f)), timeout));
    }

    async join(room, peer, timeout) {
        this.say({ type: "join", room, peer });
        return this.hear((m) => m.type === "joined", timeout);
    }

    /* Everything of one opcode, in order. */
    all(opcode) {
        return this.mail.all.filter((f) => f.opcode === opcode);
    }

    get closeCode() {
        const [close] = this.all(8);
        return close?.payload.length >= 2 ? close.payload.readUInt16BE(0) : undefined;
    }

    drop() {
        this.socket.destroy();
        return this.closed;
    }
}
