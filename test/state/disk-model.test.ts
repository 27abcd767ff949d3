/**
 * Random work on a disk backend whose rows come and go, with drains kept, not kept and given up, runs merged, and the
 * process lost: against a model of the state now and of that at the last freeze that was kept.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { present } from '../../src/base/assert.js';
import type { Key } from '../../src/codec/key.js';
import type { BackendOptions } from '../../src/state/backend.js';
import fc from '../helpers/property.js';
import { type DiskSetup, Kept } from './disk-factory.js';
import { merged } from './disk-files.js';
import {
  type BackendFactory,
  INITIAL_NUMBER,
  keyBytes,
  keys,
  lines,
  Recording,
  type Subject,
  subject,
  TABLES,
} from './harness.js';
import { Model, type ModelKey, sameTimer } from './model.js';

const KEYS: readonly Key[] = ['a', 'b', 'Aa', 'BB', 1, 1n, ['a', 1], 'long '.repeat(60)];
const RUNS = process.env['TIDEMARK_TEST_LONG'] === '1' ? 2000 : 120;

interface Frozen {
  readonly recording: Recording;
  readonly model: Model;
  readonly touched: ReadonlySet<string>;
  drained: boolean;
}

class World {
  kept: Kept;
  s: Subject;
  model = new Model();
  key: Key = 'a';
  readonly #setup: DiskSetup;
  #options: BackendOptions | undefined;
  /** At the last freeze that was kept. */
  #base = new Model();
  /** What was set, changed or taken out since then: identities. */
  #touched = new Set<string>();
  #frozen: Frozen | undefined;

  constructor(setup: DiskSetup) {
    this.#setup = setup;
    let kept: Kept | undefined;
    this.s = made((options) => {
      this.#options = options;
      kept = new Kept(setup, options);
      return kept.keyed;
    });
    this.kept = present(kept, 'the backend');
    this.select('a');
  }

  get here(): ModelKey {
    return this.model.at(this.key);
  }

  select(key: Key): void {
    this.key = key;
    this.s.select(key);
  }

  touch(table: number, detail: unknown = ''): void {
    this.#touched.add(`${table} ${keyBytes(this.key).toString('hex')} ${typeof detail} ${String(detail)}`);
  }

  freeze(): void {
    if (this.#frozen !== undefined) return;
    const touched = this.#touched;
    this.#touched = new Set();
    const recording = new Recording(this.s);
    this.#frozen = { recording, model: copyOf(this.model), touched, drained: false };
  }

  slice(looks: number): void {
    const frozen = this.#frozen;
    if (frozen === undefined || frozen.drained || !frozen.recording.slice(looks)) return;
    frozen.drained = true;
    const written = frozen.recording.entries();
    const runs = this.kept.runs.map(({ entries }) => entries);
    // Each identity once, only what changed, and with it the store is the state at the freeze.
    assert.equal(merged([written], false).length, written.length);
    assert.ok(written.length <= frozen.touched.size, `${written.length} written`);
    assert.deepEqual(lines(merged([...runs, written], true)), frozen.model.lines());
  }

  settle(isKept: boolean): void {
    const frozen = this.#frozen;
    if (frozen === undefined || !frozen.drained) return;
    this.s.backend.settle(isKept);
    if (isKept) {
      this.#base = frozen.model;
      assert.deepEqual(lines(this.kept.live()), frozen.model.lines());
    } else this.#untouch(frozen);
    this.#frozen = undefined;
  }

  abort(): void {
    if (this.#frozen === undefined || this.#frozen.drained) return;
    this.#frozen.recording.drain.abort();
    this.#untouch(this.#frozen);
    this.#frozen = undefined;
  }

  /** What was not kept is to be written again. */
  #untouch({ touched }: Frozen): void {
    for (const identity of touched) this.#touched.add(identity);
  }

  /** Loses the process. */
  recover(): void {
    this.s = made(() => {
      this.kept = new Kept(this.#setup, present(this.#options, 'the options'), this.kept);
      return this.kept.keyed;
    });
    this.model = copyOf(this.#base);
    this.#touched = new Set();
    this.#frozen = undefined;
    this.select(this.key);
  }

  check(): void {
    const counted = new Map(this.s.backend.counts().map(({ table, entries }) => [table, entries]));
    const expected = this.model.lines();
    for (const table of Object.values(TABLES)) {
      const { length } = expected.filter((text) => text.startsWith(`${table} `));
      assert.equal(counted.get(table), length, `entries of table ${table}`);
    }
    for (const of of this.model.all()) this.#checkKey(of);
    this.s.select(this.key);
  }

  #checkKey(expected: ModelKey): void {
    const { s } = this;
    s.select(expected.key);
    assert.deepEqual(s.value.get(), expected.value.of);
    assert.equal(s.number.get(), expected.number ?? INITIAL_NUMBER);
    assert.deepEqual(s.list.get(), expected.list);
    assert.deepEqual(
      new Map(s.map.entries()),
      new Map([...expected.map.values()].map((c) => [c.key, c.value])),
    );
  }
}

function made(create: BackendFactory): Subject {
  return subject({ create, mode: 'changes', order: 'any' });
}

function copyOf(model: Model): Model {
  const copy = new Model();
  for (const { key, value, number, list, map } of model.all()) {
    const at = copy.at(key);
    at.value = structuredClone(value);
    at.number = number;
    at.list = structuredClone(list);
    for (const [identity, cell] of map) at.map.set(identity, structuredClone(cell));
  }
  copy.timers = [...model.timers];
  return copy;
}

type Step = (world: World) => void;

function step<T>(arbitrary: fc.Arbitrary<T>, run: (world: World, given: T) => void): fc.Arbitrary<Step> {
  return arbitrary.map((given) => {
    const text = fc.stringify(given);
    return Object.assign((world: World) => run(world, given), {
      [fc.toStringMethod]: () => `${run.toString().replaceAll(/\s+/g, ' ')} with ${text}`,
    });
  });
}

const none = fc.constant(null);
const anyKey = fc.constantFrom(...KEYS);
const tag = fc.constantFrom('m1', 'm2', 3);
const time = fc.integer({ min: -2, max: 4 });
const which = fc.constantFrom<0 | 1>(0, 1);
const anyValue = fc.oneof(
  fc.record({ n: fc.integer() }, { noNullPrototype: true }),
  fc.constantFrom<unknown>(undefined, null, 'text', 5n, 'x'.repeat(3000)),
);

const work = [
  step(anyValue, (w, value) => {
    w.s.value.set(value);
    w.here.value = { set: true, of: value };
    w.touch(TABLES.value);
  }),
  step(none, (w) => {
    w.s.value.clear();
    w.here.value = { set: false, of: undefined };
    w.touch(TABLES.value);
  }),
  step(fc.integer(), (w, amount) => {
    w.s.number.add(amount);
    w.here.number = (w.here.number ?? INITIAL_NUMBER) + amount;
    w.touch(TABLES.number);
  }),
  step(none, (w) => {
    w.s.number.clear();
    w.here.number = undefined;
    w.touch(TABLES.number);
  }),
  step(anyValue, (w, value) => {
    w.s.list.add(value);
    w.here.list.push(value);
    w.touch(TABLES.list);
  }),
  step(none, (w) => {
    w.s.list.update((list) => list.slice(1));
    w.here.list = w.here.list.slice(1);
    w.touch(TABLES.list);
  }),
  step(fc.tuple(tag, anyValue), (w, [key, value]) => {
    w.s.map.set(key, value);
    w.here.map.set(keys.identity(key), { key, value });
    w.touch(TABLES.map, key);
  }),
  step(tag, (w, key) => {
    assert.equal(w.s.map.delete(key), w.here.map.delete(keys.identity(key)));
    w.touch(TABLES.map, key);
  }),
  step(none, (w) => {
    w.s.map.clear();
    for (const { key } of w.here.map.values()) w.touch(TABLES.map, key);
    w.here.map.clear();
  }),
  step(fc.tuple(which, time), (w, [index, at]) => {
    w.s.timers[index].set(at);
    w.model.setTimer({ index, time: at, key: w.key });
    w.touch(index === 0 ? TABLES.early : TABLES.late, at);
  }),
  step(time, (w, now) => {
    const fired = w.s.backend.fireTimer('processing', now);
    assert.equal(
      fired?.time,
      w.model.timers.some((timer) => timer.time <= now) ? w.model.next('processing')?.time : undefined,
    );
    if (fired === undefined) return;
    const { index, key } = fired;
    w.model.deleteTimers((timer) => sameTimer(timer, { index: index === 0 ? 0 : 1, time: fired.time, key }));
    w.key = key;
    w.touch(index === 0 ? TABLES.early : TABLES.late, fired.time);
  }),
];

const steps = fc.array(
  fc.oneof(
    { arbitrary: step(anyKey, (w, key) => w.select(key)), weight: 14 },
    { arbitrary: fc.oneof(...work), weight: 30 },
    { arbitrary: step(none, (w) => w.freeze()), weight: 6 },
    { arbitrary: step(fc.integer({ min: 1, max: 9 }), (w, looks) => w.slice(looks)), weight: 10 },
    { arbitrary: step(fc.boolean(), (w, isKept) => w.settle(isKept)), weight: 8 },
    { arbitrary: step(none, (w) => w.abort()), weight: 1 },
    { arbitrary: step(none, (w) => w.check()), weight: 1 },
    { arbitrary: step(none, (w) => w.recover()), weight: 1 },
  ),
  { maxLength: 200, size: 'max' },
);

const SETUPS: Record<string, DiskSetup> = {
  'a cache for all': { cacheBytes: 1024 * 1024 * 1024, mergeEvery: 3, rowsPerLook: 1 },
  'no cache': { cacheBytes: 1, mergeEvery: 2, rowsPerLook: 1 },
  'a cache for some': { cacheBytes: 4000, mergeEvery: 5, rowsPerLook: 1 },
};

describe('the disk backend against a model', () => {
  for (const [what, setup] of Object.entries(SETUPS)) {
    it(`reads, writes what changed and recovers as the model does, with ${what}`, () => {
      const property = fc.property(steps, (all) => {
        const world = new World(setup);
        for (const run of all) run(world);
        world.check();
        world.recover();
        world.check();
      });
      fc.assert(property, { numRuns: RUNS });
    });
  }
});
