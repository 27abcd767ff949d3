// A key for each number: one state of it never expires, one after an hour, one while the job runs.
import { defineJob, fileSink, param, sequence, state, type } from 'tidemark';

export default defineJob(
  'expiring',
  { params: { output: param.string() }, checkpoint: { interval: '100ms' } },
  (job, p) => {
    job
      .source('numbers', sequence({ count: 1_000_000, rate: 2_000 }))
      .keyBy((n) => n)
      .process('keep', {
        state: {
          always: state.number(0),
          long: state.value<number>({ ttl: '1h' }),
          short: state.map<number, string>({ ttl: { after: '20ms', refresh: 'read' } }),
        },
        emits: type<number>(),
        onElement(n, ctx) {
          ctx.state.always.set(n);
          ctx.state.long.set(n);
          ctx.state.short.set(n, 'x');
          ctx.emit(n);
        },
      })
      .sink('out', fileSink(p.output));
  },
);
