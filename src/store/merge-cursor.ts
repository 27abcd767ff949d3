/**
 * Several sorted runs as one: entries ascending, each identity once, as its newest run has it.
 *
 * A binary heap of cursors, the lowest entry on top, the newest of equal ones first. What compares them most of the
 * time is two numbers, made when a cursor moves: table with group, and the first bytes of the identity.
 *
 * Invariants: what is below the top in the order was given or left out; older versions of an entry are passed over
 * before the next is looked for, whether or not the newest counts.
 */
import type { EntryScan } from '../format/entry-scan.js';
import { MAX_GROUPS } from '../format/sorted-layout.js';
import type { RunCursor } from './run-cursor.js';

/** Bytes of an identity in a number. */
const PREFIX_BYTES = 6;

export interface MergeRules {
  /** Tables whose entries count in the last run alone. */
  readonly unkeyed: ReadonlySet<number>;
  /** What becomes of those of the last run. */
  readonly keepUnkeyed: 'none' | 'last';
  /** Whether tombstones, and what is expired, are left out. Only where no run lies below these. */
  readonly dropTombstones: boolean;
  /** Entries whose stamp is not after this are expired; undefined where none is. */
  readonly expiredAt?: bigint | undefined;
}

/** One run in the heap. */
class Head {
  readonly cursor: RunCursor;
  /** The place in the list of runs: greater is newer. */
  readonly age: number;
  order = 0;
  prefix = 0;

  constructor(cursor: RunCursor, age: number) {
    this.cursor = cursor;
    this.age = age;
  }

  /** To be called whenever the cursor came to an entry. */
  read(): void {
    const { bytes, scan } = this.cursor;
    const at = scan.identityAt;
    this.order = scan.table * MAX_GROUPS + scan.group;
    const end = Math.min(scan.identityEnd, at + PREFIX_BYTES);
    let prefix = 0;
    for (let i = at; i < end; i++) prefix = prefix * 256 + (bytes[i] as number);
    this.prefix = end === at + PREFIX_BYTES ? prefix : prefix * 256 ** (at + PREFIX_BYTES - end);
  }
}

/**
 * Is gone through as a RunCursor is: `while (cursor.advance() || (await cursor.load())) …`, with the entry in
 * `bytes[at, scan.end)`. What a field holds is valid until the next of these calls.
 */
export class MergeCursor {
  bytes: Buffer = Buffer.alloc(0);
  at = 0;
  /** Whether there is no current entry any more. */
  done = false;
  /** Whether the entry is expired, and has to go on as a tombstone. Never with `dropTombstones`. */
  expired = false;
  readonly #heads: readonly Head[];
  readonly #rules: MergeRules;
  readonly #newest: number;
  readonly #heap: Head[] = [];
  /** The place of the lower child of the top; 0 when it is to be found. */
  #lower = 0;
  /** The place of the head that must load before anything else; -1 before the first load. */
  #waiting = -1;
  #table = -1;
  #isUnkeyed = false;
  #scan: EntryScan | undefined;

  /** `cursors`: oldest first, at their beginning. A run that is left out may be undefined, but counts as one. */
  constructor(cursors: readonly (RunCursor | undefined)[], rules: MergeRules) {
    this.#heads = cursors.flatMap((cursor, age) => (cursor === undefined ? [] : [new Head(cursor, age)]));
    this.#newest = cursors.length - 1;
    this.#rules = rules;
  }

  /** Of the entry. */
  get scan(): EntryScan {
    return this.#scan as EntryScan;
  }

