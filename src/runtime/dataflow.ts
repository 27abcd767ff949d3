/**
 * A graph, compiled for one attempt: every node as N subtasks that call each other directly.
 *
 * Invariants: `step` is synchronous and leaves nothing in flight, so that the state between two steps is the state
 * at a barrier; no element is lost between two operators; the same inputs in the same order of readiness give the
 * same run. Nothing here knows files, SQLite, the terminal or the wall clock.
 *
 * Life: `new` → `restore` any number of times → `open` → `step` … → `close`.
 */
import { TidemarkError } from '../base/errors.js';
import type { Entry, EntryWriter } from '../format/entry.js';
import type { Graph } from '../graph/node.js';
import type { SinkContext, Transaction, TransactionId } from '../graph/sink.js';
import type { SourceContext } from '../graph/source.js';
import type { BackendOptions, StepTime } from '../state/backend.js';
import { type AsyncGroups, NO_FLOOR } from './async-groups.js';
import { type RefusedSplit, refusedSplits } from './check-source.js';
import type { BackendFactory } from './compile.js';
import { type Compiled, compile } from './compile.js';
import { Drains } from './drains.js';
import { type HeldAt, Hold } from './hold.js';
import type { KeyedOperator } from './operator.js';
import { ProcessingTime } from './processing-time.js';
import { Restored } from './restored.js';
import type { SinkOpening } from './sink.js';
import { Snapshot } from './snapshot.js';
import type { ReadLimit } from './source.js';
import type { Table } from './tables.js';
import type { Where } from './where.js';

/** Timers fired in one step at most, so that commands are heard in between. */
const TIMERS_A_STEP = 256;
/** Expired entries let go of in one step, about. */
const EXPIRED_A_STEP = 256;

export interface DataflowOptions {
  readonly graph: Graph;
  readonly parallelism: number;
  readonly maxParallelism: number;
  readonly backend: BackendFactory;
  readonly snapshots: BackendOptions['snapshots'];
  readonly context: SourceContext & Omit<SinkContext, 'sink'>;
  readonly where: Where;
  /** Sinks take part; false: elements end at their inputs. */
  readonly liveSinks: boolean;
  /** Sinks set aside what their targets hold beyond the snapshot the job was restored from. */
  readonly rewind: boolean;
  /** How much is read at most, for a trial. */
  readonly limit?: ReadLimit | undefined;
  /** Called when a source has something to look at. */
  wake(): void;
}

/** What an attempt starts from. */
export interface Beginning {
  /** Processing time at the snapshot's barrier. */
  readonly barrierTime: number | undefined;
  /** The state is the one the job was restored from, not a checkpoint of its own. */
  readonly fromOrigin: boolean;
}

export class Dataflow {
  readonly compiled: Compiled;
  readonly time: ProcessingTime;
  /** Slow writes; no step may begin before these have settled. */
  readonly waiting: Promise<void>[] = [];
  droppedTimers = 0;
  elements = 0;
  readonly #stepTime: StepTime = { now: 0 };
  /** Nothing is read any more, and event time is at its end. */
  #draining = false;
  #pausing = false;
  #advanced = false;
  #standing = false;
  #hold: Hold | undefined;
  readonly #options: DataflowOptions;
  readonly #restored: Restored;

  constructor(options: DataflowOptions) {
    this.#options = options;
    this.time = new ProcessingTime(options.context.clock);
    // Entries are restored before the first step, and some get their time to live then.
    this.#stepTime.now = this.time.now();
    this.compiled = compile({
      ...options,
      processingTime: this.time,
      stepTime: this.#stepTime,
      waiting: this.waiting,
    });
    this.#restored = new Restored(this.compiled);
    options.where.nameNodes((node) => this.compiled.names[node] ?? `node ${node}`);
  }

  get tables(): readonly Table[] {
    return this.compiled.tables;
  }

  /**
   * Takes one entry of a snapshot whose tables are `tables`; `kept` where it lies in segments that later snapshots
   * refer to. Only before `open`.
   */
  restore(entry: Entry, tables: readonly Table[], kept = false): void {
    this.#restored.take(entry, tables, kept);
  }

