/**
 * The runs that hold the state of a running job, oldest first: what checkpoints write adds to them, merges in the
 * background replace some by one.
 *
 *     begin ─▶ Delta.add* ─▶ Delta.finish ──▶ [a, b, c] + delta ──▶ the data thread is told: written
 *                                                  │ pickMerge
 *                                                  ▼
 *                                             [a, bcδ] ──▶ the data thread is told: runs ──opened──▶ b, c, δ released
 *
 * Invariants: every run of the list, and every run that the data thread may still read, is leased in the catalog
 * before it has its name; the list always holds exactly the state of the last delta; a run is released only when the
 * data thread has opened a list without it; one merge at a time, and it never fails the job.
 */
import { assert } from '../base/assert.js';
import { TidemarkError, toTidemarkError } from '../base/errors.js';
import { failpoint } from '../base/failpoint.js';
import type { Catalog } from '../catalog/catalog.js';
import { HARD_RUNS, pickMerge } from '../store/pick-merge.js';
import { Delta } from './delta.js';
import type { ToData } from './protocol.js';
import type { Removals } from './removals.js';
import { MERGE, type Run } from './store-protocol.js';
import type { StoreTask } from './store-task.js';

export interface ChainOptions {
  readonly catalog: Catalog;
  readonly job: string;
  readonly epoch: number;
  readonly task: StoreTask;
  readonly removals: Removals;
  send(message: ToData): void;
  /** A merge has ended. */
  onMerge(merge: MergeReport): void;
  onMergeFailed(error: TidemarkError): void;
  now(): number;
}

export interface MergeReport {
  readonly runs: number;
  readonly bytesRead: number;
  readonly bytesWritten: number;
  readonly durationMs: number;
}

/** What a delta became part of. */
export interface ChainState {
  /** Oldest first. */
  readonly runs: readonly Run[];
}

export class Chain {
  readonly #options: ChainOptions;
  #runs: Run[];
  #version = 0;
  #expiredAt: number;
  #merging: Promise<void> | undefined;
  /** Released when the data thread has opened that version. */
  readonly #released: { readonly version: number; readonly names: readonly string[] }[] = [];
  /** Deltas that wait until there are fewer runs. */
  #room: (() => void)[] = [];
  #mergeFailure: TidemarkError | undefined;
  /** Names leased for a delta or a merge that is in no list yet. */
  readonly #coming = new Map<number, string[]>();
  #closed = false;
  #held = false;

  /** `runs`: leased by this attempt. `barrierTime`: processing time that no later snapshot lies before. */
  constructor(options: ChainOptions, runs: readonly Run[], barrierTime: number) {
    this.#options = options;
    this.#runs = [...runs];
    this.#expiredAt = barrierTime;
  }

  get closed(): boolean {
    return this.#closed;
  }

  get runs(): readonly Run[] {
    return this.#runs;
  }

  /** Tells the data thread where its state lies. */
  announce(): void {
    const names = this.#runs.map(({ name }) => name);
    this.#options.send({ type: 'runs', version: ++this.#version, names });
  }

