/**
 * A runtime in small around a file sink: a source that counts, two writers, checkpoints that complete or fail,
 * restarts from the last complete one, and restores from a snapshot of another job. What it was told and what lies
 * on the disk can be compared at any time.
 */
import assert from 'node:assert/strict';
import { basename, dirname } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { systemClock } from '../../src/base/clock.js';
import { csv } from '../../src/connectors/csv-format.js';
import { type FileTransaction, fileSink } from '../../src/connectors/file-sink.js';
import type {
  LineageEntry,
  SinkCommitter,
  SinkContext,
  SinkSpec,
  SinkWriter,
  Transaction,
  TransactionId,
} from '../../src/graph/sink.js';
import type { FaultyDisk } from '../helpers/faulty-disk.js';

export const TARGET = '/home/out';
const SUBTASKS = 2;

/** How the sink of a run writes its numbers, and how a reader gets them back. */
export interface Shape {
  sink(): SinkSpec<number, FileTransaction>;
  numbers(bytes: Buffer): number[];
}

const lines = (bytes: Buffer) => String(bytes).trimEnd().split('\n').map(Number);

export const JSON_LINES: Shape = { sink: () => fileSink<number>('out'), numbers: lines };

/** Three numbers a part, at most. */
export const SMALL_PARTS: Shape = {
  sink: () => fileSink<number>('out', { part: { size: 6 } }),
  numbers: lines,
};

/** The same as compressed CSV. */
export const GZIP_CSV_PARTS: Shape = {
  sink: () => {
    const options = { format: csv({ columns: ['n'] }), gzip: { level: 1 }, part: { size: 8 } };
    const { open, ...rest } = fileSink<{ readonly n: number }>('out', options);
    return {
      ...rest,
      async open(context) {
        const writer = await open(context);
        return {
          write: (numbers) => writer.write(numbers.map((n) => ({ n }))),
          prepare: async (checkpoint) => writer.prepare?.(checkpoint),
          close: async () => writer.close?.(),
        };
      },
    };
  },
  numbers: (bytes) => {
    const [header, ...rows] = String(gunzipSync(bytes)).trimEnd().split('\n');
    assert.equal(header, 'n');
    return rows.map(Number);
  },
};

interface Snapshot {
  readonly position: number;
  readonly transactions: readonly Transaction<FileTransaction>[];
}

/** A savepoint: its transactions are committed. */
export interface Saved {
  readonly position: number;
  readonly checkpoint: number;
  readonly lineage: readonly LineageEntry[];
}

export function sinkContext(disk: FaultyDisk, more: Partial<SinkContext> = {}): SinkContext {
  const context = {
    lineage: [],
    job: { id: 'job0', name: 'job' },
    attempt: 1,
    sink: 'out',
    cwd: '/home',
    disk,
    clock: systemClock,
    stdout: async () => {},
    log: () => {},
  };
  return { ...context, ...more };
}

export class SinkRun {
  readonly disk: FaultyDisk;
  readonly job: string;
  /** The next number the source gives. */
  position = 0;
  snapshot: Snapshot = { position: 0, transactions: [] };
  /** True while nothing is complete that was not committed. */
  settled = false;
  /** What the sink wrote to the job's log. */
  readonly log: string[] = [];
  readonly #origin: Saved | undefined;
  #attempt = 0;
  #checkpoint = 0;
  #completed = 0;
  /** Prepared, and not yet part of a completed checkpoint's commit. */
  #prepared: Transaction<FileTransaction>[] = [];
  #writers: SinkWriter<number, FileTransaction>[] = [];
  #committer: SinkCommitter<FileTransaction> | undefined;

  readonly #shape: Shape;

  constructor(disk: FaultyDisk, job = 'job0', origin?: Saved, shape = JSON_LINES) {
    this.#shape = shape;
    this.disk = disk;
    this.job = job;
    this.#origin = origin;
    if (origin === undefined) return;
    this.snapshot = { position: origin.position, transactions: [] };
    this.#checkpoint = origin.checkpoint;
  }

