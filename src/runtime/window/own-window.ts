/**
 * Whether a pane of a snapshot is one that the windows of a definition make. Panes know only when they begin and end: where
 * a definition has come to other windows, those of before would be taken for its own, and give results that are none.
 */
import { TidemarkError } from '../../base/errors.js';
import type { Namespace } from '../../format/entry.js';
import type { WindowDescription } from '../../graph/describe-window.js';
import { alignDown } from './assigning.js';

/** What windows are, as far as it shows in their panes. */
export interface WindowShape extends Pick<WindowDescription, 'assign'> {
  readonly slice?: number | undefined;
}

/** Of panes, slices, and what triggers keep for panes. Sessions may be of any length: a gap may change. */
export function isOwnWindow({ assign, slice }: WindowShape, namespace: Namespace): boolean {
  if (assign.kind === 'global') return namespace.kind === 'global';
  if (namespace.kind !== 'window') return false;
  if (assign.kind === 'session') return true;
  const [start, end] = [Number(namespace.start), Number(namespace.end)];
  if (assign.kind === 'tumbling') return isAt(start, end, assign.size, assign.size, assign.offset);
  return isAt(start, end, slice ?? assign.size, slice ?? assign.slide, assign.offset);
}

function isAt(start: number, end: number, length: number, step: number, offset: number): boolean {
  return end - start === length && alignDown(start, step, offset) === start;
}

/** @throws TidemarkError INCOMPATIBLE; `state` as `inspect --state` takes it. */
export function refuseOtherWindow(windows: WindowShape, namespace: Namespace, state: string): void {
  if (isOwnWindow(windows, namespace)) return;
  throw new TidemarkError('INCOMPATIBLE', `${state} ${otherWindow(windows, namespace)}`, {
    hint: 'give windows of another kind or length another uid, and leave the open ones behind with --allow-non-restored-state; or drain the job first',
  });
}

/** What is said of a state that holds it. */
export function otherWindow(windows: WindowShape, namespace: Namespace): string {
  return `holds ${shown(namespace)}, which is none of its windows now: ${describe(windows)}`;
}

function shown(namespace: Namespace): string {
  if (namespace.kind === 'global') return 'the global window';
  if (namespace.kind !== 'window') return 'what is of no window';
  return `a window of ${namespace.end - namespace.start} ms from ${namespace.start}`;
}

/** In words. */
export function describe({ assign }: WindowShape): string {
  return Object.entries(assign)
    .map(([name, value]) => (name === 'kind' ? `${value}` : `${name} ${value}`))
    .join(', ');
}
