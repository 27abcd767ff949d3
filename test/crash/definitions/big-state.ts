// A page of 4 KB for each key (pages.ts), held against what it must be each time it is read, before it is written anew.
// The file `gate` says how many numbers there are so far; at its first number each attempt notes in the file `record`
// what its process had read until then.
import { appendFileSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { defineJob, defineSource, param, type StandardSchema, schema, state } from 'tidemark';
import { keyOf, type Page, pageOf } from './pages.js';

interface Position {
  readonly done: number;
}

const anyPosition: StandardSchema<Position> = {
  '~standard': { version: 1, vendor: 'test', validate: (value) => ({ value: value as Position }) },
};
const BATCH = 256;
const LOOK_EVERY = 20;

const numbers = (gate: string) =>
  defineSource({
    position: schema(anyPosition),
    splits: () => [{ id: '0', start: { done: 0 } }],
    async *read({ position, signal }) {
      for (let { done } = position; !signal.aborted; ) {
        const count = Number(readFileSync(gate, 'utf8'));
        if (done >= count) await sleep(LOOK_EVERY);
        while (done < count && !signal.aborted) {
          const first = done;
          done = Math.min(count, first + BATCH);
          yield { elements: Array.from({ length: done - first }, (_, i) => first + i), position: { done } };
        }
      }
    },
  });

export default defineJob(
  'big-state',
  {
    params: { keys: param.number(), grain: param.number(), gate: param.string(), record: param.string() },
    checkpoint: { interval: 0 },
  },
  (job, p) => {
    let begun = false;
    job
      .source('numbers', numbers(p.gate))
      .keyBy((n) => keyOf(n, p.keys))
      .process('pages', {
        state: { page: state.value<Page>() },
        onElement(n, ctx) {
          const { page } = ctx.state;
          const before = page.get();
          const seen = before?.seen ?? 0;
          if (before !== undefined && before.text !== pageOf(ctx.key, seen, p.grain).text)
            throw new Error(`key ${ctx.key} has another page than that of ${seen} numbers`);
          page.set(pageOf(ctx.key, seen + 1, p.grain));
          if (begun) return;
          begun = true;
          appendFileSync(p.record, `${n} ${readFileSync('/proc/self/io', 'utf8').replaceAll('\n', ' ')}\n`);
        },
      });
  },
);
