/** Where the bytes of one checkpoint go: a file of its own, or one more delta of a chain. */
import type { SegmentRecord } from '../catalog/records.js';
import type { Drained } from './attempt.js';
import type { Chain } from './chain.js';
import type { Delta } from './delta.js';
import type { Run } from './store-protocol.js';

export interface WrittenSnapshot {
  /** In reading order, durable under their names, leased. */
  readonly segments: readonly SegmentRecord[];
  readonly mode: 'full' | 'incremental';
  /** What the segments hold of a table, in bytes; undefined: what was drained. */
  bytesOf(table: number): number | undefined;
}

/** Exactly one of `finish` and `discard` ends it; `discard` also while `finish` is under way. */
export interface SnapshotSink {
  /** Takes a chunk; the first `used` bytes hold `entries` whole entries. */
  add(chunk: Uint8Array, used: number, entries: number): void;
  /** All chunks were given. Rejects with what went wrong on the way. */
  finish(drained: Drained): Promise<WrittenSnapshot>;
  /** Gives it up and removes what was written. */
  discard(): Promise<void>;
  /** The checkpoint is complete, and refers to its segments. */
  release(): void;
}

export class ChainSnapshot implements SnapshotSink {
  readonly #chain: Chain;
  readonly #delta: Delta;
  readonly #mode: 'full' | 'incremental';

  /** `mode`: full merges the whole chain. */
  constructor(chain: Chain, id: number, mode: 'full' | 'incremental') {
    this.#chain = chain;
    this.#mode = mode;
    this.#delta = chain.begin(id, mode === 'full');
  }

  add(chunk: Uint8Array, used: number, entries: number): void {
    this.#delta.add(chunk, used, entries);
  }

  async finish(drained: Drained): Promise<WrittenSnapshot> {
    this.#chain.passed(drained.barrierTime);
    const { runs } = await this.#delta.finish();
    const last = runs.at(-1);
    const unkeyed = new Set(
      drained.tables.flatMap(({ subtasks }, id) => (subtasks === undefined ? [id] : [])),
    );
    return {
      segments: runs.map(({ name, bytes }) => ({ name, bytes })),
      mode: this.#mode,
      bytesOf: (table) => bytesOf(unkeyed.has(table) && last !== undefined ? [last] : runs, table),
    };
  }

  discard(): Promise<void> {
    return this.#delta.discard();
  }

  /** The chain keeps what it reads. */
  release(): void {}
}

function bytesOf(runs: readonly Run[], table: number): number {
  let sum = 0;
  for (const { tables } of runs) {
    for (const stats of tables) if (stats.table === table) sum += stats.bytes;
  }
  return sum;
}
