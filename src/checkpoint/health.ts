/**
 * Whether a home is well: what is corrupt or missing, what the dead have left, what is worth knowing. Reads only.
 *
 * A running job drops and takes checkpoints while this looks; so what seems missing or leaked is looked at a second
 * time, and told only when it still is.
 */
import { createHash } from 'node:crypto';
import type { Disk } from '../base/disk.js';
import { systemCode, TidemarkError } from '../base/errors.js';
import { formatBytes } from '../base/size.js';
import type { Catalog } from '../catalog/catalog.js';
import { isOver } from '../catalog/job-state.js';
import type { SegmentUse } from '../catalog/records.js';
import { type Survey, type SurveyedJob, surveyHome } from './survey.js';

const HASH_BYTES = 1024 * 1024;
/** Names listed in one finding. */
const SHOWN = 3;

export interface Finding {
  readonly code: FindingCode;
  /** error: something is corrupt or missing; warning: something is left to do; info: worth knowing. */
  readonly severity: 'error' | 'warning' | 'info';
  readonly what: string;
  /** What to do about it, where something can be done. */
  readonly hint: string | null;
}

export type FindingCode =
  | 'CATALOG_CORRUPT'
  | 'SEGMENT_MISSING'
  | 'SEGMENT_CORRUPT'
  | 'BUNDLE_MISSING'
  | 'BUNDLE_CORRUPT'
  | 'ORIGIN_GONE'
  | 'JOB_LOST'
  | 'JOB_WITHOUT_CHECKPOINT'
  | 'SEGMENT_LEAKED'
  | 'FILE_UNFINISHED'
  | 'BUNDLE_UNUSED'
  | 'LEASE_STALE'
  | 'PIN_EXPIRED'
  | 'ARCHIVE_GONE'
  | 'DISK_LOW';

export interface JobUsage {
  readonly id: string;
  readonly name: string;
  readonly state: string;
  readonly checkpoints: number;
  /** Of the segments that its checkpoints refer to, each counted once. */
  readonly retainedBytes: number;
}

export interface Health {
  readonly findings: readonly Finding[];
  readonly jobs: readonly JobUsage[];
  /** All of the home. */
  readonly segments: { readonly count: number; readonly bytes: number };
}

export interface HealthOptions {
  readonly now: number;
  /** Read every segment, and hold it against its name. */
  readonly deep: boolean;
  /** Rejects with BUNDLE_CORRUPT or FILE_NOT_FOUND when a job's frozen definition is not as it was. */
  verifyBundle(hash: string): Promise<unknown>;
  /** Segments looked at so far, of all. */
  onProgress?(done: number, of: number): void;
}

export async function examineHome(disk: Disk, catalog: Catalog, options: HealthOptions): Promise<Health> {
  const problems = catalog.problems().map((line): Finding => {
    return error('CATALOG_CORRUPT', `${catalog.home.catalog}: ${line}`, 'bring the file back from a backup');
  });
  const survey = await surveyHome(disk, catalog, options.now);
  const present = survey.segments.filter(({ found }) => found !== undefined);
  return {
    findings: [
      ...problems,
      ...(await examineSegments(disk, catalog, survey, options)),
      ...(await examineJobs(disk, catalog, survey, options)),
      ...(await leftovers(disk, catalog, survey)),
      ...(await archivesGone(disk, catalog)),
    ],
    jobs: survey.jobs.map((job) => usage(job, survey.segments)),
    segments: {
      count: present.length,
      bytes: present.reduce((sum, { found }) => sum + (found ?? 0), 0),
    },
  };
}

async function examineSegments(
  disk: Disk,
  catalog: Catalog,
  { segments, jobs }: Survey,
  { deep, onProgress }: HealthOptions,
): Promise<Finding[]> {
  const names = new Map(jobs.map(({ job }) => [job.id, job.name]));
  const referred = segments.filter(({ checkpoints }) => checkpoints.length > 0);
  const findings: Finding[] = [];
  for (const [done, use] of referred.entries()) {
    onProgress?.(done, referred.length);
    const finding = await examineSegment(disk, catalog, use, deep, names);
    if (finding === undefined) continue;
    const now = catalog.segments().find(({ name }) => name === use.name);
    if (now !== undefined && now.checkpoints.length > 0) findings.push(finding);
  }
  return findings;
}

async function examineSegment(
  disk: Disk,
  catalog: Catalog,
  use: SegmentUse,
  deep: boolean,
  names: ReadonlyMap<string, string>,
): Promise<Finding | undefined> {
  const path = catalog.home.segment(use.name);
  const holders = use.checkpoints.map(({ job, id }) => `${names.get(job) ?? job}@${id}`);
  const whose = `${path}, which ${few(holders)} ${holders.length === 1 ? 'needs' : 'need'}`;
  const hint = `bring it back from a backup; else a savepoint is the way back: tidemark snapshots`;
  const stat = await disk.stat(path);
  if (stat === undefined) return error('SEGMENT_MISSING', `${whose}, is missing`, hint);
  if (stat.size !== use.bytes)
    return error('SEGMENT_CORRUPT', `${whose}: expected ${use.bytes} bytes, found ${stat.size}`, hint);
  if (!deep) return undefined;
  const hash = await hashOf(disk, path);
  if (hash === undefined || hash === use.name) return undefined;
  return error('SEGMENT_CORRUPT', `${whose}: its SHA-256 is ${hash}`, hint);
}

