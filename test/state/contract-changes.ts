/** What a drain of changes holds: see the contract in src/state/backend.ts. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { TidemarkError } from '../../src/base/errors.js';
import type { Entry } from '../../src/format/entry.js';
import { fillFading } from './contract-fading.js';
import {
  AFTER,
  adopt,
  entryOf,
  expectedLine,
  GLOBAL,
  keyBytes,
  lines,
  paneOf,
  Recording,
  type Setup,
  type Subject,
  snapshot,
  subject,
  TABLES,
  timeBytes,
  tombstoneLine,
  valueBytes,
} from './harness.js';

const EMPTY = Buffer.alloc(0);
const WINDOW = { start: 0, end: 10 };

/** What was written for what changed since the last drain that was kept, and keeps that. */
function changes(of: Subject): string[] {
  const recording = new Recording(of);
  const drained = lines(recording.drained());
  recording.settle(true);
  return drained;
}

/** One entry in each table, all of one key. */
function fill(of: Subject, what: unknown = 1): void {
  of.value.set({ what });
  of.number.set(Number(what));
  of.list.set([what]);
  of.map.set('m', what);
  of.panes.set(WINDOW, what);
  of.panes.set(GLOBAL, [what]);
  fillFading(of, what);
  of.timers[0].set(10);
  of.timers[1].set(20);
  of.timers[2].set(30);
}

/** Takes all of the current key out. */
function empty(of: Subject): void {
  const { value, number, list, map, fading, fadingMaps, timers, panes } = of;
  for (const handle of [value, number, list, map, ...fading, ...fadingMaps, ...timers]) handle.clear();
  for (const { start } of panes.windows()) panes.delete(start);
}

function filledEntries(key: string, what: unknown = 1): Entry[] {
  const [write, read] = AFTER.map((after) => ({ stamp: BigInt(after) }));
  return [
    entryOf(TABLES.value, key, undefined, valueBytes({ what })),
    entryOf(TABLES.number, key, undefined, valueBytes(what)),
    entryOf(TABLES.list, key, undefined, valueBytes([what])),
    entryOf(TABLES.map, key, keyBytes('m'), valueBytes(what)),
    paneOf(key, WINDOW, valueBytes(what)),
    paneOf(key, GLOBAL, valueBytes([what])),
    entryOf(TABLES.fading, key, undefined, valueBytes(what), write),
    entryOf(TABLES.fadingRead, key, undefined, valueBytes(what), read),
    entryOf(TABLES.fadingMap, key, keyBytes('m'), valueBytes(what), write),
    entryOf(TABLES.fadingMapRead, key, keyBytes('m'), valueBytes(what), read),
    entryOf(TABLES.early, key, timeBytes(10), EMPTY),
    entryOf(TABLES.late, key, timeBytes(20), EMPTY),
    entryOf(TABLES.due, key, timeBytes(30), EMPTY),
  ];
}

const PER_KEY = filledEntries('k').length;

function filledLines(key: string, what: unknown = 1): string[] {
  return lines(filledEntries(key, what));
}

function tombstoneLines(key: string): string[] {
  return lines(
    filledEntries(key).map((entry) => ({ ...entry, stamp: undefined, tombstone: true, value: EMPTY })),
  );
}

