/**
 * One job with windows of every kind, timers of event time, and windows after windows; and what it has to give.
 *
 *     in ─ assign ─ keyBy key ─┬ seen       every element, with its place in its key and the watermark it met
 *                              ├ first ─ keyBy ─ second       tumbling, and over its results tumbling again
 *                              ├ tumbling, sliced, reduced, sliding, session, visits     late output each
 *                              ├ counted    global, by count
 *                              └ cells      a process with timers
 *
 * All results are lines that name the elements in them. `seen` makes the oracle exact where elements are late, too: which
 * are depends on the order in which splits are read, and the windows have met the same watermarks.
 */
import {
  type JobBuilder,
  type KeyedStream,
  type Sink,
  type SinkSpec,
  type SourceSpec,
  type Stream,
  state,
  triggers,
  type,
  type WindowOf,
  type WindowStream,
  windows,
} from 'tidemark';
import type { Element } from './stream.js';

export interface Shape {
  readonly bound: number;
  readonly lateness: number;
  readonly size: number;
  /** Of sliding windows; a multiple of nothing. */
  readonly slide: number;
  readonly offset: number;
  readonly gap: number;
}

/** How many windows of `first` are one of `second`. */
export const SECOND = 3;
export const COUNT = 3;

export const gapOf = ({ gap }: Shape, { v }: { readonly v: number }) => gap + v * Math.ceil(gap / 3);

export interface Group {
  readonly key: string;
  readonly ids: readonly number[];
}

export function line(
  uid: string,
  key: string,
  { start, end }: { start: number; end: number },
  ids: readonly number[],
) {
  return `${uid} ${key} ${start} ${end} ${ids.join(',')}`;
}

export const sorted = (ids: readonly number[]) => [...ids].sort((a, b) => a - b);
export const join = (a: readonly number[], b: readonly number[]) => [...a, ...b];
export const coarse = (key: string) => `${key.length % 2}/${key.charCodeAt(key.length - 1) % 2}`;

/** Collects ids; its lines have them sorted. */
const collecting = (uid: string) => ({
  init: (): readonly number[] => [],
  add: (ids: readonly number[], element: { readonly ids: readonly number[] }) => join(ids, element.ids),
  merge: join,
  result: (ids: readonly number[], window: WindowOf<string>) => line(uid, window.key, window, sorted(ids)),
});

type Keyed = KeyedStream<Element, string>;
type Lines = readonly Stream<string>[];

const lateLines = (uid: string, late: Stream<{ readonly ids: readonly number[] }>) =>
  late.map(({ ids }) => `late ${uid} ${ids.join()}`);

/** Results and late output of windows whose results are lines. */
const bothOf = (uid: string, stream: WindowStream<string, Element>): Lines => [
  stream,
  lateLines(uid, stream.late),
];

/** What elements pass on their way to the windows, and results on theirs to windows of them. Default: nothing. */
export interface Between {
  readonly elements?: (stream: Stream<Element>) => Stream<Element>;
  readonly results?: (stream: Stream<Panes>) => Stream<Panes>;
}

export function everything(
  source: SourceSpec<Element, number>,
  out: SinkSpec<string, unknown>,
  shape: Shape,
  between: Between = {},
) {
  return (job: JobBuilder): void => {
    const { elements = (stream) => stream } = between;
    const timed = job.source('in', source).assignTimestamps(({ t }) => t, { outOfOrderness: shape.bound });
    const keyed = timed.via(elements).keyBy(({ key }) => key);
    const parts = [twice(between), aligned, sliding, sessions, counted, cells];
    const others = parts.flatMap((part) => part(keyed, shape));
    seen(keyed)
      .union(...others)
      .sink('out', out as Sink<string>);
  };
}

function seen(keyed: Keyed): Stream<string> {
  return keyed.process('seen', {
    state: { count: state.number(0) },
    emits: type<string>(),
    onElement({ ids, t, v }, ctx) {
      ctx.state.count.add(1);
      const watermark = ctx.watermark();
      const met = Number.isFinite(watermark) ? watermark : null;
      ctx.emit(`seen ${JSON.stringify([ctx.key, ctx.state.count.get(), ids[0], t, v, met])}`);
    },
  });
}

