/**
 * Holds the values of a snapshot against a definition: a sample of each state, or everything.
 *
 * The sample of a state comes from SAMPLE_PARTS stretches of its key groups, as whole blocks until there are
 * SAMPLE_ENTRIES, so that it costs the same however large the state is. Of a snapshot whose entries are in no order all is
 * looked at.
 *
 * Invariants: memory does not grow with the snapshot; a state that is not restored is not looked at; sources are asked
 * about their positions even where no value is looked at, unless all would have to be read for that.
 */
import { isDeepStrictEqual } from 'node:util';
import { keysOf } from '../archive/entries-view.js';
import { toTagged } from '../archive/tagged.js';
import { present } from '../base/assert.js';
import { BytesDamaged } from '../codec/codec.js';
import { type KeyCodec, KeyRefused } from '../codec/key.js';
import { keyCodecById } from '../codec/keys.js';
import { ByteReader } from '../codec/reader.js';
import { isKeyed, type ManifestTable } from '../format/manifest.js';
import type { Provenance } from '../format/provenance.js';
import { findOperator } from '../restore/compatible.js';
import type { StatePlan } from '../restore/plan-states.js';
import type { RefusedSplit } from '../runtime/check-source.js';
import type { Block } from './gather.js';
import type { OpenDefinition } from './open-definition.js';
import type { PlannedSnapshot } from './planned-snapshot.js';
import type { CheckedEntries, CheckedTable, GraphFacts } from './protocol.js';
import { withKeyTypes } from './snapshot-tables.js';

/** Entries of a state that a sample holds, about, and how many stretches of key groups they come from. */
export const SAMPLE_ENTRIES = 1024;
const SAMPLE_PARTS = 16;

export type Depth = 'none' | 'sample' | 'all';

/** How closely a snapshot is looked at. */
export interface CheckDepth {
  /** All members against their hashes, first. */
  readonly members: boolean;
  /** Values that the code of the snapshot's own job has written. */
  readonly same: Depth;
  readonly changed: Depth;
  /** Values that are migrated. */
  readonly migrated: Depth;
}

/** Before a restore: what has to be converted must be known to be, for it is converted before anything runs. */
export const RESTORE_CHECK: CheckDepth = { members: true, same: 'none', changed: 'sample', migrated: 'all' };
export const CHECK_SAMPLE: CheckDepth = {
  members: false,
  same: 'sample',
  changed: 'sample',
  migrated: 'sample',
};
export const CHECK_ALL: CheckDepth = { members: true, same: 'all', changed: 'all', migrated: 'all' };

/** What is looked at of one plan: of states that are migrated, and of the others. */
export interface PlanDepth {
  readonly migrated: Depth;
  readonly others: Depth;
}

/** Whether nothing but this code, with these parameters, has written the values of a snapshot. */
export function isOfSameCode(
  { edited, bundleHash, params }: Pick<Provenance, 'edited' | 'bundleHash' | 'params'>,
  bundle: string,
  given: Readonly<Record<string, string>>,
): boolean {
  return edited !== true && bundleHash === bundle && isDeepStrictEqual(given, params);
}

/** `same`: code and parameters are those of the snapshot; `passed`: all of it was looked at before, with this code. */
export function depthOf(
  check: CheckDepth,
  { same, passed }: { readonly same: boolean; readonly passed: boolean },
): PlanDepth {
  const others = same ? check.same : check.changed;
  // Who asked for everything gets it.
  if (!passed || check.changed === 'all') return { migrated: check.migrated, others };
  return { migrated: 'none', others: 'none' };
}

/** An entry that the definition does not take. */
export interface RefusedValue {
  readonly keyGroup: number | null;
  /** As `inspect` shows it, and takes it. */
  readonly key: string;
  readonly mapKey?: string;
  /** Within the value, as `.a[3]`. */
  readonly path: string;
  readonly reason: string;
}

export interface CheckedState {
  readonly name: string;
  readonly kind: ManifestTable['kind'];
  readonly looked: number;
  readonly entries: number;
  readonly refused: number;
  /** The first of them. */
  readonly shown: readonly RefusedValue[];
}

