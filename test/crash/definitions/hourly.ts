// Numbers, each a second of event time after the one before, counted by key and hour of it.
import { defineJob, fileSink, param, sequence, windows } from 'tidemark';

export default defineJob(
  'hourly',
  {
    params: {
      count: param.number(1_000_000),
      rate: param.number(5000),
      keys: param.number(10),
      output: param.string('hourly'),
    },
  },
  (job, p) => {
    job
      .source('numbers', sequence({ count: p.count, rate: p.rate }))
      .assignTimestamps((n) => n * 1000, { outOfOrderness: '1m' })
      .keyBy((n) => n % p.keys)
      .window('hourly', {
        assign: windows.tumbling('1h'),
        aggregate: {
          init: () => 0,
          add: (seen, _n: number) => seen + 1,
          result: (seen, { key, start }) => ({ key, start, seen }),
        },
      })
      .sink('out', fileSink(p.output));
  },
);
