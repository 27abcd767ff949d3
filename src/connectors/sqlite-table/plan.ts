/**
 * The SQL by which a table is read on from a position.
 *
 *     cursor is the row's number     WHERE rowid > ?                              ORDER BY rowid
 *     another column                 WHERE c >= ? AND (c > ? OR rowid > ?)        ORDER BY c, rowid
 *     a unique one, without rowids   WHERE c > ?                                  ORDER BY c
 *
 * Every row after the position comes, also one that `where` leaves out: so the position passes it, and it is not
 * looked at again. Text is compared by its bytes whatever the column's collation, as positions are.
 */
import { TidemarkError } from '../../base/errors.js';
import { show } from '../../graph/names.js';
import type { Sqlite, SqlValue } from '../../sqlite/sqlite.js';
import { fromSql, type SqlRow, toSql } from '../sqlite-database/cells.js';
import { folded, quoted } from '../sqlite-database/names.js';
import { readTableShape, type TableShape } from '../sqlite-database/table-shape.js';
import type { SqlitePosition } from './position.js';

export interface ReadOptions {
  /** Absolute. */
  readonly path: string;
  readonly table: string;
  readonly cursor: string;
  readonly where: string | undefined;
}

export interface PlacedRow {
  readonly position: SqlitePosition;
  /** Undefined for a row that `where` leaves out. */
  readonly row: SqlRow | undefined;
}

/** One after the other, as they lie in the order of the cursor. */
export interface Page {
  readonly rows: readonly PlacedRow[];
  /** There may be more behind them. */
  readonly more: boolean;
}

/** Text and blobs of a page: it ends with the row that comes to as many bytes, however few it has then. */
const PAGE_BYTES = 1024 * 1024;

type Order = 'rowid' | 'column' | 'unique';

/** Reads one table through one connection. */
export class TableReader {
  readonly #db: Sqlite;
  readonly #options: ReadOptions;
  readonly #shape: TableShape;
  readonly #order: Order;
  /** Of the cursor, quoted. */
  readonly #cursor: string;
  readonly #rowid: string;
  readonly #nullable: boolean;

