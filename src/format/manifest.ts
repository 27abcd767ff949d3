/**
 * The manifest of a snapshot: what is in it, as JSON. FORMAT.md has the fields and the limits.
 *
 * Invariants: a decoded manifest is sound in itself: uids and table ids are unique, every table belongs to an
 * operator of the manifest, operator ids are those of the uids, totals are the sums over the tables. Unknown fields are refused: a reader that skipped
 * one would take a newer manifest for an older one.
 */
import { assert } from '../base/assert.js';
import { TidemarkError } from '../base/errors.js';
import { JOB_ID } from '../base/ids.js';
import { MAX_PARALLELISM } from '../base/key-groups.js';
import { operatorId } from '../base/operator-id.js';
import { issueOf, keyType, MAX_NAME_LENGTH, name, parallelism, positive, text, v, whole } from './checks.js';
import { MAX_TABLES } from './entry.js';

export const MANIFEST_VERSION = 1;
/** The most operators a manifest may list. */
export const MAX_OPERATORS = 16_384;
/** The most spans in which the entries of one table and subtask that expire may be counted. */
export const MAX_EXPIRIES = 1024;
export { MAX_NAME_LENGTH } from './checks.js';

/** Kinds of table whose entries belong to a key; theirs move by key group, the others are in group 0. */
const KEYED_KINDS = [
  'value',
  'number',
  'list',
  'map',
  'reducing',
  'aggregating',
  'timer',
  'event-timer',
] as const;

export const TABLE_KINDS = [
  ...KEYED_KINDS,
  'splits',
  'watermark',
  'transactions',
  'broadcast',
  'operator-list',
  'operator-union',
  'in-flight',
] as const;

export type TableKind = (typeof TABLE_KINDS)[number];

export function isKeyed(kind: TableKind): boolean {
  return (KEYED_KINDS as readonly TableKind[]).includes(kind);
}

/** Kinds whose rows have a user's map key. */
export function hasMapKeys(kind: TableKind): boolean {
  return kind === 'map' || kind === 'broadcast';
}

/** Kinds that windows keep panes in. */
function mayHoldPanes(kind: TableKind): boolean {
  return isKeyed(kind) && kind !== 'timer' && kind !== 'event-timer';
}

export interface ManifestOperator {
  readonly uid: string;
  readonly operatorId: string;
  readonly kind: 'source' | 'process' | 'sink';
  readonly maxParallelism: number;
  /** Null where the operator has no keys. */
  readonly keyType: string | null;
  /** The operators that feed it, as `uid` or `uid.side`; absent where it does not matter: in canonical archives. */
  readonly inputs?: readonly string[] | undefined;
}

/** How many entries expire after the processing time `after` and until `until`, the latter included, milliseconds. */
export type Expiry = readonly [after: number, until: number, entries: number];

/** Lengths are milliseconds. */
export interface ManifestWindow {
  readonly assign:
    | { readonly kind: 'tumbling'; readonly size: number; readonly offset: number }
    | { readonly kind: 'sliding'; readonly size: number; readonly slide: number; readonly offset: number }
    /** A gap of null: each element has its own. */
    | { readonly kind: 'session'; readonly gap: number | null }
    | { readonly kind: 'global' };
  /** Where panes are made of slices, the length of one. */
  readonly slice?: number | undefined;
  /** Absent: none. */
  readonly lateness?: number | undefined;
  /** Absent: event time, the default. Else as its definition calls it: `count(100)`. */
  readonly trigger?: string | undefined;
}

export interface ManifestTable {
  /** The number that entries carry. */
  readonly id: number;
  /** The operator's uid. */
  readonly operator: string;
  /** State or timer name; empty where the operator has one of the kind at most. */
  readonly name: string;
  readonly kind: TableKind;
  readonly codec: { readonly id: string; readonly version: number };
  readonly schemaVersion: number;
  /** Key type of map keys; null for other kinds. */
  readonly mapKey: string | null;
  /** Of panes, slices and what triggers keep for them: what windows these are. */
  readonly window?: ManifestWindow | undefined;
  /** Live entries. */
  readonly entries: number;
  /** Theirs; of an incremental snapshot, all that its segments hold of it, or the last of a table that is not keyed. */
  readonly bytes: number;
  /** Live entries by subtask, where a job that is recovered in place cannot count them. */
  readonly subtasks?: readonly number[] | undefined;
  /**
   * Of those, by subtask, the ones that expire, in spans that ascend and do not overlap. Where there are any, `entries` and
   * `subtasks` may count some that have expired by the barrier: at most those of spans that began before it.
   */
  readonly expiries?: readonly (readonly Expiry[])[] | undefined;
}

