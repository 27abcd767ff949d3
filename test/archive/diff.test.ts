import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Difference, diffArchives } from '../../src/archive/diff.js';
import { viewEntry } from '../../src/archive/entries-view.js';
import { openArchive } from '../../src/archive/read.js';
import { present } from '../../src/base/assert.js';
import { keyCodecById } from '../../src/codec/keys.js';
import { valueCodec } from '../../src/codec/value.js';
import fc from '../helpers/property.js';
import { archiveOf, diskWith, PATH } from './archives.js';
import { Blocks, operator, table } from './blocks.js';
import { everything, TABLES } from './everything.js';

const tables = [table(0, 'a', 'one'), table(1, 'b', 'two')];
const operators = [operator('a'), operator('b')];

async function open(changed: Parameters<typeof archiveOf>[0]) {
  return await openArchive(diskWith(await archiveOf(changed)), PATH);
}

async function stateOf(one: ReadonlyMap<string, number>, two: ReadonlyMap<string, number>) {
  const blocks = new Blocks();
  for (const [key, value] of one) blocks.value(0, key, value);
  for (const [key, value] of two) blocks.value(1, key, value);
  return await open({ blocks, tables, operators });
}

const states = fc
  .array(fc.tuple(fc.string({ maxLength: 2 }), fc.nat(2)), { maxLength: 80 })
  .map((pairs) => new Map(pairs));

test('tells what a comparison of maps tells', async () => {
  await fc.assert(
    fc.asyncProperty(states, states, states, async (before, after, same) => {
      const [a, b] = [await stateOf(before, same), await stateOf(after, same)];
      const kinds: string[] = [];
      const diff = await diffArchives(a, b, ({ kind, before: was, after: is }) => {
        assert.equal(was === undefined, kind === 'added');
        assert.equal(is === undefined, kind === 'removed');
        kinds.push(kind);
      });
      const added = [...after.keys()].filter((key) => !before.has(key)).length;
      const removed = [...before.keys()].filter((key) => !after.has(key)).length;
      const changed = [...after].filter(
        ([key, value]) => before.has(key) && before.get(key) !== value,
      ).length;
      const equal = added + removed + changed === 0;
      const expected = equal ? [] : [{ uid: 'a', states: [{ name: 'one', added, removed, changed }] }];
      assert.deepEqual(diff, { equal, operators: expected });
      assert.equal(kinds.length, added + removed + changed);
      assert.deepEqual(await diffArchives(a, b), diff);
    }),
    { numRuns: 60 },
  );
});

test('equal key groups are not read', async () => {
  const keys = new Map(Array.from({ length: 20_000 }, (_, i) => [`key-${i}`, i] as const));
  const [a, b] = [await stateOf(keys, new Map()), await stateOf(new Map(keys).set('key-77', -1), new Map())];
  const opened = a.bytesRead;
  const diff = await diffArchives(a, b);
  assert.deepEqual(diff.operators, [
    { uid: 'a', states: [{ name: 'one', added: 0, removed: 0, changed: 1 }] },
  ]);
  assert.ok(a.bytesRead - opened < 128 * 80 + 8192, `${a.bytesRead - opened}`);
});

describe('differences of', () => {
  async function differences(change: (blocks: Blocks) => void, changedTables = TABLES) {
    const blocks = everything();
    change(blocks);
    const found: string[] = [];
    const tell = ({ kind, before, after }: Difference) => {
      const { entry, table: of, operator: owner } = present(after ?? before, 'an entry');
      const { state, key } = viewEntry(entry, of, owner);
      found.push(`${kind} ${state} ${JSON.stringify(key)}`);
    };
    const diff = await diffArchives(await open({}), await open({ blocks, tables: changedTables }), tell);
    return { diff, found };
  }

  test('nothing', async () => {
    assert.deepEqual(await differences(() => {}), { diff: { equal: true, operators: [] }, found: [] });
  });

  test('operator lists, as multisets', async () => {
    const places = keyCodecById('tuple(long,long)');
    const { diff, found } = await differences(({ out }) => {
      out.begin(1, 0);
      out.key(places, [7, 7]);
      out.value(valueCodec, 'x');
    });
    assert.deepEqual(diff.operators, [
      { uid: 'zulu', states: [{ name: 'mine', added: 1, removed: 0, changed: 0 }] },
    ]);
    assert.deepEqual(found, ['added mine [7,7]']);
  });

  test('a state declared in another way: all of it', async () => {
    const changed = TABLES.map((each) => (each.name === 'seen' ? { ...each, schemaVersion: 2 } : each));
    const { diff, found } = await differences(() => {}, changed);
    assert.deepEqual(diff.operators, [
      { uid: 'count', states: [{ name: 'seen', added: 11, removed: 11, changed: 0 }] },
    ]);
    assert.equal(found.length, 22);
  });

  test('a state that is new', async () => {
    const { diff } = await differences(
      (blocks) => blocks.value(17, 'k', 1),
      [...TABLES, table(17, 'count', 'new')],
    );
    assert.deepEqual(diff.operators, [
      { uid: 'count', states: [{ name: 'new', added: 1, removed: 0, changed: 0 }] },
    ]);
  });
});
