/**
 * Values and map entries that expire, in a disk backend whose rows come and go, whose runs are merged as they expire, and
 * whose process is lost and starts with another TTL or none: against a model of what is there until when.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { present } from '../../src/base/assert.js';
import { valueCodec } from '../../src/codec/value.js';
import type { Entry } from '../../src/format/entry.js';
import type { BackendOptions, MapHandle, StateTable, ValueHandle } from '../../src/state/backend.js';
import fc from '../helpers/property.js';
import { type DiskSetup, Kept } from './disk-factory.js';
import { collector, identityOf, merged } from './disk-files.js';
import { ALL, entryOf, groupOf, keyBytes, keys, lines, MAX_PARALLELISM, valueBytes } from './harness.js';

const VALUE = 0;
const MAP = 1;
const KEYS = ['a', 'b', 'c', 'd'];
const MAP_KEYS = ['m', 'n', 'o'];
const NEVER = Number.POSITIVE_INFINITY;
const RUNS = process.env['TIDEMARK_TEST_LONG'] === '1' ? 2000 : 100;

type Ttl = StateTable['ttl'];

/** An entry, as a line of a snapshot has it. */
interface Item {
  readonly table: number;
  readonly key: string;
  readonly mapKey: string | undefined;
  readonly value: number;
  readonly until: number;
}

/** By place: `key` or `key/mapKey`. */
type Items = Map<string, Item>;

interface Frozen {
  readonly items: Items;
  readonly at: number;
  readonly drain: ReturnType<Kept['keyed']['freeze']>;
  readonly entries: () => Entry[];
  written: readonly Entry[] | undefined;
}

class World {
  readonly time = { now: 1000 };
  readonly #setup: DiskSetup;
  #kept: Kept;
  #ttl: Ttl;
  #value!: ValueHandle;
  #map!: MapHandle;
  #items: Items = new Map();
  /** At the last freeze that was kept. */
  #base: Items = new Map();
  #frozen: Frozen | undefined;
  #key = 'a';
  /** The widest a span of a count was. */
  #width = 1;

  constructor(setup: DiskSetup, ttl: Ttl) {
    this.#setup = setup;
    this.#ttl = ttl;
    this.#kept = this.#start();
  }

  /** Begins with what `before` left. */
  #start(before?: Kept): Kept {
    const ttl = this.#ttl;
    this.#width = Math.max(this.#width, Math.ceil((ttl?.after ?? 0) / 64));
    const base = { codec: valueCodec, initial: undefined, ttl };
    const options: BackendOptions = {
      range: ALL,
      maxParallelism: MAX_PARALLELISM,
      subtask: 1,
      keys,
      snapshots: 'changes',
      states: [
        { ...base, table: VALUE, name: 'value', kind: 'value' },
        { ...base, table: MAP, name: 'map', kind: 'map', mapKeys: keys },
      ],
      timers: [],
      time: this.time,
    };
    const kept = new Kept(this.#setup, options, before);
    this.#value = kept.keyed.state(0) as ValueHandle;
    this.#map = kept.keyed.state(1) as MapHandle;
    return kept;
  }

  select(key: string): void {
    this.#key = key;
    this.#kept.keyed.select(key, key, groupOf(key));
  }

