/** Rows that are no entries, rows of other people's tables, and what becomes of what no row names. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import type { Archive } from '../../src/archive/read.js';
import { TidemarkError } from '../../src/base/errors.js';
import type { ManifestWindow } from '../../src/format/manifest.js';
import { EntryMaker, type GivenEntry } from '../../src/rewrite/entry-from-view.js';
import { Sqlite } from '../../src/sqlite/sqlite.js';
import { entriesOfArchive } from '../archive/archives.js';
import { operator, PROVENANCE, table } from '../archive/blocks.js';
import { Port, type State } from './porting.js';

const STATE: State = {
  operators: [
    operator('count', 'process', 'string'),
    operator('auto'),
    operator('pair', 'process', 'tuple(string,int)'),
    operator('id', 'process', 'long'),
  ],
  tables: [
    table(0, 'count', 'seen', 'number'),
    table(1, 'count', 'last'),
    table(2, 'auto', 'last'),
    table(3, 'pair', 'last'),
    table(4, 'id', 'byDay', 'map'),
    table(5, 'id', 'alarm', 'timer'),
    table(6, 'id', 'flags', 'list'),
  ],
};

let port: Port;
let base: Archive;
before(async () => {
  port = await Port.make();
  base = await port.given(STATE, [
    [0, { key: 'a', value: 1 }],
    [0, { key: 'b', value: 2 }],
    [1, { key: 'a', value: 'kept' }],
  ]);
});
after(() => port.remove());

/** Each entry of these states as `key: value`. */
async function shown(archive: Archive, ...states: readonly string[]): Promise<unknown[]> {
  const lines = (await entriesOfArchive(archive)).map(
    (line) => JSON.parse(line) as GivenEntry & { state: string },
  );
  return lines
    .filter(({ state }) => states.includes(state))
    .map(({ key, mapKey, value }) => (mapKey === undefined ? [key, value] : [key, mapKey, value]))
    .sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
}

/** The lines of what it is refused with; nothing of it may stay behind. */
async function refusedWith(import_: () => Promise<unknown>, code = 'USAGE'): Promise<string[]> {
  const there = readdirSync(port.folder);
  const error = await import_().then(
    () => assert.fail('it was taken'),
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof TidemarkError, String(error));
  assert.equal(error.code, code, error.message);
  assert.deepEqual(
    readdirSync(port.folder).filter((name) => !there.includes(name)),
    [],
  );
  return error.message.split('\n');
}

const lines = (text: string | Buffer, options: Parameters<Port['import']>[3] = {}) =>
  port.import(base, { text }, 'jsonl', options);
const csv = (text: string | Buffer, options: Parameters<Port['import']>[3] = {}) =>
  port.import(base, { text }, 'csv', options);

