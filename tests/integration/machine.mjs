/* An operator's machine with a mosquitto of his own, set up as broker-config/README.md says, below a
 * directory of the test's own:
 *
 *     const machine = await Machine.install("fleet.conf");
 *     await machine.add("cam1", "--room", "yard");          sigbridge device add ... --mosquitto
 *     await machine.start();
 *     const bridge = await machine.bridge();
 *     const cam1 = await machine.come("yard", "cam1");
 *
 * Paths and ports are replaced, and nothing else is changed in what is in the folder. */
import assert from "node:assert/strict";
import { chownSync, copyFileSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after } from "node:test";
import { freePort, Program, repository, run, startBridge, tempDir, until } from "./harness.mjs";
import { codeBlock } from "./readme.mjs";
import { assertNoSanitizer, Device, get, Mqtt } from "./world.mjs";

export const source = join(repository, "broker-config");
export const isRoot = process.getuid() === 0;
const idOf = async (flag, user) => Number((await run("id", [flag, user])).stdout);
/* What mosquitto becomes when root starts it. */
export const owner = isRoot ? { uid: await idOf("-u", "mosquitto"), gid: await idOf("-g", "mosquitto") }
    : { uid: process.getuid(), gid: process.getgid() };

/* ---- certificates ---- */

/* An authority made by the README's commands; each step runs in its directory. */
export class Authority {
    static async make() {
        const self = new Authority();
        const above = tempDir("pki");
        symlinkSync(source, join(above, "broker-config"));
        self.dir = join(above, "sigbridge-ca");
        self.crt = join(self.dir, "ca.crt");
        self.crl = join(self.dir, "ca.crl");
        await self.#shell(codeBlock("broker-config/README.md", "sh", "mkdir -m 700 sigbridge-ca"), above);
        return self;
    }

    async #shell(text, cwd = this.dir) {
        const { code, stderr } = await run("sh", ["-e", "-c", text], { cwd });
        assert.equal(code, 0, stderr);
    }

    path(name, end) {
        return join(this.dir, `${name}.${end}`);
    }

    /* `names` as in subjectAltName. */
    async broker(file, names) {
        const text = codeBlock("broker-config/README.md", "sh", "export BROKER_NAMES");
        await this.#shell(text.replace(/BROKER_NAMES=\S+/, `BROKER_NAMES='${names}'`).replaceAll("broker.key", `${file}.key`)
            .replaceAll("broker.csr", `${file}.csr`).replaceAll("broker.crt", `${file}.crt`).replaceAll("CN=broker.example.org", `CN=${file}`));
    }

    /* The common name is that of the files. `more`: options of `openssl ca`. */
    async client(name, more = "") {
        const text = codeBlock("broker-config/README.md", "sh", "name=door1");
        await this.#shell(text.replace("name=door1", `name='${name}'`).replace("openssl ca ", `openssl ca ${more} `));
    }

    async revoke(name) {
        const text = codeBlock("broker-config/README.md", "sh", "-revoke").split("\n").filter((line) => line.startsWith("openssl")).join("\n");
        await this.#shell(text.replaceAll("door1", name));
    }
}

export const authority = await Authority.make();
export const stranger = await Authority.make(); /* who signs whatever he likes */
await authority.broker("here", "IP:127.0.0.1,DNS:localhost");
await authority.broker("elsewhere", "DNS:broker.example.org");
await stranger.broker("here", "IP:127.0.0.1,DNS:localhost");

const clients = new Map();
/* A client certificate, made once. */
export function certificateOf(name, by = authority) {
    const id = `${by.dir} ${name}`;
    if (!clients.has(id))
        clients.set(id, (clients.last = (clients.last ?? Promise.resolve()).then(() => by.client(name))));
    return clients.get(id);
}

/* ---- the machine ---- */

export const started = [];
after(async () => {
    for (const program of started.reverse())
        if (program.running)
            await program.stop();
});

