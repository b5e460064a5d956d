/* PeerJS' own server, as it comes; only its bounds are lifted: 5,000 clients, and the minute within which a
 * client must have sent a heartbeat.
 *
 *     node peerjs.mjs      prints `ready ws=PORT`, and serves /peerjs?key=peerjs&id=ID&token=T on 127.0.0.1:PORT
 *
 * It knows neither rooms nor presence: a client names the other one in `dst`. */
import { PeerServer } from "peer";

const options = { host: "127.0.0.1", port: 0, path: "/", key: "peerjs", concurrent_limit: 100_000, alive_timeout: 3_600_000 };
PeerServer(options, (http) => console.log(`ready ws=${http.address().port}`));
process.on("SIGTERM", () => process.exit(0));
