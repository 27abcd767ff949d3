/** Which windows and slices a timestamp is in, and when they are due. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sliceLength } from '../../src/graph/window.js';
import { AlignedWindows } from '../../src/runtime/window/aligned-windows.js';
import {
  alignDown,
  firstPaneEnd,
  isPaneEnd,
  lastPaneEnd,
  nextPaneEnd,
  overlap,
  windowsOf,
} from '../../src/runtime/window/assigning.js';
import { cleanupTime, paneDue, sliceDue } from '../../src/runtime/window/dues.js';
import { join } from '../../src/runtime/window/sessions.js';
import fc from '../helpers/property.js';
import { windowsBySearch } from './window-plain.js';

const NEVER = Number.POSITIVE_INFINITY;
const HOUR = 3_600_000;
const time = fc.integer({ min: -500, max: 500 });
const sliding = fc
  .record({
    size: fc.integer({ min: 1, max: 40 }),
    slide: fc.integer({ min: 1, max: 40 }),
    offset: fc.integer({ min: -39, max: 39 }),
  })
  .map(({ size, slide, offset }) => ({ kind: 'sliding' as const, size, slide, offset: offset % slide }));

test('windows of a timestamp are those that a search finds, the earliest first', () => {
  fc.assert(
    fc.property(sliding, time, (assign, timestamp) => {
      assert.deepEqual(windowsOf(assign, timestamp), windowsBySearch(assign, timestamp));
      const { size, offset } = assign;
      const tumbling = { kind: 'tumbling' as const, size, offset: offset % size };
      assert.deepEqual(windowsOf(tumbling, timestamp), windowsBySearch(tumbling, timestamp));
    }),
  );
});

test('windows before 1970 and with offsets, by hand', () => {
  const days = { kind: 'tumbling' as const, size: 24 * HOUR, offset: -8 * HOUR };
  assert.deepEqual(windowsOf(days, 0), [{ start: -8 * HOUR, end: 16 * HOUR }]);
  assert.deepEqual(windowsOf(days, -8 * HOUR - 1), [{ start: -32 * HOUR, end: -8 * HOUR }]);
  assert.ok(Object.is(windowsOf({ ...days, offset: 0 }, -0)[0]?.start, 0));
  assert.deepEqual(windowsOf({ kind: 'sliding', size: 10, slide: 4, offset: 1 }, -1), [
    { start: -7, end: 3 },
    { start: -3, end: 7 },
  ]);
  assert.deepEqual(windowsOf({ kind: 'sliding', size: 2, slide: 10, offset: 0 }, 5), []);
});

test('alignment is exact far from 1970', () => {
  const far = fc.maxSafeInteger().map((n) => Math.trunc(n / 2));
  fc.assert(
    fc.property(far, fc.integer({ min: 1, max: 1e12 }), fc.integer(), (at, step, offset) => {
      const start = alignDown(at, step, offset % step);
      assert.ok(start <= at && at - start < step);
      assert.equal(Number((BigInt(start) - BigInt(offset % step)) % BigInt(step)), 0);
    }),
  );
});

test('remembered windows are what they would be, and the same object for neighbours', () => {
  fc.assert(
    fc.property(sliding, fc.array(time), ({ size, slide, offset }, times) => {
      const windows = new AlignedWindows(size, slide, offset);
      for (const at of times) {
        const start = alignDown(at, slide, offset);
        assert.deepEqual(windows.at(at), { start, end: start + size });
        assert.equal(windows.at(at), windows.at(start));
        assert.equal(windows.from(start), windows.at(at));
      }
    }),
  );
});

test('slices divide panes, and know the panes that hold them', () => {
  fc.assert(
    fc.property(sliding, time, time, (assign, timestamp, after) => {
      const length = sliceLength(assign);
      assert.equal(assign.size % length, 0);
      assert.equal(assign.slide % length, 0);
      const start = alignDown(timestamp, length, assign.offset);
      const panes = windowsBySearch(assign, timestamp);
      for (const pane of panes) assert.ok(pane.start <= start && start + length <= pane.end);
      const ends = panes.map(({ end }) => end);
      if (ends.length > 0) {
        assert.equal(firstPaneEnd(assign, start), ends[0]);
        assert.equal(lastPaneEnd(assign, start), ends.at(-1));
      } else assert.ok(lastPaneEnd(assign, start) <= start);
      assert.equal(nextPaneEnd(assign, start, after), ends.find((end) => end > after) ?? NEVER);
      assert.ok(ends.every((end) => isPaneEnd(assign, end)));
      assert.equal(isPaneEnd(assign, after), (after - assign.size - assign.offset) % assign.slide === 0);
    }),
  );
  assert.equal(sliceLength({ kind: 'sliding', size: 3 * HOUR, slide: 10 * 60_000, offset: 0 }), 600_000);
  assert.equal(sliceLength({ kind: 'sliding', size: 6, slide: 4, offset: 0 }), 2);
});

test('a pane is due at its last millisecond, and over when lateness is', () => {
  const window = { start: 0, end: 10 };
  const dues = (lateness: number, ...after: number[]) => after.map((at) => paneDue(window, lateness, at));
  assert.deepEqual(dues(0, Number.NEGATIVE_INFINITY, 8, 9, 10), [9, 9, NEVER, NEVER]);
  assert.deepEqual(dues(5, 8, 9, 13, 14), [9, 14, 14, NEVER]);
  assert.equal(cleanupTime(10, Number.MAX_SAFE_INTEGER), Number.MAX_SAFE_INTEGER);
  assert.equal(cleanupTime(NEVER, 5), NEVER);
  assert.equal(paneDue({ start: Number.NEGATIVE_INFINITY, end: NEVER }, 0, 5), NEVER);
});

test('a slice is due with each pane that holds it, and over with the last', () => {
  const assign = { kind: 'sliding' as const, size: 6, slide: 2, offset: 0 };
  const slice = { start: 4, end: 6 };
  const dues = [Number.NEGATIVE_INFINITY, 4, 5, 6, 7, 8, 9, 11, 12].map((at) =>
    sliceDue(assign, slice, 3, at),
  );
  assert.deepEqual(dues, [5, 5, 7, 7, 9, 9, 12, 12, NEVER]);
  assert.equal(sliceDue(assign, slice, 0, 9), NEVER);
});

test('sessions become one where they overlap, not where they touch', () => {
  const at = (start: number, end: number) => ({ start, end });
  assert.equal(overlap(at(0, 10), at(10, 20)), false);
  assert.equal(overlap(at(0, 10), at(9, 20)), true);
  const sessions = [at(40, 50), at(0, 10), at(20, 30)];
  assert.deepEqual(join(at(10, 20), sessions), { window: at(10, 20), absorbed: [] });
  assert.deepEqual(join(at(9, 21), sessions), {
    window: at(0, 30),
    absorbed: [at(0, 10), at(20, 30)],
  });
  assert.deepEqual(join(at(5, 45), sessions).window, at(0, 50));
  assert.equal(join(at(2, 9), sessions).window, sessions[1], 'within one: that one');
});
