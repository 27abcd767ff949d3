/** Barriers, drains and holds while calls are under way: the loop of the data thread, and the dataflow. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { realDisk } from '../../src/base/real-disk.js';
import { EntryWriter } from '../../src/format/entry.js';
import { collect, defineJob, type Stream, sequence, type, windows } from '../../src/index.js';
import { DataLoop } from '../../src/job/data-loop.js';
import type { FromData } from '../../src/job/protocol.js';
import { StateWriter } from '../../src/job/state-writer.js';
import { Dataflow } from '../../src/runtime/dataflow.js';
import { Where } from '../../src/runtime/where.js';
import { createMemoryBackend } from '../../src/state/memory/backend.js';
import { ManualClock } from '../../src/testing/manual-clock.js';
import { eventually } from '../crash/harness.js';
import { Driven, splitsOf } from '../runtime/driving.js';
import { everything, type Shape, sorted } from '../time/everything.js';
import { arrivalsOf } from '../time/expected.js';
import { entriesIn, History, type Target } from '../time/history.js';
import { type Element, streamsOf } from '../time/stream.js';
import { Asked } from './asked.js';

/** A loop over numbers that are asked about, with a clock that only the test moves. */
function looping(asked: Asked) {
  const got: string[] = [];
  const definition = defineJob('loop', {}, (job) => {
    job
      .source('numbers', sequence({ count: 3 }))
      .assignTimestamps((n) => n, { outOfOrderness: 0 })
      .asyncMap('ask', asked.ask, { timeout: '1h' })
      .keyBy(() => 'all')
      .window('all', { assign: windows.tumbling(10), apply: (all) => [all.join()] })
      .sink('out', collect(got));
  });
  const where = new Where();
  const clock = new ManualClock();
  const messages: FromData[] = [];
  const send = (message: FromData) => void messages.push(message);
  let loop: DataLoop | undefined;
  const dataflow = new Dataflow({
    graph: definition.build({}),
    parallelism: 1,
    maxParallelism: 128,
    backend: createMemoryBackend,
    snapshots: 'all',
    context: {
      cwd: '/',
      disk: realDisk,
      clock,
      job: { id: 'j', name: 'j' },
      attempt: 1,
      lineage: [],
      log: () => undefined,
      stdout: async () => undefined,
    },
    where,
    liveSinks: true,
    rewind: false,
    wake: () => loop?.wake(),
  });
  loop = new DataLoop({
    dataflow,
    writer: new StateWriter({ dataflow, snapshots: 'all', disk: undefined, send }),
    where,
    clock,
    epoch: 1,
    liveSinks: true,
    metricsEvery: 1_000_000,
    send,
    flushOutput: () => undefined,
  });
  return { loop, dataflow, clock, messages, got };
}

/** How many elements were in flight at the barrier; undefined before it. */
function inFlightIn(messages: readonly FromData[], { tables }: Dataflow): number | undefined {
  const drained = messages.find((message) => message.type === 'drained');
  const table = tables.findIndex(({ kind }) => kind === 'in-flight');
  return drained?.type === 'drained' ? drained.tables[table]?.entries : undefined;
}

async function begin(asked: Asked) {
  const run = looping(asked);
  await run.dataflow.open({ barrierTime: undefined, fromOrigin: false });
  const running = run.loop.run();
  await eventually('all are asked about', () => asked.elements.length === 3);
  const end = async () => {
    run.loop.command({ type: 'finish' });
    await running;
    await run.dataflow.close();
  };
  /** Slices of a snapshot need time between them. */
  const drained = () =>
    eventually('it is drained', () => {
      run.clock.advance(1);
      return inFlightIn(run.messages, run.dataflow) !== undefined;
    });
  return { ...run, end, drained };
}

/** Turns of the event loop, in which nothing may happen. */
async function turns(): Promise<void> {
  for (let turn = 0; turn < 30; turn++) await new Promise<void>((resolve) => setImmediate(resolve));
}

