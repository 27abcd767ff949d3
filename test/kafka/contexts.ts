/** What the runtime gives sources and sinks, without a runtime. */
import { resolve } from 'node:path';
import { systemClock } from '../../src/base/clock.js';
import { realDisk } from '../../src/base/real-disk.js';
import type { KafkaPosition } from '../../src/connectors/kafka/position.js';
import type { SinkContext, WriterContext } from '../../src/graph/sink.js';
import type { Batch, ReadRequest, SourceContext, SourceSpec } from '../../src/graph/source.js';

export const PROJECT = resolve(import.meta.dirname, '../../..');

export function sourceContext(log: (line: string) => void = () => {}): SourceContext {
  return { cwd: PROJECT, disk: realDisk, clock: systemClock, log };
}

export function sinkContext(more: Partial<SinkContext> = {}): SinkContext {
  return {
    ...sourceContext(),
    lineage: [],
    job: { id: 'aaaaaaaaaaaa', name: 'job' },
    attempt: 1,
    sink: 'out',
    stdout: async () => {},
    ...more,
  };
}

export function writerContext(context: SinkContext, subtask = 0): WriterContext {
  return { ...context, subtask, parallelism: 1, state: {} };
}

export type Source<T> = SourceSpec<T, KafkaPosition>;
type Request = ReadRequest<KafkaPosition>;

export function request(split: string, position: KafkaPosition, more: Partial<Request> = {}): Request {
  const signal = new AbortController().signal;
  return { ...sourceContext(), split, position, state: { partitions: [] }, batch: 100, signal, ...more };
}

/** Reads a split until it ends or has given `most` elements. */
export async function take<T>(source: Source<T>, asked: Request, most = Number.POSITIVE_INFINITY) {
  const batches: Batch<T, KafkaPosition>[] = [];
  let count = 0;
  for await (const batch of source.read(asked)) {
    batches.push(batch);
    count += batch.elements.length;
    if (count >= most) break;
  }
  return {
    batches,
    elements: batches.flatMap(({ elements }) => elements),
    position: batches.at(-1)?.position,
  };
}
