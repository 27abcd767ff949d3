/** What the watching thread reads of the place the data thread is at. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readWhere, WHERE_BYTES, Where } from '../../src/runtime/where.js';

test('a step that is renewed is another one to who watches, and goes on', () => {
  const memory = new SharedArrayBuffer(WHERE_BYTES);
  const where = new Where(memory);
  const turn = () => readWhere(memory).turn;
  where.renew();
  assert.equal(turn() % 2, 0, 'between two steps it stays so');
  where.enter();
  const begun = turn();
  assert.equal(begun % 2, 1);
  where.renew();
  assert.equal(turn() % 2, 1, 'it is still inside');
  assert.notEqual(turn(), begun);
  where.leave();
  assert.equal(turn() % 2, 0);
});
