/** An operator that has event time, and how far it has come. */
import { present } from '../../src/base/assert.js';
import type { Stream } from '../../src/graph/stream.js';
import type { Driven } from './driving.js';

export const NONE = Number.NEGATIVE_INFINITY;

/** An operator that has event time, and does nothing. */
export function timed(stream: Stream<number>, uid = 'timed'): void {
  stream
    .keyBy((t) => t % 3)
    .process(uid, { timers: { at: 'event' }, onElement: () => undefined, onTimer: { at: () => undefined } });
}

export async function watermark(driven: Driven, uid = 'timed'): Promise<number> {
  await driven.settle();
  return present(driven.dataflow.compiled.times.get(uid), 'the time of an operator').watermark;
}

export function lateOf(driven: Driven, uid = 'timed'): number {
  const operators = driven.dataflow.compiled.processes.get(uid) ?? [];
  return operators.reduce((sum, { late }) => sum + (late ?? 0), 0);
}
