/**
 * Is a graph the one a snapshot was taken of? Pure. Stricter than compatible.ts, which asks whether old state fits a
 * new graph: here the entries are taken over as they lie, so every table must be the same, under the same number.
 *
 * Compared are uids, kinds, key types and inputs of operators, and kind, codec, schema version and map key of states.
 * Bodies of functions are not part of a graph.
 */
import { nameOf, type SnapshotOperator, type SnapshotTable } from './shape.js';

export interface SameOperator extends SnapshotOperator {
  readonly kind: string;
  readonly inputs?: readonly string[] | undefined;
}

export interface SameTable extends Omit<SnapshotTable, 'entries' | 'bytes'> {
  /** The number that entries carry. */
  readonly id: number;
}

export interface SameGraph {
  readonly operators: readonly SameOperator[];
  readonly tables: readonly SameTable[];
}

/** What is another, a line each; empty for the same graph. */
export function graphChanges(was: SameGraph, is: SameGraph): readonly string[] {
  const operators = [
    ...was.operators.flatMap((old) => operatorChanges(old, is.operators.find(sameUid(old)))),
    ...is.operators.filter((now) => !was.operators.some(sameUid(now))).map(({ uid }) => `${uid} is new`),
  ];
  // A table of an operator that has come or gone is no news.
  const stays = ({ operator }: SameTable) =>
    [was, is].every(({ operators: all }) => all.some(({ uid }) => uid === operator));
  const [before, after] = [was.tables.filter(stays), is.tables.filter(stays)];
  const tables = [
    ...before.flatMap((old) => tableChanges(old, after.find(sameState(old)))),
    ...after.filter((now) => !before.some(sameState(now))).map((now) => `${labelOf(now)} is new`),
  ];
  const changes = [...operators, ...tables];
  if (changes.length > 0) return changes;
  const moved = was.tables.some((old) => is.tables.find(sameState(old))?.id !== old.id);
  return moved ? ['operators or states are declared in another order'] : [];
}

function sameUid(one: SameOperator): (other: SameOperator) => boolean {
  return ({ uid }) => uid === one.uid;
}

function sameState(one: SameTable): (other: SameTable) => boolean {
  return (other) =>
    other.operator === one.operator && other.name === one.name && family(other) === family(one);
}

/** A timer and a state of one operator may have one name; what has no name is told apart by its kind. */
function family({ name, kind }: SameTable): string {
  if (name === '') return kind;
  return kind === 'timer' || kind === 'event-timer' ? 'timer' : 'state';
}

function operatorChanges(was: SameOperator, is: SameOperator | undefined): readonly string[] {
  if (is === undefined) return [`${was.uid} is gone`];
  if (is.kind !== was.kind) return [`${was.uid} was a ${was.kind} and is a ${is.kind} now`];
  if (is.keyType !== was.keyType)
    return [`${was.uid} had keys of type ${was.keyType ?? 'none'} and has ${is.keyType ?? 'none'} now`];
  const [before, after] = [was.inputs?.join(', '), is.inputs?.join(', ')];
  if (before === undefined || after === undefined || before === after) return [];
  return [`${was.uid} was fed by ${before} and is fed by ${after} now`];
}

function tableChanges(was: SameTable, is: SameTable | undefined): readonly string[] {
  const label = labelOf(was);
  if (is === undefined) return [`${label} is gone`];
  if (is.kind !== was.kind) return [`${label} was a ${was.kind} and is a ${is.kind} now`];
  const codec = ({ codec: { id, version } }: SameTable) => `${id} v${version}`;
  if (codec(is) !== codec(was)) return [`${label} had codec ${codec(was)} and has ${codec(is)} now`];
  if (is.mapKey !== was.mapKey)
    return [`${label} had map keys of type ${was.mapKey ?? 'none'} and has ${is.mapKey ?? 'none'} now`];
  if (is.schemaVersion === was.schemaVersion) return [];
  return [`${label} had schema version ${was.schemaVersion} and has ${is.schemaVersion} now`];
}

function labelOf({ operator, name, kind }: SameTable): string {
  return name === '' ? `${operator} (${kind})` : nameOf({ operator, name });
}
