/* Ports of programs that a benchmark starts. */
import { connect } from "node:net";

export { freePort } from "../integration/harness.mjs";

/* Until somebody listens there, at most 5 s. */
export async function listening(port) {
  for (let tries = 0; tries < 500; tries++) {
    const socket = connect(port, "127.0.0.1");
    const ok = await new Promise((resolve) => socket.on("connect", () => resolve(true)).on("error", () => resolve(false)));
    socket.destroy();
    if (ok) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`nobody listens on port ${port}`);
}
