/**
 * Streams: what a definition writes its dataflow with. Each method adds a node to the graph under construction
 * and returns the stream that leaves it; nothing runs until the job does.
 *
 * A stream may be used any number of times: each use gets every element. Functions given here run inside the
 * job, synchronously and in the order of the input; they must not keep or change the elements they are given.
 */
import type { Key } from '../codec/key.js';
import { type AnyKeyType, type KeyType, key, keyCodec } from '../codec/keys.js';
import type { GraphBuilder, UidOptions } from './builder.js';
import { show } from './names.js';
import type { GraphNode } from './node.js';
import type { ProcessSpec, SideDeclarations, StateDeclarations, TimerDeclarations } from './process.js';
import type { SinkSpec } from './sink.js';
import type { TypeTag } from './type.js';

/** What a declaration of nothing looks like: no states, no timers, no sides, no parameters. */
export type Nothing = Record<never, never>;

declare const accepts: unique symbol;

/** A sink for a stream of `T`: one whose elements are `T` or something wider. */
export interface Sink<T, X = unknown> extends SinkSpec<T, X> {
  readonly [accepts]?: (element: T) => void;
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

  /** Hands the keyed stream to a function and returns what that returns. */
  via<R>(use: (stream: KeyedStream<T, K>) => R): R {
    return use(this);
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
