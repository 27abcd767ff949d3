/**
 * Tagged JSON (archive/tagged.ts) as cells of a table, and back.
 *
 * In SQLite: whole numbers are INTEGER, other numbers REAL, a Uint8Array is a BLOB, null is NULL, and a text stands for
 * itself unless it could be taken for JSON: text that begins with `{`, `[` or `"`, or is `true` or `false`, is JSON.
 * In CSV: what is JSON is JSON, any other text stands for itself, and an empty cell is nothing at all.
 * Where only text can be, as in keys of type `string`, it always stands for itself.
 *
 * Invariant: each cell stands for one value, and `jsonOfCell(cellOf(json))` is `json`; the same for CSV.
 */
import { type Json, toTagged } from '../archive/tagged.js';
import type { SqlValue } from '../sqlite/sqlite.js';
import { parseExactJson } from './exact-json.js';

const LEAST_LONG = -(2n ** 63n);
const LAST_LONG = 2n ** 63n - 1n;
const MAY_BE_JSON = /^(?:[{["]|true$|false$)/;

/** `text`: the cell can only hold text. */
export function cellOf(json: Json, text: boolean): SqlValue {
  switch (typeof json) {
    case 'string':
      return text || !MAY_BE_JSON.test(json) ? json : JSON.stringify(json);
    case 'number':
      // A number is bound as REAL, whatever it is.
      return Number.isSafeInteger(json) ? BigInt(json) : json;
    case 'boolean':
      return String(json);
    default:
      return json === null ? null : (scalarOf(json) ?? JSON.stringify(json));
  }
}

/** Bytes, and whole numbers that no INTEGER of SQLite could be taken for. */
function scalarOf(json: object): SqlValue | undefined {
  const [[tag, content] = [], more] = Object.entries(json) as [string, Json][];
  if (more !== undefined || typeof content !== 'string') return undefined;
  if (tag === '$bytes') return Buffer.from(content, 'base64');
  if (tag !== '$bigint') return undefined;
  const whole = BigInt(content);
  const safe = whole >= BigInt(Number.MIN_SAFE_INTEGER) && whole <= BigInt(Number.MAX_SAFE_INTEGER);
  return safe || whole < LEAST_LONG || whole > LAST_LONG ? undefined : whole;
}

/** @throws TidemarkError USAGE for text that looks like JSON and is none. */
export function jsonOfCell(cell: SqlValue, text: boolean): unknown {
  if (typeof cell === 'string' && !text && MAY_BE_JSON.test(cell)) return parseExactJson(cell);
  return plainJson(cell);
}

/** A cell that knows nothing of tidemark: its text is text. */
export function plainJson(cell: SqlValue): unknown {
  if (typeof cell !== 'bigint') return toTagged(Buffer.isBuffer(cell) ? new Uint8Array(cell) : cell);
  const number = Number(cell);
  return Number.isSafeInteger(number) ? number : { $bigint: String(cell) };
}

export function csvCellOf(json: Json, text: boolean): string {
  if (typeof json !== 'string') return JSON.stringify(json);
  return !text && (json === '' || isJson(json)) ? JSON.stringify(json) : json;
}

/** Undefined for an empty cell. @throws TidemarkError USAGE for a number that JavaScript would round. */
export function jsonOfCsvCell(cell: string, text: boolean): unknown {
  if (text) return cell;
  if (cell === '') return undefined;
  return isJson(cell) ? parseExactJson(cell) : cell;
}

/** What cannot be JSON by its first character is not tried. */
function isJson(text: string): boolean {
  if (!/^[\s{["tfn\d-]/.test(text)) return false;
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
