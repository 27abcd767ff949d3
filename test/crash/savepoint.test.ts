/** Savepoints of real jobs, and restores at other parallelisms, held against what the input says. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { committedLines, countedLines, difference, eventually, PROJECT, Sandbox } from './harness.js';

const WORDS = 'test/crash/definitions/slow-words.ts';
const INPUTS = join(PROJECT, 'fixtures/inputs/moby-dick');

const sandbox = new Sandbox();
after(() => sandbox.remove());

interface Taken {
  readonly path: string;
  readonly digest: string;
  readonly checkpointId: number;
}

interface SplitRow {
  readonly id: string;
  readonly position: { readonly offset: number };
}

/** Counts of words in the first `bytes` bytes of each input file. */
function plainCounts(bytesOf: (name: string) => number): Map<string, number> {
  const counts = new Map<string, number>();
  for (const name of readdirSync(INPUTS).filter((name) => name.endsWith('.txt'))) {
    const text = readFileSync(join(INPUTS, name)).subarray(0, bytesOf(name)).toString('utf8');
    for (const word of text.toLowerCase().match(/[a-z]+/g) ?? [])
      counts.set(word, (counts.get(word) ?? 0) + 1);
  }
  return counts;
}

/** The last count of each word in what a sink committed, or in the entries of an archive. */
function totals(lines: readonly { readonly word: string; readonly seen: number }[]): Map<string, number> {
  const found = new Map<string, number>();
  for (const { word, seen } of lines) found.set(word, Math.max(seen, found.get(word) ?? 0));
  return found;
}

function stateOf(archive: string): Map<string, number> {
  const { code, stdout, stderr } = sandbox.run(['inspect', archive, '--state', 'count.seen', '--json']);
  assert.equal(code, 0, stderr);
  const rows = stdout
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as { key: string; value: number });
  return new Map(rows.map(({ key, value }) => [key, value]));
}

function positionsOf(archive: string): ReadonlyMap<string, number> {
  const { operators } = sandbox.json<{ operators: { splits: SplitRow[] }[] }>(['inspect', archive]);
  return new Map(
    operators.flatMap(({ splits }) => splits.map(({ id, position }) => [id, position.offset] as const)),
  );
}

test('a savepoint in mid-stream holds exactly what was read, and goes on at any parallelism', async () => {
  const output = sandbox.path('out');
  const params = ['--param', `output=${output}`, '--param', 'rate=1500'];
  sandbox.json(['run', WORDS, '-d', '-p', '4', ...params]);
  await eventually('some lines are read', () => sandbox.status('slow-words').elements > 800);
  const archive = sandbox.path('mid.tar');
  sandbox.json<Taken>(['savepoint', 'slow-words', '-o', archive]);
  assert.equal(sandbox.status('slow-words').state, 'running', 'the job runs on');

  const positions = positionsOf(archive);
  const partly = [...positions].filter(([, offset]) => offset > 0);
  assert.ok(partly.length >= 4, 'several splits are under way');
  assert.deepEqual(
    stateOf(archive),
    plainCounts((name) => positions.get(name) ?? 0),
  );

  const golden = plainCounts(() => Number.POSITIVE_INFINITY);
  for (const parallelism of [1, 7]) {
    const name = `restored-${parallelism}`;
    const target = sandbox.path(name);
    const flags = [
      '-p',
      String(parallelism),
      '--name',
      name,
      '--param',
      `output=${target}`,
      '--param',
      'rate=0',
    ];
    const { code, stderr } = sandbox.run(['restore', archive, ...flags]);
    assert.equal(code, 0, stderr);
    const lines = committedLines(target).map((line) => JSON.parse(line) as { word: string; seen: number });
    // What the snapshot held already is not emitted again; what came after is, each count once.
    const merged = new Map([...stateOf(archive), ...totals(lines)]);
    assert.deepEqual(merged, golden, `at parallelism ${parallelism}`);
    assert.equal(new Set(lines.map(({ word, seen }) => `${word} ${seen}`)).size, lines.length);
  }
  sandbox.json(['wait', 'slow-words', '--until', 'finished', '--timeout', '1m']);
  const lines = committedLines(output).map((line) => JSON.parse(line) as { word: string; seen: number });
  assert.deepEqual(totals(lines), golden, 'the job itself was not disturbed');
});

test('a savepoint, and its restore at 1, 2, 5 and 128 saved again at once, have one digest', async () => {
  const common = ['--param', 'rate=0', '--param', 'follow=true'];
  sandbox.json([
    'run',
    WORDS,
    '-d',
    '-p',
    '3',
    '--name',
    'still',
    '--param',
    `output=${sandbox.path('still')}`,
    ...common,
  ]);
  const size = [...plainCounts(() => Number.POSITIVE_INFINITY).values()].reduce((sum, n) => sum + n, 0);
  const counted = (name: string) =>
    sandbox
      .status(name)
      .operators.find(({ uid }) => uid === 'count')
      ?.subtasks.reduce((sum, { in: n }) => sum + n, 0);
  await eventually('all is read', () => counted('still') === size);
  const first = sandbox.json<Taken>(['savepoint', 'still', '-o', sandbox.path('still.tar')]);
  for (const parallelism of [1, 2, 5, 128]) {
    const name = `again-${parallelism}`;
    const flags = ['-p', String(parallelism), '--name', name, '--sinks', 'mute', '-d'];
    sandbox.json(['restore', first.path, ...flags]);
    const again = sandbox.json<Taken>(['savepoint', name, '-o', sandbox.path(`${name}.tar`)]);
    assert.equal(again.digest, first.digest, `at parallelism ${parallelism}`);
    sandbox.json(['cancel', name]);
  }
  sandbox.json(['cancel', 'still']);
});

