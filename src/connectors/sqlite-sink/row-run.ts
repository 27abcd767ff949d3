/**
 * The rows that an append put into a table, found again: by their numbers, and by a digest of what they held, since
 * VACUUM may renumber rows, and others may delete some, change them, or be given their numbers.
 */
import { createHash } from 'node:crypto';
import { valueCodec } from '../../codec/value.js';
import { ByteWriter } from '../../codec/writer.js';
import type { Sqlite } from '../../sqlite/sqlite.js';
import { quoted } from '../sqlite-database/names.js';
import type { TableShape } from '../sqlite-database/table-shape.js';

/** Rows that are read or deleted in one go. */
const PAGE_ROWS = 1000n;

/** Follows the numbers of rows as they are inserted. */
export class RunTracker {
  #first: bigint | undefined;
  #last: bigint | undefined;
  #broken = false;
  #seen: readonly string[] | undefined;
  readonly columns = new Set<string>();

  /** `changes`: 0 where a trigger ignored the row. */
  inserted(changes: number, rowid: bigint, columns: readonly string[]): void {
    if (changes === 0) return;
    if (this.#last !== undefined && rowid !== this.#last + 1n) this.#broken = true;
    this.#first ??= rowid;
    this.#last = rowid;
    if (columns === this.#seen) return;
    this.#seen = columns;
    for (const column of columns) this.columns.add(column);
  }

  /** Undefined where nothing was inserted, or not in one run. */
  get run(): { readonly first: bigint; readonly last: bigint } | undefined {
    if (this.#broken || this.#first === undefined || this.#last === undefined) return undefined;
    return { first: this.#first, last: this.#last };
  }
}

/**
 * A digest of the rows from `first` to `last`; undefined where one is missing, or a column is. Lets others go on after
 * every page, and says that it goes on itself.
 */
export async function digestRun(
  db: Sqlite,
  shape: TableShape,
  run: { readonly first: bigint; readonly last: bigint; readonly columns: readonly string[] },
  alive?: () => void,
): Promise<Uint8Array | undefined> {
  const { rowid, columns } = shape;
  const there = new Set(columns.map(({ name }) => name));
  if (rowid === undefined || run.columns.some((name) => !there.has(name))) return undefined;
  const names = ['1', ...run.columns.map(quoted)].join(', ');
  const page = db.prepare(
    `SELECT ${names} FROM main.${quoted(shape.name)} WHERE ${rowid} BETWEEN ? AND ? ORDER BY ${rowid}`,
  );
  const hash = createHash('sha256');
  const out = new ByteWriter();
  for (let from = run.first; from <= run.last; from += PAGE_ROWS) {
    const to = from + PAGE_ROWS - 1n < run.last ? from + PAGE_ROWS - 1n : run.last;
    const rows = page.all([from, to]);
    if (BigInt(rows.length) !== to - from + 1n) return undefined;
    out.reset();
    for (const row of rows) valueCodec.write(row, out);
    hash.update(out.view());
    alive?.();
    if (to < run.last) await new Promise((resolve) => setImmediate(resolve));
  }
  return hash.digest();
}

/** Takes the rows out, a page at a time. */
export async function deleteRun(
  db: Sqlite,
  shape: TableShape,
  run: { readonly first: bigint; readonly last: bigint },
  alive?: () => void,
): Promise<void> {
  const { rowid = 'rowid' } = shape;
  const page = db.prepare(`DELETE FROM main.${quoted(shape.name)} WHERE ${rowid} BETWEEN ? AND ?`);
  for (let from = run.first; from <= run.last; from += PAGE_ROWS) {
    const to = from + PAGE_ROWS - 1n < run.last ? from + PAGE_ROWS - 1n : run.last;
    page.run([from, to]);
    alive?.();
    if (to < run.last) await new Promise((resolve) => setImmediate(resolve));
  }
}
