/**
 * One attempt at running a job, as the main thread sees it: a data thread, watched.
 *
 * Invariants: an attempt ends exactly once, as `closed` or with an error, and its thread is gone by then; user code
 * that throws, exits, fills its heap or never returns ends the attempt and nothing else.
 */
import { Worker } from 'node:worker_threads';
import type { Clock } from '../base/clock.js';
import { deferred } from '../base/deferred.js';
import { TidemarkError, toTidemarkError } from '../base/errors.js';
import type { TransactionId } from '../graph/sink.js';
import { readWhere, WHERE_BYTES } from '../runtime/where.js';
import type { AttemptMetrics } from './metrics.js';
import {
  type CheckedEntries,
  type DataThreadData,
  type FromData,
  type GraphFacts,
  type InputAnswer,
  type InputAsk,
  RESTORE_BYTES_OUT,
  type TableSizes,
  type ToData,
} from './protocol.js';
import { tuneV8 } from './tune-v8.js';

/** How often the data thread's place is looked at. */
const WATCH_MS = 250;
/** How long a thread that said it failed may take to go by itself. */
const GRACE_MS = 3000;

export interface AttemptOptions {
  readonly data: Omit<DataThreadData, 'where'>;
  /** Old-space limit in MiB. */
  readonly heap: number | undefined;
  readonly stepTimeout: number;
  readonly clock: Clock;
}

export interface Drained {
  readonly id: number;
  readonly barrierTime: number;
  readonly drained: boolean;
  readonly longestSliceMs: number;
  readonly tables: readonly TableSizes[];
}

/** What the owner of an attempt is told. Callbacks must not throw. */
export interface AttemptEvents {
  chunk(id: number, bytes: Uint8Array, used: number, entries: number): void;
  drained(drained: Drained): void;
  committed(id: number): void;
  /** The disk backend writes away what fills its memory: chunks follow. */
  flush(id: number): void;
  flushed(id: number): void;
  /** It reads the segments of that version, and no older ones. */
  opened(version: number): void;
  /** All input was read and processed; a last checkpoint is asked for. */
  inputEnded(droppedTimers: number): void;
  print(text: string): Promise<void>;
  /** Standard input; only asked where the attempt was told that there is one. */
  input?(ask: InputAsk): Promise<InputAnswer>;
  log(text: string): void;
  output(stream: 'stdout' | 'stderr', text: string): void;
  metrics(metrics: AttemptMetrics): void;
  /** Of a hold: how far it is, or why it cannot be. */
  held?(message: Extract<FromData, { readonly type: 'holding' | 'hold-refused' }>): void;
  /** For a check: by sink, what its target holds beyond the lineage. */
  ahead(sinks: ReadonlyMap<string, readonly TransactionId[]>): void;
  /** For a check: what the definition does not take. */
  checked?(found: CheckedEntries): void;
}

export class Attempt {
  /** Resolves when the thread is gone: undefined after a clean close, else why it failed. */
  readonly ended: Promise<TidemarkError | undefined>;
  readonly described: Promise<GraphFacts>;
  readonly running: Promise<void>;
  readonly #options: AttemptOptions;
  readonly #events: AttemptEvents;
  readonly #worker: Worker;
  readonly #where = new SharedArrayBuffer(WHERE_BYTES);
  readonly #watch: NodeJS.Timeout;
  readonly #ended = deferred<TidemarkError | undefined>();
  readonly #described = deferred<GraphFacts>();
  readonly #running = deferred<void>();
  #restored: (() => void) | undefined;
  /** Bytes of each payload handed over and not yet taken. */
  readonly #given: number[] = [];
  #givenBytes = 0;
  #names: readonly string[] = [];
  #error: TidemarkError | undefined;
  #closed = false;
  #gone = false;
  #turn = 0;
  #turnAt = 0;

