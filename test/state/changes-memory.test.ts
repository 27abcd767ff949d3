/** What the memory backend lists between two freezes is bounded by what there is, not by how often it changes. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { valueCodec } from '../../src/codec/value.js';
import type { StateTable } from '../../src/state/backend.js';
import { ChangeList } from '../../src/state/memory/change-list.js';
import { NumberColumn } from '../../src/state/memory/number.js';
import { PanesColumn } from '../../src/state/memory/panes.js';
import { Store } from '../../src/state/memory/store.js';
import { ALL, groupOf, keys, MAX_PARALLELISM } from './harness.js';

const ROUNDS = 1000;

describe('a list of changes', () => {
  it('does not grow with what comes and goes', () => {
    const alive = new Set<number>();
    const list = new ChangeList<number>((item) => alive.has(item));
    for (let item = 0; item < ROUNDS; item++) {
      alive.add(item);
      list.now.push(item);
      if (item < 10) continue;
      alive.delete(item - 10);
      list.bury(1);
      assert.ok(list.now.length < 100, `${list.now.length} listed, ${alive.size} alive`);
      assert.ok([...alive].every((live) => list.now.includes(live)));
    }
  });

  it('is again what it was when a freeze was not kept, each item once', () => {
    const changed = new Set<number>();
    const list = new ChangeList<number>((item) => item !== 3);
    for (let round = 0; round < ROUNDS; round++) {
      if (round === 0) list.now.push(1, 2, 3, 4);
      list.freeze();
      assert.equal(list.now.length, 0);
      changed.clear();
      changed.add(2);
      list.now.push(2);
      list.settle(false, (item) => changed.has(item));
      assert.deepEqual(list.frozen, []);
      assert.deepEqual([...list.now].sort(), [1, 2, 4]);
    }
    list.freeze();
    list.settle(true, () => false);
    assert.deepEqual([list.now, list.frozen], [[], []]);
  });
});

describe('a row', () => {
  const state: StateTable = { table: 0, name: 'n', kind: 'number', codec: valueCodec, initial: 0 };

  it('is listed once, whichever keys it has been given to', () => {
    const store = new Store({
      range: ALL,
      maxParallelism: MAX_PARALLELISM,
      subtask: 0,
      keys,
      states: [state],
      timers: [],
      snapshots: 'changes',
      time: { now: 0 },
    });
    const column = new NumberColumn(store, { table: 0, offset: 1, what: 'state "n"' }, state);
    store.columns.push(column);
    const names = Array.from({ length: ROUNDS }, (_, i) => `key ${i}`).filter((key) => groupOf(key) === 5);
    assert.ok(names.length > 30);
    for (const key of names) {
      store.select(key, key, 5, keys.hash(key));
      column.set(1);
      column.add(1);
      column.clear();
    }
    assert.deepEqual(
      store.buckets().map(({ changes }) => changes.now.length),
      [1],
    );
  });
});

describe('a key with one pane', () => {
  it('has it in its row, also after it had more', () => {
    const state: StateTable = { table: 0, name: 'p', kind: 'panes', codec: valueCodec, initial: undefined };
    const store = new Store({
      range: ALL,
      maxParallelism: MAX_PARALLELISM,
      subtask: 0,
      keys,
      states: [state],
      timers: [],
      snapshots: 'all',
      time: { now: 0 },
    });
    const column = new PanesColumn(store, { table: 0, offset: 1, what: 'state "p"' }, state);
    store.columns.push(column);
    store.select('k', 'k', groupOf('k'), keys.hash('k'));
    const inRow = () => store.bucket.records[1];
    column.set({ start: 0, end: 10 }, 'v');
    assert.ok(!(inRow() instanceof Map));
    for (const start of [10, 20]) column.set({ start, end: start + 10 }, 'v');
    assert.ok(inRow() instanceof Map);
    for (const start of [0, 20]) column.delete(start);
    assert.ok(!(inRow() instanceof Map));
    assert.equal(column.get(10), 'v');
    column.delete(10);
    assert.equal(inRow(), undefined);
  });
});
