// CustomEvent is missing in Node 18; an Event with `detail` is all we need of it.

const DetailEvent =
  globalThis.CustomEvent ??
  class extends Event {
    /** @param {string} type @param {{detail?: unknown}} [init] */
    constructor(type, init = {}) {
      super(type);
      this.detail = init.detail;
    }
  };

/** @param {EventTarget} target @param {string} type @param {unknown} detail */
export function emit(target, type, detail) {
  target.dispatchEvent(new DetailEvent(type, { detail }));
}
