/** One archive being written by a thread of its own, as the main thread sees it. */
import { Worker } from 'node:worker_threads';
import { TidemarkError, toTidemarkError } from '../base/errors.js';
import type { ArchiveTaskData, FromArchiveThread, ToArchiveThread } from './archive-thread.js';

/** What the thread makes is short-lived: a larger young generation would only be more memory. */
const YOUNG_MIB = 4;

export interface ArchiveProgress {
  readonly phase: string;
  readonly entries: number;
  readonly bytes: number;
}

export interface WrittenArchive {
  readonly digest: string;
  readonly bytes: number;
  readonly entries: number;
}

/** Call order: `written`, then exactly one of `commit` and `discard`. A failure leaves no file behind. */
export class ArchiveTask {
  progress: ArchiveProgress = { phase: 'starting', entries: 0, bytes: 0 };
  readonly #worker: Worker;
  #settle: { resolve(message: FromArchiveThread): void; reject(error: TidemarkError): void } | undefined;
  #failure: TidemarkError | undefined;
  #heard: FromArchiveThread | undefined;

  constructor(data: ArchiveTaskData) {
    this.#worker = new Worker(new URL('./archive-thread.js', import.meta.url), {
      workerData: data,
      name: 'tidemark archive',
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MIB },
    });
    this.#worker.on('message', (message: FromArchiveThread) => this.#hear(message));
    this.#worker.on('error', (error) => this.#fail(toTidemarkError(error)));
    this.#worker.on('exit', () =>
      this.#fail(new TidemarkError('INTERNAL', 'the archive thread ended early')),
    );
  }

  /** The archive is whole and durable under a temporary name. */
  async written(): Promise<WrittenArchive> {
    const message = await this.#next();
    if (message.type === 'written') return message;
    throw new TidemarkError('INTERNAL', `the archive thread said ${message.type}`);
  }

  /** Gives it its final name. */
  async commit(): Promise<void> {
    await this.#answer('commit');
  }

  async discard(): Promise<void> {
    await this.#answer('discard');
  }

  async #answer(verdict: ToArchiveThread): Promise<void> {
    const next = this.#next();
    this.#worker.postMessage(verdict);
    await next;
  }

  #next(): Promise<FromArchiveThread> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) return reject(this.#failure);
      const heard = this.#heard;
      this.#heard = undefined;
      if (heard !== undefined) return resolve(heard);
      this.#settle = { resolve, reject };
    });
  }

  #hear(message: FromArchiveThread): void {
    if (message.type === 'progress') this.progress = message;
    else if (message.type === 'failed') this.#fail(TidemarkError.fromRecord(message.error));
    else if (this.#settle === undefined) this.#heard = message;
    else {
      this.#settle.resolve(message);
      this.#settle = undefined;
    }
  }

  #fail(error: TidemarkError): void {
    this.#failure ??= error;
    this.#settle?.reject(this.#failure);
    this.#settle = undefined;
  }
}
