// The job of test/time/everything.ts over a stream with disorder, at a steady rate: for tests that kill and restore it.
import { defineJob, defineSource, fileSink, param, schema } from 'tidemark';
import { z } from 'zod';
import { everything } from '../../time/everything.js';
import { streamsOf } from '../../time/stream.js';
import { SHAPE, streamOf } from './windows-stream.js';

export default defineJob(
  'windows',
  {
    params: {
      elements: param.number(3_500),
      /** Elements a second. */
      rate: param.number(1_000),
      output: param.string(),
    },
  },
  (job, p) => {
    const streams = streamsOf(streamOf(p.elements));
    const source = defineSource({
      position: schema(z.number()),
      rate: p.rate,
      splits: () => Object.keys(streams).map((id) => ({ id, start: 0 })),
      async *read({ split, position, batch }) {
        const all = streams[split] ?? [];
        for (let at = position; at < all.length; at += batch) {
          yield { elements: all.slice(at, at + batch), position: Math.min(at + batch, all.length) };
        }
      },
    });
    everything(source, fileSink<string>(p.output), SHAPE)(job);
  },
);
