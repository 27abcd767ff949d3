/** Tables, rows and databases that a database sink takes, and those it refuses, with the SQL that helps. */
import assert from 'node:assert/strict';
import { chmodSync, existsSync, readdirSync } from 'node:fs';
import { after, describe, test } from 'node:test';
import type { Clock } from '../../src/base/clock.js';
import { systemClock } from '../../src/base/clock.js';
import { TidemarkError } from '../../src/base/errors.js';
import { realDisk } from '../../src/base/real-disk.js';
import { type SqliteSinkOptions, type SqlRow, sqliteSink } from '../../src/connectors/sqlite-sink.js';
import type { SinkContext } from '../../src/graph/sink.js';
import { Sqlite } from '../../src/sqlite/sqlite.js';
import { contextOf, durability, Place, StagingDisk, sql } from './sqlite-run.js';

const place = new Place();
after(() => place.remove());

type Options = SqliteSinkOptions<SqlRow>;

/** One checkpoint of these elements. Returns what the sink described itself as. */
async function put(
  path: string,
  options: Options,
  rows: readonly unknown[],
  more: Partial<SinkContext> = {},
) {
  const sink = sqliteSink<SqlRow>(path, options);
  const context = contextOf(new StagingDisk(), place.folder, more);
  const committer = await sink.committer?.(context);
  try {
    await committer?.recover([]);
    const writer = await sink.open({ ...context, subtask: 0, parallelism: 1, state: {} });
    try {
      await writer.write(rows as readonly SqlRow[]);
      const value = await writer.prepare?.(1);
      if (value !== undefined)
        await committer?.commit([
          { id: { job: context.job.id, attempt: 1, sink: 'out', subtask: 0, checkpoint: 1 }, value },
        ]);
    } finally {
      await writer.close?.();
    }
  } finally {
    await committer?.close?.();
  }
}

async function refusal(work: () => Promise<unknown> | unknown): Promise<TidemarkError> {
  try {
    await work();
  } catch (error) {
    assert.ok(error instanceof TidemarkError, String(error));
    return error;
  }
  throw new Error('was not refused');
}

