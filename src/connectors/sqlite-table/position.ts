/** How far a table has been read. Pure. */
import type { StandardSchema } from '../../codec/schema.js';
import { compareCells, isCell, type SqlCell } from '../sqlite-database/cells.js';

/**
 * The last row that was read: its value in the cursor's column, and its number. What follows are the rows that come
 * after it in the order of both.
 */
export interface SqlitePosition {
  /** Null at the start, and where the cursor is the row's number. */
  readonly cursor: Exclude<SqlCell, boolean>;
  /** Null at the start, and for tables whose rows have none. */
  readonly rowid: number | bigint | null;
}

export const START: SqlitePosition = { cursor: null, rowid: null };

export function comparePositions(a: SqlitePosition, b: SqlitePosition): number {
  return compareCells(a.cursor, b.cursor) || compareCells(a.rowid, b.rowid);
}

/** Positions come back from archives that others may have made. */
export const sqlitePosition: StandardSchema<SqlitePosition> = {
  '~standard': {
    version: 1,
    vendor: 'tidemark',
    validate: (value) =>
      isPosition(value) ? { value } : { issues: [{ message: 'is not a position in a table' }] },
  },
};

function isPosition(value: unknown): value is SqlitePosition {
  if (typeof value !== 'object' || value === null) return false;
  const { cursor, rowid } = value as Partial<Record<keyof SqlitePosition, unknown>>;
  return isCell(cursor) && (rowid === null || typeof rowid === 'bigint' || Number.isSafeInteger(rowid));
}
