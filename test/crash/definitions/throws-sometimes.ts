// Counts like slow-count, and throws now and then: in every attempt once, some elements after its start, until it
// has thrown `throws` times. How often that was stands in a file, since an attempt knows nothing of those before.
import { appendFileSync, existsSync, statSync } from 'node:fs';
import { defineJob, fileSink, param, sequence, state, type } from 'tidemark';

/** Where a linear congruential generator goes from `n`: enough to scatter the throws, the same in every run. */
function scattered(n: number, below: number): number {
  return ((Math.imul(n + 1, 1_103_515_245) + 12_345) >>> 8) % below;
}

export default defineJob(
  'throws-sometimes',
  {
    params: {
      count: param.number(),
      rate: param.number(),
      keys: param.number(),
      throws: param.number(),
      /** The most elements of an attempt before it throws. */
      within: param.number(),
      /** A byte for each throw. */
      record: param.string(),
      output: param.string(),
    },
  },
  (job, p) => {
    const thrown = existsSync(p.record) ? statSync(p.record).size : 0;
    let left = thrown < p.throws ? 1 + scattered(thrown, p.within) : Number.POSITIVE_INFINITY;
    const mayThrow = (): void => {
      if (--left > 0) return;
      appendFileSync(p.record, '.');
      throw new Error(`thrown on purpose, number ${thrown + 1}`);
    };
    job
      .source('numbers', sequence({ count: p.count, rate: p.rate, splits: 4 }))
      .keyBy((n) => n % p.keys)
      .process('count', {
        state: { seen: state.number(0) },
        emits: type<{ key: number; seen: number }>(),
        onElement(_n, ctx) {
          ctx.state.seen.add(1);
          ctx.emit({ key: ctx.key, seen: ctx.state.seen.get() });
          // After the change and the emission: both must be undone.
          mayThrow();
        },
      })
      .sink('out', fileSink(p.output));
  },
);
