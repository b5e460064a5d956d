/* Carries out the plan: starts servers, runs the load generator against them, and keeps what it reports. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { median } from "./figures.mjs";
import { runLoad } from "./generator.mjs";
import { withCrowd } from "./plan.mjs";
import { start } from "./servers.mjs";

/* CPU time per message by the part of the candidate that took it, as the generator knows it by pid. */
function byPart(server, result) {
  return Object.fromEntries(Object.entries(server.pids).sort().map(([part, pid]) => [part, result.cpuByPid?.[pid] ?? 0]));
}

export class Measuring {
  #programs;
  #progress;
  #parts = {}; // candidate: list of byPart()
  runs = []; // {figure, candidate, round, took, result or error}

  /* `programs` is {sigbridge, relay, load}: paths. `progress` is told in a line what goes on. */
  constructor(programs, progress) {
    this.#programs = programs;
    this.#progress = progress;
  }

  /* All of these figures that the candidate can do. */
  async candidate(candidate, figures, round) {
    const mine = figures.filter(({ kinds }) => kinds.includes(candidate));
    const shared = mine.filter(({ fresh }) => !fresh);
    const groups = [shared, ...mine.filter(({ fresh }) => fresh).map((figure) => [figure])].filter((group) => group.length > 0);
    for (const group of groups) {
      await this.#withServer(
        candidate,
        async (server) => {
          for (const figure of group) {
            for (let time = 0; time < (figure.repeats ?? 1); time++) await this.#run(candidate, server, figure, round);
          }
        },
        (error) => group.forEach(({ key }) => this.runs.push({ figure: key, candidate, round, error })),
      );
    }
  }

  /* Rows of growth: {axis, candidate, unit, linear, steps: [{factor, n, costs, and cost or error}]}. A round
   * goes over all steps, so that what disturbs for a while does not meet one of them alone. */
  async growth(axes, candidates) {
    const rows = [];
    for (const axis of axes) {
      for (const candidate of axis.kinds.filter((kind) => candidates.includes(kind))) {
        this.#progress(`growth: ${axis.name}, ${candidate}`);
        const steps = axis.steps.map((step) => ({ ...step, costs: [] }));
        for (let round = 0; round < axis.rounds; round++) {
          for (const step of steps) await this.#step(axis, candidate, step);
        }
        for (const step of steps) if (step.error === undefined) step.cost = median(step.costs);
        rows.push({ axis: axis.name, candidate, unit: axis.unit, linear: axis.linear ?? false, steps });
      }
    }
    return rows;
  }

  /* {candidate: {part: us of CPU per message at saturation}}, medians. */
  parts() {
    const middle = (list) => Object.fromEntries(Object.keys(list[0]).map((part) => [part, median(list.map((one) => one[part]))]));
    return Object.fromEntries(Object.entries(this.#parts).map(([candidate, list]) => [candidate, middle(list)]));
  }

  async #run(candidate, server, figure, round) {
    const begin = performance.now();
    const outcome = await runLoad(this.#programs.load, { candidate, server, ...figure });
    const took = (performance.now() - begin) / 1000;
    if (outcome.error) this.#progress(`${candidate}, ${figure.key}: ${outcome.error}`);
    if (outcome.result && figure.key === "saturation") (this.#parts[candidate] ??= []).push(byPart(server, outcome.result));
    if (outcome.result && figure.recorded && candidate === "sigbridge") outcome.result.recorded = await this.#recorded(server);
    this.runs.push({ figure: figure.key, candidate, round, took, ...outcome });
  }

  async #step(axis, candidate, step) {
    const failed = (error) => {
      step.error = error;
    };
    if (step.error !== undefined) return;
    await this.#withServer(
      candidate,
      async (server) => {
        const crowd = await withCrowd(axis, server.mqtt, step.n);
        const { result, error } = await runLoad(this.#programs.load, { candidate, server, mode: axis.mode, args: axis.args(step.n) });
        crowd.end();
        if (result) step.costs.push(result[axis.cost]);
        else failed(error);
      },
      failed,
    );
  }

  /* How many memberships are in sigbridge's database, once it has taken what it was given. */
  async #recorded(server) {
    const url = `http://127.0.0.1:${server.load[1]}/metrics`;
    for (let tries = 0; tries < 400; tries++) {
      const queued = /^sigbridge_store_queued (\d+)$/m.exec(await (await fetch(url)).text());
      if (queued?.[1] === "0") break;
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
    const all = ["presence", "--data", server.data, "--history", "--limit", "0", "--json"];
    const { stdout } = await promisify(execFile)(this.#programs.sigbridge, all, { maxBuffer: 1 << 28 });
    return stdout.split("\n").filter(Boolean).length;
  }

  /* With a server of its own. What goes wrong is told to `failed`, and the others go on. */
  async #withServer(candidate, act, failed) {
    let server;
    try {
      server = await start(candidate, this.#programs);
      await act(server);
    } catch (error) {
      this.#progress(`${candidate} ${error.message}`);
      failed(error.message);
    } finally {
      await server?.stop();
    }
  }
}
