/**
 * Writes one run: a sorted segment `<sha256 of the file>.seg`, from entries that come in order. format/sorted-layout.ts
 * has the bytes.
 *
 *     entry ─▶ blocks of 4 KiB, in a buffer of 256 KiB ─▶ hash, append, in turn ─▶ filter, index, stats, tail
 *
 * Duties of the caller: `entry` for each, ascending by (table, key group, identity), each identity once; once
 * `crowded`, waits for `room` before the next; then `finish`. `discard` in its place, or after any error. What `finish`
 * is given to call, `register`, makes it known that the file will be there, before it is (a lease): a file of such a
 * name that nobody knows is leaked.
 *
 * Invariants: a file of that name is complete and durable; `*.tmp` belongs to nobody once its process is gone; equal
 * entries make equal files. Memory: buffers of 1 MiB, one entry, the index, and 10 bits a key.
 */
import { createHash, type Hash } from 'node:crypto';
import { join } from 'node:path';
import { assert } from '../base/assert.js';
import type { Disk, WriteFile } from '../base/disk.js';
import { TidemarkError } from '../base/errors.js';
import { failpoint } from '../base/failpoint.js';
import { type Random, systemRandom } from '../base/random.js';
import { segmentPath, UNFINISHED_SUFFIX } from '../format/segment.js';
import { BLOCK_HEAD_BYTES, MAX_BLOCK_BYTES, SEGMENT_FLAG, SegmentEncoder } from '../format/segment-layout.js';
import { MAX_INDEX_BYTES, SORTED_BLOCK_BYTES, type TableStats } from '../format/sorted-layout.js';
import { SortedSections } from '../format/sorted-sections.js';

/** What one write takes, and more only for a larger entry. */
const WRITE_BYTES = 256 * 1024;
/** Room for the block that passes it. */
const BUFFER_BYTES = WRITE_BYTES + BLOCK_HEAD_BYTES + SORTED_BLOCK_BYTES;
/** Buffers on their way to the disk before the caller has to wait. */
const MAX_IN_FLIGHT = 2;
/** Below this a loop is faster than a call out of JavaScript. */
const FEW_BYTES = 64;

/** Where an entry lies in the bytes given; an EntryScan is one. The flags follow the identity. */
export interface EntryPlace {
  readonly table: number;
  readonly group: number;
  readonly identityAt: number;
  readonly identityEnd: number;
  readonly end: number;
}

export interface WrittenRun {
  /** SHA-256 of the file, in hex. */
  readonly name: string;
  /** Length of the file. */
  readonly bytes: number;
  /** Tombstones included. */
  readonly entries: number;
  /** Ascending; those with entries. */
  readonly tables: readonly TableStats[];
}

/** Makes a file known before it has its name. */
export type RegisterRun = (segment: {
  readonly name: string;
  readonly bytes: number;
}) => void | Promise<void>;

export class RunWriter {
  readonly #disk: Disk;
  readonly #folder: string;
  readonly #path: string;
  readonly #file: WriteFile;
  readonly #hash: Hash = createHash('sha256');
  readonly #encoder = new SegmentEncoder();
  readonly #pages: Buffer[] = [];
  readonly #sections = new SortedSections((page) => this.#pages.push(page));
  readonly #free: Buffer[] = [];
  readonly #inFlight: Promise<void>[] = [];
  #buffer: Buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES);
  #used = 0;
  /** Where the open block begins, with room for its head; it has `#entries`. */
  #blockAt = 0;
  #entries = 0;
  /** Bytes handed over for writing. */
  #handed = 0;
  #failure: { readonly error: unknown } | undefined;
  #state: 'open' | 'failed' | 'finished' | 'discarded' = 'open';

  private constructor(disk: Disk, folder: string, path: string, file: WriteFile) {
    this.#disk = disk;
    this.#folder = folder;
    this.#path = path;
    this.#file = file;
    this.#put(this.#encoder.header(SEGMENT_FLAG.sorted));
    this.#blockAt = this.#used;
  }

  /** Begins a run in a folder that is there. */
  static async create(disk: Disk, folder: string, random: Random = systemRandom): Promise<RunWriter> {
    const path = join(folder, `${Buffer.from(random.bytes(12)).toString('hex')}${UNFINISHED_SUFFIX}`);
    return new RunWriter(disk, folder, path, await disk.create(path, { exclusive: true }));
  }

  /** The file's length so far, without what will follow the blocks. */
  get bytes(): number {
    return this.#handed + this.#used;
  }

