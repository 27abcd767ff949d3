/** `stdout` and `collect`. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TidemarkError } from '../../src/base/errors.js';
import { collect } from '../../src/connectors/collect.js';
import { stdout } from '../../src/connectors/stdout.js';
import type { SinkSpec, WriterContext } from '../../src/graph/sink.js';
import { FaultyDisk } from '../helpers/faulty-disk.js';
import { sinkContext } from './sink-run.js';

function contextTo(print: (text: string) => Promise<void>): WriterContext {
  return { ...sinkContext(new FaultyDisk()), stdout: print, subtask: 0, parallelism: 1, state: {} };
}

async function printed<T>(sink: SinkSpec<T, never>, ...batches: T[][]): Promise<string> {
  let text = '';
  const writer = await sink.open(
    contextTo(async (more) => {
      text += more;
    }),
  );
  for (const batch of batches) await writer.write(batch);
  await writer.prepare?.(1);
  await writer.close?.();
  return text;
}

test('stdout prints one line an element', async () => {
  assert.equal(await printed(stdout<unknown>(), [{ a: 1 }, 'x\ny'], [], [null]), '{"a":1}\n"x\\ny"\nnull\n');
  assert.equal(await printed(stdout<unknown>({ format: 'text' }), ['x', 5]), 'x\n5\n');
});

test('stdout refuses what JSON has not', async () => {
  await assert.rejects(
    printed(stdout(), [1n]),
    (error) => error instanceof TidemarkError && error.code === 'VALUE_REFUSED',
  );
});

test('stdout makes its writer wait until what it printed is taken, piece by piece', async () => {
  const waiting: (() => void)[] = [];
  let chars = 0;
  const context = contextTo((text) => {
    chars += text.length;
    return new Promise((resolve) => waiting.push(resolve));
  });
  const writer = await stdout<string>({ format: 'text' }).open(context);
  let done = false;
  const writing = Promise.resolve(writer.write(Array.from({ length: 5000 }, () => 'x'.repeat(99)))).then(
    () => {
      done = true;
    },
  );
  for (let released = 0; !done; released++) {
    assert.equal(waiting.length, 1, 'one piece is under way');
    assert.ok(chars <= (released + 1) * 66_000);
    waiting.shift()?.();
    await new Promise((resolve) => setImmediate(resolve));
  }
  await writing;
  assert.equal(chars, 500_000);
});

test('collect keeps elements in order', async () => {
  const into: number[] = [0];
  await printed(collect(into), [1, 2], [], [3]);
  assert.deepEqual(into, [0, 1, 2, 3]);
});
