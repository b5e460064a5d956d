// One class for everything that goes wrong, whether the bridge says so or we notice ourselves.

/** The protocol's error table: word -> number. Words of this library have no number and get 0. */
const codes = new Map([
  ["invalid-json", 400],
  ["invalid-message", 400],
  ["invalid-sdp", 400],
  ["invalid-candidate", 400],
  ["unauthorized", 401],
  ["forbidden", 403],
  ["peer-not-found", 404],
  ["peer-taken", 409],
  ["unexpected-answer", 409],
  ["not-joined", 409],
  ["already-joined", 409],
  ["session-expired", 410],
  ["too-large", 413],
  ["rate-limited", 429],
  ["unavailable", 503],
]);

export class SignalingError extends Error {
  /**
   * @param {string} error the stable word
   * @param {string} message a sentence that says what to do
   * @param {{code?: number, to?: string, id?: string, retryAfter?: number, rule?: string, cause?: unknown}} [more]
   */
  constructor(error, message, more = {}) {
    super(message, more.cause === undefined ? undefined : { cause: more.cause });
    this.name = "SignalingError";
    this.error = error;
    this.code = more.code ?? codes.get(error) ?? 0;
    this.to = more.to;
    this.id = more.id;
    this.retryAfter = more.retryAfter;
    this.rule = more.rule;
  }
}

/** @param {unknown} thrown @returns {string} */
export function textOf(thrown) {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
