/**
 * Goes through the entries of a run in order, without an `await` for each.
 *
 *     while (cursor.advance() || (await cursor.load())) …   entry at cursor.bytes[cursor.at, cursor.scan.end)
 *
 * What is current stays so until the next `advance` or `load`; its bytes stay until the next `load`.
 */
import { BytesDamaged } from '../codec/codec.js';
import { EntryScan } from '../format/entry-scan.js';
import { segmentCorrupt } from '../format/segment-corrupt.js';
import { BLOCK_HEAD_BYTES } from '../format/segment-layout.js';
import { checkBlock, keyPrefix, type RunIndex } from '../format/sorted-index.js';
import { MAX_GROUPS } from '../format/sorted-layout.js';
import { type RunSource, readFully } from './run-source.js';

/** What one read takes unless less is asked for, and more only for a larger block. */
export const READ_BYTES = 256 * 1024;
const NOTHING = Buffer.alloc(0);

/** Some of the entries of a run: of one table; of its key groups `fromGroup` to `toGroup`, both included; of one key. */
export interface RunRange {
  readonly table: number;
  readonly fromGroup?: number;
  readonly toGroup?: number;
  /** Encoded; `fromGroup` and `toGroup` are then its key group. */
  readonly key?: Uint8Array;
}

export class RunCursor {
  /** The current entry is `bytes[at, scan.end)`. */
  bytes: Buffer = NOTHING;
  at = 0;
  readonly scan = new EntryScan();
  /** Whether there is no current entry any more. */
  done = false;
  readonly #source: RunSource;
  readonly #readBytes: number;
  readonly #index: RunIndex;
  /** The range: buckets `#first` to `#last`, and how identities begin. */
  readonly #ranged: boolean;
  readonly #first: number;
  readonly #last: number;
  readonly #prefix: Buffer;
  /** The next block to be read, and the one after the last that may have entries of the range. */
  #next = 0;
  readonly #end: number;
  /** The block being gone through, which ends at `#limit`; entries left in it. */
  #block = -1;
  #limit = 0;
  #left = 0;
  #position = 0;
  /** The entry before: its bucket, and where its identity lies in `#before`. */
  #bucket = -1;
  #before: Buffer = NOTHING;
  #beforeAt = 0;
  #beforeEnd = 0;

  constructor(source: RunSource, index: RunIndex, range: RunRange | undefined, readBytes: number) {
    this.#source = source;
    this.#readBytes = readBytes;
    this.#index = index;
    this.#ranged = range !== undefined;
    this.#prefix = range?.key === undefined ? NOTHING : keyPrefix(range.key);
    if (range === undefined) {
      this.#first = 0;
      this.#last = Number.POSITIVE_INFINITY;
      this.#end = index.blocks;
      return;
    }
    const { table, fromGroup = 0, toGroup = MAX_GROUPS - 1 } = range;
    this.#first = table * MAX_GROUPS + fromGroup;
    this.#last = table * MAX_GROUPS + toGroup;
    const { length } = this.#prefix;
    this.#next = index.seek(table, fromGroup, this.#prefix, 0, length);
    this.#block = this.#next - 1;
    this.#end = index.end(this.#next, table, toGroup, this.#prefix, 0, length);
  }

  /** Comes to the next entry if it is in memory; false calls for `load`. @throws TidemarkError SEGMENT_CORRUPT */
  advance(): boolean {
    while (this.#left > 0 || this.#nextBlock()) {
      this.#step();
      if (!this.#ranged || this.#within()) return true;
    }
    return false;
  }

  /**
   * Reads on and comes to the next entry, after `advance` was false; false, and `done`, when there is none.
   * @throws TidemarkError SEGMENT_CORRUPT
   */
  async load(): Promise<boolean> {
    while (!this.done) {
      if (this.#next >= this.#end) {
        this.done = true;
        break;
      }
      await this.#read();
      if (this.advance()) return true;
    }
    return false;
  }

  /** Reads as many blocks as one read takes, at least one, and checks them. */
  async #read(): Promise<void> {
    const { blockAt, blockBytes } = this.#index;
    const first = this.#next;
    let bytes = blockBytes[first] as number;
    let end = first + 1;
    for (; end < this.#end; end++) {
      const more = blockBytes[end] as number;
      if (bytes + more > this.#readBytes) break;
      bytes += more;
    }
    this.#keepLast();
    if (this.bytes.length < bytes) this.bytes = Buffer.allocUnsafeSlow(bytes);
    await readFully(this.#source, this.bytes.subarray(0, bytes), blockAt[first] as number);
    let at = 0;
    for (let block = first; block < end; block++) {
      checkBlock(this.bytes, at, this.#index, block);
      at += blockBytes[block] as number;
    }
    this.#next = end;
    this.#block = first - 1;
    this.#position = 0;
    this.#limit = 0;
  }

  /** Copies the identity of the entry before out of the buffer that is about to be filled anew. */
  #keepLast(): void {
    this.#before = Buffer.from(this.#before.subarray(this.#beforeAt, this.#beforeEnd));
    this.#beforeEnd -= this.#beforeAt;
    this.#beforeAt = 0;
  }

  /** Goes to the next block in memory, if there is one. */
  #nextBlock(): boolean {
    if (this.#position !== this.#limit)
      throw this.#damaged(this.#position, 'bytes follow the entries of a block');
    const block = this.#block + 1;
    if (block >= this.#next) return false;
    this.#block = block;
    this.#left = this.#index.entries[block] as number;
    this.#position = this.#limit + BLOCK_HEAD_BYTES;
    this.#limit += this.#index.blockBytes[block] as number;
    return true;
  }

  /** Scans the next entry of the block. */
  #step(): void {
    const { scan, bytes } = this;
    const at = this.#position;
    try {
      scan.scan(bytes, at, this.#limit);
    } catch (error) {
      if (!(error instanceof BytesDamaged)) throw error;
      throw this.#damaged(error.offset, error.message);
    }
    const bucket = scan.table * MAX_GROUPS + scan.group;
    if (bucket < this.#bucket || (bucket === this.#bucket && !this.#ascends()))
      throw this.#damaged(at, 'an entry does not come after the one before');
    this.at = at;
    this.#position = scan.end;
    this.#left--;
    this.#bucket = bucket;
    this.#before = bytes;
    this.#beforeAt = scan.identityAt;
    this.#beforeEnd = scan.identityEnd;
  }

  #ascends(): boolean {
    const { bytes, scan } = this;
    const before = this.#before;
    const end = this.#beforeEnd;
    let there = scan.identityAt;
    for (let at = this.#beforeAt; at < end && there < scan.identityEnd; at++, there++) {
      const difference = (bytes[there] as number) - (before[at] as number);
      if (difference !== 0) return difference > 0;
    }
    return false;
  }

  /** Whether the current entry is in the range. Past it, nothing more is read. */
  #within(): boolean {
    const bucket = this.#bucket;
    if (bucket < this.#first || bucket > this.#last) return false;
    const prefix = this.#prefix;
    for (let i = 0; i < prefix.length; i++)
      if (prefix[i] !== this.bytes[this.scan.identityAt + i]) return false;
    return true;
  }

  #damaged(at: number, what: string): Error {
    const block = Math.max(this.#block, 0);
    const start = this.#limit - (this.#index.blockBytes[block] ?? 0);
    return segmentCorrupt(this.#index.label, (this.#index.blockAt[block] ?? 0) + at - start, what);
  }
}
