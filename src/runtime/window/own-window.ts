/**
 * Whether a pane of a snapshot is one that the windows of a definition make. Panes know only when they begin and end: where
 * a definition has come to other windows, those of before would be taken for its own, and give results that are none.
 */
import { TidemarkError } from '../../base/errors.js';
import type { Namespace } from '../../format/entry.js';
import { isSliced, sliceLength, type WindowSpec } from '../../graph/window.js';
import { alignDown } from './assigning.js';

/** Of panes, slices, and what triggers keep for panes. Sessions may be of any length: a gap may change. */
export function isOwnWindow(spec: WindowSpec, namespace: Namespace): boolean {
  const { assign } = spec;
  if (assign.kind === 'global') return namespace.kind === 'global';
  if (namespace.kind !== 'window') return false;
  if (assign.kind === 'session') return true;
  const [start, end] = [Number(namespace.start), Number(namespace.end)];
  if (assign.kind === 'tumbling') return isAt(start, end, assign.size, assign.size, assign.offset);
  const slice = isSliced(spec) ? sliceLength(assign) : undefined;
  return isAt(start, end, slice ?? assign.size, slice ?? assign.slide, assign.offset);
}

function isAt(start: number, end: number, length: number, step: number, offset: number): boolean {
  return end - start === length && alignDown(start, step, offset) === start;
}

/** @throws TidemarkError INCOMPATIBLE; `state` as `inspect --state` takes it. */
export function refuseOtherWindow(spec: WindowSpec, namespace: Namespace, state: string): void {
  if (isOwnWindow(spec, namespace)) return;
  const message = `${state} holds ${shown(namespace)}, which is none of its windows now: ${now(spec)}`;
  throw new TidemarkError('INCOMPATIBLE', message, {
    hint: 'give windows of another kind or length another uid, and leave the open ones behind with --allow-non-restored-state; or drain the job first',
  });
}

function shown(namespace: Namespace): string {
  if (namespace.kind === 'global') return 'the global window';
  if (namespace.kind !== 'window') return 'what is of no window';
  return `a window of ${namespace.end - namespace.start} ms from ${namespace.start}`;
}

function now({ assign }: WindowSpec): string {
  return Object.entries(assign)
    .map(([name, value]) =>
      name === 'kind' ? `${value}` : `${name} ${typeof value === 'function' ? 'of each' : value}`,
    )
    .join(', ');
}
