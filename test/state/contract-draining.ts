/** What holds of every drain, whatever it is of. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { TidemarkError } from '../../src/base/errors.js';
import { lines, liveEntries, peek, Recording, type Setup, snapshot, subject } from './harness.js';

export function draining(setup: Setup): void {
  it('writes objects as they were, though they are handed out and changed after the freeze', () => {
    const s = subject(setup);
    s.select('k');
    s.value.set({ deep: { n: 1 } });
    s.list.set([{ n: 1 }]);
    s.map.set('got', { n: 1 });
    s.map.set('iterated', { n: 1 });
    s.map.set('untouched', { n: 1 });
    const before = lines(peek(s));
    const recording = new Recording(s);
    (s.value.get() as { deep: { n: number } }).deep.n = 2;
    (s.list.get()[0] as { n: number }).n = 2;
    (s.map.get('got') as { n: number }).n = 2;
    for (const [key, value] of s.map.entries()) if (key === 'iterated') (value as { n: number }).n = 2;
    s.map.delete('untouched');
    assert.deepEqual(lines(recording.finish()), before);
    assert.notDeepEqual(lines(snapshot(s)), before);
  });

  it('writes a key that goes away, comes back and goes away again, once', () => {
    const s = subject(setup);
    for (const key of ['a', 'b', 'c']) {
      s.select(key);
      s.value.set(key);
      s.map.set(key, 1);
      s.timers[0].set(1);
    }
    const before = lines(peek(s));
    const recording = new Recording(s);
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
    const s = subject(setup);
    s.select('k');
    for (let i = 0; i < 5000; i++) s.map.set(i, { i });
    const before = lines(peek(s));
    for (const change of [() => s.map.set(4999, 0), () => s.map.set(5001, 0), () => s.map.clear()]) {
      for (let i = 0; i < 5000; i++) s.map.set(i, { i });
      const expected = lines(peek(s));
      const recording = new Recording(s);
      assert.equal(recording.slice(1), false, 'one slice was enough for 5000 entries');
      change();
      assert.deepEqual(lines(recording.finish()), expected);
    }
    assert.equal(before.length, 5000);
    assert.deepEqual(snapshot(s), []);
  });

  it('comes to an end, though more is added between two slices than one writes', () => {
    const s = subject(setup);
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
    const before = lines(peek(s));
    const recording = new Recording(s);
    let slices = 0;
    while (!recording.slice(1)) {
      assert.ok(++slices < 20_000, 'no end in sight');
      add(slices < 20 ? 20 : 1, `slice ${slices}`);
    }
    assert.deepEqual(lines(recording.finish()), before);
  });

  it('can be given up at any point, and the next drain is whole', () => {
    const s = subject(setup);
    for (let i = 0; i < 300; i++) {
      s.select(i);
      s.value.set({ i });
      s.map.set('m', { i });
      s.timers[0].set(i);
    }
    const before = lines(peek(s));
    for (const slices of [0, 1, 2]) {
      const { drain } = new Recording(s);
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
      assert.deepEqual(lines(peek(s)), before);
    }
  });
}

export function refusing(setup: Setup): void {
  const refusal = (code: string, pattern: RegExp) => (error: unknown) =>
    error instanceof TidemarkError && error.code === code && pattern.test(error.message);

  it('names state, key and path of a value that cannot be kept; nothing else is lost', () => {
    const s = subject(setup);
    s.select('good');
    s.value.set(1);
    s.select(['bad', 1]);
    s.value.set({ a: [{ f: () => {} }] });
    assert.throws(
      () => new Recording(s).finish(),
      refusal('VALUE_REFUSED', /^state "value" of key \["bad", 1\]: .*function.* at \.a\[0\]\.f$/),
    );
    const recording = new Recording(s);
    assert.throws(() => s.value.get(), refusal('VALUE_REFUSED', /"bad"/));
    assert.throws(() => s.value.set(2), refusal('VALUE_REFUSED', /"bad"/));
    recording.drain.abort();
    s.value.set(2);
    assert.equal(snapshot(s).length, 2);
  });

  it('names the element of a list and the key of a map', () => {
    const s = subject(setup);
    s.select(5n);
    s.list.set([1, { f: Symbol('x') }]);
    assert.throws(() => snapshot(s), refusal('VALUE_REFUSED', /^state "list" of key 5n: .* at \[1\]\.f$/));
    s.list.clear();
    s.map.set('x', () => {});
    assert.throws(() => snapshot(s), refusal('VALUE_REFUSED', /^state "map", map key "x", of key 5n: /));
  });

  it('refuses what is no number, no time and no map key when it is set', () => {
    const s = subject(setup);
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
    assert.equal(liveEntries(s), 0);
  });
}
