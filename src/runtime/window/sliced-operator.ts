/**
 * Sliding windows kept in slices: an element changes one slice, and a pane's value is made of its slices when it gives
 * its result. See `isSliced` for when, and assigning.ts for a picture. (Li et al., "No Pane, No Gain", 2005.)
 *
 * A slice is kept until the last pane that holds it is past lateness. An element is late when that is over; else it shows
 * in the panes that are not past theirs, as if each kept its own value. partials.ts saves putting the same slices together
 * again and again.
 */
import type { WindowNode } from '../../graph/node.js';
import { type SlidingWindows, sliceLength, type TimeWindow, type WindowOf } from '../../graph/window.js';
import type { KeyedParts } from '../operator.js';
import { AlignedWindows } from './aligned-windows.js';
import { alignDown, firstPaneEnd, isPaneEnd, lastPaneEnd, nextPaneEnd } from './assigning.js';
import { DefaultTriggerOperator } from './default-trigger.js';
import { cleanupTime, sliceDue } from './dues.js';
import { Partials } from './partials.js';

const NEVER = Number.POSITIVE_INFINITY;
/** A slice is found in its key in the time it takes to list this many; about. */
const MOST_ASKED = 4;

export class SlicedOperator extends DefaultTriggerOperator {
  readonly #assign: SlidingWindows;
  readonly #slices: AlignedWindows;
  readonly #length: number;
  readonly #gaps: boolean;
  readonly #partials: Partials;
  /** The greatest time a timer was due at: no slice that ends after it is in a partial. */
  #fired = Number.NEGATIVE_INFINITY;
  /** The pane whose result is made, for what user code throws. */
  #pane: WindowOf<unknown> = { key: undefined, start: 0, end: 0 };
  readonly #at = (start: number) => this.panes.get(start);
  readonly #merge = (a: unknown, b: unknown) => this.contents.merge(a, b, this.#pane);

  constructor(node: WindowNode, parts: KeyedParts, assign: SlidingWindows) {
    super(node, parts);
    const length = sliceLength(assign);
    this.#assign = assign;
    this.#length = length;
    this.#slices = new AlignedWindows(length, length, assign.offset);
    this.#gaps = assign.slide > assign.size;
    this.#partials = new Partials(length);
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
    const fresh = this.keep(slice, now, value);
    if (fresh && kept !== undefined) this.resized(slice);
    this.dueAgain(slice);
    // Also where event time was taken back after a drain: by what has fired, not by the watermark.
    if (slice.end - 1 <= this.#fired) this.#partials.forget(this.identity());
    if (behind) this.#giveAgain(slice);
  }

  /** The panes that hold the slice, have given their result, and are not past lateness. */
  #giveAgain({ start }: TimeWindow): void {
    const { watermark } = this.time;
    const last = lastPaneEnd(this.#assign, start);
    let end = firstPaneEnd(this.#assign, start);
    for (; end <= last && end - 1 <= watermark; end += this.#assign.slide) {
      if (watermark < cleanupTime(end, this.lateness)) this.#givePane(end, false);
    }
  }

  /** As everywhere, but without a look at all slices where one near in time says that the timer stays. */
  protected override opening(slice: TimeWindow): void {
    const end = nextPaneEnd(this.#assign, slice.start, this.time.watermark + 1);
    if (end !== NEVER && this.#anyIn(end - this.#assign.size, end)) return;
    super.opening(slice);
  }

  protected override onEventTime(time: number): void {
    this.#fired = Math.max(this.#fired, time);
    if (isPaneEnd(this.#assign, time + 1)) this.#givePane(time + 1, true);
    const over = time + 1 - this.lateness;
    if (isPaneEnd(this.#assign, over)) this.#forgetLastOf(over);
    const due = this.#dueAfter(time);
    if (due === NEVER) this.#partials.forget(this.identity());
    this.setTimer(NEVER, due);
  }

  /** The slices that no pane after the one that ends at `end` holds. */
  #forgetLastOf(end: number): void {
    const { size } = this.#assign;
    const to = this.#nextStart(end - size);
    // Mostly one slice: a list would cost more.
    if (this.#isDense(end - size, to))
      for (let start = end - size; start < to; start += this.#length) this.panes.delete(start);
    else for (const start of this.#startsIn(end - size, to)) this.panes.delete(start);
  }

  /** Where what is in a pane, and in none after it, ends. */
  #nextStart(start: number): number {
    return start + Math.min(this.#assign.slide, this.#assign.size);
  }

  /**
   * The least due of the current key: the next pane, where it holds anything, or the end of lateness of slices that no
   * later one holds, at most one such time lying before. Only where the next pane is empty are all slices looked at.
   */
  #dueAfter(time: number): number {
    const { size, slide, offset } = this.#assign;
    const end = alignDown(time + 1 - size, slide, offset) + slide + size;
    if (!this.#anyIn(end - size, end)) return this.#dueOfAll(time);
    if (this.lateness === 0) return end - 1;
    const over = alignDown(time + 1 - this.lateness - size, slide, offset) + slide;
    const cleanup = cleanupTime(over + size, this.lateness);
    return cleanup < end - 1 && this.#anyIn(over, this.#nextStart(over)) ? cleanup : end - 1;
  }

  #dueOfAll(time: number): number {
    let least = NEVER;
    for (const slice of this.panes.windows()) {
      const due = this.due(slice, time);
      // Restored, lateness having been longer: nothing is due any more.
      if (due === NEVER) this.panes.delete(slice.start);
      else least = Math.min(least, due);
    }
    return least;
  }

  /**
   * Gives the result of the pane that ends at `end`, of the key's slices that are in it, in order of time. `next`: it is the
   * one after the last that was given so.
   */
  #givePane(end: number, next: boolean): void {
    const pane: WindowOf<unknown> = { key: this.key, start: end - this.#assign.size, end };
    this.#pane = pane;
    const partly = next && this.#isDense(pane.start, end);
    const merged = partly
      ? this.#partials.pane(this.identity(), pane.start, end, this.#at, this.#merge)
      : this.#merged(pane);
    if (merged !== undefined) this.give(pane, merged);
  }

  #merged({ start: from, end }: TimeWindow): unknown {
    let merged: unknown;
    for (const start of this.#startsIn(from, end)) {
      const part = this.panes.get(start);
      if (part === undefined) continue;
      merged = merged === undefined ? part : this.#merge(merged, part);
    }
    return merged;
  }

  /** Starts from `from` to before `to`, ascending, among which are those of all of the key's slices there. */
  #startsIn(from: number, to: number): readonly number[] {
    const starts: number[] = [];
    if (this.#isDense(from, to)) {
      for (let start = from; start < to; start += this.#length) starts.push(start);
      return starts;
    }
    for (const { start } of this.panes.windows()) if (start >= from && start < to) starts.push(start);
    return starts.sort((a, b) => a - b);
  }

  /** Whether the current key has a slice from `from` to before `to`. */
  #anyIn(from: number, to: number): boolean {
    if (this.#isDense(from, to)) {
      for (let start = to - this.#length; start >= from; start -= this.#length)
        if (this.panes.get(start) !== undefined) return true;
      return false;
    }
    for (const { start } of this.panes.windows()) if (start >= from && start < to) return true;
    return false;
  }

  /** Whether asking for each slice that could be there is cheaper than looking at all that are. */
  #isDense(from: number, to: number): boolean {
    return to - from <= this.panes.size * MOST_ASKED * this.#length;
  }
}
