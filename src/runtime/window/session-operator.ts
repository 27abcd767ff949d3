/** Sessions under the default trigger: an element's window and those of its key that overlap it become one pane. */
import type { WindowNode } from '../../graph/node.js';
import type { SessionWindows } from '../../graph/window.js';
import type { KeyedParts } from '../operator.js';
import { PanesOperator } from './default-trigger.js';
import { sessionOf } from './session-gap.js';
import { isUnchanged, type Joined, join } from './sessions.js';

const NEVER = Number.POSITIVE_INFINITY;

export class SessionOperator extends PanesOperator {
  readonly #assign: SessionWindows;

  constructor(node: WindowNode, parts: KeyedParts, assign: SessionWindows) {
    super(node, parts);
    this.#assign = assign;
  }

  pushKeyed(value: unknown, key: unknown, group: number, hash: number): void {
    this.in++;
    this.user.at();
    const alone = sessionOf(this.#assign, this.timestampOf(value), value, this.user);
    this.select(key, group, hash);
    const joined = join(alone, this.panes.windows());
    const { window } = joined;
    if (this.isPast(window)) return this.tooLate(value);
    if (isUnchanged(joined) || joined.absorbed.length === 0) this.add(window, value);
    else this.#addJoined(joined, value);
  }

  #addJoined({ window, absorbed }: Joined, value: unknown): void {
    const { panes } = this;
    const { watermark } = this.time;
    const before = this.leastDue(watermark);
    const pane = { key: this.key, ...window };
    let kept: unknown;
    for (const { start } of absorbed) {
      const part = panes.get(start);
      kept = kept === undefined ? part : this.contents.merge(kept, part, pane);
      panes.delete(start);
    }
    const now = this.contents.add(kept, value);
    const least = Math.min(panes.size === 0 ? NEVER : this.leastDue(watermark), this.due(window, watermark));
    this.keep(window, now, value);
    this.setTimer(before, least);
    if (window.end - 1 <= watermark) this.give(window, now);
  }
}
