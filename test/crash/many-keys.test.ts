/**
 * Savepoint, verify, inspect of one key and restore at another parallelism of many keys: 10,000,000 with
 * `TIDEMARK_TEST_LONG=1`, where the memory that it takes beyond the state itself is held against its bound too.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, test } from 'node:test';
import { eventually, Sandbox, type Status } from './harness.js';

const LONG = process.env['TIDEMARK_TEST_LONG'] === '1';
const KEYS = LONG ? 10_000_000 : 200_000;
const HEAP = LONG ? '6g' : '512m';
/** DESIGN 9: 64 MiB; the garbage of a job that runs on while it is measured comes on top. */
const BOUND_KIB = 2 * 64 * 1024;
const DEFINITION = 'test/crash/definitions/many-keys.ts';

const sandbox = new Sandbox();
after(() => sandbox.remove());

function entriesOf(status: Status): number[] {
  return status.operators.find(({ uid }) => uid === 'count')?.subtasks.map((one) => one.stateEntries) ?? [];
}

const total = (numbers: readonly number[]) => numbers.reduce((sum, n) => sum + n, 0);

/** Peak resident memory of a process in KiB. */
function peakOf(pid: number): number {
  return Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
}

test('many keys: savepoint, verify, one key, another parallelism', async () => {
  sandbox.json(['run', DEFINITION, '-d', '--heap', HEAP, '--param', `keys=${KEYS}`]);
  await eventually('every key has state', () => total(entriesOf(sandbox.status('many-keys'))) === KEYS);
  const { pid } = sandbox.status('many-keys');
  assert.ok(pid !== null);
  // The state's own peak, of the same job running on without a savepoint, is what the savepoint is measured against.
  const before = peakOf(pid);
  const archive = sandbox.path('many.tar');
  sandbox.json(['savepoint', 'many-keys', '-o', archive]);
  if (LONG) assert.ok(peakOf(pid) - before <= BOUND_KIB, `${peakOf(pid) - before} KiB above ${before}`);
  sandbox.json(['cancel', 'many-keys']);

  assert.deepEqual(sandbox.json(['verify', archive]), { ok: true, findings: [] });
  const one = sandbox.run(['inspect', archive, '--state', 'count.seen', '--key', 'user-777', '--json']);
  assert.equal(one.code, 0, one.stderr);
  assert.equal(JSON.parse(one.stdout).key, 'user-777');
  const { totals } = sandbox.json<{ totals: { entries: number } }>(['inspect', archive]);
  assert.equal(totals.entries, KEYS + 1, 'every key, and one split');

  sandbox.json(['restore', archive, '-d', '-p', '7', '--name', 'wide', '--heap', HEAP]);
  const restored = entriesOf(sandbox.status('wide'));
  assert.equal(restored.length, 7);
  assert.equal(total(restored), KEYS);
  sandbox.json(['cancel', 'wide']);
});
