/* Starts the real programs for tests and talks to them. Used by tests/integration and tests/browser.
 *
 *     const bridge = await startBridge();
 *     const camera = startCamera({ mqtt: bridge.mqtt, room: "lobby", name: "cam1" });
 *     const peer = await WsPeer.join(bridge.wsUrl, { room: "lobby", peer: "me" });
 *     await peer.request({ type: "invite", to: "cam1" });
 *     const offer = await peer.expect("offer");
 *     await bridge.stop();
 *
 * Everything listens on 127.0.0.1 with a port of the system's choice. Every wait has a deadline.
 * What a test file leaves running or lying about is ended and removed when its process ends: children
 * by their pid, directories by their path. */
import { spawn } from "node:child_process";
import { EventEmitter, once } from "node:events";
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import WebSocket from "ws";

/* Sanitizers and a busy machine make everything slower, so deadlines are generous: they only
 * decide how long a failure takes. */
export const WAIT_MS = 15_000;
const LOG_LINES_MAX = 20_000;
const LINE_MAX = 1 << 20;

export const repository = join(dirname(fileURLToPath(import.meta.url)), "..", "..");

const children = new Set();
const directories = new Set();

function killAll() {
    for (const child of children)
        child.kill("SIGKILL");
}

process.on("exit", () => {
    killAll();
    for (const dir of directories)
        rmSync(dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 }); /* some die slowly */
});
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"])
    process.on(signal, () => process.exit(1));

/* A test that fails leaves its programs running, and they would keep the test file's process alive
 * for ever. The file's own hooks have this long to end theirs in order. */
if (process.env.NODE_TEST_CONTEXT) {
    const { after } = await import("node:test");
    after(() => {
        setTimeout(killAll, WAIT_MS).unref();
    });
}

/* ---- waiting ---- */

