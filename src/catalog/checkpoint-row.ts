/** A row of table `checkpoints` as a record, and why it is kept. */

import type { Row } from '../sqlite/sqlite.js';
import { isOver } from './job-state.js';
import type { CheckpointRecord, JobState } from './records.js';
import { RowReader } from './row.js';

const STATES = ['pending', 'completed', 'failed', 'subsumed'] as const;
const KINDS = ['periodic', 'asked', 'final', 'suspend', 'savepoint', 'stop'] as const;
const MODES = ['full', 'incremental'] as const;

/** What stands in other rows. */
export interface CheckpointSurroundings {
  readonly segments: readonly string[];
  readonly pinned: boolean;
  /** The id of the job's newest completed one. */
  readonly newest: number | undefined;
  readonly jobState: JobState;
}

export function readCheckpoint(row: Row, around: CheckpointSurroundings): CheckpointRecord {
  const read = new RowReader('checkpoints', `${row['job']}@${row['id']}`, row);
  const id = read.count('id');
  const state = read.oneOf('state', STATES);
  return {
    id,
    job: read.text('job'),
    epoch: read.count('epoch'),
    state,
    kind: read.oneOf('kind', KINDS),
    mode: read.oneOf('layout', MODES),
    triggeredAt: read.count('triggered_at'),
    completedAt: read.maybe('completed_at', read.count),
    committedAt: read.maybe('committed_at', read.count),
    durationMs: read.maybe('duration_ms', read.amount),
    longestSliceMs: read.maybe('longest_slice_ms', read.amount),
    bytes: {
      own: read.count('bytes_own'),
      shared: read.count('bytes_shared'),
      total: read.count('bytes_total'),
    },
    manifest: read.maybe('manifest', read.json),
    segments: around.segments,
    retainedBy: state === 'completed' ? retainedBy(id, around) : [],
    error: read.maybe('error', read.error),
  };
}

/** Why a completed checkpoint is kept. Pure. */
export function retainedBy(id: number, around: Omit<CheckpointSurroundings, 'segments'>): readonly string[] {
  const why = isOver(around.jobState) ? 'ended-job' : id === around.newest ? 'recovery' : 'retain';
  return around.pinned ? [why, 'pin'] : [why];
}
