/** State is read-only to user code in a test: whatever it gives out, or was put into it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  defineJob,
  defineSink,
  defineTrigger,
  fromArray,
  type ProcessContext,
  type StateDeclaration,
  type Stream,
  state,
  type,
  windows,
} from '../../src/index.js';
import { deepFreeze } from '../../src/testing/freeze.js';
import { testJob, testOperator } from '../../src/testing.js';

interface Box {
  n: number;
  in: { list: number[] };
}

const box = (n: number): Box => ({ n, in: { list: [n] } });
/** As JavaScript sees what TypeScript says is read-only. */
const loose = (value: unknown) => value as { n: number; in: { list: number[] } };

const READ_ONLY = /USER_CODE|TypeError: Cannot (?:assign to read only|add|delete|change a read-only)/;

/** One state, and what an element does to it; the second of two elements finds what the first has left. */
async function refuses<H>(
  declared: StateDeclaration<H>,
  first: (handle: H) => void,
  second: (handle: H) => void,
): Promise<void> {
  const op = await testOperator((numbers: Stream<number>) =>
    numbers
      .keyBy(() => 'all')
      .process('kept', {
        state: { kept: declared },
        emits: type<number>(),
        onElement(n, ctx) {
          const handle = ctx.state.kept as H;
          if (n === 0) first(handle);
          else second(handle);
        },
      }),
  );
  op.push(0);
  assert.throws(
    () => op.push(1),
    (error: Error & { code?: string; details?: { operator?: string; element?: string } }) => {
      assert.equal(error.code, 'USER_CODE', error.message);
      assert.match(error.message, READ_ONLY);
      assert.deepEqual([error.details?.operator, error.details?.element], ['kept', '1']);
      return true;
    },
  );
}

test('value: what get and update give, the initial value, and what was set', async () => {
  const value = state.value<Box>;
  await refuses(
    value(),
    (kept) => kept.set(box(1)),
    (kept) => void loose(kept.get()).n++,
  );
  await refuses(
    value(),
    (kept) => kept.set(box(1)),
    (kept) => void loose(kept.get()).in.list.push(2),
  );
  await refuses(
    value(),
    (kept) => kept.set(box(1)),
    (kept) => kept.update((before) => Object.assign(loose(before), { n: 2 })),
  );
  await refuses(
    state.value({ initial: box(0) }),
    () => undefined,
    (kept) => void loose(kept.get()).n++,
  );
  await refuses(
    value(),
    () => undefined,
    (kept) => {
      const mine = box(1);
      kept.set(mine);
      mine.n = 2;
    },
  );
  await refuses(
    value({ ttl: '1h' }),
    (kept) => kept.set(box(1)),
    (kept) => void loose(kept.get()).n++,
  );
});

test('list: the list and its elements, with a ttl and without', async () => {
  for (const list of [state.list<Box>(), state.list<Box>({ ttl: '1h' })]) {
    const add = (kept: { add(element: Box): void }) => kept.add(box(1));
    await refuses(list, add, (kept) => void loose(kept.get()[0]).n++);
    await refuses(list, add, (kept) => void (kept.get() as Box[]).push(box(2)));
    await refuses(list, add, (kept) =>
      kept.update((before) => {
        (before as Box[]).pop();
        return before as Box[];
      }),
    );
  }
});

test('map: values, entries and keys', async () => {
  for (const map of [
    state.map<string | readonly [string, number], Box>(),
    state.map<string | readonly [string, number], Box>({ ttl: '1h' }),
  ]) {
    const put = (kept: { set(key: string | readonly [string, number], value: Box): void }) =>
      kept.set(['a', 1], box(1));
    await refuses(map, put, (kept) => void loose(kept.get(['a', 1])).n++);
    await refuses(map, put, (kept) => {
      for (const [, value] of kept.entries()) loose(value).n++;
    });
    await refuses(map, put, (kept) => {
      for (const key of kept.keys()) (key as unknown as unknown[])[0] = 'b';
    });
  }
});

test('reducing and aggregating: the arguments of their functions, and what get gives', async () => {
  const changing = state.reducing<Box>((a, b) => {
    loose(a).n += b.n;
    return a;
  });
  await refuses(
    changing,
    (kept) => kept.add(box(1)),
    (kept) => kept.add(box(2)),
  );
  const reducing = state.reducing<Box>((a, b) => (a.n > b.n ? a : b));
  await refuses(
    reducing,
    (kept) => kept.add(box(1)),
    (kept) => void loose(kept.get()).n++,
  );
  const sum = state.aggregating({
    init: () => ({ n: 0 }),
    add(a, n: number) {
      loose(a).n += n;
      return a;
    },
    result: (a) => a.n,
  });
  await refuses(
    sum,
    () => undefined,
    (kept) => kept.add(1),
  );
  const same = state.aggregating({
    init: () => box(0),
    add: (a, n: number) => ({ ...a, n }),
    result: (a) => a,
  });
  await refuses(
    same,
    (kept) => kept.add(1),
    (kept) => void loose(kept.get()).n++,
  );
});

