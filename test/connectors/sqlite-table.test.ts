/** Rows of tables as elements: once each from any position, as they come, and what is refused. */
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { after, describe, test } from 'node:test';
import { z } from 'zod';
import { systemClock } from '../../src/base/clock.js';
import { TidemarkError } from '../../src/base/errors.js';
import { realDisk } from '../../src/base/real-disk.js';
import type { SqlRow } from '../../src/connectors/sqlite-sink.js';
import { type PlainTable, type SqlitePosition, sqliteTable } from '../../src/connectors/sqlite-table.js';
import type { SourceSpec } from '../../src/graph/source.js';
import { Sqlite, type SqlValue } from '../../src/sqlite/sqlite.js';
import fc from '../helpers/property.js';
import { batchesOf, contextOf, elementsOf, suffixes } from './reading.js';
import { Place, sql } from './sqlite-run.js';

const place = new Place();
after(() => place.remove());

const context = contextOf(realDisk, place.folder);

function made(text: string): string {
  const path = place.path();
  sql(path, text);
  return path;
}

const READ = { context, batch: 3 };

async function refusal(work: () => Promise<unknown> | unknown): Promise<TidemarkError> {
  try {
    await work();
  } catch (error) {
    assert.ok(error instanceof TidemarkError, String(error));
    return error;
  }
  throw new Error('was not refused');
}

const NUMBERS = `CREATE TABLE t (id INTEGER PRIMARY KEY, v);
  INSERT INTO t WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10) SELECT i * 2, 'v' || i FROM n`;

