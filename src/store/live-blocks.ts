/**
 * What is alive in the runs of a checkpoint, as blocks of whole entries: for recovery and for archives.
 *
 * Entries come by table, in the order asked for, each in order of key group and identity; none comes twice, none is a
 * tombstone. Those of unkeyed tables are those of the last run.
 */
import { copyBytes } from './copy.js';
import { type Breaks, Breath, cursorsOf } from './merge.js';
import { MergeCursor } from './merge-cursor.js';
import type { RunReader } from './run-reader.js';
import type { Payload } from './sort-buffer.js';

/** Where a block is cut; a longer entry has one of its own. */
const LIVE_BLOCK_BYTES = 64 * 1024;

export interface LiveOptions extends Breaks {
  /** Tables whose entries count in the last run alone. */
  readonly unkeyed: ReadonlySet<number>;
  /** The only tables wanted, in this order; by default all, ascending. */
  readonly tables?: readonly number[] | undefined;
  /** The only key groups wanted of each of `tables`, both included. Not with all tables. */
  readonly groups?: { readonly from: number; readonly to: number } | undefined;
  /** Entries whose stamp is not after this are left out. */
  readonly expiredAt?: bigint | undefined;
  readonly blockBytes?: number;
}

/**
 * `readers`: the runs of one checkpoint, oldest first. A block's payload is the consumer's to keep. The caller closes
 * the readers.
 * @throws SEGMENT_CORRUPT; the signal's reason.
 */
export async function* liveBlocks(
  readers: readonly RunReader[],
  options: LiveOptions,
): AsyncGenerator<Payload, void> {
  const { blockBytes = LIVE_BLOCK_BYTES } = options;
  const breath = new Breath(options);
  let block = new LiveBlock(blockBytes);
  for (const cursor of liveCursors(readers, options)) {
    while (cursor.advance() || (await cursor.load())) {
      const { bytes, at, scan } = cursor;
      if (!block.fits(scan.end - at)) {
        yield block.payload();
        block = new LiveBlock(blockBytes);
      }
      block.add(bytes, at, scan.end);
      if (breath.spent(scan.end - at)) await breath.take();
    }
  }
  if (block.entries > 0) yield block.payload();
}

/** One cursor over everything alive, or one for each table asked for. Each begins when it is its turn. */
export function* liveCursors(readers: readonly RunReader[], options: LiveOptions): Generator<MergeCursor> {
  const { unkeyed, tables, groups, expiredAt } = options;
  const rules = { unkeyed, keepUnkeyed: 'last', dropTombstones: true, expiredAt } as const;
  if (tables === undefined) {
    yield new MergeCursor(cursorsOf(readers), rules);
    return;
  }
  for (const table of tables) {
    const counting = unkeyed.has(table) ? readers.slice(-1) : readers;
    const having = counting.filter((reader) => reader.tables.some((stats) => stats.table === table));
    const range = groups === undefined ? { table } : { table, fromGroup: groups.from, toGroup: groups.to };
    yield new MergeCursor(cursorsOf(having, range), rules);
  }
}

class LiveBlock {
  entries = 0;
  #bytes: Buffer;
  #used = 0;

  constructor(bytes: number) {
    this.#bytes = Buffer.allocUnsafeSlow(bytes);
  }

  fits(length: number): boolean {
    return this.entries === 0 || this.#used + length <= this.#bytes.length;
  }

  add(bytes: Buffer, at: number, end: number): void {
    if (end - at > this.#bytes.length) this.#bytes = Buffer.allocUnsafeSlow(end - at);
    this.#used = copyBytes(bytes, at, end, this.#bytes, this.#used);
    this.entries++;
  }

  payload(): Payload {
    return { payload: this.#bytes.subarray(0, this.#used), entries: this.entries };
  }
}
