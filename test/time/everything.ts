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
import { state } from '../../src/graph/declare-state.js';
import type { JobBuilder } from '../../src/graph/define.js';
import type { SinkSpec } from '../../src/graph/sink.js';
import type { SourceSpec } from '../../src/graph/source.js';
import type { Sink, Stream } from '../../src/graph/stream.js';
import { triggers } from '../../src/graph/triggers.js';
import { type } from '../../src/graph/type.js';
import type { WindowOf } from '../../src/graph/window.js';
import { windows } from '../../src/graph/windows.js';
import { type Arrival, type NaiveWindows, naive, session, sliding, tumbling } from './naive.js';
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

/** What the operators without lateness are. */
export const PUNCTUAL: readonly string[] = ['first', 'cells'];
/** How many windows of `first` are one of `second`. */
const SECOND = 3;
const COUNT = 3;

const gapOf = ({ gap }: Shape, { v }: { readonly v: number }) => gap + v * Math.ceil(gap / 3);

/** The windows whose results are lines of key, window and elements, and what they do by the plain computation. */
export function plainWindows(shape: Shape): Readonly<Record<string, NaiveWindows & { inOrder?: boolean }>> {
  const { size, slide, offset, gap, lateness } = shape;
  const merges = false;
  return {
    first: { windowsOf: tumbling(size), merges, lateness: 0 },
    tumbling: { windowsOf: tumbling(size, offset), merges, lateness },
    sliced: { windowsOf: sliding(size, slide, offset), merges, lateness },
    reduced: { windowsOf: sliding(size, slide), merges, lateness },
    sliding: { windowsOf: sliding(size, slide, offset), merges, lateness, inOrder: true },
    session: { windowsOf: session((arrival) => gapOf(shape, arrival)), merges: true, lateness },
    visits: { windowsOf: session(() => gap), merges: true, lateness },
  };
}

interface Group {
  readonly key: string;
  readonly ids: readonly number[];
}

function line(
  uid: string,
  key: string,
  { start, end }: { start: number; end: number },
  ids: readonly number[],
) {
  return `${uid} ${key} ${start} ${end} ${ids.join(',')}`;
}

const sorted = (ids: readonly number[]) => [...ids].sort((a, b) => a - b);
const join = (a: readonly number[], b: readonly number[]) => [...a, ...b];
const coarse = (key: string) => `${key.length % 2}/${key.charCodeAt(key.length - 1) % 2}`;

/** Collects ids; its lines have them sorted. */
const collecting = (uid: string) => ({
  init: (): readonly number[] => [],
  add: (ids: readonly number[], element: { readonly ids: readonly number[] }) => join(ids, element.ids),
  merge: join,
  result: (ids: readonly number[], window: WindowOf<string>) => line(uid, window.key, window, sorted(ids)),
});

