/**
 * Sorted runs in one spool file, and their merge: what an external sort needs once entries exceed the buffer.
 *
 *     run    := bucket*                            in order of (table, key group)
 *     bucket := u32 table, u32 group, u32 entries, then entries in order
 *     entry  := u32 length, u32 length of the identity, canonical entry
 *
 * The file is read by the process that wrote it, and by nobody else, so that it is in no FORMAT.md.
 */
import { present } from '../base/assert.js';
import { varintBytes } from '../format/entry-scan.js';
import { copyBytes } from '../store/copy.js';
import type { Bucket, EntryPlace, SortBuffer } from '../store/sort-buffer.js';
import type { Spool } from './spool.js';

const BUCKET_HEAD = 12;
const ENTRY_HEAD = 8;
const WRITE_BYTES = 256 * 1024;
/** All cursors of a merge share this. */
const MERGE_BYTES = 8 * 1024 * 1024;
const LEAST_CURSOR_BYTES = 4096;
const MOST_CURSOR_BYTES = 256 * 1024;

export interface Run {
  readonly start: number;
  readonly end: number;
}

/** Writes the sorted buffer as a run behind what is in the spool file. */
export async function writeRun(buffer: SortBuffer, spool: Spool): Promise<Run> {
  const start = spool.bytes;
  const place = { groupAt: 0, identityAt: 0, identityEnd: 0, end: 0 };
  let out = Buffer.allocUnsafeSlow(WRITE_BYTES);
  let used = 0;
  const reserve = async (bytes: number) => {
    if (used + bytes <= out.length) return;
    await spool.append(out.subarray(0, used));
    used = 0;
    if (bytes > out.length) out = Buffer.allocUnsafeSlow(bytes);
  };
  for (const { table, group, entries, from } of buffer.sorted()) {
    await reserve(BUCKET_HEAD);
    used = out.writeUInt32LE(table, used);
    used = out.writeUInt32LE(group, used);
    used = out.writeUInt32LE(entries, used);
    const groupBytes = varintBytes(group);
    for (let i = from; i < from + entries; i++) {
      buffer.place(i, groupBytes, place);
      const length = 1 + place.end - place.groupAt;
      if (used + ENTRY_HEAD + length > out.length) await reserve(ENTRY_HEAD + length);
      used = out.writeUInt32LE(length, used);
      used = out.writeUInt32LE(place.identityEnd - place.identityAt, used);
      out[used++] = 0;
      used = copyBytes(buffer.bytes, place.groupAt, place.end, out, used);
    }
  }
  await spool.append(out.subarray(0, used));
  return { start, end: spool.bytes };
}

/** Reads one run from its beginning to its end: `nextBucket`, then `advance` for each of its entries. */
export class RunCursor {
  bucket: Bucket | undefined;
  /** The entry `advance` came to, in `bytes`. */
  readonly place = { groupAt: 0, identityAt: 0, identityEnd: 0, end: 0 } satisfies EntryPlace;
  bytes: Buffer;
  left = 0;
  readonly #spool: Spool;
  readonly #run: Run;
  #readAt: number;
  #position = 0;
  #filled = 0;
  #groupBytes = 1;

  constructor(spool: Spool, run: Run, bufferBytes: number) {
    this.#spool = spool;
    this.#run = run;
    this.#readAt = run.start;
    this.bytes = Buffer.allocUnsafeSlow(bufferBytes);
  }

  /** Goes to the next bucket; `bucket` is undefined at the end. */
  async nextBucket(): Promise<void> {
    if (this.#readAt - (this.#filled - this.#position) >= this.#run.end) {
      this.bucket = undefined;
      return;
    }
    await this.#need(BUCKET_HEAD);
    const at = this.#position;
    this.#position = at + BUCKET_HEAD;
    const group = this.bytes.readUInt32LE(at + 4);
    this.left = this.bytes.readUInt32LE(at + 8);
    this.#groupBytes = varintBytes(group);
    this.bucket = { table: this.bytes.readUInt32LE(at), group, entries: this.left, from: 0 };
  }

