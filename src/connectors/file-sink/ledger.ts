/**
 * Which transactions are committed in a target. Pure: text in, text out.
 *
 * A ledger is NDJSON; every line carries a CRC-32 of the rest of it, and jq reads it:
 *
 *     {"crc":"0a1b2c3d","format":"tidemark-ledger","version":1}
 *     {"crc":"…","committed":[{"job":"…","attempt":1,"sink":"out","subtask":0,"ranges":[[1,4],[6,6]]}]}
 *     {"crc":"…","commit":[{"job":"…","attempt":1,"sink":"out","subtask":0,"checkpoint":7,
 *                           "pending":".pending-…","part":"part-…"}]}
 *
 * `crc` is over the line's JSON without the `crc` property, eight hex digits. A `commit` line is one commit: all
 * of it or, when it is torn, nothing. A `committed` line is older ones folded: exactly those ids, as runs of
 * checkpoints.
 *
 * Invariants: membership decides, never a comparison; a transaction never leaves the ledger; only the last line
 * may be torn (an append that a crash cut off), damage before it is an error.
 */
import { crc32 } from 'node:zlib';
import type { TransactionId } from '../../graph/sink.js';
import { isPlainName } from './names.js';

const FORMAT = 'tidemark-ledger';
const VERSION = 1;
const LINE = /^\{"crc":"([0-9a-f]{8})",(.*)\}$/;

/** A run of checkpoints, both ends included. */
export type Run = readonly [first: number, last: number];

/** Committed checkpoints by who wrote them, as runs in order that neither overlap nor touch. */
export interface Ledger {
  readonly writers: ReadonlyMap<string, WriterRuns>;
}

export interface WriterRuns extends Omit<TransactionId, 'checkpoint'> {
  readonly ranges: readonly Run[];
}

/** A committed transaction whose file may still wait for its final name. */
export interface Commit extends TransactionId {
  readonly pending: string;
  readonly part: string;
}

export const emptyLedger: Ledger = { writers: new Map() };

function writerKey(id: Omit<TransactionId, 'checkpoint'>): string {
  return JSON.stringify([id.job, id.attempt, id.sink, id.subtask]);
}

/** Whether exactly this transaction is committed in the target. */
export function isCommitted(ledger: Ledger, id: TransactionId): boolean {
  const ranges = ledger.writers.get(writerKey(id))?.ranges ?? [];
  const at = firstAfter(ranges, id.checkpoint);
  const before = ranges[at - 1];
  return before !== undefined && id.checkpoint <= before[1];
}

/** The ledger with these transactions too. */
export function withCommitted(ledger: Ledger, ids: readonly TransactionId[]): Ledger {
  const writers = new Map(ledger.writers);
  for (const id of ids) addRun(writers, id, [id.checkpoint, id.checkpoint]);
  return { writers };
}

/** All that either says. */
export function union(a: Ledger, b: Ledger): Ledger {
  const writers = new Map(a.writers);
  for (const [key, writer] of b.writers) {
    if (!writers.has(key)) writers.set(key, writer);
    else for (const run of writer.ranges) addRun(writers, writer, run);
  }
  return { writers };
}

function addRun(writers: Map<string, WriterRuns>, id: Omit<TransactionId, 'checkpoint'>, run: Run): void {
  const key = writerKey(id);
  const { job, attempt, sink, subtask } = id;
  const ranges = insertRun(writers.get(key)?.ranges ?? [], run);
  writers.set(key, { job, attempt, sink, subtask, ranges });
}

/** The runs with one more, merged where they touch. */
export function insertRun(ranges: readonly Run[], [first, last]: Run): Run[] {
  const before = ranges.filter((range) => range[1] < first - 1);
  const after = ranges.filter((range) => range[0] > last + 1);
  const touching = ranges.slice(before.length, ranges.length - after.length);
  const merged: Run = [
    Math.min(first, touching[0]?.[0] ?? first),
    Math.max(last, touching.at(-1)?.[1] ?? last),
  ];
  return [...before, merged, ...after];
}

