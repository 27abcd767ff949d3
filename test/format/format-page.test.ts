/** FORMAT.md and the code name the same numbers. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { MAX_KEY_DEPTH } from '../../src/codec/key-tuples.js';
import { BINARY, EXT, MAX_VALUE_DEPTH } from '../../src/codec/value-tags.js';
import { FLAG, MAX_TABLES, NAMESPACE } from '../../src/format/entry.js';
import { MANIFEST_VERSION, MAX_NAME_LENGTH, MAX_OPERATORS, TABLE_KINDS } from '../../src/format/manifest.js';
import { MIN_ENTRY_BYTES, SEGMENT_VERSION } from '../../src/format/segment-layout.js';

const page = await readFile(new URL('../../../src/format/FORMAT.md', import.meta.url), 'utf8');
/** Tables without the spaces that line them up. */
const tables = page.replaceAll(/ +\|/g, ' |');
const words = (number: number) => number.toLocaleString('en').replace('-', '−');

test('extension types', () => {
  for (const [name, type] of Object.entries(EXT))
    assert.match(tables, new RegExp(`^\\| ${words(type)} \\| ${name} \\|`, 'm'));
});

test('kinds of binary', () => {
  for (const [name, kind] of Object.entries(BINARY))
    assert.match(tables, new RegExp(`\\| ${kind} \\| ${name} \\|`));
});

test('namespaces and flags', () => {
  for (const [name, tag] of Object.entries(NAMESPACE))
    assert.match(page, new RegExp(`^ +${tag} ${name} `, 'm'));
  assert.deepEqual([FLAG.stamp, FLAG.tombstone], [1 << 0, 1 << 1]);
});

test('kinds of table', () => {
  for (const kind of TABLE_KINDS) assert.ok(page.includes(`\`${kind}\``), kind);
});

test('versions and limits', () => {
  const expected = {
    'at most payload ÷ ': MIN_ENTRY_BYTES,
    'format version, ': SEGMENT_VERSION,
    'formatVersion  ': MANIFEST_VERSION,
    'below ': MAX_TABLES,
    'maps and sets ': MAX_VALUE_DEPTH,
    'nesting of tuples ': MAX_KEY_DEPTH,
    'names ': MAX_NAME_LENGTH,
    'Limits: ': MAX_OPERATORS,
  };
  for (const [before, number] of Object.entries(expected))
    assert.ok(page.includes(before + words(number)), before);
});
