/**
 * The checkpoint coordinator of one attempt: acts on what checkpoint/decide.ts decides.
 *
 *     idle ──trigger──▶ pending ──drained, fsynced, in the catalog──▶ committing ──sinks committed──▶ idle
 *                          └──timeout, disk error──▶ failed ─▶ idle, or the attempt fails
 *
 * Invariants: one checkpoint at a time, and the next only after the commit of the previous; one counts only when
 * its bytes are fsynced and its row is committed; only then do sinks commit; only then are older ones dropped.
 */

import { present } from '../base/assert.js';
import type { Clock } from '../base/clock.js';
import type { Disk } from '../base/disk.js';
import { TidemarkError, toTidemarkError } from '../base/errors.js';
import { failpoint } from '../base/failpoint.js';
import type { HomePaths } from '../base/home.js';
import type { Catalog } from '../catalog/catalog.js';
import type { CheckpointRecord, SegmentRecord } from '../catalog/records.js';
import { type CheckpointProgress, decide } from '../checkpoint/decide.js';
import { retention } from '../checkpoint/retention.js';
import type { CheckpointSettings } from '../graph/settings.js';
import type { Attempt, Drained } from './attempt.js';
import type { Chain } from './chain.js';
import type { RunnerEvent } from './events.js';
import type { ManifestMaker } from './manifest-maker.js';
import type { Removals } from './removals.js';
import { type Leases, SnapshotFile } from './snapshot-file.js';
import { ChainSnapshot, type SnapshotSink } from './written-snapshot.js';

type Kind = CheckpointRecord['kind'];
/** Why one is taken other than by the schedule: a person, the end of the input, a suspension. */
export type AskedKind = Exclude<Kind, 'periodic'>;

/** After the barrier of one of these nothing is processed, unless a stop is taken back. */
const ENDING: ReadonlySet<Kind> = new Set<Kind>(['final', 'suspend', 'stop']);

/** A failure of one of these is told to who asked, and the job runs on. */
const ASKED: ReadonlySet<Kind> = new Set<Kind>(['asked', 'savepoint', 'stop']);

/** When the first checkpoint of a new job is taken that follows files: once they are open. */
const FIRST_MS = 250;

/** The longest a timer can wait; after it the decision is simply asked for again. */
const MAX_TIMER_MS = 2 ** 31 - 1;

export interface CheckpointerOptions {
  readonly catalog: Catalog;
  readonly home: HomePaths;
  readonly disk: Disk;
  readonly clock: Clock;
  readonly job: string;
  readonly epoch: number;
  readonly settings: CheckpointSettings;
  readonly attempt: Attempt;
  readonly manifest: ManifestMaker;
  /** What checkpoints add to, where they hold only what changed. */
  readonly chain: Chain | undefined;
  readonly removals: Removals;
  /** Take the first periodic one at once: the job is new, and what its sources found may be rotated away. */
  readonly soon: boolean;
  onEvent(event: RunnerEvent): void;
}

/** What one that is asked for may ask for more. */
export type AskedFor = Partial<Pick<Request, 'full' | 'drain' | 'release'>>;

interface Request {
  readonly kind: AskedKind;
  /** All of the state in one segment, whatever the mode of the job. */
  readonly full: boolean;
  /** Event time comes to its end before the barrier. */
  readonly drain: boolean;
  /** What is held goes on after the barrier. */
  readonly release: boolean;
  resolve(id: number): void;
  reject(error: TidemarkError): void;
}

interface Running {
  readonly id: number;
  readonly kind: Kind;
  readonly startedAt: number;
  readonly file: SnapshotSink;
  /** Those it answers. */
  readonly requests: readonly Request[];
  committing: boolean;
}

export class Checkpointer {
  /** Checkpoints completed by this attempt. */
  completed = 0;
  readonly #options: CheckpointerOptions;
  #requests: Request[] = [];
  #running: Running | undefined;
  #lastTriggeredAt: number;
  #lastEndedAt: number | undefined;
  #failures = 0;
  #lastFailure: TidemarkError | undefined;
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;
  /** After a last checkpoint nothing is triggered any more. */
  #last = false;

  constructor(options: CheckpointerOptions) {
    this.#options = options;
    const { interval } = options.settings;
    const ahead = options.soon ? Math.max(0, interval - FIRST_MS) : 0;
    this.#lastTriggeredAt = options.clock.monotonic() - ahead;
    this.#tick();
  }

