/**
 * The one place that knows SQLite's library. Everything else speaks SQL through a {@link Sqlite} connection.
 *
 * Two builds of the library serve different Nodes (PARTS 0): `better-sqlite3-napi` needs Node-API 10 (Node 22 and
 * later), `better-sqlite3` serves the rest. A process uses one of them only: SQLite keeps its table of file locks
 * per copy of the library, and two copies in one process would drop each other's locks.
 *
 * Invariants: the native part loads at the first connection, so that commands without a catalog never pay for it;
 * what goes wrong leaves here as a TidemarkError that names the file.
 */
import { createRequire } from 'node:module';
import type BetterSqlite3 from 'better-sqlite3';
import { assert } from '../base/assert.js';
import { TidemarkError } from '../base/errors.js';
import { nativeError, sqliteError } from './sqlite-errors.js';
import { Statement } from './statement.js';

const NAPI_BUILD = 'better-sqlite3-napi';
const ABI_BUILD = 'better-sqlite3';
const NAPI_BUILD_NEEDS = 10;

export type SqlValue = string | number | bigint | Uint8Array | null;
/** In order for `?`, by name for `@name`; the library takes `?1` for a name. */
export type SqlParameters = readonly SqlValue[] | Readonly<Record<string, SqlValue>>;
/** A row as SQLite gave it; nothing in it is believed before row.ts has looked at it. */
export type Row = Readonly<Record<string, unknown>>;

export interface SqliteOptions {
  /** Make the file when it is absent. */
  readonly create: boolean;
  /** Milliseconds to wait for another process's lock before HOME_LOCKED. */
  readonly busyTimeout: number;
  /** What the file is, for messages: `catalog`, `lock`. */
  readonly what: string;
  /** Nothing can be written, and what the file itself declares may call no function with side effects. */
  readonly readonly?: boolean;
}

/** The rows of a statement, as they come. */
export interface Query {
  readonly columns: readonly string[];
  /** Integers as bigints, so that none is rounded; text as strings; blobs as buffers of their own. Once only. */
  rows(): Generator<readonly SqlValue[], void>;
}

type Library = typeof BetterSqlite3;
let library: Library | undefined;

/** Which build this Node takes. Pure, for tests. */
export function chooseBuild(napi: string | undefined, installed: (name: string) => boolean): string {
  return Number(napi) >= NAPI_BUILD_NEEDS && installed(NAPI_BUILD) ? NAPI_BUILD : ABI_BUILD;
}

function loadLibrary(): Library {
  if (library !== undefined) return library;
  const require = createRequire(import.meta.url);
  const { napi } = process.versions;
  const installed = (name: string) => {
    try {
      require.resolve(name);
      return true;
    } catch {
      return false;
    }
  };
  const name = chooseBuild(napi, installed);
  try {
    library = require(name) as Library;
    return library;
  } catch (error) {
    throw nativeError(error, name) ?? error;
  }
}

/** A statement in a message. */
function shown(sql: string): string {
  return JSON.stringify(sql.length > 200 ? `${sql.slice(0, 200)}…` : sql);
}

/** One connection to one file. Closed by its owner; not shared between threads. */
export class Sqlite {
  readonly path: string;
  readonly #what: string;
  readonly #db: BetterSqlite3.Database;
  readonly #statements = new Map<string, BetterSqlite3.Statement>();

  private constructor(path: string, what: string, db: BetterSqlite3.Database) {
    this.path = path;
    this.#what = what;
    this.#db = db;
  }

  /** Opens without reading: a file that is no database shows at the first statement. */
  static open(path: string, options: SqliteOptions): Sqlite {
    const Database = loadLibrary();
    try {
      const { create, busyTimeout, readonly = false } = options;
      const db = new Database(path, { fileMustExist: !create, timeout: busyTimeout, readonly });
      if (readonly) db.pragma('trusted_schema = OFF');
      return new Sqlite(path, options.what, db);
    } catch (error) {
      throw nativeError(error, ABI_BUILD) ?? sqliteError(error, `${options.what} ${path}`);
    }
  }

