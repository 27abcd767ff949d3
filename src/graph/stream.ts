/**
 * Streams: what a definition writes its dataflow with. Each method adds a node to the graph under construction
 * and returns the stream that leaves it; nothing runs until the job does.
 *
 * A stream may be used any number of times: each use gets every element. Functions given here run inside the
 * job, synchronously and in the order of the input; they must not keep or change the elements they are given.
 */
import type { Key } from '../codec/key.js';
import { type AnyKeyType, type KeyType, key, keyCodec } from '../codec/keys.js';
import { type AsyncContext, type AsyncMapOptions, readAsyncMap } from './async-map.js';
import { isBag, unknownNames } from './bag.js';
import type { GraphBuilder, UidOptions } from './builder.js';
import { LATE } from './join.js';
import { KeyedStream } from './keyed-stream.js';
import { readLength } from './lengths.js';
import { show } from './names.js';
import type { GraphNode } from './node.js';
import type { SinkSpec } from './sink.js';
import type { TypeTag } from './type.js';

/** What a declaration of nothing looks like: no states, no timers, no sides, no parameters. */
export type Nothing = Record<never, never>;

declare const accepts: unique symbol;
declare const gives: unique symbol;

/** A sink for a stream of `T`: one whose elements are `T` or something wider. */
export interface Sink<T, X = unknown> extends SinkSpec<T, X> {
  readonly [accepts]?: (element: T) => void;
}

export interface TimestampOptions {
  /**
   * How much later than one of a greater timestamp an element may come: `'5m'` or milliseconds. The watermark of a split is
   * its greatest timestamp less this and one millisecond.
   */
  readonly outOfOrderness: string | number;
  /** A split (a file, a partition) that gave nothing for so long does not hold event time back. Default: it always does. */
  readonly idle?: string | number;
  /**
   * The splits of the source follow each other in time, such as files named by their day: one whose turn has not come
   * does not hold event time back. Default: all splits count from the beginning.
   */
  readonly inTurn?: boolean;
}

/** Elements of type `T` on their way from a source to the sinks. */
export class Stream<T> {
  readonly #graph: GraphBuilder;
  readonly #node: number;

  /** Made by `job.source` and by streams only. */
  constructor(graph: GraphBuilder, node: number) {
    this.#graph = graph;
    this.#node = node;
  }

  /**
   * One element out for each element in.
   * @example lines.map((line) => line.length)
   */
  map<U>(apply: (value: T) => U): Stream<U> {
    this.#graph.expectFunction(apply, 'map');
    return this.#then<U>((id, input) => ({ id, kind: 'map', input, apply: apply as (value: unknown) => U }));
  }

