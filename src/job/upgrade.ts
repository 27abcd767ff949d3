/**
 * Replaces a running job's code by a new version, and goes back to the old one when that does not reach its first
 * completed checkpoint. What comes next is decided by upgrade-plan.ts; this looks, and does it.
 *
 * Invariants: the old version is stopped with a savepoint of the user's, which nothing here removes; the new one runs
 * in a process of its own, and without restarts until its first checkpoint; all that is needed to go on after a crash
 * of this process stands in the catalog, and a mark beside it says so (upgrade-recovery.ts).
 */
import { assert, present } from '../base/assert.js';
import type { Clock } from '../base/clock.js';
import { formatDuration } from '../base/duration.js';
import { TidemarkError, toTidemarkError } from '../base/errors.js';
import { failpoint } from '../base/failpoint.js';
import type { Catalog } from '../catalog/catalog.js';
import type { JobRecord } from '../catalog/records.js';
import { detach } from './detach.js';
import { restoreJob } from './restore.js';
import type { SavepointResult } from './savepoint.js';
import { newVersion, oldVersion, restoredVersion, upgradeReason } from './upgrade-facts.js';
import { UpgradeMark } from './upgrade-mark.js';
import { endFenced, FirstCheckpoint } from './upgrade-new.js';
import { LOOK_EVERY, removeAside, saveAside, stopWithSavepoint } from './upgrade-old.js';
import { type Known, nextOfUpgrade, type Outcome, type Step, type Wish } from './upgrade-plan.js';
import {
  type Ending,
  errorOf,
  type StepRecord,
  type UpgradeReport,
  upgradeReport,
} from './upgrade-report.js';
import {
  type PlanPlace,
  planNew,
  planOld,
  refuseOtherCode,
  type VersionOptions,
} from './upgrade-versions.js';

export interface UpgradeOptions extends VersionOptions {
  /** Where the savepoint goes: an absolute path, a folder when it ends in `/`. */
  readonly output: string;
  readonly force: boolean;
  readonly reason: string | undefined;
}

export interface UpgradeParts {
  readonly catalog: Catalog;
  readonly clock: Clock;
  readonly environment: NodeJS.ProcessEnv;
  /** Milliseconds for the new version's first checkpoint. */
  readonly timeoutMs: number;
  onEvent(event: UpgradeEvent): void;
}

export type UpgradeEvent =
  | { readonly type: 'begin'; readonly step: Step }
  | ({ readonly type: 'end' } & StepRecord)
  /** What the old version says of the savepoint that it is writing. */
  | { readonly type: 'saving'; readonly saving: unknown };

export interface Upgraded {
  readonly report: UpgradeReport;
  /** What the command ends with; undefined for an upgrade. */
  readonly error: TidemarkError | undefined;
}

/** What is there when it begins: the old version, and more where another upgrade of it was left unfinished. */
export interface Beginning {
  readonly old: JobRecord;
  readonly savepoint?: Pick<SavepointResult, 'path' | 'digest' | 'checkpointId'>;
  readonly next?: JobRecord;
  readonly back?: JobRecord;
  readonly wish?: Wish;
}

/** More steps than any way through the plan takes. */
const MAX_STEPS = 40;
/** Milliseconds for the process of a version to run. */
const PATIENCE_MS = 30_000;
/** Milliseconds for the commit of the first checkpoint, once that is complete. */
const COMMIT_MS = 30_000;

export class Upgrade {
  readonly #parts: UpgradeParts;
  /** Absent when it only puts right what another has left. */
  readonly #options: UpgradeOptions | undefined;
  readonly #old: JobRecord;
  readonly #steps: StepRecord[] = [];
  readonly #wishedBack = new AbortController();
  readonly #started = new Set<string>();
  readonly #mark: UpgradeMark;
  #wish: Wish;
  #check: Known['check'];
  #proof: Known['proof'];
  #stop: Known['stop'] = 'open';
  #savepoint: Beginning['savepoint'];
  #aside: string | undefined;
  /** The code that was checked. */
  #bundle: string | undefined;
  #next: string | undefined;
  #back: string | undefined;
  #backFailed = false;
  #fenced = false;
  #deadline = Number.POSITIVE_INFINITY;
  /** The first that went wrong: the reason for whatever comes of it. */
  #cause: TidemarkError | undefined;

  /** @throws JOB_BUSY when another process upgrades the job */
  constructor(parts: UpgradeParts, beginning: Beginning, options: UpgradeOptions | undefined) {
    this.#parts = parts;
    this.#options = options;
    this.#old = beginning.old;
    this.#mark = UpgradeMark.take(parts.catalog, beginning.old);
    this.#savepoint = beginning.savepoint;
    this.#next = beginning.next?.id;
    this.#back = beginning.back?.id;
    this.#wish = beginning.wish ?? 'forward';
    const answered = options === undefined ? 'passed' : 'open';
    this.#check = answered;
    this.#proof = answered;
  }