  /** Runs statements that take no parameters and give no rows. */
  exec(sql: string): void {
    this.#guard(() => this.#db.exec(sql));
  }

  /** The number of rows changed. */
  run(sql: string, parameters: SqlParameters = []): number {
    return this.#guard(() => this.#statement(sql).run(parameters).changes);
  }

  get(sql: string, parameters: SqlParameters = []): Row | undefined {
    return this.#guard(() => this.#statement(sql).get(parameters) as Row | undefined);
  }

  all(sql: string, parameters: SqlParameters = []): readonly Row[] {
    return this.#guard(() => this.#statement(sql).all(parameters) as Row[]);
  }

  /** A statement for many uses, kept by its caller. */
  prepare(sql: string): Statement {
    return new Statement(
      this.#guard(() => this.#db.prepare(sql)),
      (work) => this.#guard(work),
    );
  }

  /** True from BEGIN to COMMIT or ROLLBACK; after some errors SQLite has rolled back by itself. */
  get inTransaction(): boolean {
    return this.#db.open && this.#db.inTransaction;
  }

  /**
   * A statement that somebody else wrote, which may only read.
   * @throws USAGE for what is no such statement, also while its rows come
   */
  query(sql: string): Query {
    const statement = this.#reading(() => this.#db.prepare(sql));
    if (!statement.reader || !statement.readonly)
      throw new TidemarkError('USAGE', `${shown(sql)} gives no rows, or changes something`, {
        hint: 'one statement that reads: SELECT … FROM …',
      });
    const columns = statement.columns().map(({ name }) => name);
    const rows = () => statement.safeIntegers(true).raw(true).iterate() as IterableIterator<SqlValue[]>;
    return { columns, rows: () => this.#rows(rows) };
  }

  *#rows(open: () => IterableIterator<SqlValue[]>): Generator<readonly SqlValue[], void> {
    const rows = this.#reading(open);
    try {
      for (;;) {
        const row = this.#reading(() => rows.next());
        if (row.done === true) return;
        yield row.value;
      }
    } finally {
      rows.return?.();
    }
  }

  /** Errors of the statement are its writer's. */
  #reading<T>(work: () => T): T {
    try {
      return this.#guard(work);
    } catch (error) {
      if (!(error instanceof TidemarkError) || error.code !== 'INTERNAL') throw error;
      throw new TidemarkError('USAGE', error.message, { cause: error });
    }
  }

  /** The first column of the first row of `PRAGMA text`. */
  pragma(text: string): unknown {
    return this.#guard(() => this.#db.pragma(text, { simple: true }));
  }

  /** All or nothing, and nobody else writes meanwhile. Inside another transaction it joins that one. */
  transaction<T>(work: () => T): T {
    return this.#between('BEGIN IMMEDIATE', work);
  }

  /** Reads that see one state of the file. */
  snapshot<T>(work: () => T): T {
    return this.#between('BEGIN', work);
  }

  close(): void {
    this.#statements.clear();
    this.#guard(() => this.#db.close());
  }

  #between<T>(begin: string, work: () => T): T {
    if (this.#db.inTransaction) return work();
    this.exec(begin);
    try {
      const result = work();
      assert(!(result instanceof Promise), 'a transaction is synchronous');
      this.exec('COMMIT');
      return result;
    } catch (error) {
      // SQLite has rolled back by itself after some errors (full disk, for one).
      if (this.#db.inTransaction) this.exec('ROLLBACK');
      throw error;
    }
  }

  #statement(sql: string): BetterSqlite3.Statement {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#db.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }

  #guard<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      if (error instanceof TidemarkError) throw error;
      throw sqliteError(error, `${this.#what} ${this.path}`);
    }
  }
}
