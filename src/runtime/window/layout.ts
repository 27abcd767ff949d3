/**
 * What a window operator keeps, as states and timers of its backend:
 *
 *     panes | slices   state 0    what each pane, or each slice, holds; by window
 *     trigger          state 1    what a custom trigger keeps for a pane: its state and its timers; by window
 *     event            timer 0    the one event time at which something is due for a key: the least over its panes
 *     processing       timer 1    the same in processing time, where there is a custom trigger
 *
 * One timer a key, not one a pane: what is due is found in the key's panes, which are at hand when it fires.
 */
import { isSliced, type WindowSpec } from '../../graph/window.js';

export const PANES = 0;
export const TRIGGER = 1;
export const EVENT = 0;
export const PROCESSING = 1;

export interface WindowTable {
  readonly name: string;
  readonly kind: 'reducing' | 'aggregating' | 'list' | 'value' | 'event-timer' | 'timer';
}

export function windowTables(spec: WindowSpec): readonly WindowTable[] {
  const custom = spec.trigger !== undefined;
  return [
    { name: isSliced(spec) ? 'slices' : 'panes', kind: spec.keeps.kind },
    ...(custom ? [{ name: 'trigger', kind: 'value' } as const] : []),
    { name: 'event', kind: 'event-timer' },
    ...(custom ? [{ name: 'processing', kind: 'timer' } as const] : []),
  ];
}
