// Counts numbers from compressed files by key, into small files of two kinds, at a steady rate.
import { csv, defineJob, fileSink, files, param, state, type } from 'tidemark';

export default defineJob(
  'part-files',
  {
    params: { input: param.string(), rate: param.number(), keys: param.number(), output: param.string() },
    checkpoint: { interval: '100ms' },
  },
  (job, p) => {
    const counts = job
      .source('numbers', files<{ readonly n: number }>(p.input, { format: 'json', rate: p.rate }))
      .keyBy(({ n }) => n % p.keys)
      .process('count', {
        state: { seen: state.number(0) },
        emits: type<{ key: number; seen: number }>(),
        onElement(_element, ctx) {
          const seen = ctx.state.seen.get() + 1;
          ctx.state.seen.set(seen);
          ctx.emit({ key: ctx.key, seen });
        },
      });
    counts.sink('json', fileSink(`${p.output}/json`, { gzip: true, part: { size: 1024 } }));
    const format = csv({ columns: ['key', 'seen'] });
    counts.sink('csv', fileSink(`${p.output}/csv`, { format, part: { size: 256, every: '20ms' } }));
  },
);
