/** The life of a job (DESIGN 3): which state may follow which. Pure. */
import type { JobState } from './records.js';

export const JOB_STATES = [
  'created',
  'running',
  'restarting',
  'finished',
  'canceled',
  'failed',
  'suspended',
  'lost',
] as const satisfies readonly JobState[];

/** `lost` is never stored: it is what a live state means when nobody holds the job's lock. */
export type StoredJobState = Exclude<JobState, 'lost'>;

/**
 * The legal transitions.
 *
 *     created → running ⇄ restarting → finished | canceled | failed | suspended | lost
 *     suspended, lost, failed → running (resume) | canceled
 */
const NEXT: Readonly<Record<JobState, readonly JobState[]>> = {
  created: ['running', 'canceled', 'failed', 'suspended', 'lost'],
  running: ['restarting', 'finished', 'canceled', 'failed', 'suspended', 'lost'],
  restarting: ['running', 'canceled', 'failed', 'suspended', 'lost'],
  finished: [],
  canceled: [],
  failed: ['running', 'canceled'],
  suspended: ['running', 'canceled'],
  lost: ['running', 'canceled'],
};

export function mayFollow(from: JobState, to: JobState): boolean {
  return NEXT[from].includes(to);
}

/** A process is at work on it, or was until it died. */
export function isLive(state: JobState): boolean {
  return state === 'created' || state === 'running' || state === 'restarting';
}

/** Nothing comes after it. */
export function isOver(state: JobState): boolean {
  return NEXT[state].length === 0;
}

/** No second job of its name may start. A failed one may be resumed, yet does not stand in the way. */
export function holdsName(state: JobState): boolean {
  return !isOver(state) && state !== 'failed';
}
