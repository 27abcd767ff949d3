/** Sorting by bytes of any value, the greatest included. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EntryWriter } from '../../src/format/entry.js';
import { type EntryPlace, SortBuffer } from '../../src/store/sort-buffer.js';
import fc from '../helpers/property.js';

const raw = { write: (bytes: Buffer, out: { raw(bytes: Buffer): void }) => out.raw(bytes) };

const rules = {
  sortedId: (table: number) => table,
  slots: () => 16,
  label: String,
  expiredAt: undefined,
  tombstones: false,
};

/** The keys of each table's only group, in the order they come out. */
function sorted(tables: readonly (readonly Buffer[])[]): string[][] {
  const buffer = new SortBuffer(rules);
  const pool = {
    take: (bytes: number) => Buffer.alloc(bytes),
    full: (chunk: Buffer, used: number, entries: number) =>
      void buffer.add({ payload: chunk.subarray(0, used), entries }),
  };
  const out = new EntryWriter(pool, 4096);
  for (const [table, keys] of tables.entries()) {
    for (const key of keys) {
      out.begin(table, 3);
      out.key(raw, key);
      out.value(raw, Buffer.from([0]));
    }
  }
  out.flush();
  return [...buffer.sorted()].map(({ entries, from }) =>
    Array.from({ length: entries }, (_, i) => {
      const place: { -readonly [F in keyof EntryPlace]: number } = {
        groupAt: 0,
        identityAt: 0,
        identityEnd: 0,
        end: 0,
      };
      buffer.place(from + i, 1, place);
      // The length of the key comes first; namespace and map key are a byte each.
      return buffer.bytes.subarray(place.identityAt + 1, place.identityEnd - 2).toString('hex');
    }),
  );
}

test('entries come out in the order of their bytes, each once, also where all bits are set', () => {
  // Six bytes and the place of one of 17 to 32 entries fill a float64.
  const start = fc.constantFrom(
    'ffffffffffff',
    'ffffffffffff',
    'fffffffffffe',
    '000000000000',
    '7fffffffffff',
  );
  const end = fc.integer({ min: 0, max: 65_535 }).map((n) => n.toString(16).padStart(4, '0'));
  const key = fc.tuple(start, end).map((parts) => Buffer.from(parts.join(''), 'hex'));
  const keys = fc.uniqueArray(key, {
    minLength: 1,
    maxLength: 40,
    size: 'max',
    selector: (bytes) => bytes.toString('hex'),
  });
  fc.assert(
    fc.property(fc.array(keys, { minLength: 1, maxLength: 4 }), (tables) => {
      const expected = tables.map((table) => table.map((bytes) => bytes.toString('hex')).sort());
      assert.deepEqual(sorted(tables), expected);
    }),
    { numRuns: 300 },
  );
});
