/** Puts staged rows into a table, within a transaction that its caller has begun. */
import { TidemarkError } from '../../base/errors.js';
import { show } from '../../graph/names.js';
import type { Sqlite } from '../../sqlite/sqlite.js';
import type { Statement } from '../../sqlite/statement.js';
import { showRow, toSql } from '../sqlite-database/cells.js';
import { databaseError, isBusy } from '../sqlite-database/database.js';
import type { RunTracker } from './row-run.js';
import type { StagedRow } from './staged-rows.js';
import { deleteSql, insertSql, upsertSql } from './statements.js';

/** Statements kept, one for each set of columns that rows name. */
const MAX_STATEMENTS = 64;

interface Insert {
  readonly columns: readonly string[];
  readonly insert: Statement;
}

export class TableWriter {
  readonly #db: Sqlite;
  readonly #table: string;
  readonly #key: readonly string[] | undefined;
  readonly #statements = new Map<string, Statement>();
  #last: Insert | undefined;

  /** `key`: of an upserting sink. */
  constructor(db: Sqlite, table: string, key: readonly string[] | undefined) {
    this.#db = db;
    this.#table = table;
    this.#key = key;
  }

  /** @throws SINK_FAILED where the table refuses a row, with the row. */
  apply(rows: readonly StagedRow[], tracker: RunTracker): void {
    for (const row of rows) {
      try {
        if (row.put === undefined) this.#remove(row.remove);
        else this.#put(row.put, tracker);
      } catch (error) {
        throw this.#refused(error, row);
      }
    }
  }

  #put(row: NonNullable<StagedRow['put']>, tracker: RunTracker): void {
    const columns = Object.keys(row);
    const last = this.#last;
    const into = last !== undefined && sameNames(last.columns, columns) ? last : this.#insertOf(columns);
    const { changes, lastRowid } = into.insert.run(Object.values(row).map(toSql));
    if (this.#key === undefined) tracker.inserted(changes, lastRowid, into.columns);
  }

  /** Rows that follow each other mostly name the same columns. */
  #insertOf(columns: readonly string[]): Insert {
    const key = this.#key;
    const insert = this.#statement(JSON.stringify(columns), () =>
      key === undefined ? insertSql(this.#table, columns) : upsertSql(this.#table, columns, key),
    );
    this.#last = { columns, insert };
    return this.#last;
  }

  #remove(key: NonNullable<StagedRow['remove']>): void {
    const statement = this.#statement('remove', () => deleteSql(this.#table, this.#key ?? []));
    statement.run(key.map(toSql));
  }

  #statement(id: string, sql: () => string): Statement {
    let statement = this.#statements.get(id);
    if (statement === undefined) {
      if (this.#statements.size >= MAX_STATEMENTS) this.#statements.clear();
      statement = this.#db.prepare(sql());
      this.#statements.set(id, statement);
    }
    return statement;
  }

  #refused(error: unknown, row: StagedRow): unknown {
    const shown =
      row.put === undefined
        ? `removal of ${JSON.stringify(row.remove.map(show))}`
        : `the row ${showRow(row.put)}`;
    const coded = databaseError(error, 'sink', `table ${show(this.#table)}, ${shown}`);
    if (!(coded instanceof TidemarkError) || coded.code !== 'SINK_FAILED' || isBusy(error)) return coded;
    return new TidemarkError(coded.code, coded.message, {
      ...coded.details,
      hint: 'the row is part of a completed checkpoint: change the table so that it takes it, then resume the job',
    });
  }
}

function sameNames(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((name, i) => name === b[i]);
}