  /** To be called before the current key is used: then all of it gets what the table's TTL asks for now. */
  touch(): void {
    const { now } = this.time;
    for (const [place, item] of this.#items) {
      if (item.key !== this.#key || item.until <= now) continue;
      if ((this.#ttl === undefined) !== (item.until === NEVER))
        this.#items.set(place, { ...item, until: this.#until() });
    }
  }

  get(): void {
    this.touch();
    assert.deepEqual(this.#value.get(), this.#read(this.#key)?.value);
  }

  set(value: number): void {
    this.touch();
    this.#value.set(value);
    this.#put({ table: VALUE, key: this.#key, mapKey: undefined, value, until: this.#until() });
  }

  clear(): void {
    this.touch();
    this.#value.clear();
    this.#items.delete(this.#key);
  }

  mapGet(mapKey: string): void {
    this.touch();
    assert.equal(this.#map.has(mapKey), this.#seen(`${this.#key}/${mapKey}`) !== undefined);
    assert.deepEqual(this.#map.get(mapKey), this.#read(`${this.#key}/${mapKey}`)?.value);
  }

  mapSet(mapKey: string, value: number): void {
    this.touch();
    this.#map.set(mapKey, value);
    this.#put({ table: MAP, key: this.#key, mapKey, value, until: this.#until() });
  }

  mapDelete(mapKey: string): void {
    this.touch();
    const place = `${this.#key}/${mapKey}`;
    assert.equal(this.#map.delete(mapKey), this.#seen(place) !== undefined);
    this.#items.delete(place);
  }

  mapClear(): void {
    this.touch();
    this.#map.clear();
    for (const place of this.#places()) this.#items.delete(place);
  }

  mapSize(): void {
    this.touch();
    assert.equal(this.#map.size, this.#places().length);
    assert.deepEqual([...this.#map.keys()].length, this.#places().length);
  }

  mapEntries(): void {
    this.touch();
    const found = new Map(this.#map.entries());
    const expected = new Map<unknown, unknown>();
    for (const place of this.#places()) {
      const { mapKey, value } = present(this.#read(place), 'an item');
      expected.set(mapKey, value);
    }
    assert.deepEqual(found, expected);
  }

  freeze(): void {
    if (this.#frozen !== undefined) return;
    const { out, entries } = collector();
    const items = new Map(this.#items);
    const drain = this.#kept.keyed.freeze(out);
    this.#frozen = { items, at: this.time.now, drain, entries, written: undefined };
  }

  slice(looks: number): void {
    const frozen = this.#frozen;
    let left = looks;
    if (frozen === undefined || frozen.written !== undefined || !frozen.drain.slice(() => --left <= 0))
      return;
    const { items, at } = frozen;
    const written = frozen.entries();
    const runs = this.#kept.runs.map(({ entries }) => entries);
    assert.equal(merged([written], false).length, written.length, 'an identity was written twice');
    assert.deepEqual(lines(merged([...runs, written], true, at)), linesOf(items, at));
    // No tombstone of what nobody sees any more. Cells of tables without a TTL know of no stamp.
    const live = new Set(merged(runs, true, at).map(identityOf));
    const needless = written.filter((entry) => entry.tombstone && !live.has(identityOf(entry)));
    assert.equal(this.#ttl === undefined ? 0 : needless.length, 0, 'a needless tombstone');
    for (const { stamp } of written)
      assert.ok(stamp === undefined || stamp > at, 'what has expired was written');
    frozen.written = written;
  }

  settle(isKept: boolean): void {
    const frozen = this.#frozen;
    if (frozen?.written === undefined) return;
    this.#kept.keyed.settle(isKept);
    if (isKept) this.#base = frozen.items;
    this.#frozen = undefined;
  }

  abort(): void {
    if (this.#frozen === undefined || this.#frozen.written !== undefined) return;
    this.#frozen.drain.abort();
    this.#frozen = undefined;
  }

  recover(ttl: Ttl): void {
    this.#ttl = ttl;
    this.#kept = this.#start(this.#kept);
    this.#items = new Map(this.#base);
    this.#frozen = undefined;
    this.select(this.#key);
  }

  checkCounts(): void {
    const { now } = this.time;
    for (const { table, entries } of this.#kept.keyed.counts()) {
      const own = [...this.#items.values()].filter((item) => item.table === table);
      const least = own.filter(({ until }) => until > now).length;
      const most = own.filter(({ until }) => until > now - this.#width).length;
      assert.ok(least <= entries && entries <= most, `${least} ≤ ${entries} ≤ ${most} of table ${table}`);
    }
  }

  checkAll(): void {
    for (const key of KEYS) {
      this.select(key);
      this.get();
      this.mapEntries();
      this.mapSize();
    }
    this.checkCounts();
  }

  #until(): number {
    return this.#ttl === undefined ? NEVER : this.time.now + this.#ttl.after;
  }

  #put(item: Item): void {
    this.#items.set(item.mapKey === undefined ? item.key : `${item.key}/${item.mapKey}`, item);
  }

  #seen(place: string): Item | undefined {
    const item = this.#items.get(place);
    return item !== undefined && item.until > this.time.now ? item : undefined;
  }

  /** As `#seen`, and it lives on for that, if it does. */
  #read(place: string): Item | undefined {
    const item = this.#seen(place);
    if (item !== undefined && this.#ttl?.refresh === 'read') this.#put({ ...item, until: this.#until() });
    return item;
  }

  /** Of the current key's map. */
  #places(): string[] {
    const places = [...this.#items.keys()].filter((place) => place.startsWith(`${this.#key}/`));
    return places.filter((place) => this.#seen(place) !== undefined);
  }
}

function linesOf(items: Items, now: number): string[] {
  const live = [...items.values()].filter(({ until }) => until > now);
  const entries = live.map(({ table, key, mapKey, value, until }) => ({
    ...entryOf(table, key, mapKey === undefined ? undefined : keyBytes(mapKey), valueBytes(value)),
    stamp: until === NEVER ? undefined : BigInt(until),
  }));
  return lines(entries);
}

type Step = (world: World) => void;

function step<T>(arbitrary: fc.Arbitrary<T>, run: (world: World, given: T) => void): fc.Arbitrary<Step> {
  return arbitrary.map((given) =>
    Object.assign((world: World) => run(world, given), {
      [fc.toStringMethod]: () => `${run.toString().replaceAll(/\s+/g, ' ')} with ${fc.stringify(given)}`,
    }),
  );
}

const none = fc.constant(null);
const mapKey = fc.constantFrom(...MAP_KEYS);
const number = fc.integer({ min: 0, max: 99 });
const anyTtl: fc.Arbitrary<Ttl> = fc.option(
  fc.record({ after: fc.constantFrom(5, 40, 200), refresh: fc.constantFrom('write', 'read') }),
  { nil: undefined, freq: 4 },
);

const steps = fc.array(
  fc.oneof(
    { weight: 12, arbitrary: step(fc.constantFrom(...KEYS), (w, key) => w.select(key)) },
    { weight: 5, arbitrary: step(none, (w) => w.get()) },
    { weight: 5, arbitrary: step(number, (w, value) => w.set(value)) },
    { weight: 2, arbitrary: step(none, (w) => w.clear()) },
    { weight: 4, arbitrary: step(mapKey, (w, key) => w.mapGet(key)) },
    { weight: 8, arbitrary: step(fc.tuple(mapKey, number), (w, [key, value]) => w.mapSet(key, value)) },
    { weight: 3, arbitrary: step(mapKey, (w, key) => w.mapDelete(key)) },
    { weight: 1, arbitrary: step(none, (w) => w.mapClear()) },
    { weight: 2, arbitrary: step(none, (w) => w.mapSize()) },
    { weight: 2, arbitrary: step(none, (w) => w.mapEntries()) },
    {
      weight: 8,
      arbitrary: step(fc.integer({ min: 1, max: 30 }), (w, by) => {
        w.time.now += by;
      }),
    },
    { weight: 6, arbitrary: step(none, (w) => w.freeze()) },
    { weight: 10, arbitrary: step(fc.integer({ min: 1, max: 9 }), (w, looks) => w.slice(looks)) },
    { weight: 8, arbitrary: step(fc.boolean(), (w, isKept) => w.settle(isKept)) },
    { weight: 1, arbitrary: step(none, (w) => w.abort()) },
    { weight: 4, arbitrary: step(none, (w) => w.checkCounts()) },
    { weight: 1, arbitrary: step(none, (w) => w.checkAll()) },
    { weight: 2, arbitrary: step(anyTtl, (w, ttl) => w.recover(ttl)) },
  ),
  { maxLength: 200, size: 'max' },
);

const SETUPS: Record<string, DiskSetup> = {
  'a cache for all': { cacheBytes: 1024 * 1024 * 1024, mergeEvery: 3, rowsPerLook: 1 },
  'no cache': { cacheBytes: 1, mergeEvery: 2, rowsPerLook: 1 },
};

describe('what expires on disk', () => {
  for (const [what, setup] of Object.entries(SETUPS)) {
    it(`is read, written, merged, counted and recovered as in the model, with ${what}`, () => {
      const property = fc.property(anyTtl, steps, (ttl, all) => {
        const world = new World(setup, ttl);
        world.select('a');
        for (const run of all) run(world);
        world.checkAll();
        world.recover(ttl);
        world.checkAll();
      });
      fc.assert(property, { numRuns: RUNS });
    });
  }
});
