/** A list that anything is taken out of at once. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LinkedList } from '../../src/base/linked-list.js';

test('what is taken out is gone from its place, and the others stay in order', () => {
  const list = new LinkedList<string>();
  const [a, b, c] = ['a', 'b', 'c'].map((value) => list.add(value));
  assert.ok(a && b && c);
  list.remove(b);
  assert.deepEqual([...list], ['a', 'c']);
  list.remove(a);
  list.add('d');
  list.remove(c);
  assert.deepEqual([[...list], list.size, list.first?.value], [['d'], 1, 'd']);
});

test('what was taken out keeps nothing alive that came after it', () => {
  const list = new LinkedList<string>();
  const [, b] = ['a', 'b', 'c'].map((value) => list.add(value));
  assert.ok(b);
  list.remove(b);
  assert.deepEqual([b.before, b.after], [undefined, undefined]);
});
