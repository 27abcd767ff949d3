/**
 * One job in which two streams meet in every way there is, and a third whose rules change while it runs.
 *
 *     left ─ assign ─ keyBy key ─┬─ seen        a connected operator: every element, with its place in its key and the
 *     right ─ assign ─ keyBy key ┘              watermark it met
 *                                ├─ near        interval join, inner ─ its results with their timestamps
 *                                ├─ beside      the same, left ─ and a window over its results
 *                                └─ tumbled, slid, session     window joins
 *     left, rules (broadcast) ──── ruled        every element, with the rules that it found
 *
 * All results are lines that name the elements in them. `seen` makes the oracle exact where elements are late, too.
 */
import {
  type JobBuilder,
  type JoinStream,
  type KeyedStream,
  type Sink,
  type SinkSpec,
  type SourceSpec,
  type Stream,
  state,
  type,
  windows,
} from 'tidemark';
import type { Element } from '../time/stream.js';

export interface JoinShape {
  readonly bound: number;
  readonly lower: number;
  readonly upper: number;
  readonly size: number;
  readonly slide: number;
  readonly gap: number;
  readonly lateness: number;
}

/** Numbers of elements on the right begin here. */
export const RIGHT_FROM = 100_000;

export interface Pair {
  readonly key: string;
  readonly left: number;
  /** None: `null`. */
  readonly right: number | null;
}

export const idOf = ({ ids: [id = -1] }: Element) => id;
export const pairText = ({ left, right }: Pair) => `${left}+${right ?? ''}`;
export const gapOf = ({ gap }: JoinShape, { v }: { readonly v: number }) => gap + v * Math.ceil(gap / 3);

type Keyed = KeyedStream<Element, string>;
type Lines = readonly Stream<string>[];

export interface JoinSources {
  readonly left: SourceSpec<Element, number>;
  readonly right: SourceSpec<Element, number>;
  readonly rules: SourceSpec<number, number>;
}

export function joins(sources: JoinSources, out: SinkSpec<string, unknown>, shape: JoinShape) {
  return (job: JobBuilder): void => {
    const { left, right } = keyedSides(job, sources, shape);
    const rules = job.source('rules', sources.rules);
    const others = [near, beside, tumbled, slid, sessions].flatMap((part) => part(left, right, shape));
    seen(left, right)
      .union(...others, ruled(left, rules))
      .sink('out', out as Sink<string>);
  };
}

export function keyedSides(
  job: JobBuilder,
  sources: Omit<JoinSources, 'rules'>,
  { bound }: Pick<JoinShape, 'bound'>,
): { readonly left: Keyed; readonly right: Keyed } {
  const side = (uid: 'left' | 'right') =>
    job
      .source(uid, sources[uid])
      .assignTimestamps(({ t }) => t, { outOfOrderness: bound })
      .keyBy(({ key }) => key);
  return { left: side('left'), right: side('right') };
}

export function seen(left: Keyed, right: Keyed, more: () => unknown = () => null): Stream<string> {
  const line = ({ t, v, ...element }: Element, key: string, place: number, watermark: number) => {
    const met = Number.isFinite(watermark) ? watermark : null;
    return `seen ${JSON.stringify([key, place, idOf({ t, v, ...element }), t, v, met, more()])}`;
  };
  return left.connect(right).process('seen', {
    state: { count: state.number(0) },
    emits: type<string>(),
    onLeft(element, ctx) {
      ctx.state.count.add(1);
      ctx.emit(line(element, ctx.key, ctx.state.count.get(), ctx.watermark()));
    },
    onRight(element, ctx) {
      ctx.state.count.add(1);
      ctx.emit(line(element, ctx.key, ctx.state.count.get(), ctx.watermark()));
    },
  });
}

export function lateLines(uid: string, { late }: JoinStream<unknown, Element, Element>): Lines {
  return [
    late.left.map((element) => `late ${uid} left ${idOf(element)}`),
    late.right.map((element) => `late ${uid} right ${idOf(element)}`),
  ];
}

