/**
 * Commits the transactions of a database sink: rows and ledger in one transaction of the database.
 *
 *     staged file, fsynced ──▶ BEGIN  rows  a row of the ledger  COMMIT ──▶ staged file removed
 *                                                                └ from here on it is committed
 *     rows ahead           ──▶ BEGIN  rows deleted  ledger: set aside  COMMIT
 *
 * Invariants: being in the ledger is being committed, whatever others have done to the rows since; a staged file is
 * removed only when its transaction is in the ledger, durably, or no snapshot knows of it; only this job's own staged
 * files are removed; where a job began is in the ledger before its commits. Large transactions are written a frame at
 * a time, so that the dataflow goes on meanwhile; the database stays locked for other writers, and open for readers
 * where its journal is a WAL.
 */
import { dirname, join } from 'node:path';
import { present } from '../../base/assert.js';
import { TidemarkError, toTidemarkError } from '../../base/errors.js';
import { failpoint } from '../../base/failpoint.js';
import type {
  LineageEntry,
  SinkCommitter,
  SinkContext,
  Transaction,
  TransactionId,
} from '../../graph/sink.js';
import type { Sqlite } from '../../sqlite/sqlite.js';
import { aheadOf, idsOf } from '../file-sink/lineage.js';
import { isPendingOf } from '../file-sink/names.js';
import {
  databaseError,
  inTurn,
  openForReading,
  openForWriting,
  patiently,
} from '../sqlite-database/database.js';
import { folded } from '../sqlite-database/names.js';
import { beganHere, beginHere } from './beginning.js';
import { type RowRun, TableLedger } from './ledger.js';
import { checkRewind, refuseLacking, setAside, type Whose } from './rewind.js';
import { digestRun, RunTracker } from './row-run.js';
import { readStaged, StagedDamaged } from './staged-rows.js';
import { TableWriter } from './table-writer.js';
import { createTableSql, meetTable, type TargetOptions, type TargetTable } from './target.js';
import type { SqliteTransaction } from './transaction.js';

/** The most transactions that `ahead` names; the newest, where there are more. */
export const MAX_AHEAD = 100_000;

export interface CommitterOptions extends TargetOptions {
  /** Where rows are staged, absolute. */
  readonly folder: string;
}

interface Opened {
  readonly db: Sqlite;
  readonly ledger: TableLedger;
  readonly table: TargetTable;
  readonly writer: TableWriter;
}

export class SqliteCommitter implements SinkCommitter<SqliteTransaction> {
  readonly #context: SinkContext;
  readonly #options: CommitterOptions;
  #opened: Opened | undefined;
  /** Of the database that is open. */
  #inode: number | undefined;

  constructor(context: SinkContext, options: CommitterOptions) {
    this.#context = context;
    this.#options = options;
  }

