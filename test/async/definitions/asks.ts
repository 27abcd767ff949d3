// The job of test/time/everything.ts, whose elements and first results pass calls that take a while, fail or are never answered.
import { setTimeout as wait } from 'node:timers/promises';
import { type AsyncMapOptions, defineJob, defineSource, fileSink, param, schema } from 'tidemark';
import { z } from 'zod';
import { everything } from '../../time/everything.js';
import { streamsOf } from '../../time/stream.js';
import { chance } from '../answers.js';
import { SHAPE, streamOf } from './asks-stream.js';

/** An answer, after a while; of the first tries one in ten fails, and one in fifty takes too long. */
async function answer<T>(element: T, attempt: number, signal: AbortSignal): Promise<T> {
  const draw = chance(100, Date.now(), Math.floor(Math.random() * 1_000_000));
  const last = attempt === RETRIES.attempts;
  await wait(!last && draw < 2 ? 2_000 : draw % 40, undefined, { signal });
  if (!last && draw < 12) throw new Error('not this time');
  return element;
}

const RETRIES = { attempts: 4, delay: 10 };
const options = <T>(ordered: boolean): AsyncMapOptions<T, T> => ({
  ordered,
  capacity: 30,
  timeout: 500,
  retries: RETRIES,
});

export default defineJob(
  'asks',
  {
    params: {
      elements: param.number(1_000),
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
        for (let at = position; at < all.length; at += batch)
          yield { elements: all.slice(at, at + batch), position: Math.min(at + batch, all.length) };
      },
    });
    everything(source, fileSink<string>(p.output), SHAPE, {
      elements: (stream) =>
        stream.asyncMap(
          'ask',
          (element, { attempt, signal }) => answer(element, attempt, signal),
          options(true),
        ),
      results: (stream) =>
        stream.asyncMap(
          'enrich',
          (pane, { attempt, signal }) => answer(pane, attempt, signal),
          options(false),
        ),
    })(job);
  },
);
