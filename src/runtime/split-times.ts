/** How far event time came in the splits of a source, and which of them hold it back. */
import { NO_WATERMARK } from './event-time.js';
import type { SplitReader } from './split-reader.js';
import type { WatermarkRules } from './watermarks.js';

export class SplitTimes {
  /** Not known to be read to their end. */
  #open: SplitReader[] = [];

  add(reader: SplitReader): void {
    this.#open.push(reader);
  }

  /**
   * The least over its splits of the greatest timestamp seen in each, of those that hold event time back: not those read to
   * their end, nor those that give nothing now, by the rules. Undefined when none does.
   *
   * Of splits that follow each other, one to come is no earlier than those before it, and so needs not count beside them;
   * but where it is the first that is not read to its end, for a moment or while another subtask reads on, it holds back
   * what it may give.
   */
  leastGreatest({ idle, inTurn }: WatermarkRules, monotonic: number): number | undefined {
    let least: number | undefined;
    let first = false;
    let reading = false;
    for (const reader of this.#unfinished()) {
      const { greatest } = reader.time;
      if (reader.state === 'waiting' && inTurn && greatest === NO_WATERMARK) {
        first ||= least === undefined;
        continue;
      }
      reading = true;
      if (reader.state === 'reading' && isIdle(reader, idle, monotonic)) continue;
      if (first) return NO_WATERMARK;
      if (least === undefined || greatest < least) least = greatest;
      if (least === NO_WATERMARK) break;
    }
    return least ?? (first && !reading ? NO_WATERMARK : undefined);
  }

  /** Milliseconds until the next of its splits counts as idle. */
  idleIn(idle: number, monotonic: number): number {
    let wait = Number.POSITIVE_INFINITY;
    for (const reader of this.#unfinished()) {
      if (reader.state !== 'reading' || !reader.empty || isIdle(reader, idle, monotonic)) continue;
      wait = Math.min(wait, (reader.activeAt ?? monotonic) + idle - monotonic);
    }
    return wait;
  }

  /** Nobody looked for so long, milliseconds: what they gave meanwhile could not be seen. */
  stalled(ms: number): void {
    for (const reader of this.#unfinished()) if (reader.activeAt !== undefined) reader.activeAt += ms;
  }

  /** The splits that are not read to their end. Forgets those that are: they are many in the end. */
  #unfinished(): readonly SplitReader[] {
    if (this.#open.some(({ state }) => state === 'done'))
      this.#open = this.#open.filter(({ state }) => state !== 'done');
    return this.#open;
  }
}

/** Nothing came, and nothing is at hand, for as long as that. */
function isIdle(reader: SplitReader, idle: number | undefined, monotonic: number): boolean {
  // One that is held gives nothing because it is not let.
  if (idle === undefined || !reader.empty || reader.arrived) return false;
  reader.activeAt ??= monotonic;
  return monotonic - reader.activeAt >= idle;
}
