/** State that is restored by a definition with another TTL than the one that wrote it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { collect } from '../../src/connectors/collect.js';
import { type StateOptions, state } from '../../src/graph/declare-state.js';
import type { JobBuilder } from '../../src/graph/define.js';
import { type } from '../../src/graph/type.js';
import { ManualClock } from '../../src/testing/manual-clock.js';
import { take } from '../../src/testing/taken.js';
import { Driven, splitsOf } from './driving.js';

const HOUR = 3_600_000;
const START = 1_700_000_000_000;

/** Says what it has of the key, and keeps the element. */
function remembering(seen: string[], split: string, ttl: StateOptions<number>['ttl']) {
  const options = ttl === undefined ? {} : { ttl };
  return (job: JobBuilder) =>
    void job
      .source('in', splitsOf({ [split]: [1] }))
      .keyBy(() => 'k')
      .process('keep', {
        state: { last: state.value<number>(options), sum: state.number(0, options) },
        emits: type<string>(),
        onElement(n, ctx) {
          const { last, sum } = ctx.state;
          ctx.emit(`${last.get()} ${sum.get()}`);
          last.set(n);
          sum.add(n);
        },
      })
      .sink('out', collect(seen));
}

for (const [was, is, after, expected] of [
  [undefined, '1h', HOUR - 1, '1 1'],
  ['1h', undefined, HOUR - 1, '1 1'],
  ['1h', undefined, HOUR, 'undefined 0'],
  ['1h', '2h', HOUR, 'undefined 0'],
  ['2h', '1h', HOUR, '1 1'],
] as const) {
  test(`written with a TTL of ${was}, it is there with ${is} after ${after} ms: ${expected}`, async () => {
    const seen: string[] = [];
    const first = await Driven.open(remembering(seen, 'a', was), { clock: new ManualClock(START) });
    await first.settle();
    const snapshot = await take(first.dataflow, 1);
    const clock = new ManualClock(START + after);
    const second = await Driven.open(remembering(seen, 'b', is), { clock, restore: snapshot, attempt: 2 });
    await second.settle();
    assert.deepEqual(seen, ['undefined 0', expected]);
  });
}
