/** Window operators under the default trigger against a plain computation, over random streams. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { WindowAssigner } from '../../src/graph/window.js';
import { sliceLength } from '../../src/graph/window.js';
import { alignDown, lastPaneEnd } from '../../src/runtime/window/assigning.js';
import fc from '../helpers/property.js';
import { PlainWindows, windowsBySearch } from './window-plain.js';
import { WindowRun } from './window-run.js';
import { type Shown, specOf, WAYS, type Way } from './window-specs.js';
import { assigners, type Step, sliding, streams } from './window-streams.js';

const LONG = process.env['TIDEMARK_TEST_LONG'] === '1';
const runs = (few: number) => ({ numRuns: LONG ? few * 20 : few });

const lateness = fc.oneof(fc.constant(0), fc.nat(25));
const ways = fc.constantFrom(...WAYS);
const modes = fc.constantFrom('all' as const, 'changes' as const);
const END = Number.POSITIVE_INFINITY;

function drive(run: WindowRun, steps: readonly Step[]): void {
  for (const step of steps) {
    if (step.kind === 'element') run.push(step.key, [step.id], step.timestamp);
    else if (step.kind === 'watermark') run.advance(step.time);
    else run.move();
  }
}

function plainly(assign: WindowAssigner, lateness: number, steps: readonly Step[]): PlainWindows {
  const plain = new PlainWindows(assign, lateness);
  for (const step of steps) {
    if (step.kind === 'element') plain.push(step);
    else if (step.kind === 'watermark') plain.advance(step.time);
  }
  return plain;
}

const wayFor = (assign: WindowAssigner, way: Way): Way =>
  assign.kind === 'session' && way === 'add' ? 'aggregate' : way;
const shownBy = (run: WindowRun) => run.results.map(({ value }) => value as Shown);
const lateBy = (run: WindowRun) => run.late.map(({ value }) => (value as number[])[0]);
const line = ({ key, start, end, ids }: Shown) => `${key} ${start} ${end} ${ids.join(',')}`;
const pane = ({ key, start, end }: Shown) => `${key} ${start} ${end}`;
const sorted = (lines: Iterable<string>) => [...lines].sort();
const elementsOf = (steps: readonly Step[]) => steps.filter((step) => step.kind === 'element');

test('any stream gives each result that the plain computation gives, and no other', () => {
  fc.assert(
    fc.property(
      assigners,
      ways,
      lateness,
      modes,
      streams({ actual: 40, allowed: 12 }),
      (assign, way, late, mode, steps) => {
        const run = new WindowRun(specOf(assign, wayFor(assign, way), { lateness: late }), mode);
        const plain = new PlainWindows(assign, late);
        for (const step of steps) {
          const [results, lost] = [plain.results.length, plain.late.length];
          drive(run, [step]);
          if (step.kind === 'element') plain.push(step);
          if (step.kind === 'watermark') plain.advance(step.time);
          // In the same step, not only in the end.
          assert.deepEqual(
            sorted(shownBy(run).slice(results).map(line)),
            sorted(plain.results.slice(results).map(line)),
          );
          assert.deepEqual(lateBy(run).slice(lost), plain.late.slice(lost));
          const { panes, event = 0 } = run.counts();
          if (panes !== undefined) assert.equal(panes, plain.openPanes);
          assert.ok(event <= 3, 'one timer a key');
        }
        run.advance(END);
        plain.advance(END);
        assert.deepEqual(sorted(shownBy(run).map(line)), sorted(plain.results.map(line)));
        for (const [table, entries] of Object.entries(run.counts()))
          assert.equal(entries, 0, `${table} is empty in the end`);
      },
    ),
    runs(400),
  );
});

test('within the bound of disorder each pane gives all of its elements once, and nothing is late', () => {
  fc.assert(
    fc.property(assigners, ways, streams({ actual: 30, allowed: 30 }), (assign, way, steps) => {
      const run = new WindowRun(specOf(assign, wayFor(assign, way)));
      drive(run, steps);
      run.advance(END);
      assert.deepEqual(sorted(shownBy(run).map(line)), sorted(batch(assign, steps).map(line)));
      assert.equal(run.operator.late, 0);
      assert.equal(run.operator.in, elementsOf(steps).length + movedAway(steps));
    }),
    runs(150),
  );
});

/** Counts are of an instance, and a move makes another. */
function movedAway(steps: readonly Step[]): number {
  const last = steps.findLastIndex(({ kind }) => kind === 'move');
  return -elementsOf(steps.slice(0, last + 1)).length;
}

