/** Schemas in versions: what is checked when, and what is said of a value that does not come through. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as v from 'valibot';
import { z } from 'zod';
import { ValueRefused } from '../../src/codec/codec.js';
import { type Schema, StepFailed, schema, unchecked } from '../../src/codec/schema.js';

const cents = z.object({ cents: z.number() });
const money = z.strictObject({ cents: z.number().int(), currency: z.string() });
const balance = schema(z.number())
  .next(cents, (amount) => {
    if (amount < 0) throw new RangeError(`in debt by ${-amount}`);
    return { cents: amount * 100 };
  })
  .next(money, (was) => ({ ...was, currency: 'EUR' }));

const refused =
  (reason: RegExp, path = '') =>
  (error: unknown) =>
    error instanceof ValueRefused && reason.test(error.reason) && error.path === path;

describe('versions', () => {
  test('are reached step by step, from whichever it is', () => {
    assert.equal(balance.version, 3);
    const newest = { cents: 500, currency: 'EUR' };
    assert.deepEqual(balance.upgrade(5, 1), newest);
    assert.deepEqual(balance.upgrade({ cents: 500 }, 2), newest);
    assert.deepEqual(balance.upgrade(newest, 3), newest);
  });

  for (const version of [0, 4, 1.5, -1]) {
    test(`there is none of ${version}`, () => {
      assert.throws(() => balance.upgrade(5, version), refused(/is not one of 1 to 3/));
    });
  }
});

describe('what does not come through', () => {
  test('is refused as what it was, before any step sees it', () => {
    assert.throws(
      () => balance.upgrade('5', 1),
      refused(/^not as version 1 of its schema: .*expected number/),
    );
    assert.throws(
      () => balance.upgrade({ cents: 'x' }, 2),
      refused(/^not as version 2 of its schema/, '.cents'),
    );
  });

  test('is refused as what it became', () => {
    assert.throws(() => balance.upgrade(0.001, 1), refused(/expected int/, '.cents'));
    const wrong = schema(z.number()).next(z.string(), (n) => n as unknown as string);
    assert.throws(() => wrong.next(z.string(), (text) => text).upgrade(1, 1), refused(/^not as version 2/));
  });

  test('is told with the step that threw, and what it threw', () => {
    assert.throws(
      () => balance.upgrade(-3, 1),
      (error) =>
        error instanceof StepFailed &&
        error.from === 1 &&
        error.reason === 'step v1→v2 threw: in debt by 3' &&
        error.cause instanceof RangeError,
    );
    const throwing = schema(z.number()).next(z.number(), () => {
      throw 'a word';
    });
    assert.throws(() => throwing.upgrade(1, 1), refused(/^step v1→v2 threw: a word$/));
  });

  test('has a path, whatever the names in it are', () => {
    const nested = schema(z.object({ 'a b': z.array(z.object({ c: z.number() })) }));
    assert.throws(() => nested.check({ 'a b': [{ c: 1 }, { c: 'x' }] }), refused(/number/, '["a b"][1].c'));
    const strict = schema(z.strictObject({ a: z.number() }));
    assert.throws(() => strict.check({ a: 1, more: 2 }), refused(/Unrecognized key: "more"/));
  });

  test('is told likewise by another library', () => {
    const byValibot = schema(v.object({ a: v.array(v.number()) }));
    assert.throws(() => byValibot.check({ a: [1, 'x'] }), refused(/number/, '.a[1]'));
  });

  test('by a schema that throws, or that answers later, is refused all the same', async () => {
    const fail = () => {
      throw new Error('no luck');
    };
    const validate = () => fail();
    const throwing = schema<number>({ '~standard': { version: 1, vendor: 'test', validate } });
    assert.throws(() => throwing.check(1), refused(/the schema threw: no luck/));
    for (const later of [z.number().refine(async () => true), z.number().refine(fail)])
      assert.throws(() => schema(later).check(1), refused(/is asynchronous, or one of its functions threw/));
    // Nothing of it is left that would end the process.
    await new Promise<void>((resolve) => setImmediate(resolve));
  });
});

test('what a schema gives back is what is kept: what it does not know is left out', () => {
  assert.deepEqual(schema(cents).check({ cents: 1, more: 2 }), { cents: 1 });
});

test('a schema that checks nothing takes everything', () => {
  const anything: Schema<unknown> = unchecked();
  assert.equal(anything.upgrade('x', 1), 'x');
  assert.throws(() => anything.upgrade('x', 2), ValueRefused);
});
