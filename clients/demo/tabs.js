/* The views: on a wide screen the cameras stay and the panel beside them has tabs; on a narrow one
 * the cameras are a tab themselves. Arrow keys move between tabs. */
import { byId } from "./page.js";

const NARROW = "(max-width: 760px)";
const VIEWS = ["cameras", "people", "chat", "wire"];

export class Tabs {
    #media = matchMedia(NARROW);
    #onselect;

    constructor(onselect) {
        this.#onselect = onselect;
        for (const view of VIEWS)
            byId(`tab-${view}`).addEventListener("click", () => this.select(view));
        document.querySelector("[role=tablist]").addEventListener("keydown", (event) => this.#key(event));
        this.#media.addEventListener("change", () => this.#fit());
        this.#fit();
    }

    get narrow() {
        return this.#media.matches;
    }

    isVisible(view) {
        return this.current === view && document.visibilityState === "visible";
    }

    select(view, { focus = false } = {}) {
        this.current = view;
        document.body.dataset.view = view;
        for (const name of VIEWS) {
            const tab = byId(`tab-${name}`);
            tab.setAttribute("aria-selected", String(name === view));
            tab.tabIndex = name === view ? 0 : -1;
            if (name !== "cameras")
                byId(`view-${name}`).hidden = name !== view;
        }
        if (focus)
            byId(`tab-${view}`).focus();
        this.#onselect(view);
    }

    #fit() {
        this.select(this.narrow ? "cameras" : this.current && this.current !== "cameras" ? this.current : "people");
    }

    #key(event) {
        const views = VIEWS.filter((view) => this.narrow || view !== "cameras");
        const at = views.indexOf(this.current);
        const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: views.length - 1 }[event.key];
        if (to === undefined)
            return;
        event.preventDefault();
        this.select(views.at(to % views.length), { focus: true });
    }
}
