/** What `inspect` says of an archive: everything but the entries of its states. */
import { ByteReader } from '../codec/reader.js';
import type { ArchiveManifest, ArchiveOperator, Capabilities } from '../format/archive-manifest.js';
import { readEntry } from '../format/entry.js';
import type { ManifestTable } from '../format/manifest.js';
import type { Provenance } from '../format/provenance.js';
import { viewEntry } from './entries-view.js';
import type { Archive } from './read.js';
import { fingerprintOf } from './sign.js';
import type { Json } from './tagged.js';

/** Splits shown for one source; `splitCount` says how many there are. */
export const MAX_SPLITS_SHOWN = 10_000;

export interface Summary {
  readonly archive: {
    readonly path: string;
    readonly bytes: number;
    readonly formatVersion: number;
    readonly kind: ArchiveManifest['kind'];
    readonly layout: ArchiveManifest['layout'];
    readonly mode: ArchiveManifest['mode'];
    readonly digest: string;
    readonly drained: boolean;
    /** Fingerprint of the key; null where it is not signed. */
    readonly signedBy: string | null;
  };
  readonly capabilities: Capabilities;
  readonly job: {
    readonly id: string;
    readonly name: string;
    readonly checkpointId: number;
    readonly parallelism: number;
  };
  readonly provenance: Provenance;
  readonly operators: readonly OperatorSummary[];
  readonly totals: { readonly entries: number; readonly bytes: number };
}

export interface OperatorSummary {
  readonly uid: string;
  readonly operatorId: string;
  readonly maxParallelism: number;
  readonly keyType: string | null;
  readonly watermark: ArchiveOperator['watermark'];
  readonly states: readonly StateSummary[];
  readonly splits: readonly SplitSummary[];
  readonly splitCount: number;
}

export interface SplitSummary {
  readonly id: Json;
  readonly position: Json;
  readonly done: Json;
  /** The greatest timestamp seen, milliseconds; null where there is none. */
  readonly timestamp: Json;
}

export interface StateSummary {
  readonly name: string;
  readonly kind: ManifestTable['kind'];
  readonly codec: string;
  /** Of the schema. */
  readonly version: number;
  readonly entries: number;
  readonly bytes: number;
}

/** Reads the splits' positions beside what opening has read. */
export async function summarize(archive: Archive): Promise<Summary> {
  const { manifest, provenance, path, bytes } = archive;
  const { formatVersion, kind, layout, mode, digest, drained } = manifest;
  const operators: OperatorSummary[] = [];
  const tables = new Map<string, ManifestTable[]>(manifest.operators.map(({ uid }) => [uid, []]));
  for (const table of manifest.tables) tables.get(table.operator)?.push(table);
  for (const operator of manifest.operators)
    operators.push(await summarizeOperator(archive, operator, tables.get(operator.uid) ?? []));
  return {
    archive: { path, bytes, formatVersion, kind, layout, mode, digest, drained, signedBy: signerOf(archive) },
    capabilities: manifest.capabilities,
    job: {
      ...provenance.job,
      checkpointId: provenance.checkpointId,
      parallelism: provenance.parallelism,
    },
    provenance,
    operators,
    totals: { entries: manifest.entries, bytes: manifest.bytes },
  };
}

async function summarizeOperator(
  archive: Archive,
  operator: ArchiveOperator,
  own: readonly ManifestTable[],
): Promise<OperatorSummary> {
  const { uid, operatorId, maxParallelism, keyType, watermark } = operator;
  const splits = own.find(({ kind }) => kind === 'splits');
  return {
    uid,
    operatorId,
    maxParallelism,
    keyType,
    watermark,
    states: own
      .filter(({ kind }) => kind !== 'splits' && kind !== 'watermark')
      .map(({ name, kind, codec, schemaVersion, entries, bytes }) => ({
        name,
        kind,
        codec: codec.id,
        version: schemaVersion,
        entries,
        bytes,
      })),
    splits: splits === undefined ? [] : await readSplits(archive, splits, operator),
    splitCount: splits?.entries ?? 0,
  };
}

async function readSplits(
  archive: Archive,
  table: ManifestTable,
  operator: ArchiveOperator,
): Promise<OperatorSummary['splits']> {
  const splits: SplitSummary[] = [];
  for await (const { payload } of archive.blocks({ tables: [table.id] })) {
    const from = new ByteReader(payload);
    while (from.remaining > 0) {
      const entry = readEntry(from);
      if (entry.table !== table.id) continue;
      const { key, value } = viewEntry(entry, table, operator);
      splits.push(summarizeSplit(key, value));
      if (splits.length >= Math.min(MAX_SPLITS_SHOWN, table.entries)) return splits;
    }
  }
  return splits;
}

/** Of the entry of a split, as it is viewed. */
export function summarizeSplit(id: Json, value: Json): SplitSummary {
  const {
    position = null,
    done = null,
    timestamp = null,
  } = (value ?? {}) as {
    readonly [name: string]: Json;
  };
  return { id, position, done, timestamp };
}

function signerOf({ signature }: Archive): string | null {
  return signature === undefined ? null : fingerprintOf(signature.publicKey);
}
