/**
 * The rim of the dataflow: runs its synchronous steps one after another, and between two of them hears commands,
 * waits for slow sinks, writes slices of a snapshot and tells how it goes.
 *
 * Invariants: a barrier falls between two steps, when no write is under way; after the barrier of a last
 * checkpoint nothing is processed any more; commands are heard at least every BREATH_MS while elements flow.
 */
import { getHeapStatistics } from 'node:v8';
import { assert } from '../base/assert.js';
import type { Clock } from '../base/clock.js';
import { TidemarkError } from '../base/errors.js';
import type { Expiry } from '../format/manifest.js';
import type { Dataflow } from '../runtime/dataflow.js';
import type { Snapshot } from '../runtime/snapshot.js';
import type { Where } from '../runtime/where.js';
import type { TableCount } from '../state/backend.js';
import { collectOperators, MeanSizes, type Sizes } from './collect-metrics.js';
import { HoldWatch } from './hold-watch.js';
import { DRAIN_CHUNKS_OUT, type FromData, MAX_CHUNKS_OUT, type ToData } from './protocol.js';
import type { StateWriter } from './state-writer.js';

/** The longest stretch of steps before the event loop gets a turn, milliseconds. */
const BREATH_MS = 2;
/** A slice of a snapshot, and the least processing between two, milliseconds. */
const SLICE_MS = 2;
const GAP_MS = 0.5;
/** The longest idle wait, milliseconds: metrics and rediscovery go on. */
const MAX_IDLE_MS = 250;
/** A heap this full, this many looks in a row (one every HEAP_LOOK_MS), fails the attempt before V8 aborts. */
const HEAP_FULL = 0.95;
const HEAP_LOOKS = 3;
const HEAP_LOOK_MS = 50;
/** How long a checkpoint that was asked for waits for answers before it holds what is in flight, milliseconds. */
const ANSWERS_MS = 2000;
/** A turn of the loop that lasts longer, milliseconds, is a stall: user code, a stopped process, a sleeping machine. */
const STALL_MS = 1000;

export interface LoopOptions {
  readonly dataflow: Dataflow;
  /** Idle. */
  readonly writer: StateWriter;
  readonly where: Where;
  readonly clock: Clock;
  readonly epoch: number;
  readonly liveSinks: boolean;
  readonly metricsEvery: number;
  send(message: FromData, transfer?: readonly ArrayBuffer[]): void;
  /** Lets what user code printed go. */
  flushOutput(): void;
}

type Asked = Extract<ToData, { readonly type: 'checkpoint' }>;

export class DataLoop {
  readonly #options: LoopOptions;
  readonly #commands: ToData[] = [];
  readonly #writer: StateWriter;
  #wake: (() => void) | undefined;
  #woken = false;
  #snapshot: Snapshot | undefined;
  /** A checkpoint that waits until a flush is written. */
  #asked: Asked | undefined;
  #askedAt = 0;
  readonly #holds: HoldWatch;
  /** The last step had nothing to do. */
  #quiet = false;
  #prepared = false;
  /** Settles when the transactions of the last barrier are durable, or have failed the attempt. */
  #sealed: Promise<void> = Promise.resolve();
  /** At the last barrier, event time had come to its end. */
  #drained = false;
  #longestSlice = 0;
  #sliceEnd = 0;
  #stopped = false;
  #endedSaid = false;
  #finished = false;
  #breathAt = 0;
  #metricsAt = 0;
  #metricsElements = 0;
  #sizes: Sizes | undefined;
  readonly #means = new MeanSizes();
  #heapAt = 0;
  #turnAt: number | undefined;
  #heapFull = 0;
  #rediscoverAt = new Map<number, number>();
  #failure: unknown;

  constructor(options: LoopOptions) {
    this.#options = options;
    this.#writer = options.writer;
    this.#holds = new HoldWatch(options);
  }

