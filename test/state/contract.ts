/** The contract of src/state/backend.ts as a test suite: run it on every backend. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { TidemarkError } from '../../src/base/errors.js';
import { rangeOf, subtaskOf } from '../../src/base/key-groups.js';
import { BytesDamaged } from '../../src/codec/codec.js';
import type { Key } from '../../src/codec/key.js';
import type { Entry } from '../../src/format/entry.js';
import {
  type BackendFactory,
  expectedLine,
  groupOf,
  INITIAL_NUMBER,
  keyBytes,
  line,
  lines,
  MAX_PARALLELISM,
  Recording,
  type Subject,
  snapshot,
  subject,
  TABLES,
  timeBytes,
  valueBytes,
} from './harness.js';
import { modelProperties } from './model-properties.js';

export function backendContract(name: string, create: BackendFactory): void {
  describe(`${name}: handles`, () => handles(create));
  describe(`${name}: timers`, () => timers(create));
  describe(`${name}: freeze and drain`, () => draining(create));
  describe(`${name}: what is refused`, () => refusing(create));
  describe(`${name}: restore`, () => restoring(create));
  describe(`${name}: against a model`, () => modelProperties(create));
}

function handles(create: BackendFactory): void {
  it('keeps keys apart, and gives initial values where nothing is set', () => {
    const s = subject(create);
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
    const s = subject(create);
    s.select('k');
    s.value.set(undefined);
    assert.equal(s.value.get(), undefined);
    assert.deepEqual(lines(snapshot(s.backend)), [
      expectedLine(TABLES.value, 'k', undefined, valueBytes(undefined)),
    ]);
    s.value.clear();
    assert.deepEqual(snapshot(s.backend), []);
  });

  it('adds to lists from themselves, and takes no alias of what it is given', () => {
    const s = subject(create);
    s.select('k');
    const given = [1, 2];
    s.list.set(given);
    given.push(3);
    s.list.addAll(s.list.get());
    assert.deepEqual(s.list.get(), [1, 2, 1, 2]);
    s.list.update((list) => list.filter((x) => x === 1));
    assert.deepEqual([s.list.get(), s.list.size], [[1, 1], 2]);
    s.list.set([]);
    assert.equal(total(s), 0);
  });

  it('lets user code neither fill the list of an absent key nor share it', () => {
    const s = subject(create);
    s.select('k');
    assert.throws(() => (s.list.get() as unknown[]).push('x'), TypeError);
  });

  it('finds map keys by the rules of keys', () => {
    const s = subject(create);
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
    const s = subject(create);
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
    const s = subject(create);
    s.select('k');
    s.value.set(1);
    s.list.set([1, 2, 3]);
    for (let i = 0; i < 5; i++) s.map.set(i, i);
    s.timers[1].set(1);
    s.timers[1].set(2);
    s.timers[1].set(2);
    assert.deepEqual(s.backend.counts(), [
      { table: TABLES.value, entries: 1 },
      { table: TABLES.number, entries: 0 },
      { table: TABLES.list, entries: 1 },
      { table: TABLES.map, entries: 5 },
      { table: TABLES.early, entries: 0 },
      { table: TABLES.late, entries: 2 },
    ]);
    s.value.clear();
    s.list.clear();
    s.map.clear();
    s.timers[1].clear();
    assert.equal(total(s), 0);
  });
}

function timers(create: BackendFactory): void {
  it('fires by time, then in the order of setting, and makes the key current', () => {
    const s = subject(create);
    s.select('a');
    s.number.set(1);
    s.timers[0].set(30);
    s.select(['b', 2]);
    s.timers[1].set(10);
    s.timers[0].set(10);
    s.timers[0].set(-5);
    assert.equal(s.backend.nextTimer(), -5);
    s.select('c');
    const fired = [];
    for (let timer = s.backend.fireTimer(30); timer !== undefined; timer = s.backend.fireTimer(30)) {
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
    s.select(['b', 2]);
    assert.equal(s.number.get(), INITIAL_NUMBER + 3);
    assert.equal(s.backend.nextTimer(), Number.POSITIVE_INFINITY);
  });

  it('fires nothing early, and forgets what is deleted', () => {
    const s = subject(create);
    s.select('a');
    for (let time = 0; time < 500; time++) s.timers[0].set(time);
    for (let time = 0; time < 500; time++) if (time % 10 !== 7) s.timers[0].delete(time);
    assert.equal(s.backend.fireTimer(6), undefined);
    assert.equal(s.backend.fireTimer(7)?.time, 7);
    assert.equal(s.backend.nextTimer(), 17);
    assert.equal(s.backend.dropTimers(), 49);
    assert.equal(s.backend.nextTimer(), Number.POSITIVE_INFINITY);
    assert.equal(total(s), 0);
  });
}

function draining(create: BackendFactory): void {
  it('writes objects as they were, though they are handed out and changed after the freeze', () => {
    const s = subject(create);
    s.select('k');
    s.value.set({ deep: { n: 1 } });
    s.list.set([{ n: 1 }]);
    s.map.set('got', { n: 1 });
    s.map.set('iterated', { n: 1 });
    s.map.set('untouched', { n: 1 });
    const before = lines(snapshot(s.backend));
    const recording = new Recording(s.backend);
    (s.value.get() as { deep: { n: number } }).deep.n = 2;
    (s.list.get()[0] as { n: number }).n = 2;
    (s.map.get('got') as { n: number }).n = 2;
    for (const [key, value] of s.map.entries()) if (key === 'iterated') (value as { n: number }).n = 2;
    s.map.delete('untouched');
    assert.deepEqual(lines(recording.finish()), before);
    assert.notDeepEqual(lines(snapshot(s.backend)), before);
  });

  it('writes a key that goes away, comes back and goes away again, once', () => {
    const s = subject(create);
    for (const key of ['a', 'b', 'c']) {
      s.select(key);
      s.value.set(key);
      s.map.set(key, 1);
      s.timers[0].set(1);
    }
    const before = lines(snapshot(s.backend));
    const recording = new Recording(s.backend);
    for (let round = 0; round < 3; round++) {
      s.select('b');
      s.value.clear();
      s.map.clear();
      s.timers[0].clear();
      s.select('d');
      s.value.set('in the place of b');
      s.select('b');
      s.value.set('back');
      s.map.set('b', 2);
      s.timers[0].set(1);
    }
    assert.deepEqual(lines(recording.finish()), before);
  });

  it('drains a large map of one key in slices, also when it is cleared meanwhile', () => {
    const s = subject(create);
    s.select('k');
    for (let i = 0; i < 5000; i++) s.map.set(i, { i });
    const before = lines(snapshot(s.backend));
    for (const change of [() => s.map.set(4999, 0), () => s.map.set(5001, 0), () => s.map.clear()]) {
      const expected = lines(snapshot(s.backend));
      const recording = new Recording(s.backend);
      assert.equal(recording.slice(1), false, 'one slice was enough for 5000 entries');
      change();
      assert.deepEqual(lines(recording.finish()), expected);
    }
    assert.equal(before.length, 5000);
    assert.deepEqual(snapshot(s.backend), []);
  });

  it('comes to an end, though more is added between two slices than one writes', () => {
    const s = subject(create);
    const add = (count: number, name: string) => {
      for (let i = 0; i < count; i++) {
        s.select('k');
        s.map.set(`${name} ${i}`, i);
        s.timers[0].set(Number(s.map.size));
        s.select(`${name} ${i}`);
        s.value.set(i);
      }
    };
    add(300, 'before');
    const before = lines(snapshot(s.backend));
    const recording = new Recording(s.backend);
    let slices = 0;
    while (!recording.slice(1)) {
      assert.ok(++slices < 20_000, 'no end in sight');
      add(slices < 20 ? 20 : 1, `slice ${slices}`);
    }
    assert.deepEqual(lines(recording.entries()), before);
  });

  it('can be given up at any point, and the next drain is whole', () => {
    const s = subject(create);
    for (let i = 0; i < 300; i++) {
      s.select(i);
      s.value.set({ i });
      s.map.set('m', { i });
      s.timers[0].set(i);
    }
    const before = lines(snapshot(s.backend));
    for (const slices of [0, 1, 2]) {
      const { drain } = new Recording(s.backend);
      for (let i = 0; i < slices; i++) drain.slice(() => true);
      s.select(299);
      s.value.get();
      s.map.clear();
      s.map.set('m', { i: 299 });
      drain.abort();
      drain.abort();
      assert.equal(
        drain.slice(() => false),
        false,
      );
      assert.deepEqual(lines(snapshot(s.backend)), before);
    }
  });
}

function refusing(create: BackendFactory): void {
  const refusal = (code: string, pattern: RegExp) => (error: unknown) =>
    error instanceof TidemarkError && error.code === code && pattern.test(error.message);

  it('names state, key and path of a value that cannot be kept; nothing else is lost', () => {
    const s = subject(create);
    s.select('good');
    s.value.set(1);
    s.select(['bad', 1]);
    s.value.set({ a: [{ f: () => {} }] });
    assert.throws(
      () => new Recording(s.backend).finish(),
      refusal('VALUE_REFUSED', /^state "value" of key \["bad", 1\]: .*function.* at \.a\[0\]\.f$/),
    );
    const recording = new Recording(s.backend);
    assert.throws(() => s.value.get(), refusal('VALUE_REFUSED', /"bad"/));
    assert.throws(() => s.value.set(2), refusal('VALUE_REFUSED', /"bad"/));
    recording.drain.abort();
    s.value.set(2);
    assert.equal(snapshot(s.backend).length, 2);
  });

  it('names the element of a list and the key of a map', () => {
    const s = subject(create);
    s.select(5n);
    s.list.set([1, { f: Symbol('x') }]);
    assert.throws(
      () => snapshot(s.backend),
      refusal('VALUE_REFUSED', /^state "list" of key 5n: .* at \[1\]\.f$/),
    );
    s.list.clear();
    s.map.set('x', () => {});
    assert.throws(
      () => snapshot(s.backend),
      refusal('VALUE_REFUSED', /^state "map", map key "x", of key 5n: /),
    );
  });

  it('refuses what is no number, no time and no map key when it is set', () => {
    const s = subject(create);
    s.select('k');
    for (const wrong of ['1', undefined, 1n, null]) {
      assert.throws(
        () => s.number.set(wrong as unknown as number),
        refusal('VALUE_REFUSED', /state "number" of key "k"/),
      );
    }
    for (const wrong of [1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53, '1']) {
      assert.throws(
        () => s.timers[0].set(wrong as number),
        refusal('VALUE_REFUSED', /timer "early" of key "k"/),
      );
    }
    for (const wrong of [null, undefined, Number.NaN, {}, []]) {
      assert.throws(() => s.map.set(wrong, 1), refusal('KEY_REFUSED', /map key of state "map" of key "k"/));
      assert.throws(() => s.map.get(wrong), refusal('KEY_REFUSED', /map key of state "map" of key "k"/));
    }
    assert.equal(total(s), 0);
  });
}

function restoring(create: BackendFactory): void {
  const entry = (changes: Partial<Entry>): Entry => ({
    table: TABLES.value,
    group: groupOf('k'),
    key: keyBytes('k'),
    namespace: { kind: 'none' },
    mapKey: undefined,
    stamp: undefined,
    tombstone: false,
    value: valueBytes('v'),
    ...changes,
  });

  it('deals entries to other ranges and gets the same state, timers included', () => {
    const s = subject(create);
    for (let i = 0; i < 200; i++) {
      s.select(i % 2 === 0 ? `key ${i}` : ['tuple', i]);
      s.value.set(i);
      s.list.set([i, { i }]);
      s.map.set(i, [i]);
      s.timers[i % 2 === 0 ? 0 : 1].set(i);
    }
    const entries = snapshot(s.backend);
    for (const parallelism of [1, 2, 3, 5, MAX_PARALLELISM]) {
      const parts = Array.from({ length: parallelism }, (_, i) =>
        subject(create, rangeOf(i, parallelism, MAX_PARALLELISM)),
      );
      for (const item of entries)
        parts[subtaskOf(item.group, parallelism, MAX_PARALLELISM)]?.backend.restore(item);
      assert.deepEqual(lines(parts.flatMap((part) => snapshot(part.backend))), lines(entries));
      assert.equal(Math.min(...parts.map((part) => part.backend.nextTimer())), 0);
    }
  });

  it('keeps nothing of the buffers it is given', () => {
    const s = subject(create);
    s.select('k');
    s.value.set({ bytes: new Uint8Array([1, 2, 3]), text: 'a text that is long enough to be kept as it is' });
    s.map.set('a map key that is long', Buffer.from('abc'));
    s.list.set([new Float64Array([1, 2])]);
    const entries = snapshot(s.backend);
    const before = lines(entries);
    const restored = subject(create);
    for (const item of entries) restored.backend.restore(item);
    for (const item of entries) for (const bytes of [item.key, item.value, item.mapKey]) bytes?.fill(0xff);
    assert.deepEqual(lines(snapshot(restored.backend)), before);
  });

  it('takes an entry to the table it is told', () => {
    const s = subject(create);
    s.backend.restore(entry({ table: 4711 }), TABLES.value);
    s.select('k');
    assert.equal(s.value.get(), 'v');
  });

  const damaged: Record<string, Partial<Entry>> = {
    'a key under the wrong key group': { group: (groupOf('k') + 1) % MAX_PARALLELISM },
    'a map key in a value': { mapKey: keyBytes('m') },
    'a map entry without map key': { table: TABLES.map },
    'a timer without time': { table: TABLES.early, value: Buffer.alloc(0) },
    'a timer with a value': { table: TABLES.early, mapKey: timeBytes(1) },
    'a timer beyond time': { table: TABLES.early, mapKey: Buffer.alloc(8, 0xff), value: Buffer.alloc(0) },
    'a number that is none': { table: TABLES.number },
    'a list that is none': { table: TABLES.list },
    'an empty list': { table: TABLES.list, value: valueBytes([]) },
    'a list longer than its bytes': { table: TABLES.list, value: Buffer.from('ddffffffff', 'hex') },
    'bytes after the value': { value: Buffer.concat([valueBytes('v'), Buffer.from([0])]) },
    'bytes after the key': { key: Buffer.concat([keyBytes('k'), Buffer.from([0])]) },
    'a tombstone': { tombstone: true, value: Buffer.alloc(0) },
    'a stamp': { stamp: 1n },
    'a namespace': { namespace: { kind: 'global' } },
  };
  for (const [what, changes] of Object.entries(damaged)) {
    it(`refuses ${what}`, () => {
      assert.throws(() => subject(create).backend.restore(entry(changes)), BytesDamaged);
    });
  }

  it('refuses an entry that is there already', () => {
    const s = subject(create);
    const empty = Buffer.alloc(0);
    for (const item of [
      entry({}),
      entry({ table: TABLES.list, value: valueBytes([1]) }),
      entry({ table: TABLES.map, mapKey: keyBytes('m') }),
      entry({ table: TABLES.early, mapKey: timeBytes(5), value: empty }),
    ]) {
      s.backend.restore(item);
      assert.throws(() => s.backend.restore(item), BytesDamaged, line(item));
    }
  });
}

function total(s: Subject): number {
  return s.backend.counts().reduce((sum, { entries }) => sum + entries, 0);
}
