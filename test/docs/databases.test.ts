/** What docs/databases.md says, and its examples, on databases. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, test } from 'node:test';
import { z } from 'zod';
import shopTotals from '../../fixtures/jobs/shop-totals.js';
import { type JobBuilder, sqliteSink, sqliteTable } from '../../src/index.js';
import { Sqlite } from '../../src/sqlite/sqlite.js';
import { testJob } from '../../src/testing.js';

// Compiled tests lie in dist/test/docs.
const PROJECT = resolve(import.meta.dirname, '../../..');
const folder = mkdtempSync(join(tmpdir(), 'tidemark-docs-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const shop = join(folder, 'shop.db');
const output = join(folder, 'totals.db');

function query(path: string, text: string): unknown[][] {
  const db = Sqlite.open(path, { create: true, busyTimeout: 1000, what: 'database' });
  try {
    if (text.startsWith('SELECT'))
      return db
        .prepare(text)
        .all()
        .map((row) => row.map((cell) => (typeof cell === 'bigint' ? Number(cell) : cell)));
    db.exec(text);
    return [];
  } finally {
    db.close();
  }
}

test('the SQL on the page is that of the shop, word for word', () => {
  const page = readFileSync(join(PROJECT, 'docs/databases.md'), 'utf8');
  const sql = readFileSync(join(PROJECT, 'fixtures/inputs/shop.sql'), 'utf8');
  const found = [...page.matchAll(/^```sql\n(.*?)^```$/gms)].map(([, code = '']) => code);
  assert.ok(found.length > 0);
  for (const code of found) assert.ok(sql.includes(code), code);
});

test('shop-totals: totals follow the changes of the orders', async () => {
  query(shop, readFileSync(join(PROJECT, 'fixtures/inputs/shop.sql'), 'utf8'));
  const job = await testJob(shopTotals, { params: { shop, output } });
  await job.run();
  await job.close();
  const totals = new Map(job.output('out').map((row) => [(row as { customer: string }).customer, row]));
  assert.deepEqual(
    [...totals.values()],
    [
      { customer: 'ann', orders: 1, cents: 1000 },
      { customer: 'bob', orders: 1, cents: 300 },
      { customer: 'cid', orders: 0, cents: 0 },
      { customer: 'dan', orders: 1, cents: 500 },
    ],
  );
});

/** The snippets of the page: that they compile is what counts. */
export function snippets(job: JobBuilder): void {
  const Order = z.object({ id: z.number(), customer: z.string(), cents: z.number() });
  const orders = job.source('orders', sqliteTable('shop.db', { table: 'orders', schema: Order }));
  orders.sink('copy', sqliteSink('copy.db', { table: 'orders' }));
  orders.sink(
    'log',
    sqliteSink('copy.db', {
      table: 'order log',
      columns: { id: 'integer', at: 'text', body: 'blob' },
      row: (order) => ({
        id: order.id,
        at: new Date().toISOString(),
        body: Buffer.from(JSON.stringify(order)),
      }),
    }),
  );
  job.source(
    'large',
    sqliteTable('shop.db', {
      table: 'orders',
      cursor: 'updated_at',
      where: 'cents > 10000',
      poll: '5s',
      row: ({ id, customer }) => `${customer}: ${id}`,
    }),
  );
}
