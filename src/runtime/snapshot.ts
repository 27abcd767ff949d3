/**
 * One barrier's snapshot while it is being written.
 *
 *     freeze (constructor, synchronous) ──▶ slice … slice ──▶ finish
 *                                       └─▶ prepared (sinks durable)
 *
 * The constructor cuts: positions are written, backends frozen, transactions sealed. `slice` writes frozen state
 * while the job runs on. `finish` adds the transactions, once they are durable and all slices are done.
 */
import { assert } from '../base/assert.js';
import { keyCodecById } from '../codec/keys.js';
import { valueCodec } from '../codec/value.js';
import type { EntryWriter } from '../format/entry.js';
import type { SinkContext } from '../graph/sink.js';
import type { Drain } from '../state/backend.js';
import type { Compiled } from './compile.js';

const stringKeys = keyCodecById('string');
const longKeys = keyCodecById('long');

export class Snapshot {
  readonly checkpoint: number;
  /** Processing time at the barrier. */
  readonly barrierTime: number;
  /** Resolves once every sink's transaction is durable. */
  readonly prepared: Promise<void>;
  readonly out: EntryWriter;
  readonly #compiled: Compiled;
  readonly #drains: Drain[];
  #drained = 0;

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
    this.#drains = compiled.keyed.map((operator) => operator.backend.freeze(out));
    this.prepared = Promise.all(compiled.sinks.map((group) => group.prepare(checkpoint, ids))).then(
      () => undefined,
    );
    // Whoever waits for it hears of a rejection; until then it must not count as unhandled.
    this.prepared.catch(() => undefined);
  }

  /** Writes frozen state until `deadline` or until all is written; true when all is. */
  slice(deadline: () => boolean): boolean {
    for (; this.#drained < this.#drains.length; this.#drained++) {
      if (this.#drains[this.#drained]?.slice(deadline) === false) return false;
    }
    return true;
  }

  /** Adds the transactions and hands over the last chunk. */
  finish(): void {
    assert(this.#drained === this.#drains.length, 'finish before all is drained');
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
    for (const drain of this.#drains) drain.abort();
  }

  #writePositions(): void {
    for (const source of this.#compiled.sources) {
      const table = this.#tableOf(source.node.uid, 'splits');
      assert(table !== undefined, 'a source without a table');
      for (const { id, position, done } of source.positions()) {
        this.out.begin(table, 0);
        this.out.key(stringKeys, id);
        this.out.value(valueCodec, { position, done });
      }
    }
  }

  #tableOf(uid: string, kind: 'splits' | 'transactions'): number | undefined {
    return this.#compiled.tables.find((table) => table.operator === uid && table.kind === kind)?.id;
  }
}
