/** One operator, or a piece of a dataflow, to which the test says what comes and when. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Stream, state, stdout, type, windows } from '../../src/index.js';
import { type TestOperatorOptions, testOperator } from '../../src/testing.js';

interface Reading {
  readonly sensor: string;
  readonly value: number;
}

const reading = (sensor: string, value: number): Reading => ({ sensor, value });

/** The greatest of each minute. */
const greatest = (readings: Stream<Reading>) =>
  readings
    .keyBy((r) => r.sensor)
    .window('greatest', {
      assign: windows.tumbling('1m'),
      lateness: '10s',
      reduce: (a, b) => (b.value > a.value ? b : a),
      result: (r, w) => ({ sensor: w.key, end: w.end, value: r.value }),
    });

/** Says so when a sensor was quiet for a minute of event time, and how long ago it was heard by the clock. */
const quiet = (readings: Stream<Reading>) =>
  readings
    .keyBy((r) => r.sensor)
    .process('quiet', {
      state: { last: state.value<number>(), heard: state.number(0) },
      timers: { alarm: 'event', forget: 'processing' },
      sides: { negative: type<Reading>() },
      emits: type<string>(),
      onElement(r, ctx) {
        if (r.value < 0) ctx.side.negative(r);
        ctx.timers.alarm.clear();
        ctx.timers.alarm.set((ctx.timestamp ?? 0) + 60_000);
        ctx.timers.forget.clear();
        ctx.timers.forget.set(ctx.now() + 1000);
        ctx.state.last.set(r.value);
        ctx.state.heard.add(1);
      },
      onTimer: {
        alarm: (at, ctx) => ctx.emit(`${ctx.key} quiet at ${at}`),
        forget(at, ctx) {
          ctx.state.last.clear();
          ctx.emit(`${ctx.key} forgotten at ${at}`);
        },
      },
    });

test('a window gives its result when the watermark passes its end, and not before', async () => {
  const op = await testOperator(greatest);
  op.push(reading('a', 1), 10_000);
  op.push(reading('a', 3), 59_999);
  op.push(reading('a', 2), 60_000);
  op.watermark(59_998);
  assert.deepEqual(op.output(), []);
  assert.deepEqual(op.state('greatest', 'a'), [
    { window: { start: 0, end: 60_000 }, value: reading('a', 3) },
    { window: { start: 60_000, end: 120_000 }, value: reading('a', 2) },
  ]);
  op.watermark(59_999);
  assert.deepEqual(op.takeOutput(), [{ sensor: 'a', end: 60_000, value: 3 }]);
  op.endOfInput();
  assert.deepEqual(op.takeOutput(), [{ sensor: 'a', end: 120_000, value: 2 }]);
  assert.equal(op.output().length, 2, 'all that came is still there');
  assert.equal(op.watermarkOf('greatest'), Number.POSITIVE_INFINITY);
  await op.close();
});

test('late elements fire again within the lateness, then go to the late output', async () => {
  const op = await testOperator(greatest);
  op.push(reading('a', 1), 10_000);
  op.watermark(60_000);
  assert.deepEqual(op.takeOutput(), [{ sensor: 'a', end: 60_000, value: 1 }]);
  op.push(reading('a', 5), 20_000);
  assert.deepEqual(op.takeOutput(), [{ sensor: 'a', end: 60_000, value: 5 }]);
  assert.equal(op.late('greatest'), 0);
  op.watermark(69_999);
  op.push(reading('a', 9), 20_000);
  assert.deepEqual(op.takeOutput(), []);
  assert.deepEqual(op.takeOutput('late'), [reading('a', 9)]);
  assert.deepEqual(op.takeOutput('late'), []);
  assert.equal(op.late('greatest'), 1);
  assert.deepEqual(op.state('greatest', 'a'), []);
});

