/** What holds of state that expires. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import {
  AFTER,
  entryOf,
  FADING_MAPS,
  FADING_VALUES,
  type FadingIndex,
  keyBytes,
  lines,
  liveEntries,
  peek,
  Recording,
  type Setup,
  type Subject,
  snapshot,
  subject,
  TABLES,
  valueBytes,
} from './harness.js';

const BOTH: readonly FadingIndex[] = [0, 1];

/** One entry in each table of what expires, of the current key. */
export function fillFading(of: Subject, what: unknown): void {
  for (const index of BOTH) {
    of.fading[index].set(what);
    of.fadingMaps[index].set('m', what);
  }
}

/** What is written for that, if it was set at a time. */
export function fadingLines(key: string, what: unknown, setAt: number): string[] {
  return lines(
    BOTH.flatMap((index) => {
      const more = { stamp: BigInt(setAt + AFTER[index]) };
      return [
        entryOf(FADING_VALUES[index], key, undefined, valueBytes(what), more),
        entryOf(FADING_MAPS[index], key, keyBytes('m'), valueBytes(what), more),
      ];
    }),
  );
}

function seen(of: Subject, index: FadingIndex): unknown[] {
  const map = of.fadingMaps[index];
  return [map.size, map.has('m'), [...map.keys()], of.fading[index].get(), map.get('m'), [...map.entries()]];
}

const NOTHING = [0, false, [], 'initial', undefined, []];

