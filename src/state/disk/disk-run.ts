/**
 * One sorted segment, open for reading at once. Opening it reads its header, tail and index; blocks and filter pages are
 * read one by one when they are needed, and checked each time they are.
 */
import type { SyncDisk, SyncFile } from '../../base/disk.js';
import { systemCode } from '../../base/errors.js';
import { segmentPath } from '../../format/segment.js';
import { segmentCorrupt } from '../../format/segment-corrupt.js';
import { HEADER_BYTES, isSorted, TRAILER_BYTES } from '../../format/segment-layout.js';
import { checkFound } from '../../format/segment-read.js';
import { mayContain } from '../../format/sorted-filter.js';
import { checkBlock, checkPage, RunIndex } from '../../format/sorted-index.js';
import { decodeTail, TAIL_BYTES } from '../../format/sorted-layout.js';
import { type BlockCache, type Holder, PLACE_BYTES } from './block-cache.js';

/** Counts what was read from the disk, over all runs. */
export interface Meter {
  reads: number;
  bytes: number;
}

export class DiskRun implements Holder {
  readonly label: string;
  readonly index: RunIndex;
  /** By block, then by page. */
  readonly placeOf: Int32Array;
  readonly #file: SyncFile;
  readonly #cache: BlockCache;
  readonly #meter: Meter;

  private constructor(file: SyncFile, label: string, cache: BlockCache, meter: Meter) {
    this.#file = file;
    this.label = label;
    this.#cache = cache;
    this.#meter = meter;
    this.index = this.#readIndex();
    this.placeOf = new Int32Array(this.index.blocks + this.index.pages);
    cache.reserve(this.memory);
  }

  /** @throws TidemarkError SEGMENT_CORRUPT, also for a segment that is missing or not sorted; FORMAT_NEWER. */
  static open(disk: SyncDisk, folder: string, name: string, cache: BlockCache, meter: Meter): DiskRun {
    const label = `segment ${name}`;
    const file = openFile(disk, segmentPath(folder, name), label);
    try {
      return new DiskRun(file, label, cache, meter);
    } catch (error) {
      file.close();
      throw error;
    }
  }

  /** Bytes of memory it takes, cached blocks aside. */
  get memory(): number {
    return this.index.memory + 4 * (this.index.blocks + this.index.pages);
  }

  close(): void {
    this.#cache.release(this);
    this.#cache.reserve(-this.memory);
    this.#file.close();
  }

  /** Whether a block may have entries of the key with this hash. */
  mayHave(block: number, hash: number): boolean {
    const page = this.index.pageOf[block] as number;
    const bytes = this.index.pageBytes[page] as number;
    return mayContain(this.#page(page).subarray(0, bytes), hash);
  }

  /** The bytes of a block, from its head on, and maybe others after them; good until the next one is read, or pinned. */
  block(block: number): Buffer {
    const kept = this.placeOf[block] as number;
    if (kept > 0) return this.#cache.at(kept - 1);
    const { index } = this;
    const length = index.blockBytes[block] as number;
    const offset = index.blockAt[block] as number;
    if (length > PLACE_BYTES) {
      const bytes = this.#fill(Buffer.allocUnsafeSlow(length), offset, length);
      checkBlock(bytes, 0, index, block);
      return bytes;
    }
    return this.#keep(block, length, offset);
  }

  pin(block: number): void {
    const place = this.placeOf[block] as number;
    if (place > 0) this.#cache.pin(place - 1);
  }

  unpin(block: number): void {
    const place = this.placeOf[block] as number;
    if (place > 0) this.#cache.unpin(place - 1);
  }

  #page(page: number): Buffer {
    const { index } = this;
    const at = index.blocks + page;
    const kept = this.placeOf[at] as number;
    if (kept > 0) return this.#cache.at(kept - 1);
    const length = index.pageBytes[page] as number;
    return this.#keep(at, length, index.pageAt[page] as number);
  }

  /** Reads the block, or the page counted after the blocks, into a place of the cache, where it stays if it is sound. */
  #keep(at: number, length: number, offset: number): Buffer {
    const { index } = this;
    const place = this.#cache.claim(this, at);
    const bytes = this.#cache.bytesOf(place);
    try {
      // As much as there is room for: taking a shorter view of the place costs more than a few bytes.
      this.#fill(bytes, offset, length);
      if (at < index.blocks) checkBlock(bytes, 0, index, at);
      else checkPage(bytes.subarray(0, length), index, at - index.blocks);
    } catch (error) {
      this.#cache.giveBack(place);
      throw error;
    }
    return bytes;
  }

  #readIndex(): RunIndex {
    const { size } = this.#file;
    const { label } = this;
    if (size < HEADER_BYTES + TRAILER_BYTES + TAIL_BYTES)
      throw segmentCorrupt(label, size, `the file ends after ${size} bytes`);
    const header = this.#fill(Buffer.alloc(HEADER_BYTES), 0);
    checkFound(header, label);
    if (!isSorted(header)) throw segmentCorrupt(label, 0, 'its entries are not sorted');
    const tail = decodeTail(this.#fill(Buffer.alloc(TAIL_BYTES), size - TAIL_BYTES), size, label);
    const section = this.#fill(Buffer.allocUnsafeSlow(tail.indexBytes), tail.indexAt);
    return new RunIndex(section, tail, label);
  }

  /** Reads at least `least` bytes, and no more than fit. */
  #fill(into: Buffer, offset: number, least = into.length): Buffer {
    for (let at = 0; at < least; ) {
      const count = this.#file.read(at === 0 ? into : into.subarray(at), offset + at);
      if (count === 0) throw segmentCorrupt(this.label, offset + at, 'the file ends too early');
      this.#meter.reads++;
      this.#meter.bytes += count;
      at += count;
    }
    return into;
  }
}

function openFile(disk: SyncDisk, path: string, label: string): SyncFile {
  try {
    return disk.openSync(path);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') throw segmentCorrupt(label, 0, 'the file is missing');
    throw error;
  }
}
