/** Tumbling windows, sliding ones that are not sliced, and the global one, under the default trigger. */
import type { WindowNode } from '../../graph/node.js';
import { GLOBAL_WINDOW, type SlidingWindows, type TumblingWindows } from '../../graph/window.js';
import type { KeyedParts } from '../operator.js';
import { AlignedWindows } from './aligned-windows.js';
import { firstPaneStart } from './assigning.js';
import { PanesOperator } from './default-trigger.js';

/** One pane for each element. The path of an element whose pane is there allocates nothing. */
export class TumblingOperator extends PanesOperator {
  readonly #windows: AlignedWindows;

  constructor(node: WindowNode, parts: KeyedParts, { size, offset }: TumblingWindows) {
    super(node, parts);
    this.#windows = new AlignedWindows(size, size, offset);
  }

  pushKeyed(value: unknown, key: unknown, group: number, hash: number): void {
    this.in++;
    this.user.at();
    const window = this.#windows.at(this.timestampOf(value));
    if (this.isPast(window)) return this.tooLate(value);
    this.select(key, group, hash);
    this.add(window, value);
  }
}

/** As many panes for each element as there are slides in the size. */
export class SlidingOperator extends PanesOperator {
  readonly #assign: SlidingWindows;
  readonly #windows: AlignedWindows;

  constructor(node: WindowNode, parts: KeyedParts, assign: SlidingWindows) {
    super(node, parts);
    this.#assign = assign;
    this.#windows = new AlignedWindows(assign.size, assign.slide, assign.offset);
  }

  pushKeyed(value: unknown, key: unknown, group: number, hash: number): void {
    this.in++;
    this.user.at();
    const timestamp = this.timestampOf(value);
    const { slide } = this.#assign;
    const { start: last } = this.#windows.at(timestamp);
    let start = firstPaneStart(this.#assign, timestamp);
    // Between two windows, or within all of them.
    if (start > last) return;
    while (start <= last && this.isPast(this.#windows.from(start))) start += slide;
    if (start > last) return this.tooLate(value);
    this.select(key, group, hash);
    this.#addFrom(start, last, value);
  }

  /** As `add` for each pane, but with one look at all panes of the key, however many are new. */
  #addFrom(first: number, last: number, value: unknown): void {
    const { panes } = this;
    const { watermark } = this.time;
    let before: number | undefined;
    let least = Number.POSITIVE_INFINITY;
    for (let start = first; start <= last; start += this.#assign.slide) {
      const window = this.#windows.from(start);
      const kept = panes.get(start);
      const now = this.contents.add(kept, value);
      if (kept === undefined) {
        before ??= this.leastDue(watermark);
        least = Math.min(least, this.due(window, watermark));
      }
      const fresh = this.keep(window, now, value);
      if (fresh && kept !== undefined) this.resized(window);
      this.dueAgain(window);
      if (window.end - 1 <= watermark) this.give(window, now);
    }
    if (before !== undefined) this.setTimer(before, Math.min(before, least));
  }
}

/** Keeps all, and gives nothing: what there is without a trigger of one's own. */
export class GlobalOperator extends PanesOperator {
  override late: number | undefined = undefined;

  pushKeyed(value: unknown, key: unknown, group: number, hash: number): void {
    this.in++;
    this.user.at();
    this.select(key, group, hash);
    const kept = this.panes.get(GLOBAL_WINDOW.start);
    this.keep(GLOBAL_WINDOW, this.contents.add(kept, value), value);
  }
}
