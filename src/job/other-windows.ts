/**
 * Whether a definition has other windows than those of which an archive holds panes: told by the first of each state, so
 * that a plan knows. The others are looked at as they are restored (runtime/restored).
 */
import type { Archive } from '../archive/read.js';
import { TidemarkError } from '../base/errors.js';
import { ByteReader } from '../codec/reader.js';
import { type Namespace, readEntry } from '../format/entry.js';
import { findOperator } from '../restore/compatible.js';
import type { StatePlan } from '../restore/plan-states.js';
import type { SnapshotTable } from '../restore/shape.js';
import { describe, isOwnWindow, otherWindow } from '../runtime/window/own-window.js';
import type { GraphFacts, WindowFacts } from './protocol.js';

/** `states` with what would be read as other windows marked as impossible. */
export async function refuseOtherWindows(
  archive: Archive,
  facts: GraphFacts,
  states: readonly StatePlan[],
): Promise<readonly StatePlan[]> {
  // Where entries have no order, the first would be found by reading them all.
  if (!(await archive.isOrdered())) return states;
  const planned: StatePlan[] = [];
  for (const state of states) {
    const uid = findOperator(state.operator, facts.operators)?.uid;
    const windows = facts.windows.find(({ operator, table }) => operator === uid && table === state.state);
    const found =
      windows === undefined || state.action === 'impossible' ? undefined : await first(archive, state);
    const other = windows !== undefined && found !== undefined && !isOwnWindow(windows, found);
    planned.push(other ? { ...state, action: 'impossible', message: otherWindow(windows, found) } : state);
  }
  return planned;
}

async function first(archive: Archive, { operator, state, kind }: StatePlan): Promise<Namespace | undefined> {
  const table = archive.manifest.tables.find(
    (one) => one.operator === operator && one.name === state && one.kind === kind,
  );
  if (table === undefined || table.entries === 0) return undefined;
  for await (const { payload } of archive.blocks({ tables: [table.id] }))
    if (payload.length > 0) return readEntry(new ByteReader(payload)).namespace;
  return undefined;
}

/**
 * The same of mended code, by what the job ran before: the disk backend reads panes where they lie, and none is looked at.
 * @throws TidemarkError INCOMPATIBLE with all states that hold something and are of other windows now.
 */
export function refuseChangedWindows(
  tables: readonly Pick<SnapshotTable, 'operator' | 'name' | 'entries'>[],
  was: GraphFacts,
  is: GraphFacts,
): void {
  const lines = was.windows.flatMap((old) => {
    const uid = findOperator(old.operator, is.operators)?.uid;
    const now = is.windows.find(({ operator, table }) => operator === uid && table === old.table);
    const holds = tables.some(
      ({ operator, name, entries }) => operator === old.operator && name === old.table && entries > 0,
    );
    if (now === undefined || !holds || shapeOf(now) === shapeOf(old)) return [];
    return [
      `  ${old.operator}.${old.table}: its windows were ${describe(old)}, and are ${describe(now)} now`,
    ];
  });
  if (lines.length === 0) return;
  throw new TidemarkError('INCOMPATIBLE', `the definition does not fit the state:\n${lines.join('\n')}`, {
    hint: 'go on with the old windows; or give the new ones another uid',
  });
}

/** What panes show of windows: equal for those that take each other's. */
function shapeOf({ assign, slice }: WindowFacts): string {
  if (assign.kind === 'session') return assign.kind;
  return slice === undefined || assign.kind !== 'sliding'
    ? JSON.stringify(assign)
    : JSON.stringify([slice, assign.offset]);
}
