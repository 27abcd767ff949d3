/** What becomes of a source whose input was deleted. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '../../src/base/clock.js';
import { TidemarkError } from '../../src/base/errors.js';
import { files } from '../../src/connectors/files.js';
import type { SourceSpec } from '../../src/graph/source.js';
import { EventTime } from '../../src/runtime/event-time.js';
import { OperatorStateStore } from '../../src/runtime/operator-state.js';
import { SourceGroup, SourceSubtask, type SplitPosition } from '../../src/runtime/source.js';
import { Where } from '../../src/runtime/where.js';
import { FaultyDisk } from '../helpers/faulty-disk.js';

function source(disk: FaultyDisk, spec: SourceSpec<unknown, unknown>) {
  const elements: unknown[] = [];
  const log: string[] = [];
  const node = { kind: 'source', id: 0, uid: 'in', formerly: [], source: spec } as const;
  const subtask = new SourceSubtask(
    0,
    { push: (value) => elements.push(value) },
    new OperatorStateStore('in', {}, [], 1),
  );
  const context = { cwd: '/data', disk, clock: systemClock, log: (line: string) => log.push(line) };
  let woken = () => {};
  const group = new SourceGroup(node, [subtask], context, new Where(), () => woken(), new EventTime());
  const drain = async () => {
    while (!group.ended) {
      if (group.step(0) !== undefined) continue;
      await new Promise<void>((resolve) => {
        woken = resolve;
      });
    }
  };
  return { group, elements, log, drain };
}

const spec = files('in.txt') as SourceSpec<unknown, unknown>;
const isGone = (error: unknown) => error instanceof TidemarkError && error.code === 'FILE_NOT_FOUND';

/** Positions after the file was read to its end, and at its beginning. */
async function read(disk: FaultyDisk): Promise<{ done: SplitPosition[]; begun: SplitPosition[] }> {
  disk.plant('/data/in.txt', Buffer.from('a\nb\n'));
  const { group, elements, drain } = source(disk, spec);
  await group.open([]);
  const begun = [...group.positions()];
  await drain();
  assert.deepEqual(elements, ['a', 'b']);
  const done = [...group.positions()];
  assert.deepEqual(
    done.map(({ id, done }) => [id, done]),
    [['in.txt', true]],
  );
  await group.close();
  return { done, begun };
}

test('an input that was read to its end may be deleted: the source is at its end, and says so', async () => {
  const disk = new FaultyDisk();
  const { done } = await read(disk);
  await disk.remove('/data/in.txt');
  const { group, elements, log, drain } = source(disk, spec);
  await group.open(done);
  await drain();
  assert.deepEqual(elements, []);
  assert.deepEqual([...group.positions()], done);
  assert.deepEqual(log, ['source in: its input is gone, and was read to its end']);
});

test('an input that was not read to its end, or never, must be there', async () => {
  const disk = new FaultyDisk();
  const { done, begun } = await read(disk);
  await disk.remove('/data/in.txt');
  const other = begun.map((split) => ({ ...split, id: 'other.txt' }));
  for (const restored of [[], begun, [...done, ...other]]) {
    await assert.rejects(source(disk, spec).group.open(restored), isGone);
  }
});

test('other failures to list the splits, and those of a source that looks for more, are not passed over', async () => {
  const disk = new FaultyDisk();
  const { done } = await read(disk);
  disk.failAt(1, 'EIO');
  await assert.rejects(source(disk, spec).group.open(done), /EIO/);
  const failing: SourceSpec<unknown, unknown> = {
    ...spec,
    rediscover: 1000,
    splits: () => {
      throw new TidemarkError('FILE_NOT_FOUND', 'no folder');
    },
  };
  await assert.rejects(source(disk, failing).group.open(done), isGone);
});
