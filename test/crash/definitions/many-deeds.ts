// State of every kind that is set, overwritten, deleted and forgotten, as a function of the input (deeds.ts). It has
// no end until the file `limit` says how many numbers there are; then it runs as fast as it can. In every attempt it
// throws once, some elements after its start, until it has done so `throws` times.
import { appendFileSync, existsSync, readFileSync, statSync } from 'node:fs';
import { defineJob, fileSink, param, sequence, state, type } from 'tidemark';
import { deedOf, FAR, keyOf, SPLITS, shows, textOf } from './deeds.js';

export default defineJob(
  'many-deeds',
  {
    params: {
      /** Numbers a second. */
      rate: param.number(),
      keys: param.number(),
      /** Characters of a value. */
      pad: param.number(20),
      limit: param.string(),
      output: param.string(),
      throws: param.number(0),
      /** The most elements of an attempt before it throws. */
      within: param.number(1_000),
      /** A byte for each throw. */
      record: param.string(''),
    },
  },
  (job, p) => {
    const thrown = existsSync(p.record) ? statSync(p.record).size : 0;
    let left = thrown < p.throws ? 1 + ((thrown * 7_919) % p.within) : Number.POSITIVE_INFINITY;
    const limit = existsSync(p.limit) ? { count: Number(readFileSync(p.limit, 'utf8')) } : { rate: p.rate };
    job
      .source('numbers', sequence({ ...limit, splits: SPLITS }))
      .keyBy((n) => keyOf(n, p.keys))
      .process('deeds', {
        state: {
          seen: state.number(0),
          last: state.value<{ n: number; text: string }>(),
          parts: state.map<number, number>(),
          tail: state.list<number>(),
        },
        timers: { far: 'processing' },
        emits: type<{ n: number; seen: number; last: number | null; parts: number; tail: number }>(),
        onElement(n, ctx) {
          const { seen, last, parts, tail } = ctx.state;
          const { far } = ctx.timers;
          const { what, place } = deedOf(n);
          seen.add(1);
          if (what === 'set') last.set({ n, text: textOf(n, p.pad) });
          if (what === 'clear' || what === 'forget') last.clear();
          if (what === 'put') parts.set(place, n);
          if (what === 'take') parts.delete(place);
          if (what === 'empty' || what === 'forget') parts.clear();
          if (what === 'add') tail.add(n);
          if (what === 'wipe' || what === 'forget') tail.clear();
          if (what === 'arm') far.set(FAR + place);
          if (what === 'disarm') far.delete(FAR + place);
          if (what === 'unarm' || what === 'forget') far.clear();
          if (what === 'forget') seen.clear();
          if (shows(n)) {
            ctx.emit({
              n,
              seen: seen.get(),
              last: last.get()?.n ?? null,
              parts: [...parts.entries()].reduce((sum, [at, value]) => sum + at * value, 0),
              tail: tail.size,
            });
          }
          // After the change and the emission: both must be undone.
          if (--left > 0) return;
          appendFileSync(p.record, '.');
          throw new Error(`thrown on purpose, number ${thrown + 1}`);
        },
        onTimer: { far() {} },
      })
      .sink('out', fileSink(p.output));
  },
);
