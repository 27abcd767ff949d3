/**
 * The table that a sink writes into: made where it is declared, and held against what the sink is to do with it, so
 * that a row that cannot be written is refused before it is part of a checkpoint.
 */
import { TidemarkError } from '../../base/errors.js';
import { ValueRefused } from '../../codec/codec.js';
import { show } from '../../graph/names.js';
import type { Sqlite } from '../../sqlite/sqlite.js';
import { type ColumnType, checkedCell, showRow } from '../sqlite-database/cells.js';
import { folded, quoted } from '../sqlite-database/names.js';
import { readTableShape, type TableColumn, type TableShape } from '../sqlite-database/table-shape.js';
import type { Cell, StagedRow } from './staged-rows.js';
import { upsertSql } from './statements.js';

export interface TargetOptions {
  /** Absolute. */
  readonly path: string;
  readonly table: string;
  /** Of an upserting sink; undefined: it appends. */
  readonly key: readonly string[] | undefined;
  readonly columns: Readonly<Record<string, ColumnType>> | undefined;
}

/** What `columns` say, as SQL. */
export function createTableSql({ table, key, columns = {} }: TargetOptions): string {
  const keys = new Set(key?.map(folded));
  const parts = Object.entries(columns).map(([name, type]) => {
    const declared = type === 'any' ? '' : ` ${type.toUpperCase()}`;
    return `${quoted(name)}${declared}${keys.has(folded(name)) ? ' NOT NULL' : ''}`;
  });
  if (key !== undefined) parts.push(`PRIMARY KEY (${key.map(quoted).join(', ')})`);
  return `CREATE TABLE IF NOT EXISTS ${quoted(table)} (${parts.join(', ')})`;
}

/** The table as it is. @throws DEFINITION_INVALID where the sink cannot write into it, with the SQL that helps. */
export function meetTable(db: Sqlite, options: TargetOptions): TargetTable {
  const { path, table, key, columns } = options;
  const shape = readTableShape(db, table);
  const refuse = (what: string, hint: string) =>
    new TidemarkError('DEFINITION_INVALID', `table ${show(table)} of ${path}: ${what}`, { hint });
  if (shape === undefined) {
    const sql = columns === undefined ? `CREATE TABLE ${quoted(table)} (…)` : createTableSql(options);
    throw refuse('is not there', `give the sink columns, or make the table: ${sql}`);
  }
  if (shape.kind === 'view' || shape.kind === 'shadow')
    throw refuse(`is a ${shape.kind}, not a table`, 'name a table; triggers on it may write elsewhere');
  const found = new Map(shape.columns.map((column) => [folded(column.name), column]));
  for (const name of [...Object.keys(columns ?? {}), ...(key ?? [])]) {
    const column = found.get(folded(name));
    if (column === undefined) {
      const type = columns?.[name];
      const declared = type === undefined || type === 'any' ? '' : ` ${type.toUpperCase()}`;
      throw refuse(
        `has no column ${show(name)}; it has ${shape.columns.map((each) => each.name).join(', ')}`,
        `ALTER TABLE ${quoted(shape.name)} ADD COLUMN ${quoted(name)}${declared}`,
      );
    }
    if (column.generated)
      throw refuse(`column ${show(name)} is generated`, 'leave it out: SQLite computes its values');
  }
  if (key !== undefined) checkUnique(db, shape, key, refuse);
  return new TargetTable(options, shape);
}

function checkUnique(
  db: Sqlite,
  shape: TableShape,
  key: readonly string[],
  refuse: (what: string, hint: string) => TidemarkError,
): void {
  try {
    db.prepare(upsertSql(shape.name, key, key));
  } catch (error) {
    if (!(error instanceof TidemarkError) || !/ON CONFLICT|UPSERT/.test(error.message)) throw error;
    const names = key.map(quoted).join(', ');
    const index = quoted(`${shape.name}_key`);
    throw refuse(
      `nothing makes ${key.join(', ')} unique, by which rows are to be told apart`,
      `CREATE UNIQUE INDEX ${index} ON ${quoted(shape.name)} (${names})`,
    );
  }
}

interface Accepted {
  readonly name: string;
  readonly type: ColumnType;
  /** NULL would be refused, also where the row does not name the column. */
  readonly needed: boolean;
  readonly nullable: boolean;
}

const STRICT_TYPES: Readonly<Record<string, ColumnType>> = {
  INT: 'integer',
  INTEGER: 'integer',
  REAL: 'real',
  TEXT: 'text',
  BLOB: 'blob',
};

