/* Small file systems to fill. Mounting needs the right to: as root, or not at all. */
import { execFileSync } from "node:child_process";
import { rmSync, statfsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { tempDir } from "../integration/harness.mjs";
import { Broker } from "../integration/world.mjs";

const mounted = new Set();
process.prependListener("exit", () => mounted.forEach((dir) => unmountSmall(dir)));

export const mayMount = () => process.getuid() === 0;

/* A new directory with a tmpfs of that size on it. */
export function mountSmall(name, size) {
    const dir = tempDir(name);
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${size},mode=0755`, "faults", dir]);
    mounted.add(dir);
    return dir;
}

export function unmountSmall(dir) {
    if (mounted.delete(dir))
        execFileSync("umount", ["-l", dir]);
}

const filler = (dir) => join(dir, "filler");

export function fillDisk(dir) {
    const { bavail, bsize } = statfsSync(dir);
    try {
        writeFileSync(filler(dir), Buffer.alloc(bavail * bsize));
    } catch {
        /* full is what it is to be */
    }
}

export const freeDisk = (dir) => rmSync(filler(dir), { force: true });

/* A broker that saves onto such a file system. */
export class FullDiskBroker extends Broker {
    static async start(options) {
        const dir = mountSmall("broker", "1m");
        const broker = await Broker.start({ ...options, persistence: false,
            config: ["persistence true", `persistence_location ${dir}/`, "autosave_interval 86400", ...options.config ?? []] });
        const stop = () => Broker.prototype.stop.call(broker).finally(() => unmountSmall(dir));
        return Object.assign(broker, { disk: dir, fill: () => fillDisk(dir), empty: () => freeDisk(dir), stop });
    }
}
