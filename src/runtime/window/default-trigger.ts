/**
 * The default trigger: a pane gives its result when the watermark reaches its last millisecond, and, until lateness is
 * over, once more for each element that comes after.
 *
 * Invariant: between two calls, a key has exactly one event timer, at the least due of all its windows after the
 * watermark, or none. Nothing says whether a pane has given its result: it has, if it ends at or before the watermark,
 * for elements come only once all timers up to it have fired.
 *
 * Two things break that, and a key has further timers then, or one too late, until one of its fires: windows restored from
 * a definition with another lateness or size; and event time that was taken back, behind panes that have given their result and are
 * kept for lateness. Such a pane gives it again, if an element comes.
 */
import type { WindowNode } from '../../graph/node.js';
import type { TimeWindow } from '../../graph/window.js';
import type { KeyedParts } from '../operator.js';
import { byEnd } from './assigning.js';
import { BaseOperator } from './base-operator.js';
import { cleanupTime, paneDue } from './dues.js';

const NEVER = Number.POSITIVE_INFINITY;

export abstract class DefaultTriggerOperator extends BaseOperator {
  protected readonly lateness: number;

  constructor(node: WindowNode, parts: KeyedParts) {
    super(node, parts);
    this.lateness = node.spec.lateness;
  }

  /** When something is due for what is kept by this window, after `after`; Infinity for never. */
  protected due(window: TimeWindow, after: number): number {
    return paneDue(window, this.lateness, after);
  }

  /** The least due over the windows of the current key. */
  protected leastDue(after: number): number {
    let least = NEVER;
    for (const window of this.panes.windows()) least = Math.min(least, this.due(window, after));
    return least;
  }

  /** Moves the key's timer. */
  protected setTimer(before: number, now: number): void {
    if (before !== now && before !== NEVER) this.eventTimer.delete(before);
    // Also where it should be set already: see above.
    if (now !== NEVER) this.eventTimer.set(now);
  }

  /** To be called when a window of the current key took the place of one that ended elsewhere. */
  protected resized(window: TimeWindow): void {
    this.setTimer(NEVER, this.due(window, this.time.watermark));
  }

  /** To be called when an element has come to a window of the current key: what is due for it may have fired already. */
  protected dueAgain(window: TimeWindow): void {
    const { watermark, furthest } = this.time;
    if (watermark < furthest) this.setTimer(NEVER, this.due(window, watermark));
  }

  /** To be called before the current key is given a window that it did not have. */
  protected opening(window: TimeWindow): void {
    const { watermark } = this.time;
    const due = this.due(window, watermark);
    const before = this.panes.size === 0 ? NEVER : this.leastDue(watermark);
    this.setTimer(before, Math.min(before, due));
  }
}

/** Where each window is a pane: all but slices. */
export abstract class PanesOperator extends DefaultTriggerOperator {
  /** Adds the element to a pane of the current key, and gives its result again where it was given before. */
  protected add(window: TimeWindow, value: unknown): void {
    const { panes } = this;
    const kept = panes.get(window.start);
    const now = this.contents.add(kept, value);
    if (kept === undefined) this.opening(window);
    const fresh = this.keep(window, now, value);
    if (fresh && kept !== undefined) this.resized(window);
    this.dueAgain(window);
    if (window.end - 1 <= this.time.watermark) this.give(window, now);
  }

  /** Whether elements for the window come too late. */
  protected isPast({ end }: TimeWindow): boolean {
    const { watermark } = this.time;
    return watermark >= end - 1 && watermark >= cleanupTime(end, this.lateness);
  }

  protected override onEventTime(time: number): void {
    const { panes, lateness } = this;
    const due: TimeWindow[] = [];
    const over: TimeWindow[] = [];
    let next = NEVER;
    for (const window of panes.windows()) {
      if (window.end - 1 === time) due.push(window);
      if (cleanupTime(window.end, lateness) <= time) over.push(window);
      else next = Math.min(next, this.due(window, time));
    }
    // Several end together only where some are of an earlier definition, restored, with windows of another size.
    if (due.length > 1) due.sort(byEnd);
    for (const window of due) this.give(window, panes.get(window.start));
    for (const window of over) panes.delete(window.start);
    this.setTimer(NEVER, next);
  }
}
