/**
 * Runs a definition in a test: in this thread, with a clock that only the test moves, without a home, without real
 * time. What it runs are the same operators and the same state backend as in a job.
 *
 * ```ts
 * const job = await testJob(wordCount, { inputs: { lines: ['a b', 'b'] } });
 * await job.run();
 * assert.deepEqual(job.output('out').at(-1), { word: 'b', seen: 2 });
 * assert.equal(job.state('count.seen', 'b'), 2);
 * const snapshot = await job.snapshot();
 * const wider = await testJob(wordCount, { restore: snapshot, parallelism: 3, inputs: { lines: ['a b', 'b', 'b'] } });
 * ```
 *
 * What state hands out, and what is put into it, is read-only: code that changes it fails here, and not some day after
 * a restore. See freeze.ts for what cannot be made so.
 */
import { TidemarkError } from '../base/errors.js';
import { ByteReader } from '../codec/reader.js';
import { valueCodec } from '../codec/value.js';
import { ByteWriter } from '../codec/writer.js';
import type { Entry } from '../format/entry.js';
import type { Definition } from '../graph/definition.js';
import { resolveParams } from '../graph/param.js';
import type { Table } from '../runtime/tables.js';
import { Harness, type HarnessOptions, snapshotOf } from './harness.js';
import { Outputs } from './outputs.js';
import { substitute } from './substitute.js';
import type { TakenSnapshot } from './taken.js';

/** Looks, a millisecond apart, after which a job counts as idle. */
const IDLE_LOOKS = 20;
const DISK_LOOKS = 2000;

export interface TestJobOptions extends HarnessOptions {
  readonly params?: Readonly<Record<string, string>>;
  /**
   * By source uid: what it gives, in place of what it reads. Restored from a test's snapshot in which it had an input, too,
   * it goes on behind what it had given then; restored from an archive, it begins with the first.
   */
  readonly inputs?: Readonly<Record<string, readonly unknown[]>>;
  /** Elements of an input after which event time may advance; 1 for every one. Default: as in a job, up to 512. */
  readonly batch?: number;
  /** Let the definition's own sinks write; by default what reaches a sink is kept for `output`. */
  readonly liveSinks?: boolean;
}

/** Builds the definition's dataflow, restores it if asked to, and opens it. Throws what the definition throws. */
export async function testJob(definition: Definition, options: TestJobOptions = {}): Promise<TestJob> {
  const job = new TestJob(definition, options, await snapshotOf(options));
  await job.open();
  return job;
}

export class TestJob extends Harness {
  readonly #outputs: Outputs;
  readonly #captured: boolean;
  readonly #inputs: readonly string[];
  #timersDropped = false;

  /** `testJob` makes one. */
  constructor(
    definition: Definition,
    options: Omit<TestJobOptions, 'restore'>,
    restore: TakenSnapshot | undefined,
  ) {
    const { inputs = {}, batch, liveSinks = false } = options;
    if (batch !== undefined && !(Number.isSafeInteger(batch) && batch > 0))
      throw new TidemarkError('USAGE', `batch: expected a whole number of at least 1, found ${batch}`);
    const built = definition.build(resolveParams(definition.params, options.params ?? {}, process.env));
    const outputs = new Outputs('sink');
    const ends = { inputs, batch, outputs: liveSinks ? undefined : outputs };
    super(definition.name, substitute(built, ends), options, restore);
    this.#outputs = outputs;
    this.#captured = !liveSinks;
    this.#inputs = Object.keys(inputs);
  }

  /**
   * Processes until the end of all inputs, or until nothing moves without the clock. Throws what fails the job.
   * At the end of input pending processing-time timers are dropped, as in a job.
   */
  async run(): Promise<'ended' | 'idle'> {
    for (let idle = 0; idle < this.patience(); ) {
      if (await this.step()) idle = 0;
      else if (this.dataflow.ended) return this.#ended();
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
    const worked = this.dataflow.step(this.clock.monotonic());
    await Promise.all(this.dataflow.waiting.splice(0));
    return worked;
  }

  /** Moves the clock by milliseconds, or `'5m'`, and processes what becomes due. */
  async advance(by: number | string): Promise<void> {
    this.clock.advance(by);
    await this.run();
  }

  /** What has reached a sink so far. */
  output(sink: string): readonly unknown[] {
    return this.#outputs.all(sink);
  }

  /** What has reached a sink since this was last called for it. */
  takeOutput(sink: string): readonly unknown[] {
    return this.#outputs.take(sink);
  }

  override async snapshot(): Promise<TakenSnapshot> {
    return { ...(await super.snapshot()), inputs: this.#inputs };
  }

  /** What a sink or source kept that the test has replaced belongs to none here. */
  protected override takes({ operator, kind }: Table, { inputs = [] }: TakenSnapshot): boolean {
    const node = this.#nodeOf(operator);
    if (node?.kind === 'sink') return !this.#captured;
    if (node?.kind !== 'source') return true;
    const given = this.#isGiven(operator);
    return kind === 'splits' ? given === inputs.includes(operator) : !given;
  }

  /** An input that had come to its end goes on all the same: a test may have given it more. */
  protected override rewrite(entry: Entry, { kind, operator }: Table): Entry {
    if (kind !== 'splits' || !this.#isGiven(operator)) return entry;
    const out = new ByteWriter();
    valueCodec.write({ ...(valueCodec.read(new ByteReader(entry.value)) as object), done: false }, out);
    return { ...entry, value: out.copy() };
  }

  /** Looks without work that make a job idle: few where something waits for the clock, else what answers, or a disk, may need. */
  protected override patience(): number {
    if (this.dataflow.inFlight > 0) return super.patience();
    const { sources } = this.dataflow.compiled;
    const now = this.clock.monotonic();
    const onClock =
      this.clock.sleeping > 0 || sources.some((source) => source.waitMs(now) < Number.POSITIVE_INFINITY);
    return onClock ? IDLE_LOOKS : DISK_LOOKS;
  }

  #isGiven(operator: string): boolean {
    const node = this.#nodeOf(operator);
    return node !== undefined && this.#inputs.includes(node.uid);
  }

  /** The operator that a snapshot knows by this uid. */
  #nodeOf(operator: string) {
    return this.dataflow.compiled.graph.nodes
      .filter((node) => 'uid' in node)
      .find(({ uid, formerly }) => uid === operator || formerly.includes(operator));
  }

  #ended(): 'ended' {
    if (!this.#timersDropped) this.dataflow.dropTimers();
    this.#timersDropped = true;
    return 'ended';
  }
}
