/** What compiles of databases and what does not; see test/graph/types.test.ts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type JobBuilder,
  type Sink,
  type SourceSpec,
  type SqlitePosition,
  type SqliteTransaction,
  type SqlRow,
  type Stream,
  sqliteSink,
  sqliteTable,
} from 'tidemark';
import * as v from 'valibot';
import { z } from 'zod';

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function same<A, B>(_proof: Same<A, B>): void {}

interface Count {
  readonly word: string;
  readonly n: number;
  readonly note?: string;
  readonly at?: bigint | undefined;
}

type Change = { kind: 'set'; key: string; value: Uint8Array } | { kind: 'gone'; key: string; value: null };

export function sinks(counts: Stream<Count>, changes: Stream<Change>, words: Stream<string>): void {
  counts.sink('a', sqliteSink('out.db', { table: 'counts' }));
  counts.sink('b', sqliteSink('out.db', { table: 'counts', columns: { word: 'text', n: 'integer' } }));
  counts.sink('c', sqliteSink('out.db', { table: 'counts', mode: 'upsert', key: ['word'] }));
  counts.sink(
    'd',
    sqliteSink('out.db', {
      table: 'counts',
      mode: 'upsert',
      key: ['word'],
      row: (count) => ({ word: count.word, n: count.n, note: count.note ?? null }),
      remove: (count) => count.n === 0,
    }),
  );
  changes.sink(
    'e',
    sqliteSink('out.db', {
      table: 'kv',
      mode: 'upsert',
      key: ['key'],
      remove: ({ kind }) => kind === 'gone',
    }),
  );
  words.sink('f', sqliteSink('out.db', { table: 'words', row: (word) => ({ word, long: word.length > 9 }) }));
  const typed: Sink<Count, SqliteTransaction> = sqliteSink<Count>('out.db', { table: 'counts' });
  counts.sink('g', typed);
  // @ts-expect-error a string is no row
  words.sink('h', sqliteSink('out.db', { table: 'words' }));
  // @ts-expect-error the row has a date
  words.sink('i', sqliteSink('out.db', { table: 'words', row: (word) => ({ word, at: new Date() }) }));
  // @ts-expect-error a string has no property n
  words.sink('j', sqliteSink('out.db', { table: 'words', row: (word) => ({ word: word.n }) }));
  // @ts-expect-error an upsert has a key
  counts.sink('k', sqliteSink('out.db', { table: 'counts', mode: 'upsert' }));
  // @ts-expect-error an append has none
  counts.sink('l', sqliteSink('out.db', { table: 'counts', key: ['word'] }));
  // @ts-expect-error no such type of a column
  counts.sink('m', sqliteSink('out.db', { table: 'counts', columns: { word: 'varchar' } }));
  // @ts-expect-error a sink of other elements
  words.sink('n', typed);
}

export function nested(rows: Stream<{ readonly id: number; readonly tags: readonly string[] }>): void {
  // @ts-expect-error a cell is no array
  rows.sink('a', sqliteSink('out.db', { table: 'rows' }));
  rows.sink('b', sqliteSink('out.db', { table: 'rows', row: ({ id, tags }) => ({ id, tags: tags.join() }) }));
}

export function sources(job: JobBuilder): void {
  const plain = sqliteTable('in.db', { table: 'orders' });
  same<typeof plain, SourceSpec<SqlRow, SqlitePosition>>(true);
  const zod = sqliteTable('in.db', { table: 'orders', schema: z.object({ id: z.number() }) });
  same<typeof zod, SourceSpec<{ id: number }, SqlitePosition>>(true);
  const valibot = sqliteTable('in.db', { table: 'orders', schema: v.object({ id: v.bigint() }), poll: '1s' });
  same<typeof valibot, SourceSpec<{ id: bigint }, SqlitePosition>>(true);
  const mapped = sqliteTable('in.db', {
    table: 'orders',
    row: ({ id }) => String(id),
    cursor: 'id',
    where: 'id > 5',
  });
  same<typeof mapped, SourceSpec<string, SqlitePosition>>(true);
  job.source('ids', zod).sink('copy', sqliteSink('out.db', { table: 'ids' }));
  job.source('rows', plain).sink('whole', sqliteSink('out.db', { table: 'rows' }));
  // @ts-expect-error either of both
  sqliteTable('in.db', { table: 'orders', schema: z.object({}), row: () => 1 });
}

test('the types of databases are as they are declared above', () => assert.ok(true));
