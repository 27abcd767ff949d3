/** Upgrades of a running job: whatever the new version does, one of the two runs, and the file sink is exact. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { EXIT } from '../../src/base/errors.js';
import { seededRandom } from '../../src/base/random.js';
import type { JobRow } from '../../src/job/status.js';
import type { UpgradeReport } from '../../src/job/upgrade-report.js';
import { SEED } from '../helpers/seed.js';
import { committedLines, errorOf, type Finished, miscounted, Sandbox } from './harness.js';

const NEXT = 'test/crash/definitions/next-count.ts';
const OLD = 'fixtures/jobs/slow-count.ts';
const LONG = process.env['TIDEMARK_TEST_LONG'] === '1';

const sandboxes: Sandbox[] = [];
after(() => {
  for (const sandbox of sandboxes) sandbox.remove();
});

/** A job that counts, in a home of its own. */
class Counting {
  readonly sandbox = new Sandbox();
  readonly output = this.sandbox.path('out');
  readonly archives = `${this.sandbox.path('archives')}`;

  constructor(definition = OLD, ...more: readonly string[]) {
    sandboxes.push(this.sandbox);
    const params = [`output=${this.output}`, 'count=100000000', 'rate=2000', 'keys=7'];
    const given = params.flatMap((one) => ['--param', one]);
    this.sandbox.json(['run', definition, '-d', '--checkpoint-interval', '200ms', ...given, ...more]);
    this.sandbox.json(['wait', 'slow-count', '--until', 'checkpoint', '--timeout', '60s']);
  }

  get command(): readonly string[] {
    return ['upgrade', 'slow-count', '-o', `${this.sandbox.folder}/`, '--json'];
  }

  upgrade(does: string, ...more: readonly string[]): Finished {
    return this.sandbox.run([...this.command, '--definition', NEXT, '--param', `does=${does}`, ...more]);
  }

  recover(): Finished {
    return this.sandbox.run(['upgrade', 'slow-count', '--recover', '--json']);
  }

  /** The one job that is not over. */
  running(): JobRow {
    const [job, ...others] = this.sandbox.json<JobRow[]>(['list']);
    assert.ok(job !== undefined && others.length === 0);
    assert.equal(job.state, 'running');
    return job;
  }

  /** Stops it, and compares what it has counted with what it has written. */
  check(): void {
    this.sandbox.json(['stop', 'slow-count', '-o', `${this.archives}.tar`, '--force']);
    const lines = committedLines(this.output);
    assert.equal(miscounted(lines), '');
    const summary = this.sandbox.json<{
      operators: readonly { uid: string; splits: readonly { position: { done: number } }[] }[];
    }>(['inspect', `${this.archives}.tar`]);
    const source = summary.operators.find(({ uid }) => uid === 'numbers');
    assert.equal(source?.splits[0]?.position.done, lines.length);
  }
}

function reportOf({ stdout, stderr, code }: Finished): UpgradeReport {
  assert.notEqual(stdout, '', `exit ${code}: ${stderr}`);
  return JSON.parse(stdout) as UpgradeReport;
}

function expectOutcome(finished: Finished, outcome: UpgradeReport['outcome'], code: number): UpgradeReport {
  assert.equal(finished.code, code, finished.stderr);
  const report = reportOf(finished);
  assert.equal(report.outcome, outcome);
  if (code !== 0) assert.equal(report.error?.message, errorOf(finished).message);
  return report;
}

