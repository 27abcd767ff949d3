/**
 * Whether a definition has other windows than those of which a snapshot holds panes, where its manifest does not say what
 * windows they are: told by the first of each state, so that a plan knows. The others are looked at as they are restored
 * (runtime/restored).
 */
import { ByteReader } from '../codec/reader.js';
import { type Namespace, readEntry } from '../format/entry.js';
import type { ManifestTable } from '../format/manifest.js';
import * as advise from '../restore/advice.js';
import { nameOf } from '../restore/compatible.js';
import { isTaken, type StatePlan, untaken } from '../restore/plan-states.js';
import { isTimer } from '../restore/shape.js';
import { isOwnWindow, otherWindow } from '../runtime/window/own-window.js';
import type { GraphFacts, TableFacts } from './protocol.js';

/** What is looked into. */
export interface OfPanes {
  readonly manifest: { readonly tables: readonly ManifestTable[] };
  isOrdered(): Promise<boolean>;
  blocks(range: { readonly tables: readonly number[] }): AsyncIterable<{ readonly payload: Buffer }>;
}

/** `states` with what would be read as other windows marked as impossible. */
export async function refuseOtherWindows(
  snapshot: OfPanes,
  facts: Pick<GraphFacts, 'tables'>,
  states: readonly StatePlan[],
): Promise<readonly StatePlan[]> {
  // Where entries have no order, the first would be found by reading them all.
  if (!(await snapshot.isOrdered())) return states;
  const planned: StatePlan[] = [];
  for (const state of states) {
    const [was, is] = [tableOf(state, snapshot.manifest.tables), placeOf(state, facts.tables)];
    const message = was === undefined || is === undefined ? undefined : await otherThan(snapshot, was, is);
    planned.push(
      was === undefined || message === undefined ? state : untaken(state, message, advise.windows(was)),
    );
  }
  return planned;
}

/** Only panes, and only where nobody wrote down of which windows. */
function tableOf(state: StatePlan, tables: readonly ManifestTable[]): ManifestTable | undefined {
  if (!isTaken(state)) return undefined;
  const { operator, state: name, kind } = state;
  const table = tables.find((one) => one.operator === operator && one.name === name && one.kind === kind);
  return table !== undefined && mayHoldPanes(table) ? table : undefined;
}

/** Whether a table has the name of one of a window, and entries, and does not say of which windows. */
function mayHoldPanes(table: ManifestTable): boolean {
  return table.entries > 0 && table.window === undefined && PANES.has(table.name) && !isTimer(table);
}

/** Names of the tables in which windows keep what they keep. */
const PANES: ReadonlySet<string> = new Set(['panes', 'slices', 'trigger']);

function placeOf(state: StatePlan, tables: readonly TableFacts[]): TableFacts | undefined {
  return tables.find((table) => nameOf(table) === state.to && table.kind === state.kind);
}

async function otherThan(
  snapshot: OfPanes,
  { id }: ManifestTable,
  { window }: TableFacts,
): Promise<string | undefined> {
  const found = await first(snapshot, id);
  if (found === undefined) return undefined;
  if (window !== undefined) return isOwnWindow(window, found) ? undefined : otherWindow(window, found);
  return found.kind === 'none' ? undefined : "holds panes of windows, and is no window's state now";
}

async function first(snapshot: OfPanes, id: number): Promise<Namespace | undefined> {
  for await (const { payload } of snapshot.blocks({ tables: [id] }))
    if (payload.length > 0) return readEntry(new ByteReader(payload)).namespace;
  return undefined;
}

/**
 * The tables, with the windows that panes are of. Checkpoints of an earlier tidemark do not say; the code that wrote them
 * does, unless it does not even load any more: then they cannot be told.
 */
export async function withWindows(
  tables: readonly ManifestTable[],
  oldGraph: () => Promise<Pick<GraphFacts, 'tables'>>,
): Promise<readonly ManifestTable[]> {
  if (!tables.some(mayHoldPanes)) return tables;
  const was = await oldGraph().catch(() => undefined);
  return tables.map((table) => {
    const same = was?.tables.find(
      ({ operator, name, kind }) => operator === table.operator && name === table.name && kind === table.kind,
    );
    return table.window === undefined && same?.window !== undefined
      ? { ...table, window: same.window }
      : table;
  });
}
