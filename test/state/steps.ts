/**
 * Random operations on a backend and on a plain model of it. `spoilt` steps change objects that were handed out, as
 * user code should not: that may reach the state, so they set them too where only changes are written.
 */
import assert from 'node:assert/strict';
import type { Key } from '../../src/codec/key.js';
import fc from '../helpers/property.js';
import {
  FADING_MAPS,
  FADING_VALUES,
  type FadingIndex,
  GLOBAL,
  INITIAL_NUMBER,
  keyBytes,
  keys,
  TABLES,
  timeBytes,
} from './harness.js';
import { sameTimer, TIMES, type TimerIndex, timeOf, timerTable } from './model.js';
import type { World } from './world.js';

export const KEYS: readonly Key[] = [
  'a',
  'b',
  'Aa',
  'BB',
  0,
  1,
  1n,
  2.5,
  true,
  ['a', 1],
  ['a', ['b', 1n]],
  '',
];

export type Step = (world: World) => void;

const anyKey = fc.constantFrom(...KEYS);
const tag = fc.constantFrom('m1', 'm2', 3, 3n);
const time = fc.integer({ min: -3, max: 6 });
const which = fc.constantFrom<TimerIndex>(0, 1, 2);
const order = fc.constantFrom(...TIMES);
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

export function step<T>(
  arbitrary: fc.Arbitrary<T>,
  run: (world: World, given: T) => void,
): fc.Arbitrary<Step> {
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
    w.touch(TABLES.value);
    w.s.value.set(structuredClone(value));
    w.here.value = { set: true, of: structuredClone(value) };
  }),
  step(none, (w) => {
    const value = w.s.value.get();
    spoil(value);
    spoil(w.here.value.of);
    if (w.setup.mode === 'all' || !w.here.value.set) return;
    w.touch(TABLES.value);
    w.s.value.set(value);
  }),
  step(none, (w) => {
    w.touch(TABLES.value);
    w.s.value.clear();
    w.here.value = { set: false, of: undefined };
  }),
];

const numberSteps = [
  step(none, (w) => assert.equal(w.s.number.get(), w.here.number ?? INITIAL_NUMBER)),
  step(fc.double(), (w, value) => {
    w.touch(TABLES.number);
    w.s.number.set(value);
    w.here.number = value;
  }),
  step(fc.integer(), (w, value) => {
    w.touch(TABLES.number);
    w.s.number.add(value);
    w.here.number = (w.here.number ?? INITIAL_NUMBER) + value;
  }),
  step(none, (w) => {
    w.touch(TABLES.number);
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
    w.touch(TABLES.list);
    w.s.list.add(structuredClone(value));
    w.here.list.push(structuredClone(value));
  }),
  step(fc.array(anyValue, { maxLength: 3 }), (w, values) => {
    w.touch(TABLES.list);
    w.s.list.addAll(structuredClone(values));
    w.here.list.push(...structuredClone(values));
  }),
  step(none, (w) => {
    const list = w.s.list.get();
    spoil(list[0]);
    spoil(w.here.list[0]);
    if (w.setup.mode === 'all') return;
    w.touch(TABLES.list);
    w.s.list.set(list);
  }),
  step(none, (w) => {
    w.touch(TABLES.list);
    w.s.list.update((list) => list.slice(1));
    w.here.list = w.here.list.slice(1);
  }),
  step(none, (w) => {
    w.touch(TABLES.list);
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
    w.touch(TABLES.map, keyBytes(key));
    w.s.map.set(key, structuredClone(value));
    const identity = keys.identity(key);
    const cell = w.here.map.get(identity);
    if (cell === undefined) w.here.map.set(identity, { key, value: structuredClone(value) });
    else cell.value = structuredClone(value);
  }),
  step(tag, (w, key) => {
    w.touch(TABLES.map, keyBytes(key));
    assert.equal(w.s.map.delete(key), w.here.map.delete(keys.identity(key)));
  }),
  step(none, (w) => {
    const expected = [...w.here.map.values()];
    const found = w.inOrder(w.s.map.entries(), w.here.map);
    assert.deepEqual(
      found,
      expected.map(({ key, value }) => [key, value]),
    );
    assert.equal(w.s.map.size, expected.length);
    assert.equal([...w.s.map.keys()].length, expected.length);
  }),
  step(none, (w) => {
    for (const [key, value] of w.s.map.entries()) {
      spoil(value);
      if (w.setup.mode === 'all') continue;
      w.touch(TABLES.map, keyBytes(key as Key));
      w.s.map.set(key, value);
    }
    for (const { value } of w.here.map.values()) spoil(value);
  }),
  step(tag, (w, key) => {
    w.touchMap();
    for (const [at] of w.s.map.entries()) if (at !== key) w.s.map.delete(at);
    for (const [identity, cell] of w.here.map) if (cell.key !== key) w.here.map.delete(identity);
  }),
  step(none, (w) => {
    w.touchMap();
    w.s.map.clear();
    w.here.map.clear();
  }),
];

