/**
 * What compiles and what does not, of windows, triggers, broadcast streams and the states that fold. As in types.test.ts:
 * the functions are compiled and never run; a line after `@ts-expect-error` that compiled would be a compile error.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type AggregatingState,
  type AnyTrigger,
  defineJob,
  defineSink,
  defineTrigger,
  fileSink,
  fromArray,
  type KeyedStream,
  type ReducingState,
  type StateDeclaration,
  type Stream,
  schema,
  state,
  triggers,
  type,
  type WindowStream,
  windows,
} from 'tidemark';
import { z } from 'zod';

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function same<A, B>(_proof: Same<A, B>): void {}

interface Flight {
  readonly origin: string;
  readonly delay: number;
  readonly time: number;
  readonly tags: string[];
}

interface Rule {
  readonly name: string;
  readonly limit: number;
}

declare const rules: Stream<Rule>;

// The example of the design, as it stands there.

function hourlyOf(flights: Stream<Flight>, p: { readonly late: string }) {
  const hourly = flights
    .keyBy((f) => f.origin)
    .window('hourly', {
      assign: windows.sliding('1h', '5m'),
      lateness: '10m',
      aggregate: {
        init: () => ({ n: 0, sum: 0 }),
        add: (a, f) => ({ n: a.n + 1, sum: a.sum + f.delay }),
        result: (a, w) => ({ origin: w.key, end: w.end, mean: a.sum / a.n }),
      },
    });
  hourly.late.sink('late', fileSink(p.late));
  return hourly;
}

export function aWindow(flights: Stream<Flight>) {
  const hourly = hourlyOf(flights, { late: '' });
  same<typeof hourly, WindowStream<{ origin: string; end: number; mean: number }, Flight>>(true);
  same<typeof hourly.late, Stream<Flight>>(true);
  const keyed = flights.keyBy((f) => f.origin);

  const slowest = keyed.window('a', {
    assign: windows.session('30m'),
    reduce: (a, b) => (a.delay > b.delay ? a : b),
  });
  same<typeof slowest, WindowStream<Flight, Flight>>(true);
  const named = keyed.window('b', {
    assign: windows.session((f) => f.delay),
    reduce: (a, b) => (a.delay > b.delay ? a : b),
    result: (f, w) => ({ origin: w.key, delay: f.delay }),
  });
  same<typeof named, WindowStream<{ origin: string; delay: number }, Flight>>(true);
  const each = keyed.window('c', {
    assign: windows.global(),
    trigger: triggers.purging(triggers.count(5)),
    *apply(flights, w) {
      for (const flight of flights) yield { at: w.key, delay: flight.delay };
    },
  });
  same<typeof each, WindowStream<{ at: string; delay: number }, Flight>>(true);
  const sums = keyed.window('d', {
    assign: windows.tumbling(1000, { offset: '-8h' }),
    aggregate: {
      init: () => 0,
      add: (a, f) => a + f.delay,
      merge: (a, b) => a + b,
      result: (a) => a,
    },
  });
  same<typeof sums, WindowStream<number, Flight>>(true);
  const checked = keyed.window('e', {
    assign: windows.tumbling('1h'),
    schema: z.object({ most: z.number() }),
    aggregate: {
      init: () => ({ most: 0 }),
      add: (a, f) => (f.delay > a.most ? { most: f.delay } : a),
      result: (a) => a.most,
    },
  });
  same<typeof checked, WindowStream<number, Flight>>(true);
}

export function notAWindow(flights: Stream<Flight>) {
  const keyed = flights.keyBy((f) => f.origin);
  const assign = windows.tumbling('1h');
  // @ts-expect-error flights are not keyed
  flights.window('a', { assign, apply: (all) => [all.length] });
  // @ts-expect-error no function
  keyed.window('a', { assign });
  // @ts-expect-error two functions
  keyed.window('a', { assign, reduce: (a) => a, apply: (all) => [all.length] });
  // @ts-expect-error no such property
  keyed.window('a', { assign, latenes: '1h', reduce: (a) => a });
  // @ts-expect-error reduce gives an element
  keyed.window('a', { assign, reduce: (a) => a.delay });
  // @ts-expect-error apply gives any number of results
  keyed.window('a', { assign, apply: (all) => all.length });
  // @ts-expect-error a window is assigned by windows.…
  keyed.window('a', { assign: '1h', reduce: (a) => a });
  // @ts-expect-error a session's gap is a number
  keyed.window('a', { assign: windows.session((f: Flight) => f.origin), reduce: (a) => a });
  const wrong = { init: () => ({ n: 0 }), add: (a: { n: number }) => a.n + 1, result: () => 0 };
  // @ts-expect-error the accumulator is what init gives
  keyed.window('a', { assign, aggregate: wrong });
  keyed.window('a', {
    assign,
    apply(all) {
      // @ts-expect-error what a pane keeps is read-only
      all.push(1);
      return [all.length];
    },
  });
  const ofRules = defineTrigger({ onElement: (rule: Rule) => (rule.limit > 1 ? 'fire' : 'continue') });
  // @ts-expect-error a trigger for rules
  keyed.window('a', { assign, trigger: ofRules, apply: (all) => [all.length] });
}

/** What is wrong is said where it stands alone, and no parameter loses its type for it. */
export function wrongInOnePlace(flights: Stream<Flight>) {
  const keyed = flights.keyBy((f) => f.origin);
  const assign = windows.tumbling('1h');
  keyed.window('a', {
    assign,
    aggregate: {
      init: () => 0,
      // @ts-expect-error the accumulator is a number
      add: (sum, flight) => `${sum + flight.delay}`,
      result: (sum, window) => `${window.key}: ${sum.toFixed(2)}`,
    },
  });
  keyed.window('b', {
    assign,
    // @ts-expect-error a length of time
    lateness: true,
    reduce: (a, b) => (a.delay > b.delay ? a : b),
  });
  keyed.window('c', {
    assign,
    // @ts-expect-error no such property
    gap: '5m',
    reduce: (a, b) => (a.delay > b.delay ? a : b),
  });
}

