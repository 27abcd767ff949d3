import { TidemarkError } from '../base/errors.js';
import type { Catalog } from '../catalog/catalog.js';
import type { CheckpointRecord, JobRecord } from '../catalog/records.js';

const PIN_TRIES = 10;
/** How long a pin outlives a process that was killed while it read, and how often one that lives renews it. */
const PIN_MS = 15 * 60_000;
const RENEW_MS = 60_000;

export interface PinnedCheckpoint {
  readonly checkpoint: CheckpointRecord;
  /** Takes the pin away. A process that ends before, as where nobody reads its stdout on, does so by itself. */
  unpin(): void;
}

/**
 * Pins a completed checkpoint, the newest one without an id, so that its segments stay while they are read. A live job
 * takes the next one, and drops the last, between looking and pinning; then it is looked again.
 * @throws CHECKPOINT_NOT_FOUND
 */
export function pinCheckpoint(
  catalog: Catalog,
  job: JobRecord,
  id: number | undefined,
  { who, now }: { readonly who: string; readonly now: number },
): PinnedCheckpoint {
  for (let tries = 1; ; tries++) {
    const checkpoint = completedCheckpoint(catalog, job, id);
    try {
      const why = `${job.id}@${checkpoint.id}`;
      return {
        checkpoint,
        unpin: holdPin(catalog, { job: job.id, checkpoint: checkpoint.id, who, why, now }),
      };
    } catch (error) {
      const dropped = error instanceof TidemarkError && error.code === 'CHECKPOINT_NOT_FOUND';
      if (id !== undefined || !dropped || tries === PIN_TRIES) throw error;
    }
  }
}

export interface HeldPin {
  readonly job: string;
  readonly checkpoint: number;
  /** The command that reads, and what for. */
  readonly who: string;
  readonly why: string;
  /** Milliseconds since 1970. */
  readonly now: number;
}

/** Pins a completed checkpoint for as long as this process lives; returns what takes the pin away. @throws CHECKPOINT_NOT_FOUND */
export function holdPin(catalog: Catalog, { job, checkpoint, who, why, now }: HeldPin): () => void {
  const pin = catalog.pin(job, checkpoint, { who, why, until: now + PIN_MS });
  const renewal = setInterval(() => {
    try {
      catalog.renewPin(pin, PIN_MS);
    } catch {
      // A busy catalog: the pin lasts longer than several of these.
    }
  }, RENEW_MS).unref();
  return untilExit(() => {
    clearInterval(renewal);
    catalog.unpin(pin);
  });
}

/** `release`, which happens once: when it is called, else when the process exits. */
function untilExit(release: () => void): () => void {
  const once = () => {
    process.off('exit', once);
    release();
  };
  process.once('exit', once);
  return once;
}

/** The checkpoint of this id in whatever state, else the last completed one. @throws CHECKPOINT_NOT_FOUND */
export function completedCheckpoint(
  catalog: Catalog,
  { id: job, name, state }: JobRecord,
  id: number | undefined,
): CheckpointRecord {
  const checkpoint = id === undefined ? catalog.lastCompleted(job) : catalog.checkpoint(job, id);
  if (checkpoint !== undefined) return checkpoint;
  // One that runs keeps its newest: there was none.
  if (id === undefined && (state === 'running' || state === 'restarting'))
    throw new TidemarkError('CHECKPOINT_NOT_FOUND', `${name} (${job}) has no checkpoint yet`, {
      hint: `wait for its first: tidemark wait ${name} --until checkpoint`,
    });
  throw new TidemarkError('CHECKPOINT_NOT_FOUND', `${name} (${job}) has no checkpoint that is still kept`, {
    hint: `look for an archive: tidemark snapshots ${name}`,
  });
}
