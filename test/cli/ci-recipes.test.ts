/** The scripts of fixtures/ci, run by a shell as a CI runner would. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { EXIT } from '../../src/base/errors.js';
import type { JobRow, StatusDocument } from '../../src/job/status.js';
import { COMMAND, committedLines, miscounted, PROJECT, Sandbox } from '../crash/harness.js';
import { environment } from './command.js';

const SCRIPTS = join(PROJECT, 'fixtures/ci');
const OLD = readFileSync(join(PROJECT, 'fixtures/jobs/slow-count.ts'), 'utf8');
const NEXT = readFileSync(join(PROJECT, 'test/crash/definitions/next-count.ts'), 'utf8');
const PARAMS = ['--param', 'count=100000000', '--param', 'rate=2000', '--checkpoint-interval', '200ms'];

const LONG = process.env['TIDEMARK_TEST_LONG'] === '1';
const sandboxes: Sandbox[] = [];
after(() => {
  for (const sandbox of sandboxes) sandbox.remove();
});

/** A checkout with the scripts in `ci`, a job in `jobs`, and `tidemark` in the path. */
class Checkout {
  readonly sandbox = new Sandbox('state/home');
  readonly output = this.sandbox.path('state/out');

  constructor() {
    sandboxes.push(this.sandbox);
    for (const name of ['bin', 'jobs', 'state']) mkdirSync(this.sandbox.path(name));
    symlinkSync(COMMAND, this.sandbox.path('bin/tidemark'));
    cpSync(SCRIPTS, this.sandbox.path('ci'), { recursive: true });
  }

  write(definition: string): void {
    writeFileSync(this.sandbox.path('jobs/word-count.ts'), definition);
  }

  sh(script: string, more: Readonly<Record<string, string>> = {}) {
    const env = environment({
      TIDEMARK_HOME: this.sandbox.home,
      ...more,
      PATH: `${this.sandbox.path('bin')}:${process.env['PATH'] ?? ''}`,
    });
    const cwd = this.sandbox.folder;
    return spawnSync('sh', ['-ec', script], { cwd, env, encoding: 'utf8', timeout: 180_000 });
  }

  only(): JobRow | undefined {
    const [job, ...others] = this.sandbox.json<JobRow[]>(['list']);
    assert.deepEqual(others, []);
    return job;
  }
}

function versionOf(does: string): string {
  return NEXT.replace("param.string('well')", `param.string('${does}')`);
}

describe('upgrade.sh', () => {
  it('goes back when the new version fails, or is not what it should be, and forward else', () => {
    const place = new Checkout();
    place.write(OLD);
    const start = `tidemark run jobs/word-count.ts -d --param output=state/out ${PARAMS.join(' ')}`;
    const started = place.sh(`${start} && tidemark wait slow-count --until checkpoint`);
    assert.equal(started.status, 0, started.stderr);
    const upgrade = 'sh ci/upgrade.sh slow-count jobs/word-count.ts . --checkpoint-interval 200ms';
    const ways = [
      ...(LONG ? ([['throws', 'true', '3s', EXIT.rolledBack, /no checkpoint; going back/]] as const) : []),
      ['well', 'test "$JOB" = other', '2m', EXIT.rolledBack, /not what it should be; going back/],
      ['well', 'tidemark status "$JOB"', '2m', EXIT.done, /runs its new version/],
    ] as const;
    for (const [does, verify, timeout, code, says] of ways) {
      place.write(versionOf(does));
      const { status, stderr } = place.sh(upgrade, { VERIFY: verify, TIMEOUT: timeout });
      assert.equal(status, code, stderr);
      assert.match(stderr, says);
      assert.equal(place.only()?.state, 'running');
    }
    place.write(OLD.replaceAll("'count'", "'counter'"));
    const refused = place.sh(upgrade);
    assert.equal(refused.status, EXIT.incompatible, refused.stderr);
    assert.equal(place.only()?.state, 'running');

    place.sandbox.json(['suspend', 'slow-count']);
    const lines = committedLines(place.output);
    assert.equal(miscounted(lines), '');
    assert.ok(lines.length > 0);
  });
});

