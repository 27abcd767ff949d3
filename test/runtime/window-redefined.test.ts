/**
 * Windows whose definition changes between two attempts, and event time that is taken back in the middle of a drain:
 * whatever happens, each element shows in a result or comes out as late, and nothing is left.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { WindowAssigner } from '../../src/graph/window.js';
import fc from '../helpers/property.js';
import { WindowRun } from './window-run.js';
import { type Shown, specOf, type Way } from './window-specs.js';

const LONG = process.env['TIDEMARK_TEST_LONG'] === '1';
const END = Number.POSITIVE_INFINITY;
/** The timestamps of elements are from 0 to this. */
const LAST = 200;

const lateness = fc.constantFrom(0, 15, 100);
const assigners: Readonly<Record<string, fc.Arbitrary<WindowAssigner>>> = {
  tumbling: fc.record({
    kind: fc.constant('tumbling' as const),
    size: fc.constantFrom(5, 7, 10, 20),
    offset: fc.constantFrom(0, 3),
  }),
  session: fc.record({ kind: fc.constant('session' as const), gap: fc.constantFrom(5, 10, 20) }),
  // Of another size they would have panes that are past, of elements that were in time.
  sliding: fc.constant({ kind: 'sliding' as const, size: 20, slide: 5, offset: 0 }),
};

type Event =
  | { readonly kind: 'element'; readonly key: string; readonly t: number }
  | { readonly kind: 'advance'; readonly by: number }
  | { readonly kind: 'define'; readonly assign: WindowAssigner; readonly lateness: number }
  | { readonly kind: 'drain'; readonly timers: number };

const events = (assign: fc.Arbitrary<WindowAssigner>): fc.Arbitrary<Event[]> =>
  fc.array(
    fc.oneof(
      {
        weight: 6,
        arbitrary: fc.record({
          kind: fc.constant('element' as const),
          key: fc.constantFrom('a', 'b'),
          t: fc.nat(LAST),
        }),
      },
      { weight: 2, arbitrary: fc.record({ kind: fc.constant('advance' as const), by: fc.nat(40) }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant('define' as const), assign, lateness }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant('drain' as const), timers: fc.nat(5) }) },
    ),
    { maxLength: 30 },
  );

/** At most so many timers of the end of time fire before it is none. */
function drainInVain({ time, operator }: WindowRun, timers: number): void {
  const { watermark } = time;
  time.watermark = END;
  for (let fired = 0; fired < timers && operator.fireTimer('event', END); fired++);
  time.furthest = END;
  time.watermark = watermark;
}

for (const [kind, assign] of Object.entries(assigners)) {
  for (const way of ['apply', 'reduce'] satisfies Way[]) {
    test(`no element is lost in ${kind} windows, ${way}`, () => {
      fc.assert(
        fc.property(assign, lateness, events(assign), (first, allowed, happened) => {
          const run = new WindowRun(specOf(first, way, { lateness: allowed }));
          let count = 0;
          for (const event of happened) {
            if (event.kind === 'element') run.push(event.key, [count++], event.t);
            else if (event.kind === 'advance') run.advance(Math.max(run.time.watermark, 0) + event.by);
            else if (event.kind === 'define')
              run.move(specOf(event.assign, way, { lateness: event.lateness }));
            else drainInVain(run, event.timers);
          }
          run.advance(END);
          const shown = run.results.flatMap(({ value }) => (value as Shown).ids);
          const late = run.late.flatMap(({ value }) => value as number[]);
          assert.equal(new Set([...shown, ...late]).size, count);
          assert.deepEqual(Object.values(run.counts()), [0, 0]);
        }),
        { numRuns: LONG ? 20_000 : 1000 },
      );
    });
  }
}
