/** Statements about pins: who keeps a checkpoint from being dropped, and until when. */
import { TidemarkError } from '../base/errors.js';
import { findCheckpoint, lastCompleted } from './checkpoints.js';
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

/** Lets a pin with an end last for `ms` from now. One that is gone stays gone. */
export function renewPin({ db, clock }: CatalogContext, id: number, ms: number): void {
  db.run('UPDATE pins SET until = ? WHERE id = ? AND until IS NOT NULL', [clock.now() + ms, id]);
}

/** Who holds the pins that a person sets. */
export const USER = 'user';

/**
 * Keeps a checkpoint, the last completed one without `checkpoint`, until {@link unpinForUser}: one such pin per
 * checkpoint, whose reason is the last one given. Returns the checkpoint's id. @throws CHECKPOINT_NOT_FOUND
 */
export function pinForUser(
  context: CatalogContext,
  job: string,
  checkpoint: number | undefined,
  why: string,
): number {
  return context.db.transaction(() => {
    const id = checkpoint ?? lastCompleted(context, job)?.id;
    if (id === undefined) {
      throw new TidemarkError('CHECKPOINT_NOT_FOUND', `job ${job} has no checkpoint that is still kept`, {
        hint: `tidemark checkpoints ${job}`,
      });
    }
    unpinForUser(context, job, id);
    pin(context, job, id, { who: USER, why });
    return id;
  });
}

/** Takes the user's pin away; false when there was none. */
export function unpinForUser({ db }: CatalogContext, job: string, checkpoint: number): boolean {
  const where = [job, checkpoint, USER];
  return db.run('DELETE FROM pins WHERE job = ? AND checkpoint = ? AND who = ?', where) > 0;
}

/** Taking away what is gone is no error. */
export function unpin({ db }: CatalogContext, id: number): void {
  db.run('DELETE FROM pins WHERE id = ?', [id]);
}
