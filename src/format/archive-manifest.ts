/**
 * The manifest of an archive, its first member: what is in it, where, and what may be done with it. FORMAT.md has
 * the fields. Operators and tables are described as in a checkpoint's manifest (manifest.ts).
 *
 * Invariants: a decoded manifest is sound in itself; members lie one behind another in the order listed, `offset`
 * counted from the beginning of the file; a canonical archive has one member for each table with entries, a native
 * one its segments; table `id` is the place in `tables`.
 */
import { TidemarkError } from '../base/errors.js';
import { issueOf, name, sha256, v, whole } from './checks.js';
import { MAX_TABLES } from './entry.js';
import {
  MAX_OPERATORS,
  type ManifestOperator,
  type ManifestTable,
  operatorSchema,
  tableContradiction,
  tableSchema,
} from './manifest.js';
import { MAX_MEMBER_NAME, TAR_BLOCK, tarMemberBytes, tarPadding } from './tar.js';

export const ARCHIVE_VERSION = 1;
export const MANIFEST_MEMBER = 'manifest.json';
export const PROVENANCE_MEMBER = 'provenance.json';
export const SUMS_MEMBER = 'SHA256SUMS';
/** The longest manifest, in bytes. */
export const MAX_MANIFEST_BYTES = 16 * 1024 * 1024;
/** The most data members: one a table, or segments. */
export const MAX_MEMBERS = MAX_TABLES;

/** What may be done with an archive; commands obey this, never its name. */
export interface Capabilities {
  /** Restore at another parallelism. */
  readonly rescale: boolean;
  /** Restore with another graph or state schema. */
  readonly changeGraph: boolean;
  readonly changeBackend: boolean;
  readonly fork: boolean;
}

export interface ArchiveOperator extends ManifestOperator {
  /** The least watermark of its inputs, milliseconds; 'end' at the end of time; null where it has none. */
  readonly watermark: number | 'end' | null;
}

export interface ArchiveMember {
  readonly name: string;
  /** Of its first byte, in the file. */
  readonly offset: number;
  readonly length: number;
  readonly sha256: string;
}

export interface ArchiveManifest {
  readonly formatVersion: typeof ARCHIVE_VERSION;
  readonly kind: 'savepoint' | 'checkpoint';
  readonly layout: 'canonical' | 'native';
  readonly mode: 'full' | 'incremental';
  /** Null for canonical archives, which belong to none. */
  readonly backend: 'memory' | 'disk' | null;
  /** The maximum watermark was sent before: nothing should follow. */
  readonly drained: boolean;
  readonly capabilities: Capabilities;
  /** Of the state (digest.ts); of a native archive, of its bytes. */
  readonly digest: string;
  readonly operators: readonly ArchiveOperator[];
  readonly tables: readonly ManifestTable[];
  readonly members: readonly ArchiveMember[];
  readonly entries: number;
  readonly bytes: number;
}

const manifestSchema = v.strictObject({
  formatVersion: v.literal(ARCHIVE_VERSION),
  kind: v.picklist(['savepoint', 'checkpoint']),
  layout: v.picklist(['canonical', 'native']),
  mode: v.picklist(['full', 'incremental']),
  backend: v.nullable(v.picklist(['memory', 'disk'])),
  drained: v.boolean(),
  capabilities: v.strictObject({
    rescale: v.boolean(),
    changeGraph: v.boolean(),
    changeBackend: v.boolean(),
    fork: v.boolean(),
  }),
  digest: sha256,
  operators: v.pipe(
    v.array(
      v.strictObject({
        ...operatorSchema.entries,
        watermark: v.nullable(v.union([v.pipe(v.number(), v.safeInteger()), v.literal('end')])),
      }),
    ),
    v.maxLength(MAX_OPERATORS),
  ),
  tables: v.pipe(v.array(tableSchema), v.maxLength(MAX_TABLES)),
  members: v.pipe(
    v.array(
      v.strictObject({
        name: v.pipe(name, v.maxLength(MAX_MEMBER_NAME), v.regex(/^data\/[0-9a-z.]+$/)),
        offset: whole,
        length: whole,
        sha256,
      }),
    ),
    v.maxLength(MAX_MEMBERS),
  ),
  entries: whole,
  bytes: whole,
});

/** What an archive of this kind can do (DESIGN 2). */
export function capabilitiesOf(
  layout: ArchiveManifest['layout'],
  mode: ArchiveManifest['mode'],
): Capabilities {
  const portable = layout === 'canonical' || mode === 'full';
  return { rescale: portable, changeGraph: portable, changeBackend: portable, fork: true };
}

/** The member of a canonical table. */
export function tableMember(id: number): string {
  return `data/${String(id).padStart(5, '0')}.blocks`;
}

/** The member of a segment, which its SHA-256 names. */
export function segmentMember(segment: string): string {
  return `data/${segment}.seg`;
}

