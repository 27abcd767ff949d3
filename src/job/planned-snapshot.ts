/** What a restore is planned from: an archive, or a checkpoint of a job as the savepoint that it would make. */
import type { Archive, ArchiveRange } from '../archive/read.js';
import { systemClock } from '../base/clock.js';
import { realDisk } from '../base/real-disk.js';
import type { Catalog } from '../catalog/catalog.js';
import { type ArchiveManifest, capabilitiesOf } from '../format/archive-manifest.js';
import type { Provenance } from '../format/provenance.js';
import { frozenSettings } from '../graph/frozen-settings.js';
import type { Payload } from '../store/sort-buffer.js';
import { manifestOf, segmentsOf } from './externalize.js';
import { keepTables } from './keep-tables.js';
import { pinCheckpoint } from './pin-checkpoint.js';
import { runBlocks, segmentBlocks, writesChanges } from './recover-state.js';

export type SnapshotManifest = Pick<
  ArchiveManifest,
  | 'kind'
  | 'layout'
  | 'mode'
  | 'backend'
  | 'drained'
  | 'capabilities'
  | 'digest'
  | 'operators'
  | 'tables'
  | 'entries'
  | 'bytes'
>;

type Origin = Pick<
  Provenance,
  | 'job'
  | 'params'
  | 'cwd'
  | 'parallelism'
  | 'checkpointId'
  | 'lineage'
  | 'bundleHash'
  | 'edited'
  | 'definitionFile'
  | 'gitCommit'
>;

export interface PlannedSnapshot {
  /** What messages call it: its path, or `job@12`. */
  readonly label: string;
  readonly manifest: SnapshotManifest;
  readonly provenance: Origin;
  /** Whether entries come table by table. */
  isOrdered(): Promise<boolean>;
  /** Whole entries of these tables, of all where they come in no order; `groups` may be given more of than was asked for. */
  blocks(range: ArchiveRange): AsyncIterable<Payload>;
}

export function snapshotOf(archive: Archive): Omit<PlannedSnapshot, 'label'> {
  return {
    manifest: archive.manifest,
    provenance: archive.provenance,
    isOrdered: () => archive.isOrdered(),
    blocks: (range) => archive.blocks(range),
  };
}

/**
 * A completed checkpoint, the newest when `id` is undefined, as what a savepoint of its moment could do. It is pinned until
 * `close`.
 * @throws CHECKPOINT_NOT_FOUND, MANIFEST_CORRUPT, SEGMENT_CORRUPT
 */
export async function checkpointSnapshot(
  catalog: Catalog,
  reference: string,
  id: number | undefined,
): Promise<PlannedSnapshot & { close(): void }> {
  const job = catalog.job(reference);
  const { unpin, checkpoint } = pinCheckpoint(catalog, job, id, { who: 'check', now: systemClock.now() });
  try {
    const manifest = manifestOf(checkpoint);
    const places = { disk: realDisk, home: catalog.home };
    const chain = await segmentsOf(realDisk, catalog, checkpoint);
    const sorted = writesChanges(frozenSettings(job.settings));
    const all = manifest.tables.map(({ id }) => id);
    return {
      label: `${job.name}@${checkpoint.id}`,
      manifest: {
        ...manifest,
        kind: 'savepoint',
        layout: 'canonical',
        mode: 'full',
        backend: null,
        capabilities: capabilitiesOf('canonical', 'full'),
        drained: manifest.drained === true,
        digest: '',
        operators: manifest.operators.map((operator) => ({ ...operator, watermark: null })),
      },
      provenance: {
        job: { id: job.id, name: job.name },
        params: job.params,
        cwd: job.cwd,
        parallelism: manifest.parallelism,
        checkpointId: checkpoint.id,
        // A savepoint to come includes whatever the job has committed by then.
        lineage: [{ job: job.id, checkpoint: Number.MAX_SAFE_INTEGER }, ...(job.origin?.lineage ?? [])],
        bundleHash: job.bundle,
        definitionFile: job.definition,
        gitCommit: job.gitCommit ?? null,
      },
      isOrdered: async () => sorted,
      blocks: ({ tables = all }) =>
        sorted
          ? runBlocks(chain, manifest, places, tables)
          : keepTables(segmentBlocks(checkpoint.segments, places), new Set(tables), `checkpoint ${job.name}`),
      close: unpin,
    };
  } catch (error) {
    unpin();
    throw error;
  }
}