test('Map, Set and Date refuse their own methods', async () => {
  interface Kept {
    readonly map: Map<string, Box>;
    readonly set: Set<string>;
    readonly date: Date;
  }
  const kept = (): Kept => ({ map: new Map([['a', box(1)]]), set: new Set(['a']), date: new Date(0) });
  const changes: ((given: Kept) => void)[] = [
    ({ map }) => map.set('b', box(2)),
    ({ map }) => map.delete('a'),
    ({ map }) => map.clear(),
    ({ map }) => loose(map.get('a')).n++,
    ({ set }) => set.add('b'),
    ({ set }) => set.delete('a'),
    ({ set }) => set.clear(),
    ({ date }) => date.setTime(1),
    ({ date }) => date.setUTCHours(1),
  ];
  for (const change of changes) {
    await refuses(
      state.value<Kept>(),
      (handle) => handle.set(kept()),
      (handle) => change(handle.get() as unknown as Kept),
    );
  }
});

test('what is read-only is kept, snapshot and restored like any other', async () => {
  const piece = (numbers: Stream<number>) =>
    numbers
      .keyBy(() => 'all')
      .process('kept', {
        state: { kept: state.value<unknown>(), list: state.list<Box>({ ttl: '1h' }) },
        onElement(n, ctx) {
          ctx.state.kept.get();
          ctx.state.kept.set({ map: new Map([['a', new Set([new Date(n)])]]), bytes: new Uint8Array([n]) });
          ctx.state.kept.get();
          ctx.state.list.add(box(n));
          ctx.state.list.get();
        },
      });
  const op = await testOperator(piece);
  op.pushAll([1, 2]);
  const next = await testOperator(piece, { restore: await op.snapshot() });
  for (const one of [op, next]) {
    assert.deepEqual(one.state('kept.kept', 'all'), {
      map: new Map([['a', new Set([new Date(2)])]]),
      bytes: new Uint8Array([2]),
    });
    assert.deepEqual(one.state('kept.list', 'all'), [box(1), box(2)]);
  }
});

test('windows: the arguments of reduce, aggregate and apply', async () => {
  const boxes = (piece: (stream: Stream<Box>) => Stream<unknown>) => testOperator(piece);
  const assign = windows.tumbling('1m');
  const reduce = await boxes((stream) =>
    stream
      .keyBy(() => 'all')
      .window('w', {
        assign,
        reduce(a, b) {
          loose(a).n += b.n;
          return a;
        },
      }),
  );
  reduce.push(box(1), 0);
  assert.throws(() => reduce.push(box(2), 0), READ_ONLY);

  const result = await boxes((stream) =>
    stream.keyBy(() => 'all').window('w', { assign, reduce: (a) => a, result: (kept) => loose(kept).n++ }),
  );
  result.push(box(1), 0);
  assert.throws(() => result.watermark(60_000), READ_ONLY);

  const emitted = await boxes((stream) =>
    stream
      .keyBy(() => 'all')
      .window('w', { assign, lateness: '1h', reduce: (a) => a })
      .map((kept) => loose(kept).n++),
  );
  emitted.push(box(1), 0);
  assert.throws(() => emitted.watermark(60_000), READ_ONLY, 'the result is what the pane goes on keeping');

  const aggregate = await boxes((stream) =>
    stream
      .keyBy(() => 'all')
      .window('w', {
        assign: windows.sliding('1m', '30s'),
        aggregate: {
          init: () => box(0),
          add: (a, b: Box) => ({ ...box(a.n + b.n) }),
          merge(a, b) {
            loose(a).n += b.n;
            return a;
          },
          result: (a) => a.n,
        },
      }),
  );
  aggregate.push(box(1), 0);
  aggregate.push(box(2), 30_000);
  assert.throws(() => aggregate.watermark(60_000), READ_ONLY);

  for (const change of [
    (elements: readonly unknown[]) => void (elements as unknown[]).pop(),
    (elements: readonly unknown[]) => void loose(elements[0]).n++,
  ]) {
    const apply = await boxes((stream) =>
      stream
        .keyBy(() => 'all')
        .window('w', {
          assign,
          lateness: '1h',
          apply(elements) {
            change(elements);
            return [];
          },
        }),
    );
    apply.push(box(1), 0);
    assert.throws(() => apply.watermark(60_000), READ_ONLY);
  }
});

