/**
 * No space left: under the state, under the output, under the catalog. The job fails with a coded error, nothing is
 * lost, and once there is space again it goes on and its output is exact.
 *
 * A small file system of its own gives ENOSPC where one can be mounted (Linux, as root). Everywhere else a limit on
 * the size of files gives EFBIG, which is a disk error as well.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { EXIT, systemCode } from '../../src/base/errors.js';
import {
  COMMAND,
  committed,
  committedLines,
  countedLines,
  difference,
  errorOf,
  type Finished,
  Sandbox,
} from './harness.js';

const KEYS = 17;
const COUNT = 8_000;

const sandbox = new Sandbox('small/home');
const small = sandbox.path('small');
mkdirSync(small);
const mounted =
  spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=16m,mode=0700', 'tidemark-test', small]).status === 0;
after(() => {
  if (mounted) spawnSync('umount', ['-l', small]);
  sandbox.remove();
});

function args(name: string, output: string, rate: number): string[] {
  const params = { count: COUNT, rate, keys: KEYS, splits: 3, output };
  const options = [
    '--name',
    name,
    '--checkpoint-interval',
    '50ms',
    '--restart',
    'fixed-delay:20ms:2',
    '--json',
  ];
  const given = Object.entries(params).flatMap(([param, value]) => ['--param', `${param}=${value}`]);
  return ['run', 'fixtures/jobs/slow-count.ts', ...options, ...given];
}

/** Takes all the space there is, also what the job gives back meanwhile. */
function fill(): void {
  const ballast = openSync(join(small, 'ballast'), 'a');
  const block = Buffer.alloc(statfsSync(small).bsize);
  try {
    for (;;) writeSync(ballast, block);
  } catch (error) {
    assert.equal(systemCode(error), 'ENOSPC');
  } finally {
    closeSync(ballast);
  }
}

function free(): void {
  rmSync(join(small, 'ballast'));
}

function assertNoSpace(finished: Finished): void {
  const error = errorOf(finished);
  assert.match(error.code, /^(DISK_FULL|DISK_ERROR)$/, error.message);
  assert.equal(finished.code, EXIT.environment, error.message);
}

/** A job that ran out of space is failed; where not even that could be written, it is lost. */
function assertEnded(name: string): void {
  const { state, error } = sandbox.status(name);
  assert.match(state, /^(failed|lost)$/);
  if (state === 'failed') assert.match(error?.code ?? '', /^(DISK_FULL|DISK_ERROR)$/);
}

async function assertGoesOn(name: string, output: string): Promise<void> {
  const before = committedLines(output);
  assert.equal(new Set(before).size, before.length);
  assert.ok(before.length > 0 && before.length < COUNT, `${before.length} lines before`);
  const { code, stderr } = await sandbox.start(['resume', name, '--foreground']).finished;
  assert.equal(code, EXIT.done, stderr);
  assert.match(stderr, / runs from checkpoint \d+/);
  assert.equal(difference(committedLines(output), countedLines(COUNT, KEYS)), '');
}

describe('a small file system', { skip: mounted ? false : 'no file system can be mounted here' }, () => {
  test('that fills up under the home and the output', async () => {
    const output = join(small, 'out');
    const running = sandbox.start(args('full', output, 4_000));
    await running.says(/ runs from the beginning/);
    await committed(output, 1, running);
    fill();
    assertNoSpace(await running.finished);
    free();
    assertEnded('full');
    await assertGoesOn('full', output);
  });

  test('that is full before a job starts: coded, and nothing half-made is in the way afterwards', async () => {
    fill();
    const output = join(small, 'late-out');
    assertNoSpace(await sandbox.start(args('late', output, 100_000)).finished);
    free();
    const { code, stderr } = await sandbox.start([...args('late', output, 100_000), '--resume']).finished;
    assert.equal(code, EXIT.done, stderr);
    assert.equal(difference(committedLines(output), countedLines(COUNT, KEYS)), '');
  });
});

test('a limit on the size of files, met by the output', async () => {
  const home = new Sandbox();
  after(() => home.remove());
  const output = home.path('out');
  const count = 120_000;
  const params = { count, rate: 20_000, keys: KEYS, splits: 3, output };
  const given = Object.entries(params).flatMap(([param, value]) => ['--param', `${param}=${value}`]);
  // No periodic checkpoint: the one transaction that is open all the time grows beyond the limit, a MiB.
  const options = ['--name', 'limited', '--checkpoint-interval', '0', '--restart', 'none', '--json'];
  const command = [COMMAND, 'run', 'fixtures/jobs/slow-count.ts', ...options, ...given];
  const limited = home.spawn('bash', [
    '-c',
    'ulimit -f 1024; exec "$@"',
    'bash',
    process.execPath,
    ...command,
  ]);
  await limited.says(/ runs from the beginning/);
  assert.equal(home.run(['checkpoint', 'limited']).code, EXIT.done);
  const finished = await limited.finished;
  assertNoSpace(finished);
  const { state, error, lastCheckpoint } = home.status('limited');
  assert.deepEqual([state, error?.code, lastCheckpoint?.id], ['failed', 'DISK_ERROR', 1]);
  assert.match(error?.message ?? '', /sink out, writing to .*out: EFBIG/);

  const { code, stderr } = await home.start(['resume', 'limited', '--foreground']).finished;
  assert.equal(code, EXIT.done, stderr);
  assert.match(stderr, / runs from checkpoint 1/);
  assert.equal(difference(committedLines(output), countedLines(count, KEYS)), '');
});
