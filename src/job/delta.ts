/** What one checkpoint or flush adds to a chain, while it is written. */
import { TidemarkError } from '../base/errors.js';
import type { Chain, ChainState } from './chain.js';
import type { Run } from './store-protocol.js';
import type { StoreTask } from './store-task.js';

/** Exactly one of `finish` and `discard` ends it; `discard` also during `finish`. */
export class Delta {
  readonly id: number;
  readonly #chain: Chain;
  readonly #task: StoreTask;
  readonly #whole: boolean;
  #discarded = false;
  #finishing = false;

  constructor(chain: Chain, task: StoreTask, id: number, whole: boolean) {
    this.id = id;
    this.#chain = chain;
    this.#task = task;
    this.#whole = whole;
    task.begin(id);
  }

  /** The memory of a chunk comes back through the task's `taken`. */
  add(bytes: Uint8Array, used: number, entries: number): void {
    this.#task.chunk(this.id, bytes, used, entries);
  }

  /** All chunks were given: durable, in the list, and the data thread told. Rejects when it was discarded. */
  async finish(): Promise<ChainState> {
    this.#finishing = true;
    const runs = await this.#written();
    if (this.#discarded) {
      this.#drop();
      throw new TidemarkError('CHECKPOINT_FAILED', 'the checkpoint was given up');
    }
    const state = this.#chain.add(this.id, runs, this.#whole);
    return this.#whole ? await this.#chain.whole() : state;
  }

  async discard(): Promise<void> {
    this.#discarded = true;
    if (this.#finishing) return;
    await this.#task.discard(this.id).catch(() => undefined);
    this.#drop();
  }

  /** What the catalog refuses here, it refuses whoever comes next, too; its leases are left to the sweep. */
  #drop(): void {
    try {
      this.#chain.drop(this.id);
    } catch {
      // Nobody waits for this.
    }
  }

  async #written(): Promise<readonly Run[]> {
    try {
      await this.#chain.room();
      return await this.#task.finish(this.id);
    } catch (error) {
      if (!this.#chain.closed) this.#drop();
      throw error;
    }
  }
}
