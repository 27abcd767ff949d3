/** `prune` as a shell runs it, killed at every step, and beside running jobs. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, unlinkSync, writeFileSync } from 'node:fs';
import { after, before, describe, it, test } from 'node:test';
import { type MessyHome as Home, MessyHome } from '../checkpoint/home.js';
import { type Result, tidemark } from './command.js';
import { errorOf, JOBS, Place, refused } from './place.js';

interface Document {
  readonly dryRun: boolean;
  readonly removed: Readonly<
    Record<'checkpoints' | 'segments' | 'unfinished' | 'bundles' | 'leases' | 'pins' | 'bytes', number>
  >;
  readonly checkpoints: readonly {
    readonly job: { readonly name: string };
    readonly checkpointId: number;
    readonly action: string;
    readonly why: string;
  }[];
  readonly segments: readonly {
    readonly name: string;
    readonly action: string;
    readonly why: string;
    readonly references: readonly string[];
  }[];
}

const run = (home: Home, args: readonly string[], env: Record<string, string> = {}): Promise<Result> =>
  tidemark(['prune', ...args], { cwd: home.folder, env });

async function prune(home: Home, ...args: string[]): Promise<Document> {
  const { code, stdout, stderr } = await run(home, [...args, '--json']);
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout);
}

const verdicts = ({ checkpoints }: Document) =>
  checkpoints.map(({ job, checkpointId, action, why }) => `${job.name}@${checkpointId} ${action} ${why}`);

test('by itself it removes what the dead have left, and nothing else', async (t) => {
  const home = new MessyHome(t);
  const done = home.job(t, 'done', 'canceled');
  const failed = home.job(t, 'failed', 'failed');
  const live = home.job(t, 'live', 'running');
  const { garbage, stale } = home.mess(failed);
  const dry = await prune(home, '--dry-run');
  assert.ok(dry.dryRun && garbage.every(existsSync));
  assert.equal(home.catalog.staleLeases().length, stale.leases);
  const real = await prune(home);
  assert.deepEqual(real.removed, dry.removed, 'a dry run tells what the real one does');
  const { bytes, ...counts } = real.removed;
  assert.deepEqual(counts, { checkpoints: 0, segments: 1, unfinished: 2, bundles: 1, ...stale });
  assert.equal(bytes, 'leaked'.length + 3 * 'half'.length);
  assert.deepEqual(garbage.filter(existsSync), []);
  assert.deepEqual(home.onDisk(), home.known());
  for (const job of [done, failed, live]) assert.deepEqual(home.completed(job), job.checkpoints);
  assert.deepEqual(home.catalog.staleLeases(), []);
  assert.deepEqual((await prune(home)).removed.bytes, 0, 'a second time there is nothing');
});

test('checkpoints go when they are named, or by a policy, and segments with the last that refers to them', async (t) => {
  const home = new MessyHome(t);
  const done = home.job(t, 'done', 'canceled');
  const failed = home.job(t, 'failed', 'failed');
  const live = home.job(t, 'live', 'running');
  home.catalog.pinForUser(failed.id, 1, 'audit');
  const dry = await prune(home, '--keep-last', '0', '--dry-run');
  assert.deepEqual(verdicts(dry), [
    'live@1 keep running',
    'live@2 keep running',
    'live@3 keep running',
    'failed@1 keep pinned',
    'failed@2 drop policy',
    'failed@3 keep resume',
    'done@1 drop policy',
    'done@2 drop policy',
    'done@3 drop policy',
  ]);
  const shared = dry.segments
    .filter(({ references }) => references.length === 2)
    .map(({ references }) => references);
  assert.ok(shared.some((references) => references.join() === 'failed@1,failed@3'));
  assert.equal((await prune(home, '--keep-last', '0')).removed.checkpoints, 4);
  assert.deepEqual(
    [done, failed, live].map((job) => home.completed(job)),
    [[], [1, 3], [1, 2, 3]],
  );
  assert.deepEqual(home.onDisk(), home.known());
  await prune(home, 'failed@3');
  assert.deepEqual(home.completed(failed), [1]);
  assert.deepEqual(home.onDisk(), home.known());
  assert.equal((await prune(home, '--older-than', '1h')).removed.checkpoints, 0);
});

test('what it cannot do is refused before anything is done', async (t) => {
  const home = new MessyHome(t);
  const failed = home.job(t, 'failed', 'failed');
  const live = home.job(t, 'live', 'running');
  home.catalog.pinForUser(failed.id, 1, 'audit');
  const { garbage } = home.mess(failed);
  const cases: [code: number, name: string, ...args: string[]][] = [
    [5, 'CHECKPOINT_PINNED', 'failed@1'],
    [5, 'CHECKPOINT_PINNED', 'failed@1', '--dry-run'],
    [5, 'JOB_RUNNING', 'live'],
    [5, 'JOB_RUNNING', 'live@2', 'failed@2'],
    [4, 'CHECKPOINT_NOT_FOUND', 'failed@99'],
    [4, 'JOB_NOT_FOUND', 'nobody'],
    [2, 'USAGE', 'failed@2', '--keep-last', '1'],
    [2, 'USAGE', './failed.tar'],
    [2, 'USAGE', '--keep-last', 'x'],
    [2, 'USAGE', '--older-than', 'yesterday'],
  ];
  for (const [code, name, ...args] of cases) {
    const result = await run(home, [...args, '--json']);
    assert.equal(result.code, code, `${args.join(' ')}: ${result.stderr}`);
    const { code: found, hint } = errorOf(result);
    assert.deepEqual([found, typeof hint], [name, 'string']);
  }
  assert.ok(garbage.every(existsSync));
  assert.deepEqual(
    [failed, live].map((job) => home.completed(job)),
    [
      [1, 2, 3],
      [1, 2, 3],
    ],
  );
});

const POINTS = [
  'prune-rows-gone',
  'prune-leases-gone',
  'segment-removed:1',
  'segment-removed:3',
  'prune-segments-gone',
  'prune-file-gone:1',
  'prune-file-gone:2',
];

for (const point of POINTS) {
  test(`killed at ${point}, it loses nothing and the next one leaves no leak`, async (t) => {
    const home = new MessyHome(t);
    const done = home.job(t, 'done', 'canceled');
    const lost = home.job(t, 'lost', 'lost');
    const live = home.job(t, 'live', 'running');
    const { garbage } = home.mess(lost);
    const args = ['--keep-last', '1'];
    const killed = await run(home, args, { TIDEMARK_FAILPOINT: point });
    assert.equal(killed.code, 'SIGKILL', killed.stderr);
    const whole = () => home.known().filter((name) => !existsSync(home.catalog.home.segment(name)));
    assert.deepEqual(whole(), [], 'what is referred to is there');
    assert.deepEqual(home.completed(live), [1, 2, 3]);
    await prune(home, ...args);
    assert.deepEqual(whole(), []);
    assert.deepEqual(home.onDisk(), home.known());
    assert.deepEqual(garbage.filter(existsSync), []);
    assert.deepEqual(
      [done, lost, live].map((job) => home.completed(job)),
      [[3], [3], [1, 2, 3]],
    );
    assert.deepEqual(home.catalog.problems(), []);
    const healthy = await tidemark(['doctor', '--deep', '--json'], { cwd: home.folder });
    assert.equal(healthy.code, 0);
    const { findings }: { findings: { code: string }[] } = JSON.parse(healthy.stdout);
    assert.deepEqual(
      findings.map(({ code }) => code),
      ['JOB_LOST'],
    );
  });
}

test('it prunes a home whose segments, job folders and bundles are gone', async (t) => {
  const home = new MessyHome(t);
  const failed = home.job(t, 'failed', 'failed');
  const { segments } = home.catalog.home;
  for (const file of readdirSync(segments)) unlinkSync(`${segments}/${file}`);
  writeFileSync(`${segments}/not a segment.seg`, 'mine');
  await prune(home, 'failed@1', 'failed@2', 'failed@3');
  assert.deepEqual(home.completed(failed), []);
  assert.deepEqual(readdirSync(segments), ['not a segment.seg'], 'what is not ours stays');
});

describe('with real jobs', () => {
  const place = new Place();
  before(() => place.make());
  after(() => place.remove());

  it('keeps what a suspended job goes on from, until it is named; then it does not begin again', async () => {
    await place.count('paused', '--param', 'count=1000000', '--retain', '3');
    await place.json('suspend', 'paused');
    await place.json('prune', 'paused');
    const [last, ...more] = (
      await place.json<{ id: number; state: string }[]>('checkpoints', 'paused')
    ).filter(({ state }) => state === 'completed');
    assert.ok(last !== undefined && more.length === 0);
    await place.json('resume', 'paused');
    await place.json('suspend', 'paused');
    await place.json('prune', 'paused');
    const { id = 0 } = (await place.json<{ id: number }[]>('checkpoints', 'paused')).at(-1) ?? {};
    const { stdout } = await place.run('prune', `paused@${id}`, '--dry-run');
    assert.match(stdout, /paused cannot be resumed then/);
    await place.json('prune', `paused@${id}`);
    const text = await refused(place, 4, 'CHECKPOINT_NOT_FOUND', 'resume', 'paused');
    assert.match(text, /tidemark cancel/);
    await place.json('cancel', 'paused');
    assert.deepEqual(readdirSync(place.path('.tidemark/segments')), []);
  });

  it('a failed job leaves its checkpoints, unless --on-failure delete', async () => {
    const fail = async (name: string, ...more: string[]) => {
      const params = ['--param', `output=${name}`, '--param', 'rate=2000', '--param', 'at=4000'];
      // One checkpoint, well before the failure: its commit is not under way then, which would keep it.
      const start = ['run', `${JOBS}/throws-at.ts`, '--name', name, ...params, '--restart', 'none'];
      const { code, stderr } = await place.run(...start, '--checkpoint-interval', '1200ms', ...more);
      assert.equal(code, 3, stderr);
      assert.equal(stderr.includes(`tidemark resume ${name}`), more.length === 0, stderr);
      const rows = await place.json<{ state: string }[]>('checkpoints', name);
      return rows.filter(({ state }) => state === 'completed').length;
    };
    assert.equal(await fail('kept'), 1);
    assert.equal(await fail('dropped', '--on-failure', 'delete'), 0);
    await refused(place, 4, 'CHECKPOINT_NOT_FOUND', 'resume', 'dropped');
  });
});
