// For each number a pane that stays open and a timer that stays set, until the file `gate` is there: then the input ends,
// and all fire. The file `gate.read` is there once all numbers were read.
import { existsSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { defineJob, defineSource, fileSink, key, param, schema, type, windows } from 'tidemark';
import { z } from 'zod';
import { timeOf, timerOf, WINDOW_MS } from './many-panes-times.js';

const LOOK_EVERY = 20;
const BATCH = 512;

const numbers = (count: number, gate: string) =>
  defineSource({
    position: schema(z.number()),
    splits: () => [{ id: 'all', start: 0 }],
    async *read({ position, signal }) {
      for (let at = position; at < count; at = Math.min(count, at + BATCH)) {
        const length = Math.min(BATCH, count - at);
        yield { elements: Array.from({ length }, (_, i) => at + i), position: at + length };
      }
      // Who asks for more than the last batch has taken that.
      writeFileSync(`${gate}.read`, '');
      while (!existsSync(gate) && !signal.aborted) await sleep(LOOK_EVERY);
    },
  });

export default defineJob(
  'many-panes',
  {
    params: { count: param.number(), gate: param.string(), output: param.string() },
    checkpoint: { interval: '2s' },
  },
  (job, p) => {
    const keyed = job
      .source('numbers', numbers(p.count, p.gate))
      .assignTimestamps(timeOf, { outOfOrderness: '1d' })
      .keyBy((n) => n, key.long);
    const panes = keyed.window('panes', {
      assign: windows.tumbling(WINDOW_MS),
      aggregate: {
        init: () => 0,
        add: (seen) => seen + 1,
        result: (seen, w) => ['pane', Number(w.key), w.start, seen],
      },
    });
    const timers = keyed.process('timers', {
      timers: { close: 'event' },
      emits: type<(string | number)[]>(),
      onElement: (n, ctx) => ctx.timers.close.set(timerOf(n)),
      onTimer: { close: (at, ctx) => ctx.emit(['timer', Number(ctx.key), at, 1]) },
    });
    panes.union(timers).sink('out', fileSink(p.output));
  },
);
