/** Random operations on a backend and on a plain model of it, with freezes, slices and aborts at any place. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { rangeOf, subtaskOf } from '../../src/base/key-groups.js';
import type { Key } from '../../src/codec/key.js';
import {
  type BackendFactory,
  INITIAL_NUMBER,
  keys,
  lines,
  MAX_PARALLELISM,
  Recording,
  type Subject,
  snapshot,
  subject,
} from './harness.js';
import { Model, type ModelKey, sameTimer } from './model.js';

const RUNS = 300;
const KEYS: readonly Key[] = ['a', 'b', 'Aa', 'BB', 0, 1, 1n, 2.5, true, ['a', 1], ['a', ['b', 1n]], ''];

/** The backend, its model, the current key and the drain that runs. */
class World {
  readonly s: Subject;
  readonly model = new Model();
  key: Key = 'a';
  #recording: { readonly recording: Recording; readonly expected: readonly string[] } | undefined;

  constructor(create: BackendFactory) {
    this.s = subject(create);
    this.select('a');
  }

  get here(): ModelKey {
    return this.model.at(this.key);
  }

  select(key: Key): void {
    this.key = key;
    this.s.select(key);
  }

  freeze(): void {
    if (this.#recording !== undefined) return;
    this.#recording = { expected: this.model.lines(), recording: new Recording(this.s.backend) };
  }

  slice(looks: number): void {
    if (this.#recording?.recording.slice(looks)) this.finish();
  }

  /** Runs the drain to its end, and holds what it wrote against the model at the freeze. */
  finish(): void {
    if (this.#recording === undefined) return;
    const { recording, expected } = this.#recording;
    assert.deepEqual(lines(recording.finish()), expected);
    this.#recording = undefined;
  }

  abort(): void {
    this.#recording?.recording.drain.abort();
    this.#recording = undefined;
  }
}

type Step = (world: World) => void;

const anyKey = fc.constantFrom(...KEYS);
const tag = fc.constantFrom('m1', 'm2', 3, 3n);
const time = fc.integer({ min: -3, max: 6 });
const which = fc.constantFrom<0 | 1>(0, 1);
/** Objects and arrays mostly, for those can be changed behind the backend's back. */
const anyValue = fc.oneof(
  fc.record({ n: fc.integer(), inner: fc.array(fc.integer(), { maxLength: 2 }) }),
  fc.array(fc.integer(), { maxLength: 2 }),
  fc.constantFrom(undefined, null, 0, 'text', 5n),
);

/** Changes an object in place, as user code should not. */
function spoil(value: unknown): void {
  if (Array.isArray(value)) value.push('spoilt');
  else if (typeof value === 'object' && value !== null) Object.assign(value, { spoilt: true });
}

function step<T>(arbitrary: fc.Arbitrary<T>, run: (world: World, given: T) => void): fc.Arbitrary<Step> {
  return arbitrary.map((given) => {
    const text = fc.stringify(given);
    return Object.assign((world: World) => run(world, given), {
      [fc.toStringMethod]: () => `${run.toString().replaceAll(/\s+/g, ' ')} with ${text}`,
    });
  });
}

const none = fc.constant(null);

const valueSteps = [
  step(none, (w) => assert.deepEqual(w.s.value.get(), w.here.value.of)),
  step(anyValue, (w, value) => {
    w.s.value.set(structuredClone(value));
    w.here.value = { set: true, of: structuredClone(value) };
  }),
  step(none, (w) => {
    spoil(w.s.value.get());
    spoil(w.here.value.of);
  }),
  step(none, (w) => {
    w.s.value.clear();
    w.here.value = { set: false, of: undefined };
  }),
];

const numberSteps = [
  step(none, (w) => assert.equal(w.s.number.get(), w.here.number ?? INITIAL_NUMBER)),
  step(fc.double(), (w, value) => {
    w.s.number.set(value);
    w.here.number = value;
  }),
  step(fc.integer(), (w, value) => {
    w.s.number.add(value);
    w.here.number = (w.here.number ?? INITIAL_NUMBER) + value;
  }),
  step(none, (w) => {
    w.s.number.clear();
    w.here.number = undefined;
  }),
];

const listSteps = [
  step(none, (w) => {
    assert.equal(w.s.list.size, w.here.list.length);
    assert.deepEqual(w.s.list.get(), w.here.list);
  }),
  step(anyValue, (w, value) => {
    w.s.list.add(structuredClone(value));
    w.here.list.push(structuredClone(value));
  }),
  step(fc.array(anyValue, { maxLength: 3 }), (w, values) => {
    w.s.list.addAll(structuredClone(values));
    w.here.list.push(...structuredClone(values));
  }),
  step(none, (w) => {
    spoil(w.s.list.get()[0]);
    spoil(w.here.list[0]);
  }),
  step(none, (w) => {
    w.s.list.update((list) => list.slice(1));
    w.here.list = w.here.list.slice(1);
  }),
  step(none, (w) => {
    w.s.list.clear();
    w.here.list = [];
  }),
];

const mapSteps = [
  step(tag, (w, key) => {
    const cell = w.here.map.get(keys.identity(key));
    assert.equal(w.s.map.has(key), cell !== undefined);
    assert.deepEqual(w.s.map.get(key), cell?.value);
  }),
  step(fc.tuple(tag, anyValue), (w, [key, value]) => {
    w.s.map.set(key, structuredClone(value));
    const identity = keys.identity(key);
    const cell = w.here.map.get(identity);
    if (cell === undefined) w.here.map.set(identity, { key, value: structuredClone(value) });
    else cell.value = structuredClone(value);
  }),
  step(tag, (w, key) => assert.equal(w.s.map.delete(key), w.here.map.delete(keys.identity(key)))),
  step(none, (w) => {
    const expected = [...w.here.map.values()];
    assert.deepEqual(
      [...w.s.map.keys()],
      expected.map(({ key }) => key),
    );
    assert.deepEqual(
      [...w.s.map.entries()],
      expected.map(({ key, value }) => [key, value]),
    );
    assert.equal(w.s.map.size, expected.length);
  }),
  step(none, (w) => {
    for (const [, value] of w.s.map.entries()) spoil(value);
    for (const { value } of w.here.map.values()) spoil(value);
  }),
  step(tag, (w, key) => {
    for (const [at] of w.s.map.entries()) if (at !== key) w.s.map.delete(at);
    for (const [identity, cell] of w.here.map) if (cell.key !== key) w.here.map.delete(identity);
  }),
  step(none, (w) => {
    w.s.map.clear();
    w.here.map.clear();
  }),
];

const timerSteps = [
  step(fc.tuple(which, time), (w, [index, at]) => {
    w.s.timers[index].set(at);
    w.model.setTimer({ index, time: at, key: w.key });
  }),
  step(fc.tuple(which, time), (w, [index, at]) => {
    w.s.timers[index].delete(at);
    w.model.deleteTimers((timer) => sameTimer(timer, { index, time: at, key: w.key }));
  }),
  step(which, (w, index) => {
    w.s.timers[index].clear();
    w.model.deleteTimers((timer) => sameTimer(timer, { index, time: timer.time, key: w.key }));
  }),
  step(time, (w, now) => {
    const next = w.model.next();
    assert.equal(w.s.backend.nextTimer(), next?.time ?? Number.POSITIVE_INFINITY);
    const fired = w.s.backend.fireTimer(now);
    assert.deepEqual(fired, next !== undefined && next.time <= now ? { ...next } : undefined);
    if (fired === undefined) return;
    w.model.deleteTimers((timer) => timer === next);
    w.key = fired.key;
  }),
];

const drop = step(none, (w) => {
  assert.equal(w.s.backend.dropTimers(), w.model.timers.length);
  w.model.timers = [];
});

const selectStep = step(anyKey, (w, key) => w.select(key));
const drainSteps = [
  { arbitrary: step(none, (w) => w.freeze()), weight: 4 },
  { arbitrary: step(fc.integer({ min: 1, max: 9 }), (w, looks) => w.slice(looks)), weight: 6 },
  { arbitrary: step(none, (w) => w.abort()), weight: 1 },
];

const steps = fc.array(
  fc.oneof(
    { arbitrary: selectStep, weight: 8 },
    { arbitrary: fc.oneof(...valueSteps), weight: 6 },
    { arbitrary: fc.oneof(...numberSteps), weight: 6 },
    { arbitrary: fc.oneof(...listSteps), weight: 6 },
    { arbitrary: fc.oneof(...mapSteps), weight: 8 },
    { arbitrary: fc.oneof(...timerSteps), weight: 8 },
    { arbitrary: drop, weight: 1 },
    ...drainSteps,
  ),
  { maxLength: 250, size: 'max' },
);

/** Takes all timers out of both, which must be the same in the same order. */
function fireAll(world: World): void {
  for (let next = world.model.next(); next !== undefined; next = world.model.next()) {
    const first = next;
    assert.deepEqual(world.s.backend.fireTimer(Number.MAX_SAFE_INTEGER), { ...first });
    world.model.deleteTimers((timer) => timer === first);
  }
  assert.equal(world.s.backend.fireTimer(Number.MAX_SAFE_INTEGER), undefined);
}

function checkKey(s: Subject, expected: ModelKey): void {
  s.select(expected.key);
  assert.deepEqual(s.value.get(), expected.value.of);
  assert.equal(s.number.get(), expected.number ?? INITIAL_NUMBER);
  assert.deepEqual(s.list.get(), expected.list);
  assert.deepEqual(
    [...s.map.entries()],
    [...expected.map.values()].map(({ key, value }) => [key, value]),
  );
}

export function modelProperties(create: BackendFactory): void {
  it('reads, drains and fires as the model does', () => {
    const property = fc.property(steps, (all) => {
      const world = new World(create);
      for (const run of all) run(world);
      world.finish();
      for (const expected of world.model.all()) checkKey(world.s, expected);
      assert.deepEqual(lines(snapshot(world.s.backend)), world.model.lines());
      const counted = world.s.backend.counts().reduce((sum, { entries }) => sum + entries, 0);
      assert.equal(counted, world.model.lines().length);
      fireAll(world);
    });
    fc.assert(property, { numRuns: RUNS });
  });

  it('is the same after a restore at any parallelism', () => {
    const property = fc.property(steps, fc.integer({ min: 1, max: MAX_PARALLELISM }), (all, parallelism) => {
      const world = new World(create);
      for (const run of all) run(world);
      world.abort();
      const parts = Array.from({ length: parallelism }, (_, i) =>
        subject(create, rangeOf(i, parallelism, MAX_PARALLELISM)),
      );
      for (const entry of snapshot(world.s.backend)) {
        parts[subtaskOf(entry.group, parallelism, MAX_PARALLELISM)]?.backend.restore(entry);
      }
      assert.deepEqual(lines(parts.flatMap(({ backend }) => snapshot(backend))), world.model.lines());
      const times = parts.map(({ backend }) => backend.nextTimer());
      assert.equal(Math.min(...times), world.model.next()?.time ?? Number.POSITIVE_INFINITY);
    });
    fc.assert(property, { numRuns: RUNS });
  });
}
