/**
 * The catalog of a home: what jobs there are, what became of them, and what can be recovered.
 *
 * One SQLite file, shared by every process of the home: runners write their own job, commands read. Each method
 * is one transaction, synchronous, durable when it returns; the statements stand in one file per group.
 *
 * Invariants: open.ts (what is opened is whole), attempts.ts (epochs and states), checkpoints.ts (what counts),
 * segments.ts (what may be removed). Everything throws TidemarkErrors: CATALOG_CORRUPT for what cannot be,
 * HOME_LOCKED when another process holds the file for seconds, DISK_FULL, DISK_ERROR, PERMISSION.
 */
import type { Clock } from '../base/clock.js';
import type { ErrorRecord } from '../base/errors.js';
import type { HomePaths } from '../base/home.js';
import type { Random } from '../base/random.js';
import * as attempts from './attempts.js';
import * as checkpoints from './checkpoints.js';
import type { CatalogContext } from './context.js';
import * as jobs from './jobs.js';
import * as leases from './leases.js';
import { acquireLock, type Lock, type LockInfo } from './lock.js';
import { openCatalog } from './open.js';
import * as pins from './pins.js';
import type {
  CheckpointRecord,
  FrozenJob,
  JobRecord,
  JobState,
  LeaseRecord,
  PinRecord,
  SavepointRecord,
  SegmentRecord,
  SegmentUse,
} from './records.js';
import * as savepoints from './savepoints.js';
import * as segments from './segments.js';
import * as upkeep from './upkeep.js';

export interface CatalogOptions {
  /** Make the home when it is absent; only commands that start a job do. */
  readonly create: boolean;
  readonly clock: Clock;
  readonly random: Random;
}

export class Catalog {
  readonly home: HomePaths;
  readonly #context: CatalogContext;

  private constructor(context: CatalogContext) {
    this.home = context.home;
    this.#context = context;
  }

  /** @throws HOME_NOT_FOUND, HOME_NEWER, HOME_LOCKED (older processes live in it), CATALOG_CORRUPT, PERMISSION */
  static open(home: HomePaths, options: CatalogOptions): Catalog {
    const db = openCatalog(home, options);
    return new Catalog({ db, home, clock: options.clock, random: options.random });
  }

  close(): void {
    this.#context.db.close();
  }

