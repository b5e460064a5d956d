// What the sources export fits what index.d.ts promises. Read by the compiler only.

import type * as api from "sigbridge";
import { IncomingCall } from "../../../clients/js/src/calls.js";
import { backoffDelay } from "../../../clients/js/src/backoff.js";
import { Signaling } from "../../../clients/js/src/client.js";
import { SignalingError } from "../../../clients/js/src/errors.js";
import { PeerLink } from "../../../clients/js/src/peer.js";
import { checkIncoming, checkOutgoing, isPolite } from "../../../clients/js/src/protocol.js";

export const same: {
  Signaling: typeof api.Signaling;
  PeerLink: typeof api.PeerLink;
  SignalingError: typeof api.SignalingError;
  backoffDelay: typeof api.backoffDelay;
  checkIncoming: typeof api.checkIncoming;
  checkOutgoing: typeof api.checkOutgoing;
  isPolite: typeof api.isPolite;
} = { Signaling, PeerLink, SignalingError, backoffDelay, checkIncoming, checkOutgoing, isPolite };

export const call = (ours: IncomingCall): api.IncomingCall => ours;
