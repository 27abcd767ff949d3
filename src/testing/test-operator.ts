/**
 * Runs one operator, or any piece of a dataflow, in a test, which says what comes and when:
 *
 * ```ts
 * const op = await testOperator((flights: Stream<Flight>) =>
 *   flights.keyBy((f) => f.origin).window('hourly', { assign: windows.tumbling('1h'), reduce: slower }),
 * );
 * op.push(first, Date.parse('2001-01-01T10:20Z'));
 * op.watermark(Date.parse('2001-01-01T11:00Z'));
 * assert.deepEqual(op.takeOutput(), [first]);
 * op.push(second, Date.parse('2001-01-01T10:50Z'));
 * assert.deepEqual(op.takeOutput('late'), [second]);
 * ```
 *
 * Invariants: everything that an element, the watermark or the clock brings about has happened when the call returns:
 * all timers that are due have fired. Event time moves when the test says so, and to that time; never by elements. Only what
 * `asyncMap` waits for comes later: `await op.settled()`.
 */
import { present } from '../base/assert.js';
import { TidemarkError } from '../base/errors.js';
import type { Stream } from '../graph/stream.js';
import { isKeyed } from '../runtime/compile.js';
import type { Table } from '../runtime/tables.js';
import { Harness, type HarnessOptions, snapshotOf } from './harness.js';
import { MAIN, type Piece, type PieceInput, pieceOf } from './piece.js';
import type { TakenSnapshot } from './taken.js';

/** Steps in which timers go on falling due, after which that counts as never ending. */
const MOST_STEPS = 5000;

export type TestOperatorOptions = HarnessOptions;

/** A stream of each type. */
export type StreamsOf<Ts extends readonly unknown[]> = { [I in keyof Ts]: Stream<Ts[I]> };

type ElementsOf<S> = { readonly [N in keyof S]: S[N] extends Stream<infer O> ? O : never };

/** What the main output of a piece gives. */
export type MainOf<R> = R extends Stream<infer O> ? O : never;

/** What the other outputs give, by name. */
export type NamedOf<R> = R extends { readonly side: infer S }
  ? ElementsOf<S>
  : R extends { readonly late: Stream<infer L> }
    ? { readonly late: L }
    : R extends { readonly late: { readonly left: Stream<infer L>; readonly right: Stream<infer M> } }
      ? { readonly 'late-left': L; readonly 'late-right': M }
      : R extends Stream<infer _>
        ? Record<never, never>
        : ElementsOf<R>;

/**
 * Opens a piece of a dataflow: a function from one stream, or several, to what leaves it. That is a stream, with its side
 * outputs or late elements beside it, or an object of streams; what reaches a sink of the piece is kept under its uid.
 *
 * `restore` takes a snapshot of this harness or of `testJob`, or an archive of a whole job: what belongs to the
 * operators of the piece is restored, by their uids, the rest is left out.
 * @throws TidemarkError GRAPH_INVALID for what cannot run, USAGE when nothing in the snapshot belongs to the piece,
 *   INCOMPATIBLE when the piece has no place for something of its operators, and what `open` of those throws.
 */
export async function testOperator<Ts extends readonly unknown[], R>(
  piece: (...inputs: StreamsOf<Ts>) => R,
  options: TestOperatorOptions = {},
): Promise<TestOperator<Ts, R>> {
  const built = pieceOf(Math.max(1, piece.length), piece as (...inputs: Stream<never>[]) => R);
  const operator = new TestOperator<Ts, R>(built, options, await snapshotOf(options));
  await operator.open();
  return operator;
}

export class TestOperator<Ts extends readonly unknown[], R> extends Harness {
  readonly #piece: Piece;
  /** Elements are dealt out to the subtasks in turn. */
  #pushed = 0;
  #watermark = Number.NEGATIVE_INFINITY;