test('a version that crashes gives way to the old one, and one that is well takes over', () => {
  const job = new Counting();
  const settings = job.sandbox.status('slow-count').settings;
  const ways = ['kills', ...(LONG ? ['throws', 'throws-open', 'hangs'] : [])];
  for (const does of ways) {
    const before = job.running();
    const report = expectOutcome(job.upgrade(does, '--timeout', '20s'), 'rolled-back', EXIT.rolledBack);
    assert.equal(report.error?.code, 'UPGRADE_ROLLED_BACK');
    const now = job.running();
    assert.deepEqual([report.old.id, report.job?.id], [before.id, now.id]);
    assert.deepEqual(job.sandbox.status(now.id).settings, settings, 'the old version runs as it ran');
  }
  const report = expectOutcome(job.upgrade('well', '--retain', '3'), 'upgraded', EXIT.done);
  assert.deepEqual(report.job?.id, job.running().id);
  const status = job.sandbox.status('slow-count');
  assert.ok(status.definition.endsWith(NEXT));
  const { checkpoint } = status.settings as { checkpoint: { interval: number; retain: number } };
  assert.deepEqual([checkpoint.interval, checkpoint.retain], [200, 3], 'typed then, and typed now');
  job.check();
});

test('what does not fit, or could not come back, is found before anything is stopped', () => {
  const job = new Counting();
  const { id } = job.running();
  const other = 'fixtures/jobs/loops.ts';
  const refused = (finished: Finished, message: RegExp) => {
    const report = expectOutcome(finished, 'refused', EXIT.incompatible);
    assert.equal(report.error?.code, 'UPGRADE_REFUSED');
    assert.match(report.error.message, message);
    assert.equal(report.savepoint, null);
    assert.equal(job.running().id, id);
  };
  refused(job.sandbox.run([...job.command, '--definition', other]), /count\.seen/);
  const needy = 'test/crash/definitions/needs-secret.ts';
  refused(job.sandbox.run([...job.command, '--definition', needy]), /secret token is missing/);

  const bundles = join(job.sandbox.home, 'bundles');
  const [bundle = ''] = readdirSync(bundles).filter((name) => name.startsWith(job.sandbox.status(id).bundle));
  const code = readFileSync(join(bundles, bundle));
  writeFileSync(join(bundles, bundle), 'export default 1;');
  refused(job.upgrade('well'), /bundle/);
  writeFileSync(join(bundles, bundle), code);

  assert.deepEqual(job.sandbox.json(['snapshots']), [], 'nothing is left of what was looked at');
  const left = readdirSync(join(job.sandbox.home, 'jobs', id)).filter((name) => name.endsWith('.tar'));
  assert.deepEqual(left, []);
  for (const [args, exit, name] of [
    [[...job.command], EXIT.usage, 'USAGE'],
    [[...job.command, '--definition', 'absent.ts'], EXIT.notFound, 'FILE_NOT_FOUND'],
  ] as const) {
    const finished = job.sandbox.run(args);
    assert.deepEqual([finished.code, errorOf(finished).code], [exit, name]);
  }
  job.check();
  const over = job.upgrade('well');
  assert.equal(over.code, EXIT.conflict);
  assert.match(errorOf(over).hint ?? '', /--recover/);
});

test('where neither version runs, the savepoint is named, and --recover brings the old one back', () => {
  const file = new Sandbox();
  sandboxes.push(file);
  const needed = file.path('needed');
  writeFileSync(needed, '');
  const job = new Counting(NEXT, '--param', 'does=needs', '--param', `file=${needed}`, '--restart', 'none');
  const report = expectOutcome(job.upgrade('removes'), 'stranded', EXIT.jobFailed);
  assert.equal(report.job, null);
  const { code, message, hint } = report.error ?? {};
  assert.equal(code, 'UPGRADE_STRANDED');
  assert.ok(existsSync(report.savepoint?.path ?? ''));
  assert.ok(message?.includes(report.savepoint?.path ?? '-'), message);
  assert.match(hint ?? '', /tidemark upgrade slow-count --recover/);

  expectOutcome(job.recover(), 'stranded', EXIT.jobFailed);
  writeFileSync(needed, '');
  expectOutcome(job.recover(), 'rolled-back', EXIT.rolledBack);
  job.check();
});

