import assert from 'node:assert/strict';
import { test } from 'node:test';
import { param, resolveParams } from '../../src/graph/param.js';
import { thrown } from './build.js';

const declared = {
  input: param.string(),
  limit: param.number(10),
  strict: param.boolean(false),
  apiToken: param.secret(),
};
const environment = { API_TOKEN: 'hush' };

test('a flag goes over the default, a secret comes from the environment', () => {
  assert.deepEqual(resolveParams(declared, { input: 'a', limit: '2.5', strict: 'true' }, environment), {
    input: 'a',
    limit: 2.5,
    strict: true,
    apiToken: 'hush',
  });
  assert.deepEqual(resolveParams(declared, { input: '' }, environment), {
    input: '',
    limit: 10,
    strict: false,
    apiToken: 'hush',
  });
  const named = { password: param.secret('DB_PASSWORD') };
  assert.deepEqual(resolveParams(named, {}, { DB_PASSWORD: 'x' }), { password: 'x' });
});

test('falsy defaults count as defaults', () => {
  const falsy = { a: param.string(''), b: param.number(0), c: param.boolean(false) };
  assert.deepEqual(resolveParams(falsy, {}, {}), { a: '', b: 0, c: false });
});

test('wrong parameters are usage errors that name them', () => {
  const cases = [
    [{}, environment, 'PARAM_MISSING', /parameter input \(string\) is missing/, /--param input=/],
    [{ input: 'a' }, {}, 'PARAM_MISSING', /secret apiToken is missing/, /API_TOKEN/],
    [
      { input: 'a', inptu: 'b' },
      environment,
      'PARAM_UNKNOWN',
      /no parameter inptu.*input, limit, strict/,
      /--param/,
    ],
    [
      { input: 'a', limit: 'ten' },
      environment,
      'PARAM_INVALID',
      /limit is a number, found "ten"/,
      /limit=10/,
    ],
    [{ input: 'a', limit: ' ' }, environment, 'PARAM_INVALID', /limit is a number/, /limit=10/],
    [{ input: 'a', limit: 'Infinity' }, environment, 'PARAM_INVALID', /limit is a number/, /limit=10/],
    [{ input: 'a', strict: 'yes' }, environment, 'PARAM_INVALID', /strict is a boolean/, /strict=true/],
    [{ input: 'a', apiToken: 'x' }, environment, 'PARAM_INVALID', /secret and cannot be given/, /API_TOKEN/],
    [{ input: 'a', toString: 'x' }, environment, 'PARAM_UNKNOWN', /no parameter toString/, /--param/],
  ] as const;
  for (const [given, variables, code, message, hint] of cases) {
    const error = thrown(() => resolveParams(declared, { ...given }, variables));
    assert.equal(error?.code, code, String(message));
    assert.match(error?.message ?? '', message);
    assert.match(error?.hint ?? '', hint);
    assert.equal(error?.exitCode, 2);
  }
});

test('a secret given as a flag is not shown', () => {
  const error = thrown(() => resolveParams(declared, { input: 'a', apiToken: 'sesame' }, environment));
  assert.doesNotMatch(`${error?.message} ${error?.hint}`, /sesame/);
});