  /**
   * Only the elements for which `keep` is true. A type guard narrows the stream.
   * @example lines.filter((line) => line !== '')
   */
  filter<U extends T>(keep: (value: T) => value is U): Stream<U>;
  filter(keep: (value: T) => boolean): Stream<T>;
  filter(keep: (value: T) => boolean): Stream<T> {
    this.#graph.expectFunction(keep, 'filter');
    return this.#then<T>((id, input) => ({
      id,
      kind: 'filter',
      input,
      keep: keep as (value: unknown) => boolean,
    }));
  }

  /**
   * Any number of elements out for each element in: those of the iterable that `apply` returns.
   * @example lines.flatMap((line) => line.split(' '))
   */
  flatMap<U>(apply: (value: T) => Iterable<U>): Stream<U> {
    this.#graph.expectFunction(apply, 'flatMap');
    return this.#then<U>((id, input) => ({
      id,
      kind: 'flatMap',
      input,
      apply: apply as (value: unknown) => Iterable<U>,
    }));
  }

  /**
   * One result for each element, which comes later: for lookups and calls to the outside (Flink's `AsyncDataStream`).
   * `uid` names it for good: elements that are asked about are part of each snapshot, and asked about again after a
   * recovery or a restore. So `call` may be made more than once for an element; its result counts once.
   *
   * With `ordered` (the default) results leave in the order of the elements, per subtask. Event time waits for them. A
   * call that fails or takes longer than `timeout` is tried again as `retries` say; then the job fails, unless there is a
   * `fallback`. `assignTimestamps` stands before it.
   * @example
   * orders.asyncMap('customer', async (order, { signal }) => {
   *   const answer = await fetch(`http://crm.local/customers/${order.customer}`, { signal });
   *   return { ...order, customer: Customer.parse(await answer.json()) };
   * }, { capacity: 50, timeout: '5s', retries: { attempts: 3 } })
   */
  asyncMap<U>(
    uid: string,
    call: (element: T, context: AsyncContext) => Promise<U>,
    options: AsyncMapOptions<T, NoInfer<U>> = {},
  ): Stream<U> {
    const { spec, findings } = readAsyncMap(call, options);
    this.#graph.findIn('asyncMap', uid, findings);
    const formerly = options?.formerly ?? [];
    return this.#then<U>((id, input) => ({ id, kind: 'asyncMap', uid, formerly, input, spec }));
  }

  /**
   * The elements of this stream and of the others, in no particular order between them.
   * @example clicks.union(taps, swipes)
   */
  union<U = T>(...others: readonly Stream<U>[]): Stream<T | U> {
    const inputs = [this.#node];
    for (const other of others as readonly unknown[]) {
      if (!(other instanceof Stream)) this.#graph.find(`union expects streams, found ${show(other)}`);
      else if (other.#graph !== this.#graph)
        this.#graph.find('union expects streams of this job, found one of another');
      else inputs.push(other.#node);
    }
    return this.#then<T | U>((id) => ({ id, kind: 'union', inputs }));
  }

  /**
   * Hands the stream to a function and returns what that returns: for pieces that are used more than once.
   * @example const words = (s: Stream<string>) => s.flatMap((line) => line.split(' '));
   * lines.via(words)
   */
  via<R>(use: (stream: Stream<T>) => R): R {
    return use(this);
  }

  /**
   * Gives each element its timestamp, the time at which it happened, and so the job its event time (Flink's
   * `assignTimestampsAndWatermarks` with bounded out-of-orderness). Windows and timers of event time need it; it stands
   * before the first keyed operator, once on the way from a source.
   *
   * `timestamp` returns whole milliseconds since 1970 (of a Date: `date.getTime()`); anything else fails the job. Event
   * time is how far the splits of the sources have come: the least of their watermarks.
   * @example
   * flights.assignTimestamps((f) => f.time, { outOfOrderness: '5m' })
   * clicks.assignTimestamps((c) => Date.parse(c.at), { outOfOrderness: '10s', idle: '30s' })
   */
  assignTimestamps(timestamp: (value: T) => number, options: TimestampOptions): Stream<T> {
    this.#graph.expectFunction(timestamp, 'assignTimestamps');
    const { outOfOrderness, idle, inTurn } = readTimestamps(options, this.#graph);
    return this.#then<T>((id, input) => ({
      id,
      kind: 'assign',
      input,
      timestamp: timestamp as (value: unknown) => number,
      outOfOrderness,
      idle,
      inTurn,
    }));
  }

  /**
   * Every subtask of a keyed operator is given every element: for rules and small tables that many keys need.
   * @example events.keyBy((e) => e.user).connect(rules.broadcast()).process('match', { … })
   */
  broadcast(): BroadcastStream<T> {
    return new BroadcastStream<T>(this.#graph, this.#node);
  }

  /**
   * Sends each element to the subtask that owns its key, where operators find the state of that key.
   *
   * Without `type` (`key.auto`) a key is a string, number, bigint, boolean or a non-empty tuple of keys. With
   * one, `select` must return that type. The type is recorded in every snapshot and checked on restore. A key
   * that cannot be one (NaN, null, a lone surrogate, …) fails the job with KEY_REFUSED, showing the element.
   * @example
   * flights.keyBy((f) => f.origin)
   * flights.keyBy((f) => [f.origin, f.destination])
   * bids.keyBy((b) => b.auction, key.long)
   */
  keyBy<const K extends Key>(select: (value: T) => K): KeyedStream<T, K>;
  keyBy<K, const R extends K>(select: (value: T) => R, type: KeyType<K>): KeyedStream<T, K>;
  keyBy<K>(select: (value: T) => K, type: AnyKeyType = key.auto): KeyedStream<T, K> {
    this.#graph.expectFunction(select, 'keyBy');
    const known = typeof type?.id === 'string';
    if (!known) this.#graph.find(`keyBy expects a key type such as key.string, found ${show(type)}`);
    const node = this.#graph.add((id) => ({
      id,
      kind: 'keyBy',
      input: this.#node,
      select: select as (value: unknown) => unknown,
      codec: keyCodec(known ? type : key.auto),
    }));
    return new KeyedStream<T, K>(this.#graph, node);
  }

  /**
   * Writes the elements to a sink. `uid` names it for good: its transactions are found by it after an upgrade.
   * @example words.sink('out', fileSink('out/words'))
   */
  sink<X>(uid: string, sink: Sink<T, X>, options: UidOptions = {}): void {
    this.#graph.add((id) => ({
      id,
      kind: 'sink',
      uid,
      formerly: options.formerly ?? [],
      input: this.#node,
      sink: sink as SinkSpec<unknown, unknown>,
    }));
  }

  #then<U>(make: (id: number, input: number) => GraphNode): Stream<U> {
    return new Stream<U>(
      this.#graph,
      this.#graph.add((id) => make(id, this.#node)),
    );
  }
}

