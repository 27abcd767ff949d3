/**
 * Which transactions are committed in a target, and which of these a rewind set aside. Pure: text in, text out.
 *
 * A ledger is NDJSON; every line carries a CRC-32 of the rest of it, and jq reads it:
 *
 *     {"crc":"0a1b2c3d","format":"tidemark-ledger","version":1}
 *     {"crc":"…","committed":[{"job":"…","attempt":1,"sink":"out","subtask":0,"prefix":"part","ranges":[[1,4],[6,6]]}]}
 *     {"crc":"…","commit":[{"job":"…","attempt":1,"sink":"out","subtask":0,"checkpoint":7,
 *                           "pending":".pending-…","part":"part-…"}]}
 *     {"crc":"…","begun":[{"job":"…","lineage":[{"job":"…","checkpoint":4}]}]}
 *     {"crc":"…","aside":[{"job":"…","attempt":1,"sink":"out","subtask":0,"ranges":[[6,7]]}],"parts":["part-…"]}
 *
 * `crc` is over the line's JSON without the `crc` property, eight hex digits. A `commit` line is one commit: all
 * of it or, when it is torn, nothing; each item is a file, and a transaction may have several. A `committed` line is older ones folded: exactly those ids, as runs of
 * checkpoints. A `begun` line is a job that goes on from a snapshot, and the snapshot's lineage; it stands before
 * the job's first commit. An `aside` line with `parts` is one rewind: all of it or nothing; `parts` are files that
 * may still have their visible names.
 *
 * Invariants: membership decides, never a comparison; a transaction never leaves the ledger, set aside or not;
 * only the last line may be torn (an append that a crash cut off), damage before it is an error.
 */
import { crc32 } from 'node:zlib';
import type { LineageEntry, TransactionId } from '../../graph/sink.js';
import { isPartName, isPlainName, isPrefix, prefixOf, type Writer } from './names.js';
import { holds, insertRun, type Run } from './runs.js';

const FORMAT = 'tidemark-ledger';
const VERSION = 1;
const LINE = /^\{"crc":"([0-9a-f]{8})",(.*)\}$/;

export interface Ledger {
  /** By who wrote them. */
  readonly committed: ReadonlyMap<string, WriterRuns>;
  /** Of the committed ones, those that a rewind set aside. */
  readonly aside: ReadonlyMap<string, WriterRuns>;
  /** By job: the lineage of the snapshot it began from. Jobs that began by themselves are not here. */
  readonly begun: ReadonlyMap<string, readonly LineageEntry[]>;
}

export interface WriterRuns extends Writer {
  /** What the names of its files begin with; absent when they were given names of another kind. */
  readonly prefix?: string;
  readonly ranges: readonly Run[];
}

/** A file of a committed transaction, which may still wait for its final name. */
export interface Commit extends TransactionId {
  readonly pending: string;
  readonly part: string;
}

export const emptyLedger: Ledger = { committed: new Map(), aside: new Map(), begun: new Map() };

function writerKey(id: Writer): string {
  return JSON.stringify([id.job, id.attempt, id.sink, id.subtask]);
}

/** Whether exactly this transaction is committed in the target. Those set aside are, too. */
export function isCommitted(ledger: Ledger, id: TransactionId): boolean {
  return holds(ledger.committed.get(writerKey(id))?.ranges ?? [], id.checkpoint);
}

/** What of this writer's was set aside. */
export function asideOf(ledger: Ledger, writer: Writer): readonly Run[] {
  return ledger.aside.get(writerKey(writer))?.ranges ?? [];
}

/** The ledger with these transactions too. */
export function withCommitted(
  ledger: Ledger,
  ids: readonly (TransactionId & Partial<Pick<Commit, 'part'>>)[],
): Ledger {
  const committed = new Map(ledger.committed);
  for (const id of ids) {
    const prefix = id.part === undefined ? undefined : prefixOf(id.part, id);
    addRun(committed, prefix === undefined ? id : { ...id, prefix }, [id.checkpoint, id.checkpoint]);
  }
  return { ...ledger, committed };
}

