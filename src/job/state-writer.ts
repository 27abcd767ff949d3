/**
 * The data thread's side of getting state out: chunks of a snapshot or a flush, one at a time, and what became of them.
 *
 *     idle ──begin──▶ draining ──done──▶ unsettled ──written──▶ idle        under `changes`
 *                        └──abort──▶ idle ◀──abort──┘                       under `all`: done leads to idle
 *
 * Invariants: a freeze only when idle; a flush is begun by this side alone, when the disk backend wants it.
 */
import { assert, present } from '../base/assert.js';
import { EntryWriter } from '../format/entry.js';
import type { Dataflow } from '../runtime/dataflow.js';
import type { Drains } from '../runtime/drains.js';
import { TransferPool } from './chunk-pool.js';
import { type AdoptedTable, CHUNK_BYTES, type FromData, type ToData } from './protocol.js';

/** What of the disk backend is of interest here. */
export interface StateOnDisk {
  readonly wantsFlush: boolean;
  readonly full: boolean;
  setRuns(names: readonly string[]): void;
  adopt(tables: readonly AdoptedTable[]): void;
}

export interface StateWriterOptions {
  readonly dataflow: Dataflow;
  readonly snapshots: 'all' | 'changes';
  readonly disk: StateOnDisk | undefined;
  send(message: FromData, transfer?: readonly ArrayBuffer[]): void;
}

export class StateWriter {
  readonly pool: TransferPool;
  readonly #options: StateWriterOptions;
  /** What is being drained, or drained and not yet settled. */
  #id = 0;
  #drains: Drains | undefined;
  #unsettled = false;
  #flush: { readonly out: EntryWriter; readonly drains: Drains } | undefined;
  #flushes = 0;

  constructor(options: StateWriterOptions) {
    this.#options = options;
    this.pool = new TransferPool((chunk, used, entries) => {
      // The type allows shared memory; TransferPool and ByteWriter only ever make the transferable kind.
      const memory = chunk.buffer as ArrayBuffer;
      options.send({ type: 'chunk', id: this.#id, bytes: chunk, used, entries }, [memory]);
    });
  }

  /** Snapshots hold what changed. */
  get changes(): boolean {
    return this.#options.snapshots === 'changes';
  }

  /** A freeze may come. */
  get idle(): boolean {
    return this.#drains === undefined && !this.#unsettled;
  }

  /** No element may be processed before what is held in memory is written. */
  get full(): boolean {
    return this.#options.disk?.full === true;
  }

  /** Where the next snapshot goes. */
  writer(id: number): EntryWriter {
    assert(this.idle, 'a freeze while another drains');
    this.#id = id;
    return new EntryWriter(this.pool, CHUNK_BYTES);
  }

  /** A snapshot written to `writer` was frozen. */
  begin(drains: Drains): void {
    this.#drains = drains;
  }

  /** It is drained and its last chunk on its way. */
  done(): void {
    if (this.#options.snapshots === 'changes') this.#unsettled = true;
    else this.#drains = undefined;
  }

  /** The snapshot was aborted by its owner, while it drained. */
  aborted(): void {
    this.#drains = undefined;
  }

  /** Begins a flush where one is due. */
  maybeFlush(): void {
    const { disk, dataflow, send } = this.#options;
    if (disk?.wantsFlush !== true || !this.idle) return;
    const id = -++this.#flushes;
    const out = this.writer(id);
    send({ type: 'flush', id });
    this.#drains = dataflow.flush(out);
    this.#flush = { out, drains: this.#drains };
  }

  get flushing(): boolean {
    return this.#flush !== undefined;
  }

  /** Writes a slice of the flush; true once it is drained. */
  sliceFlush(deadline: () => boolean): boolean {
    const { out, drains } = present(this.#flush, 'a flush under way');
    if (!drains.slice(deadline)) return false;
    out.flush();
    this.#flush = undefined;
    this.#options.send({ type: 'flushed', id: this.#id });
    this.done();
    return true;
  }

  /** Hears what concerns it; false for other messages. */
  hear(message: ToData): boolean {
    switch (message.type) {
      case 'buffer':
        this.pool.give(message.buffer);
        return true;
      case 'runs':
        this.#use(message.version, message.names);
        return true;
      case 'written':
        this.#use(message.version, message.names);
        if (this.#unsettled && this.#id === message.id) this.#settle(true);
        return true;
      case 'adopt':
        this.#options.disk?.adopt(message.tables);
        return true;
      case 'abort-checkpoint':
        // While it drains, its owner aborts it.
        if (!this.#unsettled || this.#id !== message.id) return false;
        this.#settle(false);
        return true;
      default:
        return false;
    }
  }

  #use(version: number, names: readonly string[]): void {
    const { disk, send } = this.#options;
    disk?.setRuns(names);
    send({ type: 'opened', version });
  }

  #settle(kept: boolean): void {
    present(this.#drains, 'what was drained').settle(kept);
    this.#drains = undefined;
    this.#unsettled = false;
  }
}
