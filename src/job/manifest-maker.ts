import { operatorId } from '../base/operator-id.js';
import { encodeManifest, type Manifest } from '../format/manifest.js';
import type { JobSettings } from '../graph/settings.js';
import type { Drained } from './attempt.js';
import type { GraphFacts } from './protocol.js';

/** Makes the manifest of a snapshot that was drained. */
export type ManifestMaker = (drained: Drained) => unknown;

export function manifestMaker(
  job: { readonly id: string; readonly name: string },
  settings: JobSettings,
  facts: GraphFacts,
): ManifestMaker {
  return (drained) => {
    const tables = facts.tables.map(({ formerly: _, ...table }, index) => ({
      ...table,
      entries: drained.tables[index]?.entries ?? 0,
      bytes: drained.tables[index]?.bytes ?? 0,
    }));
    const manifest: Manifest = {
      formatVersion: 1,
      layout: 'native',
      mode: settings.checkpoint.mode,
      backend: settings.backend,
      job: { id: job.id, name: job.name },
      checkpointId: drained.id,
      parallelism: settings.parallelism,
      barrierTime: drained.barrierTime,
      operators: facts.operators.map(({ uid, kind, keyType }) => ({
        uid,
        operatorId: operatorId(uid),
        kind,
        maxParallelism: settings.maxParallelism,
        keyType,
      })),
      tables,
      entries: tables.reduce((sum, { entries }) => sum + entries, 0),
      bytes: tables.reduce((sum, { bytes }) => sum + bytes, 0),
    };
    return encodeManifest(manifest);
  };
}
