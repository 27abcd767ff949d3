/** Jobs as people run them: real processes of bin/tidemark on real input, started, steered and killed. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { callControl } from '../../src/control/client.js';
import type { JobRow, StatusDocument } from '../../src/job/status.js';
import { endAll } from '../crash/harness.js';
import { COMMAND, environment, PACKAGE, type Result, Running, tidemark } from './command.js';

const JOBS = join(PACKAGE, 'fixtures', 'jobs');
const LONG = '1000000';

let cwd = '';
let homes: string[] = [];
beforeEach(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'tidemark-jobs-'));
  homes = [join(cwd, '.tidemark')];
});
afterEach(async () => {
  for (const home of homes) endAll(home);
  await rm(cwd, { recursive: true, force: true });
});

const run = (...args: string[]): Promise<Result> => tidemark(args, { cwd });

async function json<T>(...args: string[]): Promise<T> {
  const { code, stdout, stderr } = await run(...args, '--json');
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout);
}

function errorOf({
  stderr,
}: Result): { code: string; message: string; hint?: string } & Record<string, string> {
  return JSON.parse(stderr.trimEnd().split('\n').at(-1) ?? '');
}

function slowCount(...more: string[]): string[] {
  return [
    'run',
    join(JOBS, 'slow-count.ts'),
    '--param',
    'output=out',
    '--checkpoint-interval',
    '100ms',
    ...more,
  ];
}

/** The committed output of slow-count: for each key 1, 2, 3, … once each. Returns how many lines there are. */
async function countedOnce(folder = 'out'): Promise<number> {
  const seen = new Map<number, number[]>();
  let lines = 0;
  for (const part of (await readdir(join(cwd, folder))).filter((name) => name.startsWith('part-'))) {
    for (const line of (await readFile(join(cwd, folder, part), 'utf8')).split('\n').slice(0, -1)) {
      const { key, seen: count } = JSON.parse(line) as { key: number; seen: number };
      seen.set(key, [...(seen.get(key) ?? []), count]);
      lines++;
    }
  }
  for (const counts of seen.values()) {
    assert.deepEqual(
      counts.sort((a, b) => a - b),
      counts.map((_, at) => at + 1),
    );
  }
  return lines;
}

/** How far slow-count's one split has been read. */
function readTo(status: StatusDocument): number {
  const position = status.operators[0]?.subtasks[0]?.splits[0]?.position;
  assert.ok(typeof position === 'object' && position !== null && 'done' in position);
  return Number(position.done);
}

