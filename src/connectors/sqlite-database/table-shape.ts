/** What a table looks like, as its database tells. */
import type { Sqlite } from '../../sqlite/sqlite.js';
import { quoted } from './names.js';

export interface TableColumn {
  readonly name: string;
  /** As declared; empty when it was not. */
  readonly type: string;
  readonly notNull: boolean;
  readonly hasDefault: boolean;
  readonly generated: boolean;
  /** From 1: its place in the primary key; 0: not in it. */
  readonly primary: number;
}

export interface TableShape {
  /** As the database writes it: names in SQL match in any case. */
  readonly name: string;
  readonly kind: 'table' | 'view' | 'virtual' | 'shadow';
  readonly strict: boolean;
  readonly columns: readonly TableColumn[];
  /** What SQL calls the row's number, quoted; undefined for a table without. */
  readonly rowid: string | undefined;
  /** The column that is the row's number. */
  readonly rowidColumn: string | undefined;
  /** Numbers of deleted rows are never given again. */
  readonly autoincrement: boolean;
  /** Column lists by which ON CONFLICT can tell rows apart. */
  readonly uniques: readonly (readonly string[])[];
}

const ROWID_NAMES = ['rowid', '_rowid_', 'oid'];

/** The table, or undefined when there is none of that name. */
export function readTableShape(db: Sqlite, table: string): TableShape | undefined {
  const found = db
    .prepare(
      `SELECT name, type, strict, wr FROM pragma_table_list
        WHERE schema = 'main' AND name = ? COLLATE NOCASE`,
    )
    .get([table]);
  if (found === undefined) return undefined;
  const [name, kind, strict, withoutRowid] = found;
  const columns = columnsOf(db, String(name));
  const rowidColumn = withoutRowid === 1n ? undefined : rowidColumnOf(db, String(name), columns);
  const taken = new Set(columns.map((column) => column.name.toLowerCase()));
  const free = ROWID_NAMES.find((word) => !taken.has(word));
  const rowid = rowidColumn ?? (withoutRowid === 1n || kind === 'view' ? undefined : free);
  return {
    name: String(name),
    kind: kind === 'view' || kind === 'virtual' || kind === 'shadow' ? kind : 'table',
    strict: strict === 1n,
    columns,
    rowid: rowid === undefined ? undefined : quoted(rowid),
    rowidColumn,
    autoincrement: rowidColumn !== undefined && isAutoincrement(db, String(name)),
    uniques: uniquesOf(db, String(name), columns),
  };
}

function columnsOf(db: Sqlite, table: string): TableColumn[] {
  const HIDDEN = 1n;
  return db
    .prepare('SELECT name, type, "notnull", dflt_value IS NOT NULL, pk, hidden FROM pragma_table_xinfo(?)')
    .all([table])
    .filter(([, , , , , hidden]) => hidden !== HIDDEN)
    .map(([name, type, notNull, hasDefault, primary, hidden]) => ({
      name: String(name),
      type: String(type),
      notNull: notNull === 1n,
      hasDefault: hasDefault === 1n,
      generated: hidden !== 0n,
      primary: Number(primary),
    }));
}

/** INTEGER PRIMARY KEY is the row's number; it has no index, which INTEGER PRIMARY KEY DESC has. */
function rowidColumnOf(db: Sqlite, table: string, columns: readonly TableColumn[]): string | undefined {
  const keys = columns.filter(({ primary }) => primary > 0);
  const [key] = keys;
  if (key === undefined || keys.length > 1 || !/^integer$/i.test(key.type)) return undefined;
  const indexed = db.prepare("SELECT 1 FROM pragma_index_list(?) WHERE origin = 'pk'").get([table]);
  return indexed === undefined ? key.name : undefined;
}

function isAutoincrement(db: Sqlite, table: string): boolean {
  const found = db.prepare("SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = ?").get([table]);
  const code = String(found?.[0] ?? '').replace(
    /--.*$|\/\*[\s\S]*?\*\/|"(?:[^"]|"")*"|'(?:[^']|'')*'/gm,
    ' ',
  );
  return /\bautoincrement\b/i.test(code);
}

function uniquesOf(db: Sqlite, table: string, columns: readonly TableColumn[]): (readonly string[])[] {
  const primary = columns.filter((column) => column.primary > 0).sort((a, b) => a.primary - b.primary);
  const uniques = primary.length > 0 ? [primary.map(({ name }) => name)] : [];
  const indexes = db
    .prepare('SELECT name FROM pragma_index_list(?) WHERE "unique" = 1 AND partial = 0')
    .all([table]);
  for (const [index] of indexes) {
    const parts = db
      .prepare(
        `SELECT x.name, x.coll, x.cid FROM pragma_index_xinfo(?) AS x WHERE x.key = 1 ORDER BY x.seqno`,
      )
      .all([String(index)]);
    // Part of an expression has no name.
    if (parts.every(([name]) => typeof name === 'string')) uniques.push(parts.map(([name]) => String(name)));
  }
  return uniques;
}
