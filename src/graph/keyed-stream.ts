/** Keyed streams: the operators that keep state per key. Each method adds a node to the graph under construction. */
import { addProcess } from './add-process.js';
import type { GraphBuilder } from './builder.js';
import { ConnectedStream } from './connected.js';
import { readIntervalJoin } from './interval-join.js';
import type { IntervalJoin, JoinType, WindowJoin } from './join.js';
import { show } from './names.js';
import type { GraphNode } from './node.js';
import type {
  BroadcastDeclarations,
  BroadcastProcessSpec,
  ProcessSpec,
  SideDeclarations,
  StateDeclarations,
  TimerDeclarations,
} from './process.js';
import { readWindow } from './read-window.js';
import {
  BroadcastStream,
  JoinStream,
  type Nothing,
  type ProcessStream,
  Stream,
  WindowStream,
} from './stream.js';
import type { AggregateWindow, ApplyWindow, ReduceWindow } from './window.js';
import { readWindowJoin } from './window-join.js';

declare const sees: unique symbol;
declare const keyedBy: unique symbol;

/** Elements of type `T` by their key `K`; all elements of one key meet in one place. Made by `keyBy`. */
export class KeyedStream<T, K> {
  readonly #graph: GraphBuilder;
  readonly #node: number;

  /** A stream of wider keys cannot stand for one of narrower: who is connected to it would see others. */
  declare readonly [keyedBy]?: K;

  /** Made by `Stream.keyBy` only. */
  constructor(graph: GraphBuilder, node: number) {
    this.#graph = graph;
    this.#node = node;
  }

