/**
 * What becomes of each piece of state when a snapshot meets a definition. Pure.
 *
 *     impossible   its place cannot take it, or it has none and may not be left behind
 *     dropped      left behind: it was allowed to, or nothing is lost
 *     migrated     taken over, brought to a later schema version, to another codec, to keys or map keys
 *                  of a declared type
 *     moved        taken over under another name
 *     unproven     taken over as it lies, and the definition does not say of what type it is
 *     kept         taken over as it lies, its types declared
 *     new          of the definition alone; starts empty
 *
 * Where several are so, the first in this list is told; the fields tell the others.
 */
import { codecText, type Fit, fitsOf, type NewGraph, type NewTable, nameOf } from './compatible.js';
import { dropKey, isDropped, refuseUnknownDrops } from './drop.js';
import { renames } from './rename.js';
import type { SnapshotShape, SnapshotTable } from './shape.js';
import { undeclared } from './unproven.js';

export type StateAction = 'kept' | 'unproven' | 'moved' | 'migrated' | 'new' | 'dropped' | 'impossible';

export interface StatePlan {
  /** `uid.state`, or the uid for positions. */
  readonly name: string;
  readonly operator: string;
  readonly state: string;
  readonly kind: string;
  readonly entries: number;
  readonly bytes: number;
  readonly action: StateAction;
  /** Its name in the definition; null where it goes nowhere. */
  readonly to: string | null;
  /** Of its schema, where they differ. */
  readonly versions: { readonly from: number; readonly to: number } | null;
  /** As `id v1`, where they differ. */
  readonly codecs: { readonly from: string; readonly to: string } | null;
  /** Its types are declared by the definition; false for what it does not take. */
  readonly proven: boolean;
  /** Of what it takes, or what is new: what is not declared. */
  readonly unproven: string | null;
  /** For `impossible`: it would be `dropped` if that were allowed. */
  readonly missing: boolean;
  readonly message: string | null;
  /** What to write or to type. */
  readonly advice: string | null;
}

export interface PlanOptions {
  /** What has no place in the definition may be left behind. */
  readonly allowMissing: boolean;
  /** What is left behind whether it has a place or not, as `uid` or `uid.state` of the snapshot. */
  readonly drop: readonly string[];
}

/** The snapshot's state goes into the job. */
export function isTaken({ action }: Pick<StatePlan, 'action'>): boolean {
  return action !== 'new' && action !== 'dropped' && action !== 'impossible';
}

/** What was left behind, as {@link dropKey} names it. */
export function droppedKeys(states: readonly StatePlan[]): readonly string[] {
  const dropped = states.filter(({ action }) => action === 'dropped');
  return dropped.map(({ operator, state: name, kind }) => dropKey({ operator, name, kind }));
}

/** The same state, once it is known that its place cannot take it. */
export function untaken(state: StatePlan, message: string, advice: string | null): StatePlan {
  return { ...state, ...NOWHERE, action: 'impossible', message, advice };
}

/** A line for each state that cannot be restored, and one for what to do about it. */
export function refusedLines(states: readonly StatePlan[]): readonly string[] {
  const lines = states
    .filter(({ action }) => action === 'impossible')
    .flatMap(({ name, message, advice }) => [
      `  ${name}: ${message ?? 'cannot be restored'}`,
      ...(advice === null ? [] : [`    ${advice}`]),
    ]);
  // What concerns a whole operator is said of each of its states; to do it once is enough.
  return lines.filter((line, at) => !line.startsWith('    ') || lines.indexOf(line) === at);
}

/** What `--strict` refuses. */
export function unprovenStates(states: readonly StatePlan[]): readonly StatePlan[] {
  return states.filter((state) => isTaken(state) && !state.proven);
}

/**
 * The snapshot's tables in its order, then what is new.
 * @throws TidemarkError STATE_NOT_FOUND when a name of `drop` is none of the snapshot's.
 */
