/** Says when a drain should look at its deadline: asking for every entry would cost more than some entries do. */
import type { EntryWriter } from '../../format/entry.js';

/** Rows and map entries gone through between two looks at the deadline. */
export const ROWS_PER_LOOK = 64;
/** Bytes written after which it looks without waiting for more rows. */
const BYTES_PER_LOOK = 16 * 1024;

export class Pace {
  readonly #out: EntryWriter;
  readonly #most: number;
  #rows = 0;
  #bytes: number;

  constructor(out: EntryWriter, rowsPerLook: number) {
    this.#out = out;
    this.#most = rowsPerLook;
    this.#bytes = out.bytes + BYTES_PER_LOOK;
  }

  /** To be asked once per row or entry looked at; true when it is time to stop and look. */
  due(): boolean {
    if (++this.#rows < this.#most && this.#out.bytes < this.#bytes) return false;
    this.#rows = 0;
    this.#bytes = this.#out.bytes + BYTES_PER_LOOK;
    return true;
  }
}
