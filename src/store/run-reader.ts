/**
 * Reads a run, a sorted segment, from its end: tail, index and stats first, then the blocks that are asked for. For
 * merges, recovery and archives, whose members are windows of a file; never the whole in memory.
 *
 *     const reader = await RunReader.openFile(disk, folder, name);
 *     const cursor = reader.cursor({ table });
 *     while (cursor.advance() || (await cursor.load())) use(cursor.bytes, cursor.at, cursor.scan);
 *     await reader.close();
 *
 * Invariants: nothing is given out before its checksum was right, and entries come ascending, each identity once; so
 * what is read is right, though whether the file is the one its name says only format/segment finds out.
 */
import { assert } from '../base/assert.js';
import type { Disk } from '../base/disk.js';
import { segmentCorrupt } from '../format/segment-corrupt.js';
import { HEADER_BYTES, isSorted, TRAILER_BYTES } from '../format/segment-layout.js';
import { checkFound } from '../format/segment-read.js';
import { RunIndex } from '../format/sorted-index.js';
import { decodeStats, decodeTail, TAIL_BYTES, type TableStats } from '../format/sorted-layout.js';
import { READ_BYTES, RunCursor, type RunRange } from './run-cursor.js';
import { fileSource, type RunSource, readFully } from './run-source.js';

export type { RunRange } from './run-cursor.js';
export type { RunSource } from './run-source.js';

export class RunReader {
  /** Ascending; those with entries. */
  readonly tables: readonly TableStats[];
  /** Length of the file. */
  readonly bytes: number;
  readonly label: string;
  readonly index: RunIndex;
  readonly #source: RunSource;

  private constructor(source: RunSource, index: RunIndex, tables: readonly TableStats[]) {
    this.#source = source;
    this.bytes = source.bytes;
    this.label = source.label;
    this.index = index;
    this.tables = tables;
  }

  /**
   * Takes the source over: closes it when it is not sound.
   * @throws TidemarkError SEGMENT_CORRUPT, also for a segment that is not sorted; FORMAT_NEWER.
   */
  static async open(source: RunSource): Promise<RunReader> {
    try {
      return await readEnds(source, (index, tables) => new RunReader(source, index, tables));
    } catch (error) {
      await source.close();
      throw error;
    }
  }

  /** The segment of that name. @throws TidemarkError SEGMENT_CORRUPT, also when it is not there. */
  static async openFile(disk: Disk, folder: string, name: string): Promise<RunReader> {
    return await RunReader.open(await fileSource(disk, folder, name));
  }

  /** The entries in order; without a range, all. `readBytes` are read at once, and kept. */
  cursor(range?: RunRange, readBytes = READ_BYTES): RunCursor {
    if (range?.key !== undefined)
      assert(range.fromGroup !== undefined && range.fromGroup === range.toGroup, 'a key without its group');
    return new RunCursor(this.#source, this.index, range, readBytes);
  }

  close(): Promise<void> {
    return this.#source.close();
  }
}

async function readEnds<T>(
  source: RunSource,
  make: (index: RunIndex, tables: readonly TableStats[]) => T,
): Promise<T> {
  const { bytes, label } = source;
  const header = await readFully(source, Buffer.alloc(HEADER_BYTES), 0);
  checkFound(header, label);
  if (!isSorted(header)) throw segmentCorrupt(label, 0, 'the segment is not sorted');
  if (bytes < HEADER_BYTES + TRAILER_BYTES + TAIL_BYTES)
    throw segmentCorrupt(label, bytes, 'the file ends too early');
  const tail = decodeTail(
    await readFully(source, Buffer.alloc(TAIL_BYTES), bytes - TAIL_BYTES),
    bytes,
    label,
  );
  const { indexAt, indexBytes, statsAt, statsBytes } = tail;
  const index = await readFully(source, Buffer.allocUnsafeSlow(indexBytes), indexAt);
  const stats = await readFully(source, Buffer.allocUnsafeSlow(statsBytes), statsAt);
  return make(new RunIndex(index, tail, label), decodeStats(stats, tail, label));
}
