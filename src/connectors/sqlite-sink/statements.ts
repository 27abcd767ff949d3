/** The SQL by which rows get into a table. Pure. */
import { folded, quoted } from '../sqlite-database/names.js';

export function insertSql(table: string, columns: readonly string[]): string {
  if (columns.length === 0) return `INSERT INTO main.${quoted(table)} DEFAULT VALUES`;
  const values = columns.map(() => '?').join(', ');
  return `INSERT INTO main.${quoted(table)} (${columns.map(quoted).join(', ')}) VALUES (${values})`;
}

/** What is not named stays as it was. */
export function upsertSql(table: string, columns: readonly string[], key: readonly string[]): string {
  const keys = new Set(key.map(folded));
  const others = columns.filter((name) => !keys.has(folded(name)));
  const set = others.map((name) => `${quoted(name)} = excluded.${quoted(name)}`).join(', ');
  const action = others.length === 0 ? 'DO NOTHING' : `DO UPDATE SET ${set}`;
  return `${insertSql(table, columns)} ON CONFLICT (${key.map(quoted).join(', ')}) ${action}`;
}

export function deleteSql(table: string, key: readonly string[]): string {
  return `DELETE FROM main.${quoted(table)} WHERE ${key.map((name) => `${quoted(name)} = ?`).join(' AND ')}`;
}
