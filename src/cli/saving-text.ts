/** How far a savepoint is, for people. Pure. */
import { formatBytes } from '../base/size.js';
import { printable } from './printer.js';
import { count } from './text.js';

const PHASES: Readonly<Record<string, string>> = {
  stand: 'standing still while the other is taken',
  hold: 'waiting for its splits',
  checkpoint: 'taking its checkpoint',
  commit: 'waiting for its sinks to commit',
  check: 'checking',
  starting: 'starting to write',
  sort: 'sorting',
  merge: 'merging',
  pack: 'writing',
};

/** `sorting, 1,234,567 entries, 34 MiB`, from a status document; undefined when it tells of none. */
export function savingText(status: unknown): string | undefined {
  if (typeof status !== 'object' || status === null || !('saving' in status)) return undefined;
  const { saving } = status;
  if (typeof saving !== 'object' || saving === null) return undefined;
  return 'held' in saving ? heldText(saving.held) : progressText(saving);
}

/** `waiting for 2 of 8 splits to come to where they were: numbers/0, numbers/3`. */
function heldText(held: unknown): string {
  const { splits, arrived, away } = (held ?? {}) as Partial<Record<'splits' | 'arrived' | 'away', unknown>>;
  if (typeof splits !== 'number' || typeof arrived !== 'number' || !Array.isArray(away))
    return 'waiting for its splits';
  const left = splits - arrived;
  if (left === 0) return 'waiting for event time to come to where it was';
  const more = left > away.length ? ', …' : '';
  const names = away.length === 0 ? '' : `: ${away.map((name) => printable(String(name))).join(', ')}${more}`;
  return `waiting for ${count(left)} of ${count(splits)} splits to come to where they were${names}`;
}

/** The same of progress itself. */
export function progressText({
  phase,
  entries,
  bytes,
}: Partial<Record<'phase' | 'entries' | 'bytes', unknown>>): string {
  const parts = [typeof phase === 'string' ? (PHASES[phase] ?? phase) : 'under way'];
  if (typeof entries === 'number' && entries > 0) parts.push(`${count(entries)} entries`);
  if (typeof bytes === 'number' && bytes > 0) parts.push(formatBytes(bytes));
  return parts.join(', ');
}