/** The ledger with these set aside too. */
export function withAside(ledger: Ledger, writers: readonly WriterRuns[]): Ledger {
  return { ...ledger, aside: joined(ledger.aside, writers) };
}

/** The ledger that knows where a job began. */
export function withBegun(ledger: Ledger, job: string, lineage: readonly LineageEntry[]): Ledger {
  return { ...ledger, begun: new Map(ledger.begun).set(job, lineage) };
}

/** All that either says. */
export function union(a: Ledger, b: Ledger): Ledger {
  return {
    committed: joined(a.committed, b.committed.values()),
    aside: joined(a.aside, b.aside.values()),
    begun: new Map([...a.begun, ...b.begun]),
  };
}

function joined(a: ReadonlyMap<string, WriterRuns>, b: Iterable<WriterRuns>): Map<string, WriterRuns> {
  const writers = new Map(a);
  for (const writer of b) {
    const key = writerKey(writer);
    if (!writers.has(key)) writers.set(key, writer);
    else for (const run of writer.ranges) addRun(writers, writer, run);
  }
  return writers;
}

function addRun(writers: Map<string, WriterRuns>, id: Omit<WriterRuns, 'ranges'>, run: Run): void {
  const key = writerKey(id);
  const { job, attempt, sink, subtask } = id;
  const known = writers.get(key);
  const prefix = known?.prefix ?? id.prefix;
  const ranges = insertRun(known?.ranges ?? [], run);
  writers.set(key, { job, attempt, sink, subtask, ...(prefix === undefined ? {} : { prefix }), ranges });
}

/** One line for one commit. */
export function commitLine(commits: readonly Commit[]): string {
  return sealed({ commit: commits });
}

/** One line for one rewind. */
export function asideLine(aside: readonly WriterRuns[], parts: readonly string[]): string {
  return sealed({ aside, parts });
}

/** The line that says where a job began. */
export function begunLine(job: string, lineage: readonly LineageEntry[]): string {
  return sealed({ begun: [{ job, lineage: lineage.map(({ job, checkpoint }) => ({ job, checkpoint })) }] });
}

/** A whole ledger file that says the same in few lines. */
export function foldedText(ledger: Ledger): string {
  const lines = [
    ...[...ledger.begun].map(([job, lineage]) => begunLine(job, lineage)),
    ...[...ledger.committed.values()].map((writer) => sealed({ committed: [writer] })),
    ...[...ledger.aside.values()].map((writer) => sealed({ aside: [writer] })),
  ];
  return sealed({ format: FORMAT, version: VERSION }) + lines.join('');
}

function sealed(content: object): string {
  const json = JSON.stringify(content);
  const crc = crc32(json).toString(16).padStart(8, '0');
  return `{"crc":"${crc}",${json.slice(1)}\n`;
}

export interface LedgerText {
  readonly ledger: Ledger;
  /** Those that were not folded yet, oldest first: their files may still wait to be renamed. */
  readonly commits: readonly Commit[];
  /** Files of transactions set aside that may still have their visible names. */
  readonly parts: readonly string[];
}

export type ParsedLedger =
  | (LedgerText & { readonly ok: true })
  | { readonly ok: false; readonly line: number; readonly why: string };

/** Reads a ledger file. A torn last line is passed over. */
export function parseLedger(text: string): ParsedLedger {
  const lines = text.split('\n');
  if (lines.length < 2) return { ok: false, line: 1, why: 'its first line is not there' };
  // What follows the last line end is empty, or an append that was cut off.
  lines.pop();
  let ledger = emptyLedger;
  const commits: Commit[] = [];
  const parts: string[] = [];
  for (const [index, line] of lines.entries()) {
    const content = unsealed(line);
    const problem = content === undefined ? 'its checksum does not match' : problemOf(content, index);
    if (content === undefined || problem !== undefined) {
      // A crash may also leave the last line whole in length and wrong inside. The first is never appended.
      if (content === undefined && index > 0 && index === lines.length - 1) break;
      return { ok: false, line: index + 1, why: problem ?? '' };
    }
    ledger = added(ledger, content);
    for (const commit of content.commit ?? []) commits.push(commit);
    for (const part of content.parts ?? []) parts.push(part);
  }
  return { ok: true, ledger, commits, parts };
}

