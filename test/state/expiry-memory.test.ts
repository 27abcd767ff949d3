/** How the memory backend lets go of what expires, and what it makes of what was kept under another time to live. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createMemoryBackend } from '../../src/state/memory/backend.js';
import { ExpiryHeap, type Lease, OUTSIDE } from '../../src/state/memory/expiry.js';
import fc from '../helpers/property.js';
import {
  AFTER,
  adopt,
  entryOf,
  keyBytes,
  lines,
  Recording,
  type Setup,
  type Subject,
  snapshot,
  subject,
  TABLES,
  tombstoneLine,
  valueBytes,
} from './harness.js';

const setup: Setup = {
  create: (options) => createMemoryBackend(options),
  mode: 'changes',
  order: 'insertion',
};

function changes(of: Subject): string[] {
  const recording = new Recording(of);
  const drained = lines(recording.drained());
  recording.settle(true);
  return drained;
}

class Item implements Lease {
  stamp: number;
  due = 0;
  place = OUTSIDE;
  written = 0;

  constructor(stamp: number) {
    this.stamp = stamp;
  }
}

describe('the heap of what expires', () => {
  it('gives all that has expired, and nothing else, whatever is renewed and removed', () => {
    const step = fc.oneof(
      fc.record({ do: fc.constant('push'), n: fc.nat(100) }),
      fc.record({ do: fc.constant('renew'), n: fc.nat(100), to: fc.nat(100) }),
      fc.record({ do: fc.constant('remove'), n: fc.nat(100), to: fc.nat(100) }),
      fc.record({ do: fc.constant('expire'), n: fc.nat(12) }),
    );
    const property = fc.property(fc.array(step, { maxLength: 200, size: 'max' }), (all) => {
      const heap = new ExpiryHeap<Item>();
      let items: Item[] = [];
      let now = 0;
      for (const one of all) {
        const item = items[one.n % Math.max(1, items.length)];
        if (one.do === 'push') {
          const added = new Item(now + one.n);
          heap.push(added);
          items.push(added);
        } else if (one.do === 'expire') {
          now += one.n;
          const gone: Item[] = [];
          const forget = (lease: Item) => {
            heap.remove(lease);
            gone.push(lease);
          };
          heap.expire(now, Number.POSITIVE_INFINITY, forget);
          assert.deepEqual(new Set(gone), new Set(items.filter(({ stamp }) => stamp <= now)));
          assert.equal(heap.isDue(now), false);
          items = items.filter(({ stamp }) => stamp > now);
        } else if (item !== undefined && one.do === 'renew') {
          heap.renew(item, now + ('to' in one ? one.to : 0));
        } else if (item !== undefined) {
          heap.remove(item);
          assert.equal(item.place, OUTSIDE);
          items = items.filter((other) => other !== item);
        }
      }
    });
    fc.assert(property, { numRuns: 300 });
  });
});

describe('memory, what expires', () => {
  it('goes away in bounded steps, in turns with what was renewed', () => {
    const s = subject({ ...setup, mode: 'all' });
    const count = 1000;
    for (let i = 0; i < count; i++) {
      s.select(i);
      s.fading[0].set(i);
    }
    s.time.now = 1;
    for (let i = 0; i < count; i += 2) {
      s.select(i);
      s.fading[0].set(i);
    }
    s.time.now = AFTER[0];
    let calls = 1;
    while (!s.backend.expire(100)) calls++;
    assert.ok(calls >= count / 100, `${count} looked at in ${calls} calls`);
    assert.ok(calls <= count / 100 + 1, `${count} looked at in ${calls} calls`);
    assert.equal(snapshot(s).length, count / 2);
    s.time.now++;
    assert.equal(s.backend.expire(count), true);
    assert.deepEqual(snapshot(s), []);
  });

  it('looks at nothing while nothing is due', () => {
    const s = subject(setup);
    s.select('k');
    s.fading[0].set(1);
    assert.equal(s.backend.expire(1), true);
    s.time.now = AFTER[0];
    assert.equal(s.backend.expire(0), false);
  });
});

describe('memory, what was kept under another time to live', () => {
  const stamped = { stamp: 100n };

  it('is written again without its stamp where entries do not expire any more', () => {
    const s = subject(setup);
    const all = [
      entryOf(TABLES.value, 'k', undefined, valueBytes('v')),
      entryOf(TABLES.list, 'k', undefined, valueBytes(['v'])),
      entryOf(TABLES.map, 'k', keyBytes('m'), valueBytes('v')),
      entryOf(TABLES.panes, 'k', undefined, valueBytes('v'), { namespace: { kind: 'global' } }),
    ];
    for (const entry of all) adopt(s, { ...entry, ...stamped });
    assert.deepEqual(changes(s), lines(all));
    assert.deepEqual(changes(s), []);
  });

  it('gets a tombstone when it is taken out before that', () => {
    const s = subject(setup);
    adopt(s, entryOf(TABLES.value, 'k', undefined, valueBytes('v'), stamped));
    adopt(s, entryOf(TABLES.map, 'k', keyBytes('m'), valueBytes('v'), stamped));
    const pane = entryOf(TABLES.panes, 'k', undefined, valueBytes('v'), { namespace: { kind: 'global' } });
    adopt(s, { ...pane, ...stamped });
    s.select('k');
    s.value.clear();
    s.map.clear();
    s.panes.delete(Number.NEGATIVE_INFINITY);
    assert.equal(changes(s).length, 3);
    assert.deepEqual(snapshot(s), []);
  });

  it('is written again with a stamp where entries did not expire before', () => {
    const s = subject(setup);
    const fading = entryOf(TABLES.fading, 'k', undefined, valueBytes('v'));
    const member = entryOf(TABLES.fadingMap, 'k', keyBytes('m'), valueBytes('v'));
    s.time.now = 50;
    for (const entry of [fading, member]) adopt(s, entry);
    const stamp = { stamp: BigInt(50 + AFTER[0]) };
    assert.deepEqual(changes(s), lines([fading, member].map((entry) => ({ ...entry, ...stamp }))));
    assert.deepEqual(changes(s), []);
  });

  it('gets a tombstone when it expires before that', () => {
    const s = subject(setup);
    adopt(s, entryOf(TABLES.fading, 'k', undefined, valueBytes('v')));
    adopt(s, entryOf(TABLES.fadingMap, 'k', keyBytes('m'), valueBytes('v')));
    s.time.now = AFTER[0];
    const expected = [tombstoneLine(TABLES.fading, 'k'), tombstoneLine(TABLES.fadingMap, 'k', keyBytes('m'))];
    assert.deepEqual(changes(s), expected.sort());
  });

  it('is left out, and no change, when it has expired by then', () => {
    const s = subject(setup);
    s.time.now = 100;
    for (const table of [TABLES.value, TABLES.fading]) {
      adopt(s, entryOf(table, 'k', undefined, valueBytes('v'), stamped));
    }
    s.select('k');
    assert.deepEqual([s.value.get(), s.fading[0].get()], [undefined, 'initial']);
    assert.deepEqual(changes(s), []);
  });

  it('may be said to live for ever, and is written with the latest stamp there is', () => {
    const s = subject({ ...setup, mode: 'all' });
    const ever = { stamp: 2n ** 63n - 1n };
    const entries = [
      entryOf(TABLES.fading, 'k', undefined, valueBytes('v'), ever),
      entryOf(TABLES.fadingMap, 'k', keyBytes('m'), valueBytes('v'), ever),
    ];
    for (const entry of entries) s.backend.restore(entry, entry.table);
    const latest = { stamp: BigInt(Number.MAX_SAFE_INTEGER) };
    assert.deepEqual(
      lines(new Recording(s).drained()),
      lines(entries.map((entry) => ({ ...entry, ...latest }))),
    );
  });
});