  /** The node in this graph; undefined for what is no keyed stream of it. For what two of them meet in. */
  static nodeOf(stream: unknown, graph: GraphBuilder): number | undefined {
    return stream instanceof KeyedStream && stream.#graph === graph ? stream.#node : undefined;
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
    return addProcess<O, D>(this.#graph, { input: this.#node }, uid, spec);
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
    this.#graph.findIn('window', uid, read.findings);
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
   * Lets an operator see another stream beside this one: a keyed one, by the same keys, or a broadcast one.
   * @example
   * bids.keyBy((b) => b.auction).connect(auctions.keyBy((a) => a.id)).process('winner', { … })
   * events.keyBy((e) => e.user).connect(rules.broadcast()).process('match', { … })
   */
  connect<R>(right: KeyedStream<R, K>): ConnectedStream<T, R, K>;
  connect<R>(broadcast: BroadcastStream<R>): BroadcastConnectedStream<T, R, K>;
  connect(other: unknown): ConnectedStream<T, never, K> | BroadcastConnectedStream<T, never, K> {
    const right = KeyedStream.nodeOf(other, this.#graph);
    if (right !== undefined) return new ConnectedStream(this.#graph, this.#node, right);
    const broadcast = BroadcastStream.nodeOf(other, this.#graph);
    if (broadcast === undefined) this.#graph.find(`connect ${notConnectable(other)}`);
    if (other instanceof KeyedStream) return new ConnectedStream(this.#graph, this.#node, this.#node);
    return new BroadcastConnectedStream(this.#graph, this.#node, broadcast ?? this.#node);
  }

  /**
   * Pairs each element with those of another stream that have the same key and are near in time (Flink's
   * `KeyedStream.intervalJoin`): `right.time` is in [`left.time + lower`, `left.time + upper`]. `uid` names it for good:
   * what it keeps is found by it after an upgrade, which may change the bounds, too.
   *
   * Each pair is given to `join` once, when the second of the two comes; its result has the later of their timestamps. With
   * `type: 'left'`, an element of this stream without a partner gives `join(left, undefined, …)` once the watermark has
   * passed `left.time + upper`; the timestamp of that is `left.time + max(upper, 0)`. Results come in no particular order.
   *
   * Elements are kept as long as a partner may come, and no longer. One that comes at or behind the watermark is late: it
   * is not joined, is counted, and goes to `late.left` or `late.right`. Both streams need timestamps.
   * @example
   * const paid = orders.keyBy((o) => o.id).intervalJoin('paid', payments.keyBy((p) => p.order), {
   *   between: ['-5m', '1h'],
   *   type: 'left',
   *   join: (order, payment) => ({ order: order.id, paid: payment?.amount ?? 0 }),
   * });
   * paid.late.right.sink('late-payments', fileSink('out/late'));
   */
  intervalJoin<R, O, const J extends JoinType = 'inner'>(
    uid: string,
    right: KeyedStream<R, K>,
    spec: IntervalJoin<T, R, K, J, O>,
  ): JoinStream<O, T, R> {
    const read = readIntervalJoin(spec);
    const node = this.#join('intervalJoin', uid, right, read, (parts) => ({
      ...parts,
      kind: 'process',
      spec: read.spec,
      join: read.description,
    }));
    return new JoinStream<O, T, R>(this.#graph, node);
  }

  /**
   * Pairs each element with those of another stream that have the same key and fall into the same window (Flink's
   * `JoinedStreams.window`). `uid` names it for good: its panes are found by it after an upgrade.
   *
   * Once the watermark has passed the end of a window, `join` is given every pair of its pane, those of an element together;
   * with `type: 'left'`, an element of this stream without a partner as `join(left, undefined, …)`. Results have the
   * timestamp `window.end - 1`. With `lateness`, each element that comes up to so much later gives all results of its pane
   * again; what comes later still is counted, and goes to `late.left` or `late.right`. Both streams need timestamps.
   * @example
   * const hourly = clicks.keyBy((c) => c.ad).windowJoin('hourly', views.keyBy((v) => v.ad), {
   *   assign: windows.tumbling('1h'),
   *   join: (click, view, window) => ({ ad: window.key, hour: window.start, click: click.id, view: view.id }),
   * });
   */
  windowJoin<R, O, const J extends JoinType = 'inner'>(
    uid: string,
    right: KeyedStream<R, K>,
    spec: WindowJoin<T, R, K, J, O>,
  ): JoinStream<O, T, R> {
    const read = readWindowJoin(spec);
    const node = this.#join('windowJoin', uid, right, read, (parts) => ({
      ...parts,
      kind: 'window',
      spec: read.spec,
      join: { type: read.type },
    }));
    return new JoinStream<O, T, R>(this.#graph, node);
  }

  #join(
    what: string,
    uid: string,
    other: unknown,
    { findings, formerly }: { readonly findings: readonly string[]; readonly formerly: readonly string[] },
    make: (parts: JoinParts) => GraphNode,
  ): number {
    const right = KeyedStream.nodeOf(other, this.#graph);
    const all = right === undefined ? [...findings, notKeyed(other)] : findings;
    this.#graph.findIn(what, uid, all);
    return this.#graph.add((id) =>
      make({ id, uid, formerly, input: this.#node, right: right ?? this.#node }),
    );
  }

  /** Hands the keyed stream to a function and returns what that returns. */
  via<R>(use: (stream: KeyedStream<T, K>) => R): R {
    return use(this);
  }
}

/** What the nodes of both joins have. */
interface JoinParts {
  readonly id: number;
  readonly uid: string;
  readonly formerly: readonly string[];
  readonly input: number;
  readonly right: number;
}

const OF_ANOTHER = 'expects a stream of this job, found one of another';

function notConnectable(given: unknown): string {
  if (given instanceof BroadcastStream || given instanceof KeyedStream) return OF_ANOTHER;
  const expected =
    'expects a keyed stream such as payments.keyBy(…), or a broadcast one such as rules.broadcast()';
  return `${expected}, found ${shown(given)}`;
}

function notKeyed(given: unknown): string {
  if (given instanceof KeyedStream) return OF_ANOTHER;
  return `expects a keyed stream to join with, such as payments.keyBy((p) => p.order), found ${shown(given)}`;
}

function shown(given: unknown): string {
  return given instanceof Stream ? 'a stream without keys' : show(given);
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
    return addProcess<O, D>(this.#graph, { input: this.#keyed, broadcast: this.#broadcast }, uid, spec);
  }
}
