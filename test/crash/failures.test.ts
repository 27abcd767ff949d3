/**
 * Every way in which user code can fail, by real processes: the error is coded and names the place, the catalog is
 * sound, a neighbour in the same home does not notice, and the job goes on with mended code from where it was.
 */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type ErrorCode, type ErrorRecord, EXIT } from '../../src/base/errors.js';
import type { JobRow } from '../../src/job/status.js';
import {
  committedLines,
  countedLines,
  difference,
  errorOf,
  type Finished,
  miscounted,
  PROJECT,
  type Running,
  Sandbox,
} from './harness.js';

const COUNT = 3_000;
/** Numbers a second: slow enough for checkpoints before the thousandth. */
const RATE = 2_500;
const NEIGHBOUR_KEYS = 7;

const sandbox = new Sandbox();
const neighbourOutput = sandbox.path('neighbour-out');
let neighbour: Running | undefined;

before(async () => {
  const args = [
    'run',
    'fixtures/jobs/slow-count.ts',
    '--name',
    'neighbour',
    '--checkpoint-interval',
    '500ms',
  ];
  const params = { count: '1000000', rate: '200', keys: String(NEIGHBOUR_KEYS), output: neighbourOutput };
  neighbour = sandbox.start([...args, '--restart', 'none', ...paramArgs(params)]);
  await neighbour.says(/runs from the beginning/);
});
after(() => sandbox.remove());

function paramArgs(params: Readonly<Record<string, string>>): string[] {
  return Object.entries(params).flatMap(([name, value]) => ['--param', `${name}=${value}`]);
}

interface Case {
  readonly job: string;
  /** Tells cases of one fixture apart. */
  readonly name: string;
  readonly params: Readonly<Record<string, string>>;
  readonly options?: readonly string[];
  /** What to change in the source to mend it. */
  readonly mend: readonly (readonly [before: string | RegExp, after: string])[];
}

interface Failure extends Finished {
  readonly error: ErrorRecord;
  readonly row: JobRow;
}

/** Runs it until it fails, and looks at what is said of it. */
async function fail(one: Case): Promise<Failure> {
  const finished = await run(one);
  return { ...finished, error: errorOf(finished), row: rowOf(one.name) };
}

async function run({ job, name, params, options = [] }: Case): Promise<Finished> {
  const started = ['run', `fixtures/jobs/${job}.ts`, '--name', name, '--restart', 'none', '--json'];
  const limits = ['--checkpoint-interval', '100ms', '--step-timeout', '1s', ...options];
  const output = sandbox.path(`${name}-out`);
  return sandbox.start([...started, ...limits, ...paramArgs({ ...params, output })]).finished;
}

function rowOf(name: string): JobRow {
  const row = sandbox.json<JobRow[]>(['list']).find((candidate) => candidate.name === name);
  assert.ok(row, 'list shows it');
  return row;
}

/** The coded error, in all the places where a person or a script may look. */
function assertFailed({ code, error, row }: Failure, name: string, expected: ErrorCode): void {
  assert.equal(error.code, expected);
  assert.equal(code, EXIT.jobFailed);
  assert.equal(row.state, 'failed');
  assert.equal(row.endedBy, 'error');
  assert.equal(row.restarts, 0);
  const status = sandbox.status(name);
  assert.equal(status.error?.code, expected);
  assert.equal(status.error?.operator, error.operator);
  const log = sandbox.run(['logs', name]).stdout;
  assert.match(log, new RegExp(`failed \\(no restart\\): ${expected}: `));
}

/** Goes on with mended code; returns the number of the checkpoint it started from, and what is committed. */
async function mend({ job, name, mend }: Case): Promise<{ from: number; lines: string[] }> {
  let source = readFileSync(join(PROJECT, `fixtures/jobs/${job}.ts`), 'utf8');
  for (const [before, after] of mend) {
    const mended = source.replace(before, after);
    assert.notEqual(mended, source, `nothing to mend in ${job}: ${before}`);
    source = mended;
  }
  const definition = sandbox.path(`${name}-mended.ts`);
  writeFileSync(definition, source);
  const resumed = sandbox.start(['resume', name, '--definition', definition, '--foreground']);
  const { code, stderr } = await resumed.finished;
  assert.equal(code, EXIT.done, stderr);
  const from = /runs from checkpoint (\d+)/.exec(stderr)?.[1] ?? '0';
  return { from: Number(from), lines: committedLines(sandbox.path(`${name}-out`)) };
}