describe('a job in the foreground', () => {
  it('reads its input, writes its output, and says on stderr how it went', async () => {
    await writeFile(join(cwd, 'book.txt'), 'To be, or not to be:\nthat is the question.\n');
    const args = [
      'run',
      join(JOBS, 'word-count.ts'),
      '--param',
      'input=book.txt',
      '--param',
      'output=counts',
    ];
    const { code, stdout, stderr } = await run(...args);
    assert.equal(code, 0, stderr);
    assert.equal(stdout, '');
    assert.match(stderr, /word-count is finished: 2 elements, 1 checkpoint/);
    const counts = new Map<string, number>();
    for (const part of await readdir(join(cwd, 'counts'))) {
      if (!part.startsWith('part-')) continue;
      for (const line of (await readFile(join(cwd, 'counts', part), 'utf8')).trimEnd().split('\n')) {
        const { word, seen } = JSON.parse(line);
        counts.set(word, Math.max(counts.get(word) ?? 0, seen));
      }
    }
    const expected = { to: 2, be: 2, or: 1, not: 1, that: 1, is: 1, the: 1, question: 1 };
    assert.deepEqual(
      Object.fromEntries([...counts].sort()),
      Object.fromEntries(Object.entries(expected).sort()),
    );
  });

  it('--json ends with the row of list, --quiet says nothing', async () => {
    const count = ['--param', 'count=100', '--param', 'rate=100000'];
    const row = await json<JobRow>(...slowCount(...count));
    assert.deepEqual(Object.keys(row), [
      'id',
      'name',
      'state',
      'endedBy',
      'parallelism',
      'startedAt',
      'restarts',
      'lastCheckpoint',
    ]);
    assert.equal(row.state, 'finished');
    assert.equal(row.endedBy, 'input');
    assert.deepEqual(await json('list', '--all'), [row]);
    assert.deepEqual(await json('list'), []);
    const quiet = await run(...slowCount(...count, '--quiet', '--param', 'output=second'));
    assert.deepEqual(quiet, { code: 0, stdout: '', stderr: '' });
    assert.equal(await countedOnce('second'), 100);
  });

  it('a signal suspends it (exit 130, 143, 129), and run --resume goes on to the end with nothing lost or doubled', async () => {
    const args = slowCount('--param', 'count=4000');
    let counted = 0;
    for (const [signal, code] of [
      ['SIGINT', 130],
      ['SIGTERM', 143],
      ['SIGHUP', 129],
    ] as const) {
      const job = new Running([...args, '--resume'], { cwd });
      await job.says(counted === 0 ? /runs from the beginning/ : /runs from checkpoint \d+/);
      assert.deepEqual(await run('wait', 'slow-count', '--until', 'checkpoint'), {
        code: 0,
        stdout: '',
        stderr: 'slow-count has a checkpoint\n',
      });
      job.child.kill(signal);
      const ended = await job.ended;
      assert.equal(ended.code, code, ended.stderr);
      assert.match(ended.stderr, /is suspended.*tidemark resume slow-count/);
      const [row] = await json<JobRow[]>('list');
      assert.equal(row?.state, 'suspended');
      assert.equal(row?.endedBy, 'signal');
      const before = await countedOnce();
      assert.ok(before > 0 && before >= counted && before < 4000);
      counted = before;
    }
    const resumed = await run(...args, '--resume');
    assert.equal(resumed.code, 0, resumed.stderr);
    assert.match(resumed.stderr, /runs from checkpoint \d+/);
    assert.equal(await countedOnce(), 4000);
    assert.equal((await json<JobRow[]>('list', '--all')).length, 1);
  });

  it('a second signal ends the process at once, even where user code never returns', async () => {
    const job = new Running(['run', join(JOBS, 'loops.ts'), '--param', 'output=out'], { cwd });
    await job.says(/runs from the beginning/);
    // Until it hangs, a signal would simply suspend it; once it does, a checkpoint gets no answer.
    while ((await run('checkpoint', 'loops', '--timeout', '200ms')).code !== 8);
    job.child.kill('SIGTERM');
    await job.says(/SIGTERM: suspending loops/);
    // One that follows at once is the first one come twice, as npm makes it; so it is sent until it counts.
    const again = setInterval(() => job.child.kill('SIGTERM'), 50);
    const { code } = await job.ended;
    clearInterval(again);
    assert.equal(code, 143);
    assert.equal((await json<JobRow[]>('list'))[0]?.state, 'lost');
  });

  it('user code that throws fails it: exit 3, and the operator, element and line are named', async () => {
    const args = ['run', join(JOBS, 'throws-at.ts'), '--param', 'output=out', '--restart', 'none'];
    const failed = await run(...args);
    assert.equal(failed.code, 3);
    assert.match(failed.stderr, /^error: throws-at \(\w+\) failed: .*element 1000 is bad/m);
    assert.match(failed.stderr, /operator +count\n/);
    assert.match(failed.stderr, /element +1000\n/);
    assert.match(failed.stderr, /source +.*throws-at\.ts:\d+:\d+\n/);
    const again = await run(...args, '--json', '--param', 'output=second');
    assert.equal(again.code, 3);
    const error = errorOf(again);
    assert.equal(error.code, 'USER_CODE');
    assert.equal(error['operator'], 'count');
    assert.equal(JSON.parse(again.stdout).state, 'failed');
    assert.match((await run('status', 'throws-at')).stdout, /error: .*element 1000 is bad/);
  });

  it('restarts after a failure, and says so', async () => {
    const args = [
      'run',
      join(JOBS, 'throws-at.ts'),
      '--param',
      'output=out',
      '--restart',
      'fixed-delay:10ms:2',
    ];
    const failed = await run(...args);
    assert.equal(failed.code, 3);
    assert.match(failed.stderr, /warning: throws-at failed: .*restarting in 10ms/s);
    assert.equal((await json<JobRow[]>('list'))[0]?.restarts, 2);
  });

  it('what a stdout sink writes is the only thing on stdout; without a reader the job ends quietly', async () => {
    const file = join(cwd, 'says.ts');
    await writeFile(
      file,
      `import { defineJob, param, sequence, stdout } from 'tidemark';
       export default defineJob('says', { params: { count: param.number() } }, (job, p) => {
         job.source('numbers', sequence({ count: p.count })).sink('out', stdout());
       });`,
    );
    const { code, stdout, stderr } = await run('run', file, '--param', 'count=3');
    assert.deepEqual({ code, stdout }, { code: 0, stdout: '0\n1\n2\n' }, stderr);
    const piped = `"${process.execPath}" "${COMMAND}" run says.ts --param count=100000000 --quiet | head -n 1; exit \${PIPESTATUS[0]}`;
    const headed = spawnSync('bash', ['-c', piped], { cwd, encoding: 'utf8', env: environment() });
    assert.deepEqual(
      { status: headed.status, stdout: headed.stdout, stderr: headed.stderr },
      { status: 141, stdout: '0\n', stderr: '' },
    );
  });
});

