/** Counts the numbers of two splits, and throws once, when a file of that name is there. */
import { existsSync, rmSync } from 'node:fs';
import { defineJob, param, sequence, state, stdout } from 'tidemark';

export default defineJob(
  'at',
  { params: { rate: param.number(400), fails: param.string('fails') } },
  (job, { rate, fails }) => {
    job
      .source('numbers', sequence({ rate, splits: 2 }))
      .keyBy((n) => n % 2)
      .process('count', {
        state: { seen: state.number(0) },
        onElement(_n, ctx) {
          if (existsSync(fails)) {
            rmSync(fails);
            throw new Error('as it was told');
          }
          ctx.state.seen.update((seen) => seen + 1);
        },
      })
      .sink('out', stdout());
  },
);
