/** What holds of panes: the state of windows. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { BytesDamaged } from '../../src/codec/codec.js';
import type { Entry } from '../../src/format/entry.js';
import type { PaneWindow } from '../../src/state/backend.js';
import {
  entryOf,
  GLOBAL,
  keyBytes,
  line,
  lines,
  liveEntries,
  paneOf,
  peek,
  Recording,
  type Setup,
  type Subject,
  snapshot,
  subject,
  TABLES,
  valueBytes,
} from './harness.js';

const window = (start: number, end: number): PaneWindow => ({ start, end });

function inOrder(of: Subject): PaneWindow[] {
  return [...of.panes.windows()].sort((a, b) => a.start - b.start);
}

export function panes(setup: Setup): void {
  it('keeps one value a window and key, the global window among them', () => {
    const s = subject(setup);
    s.select('a');
    assert.deepEqual(
      [s.panes.get(0), s.panes.size, inOrder(s), s.panes.delete(0)],
      [undefined, 0, [], false],
    );
    assert.ok(s.panes.set(window(0, 10), 'earlier'));
    assert.ok(s.panes.set(window(0, 20), 'longer'), 'none of this window');
    assert.ok(s.panes.set(window(0, 10), 'again'));
    assert.ok(!s.panes.set(window(0, 10), 'first'), 'there is one');
    s.panes.set(GLOBAL, 'all');
    s.panes.set(window(-10, 0), 'before');
    s.select('b');
    s.panes.set(window(0, 10), 'of b');
    assert.equal(s.panes.get(GLOBAL.start), undefined);
    s.select('a');
    assert.deepEqual(
      [0, GLOBAL.start, -10].map((start) => s.panes.get(start)),
      ['first', 'all', 'before'],
    );
    assert.deepEqual(inOrder(s), [GLOBAL, window(-10, 0), window(0, 10)]);
    assert.equal(s.panes.size, 3);
    assert.ok(s.panes.delete(GLOBAL.start));
    assert.deepEqual(
      lines(snapshot(s)),
      [
        paneOf('a', window(0, 10), valueBytes('first')),
        paneOf('a', window(-10, 0), valueBytes('before')),
        paneOf('b', window(0, 10), valueBytes('of b')),
      ]
        .map(line)
        .sort(),
    );
  });

  it('gives a window another end in the place of the one with its start', () => {
    const s = subject(setup);
    s.select('a');
    for (const [end, others] of [
      [10, 0],
      [15, 0],
      [15, 3],
      [12, 3],
    ] as const) {
      for (let i = 1; i <= others; i++) s.panes.set(window(i * 100, i * 100 + 1), i);
      s.panes.set(window(0, end), end);
      assert.deepEqual(inOrder(s)[0], window(0, end));
      assert.equal(s.panes.size, 1 + others);
      const entries = snapshot(s).filter(
        ({ namespace }) => namespace.kind === 'window' && namespace.start === 0n,
      );
      assert.deepEqual(lines(entries), [line(paneOf('a', window(0, end), valueBytes(end)))]);
    }
  });

  it('holds many panes of a key, and one of many keys', () => {
    const s = subject(setup);
    const count = 2000;
    for (let i = 0; i < count; i++) {
      s.select('many');
      s.panes.set(window(i, i + 10), i);
      s.select(i);
      s.panes.set(window(0, 10), i);
    }
    assert.equal(liveEntries(s), 2 * count);
    assert.equal(snapshot(s).length, 2 * count);
    for (let i = 0; i < count; i++) {
      s.select('many');
      assert.equal(s.panes.get(i), i);
      if (i % 2 === 0) assert.ok(s.panes.delete(i));
      s.select(i);
      assert.ok(s.panes.delete(0));
    }
    s.select('many');
    for (const { start } of s.panes.windows()) assert.ok(s.panes.delete(start));
    assert.deepEqual(snapshot(s), []);
    assert.equal(liveEntries(s), 0);
  });

  it('writes a pane as it was, though what it holds is added to after the freeze', () => {
    const s = subject(setup);
    for (const count of [1, 3]) {
      s.select(`with ${count}`);
      for (let i = 0; i < count; i++) s.panes.set(window(i * 10, i * 10 + 10), [i]);
    }
    const before = lines(peek(s));
    const recording = new Recording(s);
    for (const count of [1, 3]) {
      s.select(`with ${count}`);
      for (let i = 0; i < count; i++) {
        const gathered = s.panes.get(i * 10) as number[];
        gathered.push(i);
        s.panes.set(window(i * 10, i * 10 + 10), gathered);
      }
    }
    assert.deepEqual(lines(recording.finish()), before);
    const after = snapshot(s).map(({ value }) => value.toString('hex'));
    assert.deepEqual(
      after.sort(),
      [
        [0, 0],
        [0, 0],
        [1, 1],
        [2, 2],
      ]
        .map((list) => valueBytes(list).toString('hex'))
        .sort(),
    );
  });

  it('names the window of a value that cannot be kept', () => {
    for (const [at, shown] of [
      [window(0, 10), 'window 0 to 10'],
      [GLOBAL, 'the global window'],
    ] as const) {
      const s = subject(setup);
      s.select('k');
      s.panes.set(at, () => {});
      assert.throws(() => snapshot(s), new RegExp(`state "panes", ${shown}, of key "k"`));
    }
  });

  it('restores panes, and refuses what is none', () => {
    const pane = (changes: Partial<Entry>) => entryOf(TABLES.panes, 'k', undefined, valueBytes('v'), changes);
    const s = subject(setup);
    const all = [paneOf('k', window(-5, 5), valueBytes(1)), paneOf('k', GLOBAL, valueBytes(2))];
    for (const entry of all) s.backend.restore(entry);
    assert.deepEqual(lines(peek(s)), lines(all));
    const between = (start: bigint, end: bigint) => pane({ namespace: { kind: 'window', start, end } });
    const damaged: Record<string, Entry> = {
      'no namespace': pane({}),
      'an encoded namespace': pane({ namespace: { kind: 'value', bytes: keyBytes('n') } }),
      'a window that ends when it begins': between(1n, 1n),
      'a window that ends before': between(1n, 0n),
      'a start beyond time': between(-(2n ** 53n), 0n),
      'an end beyond time': between(0n, 2n ** 53n),
      'a map key': { ...between(20n, 30n), mapKey: keyBytes('m') },
      'two with one start': between(-5n, 6n),
      'two that are global': pane({ namespace: { kind: 'global' } }),
    };
    for (const [what, entry] of Object.entries(damaged)) {
      assert.throws(() => s.backend.restore(entry), BytesDamaged, what);
    }
  });
}
