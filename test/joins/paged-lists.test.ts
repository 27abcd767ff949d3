/** Lists by number in a map state. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  append,
  drop,
  lists,
  PAGE,
  type PageKey,
  type PageMap,
  pagesOf,
  take,
} from '../../src/graph/paged-lists.js';

/** As a map state, keys told apart by what they say. */
function mapState(): PageMap<string> {
  const kept = new Map<string, readonly [PageKey, never]>();
  const name = (key: PageKey) => JSON.stringify(key);
  return {
    get: (key: PageKey) => kept.get(name(key))?.[1],
    has: (key: PageKey) => kept.has(name(key)),
    set: (key: PageKey, value: unknown) => void kept.set(name(key), [key, value as never]),
    delete: (key: PageKey) => kept.delete(name(key)),
    entries: () => kept.values() as never,
    keys: () => [...kept.values()].map(([key]) => key).values(),
    clear: () => kept.clear(),
    get size() {
      return kept.size;
    },
  };
}

const texts = (count: number) => Array.from({ length: count }, (_, n) => `${n}`);

test('records stand where they were put, in pages', () => {
  const map = mapState();
  for (const [n, text] of texts(3 * PAGE + 1).entries()) {
    assert.equal(append(map, -5, text), n);
    append(map, 7, `other ${text}`);
  }
  assert.equal(map.size, 8);
  assert.deepEqual(pagesOf(map, -5).flat(), texts(3 * PAGE + 1));
  assert.ok(pagesOf(map, -5).every((page) => page.length <= PAGE));
  const taken = [0, PAGE - 1, PAGE, 3 * PAGE];
  for (const n of taken) assert.equal(take(map, -5, n), `${n}`);
  for (const n of [...taken, 3 * PAGE + 1]) assert.equal(take(map, -5, n), undefined);
  assert.equal(take(map, 0, 0), undefined);
  assert.deepEqual(
    pagesOf(map, -5).flat(),
    texts(3 * PAGE + 1).map((text, n) => (taken.includes(n) ? null : text)),
  );
  assert.deepEqual(
    lists(map).map(([list, records]) => [list, records.length]),
    [
      [-5, 3 * PAGE + 1],
      [7, 3 * PAGE + 1],
    ],
  );
  assert.equal(drop(map, 7), true);
  assert.equal(drop(map, 7), false);
  assert.equal(map.size, 4);
  assert.deepEqual(pagesOf(map, 7), []);
});

test('a page that was taken out of a snapshot is not missed', () => {
  const map = mapState();
  for (const text of texts(3 * PAGE)) append(map, 0, text);
  map.delete([0, 1]);
  assert.deepEqual(pagesOf(map, 0).flat(), [...texts(PAGE), ...texts(3 * PAGE).slice(2 * PAGE)]);
  assert.equal(take(map, 0, PAGE), undefined);
  map.delete([0, 2]);
  assert.equal(append(map, 0, 'next'), 2 * PAGE);
  assert.equal(take(map, 0, 2 * PAGE), 'next');
  drop(map, 0);
  assert.equal(map.size, 0);
});
