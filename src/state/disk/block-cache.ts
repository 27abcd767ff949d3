/**
 * Blocks and filter pages that were read, outside the JavaScript heap: places of one size in slabs, and CLOCK to choose
 * which goes. What is larger than a place, one large entry, is not kept here: the row made of it is cached above.
 *
 * Duties of the caller: pins a place while it reads another one and needs both; bytes of a place that is not pinned are
 * good until the next `claim`. Pins fewer than LEAST_PLACES at a time.
 */
import { assert, present } from '../../base/assert.js';
import { BLOCK_HEAD_BYTES } from '../../format/segment-layout.js';
import { SORTED_BLOCK_BYTES } from '../../format/sorted-layout.js';

/** As long as a block of more than one entry can be. */
export const PLACE_BYTES = BLOCK_HEAD_BYTES + SORTED_BLOCK_BYTES;
const PLACES_A_SLAB = 64;
/** More than there are runs, each with a place pinned. */
export const LEAST_PLACES = 128;
const NO_HOLDER: Holder = { placeOf: new Int32Array(0) };

/** What places belong to: by block, then by page, the place + 1, or 0. */
export interface Holder {
  readonly placeOf: Int32Array;
}

export class BlockCache {
  readonly #bytes: number;
  #reserved = 0;
  #most: number;
  readonly #places: Buffer[] = [];
  readonly #holders: Holder[] = [];
  readonly #indexes: number[] = [];
  readonly #used: boolean[] = [];
  readonly #pins: number[] = [];
  readonly #free: number[] = [];
  #hand = 0;

  constructor(bytes: number) {
    this.#bytes = bytes;
    this.#most = this.#limit();
  }

  /** How many bytes it holds now. */
  get bytes(): number {
    return this.#places.length * PLACE_BYTES;
  }

  /** Takes (or gives back) bytes of its share for something else, as the indexes of the runs. */
  reserve(bytes: number): void {
    this.#reserved += bytes;
    this.#most = this.#limit();
    while (this.#places.length > this.#most) this.#dropSlab();
  }

  /** The bytes of a place, longer than what lies in it, for one who found it there. */
  at(place: number): Buffer {
    this.#used[place] = true;
    return this.#places[place] as Buffer;
  }

  /** The same, to fill it. */
  bytesOf(place: number): Buffer {
    return this.#places[place] as Buffer;
  }

  /** A place for what `holder` has at `index`, which the caller fills; or gives back, if it cannot. */
  claim(holder: Holder, index: number): number {
    const place = this.#free.pop() ?? (this.#places.length < this.#most ? this.#addSlab() : this.#evict());
    this.#holders[place] = holder;
    this.#indexes[place] = index;
    // Not used yet: what is read once, as the blocks of a large map, goes first.
    this.#used[place] = false;
    holder.placeOf[index] = place + 1;
    return place;
  }

  giveBack(place: number): void {
    this.#leave(place);
    this.#free.push(place);
  }

  pin(place: number): void {
    this.#pins[place] = (this.#pins[place] as number) + 1;
  }

  unpin(place: number): void {
    this.#pins[place] = (this.#pins[place] as number) - 1;
  }

  /** Gives back all places of a holder. */
  release(holder: Holder): void {
    for (const place of holder.placeOf) if (place > 0) this.giveBack(place - 1);
  }

  #limit(): number {
    return Math.max(LEAST_PLACES, Math.floor((this.#bytes - this.#reserved) / PLACE_BYTES));
  }

  #addSlab(): number {
    const slab = Buffer.allocUnsafeSlow(PLACES_A_SLAB * PLACE_BYTES);
    const first = this.#places.length;
    for (let i = PLACES_A_SLAB - 1; i >= 0; i--) {
      this.#places[first + i] = slab.subarray(i * PLACE_BYTES, (i + 1) * PLACE_BYTES);
      this.#holders[first + i] = NO_HOLDER;
      this.#indexes[first + i] = 0;
      this.#used[first + i] = false;
      this.#pins[first + i] = 0;
      if (i > 0) this.#free.push(first + i);
    }
    return first;
  }

  #dropSlab(): void {
    const left = this.#places.length - PLACES_A_SLAB;
    for (let place = left; place < this.#places.length; place++) this.#leave(place);
    for (const list of [this.#places, this.#holders, this.#indexes, this.#used, this.#pins])
      list.length = left;
    const free = this.#free.filter((place) => place < left);
    this.#free.length = 0;
    for (const place of free) this.#free.push(place);
  }

  #evict(): number {
    const most = 2 * this.#places.length + 1;
    for (let step = 0; step < most; step++) {
      if (this.#hand >= this.#places.length) this.#hand = 0;
      const place = this.#hand++;
      if ((this.#pins[place] as number) > 0) continue;
      if (this.#used[place]) {
        this.#used[place] = false;
        continue;
      }
      this.#leave(place);
      return place;
    }
    assert(false, 'every place is pinned');
  }

  #leave(place: number): void {
    const holder = present(this.#holders[place], 'the holder of a place');
    assert(this.#pins[place] === 0, 'a pinned place leaves');
    if (holder === NO_HOLDER) return;
    holder.placeOf[this.#indexes[place] as number] = 0;
    this.#holders[place] = NO_HOLDER;
  }
}
