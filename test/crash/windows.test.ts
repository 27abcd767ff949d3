/**
 * Windows and timers of event time in real processes: killed with SIGKILL at random and at named points, stopped with a
 * savepoint, restored at another parallelism on the other backend, killed again. What is committed is what a plain
 * computation gives; every pane once, late and main output disjoint and complete.
 */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { seededRandom } from '../../src/base/random.js';
import { SEED } from '../helpers/seed.js';
import { sorted } from '../time/everything.js';
import { arrivalsOf, assertMainAndLate, expected, unseen } from '../time/expected.js';
import { streamsOf } from '../time/stream.js';
import { SHAPE, streamOf } from './definitions/windows-stream.js';
import { committed, committedLines, difference, type Running, Sandbox } from './harness.js';

const LONG = process.env['TIDEMARK_TEST_LONG'] === '1';
const DEFINITION = 'test/crash/definitions/windows.ts';
const RATE = 1_000;
/** Before the savepoint, and after it. */
const KILLS = LONG ? [40, 20] : [1, 1];
const ELEMENTS = LONG ? 90_000 : 3_500;

/** Points of a checkpoint's way on each backend; half of the kills are at one of them. */
const POINTS = {
  memory: ['checkpoint-before-commit', 'checkpoint-before-complete', 'segment-renamed'],
  disk: ['checkpoint-before-commit', 'delta-written', 'run-renamed', 'delta-before-finish'],
} as const;

type Backend = keyof typeof POINTS;

class Killed {
  readonly #sandbox: Sandbox;
  readonly #random: () => number;
  readonly output: string;
  /** Lines seen committed: they never become fewer, and none stands twice. */
  #seen = 0;

  constructor(sandbox: Sandbox, seed: number) {
    const seeded = seededRandom(seed);
    this.#sandbox = sandbox;
    this.#random = () => seeded.next();
    this.output = sandbox.path('out');
  }

  /** Runs a command and kills it: at a named point, or once something new is committed, a moment later. */
  async kill(command: readonly string[], backend: Backend, named: boolean): Promise<void> {
    const points = POINTS[backend];
    const point = points[Math.floor(this.#random() * points.length)] ?? points[0];
    const environment = named ? { TIDEMARK_FAILPOINT: `${point}:${1 + Math.floor(this.#random() * 3)}` } : {};
    const running = this.#sandbox.start(command, environment);
    if (!named) await this.#killLater(running);
    const { signal, code, stderr } = await running.finished;
    assert.equal(
      signal,
      'SIGKILL',
      `killed at ${named ? point : 'random'}, not ended with ${code}: ${stderr}`,
    );
    this.check();
  }

  check(): readonly string[] {
    const lines = committedLines(this.output);
    assert.equal(new Set(lines).size, lines.length, 'a committed line stands twice');
    assert.ok(lines.length >= this.#seen, 'committed lines are gone');
    this.#seen = lines.length;
    return lines.map((line) => JSON.parse(line) as string);
  }

  async #killLater(running: Running): Promise<void> {
    await committed(this.output, this.#seen + 1, running);
    await new Promise((resolve) => setTimeout(resolve, this.#random() * 400));
    running.process.kill('SIGKILL');
  }
}

const pairs: readonly (readonly [Backend, Backend])[] = [
  ['memory', 'disk'],
  ['disk', 'memory'],
];

describe('windows in a job that is killed', { concurrency: 2 }, () => {
  // From disk to memory only where there is time: its state goes through the same hands.
  for (const [nth, [first, second]] of pairs.slice(0, LONG ? 2 : 1).entries()) {
    test(`${first}, then from a savepoint on ${second}`, {
      timeout: LONG ? 1_200_000 : 120_000,
    }, async () => {
      const sandbox = new Sandbox();
      after(() => sandbox.remove());
      const killed = new Killed(sandbox, SEED);
      const [before = 0, later = 0] = KILLS;
      const common = ['--checkpoint-interval', '150ms', '--quiet'];
      const params = { elements: ELEMENTS, rate: RATE, output: killed.output };
      const given = Object.entries(params).flatMap(([name, value]) => ['--param', `${name}=${value}`]);
      const run = ['run', DEFINITION, '--resume', '-p', '3', '--backend', first, ...common, ...given];
      for (let i = 0; i < before; i++) await killed.kill(run, first, (i + nth) % 2 === 1);

      const running = sandbox.start(run);
      await committed(killed.output, killed.check().length + 1, running);
      const archive = sandbox.path('stopped.tar');
      sandbox.json(['stop', 'windows', '-o', archive]);
      assert.equal((await running.finished).code, 0);
      killed.check();

      const restore = ['restore', archive, '--name', 'again', '-p', '5', '--backend', second, ...common];
      await killed.kill(restore, second, false);
      const resume = ['run', DEFINITION, '--resume', '--name', 'again', '--quiet'];
      for (let i = 1; i < later; i++) await killed.kill(resume, second, i % 2 === 1);
      const last = await sandbox.start(resume).finished;
      assert.equal(last.code, 0, last.stderr);

      const lines = killed.check();
      const ids = Object.values(streamsOf(streamOf(ELEMENTS))).flatMap((split) =>
        split.flatMap((e) => e.ids),
      );
      const keys = arrivalsOf(lines);
      assert.deepEqual(sorted(keys.flat().map(({ id }) => id)), sorted(ids), 'every element once');
      const { late, again } = assertMainAndLate(lines, ids, SHAPE);
      assert.ok(late >= ids.length * 0.05, `${late} of ${ids.length} elements were late`);
      assert.ok(again > 50, `${again} results were not the first of their pane`);
      assert.equal(difference(unseen(lines), expected(keys, SHAPE)), '');
    });
  }
});
