/** What a job is told to have where it has no checkpoint: none yet, or none any more. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TidemarkError } from '../../src/base/errors.js';
import type { Catalog } from '../../src/catalog/catalog.js';
import type { JobRecord } from '../../src/catalog/records.js';
import { completedCheckpoint } from '../../src/job/pin-checkpoint.js';

const catalog = { lastCompleted: () => undefined, checkpoint: () => undefined } as unknown as Catalog;

function refusal(state: JobRecord['state'], id?: number): TidemarkError {
  const job = { id: 'abc', name: 'nightly', state } as JobRecord;
  try {
    completedCheckpoint(catalog, job, id);
  } catch (error) {
    assert.ok(error instanceof TidemarkError && error.code === 'CHECKPOINT_NOT_FOUND');
    return error;
  }
  assert.fail('it was found');
}

test('a job that runs and has no checkpoint has none yet', () => {
  for (const state of ['running', 'restarting'] as const)
    assert.match(refusal(state).details.hint ?? '', /tidemark wait nightly --until checkpoint/);
  assert.match(refusal('canceled').message, /no checkpoint that is still kept/);
  assert.match(refusal('running', 7).message, /no checkpoint that is still kept/);
});
