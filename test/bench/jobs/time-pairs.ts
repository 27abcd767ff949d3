/**
 * Two ways through one job over the same elements, in turns, in one data thread: what one costs beside the other.
 *
 *     round := way a over all batches, timed │ way b over all batches, timed
 *
 * Each way has a source of its own, which holds its batches back while the other runs; its time goes from the release of
 * the first batch until the last has been processed and all that it set off. Event time goes on by an hour a round.
 */
import { writeFileSync } from 'node:fs';
import {
  defineJob,
  defineSink,
  defineSource,
  type KeyedStream,
  param,
  type Stream,
  schema,
  state,
  type,
  windows,
} from 'tidemark';
import { anyPosition, BATCH, names, picks } from './input.js';

export interface Event {
  readonly key: string;
  /** Milliseconds into the round. */
  readonly at: number;
  readonly value: number;
}

const HOUR = 3_600_000;
const MINUTE = 60_000;

/** So that it is computed. */
export let last = 0;

type Keyed = KeyedStream<Event, string>;
type Way = (events: Keyed) => Stream<unknown>;

const mean = {
  init: () => ({ n: 0, sum: 0 }),
  add: (a: { readonly n: number; readonly sum: number }, e: Event) => ({ n: a.n + 1, sum: a.sum + e.value }),
  merge: (
    a: { readonly n: number; readonly sum: number },
    b: { readonly n: number; readonly sum: number },
  ) => ({ n: a.n + b.n, sum: a.sum + b.sum }),
  result: (a: { readonly n: number; readonly sum: number }) => a.sum / a.n,
};

/** By pair: the way whose price is asked, and the one without. */
const WAYS: Readonly<Record<string, readonly [ours: Way, other: Way]>> = {
  sliding: [
    (events) => events.window('ours', { assign: windows.sliding('1h', '1m'), aggregate: mean }),
    (events) => events.window('other', { assign: windows.tumbling('1h'), aggregate: mean }),
  ],
  ttl: [(events) => expiring(events, 'ours'), (events) => counted(events, 'other')],
  timers: [(events) => timed(events, 'ours'), (events) => untimed(events, 'other')],
  moving: [(events) => moving(events, 'ours'), (events) => counted(events, 'other')],
};

// The functions of each way are its own, as those of two jobs are: V8 knows what they meet.

function counted(events: Keyed, uid: string): Stream<number> {
  return events.process(uid, {
    state: { seen: state.number(0) },
    emits: type<number>(),
    onElement(_event, ctx) {
      ctx.state.seen.add(1);
      ctx.emit(ctx.state.seen.get());
    },
  });
}

function expiring(events: Keyed, uid: string): Stream<number> {
  return events.process(uid, {
    state: { seen: state.number(0, { ttl: '1h' }) },
    emits: type<number>(),
    onElement(_event, ctx) {
      ctx.state.seen.add(1);
      ctx.emit(ctx.state.seen.get());
    },
  });
}

/** A timer at the end of the minute: the same one for all elements of a key in it. */
function timed(events: Keyed, uid: string): Stream<number> {
  return events.process(uid, {
    state: { seen: state.number(0) },
    timers: { minute: 'event' },
    emits: type<number>(),
    onElement(_event, ctx) {
      ctx.state.seen.add(1);
      const at = ctx.timestamp ?? 0;
      ctx.timers.minute.set(at - (at % MINUTE) + MINUTE);
      ctx.emit(ctx.state.seen.get());
    },
    onTimer: { minute() {} },
  });
}

/** The same without the timer: what it is set to is known all the same. */
function untimed(events: Keyed, uid: string): Stream<number> {
  return events.process(uid, {
    state: { seen: state.number(0) },
    emits: type<number>(),
    onElement(_event, ctx) {
      ctx.state.seen.add(1);
      const at = ctx.timestamp ?? 0;
      last = at - (at % MINUTE) + MINUTE;
      ctx.emit(ctx.state.seen.get());
    },
  });
}

/** A timer that every element moves. */
function moving(events: Keyed, uid: string): Stream<number> {
  return events.process(uid, {
    state: { seen: state.number(0) },
    timers: { quiet: 'event' },
    emits: type<number>(),
    onElement(_event, ctx) {
      ctx.state.seen.add(1);
      ctx.timers.quiet.clear();
      ctx.timers.quiet.set((ctx.timestamp ?? 0) + 5 * MINUTE);
      ctx.emit(ctx.state.seen.get());
    },
    onTimer: { quiet() {} },
  });
}

class Turns {
  readonly pairs: (readonly [ours: number, other: number])[] = [];
  readonly batches: readonly (readonly Event[])[];
  round = 0;
  #started: readonly [number, number] = [0, 0];
  #ours = 0;
  readonly #release: ((() => void) | undefined)[] = [undefined, undefined];

  constructor(keys: number, elements: number) {
    const step = HOUR / elements;
    const all = picks(names(keys), elements).map((key, i) => ({
      key,
      at: Math.floor(i * step),
      value: i % 97,
    }));
    const batches: Event[][] = [];
    for (let from = 0; from < all.length; from += BATCH) batches.push(all.slice(from, from + BATCH));
    this.batches = batches;
  }

  /** Way `which` has processed all it was given; resolves when it may go on. */
  done(which: 0 | 1, last: boolean): Promise<void> {
    const now = performance.now();
    if (which === 0) this.#ours = now - this.#started[0];
    else if (this.#started[1] > 0) {
      this.pairs.push([this.#ours, now - this.#started[1]]);
      this.round++;
    }
    return new Promise((resolve) => {
      if (last && which === 1) {
        this.#release[0]?.();
        return resolve();
      }
      this.#release[which] = resolve;
      if (this.#release[0] !== undefined && this.#release[1] !== undefined) this.#turn(which === 0 ? 1 : 0);
    });
  }

  /** Lets the other way run. */
  #turn(which: 0 | 1): void {
    const now = performance.now();
    this.#started = which === 0 ? [now, 0] : [this.#started[0], now];
    const release = this.#release[which];
    this.#release[which] = undefined;
    release?.();
  }
}

export default defineJob(
  'time-pairs',
  {
    params: {
      pair: param.string(),
      keys: param.number(1000),
      elements: param.number(250_000),
      rounds: param.number(15),
      report: param.string(),
    },
  },
  (job, p) => {
    const turns = new Turns(p.keys, p.elements);
    const source = (which: 0 | 1) =>
      defineSource({
        position: schema(anyPosition),
        splits: () => [{ id: 'all', start: { done: 0 } }],
        async *read() {
          let done = 0;
          for (let round = 0; round < p.rounds; round++) {
            await turns.done(which, false);
            for (const elements of turns.batches) yield { elements, position: { done: done++ } };
            // Asked for once the last batch is processed; the empty one is, once its timers have fired.
            yield { elements: [], position: { done } };
            yield { elements: [], position: { done } };
          }
          await turns.done(which, true);
          if (which === 1) writeFileSync(p.report, JSON.stringify({ pairs: turns.pairs }));
        },
      });
    const ways = WAYS[p.pair];
    if (ways === undefined) throw new Error(`no pair ${p.pair}`);
    ways.forEach((way, i) => {
      const which = i === 0 ? 0 : 1;
      const events = job
        .source(`events-${which}`, source(which))
        .assignTimestamps((event) => turns.round * HOUR + event.at, { outOfOrderness: 0 })
        .keyBy((event) => event.key);
      way(events).sink(`out-${which}`, defineSink<unknown>({ open: () => ({ write() {} }) }));
    });
  },
);
