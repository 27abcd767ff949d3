/** What is restored, and what is refused. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { rangeOf, subtaskOf } from '../../src/base/key-groups.js';
import { BytesDamaged } from '../../src/codec/codec.js';
import type { Entry } from '../../src/format/entry.js';
import {
  groupOf,
  keyBytes,
  line,
  lines,
  MAX_PARALLELISM,
  type Setup,
  snapshot,
  subject,
  TABLES,
  timeBytes,
  valueBytes,
} from './harness.js';

export function restoring(setup: Setup): void {
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
    const s = subject(setup);
    for (let i = 0; i < 200; i++) {
      s.select(i % 2 === 0 ? `key ${i}` : ['tuple', i]);
      s.value.set(i);
      s.list.set([i, { i }]);
      s.map.set(i, [i]);
      s.timers[i % 2 === 0 ? 0 : 1].set(i);
      s.timers[2].set(i + 1);
    }
    const entries = snapshot(s);
    for (const parallelism of [1, 2, 3, 5, MAX_PARALLELISM]) {
      const parts = Array.from({ length: parallelism }, (_, i) =>
        subject(setup, rangeOf(i, parallelism, MAX_PARALLELISM)),
      );
      for (const item of entries)
        parts[subtaskOf(item.group, parallelism, MAX_PARALLELISM)]?.backend.restore(item);
      assert.deepEqual(lines(parts.flatMap((part) => snapshot(part))), lines(entries));
      assert.equal(Math.min(...parts.map((part) => part.backend.nextTimer('processing'))), 0);
      assert.equal(Math.min(...parts.map((part) => part.backend.nextTimer('event'))), 1);
    }
  });

  it('keeps nothing of the buffers it is given', () => {
    const s = subject(setup);
    s.select('k');
    s.value.set({ bytes: new Uint8Array([1, 2, 3]), text: 'a text that is long enough to be kept as it is' });
    s.map.set('a map key that is long', Buffer.from('abc'));
    s.list.set([new Float64Array([1, 2])]);
    const entries = snapshot(s);
    const before = lines(entries);
    const restored = subject(setup);
    for (const item of entries) restored.backend.restore(item);
    for (const item of entries) for (const bytes of [item.key, item.value, item.mapKey]) bytes?.fill(0xff);
    assert.deepEqual(lines(snapshot(restored)), before);
  });

  it('takes an entry to the table it is told', () => {
    const s = subject(setup);
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
    'a timer with a stamp': { table: TABLES.early, mapKey: timeBytes(1), stamp: 1n, value: Buffer.alloc(0) },
    'a namespace': { namespace: { kind: 'global' } },
    'a window': { namespace: { kind: 'window', start: 0n, end: 10n } },
  };
  for (const [what, changes] of Object.entries(damaged)) {
    it(`refuses ${what}`, () => {
      assert.throws(() => subject(setup).backend.restore(entry(changes)), BytesDamaged);
    });
  }

  it('refuses an entry that is there already', () => {
    const s = subject(setup);
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
