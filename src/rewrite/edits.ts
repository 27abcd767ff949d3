/**
 * `--edits FILE.jsonl`: lines that set entries or take them away, in the shape of `inspect --state --json`.
 *
 *     lines ─▶ checked, encoded ─▶ a temporary database, by (table, identity) ─┬─ each block of the archive: newest wins
 *                                                                            └─ what the archive did not hold: added
 *
 * Invariants: the lines count in their order, the last of an entry wins; all that is wrong with them is told, with line
 * numbers; memory does not grow with the number of lines, nor with the archive; nothing stays behind.
 */
import { present } from '../base/assert.js';
import { EntryScan } from '../format/entry-scan.js';
import { Sqlite } from '../sqlite/sqlite.js';
import { type EditTarget, readLine } from './edit-line.js';
import type { Findings } from './findings.js';
import { BlockBuilder, type TableBlock } from './table-blocks.js';
import { linesOf } from './text-lines.js';

/** Entries added at once, and bytes of a block of them. */
const PAGE = 256;
const ADDED_BYTES = 64 * 1024;
/** Pages of the database that are kept in memory. */
const CACHE_KIB = 16 * 1024;

/** `tail` is what follows the identity: flags, stamp, value; null takes the entry away. */
const SCHEMA = `
  CREATE TABLE edits (
    tbl INTEGER NOT NULL,
    identity BLOB NOT NULL,
    grp INTEGER NOT NULL,
    tail BLOB,
    -- The line whose entry must be there, because the first that names it takes it away.
    needed INTEGER,
    shown TEXT NOT NULL,
    PRIMARY KEY (tbl, identity)
  ) WITHOUT ROWID`;

export interface Edited {
  /** Undefined where no entry is left. */
  readonly block: TableBlock | undefined;
  readonly changed: number;
}

export class Edits {
  readonly #db: Sqlite;
  readonly #scan = new EntryScan();
  /** Tables that lines name. */
  readonly #tables = new Set<number>();
  #lines = 0;

  private constructor() {
    // Without a name: a file that SQLite removes by itself, and uses only when memory does not do.
    this.#db = Sqlite.open('', { create: true, busyTimeout: 0, what: 'edits' });
    this.#db.exec(
      `PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -${CACHE_KIB}; ${SCHEMA}; BEGIN`,
    );
  }

  /** Reads all lines. What is wrong goes to `findings`; the edits are of use where nothing is. */
  static async read(
    bytes: AsyncIterable<Uint8Array>,
    targets: readonly EditTarget[],
    findings: Findings,
    onLine: (lines: number) => void,
  ): Promise<Edits> {
    const edits = new Edits();
    try {
      for await (const { text, line } of linesOf(bytes, findings)) {
        onLine(line);
        edits.#lines = line;
        const edit = readLine(text, line, targets, findings);
        if (edit !== undefined) edits.#take(edit.bytes, edit.remove, line, edit.shown, findings);
      }
      return edits;
    } catch (error) {
      edits.close();
      throw error;
    }
  }

  /** Lines read. */
  get lines(): number {
    return this.#lines;
  }

  has(table: number): boolean {
    return this.#tables.has(table);
  }

  /** What a block becomes. Each edit applies once. */
  apply({ table, payload, entries }: TableBlock): Edited {
    const scan = this.#scan;
    const built = new BlockBuilder(table, payload.length);
    let changed = 0;
    let left = entries;
    for (let at = 0; at < payload.length; at = scan.end) {
      scan.scan(payload, at, payload.length);
      const identity = payload.subarray(scan.identityAt, scan.identityEnd);
      const row = this.#db.get('DELETE FROM edits WHERE tbl = ? AND identity = ? RETURNING tail', [
        table,
        identity,
      ]);
      if (row === undefined) {
        built.keep(payload, at, scan.end);
        continue;
      }
      left--;
      const tail = row['tail'];
      if (!(tail instanceof Uint8Array)) continue;
      if (!payload.subarray(scan.identityEnd, scan.end).equals(tail)) changed++;
      built.begin(scan.group);
      built.out.raw(identity);
      built.out.raw(tail);
    }
    return { block: left === entries ? { table, payload, entries } : built.block(), changed };
  }

  /** After all blocks: lines that take away what is not there. */
  checkRest(findings: Findings): void {
    const missing = 'FROM edits WHERE needed IS NOT NULL';
    const rows = this.#db.all(`SELECT needed, shown ${missing} ORDER BY needed LIMIT ${PAGE}`);
    for (const { needed, shown } of rows)
      findings.add('KEY_NOT_FOUND', `line ${needed}: there is no entry ${shown} to take away`);
    const all = Number(this.#db.get(`SELECT count(*) AS count ${missing}`)?.['count']);
    findings.addMore(all - rows.length);
  }

  /** After all blocks: the entries that are new. */
  *added(): Generator<TableBlock, void> {
    let after: readonly [number, Uint8Array] = [-1, Buffer.alloc(0)];
    let built: BlockBuilder | undefined;
    let builtTable = -1;
    const finished = function* (): Generator<TableBlock, void> {
      const block = built?.block();
      built = undefined;
      if (block !== undefined) yield block;
    };
    for (;;) {
      const rows = this.#db.all(
        `SELECT tbl, identity, grp, tail FROM edits WHERE (tbl, identity) > (?, ?) AND tail IS NOT NULL
         ORDER BY tbl, identity LIMIT ${PAGE}`,
        after,
      );
      for (const row of rows) {
        const { table, group, identity, tail } = addedEntry(row);
        if (table !== builtTable || (built?.out.position ?? 0) >= ADDED_BYTES) yield* finished();
        built ??= new BlockBuilder(table, ADDED_BYTES);
        builtTable = table;
        built.begin(group);
        built.out.raw(identity);
        built.out.raw(tail);
        after = [table, identity];
      }
      if (rows.length < PAGE) break;
    }
    yield* finished();
  }

  close(): void {
    this.#db.close();
  }

  /** Whether a line has taken it away. */
  #isGone(table: number, identity: Buffer): boolean {
    const row = this.#db.get('SELECT tail FROM edits WHERE tbl = ? AND identity = ?', [table, identity]);
    return row !== undefined && row['tail'] === null;
  }

  #take(entry: Buffer, remove: boolean, line: number, shown: string, findings: Findings): void {
    const scan = this.#scan;
    scan.scan(entry, 0, entry.length);
    const { table, group } = scan;
    const identity = entry.subarray(scan.identityAt, scan.identityEnd);
    const tail = remove ? null : entry.subarray(scan.identityEnd, scan.end);
    if (remove && this.#isGone(table, identity)) {
      findings.add('KEY_NOT_FOUND', `line ${line}: an earlier line has taken ${shown} away`);
      return;
    }
    this.#tables.add(table);
    this.#db.run(
      `INSERT INTO edits (tbl, identity, grp, tail, needed, shown) VALUES (?, ?, ?, ?, ?, ?)
       ON CONFLICT (tbl, identity) DO UPDATE SET tail = excluded.tail`,
      [table, identity, group, tail, remove ? line : null, shown],
    );
  }
}

function addedEntry(row: Readonly<Record<string, unknown>>) {
  const { tbl, grp, identity, tail } = row;
  return {
    table: Number(tbl),
    group: Number(grp),
    identity: bytesOf(identity),
    tail: bytesOf(tail),
  };
}

function bytesOf(cell: unknown): Uint8Array {
  return present(cell instanceof Uint8Array ? cell : undefined, 'the bytes of an edit');
}