  /** Asks for a checkpoint; resolves with its id once its sinks have committed. */
  request(kind: AskedKind, { full = false, drain = false, release = false }: AskedFor = {}): Promise<number> {
    return new Promise((resolve, reject) => {
      if (this.#stopped || (this.#last && this.#running === undefined)) return reject(gone());
      this.#requests.push({ kind, full, drain, release, resolve, reject });
      this.#tick();
    });
  }

  /** Takes back the stop whose checkpoint is complete: elements flow again. */
  goOn(): void {
    this.#last = false;
    this.#options.attempt.send({ type: 'go-on' });
    this.#tick();
  }

  chunk(id: number, bytes: Uint8Array, used: number, entries: number): void {
    if (this.#running?.id === id) this.#running.file.add(bytes, used, entries);
    else this.#giveBack(bytes);
  }

  drained(drained: Drained): void {
    const running = this.#running;
    if (running?.id !== drained.id) return;
    this.#complete(running, drained).catch((error: unknown) => this.#failed(running, toTidemarkError(error)));
  }

  committed(id: number): void {
    const running = this.#running;
    if (running?.id !== id) return;
    const { catalog, job, epoch } = this.#options;
    this.#guard(() => {
      catalog.commitCheckpoint(job, epoch, id);
      this.#dropOlder();
    });
    this.#ended();
    for (const request of running.requests) request.resolve(id);
    if (!this.#last) this.#tick();
  }

  /** The attempt is over: what is pending fails, and nothing more is triggered. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    const running = this.#running;
    this.#running = undefined;
    for (const request of [...(running?.requests ?? []), ...this.#requests.splice(0)]) request.reject(gone());
    if (running === undefined || running.committing) return;
    await running.file.discard();
    const { catalog, job, epoch } = this.#options;
    this.#guard(() => catalog.failCheckpoint(job, epoch, running.id, gone().toRecord()));
  }

  #tick(): void {
    clearTimeout(this.#timer);
    if (this.#stopped) return;
    const { settings, clock } = this.#options;
    const now = clock.monotonic();
    const running = this.#running;
    const decision = decide(settings, this.#progress(), now);
    switch (decision.action) {
      case 'trigger':
        return this.#trigger();
      case 'give-up':
        // A commit has no outcome but success; one that does not end fails the attempt, and recovery commits again.
        if (running?.committing === true) this.#failAttempt(slow('committed', settings.timeout));
        else if (running !== undefined) this.#failed(running, slow('complete', settings.timeout));
        return;
      case 'fail-attempt':
        return this.#failAttempt(this.#lastFailure ?? gone());
      case 'wait':
        if (decision.until === Number.POSITIVE_INFINITY) return;
        this.#timer = setTimeout(
          () => this.#tick(),
          Math.min(Math.max(1, decision.until - now), MAX_TIMER_MS),
        );
    }
  }

  #progress(): CheckpointProgress {
    return {
      asked: this.#requests.length > 0,
      running: this.#running,
      lastTriggeredAt: this.#lastTriggeredAt,
      lastEndedAt: this.#lastEndedAt,
      consecutiveFailures: this.#failures,
      over: this.#last,
    };
  }

  #trigger(): void {
    const { catalog, job, epoch, settings, clock, disk, home, attempt, chain } = this.#options;
    const requests = this.#requests.splice(0);
    const kind = strongest(requests);
    this.#last = ENDING.has(kind);
    try {
      const mode = requests.some(({ full }) => full) ? 'full' : settings.mode;
      const id = catalog.beginCheckpoint(job, epoch, { kind, mode });
      const startedAt = clock.monotonic();
      const file =
        chain === undefined
          ? new SnapshotFile(disk, home.segments, this.#leases, (buffer) => this.#giveBack(buffer))
          : new ChainSnapshot(chain, id, mode);
      this.#running = { id, kind, startedAt, file, requests, committing: false };
      this.#lastTriggeredAt = startedAt;
      const drain = requests.some((request) => request.drain);
      const release = requests.some((request) => request.release);
      // What a person asks for may be compared with another's: it should not tell of where batches end.
      const settle = requests.some((request) => ASKED.has(request.kind));
      attempt.send({ type: 'checkpoint', id, last: this.#last, drain, settle, release });
    } catch (error) {
      const refused = toTidemarkError(error);
      for (const request of requests) request.reject(refused);
      this.#failAttempt(refused);
    }
    this.#tick();
  }

  async #complete(running: Running, drained: Drained): Promise<void> {
    const { catalog, job, epoch, clock, attempt, manifest, onEvent } = this.#options;
    const written = await running.file.finish(drained);
    failpoint('checkpoint-before-complete');
    if (this.#running !== running) {
      // Given up while its file got its name: no row will ever know it.
      await running.file.discard();
      return;
    }
    const before = new Set(catalog.lastCompleted(job)?.segments);
    const bytes = sizes(written.segments, before);
    const durationMs = Math.round(clock.monotonic() - running.startedAt);
    const { longestSliceMs } = drained;
    catalog.completeCheckpoint(job, epoch, running.id, {
      segments: written.segments,
      bytes,
      durationMs,
      longestSliceMs,
      manifest: manifest(drained, written),
    });
    running.file.release();
    failpoint('checkpoint-before-commit');
    this.completed++;
    this.#failures = 0;
    running.committing = true;
    onEvent({ type: 'checkpoint', id: running.id, bytes: bytes.own, durationMs });
    attempt.send({ type: 'completed', id: running.id });
    this.#tick();
  }

  #failed(running: Running, error: TidemarkError): void {
    if (this.#running !== running) return;
    const { catalog, job, epoch, attempt, onEvent } = this.#options;
    attempt.send({ type: 'abort-checkpoint', id: running.id });
    void running.file.discard();
    this.#ended();
    this.#lastFailure = error;
    if (!ASKED.has(running.kind)) this.#failures++;
    this.#guard(() => catalog.failCheckpoint(job, epoch, running.id, error.toRecord()));
    onEvent({ type: 'checkpoint-failed', id: running.id, error: error.toRecord() });
    for (const request of running.requests) request.reject(error);
    // After the barrier of a last checkpoint nothing is processed: such an attempt cannot go on.
    if (running.kind === 'stop') this.goOn();
    else if (this.#last) this.#failAttempt(error);
    else this.#tick();
  }

  #ended(): void {
    this.#running = undefined;
    this.#lastEndedAt = this.#options.clock.monotonic();
  }

  /** Drops the checkpoints that retention lets go. */
  #dropOlder(): void {
    const { catalog, job, epoch, settings, removals } = this.#options;
    const { subsume } = retention(catalog.checkpoints(job), settings.retain);
    if (subsume.length > 0) removals.remove(catalog.subsume(job, epoch, subsume));
  }

