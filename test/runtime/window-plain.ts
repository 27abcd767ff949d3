/**
 * Windows under the default trigger as plainly as they can be said: every element and every pane in arrays, all of them
 * looked at each time. What the operator is held against.
 */
import type { WindowAssigner } from '../../src/graph/window.js';
import type { Shown } from './window-specs.js';

interface Element {
  readonly key: string;
  readonly id: number;
  readonly timestamp: number;
}

interface Pane {
  readonly key: string;
  readonly start: number;
  readonly end: number;
  readonly ids: readonly number[];
}

export class PlainWindows {
  readonly results: Shown[] = [];
  readonly late: number[] = [];
  watermark = Number.NEGATIVE_INFINITY;
  readonly #assign: WindowAssigner;
  readonly #lateness: number;
  #panes: readonly Pane[] = [];

  constructor(assign: WindowAssigner, lateness: number) {
    this.#assign = assign;
    this.#lateness = lateness;
  }

  push(element: Element): void {
    const { key, id, timestamp } = element;
    const windows = windowsBySearch(this.#assign, timestamp);
    const open = windows
      .map((window) => this.#joined(key, window))
      .filter(({ end }) => end - 1 + this.#lateness > this.watermark);
    if (open.length === 0 && windows.length > 0) this.late.push(id);
    for (const pane of open) {
      const added = { ...pane, ids: [...pane.ids, id].sort((a, b) => a - b) };
      this.#panes = [...this.#panes.filter((other) => !meets(added, other)), added];
      if (added.end - 1 <= this.watermark) this.results.push(added);
    }
  }

  advance(watermark: number): void {
    const due = this.#panes.filter(({ end }) => end - 1 > this.watermark && end - 1 <= watermark);
    this.results.push(...due);
    this.#panes = this.#panes.filter(({ end }) => end - 1 + this.#lateness > watermark);
    this.watermark = Math.max(this.watermark, watermark);
  }

  get openPanes(): number {
    return this.#panes.length;
  }

  /** The pane that the window is, or becomes together with the sessions it overlaps. */
  #joined(key: string, { start, end }: { readonly start: number; readonly end: number }): Pane {
    const session = this.#assign.kind === 'session';
    const panes = this.#panes.filter(
      (pane) =>
        pane.key === key &&
        (session ? pane.start < end && start < pane.end : pane.start === start && pane.end === end),
    );
    return {
      key,
      start: Math.min(start, ...panes.map((pane) => pane.start)),
      end: Math.max(end, ...panes.map((pane) => pane.end)),
      ids: panes.flatMap(({ ids }) => ids),
    };
  }
}

/** Whether `other` went into `pane`: they are one, or were sessions that overlap. Panes of sliding windows differ in both ends. */
function meets(pane: Pane, other: Pane): boolean {
  return other.key === pane.key && other.start >= pane.start && other.end <= pane.end;
}

/** By trying every start that could be. */
export function windowsBySearch(
  assign: WindowAssigner,
  timestamp: number,
): { readonly start: number; readonly end: number }[] {
  if (assign.kind === 'global') throw new Error('the global window has no times');
  if (assign.kind === 'session') {
    if (typeof assign.gap !== 'number') throw new Error('a gap that is a function');
    return [{ start: timestamp, end: timestamp + assign.gap }];
  }
  const { size, offset } = assign;
  const step = assign.kind === 'tumbling' ? size : assign.slide;
  const windows = [];
  for (let start = timestamp - size + 1; start <= timestamp; start++)
    if ((start - offset) % step === 0) windows.push({ start, end: start + size });
  return windows;
}
