/** `windows.…`: which windows an element belongs to, by its timestamp (Flink's `WindowAssigner`). */
import { graphInvalid } from './graph-invalid.js';
import { readLength, readOffset } from './lengths.js';
import { show } from './names.js';
import type { GlobalWindows, SessionWindows, SlidingWindows, TumblingWindows } from './window.js';

/** The most windows one element may be in. */
export const MAX_WINDOWS = 100_000;

export interface OffsetOptions {
  /** Windows begin this much after the multiples of their distance since 1970, UTC: `'-8h'`, or milliseconds. */
  readonly offset?: string | number;
}

/**
 * One after the other, each `size` long: Flink's `TumblingEventTimeWindows`.
 * @throws TidemarkError GRAPH_INVALID when `size` is no length over 0, or `offset` not shorter than it.
 */
function tumbling(size: string | number, options: OffsetOptions = {}): TumblingWindows {
  const ms = length('tumbling', 'size', size);
  return { kind: 'tumbling', size: ms, offset: offset('tumbling', options, ms) };
}

/**
 * One every `slide`, each `size` long: an element is in size / slide of them, and in none where `slide` is the longer
 * and leaves gaps. Flink's `SlidingEventTimeWindows`.
 * @throws TidemarkError GRAPH_INVALID when a length is none over 0, or `offset` is not shorter than `slide`.
 */
function sliding(size: string | number, slide: string | number, options: OffsetOptions = {}): SlidingWindows {
  const ms = length('sliding', 'size', size);
  const step = length('sliding', 'slide', slide);
  if (ms / step > MAX_WINDOWS)
    throw invalid(
      'sliding',
      `an element would be in ${Math.ceil(ms / step)} windows, at most ${MAX_WINDOWS}`,
    );
  return { kind: 'sliding', size: ms, slide: step, offset: offset('sliding', options, step) };
}

/**
 * As long as no `gap` passes without an element: each begins a window [timestamp, timestamp + gap), and windows of a key
 * that overlap become one. A function gives each element its own gap, in milliseconds over 0. Flink's
 * `EventTimeSessionWindows`; but two elements exactly `gap` apart are two sessions.
 * @throws TidemarkError GRAPH_INVALID when `gap` is no length over 0.
 */
function session<T = unknown>(gap: string | number | ((element: T) => number)): SessionWindows<T> {
  return { kind: 'session', gap: typeof gap === 'function' ? gap : length('session', 'gap', gap) };
}

/** One that holds everything and never ends; its trigger says when it gives results. Flink's `GlobalWindows`. */
function global(): GlobalWindows {
  return { kind: 'global' };
}

/**
 * Which windows an element belongs to. Lengths are `'10s'`, `'5m'`, `'1h 30m'`, `'1d'` or milliseconds, at most 100
 * years; windows are aligned to 1970, UTC, and `offset` moves them.
 * @example
 * windows.tumbling('1h')
 * windows.tumbling('1d', { offset: '-8h' })     // days that begin at 16:00 UTC
 * windows.sliding('3h', '10m')
 * windows.session('30m')
 * windows.session((visit: Visit) => visit.patience)
 * windows.global()
 */
export const windows = { tumbling, sliding, session, global } as const;

function length(of: keyof typeof windows, what: string, value: unknown): number {
  const ms = readLength(value, 1);
  if (typeof ms === 'string') throw invalid(of, `${what}: ${ms}`);
  return ms;
}

function offset(of: keyof typeof windows, options: unknown, limit: number): number {
  if (typeof options !== 'object' || options === null)
    throw invalid(of, `expected options such as { offset: '1h' }, found ${show(options)}`);
  for (const name of Object.keys(options))
    if (name !== 'offset') throw invalid(of, `no option ${show(name)}; expected offset`);
  const given = 'offset' in options ? options.offset : undefined;
  const ms = given === undefined ? 0 : readOffset(given, limit);
  if (typeof ms === 'string') throw invalid(of, `offset: ${ms}`);
  return ms;
}

function invalid(of: keyof typeof windows, finding: string) {
  return graphInvalid(`windows.${of}`, [finding]);
}
