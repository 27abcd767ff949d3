/** What a check found, for people: the plan of the restore, the values that were looked at, and the trial. Pure. */
import { type CheckedValues, type RefusedValue, reasonText } from '../job/check-values.js';
import type { RestorePlan } from '../job/restore.js';
import type { TrialReport } from '../job/trial.js';
import { whereLines } from './exit.js';
import { type Paint, printable } from './printer.js';
import { restoreView } from './restore-view.js';
import { table } from './table.js';
import { count, counted } from './text.js';

export function checkView(plan: RestorePlan, trial: TrialReport | undefined, paint: Paint): string {
  const parts = [restoreView(plan, paint), valuesView(plan.values, paint)];
  if (trial !== undefined) parts.push(trialView(trial, paint));
  return parts.join('\n');
}

function valuesView({ looked, entries, states }: CheckedValues, paint: Paint): string {
  const all = entries === 1 ? '1 entry' : `${count(entries)} entries`;
  const lines = [
    looked < entries
      ? `looked at ${count(looked)} of ${all}; --all looks at every one\n`
      : `looked at ${entries > 1 ? 'all ' : ''}${all}\n`,
  ];
  const rows = states.flatMap(({ name, shown }) =>
    shown.map((value) => [name, keyText(value), reasonText(value)].map(printable)),
  );
  const columns = ['STATE', 'KEY', 'WHY IT IS NOT TAKEN'].map((title) => ({ title }));
  if (rows.length > 0)
    lines.push(
      '\n',
      table(
        columns,
        rows.map((row) => row.map(paint.red)),
      ),
    );
  const more = states.reduce((sum, { refused, shown }) => sum + refused - shown.length, 0);
  if (more > 0) lines.push(`and ${count(more)} more\n`);
  return lines.join('');
}

/** The key; of a map, with the key in it. */
function keyText({ key, mapKey }: RefusedValue): string {
  return [key, mapKey].filter((part) => part !== undefined && part !== '').join(', ');
}

/** Why a trial read no more than it did. */
const ENDED: Readonly<Record<TrialReport['ended'], string>> = {
  limit: '',
  quiet: ', until no more came',
  time: ', until its time was up',
  failed: '',
};

function trialView({ splits, elements, emitted, errors, ended }: TrialReport, paint: Paint): string {
  const read = `tried it out: read ${counted(elements, 'element')} of ${counted(splits.length, 'split')}${ENDED[ended]}`;
  const sent = `${counted(emitted, 'element')} came to the sinks, which are muted`;
  if (errors.length === 0) return `${read}; ${sent}; nothing was thrown\n`;
  const lines = errors.flatMap((record) => [record.message, ...whereLines(record)]).map(printable);
  return `${read}; ${sent}\n${paint.red(lines.join('\n'))}\n`;
}
