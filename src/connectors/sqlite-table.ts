/**
 * The source that reads the rows of a table of an SQLite database, once or as they come.
 *
 * Invariants: one split; a position is the last row read, by its place in the order of the cursor, so that reading on
 * yields exactly the rows that follow; every page is a read transaction of its own, so no writer waits for long.
 */
import { resolve } from 'node:path';
import { parseDuration } from '../base/duration.js';
import { TidemarkError, toTidemarkError } from '../base/errors.js';
import { ValueRefused } from '../codec/codec.js';
import { type StandardSchema, schema } from '../codec/schema.js';
import { isBag, unknownNames } from '../graph/bag.js';
import { graphInvalid } from '../graph/graph-invalid.js';
import { show } from '../graph/names.js';
import { isStandardSchema } from '../graph/schemas.js';
import type { Batch, ReadRequest, SourceContext, SourceSpec } from '../graph/source.js';
import type { Sqlite } from '../sqlite/sqlite.js';
import { type SqlRow, showRow } from './sqlite-database/cells.js';
import { databaseError, openForReading, patiently } from './sqlite-database/database.js';
import { nameTrouble } from './sqlite-database/names.js';
import { type PlacedRow, type ReadOptions, TableReader } from './sqlite-table/plan.js';
import { comparePositions, type SqlitePosition, START, sqlitePosition } from './sqlite-table/position.js';

export type { SqlitePosition };

interface CommonOptions {
  /** The table's name, as it is: quotes and dots in it are part of it. */
  readonly table: string;
  /**
   * The column by which it is read, in ascending order, ties by the row's number. Default `rowid`: the row's number, which
   * an INTEGER PRIMARY KEY is. A row whose value grows (`updated_at`) is read again; one whose value is below what was
   * read is never seen.
   */
  readonly cursor?: string;
  /** An SQL condition on a row. It is asked once, when the row's turn comes. */
  readonly where?: string;
  /** Look for more rows so often, for ever: `'1s'` or milliseconds. Default: the source ends when it has read all. */
  readonly poll?: string | number;
  /** Elements per second. */
  readonly rate?: number;
}

export interface PlainTable extends CommonOptions {
  readonly schema?: undefined;
  readonly row?: undefined;
}

export interface CheckedTable<T> extends CommonOptions {
  /** Checks every row, an object by column name, and types it. Any Standard Schema: zod, valibot, arktype. */
  readonly schema: StandardSchema<T>;
  readonly row?: undefined;
}

export interface MappedTable<T> extends CommonOptions {
  readonly schema?: undefined;
  /** Makes an element of a row. */
  readonly row: (row: SqlRow) => T;
}

type TableOptions = PlainTable | CheckedTable<unknown> | MappedTable<unknown>;

/**
 * Reads the rows of a table, each once, in the order of a column. Exactly-once: after a failure it goes on after the last
 * row that counts. Relative paths are relative to where the job was first started.
 *
 * An element is the row as an object by column name: text as strings, REAL and whole numbers within ±(2^53−1) as numbers,
 * larger ones as bigints, blobs as Uint8Array, NULL as null; or what `schema` or `row` make of it.
 *
 * Changes and deletions of rows that were read are not seen: docs/databases.md has how a trigger writes them down.
 * Errors: FILE_NOT_FOUND without a database; DEFINITION_INVALID where table, column or condition do not fit; SOURCE_DATA for a
 * row that the schema refuses, or without a value of the cursor; SOURCE_CHANGED where row numbers are given out again.
 * @throws TidemarkError GRAPH_INVALID with all that is wrong with the options.
 * @example job.source('orders', sqliteTable('shop.db', { table: 'orders', schema: Order, poll: '1s' }))
 */
export function sqliteTable<T>(path: string, options: CheckedTable<T>): SourceSpec<T, SqlitePosition>;
export function sqliteTable<T>(path: string, options: MappedTable<T>): SourceSpec<T, SqlitePosition>;
export function sqliteTable(path: string, options: PlainTable): SourceSpec<SqlRow, SqlitePosition>;
export function sqliteTable(path: string, options: TableOptions): SourceSpec<unknown, SqlitePosition> {
  const findings = findingsOf(path, options);
  if (findings.length > 0) throw graphInvalid('sqliteTable()', findings);
  const { table, cursor = 'rowid', where, rate } = options;
  const poll = options.poll === undefined ? undefined : parseDuration(options.poll, 'sqliteTable(): poll');
  const readOf = (cwd: string): ReadOptions => ({ path: resolve(cwd, path), table, cursor, where });
  return {
    kind: 'sqliteTable',
    describe: `${path}, table ${table}${poll === undefined ? '' : ', as it grows'}`,
    position: schema(sqlitePosition),
    ...(rate === undefined ? {} : { rate }),
    async splits(context) {
      await reading(context, readOf(context.cwd), async () => {});
      return [{ id: table, start: START }];
    },
    check: (request) =>
      reading(request, readOf(request.cwd), (_db, reader) =>
        patiently(request.clock, () => reader.checkOrder(request.position)),
      ),
    compare: comparePositions,
    read: (request) => readRows(request, readOf(request.cwd), poll, elementOf(table, options)),
  };
}

/** Opens the database and finds the table in it, for as long as `work` takes. */
async function reading<R>(
  context: SourceContext,
  options: ReadOptions,
  work: (db: Sqlite, reader: TableReader) => Promise<R>,
): Promise<R> {
  const { db, reader } = await open(context, options);
  try {
    return await work(db, reader);
  } catch (error) {
    throw asSource(error, options);
  } finally {
    db.close();
  }
}

