/* How long sigbridge takes from its start to `ready`: with nothing in its broker, and with many presences
 * retained there, all of which it reads before it says so. */
import { Crowd } from "./crowd.mjs";
import { median } from "./figures.mjs";
import { newDir, removeDir } from "./processes.mjs";
import { launchSigbridge } from "./servers.mjs";

const SETTLE_MS = 60_000;

async function metric(port, name) {
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  return Number(new RegExp(`^${name} (\\S+)$`, "m").exec(text)?.[1]);
}

async function until(check, what) {
  for (const end = Date.now() + SETTLE_MS; Date.now() < end; ) {
    if (await check()) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`never: ${what}`);
}

async function inDir(act) {
  const running = { children: [], pids: {}, dir: newDir() };
  try {
    return await act(running);
  } finally {
    for (const child of running.children.reverse()) await child.stop();
    removeDir(running.dir);
  }
}

const empty = (program) =>
  inDir(async (running) => {
    await launchSigbridge(running, program);
    return running.readyMs;
  });

/* The broker saves what it holds when it ends, and loads it at the second start: that is in the time. */
const retained = (program, count) =>
  inDir(async (running) => {
    const first = await launchSigbridge(running, program);
    const crowd = await Crowd.connect(first.mqtt);
    await crowd.present(count);
    crowd.end();
    const settled = async () => (await metric(first.http, "sigbridge_peers")) === count && (await metric(first.http, "sigbridge_store_queued")) === 0;
    await until(settled, `${count} peers are known`);
    await first.child.stop();
    const { http } = await launchSigbridge(running, program);
    const known = await metric(http, "sigbridge_peers");
    if (known !== count) throw new Error(`ready with ${known} of ${count} presences`);
    return running.readyMs;
  });

/* {readyMs, retainedMs}, medians of so many starts. */
export async function measureStart(program, { presences, starts }) {
  const times = { empty: [], retained: [] };
  for (let i = 0; i < starts; i++) times.empty.push(await empty(program));
  for (let i = 0; i < Math.ceil(starts / 3); i++) times.retained.push(await retained(program, presences));
  return { readyMs: median(times.empty), retainedMs: median(times.retained) };
}