/** What a window of `first` gives. */
export interface Panes extends Group {
  readonly start: number;
  readonly end: number;
}

const twice =
  ({ results = (stream) => stream }: Between) =>
  (keyed: Keyed, { size }: Shape): Lines => {
    const first = keyed.window('first', {
      assign: windows.tumbling(size),
      apply: function* (elements, { key, start, end }) {
        yield { key, start, end, ids: elements.flatMap(({ ids }) => ids) };
      },
    });
    const second = first
      .via(results)
      .keyBy((group: Group) => coarse(group.key))
      .window('second', { assign: windows.tumbling(SECOND * size), aggregate: collecting('second') });
    const lines = first.map((group) => line('first', group.key, group, sorted(group.ids)));
    return [lines, lateLines('first', first.late), second, lateLines('second', second.late)];
  };

function aligned(keyed: Keyed, { size, slide, offset, lateness }: Shape): Lines {
  const { merge: _, ...unmerged } = collecting('tumbling');
  const tumbling = keyed.window('tumbling', {
    assign: windows.tumbling(size, { offset }),
    lateness,
    aggregate: unmerged,
  });
  const listed = keyed.window('sliding', {
    assign: windows.sliding(size, slide, { offset: offset % slide }),
    lateness,
    apply: function* (elements, window) {
      const ids = elements.flatMap((element) => element.ids);
      yield line('sliding', window.key, window, ids);
    },
  });
  return [...bothOf('tumbling', tumbling), ...bothOf('sliding', listed)];
}

/** Kept in slices. */
function sliding(keyed: Keyed, { size, slide, offset, lateness }: Shape): Lines {
  const sliced = keyed.window('sliced', {
    assign: windows.sliding(size, slide, { offset: offset % slide }),
    lateness,
    aggregate: collecting('sliced'),
  });
  const reduced = keyed.window('reduced', {
    assign: windows.sliding(size, slide),
    lateness,
    reduce: (a, b) => ({ ...a, ids: join(a.ids, b.ids) }),
    result: ({ ids }, window) => line('reduced', window.key, window, sorted(ids)),
  });
  return [...bothOf('sliced', sliced), ...bothOf('reduced', reduced)];
}

function sessions(keyed: Keyed, shape: Shape): Lines {
  const { gap, lateness } = shape;
  const session = keyed.window('session', {
    assign: windows.session((element: Element) => gapOf(shape, element)),
    lateness,
    aggregate: collecting('session'),
  });
  const visits = keyed.window('visits', {
    assign: windows.session(gap),
    lateness,
    apply: (elements, window) => [
      line('visits', window.key, window, sorted(elements.flatMap(({ ids }) => ids))),
    ],
  });
  return [...bothOf('session', session), ...bothOf('visits', visits)];
}

function counted(keyed: Keyed): Lines {
  const stream = keyed.window('counted', {
    assign: windows.global(),
    trigger: triggers.purging(triggers.count(COUNT)),
    apply: (elements, { key }) => [`counted ${key} ${elements.flatMap(({ ids }) => ids).join()}`],
  });
  return [stream];
}

function cells(keyed: Keyed, { size }: Shape): Lines {
  const stream = keyed.process('cells', {
    state: { cells: state.map<number, readonly number[]>() },
    timers: { end: 'event' },
    emits: type<string>(),
    onElement({ ids, t }, ctx) {
      const end = Math.floor(t / size) * size + size;
      if (end - 1 <= ctx.watermark()) return ctx.emit(`late cells ${ids.join()}`);
      ctx.state.cells.set(end, join(ctx.state.cells.get(end) ?? [], ids));
      ctx.timers.end.set(end - 1);
    },
    onTimer: {
      end(at, ctx) {
        const end = at + 1;
        const ids = ctx.state.cells.get(end) ?? [];
        ctx.emit(line('cells', ctx.key, { start: end - size, end }, sorted(ids)));
        ctx.state.cells.delete(end);
      },
    },
  });
  return [stream];
}
