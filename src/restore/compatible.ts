/**
 * Does one piece of old state fit a graph? Pure: a snapshot's table against the operators and tables of a definition.
 *
 *     operator or state gone            → missing: its entries would have no place
 *     kind, windows, codec without a
 *     way, type of keys or map keys
 *     from one declared to another      → impossible: its bytes would be read as something else
 *     schema or codec version lower     → impossible: there is no way back
 *     what holds nothing                → needless, whatever has changed
 *
 * Everything else is taken. Names are found as the data thread finds them (`matchTable` of runtime/tables): by the name
 * of today first, then by a former one, the operator's before the state's.
 */
import type { CodecId } from '../codec/codec.js';
import * as advise from './advice.js';
import { takesKeys } from './key-types.js';
import {
  isKeyed,
  isTimer,
  nameOf,
  type SnapshotOperator,
  type SnapshotShape,
  type SnapshotTable,
} from './shape.js';
import { windowChange } from './window-change.js';

export { nameOf } from './shape.js';

export interface NewOperator {
  readonly uid: string;
  readonly kind?: string;
  readonly formerly: readonly string[];
  readonly keyType: string | null;
}

export interface NewTable extends Omit<SnapshotTable, 'entries' | 'bytes'> {
  readonly formerly: readonly string[];
  /** What its values are is declared: by a schema, by a codec that takes one type only, or by its kind. */
  readonly typed: boolean;
  /** Its map keys are tidemark's own, whatever their type says. */
  readonly ownMapKeys?: true;
  /** Codecs whose bytes it can read beside those of its own. */
  readonly reads: readonly CodecId[];
}

/** What the definition offers. */
export interface NewGraph {
  readonly operators: readonly NewOperator[];
  readonly tables: readonly NewTable[];
}

/** Of the operators that a state was of and is of; null where keys do not matter to it. */
export interface KeyTypes {
  readonly from: string | null;
  readonly to: string | null;
}

export type Fit =
  | { readonly fit: 'taken'; readonly is: NewTable; readonly keys: KeyTypes }
  /** It has no place, and nothing is lost with it. */
  | { readonly fit: 'needless'; readonly message: string }
  /** It has no place; it may be left behind. */
  | { readonly fit: 'missing'; readonly message: string }
  /** Its place is there and cannot take it. */
  | {
      readonly fit: 'impossible';
      readonly is: NewTable;
      readonly message: string;
      readonly advice: string | null;
    };

/** By place in the snapshot's tables. Two never go to one place. */
export function fitsOf(old: SnapshotShape, graph: NewGraph): readonly Fit[] {
  const find = tableFinder(graph.tables);
  const keyTypes = new Map(old.operators.map(({ uid, keyType }) => [uid, keyType]));
  const fits = old.tables.map((was) => fitOf(was, keyTypes.get(was.operator) ?? null, graph, find));
  const claims = new Map<NewTable, number[]>();
  for (const [place, fit] of fits.entries()) {
    if (fit.fit !== 'taken') continue;
    const places = claims.get(fit.is);
    if (places === undefined) claims.set(fit.is, [place]);
    else places.push(place);
  }
  const refused = new Map<number, Fit>();
  for (const [is, places] of claims)
    if (places.length > 1) for (const [place, fit] of settle(is, places, old)) refused.set(place, fit);
  return fits.map((fit, place) => refused.get(place) ?? fit);
}

/** Who gets a place that several claim by former names: the one that holds something, the one that has its name. */
function settle(
  is: NewTable,
  places: readonly number[],
  old: SnapshotShape,
): readonly (readonly [number, Fit])[] {
  const tables = places.map((place) => ({ place, was: old.tables[place] as SnapshotTable }));
  const full = tables.filter(({ was }) => was.entries > 0);
  const rivals = full.length === 0 ? tables : full;
  const winner = rivals.find(({ was }) => nameOf(was) === nameOf(is)) ?? rivals[0];
  const lost = tables.filter((one) => one !== winner);
  return lost.map(({ place, was }) => {
    if (was.entries === 0) return [place, needless(`held nothing; ${nameOf(is)} takes another state`)];
    const message = `would become ${nameOf(is)}, as ${nameOf(winner?.was ?? is)} does; two states cannot become one`;
    return [place, { fit: 'impossible', is, message, advice: advise.onePlace(was, is) }];
  });
}

