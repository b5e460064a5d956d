/* Who is there, by everyone who says so: the members' own rosters, the bridges' API, the retained topics of
 * the broker as somebody new reads them, the bridges' databases. Each must agree with what the test knows. */
import { get, Mqtt, presenceTopic, sql } from "../integration/world.mjs";
import { ROOMS } from "./site.mjs";

const list = (names) => [...names].sort().join(" ");

/* What a fresh subscriber finds: Map room -> Map name -> presence. */
async function retained(site) {
    const rooms = new Map(ROOMS.map((room) => [room, new Map()]));
    const client = await Mqtt.connect(site.brokerAddress, { clientId: `reader${Math.random().toString(36).slice(2)}` });
    try {
        await client.subscribe(presenceTopic("+", "+"));
        await client.subscribe("fence");
        await client.publish("fence", "x");
        await client.expect("fence");
        for (const { topic, message } of client.mail.all.filter((m) => m.topic !== "fence")) {
            const [, , , room, , name] = topic.split("/");
            if (message)
                rooms.get(room)?.set(name, message);
            else
                rooms.get(room)?.delete(name);
        }
    } finally {
        client.client.end(true);
    }
    return rooms;
}

/* Sentences about everything that is not so. Empty: all agree. */
export async function disagreements(site) {
    const wrong = [];
    const everyone = (room) => [...site.members(room), ...site.storm.filter((s) => s.room === room && s.state === "joined")];
    const broker = await retained(site);
    for (const room of ROOMS) {
        const members = everyone(room);
        const truth = list(members.map((m) => m.name));
        const compare = (who, names) => {
            const said = list(names);
            if (said !== truth)
                wrong.push(`${who}, room ${room}: has [${difference(said, truth)}]`);
        };
        compare("broker", broker.get(room).keys());
        for (const member of members) {
            const held = broker.get(room).get(member.name);
            if (member.kind === "session" && held && `${held.via}.${held.sid}` !== member.held?.session)
                wrong.push(`broker, room ${room}: ${member.name} is held as ${held.via}.${held.sid}, it is ${member.held?.session}`);
            if (!member.roster)
                continue;
            if (member.state && member.state !== "joined")
                wrong.push(`${member.name} is ${member.state}`);
            compare(`roster of ${member.name}`, [...member.roster.keys(), member.name]);
            for (const [name, info] of member.roster) {
                const since = broker.get(room).get(name)?.since;
                if (since !== undefined && info.since !== since)
                    wrong.push(`roster of ${member.name}: ${name} since ${info.since}, in the broker since ${since}`);
            }
        }
        for (const slot of site.bridges.filter((b) => b.up)) {
            const answer = await get(slot, `/api/v1/rooms/${room}`).catch((error) => ({ status: error.message }));
            const peers = answer.status === 200 ? JSON.parse(answer.text).peers : [];
            compare(`API of ${slot.id}`, peers.map((p) => p.peer));
            const rows = await sql(slot, `SELECT peer FROM present WHERE room = '${room}'`).catch((error) => [{ peer: `(${error.message.split("\n")[0]})` }]);
            compare(`database of ${slot.id}`, rows.map((r) => r.peer));
        }
    }
    return wrong;
}

function difference(said, truth) {
    const [a, b] = [new Set(said.split(" ")), new Set(truth.split(" "))];
    return [...[...a].filter((n) => n && !b.has(n)).map((n) => `+${n}`), ...[...b].filter((n) => n && !a.has(n)).map((n) => `-${n}`)].join(" ");
}

/* Polls until all agree. Resolves with {ms} or {wrong} after `within` ms. */
export async function settle(site, within) {
    const start = Date.now();
    for (;;) {
        const wrong = await disagreements(site).catch((error) => [error.message]);
        if (!wrong.length)
            return { ms: Date.now() - start, wrong };
        if (Date.now() - start > within)
            return { ms: Date.now() - start, wrong };
        await new Promise((resolve) => setTimeout(resolve, 200));
    }
}
