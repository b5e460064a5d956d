// The few things we read out of session descriptions.

/** @param {string} sdp @param {string} attribute @returns {Set<string>} */
function values(sdp, attribute) {
  const found = new Set();
  for (const line of sdp.split(/\r?\n/))
    if (line.startsWith(`a=${attribute}:`)) found.add(line.slice(attribute.length + 3).trim());
  return found;
}

/**
 * Whether two descriptions share a certificate, as all descriptions of one connection do.
 * @param {string} a @param {string} b
 */
export function sameEndpoint(a, b) {
  const known = values(a.toLowerCase(), "fingerprint");
  const given = values(b.toLowerCase(), "fingerprint");
  return known.size === 0 || given.size === 0 || [...given].some((fingerprint) => known.has(fingerprint));
}

/**
 * Whether a candidate with this fragment belongs to this description.
 * @param {string} sdp @param {string} fragment
 */
export function hasFragment(sdp, fragment) {
  return values(sdp, "ice-ufrag").has(fragment);
}

/**
 * Whether a description belongs to other ICE sessions than the known one, if there is one.
 * @param {string} sdp @param {string} [known]
 */
export function restartsIce(sdp, known = "") {
  const before = values(known, "ice-ufrag");
  return [...values(sdp, "ice-ufrag")].some((fragment) => !before.has(fragment));
}

/**
 * Whether an offer is the first to bring data channels.
 * @param {string} sdp @param {string} [known] the present local description
 */
export function bringsData(sdp, known = "") {
  return /^m=application/m.test(sdp) && !/^m=application/m.test(known);
}

/**
 * Whether an offer says nothing that the earlier one did not say.
 * @param {string | null} earlier @param {string} sdp
 */
export function saysNothingNew(earlier, sdp) {
  return earlier !== null && substance(earlier) === substance(sdp);
}

/** Without the version and the addresses, which change by themselves. @param {string} sdp */
function substance(sdp) {
  return sdp
    .split(/\r?\n/)
    .filter((line) => !/^(o=|c=|a=candidate:|a=end-of-candidates|a=rtcp:)/.test(line))
    .map((line) => line.replace(/^(m=\S+ )\d+/, "$1"))
    .join("\n");
}
