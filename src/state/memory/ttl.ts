/** How long the entries of a column live, by the time of the current step. */
import { present } from '../../base/assert.js';
import type { Entry } from '../../format/entry.js';
import type { StateTable, StepTime } from '../backend.js';
import type { Store } from './store.js';

export class Ttl {
  /** Whether reading an entry renews it. */
  readonly onRead: boolean;
  readonly #after: number;
  readonly #time: StepTime;

  constructor(time: StepTime, after: number, onRead: boolean) {
    this.#time = time;
    this.#after = after;
    this.onRead = onRead;
  }

  /** What has a stamp no later than this has expired. */
  now(): number {
    return this.#time.now;
  }

  /** Of what is set now. */
  stamp(): number {
    return this.#time.now + this.#after;
  }

  /** Of what is restored: one without a stamp is as if it was set now. */
  stampOf({ stamp }: Entry): number {
    // An archive may say anything; what is beyond all clocks is as far as can be written again.
    return stamp === undefined ? this.stamp() : Math.min(Number(stamp), Number.MAX_SAFE_INTEGER);
  }

  /** Until when a kept drain shows what is restored; 0 where none has it. */
  writtenBy({ stamp }: Entry, kept: boolean): number {
    if (!kept) return 0;
    return stamp === undefined ? Number.POSITIVE_INFINITY : Number(stamp);
  }
}

export function ttlOf({ options }: Store, { name, ttl }: StateTable): Ttl {
  const { after, refresh } = present(ttl, `how long ${name} lives`);
  return new Ttl(options.time, after, refresh === 'read');
}