describe('a table is read', () => {
  test('by row number, each row once from every position', async () => {
    const source = sqliteTable(made(NUMBERS), { table: 't' });
    const all = await elementsOf(source, READ);
    assert.deepEqual(all[0], { id: 2, v: 'v1' });
    assert.equal(all.length, 10);
    const batches = await batchesOf(source, READ);
    assert.deepEqual(batches[0]?.position, { cursor: null, rowid: 6 });
    for (const { read, rest } of await suffixes(source, READ)) assert.deepEqual(rest, all.slice(read));
  });

  test('by another column, ties by row number, each row once from every position', async () => {
    const path = made(`CREATE TABLE t (at, name); CREATE INDEX i ON t (at);
      INSERT INTO t VALUES (3, 'a'), (1, 'b'), (2, 'c'), (1, 'd'), (2, 'e'), (2, 'f'), (2, 'g'), (0.5, 'h')`);
    const source = sqliteTable(path, { table: 't', cursor: 'AT', row: ({ name }) => String(name) });
    const all = await elementsOf(source, READ);
    assert.equal(all.join(''), 'hbdcefga');
    const from = await suffixes(source, READ);
    assert.deepEqual(
      from.map(({ read }) => read),
      [3, 6, 8],
    );
    for (const { read, rest } of from) assert.deepEqual(rest, all.slice(read));
  });

  test('a few rows at a time where they are large', async () => {
    const path = made(`CREATE TABLE t (id INTEGER PRIMARY KEY, v);
      INSERT INTO t VALUES (1, zeroblob(600000)), (2, zeroblob(600000)), (3, hex(zeroblob(600000))), (4, 'end')`);
    const batches = await batchesOf(sqliteTable(path, { table: 't' }), { context, batch: 512 });
    assert.deepEqual(
      batches.map(({ elements }) => elements.length),
      [2, 1, 1],
    );
  });

  test('by a unique column where rows have no numbers', async () => {
    const path = made(`CREATE TABLE t (k TEXT PRIMARY KEY, v) WITHOUT ROWID;
      INSERT INTO t VALUES ('b', 1), ('a', 2), ('Z', 3), ('ä', 4), ('c', 5)`);
    const source = sqliteTable(path, { table: 't', cursor: 'k', row: ({ k }) => String(k) });
    const all = await elementsOf(source, READ);
    assert.deepEqual(all, ['Z', 'a', 'b', 'c', 'ä']);
    for (const { read, rest } of await suffixes(source, READ)) assert.deepEqual(rest, all.slice(read));
  });

  test('by bytes, whatever the collation of the column', async () => {
    const path = made(`CREATE TABLE t (k TEXT NOT NULL COLLATE NOCASE);
      INSERT INTO t VALUES ('b'), ('A'), ('a'), ('B'), ('a')`);
    const source = sqliteTable(path, { table: 't', cursor: 'k', row: ({ k }) => String(k) });
    assert.deepEqual(await elementsOf(source, { context, batch: 2 }), ['A', 'B', 'a', 'a', 'b']);
  });

  test('in the order that positions have, for values of every kind', async () => {
    const value = fc.oneof(
      fc.integer({ min: -3, max: 3 }),
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
      fc.string({ unit: fc.constantFrom('a', 'b', 'é', '😀', '\uffff', '\0'), maxLength: 3 }),
      fc.uint8Array({ maxLength: 3 }).map((bytes) => Buffer.from(bytes)),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(value, { maxLength: 12 }), fc.nat(12), async (values, cut) => {
        const path = made('CREATE TABLE t (c); CREATE INDEX i ON t (c)');
        const db = Sqlite.open(path, { create: false, busyTimeout: 0, what: 'database' });
        db.exec('PRAGMA synchronous = OFF');
        const insert = db.prepare('INSERT INTO t VALUES (?)');
        for (const each of values)
          insert.run([
            typeof each === 'number' && Number.isSafeInteger(each) ? BigInt(each) : (each as SqlValue),
          ]);
        db.close();
        const source = sqliteTable(path, { table: 't', cursor: 'c' });
        const batches = await batchesOf(source, { context, batch: 1 });
        assert.equal(batches.length, values.length);
        const positions = batches.map(({ position }) => position);
        for (const [i, position] of positions.entries()) {
          const next = positions[i + 1];
          if (next !== undefined) assert.ok((source.compare?.(position, next) ?? 0) < 0);
        }
        const at = positions[cut];
        if (at === undefined) return;
        const restored = source.position.upgrade(at, 1);
        const rest = await elementsOf(source, { context, batch: 5, split: 't', position: restored });
        assert.deepEqual(
          rest,
          batches.slice(cut + 1).flatMap(({ elements }) => elements),
        );
        rmSync(path);
      }),
      { numRuns: 40 },
    );
  });

  test('whole numbers beyond 2^53 as bigints, blobs as bytes, NULL as null', async () => {
    const path = made(`CREATE TABLE t (a, b, c, d, e, "odd ""name", g AS (a + 1));
      INSERT INTO t VALUES (9007199254740993, 9007199254740991, 1.5, x'00ff', NULL, 'x')`);
    const [row] = await elementsOf(sqliteTable(path, { table: 't' }), READ);
    assert.deepEqual(row, {
      ...{ a: 9007199254740993n, b: 9007199254740991, c: 1.5, d: Buffer.from([0, 255]), e: null },
      ...{ 'odd "name': 'x', g: 9007199254740994n },
    });
  });

  test('only where the condition holds, and what it leaves out is passed for good', async () => {
    const path = made(NUMBERS);
    const source = sqliteTable(path, { table: 't', where: "id % 4 = 0 OR v = 'v9' -- and a comment" });
    const batches = await batchesOf(source, READ);
    assert.deepEqual(
      batches.flatMap(({ elements }) => elements).map(({ id }) => id),
      [4, 8, 12, 16, 18, 20],
    );
    assert.deepEqual(batches.at(-1)?.position, { cursor: null, rowid: 20 });
    const none = await batchesOf(sqliteTable(path, { table: 't', where: 'NULL' }), READ);
    assert.deepEqual(
      none.map(({ elements }) => elements.length),
      [0, 0, 0, 0],
    );
  });

  test('up to a position, where a split is to wait there', async () => {
    const source = sqliteTable(made(NUMBERS), { table: 't' });
    const ends: unknown[] = [];
    const signal = new AbortController().signal;
    const until = { cursor: null, rowid: 9 };
    const start = { cursor: null, rowid: null };
    for await (const { position } of source.read({
      ...context,
      ...{ split: 't', position: start, state: {}, batch: 4, until, signal },
    }))
      ends.push(position.rowid);
    assert.deepEqual(ends, [8, 16, 20]);
    const within: unknown[] = [];
    for await (const { position } of source.read({
      ...context,
      ...{ split: 't', position: start, state: {}, batch: 6, until, signal },
    }))
      within.push(position.rowid);
    assert.deepEqual(within, [8, 12, 20]);
  });

  test('as it grows, for ever, while others write', async () => {
    const path = made('PRAGMA journal_mode = WAL');
    sql(path, 'CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, v)');
    const abort = new AbortController();
    const source = sqliteTable(path, { table: 't', poll: 1, row: ({ v }) => v });
    let waits = 0;
    const clock = {
      ...systemClock,
      sleep: async () => {
        waits++;
        if (waits === 2) sql(path, 'INSERT INTO t (v) VALUES (1), (2)');
        if (waits === 4) sql(path, 'DELETE FROM t; INSERT INTO t (v) VALUES (3)');
        if (waits === 6) abort.abort();
      },
    };
    const found: unknown[] = [];
    for await (const { elements } of source.read({
      ...{ ...context, clock, split: 't', position: { cursor: null, rowid: null }, state: {} },
      ...{ batch: 10, signal: abort.signal },
    }))
      found.push(...elements);
    assert.deepEqual(found, [1, 2, 3]);
  });

  test('of a row-based schema, typed', async () => {
    const schema = z.object({ id: z.number(), v: z.string() });
    const path = made(NUMBERS);
    const source = sqliteTable(path, { table: 't', schema });
    const [first] = await elementsOf(source, READ);
    assert.equal(first?.v.length, 2);
    sql(path, 'UPDATE t SET v = NULL WHERE id = 6');
    const error = await refusal(() => elementsOf(source, READ));
    assert.equal(error.code, 'SOURCE_DATA');
    assert.match(error.message, /table "t": .* at \.?v.*\{id: 6, v: null\}/);
  });
});

