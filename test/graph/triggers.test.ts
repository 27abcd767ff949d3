import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isTrigger, triggers } from '../../src/graph/triggers.js';
import type { AnyTrigger, PaneContext, Trigger, TriggerResult } from '../../src/graph/window.js';

/** A pane of one trigger, its watermark moved by hand: what it answers, and the timers it has set. */
class Pane {
  readonly timers = new Set<number>();
  readonly #trigger: Trigger<unknown, unknown>;
  readonly #context: PaneContext;
  window: { readonly start: number; readonly end: number };
  state: unknown;
  timestamp = 0;
  watermark = Number.NEGATIVE_INFINITY;

  constructor(trigger: AnyTrigger<unknown>, start: number, end: number) {
    this.#trigger = isTrigger(trigger) ? trigger : assert.fail('no trigger');
    this.window = { start, end };
    this.state = this.#trigger.initial;
    this.#context = this.#makeContext();
  }

  element(timestamp: number): TriggerResult {
    this.timestamp = timestamp;
    return this.#trigger.onElement('element', this.#context);
  }

  /** Raises the watermark and says what each timer that is due then answers. */
  advance(watermark: number): readonly (readonly [time: number, result: TriggerResult | undefined])[] {
    this.watermark = watermark;
    const fired: [number, TriggerResult | undefined][] = [];
    for (;;) {
      const next = Math.min(...this.timers);
      if (this.timers.size === 0 || next > watermark) return fired;
      this.timers.delete(next);
      this.timestamp = next;
      fired.push([next, this.#trigger.onEventTime?.(next, this.#context)]);
    }
  }

  /** This pane takes the other in: both states and all timers. */
  absorb(other: Pane): void {
    const { merge, onMerge } = this.#trigger;
    this.window = {
      start: Math.min(this.window.start, other.window.start),
      end: Math.max(this.window.end, other.window.end),
    };
    if (merge !== undefined) this.state = merge(this.state, other.state);
    for (const time of other.timers) this.timers.add(time);
    onMerge?.(this.#context);
  }

  #makeContext(): PaneContext {
    const pane = this;
    const timer = {
      set: (time: number) => void pane.timers.add(time),
      delete: (time: number) => void pane.timers.delete(time),
    };
    return {
      key: 'key',
      get window() {
        return pane.window;
      },
      get timestamp() {
        return pane.timestamp;
      },
      watermark: () => pane.watermark,
      now: () => 0,
      state: {
        get: () => pane.state,
        set: (value) => {
          pane.state = value;
        },
      },
      eventTimer: timer,
      processingTimer: timer,
    };
  }
}

test('eventTime fires once at the end, and for each element after it', () => {
  const pane = new Pane(triggers.eventTime(), 0, 10);
  assert.deepEqual([pane.element(3), pane.element(9)], ['continue', 'continue']);
  assert.deepEqual(pane.advance(8), []);
  assert.deepEqual(pane.advance(20), [[9, 'fire']]);
  assert.equal(pane.element(5), 'fire');
  assert.equal(pane.timers.size, 0);
});

test('eventTime of sessions fires at the end of the merged one', () => {
  const pane = new Pane(triggers.eventTime(), 0, 10);
  const other = new Pane(triggers.eventTime(), 8, 18);
  pane.element(0);
  other.element(8);
  pane.absorb(other);
  assert.deepEqual(pane.advance(100), [
    [9, 'continue'],
    [17, 'fire'],
  ]);
});

test('eventTime never fires for the window that never ends', () => {
  const pane = new Pane(triggers.eventTime(), Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY);
  assert.equal(pane.element(3), 'continue');
  assert.equal(pane.timers.size, 0);
});

test('count fires at each n-th element; sessions that meet count together', () => {
  const pane = new Pane(triggers.count(3), 0, 10);
  const results = Array.from({ length: 7 }, (_, at) => pane.element(at));
  assert.deepEqual(results, ['continue', 'continue', 'fire', 'continue', 'continue', 'fire', 'continue']);
  const other = new Pane(triggers.count(3), 8, 18);
  other.element(8);
  pane.absorb(other);
  assert.equal(pane.element(9), 'fire');
  assert.equal(new Pane(triggers.count(1), 0, 10).element(0), 'fire');
});

test('continuous fires at the multiples of its interval, and at the end', () => {
  const pane = new Pane(triggers.continuous(10), 0, 35);
  assert.equal(pane.element(3), 'continue');
  assert.deepEqual(pane.advance(9), []);
  assert.deepEqual(pane.advance(25), [
    [10, 'fire'],
    [20, 'fire'],
  ]);
  assert.equal(pane.element(4), 'continue');
  assert.deepEqual(pane.advance(100), [
    [30, 'fire'],
    [34, 'fire'],
  ]);
  assert.equal(pane.element(5), 'fire');
});

test('continuous begins after what has passed, and ends with a window that never does', () => {
  const pane = new Pane(triggers.continuous(10), Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY);
  pane.watermark = 47;
  assert.equal(pane.element(3), 'continue');
  assert.deepEqual([...pane.timers], [50]);
  const before = new Pane(triggers.continuous(10), -100, 0);
  before.element(-15);
  assert.deepEqual(before.advance(100), [
    [-10, 'fire'],
    [-1, 'fire'],
  ]);
});

test('continuous fires once more at the end of time, and then only if elements come, where windows never end', () => {
  const pane = new Pane(triggers.continuous(10), Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY);
  pane.element(3);
  assert.deepEqual(pane.advance(25), [
    [10, 'fire'],
    [20, 'fire'],
  ]);
  assert.deepEqual(pane.advance(Number.POSITIVE_INFINITY), [[30, 'fire']]);
  pane.watermark = 41;
  pane.element(42);
  assert.deepEqual([...pane.timers], [50]);
});

test('continuous of sessions goes on with the earlier of the two', () => {
  const pane = new Pane(triggers.continuous(10), 0, 8);
  const other = new Pane(triggers.continuous(10), 7, 35);
  pane.element(0);
  other.element(12);
  assert.deepEqual([...pane.timers], [7]);
  pane.absorb(other);
  assert.deepEqual(pane.advance(100), [
    [7, 'continue'],
    [20, 'fire'],
    [30, 'fire'],
    [34, 'fire'],
  ]);
});

test('purging fires as its trigger does, and purges', () => {
  const pane = new Pane(triggers.purging(triggers.count(2)), 0, 10);
  assert.deepEqual([pane.element(1), pane.element(2)], ['continue', 'fire-and-purge']);
  const timely = new Pane(triggers.purging(triggers.eventTime()), 0, 10);
  timely.element(1);
  assert.deepEqual(timely.advance(9), [[9, 'fire-and-purge']]);
  const merged = new Pane(triggers.purging(triggers.count(2)), 8, 18);
  merged.element(8);
  merged.absorb(pane);
  assert.equal(merged.element(9), 'fire-and-purge');
});