export function whatIsWritten(setup: Setup): void {
  it('is what was set or changed since the last drain, once', () => {
    const s = subject(setup);
    for (const key of ['a', 'b', 'c']) {
      s.select(key);
      fill(s);
    }
    assert.equal(changes(s).length, 3 * PER_KEY);
    assert.deepEqual(changes(s), []);
    s.select('b');
    s.value.update(() => ({ what: 2 }));
    s.number.add(1);
    s.list.add(2);
    s.list.add(3);
    s.map.set('m', 2);
    s.map.set('new', 3);
    s.timers[0].set(10);
    s.timers[0].set(11);
    s.timers[0].delete(12);
    assert.deepEqual(
      changes(s),
      [
        expectedLine(TABLES.value, 'b', undefined, valueBytes({ what: 2 })),
        expectedLine(TABLES.number, 'b', undefined, valueBytes(2)),
        expectedLine(TABLES.list, 'b', undefined, valueBytes([1, 2, 3])),
        expectedLine(TABLES.map, 'b', keyBytes('m'), valueBytes(2)),
        expectedLine(TABLES.map, 'b', keyBytes('new'), valueBytes(3)),
        expectedLine(TABLES.early, 'b', timeBytes(11), EMPTY),
      ].sort(),
    );
    assert.deepEqual(changes(s), []);
  });

  it('is not what was read, handed out, or taken out where nothing was', () => {
    const s = subject(setup);
    s.select('a');
    fill(s);
    snapshot(s);
    for (const key of ['a', 'absent']) {
      s.select(key);
      s.value.get();
      s.number.get();
      s.list.get();
      s.list.addAll([]);
      s.map.get('m');
      s.panes.get(0);
      s.panes.delete(99);
      for (const index of [0, 1] as const) {
        s.fading[index].get();
        s.fadingMaps[index].get('m');
      }
      for (const [, value] of s.map.entries()) assert.equal(value, 1);
      assert.equal(s.map.delete('absent'), false);
      s.timers[0].delete(99);
    }
    empty(s);
    assert.equal(s.backend.fireTimer('processing', 5), undefined);
    assert.deepEqual(changes(s), []);
  });

  it('is a tombstone of what was taken out, fired or dropped, once', () => {
    const s = subject(setup);
    for (const key of ['a', 'b']) {
      s.select(key);
      fill(s);
    }
    snapshot(s);
    s.select('a');
    empty(s);
    assert.deepEqual(changes(s), tombstoneLines('a'));
    assert.deepEqual(changes(s), []);
    assert.deepEqual(s.backend.fireTimer('processing', 10), { index: 0, time: 10, key: 'b' });
    s.map.delete('m');
    assert.equal(s.backend.dropTimers(), 1);
    const timers = [[TABLES.early, 10] as const, [TABLES.late, 20] as const];
    assert.deepEqual(
      changes(s),
      [
        tombstoneLine(TABLES.map, 'b', keyBytes('m')),
        ...timers.map(([table, time]) => tombstoneLine(table, 'b', timeBytes(time))),
      ].sort(),
    );
    s.select('b');
    empty(s);
    changes(s);
    assert.equal(s.kept.size, 0);
  });

  it('is nothing of what came and went between two drains', () => {
    const s = subject(setup);
    for (let round = 0; round < 3; round++) {
      s.select('a');
      fill(s);
      empty(s);
      fill(s, 2);
      s.map.delete('m');
      assert.equal(s.backend.fireTimer('processing', 10)?.key, 'a');
      empty(s);
      assert.deepEqual(changes(s), []);
    }
  });

  it('is nothing of what came and went with a map that was kept', () => {
    const s = subject(setup);
    s.select('a');
    for (let i = 0; i < 10; i++) s.map.set(i, i);
    snapshot(s);
    s.map.set('new', 1);
    s.map.clear();
    s.map.set('new', 2);
    s.map.set(3, 3);
    s.map.delete('new');
    const written = changes(s);
    assert.equal(written.length, 10);
    assert.ok(!written.includes(tombstoneLine(TABLES.map, 'a', keyBytes('new'))));
    assert.equal(s.kept.size, 1);
  });

  it('is the entry, and no tombstone, of what was taken out and set again', () => {
    const s = subject(setup);
    s.select('a');
    fill(s);
    snapshot(s);
    for (const what of [2, 3]) {
      empty(s);
      // Another key comes to where this one was.
      s.select('b');
      fill(s);
      empty(s);
      s.select('a');
      fill(s, what);
      assert.deepEqual(changes(s), filledLines('a', what));
    }
    empty(s);
    fill(s, 4);
    empty(s);
    assert.deepEqual(changes(s), tombstoneLines('a'));
  });

  it('follows the number of changes, not that of entries', () => {
    const s = subject(setup);
    for (let i = 0; i < 2000; i++) {
      s.select(i);
      s.value.set(i);
      s.select('map');
      s.map.set(i, i);
      s.timers[0].set(i);
    }
    assert.equal(changes(s).length, 6000);
    for (let i = 0; i < 2000; i += 200) {
      s.select(i);
      s.value.set(-i);
      s.value.set(-i - 1);
      s.select('map');
      s.map.set(i, -i);
      s.timers[0].delete(i);
    }
    assert.equal(changes(s).length, 30);
    assert.equal(s.kept.size, 5990);
  });

  it('is nothing of what was restored as kept, and all of what was not', () => {
    const s = subject(setup);
    const entries = filledEntries('kept');
    for (const entry of entries) adopt(s, entry);
    const other = filledEntries('new');
    for (const entry of other) s.backend.restore(entry);
    assert.deepEqual(changes(s), lines(other));
    s.select('kept');
    assert.deepEqual([s.value.get(), s.number.get(), s.list.get(), s.map.get('m')], [{ what: 1 }, 1, [1], 1]);
    assert.deepEqual(changes(s), []);
    empty(s);
    assert.deepEqual(changes(s), tombstoneLines('kept'));
  });
}

