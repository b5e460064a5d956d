/* From the runs to what is said of them: medians, ratios, and whether the goals are reached. Pure. */

export function median(values) {
  const sorted = values.filter((value) => Number.isFinite(value)).sort((a, b) => a - b);
  if (sorted.length === 0) return undefined;
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/* {figure: {candidate: {each number of the runs: its median}}}. A run in which a message was not right
 * counts for nothing, and neither do the others of that candidate and figure: `wrong` says so. */
export function medians(runs) {
  const table = {};
  for (const { figure, candidate, result, error } of runs) {
    const cell = ((table[figure] ??= {})[candidate] ??= { results: [] });
    if (error !== undefined) cell.wrong ??= error;
    else cell.results.push(result);
  }
  for (const row of Object.values(table)) {
    for (const [candidate, { results, wrong }] of Object.entries(row)) {
      const names = new Set(results.flatMap((result) => Object.keys(result)));
      const of = (name) => median(results.map((result) => result[name]));
      row[candidate] = wrong !== undefined ? { wrong } : Object.fromEntries([...names].map((name) => [name, of(name)]).filter(([, value]) => value !== undefined));
    }
  }
  return table;
}

/* By how much the cost rises from the first step to the last: the line that fits all steps best, both in
 * doublings, so that one noisy step does not decide. 1 is flat. */
export function rise(steps) {
  const points = steps.map(({ factor, cost }) => [Math.log2(factor), Math.log2(cost)]);
  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [x, y] = [mean(points.map(([at]) => at)), mean(points.map(([, cost]) => cost))];
  const slope = mean(points.map(([at, cost]) => (at - x) * (cost - y))) / mean(points.map(([at]) => (at - x) ** 2));
  return 2 ** (slope * points.at(-1)[0]);
}

const FLAT = 1.25; // what still counts as flat over three doublings; runs differ by a tenth among themselves

/* Each goal of the project: what it is, what was measured, what it should be. Without `value` and
 * `reached` it was not measured. */
export function goals({ table, growth, start, form, presences }) {
  const get = (figure, candidate, name) => table[figure]?.[candidate]?.[name];
  const ours = (figure, name) => get(figure, "sigbridge", name);
  const ratio = (a, b) => (a === undefined || b === undefined ? undefined : a / b);
  const against = (figure, candidate, name) => ratio(ours(figure, name), get(figure, candidate, name));
  const rows = [];
  const goal = (sign, what, value, limit, unit) => {
    const measured = Number.isFinite(value);
    const right = sign === "<=" ? value <= limit : value >= limit;
    rows.push({ what, sign, limit, unit, ...(measured ? { value, reached: right } : {}) });
  };
  const most = (...terms) => goal("<=", ...terms);
  const least = (...terms) => goal(">=", ...terms);

  most("CPU per message, of the tutorial server's", against("saturation", "room-server", "cpuUsPerMessage"), 1, "x");
  least("messages/s at saturation, of the tutorial server's", against("saturation", "room-server", "messagesPerSecond"), 1, "x");
  for (const [candidate, way] of [["mosquitto-ws-1", "WebSocket"], ["mosquitto-tcp-1", "TCP"]]) {
    most(`handshake p50 at low load, of two clients on mosquitto's (${way}, QoS 1)`, against("latency", candidate, "p50"), 1, "x");
    most(`handshake p99 at low load, of two clients on mosquitto's (${way}, QoS 1)`, against("latency", candidate, "p99"), 1, "x");
  }
  most("burst of 100 pairs, p99", ours("burst-100", "p99"), 30, "ms");
  most("burst of 1,000 pairs, p99, of the tutorial server's", against("burst-1000", "room-server", "p99"), 0.8, "x");
  for (const room of [10, 2]) {
    const where = `in rooms of ${room}, bridge and broker`;
    most(`memory per idle session (5,000) ${where}`, ratio(ours(`idle-5000-in-${room}`, "bytesPerSession"), 1024), 6.5, "KiB");
    if (form === "full") most(`16,000 idle sessions ${where}`, ratio(ours(`idle-16000-in-${room}`, "pssKiB"), 1024), 115, "MiB");
  }
  least("joins/s, 2,000 sessions in rooms of 10", ours("storm-rooms", "joinsPerSecond"), 4000, "/s");
  least("memberships recorded, of those 2,000", ours("storm-rooms", "recorded"), 2000, "");
  least("broadcast in a room of 100, deliveries/s", ours("fanout", "messagesPerSecond"), 200_000, "/s");
  for (const { axis, candidate, linear, steps } of growth) {
    if (candidate !== "sigbridge") continue;
    if (linear) most(`${axis}: presence frames of each, by members of the room`, steps.at(-1).cost / steps.at(-1).n, 1, "x");
    else most(`${axis}: cost at x${steps.at(-1).factor}, of that at x1, along the line that fits best`, rise(steps), FLAT, "x");
  }
  most("start to ready, embedded broker", start.readyMs, 300, "ms");
  most(`${presences.toLocaleString("en")} retained presences read, start to ready`, start.retainedMs, 2000, "ms");
  return rows;
}
