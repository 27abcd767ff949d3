/**
 * The rows of one key group: a hash table from key to row, and the rows.
 *
 *     slots     hash ──▶ row + 1, and 8 bits of the hash; 0 is empty       open addressing, at most half full
 *     records   identity, a value per column │ identity, …                 one row after the other
 *     marks     the mark of each value, at the same index                  grown only where marks are made
 *     changes   indexes of values that changed, for columns with an entry per row; `listed` has a bit for each
 *
 * A table of our own, because it is twice as fast as a Map from key to row: the hash is known, for the key group was
 * made of it, and finding a key leads straight to its values. It grows by itself, without one of the long stops that
 * rehashing a large Map makes. What a row is called outside is the index of its identity in `records`.
 *
 * Keys with Java's hash codes can be made to collide, so probing is bounded: what finds no slot near its place goes
 * to a Map.
 *
 * Invariants: a row is found exactly while it is in use; rows never move, free ones are used again; a column without
 * a value has `undefined` in the record, also in free rows.
 */
import { assert } from '../../base/assert.js';
import { TidemarkError } from '../../base/errors.js';
import type { Key, KeyIdentity } from '../../codec/key.js';
import { ChangeList } from './change-list.js';

export const NO_ROW = -1;
/** The most keys one key group may have: rows have 24 bits in a slot. */
export const MAX_ROWS = 2 ** 24 - 2;
/** How many slots are looked at for a key. */
const MAX_PROBES = 64;
const LEAST_SLOTS_BITS = 4;
const TAG_BITS = 8;
const TAG_MASK = 0xff;
const EMPTY = 0;
/** 2^32 / golden ratio: spreads hashes over the high bits of the product (Knuth's multiplicative hashing). */
const SPREAD = 0x9e37_79b1;
const FREE = undefined;

export class Bucket {
  readonly group: number;
  readonly stride: number;
  readonly records: unknown[] = [];
  /** Indexes of `records`. A mark stays when a row is freed, so that the next key there is not listed twice. */
  readonly changes = new ChangeList<number>((index) => this.records[index] !== undefined);
  #marks = new Uint32Array(0);
  #listed = new Int32Array(0);
  /** The mark with which those were listed whose bit is set. */
  #listedAt = 0;
  #slots = new Int32Array(2 ** LEAST_SLOTS_BITS);
  /** The home slot of a hash is its spread, shifted right by this. */
  #shift = 32 - LEAST_SLOTS_BITS;
  /** By row number: hashes, to grow and to close gaps. */
  #hashes = new Int32Array(2 ** LEAST_SLOTS_BITS);
  #used = 0;
  readonly #free: number[] = [];
  /** Keys that are not their own identity: tuples. */
  readonly #keys = new Map<number, Key>();
  /** Rows without a slot. */
  readonly #overflow = new Map<KeyIdentity, number>();

  constructor(group: number, columns: number) {
    this.group = group;
    this.stride = columns + 1;
  }

  /** The row of a key, or NO_ROW. `hash` is the key's, the same each time. */
  find(identity: KeyIdentity, hash: number): number {
    const spread = Math.imul(hash, SPREAD);
    const tag = spread & TAG_MASK;
    const slots = this.#slots;
    const last = slots.length - 1;
    let at = spread >>> this.#shift;
    for (let probe = 0; probe < MAX_PROBES; probe++) {
      const slot = slots[at] as number;
      if (slot === EMPTY) break;
      if ((slot & TAG_MASK) === tag) {
        const row = ((slot >>> TAG_BITS) - 1) * this.stride;
        if (this.records[row] === identity) return row;
      }
      at = (at + 1) & last;
    }
    return this.#overflow.size === 0 ? NO_ROW : (this.#overflow.get(identity) ?? NO_ROW);
  }

