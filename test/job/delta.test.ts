import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TidemarkError } from '../../src/base/errors.js';
import type { Chain } from '../../src/job/chain.js';
import { Delta } from '../../src/job/delta.js';
import type { StoreTask } from '../../src/job/store-task.js';

/** A catalog on a full disk. */
const chain = {
  closed: false,
  room: async () => undefined,
  drop: () => {
    throw new TidemarkError('DISK_FULL', 'the catalog takes no more');
  },
} as unknown as Chain;
const full = new TidemarkError('DISK_FULL', 'a run takes no more');
const task = {
  begin: () => undefined,
  discard: async () => undefined,
  finish: () => Promise.reject(full),
} as unknown as StoreTask;

test('a delta that is given up rejects nobody, and one that fails says why, when the catalog refuses', async () => {
  // Who gives one up does not wait for it: a rejection would end the process.
  await new Delta(chain, task, 1, false).discard();
  await assert.rejects(new Delta(chain, task, 2, false).finish(), full);
});