export interface Manifest {
  readonly formatVersion: typeof MANIFEST_VERSION;
  readonly layout: 'native';
  readonly mode: 'full' | 'incremental';
  readonly backend: 'memory' | 'disk';
  readonly job: { readonly id: string; readonly name: string };
  readonly checkpointId: number;
  readonly parallelism: number;
  /** Processing time at the barrier, milliseconds since 1970. */
  readonly barrierTime: number;
  /** Event time had come to its end, by a drain or with the input; absent where it had not. */
  readonly drained?: true | undefined;
  readonly operators: readonly ManifestOperator[];
  readonly tables: readonly ManifestTable[];
  readonly entries: number;
  readonly bytes: number;
}

/** `uid` or `uid.side`. */
const feeder = v.pipe(v.string(), v.minLength(1), v.maxLength(2 * MAX_NAME_LENGTH + 1));

export const operatorSchema = v.strictObject({
  uid: name,
  operatorId: v.pipe(v.string(), v.regex(/^[0-9a-f]{32}$/)),
  kind: v.picklist(['source', 'process', 'sink']),
  maxParallelism: parallelism,
  keyType,
  inputs: v.optional(v.pipe(v.array(feeder), v.maxLength(MAX_OPERATORS))),
});

const time = v.pipe(v.number(), v.safeInteger());
const expiry = v.strictTuple([time, time, whole]);

const milliseconds = v.pipe(whole, v.minValue(1));

const windowSchema = v.strictObject({
  assign: v.variant('kind', [
    v.strictObject({ kind: v.literal('tumbling'), size: milliseconds, offset: time }),
    v.strictObject({ kind: v.literal('sliding'), size: milliseconds, slide: milliseconds, offset: time }),
    v.strictObject({ kind: v.literal('session'), gap: v.nullable(milliseconds) }),
    v.strictObject({ kind: v.literal('global') }),
  ]),
  slice: v.optional(milliseconds),
  lateness: v.optional(milliseconds),
  trigger: v.optional(v.pipe(v.string(), v.maxLength(MAX_NAME_LENGTH))),
});

export const tableSchema = v.strictObject({
  id: v.pipe(whole, v.maxValue(MAX_TABLES - 1)),
  operator: name,
  name: text,
  kind: v.picklist(TABLE_KINDS),
  codec: v.strictObject({ id: name, version: positive }),
  schemaVersion: positive,
  mapKey: keyType,
  window: v.optional(windowSchema),
  entries: whole,
  bytes: whole,
  subtasks: v.optional(v.pipe(v.array(whole), v.maxLength(MAX_PARALLELISM))),
  expiries: v.optional(
    v.pipe(v.array(v.pipe(v.array(expiry), v.maxLength(MAX_EXPIRIES))), v.maxLength(MAX_PARALLELISM)),
  ),
});

const manifestSchema = v.strictObject({
  formatVersion: v.literal(MANIFEST_VERSION),
  layout: v.literal('native'),
  mode: v.picklist(['full', 'incremental']),
  backend: v.picklist(['memory', 'disk']),
  job: v.strictObject({ id: v.pipe(v.string(), v.regex(JOB_ID)), name }),
  checkpointId: positive,
  parallelism,
  barrierTime: v.pipe(v.number(), v.safeInteger()),
  drained: v.optional(v.literal(true)),
  operators: v.pipe(v.array(operatorSchema), v.maxLength(MAX_OPERATORS)),
  tables: v.pipe(v.array(tableSchema), v.maxLength(MAX_TABLES)),
  entries: whole,
  bytes: whole,
});

/** The manifest as a plain JSON value, its fields in the order of FORMAT.md. */
export function encodeManifest(manifest: Manifest): Manifest {
  const checked = v.safeParse(manifestSchema, manifest);
  const wrong = checked.success ? contradiction(checked.output) : issueOf(checked.issues);
  assert(checked.success && wrong === undefined, `a manifest that could not be read back: ${wrong}`);
  return checked.output;
}

