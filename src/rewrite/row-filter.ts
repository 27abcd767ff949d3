/**
 * `--filter uid.state=SQL`: SQLite decides which entries stay, one after the other, in memory. The expression sees an
 * entry as a row:
 *
 *     key, map_key, value     SQL values where they are text, numbers, booleans (1, 0) or nothing; else tagged JSON text,
 *                             as inspect shows it: value ->> '$.count', key ->> '$[0]'
 *     key_group               an integer, as the archive has it
 *     namespace               NULL, 'global', or JSON text; window_start, window_end: milliseconds
 *     expires                 milliseconds, or NULL
 *
 * Invariants: an expression is held against SQLite before anything is read; whatever it says, it sees nothing but these
 * columns; entries for which it is true stay, as in WHERE.
 */
import { valuesOf } from '../archive/entries-view.js';
import { toTagged } from '../archive/tagged.js';
import { systemCode, TidemarkError } from '../base/errors.js';
import { ByteReader } from '../codec/reader.js';
import { type Entry, readEntry } from '../format/entry.js';
import type { ManifestOperator, ManifestTable } from '../format/manifest.js';
import { Sqlite, type SqlValue } from '../sqlite/sqlite.js';
import type { Findings } from './findings.js';
import { labelOf } from './names.js';
import { BlockBuilder, type TableBlock } from './table-blocks.js';
import { EntryParts, readNamespace } from './table-values.js';

export const FILTER_COLUMNS = [
  'key',
  'key_group',
  'namespace',
  'window_start',
  'window_end',
  'map_key',
  'value',
  'expires',
] as const;
type Column = (typeof FILTER_COLUMNS)[number];

const LEAST_INTEGER = -(2n ** 63n);
const LARGEST_INTEGER = 2n ** 63n - 1n;

/** An empty database in memory, of which only the language is used. */
export function openFilters(): Sqlite {
  return Sqlite.open(':memory:', { create: true, busyTimeout: 0, what: 'filter' });
}

export class RowFilter {
  readonly #sqlite: Sqlite;
  readonly #sql: string;
  readonly #label: string;
  readonly #columns: readonly Column[];
  readonly #parts: EntryParts;

  /** What is wrong with the expressions goes to `findings`; the filter is of use where nothing is. */
  constructor(
    sqlite: Sqlite,
    expressions: readonly string[],
    table: ManifestTable,
    operator: ManifestOperator,
    findings: Findings,
  ) {
    this.#sqlite = sqlite;
    this.#label = labelOf(table);
    this.#parts = new EntryParts(table, operator);
    // A column that is used stands there by its name; the others need not be decoded.
    this.#columns = FILTER_COLUMNS.filter((column) =>
      expressions.some((sql) => new RegExp(`\\b${column}\\b`, 'i').test(sql)),
    );
    this.#sql = statement(this.#columns, expressions);
    if (this.#columns.includes('value') && valuesOf(table) === undefined)
      findings.add(
        'USAGE',
        `--filter ${this.#label}: its values are of codec ${table.codec.id}, which only its job knows`,
      );
    for (const sql of expressions) this.#try(sql, findings);
  }

  /** @throws USAGE where the expression fails at an entry; throws BytesDamaged for what is no entry */
  apply({ table, payload }: TableBlock): TableBlock | undefined {
    const built = new BlockBuilder(table, payload.length);
    const from = new ByteReader(payload);
    while (from.remaining > 0) {
      const at = from.position;
      const entry = readEntry(from);
      if (this.#keeps(entry)) built.keep(payload, at, from.position);
    }
    return built.block();
  }

  #keeps(entry: Entry): boolean {
    const row: Partial<Record<Column, SqlValue>> = {};
    for (const column of this.#columns) row[column] = this.#cell(column, entry);
    try {
      return this.#sqlite.get(this.#sql, row as Record<string, SqlValue>) !== undefined;
    } catch (error) {
      const reason = reasonOf(error);
      if (reason === undefined) throw error;
      const key = JSON.stringify(toTagged(this.#parts.key(entry) ?? null));
      throw new TidemarkError('USAGE', `--filter ${this.#label}: ${reason}, at the entry of key ${key}`, {
        hint: 'guard it in SQL, as in: json_valid(value) AND …',
        cause: error,
      });
    }
  }

  #cell(column: Column, entry: Entry): SqlValue {
    const { namespace, stamp } = entry;
    switch (column) {
      case 'key':
        return sqlValue(this.#parts.key(entry));
      case 'key_group':
        return BigInt(entry.group);
      case 'namespace':
        return sqlValue(readNamespace(namespace));
      case 'window_start':
        return namespace.kind === 'window' ? namespace.start : null;
      case 'window_end':
        return namespace.kind === 'window' ? namespace.end : null;
      case 'map_key':
        return sqlValue(this.#parts.mapKey(entry));
      case 'value':
        return sqlValue(this.#parts.value(entry));
      case 'expires':
        return stamp ?? null;
    }
  }

  /** Prepares one expression alone, so that each that is wrong is named. */
  #try(sql: string, findings: Findings): void {
    const nothing = Object.fromEntries(FILTER_COLUMNS.map((column) => [column, null]));
    try {
      this.#sqlite.all(`EXPLAIN ${statement(FILTER_COLUMNS, [sql])}`, nothing);
    } catch (error) {
      const reason = reasonOf(error);
      if (reason === undefined) throw error;
      findings.add('USAGE', `--filter ${this.#label}=${sql}: ${reason}`);
    }
  }
}

/**
 * The limit keeps SQLite from putting the parameters in the place of the columns, and then taking what is made of them
 * for constants, which it evaluates before what stands in front of them: `json_valid(value) AND value ->> …` would fail.
 * The line break ends a comment that an expression may end with.
 */
function statement(columns: readonly Column[], expressions: readonly string[]): string {
  const row = columns.map((column) => `@${column} AS ${column}`).join(', ');
  const where = expressions.map((sql) => `(${sql}\n)`).join(' AND ');
  return `SELECT 1 FROM (SELECT ${row === '' ? '1' : row} LIMIT 1) WHERE ${where}`;
}

/** Scalars as they are, with integers as such; all else as tagged JSON text. */
export function sqlValue(value: unknown): SqlValue {
  switch (typeof value) {
    case 'string':
      return value;
    case 'undefined':
      return null;
    case 'boolean':
      return value ? 1n : 0n;
    case 'number':
      return Number.isSafeInteger(value) ? BigInt(value) : value;
    case 'bigint':
      return value >= LEAST_INTEGER && value <= LARGEST_INTEGER ? value : JSON.stringify(toTagged(value));
    default:
      return value === null ? null : JSON.stringify(toTagged(value));
  }
}

/** What SQLite, or its library, says of a statement; undefined for errors that are not the expression's. */
function reasonOf(error: unknown): string | undefined {
  if (!(error instanceof TidemarkError)) return undefined;
  const { cause } = error.details;
  const theirs = systemCode(cause) === 'SQLITE_ERROR' || cause instanceof RangeError;
  return theirs && cause instanceof Error ? cause.message : undefined;
}