describe('a barrier', () => {
  test('of a periodic checkpoint waits for nothing', async () => {
    const { loop, dataflow, messages, end, drained } = await begin(new Asked());
    loop.command({ type: 'checkpoint', id: 1, last: false, drain: false });
    await drained();
    assert.equal(inFlightIn(messages, dataflow), 3);
    await end();
  });

  test('that was asked for waits for answers', async () => {
    const asked = new Asked();
    const { loop, dataflow, messages, clock, end, drained } = await begin(asked);
    loop.command({ type: 'checkpoint', id: 1, last: false, drain: false, settle: true });
    clock.advance(1999);
    await turns();
    assert.equal(inFlightIn(messages, dataflow), undefined);
    asked.answer(0, 1, 2);
    await drained();
    assert.equal(inFlightIn(messages, dataflow), 0);
    await end();
  });

  test('but not for ever', async () => {
    const asked = new Asked();
    const { loop, dataflow, messages, clock, end, drained } = await begin(asked);
    loop.command({ type: 'checkpoint', id: 1, last: true, drain: false, settle: true });
    asked.answer(0);
    await turns();
    clock.advance(2000);
    await drained();
    assert.equal(inFlightIn(messages, dataflow), 2);
    asked.answer(1, 2);
    await turns();
    assert.equal(dataflow.inFlight, 2, 'behind the last barrier nothing leaves');
    await end();
  });

  test('of a drain waits for all answers, and what comes of them; so does the end of input', async () => {
    const asked = new Asked();
    const { loop, dataflow, messages, clock, got, end, drained } = await begin(asked);
    loop.command({ type: 'checkpoint', id: 1, last: false, drain: true });
    clock.advance(60_000);
    await turns();
    assert.equal(inFlightIn(messages, dataflow), undefined);
    assert.ok(!messages.some(({ type }) => type === 'ended'));
    asked.answer(2, 1, 0);
    await drained();
    assert.equal(inFlightIn(messages, dataflow), 0);
    await eventually('the input has ended', () => messages.some(({ type }) => type === 'ended'));
    assert.deepEqual(got, ['#0,#1,#2']);
    await end();
  });

  test('a failure outside of a step fails the loop, in its next step', async () => {
    const asked = new Asked();
    const { loop, dataflow } = looping(asked);
    await dataflow.open({ barrierTime: undefined, fromOrigin: false });
    const running = loop.run();
    await eventually('all are asked about', () => asked.elements.length === 3);
    asked.refuse(1);
    await assert.rejects(running, { code: 'USER_CODE', message: /operator ask: Error: not 1/ });
    await dataflow.close();
  });
});

const SHAPE: Shape = { bound: 10, lateness: 0, size: 20, slide: 10, offset: 0, gap: 5 };

/** The windows of test/time/everything.ts, with calls before them and between them that take a turn or two. */
function history(splits: Readonly<Record<string, readonly Element[]>>) {
  const soon = async <T>(element: T): Promise<T> => {
    await new Promise<void>((resolve) => setImmediate(resolve));
    return element;
  };
  return History.begin({
    build: (target: Target) =>
      everything(splitsOf(splits, 5), target.sink(), SHAPE, {
        elements: (stream: Stream<Element>) => stream.asyncMap('ask', soon, { capacity: 3 }),
        results: (stream) => stream.asyncMap('enrich', soon, { capacity: 2 }),
      }),
    storage: 'memory',
    parallelism: 2,
    maxParallelism: 8,
    sameInput: true,
  });
}

/** The kinds of which a snapshot holds anything. */
async function kindsIn(dataflow: Dataflow): Promise<readonly unknown[]> {
  const chunks: Buffer[] = [];
  const pool = {
    take: (bytes: number) => Buffer.alloc(bytes),
    full: (chunk: Buffer, used: number) => void chunks.push(chunk.subarray(0, used)),
  };
  const frozen = dataflow.freeze(1, new EntryWriter(pool, 1024));
  while (!frozen.slice(() => true));
  await frozen.prepared;
  frozen.finish();
  return [...new Set(chunks.flatMap(entriesIn).map(({ table }) => dataflow.tables[table]?.kind))];
}

const STREAM = {
  seed: 9,
  splits: 2,
  elements: 120,
  keys: 4,
  pace: 3,
  bound: 10,
  beyond: { share: 0, most: 1 },
};

