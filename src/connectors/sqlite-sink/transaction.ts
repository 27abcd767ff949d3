/** What a prepared transaction of a database sink is: rows in a staged file, whole and fsynced. */
import type { StandardSchema } from '../../codec/schema.js';
import { isPlainName } from '../file-sink/names.js';

export interface SqliteTransaction {
  /** The staged file, in the sink's folder. */
  readonly pending: string;
  readonly bytes: number;
  readonly rows: number;
}

/** Transactions come back from snapshots that others may have made: a name must not lead out of the folder. */
export const sqliteTransaction: StandardSchema<SqliteTransaction> = {
  '~standard': {
    version: 1,
    vendor: 'tidemark',
    validate: (value) =>
      isTransaction(value) ? { value } : { issues: [{ message: 'is not a transaction of a database sink' }] },
  },
};

function isTransaction(value: unknown): value is SqliteTransaction {
  if (typeof value !== 'object' || value === null) return false;
  const { pending, bytes, rows } = value as Partial<Record<keyof SqliteTransaction, unknown>>;
  return (
    isPlainName(pending) &&
    pending.startsWith('.pending-') &&
    Number.isSafeInteger(bytes) &&
    Number.isSafeInteger(rows)
  );
}
