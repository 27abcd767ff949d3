/**
 * A source: its splits, who reads which, and how fast.
 *
 * Invariants: splits are dealt out by sorted id, the nth to subtask n mod parallelism; a split's recorded position
 * is the one after its last processed batch; splits never read, and those read to the end, are recorded, too; what
 * was read to its end need not be there any more.
 */
import { assert } from '../base/assert.js';
import { TidemarkError } from '../base/errors.js';
import type { SourceNode } from '../graph/node.js';
import type { Batch, SourceContext, Split } from '../graph/source.js';
import { type EventTime, NO_WATERMARK } from './event-time.js';
import type { Counted, Input } from './operator.js';
import type { Changes, OperatorStateStore } from './operator-state.js';
import { show } from './show.js';
import { SourceHold } from './source-hold.js';
import { orderOf, type Target } from './split-hold.js';
import { type Opening, SplitReader } from './split-reader.js';
import { SplitTimes } from './split-times.js';
import type { Where } from './where.js';

/** Elements a batch should hold at most, and how many batches a second a rate is spread over. */
const BATCH = 512;
const RATE_TICKS = 50;
/** How long readers may take to end once their signal is aborted, milliseconds. */
const CLOSE_MS = 2000;
/** The most splits a source may have. */
export const MAX_SPLITS = 1_000_000;

export class SourceSubtask implements Counted {
  in = 0;
  out = 0;
  readonly subtask: number;
  readonly next: Input;
  readonly splits: SplitReader[] = [];
  readonly states: OperatorStateStore;

  constructor(subtask: number, next: Input, states: OperatorStateStore) {
    this.subtask = subtask;
    this.next = next;
    this.states = states;
  }
}

export interface SplitPosition {
  readonly id: string;
  readonly position: unknown;
  readonly done: boolean;
  /** The greatest timestamp seen in it; absent where there was none. */
  readonly timestamp?: number;
}

/** How much of a source is read at most, for a trial; its rate does not count then. */
export interface ReadLimit {
  /** Elements of each split; what comes after them counts as its end. */
  readonly elements: number;
  /** Splits of which nothing is read. */
  skips(source: string, split: string): boolean;
}

export class SourceGroup {
  readonly node: SourceNode;
  readonly subtasks: readonly SourceSubtask[];
  /** How far event time came in its splits. */
  readonly times = new SplitTimes();
  readonly #where: Where;
  readonly #context: SourceContext;
  readonly #wake: () => void;
  readonly #time: EventTime;
  readonly #limit: ReadLimit | undefined;
  readonly #owner = new Map<SplitReader, SourceSubtask>();
  readonly #known = new Set<string>();
  /** Splits with something to look at, oldest first. */
  readonly #ready: SplitReader[] = [];
  /** Splits that are not known to be read to their end. */
  #left = 0;
  #tokens = 0;
  #tokensAt: number | undefined;
  #hold: SourceHold | undefined;

  constructor(
    node: SourceNode,
    subtasks: readonly SourceSubtask[],
    context: SourceContext,
    where: Where,
    wake: () => void,
    time: EventTime,
    limit?: ReadLimit,
  ) {
    this.node = node;
    this.subtasks = subtasks;
    this.#context = context;
    this.#where = where;
    this.#wake = wake;
    this.#time = time;
    this.#limit = limit;
  }

  /** Lists the splits, takes positions from the snapshot where it has them, deals them out and begins to read. */
  async open(restored: readonly SplitPosition[]): Promise<void> {
    const positions = new Map(restored.map((split) => [split.id, split]));
    const found = await this.#listBeside(restored);
    const starts = new Map(found.map((split) => [split.id, split.start]));
    const ids = [...new Set([...starts.keys(), ...positions.keys()])].sort(byCodeUnits);
    ids.forEach((id, index) => {
      const recorded = positions.get(id);
      const position = recorded === undefined ? starts.get(id) : recorded.position;
      const begun = recorded !== undefined && this.#isBegun(recorded, starts.get(id));
      this.#add(new SplitReader(id, position, recorded?.done ?? false, recorded?.timestamp, begun), index);
    });
    for (const subtask of this.subtasks) this.#fill(subtask);
  }

