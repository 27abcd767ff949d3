import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TidemarkError } from '../../src/base/errors.js';
import { jsonLine } from '../../src/connectors/json-line.js';
import fc from '../helpers/property.js';

test('what JSON holds is written as JSON.stringify does', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      assert.equal(jsonLine(value, 'out'), JSON.stringify(value));
    }),
  );
  class Point {
    x = 1;
  }
  const at = new Date(0);
  for (const value of [
    { a: undefined },
    { at },
    [at],
    new Point(),
    { toJSON: () => 5 },
    Object.create(null),
  ]) {
    assert.equal(jsonLine(value, 'out'), JSON.stringify(value));
  }
});

test('what JSON would lose is refused with its path', () => {
  const cycle: { self?: unknown } = {};
  cycle.self = cycle;
  const cases: [unknown, RegExp][] = [
    [undefined, /the element cannot be written as JSON: JSON has no undefined/],
    [1n, /the element cannot .* no bigint/],
    [{ a: [{ b: 2n }] }, /at a\[0\]\.b .* no bigint/],
    [[Number.NaN], /at \[0\] .* NaN is no JSON number/],
    [{ x: Number.POSITIVE_INFINITY }, /at x .* Infinity/],
    [{ f: () => 1 }, /at f .* no function/],
    [{ s: Symbol('s') }, /at s .* no symbol/],
    [[undefined], /at \[0\] .* no undefined/],
    [{ m: new Map([[1, 2]]) }, /at m .* no Map/],
    [{ m: new Set([1]) }, /at m .* no Set/],
    [new Uint8Array(2), /the element .* no Uint8Array/],
    [cycle, /at self .* contains itself/],
    [{ when: new Date(Number.NaN), n: Number.NaN }, /at n .* NaN/],
    [{ toJSON: () => ({ deep: 3n }) }, /at deep .* no bigint/],
  ];
  for (const [value, message] of cases) {
    assert.throws(
      () => jsonLine(value, 'out'),
      (error) => {
        assert.ok(error instanceof TidemarkError);
        assert.equal(error.code, 'VALUE_REFUSED');
        assert.match(error.message, message);
        assert.match(error.message, /^sink out: /);
        return true;
      },
    );
  }
});
