/**
 * Turns a source's asynchronous generator into something a synchronous step can poll: keeps one batch ready ahead
 * of need, never more.
 *
 *     waiting ──open──▶ reading ──generator returns──▶ done
 */
import type { Batch, ReadRequest, SourceContext, SourceSpec } from '../graph/source.js';
import { NO_WATERMARK, type SplitTime } from './event-time.js';
import { copyChanges } from './operator-state.js';

/** What of a request is not the split's own. */
export type Reading = SourceContext & Pick<ReadRequest<unknown>, 'state'>;

export class SplitReader {
  readonly id: string;
  /** Where to go on from: after the last batch taken. */
  position: unknown;
  state: 'waiting' | 'reading' | 'done';
  /** Set when the generator threw; the next look at this split fails the attempt. */
  failure: { readonly error: unknown } | undefined;
  readonly time: SplitTime;
  /** When elements last came, on the monotonic clock; undefined until somebody asks. */
  activeAt: number | undefined = undefined;
  #ready: Batch<unknown, unknown> | undefined;
  #batches: AsyncIterator<Batch<unknown, unknown>> | undefined;

  constructor(id: string, position: unknown, done: boolean, greatest = NO_WATERMARK) {
    this.id = id;
    this.time = { greatest };
    this.position = position;
    this.state = done ? 'done' : 'waiting';
  }

  /** Starts reading. `wake` is called whenever there is something to look at: a batch, the end, or a failure. */
  open(
    source: SourceSpec<unknown, unknown>,
    context: Reading,
    batch: number,
    signal: AbortSignal,
    wake: (reader: SplitReader) => void,
  ): void {
    this.state = 'reading';
    const { id: split, position } = this;
    this.#batches = source.read({ ...context, split, position, batch, signal })[Symbol.asyncIterator]();
    this.#ahead(wake);
  }

  /** The batch that is ready, and asks for the next. The caller processes it, then moves `position`. */
  take(wake: (reader: SplitReader) => void): Batch<unknown, unknown> | undefined {
    const batch = this.#ready;
    this.#ready = undefined;
    if (batch !== undefined) this.#ahead(wake);
    return batch;
  }

  /** Nothing is ready: who waits for this split waits for its input. */
  get empty(): boolean {
    return this.#ready === undefined;
  }

  #ahead(wake: (reader: SplitReader) => void): void {
    // A generator that is asked for its next batch while `read` code runs between two yields stays in order:
    // there is only ever one request under way.
    this.#batches?.next().then(
      (result) => {
        if (result.done === true) this.state = 'done';
        else this.#arrived(result.value);
        wake(this);
      },
      (error: unknown) => {
        this.failure = { error };
        wake(this);
      },
    );
  }

  #arrived(batch: Batch<unknown, unknown>): void {
    try {
      // The generator goes on before this batch is processed, and may go on with its arrays.
      this.#ready = batch.state === undefined ? batch : { ...batch, state: copyChanges(batch.state) };
    } catch (error) {
      this.failure = { error };
    }
  }

  async close(): Promise<void> {
    await this.#batches?.return?.();
  }
}
