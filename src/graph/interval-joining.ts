/**
 * How elements of two keyed streams find those that are near in time.
 *
 * Elements are kept in buckets of time, as wide as the interval or up to twice that, so that the partners of one lie in at
 * most two of them, however much the key keeps. A bucket goes as a whole, once no partner can come for any of its elements:
 *
 *     left     [time, element], by bucket       until the end of the bucket + upper
 *     right    the same                         until the end of the bucket − lower
 *     alone    by time: the places in `left` of the elements of a left join that have no partner, until time + upper
 *     layout   by what bounds the above was kept, and how many buckets there are. Where an upgrade has changed the bounds,
 *              what the key keeps is put in order anew before anything else is done with it.
 *
 * Invariants: a key that keeps anything has a layout, and an event timer for each bucket and for each time in `alone`;
 * elements of one time have the same partners among what comes later; what is at or behind the watermark is not kept.
 */
import type { Schema } from '../codec/schema.js';
import { type JoinContext, type JoinType, LATE } from './join.js';
import { append, drop, lists, type Page, type PageKey, pagesOf, take } from './paged-lists.js';
import type { ProcessContext } from './process.js';
import type { MapState, StateDeclaration, ValueState } from './state.js';
import { type } from './type.js';

export interface Interval {
  readonly type: JoinType;
  readonly lower: number;
  readonly upper: number;
  readonly left: Schema<unknown> | undefined;
  readonly right: Schema<unknown> | undefined;
  join(left: unknown, right: unknown, context: JoinContext<unknown>): unknown;
}

type Kept = readonly [time: number, element: unknown];
type KeptMap = StateDeclaration<MapState<PageKey, Page<Kept>>>;

interface Layout {
  readonly lower: number;
  readonly upper: number;
  readonly type: JoinType;
  readonly buckets: number;
}

export type States = {
  readonly left: KeptMap;
  readonly right: KeptMap;
  readonly alone: StateDeclaration<MapState<PageKey, Page<number>>>;
  readonly layout: StateDeclaration<ValueState<Layout>>;
};

export const TIMERS = { 'left-due': 'event', 'right-due': 'event', 'alone-due': 'event' } as const;
export const SIDES = { [LATE.left]: type<unknown>(), [LATE.right]: type<unknown>() } as const;

/** What callbacks are given: the runtime's own context. */
export interface JoinRun extends ProcessContext<unknown, States, typeof TIMERS, typeof SIDES, unknown> {
  /** Emits with this timestamp, and not that of what is at hand. A promise is refused, as one of user code for `element`. */
  emitAt(value: unknown, timestamp: number, element: unknown): void;
}

/** Times further from 1970 are no safe integers any more once bounds are added. */
const FARTHEST = Number.MAX_SAFE_INTEGER / 2;

export class IntervalJoining {
  readonly #interval: Interval;
  /** Of a bucket: a power of two, so that places in time divide by it without rest. */
  readonly #width: number;
  readonly #lower: number;
  readonly #upper: number;
  /** From the time of an element of the left to when it is known that it has no partner. */
  readonly #aloneUntil: number;
  /** From the end of a bucket of the left to when it goes. */
  readonly #leftStays: number;

  constructor(interval: Interval) {
    const { type, lower, upper } = interval;
    this.#interval = interval;
    this.#width = widthOf(interval);
    // What is alone is looked for in its bucket when its time is up.
    this.#leftStays = type === 'left' ? Math.max(upper, 0) : upper;
    this.#lower = lower;
    this.#upper = upper;
    this.#aloneUntil = Math.max(upper, 0);
  }

