/**
 * A snapshot's bytes on their way from the data thread to a segment file. Chunks are written in order while more
 * arrive; each buffer goes back as soon as it is written, which is what bounds memory.
 */

import type { Disk } from '../base/disk.js';
import { TidemarkError, toTidemarkError } from '../base/errors.js';
import { SegmentWriter, type WrittenSegment } from '../format/segment.js';

export class SnapshotFile {
  readonly #disk: Disk;
  readonly #folder: string;
  readonly #giveBack: (buffer: Uint8Array) => void;
  #writer: SegmentWriter | undefined;
  #queue: Promise<void> = Promise.resolve();
  #failure: TidemarkError | undefined;

  /** `giveBack` is called once for every chunk, also when writing failed. */
  constructor(disk: Disk, folder: string, giveBack: (buffer: Uint8Array) => void) {
    this.#disk = disk;
    this.#folder = folder;
    this.#giveBack = giveBack;
  }

  /** Takes a chunk; the first `used` bytes hold `entries` whole entries. */
  add(chunk: Uint8Array, used: number, entries: number): void {
    this.#then(async () => {
      if (this.#failure === undefined) {
        this.#writer ??= await SegmentWriter.create(this.#disk, this.#folder);
        await this.#writer.append(chunk.subarray(0, used), entries);
      }
      this.#giveBack(chunk);
    }, chunk);
  }

  /** The file is whole and durable under its name. Rejects with what went wrong on the way. */
  async finish(): Promise<WrittenSegment> {
    await this.#queue;
    if (this.#failure !== undefined) {
      await this.discard();
      throw this.#failure;
    }
    try {
      this.#writer ??= await SegmentWriter.create(this.#disk, this.#folder);
      return await this.#writer.finish();
    } catch (error) {
      await this.discard();
      throw toTidemarkError(error, 'writing a checkpoint');
    }
  }

  /** Removes what was written. */
  async discard(): Promise<void> {
    this.#failure ??= new TidemarkError('CHECKPOINT_FAILED', 'the checkpoint was given up');
    await this.#queue;
    await this.#writer?.discard().catch(() => undefined);
  }

  #then(act: () => Promise<void>, chunk: Uint8Array): void {
    this.#queue = this.#queue.then(act).catch((error: unknown) => {
      this.#failure ??= toTidemarkError(error, 'writing a checkpoint');
      this.#giveBack(chunk);
    });
  }
}
