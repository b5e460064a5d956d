/* The page of the README, pasted into a file and opened: it shows the camera. */
import { cpSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { endAll, repository, startBridge, startCamera, tempDir } from "../integration/harness.mjs";
import { codeBlock } from "../integration/readme.mjs";
import { close, framesAdvance, launch, open } from "./browser.mjs";

let browser;
let bridge;
let camera;

before(async () => {
    const web = tempDir();
    cpSync(join(repository, "clients/js/src"), join(web, "sigbridge"), { recursive: true });
    writeFileSync(join(web, "index.html"), codeBlock("README.md", "html", "<video"));
    writeFileSync(join(web, "call.js"), codeBlock("README.md", "js", "PeerLink"));
    browser = await launch();
    bridge = await startBridge({ web });
    camera = startCamera({ mqtt: bridge.mqtt, args: ["--address", "127.0.0.1"] });
    await camera.line("ready room=");
});
after(async () => {
    await browser?.close();
    await endAll(camera, bridge);
});

test("ten lines show the camera", async () => {
    const page = await open(browser, bridge.url);
    await framesAdvance(page.locator("video"));
    await close(page, { allow: /favicon\.ico/ }); /* a page of three lines has none */
});
