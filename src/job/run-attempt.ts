/**
 * One attempt from its first to its last moment: the data thread, the state it starts from, its checkpoints, and
 * how it is asked to end.
 */

import type { Clock } from '../base/clock.js';
import type { Disk } from '../base/disk.js';
import { TidemarkError, toTidemarkError } from '../base/errors.js';
import type { HomePaths } from '../base/home.js';
import type { Catalog } from '../catalog/catalog.js';
import type { JobRecord, SegmentRecord } from '../catalog/records.js';
import type { JobSettings } from '../graph/settings.js';
import type { StandardInput } from '../graph/source.js';
import type { HoldProgress } from '../runtime/hold.js';
import { Attempt, type AttemptEvents } from './attempt.js';
import { AttemptStore, type StoreMetrics } from './attempt-store.js';
import { type AskedFor, type AskedKind, Checkpointer } from './checkpointer.js';
import type { RunnerEvent } from './events.js';
import { type ArchivePlaces, type HoldOptions, HoldWait } from './hold.js';
import { manifestMaker } from './manifest-maker.js';
import type { AttemptMetrics } from './metrics.js';
import type { DataThreadData, GraphFacts, SinkTarget } from './protocol.js';
import { checkFits, feed, findRecovery, type Recovery, writesChanges } from './recover-state.js';
import { Removals } from './removals.js';
import { answerInput } from './standard-input.js';
import type { Targets } from './targets.js';

/** How often an attempt tells its metrics, milliseconds. */
const METRICS_MS = 500;

export interface RunAttemptOptions {
  readonly catalog: Catalog;
  readonly home: HomePaths;
  readonly disk: Disk;
  readonly clock: Clock;
  readonly job: JobRecord;
  readonly settings: JobSettings;
  readonly epoch: number;
  readonly targets: Targets;
  /** `commit`: only finish the commits of the last completed checkpoint. */
  readonly mode: 'run' | 'commit';
  readonly limit?: DataThreadData['limit'];
  /** What it starts from; what the catalog says when absent. */
  readonly recovery?: Recovery;
  /** Standard input, for the source that reads it; absent: there is none. */
  readonly input?: StandardInput | undefined;
  stdout(text: string): Promise<void>;
  onEvent(event: RunnerEvent): void;
  onOutput(stream: 'stdout' | 'stderr', text: string): void;
}

/** How an attempt ended: its input did, it was asked to, or it failed. */
export type AttemptOutcome =
  | { readonly kind: 'finished' }
  | { readonly kind: 'suspended' }
  | { readonly kind: 'failed'; readonly error: TidemarkError };

export class RunningAttempt {
  readonly outcome: Promise<AttemptOutcome>;
  metrics: AttemptMetrics | undefined;
  /** The folders its sinks own; known once the graph is. */
  targets: readonly SinkTarget[] = [];
  /** The thread is gone. */
  over = false;
  readonly #options: RunAttemptOptions;
  readonly #attempt: Attempt;
  readonly #removals: Removals;
  #store: AttemptStore | undefined;
  #checkpointer: Checkpointer | undefined;
  #hold: HoldWait | undefined;
  #holds = 0;
  #suspending = false;
  #inputEnded = false;
  #stopping = false;
  /** The last checkpoint has been asked for. */
  #ending = false;
  #ended: 'finished' | 'suspended' = 'suspended';
  /** Told to finish: its last checkpoint is complete and committed. */
  #released = false;