const window = fc.oneof(
  fc.tuple(fc.constantFrom(-20, 0, 5, 10), fc.constantFrom(5, 10)).map(([start, size]) => ({
    start,
    end: start + size,
  })),
  fc.constant(GLOBAL),
);

const paneSteps = [
  step(window, (w, { start }) => assert.deepEqual(w.s.panes.get(start), w.here.panes.get(start)?.value)),
  step(fc.tuple(window, anyValue), (w, [at, value]) => {
    const before = w.here.panes.get(at.start);
    if (before !== undefined) w.touchPane(before.window);
    w.touchPane(at);
    w.s.panes.set(at, structuredClone(value));
    w.here.panes.set(at.start, { window: at, value: structuredClone(value) });
  }),
  // As windows do with what they gather: the same array or object, with more in it.
  step(window, (w, { start }) => {
    const pane = w.here.panes.get(start);
    const value = w.s.panes.get(start);
    if (pane === undefined) return;
    spoil(value);
    spoil(pane.value);
    w.touchPane(pane.window);
    w.s.panes.set(pane.window, value);
  }),
  step(window, (w, { start }) => {
    const pane = w.here.panes.get(start);
    if (pane !== undefined) w.touchPane(pane.window);
    assert.equal(w.s.panes.delete(start), w.here.panes.delete(start));
  }),
  step(none, (w) => w.checkPanes()),
  step(window, (w, { start }) => {
    for (const at of w.s.panes.windows()) {
      if (at.start === start) continue;
      w.touchPane(at);
      assert.ok(w.s.panes.delete(at.start));
      w.here.panes.delete(at.start);
    }
    w.checkPanes();
  }),
];

const fadingIndex = fc.constantFrom<FadingIndex>(0, 1);

function setFading(w: World, index: FadingIndex, value: unknown): void {
  w.touch(FADING_VALUES[index]);
  w.s.fading[index].set(value);
  w.here.fading[index] = { value: structuredClone(value), stamp: w.model.stamp(index) };
}

function setFadingMember(w: World, index: FadingIndex, key: Key, value: unknown): void {
  w.touch(FADING_MAPS[index], keyBytes(key));
  w.s.fadingMaps[index].set(key, value);
  const map = w.here.fadingMaps[index];
  const member = map.get(keys.identity(key));
  const fresh = { value: structuredClone(value), stamp: w.model.stamp(index) };
  if (member === undefined) map.set(keys.identity(key), { key, ...fresh });
  else Object.assign(member, fresh);
}

const fadingSteps = [
  step(fadingIndex, (w, index) => void w.checkFading(index)),
  step(fc.tuple(fadingIndex, anyValue), (w, [index, value]) => setFading(w, index, structuredClone(value))),
  step(fadingIndex, (w, index) => {
    const value = w.checkFading(index);
    if (w.here.fading[index] === undefined) return;
    spoil(value);
    setFading(w, index, value);
  }),
  step(fadingIndex, (w, index) => {
    w.touch(FADING_VALUES[index]);
    w.s.fading[index].clear();
    w.here.fading[index] = undefined;
  }),
];

const fadingMapSteps = [
  step(fc.tuple(fadingIndex, tag), (w, [index, key]) => {
    const member = w.here.fadingMaps[index].get(keys.identity(key));
    assert.equal(w.s.fadingMaps[index].has(key), member !== undefined);
    if (member !== undefined) w.read(index, FADING_MAPS[index], member, keyBytes(key));
    assert.deepEqual(w.s.fadingMaps[index].get(key), member?.value);
  }),
  step(fc.tuple(fadingIndex, tag, anyValue), (w, [index, key, value]) =>
    setFadingMember(w, index, key, structuredClone(value)),
  ),
  step(fc.tuple(fadingIndex, tag), (w, [index, key]) => {
    w.touch(FADING_MAPS[index], keyBytes(key));
    const map = w.here.fadingMaps[index];
    assert.equal(w.s.fadingMaps[index].delete(key), map.delete(keys.identity(key)));
  }),
  step(fadingIndex, (w, index) => w.checkFadingMap(index)),
  step(fadingIndex, (w, index) => {
    for (const [key, value] of w.s.fadingMaps[index].entries()) {
      spoil(value);
      setFadingMember(w, index, key as Key, value);
    }
  }),
  step(fadingIndex, (w, index) => {
    w.touchMap(FADING_MAPS[index], w.here.fadingMaps[index]);
    w.s.fadingMaps[index].clear();
    w.here.fadingMaps[index].clear();
  }),
];

