/**
 * Runs one job in this process, attempt after attempt, until it finishes, fails, or is asked to stop.
 *
 *     created ─▶ running ⇄ restarting ─▶ finished │ failed │ suspended │ canceled
 *
 * Invariants: who runs a job holds its lock from the first to the last write to the catalog; every write names the
 * attempt's epoch; the state in the catalog changes before anybody is told; sink targets are freed last.
 */
import { mkdirSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { type Clock, systemClock } from '../base/clock.js';
import type { Disk } from '../base/disk.js';
import { type ErrorRecord, TidemarkError, toTidemarkError } from '../base/errors.js';
import type { HomePaths } from '../base/home.js';
import { realDisk } from '../base/real-disk.js';
import type { Catalog } from '../catalog/catalog.js';
import { isLive } from '../catalog/job-state.js';
import type { Lock } from '../catalog/lock.js';
import type { EndedBy, JobRecord } from '../catalog/records.js';
import { droppedAtEnd, retention } from '../checkpoint/retention.js';
import type { ControlCheckpoint } from '../control/protocol.js';
import { type ControlServer, serveControl } from '../control/server.js';
import { frozenSettings } from '../graph/frozen-settings.js';
import type { JobSettings } from '../graph/settings.js';
import { verifyBundle } from './bundle-store.js';
import { dropOwnOrigin } from './drop-own-origin.js';
import type { RunnerEvent } from './events.js';
import { isFatal } from './fatal.js';
import { lockJob } from './lock-job.js';
import { JobLog } from './log.js';
import { logLine } from './log-line.js';
import type { AttemptMetrics } from './metrics.js';
import {
  boundHistory,
  decideRestart,
  type FailureHistory,
  type RestartDecision,
} from './restart-decision.js';
import { type AttemptOutcome, RunningAttempt } from './run-attempt.js';
import {
  type SavepointParts,
  type SavepointRequest,
  type SavepointResult,
  type SavingProgress,
  takeBoth,
  takeSavepoint,
} from './savepoint.js';
import { KeptInput } from './standard-input.js';
import { checkpointRow, jobOutcome, statusDocument } from './status.js';
import { sweepHome } from './sweep.js';
import { Targets } from './targets.js';

export type { RunnerEvent } from './events.js';

export interface RunnerOptions {
  readonly home: HomePaths;
  readonly catalog: Catalog;
  /** The job's id. */
  readonly job: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly clock?: Clock;
  readonly disk?: Disk;
  /** No attempt follows one that fails before there is a checkpoint: who tries out a new version goes back then. */
  readonly trial?: boolean;
  /** Standard input, for a `stdin` source; not called before one reads. Absent: there is none. */
  stdin?(): Readable;
  /** Writes for `stdout` sinks; resolves when more may follow. */
  stdout(text: string): Promise<void>;
  onEvent(event: RunnerEvent): void;
}

type Wish = { readonly kind: 'suspend'; readonly by: 'signal' | 'suspend' } | { readonly kind: 'cancel' };

export class Runner {
  /** Resolves once with the job as it stands at the end; rejects only with what the catalog refuses. */
  readonly ended: Promise<JobRecord>;
  readonly #options: RunnerOptions;
  readonly #clock: Clock;
  readonly #disk: Disk;
  readonly #lock: Lock;
  readonly #log: JobLog;
  readonly #targets: Targets;
  readonly #input: KeptInput | undefined;
  readonly #settings: JobSettings;
  /** The archive it was restored from; for the log. */
  readonly #origin: string | undefined;
  #control: ControlServer | undefined;
  #attempt: RunningAttempt | undefined;
  #epoch: number;
  #wish: Wish | undefined;
  #wake: AbortController = new AbortController();
  #metrics: AttemptMetrics | undefined;
  /** An attempt has begun to process. */
  #ran = false;
  /** Of the savepoint being taken. */
  #saving: (() => SavingProgress) | undefined;
  /** The running attempt ends with a savepoint that has its name. */
  #stoppedBySavepoint = false;

  private constructor(options: RunnerOptions, job: JobRecord, lock: Lock) {
    const { home } = options;
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#disk = options.disk ?? realDisk;
    this.#lock = lock;
    this.#epoch = job.epoch;
    this.#settings = frozenSettings(job.settings);
    this.#origin = job.origin?.path;
    this.#log = new JobLog(home.job(job.id).log, this.#clock);
    this.#input = options.stdin === undefined ? undefined : new KeptInput(options.stdin);
    this.#targets = new Targets({ job: job.id, name: job.name, home: home.root });
    this.ended = this.#open(job).finally(() => this.#close());
  }

  /** Takes the job's lock and begins. @throws JOB_RUNNING when another process has it. */
  static async start(options: RunnerOptions): Promise<Runner> {
    const { catalog, home } = options;
    const job = catalog.job(options.job);
    mkdirSync(home.job(job.id).folder, { recursive: true, mode: 0o700 });
    mkdirSync(home.segments, { recursive: true, mode: 0o700 });
    return new Runner(options, job, lockJob(catalog, job));
  }

  /** What the running attempt last told. */
  metrics(): AttemptMetrics | undefined {
    return this.#attempt?.metrics ?? this.#metrics;
  }

  /** One last checkpoint, then the end; the job may be resumed. */
  suspend(by: 'signal' | 'suspend'): void {
    if (this.#wish !== undefined) return;
    this.#wish = { kind: 'suspend', by };
    this.#wake.abort();
    this.#attempt?.suspend();
  }

  /** Ends the job for good: what completed checkpoints hold is committed first. */
  cancel(): void {
    if (this.#wish?.kind === 'cancel') return;
    this.#wish = { kind: 'cancel' };
    this.#wake.abort();
    void this.#attempt?.terminate();
  }

  async #open(job: JobRecord): Promise<JobRecord> {
    const { home, environment } = this.#options;
    const handlers = {
      status: async () => this.#status(),
      checkpoint: (request: ControlCheckpoint) => this.#checkpoint(request),
      savepoint: (request: SavepointRequest, gone: AbortSignal) => this.#savepoint(request, gone),
      suspend: async () => this.#asked(() => this.suspend('suspend')),
      cancel: async () => this.#asked(() => this.cancel()),
    };
    this.#control = await serveControl({ jobFolder: home.job(job.id).folder, environment, handlers });
    await sweepHome(this.#disk, this.#options.catalog, job.id, this.#clock.now());
    return await this.#attempts(job);
  }

  /** Attempt after attempt. */
  async #attempts(job: JobRecord): Promise<JobRecord> {
    let history: FailureHistory = { failures: [] };
    for (;;) {
      if (this.#wish !== undefined) return this.#endAsWished(job);
      const { outcome, progressed } = await this.#runOnce(job);
      if (this.#wish !== undefined && outcome.kind !== 'finished') return this.#endAsWished(job, outcome);
      if (outcome.kind === 'finished')
        return this.#end(job, 'finished', this.#stoppedBySavepoint ? 'stop' : 'input');
      if (outcome.kind === 'suspended') return this.#end(job, 'suspended', 'suspend');
      const failure = { at: this.#clock.monotonic(), progressed };
      history = boundHistory(this.#settings.restart, { failures: [...history.failures, failure] });
      const decision = this.#decide(job, outcome.error, history);
      this.#tellFailure(outcome.error, decision.restart ? decision.delay : null);
      if (!decision.restart) return this.#fail(job, outcome.error, decision.why);
      await this.#pauseBeforeRestart(job, outcome.error, decision.delay);
    }
  }

  #decide(job: JobRecord, { code }: TidemarkError, history: FailureHistory): RestartDecision {
    const { catalog, trial } = this.#options;
    if (isFatal(code)) return { restart: false, why: 'restarting cannot help' };
    if (trial === true && catalog.lastCompleted(job.id) === undefined)
      return { restart: false, why: 'an upgrade tries it out' };
    return decideRestart(this.#settings.restart, history, this.#clock.monotonic());
  }

  async #runOnce(job: JobRecord): Promise<{ outcome: AttemptOutcome; progressed: boolean }> {
    const { catalog, home } = this.#options;
    this.#epoch = catalog.beginAttempt(job.id, { pid: process.pid, socket: this.#control?.path });
    this.#tell({ type: 'attempt', epoch: this.#epoch });
    this.#tell({ type: 'state', state: 'running' });
    catalog.sweep(job.id, this.#epoch);
    try {
      await verifyBundle(this.#disk, home, job.bundle);
    } catch (error) {
      return { outcome: { kind: 'failed', error: toTidemarkError(error) }, progressed: false };
    }
    const attempt = this.#start(job, 'run');
    // A wish that came while the bundle was read has found no attempt to tell.
    if (this.#wish?.kind === 'cancel') void attempt.terminate();
    else if (this.#wish !== undefined) attempt.suspend();
    const outcome = await attempt.outcome;
    this.#keepMetrics(job, attempt);
    return { outcome, progressed: attempt.progressed };
  }

  #start(job: JobRecord, mode: 'run' | 'commit'): RunningAttempt {
    const attempt = new RunningAttempt({
      ...this.#options,
      disk: this.#disk,
      clock: this.#clock,
      job,
      settings: this.#settings,
      epoch: this.#epoch,
      targets: this.#targets,
      input: this.#input,
      mode,
      onEvent: (event) => this.#tell(event),
      onOutput: (_stream, text) => this.#tell({ type: 'log', text }),
    });
    this.#attempt = attempt;
    return attempt;
  }

  #keepMetrics(job: JobRecord, attempt: RunningAttempt): void {
    this.#metrics = attempt.metrics ?? this.#metrics;
    this.#attempt = undefined;
    if (this.#metrics !== undefined) this.#options.catalog.saveMetrics(job.id, this.#epoch, this.#metrics);
  }

  async #pauseBeforeRestart(job: JobRecord, error: TidemarkError, delay: number): Promise<void> {
    const { catalog } = this.#options;
    catalog.transition(job.id, this.#epoch, 'restarting', { error: error.toRecord() });
    catalog.countRestart(job.id, this.#epoch);
    this.#tell({ type: 'state', state: 'restarting' });
    await this.#clock.sleep(delay, this.#wake.signal);
  }

  /** Suspended or canceled, whatever the attempt came to. */
  async #endAsWished(job: JobRecord, outcome?: AttemptOutcome): Promise<JobRecord> {
    if (this.#wish?.kind === 'cancel') return this.#cancel(job);
    const by = this.#wish?.by === 'signal' ? 'signal' : 'suspend';
    // Asked before the first attempt began: a job that was suspended or failed stays what it was.
    const now = this.#options.catalog.job(job.id);
    if (!isLive(now.state)) return now;
    if (outcome?.kind !== 'failed') return this.#end(job, 'suspended', by);
    this.#tell({ type: 'log', text: `suspended without a last checkpoint: ${outcome.error.message}` });
    return this.#end(job, 'suspended', by, outcome.error.toRecord());
  }

  /**
   * Finishes the commits of the last completed checkpoint, drops all, ends. When the commits fail, a job that ran
   * here has failed, and one that did not stays as it was; both can be canceled again.
   */
  async #cancel(job: JobRecord): Promise<JobRecord> {
    const outcome = await this.#finishCommits(job);
    if (outcome.kind !== 'failed') return this.#end(job, 'canceled', 'cancel');
    if (!isLive(this.#options.catalog.job(job.id).state)) throw outcome.error;
    return this.#fail(job, outcome.error, 'its commits could not be finished');
  }

  async #finishCommits(job: JobRecord): Promise<AttemptOutcome> {
    const { catalog, home } = this.#options;
    try {
      await verifyBundle(this.#disk, home, job.bundle);
    } catch (error) {
      return { kind: 'failed', error: toTidemarkError(error) };
    }
    const outcome = await this.#start(job, 'commit').outcome;
    const last = catalog.lastCompleted(job.id);
    if (outcome.kind === 'failed' || last === undefined) return outcome;
    // What a job that is canceled may retain is as if it had gone on from here: the older ones go.
    catalog.commitCheckpoint(job.id, this.#epoch, last.id);
    const { subsume } = retention(catalog.checkpoints(job.id), this.#settings.checkpoint.retain);
    if (subsume.length > 0) catalog.removeSegments(catalog.subsume(job.id, this.#epoch, subsume));
    return outcome;
  }

  #fail(job: JobRecord, error: TidemarkError, why: string): Promise<JobRecord> {
    const record: ErrorRecord = { ...error.toRecord(), message: `${error.message} (gave up: ${why})` };
    return this.#end(job, 'failed', 'error', record);
  }

  async #end(
    job: JobRecord,
    state: 'finished' | 'suspended' | 'canceled' | 'failed',
    endedBy: EndedBy,
    error?: ErrorRecord,
  ): Promise<JobRecord> {
    const { catalog } = this.#options;
    catalog.transition(job.id, this.#epoch, state, { endedBy, ...(error === undefined ? {} : { error }) });
    const over = state === 'finished' || state === 'canceled';
    const dropped = droppedAtEnd(state, this.#settings.checkpoint, catalog.checkpoints(job.id));
    catalog.removeSegments(catalog.dropCheckpoints(job.id, dropped));
    // A job that never ran has written nothing: it has no claim to its targets.
    this.#targets.release(over || (job.epoch === 0 && !this.#ran));
    if (over) dropOwnOrigin(this.#options.home, job.id);
    this.#tell({ type: 'state', state });
    return catalog.job(job.id);
  }

  async #close(): Promise<void> {
    this.#targets.release(false);
    this.#input?.close();
    await this.#control?.close();
    this.#log.close();
    this.#lock.release();
  }

  #status(): unknown {
    const { catalog } = this.#options;
    const job = catalog.job(this.#options.job);
    const now = { saving: this.#saving?.(), store: this.#attempt?.storeMetrics };
    return statusDocument(job, catalog.latestCheckpoint(job.id), this.metrics(), now);
  }

  async #checkpoint({ full, savepoint }: ControlCheckpoint): Promise<unknown> {
    const { catalog } = this.#options;
    const { id: job } = catalog.job(this.#options.job);
    if (savepoint !== undefined) {
      const both = await this.#saved((parts) => takeBoth(parts, { ...savepoint, full }));
      this.#logSavepoint(both.savepoint);
      return { ...checkpointRow(both.checkpoint), savepoint: both.savepoint };
    }
    const id = await this.#attemptNow().checkpoint('asked', { full });
    return checkpointRow(catalog.checkpoint(job, id));
  }

  /** A stop ends the job after its answer; the runner's loop sees the attempt finish. */
  #savepoint(request: SavepointRequest, gone: AbortSignal): Promise<unknown> {
    return this.#saved(async (parts) => {
      const result = await takeSavepoint(parts, request, gone);
      this.#logSavepoint(result);
      // An attempt that failed while its archive got its name goes on by its restart strategy.
      this.#stoppedBySavepoint = request.stop && !parts.attempt.over;
      if (this.#stoppedBySavepoint) parts.attempt.endStopped();
      return result;
    });
  }

  /** One at a time. */
  async #saved<T>(take: (parts: SavepointParts) => Promise<T>): Promise<T> {
    const { catalog, home } = this.#options;
    const job = catalog.job(this.#options.job);
    const attempt = this.#attemptNow();
    if (this.#saving !== undefined) {
      throw new TidemarkError('JOB_BUSY', `a savepoint of ${job.name} is being taken already`, {
        hint: `wait for it: tidemark status ${job.name}`,
      });
    }
    this.#saving = () => ({ phase: 'checkpoint', entries: 0, bytes: 0 });
    try {
      const parts = { catalog, home, clock: this.#clock, disk: this.#disk, job, epoch: this.#epoch, attempt };
      const onProgress = (progress: () => SavingProgress) => {
        this.#saving = progress;
      };
      return await take({ ...parts, onProgress });
    } finally {
      this.#saving = undefined;
    }
  }

  #attemptNow(): RunningAttempt {
    if (this.#attempt !== undefined) return this.#attempt;
    throw betweenAttempts(this.#options.catalog.job(this.#options.job));
  }

  #logSavepoint({ path, bytes, digest }: SavepointResult): void {
    this.#log.write(`savepoint ${path}: ${bytes} bytes, digest ${digest}`);
  }

  async #asked(act: () => void): Promise<unknown> {
    act();
    return jobOutcome(this.#options.catalog.job(this.#options.job));
  }

  #tellFailure(error: TidemarkError, restartInMs: number | null): void {
    this.#tell({ type: 'failure', error: error.toRecord(), restartInMs });
  }

  #tell(event: RunnerEvent): void {
    if (event.type === 'running') this.#ran = true;
    // From here on it is the checkpoint that recovery starts from.
    if (event.type === 'checkpoint') dropOwnOrigin(this.#options.home, this.#options.job);
    const line = logLine(event, this.#origin);
    if (line !== undefined) this.#log.write(line);
    this.#options.onEvent(event);
  }
}

/** For jobs without a process: finishes the commits of the last completed checkpoint, drops all, ends the job. */
export async function cancelOffline(options: RunnerOptions): Promise<JobRecord> {
  const runner = await Runner.start(options);
  runner.cancel();
  return runner.ended;
}

function betweenAttempts({ name }: JobRecord): TidemarkError {
  return new TidemarkError('JOB_NOT_RUNNING', `${name} is between two attempts`, {
    hint: `wait for it: tidemark wait ${name} --until running`,
  });
}
