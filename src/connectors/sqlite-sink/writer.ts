/**
 * Stages the rows of one subtask: checks and encodes at once, appends in the background, in order.
 *
 * Invariants: elements written before `prepare` is called are in its transaction, those after in the next; at most
 * `BUFFER_BYTES` plus one batch waits in memory; after a failure every call rejects with it, and what was not
 * prepared is never committed.
 */
import { join } from 'node:path';
import { present } from '../../base/assert.js';
import type { WriteFile } from '../../base/disk.js';
import { TidemarkError } from '../../base/errors.js';
import type { SinkWriter, WriterContext } from '../../graph/sink.js';
import { DiskQueue } from '../file-sink/disk-queue.js';
import { pendingName } from '../file-sink/names.js';
import { MAGIC, MAX_FRAME_BYTES, RowFrames, type StagedRow } from './staged-rows.js';
import type { SqliteTransaction } from './transaction.js';

/** Encoded bytes that may wait to be appended before `write` makes its caller wait. */
export const BUFFER_BYTES = 4 * 1024 * 1024;

interface Open {
  readonly pending: string;
  readonly frames: RowFrames;
  file: WriteFile | undefined;
  bytes: number;
}

export interface StagingOptions<T> {
  /** Where rows are staged, absolute. */
  readonly folder: string;
  stage(element: T): StagedRow;
}

export class StagingWriter<T> implements SinkWriter<T, SqliteTransaction> {
  readonly #context: WriterContext;
  readonly #options: StagingOptions<T>;
  #seq = 0;
  #open: Open | undefined;
  /** Bytes handed to the disk and not yet written. */
  #underWay = 0;
  readonly #queue: DiskQueue;
  readonly #files = new Set<WriteFile>();

  constructor(context: WriterContext, options: StagingOptions<T>) {
    this.#context = context;
    this.#options = options;
    this.#queue = new DiskQueue(`sink ${context.sink}, staging rows in ${options.folder}`);
  }

  write(elements: readonly T[]): void | Promise<void> {
    this.#queue.check();
    if (elements.length === 0) return;
    this.#stage(this.#begin(), elements);
    if (this.#underWay < BUFFER_BYTES) return;
    return this.#queue.settled();
  }

  async prepare(): Promise<SqliteTransaction | undefined> {
    this.#queue.check();
    const open = this.#open;
    this.#open = undefined;
    if (open === undefined) return undefined;
    this.#flush(open);
    this.#queue.add(() => this.#seal(open));
    await this.#queue.settled();
    return { pending: open.pending, bytes: open.bytes, rows: open.frames.rows };
  }

  /** Gives up the running transaction: it was never prepared, so no snapshot knows of its file. */
  async close(): Promise<void> {
    const open = this.#open;
    this.#open = undefined;
    await this.#queue.idle;
    for (const file of this.#files) await file.close();
    this.#files.clear();
    if (open !== undefined) await this.#context.disk.remove(join(this.#options.folder, open.pending));
  }

  /** An element that is refused fails the writer: half a batch must not be committed. */
  #stage(open: Open, elements: readonly T[]): void {
    try {
      for (const element of elements) {
        const bytes = open.frames.add(this.#options.stage(element));
        if (bytes > MAX_FRAME_BYTES) throw tooLarge(bytes);
        if (open.frames.full) this.#flush(open);
      }
    } catch (error) {
      this.#queue.fail(error);
      throw error;
    }
  }

  #begin(): Open {
    if (this.#open !== undefined) return this.#open;
    const { job, attempt, sink, subtask } = this.#context;
    const pending = pendingName({ job: job.id, attempt, sink, subtask }, this.#seq++);
    const open: Open = { pending, frames: new RowFrames(), file: undefined, bytes: 0 };
    this.#open = open;
    this.#queue.add(async () => {
      open.file = await this.#context.disk.create(join(this.#options.folder, pending), { exclusive: true });
      this.#files.add(open.file);
    });
    this.#append(open, MAGIC);
    return open;
  }

  #flush(open: Open): void {
    const frame = open.frames.take();
    if (frame !== undefined) this.#append(open, frame);
  }

  #append(open: Open, bytes: Buffer): void {
    this.#underWay += bytes.length;
    this.#queue.add(async () => {
      await present(open.file, 'the file of a transaction').append(bytes);
      open.bytes += bytes.length;
      this.#underWay -= bytes.length;
    });
  }

  async #seal(open: Open): Promise<void> {
    const file = present(open.file, 'the file of a transaction');
    await file.sync();
    this.#files.delete(file);
    await file.close();
    await this.#context.disk.syncFolder(this.#options.folder);
  }
}

function tooLarge(bytes: number): TidemarkError {
  return new TidemarkError('VALUE_REFUSED', `a row of ${bytes} bytes is larger than ${MAX_FRAME_BYTES}`);
}
