/* A page's session by the library of clients/js, which numbers what it sends and notes what comes, for
 * tests in which bridges come and go:
 *
 *     const page = new Page("ann", { url, room, ledger, token });     token: where one is needed
 *     await page.library.connect();
 *     await page.say("bob");
 */
import WebSocket from "ws";
import { Signaling } from "../../clients/js/src/index.js";

export class Page {
    /* `options` go to ws. */
    constructor(name, { url, room, ledger, token, options }) {
        Object.assign(this, { name, ledger, epoch: 0, joins: 0, resumes: 0, closings: 0, left: [], errors: [], kind: "session" });
        class Socket extends WebSocket {
            constructor(at, protocols) {
                super(at, protocols, { ...options, perMessageDeflate: false });
            }
        }
        this.library = new Signaling(url, { room, peer: name, token, WebSocket: Socket });
        const on = (type, listener) => this.library.addEventListener(type, ({ detail }) => listener(detail));
        on("joined", (detail) => {
            this.epoch = ++this.joins;
            this.bridge = detail.session.split(".")[0];
        });
        on("resumed", (detail) => {
            this.resumes++;
            this.bridge = detail.session.split(".")[0];
        });
        on("closing", () => this.closings++);
        this.trace = [];
        on("state", ({ state, reason }) => this.trace.push(`${new Date().toISOString().slice(14, 23)} ${state} ${reason ?? ""}`));
        on("presence", ({ left }) => this.left.push(...left));
        on("error", (error) => this.errors.push(`${error.error}: ${error.message}`));
        on("message", ({ from, data }) => ledger.got(name, from, name, "", data.n));
        ledger.members.set(name, this);
    }

    async say(to) {
        const record = this.ledger.sent(this.name, to);
        this.ledger.outcome(record, await this.library.send({ type: "message", to, data: { n: record.n } }).then(() => "ack", (error) => error.error ?? String(error)));
        return record;
    }
}
