/** Savepoints as people take, restore and look into them: real processes of bin/tidemark. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, open, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { JobRow, StatusDocument } from '../../src/job/status.js';
import { committedLines, countedLines, difference } from '../crash/harness.js';
import { COMMAND, environment, PACKAGE, type Result, Running, tidemark } from './command.js';

const JOBS = join(PACKAGE, 'fixtures', 'jobs');
const LONG = '1000000';
const KEYS = 10;

interface Saved {
  readonly path: string;
  readonly kind: string;
  readonly layout: string;
  readonly digest: string;
  readonly bytes: number;
  readonly checkpointId: number;
}

interface Snapshot extends Saved {
  readonly job: { readonly id: string; readonly name: string };
  readonly takenAt: string;
  readonly reason: string | null;
  readonly file: string;
}

interface Entry {
  readonly operator: string;
  readonly state: string;
  readonly keyGroup: number | null;
  readonly key: unknown;
  readonly mapKey?: unknown;
  readonly value: unknown;
}

/** A folder with a home, for one group of tests. */
class Place {
  cwd = '';

  async make(): Promise<void> {
    this.cwd = await mkdtemp(join(tmpdir(), 'tidemark-archives-'));
  }

  /** No process of a test outlives it. */
  async remove(): Promise<void> {
    const { code, stdout } = await this.run('list', '--json');
    for (const { id, state } of code === 0 ? (JSON.parse(stdout) as JobRow[]) : []) {
      if (state !== 'running' && state !== 'restarting' && state !== 'created') continue;
      const { pid } = await this.json<StatusDocument>('status', id);
      if (pid !== null) process.kill(pid, 'SIGKILL');
    }
    await rm(this.cwd, { recursive: true, force: true, maxRetries: 5 });
  }

  path(name: string): string {
    return join(this.cwd, name);
  }

  run(...args: string[]): Promise<Result> {
    return tidemark(args, { cwd: this.cwd });
  }

  async json<T>(...args: string[]): Promise<T> {
    const { code, stdout, stderr } = await this.run(...args, '--json');
    assert.equal(code, 0, stderr);
    return JSON.parse(stdout);
  }

  async rows<T>(...args: string[]): Promise<T[]> {
    const { code, stdout, stderr } = await this.run(...args, '--json');
    assert.equal(code, 0, stderr);
    return stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
  }

  /** Starts slow-count in the background, and waits until it has counted something. */
  async count(name: string, ...more: string[]): Promise<void> {
    const params = ['--param', `output=${name}`, '--param', 'rate=2000'];
    const start = [
      'run',
      join(JOBS, 'slow-count.ts'),
      '--name',
      name,
      ...params,
      '--checkpoint-interval',
      '200ms',
      '-d',
    ];
    await this.json(...start, ...(more.length > 0 ? more : ['--param', `count=${LONG}`]));
    await this.json('wait', name, '--until', 'checkpoint');
  }

  /** A bash line in which `tidemark` is the command; its status is that of the first part of the pipe. */
  bash(line: string): { readonly status: number | null; readonly stdout: string; readonly stderr: string } {
    const script = `tidemark() { "${process.execPath}" "${COMMAND}" "$@"; }; ${line}; exit \${PIPESTATUS[0]}`;
    const { status, stdout, stderr } = spawnSync('bash', ['-c', script], {
      cwd: this.cwd,
      env: environment(),
      encoding: 'utf8',
      timeout: 60_000,
    });
    return { status, stdout, stderr };
  }
}

function errorOf({ stderr }: Pick<Result, 'stderr'>): { code: string; message: string; hint?: string } {
  return JSON.parse(stderr.trimEnd().split('\n').at(-1) ?? '');
}

async function refused(place: Place, code: number, name: string, ...args: string[]): Promise<string> {
  const result = await place.run(...args, '--json');
  assert.equal(result.code, code, `${args.join(' ')}: ${result.stderr}`);
  const error = errorOf(result);
  assert.equal(error.code, name, error.message);
  assert.equal(typeof error.hint, 'string', `${name} has a hint`);
  return `${error.message}\n${error.hint}`;
}

