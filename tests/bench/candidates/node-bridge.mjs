/* What sigbridge does, as one would write it in an afternoon: `ws` in front, one connection of `mqtt` behind,
 * QoS 1. It publishes presence and waits for its own to come back, as the real one does, so that the
 * broker decides; it checks nothing else, records nothing and survives no broken connection.
 *
 *     node node-bridge.mjs MQTT-PORT      prints `ready ws=PORT`, and serves ws://127.0.0.1:PORT/ws until SIGTERM
 *
 * Messages as in clients/PROTOCOL.md, topics as there but with another prefix. */
import mqtt from "mqtt";
import { WebSocketServer } from "ws";

const PREFIX = "naive/v1/rooms";
const QOS1 = { qos: 1 };

const rooms = new Map(); // room: { members: Map of peer: socket, present: Map of peer: presence }
const broker = await mqtt.connectAsync(`mqtt://127.0.0.1:${process.argv[2]}`, { protocolVersion: 5, clean: true });
broker.stream.setNoDelay(true);

function enter(socket, { room, peer }) {
  if (!rooms.has(room)) {
    rooms.set(room, { members: new Map(), present: new Map() });
    broker.subscribe([`${PREFIX}/${room}/peers/+/presence`, `${PREFIX}/${room}/all/+`], QOS1);
  }
  rooms.get(room).members.set(peer, socket);
  broker.subscribe(`${PREFIX}/${room}/peers/${peer}/in/+`, QOS1);
  broker.publish(`${PREFIX}/${room}/peers/${peer}/presence`, JSON.stringify({ kind: "browser" }), { qos: 1, retain: true });
  return { room, peer };
}

function leave({ room, peer }) {
  const { members } = rooms.get(room);
  members.delete(peer);
  broker.publish(`${PREFIX}/${room}/peers/${peer}/presence`, "", { qos: 1, retain: true });
  broker.unsubscribe(`${PREFIX}/${room}/peers/${peer}/in/+`);
  if (members.size > 0) return;
  rooms.delete(room);
  broker.unsubscribe([`${PREFIX}/${room}/peers/+/presence`, `${PREFIX}/${room}/all/+`]);
}

function onPresence({ members, present }, room, peer, payload) {
  if (payload.length === 0) {
    if (!present.delete(peer)) return;
    tellOthers(members, peer, JSON.stringify({ type: "presence", left: [{ peer, reason: "gone" }] }));
    return;
  }
  const state = { ...JSON.parse(payload), peer };
  const known = present.has(peer);
  const peers = [...present.values()].filter((other) => other.peer !== peer);
  present.set(peer, state);
  members.get(peer)?.send(JSON.stringify({ type: "joined", room, peer, peers }));
  tellOthers(members, peer, JSON.stringify({ type: "presence", [known ? "updated" : "joined"]: [state] }));
}

function tellOthers(members, peer, text) {
  for (const [name, socket] of members) {
    if (name !== peer) socket.send(text);
  }
}

broker.on("message", (topic, payload) => {
  const [room, kind, name, what, from] = topic.slice(PREFIX.length + 1).split("/");
  const here = rooms.get(room);
  if (here === undefined) return;
  if (what === "presence") {
    onPresence(here, room, name, payload);
    return;
  }
  const message = JSON.parse(payload);
  message.from = kind === "all" ? name : from;
  if (kind === "all") tellOthers(here.members, message.from, JSON.stringify(message));
  else here.members.get(name)?.send(JSON.stringify(message));
});

const server = new WebSocketServer({ host: "127.0.0.1", port: 0, path: "/ws", backlog: 4096, perMessageDeflate: false });
server.on("connection", (socket) => {
  let me;
  socket.on("message", (text) => {
    const { to, ...message } = JSON.parse(text);
    if (message.type === "join") {
      me = enter(socket, message);
      return;
    }
    const topic = to === undefined ? `${PREFIX}/${me.room}/all/${me.peer}` : `${PREFIX}/${me.room}/peers/${to}/in/${me.peer}`;
    broker.publish(topic, JSON.stringify(message), QOS1);
  });
  socket.on("close", () => me && leave(me));
  socket.on("error", () => {}); // "close" follows
});
server.on("listening", () => console.log(`ready ws=${server.address().port}`));
process.on("SIGTERM", () => process.exit(0));
