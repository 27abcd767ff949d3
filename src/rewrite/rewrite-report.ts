/** What a rewrite has done, state by state. */
import type { ArchiveManifest } from '../format/archive-manifest.js';
import type { TableKind } from '../format/manifest.js';
import { labelOf } from './names.js';
import type { RewritePlan, TablePlan } from './rewrite-plan.js';

/** Entries of one table. */
export interface Tally {
  before: number;
  after: number;
  /** Taken away: by filters, maps and edits, or with their table. */
  removed: number;
  /** With another value or expiry. */
  changed: number;
  /** By edits. */
  added: number;
  /** Into another key group. */
  moved: number;
}

export class Tallies {
  readonly #tables: ReadonlyMap<number, Tally>;

  constructor(tables: readonly TablePlan[]) {
    const none = { after: 0, removed: 0, changed: 0, added: 0, moved: 0 };
    // What is dropped is not read.
    this.#tables = new Map(
      tables.map(({ before, table }) => [
        before.id,
        table === undefined
          ? { ...none, before: before.entries, removed: before.entries }
          : { ...none, before: 0 },
      ]),
    );
  }

  of(table: number): Tally {
    const tally = this.#tables.get(table);
    if (tally === undefined) throw new RangeError(`no table ${table}`);
    return tally;
  }
}

export interface StateReport extends Readonly<Tally> {
  /** `uid.name`, as it is called now; null where it was dropped. */
  readonly name: string | null;
  readonly from: string;
  readonly kind: TableKind;
}

export interface OperatorReport {
  /** As it is called now; null where it was dropped. */
  readonly uid: string | null;
  readonly from: string;
  readonly maxParallelism: { readonly from: number; readonly to: number | null };
}

export interface RewriteReport {
  readonly operators: readonly OperatorReport[];
  /** Without transactions, which are in no savepoint. */
  readonly states: readonly StateReport[];
  readonly entries: { readonly before: number; readonly after: number };
}

export function reportOf(
  plan: RewritePlan,
  tallies: Tallies,
  { operators }: Pick<ArchiveManifest, 'operators'>,
): RewriteReport {
  const after = new Map(plan.operators.map(({ uid, maxParallelism }) => [uid, maxParallelism]));
  const states = plan.tables
    .filter(({ before }) => before.kind !== 'transactions')
    .map(({ before, table }) => ({
      name: table === undefined ? null : labelOf(table),
      from: labelOf(before),
      kind: before.kind,
      ...tallies.of(before.id),
    }));
  const kept = new Set(plan.keptUids);
  return {
    operators: operators.map(({ uid, maxParallelism }) => {
      const name = kept.has(uid) ? plan.renames.operator(uid) : null;
      const to = name === null ? null : (after.get(name) ?? null);
      return { uid: name, from: uid, maxParallelism: { from: maxParallelism, to } };
    }),
    states,
    entries: {
      before: states.reduce((sum, state) => sum + state.before, 0),
      after: states.reduce((sum, state) => sum + state.after, 0),
    },
  };
}
