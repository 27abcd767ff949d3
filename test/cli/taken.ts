/** Archives to look into: two of a counting job, which has stopped, and one of a job with state of every kind. */
import { writeFile } from 'node:fs/promises';
import type { Place, Saved } from './place.js';

/** State of every kind, the same for each of four keys. */
const KINDS = `
    import { defineJob, sequence, state, stdout, type } from 'tidemark';
    export default defineJob('kinds', { params: {} }, (job) => {
      job
        .source('numbers', sequence({ count: 1000000, rate: 500 }))
        .keyBy((n) => ['plain', '42', 'with "quotes"', 'q'][n % 4])
        .process('keep', {
          state: { last: state.value(), days: state.map(), all: state.list() },
          timers: { later: 'processing' },
          emits: type(),
          onElement(n, ctx) {
            if (ctx.state.days.size > 0) return;
            ctx.state.last.set({ big: 5n, at: new Date(0), none: undefined });
            ctx.state.days.set('mon', 1);
            ctx.state.days.set('tue', new Set([n < 0]));
            ctx.state.all.addAll([1, -0]);
            ctx.timers.later.set(4000000000000);
          },
          onTimer: { later() {} },
        })
        .sink('out', stdout());
    });`;

/** Makes the place, and in it before.tar, after.tar and kinds.tar; the job `kinds` is suspended. */
export async function takeArchives(place: Place): Promise<{ readonly saved: Saved; readonly later: Saved }> {
  await place.make();
  await writeFile(place.path('kinds.ts'), KINDS);
  await place.json('run', 'kinds.ts', '-d', '--checkpoint-interval', '0');
  await place.count('counter');
  const saved = await place.json<Saved>(
    'savepoint',
    'counter',
    '-o',
    'before.tar',
    '--reason',
    'why\u001b[31m not',
  );
  await place.json('wait', 'counter', '--until', 'checkpoint');
  const later = await place.json<Saved>('stop', 'counter', '-o', 'after.tar');
  await place.json('savepoint', 'kinds', '-o', 'kinds.tar');
  await place.json('suspend', 'kinds');
  return { saved, later };
}
