/**
 * The crash loop of light checkpoints. A job whose state is set, overwritten and deleted is killed with SIGKILL at
 * random moments and at every named point of checkpoint, merge, release, prune and externalize. After each kill the
 * catalog is whole, the last checkpoint holds what the input up to its positions gives, and so does the output. At
 * the end nothing is lost, nothing doubled, and no file is left that nothing knows.
 *
 * `TIDEMARK_TEST_LONG=1`: hundreds of kills; `TIDEMARK_TEST_SEED`: other moments.
 */
import assert from 'node:assert/strict';
import { existsSync, statSync } from 'node:fs';
import { after, describe, test } from 'node:test';
import { EXIT } from '../../src/base/errors.js';
import { seededRandom } from '../../src/base/random.js';
import { SEED } from '../helpers/seed.js';
import { DeedsJob } from './deeds-job.js';
import { eventually, type Finished } from './harness.js';

const LONG = process.env['TIDEMARK_TEST_LONG'] === '1';
/** Kills at any moment, for each way to keep state. */
const RANDOM_KILLS = LONG ? 200 : 1;
/** How often each named point is the place of a kill. */
const NAMED_ROUNDS = LONG ? 10 : 1;
interface Kept {
  readonly name: string;
  readonly flags: readonly string[];
  /** Points that a running job comes to again and again. */
  readonly points: readonly string[];
  /** Points of commands: they do the same whatever the backend, and need some processes each. */
  readonly commands: readonly (readonly [point: string, crash: Crash])[];
}

const CHAIN_POINTS = [
  ...['delta-before-finish', 'run-synced', 'run-renamed', 'delta-written', 'checkpoint-before-complete'],
  ...['checkpoint-before-commit', 'segment-removed'],
  ...['merge-before-finish', 'merge-installed', 'merge-before-release', 'merge-released'],
];
/** Every point once, on one backend or the other; all on both with `TIDEMARK_TEST_LONG=1`. */
const shareOf = (backend: number) => CHAIN_POINTS.filter((_, place) => LONG || place % 2 === backend);
/** One way to crash, and what to do with what it leaves. */
type Crash = (deeds: DeedsJob, random: () => number) => Promise<Finished>;

function atAnyMoment(deeds: DeedsJob, random: () => number): Promise<Finished> {
  return killed(deeds, random() * 1_200);
}

async function whileItRuns(deeds: DeedsJob, random: () => number): Promise<Finished> {
  const running = deeds.run();
  await running.says(/ runs from /);
  setTimeout(() => running.process.kill('SIGKILL'), random() * 800);
  return running.finished;
}

function killed(deeds: DeedsJob, moment: number): Promise<Finished> {
  const running = deeds.run();
  setTimeout(() => running.process.kill('SIGKILL'), 100 + moment);
  return running.finished;
}

function atPoint(point: string): Crash {
  return (deeds, random) =>
    deeds.run({ TIDEMARK_FAILPOINT: `${point}:${1 + Math.floor(random() * 3)}` }).finished;
}

/**
 * Where `prune` is killed, one point after the other on its way: what one leaves undone, the next comes to. The job has
 * left something behind before.
 */
function inPrune(leaves: string, points: readonly string[]): Crash {
  return async (deeds, random) => {
    await atPoint(leaves)(deeds, random);
    for (const point of points.slice(0, -1)) {
      await deeds.check(`${leaves}, before ${point}`);
      const { signal } = await deeds.sandbox.start(['prune'], { TIDEMARK_FAILPOINT: point }).finished;
      assert.equal(signal, 'SIGKILL', point);
    }
    const last = points.at(-1) ?? '';
    await deeds.check(`${leaves}, before ${last}`);
    return deeds.sandbox.start(['prune'], { TIDEMARK_FAILPOINT: last }).finished;
  };
}

/** Where `externalize` is killed, of a job that died between the completion of its checkpoint and the commit. */
function inExternalize(point: string): Crash {
  return async (deeds, random) => {
    await atPoint('checkpoint-before-commit')(deeds, random);
    const archive = deeds.sandbox.path(`${point}.tar`);
    const command = ['externalize', 'many-deeds', '-o', archive, '--force'];
    const finished = await deeds.sandbox.start(command, { TIDEMARK_FAILPOINT: point }).finished;
    assert.equal(existsSync(archive), point === 'externalize-named');
    if (!existsSync(archive)) return finished;
    const { code, stdout } = deeds.sandbox.run(['verify', archive]);
    assert.equal(code, EXIT.done, stdout);
    return finished;
  };
}

function fileSize(path: string): number {
  return existsSync(path) ? statSync(path).size : 0;
}

