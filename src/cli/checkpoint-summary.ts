/** The summary of a checkpoint in a home, in the words of an archive's. */
import { viewEntry } from '../archive/entries-view.js';
import {
  MAX_SPLITS_SHOWN,
  type OperatorSummary,
  type SplitSummary,
  summarizeSplit,
} from '../archive/summary.js';
import type { CheckpointRecord } from '../catalog/records.js';
import { capabilitiesOf } from '../format/archive-manifest.js';
import { nativeDigest } from '../format/digest.js';
import type { Entry } from '../format/entry.js';
import type { Manifest, ManifestOperator, ManifestTable } from '../format/manifest.js';
import type { SnapshotSummary } from './snapshot-view.js';

type EntriesOf = (table: ManifestTable) => AsyncIterable<Entry>;

/** Reads the segments up to where the sources' positions end; they are written first. */
export async function checkpointSummary(
  checkpoint: CheckpointRecord,
  manifest: Manifest,
  entries: EntriesOf,
): Promise<SnapshotSummary> {
  const { formatVersion, mode, job, checkpointId, parallelism } = manifest;
  const operators: OperatorSummary[] = [];
  for (const operator of manifest.operators)
    operators.push(await operatorSummary(operator, manifest, entries));
  return {
    archive: {
      path: null,
      bytes: checkpoint.bytes.total,
      formatVersion,
      kind: 'checkpoint',
      layout: 'native',
      mode,
      digest: nativeDigest(checkpoint.segments),
      drained: false,
      signedBy: null,
    },
    capabilities: capabilitiesOf('native', mode),
    job: { ...job, checkpointId, parallelism },
    provenance: null,
    operators,
    totals: { entries: manifest.entries, bytes: manifest.bytes },
  };
}

async function operatorSummary(
  operator: ManifestOperator,
  { tables }: Manifest,
  entries: EntriesOf,
): Promise<OperatorSummary> {
  const { uid, operatorId, maxParallelism, keyType } = operator;
  const own = tables.filter((table) => table.operator === uid);
  const splits = own.find(({ kind }) => kind === 'splits');
  return {
    uid,
    operatorId,
    maxParallelism,
    keyType,
    watermark: null,
    states: own
      .filter(({ kind }) => kind !== 'splits' && kind !== 'watermark')
      .map(({ name, kind, codec, schemaVersion, entries: rows, bytes }) => {
        return { name, kind, codec: codec.id, version: schemaVersion, entries: rows, bytes };
      }),
    splits: splits === undefined ? [] : await splitRows(splits, operator, entries),
    splitCount: splits?.entries ?? 0,
  };
}

async function splitRows(
  table: ManifestTable,
  operator: ManifestOperator,
  entries: EntriesOf,
): Promise<OperatorSummary['splits']> {
  const wanted = Math.min(MAX_SPLITS_SHOWN, table.entries);
  const splits: SplitSummary[] = [];
  if (wanted === 0) return splits;
  for await (const entry of entries(table)) {
    const { key, value } = viewEntry(entry, table, operator);
    splits.push(summarizeSplit(key, value));
    if (splits.length === wanted) break;
  }
  return splits;
}
