/* What is run: figures, each one call of the load generator against each candidate that can do it, and
 * growth, the same figure again and again while one thing about the load doubles.
 *
 * Three forms of one plan. `quick` is for a look, `full` for numbers to publish, `smoke` only finds out
 * whether everything works. */
import { Crowd } from "./crowd.mjs";
import { KINDS } from "./kinds.mjs";

const ALL = Object.keys(KINDS);
const WITH_ROOMS = ALL.filter((kind) => KINDS[kind].rooms);
const WITH_PRESENCE = ALL.filter((kind) => KINDS[kind].presence);
const BOTH = ["sigbridge", "room-server"];
const DOUBLING = [1, 2, 4, 8];

/* Times in seconds. `rounds`: how often everything is done, each time with servers started anew; `repeats`:
 * how often in each what is noisy. The quick form leaves out what takes long and says least. */
const SIZES = {
  smoke: {
    rounds: 1, repeats: 1, seconds: 0.2, latencySeconds: 0.2, warmup: 0, settle: 0.2,
    pairs: 4, idle: 20, rate: 50, bursts: [5], burstRounds: 1, smallBurstRounds: 1, fanOut: 10, sessions: [40], storm: [20, 5], room: 20, soak: 0.2,
    starts: 1, presences: 200, growthSeconds: 0.1, noisyRounds: 1, steps: [1, 2], unit: 0.01, idleBase: 1000,
    large: ALL, fanned: ALL, idleKinds: ["sigbridge", "mosquitto-tcp-1", "room-server"], oneRoom: ALL, grown: ["sigbridge"], axes: /^(idle sessions|devices|members that)/,
  },
  quick: {
    rounds: 1, repeats: 3, seconds: 0.4, latencySeconds: 1.2, warmup: 0.2, settle: 0.4,
    pairs: 64, idle: 1000, rate: 100, bursts: [1000, 100], burstRounds: 1, smallBurstRounds: 3, fanOut: 100, sessions: [5000], storm: [2000, 10], room: 1000, soak: 0,
    starts: 3, presences: 50_000, growthSeconds: 0.3, noisyRounds: 2, steps: DOUBLING, unit: 1, idleBase: 500,
    large: ["sigbridge", "mosquitto-ws-1", "mosquitto-tcp-1", "room-server"], fanned: ALL.filter((kind) => !kind.endsWith("-0")),
    idleKinds: ["sigbridge", "mosquitto-tcp-1", "room-server", "node-bridge"], oneRoom: ["sigbridge"], grown: ["sigbridge"],
    axes: /^(idle sessions|devices in|members|subscriptions)/,
  },
  full: {
    rounds: 3, repeats: 1, seconds: 5, latencySeconds: 10, warmup: 2, settle: 3,
    pairs: 64, idle: 1000, rate: 100, bursts: [1000, 100], burstRounds: 9, smallBurstRounds: 29, fanOut: 100, sessions: [5000, 16_000], storm: [2000, 10], room: 1000, soak: 60,
    starts: 9, presences: 50_000, growthSeconds: 3, noisyRounds: 3, steps: DOUBLING, unit: 1, idleBase: 1000,
    large: ALL, fanned: ALL, idleKinds: ALL, oneRoom: ALL, grown: BOTH, axes: /./,
  },
};

const options = (values) => Object.entries(values).flatMap(([name, value]) => [`--${name}`, String(value)]);

/* `fresh`: on servers that have served nobody before, because memory is what counts, or joins.
 * `recorded`: so many memberships must be in sigbridge's database afterwards. */
