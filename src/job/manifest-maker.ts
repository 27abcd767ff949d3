import { operatorId } from '../base/operator-id.js';
import { encodeManifest, type Manifest, type ManifestTable } from '../format/manifest.js';
import type { JobSettings } from '../graph/settings.js';
import type { Drained } from './attempt.js';
import type { GraphFacts, TableSizes } from './protocol.js';
import type { WrittenSnapshot } from './written-snapshot.js';

/** Makes the manifest of a snapshot that was drained. */
export type ManifestMaker = (drained: Drained, written: WrittenSnapshot) => unknown;

export function manifestMaker(
  job: { readonly id: string; readonly name: string },
  settings: JobSettings,
  facts: GraphFacts,
): ManifestMaker {
  const changes = settings.backend === 'disk' || settings.checkpoint.mode === 'incremental';
  return (drained, written) => {
    const tables = facts.tables.map(
      ({ formerly: _f, typed: _t, reads: _r, ownMapKeys: _m, ...table }, index) => ({
        ...table,
        ...(changes ? live(drained.tables[index]) : { entries: drained.tables[index]?.entries ?? 0 }),
        bytes: written.bytesOf(table.id) ?? drained.tables[index]?.bytes ?? 0,
      }),
    );
    const manifest: Manifest = {
      formatVersion: 1,
      layout: 'native',
      mode: written.mode,
      backend: settings.backend,
      job: { id: job.id, name: job.name },
      checkpointId: drained.id,
      parallelism: settings.parallelism,
      barrierTime: drained.barrierTime,
      ...(drained.drained ? { drained: true } : {}),
      operators: facts.operators.map(({ uid, kind, keyType, inputs }) => ({
        uid,
        operatorId: operatorId(uid),
        kind,
        maxParallelism: settings.maxParallelism,
        keyType,
        inputs,
      })),
      tables,
      entries: tables.reduce((sum, { entries }) => sum + entries, 0),
      bytes: tables.reduce((sum, { bytes }) => sum + bytes, 0),
    };
    return encodeManifest(manifest);
  };
}

/** What a table holds, where only what changed was drained. */
function live(sizes: TableSizes | undefined): Pick<ManifestTable, 'entries' | 'subtasks' | 'expiries'> {
  const { entries = 0, subtasks, expiries } = sizes ?? {};
  if (subtasks === undefined) return { entries };
  const all = { entries: subtasks.reduce((sum, n) => sum + n, 0), subtasks };
  return expiries === undefined ? all : { ...all, expiries };
}
