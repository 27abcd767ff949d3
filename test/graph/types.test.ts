/**
 * What compiles and what does not. The functions below are compiled, and most of them never run: a line after
 * `@ts-expect-error` that compiled would itself be a compile error. `same` holds two types to be one.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  defineJob,
  defineSink,
  defineSource,
  fileSink,
  files,
  type JobBuilder,
  type KeyedStream,
  key,
  param,
  type Sink,
  type SourceSpec,
  type Stream,
  schema,
  state,
  type,
} from 'tidemark';
import * as v from 'valibot';
import { z } from 'zod';

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function same<A, B>(_proof: Same<A, B>): void {}

interface Bid {
  readonly auction: number;
  readonly bidder: string;
  readonly price: number;
}

interface Flight {
  readonly origin: string;
  readonly destination: string;
  readonly delay: number;
}

declare const job: JobBuilder;
declare const bids: Stream<Bid>;
declare const flights: Stream<Flight>;
declare const mixed: Stream<string | number>;

// The examples of the design, as they stand there.

const wordCount = defineJob(
  'word-count',
  { params: { input: param.string(), output: param.string() } },
  (job, p) => {
    job
      .source('lines', files(p.input))
      .flatMap((line) => line.toLowerCase().match(/[a-z]+/g) ?? [])
      .keyBy((word) => word)
      .process('count', {
        state: { seen: state.number(0) },
        emits: type<{ word: string; seen: number }>(),
        onElement(word, ctx) {
          const seen = ctx.state.seen.get() + 1;
          ctx.state.seen.set(seen);
          ctx.emit({ word, seen });
        },
      })
      .sink('out', fileSink(p.output));
  },
);

declare function get(
  url: string,
  next: string,
  signal: AbortSignal,
): Promise<{ readonly items: readonly Flight[]; readonly next: string }>;

const pages = (url: string) =>
  defineSource({
    position: schema(z.object({ next: z.string() })),
    splits: async () => [{ id: 'main', start: { next: '' } }],
    async *read({ position, signal }) {
      // barriers fall between batches
      for (let { next } = position; ; ) {
        const page = await get(url, next, signal);
        next = page.next;
        yield { elements: page.items, position: { next } };
      }
    },
  });

const Cents = z.object({ cents: z.bigint() });
const Money = z.object({ cents: z.bigint(), currency: z.string() });
const zero = { cents: 0n, currency: 'EUR' };

const money = schema(z.number()) // version 1
  .next(Cents, (v) => ({ cents: BigInt(Math.round(v * 100)) })) // version 2
  .next(Money, (v) => ({ ...v, currency: 'EUR' })); // version 3, every step typed

export function examples() {
  same<ReturnType<typeof pages>, SourceSpec<Flight, { next: string }>>(true);
  const balance = state.value(money, { formerly: ['total'], initial: zero });
  job
    .source('pages', pages('http://localhost'))
    .keyBy((f) => f.origin)
    .process('balance', {
      state: { balance },
      onElement(_f, ctx) {
        const cents: bigint = ctx.state.balance.get().cents;
        ctx.state.balance.set({ cents, currency: 'USD' });
        // @ts-expect-error cents is a bigint
        ctx.state.balance.set({ cents: 1, currency: 'USD' });
        // @ts-expect-error version 3 has a currency
        ctx.state.balance.set({ cents });
      },
    });
}

export function streams() {
  same<typeof numbers, Stream<number>>(true);
  const numbers = flights.map((f) => f.delay);
  const letters = flights.flatMap((f) => new Set(f.origin));
  same<typeof letters, Stream<string>>(true);
  const words = flights.flatMap((f) => f.origin.match(/[a-z]+/g) ?? []);
  same<typeof words, Stream<string>>(true);
  // @ts-expect-error flatMap returns an iterable
  flights.flatMap((f) => f.delay);

  const guarded = mixed.filter((value): value is number => typeof value === 'number');
  same<typeof guarded, Stream<number>>(true);
  const inferred = mixed.filter((value) => typeof value === 'string');
  same<typeof inferred, Stream<string>>(true);
  same<typeof unguarded, Stream<Flight>>(true);
  const unguarded = flights.filter((f) => f.delay > 0);
  // @ts-expect-error filter returns true or false
  flights.filter((f) => f.delay);

  const merged = flights.union(bids);
  same<typeof merged, Stream<Flight | Bid>>(true);
  const alike = numbers.union(numbers, numbers);
  same<typeof alike, Stream<number>>(true);

  const busy = (s: Stream<Flight>) => s.keyBy((f) => f.origin);
  same<ReturnType<typeof busy>, KeyedStream<Flight, string>>(true);
  const reused = flights.via(busy);
  same<typeof reused, KeyedStream<Flight, string>>(true);
  // @ts-expect-error bids are no flights
  bids.via(busy);
}

export function keys() {
  const byOrigin = flights.keyBy((f) => f.origin);
  same<typeof byOrigin, KeyedStream<Flight, string>>(true);
  byOrigin.process('a', {
    onElement(_f, ctx) {
      const origin: string = ctx.key;
      // @ts-expect-error the key is text
      const wrong: number = ctx.key;
      ctx.log(`${origin}${wrong}`);
    },
  });
  flights
    .keyBy((f) => [f.origin, f.delay])
    .process('b', {
      onElement(_f, ctx) {
        const [origin, delay] = ctx.key;
        same<typeof origin, string>(true);
        same<typeof delay, number>(true);
      },
    });
  // @ts-expect-error an object is no key
  flights.keyBy((f) => ({ origin: f.origin }));
  // @ts-expect-error null is no key
  flights.keyBy((f) => (f.delay > 0 ? f.origin : null));
  flights.keyBy((f) => f.origin, key.string);
  // @ts-expect-error the key is declared as text
  flights.keyBy((f) => f.delay, key.string);
  // @ts-expect-error the key is declared as an int
  flights.keyBy((f) => f.origin, key.int);
  // @ts-expect-error the key is declared as true or false
  flights.keyBy((f) => f.delay, key.boolean);
  const pairs = flights.keyBy((f) => [f.origin, f.delay], key.tuple(key.string, key.int));
  pairs.process('c', {
    onElement(_f, ctx) {
      same<(typeof ctx)['key'], readonly [string, number]>(true);
    },
  });
  // @ts-expect-error the second part is an int
  flights.keyBy((f) => [f.origin, f.destination], key.tuple(key.string, key.int));
}

export function processes() {
  const won = bids
    .keyBy((b) => b.auction)
    .process('winner', {
      state: {
        best: state.value<Bid>(),
        floor: state.value({ initial: 10 }),
        count: state.number(),
        prices: state.list<number>(),
        byBidder: state.map<string, Bid>(),
      },
      timers: { close: 'processing' },
      sides: { orphans: type<Bid>() },
      emits: type<{ auction: number; price: number }>(),
      onElement(bid, ctx) {
        const best = ctx.state.best.get();
        same<
          typeof best,
          { readonly auction: number; readonly bidder: string; readonly price: number } | undefined
        >(true);
        const floor: number = ctx.state.floor.get();
        ctx.state.floor.update((old) => old + floor);
        ctx.state.prices.add(bid.price);
        ctx.state.byBidder.set(bid.bidder, bid);
        ctx.side.orphans(bid);
        ctx.timers.close.set(ctx.now() + 1000);
        ctx.emit({ auction: ctx.key, price: bid.price });
        // @ts-expect-error a bid is kept
        ctx.state.best.set('bid');
        // @ts-expect-error a number is kept
        ctx.state.count.set('1');
        // @ts-expect-error numbers are listed
        ctx.state.prices.add('1');
        // @ts-expect-error the user key is text
        ctx.state.byBidder.set(1, bid);
        // @ts-expect-error no such state
        ctx.state.worst.get();
        // @ts-expect-error price is missing
        ctx.emit({ auction: ctx.key });
        // @ts-expect-error price is a number
        ctx.emit({ auction: ctx.key, price: 'much' });
        // @ts-expect-error orphans are bids
        ctx.side.orphans(1);
        // @ts-expect-error no such side
        ctx.side.other(bid);
        // @ts-expect-error no such timer
        ctx.timers.open.set(1);
        // @ts-expect-error what get gives is read-only
        ctx.state.prices.get().push(1);
        const map = ctx.state.byBidder.get('a');
        // @ts-expect-error what get gives is read-only, also inside
        if (map !== undefined) map.price = 1;
      },
      onTimer: {
        close(at, ctx) {
          same<typeof at, number>(true);
          ctx.emit({ auction: ctx.key, price: ctx.state.count.get() });
        },
      },
    });
  const orphans: Stream<Bid> = won.side.orphans;
  same<typeof orphans, typeof won.side.orphans>(true);
  // @ts-expect-error no such side
  won.side.other;
  const prices = won.map((w) => w.price);
  same<typeof prices, Stream<number>>(true);
}

export function withoutDeclarations() {
  const silent = bids
    .keyBy((b) => b.auction)
    .process('silent', {
      onElement(bid, ctx) {
        // @ts-expect-error nothing is emitted without emits
        ctx.emit(bid);
        // @ts-expect-error no state is declared
        ctx.state.any;
        // @ts-expect-error no timer is declared
        ctx.timers.any;
        // @ts-expect-error no side is declared
        ctx.side.any;
      },
    });
  same<typeof silent extends Stream<infer T> ? T : 'none', never>(true);
  bids
    .keyBy((b) => b.auction)
    .process('unhandled', {
      timers: { close: 'processing' },
      onElement() {},
      // @ts-expect-error close has no handler
      onTimer: {},
    });
}

export function parameters() {
  defineJob(
    'params',
    {
      params: {
        text: param.string(),
        count: param.number(1),
        fast: param.boolean(false),
        token: param.secret(),
      },
      parallelism: 2,
      checkpoint: { interval: '1s' },
    },
    (_job, p) => {
      same<
        typeof p,
        { readonly text: string; readonly count: number; readonly fast: boolean; readonly token: string }
      >(true);
      // @ts-expect-error no such parameter
      p.other;
      // @ts-expect-error parameters are read-only
      p.text = '';
    },
  );
  defineJob('none', {}, (_job, p) => {
    // @ts-expect-error no parameter is declared
    p.other;
  });
  // @ts-expect-error no such setting
  defineJob('typo', { paralelism: 2 }, () => {});
}

export function states() {
  // @ts-expect-error the initial value is a number
  state.value<number>({ initial: 'none' });
  // @ts-expect-error the initial value must match the schema
  state.value(schema(z.number()), { initial: 'none' });
  const standard = state.value(z.object({ n: z.number() }), { initial: { n: 1 } });
  same<NonNullable<typeof standard.handle> extends { set(value: infer V): void } ? V : never, { n: number }>(
    true,
  );
  // @ts-expect-error no such option
  state.value<number>({ formally: ['old'] });
  const valibot = state.list(v.object({ n: v.number() }));
  same<NonNullable<typeof valibot.handle> extends { add(value: infer V): void } ? V : never, { n: number }>(
    true,
  );
  schema(z.number())
    // @ts-expect-error the step gives what the next version is
    .next(z.string(), (v) => v * 2);
  schema(z.number())
    .next(z.string(), (v) => String(v))
    // @ts-expect-error a step starts from the version before
    .next(z.number(), (v: number) => v);
}

interface Row {
  readonly id: number;
}
interface NamedRow extends Row {
  readonly name: string;
}

export function sinks() {
  const rows = defineSink({
    open: () => ({
      write(elements: readonly Row[]) {
        void elements;
      },
    }),
  });
  same<typeof rows, Sink<Row, void>>(true);
  const named = defineSink<NamedRow>({ open: () => ({ write() {} }) });
  const wide: Stream<Row> = job.source('rows', rowsSource());
  wide.sink('a', rows);
  // @ts-expect-error the sink wants rows with names
  wide.sink('b', named);
  // @ts-expect-error bids are no rows
  bids.sink('c', rows);
  job
    .source('named', rowsSource())
    .map((row) => ({ ...row, name: 'x' }))
    .sink('d', rows);
  defineSink({
    transaction: schema(z.object({ part: z.string() })),
    open: () => ({ write(_rows: readonly Row[]) {}, prepare: async () => ({ part: 'a' }) }),
    committer: () => ({
      async recover(restored) {
        const parts: string[] = restored.map((transaction) => transaction.value.part);
        void parts;
      },
      async commit() {},
    }),
  });
  defineSink({
    transaction: schema(z.object({ part: z.string() })),
    // @ts-expect-error prepare gives what the transaction's schema says
    open: () => ({ write(_rows: readonly Row[]) {}, prepare: async () => ({ part: 1 }) }),
    committer: () => ({ async recover() {}, async commit() {} }),
  });
}

function rowsSource() {
  return defineSource({
    position: schema(z.number()),
    splits: () => [{ id: 'main', start: 0 }],
    async *read({ position }) {
      yield { elements: [{ id: position }], position: position + 1 };
    },
  });
}

export function sources() {
  defineSource({
    position: schema(z.number()),
    // @ts-expect-error a position is a number
    splits: () => [{ id: 'main', start: 'a' }],
    async *read() {
      yield { elements: [1], position: 1 };
    },
  });
  defineSource({
    position: schema(z.number()),
    splits: () => [{ id: 'main', start: 0 }],
    // @ts-expect-error a position is a number
    async *read() {
      yield { elements: [1], position: 'b' };
    },
  });
}

test('the word-count example of the design builds as it stands', () => {
  const graph = wordCount.build({ input: 'in/*.txt', output: 'out' });
  assert.deepEqual(
    graph.nodes.map((node) => node.kind),
    ['source', 'flatMap', 'keyBy', 'process', 'sink'],
  );
});

test('the pages and money examples of the design make what they say', () => {
  assert.equal(pages('http://localhost').kind, 'custom');
  assert.equal(money.version, 3);
  assert.deepEqual(money.upgrade(1.5, 1), { cents: 150n, currency: 'EUR' });
});
