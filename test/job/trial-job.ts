/** Counts numbers of three splits, and throws where it is told to. */
import { defineJob, fileSink, param, sequence, state, type } from 'tidemark';

export default defineJob(
  'trial',
  { params: { wrong: param.string('none'), count: param.number(3000), output: param.string('out') } },
  (job, { wrong, count, output }) => {
    job
      .source('numbers', sequence({ count, splits: 3, ...(wrong === 'slow' ? { rate: 1 } : {}) }))
      .assignTimestamps((n) => n, { outOfOrderness: 0 })
      .keyBy((n) => n % 10)
      .process('count', {
        state: { seen: state.number(0) },
        emits: type<number>(),
        timers: { later: 'event' },
        onElement(n, ctx) {
          if (wrong === 'element' && n % 3 === 1) throw new Error('an element');
          ctx.state.seen.update((seen) => seen + 1);
          ctx.timers.later.set(1e6);
          if (wrong === 'value') ctx.state.seen.set((() => n) as unknown as number);
        },
        onTimer: {
          later(_time, ctx) {
            if (wrong === 'timer') throw new Error('a timer');
            ctx.emit(ctx.state.seen.get());
          },
        },
      })
      .sink('out', fileSink(output));
  },
);
