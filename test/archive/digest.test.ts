/** The worked example of FORMAT.md. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { openArchive } from '../../src/archive/read.js';
import { leafHash, snapshotDigest, tableDigest } from '../../src/format/digest.js';
import { archiveOf, diskWith, PATH } from './archives.js';
import { Blocks, operator, table } from './blocks.js';

const page = await readFile(new URL('../../../src/format/FORMAT.md', import.meta.url), 'utf8');
const example = page.slice(page.indexOf('An example: operator `count`'));
const hexOf = (label: string) =>
  [...example.matchAll(new RegExp(`^ {4}${label} +([0-9a-f ]+)$`, 'gm'))].map(([, hex = '']) =>
    hex.replaceAll(' ', ''),
  );

test('the example of the page is what the code computes', async () => {
  const operators = [operator('count', 'process', 'string', 4)];
  const tables = [table(0, 'count', 'seen', 'number')];
  const leaves = [...hexOf('entry of "a"'), ...hexOf('entry of "b"')].map((hex, i) => {
    const leaf = leafHash('number');
    leaf.add(Buffer.from(hex, 'hex'));
    return { group: i + 1, entries: 1, leaf: leaf.digest() };
  });
  assert.deepEqual(
    leaves.map(({ leaf }) => leaf.toString('hex')),
    hexOf('leaf'),
  );
  const digest = tableDigest(tables[0] ?? table(0, '', ''), leaves);
  assert.deepEqual([digest.toString('hex')], hexOf('table'));
  assert.deepEqual([snapshotDigest(operators, tables, [digest])], hexOf('snapshot'));
  const blocks = new Blocks();
  blocks.value(0, 'b', 7, 'string', 4);
  blocks.value(0, 'a', 5, 'string', 4);
  const archive = await openArchive(diskWith(await archiveOf({ blocks, operators, tables })), PATH);
  assert.deepEqual([archive.manifest.digest], hexOf('snapshot'));
  const payloads: string[] = [];
  for await (const { payload } of archive.blocks()) payloads.push(payload.toString('hex'));
  assert.deepEqual(payloads, [...hexOf('entry of "a"'), ...hexOf('entry of "b"')]);
});

test('operators without tables are no part of it', () => {
  const some = [operator('a')];
  const tables = [table(0, 'a', 's')];
  const digests = [Buffer.alloc(32)];
  assert.equal(
    snapshotDigest(some, tables, digests),
    snapshotDigest([...some, operator('b')], tables, digests),
  );
});
