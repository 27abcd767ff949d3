/**
 * Writes the transactions of one subtask: encodes at once, appends in the background, in order.
 *
 * Invariants: elements written before `prepare` is called are in its transaction, those after in the next; at
 * most `BUFFER_CHARS` plus one batch waits in memory; after a failure every call rejects with it, and what was
 * not prepared is never committed.
 */
import { join } from 'node:path';
import { present } from '../../base/assert.js';
import type { WriteFile } from '../../base/disk.js';
import { toTidemarkError } from '../../base/errors.js';
import type { SinkWriter, WriterContext } from '../../graph/sink.js';
import { partName, pendingName } from './names.js';
import type { FileTransaction } from './transaction.js';

/** Encoded characters that may wait to be appended before `write` makes its caller wait. */
export const BUFFER_CHARS = 1024 * 1024;
/** Encoded characters that are appended at once. */
const CHUNK_CHARS = 64 * 1024;

interface Open {
  readonly pending: string;
  file: WriteFile | undefined;
  /** Encoded and not yet on its way to the file. */
  waiting: string;
  bytes: number;
  lines: number;
}

export interface FileWriterOptions<T> {
  /** The target folder, absolute. */
  readonly folder: string;
  readonly prefix: string;
  encode(element: T): string;
}

export class FileWriter<T> implements SinkWriter<T, FileTransaction> {
  readonly #context: WriterContext;
  readonly #options: FileWriterOptions<T>;
  #seq = 0;
  #open: Open | undefined;
  /** Characters handed to the disk and not yet written. */
  #underWay = 0;
  /** All that is to happen to files, in order. */
  #tail: Promise<void> = Promise.resolve();
  #failure: { readonly error: unknown } | undefined;
  /** Open at the disk. */
  readonly #files = new Set<WriteFile>();

  constructor(context: WriterContext, options: FileWriterOptions<T>) {
    this.#context = context;
    this.#options = options;
  }

  write(elements: readonly T[]): void | Promise<void> {
    this.#throwFailure();
    if (elements.length === 0) return;
    this.#encode(this.#begin(), elements);
    if (this.#underWay < BUFFER_CHARS) return;
    return this.#settled();
  }

  async prepare(checkpoint: number): Promise<FileTransaction | undefined> {
    this.#throwFailure();
    const open = this.#open;
    this.#open = undefined;
    if (open === undefined) return undefined;
    this.#flush(open);
    this.#enqueue(() => this.#seal(open));
    await this.#settled();
    const { job, attempt, sink, subtask } = this.#context;
    const id = { job: job.id, attempt, sink, subtask, checkpoint };
    return {
      pending: open.pending,
      part: partName(this.#options.prefix, id),
      bytes: open.bytes,
      lines: open.lines,
    };
  }

  /** Gives up the running transaction: it was never prepared, so no snapshot knows of its file. */
  async close(): Promise<void> {
    const open = this.#open;
    this.#open = undefined;
    await this.#tail;
    for (const file of this.#files) await file.close();
    this.#files.clear();
    if (open !== undefined) await this.#context.disk.remove(join(this.#options.folder, open.pending));
  }

  /** An element that cannot be encoded fails the writer: half a batch must not be committed. */
  #encode(open: Open, elements: readonly T[]): void {
    try {
      for (const element of elements) {
        open.waiting += `${this.#options.encode(element)}\n`;
        open.lines++;
        if (open.waiting.length >= CHUNK_CHARS) this.#flush(open);
      }
    } catch (error) {
      this.#failure = { error };
      throw error;
    }
  }

  #begin(): Open {
    if (this.#open !== undefined) return this.#open;
    const { job, attempt, sink, subtask } = this.#context;
    const pending = pendingName({ job: job.id, attempt, sink, subtask }, this.#seq++);
    const open: Open = { pending, file: undefined, waiting: '', bytes: 0, lines: 0 };
    this.#open = open;
    this.#enqueue(async () => {
      open.file = await this.#context.disk.create(join(this.#options.folder, pending), { exclusive: true });
      this.#files.add(open.file);
    });
    return open;
  }

  #flush(open: Open): void {
    const text = open.waiting;
    if (text === '') return;
    open.waiting = '';
    this.#underWay += text.length;
    this.#enqueue(async () => {
      const bytes = Buffer.from(text, 'utf8');
      await present(open.file, 'the file of a transaction').append(bytes);
      open.bytes += bytes.length;
      this.#underWay -= text.length;
    });
  }

  async #seal(open: Open): Promise<void> {
    const file = present(open.file, 'the file of a transaction');
    await file.sync();
    this.#files.delete(file);
    await file.close();
    await this.#context.disk.syncFolder(this.#options.folder);
  }

  /** Runs after all that was asked for before, unless some of that failed. Never rejects. */
  #enqueue(action: () => Promise<void>): void {
    this.#tail = this.#tail.then(async () => {
      if (this.#failure !== undefined) return;
      try {
        await action();
      } catch (error) {
        const doing = `sink ${this.#context.sink}, writing to ${this.#options.folder}`;
        this.#failure ??= { error: toTidemarkError(error, doing) };
      }
    });
  }

  async #settled(): Promise<void> {
    await this.#tail;
    this.#throwFailure();
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }
}
