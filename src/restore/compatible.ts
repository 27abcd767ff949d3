/**
 * Does old state fit a graph? Pure: a snapshot's operators and tables against those of a definition.
 *
 *     operator or state gone        → finding: its entries would have no place
 *     key type, kind, codec changed → finding: its bytes would be read as something else
 *     schema version lower          → finding: there is no way back
 *     new operator or state         → none: starts empty
 *
 * All findings are returned; an empty list means the state fits.
 */
import type { SnapshotOperator, SnapshotTable } from './shape.js';

export interface Finding {
  readonly operator: string;
  readonly state: string;
  /** The state has no place any more; it may be left behind. What has changed otherwise is in the way for good. */
  readonly missing: boolean;
  readonly entries: number;
  readonly bytes: number;
  readonly message: string;
}

/** How a finding's state is named on the command line: `uid.state`, or the operator's uid. */
export function nameOf({ operator, state }: Pick<Finding, 'operator' | 'state'>): string {
  return state === '' ? operator : `${operator}.${state}`;
}

export interface NewOperator {
  readonly uid: string;
  readonly formerly: readonly string[];
  readonly keyType: string | null;
}

export interface NewTable extends Omit<SnapshotTable, 'entries' | 'bytes'> {
  readonly formerly: readonly string[];
}

/** What the definition offers. */
export interface NewGraph {
  readonly operators: readonly NewOperator[];
  readonly tables: readonly NewTable[];
}

export function incompatibilities(
  old: { readonly operators: readonly SnapshotOperator[]; readonly tables: readonly SnapshotTable[] },
  graph: NewGraph,
): readonly Finding[] {
  const keyFindings = old.operators.flatMap((was) => {
    const is = findOperator(was.uid, graph.operators);
    if (is === undefined || is.keyType === was.keyType) return [];
    const message = `keys were ${was.keyType ?? 'not there'} and are ${is.keyType ?? 'not there'} now`;
    return [{ operator: was.uid, state: '', missing: false, entries: 0, bytes: 0, message }];
  });
  return [...keyFindings, ...old.tables.flatMap((was) => tableFindings(was, graph))];
}

/** The operator that goes by this uid now, or did formerly. */
export function findOperator<O extends { readonly uid: string; readonly formerly: readonly string[] }>(
  uid: string,
  operators: readonly O[],
): O | undefined {
  return operators.find((is) => is.uid === uid) ?? operators.find((is) => is.formerly.includes(uid));
}

function tableFindings(was: SnapshotTable, graph: NewGraph): readonly Finding[] {
  const finding = (message: string, missing = false) => [
    { operator: was.operator, state: was.name, missing, entries: was.entries, bytes: was.bytes, message },
  ];
  const operator = findOperator(was.operator, graph.operators);
  // What a sink has prepared is committed before anything runs, and a source that is gone reads nothing more.
  if (operator === undefined) {
    if (was.entries === 0) return [];
    return finding(
      `operator ${was.operator} is not in the definition; its ${label(was)} would be lost`,
      true,
    );
  }
  const theirs = graph.tables.filter(
    (table) => table.operator === operator.uid && sameFamily(table.kind, was.kind),
  );
  const is =
    theirs.find(({ name }) => name === was.name) ??
    theirs.find(({ formerly }) => formerly.includes(was.name));
  if (is === undefined) {
    // Where event time is not used any more, nothing is lost with how far it came.
    if (was.kind === 'watermark') return [];
    return was.entries === 0 ? [] : finding(`${label(was)} is not declared any more; it would be lost`, true);
  }
  if (is.kind !== was.kind) return finding(`was a ${was.kind} and is a ${is.kind} now`);
  if (is.codec.id !== was.codec.id || is.codec.version < was.codec.version) {
    return finding(
      `was written with codec ${was.codec.id} v${was.codec.version}, not ${is.codec.id} v${is.codec.version}`,
    );
  }
  if (is.mapKey !== was.mapKey)
    return finding(`map keys were ${was.mapKey ?? 'none'} and are ${is.mapKey ?? 'none'} now`);
  if (is.schemaVersion < was.schemaVersion) {
    return finding(
      `has schema version ${was.schemaVersion}, newer than ${is.schemaVersion} of the definition`,
    );
  }
  return [];
}

/** Timers, positions and transactions are looked for among their own kind; keyed state of any kind together. */
function sameFamily(a: string, b: string): boolean {
  return family(a) === family(b);
}

function family(kind: string): string {
  if (kind === 'timer' || kind === 'event-timer') return 'timer';
  return UNNAMED.has(kind) ? kind : 'state';
}

/** An operator has one of each at most. */
const UNNAMED: ReadonlySet<string> = new Set(['splits', 'watermark', 'transactions']);

function label(table: SnapshotTable): string {
  return table.name === '' ? table.kind : `${table.kind} state ${table.name} (${table.entries} entries)`;
}