/** The `run: |` blocks of a workflow by the name of their step, and the variables of its job. */
function workflow(text: string): { blocks: Map<string, string>; env: Record<string, string> } {
  const blocks = new Map<string, string>();
  for (const [, name = '', block = ''] of text.matchAll(
    /^ +- name: (.+)\n(?: +(?!- ).*\n)*? +run: \|\n((?: {10}.*\n)+)/gm,
  )) {
    blocks.set(name, block.replace(/^ {10}/gm, ''));
  }
  const [, variables = ''] = /^ {4}env:\n((?: {6}.*\n)+)/m.exec(text) ?? [];
  const env: Record<string, string> = {};
  for (const [, name = '', value = ''] of variables.matchAll(/^ {6}(\w+): (.*)$/gm)) env[name] = value;
  return { blocks, env };
}

describe('the workflow for GitHub', () => {
  it('goes on from run to run, and with the old version when the new one does not work', () => {
    const place = new Checkout();
    const { blocks, env } = workflow(readFileSync(join(SCRIPTS, 'github-actions.yml'), 'utf8'));
    assert.deepEqual([...blocks.keys()], ['install', 'run', 'show']);
    assert.equal(env['DEFINITION'], 'jobs/word-count.ts');
    assert.ok(env['TIDEMARK_HOME']?.endsWith('/state/home'));
    const options = { OPTIONS: `--param output=state/out ${PARAMS.join(' ')}`, TIME: '2s' };
    const { TIDEMARK_HOME: _home, ...given } = env;
    const run = (definition: string) => {
      place.write(definition);
      const done = place.sh(blocks.get('run') ?? 'exit 1', { ...given, ...options });
      const job = place.only();
      assert.equal(job?.state, 'suspended', `nothing is left running: ${done.stderr}`);
      const { definition: runs } = place.sandbox.json<StatusDocument>(['status', job.id]);
      assert.ok(existsSync(runs));
      return { status: done.status, id: job.id, last: job.lastCheckpoint?.id ?? 0, stderr: done.stderr };
    };
    const first = run(OLD);
    assert.equal(first.status, 0, first.stderr);
    const second = run(versionOf('well'));
    assert.equal(second.status, 0, second.stderr);
    assert.notEqual(second.id, first.id, 'it was upgraded');
    assert.ok(second.last > first.last);
    const third = run(versionOf('throws'));
    assert.equal(third.status, EXIT.rolledBack, third.stderr);
    if (LONG) {
      const fourth = run(versionOf('well'));
      assert.equal(fourth.status, 0, fourth.stderr);
      assert.deepEqual(run(versionOf('well')).id, fourth.id, 'nothing has changed');
    }
    assert.equal(place.sh(blocks.get('show') ?? 'exit 1', given).status, 0);
    assert.equal(miscounted(committedLines(place.output)), '');
  });

  it('goes on with a failed job once its code is mended', { skip: !LONG }, () => {
    const place = new Checkout();
    const options = `--param output=state/out ${PARAMS.join(' ')} --restart none`;
    const script = `sh ci/scheduled-run.sh word-count jobs/word-count.ts 3s ${options}`;
    place.write(
      versionOf('throws').replace('throw new Error(`element', 'if (n > 2_000) throw new Error(`element'),
    );
    const failed = place.sh(script);
    assert.equal(failed.status, EXIT.jobFailed, failed.stderr);
    const before = place.only();
    assert.equal(before?.state, 'failed');
    assert.notEqual(before.lastCheckpoint, null);
    place.write(versionOf('well'));
    const mended = place.sh(script);
    assert.equal(mended.status, 0, mended.stderr);
    assert.equal(place.only()?.id, before.id);
    assert.equal(miscounted(committedLines(place.output)), '');
  });
});