export function fading(setup: Setup): void {
  it('is seen until its time has come, and not any more', () => {
    for (const index of BOTH) {
      const s = subject(setup);
      s.time.now = 100;
      s.select('k');
      fillFading(s, 'v');
      s.time.now = 100 + AFTER[index] - 1;
      const map = s.fadingMaps[index];
      assert.deepEqual([map.size, map.has('m'), [...map.keys()]], [1, true, ['m']]);
      s.time.now++;
      assert.deepEqual(seen(s, index), NOTHING);
      assert.equal(map.delete('m'), false);
      map.clear();
      s.fading[index].clear();
      assert.deepEqual(seen(s, index), NOTHING);
    }
  });

  it('is gone from what is drained and counted, whether or not it was asked for', () => {
    const s = subject(setup);
    for (const key of ['a', 'b']) {
      s.select(key);
      fillFading(s, key);
      s.number.set(1);
    }
    assert.deepEqual(
      lines(snapshot(s)).filter((text) => !text.startsWith(`${TABLES.number} `)),
      [...fadingLines('a', 'a', 0), ...fadingLines('b', 'b', 0)].sort(),
    );
    s.time.now = AFTER[1];
    assert.equal(s.fading[1].get(), 'initial');
    assert.equal(snapshot(s).length, 6);
    assert.equal(liveEntries(s), 6);
    s.time.now = AFTER[0];
    assert.equal(snapshot(s).length, 2);
    assert.equal(liveEntries(s), 2);
  });

  it('is renewed when it is set, and when it is read where that was asked for', () => {
    const s = subject(setup);
    s.select('k');
    fillFading(s, [1]);
    s.time.now = 4;
    for (const index of BOTH) {
      assert.deepEqual(s.fading[index].get(), [1]);
      assert.deepEqual(s.fadingMaps[index].get('m'), [1]);
    }
    const stamps = () =>
      peek(s)
        .map(({ table, stamp }) => [table, Number(stamp)])
        .sort();
    const expected = (write: number, read: number) =>
      BOTH.flatMap((index) => {
        const stamp = index === 0 ? write : read;
        return [
          [FADING_VALUES[index], stamp],
          [FADING_MAPS[index], stamp],
        ];
      }).sort();
    assert.deepEqual(stamps(), expected(10, 10));
    s.time.now = 7;
    for (const index of BOTH) {
      s.fadingMaps[index].has('m');
      for (const _ of s.fadingMaps[index].keys());
      assert.equal(s.fadingMaps[index].size, 1);
    }
    assert.deepEqual(stamps(), expected(10, 10));
    for (const index of BOTH) {
      for (const _ of s.fadingMaps[index].entries());
      s.fading[index].get();
    }
    assert.deepEqual(stamps(), expected(10, 13));
    s.time.now = 8;
    for (const index of BOTH) {
      s.fadingMaps[index].set('m', [2]);
      s.fading[index].update((value) => [value]);
    }
    assert.deepEqual(stamps(), expected(18, 14));
  });

  it('lets each member of a map live for itself', () => {
    const s = subject(setup);
    s.select('k');
    const map = s.fadingMaps[0];
    for (const [at, key] of ['a', 'b', 'c'].entries()) {
      s.time.now = at;
      map.set(key, at);
    }
    s.time.now = 5;
    map.set('a', 5);
    s.time.now = 1 + AFTER[0];
    assert.deepEqual(
      new Map(map.entries() as Iterable<[string, number]>),
      new Map([
        ['a', 5],
        ['c', 2],
      ]),
    );
    assert.equal(map.size, 2);
    map.set('b', 6);
    if (setup.order === 'insertion') assert.deepEqual([...map.keys()], ['a', 'c', 'b']);
    s.time.now = 2 + AFTER[0];
    assert.deepEqual([...map.keys()].sort(), ['a', 'b']);
    assert.deepEqual(snapshot(s).length, 2);
  });

  it('tells a value set to undefined from one that has expired', () => {
    const s = subject(setup);
    s.select('k');
    s.fading[0].set(undefined);
    s.fadingMaps[0].set('m', undefined);
    assert.deepEqual([s.fading[0].get(), s.fadingMaps[0].has('m')], [undefined, true]);
    s.time.now = AFTER[0];
    assert.deepEqual([s.fading[0].get(), s.fadingMaps[0].has('m')], ['initial', false]);
  });

  it('can be set again when it has expired', () => {
    const s = subject(setup);
    s.select('k');
    for (const round of [1, 2, 3]) {
      fillFading(s, round);
      const { now } = s.time;
      assert.deepEqual(lines(snapshot(s)), fadingLines('k', round, now));
      s.time.now += AFTER[0];
    }
    assert.deepEqual(snapshot(s), []);
  });

  it('goes away some at a time, and leaves the current key as it is', () => {
    const s = subject(setup);
    for (let i = 0; i < 100; i++) {
      s.select(i);
      fillFading(s, i);
    }
    s.select('here');
    s.number.set(5);
    s.time.now = AFTER[0];
    for (let rounds = 0; !s.backend.expire(10); rounds++) assert.ok(rounds < 100, 'no end in sight');
    assert.equal(s.number.get(), 5);
    assert.equal(liveEntries(s), 1);
  });

  const changes: Record<string, (of: Subject) => void> = {
    nothing: () => {},
    'expiry of all': (of) => {
      while (!of.backend.expire(2));
    },
    'reading it': (of) => {
      for (const index of BOTH) seen(of, index);
    },
    'setting it': (of) => fillFading(of, 'new'),
    'taking it out': (of) => {
      for (const handle of [...of.fading, ...of.fadingMaps]) handle.clear();
    },
  };
  for (const [what, change] of Object.entries(changes)) {
    it(`writes what expires after the freeze as it was, in spite of ${what}`, () => {
      const s = subject(setup);
      s.select('k');
      fillFading(s, { n: 1 });
      const recording = new Recording(s);
      s.time.now = AFTER[0];
      change(s);
      assert.deepEqual(lines(recording.finish()), fadingLines('k', { n: 1 }, 0));
      assert.equal(snapshot(s).length, what === 'setting it' ? 4 : 0);
    });
  }

  it('restores what has not expired, and gives a stamp to what has none', () => {
    const s = subject(setup);
    s.time.now = 100;
    const restore = (table: number, key: string, mapKey: string | undefined, stamp: number | undefined) =>
      s.backend.restore(
        entryOf(table, key, mapKey === undefined ? undefined : keyBytes(mapKey), valueBytes('v'), {
          stamp: stamp === undefined ? undefined : BigInt(stamp),
        }),
      );
    restore(TABLES.fading, 'over', undefined, 100);
    restore(TABLES.fadingMap, 'over', 'm', 99);
    restore(TABLES.fading, 'soon', undefined, 101);
    restore(TABLES.fadingMap, 'soon', 'm', 101);
    restore(TABLES.fading, 'new', undefined, undefined);
    restore(TABLES.fadingMap, 'new', 'm', undefined);
    // What no longer expires.
    restore(TABLES.value, 'still', undefined, 101);
    restore(TABLES.map, 'still', 'm', 101);
    restore(TABLES.value, 'over', undefined, 100);
    const stamps = lines(peek(s)).map((text) => text.split(' ').at(-2));
    assert.deepEqual(stamps.sort(), ['-', '-', '101', '101', '110', '110']);
    s.time.now = 109;
    s.select('soon');
    assert.deepEqual([s.fading[0].get(), s.fadingMaps[0].get('m')], ['initial', undefined]);
    s.select('new');
    assert.deepEqual([s.fading[0].get(), s.fadingMaps[0].get('m')], ['v', 'v']);
    s.select('still');
    assert.deepEqual([s.value.get(), s.map.get('m')], ['v', 'v']);
    assert.equal(snapshot(s).length, 4);
  });
}
