/** How a rewrite calls operators and states: `uid`, `uid.name`; `uid.kind` for what has no name. Pure. */
import { tableLabel } from '../archive/table-list.js';
import type { ManifestTable } from '../format/manifest.js';

export type Named = Pick<ManifestTable, 'operator' | 'name' | 'kind'>;

/** Names shown in a finding. */
const SHOWN = 10;

/** `uid.name` as inspect has it. */
export const labelOf: (table: Named) => string = tableLabel;

/**
 * Cuts `left=right` at that `=` behind which `left` is known, for names may hold one; at the first where none is.
 * Undefined where there is no `=`, or nothing before it.
 */
export function cutAtEquals(
  text: string,
  isKnown: (left: string) => boolean,
): { readonly left: string; readonly right: string } | undefined {
  const places = [...text.matchAll(/=/g)].map(({ index }) => index).filter((at) => at > 0);
  const at = places.find((place) => isKnown(text.slice(0, place))) ?? places[0];
  return at === undefined ? undefined : { left: text.slice(0, at), right: text.slice(at + 1) };
}

/** `no state "a.b"; there are: …`, those of its operator where there is one. */
export function unknownState(wanted: string, tables: readonly Named[]): string {
  const own = tables.filter(({ operator }) => wanted.startsWith(`${operator}.`));
  return `no state ${JSON.stringify(wanted)}; ${listed((own.length > 0 ? own : tables).map(labelOf))}`;
}

export function unknownOperator(wanted: string, uids: readonly string[]): string {
  return `no operator ${JSON.stringify(wanted)}; ${listed(uids)}`;
}

function listed(names: readonly string[]): string {
  const all = [...new Set(names)];
  if (all.length === 0) return 'there is none';
  const more = all.length > SHOWN ? `, … ${all.length - SHOWN} more` : '';
  return `there are: ${all.slice(0, SHOWN).join(', ')}${more}`;
}
