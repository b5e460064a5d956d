/* A TCP line with a hand on it: between two programs, so that each goes on while the line between
 * them fails in the ways that lines fail.
 *
 *     const wire = await new Wire("127.0.0.1:1883").open();
 *     const bridge = await startBridge({ broker: wire.url });
 *     wire.cut();                 both ends are told (RST), nobody gets through
 *     wire.blackhole();           a cable is out: nothing passes and nobody is told anything
 *     wire.blackhole("up");       only what goes towards the target
 *     wire.lose("up");            bytes towards the target are taken and gone for ever
 *     wire.slow(1000);            bytes a second, each direction of each connection
 *     wire.delay(50);             ms, each direction
 *     wire.heal();                all of that is over
 *     wire.close();
 *
 * After a blackhole the bytes that were on the way arrive, as TCP would send them again, and so does
 * the end of a connection that somebody gave up meanwhile. Who connects during a blackhole is accepted
 * (no program can hold back the kernel's SYN-ACK) and hears nothing; who gave that up is not passed on.
 * After lose() the stream has a hole: heal() resets those connections.
 *
 * "up" is from whoever connects to the target, "down" is back. A target is "host:port" or the path of
 * a Unix socket; the wire itself listens at `address` ("127.0.0.1:port"), also as `url` (mqtt://). */
import { once } from "node:events";
import { connect, createServer } from "node:net";

const HELD_MAX = 1 << 20; /* on its way in one direction of one connection, with delay() */
/* A Unix socket knows no reset. */
const reset = (socket) => (!socket.remotePort ? socket.destroy() : socket.resetAndDestroy());
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/* One direction of a connection. */
class Half {
    constructor(wire, direction, from, to) {
        Object.assign(this, { wire, direction, from, to, held: 0, last: Promise.resolve(), wake: () => {} });
        from.on("error", () => {}); /* "close" follows */
        for (const event of ["readable", "end", "close"])
            from.on(event, () => this.wake());
        this.run();
    }

    /* The next bytes, or null when there will be none. */
    async #read() {
        for (;;) {
            const { from, wire } = this;
            const most = wire.rate ? Math.min(from.readableLength, Math.max(1, Math.floor(wire.rate / 20))) : undefined;
            const chunk = from.read(most || undefined);
            if (chunk !== null)
                return chunk;
            if (from.readableEnded || from.destroyed)
                return null;
            await new Promise((resolve) => (this.wake = resolve));
        }
    }

    async #pass(chunk, due) {
        await sleep(Math.max(0, due - performance.now()));
        await this.wire.passage(this.direction);
        this.held -= chunk.length;
        if (!this.to.destroyed && !this.to.write(chunk))
            await Promise.race([once(this.to, "drain"), once(this.to, "close")]).catch(() => {});
    }

    async run() {
        const { wire, direction } = this;
        for (;;) {
            await wire.passage(direction);
            const bytes = await this.#read();
            await wire.passage(direction);
            if (bytes === null)
                break;
            if (wire.losing.has(direction)) {
                wire.lost[direction] += bytes.length;
                this.from.holed = true;
                continue;
            }
            const chunk = wire.edit?.[direction] ? wire.edit[direction](bytes, this.from) : bytes;
            wire.passed[direction] += bytes.length;
            if (!chunk?.length)
                continue;
            this.held += chunk.length;
            const due = performance.now() + wire.ms;
            this.last = this.last.then(() => this.#pass(chunk, due));
            if (!wire.ms || this.held > HELD_MAX)
                await this.last;
            if (wire.rate)
                await sleep(chunk.length / wire.rate * 1000);
        }
        await this.last;
        if (this.from.errored)
            reset(this.to);
        else if (!this.to.destroyed)
            this.to.end();
    }
}

export class Wire {
    constructor(target) {
        this.target = target;
        this.ms = 0;
        this.rate = 0;
        this.accepted = 0; /* connections so far */
        this.passed = { up: 0, down: 0 };
        this.lost = { up: 0, down: 0 };
        this.losing = new Set();
        this.blocked = new Set();
        this.edit = null; /* {up, down}: (bytes, socket) => bytes to pass on in their place */
        this.pairs = new Set();
        this.isCut = false;
        this.server = createServer({ allowHalfOpen: true }, (near) => this.#accept(near));
    }

    async open(port = 0) {
        this.server.listen(port, "127.0.0.1");
        await once(this.server, "listening");
        this.server.unref();
        this.port = this.server.address().port;
        this.address = `127.0.0.1:${this.port}`;
        this.url = `mqtt://${this.address}`;
        return this;
    }

    /* Connections that whoever connected still holds open, as far as the wire knows. */
    get openConnections() {
        return [...this.pairs].filter(({ near }) => !near.destroyed && !near.readableEnded).length;
    }

    /* Resolves when the direction lets something pass. */
    async passage(direction) {
        while (this.blocked.has(direction))
            await new Promise((resolve) => (this.wakers ??= []).push(resolve));
    }

    #wake() {
        const wakers = this.wakers ?? [];
        this.wakers = [];
        wakers.forEach((wake) => wake());
    }

    async #accept(near) {
        near.on("error", () => {});
        this.accepted++;
        if (this.isCut)
            return reset(near);
        near.setNoDelay(true);
        const pair = { near, far: null };
        this.pairs.add(pair);
        near.on("close", () => this.pairs.delete(pair));
        if (this.blocked.size) {
            near.on("readable", () => {}); /* so that its end is seen */
            near.on("end", () => near.destroy());
            const early = [];
            while (this.blocked.size && !near.destroyed) {
                for (let chunk; (chunk = near.read()) !== null;)
                    early.push(chunk);
                await Promise.race([sleep(20), this.passage("up").then(() => this.passage("down"))]);
            }
            near.removeAllListeners("end");
            near.removeAllListeners("readable");
            if (near.destroyed)
                return undefined;
            near.unshift(Buffer.concat(early));
        }
        const colon = this.target.lastIndexOf(":");
        const where = this.target.startsWith("/") ? { path: this.target }
            : { host: this.target.slice(0, colon), port: Number(this.target.slice(colon + 1)) };
        const far = pair.far = connect({ ...where, allowHalfOpen: true });
        if (!where.path)
            far.setNoDelay(true);
        new Half(this, "up", near, far);
        new Half(this, "down", far, near);
        return undefined;
    }

    #reset(fits = () => true) {
        for (const pair of [...this.pairs].filter(fits))
            for (const socket of [pair.near, pair.far])
                if (socket)
                    reset(socket);
    }

    cut() {
        this.isCut = true;
        this.#reset();
    }

    /* Connections end once, the next ones get through. */
    snap() {
        this.#reset();
    }

    blackhole(...directions) {
        for (const direction of directions.length ? directions : ["up", "down"])
            this.blocked.add(direction);
    }

    lose(...directions) {
        for (const direction of directions.length ? directions : ["up", "down"])
            this.losing.add(direction);
    }

    slow(bytesPerSecond) {
        this.rate = bytesPerSecond;
    }

    delay(ms) {
        this.ms = ms;
    }

    heal() {
        this.#reset(({ near, far }) => near.holed || far?.holed);
        this.isCut = false;
        this.rate = this.ms = 0;
        this.losing.clear();
        this.blocked.clear();
        this.#wake();
    }

    close() {
        this.cut();
        this.server.close();
    }
}
