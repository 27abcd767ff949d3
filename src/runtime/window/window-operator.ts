/**
 * The window operator: one subtask of a `window` node (Flink's `WindowOperator`, and its slicing ones of SQL). Which class
 * does the work depends on the specification alone; layout.ts says what each keeps.
 *
 *     trigger of the user's          TriggeredOperator    any windows
 *     default, tumbling              TumblingOperator     a pane for each window
 *     default, sliding               SlidingOperator      likewise, and an element in several; or, where isSliced:
 *                                    SlicedOperator       panes are put together from slices
 *     default, session               SessionOperator      panes that become one
 *     default, global                GlobalOperator       gives nothing
 *
 * Duties of the caller, beside those of every keyed operator: `eventTime.timestamp` is a whole number for every element of
 * windows of time; `time.watermark` only grows.
 *
 * Results go to `next` with the last timestamp of their window, `end` − 1; those of the global window with that of the
 * element, or of the event timer, that they came of. Elements too late for all of their windows go to the side `late`
 * with their own, are counted, and change nothing.
 */
import { unreachable } from '../../base/assert.js';
import type { WindowNode } from '../../graph/node.js';
import { isSliced } from '../../graph/window.js';
import type { KeyedOperator, KeyedParts } from '../operator.js';
import { GlobalOperator, SlidingOperator, TumblingOperator } from './aligned-operators.js';
import { SessionOperator } from './session-operator.js';
import { SlicedOperator } from './sliced-operator.js';
import { TriggeredOperator } from './triggered-operator.js';

export function createWindowOperator(node: WindowNode, parts: KeyedParts): KeyedOperator {
  const { assign, trigger } = node.spec;
  if (trigger !== undefined) return new TriggeredOperator(node, parts, trigger);
  switch (assign.kind) {
    case 'tumbling':
      return new TumblingOperator(node, parts, assign);
    case 'sliding':
      return isSliced(node.spec)
        ? new SlicedOperator(node, parts, assign)
        : new SlidingOperator(node, parts, assign);
    case 'session':
      return new SessionOperator(node, parts, assign);
    case 'global':
      return new GlobalOperator(node, parts);
    default:
      return unreachable(assign);
  }
}
