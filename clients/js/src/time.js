// Time as an argument. What the library measures, it measures by a clock that nobody sets; only what it
// tells about points in time comes from the clock on the wall.

/** @typedef {import("./index.js").Timers} Timers */

/** @type {Timers} */
export const systemTimers = {
  setTimeout: (callback, ms) => globalThis.setTimeout(callback, ms),
  clearTimeout: (handle) => globalThis.clearTimeout(handle),
  now: () => Date.now(),
  steady: () => performance.now(),
};

/** The same, but now() cannot jump. @param {Timers} timers @returns {Timers} */
export function steadyTimers(timers) {
  return {
    setTimeout: (callback, ms) => timers.setTimeout(callback, ms),
    clearTimeout: (handle) => timers.clearTimeout(handle),
    now: () => (timers.steady ? timers.steady() : timers.now()),
  };
}