export async function stopBridge(bridge) {
    const { code } = await bridge.stop();
    assertNoSanitizer(bridge);
    assert.equal(code, 0, bridge.tail());
}

export class Machine {
    /* `edit` changes a file's text last. */
    static async install(name, { certificate = authority.path("here", ""), edit = (file, text) => text } = {}) {
        const machine = new Machine();
        machine.dir = tempDir("machine");
        machine.etc = join(machine.dir, "etc");
        machine.run = join(machine.dir, "run");
        Object.assign(machine, { name, ports: {}, secrets: {}, bridges: [] });
        for (const dir of ["etc", "etc/conf.d", "etc/certs", "run", "db"])
            mkdirSync(join(machine.dir, dir));
        for (const dir of ["run", "db"])
            chownSync(join(machine.dir, dir), owner.uid, owner.gid);
        machine.#addMain();
        let text = readFileSync(join(source, name), "utf8");
        for (const [, port] of text.matchAll(/^listener (\d+)/gm))
            if (port !== "0")
                machine.ports[port] = await freePort();
        text = text.replace(/^listener ([1-9]\d*).*$/gm, (line, port) => `listener ${machine.ports[port]} 127.0.0.1`)
            .replaceAll("/etc/mosquitto/", `${machine.etc}/`).replaceAll("/run/sigbridge/", `${machine.run}/`);
        writeFileSync(join(machine.etc, "conf.d/sigbridge.conf"), edit(name, text));
        machine.text = text;
        machine.socket = join(machine.run, "mqtt.sock");
        machine.putCertificate(certificate);
        machine.putCrl();
        copyFileSync(authority.crt, join(machine.etc, "certs/sigbridge-ca.crt"));
        return machine;
    }

