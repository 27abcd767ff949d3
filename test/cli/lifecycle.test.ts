/**
 * The life of a job by commands, in what jobs.test.ts leaves out: ending a failed one, ending one that died between
 * a checkpoint's completion and its commit, hanging up, floods of output, waiting in vain.
 */
import assert from 'node:assert/strict';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { CODES, EXIT } from '../../src/base/errors.js';
import type { CheckpointRow, JobRow } from '../../src/job/status.js';
import { committed, committedLines, errorOf, miscounted, type Running, Sandbox } from '../crash/harness.js';

const sandbox = new Sandbox();
after(() => sandbox.remove());

type Outcome = Pick<JobRow, 'id' | 'name' | 'state'>;

function slowCount(name: string, more: Readonly<Record<string, string | number>> = {}): string[] {
  const params = { count: 1_000_000, rate: 1_000, output: sandbox.path(`${name}-out`), ...more };
  const given = Object.entries(params).flatMap(([param, value]) => ['--param', `${param}=${value}`]);
  const options = ['--name', name, '--checkpoint-interval', '100ms', '--restart', 'none', '--json'];
  return ['run', 'fixtures/jobs/slow-count.ts', ...options, ...given];
}

async function started(name: string): Promise<Running> {
  const running = sandbox.start(slowCount(name));
  await committed(sandbox.path(`${name}-out`), 1, running);
  return running;
}

function expectCode(args: readonly string[], code: keyof typeof CODES): void {
  const finished = sandbox.run([...args, '--json']);
  const error = errorOf(finished);
  assert.equal(error.code, code, error.message);
  assert.equal(finished.code, CODES[code]);
  assert.equal(finished.stdout, '');
}

describe('cancel', () => {
  test('a live job: what completed checkpoints hold is committed, and nothing comes after', async () => {
    const running = await started('live');
    const { id, name, state } = sandbox.json<Outcome>(['cancel', 'live']);
    assert.deepEqual({ name, state }, { name: 'live', state: 'canceled' });
    const { code, stdout } = await running.finished;
    assert.equal(code, EXIT.done);
    const row: JobRow = JSON.parse(stdout);
    assert.deepEqual([row.id, row.state, row.endedBy], [id, 'canceled', 'cancel']);
    const lines = committedLines(sandbox.path('live-out'));
    assert.equal(miscounted(lines), '');
    for (const command of [['cancel'], ['resume'], ['suspend'], ['checkpoint']]) {
      expectCode([...command, 'live'], 'JOB_ENDED');
    }
    expectCode(['wait', 'live', '--until', 'finished'], 'JOB_ENDED');
    assert.deepEqual(leftovers('live'), []);
  });

  test('a suspended, a lost and a failed job', async () => {
    const suspended = await started('suspended');
    suspended.process.kill('SIGINT');
    assert.equal((await suspended.finished).code, EXIT.sigint);
    const lost = await started('lost');
    lost.process.kill('SIGKILL');
    await lost.finished;
    const output = sandbox.path('failed-out');
    const failing = ['run', 'fixtures/jobs/throws-at.ts', '--name', 'failed', '--param', 'rate=1000'];
    const options = ['--checkpoint-interval', '20ms', '--restart', 'none', '--param', `output=${output}`];
    assert.equal((await sandbox.start([...failing, ...options]).finished).code, EXIT.jobFailed);

    for (const state of ['suspended', 'lost', 'failed']) {
      assert.equal(sandbox.status(state).state, state);
      const before = committedLines(sandbox.path(`${state}-out`));
      assert.ok(before.length > 0);
      assert.equal(sandbox.json<Outcome>(['cancel', state]).state, 'canceled');
      const lines = committedLines(sandbox.path(`${state}-out`));
      assert.equal(miscounted(lines), '');
      assert.ok(lines.length >= before.length);
      assert.deepEqual(leftovers(state), []);
      assert.deepEqual(
        sandbox.json<CheckpointRow[]>(['checkpoints', state]).filter((row) => row.state === 'completed'),
        [],
      );
    }
  });

  test('a job that died between completion and commit: that checkpoint is committed, and nothing after it', async () => {
    const point = { TIDEMARK_FAILPOINT: 'checkpoint-before-commit:4' };
    const { signal } = await sandbox.start([...slowCount('between'), '--on-cancel', 'retain'], point)
      .finished;
    assert.equal(signal, 'SIGKILL');
    const output = sandbox.path('between-out');
    const before = committedLines(output).length;
    const last = sandbox.status('between').lastCheckpoint;
    assert.equal(last?.id, 4);
    assert.equal(sandbox.json<Outcome>(['cancel', 'between']).state, 'canceled');
    const parts = readdirSync(output).filter((name) => name.startsWith('part-'));
    assert.deepEqual(parts.map((name) => Number(/-(\d{8})\.jsonl$/.exec(name)?.[1])).sort(), [1, 2, 3, 4]);
    assert.ok(committedLines(output).length > before);
    assert.equal(miscounted(committedLines(output)), '');
    assert.deepEqual(leftovers('between'), []);
    const kept = sandbox
      .json<CheckpointRow[]>(['checkpoints', 'between'])
      .filter(({ state }) => state === 'completed');
    assert.deepEqual(
      kept.map(({ id, retainedBy }) => ({ id, retainedBy })),
      [{ id: 4, retainedBy: ['ended-job'] }],
    );
  });

  test('a job whose process died before its first checkpoint was complete', async () => {
    const point = { TIDEMARK_FAILPOINT: 'segment-synced:1' };
    const { signal } = await sandbox.start(slowCount('early'), point).finished;
    assert.equal(signal, 'SIGKILL');
    assert.deepEqual(committedLines(sandbox.path('early-out')), []);
    assert.equal(sandbox.json<Outcome>(['cancel', 'early']).state, 'canceled');
    assert.deepEqual(leftovers('early'), []);
    assert.deepEqual(
      readdirSync(join(sandbox.home, 'segments')).filter((name) => name.endsWith('.tmp')),
      [],
    );
  });
});