/**
 * A manifest from parsed JSON. `label` says where it came from.
 * @throws TidemarkError MANIFEST_CORRUPT; FORMAT_NEWER when it is of a later version.
 */
export function decodeManifest(json: unknown, label: string): Manifest {
  const version =
    typeof json === 'object' && json !== null && 'formatVersion' in json ? json.formatVersion : undefined;
  if (typeof version === 'number' && Number.isSafeInteger(version) && version > MANIFEST_VERSION) {
    const message = `${label} has format version ${version}, this tidemark reads up to ${MANIFEST_VERSION}`;
    throw new TidemarkError('FORMAT_NEWER', message, {
      hint: 'use the tidemark that wrote it, or a newer one',
    });
  }
  const checked = v.safeParse(manifestSchema, json, { abortEarly: true });
  if (!checked.success) throw manifestCorrupt(label, issueOf(checked.issues));
  const wrong = contradiction(checked.output);
  if (wrong !== undefined) throw manifestCorrupt(label, wrong);
  return checked.output;
}

/** What no single field shows. */
function contradiction(manifest: Manifest): string | undefined {
  const least = manifest.operators.find(({ maxParallelism }) => maxParallelism < manifest.parallelism);
  if (least !== undefined)
    return `operator '${least.uid}' has maxParallelism ${least.maxParallelism}, below the parallelism`;
  return tableContradiction(manifest);
}

interface Listing {
  readonly operators: readonly ManifestOperator[];
  readonly tables: readonly ManifestTable[];
  readonly entries: number;
  readonly bytes: number;
}

/** The same for what manifests of checkpoints and of archives have in common. */
export function tableContradiction(listing: Listing): string | undefined {
  const uids = new Set<string>();
  for (const { uid, operatorId: id } of listing.operators) {
    if (uids.has(uid)) return `operator '${uid}' is listed twice`;
    uids.add(uid);
    if (id !== operatorId(uid)) return `operator id ${id} is not that of '${uid}'`;
  }
  const ids = new Set<number>();
  for (const table of listing.tables) {
    const { id, operator, kind, mapKey, entries, subtasks, window } = table;
    if (ids.has(id)) return `table ${id} is listed twice`;
    ids.add(id);
    if (!uids.has(operator)) return `table ${id} belongs to '${operator}', which is not listed`;
    if ((mapKey !== null) !== hasMapKeys(kind)) return `table ${id} of kind ${kind} has mapKey ${mapKey}`;
    if (window !== undefined && !mayHoldPanes(kind)) return `table ${id} of kind ${kind} has a window`;
    const parts = subtasks?.reduce((total, part) => total + part, 0) ?? entries;
    if (parts !== entries) return `${parts} entries in the subtasks of table ${id}, ${entries} in all`;
    const wrong = expiryContradiction(table);
    if (wrong !== undefined) return `${wrong} in the expiries of table ${id}`;
  }
  for (const count of ['entries', 'bytes'] as const) {
    const sum = listing.tables.reduce((total, table) => total + table[count], 0);
    if (sum !== listing[count]) return `${sum} ${count} in its tables, ${listing[count]} in all`;
  }
  return undefined;
}

function expiryContradiction({ subtasks, expiries }: ManifestTable): string | undefined {
  if (expiries === undefined) return undefined;
  if (expiries.length !== subtasks?.length) return `${expiries.length} subtasks, not ${subtasks?.length}`;
  for (const [subtask, spans] of expiries.entries()) {
    let [passed, sum] = [Number.NEGATIVE_INFINITY, 0];
    for (const [after, until, entries] of spans) {
      if (after < passed || until <= after) return `a span from ${after} to ${until} behind ${passed}`;
      passed = until;
      sum += entries;
    }
    if (sum > (subtasks[subtask] ?? 0)) return `${sum} entries, ${subtasks[subtask]} in all,`;
  }
  return undefined;
}

function manifestCorrupt(label: string, what: string): TidemarkError {
  return new TidemarkError('MANIFEST_CORRUPT', `${label} has a damaged manifest: ${what.slice(0, 500)}`, {
    hint: 'go on from another snapshot of the job: tidemark checkpoints JOB',
  });
}