test('Ctrl-C takes an upgrade back', async () => {
  const job = new Counting();
  const args = [...job.command, '--definition', NEXT, '--param', 'does=hangs', '--timeout', '10m'];
  const upgrade = job.sandbox.start(args);
  await upgrade.says(/^job \w+ is running/m);
  upgrade.process.kill('SIGINT');
  const report = expectOutcome(await upgrade.finished, 'rolled-back', EXIT.rolledBack);
  assert.match(report.error?.message ?? '', /a signal/);
  job.running();
  job.check();
});

test('a version that dies after its first checkpoint is not gone back from, and can be resumed', {
  skip: !LONG,
}, () => {
  const job = new Counting();
  const args = [...job.command, '--definition', NEXT];
  const died = job.sandbox.run(args, { TIDEMARK_FAILPOINT: 'checkpoint-before-commit' });
  const report = expectOutcome(died, 'stranded', EXIT.jobFailed);
  assert.match(report.error?.hint ?? '', new RegExp(`tidemark resume ${report.new?.id}`));
  job.sandbox.json(['resume', 'slow-count']);
  assert.equal(job.running().id, report.new?.id);
  job.check();
});

/** Where `upgrade` is killed, on its way to what, and what --recover then comes to. */
const KILLS: readonly (readonly [
  point: string,
  does: string,
  outcome: UpgradeReport['outcome'],
  code: number,
])[] = [
  ['upgrade-stopped', 'well', 'rolled-back', EXIT.rolledBack],
  ['upgrade-started', 'well', 'upgraded', EXIT.done],
  ...(LONG
    ? ([
        ['upgrade-proven', 'well', 'refused', EXIT.incompatible],
        ['upgrade-created', 'well', 'rolled-back', EXIT.rolledBack],
        ['upgrade-started', 'throws', 'rolled-back', EXIT.rolledBack],
        ['upgrade-fenced', 'throws', 'rolled-back', EXIT.rolledBack],
        ['upgrade-ended', 'throws', 'rolled-back', EXIT.rolledBack],
        ['upgrade-created-old', 'throws', 'rolled-back', EXIT.rolledBack],
        ['upgrade-started-old', 'throws', 'rolled-back', EXIT.rolledBack],
      ] as const)
    : []),
];

test('whenever the command itself is killed, --recover puts things right', () => {
  const job = new Counting();
  for (const [point, does, outcome, code] of KILLS) {
    const args = [...job.command, '--definition', NEXT, '--param', `does=${does}`];
    const killed = job.sandbox.run(args, { TIDEMARK_FAILPOINT: point });
    assert.equal(killed.signal, 'SIGKILL', `${point}: ${killed.stderr}`);
    const report = expectOutcome(job.recover(), outcome, code);
    const now = job.running();
    if (outcome !== 'refused') assert.equal(report.job?.id, now.id, point);
  }
  assert.equal(job.recover().code, EXIT.incompatible, 'nothing is left to be put right');
  job.check();
});

test('killed at random moments, the same', { skip: !LONG }, async () => {
  const job = new Counting();
  const random = seededRandom(SEED);
  for (let round = 0; round < 20; round++) {
    const does = ['well', 'throws', 'kills', 'hangs'][Math.floor(random.next() * 4)] ?? 'well';
    const args = [...job.command, '--definition', NEXT, '--param', `does=${does}`, '--timeout', '3s'];
    const upgrade = job.sandbox.start(args);
    const what = `seed ${SEED}, round ${round}, ${does}`;
    const timer = setTimeout(() => upgrade.process.kill('SIGKILL'), 300 + random.next() * 6_000);
    const { signal } = await upgrade.finished;
    clearTimeout(timer);
    if (signal === 'SIGKILL') {
      const { code, stderr } = job.recover();
      assert.ok([0, EXIT.incompatible, EXIT.rolledBack].includes(code ?? -1), `${what}: ${stderr}`);
    }
    assert.equal(job.running().state, 'running', what);
  }
  job.check();
});
