/**
 * How much memory savepoint and restore of 1,000,000 keys take above the state itself. Each look is at a process of
 * its own: the state, with garbage collected all the while, against the peak while it is saved or restored.
 */
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { systemClock } from '../../src/base/clock.js';
import { homePaths } from '../../src/base/home.js';
import { ArchivedJob, attemptOf, openCatalog } from './archived-job.js';
import { type Figure, MIB, median, type Row, spread } from './figure.js';
import { peakResident, resetPeak } from './resident.js';

const KEYS = 1_000_000;
const LOOKS = 5;
const QUICK_LOOKS = 2;
/** Of the idle job, until what is left is its state. */
const SETTLE_MS = 3000;
/** Ends before that. */
const COLLECT = { collect: '8' };
const SAVE = '--save-and-look';
const RESTORE = '--restore-and-look';
/** The largest value of this state is some bytes. */
const MOST_MIB = 64;

interface Look {
  readonly peak: number;
  /** Bytes resident with the state, at rest. */
  readonly rest: number;
}

interface Looks {
  readonly save: Look;
  readonly restore: Look;
}

export const savepointMemory: Row = {
  name: 'savepoint-memory',
  about: 'peak memory while 1,000,000 keys are saved, and restored, above the state itself',
  async measure({ quick, progress }) {
    const looks: Looks[] = [];
    const count = quick ? QUICK_LOOKS : LOOKS;
    while (looks.length < count) {
      progress(`look ${looks.length + 1} of ${count}`);
      looks.push(await look());
    }
    return [
      figure(
        'a savepoint is taken',
        looks.map(({ save }) => save),
      ),
      figure(
        'one is restored',
        looks.map(({ restore }) => restore),
      ),
    ];
  },
};

function figure(what: string, looks: readonly Look[]): Figure {
  const more = looks.map(({ peak, rest }) => (peak - rest) / MIB);
  return {
    name: `peak memory with ${KEYS.toLocaleString('en')} keys while ${what}`,
    unit: 'MiB',
    ours: { what: 'at its peak', value: median(looks.map(({ peak }) => peak)) / MIB },
    other: { what: 'with the state, at rest', value: median(looks.map(({ rest }) => rest)) / MIB },
    compared: 'ours - other',
    value: median(more),
    target: { kind: 'at most', value: MOST_MIB },
    notes: [
      `median of ${looks.length} processes, ${spread(more, 1)}; at rest garbage is collected, at the peak it counts`,
    ],
  };
}

/** Saves in a process, restores in a child of that: neither has the other's heap. */
function look(): Promise<Looks> {
  return ask<Looks>([SAVE]);
}

async function saveHere(): Promise<Looks> {
  const job = await ArchivedJob.start(KEYS, COLLECT);
  try {
    await systemClock.sleep(SETTLE_MS);
    const rest = resident();
    await job.savepoint();
    const peak = peakResident() ?? Number.NaN;
    await job.suspend();
    const { id } = await job.restored(1, COLLECT);
    const restored = await ask<Look>([RESTORE, job.home.root, id]);
    // Whichever has less around the same state: what an allocator keeps after a restore is not the state.
    return { save: { peak, rest }, restore: { ...restored, rest: Math.min(rest, restored.rest) } };
  } finally {
    await job.remove();
  }
}

async function restoreHere(root: string, id: string): Promise<Look> {
  const home = homePaths(root);
  const catalog = openCatalog(home);
  const { attempt } = await attemptOf(home, catalog, catalog.job(id));
  const peak = peakResident() ?? Number.NaN;
  await systemClock.sleep(SETTLE_MS);
  const rest = resident();
  await attempt.terminate();
  catalog.close();
  return { peak, rest };
}

/** What is resident now, less this thread's garbage; the peak begins anew from here. */
function resident(): number {
  globalThis.gc?.();
  resetPeak();
  return peakResident() ?? Number.NaN;
}

function ask<T>(args: readonly string[]): Promise<T> {
  const child = fork(fileURLToPath(import.meta.url), [...args]);
  return new Promise((resolve, reject) => {
    child.on('message', (message) => resolve(message as T));
    child.on('error', reject);
    child.on('exit', (code) => reject(new Error(`${args[0]} ended with ${code}`)));
  });
}

async function tell(answer: Promise<Look | Looks>): Promise<void> {
  const found = await answer;
  await new Promise((resolve) => process.send?.(found, resolve));
  process.disconnect();
}

const [, , what, root = '', id = ''] = process.argv;
if (what === SAVE) await tell(saveHere());
else if (what === RESTORE) await tell(restoreHere(root, id));
