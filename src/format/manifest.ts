/**
 * The manifest of a snapshot: what is in it, as JSON. FORMAT.md has the fields and the limits.
 *
 * Invariants: a decoded manifest is sound in itself: uids and table ids are unique, every table belongs to an
 * operator of the manifest, operator ids are those of the uids, totals are the sums over the tables. Unknown fields are refused: a reader that skipped
 * one would take a newer manifest for an older one.
 */
import * as v from 'valibot';
import { assert } from '../base/assert.js';
import { TidemarkError } from '../base/errors.js';
import { JOB_ID } from '../base/ids.js';
import { MAX_PARALLELISM } from '../base/key-groups.js';
import { operatorId } from '../base/operator-id.js';
import { MAX_KEY_TYPE_ID } from '../codec/keys.js';
import { MAX_TABLES } from './entry.js';

export const MANIFEST_VERSION = 1;
/** The most operators a manifest may list. */
export const MAX_OPERATORS = 16_384;
/** The longest uid, state name, job name or codec id, in UTF-16 units. */
export const MAX_NAME_LENGTH = 255;

export const TABLE_KINDS = [
  'value',
  'number',
  'list',
  'map',
  'timer',
  'splits',
  'watermark',
  'transactions',
  'broadcast',
  'operator-list',
  'operator-union',
  'in-flight',
] as const;

export type TableKind = (typeof TABLE_KINDS)[number];

export interface ManifestOperator {
  readonly uid: string;
  readonly operatorId: string;
  readonly kind: 'source' | 'process' | 'sink';
  readonly maxParallelism: number;
  /** Null where the operator has no keys. */
  readonly keyType: string | null;
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
  readonly entries: number;
  readonly bytes: number;
}

export interface Manifest {
  readonly formatVersion: typeof MANIFEST_VERSION;
  readonly layout: 'native';
  readonly mode: 'full' | 'incremental';
  readonly backend: 'memory';
  readonly job: { readonly id: string; readonly name: string };
  readonly checkpointId: number;
  readonly parallelism: number;
  /** Processing time at the barrier, milliseconds since 1970. */
  readonly barrierTime: number;
  readonly operators: readonly ManifestOperator[];
  readonly tables: readonly ManifestTable[];
  readonly entries: number;
  readonly bytes: number;
}

const text = v.pipe(v.string(), v.maxLength(MAX_NAME_LENGTH));
const name = v.pipe(text, v.minLength(1));
const whole = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const positive = v.pipe(whole, v.minValue(1));
const parallelism = v.pipe(positive, v.maxValue(MAX_PARALLELISM));
const keyType = v.nullable(v.pipe(v.string(), v.regex(/^[a-z(),]+$/), v.maxLength(MAX_KEY_TYPE_ID)));

const operatorSchema = v.strictObject({
  uid: name,
  operatorId: v.pipe(v.string(), v.regex(/^[0-9a-f]{32}$/)),
  kind: v.picklist(['source', 'process', 'sink']),
  maxParallelism: parallelism,
  keyType,
});

const tableSchema = v.strictObject({
  id: v.pipe(whole, v.maxValue(MAX_TABLES - 1)),
  operator: name,
  name: text,
  kind: v.picklist(TABLE_KINDS),
  codec: v.strictObject({ id: name, version: positive }),
  schemaVersion: positive,
  mapKey: keyType,
  entries: whole,
  bytes: whole,
});

const manifestSchema = v.strictObject({
  formatVersion: v.literal(MANIFEST_VERSION),
  layout: v.literal('native'),
  mode: v.picklist(['full', 'incremental']),
  backend: v.literal('memory'),
  job: v.strictObject({ id: v.pipe(v.string(), v.regex(JOB_ID)), name }),
  checkpointId: positive,
  parallelism,
  barrierTime: v.pipe(v.number(), v.safeInteger()),
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
  const uids = new Set<string>();
  for (const operator of manifest.operators) {
    if (uids.has(operator.uid)) return `operator '${operator.uid}' is listed twice`;
    uids.add(operator.uid);
    if (operator.operatorId !== operatorId(operator.uid))
      return `operator id ${operator.operatorId} is not that of '${operator.uid}'`;
    if (operator.maxParallelism < manifest.parallelism)
      return `operator '${operator.uid}' has maxParallelism ${operator.maxParallelism}, below the parallelism`;
  }
  const ids = new Set<number>();
  for (const table of manifest.tables) {
    if (ids.has(table.id)) return `table ${table.id} is listed twice`;
    ids.add(table.id);
    if (!uids.has(table.operator))
      return `table ${table.id} belongs to '${table.operator}', which is not listed`;
    if ((table.mapKey !== null) !== (table.kind === 'map'))
      return `table ${table.id} of kind ${table.kind} has mapKey ${table.mapKey}`;
  }
  for (const count of ['entries', 'bytes'] as const) {
    const sum = manifest.tables.reduce((total, table) => total + table[count], 0);
    if (sum !== manifest[count]) return `${sum} ${count} in its tables, ${manifest[count]} in all`;
  }
  return undefined;
}

function issueOf(issues: readonly [v.InferIssue<typeof manifestSchema>, ...unknown[]]): string {
  const [issue] = issues;
  const path = v.getDotPath(issue);
  return path === null ? issue.message : `${path}: ${issue.message}`;
}

function manifestCorrupt(label: string, what: string): TidemarkError {
  return new TidemarkError('MANIFEST_CORRUPT', `${label} has a damaged manifest: ${what.slice(0, 500)}`, {
    hint: 'go on from another snapshot of the job: tidemark checkpoints JOB',
  });
}
