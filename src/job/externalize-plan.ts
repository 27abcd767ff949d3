/** What externalizing a checkpoint would pack: `externalize --dry-run`. Writes nothing, not even a pin. */
import type { Disk } from '../base/disk.js';
import { TidemarkError } from '../base/errors.js';
import type { Catalog } from '../catalog/catalog.js';
import type { JobRecord } from '../catalog/records.js';
import type { Manifest } from '../format/manifest.js';
import { isCommitted, manifestOf, segmentsOf } from './externalize.js';
import { completedCheckpoint } from './pin-checkpoint.js';

export interface PackedSegment {
  readonly name: string;
  readonly bytes: number;
  /** The other checkpoints of the home that refer to it. */
  readonly sharedWith: readonly { readonly job: string; readonly checkpoint: number }[];
}

export interface ExternalizePlan {
  readonly job: { readonly id: string; readonly name: string };
  readonly checkpointId: number;
  readonly layout: 'native';
  readonly mode: Manifest['mode'];
  readonly backend: Manifest['backend'];
  /** False: that would be finished first. */
  readonly committed: boolean;
  /** In reading order. */
  readonly segments: readonly PackedSegment[];
  readonly bytes: { readonly own: number; readonly shared: number; readonly total: number };
}

/** @throws CHECKPOINT_NOT_FOUND, SEGMENT_CORRUPT */
export async function planExternalize(
  disk: Disk,
  catalog: Catalog,
  job: JobRecord,
  id: number | undefined,
): Promise<ExternalizePlan> {
  const checkpoint = completedCheckpoint(catalog, job, id);
  if (checkpoint.state !== 'completed') {
    throw new TidemarkError('CHECKPOINT_NOT_FOUND', `${job.name}@${checkpoint.id} is ${checkpoint.state}`, {
      hint: `tidemark checkpoints ${job.name}`,
    });
  }
  const users = usersOf(catalog, checkpoint.segments);
  const isOther = (user: { readonly job: string; readonly checkpoint: number }) =>
    user.job !== job.id || user.checkpoint !== checkpoint.id;
  const segments = (await segmentsOf(disk, catalog, checkpoint)).map(({ name, bytes }) => ({
    name,
    bytes,
    sharedWith: (users.get(name) ?? []).filter(isOther),
  }));
  const bytesOf = (some: readonly PackedSegment[]) => some.reduce((sum, { bytes }) => sum + bytes, 0);
  const total = bytesOf(segments);
  const shared = bytesOf(segments.filter(({ sharedWith }) => sharedWith.length > 0));
  const { mode, backend } = manifestOf(checkpoint);
  return {
    job: { id: job.id, name: job.name },
    checkpointId: checkpoint.id,
    layout: 'native',
    mode,
    backend,
    committed: isCommitted(catalog, job.id, checkpoint.id),
    segments,
    bytes: { own: total - shared, shared, total },
  };
}

/** By segment: the completed checkpoints of the home that refer to it. */
function usersOf(
  catalog: Catalog,
  names: readonly string[],
): ReadonlyMap<string, { readonly job: string; readonly checkpoint: number }[]> {
  const users = new Map(names.map((name) => [name, [] as { job: string; checkpoint: number }[]]));
  for (const { id: job } of catalog.jobs({ all: true }))
    for (const { id: checkpoint, segments } of catalog.checkpoints(job))
      for (const name of segments) users.get(name)?.push({ job, checkpoint });
  return users;
}
