/**
 * Windows with a trigger of the user's: each pane is asked for each element and each timer its trigger set (Flink's
 * `WindowOperator`). What a trigger keeps is in the table `trigger`, and outlives what the pane keeps: a purge drops the
 * pane's contents alone. Both are forgotten when the watermark is past lateness.
 *
 * Invariants
 * - Between two calls a key has exactly one event timer, at the least of what triggers set and of the ends of lateness,
 *   and one processing timer, at the least that triggers set; or none.
 * - A timer set at or before the watermark fires before the next element, within the same call.
 * - A session that was purged keeps a record, though it may say nothing: elements within the gap still belong to it.
 */
import { TidemarkError } from '../../base/errors.js';
import type { WindowNode } from '../../graph/node.js';
import type { TimeWindow, Trigger, TriggerResult, WindowAssigner } from '../../graph/window.js';
import type { PanesHandle } from '../../state/backend.js';
import type { KeyedParts } from '../operator.js';
import { show } from '../show.js';
import { byEnd, windowsOf } from './assigning.js';
import { BaseOperator } from './base-operator.js';
import { cleanupTime } from './dues.js';
import { KeyTimer } from './key-timer.js';
import { PROCESSING, TRIGGER } from './layout.js';
import { mergedRecord, type SessionRecord } from './merged-record.js';
import { sessionOf } from './session-gap.js';
import { isUnchanged, type Joined, join } from './sessions.js';
import { TriggerPane } from './trigger-pane.js';
import type { TimeKind, TriggerRecord } from './trigger-record.js';
import { shownPane } from './user-code.js';

const NEVER = Number.POSITIVE_INFINITY;
/** How often timers may set timers in the past, before that counts as never ending. */
const MOST_ROUNDS = 10_000;
const RESULTS: readonly unknown[] = ['continue', 'fire', 'purge', 'fire-and-purge'] satisfies TriggerResult[];

interface DueTimer {
  readonly time: number;
  readonly window: TimeWindow;
}

export class TriggeredOperator extends BaseOperator {
  readonly #assign: WindowAssigner;
  readonly #lateness: number;
  readonly #trigger: Trigger<unknown, unknown>;
  readonly #records: PanesHandle<TriggerRecord>;
  readonly #empty: TriggerRecord;
  readonly #pane: TriggerPane;
  readonly #eventDue: KeyTimer;
  readonly #processingDue: KeyTimer;

