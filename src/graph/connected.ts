/** Two keyed streams, for one operator to see both. */
import { addProcess } from './add-process.js';
import type { GraphBuilder } from './builder.js';
import type {
  ConnectedProcessSpec,
  SideDeclarations,
  StateDeclarations,
  TimerDeclarations,
} from './process.js';
import type { Nothing, ProcessStream } from './stream.js';

declare const sees: unique symbol;

/** Elements of `L` and of `R` by a key that both have. Made by `KeyedStream.connect`. */
export class ConnectedStream<L, R, K> {
  readonly #graph: GraphBuilder;
  readonly #left: number;
  readonly #right: number;
  /** A method's type, so that a stream of a narrower type may stand for one of a wider. */
  declare readonly [sees]?: { of(left: L, right: R, key: K): void }['of'];

  /** Made by `KeyedStream.connect` only. */
  constructor(graph: GraphBuilder, left: number, right: number) {
    this.#graph = graph;
    this.#left = left;
    this.#right = right;
  }

  /**
   * An operator as `KeyedStream.process` makes one, which both streams reach (Flink's `KeyedCoProcessFunction`). State and
   * timers of a key are the same in `onLeft`, `onRight` and `onTimer`.
   *
   * Which of two elements of the two streams comes first is not defined: keep what comes before its partner. Where both
   * have timestamps, event time is the lesser of the two; a stream without any does not hold it back.
   * @example
   * bids.keyBy((b) => b.auction).connect(auctions.keyBy((a) => a.id)).process('winner', {
   *   state: { auction: state.value<Auction>(), best: state.number(0) },
   *   timers: { close: 'event' },
   *   sides: { orphans: type<Bid>() },
   *   emits: type<{ auction: number; price: number }>(),
   *   onLeft(bid, ctx) {
   *     if (ctx.state.auction.get() === undefined) ctx.side.orphans(bid);
   *     else if (bid.price > ctx.state.best.get()) ctx.state.best.set(bid.price);
   *   },
   *   onRight(auction, ctx) {
   *     ctx.state.auction.set(auction);
   *     ctx.timers.close.set(auction.ends);
   *   },
   *   onTimer: {
   *     close(at, ctx) {
   *       ctx.emit({ auction: ctx.key, price: ctx.state.best.get() });
   *       ctx.state.auction.clear();
   *       ctx.state.best.clear();
   *     },
   *   },
   * })
   */
  process<
    S extends StateDeclarations = Nothing,
    M extends TimerDeclarations = Nothing,
    D extends SideDeclarations = Nothing,
    O = never,
  >(uid: string, spec: ConnectedProcessSpec<L, R, K, S, M, D, O>): ProcessStream<O, D> {
    return addProcess<O, D>(this.#graph, { input: this.#left, right: this.#right }, uid, spec);
  }
}
