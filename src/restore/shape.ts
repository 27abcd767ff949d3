/** The parts of a snapshot's manifest that compatibility is decided on. */
import type { CodecId } from '../codec/codec.js';
import type { AssignerDescription } from '../graph/describe-window.js';

export interface SnapshotOperator {
  readonly uid: string;
  readonly keyType: string | null;
  readonly kind?: string;
}

export interface SnapshotTable {
  readonly operator: string;
  readonly name: string;
  readonly kind: string;
  readonly codec: CodecId;
  readonly schemaVersion: number;
  readonly mapKey: string | null;
  /** Of panes: what they are of. Absent for all else, and in snapshots that do not tell. */
  readonly window?: WindowRecord | undefined;
  readonly entries: number;
  readonly bytes: number;
}

/** What windows the panes of a table are of; lengths are milliseconds. */
export interface WindowRecord {
  readonly assign: AssignerDescription;
  /** The length of the slices that panes are made of. */
  readonly slice?: number | undefined;
  /** Absent: none. */
  readonly lateness?: number | undefined;
  /** Absent: event time, the default. */
  readonly trigger?: string | undefined;
}

/** All of a snapshot that a graph is held against. */
export interface SnapshotShape {
  readonly operators: readonly SnapshotOperator[];
  readonly tables: readonly SnapshotTable[];
}

/** Kinds whose entries belong to no key. */
const UNKEYED: ReadonlySet<string> = new Set([
  'splits',
  'watermark',
  'transactions',
  'broadcast',
  'operator-list',
  'operator-union',
  'in-flight',
]);

export function isKeyed({ kind }: Pick<SnapshotTable, 'kind'>): boolean {
  return !UNKEYED.has(kind);
}

export function isTimer({ kind }: Pick<SnapshotTable, 'kind'>): boolean {
  return kind === 'timer' || kind === 'event-timer';
}

/** How a state is named on the command line: `uid.state`, or the operator's uid for what has no name. */
export function nameOf({ operator, name }: Pick<SnapshotTable, 'operator' | 'name'>): string {
  return name === '' ? operator : `${operator}.${name}`;
}