const timeSteps = [
  step(fc.integer({ min: 1, max: 8 }), (w, by) => w.advance(by)),
  step(fc.integer({ min: 1, max: 4 }), (w, most) => void w.s.backend.expire(most)),
  step(none, (w) => w.checkCounts()),
  step(none, (w) => {
    while (!w.s.backend.expire(3));
    w.checkCounts();
  }),
];

const timerSteps = [
  step(fc.tuple(which, time), (w, [index, at]) => {
    w.touch(timerTable(index), timeBytes(at));
    w.s.timers[index].set(at);
    w.model.setTimer({ index, time: at, key: w.key });
  }),
  step(fc.tuple(which, time), (w, [index, at]) => {
    w.touch(timerTable(index), timeBytes(at));
    w.s.timers[index].delete(at);
    w.model.deleteTimers((timer) => sameTimer(timer, { index, time: at, key: w.key }));
  }),
  step(which, (w, index) => {
    w.touchTimers((timer) => sameTimer(timer, { index, time: timer.time, key: w.key }));
    w.s.timers[index].clear();
    w.model.deleteTimers((timer) => sameTimer(timer, { index, time: timer.time, key: w.key }));
  }),
  step(fc.tuple(order, time), (w, [of, now]) => {
    const next = w.model.next(of);
    assert.equal(w.s.backend.nextTimer(of), next?.time ?? Number.POSITIVE_INFINITY);
    const fired = w.s.backend.fireTimer(of, now);
    assert.deepEqual(fired, next !== undefined && next.time <= now ? { ...next } : undefined);
    if (fired === undefined) return;
    w.touchTimers((timer) => timer === next);
    w.model.deleteTimers((timer) => timer === next);
    w.key = fired.key;
  }),
];

const drop = step(none, (w) => {
  const dropped = w.model.timers.filter((timer) => timeOf(timer) === 'processing');
  w.touchTimers((timer) => dropped.includes(timer));
  assert.equal(w.s.backend.dropTimers(), dropped.length);
  w.model.deleteTimers((timer) => dropped.includes(timer));
});

const selectStep = step(anyKey, (w, key) => w.select(key));

/** Operations, and `more`. */
export function steps(
  more: readonly { arbitrary: fc.Arbitrary<Step>; weight: number }[],
): fc.Arbitrary<Step[]> {
  return fc.array(
    fc.oneof(
      { arbitrary: selectStep, weight: 8 },
      { arbitrary: fc.oneof(...valueSteps), weight: 6 },
      { arbitrary: fc.oneof(...numberSteps), weight: 6 },
      { arbitrary: fc.oneof(...listSteps), weight: 6 },
      { arbitrary: fc.oneof(...mapSteps), weight: 8 },
      { arbitrary: fc.oneof(...paneSteps), weight: 8 },
      { arbitrary: fc.oneof(...fadingSteps), weight: 6 },
      { arbitrary: fc.oneof(...fadingMapSteps), weight: 6 },
      { arbitrary: fc.oneof(...timeSteps), weight: 3 },
      { arbitrary: fc.oneof(...timerSteps), weight: 8 },
      { arbitrary: drop, weight: 1 },
      ...more,
    ),
    { maxLength: 250, size: 'max' },
  );
}

/** Freezes, slices and aborts, at any place. */
export const drainSteps = [
  { arbitrary: step(none, (w) => w.freeze()), weight: 4 },
  { arbitrary: step(fc.integer({ min: 1, max: 9 }), (w, looks) => w.slice(looks)), weight: 6 },
  { arbitrary: step(none, (w) => w.abort()), weight: 1 },
];

/** What becomes of drains that are done, where they must be settled. */
export const settleSteps = [
  { arbitrary: step(none, (w) => w.settle(true)), weight: 3 },
  { arbitrary: step(none, (w) => w.settle(false)), weight: 2 },
];
