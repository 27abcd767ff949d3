/** A backend is as its model, with freezes, slices and aborts at any place, and after a restore. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { rangeOf, subtaskOf } from '../../src/base/key-groups.js';
import fc from '../helpers/property.js';
import { adopt, lines, liveEntries, MAX_PARALLELISM, type Setup, snapshot, subject } from './harness.js';
import { TIMES } from './model.js';
import { drainSteps, settleSteps, steps } from './steps.js';
import { World } from './world.js';

const RUNS = process.env['TIDEMARK_TEST_LONG'] === '1' ? 6000 : 50;

export function modelProperties(setup: Setup): void {
  const all = steps(setup.mode === 'all' ? drainSteps : [...drainSteps, ...settleSteps]);

  it('reads, drains and fires as the model does', () => {
    const property = fc.property(all, (run) => {
      const world = new World(setup);
      for (const step of run) step(world);
      world.finish();
      for (const expected of world.model.all()) world.check(expected);
      assert.deepEqual(lines(snapshot(world.s)), world.model.lines());
      assert.equal(liveEntries(world.s), world.model.lines().length);
      world.fireAll();
    });
    fc.assert(property, { numRuns: RUNS });
  });

  it('is the same after a restore at any parallelism', () => {
    const anyParallelism = fc.integer({ min: 1, max: MAX_PARALLELISM });
    const property = fc.property(all, anyParallelism, fc.boolean(), (run, parallelism, kept) => {
      const world = new World(setup);
      for (const step of run) step(world);
      world.abort();
      const parts = Array.from({ length: parallelism }, (_, i) =>
        subject(setup, rangeOf(i, parallelism, MAX_PARALLELISM)),
      );
      for (const { time } of parts) time.now = world.model.now;
      for (const entry of snapshot(world.s)) {
        const part = parts[subtaskOf(entry.group, parallelism, MAX_PARALLELISM)];
        if (part === undefined) continue;
        if (kept) adopt(part, entry);
        else part.backend.restore(entry);
      }
      assert.deepEqual(lines(parts.flatMap((part) => snapshot(part))), world.model.lines());
      for (const time of TIMES) {
        const times = parts.map(({ backend }) => backend.nextTimer(time));
        assert.equal(Math.min(...times), world.model.next(time)?.time ?? Number.POSITIVE_INFINITY);
      }
    });
    fc.assert(property, { numRuns: RUNS });
  });
}
