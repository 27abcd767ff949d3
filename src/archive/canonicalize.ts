/**
 * From native blocks, entries in any order, to the data of a canonical archive, in bounded memory: sorts in a buffer;
 * when that is full, spills it as a sorted run; merges the runs at the end.
 *
 *     blocks ──▶ SortBuffer ─┬─ all of it fits ──────────────────▶ MemberWriter ──▶ spool file of data members
 *                            └─ spills ──▶ runs ──▶ merge ───────▶
 *
 * Invariants: what comes out depends on the set of entries alone, not on their order, nor on the size of the buffer;
 * both spool files are gone once this rejects, and the runs' once it resolves.
 */
import type { Disk } from '../base/disk.js';
import { varintBytes } from '../format/entry-scan.js';
import type { Watermark } from '../format/watermark.js';
import { type Payload, SortBuffer, type SortLimits } from '../store/sort-buffer.js';
import { MemberWriter, type WrittenTable } from './member-writer.js';
import { CursorHeap, lowest, openRuns, type Run, type RunCursor, writeRun } from './runs.js';
import { Spool } from './spool.js';
import { canonicalRules, type TableList } from './table-list.js';

/** `check` comes only where an archive is rewritten. */
export type ArchivePhase = 'check' | 'sort' | 'merge' | 'pack';

/** Told now and then; counts grow within a phase. Bytes are those of entries, and of the file while packing. */
export type OnProgress = (
  done: { readonly entries: number; readonly bytes: number },
  phase: ArchivePhase,
) => void;

export interface CanonicalizeOptions {
  readonly disk: Disk;
  /** A folder that is there. */
  readonly spoolFolder: string;
  readonly list: TableList;
  /** A payload is read before the next is asked for. No entry may come twice. */
  readonly blocks: AsyncIterable<Payload>;
  /** Entries whose stamp is not after this are left out. */
  readonly expiredAt: number;
  readonly limits?: SortLimits;
  readonly onProgress?: OnProgress | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface CanonicalData {
  /** The data members, one behind another. The caller removes it. */
  readonly spool: Spool;
  readonly tables: readonly WrittenTable[];
  readonly watermarks: ReadonlyMap<string, Watermark>;
}

/** @throws SEGMENT_CORRUPT for what is no entry of these tables, or comes twice. */
export async function canonicalize(options: CanonicalizeOptions): Promise<CanonicalData> {
  const spool = await Spool.create(options.disk, options.spoolFolder);
  const work = new Work(options, spool);
  try {
    return await work.run();
  } catch (error) {
    await work.stop();
    await spool.remove();
    throw error;
  } finally {
    await work.removeRuns();
  }
}

class Work {
  readonly #options: CanonicalizeOptions;
  readonly #spool: Spool;
  readonly #out: MemberWriter;
  readonly #runs: Run[] = [];
  #runSpool: Spool | undefined;
  #entries = 0;
  #bytes = 0;

  constructor(options: CanonicalizeOptions, spool: Spool) {
    this.#options = options;
    this.#spool = spool;
    this.#out = new MemberWriter(spool);
  }

  async run(): Promise<CanonicalData> {
    const { list, signal } = this.#options;
    const buffer = await this.#collect();
    if (buffer !== undefined) await this.#writeSorted(buffer);
    else await this.#merge();
    signal?.throwIfAborted();
    const tables = await this.#out.finish(list.tables);
    return { spool: this.#spool, tables, watermarks: this.#out.watermarks };
  }

  /** Waits for what is under way, so that nothing writes to a file that is removed. */
  async stop(): Promise<void> {
    await this.#out.settle().catch(() => undefined);
  }

  async removeRuns(): Promise<void> {
    await this.#runSpool?.remove();
  }

  /** Everything, unsorted, if the buffer holds it; else it is in the runs. */
  async #collect(): Promise<SortBuffer | undefined> {
    const { list, blocks, expiredAt, limits, signal } = this.#options;
    const buffer = new SortBuffer(canonicalRules(list, BigInt(expiredAt)), limits);
    for await (const block of blocks) {
      signal?.throwIfAborted();
      if (!buffer.hasRoom(block)) await this.#spill(buffer);
      buffer.add(block);
      this.#progress('sort', block.entries, block.payload.length);
    }
    this.#entries = 0;
    this.#bytes = 0;
    if (this.#runs.length === 0) return buffer;
    await this.#spill(buffer);
    return undefined;
  }

  async #spill(buffer: SortBuffer): Promise<void> {
    const { disk, spoolFolder } = this.#options;
    this.#runSpool ??= await Spool.create(disk, spoolFolder);
    this.#runs.push(await writeRun(buffer, this.#runSpool));
    buffer.clear();
  }

