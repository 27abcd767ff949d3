/**
 * Segments on a disk: immutable files `<sha256 of the file>.seg` in one folder. segment-layout.ts has the bytes.
 *
 * Invariants: a file with such a name is complete and durable; what is being written ends in `.tmp` and belongs
 * to nobody once its process is gone; equal content has one name, so writing it twice is harmless.
 */
import { createHash, type Hash } from 'node:crypto';
import { join } from 'node:path';
import { assert } from '../base/assert.js';
import type { Disk, ReadFile, WriteFile } from '../base/disk.js';
import { systemCode } from '../base/errors.js';
import { failpoint } from '../base/failpoint.js';
import { type Random, systemRandom } from '../base/random.js';
import { MAX_BLOCK_BYTES, SegmentEncoder } from './segment-layout.js';
import { readSegment, type SegmentBlock, segmentCorrupt } from './segment-read.js';

export const SEGMENT_NAME = /^[0-9a-f]{64}$/;
const SUFFIX = '.seg';
export const UNFINISHED_SUFFIX = '.tmp';

export interface WrittenSegment {
  /** SHA-256 of the file, in hex. */
  readonly name: string;
  /** Length of the file. */
  readonly bytes: number;
  readonly entries: number;
}

/** Writes one segment. After an error of `append` or `finish`, `discard` is all that may be called. */
export class SegmentWriter {
  readonly #disk: Disk;
  readonly #folder: string;
  readonly #path: string;
  readonly #file: WriteFile;
  readonly #hash: Hash = createHash('sha256');
  readonly #encoder = new SegmentEncoder();
  #bytes = 0;
  #state: 'open' | 'failed' | 'finished' | 'discarded' = 'open';

  private constructor(disk: Disk, folder: string, path: string, file: WriteFile) {
    this.#disk = disk;
    this.#folder = folder;
    this.#path = path;
    this.#file = file;
  }

  /** Begins a segment in a folder that is there. */
  static async create(disk: Disk, folder: string, random: Random = systemRandom): Promise<SegmentWriter> {
    const path = join(folder, `${Buffer.from(random.bytes(12)).toString('hex')}${UNFINISHED_SUFFIX}`);
    const file = await disk.create(path, { exclusive: true });
    const writer = new SegmentWriter(disk, folder, path, file);
    try {
      await writer.#guarded(() => writer.#write(writer.#encoder.header()));
    } catch (error) {
      await writer.discard();
      throw error;
    }
    return writer;
  }

  /** The file's length so far. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Adds whole entries as one block. The payload may be reused once this resolves. */
  append(payload: Uint8Array, entries: number): Promise<void> {
    assert(payload.length > 0 && payload.length <= MAX_BLOCK_BYTES, `a block of ${payload.length} bytes`);
    assert(entries > 0, 'a block without entries');
    return this.#guarded(async () => {
      await this.#write(this.#encoder.block(payload, entries));
      await this.#write(payload);
    });
  }

  /** Makes it durable under its name, which `register` hears before. */
  async finish(
    register: (segment: { readonly name: string; readonly bytes: number }) => void = () => undefined,
  ): Promise<WrittenSegment> {
    return await this.#guarded(async () => {
      await this.#write(this.#encoder.trailer());
      await this.#file.sync();
      await this.#file.close();
      failpoint('segment-synced');
      const name = this.#hash.digest('hex');
      register({ name, bytes: this.#bytes });
      await this.#disk.rename(this.#path, segmentPath(this.#folder, name));
      failpoint('segment-renamed');
      await this.#disk.syncFolder(this.#folder);
      this.#state = 'finished';
      return { name, bytes: this.#bytes, entries: this.#encoder.totals.entries };
    });
  }

  /** Gives it up and removes what was written. Does nothing after `finish` or a `discard` before. */
  async discard(): Promise<void> {
    if (this.#state === 'finished' || this.#state === 'discarded') return;
    this.#state = 'discarded';
    // Closing twice rejects, and after a failed `finish` it may be closed already; the file goes anyway.
    await this.#file.close().catch(() => undefined);
    await this.#disk.remove(this.#path);
  }

  async #guarded<T>(action: () => Promise<T>): Promise<T> {
    assert(this.#state === 'open', `the segment is ${this.#state}`);
    try {
      return await action();
    } catch (error) {
      this.#state = 'failed';
      throw error;
    }
  }

  async #write(bytes: Uint8Array): Promise<void> {
    this.#hash.update(bytes);
    await this.#file.append(bytes);
    this.#bytes += bytes.length;
  }
}

/**
 * Reads one segment, a block at a time. Blocks are checked before they are given out; that the file is the one its
 * name says is known, and thrown, only at the end: what was read counts once `blocks` has run out.
 */
export class SegmentReader {
  readonly name: string;
  /** Length of the file. */
  readonly bytes: number;
  readonly label: string;
  readonly #file: ReadFile;

  private constructor(name: string, bytes: number, label: string, file: ReadFile) {
    this.name = name;
    this.bytes = bytes;
    this.label = label;
    this.#file = file;
  }

  /** @throws TidemarkError SEGMENT_CORRUPT when it is not there. */
  static async open(disk: Disk, folder: string, name: string): Promise<SegmentReader> {
    const label = `segment ${name.slice(0, 64)}`;
    if (!SEGMENT_NAME.test(name)) throw segmentCorrupt(label, 0, 'this is no name of a segment');
    try {
      const file = await disk.open(segmentPath(folder, name));
      const { size } = await file.stat();
      return new SegmentReader(name, size, label, file);
    } catch (error) {
      if (systemCode(error) === 'ENOENT') throw segmentCorrupt(label, 0, 'the file is missing');
      throw error;
    }
  }

  /** All blocks in order; may be called once. With `reuse`, a payload is valid only until the next is asked for. */
  async *blocks(options: { readonly reuse?: boolean } = {}): AsyncGenerator<SegmentBlock, void> {
    const hash = createHash('sha256');
    const read = async (into: Uint8Array, offset: number) => {
      const count = await this.#file.read(into, offset);
      hash.update(into.subarray(0, count));
      return count;
    };
    yield* readSegment(read, this.bytes, this.label, options.reuse);
    const found = hash.digest('hex');
    if (found !== this.name)
      throw segmentCorrupt(this.label, 0, `the file is another one, with SHA-256 ${found}`);
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}

export function segmentPath(folder: string, name: string): string {
  return join(folder, `${name}${SUFFIX}`);
}
