import assert from 'node:assert/strict';
import { test } from 'node:test';
import { userMessage } from '../../src/runtime/show.js';

test('what user code threw is told with its causes, each once, on one line', () => {
  const refused = Object.assign(new Error('connect ECONNREFUSED 127.0.0.1:1'), { code: 'ECONNREFUSED' });
  const fetchFailed = (cause: unknown) => new TypeError('fetch failed', { cause });
  const said = 'TypeError: fetch failed: connect ECONNREFUSED 127.0.0.1:1';
  assert.equal(userMessage(fetchFailed(refused)), said);
  assert.equal(userMessage(fetchFailed(new AggregateError([refused, new Error('by IPv6')]))), said);
  assert.equal(
    userMessage(fetchFailed(Object.assign(new Error(''), { code: 'EPIPE' }))),
    'TypeError: fetch failed: EPIPE',
  );
  assert.equal(
    userMessage(new Error('a: inner', { cause: new Error('inner\nmore') })),
    'Error: a: inner',
    'which says it itself',
  );
  assert.equal(userMessage(new Error('a', { cause: 5 })), 'Error: a: 5');
  const endless = new Error('a');
  endless.cause = endless;
  assert.equal(userMessage(endless), 'Error: a');
  const thrower = Object.defineProperty(new Error('a'), 'cause', {
    get() {
      throw new Error('no cause for you');
    },
  });
  assert.equal(userMessage(thrower), 'Error: a');
});