export function everything(
  source: SourceSpec<Element, number>,
  out: SinkSpec<string, unknown>,
  shape: Shape,
) {
  return (job: JobBuilder): void => {
    const { bound, lateness, size, slide, offset, gap } = shape;
    const keyed = job
      .source('in', source)
      .assignTimestamps(({ t }) => t, { outOfOrderness: bound })
      .keyBy(({ key }) => key);
    const streams: Stream<string>[] = [];
    const late = (uid: string, stream: Stream<Element>) =>
      streams.push(stream.map(({ ids }) => `late ${uid} ${ids.join()}`));

    const seen = keyed.process('seen', {
      state: { count: state.number(0) },
      emits: type<string>(),
      onElement({ ids, t, v }, ctx) {
        ctx.state.count.add(1);
        const watermark = ctx.watermark();
        const met = Number.isFinite(watermark) ? watermark : null;
        ctx.emit(`seen ${JSON.stringify([ctx.key, ctx.state.count.get(), ids[0], t, v, met])}`);
      },
    });

    const first = keyed.window('first', {
      assign: windows.tumbling(size),
      apply: function* (elements, { key, start, end }) {
        yield { key, start, end, ids: elements.flatMap(({ ids }) => ids) };
      },
    });
    late('first', first.late);
    streams.push(first.map((group) => line('first', group.key, group, sorted(group.ids))));
    const second = first
      .keyBy((group: Group) => coarse(group.key))
      .window('second', { assign: windows.tumbling(SECOND * size), aggregate: collecting('second') });
    streams.push(second);
    streams.push(second.late.map(({ ids }) => `late second ${ids.join()}`));

    const { merge: _, ...unmerged } = collecting('tumbling');
    const tumblings = keyed.window('tumbling', {
      assign: windows.tumbling(size, { offset }),
      lateness,
      aggregate: unmerged,
    });
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
    const slidings = keyed.window('sliding', {
      assign: windows.sliding(size, slide, { offset: offset % slide }),
      lateness,
      apply: function* (elements, window) {
        const ids = elements.flatMap((element) => element.ids);
        yield line('sliding', window.key, window, ids);
      },
    });
    const sessions = keyed.window('session', {
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
    for (const [uid, stream] of Object.entries({ tumbling: tumblings, sliced, reduced, sliding: slidings })) {
      streams.push(stream);
      late(uid, stream.late);
    }
    for (const [uid, stream] of Object.entries({ session: sessions, visits })) {
      streams.push(stream);
      late(uid, stream.late);
    }

    const counted = keyed.window('counted', {
      assign: windows.global(),
      trigger: triggers.purging(triggers.count(COUNT)),
      apply: (elements, { key }) => [`counted ${key} ${elements.flatMap(({ ids }) => ids).join()}`],
    });
    streams.push(counted);

    const cells = keyed.process('cells', {
      state: { cells: state.map<number, readonly number[]>() },
      timers: { end: 'event' },
      emits: type<string>(),
      onElement({ ids, t }, ctx) {
        const start = Math.floor(t / size) * size;
        const end = start + size;
        if (end - 1 <= ctx.watermark()) ctx.emit(`late cells ${ids.join()}`);
        else {
          ctx.state.cells.set(end, join(ctx.state.cells.get(end) ?? [], ids));
          ctx.timers.end.set(end - 1);
        }
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
    streams.push(cells);
    seen.union(...streams).sink('out', out as Sink<string>);
  };
}

/** The elements in the order they came, by key, as `seen` tells. */
export function arrivalsOf(lines: readonly string[]): Arrival[][] {
  const keys = new Map<string, (Arrival & { readonly seq: number })[]>();
  for (const text of lines) {
    if (!text.startsWith('seen ')) continue;
    const [key, seq, id, t, v, met] = JSON.parse(text.slice(5)) as [
      string,
      number,
      number,
      number,
      number,
      number | null,
    ];
    const arrivals = keys.get(key) ?? [];
    arrivals.push({ id, key, t, v, watermark: met ?? Number.NEGATIVE_INFINITY, seq });
    keys.set(key, arrivals);
  }
  return [...keys.values()].map((arrivals) => arrivals.sort((a, b) => a.seq - b.seq));
}

/** All lines but those of `seen`, sorted. */
export function expected(keys: readonly (readonly Arrival[])[], shape: Shape): string[] {
  const lines: string[] = [];
  const second = new Map<string, Group & { start: number; end: number }>();
  for (const arrivals of keys) {
    const key = arrivals[0]?.key ?? '';
    for (const [uid, windowed] of Object.entries(plainWindows(shape))) {
      const { fired, late } = naive(arrivals, windowed);
      const shown = windowed.inOrder ? (ids: readonly number[]) => ids : sorted;
      lines.push(...fired.map((pane) => line(uid, key, pane, shown(pane.ids))));
      lines.push(...late.map((id) => `late ${uid} ${id}`));
      if (uid !== 'first') continue;
      lines.push(...fired.map((pane) => line('cells', key, pane, sorted(pane.ids))));
      lines.push(...late.map((id) => `late cells ${id}`));
      for (const { end, ids } of fired) {
        const long = SECOND * shape.size;
        const start = Math.floor((end - 1) / long) * long;
        const name = `${coarse(key)} ${start}`;
        const before = second.get(name)?.ids ?? [];
        second.set(name, { key: coarse(key), start, end: start + long, ids: join(before, ids) });
      }
    }
    for (let i = COUNT; i <= arrivals.length; i += COUNT) {
      lines.push(
        `counted ${key} ${arrivals
          .slice(i - COUNT, i)
          .map(({ id }) => id)
          .join()}`,
      );
    }
  }
  for (const group of second.values()) lines.push(line('second', group.key, group, sorted(group.ids)));
  return lines.sort();
}
