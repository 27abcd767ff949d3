/**
 * What a prepared transaction of a file sink is: files under hidden names, whole and fsynced.
 *
 *     version 1   one file
 *     version 2   { files: [file, …] }, in the order they were written
 */
import { type Schema, type StandardSchema, schema } from '../../codec/schema.js';
import { isPartName, isPlainName } from './names.js';

/** The most files of one transaction; what is written after that goes into the last. */
export const MAX_PARTS = 10_000;

export interface PreparedFile {
  /** Its name until it is committed, in the target folder. */
  readonly pending: string;
  /** Its name afterwards. */
  readonly part: string;
  /** Of the file: after compression. */
  readonly bytes: number;
  /** How many elements it holds. */
  readonly lines: number;
}

export interface FileTransaction {
  readonly files: readonly PreparedFile[];
}

/** Transactions come back from snapshots that others may have made: a name must not lead out of the target. */
export const fileTransaction: Schema<FileTransaction> = schema(standard(isPrepared)).next(
  standard(isTransaction),
  (file) => ({ files: [file] }),
);

function standard<T>(is: (value: unknown) => value is T): StandardSchema<T> {
  return {
    '~standard': {
      version: 1,
      vendor: 'tidemark',
      validate: (value) =>
        is(value) ? { value } : { issues: [{ message: 'is not a transaction of a file sink' }] },
    },
  };
}

function isTransaction(value: unknown): value is FileTransaction {
  if (typeof value !== 'object' || value === null || !('files' in value)) return false;
  const { files } = value;
  return Array.isArray(files) && files.length > 0 && files.length <= MAX_PARTS && files.every(isPrepared);
}

function isPrepared(value: unknown): value is PreparedFile {
  if (typeof value !== 'object' || value === null) return false;
  const { pending, part, bytes, lines } = value as Partial<Record<keyof PreparedFile, unknown>>;
  return (
    isPlainName(pending) &&
    pending.startsWith('.pending-') &&
    isPartName(part) &&
    Number.isSafeInteger(bytes) &&
    Number.isSafeInteger(lines)
  );
}
