/**
 * Runs a definition in a test: in this thread, with a clock that only the test moves, without a home, without real
 * time. What it runs are the same operators and the same state backend as in a job.
 *
 * ```ts
 * const job = await testJob(wordCount, { inputs: { lines: ['a b', 'b'] } });
 * await job.run();
 * assert.deepEqual(job.output('out').at(-1), { word: 'b', seen: 2 });
 * assert.equal(await job.state('count.seen', 'b'), 2);
 * const snapshot = await job.snapshot();
 * const wider = await testJob(wordCount, { restore: snapshot, parallelism: 3, inputs: { lines: ['a b', 'b', 'b'] } });
 * ```
 */
import { TidemarkError } from '../base/errors.js';
import { defaultMaxParallelism } from '../base/key-groups.js';
import { realDisk } from '../base/real-disk.js';
import type { Definition } from '../graph/definition.js';
import { resolveParams } from '../graph/param.js';
import { Dataflow } from '../runtime/dataflow.js';
import { Where } from '../runtime/where.js';
import { createMemoryBackend } from '../state/memory/backend.js';
import { snapshotFromArchive } from './from-archive.js';
import { ManualClock } from './manual-clock.js';
import { readState } from './read-state.js';
import { substitute } from './substitute.js';
import { entriesOf, type TakenSnapshot, take } from './taken.js';

/** Looks, a millisecond apart, after which a job counts as idle. */
const IDLE_LOOKS = 20;
const DISK_LOOKS = 2000;

export interface TestJobOptions {
  readonly params?: Readonly<Record<string, string>>;
  readonly parallelism?: number;
  readonly maxParallelism?: number;
  /** By source uid: what it gives, in place of what it reads. */
  readonly inputs?: Readonly<Record<string, readonly unknown[]>>;
  /** Let the definition's own sinks write; by default what reaches a sink is kept for `output`. */
  readonly liveSinks?: boolean;
  readonly clock?: ManualClock;
  /** Start from a snapshot that another test job took, or from the savepoint at this path. */
  readonly restore?: TakenSnapshot | string;
  /** Where relative paths begin. */
  readonly cwd?: string;
}

/** Builds the definition's dataflow, restores it if asked to, and opens it. Throws what the definition throws. */
export async function testJob(definition: Definition, options: TestJobOptions = {}): Promise<TestJob> {
  const { restore, ...rest } = options;
  const snapshot = typeof restore === 'string' ? await snapshotFromArchive(restore) : restore;
  const job = new TestJob(definition, snapshot === undefined ? rest : { ...rest, restore: snapshot });
  await job.open();
  return job;
}

export class TestJob {
  readonly clock: ManualClock;
  /** What the job's code logged. */
  readonly log: string[] = [];
  readonly #outputs = new Map<string, unknown[]>();
  readonly #where = new Where();
  readonly #dataflow: Dataflow;
  readonly #restore: TakenSnapshot | undefined;
  #checkpoint: number;
  #timersDropped = false;

  constructor(
    definition: Definition,
    options: Omit<TestJobOptions, 'restore'> & { readonly restore?: TakenSnapshot },
  ) {
    const { parallelism = 1, restore } = options;
    this.clock = options.clock ?? new ManualClock(restore?.barrierTime ?? 0);
    this.#restore = restore;
    this.#checkpoint = restore?.checkpoint ?? 0;
    const built = definition.build(resolveParams(definition.params, options.params ?? {}, process.env));
    const captureSinks = options.liveSinks !== true;
    const inputs = options.inputs ?? {};
    this.#dataflow = new Dataflow({
      graph: substitute(built, { inputs, outputs: this.#outputs, captureSinks }),
      parallelism,
      maxParallelism: options.maxParallelism ?? restore?.maxParallelism ?? defaultMaxParallelism(parallelism),
      backend: createMemoryBackend,
      snapshots: 'all',
      context: {
        cwd: options.cwd ?? process.cwd(),
        disk: realDisk,
        clock: this.clock,
        job: { id: 'test', name: definition.name },
        attempt: 1,
        lineage: [],
        log: (line) => void this.log.push(line),
        stdout: async (text) => void this.log.push(text),
      },
      where: this.#where,
      liveSinks: true,
      rewind: false,
      wake: () => undefined,
    });
  }

  /** `testJob` calls this. */
  async open(): Promise<void> {
    if (this.#restore !== undefined) {
      for (const entry of entriesOf(this.#restore)) this.#dataflow.restore(entry, this.#restore.tables);
    }
    await this.#dataflow.open({ barrierTime: this.#restore?.barrierTime, fromOrigin: false });
  }

  /**
   * Processes until the end of all inputs, or until nothing moves without the clock. Throws what fails the job.
   * At the end of input pending processing-time timers are dropped, as in a job.
   */
  async run(): Promise<'ended' | 'idle'> {
    for (let idle = 0; idle < this.#patience(); ) {
      if (await this.step()) idle = 0;
      else if (this.#dataflow.ended) return this.#ended();
      else {
        idle++;
        await new Promise<void>((resolve) => setTimeout(resolve, 1));
      }
    }
    return 'idle';
  }

  /** One batch of one source, or the timers that are due; false when there was nothing to do. */
  async step(): Promise<boolean> {
    // Sources are asynchronous generators: let the one asked last come to its next batch.
    await new Promise<void>((resolve) => setImmediate(resolve));
    const worked = this.#dataflow.step(this.clock.monotonic());
    await Promise.all(this.#dataflow.waiting.splice(0));
    return worked;
  }

  /** Moves the clock by `ms` milliseconds and processes what becomes due. */
  async advance(ms: number): Promise<void> {
    this.clock.advance(ms);
    await this.run();
  }

  /** What has reached a sink so far. */
  output(sink: string): readonly unknown[] {
    const output = this.#outputs.get(sink);
    if (output !== undefined) return output;
    throw new TidemarkError('USAGE', `no sink ${sink}; there are: ${[...this.#outputs.keys()].join(', ')}`);
  }

  /** What is kept under `uid.name` for a key: the value, number, list or Map; undefined when there is nothing. */
  async state(name: string, key: unknown): Promise<unknown> {
    const { graph } = this.#dataflow.compiled;
    return readState(await this.#peek(), graph, name, key);
  }

  /** A snapshot as a savepoint would take it; the job may go on. */
  async snapshot(): Promise<TakenSnapshot> {
    const snapshot = await this.#peek();
    this.#checkpoint++;
    await this.#dataflow.commit(snapshot.checkpoint);
    return snapshot;
  }

  /** Lets go of what the job's code holds. */
  async close(): Promise<void> {
    await this.#dataflow.close();
  }

  async #peek(): Promise<TakenSnapshot> {
    return take(this.#dataflow, this.#checkpoint + 1);
  }

  /** Looks without work that make a job idle: few where something waits for the clock, else what a disk may need. */
  #patience(): number {
    const { sources } = this.#dataflow.compiled;
    const now = this.clock.monotonic();
    const onClock =
      this.clock.sleeping > 0 || sources.some((source) => source.waitMs(now) < Number.POSITIVE_INFINITY);
    return onClock ? IDLE_LOOKS : DISK_LOOKS;
  }

  #ended(): 'ended' {
    if (!this.#timersDropped) this.#dataflow.dropTimers();
    this.#timersDropped = true;
    return 'ended';
  }
}
