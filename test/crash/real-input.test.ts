/**
 * Real input, at several parallelisms: what comes out, which subtask has which keys, splits and counts. The oracle
 * for keys is written here from Flink's and Java's definitions, and shares nothing with src/.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { committedLines, difference, PROJECT, Sandbox, type Status } from './harness.js';

const MAX_PARALLELISM = 128;
const INPUTS = join(PROJECT, 'fixtures/inputs/moby-dick');

const sandbox = new Sandbox();
after(() => sandbox.remove());

/** `String.hashCode`, then `MathUtils.murmurHash`, modulo the number of key groups. */
function groupOf(word: string): number {
  let hash = 0;
  for (let i = 0; i < word.length; i++) hash = (31 * hash + word.charCodeAt(i)) | 0;
  const rotate = (n: number, by: number) => (n << by) | (n >>> (32 - by));
  let code = Math.imul(rotate(Math.imul(hash, 0xcc9e2d51), 15), 0x1b873593);
  code = (Math.imul(rotate(code, 13), 5) + 0xe6546b64) ^ 4;
  code = Math.imul(code ^ (code >>> 16), 0x85ebca6b);
  code = Math.imul(code ^ (code >>> 13), 0xc2b2ae35);
  return Math.abs(code ^ (code >>> 16)) % MAX_PARALLELISM;
}

interface Expected {
  readonly keyGroups: { readonly start: number; readonly end: number };
  lines: number;
  wordsRead: number;
  wordsCounted: number;
  readonly distinct: Set<string>;
  readonly splits: string[];
}

/** What each subtask has to do with the novel: the nth file by name is read by subtask n mod p. */
function share(parallelism: number): Expected[] {
  const first = (i: number) => Math.ceil((i * MAX_PARALLELISM) / parallelism);
  const subtasks = Array.from({ length: parallelism }, (_, i): Expected => {
    const keyGroups = { start: first(i), end: first(i + 1) - 1 };
    return { keyGroups, lines: 0, wordsRead: 0, wordsCounted: 0, distinct: new Set(), splits: [] };
  });
  const at = (i: number) => subtasks[i] as Expected;
  for (const [index, name] of readdirSync(INPUTS).sort().entries()) {
    const reader = at(index % parallelism);
    const lines = readFileSync(join(INPUTS, name), 'utf8').replace(/\n$/, '').split('\n');
    reader.splits.push(name);
    reader.lines += lines.length;
    for (const word of lines.flatMap((line) => line.toLowerCase().match(/[a-z]+/g) ?? [])) {
      const owner = at(Math.floor((groupOf(word) * parallelism) / MAX_PARALLELISM));
      reader.wordsRead++;
      owner.wordsCounted++;
      owner.distinct.add(word);
    }
  }
  return subtasks;
}

function subtasksOf(status: Status, uid: string) {
  const operator = status.operators.find((candidate) => candidate.uid === uid);
  assert.ok(operator, `operator ${uid}`);
  return operator.subtasks;
}

async function run(job: string, parallelism: number): Promise<{ status: Status; lines: string[] }> {
  const output = sandbox.path(`${job}-${parallelism}`);
  const name = `${job}-at-${parallelism}`;
  const args = ['run', `fixtures/jobs/${job}.ts`, '--name', name, '-p', String(parallelism)];
  const { code, stderr } = await sandbox.start([...args, '--param', `output=${output}`]).finished;
  assert.equal(code, 0, stderr);
  return { status: sandbox.status(name), lines: committedLines(output) };
}

for (const parallelism of [1, 3, 4, 7]) {
  test(`word-count at parallelism ${parallelism}: counts, key groups and elements by subtask`, async () => {
    const { status, lines } = await run('word-count', parallelism);
    const counts: Record<string, number> = JSON.parse(
      readFileSync(join(PROJECT, 'fixtures/expected/word-count.json'), 'utf8'),
    );
    const expected = Object.entries(counts).flatMap(([word, count]) =>
      Array.from({ length: count }, (_, i) => JSON.stringify({ word, seen: i + 1 })),
    );
    assert.equal(difference(lines, expected), '');

    const shares = share(parallelism);
    const source = subtasksOf(status, 'lines').map(({ in: read, out, splits }) => ({
      in: read,
      out,
      splits: splits.map(({ id, state }) => `${id} ${state}`),
    }));
    const reads = shares.map(({ lines, splits }) => ({
      in: lines,
      out: lines,
      splits: splits.map((id) => `${id} done`),
    }));
    assert.deepEqual(source, reads);
    const words = subtasksOf(status, 'flatMap-1').map(({ in: lines, out }) => ({ lines, out }));
    assert.deepEqual(
      words,
      shares.map(({ lines, wordsRead }) => ({ lines, out: wordsRead })),
    );
    const counted = subtasksOf(status, 'count').map(({ keyGroups, in: words, out, stateEntries }) => {
      return { keyGroups, words, out, stateEntries };
    });
    const owned = shares.map(({ keyGroups, wordsCounted, distinct }) => ({
      keyGroups,
      words: wordsCounted,
      out: wordsCounted,
      stateEntries: distinct.size,
    }));
    assert.deepEqual(counted, owned);
    const written = subtasksOf(status, 'out').map(({ in: words, out }) => ({ words, out }));
    assert.deepEqual(
      written,
      shares.map(({ wordsCounted }) => ({ words: wordsCounted, out: wordsCounted })),
    );
  });
}

for (const parallelism of [1, 3, 7]) {
  test(`flight-delays at parallelism ${parallelism}: the last figure of each airport`, async () => {
    const { lines } = await run('flight-delays', parallelism);
    const rows = lines.map((line) => JSON.parse(line) as { origin: string; flights: number });
    const last: Record<string, { flights: number }> = {};
    for (const row of rows.sort((a, b) => a.flights - b.flights)) last[row.origin] = row;
    const expected: typeof last = JSON.parse(
      readFileSync(join(PROJECT, 'fixtures/expected/flight-delays.json'), 'utf8'),
    );
    assert.deepEqual(last, expected);
    const flights = Object.values(expected).reduce((sum, row) => sum + row.flights, 0);
    assert.equal(new Set(rows.map(({ origin, flights }) => `${origin} ${flights}`)).size, rows.length);
    assert.equal(rows.length, flights);
  });
}