/** A stream whose elements reach every subtask of the operator it is connected to. Made by `Stream.broadcast`. */
export class BroadcastStream<R> {
  readonly #graph: GraphBuilder;
  readonly #node: number;
  declare readonly [gives]?: R;

  /** Made by `Stream.broadcast` only. */
  constructor(graph: GraphBuilder, node: number) {
    this.#graph = graph;
    this.#node = node;
  }

  /** The node in this graph; undefined for what is no broadcast stream of it. For `KeyedStream.connect`. */
  static nodeOf(stream: unknown, graph: GraphBuilder): number | undefined {
    return stream instanceof BroadcastStream && stream.#graph === graph ? stream.#node : undefined;
  }
}

/** One stream for each declared side output. */
export type SideStreams<D> = {
  readonly [N in keyof D]: Stream<D[N] extends TypeTag<infer V> ? V : never>;
};

/** What a `process` operator emits, with its side outputs beside it. */
export class ProcessStream<O, D> extends Stream<O> {
  /** `ctx.side.late(value)` arrives at `stream.side.late`. One that nobody uses is dropped. */
  readonly side: SideStreams<D>;

  /** Made by `KeyedStream.process` only. */
  constructor(graph: GraphBuilder, node: number, sides: readonly string[]) {
    super(graph, node);
    const streams: Record<string, Stream<unknown>> = {};
    for (const side of sides) {
      const at = graph.add((id) => ({ id, kind: 'side', input: node, side }));
      streams[side] = new Stream<unknown>(graph, at);
    }
    this.side = streams as unknown as SideStreams<D>;
  }
}

/** The results of a window. */
export class WindowStream<O, T> extends Stream<O> {
  /** The elements that came too late for any result. A stream that nobody uses is dropped; they are counted anyway. */
  readonly late: Stream<T>;

  /** Made by `KeyedStream.window` only. */
  constructor(graph: GraphBuilder, node: number) {
    super(graph, node);
    const late = graph.add((id) => ({ id, kind: 'side', input: node, side: 'late' }));
    this.late = new Stream<T>(graph, late);
  }
}

/** The results of a join. */
export class JoinStream<O, L, R> extends Stream<O> {
  /** The elements of each side that came too late for any result. Those that nobody uses are dropped; they are counted anyway. */
  readonly late: { readonly left: Stream<L>; readonly right: Stream<R> };

  /** Made by `KeyedStream.intervalJoin` and `KeyedStream.windowJoin` only. */
  constructor(graph: GraphBuilder, node: number) {
    super(graph, node);
    const late = (side: string) => graph.add((id) => ({ id, kind: 'side', input: node, side }));
    this.late = {
      left: new Stream<L>(graph, late(LATE.left)),
      right: new Stream<R>(graph, late(LATE.right)),
    };
  }
}

const TIMESTAMP_OPTIONS = ['outOfOrderness', 'idle', 'inTurn'];

function readTimestamps(given: unknown, graph: GraphBuilder) {
  const find = (finding: string) => graph.find(`assignTimestamps: ${finding}`);
  const options = isBag(given) ? given : {};
  if (!isBag(given)) find(`expected options such as { outOfOrderness: '5m' }, found ${show(given)}`);
  else for (const finding of unknownNames(given, TIMESTAMP_OPTIONS)) find(finding);
  const length = (name: 'outOfOrderness' | 'idle', least: 0 | 1) => {
    const ms = readLength(options[name], least);
    if (typeof ms === 'number') return ms;
    find(`${name}: ${ms}`);
    return least;
  };
  const { idle, inTurn } = options;
  if (inTurn !== undefined && typeof inTurn !== 'boolean')
    find(`inTurn: expected true or false, found ${show(inTurn)}`);
  return {
    outOfOrderness: isBag(given) ? length('outOfOrderness', 0) : 0,
    idle: idle === undefined ? undefined : length('idle', 1),
    inTurn: inTurn === true,
  };
}
