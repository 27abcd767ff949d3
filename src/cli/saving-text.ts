/** How far a savepoint is, for people. Pure. */
import { formatBytes } from '../base/size.js';
import { count } from './text.js';

const PHASES: Readonly<Record<string, string>> = {
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
  return progressText(saving);
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
