/** A job whose calls are never answered is looked at, saved, suspended, stopped and ended like any; one whose call never returns fails. */
import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import { after, describe, test } from 'node:test';
import { committedLines, errorOf, eventually, Sandbox, type Status } from '../crash/harness.js';

const DEFINITION = 'test/async/definitions/never-answers.ts';
const CAPACITY = 7;

const sandbox = new Sandbox();
after(() => sandbox.remove());
const answers = sandbox.path('answers');

function params(name: string, ...more: readonly string[]): string[] {
  const given = [`answers=${answers}`, `output=${sandbox.path(name)}`, ...more];
  return given.flatMap((param) => ['--param', param]);
}

function asked(name: string): Promise<Status> {
  return eventually('calls are under way', () => {
    const status = sandbox.status(name);
    const subtask = status.operators.find(({ uid }) => uid === 'ask')?.subtasks[0];
    return (subtask?.inFlight ?? 0) >= CAPACITY ? status : undefined;
  });
}

describe('calls that are never answered', () => {
  test('Ctrl-C suspends, and what was under way is asked about again', async () => {
    const running = sandbox.start(['run', DEFINITION, '-p', '1', '--quiet', ...params('kept')]);
    await eventually('seven are asked about', () => existsSync(`${answers}-asked`));
    running.process.kill('SIGINT');
    const { code, stderr } = await running.finished;
    assert.equal(code, 130, stderr);

    sandbox.json(['resume', 'never-answers']);
    const { operators } = await asked('never-answers');
    // More than is asked about at a time is not read, but for one batch.
    assert.ok((operators.find(({ uid }) => uid === 'ask')?.subtasks[0]?.in ?? 0) < 5 * CAPACITY);
    assert.equal(operators.find(({ uid }) => uid === 'out')?.subtasks[0]?.in, 0);
    assert.match(sandbox.run(['status', 'never-answers']).stdout, /IN FLIGHT/);

    const archive = sandbox.path('stopped.tar');
    sandbox.json(['stop', 'never-answers', '-o', archive]);
    const rows = sandbox
      .run(['inspect', archive, '--state', 'ask.in-flight', '--json'])
      .stdout.trim()
      .split('\n');
    const values = rows.map((row) => (JSON.parse(row) as { value: number }).value);
    assert.deepEqual(values, [...values.keys()], 'all that was read, in its order');

    writeFileSync(answers, '');
    const end = ['restore', archive, '--name', 'answered', '-p', '3', '-d', ...params('kept', 'count=60')];
    const definition = ['--definition', DEFINITION];
    sandbox.json([...end, ...definition]);
    sandbox.json(['wait', 'answered', '--until', 'finished']);
    const lines = committedLines(sandbox.path('kept')).map(Number);
    assert.deepEqual(
      lines.toSorted((a, b) => a - b),
      Array.from({ length: Math.max(60, values.length) }, (_, n) => n),
    );
  });

  test('a call that never returns fails the attempt, and a failure says whose', async () => {
    const options = ['--step-timeout', '1s', '--restart', 'none', '--json'];
    const [loops, throws] = await Promise.all(
      ['loops', 'throws'].map(
        (mode) =>
          sandbox.start(['run', DEFINITION, '--name', mode, ...options, ...params(mode, `mode=${mode}`)])
            .finished,
      ),
    );
    assert.ok(loops !== undefined && throws !== undefined);
    assert.deepEqual([loops.code, errorOf(loops).code, errorOf(loops).operator], [3, 'STEP_TIMEOUT', 'ask']);
    const { code, message, operator, at } = errorOf(throws);
    assert.deepEqual([throws.code, code, operator], [3, 'USER_CODE', 'ask']);
    assert.match(message, /no answer to 0/);
    assert.match(at ?? '', /never-answers\.ts:\d+/);
  });
});
