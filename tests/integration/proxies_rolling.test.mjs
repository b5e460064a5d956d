/* Three bridges behind each proxy are restarted one after the other, as for an update, while browsers and
 * a device write to each other: nobody notices. The browsers are the library of clients/js. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Ledger } from "../faults/ledger.mjs";
import { deadline, until } from "./harness.mjs";
import { makeKey } from "./jwt.mjs";
import { Page } from "./page.mjs";
import { startProxy } from "./proxies.mjs";
import { World } from "./world.mjs";

const ROOM = "hall";

for (const kind of ["nginx", "haproxy"])
    describe(`a rolling restart behind ${kind}`, () => {
        const key = makeKey("HS256");
        const world = new World();
        const ledger = new Ledger();
        const pages = [];
        let proxy, bridges, cam;
        const start = async (name, more) => Object.assign(await world.addBridge({
            dev: false, args: ["--bridge-id", name, "--trusted-proxy", "127.0.0.1", "--jwt-key", key.option],
            env: { SIGBRIDGE_LIMITS_DRAIN: "30" }, ...more }), { admin: key.token({ can: ["admin"] }) });

        before(async () => {
            world.broker = await world.addBroker();
            bridges = [];
            for (const name of ["one", "two", "three"])
                bridges.push(await start(name));
            proxy = await startProxy(kind, bridges);
            /* With `since`: else each bridge says when it first saw it. */
            cam = await world.device({ room: ROOM, name: "cam", presence: { kind: "device", since: Date.now() } });
            ledger.members.set("cam", { epoch: 1, kind: "device" });
            cam.client.on("message", (topic, text) => {
                const { type, data } = JSON.parse(text.toString());
                if (type === "message")
                    ledger.got("cam", topic.split("/").at(-1), "cam", "", data.n);
            });
            for (let i = 0; i < 6; i++) {
                const name = `page${i}`;
                const page = new Page(name, { url: proxy.wsUrl, room: ROOM, ledger,
                    token: key.token({ sub: name, rooms: [ROOM] }), options: proxy.options({ localAddress: `127.0.3.${i + 1}` }) });
                pages.push(page);
                await page.library.connect();
            }
            await until(() => pages.every((page) => page.library.peers.size === pages.length), "all see each other and the device");
        });
        after(async () => {
            for (const page of pages)
                page.library.close();
            await world.end();
            await proxy?.stop();
        });

        test("nothing is lost, doubled or out of order, and nobody is told of anything", async () => {
            let going = true;
            const whileGoing = async (act) => {
                for (; going; await new Promise((resolve) => setTimeout(resolve, 15)))
                    await act();
            };
            const flows = pages.flatMap((page, i) => [
                whileGoing(() => page.say(pages[(i + 1) % pages.length].name)),
                whileGoing(() => page.say("cam")),
                whileGoing(async () => {
                    const record = ledger.sent("cam", page.name);
                    await cam.send(page.name, { type: "message", data: { n: record.n } });
                    ledger.outcome(record, "ack");
                }),
            ]);
            const delivered = () => [...ledger.records()].filter((r) => r.got.size > 0).length;
            const more = async (count) => {
                const from = delivered();
                await until(() => delivered() > from + count, "messages flow");
            };
            const restart = async (i, old) => {
                await more(200);
                const name = old.ready.bridge;
                const moved = pages.filter((page) => page.bridge === name);
                assert.ok(moved.length > 0, `${name} has some of ${pages.map((page) => page.bridge)}`);
                old.kill("SIGTERM");
                const { code } = await deadline(old.exited, `${name} ends, because all are taken over`);
                assert.equal(code, 0, old.tail());
                world.bridges = world.bridges.filter((b) => b !== old);
                await until(() => moved.every((page) => page.library.state === "joined" && page.bridge !== name), "its pages are elsewhere");
                bridges[i] = await start(name, { data: old.data, listen: old.http });
                /* HAProxy may have missed that it was away. */
                const states = () => proxy.logs.filter((line) => line.includes(`bridges/bridge${i + 1} is `));
                await until(() => !states().at(-1)?.includes(" is DOWN"), "the proxy takes it for well again");
                await more(200);
            };
            try {
                for (const [i, old] of bridges.entries())
                    await restart(i, old);
            } finally {
                going = false;
            }
            await deadline(Promise.all(flows), "the last answers");
            await until(() => [...ledger.records()].every((r) => r.got.size > 0), "the last ones come").catch(() => {}); /* the ledger says which did not */
            const { lost, doubled, reordered, silent, refuted, wrong, told, excused } = ledger.count(Date.now());
            assert.deepEqual({ lost, doubled, reordered, silent, refuted, wrong, told, excused },
                { lost: [], doubled: [], reordered: [], silent: [], refuted: [], wrong: [], told: {}, excused: 0 },
                pages.map((page) => `${page.name}\n    ${page.trace.join("\n    ")}`).join("\n"));
            for (const page of pages) {
                assert.deepEqual([page.joins, page.left, page.errors], [1, [], []], `${page.name} kept its membership`);
                assert.equal(page.library.peers.size, pages.length);
            }
            assert.ok(pages.reduce((sum, page) => sum + page.resumes, 0) >= 6);
            assert.ok(pages.some((page) => page.closings > 0), "they were told to go");
        });
    });
