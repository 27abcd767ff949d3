/**
 * One barrier's snapshot while it is being written.
 *
 *     freeze (constructor, synchronous) ──▶ slice … slice ──▶ finish
 *                                       └─▶ prepared (sinks durable)
 *
 * The constructor cuts: positions are written, backends frozen, transactions sealed, and then state that belongs to no
 * key is written. `slice` writes frozen state while the job runs on. `finish` adds the transactions, once they are durable and all slices are done.
 */
import { assert } from '../base/assert.js';
import { keyCodecById } from '../codec/keys.js';
import { valueCodec } from '../codec/value.js';
import type { EntryWriter } from '../format/entry.js';
import { writtenWatermark } from '../format/watermark.js';
import type { SinkContext } from '../graph/sink.js';
import type { TableCount } from '../state/backend.js';
import type { Compiled } from './compile.js';
import { Drains } from './drains.js';
import { END_OF_TIME, NO_WATERMARK } from './event-time.js';

const stringKeys = keyCodecById('string');
const longKeys = keyCodecById('long');
/** The watermark of an operator is the least of its inputs, told under one. */
const ONLY_INPUT = 0;

export class Snapshot {
  readonly checkpoint: number;
  /** Processing time at the barrier. */
  readonly barrierTime: number;
  /** Resolves once every sink's transaction is durable. */
  readonly prepared: Promise<void>;
  readonly out: EntryWriter;
  /** Live entries at the barrier: by table, by subtask; empty for tables without keys. */
  readonly counts: ReadonlyMap<number, readonly TableCount[]>;
  readonly drains: Drains;
  readonly #compiled: Compiled;
  #drained = false;

  constructor(
    compiled: Compiled,
    checkpoint: number,
    barrierTime: number,
    out: EntryWriter,
    ids: Pick<SinkContext, 'job' | 'attempt'>,
  ) {
    this.#compiled = compiled;
    this.checkpoint = checkpoint;
    this.barrierTime = barrierTime;
    this.out = out;
    this.#writePositions();
    this.#writeWatermarks();
    this.counts = liveEntries(compiled);
    this.drains = new Drains(
      compiled.keyed.map(({ backend }) => backend),
      out,
    );
    this.prepared = Promise.all(compiled.sinks.map((group) => group.prepare(checkpoint, ids))).then(
      () => undefined,
    );
    // Whoever waits for it hears of a rejection; until then it must not count as unhandled.
    this.prepared.catch(() => undefined);
    // A writer keeps back in its state what it does not put into the transaction that it seals.
    for (const states of compiled.unkeyed.values()) states.write(out);
  }

  /** Writes frozen state until `deadline` or until all is written; true when all is. */
  slice(deadline: () => boolean): boolean {
    this.#drained ||= this.drains.slice(deadline);
    return this.#drained;
  }

  /** Adds the transactions and hands over the last chunk. */
  finish(): void {
    assert(this.#drained, 'finish before all is drained');
    for (const group of this.#compiled.sinks) {
      const table = this.#tableOf(group.node.uid, 'transactions');
      if (table === undefined) continue;
      group.openTransactions().forEach((transaction, index) => {
        this.out.begin(table, 0);
        this.out.key(longKeys, index);
        this.out.value(valueCodec, transaction);
      });
    }
    this.out.flush();
  }

  /** Gives up: the backends forget the freeze. Sealed transactions stay and go with the next snapshot. */
  abort(): void {
    this.drains.abort(this.#compiled.snapshots === 'changes');
  }

  #writePositions(): void {
    for (const source of this.#compiled.sources) {
      const table = this.#tableOf(source.node.uid, 'splits');
      assert(table !== undefined, 'a source without a table');
      for (const { id, ...split } of source.positions()) {
        this.out.begin(table, 0);
        this.out.key(stringKeys, id);
        this.out.value(valueCodec, split);
      }
    }
  }

  #writeWatermarks(): void {
    for (const [uid, time] of this.#compiled.times) {
      const table = this.#tableOf(uid, 'watermark');
      // Restored from the end of time, and not moved since: the same state, told the same. How far a drain came that was for
      // nothing is no watermark: inputs may be behind it.
      const stays = time.watermark === NO_WATERMARK && time.furthest === END_OF_TIME;
      const watermark = stays ? END_OF_TIME : time.watermark;
      if (table === undefined || watermark === NO_WATERMARK) continue;
      this.out.begin(table, 0);
      this.out.key(longKeys, ONLY_INPUT);
      this.out.value(valueCodec, writtenWatermark(watermark));
    }
  }

  #tableOf(uid: string, kind: 'splits' | 'watermark' | 'transactions'): number | undefined {
    return this.#compiled.tables.find((table) => table.operator === uid && table.kind === kind)?.id;
  }
}

/** What every subtask of every keyed table holds. */
function liveEntries(compiled: Compiled): ReadonlyMap<number, readonly TableCount[]> {
  const counts = new Map<number, TableCount[]>();
  for (const operators of compiled.processes.values()) {
    for (const { backend } of operators) {
      for (const count of backend.counts()) {
        const subtasks = counts.get(count.table) ?? [];
        subtasks.push(count);
        counts.set(count.table, subtasks);
      }
    }
  }
  return counts;
}
