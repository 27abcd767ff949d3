/** Windows with triggers: of the library, and of one's own. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defineTrigger, triggers } from '../../src/graph/triggers.js';
import type {
  AnyTrigger,
  PaneContext,
  Trigger,
  TriggerResult,
  WindowAssigner,
} from '../../src/graph/window.js';
import fc from '../helpers/property.js';
import { WindowRun } from './window-run.js';
import { type Shown, specOf, type Way } from './window-specs.js';
import { assigners, streams } from './window-streams.js';

const END = Number.POSITIVE_INFINITY;
const TEN = { kind: 'tumbling', size: 10, offset: 0 } as const;
const SESSIONS = { kind: 'session', gap: 10 } as const;
const GLOBAL = { kind: 'global' } as const;

const asked = (trigger: AnyTrigger<never>) => trigger as Trigger<unknown, unknown>;

function running(
  assign: WindowAssigner,
  trigger: AnyTrigger<never>,
  lateness = 0,
  way: Way = 'apply',
): WindowRun {
  return new WindowRun(specOf(assign, way, { lateness, trigger: asked(trigger) }));
}

const shownBy = (run: WindowRun) => run.results.map(({ value }) => value as Shown);
const ids = (run: WindowRun) => shownBy(run).map((shown) => shown.ids);
const bounds = (run: WindowRun) => shownBy(run).map(({ start, end }) => [start, end]);
const empty = (run: WindowRun) => Object.values(run.counts()).every((entries) => entries === 0);

test('count fires at each full count with all of the pane, and what came after shows nowhere', () => {
  const run = running(TEN, triggers.count(3));
  for (let id = 1; id <= 7; id++) run.push('a', [id], id);
  run.push('b', [8], 5);
  assert.deepEqual(ids(run), [
    [1, 2, 3],
    [1, 2, 3, 4, 5, 6],
  ]);
  assert.deepEqual(run.counts(), { panes: 2, trigger: 2, event: 2, processing: 0 });
  run.advance(END);
  assert.equal(run.results.length, 2);
  assert.ok(empty(run));
});

test('a timer for the end of a session goes with the end, and leaves none behind', () => {
  const asked: number[] = [];
  const atEnd = defineTrigger({
    onElement(_element: unknown, pane) {
      pane.eventTimer.set(pane.window.end - 1);
      if (pane.timestamp === 0) pane.eventTimer.set(5);
      return 'continue';
    },
    onEventTime(time) {
      asked.push(time);
      return 'fire';
    },
  });
  const run = running(SESSIONS, atEnd);
  // Each makes the session longer; then one that makes it one with another.
  for (const at of [0, 3, 6, 24, 15]) run.push('a', [at], at);
  assert.deepEqual(asked, []);
  run.advance(END);
  assert.deepEqual(asked, [5, 33]);
  assert.deepEqual(bounds(run), [
    [0, 34],
    [0, 34],
  ]);
  assert.ok(empty(run));
});

test('a session of many elements keeps as many timers as one of few', () => {
  for (const trigger of [triggers.purging(triggers.eventTime()), triggers.continuous(50)]) {
    const run = running({ kind: 'session', gap: 1000 }, trigger);
    for (let at = 0; at < 300; at++) run.push('a', [at], at);
    const records = run
      .begin()
      .finish()
      .filter(({ table }) => table === 1);
    assert.ok(
      records.every(({ value }) => value.length < 100),
      `${records.map(({ value }) => value.length)} bytes`,
    );
    assert.equal(records.length, 1);
  }
});

test('purging shows each element once', () => {
  const run = running(TEN, triggers.purging(triggers.count(3)), 0, 'reduce');
  for (let id = 1; id <= 7; id++) run.push('a', [id], id);
  assert.deepEqual(ids(run), [
    [1, 2, 3],
    [4, 5, 6],
  ]);
  run.advance(END);
  assert.ok(empty(run));
});

test('a pane that was purged and whose trigger says nothing is forgotten at once', () => {
  const run = running(TEN, triggers.purging(triggers.count(2)));
  run.push('a', [1], 1);
  run.push('a', [2], 2);
  assert.ok(empty(run));
});

test('the global window counts over everything; results carry the time of their element', () => {
  const run = running(GLOBAL, triggers.purging(triggers.count(2)));
  run.push('a', [1], 700);
  run.push('b', [2], Number.NaN);
  run.move();
  run.push('a', [3], -5);
  run.push('b', [4], Number.NaN);
  run.push('b', [5], Number.NaN);
  assert.deepEqual(
    run.results.map(({ value, timestamp }) => [(value as Shown).ids, timestamp]),
    [
      [[1, 3], -5],
      [[2, 4], Number.NaN],
    ],
  );
  assert.equal(run.operator.late, undefined);
  assert.deepEqual(bounds(run)[0], [Number.NEGATIVE_INFINITY, END]);
  assert.deepEqual(run.counts(), { panes: 1, trigger: 1, event: 0, processing: 0 });
  run.advance(END);
  assert.equal(run.results.length, 2);
});

test('the global window without a trigger keeps everything and gives nothing', () => {
  const run = new WindowRun(specOf(GLOBAL, 'apply'));
  run.push('a', [1], Number.NaN);
  run.push('a', [2], 5);
  run.advance(END);
  assert.deepEqual(
    [run.results.length, run.counts(), run.operator.late],
    [0, { panes: 1, event: 0 }, undefined],
  );
});

/** What the default trigger does, said by a trigger. */
const eventTime = defineTrigger({
  kind: 'likeTheDefault',
  onElement: (_element: unknown, pane) => atEnd(pane),
  onEventTime: (time, { window }) => (time === window.end - 1 ? 'fire' : 'continue'),
  onMerge: (pane) => void atEnd(pane),
});

