/** What the disk backend does not keep in memory: what is gone from the state, and from the store. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { present } from '../../src/base/assert.js';
import { Kept } from './disk-factory.js';
import { Recording, type Subject, subject } from './harness.js';

const KIB = 1024;

function made(cacheBytes: number): { readonly s: Subject; readonly kept: Kept } {
  let kept: Kept | undefined;
  const create = (options: ConstructorParameters<typeof Kept>[1]) => {
    kept = new Kept({ cacheBytes, mergeEvery: 2 }, options);
    return kept.keyed;
  };
  const s = subject({ create, mode: 'changes', order: 'any' });
  return { s, kept: present(kept, 'the backend') };
}

function flush(s: Subject, isKept = true): void {
  const recording = new Recording(s);
  recording.drained();
  recording.settle(isKept);
}

describe('what the disk backend keeps in memory', () => {
  it('is nothing of keys that are set and cleared between two freezes', () => {
    const { s, kept } = made(64 * KIB);
    for (let i = 0; i < 10_000; i++) {
      s.select(`key ${i}`);
      s.value.set('x'.repeat(100));
      s.map.set('m', 1);
      s.list.add(1);
      s.value.clear();
      s.map.clear();
      s.list.clear();
    }
    assert.deepEqual(kept.state.cached, { rows: 0, bytes: 0 });
    assert.equal(kept.state.wantsFlush, false);
    assert.deepEqual(new Recording(s).drained(), []);
  });

  it('is nothing of keys that are only looked at', () => {
    const { s, kept } = made(64 * KIB);
    s.select('k');
    s.value.set(1);
    flush(s);
    for (let i = 0; i < 1000; i++) {
      s.select(`key ${i}`);
      assert.deepEqual([s.value.get(), s.map.size, [...s.map.keys()], s.list.size], [undefined, 0, [], 0]);
    }
    assert.equal(kept.state.cached.rows, 1);
  });

  it('is not what a map had once, though its key is always in use', () => {
    const { s, kept } = made(1024 * KIB);
    const sizes: number[] = [];
    for (let round = 0; round < 40; round++) {
      s.select('queue');
      for (let i = 0; i < 100; i++) {
        s.map.set(round * 100 + i, 'x');
        s.map.delete((round - 1) * 100 + i);
      }
      flush(s, round % 5 !== 3);
      sizes.push(kept.state.cached.bytes);
    }
    const [early = 0, late = 0] = [Math.max(...sizes.slice(5, 15)), Math.max(...sizes.slice(-10))];
    assert.ok(late < early * 1.2, `from ${early} to ${late} bytes`);
  });

  it('is not what has expired in a map whose key is always in use', () => {
    const { s, kept } = made(1024 * KIB);
    const [map] = s.fadingMaps;
    const sizes: number[] = [];
    for (let i = 0; i < 20_000; i++) {
      s.time.now += i % 2;
      s.select('sessions');
      map.set(i, 'x'.repeat(20));
      if (i % 100 === 0) flush(s, i % 500 !== 0);
      sizes.push(kept.state.cached.bytes);
    }
    // About as many as live ten milliseconds, and those of a flush that was not kept.
    assert.ok(Math.max(...sizes) < 200_000, `${Math.max(...sizes)} bytes`);
    assert.equal(map.size, 19);
  });

  it('is not what has expired in a map that is only asked for its size', () => {
    const { s, kept } = made(1024 * KIB);
    const [map] = s.fadingMaps;
    s.select('sessions');
    for (let i = 0; i < 1000; i++) map.set(i, 'x');
    flush(s);
    s.time.now += 100;
    map.set('last', 'x');
    assert.equal(map.size, 1);
    assert.ok(kept.state.cached.bytes < 2000, `${kept.state.cached.bytes} bytes`);
    assert.equal(new Recording(s).drained().length, 1);
  });

  it('is not what was cleared, once that is kept', () => {
    const { s, kept } = made(1024 * KIB);
    for (const change of [() => s.value.set('x'), () => s.value.clear()]) {
      for (let i = 0; i < 500; i++) {
        s.select(i);
        change();
      }
      flush(s);
    }
    // Taken out with what comes next.
    for (let i = 0; i < 300; i++) {
      s.select('other');
      s.map.set(i, 1);
    }
    assert.equal(kept.state.cached.rows, 1);
  });

  it('is within the cache after much was changed and kept', () => {
    const { s, kept } = made(64 * KIB);
    for (let round = 0; round < 5; round++) {
      for (let i = 0; i < 1000; i++) {
        s.select(i);
        s.value.set('x'.repeat(200));
        s.timers[0].set(i);
      }
      assert.ok(kept.state.cached.bytes > 200_000, 'what is dirty stays');
      flush(s);
      for (let i = 0; i < 200; i++) {
        s.select(i);
        assert.equal(s.value.get(), 'x'.repeat(200));
      }
      assert.ok(kept.state.cached.bytes <= 64 * KIB, `${kept.state.cached.bytes} bytes`);
    }
  });
});
