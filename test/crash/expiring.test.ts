/** A job whose state expires on disk, suspended and resumed: what it has is known without being read. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { verifyArchive } from '../../src/archive/verify.js';
import { systemClock } from '../../src/base/clock.js';
import { homePaths } from '../../src/base/home.js';
import { systemRandom } from '../../src/base/random.js';
import { realDisk } from '../../src/base/real-disk.js';
import { Catalog } from '../../src/catalog/catalog.js';
import { decodeManifest, type ManifestTable } from '../../src/format/manifest.js';
import { committed, Sandbox } from './harness.js';

const ARGS = ['run', 'test/crash/definitions/expiring.ts', '--resume', '--backend', 'disk', '-p', '2'];
const sandbox = new Sandbox();
after(() => sandbox.remove());

/** Runs until that many lines are out, and suspends. Gives the tables of the last checkpoint. */
async function tablesAfter(lines: number): Promise<ReadonlyMap<string, ManifestTable>> {
  const job = sandbox.start([...ARGS, '--param', `output=${sandbox.path('out')}`]);
  await committed(sandbox.path('out'), lines, job);
  job.process.kill('SIGINT');
  await job.finished;
  const options = { create: false, clock: systemClock, random: systemRandom };
  const catalog = Catalog.open(homePaths(sandbox.home), options);
  try {
    const manifest = catalog.lastCompleted(catalog.job('expiring').id)?.manifest;
    return new Map(decodeManifest(manifest, 'the last').tables.map((table) => [table.name, table]));
  } finally {
    catalog.close();
  }
}

function check(tables: ReadonlyMap<string, ManifestTable>): number {
  const [always, long, short] = ['always', 'long', 'short'].map((name) => tables.get(name));
  const expiring = (table: ManifestTable | undefined) =>
    table?.expiries?.map((spans) => spans.reduce((sum, [, , entries]) => sum + entries, 0));
  assert.equal(always?.expiries, undefined);
  assert.equal(long?.entries, always?.entries);
  assert.deepEqual(expiring(long), long?.subtasks);
  // Those of the last milliseconds; more than those were committed before.
  assert.ok(short !== undefined && short.entries < (always?.entries ?? 0), `${short?.entries} entries`);
  return always?.entries ?? 0;
}

test('entries that expire on disk are counted over a suspension', async () => {
  const before = check(await tablesAfter(500));
  const lines = await committed(sandbox.path('out'), before);
  assert.equal(lines.length, before);
  const now = check(await tablesAfter(before + 500));
  assert.ok(now >= before + 500, `${before} and ${now} entries`);
  const archive = sandbox.path('expiring.tar');
  const packed = sandbox.run(['externalize', 'expiring', '-o', archive]);
  assert.equal(packed.code, 0, packed.stderr);
  assert.deepEqual((await verifyArchive(realDisk, archive)).findings, []);
});
