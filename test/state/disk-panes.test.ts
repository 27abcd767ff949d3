/** What the disk backend makes of panes that are damaged where they are kept, and of a pane that grows. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { present } from '../../src/base/assert.js';
import { TidemarkError } from '../../src/base/errors.js';
import type { Entry } from '../../src/format/entry.js';
import { Kept } from './disk-factory.js';
import { entryOf, keyBytes, Recording, type Subject, subject, TABLES, valueBytes } from './harness.js';

const KIB = 1024;

function made(): { readonly s: Subject; readonly kept: Kept } {
  let kept: Kept | undefined;
  const create = (options: ConstructorParameters<typeof Kept>[1]) => {
    kept = new Kept({ cacheBytes: 64 * KIB, mergeEvery: 100 }, options);
    return kept.keyed;
  };
  const s = subject({ create, mode: 'changes', order: 'any' });
  return { s, kept: present(kept, 'the backend') };
}

const pane = (namespace: Entry['namespace'], more: Partial<Entry> = {}): Entry => ({
  ...entryOf(TABLES.panes, 'k', undefined, valueBytes(1)),
  namespace,
  ...more,
});
const window = (start: bigint, end: bigint): Entry['namespace'] => ({ kind: 'window', start, end });

const DAMAGED: Record<string, readonly Entry[]> = {
  'no namespace': [pane({ kind: 'none' })],
  'another namespace': [pane({ kind: 'value', bytes: valueBytes('w') })],
  'a map key': [pane(window(0n, 10n), { mapKey: keyBytes('m') })],
  'a stamp': [pane(window(0n, 10n), { stamp: 2n ** 40n })],
  'an empty window': [pane(window(10n, 10n))],
  'a window that ends before it starts': [pane(window(10n, 0n))],
  'a start beyond what numbers can tell': [pane(window(-(2n ** 60n), 0n))],
  'an end beyond what numbers can tell': [pane(window(0n, 2n ** 63n - 1n))],
  'two panes with one start': [pane(window(0n, 10n)), pane(window(0n, 11n))],
};

describe('panes on disk', () => {
  for (const [what, entries] of Object.entries(DAMAGED)) {
    it(`are damaged where there is ${what}`, () => {
      const { s, kept } = made();
      kept.install([...entries, entryOf(TABLES.number, 'other', undefined, valueBytes(3))]);
      s.select('k');
      assert.throws(
        () => s.panes.get(0),
        (error) => error instanceof TidemarkError && error.code === 'SEGMENT_CORRUPT',
      );
      // Others are as they were.
      s.select('other');
      assert.equal(s.number.get(), 3);
    });
  }

  it('are read with those of no other key, whatever its bytes', () => {
    const { s, kept } = made();
    kept.install([pane({ kind: 'global' }), pane(window(-5n, 5n)), pane(window(5n, 6n))]);
    s.select('k');
    assert.deepEqual(
      [...s.panes.windows()].sort((a, b) => a.start - b.start),
      [
        { start: Number.NEGATIVE_INFINITY, end: Number.POSITIVE_INFINITY },
        { start: -5, end: 5 },
        { start: 5, end: 6 },
      ],
    );
    s.select('kk');
    assert.equal(s.panes.size, 0);
  });

  it('hold arrays that are added to, written anew with each freeze that they changed before', () => {
    const { s, kept } = made();
    const at = { start: 0, end: 10 };
    s.select('k');
    s.panes.set(at, []);
    const sizes: number[] = [];
    for (let round = 0; round < 3; round++) {
      for (let i = 0; i < 1000; i++) {
        s.select('k');
        const list = s.panes.get(0) as number[];
        list.push(i);
        s.panes.set(at, list);
      }
      const recording = new Recording(s);
      assert.equal(recording.drained().length, 1);
      recording.settle(true);
      sizes.push(kept.state.cached.bytes);
    }
    // What an array takes is seen to grow.
    assert.ok((sizes[2] ?? 0) > 2 * (sizes[0] ?? 0), `${sizes}`);
    s.select('k');
    assert.equal((s.panes.get(0) as number[]).length, 3000);
  });

  it('that get another end are other entries', () => {
    const { s, kept } = made();
    const flush = () => {
      const recording = new Recording(s);
      const { length } = recording.drained();
      recording.settle(true);
      return length;
    };
    s.select('k');
    s.panes.set({ start: 0, end: 10 }, 'a');
    flush();
    s.panes.set({ start: 0, end: 12 }, 'b');
    assert.equal(flush(), 2);
    // Back again before anything is written: of the one in between nothing is left.
    s.panes.set({ start: 0, end: 10 }, 'c');
    s.panes.set({ start: 0, end: 11 }, 'd');
    s.panes.set({ start: 0, end: 12 }, 'e');
    assert.equal(flush(), 1);
    assert.equal(kept.live().length, 1);
    assert.deepEqual([...s.panes.windows()], [{ start: 0, end: 12 }]);
  });
});
