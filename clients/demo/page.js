/* Small things that every part of the page uses. What comes from the network reaches the document as
 * text nodes and property values only, never as markup. */

export const byId = (id) => document.getElementById(id);

/* A copy of the template `id`, with the elements that carry data-part under their names. */
export function fill(id) {
    const root = byId(id).content.firstElementChild.cloneNode(true);
    const parts = { root };
    for (const element of root.querySelectorAll("[data-part]"))
        parts[element.dataset.part] = element;
    return parts;
}

/* Changes text only where it differs, so that screen readers hear changes and nothing else. */
export function setText(element, text) {
    if (element.textContent !== text)
        element.textContent = text;
}

export function setIcon(use, name) {
    use.setAttribute("href", `#i-${name}`);
}

/* Gives a button its name, both as tooltip and for screen readers. */
export function nameButton(button, text) {
    if (button.title !== text) {
        button.title = text;
        button.setAttribute("aria-label", text);
    }
}

/* ---- people and cameras ---- */

const asText = (value, max) => (typeof value === "string" ? value.trim().slice(0, max) : "");

export const isCamera = (peer) =>
    peer.kind === "device" || (Array.isArray(peer.meta?.streams) && peer.meta.streams.length > 0);

/* The name that a person reads. */
export const titleOf = (peer) => asText(peer.meta?.name, 64) || peer.peer;

export const modelOf = (peer) => asText(peer.meta?.model, 64);

/* A short random word for names of calls. */
export function token() {
    return Array.from(crypto.getRandomValues(new Uint8Array(6)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/* ---- numbers and times for people ---- */

export function clock(ms, withMillis = false) {
    const at = new Date(ms);
    const pad = (number, width = 2) => String(number).padStart(width, "0");
    const text = `${pad(at.getHours())}:${pad(at.getMinutes())}`;
    return withMillis ? `${text}:${pad(at.getSeconds())}.${pad(at.getMilliseconds(), 3)}` : text;
}

/* How long something is so already. */
export function ago(ms, now = Date.now()) {
    const minutes = Math.floor((now - ms) / 60_000);
    if (minutes < 1)
        return "now";
    if (minutes < 60)
        return `${minutes} min`;
    const hours = Math.floor(minutes / 60);
    return hours < 48 ? `${hours} h` : `${Math.floor(hours / 24)} days`;
}

export function duration(ms) {
    const seconds = Math.max(0, Math.floor(ms / 1000));
    const pad = (number) => String(number).padStart(2, "0");
    const hours = Math.floor(seconds / 3600);
    const rest = `${pad(Math.floor(seconds / 60) % 60)}:${pad(seconds % 60)}`;
    return hours ? `${hours}:${rest}` : rest;
}

export function bitrate(bitsPerSecond) {
    if (bitsPerSecond >= 1e6)
        return `${(bitsPerSecond / 1e6).toFixed(1)} Mbit/s`;
    return `${Math.round(bitsPerSecond / 1e3)} kbit/s`;
}

export function bytes(count) {
    return count < 1000 ? `${count} B` : `${(count / 1000).toFixed(1)} kB`;
}

export function millis(ms) {
    return ms < 10_000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}
