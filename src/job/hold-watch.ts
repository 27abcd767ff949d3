/** The data thread's side of `savepoint --at`: begins a hold, and tells how far it is and what became of it. */
import type { Clock } from '../base/clock.js';
import { TidemarkError, toTidemarkError } from '../base/errors.js';
import { ByteReader } from '../codec/reader.js';
import { readEntry } from '../format/entry.js';
import type { Dataflow } from '../runtime/dataflow.js';
import type { Where } from '../runtime/where.js';
import type { FromData, ToData } from './protocol.js';

/** Milliseconds between two words on how far it is. */
const TELL_MS = 200;

export interface HoldWatchOptions {
  readonly dataflow: Dataflow;
  readonly where: Where;
  readonly clock: Clock;
  send(message: FromData): void;
}

export class HoldWatch {
  readonly #options: HoldWatchOptions;
  #id = 0;
  #toldAt = 0;
  #arrived = -1;
  #settled = false;

  constructor(options: HoldWatchOptions) {
    this.#options = options;
  }

  /** Splits begin to wait. `ended`: all input was read, and the job is about to end. */
  hold({ id, tables, blocks }: Extract<ToData, { readonly type: 'hold' }>, ended: boolean): void {
    const { dataflow, where, send } = this.#options;
    this.#id = id;
    this.#arrived = -1;
    this.#settled = false;
    try {
      if (ended) throw new TidemarkError('JOB_ENDED', 'the job has read all of its input, and ends');
      const entries = blocks.flatMap(({ payload, entries: count }) => {
        const reader = new ByteReader(Buffer.from(payload.buffer, payload.byteOffset, payload.length));
        return Array.from({ length: count }, () => readEntry(reader));
      });
      // The schema of positions, and how they compare, are user code.
      where.enter();
      try {
        dataflow.hold({ tables, entries });
      } finally {
        where.leave();
      }
    } catch (error) {
      send({ type: 'hold-refused', id, error: toTidemarkError(error).toRecord() });
    }
  }

  /** Between two steps. */
  look(): void {
    const { dataflow, clock, send } = this.#options;
    const { held } = dataflow;
    if (held === undefined || this.#settled) return;
    const { failure, settled } = held;
    if (failure !== undefined) {
      dataflow.release();
      send({ type: 'hold-refused', id: this.#id, error: failure.toRecord() });
      return;
    }
    const now = clock.monotonic();
    if (!settled && now - this.#toldAt < TELL_MS) return;
    this.#toldAt = now;
    const { progress } = held;
    if (!settled && progress.arrived === this.#arrived) return;
    this.#arrived = progress.arrived;
    this.#settled = settled;
    send({ type: 'holding', id: this.#id, progress, settled });
  }
}
