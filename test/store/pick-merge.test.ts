import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { type Random, seededRandom } from '../../src/base/random.js';
import {
  HARD_RUNS,
  LEAST_BYTES,
  MAX_FAN_IN,
  MAX_RUNS,
  MAX_WASTE,
  pickMerge,
  type RunSize,
} from '../../src/store/pick-merge.js';
import fc from '../helpers/property.js';
import { type Changes, StoreModel } from './store-model.js';

const KIB = 1024;
const MIB = 1024 * KIB;

/** Runs of these sizes, oldest first. */
function runs(...sizes: readonly number[]): RunSize[] {
  return sizes.map((bytes, i) => ({ name: `${i}`, bytes }));
}

/** A state of `keys` entries in as many runs as a spilling writer makes of it. */
function base(model: StoreModel, keys: number, bytes: number, pieces = 1): void {
  const deltas: Changes[] = [];
  for (let i = 0; i < pieces; i++) {
    const changes = new Map<number, number>();
    for (let key = i; key < keys; key += pieces) changes.set(key, bytes);
    deltas.push(changes);
  }
  model.checkpoint(deltas);
  model.deltaBytes = 0;
  model.mergedBytes = 0;
  model.merges = 0;
  model.longest = 0;
}

/** Sets `count` keys out of `keys`. */
function churn(random: Random, keys: number, count: number, bytes: number): Changes {
  const changes = new Map<number, number>();
  while (changes.size < count) changes.set(Math.floor(random.next() * keys), bytes);
  return changes;
}

function report(context: TestContext, model: StoreModel): void {
  const { amplification, space, longest, merges } = model;
  const figures = `writes ${amplification.toFixed(2)}, space ${space.toFixed(2)}`;
  context.diagnostic(`${context.name}: ${figures}, longest ${longest}, merges ${merges}`);
}

describe('what to merge', () => {
  test('is nothing while the runs are few and the newer ones small', () => {
    assert.equal(pickMerge([]), undefined);
    assert.equal(pickMerge(runs(5 * MIB)), undefined);
    assert.equal(pickMerge(runs(10 * MIB, 2 * MIB, 2 * MIB, MIB)), undefined);
    assert.equal(pickMerge(runs(8 * MIB, 4 * MIB)), undefined);
  });

  test('is all once the newer ones are over half of the oldest', () => {
    assert.deepEqual(pickMerge(runs(8 * MIB, 4 * MIB + 1)), { from: 0, to: 2 });
    assert.deepEqual(pickMerge(runs(10 * MIB, 2 * MIB, 2 * MIB, 2 * MIB)), { from: 0, to: 4 });
    assert.deepEqual(pickMerge(runs(12 * MIB, 12 * MIB, 12 * MIB)), { from: 0, to: 3 });
  });

  test('is all once the tombstones delete half of the oldest', () => {
    const oldest = { name: 'a', bytes: 10 * MIB, tables: [{ entries: 1000, tombstones: 0 }] };
    const after = (tombstones: number) =>
      pickMerge([oldest, { name: 'b', bytes: 10 * KIB, tables: [{ entries: tombstones, tombstones }] }]);
    assert.equal(after(400), undefined);
    assert.deepEqual(after(600), { from: 0, to: 2 });
  });

  test('does not mind what a small store wastes, only how many runs it has', () => {
    assert.equal(pickMerge(runs(1, 100 * KIB, 200 * KIB)), undefined);
    assert.deepEqual(pickMerge(runs(...Array(9).fill(10 * KIB))), { from: 0, to: 9 });
  });

  test('is the newest tiers once there are too many', () => {
    const [large, small] = [1000 * MIB, MIB];
    assert.deepEqual(pickMerge(runs(large, ...Array(8).fill(small))), { from: 1, to: 9 });
    const tiers = [large, 81 * MIB, 27 * MIB, 9 * MIB, 3 * MIB, small, small, small, small];
    assert.deepEqual(pickMerge(runs(...tiers)), { from: 1, to: 9 });
    const steep = [large, 81 * MIB, 20 * MIB, small, small, small, small, small, small];
    assert.deepEqual(pickMerge(runs(...steep)), { from: 3, to: 9 });
    const steepest = [large, 128, 64, 32, 16, 8, 4, 2, 1].map((n) => n * MIB);
    assert.deepEqual(pickMerge(runs(...steepest)), { from: 1, to: 9 });
    const forced = Array.from({ length: 9 }, (_, i) => 4 ** (9 - i) * KIB);
    assert.deepEqual(pickMerge(runs(...forced)), { from: 7, to: 9 });
  });

  test('is at most MAX_FAN_IN runs, those with the fewest bytes', () => {
    const equal = runs(...Array(MAX_FAN_IN + 10).fill(12 * MIB));
    assert.deepEqual(pickMerge(equal), { from: 0, to: MAX_FAN_IN });
    const [first, ...rest] = equal.map(({ bytes }) => bytes);
    const later = runs((first ?? 0) * MAX_FAN_IN, ...rest);
    assert.deepEqual(pickMerge(later), { from: 1, to: 1 + MAX_FAN_IN });
  });

  test('gets any runs within the bounds, in fewer merges than there are runs', () => {
    fc.assert(
      fc.property(fc.array(fc.nat({ max: 40 * MIB }), { maxLength: 300 }), (sizes) => {
        let now = runs(...sizes);
        let merges = 0;
        for (let range = pickMerge(now); range !== undefined; range = pickMerge(now)) {
          assert.ok(range.from >= 0 && range.to <= now.length);
          assert.ok(range.to - range.from >= 2 && range.to - range.from <= MAX_FAN_IN);
          const bytes = now.slice(range.from, range.to).reduce((sum, run) => sum + run.bytes, 0);
          now = [...now.slice(0, range.from), { name: 'm', bytes }, ...now.slice(range.to)];
          merges++;
        }
        assert.ok(merges < Math.max(1, sizes.length));
        assert.ok(now.length <= MAX_RUNS);
        const total = now.reduce((sum, run) => sum + run.bytes, 0);
        const oldest = now[0]?.bytes ?? 0;
        assert.ok(total < LEAST_BYTES || total - oldest <= MAX_WASTE * oldest);
      }),
    );
  });
});