test('named timers and side outputs, by event time and by the clock', async () => {
  const op = await testOperator(quiet);
  op.push(reading('a', -1), 5000);
  op.push(reading('b', 1), 6000);
  assert.deepEqual(op.output('negative'), [reading('a', -1)]);
  assert.deepEqual(op.timers('quiet.alarm', 'a'), [65_000]);
  assert.deepEqual(op.timers('quiet.forget', 'b'), [1000]);
  op.advance(999);
  assert.deepEqual(op.output(), []);
  op.advance('1ms');
  assert.deepEqual(op.takeOutput(), ['a forgotten at 1000', 'b forgotten at 1000']);
  assert.equal(op.state('quiet.last', 'a'), undefined);
  assert.equal(op.state('quiet.heard', 'a'), 1);
  op.watermark(65_999);
  assert.deepEqual(op.takeOutput(), ['a quiet at 65000']);
  op.push(reading('a', 2), 65_999);
  assert.equal(op.late('quiet'), 1, 'a watermark of its time had come');
  op.endOfInput();
  assert.deepEqual(
    op.takeOutput(),
    ['b quiet at 66000', 'a quiet at 125999'],
    'timers of the clock are dropped',
  );
  assert.throws(() => op.push(reading('a', 2), 1), { code: 'USAGE', message: /endOfInput/ });
});

test('a snapshot restores at any parallelism, with state, timers and event time', async () => {
  const first = await testOperator(quiet, { parallelism: 2 });
  const sensors = Array.from({ length: 40 }, (_, i) => `s${i}`);
  sensors.forEach((sensor, i) => {
    first.push(reading(sensor, i), 1000 + i);
  });
  first.watermark(61_005);
  const before = first.takeOutput();
  assert.equal(before.length, 6);
  first.clock.advance(500);
  const snapshot = await first.snapshot();
  for (const parallelism of [1, 3, 128]) {
    const next = await testOperator(quiet, { restore: snapshot, parallelism });
    assert.equal(next.clock.now(), 500);
    assert.equal(next.watermarkOf('quiet'), 61_005);
    assert.equal(next.state('quiet.last', 's7'), 7);
    next.watermark(61_000);
    assert.deepEqual(next.output(), [], 'event time does not fall behind');
    next.endOfInput();
    const after = sensors.slice(6).map((sensor, i) => `${sensor} quiet at ${61_006 + i}`);
    assert.deepEqual(new Set(next.output()), new Set(after), `at ${parallelism}`);
    await next.close();
  }
});

test('a window under way restores at another parallelism and fires once', async () => {
  const first = await testOperator(greatest);
  first.pushAll(
    ['a', 'b', 'c', 'd'].map((sensor, i) => reading(sensor, i)),
    ({ value }) => value * 20_000,
  );
  first.watermark(59_999);
  assert.equal(first.output().length, 3);
  const next = await testOperator(greatest, { restore: await first.snapshot(), parallelism: 4 });
  next.watermark(100_000);
  assert.deepEqual(next.output(), []);
  next.watermark(119_999);
  assert.deepEqual(next.output(), [{ sensor: 'd', end: 120_000, value: 3 }]);
});

test('a piece with its own timestamps takes elements without, and still the test moves event time', async () => {
  const op = await testOperator((readings: Stream<Reading>) =>
    readings.assignTimestamps((r) => r.value, { outOfOrderness: 0 }).via(greatest),
  );
  op.push(reading('a', 30_000));
  op.push(reading('a', 200_000));
  assert.equal(op.watermarkOf('greatest'), Number.NEGATIVE_INFINITY);
  op.watermark(59_999);
  assert.deepEqual(op.takeOutput(), [{ sensor: 'a', end: 60_000, value: 30_000 }]);
  assert.throws(() => op.push(reading('a', 1), 1), { code: 'USAGE', message: /assignTimestamps/ });
});