  /** @throws DEFINITION_INVALID where table, cursor or condition do not fit. */
  constructor(db: Sqlite, options: ReadOptions) {
    this.#db = db;
    this.#options = options;
    this.#shape = this.#found();
    const { rowid, rowidColumn, columns, uniques } = this.#shape;
    const column = columns.find(({ name }) => folded(name) === folded(options.cursor));
    this.#rowid = rowid ?? 'NULL';
    this.#nullable = column !== undefined && !column.notNull;
    if (options.cursor === 'rowid' || (column !== undefined && column.name === rowidColumn)) {
      this.#order = 'rowid';
      this.#cursor = 'NULL';
      if (rowid === undefined)
        throw this.#refuse(
          'has no row numbers (WITHOUT ROWID) to read it by',
          `give the source a unique column: cursor: ${show(uniques.find(({ length }) => length === 1)?.[0] ?? 'id')}`,
        );
      this.#checkWhere();
      return;
    }
    if (column === undefined)
      throw this.#refuse(
        `has no column ${show(options.cursor)} to read it by`,
        `it has ${columns.map(({ name }) => name).join(', ')}`,
      );
    if (rowid === undefined && !uniques.some((names) => names.length === 1 && names[0] === column.name))
      throw this.#refuse(
        `column ${show(column.name)} does not tell its rows apart, which have no numbers (WITHOUT ROWID)`,
        'read it by a column that is unique, or give the table row numbers',
      );
    this.#order = rowid === undefined ? 'unique' : 'column';
    this.#cursor = quoted(column.name);
    this.#checkWhere();
  }

  /** The next rows after a position, `limit` at most: a transaction of its own. */
  page({ cursor, rowid }: SqlitePosition, limit: number): Page {
    const started = rowid !== null || cursor !== null;
    const { columns } = this.#shape;
    const c = `${this.#cursor} COLLATE BINARY`;
    const after = {
      rowid: [`${this.#rowid} > ?`, [rowid]],
      column: [`${c} >= ? AND (${c} > ? OR ${this.#rowid} > ?)`, [cursor, cursor, rowid]],
      unique: [`${c} > ?`, [cursor]],
    } as const;
    const order = { rowid: this.#rowid, column: `${c}, ${this.#rowid}`, unique: c };
    const [condition, values] = after[this.#order];
    const first = this.#order === 'rowid' ? '1' : `${this.#cursor} IS NOT NULL`;
    const names = columns.map(({ name }) => quoted(name));
    const sql = `SELECT ${[this.#cursor, this.#rowid, this.#matches(), ...names].join(', ')}
      FROM main.${quoted(this.#shape.name)} WHERE ${started ? condition : first}
      ORDER BY ${order[this.#order]} LIMIT ?`;
    const parameters = [...(started ? values.map(toSql) : []), BigInt(limit)];
    let bytes = 0;
    const isLast = (row: readonly SqlValue[]) => {
      for (const cell of row)
        if (typeof cell === 'string' || cell instanceof Uint8Array) bytes += cell.length;
      return bytes >= PAGE_BYTES;
    };
    const rows = this.#db.prepare(sql).allUpTo(isLast, parameters);
    return {
      rows: rows.map((values) => this.#placed(values)),
      more: rows.length >= limit || bytes >= PAGE_BYTES,
    };
  }

  /** A number that changes when others have changed the database. */
  version(): SqlValue | undefined {
    return this.#db.prepare('PRAGMA data_version').get()?.[0];
  }

  /**
   * @throws SOURCE_CHANGED where the numbers that rows get from now on may be such as were read before, and
   * SOURCE_DATA where a row has no place in the order: those would never be read.
   */
  checkOrder(position: SqlitePosition): void {
    if (this.#order === 'rowid') return this.#checkNumbers(position);
    if (!this.#nullable) return;
    const found = this.#db
      .prepare(
        `SELECT ${this.#rowid} FROM ${this.#from} WHERE ${this.#cursor} IS NULL AND ${this.#matches()} LIMIT 1`,
      )
      .get();
    if (found === undefined) return;
    throw new TidemarkError(
      'SOURCE_DATA',
      `table ${show(this.#shape.name)} of ${this.#options.path}: row ${show(found[0])} has no ${this.#cursor}, and so ` +
        'no place in the order it is read in',
      { hint: `fill it in, or leave such rows out: where: '${this.#cursor} IS NOT NULL'` },
    );
  }

  /** One line where reading will be slow, for the log. */
  advice(): string | undefined {
    if (this.#order !== 'column') return undefined;
    const indexed = this.#db
      .prepare(
        `SELECT 1 FROM pragma_index_list(?) AS i, pragma_index_info(i.name) AS x
          WHERE x.seqno = 0 AND x.name = ? COLLATE NOCASE AND i.partial = 0`,
      )
      .get([this.#shape.name, this.#options.cursor]);
    if (indexed !== undefined) return undefined;
    const { table, cursor } = this.#options;
    return (
      `table ${table} has no index on ${cursor}, and is read from one end to the other for every page: ` +
      `CREATE INDEX ${quoted(`${table}_${cursor}`)} ON ${quoted(table)} (${quoted(cursor)})`
    );
  }

  get #from(): string {
    return `main.${quoted(this.#shape.name)}`;
  }

  #matches(): string {
    // On a line of its own, so that a comment at its end hides nothing.
    return this.#options.where === undefined ? '1' : `(${this.#options.where}\n) IS TRUE`;
  }

  #placed([cursor = null, rowid = null, matches, ...cells]: readonly SqlValue[]): PlacedRow {
    const number = fromSql(rowid);
    const position = {
      cursor: fromSql(cursor),
      rowid: typeof number === 'number' || typeof number === 'bigint' ? number : null,
    };
    if (matches !== 1n) return { position, row: undefined };
    const row: Record<string, Exclude<SqlRow[string], boolean>> = {};
    for (const [i, { name }] of this.#shape.columns.entries()) row[name] = fromSql(cells[i] ?? null);
    return { position, row };
  }

  #checkNumbers({ rowid }: SqlitePosition): void {
    if (rowid === null) return;
    const { autoincrement, name } = this.#shape;
    const sql = autoincrement
      ? 'SELECT seq FROM main.sqlite_sequence WHERE name = ?'
      : `SELECT max(${this.#rowid}), ? FROM ${this.#from}`;
    const largest = this.#db.prepare(sql).get([name])?.[0];
    if (typeof largest === 'bigint' && largest >= rowid) return;
    const found = typeof largest === 'bigint' ? `its largest is ${largest}` : 'it has none';
    throw new TidemarkError(
      'SOURCE_CHANGED',
      `table ${show(name)} of ${this.#options.path} was read up to row number ${rowid}, and now ${found}: numbers of ` +
        'deleted rows are given to new ones, which would not be read',
      {
        hint: autoincrement
          ? 'bring the database back that was read, or start a new job'
          : `declare an INTEGER PRIMARY KEY AUTOINCREMENT, which gives no number twice; or give new rows numbers above ${rowid}`,
      },
    );
  }

  #found(): TableShape {
    const shape = readTableShape(this.#db, this.#options.table);
    if (shape === undefined) throw this.#refuse('is not there', 'see its tables: sqlite3 FILE .tables');
    if (shape.kind === 'view')
      throw this.#refuse('is a view, whose rows have no order of their own', 'name its table, and use where');
    if (shape.columns.some(({ name }) => name === '__proto__'))
      throw this.#refuse('has a column __proto__, which no object can hold', 'rename the column');
    return shape;
  }

  /** SQL of the definition's: prepared alone, so that what is wrong with it is not taken for the world's. */
  #checkWhere(): void {
    const { where } = this.#options;
    if (where === undefined) return;
    try {
      if (this.#db.prepare(`SELECT ${this.#matches()} FROM ${this.#from}`).readonly) return;
    } catch (error) {
      if (!(error instanceof TidemarkError) || error.code !== 'INTERNAL') throw error;
      throw this.#refuse(
        `cannot be asked where ${where}: ${error.message}`,
        "give an SQL condition: where: 'n > 0'",
      );
    }
    throw this.#refuse(`where ${where}: does more than read`, "give an SQL condition: where: 'n > 0'");
  }

  #refuse(what: string, hint: string): TidemarkError {
    const { table, path } = this.#options;
    return new TidemarkError('DEFINITION_INVALID', `table ${show(table)} of ${path}: ${what}`, { hint });
  }
}
