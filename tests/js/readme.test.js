// The README's examples, run as they stand there.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, mkdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { WebSocketServer } from "ws";
import { FakeBridge } from "./fake-bridge.js";
import { FakePeerConnection, FakeStream } from "./fake-rtc.js";
import { settle } from "./fake-timers.js";

const path = (relative) => fileURLToPath(new URL(relative, import.meta.url));

let home; // a project that has `sigbridge` and `ws` installed
let examples;

before(async () => {
  home = await mkdtemp(join(tmpdir(), "sigbridge-readme-"));
  await mkdir(join(home, "node_modules"));
  await symlink(path("../../clients/js"), join(home, "node_modules/sigbridge"));
  await symlink(path("../node_modules/ws"), join(home, "node_modules/ws"));
  const text = await readFile(path("../../clients/js/README.md"), "utf8");
  examples = [...text.matchAll(/^```js\n(.*?)^```/gms)].map(([, code]) => code);
});
after(() => rm(home, { recursive: true }));

async function fileOf(number) {
  const file = join(home, `example${number}.mjs`);
  await writeFile(file, examples[number]);
  return file;
}

/** Gives the examples the globals of a page. @returns what restores the old ones */
function pretendPage(globals) {
  const before = Object.keys(globals).map((name) => [name, Object.getOwnPropertyDescriptor(globalThis, name)]);
  for (const [name, value] of Object.entries(globals))
    Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
  return () => {
    for (const [name, old] of before)
      if (old) Object.defineProperty(globalThis, name, old);
      else delete globalThis[name];
  };
}

test("a call in ten lines: both sides run, and the picture arrives", async () => {
  const bridge = new FakeBridge();
  const video = {};
  const asked = [];
  const restore = pretendPage({
    WebSocket: bridge.WebSocket,
    RTCPeerConnection: FakePeerConnection,
    location: { host: "bridge.test" },
    document: { querySelector: (selector) => (asked.push(selector), video) },
    navigator: {
      mediaDevices: { getUserMedia: async (wish) => (asked.push(wish), new FakeStream("audio", "video")) },
    },
  });
  try {
    const lines = examples[0].split("\n").filter((line) => line.trim() !== "");
    assert.ok(lines.length <= 10, `${lines.length} lines`);
    await import(pathToFileURL(await fileOf(1)).href);
    await import(pathToFileURL(await fileOf(0)).href);
    await settle(60);
    assert.equal(video.srcObject?.id, "stream1", "the last track's stream");
    assert.deepEqual(asked, [{ audio: true, video: true }, "video", "video"]);
    assert.deepEqual(FakePeerConnection.all.map(({ connectionState }) => connectionState), ["connected", "connected"]);
    assert.deepEqual(bridge.log.map(({ message }) => message.type).filter((type) => type !== "candidate"), ["offer", "answer"]);
  } finally {
    for (const { socket } of [...bridge.members.values()]) socket.die(4409); // the examples never close
    restore();
  }
});

test("the example with a token function hands it in", async () => {
  const bridge = new FakeBridge();
  const asked = [];
  const restore = pretendPage({
    WebSocket: bridge.WebSocket,
    location: { host: "bridge.test" },
    fetch: async (path) => (asked.push(path), { text: async () => "fresh" }),
  });
  try {
    await import(pathToFileURL(await fileOf(3)).href);
    const [{ socket }] = [...bridge.members.values()];
    assert.deepEqual(asked, ["/my-token"]);
    assert.equal(socket.of("join")[0].token, "fresh");
    assert.equal(socket.url, "wss://bridge.test/ws");
  } finally {
    for (const { socket } of [...bridge.members.values()]) socket.die(4409);
    restore();
  }
});

test("the example for Node joins over a real WebSocket", async () => {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  await once(server, "listening");
  const seen = [];
  server.on("connection", (socket, request) => {
    seen.push(request.url, socket.protocol);
    socket.on("message", (data) => {
      const message = JSON.parse(data);
      seen.push(message);
      socket.send(JSON.stringify({
        type: "joined", room: message.room, peer: message.peer, session: "s", secret: "x", peers: [{ peer: "cam1" }],
        iceServers: [], resumeWindow: 0, limits: {},
      }));
      socket.send(JSON.stringify({ type: "presence", left: [{ peer: "cam1", reason: "leave" }], seq: 1 }));
    });
  });
  const { port } = server.address();
  const child = spawn(process.execPath, [await fileOf(2), `ws://127.0.0.1:${port}/ws`], { stdio: ["ignore", "pipe", "inherit"] });
  let output = "";
  for await (const chunk of child.stdout) {
    output += chunk;
    if (output.split("\n").length > 2) break;
  }
  child.kill();
  for (const socket of server.clients) socket.terminate();
  server.close();
  assert.deepEqual(seen, ["/ws", "sigbridge.v1", { type: "join", room: "lobby", peer: "logger" }]);
  assert.deepEqual(output.trim().split("\n").map((line) => JSON.parse(line)).sort((a) => (a.room ? -1 : 1)), [
    { room: "lobby", peer: "logger", peers: [{ peer: "cam1" }] },
    { joined: [], updated: [], left: [{ peer: "cam1", reason: "leave" }], missed: false },
  ]);
});
