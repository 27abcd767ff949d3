/** Counts, and does what `mode` says where user code is to let go, or to answer. */
import { defineJob, defineSource, param, schema, state, type } from 'tidemark';

interface Position {
  readonly next: number;
}

const position = schema<Position>({
  '~standard': { version: 1, vendor: 'test', validate: (value) => ({ value: value as Position }) },
});
const never = (): Promise<never> => new Promise(() => undefined);
const soon = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 5));

const params = { mode: param.string() };

export default defineJob('never-lets-go', { params }, (job, { mode }) => {
  let listed = 0;
  const numbers = defineSource<number, Position>({
    kind: 'test',
    describe: 'numbers',
    position,
    ...(mode === 'lists-never' ? { rediscover: 50 } : {}),
    splits: async () => {
      listed++;
      if (mode === 'splits-never' || (mode === 'lists-never' && listed > 1)) await never();
      return [{ id: 'main', start: { next: 0 } }];
    },
    async *read({ position: { next } }) {
      // Does not heed its signal.
      for (; mode !== 'close-throws' && mode !== 'close-never' ? true : next < 20; next++) {
        if (mode === 'reads-never' && next === 20) await never();
        await soon();
        yield { elements: [next], position: { next: next + 1 } };
      }
    },
  });
  job
    .source('numbers', numbers)
    .keyBy((n) => n)
    .process('count', {
      state: { seen: state.number(0) },
      emits: type<never>(),
      onElement(_n, ctx) {
        ctx.state.seen.set(ctx.state.seen.get() + 1);
      },
      async close() {
        if (mode === 'close-throws') throw new Error('cannot close');
        if (mode === 'close-never') await never();
      },
    });
});
