/** Archives that are there, as people look into, check, compare and restore them. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFile, mkdtemp, open, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { JobRow } from '../../src/job/status.js';
import { tidemark } from './command.js';
import { type Entry, errorOf, KEYS, Place, refused, type Saved, type Snapshot } from './place.js';
import { takeArchives } from './taken.js';

describe('archives that are there', () => {
  const place = new Place();
  let saved: Saved;
  let later: Saved;
  before(async () => {
    ({ saved, later } = await takeArchives(place));
  });
  after(() => place.remove());

  describe('snapshots', () => {
    it('lists what was taken, of one job or of all, and what became of the files', async () => {
      const all = await place.json<Snapshot[]>('snapshots');
      assert.deepEqual(
        all.map(({ job, kind, path, digest, file }) => [job.name, kind, path, digest, file]),
        [
          ['counter', 'savepoint', saved.path, saved.digest, 'there'],
          ['counter', 'stop', later.path, later.digest, 'there'],
          ['kinds', 'savepoint', place.path('kinds.tar'), all[2]?.digest, 'there'],
        ],
      );
      assert.equal(all[0]?.reason, 'why\u001b[31m not');
      assert.deepEqual(Object.keys(all[0] ?? {}).sort(), [
        'bytes',
        'checkpointId',
        'digest',
        'file',
        'job',
        'kind',
        'layout',
        'path',
        'reason',
        'takenAt',
      ]);
      assert.equal((await place.json<Snapshot[]>('snapshots', all[2]?.job.id ?? '')).length, 1);
      const { stdout } = await place.run('snapshots', 'counter');
      assert.match(stdout, /^JOB +CHECKPOINT +KIND/);
      assert.ok(!stdout.includes('\u001b'));
      await refused(place, 4, 'JOB_NOT_FOUND', 'snapshots', 'nobody');
    });

    it('tells files that are gone, changed or replaced', async () => {
      await copyFile(saved.path, place.path('copy.tar'));
      await writeFile(saved.path, 'x');
      assert.equal((await place.json<Snapshot[]>('snapshots'))[0]?.file, 'changed');
      await copyFile(later.path, saved.path);
      assert.equal((await stat(saved.path)).size, saved.bytes, 'only a look into it tells them apart');
      assert.equal((await place.json<Snapshot[]>('snapshots'))[0]?.file, 'changed');
      await rm(saved.path);
      assert.equal((await place.json<Snapshot[]>('snapshots'))[0]?.file, 'gone');
      await copyFile(place.path('copy.tar'), saved.path);
      assert.equal((await place.json<Snapshot[]>('snapshots'))[0]?.file, 'there');
      await place.json('resume', 'kinds');
      await place.json('savepoint', 'kinds', '-o', 'kinds.tar', '--force');
      await place.json('suspend', 'kinds');
      const files = (await place.json<Snapshot[]>('snapshots', 'kinds')).map(({ file }) => file);
      assert.deepEqual(files, ['replaced', 'there']);
    });
  });

  describe('inspect', () => {
    it('sums up an archive, in a document and for people', async () => {
      const summary = await place.json<Record<string, unknown>>('inspect', 'before.tar');
      for (const part of ['archive', 'capabilities', 'job', 'operators', 'totals'])
        assert.ok(Object.hasOwn(summary, part), part);
      const { code, stdout } = await place.run('inspect', 'before.tar');
      assert.equal(code, 0);
      assert.match(stdout, new RegExp(`digest +${saved.digest}\n`));
      assert.match(stdout, /count\.seen +number +auto +value +1 +10 /);
      assert.match(stdout, /reason +why\\x1b\[31m not\n/);
      assert.match(stdout, /numbers +"0" +\{"done":\d+\}/);
    });

    it('prints entries of a state, a line each, as many as asked for', async () => {
      const entries = await place.rows<Entry>('inspect', 'before.tar', '--state', 'count.seen');
      assert.equal(entries.length, KEYS);
      assert.deepEqual(Object.keys(entries[0] ?? {}), [
        'operator',
        'state',
        'keyGroup',
        'key',
        'namespace',
        'value',
      ]);
      const some = await place.rows<Entry>('inspect', 'before.tar', '--state', 'count.seen', '--limit', '3');
      assert.deepEqual(some, entries.slice(0, 3));
      const { stdout } = await place.run('inspect', 'before.tar', '--state', 'count.seen', '--limit', '3');
      assert.match(stdout, /^KEY GROUP +KEY +AT +VALUE\n(.+\n){3}$/);
      const splits = await place.rows<Entry>('inspect', 'before.tar', '--state', 'numbers.splits');
      assert.deepEqual(
        splits.map(({ key }) => key),
        ['0'],
      );
    });

    it('shows what JSON lacks in its tagged form, maps by row, timers by time', async () => {
      const [last] = await place.rows<Entry>(
        'inspect',
        'kinds.tar',
        '--state',
        'keep.last',
        '--key',
        'plain',
      );
      const value = {
        big: { $bigint: '5' },
        at: { $date: '1970-01-01T00:00:00.000Z' },
        none: { $undefined: true },
      };
      assert.deepEqual(last?.value, value);
      const days = await place.rows<Entry>('inspect', 'kinds.tar', '--state', 'keep.days', '--key', 'plain');
      assert.deepEqual(
        days.map(({ mapKey, value: day }) => [mapKey, day]),
        [
          ['mon', 1],
          ['tue', { $set: [false] }],
        ],
      );
      const [all] = await place.rows<Entry>('inspect', 'kinds.tar', '--state', 'keep.all', '--key', 'plain');
      assert.deepEqual(all?.value, [1, { $number: '-0' }]);
      const [timer] = await place.rows<Entry>(
        'inspect',
        'kinds.tar',
        '--state',
        'keep.later',
        '--key',
        'plain',
      );
      assert.equal(timer?.mapKey, 4_000_000_000_000);
    });

    it('reads --key as it prints keys, and as plain text', async () => {
      const find = async (key: string, where = 'kinds.tar') =>
        (await place.rows<Entry>('inspect', where, '--state', 'keep.last', '--key', key)).map(
          (entry) => entry.key,
        );
      assert.deepEqual(await find('plain'), ['plain']);
      assert.deepEqual(await find('"plain"'), ['plain']);
      assert.deepEqual(await find('"42"'), ['42']);
      assert.deepEqual(await find('with "quotes"'), ['with "quotes"']);
      const [five] = await place.rows<Entry>('inspect', 'before.tar', '--state', 'count.seen', '--key', '5');
      assert.equal(five?.key, 5);
      assert.match(
        await refused(
          place,
          4,
          'KEY_NOT_FOUND',
          'inspect',
          'before.tar',
          '--state',
          'count.seen',
          '--key',
          '"5"',
        ),
        /nothing for the key "5"/,
      );
      await refused(
        place,
        4,
        'KEY_NOT_FOUND',
        'inspect',
        'before.tar',
        '--state',
        'count.seen',
        '--key',
        '{"$bigint":"5"}',
      );
      await refused(
        place,
        2,
        'USAGE',
        'inspect',
        'before.tar',
        '--state',
        'count.seen',
        '--key',
        '{"$nope":5}',
      );
      await refused(place, 2, 'USAGE', 'inspect', 'before.tar', '--state', 'count.seen', '--key', 'null');
    });

    it('looks into the checkpoint of a job, which is pinned meanwhile and not after', async () => {
      const summary = await place.json<{
        archive: { path: null; kind: string };
        job: { checkpointId: number };
      }>('inspect', 'kinds');
      assert.deepEqual([summary.archive.path, summary.archive.kind], [null, 'checkpoint']);
      const named = await place.json('inspect', `kinds@${summary.job.checkpointId}`);
      assert.deepEqual(named, summary);
      const read = async (from: string) => {
        const days = await place.rows<Entry>('inspect', from, '--state', 'keep.days');
        return days
          .map(({ keyGroup, key, mapKey, value }) => JSON.stringify({ keyGroup, key, mapKey, value }))
          .sort();
      };
      assert.deepEqual(await read('kinds'), await read('kinds.tar'));
      const [last] = await place.rows<Entry>('inspect', 'kinds', '--state', 'keep.last', '--key', 'q');
      assert.equal(last?.key, 'q');
      await refused(place, 4, 'KEY_NOT_FOUND', 'inspect', 'kinds', '--state', 'keep.last', '--key', 'absent');
      assert.match(
        (await place.run('inspect', 'kinds')).stdout,
        /^checkpoint +kinds@\d+\nformat +version 1, native, full/,
      );
      const [row] = (await place.json<{ retainedBy: string[] }[]>('checkpoints', 'kinds')).slice(-1);
      assert.ok(row?.retainedBy.includes('pin') === false, String(row?.retainedBy));
    });

    it('names what is not there, and what was meant', async () => {
      assert.match(
        await refused(place, 4, 'STATE_NOT_FOUND', 'inspect', 'before.tar', '--state', 'count.sen'),
        /it has count\.seen, numbers\.splits/,
      );
      await refused(place, 4, 'FILE_NOT_FOUND', 'inspect', 'absent.tar');
      await refused(place, 4, 'JOB_NOT_FOUND', 'inspect', 'nobody');
      await refused(place, 4, 'CHECKPOINT_NOT_FOUND', 'inspect', 'kinds@4711');
      assert.match(
        await refused(place, 4, 'CHECKPOINT_NOT_FOUND', 'inspect', 'counter'),
        /tidemark snapshots counter/,
      );
      assert.match(await refused(place, 4, 'JOB_NOT_FOUND', 'inspect', 'kinds.ts'), /\.\/kinds\.ts/);
      await refused(place, 2, 'USAGE', 'inspect', 'kinds@last');
      await refused(place, 2, 'USAGE', 'inspect', 'before.tar', '--key', '5');
      await refused(place, 2, 'USAGE', 'inspect', 'before.tar', '--limit', '5');
      await refused(place, 2, 'USAGE', 'inspect', 'before.tar', '--state', 'count.seen', '--limit', '0');
      await refused(place, 7, 'ARCHIVE_CORRUPT', 'inspect', './kinds.ts');
    });

    it('of a file needs no home, and makes none', async () => {
      const elsewhere = await mkdtemp(join(place.cwd, 'elsewhere-'));
      const { code } = await tidemark(['inspect', saved.path], {
        cwd: elsewhere,
        env: { TIDEMARK_HOME: join(elsewhere, 'h') },
      });
      assert.equal(code, 0);
      assert.deepEqual(await readdir(elsewhere), []);
    });
  });

  describe('verify', () => {
    it('finds nothing in what is whole: exit 0', async () => {
      for (const name of ['before.tar', 'after.tar', 'kinds.tar'])
        assert.deepEqual(await place.json('verify', name), { ok: true, findings: [] });
      const { code, stdout, stderr } = await place.run('verify', './before.tar');
      assert.deepEqual({ code, stdout }, { code: 0, stdout: '' });
      assert.match(stderr, /before\.tar is whole/);
    });

    it('lists what is wrong, by member and byte: exit 7, and restore starts nothing', async () => {
      const listed = spawnSync('tar', ['-xOf', saved.path, 'manifest.json'], { encoding: 'utf8' });
      const [{ name: member, offset: at }] = JSON.parse(listed.stdout).members;
      await copyFile(saved.path, place.path('bad.tar'));
      const file = await open(place.path('bad.tar'), 'r+');
      const bytes = await readFile(saved.path);
      await file.write(Buffer.of((bytes[at] ?? 0) ^ 1), 0, 1, at);
      await file.close();
      const { code, stdout, stderr } = await place.run('verify', 'bad.tar', '--json');
      assert.equal(code, 7, stderr);
      const found: {
        ok: boolean;
        findings: { code: string; member: string; offset: number; message: string }[];
      } = JSON.parse(stdout);
      assert.equal(found.ok, false);
      assert.ok(found.findings.length > 0);
      assert.ok(
        found.findings.some((finding) => finding.member === member),
        stdout,
      );
      assert.equal(errorOf({ stderr }).code, 'ARCHIVE_CORRUPT');
      const shown = await place.run('verify', 'bad.tar');
      assert.equal(shown.code, 7);
      assert.ok(shown.stdout.includes(member));
      const jobs = await place.json<JobRow[]>('list', '--all');
      assert.equal(
        (await place.run('restore', 'bad.tar', '--name', 'bad', '-d', '--param', 'output=bad')).code,
        7,
      );
      const after = await place.json<JobRow[]>('list', '--all');
      assert.deepEqual(
        after.filter(({ state }) => state === 'running'),
        jobs.filter(({ state }) => state === 'running'),
      );
    });

    it('takes files only', async () => {
      await refused(place, 4, 'FILE_NOT_FOUND', 'verify', 'absent.tar');
      await refused(place, 2, 'USAGE', 'verify', 'kinds');
    });
  });

  describe('diff', () => {
    it('counts what differs, and exits with 9 where that is asked for', async () => {
      const found = await place.json('diff', 'before.tar', 'after.tar');
      assert.deepEqual(found, {
        equal: false,
        operators: [
          { uid: 'count', states: [{ name: 'seen', added: 0, removed: 0, changed: KEYS }] },
          { uid: 'numbers', states: [{ name: 'splits', added: 0, removed: 0, changed: 1 }] },
        ],
      });
      assert.equal((await place.run('diff', 'before.tar', 'after.tar', '--exit-code')).code, 9);
      const { code, stdout } = await place.run('diff', 'before.tar', 'after.tar');
      assert.equal(code, 0);
      assert.match(stdout, /^STATE +ADDED +REMOVED +CHANGED\ncount\.seen +0 +0 +10\n/);
      const same = await place.run('diff', 'before.tar', saved.path, '--exit-code');
      assert.deepEqual([same.code, same.stdout], [0, '']);
      assert.match(same.stderr, /the same state/);
    });

    it('--state lists the entries that differ, before and after', async () => {
      const rows = await place.rows<Entry & { change: string; before: number; after: number }>(
        'diff',
        'before.tar',
        'after.tar',
        '--state',
        'count.seen',
      );
      assert.equal(rows.length, KEYS);
      for (const { change, before: was, after: is } of rows) assert.ok(change === 'changed' && was < is);
      const some = await place.rows(
        'diff',
        'before.tar',
        'after.tar',
        '--state',
        'count.seen',
        '--limit',
        '2',
      );
      assert.deepEqual(some, rows.slice(0, 2));
      const other = await place.rows<{ change: string }>(
        'diff',
        'before.tar',
        'kinds.tar',
        '--state',
        'keep.last',
      );
      assert.deepEqual(
        other.map(({ change }) => change),
        Array.from({ length: 4 }, () => 'added'),
      );
      assert.equal(
        (await place.run('diff', 'before.tar', saved.path, '--state', 'count.seen', '--exit-code')).code,
        0,
      );
      assert.equal(
        (await place.run('diff', 'before.tar', 'after.tar', '--state', 'count.seen', '--exit-code')).code,
        9,
      );
    });

    it('refuses jobs, wrong states, and what is not there', async () => {
      assert.match(
        await refused(place, 2, 'USAGE', 'diff', 'before.tar', 'kinds'),
        /tidemark savepoint kinds/,
      );
      await refused(place, 4, 'STATE_NOT_FOUND', 'diff', 'before.tar', 'after.tar', '--state', 'x.y');
      await refused(place, 4, 'FILE_NOT_FOUND', 'diff', 'before.tar', 'absent.tar');
      await refused(place, 2, 'USAGE', 'diff', 'before.tar', 'after.tar', '--limit', '2');
    });
  });
});
