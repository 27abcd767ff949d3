/**
 * The columns in which SQLite and CSV keep the entries of one state:
 *
 *     key            or key_1, key_2, … where the keys are declared tuples; none for broadcast state
 *     namespace      'global', or JSON {"value":…}            where entries are in such a namespace
 *     window_start, window_end     milliseconds               where entries are of windows
 *     map_key        of maps and broadcast state; of timers, their time; of elements in flight, their timestamp
 *     value          not of timers
 *     expires        milliseconds                             where entries expire
 *
 * Pure. Which of them a state has follows from its declaration and from what its entries have ({@link Shown}).
 */
import type { EntryView } from '../archive/entries-view.js';
import type { TableShape } from '../archive/table-list.js';
import type { Json } from '../archive/tagged.js';
import type { Entry } from '../format/entry.js';
import type { ManifestOperator } from '../format/manifest.js';
import type { GivenEntry } from './entry-from-view.js';
import { isTimer } from './entry-from-view.js';

/** What the entries of a state have that not all states' have. */
export interface Shown {
  readonly namespaces: boolean;
  readonly windows: boolean;
  readonly chunks: boolean;
  readonly stamps: boolean;
}

export type Part = 'key' | 'namespace' | 'start' | 'end' | 'mapKey' | 'value' | 'expires';

export interface Column {
  readonly name: string;
  readonly part: Part;
  /** Of a tuple's key. */
  readonly place?: number;
  /** What is in it: an id of a key type; `any` for what is no key. */
  readonly type: string;
}

/** Whether its cells can hold nothing but text. */
export function isText({ type }: Column): boolean {
  return type === 'string';
}

type Typed = Pick<ManifestOperator, 'keyType'>;

export const NOTHING_SHOWN: Shown = { namespaces: false, windows: false, chunks: false, stamps: false };
const ALL_SHOWN: Shown = { namespaces: true, windows: true, chunks: true, stamps: true };

/** What an entry adds to what is shown. */
export function alsoShown(shown: Shown, { namespace, mapKey, stamp }: Entry): Shown {
  const namespaces = shown.namespaces || namespace.kind === 'global' || namespace.kind === 'value';
  const windows = shown.windows || namespace.kind === 'window';
  const chunks = shown.chunks || mapKey !== undefined;
  const stamps = shown.stamps || stamp !== undefined;
  const same =
    namespaces === shown.namespaces &&
    windows === shown.windows &&
    chunks === shown.chunks &&
    stamps === shown.stamps;
  return same ? shown : { namespaces, windows, chunks, stamps };
}

export function columnsOf(table: TableShape, operator: Typed, shown: Shown): readonly Column[] {
  const { kind, mapKey } = table;
  const column = (name: string, part: Part, type: string): Column => ({ name, part, type });
  const hasMapKeys = mapKey !== null || isTimer(kind) || shown.chunks;
  return [
    ...keyColumns(table, operator),
    ...(shown.namespaces ? [column('namespace', 'namespace', 'any')] : []),
    ...(shown.windows ? [column('window_start', 'start', 'long'), column('window_end', 'end', 'long')] : []),
    ...(hasMapKeys ? [column('map_key', 'mapKey', mapKey ?? 'long')] : []),
    ...(isTimer(kind) ? [] : [column('value', 'value', kind === 'number' ? 'double' : 'any')]),
    ...(shown.stamps ? [column('expires', 'expires', 'long')] : []),
  ];
}

/** All that the state could have, by name. */
export function possibleColumns(table: TableShape, operator: Typed): ReadonlyMap<string, Column> {
  const shown =
    table.kind === 'list' || table.kind === 'in-flight' ? ALL_SHOWN : { ...ALL_SHOWN, chunks: false };
  return new Map(columnsOf(table, operator, shown).map((column) => [column.name, column]));
}

export function keyColumns(table: TableShape, operator: Typed): readonly Column[] {
  const id = keyTypeOf(table, operator);
  if (id === null) return [];
  const parts = tupleParts(id);
  if (parts === undefined) return [{ name: 'key', part: 'key', type: id }];
  return parts.map((type, place) => ({ name: `key_${place + 1}`, part: 'key', place, type }));
}

/** The id of the type of a table's keys, as archive/entries-view.ts has it; null where it has none. */
export function keyTypeOf({ kind }: TableShape, { keyType }: Typed): string | null {
  switch (kind) {
    case 'splits':
      return 'string';
    case 'watermark':
    case 'transactions':
      return 'long';
    case 'broadcast':
      return null;
    case 'operator-list':
    case 'operator-union':
    case 'in-flight':
      return 'tuple(long,long)';
    default:
      return keyType;
  }
}

/** `tuple(string,tuple(int,int))` has two. */
export function tupleParts(id: string): readonly string[] | undefined {
  const inside = /^tuple\((.+)\)$/.exec(id)?.[1];
  if (inside === undefined) return undefined;
  const parts: string[] = [];
  let open = 0;
  let start = 0;
  for (const [i, character] of [...inside].entries()) {
    if (character === '(') open++;
    else if (character === ')') open--;
    else if (character === ',' && open === 0) {
      parts.push(inside.slice(start, i));
      start = i + 1;
    }
  }
  return [...parts, inside.slice(start)];
}

/** What a line shows, as the JSON of one column. */
export function partOf(view: EntryView, { part, place }: Column): Json {
  const { namespace } = view;
  switch (part) {
    case 'key':
      return place === undefined ? view.key : ((view.key as readonly Json[])[place] ?? null);
    case 'namespace':
      return windowOf(namespace) === undefined ? namespace : null;
    case 'start':
      return windowOf(namespace)?.[0] ?? null;
    case 'end':
      return windowOf(namespace)?.[1] ?? null;
    case 'mapKey':
      return view.mapKey ?? null;
    case 'value':
      return view.value;
    case 'expires':
      return view.expires ?? null;
  }
}

function windowOf(namespace: Json): readonly Json[] | undefined {
  if (typeof namespace !== 'object' || namespace === null || !('window' in namespace)) return undefined;
  return namespace['window'] as readonly Json[];
}

/** The line of a row of these columns; `undefined` is a cell without anything in it. */
export function givenOf(columns: readonly Column[], cells: readonly unknown[]): GivenEntry {
  const given: { -readonly [F in keyof GivenEntry]: unknown } = {};
  const tuple: unknown[] = [];
  let [start, end]: unknown[] = [];
  for (const [i, { part, place }] of columns.entries()) {
    const cell = cells[i];
    if (part === 'start') start = cell;
    else if (part === 'end') end = cell;
    else if (place !== undefined) tuple[place] = cell ?? null;
    else given[part as keyof GivenEntry] = cell;
  }
  if (tuple.length > 0) given.key = tuple;
  if ((start ?? end ?? null) !== null) given.namespace = { window: [start ?? null, end ?? null] };
  return given;
}
