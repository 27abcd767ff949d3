/**
 * A state on disk that does not fit in the heap: 180 MB in 96 MB, or with `TIDEMARK_TEST_LONG=1` 4 GB in 512 MB. It is
 * filled, changed at random, killed in the middle of that, saved in both layouts, restored at another parallelism and
 * into memory, and each page of it is as the input so far gives it.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { after, type TestContext, test } from 'node:test';
import { keyOf, PAGE_BYTES, pageOf, seenAfter } from './definitions/pages.js';
import { COMMAND, eventually, type Finished, Sandbox, type Status } from './harness.js';
import { segmentFiles } from './home-check.js';
import { Watch } from './watch-job.js';

const LONG = process.env['TIDEMARK_TEST_LONG'] === '1';
const KEYS = LONG ? 1_000_000 : 45_000;
const CHANGES = KEYS / 10;
/** What a quarter of a page says, the rest repeats in the short test: deflate would take most of its time. */
const GRAIN = LONG ? PAGE_BYTES : PAGE_BYTES / 4;
const HEAP_MIB = LONG ? 512 : 96;
const CACHE = LONG ? '128m' : '32m';
const STATE_BYTES = KEYS * PAGE_BYTES;
/** What the job's process may take beyond the heap: code and buffers of its threads, caches, what is on its way. */
const BESIDE_HEAP_MIB = 320;
const MOST_FILES = 160;
/** The longest chain: store/pick-merge.ts lets no delta begin above HARD_RUNS. */
const MOST_SEGMENTS = 32;
const DEFINITION = 'test/crash/definitions/big-state.ts';
const ON_DISK = ['--backend', 'disk', '--heap', `${HEAP_MIB}m`, '--cache', CACHE];

interface Saved {
  readonly digest: string;
  readonly bytes: number;
  readonly checkpointId: number;
}

const sandbox = new Sandbox();
after(() => sandbox.remove());
const record = sandbox.path('record');

/** Lets the job have so many numbers in all. */
function open(count: number): void {
  writeFileSync(sandbox.path('gate'), String(count));
}

/** As `Sandbox.json`, but this process goes on meanwhile. */
async function command<T>(args: readonly string[]): Promise<T> {
  const { code, stdout, stderr }: Finished = await sandbox.start([...args, '--json']).finished;
  if (code !== 0) throw new Error(`tidemark ${args.join(' ')} ended with ${code}: ${stderr}`);
  return JSON.parse(stdout) as T;
}

/** Of the last attempt that had a number: which was its first, and what its process had read until then. */
function firstNumber(): { readonly attempts: number; readonly n: number; readonly bytesRead: number } {
  const lines = readFileSync(record, 'utf8').trimEnd().split('\n');
  const [, n, bytes] = /^(\d+) .*rchar: (\d+)/.exec(lines.at(-1) ?? '') ?? [];
  return { attempts: lines.length, n: Number(n), bytesRead: Number(bytes) };
}

function entriesOf(status: Status): readonly number[] {
  return status.operators.find(({ uid }) => uid === 'pages')?.subtasks.map((one) => one.stateEntries) ?? [];
}

const total = (numbers: readonly number[]) => numbers.reduce((sum, n) => sum + n, 0);

/** Holds every page of a snapshot against the first `count` numbers. */
async function checkPages(snapshot: string, count: number): Promise<void> {
  const seen = seenAfter(count, KEYS);
  const args = [COMMAND, 'inspect', snapshot, '--state', 'pages.page', '--json', '--home', sandbox.home];
  const inspect = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let pages = 0;
  for await (const line of createInterface({ input: inspect.stdout })) {
    const { key, value } = JSON.parse(line) as { readonly key: number; readonly value: unknown };
    const expected = pageOf(key, seen[key] ?? 0, GRAIN);
    assert.deepEqual(value, expected, `key ${key} of ${snapshot} after ${count} numbers`);
    // Each key once: what comes again is not expected to have been there.
    seen[key] = 0;
    pages++;
  }
  assert.equal(pages, KEYS);
}

/** One page, found by its key. */
function checkKey(snapshot: string, key: number, count: number): void {
  const seen = seenAfter(count, KEYS)[key] ?? 0;
  const entry = sandbox.json<{ readonly value: unknown }>([
    ...['inspect', snapshot, '--state', 'pages.page', '--key', String(key)],
  ]);
  assert.deepEqual(entry.value, pageOf(key, seen, GRAIN));
}