async function open(
  context: SourceContext,
  options: ReadOptions,
): Promise<{ db: Sqlite; reader: TableReader }> {
  const { path } = options;
  const stat = await context.disk.stat(path);
  if (stat?.isFile !== true)
    throw new TidemarkError(
      'FILE_NOT_FOUND',
      stat === undefined ? `there is no database ${path}` : `${path} is not a file`,
      { hint: 'check the path; it is relative to where the job was first started' },
    );
  try {
    const db = openForReading(path);
    try {
      return { db, reader: await patiently(context.clock, () => new TableReader(db, options)) };
    } catch (error) {
      db.close();
      throw error;
    }
  } catch (error) {
    throw asSource(error, options);
  }
}

async function* readRows<T>(
  request: ReadRequest<SqlitePosition>,
  options: ReadOptions,
  poll: number | undefined,
  elementOf: (row: SqlRow) => T,
): AsyncGenerator<Batch<T, SqlitePosition>, void, undefined> {
  const { signal, clock } = request;
  const { db, reader } = await open(request, options);
  let { position } = request;
  try {
    const advice = reader.advice();
    if (advice !== undefined) request.log(advice);
    for (let seen: unknown; ; ) {
      const version = await patiently(clock, () => reader.version(), signal);
      if (version !== seen) {
        await patiently(clock, () => reader.checkOrder(position), signal);
        for (let more = true; more && !signal.aborted; ) {
          const limit = Math.max(1, request.batch);
          const page = await patiently(clock, () => reader.page(position, limit), signal);
          more = page.more;
          for (const rows of cutAt(page.rows, position, request.until)) {
            const last = rows.at(-1);
            if (last === undefined) continue;
            position = last.position;
            yield {
              elements: rows.flatMap(({ row }) => (row === undefined ? [] : [elementOf(row)])),
              position,
            };
          }
        }
        seen = version;
      }
      if (poll === undefined || signal.aborted) return;
      await clock.sleep(poll, signal);
      if (signal.aborted) return;
    }
  } catch (error) {
    throw asSource(error, options);
  } finally {
    db.close();
  }
}

/** The page in one piece, or in two where a batch is to end within it. */
function cutAt(
  page: readonly PlacedRow[],
  from: SqlitePosition,
  until: SqlitePosition | undefined,
): (readonly PlacedRow[])[] {
  if (until === undefined || comparePositions(from, until) >= 0) return [page];
  const end = page.findIndex(({ position }) => comparePositions(position, until) > 0);
  return end < 0 ? [page] : [page.slice(0, end), page.slice(end)];
}

function elementOf(table: string, options: TableOptions): (row: SqlRow) => unknown {
  if (options.row !== undefined) return options.row;
  if (options.schema === undefined) return (row) => row;
  const versions = schema(options.schema);
  return (row) => {
    try {
      return versions.check(row);
    } catch (error) {
      if (!(error instanceof ValueRefused)) throw error;
      throw new TidemarkError('SOURCE_DATA', `table ${show(table)}: ${error.message}: ${showRow(row)}`, {
        hint: 'mend the row in the table, or leave such rows out with where',
      });
    }
  };
}

function asSource(error: unknown, { path, table }: ReadOptions): unknown {
  const coded = databaseError(error, 'source', `reading table ${table} of ${path}`);
  return coded instanceof Error && 'syscall' in coded ? toTidemarkError(coded, `reading ${path}`) : coded;
}

const KNOWN = ['table', 'cursor', 'where', 'poll', 'rate', 'schema', 'row'];

function findingsOf(path: unknown, options: unknown): string[] {
  const findings: string[] = [];
  if (typeof path !== 'string' || path === '' || path.includes('\0'))
    findings.push('the path is text that is not empty');
  else if (path === ':memory:') findings.push("':memory:' is empty: give the path of a file");
  if (!isBag(options)) return [...findings, `expected options, found ${show(options)}`];
  const { table, cursor, where, rate, schema: given, row, poll } = options;
  findings.push(...unknownNames(options, KNOWN));
  for (const [what, name] of [
    ['table', table],
    ...(cursor === undefined ? [] : [['cursor', cursor]]),
  ] as const) {
    const trouble = nameTrouble(name);
    if (trouble !== undefined) findings.push(`${what} ${show(name)}: ${trouble}`);
  }
  if (where !== undefined && (typeof where !== 'string' || where.trim() === '' || where.includes('\0')))
    findings.push(`where: expected an SQL condition, found ${show(where)}`);
  if (rate !== undefined && !(typeof rate === 'number' && Number.isFinite(rate) && rate > 0))
    findings.push(`rate: expected a number above 0, found ${show(rate)}`);
  if (poll !== undefined && !(typeof poll === 'string' || (typeof poll === 'number' && poll > 0)))
    findings.push(`poll: expected '1s' or milliseconds above 0, found ${show(poll)}`);
  if (given !== undefined && !isStandardSchema(given))
    findings.push(`schema: expected a schema, found ${show(given)}`);
  if (row !== undefined && typeof row !== 'function')
    findings.push(`row: expected a function, found ${show(row)}`);
  if (given !== undefined && row !== undefined) findings.push('give either schema or row');
  return findings;
}
