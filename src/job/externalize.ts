/**
 * Externalizing: a completed checkpoint of a live or an ended job, packed into an archive of the user's own.
 *
 *     pinned ─▶ its commits finished ─▶ segments packed, fsynced ─▶ archive gets its name ─▶ in the catalog, unpinned
 *
 * Invariants: an archive never holds output that is not committed; the segments stay while they are read; nothing is
 * under the final name before all of it is durable, and whatever fails, or is interrupted, leaves nothing.
 */
import { join } from 'node:path';
import type { Signer } from '../archive/sign.js';
import { nameArchive, packSegments } from '../archive/write.js';
import type { Clock } from '../base/clock.js';
import type { Disk } from '../base/disk.js';
import { TidemarkError } from '../base/errors.js';
import { failpoint } from '../base/failpoint.js';
import type { Catalog } from '../catalog/catalog.js';
import { isLive } from '../catalog/job-state.js';
import type { CheckpointRecord, JobRecord, SegmentRecord } from '../catalog/records.js';
import { decodeManifest, type Manifest } from '../format/manifest.js';
import { segmentPath } from '../format/segment.js';
import type { ArchiveProgress } from './archive-task.js';
import { type OutputFile, refuseBadOutput } from './check-output.js';
import { pinCheckpoint } from './pin-checkpoint.js';
import { provenanceOf } from './provenance.js';

/** Milliseconds between two looks whether a live job has committed. */
const LOOK_EVERY = 100;

/** Where it goes: a file, or whoever takes the bytes, for whom `output` is only what the catalog remembers. */
export type Destination = OutputFile | { readonly output: string; stream(bytes: Uint8Array): Promise<void> };

export interface ExternalizeOptions {
  readonly catalog: Catalog;
  readonly disk: Disk;
  readonly clock: Clock;
  readonly job: JobRecord;
  /** The newest completed one when undefined. */
  readonly checkpoint: number | undefined;
  readonly destination: Destination;
  readonly reason: string | undefined;
  readonly sign?: Signer | undefined;
  /** Milliseconds to wait for a live job to commit the checkpoint. */
  readonly patience: number;
  /** Aborted, nothing is left, and the call rejects with its reason. */
  readonly signal: AbortSignal;
  onProgress(progress: ArchiveProgress): void;
}

export interface Externalized {
  readonly path: string;
  readonly kind: 'checkpoint';
  readonly layout: 'native';
  readonly digest: string;
  readonly bytes: number;
  readonly checkpointId: number;
}

/**
 * @throws CHECKPOINT_NOT_FOUND, FILE_EXISTS, JOB_RUNNING, TIMEOUT, SEGMENT_CORRUPT, DISK_FULL and the disk's other
 * errors, what a sink says that cannot commit
 */
export async function externalize(options: ExternalizeOptions): Promise<Externalized> {
  const { catalog, clock, job, destination } = options;
  if (!('stream' in destination)) await refuseBadOutput(destination);
  const { unpin, checkpoint } = pinCheckpoint(catalog, job, options.checkpoint, {
    who: 'externalize',
    now: clock.now(),
  });
  try {
    await untilCommitted(options, checkpoint.id);
    return await pack(options, checkpoint);
  } finally {
    unpin();
  }
}

/** What a checkpoint's archive is called when nobody has said. */
export function checkpointArchiveName(job: string, checkpoint: number): string {
  return `${job}-${checkpoint}.checkpoint.tar`;
}

/** A later checkpoint commits what was prepared before it, too. */
export function isCommitted(catalog: Catalog, job: string, id: number): boolean {
  return catalog.checkpoints(job).some((one) => one.id >= id && one.committedAt !== undefined);
}

/** A live job commits by itself; of one without a process it is done here. */
async function untilCommitted(options: ExternalizeOptions, id: number): Promise<void> {
  const { catalog, clock, job, patience, signal, onProgress } = options;
  const end = clock.monotonic() + patience;
  while (!isCommitted(catalog, job.id, id)) {
    signal.throwIfAborted();
    onProgress({ phase: 'commit', entries: 0, bytes: 0 });
    const now = catalog.job(job.id);
    if (!isLive(now.state)) {
      // Loaded only where a thread is started.
      const { finishCommits } = await import('./finish-commits.js');
      await finishCommits(now, options);
    } else if (clock.monotonic() > end) {
      throw new TidemarkError(
        'TIMEOUT',
        `the sinks of ${job.name} have not committed checkpoint ${id} yet, after ${patience} ms`,
        { hint: `try again, or look at them: tidemark status ${job.name}` },
      );
    } else {
      await clock.sleep(LOOK_EVERY, signal);
    }
  }
}

async function pack(options: ExternalizeOptions, checkpoint: CheckpointRecord): Promise<Externalized> {
  const { catalog, disk, clock, job, destination, reason, sign, signal, onProgress } = options;
  const { id } = checkpoint;
  const manifest = manifestOf(checkpoint);
  const { operators, tables, mode, backend, barrierTime, parallelism } = manifest;
  const path = destination.output.endsWith('/')
    ? join(destination.output, checkpointArchiveName(job.name, id))
    : destination.output;
  const attempt = checkpoint.epoch;
  const where = { attempt, checkpointId: id, barrierTime, parallelism, targets: [] };
  const prepared = await packSegments({
    disk,
    folder: catalog.home.segments,
    segments: await segmentsOf(disk, catalog, checkpoint),
    operators,
    tables,
    mode,
    backend,
    kind: 'checkpoint',
    // Before the last checkpoint of a job whose input has ended, event time has ended, too; older ones do not say so.
    drained: manifest.drained === true || checkpoint.kind === 'final',
    provenance: await provenanceOf({ job, ...where, reason, time: clock.now() }),
    output:
      'stream' in destination
        ? { stream: (bytes) => destination.stream(bytes) }
        : { path, force: destination.force },
    sign,
    signal,
    onProgress: ({ entries, bytes }, phase) => onProgress({ phase, entries, bytes }),
  });
  failpoint('externalize-before-name');
  await nameArchive(prepared, signal);
  failpoint('externalize-named');
  const { digest, bytes } = prepared;
  const what = { kind: 'checkpoint', layout: 'native', path, digest, bytes } as const;
  catalog.recordSavepoint({ job: job.id, checkpoint: id, ...what, takenAt: clock.now(), reason });
  return { path, kind: 'checkpoint', layout: 'native', digest, bytes, checkpointId: id };
}

export function manifestOf({ job, id, manifest }: CheckpointRecord): Manifest {
  return decodeManifest(manifest, `checkpoint ${job}@${id}`);
}

/** Its segments in reading order, with their sizes. @throws SEGMENT_CORRUPT when one is gone */
export async function segmentsOf(
  disk: Disk,
  { home }: Pick<Catalog, 'home'>,
  { job, id, segments }: CheckpointRecord,
): Promise<readonly SegmentRecord[]> {
  const found: SegmentRecord[] = [];
  for (const name of segments) {
    const stat = await disk.stat(segmentPath(home.segments, name));
    if (stat === undefined) {
      throw new TidemarkError('SEGMENT_CORRUPT', `segment ${name} of checkpoint ${job}@${id} is gone`, {
        hint: 'tidemark doctor lists what the home misses; take another checkpoint',
      });
    }
    found.push({ name, bytes: stat.size });
  }
  return found;
}