  constructor(options: RunAttemptOptions) {
    this.#options = options;
    const { job, settings, epoch, home, clock, mode } = options;
    this.#attempt = new Attempt(
      {
        data: {
          bundle: home.bundle(job.bundle),
          job: { id: job.id, name: job.name },
          attempt: epoch,
          params: job.params,
          parallelism: settings.parallelism,
          maxParallelism: settings.maxParallelism,
          cwd: job.cwd,
          liveSinks: settings.sinks === 'live',
          rewind: job.origin?.rewind ?? false,
          stdin: options.input !== undefined,
          lineage: job.origin?.lineage ?? [],
          mode,
          metricsEvery: METRICS_MS,
          limit: options.limit,
          backend: settings.backend,
          snapshots: writesChanges(settings) ? 'changes' : 'all',
          segments: home.segments,
          cache: settings.cache,
        },
        heap: settings.heap,
        stepTimeout: settings.stepTimeout,
        clock,
      },
      this.#events(),
    );
    this.#removals = new Removals(options.catalog, options.disk);
    this.outcome = this.#run();
  }

  /** The runs its state lies in, where it is written as changes. */
  get storeMetrics(): StoreMetrics | undefined {
    return this.#store?.metrics;
  }

  /** Checkpoints completed since the attempt began: what counts as progress. */
  get progressed(): boolean {
    return (this.#checkpointer?.completed ?? 0) > 0;
  }

  /** Takes a checkpoint; resolves with its id once sinks have committed it. */
  async checkpoint(kind: AskedKind, asked: AskedFor = {}): Promise<number> {
    if (this.#checkpointer === undefined) {
      throw starting();
    }
    return this.#checkpointer.request(kind, asked);
  }

  /** Nothing is read any more until `hold` or `release`. */
  standStill(): void {
    if (this.#ending) throw new TidemarkError('JOB_ENDED', 'the job is ending already');
    if (this.#checkpointer === undefined) throw starting();
    this.#attempt.send({ type: 'stand-still' });
  }

  /**
   * Makes all splits wait at the positions of an archive; resolves once they do. The caller ends that by a checkpoint with
   * `release`, or by `release`, also where this rejects. One at a time.
   */
  async hold(places: ArchivePlaces, options: HoldOptions): Promise<void> {
    if (this.#ending) throw new TidemarkError('JOB_ENDED', 'the job is ending already');
    if (this.#checkpointer === undefined) throw starting();
    const hold = new HoldWait(++this.#holds);
    this.#hold = hold;
    await hold.held(places, (message) => this.#attempt.send(message), options);
  }

  /** How far a hold is. */
  get holdProgress(): HoldProgress | undefined {
    return this.#hold?.progress;
  }

  release(): void {
    this.#hold = undefined;
    this.#attempt.send({ type: 'release' });
  }

  /**
   * A checkpoint after whose barrier nothing is processed, until `endStopped` or `goOn`; with `drain` after the maximum
   * watermark and all that it sets off.
   */
  async stop(drain: boolean): Promise<number> {
    if (this.#ending) throw new TidemarkError('JOB_ENDED', 'the job is ending already');
    this.#stopping = true;
    try {
      return await this.checkpoint('stop', { drain });
    } catch (error) {
      this.#stopping = false;
      this.#resumeEnding();
      throw error;
    }
  }

  /** Ends a stopped attempt. */
  endStopped(): void {
    this.#finish('finished');
  }

  /** Takes a stop back: elements flow again. */
  goOn(): void {
    this.#stopping = false;
    this.#checkpointer?.goOn();
    this.#resumeEnding();
  }

  /** One last checkpoint, then the end; an attempt that does not process yet just ends. */
  suspend(): void {
    if (this.#suspending) return;
    this.#suspending = true;
    if (this.#checkpointer === undefined) void this.#attempt.terminate();
    else if (!this.#stopping) this.#last('suspend', 'suspended');
  }

  /** Ends the attempt where it stands. */
  async terminate(reason?: TidemarkError): Promise<void> {
    await this.#attempt.terminate(reason);
  }

  async #run(): Promise<AttemptOutcome> {
    const failed = (error: unknown) => this.#attempt.terminate(toTidemarkError(error));
    this.#start().catch(failed);
    const error = await this.#attempt.ended;
    this.over = true;
    this.#hold?.ended();
    await this.#checkpointer?.stop();
    await this.#closeStore();
    await this.#removals.settled();
    if (error === undefined) return { kind: this.#ended };
    if (!this.#released) return { kind: 'failed', error };
    // Nothing is left to be done again: a restart would only close again, and fail at that again, for ever.
    this.#options.onEvent({ type: 'log', text: `failed while it closed: ${error.message}` });
    return { kind: this.#ended };
  }

  async #start(): Promise<void> {
    const { catalog, job, settings, epoch, targets, mode, onEvent } = this.#options;
    const attempt = this.#attempt;
    const facts = await Promise.race([attempt.described, attempt.ended.then(() => undefined)]);
    if (facts === undefined) return;
    this.targets = facts.targets;
    if (settings.sinks === 'live') targets.claim(facts.targets.map(({ target }) => target));
    // An archive holds nothing to commit; canceling must not need it.
    const from = mode === 'commit' ? { ...job, origin: undefined } : job;
    const places = {
      ...this.#options,
      facts,
      lease: (runs: readonly SegmentRecord[]) => catalog.lease(job.id, epoch, runs),
    };
    const recovery = this.#options.recovery ?? (await findRecovery(catalog, from, places));
    if (recovery !== undefined) checkFits(recovery, facts);
    if (mode === 'run' && writesChanges(settings)) await this.#openStore(recovery, facts);
    await feed(attempt, recovery, { mode, backend: settings.backend });
    if (mode === 'commit') return;
    const begun = await Promise.race([attempt.running.then(() => true), attempt.ended.then(() => false)]);
    if (!begun) return;
    if (recovery?.checkpoint !== undefined) catalog.commitCheckpoint(job.id, epoch, recovery.checkpoint);
    if (this.#suspending) return;
    const manifest = manifestMaker(job, settings, facts);
    this.#checkpointer = new Checkpointer({
      ...this.#options,
      job: job.id,
      settings: settings.checkpoint,
      attempt,
      manifest,
      chain: this.#store?.chain,
      removals: this.#removals,
      soon: recovery === undefined && facts.rediscovers,
    });
    onEvent({ type: 'running', epoch, fromCheckpoint: recovery?.checkpoint });
    if (this.#inputEnded) this.#last('final', 'finished');
  }

  async #openStore(recovery: Recovery | undefined, facts: GraphFacts): Promise<void> {
    const { job, home } = this.#options;
    const [attempt, removals] = [this.#attempt, this.#removals];
    const store = await AttemptStore.open(
      { ...this.#options, job: job.id, folder: home.segments, facts, attempt, removals },
      { runs: recovery?.chain ?? [], barrierTime: recovery?.barrierTime ?? 0 },
    );
    this.#store = store;
    // It may have ended meanwhile, and then nobody closes this.
    if (this.over) await this.#closeStore();
  }

  /** What a dead attempt leaves behind, the next one sweeps. */
  async #closeStore(): Promise<void> {
    const store = this.#store;
    this.#store = undefined;
    await store?.close().catch((error: unknown) => {
      this.#options.onEvent({ type: 'log', text: `closing the store: ${toTidemarkError(error).message}` });
    });
  }

  /** What waited for a stop that was taken back. */
  #resumeEnding(): void {
    if (this.#suspending) this.#last('suspend', 'suspended');
    else if (this.#inputEnded) this.#last('final', 'finished');
  }

  /** The last checkpoint, and after its commit the end. A failure of it fails the attempt by itself. */
  #last(kind: 'final' | 'suspend', ended: 'finished' | 'suspended'): void {
    this.#ending = true;
    this.#checkpointer?.request(kind).then(
      () => {
        this.#finish(ended);
      },
      () => undefined,
    );
  }

  #finish(ended: 'finished' | 'suspended'): void {
    // An attempt that is over already has failed before: it was not this that ended it.
    if (this.over) return;
    this.#ended = ended;
    this.#released = true;
    this.#attempt.send({ type: 'finish' });
  }

  #events(): AttemptEvents {
    const { onEvent, onOutput, stdout, input } = this.#options;
    return {
      ...(input === undefined ? {} : { input: (ask) => answerInput(input, ask) }),
      chunk: (id, bytes, used, entries) => {
        if (id < 0) this.#store?.chunk(bytes, used, entries);
        else this.#checkpointer?.chunk(id, bytes, used, entries);
      },
      flush: (id) => this.#store?.flush(id),
      flushed: () => this.#store?.flushed(),
      opened: (version) => this.#store?.opened(version),
      drained: (drained) => this.#checkpointer?.drained(drained),
      committed: (id) => this.#checkpointer?.committed(id),
      inputEnded: (dropped) => {
        if (dropped > 0) onEvent({ type: 'log', text: `end of input: ${dropped} pending timers dropped` });
        this.#inputEnded = true;
        if (!this.#suspending && !this.#stopping) this.#last('final', 'finished');
      },
      held: (message) => this.#hold?.hear(message),
      print: stdout,
      log: (text) => onEvent({ type: 'log', text }),
      output: onOutput,
      ahead: () => undefined,
      metrics: (metrics) => {
        this.metrics = metrics;
      },
    };
  }
}

function starting(): TidemarkError {
  return new TidemarkError('JOB_NOT_RUNNING', 'the job is starting; there is nothing to checkpoint yet', {
    hint: 'wait for it: tidemark wait <job> --until running',
  });
}
