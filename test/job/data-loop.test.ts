import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '../../src/base/clock.js';
import { realDisk } from '../../src/base/real-disk.js';
import { ByteReader } from '../../src/codec/reader.js';
import { unchecked } from '../../src/codec/schema.js';
import { valueCodec } from '../../src/codec/value.js';
import { collect } from '../../src/connectors/collect.js';
import { readEntry } from '../../src/format/entry.js';
import type { Transaction } from '../../src/graph/sink.js';
import { defineJob, sequence } from '../../src/index.js';
import { DataLoop } from '../../src/job/data-loop.js';
import type { FromData } from '../../src/job/protocol.js';
import { type StateOnDisk, StateWriter } from '../../src/job/state-writer.js';
import { Dataflow } from '../../src/runtime/dataflow.js';
import { Where } from '../../src/runtime/where.js';
import { createMemoryBackend } from '../../src/state/memory/backend.js';
import { eventually } from '../crash/harness.js';

/** A loop over a dataflow on the memory backend; `disk`: what keeps state there, as far as the loop asks for it. */
function looping(
  definition: ReturnType<typeof defineJob>,
  send: (message: FromData) => void,
  disk?: StateOnDisk,
  clock = systemClock,
) {
  const where = new Where();
  const ids = { job: { id: 'j', name: 'j' }, attempt: 1, lineage: [] };
  const context = {
    cwd: '/',
    disk: realDisk,
    clock: systemClock,
    log: () => undefined,
    stdout: async () => undefined,
  };
  let loop: DataLoop | undefined;
  const dataflow = new Dataflow({
    graph: definition.build({}),
    parallelism: 1,
    maxParallelism: 128,
    backend: createMemoryBackend,
    snapshots: 'all',
    context: { ...context, ...ids },
    where,
    liveSinks: true,
    rewind: false,
    wake: () => loop?.wake(),
  });
  loop = new DataLoop({
    dataflow,
    writer: new StateWriter({ dataflow, snapshots: 'all', disk, send }),
    where,
    clock,
    epoch: 1,
    liveSinks: true,
    metricsEvery: 1_000_000,
    send,
    flushOutput: () => undefined,
  });
  return { loop, dataflow };
}

test('what an aborted checkpoint sealed is in the next one, however late it became durable', async () => {
  const prepares: (() => void)[] = [];
  const definition = defineJob('slow-seal', {}, (job) => {
    job.source('numbers', sequence({ rate: 1000 })).sink('out', {
      kind: 'slow',
      transaction: unchecked<number>(),
      open: () => ({
        write: () => undefined,
        prepare: (checkpoint) => new Promise<number>((resolve) => prepares.push(() => resolve(checkpoint))),
      }),
      committer: () => ({ recover: async () => undefined, commit: async () => undefined }),
    });
  });
  const messages: FromData[] = [];
  const { loop, dataflow } = looping(definition, (message) => void messages.push(message));
  await dataflow.open({ barrierTime: undefined, fromOrigin: false });
  const running = loop.run();

  loop.command({ type: 'checkpoint', id: 1, last: false, drain: false });
  await eventually('the first is sealed', () => prepares.length === 1);
  loop.command({ type: 'abort-checkpoint', id: 1 });
  loop.command({ type: 'checkpoint', id: 2, last: true, drain: false });
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
  assert.equal(prepares.length, 1, 'the second barrier waits until the first is durable');
  prepares[0]?.();
  await eventually('the second is sealed', () => prepares.length === 2);
  prepares[1]?.();
  await eventually('the second is drained', () => messages.some(({ type }) => type === 'drained'));
  const table = dataflow.tables.find(({ kind }) => kind === 'transactions')?.id;
  const found = messages.flatMap((message) => {
    if (message.type !== 'chunk' || message.id !== 2) return [];
    const reader = new ByteReader(Buffer.from(message.bytes.buffer, message.bytes.byteOffset, message.used));
    const entries = Array.from({ length: message.entries }, () => readEntry(reader));
    const own = entries.filter((entry) => entry.table === table);
    return own.map((entry) => valueCodec.read(new ByteReader(entry.value)) as Transaction<number>);
  });
  assert.deepEqual(
    found.map(({ value }) => value),
    [1, 2],
  );
  loop.command({ type: 'finish' });
  await running;
  await dataflow.close();
});

test('input has ended once all timers have fired, however long steps are held back', async () => {
  const fired: number[] = [];
  const definition = defineJob('held-back', {}, (job) => {
    job
      .source('numbers', sequence({ count: 1000 }))
      .assignTimestamps((n) => n, { outOfOrderness: 2000 })
      .keyBy((n) => n)
      .process('each', {
        timers: { at: 'event' },
        onElement: (n, { timers }) => timers.at.set(n + 10_000),
        onTimer: { at: (time) => void fired.push(time) },
      });
  });
  const messages: FromData[] = [];
  const send = (message: FromData) => void messages.push(message);
  let asked = 0;
  const disk = {
    wantsFlush: false,
    // Rows wait to be written, after the first timers of the end: nothing may change meanwhile.
    get full() {
      return fired.length > 0 && asked++ < 10;
    },
    setRuns: () => undefined,
    adopt: () => undefined,
  };
  const { loop, dataflow } = looping(definition, send, disk);
  await dataflow.open({ barrierTime: undefined, fromOrigin: false });
  const running = loop.run();
  await eventually('the input has ended', () => messages.some(({ type }) => type === 'ended'));
  assert.equal(fired.length, 1000);
  loop.command({ type: 'finish' });
  await running;
  await dataflow.close();
});

test('a checkpoint says whether event time had come to its end', async () => {
  const definition = defineJob('says-drained', {}, (job) => {
    job.source('numbers', sequence({ rate: 1000 })).sink('out', collect([]));
  });
  const messages: FromData[] = [];
  const { loop, dataflow } = looping(definition, (message) => void messages.push(message));
  await dataflow.open({ barrierTime: undefined, fromOrigin: false });
  const running = loop.run();
  for (const [id, drain] of [
    [1, false],
    [2, true],
    [3, false],
  ] as const) {
    loop.command({ type: 'checkpoint', id, last: drain, drain });
    const saidBy = () => messages.find((one) => one.type === 'drained' && one.id === id);
    await eventually(`checkpoint ${id} is written`, () => saidBy() !== undefined);
    const said = saidBy();
    assert.equal(said?.type === 'drained' && said.drained, drain);
    if (drain) loop.command({ type: 'go-on' });
  }
  loop.command({ type: 'finish' });
  await running;
  await dataflow.close();
});

test('time in which nothing could be heard is told to the sources', async () => {
  const definition = defineJob('stalled', {}, (job) => {
    job.source('numbers', sequence({ rate: 1000 })).sink('out', collect([]));
  });
  let slept = 0;
  const clock = { ...systemClock, monotonic: () => systemClock.monotonic() + slept };
  const { loop, dataflow } = looping(definition, () => undefined, undefined, clock);
  const stalls: number[] = [];
  dataflow.stalled = (ms) => void stalls.push(ms);
  await dataflow.open({ barrierTime: undefined, fromOrigin: false });
  const running = loop.run();
  await eventually('elements flow', () => dataflow.elements > 10);
  slept = 60_000;
  await eventually('the stall is seen', () => stalls.some((ms) => ms >= 60_000));
  loop.command({ type: 'finish' });
  await running;
  await dataflow.close();
});
