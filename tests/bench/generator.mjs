/* One run of the load generator. */
import { KINDS } from "./kinds.mjs";
import { Child } from "./processes.mjs";

const MARGIN_MS = 120_000; // what it may take beside its measured time

/* {result} when every message was right, else {error}: what the generator said of it. */
export async function runLoad(program, { mode, candidate, server, args }) {
  const seconds = Number(args[args.indexOf("--seconds") + 1]) || 0;
  const child = new Child("generator", program, [mode, "--candidate", KINDS[candidate].load ?? candidate, "--host", "127.0.0.1", ...server.load, ...args]);
  let outcome;
  try {
    outcome = await child.result(seconds * 1000 + MARGIN_MS);
  } catch (error) {
    return { error: error.message };
  }
  if (outcome.code !== 0) return { error: child.said() || `the generator ended with ${outcome.code ?? outcome.signal}` };
  return { result: JSON.parse(outcome.text) };
}
