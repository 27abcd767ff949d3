/**
 * Queries through the real command line, killed between a checkpoint and its commit: what their files say in the end is what
 * the oracle says. One is resumed; with `TIDEMARK_TEST_LONG=1` all of which every row is determined go on from a packed
 * checkpoint, too, as they are and at another parallelism on the other backend.
 */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { committedLines, difference, Sandbox } from '../crash/harness.js';
import { BIDS } from './bids-queries.js';
import { JOINS } from './joins-queries.js';
import type { Query } from './query.js';
import { WINDOWS } from './windows-queries.js';

const LONG = process.env['TIDEMARK_TEST_LONG'] === '1';
const QUERIES = [...BIDS, ...WINDOWS, ...JOINS].filter(({ found, varies }) => found === undefined && !varies);
const MEMORY = ['--backend', 'memory', '--checkpoint-mode', 'incremental'];
const DISK = ['--backend', 'disk'];

/** Starts it and has it killed; the arguments that it was started with. */
async function kill(sandbox: Sandbox, { definition }: Query, flags: readonly string[], output: string) {
  const file = definition.name.replace('nexmark-', '');
  const run = ['run', `fixtures/jobs/nexmark/${file}.ts`, '--resume', ...flags];
  const args = [...run, '--checkpoint-interval', '50ms', '--param', `output=${output}`];
  const killed = await sandbox.start(args, { TIDEMARK_FAILPOINT: 'checkpoint-before-commit:2' }).finished;
  assert.equal(killed.signal, 'SIGKILL', killed.stderr);
  return args;
}

test('q5, killed and resumed', async () => {
  const sandbox = new Sandbox();
  after(() => sandbox.remove());
  const q5 = QUERIES.find(({ definition }) => definition.name === 'nexmark-q5');
  assert.ok(q5);
  const output = sandbox.path('out');
  const args = await kill(sandbox, q5, ['-p', '4'], output);
  assert.notEqual(difference(committedLines(output), q5.expected()), '', 'there was something left to do');
  const { code, stderr } = await sandbox.start(args).finished;
  assert.equal(code, 0, stderr);
  assert.equal(difference(committedLines(output), q5.expected()), '');
});

describe('killed, packed and restored', { skip: !LONG && 'TIDEMARK_TEST_LONG=1 runs these' }, () => {
  for (const query of QUERIES)
    for (const [flags, others] of [
      [DISK, MEMORY],
      [MEMORY, DISK],
    ] as const)
      test(`${query.name}, ${flags[1]}`, async () => {
        const sandbox = new Sandbox();
        after(() => sandbox.remove());
        const first = sandbox.path('first');
        const archive = sandbox.path('native.tar');
        await kill(sandbox, query, ['-p', '4', ...flags], first);
        const packed = await sandbox.start(['externalize', query.definition.name, '-o', archive]).finished;
        assert.equal(packed.code, 0, packed.stderr);
        for (const [at, there] of [[], ['-p', '7', ...others, '--convert']].entries()) {
          const next = sandbox.path(`next-${at}`);
          const named = ['--name', `next-${at}`, '--param', `output=${next}`, '--after-drain'];
          const { code, stderr } = await sandbox.start(['restore', archive, ...named, ...there]).finished;
          assert.equal(code, 0, stderr);
          const found = [first, next].flatMap(committedLines);
          assert.equal(difference(found, query.expected()), '', there.join(' '));
        }
      });
});
