/** The freezes of all keyed backends of a dataflow, drained one after another. */
import { assert } from '../base/assert.js';
import type { EntryWriter } from '../format/entry.js';
import type { Drain, KeyedBackend } from '../state/backend.js';

export class Drains {
  readonly #backends: readonly KeyedBackend[];
  readonly #drains: readonly Drain[];
  /** How many are done. */
  #done = 0;

  /** Freezes. */
  constructor(backends: readonly KeyedBackend[], out: EntryWriter) {
    this.#backends = backends;
    this.#drains = backends.map((backend) => backend.freeze(out));
  }

  /** Writes frozen state until `deadline` or until all is written; true when all is. */
  slice(deadline: () => boolean): boolean {
    for (; this.#done < this.#drains.length; this.#done++) {
      if (this.#drains[this.#done]?.slice(deadline) === false) return false;
    }
    return true;
  }

  /** Gives up. Under `changes`, what was drained already counts as lost, too. */
  abort(changes: boolean): void {
    for (const [i, drain] of this.#drains.entries()) {
      if (i >= this.#done) drain.abort();
      else if (changes) this.#backends[i]?.settle(false);
    }
  }

  /** All is drained: what becomes of it. Only under `changes`. */
  settle(kept: boolean): void {
    assert(this.#done === this.#drains.length, 'settled before all is drained');
    for (const backend of this.#backends) backend.settle(kept);
  }
}