export function planStates(
  old: SnapshotShape,
  graph: NewGraph,
  { allowMissing, drop }: PlanOptions,
): readonly StatePlan[] {
  refuseUnknownDrops(old, drop);
  const staying = old.tables.filter((table) => !isDropped(table, drop));
  const fits = fitsOf({ ...old, tables: staying }, graph);
  const taken = new Set(fits.flatMap((fit) => ('is' in fit ? [fit.is] : [])));
  const fresh = graph.tables.filter((is) => !taken.has(is) && !STARTS_ANYHOW.has(is.kind));
  const missing = staying.filter((_, place) => fits[place]?.fit === 'missing');
  const advice = renames(missing, fresh, old, graph);
  const fitOf = new Map(staying.map((was, place) => [was, fits[place]]));
  const plan = (was: SnapshotTable): StatePlan => {
    const fit = fitOf.get(was);
    if (fit === undefined) return planDropped(was, lossOf(was));
    return planOne(was, fit, graph, { allowMissing, advice: advice.get(was) ?? null });
  };
  return [...old.tables.map(plan), ...fresh.map((is) => planNew(is, graph))];
}

/** Kinds that say nothing of their own where they are new. */
const STARTS_ANYHOW: ReadonlySet<string> = new Set(['transactions', 'watermark']);

function planOne(
  was: SnapshotTable,
  fit: Fit,
  graph: NewGraph,
  { allowMissing, advice }: { readonly allowMissing: boolean; readonly advice: string | null },
): StatePlan {
  if (fit.fit === 'taken') return planTaken(was, fit, graph);
  if (fit.fit === 'needless') return planDropped(was, fit.message);
  if (fit.fit === 'missing' && allowMissing) return { ...planDropped(was, fit.message), advice };
  const missing = fit.fit === 'missing';
  const told = fit.fit === 'missing' ? advice : fit.advice;
  return { ...basis(was), action: 'impossible', missing, message: fit.message, advice: told };
}

function planTaken(
  was: SnapshotTable,
  { is, keys }: Extract<Fit, { readonly fit: 'taken' }>,
  graph: NewGraph,
): StatePlan {
  const base = basis(was);
  const to = nameOf(is);
  const from = codecText(was.codec);
  const versions =
    was.schemaVersion === is.schemaVersion ? null : { from: was.schemaVersion, to: is.schemaVersion };
  const codecs = from === codecText(is.codec) ? null : { from, to: codecText(is.codec) };
  const rewritten = [
    ...(versions === null ? [] : [`schema v${versions.from}→v${versions.to}`]),
    ...(codecs === null ? [] : [`codec ${codecs.from}→${codecs.to}`]),
    ...(keys.from === keys.to ? [] : [`keys ${keys.from}→${keys.to}`]),
    ...(was.mapKey === is.mapKey ? [] : [`map keys ${was.mapKey}→${is.mapKey}`]),
  ];
  const said = [...(to === base.name ? [] : [`is ${to} now`]), ...rewritten];
  const proof = proofOf(is, graph);
  const same = proof.proven ? 'kept' : 'unproven';
  const renamed = to === base.name ? same : 'moved';
  const action = rewritten.length > 0 ? 'migrated' : renamed;
  const message = said.length === 0 ? null : said.join(', ');
  return { ...base, ...proof, action, to, versions, codecs, message };
}

function planDropped(was: SnapshotTable, message: string): StatePlan {
  return { ...basis(was), action: 'dropped', message };
}

function planNew(is: NewTable, graph: NewGraph): StatePlan {
  const base = basis({ ...is, entries: 0, bytes: 0 });
  return { ...base, ...proofOf(is, graph), action: 'new', to: base.name, message: 'starts empty' };
}

function lossOf({ entries }: SnapshotTable): string {
  return entries === 0 ? 'held nothing' : 'as --drop says';
}

function proofOf(is: NewTable, graph: NewGraph): Pick<StatePlan, 'proven' | 'unproven'> {
  const keyType = graph.operators.find(({ uid }) => uid === is.operator)?.keyType ?? null;
  const unproven = undeclared(is, { keyType }) ?? null;
  return { proven: unproven === null, unproven };
}

type Basis = Pick<SnapshotTable, 'operator' | 'name' | 'kind' | 'entries' | 'bytes'>;

const NOWHERE = {
  to: null,
  versions: null,
  codecs: null,
  proven: false,
  unproven: null,
  advice: null,
} as const;

/** All that does not depend on the definition. */
function basis(table: Basis): Omit<StatePlan, 'action' | 'message'> {
  const { operator, name: state, kind, entries, bytes } = table;
  return { ...NOWHERE, name: nameOf(table), operator, state, kind, entries, bytes, missing: false };
}