function fitOf(
  was: SnapshotTable,
  keyType: SnapshotOperator['keyType'],
  graph: Pick<NewGraph, 'operators'>,
  find: TableFinder,
): Fit {
  const operator = findOperator(was.operator, graph.operators);
  // What a sink has prepared is committed before anything runs, and a source that is gone reads nothing more.
  if (operator === undefined)
    return missing(was, `operator ${was.operator} is not in the definition; its ${label(was)} would be lost`);
  const is = find(operator.uid, was);
  if (is === undefined) {
    if (was.kind === 'watermark') return needless('event time is not used there any more');
    return missing(was, `${label(was)} is not declared any more; it would be lost`);
  }
  const wrong = keyChange(was, keyType, operator) ?? change(was, is);
  const keys = isKeyed(was) ? { from: keyType, to: operator.keyType } : { from: null, to: null };
  if (wrong === undefined) return { fit: 'taken', is, keys };
  if (was.entries === 0) return needless(`held nothing, and ${wrong.message}`);
  return { fit: 'impossible', is, ...wrong };
}

/** The operator that goes by this uid now, or did formerly. */
export function findOperator<O extends { readonly uid: string; readonly formerly: readonly string[] }>(
  uid: string,
  operators: readonly O[],
): O | undefined {
  return operators.find((is) => is.uid === uid) ?? operators.find((is) => is.formerly.includes(uid));
}

/** The table of an operator that a snapshot's goes to: the one of its name, else the one that was called so formerly. */
type TableFinder = (operator: string, was: Pick<SnapshotTable, 'name' | 'kind'>) => NewTable | undefined;

/** Either may have thousands of tables. */
function tableFinder(tables: readonly NewTable[]): TableFinder {
  const [named, former] = [new Map<string, NewTable>(), new Map<string, NewTable>()];
  const keyOf = (operator: string, name: string, kind: string) =>
    JSON.stringify([operator, family(kind), name]);
  const add = (to: Map<string, NewTable>, is: NewTable, name: string) => {
    const key = keyOf(is.operator, name, is.kind);
    if (!to.has(key)) to.set(key, is);
  };
  for (const is of tables) {
    add(named, is, is.name);
    for (const name of is.formerly) add(former, is, name);
  }
  return (operator, { name, kind }) => {
    const key = keyOf(operator, name, kind);
    return named.get(key) ?? former.get(key);
  };
}

interface Wrong {
  readonly message: string;
  readonly advice: string | null;
}

function keyChange(
  was: SnapshotTable,
  keyType: SnapshotOperator['keyType'],
  is: NewOperator,
): Wrong | undefined {
  if (!isKeyed(was) || takesKeys(is.keyType, keyType)) return undefined;
  return {
    message: `keys were ${keyType ?? 'not there'} and are ${is.keyType ?? 'not there'} now`,
    advice: keyType === null ? null : advise.keyType(keyType, is.uid),
  };
}

function change(was: SnapshotTable, is: NewTable): Wrong | undefined {
  if (is.kind !== was.kind)
    return { message: `was a ${was.kind} and is a ${is.kind} now`, advice: advise.kind(was, is) };
  const windows = windowChange(was, is);
  if (windows !== undefined) return { message: windows, advice: advise.windows(was) };
  if (!takesKeys(is.mapKey, was.mapKey)) {
    const message = `map keys were ${was.mapKey ?? 'none'} and are ${is.mapKey ?? 'none'} now`;
    return { message, advice: advise.mapKey(was) };
  }
  if (!readsCodec(is, was.codec)) {
    const message = `was written with codec ${codecText(was.codec)}, not ${codecText(is.codec)}`;
    return { message, advice: advise.codec(was, is) };
  }
  if (is.schemaVersion >= was.schemaVersion) return undefined;
  const message = `has schema version ${was.schemaVersion}, newer than ${is.schemaVersion} of the definition`;
  return { message, advice: advise.schema(was, is) };
}

/** A codec reads its own older versions, and what it is told to read beside them. */
function readsCodec({ codec, reads }: NewTable, was: CodecId): boolean {
  return [codec, ...reads].some(({ id, version }) => id === was.id && version >= was.version);
}

export function codecText({ id, version }: CodecId): string {
  return `${id} v${version}`;
}

function missing(was: SnapshotTable, message: string): Fit {
  return was.entries === 0 ? needless('held nothing') : { fit: 'missing', message };
}

function needless(message: string): Fit {
  return { fit: 'needless', message };
}

/** Timers, positions and transactions are looked for among their own kind; state of any other kind together. */
function family(kind: string): string {
  if (isTimer({ kind })) return 'timer';
  return UNNAMED.has(kind) ? kind : 'state';
}

/** An operator has one of each at most. */
const UNNAMED: ReadonlySet<string> = new Set(['splits', 'watermark', 'transactions', 'in-flight']);

function label(table: SnapshotTable): string {
  if (table.kind === 'in-flight') return `elements in flight (${table.entries})`;
  return table.name === '' ? table.kind : `${table.kind} state ${table.name} (${table.entries} entries)`;
}
