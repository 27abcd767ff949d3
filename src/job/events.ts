import type { ErrorRecord } from '../base/errors.js';
import type { JobState } from '../catalog/records.js';
import type { MergeReport } from './chain.js';

/** What a runner tells whoever started it. */
export type RunnerEvent =
  | { readonly type: 'state'; readonly state: JobState }
  | { readonly type: 'attempt'; readonly epoch: number }
  | { readonly type: 'running'; readonly epoch: number; readonly fromCheckpoint: number | undefined }
  | { readonly type: 'checkpoint'; readonly id: number; readonly bytes: number; readonly durationMs: number }
  | { readonly type: 'checkpoint-failed'; readonly id: number; readonly error: ErrorRecord }
  | ({ readonly type: 'merge' } & MergeReport)
  | { readonly type: 'failure'; readonly error: ErrorRecord; readonly restartInMs: number | null }
  | { readonly type: 'log'; readonly text: string };