describe('what rows replace', () => {
  test('all entries of their states, and of no other', async () => {
    const { archive, imported } = await lines('{"operator":"count","state":"seen","key":"c","value":3}\n');
    assert.deepEqual(await shown(archive, 'seen', 'last'), [
      ['a', 'kept'],
      ['c', 3],
    ]);
    assert.deepEqual(imported.states, [
      { name: 'count.seen', kind: 'number', rows: 1, expired: 0, before: 2, after: 1 },
    ]);
    assert.equal(archive.provenance.parentDigest, base.manifest.digest);
  });

  test('with merge, only those that they name', async () => {
    const { archive } = await lines('{"key":"b","value":9}\n{"key":"c","value":3}', {
      only: 'count.seen',
      merge: true,
    });
    assert.deepEqual(await shown(archive, 'seen'), [
      ['a', 1],
      ['b', 9],
      ['c', 3],
    ]);
  });

  test('a state that is named is emptied by no rows; without a name that is refused', async () => {
    const { archive } = await lines('', { only: 'count.seen' });
    assert.deepEqual(await shown(archive, 'seen'), []);
    assert.deepEqual(await refusedWith(() => lines('\n  \n')), ['there are no rows, and no state is named']);
    assert.deepEqual(await refusedWith(() => lines('[]\n')), ['line 1: not an object']);
  });

  test('of a state alone where it is named, whatever else there is', async () => {
    const both =
      '{"operator":"count","state":"seen","key":"c","value":3}\n{"operator":"count","state":"last","key":"c","value":3}\n';
    const { archive } = await lines(both, { only: 'count.last' });
    assert.deepEqual(await shown(archive, 'seen', 'last'), [
      ['a', 1],
      ['b', 2],
      ['c', 3],
    ]);
    assert.match(
      (await refusedWith(() => lines(both, { only: 'count.nothing' }), 'STATE_NOT_FOUND'))[0] ?? '',
      /no state "count.nothing"/,
    );
  });

  test('what has expired is counted and left out', async () => {
    const at = PROVENANCE.barrierTime;
    const { archive, imported } = await lines(
      `{"key":"x","value":1,"expires":${at}}\n{"key":"y","value":1,"expires":${at + 1}}`,
      { only: 'count.last' },
    );
    assert.deepEqual(await shown(archive, 'last'), [['y', 1]]);
    assert.deepEqual([imported.states[0]?.expired, imported.states[0]?.rows], [1, 2]);
  });

  test('ended by a signal, nothing is left', async () => {
    const stop = new AbortController();
    const reason = new TidemarkError('TIMEOUT', 'enough');
    const onProgress = () => stop.abort(reason);
    const many = Array.from({ length: 5_000 }, (_, i) => `{"key":"k${i}","value":${i}}`).join('\n');
    await refusedWith(
      () => lines(many, { only: 'count.seen', more: { onProgress, signal: stop.signal } }),
      'TIMEOUT',
    );
  });
});

