/** Statements about pins: who keeps a checkpoint from being dropped, and until when. */
import { TidemarkError } from '../base/errors.js';
import { findCheckpoint } from './checkpoints.js';
import type { CatalogContext } from './context.js';
import { RowReader } from './row.js';

export interface Pin {
  /** Who holds it: a command, or `user`. */
  readonly who: string;
  readonly why: string;
  /** Milliseconds since 1970 after which it means nothing; undefined: until it is taken away. */
  readonly until?: number;
}

/**
 * Keeps a completed checkpoint; returns the pin's id, for {@link unpin}. Commands that read segments do this
 * first, with an end, so that a killed command keeps nothing for ever.
 * @throws CHECKPOINT_NOT_FOUND when it is absent, or no longer there to be kept.
 */
export function pin(context: CatalogContext, job: string, checkpoint: number, wanted: Pin): number {
  const { db } = context;
  return db.transaction(() => {
    const { state } = findCheckpoint(context, job, checkpoint);
    if (state !== 'completed') {
      throw new TidemarkError('CHECKPOINT_NOT_FOUND', `checkpoint ${job}@${checkpoint} is ${state}`, {
        hint: `tidemark checkpoints ${job}`,
      });
    }
    const row = db.get(
      'INSERT INTO pins (job, checkpoint, who, why, until) VALUES (?, ?, ?, ?, ?) RETURNING id',
      [job, checkpoint, wanted.who, wanted.why, wanted.until ?? null],
    );
    return new RowReader('pins', `${job}@${checkpoint}`, row ?? {}).count('id');
  });
}

/** Taking away what is gone is no error. */
export function unpin({ db }: CatalogContext, id: number): void {
  db.run('DELETE FROM pins WHERE id = ?', [id]);
}
