/**
 * What the kept runs hold, looked up at once, between two elements: the newest run that has an entry says what it is.
 *
 * A look-up costs, for each run, a search in its index, in memory, and a look at a page of its filter; and for the run
 * that has the key one block of 4 KiB. Pages and blocks are cached (block-cache.ts); what is in one file is never in
 * another, for names are hashes, so nothing is ever invalidated, only forgotten with its run.
 *
 * Invariant: whatever is read is checked before it is believed; damage is SEGMENT_CORRUPT with the file and the offset.
 */
import type { SyncDisk } from '../../base/disk.js';
import { BytesDamaged } from '../../codec/codec.js';
import { EntryScan } from '../../format/entry-scan.js';
import { segmentCorrupt } from '../../format/segment-corrupt.js';
import { BLOCK_HEAD_BYTES } from '../../format/segment-layout.js';
import { keyHash } from '../../format/sorted-filter.js';
import { BlockCache } from './block-cache.js';
import { DiskRun, type Meter } from './disk-run.js';
import { KeyCursor, startsWith } from './key-cursor.js';
import type { Probe } from './probe.js';

/** An entry in a block; good until the next look-up. */
export interface Found {
  readonly bytes: Buffer;
  readonly scan: EntryScan;
  /** Says where in which file the bytes of the entry are not what they should be; offsets are those of `bytes`. */
  damaged(error: BytesDamaged): Error;
}

export class SegmentStore {
  readonly #disk: SyncDisk;
  readonly #folder: string;
  readonly #cache: BlockCache;
  readonly #meter: Meter = { reads: 0, bytes: 0 };
  /** By name; oldest first. */
  #runs = new Map<string, DiskRun>();
  #newestFirst: readonly DiskRun[] = [];
  readonly #hit = new Hit();

  /** `cacheBytes` are for blocks, filter pages and the indexes of the runs, outside the JavaScript heap. */
  constructor(disk: SyncDisk, folder: string, cacheBytes: number) {
    this.#disk = disk;
    this.#folder = folder;
    this.#cache = new BlockCache(cacheBytes);
  }

  get empty(): boolean {
    return this.#newestFirst.length === 0;
  }

  get reads(): number {
    return this.#meter.reads;
  }

  get bytesRead(): number {
    return this.#meter.bytes;
  }

  /** Bytes of blocks and pages that are cached. */
  get cachedBytes(): number {
    return this.#cache.bytes;
  }

  /**
   * The runs to look into from now on, oldest first. Opens new ones, closes those gone; when one cannot be opened, all is
   * as before. @throws TidemarkError SEGMENT_CORRUPT, also for a missing file.
   */
  setRuns(names: readonly string[]): void {
    const runs = new Map<string, DiskRun>();
    const opened: DiskRun[] = [];
    try {
      for (const name of names) {
        const run = runs.get(name) ?? this.#runs.get(name) ?? this.#open(name, opened);
        // Of two that are equal the newer counts: it hides what lies between them.
        runs.delete(name);
        runs.set(name, run);
      }
    } catch (error) {
      for (const run of opened) run.close();
      throw error;
    }
    for (const [name, run] of this.#runs) if (!runs.has(name)) run.close();
    this.#runs = runs;
    this.#newestFirst = [...runs.values()].reverse();
  }

  /** The newest entry of a key without map key, or undefined where there is none or it is a tombstone. */
  find(table: number, probe: Probe): Found | undefined {
    const runs = this.#newestFirst;
    if (runs.length === 0) return undefined;
    const hash = keyHash(table, probe.group, probe.bytes, probe.keyAt, probe.keyEnd);
    for (const run of runs) {
      if (this.#hit.find(run, table, probe, hash)) return this.#hit.scan.tombstone ? undefined : this.#hit;
    }
    return undefined;
  }

  /** Gives every entry of a key that is not a tombstone, the newest of each identity, in the order of identities. */
  scanKey(table: number, probe: Probe, visit: (entry: Found) => void): void {
    const hash = keyHash(table, probe.group, probe.bytes, probe.keyAt, probe.keyEnd);
    const open: KeyCursor[] = [];
    try {
      for (const run of this.#newestFirst) {
        const cursor = new KeyCursor(run, table, probe, hash);
        open.push(cursor);
        if (!cursor.advance()) open.pop()?.close();
      }
      mergeCursors(open, visit);
    } finally {
      for (const cursor of open) cursor.close();
    }
  }

  close(): void {
    this.setRuns([]);
  }

  #open(name: string, opened: DiskRun[]): DiskRun {
    const run = DiskRun.open(this.#disk, this.#folder, name, this.#cache, this.#meter);
    opened.push(run);
    return run;
  }
}

/** An entry looked up by its identity. */
class Hit implements Found {
  readonly scan = new EntryScan();
  bytes: Buffer = Buffer.alloc(0);
  #run: DiskRun | undefined = undefined;
  #block = 0;

  find(run: DiskRun, table: number, probe: Probe, hash: number): boolean {
    const { index } = run;
    const { group, bytes, from, end } = probe;
    let block = index.seek(table, group, bytes, from, end);
    for (; index.mayHold(block, table, group, bytes, from, end); block++) {
      if (!run.mayHave(block, hash)) continue;
      this.#run = run;
      this.#block = block;
      this.bytes = run.block(block);
      if (this.#search(index.blockBytes[block] as number, table, probe)) return true;
    }
    return false;
  }

  damaged(error: BytesDamaged): Error {
    const at = this.#run?.index.blockAt[this.#block] ?? 0;
    return segmentCorrupt(this.#run?.label ?? '', at + error.offset, error.message);
  }

  #search(blockEnd: number, table: number, probe: Probe): boolean {
    const { scan, bytes } = this;
    const { group, from, end } = probe;
    const length = end - from;
    const wanted = probe.bytes;
    try {
      for (let at = BLOCK_HEAD_BYTES; at < blockEnd; at = scan.end) {
        scan.scan(bytes, at, blockEnd);
        if (scan.identityEnd - scan.identityAt !== length || scan.group !== group) continue;
        if (scan.table !== table) continue;
        if (startsWith(bytes, scan.identityAt, scan.identityEnd, wanted, from, end)) return true;
      }
      return false;
    } catch (error) {
      throw error instanceof BytesDamaged ? this.damaged(error) : error;
    }
  }
}

/** `open`: newest first, each on an entry. Those that end are closed and taken out. */
function mergeCursors(open: KeyCursor[], visit: (entry: Found) => void): void {
  for (;;) {
    let least = open[0];
    if (least === undefined) return;
    for (let i = 1; i < open.length; i++) {
      const cursor = open[i] as KeyCursor;
      // Among equals the newest stays.
      if (compareIdentities(cursor, least) < 0) least = cursor;
    }
    if (!least.scan.tombstone) visit(least);
    // From the back: what ends is taken out. The least one itself must be last, for it is compared with.
    for (let i = open.length - 1; i >= 0; i--) {
      const cursor = open[i] as KeyCursor;
      if (cursor !== least && compareIdentities(cursor, least) === 0) step(open, i);
    }
    step(open, open.indexOf(least));
  }
}

function step(open: KeyCursor[], at: number): void {
  const cursor = open[at] as KeyCursor;
  if (cursor.advance()) return;
  cursor.close();
  open.splice(at, 1);
}

function compareIdentities(a: KeyCursor, b: KeyCursor): number {
  return a.bytes.compare(
    b.bytes,
    b.scan.identityAt,
    b.scan.identityEnd,
    a.scan.identityAt,
    a.scan.identityEnd,
  );
}