/** Says and checks what a job took that has its state on disk. */
function checkPeaks(t: TestContext, job: string, { peaks }: Watch): void {
  const mib = (bytes: number) => `${Math.round(bytes / 1024 / 1024)} MiB`;
  t.diagnostic(
    `${job}: ${mib(STATE_BYTES)} of state, heap ${HEAP_MIB} MiB; peak ${mib(peaks.rssKiB * 1024)} resident, ` +
      `${mib(peaks.diskBytes)} on disk, ${peaks.segments} segments, ${peaks.files} files; slowest answer ${peaks.slowestAnswerMs} ms`,
  );
  assert.ok(peaks.rssKiB <= (HEAP_MIB + BESIDE_HEAP_MIB) * 1024, `${peaks.rssKiB} KiB resident`);
  assert.ok(peaks.files <= MOST_FILES, `${peaks.files} files open`);
  assert.ok(peaks.segments <= MOST_SEGMENTS, `${peaks.segments} segments`);
  assert.ok(peaks.diskBytes <= 3 * STATE_BYTES, `${peaks.diskBytes} bytes on disk`);
}

/** The checkpoint of a savepoint, packed and converted, is the savepoint: at this size only when there is time. */
async function externalized(t: TestContext, watch: Watch, saved: Saved): Promise<void> {
  const [native, canonical] = [sandbox.path('big.checkpoint.tar'), sandbox.path('converted.tar')];
  const operand = `big-state@${saved.checkpointId}`;
  const packed = await watch.during(command<Saved>(['externalize', operand, '-o', native]));
  t.diagnostic(`externalized, ${packed.bytes} bytes`);
  const converted = await command<Saved>(['convert', native, '-o', canonical]);
  assert.equal(converted.digest, saved.digest);
  for (const path of [native, canonical]) rmSync(path);
}

test('more state than heap: run, checkpoint, kill, savepoint, verify, restore at another parallelism', async (t) => {
  const began = performance.now();
  const step = (what: string) =>
    t.diagnostic(`${((performance.now() - began) / 1000).toFixed(1)} s: ${what}`);
  const params = { keys: KEYS, grain: GRAIN, gate: sandbox.path('gate'), record };
  const given = Object.entries(params).flatMap(([name, value]) => ['--param', `${name}=${value}`]);
  open(KEYS);
  sandbox.json(['run', DEFINITION, '-d', ...ON_DISK, ...given]);
  const filled = new Watch(sandbox, 'big-state');
  await filled.position(KEYS);
  step('filled');
  const first = await filled.during(
    command<{ readonly bytes: { readonly total: number } }>(['checkpoint', 'big-state']),
  );
  assert.ok(first.bytes.total > STATE_BYTES);
  step('checkpoint');
  open(KEYS + CHANGES);
  await filled.position(KEYS + CHANGES / 4);
  checkPeaks(t, 'filled', filled);
  process.kill(filled.pid, 'SIGKILL');

  await eventually('it is lost', () => sandbox.status('big-state').state === 'lost');
  sandbox.json(['resume', 'big-state']);
  await eventually('an element after the crash', () => firstNumber().attempts === 2);
  const again = firstNumber();
  assert.equal(again.n, KEYS, 'it goes on from the checkpoint');
  t.diagnostic(`${again.bytesRead} bytes read before the first element after the crash`);
  assert.ok(again.bytesRead <= STATE_BYTES / 20, `${again.bytesRead} bytes read before the first element`);
  step('resumed');
  const resumed = new Watch(sandbox, 'big-state');
  const changed = await resumed.position(KEYS + CHANGES);
  assert.equal(total(entriesOf(changed)), KEYS);
  step('changed');
  const savepoint = sandbox.path('big.savepoint.tar');
  const saved = await resumed.during(command<Saved>(['savepoint', 'big-state', '-o', savepoint]));
  step(`savepoint, ${saved.bytes} bytes`);
  if (LONG) await externalized(t, resumed, saved);
  checkPeaks(t, 'resumed', resumed);
  sandbox.json(['cancel', 'big-state']);
  assert.deepEqual(segmentFiles(sandbox.home), { whole: [], unfinished: [] });

  assert.deepEqual(await command(['verify', savepoint]), { ok: true, findings: [] });
  for (const key of [0, keyOf(KEYS + CHANGES - 1, KEYS), KEYS - 1]) checkKey(savepoint, key, KEYS + CHANGES);
  step('verified');

  sandbox.json(['restore', savepoint, '-d', '-p', '3', '--name', 'wide', ...ON_DISK]);
  const wide = new Watch(sandbox, 'wide');
  // The command waits for half a minute only.
  const restored = entriesOf(await wide.until('it runs', ({ operators }) => operators.length > 0));
  assert.equal(restored.length, 3);
  assert.equal(total(restored), KEYS);
  step('restored on disk');
  open(KEYS + 2 * CHANGES);
  await wide.position(KEYS + 2 * CHANGES);
  await wide.during(command(['checkpoint', 'wide']));
  step('changed again');
  await wide.during(checkPages('wide', KEYS + 2 * CHANGES));
  step('all pages are right');
  checkPeaks(t, 'wide', wide);
  sandbox.json(['cancel', 'wide']);
});
