/**
 * What `prune` removes and what it keeps, each with the reason. Pure.
 *
 * Rules, the first that fits:
 *     named or not, never   a checkpoint of a job that runs; a pinned one; an archive, whatever is asked
 *     job@CHECKPOINT        goes, also the last one of a job that could be resumed from it
 *     the last one          of a suspended, failed or lost job stays: resume goes on from it
 *     --keep-last N, --older-than D
 *                           go: those not among the newest N of their job, and completed longer than D ago; of the
 *                           jobs that are named, else of all
 *     job                   without these, all of its checkpoints go
 *     all others            stay: they belong to the user
 *
 * Segments go when the last checkpoint that refers to them goes, and when nothing has known them at all.
 */
import { formatDuration } from '../base/duration.js';
import { type ErrorCode, TidemarkError } from '../base/errors.js';
import { isOver } from '../catalog/job-state.js';
import type { CheckpointRecord, PinRecord } from '../catalog/records.js';
import type { HomeFile, Survey, SurveyedJob, SurveyedSegment } from './survey.js';

export interface PruneWish {
  /** By the job's id; without a checkpoint, all of them. */
  readonly named: readonly { readonly job: string; readonly checkpoint: number | undefined }[];
  readonly keepLast: number | undefined;
  /** Milliseconds since its completion. */
  readonly olderThan: number | undefined;
}

/** Kept: running, pinned, resume, policy, yours. Dropped: named, policy. */
export type Why = 'running' | 'pinned' | 'resume' | 'policy' | 'yours' | 'named';

export interface PlannedCheckpoint {
  readonly job: { readonly id: string; readonly name: string };
  readonly id: number;
  readonly action: 'keep' | 'drop';
  readonly why: Why;
  readonly text: string;
  readonly completedAt: number;
  readonly bytes: CheckpointRecord['bytes'];
  /** Why what was named by its number stays after all. */
  readonly refusal: TidemarkError | undefined;
}

export interface PlannedSegment {
  readonly name: string;
  readonly bytes: number;
  readonly action: 'keep' | 'drop';
  /** Checkpoints that refer to it and stay, as `job@id`. */
  readonly references: readonly string[];
  /** Kept: checkpoints, lease. Dropped: checkpoints (all that referred to it go), leaked. */
  readonly why: 'checkpoints' | 'lease' | 'leaked';
}

export interface PrunePlan {
  /** Completed ones of all jobs, the newest job first, then the oldest checkpoint. */
  readonly checkpoints: readonly PlannedCheckpoint[];
  readonly segments: readonly PlannedSegment[];
  readonly unfinished: readonly HomeFile[];
  readonly bundles: Survey['bundles'];
  readonly leases: number;
  readonly pins: number;
}

export function planPrune(survey: Survey, wish: PruneWish, now: number): PrunePlan {
  const checkpoints = survey.jobs.flatMap((job) => planJob(job, wish, now));
  return {
    checkpoints,
    segments: planSegments(survey.segments, checkpoints),
    unfinished: survey.unfinished,
    bundles: survey.bundles,
    leases: survey.staleLeases.length,
    pins: survey.expiredPins.length,
  };
}

/** The completed checkpoints of one job, oldest first. */
export function planJob(surveyed: SurveyedJob, wish: PruneWish, now: number): PlannedCheckpoint[] {
  const { id, name } = surveyed.job;
  const completed = surveyed.checkpoints.filter(({ state }) => state === 'completed');
  return completed.map((checkpoint, at) => {
    const newer = completed.length - 1 - at;
    const { action, why, text, stays } = judge(surveyed, checkpoint, newer, wish, now);
    const completedAt = checkpoint.completedAt ?? checkpoint.triggeredAt;
    const refusal =
      stays === undefined
        ? undefined
        : new TidemarkError(stays.code, `${name}@${checkpoint.id} stays: ${text}`, { hint: stays.hint });
    return {
      job: { id, name },
      id: checkpoint.id,
      action,
      why,
      text,
      completedAt,
      bytes: checkpoint.bytes,
      refusal,
    };
  });
}

interface Verdict {
  readonly action: 'keep' | 'drop';
  readonly why: Why;
  readonly text: string;
  /** Set when it was named by its number and stays. */
  readonly stays?: Stays;
}

interface Stays {
  readonly code: ErrorCode;
  readonly hint: string;
}

