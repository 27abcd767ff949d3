// A count over many keys, that goes on for a very long time: for savepoints of large state.
import { defineJob, param, sequence, state } from 'tidemark';

export default defineJob(
  'many-keys',
  { params: { keys: param.number(10_000_000) }, checkpoint: { interval: 0 } },
  (job, p) => {
    job
      .source('numbers', sequence({ count: p.keys * 1_000 }))
      .keyBy((n) => `user-${n % p.keys}`)
      .process('count', {
        state: { seen: state.number(0) },
        onElement(_n, ctx) {
          ctx.state.seen.add(1);
        },
      });
  },
);
