/** Export and import from the outside: a job goes on from state that somebody changed, or made. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readdirSync, readFileSync, watch, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { EntryView } from '../../src/archive/entries-view.js';
import { openArchive } from '../../src/archive/read.js';
import { realDisk } from '../../src/base/real-disk.js';
import type { ImportedState } from '../../src/rewrite/import.js';
import { Sqlite } from '../../src/sqlite/sqlite.js';
import { COMMAND, environment } from './command.js';
import { JOBS, KEYS, Place, refused, type Saved } from './place.js';

const COUNT = 9_000;
const WORDS = 'Call me Ishmael\nthe whale the white whale\n';

type ImportedDocument = Omit<Saved, 'checkpointId'> & {
  readonly entries: number;
  readonly states: readonly ImportedState[];
};

describe('state that leaves tidemark and comes back', () => {
  const place = new Place();
  before(() => place.make());
  after(() => place.remove());

  const change = (name: string, ...statements: readonly string[]) => {
    const db = Sqlite.open(place.path(name), { create: true, busyTimeout: 0, what: 'test' });
    for (const statement of statements) db.exec(statement);
    db.close();
  };

  const output = (name: string) =>
    readdirSync(place.path(name))
      .filter((file) => file.startsWith('part-'))
      .flatMap((file) =>
        readFileSync(join(place.path(name), file), 'utf8')
          .trimEnd()
          .split('\n'),
      )
      .map((line): Record<string, unknown> => JSON.parse(line));

  it('a value is changed with SQL, and the job goes on from it', async () => {
    await place.count('shop', '--param', `count=${COUNT}`);
    const live = await place.rows<EntryView>('export', 'shop', '--state', 'count.seen');
    assert.equal(live.length, KEYS);
    const stopped = await place.json<Saved>('stop', 'shop', '-o', 'shop.tar');
    const exported = await place.json<{ entries: number; states: string[]; format: string }>(
      'export',
      'shop.tar',
      '-o',
      'shop.db',
    );
    assert.deepEqual(exported, {
      path: place.path('shop.db'),
      format: 'sqlite',
      entries: KEYS + 1,
      states: ['count.seen', 'numbers.splits'],
    });
    change('shop.db', 'UPDATE "count.seen" SET value = value + 1000000 WHERE key = 3');
    const imported = await place.json<ImportedDocument>(
      ...['import', 'shop.db', '--into', 'shop.tar', '-o', 'changed.tar', '--reason', 'three was miscounted'],
    );
    assert.notEqual(imported.digest, stopped.digest);
    assert.deepEqual(
      imported.states.map(({ name, rows, before: were, after: are }) => [name, rows, were, are]),
      [
        ['count.seen', KEYS, KEYS, KEYS],
        ['numbers.splits', 1, 1, 1],
      ],
    );
    const changed = await openArchive(realDisk, place.path('changed.tar'));
    assert.equal(changed.provenance.edited, true);
    await changed.close();
    const more = ['--param', 'output=changed', '--param', 'rate=1000000'];
    const restored = await place.run('restore', 'changed.tar', '--name', 'changed', ...more);
    assert.equal(restored.code, 0, restored.stderr);
    const last = new Map(output('changed').map(({ key, seen }) => [key, seen]));
    for (let key = 0; key < KEYS; key++)
      assert.equal(last.get(key), COUNT / KEYS + (key === 3 ? 1_000_000 : 0), `key ${key}`);

    await refused(place, 5, 'FILE_EXISTS', 'export', 'shop.tar', '-o', 'shop.db');
    const text = place.bash(
      'tidemark export shop.tar --quiet | tee all.jsonl | tidemark import - --into changed.tar -o back.tar --json',
    );
    assert.equal(text.status, 0, text.stderr);
    assert.equal((JSON.parse(text.stdout) as ImportedDocument).digest, stopped.digest);
    await refused(place, 2, 'USAGE', 'export', 'shop.tar', '-o', 'all.csv');
  });

  it('a first state is made from a plain table, and a job goes on from that', async () => {
    const definition = join(JOBS, 'word-count.ts');
    writeFileSync(place.path('words.txt'), WORDS);
    change(
      'old.db',
      'CREATE TABLE words (word TEXT PRIMARY KEY, occurrences INTEGER, noted TEXT)',
      "INSERT INTO words VALUES ('whale', 100, 'x'), ('sea', 7, NULL)",
    );
    const from = ['--definition', definition, '--state', 'count.seen', '--key', 'word'];
    const imported = await place.json<ImportedDocument>(
      'import',
      'old.db',
      ...from,
      '--value',
      'occurrences',
      '-o',
      'first.tar',
    );
    assert.deepEqual([imported.kind, imported.layout, imported.entries], ['savepoint', 'canonical', 2]);
    const params = ['--param', 'input=words.txt', '--param', 'output=words'];
    const restored = await place.run('restore', 'first.tar', '--definition', definition, ...params);
    assert.equal(restored.code, 0, restored.stderr);
    const last = Object.fromEntries(output('words').map(({ word, seen }) => [String(word), seen]));
    assert.deepEqual(last, { call: 1, me: 1, ishmael: 1, the: 2, whale: 102, white: 1 });

    const wrong = await refused(
      place,
      2,
      'USAGE',
      'import',
      'old.db',
      ...from,
      '--value',
      'noted',
      '-o',
      'wrong.tar',
    );
    assert.match(
      wrong,
      /row 1 of words: value: a string, no number\nrow 2 of words: value: a null, no number/,
    );
    await refused(place, 2, 'USAGE', 'import', 'old.db', '-o', 'wrong.tar');
    assert.equal(readdirSync(place.cwd).includes('wrong.tar'), false);
  });

  it('what the definition does not take gets no name', async () => {
    writeFileSync(
      place.path('typed.ts'),
      `import { codec, defineJob, fromArray, key, state, stdout, type } from 'tidemark';
       const even = { '~standard': { version: 1, vendor: 'here', validate: (value) =>
         value % 2 === 0 ? { value } : { issues: [{ message: 'odd' }] } } };
       export default defineJob('typed', {}, (job) => {
         job.source('none', fromArray<string>([])).keyBy((k) => k, key.string)
           .process('p', { state: { n: state.value<number>(even) }, emits: type<string>(), onElement() {} })
           .sink('out', stdout());
       });`,
    );
    const rows = ['--definition', 'typed.ts', '--state', 'p.n', '-o', 'typed.tar'];
    writeFileSync(place.path('n.jsonl'), '{"key":"a","value":2}\n{"key":"b","value":3}\n');
    const message = await refused(place, 6, 'INCOMPATIBLE', 'import', 'n.jsonl', ...rows);
    assert.match(message, /p\.n.*"b".*odd.*mend the rows/s);
    assert.deepEqual(
      readdirSync(place.cwd).filter((name) => /typed\.tar|\.tmp$/.test(name)),
      [],
    );
  });

  it('Ctrl-C leaves nothing', async () => {
    const began = new Promise<void>((resolve) => {
      const watcher = watch(place.cwd, (_, name) => {
        if (name?.endsWith('.tmp') !== true) return;
        watcher.close();
        resolve();
      });
    });
    const args = ['import', '-', '--into', 'shop.tar', '-o', 'never.tar'];
    const child = spawn(process.execPath, [COMMAND, ...args], {
      cwd: place.cwd,
      env: environment(),
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    child.stdin.write('{"operator":"count","state":"seen","key":1,"value":1}\n');
    const ended = new Promise((resolve) => child.on('close', resolve));
    await began;
    child.kill('SIGINT');
    assert.equal(await ended, 130);
    assert.deepEqual(
      readdirSync(place.cwd).filter((name) => /never|\.tmp$/.test(name)),
      [],
    );
  });
});