const COUNT = 100_000;
const KEYS = 53;

/** With `TIDEMARK_TEST_LONG=1`, more. */
const STOPS = process.env['TIDEMARK_TEST_LONG'] === '1' ? 10 : 4;

test('stop many times in a row, with restores between at varying parallelism, under load', async () => {
  const output = sandbox.path('stops');
  const params = [`count=${COUNT}`, 'rate=2000', `keys=${KEYS}`, 'splits=3', `output=${output}`];
  const flags = params.flatMap((param) => ['--param', param]);
  sandbox.json(['run', 'fixtures/jobs/slow-count.ts', '-d', '--checkpoint-interval', '100ms', ...flags]);
  for (let n = 0; n < STOPS; n++) {
    const before = sandbox.status('slow-count').elements;
    await eventually('it moves', () => sandbox.status('slow-count').elements > before);
    const archive = sandbox.path(`stop-${n}.tar`);
    sandbox.json(['stop', 'slow-count', '-o', archive]);
    assert.equal(sandbox.status('slow-count').endedBy, 'stop');
    const rate = n === STOPS - 1 ? ['--param', 'rate=50000'] : [];
    sandbox.json(['restore', archive, '-d', '-p', String(1 + ((n * 3) % 7)), ...rate]);
  }
  sandbox.json(['wait', 'slow-count', '--until', 'finished', '--timeout', '1m']);
  assert.equal(difference(committedLines(output), countedLines(COUNT, KEYS)), '');
});

test('an older savepoint meets a target that is ahead', async () => {
  const output = sandbox.path('ahead');
  const params = ['count=6000', 'rate=3000', `keys=${KEYS}`, `output=${output}`].flatMap((one) => [
    '--param',
    one,
  ]);
  sandbox.json([
    'run',
    'fixtures/jobs/slow-count.ts',
    '-d',
    '--name',
    'old',
    '--checkpoint-interval',
    '100ms',
    ...params,
  ]);
  await eventually('it moves', () => sandbox.status('old').elements > 500);
  const archive = sandbox.path('old.tar');
  sandbox.json(['savepoint', 'old', '-o', archive]);
  sandbox.json(['wait', 'old', '--until', 'finished', '--timeout', '1m']);
  const expected = countedLines(6000, KEYS);
  assert.equal(difference(committedLines(output), expected), '');

  const refused = sandbox.run(['restore', archive, '--json']);
  assert.equal(refused.code, 5, refused.stderr);
  assert.equal(JSON.parse(refused.stderr.trim().split('\n').at(-1) ?? '').code, 'TARGET_AHEAD');
  assert.equal(difference(committedLines(output), expected), '', 'nothing was touched');

  const fresh = sandbox.path('fresh');
  const anew = sandbox.run(['restore', archive, '--name', 'fresh', '--param', `output=${fresh}`]);
  assert.equal(anew.code, 0, anew.stderr);
  const both = [...committedLines(fresh)];
  assert.ok(both.length > 0 && both.length < expected.length, 'only what came after the savepoint');

  const rewound = sandbox.run(['restore', archive, '--sinks', 'rewind']);
  assert.equal(rewound.code, 0, rewound.stderr);
  assert.equal(difference(committedLines(output), expected), '', 'each line is there once');

  const other = new Sandbox();
  try {
    sandbox.json([
      'run',
      'fixtures/jobs/slow-count.ts',
      '-d',
      '--name',
      'holder',
      '--param',
      'count=100000',
      '--param',
      `output=${output}-held`,
    ]);
    const elsewhere = other.run([
      'restore',
      archive,
      '--definition',
      'fixtures/jobs/slow-count.ts',
      '--param',
      `output=${output}-held`,
    ]);
    assert.equal(elsewhere.code, 5, elsewhere.stderr);
    sandbox.json(['cancel', 'holder']);
  } finally {
    other.remove();
  }
});

test('a savepoint killed at its named points leaves a whole archive or none, and the job resumes', async () => {
  const output = sandbox.path('killed');
  const params = ['count=9000', 'rate=3000', `keys=${KEYS}`, `output=${output}`].flatMap((one) => [
    '--param',
    one,
  ]);
  const start = ['run', 'fixtures/jobs/slow-count.ts', '--name', 'killed', '--resume', ...params];
  for (const point of ['savepoint-before-name', 'savepoint-named']) {
    const archive = sandbox.path(`${point}.tar`);
    const running = sandbox.start(start, { TIDEMARK_FAILPOINT: point });
    await running.says(/runs from/);
    assert.notEqual(sandbox.run(['savepoint', 'killed', '-o', archive]).code, 0);
    assert.equal((await running.finished).signal, 'SIGKILL');
    assert.equal(existsSync(archive), point === 'savepoint-named');
    if (existsSync(archive)) assert.equal(sandbox.run(['verify', archive]).code, 0);
  }
  const last = await sandbox.start(start).finished;
  assert.equal(last.code, 0, last.stderr);
  assert.equal(difference(committedLines(output), countedLines(9000, KEYS)), '');
});