describe('a store over many checkpoints', () => {
  const BYTES = 2 * KIB;
  const KEYS = 2000;

  for (const { checkpoints, part, writes } of [
    { checkpoints: 1000, part: 0.01, writes: 5 },
    { checkpoints: 10_000, part: 0.01, writes: 5 },
    { checkpoints: 10_000, part: 0.001, writes: 7 },
    { checkpoints: 1000, part: 0.1, writes: 3 },
  ]) {
    test(`of ${part * 100} % churn, ${checkpoints} of them`, (context) => {
      const random = seededRandom(checkpoints);
      const model = new StoreModel();
      base(model, KEYS, BYTES, 30);
      for (let i = 0; i < checkpoints; i++) model.checkpoint([churn(random, KEYS, part * KEYS, BYTES)]);
      report(context, model);
      assert.ok(model.longest <= MAX_RUNS + 1, `${model.longest} runs`);
      assert.ok(model.space <= 3, `${model.space} of the live bytes`);
      assert.ok(model.amplification <= writes, `${model.amplification} bytes written for each`);
    });
  }

  test('of churn while merges take their time', (context) => {
    const random = seededRandom(1);
    const model = new StoreModel();
    base(model, KEYS, BYTES);
    for (let i = 0; i < 1000; i++) model.checkpoint([churn(random, KEYS, 20, BYTES)], i % 5);
    report(context, model);
    assert.ok(model.longest <= MAX_RUNS + 1 + 8, `${model.longest} runs`);
    assert.ok(model.longest < HARD_RUNS);
    assert.ok(model.space <= 3, `${model.space} of the live bytes`);
    model.rest();
  });

  test('that grows', (context) => {
    const model = new StoreModel();
    for (let i = 0; i < 1000; i++) {
      const keys = Array.from({ length: 20 }, (_, n) => [i * 20 + n, BYTES] as const);
      model.checkpoint([new Map(keys)]);
    }
    report(context, model);
    assert.equal(model.liveBytes, 20_000 * BYTES);
    assert.ok(model.longest <= MAX_RUNS + 1);
    assert.ok(model.space <= 3, `${model.space} of the live bytes`);
    assert.ok(model.amplification <= 8, `${model.amplification} bytes written for each`);
  });

  test('that shrinks, and grows again', (context) => {
    const model = new StoreModel();
    base(model, 10 * KEYS, BYTES);
    for (let round = 0; round < 3; round++) {
      const victims = model.liveKeys.slice(KEYS);
      for (let i = 0; i < victims.length; i += 100)
        model.checkpoint([new Map(victims.slice(i, i + 100).map((key) => [key, undefined] as const))]);
      assert.equal(model.liveBytes, KEYS * BYTES);
      for (let i = 0; i < victims.length; i += 100)
        model.checkpoint([new Map(victims.slice(i, i + 100).map((key) => [key, BYTES] as const))]);
    }
    report(context, model);
    assert.ok(model.longest <= MAX_RUNS + 1);
    assert.ok(model.space <= 3.5, `${model.space} of the live bytes`);
  });

  test('of deltas now small, now large, in one run or several', (context) => {
    const random = seededRandom(3);
    const model = new StoreModel();
    base(model, KEYS, BYTES);
    for (let i = 0; i < 500; i++) {
      const large = random.next() < 0.05;
      const count = Math.ceil(random.next() * (large ? 0.3 : 0.005) * KEYS);
      const all = [...churn(random, KEYS, count, BYTES)];
      const cut = Math.ceil(all.length / 3);
      const pieces = large ? [all.slice(0, cut), all.slice(cut, 2 * cut), all.slice(2 * cut)] : [all];
      model.checkpoint(pieces.map((piece) => new Map(piece)));
    }
    report(context, model);
    assert.ok(model.longest <= MAX_RUNS + 3);
    assert.ok(model.space <= 3.2, `${model.space} of the live bytes`);
  });

  test('of one that is tiny', (context) => {
    const random = seededRandom(4);
    const model = new StoreModel();
    for (let i = 0; i < 1000; i++) model.checkpoint([churn(random, 100, 5, 100)]);
    report(context, model);
    assert.ok(model.longest <= MAX_RUNS + 1);
    assert.ok(model.merges <= 1000 / (MAX_RUNS - 1), `${model.merges} merges`);
  });
});
