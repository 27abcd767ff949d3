/**
 * How the files of a target are named.
 *
 *     .pending-<job>-<attempt>-<uid>-<subtask>-<seq>                 being written, or prepared
 *     part-<job>-<attempt>-<uid>-<subtask>-<checkpoint>.jsonl        committed; also .csv, and either with .gz
 *     part-<job>-<attempt>-<uid>-<subtask>-<checkpoint>-<n>.jsonl    the same, where a checkpoint may have several
 *     .aside-part-…                                                  committed, and set aside by a rewind
 *
 * Numbers are padded, so that names sort by job, attempt, sink, subtask and time. A job's id stands in full: a
 * shortened one could meet another's. Only the uid may hold a dash; the numbers after it are told apart by their
 * digits: 3 or more of the subtask, 8 or more of the checkpoint, 5 of n, which counts from 1.
 */
import { createHash } from 'node:crypto';
import type { TransactionId } from '../../graph/sink.js';

/** Longest uid that stands in a file name as it is; file systems allow 255 bytes for the whole name. */
const MAX_UID_CHARS = 80;
const HASH_CHARS = 16;

/** Digits of a part's number in its checkpoint: fewer than a checkpoint has. */
const NUMBER_DIGITS = 5;
const EXTENSIONS = ['.jsonl', '.csv', '.jsonl.gz', '.csv.gz'] as const;
/** What comes after the stem: checkpoint, number, extension. */
const REST = /^(.+)-(\d{8,16})(?:-(\d{5}))?(?:\.jsonl|\.csv)(?:\.gz)?$/;

/** What of a part's name does not come from its transaction. */
export interface PartKind {
  /** Its place among the files of its transaction, from 1; undefined where there is only one. */
  readonly number: number | undefined;
  readonly extension: (typeof EXTENSIONS)[number];
}

/** Who wrote a transaction: one subtask of one attempt. */
export type Writer = Omit<TransactionId, 'checkpoint'>;

/** Whose transactions: one sink of one job. */
export interface Owner {
  readonly job: string;
  readonly sink: string;
}

export function pendingName({ job, attempt, sink, subtask }: Writer, seq: number): string {
  return `.pending-${safe(job)}-${padded(attempt, 4)}-${safe(sink)}-${padded(subtask, 3)}-${padded(seq, 6)}`;
}

export function partName(
  prefix: string,
  id: TransactionId,
  { number, extension }: PartKind = { number: undefined, extension: '.jsonl' },
): string {
  const nth = number === undefined ? '' : `-${padded(number, NUMBER_DIGITS)}`;
  return `${transactionStem(prefix, id)}${nth}${extension}`;
}

/** What the names of all parts of one transaction begin with. */
export function transactionStem(prefix: string, id: TransactionId): string {
  return `${partStem(prefix, id)}-${padded(id.checkpoint, 8)}`;
}

/** What the names of all parts of one writer begin with. */
export function partStem(prefix: string, { job, attempt, sink, subtask }: Writer): string {
  return `${prefix}-${safe(job)}-${padded(attempt, 4)}-${safe(sink)}-${padded(subtask, 3)}`;
}

/** The prefix of a part of this transaction; undefined for a name of another kind. */
export function prefixOf(part: string, id: TransactionId): string | undefined {
  const split = splitPart(part);
  const rest = partStem('', id);
  if (split?.checkpoint !== id.checkpoint || !split.stem.endsWith(rest)) return undefined;
  const prefix = split.stem.slice(0, -rest.length);
  return isPrefix(prefix) ? prefix : undefined;
}

/** The stem and the checkpoint of a name that may be a part's. */
export function splitPart(name: string): { readonly stem: string; readonly checkpoint: number } | undefined {
  const [, stem, digits] = REST.exec(name) ?? [];
  if (stem === undefined || digits === undefined) return undefined;
  const checkpoint = Number(digits);
  return padded(checkpoint, 8) === digits ? { stem, checkpoint } : undefined;
}

/** What parts may be called in place of `part`. */
export function isPrefix(value: unknown): value is string {
  return typeof value === 'string' && /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,39}$/.test(value);
}

/** The hidden name of a part that was set aside. */
export function asideName(part: string): string {
  return `.aside-${part}`;
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

/** True for what consumers see that is a part, and not this job's. */
export function isPartOfOther(name: string, job: string): boolean {
  return isPartName(name) && splitPart(name) !== undefined && !name.includes(`-${safe(job)}-`);
}

/** True for a plain file name: nothing that leads out of the target. */
export function isPlainName(name: unknown): name is string {
  return typeof name === 'string' && name !== '' && !/[/\\\0]/.test(name) && name !== '.' && name !== '..';
}

/** True for a plain file name that consumers see. */
export function isPartName(name: unknown): name is string {
  return isPlainName(name) && !name.startsWith('.');
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
