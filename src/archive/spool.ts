/**
 * A file for what does not fit in memory while an archive is made. It is never synced and never renamed: its name
 * ends in `.tmp`, so that a sweep of the folder removes what a lost process left.
 */
import { join } from 'node:path';
import { assert } from '../base/assert.js';
import type { Disk, ReadFile, WriteFile } from '../base/disk.js';
import { type Random, systemRandom } from '../base/random.js';
import { UNFINISHED_SUFFIX } from '../format/segment.js';

/** Appends are gathered up to this many bytes. */
const GATHER_BYTES = 256 * 1024;

export class Spool {
  readonly #disk: Disk;
  readonly #path: string;
  readonly #out: WriteFile;
  #in: ReadFile | undefined;
  #gathered = Buffer.allocUnsafeSlow(GATHER_BYTES);
  #used = 0;
  #bytes = 0;

  private constructor(disk: Disk, path: string, out: WriteFile) {
    this.#disk = disk;
    this.#path = path;
    this.#out = out;
  }

  /** In a folder that is there. */
  static async create(disk: Disk, folder: string, random: Random = systemRandom): Promise<Spool> {
    const path = join(folder, `${Buffer.from(random.bytes(12)).toString('hex')}${UNFINISHED_SUFFIX}`);
    return new Spool(disk, path, await disk.create(path, { exclusive: true }));
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** The bytes may be reused once this resolves. Calls must not overlap. */
  async append(bytes: Uint8Array): Promise<void> {
    this.#bytes += bytes.length;
    if (this.#used + bytes.length > GATHER_BYTES) await this.flush();
    if (bytes.length >= GATHER_BYTES) return await this.#out.append(bytes);
    this.#gathered.set(bytes, this.#used);
    this.#used += bytes.length;
  }

  /** What was appended so far can be read from here on. */
  async flush(): Promise<void> {
    if (this.#used === 0) return;
    await this.#out.append(this.#gathered.subarray(0, this.#used));
    this.#used = 0;
  }

  /** Fills `into` from `offset`, all of which was appended and flushed. */
  async read(into: Uint8Array, offset: number): Promise<void> {
    this.#in ??= await this.#disk.open(this.#path);
    for (let at = 0; at < into.length; ) {
      const count = await this.#in.read(into.subarray(at), offset + at);
      assert(count > 0, `byte ${offset + at} of a spool file`);
      at += count;
    }
  }

  /** Closes and removes it, whatever happened before. Never rejects: a sweep takes what stays. */
  async remove(): Promise<void> {
    this.#gathered = Buffer.alloc(0);
    await this.#out.close().catch(() => undefined);
    await this.#in?.close().catch(() => undefined);
    await this.#disk.remove(this.#path).catch(() => undefined);
  }
}
