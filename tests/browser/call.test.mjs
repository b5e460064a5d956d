/* Two browsers call each other with (fake) camera and microphone and a data channel. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { endAll, startBridge, webRoot } from "../integration/harness.mjs";
import { close, framesAdvance, join, launch, talking } from "./browser.mjs";

let browser;
let bridge;
before(async () => {
    browser = await launch();
    bridge = await startBridge({ web: webRoot() });
});
after(async () => {
    await browser?.close();
    if (bridge)
        await endAll(bridge);
});

const person = (page, name) => page.locator(`#people [data-peer="${name}"]`);
const callButton = (page, name) => person(page, name).getByRole("button", { name: /^Call/ });
const toast = (page, text) => page.locator(".toast", { hasText: text }).waitFor();
const stage = (page) => page.locator("#call");

async function pair(room) {
    return [await join(browser, bridge.url, room, "ada"), await join(browser, bridge.url, room, "bob")];
}

test("browser calls browser: pictures both ways, mute through the data channel, hang up", async () => {
    const [ada, bob] = await pair("call");
    await callButton(ada, "bob").click();
    const ring = bob.getByRole("dialog", { name: "ada calls" });
    await ring.waitFor();
    await ada.getByText("Calling bob…").waitFor();
    await ring.getByRole("button", { name: "Accept" }).click();
    await Promise.all([talking(ada), talking(bob)]);
    for (const page of [ada, bob]) {
        const kinds = await page.locator("#call-remote").evaluate((video) =>
            video.srcObject.getTracks().map((track) => track.kind).sort());
        assert.deepEqual(kinds, ["audio", "video"]);
    }

    await bob.getByRole("button", { name: "Mute microphone" }).click();
    await ada.getByText("bob is muted.").waitFor();
    await bob.getByRole("button", { name: "Microphone is off: turn it on" }).click();
    await ada.getByText("bob is muted.").waitFor({ state: "detached" });
    await ada.getByRole("button", { name: "Turn camera off" }).click();
    await bob.getByText("ada turned the camera off.").waitFor();

    await ada.getByRole("button", { name: "Hang up" }).click();
    await toast(bob, "ada hung up.");
    for (const page of [ada, bob]) {
        await stage(page).waitFor({ state: "hidden" });
        assert.equal(await page.locator("#call-own").evaluate((video) => video.srcObject), null);
    }
    await Promise.all([close(ada), close(bob)]);
});

test("a call that is declined, and one that the caller takes back", async () => {
    const [ada, bob] = await pair("declined");
    await callButton(ada, "bob").click();
    const ring = bob.getByRole("dialog", { name: "ada calls" });
    await ring.getByRole("button", { name: "Decline" }).click();
    await toast(ada, "bob declined the call.");
    await stage(ada).waitFor({ state: "hidden" });
    assert.equal(await stage(bob).isHidden(), true);

    await callButton(ada, "bob").click();
    await ring.waitFor();
    await ada.getByRole("button", { name: "Hang up" }).click();
    await ring.waitFor({ state: "hidden" });
    await toast(bob, "Missed call from ada.");

    await callButton(ada, "bob").click();
    await ring.waitFor();
    await bob.keyboard.press("Escape");
    await ring.waitFor({ state: "hidden" });
    await stage(ada).waitFor({ state: "hidden" });
    await Promise.all([close(ada), close(bob)]);
});

test("both call at the same time: one call, no ringing", async () => {
    const [ada, bob] = await pair("glare");
    await Promise.all([callButton(ada, "bob").waitFor(), callButton(bob, "ada").waitFor()]);
    /* By script, because a call that rings already would cover the button. */
    const press = (button) => button.evaluate((element) => element.click());
    await Promise.all([press(callButton(ada, "bob")), press(callButton(bob, "ada"))]);
    await Promise.all([talking(ada), talking(bob)]);
    await bob.getByRole("button", { name: "Hang up" }).click();
    await toast(ada, "bob hung up.");
    await Promise.all([close(ada), close(bob)]);
});

test("a third one hears that the line is busy, and a reload ends the call", async () => {
    const [ada, bob] = await pair("busy");
    const eve = await join(browser, bridge.url, "busy", "eve");
    await callButton(ada, "bob").click();
    await bob.getByRole("button", { name: "Accept" }).click();
    await Promise.all([talking(ada), talking(bob)]);
    await callButton(eve, "bob").click();
    await toast(eve, "bob is in another call.");
    await toast(bob, "eve tried to call you.");
    await framesAdvance(bob.locator("#call-remote"));

    await ada.reload();
    await toast(bob, "ada left.");
    await stage(bob).waitFor({ state: "hidden" });
    await Promise.all([close(ada), close(bob), close(eve)]);
});
