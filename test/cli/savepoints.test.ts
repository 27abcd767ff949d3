/** Savepoints as people take and restore them: real processes of bin/tidemark. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { CheckpointRow, JobRow, StatusDocument } from '../../src/job/status.js';
import { committedLines, countedLines, difference } from '../crash/harness.js';
import { Running } from './command.js';
import {
  countedTo,
  type Entry,
  errorOf,
  JOBS,
  KEYS,
  LONG,
  Place,
  refused,
  type Saved,
  type Snapshot,
} from './place.js';

describe('savepoint', () => {
  const place = new Place();
  before(async () => {
    await place.make();
    await place.count('counter');
  });
  after(() => place.remove());

  it('writes <job>-<checkpoint>.savepoint.tar here, prints its path, and the job runs on', async () => {
    const { code, stdout, stderr } = await place.run('savepoint', 'counter');
    assert.equal(code, 0, stderr);
    assert.match(stdout, /\/counter-\d+\.savepoint\.tar\n$/);
    assert.ok(stdout.startsWith(place.cwd));
    assert.match(stderr, /counter: savepoint of checkpoint \d+, .* digest [0-9a-f]{12}\n/);
    assert.equal((await stat(stdout.trimEnd())).isFile(), true);
    const status = await place.json<StatusDocument>('status', 'counter');
    assert.equal(status.state, 'running');
    assert.equal(status.saving, null);
  });

  it('--json has the shape of the contract, and the archive counts exactly its input up to the position', async () => {
    const saved = await place.json<Saved>(
      'savepoint',
      'counter',
      '-o',
      'exact.tar',
      '--reason',
      'to be sure',
    );
    assert.deepEqual(Object.keys(saved), ['path', 'kind', 'layout', 'digest', 'bytes', 'checkpointId']);
    assert.equal(saved.path, place.path('exact.tar'));
    assert.equal(saved.kind, 'savepoint');
    assert.equal(saved.layout, 'canonical');
    assert.equal(saved.bytes, (await stat(saved.path)).size);
    const summary = await place.json<Parameters<typeof countedTo>[0]>('inspect', 'exact.tar');
    const done = countedTo(summary);
    assert.ok(done > 0 && done < Number(LONG));
    const entries = await place.rows<Entry>('inspect', 'exact.tar', '--state', 'count.seen');
    const expected = Array.from({ length: KEYS }, (_, key) => [key, Math.floor((done - 1 - key) / KEYS) + 1]);
    assert.deepEqual(
      entries.map(({ key, value }) => [Number(key), Number(value)]).sort(([a = 0], [b = 0]) => a - b),
      expected,
    );
  });

  it('comes with a checkpoint of the same moment, which is as good as any', async () => {
    const both = await place.json<CheckpointRow & { savepoint: Saved }>(
      'checkpoint',
      'counter',
      '--with-savepoint',
      'beside.tar',
    );
    assert.equal(both.kind, 'asked');
    assert.equal(both.savepoint.checkpointId, both.id);
    assert.equal((await stat(place.path('beside.tar'))).size, both.savepoint.bytes);
    const args = ['checkpoint', 'counter', '--with-savepoint'];
    await refused(place, 5, 'FILE_EXISTS', ...args, 'beside.tar');
    await refused(place, 4, 'FILE_NOT_FOUND', ...args, 'none/');
    await refused(place, 2, 'USAGE', ...args, '-');
    await refused(place, 2, 'USAGE', 'checkpoint', 'counter', '--force');
    const { code, stdout, stderr } = await place.run(...args, 'beside.tar', '--force');
    assert.equal(code, 0, stderr);
    assert.equal(stdout, `${place.path('beside.tar')}\n`);
    assert.match(stderr, /counter: checkpoint \d+, .*\n.*counter: savepoint of checkpoint \d+, /);
  });

  it('-o takes a folder with a slash at its end, and refuses what is there, or cannot be', async () => {
    await mkdir(place.path('backups'));
    const saved = await place.json<Saved>('savepoint', 'counter', '-o', 'backups/');
    assert.match(saved.path, /\/backups\/counter-\d+\.savepoint\.tar$/);
    assert.match(await refused(place, 5, 'FILE_EXISTS', 'savepoint', 'counter', '-o', saved.path), /--force/);
    const again = await place.json<Saved>('savepoint', 'counter', '-o', saved.path, '--force');
    assert.ok(again.checkpointId > saved.checkpointId);
    assert.equal((await stat(saved.path)).size, again.bytes);
    await refused(place, 5, 'FILE_EXISTS', 'savepoint', 'counter', '-o', 'backups');
    assert.match(
      await refused(place, 4, 'FILE_NOT_FOUND', 'savepoint', 'counter', '-o', 'none/'),
      /mkdir -p/,
    );
    await refused(place, 4, 'FILE_NOT_FOUND', 'savepoint', 'counter', '-o', 'none/x.tar');
    await refused(place, 2, 'USAGE', 'savepoint', 'counter', '-o', '');
    assert.deepEqual(await readdir(place.path('backups')), [saved.path.split('/').at(-1)]);
  });

  it('-o - gives the archive to stdout and nothing else, and leaves nothing behind', async () => {
    const { status, stderr } = place.bash('tidemark savepoint counter -o - --json > piped.tar');
    assert.equal(status, 0, stderr);
    const saved: Saved = JSON.parse(stderr);
    assert.equal(saved.path, '-');
    assert.equal((await stat(place.path('piped.tar'))).size, saved.bytes);
    assert.equal((await place.json<{ archive: Saved }>('inspect', 'piped.tar')).archive.digest, saved.digest);
    const { id } = await place.json<StatusDocument>('status', 'counter');
    const left = await readdir(place.path(`.tidemark/jobs/${id}`));
    assert.deepEqual(
      left.filter((name) => name.startsWith('stdout-')),
      [],
    );
    const [row] = (await place.json<Snapshot[]>('snapshots', 'counter')).slice(-1);
    assert.deepEqual([row?.file, row?.path], ['stdout', '-']);
  });

  it('-o - whose reader goes away, or whose disk is full, says so by its exit code', {
    skip: !existsSync('/dev/full'),
  }, async () => {
    assert.equal(place.bash('tidemark savepoint counter -o - --quiet | true').status, 141);
    const { status, stderr } = place.bash('tidemark savepoint counter -o - > /dev/full');
    assert.equal(status, 10, stderr);
    const { id } = await place.json<StatusDocument>('status', 'counter');
    const left = await readdir(place.path(`.tidemark/jobs/${id}`));
    assert.deepEqual(
      left.filter((name) => name.startsWith('stdout-')),
      [],
    );
  });

  it('a job that is not there is exit 4', async () => {
    await refused(place, 4, 'JOB_NOT_FOUND', 'savepoint', 'nobody');
    await refused(place, 4, 'JOB_NOT_FOUND', 'stop', 'nobody');
  });
});

describe('savepoint --timeout', () => {
  const place = new Place();
  before(() => place.make());
  after(() => place.remove());

  it('is exit 8 while user code hangs, and says how to see what comes of it', async () => {
    const job = new Running(['run', join(JOBS, 'loops.ts'), '--param', 'output=out'], { cwd: place.cwd });
    await job.says(/runs from the beginning/);
    const counted = await place.json<StatusDocument>('status', 'loops');
    assert.equal(counted.state, 'running');
    const message = await refused(
      place,
      8,
      'TIMEOUT',
      'savepoint',
      'loops',
      '--timeout',
      '300ms',
      '-o',
      'late.tar',
    );
    assert.match(message, /it goes on.*\n.*tidemark snapshots loops/);
    const status = await place.json<StatusDocument>('status', 'loops');
    assert.equal(status.saving?.phase, 'checkpoint');
    assert.match((await place.run('status', 'loops')).stdout, /savepoint +taking its checkpoint/);
    await refused(place, 5, 'JOB_BUSY', 'savepoint', 'loops');
    assert.ok(!existsSync(place.path('late.tar')));
    job.child.kill('SIGKILL');
    await job.ended;
  });
});

describe('stop and restore', () => {
  const place = new Place();
  const COUNT = 6_000;
  before(() => place.make());
  after(() => place.remove());

  it('stopped, restored at 3 and at 2, run to the end: each number is counted and written once', async () => {
    await place.count('steps', '--param', `count=${COUNT}`);
    const first = await place.json<Saved>('stop', 'steps', '-o', 'first.tar');
    const [row] = await place.json<JobRow[]>('list', '--all');
    assert.deepEqual([row?.state, row?.endedBy], ['finished', 'stop']);

    const restored = await place.run('restore', 'first.tar', '-p', '3', '-d', '--json');
    assert.equal(restored.code, 0, restored.stderr);
    const started = JSON.parse(restored.stdout);
    assert.deepEqual(started, { id: started.id, name: 'steps', state: 'running' });
    assert.match(
      restored.stderr,
      /restoring steps from .*first\.tar.*\n {2}at parallelism 1 → 3: 1 state kept, 1 unproven/,
    );
    const status = await place.json<StatusDocument>('status', 'steps');
    assert.equal(status.operators.find(({ uid }) => uid === 'count')?.subtasks.length, 3);

    const second = await place.run('stop', 'steps');
    assert.equal(second.code, 0, second.stderr);
    assert.match(second.stderr, /steps is stopped with a savepoint of checkpoint \d+/);
    const path = second.stdout.trimEnd();
    const ended = await place.json<JobRow>('restore', path, '-p', '2');
    assert.deepEqual([ended.state, ended.endedBy, ended.parallelism], ['finished', 'input', 2]);
    assert.equal(difference(committedLines(place.path('steps')), countedLines(COUNT, KEYS)), '');

    const taken = await place.json<Snapshot[]>('snapshots', 'steps');
    assert.deepEqual(
      taken.map(({ kind, path: at, file }) => [kind, at, file]),
      [
        ['stop', first.path, 'there'],
        ['stop', path, 'there'],
      ],
    );
  });

  it('a stop that cannot be saved lets the job run on', async () => {
    await place.count('stays');
    await writeFile(place.path('taken.tar'), '');
    await refused(place, 5, 'FILE_EXISTS', 'stop', 'stays', '-o', 'taken.tar');
    await refused(place, 4, 'FILE_NOT_FOUND', 'stop', 'stays', '-o', 'none/x.tar');
    const { id } = await place.json<{ id: number }>('checkpoint', 'stays');
    assert.ok(id > 0);
    assert.equal((await place.json<StatusDocument>('status', 'stays')).state, 'running');
  });

  it('stop -o - never loses an archive that did not go out', { skip: !existsSync('/dev/full') }, async () => {
    await place.count('full');
    const { status, stderr } = place.bash('tidemark stop full -o - --json > /dev/full');
    assert.equal(status, 10, stderr);
    const kept = /it is kept: (.*)/.exec(errorOf({ stderr }).hint ?? '')?.[1] ?? '';
    assert.equal((await place.json<{ job: { name: string } }>('inspect', kept)).job.name, 'full');
    assert.equal((await place.json<Snapshot[]>('snapshots', 'full'))[0]?.file, 'there');

    await place.count('pipe');
    const piped = place.bash('tidemark stop pipe -o - | true');
    assert.equal(piped.status, 141);
    assert.match(piped.stderr, /it is kept: /);

    await place.count('whole');
    assert.equal(place.bash('tidemark stop whole -o - > whole.tar').status, 0);
    assert.equal((await place.json<JobRow>('restore', 'whole.tar', '-d', '--name', 'again')).name, 'again');
  });

  it('stop --drain is refused by restore without --after-drain', async () => {
    await place.count('drained');
    await place.json('stop', 'drained', '--drain', '-o', 'drained.tar');
    assert.match(await refused(place, 6, 'DRAINED', 'restore', 'drained.tar'), /--after-drain/);
    assert.equal(
      (await place.json<JobRow>('restore', 'drained.tar', '--after-drain', '-d')).state,
      'running',
    );
  });

  it('a job that is not live is exit 5, with what to type instead', async () => {
    await place.count('asleep');
    await place.json('suspend', 'asleep');
    assert.match(await refused(place, 5, 'JOB_NOT_RUNNING', 'savepoint', 'asleep'), /tidemark resume asleep/);
    await refused(place, 5, 'JOB_NOT_RUNNING', 'stop', 'asleep');
    await place.json('cancel', 'asleep');
    await refused(place, 5, 'JOB_ENDED', 'savepoint', 'asleep');
    await refused(place, 5, 'JOB_ENDED', 'stop', 'asleep');
  });
});
