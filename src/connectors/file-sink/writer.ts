/**
 * Writes the transactions of one subtask: encodes at once, appends in the background, in order.
 *
 *     prepare(4) ──── part 1 ─┬─ part 2 ─┬─ part 3 ──── prepare(5)      a part never goes on after a barrier: what is
 *                    size reached     time over                         committed must be whole, and durable
 *
 * Invariants: elements written before `prepare` is called are in its transaction, those after in the next; at
 * most `BUFFER_CHARS` plus one batch waits in memory, and at most `MAX_SEALING` plus one batch's files wait to be
 * made durable; after a failure every call rejects with it, and what was not prepared is never committed.
 */
import { join } from 'node:path';
import { present } from '../../base/assert.js';
import type { SinkWriter, WriterContext } from '../../graph/sink.js';
import { DiskQueue } from './disk-queue.js';
import type { Encoder, Extension } from './encoder.js';
import { type PartKind, partName, pendingName } from './names.js';
import { type PartFile, partFile } from './part-file.js';
import { isFull, isOld, type PartLimits } from './rolling.js';
import { type FileTransaction, MAX_PARTS } from './transaction.js';

/** Encoded characters that may wait to be appended before `write` makes its caller wait. */
export const BUFFER_CHARS = 1024 * 1024;
/** Encoded characters that are appended at once. */
const CHUNK_CHARS = 64 * 1024;
/** Files that may wait to be made durable before `write` makes its caller wait. */
const MAX_SEALING = 16;

interface Open {
  readonly pending: string;
  /** Made by the first that is enqueued for it. */
  file: PartFile | undefined;
  /** Encoded and not yet on its way to the file. */
  waiting: string;
  /** Bytes of text so far; counted only where there is a limit. */
  size: number;
  lines: number;
  began: number;
}

export interface FileWriterOptions<T> {
  /** The target folder, absolute. */
  readonly folder: string;
  readonly prefix: string;
  readonly extension: Extension;
  readonly encoder: Encoder<T>;
  /** How hard gzip tries; undefined: no gzip. */
  readonly gzip: number | undefined;
  /** Undefined: one part a transaction. */
  readonly part: PartLimits | undefined;
}

export class FileWriter<T> implements SinkWriter<T, FileTransaction> {
  readonly #context: WriterContext;
  readonly #options: FileWriterOptions<T>;
  #seq = 0;
  #open: Open | undefined;
  /** Parts of the running transaction that take no more. */
  #rolled: Open[] = [];
  /** Characters handed to the disk and not yet written. */
  #underWay = 0;
  #sealing = 0;
  readonly #queue: DiskQueue;
  /** Open at the disk. */
  readonly #files = new Set<PartFile>();

  constructor(context: WriterContext, options: FileWriterOptions<T>) {
    this.#context = context;
    this.#options = options;
    this.#queue = new DiskQueue(`sink ${context.sink}, writing to ${options.folder}`);
  }

  write(elements: readonly T[]): void | Promise<void> {
    this.#queue.check();
    if (elements.length === 0) return;
    this.#encode(elements);
    if (this.#underWay < BUFFER_CHARS && this.#sealing <= MAX_SEALING) return;
    return this.#queue.settled();
  }

  async prepare(checkpoint: number): Promise<FileTransaction | undefined> {
    this.#queue.check();
    this.#roll();
    const parts = this.#rolled;
    this.#rolled = [];
    if (parts.length === 0) return undefined;
    this.#queue.add(() => this.#context.disk.syncFolder(this.#options.folder));
    await this.#queue.settled();
    const { job, attempt, sink, subtask } = this.#context;
    const id = { job: job.id, attempt, sink, subtask, checkpoint };
    const files = parts.map(({ pending, file, lines }, index) => ({
      pending,
      part: partName(this.#options.prefix, id, this.#kindOf(index)),
      bytes: present(file, 'the file of a transaction').bytes,
      lines,
    }));
    return { files };
  }

  /** Gives up the running transaction: it was never prepared, so no snapshot knows of its files. */
  async close(): Promise<void> {
    const parts = [...this.#rolled, ...(this.#open === undefined ? [] : [this.#open])];
    this.#open = undefined;
    this.#rolled = [];
    await this.#queue.idle;
    for (const file of this.#files) await file.close();
    this.#files.clear();
    for (const { pending } of parts) await this.#context.disk.remove(join(this.#options.folder, pending));
  }

  #kindOf(index: number): PartKind {
    const { extension, gzip, part } = this.#options;
    return {
      number: part === undefined ? undefined : index + 1,
      extension: gzip === undefined ? extension : `${extension}.gz`,
    };
  }

  /** An element that cannot be encoded fails the writer: half a batch must not be committed. */
  #encode(elements: readonly T[]): void {
    const { encoder, part } = this.#options;
    try {
      if (part !== undefined) this.#rollOld(part);
      for (const element of elements) {
        const line = encoder.line(element);
        const size = part === undefined ? 0 : Buffer.byteLength(line);
        if (part !== undefined) this.#rollFull(size, part);
        const open = this.#begin();
        open.waiting += line;
        open.size += size;
        open.lines++;
        if (open.waiting.length >= CHUNK_CHARS) this.#flush(open);
      }
    } catch (error) {
      this.#queue.fail(error);
      throw error;
    }
  }

  #rollOld(limits: PartLimits): void {
    const open = this.#open;
    if (open !== undefined && isOld(open, this.#context.clock.monotonic(), limits)) this.#rollOn();
  }

  #rollFull(size: number, limits: PartLimits): void {
    const open = this.#open;
    if (open !== undefined && isFull(open, size, limits)) this.#rollOn();
  }

  /** Closes the part, unless it is the last that there may be. */
  #rollOn(): void {
    if (this.#rolled.length >= MAX_PARTS - 1) return;
    this.#roll();
    if (this.#rolled.length < MAX_PARTS - 1) return;
    const { sink, log } = this.#context;
    log(`sink ${sink}: ${MAX_PARTS} parts since the last barrier; the last of them takes all the rest`);
  }

  /** Closes the part, if one is open. */
  #roll(): void {
    const open = this.#open;
    if (open === undefined) return;
    this.#open = undefined;
    this.#rolled.push(open);
    this.#flush(open);
    this.#sealing++;
    this.#queue.add(async () => {
      const file = present(open.file, 'the file of a transaction');
      await file.finish();
      this.#files.delete(file);
      this.#sealing--;
    });
  }

  #begin(): Open {
    if (this.#open !== undefined) return this.#open;
    const { job, attempt, sink, subtask, clock, disk } = this.#context;
    const { folder, gzip, part, encoder } = this.#options;
    const pending = pendingName({ job: job.id, attempt, sink, subtask }, this.#seq++);
    const open: Open = {
      pending,
      file: undefined,
      waiting: encoder.head,
      size: part === undefined ? 0 : Buffer.byteLength(encoder.head),
      lines: 0,
      began: part === undefined ? 0 : clock.monotonic(),
    };
    this.#open = open;
    this.#queue.add(async () => {
      open.file = partFile(await disk.create(join(folder, pending), { exclusive: true }), gzip);
      this.#files.add(open.file);
    });
    return open;
  }

  #flush(open: Open): void {
    const text = open.waiting;
    if (text === '') return;
    open.waiting = '';
    this.#underWay += text.length;
    this.#queue.add(async () => {
      await present(open.file, 'the file of a transaction').append(Buffer.from(text, 'utf8'));
      this.#underWay -= text.length;
    });
  }
}
