/* The room server of the tutorials: WebSocket, JSON, a Map of rooms. It believes what it is told, checks
 * nothing, keeps nothing, and is all that many a page needs.
 *
 *     node room-server.mjs      prints `ready ws=PORT`, and serves ws://127.0.0.1:PORT/ws until SIGTERM
 *
 * The messages are those of clients/PROTOCOL.md: join and joined, presence, and whatever has a `to`,
 * which arrives with `from` instead; what has none goes to everyone else in the room. */
import { WebSocketServer } from "ws";

const rooms = new Map(); // room: Map of peer: socket

function enter(socket, { room, peer }) {
  if (!rooms.has(room)) rooms.set(room, new Map());
  const members = rooms.get(room);
  const peers = [...members.keys()].map((name) => ({ peer: name }));
  socket.send(JSON.stringify({ type: "joined", room, peer, peers }));
  const news = JSON.stringify({ type: "presence", joined: [{ peer }] });
  for (const other of members.values()) other.send(news);
  members.set(peer, socket);
  return { room, peer, members };
}

function leave({ room, peer, members }) {
  members.delete(peer);
  if (members.size === 0) rooms.delete(room);
  const news = JSON.stringify({ type: "presence", left: [{ peer, reason: "leave" }] });
  for (const other of members.values()) other.send(news);
}

const server = new WebSocketServer({ host: "127.0.0.1", port: 0, path: "/ws", backlog: 4096, perMessageDeflate: false });
server.on("connection", (socket) => {
  let me;
  socket.on("message", (text) => {
    const { to, ...message } = JSON.parse(text);
    if (message.type === "join") {
      me = enter(socket, message);
      return;
    }
    message.from = me.peer;
    const news = JSON.stringify(message);
    if (to !== undefined) {
      me.members.get(to)?.send(news);
      return;
    }
    for (const [peer, other] of me.members) {
      if (peer !== me.peer) other.send(news);
    }
  });
  socket.on("close", () => me && leave(me));
  socket.on("error", () => {}); // "close" follows
});
server.on("listening", () => console.log(`ready ws=${server.address().port}`));
process.on("SIGTERM", () => process.exit(0));