function shuffled<T>(items: readonly T[], random: () => number): T[] {
  const tagged = items.map((item) => ({ item, at: random() }));
  return tagged.sort((a, b) => a.at - b.at).map(({ item }) => item);
}

function crashesOf(kept: Kept, random: () => number): [string, Crash][] {
  const round: [string, Crash][] = [
    ...kept.points.map((point): [string, Crash] => [point, atPoint(point)]),
    ...kept.commands.map(([point, crash]): [string, Crash] => [point, crash]),
  ];
  const anyTime = Array.from({ length: RANDOM_KILLS }, (_, kill): [string, Crash] =>
    kill % 3 === 0 ? ['any moment', atAnyMoment] : ['while it runs', whileItRuns],
  );
  return shuffled([...new Array(NAMED_ROUNDS).fill(round).flat(), ...anyTime], random);
}

const PRUNE_POINTS = ['prune-rows-gone', 'prune-leases-gone', 'prune-segments-gone'];
const EXTERNALIZE_POINTS = ['externalize-before-name', 'externalize-named'];
const PRUNE = [
  ['prune', inPrune('run-renamed', PRUNE_POINTS)],
  ['prune-file-gone', inPrune('run-synced', ['prune-file-gone'])],
] as const;
const EXTERNALIZE = EXTERNALIZE_POINTS.map((point) => [point, inExternalize(point)] as const);
const COMMANDS = [...PRUNE, ...EXTERNALIZE];

const KEPT: readonly Kept[] = [
  {
    name: 'memory, incremental',
    flags: ['--backend', 'memory', '--checkpoint-mode', 'incremental'],
    points: shareOf(0),
    commands: LONG ? COMMANDS : PRUNE,
  },
  {
    name: 'disk, incremental',
    flags: ['--backend', 'disk', '--cache', '4m'],
    points: shareOf(1),
    commands: LONG ? COMMANDS : EXTERNALIZE,
  },
];
const ONLY_LONG: readonly Kept[] = [
  {
    name: 'disk, full',
    flags: ['--backend', 'disk', '--checkpoint-mode', 'full', '--cache', '4m'],
    points: CHAIN_POINTS,
    commands: COMMANDS,
  },
  {
    name: 'memory, full',
    flags: ['--backend', 'memory'],
    points: [
      ...['segment-synced', 'segment-renamed', 'segment-removed'],
      ...['checkpoint-before-complete', 'checkpoint-before-commit'],
    ],
    commands: EXTERNALIZE,
  },
];

describe('kill -9 of a job that writes what changed', { concurrency: 2 }, () => {
  for (const kept of [...KEPT, ...(LONG ? ONLY_LONG : [])]) {
    test(kept.name, async () => {
      const seeded = seededRandom(SEED);
      const random = () => seeded.next();
      const deeds = new DeedsJob(kept.flags);
      after(() => deeds.sandbox.remove());
      for (const [at, [where, crash]] of crashesOf(kept, random).entries()) {
        const what = `seed ${SEED}, kill ${at}, ${where}`;
        const { signal, code, stderr } = await crash(deeds, random);
        assert.equal(signal, 'SIGKILL', `${what}: ended by itself with ${code}: ${stderr}`);
        await deeds.check(what);
      }
      deeds.prune('lost');
      await deeds.check('pruned');

      const running = deeds.run();
      await running.says(/ runs from checkpoint/);
      running.process.kill('SIGTERM');
      const suspended = await running.finished;
      assert.equal(suspended.code, EXIT.sigterm, suspended.stderr);
      await deeds.check('suspended');
      deeds.prune('suspended');
      await deeds.finish();
      deeds.prune('finished');
    });
  }
});

describe('a job that writes what changed, without a kill', { concurrency: 2 }, () => {
  for (const { name, flags } of KEPT) {
    test(`${name}: throws at random elements`, async () => {
      const throws = LONG ? 100 : 3;
      const restart = ['--restart', `fixed-delay:10ms:${2 * throws}`];
      const deeds = new DeedsJob([...flags, ...restart], { throws, within: 1_000 });
      after(() => deeds.sandbox.remove());
      const running = deeds.run();
      // The log tells what else it was, if anything.
      const log = () => deeds.sandbox.run(['logs', 'many-deeds']).stdout;
      await eventually('it has thrown enough', () => {
        assert.equal(running.process.exitCode, null, running.stderr());
        return deeds.restarts() >= throws;
      });
      const before = deeds.newest();
      await eventually('a new checkpoint', () => deeds.newest() > before);
      running.process.kill('SIGTERM');
      assert.equal((await running.finished).code, EXIT.sigterm);
      await deeds.check('thrown');
      assert.deepEqual([deeds.restarts(), fileSize(deeds.record)], [throws, throws], log());
      deeds.prune('thrown');
      await deeds.finish();
    });
  }
});
