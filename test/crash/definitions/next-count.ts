// slow-count of fixtures/jobs as it might look in its next version, which does something wrong.
import { existsSync, rmSync } from 'node:fs';
import { defineJob, fileSink, param, sequence, state, type } from 'tidemark';

export default defineJob(
  'slow-count',
  {
    params: {
      count: param.number(10_000),
      rate: param.number(1_000),
      keys: param.number(10),
      splits: param.number(1),
      output: param.string('demo-output/slow-count'),
      /** well, kills (its process), throws, throws-open, hangs, needs (a file), removes (it, and throws) */
      does: param.string('well'),
      file: param.string(''),
    },
    checkpoint: { interval: '1s' },
  },
  (job, p) => {
    job
      .source('numbers', sequence({ count: p.count, rate: p.rate, splits: p.splits }))
      .keyBy((n) => n % p.keys)
      .process('count', {
        state: { seen: state.number(0) },
        emits: type<{ key: number; seen: number }>(),
        open() {
          if (p.does === 'throws-open') throw new Error('open is wrong');
          if (p.does === 'needs' && !existsSync(p.file)) throw new Error('the file is gone');
        },
        onElement(n, ctx) {
          if (p.does === 'kills') process.kill(process.pid, 'SIGKILL');
          if (p.does === 'removes') rmSync(p.file, { force: true });
          if (p.does === 'throws' || p.does === 'removes') throw new Error(`element ${n} is wrong`);
          while (p.does === 'hangs');
          ctx.state.seen.add(1);
          ctx.emit({ key: ctx.key, seen: ctx.state.seen.get() });
        },
      })
      .sink('out', fileSink(p.output));
  },
);