    /* As Debian's package has it, but for the log, which the tests read. */
    #addMain() {
        this.pidFile = join(this.run, "mosquitto.pid");
        this.main = join(this.etc, "mosquitto.conf");
        writeFileSync(this.main, [`pid_file ${this.pidFile}`, "persistence true", `persistence_location ${this.dir}/db/`,
            "log_dest stderr", "log_type all", `include_dir ${this.etc}/conf.d`, ""].join("\n"));
    }

    /* `from`: path of the .crt and .key, up to the dot. */
    putCertificate(from) {
        for (const end of ["crt", "key"]) {
            const file = join(this.etc, `certs/sigbridge.${end}`);
            copyFileSync(from + end, file);
            chownSync(file, owner.uid, owner.gid);
        }
    }

    putCrl(crl = authority.crl) {
        copyFileSync(crl, join(this.etc, "certs/sigbridge-ca.crl"));
    }

    address(port) {
        return `127.0.0.1:${this.ports[port]}`;
    }

    path(kind, end) {
        return join(this.etc, `sigbridge-${kind}.${end}`);
    }

    /* The command, and, when mosquitto runs, that it has read the files again. */
    async command(...args) {
        const before = this.broker?.running ? this.reloads() : undefined;
        const result = await run(process.env.SIGBRIDGE_BIN, ["device", ...args, "--mosquitto", this.etc, "--pid-file", this.pidFile]);
        if (before !== undefined && result.code === 0 && args[0] !== "list")
            await until(() => this.reloads() > before, "mosquitto reads its files again");
        return result;
    }

    /* Keeps the password in `secrets`. */
    async add(name, ...args) {
        const { code, stdout, stderr } = await this.command("add", name, ...args);
        assert.equal(code, 0, stderr);
        if (args.includes("--certificate"))
            await certificateOf(name);
        this.secrets[name] = /^password: (\S+)\n$/.exec(stdout)?.[1];
        return this;
    }

    async rotate(name, ...args) {
        const { code, stdout, stderr } = await this.command("rotate", name, ...args);
        assert.equal(code, 0, stderr);
        return this.secrets[name] = /^password: (\S+)\n$/.exec(stdout)[1];
    }

    reloads() {
        return this.broker.logs.filter((line) => line.includes("Reloading config")).length;
    }

    async reload() {
        const before = this.reloads();
        this.broker.kill("SIGHUP");
        await until(() => this.reloads() > before, "mosquitto reads its files again");
    }

    /* A configuration names files that must be there, if only with nobody in them. */
    async start() {
        for (const kind of ["devices", "bridges"])
            for (const end of ["acl", "passwd"])
                if (this.text.includes(this.path(kind, end)))
                    writeFileSync(this.path(kind, end), "", { flag: "a", mode: 0o644 });
        this.broker = new Program("mosquitto", ["-c", this.main]);
        started.push(this.broker);
        await this.broker.line(/mosquitto version \S+ running/);
        return this;
    }

    async stop() {
        for (const bridge of this.bridges)
            if (bridge.running)
                await stopBridge(bridge);
        await this.broker.stop();
    }

    /* How a bridge reaches this broker: by the socket where there is one, else as `user`, added if need
     * be. What is given replaces what is right. */
    async bridgeOptions({ user = "bridge1", secret, ca = authority.crt, certificate, broker } = {}) {
        if (/^listener 0 /m.test(this.text))
            return { broker: broker ?? `unix:${this.socket}` };
        if (!(user in this.secrets) && secret === undefined)
            await this.add(user, "--bridge");
        if (certificate === undefined) {
            await certificateOf(user);
            certificate = authority.path(user, "");
        }
        const file = join(this.dir, `${user}-password`);
        writeFileSync(file, `${secret ?? this.secrets[user]}\n`);
        const lines = [`username = "${user}"; password_file = "${file}";`];
        if (ca)
            lines.push(`ca = "${ca}";`);
        if (certificate)
            lines.push(`cert = "${certificate}crt"; key = "${certificate}key";`);
        return { broker: broker ?? `mqtts://${this.address(8884)}`, config: `mqtt: { ${lines.join(" ")} };` };
    }

    async bridge(way, options = {}) {
        const bridge = await startBridge({ args: ["--log-level", "debug"], ...await this.bridgeOptions(way), ...options });
        started.push(bridge);
        this.bridges.push(bridge);
        return bridge;
    }

    /* A bridge that does not get ready, with the answer of /readyz. */
    async unready(way) {
        const { broker, config = "" } = await this.bridgeOptions(way);
        const http = `127.0.0.1:${await freePort()}`;
        const file = join(tempDir(), "sigbridge.conf");
        writeFileSync(file, config);
        const program = new Program(process.env.SIGBRIDGE_BIN, ["--dev", "--listen", http, "--broker", broker, "--data", tempDir(), "--config", file]);
        started.push(program);
        const readyz = async () => {
            const { status, text } = await until(() => get({ url: `http://${http}/` }, "/readyz").catch(() => null), "the bridge answers");
            assert.equal(status, 503);
            return text;
        };
        return { program, readyz };
    }

    /* The listener that a device of this kind uses. */
    port(name) {
        const ports = Object.keys(this.ports);
        return this.secrets[name] === undefined && ports.includes("8885") ? 8885 : Number(ports[0]);
    }

    login(name) {
        const port = this.port(name);
        const password = this.secrets[name] === undefined ? {} : { username: name, password: this.secrets[name] };
        if (port === 1883)
            return password;
        const own = (end) => readFileSync(authority.path(name, end));
        const certificate = this.secrets[name] === undefined ? { cert: own("crt"), key: own("key") } : {};
        return { ...password, ...certificate, protocol: "mqtts", ca: [readFileSync(authority.crt)] };
    }

    come(room, name, options) {
        return Device.start(this.address(this.port(name)), { room, name, ...this.login(name), ...options });
    }

    connect(name, options) {
        return Mqtt.connect(this.address(this.port(name)), { ...this.login(name), ...options });
    }
}
