import { test } from 'node:test';
import { systemClock } from '../../src/base/clock.js';
import { realDisk } from '../../src/base/real-disk.js';
import { unchecked } from '../../src/codec/schema.js';
import { defineJob, sequence } from '../../src/index.js';
import { DataLoop } from '../../src/job/data-loop.js';
import type { FromData } from '../../src/job/protocol.js';
import { StateWriter } from '../../src/job/state-writer.js';
import { Dataflow } from '../../src/runtime/dataflow.js';
import { Where } from '../../src/runtime/where.js';
import { createMemoryBackend } from '../../src/state/memory/backend.js';
import { eventually } from '../crash/harness.js';

test('an abort that comes as the last of a snapshot is drained leaves room for the next checkpoint', async () => {
  const prepares: (() => void)[] = [];
  const writes: (() => void)[] = [];
  let slow = false;
  const definition = defineJob('slow-write', {}, (job) => {
    job.source('numbers', sequence({ rate: 1000 })).sink('out', {
      kind: 'slow',
      transaction: unchecked<number>(),
      open: () => ({
        write: () => (slow ? new Promise<void>((resolve) => writes.push(resolve)) : undefined),
        prepare: (checkpoint) => new Promise<number>((resolve) => prepares.push(() => resolve(checkpoint))),
      }),
      committer: () => ({ recover: async () => undefined, commit: async () => undefined }),
    });
  });
  const messages: FromData[] = [];
  const where = new Where();
  let loop: DataLoop | undefined;
  const dataflow = new Dataflow({
    graph: definition.build({}),
    parallelism: 1,
    maxParallelism: 128,
    backend: createMemoryBackend,
    snapshots: 'changes',
    context: {
      ...{ cwd: '/', disk: realDisk, clock: systemClock, log: () => undefined },
      ...{ stdout: async () => undefined, job: { id: 'j', name: 'j' }, attempt: 1, lineage: [] },
    },
    where,
    liveSinks: true,
    rewind: false,
    wake: () => loop?.wake(),
  });
  const send = (message: FromData) => void messages.push(message);
  loop = new DataLoop({
    dataflow,
    writer: new StateWriter({ dataflow, snapshots: 'changes', disk: undefined, send }),
    where,
    clock: systemClock,
    epoch: 1,
    liveSinks: true,
    metricsEvery: 1_000_000,
    send,
    flushOutput: () => undefined,
  });
  const drained = (id: number) => messages.some((message) => message.type === 'drained' && message.id === id);
  await dataflow.open({ barrierTime: undefined, fromOrigin: false });
  const running = loop.run();

  loop.command({ type: 'checkpoint', id: 1, last: false, drain: false });
  await eventually('the first is sealed', () => prepares.length === 1);
  slow = true;
  await eventually('the loop waits for a write', () => writes.length > 0);
  prepares[0]?.();
  await new Promise((resolve) => setImmediate(resolve));
  loop.command({ type: 'abort-checkpoint', id: 1 });
  slow = false;
  for (const written of writes.splice(0)) written();
  loop.command({ type: 'checkpoint', id: 2, last: true, drain: false });
  await eventually('the second is sealed', () => prepares.length === 2);
  prepares[1]?.();
  await eventually('the second is drained', () => drained(2));
  loop.command({ type: 'finish' });
  await running;
  await dataflow.close();
});
