import assert from 'node:assert/strict';
import { test } from 'node:test';
import { maxParallelismOf } from '../../src/job/restore-settings.js';

test('the maximum parallelism is that of all operators; cut in several ways, state belongs to no job', () => {
  const operators = (...sizes: number[]) =>
    sizes.map((maxParallelism, i) => ({ uid: `o${i}`, maxParallelism }));
  assert.equal(maxParallelismOf({ operators: operators(1024, 1024) }, 2), 1024);
  assert.equal(maxParallelismOf({ operators: [] }, 100), 256);
  assert.throws(() => maxParallelismOf({ operators: operators(128, 128, 1024) }, 2), {
    code: 'INCOMPATIBLE',
    message: /o0 is cut into 128 key groups, that of o2 into 1024/,
  });
});