interface Content {
  readonly format?: unknown;
  readonly version?: unknown;
  readonly committed?: readonly WriterRuns[];
  readonly commit?: readonly Commit[];
  readonly begun?: readonly { readonly job: string; readonly lineage: readonly LineageEntry[] }[];
  readonly aside?: readonly WriterRuns[];
  readonly parts?: readonly string[];
}

function added(before: Ledger, { committed, commit, begun, aside }: Content): Ledger {
  let ledger = before;
  if (committed !== undefined) ledger = { ...ledger, committed: joined(ledger.committed, committed) };
  if (commit !== undefined) ledger = withCommitted(ledger, commit);
  for (const { job, lineage } of begun ?? []) ledger = withBegun(ledger, job, lineage);
  return aside === undefined ? ledger : withAside(ledger, aside);
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

/** What each property of a line after the first is a list of. */
const LISTS: ReadonlyMap<string, readonly [is: (value: unknown) => boolean, what: string]> = new Map([
  ['committed', [isWriterRuns, 'runs of checkpoints']],
  ['commit', [isCommit, 'transactions']],
  ['begun', [isBegun, 'jobs with a lineage']],
  ['aside', [isWriterRuns, 'runs of checkpoints']],
  ['parts', [isPartName, 'names of files']],
]);

/** What is wrong with a line whose checksum holds: another version's, or not a ledger's at all. */
function problemOf(content: Content, index: number): string | undefined {
  if (index === 0) {
    if (content.format !== FORMAT) return `it is no ${FORMAT}`;
    return content.version === VERSION
      ? undefined
      : `version ${String(content.version)}, expected ${VERSION}`;
  }
  if (Object.keys(content).length === 0) return 'it says nothing';
  // What this version does not know it would drop when it folds.
  for (const [name, list] of Object.entries(content)) {
    const [is, what] = LISTS.get(name) ?? [];
    if (is === undefined) return `it says what version ${VERSION} does not know`;
    if (!Array.isArray(list) || !list.every(is)) return `${name} lists no ${what}`;
  }
  return undefined;
}

function isWriter(value: unknown): value is Writer {
  if (typeof value !== 'object' || value === null) return false;
  const { job, attempt, sink, subtask } = value as Partial<Record<keyof Writer, unknown>>;
  return typeof job === 'string' && typeof sink === 'string' && isCount(attempt) && isCount(subtask);
}

function isWriterRuns(value: unknown): boolean {
  if (!isWriter(value) || !('ranges' in value) || !Array.isArray(value.ranges)) return false;
  if ('prefix' in value && !isPrefix(value.prefix)) return false;
  let last = -1;
  for (const run of value.ranges as unknown[]) {
    if (!Array.isArray(run) || run.length !== 2) return false;
    const [first, end] = run as unknown[];
    if (!isCount(first) || !isCount(end) || first <= last || end < first) return false;
    last = end;
  }
  return true;
}

function isCommit(value: unknown): boolean {
  if (!isWriter(value)) return false;
  const { checkpoint, pending, part } = value as Partial<Record<keyof Commit, unknown>>;
  return isCount(checkpoint) && isPlainName(pending) && isPartName(part);
}

function isBegun(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const { job, lineage } = value as { readonly job?: unknown; readonly lineage?: unknown };
  return typeof job === 'string' && Array.isArray(lineage) && lineage.every(isLineageEntry);
}

function isLineageEntry(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const { job, checkpoint } = value as Partial<Record<keyof LineageEntry, unknown>>;
  return typeof job === 'string' && isCount(checkpoint);
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
