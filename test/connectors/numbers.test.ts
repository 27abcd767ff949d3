/** `sequence` and `fromArray`: order, splits, and a start from every position. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TidemarkError } from '../../src/base/errors.js';
import { fromArray } from '../../src/connectors/from-array.js';
import { sequence } from '../../src/connectors/sequence.js';
import type { ReadRequest } from '../../src/graph/source.js';
import fc from '../helpers/property.js';
import { batchesOf, contextOf, diskOf, elementsOf, suffixes } from './reading.js';

const context = contextOf(diskOf({}));
const shape = fc.record({
  from: fc.integer({ min: -50, max: 50 }),
  count: fc.integer({ min: 0, max: 60 }),
  splits: fc.integer({ min: 1, max: 5 }),
  batch: fc.integer({ min: 1, max: 8 }),
});

test('sequence hands out each number once, in order within a split, from every position', async () => {
  await fc.assert(
    fc.asyncProperty(shape, async ({ from, count, splits, batch }) => {
      const source = sequence({ from, count, splits });
      const all: number[] = [];
      for (const { id } of await source.splits(context)) {
        const own = await elementsOf(source, { context, batch, split: id });
        assert.deepEqual(
          own,
          own.toSorted((a, b) => a - b),
        );
        all.push(...own);
        for (const { read, rest } of await suffixes(source, { context, batch, split: id })) {
          assert.deepEqual(rest, own.slice(read));
        }
      }
      assert.deepEqual(
        all.sort((a, b) => a - b),
        Array.from({ length: count }, (_, i) => from + i),
      );
    }),
  );
});

test('fromArray hands out each element once, in order within a split, from every position', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.string()), shape, async (elements, { splits, batch }) => {
      const source = fromArray(
        elements.map((value, index) => ({ value, index })),
        { splits },
      );
      const all: { value: string; index: number }[] = [];
      for (const { id } of await source.splits(context)) {
        const own = await elementsOf(source, { context, batch, split: id });
        all.push(...own);
        for (const { read, rest } of await suffixes(source, { context, batch, split: id })) {
          assert.deepEqual(rest, own.slice(read));
        }
      }
      assert.deepEqual(
        all.sort((a, b) => a.index - b.index).map(({ value }) => value),
        elements,
      );
    }),
  );
});

test('a sequence without count goes on until it is told to stop', async () => {
  const stop = new AbortController();
  const request: ReadRequest<{ done: number }> = {
    ...context,
    split: '0',
    position: { done: 0 },
    batch: 10,
    signal: stop.signal,
    state: {},
  };
  let read = 0;
  for await (const { elements } of sequence().read(request)) {
    read += elements.length;
    if (read === 1000) stop.abort();
  }
  assert.equal(read, 1000);
});

test('an array that became shorter is refused', async () => {
  const batches = await batchesOf(fromArray([1, 2, 3]), { context });
  const position = batches.at(-1)?.position;
  assert.deepEqual(position, { done: 3 });
  assert.ok(position !== undefined);
  await assert.rejects(
    elementsOf(fromArray([1, 2]), { context, split: '0', position }),
    (error) => error instanceof TidemarkError && error.code === 'SOURCE_CHANGED',
  );
  assert.deepEqual(await elementsOf(fromArray([1, 2, 3, 4]), { context, split: '0', position }), [4]);
});

test('options that make no sense are refused', () => {
  for (const make of [
    () => sequence({ count: -1 }),
    () => sequence({ count: 1.5 }),
    () => sequence({ count: Number.NaN }),
    () => sequence({ from: 0.5 }),
    () => sequence({ splits: 0 }),
    () => sequence({ rate: 0 }),
    () => fromArray([], { splits: 0 }),
  ]) {
    assert.throws(make, (error) => error instanceof TidemarkError && error.code === 'DEFINITION_INVALID');
  }
  assert.throws(() => sequence().position.check({ done: -1 }));
});
