/**
 * What changed in the timers of one name, under `changes`: timers that were set, and tombs of those that fired or were
 * deleted and may be in a kept drain.
 */
import type { Key, KeyIdentity } from '../../codec/key.js';
import { ChangeList } from './change-list.js';
import { Graves, Tomb } from './graves.js';
import { KEPT } from './marks.js';
import type { Pace } from './pace.js';
import type { Store } from './store.js';
import type { TimerCell } from './timer-heap.js';

export class TimerTomb extends Tomb {
  readonly time: number;

  constructor(group: number, key: Key, time: number) {
    super(group, key);
    this.time = time;
  }
}

/** Of one key: most have one. */
type Grave = TimerTomb | Map<number, TimerTomb>;

/** Writes what is pending, and marks it as written. */
export interface TimerWriter {
  secure(cell: TimerCell): void;
  writeTombstone(tomb: TimerTomb): void;
}

export class TimerChanges {
  readonly #store: Store;
  readonly #writer: TimerWriter;
  readonly #list = new ChangeList<TimerCell>((cell) => cell.live);
  readonly #graves = new Graves<Grave>(joined);

  constructor(store: Store, writer: TimerWriter) {
    this.#store = store;
    this.#writer = writer;
  }

  /** A timer of the current key was set. */
  added(cell: TimerCell): void {
    cell.mark = this.#store.changed;
    if (!this.#graves.empty) cell.mark |= this.#exhume(this.#store.identity(), cell.time);
    this.#list.now.push(cell);
  }

  /** A timer, not pending, was taken out of its key, which may be any. */
  removed(cell: TimerCell, key: Key): void {
    const { options, changed } = this.#store;
    if ((cell.mark & KEPT) !== 0) {
      const { now } = this.#graves;
      const identity = options.keys.identity(key);
      const tomb = new TimerTomb(cell.bucket.group, key, cell.time);
      const grave = now.get(identity);
      now.set(identity, grave === undefined ? tomb : joined(grave, tomb));
    }
    if (cell.mark >= changed) this.#list.bury(1);
  }

  *sweep(pace: Pace): Generator<void, void> {
    for (const cell of this.#list.frozen) {
      if (cell.live) this.#writer.secure(cell);
      if (pace.due()) yield;
    }
    for (const grave of this.#graves.frozen.values()) {
      for (const tomb of tombsOf(grave)) {
        this.#secureTomb(tomb);
        if (pace.due()) yield;
      }
    }
  }

  freeze(): void {
    this.#list.freeze();
    this.#graves.freeze();
  }

  settle(kept: boolean): void {
    // A timer never changes: nothing that was frozen has changed since, but for what died.
    this.#list.settle(kept, () => false);
    this.#graves.settle(kept);
  }

  /** Takes the tomb of a timer away, and says whether there was one: KEPT or 0. */
  #exhume(identity: KeyIdentity, time: number): number {
    for (const graves of [this.#graves.now, this.#graves.frozen]) {
      const grave = graves.get(identity);
      const tomb = grave === undefined ? undefined : tombAt(grave, time);
      if (grave === undefined || tomb === undefined) continue;
      if (graves === this.#graves.frozen) this.#secureTomb(tomb);
      if (grave instanceof Map) grave.delete(time);
      if (!(grave instanceof Map) || grave.size === 0) graves.delete(identity);
      return KEPT;
    }
    return 0;
  }

  /** Writes the tombstone of a frozen grave if it is pending. */
  #secureTomb(tomb: TimerTomb): void {
    if (tomb.mark < this.#store.floor) this.#writer.writeTombstone(tomb);
  }
}

function tombsOf(grave: Grave): Iterable<TimerTomb> {
  return grave instanceof Map ? grave.values() : [grave];
}

function tombAt(grave: Grave, time: number): TimerTomb | undefined {
  if (grave instanceof Map) return grave.get(time);
  return grave.time === time ? grave : undefined;
}

/** The smaller goes into the larger. */
function joined(a: Grave, b: Grave): Grave {
  const [into, from] = sizeOf(a) < sizeOf(b) ? [b, a] : [a, b];
  const tombs = into instanceof Map ? into : new Map([[into.time, into]]);
  for (const tomb of tombsOf(from)) tombs.set(tomb.time, tomb);
  return tombs;
}

function sizeOf(grave: Grave): number {
  return grave instanceof Map ? grave.size : 1;
}
