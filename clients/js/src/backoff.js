// How long to wait before trying again. No state: the caller counts the attempts.

/** @typedef {import("./index.js").BackoffOptions} BackoffOptions */

export const backoffDefaults = {
  base: 500,
  max: 30000,
  factor: 2,
  jitter: 0.5,
  attempts: Infinity,
  minUptime: 5000,
  random: Math.random,
};

/**
 * Delay in ms before try number `attempt` (0, 1, …). The random part is drawn anew at each call, so
 * that clients which lost their bridge at the same moment do not come back at the same moment.
 * @param {number} attempt
 * @param {BackoffOptions} [options]
 */
export function backoffDelay(attempt, options = {}) {
  const { base, max, factor, jitter, random } = { ...backoffDefaults, ...options };
  const whole = Math.min(max, base * factor ** attempt);
  return Math.round(whole * (1 - jitter * random()));
}