/* The promise's outcome, or an error that names what was waited for. */
export function deadline(promise, what, timeout = WAIT_MS) {
    let timer;
    const late = new Promise((_, reject) => {
        timer = setTimeout(() => {
            const text = typeof what === "function" ? what() : what;
            reject(new Error(`${text}: nothing after ${timeout} ms`));
        }, timeout);
    });
    return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/* Asks `check` again and again until it gives something true, and returns that. For conditions that
 * announce themselves by no event, such as a row in a database of another process. */
export async function until(check, what, { timeout = WAIT_MS, every = 25 } = {}) {
    const end = Date.now() + timeout;
    for (;;) {
        const value = await check();
        if (value)
            return value;
        if (Date.now() >= end)
            throw new Error(`${typeof what === "function" ? what() : what}: not so after ${timeout} ms`);
        await new Promise((resolve) => setTimeout(resolve, every));
    }
}

/* ---- files and ports ---- */

/* A new empty directory, short enough for a Unix socket in it. Other users may enter it, because
 * mosquitto gives up root's rights when it starts. */
export function tempDir(name = "sigbridge") {
    const dir = mkdtempSync(join(tmpdir(), `${name}-`));
    chmodSync(dir, 0o755);
    directories.add(dir);
    return dir;
}

/* A port that was free a moment ago, for programs that cannot choose one themselves. */
export async function freePort() {
    const server = createServer();
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address();
    server.close();
    await once(server, "close");
    return port;
}

/* The web directory of the bridge, as an installation has it: the page, and the library in sigbridge/. */
export function webRoot() {
    const dir = tempDir("web");
    const copy = (from, to) => {
        mkdirSync(to, { recursive: true });
        for (const entry of readdirSync(from, { withFileTypes: true }))
            if (entry.isDirectory())
                copy(join(from, entry.name), join(to, entry.name));
            else
                copyFileSync(join(from, entry.name), join(to, entry.name));
    };
    copy(join(repository, "clients/demo"), dir);
    copy(join(repository, "clients/js/src"), join(dir, "sigbridge"));
    return dir;
}

/* ---- programs ---- */

function binary(variable) {
    const path = process.env[variable];
    if (!path)
        throw new Error(`set ${variable} to the path of the built program`);
    return path;
}

/* Runs a program to its end. Never rejects for an exit code; does for a missing program or a
 * deadline. `code` is null when a signal ended it. */
export async function run(command, args = [], { input, env, cwd, timeout = 30_000 } = {}) {
    const child = spawn(command, args, { env: { ...process.env, ...env }, cwd });
    children.add(child);
    const out = [];
    const err = [];
    child.stdout.on("data", (chunk) => out.push(chunk));
    child.stderr.on("data", (chunk) => err.push(chunk));
    child.stdin.on("error", () => {}); /* it may end without reading */
    child.stdin.end(input);
    try {
        const [code, signal] = await deadline(once(child, "close"), `${command} ${args.join(" ")}`, timeout);
        return { code, signal, stdout: Buffer.concat(out).toString(), stderr: Buffer.concat(err).toString() };
    } finally {
        children.delete(child);
        child.kill("SIGKILL");
    }
}

/* A program that goes on running. Its output is kept as lines, standard output and error together;
 * event "line" reports each as it comes. */
export class Program extends EventEmitter {
    constructor(command, args = [], { env, cwd, input } = {}) {
        super();
        this.setMaxListeners(0);
        this.command = command;
        this.args = args;
        this.logs = [];
        this.child = spawn(command, args, { env: { ...process.env, ...env }, cwd });
        this.pid = this.child.pid;
        this.running = true;
        children.add(this.child);
        this.child.stdin.on("error", () => {});
        if (input !== undefined)
            this.child.stdin.end(input);
        for (const stream of [this.child.stdout, this.child.stderr])
            this.#collect(stream);
        /* Resolves to {code, signal}; rejects only when the program could not be started. */
        this.exited = new Promise((resolve, reject) => {
            this.child.on("error", (error) => {
                this.#ended();
                reject(error);
            });
            this.child.on("close", (code, signal) => {
                this.#ended();
                resolve({ code, signal });
            });
        });
        this.exited.catch(() => {});
    }

    #collect(stream) {
        let rest = "";
        stream.setEncoding("utf8");
        stream.on("data", (text) => {
            const lines = (rest + text).split("\n");
            rest = lines.pop().slice(-LINE_MAX);
            for (const line of lines)
                this.#line(line);
        });
        stream.on("end", () => rest && this.#line(rest));
    }

    #line(line) {
        this.logs.push(line);
        if (this.logs.length > LOG_LINES_MAX)
            this.logs.shift();
        this.emit("line", line);
    }

    #ended() {
        this.running = false;
        children.delete(this.child);
    }

    write(text) {
        this.child.stdin.write(text);
    }

    kill(signal) {
        this.child.kill(signal);
    }

    /* The first line, old or new, that holds a string, matches an expression or pleases a function. */
    async line(wanted, timeout = WAIT_MS) {
        const fits = typeof wanted === "function" ? wanted
            : wanted instanceof RegExp ? (line) => wanted.test(line)
            : (line) => line.includes(wanted);
        const old = this.logs.find(fits);
        if (old !== undefined)
            return old;
        let listener;
        const fresh = new Promise((resolve) => {
            listener = (line) => fits(line) && resolve(line);
            this.on("line", listener);
        });
        const end = this.exited.then((how) => {
            throw new Error(`${this.command} ended (${how.signal ?? how.code}) before ${wanted}\n${this.tail()}`);
        });
        end.catch(() => {});
        try {
            return await deadline(Promise.race([fresh, end]), () => `${this.command}: ${wanted}\n${this.tail()}`, timeout);
        } finally {
            this.off("line", listener);
        }
    }

    tail(count = 30) {
        return this.logs.slice(-count).join("\n");
    }

    /* Signals it and waits for its end. After the deadline it is killed and the promise rejects. */
    async stop(signal = "SIGTERM", timeout = WAIT_MS) {
        if (this.running)
            this.child.kill(signal);
        try {
            return await deadline(this.exited, () => `${this.command} after ${signal}\n${this.tail()}`, timeout);
        } catch (error) {
            this.child.kill("SIGKILL");
            throw error;
        }
    }
}

/* Ends programs in order. Fails when one is not running any more or its exit code is not 0: a
 * sanitizer says so what it found. */