  /** Somebody wants the old version back; what is under way is finished or undone first. */
  giveUp(): void {
    this.#wish = 'back';
    this.#cause ??= new TidemarkError('JOB_ENDED', 'a signal gave it up');
    this.#wishedBack.abort();
  }

  /** Takes every step there is. Rejects only with what no step can be blamed for, as a catalog that is locked. */
  async run(): Promise<Upgraded> {
    let done = false;
    try {
      for (let taken = 0; taken < MAX_STEPS; taken++) {
        const next = nextOfUpgrade(this.#known());
        done = next.kind === 'end' && next.outcome !== 'stranded';
        if (next.kind === 'end') return this.#ended(next.outcome);
        await this.#take(next.step);
      }
      assert(false, `an upgrade of ${this.#old.name} takes more than ${MAX_STEPS} steps`);
    } finally {
      this.#dropAside();
      this.#mark.leave(done);
    }
  }

  #known(): Known {
    const { catalog, clock } = this.#parts;
    const about = { fenced: this.#fenced, expired: clock.monotonic() > this.#deadline };
    const [next, back] = [this.#jobOf(this.#next), this.#jobOf(this.#back)];
    const started = ({ id }: JobRecord) => this.#started.has(id);
    const known = {
      wish: this.#wish,
      check: this.#check,
      proof: this.#proof,
      stop: this.#stop,
      old: oldVersion(catalog.job(this.#old.id), this.#savepoint),
      next:
        next === undefined
          ? ('none' as const)
          : newVersion(catalog, next, { ...about, started: started(next) }),
      back: back === undefined ? ('none' as const) : restoredVersion(catalog, back, started(back)),
    };
    return this.#backFailed ? { ...known, back: 'down' } : known;
  }

  #jobOf(id: string | undefined): JobRecord | undefined {
    return id === undefined ? undefined : this.#parts.catalog.job(id);
  }

  /** What goes wrong is kept, and with what is known then the plan goes on. */
  async #take(step: Step): Promise<void> {
    const { clock, onEvent } = this.#parts;
    onEvent({ type: 'begin', step });
    const begun = clock.monotonic();
    const done = (ok: boolean, message: string) => {
      const record = { step, ok, message, durationMs: Math.round(clock.monotonic() - begun) };
      this.#steps.push(record);
      onEvent({ type: 'end', ...record });
    };
    try {
      done(true, await this.#act(step));
    } catch (thrown) {
      const error = toTidemarkError(thrown);
      this.#cause ??= error;
      this.#blame(step);
      done(false, error.message);
    }
  }

  #act(step: Step): Promise<string> {
    switch (step) {
      case 'check':
        return this.#checkNew();
      case 'prove':
        return this.#proveOld();
      case 'stop':
        return this.#stopOld();
      case 'restore':
        return this.#restoreNew();
      case 'start':
        return this.#start(present(this.#next, 'the new version'), true);
      case 'await':
        return this.#awaitCheckpoint(present(this.#next, 'the new version'));
      case 'fence':
        return this.#fence(present(this.#next, 'the new version'));
      case 'end-new':
        return this.#endNew(present(this.#next, 'the new version'));
      case 'restore-old':
        return this.#restoreOld();
      case 'start-old':
        return this.#start(present(this.#back, 'the old version'), false);
    }
  }

  #blame(step: Step): void {
    if (step === 'check') this.#check = 'refused';
    else if (step === 'prove') this.#proof = 'refused';
    else if (step === 'stop') this.#stop = 'refused';
    else if (step === 'restore' || step === 'await') this.#wish = 'back';
    else if (step === 'fence' || step === 'end-new' || step === 'restore-old') this.#backFailed = true;
    // How a start went stands in the catalog.
  }

  async #checkNew(): Promise<string> {
    this.#aside = (await saveAside(this.#oldParts(), this.#old)).path;
    const plan = await planNew(this.#place(this.#aside), present(this.#options, 'the options'));
    this.#bundle = plan.bundle;
    this.#check = 'passed';
    return `${plan.definition} takes the state of ${this.#old.name}`;
  }

  async #proveOld(): Promise<string> {
    const aside = this.#place(present(this.#aside, 'what was checked'));
    await planOld(aside, this.#parts.environment).catch((error: unknown) => {
      const { code, message, details } = toTidemarkError(error);
      throw new TidemarkError(code, `the old version would not start again: ${message}`, details);
    });
    this.#proof = 'passed';
    this.#dropAside();
    failpoint('upgrade-proven');
    return 'the old version would start again';
  }

  async #stopOld(): Promise<string> {
    const { output, force, reason } = present(this.#options, 'the options');
    const stopping = { output, force, reason: upgradeReason(reason) };
    this.#savepoint = await stopWithSavepoint(this.#oldParts(), this.#old, stopping);
    failpoint('upgrade-stopped');
    return `${this.#old.name} (${this.#old.id}) is stopped; its state is in ${this.#savepoint.path}`;
  }

  async #restoreNew(): Promise<string> {
    const { path } = present(this.#savepoint, 'the savepoint');
    const plan = await planNew(this.#place(path), present(this.#options, 'the options'));
    refuseOtherCode(plan, this.#bundle);
    this.#next = restoreJob(this.#parts.catalog, plan).id;
    failpoint('upgrade-created');
    return `the new version is job ${this.#next}`;
  }

  async #restoreOld(): Promise<string> {
    const { path } = present(this.#savepoint, 'the savepoint');
    const plan = await planOld(this.#place(path), this.#parts.environment);
    this.#back = restoreJob(this.#parts.catalog, plan).id;
    failpoint('upgrade-created-old');
    return `the old version is job ${this.#back} now`;
  }

  async #start(id: string, trial: boolean): Promise<string> {
    const { catalog, clock, environment, timeoutMs } = this.#parts;
    if (trial) this.#deadline = clock.monotonic() + timeoutMs;
    try {
      const job = catalog.job(id);
      await detach({ home: catalog.home, job, environment, patienceMs: PATIENCE_MS, trial });
    } finally {
      this.#started.add(id);
      failpoint(trial ? 'upgrade-started' : 'upgrade-started-old');
    }
    const { state, error } = catalog.job(id);
    if (state === 'failed' && error !== undefined) throw TidemarkError.fromRecord(error);
    return `job ${id} is ${state}`;
  }

  async #awaitCheckpoint(id: string): Promise<string> {
    const { catalog, clock, timeoutMs } = this.#parts;
    if (this.#deadline === Number.POSITIVE_INFINITY) this.#deadline = clock.monotonic() + timeoutMs;
    const first = new FirstCheckpoint(clock);
    let committing = false;
    for (;;) {
      const { next, wish } = this.#known();
      if (next === 'committing' && !committing) {
        committing = true;
        this.#deadline = clock.monotonic() + COMMIT_MS;
      } else if (next === 'trial' ? wish === 'back' : next !== 'committing') break;
      await first.look(catalog.job(id));
      await clock.sleep(LOOK_EVERY, committing ? undefined : this.#wishedBack.signal);
    }
    return this.#judge(catalog.job(id));
  }

  /** @throws why it is not what it should be */
  #judge({ id, state, error }: JobRecord): string {
    const { next } = this.#known();
    if (next === 'proven') return `job ${id} has its first checkpoint`;
    if (error !== undefined) throw TidemarkError.fromRecord(error);
    if (next === 'trial') return `job ${id} is ${state}, without a checkpoint`;
    const text =
      next === 'expired'
        ? `no checkpoint after ${formatDuration(this.#parts.timeoutMs)}`
        : `the job is ${state}, and its process is gone`;
    throw new TidemarkError(next === 'expired' ? 'TIMEOUT' : 'JOB_FAILED', text, {
      hint: `tidemark logs ${id}`,
    });
  }

  async #fence(id: string): Promise<string> {
    this.#fenced = this.#parts.catalog.fence(id);
    failpoint('upgrade-fenced');
    return this.#fenced ? `job ${id} is given up` : `job ${id} has a checkpoint`;
  }

  async #endNew(id: string): Promise<string> {
    await endFenced(this.#parts, id);
    failpoint('upgrade-ended');
    return `job ${id} is over`;
  }

  #place(archive: string): PlanPlace {
    const { home } = this.#parts.catalog;
    return { home, old: this.#old, archive, aside: this.#savepoint === undefined };
  }

  #oldParts() {
    const { onEvent } = this.#parts;
    return { ...this.#parts, onSaving: (saving: unknown) => onEvent({ type: 'saving', saving }) };
  }

  #dropAside(): void {
    removeAside(this.#parts.catalog, this.#old.id);
  }

  #ended(outcome: Outcome): Upgraded {
    const ending: Ending = {
      outcome,
      old: this.#parts.catalog.job(this.#old.id),
      next: this.#jobOf(this.#next),
      back: this.#jobOf(this.#back),
      savepoint: this.#savepoint,
      steps: this.#steps,
      cause: this.#cause,
      beyond: this.#known().next === 'down',
    };
    return { report: upgradeReport(ending), error: errorOf(ending) };
  }
}