function figures(size) {
  const { seconds, warmup, settle } = size;
  const figure = (key, mode, kinds, values, more = {}) => ({ key, mode, kinds, args: options(values), ...more });
  const storm = (key, kinds, sessions, room) => figure(key, "join", kinds, { sessions, "room-size": room }, { fresh: true, recorded: sessions });
  /* The largest burst comes first: its round that is not measured warms up whoever compiles as he goes. */
  const burst = (pairs) => figure(`burst-${pairs}`, "burst", pairs > 100 ? size.large : ALL, { pairs, rounds: pairs > 100 ? size.burstRounds : size.smallBurstRounds });
  /* The generator takes no size of room for the relay, to whom all of a room is one target; it has 100. */
  const fanout = (kinds, values) => figure("fanout", "fanout", kinds.filter((kind) => size.fanned.includes(kind)), { ...values, seconds, warmup });
  return [
    ...size.bursts.map(burst),
    figure("saturation", "saturation", ALL, { pairs: size.pairs, seconds, warmup }, { repeats: size.repeats }),
    figure("latency", "latency", ALL, { idle: size.idle, rate: size.rate, seconds: size.latencySeconds, warmup }),
    fanout(WITH_ROOMS.filter((kind) => kind !== "relay"), { "room-size": size.fanOut }),
    fanout(["relay"], {}),
    ...size.sessions.flatMap((sessions) => [10, 2].map((room) =>
      figure(`idle-${sessions}-in-${room}`, "idle", size.idleKinds, { sessions, "room-size": room, settle }, { fresh: true }))),
    storm("storm-rooms", WITH_PRESENCE, ...size.storm),
    storm("storm-room", WITH_PRESENCE.filter((kind) => size.oneRoom.includes(kind)), size.room, size.room),
    ...(size.soak ? [figure("soak", "soak", BOTH, { pairs: 20, seconds: size.soak, warmup, settle }, { fresh: true })] : []),
  ];
}

/* What grows. `cost` is the number of which one would like that it stays as it is; `linear`, that it
 * grows no faster than what grows. `crowd` brings others to the broker beforehand. */
function growth(size) {
  const { growthSeconds: seconds, settle, steps, unit } = size;
  const warmup = seconds / 2;
  const of = (n) => Math.max(2, Math.round(n * unit));
  const perMessage = { cost: "cpuUsPerMessage", unit: "us of CPU per message" };
  const axis = (name, mode, kinds, base, args, more = perMessage) => ({
    name, mode, kinds: kinds.filter((kind) => size.grown.includes(kind)),
    steps: steps.map((factor) => ({ factor, n: factor * of(base) })), args: (n) => options(args(n)), rounds: size.rounds, ...more,
  });
  const steady = { pairs: of(16), seconds, warmup };
  const noisy = { ...perMessage, rounds: size.noisyRounds };
  const all = [
    axis("idle sessions", "latency", BOTH, size.idleBase, (n) => ({ idle: n, rate: 500, seconds, warmup })),
    axis("pairs that talk", "saturation", BOTH, 16, (n) => ({ pairs: n, seconds, warmup }), noisy),
    axis("pairs at the same instant", "burst", BOTH, 125, (n) => ({ pairs: n, rounds: size.burstRounds })),
    axis("members of a room, per delivery of a broadcast", "fanout", BOTH, 25, (n) => ({ "room-size": n, seconds, warmup }), noisy),
    axis("devices in other rooms", "saturation", ["sigbridge"], 1000, () => steady, { ...noisy, crowd: (crowd, n) => crowd.present(n) }),
    axis("subscriptions of others", "saturation", ["sigbridge"], 1000, () => steady, { ...noisy, crowd: (crowd, n) => crowd.subscribe(n) }),
    axis("sessions, memory of each", "idle", BOTH, 1000, (n) => ({ sessions: n, settle }), { cost: "bytesPerSession", unit: "bytes per session" }),
    axis("sessions that join rooms of ten", "join", BOTH, 500, (n) => ({ sessions: n, "room-size": 10 }), { cost: "cpuUsPerJoin", unit: "us of CPU per join" }),
    axis("members that join one room at once", "join", BOTH, 125, (n) => ({ sessions: n, "room-size": n }),
      { cost: "presenceFramesPerMember", unit: "presence frames per member", linear: true }),
  ];
  return all.filter(({ name }) => size.axes.test(name));
}

export function plan(form) {
  const size = SIZES[form];
  return { size, figures: figures(size), growth: growth(size) };
}

export async function withCrowd(axis, port, n) {
  if (!axis.crowd) return { end() {} };
  const crowd = await Crowd.connect(port);
  await axis.crowd(crowd, n);
  return crowd;
}
