/** The error for entries that are not what a snapshot of these tables may hold. */
import { TidemarkError } from '../base/errors.js';

export function snapshotCorrupt(message: string): TidemarkError {
  return new TidemarkError('SEGMENT_CORRUPT', message, {
    hint: 'go on from another snapshot of the job: tidemark checkpoints JOB',
  });
}
