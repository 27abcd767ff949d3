/**
 * Rows of an SQLite file: of one that an export wrote, all states that `tidemark_states` lists; of anybody's, the rows of
 * one table, or those that a statement gives.
 *
 * The file is opened for reading only, and nothing in it is believed: neither what it says of our states, nor its types.
 */
import { TidemarkError } from '../base/errors.js';
import { type Query, Sqlite, type SqlValue } from '../sqlite/sqlite.js';
import type { DataRow, ImportTarget, Place, TargetState } from './import-target.js';
import { guarded } from './import-text.js';
import { type ColumnFlags, isFlagged, NO_FLAGS, RowMapping, sqlCellReader } from './row-mapping.js';
import { identifier, STATES_FORMAT, STATES_TABLE } from './sqlite-export.js';

/** Milliseconds to wait for somebody who writes to the file. */
const BUSY_TIMEOUT = 5_000;
const TABLES = `SELECT name FROM sqlite_schema WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
                ORDER BY name`;
const SHOWN = 20;

export interface SqliteData {
  /** The states whose entries the rows replace, whether there are rows of them or not. */
  readonly states: readonly TargetState[];
  readonly rows: AsyncIterable<DataRow>;
  close(): void;
}

/** @throws USAGE, and what `Sqlite` does for a file that is no database or damaged */
export function sqliteData(
  path: string,
  target: ImportTarget,
  flags: ColumnFlags,
  query: string | undefined,
): SqliteData {
  const db = Sqlite.open(path, {
    create: false,
    busyTimeout: BUSY_TIMEOUT,
    what: 'the data',
    readonly: true,
  });
  try {
    const tables = db.all(TABLES).map(({ name }) => String(name));
    const ours = tables.includes(STATES_TABLE);
    const close = () => db.close();
    if (ours && query === undefined && !isFlagged(flags)) {
      const parts = exportedStates(db, target);
      return { states: parts.map(({ state }) => state), rows: rowsOfAll(parts), close };
    }
    const state = target.single;
    const { sql, name } = statementOf(tables, query);
    const part = { state, name, query: db.query(sql) };
    return { states: [state], rows: rowsOf(part, flags, ours), close };
  } catch (error) {
    db.close();
    throw error;
  }
}

interface Part {
  readonly state: TargetState;
  readonly name: string | undefined;
  readonly query: Query;
}

/** @throws USAGE, INCOMPATIBLE for states that were of another kind, codec or schema version */
function exportedStates(db: Sqlite, target: ImportTarget): readonly Part[] {
  const listed = db.all(`SELECT * FROM ${STATES_TABLE}`);
  const parts: Part[] = [];
  for (const row of listed) {
    const { format, table: name, operator, kind } = row;
    if (format !== STATES_FORMAT)
      throw new TidemarkError(
        'FORMAT_NEWER',
        `${db.path} has states of format ${String(format)}, this tidemark reads ${STATES_FORMAT}`,
      );
    const state = target.find(
      String(operator),
      String(row['state'] === '' ? kind : row['state']),
      String(kind),
    );
    if (typeof state !== 'string' && !target.takes(state)) continue;
    if (typeof state === 'string') {
      if (target.only !== undefined) continue;
      throw new TidemarkError('STATE_NOT_FOUND', state, { hint: 'take one state only: --state uid.name' });
    }
    checkSame(row, state);
    parts.push({ state, name: String(name), query: db.query(`SELECT * FROM ${identifier(String(name))}`) });
  }
  for (const { table } of target.only ?? [])
    if (!parts.some(({ state }) => state.table === table))
      throw new TidemarkError('STATE_NOT_FOUND', `${db.path} has no ${table.operator}.${table.name}`, {
        hint: `it has ${listed
          .map((row) => String(row['table']))
          .slice(0, SHOWN)
          .join(', ')}`,
      });
  return parts;
}

function checkSame(row: Readonly<Record<string, unknown>>, { table }: TargetState): void {
  const { codec, schemaVersion, mapKey } = table;
  const pairs: readonly (readonly [string, unknown, unknown])[] = [
    ['codec', row['codec'], codec.id],
    ['codec version', row['codec_version'], codec.version],
    ['schema version', row['schema_version'], schemaVersion],
    ['type of map keys', row['map_key_type'], mapKey],
  ];
  const other = pairs.find(([, theirs, ours]) => theirs !== ours);
  if (other === undefined) return;
  const [what, theirs, ours] = other;
  throw new TidemarkError(
    'INCOMPATIBLE',
    `${table.operator}.${table.name} was exported with ${what} ${String(theirs)}, here it is ${String(ours)}`,
    { hint: 'import it into an archive of the same version, or as rows of its own: --query "SELECT …"' },
  );
}

function statementOf(
  tables: readonly string[],
  query: string | undefined,
): { readonly sql: string; readonly name: string | undefined } {
  if (query !== undefined) return { sql: query, name: undefined };
  const [name, second] = tables.filter((table) => table !== STATES_TABLE);
  if (name !== undefined && second === undefined) return { sql: `SELECT * FROM ${identifier(name)}`, name };
  const listed = `${tables.slice(0, SHOWN).join(', ')}${tables.length > SHOWN ? ', …' : ''}`;
  const message = name === undefined ? 'the file has no table' : `the file has several tables: ${listed}`;
  throw new TidemarkError('USAGE', message, { hint: 'say which rows: --query "SELECT … FROM …"' });
}

async function* rowsOfAll(parts: readonly Part[]): AsyncGenerator<DataRow, void> {
  for (const part of parts) yield* rowsOf(part, NO_FLAGS, true);
}

async function* rowsOf(
  { state, name, query }: Part,
  flags: ColumnFlags,
  ours: boolean,
): AsyncGenerator<DataRow, void> {
  const { columns } = query;
  const mapping = new RowMapping(columns, state, flags);
  const read = sqlCellReader(ours, flags);
  let number = 0;
  for (const cells of query.rows()) {
    number++;
    const place: Place = { unit: 'row', number, ...(name === undefined ? {} : { of: name }) };
    const cell = (at: number, type: string) => read((cells[at] ?? null) as SqlValue, type, columns[at] ?? '');
    const row = guarded(place, () => ({ state, given: mapping.given(cell) }));
    if (row !== undefined) yield row;
  }
}
