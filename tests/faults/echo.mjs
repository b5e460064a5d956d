/* The C device library as a member of the matrix: its example `sigdev_echo` says what it hears and sends
 * every message back to whom it came from. Both are looked at: what it heard counts as delivered, what comes
 * back must come once and in order, and all of it unless the program says that it could not be sent. */
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { Program } from "../integration/harness.mjs";

/* Beside the bridge that was built. */
export function echoProgram() {
    const path = join(dirname(process.env.SIGBRIDGE_BIN ?? ""), "clients/device-c/sigdev_echo");
    return existsSync(path) ? path : undefined;
}

export class EchoDevice {
    constructor({ name, room, address, ledger }) {
        Object.assign(this, { name, room, address, ledger });
        this.kind = "device";
        this.epoch = 0;
        this.over = false;
        this.roster = null;
        this.heard = 0;
        this.unsent = 0;
        this.returned = new Map(); /* who said it -> numbers that came back */
        ledger.members.set(name, this);
    }

    async start() {
        const [host, port] = this.address().split(":");
        this.program = new Program(echoProgram(), [host, port, this.room, this.name]);
        this.program.on("line", (line) => this.#line(line));
        await this.program.line("online");
    }

    #line(line) {
        const said = /^(\S+) says .*"n":(\d+)/.exec(line);
        if (line === "online")
            this.epoch++;
        else if (line.startsWith("not sent"))
            this.unsent++;
        else if (said && !line.includes('"all":true') && this.ledger.got(this.name, said[1], this.name, "", Number(said[2])))
            this.heard++;
    }

    /* What it heard and nobody got back. */
    get missing() {
        return this.heard - this.unsent - [...this.returned.values()].reduce((sum, numbers) => sum + numbers.length, 0);
    }

    /* `by` got it back. */
    back(by, n) {
        const numbers = this.returned.get(by) ?? [];
        this.returned.set(by, numbers);
        if (numbers.includes(n))
            this.ledger.doubled.push(`${by}>${this.name}/ ${n} came back twice`);
        else if (n < numbers.at(-1))
            this.ledger.reordered.push({ record: {}, text: `${by}>${this.name}/ ${n} came back after ${numbers.at(-1)}` });
        else
            numbers.push(n);
    }

    async end() {
        this.over = true;
        if (this.program.running)
            await this.program.stop();
    }
}
