/**
 * `check --trial N`: a definition runs on from a snapshot, in a home of its own that is gone after, with mute sinks, for N
 * elements of each split; what comes after them counts as the end of the input, so that timers and windows fire, too.
 *
 *     round ──something throws in a split──▶ the same without that split, up to MAX_ROUNDS times
 *
 * Invariants: nothing outside of that home is written, but for what user code does by itself; the snapshot is only read;
 * nothing waits for input without end.
 */
import { copyFile, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Clock, systemClock } from '../base/clock.js';
import { type ErrorRecord, TidemarkError } from '../base/errors.js';
import { type HomePaths, homePaths } from '../base/home.js';
import { systemRandom } from '../base/random.js';
import { realDisk } from '../base/real-disk.js';
import { Catalog } from '../catalog/catalog.js';
import type { JobSettings } from '../graph/settings.js';
import { dropKey } from '../restore/drop.js';
import { droppedKeys } from '../restore/plan-states.js';
import { readFrom } from '../runtime/where.js';
import { keepTables } from './keep-tables.js';
import { lockJob } from './lock-job.js';
import type { AttemptMetrics } from './metrics.js';
import type { PlannedSnapshot } from './planned-snapshot.js';
import type { Recovery } from './recover-state.js';
import type { PlannedRestore } from './restore.js';
import { type AttemptOutcome, RunningAttempt } from './run-attempt.js';
import { Targets } from './targets.js';

/** Splits that fail are left out one after the other, so often at most. */
const MAX_ROUNDS = 5;
/** A round ends when no element has come for so long, milliseconds: what follows its input waits for ever. */
const QUIET_MS = 2000;
/** A round ends after so long, milliseconds, whatever is still to be read. */
const ROUND_MS = 60_000;
const LOOK_MS = 100;

export interface TrialOptions {
  /** Elements read of each split at most, 1 or more. */
  readonly elements: number;
  /** Milliseconds that one round may read; 60 s when absent. */
  readonly roundMs?: number;
  /** Aborted, the trial rejects with its reason, and nothing is left of it. */
  readonly signal?: AbortSignal;
  readonly clock?: Clock;
}

export interface TrialSplit {
  readonly source: string;
  readonly id: string;
  /** Elements. */
  readonly read: number;
  /** One of them, or reading them, threw. */
  readonly failed: boolean;
}

export interface TrialReport {
  /** Those that something was read of, or that failed. */
  readonly splits: readonly TrialSplit[];
  /** Read in all. */
  readonly elements: number;
  /** That came to the sinks. */
  readonly emitted: number;
  /** What was thrown, each once; empty when all went well. */
  readonly errors: readonly ErrorRecord[];
  /**
   * Why it read no more: each split gave what it was asked for or came to its end; nothing came any more; time was up; or
   * something was thrown that is not to do with one split alone.
   */
  readonly ended: 'limit' | 'quiet' | 'time' | 'failed';
  readonly durationMs: number;
}

/**
 * Tries the definition of a plan on the snapshot it was made for. `home` has its bundle.
 * @throws the plan's refusal; what is wrong with the snapshot; the signal's reason
 */
