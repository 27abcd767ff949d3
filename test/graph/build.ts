/** Small pieces that tests of the graph build definitions from. Nothing here runs. */

import { z } from 'zod';
import { TidemarkError } from '../../src/base/errors.js';
import { schema } from '../../src/codec/schema.js';
import { defineJob, type JobBuilder } from '../../src/graph/define.js';
import { defineSink } from '../../src/graph/define-sink.js';
import { defineSource } from '../../src/graph/define-source.js';
import type { Definition } from '../../src/graph/definition.js';
import type { SourceSpec } from '../../src/graph/source.js';
import type { Stream } from '../../src/graph/stream.js';

/** A source of texts. */
export function texts(more: Partial<SourceSpec<string, number>> = {}) {
  return defineSource({
    position: schema(z.number()),
    splits: () => [{ id: 'main', start: 0 }],
    async *read() {
      yield { elements: ['a'], position: 1 };
    },
    ...more,
  });
}

/** An at-least-once sink of anything. */
export function out(target?: string) {
  return defineSink<unknown>({
    kind: 'test',
    open: () => ({ write() {} }),
    ...(target === undefined ? {} : { target }),
  });
}

/** An exactly-once sink of anything. */
export function committing(target: string) {
  return defineSink<unknown, { readonly part: string }>({
    kind: 'test',
    target,
    describe: `to ${target}`,
    transaction: schema(z.object({ part: z.string() })),
    open: () => ({ write() {}, prepare: async () => ({ part: 'a' }) }),
    committer: () => ({ async recover() {}, async commit() {} }),
  });
}

/** The findings of a dataflow that begins with the stream `source "in"`; empty when it is right. */
export function findingsOf(build: (input: Stream<string>, job: JobBuilder) => void): string[] {
  return findings(defineJob('test', {}, (job) => build(job.source('in', texts()), job)));
}

/** The findings of a definition, as its error lists them. */
export function findings(definition: Definition): string[] {
  const error = thrown(() => definition.build({}));
  return error === undefined ? [] : listed(error);
}

/** The findings that a GRAPH_INVALID lists. */
export function listed(error: TidemarkError): string[] {
  if (error.code !== 'GRAPH_INVALID') throw error;
  return error.message
    .split('\n  - ')
    .slice(1)
    .map((finding) => finding.trim());
}

/** The coded error that `act` throws; undefined when it throws none. Anything else it throws is thrown on. */
export function thrown(act: () => unknown): TidemarkError | undefined {
  try {
    act();
    return undefined;
  } catch (error) {
    if (error instanceof TidemarkError) return error;
    throw error;
  }
}

/** What plain JavaScript may pass where the types say something else. */
export function loose(value: unknown): never {
  return value as never;
}
