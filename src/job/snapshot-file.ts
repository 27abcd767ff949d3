/**
 * A snapshot's bytes on their way from the data thread to a segment file. Chunks are written in order while more
 * arrive; each buffer goes back as soon as it is written, which is what bounds memory.
 */

import type { Disk } from '../base/disk.js';
import { TidemarkError, toTidemarkError } from '../base/errors.js';
import type { SegmentRecord } from '../catalog/records.js';
import { SegmentWriter } from '../format/segment.js';
import type { SnapshotSink, WrittenSnapshot } from './written-snapshot.js';

/** Leases a segment before it has its name, and gives the lease up. */
export interface Leases {
  lease(segment: SegmentRecord): void;
  /** A checkpoint refers to it now, or nothing ever will. */
  release(name: string): void;
}

export class SnapshotFile implements SnapshotSink {
  readonly #disk: Disk;
  readonly #folder: string;
  readonly #leases: Leases;
  readonly #giveBack: (buffer: Uint8Array) => void;
  #leased: string | undefined;
  #writer: SegmentWriter | undefined;
  #queue: Promise<void> = Promise.resolve();
  #failure: TidemarkError | undefined;

  /** `giveBack` is called once for every chunk, also when writing failed. */
  constructor(disk: Disk, folder: string, leases: Leases, giveBack: (buffer: Uint8Array) => void) {
    this.#disk = disk;
    this.#folder = folder;
    this.#leases = leases;
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
  async finish(): Promise<WrittenSnapshot> {
    await this.#queue;
    if (this.#failure !== undefined) {
      await this.discard();
      throw this.#failure;
    }
    try {
      this.#writer ??= await SegmentWriter.create(this.#disk, this.#folder);
      const { name, bytes } = await this.#writer.finish((segment) => {
        this.#leased = segment.name;
        this.#leases.lease(segment);
      });
      return { segments: [{ name, bytes }], mode: 'full', bytesOf: () => undefined };
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
    this.release();
  }

  release(): void {
    if (this.#leased !== undefined) this.#leases.release(this.#leased);
    this.#leased = undefined;
  }

  #then(act: () => Promise<void>, chunk: Uint8Array): void {
    this.#queue = this.#queue.then(act).catch((error: unknown) => {
      this.#failure ??= toTidemarkError(error, 'writing a checkpoint');
      this.#giveBack(chunk);
    });
  }
}
