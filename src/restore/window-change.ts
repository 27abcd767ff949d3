/**
 * Do the panes of one window fit another? Pure. Panes know only when they begin and end, so a window that is not the
 * same would take those of before for its own, and give results that are none.
 *
 *     kind, size, slide, offset    must stay: open panes would end elsewhere, or lack what nobody kept
 *     gap of sessions              may change: a session that is open ends as it would have
 *     lateness                     may change
 *     trigger                      may change its numbers, and whether it purges, or go; of another kind it would
 *                                  read what the old one kept as something else, and of panes for which it has kept
 *                                  nothing it would never be asked: they would end without a result
 */
import type { SnapshotTable, WindowRecord } from './shape.js';

type Shape = Pick<SnapshotTable, 'name' | 'window'>;

/** Why not; undefined where they do, and where a snapshot does not tell. */
export function windowChange(was: Shape, is: Shape): string | undefined {
  if (was.window === undefined) return undefined;
  if (is.window === undefined)
    return `holds panes of windows (${windowText(was.window)}), and is no window's state now`;
  if (shapeOf(was.window) !== shapeOf(is.window))
    return `its windows were ${windowText(was.window)}, and are ${windowText(is.window)} now`;
  const kind = triggerKind(is.window);
  if (kind === triggerKind(was.window) || (was.name !== TRIGGER && kind === EVENT_TIME)) return undefined;
  return `its trigger was ${was.window.trigger ?? EVENT_TIME}, and is ${is.window.trigger ?? EVENT_TIME} now`;
}

/** The table in which triggers of a window keep what they keep. */
const TRIGGER = 'trigger';
const EVENT_TIME = 'eventTime';

/** Equal for windows that take each other's panes. */
function shapeOf({ assign, slice }: WindowRecord): string {
  if (assign.kind === 'session' || assign.kind === 'global') return assign.kind;
  const slide = assign.kind === 'sliding' ? assign.slide : null;
  return JSON.stringify([assign.kind, assign.size, slide, assign.offset, slice ?? null]);
}

/** `purging(count(3))` keeps what `count(5)` does. */
function triggerKind({ trigger = EVENT_TIME }: WindowRecord): string {
  const inner = /^(?:purging\()+(.*?)\)+$/s.exec(trigger)?.[1] ?? trigger;
  return inner.replace(/\(.*/s, '');
}

/** In words: `sliding, size 3600000, slide 300000, offset 0`. */
export function windowText({ assign }: Pick<WindowRecord, 'assign'>): string {
  return Object.entries(assign)
    .map(([name, value]) => (name === 'kind' ? `${value}` : `${name} ${value}`))
    .join(', ');
}