describe('bad rows', () => {
  test('panes of no window', () => {
    const makerOf = (assign: ManifestWindow['assign']) =>
      new EntryMaker({ ...table(0, 'count', 'panes'), window: { assign } }, operator('count'));
    const [of, key, value] = [makerOf({ kind: 'session', gap: 10 }), 'a', 1];
    assert.equal(of.make({ key, value, namespace: { window: [0, 10] } }).namespace.kind, 'window');
    for (const namespace of [undefined, null, 'global'])
      assert.throws(
        () => of.make({ key, value, namespace }),
        /of windows: expected {"window":\[start,end\]}/,
      );
    const all = makerOf({ kind: 'global' });
    assert.equal(all.make({ key, value, namespace: 'global' }).namespace.kind, 'global');
    assert.throws(() => all.make({ key, value }), /expected "global"/);
  });

  test('lines, each with its number', async () => {
    const bad: readonly (readonly [string | Buffer, RegExp])[] = [
      ['{"operator":"count","state":"seen","key":"a","value":1}', /^$/],
      ['{"key":', /^line 2: not JSON/],
      ['[1]', /^line 3: not an object/],
      ['{"operator":"count","state":"seen","key":"b","value":1,"typo":2}', /^line 4: a field "typo"/],
      [
        '{"operator":"count","state":"nothing","key":"b","value":1}',
        /^line 5: the archive has no state "count.nothing"/,
      ],
      ['{"operator":"count","state":"seen","key":5,"value":1}', /^line 6: key: /],
      ['{"operator":"count","state":"seen","key":null,"value":1}', /^line 7: key: /],
      ['{"operator":"count","state":"seen","key":"b"}', /^line 8: value: there is none/],
      ['{"operator":"count","state":"seen","key":"b","value":"1"}', /^line 9: value: .*number/],
      [
        '{"operator":"id","state":"byDay","key":12345678901234567891,"mapKey":1,"value":1}',
        /^line 10: the number 12345678901234567891 would be rounded/,
      ],
      [
        '{"operator":"id","state":"byDay","key":1,"mapKey":1,"value":1e999}',
        /^line 11: the number 1e999 would be rounded/,
      ],
      [Buffer.from([0x7b, 0xff, 0x7d]), /^line 12: not UTF-8/],
      [
        `{"operator":"count","state":"last","key":"${'x'.repeat(400)}"}`,
        /^line 13: longer than the 300 bytes allowed/,
      ],
      [
        '{"operator":"id","state":"byDay","key":1,"mapKey":1,"value":{"$date":"soon"}}',
        /^line 14: value: .*\$date/,
      ],
      ['{"operator":"count","state":7,"key":"b","value":1}', /^line 15: state is text/],
      ['{"operator":"count","state":"last","key":"\\ud800","value":1}', /^line 16: key: /],
      ['{"operator":"count","state":"last","key":"z","value":"\\ud800"}', /^line 17: value: /],
      ['{"operator":"id","state":"alarm","key":1,"mapKey":5,"value":5}', /^line 18: value: a timer has none/],
      ['{"operator":"count","state":"seen","key":"a","value":2}', /^line 19: its entry is in line 1, too/],
    ];
    const text = Buffer.concat(bad.flatMap(([line]) => [Buffer.from(line), Buffer.from('\r\n')]));
    const [head, ...found] = await refusedWith(() => lines(text, { most: 300 }));
    assert.match(head ?? '', /18 findings/);
    const wanted = bad.slice(1);
    assert.equal(found.length, wanted.length, found.join('\n'));
    for (const [i, [, pattern]] of wanted.entries()) assert.match(found[i] ?? '', pattern);
  });

  test('are shown up to fifty, and counted', async () => {
    const [head, ...found] = await refusedWith(() => lines('{}\n'.repeat(3_000), { only: 'count.seen' }));
    assert.match(head ?? '', /3000 findings/);
    assert.equal(found.length, 51);
    assert.equal(found.at(-1), 'and 2950 more');
  });

  test('of CSV', async () => {
    const text =
      '\ufeffkey,value\r\na,1\r\n\r\nb\r\nc,1,2\r\n"d""e",x\r\n"two\nlines",2\r\nf"g"x,3\r\na,4\r\n"h,5\r\n';
    const found = await refusedWith(() => csv(text, { only: 'count.seen' }));
    assert.match(found[0] ?? '', /6 findings/);
    assert.deepEqual(
      found.slice(1).map((line) => line.slice(0, 20)),
      [
        'line 4: 1 fields, th',
        'line 5: 3 fields, th',
        'line 6: value: a str',
        'line 9: not CSV: Inv',
        'line 10: its entry i',
        'line 11: a quote tha',
      ],
    );
  });
});