  /** Takes the entry that lies in `bytes[from, place.end)`. It is copied. */
  entry(bytes: Uint8Array, place: EntryPlace, from: number): void {
    const length = place.end - from;
    const payload = this.#used - this.#blockAt - BLOCK_HEAD_BYTES;
    if (this.#entries > 0 && payload + length > SORTED_BLOCK_BYTES) this.#cut();
    if (this.#entries++ === 0) this.#open(length);
    const at = this.#used;
    this.#copy(bytes, from, place.end);
    const shift = at - from;
    const { table, group } = place;
    const [identityAt, identityEnd] = [place.identityAt + shift, place.identityEnd + shift];
    const ascends = this.#sections.add(table, group, this.#buffer, identityAt, identityEnd, length);
    if (!ascends) this.#disorder(place);
  }

  /** Whether the caller should wait for `room`. */
  get crowded(): boolean {
    return this.#inFlight.length > MAX_IN_FLIGHT;
  }

  /** Resolves when less is under way. @throws what went wrong with the disk. */
  async room(): Promise<void> {
    while (this.crowded) await this.#oldest();
    this.#check();
  }

  /** Makes it durable under its name. */
  async finish(register: RegisterRun): Promise<WrittenRun> {
    assert(this.#state === 'open', `the run is ${this.#state}`);
    this.#state = 'failed';
    if (this.#entries > 0) this.#cut();
    this.#hand();
    const { totals } = this.#encoder;
    const { index, stats, tail, tables } = this.#sections.finish(totals);
    if (index.length > MAX_INDEX_BYTES) throw tooLarge(index.length);
    for (const part of [this.#encoder.trailer(), ...this.#pages, index, stats, tail]) this.#put(part);
    this.#hand();
    while (this.#inFlight.length > 0) await this.#oldest();
    this.#check();
    await this.#file.sync();
    await this.#file.close();
    failpoint('run-synced');
    const name = this.#hash.digest('hex');
    const bytes = this.#handed;
    await register({ name, bytes });
    await this.#disk.rename(this.#path, segmentPath(this.#folder, name));
    failpoint('run-renamed');
    this.#state = 'finished';
    await this.#disk.syncFolder(this.#folder);
    return { name, bytes, entries: totals.entries, tables };
  }

  /**
   * Gives it up and removes what was written. Does nothing after a `discard` before, nor once the file has its name:
   * it is then what `register` was told.
   */
  async discard(): Promise<void> {
    if (this.#state === 'finished' || this.#state === 'discarded') return;
    this.#state = 'discarded';
    await Promise.all(this.#inFlight);
    // Closing twice rejects, and after a failed `finish` it may be closed already; the file goes anyway.
    await this.#file.close().catch(() => undefined);
    await this.#disk.remove(this.#path);
  }

  /** Makes room for the block that an entry of this length begins. */
  #open(length: number): void {
    const needed = this.#used + BLOCK_HEAD_BYTES + Math.max(length, SORTED_BLOCK_BYTES);
    if (needed > this.#buffer.length) {
      this.#hand();
      if (BLOCK_HEAD_BYTES + length > this.#buffer.length)
        this.#buffer = Buffer.allocUnsafeSlow(BLOCK_HEAD_BYTES + length);
    }
    this.#blockAt = this.#used;
    this.#used += BLOCK_HEAD_BYTES;
  }

  #cut(): void {
    const start = this.#blockAt + BLOCK_HEAD_BYTES;
    const payload = this.#buffer.subarray(start, this.#used);
    assert(payload.length <= MAX_BLOCK_BYTES, `an entry of ${payload.length} bytes`);
    this.#encoder.block(payload, this.#entries).copy(this.#buffer, this.#blockAt);
    this.#sections.endBlock(payload.length);
    this.#entries = 0;
    if (this.#used >= WRITE_BYTES) this.#hand();
    this.#blockAt = this.#used;
  }

  /** Below a few bytes by hand. */
  #copy(bytes: Uint8Array, from: number, end: number): void {
    const target = this.#buffer;
    let at = this.#used;
    this.#used = at + end - from;
    if (end - from > FEW_BYTES) target.set(bytes.subarray(from, end), at);
    else for (let i = from; i < end; i++) target[at++] = bytes[i] as number;
  }

  /** Bytes that are no block, and may be longer than the buffer. */
  #put(bytes: Buffer): void {
    for (let done = 0; done < bytes.length; ) {
      if (this.#used === this.#buffer.length) this.#hand();
      const count = bytes.copy(this.#buffer, this.#used, done);
      this.#used += count;
      done += count;
    }
  }

  /** Hands the buffer over for writing, in turn. */
  #hand(): void {
    if (this.#used === 0) return;
    this.#sections.hold();
    const buffer = this.#buffer;
    const bytes = buffer.subarray(0, this.#used);
    this.#handed += bytes.length;
    const before = this.#inFlight.at(-1);
    this.#inFlight.push(this.#append(bytes, before, buffer));
    this.#buffer = this.#free.pop() ?? Buffer.allocUnsafeSlow(BUFFER_BYTES);
    this.#used = 0;
  }

  /** Never rejects: what goes wrong is kept for `room` and `finish`. */
  async #append(bytes: Buffer, before: Promise<void> | undefined, buffer: Buffer): Promise<void> {
    this.#hash.update(bytes);
    await before;
    if (this.#failure !== undefined) return;
    try {
      await this.#file.append(bytes);
      if (buffer.length === BUFFER_BYTES) this.#free.push(buffer);
    } catch (error) {
      this.#failure = { error };
    }
  }

  async #oldest(): Promise<void> {
    await this.#inFlight[0];
    this.#inFlight.shift();
  }

  #check(): void {
    if (this.#failure === undefined) return;
    if (this.#state === 'open') this.#state = 'failed';
    throw this.#failure.error;
  }

  #disorder({ table, group }: EntryPlace): never {
    assert(false, `an entry of table ${table}, key group ${group}, does not come after the one before`);
  }
}

function tooLarge(bytes: number): TidemarkError {
  return new TidemarkError(
    'DISK_ERROR',
    `an index of ${bytes} bytes is over the limit of ${MAX_INDEX_BYTES}`,
    {
      hint: 'use the memory backend, whose checkpoints have no index, or drop state that is not needed',
    },
  );
}
