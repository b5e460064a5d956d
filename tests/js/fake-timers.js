// Time that passes only when a test says so.

/** Lets everything run that is ready: promises and the fakes' own tasks. Deterministic, not a sleep. */
export async function settle(rounds = 30) {
  for (let i = 0; i < rounds; i++) await new Promise((resolve) => setImmediate(resolve));
}

export class FakeTimers {
  #now = 1_700_000_000_000;
  #nextId = 1;
  #pending = new Map();

  constructor() {
    this.setTimeout = (callback, ms) => {
      const id = this.#nextId++;
      this.#pending.set(id, { at: this.#now + ms, id, callback });
      return id;
    };
    this.clearTimeout = (id) => void this.#pending.delete(id);
    this.now = () => this.#now;
  }

  /** How many timers are set. */
  get size() {
    return this.#pending.size;
  }

  /** Milliseconds until each timer, sorted. */
  get due() {
    return [...this.#pending.values()].map(({ at }) => at - this.#now).sort((a, b) => a - b);
  }

  /** Nothing runs for so long: what is due then comes too late. */
  sleep(ms) {
    this.#now += ms;
  }

  async advance(ms) {
    const end = this.#now + ms;
    await settle();
    for (;;) {
      const next = [...this.#pending.values()].sort((a, b) => a.at - b.at || a.id - b.id)[0];
      if (!next || next.at > end) break;
      this.#pending.delete(next.id);
      this.#now = Math.max(this.#now, next.at);
      next.callback();
      await settle();
    }
    this.#now = end;
  }
}