  /** See {@link jobs.reserveJob}. */
  reserveJob(name: string): string {
    return jobs.reserveJob(this.#context, name);
  }

  /** See {@link jobs.createJob}. */
  createJob(frozen: FrozenJob, beginning?: jobs.Beginning): JobRecord {
    return jobs.createJob(this.#context, frozen, beginning);
  }

  /** See {@link jobs.replaceDefinition}. */
  replaceDefinition(job: string, mended: jobs.MendedCode): JobRecord {
    return jobs.replaceDefinition(this.#context, job, mended);
  }

  /** By name, id or prefix of the id; see {@link jobs.findJob}. */
  job(reference: string): JobRecord {
    return jobs.findJob(this.#context, reference);
  }

  /** Newest first; without `all`, those that are neither finished nor canceled. */
  jobs(options: { readonly all: boolean }): JobRecord[] {
    return jobs.listJobs(this.#context, options);
  }

  /** The lock of a job's runner; undefined when another holds it. */
  lockJob(job: string, info: LockInfo): Lock | undefined {
    return acquireLock(this.home.job(job).lock, info);
  }

  /** See {@link attempts.beginAttempt}: the caller holds the job's lock. */
  beginAttempt(job: string, runner: attempts.RunnerInfo): number {
    return attempts.beginAttempt(this.#context, job, runner);
  }

  /** See {@link attempts.transition}: the job's lock is freed only after it. */
  transition(job: string, epoch: number, to: JobState, extra?: attempts.TransitionExtra): void {
    attempts.transition(this.#context, job, epoch, to, extra);
  }

  /** See {@link attempts.fence}. */
  fence(job: string): boolean {
    return attempts.fence(this.#context, job);
  }

  countRestart(job: string, epoch: number): void {
    attempts.countRestart(this.#context, job, epoch);
  }

  saveMetrics(job: string, epoch: number, metrics: unknown): void {
    attempts.saveMetrics(this.#context, job, epoch, metrics);
  }

  /** The newest {@link attempts.KEPT_ATTEMPTS}, oldest first. */
  attempts(job: string): attempts.AttemptRecord[] {
    return attempts.listAttempts(this.#context, job);
  }

  /** Returns the new checkpoint's id; the job is running. */
  beginCheckpoint(job: string, epoch: number, what: Pick<CheckpointRecord, 'kind' | 'mode'>): number {
    return checkpoints.beginCheckpoint(this.#context, job, epoch, what);
  }

  /** See {@link checkpoints.completeCheckpoint}: all files are durable before. */
  completeCheckpoint(job: string, epoch: number, id: number, done: checkpoints.CompletedCheckpoint): void {
    checkpoints.completeCheckpoint(this.#context, job, epoch, id, done);
  }

  failCheckpoint(job: string, epoch: number, id: number, error: ErrorRecord): void {
    checkpoints.failCheckpoint(this.#context, job, epoch, id, error);
  }

  /** The sinks have committed it; may be said again, and of an earlier attempt's. */
  commitCheckpoint(job: string, epoch: number, id: number): void {
    checkpoints.commitCheckpoint(this.#context, job, epoch, id);
  }

  /** All that are remembered, oldest first. */
  checkpoints(job: string): CheckpointRecord[] {
    return checkpoints.listCheckpoints(this.#context, job);
  }

  /** What recovery starts from. */
  lastCompleted(job: string): CheckpointRecord | undefined {
    return checkpoints.lastCompleted(this.#context, job);
  }

  /** The newest that ever completed, also once it is dropped: what is shown of a job. */
  latestCheckpoint(job: string): CheckpointRecord | undefined {
    return checkpoints.latestCheckpoint(this.#context, job);
  }

  /** @throws CHECKPOINT_NOT_FOUND */
  checkpoint(job: string, id: number): CheckpointRecord {
    return checkpoints.findCheckpoint(this.#context, job, id);
  }

  /** See {@link segments.subsume}; what it returns goes to {@link removeSegments}. */
  subsume(job: string, epoch: number, ids: readonly number[]): string[] {
    return segments.subsume(this.#context, job, epoch, ids);
  }

  /** See {@link segments.dropCheckpoints}; what it returns goes to {@link removeSegments}. */
  dropCheckpoints(job: string, ids?: readonly number[]): string[] {
    return segments.dropCheckpoints(this.#context, job, ids);
  }

  /** See {@link segments.pruneCheckpoints}: the caller holds the job's lock. */
  pruneCheckpoints(job: string, ids: readonly number[]): string[] {
    return segments.pruneCheckpoints(this.#context, job, ids);
  }

  /** See {@link leases.lease}: before a segment gets its name (Rule L). */
  lease(job: string, epoch: number, wanted: readonly SegmentRecord[]): void {
    leases.lease(this.#context, job, epoch, wanted);
  }

  /** See {@link leases.unlease}; what it returns goes to {@link removeSegments}. */
  unlease(job: string, epoch: number, names: readonly string[]): string[] {
    return leases.unlease(this.#context, job, epoch, names);
  }

  /** See {@link segments.sweep}; an attempt begins with it. */
  sweep(job: string, epoch: number): number {
    return segments.sweep(this.#context, job, epoch);
  }

  /** See {@link segments.orphanSegments}; what it returns goes to {@link removeSegments}. */
  orphanSegments(existing: readonly string[], idle?: string): string[] {
    return segments.orphanSegments(this.#context, existing, idle);
  }

  /** See {@link segments.setSegmentsAside}: as the next, for those who have no time. */
  setSegmentsAside(names: readonly string[]): string[] {
    return segments.setSegmentsAside(this.#context, names);
  }

  /** See {@link segments.removeSegments}: the one way to remove a segment's file. */
  removeSegments(names: readonly string[], idle?: string): number {
    return segments.removeSegments(this.#context, names, idle);
  }

  /** See {@link savepoints.recordSavepoint}. */
  recordSavepoint(savepoint: SavepointRecord): void {
    savepoints.recordSavepoint(this.#context, savepoint);
  }

  /** See {@link savepoints.forgetSavepoint}. */
  forgetSavepoint(job: string, path: string): void {
    savepoints.forgetSavepoint(this.#context, job, path);
  }

  /** All that were taken of a job, oldest first; of all jobs without one. */
  savepoints(job?: string): SavepointRecord[] {
    return savepoints.listSavepoints(this.#context, job);
  }

  /** See {@link pins.pin}. */
  pin(job: string, checkpoint: number, pin: pins.Pin): number {
    return pins.pin(this.#context, job, checkpoint, pin);
  }

  /** See {@link pins.renewPin}. */
  renewPin(id: number, ms: number): void {
    pins.renewPin(this.#context, id, ms);
  }

  unpin(id: number): void {
    pins.unpin(this.#context, id);
  }

  /** See {@link pins.pinForUser}. */
  pinForUser(job: string, checkpoint: number | undefined, why: string): number {
    return pins.pinForUser(this.#context, job, checkpoint, why);
  }

  /** False when there was none. */
  unpinForUser(job: string, checkpoint: number): boolean {
    return pins.unpinForUser(this.#context, job, checkpoint);
  }

  /** Those that count, oldest first; of all jobs without one. */
  pins(job?: string): PinRecord[] {
    return upkeep.listPins(this.#context, job);
  }

  expiredPins(): PinRecord[] {
    return upkeep.expiredPins(this.#context);
  }

  /** Whether a process runs the job, or is about to. */
  isHeld(job: string): boolean {
    return upkeep.isHeld(this.#context, job);
  }

  /** See {@link upkeep.listSegments}. */
  segments(): SegmentUse[] {
    return upkeep.listSegments(this.#context);
  }

  /** Leases that mean nothing, since no process runs their jobs. */
  staleLeases(): LeaseRecord[] {
    return upkeep.staleLeases(this.#context);
  }

  /** Removes stale leases and expired pins; returns how many. */
  dropStale(): { readonly leases: number; readonly pins: number } {
    return upkeep.dropStale(this.#context);
  }

  unnamedBundles(hashes: readonly string[]): string[] {
    return upkeep.unnamedBundles(this.#context, hashes);
  }

  /** See {@link upkeep.removeBundles}. */
  removeBundles(hashes: readonly string[]): string[] {
    return upkeep.removeBundles(this.#context, hashes);
  }

  /** What SQLite finds wrong with the file; empty when it is whole. */
  problems(): string[] {
    return upkeep.problems(this.#context);
  }

  sqliteVersion(): string {
    return upkeep.sqliteVersion(this.#context);
  }
}