/** The index of the first run that begins after the checkpoint. */
function firstAfter(ranges: readonly Run[], checkpoint: number): number {
  let low = 0;
  let high = ranges.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((ranges[middle]?.[0] ?? 0) > checkpoint) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** One line for one commit. */
export function commitLine(commits: readonly Commit[]): string {
  return sealed({ commit: commits });
}

/** A whole ledger file that says the same in few lines. */
export function foldedText(ledger: Ledger): string {
  const header = sealed({ format: FORMAT, version: VERSION });
  const writers = [...ledger.writers.values()];
  return header + writers.map((writer) => sealed({ committed: [writer] })).join('');
}

function sealed(content: object): string {
  const json = JSON.stringify(content);
  const crc = crc32(json).toString(16).padStart(8, '0');
  return `{"crc":"${crc}",${json.slice(1)}\n`;
}

export type ParsedLedger =
  | {
      readonly ok: true;
      readonly ledger: Ledger;
      /** Those that were not folded yet, oldest first: their files may still wait to be renamed. */
      readonly commits: readonly Commit[];
    }
  | { readonly ok: false; readonly line: number; readonly why: string };

/** Reads a ledger file. A torn last line is passed over. */
export function parseLedger(text: string): ParsedLedger {
  const lines = text.split('\n');
  if (lines.length < 2) return { ok: false, line: 1, why: 'its first line is not there' };
  // What follows the last line end is empty, or an append that was cut off.
  lines.pop();
  let ledger = emptyLedger;
  const commits: Commit[] = [];
  for (const [index, line] of lines.entries()) {
    const content = unsealed(line);
    const problem = content === undefined ? 'its checksum does not match' : problemOf(content, index);
    if (content === undefined || problem !== undefined) {
      // A crash may also leave the last line whole in length and wrong inside. The first is never appended.
      if (content === undefined && index > 0 && index === lines.length - 1) break;
      return { ok: false, line: index + 1, why: problem ?? '' };
    }
    if (content.committed !== undefined) {
      const writers = new Map(content.committed.map((writer) => [writerKey(writer), writer]));
      ledger = union(ledger, { writers });
    }
    if (content.commit !== undefined) {
      ledger = withCommitted(ledger, content.commit);
      commits.push(...content.commit);
    }
  }
  return { ok: true, ledger, commits };
}

interface Content {
  readonly format?: unknown;
  readonly version?: unknown;
  readonly committed?: readonly WriterRuns[];
  readonly commit?: readonly Commit[];
}

function unsealed(line: string): Content | undefined {
  const match = LINE.exec(line);
  if (match === null) return undefined;
  const json = `{${match[2]}}`;
  if (crc32(json).toString(16).padStart(8, '0') !== match[1]) return undefined;
  try {
    return JSON.parse(json) as Content;
  } catch {
    return undefined;
  }
}

/** What is wrong with a line whose checksum holds: another version's, or not a ledger's at all. */
function problemOf(content: Content, index: number): string | undefined {
  if (index === 0) {
    if (content.format !== FORMAT) return `it is no ${FORMAT}`;
    return content.version === VERSION
      ? undefined
      : `version ${String(content.version)}, expected ${VERSION}`;
  }
  const { committed = [], commit = [] } = content;
  if (!Array.isArray(committed) || !committed.every(isWriterRuns)) return 'it lists no runs of checkpoints';
  if (!Array.isArray(commit) || !commit.every(isCommit)) return 'it lists no transactions';
  return undefined;
}

function isWriter(value: unknown): value is Omit<TransactionId, 'checkpoint'> {
  if (typeof value !== 'object' || value === null) return false;
  const { job, attempt, sink, subtask } = value as Partial<Record<keyof TransactionId, unknown>>;
  return typeof job === 'string' && typeof sink === 'string' && isCount(attempt) && isCount(subtask);
}

function isWriterRuns(value: unknown): value is WriterRuns {
  if (!isWriter(value) || !('ranges' in value) || !Array.isArray(value.ranges)) return false;
  let last = -1;
  for (const run of value.ranges as unknown[]) {
    if (!Array.isArray(run) || run.length !== 2) return false;
    const [first, end] = run as unknown[];
    if (!isCount(first) || !isCount(end) || first <= last || end < first) return false;
    last = end;
  }
  return true;
}

function isCommit(value: unknown): value is Commit {
  if (!isWriter(value)) return false;
  const { checkpoint, pending, part } = value as Partial<Record<keyof Commit, unknown>>;
  return isCount(checkpoint) && isPlainName(pending) && isPlainName(part);
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