  async #writeSorted(buffer: SortBuffer): Promise<void> {
    const out = this.#out;
    const place = { groupAt: 0, identityAt: 0, identityEnd: 0, end: 0 };
    const tables = new TableTurns(out, this.#options.list);
    for (const { table, group, entries, from } of buffer.sorted()) {
      tables.turn(table);
      out.beginGroup(group);
      const groupBytes = varintBytes(group);
      for (let i = from; i < from + entries; i++) {
        buffer.place(i, groupBytes, place);
        out.entry(buffer.bytes, place);
        if (out.crowded) await this.#room();
      }
      out.endGroup();
      this.#progress('merge', entries, 0);
    }
    tables.end();
  }

  async #merge(): Promise<void> {
    const spool = this.#runSpool;
    if (spool === undefined) return;
    await spool.flush();
    const cursors = await openRuns(spool, this.#runs);
    const tables = new TableTurns(this.#out, this.#options.list);
    for (let turn = lowest(cursors); turn[0]?.bucket !== undefined; turn = lowest(cursors)) {
      const { table, group } = turn[0].bucket;
      tables.turn(table);
      this.#out.beginGroup(group);
      if (turn.length === 1) await this.#copy(turn[0]);
      else await this.#mergeGroup(turn);
      this.#out.endGroup();
      for (const cursor of turn) {
        this.#progress('merge', cursor.bucket?.entries ?? 0, 0);
        await cursor.nextBucket();
      }
    }
    tables.end();
  }

  async #copy(cursor: RunCursor): Promise<void> {
    while (cursor.left > 0) {
      if (!cursor.ready) await cursor.load();
      cursor.advanceNow();
      this.#out.entry(cursor.bytes, cursor.place);
      if (this.#out.crowded) await this.#room();
    }
  }

  async #mergeGroup(cursors: readonly RunCursor[]): Promise<void> {
    const heap = new CursorHeap();
    for (const cursor of cursors) {
      if (!cursor.ready) await cursor.load();
      cursor.advanceNow();
      heap.push(cursor);
    }
    while (heap.size > 0) {
      const cursor = heap.top;
      this.#out.entry(cursor.bytes, cursor.place);
      if (this.#out.crowded) await this.#room();
      if (cursor.left === 0) {
        heap.pop();
        continue;
      }
      if (!cursor.ready) await cursor.load();
      cursor.advanceNow();
      heap.moved();
    }
  }

  async #room(): Promise<void> {
    this.#options.signal?.throwIfAborted();
    await this.#out.room();
  }

  #progress(phase: ArchivePhase, entries: number, bytes: number): void {
    this.#entries += entries;
    this.#bytes += bytes;
    this.#options.onProgress?.({ entries: this.#entries, bytes: this.#bytes }, phase);
  }
}

/** Begins and ends tables as their first and last groups come. */
class TableTurns {
  readonly #out: MemberWriter;
  readonly #list: TableList;
  #open = -1;

  constructor(out: MemberWriter, list: TableList) {
    this.#out = out;
    this.#list = list;
  }

  turn(table: number): void {
    if (table === this.#open) return;
    this.end();
    this.#out.beginTable(this.#list.tables[table] as TableList['tables'][number]);
    this.#open = table;
  }

  end(): void {
    if (this.#open >= 0) this.#out.endTable();
    this.#open = -1;
  }
}
