import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { test } from 'node:test';

// Compiled tests lie in dist/test/graph.
const WORDS = 214_384;
const expected = resolve(import.meta.dirname, '../../../fixtures/expected');

test('the expected results of the example jobs are what compute.mjs computes from the inputs', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'tidemark-expected-'));
  t.after(() => rmSync(folder, { recursive: true }));
  execFileSync(process.execPath, [join(expected, 'compute.mjs'), folder]);
  for (const name of ['word-count.json', 'flight-delays.json']) {
    assert.ok(readFileSync(join(folder, name)).equals(readFileSync(join(expected, name))), name);
  }
});

test('the expected results add up to the input', () => {
  const read = (name: string) => JSON.parse(readFileSync(join(expected, name), 'utf8'));
  const words: Record<string, number> = read('word-count.json');
  const rows: Record<string, { readonly flights: number }> = read('flight-delays.json');
  // tr -cs A-Za-z '\n' < moby-dick.txt | grep -c .
  assert.equal(
    Object.values(words).reduce((sum, count) => sum + count, 0),
    WORDS,
  );
  // wc -l flights-20k.jsonl
  assert.equal(
    Object.values(rows).reduce((sum, row) => sum + row.flights, 0),
    20_000,
  );
});