function atEnd(pane: PaneContext<undefined>): TriggerResult {
  if (pane.window.end - 1 <= pane.watermark()) return 'fire';
  pane.eventTimer.set(pane.window.end - 1);
  return 'continue';
}

test('a trigger that does what the default does gives the same results', () => {
  const ways = fc.constantFrom<Way>('reduce', 'apply');
  const stream = streams({ actual: 40, allowed: 12 });
  fc.assert(
    fc.property(assigners, ways, fc.nat(25), stream, (assign, way, lateness, steps) => {
      const custom = running(assign, eventTime, lateness, way);
      const plain = new WindowRun(specOf(assign, way, { lateness }));
      for (const run of [custom, plain]) {
        for (const step of steps) {
          if (step.kind === 'element') run.push(step.key, [step.id], step.timestamp);
          else if (step.kind === 'watermark') run.advance(step.time);
          else run.move();
          assert.ok((run.counts()['event'] ?? 0) <= 3, 'one timer a key');
        }
        run.advance(END);
      }
      for (const key of ['a', 'b', 'c']) {
        const of = (run: WindowRun) => shownBy(run).filter((shown) => shown.key === key);
        assert.deepEqual(of(custom), of(plain));
      }
      assert.deepEqual(custom.late, plain.late);
      assert.ok(empty(custom));
    }),
    { numRuns: 200 },
  );
});

test('continuous gives early results, and the last at the end', () => {
  const run = running({ ...TEN, size: 100 }, triggers.continuous(30));
  run.push('a', [1], 1);
  run.advance(40);
  run.push('a', [2], 45);
  run.move();
  run.advance(80);
  run.advance(END);
  assert.deepEqual(ids(run), [[1], [1, 2], [1, 2], [1, 2]]);
  assert.ok(run.results.every(({ timestamp }) => timestamp === 99));
  assert.ok(empty(run));
});

test('continuous comes to an end with the input, where the window never does', () => {
  const run = running(GLOBAL, triggers.continuous(30));
  run.push('a', [1], 1);
  run.advance(40);
  run.push('a', [2], 45);
  run.advance(END);
  assert.deepEqual(ids(run), [[1], [1, 2]]);
});

test('timers of processing time fire by the clock, also in another operator, and go with their pane', () => {
  const seen: number[] = [];
  const trigger = defineTrigger({
    onElement: (_element: unknown, pane) => {
      pane.processingTimer.set(pane.now() + 100);
      return 'continue';
    },
    onProcessingTime: (time, pane) => {
      seen.push(time, pane.timestamp, pane.now());
      return 'fire';
    },
  });
  const run = running(TEN, trigger);
  run.push('a', [1], 1);
  run.elapse(50);
  run.push('a', [2], 2);
  run.push('a', [3], 12);
  assert.deepEqual(run.counts(), { panes: 2, trigger: 2, event: 1, processing: 1 });
  run.move();
  run.elapse(120);
  assert.deepEqual(ids(run), [[1, 2]]);
  assert.deepEqual(seen, [100, 100, 120]);
  assert.equal(run.nextTimer('processing'), 150);
  run.advance(9);
  assert.deepEqual(run.counts(), { panes: 1, trigger: 1, event: 1, processing: 1 });
  run.advance(END);
  assert.ok(empty(run));
});

test('a timer that its trigger deletes does not fire', () => {
  const trigger = defineTrigger({
    onElement: (element: readonly number[], pane) => {
      const [time = 0] = element;
      if (time > 0) pane.eventTimer.set(time);
      else pane.eventTimer.delete(-time);
      return 'continue';
    },
    onEventTime: () => 'fire',
  });
  const run = running({ ...TEN, size: 100 }, trigger);
  for (const id of [50, 40, 30, 40, -40]) run.push('a', [id], 1);
  assert.equal(run.nextTimer('event'), 30);
  run.advance(45);
  assert.equal(run.results.length, 1);
  assert.equal(run.nextTimer('event'), 50);
  run.push('a', [-50], 1);
  assert.equal(run.nextTimer('event'), 99);
});