  /** Whether `advanceNow` may be called. */
  get ready(): boolean {
    const at = this.#position;
    if (at + ENTRY_HEAD > this.#filled) return false;
    return at + ENTRY_HEAD + this.bytes.readUInt32LE(at) <= this.#filled;
  }

  /** Makes ready. */
  async load(): Promise<void> {
    await this.#need(ENTRY_HEAD);
    await this.#need(ENTRY_HEAD + this.bytes.readUInt32LE(this.#position));
  }

  /** Comes to the next entry of the bucket. */
  advanceNow(): void {
    const at = this.#position;
    const start = at + ENTRY_HEAD;
    const { place } = this;
    place.groupAt = start + 1;
    place.identityAt = start + 1 + this.#groupBytes;
    place.identityEnd = place.identityAt + this.bytes.readUInt32LE(at + 4);
    place.end = start + this.bytes.readUInt32LE(at);
    this.#position = place.end;
    this.left--;
  }

  async #need(count: number): Promise<void> {
    const kept = this.#filled - this.#position;
    if (kept >= count) return;
    const old = this.bytes;
    if (count > old.length) this.bytes = Buffer.allocUnsafeSlow(count);
    old.copy(this.bytes, 0, this.#position, this.#filled);
    const more = Math.min(this.bytes.length - kept, this.#run.end - this.#readAt);
    await this.#spool.read(this.bytes.subarray(kept, kept + more), this.#readAt);
    this.#readAt += more;
    this.#position = 0;
    this.#filled = kept + more;
  }
}

/** Cursors at the first bucket of each run. The spool file must be flushed. */
export async function openRuns(spool: Spool, runs: readonly Run[]): Promise<RunCursor[]> {
  const share = Math.floor(MERGE_BYTES / runs.length);
  const bytes = Math.max(LEAST_CURSOR_BYTES, Math.min(MOST_CURSOR_BYTES, share));
  const cursors = runs.map((run) => new RunCursor(spool, run, bytes));
  for (const cursor of cursors) await cursor.nextBucket();
  return cursors;
}

/** The cursors at the lowest bucket; empty when all runs are at their end. */
export function lowest(cursors: readonly RunCursor[]): RunCursor[] {
  let found: RunCursor[] = [];
  for (const cursor of cursors) {
    if (cursor.bucket === undefined) continue;
    const order =
      found.length === 0 ? -1 : compareBuckets(cursor.bucket, present(found[0]?.bucket, 'a bucket'));
    if (order < 0) found = [cursor];
    else if (order === 0) found.push(cursor);
  }
  return found;
}

function compareBuckets(a: Bucket, b: Bucket): number {
  return a.table - b.table || a.group - b.group;
}

/** Cursors by the entry they are at: a binary heap, the lowest on top. */
export class CursorHeap {
  readonly #heap: RunCursor[] = [];

  get size(): number {
    return this.#heap.length;
  }

  get top(): RunCursor {
    return present(this.#heap[0], 'a cursor');
  }

  push(cursor: RunCursor): void {
    const heap = this.#heap;
    let at = heap.push(cursor) - 1;
    while (at > 0) {
      const up = (at - 1) >> 1;
      const above = heap[up] as RunCursor;
      if (!below(cursor, above)) break;
      heap[at] = above;
      at = up;
    }
    heap[at] = cursor;
  }

  pop(): void {
    const last = this.#heap.pop();
    if (last !== undefined && this.#heap.length > 0) this.#sink(last);
  }

  /** Puts the top in its place after it moved on. */
  moved(): void {
    this.#sink(this.top);
  }

  #sink(cursor: RunCursor): void {
    const heap = this.#heap;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && below(heap[child + 1] as RunCursor, heap[child] as RunCursor)) child++;
      const candidate = heap[child] as RunCursor;
      if (!below(candidate, cursor)) break;
      heap[at] = candidate;
      at = child;
    }
    heap[at] = cursor;
  }
}

function below(a: RunCursor, b: RunCursor): boolean {
  return (
    a.bytes.compare(
      b.bytes,
      b.place.identityAt,
      b.place.identityEnd,
      a.place.identityAt,
      a.place.identityEnd,
    ) < 0
  );
}
