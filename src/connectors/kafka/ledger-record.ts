/**
 * The ledger of a topic as messages: which transactions are committed, and where jobs began. Pure.
 *
 *     key    {"version":1,"topic":"…","job":"…","attempt":1,"sink":"out","subtask":0,"hundred":4}
 *     value  {"ranges":[[401,412],[414,417]]}
 *
 *     key    {"version":1,"topic":"…","begun":"…"}
 *     value  {"lineage":[{"job":"…","checkpoint":4}]}
 *
 * A message of the first kind is written within the transaction it is about, so that it is there exactly if that is
 * committed. It names all checkpoints of its hundred at which its writer prepared one: those before it are committed before
 * it, and so the newest message of a key, which compaction leaves, says what all of them said.
 */
import type { LineageEntry, TransactionId } from '../../graph/sink.js';
import { emptyLedger, type Ledger, union, type WriterRuns } from '../file-sink/ledger.js';
import { insertRun, type Run } from '../file-sink/runs.js';

const VERSION = 1;
/** Checkpoints that share a key. */
const HUNDRED = 100;
/** Characters of a key or value that is read; longer ones are nobody's ledger. */
const MAX_CHARS = 64 * 1024;

export interface LedgerRecord {
  readonly key: string;
  readonly value: string;
}

type Writer = Omit<TransactionId, 'checkpoint'>;

/** What one writer has prepared, and the messages that say so. */
export class PreparedRuns {
  readonly #topic: string;
  readonly #writer: Writer;
  #hundred = -1;
  #ranges: readonly Run[] = [];

  constructor(topic: string, { job, attempt, sink, subtask }: Writer) {
    this.#topic = topic;
    this.#writer = { job, attempt, sink, subtask };
  }

  /** The message for a transaction of this checkpoint; they come in order. */
  record(checkpoint: number): LedgerRecord {
    const hundred = Math.floor(checkpoint / HUNDRED);
    if (hundred !== this.#hundred) this.#ranges = [];
    this.#hundred = hundred;
    this.#ranges = insertRun(this.#ranges, [checkpoint, checkpoint]);
    return {
      key: JSON.stringify({ version: VERSION, topic: this.#topic, ...this.#writer, hundred }),
      value: JSON.stringify({ ranges: this.#ranges }),
    };
  }
}

export function begunRecord(topic: string, job: string, lineage: readonly LineageEntry[]): LedgerRecord {
  return {
    key: JSON.stringify({ version: VERSION, topic, begun: job }),
    value: JSON.stringify({ lineage: lineage.map(({ job, checkpoint }) => ({ job, checkpoint })) }),
  };
}

/**
 * What committed messages of a ledger say of a topic, in the order they lie in; undefined where one of them is nothing that
 * this version wrote.
 */
export function readLedger(topic: string, records: Iterable<LedgerRecord>): Ledger | undefined {
  const committed = new Map<string, WriterRuns>();
  const begun = new Map<string, readonly LineageEntry[]>();
  for (const { key, value } of records) {
    const read = readRecord(key, value);
    if (read === undefined) return undefined;
    if (read.topic !== topic) continue;
    if ('begun' in read) begun.set(read.begun, read.lineage);
    else committed.set(key, read.runs);
  }
  // What one writer says under several keys becomes one.
  return union(emptyLedger, { ...emptyLedger, committed, begun });
}

type Read = { readonly topic: string } & (
  | { readonly runs: WriterRuns }
  | { readonly begun: string; readonly lineage: readonly LineageEntry[] }
);

function readRecord(key: string, value: string): Read | undefined {
  const who = parsed(key);
  const what = parsed(value);
  if (who === undefined || what === undefined || who['version'] !== VERSION) return undefined;
  const { topic, job, attempt, sink, subtask, begun } = who;
  const { ranges, lineage } = what;
  if (typeof topic !== 'string') return undefined;
  if (typeof begun === 'string') return isLineage(lineage) ? { topic, begun, lineage } : undefined;
  if (typeof job !== 'string' || typeof sink !== 'string' || !isRuns(ranges)) return undefined;
  if (!isCount(attempt) || !isCount(subtask)) return undefined;
  return { topic, runs: { job, attempt, sink, subtask, ranges } };
}

function parsed(text: string): Readonly<Record<string, unknown>> | undefined {
  if (text.length > MAX_CHARS) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function isRuns(value: unknown): value is Run[] {
  const isRun = (run: unknown) => {
    const [first, last, more]: unknown[] = Array.isArray(run) ? run : [];
    return isCount(first) && isCount(last) && first <= last && more === undefined;
  };
  return Array.isArray(value) && value.every(isRun);
}

function isLineage(value: unknown): value is LineageEntry[] {
  const isEntry = (entry: unknown) =>
    typeof entry === 'object' &&
    entry !== null &&
    'job' in entry &&
    typeof entry.job === 'string' &&
    'checkpoint' in entry &&
    isCount(entry.checkpoint);
  return Array.isArray(value) && value.every(isEntry);
}