export function whileDraining(setup: Setup): void {
  it('what changes is written as it was, and again by the next drain', () => {
    const s = subject(setup);
    s.select('a');
    fill(s);
    const recording = new Recording(s);
    fill(s, 2);
    assert.deepEqual(lines(recording.drained()), filledLines('a'));
    recording.settle(true);
    const timers = (line: string) => /^(9|2|5) /.test(line);
    assert.deepEqual(
      changes(s),
      filledLines('a', 2).filter((line) => !timers(line)),
    );
  });

  it('what is taken out is written as it was, and gets a tombstone from the next', () => {
    const s = subject(setup);
    s.select('a');
    fill(s);
    const recording = new Recording(s);
    empty(s);
    assert.deepEqual(lines(recording.drained()), filledLines('a'));
    recording.settle(true);
    assert.deepEqual(changes(s), tombstoneLines('a'));
    assert.equal(s.kept.size, 0);
  });

  it('what was taken out before, and is set again, gets its tombstone, and its entry from the next', () => {
    const s = subject(setup);
    s.select('a');
    fill(s);
    snapshot(s);
    empty(s);
    const recording = new Recording(s);
    fill(s, 2);
    empty(s);
    fill(s, 3);
    assert.deepEqual(lines(recording.drained()), tombstoneLines('a'));
    recording.settle(true);
    assert.deepEqual(changes(s), filledLines('a', 3));
  });

  it('what changes between the end of a drain and its settling is written by the next', () => {
    const s = subject(setup);
    for (const kept of [true, false]) {
      s.select('a');
      fill(s);
      const recording = new Recording(s);
      recording.drained();
      empty(s);
      fill(s, 2);
      recording.settle(kept);
      assert.deepEqual(changes(s), filledLines('a', 2));
    }
  });

  it('a large map may be cleared and filled again', () => {
    const s = subject(setup);
    s.select('k');
    const count = 3000;
    const put = (from: number, to: number, what: string) => {
      for (let i = from; i < to; i++) s.map.set(i, what);
    };
    put(0, count, 'first');
    snapshot(s);
    put(0, count / 2, 'second');
    const recording = new Recording(s);
    assert.equal(recording.slice(1), false, 'one slice was enough');
    s.map.clear();
    put(count / 3, count / 3 + 10, 'third');
    s.map.clear();
    put(0, 10, 'fourth');
    assert.equal(recording.drained().length, count / 2);
    assert.ok(recording.entries().every(({ value }) => value.equals(valueBytes('second'))));
    recording.settle(true);
    const next = new Recording(s);
    assert.equal(next.slice(1), false, 'one slice was enough for the tombstones');
    put(5, 15, 'fifth');
    const drained = next.drained();
    assert.equal(drained.length, count);
    assert.equal(drained.filter(({ tombstone }) => tombstone).length, count - 10);
    assert.ok(drained.every(({ tombstone, value }) => tombstone || value.equals(valueBytes('fourth'))));
    next.settle(true);
    assert.equal(changes(s).length, 10);
    assert.equal(s.kept.size, 15);
  });
}

export function lostChanges(setup: Setup): void {
  const losses: Record<string, (of: Subject) => void> = {
    'a drain that was lost': (of) => {
      const recording = new Recording(of);
      recording.drained();
      recording.settle(false);
    },
    'a drain that was given up at once': (of) => new Recording(of).drain.abort(),
    'a drain that was given up on the way': (of) => {
      const recording = new Recording(of);
      if (recording.slice(1)) recording.settle(false);
      else recording.drain.abort();
    },
    'a drain that threw': (of) => {
      of.select('bad');
      of.value.set(() => {});
      assert.throws(() => new Recording(of).drained(), TidemarkError);
      of.value.clear();
    },
  };
  for (const [what, lose] of Object.entries(losses)) {
    it(`${what} is written again by the next, with what changed since`, () => {
      const s = subject(setup);
      s.select('gone');
      fill(s);
      s.select('b');
      fill(s);
      snapshot(s);
      s.select('gone');
      empty(s);
      s.select('a');
      fill(s);
      for (let round = 0; round < 3; round++) {
        lose(s);
        s.select('b');
        s.number.set(round);
      }
      const number = expectedLine(TABLES.number, 'b', undefined, valueBytes(2));
      const expected = [...filledLines('a'), ...tombstoneLines('gone'), number].sort();
      // Of what was never kept, a tombstone is allowed.
      const written = changes(s).filter((line) => line !== tombstoneLine(TABLES.value, 'bad'));
      assert.deepEqual(written, expected);
      assert.deepEqual(changes(s), []);
    });

    it(`${what} leaves what changes on the way to the next`, () => {
      const s = subject(setup);
      s.select('a');
      fill(s);
      snapshot(s);
      empty(s);
      lose(s);
      s.select('a');
      fill(s, 2);
      assert.deepEqual(
        changes(s).filter((line) => line !== tombstoneLine(TABLES.value, 'bad')),
        filledLines('a', 2),
      );
    });
  }

  it('what came and went during a drain that was lost needs no tombstone', () => {
    const s = subject(setup);
    s.select('a');
    s.map.set('m', 1);
    const recording = new Recording(s);
    s.map.set('new', 1);
    s.map.clear();
    recording.drained();
    recording.settle(false);
    const next = new Recording(s);
    s.map.set('new', 2);
    s.map.clear();
    next.drained();
    next.settle(true);
    assert.deepEqual(changes(s), []);
  });

  it('what was lost with its tombstone and is set meanwhile is written, and only once', () => {
    const s = subject(setup);
    s.select('a');
    fill(s);
    snapshot(s);
    empty(s);
    const recording = new Recording(s);
    fill(s, 2);
    recording.drained();
    recording.settle(false);
    assert.deepEqual(changes(s), filledLines('a', 2));
    empty(s);
    assert.deepEqual(changes(s), tombstoneLines('a'));
  });
}