test('stateless pieces need no timestamps, and pass them on', async () => {
  const op = await testOperator((numbers: Stream<number>) => ({
    odd: numbers.filter((n) => n % 2 === 1),
    twice: numbers.map((n) => n * 2),
  }));
  op.pushAll([1, 2, 3]);
  assert.deepEqual(op.output('odd'), [1, 3]);
  assert.deepEqual(op.output('twice'), [2, 4, 6]);
  assert.throws(() => op.output(), { code: 'USAGE', message: /no main output; there are: odd, twice/ });

  const stamps = await testOperator((numbers: Stream<number>) =>
    numbers
      .map((n) => n)
      .keyBy(() => 'all')
      .process('stamps', {
        emits: type<number | undefined>(),
        onElement: (_, ctx) => ctx.emit(ctx.timestamp),
      }),
  );
  stamps.push(1, 77);
  stamps.push(2);
  assert.deepEqual(stamps.output(), [77, undefined]);
});

test('what reaches a sink of the piece is kept under its uid', async () => {
  const op = await testOperator((lines: Stream<string>) => {
    lines.map((line) => line.length).sink('lengths', stdout());
  });
  op.pushAll(['a', 'bcd']);
  assert.deepEqual(op.takeOutput('lengths'), [1, 3]);
});

test('two inputs: a keyed stream and rules that are broadcast to it', async () => {
  const limits = (readings: Stream<Reading>, rules: Stream<{ sensor: string; most: number }>) =>
    readings
      .keyBy((r) => r.sensor)
      .connect(rules.broadcast())
      .process('limits', {
        broadcast: { most: state.broadcast<string, number>() },
        state: { seen: state.list<number>() },
        timers: { later: 'event' },
        emits: type<string>(),
        onElement(r, ctx) {
          ctx.state.seen.add(r.value);
          if (r.value > (ctx.broadcast.most.get(r.sensor) ?? Number.POSITIVE_INFINITY))
            ctx.emit(`${r.sensor} ${r.value}`);
        },
        onBroadcast: (rule, ctx) => ctx.broadcast.most.set(rule.sensor, rule.most),
        onTimer: { later: (_, ctx) => ctx.emit(`${ctx.key} later`) },
      });
  const op = await testOperator(limits, { parallelism: 3 });
  op.push(reading('a', 5), 1);
  op.pushTo(1, { sensor: 'a', most: 4 });
  op.push(reading('a', 5), 2);
  assert.deepEqual(op.output(), ['a 5']);
  assert.deepEqual(op.state('limits.most'), new Map([['a', 4]]));
  assert.deepEqual(op.state('limits.seen', 'a'), [5, 5]);
  const next = await testOperator(limits, { restore: await op.snapshot(), parallelism: 2 });
  next.push(reading('a', 6), 3);
  assert.deepEqual(next.output(), ['a 6']);
});

test('what user code throws is thrown by push, with operator and element, and again by what follows', async () => {
  const op = await testOperator((numbers: Stream<number>) =>
    numbers
      .keyBy((n) => n)
      .process('check', {
        emits: type<number>(),
        onElement(n, ctx) {
          if (n === 7) throw new Error('seven');
          ctx.emit(n);
        },
      }),
  );
  op.push(1);
  const seven = { message: /operator check: Error: seven/, details: /./ };
  const isSeven = (error: Error & { details?: { operator?: string; element?: string } }) => {
    assert.match(error.message, seven.message);
    assert.deepEqual([error.details?.operator, error.details?.element], ['check', '7']);
    return true;
  };
  assert.throws(() => op.push(7), isSeven);
  assert.throws(() => op.push(8), isSeven);
  assert.throws(() => op.watermark(8), isSeven);
  assert.deepEqual(op.output(), [1]);
});

