/**
 * A runtime in small around a file sink: a source that counts, two writers, checkpoints that complete or fail,
 * and restarts from the last complete one. What it was told and what lies on the disk can be compared at any time.
 */
import assert from 'node:assert/strict';
import { basename, dirname } from 'node:path';
import { systemClock } from '../../src/base/clock.js';
import { type FileTransaction, fileSink } from '../../src/connectors/file-sink.js';
import type { SinkCommitter, SinkContext, SinkWriter, Transaction } from '../../src/graph/sink.js';
import type { FaultyDisk } from '../helpers/faulty-disk.js';

export const TARGET = '/home/out';
const SUBTASKS = 2;

interface Snapshot {
  readonly position: number;
  readonly transactions: readonly Transaction<FileTransaction>[];
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
  #attempt = 0;
  #checkpoint = 0;
  /** Prepared, and not yet part of a completed checkpoint's commit. */
  #prepared: Transaction<FileTransaction>[] = [];
  #writers: SinkWriter<number, FileTransaction>[] = [];
  #committer: SinkCommitter<FileTransaction> | undefined;

  constructor(disk: FaultyDisk, job = 'job0') {
    this.disk = disk;
    this.job = job;
  }

  /** A new attempt, from the last complete checkpoint. */
  async start(): Promise<void> {
    const sink = fileSink<number>('out');
    const context = sinkContext(this.disk, { job: { id: this.job, name: 'job' }, attempt: ++this.#attempt });
    this.settled = false;
    this.#prepared = [];
    this.position = this.snapshot.position;
    this.#committer = await sink.committer?.(context);
    await this.#committer?.recover(this.snapshot.transactions);
    this.settled = true;
    this.#writers = [];
    for (let subtask = 0; subtask < SUBTASKS; subtask++) {
      this.#writers.push(await sink.open({ ...context, subtask, parallelism: SUBTASKS }));
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
    this.settled = false;
    this.snapshot = { position, transactions: this.#prepared };
    this.#prepared = [];
    await this.#committer?.commit(this.snapshot.transactions);
    this.settled = true;
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
    const lines = seen.flatMap((path) => String(this.disk.peek(path)).trimEnd().split('\n'));
    return lines.map(Number).sort((a, b) => a - b);
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
