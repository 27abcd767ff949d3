/** The hash table of the memory backend against a Map, with hashes that spread, repeat and collide. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Key } from '../../src/codec/key.js';
import { keyCodecById } from '../../src/codec/keys.js';
import { Bucket, NO_ROW } from '../../src/state/memory/bucket.js';
import fc from '../helpers/property.js';

const keys = keyCodecById('auto');
const COLUMNS = 2;

/** A bucket and what it should hold, changed together. */
class World {
  readonly bucket = new Bucket(0, COLUMNS);
  readonly rows = new Map<string, number>();
  readonly #hashOf: (key: number) => number;

  constructor(hashOf: (key: number) => number) {
    this.#hashOf = hashOf;
  }

  /** Adds the key where it is absent, removes it where it is there. */
  toggle(key: number): void {
    const identity = String(key);
    const row = this.rows.get(identity);
    assert.equal(this.bucket.find(identity, this.#hashOf(key)), row ?? NO_ROW);
    if (row === undefined) {
      const added = this.bucket.add(identity, identity, this.#hashOf(key));
      assert.equal(added % (COLUMNS + 1), 0);
      assert.ok(![...this.rows.values()].includes(added), 'a row was given twice');
      this.rows.set(identity, added);
    } else {
      this.bucket.remove(row);
      this.rows.delete(identity);
    }
  }

  check(most: number): void {
    for (let key = 0; key < most; key++) {
      const row = this.bucket.find(String(key), this.#hashOf(key));
      assert.equal(row, this.rows.get(String(key)) ?? NO_ROW, `key ${key}`);
      if (row !== NO_ROW) assert.equal(this.bucket.keyOf(row), String(key));
    }
  }
}

const HASHES: Record<string, (key: number) => number> = {
  'that spread': (key) => keys.hash(`user-${key}`),
  'that are all one': () => 0,
  'that are few': (key) => key % 3,
  'whose places follow each other': (key) => Math.imul(key, 0x144c_bc89),
  'at the ends of 32 bits': (key) => (key % 2 === 0 ? -0x8000_0000 : 0x7fff_ffff) ^ (key >> 1),
};

describe('the table of a bucket', () => {
  for (const [what, hashOf] of Object.entries(HASHES)) {
    it(`finds what is in it and nothing else, with hashes ${what}`, () => {
      const most = 200;
      const toggles = fc.array(fc.nat(most - 1), { maxLength: 600, size: 'max' });
      const property = fc.property(toggles, (all) => {
        const world = new World(hashOf);
        for (const key of all) world.toggle(key);
        world.check(most);
      });
      fc.assert(property, { numRuns: 60 });
    });
  }

  it('uses free rows again', () => {
    const world = new World(keys.hash.bind(keys));
    for (let key = 0; key < 100; key++) world.toggle(key);
    const { length } = world.bucket.records;
    for (let round = 0; round < 50; round++) for (let key = 0; key < 100; key++) world.toggle(key);
    assert.equal(world.bucket.records.length, length);
    assert.equal(length, 100 * (COLUMNS + 1));
  });

  it('stays fast when keys are made to collide', () => {
    // Java's hash code of "Aa" is that of "BB", so that n such pairs make 2^n keys of one hash.
    const colliding = Array.from({ length: 2 ** 15 }, (_, i) =>
      i.toString(2).padStart(15, '0').replaceAll('0', 'Aa').replaceAll('1', 'BB'),
    );
    const bucket = new Bucket(0, COLUMNS);
    const hash = keys.hash(colliding[0]);
    const rows = colliding.map((key) => bucket.add(key, key, keys.hash(key)));
    assert.deepEqual(
      colliding.map((key) => bucket.find(key, hash)),
      rows,
    );
    for (const row of rows) bucket.remove(row);
    assert.ok(colliding.every((key) => bucket.find(key, hash) === NO_ROW));
  });

  it('keeps keys that are not their own identity', () => {
    const bucket = new Bucket(0, COLUMNS);
    const tuple: Key = ['a', 1];
    const row = bucket.add(tuple, keys.identity(tuple), keys.hash(tuple));
    assert.equal(bucket.keyOf(row), tuple);
    bucket.remove(row);
    assert.equal(bucket.add('b', 'b', keys.hash('b')), row);
    assert.equal(bucket.keyOf(row), 'b');
  });
});