  /** Joins an element with what came on the right before it, and keeps it. */
  onLeft(element: unknown, run: JoinRun): void {
    const time = timeOf(run);
    if (time <= run.watermark()) return run.side[LATE.left](element);
    this.#arrange(run, run.watermark());
    let partners = 0;
    const last = this.#bucketOf(time + this.#upper);
    for (let bucket = this.#bucketOf(time + this.#lower); bucket <= last; bucket++) {
      for (const page of pagesOf(run.state.right, bucket)) {
        for (const kept of page) {
          if (kept === null) continue;
          const [rightTime, right] = kept;
          if (rightTime < time + this.#lower || rightTime > time + this.#upper) continue;
          partners++;
          this.#give(run, element, right, time, rightTime);
        }
      }
    }
    this.#keepLeft(run, [time, element], partners === 0, run.watermark());
  }

  /** The same for an element of the right. */
  onRight(element: unknown, run: JoinRun): void {
    const time = timeOf(run);
    if (time <= run.watermark()) return run.side[LATE.right](element);
    this.#arrange(run, run.watermark());
    const last = this.#bucketOf(time - this.#lower);
    for (let bucket = this.#bucketOf(time - this.#upper); bucket <= last; bucket++) {
      for (const page of pagesOf(run.state.left, bucket)) {
        for (const kept of page) {
          if (kept === null) continue;
          const [leftTime, left] = kept;
          if (time < leftTime + this.#lower || time > leftTime + this.#upper) continue;
          this.#notAlone(run, leftTime);
          this.#give(run, left, element, leftTime, time);
        }
      }
    }
    this.#keepRight(run, [time, element], run.watermark());
  }

  onLeftDue(at: number, run: JoinRun): void {
    if (this.#arrange(run, at)) return;
    if (drop(run.state.left, (at - this.#leftStays) / this.#width - 1)) this.#count(run, -1);
  }

  onRightDue(at: number, run: JoinRun): void {
    if (this.#arrange(run, at)) return;
    if (drop(run.state.right, (at + this.#lower) / this.#width - 1)) this.#count(run, -1);
  }

  /** No partner has come, and none will. */
  onAloneDue(at: number, run: JoinRun): void {
    if (this.#arrange(run, at)) return;
    const time = at - this.#aloneUntil;
    for (const places of pagesOf(run.state.alone, time)) {
      for (const place of places) {
        // What has been told to be alone is no partner any more, whatever bounds an upgrade brings.
        const kept = place === null ? undefined : take<Kept>(run.state.left, this.#bucketOf(time), place);
        if (kept?.[0] === time) this.#giveAlone(run, kept[1], time, at);
      }
    }
    drop(run.state.alone, time);
  }

  #give(run: JoinRun, left: unknown, right: unknown, leftTime: number, rightTime: number): void {
    const result = this.#interval.join(left, right, { key: run.key, leftTime, rightTime });
    run.emitAt(result, Math.max(leftTime, rightTime), left);
  }

  #giveAlone(run: JoinRun, left: unknown, leftTime: number, at: number): void {
    const result = this.#interval.join(left, undefined, { key: run.key, leftTime, rightTime: undefined });
    run.emitAt(result, at, left);
  }

  /** Keeps an element as long as a partner may come after `now`, where event time is. */
  #keepLeft(run: JoinRun, kept: Kept, isAlone: boolean, now: number): void {
    const [time] = kept;
    const alone = isAlone && this.#interval.type === 'left';
    if (!alone && time + this.#upper <= now) return;
    const bucket = this.#bucketOf(time);
    const place = append<Kept>(run.state.left, bucket, kept);
    if (place === 0) {
      this.#count(run, 1);
      run.timers['left-due'].set((bucket + 1) * this.#width + this.#leftStays);
    }
    if (!alone) return;
    if (append<number>(run.state.alone, time, place) === 0)
      run.timers['alone-due'].set(time + this.#aloneUntil);
  }

  #keepRight(run: JoinRun, kept: Kept, now: number): void {
    const [time] = kept;
    if (time - this.#lower <= now) return;
    const bucket = this.#bucketOf(time);
    if (append<Kept>(run.state.right, bucket, kept) > 0) return;
    this.#count(run, 1);
    run.timers['right-due'].set((bucket + 1) * this.#width - this.#lower);
  }

  #notAlone(run: JoinRun, time: number): void {
    if (this.#interval.type === 'left' && drop(run.state.alone, time))
      run.timers['alone-due'].delete(time + this.#aloneUntil);
  }

  #bucketOf(time: number): number {
    return Math.floor(time / this.#width) + 0;
  }

  #count(run: JoinRun, by: 1 | -1): void {
    const buckets = (run.state.layout.get()?.buckets ?? 0) + by;
    const { type, lower, upper } = this.#interval;
    if (buckets === 0) run.state.layout.clear();
    else run.state.layout.set({ lower, upper, type, buckets });
  }

  /** Where the key was kept by other bounds: keeps it by these. True where there was something to do. */
  #arrange(run: JoinRun, now: number): boolean {
    const before = run.state.layout.get();
    if (before === undefined) return false;
    const { type, lower, upper } = this.#interval;
    if (before.lower === lower && before.upper === upper && before.type === type) return false;
    const { left, right, alone, layout } = run.state;
    const width = widthOf(before);
    /** By bucket of before: the places of what is alone. */
    const lonely = new Map<number, Set<number>>();
    for (const [time, places] of lists<number>(alone)) {
      const bucket = Math.floor(time / width) + 0;
      const found = lonely.get(bucket) ?? new Set();
      lonely.set(bucket, found);
      for (const place of places) if (place !== null) found.add(place);
    }
    const lefts = lists<Kept>(left);
    const rights = lists<Kept>(right);
    for (const kept of [left, right, alone, layout]) kept.clear();
    for (const timer of Object.values(run.timers)) timer.clear();
    for (const [, records] of rights)
      for (const kept of records) if (kept !== null) this.#keepRight(run, kept, now);
    for (const [bucket, records] of lefts) {
      const places = lonely.get(bucket);
      records.forEach((kept, place) => {
        if (kept !== null) this.#keepAgain(run, kept, places?.has(place) === true, now);
      });
    }
    return true;
  }

  /** By other bounds it may be too late for a partner already: then that is told at once. */
  #keepAgain(run: JoinRun, kept: Kept, alone: boolean, now: number): void {
    const [time, element] = kept;
    const known = alone && this.#interval.type === 'left' && time + this.#aloneUntil <= now;
    if (known) this.#giveAlone(run, element, time, run.timestamp ?? now);
    this.#keepLeft(run, kept, alone && !known, now);
  }
}

function widthOf({ lower, upper }: { readonly lower: number; readonly upper: number }): number {
  return 2 ** Math.ceil(Math.log2(Math.max(1, upper - lower)));
}

/** @throws RangeError where there is none. */
function timeOf({ timestamp }: JoinRun): number {
  if (timestamp !== undefined && Math.abs(timestamp) <= FARTHEST) return timestamp;
  // The graph has a timestamp for each element; timers of processing time and broadcasts without one emit others.
  throw new RangeError(
    timestamp === undefined
      ? 'an element without a timestamp: emit to joins where there is one, in onElement or by a timer of event time'
      : `timestamp ${timestamp} is too far from 1970 to be joined`,
  );
}
