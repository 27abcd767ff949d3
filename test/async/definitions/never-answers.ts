// Numbers that are asked about, and never answered until a file of that name is there; or whose call never returns. The seventh
// call makes a file, too.
import { existsSync, writeFileSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import { defineJob, fileSink, param, sequence } from 'tidemark';

export default defineJob(
  'never-answers',
  {
    params: {
      answers: param.string('answers'),
      output: param.string('out'),
      /** `loops`: the call does not come back; `throws`: it fails. */
      mode: param.string('waits'),
      count: param.number(1_000_000),
    },
  },
  (job, p) => {
    job
      .source('numbers', sequence({ count: p.count, rate: 200 }))
      .asyncMap(
        'ask',
        async (n, { signal }) => {
          if (n === 6) writeFileSync(`${p.answers}-asked`, '');
          if (p.mode === 'throws') throw new Error(`no answer to ${n}`);
          while (p.mode === 'loops');
          while (!existsSync(p.answers)) await wait(20, undefined, { signal });
          return n;
        },
        { capacity: 7, timeout: '10m' },
      )
      .sink('out', fileSink(p.output));
  },
);
