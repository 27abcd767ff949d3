/**
 * The cells of columns that tell the entries of a key apart by a number: timers by their time, panes by their start.
 * A row has the only cell of its key, as most have one, or a Map of them: see slot-column.ts.
 */
import type { Key } from '../../codec/key.js';
import type { Bucket } from './bucket.js';
import { Tomb } from './graves.js';

/** From where on numbers have no halves. */
const NO_HALVES = 2 ** 52;

/**
 * What a Map of cells has a number under. Maps look small integers up faster by a third than what V8 keeps as a double:
 * whole seconds are such, as the starts of most windows are, and all else is told from them by its half.
 */
export function slotOf(at: number): number | string {
  const seconds = at / 1000;
  if ((seconds | 0) === seconds) return seconds;
  return at > -NO_HALVES && at < NO_HALVES ? at + 0.5 : String(at);
}

export abstract class SlotCell {
  /** What tells it from other cells of its key. */
  readonly at: number;
  readonly bucket: Bucket;
  /** Stays the key's row as long as the cell is live. */
  readonly row: number;
  /** See marks.ts. */
  mark: number;
  live = true;

  constructor(at: number, bucket: Bucket, row: number, mark: number) {
    this.at = at;
    this.bucket = bucket;
    this.row = row;
    this.mark = mark;
  }

  /** What tells its entry from all others that the key ever had. */
  get id(): number | string {
    return this.at;
  }
}

export class SlotTomb extends Tomb {
  readonly at: number;

  constructor(group: number, key: Key, at: number) {
    super(group, key);
    this.at = at;
  }

  /** That of the cell. */
  get id(): number | string {
    return this.at;
  }
}
