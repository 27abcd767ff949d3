/** What an upgrade came to: the document that `--json` prints, and the error that it ends with. Pure. */
import { TidemarkError } from '../base/errors.js';
import type { JobRecord } from '../catalog/records.js';
import type { SavepointResult } from './savepoint.js';
import { jobOutcome } from './status.js';
import type { Outcome, Step } from './upgrade-plan.js';

export interface StepRecord {
  readonly step: Step;
  readonly ok: boolean;
  readonly message: string;
  readonly durationMs: number;
}

type Saved = Pick<SavepointResult, 'path' | 'digest' | 'checkpointId'>;

export interface UpgradeReport {
  readonly outcome: Outcome;
  /** What runs now, or has just ended by itself; null when neither version does. */
  readonly job: ReturnType<typeof jobOutcome> | null;
  readonly old: { readonly id: string; readonly name: string };
  /** The new version's job, also when it was given up. */
  readonly new: { readonly id: string; readonly name: string } | null;
  /** What the old version was stopped with; null when it was not. */
  readonly savepoint: Saved | null;
  readonly steps: readonly StepRecord[];
  /** Why it did not come to an upgrade. */
  readonly error: { readonly code: string; readonly message: string; readonly hint: string | null } | null;
}

export interface Ending {
  readonly outcome: Outcome;
  readonly old: JobRecord;
  readonly next: JobRecord | undefined;
  readonly back: JobRecord | undefined;
  readonly savepoint: Saved | undefined;
  readonly steps: readonly StepRecord[];
  readonly cause: TidemarkError | undefined;
  /** The new version has completed a checkpoint. */
  readonly beyond: boolean;
}

export function upgradeReport(ending: Ending): UpgradeReport {
  const { outcome, old, next, back, savepoint, steps } = ending;
  const job = { upgraded: next, refused: old, 'rolled-back': back, stranded: undefined }[outcome];
  const error = errorOf(ending);
  const named = ({ id, name }: JobRecord) => ({ id, name });
  return {
    outcome,
    job: job === undefined ? null : jobOutcome(job),
    old: named(old),
    new: next === undefined ? null : named(next),
    savepoint: savepoint === undefined ? null : savedOf(savepoint),
    steps,
    error:
      error === undefined
        ? null
        : { code: error.code, message: error.message, hint: error.details.hint ?? null },
  };
}

function savedOf({ path, digest, checkpointId }: Saved): Saved {
  return { path, digest, checkpointId };
}

/** The error that the command ends with; undefined for an upgrade. */
export function errorOf(ending: Ending): TidemarkError | undefined {
  const { outcome, old, next, back, cause } = ending;
  const { name } = old;
  const why = cause === undefined ? '' : `: ${cause.message}`;
  // Operator, element and line of the user's code, where it was that.
  const where = { ...cause?.details, cause };
  switch (outcome) {
    case 'upgraded':
      return undefined;
    case 'refused': {
      const hint = cause?.details.hint ?? `tidemark status ${name}`;
      return new TidemarkError(
        'UPGRADE_REFUSED',
        `${name} (${old.id}) is ${old.state}, untouched by the upgrade${why}`,
        { ...where, hint },
      );
    }
    case 'rolled-back': {
      const again = `${name} runs its old version again, as job ${back?.id ?? '?'}`;
      const hint = next === undefined ? `tidemark status ${name}` : `tidemark logs ${next.id}`;
      return new TidemarkError('UPGRADE_ROLLED_BACK', `${again}; the new one was given up${why}`, {
        ...where,
        hint,
      });
    }
    case 'stranded':
      return new TidemarkError('UPGRADE_STRANDED', `no version of ${name} runs${why}${keptIn(ending)}`, {
        ...where,
        hint: wayOut(ending),
      });
  }
}

/** The state is in the savepoint only as long as no version has written beyond it. */
function keptIn({ savepoint, beyond }: Ending): string {
  if (savepoint === undefined) return '';
  return beyond ? '; it had completed a checkpoint' : `; its state is in ${savepoint.path}`;
}

function wayOut({ old: { name }, next, savepoint, beyond }: Ending): string {
  if (savepoint === undefined) return `tidemark logs ${name}; tidemark resume ${name}`;
  if (beyond) return `tidemark logs ${next?.id ?? name}; tidemark resume ${next?.id ?? name}`;
  return `tidemark upgrade ${name} --recover, or: tidemark restore ${savepoint.path} --definition FILE`;
}
