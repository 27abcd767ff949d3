/**
 * Sorts entries in memory: collects those of many payloads, then gives them by (table, key group, identity).
 *
 * A group's entries are sorted as numbers: the bytes after what all have in common, as many as fit beside the
 * entry's index in a float64, which is what a typed array sorts fastest; equal ones go on with the bytes after.
 * Reading past an entry's identity is harmless: no identity is the beginning of another (entry-scan.ts).
 */
import { BytesDamaged } from '../codec/codec.js';
import { EntryScan } from '../format/entry-scan.js';
import { snapshotCorrupt } from './corrupt.js';

/** Bytes of entries in memory, unless one payload is larger. */
export const SORT_BYTES = 12 * 1024 * 1024;
/** Entries in memory, unless one payload has more; each takes 24 bytes beside its own. */
export const SORT_ENTRIES = 400 * 1024;
/** What is there at first; it doubles up to the limits. Most deltas are small, and memory is not had for nothing. */
const FIRST_BYTES = 256 * 1024;
const FIRST_ENTRIES = 8 * 1024;
/** Reads past the last entry. */
const SLACK = 16;
const MAX_GROUPS = 32_768;
/** Up to this many are sorted by insertion. */
const FEW = 10;
const DIGITS = 53;

/** A payload of whole entries. */
export interface Payload {
  readonly payload: Buffer;
  readonly entries: number;
}

/** The entries of one key group of one table. */
export interface Bucket {
  readonly table: number;
  readonly group: number;
  readonly entries: number;
  /** The place of its first entry in the order of all. */
  readonly from: number;
}

export interface SortLimits {
  readonly bytes: number;
  readonly entries: number;
}

/** Where an entry lies in the bytes given, as EntryScan finds it. */
export interface EntryPlace {
  readonly groupAt: number;
  readonly identityAt: number;
  readonly identityEnd: number;
  readonly end: number;
}

/** What is sorted into which table, and what is left out. */
export interface SortRules {
  /** The table that entries of `table` are sorted into; negative where they are left out. Throws for an unknown one. */
  sortedId(table: number): number;
  /** Is given the entries that `sortedId` leaves out, one by one: `bytes[from, end)`, to be copied. */
  apart?(bytes: Buffer, from: number, end: number): void;
  /** How many key groups a table has. */
  slots(sortedId: number): number;
  /** How messages call a table. */
  label(sortedId: number): string;
  /** Entries whose stamp is not after this are left out; undefined keeps all. */
  readonly expiredAt: bigint | undefined;
  /** Whether tombstones are allowed, and kept. */
  readonly tombstones: boolean;
}

export class SortBuffer {
  readonly limits: SortLimits;
  readonly #rules: SortRules;
  readonly #scan = new EntryScan();
  #bytes: Buffer;
  #used = 0;
  #count = 0;
  #identityAt: Uint32Array;
  #identityEnd: Uint32Array;
  #end: Uint32Array;
  #bucketOf: Uint32Array;
  readonly #buckets = new Map<number, number>();
  #counts: number[] = [];
  /** The bucket found last: entries come nearly grouped. */
  #lastKey = -1;
  #lastLocal = 0;
  /** The table seen last, and what it is sorted into. */
  #lastTable = -1;
  #lastId = -1;
  #order = new Uint32Array(0);
  #values = new Float64Array(0);
  #moved = new Uint32Array(0);

  constructor(rules: SortRules, limits: SortLimits = { bytes: SORT_BYTES, entries: SORT_ENTRIES }) {
    this.#rules = rules;
    this.limits = limits;
    const entries = Math.min(limits.entries, FIRST_ENTRIES);
    this.#bytes = Buffer.allocUnsafeSlow(Math.min(limits.bytes, FIRST_BYTES) + SLACK);
    this.#identityAt = new Uint32Array(entries);
    this.#identityEnd = new Uint32Array(entries);
    this.#end = new Uint32Array(entries);
    this.#bucketOf = new Uint32Array(entries);
  }

  get empty(): boolean {
    return this.#used === 0;
  }

  /** How many entries are kept. */
  get count(): number {
    return this.#count;
  }

  /** The bytes that entries returned by `buckets` lie in. */
  get bytes(): Buffer {
    return this.#bytes;
  }

