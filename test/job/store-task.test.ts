/** The store thread, when it dies and when it is told to go. */
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TidemarkError } from '../../src/base/errors.js';
import { keyCodecById } from '../../src/codec/keys.js';
import { valueCodec } from '../../src/codec/value.js';
import { EntryWriter } from '../../src/format/entry.js';
import { MERGE } from '../../src/job/store-protocol.js';
import { StoreTask } from '../../src/job/store-task.js';

const keys = keyCodecById('string');

test('a store thread that dies says so, also when nobody waits for an answer', async () => {
  const died = await new Promise<TidemarkError>((resolve) => {
    // What it is started with it cannot read.
    new StoreTask(undefined as never, { taken: () => undefined, lease: () => undefined, died: resolve });
  });
  assert.equal(died.code, 'INTERNAL');
});

test('a store thread that is closed while a merge waits for its lease leaves no unfinished file', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'tidemark-store-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  let closed: Promise<void> | undefined;
  const task: StoreTask = new StoreTask(
    { folder, unkeyed: new Set() },
    {
      taken: () => undefined,
      lease: (owner) => {
        if (owner === MERGE) closed = task.close();
      },
      died: (error) => assert.fail(error),
    },
  );
  const inputs = [await writeRun(task, 1), await writeRun(task, 2)];
  // Whether it still gets its name or not.
  await task.merge({ inputs, bottom: true, whole: false, expiredAt: 0 }).catch(() => undefined);
  assert.notEqual(closed, undefined);
  await closed;
  assert.deepEqual(
    readdirSync(folder).filter((name) => !name.endsWith('.seg')),
    [],
  );
});

/** One key, which has the number of the delta. */
async function writeRun(task: StoreTask, id: number): Promise<string> {
  task.begin(id);
  const pool = {
    take: (bytes: number) => Buffer.from(new ArrayBuffer(bytes)),
    full: (chunk: Buffer, used: number, entries: number) => task.chunk(id, chunk, used, entries),
  };
  const out = new EntryWriter(pool, 4096);
  out.begin(0, 0);
  out.key(keys, 'key');
  out.value(valueCodec, id);
  out.flush();
  const [run] = await task.finish(id);
  return run?.name ?? '';
}
