/**
 * Goes over the entries of one key in one run, in order of identity. The block it stands on is pinned, so that several
 * cursors can be looked at together; whoever opens one closes it.
 */
import { BytesDamaged } from '../../codec/codec.js';
import { EntryScan } from '../../format/entry-scan.js';
import { segmentCorrupt } from '../../format/segment-corrupt.js';
import { BLOCK_HEAD_BYTES } from '../../format/segment-layout.js';
import type { DiskRun } from './disk-run.js';
import type { Probe } from './probe.js';
import type { Found } from './segment-store.js';

const NO_BLOCK = -1;

export class KeyCursor implements Found {
  readonly scan = new EntryScan();
  bytes: Buffer = Buffer.alloc(0);
  readonly run: DiskRun;
  readonly #table: number;
  readonly #probe: Probe;
  readonly #hash: number;
  #block: number;
  #pinned = NO_BLOCK;
  /** Where the next entry begins, and the block ends. */
  #at = 0;
  #end = 0;
  /** Whether an entry of the key was seen. */
  #within = false;

  constructor(run: DiskRun, table: number, probe: Probe, hash: number) {
    this.run = run;
    this.#table = table;
    this.#probe = probe;
    this.#hash = hash;
    const { bytes, group, from, keyEnd } = probe;
    this.#block = run.index.seek(table, group, bytes, from, keyEnd) - 1;
  }

  /** Goes to the next entry of the key, the first at first. False when there is none. */
  advance(): boolean {
    try {
      for (;;) {
        while (this.#at < this.#end) {
          this.scan.scan(this.bytes, this.#at, this.#end);
          this.#at = this.scan.end;
          if (this.#matches()) {
            this.#within = true;
            return true;
          }
          if (this.#within) return false;
        }
        if (!this.#nextBlock()) return false;
      }
    } catch (error) {
      throw error instanceof BytesDamaged ? this.damaged(error) : error;
    }
  }

  close(): void {
    if (this.#pinned !== NO_BLOCK) this.run.unpin(this.#pinned);
    this.#pinned = NO_BLOCK;
  }

  damaged(error: BytesDamaged): Error {
    const { index, label } = this.run;
    return segmentCorrupt(label, (index.blockAt[this.#block] as number) + error.offset, error.message);
  }

  /** The next block that may have entries of the key. */
  #nextBlock(): boolean {
    const { bytes, group, from, keyEnd } = this.#probe;
    const { index } = this.run;
    for (;;) {
      this.#block++;
      if (!index.mayHold(this.#block, this.#table, group, bytes, from, keyEnd)) return false;
      if (this.run.mayHave(this.#block, this.#hash)) break;
    }
    this.close();
    this.bytes = this.run.block(this.#block);
    this.run.pin(this.#block);
    this.#pinned = this.#block;
    this.#at = BLOCK_HEAD_BYTES;
    this.#end = index.blockBytes[this.#block] as number;
    return true;
  }

  #matches(): boolean {
    const { scan, bytes } = this;
    const probe = this.#probe;
    if (scan.table !== this.#table || scan.group !== probe.group) return false;
    return startsWith(bytes, scan.identityAt, scan.identityEnd, probe.bytes, probe.from, probe.keyEnd);
  }
}

/** Whether `bytes[at, end)` begins with `prefix[from, to)`. */
export function startsWith(
  bytes: Uint8Array,
  at: number,
  end: number,
  prefix: Uint8Array,
  from: number,
  to: number,
): boolean {
  if (end - at < to - from) return false;
  // Keys that lie beside each other differ at their ends.
  for (let i = to - from - 1; i >= 0; i--) if (bytes[at + i] !== prefix[from + i]) return false;
  return true;
}