  recover(restored: readonly Transaction<SqliteTransaction>[]): Promise<void> {
    return this.#saying('recovering', async () => {
      const { disk, job } = this.#context;
      await disk.mkdir(this.#options.folder);
      if (await beganHere(disk, this.#options.folder, job.id)) await this.#refuseReplaced();
      await this.#open();
      await this.#commit(restored);
      await beginHere(disk, this.#options.folder, job.id);
      await this.#removeLeftovers();
    });
  }

  commit(transactions: readonly Transaction<SqliteTransaction>[]): Promise<void> {
    return this.#saying('committing', async () => {
      if (this.#opened === undefined) await this.#open();
      await this.#commit(transactions);
    });
  }

  /** Reads only: the target may be another job's at that time. */
  ahead(lineage: readonly LineageEntry[]): Promise<readonly TransactionId[]> {
    return this.#saying('looking at what is committed', async () => {
      if (((await this.#databaseSize()) ?? 0) === 0) return [];
      const db = openForReading(this.#options.path);
      try {
        return await patiently(this.#context.clock, () =>
          db.snapshot(() => {
            const ledger = TableLedger.find(db, folded(this.#options.table))?.read();
            if (ledger === undefined) return [];
            refuseLacking(ledger, this.#whose(), lineage);
            return idsOf(aheadOf(ledger, this.#context.job.id, lineage), MAX_AHEAD);
          }),
        );
      } finally {
        db.close();
      }
    });
  }

  /** Reads only, as `ahead` does. */
  checkRewind(lineage: readonly LineageEntry[]): Promise<void> {
    return this.#saying('looking whether it can be rewound', async () => {
      if ((await this.ahead(lineage)).length === 0) return;
      const { path, table } = this.#options;
      const db = openForReading(path);
      try {
        await patiently(this.#context.clock, () => db.exec('BEGIN'));
        const ledger = await patiently(this.#context.clock, () => TableLedger.find(db, folded(table)));
        if (ledger === undefined) return;
        await checkRewind({ db, ledger, table: meetTable(db, this.#options) }, this.#whose(), lineage);
      } finally {
        db.close();
      }
    });
  }

  rewind(lineage: readonly LineageEntry[]): Promise<void> {
    return this.#saying('rewinding', async () => {
      await this.#context.disk.mkdir(this.#options.folder);
      try {
        await this.#open();
        const { db, ledger, table } = present(this.#opened, 'the database');
        await inTurn(this.#options.path, () =>
          this.#within(db, () => setAside({ db, ledger, table }, this.#whose(), lineage)),
        );
      } finally {
        this.close();
      }
    });
  }

  /** Takes back what a commit that is still under way has written. */
  close(): void {
    const opened = this.#opened;
    this.#opened = undefined;
    opened?.db.close();
  }

  /** Makes what is absent, all in one transaction. */
  async #open(): Promise<void> {
    this.close();
    const { disk, clock, job, lineage } = this.#context;
    const { path, columns, table, key } = this.#options;
    await inTurn(path, async () => {
      const size = await this.#databaseSize();
      if (size === undefined && columns === undefined) throw this.#noDatabase();
      const db = await patiently(clock, () => openForWriting(path, columns !== undefined));
      try {
        // Readers and a writer do not keep each other out of a WAL. A database that is there stays as it is.
        if (size === undefined || size === 0) await patiently(clock, () => db.pragma('journal_mode = WAL'));
        await this.#within(db, async () => {
          if (columns !== undefined) db.exec(createTableSql(this.#options));
          const target = meetTable(db, this.#options);
          const ledger = TableLedger.make(db, folded(table));
          if (!ledger.knows(job.id)) ledger.begin(job.id, lineage);
          this.#opened = { db, ledger, table: target, writer: new TableWriter(db, target.shape.name, key) };
        });
        if (size === undefined) await disk.syncFolder(dirname(path));
        this.#inode = (await disk.stat(path))?.inode;
      } catch (error) {
        this.#opened = undefined;
        db.close();
        throw error;
      }
    });
  }

  async #databaseSize(): Promise<number | undefined> {
    return (await this.#context.disk.stat(this.#options.path))?.size;
  }

  /** All or nothing. What others do meanwhile they do in other transactions. */
  async #within(db: Sqlite, work: () => Promise<void>): Promise<void> {
    const { clock } = this.#context;
    await patiently(clock, () => db.exec('BEGIN IMMEDIATE'));
    try {
      await work();
      await patiently(clock, () => db.exec('COMMIT'));
    } catch (error) {
      // SQLite has rolled back by itself after some errors; a connection that was closed has, too.
      if (db.inTransaction) db.exec('ROLLBACK');
      throw error;
    }
  }

  async #commit(transactions: readonly Transaction<SqliteTransaction>[]): Promise<void> {
    if (transactions.length === 0) return;
    const { db, ledger } = present(this.#opened, 'the database');
    const due = inOrder(transactions);
    await inTurn(this.#options.path, async () => {
      if (due.every(({ id }) => ledger.has(id))) return;
      await this.#within(db, async () => {
        for (const transaction of due) if (!ledger.has(transaction.id)) await this.#write(transaction);
        failpoint('sqlite-before-commit');
      });
      failpoint('sqlite-committed');
      await this.#checkStillThere();
    });
    await this.#removeStaged(due.map(({ value }) => value.pending));
  }

  /** A file that has lost its name takes what is written into it, and nobody ever sees that. */
  async #checkStillThere(): Promise<void> {
    const { path } = this.#options;
    const stat = await this.#context.disk.stat(path);
    if (stat?.inode !== this.#inode)
      throw this.#corrupt(`${path} was moved, deleted or replaced while the job wrote into it`);
  }

  async #write({ id, value }: Transaction<SqliteTransaction>): Promise<void> {
    const { db, ledger, table, writer } = present(this.#opened, 'the database');
    const tracker = new RunTracker();
    const path = join(this.#options.folder, value.pending);
    if ((await this.#context.disk.stat(path)) === undefined)
      throw this.#corrupt(
        `${path} is gone, and the ledger in ${this.#options.path} does not say that it was committed`,
      );
    let rows = 0;
    try {
      for await (const staged of readStaged(this.#context.disk, path, value.bytes)) {
        writer.apply(staged, tracker);
        rows += staged.length;
        this.#context.alive?.();
      }
    } catch (error) {
      if (error instanceof StagedDamaged) throw this.#corrupt(`${path} ${error.message}`);
      throw error;
    }
    if (rows !== value.rows)
      throw this.#corrupt(`${path} has ${rows} rows where ${value.rows} were prepared`);
    const mode = this.#options.key === undefined ? 'append' : 'upsert';
    ledger.add({ ...id, mode, rows, run: await rowRun(db, table, tracker, this.#context.alive) });
  }

  /** This job has written here: without its ledger, nobody knows what is in the table. */
  async #refuseReplaced(): Promise<void> {
    const { path, table } = this.#options;
    if (((await this.#databaseSize()) ?? 0) > 0) {
      const db = openForReading(path);
      try {
        const known = await patiently(
          this.#context.clock,
          () => TableLedger.find(db, folded(table))?.knows(this.#context.job.id) ?? false,
        );
        if (known) return;
      } finally {
        db.close();
      }
    }
    throw this.#corrupt(
      `${path} is not the database that this job has written into: it was moved, deleted or replaced`,
    );
  }

  #whose(): Whose {
    const { job, sink, alive } = this.#context;
    return { job: job.id, sink, path: this.#options.path, table: this.#options.table, alive };
  }

  #noDatabase(): TidemarkError {
    return new TidemarkError('DEFINITION_INVALID', `there is no database ${this.#options.path}`, {
      hint: 'check the path; give the sink columns, and it makes database and table',
    });
  }

  #corrupt(message: string): TidemarkError {
    return new TidemarkError('TARGET_CORRUPT', message, {
      hint: 'put database and folder back as they were, or restore into a new database',
    });
  }

  /** Own files that no snapshot and no ledger knows: written after the snapshot that was recovered from. */
  async #removeLeftovers(): Promise<void> {
    const { disk, job, sink } = this.#context;
    const names = await disk.list(this.#options.folder);
    await this.#removeStaged(names.filter(isPendingOf({ job: job.id, sink })));
  }

  async #removeStaged(names: readonly string[]): Promise<void> {
    const { disk } = this.#context;
    for (const name of names) await disk.remove(join(this.#options.folder, name));
    if (names.length > 0) await disk.syncFolder(this.#options.folder);
  }

  async #saying<R>(doing: string, action: () => Promise<R>): Promise<R> {
    const { table, path } = this.#options;
    const where = `sink ${this.#context.sink}, ${doing} table ${table} of ${path}`;
    try {
      return await action();
    } catch (error) {
      throw toTidemarkError(databaseError(error, 'sink', where), where);
    }
  }
}

async function rowRun(
  db: Sqlite,
  { shape }: TargetTable,
  tracker: RunTracker,
  alive?: () => void,
): Promise<RowRun | undefined> {
  const { run } = tracker;
  if (run === undefined || shape.rowid === undefined || shape.kind !== 'table') return undefined;
  const columns = [...tracker.columns].sort();
  const digest = await digestRun(db, shape, { ...run, columns }, alive);
  return digest === undefined ? undefined : { ...run, columns, digest };
}

/** Each transaction once, as they were made: later ones overwrite what earlier ones wrote. */
function inOrder(transactions: readonly Transaction<SqliteTransaction>[]): Transaction<SqliteTransaction>[] {
  const unique = [...new Map(transactions.map((each) => [each.value.pending, each])).values()];
  return unique.sort((a, b) => a.id.checkpoint - b.id.checkpoint || a.id.subtask - b.id.subtask);
}