/** Checks rows against a table. */
export class TargetTable {
  readonly shape: TableShape;
  readonly #columns: ReadonlyMap<string, Accepted>;
  readonly #needed: readonly Accepted[];
  readonly #key: readonly Accepted[];
  readonly #options: TargetOptions;

  constructor(options: TargetOptions, shape: TableShape) {
    this.#options = options;
    this.shape = shape;
    const keys = new Set(options.key?.map(folded));
    const types = new Map(Object.entries(options.columns ?? {}).map(([name, type]) => [folded(name), type]));
    const accepted = shape.columns
      .filter(({ generated, name }) => !generated && (types.size === 0 || types.has(folded(name))))
      // A row is an object, and none holds that.
      .filter(({ name }) => name !== '__proto__')
      .map((column) =>
        acceptedOf(shape, column, keys.has(folded(column.name)), types.get(folded(column.name))),
      );
    this.#columns = new Map(accepted.map((column) => [folded(column.name), column]));
    this.#needed = accepted.filter(({ needed }) => needed);
    this.#key = (options.key ?? []).flatMap((name) => this.#columns.get(folded(name)) ?? []);
  }

  /** The row as it is staged. @throws VALUE_REFUSED that names column and row. */
  put(row: Readonly<Record<string, unknown>>): StagedRow {
    const put: Record<string, Cell> = {};
    for (const name of Object.keys(row)) {
      const value = row[name];
      if (value === undefined) continue;
      const column = this.#columns.get(name) ?? this.#columns.get(folded(name));
      if (column === undefined) throw this.#unknown(name, row);
      if (Object.hasOwn(put, column.name)) throw this.#refused(column.name, row, 'is given twice');
      put[column.name] = this.#cell(column, value, row);
    }
    for (const { name } of this.#needed)
      if (!Object.hasOwn(put, name))
        throw this.#refused(name, row, 'is NOT NULL, and the row does not give it');
    return { put };
  }

  /** The row to be removed: only the key counts. */
  remove(row: Readonly<Record<string, unknown>>): StagedRow {
    const names = Object.keys(row);
    return {
      remove: this.#key.map((column) => {
        const name = Object.hasOwn(row, column.name)
          ? column.name
          : names.find((each) => folded(each) === folded(column.name));
        const value = name === undefined ? undefined : row[name];
        if (value === undefined)
          throw this.#refused(column.name, row, 'is part of the key, and the row does not give it');
        return this.#cell(column, value, row);
      }),
    };
  }

  #cell(column: Accepted, value: unknown, row: Readonly<Record<string, unknown>>): Cell {
    if (value === null && !column.nullable)
      throw this.#refused(
        column.name,
        row,
        this.#key.includes(column) ? 'is part of the key, and null' : 'is NOT NULL',
      );
    try {
      return checkedCell(value, column.type);
    } catch (error) {
      if (!(error instanceof ValueRefused)) throw error;
      throw this.#refused(column.name, row, error.message);
    }
  }

  #unknown(name: string, row: Readonly<Record<string, unknown>>): TidemarkError {
    const there = this.shape.columns.find((column) => folded(column.name) === folded(name));
    if (there?.generated === true) return this.#refused(name, row, 'is generated: leave it out of the row');
    const of = there === undefined ? 'is no column of the table' : 'is not among the columns of the sink';
    return this.#refused(
      name,
      row,
      `${of}; expected ${[...this.#columns.values()].map((each) => each.name).join(', ')}`,
    );
  }

  #refused(column: string, row: Readonly<Record<string, unknown>>, why: string): TidemarkError {
    return new TidemarkError(
      'VALUE_REFUSED',
      `table ${show(this.#options.table)}, column ${show(column)}: ${why}; in the row ${showRow(row)}`,
      { hint: 'give the sink a `row` function that makes of an element what the table takes' },
    );
  }
}

function acceptedOf(
  shape: TableShape,
  column: TableColumn,
  inKey: boolean,
  declared: ColumnType | undefined,
): Accepted {
  const isRowid = column.name === shape.rowidColumn;
  const strict = shape.strict ? STRICT_TYPES[column.type.toUpperCase()] : undefined;
  const notNull = inKey || (column.notNull && !isRowid && shape.kind === 'table');
  return {
    name: column.name,
    type: isRowid ? 'integer' : (declared ?? strict ?? 'any'),
    needed: inKey || (notNull && !column.hasDefault),
    nullable: !notNull,
  };
}