  /** `whole`: all runs are merged into one before it is done, which alone is the state. */
  begin(id: number, whole = false): Delta {
    return new Delta(this, this.#options.task, id, whole);
  }

  /** The data thread uses that list: what it no longer names may go. */
  opened(version: number): void {
    const { catalog, job, epoch, removals } = this.#options;
    while ((this.#released[0]?.version ?? Number.POSITIVE_INFINITY) <= version) {
      const { names } = this.#released.shift() ?? { names: [] };
      failpoint('merge-before-release');
      const free = catalog.unlease(job, epoch, this.#unlisted(names));
      failpoint('merge-released');
      removals.remove(free);
    }
  }

  /** Puts a written delta at the end. With `hold` nothing else is added or merged until `whole` is done. */
  add(id: number, delta: readonly Run[], hold: boolean): ChainState {
    this.#held = hold;
    this.#coming.delete(id);
    // An idle job writes the same again: what is newer and equal stands for what is older. A merge counts on places.
    const equal = new Set(delta.map(({ name }) => name));
    if (this.#merging === undefined) this.#runs = this.#runs.filter(({ name }) => !equal.has(name));
    this.#runs.push(...delta);
    failpoint('delta-written');
    const names = this.#runs.map(({ name }) => name);
    this.#options.send({ type: 'written', id, version: ++this.#version, names });
    const state = { runs: [...this.#runs] };
    this.#maybeMerge();
    return state;
  }

  /** A run of a delta, or of a merge, is about to get its name. */
  leased(owner: number, name: string): void {
    this.#coming.set(owner, [...(this.#coming.get(owner) ?? []), name]);
  }

  /** Takes back what was leased for a delta or a merge that came to nothing. */
  drop(owner: number): void {
    const { catalog, job, epoch, removals } = this.#options;
    const coming = this.#coming.get(owner) ?? [];
    this.#coming.delete(owner);
    const names = this.#unlisted(coming);
    if (names.length === 0) return;
    removals.remove(catalog.unlease(job, epoch, names));
  }

  /** Processing time at the barrier of the last delta. */
  passed(barrierTime: number): void {
    this.#expiredAt = Math.max(this.#expiredAt, barrierTime);
  }

  /** All runs as one without tombstones, after an `add` that holds. */
  async whole(): Promise<ChainState> {
    assert(this.#held, 'nothing may come in between');
    try {
      while (this.#merging !== undefined) await this.#merging;
      const [first, ...more] = this.#runs;
      const clean = first?.tables.every(({ tombstones }) => tombstones === 0) === true;
      if (first !== undefined && more.length === 0 && clean) return { runs: [first] };
      this.#merging = this.#merge(0, this.#runs.length, true);
      await this.#merging;
      if (this.#mergeFailure !== undefined) throw this.#mergeFailure;
      if (this.#closed) throw new TidemarkError('CHECKPOINT_FAILED', 'the attempt ended');
      return { runs: [...this.#runs] };
    } finally {
      this.#held = false;
      this.#wakeRoom();
      this.#maybeMerge();
    }
  }

  /** Resolves when there are few enough runs for one more. */
  async room(): Promise<void> {
    while ((this.#held || this.#runs.length >= HARD_RUNS) && !this.#closed) {
      this.#maybeMerge();
      if (!this.#held && this.#merging === undefined) throw this.#mergeFailure ?? this.#stuck();
      await new Promise<void>((resolve) => this.#room.push(resolve));
      if (this.#mergeFailure !== undefined) throw this.#mergeFailure;
    }
  }

  /** Ends what is under way. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#wakeRoom();
    await this.#options.task.close();
    await this.#merging;
  }

  /** After `close`, and with nobody reading: only what a checkpoint refers to stays. */
  release(): void {
    const { catalog, job, epoch, removals } = this.#options;
    const names = [
      ...this.#runs.map(({ name }) => name),
      ...this.#released.flatMap(({ names }) => names),
      ...[...this.#coming.values()].flat(),
    ];
    removals.remove(catalog.unlease(job, epoch, [...new Set(names)]));
  }

  #maybeMerge(): void {
    if (this.#merging !== undefined || this.#closed || this.#held) return;
    const picked = pickMerge(this.#runs);
    if (picked !== undefined) this.#merging = this.#merge(picked.from, picked.to, false);
  }

  /** Merges the runs from `from` up to, not with, `to`. Never rejects. */
  async #merge(from: number, to: number, whole: boolean): Promise<void> {
    const { task, now, onMerge, onMergeFailed } = this.#options;
    const inputs = this.#runs.slice(from, to);
    const startedAt = now();
    try {
      const names = inputs.map(({ name }) => name);
      const request = { inputs: names, bottom: from === 0, whole, expiredAt: this.#expiredAt };
      const run = await task.merge(request);
      if (this.#closed) return;
      this.#mergeFailure = undefined;
      this.#coming.delete(MERGE);
      this.#replace(from, inputs, run);
      const bytesRead = inputs.reduce((sum, { bytes }) => sum + bytes, 0);
      const durationMs = Math.round(now() - startedAt);
      onMerge({ runs: inputs.length, bytesRead, bytesWritten: run.bytes, durationMs });
    } catch (error) {
      this.#mergeFailure = toTidemarkError(error);
      if (!this.#closed) this.#dropMerge();
      if (!this.#closed) onMergeFailed(this.#mergeFailure);
    } finally {
      this.#merging = undefined;
      this.#wakeRoom();
    }
    if (this.#mergeFailure === undefined) this.#maybeMerge();
  }

  /** What the catalog refuses here, it refuses the next delta, too. */
  #dropMerge(): void {
    try {
      this.drop(MERGE);
    } catch {
      // Left to the sweep.
    }
  }

  #replace(from: number, inputs: readonly Run[], run: Run): void {
    // Runs are only ever added behind them.
    assert(this.#runs[from]?.name === inputs[0]?.name, 'the inputs of a merge stay in the list');
    // A run with no entry left is no run.
    const empty = run.tables.every(({ entries }) => entries === 0);
    this.#runs.splice(from, inputs.length, ...(empty ? [] : [run]));
    failpoint('merge-installed');
    this.announce();
    const names = [...inputs, run].map(({ name }) => name);
    this.#released.push({ version: this.#version, names });
  }

  /** Those that are neither in the list nor about to be: equal content has one name. */
  #unlisted(names: readonly string[]): string[] {
    const listed = new Set([...this.#runs.map(({ name }) => name), ...[...this.#coming.values()].flat()]);
    return [...new Set(names)].filter((name) => !listed.has(name));
  }

  #wakeRoom(): void {
    for (const resolve of this.#room.splice(0)) resolve();
  }

  #stuck(): TidemarkError {
    return new TidemarkError('CHECKPOINT_FAILED', `${this.#runs.length} segments, and no merge of them`);
  }
}
