/** Histories of a file sink: what a job does to it, with a new attempt after each failure. */
import assert from 'node:assert/strict';
import { TidemarkError } from '../../src/base/errors.js';
import { FaultyDisk } from '../helpers/faulty-disk.js';
import { type Shape, SinkRun } from './sink-run.js';

export type Step = (run: SinkRun) => Promise<void>;
export const write =
  (count: number): Step =>
  (run) =>
    run.write(count);
export const complete: Step = (run) => run.checkpoint(true);
export const fail: Step = (run) => run.checkpoint(false);
export const consume: Step = (run) => run.consume();
export const again: Step = (run) => run.commitAgain();

export const SCRIPT: readonly Step[] = [
  ...[write(5), complete, write(4), fail, write(3), complete, consume, again, complete, complete],
  ...[write(2), fail, fail, consume, write(1), complete, write(6)],
];

/** Runs the steps; when one fails, a new attempt begins and the step is tried again. */
export async function play(run: SinkRun, steps: readonly Step[], afterFailure: () => void): Promise<void> {
  const restart = async (error: unknown) => {
    assert.ok(error instanceof TidemarkError ? error.code !== 'TARGET_CORRUPT' : true, String(error));
    afterFailure();
    run.check();
    await run.close();
    await run.start();
    run.check();
  };
  for (const step of [(r: SinkRun) => r.start(), ...steps, complete]) {
    run.check();
    await step(run).catch(restart);
  }
  run.disk.heal();
  // What failed in the background of the last step shows only now.
  await complete(run).catch(async (error: unknown) => {
    await restart(error);
    await complete(run);
  });
  run.check();
  assert.equal(run.output().length, run.snapshot.position);
  await run.close();
  assert.deepEqual(run.hidden(), [], 'nothing is left behind');
}

/** What a disk is asked for where nothing fails. */
export async function operationsOf(steps: readonly Step[], shape?: Shape): Promise<string[]> {
  const disk = new FaultyDisk();
  await play(new SinkRun(disk, 'job0', undefined, shape), steps, () => assert.fail('nothing fails here'));
  return disk.operations;
}
