// The public names; index.d.ts documents them.

export { backoffDelay } from "./backoff.js";
export { Signaling } from "./client.js";
export { SignalingError } from "./errors.js";
export { PeerLink } from "./peer.js";
export { checkIncoming, checkOutgoing, isPolite } from "./protocol.js";
