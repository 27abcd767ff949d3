import { TidemarkError } from '../base/errors.js';

/** What every reader of segments throws for bytes that are not as FORMAT.md says. `label` names the file. */
export function segmentCorrupt(label: string, offset: number, what: string): TidemarkError {
  return new TidemarkError('SEGMENT_CORRUPT', `${label} is damaged at byte ${offset}: ${what}`, {
    hint: 'go on from another snapshot of the job: tidemark checkpoints JOB',
  });
}
