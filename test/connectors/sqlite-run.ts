/**
 * A runtime in small around a database sink: a source that counts, two writers, checkpoints that complete or fail,
 * restarts, and restores from snapshots of other jobs. The database is a real file, what is staged lies on a disk that
 * fails on demand. What the table must hold is computed plainly from how far the source had come.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../src/base/clock.js';
import type { FileStat } from '../../src/base/disk.js';
import { realDisk } from '../../src/base/real-disk.js';
import { type SqliteTransaction, sqliteSink } from '../../src/connectors/sqlite-sink.js';
import type {
  LineageEntry,
  SinkCommitter,
  SinkContext,
  SinkSpec,
  SinkWriter,
  Transaction,
} from '../../src/graph/sink.js';
import { Sqlite, type SqlValue } from '../../src/sqlite/sqlite.js';
import { FaultyDisk } from '../helpers/faulty-disk.js';

const SUBTASKS = 2;
const KEYS = 6;

/** What committers have asked of their connections' durability. */
export const durability = new Set<string>();

// Databases lose no power here: that costs most of the time, and shows nothing.
const exec = Sqlite.prototype.exec;
Sqlite.prototype.exec = function (this: Sqlite, text: string) {
  const durable = text.startsWith('PRAGMA synchronous');
  if (durable) durability.add(text);
  exec.call(this, durable ? 'PRAGMA synchronous = OFF' : text);
};

/** Everything but databases lies in memory and fails on demand. */
export class StagingDisk extends FaultyDisk {
  override async stat(path: string): Promise<FileStat | undefined> {
    const stat = await super.stat(path);
    return path.endsWith('.db') ? realDisk.stat(path) : stat;
  }
}

/** A folder for databases, removed by `remove`. */
export class Place {
  readonly folder = mkdtempSync(join(tmpdir(), 'tidemark-sqlite-'));
  #databases = 0;

