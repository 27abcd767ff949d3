/**
 * Turns a source's asynchronous generator into something a synchronous step can poll: keeps one batch ready ahead
 * of need, never more.
 *
 *     waiting ──open──▶ reading ──generator returns──▶ done
 *                        └─reopen─┘
 */
import type { Batch, ReadRequest, SourceContext, SourceSpec } from '../graph/source.js';
import { NO_WATERMARK, type SplitTime } from './event-time.js';
import { copyChanges } from './operator-state.js';
import type { Target } from './split-hold.js';

/** What of a request is not the split's own. */
export type Reading = SourceContext & Pick<ReadRequest<unknown>, 'state'>;

export interface Opening {
  readonly source: SourceSpec<unknown, unknown>;
  readonly context: Reading;
  /** Elements that a batch should hold at most. */
  readonly batch: number;
  /** A batch should end there. */
  readonly until?: unknown;
  /** Called whenever there is something to look at: a batch, the end, or a failure. */
  wake(reader: SplitReader): void;
}

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
  /** Something of it has been processed, by this attempt or one before. */
  begun: boolean;
  /** Elements of it that this attempt has processed. */
  read = 0;
  /** It waits to be looked at. */
  queued = false;
  /** Where it is to stop; undefined: it reads on. */
  target: Target | undefined;
  /** It has come to its target, and waits. */
  arrived = false;
  /** It is read so that a batch ends on its target. */
  near = false;
  #ready: Batch<unknown, unknown> | undefined;
  #batches: AsyncIterator<Batch<unknown, unknown>> | undefined;
  #abort: AbortController | undefined;
  #asked = false;
  /** Counts the generators; one that was given up is heard no more. */
  #opening = 0;

  constructor(id: string, position: unknown, done: boolean, greatest = NO_WATERMARK, begun = false) {
    this.id = id;
    this.time = { greatest };
    this.position = position;
    this.state = done ? 'done' : 'waiting';
    this.begun = begun;
  }

  /** Starts reading. */
  open(opening: Opening): void {
    this.state = 'reading';
    this.near = opening.until !== undefined;
    const abort = new AbortController();
    this.#abort = abort;
    this.#opening++;
    const { id: split, position } = this;
    const { source, context, batch, until } = opening;
    const request = { ...context, split, position, batch, signal: abort.signal };
    this.#batches = source
      .read(until === undefined ? request : { ...request, until })
      [Symbol.asyncIterator]();
    this.#ahead(opening.wake);
  }

  /** Reads anew from its position; what was read ahead of it is forgotten, and its generator let go of before. */
  reopen(opening: Opening): void {
    const released = this.#release();
    this.#ready = undefined;
    this.near = opening.until !== undefined;
    const own = ++this.#opening;
    void released.then(() => {
      if (own !== this.#opening) return;
      try {
        this.open(opening);
      } catch (error) {
        this.failure = { error };
        opening.wake(this);
      }
    });
  }

  /** The batch that is ready. */
  get ready(): Batch<unknown, unknown> | undefined {
    return this.#ready;
  }

  /** Takes it. The caller processes it, then moves `position`, and calls `ahead` for the next, before or after. */
  take(): Batch<unknown, unknown> | undefined {
    const batch = this.#ready;
    this.#ready = undefined;
    return batch;
  }

  /** Asks for the next batch, if none is ready or asked for; else says that there is something to look at. */
  ahead(wake: (reader: SplitReader) => void): void {
    if (this.#ready !== undefined || this.failure !== undefined) wake(this);
    else if (!this.#asked) this.#ahead(wake);
  }

  /** Nothing is ready: who waits for this split waits for its input. */
  get empty(): boolean {
    return this.#ready === undefined;
  }

  #ahead(wake: (reader: SplitReader) => void): void {
    // A generator that is asked for its next batch while `read` code runs between two yields stays in order:
    // there is only ever one request under way.
    const own = this.#opening;
    this.#asked = true;
    this.#batches?.next().then(
      (result) => {
        if (own !== this.#opening) return;
        this.#asked = false;
        if (result.done === true) this.state = 'done';
        else this.#arrived(result.value);
        wake(this);
      },
      (error: unknown) => {
        if (own !== this.#opening) return;
        this.#asked = false;
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

  /** Ends its generator; resolves once that has let go of what it holds, whatever becomes of it. */
  #release(): Promise<void> {
    this.#abort?.abort();
    const batches = this.#batches;
    this.#batches = undefined;
    this.#asked = false;
    const end = async () => void (await batches?.return?.());
    return end().catch(() => undefined);
  }

  async close(): Promise<void> {
    this.#opening++;
    await this.#release();
  }
}
