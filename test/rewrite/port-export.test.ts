/** What an export leaves when it does not come to its end, and what is in it when it does. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import type { Archive } from '../../src/archive/read.js';
import { TidemarkError } from '../../src/base/errors.js';
import { realDisk } from '../../src/base/real-disk.js';
import type { ExportWork } from '../../src/rewrite/export-source.js';
import { exportCsv, exportLines } from '../../src/rewrite/export-text.js';
import { exportSqlite } from '../../src/rewrite/sqlite-export.js';
import { Sqlite } from '../../src/sqlite/sqlite.js';
import { operator, table } from '../archive/blocks.js';
import { FaultyDisk } from '../helpers/faulty-disk.js';
import { Port, sourceOf } from './porting.js';

const STATE = {
  operators: [operator('w', 'process', 'tuple(string,int)'), operator('count', 'process', 'string')],
  tables: [
    table(0, 'w', 'sum', 'aggregating'),
    table(1, 'w', 'event', 'event-timer'),
    table(2, 'count', 'last'),
    table(3, 'count', 'none'),
  ],
};

let port: Port;
let archive: Archive;
before(async () => {
  port = await Port.make();
  archive = await port.given(STATE, [
    [0, { key: ['LHR', 5], namespace: { window: [0, 3_600_000] }, value: { n: 2 } }],
    [1, { key: ['LHR', 5], mapKey: 3_600_000 }],
    [2, { key: '{odd}', value: 'a,"b"\n' }],
    [2, { key: 'x', value: 'true', expires: 4_000_000_000_000 }],
    [2, { key: 'y', value: true }],
    [2, { key: 'z', value: null }],
  ]);
});
after(() => port.remove());

const work = (more: Partial<ExportWork> = {}): ExportWork => {
  const source = sourceOf(archive);
  return { source, tables: source.tables, ...more };
};
const tableNamed = (name: string) => {
  const found = archive.manifest.tables.filter((each) => each.name === name);
  assert.equal(found.length, 1);
  return found;
};

test('CSV, as a spreadsheet reads it', async () => {
  const text = async (name: string) => {
    const path = port.path('csv');
    const tables = tableNamed(name);
    for (const each of tables) await exportCsv(realDisk, { path }, each, work({ tables }));
    return readFileSync(path, 'utf8').split('\n').filter(Boolean).sort();
  };
  assert.deepEqual(await text('sum'), [
    'LHR,5,0,3600000,"{""n"":2}"',
    'key_1,key_2,window_start,window_end,value',
  ]);
  assert.deepEqual(await text('event'), ['LHR,5,3600000', 'key_1,key_2,map_key']);
  assert.deepEqual(await text('none'), ['key,value']);
  assert.deepEqual(await text('last'), [
    '",',
    'key,value,expires',
    'x,"""true""",4000000000000',
    'y,true,',
    'z,null,',
    '{odd},"a,""b""',
  ]);
});

test('SQLite, as SQL reads it', async () => {
  const path = port.path('db');
  assert.equal(await exportSqlite(realDisk, { path }, work()), 6);
  const db = Sqlite.open(path, { create: false, busyTimeout: 0, what: 'test', readonly: true });
  const rows = (sql: string) => [...db.query(sql).rows()];
  assert.deepEqual(rows(`SELECT *, value ->> '$.n' FROM "w.sum"`), [
    ['LHR', 5n, 0n, 3_600_000n, '{"n":2}', 2n],
  ]);
  assert.deepEqual(rows('SELECT * FROM "w.event"'), [['LHR', 5n, 3_600_000n]]);
  assert.deepEqual(rows('SELECT key, value, expires FROM "count.last" ORDER BY key'), [
    ['x', '"true"', 4_000_000_000_000n],
    ['y', 'true', null],
    ['z', null, null],
    ['{odd}', 'a,"b"\n', null],
  ]);
  assert.deepEqual(rows('SELECT "table", kind, key_type, entries FROM tidemark_states ORDER BY 1'), [
    ['count.last', 'value', 'string', 4n],
    ['count.none', 'value', 'string', 0n],
    ['w.event', 'event-timer', 'tuple(string,int)', 1n],
    ['w.sum', 'aggregating', 'tuple(string,int)', 1n],
  ]);
  db.close();
});

test('ended by a signal, or where a file is, nothing new is there', async () => {
  const path = port.path('any');
  await exportLines(realDisk, { path }, work());
  const there = readdirSync(port.folder);
  const tables = tableNamed('last');
  for (const write of [
    (output: { path: string; force?: boolean }, given: ExportWork) => exportLines(realDisk, output, given),
    (output: { path: string; force?: boolean }, given: ExportWork) => exportSqlite(realDisk, output, given),
    (output: { path: string; force?: boolean }, given: ExportWork) =>
      exportCsv(realDisk, output, tables[0] ?? assert.fail(), given),
  ]) {
    const reason = new TidemarkError('TIMEOUT', 'enough');
    await assert.rejects(
      write({ path: `${path}.new` }, work({ tables, signal: AbortSignal.abort(reason) })),
      reason,
    );
    await assert.rejects(write({ path }, work({ tables })), { code: 'FILE_EXISTS' });
    await assert.rejects(write({ path: `${path}/in/a/file` }, work({ tables })), TidemarkError);
    assert.deepEqual(readdirSync(port.folder), there);
    await write({ path, force: true }, work({ tables }));
    assert.deepEqual(readdirSync(port.folder), there);
  }
});

test('beside an SQLite file that is written is no journal: on a full disk it would stay', async () => {
  const given = work();
  const during: string[] = [];
  const entries: ExportWork['source']['entries'] = (table) => {
    during.push(...readdirSync(port.folder));
    return given.source.entries(table);
  };
  await exportSqlite(realDisk, { path: port.path('db') }, { ...given, source: { ...given.source, entries } });
  assert.ok(during.some((name) => name.endsWith('.tmp')));
  assert.deepEqual(
    during.filter((name) => name.endsWith('-journal')),
    [],
  );
});

test('on a disk that fails at any point, there is all or nothing', async () => {
  const whole = new FaultyDisk();
  await whole.mkdir('/out');
  await exportLines(whole, { path: '/out/a' }, work());
  const bytes = whole.peek('/out/a')?.toString();
  for (let at = 1; at <= whole.operations.length; at++) {
    const disk = new FaultyDisk();
    await disk.mkdir('/out');
    disk.failFrom(at, 'ENOSPC');
    const failed = await exportLines(disk, { path: '/out/a' }, work()).then(
      () => undefined,
      (error: unknown) => error,
    );
    // A second name that cannot be removed is no failure of the export.
    if (failed !== undefined)
      assert.ok(failed instanceof TidemarkError && failed.code === 'DISK_FULL', String(failed));
    if (failed instanceof TidemarkError)
      assert.match(`${failed.message} ${failed.hint}`, /\/out.*free some space/s);
    const left = disk.peek('/out/a')?.toString();
    assert.ok(left === undefined || left === bytes);
  }
});
