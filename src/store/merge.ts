/**
 * Merges runs in the background: many sorted segments become one that says the same.
 *
 *     oldest ─┐
 *             ├─ MergeCursor ─▶ newest of each identity ─▶ RunWriter      between two breaths: abort? pause? others' turn
 *     newest ─┘
 *
 * Rules (MergeRules says which apply): entries of unkeyed tables count in the last run of a list alone, so a merge drops
 * them; an entry that is expired becomes a tombstone; a tombstone is dropped where no older run is left that it could
 * hide an entry of. What is read through the merged run is then what was read through its inputs.
 *
 * Memory: what the writer takes, and MERGE_BYTES over all inputs, or one block of each if that is more.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { FLAG } from '../format/entry.js';
import { MergeCursor, type MergeRules } from './merge-cursor.js';
import type { RunCursor } from './run-cursor.js';
import type { RunRange, RunReader } from './run-reader.js';
import type { EntryPlace, RunWriter } from './run-writer.js';

/** What the cursors of one merge read ahead, together. */
const MERGE_BYTES = 4 * 1024 * 1024;
const LEAST_READ_BYTES = 16 * 1024;
const MOST_READ_BYTES = 256 * 1024;
/** Entries, or bytes, after which others get their turn: a few milliseconds. */
const BREATH_ENTRIES = 4096;
const BREATH_BYTES = 1024 * 1024;

export interface Breaks {
  /** Awaited between two breaths where it gives a promise. */
  pause?(): Promise<void> | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface MergeOptions extends MergeRules, Breaks {
  /** Told now and then how much was written. */
  onProgress?(done: { readonly entries: number; readonly bytes: number }): void;
}

/** Cursors of runs that are merged, oldest first; the more there are, the less each reads ahead. */
export function cursorsOf(readers: readonly RunReader[], range?: RunRange): RunCursor[] {
  const share = Math.floor(MERGE_BYTES / Math.max(1, readers.length));
  const bytes = Math.max(LEAST_READ_BYTES, Math.min(MOST_READ_BYTES, share));
  return readers.map((reader) => reader.cursor(range, bytes));
}

/**
 * Writes the merge of `readers`, oldest first, to `out`, which the caller then finishes; when this rejects, it discards
 * it. The caller closes the readers. Compaction of sorted runs as in log-structured merge trees (O'Neil et al. 1996).
 * @throws SEGMENT_CORRUPT; the signal's reason; what went wrong with the disk.
 */
export async function mergeRuns(
  readers: readonly RunReader[],
  out: RunWriter,
  options: MergeOptions,
): Promise<void> {
  const cursor = new MergeCursor(cursorsOf(readers), options);
  const breath = new Breath(options);
  const tombstone = new Tombstone();
  let entries = 0;
  while (cursor.advance() || (await cursor.load())) {
    const { scan, at } = cursor;
    if (cursor.expired) tombstone.write(cursor, out);
    else out.entry(cursor.bytes, scan, at);
    entries++;
    if (out.crowded) await out.room();
    if (!breath.spent(scan.end - at)) continue;
    options.onProgress?.({ entries, bytes: out.bytes });
    await breath.take();
  }
  options.signal?.throwIfAborted();
  options.onProgress?.({ entries, bytes: out.bytes });
}

/** Says when others are to have their turn, and gives it to them. */
export class Breath {
  readonly #breaks: Breaks;
  #entries = 0;
  #bytes = 0;

  constructor(breaks: Breaks) {
    this.#breaks = breaks;
  }

  /** Counts one entry; whether `take` is due. */
  spent(bytes: number): boolean {
    this.#bytes += bytes;
    return ++this.#entries >= BREATH_ENTRIES || this.#bytes >= BREATH_BYTES;
  }

  async take(): Promise<void> {
    this.#entries = 0;
    this.#bytes = 0;
    const { signal } = this.#breaks;
    signal?.throwIfAborted();
    await turn();
    await this.#breaks.pause?.();
    signal?.throwIfAborted();
  }
}

/** Writes tombstones in place of entries. */
class Tombstone {
  readonly #place: { -readonly [F in keyof EntryPlace]: number } = {
    table: 0,
    group: 0,
    identityAt: 0,
    identityEnd: 0,
    end: 0,
  };
  #bytes = Buffer.allocUnsafe(256);

  write({ bytes, at, scan }: MergeCursor, out: RunWriter): void {
    const flagsAt = scan.identityEnd - at;
    if (flagsAt + 2 > this.#bytes.length) this.#bytes = Buffer.allocUnsafe(flagsAt + 2);
    bytes.copy(this.#bytes, 0, at, scan.identityEnd);
    this.#bytes[flagsAt] = FLAG.tombstone;
    this.#bytes[flagsAt + 1] = 0;
    const place = this.#place;
    place.table = scan.table;
    place.group = scan.group;
    place.identityAt = scan.identityAt - at;
    place.identityEnd = flagsAt;
    place.end = flagsAt + 2;
    out.entry(this.#bytes, place, 0);
  }
}