describe('a table is refused', () => {
  const UNFIT: readonly (readonly [string, PlainTable, RegExp])[] = [
    ['CREATE TABLE other (a)', { table: 't' }, /is not there/],
    ['CREATE VIEW t AS SELECT 1 AS a', { table: 't' }, /is a view/],
    ['CREATE TABLE t (a TEXT PRIMARY KEY) WITHOUT ROWID', { table: 't' }, /no row numbers \(WITHOUT ROWID\)/],
    [
      'CREATE TABLE t (a, b TEXT PRIMARY KEY) WITHOUT ROWID',
      { table: 't', cursor: 'a' },
      /column "a" does not tell its rows apart/,
    ],
    ['CREATE TABLE t (a)', { table: 't', cursor: 'b' }, /has no column "b" to read it by/],
    ['CREATE TABLE t (a)', { table: 't', where: 'b > 1' }, /cannot be asked where b > 1: .*no such column/],
    ['CREATE TABLE t (a)', { table: 't', where: '1) OR (' }, /cannot be asked/],
    ['CREATE TABLE t (__proto__)', { table: 't' }, /no object can hold/],
  ];
  for (const [text, options, why] of UNFIT) {
    test(`made by ${text}, read with ${JSON.stringify(options)}`, async () => {
      const error = await refusal(() => elementsOf(sqliteTable(made(text), options), READ));
      assert.equal(error.code, 'DEFINITION_INVALID');
      assert.match(error.message, why);
    });
  }

  test('where a row has no place in the order, unless the condition leaves it out', async () => {
    const path = made('CREATE TABLE t (a, b); INSERT INTO t VALUES (1, 1), (NULL, 2)');
    const error = await refusal(() => elementsOf(sqliteTable(path, { table: 't', cursor: 'a' }), READ));
    assert.equal(error.code, 'SOURCE_DATA');
    assert.match(error.message, /row 2n has no "a"/);
    const rows = await elementsOf(
      sqliteTable(path, { table: 't', cursor: 'a', where: 'a IS NOT NULL' }),
      READ,
    );
    assert.equal(rows.length, 1);
  });

  test('where row numbers are given again, also when only asked', async () => {
    const path = made(NUMBERS);
    const source: SourceSpec<SqlRow, SqlitePosition> = sqliteTable(path, { table: 't' });
    const position = { cursor: null, rowid: 20 };
    const request = { ...context, split: 't', position };
    await source.check?.(request);
    sql(path, 'DELETE FROM t WHERE id > 10');
    for (const work of [
      () => source.check?.(request),
      () => elementsOf(source, { ...READ, split: 't', position }),
    ]) {
      const error = await refusal(work);
      assert.equal(error.code, 'SOURCE_CHANGED');
      assert.match(error.message, /read up to row number 20, and now its largest is 10/);
      assert.match(error.hint ?? '', /AUTOINCREMENT/);
    }
  });

  test('where its database is not there, is none, or is no file', async () => {
    const path = place.path();
    assert.equal(
      (await refusal(() => elementsOf(sqliteTable(path, { table: 't' }), READ))).code,
      'FILE_NOT_FOUND',
    );
    assert.equal(
      (await refusal(() => elementsOf(sqliteTable(place.folder, { table: 't' }), READ))).code,
      'FILE_NOT_FOUND',
    );
    const file = await realDisk.create(path);
    await file.append(Buffer.from('no database at all, and long enough. '.repeat(40)));
    await file.close();
    assert.equal(
      (await refusal(() => elementsOf(sqliteTable(path, { table: 't' }), READ))).code,
      'SOURCE_DATA',
    );
  });

  test('while another process holds it for long', async () => {
    const path = made(NUMBERS);
    const other = Sqlite.open(path, { create: false, busyTimeout: 0, what: 'database' });
    other.exec('BEGIN EXCLUSIVE');
    let now = 0;
    const sleep = async (ms: number) => {
      now += ms;
    };
    const clock = { ...systemClock, monotonic: () => now, sleep };
    const source = sqliteTable(path, { table: 't' });
    const error = await refusal(() => elementsOf(source, { ...READ, context: { ...context, clock } }));
    assert.equal(error.code, 'SOURCE_FAILED');
    assert.match(error.hint ?? '', /held the database for 30 s/);
    other.close();
  });

  const WRONG: readonly (readonly [unknown, unknown, RegExp])[] = [
    ['', { table: 't' }, /the path is text/],
    [':memory:', { table: 't' }, /':memory:' is empty/],
    ['a.db', undefined, /expected options/],
    ['a.db', { table: '', cursor: '' }, /table ""[\s\S]*cursor ""/],
    ['a.db', { table: 't', where: ' ' }, /where: expected an SQL condition/],
    ['a.db', { table: 't', rate: 0 }, /rate: expected/],
    ['a.db', { table: 't', poll: 0 }, /poll: expected/],
    ['a.db', { table: 't', schema: {} }, /schema: expected a schema/],
    ['a.db', { table: 't', row: 1 }, /row: expected a function/],
    ['a.db', { table: 't', schema: z.object({}), row: () => 1 }, /either schema or row/],
    ['a.db', { table: 't', pol: '1s' }, /no property "pol"/],
  ];
  for (const [path, options, why] of WRONG) {
    test(`sqliteTable(${JSON.stringify(path)}, ${String(JSON.stringify(options)).slice(0, 50)})`, async () => {
      const error = await refusal(() => sqliteTable(path as string, options as PlainTable));
      assert.equal(error.code, 'GRAPH_INVALID');
      assert.match(error.message, why);
    });
  }

  test('by a position that is none', () => {
    const { position } = sqliteTable('a.db', { table: 't' });
    for (const wrong of [null, {}, { cursor: null }, { cursor: {}, rowid: 1 }, { cursor: 1, rowid: 1.5 }])
      assert.throws(() => position.upgrade(wrong, 1), /is not a position in a table/);
  });
});
