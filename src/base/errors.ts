/**
 * The two kinds of error.
 *
 * `assert` (assert.ts) is for our own bugs. A {@link TidemarkError} is for the world's: wrong input, a full
 * disk, a lost process, user code that throws. It carries a stable code, and the code decides the exit code.
 *
 * Invariants: a code is never renamed once released; every code has a test that reaches it; `message` says
 * what was expected, what was found and where; `hint` is the next command to type.
 */

/** Exit codes of the command line (DESIGN 8). */
export const EXIT = {
  done: 0,
  internal: 1,
  usage: 2,
  jobFailed: 3,
  notFound: 4,
  conflict: 5,
  incompatible: 6,
  corrupt: 7,
  noAnswer: 8,
  differs: 9,
  environment: 10,
  rolledBack: 11,
  sighup: 129,
  sigint: 130,
  sigterm: 143,
} as const;

/** Every error code, with the exit code it leads to. */
export const CODES = {
  INTERNAL: EXIT.internal,

  USAGE: EXIT.usage,
  PARAM_MISSING: EXIT.usage,
  PARAM_INVALID: EXIT.usage,
  PARAM_UNKNOWN: EXIT.usage,
  DEFINITION_INVALID: EXIT.usage,
  GRAPH_INVALID: EXIT.usage,
  /** Nothing to convert: the archive is what a conversion would make. */
  ALREADY_CANONICAL: EXIT.usage,

  USER_CODE: EXIT.jobFailed,
  USER_PROMISE: EXIT.jobFailed,
  USER_EXIT: EXIT.jobFailed,
  /** A call of `asyncMap` was not answered in time. */
  ASYNC_TIMEOUT: EXIT.jobFailed,
  KEY_REFUSED: EXIT.jobFailed,
  TIMESTAMP_REFUSED: EXIT.jobFailed,
  VALUE_REFUSED: EXIT.jobFailed,
  SOURCE_FAILED: EXIT.jobFailed,
  SOURCE_DATA: EXIT.jobFailed,
  SINK_FAILED: EXIT.jobFailed,
  STEP_TIMEOUT: EXIT.jobFailed,
  HEAP_FULL: EXIT.jobFailed,
  CHECKPOINT_FAILED: EXIT.jobFailed,
  JOB_FAILED: EXIT.jobFailed,
  STALE_EPOCH: EXIT.conflict,
  /** Neither the old nor the new version of an upgrade runs. */
  UPGRADE_STRANDED: EXIT.jobFailed,

  HOME_NOT_FOUND: EXIT.notFound,
  JOB_NOT_FOUND: EXIT.notFound,
  CHECKPOINT_NOT_FOUND: EXIT.notFound,
  /** The frozen code of a snapshot is not in this home. */
  BUNDLE_NOT_FOUND: EXIT.notFound,
  /** The archive a job was restored from is gone before its first checkpoint. */
  SNAPSHOT_GONE: EXIT.notFound,
  FILE_NOT_FOUND: EXIT.notFound,
  /** Of a snapshot: no state of that name, no entry of that key. */
  STATE_NOT_FOUND: EXIT.notFound,
  KEY_NOT_FOUND: EXIT.notFound,

  JOB_AMBIGUOUS: EXIT.conflict,
  NAME_TAKEN: EXIT.conflict,
  JOB_RUNNING: EXIT.conflict,
  JOB_NOT_RUNNING: EXIT.conflict,
  JOB_BUSY: EXIT.conflict,
  JOB_ENDED: EXIT.conflict,
  /** A split has been read beyond the position that it was to wait at. */
  POSITION_PASSED: EXIT.conflict,
  HOME_LOCKED: EXIT.conflict,
  TARGET_LOCKED: EXIT.conflict,
  TARGET_AHEAD: EXIT.conflict,
  /** Named for removal, and pinned. */
  CHECKPOINT_PINNED: EXIT.conflict,
  FILE_EXISTS: EXIT.conflict,

  INCOMPATIBLE: EXIT.incompatible,
  /** Nothing was to come after the snapshot. */
  DRAINED: EXIT.incompatible,
  /** What an incremental archive cannot do: another parallelism, another graph or schema, another backend. */
  RESCALE_REFUSED: EXIT.incompatible,
  GRAPH_CHANGED: EXIT.incompatible,
  BACKEND_CHANGED: EXIT.incompatible,
  SOURCE_CHANGED: EXIT.incompatible,
  /** An archive is not signed by a key that was asked for. */
  SIGNATURE_REFUSED: EXIT.incompatible,
  /** The old version runs on, untouched. */
  UPGRADE_REFUSED: EXIT.incompatible,
  HOME_NEWER: EXIT.incompatible,
  FORMAT_NEWER: EXIT.incompatible,

  CATALOG_CORRUPT: EXIT.corrupt,
  SEGMENT_CORRUPT: EXIT.corrupt,
  MANIFEST_CORRUPT: EXIT.corrupt,
  BUNDLE_CORRUPT: EXIT.corrupt,
  TARGET_CORRUPT: EXIT.corrupt,
  ARCHIVE_CORRUPT: EXIT.corrupt,

  NO_ANSWER: EXIT.noAnswer,
  TIMEOUT: EXIT.noAnswer,
  DEFINITION_TIMEOUT: EXIT.noAnswer,

  /** The old version runs again, from the savepoint it was stopped with. */
  UPGRADE_ROLLED_BACK: EXIT.rolledBack,

  DISK_FULL: EXIT.environment,
  PERMISSION: EXIT.environment,
  DISK_ERROR: EXIT.environment,
  NATIVE_MODULE: EXIT.environment,
  /** An optional package that the definition needs is not installed. */
  PACKAGE_MISSING: EXIT.environment,
  NO_SOCKET: EXIT.environment,
} as const satisfies Record<string, number>;

