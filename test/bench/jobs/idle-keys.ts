/** So many keys with a number each, and then nothing more: a job that idles until it is asked for something. */
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { defineJob, defineSink, defineSource, param, schema, state } from 'tidemark';
import { anyPosition, BATCH } from './input.js';
import { keyNamed, numberOf } from './keys.js';

/** Milliseconds between two collections of garbage. */
const COLLECT_MS = 200;

export default defineJob(
  'idle-keys',
  {
    params: {
      keys: param.number(1_000_000),
      /** How often to collect garbage once idle, so that what stays resident is the state. */
      collect: param.number(0),
      report: param.string(''),
    },
  },
  (job, p) =>
    job
      .source(
        'keys',
        defineSource({
          position: schema(anyPosition),
          splits: () => [{ id: '0', start: { done: 0 } }],
          async *read({ position, signal }) {
            for (let from = position.done; from < p.keys; from += BATCH) {
              const count = Math.min(BATCH, p.keys - from);
              const elements = Array.from({ length: count }, (_, i) => keyNamed(from + i, p.keys));
              yield { elements, position: { done: from + count } };
            }
            for (let left = p.collect; left > 0 && !signal.aborted; left--) {
              await sleep(COLLECT_MS);
              collectGarbage();
            }
            if (!signal.aborted)
              await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
          },
        }),
      )
      .keyBy((key) => key)
      .process('count', {
        state: { seen: state.number(0) },
        onElement: (key, ctx) => ctx.state.seen.set(numberOf(key)),
      })
      .sink('out', defineSink({ open: () => ({ write: () => undefined }) })),
);

function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
}
