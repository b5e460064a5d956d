/* Rows: what happens to devices. */
import { until } from "../integration/harness.mjs";
import { Wire } from "../integration/wire.mjs";

const gone = ["device:peer-not-found", "device:unexpected-answer"];

export default [
    {
        key: "device-kill", title: "device killed (its will), back after a while",
        break(site, { victims }) {
            for (const device of site.devices) {
                victims.add(device.name);
                device.quiet = true;
                device.kill();
            }
        },
        lasts: 1500,
        async mend(site) {
            for (const device of site.devices) {
                device.persistent = false;
                await device.start();
                device.quiet = false;
            }
        },
        expects: { told: [...gone, "interrupted"], devices: true }, /* what the killed ones were about to say */
        short: ["handshake"],
    },
    {
        key: "device-cable", title: "cable of the devices out, no FIN: keepalive and will",
        break(site, { victims }) {
            for (const device of site.devices) {
                victims.add(device.name);
                device.wire.blackhole();
            }
        },
        lasts: 6000,
        mend: (site) => site.devices.forEach((device) => device.wire.heal()),
        expects: { told: gone, devices: true },
        recovery: { name: "device back", of: "devices", from: "mend" },
        within: 15_000,
        short: ["idle"],
    },
    {
        key: "device-cut", soak: true, title: "connection of the devices cut (RST), back at once",
        break(site, { victims }) {
            for (const device of site.devices) {
                victims.add(device.name);
                device.wire.snap();
            }
        },
        expects: { told: gone, devices: true },
        recovery: { name: "device back", of: "devices", from: "break" },
    },
    {
        key: "device-late-will", title: "device back under another client id, then the will of its old connection",
        async break(site, context) {
            context.clears = new Map(site.devices.map((d) => [d.name, d.repaired]));
            for (const device of site.devices) {
                context.victims.add(device.name);
                context.oldWires = (context.oldWires ?? []).concat(device.wire);
                device.wire.blackhole();
                device.wire = await new Wire(site.brokerAddress).open();
                site.wires.push(device.wire);
                await device.again();
            }
        },
        lasts: 5000, /* 1.5 times the keepalive, and the broker's rounding */
        after: (site, { clears }) => until(() => site.devices.every((d) => d.repaired > clears.get(d.name)),
            "the old connections' wills", { timeout: 5000 }),
        expects: { told: gone, devices: true },
        short: ["idle"],
    },
];