  /** Asks for splits not seen before and reads them. */
  async rediscover(): Promise<void> {
    for (const split of await this.#list()) {
      if (this.#known.has(split.id)) continue;
      this.#add(new SplitReader(split.id, split.start, false), this.#known.size);
    }
    for (const subtask of this.subtasks) this.#fill(subtask);
  }

  /** True when every split was read to its end and no others can appear. */
  get ended(): boolean {
    const more = this.node.source.rediscover !== undefined && this.#limit === undefined;
    return !more && this.#left === 0 && this.#ready.length === 0;
  }

  /**
   * From here on each split stops where it is at that position, until `release`; what is not named stays unread.
   * @throws POSITION_PASSED, INCOMPATIBLE; everything goes on then
   */
  hold(targets: readonly SplitPosition[]): void {
    const readers = [...this.#owner.keys()];
    const hold = new SourceHold(this.node, targets, readers);
    this.#hold = hold;
    for (const reader of readers) hold.aim(reader);
    for (const subtask of this.subtasks) this.#fill(subtask);
  }

  /** What became of `hold`; undefined where nothing is held. */
  get held(): Pick<SourceHold, 'away' | 'failure'> | undefined {
    return this.#hold;
  }

  /** Lets all splits read on. */
  release(): void {
    const hold = this.#hold;
    if (hold === undefined) return;
    this.#hold = undefined;
    for (const [reader, subtask] of this.#owner) {
      const { arrived, near, state } = reader;
      reader.target = undefined;
      reader.arrived = false;
      // It gave nothing because it was not let: that is no idleness.
      if (arrived) reader.activeAt = undefined;
      if (state !== 'reading') continue;
      const slow = near && this.node.source.compare === undefined;
      if (slow && reader.failure === undefined) reader.reopen(this.#opening(subtask));
      else if (arrived || hold.parked.has(reader)) reader.ahead(this.#onReady);
    }
    for (const subtask of this.subtasks) this.#fill(subtask);
  }

  /**
   * Processes one batch, if one is ready and the rate allows it. Returns the number of elements, or undefined when
   * there was nothing to do.
   */
  step(monotonic: number): number | undefined {
    if (!this.#mayRead(monotonic)) return undefined;
    const reader = this.#ready.shift();
    if (reader === undefined) return undefined;
    reader.queued = false;
    const subtask = this.#owner.get(reader);
    assert(subtask !== undefined, 'a split without owner');
    if (reader.failure !== undefined) throw this.#failed(reader, reader.failure.error);
    if (reader.state === 'done' && reader.empty) {
      this.#readToEnd(reader, subtask);
      return 0;
    }
    const batch = this.#take(reader, subtask);
    if (batch === undefined) return 0;
    this.#where.batch(this.node.uid, reader.id, reader.position);
    const elements = this.#allowed(reader, batch.elements);
    subtask.in += elements.length;
    subtask.out += elements.length;
    if (this.node.source.rate !== undefined) this.#tokens -= elements.length;
    if (elements.length > 0) reader.activeAt = monotonic;
    const time = this.#time;
    time.timestamp = Number.NaN;
    time.split = reader.time;
    for (const element of elements) subtask.next.push(element);
    time.split = undefined;
    reader.position = batch.position;
    reader.read += elements.length;
    reader.begun ||= elements.length > 0;
    if (batch.state !== undefined) this.#changeState(subtask, reader, batch.state);
    if (this.#hold !== undefined) this.#arrive(reader, subtask);
    if (this.#limit !== undefined && reader.read >= this.#limit.elements) this.#cut(reader, subtask);
    return elements.length;
  }

  /** The batch that is ready, if it may be processed now, and asks for the next. */
  #take(reader: SplitReader, subtask: SourceSubtask): Batch<unknown, unknown> | undefined {
    const verdict = this.#hold?.verdict(reader) ?? 'take';
    switch (verdict) {
      case 'near':
        reader.reopen(this.#opening(subtask, reader.target));
        return undefined;
      case 'take':
      case 'take-last': {
        const batch = reader.take();
        if (batch !== undefined && verdict === 'take') reader.ahead(this.#onReady);
        return batch;
      }
      default:
        this.#hold?.parked.add(reader);
        return undefined;
    }
  }

  /** Where its wait has come to an end, another split of the subtask may be read meanwhile. */
  #arrive(reader: SplitReader, subtask: SourceSubtask): void {
    this.#hold?.arrive(reader);
    if (reader.arrived) this.#fill(subtask);
  }

  #readToEnd(reader: SplitReader, subtask: SourceSubtask): void {
    this.#left--;
    this.#hold?.arrive(reader);
    this.#fill(subtask);
  }

  /** The elements of a batch that a trial reads. */
  #allowed(reader: SplitReader, elements: readonly unknown[]): readonly unknown[] {
    return this.#limit === undefined ? elements : elements.slice(0, this.#limit.elements - reader.read);
  }

  /** For a trial, this is its end. */
  #cut(reader: SplitReader, subtask: SourceSubtask): void {
    reader.state = 'done';
    void reader.close();
    this.#readToEnd(reader, subtask);
  }

  /** It was read from before: nothing can tell that but its position. */
  #isBegun({ position, done }: SplitPosition, start: unknown): boolean {
    return done || start === undefined || orderOf(this.node.source, position, start) !== 0;
  }

  /** Milliseconds until the rate allows another batch; 0 when it does now. */
  waitMs(monotonic: number): number {
    const { rate } = this.node.source;
    if (rate === undefined || this.#ready.length === 0) return Number.POSITIVE_INFINITY;
    return this.#mayRead(monotonic) ? 0 : Math.max(1, (-this.#tokens / rate) * 1000);
  }

  /** Every split's position: what a snapshot keeps. */
  *positions(): Generator<SplitPosition> {
    for (const { splits } of this.subtasks) {
      for (const { id, position, state, time, target, arrived } of splits) {
        // A split that a snapshot does not know is found again where it begins.
        if (target?.listed === false) continue;
        const timestamp = time.greatest === NO_WATERMARK ? {} : { timestamp: time.greatest };
        // That it has no more elements is known only by looking beyond its position.
        const done = arrived && target !== undefined ? target.done : state === 'done';
        yield { id, position, done, ...timestamp };
      }
    }
  }

  /** A reader that does not heed its signal is left behind: it must not keep the job from ending. */
  async close(): Promise<void> {
    const closing = [...this.#owner.keys()].map((reader) => reader.close().catch(() => undefined));
    const closed = new AbortController();
    const all = Promise.all(closing).finally(() => closed.abort());
    await Promise.race([all, this.#context.clock.sleep(CLOSE_MS, closed.signal)]);
  }

  readonly #onReady = (reader: SplitReader): void => {
    if (!reader.queued) this.#ready.push(reader);
    reader.queued = true;
    this.#wake();
  };

  /** A finished input may be deleted: where all that was known is read to its end, nothing more need be there. */
  async #listBeside(restored: readonly SplitPosition[]): Promise<readonly Split<unknown>[]> {
    try {
      return await this.#list();
    } catch (error) {
      const gone = error instanceof TidemarkError && error.code === 'FILE_NOT_FOUND';
      const finished = restored.length > 0 && restored.every(({ done }) => done);
      // A source that looks for more splits never ends, and would not find its input the next time either.
      if (!gone || !finished || this.node.source.rediscover !== undefined) throw error;
      this.#context.log(`source ${this.node.uid}: its input is gone, and was read to its end`);
      return [];
    }
  }

  async #list(): Promise<readonly Split<unknown>[]> {
    const splits = await this.node.source.splits(this.#context);
    if (splits.length > MAX_SPLITS) {
      throw new TidemarkError(
        'SOURCE_FAILED',
        `${splits.length} splits; at most ${MAX_SPLITS} are supported`,
      );
    }
    const ids = new Set(splits.map(({ id }) => id));
    if (ids.size === splits.length && !ids.has('')) return splits;
    throw new TidemarkError('SOURCE_FAILED', 'split ids must be non-empty and unique');
  }

  #add(reader: SplitReader, index: number): void {
    const subtask = this.subtasks[index % this.subtasks.length];
    assert(subtask !== undefined, 'a source without subtasks');
    subtask.splits.push(reader);
    this.#owner.set(reader, subtask);
    this.#known.add(reader.id);
    this.times.add(reader);
    if (this.#limit?.skips(this.node.uid, reader.id) === true) reader.state = 'done';
    if (reader.state !== 'done') this.#left++;
    this.#hold?.aim(reader);
  }

  #changeState(subtask: SourceSubtask, reader: SplitReader, changes: Changes): void {
    try {
      subtask.states.replace(subtask.subtask, changes);
    } catch (error) {
      throw this.#failed(reader, error);
    }
  }

  /** Opens waiting splits of this subtask up to the source's concurrency. */
  #fill(subtask: SourceSubtask): void {
    const { source } = this.node;
    const most = source.concurrency ?? Number.POSITIVE_INFINITY;
    // One that waits for others lets the next one read: else that might never come to where it is to wait.
    let reading = subtask.splits.filter(({ state, arrived }) => state === 'reading' && !arrived).length;
    for (const reader of subtask.splits) {
      if (reading >= most) return;
      if (reader.state !== 'waiting' || reader.arrived) continue;
      reading++;
      reader.open(this.#opening(subtask, source.compare === undefined ? reader.target : undefined));
    }
  }

  /** How a split is read; with a target, so that a batch ends there. */
  #opening(subtask: SourceSubtask, target?: Target): Opening {
    const { source } = this.node;
    const context = { ...this.#context, state: subtask.states.contents(subtask.subtask) };
    const common = { source, context, wake: this.#onReady };
    if (target === undefined) return { ...common, batch: this.#batch() };
    const batch = source.compare === undefined ? 1 : this.#batch();
    return { ...common, batch, until: target.position };
  }

  #batch(): number {
    if (this.#limit !== undefined) return Math.min(BATCH, this.#limit.elements);
    const { rate } = this.node.source;
    return rate === undefined ? BATCH : Math.max(1, Math.min(BATCH, Math.round(rate / RATE_TICKS)));
  }

  /** A token bucket that may go into debt by one batch, and saves up at most one tick. */
  #mayRead(monotonic: number): boolean {
    const { rate } = this.node.source;
    if (rate === undefined || this.#limit !== undefined) return true;
    const elapsed = monotonic - (this.#tokensAt ?? monotonic);
    this.#tokensAt = monotonic;
    this.#tokens = Math.min(this.#tokens + (elapsed * rate) / 1000, Math.max(1, rate / RATE_TICKS));
    return this.#tokens >= 0;
  }

  #failed(reader: SplitReader, error: unknown): TidemarkError {
    this.#where.batch(this.node.uid, reader.id, reader.position);
    const element = `(reading split ${reader.id} from ${show(reader.position)})`;
    return this.#where.fail(error, this.node.id, element, 'SOURCE_FAILED');
  }
}

function byCodeUnits(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
