/** All kept drains of changes together are the model, whatever was lost, aborted and restored between. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from '../helpers/property.js';
import { keyBytes, lines, Recording, type Setup, snapshot } from './harness.js';
import { drainSteps, KEYS, type Step, settleSteps, steps } from './steps.js';
import { World } from './world.js';

const RUNS = process.env['TIDEMARK_TEST_LONG'] === '1' ? 6000 : 50;

export function changesProperties(setup: Setup): void {
  const all = steps([...drainSteps, ...settleSteps]);

  it('writes nothing once all is kept, though all is read', () => {
    const property = fc.property(all, (run) => {
      const world = new World(setup);
      end(world, run);
    });
    fc.assert(property, { numRuns: RUNS });
  });

  it('goes on from what was restored, kept or not', () => {
    const longer = fc.constantFrom(0, 0, 7, 30);
    const property = fc.property(all, all, fc.subarray([...KEYS]), longer, (before, after, kept, by) => {
      const first = new World(setup);
      for (const step of before) step(first);
      first.model.prolong(by);
      const world = new World(setup, first.model, new Set(kept.map((key) => keyBytes(key).toString('hex'))));
      end(world, after);
    });
    fc.assert(property, { numRuns: RUNS });
  });
}

function end(world: World, run: readonly Step[]): void {
  for (const step of run) step(world);
  world.finish();
  // Reading renews, once.
  for (const expected of world.model.all()) world.check(expected);
  world.freeze();
  world.finish();
  for (const expected of world.model.all()) world.check(expected);
  const recording = new Recording(world.s);
  assert.deepEqual(recording.drained(), []);
  recording.settle(true);
  world.fireAll();
  assert.deepEqual(
    lines(snapshot(world.s)),
    world.model.lines(),
    'timers that fired are gone from what is kept',
  );
}