  /** Comes to the next entry; false calls for `load`. @throws SEGMENT_CORRUPT */
  advance(): boolean {
    const heap = this.#heap;
    while (heap.length > 0) {
      const lower = this.#lowerChild();
      if (lower > 0 && same(heap[0] as Head, heap[lower] as Head)) {
        if (!this.#move(lower)) return false;
        continue;
      }
      if (!this.#move(0)) return false;
      if (this.#counts()) return true;
    }
    return false;
  }

  /** Loads what `advance` asked for and comes to the next entry; false, and `done`, at the end. @throws SEGMENT_CORRUPT */
  async load(): Promise<boolean> {
    let isTop = true;
    if (this.#waiting < 0) await this.#begin();
    else isTop = await this.#loadWaiting();
    while (this.#heap.length > 0) {
      if ((isTop && this.#counts()) || this.advance()) return true;
      isTop = await this.#loadWaiting();
    }
    this.done = true;
    return false;
  }

  async #begin(): Promise<void> {
    this.#waiting = 0;
    for (const head of this.#heads) {
      if (!(await head.cursor.load())) continue;
      head.read();
      this.#heap.push(head);
    }
    for (let at = (this.#heap.length >> 1) - 1; at >= 0; at--) this.#sink(at);
  }

  /** Whether what is on top is another entry than before. */
  async #loadWaiting(): Promise<boolean> {
    const at = this.#waiting;
    const head = this.#heap[at];
    if (head === undefined) return false;
    if (await head.cursor.load()) this.#settle(at);
    else this.#remove(at);
    return at === 0;
  }

  /** Moves the head at `at` on, unless it has to load. */
  #move(at: number): boolean {
    if (!(this.#heap[at] as Head).cursor.advance()) {
      this.#waiting = at;
      return false;
    }
    this.#settle(at);
    return true;
  }

  /** Puts the head at `at`, which moved on, in its place. */
  #settle(at: number): void {
    (this.#heap[at] as Head).read();
    if (at > 0) this.#lower = 0;
    this.#sink(at);
  }

  /** Takes out the top or one of its children; what takes its place can only belong below. */
  #remove(at: number): void {
    const last = this.#heap.pop() as Head;
    this.#lower = 0;
    if (at >= this.#heap.length) return;
    this.#heap[at] = last;
    this.#sink(at);
  }

  #sink(from: number): void {
    const heap = this.#heap;
    const head = heap[from] as Head;
    let at = from;
    for (;;) {
      const child = at === 0 ? this.#lowerChild() : this.#lowerOf(2 * at + 1);
      if (child < 0) break;
      const candidate = heap[child] as Head;
      if (!below(candidate, head)) break;
      heap[at] = candidate;
      at = child;
      this.#lower = 0;
    }
    heap[at] = head;
  }

  /** The place of the lower child of the top, or -1. */
  #lowerChild(): number {
    if (this.#lower === 0) this.#lower = this.#lowerOf(1);
    return this.#lower;
  }

  #lowerOf(left: number): number {
    const heap = this.#heap;
    if (left >= heap.length) return -1;
    return left + 1 < heap.length && below(heap[left + 1] as Head, heap[left] as Head) ? left + 1 : left;
  }

  /** Whether the entry on top is to be given out; if so, it is what the fields hold. */
  #counts(): boolean {
    const { cursor, age } = this.#heap[0] as Head;
    const { scan } = cursor;
    const rules = this.#rules;
    if (scan.table !== this.#table) {
      this.#table = scan.table;
      this.#isUnkeyed = rules.unkeyed.has(scan.table);
    }
    if (this.#isUnkeyed && (rules.keepUnkeyed === 'none' || age !== this.#newest)) return false;
    this.expired = false;
    if (scan.flags > 0) {
      const gone = scan.tombstone || this.#isExpired(cursor);
      if (gone && rules.dropTombstones) return false;
      this.expired = gone && !scan.tombstone;
    }
    this.bytes = cursor.bytes;
    this.at = cursor.at;
    this.#scan = scan;
    return true;
  }

  #isExpired({ bytes, scan }: RunCursor): boolean {
    const { expiredAt } = this.#rules;
    if (expiredAt === undefined) return false;
    const stamp = scan.stamp(bytes);
    return stamp !== undefined && stamp <= expiredAt;
  }
}

function same(a: Head, b: Head): boolean {
  return a.order === b.order && a.prefix === b.prefix && compareRest(a.cursor, b.cursor) === 0;
}

/** Whether `a` goes before `b`. */
function below(a: Head, b: Head): boolean {
  if (a.order !== b.order) return a.order < b.order;
  if (a.prefix !== b.prefix) return a.prefix < b.prefix;
  const order = compareRest(a.cursor, b.cursor);
  return order === 0 ? a.age > b.age : order < 0;
}

/** Compares identities whose first bytes are equal. None is the beginning of another. */
function compareRest(a: RunCursor, b: RunCursor): number {
  const [x, y] = [a.bytes, b.bytes];
  let i = a.scan.identityAt + PREFIX_BYTES;
  let j = b.scan.identityAt + PREFIX_BYTES;
  const end = a.scan.identityEnd;
  while (i < end) {
    const difference = (x[i++] as number) - (y[j++] as number);
    if (difference !== 0) return difference;
  }
  return 0;
}
