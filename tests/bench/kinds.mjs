/* The candidates, by the name that the load generator has for them, or `load` says: how tables and plots
 * call them, and what there is to be measured, because not all know rooms, or tell who is in them. */
export const KINDS = {
  sigbridge: { name: "sigbridge, browser to browser", short: "sigbridge", rooms: true, presence: true },
  "sigbridge-device": { name: "sigbridge, browser to device", short: "sigbridge to device" },
  "sigbridge-two": { name: "sigbridge, each end at its own bridge", short: "two sigbridges", load: "sigbridge" },
  "mosquitto-ws-0": { name: "mosquitto alone, WebSocket, QoS 0", short: "mosquitto ws QoS 0", rooms: true },
  "mosquitto-ws-1": { name: "mosquitto alone, WebSocket, QoS 1", short: "mosquitto ws QoS 1", rooms: true },
  "mosquitto-tcp-0": { name: "mosquitto alone, TCP, QoS 0", short: "mosquitto tcp QoS 0", rooms: true },
  "mosquitto-tcp-1": { name: "mosquitto alone, TCP, QoS 1", short: "mosquitto tcp QoS 1", rooms: true },
  "room-server": { name: "tutorial room server (ws)", short: "tutorial server", rooms: true, presence: true },
  peerjs: { name: "PeerJS server", short: "PeerJS" },
  socketio: { name: "socket.io rooms", short: "socket.io", rooms: true, presence: true },
  "node-bridge": { name: "naive bridge (ws + mqtt)", short: "naive bridge", rooms: true, presence: true },
  relay: { name: "relay in C, no JSON (floor)", short: "relay (floor)", rooms: true },
};
