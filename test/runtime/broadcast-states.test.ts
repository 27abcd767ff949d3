/** Broadcast state by itself: a map that is changed at some times only, and what is written of it. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { TidemarkError } from '../../src/base/errors.js';
import type { Key } from '../../src/codec/key.js';
import { ByteReader } from '../../src/codec/reader.js';
import { valueCodec } from '../../src/codec/value.js';
import { type Entry, EntryWriter, readEntry } from '../../src/format/entry.js';
import { BroadcastStates } from '../../src/runtime/broadcast-state.js';
import type { Table } from '../../src/runtime/tables.js';
import fc from '../helpers/property.js';

function make() {
  const codec = { id: valueCodec.id, version: valueCodec.version };
  const table: Table = {
    id: 3,
    operator: 'op',
    name: 'rules',
    kind: 'broadcast',
    codec,
    schemaVersion: 1,
    mapKey: 'auto',
  };
  const declared = { kind: 'broadcast', codec: valueCodec, schema: undefined, formerly: [] } as const;
  const states = new BroadcastStates('op', { rules: declared }, [table]);
  const { rules } = states.handles;
  assert.ok(rules !== undefined);
  return { states, rules };
}

function changed(states: BroadcastStates, change: () => void): void {
  states.changing = true;
  change();
  states.changing = false;
}

function written(states: BroadcastStates): readonly Entry[] {
  const chunks: { bytes: Buffer; entries: number }[] = [];
  const out = new EntryWriter(
    {
      take: (bytes) => Buffer.alloc(bytes),
      full: (chunk, used, entries) => void chunks.push({ bytes: chunk.subarray(0, used), entries }),
    },
    1024,
  );
  states.write(out);
  out.flush();
  return chunks.flatMap(({ bytes, entries }) => {
    const reader = new ByteReader(bytes);
    return Array.from({ length: entries }, () => readEntry(reader));
  });
}

const coded = (code: string, pattern: RegExp) => (error: unknown) =>
  error instanceof TidemarkError && error.code === code && pattern.test(error.message);

describe('broadcast state', () => {
  test('is a map by the identity of its keys, in the order of insertion, and comes back as it was', () => {
    const keys = fc.oneof<fc.Arbitrary<Key>[]>(
      fc.constantFrom('a', 'b', '', '5'),
      fc.constantFrom(5, 5n, -0, 0, 1.5),
      fc.boolean(),
      fc.constantFrom<Key>(['a', 1], ['a', 2], [['a'], 1]),
    );
    const history = fc.array(fc.tuple(fc.constantFrom('set', 'delete', 'clear', 'get'), keys, fc.integer()));
    fc.assert(
      fc.property(history, (steps) => {
        const { states, rules } = make();
        const model = new Map<string, [Key, number]>();
        const id = (key: Key) =>
          JSON.stringify(key, (_, part) => (typeof part === 'bigint' ? `${part}n` : part)).replace(
            '-0',
            '0',
          ) + typeof key;
        changed(states, () => {
          for (const [what, key, value] of steps) {
            if (what === 'set') rules.set(key, value);
            if (what === 'set')
              model.set(id(key), [model.get(id(key))?.[0] ?? (Object.is(key, -0) ? 0 : key), value]);
            if (what === 'delete') assert.equal(rules.delete(key), model.delete(id(key)));
            if (what === 'clear') rules.clear();
            if (what === 'clear') model.clear();
            assert.equal(rules.get(key), model.get(id(key))?.[1]);
            assert.equal(rules.has(key), model.has(id(key)));
            assert.equal(rules.size, model.size);
          }
        });
        assert.deepEqual([...rules.entries()], [...model.values()]);
        assert.deepEqual(
          [...rules.keys()],
          [...model.values()].map(([key]) => key),
        );
        const { states: later, rules: restored } = make();
        for (const entry of written(states)) {
          assert.deepEqual([entry.table, entry.group, entry.key.length], [3, 0, 0]);
          later.restore(entry, 3);
        }
        assert.deepEqual([...restored.entries()], [...model.values()]);
      }),
    );
  });

  test('is not changed where elements see it, also not by plain JavaScript or by a handle that was kept', () => {
    const { states, rules } = make();
    changed(states, () => rules.set('a', 1));
    for (const change of [() => rules.set('a', 2), () => rules.delete('a'), () => rules.clear()]) {
      assert.throws(change, coded('USER_CODE', /broadcast state op\.rules .*onBroadcast/));
    }
    assert.deepEqual([...rules.entries()], [['a', 1]]);
  });

  test('refuses keys that are none, and values that cannot be kept', () => {
    const { states, rules } = make();
    for (const key of [Number.NaN, null, '\ud800', []]) {
      assert.throws(() => rules.get(key as Key), coded('KEY_REFUSED', /broadcast state op\.rules/));
    }
    changed(states, () => {
      assert.throws(() => rules.set(undefined as unknown as Key, 1), coded('KEY_REFUSED', /op\.rules/));
      rules.set('bad', { f: () => 1 });
    });
    assert.throws(() => written(states), coded('VALUE_REFUSED', /op\.rules of key "bad": .*\.f$/));
  });

  test('of a damaged snapshot is refused: a key, no map key, a map key twice', () => {
    const { states, rules } = make();
    changed(states, () => rules.set('a', 1));
    const [entry] = written(states);
    assert.ok(entry !== undefined);
    const { states: other } = make();
    assert.throws(() => other.restore({ ...entry, key: Buffer.from('x') }, 3), /with a key/);
    assert.throws(() => other.restore({ ...entry, mapKey: undefined }, 3), /without a map key/);
    other.restore(entry, 3);
    assert.throws(() => other.restore(entry, 3), /twice/);
  });
});
