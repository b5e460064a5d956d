/* Rows: what happens to the bridges' databases. Signaling must not notice. */
import { readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Program } from "../integration/harness.mjs";
import { fillDisk, freeDisk, mountSmall, unmountSmall } from "./small_disk.mjs";

const database = (slot) => join(slot.data, "sigbridge.db");
const gone = { told: ["peer-not-found", "guest:peer-not-found", "interrupted", "guest:interrupted", "device:interrupted", "unexpected-answer"], rejoin: "victims" };

/* The bridge is killed, something happens to its files, it starts again. */
const whileStopped = (harm) => ({
    async break(site, context) {
        const [, slot] = site.bridges;
        for (const session of site.on(slot))
            context.victims.add(session.name);
        await site.killBridge(slot);
        harm(slot);
    },
    lasts: 100,
    async mend(site) {
        await site.startBridge(site.bridges[1]);
    },
    expects: gone, within: 20_000, least: { during: 5 },
});

export default [
    {
        key: "store-locked", soak: true, title: "database locked by another process",
        async break(site, context) {
            context.lock = new Program("sqlite3", ["-batch", database(site.bridges[0])]);
            context.lock.write("PRAGMA locking_mode = EXCLUSIVE;\nBEGIN EXCLUSIVE;\n.print locked\n");
            await context.lock.line("locked");
        },
        lasts: 4000,
        async mend(site, { lock }) {
            lock.write("COMMIT;\n.quit\n");
            await lock.exited;
        },
        within: 15_000,
        short: ["idle"],
    },
    {
        key: "store-full", title: "database's disk full",
        site: { dataDir: (i) => (i === 0 ? mountSmall("faults", "4m") : undefined) },
        break: (site) => fillDisk(site.bridges[0].data),
        lasts: 3000,
        mend: (site) => freeDisk(site.bridges[0].data),
        clean: (site) => unmountSmall(site.bridges[0]?.data),
        within: 20_000,
    },
    {
        key: "store-corrupt", title: "database overwritten while the bridge was killed",
        ...whileStopped((slot) => {
            for (const end of ["-wal", "-shm"])
                rmSync(database(slot) + end, { force: true });
            writeFileSync(database(slot), Buffer.alloc(65536, 0xa5));
        }),
        async after(site) {
            const [, { data, program }] = site.bridges;
            const aside = readdirSync(data).filter((name) => name.startsWith("sigbridge.db.") || name.startsWith("sigbridge.db-damaged"));
            if (!aside.length)
                throw new Error(`the damaged database was not put aside: ${readdirSync(data)}`);
            if (!program.logs.some((line) => / (warn|error) store/.test(line)))
                throw new Error("nothing was said about the damaged database");
        },
        short: ["idle"],
    },
    {
        key: "store-deleted", title: "database deleted while the bridge was killed",
        ...whileStopped((slot) => {
            for (const end of ["", "-wal", "-shm"])
                rmSync(database(slot) + end, { force: true });
        }),
    },
];