describe('values', () => {
  test('come out of SQLite as they went in', async () => {
    const path = place.path();
    const rows = [
      { v: 'text', w: 1 },
      { v: '', w: -1 },
      { v: 'a\0b 😀', w: 2 ** 53 - 1 },
      { v: 1.5, w: 2n ** 63n - 1n },
      { v: 1e300, w: -(2n ** 63n) },
      { v: new Uint8Array([0, 255]), w: true },
      { v: null, w: false },
      { w: 0 },
    ];
    await put(path, { table: 't', columns: { v: 'any', w: 'integer' } }, rows);
    assert.deepEqual(sql(path, 'SELECT typeof(v), v, w FROM t'), [
      ['text', 'text', 1n],
      ['text', '', -1n],
      ['text', 'a\0b 😀', 9007199254740991n],
      ['real', 1.5, 9223372036854775807n],
      ['real', 1e300, -9223372036854775808n],
      ['blob', Buffer.from([0, 255]), 1n],
      ['null', null, 0n],
      ['null', null, 0n],
    ]);
  });

  const REFUSED: readonly (readonly [unknown, RegExp])[] = [
    [Number.NaN, /NaN is no number that SQLite keeps/],
    [Number.NEGATIVE_INFINITY, /-Infinity is no number that SQLite keeps/],
    [2n ** 63n, /does not fit into 64 bits; give its text/],
    [new Date(0), /SQLite has no dates; give its text, date\.toISOString\(\), or date\.getTime\(\)/],
    [{ deep: 1 }, /give its text: JSON\.stringify/],
    [['a'], /give its text: JSON\.stringify/],
    [new Float64Array(1), /give new Uint8Array/],
    [() => 1, /no value of a column/],
    ['\ud800', /half of a surrogate pair/],
  ];
  for (const [value, why] of REFUSED) {
    test(`${String(value)} is refused, and nothing of its batch is written`, async () => {
      const path = place.path();
      const options: Options = { table: 't', columns: { n: 'integer', v: 'any' } };
      const error = await refusal(() => put(path, options, [{ n: 1 }, { n: 7, v: value }]));
      assert.equal(error.code, 'VALUE_REFUSED');
      assert.match(error.message, why);
      assert.match(error.message, /table "t", column "v": .*in the row \{n: 7, v: /);
      assert.deepEqual(sql(path, 'SELECT * FROM t'), []);
    });
  }

  const MISTYPED: readonly (readonly [string, unknown])[] = [
    ['integer', '5'],
    ['integer', 1.5],
    ['integer', 2 ** 53],
    ['real', '1.5'],
    ['text', 5],
    ['blob', 'x'],
  ];
  for (const [type, value] of MISTYPED) {
    test(`a column of ${type} refuses ${typeof value} ${value}`, async () => {
      const columns = { v: type } as { v: 'integer' };
      const error = await refusal(() => put(place.path(), { table: 't', columns }, [{ v: value }]));
      assert.match(error.message, new RegExp(`column "v": expected ${type}`));
    });
  }

  const NO_ROWS: readonly unknown[] = [5, null, 'text', ['a']];
  for (const element of NO_ROWS) {
    test(`${JSON.stringify(element)} is no row`, async () => {
      const error = await refusal(() => put(place.path(), { table: 't', columns: { v: 'any' } }, [element]));
      assert.equal(error.code, 'VALUE_REFUSED');
      assert.match(error.message, /an element is no row/);
    });
  }
});

describe('a table', () => {
  test('may be called anything, and so may its columns', async () => {
    const path = place.path();
    const name = `we"ird.'näme; DROP TABLE x --/..`;
    const column = 'select "from"\n';
    await put(path, { table: name, columns: { [column]: 'text' } }, [{ [column]: 'a' }]);
    assert.deepEqual(sql(path, `SELECT * FROM "${name.replaceAll('"', '""')}"`), [['a']]);
    const long = 'x'.repeat(400);
    await put(path, { table: long, columns: { [column]: 'text' } }, [{ [column]: 'b' }]);
    assert.deepEqual(sql(path, `SELECT * FROM ${long}`), [['b']]);
  });

  test('is the same in any case of letters, also for the lock on it', async () => {
    const targets = ['Counts', 'COUNTS', 'counts'].map((table) => sqliteSink('a.db', { table }).target);
    assert.equal(new Set(targets).size, 1);
    assert.notEqual(
      sqliteSink('a.db', { table: 'Zählung' }).target,
      sqliteSink('a.db', { table: 'ZÄhlung' }).target,
    );
    const path = place.path();
    sql(path, 'CREATE TABLE Counts (Word TEXT, N INT)');
    await put(path, { table: 'cOUNTS' }, [{ word: 'a', n: 1 }]);
    assert.deepEqual(sql(path, 'SELECT * FROM counts'), [['a', 1n]]);
    const error = await refusal(() => put(path, { table: 'counts' }, [{ word: 'a', Word: 'b' }]));
    assert.match(error.message, /column "Word": is given twice/);
  });

  test('may have defaults, generated columns, triggers, a primary key, and be STRICT', async () => {
    const path = place.path();
    sql(
      path,
      `CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT NOT NULL DEFAULT 'none', n ANY, twice ANY AS (n * 2)) STRICT;
       CREATE TABLE log (what TEXT);
       CREATE TRIGGER tr AFTER INSERT ON t BEGIN INSERT INTO log VALUES (new.v); INSERT INTO log VALUES ('x'); END`,
    );
    await put(path, { table: 't' }, [{ n: 4 }, { v: 'given', n: 5 }, {}]);
    assert.deepEqual(sql(path, 'SELECT * FROM t'), [
      [1n, 'none', 4n, 8n],
      [2n, 'given', 5n, 10n],
      [3n, 'none', null, null],
    ]);
    assert.equal(sql(path, 'SELECT count(*) FROM log')[0]?.[0], 6n);
    assert.deepEqual(sql(path, 'SELECT rows, first_rowid, last_rowid FROM tidemark_ledger'), [[3n, 1n, 3n]]);
    for (const [row, why] of [
      [{ twice: 3 }, /generated/],
      [{ v: null }, /NOT NULL/],
      [{ nope: 1 }, /is no column of the table; expected id, v, n/],
      [{ v: 5 }, /expected text/],
      [{ id: 'x' }, /expected integer/],
    ] as const) {
      const error = await refusal(() => put(path, { table: 't' }, [row]));
      assert.equal(error.code, 'VALUE_REFUSED');
      assert.match(error.message, why);
    }
    const error = await refusal(() => put(path, { table: 't', columns: { n: 'any' } }, [{ v: 'a' }]));
    assert.match(error.message, /is not among the columns of the sink; expected n/);
  });

  test('that needs a column refuses a row without, before it is part of a checkpoint', async () => {
    const path = place.path();
    sql(path, 'CREATE TABLE t (a TEXT NOT NULL, b, "constructor" NOT NULL)');
    const error = await refusal(() => put(path, { table: 't' }, [{ b: 1 }]));
    assert.match(error.message, /column "a": is NOT NULL, and the row does not give it/);
    const inherited = await refusal(() => put(path, { table: 't' }, [{ a: '' }]));
    assert.match(inherited.message, /column "constructor": is NOT NULL, and the row does not give it/);
  });

  test('WITHOUT ROWID may be written, in both modes', async () => {
    const path = place.path();
    sql(path, 'CREATE TABLE t (k TEXT PRIMARY KEY, v) WITHOUT ROWID');
    await put(path, { table: 't' }, [{ k: 'a', v: 1 }]);
    await put(path, { table: 't', mode: 'upsert', key: ['k'] }, [{ k: 'a', v: 2 }, { k: 'b' }], {
      job: { id: 'job1', name: 'j' },
    });
    assert.deepEqual(sql(path, 'SELECT * FROM t'), [
      ['a', 2n],
      ['b', null],
    ]);
  });

  test('that refuses a row fails the commit with table, row and reason, and holds nothing of it', async () => {
    const path = place.path();
    sql(path, 'CREATE TABLE t (a TEXT UNIQUE, b CHECK (b < 10))');
    for (const [rows, why] of [
      [
        [{ a: 'x' }, { a: 'x', b: 2 }],
        /table "t", the row \{a: "x", b: 2\}: .*UNIQUE constraint failed: t\.a/,
      ],
      [[{ b: 1 }, { b: 11 }], /the row \{b: 11\}: .*CHECK constraint failed/],
    ] as const) {
      const error = await refusal(() => put(path, { table: 't' }, rows));
      assert.equal(error.code, 'SINK_FAILED');
      assert.match(error.message, why);
      assert.match(error.hint ?? '', /then resume/);
      assert.deepEqual(sql(path, 'SELECT * FROM t'), []);
    }
  });

  const UNFIT: readonly (readonly [string, Options, RegExp, RegExp])[] = [
    ['SELECT 1', { table: 't' }, /is not there/, /CREATE TABLE "t"/],
    ['CREATE VIEW t AS SELECT 1 AS a', { table: 't' }, /is a view/, /name a table/],
    [
      'CREATE TABLE t (a)',
      { table: 't', columns: { a: 'any', b: 'text' } },
      /has no column "b"; it has a/,
      /^ALTER TABLE "t" ADD COLUMN "b" TEXT$/,
    ],
    [
      'CREATE TABLE t (a, b AS (a))',
      { table: 't', columns: { b: 'any' } },
      /column "b" is generated/,
      /leave it out/,
    ],
    [
      'CREATE TABLE t (a, b)',
      { table: 't', mode: 'upsert', key: ['a', 'b'] },
      /nothing makes a, b unique/,
      /^CREATE UNIQUE INDEX "t_key" ON "t" \("a", "b"\)$/,
    ],
    [
      'CREATE TABLE t (a, b); CREATE UNIQUE INDEX i ON t (a) WHERE b > 0',
      { table: 't', mode: 'upsert', key: ['a'] },
      /nothing makes a unique/,
      /CREATE UNIQUE INDEX/,
    ],
  ];
  for (const [made, options, why, hint] of UNFIT) {
    test(`made by ${made} is refused for ${JSON.stringify(options)}`, async () => {
      const path = place.path();
      sql(path, made.startsWith('SELECT') ? 'CREATE TABLE other (x)' : made);
      const error = await refusal(() => put(path, options, []));
      assert.equal(error.code, 'DEFINITION_INVALID');
      assert.match(error.message, why);
      assert.match(error.hint ?? '', hint);
    });
  }
});

describe('an upsert', () => {
  const options = {
    table: 't',
    mode: 'upsert',
    key: ['a', 'b'],
    columns: { a: 'text', b: 'integer', v: 'any', w: 'any' },
  } as const;

  test('takes the last row of a key, leaves what a row does not give, and removes', async () => {
    const path = place.path();
    await put(path, { ...options, remove: (row: SqlRow) => row['v'] === 'gone' }, [
      { a: 'x', b: 1, v: 1, w: 'kept' },
      { a: 'y', b: 1, v: 1 },
      { a: 'x', b: 1, v: 2 },
      { a: 'y', b: 1, v: 'gone' },
      { a: 'z', b: 1, v: 'gone' },
    ]);
    assert.deepEqual(sql(path, 'SELECT * FROM t'), [['x', 1n, 2n, 'kept']]);
  });

  test('of nothing but its key inserts it', async () => {
    const path = place.path();
    await put(path, { table: 't', mode: 'upsert', key: ['a'], columns: { a: 'integer' } }, [
      { a: 1 },
      { a: 1 },
    ]);
    assert.deepEqual(sql(path, 'SELECT * FROM t'), [[1n]]);
  });

  for (const row of [{ a: 'x' }, { a: 'x', b: null }, { a: 'x', b: undefined }]) {
    test(`refuses the key of ${JSON.stringify(row)}`, async () => {
      for (const remove of [false, true]) {
        const error = await refusal(() => put(place.path(), { ...options, remove: () => remove }, [row]));
        assert.equal(error.code, 'VALUE_REFUSED');
        assert.match(error.message, /column "b": is (part of the key|NOT NULL)/);
      }
    });
  }
});

describe('a database', () => {
  const columns = { n: 'integer' } as const;

  test('that is not there is made only with columns, and then as a WAL', async () => {
    const path = place.path();
    const error = await refusal(() => put(path, { table: 't' }, []));
    assert.equal(error.code, 'DEFINITION_INVALID');
    assert.match(error.hint ?? '', /columns/);
    assert.ok(!existsSync(path));
    durability.clear();
    await put(path, { table: 't', columns }, [{ n: 1 }]);
    assert.deepEqual([...durability], ['PRAGMA synchronous = EXTRA']);
    assert.deepEqual(sql(path, 'PRAGMA journal_mode'), [['wal']]);
  });

  test('with a rollback journal keeps it, and a reader makes the commit wait for its end', async () => {
    const path = place.path();
    sql(path, 'CREATE TABLE t (n)');
    const reader = Sqlite.open(path, { create: false, busyTimeout: 0, what: 'database' });
    let waits = 0;
    const clock: Clock = {
      ...systemClock,
      sleep: async () => {
        if (++waits === 3) reader.exec('COMMIT');
      },
    };
    await put(path, { table: 't' }, []);
    reader.exec('BEGIN');
    reader.get('SELECT * FROM t');
    await put(path, { table: 't' }, [{ n: 1 }], { clock });
    assert.equal(waits, 3);
    reader.close();
    assert.deepEqual(sql(path, 'SELECT n FROM t'), [[1n]]);
    assert.deepEqual(sql(path, 'PRAGMA journal_mode'), [['delete']]);
  });

  test('that another process holds for long fails with a code, and a reader of it is not in the way', async () => {
    const path = place.path();
    await put(path, { table: 't', columns }, []);
    const other = Sqlite.open(path, { create: false, busyTimeout: 0, what: 'database' });
    other.exec('BEGIN');
    other.get('SELECT * FROM t');
    await put(path, { table: 't' }, [{ n: 1 }]);
    other.exec('COMMIT; BEGIN IMMEDIATE');
    let now = 0;
    const sleep = async (ms: number) => {
      now += ms;
    };
    const clock: Clock = { ...systemClock, monotonic: () => now, sleep };
    const error = await refusal(() => put(path, { table: 't' }, [{ n: 2 }], { clock }));
    assert.equal(error.code, 'SINK_FAILED');
    assert.match(error.message, /table t of .*database is locked/);
    assert.match(error.hint ?? '', /another process has held the database for 30 s/);
    assert.ok(now >= 30_000 && now < 40_000);
    other.close();
  });

  test('that may not be written, or is none, is refused', async () => {
    const path = place.path();
    sql(path, 'CREATE TABLE t (n); PRAGMA user_version = 1');
    chmodSync(path, 0o444);
    // Whoever may do anything may write this file, too.
    if (process.getuid?.() !== 0)
      assert.equal((await refusal(() => put(path, { table: 't' }, []))).code, 'PERMISSION');
    const text = place.path();
    const disk = realDisk;
    const file = await disk.create(text);
    await file.append(Buffer.from('this is no database, but long enough to be looked at. '.repeat(40)));
    await file.close();
    assert.equal((await refusal(() => put(text, { table: 't', columns }, []))).code, 'TARGET_CORRUPT');
  });

  test('that is full fails with DISK_FULL, and takes the rows once there is room', async () => {
    const path = place.path();
    sql(path, 'CREATE TABLE t (n)');
    const sink = sqliteSink<SqlRow>(path, { table: 't' });
    const context = contextOf(new StagingDisk(), place.folder);
    const committer = await sink.committer?.(context);
    await committer?.recover([]);
    const writer = await sink.open({ ...context, subtask: 0, parallelism: 1, state: {} });
    await writer.write([{ n: 'x'.repeat(100_000) }]);
    const value = await writer.prepare?.(1);
    assert.ok(value !== undefined);
    const due = [{ id: { job: 'job0', attempt: 1, sink: 'out', subtask: 0, checkpoint: 1 }, value }];
    const full = await refusal(() => withPages(path, 15, async () => committer?.commit(due)));
    assert.equal(full.code, 'DISK_FULL');
    assert.deepEqual(sql(path, 'SELECT * FROM t'), []);
    await committer?.recover(due);
    assert.equal(sql(path, 'SELECT length(n) FROM t')[0]?.[0], 100_000n);
    await committer?.close?.();
    await writer.close?.();
  });

  test('takes several sinks at once, and rows of many frames', async () => {
    const path = place.path();
    const rows = Array.from({ length: 20_000 }, (_, n) => ({ n }));
    let beats = 0;
    const alive = () => void beats++;
    await Promise.all(
      ['a', 'b', 'c'].map((table) => put(path, { table, columns }, rows, { sink: table, alive })),
    );
    assert.ok(beats >= 60, 'the runtime hears that a long commit goes on');
    for (const table of ['a', 'b', 'c'])
      assert.deepEqual(sql(path, `SELECT count(*), sum(n) FROM ${table}`), [[20_000n, 199_990_000n]]);
  });

  test('path is relative to where the job was started', async () => {
    await put('sub.db', { table: 't', columns }, [{ n: 1 }]);
    assert.ok(readdirSync(place.folder).includes('sub.db'));
    assert.equal(sqliteSink('data/sub.db', { table: 'T 1' }).target, 'data/sub.db-tidemark/t%201');
  });
});

/** As on a disk that has no more than so many pages for the database. */
async function withPages(path: string, pages: number, work: () => Promise<unknown>): Promise<void> {
  const exec = Sqlite.prototype.exec;
  Sqlite.prototype.exec = function (this: Sqlite, text: string) {
    if (text === 'BEGIN IMMEDIATE' && this.path === path) this.pragma(`max_page_count = ${pages}`);
    exec.call(this, text);
  };
  try {
    await work();
  } finally {
    Sqlite.prototype.exec = exec;
    sql(path, 'SELECT 1');
  }
}

describe('options', () => {
  const cases: readonly (readonly [unknown, unknown, RegExp])[] = [
    ['', { table: 't' }, /the path is text/],
    [':memory:', { table: 't' }, /gone with its process/],
    ['a.db', undefined, /expected options/],
    ['a.db', { table: '' }, /table "": expected a name/],
    ['a.db', { table: 'a\0' }, /holds what no name/],
    ['a.db', { table: 'Tidemark_Ledger' }, /not for rows of yours/],
    ['a.db', { table: 'sqlite_x' }, /not for rows of yours/],
    ['a.db', { table: 't', tabel: 1 }, /no property "tabel"/],
    ['a.db', { table: 't', columns: {} }, /columns: expected an object/],
    [
      'a.db',
      { table: 't', columns: { a: 'int' } },
      /columns: "a": expected one of text, integer, real, blob, any/,
    ],
    ['a.db', { table: 't', columns: { a: 'text', A: 'text' } }, /columns: "A" stands there twice/],
    ['a.db', { table: 't', mode: 'replace' }, /mode: expected 'append' or 'upsert'/],
    ['a.db', { table: 't', mode: 'upsert' }, /key: expected the columns/],
    ['a.db', { table: 't', mode: 'upsert', key: ['a', 'A'] }, /key: "A" stands there twice/],
    [
      'a.db',
      { table: 't', mode: 'upsert', key: ['b'], columns: { a: 'any' } },
      /key: "b" is not among the columns/,
    ],
    ['a.db', { table: 't', key: ['a'] }, /key and remove go with mode: 'upsert'/],
    ['a.db', { table: 't', row: 5 }, /row: expected a function/],
  ];
  for (const [path, options, why] of cases) {
    test(`sqliteSink(${JSON.stringify(path)}, ${JSON.stringify(options)}) is refused`, async () => {
      const error = await refusal(() => sqliteSink(path as string, options as Options));
      assert.equal(error.code, 'GRAPH_INVALID');
      assert.match(error.message, why);
    });
  }
});
