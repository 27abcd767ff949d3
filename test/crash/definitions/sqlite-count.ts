// Counts the rows of a table by key at a steady rate, into two tables of another database: every count appended, and the
// newest of each key. Whatever happens, the first has seen = 1, 2, 3, … of each key once, the second the last of them.
import { defineJob, param, sqliteSink, sqliteTable, state, type } from 'tidemark';

export default defineJob(
  'sqlite-count',
  {
    params: {
      input: param.string(),
      output: param.string(),
      keys: param.number(7),
      rate: param.number(2_000),
    },
    checkpoint: { interval: '100ms' },
  },
  (job, p) => {
    const counts = job
      .source('rows', sqliteTable(p.input, { table: 'numbers', rate: p.rate, row: ({ n }) => Number(n) }))
      .keyBy((n) => n % p.keys)
      .process('count', {
        state: { seen: state.number(0) },
        emits: type<{ key: number; seen: number }>(),
        onElement(_n, ctx) {
          const seen = ctx.state.seen.get() + 1;
          ctx.state.seen.set(seen);
          ctx.emit({ key: ctx.key, seen });
        },
      });
    const columns = { key: 'integer', seen: 'integer' } as const;
    counts.sink('every', sqliteSink(p.output, { table: 'every count', columns }));
    counts.sink('newest', sqliteSink(p.output, { table: 'newest', mode: 'upsert', key: ['key'], columns }));
  },
);
