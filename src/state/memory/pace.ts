/** Says when a drain should look at its deadline: asking for every entry would cost more than some entries do. */
import type { EntryWriter } from '../../format/entry.js';

/** Rows looked at between two looks at the deadline. */
const ROWS = 64;
/** Bytes written after which it looks without waiting for more rows. */
const BYTES = 16 * 1024;

export class Pace {
  readonly #out: EntryWriter;
  #rows = 0;
  #bytes: number;

  constructor(out: EntryWriter) {
    this.#out = out;
    this.#bytes = out.bytes + BYTES;
  }

  /** To be asked once per row or entry looked at; true when it is time to stop and look. */
  due(): boolean {
    if (++this.#rows < ROWS && this.#out.bytes < this.#bytes) return false;
    this.#rows = 0;
    this.#bytes = this.#out.bytes + BYTES;
    return true;
  }
}
