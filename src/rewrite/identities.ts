/**
 * Remembers which entries there were, and in which row, in bounded memory: a temporary SQLite file without a name, which
 * is gone with the process.
 */
import { Sqlite } from '../sqlite/sqlite.js';

/** KiB of pages in memory. */
const CACHE = 16 * 1024;
const ADD = 'INSERT INTO seen VALUES (?, ?, ?) ON CONFLICT DO NOTHING';
const FIND = 'SELECT at FROM seen WHERE tab = ? AND identity = ?';

/** Entries are named by their table and the bytes of their identity (format/entry-scan.ts). */
export class Identities {
  readonly #db: Sqlite;

  constructor() {
    this.#db = Sqlite.open('', { create: true, busyTimeout: 0, what: 'temporary file' });
    for (const pragma of ['journal_mode = OFF', 'synchronous = OFF', `cache_size = -${CACHE}`])
      this.#db.pragma(pragma);
    this.#db.exec(
      'CREATE TABLE seen (tab INTEGER, identity BLOB, at INTEGER, PRIMARY KEY (tab, identity)) WITHOUT ROWID',
    );
    this.#db.exec('BEGIN');
  }

  /** Undefined, or the row it was added with before; it is then not added. */
  add(table: number, identity: Uint8Array, row: number): number | undefined {
    if (this.#db.run(ADD, [table, identity, row]) > 0) return undefined;
    return Number(this.#db.get(FIND, [table, identity])?.['at']);
  }

  has(table: number, identity: Uint8Array): boolean {
    return this.#db.get(FIND, [table, identity]) !== undefined;
  }

  close(): void {
    this.#db.close();
  }
}