describe('the dataflow', () => {
  test('goes on after a drain that was for nothing, with each element once', async () => {
    for (const steps of [5, 15, 30]) {
      const streams = streamsOf(STREAM);
      const run = await history(streams);
      await run.obey({ kind: 'steps', count: steps });
      run.dataflow.drain();
      await run.obey({ kind: 'steps', count: 7 });
      run.dataflow.undrain();
      await run.finish();
      const ids = Object.values(streams).flatMap((split) => split.flatMap((element) => element.ids));
      const came = arrivalsOf(run.target.lines).flatMap((key) => key.map(({ id }) => id));
      assert.deepEqual(sorted(came), sorted(ids));
    }
  });

  test('restored while something is due behind what is in flight, it still comes to the end of its input', async () => {
    const element = (id: number): Element => ({ ids: [id], key: 'k', t: 100 * id, v: 0 });
    const splits = splitsOf({ only: [1, 2, 3, 4].map(element) }, 2);
    const asked = new Asked();
    const run = await History.begin({
      build: (target: Target) => (job) => {
        job
          .source('in', splits)
          .assignTimestamps(({ t }) => t, { outOfOrderness: 0 })
          .keyBy(({ key }) => key)
          .process('before', {
            timers: { end: 'event' },
            emits: type<number>(),
            onElement({ ids }, ctx) {
              ctx.timers.end.set(1_000_000);
              ctx.emit(ids[0] ?? 0);
            },
            onTimer: { end: (_, ctx) => ctx.emit(5) },
          })
          .asyncMap('ask', asked.ask, { capacity: 1 })
          .keyBy(() => 'all')
          .process('behind', {
            timers: { past: 'event' },
            emits: type<string>(),
            onElement(answer, ctx) {
              if (answer === '#3') ctx.timers.past.set(1);
              ctx.emit(answer);
            },
            onTimer: { past() {} },
          })
          .sink('out', target.sink());
      },
      storage: 'memory',
      parallelism: 1,
      maxParallelism: 8,
      sameInput: true,
    });
    /** Answers as far as `last`, and stops with the step in which its result leaves. */
    const until = async (last: number) => {
      while (run.dataflow.compiled.instances.get(4)?.[0]?.out !== last) {
        asked.answer(1, 2, 3, 4);
        await run.step();
      }
    };
    await until(3);
    await run.obey({ kind: 'snapshot', stepsBetween: 0, end: 'committed' });
    await run.obey({ kind: 'crash', parallelism: 1 });
    while (asked.elements.length < 5) await run.step();
    assert.deepEqual(asked.elements, [1, 2, 3, 4, 4]);
    while ((await run.step()) || run.dataflow.inFlight > 0) asked.answer(4, 5);
    assert.equal(run.dataflow.ended, true);
    await run.finish();
    assert.deepEqual(run.target.lines.toSorted(), ['#1', '#2', '#3', '#4', '#5']);
  });

  test('comes to the positions of another that was settled, and is the same', async () => {
    const streams = streamsOf(STREAM);
    const states = async (run: History, obey: () => Promise<void>) => {
      await obey();
      await run.obey({ kind: 'snapshot', stepsBetween: 0, end: 'completed' });
      const { tables, entries } = run.saved;
      const kinds = ['transactions'];
      return entries
        .filter(({ table }) => !kinds.includes(tables[table]?.kind ?? ''))
        .map(({ key, mapKey, value, table, namespace }) =>
          JSON.stringify([table, key, mapKey, value, String(namespace)]),
        )
        .toSorted();
    };
    const first = await history(streams);
    const settled = await states(first, async () => {
      await first.obey({ kind: 'steps', count: 20 });
      first.dataflow.pause();
      for (; !first.dataflow.advanced; await first.step());
    });
    const second = await history(streams);
    const again = await states(second, async () => {
      const { tables, entries } = first.saved;
      const wanted = entries.filter(({ table }) =>
        ['splits', 'watermark'].includes(tables[table]?.kind ?? ''),
      );
      second.dataflow.hold({ tables, entries: wanted });
      while (second.dataflow.held?.settled !== true) await second.step();
      assert.equal(second.dataflow.inFlight, 0);
    });
    assert.deepEqual(again, settled);
    second.dataflow.release();
    await second.finish();
  });

  test('waits for answers, and not for input that it does not read meanwhile', async () => {
    const asked = new Asked();
    const run = await Driven.open((job) => {
      job
        .source('numbers', sequence({ rate: 10 }))
        .asyncMap('ask', asked.ask, { timeout: '1h' })
        .sink('out', collect([]));
    });
    await run.settle();
    assert.ok(run.dataflow.inFlight > 0);
    // By now the source might give more.
    run.clock.advance(1000);
    assert.equal(run.dataflow.waitMs(run.clock.monotonic()), 0);
    for (const end of ['pause', 'drain'] as const) {
      run.dataflow[end]();
      assert.equal(await run.step(), false);
      assert.ok(run.dataflow.waitMs(run.clock.monotonic()) > 1000, end);
      run.dataflow.goOn();
    }
    await run.dataflow.close();
  });

  test('after a drain that was for nothing no snapshot tells how far event time came in it', async () => {
    const asked = new Asked();
    const run = await Driven.open((job) => {
      // It has nothing yet: all that it will give may be earlier.
      const slow = splitsOf<number>({}, 1, { rediscover: 1000 });
      const other = job.source('slow', slow).assignTimestamps((t) => t, { outOfOrderness: 0 });
      job
        .source('fast', splitsOf({ only: [1000, 2000] }))
        .assignTimestamps((t) => t, { outOfOrderness: 0 })
        .asyncMap('ask', asked.ask)
        .union(other.map(String))
        .keyBy(() => 'all')
        .window('all', { assign: windows.tumbling(10), apply: (all) => [all.join()] })
        .sink('out', collect([]));
    });
    const { dataflow } = run;
    const time = dataflow.compiled.times.get('all');
    await run.settle();
    dataflow.drain();
    asked.answer(1000);
    await run.settle();
    assert.equal(time?.watermark, 999, 'where event time was when the one in flight came');
    dataflow.undrain();
    assert.deepEqual(
      (await kindsIn(dataflow)).filter((kind) => kind === 'watermark'),
      [],
    );
    await dataflow.close();
  });

  test('writes down where it is, also before the first step', async () => {
    const run = await history(streamsOf(STREAM));
    assert.deepEqual(await kindsIn(run.dataflow), ['splits']);
    await run.finish();
  });
});
