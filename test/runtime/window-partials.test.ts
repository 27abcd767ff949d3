/** What slices are worth together, kept between panes, against putting them together each time. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Partials } from '../../src/runtime/window/partials.js';
import fc from '../helpers/property.js';

const LENGTH = 5;
const join = (a: unknown, b: unknown) => `${a}${b}`;

type Step =
  | { readonly kind: 'pane'; readonly key: string; readonly skip: number }
  | { readonly kind: 'change'; readonly key: string; readonly slice: number; readonly value: string };

const key = fc.constantFrom('a', 'b');
const steps: fc.Arbitrary<readonly Step[]> = fc.array(
  fc.oneof(
    {
      weight: 3,
      arbitrary: fc.record({
        kind: fc.constant('pane' as const),
        key,
        skip: fc.integer({ min: -2, max: 2 }),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constant('change' as const),
        key,
        slice: fc.nat(40),
        value: fc.constantFrom('x', 'y', ''),
      }),
    },
  ),
  { maxLength: 60 },
);

test('panes are worth what their slices are, whatever changes in between', () => {
  const shape = fc.record({ slices: fc.integer({ min: 1, max: 8 }), slide: fc.integer({ min: 1, max: 9 }) });
  fc.assert(
    fc.property(shape, fc.constantFrom(0, 5, 1000), steps, ({ slices, slide }, most, all) => {
      const partials = new Partials(LENGTH, most);
      const kept = new Map<string, Map<number, string>>([
        ['a', new Map()],
        ['b', new Map()],
      ]);
      const next = new Map([
        ['a', 0],
        ['b', 0],
      ]);
      for (const step of all) {
        const of = kept.get(step.key) ?? new Map<number, string>();
        if (step.kind === 'change') {
          if (step.value === '') of.delete(step.slice);
          else of.set(step.slice, `${step.slice}${step.value} `);
          partials.forget(step.key);
          continue;
        }
        const first = (next.get(step.key) ?? 0) + step.skip * slide;
        next.set(step.key, first + slide);
        const expected = Array.from({ length: slices }, (_, i) => of.get(first + i) ?? '').join('');
        const at = (start: number) => of.get(start / LENGTH);
        const value = partials.pane(step.key, first * LENGTH, (first + slices) * LENGTH, at, join);
        assert.equal(value, expected === '' ? undefined : expected);
      }
    }),
  );
});

test('a pane costs about three merges, however many slices it has', () => {
  const merges = (slices: number, most?: number) => {
    let count = 0;
    const partials = new Partials(1, most);
    const add = (a: unknown, b: unknown) => {
      count++;
      return Number(a) + Number(b);
    };
    for (let from = 0; from < 1000; from++)
      assert.equal(
        partials.pane('a', from, from + slices, () => 1, add),
        slices,
      );
    return count / 1000;
  };
  for (const slices of [10, 60, 300]) assert.ok(merges(slices) < 3.5, `${merges(slices)} for ${slices}`);
  assert.ok(merges(60, 10) > 50, 'nothing is kept beyond what may be');
});

test('what is forgotten makes room', () => {
  const partials = new Partials(1, 10);
  let merges = 0;
  const add = (a: unknown, b: unknown) => {
    merges++;
    return Number(a) + Number(b);
  };
  const pane = (key: string, from: number) => {
    merges = 0;
    partials.pane(key, from, from + 6, () => 1, add);
    return merges;
  };
  assert.deepEqual([pane('a', 0), pane('a', 1)], [5, 1]);
  assert.deepEqual([pane('b', 0), pane('b', 1)], [5, 5], 'a has taken all there is');
  partials.forget('a');
  assert.deepEqual([pane('b', 2), pane('b', 3)], [5, 1]);
});
