/** What becomes of each piece of state when a snapshot meets a definition. Pure. */
import {
  type Finding,
  findOperator,
  incompatibilities,
  type NewGraph,
  type NewTable,
  nameOf,
} from './compatible.js';
import type { SnapshotOperator, SnapshotTable } from './shape.js';

export interface StatePlan {
  /** `uid.state`, or the uid for positions. */
  readonly name: string;
  readonly operator: string;
  readonly state: string;
  readonly kind: string;
  readonly entries: number;
  readonly bytes: number;
  readonly action: 'kept' | 'moved' | 'new' | 'dropped' | 'impossible';
  /** For `impossible`: it would be `dropped` if that were allowed. */
  readonly missing: boolean;
  readonly message: string | null;
}

interface Snapshot {
  readonly operators: readonly SnapshotOperator[];
  readonly tables: readonly SnapshotTable[];
}

/** The snapshot's tables in its order, then what is new, which starts empty. */
export function planStates(old: Snapshot, graph: NewGraph, allowMissing: boolean): readonly StatePlan[] {
  const findings = incompatibilities(old, graph);
  const plans = old.tables.map((was) => planOne(was, findings, graph, allowMissing));
  const fresh = graph.tables.filter(
    (is) =>
      is.kind !== 'transactions' &&
      is.kind !== 'watermark' &&
      !old.tables.some((was) => takes(is, was, graph)),
  );
  return [
    ...plans,
    ...fresh.map(({ operator, name: state, kind }) => {
      const base = { operator, state, kind, entries: 0, bytes: 0, missing: false };
      return { ...base, name: nameOf(base), action: 'new' as const, message: 'starts empty' };
    }),
  ];
}

function planOne(
  was: SnapshotTable,
  findings: readonly Finding[],
  graph: NewGraph,
  allowMissing: boolean,
): StatePlan {
  const { operator, name: state, kind, entries, bytes } = was;
  const base = { operator, state, kind, entries, bytes, name: nameOf({ operator, state }), missing: false };
  // A finding about the operator's keys concerns all of its keyed state.
  const own = findings.filter(
    (one) => one.operator === operator && (one.state === state || one.state === ''),
  );
  const [finding] = own;
  if (finding === undefined) {
    const is = graph.tables.find((table) => takes(table, was, graph));
    if (is === undefined && kind === 'watermark')
      return { ...base, action: 'dropped', message: 'event time is not used there any more' };
    const moved = is !== undefined && (is.operator !== operator || is.name !== state);
    const message = moved ? `is ${nameOf({ operator: is.operator, state: is.name })} now` : null;
    return { ...base, action: moved ? 'moved' : 'kept', message };
  }
  const missing = own.every((one) => one.missing);
  const action = missing && allowMissing ? 'dropped' : 'impossible';
  return { ...base, action, missing, message: finding.message };
}

/** Whether the definition's table takes what the snapshot's holds. */
function takes(is: NewTable, was: SnapshotTable, graph: NewGraph): boolean {
  if (findOperator(was.operator, graph.operators)?.uid !== is.operator || is.kind !== was.kind) return false;
  return is.name === was.name || is.formerly.includes(was.name);
}
