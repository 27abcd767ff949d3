/** Keyed streams: the operators that keep state per key. Each method adds a node to the graph under construction. */
import type { GraphBuilder } from './builder.js';
import { show } from './names.js';
import type {
  BroadcastDeclarations,
  BroadcastProcessSpec,
  ProcessSpec,
  SideDeclarations,
  StateDeclarations,
  TimerDeclarations,
} from './process.js';
import { readWindow } from './read-window.js';
import { BroadcastStream, type Nothing, ProcessStream, WindowStream } from './stream.js';
import type { AggregateWindow, ApplyWindow, ReduceWindow } from './window.js';

declare const sees: unique symbol;

/** Elements of type `T` by their key `K`; all elements of one key meet in one place. Made by `keyBy`. */
export class KeyedStream<T, K> {
  readonly #graph: GraphBuilder;
  readonly #node: number;

  /** Made by `Stream.keyBy` only. */
  constructor(graph: GraphBuilder, node: number) {
    this.#graph = graph;
    this.#node = node;
  }

  /**
   * An operator with state, timers and side outputs per key (Flink's `KeyedProcessFunction`). `uid` names it for
   * good: its state is found by it after an upgrade.
   *
   * `onElement` runs for each element and `onTimer.<name>` for each timer that falls due, both with `ctx` of the
   * element's or timer's key. What `emits` names is what `ctx.emit` takes and the returned stream carries.
   * @example
   * words.keyBy((word) => word).process('count', {
   *   state: { seen: state.number(0) },
   *   timers: { quiet: 'processing' },
   *   sides: { rare: type<string>() },
   *   emits: type<{ word: string; seen: number }>(),
   *   onElement(word, ctx) {
   *     ctx.state.seen.add(1);
   *     ctx.timers.quiet.clear();
   *     ctx.timers.quiet.set(ctx.now() + 60_000);
   *     ctx.emit({ word, seen: ctx.state.seen.get() });
   *   },
   *   onTimer: {
   *     quiet(at, ctx) {
   *       if (ctx.state.seen.get() === 1) ctx.side.rare(ctx.key);
   *     },
   *   },
   * })
   */
  process<
    S extends StateDeclarations = Nothing,
    M extends TimerDeclarations = Nothing,
    D extends SideDeclarations = Nothing,
    O = never,
  >(uid: string, spec: ProcessSpec<T, K, S, M, D, O>): ProcessStream<O, D> {
    const node = this.#graph.add((id) => ({
      id,
      kind: 'process',
      uid,
      formerly: spec?.formerly ?? [],
      input: this.#node,
      spec: spec as unknown as ProcessSpec<unknown, unknown>,
    }));
    return new ProcessStream<O, D>(this.#graph, node, Object.keys(spec?.sides ?? {}));
  }

  /**
   * Gathers the elements of each key by windows of event time and gives a result for each pane, the window of one key
   * (Flink's `WindowOperator`). `uid` names it for good: its panes are found by it after an upgrade.
   *
   * One of three functions says what a pane keeps and gives:
   * - `reduce(a, b)`: one element made of two; the result is it, or `result(element, window)`.
   * - `aggregate: { init, add, merge?, result }`: an accumulator. `result(accumulator, window)`.
   * - `apply(elements, window)`: all elements, in the order they came; each value it yields is a result.
   *
   * A pane gives its result once the watermark has passed the end of its window, unless `trigger` says otherwise. With
   * `lateness`, each element that comes up to so much later gives the new result at once; what comes later still changes
   * nothing, is counted, and goes to `late`. Results have the timestamp `end - 1`, so that windows can follow windows;
   * those of `windows.global()` have that of the element.
   *
   * Windows of more than `windows.global()` need timestamps: see `Stream.assignTimestamps`.
   * @example
   * const hourly = flights.keyBy((f) => f.origin).window('hourly', {
   *   assign: windows.sliding('1h', '5m'),
   *   lateness: '10m',
   *   aggregate: {
   *     init: () => ({ n: 0, sum: 0 }),
   *     add: (a, f) => ({ n: a.n + 1, sum: a.sum + f.delay }),
   *     merge: (a, b) => ({ n: a.n + b.n, sum: a.sum + b.sum }),
   *     result: (a, w) => ({ origin: w.key, end: w.end, mean: a.sum / a.n }),
   *   },
   * });
   * hourly.late.sink('late', fileSink('out/late'));
   */
  window<A = unknown, O = T>(
    uid: string,
    spec: ReduceWindow<T, K, O> | AggregateWindow<T, K, A, O> | ApplyWindow<T, K, O>,
  ): WindowStream<O, T> {
    // One signature for the three: of overloads, the compiler explains what is wrong by the last alone.
    const read = readWindow(spec);
    for (const finding of read.findings) this.#graph.find(`window ${show(uid)}: ${finding}`);
    const node = this.#graph.add((id) => ({
      id,
      kind: 'window',
      uid,
      formerly: spec?.formerly ?? [],
      input: this.#node,
      spec: read.spec,
    }));
    return new WindowStream<O, T>(this.#graph, node);
  }

  /**
   * Lets an operator see a broadcast stream beside this one.
   * @example events.keyBy((e) => e.user).connect(rules.broadcast()).process('match', { … })
   */
  connect<R>(broadcast: BroadcastStream<R>): BroadcastConnectedStream<T, R, K> {
    const node = BroadcastStream.nodeOf(broadcast, this.#graph);
    if (node === undefined) this.#graph.find(`connect ${notBroadcast(broadcast)}`);
    return new BroadcastConnectedStream<T, R, K>(this.#graph, this.#node, node ?? this.#node);
  }

  /** Hands the keyed stream to a function and returns what that returns. */
  via<R>(use: (stream: KeyedStream<T, K>) => R): R {
    return use(this);
  }
}

function notBroadcast(given: unknown): string {
  if (given instanceof BroadcastStream) return 'expects a stream of this job, found one of another';
  const found = given instanceof KeyedStream ? 'a keyed stream, which cannot be connected yet' : show(given);
  return `expects a broadcast stream, such as rules.broadcast(), found ${found}`;
}

/** A keyed stream and a broadcast one, for one operator to see both. Made by `KeyedStream.connect`. */
export class BroadcastConnectedStream<T, R, K> {
  readonly #graph: GraphBuilder;
  readonly #keyed: number;
  readonly #broadcast: number;
  /** A method's type, so that a stream of a narrower type may stand for one of a wider. */
  declare readonly [sees]?: { of(element: T, broadcast: R, key: K): void }['of'];

  /** Made by `KeyedStream.connect` only. */
  constructor(graph: GraphBuilder, keyed: number, broadcast: number) {
    this.#graph = graph;
    this.#keyed = keyed;
    this.#broadcast = broadcast;
  }

  /**
   * An operator as `KeyedStream.process` makes one, with `broadcast` state beside that of the keys (Flink's
   * `KeyedBroadcastProcessFunction`).
   *
   * `onBroadcast` runs once for each element of the broadcast stream, without a key, and may change the broadcast state;
   * `onElement` and `onTimer` read it, and find it the same in every subtask. It is kept in memory, and in a snapshot once.
   * Which of two elements of the two streams comes first is not defined.
   * @example
   * events.keyBy((e) => e.user).connect(rules.broadcast()).process('match', {
   *   broadcast: { rules: state.broadcast<string, Rule>() },
   *   emits: type<{ user: string; rule: string }>(),
   *   onBroadcast(rule, ctx) {
   *     ctx.broadcast.rules.set(rule.name, rule);
   *   },
   *   onElement(event, ctx) {
   *     for (const [name, rule] of ctx.broadcast.rules.entries())
   *       if (event.amount > rule.limit) ctx.emit({ user: ctx.key, rule: name });
   *   },
   * })
   */
  process<
    B extends BroadcastDeclarations,
    S extends StateDeclarations = Nothing,
    M extends TimerDeclarations = Nothing,
    D extends SideDeclarations = Nothing,
    O = never,
  >(uid: string, spec: BroadcastProcessSpec<T, R, K, B, S, M, D, O>): ProcessStream<O, D> {
    const node = this.#graph.add((id) => ({
      id,
      kind: 'process',
      uid,
      formerly: spec?.formerly ?? [],
      input: this.#keyed,
      broadcast: this.#broadcast,
      spec: spec as unknown as ProcessSpec<unknown, unknown>,
    }));
    return new ProcessStream<O, D>(this.#graph, node, Object.keys(spec?.sides ?? {}));
  }
}
