/** `pin` as a shell runs it. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { COMMANDS } from '../../src/cli/command-list.js';
import { complete } from '../../src/cli/complete.js';
import { MessyHome } from '../checkpoint/home.js';
import { tidemark } from './command.js';
import { errorOf } from './place.js';

interface PinRow {
  readonly job: { readonly id: string; readonly name: string };
  readonly checkpointId: number;
  readonly by: string;
  readonly reason: string;
  readonly until: string | null;
}

function start(t: TestContext) {
  const home = new MessyHome(t);
  const run = (...args: string[]) => tidemark(['pin', ...args], { cwd: home.folder });
  const json = async <T>(...args: string[]): Promise<T> => {
    const { code, stdout, stderr } = await run(...args, '--json');
    assert.equal(code, 0, stderr);
    return JSON.parse(stdout);
  };
  return { home, run, json, list: () => json<PinRow[]>() };
}

test('a pinned checkpoint is kept, listed with its reason, and let go', async (t) => {
  const { home, json, list } = start(t);
  const job = home.job(t, 'job', 'running');
  const { id } = job;
  assert.deepEqual(await list(), []);
  const pinned = { job: { id, name: 'job' }, checkpointId: 1, pinned: true };
  assert.deepEqual(await json('job@1'), pinned);
  assert.deepEqual(await json('job@1', '--reason', 'before the migration'), pinned, 'again, with a reason');
  const last = await json<{ checkpointId: number }>('job');
  assert.equal(last.checkpointId, 3, 'without a number, the last completed one');
  const row = { job: { id, name: 'job' }, by: 'user', until: null };
  assert.deepEqual(await list(), [
    { ...row, checkpointId: 1, reason: 'before the migration' },
    { ...row, checkpointId: 3, reason: 'no reason given' },
  ]);
  assert.deepEqual(home.catalog.subsume(id, job.epoch, [1, 2]).length, 0, 'its runs are leased');
  assert.deepEqual(home.completed(job), [1, 3]);
  assert.deepEqual(await json('job@1', '--remove'), { ...pinned, pinned: false });
  assert.deepEqual(await json('job@1', '--remove'), { ...pinned, pinned: false }, 'again');
  assert.deepEqual(
    (await list()).map(({ checkpointId }) => checkpointId),
    [3],
  );
});

test('a pin of a command is shown, and is not the user’s to remove', async (t) => {
  const { home, run, list } = start(t);
  const { id } = home.job(t, 'job', 'failed');
  const until = Date.now() + 60_000;
  home.catalog.pin(id, 2, { who: 'inspect', why: 'reads it', until });
  const { code, stderr } = await run('job@2', '--remove');
  assert.deepEqual([code, stderr.includes('pinned by inspect')], [0, true], stderr);
  assert.deepEqual(
    (await list()).map(({ by, until }) => [by, until]),
    [['inspect', new Date(until).toISOString()]],
  );
});

test('what cannot be pinned is refused', async (t) => {
  const { home, run } = start(t);
  const { id, epoch } = home.job(t, 'job', 'running');
  home.catalog.subsume(id, epoch, [1]);
  const cases: [code: number, name: string, ...args: string[]][] = [
    [4, 'CHECKPOINT_NOT_FOUND', 'job@1'],
    [4, 'CHECKPOINT_NOT_FOUND', 'job@99'],
    [4, 'CHECKPOINT_NOT_FOUND', 'job@99', '--remove'],
    [4, 'JOB_NOT_FOUND', 'nobody@1'],
    [2, 'USAGE', 'job', '--remove'],
    [2, 'USAGE', '--remove'],
    [2, 'USAGE', '--reason', 'why'],
    [2, 'USAGE', 'job@2', '--remove', '--reason', 'why'],
    [2, 'USAGE', 'job@2', '--reason', ''],
    [2, 'USAGE', './a.tar'],
    [2, 'USAGE', 'job@x'],
  ];
  for (const [code, name, ...args] of cases) {
    const result = await run(...args, '--json');
    assert.equal(result.code, code, `${args.join(' ')}: ${result.stderr}`);
    assert.equal(errorOf(result).code, name);
  }
});

test('what a person reads', async (t) => {
  const { home, run } = start(t);
  home.job(t, 'job', 'failed');
  assert.match((await run()).stderr, /no checkpoint is pinned/);
  assert.match(
    (await run('job@2', '--reason', 'a\u001b[31mb')).stderr,
    /job@2 stays until: tidemark pin job@2 --remove/,
  );
  assert.match(
    (await run()).stdout,
    /^CHECKPOINT +BY +REASON +UNTIL\njob@2 \(\w{12}\) +user +a\\x1b\[31mb +removed\n$/,
  );
  assert.match((await run('job@2', '--remove')).stderr, /job@2 is no longer pinned/);
  assert.match((await run('job@2', '--remove')).stderr, /job@2 was not pinned/);
});

test('completion offers jobs for each operand of prune, and for the one of pin', () => {
  const jobs = () => [{ text: 'word-count', about: 'running' }];
  const texts = (...words: string[]) => complete(words, COMMANDS, jobs).candidates.map(({ text }) => text);
  assert.deepEqual(texts('prune', ''), ['word-count']);
  assert.deepEqual(texts('prune', 'a', '--keep-last', '1', 'b', ''), ['word-count']);
  assert.deepEqual(texts('pin', ''), ['word-count']);
  assert.deepEqual(texts('pin', 'a', ''), []);
  assert.deepEqual(texts('doctor', '--d'), ['--deep']);
});