/** Results with their timestamps. */
export function stamped(uid: string, pairs: Stream<Pair>): Stream<string> {
  return pairs
    .keyBy(({ key }) => key)
    .process(`${uid}-stamped`, {
      emits: type<string>(),
      onElement: (pair, ctx) => ctx.emit(`${uid} ${pair.key} ${pairText(pair)} ${ctx.timestamp}`),
    });
}

function near(left: Keyed, right: Keyed, { lower, upper }: JoinShape): Lines {
  const pairs = left.intervalJoin('near', right, {
    between: [lower, upper],
    join: (l, r, { key }) => ({ key, left: idOf(l), right: idOf(r) }),
  });
  return [stamped('near', pairs), ...lateLines('near', pairs)];
}

function beside(left: Keyed, right: Keyed, { lower, upper, size }: JoinShape): Lines {
  const pairs = left.intervalJoin('beside', right, {
    between: [lower, upper],
    type: 'left',
    join: (l, r, { key }): Pair => ({ key, left: idOf(l), right: r === undefined ? null : idOf(r) }),
  });
  const after = pairs
    .keyBy(({ key }) => key)
    .window('after', {
      assign: windows.tumbling(size),
      apply: (elements, { key, start }) => [`after ${key} ${start} ${elements.map(pairText).sort().join()}`],
    });
  return [
    stamped('beside', pairs),
    ...lateLines('beside', pairs),
    after,
    after.late.map((pair) => `late after ${pairText(pair)}`),
  ];
}

/** `uid key start end pair`. */
function windowLine(
  uid: string,
  { key, start, end }: { key: string; start: number; end: number },
  pair: Pair,
) {
  return `${uid} ${key} ${start} ${end} ${pairText(pair)}`;
}

function tumbled(left: Keyed, right: Keyed, { size, lateness }: JoinShape): Lines {
  const joined = left.windowJoin('tumbled', right, {
    assign: windows.tumbling(size),
    lateness,
    join: (l, r, window) => windowLine('tumbled', window, { key: window.key, left: idOf(l), right: idOf(r) }),
  });
  return [joined, ...lateLines('tumbled', joined)];
}

function slid(left: Keyed, right: Keyed, { size, slide, lateness }: JoinShape): Lines {
  const joined = left.windowJoin('slid', right, {
    assign: windows.sliding(size, slide),
    lateness,
    type: 'left',
    join: (l, r, window) =>
      windowLine('slid', window, { key: window.key, left: idOf(l), right: r === undefined ? null : idOf(r) }),
  });
  return [joined, ...lateLines('slid', joined)];
}

function sessions(left: Keyed, right: Keyed, shape: JoinShape): Lines {
  const joined = left.windowJoin('session', right, {
    assign: windows.session((element) => gapOf(shape, element)),
    lateness: shape.lateness,
    type: 'left',
    join: (l, r, window) =>
      windowLine('session', window, {
        key: window.key,
        left: idOf(l),
        right: r === undefined ? null : idOf(r),
      }),
  });
  return [joined, ...lateLines('session', joined)];
}

/** `rule place rule` as each comes, and `ruled key place id count sum` of those that an element finds. */
function ruled(left: Keyed, rules: Stream<number>): Stream<string> {
  return left.connect(rules.broadcast()).process('ruled', {
    broadcast: { rules: state.broadcast<number, number>() },
    state: { count: state.number(0) },
    emits: type<string>(),
    onBroadcast(rule, ctx) {
      const place = ctx.broadcast.rules.size + 1;
      ctx.broadcast.rules.set(place, rule);
      ctx.emit(`rule ${place} ${rule}`);
    },
    onElement(element, ctx) {
      ctx.state.count.add(1);
      let sum = 0;
      for (const [place, rule] of ctx.broadcast.rules.entries()) sum += place * rule;
      const { size } = ctx.broadcast.rules;
      ctx.emit(`ruled ${ctx.key} ${ctx.state.count.get()} ${idOf(element)} ${size} ${sum}`);
    },
  });
}