test('windows go on adding to what they gave out', async () => {
  const op = await testOperator((numbers: Stream<number>) =>
    numbers
      .keyBy(() => 'all')
      .window('w', { assign: windows.tumbling('1m'), lateness: '1h', apply: (elements) => [elements] }),
  );
  op.pushAll([1, 2], () => 0);
  op.watermark(60_000);
  op.push(3, 0);
  assert.deepEqual(op.output(), [
    [1, 2],
    [1, 2, 3],
  ]);
});

test('triggers: what they keep', async () => {
  const trigger = defineTrigger({
    initial: { n: 0 },
    onElement(_: Box, pane) {
      if (pane.state.get().n > 0) pane.state.get().n++;
      pane.state.set({ n: 1 });
      return 'continue';
    },
  });
  const op = await testOperator((stream: Stream<Box>) =>
    stream.keyBy(() => 'all').window('w', { assign: windows.global(), trigger, reduce: (a) => a }),
  );
  op.push(box(1));
  assert.throws(() => op.push(box(2)), READ_ONLY);
});

test('broadcast state: what elements are given of it', async () => {
  const op = await testOperator((numbers: Stream<number>, rules: Stream<Box>) =>
    numbers
      .keyBy(() => 'all')
      .connect(rules.broadcast())
      .process('limits', {
        broadcast: { rules: state.broadcast<string, Box>() },
        onElement: (_, ctx) => void loose(ctx.broadcast.rules.get('a')).n++,
        onBroadcast(rule, ctx) {
          assert.deepEqual([Reflect.get(ctx, 'state'), Reflect.get(ctx, 'key')], [undefined, undefined]);
          ctx.broadcast.rules.set('a', rule);
        },
      }),
  );
  op.pushTo(1, box(1));
  assert.throws(() => op.push(1), READ_ONLY);
});

test('state of sinks that write: the list and its elements', async () => {
  const changing = defineSink({
    state: { seen: state.operatorList<Box>() },
    open: ({ state: { seen } }) => ({
      write(elements: readonly Box[]) {
        for (const element of elements) seen.add(element);
        loose(seen.get()[0]).n++;
      },
    }),
  });
  const definition = defineJob('sink', {}, (job) => {
    job.source('boxes', fromArray<Box>([])).sink('out', changing);
  });
  const job = await testJob(definition, { inputs: { boxes: [box(1)] }, liveSinks: true });
  await assert.rejects(job.run(), /Cannot assign to read only/);
});

test('the context is the one of the runtime in all else', async () => {
  const seen: unknown[] = [];
  const op = await testOperator((numbers: Stream<number>) =>
    numbers
      .keyBy((n) => [n, 'key'] as const)
      .process('all', {
        sides: { odd: type<number>() },
        emits: type<number>(),
        onElement(n, ctx) {
          seen.push(ctx.key, ctx.subtask, ctx.now(), ctx.timestamp, ctx.watermark());
          ctx.log('line');
          ctx.emit(n);
          ctx.side.odd(n);
          const { emit }: Pick<ProcessContext<unknown, object, object, object, number>, 'emit'> = ctx;
          assert.throws(() => emit(n), TypeError, 'emit belongs to its context, as in a job');
        },
      }),
  );
  op.watermark(4);
  op.push(7, 5);
  assert.deepEqual(seen, [[7, 'key'], 0, 0, 5, 4]);
  assert.deepEqual([op.output(), op.output('odd'), op.log], [[7], [7], ['line']]);
});

test('anything can be frozen: cycles, deep nesting, what is frozen in part; bytes stay as they are', () => {
  interface Node {
    next: Node | undefined;
    readonly bytes: Uint8Array;
    readonly seen: Set<unknown>;
  }
  const last: Node = { next: undefined, bytes: new Uint8Array([1]), seen: new Set() };
  let first = last;
  for (let depth = 0; depth < 20_000; depth++) first = { next: first, bytes: last.bytes, seen: last.seen };
  last.next = first;
  last.seen.add(Object.freeze({ in: last }));
  assert.equal(deepFreeze(first), first);
  assert.throws(() => {
    last.next = undefined;
  }, TypeError);
  assert.throws(() => last.seen.clear(), /Cannot change a read-only Set by clear/);
  last.bytes[0] = 2;
  assert.equal(deepFreeze(last).bytes[0], 2);
  for (const plain of [undefined, null, 1, 'a', 1n, Symbol.iterator, () => 1])
    assert.equal(deepFreeze(plain), plain);
});
