/** What the HTTP sink decides without a server: whether and when to try again, and which options it takes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TidemarkError } from '../../src/base/errors.js';
import { MAX_RETRY_AFTER_MS, verdictOn, waitAfter } from '../../src/connectors/http-sink/answers.js';
import { httpSink } from '../../src/connectors/http-sink.js';

function failsWith(code: string, message: RegExp) {
  return (error: unknown) => {
    assert.ok(error instanceof TidemarkError, String(error));
    assert.equal(error.code, code);
    assert.match(error.message, message);
    return true;
  };
}

test('verdicts and waits', () => {
  const answer = (status: number, retryAfter: string | null = null) => ({ status, retryAfter, said: '' });
  const retries = { attempts: 5, delay: 100, factor: 2, most: 1000 };
  const now = Date.parse('2026-01-01T00:00:00Z');
  assert.deepEqual(
    [200, 201, 204, 299].map((status) => verdictOn(answer(status))),
    ['done', 'done', 'done', 'done'],
  );
  assert.equal(verdictOn({ failed: 'x' }), 'again');
  assert.deepEqual(
    [1, 2, 3, 4, 5].map((tries) => waitAfter(answer(503), tries, retries, now)),
    [100, 200, 400, 800, 1000],
  );
  assert.equal(waitAfter(answer(429, '7'), 1, retries, now), 7000);
  assert.equal(waitAfter(answer(429, '0'), 2, retries, now), 200);
  assert.equal(waitAfter(answer(503, 'Thu, 01 Jan 2026 00:00:30 GMT'), 1, retries, now), 30_000);
  assert.equal(waitAfter(answer(503, 'Thu, 01 Jan 2015 00:00:30 GMT'), 1, retries, now), 100);
  assert.equal(waitAfter(answer(503, 'soon'), 1, retries, now), 100);
  assert.equal(waitAfter(answer(503, '999999'), 1, retries, now), MAX_RETRY_AFTER_MS);
});

test('options that cannot be meant are all named', () => {
  const made = (text: string) => () => httpSink('http://host', JSON.parse(text));
  const all =
    '{"methd":1,"method":"GET","batch":0,"linger":"soon","timeout":0,"retries":{"attempts":0,"factor":0.5,"delay":"x"},"encode":1,"contentType":5}';
  const findings =
    /methd.*method: .*linger: .*timeout: .*encode: .*contentType: .*retries\.attempts: .*retries\.delay: .*retries\.factor/;
  assert.throws(made(all), failsWith('DEFINITION_INVALID', findings));
  for (const text of [
    '{"retries":5}',
    '{"retries":{"x":1}}',
    '{"headers":[]}',
    '{"headers":{"Idempotency-Key":"x"}}',
    '5',
  ])
    assert.throws(made(text), failsWith('DEFINITION_INVALID', /httpSink\(\): /), text);
});