describe('a job whose user code fails', { concurrency: 2 }, () => {
  test('user code that throws at the thousandth element', async () => {
    const params = { at: '999', count: String(COUNT), rate: String(RATE) };
    const one: Case = {
      job: 'throws-at',
      name: 'throws',
      params,
      mend: [[/if \(n === p\.at\) throw.*/, '']],
    };
    const failure = await fail(one);
    assertFailed(failure, 'throws', 'USER_CODE');
    const { message, operator, element, at, position } = failure.error;
    assert.match(message, /operator count: Error: element 999 is bad/);
    assert.deepEqual({ operator, element }, { operator: 'count', element: '999' });
    const source = readFileSync(join(PROJECT, 'fixtures/jobs/throws-at.ts'), 'utf8').split('\n');
    const line = source.findIndex((text) => text.includes('throw new Error')) + 1;
    assert.match(at ?? '', new RegExp(`^fixtures/jobs/throws-at\\.ts:${line}:\\d+$`));
    assert.match(position ?? '', /^numbers, split 0, after \{"done":\d+\}$/);
    assert.match(sandbox.run(['logs', 'throws']).stdout, /throws-at\.ts:\d+:\d+/, 'the log has the stack');

    const { from, lines } = await mend(one);
    assert.equal(from, failure.row.lastCheckpoint?.id, 'went on from the last checkpoint');
    assert.ok(from > 0, 'there was a checkpoint before the failure');
    assert.equal(difference(lines, countedLines(COUNT, 10)), '');
  });

  test('user code that never returns', async () => {
    const params = { at: '999', count: String(COUNT), rate: String(RATE) };
    const one: Case = { job: 'loops', name: 'loops', params, mend: [['while (n === p.at) spins++;', '']] };
    const failure = await fail(one);
    assertFailed(failure, 'loops', 'STEP_TIMEOUT');
    assert.match(failure.error.message, /operator spin did not return within 1\.0 s/);
    assert.equal(failure.error.operator, 'spin');
    assert.match(failure.error.position ?? '', /^numbers, split 0, after \{"done":9\d\d\}$/);

    const { from, lines } = await mend(one);
    assert.equal(from, failure.row.lastCheckpoint?.id);
    assert.ok(from > 0);
    assert.equal(difference(lines, numbers(COUNT)), '');
  });

  for (const code of ['0', '3']) {
    test(`user code that calls process.exit(${code})`, async () => {
      const params = { at: '999', code, count: String(COUNT), rate: String(RATE) };
      const name = `exits-${code}`;
      const one: Case = { job: 'exits', name, params, mend: [['process.exit(p.code);', 'return true;']] };
      const failure = await fail(one);
      assertFailed(failure, name, 'USER_EXIT');
      assert.match(failure.error.message, new RegExp(`process\\.exit\\(${code}\\)`));
      assert.equal(failure.error.operator, 'filter-1');
      assert.match(failure.error.position ?? '', /^numbers, split 0, after \{"done":9\d\d\}$/);

      const { from, lines } = await mend(one);
      assert.equal(from, failure.row.lastCheckpoint?.id);
      assert.ok(from > 0);
      assert.equal(difference(lines, numbers(COUNT)), '');
    });
  }

  for (const [where, operator] of [
    ['map', 'map-1'],
    ['onElement', 'all'],
  ] as const) {
    test(`a promise where none is awaited: ${where}`, async () => {
      const name = `promises-${where}`;
      const one: Case = {
        job: 'promises',
        name,
        params: { where },
        mend: [
          ["(p.where === 'map' ? Promise.resolve(n) : n)", 'n'],
          ['async onElement() {', 'emits: type<number>(), onElement(n, ctx) { ctx.emit(n);'],
          ["if (p.where === 'onElement') await Promise.resolve();", ''],
          ['sequence }', 'sequence, type }'],
        ],
      };
      const failure = await fail(one);
      assertFailed(failure, name, 'USER_PROMISE');
      assert.match(failure.error.message, new RegExp(`operator ${operator} returned a promise.*asyncMap`));
      assert.deepEqual(
        { operator: failure.error.operator, element: failure.error.element },
        { operator, element: '0' },
      );
      const { lines } = await mend(one);
      assert.equal(difference(lines, numbers(100)), '');
    });
  }

  for (const by of ['state', 'objects']) {
    test(`a full heap, filled by ${by}: the job fails, or V8 ends its process and it is lost`, async () => {
      const name = `fills-${by}`;
      const one: Case = {
        job: 'fills-heap',
        name,
        params: { by },
        options: ['--heap', '48m'],
        mend: [
          ['sequence()', 'sequence({ count: 500_000 })'],
          ['kept.push({ n, half: n / 2 })', 'void kept'],
          ['ctx.state.grown.set(n, String(n).padStart(TEXT_LENGTH))', 'ctx.state.grown.delete(TEXT_LENGTH)'],
        ],
      };
      const ended = await run(one);
      const row = rowOf(name);
      if (ended.signal === null && ended.code === EXIT.jobFailed) {
        const error = errorOf(ended);
        assertFailed({ ...ended, error, row }, name, 'HEAP_FULL');
        assert.match(error.operator ?? '', /^(fill|out)$/);
        assert.match(error.position ?? '', /^numbers, split 0, after /);
      } else {
        assert.ok(
          ended.signal === 'SIGABRT' || ended.code === 134,
          `ended with ${ended.code ?? ended.signal}`,
        );
        assert.equal(row.state, 'lost');
      }
      const { from, lines } = await mend(one);
      assert.equal(from, row.lastCheckpoint?.id ?? 0);
      const highest = Math.max(...lines.map(Number));
      assert.ok(highest >= 499_000, `came to ${highest}`);
      const expected = numbers(highest / 1000 + 1).map((n) => String(Number(n) * 1000));
      assert.equal(difference(lines, expected), '');
    });
  }
});

test('a neighbour in the same home has not noticed any of it', async () => {
  assert.ok(neighbour);
  const status = sandbox.status('neighbour');
  assert.equal(status.state, 'running');
  neighbour.process.kill('SIGTERM');
  const { code, stderr } = await neighbour.finished;
  assert.equal(code, EXIT.sigterm, stderr);
  const lines = committedLines(neighbourOutput);
  const { epoch, restarts } = sandbox.status('neighbour');
  assert.deepEqual({ epoch, restarts }, { epoch: 1, restarts: 0 });
  assert.equal(miscounted(lines), '');
  assert.ok(lines.length > 0);
});

function numbers(count: number): string[] {
  return Array.from({ length: count }, (_, n) => String(n));
}