describe('rows of others', () => {
  test('CSV: text is text, and typed where the state is', async () => {
    const seen = await csv('word;n\nwhale;007\nsea;-1.5e2\n', {
      only: 'count.seen',
      delimiter: ';',
      flags: { keys: ['word'], value: 'n' },
    });
    assert.deepEqual(await shown(seen.archive, 'seen'), [
      ['sea', -150],
      ['whale', 7],
    ]);
    const last = await csv('key,zip,note\n1,007,"{""a"":1}"\n', { only: 'count.last' });
    assert.deepEqual(await shown(last.archive, 'last').then((all) => all[0]), [
      '1',
      { zip: '007', note: '{"a":1}' },
    ]);
    const long = await csv('who,day,n\n9007199254740993,mon,1\n5,tue,2\n', {
      only: 'id.byDay',
      flags: { keys: ['who'], mapKey: 'day', value: 'n', json: ['n'] },
    });
    assert.deepEqual(await shown(long.archive, 'byDay'), [
      [5, 'tue', 2],
      [{ $bigint: '9007199254740993' }, 'mon', 1],
    ]);
  });

  test('CSV: what a key of type auto is, is not guessed', async () => {
    const flags = { keys: ['id'], value: 'v' };
    assert.match(
      (await refusedWith(() => csv('id,v\n5,x\n', { only: 'auto.last', flags })))[0] ?? '',
      /^line 2: 5 may be text or not/,
    );
    const text = await csv('id,v\n5,x\n', { only: 'auto.last', flags: { ...flags, text: ['id'] } });
    assert.deepEqual(await shown(text.archive, 'last'), [
      ['5', 'x'],
      ['a', 'kept'],
    ]);
    const json = await csv('id,v\n5,x\n', { only: 'auto.last', flags: { ...flags, json: ['id'] } });
    assert.deepEqual(await shown(json.archive, 'last'), [
      ['a', 'kept'],
      [5, 'x'],
    ]);
  });

  test('JSON lines with fields of their own', async () => {
    const text = '{"user":"u","n":5,"$odd":[1]}\n{"user":"v","n":{"$bigint":"5"}}\n';
    const { archive } = await lines(text, { only: 'count.last', flags: { keys: ['user'] } });
    assert.deepEqual(await shown(archive, 'last'), [
      ['u', { n: 5, $odd: [1] }],
      ['v', { n: { $bigint: '5' } }],
    ]);
    const pair = await lines('{"a":"x","b":7,"v":1}', {
      only: 'pair.last',
      flags: { keys: ['a', 'b'], value: 'v' },
    });
    assert.deepEqual(await shown(pair.archive, 'last').then((all) => all[1] ?? all), [['x', 7], 1]);
  });

  test('columns that make no entries are refused before any row', async () => {
    const cases: readonly (readonly [string, string, Parameters<Port['import']>[3], RegExp])[] = [
      ['count.seen', 'word,n\n', {}, /no column key for the key; the columns are word, n/],
      ['count.seen', 'key,value,n\n', {}, /the column "n" is no part of count.seen/],
      ['count.seen', 'key\n', {}, /no column is the value/],
      ['count.seen', 'key,key,value\n', {}, /"key" is there twice/],
      ['count.seen', 'a,b\n', { flags: { keys: ['x'] } }, /--key x: there is no such column/],
      [
        'pair.last',
        'a,b\n',
        { flags: { keys: ['a'] } },
        /1 columns for keys of type tuple\(string,int\), which has 2/,
      ],
      ['count.seen', 'key,v\n', { flags: { mapKey: 'v' } }, /count.seen has none/],
    ];
    for (const [only, text, options, pattern] of cases)
      assert.match((await refusedWith(() => csv(`${text}1,2,3\n`, { ...options, only })))[0] ?? '', pattern);
    const [unclear] = await refusedWith(() => csv('key,value\n'));
    assert.equal(unclear, 'it is not clear which state the rows are of');
  });

  test('of another delimiter are told so', async () => {
    for (const [only, delimiter] of [
      ['count.seen', "';'"],
      ['auto.last', "$'\\t'"],
    ] as const) {
      const text = only === 'count.seen' ? 'key;value\na;1\n' : 'key\tvalue\na\t1\n';
      await assert.rejects(
        csv(text, { only }),
        (error: TidemarkError) => error.details.hint === `if they are several: --delimiter ${delimiter}`,
      );
    }
  });
});

