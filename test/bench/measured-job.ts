/**
 * A real job in this process, in a home of its own: bundled definition, catalog, data thread, segments on disk.
 * What its user code measured comes back as a file, since that is code of another thread and another bundle.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { systemClock } from '../../src/base/clock.js';
import { type HomePaths, homePaths } from '../../src/base/home.js';
import { systemRandom } from '../../src/base/random.js';
import { Catalog } from '../../src/catalog/catalog.js';
import type { CheckpointRecord } from '../../src/catalog/records.js';
import { callControl } from '../../src/control/client.js';
import type { SettingsFlags } from '../../src/graph/resolve-settings.js';
import { prepareJob } from '../../src/job/prepare.js';
import { Runner } from '../../src/job/runner.js';
import { type ProcessIo, processIo } from './process-io.js';

/** The project's folder: compiled benchmarks lie in dist/test/bench. */
export const PROJECT = resolve(import.meta.dirname, '../../..');

export interface MeasuredJobOptions {
  /** Below test/bench/jobs, or from the project's folder when it has a slash. */
  readonly definition: string;
  readonly params: Readonly<Record<string, string>>;
  readonly flags?: SettingsFlags;
}

/** When a checkpoint was asked for and complete, milliseconds of the clock that all threads share. */
export interface TimedCheckpoint {
  readonly from: number;
  readonly to: number;
  readonly record: CheckpointRecord;
}

/** What merges in the background have done so far. */
export interface Merges {
  readonly count: number;
  readonly bytesWritten: number;
  readonly ms: number;
}

export class MeasuredJob {
  readonly folder = mkdtempSync(join(tmpdir(), 'tidemark-bench-'));
  readonly home: HomePaths = homePaths(join(this.folder, 'home'));
  readonly #catalog = Catalog.open(this.home, { create: true, clock: systemClock, random: systemRandom });
  readonly #options: MeasuredJobOptions;
  #job = '';
  #runner: Runner | undefined;
  #attemptAt = 0;
  #runningAt = 0;
  #running: (() => void) | undefined;
  #merges: Merges = { count: 0, bytesWritten: 0, ms: 0 };
  #attemptIo: ProcessIo = processIo();
  #runningIo: ProcessIo = processIo();

  constructor(options: MeasuredJobOptions) {
    this.#options = options;
  }

  /** Starts or resumes; resolves once elements flow, with the milliseconds since the attempt began. */
  async start(): Promise<number> {
    if (this.#job === '') this.#job = await this.#prepare();
    const running = new Promise<void>((resolve) => {
      this.#running = resolve;
    });
    const runner = await Runner.start({
      home: this.home,
      catalog: this.#catalog,
      job: this.#job,
      environment: process.env,
      stdout: async () => {},
      onEvent: (event) => {
        if (event.type === 'attempt') {
          this.#attemptAt = sharedNow();
          this.#attemptIo = processIo();
        }
        if (event.type === 'running') {
          this.#runningAt = sharedNow();
          this.#runningIo = processIo();
          this.#running?.();
        }
        if (event.type === 'merge') this.#merged(event);
        if (event.type === 'failure') this.#failed(event.error.message);
      },
    });
    this.#runner = runner;
    await Promise.race([running, runner.ended]);
    return this.#runningAt - this.#attemptAt;
  }

  /** Takes a checkpoint as `tidemark checkpoint` does; resolves once it is complete and committed. */
  async checkpoint(): Promise<TimedCheckpoint> {
    const { socket } = this.#catalog.job(this.#job);
    if (socket === undefined || socket === null) throw new Error('the job has no control socket');
    const from = sharedNow();
    const answer = (await callControl(socket, 'POST', '/v1/checkpoint', {}, 0)) as { readonly id: number };
    return { from, to: sharedNow(), record: this.#catalog.checkpoint(this.#job, answer.id) };
  }

  get merges(): Merges {
    return this.#merges;
  }

  /** What this process read between the beginning of the last attempt and its first step. */
  get bytesToStart(): number {
    return this.#runningIo.read - this.#attemptIo.read;
  }

  /** Elements read so far, as the job last told. */
  get elements(): number {
    return this.#runner?.metrics()?.elements ?? 0;
  }

  /** Resolves once this many elements were read. */
  async reach(elements: number): Promise<void> {
    while (this.elements < elements) await systemClock.sleep(100);
  }

  /** The last completed checkpoint. */
  lastCheckpoint(): CheckpointRecord | undefined {
    return this.#catalog.lastCompleted(this.#job);
  }

  /** Rejects once the job has ended, which was not what the caller waits for. */
  async lasting(): Promise<never> {
    await this.#runner?.ended;
    throw new Error('the measured job ended');
  }

  /** Waits for the end of the input. */
  async finished(): Promise<void> {
    await this.#runner?.ended;
  }

  /** A last checkpoint, then the end. */
  async suspend(): Promise<void> {
    this.#runner?.suspend('suspend');
    await this.#runner?.ended;
  }

  /** What the job's user code left at `params.report`. */
  report<T>(): T {
    return JSON.parse(readFileSync(this.#report, 'utf8')) as T;
  }

  remove(): void {
    this.#catalog.close();
    rmSync(this.folder, { recursive: true, force: true });
  }

  get #report(): string {
    return join(this.folder, 'report.json');
  }

  async #prepare(): Promise<string> {
    const { definition, params, flags = {} } = this.#options;
    const path = definition.includes('/') ? definition : join('test/bench/jobs', definition);
    const job = await prepareJob(this.home, this.#catalog, {
      definition: join(PROJECT, path),
      params: { ...params, ...(definition.includes('/') ? {} : { report: this.#report }) },
      flags: { checkpointInterval: '0', restart: 'none', ...flags },
      cwd: this.folder,
      environment: process.env,
    });
    return job.id;
  }

  #merged({
    bytesWritten,
    durationMs,
  }: {
    readonly bytesWritten: number;
    readonly durationMs: number;
  }): void {
    const { count, bytesWritten: before, ms } = this.#merges;
    this.#merges = { count: count + 1, bytesWritten: before + bytesWritten, ms: ms + durationMs };
  }

  #failed(message: string): void {
    process.stderr.write(`the measured job failed: ${message}\n`);
  }
}

/** Milliseconds of a clock that all threads of this process read alike. */
export function sharedNow(): number {
  const [seconds, nanos] = process.hrtime();
  return seconds * 1000 + nanos / 1e6;
}