  /** `testOperator` makes one. */
  constructor(
    piece: Piece,
    options: Omit<TestOperatorOptions, 'restore'>,
    restore: TakenSnapshot | undefined,
  ) {
    super('test', piece.graph, options, restore);
    this.#piece = piece;
    this.dataflow.compiled.watermarks.hold(this.#watermark);
    const { tables = [] } = restore ?? {};
    if (restore === undefined || tables.some((table) => this.takes(table))) return;
    const found = [...new Set(tables.map(({ operator }) => operator))].join(', ');
    throw new TidemarkError('USAGE', `the snapshot has nothing of this piece; it is of: ${found}`);
  }

  /**
   * An element to the first input. Where windows or event timers see it, it needs its timestamp, in whole milliseconds
   * since 1970, unless the piece begins with `assignTimestamps`. It does not move the watermark.
   * @throws what it made fail, with the operator and the element; after that nothing more can be done.
   */
  push(element: Ts[0], timestamp?: number): void {
    this.pushTo(0, element, timestamp);
  }

  /** Elements to the first input, one after the other. */
  pushAll(elements: Iterable<Ts[0]>, timestamp?: (element: Ts[0]) => number): void {
    for (const element of elements) this.pushTo(0, element, timestamp?.(element));
  }

  /** An element to an input by its place among the parameters of the piece, from 0: what is broadcast, for one. */
  pushTo<I extends number>(input: I, element: Ts[I], timestamp?: number): void {
    this.#expectAlive();
    const to = this.#piece.inputs[input];
    if (to === undefined)
      throw new TidemarkError('USAGE', `no input ${input}; there are ${this.#piece.inputs.length}, from 0`);
    checkTimestamp(to, timestamp);
    const { inputs, eventTime, parallelism } = this.dataflow.compiled;
    const subtask = this.#pushed++ % parallelism;
    eventTime.timestamp = timestamp ?? Number.NaN;
    present(inputs.get(to.gate)?.[subtask], 'a gate for each subtask').push(element);
    this.#settle();
  }

  /**
   * Moves event time to exactly `time`, at all inputs: no element at or before it is expected any more. All event timers
   * and windows up to it fire. An operator that was restored with a later watermark keeps that.
   * @throws TidemarkError USAGE when that is back, and what failed.
   */
  watermark(time: number): void {
    this.#expectAlive();
    if (!Number.isSafeInteger(time))
      throw new TidemarkError('USAGE', `watermark: expected whole milliseconds since 1970, found ${time}`);
    if (time < this.#watermark)
      throw new TidemarkError('USAGE', `watermark: ${time} is before ${this.#watermark}, where it is`);
    this.#watermark = time;
    this.dataflow.compiled.watermarks.hold(time);
    this.#settle();
  }

  /**
   * Says that nothing more comes: event time goes to its end, then pending processing-time timers are dropped. Where something
   * is in flight, `settled` brings that to its end.
   */
  endOfInput(): void {
    this.#expectAlive();
    this.#watermark = Number.POSITIVE_INFINITY;
    this.dataflow.drain();
    this.#settle();
  }

  /**
   * Lets calls of `asyncMap` be answered, and what comes of that happen: until nothing is in flight, or what is waits for the
   * clock, or for an answer that does not come by itself. Says how many are in flight still.
   * @throws what failed.
   */
  async settled(): Promise<number> {
    for (let looks = 0; this.dataflow.inFlight > 0 && looks < this.patience(); ) {
      await new Promise<void>((resolve) => (looks === 0 ? setImmediate(resolve) : setTimeout(resolve, 1)));
      looks = this.#settle() ? 0 : looks + 1;
    }
    return this.dataflow.inFlight;
  }

  /** Moves the clock on by milliseconds, or `'5m'`; processing-time timers that fall due fire. */
  advance(by: number | string): void {
    if (this.where.failure !== undefined) throw this.where.failure;
    this.clock.advance(by);
    this.#settle();
  }

  /** All that has left the piece so far: by the stream it returned, or by the name of another output. */
  output(): readonly MainOf<R>[];
  output<N extends keyof NamedOf<R> & string>(name: N): readonly NamedOf<R>[N][];
  output(sink: string): readonly unknown[];
  output(name: string = MAIN): readonly unknown[] {
    return this.#piece.outputs.all(name);
  }

  /** What has left the piece there since this was last called for it. */
  takeOutput(): readonly MainOf<R>[];
  takeOutput<N extends keyof NamedOf<R> & string>(name: N): readonly NamedOf<R>[N][];
  takeOutput(sink: string): readonly unknown[];
  takeOutput(name: string = MAIN): readonly unknown[] {
    return this.#piece.outputs.take(name);
  }

  /** All of the piece's operators that keep something; the sources and sinks of a job are not here. */
  protected override takes({ operator }: Table): boolean {
    return this.dataflow.compiled.graph.nodes
      .filter((node) => isKeyed(node) || node.kind === 'asyncMap')
      .some(({ uid, formerly }) => uid === operator || formerly.includes(operator));
  }

  #expectAlive(): void {
    if (this.where.failure !== undefined) throw this.where.failure;
    if (this.#watermark === Number.POSITIVE_INFINITY)
      throw new TidemarkError('USAGE', 'nothing comes after endOfInput()');
  }

  /** Fires all that is due, and lets what came out reach the outputs; false where nothing did. */
  #settle(): boolean {
    let steps = 0;
    for (; this.dataflow.step(this.clock.monotonic()); steps++) {
      if (steps === MOST_STEPS)
        throw new TidemarkError('USAGE', `timers go on falling due: some are always set at or before now`);
    }
    for (const { operators } of this.dataflow.compiled.sinks) for (const sink of operators) sink.flush();
    if (this.dataflow.draining && this.dataflow.inFlight === 0) this.dataflow.dropTimers();
    return steps > 0;
  }
}

function checkTimestamp({ assigns, needsTime }: PieceInput, timestamp: number | undefined): void {
  const problem = timestampProblem(assigns, needsTime, timestamp);
  if (problem !== undefined) throw new TidemarkError('USAGE', `push: ${problem}`);
}

function timestampProblem(
  assigns: boolean,
  needsTime: string | undefined,
  timestamp: number | undefined,
): string | undefined {
  if (timestamp !== undefined) {
    if (assigns) return 'the piece has assignTimestamps, so that elements are given without a timestamp';
    if (Number.isSafeInteger(timestamp)) return undefined;
    return `expected a timestamp in whole milliseconds since 1970, found ${timestamp}`;
  }
  if (assigns || needsTime === undefined) return undefined;
  return `${needsTime} goes by event time: give the element its timestamp`;
}
