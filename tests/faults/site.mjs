/* What a cell of the matrix breaks: brokers, bridges, lines between all of them, members in two rooms.
 *
 *     const site = new Site(ledger);
 *     await site.build({ bridges: 2, sessions: 8 });
 *     site.cables[0].blackhole();      between bridge 0 and its broker
 *     site.sessions[3].wire.cut();     between a session and its bridge
 *     await site.end();                and checks how the bridges ended
 *
 * Every session has a line of its own; where it leads, `site.lead(session, bridge)` changes. */
import assert from "node:assert/strict";
import { startBridge, tempDir, until } from "../integration/harness.mjs";
import { assertLog, assertNoSanitizer, Broker, get, metric, Mqtt, presenceTopic } from "../integration/world.mjs";
import { Wire } from "../integration/wire.mjs";
import { FaultDevice } from "./device.mjs";
import { EchoDevice, echoProgram } from "./echo.mjs";
import { LibraryMember } from "./library.mjs";
import { Session } from "./session.mjs";

export const ROOMS = ["a", "b"];

/* Short times, so that a cell takes seconds, and rates that nobody meets here. */
const environment = {
    SIGBRIDGE_LIMITS_MESSAGES_PER_SECOND: "100000",
    SIGBRIDGE_LIMITS_MESSAGES_BURST: "1000000",
    SIGBRIDGE_LIMITS_BYTES_PER_SECOND: "1073741824",
    SIGBRIDGE_LIMITS_BYTES_BURST: "1073741824",
    SIGBRIDGE_LIMITS_ADDRESS_SESSIONS: "4096",
    SIGBRIDGE_LIMITS_REPLAY_MESSAGES: "4096",
    SIGBRIDGE_PING_INTERVAL: "1",
    SIGBRIDGE_PING_TIMEOUT: "1",
    SIGBRIDGE_MQTT_KEEPALIVE: "5",
    SIGBRIDGE_PRESENCE_RESUME_WINDOW: "30",
    SIGBRIDGE_LIMITS_DRAIN: "10",
    SIGBRIDGE_LOG_LEVEL: "debug",
};

export class Site {
    constructor(ledger) {
        Object.assign(this, { ledger, bridges: [], cables: [], wires: [], sessions: [], devices: [], storm: [], ended: [] });
    }

    async build({ bridges = 2, sessions = 8, devices = 2, embedded = false, broker = {}, env = {}, config, dataDir,
        persistentDevices = true }) {
        this.options = { env, config, dataDir };
        if (!embedded)
            this.broker = await (broker.start ?? Broker.start)(broker);
        for (let i = 0; i < bridges; i++)
            await this.addBridge();
        this.eye = await this.#watch();
        for (let i = 0; i < sessions; i++)
            await this.#addSession(`s${i}`, ROOMS[i % 2], this.bridges[Math.floor(i / 2) % bridges]);
        for (let i = 0; i < devices; i++)
            await this.#addDevice(`cam${i}`, ROOMS[i % 2], persistentDevices && i % 2 === 0);
        if (echoProgram())
            await this.#addEcho();
        await Promise.all(this.sessions.map((session) => session.start()));
        await until(() => this.sessions.every((s) => s.roster.size === this.members(s.room).length - 1), "everyone sees everyone");
        return this;
    }

    get brokerAddress() {
        return this.broker ? this.broker.mqtt : this.bridges[0].mqtt;
    }

    async addBridge() {
        const i = this.bridges.length;
        let cable;
        if (this.broker) {
            cable = await new Wire(this.broker.mqtt).open();
            this.wires.push(cable);
            this.cables.push(cable);
        }
        const slot = { i, id: `bridge${i}`, cable, data: this.options.dataDir?.(i) ?? tempDir("faults") };
        this.bridges.push(slot);
        await this.startBridge(slot);
        return slot;
    }