describe('a detached job', () => {
  it('runs, is looked at, suspended, resumed, canceled, and each command prints its shape', async () => {
    const started = await json<{ id: string }>(...slowCount('--param', `count=${LONG}`, '-d'));
    assert.deepEqual(started, { id: started.id, name: 'slow-count', state: 'running' });

    const status = await json<StatusDocument>('status', 'slow-count');
    assert.equal(status.id, started.id);
    assert.equal(status.cwd, cwd);
    assert.deepEqual(status.params, { output: 'out', count: LONG });
    assert.deepEqual(
      status.operators.map(({ uid, kind }) => `${kind} ${uid}`),
      ['source numbers', 'process count', 'sink out'],
    );
    assert.deepEqual(status.operators[1]?.subtasks[0]?.keyGroups, { start: 0, end: 127 });
    const later = await json<StatusDocument>('status', started.id.slice(0, 6));
    assert.ok(readTo(later) >= readTo(status));

    const taken = await json<{ id: number; state: string }>('checkpoint', 'slow-count');
    assert.equal(taken.state, 'completed');
    const rows = await json<{ id: number }[]>('checkpoints', 'slow-count');
    assert.ok(rows.some(({ id }) => id === taken.id));

    const suspended = await json('suspend', 'slow-count', '--timeout', '30s');
    assert.deepEqual(suspended, { id: started.id, name: 'slow-count', state: 'suspended' });
    assert.equal((await json<JobRow[]>('list'))[0]?.endedBy, 'suspend');
    const before = await countedOnce();
    assert.deepEqual(await json('resume', 'slow-count'), started);
    assert.deepEqual(await json('wait', 'slow-count', '--until', 'running'), started);
    assert.equal((await json<{ state: string }>('checkpoint', 'slow-count')).state, 'completed');
    assert.deepEqual(await json('cancel', 'slow-count'), { ...started, state: 'canceled' });
    assert.ok((await countedOnce()) > before);
    assert.deepEqual(await json('list'), []);

    const { stdout: log } = await run('logs', 'slow-count');
    assert.match(
      log,
      /running from the start.*checkpoint \d+.*suspended.*running from checkpoint.*canceled/s,
    );
  });

  it('outlives a kill -9: it is lost, says so everywhere, and resume loses and doubles nothing', async () => {
    await json(...slowCount('--param', 'count=5000', '-d'));
    await json('wait', 'slow-count', '--until', 'checkpoint');
    const { pid } = await json<StatusDocument>('status', 'slow-count');
    assert.ok(pid !== null);
    process.kill(pid, 'SIGKILL');
    while ((await json<JobRow[]>('list'))[0]?.state !== 'lost');

    for (const command of ['suspend', 'checkpoint']) {
      const refused = await run(command, 'slow-count', '--json');
      assert.equal(refused.code, 5);
      assert.equal(errorOf(refused).code, 'JOB_NOT_RUNNING');
      assert.match(errorOf(refused).hint ?? '', /tidemark resume slow-count/);
    }
    assert.equal((await run('wait', 'slow-count', '--until', 'finished')).code, 5);
    const status = await json<StatusDocument>('status', 'slow-count');
    assert.equal(status.state, 'lost');
    assert.notEqual(status.lastCheckpoint, null);

    assert.deepEqual(
      (await json<JobRow[]>('resume', '--all')).map(({ state }) => state),
      ['running'],
    );
    await json('wait', 'slow-count', '--until', 'finished', '--timeout', '60s');
    assert.equal(await countedOnce(), 5000);
  });

  it('logs -f and status --watch go on until the job ends', async () => {
    await json(...slowCount('--param', 'count=4000', '-d'));
    const log = new Running(['logs', 'slow-count', '-f', '--json'], { cwd });
    const watch = new Running(['status', 'slow-count', '--watch', '--json'], { cwd });
    const { code, stdout } = await log.ended;
    assert.equal(code, 0);
    const lines = stdout
      .trimEnd()
      .split('\n')
      .map((row) => JSON.parse(row).line as string);
    assert.match(lines.at(-1) ?? '', /state finished/);
    const watched = await watch.ended;
    assert.equal(watched.code, 0);
    const states = watched.stdout
      .trimEnd()
      .split('\n')
      .map((row) => (JSON.parse(row) as JobRow).state);
    assert.ok(states.length > 1);
    assert.equal(states.at(-1), 'finished');
  });

  it('that cannot start says why: exit 3, and nothing runs on', async () => {
    const file = join(cwd, 'no-start.ts');
    await writeFile(
      file,
      `import { collect, defineJob, sequence, type } from 'tidemark';
       export default defineJob('no-start', {}, (job) => {
         job.source('numbers', sequence({ count: 3 })).keyBy((n) => n).process('opens', {
           emits: type<number>(),
           open() { throw new Error('no database there'); },
           onElement() {},
         }).filter(() => false);
       });`,
    );
    const refused = await run('run', file, '-d', '--restart', 'none', '--json');
    assert.equal(refused.code, 3, refused.stderr);
    assert.equal(refused.stdout, '');
    assert.match(errorOf(refused).message, /no database there/);
    assert.equal(errorOf(refused)['operator'], 'opens');
    assert.deepEqual(
      (await json<JobRow[]>('list')).map(({ state }) => state),
      ['failed'],
    );
    const waited = await run('wait', 'no-start', '--until', 'finished', '--json');
    assert.equal(waited.code, 3);
    assert.equal(errorOf(waited).code, 'JOB_FAILED');
    // What is frozen would fail again: the hint says how to go on with other code.
    assert.match(errorOf(waited).hint ?? '', /resume no-start.*--definition FILE/);
  });

  it('writes what its stdout sink gives into its folder, not on the terminal of whoever started it', async () => {
    const file = join(cwd, 'says.ts');
    await writeFile(
      file,
      `import { defineJob, sequence, stdout } from 'tidemark';
       export default defineJob('says', {}, (job) => {
         job.source('numbers', sequence({ count: 3 })).sink('out', stdout());
       });`,
    );
    const { id } = await json<{ id: string }>('run', file, '-d');
    await json('wait', 'says', '--until', 'finished');
    assert.equal(await readFile(join(cwd, '.tidemark', 'jobs', id, 'stdout'), 'utf8'), '0\n1\n2\n');
  });
});