export interface CheckedValues {
  /** Entries that were looked at, of those that would be restored. */
  readonly looked: number;
  readonly entries: number;
  /** Those that were looked at, in the snapshot's order. */
  readonly states: readonly CheckedState[];
  readonly splits: readonly RefusedSplit[];
}

interface Progress {
  readonly onProgress?: (entries: number, of: number) => void;
  readonly signal?: AbortSignal;
}

/** @throws what damages the snapshot, or ends the definition's thread; `signal`'s reason */
export async function checkValues(
  definition: Pick<OpenDefinition, 'check'>,
  snapshot: PlannedSnapshot,
  states: readonly StatePlan[],
  depth: PlanDepth,
  { onProgress, signal }: Progress,
): Promise<CheckedValues> {
  const tables = snapshot.manifest.tables.filter((table) => isTaken(table, states));
  const entries = sumOf(tables);
  const sourcesOnly = depth.migrated === 'none' && depth.others === 'none';
  if (sourcesOnly && !(await snapshot.isOrdered())) return { looked: 0, entries, states: [], splits: [] };
  const depthOfTable = ({ operator, name, kind }: ManifestTable) => {
    // What is to be read may have changed since, whatever is known of the state.
    if (kind === 'splits') return 'all';
    return planOf(states, operator, name, kind)?.action === 'migrated' ? depth.migrated : depth.others;
  };
  const blocks = chosenBlocks(snapshot, tables, depthOfTable);
  const shapes = withKeyTypes(snapshot.manifest.tables, snapshot.manifest.operators);
  const found = await definition.check(shapes, blocks, (looked) => {
    signal?.throwIfAborted();
    onProgress?.(looked, entries);
  });
  return checkedValues(snapshot, entries, found);
}

/** The plan, with what the values do not allow. */
export function withRefused(
  states: readonly StatePlan[],
  { states: checked, splits }: CheckedValues,
  facts: Pick<GraphFacts, 'operators'>,
): readonly StatePlan[] {
  return states.map((state) => {
    const reasons = [
      ...checked.filter((one) => one.refused > 0 && isOf(one, state)).map(refusedText),
      ...(state.kind === 'splits' ? splitTexts(state, splits, facts) : []),
    ];
    if (reasons.length === 0) return state;
    return { ...state, action: 'impossible', missing: false, to: null, message: reasons.join('; ') };
  });
}

/** A timer and a state may have one name. */
function isOf({ name, kind }: CheckedState, state: StatePlan): boolean {
  return name === state.name && kind === state.kind;
}

function refusedText({ refused, looked, shown }: CheckedState): string {
  const [first] = shown;
  const what = first === undefined ? '' : `: of ${placeText(first)}, ${reasonText(first)}`;
  return refused === 1 && looked === 1
    ? `its entry is not taken${what}`
    : `${refused} of the ${looked} entries looked at are not taken${what}`;
}

/** `key "ada", map key 5`; `the value` where there is no key. */
function placeText({ key, mapKey }: Pick<RefusedValue, 'key' | 'mapKey'>): string {
  const parts = [
    ...(key === '' ? [] : [`key ${key}`]),
    ...(mapKey === undefined ? [] : [`map key ${mapKey}`]),
  ];
  return parts.length === 0 ? 'the value' : parts.join(', ');
}

export function reasonText({ path, reason }: Pick<RefusedValue, 'path' | 'reason'>): string {
  return path === '' ? reason : `${reason} at ${path}`;
}

function splitTexts(
  state: StatePlan,
  splits: readonly RefusedSplit[],
  { operators }: Pick<GraphFacts, 'operators'>,
): readonly string[] {
  const uid = findOperator(state.operator, operators)?.uid ?? state.operator;
  return splits
    .filter(({ source }) => source === uid)
    .map(({ split, reason }) => (split === '' ? reason : `split ${split}: ${reason}`));
}

function planOf(states: readonly StatePlan[], operator: string, state: string, kind: string) {
  return states.find((one) => one.operator === operator && one.state === state && one.kind === kind);
}