export async function endAll(...programs) {
    for (const program of programs) {
        const wasRunning = program.running;
        const { code, signal } = await program.stop();
        if (!wasRunning || code !== 0)
            throw new Error(`${program.command} ended with ${signal ?? code}${wasRunning ? "" : " before its time"}\n${program.tail()}`);
    }
}

/* ---- bridge, camera, broker ---- */

/* "… ready http=127.0.0.1:1 mqtt=127.0.0.1:2 …", or the same as JSON fields. Null for other lines. */
export function parseReady(line) {
    if (line.startsWith("{")) {
        const fields = JSON.parse(line);
        return fields.event === "ready" ? fields : null;
    }
    const at = line.search(/(^| )ready http=/);
    if (at < 0)
        return null;
    const fields = {};
    for (const [, key, value] of line.slice(at).matchAll(/(\w+)=("(?:[^"\\]|\\.)*"|\S+)/g))
        fields[key] = value.startsWith('"') ? JSON.parse(value) : value;
    return fields;
}

/* Starts the bridge and resolves when it says that it is ready. Returns its Program with `http` and
 * `mqtt` ("127.0.0.1:43121"), `url`, `wsUrl`, `data` and `ready` (all fields of the line) beside.
 *
 * data       the data directory; a new one unless given. Give it again to restart the same bridge.
 * listen, mqttListen   default to any port of 127.0.0.1; give `bridge.http` to come back at the same place
 * broker, web          passed on as the options of that name, when given
 * dev        development mode, where nobody needs a token; true unless given
 * config     text of a configuration file
 * args, env  more options and variables, last */
export async function startBridge({
    args = [], env = {}, config, data = tempDir(), broker, web, dev = true,
    listen = "127.0.0.1:0", mqttListen = "127.0.0.1:0", timeout = WAIT_MS,
} = {}) {
    const options = ["--listen", listen, "--mqtt-listen", mqttListen, "--data", data];
    if (dev)
        options.push("--dev");
    if (broker)
        options.push("--broker", broker);
    if (web)
        options.push("--web", web);
    if (config !== undefined) {
        const file = join(tempDir(), "sigbridge.conf");
        writeFileSync(file, config);
        options.push("--config", file);
    }
    const bridge = new Program(binary("SIGBRIDGE_BIN"), [...options, ...args], { env });
    let fields;
    try {
        fields = parseReady(await bridge.line((line) => parseReady(line) !== null, timeout));
    } catch (error) {
        bridge.kill("SIGKILL");
        throw error;
    }
    return Object.assign(bridge, {
        data,
        ready: fields,
        http: fields.http,
        mqtt: fields.mqtt,
        url: `http://${fields.http}/`,
        wsUrl: `ws://${fields.http}/ws`,
    });
}

/* Starts the camera and returns its Program at once; whether it is there, its presence tells.
 * `mqtt` is "address:port" of a broker. */
export function startCamera({ mqtt, room = "lobby", name = "cam1", args = [], env = {} }) {
    return new Program(binary("SIGBRIDGE_CAMERA_BIN"),
        ["--broker", `mqtt://${mqtt}`, "--room", room, "--name", name, ...args], { env });
}

/* Starts a mosquitto of one's own and resolves when it listens. `mqtt` is its address. Lines in
 * `config` follow the listener and may add to it; a given `port` lets a broker come back. */
export async function startMosquitto({ config = "allow_anonymous true", port, dir = tempDir() } = {}) {
    const number = port ?? await freePort();
    const file = join(dir, "mosquitto.conf");
    writeFileSync(file, `log_dest stderr\nlog_type all\nlistener ${number} 127.0.0.1\n${config}\n`);
    const broker = new Program("mosquitto", ["-c", file]);
    await broker.line(/mosquitto version \S+ running/);
    return Object.assign(broker, { mqtt: `127.0.0.1:${number}`, port: number, dir });
}

/* ---- a WebSocket peer ---- */

/* An `error` message of the bridge, thrown by WsPeer.request(). */
export class RefusedError extends Error {
    constructor(message) {
        super(`${message.error}: ${message.message}`);
        Object.assign(this, { code: message.code, error: message.error, answer: message });
    }
}

export class WsPeer {
    #unread = [];
    #waiting = new Set();
    static #number = 0; /* of all: a session that is resumed knows the ids from before */

    /* Resolves when the socket is open. `protocols` may be [] to offer none; `options` go to ws. */
    static async connect(wsUrl, { protocols = ["sigbridge.v1"], timeout = WAIT_MS, ...options } = {}) {
        const socket = new WebSocket(wsUrl, protocols, { perMessageDeflate: false, ...options });
        const peer = new WsPeer(socket);
        await deadline(once(socket, "open"), `WebSocket to ${wsUrl}`, timeout);
        return peer;
    }

    /* Connects and joins. The answer is in `joined`. Fields are those of the message `join`. */
    static async join(wsUrl, fields, options) {
        const peer = await WsPeer.connect(wsUrl, options);
        peer.joined = await peer.ask({ type: "join", ...fields }, "joined");
        peer.name = peer.joined.peer;
        return peer;
    }

    constructor(socket) {
        this.socket = socket;
        this.received = []; /* everything, in order */
        this.closed = new Promise((resolve) => {
            socket.on("close", (code, reason) => {
                resolve({ code, reason: reason.toString() });
                const error = new Error(`the socket closed with ${code} ${reason}`);
                for (const wait of this.#waiting)
                    wait.reject(error);
            });
        });
        socket.on("error", () => {}); /* "close" follows and says it */
        socket.on("message", (bytes, isBinary) => {
            const message = isBinary ? { type: "binary frame", bytes } : JSON.parse(bytes.toString());
            this.received.push(message);
            this.#unread.push(message);
            for (const wait of this.#waiting)
                wait.look();
        });
    }

    /* An object goes as JSON; a string or bytes as they are. */
    send(message) {
        this.socket.send(typeof message === "string" || Buffer.isBuffer(message) ? message : JSON.stringify(message));
    }

    /* The first message not yet taken that has the type or pleases the function. It counts as taken;
     * those before it stay for later. Rejects when the socket closes first. */
    async expect(wanted, timeout = WAIT_MS) {
        const fits = typeof wanted === "function" ? wanted : (message) => message.type === wanted;
        let wait;
        const found = new Promise((resolve, reject) => {
            const look = () => {
                const at = this.#unread.findIndex(fits);
                if (at >= 0) {
                    this.#waiting.delete(wait);
                    resolve(this.#unread.splice(at, 1)[0]);
                }
            };
            wait = { look, reject };
            this.#waiting.add(wait);
            look();
            if (this.#waiting.has(wait) && this.socket.readyState === WebSocket.CLOSED)
                reject(new Error("the socket is closed"));
        });
        const seen = () => this.received.slice(-10).map((m) => JSON.stringify(m).slice(0, 200)).join("\n");
        try {
            return await deadline(found, () => `${wanted}; the last messages were\n${seen()}`, timeout);
        } finally {
            this.#waiting.delete(wait);
        }
    }

    /* True when a message that fits has come and was not taken yet. */
    has(wanted) {
        const fits = typeof wanted === "function" ? wanted : (message) => message.type === wanted;
        return this.#unread.some(fits);
    }

    /* Sends with an `id` and resolves with the `ack`, or throws RefusedError. */
    request(message, timeout) {
        return this.ask({ id: `r${++WsPeer.#number}`, ...message }, (m) => m.type === "ack", timeout);
    }

    /* Sends and resolves with the answer of a type, or throws RefusedError when an `error` comes in its
     * place. Answers are matched by `id` when the message has one. */
    async ask(message, answer, timeout) {
        const fits = typeof answer === "function" ? answer : (m) => m.type === answer;
        this.send(message);
        const reply = await this.expect(
            (m) => (m.type === "error" || fits(m)) && (message.id === undefined || m.id === message.id), timeout);
        if (reply.type === "error")
            throw new RefusedError(reply);
        return reply;
    }

    close(code = 1000, reason = "") {
        this.socket.close(code, reason);
        return this.closed;
    }

    /* Drops the connection without a close frame. */
    terminate() {
        this.socket.terminate();
        return this.closed;
    }
}
