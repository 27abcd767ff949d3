/**
 * The sorted runs of one snapshot, oldest first, as the one state they stand for: merged, newest wins, without
 * tombstones and without what is expired at the barrier. Of tables that are not keyed only the newest run counts.
 *
 * Invariants: a run is opened when it is first needed; one table, key group or key reads only the blocks that may hold
 * it; memory holds a few blocks of each run, and their indexes.
 */
import type { KeyGroupRange } from '../base/key-groups.js';
import { ByteReader } from '../codec/reader.js';
import { type Entry, readEntry } from '../format/entry.js';
import { isKeyed, type ManifestTable } from '../format/manifest.js';
import { checkHeader, HEADER_BYTES, isSorted } from '../format/segment-layout.js';
import { liveBlocks } from '../store/live-blocks.js';
import { cursorsOf } from '../store/merge.js';
import { MergeCursor } from '../store/merge-cursor.js';
import type { RunReader } from '../store/run-reader.js';
import type { RunSource } from '../store/run-source.js';
import type { Payload } from '../store/sort-buffer.js';
import { snapshotCorrupt } from './table-list.js';

/** Which runs count is decided here already. */
const NO_TABLES: ReadonlySet<number> = new Set();

type RunTable = Pick<ManifestTable, 'id' | 'kind'>;

export class RunChain {
  readonly #open: readonly (() => Promise<RunReader>)[];
  readonly #opened: (Promise<RunReader> | undefined)[] = [];
  readonly #expiredAt: bigint;

  /** `open`: each run, oldest first. `expiredAt`: of the barrier, milliseconds. */
  constructor(open: readonly (() => Promise<RunReader>)[], expiredAt: number) {
    this.#open = open;
    this.#expiredAt = BigInt(expiredAt);
  }

  /** All of them, oldest first; they are closed with this. @throws SEGMENT_CORRUPT for one that is not sorted */
  readers(): Promise<RunReader[]> {
    return Promise.all(this.#open.map((_, i) => this.#reader(i)));
  }

  /** Live entries of a table, in order, as blocks that belong to the caller. Groups count where it has any. */
  async *blocks(table: RunTable, groups?: KeyGroupRange): AsyncGenerator<Payload, void> {
    const range =
      groups === undefined || !isKeyed(table.kind) ? undefined : { from: groups.start, to: groups.end };
    yield* liveBlocks(await this.#counting(table), {
      unkeyed: NO_TABLES,
      tables: [table.id],
      groups: range,
      expiredAt: this.#expiredAt,
    });
  }

  /** All live entries of one encoded key, of any namespace and map key, in order. */
  async find(table: RunTable, group: number, key: Uint8Array): Promise<Entry[]> {
    const range = { table: table.id, fromGroup: group, toGroup: group, key };
    const cursor = new MergeCursor(cursorsOf(await this.#counting(table), range), {
      unkeyed: NO_TABLES,
      keepUnkeyed: 'last',
      dropTombstones: true,
      expiredAt: this.#expiredAt,
    });
    const found: Entry[] = [];
    while (cursor.advance() || (await cursor.load())) {
      const entry = Buffer.from(cursor.bytes.subarray(cursor.at, cursor.scan.end));
      found.push(readEntry(new ByteReader(entry)));
    }
    return found;
  }

  async close(): Promise<void> {
    for (const opened of this.#opened) {
      const reader = await opened?.catch(() => undefined);
      await reader?.close();
    }
  }

  /** The runs that count for a table: what the older ones hold of one that is not keyed does not. */
  async #counting(table: RunTable): Promise<RunReader[]> {
    const last = this.#open.length - 1;
    const runs = isKeyed(table.kind) || last < 0 ? await this.readers() : [await this.#reader(last)];
    return runs.filter(({ tables }) => tables.some((stats) => stats.table === table.id));
  }

  #reader(place: number): Promise<RunReader> {
    const opened = this.#opened[place] ?? (this.#open[place] as () => Promise<RunReader>)();
    this.#opened[place] = opened;
    return opened;
  }
}

/** @throws SEGMENT_CORRUPT when a run has entries of a table that is not listed. */
export function checkTables(runs: readonly RunReader[], ids: Iterable<number>): void {
  const known = new Set(ids);
  for (const { tables: found, label } of runs) {
    const other = found.find(({ table }) => !known.has(table));
    if (other !== undefined)
      throw snapshotCorrupt(`${label} has entries of table ${other.table}, which is not listed`);
  }
}

/** Whether a segment says of itself, soundly, that its entries are in no order. */
export async function isUnsorted(source: RunSource): Promise<boolean> {
  const header = Buffer.alloc(HEADER_BYTES);
  for (let at = 0; at < HEADER_BYTES; ) {
    const count = await source.read(header.subarray(at), at);
    if (count === 0) return false;
    at += count;
  }
  return checkHeader(header) === undefined && !isSorted(header);
}