/** Whether entries of it would be restored. */
function isTaken({ operator, name, kind, entries }: ManifestTable, states: readonly StatePlan[]): boolean {
  const action = entries === 0 ? undefined : planOf(states, operator, name, kind)?.action;
  return action !== undefined && action !== 'dropped' && action !== 'impossible' && action !== 'new';
}

async function* chosenBlocks(
  snapshot: PlannedSnapshot,
  tables: readonly ManifestTable[],
  depthOf: (table: ManifestTable) => Depth,
): AsyncGenerator<Block> {
  const chosen = tables.filter((table) => depthOf(table) !== 'none');
  const ids = chosen.map(({ id }) => id);
  if (!(await snapshot.isOrdered())) return yield* only(snapshot, ids);
  for (const table of chosen) {
    if (depthOf(table) === 'all' || table.entries <= SAMPLE_ENTRIES)
      yield* snapshot.blocks({ tables: [table.id] });
    else yield* sampleBlocks(snapshot, table);
  }
}

async function* only(snapshot: PlannedSnapshot, tables: readonly number[]): AsyncGenerator<Block> {
  if (tables.length === 0) return;
  const { keepTables } = await import('./keep-tables.js');
  yield* keepTables(snapshot.blocks({ tables }), new Set(tables), snapshot.label);
}

async function* sampleBlocks(snapshot: PlannedSnapshot, table: ManifestTable): AsyncGenerator<Block> {
  const operator = snapshot.manifest.operators.find(({ uid }) => uid === table.operator);
  const groups = isKeyed(table.kind) ? present(operator, 'an operator').maxParallelism : 1;
  const parts = Math.min(SAMPLE_PARTS, groups);
  for (let part = 0; part < parts; part++) {
    const start = Math.floor((part * groups) / parts);
    const end = Math.floor(((part + 1) * groups) / parts) - 1;
    let taken = 0;
    for await (const block of snapshot.blocks({ tables: [table.id], groups: { start, end } })) {
      yield block;
      taken += block.entries;
      if (taken * parts >= SAMPLE_ENTRIES) break;
    }
  }
}

function checkedValues(
  snapshot: PlannedSnapshot,
  entries: number,
  { tables, splits }: CheckedEntries,
): CheckedValues {
  const states = tables
    .map((found) => ({ found, table: present(snapshot.manifest.tables[found.table], 'a table') }))
    .map(({ found, table }) => checkedState(snapshot, table, found));
  return { looked: states.reduce((sum, { looked }) => sum + looked, 0), entries, states, splits };
}

function checkedState(
  { manifest }: PlannedSnapshot,
  table: ManifestTable,
  { looked, refused, shown }: CheckedTable,
): CheckedState {
  const operator = present(
    manifest.operators.find(({ uid }) => uid === table.operator),
    'an operator',
  );
  const keys = keysOf(table, operator);
  const mapKeys = table.mapKey === null ? undefined : keyCodecById(table.mapKey);
  const name = table.name === '' ? table.operator : `${table.operator}.${table.name}`;
  return {
    name,
    kind: table.kind,
    looked,
    entries: table.entries,
    refused,
    shown: shown.map(({ group, key, mapKey, path, reason }) => ({
      keyGroup: isKeyed(table.kind) ? group : null,
      key: keys === undefined ? '' : keyText(keys, key),
      ...(mapKey === undefined || mapKeys === undefined ? {} : { mapKey: keyText(mapKeys, mapKey) }),
      path,
      reason,
    })),
  };
}

/** As `inspect` shows it; of bytes that are no such key, these. */
function keyText(codec: KeyCodec, bytes: Uint8Array): string {
  const key = Buffer.from(bytes);
  try {
    return JSON.stringify(toTagged(codec.read(new ByteReader(key))));
  } catch (error) {
    if (!(error instanceof BytesDamaged || error instanceof KeyRefused)) throw error;
    return `0x${key.toString('hex')}`;
  }
}

function sumOf(tables: readonly ManifestTable[]): number {
  return tables.reduce((sum, { entries }) => sum + entries, 0);
}
