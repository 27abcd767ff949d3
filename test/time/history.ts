/**
 * A job over its attempts, in one thread: it is stepped, cut, crashes and is restored, also elsewhere and from an archive.
 * What its sink has committed is outside of all attempts.
 */
import assert from 'node:assert/strict';
import { ByteReader } from '../../src/codec/reader.js';
import { schema } from '../../src/codec/schema.js';
import { type Entry, EntryWriter, readEntry } from '../../src/format/entry.js';
import { defineJob, type JobBuilder } from '../../src/graph/define.js';
import { defineSink } from '../../src/graph/define-sink.js';
import type { Graph } from '../../src/graph/node.js';
import type { Transaction } from '../../src/graph/sink.js';
import { Dataflow } from '../../src/runtime/dataflow.js';
import type { Snapshot } from '../../src/runtime/snapshot.js';
import type { Table } from '../../src/runtime/tables.js';
import { Where } from '../../src/runtime/where.js';
import { createMemoryBackend } from '../../src/state/memory/backend.js';
import { ManualClock } from '../../src/testing/manual-clock.js';
import { FaultyDisk } from '../helpers/faulty-disk.js';
import { diskFactory } from '../state/disk-factory.js';
import { merged } from '../state/disk-files.js';
import { throughArchive } from './archived.js';

/** Where state is kept, and whether snapshots hold all of it or what changed. */
export type Storage = 'memory' | 'memory, changes' | 'disk';

/** What is committed, each transaction once. */
export class Target {
  readonly #committed = new Map<string, readonly string[]>();

  sink() {
    const lines = schema<readonly string[]>({
      '~standard': {
        version: 1,
        vendor: 'test',
        validate: (value) => ({ value: value as readonly string[] }),
      },
    });
    const commit = async (transactions: readonly Transaction<readonly string[]>[]) => {
      for (const { id, value } of transactions) this.#committed.set(JSON.stringify(id), value);
    };
    return defineSink<string, readonly string[]>({
      transaction: lines,
      open: () => {
        let open: string[] = [];
        return {
          write: (elements) => void open.push(...elements),
          async prepare() {
            const sealed = open;
            open = [];
            return sealed.length === 0 ? undefined : sealed;
          },
        };
      },
      committer: () => ({ recover: commit, commit }),
    });
  }

  get lines(): string[] {
    return [...this.#committed.values()].flat();
  }
}

export type Event =
  | { readonly kind: 'steps'; readonly count: number }
  /**
   * A snapshot drained in slices between steps; then it completes and is committed or not, is given up half way, or is
   * whole but lost.
   */
  | {
      readonly kind: 'snapshot';
      readonly stepsBetween: number;
      readonly end: 'committed' | 'completed' | 'aborted' | 'lost';
    }
  | { readonly kind: 'crash'; readonly parallelism: number }
  /** A savepoint's archive, and a job from it, maybe with its state kept otherwise. */
  | { readonly kind: 'savepoint'; readonly parallelism: number; readonly storage: Storage };

/** What a job goes on from. Entries without a key are those of the last cut. */
export interface Saved {
  readonly checkpoint: number;
  readonly barrierTime: number;
  readonly maxParallelism: number;
  readonly tables: readonly Table[];
  readonly entries: readonly Entry[];
}

const UNKEYED: readonly string[] = [
  'splits',
  'watermark',
  'transactions',
  'operator-list',
  'operator-union',
  'broadcast',
  'in-flight',
];

/** So small that rows are read again and again. */
const CACHE = 8 * 1024;
const CHUNK = 256;

export interface HistoryOptions {
  /** What it runs: what a definition is made of, or a graph. */
  build(target: Target): ((job: JobBuilder) => void) | Graph;
  readonly storage: Storage;
  readonly parallelism: number;
  readonly maxParallelism: number;
  /** Its sources find the same each time. */
  readonly sameInput: boolean;
  /** Bytes that a snapshot hands over at a time. Default: few, so that there are many. */
  readonly chunk?: number;
  /** Milliseconds that pass with each step. Default: none. */
  readonly tick?: number;
}

export class History {
  readonly target = new Target();
  readonly clock = new ManualClock();
  readonly #options: HistoryOptions;
  #storage: Storage;
  #dataflow: Dataflow;
  #parallelism: number;
  #attempt = 0;
  #checkpoint = 0;
  #last: Saved | undefined;
  /** Under changes: what kept snapshots wrote, oldest first. */
  #runs: (readonly Entry[])[] = [];

  private constructor(options: HistoryOptions) {
    this.#options = options;
    this.#storage = options.storage;
    this.#parallelism = options.parallelism;
    this.#dataflow = this.#make();
  }

  static async begin(options: HistoryOptions): Promise<History> {
    const history = new History(options);
    await history.#open();
    return history;
  }

  get dataflow(): Dataflow {
    return this.#dataflow;
  }

