/**
 * The sink that writes rows into a table of an SQLite database, exactly once.
 *
 * Invariants: a reader of the table sees committed rows only, each once, and all of a commit or nothing of it; what is
 * staged lies beside the database, in `<database>-tidemark/<table>`, which one sink of one job at a time owns.
 */
import { join, resolve } from 'node:path';
import { TidemarkError } from '../base/errors.js';
import { schema } from '../codec/schema.js';
import { isBag, unknownNames } from '../graph/bag.js';
import { graphInvalid } from '../graph/graph-invalid.js';
import { show } from '../graph/names.js';
import type { WriterContext } from '../graph/sink.js';
import type { Sink } from '../graph/stream.js';
import { COLUMN_TYPES, type ColumnType, type SqlCell, type SqlRow } from './sqlite-database/cells.js';
import { databaseError, openForReading, patiently } from './sqlite-database/database.js';
import { folded, folderOf, nameTrouble } from './sqlite-database/names.js';
import { SqliteCommitter } from './sqlite-sink/committer.js';
import { OWN_TABLES } from './sqlite-sink/ledger.js';
import type { StagedRow } from './sqlite-sink/staged-rows.js';
import { meetTable, type TargetOptions, type TargetTable } from './sqlite-sink/target.js';
import { type SqliteTransaction, sqliteTransaction } from './sqlite-sink/transaction.js';
import { StagingWriter } from './sqlite-sink/writer.js';

export type { ColumnType, SqlCell, SqliteTransaction, SqlRow };

/** Objects whose properties are columns; those that are undefined are left out. */
export type SqlColumnsOf<T> = object & { readonly [K in keyof T]: SqlCell | undefined };

interface CommonOptions {
  /** The table's name, as it is: quotes and dots in it are part of it. */
  readonly table: string;
  /**
   * The columns of the rows, and their types: `{ word: 'text', n: 'integer' }`. Database and table are made where they
   * are absent, and every cell must be of its column's type, or null. Without it they must be there.
   */
  readonly columns?: Readonly<Record<string, ColumnType>>;
}

interface AppendOptions extends CommonOptions {
  /** `append` (the default) inserts a row for each element. */
  readonly mode?: 'append';
  readonly key?: undefined;
  readonly remove?: undefined;
}

interface UpsertOptions<T> extends CommonOptions {
  /** `upsert` inserts a row, or overwrites those columns it gives of the row that has its key. */
  readonly mode: 'upsert';
  /** The columns that tell rows apart: a primary key or a unique index of exactly these. Never null. */
  readonly key: readonly string[];
  /** True for elements that take the row of their key out of the table. Of their row only the key is looked at. */
  readonly remove?: (element: T) => boolean;
}

export type SqliteSinkOptions<T> = AppendOptions | UpsertOptions<T>;

interface RowOption<T> {
  /** The row of an element, by column name. Columns left out get their default; in an upsert they stay as they are. */
  readonly row: (element: T) => SqlRow;
}

interface MaybeRow<T> {
  readonly row?: RowOption<T>['row'] | undefined;
}

/**
 * Writes a row for each element into a table of an SQLite database. Exactly-once by two-phase commit (as Flink's
 * `TwoPhaseCommitSinkFunction`): rows wait in files beside the database, in `<database>-tidemark/<table>`, until their
 * checkpoint is complete; then one transaction of the database writes all of them and says so in its table
 * `tidemark_ledger`. One sink of one job at a time owns a table. Relative paths are relative to where the job was first
 * started.
 *
 * Without `row` an element is its own row. Cells are strings, numbers, bigints within 64 bits, booleans (kept as 0 and
 * 1), Uint8Array and null; anything else, NaN and the infinities are VALUE_REFUSED, with table, column and row.
 *
 * A job restored from a snapshot that the table is ahead of is refused with TARGET_AHEAD; with `--sinks rewind`, an
 * appending sink deletes the later rows where it can find every one as it was, an upserting one refuses.
 * @throws TidemarkError GRAPH_INVALID with all that is wrong with the options.
 * @example
 * counts.sink('out', sqliteSink('out.db', { table: 'counts', columns: { word: 'text', n: 'integer' } }));
 * counts.sink('latest', sqliteSink('out.db', { table: 'latest', mode: 'upsert', key: ['word'] }));
 */