export async function runTrial(
  home: HomePaths,
  plan: PlannedRestore,
  snapshot: PlannedSnapshot,
  options: TrialOptions,
): Promise<TrialReport> {
  if (plan.refusal !== undefined) throw plan.refusal;
  const clock = options.clock ?? systemClock;
  const began = clock.monotonic();
  const folder = await mkdtemp(join(tmpdir(), 'tidemark-trial-'));
  try {
    const scratch = homePaths(folder);
    const catalog = Catalog.open(scratch, { create: true, clock, random: systemRandom });
    try {
      await mkdir(scratch.bundles, { recursive: true });
      await mkdir(scratch.segments, { recursive: true });
      await copyFile(home.bundle(plan.bundle), scratch.bundle(plan.bundle));
      const rounds = await runRounds({ catalog, plan, snapshot, clock, options });
      return { ...rounds, durationMs: Math.round(clock.monotonic() - began) };
    } finally {
      catalog.close();
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

interface Parts {
  readonly catalog: Catalog;
  readonly plan: PlannedRestore;
  readonly snapshot: PlannedSnapshot;
  readonly clock: Clock;
  readonly options: TrialOptions;
}

async function runRounds(parts: Parts): Promise<Omit<TrialReport, 'durationMs'>> {
  const splits = new Map<string, TrialSplit>();
  const errors: ErrorRecord[] = [];
  let emitted = 0;
  for (;;) {
    const skip = [...splits].flatMap(([name, { failed }]) => (failed ? [name] : []));
    const { metrics, ended, error } = await runRound(parts, skip);
    for (const split of splitsOf(metrics)) {
      const name = JSON.stringify([split.source, split.id]);
      const before = splits.get(name);
      const failed = before?.failed === true || readFrom(error?.position, split.source, split.id);
      splits.set(name, { ...split, read: Math.max(before?.read ?? 0, split.read), failed });
    }
    emitted = Math.max(emitted, emittedBy(metrics));
    const isNew = error !== undefined && !errors.some(({ message }) => message === error.message);
    if (isNew) errors.push(error);
    const failed = [...splits.values()].filter((split) => split.failed).length;
    // Of the others something may be learned, too; what fails whatever is read is known by now.
    if (isNew && failed > skip.length && failed < splits.size && errors.length < MAX_ROUNDS) continue;
    const told = [...splits.values()].filter((split) => split.read > 0 || split.failed);
    const elements = told.reduce((sum, { read }) => sum + read, 0);
    return { splits: told, elements, emitted, errors, ended };
  }
}

interface Round {
  readonly metrics: AttemptMetrics | undefined;
  readonly ended: TrialReport['ended'];
  readonly error: ErrorRecord | undefined;
}

/** One attempt at a job of the scratch home, from the snapshot to what it may read. */
async function runRound(parts: Parts, skip: readonly string[]): Promise<Round> {
  const { catalog, plan, clock, options } = parts;
  const settings = settingsOf(plan.settings);
  const job = catalog.createJob({ ...plan, name: `trial-${skip.length}`, settings, ...sizesOf(settings) });
  await mkdir(catalog.home.job(job.id).folder, { recursive: true });
  const lock = lockJob(catalog, job);
  const epoch = catalog.beginAttempt(job.id, { pid: process.pid, socket: undefined });
  const attempt = new RunningAttempt({
    catalog,
    home: catalog.home,
    disk: realDisk,
    clock,
    job,
    settings,
    epoch,
    targets: new Targets({ job: job.id, name: job.name, home: catalog.home.root }),
    mode: 'run',
    limit: { elements: options.elements, skip },
    recovery: await recoveryOf(parts),
    stdout: async () => undefined,
    onEvent: () => undefined,
    onOutput: () => undefined,
  });
  const give = () => void attempt.terminate(new TidemarkError('JOB_ENDED', 'given up'));
  options.signal?.addEventListener('abort', give, { once: true });
  try {
    options.signal?.throwIfAborted();
    const why = await endOf(attempt, clock, options.roundMs ?? ROUND_MS);
    const outcome = await attempt.outcome;
    options.signal?.throwIfAborted();
    return { metrics: attempt.metrics, ...toldBy(outcome, why) };
  } finally {
    options.signal?.removeEventListener('abort', give);
    if (!attempt.over) await attempt.terminate();
    lock.release();
  }
}

function toldBy(outcome: AttemptOutcome, why: TrialReport['ended']): Omit<Round, 'metrics'> {
  if (outcome.kind !== 'failed') return { ended: why, error: undefined };
  return { ended: 'failed', error: outcome.error.toRecord() };
}

/** Waits until the attempt has read what it may; one that waits for more is drained and ended. */
async function endOf(attempt: RunningAttempt, clock: Clock, most: number): Promise<TrialReport['ended']> {
  const over = attempt.outcome.then(() => 'over' as const);
  let elements = -1;
  let since = clock.monotonic();
  let began: number | undefined;
  for (;;) {
    const looked = new AbortController();
    const first = await Promise.race([over, clock.sleep(LOOK_MS, looked.signal)]);
    looked.abort();
    if (first === 'over') return 'limit';
    const now = clock.monotonic();
    // Restoring takes as long as it takes.
    if (attempt.metrics === undefined) continue;
    began ??= now;
    if (attempt.metrics.elements !== elements) since = now;
    elements = attempt.metrics.elements;
    const why = now - began >= most ? 'time' : now - since >= QUIET_MS ? 'quiet' : undefined;
    if (why === undefined) continue;
    return (await drained(attempt)) ? why : 'limit';
  }
}

/** False: it has come to its end by itself meanwhile, or failed. */
async function drained(attempt: RunningAttempt): Promise<boolean> {
  try {
    await attempt.stop(true);
  } catch {
    // Its outcome says why.
    return false;
  }
  attempt.endStopped();
  return true;
}

/** Checkpoints are taken at the end alone: that writes all state, as it will be. */
function settingsOf(settings: JobSettings): JobSettings {
  return { ...settings, sinks: 'mute', checkpoint: { ...settings.checkpoint, interval: 0 } };
}

function sizesOf({ parallelism, maxParallelism }: JobSettings) {
  return { parallelism, maxParallelism };
}

async function recoveryOf({ plan, snapshot, clock }: Parts): Promise<Recovery> {
  const { operators, tables } = snapshot.manifest;
  const dropped = droppedKeys(plan.states);
  const kept = tables.filter((table) => table.kind !== 'transactions' && !dropped.includes(dropKey(table)));
  const all = kept.map(({ id }) => id);
  const ordered = await snapshot.isOrdered();
  const blocksOf = (wanted: readonly number[]) => {
    const blocks = snapshot.blocks({ tables: wanted });
    return ordered ? blocks : keepTables(blocks, new Set(wanted), snapshot.label);
  };
  return {
    job: plan.name,
    checkpoint: undefined,
    operators,
    tables: kept,
    barrierTime: clock.now(),
    dropped,
    chain: undefined,
    blocks: (only = all) => blocksOf(only),
  };
}

function splitsOf(metrics: AttemptMetrics | undefined): readonly TrialSplit[] {
  const sources = metrics?.operators.filter(({ kind }) => kind === 'source') ?? [];
  return sources.flatMap(({ uid, subtasks }) =>
    subtasks
      .flatMap(({ splits }) => splits.map(({ id, read }) => ({ source: uid, id, read, failed: false })))
      .sort((a, b) => (a.id < b.id ? -1 : 1)),
  );
}

function emittedBy(metrics: AttemptMetrics | undefined): number {
  const sinks = metrics?.operators.filter(({ kind }) => kind === 'sink') ?? [];
  return sinks.flatMap(({ subtasks }) => subtasks).reduce((sum, subtask) => sum + subtask.in, 0);
}