  /** A command from the main thread; heard between two steps. */
  command(message: ToData): void {
    try {
      if (!this.#writer.hear(message)) this.#commands.push(message);
    } catch (error) {
      // A segment that cannot be read is no failure of user code, as what nobody catches in this thread is.
      this.fail(error);
    }
    this.wake();
  }

  readonly wake = (): void => {
    this.#woken = true;
    this.#wake?.();
  };

  /** Something outside the steps failed; the loop throws it. */
  fail(error: unknown): void {
    this.#failure ??= error;
    this.wake();
  }

  /** Runs until told to finish. Throws what fails the attempt. */
  async run(): Promise<void> {
    this.#tell(true); // `status` has operators to show as soon as the job runs.
    try {
      await this.#turns();
    } catch (error) {
      this.#tellFailed();
      throw error;
    }
    this.#tell(true);
  }

  /** How far it has come, as far as that can be told. */
  #tellFailed(): void {
    try {
      this.#tell(true);
    } catch {
      // What failed may be what would have to be looked at.
    }
  }

  async #turns(): Promise<void> {
    const { dataflow, clock } = this.#options;
    while (!this.#finished) {
      for (let command = this.#commands.shift(); command !== undefined; command = this.#commands.shift()) {
        await this.#obey(command);
      }
      if (this.#failure !== undefined) throw this.#failure;
      await this.#maybeFreeze();
      this.#noteStall();
      const may = this.#mayStep();
      const stepped = may && dataflow.step(clock.monotonic());
      this.#quiet = may && !stepped;
      if (dataflow.waiting.length > 0) await this.#settle();
      const sliced = this.#slice();
      this.#holds.look();
      // Not where steps are held back: what event time has come to may still be to fire.
      if (this.#quiet && dataflow.ended && !dataflow.isHeld) this.#sayEnded();
      this.#watchHeap();
      this.#tell(false);
      if (stepped || sliced) await this.#breathe();
      else if (!this.#finished) await this.#idle();
    }
  }

  #mayStep(): boolean {
    return !this.#stopped && this.#writer.pool.out < MAX_CHUNKS_OUT && !this.#writer.full;
  }

  async #obey(command: ToData): Promise<void> {
    const { dataflow, send } = this.#options;
    switch (command.type) {
      case 'checkpoint':
        assert(this.#snapshot === undefined && this.#asked === undefined, 'two checkpoints at a time');
        this.#asked = command;
        this.#askedAt = this.#options.clock.monotonic();
        this.#quiet = false;
        if (command.drain) dataflow.drain();
        else if (command.settle === true) dataflow.pause();
        return;
      case 'hold':
        this.#holds.hold(command, this.#endedSaid);
        return;
      case 'stand-still':
        if (!this.#endedSaid) dataflow.standStill();
        return;
      case 'release':
        dataflow.release();
        return;
      case 'abort-checkpoint':
        if (this.#asked?.id === command.id) this.#asked = undefined;
        dataflow.undrain();
        dataflow.goOn();
        if (this.#snapshot?.checkpoint !== command.id) {
          // It may have been drained since this was heard.
          this.#writer.hear(command);
          return;
        }
        this.#snapshot.abort();
        this.#snapshot = undefined;
        this.#writer.aborted();
        return;
      case 'completed':
        dataflow.commit(command.id).then(
          () => send({ type: 'committed', id: command.id }),
          (error: unknown) => this.fail(error),
        );
        return;
      case 'go-on':
        this.#stopped = false;
        dataflow.undrain();
        return;
      case 'finish':
        this.#finished = true;
        return;
      default:
        assert(false, `a ${command.type} while running`);
    }
  }

  /** Begins what is due: a checkpoint goes before a flush. */
  async #maybeFreeze(): Promise<void> {
    if (!this.#writer.idle) return;
    // What is drained fires its timers first, and changes are flushed meanwhile as ever.
    const asked = this.#isDue(this.#asked) ? this.#asked : undefined;
    if (asked !== undefined) this.#asked = undefined;
    if (asked !== undefined) await this.#freeze(asked);
    else if (!this.#stopped) this.#writer.maybeFlush();
  }

  #isDue(asked: Asked | undefined): boolean {
    if (asked?.drain === true) return this.#quiet && this.#options.dataflow.inFlight === 0;
    return asked?.settle !== true || this.#options.dataflow.advanced || this.#waitedLong();
  }

  /** What is in flight may be asked about for long; the snapshot then holds it. */
  #waitedLong(): boolean {
    const { dataflow, clock } = this.#options;
    return dataflow.inFlight > 0 && clock.monotonic() - this.#askedAt >= ANSWERS_MS;
  }

  /** The barrier. */
  async #freeze({ id, last, release }: Asked): Promise<void> {
    const { dataflow, clock } = this.#options;
    await this.#settle();
    // What an aborted checkpoint sealed goes with this one: it must be durable, and known, before.
    this.#options.where.enter();
    await this.#sealed;
    this.#options.where.leave();
    const start = clock.monotonic();
    const snapshot = dataflow.freeze(id, this.#writer.writer(id));
    this.#drained = dataflow.draining || this.#endedSaid;
    this.#writer.begin(snapshot.drains);
    this.#longestSlice = clock.monotonic() - start;
    dataflow.goOn();
    if (release === true) dataflow.release();
    this.#snapshot = snapshot;
    this.#prepared = false;
    this.#sliceEnd = 0;
    if (last) this.#stopped = true;
    this.#sealed = snapshot.prepared.catch(() => undefined);
    snapshot.prepared.then(
      () => {
        if (this.#snapshot === snapshot) this.#prepared = true;
        this.wake();
      },
      (error: unknown) => this.fail(error),
    );
  }

  /** Writes a slice of the snapshot when one is due; true when it did. */
  #slice(): boolean {
    const snapshot = this.#snapshot;
    const { pool, flushing, full } = this.#writer;
    if ((snapshot === undefined && !flushing) || pool.out >= DRAIN_CHUNKS_OUT) return false;
    const { clock } = this.#options;
    const start = clock.monotonic();
    if (start - this.#sliceEnd < GAP_MS && !this.#stopped && !full) return false;
    const due = () => clock.monotonic() - start >= SLICE_MS || pool.out >= DRAIN_CHUNKS_OUT;
    const drained = snapshot === undefined ? this.#writer.sliceFlush(due) : snapshot.slice(due);
    if (snapshot !== undefined && drained && this.#prepared) this.#finishSnapshot(snapshot);
    this.#sliceEnd = clock.monotonic();
    this.#longestSlice = Math.max(this.#longestSlice, this.#sliceEnd - start);
    return !drained;
  }

  #finishSnapshot(snapshot: Snapshot): void {
    const { dataflow, send } = this.#options;
    snapshot.finish();
    this.#snapshot = undefined;
    this.#writer.done();
    if (this.#writer.changes) {
      this.#means.add(snapshot.out, dataflow.tables);
      this.#sizes = this.#means;
    } else this.#sizes = snapshot.out;
    send({
      type: 'drained',
      id: snapshot.checkpoint,
      barrierTime: snapshot.barrierTime,
      drained: this.#drained,
      longestSliceMs: this.#longestSlice,
      tables: dataflow.tables.map(({ id }) => ({
        entries: snapshot.out.entriesOf(id),
        bytes: snapshot.out.bytesOf(id),
        subtasks: snapshot.counts.get(id)?.map(({ entries }) => entries),
        expiries: expiriesOf(snapshot.counts.get(id)),
      })),
    });
  }

  async #settle(): Promise<void> {
    const { dataflow, where } = this.#options;
    while (dataflow.waiting.length > 0) {
      where.enter();
      await Promise.all(dataflow.waiting.splice(0));
      where.leave();
    }
  }

  #sayEnded(): void {
    if (this.#endedSaid) return;
    this.#endedSaid = true;
    const { dataflow, send } = this.#options;
    dataflow.dropTimers();
    send({ type: 'ended', droppedTimers: dataflow.droppedTimers });
  }

  /** Lets sources go on, and every BREATH_MS the whole event loop. */
  async #breathe(): Promise<void> {
    const now = this.#options.clock.monotonic();
    if (now - this.#breathAt < BREATH_MS) return await undefined;
    this.#options.flushOutput();
    await new Promise<void>((resolve) => setImmediate(resolve));
    await this.#rediscover();
    this.#breathAt = this.#options.clock.monotonic();
  }

  async #idle(): Promise<void> {
    const { dataflow, clock, flushOutput } = this.#options;
    flushOutput();
    await this.#rediscover();
    if (!this.#woken) {
      const now = clock.monotonic();
      const untilWork = this.#stopped ? MAX_IDLE_MS : dataflow.waitMs(now);
      const writing = this.#snapshot !== undefined || this.#writer.flushing;
      const untilSlice = !writing || this.#writer.pool.out > 0 ? MAX_IDLE_MS : GAP_MS;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, Math.max(0, Math.min(untilWork, untilSlice, MAX_IDLE_MS)));
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
      this.#wake = undefined;
    }
    this.#woken = false;
    this.#breathAt = clock.monotonic();
  }

  async #rediscover(): Promise<void> {
    if (this.#stopped) return;
    const { dataflow, clock, where } = this.#options;
    const now = clock.monotonic();
    for (const source of dataflow.compiled.sources) {
      const every = source.node.source.rediscover;
      if (every === undefined) continue;
      const due = this.#rediscoverAt.get(source.node.id) ?? now + every;
      this.#rediscoverAt.set(source.node.id, now >= due ? now + every : due);
      if (now < due) continue;
      where.at(source.node.id, 0);
      where.enter();
      try {
        await source.rediscover();
      } catch (error) {
        throw where.fail(error, source.node.id, '(listing its splits)', 'SOURCE_FAILED');
      }
      where.leave();
    }
  }

  /** Time in which no source could be heard is not held against its splits. */
  #noteStall(): void {
    const { dataflow, clock } = this.#options;
    const now = clock.monotonic();
    const lasted = now - (this.#turnAt ?? now);
    this.#turnAt = now;
    if (lasted > STALL_MS) dataflow.stalled(lasted);
  }

  #watchHeap(): void {
    const { clock } = this.#options;
    const now = clock.monotonic();
    if (now - this.#heapAt < HEAP_LOOK_MS) return;
    this.#heapAt = now;
    const { used_heap_size: used, heap_size_limit: limit } = getHeapStatistics();
    this.#heapFull = used > limit * HEAP_FULL ? this.#heapFull + 1 : 0;
    if (this.#heapFull < HEAP_LOOKS) return;
    const mib = (bytes: number) => `${Math.round(bytes / 1024 / 1024)} MiB`;
    throw new TidemarkError('HEAP_FULL', `the heap is full: ${mib(used)} of ${mib(limit)}`);
  }

  #tell(force: boolean): void {
    const { clock, metricsEvery, dataflow, epoch, liveSinks, send } = this.#options;
    const now = clock.monotonic();
    const elapsed = now - this.#metricsAt;
    if (elapsed < metricsEvery && !force) return;
    const rate = this.#metricsAt === 0 ? 0 : ((dataflow.elements - this.#metricsElements) * 1000) / elapsed;
    this.#metricsAt = now;
    this.#metricsElements = dataflow.elements;
    const operators = collectOperators(dataflow.compiled, liveSinks, this.#sizes, clock.now());
    const { elements, droppedTimers } = dataflow;
    send({ type: 'metrics', metrics: { at: clock.now(), epoch, elements, rate, droppedTimers, operators } });
  }
}

/** By subtask, where some entry expires, and is counted so. */
function expiriesOf(counts: readonly TableCount[] = []): readonly (readonly Expiry[])[] | undefined {
  if (counts.every(({ expiries }) => expiries === undefined)) return undefined;
  return counts.map(({ expiries = [] }) => expiries);
}
