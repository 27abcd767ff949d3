/**
 * How the files of a target are named.
 *
 *     .pending-<job>-<attempt>-<uid>-<subtask>-<seq>                 being written, or prepared
 *     part-<job>-<attempt>-<uid>-<subtask>-<checkpoint>.jsonl        committed
 *
 * Numbers are padded, so that names sort by job, attempt, sink, subtask and time. A job's id stands in full: a
 * shortened one could meet another's. Only the uid may hold a dash; the two numbers after it are the last two.
 */
import { createHash } from 'node:crypto';
import type { TransactionId } from '../../graph/sink.js';

/** Longest uid that stands in a file name as it is; file systems allow 255 bytes for the whole name. */
const MAX_UID_CHARS = 80;
const HASH_CHARS = 16;

/** Whose transactions: one sink of one job. */
export interface Owner {
  readonly job: string;
  readonly sink: string;
}

export function pendingName(
  owner: Owner & { readonly attempt: number; readonly subtask: number },
  seq: number,
): string {
  const { job, attempt, sink, subtask } = owner;
  return `.pending-${safe(job)}-${padded(attempt, 4)}-${safe(sink)}-${padded(subtask, 3)}-${padded(seq, 6)}`;
}

export function partName(prefix: string, id: TransactionId): string {
  const { job, attempt, sink, subtask, checkpoint } = id;
  return `${prefix}-${safe(job)}-${padded(attempt, 4)}-${safe(sink)}-${padded(subtask, 3)}-${padded(checkpoint, 8)}.jsonl`;
}

/** The ledger of a sink, in the target's `.tidemark` folder. */
export function ledgerName(sink: string): string {
  return `ledger-${safe(sink)}.ndjson`;
}

export function isLedgerName(name: string): boolean {
  return /^ledger-.*\.ndjson$/.test(name);
}

/** Tells the pending files of one sink of one job, of any attempt, from all others. */
export function isPendingOf(owner: Owner): (name: string) => boolean {
  const quoted = (text: string) => safe(text).replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  const pattern = new RegExp(`^\\.pending-${quoted(owner.job)}-\\d+-${quoted(owner.sink)}-\\d+-\\d+$`);
  return (name) => pattern.test(name);
}

/** True for a plain file name: nothing that leads out of the target. */
export function isPlainName(name: unknown): name is string {
  return typeof name === 'string' && name !== '' && !/[/\\\0]/.test(name) && name !== '.' && name !== '..';
}

function padded(value: number, digits: number): string {
  return String(value).padStart(digits, '0');
}

function safe(text: string): string {
  const encoded = encodeURIComponent(text).replace(/[*'()!~.]/g, (c) => `%${c.charCodeAt(0).toString(16)}`);
  if (encoded.length <= MAX_UID_CHARS) return encoded;
  const hash = createHash('sha256').update(text).digest('hex').slice(0, HASH_CHARS);
  return `${encoded.slice(0, MAX_UID_CHARS - HASH_CHARS - 1)}~${hash}`;
}
