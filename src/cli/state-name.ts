/** What `--state uid.name`, `--key` and `--limit` stand for. Pure. */
import { TidemarkError } from '../base/errors.js';
import type { ManifestTable } from '../format/manifest.js';

/** Names shown in an error. */
const SHOWN = 20;

/** `count.seen`; `lines.splits` for what has no name of its own. */
export function stateName({
  operator,
  name,
  kind,
}: Pick<ManifestTable, 'operator' | 'name' | 'kind'>): string {
  return `${operator}.${name === '' ? kind : name}`;
}

/** The tables of that name: a state and a timer may share one. @throws STATE_NOT_FOUND, naming those there are */
export function tablesNamed<T extends Pick<ManifestTable, 'operator' | 'name' | 'kind'>>(
  wanted: string,
  tables: readonly T[],
  where: string,
): readonly T[] {
  const found = tables.filter((table) => stateName(table) === wanted);
  if (found.length > 0) return found;
  const names = [...new Set(tables.map(stateName))];
  const more = names.length > SHOWN ? `, … ${names.length - SHOWN} more` : '';
  throw new TidemarkError('STATE_NOT_FOUND', `${where} has no state ${JSON.stringify(wanted)}`, {
    hint: names.length === 0 ? 'it has none' : `it has ${names.slice(0, SHOWN).join(', ')}${more}`,
  });
}

/** @throws USAGE for what is no whole number from 1 */
export function limitOf(text: string | undefined, option = '--limit'): number | undefined {
  if (text === undefined) return undefined;
  if (/^[1-9]\d{0,14}$/.test(text)) return Number(text);
  throw new TidemarkError(
    'USAGE',
    `${option}: expected a whole number from 1, found ${JSON.stringify(text)}`,
    { hint: `as in ${option} 10` },
  );
}