/** Numbers of its one split that an archive has counted. */
function countedTo(summary: {
  operators: readonly { uid: string; splits: readonly { position: unknown }[] }[];
}): number {
  const position = summary.operators.find(({ uid }) => uid === 'numbers')?.splits[0]?.position;
  assert.ok(typeof position === 'object' && position !== null && 'done' in position);
  return Number(position.done);
}

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
    assert.equal(row?.file, 'stdout');
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
      /restoring steps from .*first\.tar.*\n {2}at parallelism 1 → 3: 2 states kept/,
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
    const { status, stderr } = place.bash('tidemark stop full -o - > /dev/full');
    assert.equal(status, 10, stderr);
    const kept = /it is kept: (.*)\n/.exec(stderr)?.[1] ?? '';
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

describe('archives that are there', () => {
  const place = new Place();
  const kinds = `
    import { defineJob, sequence, state, stdout, type } from 'tidemark';
    export default defineJob('kinds', { params: {} }, (job) => {
      job
        .source('numbers', sequence({ count: 1000000, rate: 500 }))
        .keyBy((n) => ['plain', '42', 'with "quotes"', 'q'][n % 4])
        .process('keep', {
          state: { last: state.value(), days: state.map(), all: state.list() },
          timers: { later: 'processing' },
          emits: type(),
          onElement(n, ctx) {
            if (ctx.state.days.size > 0) return;
            ctx.state.last.set({ big: 5n, at: new Date(0), none: undefined });
            ctx.state.days.set('mon', 1);
            ctx.state.days.set('tue', new Set([n < 0]));
            ctx.state.all.addAll([1, -0]);
            ctx.timers.later.set(4000000000000);
          },
          onTimer: { later() {} },
        })
        .sink('out', stdout());
    });`;
  let saved: Saved;
  let later: Saved;

  before(async () => {
    await place.make();
    await writeFile(place.path('kinds.ts'), kinds);
    await place.json('run', 'kinds.ts', '-d', '--checkpoint-interval', '0');
    await place.count('counter');
    saved = await place.json<Saved>(
      'savepoint',
      'counter',
      '-o',
      'before.tar',
      '--reason',
      'why\u001b[31m not',
    );
    await place.json('wait', 'counter', '--until', 'checkpoint');
    later = await place.json<Saved>('stop', 'counter', '-o', 'after.tar');
    await place.json('savepoint', 'kinds', '-o', 'kinds.tar');
    await place.json('suspend', 'kinds');
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

  describe('restore --dry-run', () => {
    it('prints the plan as a document and for people, and starts nothing', async () => {
      const args = ['restore', 'after.tar', '--dry-run', '-p', '4', '--name', 'other'];
      const plan = await place.json<Record<string, unknown>>(...args);
      assert.deepEqual(plan['parallelism'], { from: 1, to: 4 });
      assert.equal(plan['name'], 'other');
      assert.equal(plan['refusal'], null);
      assert.deepEqual(
        (plan['states'] as { name: string; action: string }[]).map(({ name, action }) => [name, action]),
        [
          ['count.seen', 'kept'],
          ['numbers', 'kept'],
        ],
      );
      const { code, stdout } = await place.run(...args);
      assert.equal(code, 0);
      assert.match(stdout, /parallelism +1 → 4 of at most 128\n/);
      assert.match(stdout, /^= +count\.seen +number +10 .* kept$/m);
      assert.match(stdout, /\n2 states kept\n$/);
      assert.deepEqual(
        (await place.json<JobRow[]>('list', '--all')).filter(({ name }) => name === 'other'),
        [],
      );
    });

    it('with a definition needs no home and makes none', async () => {
      const elsewhere = await mkdtemp(join(place.cwd, 'elsewhere-'));
      const args = ['restore', later.path, '--dry-run', '--definition', join(JOBS, 'slow-count.ts')];
      const env = { TIDEMARK_HOME: join(elsewhere, 'home') };
      const { code, stderr } = await tidemark(args, { cwd: elsewhere, env });
      assert.equal(code, 0, stderr);
      assert.deepEqual(await readdir(elsewhere), []);
      const without = await tidemark(['restore', later.path, '--dry-run', '--json'], { cwd: elsewhere, env });
      assert.equal(without.code, 4);
      assert.match(errorOf(without).hint ?? '', /--definition/);
      assert.deepEqual(await readdir(elsewhere), []);
    });

    it('ends as the real run would: a target that is ahead is exit 5, but not with rewind, mute or a new target', async () => {
      const dry = (...more: string[]) => place.run('restore', 'before.tar', '--dry-run', ...more);
      const ahead = await dry();
      assert.equal(ahead.code, 5, ahead.stderr);
      assert.match(ahead.stdout, /out +live .* transactions?\n/);
      assert.match(ahead.stderr, /target of sink out is ahead.*--sinks rewind/s);
      assert.match((await dry('--sinks', 'rewind')).stdout, /set aside/);
      for (const more of [
        ['--sinks', 'rewind'],
        ['--sinks', 'mute'],
        ['--param', 'output=fresh'],
      ]) {
        const { code, stderr } = await dry(...more);
        assert.equal(code, 0, `${more.join(' ')}: ${stderr}`);
      }
      await refused(place, 5, 'TARGET_AHEAD', 'restore', 'before.tar', '-d');
    });

    it('a definition that does not take the state is exit 6, each state named; leaving them behind is a choice', async () => {
      const other = ['--definition', join(JOBS, 'throws-at.ts')];
      const renamed = (await readFile(join(JOBS, 'slow-count.ts'), 'utf8')).replaceAll('seen', 'total');
      await writeFile(place.path('renamed.ts'), renamed);
      const args = ['restore', 'after.tar', '--dry-run', '--definition', 'renamed.ts'];
      const refusal = await place.run(...args);
      assert.equal(refusal.code, 6, refusal.stderr);
      assert.match(refusal.stdout, /^! +count\.seen/m);
      assert.match(refusal.stdout, /^\+ +count\.total/m);
      assert.match(refusal.stderr, /count\.seen: .*--allow-non-restored-state/s);
      const allowed = await place.run(...args, '--allow-non-restored-state');
      assert.equal(allowed.code, 0, allowed.stderr);
      assert.match(allowed.stdout, /^- +count\.seen .*left behind/m);
      const formerly = renamed.replace('state.number(0)', "state.number(0, { formerly: ['seen'] })");
      await writeFile(place.path('formerly.ts'), formerly);
      const moved = await place.run('restore', 'after.tar', '--dry-run', '--definition', 'formerly.ts');
      assert.equal(moved.code, 0, moved.stderr);
      assert.match(moved.stdout, /^~ +count\.seen .*is count\.total now/m);
      assert.equal((await place.run('restore', 'after.tar', '--dry-run', ...other)).code, 0);
    });

    it('warns when the name is held, and refuses what cannot be', async () => {
      const warned = await place.run('restore', 'kinds.tar', '--dry-run');
      assert.equal(warned.code, 0, warned.stderr);
      assert.match(warned.stderr, /warning: kinds \(\w+\) is suspended; .*--name/);
      await refused(place, 5, 'NAME_TAKEN', 'restore', 'kinds.tar', '-d');
      const over = ['--param', 'output=fresh'];
      await refused(place, 6, 'INCOMPATIBLE', 'restore', 'before.tar', '-p', '129', ...over);
      await refused(place, 6, 'INCOMPATIBLE', 'restore', 'before.tar', '--max-parallelism', '256', ...over);
      assert.match(await refused(place, 2, 'USAGE', 'restore', 'kinds'), /tidemark savepoint kinds/);
      await refused(place, 4, 'FILE_NOT_FOUND', 'restore', 'absent.tar');
      await refused(place, 4, 'FILE_NOT_FOUND', 'restore', 'before.tar', '--definition', 'absent.ts');
      const empty = await mkdtemp(join(place.cwd, 'empty-'));
      const none = await tidemark(['restore', 'absent.tar', '--home', 'h'], { cwd: empty });
      assert.equal(none.code, 4);
      assert.deepEqual(await readdir(empty), []);
    });
  });

  it('restore --sinks rewind sets the later lines aside: those of the snapshot and the rest are there once', async () => {
    const summary = await place.json<Parameters<typeof countedTo>[0]>('inspect', 'before.tar');
    const total = countedTo(summary) + 500;
    const ended = await place.json<JobRow>(
      'restore',
      'before.tar',
      '--sinks',
      'rewind',
      '--param',
      `count=${total}`,
    );
    assert.equal(ended.state, 'finished');
    assert.equal(difference(committedLines(place.path('counter')), countedLines(total, KEYS)), '');
  });
});
