/** The module of docs/rewrite.md does what the page says. */
import assert from 'node:assert/strict';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { startMaps } from '../../src/job/map-task.js';
import { Blocks, operator, table } from '../archive/blocks.js';
import { diskOf, linesIn, rewritten } from '../rewrite/rewriting.js';

const SOURCES = join(resolve(import.meta.dirname, '../../..'), 'test/docs');

test('euros become cents, closed accounts and those of tests go', async () => {
  const blocks = new Blocks();
  for (const [key, value] of Object.entries({
    'DE-17': { euros: 12.5 },
    'DE-18': { euros: 3, closed: true },
    'DE-19': { euros: 0 },
    'test-1': { euros: 9 },
  }))
    blocks.value(0, key, value, 'string');
  const disk = await diskOf({
    tables: [table(0, 'balance', 'last')],
    operators: [operator('balance', 'process', 'string')],
    blocks,
  });
  await rewritten(
    disk,
    {
      rename: ['balance=account', 'balance.last=balance'],
      filter: ["account.balance=value ->> '$.euros' > 0 AND key NOT LIKE 'test-%'"],
      map: ['account.balance=to-cents.ts'],
    },
    { startMapper: (tables) => startMaps(tables, { folder: SOURCES, output: () => undefined }) },
  );
  assert.deepEqual(
    (await linesIn(disk)).map((line) => [line.operator, line.state, line.key, line.value]),
    [['account', 'balance', 'DE-17', { cents: 1250 }]],
  );
});
