/** The line of an entry, and the entry again. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { viewEntry } from '../../src/archive/entries-view.js';
import { toTagged } from '../../src/archive/tagged.js';
import { present } from '../../src/base/assert.js';
import { ByteReader } from '../../src/codec/reader.js';
import { EntryWriter, readEntry } from '../../src/format/entry.js';
import { EntryMaker, EntryRefused, type GivenEntry, writeEntry } from '../../src/rewrite/entry-from-view.js';
import { operator, table } from '../archive/blocks.js';
import { everything, OPERATORS, TABLES } from '../archive/everything.js';
import fc from '../helpers/property.js';
import { value as anyValue } from '../helpers/values.js';

const operatorOf = (uid: string) =>
  present(
    OPERATORS.find((each) => each.uid === uid),
    uid,
  );

test('every kind of entry, by way of its line as text, becomes the same bytes', async () => {
  let entries = 0;
  for await (const { payload } of everything()) {
    const written: Buffer[] = [];
    const out = new EntryWriter(
      { take: (bytes) => Buffer.alloc(bytes), full: (chunk, used) => written.push(chunk.subarray(0, used)) },
      2 * payload.length,
    );
    const kept: Buffer[] = [];
    for (const from = new ByteReader(payload); from.remaining > 0; ) {
      const start = from.position;
      const entry = readEntry(from);
      const shape = present(TABLES[entry.table], 'a table');
      if (shape.kind === 'transactions') continue;
      const whole = { ...shape, entries: 0, bytes: 0 };
      const line = JSON.stringify(viewEntry(entry, whole, operatorOf(shape.operator)));
      const made = new EntryMaker(shape, operatorOf(shape.operator)).make(JSON.parse(line) as GivenEntry);
      writeEntry(made, out);
      kept.push(payload.subarray(start, from.position));
      entries++;
    }
    out.flush();
    assert.deepEqual(Buffer.concat(written), Buffer.concat(kept));
  }
  assert.ok(entries > 100);
});

test('any value', () => {
  const maker = new EntryMaker(table(0, 'count', 'last'), operator('count'));
  fc.assert(
    fc.property(anyValue, (value) => {
      const shape = { ...table(0, 'count', 'last'), entries: 0, bytes: 0 };
      const first = maker.make({ key: 'k', value: JSON.parse(JSON.stringify(toTagged(value))) });
      const line = JSON.parse(JSON.stringify(viewEntry(first, shape, operator('count')))) as GivenEntry;
      assert.deepEqual(maker.make(line), first);
    }),
  );
});

test('what is no entry says which field and why', () => {
  const refused = (name: string, given: GivenEntry) => {
    const shape = present(
      TABLES.find((each) => (each.name === '' ? each.kind : each.name) === name),
      name,
    );
    try {
      new EntryMaker(shape, operatorOf(shape.operator)).make(given);
    } catch (error) {
      assert.ok(error instanceof EntryRefused, String(error));
      return error.message;
    }
    return assert.fail(`${name} took ${JSON.stringify(given)}`);
  };
  const key = 'k';
  assert.match(refused('last', { value: 1 }), /^key: there is none/);
  assert.match(refused('last', { key: null, value: 1 }), /^key: /);
  assert.match(refused('last', { key }), /^value: there is none/);
  assert.match(refused('last', { key, value: { $date: 'x' } }), /^value: .*\$date/);
  assert.match(refused('last', { key, value: 1, mapKey: 1 }), /^mapKey: /);
  assert.match(refused('last', { key, value: 1, expires: 1.5 }), /^expires: /);
  assert.match(refused('last', { key, value: 1, expires: { $bigint: String(2n ** 63n) } }), /^expires: /);
  assert.match(refused('last', { key, value: 1, namespace: { window: [1] } }), /^namespace: /);
  assert.match(refused('seen', { key, value: '5' }), /^value: .*number/);
  assert.match(refused('recent', { key, value: [] }), /^value: not a list/);
  assert.match(refused('byDay', { key, value: 1 }), /^mapKey: there is none/);
  assert.match(refused('quiet', { key, mapKey: 0.5 }), /^mapKey: the time/);
  assert.match(refused('quiet', { key, mapKey: 5, value: 5 }), /^value: a timer has none/);
  assert.match(refused('rules', { key, mapKey: 'a', value: 1 }), /^key: .*no keys/);
  assert.match(refused('rules', { mapKey: 'a', value: 1, namespace: 'global' }), /^namespace: /);
  assert.match(refused('splits', { key: 'a.txt', value: { offset: 1 } }), /^value: not the position/);
  assert.match(refused('watermark', { key: 0, value: 'noon' }), /^value: not a watermark/);
  assert.match(refused('sum', { key: ['LHR'], value: 1 }), /^key: /);
});
