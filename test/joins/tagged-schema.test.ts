/** One version for two schemas, and back. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';
import { StepFailed, schema } from '../../src/codec/schema.js';
import { pairVersion, taggedSchema, versionPair } from '../../src/graph/tagged-schema.js';

test('each pair of versions has a number of its own, and a greater one has a greater', () => {
  assert.equal(pairVersion(1, 1), 1);
  assert.deepEqual([pairVersion(2, 1), pairVersion(1, 2), pairVersion(2, 2)], [2, 3, 5]);
  const seen = new Set<number>();
  for (let left = 1; left <= 30; left++) {
    for (let right = 1; right <= 30; right++) {
      const version = pairVersion(left, right);
      seen.add(version);
      assert.deepEqual(versionPair(version), [left, right]);
      assert.ok(pairVersion(left + 1, right) > version && pairVersion(left, right + 1) > version);
    }
  }
  assert.equal(seen.size, 900);
});

test('each element is upgraded by the schema of its side', () => {
  const left = schema(z.number()).next(z.string(), (n) => {
    if (n > 5) throw new Error('too great');
    return `${n}`;
  });
  const both = taggedSchema(left, schema(z.boolean()));
  assert.ok(both);
  assert.equal(both.version, 2);
  assert.deepEqual(both.upgrade([0, 5], 1), [0, '5']);
  assert.deepEqual(both.upgrade([0, '5'], 2), [0, '5']);
  assert.deepEqual(both.upgrade([1, true], 1), [1, true]);
  assert.throws(() => both.upgrade([1, 5], 1), { path: '[1]', message: /boolean/ });
  assert.throws(
    () => both.upgrade([0, 6], 1),
    (error) => error instanceof StepFailed && error.path === '[1]' && error.from === 1,
  );
  // Of version (1, 2): the right has no second.
  assert.throws(() => both.upgrade([1, true], 3), /version 2 is not one of 1 to 1/);
  for (const wrong of [5, [0], [2, 5], [0, 5, 5]])
    assert.throws(() => both.check(wrong), /side of an element/);
  assert.deepEqual(both.check([0, 'a']), [0, 'a']);
  assert.throws(() => both.next(z.number() as never, (() => 1) as never), /no next version/);
  assert.equal(taggedSchema(undefined, undefined), undefined);
});

test('both sides may have one schema, of which each had its own version', () => {
  const second = schema(z.number()).next(z.string(), (n) => `${n}`);
  const both = taggedSchema(second, second);
  const before = pairVersion(2, 1);
  assert.deepEqual(both?.upgrade([0, '5'], before), [0, '5']);
  assert.deepEqual(both?.upgrade([1, 5], before), [1, '5']);
});
