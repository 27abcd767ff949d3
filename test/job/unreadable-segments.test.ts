import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '../../src/base/clock.js';
import { TidemarkError } from '../../src/base/errors.js';
import { realDisk } from '../../src/base/real-disk.js';
import { defineJob, sequence, stdout } from '../../src/index.js';
import { DataLoop } from '../../src/job/data-loop.js';
import { StateWriter } from '../../src/job/state-writer.js';
import { Dataflow } from '../../src/runtime/dataflow.js';
import { Where } from '../../src/runtime/where.js';
import { createMemoryBackend } from '../../src/state/memory/backend.js';

test('a segment that cannot be read ends the loop, and says so', async () => {
  const definition = defineJob('slow', {}, (job) => {
    job.source('numbers', sequence({ rate: 1 })).sink('out', stdout());
  });
  const missing = new TidemarkError('SEGMENT_CORRUPT', 'segment x: the file is missing');
  const where = new Where();
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
    liveSinks: false,
    rewind: false,
    wake: () => undefined,
  });
  const disk = {
    ...{ wantsFlush: false, full: false, adopt: () => undefined },
    setRuns: () => {
      throw missing;
    },
  };
  const send = () => undefined;
  const loop = new DataLoop({
    dataflow,
    writer: new StateWriter({ dataflow, snapshots: 'changes', disk, send }),
    where,
    clock: systemClock,
    epoch: 1,
    liveSinks: false,
    metricsEvery: 1_000_000,
    send,
    flushOutput: () => undefined,
  });
  await dataflow.open({ barrierTime: undefined, fromOrigin: false });
  const running = loop.run();
  // As a message does: nobody would catch it.
  loop.command({ type: 'runs', version: 1, names: ['x'] });
  await assert.rejects(running, missing);
  await dataflow.close();
});
