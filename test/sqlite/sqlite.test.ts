import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { chooseBuild, Sqlite } from '../../src/sqlite/sqlite.js';
import { nativeError, sqliteError } from '../../src/sqlite/sqlite-errors.js';
import { tempFolder } from '../catalog/fixture.js';

const open = (path: string) => Sqlite.open(path, { create: true, busyTimeout: 0, what: 'catalog' });

test('the build follows the Node-API of this Node and what is installed', () => {
  const all = () => true;
  assert.equal(chooseBuild('9', all), 'better-sqlite3');
  assert.equal(chooseBuild('10', all), 'better-sqlite3-napi');
  assert.equal(
    chooseBuild('10', () => false),
    'better-sqlite3',
  );
  assert.equal(chooseBuild(undefined, all), 'better-sqlite3');
});

test('each kind of SQLite error has its code', () => {
  const code = (sqlite: string) =>
    sqliteError(Object.assign(new Error('text'), { code: sqlite }), 'catalog x').code;
  assert.deepEqual(
    {
      ...Object.fromEntries(
        [
          'SQLITE_CORRUPT',
          'SQLITE_CORRUPT_INDEX',
          'SQLITE_NOTADB',
          'SQLITE_FULL',
          'SQLITE_CANTOPEN',
          'SQLITE_PERM',
          'SQLITE_READONLY_DBMOVED',
          'SQLITE_IOERR_FSYNC',
          'SQLITE_BUSY',
          'SQLITE_BUSY_SNAPSHOT',
          'SQLITE_CONSTRAINT_CHECK',
        ].map((name) => [name, code(name)]),
      ),
    },
    {
      SQLITE_CORRUPT: 'CATALOG_CORRUPT',
      SQLITE_CORRUPT_INDEX: 'CATALOG_CORRUPT',
      SQLITE_NOTADB: 'CATALOG_CORRUPT',
      SQLITE_FULL: 'DISK_FULL',
      SQLITE_CANTOPEN: 'PERMISSION',
      SQLITE_PERM: 'PERMISSION',
      SQLITE_READONLY_DBMOVED: 'PERMISSION',
      SQLITE_IOERR_FSYNC: 'DISK_ERROR',
      SQLITE_BUSY: 'HOME_LOCKED',
      SQLITE_BUSY_SNAPSHOT: 'HOME_LOCKED',
      SQLITE_CONSTRAINT_CHECK: 'INTERNAL',
    },
  );
});

test('a full disk fails one transaction and leaves the connection usable', (t) => {
  const db = open(join(tempFolder(t), 'x.db'));
  db.exec('CREATE TABLE rows (a TEXT)');
  db.pragma('max_page_count = 4');
  const fill = () =>
    db.transaction(() => {
      db.run('INSERT INTO rows VALUES (?)', ['small']);
      db.run('INSERT INTO rows VALUES (?)', ['x'.repeat(100_000)]);
    });
  assert.throws(fill, { code: 'DISK_FULL', exitCode: 10 });
  assert.equal(db.run('INSERT INTO rows VALUES (?)', ['fits']), 1);
  assert.deepEqual(db.all('SELECT a FROM rows'), [{ a: 'fits' }]);
  db.close();
});

test('a writer that waits in vain says that the home is locked', (t) => {
  const path = join(tempFolder(t), 'x.db');
  const [one, two] = [open(path), open(path)];
  one.exec('CREATE TABLE rows (a)');
  one.transaction(() => {
    assert.throws(() => two.transaction(() => two.run('INSERT INTO rows VALUES (1)')), {
      code: 'HOME_LOCKED',
    });
  });
  assert.equal(two.run('INSERT INTO rows VALUES (1)'), 1);
  one.close();
  two.close();
});

test('what may not be read or written says so', (t) => {
  const folder = tempFolder(t);
  assert.throws(() => open(folder), { code: 'PERMISSION', exitCode: 10 });
  assert.throws(() => open(join(folder, 'no', 'x.db')), { code: 'FILE_NOT_FOUND' });
  const db = open(join(folder, 'x.db'));
  db.exec('CREATE TABLE rows (a)');
  db.pragma('query_only = ON');
  assert.throws(() => db.run('INSERT INTO rows VALUES (1)'), { code: 'PERMISSION' });
  db.close();
});

test('an inner transaction joins the outer one, and an error undoes both', (t) => {
  const db = open(join(tempFolder(t), 'x.db'));
  db.exec('CREATE TABLE rows (a)');
  const insert = (value: number) => db.transaction(() => db.run('INSERT INTO rows VALUES (?)', [value]));
  assert.throws(() =>
    db.transaction(() => {
      insert(1);
      throw new Error('changed my mind');
    }),
  );
  assert.deepEqual(db.all('SELECT a FROM rows'), []);
  db.close();
});

test('only errors of the native part are taken for such', () => {
  const coded = (code: string, message = 'x') =>
    nativeError(Object.assign(new Error(message), { code }), 'lib');
  assert.equal(coded('ERR_DLOPEN_FAILED')?.code, 'NATIVE_MODULE');
  assert.equal(coded('MODULE_NOT_FOUND')?.hint, 'npm rebuild better-sqlite3');
  assert.equal(
    nativeError(new Error('Could not locate the bindings file. Tried:\n → a'), 'lib')?.code,
    'NATIVE_MODULE',
  );
  assert.equal(
    nativeError(new Error('compiled against NODE_MODULE_VERSION 115'), 'lib')?.code,
    'NATIVE_MODULE',
  );
  assert.equal(coded('SQLITE_CANTOPEN'), undefined);
  assert.equal(nativeError(new Error('other'), 'lib'), undefined);
});

/** The compiled rooms alone in a folder, so that they find only the packages put there. */
function loadIn(folder: string): string {
  for (const room of ['base', 'sqlite'])
    cpSync(fileURLToPath(new URL(`../../src/${room}`, import.meta.url)), join(folder, room), {
      recursive: true,
    });
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
  const script = `import { Sqlite } from './sqlite/sqlite.js';
    try { Sqlite.open('x.db', { create: true, busyTimeout: 0, what: 'catalog' }); console.log('opened'); }
    catch (error) { console.log(error.code, error.exitCode, error.hint); }`;
  writeFileSync(join(folder, 'main.js'), script);
  return execFileSync(process.execPath, ['main.js'], { cwd: folder, encoding: 'utf8' }).trim();
}

function putPackage(folder: string, name: string, code: string): void {
  mkdirSync(join(folder, 'node_modules', name), { recursive: true });
  writeFileSync(
    join(folder, 'node_modules', name, 'package.json'),
    JSON.stringify({ name, main: 'index.js' }),
  );
  writeFileSync(join(folder, 'node_modules', name, 'index.js'), code);
}

test('a package that is absent, or built for another Node, is told with what to type', (t) => {
  const told = 'NATIVE_MODULE 10 npm rebuild better-sqlite3';
  assert.equal(loadIn(tempFolder(t)), told);
  const folder = tempFolder(t);
  const thrower = `module.exports = class { constructor() {
    throw Object.assign(new Error('was compiled against another'), { code: 'ERR_DLOPEN_FAILED' }); } };`;
  for (const name of ['better-sqlite3', 'better-sqlite3-napi']) putPackage(folder, name, thrower);
  assert.equal(loadIn(folder), told);
});
