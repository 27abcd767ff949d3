/** What is left behind by name: `--drop uid`, `--drop uid.state`. Pure. */
import { TidemarkError } from '../base/errors.js';
import { isTimer, nameOf, type SnapshotShape, type SnapshotTable } from './shape.js';

type Named = Pick<SnapshotTable, 'operator' | 'name' | 'kind'>;

/** Names that are listed where one is not found. */
const MAX_LISTED = 30;

/** Whether one of the names means it; the operator's uid means all that it has. */
export function isDropped(table: Named, drop: readonly string[]): boolean {
  return drop.includes(table.operator) || drop.includes(nameOf(table));
}

/** @throws TidemarkError STATE_NOT_FOUND with all names that mean nothing of the snapshot. */
export function refuseUnknownDrops({ operators, tables }: SnapshotShape, drop: readonly string[]): void {
  const known = new Set([...operators.map(({ uid }) => uid), ...tables.map(nameOf)]);
  const unknown = drop.filter((name) => !known.has(name));
  if (unknown.length === 0) return;
  const there = [...known].sort();
  const rest = there.length - MAX_LISTED;
  const shown = [...there.slice(0, MAX_LISTED), ...(rest > 0 ? [`and ${rest} more`] : [])].join(', ');
  const message = `nothing is called ${unknown.join(', ')} in the snapshot; it has ${shown || 'no state'}`;
  throw new TidemarkError('STATE_NOT_FOUND', message, {
    hint: 'give names of the snapshot, uid or uid.state: tidemark inspect FILE',
  });
}

/** How what was left behind is kept in mind. A timer and a state may have one name, and one of them may stay. */
export function dropKey(table: Named): string {
  return isTimer(table) ? `${nameOf(table)} (timer)` : nameOf(table);
}
