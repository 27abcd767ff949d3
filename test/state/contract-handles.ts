/** What handles and timers do, between snapshots. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Key } from '../../src/codec/key.js';
import {
  expectedLine,
  INITIAL_NUMBER,
  lines,
  liveEntries,
  type Setup,
  snapshot,
  subject,
  TABLES,
  valueBytes,
} from './harness.js';

export function handles(setup: Setup): void {
  it('keeps keys apart, and gives initial values where nothing is set', () => {
    const s = subject(setup);
    for (const [i, key] of (['a', 1, 1n, true, ['a', 1], '', 1.5] as Key[]).entries()) {
      s.select(key);
      assert.deepEqual(
        [s.value.get(), s.number.get(), s.list.get(), s.map.size],
        [undefined, INITIAL_NUMBER, [], 0],
      );
      s.number.set(i * 10);
      s.value.set({ i });
    }
    s.select(1n);
    assert.equal(s.number.get(), 20);
    s.select(['a', 1]);
    assert.deepEqual(s.value.get(), { i: 4 });
  });

  it('tells a value set to undefined from one that is absent', () => {
    const s = subject(setup);
    s.select('k');
    s.value.set(undefined);
    assert.equal(s.value.get(), undefined);
    assert.deepEqual(lines(snapshot(s)), [expectedLine(TABLES.value, 'k', undefined, valueBytes(undefined))]);
    s.value.clear();
    assert.deepEqual(snapshot(s), []);
  });

  it('adds to lists from themselves, and takes no alias of what it is given', () => {
    const s = subject(setup);
    s.select('k');
    const given = [1, 2];
    s.list.set(given);
    given.push(3);
    s.list.addAll(s.list.get());
    assert.deepEqual(s.list.get(), [1, 2, 1, 2]);
    s.list.update((list) => list.filter((x) => x === 1));
    assert.deepEqual([s.list.get(), s.list.size], [[1, 1], 2]);
    s.list.set([]);
    assert.equal(liveEntries(s), 0);
  });

  it('lets user code neither fill the list of an absent key nor share it', () => {
    const s = subject(setup);
    s.select('k');
    assert.throws(() => (s.list.get() as unknown[]).push('x'), TypeError);
  });

  it('finds map keys by the rules of keys', () => {
    const s = subject(setup);
    s.select('k');
    s.map.set(5, 'number');
    s.map.set(5n, 'bigint');
    s.map.set(-0, 'zero');
    s.map.set(['a', 1], 'tuple');
    assert.deepEqual(
      [s.map.get(5), s.map.get(5n), s.map.get(0), s.map.get(['a', 1])],
      ['number', 'bigint', 'zero', 'tuple'],
    );
    assert.deepEqual([...s.map.keys()], [5, 5n, 0, ['a', 1]]);
    assert.deepEqual([s.map.delete('no'), s.map.delete(5), s.map.has(5)], [false, true, false]);
  });

  it('iterates maps as a Map would, whatever changes meanwhile', () => {
    const s = subject(setup);
    s.select('k');
    for (const real of [true, false]) {
      // Begun while empty, filled after: sees it.
      const map = real ? new Map<unknown, unknown>() : s.map;
      const early = map.keys();
      map.set('a', 1);
      map.set('b', 2);
      const seen: unknown[] = [];
      for (const [key] of map.entries()) {
        seen.push(key);
        if (key === 'a') map.delete('b');
        if (seen.length < 4) map.set(`more ${seen.length}`, 0);
        if (seen.length === 3) map.set('a', 3);
        if (seen.length === 4) {
          map.clear();
          map.set('last', 0);
        }
      }
      assert.deepEqual(seen, ['a', 'more 1', 'more 2', 'more 3', 'last']);
      assert.deepEqual([...early], ['last']);
    }
  });

  it('counts entries by table: map entries one by one, lists whole', () => {
    const s = subject(setup);
    s.select('k');
    s.value.set(1);
    s.list.set([1, 2, 3]);
    for (let i = 0; i < 5; i++) s.map.set(i, i);
    s.timers[1].set(1);
    s.timers[1].set(2);
    s.timers[1].set(2);
    const counted = s.backend.counts().filter(({ entries }) => entries > 0);
    assert.deepEqual(
      s.backend.counts().map(({ table }) => table),
      Object.values(TABLES),
    );
    assert.deepEqual(counted, [
      { table: TABLES.value, entries: 1 },
      { table: TABLES.list, entries: 1 },
      { table: TABLES.map, entries: 5 },
      { table: TABLES.late, entries: 2 },
    ]);
    s.value.clear();
    s.list.clear();
    s.map.clear();
    s.timers[1].clear();
    assert.equal(liveEntries(s), 0);
  });
}

export function timers(setup: Setup): void {
  it('fires by time, then in the order of setting, and makes the key current', () => {
    const s = subject(setup);
    s.select('a');
    s.number.set(1);
    s.timers[0].set(30);
    s.select(['b', 2]);
    s.timers[1].set(10);
    s.timers[0].set(10);
    s.timers[0].set(-5);
    assert.equal(s.backend.nextTimer('processing'), -5);
    s.select('c');
    const fired = [];
    for (
      let timer = s.backend.fireTimer('processing', 30);
      timer !== undefined;
      timer = s.backend.fireTimer('processing', 30)
    ) {
      fired.push([timer.index, timer.time, timer.key]);
      s.number.add(1);
    }
    assert.deepEqual(fired, [
      [0, -5, ['b', 2]],
      [1, 10, ['b', 2]],
      [0, 10, ['b', 2]],
      [0, 30, 'a'],
    ]);
    assert.equal(s.number.get(), 2);
    s.number.update((n) => n * 10);
    assert.equal(s.number.get(), 20);
    s.select(['b', 2]);
    assert.equal(s.number.get(), INITIAL_NUMBER + 3);
    assert.equal(s.backend.nextTimer('processing'), Number.POSITIVE_INFINITY);
  });

  it('fires nothing early, and forgets what is deleted', () => {
    const s = subject(setup);
    s.select('a');
    for (let time = 0; time < 500; time++) s.timers[0].set(time);
    for (let time = 0; time < 500; time++) if (time % 10 !== 7) s.timers[0].delete(time);
    assert.equal(s.backend.fireTimer('processing', 6), undefined);
    assert.equal(s.backend.fireTimer('processing', 7)?.time, 7);
    assert.equal(s.backend.nextTimer('processing'), 17);
    assert.equal(s.backend.dropTimers(), 49);
    assert.equal(s.backend.nextTimer('processing'), Number.POSITIVE_INFINITY);
    assert.equal(liveEntries(s), 0);
  });
}