/** All panes of the whole input at once. */
function batch(assign: WindowAssigner, steps: readonly Step[]): Shown[] {
  const panes = new Map<string, Shown>();
  const add = (key: string, start: number, end: number, id: number) => {
    const found = panes.get(`${key} ${start}`);
    panes.set(`${key} ${start}`, { key, start, end, ids: [...(found?.ids ?? []), id] });
  };
  if (assign.kind !== 'session') {
    for (const { key, id, timestamp } of elementsOf(steps))
      for (const { start, end } of windowsBySearch(assign, timestamp)) add(key, start, end, id);
  } else {
    const gap = Number(assign.gap);
    const open = new Map<string, { start: number; end: number }>();
    for (const { key, id, timestamp } of elementsOf(steps).sort((a, b) => a.timestamp - b.timestamp)) {
      const last = open.get(key);
      const goesOn = last !== undefined && timestamp < last.end;
      const session = { start: goesOn ? last.start : timestamp, end: timestamp + gap };
      open.set(key, session);
      add(key, session.start, session.end, id);
    }
  }
  return [...panes.values()].map((shown) => ({ ...shown, ids: [...shown.ids].sort((a, b) => a - b) }));
}

test('beyond the bound, the last results and the late output are disjoint, and together everything', () => {
  let [elements, late] = [0, 0];
  const withoutGaps = assigners.filter((assign) => assign.kind !== 'sliding' || assign.slide <= assign.size);
  fc.assert(
    fc.property(withoutGaps, ways, lateness, streams({ actual: 60, allowed: 3 }), (assign, way, L, steps) => {
      const run = new WindowRun(specOf(assign, wayFor(assign, way), { lateness: L }));
      drive(run, steps);
      run.advance(END);
      const last = new Map(shownBy(run).map((shown) => [pane(shown), shown.ids]));
      const main = new Set([...last.values()].flat());
      const lost = new Set(lateBy(run));
      assert.ok(
        [...lost].every((id) => id !== undefined && !main.has(id)),
        'disjoint',
      );
      assert.deepEqual(
        [...main, ...lost].sort((a, b) => Number(a) - Number(b)),
        elementsOf(steps).map(({ id }) => id),
      );
      elements += elementsOf(steps).length;
      late += lost.size;
      for (const { value, timestamp } of run.late) {
        const element = elementsOf(steps).find(({ id }) => id === (value as number[])[0]);
        assert.equal(timestamp, element?.timestamp, 'late elements keep their timestamps');
      }
      for (const { value, timestamp } of run.results) assert.equal(timestamp, (value as Shown).end - 1);
    }),
    runs(150),
  );
  assert.ok(late >= elements * 0.05, `${late} of ${elements} elements are late`);
});

test('without lateness no pane gives two results', () => {
  fc.assert(
    fc.property(assigners, ways, streams({ actual: 60, allowed: 3 }), (assign, way, steps) => {
      const run = new WindowRun(specOf(assign, wayFor(assign, way)));
      drive(run, steps);
      run.advance(END);
      const panes = shownBy(run).map(pane);
      assert.equal(new Set(panes).size, panes.length);
    }),
    runs(100),
  );
});

/** With slides that do not divide the size, and some that leave gaps. */
const slidingAny = fc.oneof(
  sliding,
  assigners.filter((assign) => assign.kind === 'sliding'),
);

