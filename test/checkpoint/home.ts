/** A home with a bit of everything in it, for pruning and examining. */
import { createHash } from 'node:crypto';
import { readdirSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { systemClock } from '../../src/base/clock.js';
import { homePaths } from '../../src/base/home.js';
import { systemRandom } from '../../src/base/random.js';
import { Catalog } from '../../src/catalog/catalog.js';
import type { Lock } from '../../src/catalog/lock.js';
import type { JobState } from '../../src/catalog/records.js';
import { completed, frozen, tempFolder, writeSegment } from '../catalog/fixture.js';

const CODE = 'export default 1';
export const BUNDLE = createHash('sha256').update(CODE).digest('hex');
/** As old as what nobody can be writing any more. */
const LONG_AGO = 1_600_000_000;

export interface MessyJob {
  readonly id: string;
  readonly epoch: number;
  readonly checkpoints: readonly number[];
  readonly lock: Lock;
}

/** What was left in a home by lost processes. */
export interface Mess {
  /** Files that prune removes, whatever is asked. */
  readonly garbage: readonly string[];
  readonly stale: { readonly leases: number; readonly pins: number };
}

export class MessyHome {
  readonly folder: string;
  readonly catalog: Catalog;

  constructor(t: TestContext) {
    this.folder = tempFolder(t);
    const home = homePaths(join(this.folder, '.tidemark'));
    this.catalog = Catalog.open(home, { create: true, clock: systemClock, random: systemRandom });
    t.after(() => this.catalog.close());
    writeFileSync(home.bundle(BUNDLE), CODE);
  }

  /** With three incremental checkpoints that share runs; it runs in this process until it is in its last state. */
  job(t: TestContext, name: string, state: JobState): MessyJob {
    const { catalog } = this;
    const { id } = catalog.createJob(frozen(name, { bundle: BUNDLE }));
    const lock = catalog.lockJob(id, { pid: process.pid });
    if (lock === undefined) throw new Error('a new job is locked');
    t.after(() => lock.release());
    const epoch = catalog.beginAttempt(id, { pid: process.pid, socket: undefined });
    const base = writeSegment(catalog.home, `${name} base`);
    const checkpoints: number[] = [];
    for (const n of [1, 2, 3]) {
      const delta = writeSegment(catalog.home, `${name} delta ${n}`);
      const before = writeSegment(catalog.home, `${name} delta ${n - 1}`);
      catalog.lease(id, epoch, [base, before, delta]);
      const checkpoint = catalog.beginCheckpoint(id, epoch, { kind: 'periodic', mode: 'incremental' });
      catalog.completeCheckpoint(id, epoch, checkpoint, completed([base, before, delta]));
      catalog.commitCheckpoint(id, epoch, checkpoint);
      checkpoints.push(checkpoint);
    }
    if (state === 'running') return { id, epoch, checkpoints, lock };
    if (state !== 'lost') catalog.transition(id, epoch, state);
    lock.release();
    return { id, epoch, checkpoints, lock };
  }

  /** Leaves what processes leave that are killed; `dead`: a job without a process. */
  mess(dead: MessyJob): Mess {
    const { catalog } = this;
    const { home } = catalog;
    const before = catalog.staleLeases().length;
    const leaked = writeSegment(home, 'leaked');
    const garbage = [
      home.segment(leaked.name),
      join(home.segments, '0123456789abcdef.tmp'),
      join(home.job(dead.id).folder, 'fedcba9876543210.tmp'),
      home.bundle('cd'.repeat(32)),
    ];
    for (const path of garbage.slice(1)) {
      writeFileSync(path, 'half');
      utimesSync(path, LONG_AGO, LONG_AGO);
    }
    const [checkpoint = 0] = dead.checkpoints;
    catalog.pin(dead.id, checkpoint, { who: 'inspect', why: 'read it', until: Date.now() - 1 });
    return { garbage, stale: { leases: before, pins: 1 } };
  }

  /** Names of segments on disk, sorted. */
  onDisk(): string[] {
    const names = readdirSync(this.catalog.home.segments).filter((name) => name.endsWith('.seg'));
    return names.map((name) => name.slice(0, -4)).sort();
  }

  /** Names of segments that a checkpoint refers to, or a running job has leased, sorted. */
  known(): string[] {
    return this.catalog
      .segments()
      .map(({ name }) => name)
      .sort();
  }

  completed(job: MessyJob): number[] {
    const all = this.catalog.checkpoints(job.id);
    return all.filter(({ state }) => state === 'completed').map(({ id }) => id);
  }
}
