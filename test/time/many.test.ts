/**
 * Very many open panes and timers: a savepoint has them all and shows what they are, and a job restored from it at another
 * parallelism on the other backend gives each of them once. 20,000 of each; a million with `TIDEMARK_TEST_LONG=1`.
 */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { after, describe, type TestContext, test } from 'node:test';
import { committedLines, eventually, type Running, Sandbox } from '../crash/harness.js';
import { timerOf, WINDOW_MS, windowOf } from './many-panes-times.js';

const LONG = process.env['TIDEMARK_TEST_LONG'] === '1';
const COUNT = LONG ? 1_000_000 : 20_000;
const DEFINITION = 'test/time/many-panes.ts';

interface Summary {
  readonly operators: readonly {
    readonly uid: string;
    readonly states: readonly { readonly name: string; readonly kind: string; readonly entries: number }[];
  }[];
}

interface Row {
  readonly key: number;
  readonly namespace: { readonly window: readonly [number, number] } | null;
  readonly mapKey?: number;
  readonly value: unknown;
}

/** The most memory that a process has had, in MiB, once it has ended; 0 where the system does not say. */
async function peakOf({ process: child, finished }: Running): Promise<number> {
  let peak = 0;
  const looking = setInterval(() => {
    try {
      const [, kib] = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8')) ?? [];
      peak = Math.max(peak, Math.round(Number(kib ?? 0) / 1024));
    } catch {
      // It has ended, or there is no such file.
    }
  }, 100);
  await finished;
  clearInterval(looking);
  return peak;
}

function rowsOf(sandbox: Sandbox, archive: string, state: string): readonly Row[] {
  const { code, stdout, stderr } = sandbox.run([
    'inspect',
    archive,
    '--state',
    state,
    '--limit',
    '200',
    '--json',
  ]);
  assert.equal(code, 0, stderr);
  return stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Row);
}

/** All panes and timers are there, and one can see which. */
function checkArchive(sandbox: Sandbox, archive: string): void {
  const { operators } = sandbox.json<Summary>(['inspect', archive]);
  const entries = operators.flatMap(({ uid, states }) =>
    states.map((state) => [`${uid}.${state.name} ${state.kind}`, state.entries] as const),
  );
  const found = new Map<string, number>(entries);
  for (const name of ['panes.panes aggregating', 'panes.event event-timer', 'timers.close event-timer'])
    assert.equal(found.get(name), COUNT, name);
  for (const { key, namespace, value } of rowsOf(sandbox, archive, 'panes.panes')) {
    assert.deepEqual(namespace, { window: [windowOf(key), windowOf(key) + WINDOW_MS] });
    assert.equal(value, 1);
  }
  for (const { key, mapKey } of rowsOf(sandbox, archive, 'timers.close')) assert.equal(mapKey, timerOf(key));
  const { stdout } = sandbox.run(['inspect', archive, '--state', 'panes.panes', '--key', '4']);
  assert.match(stdout, /2024-02-29T01:00:00/);
  assert.equal(sandbox.run(['verify', archive]).code, 0);
}

/** Each key's pane and timer fired once, and at its time. */
function checkOutput(output: string): void {
  const seen = { pane: new Uint8Array(COUNT), timer: new Uint8Array(COUNT) };
  for (const text of committedLines(output)) {
    const [kind, key, at, value] = JSON.parse(text) as ['pane' | 'timer', number, number, number];
    seen[kind][key] = (seen[kind][key] ?? 0) + 1;
    if (at !== (kind === 'pane' ? windowOf(key) : timerOf(key)) || value !== 1) assert.fail(text);
  }
  assert.ok(
    seen.pane.every((n) => n === 1),
    'every pane once',
  );
  assert.ok(
    seen.timer.every((n) => n === 1),
    'every timer once',
  );
}

async function through(context: TestContext, first: string, second: string): Promise<void> {
  const sandbox = new Sandbox();
  after(() => sandbox.remove());
  const [gate, output, archive] = [sandbox.path('gate'), sandbox.path('out'), sandbox.path('all.tar')];
  const params = Object.entries({ count: COUNT, gate, output }).flatMap(([name, value]) => [
    '--param',
    `${name}=${value}`,
  ]);
  const began = Date.now();
  const running = sandbox.start(['run', DEFINITION, '-p', '2', '--backend', first, '--quiet', ...params]);
  const firstPeak = peakOf(running);
  await eventually('all is read', () => existsSync(`${gate}.read`));
  const read = Date.now();
  assert.equal((await sandbox.start(['stop', 'many-panes', '-o', archive, '--quiet']).finished).code, 0);
  assert.equal((await running.finished).code, 0);
  const saved = Date.now();
  checkArchive(sandbox, archive);
  assert.deepEqual(committedLines(output), []);

  writeFileSync(gate, '');
  const restored = Date.now();
  const again = sandbox.start([
    'restore',
    archive,
    '--name',
    'again',
    '-p',
    '7',
    '--backend',
    second,
    '--quiet',
  ]);
  const secondPeak = await peakOf(again);
  const { code, stderr } = await again.finished;
  assert.equal(code, 0, stderr);
  const ended = Date.now();
  checkOutput(output);
  const times = `read in ${read - began} ms, saved in ${saved - read} ms (peak ${await firstPeak} MiB), restored and fired in ${ended - restored} ms (peak ${secondPeak} MiB)`;
  context.diagnostic(`${COUNT} panes and timers, ${first} then ${second}: ${times}`);
}

describe('very many panes and timers survive savepoint and rescale', { concurrency: LONG ? 1 : 2 }, () => {
  const timeout = LONG ? 900_000 : 120_000;
  test('from memory to disk', { timeout }, (context) => through(context, 'memory', 'disk'));
  test('from disk to memory', { timeout }, (context) => through(context, 'disk', 'memory'));
});
