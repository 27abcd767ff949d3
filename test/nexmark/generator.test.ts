/** The events of Nexmark are what its description says, wherever one begins to read. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Generator } from '../../fixtures/jobs/nexmark/generator.js';
import q0 from '../../fixtures/jobs/nexmark/q0.js';
import type { Event } from '../../fixtures/jobs/nexmark/types.js';
import { resolveParams } from '../../src/graph/param.js';
import type { ReadRequest, SourceSpec } from '../../src/graph/source.js';
import fc from '../helpers/property.js';
import { all, auctions, bids, persons } from './events.js';

const DISORDER = 500;
const OPTIONS = { start: 0, pace: 1000, disorder: DISORDER };

test('of fifty events one is a person, three are auctions and the others are bids', () => {
  assert.deepEqual([persons.length, auctions.length, bids.length], [4_000, 12_000, 184_000]);
  assert.deepEqual(
    persons.map(({ id }) => id),
    persons.map((_, i) => 1000 + i),
  );
  assert.deepEqual(
    auctions.map(({ id }) => id),
    auctions.map((_, i) => 1000 + i),
  );
});

test('what events refer to is there, or comes soon', () => {
  let auction = 999;
  let person = 999;
  for (const event of all) {
    if (event.kind === 'person') person = event.id;
    else if (event.kind === 'auction') {
      auction = event.id;
      assert.ok(event.seller >= 1000 && event.seller <= person + 10);
      assert.ok(event.category >= 10 && event.category <= 14);
      assert.ok(event.expires > event.time && event.reserve > event.initialBid);
    } else {
      assert.ok(event.auction >= 1000 && event.auction <= auction + 10);
      assert.ok(event.bidder >= 1000 && event.bidder <= person + 10);
      assert.ok(event.price >= 100 && event.price <= 100_000_000);
    }
  }
});

test('half of the bids are on hot auctions, three quarters of hot bidders', () => {
  const share = (hot: number) => hot / bids.length;
  // And some that are meant for any auction meet a hot one.
  const onHot = share(bids.filter(({ auction }) => auction % 100 === 0).length);
  const ofHot = share(bids.filter(({ bidder }) => bidder % 100 === 1).length);
  const bySearch = share(bids.filter(({ channel }) => !channel.startsWith('channel-')).length);
  assert.ok(onHot > 0.49 && onHot < 0.53, `${onHot}`);
  assert.ok(ofHot > 0.74 && ofHot < 0.78, `${ofHot}`);
  assert.ok(bySearch > 0.49 && bySearch < 0.51, `${bySearch}`);
});

test('event time goes on at its pace, and no event is further behind than it may be', () => {
  let greatest = Number.NEGATIVE_INFINITY;
  let furthest = 0;
  for (const { time } of all) {
    greatest = Math.max(greatest, time);
    furthest = Math.max(furthest, greatest - time);
  }
  assert.ok(furthest > 0.9 * DISORDER && furthest <= DISORDER, `${furthest}`);
  const first = all[0]?.time ?? 0;
  assert.ok(Math.abs(greatest - first - all.length) <= DISORDER, 'a thousand events a second');
});

test('an event is a function of the seed and its number', () => {
  const place = fc.integer({ min: 0, max: 2 ** 40 });
  fc.assert(
    fc.property(fc.integer(), fc.array(place, { minLength: 2, maxLength: 20 }), (seed, numbers) => {
      const one = new Generator({ ...OPTIONS, seed });
      const made = numbers.map((n) => one.event(n));
      const other = new Generator({ ...OPTIONS, seed });
      const again = numbers.toReversed().map((n) => other.event(n));
      assert.deepEqual(again.reverse(), made);
    }),
    { numRuns: 20 },
  );
});

test('another seed gives other events', () => {
  const [a, b] = [1, 2].map((seed) => new Generator({ ...OPTIONS, seed }));
  const numbers = Array.from({ length: 1000 }, (_, n) => n);
  const same = numbers.filter((n) => JSON.stringify(a?.event(n)) === JSON.stringify(b?.event(n)));
  assert.deepEqual(same, []);
});

interface Position {
  readonly done: number;
}

function sourceOf(params: Readonly<Record<string, string>>): SourceSpec<Event, Position> {
  const { nodes } = q0.build(resolveParams(q0.params, params, {}));
  const source = nodes.find((node) => node.kind === 'source');
  assert.ok(source);
  return source.source as SourceSpec<Event, Position>;
}

async function read(
  source: SourceSpec<Event, Position>,
  split: string,
  position: Position,
  more: Partial<ReadRequest<Position>> = {},
) {
  const request = { split, position, batch: 7, signal: new AbortController().signal, ...more };
  const batches = [];
  for await (const batch of source.read(request as ReadRequest<Position>)) batches.push(batch);
  return batches;
}

test('splits are read from any position, and hold each event once', async () => {
  const source = sourceOf({ events: '1003', splits: '4' });
  const found: Event[] = [];
  for (const { id, start } of await source.splits({} as never)) {
    const whole = await read(source, id, start);
    const elements = whole.flatMap((batch) => batch.elements);
    found.push(...elements);
    for (const at of [0, 1, 100, elements.length]) {
      const rest = await read(source, id, { done: at });
      assert.deepEqual(
        rest.flatMap((batch) => batch.elements),
        elements.slice(at),
      );
      assert.deepEqual(rest.at(-1)?.position ?? { done: at }, { done: elements.length });
    }
  }
  const key = (event: Event) => JSON.stringify(event);
  assert.deepEqual(found.map(key).sort(), all.slice(0, 1003).map(key).sort());
});

test('no batch goes beyond where reading is to stop', async () => {
  const source = sourceOf({ events: '1000', splits: '2' });
  const batches = await read(source, '1', { done: 3 }, { until: { done: 20 } });
  assert.ok(batches.some(({ position }) => position.done === 20));
  assert.equal(source.compare?.({ done: 3 }, { done: 20 }), -17);
});
