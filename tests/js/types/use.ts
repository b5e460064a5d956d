// How applications use the declarations. Read by the compiler only: each `@ts-expect-error` must be
// an error, everything else must not.

import { PeerLink, Signaling, SignalingError } from "sigbridge";

export async function use(video: HTMLVideoElement, camera: MediaStream) {
  const signaling = new Signaling(new URL("wss://example.test/ws"), {
    room: "lobby",
    peer: "ann",
    meta: { name: "Ann" },
    token: async () => "t",
    backoff: { base: 100, attempts: 3 },
  });
  new Signaling("ws://x", { room: "lobby", WebSocket, token: "t" });
  new Signaling(["wss://a.test/ws", new URL("wss://b.test/ws")], { room: "lobby" });
  // @ts-expect-error a room is needed
  new Signaling("ws://x", {});
  // @ts-expect-error a token is a string or gives one
  new Signaling("ws://x", { room: "lobby", token: 7 });

  signaling.addEventListener("state", ({ detail }) => {
    const next: number | undefined = detail.retryIn;
    if (detail.state === "waiting") return next;
    // @ts-expect-error no such state
    return detail.state === "sleeping";
  });
  signaling.addEventListener("joined", ({ detail }) => detail.rejoined && detail.peers.length);
  signaling.addEventListener("resumed", ({ detail }) => detail.resumed satisfies boolean);
  signaling.addEventListener("state", ({ detail }) => detail.resumable === true && detail.state === "waiting");
  signaling.addEventListener("presence", ({ detail }) => {
    for (const { peer, kind, meta, since } of detail.joined) console.log(peer, kind, meta?.name, since);
    for (const { peer, reason } of detail.left) console.log(peer, reason);
  });
  signaling.addEventListener("candidate", ({ detail }) => detail.candidate?.sdpMid);
  signaling.addEventListener("message", ({ detail: { from, data } }) => console.log(from, data));
  signaling.addEventListener("wire", ({ detail }) => console.log(detail.direction, detail.message.type, detail.at));
  signaling.addEventListener("iceservers", ({ detail }) => detail.map(({ urls }) => urls));
  signaling.addEventListener("state", ({ detail: { error } }) => error === "unauthorized");
  signaling.addEventListener("something else", (event: Event) => event.type);
  signaling.addEventListener("call", ({ detail: call }) => {
    if (call.kind === "invite" && call.media?.video === false) return call.decline("no picture here");
    call.addEventListener("end", ({ detail }) => console.log(detail.reason));
    const link: PeerLink = call.accept({ streams: [camera] });
    // @ts-expect-error the call has its name already
    call.accept({ call: "other" });
    return link;
  });

  const me = await signaling.connect();
  const left: number | undefined = me.tokenExpiresIn;
  await signaling.connect({ token: "t2" });
  console.log(left, (await signaling.refresh()).tokenExpiresIn);
  const names: string[] = me.peers.map(({ peer }) => peer);
  const own: string | undefined = signaling.peer;
  // @ts-expect-error only the client changes it
  signaling.state = "joined";
  // @ts-expect-error the roster is the client's
  signaling.peers.set("x", { peer: "x" });

  try {
    await signaling.send({ type: "invite", to: "cam1", media: { video: true } });
    await signaling.message({ any: ["json"] }, { to: "cam1", timeout: 500 });
    await signaling.candidate("cam1", null, { call: "c" });
    await signaling.offer("cam1", { type: "offer", sdp: "v=0" });
    // @ts-expect-error an offer needs sdp
    await signaling.send({ type: "offer", to: "cam1" });
    // @ts-expect-error `join` is the client's business
    await signaling.send({ type: "join", room: "lobby" });
    const { time, roundTrip }: { time: number; roundTrip: number } = await signaling.ping();
    console.log(time, roundTrip);
  } catch (thrown) {
    if (thrown instanceof SignalingError && thrown.error === "peer-not-found") console.log(thrown.code, thrown.to);
  }

  const link = new PeerLink(signaling, "cam1", { media: { video: true }, rtc: { bundlePolicy: "max-bundle" } });
  link.addEventListener("track", ({ detail }) => {
    video.srcObject = detail.streams[0] ?? new MediaStream([detail.track]);
  });
  link.addEventListener("datachannel", ({ detail: { channel } }) => channel.send("hi"));
  link.addEventListener("close", ({ detail: { by, reason } }) => console.log(by === "remote", reason));
  link.addEventListener("error", ({ detail }) => console.log(detail.error, detail.rule));
  link.start();
  await link.invite({ audio: true });
  link.close("done");
  return { names, own, state: link.state satisfies RTCPeerConnectionState };
}
