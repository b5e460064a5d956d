/* Rooms of socket.io, as its own documentation does signaling with them.
 *
 *     node socketio.mjs      prints `ready ws=PORT`, and serves /socket.io/ on 127.0.0.1:PORT until SIGTERM
 *
 * A client emits ["join", {room, peer}] and gets ["joined", {room, peer, peers: [{peer}]}]; the others get
 * ["presence", {joined: [{peer}]}] and ["presence", {left: [{peer}]}]. ["signal", {to, ...}] arrives at that
 * peer as ["signal", {from, ...}], ["message", {...}] at everyone else in the room with `from` added. */
import { createServer } from "node:http";
import { Server } from "socket.io";

const rooms = new Map(); // room: Map of peer: id of the socket
const http = createServer();
const io = new Server(http, { transports: ["websocket"], serveClient: false });

function enter(socket, { room, peer }) {
  if (!rooms.has(room)) rooms.set(room, new Map());
  const members = rooms.get(room);
  socket.emit("joined", { room, peer, peers: [...members.keys()].map((name) => ({ peer: name })) });
  socket.to(room).emit("presence", { joined: [{ peer }] });
  members.set(peer, socket.id);
  socket.join(room);
  return { room, peer, members };
}

function leave({ room, peer, members }) {
  members.delete(peer);
  if (members.size === 0) rooms.delete(room);
  io.to(room).emit("presence", { left: [{ peer, reason: "leave" }] });
}

io.on("connection", (socket) => {
  let me;
  socket.on("join", (request) => {
    me = enter(socket, request);
  });
  socket.on("signal", ({ to, ...message }) => {
    message.from = me.peer;
    io.to(me.members.get(to)).emit("signal", message);
  });
  socket.on("message", (message) => {
    message.from = me.peer;
    socket.to(me.room).emit("message", message);
  });
  socket.on("disconnect", () => me && leave(me));
});
http.listen({ host: "127.0.0.1", port: 0, backlog: 4096 }, () => console.log(`ready ws=${http.address().port}`));
process.on("SIGTERM", () => process.exit(0));
