/** What docs/state.md says, and its examples on a few elements. */
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { z } from 'zod';
import airportFacts from '../../fixtures/jobs/airport-facts.js';
import delayLimits from '../../fixtures/jobs/delay-limits.js';
import type { Flight } from '../../fixtures/jobs/flight.js';
import grouped from '../../fixtures/jobs/grouped.js';
import newRoutes from '../../fixtures/jobs/new-routes.js';
import { collect, defineJob, defineSource, fromArray, schema, state, type } from '../../src/index.js';
import { type TestJob, testJob } from '../../src/testing.js';

const DAY = 86_400_000;

function flight(date: string, delay = 0): Flight {
  return { date: `2001/${date}`, delay, distance: 100, origin: 'ATL', destination: 'BOS' };
}

/** With `batch: 1`: until the next element is processed. */
async function oneElement(job: TestJob): Promise<void> {
  while (!(await job.step()));
}

test('airport-facts: what is added is folded', async () => {
  const flights = [flight('01/01 08:00', 10), flight('01/01 09:00', 4), flight('01/01 10:00', 40)];
  const job = await testJob(airportFacts, { inputs: { flights } });
  await job.run();
  assert.deepEqual(job.output('out'), [
    { airport: 'ATL', worst: { date: '2001/01/01 08:00', delay: 10 }, mean: 10 },
    { airport: 'ATL', worst: { date: '2001/01/01 10:00', delay: 40 }, mean: 18 },
  ]);
  assert.deepEqual(job.state('facts.worst', 'ATL'), { date: '2001/01/01 10:00', delay: 40 });
  await job.close();
});

test('new-routes: a route that nobody has looked at for a day is new', async () => {
  const flights = ['08:00', '09:00', '10:00', '11:00'].map((time) => flight(`01/01 ${time}`));
  const job = await testJob(newRoutes, { inputs: { flights }, batch: 1 });
  for (const wait of [0, DAY - 1, DAY - 1, DAY]) {
    job.clock.advance(wait);
    await oneElement(job);
  }
  assert.deepEqual(
    job.output('out').map((row) => (row as { readonly since: string }).since),
    ['2001/01/01 08:00', '2001/01/01 11:00'],
  );
  await job.close();
});

test('delay-limits: limits apply by event time, whichever comes first', async () => {
  const flights = [flight('01/31 23:00', 130), flight('02/01 01:00', 130), flight('03/01 01:00', 130)];
  for (const batch of [1, 512]) {
    const job = await testJob(delayLimits, { inputs: { flights }, batch, parallelism: 3 });
    await job.run();
    assert.deepEqual(job.output('out'), [{ ...flight('02/01 01:00', 130), limit: 120 }]);
    assert.equal((job.state('judge.limits') as ReadonlyMap<number, number>).size, 3);
    await job.close();
  }
});

test('grouped: a group that is not full is kept', async () => {
  const output = mkdtempSync(join(tmpdir(), 'tidemark-test-'));
  const flights = Array.from({ length: 130 }, () => flight('01/01 08:00', 5));
  const options = { params: { output }, inputs: { flights }, liveSinks: true };
  const job = await testJob(grouped, { ...options, parallelism: 2 });
  await job.run();
  const groups = readdirSync(output).map(
    (file) => readFileSync(join(output, file), 'utf8').split('\n').length - 1,
  );
  assert.deepEqual(groups, [1]);
  const next = await testJob(grouped, { ...options, parallelism: 1, restore: await job.snapshot() });
  assert.equal((next.state('groups.rest') as readonly unknown[]).length, 30);
  for (const one of [job, next]) await one.close();
  rmSync(output, { recursive: true });
});

interface Wish {
  readonly does: 'write' | 'get' | 'look' | 'nothing';
}

/** Does as it is told, and says what it found of each state: once with `refresh: 'write'`, once with `'read'`. */
const kept = defineJob('kept', {}, (job) => {
  const read = { after: 1_000, refresh: 'read' } as const;
  job
    .source('wishes', fromArray<Wish>([]))
    .keyBy(() => 'all')
    .process('keeps', {
      state: {
        number: state.number(7, { ttl: '1s' }),
        list: state.list<number>({ ttl: 1_000 }),
        folded: state.reducing((a: number, b) => a + b, { ttl: '1s' }),
        byWrite: state.map<string, number>({ ttl: '1s' }),
        byRead: state.map<string, number>({ ttl: read }),
      },
      emits: type<Record<string, unknown>>(),
      onElement({ does }, ctx) {
        const { number, list, folded, byWrite, byRead } = ctx.state;
        if (does === 'write') {
          number.add(1);
          list.add(1);
          folded.add(1);
          byWrite.set('a', 1);
          byRead.set('a', 1);
        }
        if (does === 'get') for (const map of [byWrite, byRead]) map.get('a');
        if (does === 'look') for (const map of [byWrite, byRead]) map.has('a');
        ctx.emit({
          ...{ number: number.get(), list: list.get().length, folded: folded.get() },
          ...{ byWrite: byWrite.size, byRead: byRead.size },
        });
      },
    })
    .sink('out', collect([]));
});

