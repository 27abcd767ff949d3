/** Positions of splits that no job has written. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { keyCodecById } from '../../src/codec/keys.js';
import { valueCodec } from '../../src/codec/value.js';
import { type ChunkPool, EntryWriter } from '../../src/format/entry.js';
import { type TakenSnapshot, take } from '../../src/testing/taken.js';
import { Driven, splitsOf } from './driving.js';

const build = (job: Parameters<Parameters<typeof Driven.open>[0]>[0]) =>
  void job
    .source('in', splitsOf({ a: [1, 2] }))
    .assignTimestamps((n) => n, { outOfOrderness: 0 })
    .keyBy((n) => n)
    .process('any', { onElement: () => undefined });

async function holding(value: unknown): Promise<TakenSnapshot> {
  const taken = await take((await Driven.open(build)).dataflow, 1);
  const chunks: { payload: Buffer; entries: number }[] = [];
  const pool: ChunkPool = {
    take: (bytes) => Buffer.alloc(bytes),
    full: (chunk, used, entries) => void chunks.push({ payload: chunk.subarray(0, used), entries }),
  };
  const out = new EntryWriter(pool, 1024);
  out.begin(
    taken.tables.findIndex(({ kind }) => kind === 'splits'),
    0,
  );
  out.key(keyCodecById('string'), 'a');
  out.value(valueCodec, value);
  out.flush();
  return { ...taken, chunks };
}

test('a position is taken with the greatest timestamp of its split', async () => {
  const restore = await holding({ position: 1, done: false, timestamp: 7 });
  const driven = await Driven.open(build, { restore });
  await driven.step();
  assert.equal(driven.dataflow.compiled.times.get('any')?.watermark, 6);
});

for (const value of [
  null,
  5,
  { position: 0 },
  { position: 0, done: 1 },
  ...[null, 'x', 5n, 0.5, 1e300, Number.NaN, Number.POSITIVE_INFINITY, {}].map((timestamp) => ({
    position: 0,
    done: false,
    timestamp,
  })),
]) {
  const shown = typeof value === 'object' && value !== null ? String(Object.values(value)) : String(value);
  test(`what is no position is refused: ${shown}`, async () => {
    const restore = await holding(value);
    await assert.rejects(Driven.open(build, { restore }), {
      code: 'SEGMENT_CORRUPT',
      message: /not the position of a split/,
    });
  });
}
