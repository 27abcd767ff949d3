/** The table of error codes against the sources that throw them and the tests that reach them. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve, sep } from 'node:path';
import { test } from 'node:test';
import { CODES, EXIT } from '../../src/base/errors.js';

const PROJECT = resolve(import.meta.dirname, '../../..');
const TABLE = 'src/base/errors.ts';
const THIS = 'test/base/codes.test.ts';

interface Source {
  readonly path: string;
  readonly text: string;
}

function sourcesOf(folder: string): Source[] {
  return readdirSync(join(PROJECT, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => {
      const full = join(entry.parentPath ?? entry.path, entry.name);
      const path = full
        .slice(PROJECT.length + 1)
        .split(sep)
        .join('/');
      return { path, text: readFileSync(full, 'utf8') };
    });
}

/** The codes that none of these sources names in quotes. */
function unnamed(sources: readonly Source[]): string[] {
  const all = sources.map(({ text }) => text).join('\n');
  return Object.keys(CODES).filter((code) => !new RegExp(`['"\`]${code}['"\`]`).test(all));
}

/** The table itself: without its keys, what is left of the file names codes only where it makes errors. */
const errors = readFileSync(join(PROJECT, TABLE), 'utf8');

test('every code is thrown somewhere', () => {
  const sources = sourcesOf('src').filter(({ path }) => path !== TABLE);
  assert.deepEqual(unnamed([...sources, { path: TABLE, text: errors }]), []);
});

test('every code has a test that names it', () => {
  const tests = sourcesOf('test').filter(({ path }) => path !== THIS);
  assert.deepEqual(unnamed(tests), []);
});

test('every exit code is what a code or a signal leads to', () => {
  const reached = new Set<number>(Object.values(CODES));
  const others: readonly number[] = [EXIT.done, EXIT.sighup, EXIT.sigint, EXIT.sigterm];
  const later: readonly number[] = [EXIT.differs, EXIT.rolledBack];
  for (const [name, code] of Object.entries(EXIT)) {
    assert.ok(reached.has(code) || others.includes(code) || later.includes(code), `${name} (${code})`);
  }
});