test('slices give what panes give, and keep less', () => {
  let fewer = 0;
  fc.assert(
    fc.property(slidingAny, lateness, streams({ actual: 40, allowed: 12 }), (assign, L, steps) => {
      const sliced = new WindowRun(specOf(assign, 'aggregate', { lateness: L }));
      const whole = new WindowRun(specOf(assign, 'add', { lateness: L }));
      const kept = new Map<string, number>();
      assert.deepEqual(Object.keys(sliced.counts()), ['slices', 'event']);
      assert.deepEqual(Object.keys(whole.counts()), ['panes', 'event']);
      for (const step of steps) {
        drive(sliced, [step]);
        drive(whole, [step]);
        if (step.kind === 'element' && !lateBy(sliced).includes(step.id)) {
          const start = alignDown(step.timestamp, sliceLength(assign), assign.offset);
          const last = lastPaneEnd(assign, start);
          if (last > start) kept.set(`${step.key} ${start}`, last - 1 + L);
        }
        const slices = [...kept.values()].filter((until) => until > sliced.time.watermark).length;
        assert.equal(sliced.counts()['slices'], slices, 'kept exactly as long as a pane may need them');
        if (slices < (whole.counts()['panes'] ?? 0)) fewer++;
      }
      sliced.advance(END);
      whole.advance(END);
      for (const key of ['a', 'b', 'c']) assert.deepEqual(linesOf(sliced, key), linesOf(whole, key));
      assert.deepEqual(lateBy(sliced), lateBy(whole));
    }),
    runs(400),
  );
  assert.ok(fewer > 0);
});

/** Results of one key, in the order they came. */
const linesOf = (run: WindowRun, key: string) =>
  shownBy(run)
    .filter((shown) => shown.key === key)
    .map(line);

test('results of a key come by the ends of their panes, then by their starts', () => {
  fc.assert(
    fc.property(assigners, ways, streams({ actual: 40, allowed: 40 }), (assign, way, steps) => {
      const run = new WindowRun(specOf(assign, wayFor(assign, way), { lateness: 10 }));
      drive(
        run,
        steps.filter(({ kind }) => kind !== 'watermark'),
      );
      run.advance(END);
      for (const key of ['a', 'b', 'c']) {
        const of = shownBy(run).filter((shown) => shown.key === key);
        const ordered = of.toSorted((a, b) => a.end - b.end || a.start - b.start);
        assert.deepEqual(of.map(pane), ordered.map(pane));
      }
    }),
    runs(60),
  );
});

test('a snapshot holds what was there when it began, whatever elements and watermarks come while it is written', () => {
  const cut = fc.nat(60);
  fc.assert(
    fc.property(assigners, ways, lateness, modes, streams({ actual: 40, allowed: 12 }), cut, (...given) => {
      const [assign, way, L, mode, steps, at] = given;
      const still = steps.filter(({ kind }) => kind !== 'move');
      const [run, twin] = [0, 1].map(
        () => new WindowRun(specOf(assign, wayFor(assign, way), { lateness: L }), mode),
      ) as [WindowRun, WindowRun];
      drive(run, still.slice(0, at));
      drive(twin, still.slice(0, at));
      const expected = twin.begin().finish();
      const taking = run.begin();
      for (const step of still.slice(at)) {
        drive(run, [step]);
        taking.drain.slice(() => true);
      }
      const bytes = (entry: object) => JSON.stringify(entry, (_, value) => shownBig(value));
      assert.deepEqual(sorted(taking.finish().map(bytes)), sorted(expected.map(bytes)));
      const plain = plainly(assign, L, still);
      assert.deepEqual(sorted(shownBy(run).map(line)), sorted(plain.results.map(line)));
    }),
    runs(100),
  );
});

const shownBig = (value: unknown) => (typeof value === 'bigint' ? `${value}n` : value);