  constructor(options: AttemptOptions, events: AttemptEvents) {
    this.#options = options;
    this.#events = events;
    this.ended = this.#ended.promise;
    this.described = this.#described.promise;
    this.running = this.#running.promise;
    const workerData: DataThreadData = { ...options.data, where: this.#where };
    const limits =
      options.heap === undefined ? {} : { resourceLimits: { maxOldGenerationSizeMb: options.heap } };
    tuneV8();
    this.#worker = new Worker(new URL('./data-thread.js', import.meta.url), {
      workerData,
      stdout: true,
      stderr: true,
      name: `tidemark ${options.data.job.name}`,
      ...limits,
    });
    this.#worker.on('message', (message: FromData) => this.#hear(message));
    this.#worker.on('error', (error) => this.#failWith(this.#threadError(error)));
    this.#worker.on('exit', (code) => this.#exited(code));
    this.#watch = setInterval(() => this.#look(), WATCH_MS);
  }

  send(message: ToData, transfer: readonly ArrayBuffer[] = []): void {
    if (!this.#gone) this.#worker.postMessage(message, transfer);
  }

  /**
   * Hands over entries of a snapshot and the memory they lie in; resolves once there is room for more, or the attempt
   * has ended. The thread takes them while the caller reads the next.
   */
  async restore(payload: Buffer, entries: number): Promise<void> {
    const { length } = payload;
    // The type allows shared memory; the caller gives the kind that can change hands.
    this.send({ type: 'restore', payload, entries }, [payload.buffer as ArrayBuffer]);
    this.#given.push(length);
    this.#givenBytes += length;
    while (this.#givenBytes >= RESTORE_BYTES_OUT && !this.#gone) {
      const taken = new Promise<void>((resolve) => {
        this.#restored = resolve;
      });
      await Promise.race([taken, this.ended]);
    }
  }

  /** Ends the thread now. The attempt fails with `reason`, or closes when there is none. */
  async terminate(reason?: TidemarkError): Promise<void> {
    if (reason === undefined) this.#closed = true;
    else this.#error ??= reason;
    await this.#worker.terminate();
  }

  #hear(message: FromData): void {
    const events = this.#events;
    switch (message.type) {
      case 'described':
        this.#names = message.facts.names;
        return this.#described.resolve(message.facts);
      case 'restored':
        this.#givenBytes -= this.#given.shift() ?? 0;
        return this.#restored?.();
      case 'running':
        return this.#running.resolve();
      case 'chunk':
        return events.chunk(message.id, message.bytes, message.used, message.entries);
      case 'drained':
        return events.drained(message);
      case 'flush':
        return events.flush(message.id);
      case 'flushed':
        return events.flushed(message.id);
      case 'opened':
        return events.opened(message.version);
      case 'committed':
        return events.committed(message.id);
      case 'ended':
        return events.inputEnded(message.droppedTimers);
      case 'closed':
        this.#closed = true;
        // User code may have left something open that keeps the thread alive.
        void this.#worker.terminate();
        return;
      case 'failed': {
        const { error } = message;
        return this.#failWith(
          error.code === 'HEAP_FULL' ? this.#heapFull(error.message) : TidemarkError.fromRecord(error),
        );
      }
      case 'print':
        return this.#print(message.id, message.text);
      case 'ask-input':
        return this.#input(message.id, message.ask);
      case 'log':
        return events.log(message.text);
      case 'output':
        return events.output(message.stream, message.text);
      case 'holding':
      case 'hold-refused':
        return events.held?.(message);
      case 'metrics':
        return events.metrics(message.metrics);
      case 'ahead':
        return events.ahead(message.sinks);
      case 'checked':
        return events.checked?.(message.found);
    }
  }

  #print(id: number, text: string): void {
    this.#events.print(text).then(
      () => this.send({ type: 'printed', id, error: undefined }),
      (error: unknown) => this.send({ type: 'printed', id, error: String(error) }),
    );
  }

  #input(id: number, ask: InputAsk): void {
    this.#events.input?.(ask).then(
      (answer) => this.send({ type: 'input', id, answer }),
      (error: unknown) => this.send({ type: 'input', id, answer: { error: String(error) } }),
    );
  }

  #failWith(error: TidemarkError): void {
    if (this.#error !== undefined) return;
    this.#error = error;
    setTimeout(() => void this.#worker.terminate(), GRACE_MS).unref();
  }

  #exited(code: number): void {
    clearInterval(this.#watch);
    this.#gone = true;
    if (this.#error !== undefined) this.#ended.resolve(this.#error);
    else if (this.#closed) this.#ended.resolve(undefined);
    else this.#ended.resolve(this.#userExit(code));
  }

  #userExit(code: number): TidemarkError {
    return new TidemarkError('USER_EXIT', `user code ended its thread (process.exit(${code})?)`, {
      ...this.#place(),
      hint: 'remove the call to process.exit from the definition or what it imports; throw instead',
    });
  }

  #threadError(error: unknown): TidemarkError {
    if (error instanceof Error && 'code' in error && error.code === 'ERR_WORKER_OUT_OF_MEMORY') {
      return this.#heapFull('the heap of the data thread is full');
    }
    return toTidemarkError(error);
  }

  /** A frozen job keeps its limit: what helps it is other code, or a new job with more. */
  #heapFull(message: string): TidemarkError {
    return new TidemarkError('HEAP_FULL', message, {
      ...this.#place(),
      hint: 'keep less state per key, then: tidemark resume <job> --definition FILE; a new job has more with --heap SIZE',
    });
  }

  /** Fails the attempt when the same step is under way for longer than the step timeout. */
  #look(): void {
    const { turn } = readWhere(this.#where);
    const now = this.#options.clock.monotonic();
    if (turn % 2 === 0 || turn !== this.#turn) {
      this.#turn = turn;
      this.#turnAt = now;
      return;
    }
    const lasted = now - this.#turnAt;
    if (lasted < this.#options.stepTimeout) return;
    const place = this.#place();
    const who = place.operator === undefined ? 'the definition' : `operator ${place.operator}`;
    const seconds = (this.#options.stepTimeout / 1000).toFixed(1);
    const error = new TidemarkError('STEP_TIMEOUT', `${who} did not return within ${seconds} s`, {
      ...place,
      hint: 'look for an endless loop there, or raise --step-timeout',
    });
    void this.terminate(error);
  }

  #place(): { operator?: string; position?: string } {
    const { node, position } = readWhere(this.#where);
    const operator = this.#names[node];
    return {
      ...(operator === undefined ? {} : { operator }),
      ...(position === undefined ? {} : { position }),
    };
  }
}