test('what cannot be meant is refused', async () => {
  const op = await testOperator(greatest);
  const usage = (message: RegExp) => ({ code: 'USAGE', message });
  assert.throws(() => op.push(reading('a', 1)), usage(/window greatest goes by event time/));
  assert.throws(() => op.push(reading('a', 1), 0.5), usage(/expected a timestamp .* found 0.5/));
  assert.throws(() => op.pushTo(1 as 0, reading('a', 1), 1), usage(/no input 1; there are 1, from 0/));
  op.watermark(10);
  assert.throws(() => op.watermark(9), usage(/9 is before 10/));
  assert.throws(() => op.watermark(Number.NaN), usage(/found NaN/));
  assert.throws(() => op.advance('soon'), usage(/duration/));
  assert.throws(
    () => op.state('greatest.sum', 'a'),
    usage(/there is no greatest.sum; there are: greatest.panes/),
  );
  assert.throws(() => op.state('greatest'), usage(/name one/));
  assert.throws(() => op.timers('greatest.panes', 'a'), usage(/there are: greatest.event/));
  assert.throws(() => op.watermarkOf('other'), usage(/no keyed operator other; there are: greatest/));
  assert.throws(() => op.output('negative'), usage(/no output negative; there are: late/));
  const snapshot = await op.snapshot();
  await assert.rejects(
    testOperator(quiet, { restore: snapshot }),
    usage(/nothing of this piece; .* greatest/),
  );

  const bad = (piece: (numbers: Stream<number>) => unknown, options?: TestOperatorOptions) =>
    testOperator(piece, options);
  const invalid = (message: RegExp) => ({ code: 'GRAPH_INVALID', message });
  await assert.rejects(
    bad((numbers) => numbers.map(1 as never)),
    invalid(/map expects a function/),
  );
  await assert.rejects(
    bad(() => 3),
    invalid(/returned neither a stream nor an object of streams/),
  );
  await assert.rejects(
    bad((numbers) => ({ numbers, three: 3 })),
    invalid(/returned as "three" is no stream/),
  );
  await assert.rejects(
    bad(() => undefined),
    invalid(/reaches no sink/),
  );
  await assert.rejects(
    bad((numbers) => {
      numbers.sink('out', stdout());
      return { out: numbers };
    }),
    invalid(/output "out" is a sink and a stream/),
  );
});

test('timers that never end are told', async () => {
  const op = await testOperator((numbers: Stream<number>) =>
    numbers
      .keyBy((n) => n)
      .process('again', {
        timers: { now: 'event' },
        onElement: (_, ctx) => ctx.timers.now.set(0),
        onTimer: { now: (_, ctx) => ctx.timers.now.set(0) },
      }),
  );
  op.push(1, 5);
  assert.throws(() => op.watermark(10), { code: 'USAGE', message: /go on falling due/ });
});

test('state of an operator that has no place for it any more is told, as on a restore', async () => {
  const of = (kept: 'number' | 'list') => (names: Stream<string>) =>
    names
      .keyBy((name) => name)
      .process('kept', {
        state: { one: kept === 'number' ? state.number(0) : state.list<number>() },
        onElement: (_, ctx) => ctx.state.one.add(1),
      });
  const op = await testOperator(of('number'));
  op.push('a');
  await assert.rejects(testOperator(of('list'), { restore: await op.snapshot() }), { code: 'INCOMPATIBLE' });
});

/** Compiled, not run: nothing needs a cast, and what does not fit is found. */
export async function types(): Promise<void> {
  const op = await testOperator(quiet);
  const main: readonly string[] = op.output();
  const sides: readonly Reading[] = op.takeOutput('negative');
  // @ts-expect-error it gives texts
  const numbers: readonly number[] = op.output();
  // @ts-expect-error a number is no reading
  op.push(1, 1);
  const late: readonly Reading[] = (await testOperator(greatest)).output('late');
  const two = await testOperator((a: Stream<string>, b: Stream<number>) => ({
    long: a.map((s) => s.length),
    b,
  }));
  two.pushTo(1, 5);
  // @ts-expect-error the second takes numbers
  two.pushTo(1, 'a');
  const long: readonly number[] = two.output('long');
  void [main, sides, numbers, late, long];
}
