/** Why a planned restore cannot be: what the archive cannot, what the definition does not take. Pure. */
import { TidemarkError } from '../base/errors.js';
import type { Incapability } from '../restore/capable.js';
import { refusedLines, unprovenStates } from '../restore/plan-states.js';
import { refusalFor } from './convert-hint.js';
import type { RestoreOptions, RestorePlan } from './restore.js';

type Plan = Pick<RestorePlan, 'snapshot' | 'states' | 'values' | 'convert'>;

/**
 * The first refusal there is. A conversion answers what the archive cannot (`cannot`), but not that the definition has
 * no place for its state; where both are so, both are told.
 */
export function restoreRefusal(
  { afterDrain, strict = false }: Pick<RestoreOptions, 'afterDrain' | 'strict'>,
  plan: Plan,
  cannot: readonly Incapability[],
): TidemarkError | undefined {
  const { path, drained } = plan.snapshot;
  if (drained && !afterDrain) {
    const message = `${path} was taken at the end of its input: its windows and timers were closed`;
    return new TidemarkError('DRAINED', message, {
      hint: 'add --after-drain if nothing more of the old input comes',
    });
  }
  const untaken = untakenState(plan) ?? (strict ? unprovenState(plan) : undefined);
  const unable = plan.convert ? undefined : refusalFor(path, cannot);
  if (unable === undefined || untaken === undefined) return unable ?? untaken;
  return new TidemarkError(unable.code, `${unable.message}\n${untaken.message}`, {
    hint: `${unable.details.hint}; then ${untaken.details.hint}`,
  });
}

function unprovenState({ states }: Plan): TidemarkError | undefined {
  const unproven = unprovenStates(states);
  if (unproven.length === 0) return undefined;
  const lines = unproven.map(({ name, unproven: why }) => `  ${name}: ${why}`);
  return new TidemarkError(
    'INCOMPATIBLE',
    `the definition proves nothing of this state:\n${lines.join('\n')}`,
    {
      hint: 'declare a schema or a codec for each, and a type for the keys: keyBy(fn, key.string); or leave --strict out',
    },
  );
}

/** Where shapes fit, and values do not. */
function valuesHint({ values }: Plan): string | undefined {
  if (values.splits.length > 0)
    return 'give the source the input that was read, or start it anew: --drop its uid';
  if (!values.states.some(({ refused }) => refused > 0)) return undefined;
  return 'mend the schema or the step, and look at every value: tidemark check <definition> --against <archive> --all';
}

function untakenState(plan: Plan): TidemarkError | undefined {
  const { states } = plan;
  const impossible = states.filter(({ action }) => action === 'impossible');
  if (impossible.length === 0) return undefined;
  const lines = refusedLines(states);
  const onlyMissing = impossible.every(({ missing }) => missing);
  return new TidemarkError('INCOMPATIBLE', `the definition does not take the state:\n${lines.join('\n')}`, {
    hint: onlyMissing
      ? "give what was renamed formerly: ['old name'], or leave it behind with --allow-non-restored-state, or one by one with --drop"
      : (valuesHint(plan) ?? 'give the operator or state another name, or restore with the old definition'),
  });
}
