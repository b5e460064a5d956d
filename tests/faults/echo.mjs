/* The C device library as a member of the matrix: its example `sigdev_echo` sends every message back to whom
 * it came from. What comes back proves that the device got it, and is itself looked at: doubled, reordered. */
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
        this.heard = new Map(); /* who said it -> numbers that came back */
        ledger.members.set(name, this);
    }

    async start() {
        const [host, port] = this.address().split(":");
        this.program = new Program(echoProgram(), [host, port, this.room, this.name]);
        this.program.on("line", (line) => line === "online" && this.epoch++);
        await this.program.line("online");
    }

    /* `by` got it back. True when it is new. */
    back(by, n) {
        const numbers = this.heard.get(by) ?? [];
        this.heard.set(by, numbers);
        if (numbers.includes(n))
            this.ledger.doubled.push(`${by}>${this.name}/ ${n} came back twice`);
        else if (n < numbers.at(-1))
            this.ledger.reordered.push(`${by}>${this.name}/ ${n} came back after ${numbers.at(-1)}`);
        else
            this.ledger.got(this.name, by, this.name, "", n);
        numbers.push(n);
    }

    async end() {
        this.over = true;
        if (this.program.running)
            await this.program.stop();
    }
}