  constructor(node: WindowNode, parts: KeyedParts, trigger: Trigger<unknown, unknown>) {
    super(node, parts);
    const { backend, time, processingTime } = parts;
    this.#assign = node.spec.assign;
    this.#lateness = node.spec.lateness;
    this.#trigger = trigger;
    this.#records = backend.state(TRIGGER) as PanesHandle<TriggerRecord>;
    this.#empty = { state: trigger.initial, event: [], processing: [] };
    this.#pane = new TriggerPane(trigger, time, processingTime, this.#empty);
    this.#eventDue = new KeyTimer(this.eventTimer, () => this.#leastEvent());
    this.#processingDue = new KeyTimer(backend.timer(PROCESSING), () => this.#leastProcessing());
    if (this.#assign.kind === 'global') this.late = undefined;
  }

  pushKeyed(value: unknown, key: unknown, group: number, hash: number): void {
    this.in++;
    this.user.at();
    const assign = this.#assign;
    if (assign.kind === 'session') {
      const alone = sessionOf(assign, this.timestampOf(value), value, this.user);
      this.select(key, group, hash);
      const joined = join(alone, this.#windows());
      if (this.#isPast(joined.window)) return this.tooLate(value);
      if (!isUnchanged(joined) && joined.absorbed.length > 0) this.#merge(joined, value);
      this.#addTo(joined.window, value);
    } else {
      const timestamp = assign.kind === 'global' ? this.eventTime.timestamp : this.timestampOf(value);
      const all = windowsOf(assign, timestamp);
      const windows = all.filter((window) => !this.#isPast(window));
      if (all.length > 0 && windows.length === 0) return this.tooLate(value);
      this.select(key, group, hash);
      for (const window of windows) this.#addTo(window, value);
    }
    if (this.#eventDue.touched) this.#fireUpTo('event', this.time.watermark);
    this.#settle();
  }

  protected override onEventTime(time: number): void {
    this.#eventDue.fired();
    this.#fireUpTo('event', time);
    for (const window of this.#windows()) {
      if (cleanupTime(window.end, this.#lateness) > time) continue;
      this.#processingDue.touch();
      this.panes.delete(window.start);
      this.#records.delete(window.start);
    }
    this.#settle();
  }

  protected override onProcessingTime(time: number): void {
    this.#processingDue.fired();
    this.#fireUpTo('processing', time);
    if (this.#eventDue.touched) this.#fireUpTo('event', this.time.watermark);
    this.#settle();
  }

  #settle(): void {
    this.#eventDue.settle();
    this.#processingDue.settle();
  }

  #addTo(window: TimeWindow, value: unknown): void {
    const kept = this.panes.get(window.start);
    const now = this.contents.add(kept, value);
    if (kept === undefined) this.#eventDue.touch();
    const fresh = this.keep(window, now, value);
    if (fresh) this.#eventDue.touch();
    this.#pane.load(this.key, window, this.eventTime.timestamp, this.#records.get(window.start));
    this.#ask('onElement', value, () => this.#trigger.onElement(value, this.#pane));
  }

  /** Fires what is set at or before `bound` for the current key, by time, then by the pane's end. */
  #fireUpTo(kind: TimeKind, bound: number): void {
    for (let round = 0; ; round++) {
      const due = this.#dueTimers(kind, bound);
      if (due.length === 0) return;
      for (const timer of due) this.#fire(kind, timer);
      // By event time the past does not end by itself; a processing timer in the past is for the next step.
      if (kind === 'processing') return;
      if (round < MOST_ROUNDS) continue;
      const error = new Error(`trigger ${this.#trigger.kind} never stops setting timers in the past`);
      throw this.user.failed(error, { key: this.key });
    }
  }

  #dueTimers(kind: TimeKind, bound: number): readonly DueTimer[] {
    const due: DueTimer[] = [];
    for (const window of this.#records.windows()) {
      const times = this.#records.get(window.start)?.[kind] ?? [];
      for (const time of times) if (time <= bound) due.push({ time, window });
    }
    return due.sort((a, b) => a.time - b.time || byEnd(a.window, b.window));
  }

  #fire(kind: TimeKind, { time, window }: DueTimer): void {
    const record = this.#records.get(window.start);
    // An earlier one may have deleted it.
    if (record?.[kind].includes(time) !== true) return;
    const pane = this.#pane;
    pane.load(this.key, window, time, record);
    const own = this.eventTime.timestamp;
    if (kind === 'event') {
      pane.eventTimer.delete(time);
      this.eventTime.timestamp = time;
      this.#ask('onEventTime', time, () => this.#trigger.onEventTime?.(time, pane) ?? 'continue');
    } else {
      pane.processingTimer.delete(time);
      this.#ask('onProcessingTime', time, () => this.#trigger.onProcessingTime?.(time, pane) ?? 'continue');
    }
    this.eventTime.timestamp = own;
  }

  /** Asks the trigger about the pane that is loaded, and does what it says. `about`: the element, or the timer's time. */
  #ask(what: 'onElement' | 'onEventTime' | 'onProcessingTime', about: unknown, call: () => unknown): void {
    const { window } = this.#pane;
    const shown = what === 'onElement' ? about : { timer: about, window, key: this.key };
    let result: unknown;
    try {
      result = call();
    } catch (error) {
      throw this.user.failed(error, shown);
    }
    if (!RESULTS.includes(result)) this.#refuse(what, result, shown);
    this.#save(shown);
    if (result === 'fire' || result === 'fire-and-purge') {
      const kept = this.panes.get(window.start);
      if (kept !== undefined) this.give(window, kept);
    }
    if (result === 'purge' || result === 'fire-and-purge') this.#purge(window, shown);
  }

  #refuse(what: string, result: unknown, shown: unknown): never {
    this.user.refusePromise(result, shown);
    const message = `${what} of trigger ${this.#trigger.kind} must return one of ${RESULTS.join(', ')}, found ${show(result)}`;
    throw this.user.failed(new TypeError(message), shown);
  }

  /** Keeps what the trigger changed of the pane that is loaded. */
  #save(shown: unknown): void {
    const pane = this.#pane;
    if (!pane.changed) return;
    const { window } = pane;
    this.#eventDue.touch();
    if (pane.timersChanged) this.#processingDue.touch();
    this.#keepRecord(window, pane.record() ?? this.#remains(window), shown);
  }

