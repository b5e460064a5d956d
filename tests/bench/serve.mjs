/* Starts one candidate and keeps it, for profiling and for trying things out:
 *
 *     node tests/bench/serve.mjs KIND --sigbridge PATH [--relay PATH] [--under "COMMAND ARGUMENT..."]
 *
 * Prints one line, the options by which the load generator finds it, and ends it on SIGTERM or Ctrl-C.
 * `--under` runs sigbridge's own process, not its broker, under another program such as valgrind. */
import { parseArgs } from "node:util";
import { KINDS } from "./kinds.mjs";
import { keepAwake } from "./machine.mjs";
import { start } from "./servers.mjs";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { sigbridge: { type: "string" }, relay: { type: "string" }, under: { type: "string", default: "" } },
});
const [kind] = positionals;
if (!(kind in KINDS)) {
  console.error(`usage: node tests/bench/serve.mjs KIND --sigbridge PATH [--relay PATH] [--under COMMAND]; KIND: ${Object.keys(KINDS).join(" ")}`);
  process.exit(2);
}
keepAwake();
const server = await start(kind, { ...values, under: values.under.split(" ").filter(Boolean) });
console.log(`--candidate ${KINDS[kind].load ?? kind} ${server.load.join(" ")}`);
for (const signal of ["SIGINT", "SIGTERM"]) {
  process.removeAllListeners(signal);
  process.once(signal, async () => {
    await server.stop();
    process.exit(0);
  });
}
