/** What a prepared transaction of a file sink is: a file under a hidden name, whole and fsynced. */
import type { StandardSchema } from '../../codec/schema.js';
import { isPartName, isPlainName } from './names.js';

export interface FileTransaction {
  /** Its name until it is committed, in the target folder. */
  readonly pending: string;
  /** Its name afterwards. */
  readonly part: string;
  readonly bytes: number;
  readonly lines: number;
}

/** Transactions come back from snapshots that others may have made: a name must not lead out of the target. */
export const fileTransaction: StandardSchema<FileTransaction> = {
  '~standard': {
    version: 1,
    vendor: 'tidemark',
    validate: (value) =>
      isTransaction(value) ? { value } : { issues: [{ message: 'is not a transaction of a file sink' }] },
  },
};

function isTransaction(value: unknown): value is FileTransaction {
  if (typeof value !== 'object' || value === null) return false;
  const { pending, part, bytes, lines } = value as Partial<Record<keyof FileTransaction, unknown>>;
  return (
    isPlainName(pending) &&
    pending.startsWith('.pending-') &&
    isPartName(part) &&
    Number.isSafeInteger(bytes) &&
    Number.isSafeInteger(lines)
  );
}
