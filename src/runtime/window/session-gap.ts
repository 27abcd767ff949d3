/** The window an element would have alone, in sessions. */
import type { SessionWindows, TimeWindow } from '../../graph/window.js';
import { show } from '../show.js';
import type { UserCode } from './user-code.js';

/** Windows longer than this are slips, and would end in times that cannot be kept: about 71,000 years. */
const LONGEST_GAP = Number.MAX_SAFE_INTEGER / 4;

export function sessionOf(
  { gap }: SessionWindows,
  timestamp: number,
  element: unknown,
  user: UserCode,
): TimeWindow {
  const start = timestamp + 0;
  if (typeof gap === 'number') return { start, end: start + gap };
  let length: unknown;
  try {
    length = gap(element);
  } catch (error) {
    throw user.failed(error, element);
  }
  user.refusePromise(length, element);
  if (typeof length === 'number' && Number.isInteger(length) && length > 0 && length <= LONGEST_GAP)
    return { start, end: start + length };
  const message = `the gap of a session must be whole milliseconds, at least 1, found ${show(length)}`;
  throw user.failed(new RangeError(message), element);
}
