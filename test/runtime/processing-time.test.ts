/** Processing time against clocks that jump. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '../../src/base/clock.js';
import { ProcessingTime } from '../../src/runtime/processing-time.js';
import fc from '../helpers/property.js';

/** A wall clock that shows whatever it is set to. */
function wallClock() {
  const wall = { shows: 0 };
  return { wall, clock: { ...systemClock, now: () => wall.shows } };
}

test('processing time is the greatest the wall clock has shown, whatever that does', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: -1e15, max: 1e15 }), { minLength: 1 }), (shown) => {
      const { wall, clock } = wallClock();
      const time = new ProcessingTime(clock);
      shown.forEach((now, i) => {
        wall.shows = now;
        assert.equal(time.now(), Math.max(...shown.slice(0, i + 1)));
        assert.equal(time.now(), time.now());
      });
    }),
  );
});

test('it does not fall behind the barrier it is restored from, and the time the job was down counts', () => {
  const { wall, clock } = wallClock();
  const time = new ProcessingTime(clock);
  wall.shows = 1_000;
  time.raise(5_000);
  assert.equal(time.now(), 5_000, 'the clock went back while the job was down');
  wall.shows = 4_999;
  assert.equal(time.now(), 5_000);
  wall.shows = 9_000;
  assert.equal(time.now(), 9_000, 'and caught up');
  time.raise(8_000);
  assert.equal(time.now(), 9_000, 'a barrier of the past raises nothing');

  const later = new ProcessingTime(clock, 5_000);
  assert.equal(later.now(), 9_000, 'downtime counts');
});
