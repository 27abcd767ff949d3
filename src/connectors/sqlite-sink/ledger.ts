/**
 * Which transactions are committed in a database: in the database, so that rows and ledger change together.
 *
 *     tidemark_ledger   a row for each transaction: where its rows are, as far as a rewind must know, and whether one
 *                       took them out again (`aside`)
 *     tidemark_jobs     a row for each job that has begun to write into a table, with the lineage it began from
 *
 * Invariants: membership decides, never a comparison; a transaction never leaves the ledger, set aside or not; what
 * a table is called there is its name with ASCII letters in lower case, as SQLite compares names. FORMAT.md, section 8.
 */
import { TidemarkError } from '../../base/errors.js';
import type { LineageEntry, TransactionId } from '../../graph/sink.js';
import type { Sqlite } from '../../sqlite/sqlite.js';
import {
  emptyLedger,
  type Ledger,
  type WriterRuns,
  withAside,
  withBegun,
  withCommitted,
} from '../file-sink/ledger.js';

const LEDGER = 'tidemark_ledger';
const JOBS = 'tidemark_jobs';

/** Tables that no sink may write into. */
export const OWN_TABLES: readonly string[] = [LEDGER, JOBS];

const COLUMNS: Readonly<Record<string, readonly string[]>> = {
  [LEDGER]: [
    ...['target', 'job', 'attempt', 'sink', 'subtask', 'checkpoint', 'mode', 'rows'],
    ...['first_rowid', 'last_rowid', 'columns', 'digest', 'aside'],
  ],
  [JOBS]: ['target', 'job', 'lineage'],
};

const CREATE = `
  CREATE TABLE IF NOT EXISTS main.${LEDGER} (
    target TEXT NOT NULL, job TEXT NOT NULL, attempt INTEGER NOT NULL, sink TEXT NOT NULL, subtask INTEGER NOT NULL,
    checkpoint INTEGER NOT NULL, mode TEXT NOT NULL, rows INTEGER NOT NULL, first_rowid INTEGER, last_rowid INTEGER,
    columns TEXT, digest BLOB, aside INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (target, job, attempt, sink, subtask, checkpoint)
  ) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS main.${JOBS} (
    target TEXT NOT NULL, job TEXT NOT NULL, lineage TEXT NOT NULL, PRIMARY KEY (target, job)
  ) WITHOUT ROWID;`;

/** Rows of an appending sink that lie in one run, and what they held when they were committed. */
export interface RowRun {
  readonly first: bigint;
  readonly last: bigint;
  /** The columns that the digest is over. */
  readonly columns: readonly string[];
  readonly digest: Uint8Array;
}

export interface LedgerRow extends TransactionId {
  readonly mode: string;
  readonly rows: number;
  readonly run: RowRun | undefined;
}

/** The ledger of one table. */
export class TableLedger {
  readonly #db: Sqlite;
  readonly #target: string;

  private constructor(db: Sqlite, target: string) {
    this.#db = db;
    this.#target = target;
  }

  /** Makes it where it is absent; within a transaction. */
  static make(db: Sqlite, target: string): TableLedger {
    db.exec(CREATE);
    return TableLedger.#checked(db, target);
  }

  /** Undefined where the database has none. */
  static find(db: Sqlite, target: string): TableLedger | undefined {
    const found = db.prepare(
      "SELECT count(*) FROM main.sqlite_schema WHERE type = 'table' AND name IN (?, ?)",
    );
    return found.get([LEDGER, JOBS])?.[0] === 0n ? undefined : TableLedger.#checked(db, target);
  }