test('ttl: seen before its time is over, and never from then on', async () => {
  const found = async (...steps: readonly (readonly [at: number, does: Wish['does']])[]) => {
    const wishes = steps.map(([, does]) => ({ does }));
    const job = await testJob(kept, { inputs: { wishes }, batch: 1 });
    for (const [at] of steps) {
      job.clock.advance(at - job.clock.now());
      await oneElement(job);
    }
    await job.close();
    return job.output('out').at(-1);
  };
  const all = { number: 8, list: 1, folded: 1, byWrite: 1, byRead: 1 };
  const none = { number: 7, list: 0, folded: undefined, byWrite: 0, byRead: 0 };
  assert.deepEqual(await found([0, 'write'], [999, 'nothing']), all);
  assert.deepEqual(await found([0, 'write'], [1_000, 'nothing']), none);
  assert.deepEqual(await found([0, 'write'], [999, 'get'], [1_998, 'nothing']), { ...none, byRead: 1 });
  assert.deepEqual(await found([0, 'write'], [999, 'look'], [1_000, 'nothing']), none);
  // Written again it lives on, and what had expired begins anew.
  const twice = { number: 9, list: 2, folded: 2, byWrite: 1, byRead: 1 };
  assert.deepEqual(await found([0, 'write'], [999, 'write'], [1_998, 'nothing']), twice);
  assert.deepEqual(await found([0, 'write'], [1_000, 'write'], [1_001, 'nothing']), all);
});

test('ttl: time spent down counts, and what has expired is in no snapshot', async () => {
  const inputs = { wishes: [{ does: 'write' }] };
  const first = await testJob(kept, { inputs });
  await first.run();
  const snapshot = await first.snapshot();
  assert.ok(snapshot.barrierTime === 0 && first.state('keeps.number', 'all') === 8);
  first.clock.advance(1_000);
  assert.equal(first.state('keeps.number', 'all'), undefined);
  const late = await testJob(kept, { inputs, restore: await first.snapshot() });
  const early = await testJob(kept, { inputs, restore: snapshot });
  assert.deepEqual(
    [late, early].map((job) => job.state('keeps.number', 'all')),
    [undefined, 8],
  );
  early.clock.advance(1_000);
  assert.equal(early.state('keeps.number', 'all'), undefined);
  for (const job of [first, late, early]) await job.close();
});

test('ttl: added to a state that had none, it counts from when that is loaded; taken away, nothing more expires', async () => {
  const without = (after?: string) =>
    defineJob('counts', {}, (job) => {
      job
        .source('numbers', fromArray([1, 2]))
        .keyBy(() => 'all')
        .process('count', {
          state: { seen: state.number(0, after === undefined ? {} : { ttl: after }) },
          onElement: (_n, ctx) => ctx.state.seen.add(1),
        });
    });
  const first = await testJob(without());
  await first.run();
  const added = await testJob(without('1s'), { restore: await first.snapshot() });
  added.clock.advance(999);
  await added.step();
  assert.equal(added.state('count.seen', 'all'), 2);
  const taken = await testJob(without(), { restore: await added.snapshot() });
  for (const job of [added, taken]) job.clock.advance(1);
  assert.deepEqual(
    [added, taken].map((job) => job.state('count.seen', 'all')),
    [undefined, 2],
  );
  taken.clock.advance(DAY);
  assert.equal(taken.state('count.seen', 'all'), 2);
  for (const job of [first, added, taken]) await job.close();
});

test('broadcast state is changed by what is broadcast alone', async () => {
  const definition = defineJob('meddles', {}, (job) => {
    const rules = job.source('rules', fromArray(['a']));
    job
      .source('elements', fromArray([1]))
      .keyBy((n) => n)
      .connect(rules.broadcast())
      .process('meddle', {
        broadcast: { rules: state.broadcast<string, number>() },
        onBroadcast: (rule, ctx) => ctx.broadcast.rules.set(rule, 1),
        onElement(_n, ctx) {
          const map: object = ctx.broadcast.rules;
          if ('clear' in map && typeof map.clear === 'function') map.clear();
        },
      });
  });
  const job = await testJob(definition);
  await assert.rejects(job.run(), /only changed in onBroadcast/);
  await job.close();
});

const feed = (pages: readonly (readonly string[])[]) =>
  defineSource({
    position: schema(z.object({ page: z.number() })),
    state: { recent: state.operatorList<string>() },
    splits: () => [{ id: 'main', start: { page: 0 } }],
    async *read({ position, state: { recent } }) {
      let seen = [...recent];
      for (const [at, page] of [...pages.entries()].slice(position.page)) {
        const fresh = page.filter((id) => !seen.includes(id));
        seen = [...seen, ...fresh].slice(-1_000);
        yield { elements: fresh, position: { page: at + 1 }, state: { recent: seen } };
      }
    },
  });

test('the state of a source moves with its batches', async () => {
  const pages = [
    ['a', 'b'],
    ['b', 'c'],
    ['a', 'd'],
    ['e', 'c'],
  ];
  const definition = defineJob('feed', {}, (job) => job.source('feed', feed(pages)).sink('out', collect([])));
  for (const batches of [0, 1, 2, 3]) {
    const first = await testJob(definition, { parallelism: 2 });
    for (let steps = 0; steps < batches; ) if (await first.step()) steps++;
    const next = await testJob(definition, { restore: await first.snapshot() });
    await next.run();
    assert.deepEqual([...first.output('out'), ...next.output('out')], ['a', 'b', 'c', 'd', 'e']);
    for (const one of [first, next]) await one.close();
  }
});