  /** A row for a key that has none. */
  add(key: Key, identity: KeyIdentity, hash: number): number {
    const number = this.#free.pop() ?? this.#extend();
    const row = number * this.stride;
    this.records[row] = identity;
    this.#hashes[number] = hash;
    if (key !== identity) this.#keys.set(row, key);
    if (++this.#used * 2 > this.#slots.length) this.#grow();
    this.#insert(number, identity);
    return row;
  }

  /** Frees a row in which no column has a value. */
  remove(row: number): void {
    const number = row / this.stride;
    const identity = this.records[row] as KeyIdentity;
    if (!this.#overflow.delete(identity)) this.#vacate(number);
    this.records[row] = FREE;
    this.#keys.delete(row);
    this.#free.push(number);
    this.#used--;
  }

  keyOf(row: number): Key {
    const identity = this.records[row] as KeyIdentity;
    return this.#keys.size === 0 ? identity : (this.#keys.get(row) ?? identity);
  }

  hashOf(row: number): number {
    return this.#hashes[row / this.stride] as number;
  }

  /** The mark of the value at an index of `records`; 0 where none was made. */
  mark(index: number): number {
    return index < this.#marks.length ? (this.#marks[index] as number) : 0;
  }

  setMark(index: number, mark: number): void {
    if (index >= this.#marks.length) {
      const grown = new Uint32Array(Math.max(this.records.length, this.#marks.length * 2));
      grown.set(this.#marks);
      this.#marks = grown;
    }
    this.#marks[index] = mark;
  }

  /**
   * Puts an index on the list of changes, for what gets the mark `changed`. A bit says it too until the next epoch: the
   * hot path looks there, for that many bits stay in the processor's cache and the marks do not.
   */
  list(index: number, changed: number): void {
    this.changes.now.push(index);
    const word = index >>> 5;
    if (word >= this.#listed.length) {
      const grown = new Int32Array(Math.max(word + 1, this.#listed.length * 2));
      grown.set(this.#listed);
      this.#listed = grown;
    }
    if (this.#listedAt !== changed) this.#listed.fill(0);
    this.#listedAt = changed;
    this.#listed[word] = (this.#listed[word] as number) | (1 << (index & 31));
  }

  /** Whether an index was listed with this mark. */
  isListed(index: number, changed: number): boolean {
    return this.#listedAt === changed && ((this.#listed[index >>> 5] as number) & (1 << (index & 31))) !== 0;
  }

  /** What becomes of the frozen changes; `changed` is the mark of what changed since they were frozen. */
  settle(kept: boolean, changed: number): void {
    this.changes.settle(kept, (index) => this.mark(index) >= changed);
  }

  /** One more row at the end. */
  #extend(): number {
    const number = this.records.length / this.stride;
    if (number > MAX_ROWS) {
      const message = `key group ${this.group} has ${number} keys, the most the memory backend can hold in one`;
      throw new TidemarkError('HEAP_FULL', message, {
        hint: 'start the job with a greater --max-parallelism',
      });
    }
    for (let i = 0; i < this.stride; i++) this.records.push(FREE);
    if (number >= this.#hashes.length) {
      const grown = new Int32Array(this.#hashes.length * 2);
      grown.set(this.#hashes);
      this.#hashes = grown;
    }
    return number;
  }

  #insert(number: number, identity: KeyIdentity): void {
    const slots = this.#slots;
    const last = slots.length - 1;
    const spread = Math.imul(this.#hashes[number] as number, SPREAD);
    let at = spread >>> this.#shift;
    for (let probe = 0; probe < MAX_PROBES; probe++) {
      if (slots[at] === EMPTY) {
        slots[at] = ((number + 1) << TAG_BITS) | (spread & TAG_MASK);
        return;
      }
      at = (at + 1) & last;
    }
    this.#overflow.set(identity, number * this.stride);
  }

  #grow(): void {
    const old = this.#slots;
    this.#slots = new Int32Array(old.length * 2);
    this.#shift--;
    for (const slot of old) {
      if (slot === EMPTY) continue;
      const number = (slot >>> TAG_BITS) - 1;
      this.#insert(number, this.records[number * this.stride] as KeyIdentity);
    }
  }

  /** Empties the slot of a row, and moves those after it up as far as they may go, so that probing finds no gap. */
  #vacate(number: number): void {
    const slots = this.#slots;
    const last = slots.length - 1;
    let gap = this.#home(number);
    while ((slots[gap] as number) >>> TAG_BITS !== number + 1) {
      assert(slots[gap] !== EMPTY, 'a row that is in use has a slot');
      gap = (gap + 1) & last;
    }
    for (let at = (gap + 1) & last; slots[at] !== EMPTY; at = (at + 1) & last) {
      const home = this.#home(((slots[at] as number) >>> TAG_BITS) - 1);
      // It may move to the gap only if its home is not between the two, going round.
      if (((at - home) & last) < ((at - gap) & last)) continue;
      slots[gap] = slots[at] as number;
      gap = at;
    }
    slots[gap] = EMPTY;
  }

  #home(number: number): number {
    return Math.imul(this.#hashes[number] as number, SPREAD) >>> this.#shift;
  }
}
