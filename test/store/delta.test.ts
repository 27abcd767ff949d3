import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { AssertionFailed } from '../../src/base/assert.js';
import { TidemarkError } from '../../src/base/errors.js';
import { segmentPath } from '../../src/format/segment.js';
import { RunReader } from '../../src/store/run-reader.js';
import fc from '../helpers/property.js';
import {
  type Change,
  change,
  chunksOf,
  encode,
  FOLDER,
  History,
  hexOf,
  inOrder,
  UNKEYED,
  unkeyedChange,
} from './histories.js';

const SMALL = { bytes: 600, entries: 8 };

function keyed(count: number): Change[] {
  return Array.from({ length: count }, (_, i) => ({ table: 1, group: i % 3, key: `k${i}`, value: `${i}` }));
}

function isCorrupt(error: unknown): boolean {
  return error instanceof TidemarkError && error.code === 'SEGMENT_CORRUPT';
}

describe('a delta', () => {
  test('is sorted runs that have each entry once, those of unkeyed tables in the last', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(change, { maxLength: 60 }),
        fc.array(unkeyedChange, { maxLength: 6 }),
        fc.boolean(),
        async (changes, unkeyed, small) => {
          const history = await new History().open();
          const runs = await history.delta(changes, unkeyed, small ? SMALL : undefined);
          assert.deepEqual([...history.registered].sort(), [...new Set(runs.map(({ name }) => name))].sort());
          const found: string[] = [];
          for (const [i, run] of runs.entries()) {
            const reader = await RunReader.openFile(history.disk, FOLDER, run.name);
            assert.deepEqual(run.tables, reader.tables);
            assert.equal(run.bytes, history.disk.peek(segmentPath(FOLDER, run.name))?.length);
            let entries = 0;
            const cursor = reader.cursor();
            for (; cursor.advance() || (await cursor.load()); entries++) {
              found.push(cursor.bytes.toString('hex', cursor.at, cursor.scan.end));
              assert.ok(
                i === runs.length - 1 || !UNKEYED.has(cursor.scan.table),
                'unkeyed, not in the last run',
              );
            }
            assert.equal(entries, run.entries);
          }
          const expected = new Map<string, string>();
          for (const each of [...unkeyed, ...changes].map(encode))
            expected.set(
              `${each.table} ${each.group} ${each.identity.toString('hex')}`,
              each.bytes.toString('hex'),
            );
          assert.deepEqual(found.sort(), [...expected.values()].sort());
        },
      ),
      { numRuns: process.env['TIDEMARK_TEST_LONG'] === '1' ? 3000 : 80 },
    );
  });

  test('makes the same runs from any order of entries, and of chunks', async () => {
    const changes = [...keyed(500), { table: 0, group: 0, key: 's', value: 'p' }];
    const names = new Set<string>();
    for (const size of [1, 7, 1000]) {
      const history = await new History().open();
      const writer = history.writer();
      const entries = changes.map(encode);
      const order = size === 7 ? entries.reverse() : entries;
      for (const { bytes, count } of chunksOf(order, size)) await writer.add(bytes, bytes.length, count);
      const [run, ...more] = await writer.finish();
      assert.equal(more.length, 0);
      names.add(run?.name ?? '');
    }
    assert.equal(names.size, 1);
  });

  test('has no run where nothing came, and one where only unkeyed tables did', async () => {
    const history = await new History().open();
    assert.deepEqual(await history.delta([]), []);
    const split = { table: 0, group: 0, key: 's', value: 'p' };
    assert.deepEqual(
      (await history.delta([], [split])).map(({ entries }) => entries),
      [1],
    );
    assert.deepEqual(hexOf(await history.live()), hexOf([encode(split)]));
  });

  test('spills as soon as the next chunk does not fit', async () => {
    const history = await new History().open();
    const unkeyed = Array.from({ length: 40 }, (_, i) => ({ table: 7, group: 0, key: `${i}`, value: 'b' }));
    const runs = await history.delta(keyed(100), unkeyed, { bytes: 1 << 20, entries: 25 });
    assert.deepEqual(
      runs.map(({ entries }) => entries),
      [25, 25, 25, 65],
    );
    assert.deepEqual(
      hexOf(await history.live()),
      hexOf([...keyed(100), ...unkeyed].map(encode).sort(inOrder)),
    );
  });

  test('with an entry twice is refused', async () => {
    for (const count of [1, 100]) {
      const history = await new History().open();
      const writer = history.writer();
      const entries = [...keyed(count), ...keyed(1)].map(encode);
      for (const { bytes, count: each } of chunksOf(entries)) await writer.add(bytes, bytes.length, each);
      await assert.rejects(writer.finish(), (error) => isCorrupt(error) || error instanceof AssertionFailed);
      assert.deepEqual(await writer.discard(), []);
      assert.deepEqual(history.disk.paths(), []);
    }
  });

  test('with bytes that are no entries is refused', async () => {
    const history = await new History().open();
    const [chunk] = [...chunksOf(keyed(5).map(encode))];
    const bytes = chunk?.bytes ?? Buffer.alloc(0);
    await assert.rejects(history.writer().add(bytes, bytes.length, 4), isCorrupt);
    await assert.rejects(history.writer().add(bytes, bytes.length - 1, 5), isCorrupt);
  });

  test('that is given up leaves no unfinished file, and says which have their names', async () => {
    const history = await new History().open();
    const writer = history.writer({ bytes: 1 << 20, entries: 25 });
    for (const { bytes, count } of chunksOf(keyed(60).map(encode)))
      await writer.add(bytes, bytes.length, count);
    const named = await writer.discard();
    assert.equal(named.length, 2);
    assert.deepEqual(history.disk.paths(), named.map(({ name }) => segmentPath(FOLDER, name)).sort());
  });

  test('whichever operation of the disk fails, has no file that nobody knows', async () => {
    for (let nth = 1; ; nth++) {
      const history = await new History().open();
      const writer = history.writer({ bytes: 1 << 20, entries: 25 });
      history.disk.failAt(nth, 'ENOSPC');
      let failed = false;
      try {
        for (const { bytes, count } of chunksOf(keyed(60).map(encode)))
          await writer.add(bytes, bytes.length, count);
        await writer.finish();
      } catch (error) {
        failed = true;
        assert.equal((error as { code?: string }).code, 'ENOSPC');
      }
      history.disk.heal();
      await writer.discard();
      const known = [...history.registered].map((name) => segmentPath(FOLDER, name));
      for (const path of history.disk.paths())
        assert.ok(known.includes(path), `${path} after failure ${nth}`);
      if (!failed) {
        assert.ok(nth > 15, `${nth} operations`);
        break;
      }
    }
  });
});
