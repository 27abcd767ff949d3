// word-count at a given rate of lines, that ends, or, with `follow`, waits for more.
import { defineJob, fileSink, files, param, state, type } from 'tidemark';

export default defineJob(
  'slow-words',
  {
    params: {
      input: param.string('fixtures/inputs/moby-dick/*.txt'),
      output: param.string(),
      /** Lines a second; 0: as fast as it goes. */
      rate: param.number(1_000),
      follow: param.boolean(false),
    },
    checkpoint: { interval: '200ms' },
  },
  (job, p) => {
    const options = { follow: p.follow, pollInterval: '50ms', ...(p.rate === 0 ? {} : { rate: p.rate }) };
    job
      .source('lines', files(p.input, options))
      .flatMap((line) => line.toLowerCase().match(/[a-z]+/g) ?? [])
      .keyBy((word) => word)
      .process('count', {
        state: { seen: state.number(0), lengths: state.map<number, number>() },
        timers: { never: 'processing' },
        emits: type<{ word: string; seen: number }>(),
        onElement(word, ctx) {
          const seen = ctx.state.seen.get() + 1;
          ctx.state.seen.set(seen);
          ctx.state.lengths.set(word.length, seen);
          // Far away and the same for every run, so that timers are part of what is compared.
          ctx.timers.never.set(4_102_444_800_000 + word.length);
          ctx.emit({ word, seen });
        },
        onTimer: { never() {} },
      })
      .sink('out', fileSink(p.output));
  },
);
