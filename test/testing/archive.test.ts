/** Tests that start from an archive: a whole definition, and a piece of it. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { defineJob, fromArray, type Stream, state, stdout, type, windows } from '../../src/index.js';
import { testJob, testOperator } from '../../src/testing.js';
import { archiveOf } from '../job/matrix-archive.js';

const folder = mkdtempSync(join(tmpdir(), 'tidemark-testing-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const MINUTE = 60_000;
const words = ['a', 'b', 'c', 'a', 'b', 'a'];

const counts = (stream: Stream<string>) =>
  stream
    .keyBy((word) => word)
    .process('counts', {
      state: { seen: state.number(0) },
      timers: { quiet: 'event' },
      emits: type<string>(),
      onElement(word, ctx) {
        ctx.state.seen.add(1);
        ctx.timers.quiet.set((ctx.timestamp ?? 0) + MINUTE);
        ctx.emit(`${word} ${ctx.state.seen.get()}`);
      },
      onTimer: { quiet: (at, ctx) => ctx.emit(`${ctx.key} quiet at ${at}`) },
    });

const perMinute = (stream: Stream<string>) =>
  stream
    .keyBy((word) => word)
    .window('per-minute', { assign: windows.tumbling('1m'), apply: (all, w) => [`${w.key} ${all.length}`] });

const definition = defineJob('words', {}, (job) => {
  const stream = job
    .source('words', fromArray(words))
    .assignTimestamps((word) => word.charCodeAt(0), { outOfOrderness: '1h' });
  stream.via(counts).sink('counts-out', stdout());
  stream.via(perMinute).sink('per-minute-out', stdout());
});

/** All words read, nothing fired: the end of input would be another step. */
async function archive(name: string): Promise<string> {
  const job = await testJob(definition, { parallelism: 2 });
  while (job.output('counts-out').length < words.length) await job.step();
  const path = join(folder, name);
  await archiveOf(definition, await job.snapshot(), path, folder);
  await job.close();
  return path;
}

test('a definition goes on from it at any parallelism, with other inputs than those it was taken of', async () => {
  const restore = await archive('whole.tar');
  for (const parallelism of [1, 3, 128]) {
    const job = await testJob(definition, { restore, parallelism, inputs: { words: ['a', 'd'] } });
    assert.equal(job.state('counts.seen', 'a'), 3);
    assert.deepEqual(job.state('per-minute', 'b'), [
      { window: { start: 0, end: MINUTE }, value: ['b', 'b'] },
    ]);
    await job.step();
    assert.deepEqual(job.takeOutput('counts-out').toSorted(), ['a 4', 'd 1']);
    assert.equal(await job.run(), 'ended');
    assert.deepEqual(job.output('per-minute-out').toSorted(), ['a 4', 'b 2', 'c 1', 'd 1']);
    await job.close();
  }
});

test('a piece is given what belongs to it, at any parallelism', async () => {
  const restore = await archive('piece.tar');
  for (const parallelism of [1, 3, 128]) {
    const op = await testOperator(counts, { restore, parallelism });
    assert.deepEqual(op.timers('counts.quiet', 'b'), ['b'.charCodeAt(0) + MINUTE]);
    op.push('b', 5);
    assert.deepEqual(op.takeOutput(), ['b 3']);
    op.watermark(MINUTE + 5);
    assert.deepEqual(op.takeOutput(), ['b quiet at 60005']);
    await op.close();

    const windowed = await testOperator(perMinute, { restore, parallelism });
    windowed.endOfInput();
    assert.deepEqual(windowed.output().toSorted(), ['a 3', 'b 2', 'c 1']);
    await windowed.close();
  }
});

test('what is no archive, or of something else, is told', async () => {
  await assert.rejects(testOperator(counts, { restore: join(folder, 'none.tar') }), {
    code: 'FILE_NOT_FOUND',
  });
  const renamed = (stream: Stream<string>) =>
    stream.keyBy((word) => word).process('other', { state: { seen: state.number(0) }, onElement() {} });
  await assert.rejects(testOperator(renamed, { restore: await archive('other.tar') }), {
    code: 'USAGE',
    message: /nothing of this piece; it is of: counts, per-minute, words/,
  });
});
