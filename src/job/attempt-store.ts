/**
 * The runs of one attempt, where its state is written as changes: the chain, the thread that writes it, and the
 * flushes that the data thread begins by itself.
 *
 * Invariants: what the catalog or the disk refuses fails the attempt, and nothing else; after `close` nothing is
 * leased any more, and only what a checkpoint refers to is left.
 */
import type { Clock } from '../base/clock.js';
import { type TidemarkError, toTidemarkError } from '../base/errors.js';
import type { Catalog } from '../catalog/catalog.js';
import type { SegmentRecord } from '../catalog/records.js';
import { isKeyed } from '../format/manifest.js';
import type { Attempt } from './attempt.js';
import { Chain, type MergeReport } from './chain.js';
import type { Delta } from './delta.js';
import type { RunnerEvent } from './events.js';
import type { GraphFacts } from './protocol.js';
import type { Removals } from './removals.js';
import { StoreTask } from './store-task.js';

export interface AttemptStoreOptions {
  readonly catalog: Catalog;
  readonly job: string;
  readonly epoch: number;
  /** Where segments are. */
  readonly folder: string;
  readonly clock: Clock;
  readonly facts: Pick<GraphFacts, 'tables'>;
  readonly attempt: Attempt;
  readonly removals: Removals;
  onEvent(event: RunnerEvent): void;
}

/** For `status`. */
export interface StoreMetrics {
  readonly segments: number;
  readonly bytes: number;
  /** Of this attempt. */
  readonly merges: { readonly count: number; readonly bytesRead: number; readonly bytesWritten: number };
  readonly flushes: number;
}

/** What the state of the job lies in when the attempt begins. */
export interface StoreBeginning {
  /** Oldest first. */
  readonly runs: readonly SegmentRecord[];
  readonly barrierTime: number;
}

export class AttemptStore {
  readonly chain: Chain;
  readonly #options: AttemptStoreOptions;
  #flush: Delta | undefined;
  #flushes = 0;
  #merges = { count: 0, bytesRead: 0, bytesWritten: 0 };

  private constructor(options: AttemptStoreOptions, chain: Chain) {
    this.#options = options;
    this.chain = chain;
  }

  /** Leases what is there, and tells the data thread of it. @throws SEGMENT_CORRUPT */
  static async open(options: AttemptStoreOptions, beginning: StoreBeginning): Promise<AttemptStore> {
    const { catalog, job, epoch, folder, facts, attempt, clock } = options;
    let store: AttemptStore | undefined;
    const unkeyed = new Set(facts.tables.filter(({ kind }) => !isKeyed(kind)).map(({ id }) => id));
    const task = new StoreTask(
      { folder, unkeyed },
      {
        taken: (bytes) => attempt.send({ type: 'buffer', buffer: bytes }, [bytes.buffer as ArrayBuffer]),
        lease: (owner, run) => {
          catalog.lease(job, epoch, [run]);
          store?.chain.leased(owner, run.name);
        },
        // Its chunks are lost: the data thread would wait for their memory for ever.
        died: (error) => void attempt.terminate(error),
      },
    );
    try {
      catalog.lease(job, epoch, beginning.runs);
      const runs = await task.describe(beginning.runs.map(({ name }) => name));
      const chain = new Chain(
        {
          ...options,
          task,
          send: (message) => attempt.send(message),
          now: () => clock.monotonic(),
          onMerge: (merge) => store?.merged(merge),
          onMergeFailed: (error) =>
            options.onEvent({ type: 'log', text: `merging failed: ${error.message}` }),
        },
        runs,
        beginning.barrierTime,
      );
      store = new AttemptStore(options, chain);
      if (runs.length > 0) chain.announce();
      return store;
    } catch (error) {
      await task.close();
      throw error;
    }
  }

  get metrics(): StoreMetrics {
    const { runs } = this.chain;
    const bytes = runs.reduce((sum, run) => sum + run.bytes, 0);
    return { segments: runs.length, bytes, merges: this.#merges, flushes: this.#flushes };
  }

  flush(id: number): void {
    this.#flush = this.chain.begin(id);
  }

  /** A chunk of the flush under way. */
  chunk(bytes: Uint8Array, used: number, entries: number): void {
    this.#flush?.add(bytes, used, entries);
  }

  /** What a flush wrote has no other place: if it is lost, the attempt begins anew from its last checkpoint. */
  flushed(): void {
    const flush = this.#flush;
    this.#flush = undefined;
    flush?.finish().then(
      () => {
        this.#flushes++;
      },
      (error: unknown) => this.#fail(toTidemarkError(error)),
    );
  }

  opened(version: number): void {
    try {
      this.chain.opened(version);
    } catch (error) {
      this.#fail(toTidemarkError(error));
    }
  }

  /** The data thread is gone. */
  async close(): Promise<void> {
    await this.chain.close();
    this.chain.release();
  }

  merged(merge: MergeReport): void {
    const { count, bytesRead, bytesWritten } = this.#merges;
    this.#merges = {
      count: count + 1,
      bytesRead: bytesRead + merge.bytesRead,
      bytesWritten: bytesWritten + merge.bytesWritten,
    };
    this.#options.onEvent({ type: 'merge', ...merge });
  }

  #fail(error: TidemarkError): void {
    void this.#options.attempt.terminate(error);
  }
}
