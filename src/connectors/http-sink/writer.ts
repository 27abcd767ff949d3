/**
 * Cuts what one subtask is given into batches, and sends them one after the other.
 *
 *     element … element │ batch 0 │ batch 1 │ … │ batch n │ barrier      a batch is cut when it is full, when its first
 *                                                                        element has waited `linger`, and at a barrier
 *
 * Invariants: a barrier is passed only once the server has taken all that came before it, so what a checkpoint counts as
 * written is; batches arrive in order; at most `MAX_WAITING` batches, and those of one `write`, wait to be sent.
 */
import type { OperatorState } from '../../graph/operator-state.js';
import type { SinkWriter, WriterContext } from '../../graph/sink.js';
import { idempotencyKey, type OpenBatch, openBatch } from './batch.js';
import type { HttpSettings } from './options.js';
import { type Request, Sender } from './request.js';

/** Batches that may wait before `write` makes its caller wait. */
const MAX_WAITING = 2;

export class HttpWriter<T> implements SinkWriter<T, void> {
  readonly #settings: HttpSettings<T>;
  readonly #context: WriterContext;
  /** The newest barrier that was passed: what the places of batches count from. */
  readonly #since: OperatorState<number>;
  readonly #closed = new AbortController();
  readonly #sender: Sender;
  #open: OpenBatch<T> | undefined;
  #lingering: AbortController | undefined;
  /** Elements of the batches that were cut since then. */
  #before = 0;
  #waiting = 0;
  #tail: Promise<void> = Promise.resolve();
  #failure: { readonly error: unknown } | undefined;

  constructor(settings: HttpSettings<T>, context: WriterContext, since: OperatorState<number>) {
    this.#settings = settings;
    this.#context = context;
    this.#since = since;
    this.#sender = new Sender(settings, context, this.#closed.signal);
  }

  write(elements: readonly T[]): void | Promise<void> {
    this.#throwFailure();
    const { batch, encode } = this.#settings;
    this.#failing(() => {
      for (const element of elements) {
        this.#open ??= openBatch(encode, this.#context.sink);
        this.#open.add(element);
        if (this.#open.count >= batch) this.#cut();
      }
    });
    if (this.#open !== undefined) this.#linger();
    if (this.#waiting > MAX_WAITING) return this.#settled();
  }

  async prepare(checkpoint: number): Promise<void> {
    this.#throwFailure();
    this.#failing(() => this.#cut());
    this.#since.set([checkpoint]);
    this.#before = 0;
    await this.#settled();
  }

  /** What was not sent will be sent by the next attempt. */
  async close(): Promise<void> {
    this.#closed.abort();
    this.#lingering?.abort();
    await this.#tail;
  }

  /** Closes the open batch and queues it. */
  #cut(): void {
    const open = this.#open;
    this.#open = undefined;
    this.#lingering?.abort();
    this.#lingering = undefined;
    if (open === undefined) return;
    const { job, sink, subtask } = this.#context;
    const since = Math.max(0, ...this.#since.get());
    const body = open.body();
    const key = idempotencyKey({ job: job.id, sink, subtask, since, before: this.#before }, body);
    this.#before += open.count;
    this.#enqueue({ key, body, elements: open.count });
  }

  #linger(): void {
    if (this.#lingering !== undefined) return;
    const lingering = new AbortController();
    const { signal } = lingering;
    this.#lingering = lingering;
    void this.#context.clock.sleep(this.#settings.linger, signal).then(() => {
      if (signal.aborted || this.#failure !== undefined) return;
      try {
        this.#cut();
      } catch (error) {
        this.#failure ??= { error };
      }
    });
  }

  /** Never rejects. */
  #enqueue(request: Request): void {
    this.#waiting++;
    this.#tail = this.#tail.then(async () => {
      try {
        // Once the sink is closed this fails: what was not sent must not pass for sent.
        if (this.#failure === undefined) await this.#sender.send(request);
      } catch (error) {
        this.#failure ??= { error };
      }
      this.#waiting--;
    });
  }

  /** After a failure nothing more is sent: order is kept. */
  #failing(act: () => void): void {
    try {
      act();
    } catch (error) {
      this.#failure ??= { error };
      throw error;
    }
  }

  async #settled(): Promise<void> {
    await this.#tail;
    this.#throwFailure();
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }
}
