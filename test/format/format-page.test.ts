/** FORMAT.md and the code name the same numbers. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { OWN_CODECS } from '../../src/codec/define-codec.js';
import { MAX_KEY_DEPTH } from '../../src/codec/key-tuples.js';
import { BINARY, EXT, MAX_VALUE_DEPTH } from '../../src/codec/value-tags.js';
import { MAX_DEFLATE_RATIO, METHOD, SLOT_BYTES } from '../../src/format/archive-layout.js';
import { ARCHIVE_VERSION, MAX_MEMBERS } from '../../src/format/archive-manifest.js';
import { FLAG, MAX_TABLES, NAMESPACE } from '../../src/format/entry.js';
import { MANIFEST_VERSION, MAX_NAME_LENGTH, MAX_OPERATORS, TABLE_KINDS } from '../../src/format/manifest.js';
import { MIN_ENTRY_BYTES, SEGMENT_FLAG, SEGMENT_VERSION } from '../../src/format/segment-layout.js';
import { MAX_PAGE_KEYS, MAX_PAGE_LINES } from '../../src/format/sorted-filter.js';
import {
  MAX_BLOCK_ENTRIES,
  MAX_SEPARATOR_BYTES,
  SORTED_BLOCK_BYTES,
  TAIL_BYTES,
} from '../../src/format/sorted-layout.js';
import { MAX_MEMBER_NAME } from '../../src/format/tar.js';

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

test('codecs', () => {
  for (const id of OWN_CODECS) assert.match(tables, new RegExp(`^\\| \`${id}\` \\|`, 'm'));
  assert.ok(page.includes(`nests no deeper than ${MAX_VALUE_DEPTH} `));
});

test('namespaces and flags', () => {
  for (const [name, tag] of Object.entries(NAMESPACE))
    assert.match(page, new RegExp(`^ +${tag} ${name} `, 'm'));
  assert.deepEqual([FLAG.stamp, FLAG.tombstone], [1 << 0, 1 << 1]);
  assert.equal(SEGMENT_FLAG.sorted, 1 << 0);
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
    '### manifest.json\n\nOne JSON object with these fields and no others, at most 16 MiB (`MAX_MANIFEST_BYTES`).\n\n    formatVersion  ':
      ARCHIVE_VERSION,
    'At most ': MAX_MEMBERS,
    'name without prefix, at most ': MAX_MEMBER_NAME,
    'slot (': SLOT_BYTES,
    '64 MiB of entries (`MAX_BLOCK_BYTES`) and no more than\n  ': MAX_DEFLATE_RATIO,
    'A block has at most ': SORTED_BLOCK_BYTES,
    'identity before, cut to ': MAX_SEPARATOR_BYTES,
    'which it has more than ': MAX_PAGE_KEYS - MAX_BLOCK_ENTRIES,
    'lines of 64 bytes, at most ': MAX_PAGE_LINES,
    'tail (': TAIL_BYTES,
    '(METHOD): ': METHOD.stored,
    'stored, ': METHOD.deflate,
  };
  for (const [before, number] of Object.entries(expected))
    assert.ok(page.includes(before + (number < 10_000 ? String(number) : words(number))), before);
});

test('fields of an archive', async () => {
  const golden = new URL('../../../test/golden/format-v1/empty.tar', import.meta.url);
  const tar = await readFile(golden, 'latin1');
  for (const name of ['manifest.json', 'provenance.json']) {
    const at = tar.indexOf(`${name}\0`);
    const size = Number.parseInt(tar.slice(at + 124, at + 135), 8);
    const fields = Object.keys(JSON.parse(tar.slice(at + 512, at + 512 + size)));
    const section = page.slice(page.indexOf(`### ${name}`));
    for (const field of fields) assert.match(section, new RegExp(`^ {4}(?:\\w+, )*${field}\\b`, 'm'), field);
  }
});
