/**
 * Whether a definition has other windows than those of which an archive holds panes: told by the first of each state, so
 * that a plan knows. The others are looked at as they are restored (runtime/restored).
 */
import type { Archive } from '../archive/read.js';
import { ByteReader } from '../codec/reader.js';
import { type Namespace, readEntry } from '../format/entry.js';
import { findOperator } from '../restore/compatible.js';
import type { StatePlan } from '../restore/plan-states.js';
import { isOwnWindow, otherWindow } from '../runtime/window/own-window.js';
import type { GraphFacts } from './protocol.js';

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
