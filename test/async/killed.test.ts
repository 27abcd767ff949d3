/**
 * Calls in a real process that is killed with SIGKILL while they are under way, resumed, and in the long run once stopped with a
 * savepoint and restored at another parallelism on the other backend. What is committed is what a plain computation gives.
 */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { seededRandom } from '../../src/base/random.js';
import { committed, committedLines, difference, Sandbox } from '../crash/harness.js';
import { SEED } from '../helpers/seed.js';
import { sorted } from '../time/everything.js';
import { arrivalsOf, expected, unseen } from '../time/expected.js';
import { streamsOf } from '../time/stream.js';
import { SHAPE, streamOf } from './definitions/asks-stream.js';

const LONG = process.env['TIDEMARK_TEST_LONG'] === '1';
const DEFINITION = 'test/async/definitions/asks.ts';
const KILLS = LONG ? 20 : 2;
const ELEMENTS = LONG ? 12_000 : 900;

interface Inspected {
  readonly operators: readonly {
    readonly uid: string;
    readonly states: readonly { readonly kind: string; readonly entries: number }[];
  }[];
}

function assertInFlight(sandbox: Sandbox, job: string): void {
  const { operators } = sandbox.json<Inspected>(['inspect', job]);
  const flights = operators.flatMap(({ states }) => states.filter(({ kind }) => kind === 'in-flight'));
  assert.equal(flights.length, 2);
  assert.ok((flights[0]?.entries ?? 0) > 0, 'what was under way at the last checkpoint is in it');
}

test('calls under way when the process is killed are made again, and each result counts once', {
  timeout: LONG ? 600_000 : 120_000,
}, async () => {
  const sandbox = new Sandbox();
  after(() => sandbox.remove());
  const random = seededRandom(SEED);
  const output = sandbox.path('out');
  const given = Object.entries({ elements: ELEMENTS, rate: 700, output });
  const params = given.flatMap(([name, value]) => ['--param', `${name}=${value}`]);
  const common = ['--checkpoint-interval', '100ms', '--quiet'];
  let run = ['run', DEFINITION, '--resume', '-p', '3', ...common, ...params];
  let seen = 0;
  for (let kill = 0; kill < KILLS; kill++) {
    const running = sandbox.start(run);
    await committed(output, seen + 1, running);
    await new Promise((resolve) => setTimeout(resolve, random.next() * 300));
    // Half way, where there is time for it.
    if (LONG && kill === KILLS / 2) {
      const archive = sandbox.path('stopped.tar');
      sandbox.json(['stop', 'asks', '-o', archive]);
      assert.equal((await running.finished).code, 0);
      const restore = ['restore', archive, '--name', 'again', '-p', '2', '--backend', 'disk', ...common];
      const again = sandbox.start(restore);
      await committed(output, committedLines(output).length + 1, again);
      again.process.kill('SIGKILL');
      await again.finished;
      run = ['run', DEFINITION, '--resume', '--name', 'again', '--quiet'];
    } else {
      running.process.kill('SIGKILL');
      assert.equal((await running.finished).signal, 'SIGKILL');
      if (kill === 0) assertInFlight(sandbox, 'asks');
    }
    const lines = committedLines(output);
    assert.equal(new Set(lines).size, lines.length, 'a committed line stands twice');
    assert.ok(lines.length > seen);
    seen = lines.length;
  }
  const last = await sandbox.start(run).finished;
  assert.equal(last.code, 0, last.stderr);

  const lines = committedLines(output).map((line) => JSON.parse(line) as string);
  const streams = Object.values(streamsOf(streamOf(ELEMENTS)));
  const keys = arrivalsOf(lines);
  const ids = streams.flatMap((split) => split.flatMap((element) => element.ids));
  assert.deepEqual(sorted(keys.flat().map(({ id }) => id)), sorted(ids), 'every element once');
  assert.deepEqual(
    lines.filter((line) => line.startsWith('late ')),
    [],
  );
  assert.equal(difference(unseen(lines), expected(keys, SHAPE)), '');
  for (const split of streams) {
    const own = new Set(split.flatMap((element) => element.ids));
    for (const arrivals of keys) {
      const came = arrivals.flatMap(({ id }) => (own.has(id) ? [id] : []));
      assert.deepEqual(came, sorted(came), 'elements of one split and key in another order');
    }
  }
});