export type ErrorCode = keyof typeof CODES;

/** What of an error outlives its process: kept in the catalog and printed by `--json`. */
export interface ErrorRecord {
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint?: string;
  /** Where in the dataflow it happened, when it did. */
  readonly operator?: string;
  /** The element in hand, shown and cut to a bounded length. */
  readonly element?: string;
  /** `file:line:column` of the user's source. */
  readonly at?: string;
  /** Source uid, split and position nearest to the failure. */
  readonly position?: string;
  /** The user's stack trace, for the log. */
  readonly stack?: string;
}

export interface ErrorDetails extends Omit<ErrorRecord, 'code' | 'message'> {
  readonly cause?: unknown;
}

/** An error of the world's, with a code. */
export class TidemarkError extends Error {
  readonly code: ErrorCode;
  readonly details: ErrorDetails;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'TidemarkError';
    this.code = code;
    this.details = details;
  }

  get hint(): string | undefined {
    return this.details.hint;
  }

  get exitCode(): number {
    return CODES[this.code];
  }

  toRecord(): ErrorRecord {
    const { cause: _cause, ...rest } = this.details;
    return { code: this.code, message: this.message, ...rest };
  }

  static fromRecord(record: ErrorRecord): TidemarkError {
    const { code, message, ...details } = record;
    return new TidemarkError(code, message, details);
  }
}

const ENVIRONMENT_CODES: Readonly<Record<string, ErrorCode>> = {
  ENOSPC: 'DISK_FULL',
  EDQUOT: 'DISK_FULL',
  EACCES: 'PERMISSION',
  EPERM: 'PERMISSION',
  EROFS: 'PERMISSION',
  ENOENT: 'FILE_NOT_FOUND',
  EEXIST: 'FILE_EXISTS',
};

/** What to do about them, whatever was done. */
const ENVIRONMENT_HINTS: Readonly<Partial<Record<ErrorCode, string>>> = {
  DISK_FULL: 'free some space on that disk, then try again',
  PERMISSION: 'check that you may read and write there',
};

/** The `code` of a Node system error, if it is one. */
export function systemCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

/** Any thrown thing as a coded error: ours unchanged, a system error by its errno, the rest as INTERNAL. */
export function toTidemarkError(error: unknown, doing?: string): TidemarkError {
  if (error instanceof TidemarkError) return error;
  const system = systemCode(error);
  const text = error instanceof Error ? error.message : String(error);
  const message = doing === undefined ? text : `${doing}: ${text}`;
  if (system !== undefined && /^E[A-Z0-9]+$/.test(system)) {
    const code = ENVIRONMENT_CODES[system] ?? 'DISK_ERROR';
    const hint = ENVIRONMENT_HINTS[code];
    return new TidemarkError(code, message, { cause: error, ...(hint === undefined ? {} : { hint }) });
  }
  const stack = error instanceof Error ? error.stack : undefined;
  return new TidemarkError('INTERNAL', message, { cause: error, ...(stack === undefined ? {} : { stack }) });
}