test('a timer that another one deletes when both are due does not fire', () => {
  const times: number[] = [];
  const trigger = defineTrigger({
    onElement: (_element: unknown, pane) => {
      for (const time of [20, 10, 30]) pane.eventTimer.set(time);
      return 'continue';
    },
    onEventTime: (time, pane) => {
      times.push(time);
      pane.eventTimer.delete(20);
      return 'continue';
    },
  });
  const run = running(GLOBAL, trigger);
  run.advance(50);
  run.push('a', [1], 51);
  assert.deepEqual(times, [10, 30]);
  assert.deepEqual(run.counts(), { panes: 1, trigger: 0, event: 0, processing: 0 });
});

test('timers that the end of input took out are set again when their key gets on', () => {
  const trigger = defineTrigger({
    onElement: (_element: unknown, pane) => {
      pane.processingTimer.set(pane.timestamp);
      return 'continue';
    },
    onProcessingTime: () => 'fire',
  });
  const run = running(GLOBAL, trigger);
  run.push('a', [1], 10);
  assert.equal(run.operator.backend.dropTimers(), 1);
  run.push('a', [2], 20);
  assert.equal(run.nextTimer('processing'), 10);
  run.elapse(10);
  assert.deepEqual(ids(run), [[1, 2]]);
});

test('a timer in the past fires before the next element, in order', () => {
  const times: number[] = [];
  const trigger = defineTrigger({
    onElement: (_element: unknown, pane) => {
      for (const time of [20, 5, 60]) pane.eventTimer.set(time);
      return 'continue';
    },
    onEventTime: (time, pane) => {
      times.push(time);
      if (time === 5) pane.eventTimer.set(6);
      return time === 20 ? 'fire-and-purge' : 'continue';
    },
  });
  const run = running(GLOBAL, trigger);
  run.advance(50);
  run.push('a', [1], 55);
  assert.deepEqual(times, [5, 20, 6]);
  assert.deepEqual(
    run.results.map(({ timestamp }) => timestamp),
    [20],
  );
  run.advance(70);
  assert.deepEqual(times, [5, 20, 6, 60]);
  assert.equal(run.results.length, 1, 'a purged pane gives nothing');
  assert.ok(empty(run));
});

test('sessions that meet merge what their triggers keep, and their timers', () => {
  const merged: unknown[] = [];
  const trigger = defineTrigger({
    initial: 0,
    onElement: (element: readonly number[], pane) => {
      pane.state.set(pane.state.get() + 1);
      pane.eventTimer.set(100 + (element[0] ?? 0));
      return 'continue';
    },
    onEventTime: (time, pane) => (pane.state.get() === 4 && time === 102 ? 'fire' : 'continue'),
    merge: (a, b) => a + b,
    onMerge: ({ window, state }) => void merged.push({ ...window, state: state.get() }),
  });
  const run = running(SESSIONS, trigger, 500);
  run.push('a', [1], 0);
  run.push('a', [2], 18);
  run.push('b', [4], 9);
  run.push('a', [5], 5);
  run.move();
  assert.deepEqual(merged, [{ start: 0, end: 15, state: 1 }]);
  run.push('a', [3], 10);
  assert.deepEqual(merged[1], { start: 0, end: 28, state: 3 });
  run.advance(200);
  assert.deepEqual(bounds(run), [[0, 28]]);
  assert.deepEqual(ids(run), [[1, 2, 3, 5]]);
  run.advance(END);
  assert.ok(empty(run));
});

test('sessions that meet keep one timer of processing time, the least', () => {
  const trigger = defineTrigger({
    onElement: (element: readonly number[], pane) => {
      pane.processingTimer.set(element[0] ?? 0);
      return 'continue';
    },
    onProcessingTime: () => 'fire',
  });
  const run = running(SESSIONS, trigger, 0, 'reduce');
  run.push('a', [300], 18);
  run.push('a', [100], 0);
  run.push('a', [200], 9);
  assert.deepEqual(run.counts(), { panes: 1, trigger: 1, event: 1, processing: 1 });
  for (const time of [100, 200, 300]) {
    assert.equal(run.nextTimer('processing'), time);
    run.elapse(time);
  }
  assert.deepEqual(bounds(run), [
    [0, 28],
    [0, 28],
    [0, 28],
  ]);
});

test('a session that was purged is still the one that elements belong to', () => {
  const run = running(SESSIONS, triggers.purging(triggers.count(2)));
  run.push('a', [1], 0);
  run.push('a', [2], 5);
  run.move();
  run.push('a', [3], 12);
  run.push('a', [4], 13);
  assert.deepEqual(bounds(run), [
    [0, 15],
    [0, 23],
  ]);
  assert.deepEqual(ids(run), [
    [1, 2],
    [3, 4],
  ]);
  run.advance(END);
  assert.ok(empty(run));
});

test('an element that is late for all of its windows is not shown to the trigger', () => {
  const run = running({ kind: 'sliding', size: 20, slide: 10, offset: 0 }, triggers.count(1));
  run.advance(19);
  run.push('a', [1], 5);
  run.push('a', [2], 15);
  assert.deepEqual(bounds(run), [[10, 30]]);
  assert.deepEqual(run.late, [{ value: [1], timestamp: 5 }]);
  assert.equal(run.operator.late, 1);
});
