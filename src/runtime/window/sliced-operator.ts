/**
 * Sliding windows kept in slices: an element changes one slice, and a pane's value is made of its slices when it gives
 * its result. See `isSliced` for when, and assigning.ts for a picture. (Li et al., "No Pane, No Gain", 2005.)
 *
 * A slice is kept until the last pane that holds it is past lateness. An element is late when that is over; else it shows
 * in the panes that are not past theirs, as if each kept its own value.
 */
import type { WindowNode } from '../../graph/node.js';
import type { SlidingWindows, TimeWindow, WindowOf } from '../../graph/window.js';
import type { KeyedParts } from '../operator.js';
import { AlignedWindows } from './aligned-windows.js';
import { byStart, firstPaneEnd, isPaneEnd, lastPaneEnd, sliceLength } from './assigning.js';
import { DefaultTriggerOperator } from './default-trigger.js';
import { cleanupTime, sliceDue } from './dues.js';

const NEVER = Number.POSITIVE_INFINITY;

export class SlicedOperator extends DefaultTriggerOperator {
  readonly #assign: SlidingWindows;
  readonly #slices: AlignedWindows;
  readonly #gaps: boolean;

  constructor(node: WindowNode, parts: KeyedParts, assign: SlidingWindows) {
    super(node, parts);
    const length = sliceLength(assign);
    this.#assign = assign;
    this.#slices = new AlignedWindows(length, length, assign.offset);
    this.#gaps = assign.slide > assign.size;
  }

  protected override due(slice: TimeWindow, after: number): number {
    return sliceDue(this.#assign, slice, this.lateness, after);
  }

  pushKeyed(value: unknown, key: unknown, group: number, hash: number): void {
    this.in++;
    this.user.at();
    const { watermark } = this.time;
    const slice = this.#slices.at(this.timestampOf(value));
    // No pane that holds the slice ends before it does: most elements need not know more.
    const behind = slice.end - 1 <= watermark;
    if (behind || this.#gaps) {
      const last = lastPaneEnd(this.#assign, slice.start);
      if (last <= slice.start) return;
      if (watermark >= cleanupTime(last, this.lateness)) return this.tooLate(value);
    }
    this.select(key, group, hash);
    const { panes } = this;
    const kept = panes.get(slice.start);
    const now = this.contents.add(kept, value);
    if (kept === undefined) this.opening(slice);
    this.keep(slice, now, value);
    if (behind) this.#giveAgain(slice);
  }

  /** The panes that hold the slice, have given their result, and are not past lateness. */
  #giveAgain({ start }: TimeWindow): void {
    const { watermark } = this.time;
    const last = lastPaneEnd(this.#assign, start);
    let end = firstPaneEnd(this.#assign, start);
    for (; end <= last && end - 1 <= watermark; end += this.#assign.slide) {
      if (watermark < cleanupTime(end, this.lateness)) this.#givePane(end, [...this.panes.windows()]);
    }
  }

  protected override onEventTime(time: number): void {
    const slices = [...this.panes.windows()];
    if (isPaneEnd(this.#assign, time + 1)) this.#givePane(time + 1, slices);
    let next = NEVER;
    for (const slice of slices) {
      if (cleanupTime(lastPaneEnd(this.#assign, slice.start), this.lateness) <= time)
        this.panes.delete(slice.start);
      else next = Math.min(next, this.due(slice, time));
    }
    this.setTimer(NEVER, next);
  }

  /** Gives the result of the pane that ends at `end`, of those of the key's slices that are in it, in order of time. */
  #givePane(end: number, slices: readonly TimeWindow[]): void {
    const pane: WindowOf<unknown> = { key: this.key, start: end - this.#assign.size, end };
    const parts = slices.filter(({ start }) => start >= pane.start && start < end).sort(byStart);
    let merged: unknown;
    for (const { start } of parts) {
      const part = this.panes.get(start);
      merged = merged === undefined ? part : this.contents.merge(merged, part, pane);
    }
    if (merged !== undefined) this.give(pane, merged);
  }
}
