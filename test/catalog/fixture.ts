/** Homes, jobs and checkpoints for the tests of this room. */
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { Clock } from '../../src/base/clock.js';
import { type HomePaths, homePaths } from '../../src/base/home.js';
import { seededRandom } from '../../src/base/random.js';
import { Catalog } from '../../src/catalog/catalog.js';
import type { Lock } from '../../src/catalog/lock.js';
import type { FrozenJob, JobRecord, SegmentRecord } from '../../src/catalog/records.js';

/** A clock that stands still until it is moved. */
export class HandClock implements Clock {
  time = 1_700_000_000_000;
  now = () => this.time;
  monotonic = () => this.time;
  sleep = () => Promise.resolve();
}

export function tempFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'tidemark-catalog-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export interface TestHome {
  readonly home: HomePaths;
  readonly catalog: Catalog;
  readonly clock: HandClock;
}

let seed = 1;

export function openHome(t: TestContext, root = join(tempFolder(t), '.tidemark')): TestHome {
  const home = homePaths(root);
  const clock = new HandClock();
  const catalog = Catalog.open(home, { create: true, clock, random: seededRandom(seed++) });
  t.after(() => catalog.close());
  return { home, catalog, clock };
}

export function frozen(name: string, change: Partial<FrozenJob> = {}): FrozenJob {
  return {
    name,
    definition: '/jobs/job.ts',
    bundle: 'ab'.repeat(32),
    gitCommit: '0123456789'.repeat(4),
    params: { input: 'in', __proto__x: 'y' },
    cwd: '/work',
    settings: { checkpoint: { interval: 10 } },
    parallelism: 2,
    maxParallelism: 128,
    ...change,
  };
}

export interface RunningJob {
  readonly job: JobRecord;
  readonly lock: Lock;
  readonly epoch: number;
}

/** A job whose runner is this process. */
export function startJob(t: TestContext, { catalog }: TestHome, name: string): RunningJob {
  const job = catalog.createJob(frozen(name));
  const lock = takeLock(t, catalog, job.id);
  return { job, lock, epoch: catalog.beginAttempt(job.id, { pid: process.pid, socket: '/tmp/socket' }) };
}

export function takeLock(t: TestContext, catalog: Catalog, job: string): Lock {
  const lock = catalog.lockJob(job, { pid: process.pid });
  if (lock === undefined) throw new Error(`the lock of ${job} is held`);
  t.after(() => lock.release());
  return lock;
}

/** Writes a segment of these bytes under its name. */
export function writeSegment(home: HomePaths, content: string): SegmentRecord {
  const name = createHash('sha256').update(content).digest('hex');
  writeFileSync(home.segment(name), content);
  return { name, bytes: Buffer.byteLength(content) };
}

/** One whole checkpoint over these segments; returns its id. */
export function takeCheckpoint(
  { catalog }: TestHome,
  { job, epoch }: Pick<RunningJob, 'job' | 'epoch'>,
  segments: readonly SegmentRecord[],
  { commit = true } = {},
): number {
  const id = catalog.beginCheckpoint(job.id, epoch, { kind: 'periodic', mode: 'full' });
  catalog.completeCheckpoint(job.id, epoch, id, completed(segments));
  if (commit) catalog.commitCheckpoint(job.id, epoch, id);
  return id;
}

export function completed(segments: readonly SegmentRecord[]) {
  const own = segments.reduce((sum, { bytes }) => sum + bytes, 0);
  return {
    segments,
    bytes: { own, shared: 0, total: own },
    durationMs: 12.5,
    longestSliceMs: 0.75,
    manifest: { of: segments.length },
  };
}