  hasRoom({ payload, entries }: Payload): boolean {
    return (
      this.empty ||
      (this.#used + payload.length <= this.limits.bytes && this.#count + entries <= this.limits.entries)
    );
  }

  /** Takes what is to be kept of a payload; returns how many entries it has. @throws SEGMENT_CORRUPT */
  add({ payload, entries }: Payload): number {
    const start = this.#used;
    this.#grow(start + payload.length, this.#count + entries);
    this.#bytes.set(payload, start);
    this.#used = start + payload.length;
    try {
      let found = 0;
      for (let at = start; at < this.#used; found++) at = this.#index(at);
      if (found !== entries) throw snapshotCorrupt(`${entries} entries expected in a block, ${found} found`);
    } catch (error) {
      if (error instanceof BytesDamaged) throw snapshotCorrupt(`a block of the snapshot: ${error.message}`);
      throw error;
    }
    return entries;
  }

  /** Forgets everything. */
  clear(): void {
    this.#used = 0;
    this.#count = 0;
    this.#buckets.clear();
    this.#counts = [];
    this.#lastKey = -1;
  }

  /** Groups with entries, in order. The entries of one are sorted when it is its turn. */
  *sorted(): Generator<Bucket> {
    const keys = [...this.#buckets.keys()].sort((a, b) => a - b);
    const starts = this.#distribute(keys);
    for (const [i, key] of keys.entries()) {
      const local = this.#buckets.get(key) ?? 0;
      const start = starts[i] as number;
      const entries = this.#counts[local] as number;
      const group = key % MAX_GROUPS;
      const table = (key - group) / MAX_GROUPS;
      this.#sort(start, start + entries, 0);
      yield { table, group, entries, from: start };
    }
  }

  /** Where the nth entry lies, from `from` of its bucket on. `groupBytes` is how many its key group takes. */
  place(nth: number, groupBytes: number, into: { -readonly [F in keyof EntryPlace]: number }): void {
    const entry = this.#order[nth] as number;
    into.identityAt = this.#identityAt[entry] as number;
    into.identityEnd = this.#identityEnd[entry] as number;
    into.end = this.#end[entry] as number;
    into.groupAt = into.identityAt - groupBytes;
  }

  #grow(bytes: number, entries: number): void {
    if (bytes + SLACK > this.#bytes.length) {
      const grown = Buffer.allocUnsafeSlow(doubled(this.#bytes.length, bytes, this.limits.bytes) + SLACK);
      this.#bytes.copy(grown, 0, 0, this.#used);
      this.#bytes = grown;
    }
    if (entries <= this.#end.length) return;
    const more = (array: Uint32Array): Uint32Array => {
      const grown = new Uint32Array(doubled(array.length, entries, this.limits.entries));
      grown.set(array.subarray(0, this.#count));
      return grown;
    };
    this.#identityAt = more(this.#identityAt);
    this.#identityEnd = more(this.#identityEnd);
    this.#end = more(this.#end);
    this.#bucketOf = more(this.#bucketOf);
  }

  /** Takes the entry at `at`, if it is to be kept; returns where it ends. */
  #index(at: number): number {
    const scan = this.#scan;
    scan.scan(this.#bytes, at, this.#used);
    if (scan.table !== this.#lastTable) {
      this.#lastId = this.#rules.sortedId(scan.table);
      this.#lastTable = scan.table;
    }
    const table = this.#lastId;
    if (table < 0) {
      this.#rules.apart?.(this.#bytes, at, scan.end);
      return scan.end;
    }
    if (scan.flags > 0 && this.#left(table)) return scan.end;
    const local = this.#bucket(table, scan.group);
    const count = this.#count++;
    this.#identityAt[count] = scan.identityAt;
    this.#identityEnd[count] = scan.identityEnd;
    this.#end[count] = scan.end;
    this.#bucketOf[count] = local;
    this.#counts[local] = (this.#counts[local] as number) + 1;
    return scan.end;
  }

  /** Whether the entry just scanned is expired. */
  #left(table: number): boolean {
    const { tombstones, expiredAt } = this.#rules;
    if (this.#scan.tombstone && !tombstones)
      throw snapshotCorrupt(`a tombstone in ${this.#rules.label(table)}`);
    if (expiredAt === undefined) return false;
    const stamp = this.#scan.stamp(this.#bytes);
    return stamp !== undefined && stamp <= expiredAt;
  }

  /** The number of a bucket in this buffer. */
  #bucket(table: number, group: number): number {
    const key = table * MAX_GROUPS + group;
    if (key === this.#lastKey) return this.#lastLocal;
    let local = this.#buckets.get(key);
    if (local === undefined) {
      const slots = this.#rules.slots(table);
      if (group >= slots)
        throw snapshotCorrupt(`key group ${group} of ${slots} in ${this.#rules.label(table)}`);
      local = this.#buckets.size;
      this.#buckets.set(key, local);
      this.#counts[local] = 0;
    }
    this.#lastKey = key;
    this.#lastLocal = local;
    return local;
  }

  /** Puts the entries of each bucket together, in the order they came; returns where each bucket begins. */
  #distribute(keys: readonly number[]): Uint32Array {
    if (this.#order.length < this.#count) this.#order = new Uint32Array(this.#end.length);
    const starts = new Uint32Array(keys.length);
    const next = new Uint32Array(keys.length);
    let at = 0;
    for (const [i, key] of keys.entries()) {
      const local = this.#buckets.get(key) ?? 0;
      starts[i] = at;
      next[local] = at;
      at += this.#counts[local] as number;
    }
    for (let entry = 0; entry < this.#count; entry++) {
      const local = this.#bucketOf[entry] as number;
      const place = next[local] as number;
      this.#order[place] = entry;
      next[local] = place + 1;
    }
    return starts;
  }

  /** Sorts `order[from..to)`, whose identities are equal in their first `depth` bytes. */
  #sort(from: number, to: number, depth: number): void {
    const count = to - from;
    if (count <= FEW) return this.#insert(from, to, depth);
    const common = this.#common(from, to, depth);
    const indexBits = 32 - Math.clz32(count - 1);
    const digits = Math.floor((DIGITS - indexBits) / 8);
    const scale = 2 ** indexBits;
    if (this.#values.length < count) {
      this.#values = new Float64Array(count);
      this.#moved = new Uint32Array(count);
    }
    const values = this.#values.subarray(0, count);
    this.#number(values, from, common, digits, scale);
    values.sort();
    const ties = this.#reorder(values, from, scale);
    for (const [start, end] of ties) this.#sort(from + start, from + end, common + digits);
  }

  #number(values: Float64Array, from: number, depth: number, digits: number, scale: number): void {
    const bytes = this.#bytes;
    const order = this.#order;
    const identityAt = this.#identityAt;
    for (let i = 0; i < values.length; i++) {
      let at = (identityAt[order[from + i] as number] as number) + depth;
      const end = at + digits;
      let value = 0;
      while (at < end) value = value * 256 + (bytes[at++] as number);
      values[i] = value * scale + i;
    }
  }

  /** Brings the order to that of the sorted values; returns the runs of equal ones. */
  #reorder(values: Float64Array, from: number, scale: number): [start: number, end: number][] {
    const order = this.#order;
    const moved = this.#moved;
    const ties: [number, number][] = [];
    let start = 0;
    let previous = -1;
    for (let i = 0; i < values.length; i++) {
      const value = values[i] as number;
      const prefix = Math.floor(value / scale);
      // In brackets: beside 53 digits there is no room for `from`.
      moved[i] = order[from + (value - prefix * scale)] as number;
      if (prefix === previous) continue;
      if (i - start > 1) ties.push([start, i]);
      start = i;
      previous = prefix;
    }
    if (values.length - start > 1) ties.push([start, values.length]);
    order.set(moved.subarray(0, values.length), from);
    return ties;
  }

  /** How many bytes the identities have in common, at least `depth`. @throws SEGMENT_CORRUPT when all are one. */
  #common(from: number, to: number, depth: number): number {
    const bytes = this.#bytes;
    const entry = this.#order[from] as number;
    const first = this.#identityAt[entry] as number;
    let common = (this.#identityEnd[entry] as number) - first;
    if (depth >= common) throw this.#twice(entry);
    for (let i = from + 1; i < to; i++) {
      const other = this.#identityAt[this.#order[i] as number] as number;
      let same = depth;
      while (same < common && bytes[first + same] === bytes[other + same]) same++;
      common = same;
      if (common === depth) return depth;
    }
    if (first + common === this.#identityEnd[entry]) throw this.#twice(entry);
    return common;
  }

  #insert(from: number, to: number, depth: number): void {
    const order = this.#order;
    for (let i = from + 1; i < to; i++) {
      const entry = order[i] as number;
      let at = i;
      for (; at > from && this.#above(order[at - 1] as number, entry, depth); at--)
        order[at] = order[at - 1] as number;
      order[at] = entry;
    }
  }

  /** Whether entry `a` comes after `b`. Equal identities are found when they are written. */
  #above(a: number, b: number, depth: number): boolean {
    const bytes = this.#bytes;
    let x = (this.#identityAt[a] as number) + depth;
    let y = (this.#identityAt[b] as number) + depth;
    const end = this.#identityEnd[a] as number;
    while (x < end && bytes[x] === bytes[y]) {
      x++;
      y++;
    }
    return x < end && (bytes[x] as number) > (bytes[y] as number);
  }

  #twice(entry: number): Error {
    const { table, group } = this.#bucketAt(this.#bucketOf[entry] as number);
    return snapshotCorrupt(`an entry of ${this.#rules.label(table)}, key group ${group}, is there twice`);
  }

  #bucketAt(local: number): { table: number; group: number } {
    const key = [...this.#buckets].find(([, each]) => each === local)?.[0] ?? 0;
    return { table: Math.floor(key / MAX_GROUPS), group: key % MAX_GROUPS };
  }
}

/** The next length: doubled within the limit, and at least what is needed. */
function doubled(length: number, needed: number, limit: number): number {
  return Math.max(needed, Math.min(limit, 2 * length));
}