    /* Also to start it again: at the same place, with the same database. */
    async startBridge(slot) {
        const { env, config } = this.options;
        const program = await startBridge({
            broker: slot.cable?.url, data: slot.data, config, listen: slot.http, mqttListen: slot.mqtt,
            args: ["--bridge-id", slot.id], env: { ...environment, ...env },
        });
        /* "-" where there is no embedded broker */
        const mqtt = program.mqtt === "-" ? undefined : program.mqtt;
        Object.assign(slot, { program, http: program.http, mqtt, url: program.url, up: true });
        return slot;
    }

    async killBridge(slot) {
        slot.up = false;
        slot.program.kill("SIGKILL");
        await slot.program.exited;
        assertNoSanitizer(slot.program);
    }

    /* Ends it in order and checks that it did. */
    async stopBridge(slot, timeout = 20_000) {
        slot.up = false;
        const { code, signal } = await slot.program.stop("SIGTERM", timeout);
        this.#checkEnd(slot, code, signal);
    }

    #checkEnd(slot, code, signal) {
        assertNoSanitizer(slot.program);
        assertLog(slot.program);
        assert.deepEqual({ code, signal }, { code: 0, signal: null }, slot.program.tail());
    }

    /* Sees each change of presence and status, over broker restarts, from the start. */
    async #watch() {
        const eye = await Mqtt.connect(this.brokerAddress, { clientId: "eye", clean: false, expiry: 300, reconnectPeriod: 200 });
        this.changes = []; /* {name, room, gone, reason, at} */
        eye.client.on("message", (topic, payload, packet) => {
            const parts = topic.split("/");
            if (parts.at(-1) === "presence" && !packet.retain)
                this.changes.push({ room: parts[3], name: parts[5], gone: payload.length === 0, at: Date.now(),
                    reason: packet.properties?.userProperties?.reason, text: payload.toString() });
        });
        await eye.subscribe(presenceTopic("+", "+"));
        return eye;
    }

    async #addSession(name, room, bridge) {
        const wire = await new Wire(bridge.http).open();
        this.wires.push(wire);
        const Member = this.sessions.length % 3 === 1 ? LibraryMember : Session; /* every third by the library itself */
        const session = new Member({ name, room, url: () => `ws://${wire.address}/ws`, ledger: this.ledger });
        Object.assign(session, { wire, bridge });
        this.sessions.push(session);
    }

    async #addDevice(name, room, persistent) {
        const wire = await new Wire(this.brokerAddress).open();
        this.wires.push(wire);
        const device = new FaultDevice({ name, room, persistent, address: () => device.wire.address, ledger: this.ledger });
        device.wire = wire;
        this.devices.push(device);
        await device.start();
    }

    async #addEcho() {
        const wire = await new Wire(this.brokerAddress).open();
        this.wires.push(wire);
        this.echo = new EchoDevice({ name: "echo0", room: "a", address: () => wire.address, ledger: this.ledger });
        this.echo.wire = wire;
        const [by] = this.sessions;
        by.onEcho = ({ from, data }) => {
            if (from === this.echo.name)
                this.echo.back(by.name, data.n);
            return from === this.echo.name;
        };
        await this.echo.start();
    }

    members(room) {
        return [...this.sessions, ...this.devices, ...this.echo ? [this.echo] : []].filter((m) => m.room === room && !m.over);
    }

    /* Where a session finds a bridge when it connects next. */
    lead(session, bridge) {
        session.bridge = bridge;
        session.wire.target = bridge.http;
    }

    on(bridge) {
        return this.sessions.filter((session) => session.bridge === bridge);
    }

    ready(slot, status = 200) {
        return until(async () => (await get(slot, "/readyz").catch(() => ({}))).status === status, `${status} from /readyz of ${slot.id}`);
    }

    metric(slot, name) {
        return metric(slot, name);
    }

    async end() {
        for (const session of [...this.sessions, ...this.storm])
            session.end();
        for (const device of this.devices)
            device.end();
        const problems = [];
        await this.echo?.end().catch((error) => problems.push(error));
        await Promise.all(this.bridges.filter((b) => b.up).map((slot) => this.stopBridge(slot).catch((error) => problems.push(error))));
        this.eye?.client.end(true);
        for (const wire of this.wires)
            wire.close();
        await this.broker?.stop().catch((error) => problems.push(error));
        if (problems.length)
            throw problems[0];
    }
}
