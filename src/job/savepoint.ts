/**
 * Savepoints of a running job, and stopping with one.
 *
 *     barrier ─▶ checkpoint complete ─▶ sinks commit ─▶ archive written ─▶ archive gets its name ─▶ (stop: job ends)
 *
 * Invariants: the checkpoint of a savepoint commits the sinks and serves recovery, so an archive never holds output
 * that is not committed; its segments are pinned while they are read; when saving fails, the job runs on.
 */
import { join } from 'node:path';
import type { Clock } from '../base/clock.js';
import type { Disk, FileStat } from '../base/disk.js';
import { TidemarkError } from '../base/errors.js';
import { failpoint } from '../base/failpoint.js';
import type { HomePaths } from '../base/home.js';
import type { Catalog } from '../catalog/catalog.js';
import type { CheckpointRecord, JobRecord } from '../catalog/records.js';
import { decodeManifest } from '../format/manifest.js';
import type { Provenance } from '../format/provenance.js';
import type { HoldProgress } from '../runtime/hold.js';
import { type ArchiveProgress, ArchiveTask } from './archive-task.js';
import { type OutputFile, refuseBadOutput } from './check-output.js';
import { attemptOver, callerGone, placesIn } from './hold.js';
import { holdPin } from './pin-checkpoint.js';
import { provenanceOf } from './provenance.js';
import type { RunningAttempt } from './run-attempt.js';

/** Between two looks for an archive that is being made, milliseconds. */
const LOOK_MS = 50;

export interface SavepointRequest extends OutputFile {
  readonly reason: string | undefined;
  /** End the job with it. */
  readonly stop: boolean;
  readonly drain: boolean;
  /** Archive at whose positions the splits wait for it. */
  readonly at?: string | undefined;
  /** The archive is still to be made: nothing is read until it is there. */
  readonly await?: boolean | undefined;
  /** Milliseconds they may take to come there. */
  readonly timeout?: number | undefined;
}

/** A savepoint beside a checkpoint that is wanted for itself. */
export interface BesideCheckpoint extends OutputFile {
  readonly reason: string | undefined;
  /** The checkpoint holds all state, whatever the job's mode. */
  readonly full: boolean;
}

export interface SavepointResult {
  readonly path: string;
  readonly kind: 'savepoint';
  readonly layout: 'canonical';
  readonly digest: string;
  readonly bytes: number;
  readonly checkpointId: number;
}

export interface SavepointParts {
  readonly catalog: Catalog;
  readonly home: HomePaths;
  readonly clock: Clock;
  readonly disk: Disk;
  readonly job: JobRecord;
  readonly epoch: number;
  readonly attempt: RunningAttempt;
  onProgress(progress: () => SavingProgress): void;
}

/** How far a savepoint is; with `held`, its splits come to where they are to wait. */
export interface SavingProgress extends ArchiveProgress {
  readonly held?: HoldProgress | undefined;
}

/**
 * Takes one. Rejects with FILE_EXISTS, CHECKPOINT_FAILED, or what the disk says; the job then runs on. With `at`, also with
 * what keeps the splits from waiting there; once `gone` is aborted, they do no longer.
 */
export async function takeSavepoint(
  parts: SavepointParts,
  request: SavepointRequest,
  gone: AbortSignal,
): Promise<SavepointResult> {
  await refuseBadOutput(request);
  const { attempt } = parts;
  const id = await barrier(parts, request, gone);
  try {
    return await save(parts, request, id);
  } catch (error) {
    if (request.stop) attempt.goOn();
    throw error;
  }
}

function barrier(parts: SavepointParts, request: SavepointRequest, gone: AbortSignal): Promise<number> {
  const { attempt } = parts;
  const { at, stop, drain } = request;
  if (at !== undefined) return barrierAt(parts, { ...request, at }, gone);
  return stop ? attempt.stop(drain) : attempt.checkpoint('savepoint');
}

async function barrierAt(
  { attempt, clock, disk, job, onProgress }: SavepointParts,
  request: SavepointRequest & { readonly at: string },
  gone: AbortSignal,
): Promise<number> {
  const { at, timeout } = request;
  const at0 = clock.monotonic();
  const left = () => (timeout === undefined ? undefined : Math.max(1, at0 + timeout - clock.monotonic()));
  try {
    if (request.await === true) {
      const before = await disk.stat(at);
      attempt.standStill();
      onProgress(() => ({ phase: 'stand', entries: 0, bytes: 0 }));
      await archiveThere({ disk, clock, attempt, gone, left }, at, before);
    }
    const places = await placesIn(disk, at);
    onProgress(() => ({ phase: 'hold', entries: 0, bytes: 0, held: attempt.holdProgress }));
    await attempt.hold(places, { clock, timeout: left(), gone });
    onProgress(() => ({ phase: 'checkpoint', entries: 0, bytes: 0 }));
    return await attempt.checkpoint('savepoint', { release: true });
  } catch (error) {
    throw error instanceof TidemarkError && error.code === 'POSITION_PASSED'
      ? passed(error, job.name, at)
      : error;
  } finally {
    attempt.release();
  }
}

