import assert from 'node:assert/strict';
import { test } from 'node:test';
import flightDelays from '../../fixtures/jobs/flight-delays.js';
import wordCount from '../../fixtures/jobs/word-count.js';
import { defineJob, sequence, state, stdout, type } from '../../src/index.js';
import { ManualClock, testJob } from '../../src/testing.js';

test('a definition runs on given input, and its state and output can be read', async () => {
  const job = await testJob(wordCount, { inputs: { lines: ['a b', 'b'] }, parallelism: 2 });
  assert.equal(await job.run(), 'ended');
  assert.deepEqual(
    new Set(job.output('out')),
    new Set([
      { word: 'a', seen: 1 },
      { word: 'b', seen: 1 },
      { word: 'b', seen: 2 },
    ]),
  );
  assert.equal(job.state('count.seen', 'b'), 2);
  assert.equal(job.state('count.seen', 'absent'), undefined);
  await job.close();
});

test('a snapshot restores at another parallelism and goes on from the position', async () => {
  const lines = ['a b c', 'b c', 'c'];
  const first = await testJob(wordCount, { inputs: { lines: lines.slice(0, 2) } });
  await first.run();
  const snapshot = await first.snapshot();
  for (const parallelism of [1, 3, 7, 128]) {
    const next = await testJob(wordCount, { restore: snapshot, parallelism, inputs: { lines } });
    assert.equal(await next.run(), 'ended');
    assert.deepEqual(next.output('out'), [{ word: 'c', seen: 3 }]);
    assert.equal(next.state('count.seen', 'c'), 3);
  }
});

test('list state is read whole', async () => {
  const flights = Array.from({ length: 12 }, (_, i) => ({
    date: '',
    delay: i,
    distance: 1,
    origin: 'ATL',
    destination: 'X',
  }));
  const job = await testJob(flightDelays, { inputs: { flights } });
  await job.run();
  assert.deepEqual(job.state('delays.last', 'ATL'), [2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
});

test('processing-time timers follow the manual clock', async () => {
  const definition = defineJob('beat', {}, (job) => {
    job
      .source('numbers', sequence({ count: 3, rate: 1 }))
      .keyBy((n) => n)
      .process('late', {
        timers: { due: 'processing' },
        emits: type<string>(),
        onElement(n, ctx) {
          ctx.timers.due.set(ctx.now() + 500);
          ctx.emit(`seen ${n}`);
        },
        onTimer: { due: (at, ctx) => ctx.emit(`due ${ctx.key} at ${at}`) },
      })
      .sink('out', stdout());
  });
  const clock = new ManualClock(10_000);
  const job = await testJob(definition, { clock });
  assert.equal(await job.run(), 'idle');
  assert.deepEqual(job.output('out'), ['seen 0']);
  await job.advance(500);
  assert.deepEqual(job.output('out'), ['seen 0', 'due 0 at 10500']);
  await job.advance(500);
  assert.deepEqual(job.output('out').slice(2), ['seen 1']);
});

test('what fails the job is thrown, with the operator and the element', async () => {
  const definition = defineJob('bad', {}, (job) => {
    job
      .source('numbers', sequence({ count: 10 }))
      .keyBy((n) => n)
      .process('check', {
        state: { seen: state.number(0) },
        onElement(n) {
          if (n === 7) throw new Error('seven');
        },
      });
  });
  const job = await testJob(definition);
  await assert.rejects(job.run(), (error: Error & { details?: { operator?: string; element?: string } }) => {
    assert.equal(error.details?.operator, 'check');
    assert.equal(error.details?.element, '7');
    return /seven/.test(error.message);
  });
});
