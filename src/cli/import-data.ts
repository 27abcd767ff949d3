/** What `import` reads, and how: the format of the data, and which columns are what. */
import { open, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { TidemarkError } from '../base/errors.js';
import type { ColumnFlags } from '../rewrite/row-mapping.js';
import type { Given } from './context.js';

const SQLITE_MAGIC = 'SQLite format 3\0';
/** In the place of a file's name. */
export const STDIN = '-';

export type DataFormat = 'jsonl' | 'csv' | 'sqlite';

/** The format that is asked for, else what the data is. @throws FILE_NOT_FOUND, USAGE */
export async function dataFormat(option: string | undefined, data: string, cwd: string): Promise<DataFormat> {
  const path = resolve(cwd, data);
  // Not a file alone: `import <(xz -dc rows.jsonl.xz)` reads a pipe.
  const found = data === STDIN ? undefined : await stat(path).catch(() => undefined);
  if (data !== STDIN && (found === undefined || found.isDirectory())) {
    throw new TidemarkError('FILE_NOT_FOUND', `${path}: there is no such file`, {
      hint: 'a file of JSON lines, CSV or SQLite; - reads stdin',
    });
  }
  if (option === 'sqlite' && found?.isFile() !== true)
    throw new TidemarkError('USAGE', 'an SQLite file cannot be read from a pipe', { hint: 'name the file' });
  if (option === 'jsonl' || option === 'csv' || option === 'sqlite') return option;
  if (/\.(?:csv|tsv)$/i.test(data)) return 'csv';
  return found?.isFile() === true && (await isSqlite(path)) ? 'sqlite' : 'jsonl';
}

async function isSqlite(path: string): Promise<boolean> {
  const file = await open(path);
  try {
    const head = Buffer.alloc(SQLITE_MAGIC.length);
    await file.read(head, 0, head.length, 0);
    return head.toString('latin1') === SQLITE_MAGIC;
  } finally {
    await file.close();
  }
}

export interface ImportFlags extends ColumnFlags {
  readonly state: string | undefined;
  readonly query: string | undefined;
  readonly delimiter: string;
}

/** @throws USAGE for what does not fit the format */
export function importFlags(given: Given, format: DataFormat): ImportFlags {
  const query = given.text('query');
  if (query !== undefined && format !== 'sqlite')
    throw new TidemarkError('USAGE', '--query asks an SQLite file, and the data is none', {
      hint: 'leave it out',
    });
  const delimiter = given.text('delimiter') ?? (/\.tsv$/i.test(given.operands[0] ?? '') ? '\t' : ',');
  if (delimiter.length !== 1 || /["\r\n]/.test(delimiter))
    throw new TidemarkError('USAGE', '--delimiter is one character, no quote and no line end', {
      hint: "as in --delimiter ';'",
    });
  return {
    keys: given.list('key'),
    mapKey: given.text('map-key'),
    value: given.text('value'),
    json: given.list('json-column'),
    text: given.list('text-column'),
    state: given.text('state'),
    query,
    delimiter,
  };
}
