/** Sessions under the default trigger: an element's window and those of its key that overlap it become one pane. */
import type { WindowNode } from '../../graph/node.js';
import type { SessionWindows, TimeWindow } from '../../graph/window.js';
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
    const sessions = [...this.panes.windows()];
    const joined = join(alone, sessions);
    const { window } = joined;
    if (this.isPast(window)) return this.tooLate(value);
    if (isUnchanged(joined) || joined.absorbed.length === 0) this.add(window, value);
    else this.#addJoined(joined, sessions, value);
  }

  #addJoined({ window, absorbed }: Joined, sessions: readonly TimeWindow[], value: unknown): void {
    const { panes } = this;
    const { watermark } = this.time;
    const pane = { key: this.key, start: window.start, end: window.end };
    let kept: unknown;
    for (const { start } of absorbed) {
      const part = panes.get(start);
      kept = kept === undefined ? part : this.contents.merge(kept, part, pane);
      panes.delete(start);
    }
    const now = this.contents.add(kept, value);
    this.keep(window, now, value);
    this.#moveTimer(window, absorbed, sessions);
    this.dueAgain(window);
    if (window.end - 1 <= watermark) this.give(window, now);
  }

  #moveTimer(window: TimeWindow, absorbed: readonly TimeWindow[], sessions: readonly TimeWindow[]): void {
    const { watermark } = this.time;
    let before = NEVER;
    let now = this.due(window, watermark);
    for (const session of sessions) {
      const due = this.due(session, watermark);
      before = Math.min(before, due);
      if (!absorbed.includes(session)) now = Math.min(now, due);
    }
    this.setTimer(before, now);
  }
}
