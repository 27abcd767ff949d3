/** Numbers, times and states for people. Pure, but for the colours it is given. */
import { formatDuration } from '../base/duration.js';
import { formatBytes } from '../base/size.js';
import type { JobState } from '../catalog/records.js';
import type { SavepointResult } from '../job/savepoint.js';
import type { JobRow } from '../job/status.js';
import type { Paint } from './printer.js';

/** `1,234,567`. Not by `toLocaleString`: its first call loads the locales, which takes longer than most commands. */
export function count(value: number): string {
  return String(Math.round(value)).replace(/(?<=\d)(?=(?:\d{3})+$)/g, ',');
}

/** `1 restart`, `2 restarts` */
export function counted(value: number, noun: string): string {
  return `${count(value)} ${noun}${value === 1 ? '' : 's'}`;
}

/** `3s ago`; `just now` for less than a second and for clocks that disagree. */
export function ago(iso: string | null, now: number): string {
  if (iso === null) return '-';
  const ms = now - Date.parse(iso);
  return ms < 1_000 ? 'just now' : `${formatDuration(Math.floor(ms / 1_000) * 1_000)} ago`;
}

export function stateText(state: JobState, paint: Paint): string {
  const brush = { running: paint.green, finished: paint.dim, canceled: paint.dim, failed: paint.red };
  const rest = paint.yellow;
  return (state in brush ? brush[state as keyof typeof brush] : rest)(state);
}

/** `#7, 3s ago, 1.2 MiB` */
export function checkpointText(last: JobRow['lastCheckpoint'], now: number): string {
  return last === null ? '-' : `#${last.id}, ${ago(last.completedAt, now)}, ${formatBytes(last.bytes)}`;
}

/** `word-count: savepoint of checkpoint 12, 1.2 MiB, digest 0123456789ab` */
export function savedText(name: string, saved: SavepointResult, stopped: boolean): string {
  const { bytes, digest, checkpointId } = saved;
  const what = stopped ? 'is stopped with a savepoint' : 'savepoint';
  const link = stopped ? ' ' : ': ';
  return `${name}${link}${what} of checkpoint ${checkpointId}, ${formatBytes(bytes)}, digest ${digest.slice(0, 12)}`;
}
