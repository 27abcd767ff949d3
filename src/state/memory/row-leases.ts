/**
 * When the values of one column expire, of those that expire with their row: stamps by row, and the rows by when they are
 * to be looked at.
 *
 *     stamps    when a value expires                              by its row's place: renewing one is one store
 *     written   the latest stamp under which a kept drain may have it; 0 where none has
 *     queued    whether the row is in the heap
 *     heap      (due, bucket, row), earliest first; due is never after the stamp
 *
 * A row is in the heap once at most, also when its value is gone or another key's: who comes to look finds what is there.
 * So what is set all the time costs nothing in the heap, and is put back by its stamp when its old time has come.
 */
import type { Bucket } from './bucket.js';

/** Of the rows of one bucket, by a place that the column gives each. */
export class RowLeases {
  stamps = new Float64Array(0);
  written = new Float64Array(0);
  queued = new Uint8Array(0);

  /** Makes room for a place; `most` is what all rows there are need. */
  reach(place: number, most: number): void {
    if (place < this.stamps.length) return;
    const length = Math.max(most, 2 * this.stamps.length);
    this.stamps = grown(this.stamps, length);
    this.written = grown(this.written, length);
    const queued = new Uint8Array(length);
    queued.set(this.queued);
    this.queued = queued;
  }
}

function grown(from: Float64Array<ArrayBuffer>, length: number): Float64Array<ArrayBuffer> {
  const to = new Float64Array(length);
  to.set(from);
  return to;
}

/** A binary heap in three arrays: no object for each row. */
export class RowHeap {
  readonly #dues: number[] = [];
  readonly #buckets: Bucket[] = [];
  readonly #rows: number[] = [];

  push(due: number, bucket: Bucket, row: number): void {
    let at = this.#dues.length;
    this.#dues.push(due);
    this.#buckets.push(bucket);
    this.#rows.push(row);
    while (at > 0) {
      const up = (at - 1) >> 1;
      if ((this.#dues[up] as number) <= due) break;
      this.#move(up, at);
      at = up;
    }
    this.#put(at, due, bucket, row);
  }

  /** The least due; Infinity where there is none. */
  get due(): number {
    return this.#dues[0] ?? Number.POSITIVE_INFINITY;
  }

  /** Takes the first out. Only where there is one. */
  pop(): { readonly bucket: Bucket; readonly row: number } {
    const first = { bucket: this.#buckets[0] as Bucket, row: this.#rows[0] as number };
    const due = this.#dues.pop() as number;
    const bucket = this.#buckets.pop() as Bucket;
    const row = this.#rows.pop() as number;
    if (this.#dues.length > 0) this.#sink(due, bucket, row);
    return first;
  }

  #sink(due: number, bucket: Bucket, row: number): void {
    const dues = this.#dues;
    const { length } = dues;
    let at = 0;
    for (;;) {
      let down = 2 * at + 1;
      if (down >= length) break;
      if (down + 1 < length && (dues[down + 1] as number) < (dues[down] as number)) down++;
      if ((dues[down] as number) >= due) break;
      this.#move(down, at);
      at = down;
    }
    this.#put(at, due, bucket, row);
  }

  #move(from: number, to: number): void {
    this.#put(to, this.#dues[from] as number, this.#buckets[from] as Bucket, this.#rows[from] as number);
  }

  #put(at: number, due: number, bucket: Bucket, row: number): void {
    this.#dues[at] = due;
    this.#buckets[at] = bucket;
    this.#rows[at] = row;
  }
}
