// Who is in the room, apart from ourselves.

/**
 * @typedef {import("./index.js").Peer} Peer
 * @typedef {import("./index.js").PresenceDetail} PresenceDetail
 */

/** @param {Map<string, Peer>} peers @param {Partial<PresenceDetail>} change @param {string | undefined} own */
export function applyPresence(peers, change, own) {
  /** @type {PresenceDetail} */
  const detail = { joined: [], updated: [], left: [], missed: false };
  for (const departure of change.left ?? []) {
    if (peers.delete(departure.peer)) detail.left.push(departure);
  }
  for (const list of /** @type {const} */ (["joined", "updated"])) {
    for (const peer of change[list] ?? []) {
      if (peer.peer === own) continue;
      peers.set(peer.peer, peer);
      detail[list].push(peer);
    }
  }
  return detail;
}

/**
 * Replaces the roster by a fresh one; tells what changed meanwhile. Another `since` means that the
 * peer left and came back while we were away.
 * @param {Map<string, Peer>} peers @param {Peer[]} fresh @param {string} own
 */
export function replaceRoster(peers, fresh, own) {
  const now = new Map(fresh.map((peer) => [peer.peer, peer]));
  const left = [...peers.values()].filter((before) => now.get(before.peer)?.since !== before.since);
  const gone = new Set(left.map(({ peer }) => peer));
  const joined = fresh.filter(({ peer }) => !peers.has(peer) || gone.has(peer));
  const updated = fresh.filter((peer) => !gone.has(peer.peer) && differs(peers.get(peer.peer), peer));
  const departures = left.map(({ peer }) => ({ peer, reason: "missed" }));
  const change = { joined, updated, left: departures };
  return { ...applyPresence(peers, change, own), missed: true };
}

/** @param {Peer | undefined} before @param {Peer} now */
function differs(before, now) {
  return before !== undefined && JSON.stringify(before) !== JSON.stringify(now);
}

/** @param {PresenceDetail} detail */
export function isEmpty({ joined, updated, left }) {
  return joined.length + updated.length + left.length === 0;
}
