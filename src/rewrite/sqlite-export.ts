/**
 * Exports as an SQLite file: a table for each state, named `uid.name`, and `tidemark_states`, which says what each is,
 * so that an import makes the same entries of it. table-columns.ts has the columns, cells.ts what is in them.
 *
 * Invariant: under the file's name is nothing before all is in it and durable.
 */
import type { ArchiveOutput } from '../archive/output.js';
import { tableLabel } from '../archive/table-list.js';
import { coded } from '../archive/write.js';
import type { Disk } from '../base/disk.js';
import type { ManifestTable } from '../format/manifest.js';
import { Sqlite } from '../sqlite/sqlite.js';
import { cellOf } from './cells.js';
import { unfinishedFile } from './data-output.js';
import { Entries, type ExportWork, operatorOf, sharedNames } from './export-source.js';
import { type Column, columnsOf, isText, keyTypeOf, partOf } from './table-columns.js';

/** Of `tidemark_states`. */
export const STATES_FORMAT = 1;
export const STATES_TABLE = 'tidemark_states';

const CREATE_STATES = `CREATE TABLE ${STATES_TABLE} (
  format INTEGER NOT NULL,
  "table" TEXT NOT NULL PRIMARY KEY,
  operator TEXT NOT NULL,
  state TEXT NOT NULL,
  kind TEXT NOT NULL,
  key_type TEXT,
  map_key_type TEXT,
  codec TEXT NOT NULL,
  codec_version INTEGER NOT NULL,
  schema_version INTEGER NOT NULL,
  entries INTEGER NOT NULL
)`;

/** Resolves to how many entries were written. @throws ARCHIVE_CORRUPT, FILE_EXISTS, DISK_FULL and the like */
export async function exportSqlite(
  disk: Disk,
  output: Extract<ArchiveOutput, { path: string }>,
  work: ExportWork,
): Promise<number> {
  const entries = new Entries(work);
  const unfinished = await unfinishedFile(disk, output);
  try {
    // Made by us first, so that what is wrong with the folder is said as everywhere.
    await coded(
      async () => (await disk.create(unfinished.temporary, { exclusive: true })).close(),
      `writing ${output.path}`,
    );
    const db = Sqlite.open(unfinished.temporary, { create: false, busyTimeout: 0, what: 'export' });
    try {
      // The file has no name yet: what would make it safe while it is written is in vain, and a journal beside it would
      // stay where the disk is full. No journal at all is refused by the library.
      for (const pragma of ['journal_mode = MEMORY', 'synchronous = OFF']) db.pragma(pragma);
      db.exec('BEGIN');
      db.exec(CREATE_STATES);
      const names = new TableNames(work);
      for (const table of work.tables) await writeTable(db, table, names.of(table), entries, work);
      db.exec('COMMIT');
    } finally {
      db.close();
    }
    work.signal?.throwIfAborted();
    await unfinished.commit();
  } catch (error) {
    await unfinished.discard();
    throw error;
  }
  return entries.written;
}

async function writeTable(
  db: Sqlite,
  table: ManifestTable,
  name: string,
  entries: Entries,
  work: ExportWork,
): Promise<void> {
  const operator = operatorOf(work, table);
  const columns = columnsOf(table, operator, await entries.shownOf(table));
  db.exec(
    `CREATE TABLE ${identifier(name)} (${columns.map((column) => identifier(column.name)).join(', ')})`,
  );
  const insert = `INSERT INTO ${identifier(name)} VALUES (${columns.map(() => '?').join(', ')})`;
  const before = entries.written;
  for await (const view of entries.views(table))
    db.run(
      insert,
      columns.map((column: Column) => cellOf(partOf(view, column), isText(column))),
    );
  const { codec, kind, mapKey, schemaVersion } = table;
  db.run(`INSERT INTO ${STATES_TABLE} VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, [
    BigInt(STATES_FORMAT),
    name,
    table.operator,
    table.name,
    kind,
    keyTypeOf(table, operator),
    mapKey,
    codec.id,
    BigInt(codec.version),
    BigInt(schemaVersion),
    BigInt(entries.written - before),
  ]);
}

/** `uid.name`, made different where SQLite would take two for one. */
class TableNames {
  readonly #shared: ReadonlySet<string>;
  readonly #used = new Set<string>();

  constructor({ source }: ExportWork) {
    this.#shared = sharedNames(source.tables);
  }

  of(table: ManifestTable): string {
    // What an archive of others may have in its names, no statement can.
    const label = tableLabel(table).replace(/\p{Cc}/gu, '?');
    const named = this.#shared.has(tableLabel(table)) ? `${label} (${table.kind})` : label;
    // Names that begin so are SQLite's own.
    const base = /^sqlite_/i.test(named) ? `state ${named}` : named;
    let name = base;
    for (let i = 2; this.#used.has(folded(name)); i++) name = `${base} (${i})`;
    this.#used.add(folded(name));
    return name;
  }
}

/** SQLite takes names for one that differ in ASCII letters' case alone. */
function folded(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
}

/** A name in a statement, whatever is in it. */
export function identifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
