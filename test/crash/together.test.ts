/**
 * More than one process at a time: two that want one job, several jobs in one home, two jobs that want one folder.
 */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { EXIT } from '../../src/base/errors.js';
import type { JobRow } from '../../src/job/status.js';
import {
  committed,
  committedLines,
  errorOf,
  eventually,
  type Finished,
  miscounted,
  Sandbox,
} from './harness.js';

const KEYS = 13;

const sandbox = new Sandbox();
const elsewhere = new Sandbox();
after(() => {
  sandbox.remove();
  elsewhere.remove();
});

interface Count {
  readonly name: string;
  readonly count?: number;
  readonly rate?: number;
  /** Name of its output folder; its own when absent. */
  readonly output?: string;
}

function counting({ name, count = 1_000_000, rate = 1_000, output = `${name}-out` }: Count): string[] {
  const params = { count, rate, keys: KEYS, splits: 3, output: sandbox.path(output) };
  const options = ['--name', name, '--checkpoint-interval', '100ms', '--restart', 'none', '--json'];
  const given = Object.entries(params).flatMap(([param, value]) => ['--param', `${param}=${value}`]);
  return ['run', 'fixtures/jobs/slow-count.ts', ...options, ...given];
}

/** Starts it in the background; it has committed something when this resolves. */
async function detached(options: Count): Promise<string[]> {
  const args = counting(options);
  const { code, stderr } = await sandbox.start([...args, '-d']).finished;
  assert.equal(code, EXIT.done, stderr);
  await committed(sandbox.path(options.output ?? `${options.name}-out`), 1);
  return args;
}

function refused(finished: Finished, code: string, message: RegExp): void {
  const error = errorOf(finished);
  assert.equal(error.code, code, error.message);
  assert.equal(finished.code, EXIT.conflict);
  assert.match(error.message, message);
  assert.ok(error.hint !== undefined);
}

function counted(output: string): number {
  const lines = committedLines(sandbox.path(output));
  assert.equal(miscounted(lines), '');
  return lines.length;
}

describe('two processes and one job', () => {
  test('while it runs, run --resume, resume and run are refused, and it does not notice', async () => {
    const args = await detached({ name: 'one' });
    const others = [
      [...args, '--resume'],
      ['resume', 'one', '--json'],
      ['resume', 'one', '--foreground', '--json'],
    ];
    for (const finished of await Promise.all(others.map((other) => sandbox.start(other).finished))) {
      refused(finished, 'JOB_RUNNING', /^(job )?one .*runs? /);
    }
    refused(await sandbox.start(args).finished, 'NAME_TAKEN', /the job one .* is running/);
    const { state, epoch, restarts } = sandbox.status('one');
    assert.deepEqual({ state, epoch, restarts }, { state: 'running', epoch: 1, restarts: 0 });
  });

  test('of four that resume a lost one at the same time, one does', async () => {
    const { pid } = sandbox.status('one');
    assert.ok(pid);
    process.kill(pid, 'SIGKILL');
    await eventually('it is lost', () => sandbox.status('one').state === 'lost');
    const resumes = Array.from({ length: 4 }, () => sandbox.start(['resume', 'one', '--json']).finished);
    const all = await Promise.all(resumes);
    const [won, ...more] = all.filter(({ code }) => code === EXIT.done);
    assert.ok(won !== undefined && more.length === 0, all.map(({ code }) => code).join());
    for (const lost of all.filter((one) => one !== won)) refused(lost, 'JOB_RUNNING', /one/);
    assert.equal(sandbox.status('one').epoch, 2);
    assert.equal(sandbox.json<JobRow>(['suspend', 'one']).state, 'suspended');
    assert.ok(counted('one-out') > 0);
  });
});

test('four jobs run in one home at the same time, and all finish right', async () => {
  const count = 3_000;
  const names = ['north', 'east', 'south', 'west'];
  const all = names.map((name) => sandbox.start(counting({ name, count, rate: 2_000 })).finished);
  for (const { code, stderr } of await Promise.all(all)) assert.equal(code, EXIT.done, stderr);
  for (const name of names) assert.equal(counted(`${name}-out`), count);
  const rows = sandbox.json<JobRow[]>(['list', '--all']).filter(({ name }) => names.includes(name));
  assert.deepEqual(
    rows.map(({ state, restarts }) => `${state} ${restarts}`),
    Array(4).fill('finished 0'),
  );
});

describe('two jobs and one folder', () => {
  test('the second is refused, also from another home, and is told whose it is', async () => {
    await detached({ name: 'owner', output: 'shared' });
    const { id } = sandbox.status('owner');
    const second = counting({ name: 'second', output: 'shared' });
    const whose = new RegExp(`job owner \\(${id}\\) of .*home.* is writing into .*shared`);
    refused(await sandbox.start(second).finished, 'TARGET_LOCKED', whose);
    refused(await elsewhere.start(second).finished, 'TARGET_LOCKED', whose);
    const third = counting({ name: 'third', output: 'shared' });
    refused(await sandbox.start([...third, '-d']).finished, 'TARGET_LOCKED', whose);
    assert.equal(sandbox.status('owner').state, 'running');
  });

  test('a suspended job keeps its folder, and goes on in it', async () => {
    assert.equal(sandbox.json<JobRow>(['suspend', 'owner']).state, 'suspended');
    const before = counted('shared');
    const whose = /shared belongs to job owner \(.*\) of .*home, which may be resumed/;
    for (const home of [sandbox, elsewhere]) {
      const finished = await home.start([
        'run',
        '--resume',
        ...counting({ name: 'second', output: 'shared' }).slice(1),
      ]).finished;
      refused(finished, 'TARGET_LOCKED', whose);
    }
    assert.equal(sandbox.json<JobRow>(['resume', 'owner']).state, 'running');
    await committed(sandbox.path('shared'), before + 1);
  });

  test('a canceled one gives it up', async () => {
    assert.equal(sandbox.json<JobRow>(['suspend', 'owner']).state, 'suspended');
    assert.equal(sandbox.json<JobRow>(['cancel', 'owner']).state, 'canceled');
    const before = counted('shared');
    const args = counting({ name: 'heir', output: 'shared', count: 500 });
    const { code, stderr } = await elsewhere.start(args).finished;
    assert.equal(code, EXIT.done, stderr);
    assert.equal(committedLines(sandbox.path('shared')).length, before + 500);
  });
});