  path(name = `${this.#databases++}.db`): string {
    return join(this.folder, name);
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Rows as objects, integers as bigints; the statement may change things, and then gives none. */
export function sql(path: string, text: string, parameters: readonly SqlValue[] = []): readonly SqlValue[][] {
  const db = Sqlite.open(path, { create: true, busyTimeout: 1000, what: 'database' });
  try {
    db.exec('PRAGMA synchronous = OFF');
    if (!/^\s*(select|pragma)/i.test(text)) {
      db.exec(text);
      return [];
    }
    return db
      .prepare(text)
      .all(parameters)
      .map((row) => [...row]);
  } finally {
    db.close();
  }
}

export interface Numbered {
  readonly n: number;
}

/** The two sinks that runs are made with. */
export type Mode = 'append' | 'upsert';

const keyOf = (n: number) => n % KEYS;
const isRemoval = (n: number) => n % 7 === 3;

export function sinkOf(mode: Mode, path: string): SinkSpec<Numbered, SqliteTransaction> {
  if (mode === 'append')
    return sqliteSink<Numbered>(path, {
      table: 'numbers',
      columns: { n: 'integer' },
      row: ({ n }) => ({ n }),
    });
  return sqliteSink<Numbered>(path, {
    table: 'numbers',
    mode: 'upsert',
    key: ['key'],
    columns: { key: 'integer', n: 'integer' },
    row: ({ n }) => ({ key: keyOf(n), n }),
    remove: ({ n }) => isRemoval(n),
  });
}

/** What the table holds once everything below `position` is committed: plainly computed. */
export function expected(mode: Mode, position: number): string {
  const numbers = Array.from({ length: position }, (_, n) => n);
  if (mode === 'append') return numbers.join();
  const rows = new Map<number, number>();
  for (const n of numbers) {
    if (isRemoval(n)) rows.delete(keyOf(n));
    else rows.set(keyOf(n), n);
  }
  return [...rows]
    .sort(([a], [b]) => a - b)
    .map(([key, n]) => `${key}:${n}`)
    .join();
}

export function contextOf(disk: FaultyDisk, folder: string, more: Partial<SinkContext> = {}): SinkContext {
  const context = {
    lineage: [],
    job: { id: 'job0', name: 'job' },
    attempt: 1,
    sink: 'out',
    cwd: folder,
    disk,
    clock: systemClock,
    stdout: async () => {},
    log: () => {},
  };
  return { ...context, ...more };
}

/** A savepoint: its transactions are committed. */
export interface Saved {
  readonly position: number;
  readonly checkpoint: number;
  readonly lineage: readonly LineageEntry[];
}

export class TableRun {
  readonly mode: Mode;
  readonly path: string;
  readonly disk: StagingDisk;
  readonly job: string;
  position = 0;
  snapshot: { position: number; transactions: readonly Transaction<SqliteTransaction>[] };
  /** How far what was committed for certain had come. */
  #settledAt: number;
  readonly #folder: string;
  readonly #origin: Saved | undefined;
  #attempt = 0;
  #checkpoint: number;
  #completed = 0;
  #prepared: Transaction<SqliteTransaction>[] = [];
  #writers: SinkWriter<Numbered, SqliteTransaction>[] = [];
  #committer: SinkCommitter<SqliteTransaction> | undefined;

  constructor(
    mode: Mode,
    { path, folder, disk }: { path: string; folder: string; disk: StagingDisk },
    { job = 'job0', origin }: { job?: string; origin?: Saved } = {},
  ) {
    this.mode = mode;
    this.path = path;
    this.#folder = folder;
    this.disk = disk;
    this.job = job;
    this.#origin = origin;
    this.snapshot = { position: origin?.position ?? 0, transactions: [] };
    this.#settledAt = this.snapshot.position;
    this.#checkpoint = origin?.checkpoint ?? 0;
  }

  /** A new attempt, from the last complete checkpoint; a restored job's first one rewinds, as `--sinks rewind` does. */
  async start(): Promise<void> {
    const sink = sinkOf(this.mode, this.path);
    const context = this.#context(++this.#attempt);
    this.#prepared = [];
    this.position = this.snapshot.position;
    this.#committer = await sink.committer?.(context);
    if (this.#origin !== undefined && this.#completed === 0) {
      const ahead = (await this.#committer?.ahead?.(context.lineage)) ?? [];
      const refused = await this.#committer?.checkRewind?.(context.lineage).catch(String);
      if (ahead.length > 0)
        await this.#committer?.rewind?.(context.lineage).catch((error: unknown) => {
          assert.ok(
            !/TARGET_AHEAD|cannot rewind/.test(String(error)) || refused !== undefined,
            String(error),
          );
          throw error;
        });
      assert.equal(refused, undefined, 'what is told before a rewind is what it does');
    }
    await this.#committer?.recover(this.snapshot.transactions);
    this.#settledAt = this.snapshot.position;
    this.#writers = [];
    for (let subtask = 0; subtask < SUBTASKS; subtask++)
      this.#writers.push(await sink.open({ ...context, subtask, parallelism: SUBTASKS, state: {} }));
  }

  async write(count: number): Promise<void> {
    const numbers = Array.from({ length: count }, (_, i) => this.position + i);
    this.position += count;
    for (const [subtask, writer] of this.#writers.entries())
      await writer.write(numbers.filter((n) => n % SUBTASKS === subtask).map((n) => ({ n })));
  }

  /** A checkpoint, with writing going on while it is prepared. */
  async checkpoint(completes: boolean): Promise<void> {
    const checkpoint = ++this.#checkpoint;
    const { position } = this;
    const preparing = this.#writers.map(async (writer, subtask) => {
      const value = await writer.prepare?.(checkpoint);
      const id = { job: this.job, attempt: this.#attempt, sink: 'out', subtask, checkpoint };
      if (value !== undefined) this.#prepared.push({ id, value });
    });
    const writing = this.write(1);
    for (const result of await Promise.allSettled([...preparing, writing]))
      if (result.status === 'rejected') throw result.reason;
    if (!completes) return;
    this.#completed = checkpoint;
    this.snapshot = { position, transactions: this.#prepared };
    this.#prepared = [];
    await this.#committer?.commit(this.snapshot.transactions);
    this.#settledAt = position;
  }

  async commitAgain(): Promise<void> {
    await this.#committer?.commit(this.snapshot.transactions);
  }

  saved(): Saved {
    const { lineage = [] } = this.#origin ?? {};
    const entry = { job: this.job, checkpoint: this.#completed };
    return { position: this.snapshot.position, checkpoint: this.#completed, lineage: [...lineage, entry] };
  }

  async ahead(): Promise<number> {
    const context = this.#context(0);
    const committer = await sinkOf(this.mode, this.path).committer?.(context);
    return ((await committer?.ahead?.(context.lineage)) ?? []).length;
  }

  /** The process is gone: an open transaction of the database with it. */
  async die(): Promise<void> {
    await this.#committer?.close?.();
    this.disk.crash();
  }

  async close(): Promise<void> {
    for (const writer of this.#writers) await writer.close?.();
    await this.#committer?.close?.();
  }

  #context(attempt: number): SinkContext {
    const lineage = this.#origin?.lineage ?? [];
    return contextOf(this.disk, this.#folder, { job: { id: this.job, name: 'job' }, attempt, lineage });
  }

  table(): string {
    const row = this.mode === 'append' ? 'n' : "key || ':' || n";
    const order = this.mode === 'append' ? 'n' : 'key';
    const made = sql(this.path, "SELECT 1 FROM sqlite_schema WHERE name = 'numbers'").length > 0;
    if (!made) return '';
    return sql(this.path, `SELECT ${row} FROM numbers ORDER BY ${order}`)
      .map(([text]) => String(text))
      .join();
  }

  /** The table is what the last complete checkpoint gives; or, while that is being committed, what the one before gave. */
  check(what = ''): void {
    const found = this.table();
    if (found === expected(this.mode, this.snapshot.position)) return;
    assert.equal(found, expected(this.mode, this.#settledAt), what);
  }

  /** Exactly what the last complete checkpoint gives. */
  checkSettled(what = ''): void {
    assert.equal(this.table(), expected(this.mode, this.snapshot.position), what);
  }

  staged(): string[] {
    return this.disk.paths().filter((path) => path.includes('/.pending-'));
  }
}