  /**
   * A new attempt, from the last complete checkpoint. Without one, a restored job first sets aside what the target
   * holds beyond its snapshot, as `--sinks rewind` does.
   */
  async start(): Promise<void> {
    const sink = this.#shape.sink();
    const context = this.#context(++this.#attempt);
    this.settled = false;
    this.#prepared = [];
    this.position = this.snapshot.position;
    this.#committer = await sink.committer?.(context);
    if (this.#origin !== undefined && this.#completed === 0) {
      const ahead = await this.#committer?.ahead?.(context.lineage);
      if (ahead !== undefined && ahead.length > 0) await this.#committer?.rewind?.(context.lineage);
    }
    await this.#committer?.recover(this.snapshot.transactions);
    this.settled = true;
    this.#writers = [];
    for (let subtask = 0; subtask < SUBTASKS; subtask++) {
      this.#writers.push(await sink.open({ ...context, subtask, parallelism: SUBTASKS, state: {} }));
    }
  }

  /** Every second number goes to the second subtask. */
  async write(count: number): Promise<void> {
    const numbers = Array.from({ length: count }, (_, i) => this.position + i);
    this.position += count;
    for (const [subtask, writer] of this.#writers.entries()) {
      await writer.write(numbers.filter((n) => n % SUBTASKS === subtask));
    }
  }

  /** A checkpoint, with writing going on while it is prepared. */
  async checkpoint(completes: boolean): Promise<void> {
    const checkpoint = ++this.#checkpoint;
    const { position } = this;
    const preparing = this.#writers.map(async (writer, subtask) => {
      const value = await writer.prepare?.(checkpoint);
      const id = { job: this.job, attempt: this.#attempt, sink: 'out', subtask, checkpoint };
      if (value !== undefined) this.#prepared.push({ id, value });
    });
    const writing = this.write(1);
    for (const result of await Promise.allSettled([...preparing, writing])) {
      if (result.status === 'rejected') throw result.reason;
    }
    if (!completes) return;
    this.#completed = checkpoint;
    this.settled = false;
    this.snapshot = { position, transactions: this.#prepared };
    this.#prepared = [];
    await this.#committer?.commit(this.snapshot.transactions);
    this.settled = true;
  }

  /** A snapshot at the last complete checkpoint, which must be settled. */
  saved(): Saved {
    assert.ok(this.settled && this.#completed > 0);
    const { lineage = [] } = this.#origin ?? {};
    const entry = { job: this.job, checkpoint: this.#completed };
    return { position: this.snapshot.position, checkpoint: this.#completed, lineage: [...lineage, entry] };
  }

  /** What a committer that is only asked says of the target. */
  async ahead(): Promise<readonly TransactionId[]> {
    const context = this.#context(0);
    return (await (await this.#shape.sink().committer?.(context))?.ahead?.(context.lineage)) ?? [];
  }

  #context(attempt: number): SinkContext {
    return sinkContext(this.disk, {
      job: { id: this.job, name: 'job' },
      attempt,
      lineage: this.#origin?.lineage ?? [],
      log: (line) => this.log.push(line),
    });
  }

  /** Tells the sink about commits it has heard of already. */
  async commitAgain(): Promise<void> {
    await this.#committer?.commit(this.snapshot.transactions);
  }

  /** A consumer takes the first finished file out of reach. */
  async consume(): Promise<void> {
    const part = this.disk.paths().find((path) => basename(path).startsWith('part-'));
    if (part === undefined) return;
    await this.disk.rename(part, `${dirname(part)}/taken-${basename(part)}`);
    await this.disk.syncFolder(dirname(part));
  }

  async close(): Promise<void> {
    for (const writer of this.#writers) await writer.close?.();
    await this.#committer?.close?.();
  }

  /** All numbers of this job that a consumer can see or has taken, sorted. */
  output(): number[] {
    const own = new RegExp(`^(taken-)?part-${this.job}-`);
    const seen = this.disk.paths().filter((path) => own.test(basename(path)));
    const numbers = seen.flatMap((path) => this.#shape.numbers(this.disk.peek(path) ?? Buffer.alloc(0)));
    return numbers.sort((a, b) => a - b);
  }

  /** Output is what the input up to the last complete checkpoint gives: less only while commits are due. */
  check(): void {
    const output = this.output();
    const due = Array.from({ length: this.snapshot.position }, (_, i) => i);
    if (this.settled) assert.deepEqual(output, due);
    assert.equal(new Set(output).size, output.length, `doubled: ${output.join()}`);
    for (const n of output) assert.ok(n < this.snapshot.position, `${n} is not complete`);
  }

  hidden(): string[] {
    return this.disk
      .paths()
      .map((path) => basename(path))
      .filter((name) => name.startsWith('.pending-'));
  }
}
