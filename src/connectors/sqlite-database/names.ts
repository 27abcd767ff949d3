/** How tables and columns stand in SQL, and the names that a table gives a folder. Pure. */
import { createHash } from 'node:crypto';

/** Longest table name that stands in a folder's name as it is. */
const MAX_FOLDER_CHARS = 120;
const HASH_CHARS = 16;

/** An identifier in SQL, whatever is in it. */
export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** SQLite takes names for the same that differ in the case of ASCII letters only. */
export function folded(name: string): string {
  return name.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}

/** Why this cannot be a table's or column's name; undefined when it can. */
export function nameTrouble(name: unknown): string | undefined {
  if (typeof name !== 'string' || name === '') return 'expected a name: text that is not empty';
  if (name.includes('\0') || /\p{Surrogate}/u.test(name)) return 'holds what no name in SQLite can';
  return undefined;
}

/** The name of a table as a folder's: unlike for tables that are unlike, and plain on every file system. */
export function folderOf(table: string): string {
  const encoded = encodeURIComponent(folded(table)).replace(
    /[*'()!~.]/g,
    (c) => `%${c.charCodeAt(0).toString(16)}`,
  );
  if (encoded.length <= MAX_FOLDER_CHARS) return encoded;
  const hash = createHash('sha256').update(folded(table)).digest('hex').slice(0, HASH_CHARS);
  return `${encoded.slice(0, MAX_FOLDER_CHARS - HASH_CHARS - 1)}~${hash}`;
}
