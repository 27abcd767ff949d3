/**
 * The values of a row, between JavaScript and SQLite. Pure.
 *
 *     string ↔ TEXT     whole number within ±(2^53−1), bigint, boolean → INTEGER     other numbers ↔ REAL
 *     Uint8Array ↔ BLOB     null ↔ NULL     INTEGER → number within ±(2^53−1), else bigint
 */
import { ValueRefused } from '../../codec/codec.js';
import { show } from '../../graph/names.js';
import type { SqlValue } from '../../sqlite/sqlite.js';

/** What a column of a row may hold. */
export type SqlCell = string | number | bigint | boolean | Uint8Array | null;

/** A row by column name. */
export type SqlRow = Readonly<Record<string, SqlCell>>;

/** What the columns of a table that a sink makes are declared as; `any` takes whatever comes. */
export const COLUMN_TYPES = ['text', 'integer', 'real', 'blob', 'any'] as const;
export type ColumnType = (typeof COLUMN_TYPES)[number];

const MIN_INTEGER = -(2n ** 63n);
const MAX_INTEGER = 2n ** 63n - 1n;

/**
 * The cell as it is kept until it is committed: without booleans.
 * @throws ValueRefused for what SQLite cannot hold, and for what a column of this type would not keep as it is.
 */
export function checkedCell(value: unknown, type: ColumnType): Exclude<SqlCell, boolean> {
  const cell = storable(value);
  if (cell === null || type === 'any' || (type === 'real' && typeof cell === 'number')) return cell;
  if (typeOf(cell) === type) return cell;
  if (type === 'real' && typeof cell === 'bigint') return cell;
  const hint = type === 'integer' && typeof cell === 'number' ? ': not a whole number within ±(2^53−1)' : '';
  throw new ValueRefused(`expected ${type}, found ${show(cell)}${hint}`);
}

function storable(value: unknown): Exclude<SqlCell, boolean> {
  switch (typeof value) {
    case 'string':
      if (/\p{Surrogate}/u.test(value))
        throw new ValueRefused(`${show(value)} holds half of a surrogate pair`);
      return value;
    case 'number':
      if (!Number.isFinite(value))
        throw new ValueRefused(`${value} is no number that SQLite keeps; give null`);
      return value;
    case 'bigint':
      if (value < MIN_INTEGER || value > MAX_INTEGER)
        throw new ValueRefused(`${show(value)} does not fit into 64 bits; give its text: String(value)`);
      return value;
    case 'boolean':
      return value ? 1 : 0;
    default:
      if (value === null || value instanceof Uint8Array) return value;
      throw new ValueRefused(refusal(value));
  }
}

function refusal(value: unknown): string {
  if (value === undefined) return 'undefined is no value of a column; give null';
  if (value instanceof Date)
    return 'SQLite has no dates; give its text, date.toISOString(), or date.getTime()';
  const what = ArrayBuffer.isView(value) || value instanceof ArrayBuffer ? 'new Uint8Array(…)' : undefined;
  if (typeof value === 'object')
    return `${show(value)} is no value of a column; give ${what ?? 'its text: JSON.stringify(value)'}`;
  return `${show(value)} is no value of a column`;
}

function typeOf(cell: Exclude<SqlCell, boolean | null>): ColumnType {
  if (typeof cell === 'string') return 'text';
  if (typeof cell === 'bigint') return 'integer';
  if (typeof cell === 'number') return Number.isSafeInteger(cell) ? 'integer' : 'real';
  return 'blob';
}

/** For a statement: whole numbers as INTEGER, which the library would make REAL. */
export function toSql(cell: SqlCell): SqlValue {
  if (typeof cell === 'number') return Number.isSafeInteger(cell) ? BigInt(cell) : cell;
  return typeof cell === 'boolean' ? BigInt(cell) : cell;
}

/** Of a statement: integers as numbers, where those hold them. */
export function fromSql(value: SqlValue): Exclude<SqlCell, boolean> {
  if (typeof value !== 'bigint') return value;
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

/** Whether this may be a cell that was kept. */
export function isCell(value: unknown): value is Exclude<SqlCell, boolean> {
  return (
    value === null || ['string', 'number', 'bigint'].includes(typeof value) || value instanceof Uint8Array
  );
}

/** Order of SQLite, BINARY collation: NULL, numbers, text by its UTF-8 bytes, blobs. */
export function compareCells(a: Exclude<SqlCell, boolean>, b: Exclude<SqlCell, boolean>): number {
  const [left, right] = [rankOf(a), rankOf(b)];
  if (left !== right || a === null || b === null) return left - right;
  if (typeof a === 'string' && typeof b === 'string') return Buffer.compare(Buffer.from(a), Buffer.from(b));
  if (a instanceof Uint8Array && b instanceof Uint8Array) return Buffer.compare(a, b);
  // JavaScript compares numbers with bigints exactly, as SQLite does.
  return a < b ? -1 : a > b ? 1 : 0;
}

function rankOf(cell: Exclude<SqlCell, boolean>): number {
  if (cell === null) return 0;
  if (typeof cell === 'string') return 2;
  return typeof cell === 'object' ? 3 : 1;
}

/** A row as a message shows it: bounded. */
export function showRow(row: Readonly<Record<string, unknown>>): string {
  const text = Object.entries(row)
    .map(([name, value]) => `${name}: ${value instanceof Uint8Array ? `${value.length} bytes` : show(value)}`)
    .join(', ');
  return `{${text.length > 300 ? `${text.slice(0, 300)}…` : text}}`;
}
