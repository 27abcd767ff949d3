/**
 * From sorted runs to the data of a canonical archive: the entries come merged and in order, so that nothing is sorted
 * again and nothing spills.
 *
 *     runs ─ merged table by table, in canonical order ─▶ MemberWriter ─▶ spool file of data members
 *
 * Invariants: what comes out is what canonicalize makes of the same live entries, byte for byte; the spool file is
 * gone once this rejects.
 */
import type { Disk } from '../base/disk.js';
import { isKeyed } from '../format/manifest.js';
import { liveCursors } from '../store/live-blocks.js';
import type { MergeCursor } from '../store/merge-cursor.js';
import type { RunReader } from '../store/run-reader.js';
import type { CanonicalData, OnProgress } from './canonicalize.js';
import { MemberWriter } from './member-writer.js';
import { checkTables } from './run-chain.js';
import { Spool } from './spool.js';
import { type CanonicalTable, snapshotCorrupt, type TableList, tableLabel } from './table-list.js';

/** Entries between two words about how far it is. */
const PROGRESS_ENTRIES = 4096;

export interface CanonicalizeRunsOptions {
  readonly disk: Disk;
  /** A folder that is there. */
  readonly spoolFolder: string;
  readonly list: TableList;
  /** Oldest first. The caller closes them. */
  readonly runs: readonly RunReader[];
  /** Entries whose stamp is not after this are left out. */
  readonly expiredAt: number;
  readonly onProgress?: OnProgress | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** @throws SEGMENT_CORRUPT for runs that are damaged, or not of these tables. */
export async function canonicalizeRuns(options: CanonicalizeRunsOptions): Promise<CanonicalData> {
  const { list, runs, signal } = options;
  checkTables(runs, list.canonicalId.keys());
  const spool = await Spool.create(options.disk, options.spoolFolder);
  const out = new MemberWriter(spool);
  try {
    const cursors = liveCursors(runs, {
      unkeyed: new Set(list.nativeIds.filter((_, id) => !isKeyed((list.tables[id] as CanonicalTable).kind))),
      tables: list.nativeIds,
      expiredAt: BigInt(options.expiredAt),
    });
    let entries = 0;
    let id = 0;
    for (const cursor of cursors)
      entries = await writeTable(options, out, list.tables[id++] as CanonicalTable, cursor, entries);
    signal?.throwIfAborted();
    const tables = await out.finish(list.tables);
    return { spool, tables, watermarks: out.watermarks };
  } catch (error) {
    // Nothing may write to a file that is removed.
    await out.settle().catch(() => undefined);
    await spool.remove();
    throw error;
  }
}

/** Gives how many entries were written so far. */
async function writeTable(
  { onProgress, signal }: CanonicalizeRunsOptions,
  out: MemberWriter,
  table: CanonicalTable,
  cursor: MergeCursor,
  before: number,
): Promise<number> {
  const { slots } = table;
  let entries = before;
  let group = -1;
  while (cursor.advance() || (await cursor.load())) {
    const { scan } = cursor;
    if (scan.group !== group) {
      if (scan.group >= slots)
        throw snapshotCorrupt(`key group ${scan.group} of ${slots} in ${tableLabel(table)}`);
      if (group < 0) out.beginTable(table);
      else out.endGroup();
      group = scan.group;
      out.beginGroup(group);
    }
    out.entry(cursor.bytes, scan);
    if (out.crowded) {
      signal?.throwIfAborted();
      await out.room();
    }
    if (++entries % PROGRESS_ENTRIES === 0) onProgress?.({ entries, bytes: 0 }, 'merge');
  }
  if (group >= 0) {
    out.endGroup();
    out.endTable();
    onProgress?.({ entries, bytes: 0 }, 'merge');
  }
  return entries;
}