/** A stream of a narrower type stands for one of a wider, as a part of a dataflow that is used more than once takes it. */
export function narrower(flights: Stream<Flight>, keyed: KeyedStream<Flight, string>) {
  const anything: Stream<unknown> = flights;
  const keyedAnything: KeyedStream<{ readonly origin: string }, string> = keyed;
  // @ts-expect-error not one of another
  const other: Stream<Rule> = flights;
  return [anything, keyedAnything, other];
}

export function ownTriggers(flights: Stream<Flight>) {
  const delayed = defineTrigger({
    initial: 0,
    onElement(flight: Flight, pane) {
      const sum: number = pane.state.get();
      pane.state.set(sum + flight.delay);
      // @ts-expect-error the state is a number
      pane.state.set('');
      return sum > 10 ? 'fire' : 'continue';
    },
    merge: (a, b) => a + b,
  });
  same<typeof delayed, AnyTrigger<Flight>>(true);
  flights
    .keyBy((f) => f.origin)
    .window('a', { assign: windows.session('1h'), trigger: triggers.purging(delayed), reduce: (a) => a });
  // @ts-expect-error no such decision
  defineTrigger({ onElement: () => 'stop' });
}

export function timestamps(flights: Stream<Flight>) {
  const timed = flights.assignTimestamps((f) => f.time, { outOfOrderness: '5m', idle: '30s', inTurn: true });
  same<typeof timed, Stream<Flight>>(true);
  // @ts-expect-error a timestamp is a number
  flights.assignTimestamps((f) => new Date(f.time), { outOfOrderness: '5m' });
  // @ts-expect-error how much out of order they are must be said
  flights.assignTimestamps((f) => f.time, {});
  flights
    .keyBy((f) => f.origin)
    .process('due', {
      timers: { due: 'event' },
      onElement(f, ctx) {
        same<typeof ctx.timestamp, number | undefined>(true);
        ctx.timers.due.set(ctx.watermark() + f.delay);
      },
      onTimer: { due() {} },
    });
  flights
    .keyBy((f) => f.origin)
    .process('typo', {
      // @ts-expect-error no such time
      timers: { due: 'evening' },
      onElement() {},
      onTimer: { due() {} },
    });
}