  #purge(window: TimeWindow, shown: unknown): void {
    this.#eventDue.touch();
    this.panes.delete(window.start);
    if (this.#records.get(window.start) === undefined) this.#keepRecord(window, this.#remains(window), shown);
  }

  /** What is kept of a trigger that has nothing to say. */
  #remains({ start }: TimeWindow): TriggerRecord | undefined {
    const last = this.#assign.kind === 'session' && this.panes.get(start) === undefined;
    return last ? this.#empty : undefined;
  }

  #keepRecord(window: TimeWindow, record: TriggerRecord | undefined, shown: unknown): void {
    if (record === undefined) {
      this.#records.delete(window.start);
      return;
    }
    try {
      this.#records.set(window, record);
    } catch (error) {
      throw error instanceof TidemarkError ? this.user.failed(error, shown) : error;
    }
  }

  /** Makes one pane of several sessions, before the element that joins them comes to it. */
  #merge({ window, absorbed }: Joined, value: unknown): void {
    this.#eventDue.touch();
    this.#processingDue.touch();
    const shown = shownPane({ key: this.key, ...window });
    let kept: unknown;
    const sessions: SessionRecord[] = [];
    for (const { start, end } of absorbed) {
      const part = this.panes.get(start);
      if (kept === undefined) kept = part;
      else if (part !== undefined) kept = this.contents.merge(kept, part, { key: this.key, start, end });
      sessions.push({ window: { start, end }, record: this.#records.get(start) ?? this.#empty });
      this.panes.delete(start);
      this.#records.delete(start);
    }
    if (kept !== undefined) this.keep(window, kept, value);
    const merged = mergedRecord(sessions, window.end, this.#trigger, this.user, shown);
    this.#pane.load(this.key, window, this.eventTime.timestamp, merged);
    this.#keepRecord(window, this.#pane.record() ?? this.#remains(window), shown);
    this.#onMerge(shown);
  }

  #onMerge(shown: unknown): void {
    let result: unknown;
    try {
      result = this.#trigger.onMerge?.(this.#pane);
    } catch (error) {
      throw this.user.failed(error, shown);
    }
    this.user.refusePromise(result, shown);
    this.#save(shown);
  }

  /** All windows of the current key, of which there are contents, a record, or both. */
  #windows(): TimeWindow[] {
    const windows: TimeWindow[] = [...this.panes.windows()];
    for (const window of this.#records.windows())
      if (this.panes.get(window.start) === undefined) windows.push(window);
    return windows;
  }

  #isPast({ end }: TimeWindow): boolean {
    return end !== NEVER && this.time.watermark >= cleanupTime(end, this.#lateness);
  }

  #leastEvent(): number {
    let least = NEVER;
    for (const { end } of this.panes.windows()) least = Math.min(least, cleanupTime(end, this.#lateness));
    for (const { start, end } of this.#records.windows()) {
      const [first = NEVER] = this.#records.get(start)?.event ?? [];
      least = Math.min(least, first, cleanupTime(end, this.#lateness));
    }
    return least;
  }

  #leastProcessing(): number {
    let least = NEVER;
    for (const { start } of this.#records.windows()) {
      const [first = NEVER] = this.#records.get(start)?.processing ?? [];
      least = Math.min(least, first);
    }
    return least;
  }
}
