import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { TidemarkError } from '../../src/base/errors.js';
import { seededRandom } from '../../src/base/random.js';
import { segmentPath } from '../../src/format/segment.js';
import { MergeCursor } from '../../src/store/merge-cursor.js';
import { pickMerge } from '../../src/store/pick-merge.js';
import fc from '../helpers/property.js';
import {
  type Change,
  change,
  type Encoded,
  FOLDER,
  History,
  hexOf,
  UNKEYED,
  unkeyedChange,
} from './histories.js';

const LONG = process.env['TIDEMARK_TEST_LONG'] === '1';

type Step =
  | { readonly do: 'delta'; readonly changes: Change[]; readonly unkeyed: Change[]; readonly small: boolean }
  | { readonly do: 'merge'; readonly from: number; readonly length: number; readonly whole: boolean }
  | { readonly do: 'pick' }
  | { readonly do: 'wait'; readonly time: bigint };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('delta' as const),
      changes: fc.array(change, { maxLength: 25 }),
      unkeyed: fc.array(unkeyedChange, { maxLength: 4 }),
      small: fc.boolean(),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('merge' as const),
      from: fc.nat({ max: 8 }),
      length: fc.integer({ min: 1, max: 9 }),
      whole: fc.boolean(),
    }),
  },
  { weight: 2, arbitrary: fc.constant({ do: 'pick' as const }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('wait' as const), time: fc.bigInt(1n, 20n) }) },
);

async function take(history: History, now: Step): Promise<void> {
  switch (now.do) {
    case 'delta':
      return void (await history.delta(
        now.changes,
        now.unkeyed,
        now.small ? { bytes: 500, entries: 6 } : undefined,
      ));
    case 'wait':
      history.now += now.time;
      return;
    case 'pick':
      for (let range = pickMerge(history.runs); range !== undefined; range = pickMerge(history.runs))
        await history.merge(range.from, range.to);
      return;
    case 'merge': {
      const count = history.runs.length;
      if (count === 0) return;
      const from = now.whole ? 0 : now.from % count;
      const to = now.whole ? count : Math.min(count, from + now.length);
      const run = await history.merge(from, to, now.whole);
      const tombstones = run.tables.reduce((sum, table) => sum + table.tombstones, 0);
      if (from === 0) assert.equal(tombstones, 0, 'a tombstone with nothing below');
    }
  }
}

function many(count: number, value = 'x', from = 0): Change[] {
  return Array.from({ length: count }, (_, i) => ({
    table: 1,
    group: (from + i) % 4,
    key: `user-${from + i}`,
    value,
  }));
}

const NO_RULES = { unkeyed: UNKEYED, keepUnkeyed: 'none', dropTombstones: true } as const;

describe('any history of deltas and merges', () => {
  test('reads as a map that took the same changes', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 14 }), async (steps) => {
        const history = await new History().open();
        const kept: { runs: typeof history.runs; now: bigint; live: string[] }[] = [];
        for (const now of steps) {
          await take(history, now);
          const live = hexOf(await history.live());
          assert.deepEqual(live, hexOf(history.expected()));
          kept.push({ runs: [...history.runs], now: history.now, live });
        }
        for (const order of [[300, 7, 2, 0, 1], [2], [7, 300]]) {
          const live = await history.live({ tables: order, blockBytes: 100 });
          assert.deepEqual(hexOf(live), hexOf(history.expected(order)));
        }
        const groups = { from: 1, to: 128 };
        const some = (entries: Encoded[]) => hexOf(entries.filter(({ group }) => group >= 1 && group <= 128));
        assert.deepEqual(
          hexOf(await history.live({ tables: [1, 2, 300], groups })),
          some(history.expected([1, 2, 300])),
        );
        for (const { runs, now, live } of kept)
          assert.deepEqual(hexOf(await history.live({ expiredAt: now }, runs)), live, 'an older list');
      }),
      { numRuns: LONG ? 3000 : 80 },
    );
  });

  test('reads the same whichever neighbours are merged first', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(change, { minLength: 1, maxLength: 12 }), { minLength: 3, maxLength: 6 }),
        fc.infiniteStream(fc.nat()),
        async (deltas, picks) => {
          const history = await new History().open();
          for (const changes of deltas) await history.delta(changes);
          const names = new Set<string>();
          const runs = [...history.runs];
          for (let round = 0; round < 2; round++) {
            history.runs = [...runs];
            while (history.runs.length > 1) {
              const from = (picks.next().value as number) % (history.runs.length - 1);
              await history.merge(from, from + 2);
            }
            names.add((await history.merge(0, 1)).name);
          }
          assert.equal(names.size, 1, 'equal states make equal files');
        },
      ),
      { numRuns: LONG ? 500 : 20 },
    );
  });
});