/** What a job left in its target that is not committed. */
function leftovers(name: string): string[] {
  return readdirSync(sandbox.path(`${name}-out`)).filter((file) => file.startsWith('.pending'));
}

describe('signals', () => {
  test('SIGHUP suspends with 129; a second signal of any kind ends the process at once, and the job is lost', async () => {
    const hung = await started('hung');
    hung.process.kill('SIGHUP');
    const { code, stdout, stderr } = await hung.finished;
    assert.equal(code, EXIT.sighup, stderr);
    const row: JobRow = JSON.parse(stdout);
    assert.deepEqual([row.state, row.endedBy], ['suspended', 'signal']);
    assert.equal(miscounted(committedLines(sandbox.path('hung-out'))), '');

    const twice = sandbox.start(['resume', 'hung', '--foreground']);
    await twice.says(/ runs from /);
    twice.process.kill('SIGINT');
    twice.process.kill('SIGTERM');
    const ended = await twice.finished;
    assert.ok(
      [EXIT.sigterm, EXIT.sigint].some((exit) => exit === ended.code),
      `${ended.code}: ${ended.stderr}`,
    );
    const { state } = sandbox.status('hung');
    assert.ok(state === 'lost' || state === 'suspended', state);
    assert.equal(miscounted(committedLines(sandbox.path('hung-out'))), '');
    assert.equal(sandbox.json<Outcome>(['resume', 'hung']).state, 'running');
    assert.equal(sandbox.json<Outcome>(['cancel', 'hung']).state, 'canceled');
    assert.equal(miscounted(committedLines(sandbox.path('hung-out'))), '');
  });
});

describe('waiting', () => {
  test('in vain is exit 8, and the job goes on', async () => {
    const running = await started('endless');
    expectCode(['wait', 'endless', '--until', 'finished', '--timeout', '50ms'], 'TIMEOUT');
    assert.equal(sandbox.json<Outcome>(['wait', 'endless', '--until', 'checkpoint']).state, 'running');
    assert.equal(sandbox.json<Outcome>(['wait', 'endless', '--until', 'running']).state, 'running');
    running.process.kill('SIGTERM');
    assert.equal((await running.finished).code, EXIT.sigterm);
    expectCode(['wait', 'endless', '--until', 'finished'], 'JOB_NOT_RUNNING');
    expectCode(['checkpoint', 'endless'], 'JOB_NOT_RUNNING');
    expectCode(['suspend', 'endless'], 'JOB_NOT_RUNNING');
  });

  test('for a process that does not answer is exit 8: it is stopped, not dead', async () => {
    const running = await started('stopped');
    running.process.kill('SIGSTOP');
    for (const command of ['checkpoint', 'suspend']) {
      expectCode([command, 'stopped', '--timeout', '300ms'], 'TIMEOUT');
    }
    running.process.kill('SIGCONT');
    // It goes on with what it was asked, if that reached it in time; else it is asked again.
    assert.ok([EXIT.done, EXIT.conflict].some((exit) => exit === sandbox.run(['suspend', 'stopped']).code));
    assert.equal((await running.finished).code, EXIT.done);
    assert.equal(sandbox.status('stopped').state, 'suspended');
    assert.equal(miscounted(committedLines(sandbox.path('stopped-out'))), '');
  });
});

test('user code that prints 200,000 lines: nothing on stdout, a bounded log, and a notice of what was dropped', async () => {
  const lines = 200_000;
  const args = ['run', 'fixtures/jobs/prints.ts', '--quiet', '--param', `lines=${lines}`];
  const finished = await sandbox.start([...args, '--param', `output=${sandbox.path('prints-out')}`]).finished;
  assert.equal(finished.code, EXIT.done, finished.stderr.slice(-500));
  assert.equal(finished.stdout, '');
  assert.deepEqual(committedLines(sandbox.path('prints-out')), [String(lines - 1)]);
  const log = sandbox.run(['logs', 'prints']).stdout;
  const printed = log.match(/line \d+ of the user's own/g)?.length ?? 0;
  const notices = [...log.matchAll(/… ([\d,]+) lines? dropped/g)];
  const dropped = notices.reduce((sum, [, count = '']) => sum + Number(count.replaceAll(',', '')), 0);
  assert.ok(printed > 0 && dropped > 0, `${printed} printed, ${dropped} dropped`);
  assert.equal(printed + dropped, lines, 'every line is printed or counted');
  const { id } = sandbox.status('prints');
  assert.ok(statSync(join(sandbox.home, 'jobs', id, 'log')).size < lines * 20);
});
