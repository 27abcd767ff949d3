/**
 * Savepoints of a running job, and stopping with one.
 *
 *     barrier ─▶ checkpoint complete ─▶ sinks commit ─▶ archive written ─▶ archive gets its name ─▶ (stop: job ends)
 *
 * Invariants: the checkpoint of a savepoint commits the sinks and serves recovery, so an archive never holds output
 * that is not committed; its segments are pinned while they are read; when saving fails, the job runs on.
 */
import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import type { Clock } from '../base/clock.js';
import { systemCode, TidemarkError, toTidemarkError } from '../base/errors.js';
import { failpoint } from '../base/failpoint.js';
import type { HomePaths } from '../base/home.js';
import type { Catalog } from '../catalog/catalog.js';
import type { JobRecord, LineageEntry } from '../catalog/records.js';
import { decodeManifest } from '../format/manifest.js';
import type { Provenance } from '../format/provenance.js';
import { type ArchiveProgress, ArchiveTask } from './archive-task.js';
import { gitCommitOf } from './git-commit.js';
import type { RunningAttempt } from './run-attempt.js';
import { TOOL_VERSION } from './tool-version.js';

/** How long a pin outlives a process that died while it read: days, so that no archive is ever cut short. */
const PIN_MS = 2 * 24 * 3_600_000;

export interface SavepointRequest {
  /** Absolute path of the archive; a folder, with the name of {@link archiveName} in it, when it ends in `/`. */
  readonly output: string;
  /** Replace a file that is there. */
  readonly force: boolean;
  readonly reason: string | undefined;
  /** End the job with it. */
  readonly stop: boolean;
  readonly drain: boolean;
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
  readonly job: JobRecord;
  readonly epoch: number;
  readonly attempt: RunningAttempt;
  onProgress(progress: () => ArchiveProgress): void;
}

/** Takes one. Rejects with FILE_EXISTS, CHECKPOINT_FAILED, or what the disk says; the job then runs on. */
export async function takeSavepoint(
  parts: SavepointParts,
  request: SavepointRequest,
): Promise<SavepointResult> {
  await refuseBadOutput(request);
  const { attempt } = parts;
  const id = request.stop ? await attempt.stop() : await attempt.checkpoint('savepoint');
  try {
    return await save(parts, request, id);
  } catch (error) {
    if (request.stop) attempt.goOn();
    throw error;
  }
}

async function save(parts: SavepointParts, request: SavepointRequest, id: number): Promise<SavepointResult> {
  const { catalog, home, clock, job, attempt } = parts;
  const path = request.output.endsWith('/')
    ? join(request.output, archiveName(job.name, id))
    : request.output;
  const until = clock.now() + PIN_MS;
  const pin = catalog.pin(job.id, id, { who: 'savepoint', why: path.slice(-200), until });
  try {
    const checkpoint = catalog.checkpoint(job.id, id);
    const manifest = decodeManifest(checkpoint.manifest, `checkpoint ${job.id}@${id}`);
    const task = new ArchiveTask({
      segments: checkpoint.segments,
      segmentFolder: home.segments,
      spoolFolder: home.job(job.id).folder,
      manifest,
      provenance: await provenanceOf(parts, request, id, manifest.barrierTime),
      drained: request.drain,
      output: path,
      force: request.force,
    });
    parts.onProgress(() => task.progress);
    const { digest, bytes } = await task.written();
    failpoint('savepoint-before-name');
    if (attempt.over) {
      await task.discard();
      throw new TidemarkError('CHECKPOINT_FAILED', 'the attempt ended while its savepoint was written');
    }
    await task.commit();
    failpoint('savepoint-named');
    const kind = request.stop ? ('stop' as const) : ('savepoint' as const);
    const { reason } = request;
    const takenAt = clock.now();
    catalog.recordSavepoint({
      job: job.id,
      checkpoint: id,
      kind,
      layout: 'canonical',
      path,
      digest,
      bytes,
      takenAt,
      reason,
    });
    return { path, kind: 'savepoint', layout: 'canonical', digest, bytes, checkpointId: id };
  } finally {
    catalog.unpin(pin);
  }
}

/** What a savepoint is called when nobody has said. */
export function archiveName(job: string, checkpoint: number): string {
  return `${job}-${checkpoint}.savepoint.tar`;
}

/** Found before the barrier what would fail after it; the default name is known only then. */
async function refuseBadOutput({ output, force }: SavepointRequest): Promise<void> {
  const folder = output.endsWith('/') ? output : dirname(output);
  const found = folder === output ? undefined : await stat(output).catch(absentAsUndefined);
  if (found?.isDirectory() === true) {
    throw new TidemarkError('FILE_EXISTS', `${output} is a folder`, {
      hint: 'give the -o FILE of the archive',
    });
  }
  if (found !== undefined && !force) {
    throw new TidemarkError('FILE_EXISTS', `${output} is there already`, {
      hint: 'give another -o FILE, or --force',
    });
  }
  const writable = await access(folder, constants.W_OK | constants.X_OK).then(
    () => undefined,
    (error: unknown) => systemCode(error),
  );
  if (writable === undefined) return;
  if (writable === 'ENOENT' || writable === 'ENOTDIR') {
    throw new TidemarkError('FILE_NOT_FOUND', `the folder ${folder} does not exist`, {
      hint: `mkdir -p ${folder}`,
    });
  }
  throw new TidemarkError('PERMISSION', `the job may not write to ${folder} (${writable})`, {
    hint: 'give another -o FILE',
  });
}

function absentAsUndefined(error: unknown): undefined {
  const code = systemCode(error);
  if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
  throw toTidemarkError(error);
}

/** Whose transactions a state of this job includes, its own first. */
export function lineageOf(job: JobRecord, checkpoint: number): readonly LineageEntry[] {
  return [{ job: job.id, checkpoint }, ...(job.origin?.lineage ?? [])];
}

async function provenanceOf(
  { job, epoch, clock, attempt }: SavepointParts,
  request: SavepointRequest,
  checkpointId: number,
  barrierTime: number,
): Promise<Provenance> {
  return {
    job: { id: job.id, name: job.name },
    attempt: epoch,
    checkpointId,
    parallelism: job.parallelism,
    time: clock.now(),
    barrierTime,
    host: hostname(),
    toolVersion: TOOL_VERSION,
    reason: request.reason ?? null,
    parentDigest: job.origin?.digest ?? null,
    bundleHash: job.bundle,
    definitionFile: job.definition,
    gitCommit: await gitCommitOf(dirname(job.definition)),
    lineage: lineageOf(job, checkpointId),
    targets: attempt.targets,
    params: job.params,
    cwd: job.cwd,
  };
}