  /** Finishes the commits of the snapshot, opens sinks, user code and sources, in this order. */
  async open(beginning: Beginning): Promise<void> {
    const { where } = this.#options;
    if (beginning.barrierTime !== undefined) this.time.raise(beginning.barrierTime);
    this.#stepTime.now = this.time.now();
    for (const [uid, time] of this.compiled.times) {
      time.watermark = this.#restored.watermark(uid);
      time.furthest = this.#restored.furthest(uid);
    }
    this.compiled.watermarks.goOn();
    await this.recoverSinks({ writers: true, fromOrigin: beginning.fromOrigin });
    for (const operator of this.compiled.keyed) {
      where.enter();
      await operator.open();
      where.leave();
    }
    this.compiled.asyncs?.begin(this.#options.context.clock.monotonic());
    await this.compiled.asyncs?.open(where);
    for (const source of this.compiled.sources) {
      where.at(source.node.id, 0);
      where.enter();
      try {
        await source.open(this.#restored.splits(source.node.uid, source.node.source.position));
      } catch (error) {
        throw where.fail(error, source.node.id, '(listing its splits)', 'SOURCE_FAILED');
      }
      where.leave();
    }
  }

  /** Finishes the commits of the snapshot; with `writers`, also opens the sinks for writing. Mute sinks do nothing. */
  async recoverSinks(opening: Omit<SinkOpening, 'rewind'>): Promise<void> {
    if (!this.#options.liveSinks) return;
    if (opening.fromOrigin && this.#options.rewind) {
      for (const group of this.compiled.sinks) {
        this.#options.where.enter();
        await group.checkRewind({ ...this.#options.context, sink: group.node.uid });
        this.#options.where.leave();
      }
    }
    for (const group of this.compiled.sinks) {
      const { uid, sink } = group.node;
      const context: SinkContext = { ...this.#options.context, sink: uid };
      const restored: readonly Transaction<unknown>[] = this.#restored.transactions(uid, sink.transaction);
      this.#options.where.enter();
      await group.open(context, restored, { ...opening, rewind: this.#options.rewind });
      this.#options.where.leave();
    }
  }

  /** What sources cannot go on from, of the positions that were restored. Instead of `open`. */
  async refusedSplits(): Promise<readonly RefusedSplit[]> {
    const found: RefusedSplit[] = [];
    for (const { node } of this.compiled.sources) {
      this.#options.where.at(node.id, 0);
      const restored = () => this.#restored.splits(node.uid, node.source.position);
      found.push(...(await refusedSplits(node, restored, this.#options.context)));
    }
    return found;
  }

  /** By sink, what its target holds beyond the snapshot's lineage. Only before `open`. */
  async aheadOfSnapshot(): Promise<ReadonlyMap<string, readonly TransactionId[]>> {
    const found = new Map<string, readonly TransactionId[]>();
    for (const group of this.compiled.sinks) {
      const { uid } = group.node;
      found.set(uid, await group.ahead({ ...this.#options.context, sink: uid }));
    }
    return found;
  }

  /**
   * One bounded piece of work: due event timers, else due processing-time timers, else one batch of one source. False:
   * nothing to do for now.
   * Throws the failure of user code, even one that user code caught.
   */
  step(monotonic: number): boolean {
    const { where } = this.#options;
    where.enter();
    this.#stepTime.now = this.time.now();
    for (const { backend } of this.compiled.expiring) backend.expire(EXPIRED_A_STEP);
    const { asyncs } = this.compiled;
    const worked = asyncs === undefined ? this.#stepAll(monotonic) : this.#stepBehind(asyncs, monotonic);
    if (worked) for (const group of this.compiled.sinks) for (const sink of group.operators) sink.flush();
    if (where.failure !== undefined) throw where.failure;
    where.leave();
    return worked;
  }

  #stepAll(monotonic: number): boolean {
    const fired = this.compiled.watermarks.advance(monotonic, TIMERS_A_STEP, NO_FLOOR);
    this.#advanced = fired === 0 && this.compiled.watermarks.settled;
    return (
      this.#hold?.advanced(fired) === true ||
      fired > 0 ||
      this.#fireTimers(NO_FLOOR) ||
      this.#mayRead(monotonic)
    );
  }

  /** As `stepAll`, where elements are in flight: results go first, and where one is blocked only what lies behind it moves. */
  #stepBehind(asyncs: AsyncGroups, monotonic: number): boolean {
    asyncs.look(monotonic);
    const { floor } = asyncs;
    const fired = this.compiled.watermarks.advance(monotonic, TIMERS_A_STEP, floor);
    this.#advanced = false;
    if (fired > 0) return true;
    const delivered = asyncs.deliver(floor);
    if (!delivered && asyncs.inFlight === 0) {
      this.#advanced = this.compiled.watermarks.settled;
      if (this.#hold?.advanced(fired) === true) return true;
    }
    const now = Math.max(floor, asyncs.floor);
    return this.#fireTimers(now) || (now === NO_FLOOR && this.#mayRead(monotonic)) || delivered;
  }

  #mayRead(monotonic: number): boolean {
    return this.#reads && this.#readBatch(monotonic);
  }

  get #reads(): boolean {
    return !this.#draining && !this.#pausing && !this.#standing;
  }

  /** Every source was read to its end, and nothing is in flight. */
  get ended(): boolean {
    return this.compiled.sources.every((source) => source.ended) && this.inFlight === 0;
  }

  /** Elements whose results have not left their `asyncMap` yet. */
  get inFlight(): number {
    return this.compiled.asyncs?.inFlight ?? 0;
  }

  /**
   * Sends the maximum watermark: from here on nothing is read, event timers and windows fire, and when `step` has nothing
   * to do the state is drained.
   */
  drain(): void {
    this.#draining = true;
    this.compiled.watermarks.end();
  }

  get draining(): boolean {
    return this.#draining;
  }

  /** Reads nothing until `goOn`, so that event time comes to where what was read lets it. */
  pause(): void {
    this.#pausing = true;
  }

  /** Since the last element, event time has come as far as it can, and all timers up to there have fired. */
  get advanced(): boolean {
    return this.#advanced;
  }

  goOn(): void {
    this.#pausing = false;
  }

  /**
   * Comes to the positions of a snapshot, and waits there until `release`; see hold.ts.
   * @throws POSITION_PASSED, INCOMPATIBLE, DRAINED; nothing is held then
   */
  hold(at: HeldAt): void {
    this.release();
    this.#hold = new Hold(this.compiled, at);
  }

  /** Reads nothing, and lets event time stand where it is, until `hold` or `release`. */
  standStill(): void {
    this.release();
    this.#standing = true;
    this.compiled.watermarks.level(
      new Map([...this.compiled.times].map(([uid, { watermark }]) => [uid, watermark])),
    );
  }

  /** Something is held, or all stands still. */
  get isHeld(): boolean {
    return this.#standing || this.#hold !== undefined;
  }

  /** What became of `hold`; undefined where nothing is held. */
  get held(): Hold | undefined {
    return this.#hold;
  }

  /** Goes on. */
  release(): void {
    if (this.#standing) this.compiled.watermarks.release();
    this.#standing = false;
    this.#hold?.release();
    this.#hold = undefined;
  }

  /** Goes on after a drain that was for nothing. What has fired has fired; event time is behind it again. */
  undrain(): void {
    if (!this.#draining) return;
    this.#draining = false;
    this.compiled.watermarks.recede();
  }

  /** The process stood still for so long, milliseconds, or did something else: no split was idle for that. */
  stalled(ms: number): void {
    this.compiled.asyncs?.stalled(ms);
    for (const source of this.compiled.sources) source.times.stalled(ms);
  }

  /** Milliseconds until there may be something to do without a source waking us. */
  waitMs(monotonic: number): number {
    const { asyncs } = this.compiled;
    const floor = asyncs?.floor ?? NO_FLOOR;
    let wait = asyncs?.waitMs(monotonic) ?? Number.POSITIVE_INFINITY;
    // Until results leave nothing before them may move, even where it is due.
    if (floor === NO_FLOOR) {
      wait = Math.min(wait, this.compiled.watermarks.waitMs(monotonic));
      if (this.#reads)
        for (const source of this.compiled.sources) wait = Math.min(wait, source.waitMs(monotonic));
    }
    const next = this.#nextTimer(floor);
    if (next !== Number.POSITIVE_INFINITY) wait = Math.min(wait, Math.max(0, next - this.time.now()));
    return wait;
  }

  /** End of input: pending processing-time timers never fire. */
  dropTimers(): void {
    for (const operator of this.compiled.keyed) this.droppedTimers += operator.backend.dropTimers();
  }

  /** The barrier: everything before is in the snapshot, everything after is not. Slow writes must have settled. */
  freeze(checkpoint: number, out: EntryWriter): Snapshot {
    if (this.waiting.length > 0) throw new TidemarkError('INTERNAL', 'a barrier while writes are under way');
    const now = this.time.now();
    this.#stepTime.now = now;
    return new Snapshot(this.compiled, checkpoint, now, out, this.#options.context);
  }

  /** Freezes what changed in keyed state, without a barrier: only to write it away. */
  flush(out: EntryWriter): Drains {
    this.#stepTime.now = this.time.now();
    return new Drains(
      this.compiled.keyed.map(({ backend }) => backend),
      out,
    );
  }

  /** Commits all transactions up to this checkpoint's. */
  async commit(checkpoint: number): Promise<void> {
    for (const group of this.compiled.sinks) await group.commit(checkpoint);
  }

  async closeSources(): Promise<void> {
    for (const source of this.compiled.sources) await source.close();
  }

  /** Releases what user code and sinks hold. */
  async close(): Promise<void> {
    await this.closeSources();
    for (const operator of this.compiled.keyed) await operator.close();
    await this.compiled.asyncs?.close();
    for (const group of this.compiled.sinks) await group.close();
  }

  #nextTimer(floor: number): number {
    let next = Number.POSITIVE_INFINITY;
    for (const operator of this.#timed(floor))
      next = Math.min(next, operator.backend.nextTimer('processing'));
    return next;
  }

  /** Those with timers of processing time that may fire. */
  #timed(floor: number): readonly KeyedOperator[] {
    const { timed, nodes } = this.compiled;
    return floor === NO_FLOOR ? timed : timed.filter((operator) => (nodes.get(operator) ?? 0) > floor);
  }

  #fireTimers(floor: number): boolean {
    if (this.compiled.timed.length === 0) return false;
    const now = this.time.now();
    let fired = 0;
    for (const operator of this.#timed(floor)) {
      while (fired < TIMERS_A_STEP && operator.fireTimer('processing', now)) fired++;
    }
    return fired > 0;
  }

  #turn = 0;

  /** Sources take turns, so that one that is always ready does not starve the others. */
  #readBatch(monotonic: number): boolean {
    const { sources } = this.compiled;
    for (let i = 0; i < sources.length; i++) {
      this.#turn = (this.#turn + 1) % sources.length;
      const count = sources[this.#turn]?.step(monotonic);
      if (count === undefined) continue;
      this.elements += count;
      this.#advanced = false;
      return true;
    }
    return false;
  }
}