  readonly #leases: Leases = {
    lease: (segment) => this.#options.catalog.lease(this.#options.job, this.#options.epoch, [segment]),
    release: (name) => {
      const { catalog, job, epoch, removals } = this.#options;
      this.#guard(() => removals.remove(catalog.unlease(job, epoch, [name])));
    },
  };

  #giveBack(bytes: Uint8Array): void {
    const memory = present(
      bytes.buffer instanceof ArrayBuffer ? bytes.buffer : undefined,
      'a transferable buffer',
    );
    this.#options.attempt.send({ type: 'buffer', buffer: bytes }, [memory]);
  }

  /** The thread takes a moment to end; nothing is triggered meanwhile. */
  #failAttempt(error: TidemarkError): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    void this.#options.attempt.terminate(error);
  }

  /** What the catalog refuses ends the attempt. */
  #guard(act: () => void): void {
    try {
      act();
    } catch (error) {
      this.#failAttempt(toTidemarkError(error));
    }
  }
}

/** What a checkpoint wrote, and what it shares with the one before. */
function sizes(segments: readonly SegmentRecord[], before: ReadonlySet<string>): CheckpointRecord['bytes'] {
  let own = 0;
  let shared = 0;
  for (const { name, bytes } of segments) {
    if (before.has(name)) shared += bytes;
    else own += bytes;
  }
  return { own, shared, total: own + shared };
}

/** What ends the job outranks what only asks. */
function strongest(requests: readonly Request[]): Kind {
  return requests.find(({ kind }) => ENDING.has(kind))?.kind ?? requests[0]?.kind ?? 'periodic';
}

function slow(what: string, timeout: number): TidemarkError {
  return new TidemarkError('CHECKPOINT_FAILED', `the checkpoint was not ${what} after ${timeout / 1000} s`, {
    hint: 'a slow disk, a very large state or a slow sink; see: tidemark logs <job>',
  });
}

function gone(): TidemarkError {
  return new TidemarkError('CHECKPOINT_FAILED', 'the attempt ended before the checkpoint was complete', {
    hint: 'tidemark status <job> says why',
  });
}