export function sqliteSink<T>(
  path: string,
  options: SqliteSinkOptions<T> & RowOption<T>,
): Sink<T, SqliteTransaction>;
export function sqliteSink<T extends SqlColumnsOf<T>>(
  path: string,
  options: SqliteSinkOptions<T> & { readonly row?: undefined },
): Sink<T, SqliteTransaction>;
export function sqliteSink<T>(
  path: string,
  options: SqliteSinkOptions<T> & MaybeRow<T>,
): Sink<T, SqliteTransaction> {
  const findings = findingsOf(path, options);
  if (findings.length > 0) throw graphInvalid('sqliteSink()', findings);
  const { table, key, columns } = options;
  const staging = join(`${path}-tidemark`, folderOf(table));
  const targetOf = (cwd: string): TargetOptions => ({ path: resolve(cwd, path), table, key, columns });
  return {
    kind: 'sqliteSink',
    describe: `${path}, table ${table}${key === undefined ? '' : `, by ${key.join(', ')}`}`,
    target: staging,
    transaction: schema(sqliteTransaction),
    async open(context) {
      const target = await lookAt(context, targetOf(context.cwd));
      return new StagingWriter<T>(context, {
        folder: resolve(context.cwd, staging),
        stage: (element) => staged(element, target, options),
      });
    },
    committer: (context) =>
      new SqliteCommitter(context, { ...targetOf(context.cwd), folder: resolve(context.cwd, staging) }),
  };
}

function staged<T>(
  element: T,
  target: TargetTable,
  { row, remove }: SqliteSinkOptions<T> & MaybeRow<T>,
): StagedRow {
  const made: unknown = row === undefined ? element : row(element);
  if (!isBag(made)) {
    const what = row === undefined ? 'an element is no row' : 'row() returned no row';
    throw new TidemarkError(
      'VALUE_REFUSED',
      `${what}: expected an object by column name, found ${show(made)}`,
      {
        hint: 'give the sink a `row` function that returns { column: value, … }',
      },
    );
  }
  return remove?.(element) === true ? target.remove(made) : target.put(made);
}

/** The table as it is when writing begins: the committer has made it by then. */
async function lookAt(context: WriterContext, options: TargetOptions): Promise<TargetTable> {
  const doing = `sink ${context.sink}, looking at table ${options.table}`;
  try {
    const db = openForReading(options.path);
    try {
      return await patiently(context.clock, () => meetTable(db, options));
    } finally {
      db.close();
    }
  } catch (error) {
    throw databaseError(error, 'sink', doing);
  }
}

const KNOWN = ['table', 'columns', 'mode', 'key', 'row', 'remove'];

/** What is wrong with the options; types tell most of it, plain JavaScript has none. */
function findingsOf(path: unknown, options: unknown): string[] {
  const findings: string[] = [];
  if (typeof path !== 'string' || path === '' || path.includes('\0'))
    findings.push('the path is text that is not empty');
  else if (path === ':memory:') findings.push("':memory:' is gone with its process: give the path of a file");
  if (!isBag(options)) return [...findings, `expected options, found ${show(options)}`];
  const { table, columns, mode, key, row, remove } = options;
  findings.push(...unknownNames(options, KNOWN));
  const trouble = nameTrouble(table);
  if (trouble !== undefined) findings.push(`table ${show(table)}: ${trouble}`);
  else if (OWN_TABLES.includes(folded(String(table))) || /^sqlite_/i.test(String(table)))
    findings.push(`table ${show(table)}: is not for rows of yours`);
  findings.push(...columnFindings(columns));
  if (mode !== undefined && mode !== 'append' && mode !== 'upsert')
    findings.push(`mode: expected 'append' or 'upsert', found ${show(mode)}`);
  if (mode === 'upsert') findings.push(...keyFindings(key, columns));
  else if (key !== undefined || remove !== undefined) findings.push("key and remove go with mode: 'upsert'");
  for (const [name, value] of Object.entries({ row, remove })) {
    if (value !== undefined && typeof value !== 'function')
      findings.push(`${name}: expected a function, found ${show(value)}`);
  }
  return findings;
}

function columnFindings(columns: unknown): string[] {
  if (columns === undefined) return [];
  if (!isBag(columns) || Object.keys(columns).length === 0)
    return [`columns: expected an object of types by column name, found ${show(columns)}`];
  const findings = Object.entries(columns).flatMap(([name, type]) => {
    const trouble = nameTrouble(name);
    if (trouble !== undefined) return [`columns: ${show(name)}: ${trouble}`];
    if (COLUMN_TYPES.some((each) => each === type)) return [];
    return [`columns: ${show(name)}: expected one of ${COLUMN_TYPES.join(', ')}, found ${show(type)}`];
  });
  return [
    ...findings,
    ...twice(Object.keys(columns)).map((name) => `columns: ${show(name)} stands there twice`),
  ];
}

function keyFindings(key: unknown, columns: unknown): string[] {
  if (!Array.isArray(key) || key.length === 0 || key.some((name) => nameTrouble(name) !== undefined))
    return [`key: expected the columns that tell rows apart, ['id'], found ${show(key)}`];
  const names = key.map(String);
  const known = isBag(columns) ? new Set(Object.keys(columns).map(folded)) : undefined;
  const missing = known === undefined ? [] : names.filter((name) => !known.has(folded(name)));
  return [
    ...twice(names).map((name) => `key: ${show(name)} stands there twice`),
    ...missing.map((name) => `key: ${show(name)} is not among the columns`),
  ];
}

/** Names that SQLite takes for one that stands before. */
function twice(names: readonly string[]): string[] {
  return names.filter((name, i) => names.findIndex((other) => folded(other) === folded(name)) !== i);
}