describe('commands that do not fit the state of a job', () => {
  it('a name that is taken, a job that runs already: exit 5 with what to type instead', async () => {
    await json(...slowCount('--param', `count=${LONG}`, '-d'));
    for (const args of [slowCount(), slowCount('--resume'), slowCount('-d'), ['resume', 'slow-count']]) {
      const refused = await run(...args, '--json');
      assert.equal(refused.code, 5, args.join(' '));
      assert.match(errorOf(refused).code, /^(NAME_TAKEN|JOB_RUNNING)$/);
      assert.match(errorOf(refused).hint ?? '', /tidemark/);
    }
    assert.equal((await run('wait', 'slow-count', '--until', 'finished', '--timeout', '50ms')).code, 8);
    assert.equal((await run('checkpoint', 'slow-count', '--full')).code, 0);
  });

  it('nothing comes after finished or canceled, and a job that is not there is exit 4', async () => {
    await json(...slowCount('--param', 'count=10'));
    for (const command of [['suspend'], ['cancel'], ['checkpoint'], ['resume']]) {
      const refused = await run(...command, 'slow-count', '--json');
      assert.equal(refused.code, 5, command.join(' '));
      assert.equal(errorOf(refused).code, 'JOB_ENDED');
      assert.equal((await run(...command, 'nobody')).code, 4);
    }
    assert.equal((await run('wait', 'slow-count', '--until', 'finished')).code, 0);
  });

  it('cancel ends what has no process: a suspended and a lost job; a new one may take the name', async () => {
    await json(...slowCount('--param', `count=${LONG}`, '-d'));
    await json('wait', 'slow-count', '--until', 'checkpoint');
    await json('suspend', 'slow-count');
    assert.equal((await json<JobRow>('cancel', 'slow-count')).state, 'canceled');
    await countedOnce();

    await json(...slowCount('--param', `count=${LONG}`, '--param', 'output=second', '-d'));
    await json('wait', 'slow-count', '--until', 'checkpoint');
    const { pid } = await json<StatusDocument>('status', 'slow-count');
    assert.ok(pid !== null);
    process.kill(pid, 'SIGKILL');
    while ((await json<JobRow[]>('list'))[0]?.state !== 'lost');
    assert.equal((await json<JobRow>('cancel', 'slow-count')).state, 'canceled');
    await countedOnce('second');
    assert.equal((await json<JobRow[]>('list', '--all')).length, 2);
  });

  it('run --resume starts a new job when the last one of its name has finished, and warns of other parameters', async () => {
    const first = await json<JobRow>(...slowCount('--param', 'count=10', '--resume'));
    const second = await json<JobRow>(
      ...slowCount('--param', 'count=10', '--param', 'output=second', '--resume'),
    );
    assert.notEqual(second.id, first.id);
    await json(...slowCount('--param', `count=${LONG}`, '--param', 'output=third', '-d'));
    await json('suspend', 'slow-count');
    const resumed = await run(...slowCount('--param', 'count=10', '--resume', '-d'));
    assert.equal(resumed.code, 0, resumed.stderr);
    assert.match(resumed.stderr, /warning: --param output, count: slow-count goes on/);
  });
});

describe('the control channel of a job', () => {
  it('answers curl and status with the same document, also in a home too deep for a socket path', async () => {
    const home = join(cwd, 'deep'.repeat(40));
    homes.push(home);
    await json(...slowCount('--param', `count=${LONG}`, '-d', '--home', home));
    const status = await json<StatusDocument>('status', 'slow-count', '--home', home);
    assert.ok(status.socket !== null && !status.socket.startsWith(home));
    assert.equal((await stat(status.socket)).mode & 0o777, 0o600);
    const answer = (await callControl(
      status.socket,
      'GET',
      '/v1/status',
      undefined,
      5_000,
    )) as StatusDocument;
    assert.deepEqual(Object.keys(answer), Object.keys(status));
    assert.equal((await json<JobRow>('suspend', 'slow-count', '--home', home)).state, 'suspended');
    await assert.rejects(stat(status.socket), { code: 'ENOENT' });
  });

  it('completes the names of jobs', async () => {
    await json(...slowCount('--param', 'count=10'));
    const { stdout } = await run('__complete', '--', 'status', 'sl');
    assert.equal(stdout, 'slow-count\tfinished\n');
  });
});