export function folding() {
  const mean = state.aggregating({
    init: () => ({ n: 0, sum: 0 }),
    add: (a, delay: number) => ({ n: a.n + 1, sum: a.sum + delay }),
    result: (a) => a.sum / a.n,
  });
  same<typeof mean, StateDeclaration<AggregatingState<number, number>>>(true);
  const lengths = state.aggregating(
    z.object({ n: z.number() }),
    {
      init: () => ({ n: 0 }),
      add: (a, text: string) => ({ n: a.n + text.length }),
      merge: (a, b) => (a.n > b.n ? a : b),
      result: (a) => [a.n],
    },
    { ttl: 5 },
  );
  same<typeof lengths, StateDeclaration<AggregatingState<string, number[]>>>(true);
  const sum = state.reducing((a: number, b: number) => a + b);
  same<typeof sum, StateDeclaration<ReducingState<number>>>(true);
  const slowest = state.reducing<Flight>((a, b) => (a.delay > b.delay ? a : b), {
    ttl: { after: '1h', refresh: 'read' },
  });
  same<typeof slowest, StateDeclaration<ReducingState<Flight>>>(true);
  const most = state.reducing(schema(z.object({ n: z.number() })), (a, b) => ({ n: Math.max(a.n, b.n) }));
  same<typeof most, StateDeclaration<ReducingState<{ n: number }>>>(true);
  // @ts-expect-error two numbers give a number
  state.reducing<number>((a, b) => `${a}${b}`);
  state.value<number>({ ttl: '1h' });
  state.number(0, { ttl: 1000 });
  state.map<string, number>({ ttl: { after: 1000 } });
  // @ts-expect-error kept alive by writing, or by reading
  state.list<number>({ ttl: { after: '1h', refresh: 'both' } });
  // @ts-expect-error broadcast state does not expire
  state.broadcast<string, number>({ ttl: '1h' });
}

export function broadcast(flights: Stream<Flight>) {
  const slowest = state.reducing<Flight>((a, b) => (a.delay > b.delay ? a : b));
  const keyed = flights.keyBy((f) => f.origin);
  const matched = keyed.connect(rules.broadcast()).process('match', {
    broadcast: {
      rules: state.broadcast<string, Rule>(),
      limits: state.broadcast(z.object({ n: z.number() })),
    },
    state: { slowest },
    timers: { close: 'event' },
    sides: { odd: type<Rule>() },
    emits: type<{ origin: string; rule: string }>(),
    onBroadcast(rule, ctx) {
      ctx.broadcast.rules.set(rule.name, rule);
      ctx.broadcast.limits.set('a', { n: rule.limit });
      ctx.side.odd(rule);
      // @ts-expect-error there is no key, and so no state of one
      ctx.state.slowest;
      // @ts-expect-error rules are found by text
      ctx.broadcast.rules.set(1, rule);
      // @ts-expect-error limits are kept
      ctx.broadcast.limits.set('a', rule);
    },
    onElement(flight, ctx) {
      ctx.state.slowest.add(flight);
      // @ts-expect-error an element only reads it
      ctx.broadcast.rules.set('a', { name: 'a', limit: 1 });
      for (const [name, rule] of ctx.broadcast.rules.entries())
        if (flight.delay > rule.limit) ctx.emit({ origin: ctx.key, rule: name });
      ctx.timers.close.set(1);
    },
    onTimer: {
      close(_at, ctx) {
        const rule: Rule | undefined = ctx.broadcast.rules.get(ctx.key);
        void rule;
      },
    },
  });
  const names = matched.map((m) => m.rule);
  same<typeof names, Stream<string>>(true);
  same<typeof matched.side.odd, Stream<Rule>>(true);
  // @ts-expect-error not broadcast
  keyed.connect(rules);
  // @ts-expect-error flights are not keyed
  flights.connect(rules.broadcast());
}

export function operatorStates() {
  const sink = defineSink({
    state: { pending: state.operatorList<Flight>(), seen: state.operatorUnion(z.number()) },
    open: (context) => ({
      write(flights: readonly Flight[]) {
        context.state.pending.set(flights);
        context.state.seen.add(1);
        const pending: readonly Flight[] = context.state.pending.get();
        // @ts-expect-error numbers are kept
        context.state.seen.add('1');
        void pending;
      },
    }),
  });
  // @ts-expect-error the sink wants flights
  rules.sink('a', sink);
}

test('the hourly example of the design builds as it stands', () => {
  const graph = defineJob('hourly', {}, (job) => {
    const flights = job
      .source('flights', fromArray<Flight>([]))
      .assignTimestamps((f) => f.time, { outOfOrderness: '5m' });
    hourlyOf(flights, { late: 'out/late' }).sink('out', fileSink('out/hourly'));
  }).build({});
  assert.deepEqual(
    graph.nodes.map((node) => node.kind),
    ['source', 'assign', 'keyBy', 'window', 'side', 'sink', 'sink'],
  );
});