/** Undefined when it has gone. */
async function hashOf(disk: Disk, path: string): Promise<string | undefined> {
  try {
    const file = await disk.open(path);
    try {
      const hash = createHash('sha256');
      const buffer = Buffer.allocUnsafe(HASH_BYTES);
      for (let offset = 0; ; ) {
        const read = await file.read(buffer, offset);
        if (read === 0) return hash.digest('hex');
        hash.update(buffer.subarray(0, read));
        offset += read;
      }
    } finally {
      await file.close();
    }
  } catch (failure) {
    if (systemCode(failure) === 'ENOENT') return undefined;
    throw failure;
  }
}

async function examineJobs(
  disk: Disk,
  catalog: Catalog,
  { jobs }: Survey,
  { verifyBundle }: HealthOptions,
): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const { job } of jobs) {
    const { id, name, state, origin } = job;
    if (isOver(state)) continue;
    if (state === 'lost') {
      const what = `job ${name} (${id}) is lost: its process has died`;
      findings.push({ code: 'JOB_LOST', severity: 'warning', what, hint: `tidemark resume ${name}` });
    }
    const finding = await verifyBundle(job.bundle).then(() => undefined, bundleFinding(name, id));
    if (finding !== undefined) findings.push(finding);
    const latest = catalog.latestCheckpoint(id);
    if (latest?.state === 'completed') continue;
    if (latest !== undefined) {
      const what = `job ${name} (${id}) is ${state}, and its last checkpoint is gone: it cannot be resumed`;
      const hint = `tidemark snapshots ${name}; then tidemark cancel ${id}`;
      findings.push({ code: 'JOB_WITHOUT_CHECKPOINT', severity: 'warning', what, hint });
    } else if (origin !== undefined && (await disk.stat(origin.path)) === undefined) {
      const what = `${origin.path}, from which job ${name} (${id}) begins, is gone`;
      findings.push(error('ORIGIN_GONE', what, 'bring it back, or restore another'));
    }
  }
  return findings;
}

function bundleFinding(name: string, id: string): (failure: unknown) => Finding {
  return (failure) => {
    if (!(failure instanceof TidemarkError)) throw failure;
    const code = failure.code === 'FILE_NOT_FOUND' ? 'BUNDLE_MISSING' : 'BUNDLE_CORRUPT';
    const hint = `tidemark resume ${name} --definition FILE`;
    return error(code, `job ${name} (${id}): ${failure.message}`, hint);
  };
}

async function leftovers(disk: Disk, catalog: Catalog, survey: Survey): Promise<Finding[]> {
  const findings: Finding[] = [];
  const add = (code: FindingCode, what: string) =>
    findings.push({ code, severity: 'warning', what, hint: 'tidemark prune' });
  const unknown = survey.segments.filter((use) => use.checkpoints.length + use.leasedBy.length === 0);
  for (const name of catalog.orphanSegments(unknown.map(({ name }) => name))) {
    const stat = await disk.stat(catalog.home.segment(name));
    if (stat !== undefined)
      add(
        'SEGMENT_LEAKED',
        `${catalog.home.segment(name)}: ${formatBytes(stat.size)} that nothing refers to`,
      );
  }
  for (const { path, bytes } of survey.unfinished)
    add('FILE_UNFINISHED', `${path}: ${formatBytes(bytes)}, half-written and left`);
  for (const { path, bytes } of survey.bundles)
    add('BUNDLE_UNUSED', `${path}: ${formatBytes(bytes)}, a definition that no job has`);
  const jobs = [...new Set(survey.staleLeases.map(({ job }) => job))];
  if (jobs.length > 0)
    add(
      'LEASE_STALE',
      `${survey.staleLeases.length} leases of processes that have died, of job ${few(jobs)}`,
    );
  for (const { job, checkpoint, who } of survey.expiredPins)
    add('PIN_EXPIRED', `the pin of ${job}@${checkpoint} by ${who} has run out`);
  return findings;
}

/** The files are the user's to move and to remove; only the newest at a path can still be there. */
async function archivesGone(disk: Disk, catalog: Catalog): Promise<Finding[]> {
  const byPath = new Map(catalog.savepoints().map((record) => [record.path, record]));
  const findings: Finding[] = [];
  for (const { path, job, checkpoint, kind } of byPath.values()) {
    // Written there for a pipe, and removed once it was sent.
    if (path.startsWith(`${catalog.home.job(job).folder}/`)) continue;
    const gone = await disk.stat(path).then(
      (stat) => stat === undefined,
      () => false,
    );
    if (!gone) continue;
    const what = `${path}, the ${kind} of ${job}@${checkpoint}, is not there any more`;
    findings.push({ code: 'ARCHIVE_GONE', severity: 'info', what, hint: null });
  }
  return findings;
}

function usage({ job, checkpoints }: SurveyedJob, segments: Survey['segments']): JobUsage {
  const completed = checkpoints.filter(({ state }) => state === 'completed');
  const own = new Set(completed.flatMap((one) => one.segments));
  const retainedBytes = segments.reduce((sum, { name, bytes }) => sum + (own.has(name) ? bytes : 0), 0);
  const { id, name, state } = job;
  return { id, name, state, checkpoints: completed.length, retainedBytes };
}

function error(code: FindingCode, what: string, hint: string): Finding {
  return { code, severity: 'error', what, hint };
}

function few(names: readonly string[]): string {
  const more = names.length - SHOWN;
  return `${names.slice(0, SHOWN).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}