describe('a merge', () => {
  test('of a deletion keeps it above an older run, and drops it at the bottom', async () => {
    const history = await new History().open();
    const [one, two] = many(2) as [Change, Change];
    await history.delta([one, two]);
    await history.delta([{ ...one, value: 'y' }]);
    await history.delta([{ ...one, value: undefined }]);
    const above = await history.merge(1, 3);
    assert.deepEqual(above.tables, [{ table: 1, entries: 1, tombstones: 1, bytes: above.tables[0]?.bytes }]);
    assert.equal((await history.live()).length, 1);
    const bottom = await history.merge(0, 2);
    assert.deepEqual([bottom.entries, bottom.tables[0]?.tombstones], [1, 0]);
    await history.delta([{ ...one, value: 'again' }]);
    assert.deepEqual(hexOf(await history.live()), hexOf(history.expected()));
  });

  test('of an expired entry hides what it replaced', async () => {
    const history = await new History().open();
    const entry = { table: 2, group: 3, key: 'k', mapKey: 'm', window: 5n, value: 'old' };
    await history.delta([entry]);
    await history.delta([{ ...entry, value: 'new', stamp: 10n }]);
    await history.delta([{ ...entry, key: 'other' }]);
    history.now = 10n;
    const above = await history.merge(1, 3);
    assert.deepEqual([above.entries, above.tables[0]?.tombstones], [2, 1]);
    assert.deepEqual(hexOf(await history.live()), hexOf(history.expected()));
    assert.equal((await history.live({ expiredAt: undefined })).length, 1);
    const bottom = await history.merge(0, 2);
    assert.equal(bottom.entries, 1);
  });

  test('takes no entry for expired that is not, nor any when nothing expires', async () => {
    const history = await new History().open();
    const entry = { table: 1, group: 3, key: 'k', value: 'v', stamp: 11n };
    await history.delta([entry, { ...entry, key: 'l', stamp: 10n }]);
    history.now = 10n;
    assert.equal((await history.live()).length, 1);
    assert.equal((await history.live({ expiredAt: undefined })).length, 2);
    assert.equal((await history.merge(0, 1, false, { expiredAt: undefined })).entries, 2);
    assert.equal((await history.merge(0, 1)).entries, 1);
  });

  test('drops unkeyed tables, unless it is of all there is and to stand alone', async () => {
    const history = await new History().open();
    const split = { table: 0, group: 0, key: 'split', value: '1' };
    await history.delta(many(3), [split, { ...split, key: 'done' }]);
    await history.delta(many(1), [{ ...split, value: '2' }]);
    const names = history.runs.map(({ name }) => name);
    const dropped = await history.merged(names, NO_RULES);
    assert.deepEqual(
      dropped.tables.map(({ table }) => table),
      [1],
    );
    const whole = await history.merge(0, 2, true);
    assert.deepEqual(
      whole.tables.map(({ table, entries }) => [table, entries]),
      [
        [0, 1],
        [1, 3],
      ],
    );
    assert.deepEqual(hexOf(await history.live()), hexOf(history.expected()));
  });

  test('of nothing but tombstones is empty', async () => {
    const history = await new History().open();
    await history.delta(many(5).map((each) => ({ ...each, value: undefined })));
    const run = await history.merge(0, 1);
    assert.deepEqual([run.entries, run.tables], [0, []]);
    assert.deepEqual(await history.live(), []);
  });

  test('takes hundreds of runs, and entries longer than a read', async () => {
    const history = await new History().open();
    for (let i = 0; i < 300; i++) await history.delta(many(20, `${i}`, i * 7));
    await history.delta([{ table: 1, group: 2, key: 'user-3', value: 'v'.repeat(700_000) }]);
    await history.merge(0, history.runs.length);
    assert.deepEqual(hexOf(await history.live()), hexOf(history.expected()));
  });

  test('goes on right wherever a run has to be read on', async () => {
    const history = await new History().open();
    const random = seededRandom(5);
    for (let i = 0; i < 6; i++) {
      const some = many(1500, `${i}`).filter(() => random.next() < 0.7);
      await history.delta(some.map((each) => (random.next() < 0.2 ? { ...each, value: undefined } : each)));
    }
    const rules = { unkeyed: UNKEYED, keepUnkeyed: 'last', dropTombstones: true } as const;
    const names = history.runs.map(({ name }) => name);
    const found = await history.reading(names, async (readers) => {
      // One block at a time.
      const cursors = readers.map((reader) => reader.cursor(undefined, 1));
      const cursor = new MergeCursor(cursors, rules);
      const entries: string[] = [];
      while (cursor.advance() || (await cursor.load()))
        entries.push(cursor.bytes.toString('hex', cursor.at, cursor.scan.end));
      assert.ok(cursor.done && !cursor.advance() && !(await cursor.load()), 'it stays at its end');
      return entries;
    });
    assert.deepEqual(found, hexOf(history.expected()));
  });

  test('waits while it is told to pause, and lets others have their turn', async () => {
    const history = await new History().open();
    for (let i = 0; i < 3; i++) await history.delta(many(9000, `${i}`, i * 5000));
    let resume: () => void = () => {};
    const paused = new Promise<void>((reached) => {
      let asked = 0;
      const pause = () => {
        if (++asked !== 2) return undefined;
        reached();
        return new Promise<void>((resolve) => {
          resume = resolve;
        });
      };
      history.merge(0, 3, false, { pause }).then(
        () => order.push('merged'),
        (error: unknown) => order.push(`${error}`),
      );
    });
    const order: string[] = [];
    await paused;
    for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
    order.push('others');
    resume();
    while (order.length < 2) await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(order, ['others', 'merged']);
    assert.deepEqual(hexOf(await history.live()), hexOf(history.expected()));
  });

  test('reports progress, and leaves nothing when it is aborted', async () => {
    const history = await new History().open();
    for (let i = 0; i < 3; i++) await history.delta(many(9000, `${i}`, i * 5000));
    const before = history.disk.paths();
    const abort = new AbortController();
    const seen: number[] = [];
    const onProgress = ({ entries }: { readonly entries: number }) => {
      seen.push(entries);
      if (seen.length === 2) abort.abort(new Error('no more'));
    };
    await assert.rejects(history.merge(0, 3, false, { signal: abort.signal, onProgress }), /no more/);
    assert.deepEqual(history.disk.paths(), before);
    assert.equal(seen.length, 2);
    await assert.rejects(
      history.merge(0, 1, false, { signal: AbortSignal.abort(new Error('early')) }),
      /early/,
    );
    assert.deepEqual(history.disk.paths(), before);
  });

  test('of a damaged run fails, and says where', async () => {
    const history = await new History().open();
    await history.delta(many(1000));
    await history.delta(many(10, 'y'));
    const path = segmentPath(FOLDER, history.runs[0]?.name ?? '');
    const bytes = Buffer.from(history.disk.peek(path) ?? []);
    bytes[9000] = (bytes[9000] ?? 0) ^ 1;
    history.disk.plant(path, bytes);
    const isCorrupt = (error: unknown) => error instanceof TidemarkError && error.code === 'SEGMENT_CORRUPT';
    await assert.rejects(history.merge(0, 2), isCorrupt);
    await assert.rejects(history.live(), isCorrupt);
    assert.equal(history.disk.paths().filter((each) => each.endsWith('.tmp')).length, 0);
  });
});