interface Awaiting extends Pick<SavepointParts, 'disk' | 'clock' | 'attempt'> {
  readonly gone: AbortSignal;
  /** Milliseconds. */
  left(): number | undefined;
}

/** An archive has its name once it is whole; it may replace one that was there before. */
async function archiveThere(
  { disk, clock, attempt, gone, left }: Awaiting,
  path: string,
  before: FileStat | undefined,
): Promise<void> {
  for (;;) {
    const now = await disk.stat(path);
    if (now !== undefined && (now.inode !== before?.inode || now.modified !== before.modified)) return;
    if (gone.aborted) throw callerGone();
    if (attempt.over) throw attemptOver();
    if (left() === 1) throw new TidemarkError('TIMEOUT', `${path} was not there in time; all go on`);
    await clock.sleep(LOOK_MS, gone);
  }
}

/** The other job is behind, and may wait where this one is. */
function passed(error: TidemarkError, job: string, path: string): TidemarkError {
  const hint = `take it the other way round: tidemark savepoint ${job} -o FILE.tar, then: tidemark savepoint <other job> --at FILE.tar; of two live jobs: tidemark savepoint ${job} --at <other job>`;
  return new TidemarkError('POSITION_PASSED', `${path}: ${error.message}`, { ...error.details, hint });
}

/**
 * Both layouts of one barrier: a checkpoint in the job's own mode, which serves recovery and may be externalized for as
 * long as the job retains it, and a savepoint written from it. Gives the checkpoint as it is once the archive has its
 * name. A failure of the savepoint leaves the checkpoint.
 */
export async function takeBoth(
  parts: SavepointParts,
  { full, ...request }: BesideCheckpoint,
): Promise<{ readonly checkpoint: CheckpointRecord; readonly savepoint: SavepointResult }> {
  await refuseBadOutput(request);
  const id = await parts.attempt.checkpoint('asked', { full });
  const savepoint = await save(parts, { ...request, stop: false, drain: false }, id);
  return { checkpoint: parts.catalog.checkpoint(parts.job.id, id), savepoint };
}

async function save(parts: SavepointParts, request: SavepointRequest, id: number): Promise<SavepointResult> {
  const { catalog, clock, job } = parts;
  const path = request.output.endsWith('/')
    ? join(request.output, archiveName(job.name, id))
    : request.output;
  const held = { job: job.id, checkpoint: id, who: 'savepoint', why: path.slice(-200), now: clock.now() };
  const unpin = holdPin(catalog, held);
  try {
    const { digest, bytes } = await write(parts, request, path, catalog.checkpoint(job.id, id));
    const kind = request.stop ? ('stop' as const) : ('savepoint' as const);
    const layout = 'canonical';
    const { reason } = request;
    const takenAt = clock.now();
    const taken = {
      job: job.id,
      checkpoint: id,
      kind,
      layout,
      path,
      digest,
      bytes,
      takenAt,
      reason,
    } as const;
    catalog.recordSavepoint(taken);
    return { path, kind: 'savepoint', layout, digest, bytes, checkpointId: id };
  } finally {
    unpin();
  }
}

async function write(
  parts: SavepointParts,
  request: SavepointRequest,
  path: string,
  checkpoint: CheckpointRecord,
): Promise<{ readonly digest: string; readonly bytes: number }> {
  const { home, job, attempt } = parts;
  const manifest = decodeManifest(checkpoint.manifest, `checkpoint ${job.id}@${checkpoint.id}`);
  const task = new ArchiveTask({
    segments: checkpoint.segments,
    segmentFolder: home.segments,
    spoolFolder: home.job(job.id).folder,
    manifest,
    provenance: await provenance(parts, request, checkpoint.id, manifest.barrierTime),
    // Not what was asked for: another's stop may have drained the checkpoint of a savepoint.
    drained: manifest.drained === true,
    output: path,
    force: request.force,
    sign: request.sign,
  });
  parts.onProgress(() => task.progress);
  const written = await task.written();
  failpoint('savepoint-before-name');
  if (attempt.over) {
    await task.discard();
    throw new TidemarkError('CHECKPOINT_FAILED', 'the attempt ended while its savepoint was written');
  }
  await task.commit();
  failpoint('savepoint-named');
  return written;
}

/** What a savepoint is called when nobody has said. */
export function archiveName(job: string, checkpoint: number): string {
  return `${job}-${checkpoint}.savepoint.tar`;
}

function provenance(
  { job, epoch, clock, attempt }: SavepointParts,
  { reason }: SavepointRequest,
  checkpointId: number,
  barrierTime: number,
): Promise<Provenance> {
  const { parallelism } = job;
  const { targets } = attempt;
  const time = clock.now();
  return provenanceOf({
    job,
    attempt: epoch,
    checkpointId,
    barrierTime,
    parallelism,
    reason,
    targets,
    time,
  });
}