function judge(
  { job, held, pins, checkpoints }: SurveyedJob,
  checkpoint: CheckpointRecord,
  newer: number,
  wish: PruneWish,
  now: number,
): Verdict {
  const ofJob = wish.named.filter((one) => one.job === job.id);
  const exact = ofJob.some((one) => one.checkpoint === checkpoint.id);
  const asked = exact || ofJob.some((one) => one.checkpoint === undefined);
  const keep = (why: Why, text: string, stays?: Stays): Verdict =>
    stays === undefined ? { action: 'keep', why, text } : { action: 'keep', why, text, stays };
  const what = `${job.name}@${checkpoint.id}`;
  const pin = pins.find((one) => one.checkpoint === checkpoint.id);
  if (pin !== undefined) {
    const hint = pin.until === undefined ? `tidemark pin ${what} --remove` : 'tidemark pin';
    return keep('pinned', pinText(pin), exact ? { code: 'CHECKPOINT_PINNED', hint } : undefined);
  }
  if (held) {
    const text = 'its job runs, and drops it itself when it has newer ones';
    const hint = `leave ${what} to the job, or end it first: tidemark suspend ${job.id}`;
    return keep('running', text, asked ? { code: 'JOB_RUNNING', hint } : undefined);
  }
  const last = !isOver(job.state) && checkpoint.id === latestOf(checkpoints);
  if (exact) return { action: 'drop', why: 'named', text: last ? lastGoes(job.name, checkpoint) : 'named' };
  const { keepLast, olderThan } = wish;
  const hasPolicy = keepLast !== undefined || olderThan !== undefined;
  if (last) return keep('resume', `resume goes on from it; to drop it: prune ${job.name}@${checkpoint.id}`);
  if (!asked && (!hasPolicy || wish.named.length > 0))
    return keep('yours', 'it is yours: name it, or give --keep-last or --older-than');
  if (keepLast !== undefined && newer < keepLast) return keep('policy', `among the last ${keepLast}`);
  const age = Math.max(0, now - (checkpoint.completedAt ?? checkpoint.triggeredAt));
  if (olderThan !== undefined && age <= olderThan)
    return keep('policy', `not older than ${formatDuration(olderThan)}`);
  return hasPolicy
    ? { action: 'drop', why: 'policy', text: policyText(wish) }
    : { action: 'drop', why: 'named', text: 'its job is named' };
}

/** What a job can be resumed from, if it is still there: never an older one. */
export function latestOf(checkpoints: SurveyedJob['checkpoints']): number | undefined {
  return checkpoints.findLast(({ completedAt }) => completedAt !== undefined)?.id;
}

function lastGoes(job: string, { committedAt }: CheckpointRecord): string {
  const output = committedAt === undefined ? ', and the output it owes is lost' : '';
  return `named; ${job} cannot be resumed then${output}`;
}

/** That of a command means that it may read the checkpoint; a killed one's runs out by itself. */
function pinText({ who, why, until }: PinRecord): string {
  const ends = until === undefined ? '' : ` until ${new Date(until).toISOString()}`;
  return `pinned by ${who}${ends}: ${why}`;
}

function policyText({ keepLast, olderThan }: PruneWish): string {
  const parts = [
    ...(keepLast === undefined ? [] : [`not among the last ${keepLast}`]),
    ...(olderThan === undefined ? [] : [`older than ${formatDuration(olderThan)}`]),
  ];
  return parts.join(', ');
}

function planSegments(
  segments: readonly SurveyedSegment[],
  checkpoints: readonly PlannedCheckpoint[],
): PlannedSegment[] {
  const stays = new Map(checkpoints.map((one) => [`${one.job.id}@${one.id}`, one]));
  return segments.flatMap(({ name, found, checkpoints: all, leasedBy }) => {
    // What is missing cannot go; doctor tells of it.
    if (found === undefined) return [];
    const references = all.flatMap(({ job, id }) => {
      const planned = stays.get(`${job}@${id}`);
      // One that was completed since: it stays.
      if (planned === undefined) return [`${job}@${id}`];
      return planned.action === 'keep' ? [`${planned.job.name}@${id}`] : [];
    });
    const known = all.length > 0 ? 'checkpoints' : 'leaked';
    const why = references.length === 0 && leasedBy.length > 0 ? 'lease' : known;
    const action = references.length > 0 || leasedBy.length > 0 ? 'keep' : 'drop';
    return [{ name, bytes: found, action, references, why }];
  });
}