describe('SQLite files', () => {
  /** A file of these statements. */
  function database(...statements: readonly string[]): { readonly path: string } {
    const path = port.path('db');
    const db = Sqlite.open(path, { create: true, busyTimeout: 0, what: 'test' });
    for (const statement of statements) db.exec(statement);
    db.close();
    return { path };
  }

  const load = (data: { readonly path: string }, options: Parameters<Port['import']>[3] = {}) =>
    port.import(base, data, 'sqlite', options);

  test('integers, reals, blobs, text and NULL are what they are', async () => {
    const data = database(
      'CREATE TABLE t (id, a, b, c, d, e, "$f")',
      `INSERT INTO t VALUES (1, 9007199254740993, 0.5, x'00ff', 'it''s {"x":1}', NULL, 2.0)`,
      "INSERT INTO t VALUES (9223372036854775807, -9223372036854775808, 9e999, '', '', 0, -0.0)",
    );
    const { archive } = await load(data, { only: 'id.byDay', flags: { keys: ['id'], mapKey: 'b' } });
    const bytes = { $bytes: 'AP8=' };
    assert.deepEqual(await shown(archive, 'byDay'), [
      [1, 0.5, { a: { $bigint: '9007199254740993' }, c: bytes, d: `it's {"x":1}`, e: null, $f: 2 }],
      [
        { $bigint: '9223372036854775807' },
        { $number: 'Infinity' },
        { a: { $bigint: '-9223372036854775808' }, c: '', d: '', e: 0, $f: { $number: '-0' } },
      ],
    ]);
  });

  test('by a statement, also on an export; rows that are none are told', async () => {
    const data = database(
      'CREATE TABLE users (id TEXT, name TEXT, tags TEXT)',
      "INSERT INTO users VALUES ('a', 'Ann', '[1,2]'), (NULL, 'B', '[]'), ('a', 'C', '[3]'), ('d', 'D', 'x')",
      "INSERT INTO users VALUES ('e', CAST(x'41ff' AS TEXT), '[]')",
      'CREATE TABLE other (x)',
    );
    const only = 'count.last';
    const several = await refusedWith(() => load(data, { only }));
    assert.match(several[0] ?? '', /several tables: other, users/);
    const query = 'SELECT id AS key, name, tags FROM users';
    const found = await refusedWith(() => load(data, { only, query, flags: { json: ['tags'] } }));
    assert.deepEqual(
      found.slice(1).map((line) => line.slice(0, 32)),
      [
        'row 2: key: null is not a string',
        'row 3: its entry is in row 1, to',
        'row 4: not JSON: Unexpected toke',
        'row 5: name: text that is no UTF',
      ],
    );
    const good = `${query} WHERE key < 'e' AND json_valid(tags) GROUP BY id`;
    const { archive } = await load(data, { only, query: good, flags: { json: ['tags'] } });
    assert.deepEqual(await shown(archive, 'last'), [['a', { name: 'Ann', tags: [1, 2] }]]);

    const [[, path] = ['', '']] = await port.export(archive, 'sqlite');
    const again = await load({ path }, { only, query: `SELECT key || '!' AS key, value FROM "count.last"` });
    assert.deepEqual(await shown(again.archive, 'last'), [['a!', { name: 'Ann', tags: [1, 2] }]]);
    for (const sql of ['DELETE FROM users', 'SELEC', 'ATTACH ":memory:" AS x', 'SELECT 1; SELECT 2'])
      await refusedWith(() => load(data, { only, query: sql }));
    await refusedWith(() => load(data, { only, query: "SELECT 'k' AS key, json('{') AS value" }));
  });

  test('of an export of another version, or a newer one, or with less in it', async () => {
    const [[, path] = ['', '']] = await port.export(base, 'sqlite');
    const altered = async (sql: string) => {
      const db = Sqlite.open(path, { create: false, busyTimeout: 0, what: 'test' });
      db.exec(sql);
      db.close();
    };
    await altered(`UPDATE tidemark_states SET schema_version = 2 WHERE "table" = 'count.seen'`);
    assert.match(
      (await refusedWith(() => load({ path }), 'INCOMPATIBLE'))[0] ?? '',
      /count.seen was exported with schema version 2, here it is 1/,
    );
    await altered(`DELETE FROM tidemark_states WHERE "table" = 'count.seen'`);
    await load({ path });
    await refusedWith(() => load({ path }, { only: 'count.seen' }), 'STATE_NOT_FOUND');
    await altered(`UPDATE tidemark_states SET operator = 'gone'`);
    await refusedWith(() => load({ path }), 'STATE_NOT_FOUND');
    await altered('UPDATE tidemark_states SET format = 2');
    await refusedWith(() => load({ path }), 'FORMAT_NEWER');
  });

  test('that are damaged or none', async () => {
    const path = port.path('db');
    const { writeFile } = await import('node:fs/promises');
    await writeFile(path, `SQLite format 3\0${'x'.repeat(2_000)}`);
    await refusedWith(() => load({ path }, { only: 'count.seen' }), 'CATALOG_CORRUPT');
  });
});