const TUMBLING = { kind: 'tumbling' as const, size: 10, offset: 0 };

test('panes of a definition before it was changed give their results as their windows say', () => {
  const longer = new WindowRun(specOf(TUMBLING, 'apply', { lateness: 100 }));
  for (const id of [5, 15, 35]) longer.push('a', [id], id);
  longer.advance(9);
  longer.move(specOf({ ...TUMBLING, size: 20 }, 'apply'));
  for (const id of [25, 39]) longer.push('a', [id], id);
  longer.advance(END);
  assert.deepEqual(shownBy(longer).map(line), ['a 0 10 5', 'a 10 20 15', 'a 20 40 25,39', 'a 30 40 35']);
  assert.deepEqual(longer.counts(), { panes: 0, event: 0 });
  const shorter = new WindowRun(specOf({ ...TUMBLING, size: 20 }, 'apply'));
  shorter.push('a', [35], 35);
  shorter.move(specOf(TUMBLING, 'apply'));
  shorter.push('a', [39], 39);
  shorter.advance(END);
  assert.deepEqual(shownBy(shorter).map(line), ['a 20 40 35', 'a 30 40 39']);
});

test('slices go also where lateness was longer before', () => {
  const often = { kind: 'sliding' as const, size: 20, slide: 5, offset: 0 };
  const run = new WindowRun(specOf(often, 'reduce', { lateness: 100 }));
  run.push('a', [3], 3);
  run.advance(50);
  assert.deepEqual(run.counts(), { slices: 1, event: 1 });
  run.move(specOf(often, 'reduce'));
  run.advance(END);
  assert.deepEqual(run.counts(), { slices: 0, event: 0 });
});

test('a pane is not lost where a larger one has the same start', () => {
  for (const way of ['apply', 'reduce'] as const) {
    for (const lateness of [0, 100]) {
      const wide = { kind: 'sliding' as const, size: 20, slide: 20, offset: 0 };
      for (const [was, is] of [
        [{ ...TUMBLING, size: 20 }, TUMBLING],
        [wide, { ...wide, size: 10, slide: 10 }],
      ] as const) {
        const run = new WindowRun(specOf(was, way, { lateness }));
        run.push('a', [21], 21);
        run.move(specOf(is, way, { lateness }));
        run.push('a', [22], 22);
        run.advance(END);
        assert.deepEqual(shownBy(run).map(line), ['a 20 30 21,22']);
        assert.deepEqual(Object.values(run.counts()), [0, 0]);
      }
    }
  }
});

test('a pane gives its result also where one before it was to be kept for longer', () => {
  const run = new WindowRun(specOf(TUMBLING, 'apply', { lateness: 200 }));
  run.push('a', [5], 5);
  run.advance(50);
  run.move(specOf(TUMBLING, 'apply', { lateness: 100 }));
  run.push('a', [151], 151);
  run.advance(END);
  assert.deepEqual(shownBy(run).map(line), ['a 0 10 5', 'a 150 160 151']);
  assert.deepEqual(run.counts(), { panes: 0, event: 0 });
});

test('what event time was taken back behind is given again, with what came since', () => {
  for (const keeps of ['apply', 'reduce'] as const) {
    for (const assign of [TUMBLING, { kind: 'sliding' as const, size: 10, slide: 5, offset: 0 }]) {
      const run = new WindowRun(specOf(assign, keeps, { lateness: 100 }));
      run.push('a', [5], 5);
      run.advance(15);
      run.time.furthest = run.time.watermark;
      run.time.watermark = 0;
      run.push('a', [6], 6);
      run.push('a', [31], 31);
      run.advance(END);
      const last = shownBy(run).map(line);
      assert.ok(last.includes('a 0 10 5,6'), last.join('; '));
      assert.ok(last.includes('a 30 40 31'), last.join('; '));
      assert.deepEqual(Object.values(run.counts()), [0, 0]);
    }
  }
});
