/** A damaged archive starts nothing: every flipped byte and every truncation is refused before a job exists. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { after, test } from 'node:test';
import { TidemarkError } from '../../src/base/errors.js';
import { homePaths } from '../../src/base/home.js';
import { seededRandom } from '../../src/base/random.js';
import { planRestore } from '../../src/job/restore.js';
import { eventually, Sandbox } from './harness.js';

const TRIES = 1000;

const sandbox = new Sandbox();
after(() => sandbox.remove());

const archive = sandbox.path('whole.tar');
const damaged = sandbox.path('damaged.tar');

const FORBIDDEN = { allowNonRestored: false, afterDrain: false, convert: false };

async function codeOf(path: string): Promise<string> {
  const options = {
    archive: path,
    params: {},
    flags: {},
    sinks: undefined,
    cwd: sandbox.folder,
    environment: {},
  };
  try {
    await planRestore(homePaths(sandbox.home), { ...options, ...FORBIDDEN });
    return 'accepted';
  } catch (error) {
    return error instanceof TidemarkError ? error.code : String(error);
  }
}

/** What may be said of a damaged archive: that it is damaged, or that the damage made it look newer. */
const REFUSALS = new Set(['ARCHIVE_CORRUPT', 'FORMAT_NEWER']);

test('restore refuses each of 1,000 flipped bytes and 1,000 truncations', async () => {
  const params = ['count=60000', 'rate=2000', 'keys=500', `output=${sandbox.path('out')}`];
  const flags = params.flatMap((param) => ['--param', param]);
  sandbox.json(['run', 'fixtures/jobs/slow-count.ts', '-d', ...flags]);
  await eventually('it moves', () => sandbox.status('slow-count').elements > 600);
  sandbox.json(['stop', 'slow-count', '-o', archive]);
  const whole = readFileSync(archive);
  const random = seededRandom(7);
  for (let i = 0; i < TRIES; i++) {
    const offset = Math.floor(random.next() * whole.length);
    const bytes = Buffer.from(whole);
    bytes[offset] = (bytes[offset] ?? 0) ^ (1 + Math.floor(random.next() * 255));
    writeFileSync(damaged, bytes);
    const code = await codeOf(damaged);
    assert.ok(REFUSALS.has(code), `byte ${offset}: ${code}`);
  }
  for (let i = 0; i < TRIES; i++) {
    const length = Math.floor(random.next() * whole.length);
    writeFileSync(damaged, whole.subarray(0, length));
    assert.equal(await codeOf(damaged), 'ARCHIVE_CORRUPT', `cut to ${length}`);
  }
  assert.equal(sandbox.json<unknown[]>(['list', '--all']).length, 1, 'no job was made');
});

test('on the command line it is exit 7, naming the member', () => {
  const bytes = readFileSync(archive);
  const at = bytes.indexOf('data/00000.blocks') + 512 + 40;
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  writeFileSync(damaged, bytes);
  const refused = sandbox.run(['restore', damaged, '--json']);
  assert.equal(refused.code, 7, refused.stderr);
  const error = JSON.parse(refused.stderr.trim().split('\n').at(-1) ?? '');
  assert.equal(error.code, 'ARCHIVE_CORRUPT');
  assert.match(error.message, /data\/0000\d\.blocks/);
  const verified = sandbox.run(['verify', damaged, '--json']);
  assert.equal(verified.code, 7, verified.stderr);
  const { ok, findings } = JSON.parse(verified.stdout);
  assert.equal(ok, false);
  assert.equal(findings[0].member, 'data/00000.blocks');
});
