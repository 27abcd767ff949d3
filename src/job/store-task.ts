/** The store thread as the main thread sees it: each request is answered once, and nothing hangs when it dies. */
import { Worker } from 'node:worker_threads';
import { type ErrorRecord, TidemarkError, toTidemarkError } from '../base/errors.js';
import type { SegmentRecord } from '../catalog/records.js';
import type { FromStoreThread, MergeRequest, Run, StoreThreadData, ToStoreThread } from './store-protocol.js';

/** What the thread makes is short-lived: a larger young generation would only be more memory. */
const YOUNG_MIB = 4;
/** How long it may take to give up what it does. */
const CLOSE_MS = 3000;

export interface StoreEvents {
  /** A chunk's memory is free again. */
  taken(bytes: Uint8Array): void;
  /** A run of delta `owner`, or of a merge, is about to get its name. Throws when the catalog refuses. */
  lease(owner: number, run: SegmentRecord): void;
  /** The thread is gone by itself: chunks that are with it never come back. */
  died?(error: TidemarkError): void;
}

interface Waiting {
  resolve(runs: readonly Run[]): void;
  reject(error: TidemarkError): void;
}

type Call = Extract<ToStoreThread, { readonly call: number }>;
type Asked = Call extends infer One ? (One extends Call ? Omit<One, 'call'> : never) : never;

export class StoreTask {
  readonly #events: StoreEvents;
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  readonly #gone: Promise<void>;
  #calls = 0;
  #dead: TidemarkError | undefined;

  constructor(data: StoreThreadData, events: StoreEvents) {
    this.#events = events;
    this.#worker = new Worker(new URL('./store-thread.js', import.meta.url), {
      workerData: data,
      name: 'tidemark store',
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MIB },
    });
    this.#worker.on('message', (message: FromStoreThread) => this.#hear(message));
    this.#worker.on('error', (error) => this.#die(toTidemarkError(error)));
    this.#gone = new Promise((resolve) => {
      this.#worker.on('exit', () => {
        this.#die(new TidemarkError('INTERNAL', 'the store thread ended early'));
        resolve();
      });
    });
  }

  /** Runs that are there, oldest first, looked into. @throws SEGMENT_CORRUPT */
  describe(names: readonly string[]): Promise<readonly Run[]> {
    return this.#call({ type: 'describe', names });
  }

  begin(id: number): void {
    this.#post({ type: 'begin', id });
  }

  /** Takes a chunk; its memory comes back by `taken`. */
  chunk(id: number, bytes: Uint8Array, used: number, entries: number): void {
    // The type allows shared memory; chunks are of the kind that can change hands.
    const transfer = [bytes.buffer as ArrayBuffer];
    if (this.#dead === undefined)
      this.#worker.postMessage({ type: 'chunk', id, bytes, used, entries }, transfer);
  }

  /** All its chunks are given: resolves with its runs, durable under their names. */
  finish(id: number): Promise<readonly Run[]> {
    return this.#call({ type: 'finish', id });
  }

  async discard(id: number): Promise<void> {
    await this.#call({ type: 'discard', id });
  }

  /** One at a time. */
  async merge(request: MergeRequest): Promise<Run> {
    const [run] = await this.#call({ type: 'merge', request });
    if (run === undefined) throw new TidemarkError('INTERNAL', 'a merge without a run');
    return run;
  }

  stopMerge(): void {
    this.#post({ type: 'stop-merge' });
  }

  /** Gives up what is under way; the thread is gone then. */
  async close(): Promise<void> {
    this.#post({ type: 'close' });
    this.#dead ??= new TidemarkError('CHECKPOINT_FAILED', 'the attempt ended');
    const late = setTimeout(() => void this.#worker.terminate(), CLOSE_MS);
    await this.#gone;
    clearTimeout(late);
  }

  #call(asked: Asked): Promise<readonly Run[]> {
    return new Promise((resolve, reject) => {
      if (this.#dead !== undefined) return reject(this.#dead);
      const call = ++this.#calls;
      this.#waiting.set(call, { resolve, reject });
      this.#worker.postMessage({ ...asked, call });
    });
  }

  #post(message: ToStoreThread): void {
    if (this.#dead === undefined) this.#worker.postMessage(message);
  }

  #hear(message: FromStoreThread): void {
    switch (message.type) {
      case 'taken':
        return this.#events.taken(message.bytes);
      case 'lease':
        return this.#lease(message);
      case 'done':
        return this.#answered(message.call)?.resolve(message.runs);
      case 'failed':
        return this.#answered(message.call)?.reject(TidemarkError.fromRecord(message.error));
    }
  }

  #lease({ lease, owner, name, bytes }: Extract<FromStoreThread, { readonly type: 'lease' }>): void {
    let error: ErrorRecord | undefined;
    try {
      if (this.#dead !== undefined) throw this.#dead;
      this.#events.lease(owner, { name, bytes });
    } catch (refused) {
      error = toTidemarkError(refused).toRecord();
    }
    // Also while it is closed: it goes when it waits for nothing.
    const answer: ToStoreThread = { type: 'leased', lease, error };
    this.#worker.postMessage(answer);
  }

  #answered(call: number): Waiting | undefined {
    const waiting = this.#waiting.get(call);
    this.#waiting.delete(call);
    return waiting;
  }

  #die(error: TidemarkError): void {
    const early = this.#dead === undefined;
    this.#dead ??= error;
    for (const { reject } of this.#waiting.values()) reject(this.#dead);
    this.#waiting.clear();
    if (early) this.#events.died?.(error);
  }
}
