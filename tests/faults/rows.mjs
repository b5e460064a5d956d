/* All rows of the matrix. One has
 *
 *     key, title
 *     site       what Site.build() gets
 *     break      (site, context): the fault begins
 *     lasts      ms until mend; longLasts: in the long form
 *     mend       (site, context): it is over
 *     after      (site, context): what else must hold then; throws
 *     clean      (site): in any case
 *     expects    told: errors that senders may get, `device:` before those about a device; all others fail.
 *                rejoin: who has to join again: "nobody", "victims" (those that break() named: all of
 *                them), "anybody"; those named may. devices: devices may come and go.
 *                late: messages of a membership that is over may come after those of the next.
 *                refuted: what was refused may have come all the same
 *     within     ms until all agree who is there
 *     recovery   {name, of: "back" (sessions, since `from`), "own" (sessions, since each lost its socket),
 *                "first" (those that were back before the mend), "flow" (first delivery of each pair since `from`), "devices"; from: "break" or "mend"}
 *     least      what must have been counted at least, where it is not the usual
 *     short      columns of the short form
 *     soak       part of the soak */
import bridge from "./rows_bridge.mjs";
import broker from "./rows_broker.mjs";
import device from "./rows_device.mjs";
import socket from "./rows_socket.mjs";
import store from "./rows_store.mjs";

export const rows = [...socket, ...broker, ...bridge, ...device, ...store];
