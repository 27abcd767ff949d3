import assert from 'node:assert/strict';
import { test } from 'node:test';
import { droppedAtEnd, type RetentionCandidate, retention } from '../../src/checkpoint/retention.js';
import fc from '../helpers/property.js';

const one = (id: number, change: Partial<RetentionCandidate> = {}): RetentionCandidate => ({
  id,
  state: 'completed',
  committedAt: id * 10,
  retainedBy: ['retain'],
  ...change,
});

test('the newest stay, by id', () => {
  assert.deepEqual(retention([one(1), one(3), one(2)], 1), { keep: [3], subsume: [1, 2] });
  assert.deepEqual(retention([one(10), one(9), one(8)], 2), { keep: [9, 10], subsume: [8] });
  assert.deepEqual(retention([], 1), { keep: [], subsume: [] });
});

test('recovery always has one', () => {
  assert.deepEqual(retention([one(1), one(2)], 0), { keep: [2], subsume: [1] });
});

test('pinned and uncommitted ones stay', () => {
  const all = [one(1, { retainedBy: ['retain', 'pin'] }), one(2, { committedAt: undefined }), one(3), one(4)];
  assert.deepEqual(retention(all, 1), { keep: [1, 2, 4], subsume: [3] });
});

test('only completed ones are looked at', () => {
  const all = [
    one(1),
    one(2, { state: 'pending' }),
    one(3, { state: 'failed' }),
    one(4, { state: 'subsumed' }),
  ];
  assert.deepEqual(retention(all, 1), { keep: [1], subsume: [] });
});

test('for any set: each is in one of the two, and each dropped one is old, committed and not pinned', () => {
  const candidate = fc.record({
    state: fc.constantFrom('pending', 'completed', 'failed', 'subsumed'),
    committedAt: fc.option(fc.nat(), { nil: undefined }),
    retainedBy: fc.constantFrom<readonly string[]>([], ['retain'], ['retain', 'pin']),
  });
  const sets = fc.array(candidate, { maxLength: 12 }).chain((some) =>
    fc.shuffledSubarray(
      some.map((rest, id) => ({ id, ...rest })),
      { minLength: some.length },
    ),
  );
  fc.assert(
    fc.property(sets, fc.integer({ min: 0, max: 6 }), (all, retain) => {
      const { keep, subsume } = retention(all, retain);
      const completed = all.filter(({ state }) => state === 'completed');
      assert.deepEqual(
        [...keep, ...subsume].sort((a, b) => a - b),
        completed.map(({ id }) => id).sort((a, b) => a - b),
      );
      for (const id of subsume) {
        const dropped = completed.find((some) => some.id === id);
        assert.ok(dropped?.committedAt !== undefined && !dropped.retainedBy.includes('pin'));
        assert.ok(completed.filter((newer) => newer.id > id).length >= Math.max(1, retain));
      }
      for (const id of keep) {
        const kept = completed.find((some) => some.id === id);
        const newer = completed.filter((some) => some.id > id).length;
        assert.ok(
          kept?.committedAt === undefined || kept.retainedBy.includes('pin') || newer < Math.max(1, retain),
        );
      }
      const left = all.filter(({ id }) => !subsume.includes(id));
      assert.deepEqual(retention(left, retain).subsume, [], 'a second look finds nothing more');
    }),
  );
});

const ENDS = ['finished', 'canceled', 'failed', 'suspended', 'lost'] as const;
const POLICIES = ['delete', 'retain'] as const;

test('what goes when a job ends: the table', () => {
  const all = [one(1), one(2, { retainedBy: ['retain', 'pin'] }), one(4), one(3, { state: 'failed' })];
  const rows = ENDS.flatMap((end) =>
    POLICIES.flatMap((onCancel) =>
      POLICIES.map((onFailure) => [
        end,
        onCancel,
        onFailure,
        droppedAtEnd(end, { onCancel, onFailure }, all),
      ]),
    ),
  );
  const gone = [1, 4];
  assert.deepEqual(rows, [
    ['finished', 'delete', 'delete', gone],
    ['finished', 'delete', 'retain', gone],
    ['finished', 'retain', 'delete', gone],
    ['finished', 'retain', 'retain', gone],
    ['canceled', 'delete', 'delete', gone],
    ['canceled', 'delete', 'retain', gone],
    ['canceled', 'retain', 'delete', []],
    ['canceled', 'retain', 'retain', []],
    ['failed', 'delete', 'delete', gone],
    ['failed', 'delete', 'retain', []],
    ['failed', 'retain', 'delete', gone],
    ['failed', 'retain', 'retain', []],
    ['suspended', 'delete', 'delete', []],
    ['suspended', 'delete', 'retain', []],
    ['suspended', 'retain', 'delete', []],
    ['suspended', 'retain', 'retain', []],
    ['lost', 'delete', 'delete', []],
    ['lost', 'delete', 'retain', []],
    ['lost', 'retain', 'delete', []],
    ['lost', 'retain', 'retain', []],
  ]);
});

test('a failed job keeps the last checkpoint while its commits are owed, whatever the policy', () => {
  const all = [one(1), one(2, { committedAt: undefined })];
  const policies = { onCancel: 'delete', onFailure: 'delete' } as const;
  assert.deepEqual(droppedAtEnd('failed', policies, all), [1]);
  assert.deepEqual(droppedAtEnd('canceled', policies, all), [1, 2]);
});
