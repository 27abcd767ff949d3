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
import type { SourceContext, Split } from '../graph/source.js';
import { type EventTime, NO_WATERMARK } from './event-time.js';
import type { Counted, Input } from './operator.js';
import type { Changes, OperatorStateStore } from './operator-state.js';
import { show } from './show.js';
import { SplitReader } from './split-reader.js';
import type { WatermarkRules } from './watermarks.js';
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

export class SourceGroup {
  readonly node: SourceNode;
  readonly subtasks: readonly SourceSubtask[];
  readonly #where: Where;
  readonly #context: SourceContext;
  readonly #wake: () => void;
  readonly #time: EventTime;
  readonly #abort = new AbortController();
  readonly #owner = new Map<SplitReader, SourceSubtask>();
  readonly #known = new Set<string>();
  /** Splits with something to look at, oldest first. */
  readonly #ready: SplitReader[] = [];
  #reading = 0;
  /** Not known to be read to their end. */
  #open: SplitReader[] = [];
  #tokens = 0;
  #tokensAt: number | undefined;

  constructor(
    node: SourceNode,
    subtasks: readonly SourceSubtask[],
    context: SourceContext,
    where: Where,
    wake: () => void,
    time: EventTime,
  ) {
    this.node = node;
    this.subtasks = subtasks;
    this.#context = context;
    this.#where = where;
    this.#wake = wake;
    this.#time = time;
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
      this.#add(new SplitReader(id, position, recorded?.done ?? false, recorded?.timestamp), index);
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
    return this.node.source.rediscover === undefined && this.#reading === 0 && this.#ready.length === 0;
  }

  /**
   * Processes one batch, if one is ready and the rate allows it. Returns the number of elements, or undefined when
   * there was nothing to do.
   */
  step(monotonic: number): number | undefined {
    if (!this.#mayRead(monotonic)) return undefined;
    const reader = this.#ready.shift();
    if (reader === undefined) return undefined;
    const subtask = this.#owner.get(reader);
    assert(subtask !== undefined, 'a split without owner');
    if (reader.failure !== undefined) throw this.#failed(reader, reader.failure.error);
    const batch = reader.take(this.#onReady);
    if (batch === undefined) {
      this.#reading--;
      this.#fill(subtask);
      return 0;
    }
    this.#where.batch(this.node.uid, reader.id, reader.position);
    const { elements } = batch;
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
    if (batch.state !== undefined) this.#changeState(subtask, reader, batch.state);
    return elements.length;
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
      for (const { id, position, state, time } of splits) {
        const timestamp = time.greatest === NO_WATERMARK ? {} : { timestamp: time.greatest };
        yield { id, position, done: state === 'done', ...timestamp };
      }
    }
  }

  /**
   * The least over its splits of the greatest timestamp seen in each, of those that hold event time back: not those read to
   * their end, nor those that give nothing now, by the rules. Undefined when none does.
   *
   * Of splits that follow each other, one to come is no earlier than those before it, and so needs not count beside them;
   * but where it is the first that is not read to its end, for a moment or while another subtask reads on, it holds back
   * what it may give.
   */
  leastGreatest({ idle, inTurn }: WatermarkRules, monotonic: number): number | undefined {
    let least: number | undefined;
    let first = false;
    let reading = false;
    for (const reader of this.#unfinished()) {
      const { greatest } = reader.time;
      if (reader.state === 'waiting' && inTurn && greatest === NO_WATERMARK) {
        first ||= least === undefined;
        continue;
      }
      reading = true;
      if (reader.state === 'reading' && isIdle(reader, idle, monotonic)) continue;
      if (first) return NO_WATERMARK;
      if (least === undefined || greatest < least) least = greatest;
      if (least === NO_WATERMARK) break;
    }
    return least ?? (first && !reading ? NO_WATERMARK : undefined);
  }

  /** Milliseconds until the next of its splits counts as idle. */
  idleIn(idle: number, monotonic: number): number {
    let wait = Number.POSITIVE_INFINITY;
    for (const reader of this.#unfinished()) {
      if (reader.state !== 'reading' || !reader.empty || isIdle(reader, idle, monotonic)) continue;
      wait = Math.min(wait, (reader.activeAt ?? monotonic) + idle - monotonic);
    }
    return wait;
  }

  /** Nobody looked for so long, milliseconds: what they gave meanwhile could not be seen. */
  stalled(ms: number): void {
    for (const reader of this.#unfinished()) if (reader.activeAt !== undefined) reader.activeAt += ms;
  }

  /** The splits that are not read to their end. Forgets those that are: they are many in the end. */
  #unfinished(): readonly SplitReader[] {
    if (this.#open.some(({ state }) => state === 'done'))
      this.#open = this.#open.filter(({ state }) => state !== 'done');
    return this.#open;
  }

  /** A reader that does not heed its signal is left behind: it must not keep the job from ending. */
  async close(): Promise<void> {
    this.#abort.abort();
    const closing = [...this.#owner.keys()].map((reader) => reader.close().catch(() => undefined));
    const closed = new AbortController();
    const all = Promise.all(closing).finally(() => closed.abort());
    await Promise.race([all, this.#context.clock.sleep(CLOSE_MS, closed.signal)]);
  }

  readonly #onReady = (reader: SplitReader): void => {
    this.#ready.push(reader);
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
    this.#open.push(reader);
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
    let reading = subtask.splits.filter(({ state }) => state === 'reading').length;
    for (const reader of subtask.splits) {
      if (reading >= most) return;
      if (reader.state !== 'waiting') continue;
      reading++;
      this.#reading++;
      const context = { ...this.#context, state: subtask.states.contents(subtask.subtask) };
      reader.open(source, context, this.#batch(), this.#abort.signal, this.#onReady);
    }
  }

  #batch(): number {
    const { rate } = this.node.source;
    return rate === undefined ? BATCH : Math.max(1, Math.min(BATCH, Math.round(rate / RATE_TICKS)));
  }

  /** A token bucket that may go into debt by one batch, and saves up at most one tick. */
  #mayRead(monotonic: number): boolean {
    const { rate } = this.node.source;
    if (rate === undefined) return true;
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

/** Nothing came, and nothing is at hand, for as long as that. */
function isIdle(reader: SplitReader, idle: number | undefined, monotonic: number): boolean {
  if (idle === undefined || !reader.empty) return false;
  reader.activeAt ??= monotonic;
  return monotonic - reader.activeAt >= idle;
}

function byCodeUnits(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