  async obey(event: Event): Promise<void> {
    switch (event.kind) {
      case 'steps':
        for (let i = 0; i < event.count; i++) await this.step();
        return;
      case 'snapshot':
        return this.#snapshot(event.stepsBetween, event.end);
      case 'crash':
        // What holds only changes is for the same parallelism.
        if (!this.#changes) this.#parallelism = event.parallelism;
        return this.#restart();
      case 'savepoint': {
        await this.#snapshot(0, 'committed');
        const { saved, digest } = await throughArchive(this.saved, this.#dataflow);
        this.#last = saved;
        this.#runs = [];
        this.#parallelism = event.parallelism;
        this.#storage = event.storage;
        await this.#restart();
        await this.#snapshot(0, 'completed');
        const again = await throughArchive(this.saved, this.#dataflow);
        if (this.#options.sameInput)
          assert.equal(again.digest, digest, 'restored and saved again at once, it is the same state');
        return;
      }
    }
  }

  /** To the end of input, with a last checkpoint; says what that holds. */
  async finish(): Promise<Saved> {
    // What is in flight waits for answers, or for the clock.
    while ((await this.step()) || this.#dataflow.inFlight > 0);
    assert.equal(this.#dataflow.ended, true);
    await this.#snapshot(0, 'committed');
    return this.saved;
  }

  async step(): Promise<boolean> {
    await new Promise<void>((resolve) => setImmediate(resolve));
    this.clock.advance(this.#options.tick ?? 0);
    const worked = this.#dataflow.step(this.clock.monotonic());
    await Promise.all(this.#dataflow.waiting.splice(0));
    return worked;
  }

  get #changes(): boolean {
    return this.#storage === 'memory, changes';
  }

  #make(): Dataflow {
    const { build, maxParallelism } = this.#options;
    const built = build(this.target);
    return new Dataflow({
      graph: typeof built === 'function' ? defineJob('history', {}, (job) => built(job)).build({}) : built,
      parallelism: this.#parallelism,
      maxParallelism,
      backend:
        this.#storage === 'disk' ? diskFactory({ cacheBytes: CACHE, mergeEvery: 3 }) : createMemoryBackend,
      snapshots: this.#changes ? 'changes' : 'all',
      context: {
        cwd: '/',
        disk: new FaultyDisk(),
        clock: this.clock,
        job: { id: 'history', name: 'history' },
        attempt: ++this.#attempt,
        lineage: [],
        log: () => undefined,
        stdout: async () => undefined,
      },
      where: new Where(),
      liveSinks: true,
      rewind: false,
      wake: () => undefined,
    });
  }

  async #restart(): Promise<void> {
    await this.#dataflow.closeSources();
    this.#dataflow = this.#make();
    await this.#open();
  }

  async #open(): Promise<void> {
    const { tables = [], entries = [], barrierTime } = this.#last ?? {};
    for (const entry of entries) this.#dataflow.restore(entry, tables);
    for (const entry of merged(this.#runs, true)) this.#dataflow.restore(entry, tables, true);
    await this.#dataflow.open({ barrierTime, fromOrigin: false });
  }

  async #snapshot(stepsBetween: number, end: Extract<Event, { kind: 'snapshot' }>['end']): Promise<void> {
    const checkpoint = ++this.#checkpoint;
    const { tables } = this.#dataflow;
    const chunks: Buffer[] = [];
    const pool = {
      take: (bytes: number) => Buffer.alloc(bytes),
      full: (chunk: Buffer, used: number) => void chunks.push(chunk.subarray(0, used)),
    };
    const snapshot = this.#dataflow.freeze(checkpoint, new EntryWriter(pool, this.#options.chunk ?? CHUNK));
    for (let i = 0; i < stepsBetween; i++) {
      snapshot.slice(() => true);
      await this.step();
    }
    if (end === 'aborted') return snapshot.abort();
    await finish(snapshot);
    if (this.#changes) snapshot.drains.settle(end !== 'lost');
    if (end === 'lost') return;
    const all = chunks.flatMap(entriesIn);
    const keyed = (entry: Entry) => !UNKEYED.includes(tables[entry.table]?.kind ?? '');
    const { barrierTime } = snapshot;
    const { maxParallelism } = this.#options;
    let entries = all;
    if (this.#changes) {
      // The first of a job from an archive holds all there is.
      this.#runs.push(all.filter(keyed));
      entries = all.filter((entry) => !keyed(entry));
    }
    this.#last = { checkpoint, barrierTime, maxParallelism, tables, entries };
    if (end === 'committed') await this.#dataflow.commit(checkpoint);
  }

  /** Everything that the last snapshot stands for. */
  get saved(): Saved {
    assert.ok(this.#last);
    return { ...this.#last, entries: [...this.#last.entries, ...merged(this.#runs, true)] };
  }
}

async function finish(snapshot: Snapshot): Promise<void> {
  while (!snapshot.slice(() => true));
  await snapshot.prepared;
  snapshot.finish();
}

export function entriesIn(chunk: Buffer): Entry[] {
  const from = new ByteReader(chunk);
  const entries: Entry[] = [];
  while (from.remaining > 0) entries.push(readEntry(from));
  return entries;
}