  static #checked(db: Sqlite, target: string): TableLedger {
    for (const [table, columns] of Object.entries(COLUMNS)) {
      const found = db.prepare('SELECT name FROM pragma_table_info(?)').all([table]);
      if (found.map(([name]) => name).join() === columns.join()) continue;
      throw new TidemarkError(
        'TARGET_CORRUPT',
        `${db.path}: table ${table} is not as this version makes it: expected the columns ${columns.join(', ')}`,
        {
          hint: 'use the tidemark that made it, bring the database back from a backup, or write into a new one',
        },
      );
    }
    return new TableLedger(db, target);
  }

  has({ job, attempt, sink, subtask, checkpoint }: TransactionId): boolean {
    const sql = `SELECT 1 FROM main.${LEDGER}
      WHERE target = ? AND job = ? AND attempt = ? AND sink = ? AND subtask = ? AND checkpoint = ?`;
    return this.#db.get(sql, [this.#target, job, attempt, sink, subtask, checkpoint]) !== undefined;
  }

  add({ job, attempt, sink, subtask, checkpoint, mode, rows, run }: LedgerRow): void {
    this.#db.run(`INSERT INTO main.${LEDGER} VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0)`, [
      ...[this.#target, job, attempt, sink, subtask, checkpoint, mode, rows],
      ...[run?.first ?? null, run?.last ?? null, run === undefined ? null : JSON.stringify(run.columns)],
      run?.digest ?? null,
    ]);
  }

  setAside({ job, attempt, sink, subtask, checkpoint }: TransactionId): void {
    this.#db.run(
      `UPDATE main.${LEDGER} SET aside = 1
        WHERE target = ? AND job = ? AND attempt = ? AND sink = ? AND subtask = ? AND checkpoint = ?`,
      [this.#target, job, attempt, sink, subtask, checkpoint],
    );
  }

  knows(job: string): boolean {
    const sql = `SELECT 1 FROM main.${JOBS} WHERE target = ? AND job = ?`;
    return this.#db.get(sql, [this.#target, job]) !== undefined;
  }

  begin(job: string, lineage: readonly LineageEntry[]): void {
    const text = JSON.stringify(lineage.map(({ job, checkpoint }) => ({ job, checkpoint })));
    this.#db.run(`INSERT INTO main.${JOBS} VALUES (?, ?, ?)`, [this.#target, job, text]);
  }

  /** All it says of the table. */
  read(): Ledger {
    let ledger = emptyLedger;
    const jobs = this.#db.all(`SELECT job, lineage FROM main.${JOBS} WHERE target = ?`, [this.#target]);
    for (const { job, lineage } of jobs) ledger = withBegun(ledger, String(job), this.#lineage(lineage));
    const rows = this.#db
      .prepare(
        `SELECT job, attempt, sink, subtask, checkpoint, aside FROM main.${LEDGER} WHERE target = ?
          ORDER BY job, attempt, sink, subtask, checkpoint`,
      )
      .all([this.#target])
      .map(([job, attempt, sink, subtask, checkpoint, aside]) => ({
        id: {
          ...{ job: String(job), attempt: Number(attempt), sink: String(sink), subtask: Number(subtask) },
          checkpoint: Number(checkpoint),
        },
        aside: aside === 1n,
      }));
    const ids = rows.map(({ id }) => id);
    const aside = rows.filter((row) => row.aside).map(({ id }) => id);
    ledger = withCommitted(ledger, ids);
    return withAside(ledger, [...withCommitted(emptyLedger, aside).committed.values()]);
  }

  /** The transactions of these runs that are committed and not set aside, newest first. */
  rowsOf(writers: readonly WriterRuns[]): LedgerRow[] {
    return writers
      .flatMap((writer) => writer.ranges.flatMap(([first, last]) => this.#between(writer, first, last)))
      .sort((a, b) => b.checkpoint - a.checkpoint);
  }

  #between({ job, attempt, sink, subtask }: WriterRuns, from: number, to: number): LedgerRow[] {
    return this.#db
      .prepare(
        `SELECT checkpoint, mode, rows, first_rowid, last_rowid, columns, digest FROM main.${LEDGER}
          WHERE target = ? AND job = ? AND attempt = ? AND sink = ? AND subtask = ?
            AND checkpoint BETWEEN ? AND ? AND aside = 0`,
      )
      .all([this.#target, job, attempt, sink, subtask, from, to])
      .map(([checkpoint, mode, rows, first, last, columns, digest]) => ({
        ...{ job, attempt, sink, subtask, checkpoint: Number(checkpoint) },
        ...{ mode: String(mode), rows: Number(rows) },
        run:
          typeof first === 'bigint' && typeof last === 'bigint' && digest instanceof Uint8Array
            ? { first, last, columns: this.#names(columns), digest }
            : undefined,
      }));
  }

  #names(text: unknown): string[] {
    const names = this.#parsed(text);
    if (Array.isArray(names) && names.every((name) => typeof name === 'string')) return names;
    throw this.#damaged(LEDGER);
  }

  #lineage(text: unknown): LineageEntry[] {
    const entries = this.#parsed(text);
    if (Array.isArray(entries) && entries.every(isLineageEntry)) return entries;
    throw this.#damaged(JOBS);
  }

  #parsed(text: unknown): unknown {
    try {
      return JSON.parse(String(text));
    } catch {
      return undefined;
    }
  }

  #damaged(table: string): TidemarkError {
    return new TidemarkError(
      'TARGET_CORRUPT',
      `${this.#db.path}: a row of ${table} is not what tidemark writes`,
      {
        hint: 'bring the database back from a backup, or write into a new one',
      },
    );
  }
}

function isLineageEntry(value: unknown): value is LineageEntry {
  if (typeof value !== 'object' || value === null) return false;
  const { job, checkpoint } = value as Partial<Record<keyof LineageEntry, unknown>>;
  return typeof job === 'string' && Number.isSafeInteger(checkpoint);
}
