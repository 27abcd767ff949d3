/**
 * The state of a data thread that is kept on disk: one store of sorted segments and one cache over it, shared by the disk
 * backends of all operators and subtasks.
 *
 *     handles ─▶ rows in memory ───── not there ────▶ SegmentStore ─▶ block cache ─▶ runs on disk
 *                dirty ones wait ─ freeze, drain ─▶ writer ─▶ (others sort and write) ─▶ setRuns, settle(true)
 *
 * Nothing is written here, synced or merged. Reads are synchronous: one block of 4 KiB where the key was not in memory.
 *
 * Duties of the caller
 * - `setRuns` with the run of a delta comes before `settle(true)` of its drain, and the files stay until the next.
 * - Freezes soon when `wantsFlush`; processes nothing before a drain is settled when `full`. Otherwise memory grows.
 *
 * Memory: `cacheBytes` is for blocks, filter pages and indexes (a quarter, outside the JavaScript heap) and for rows, by
 * estimate. Measured, rows take 0.8 to 1 of what they are counted with (numbers and maps 0.85, values of 1 KB 0.97); what
 * is dead and not yet collected comes on top. One key's row is in memory whole, whatever its size; so are all timers.
 */
import type { SyncDisk } from '../../base/disk.js';
import type { BackendOptions, KeyedBackend } from '../backend.js';
import { ROWS_PER_LOOK } from '../memory/pace.js';
import { type AdoptedTable, DiskBackend } from './backend.js';
import { BLOCK_SHARE, Budget } from './budget.js';
import { SegmentStore } from './segment-store.js';

export interface DiskStateOptions {
  readonly disk: SyncDisk;
  /** Where the segments are. */
  readonly folder: string;
  /** What blocks, indexes and rows may take together, in bytes. */
  readonly cacheBytes: number;
  /** How many cells a drain goes through between two looks at its deadline. */
  readonly rowsPerLook?: number;
}

export class DiskState {
  readonly #store: SegmentStore;
  readonly #budget: Budget;
  readonly #rowsPerLook: number;
  readonly #backends: DiskBackend[] = [];

  constructor({ disk, folder, cacheBytes, rowsPerLook = ROWS_PER_LOOK }: DiskStateOptions) {
    this.#store = new SegmentStore(disk, folder, cacheBytes * BLOCK_SHARE);
    this.#budget = new Budget(cacheBytes);
    this.#rowsPerLook = rowsPerLook;
  }

  /** A backend on this store; its options ask for changes. */
  readonly create = (options: BackendOptions): KeyedBackend => {
    const backend = new DiskBackend(options, {
      store: this.#store,
      budget: this.#budget,
      rowsPerLook: this.#rowsPerLook,
    });
    this.#backends.push(backend);
    return backend;
  };

  /**
   * The runs to read from now on, oldest first. When one cannot be opened all stays as it is.
   * @throws TidemarkError SEGMENT_CORRUPT, also for one that is missing; FORMAT_NEWER.
   */
  setRuns(names: readonly string[]): void {
    this.#store.setRuns(names);
  }

  /** Says what the runs hold, for `counts`, or what they hold more than was said before. Before any element. */
  adopt(tables: readonly AdoptedTable[]): void {
    for (const backend of this.#backends) backend.adopt(tables);
  }

  /** Changes take more than their share: a freeze should come soon. */
  get wantsFlush(): boolean {
    return this.#budget.wantsFlush;
  }

  /** Changes, those of a freeze that is not settled included, take twice their share. */
  get full(): boolean {
    return this.#budget.full;
  }

  /** Bytes read from the disk, and by how many reads. */
  get bytesRead(): number {
    return this.#store.bytesRead;
  }

  get reads(): number {
    return this.#store.reads;
  }

  /** How many rows are in memory, and what they are counted with, in bytes. */
  get cached(): { readonly rows: number; readonly bytes: number } {
    return { rows: this.#budget.rows, bytes: this.#budget.rowBytes };
  }

  /** Closes the files. Backends must not be used after it. */
  close(): void {
    this.#store.close();
  }
}
