/** How entries are counted that expire unseen: never too few, and too many by those of one span. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Census, NEVER } from '../../src/state/disk/census.js';
import fc from '../helpers/property.js';

const TTLS = [1, 10, 100, 1000, 64_000, 10_000_000];

/** Entries as they are, and as they are counted. */
class World {
  readonly time = { now: 1000 };
  census: Census;
  /** Of the entries that came and did not go, expired or not. */
  stamps: number[] = [];
  /** Of those that had expired before the process was lost: nobody loads them again. */
  lost: number[] = [];
  /** The most that a span has been wide. */
  width = 1;
  #after = 0;

  constructor(after: number) {
    this.census = this.#counting(after);
  }

  #counting(after: number): Census {
    this.#after = after;
    this.width = Math.max(this.width, Math.ceil(after / 64));
    return new Census(this.time, after);
  }

  add(part: number, never: boolean): void {
    const until = never ? NEVER : this.time.now + Math.max(1, Math.ceil(this.#after * part));
    this.stamps.push(until);
    this.census.add(until);
  }

  remove(which: number): void {
    const [stamp] = this.stamps.splice(which % Math.max(1, this.stamps.length), 1);
    if (stamp !== undefined) this.census.remove(stamp);
  }

  refresh(which: number): void {
    const at = which % Math.max(1, this.stamps.length);
    const from = this.stamps[at];
    if (from === undefined) return;
    const to = this.time.now + this.#after;
    this.stamps[at] = to;
    this.census.move(from, to);
  }

  /** Loses the process, and goes on from a manifest. */
  recover(after: number): void {
    const { now } = this.time;
    this.lost.push(...this.stamps.filter((stamp) => stamp <= now));
    this.stamps = this.stamps.filter((stamp) => stamp > now);
    const { live, expiries } = this.census;
    this.census = this.#counting(after);
    this.census.adopt(live, JSON.parse(JSON.stringify(expiries)));
  }

  check(): void {
    const { now } = this.time;
    const { live, expiries } = this.census;
    const least = this.stamps.filter((stamp) => stamp > now).length;
    const most = [...this.stamps, ...this.lost].filter((stamp) => stamp > now - this.width).length;
    assert.ok(least <= live && live <= most, `${least} ≤ ${live} ≤ ${most}`);
    assert.ok(expiries.length <= 128, `${expiries.length} spans`);
    for (const [i, [after, until]] of expiries.entries()) {
      assert.ok(until > now && after < until);
      assert.ok(after >= (expiries[i - 1]?.[1] ?? Number.NEGATIVE_INFINITY), 'spans overlap');
    }
  }
}

type Step = (world: World) => void;

const anyTtl = fc.constantFrom(...TTLS);
const part = fc.double({ min: 0, max: 1, noNaN: true });
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.tuple(part, fc.nat(9)).map(
      ([at, never]) =>
        (w: World) =>
          w.add(at, never === 0),
    ),
  },
  { weight: 3, arbitrary: fc.nat().map((which) => (w: World) => w.remove(which)) },
  { weight: 3, arbitrary: fc.nat().map((which) => (w: World) => w.refresh(which)) },
  {
    weight: 3,
    arbitrary: fc.tuple(anyTtl, part).map(([ttl, at]) => (w: World) => {
      w.time.now += Math.ceil(ttl * at);
    }),
  },
);

describe('entries that expire unseen', () => {
  it('are counted to a span, with any work, over recoveries and other TTLs', () => {
    const recover = fc.oneof(anyTtl, fc.constant(undefined)).map((ttl) => (w: World) => w.recover(ttl ?? 10));
    const steps = fc.array(fc.oneof({ weight: 12, arbitrary: step }, { weight: 1, arbitrary: recover }), {
      maxLength: 200,
      size: 'max',
    });
    const property = fc.property(anyTtl, steps, (ttl, run) => {
      const world = new World(ttl);
      for (const now of run) {
        now(world);
        world.check();
      }
    });
    fc.assert(property, { numRuns: 150 });
  });

  it('are counted in few spans, however many there are and however often the TTL changes', () => {
    const world = new World(1_000_000);
    for (let i = 0; i < 100_000; i++) {
      world.time.now += i % 40;
      world.census.add(world.time.now + 1_000_000);
    }
    assert.ok(world.census.expiries.length <= 66, `${world.census.expiries.length} spans`);
    for (let round = 0; round < 20; round++) {
      const { live } = world.census;
      world.recover(1000 * (round + 1));
      assert.equal(world.census.live, live);
      for (let i = 0; i < 100; i++) world.census.add(world.time.now + 10 * i + 1);
      assert.equal(world.census.live, live + 100);
      assert.ok(world.census.expiries.length <= 128);
    }
    world.time.now += 1_000_001 + 1_000_000 / 64;
    assert.equal(world.census.live, 0);
  });

  it('are counted up to the last time there is', () => {
    const census = new Census({ now: 5 }, 1000);
    census.add(Number.MAX_SAFE_INTEGER);
    census.add(Number.MAX_SAFE_INTEGER - 1);
    assert.deepEqual(
      census.expiries.map(([, until, entries]) => [until, entries]),
      [[Number.MAX_SAFE_INTEGER, 2]],
    );
  });

  it('makes little of wrong counts', () => {
    const census = new Census({ now: 5 }, 10);
    census.adopt(1, [
      [0, 3, 7],
      [6, 8, 2],
      [7, 12, 1],
    ]);
    assert.equal(census.live, 3);
    for (let i = 0; i < 5; i++) census.remove(7);
    census.remove(2);
    assert.equal(census.live, 0);
  });
});