/**
 * The manifest's bytes, and the manifest with its offsets filled in. They depend on its own length, so they are
 * found by trying again; each round can only be longer than the one before, by fewer than 20 digits a member.
 */
export function layOut(draft: ArchiveManifest): {
  readonly manifest: ArchiveManifest;
  readonly bytes: Buffer;
} {
  for (let manifest = placed(draft, 0); ; ) {
    const bytes = Buffer.from(`${JSON.stringify(manifest)}\n`);
    if (bytes.length > MAX_MANIFEST_BYTES) {
      const message = `the manifest would take ${bytes.length} bytes, the limit is ${MAX_MANIFEST_BYTES}`;
      throw new TidemarkError('GRAPH_INVALID', message, { hint: 'split the job: it has too many states' });
    }
    const next = placed(draft, bytes.length);
    if (next.members[0]?.offset === manifest.members[0]?.offset) return { manifest, bytes };
    manifest = next;
  }
}

function placed(draft: ArchiveManifest, manifestBytes: number): ArchiveManifest {
  let at = tarMemberBytes(manifestBytes);
  const members = draft.members.map((member) => {
    const offset = at + TAR_BLOCK;
    at += tarMemberBytes(member.length);
    return { ...member, offset };
  });
  return { ...draft, members };
}

/** Where the member after the data begins: provenance, or the first one where there is no data. */
export function dataEnd(manifest: ArchiveManifest, manifestBytes: number): number {
  const last = manifest.members.at(-1);
  if (last === undefined) return tarMemberBytes(manifestBytes);
  return last.offset + last.length + tarPadding(last.length);
}

/** What is wrong with a manifest, or the manifest. */
export type ManifestFound =
  | { readonly manifest: ArchiveManifest }
  | { readonly newer: number }
  | { readonly wrong: string };

/** A manifest from the bytes of its member. */
export function readManifest(bytes: Buffer): ManifestFound {
  const json = parseJson(bytes);
  if (json === undefined) return { wrong: 'it is no JSON' };
  const version =
    typeof json === 'object' && json !== null && 'formatVersion' in json ? json.formatVersion : undefined;
  if (typeof version === 'number' && Number.isSafeInteger(version) && version > ARCHIVE_VERSION)
    return { newer: version };
  const checked = v.safeParse(manifestSchema, json, { abortEarly: true });
  if (!checked.success) return { wrong: issueOf(checked.issues) };
  const wrong = contradiction(checked.output, bytes.length);
  return wrong === undefined ? { manifest: checked.output } : { wrong };
}

/** Any JSON value; undefined for bytes that are none, which cannot be told from nothing else. */
export function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    return undefined;
  }
}

/** What no single field shows. */
function contradiction(manifest: ArchiveManifest, manifestBytes: number): string | undefined {
  const { layout, mode, backend, tables, members } = manifest;
  if ((layout === 'canonical') !== (backend === null)) return `a ${layout} archive of backend ${backend}`;
  if (layout === 'canonical' && mode !== 'full') return `a canonical archive in mode ${mode}`;
  const moved = tables.findIndex(({ id }, place) => id !== place);
  if (moved >= 0) return `tables[${moved}] has id ${tables[moved]?.id}`;
  return (
    tableContradiction(manifest) ??
    (layout === 'canonical' ? canonicalContradiction(manifest) : nativeContradiction(manifest)) ??
    membersContradiction(members, manifestBytes)
  );
}

function canonicalContradiction({ tables, members }: ArchiveManifest): string | undefined {
  const expected = tables.filter(({ entries }) => entries > 0).map(({ id }) => tableMember(id));
  const found = members.map((member) => member.name);
  const wrong = [...expected.keys(), ...found.keys()].find((i) => expected[i] !== found[i]);
  if (wrong !== undefined) return `members[${wrong}] is ${found[wrong]}, expected ${expected[wrong]}`;
  if (tables.some(({ kind }) => kind === 'transactions')) return 'transactions in a canonical archive';
  if (tables.some(({ subtasks }) => subtasks !== undefined)) return 'subtasks in a canonical archive';
  if (tables.some(({ expiries }) => expiries !== undefined)) return 'expiries in a canonical archive';
  return undefined;
}

function nativeContradiction({ members }: ArchiveManifest): string | undefined {
  const other = members.find(({ name: found, sha256: hash }) => found !== segmentMember(hash));
  return other === undefined ? undefined : `member ${other.name} is not named by its SHA-256`;
}

function membersContradiction(members: readonly ArchiveMember[], manifestBytes: number): string | undefined {
  const names = new Set<string>();
  let at = tarMemberBytes(manifestBytes);
  for (const member of members) {
    if (names.has(member.name)) return `member ${member.name} is listed twice`;
    names.add(member.name);
    if (member.offset !== at + TAR_BLOCK) return `member ${member.name} cannot lie at byte ${member.offset}`;
    at += tarMemberBytes(member.length);
    if (!Number.isSafeInteger(at)) return `member ${member.name} is too long`;
  }
  return undefined;
}
