/** No space where the archive should go: the savepoint fails, nothing stands under its name, and the job runs on. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { EXIT } from '../../src/base/errors.js';
import { committedLines, countedLines, difference, errorOf, eventually, Sandbox } from './harness.js';

const KEYS = 2_000;
const COUNT = 40_000;

const sandbox = new Sandbox();
const small = sandbox.path('small');
mkdirSync(small);
const mounted =
  spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k,mode=0700', 'tidemark-test', small]).status === 0;
after(() => {
  if (mounted) spawnSync('umount', ['-l', small]);
  sandbox.remove();
});

const NO_MOUNT = 'a small file system cannot be mounted here (it takes root on Linux)';

test('a full disk in the middle of savepoint and stop', { skip: mounted ? false : NO_MOUNT }, async () => {
  const output = sandbox.path('out');
  const params = [`count=${COUNT}`, 'rate=4000', `keys=${KEYS}`, 'splits=2', `output=${output}`];
  const flags = params.flatMap((param) => ['--param', param]);
  sandbox.json(['run', 'fixtures/jobs/slow-count.ts', '-d', '-p', '2', ...flags]);
  await eventually('every key has state', () => sandbox.status('slow-count').elements > KEYS);
  // Room for the beginning of the archive, not for all of it.
  const { bavail, bsize } = statfsSync(small);
  writeFileSync(join(small, 'ballast'), Buffer.alloc((bavail - 2) * bsize));
  const archive = join(small, 'state.tar');
  for (const command of ['savepoint', 'stop']) {
    const failed = sandbox.run([command, 'slow-count', '-o', archive, '--json']);
    assert.equal(failed.code, EXIT.environment, failed.stderr);
    assert.equal(errorOf(failed).code, 'DISK_FULL');
    assert.deepEqual(readdirSync(small), ['ballast'], 'no half archive, no temporary file');
    const before = sandbox.status('slow-count');
    assert.equal(before.state, 'running', `${command} that failed costs the job nothing`);
    assert.equal(before.restarts, 0);
    await eventually('it moves on', () => sandbox.status('slow-count').elements > before.elements);
  }
  rmSync(join(small, 'ballast'));
  sandbox.json(['stop', 'slow-count', '-o', sandbox.path('state.tar')]);
  const last = sandbox.run(['restore', sandbox.path('state.tar'), '-p', '3', '--param', 'rate=50000']);
  assert.equal(last.code, 0, last.stderr);
  assert.equal(difference(committedLines(output), countedLines(COUNT, KEYS)), '');
});
