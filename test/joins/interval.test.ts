/** The interval join, element by element; against a plain computation it is held in properties.test.ts. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  type JoinContext,
  type JoinStream,
  type JoinType,
  type Partner,
  type Stream,
  schema,
  type,
} from 'tidemark';
import { type TestOperator, testOperator } from 'tidemark/testing';
import { z } from 'zod';

interface Event {
  readonly key: string;
  readonly id: string;
}

interface Options<J extends JoinType> {
  readonly between: readonly [number | string, number | string];
  readonly type?: J;
  readonly left?: z.ZodType<Event>;
  readonly uid?: string;
}

/** Results tell their timestamp: `l+r@10`. */
const joined =
  <J extends JoinType = 'inner'>({ uid = 'join', ...options }: Options<J>) =>
  (left: Stream<Event>, right: Stream<Event>) => {
    const stream = left
      .keyBy(({ key }) => key)
      .intervalJoin(
        uid,
        right.keyBy(({ key }) => key),
        { ...options, join: (l: Event, r: Partner<Event, J>) => `${l.id}+${r?.id ?? ''}` },
      );
    return { main: stamped(stream), left: stream.late.left, right: stream.late.right };
  };

const stamped = (stream: JoinStream<string, Event, Event>) =>
  stream
    .keyBy(() => 0)
    .process('stamped', {
      emits: type<string>(),
      onElement: (text, ctx) => ctx.emit(`${text}@${ctx.timestamp}`),
    });

const at = (id: string, key = 'k'): Event => ({ key, id });

/** Keys of state that is kept for a key; none: nothing is. */
function keptBy(op: TestOperator<never, never>, key = 'k'): string[] {
  const states = ['left', 'right', 'alone', 'layout'].filter((name) => {
    const kept = op.state(`join.${name}`, key);
    return kept instanceof Map ? kept.size > 0 : kept !== undefined;
  });
  const timers = ['left-due', 'right-due', 'alone-due'].filter(
    (name) => op.timers(`join.${name}`, key).length > 0,
  );
  return [...states, ...timers];
}

const keptOf = (op: unknown, key?: string) => keptBy(op as TestOperator<never, never>, key);

describe('inner', () => {
  test('both ends of the interval belong to it, whichever side comes first', async () => {
    const op = await testOperator(joined({ between: [-2, 5] }));
    op.push(at('l'), 10);
    for (const time of [7, 8, 15, 16]) op.pushTo(1, at(`r${time}`), time);
    assert.deepEqual(op.takeOutput('main'), ['l+r8@10', 'l+r15@15']);
    op.pushTo(1, at('r'), 100);
    for (const time of [94, 95, 102, 103]) op.push(at(`l${time}`), time);
    assert.deepEqual(op.takeOutput('main'), ['l95+r@100', 'l102+r@102']);
    op.push(at('l', 'other'), 100);
    assert.deepEqual(op.takeOutput('main'), []);
  });

  test('an interval may lie wholly before or after, or be one moment', async () => {
    const before = await testOperator(joined({ between: ['-10ms', -5] }));
    before.push(at('l'), 100);
    for (const time of [89, 90, 95, 96]) before.pushTo(1, at(`r${time}`), time);
    assert.deepEqual(before.output('main'), ['l+r90@100', 'l+r95@100']);
    const after = await testOperator(joined({ between: [5, '10ms'] }));
    after.pushTo(1, at('r'), 100);
    for (const time of [89, 90, 95, 96]) after.push(at(`l${time}`), time);
    assert.deepEqual(after.output('main'), ['l90+r@100', 'l95+r@100']);
    const moment = await testOperator(joined({ between: [0, 0] }));
    for (const time of [-1, 0, 1]) moment.push(at(`l${time}`), time);
    for (const time of [-1, 0, 1, 1]) moment.pushTo(1, at(`r${time}`), time);
    assert.deepEqual(moment.output('main'), ['l-1+r-1@-1', 'l0+r0@0', 'l1+r1@1', 'l1+r1@1']);
  });

  test('at or behind the watermark is late, and counted', async () => {
    const op = await testOperator(joined({ between: [-100, 100] }));
    op.push(at('l'), 50);
    op.watermark(60);
    op.pushTo(1, at('r60'), 60);
    op.pushTo(1, at('r61'), 61);
    op.push(at('l59'), 59);
    assert.deepEqual(op.output('main'), ['l+r61@61']);
    assert.deepEqual(op.output('right'), [at('r60')]);
    assert.deepEqual(op.output('left'), [at('l59')]);
    assert.equal(op.late('join'), 2);
  });

  test('an element stays while a partner may come, and then goes with its timers', async () => {
    const op = await testOperator(joined({ between: [-3, 4] }));
    op.push(at('l'), 20);
    op.watermark(23);
    op.pushTo(1, at('r'), 24);
    assert.deepEqual(op.takeOutput('main'), ['l+r@24']);
    // The last moment of the bucket of eight milliseconds that it is in, and three.
    op.watermark(34);
    assert.notDeepEqual(keptOf(op), []);
    op.watermark(35);
    assert.deepEqual(keptOf(op), []);
    // Nothing before it can come for this one: it is not kept at all.
    const before = await testOperator(joined({ between: [-9, -5] }));
    before.watermark(100);
    before.push(at('l'), 103);
    assert.deepEqual(keptOf(before), []);
    before.pushTo(1, at('r'), 101);
    assert.notDeepEqual(keptOf(before), []);
    before.endOfInput();
    assert.deepEqual(keptOf(before), []);
  });

  test('finds partners among very many, and looks at few', async () => {
    const op = await testOperator(joined({ between: [0, 9] }));
    for (let time = 0; time < 2_000; time++) op.push(at(`l${time}`), time);
    for (let n = 0; n < 100; n++) op.push(at(`n${n}`), 1_000);
    op.pushTo(1, at('r'), 1_005);
    const found = op.output('main');
    assert.equal(found.length, 110);
    assert.equal(new Set(found).size, 110);
    assert.ok(
      found.includes('l996+r@1005') && found.includes('l1005+r@1005') && found.includes('n99+r@1005'),
    );
    op.endOfInput();
    assert.deepEqual(keptOf(op), []);
  });
});

describe('left', () => {
  test('an element without a partner gives a result once none can come, at that time', async () => {
    const op = await testOperator(joined({ between: [-2, 5], type: 'left' }));
    op.push(at('a'), 10);
    op.push(at('b'), 10);
    op.push(at('c'), 11);
    op.push(at('d'), 30);
    op.watermark(14);
    assert.deepEqual(op.takeOutput('main'), []);
    assert.deepEqual(op.timers('join.alone-due', 'k'), [15, 16, 35]);
    op.pushTo(1, at('r'), 16);
    assert.deepEqual(op.takeOutput('main'), ['c+r@16']);
    assert.deepEqual(op.timers('join.alone-due', 'k'), [15, 35]);
    op.watermark(15);
    assert.deepEqual(op.takeOutput('main'), ['a+@15', 'b+@15']);
    op.endOfInput();
    assert.deepEqual(op.takeOutput('main'), ['d+@35']);
    assert.deepEqual(keptOf(op), []);
  });

  test('with an interval before it, a result comes at its own time', async () => {
    const op = await testOperator(joined({ between: [-9, -5], type: 'left' }));
    op.watermark(50);
    op.push(at('a'), 53);
    op.push(at('b'), 70);
    op.pushTo(1, at('r'), 61);
    op.watermark(52);
    assert.deepEqual(op.takeOutput('main'), ['b+r@70']);
    op.watermark(53);
    assert.deepEqual(op.takeOutput('main'), ['a+@53']);
    op.endOfInput();
    assert.deepEqual(op.takeOutput('main'), []);
    assert.deepEqual(keptOf(op), []);
  });

  test('many at one time, and the last moment of a bucket', async () => {
    const op = await testOperator(joined({ between: [0, 8], type: 'left' }));
    for (let n = 0; n < 70; n++) op.push(at(`a${n}`), 7);
    for (let n = 0; n < 70; n++) op.push(at(`b${n}`), 6);
    op.pushTo(1, at('r'), 14);
    assert.equal(op.takeOutput('main').length, 140);
    for (let n = 0; n < 70; n++) op.push(at(`c${n}`), 23);
    for (let n = 0; n < 70; n++) op.push(at(`d${n}`), 22);
    op.watermark(1_000);
    const found = op.takeOutput('main');
    assert.deepEqual(
      found.slice(0, 70),
      Array.from({ length: 70 }, (_, n) => `d${n}+@30`),
    );
    assert.deepEqual(
      found.slice(70),
      Array.from({ length: 70 }, (_, n) => `c${n}+@31`),
    );
    assert.deepEqual(keptOf(op), []);
  });

  test('what comes too late is no partner', async () => {
    const op = await testOperator(joined({ between: [0, 10], type: 'left' }));
    op.push(at('l'), 20);
    op.watermark(25);
    op.pushTo(1, at('r'), 25);
    op.watermark(30);
    assert.deepEqual(op.output('main'), ['l+@30']);
    assert.deepEqual(op.output('right'), [at('r')]);
  });
});

describe('an upgrade', () => {
  test('may change the bounds: what is kept is found by the new ones', async () => {
    const old = await testOperator(joined({ between: [0, 10] }));
    for (let time = 0; time < 100; time += 5) old.push(at(`l${time}`), time);
    old.push(at('l', 'quiet'), 40);
    old.pushTo(1, at('r'), 90);
    const wide = await testOperator(joined({ between: [-100, 40] }), { restore: await old.snapshot() });
    wide.pushTo(1, at('s'), 102);
    assert.deepEqual(
      wide.takeOutput('main'),
      [65, 70, 75, 80, 85, 90, 95].map((time) => `l${time}+s@102`),
    );
    wide.push(at('l2'), 180);
    assert.deepEqual([...wide.takeOutput('main')].sort(), ['l2+r@180', 'l2+s@180']);
    // One that nothing has touched since stays as long as the new bounds say.
    wide.watermark(75);
    wide.pushTo(1, at('r', 'quiet'), 80);
    assert.deepEqual(wide.takeOutput('main'), ['l+r@80']);
    const narrow = await testOperator(joined({ between: [0, 1] }), { restore: await wide.snapshot() });
    narrow.watermark(101);
    narrow.pushTo(1, at('t'), 180);
    assert.deepEqual(narrow.takeOutput('main'), ['l2+t@180']);
    narrow.endOfInput();
    for (const key of ['k', 'quiet']) assert.deepEqual(keptOf(narrow, key), []);
  });

  test('of a left join tells at once what is known by the new bounds', async () => {
    const old = await testOperator(joined({ between: [0, 100], type: 'left' }));
    old.push(at('a'), 10);
    old.push(at('b'), 60);
    old.push(at('c'), 60);
    old.push(at('d'), 61);
    old.pushTo(1, at('r'), 161);
    assert.deepEqual(old.takeOutput('main'), ['d+r@161']);
    old.watermark(40);
    const snapshot = await old.snapshot();
    const narrow = await testOperator(joined({ between: [0, 20], type: 'left' }), { restore: snapshot });
    narrow.push(at('e'), 50);
    assert.deepEqual(narrow.takeOutput('main'), ['a+@50']);
    narrow.watermark(80);
    assert.deepEqual(narrow.takeOutput('main'), ['e+@70', 'b+@80', 'c+@80']);
    narrow.endOfInput();
    assert.deepEqual(narrow.takeOutput('main'), []);
    assert.deepEqual(keptOf(narrow), []);
    // Nothing touches the key before its old timer does.
    const quiet = await testOperator(joined({ between: [0, 20], type: 'left' }), { restore: snapshot });
    quiet.watermark(79);
    assert.deepEqual(quiet.takeOutput('main'), []);
    quiet.watermark(200);
    assert.deepEqual(quiet.takeOutput('main'), ['a+@110', 'b+@110', 'c+@110']);
    quiet.endOfInput();
    assert.deepEqual(keptOf(quiet), []);
  });

  test('does not join what was told to have no partner', async () => {
    const old = await testOperator(joined({ between: [0, 2], type: 'left' }));
    old.push(at('a'), 1);
    old.push(at('b'), 1);
    old.push(at('c'), 2);
    old.watermark(3);
    assert.deepEqual(old.takeOutput('main'), ['a+@3', 'b+@3']);
    for (const type of ['inner', 'left'] as const) {
      const wide = await testOperator(joined({ between: [0, 50], type }), { restore: await old.snapshot() });
      wide.pushTo(1, at('r'), 20);
      assert.deepEqual(wide.takeOutput('main'), ['c+r@20']);
      wide.endOfInput();
      assert.deepEqual(wide.takeOutput('main'), []);
      assert.deepEqual(keptOf(wide), []);
    }
  });

  test('may make an inner join a left one, from now on, and back', async () => {
    const inner = await testOperator(joined({ between: [0, 10] }));
    inner.push(at('a'), 10);
    const left = await testOperator(joined({ between: [0, 10], type: 'left' }), {
      restore: await inner.snapshot(),
    });
    left.push(at('b'), 10);
    const again = await testOperator(joined({ between: [0, 10] }), { restore: await left.snapshot() });
    left.pushTo(1, at('r', 'other'), 11);
    left.endOfInput();
    assert.deepEqual(left.takeOutput('main'), ['b+@20']);
    again.pushTo(1, at('r'), 20);
    assert.deepEqual(again.takeOutput('main'), ['a+r@20', 'b+r@20']);
    again.endOfInput();
    assert.deepEqual(again.takeOutput('main'), []);
  });

  test('may raise the schema of a side', async () => {
    const One = z.object({ key: z.string(), id: z.string() });
    const piece = (left: ReturnType<typeof schema<Event>>) => (lefts: Stream<Event>, rights: Stream<Event>) =>
      lefts
        .keyBy(({ key }) => key)
        .intervalJoin(
          'join',
          rights.keyBy(({ key }) => key),
          { between: [0, 10], left, right: One, join: (l, r) => `${l.id}+${r.id}` },
        );
    const old = await testOperator(piece(schema(One)));
    for (let n = 0; n < 40; n++) old.push(at(`${n}`), 1);
    const raised = await testOperator(
      piece(schema(One).next(One, (event) => ({ ...event, id: `new ${event.id}` }))),
      {
        restore: await old.snapshot(),
      },
    );
    raised.pushTo(1, at('r'), 2);
    assert.deepEqual(
      raised.output(),
      Array.from({ length: 40 }, (_, n) => `new ${n}+r`),
    );
    const refusing = One.extend({ id: z.literal('no') });
    await assert.rejects(
      async () =>
        await testOperator(piece(schema(One).next(refusing, () => at('other') as never)), {
          restore: await old.snapshot(),
        }),
      /\[1\]\[0\]\[1\]\.id/,
    );
  });
});

test('failures of join name the operator and the element; a promise is refused', async () => {
  const failing = (join: (l: Event, r: Event, ctx: JoinContext<string>) => unknown) =>
    testOperator((left: Stream<Event>, right: Stream<Event>) =>
      left
        .keyBy(({ key }) => key)
        .intervalJoin(
          'join',
          right.keyBy(({ key }) => key),
          { between: [0, 10], join },
        ),
    );
  const throws = await failing(() => {
    throw new Error('no');
  });
  throws.push(at('l'), 1);
  assert.throws(() => throws.pushTo(1, at('r'), 1), /operator join: Error: no/);
  const promises = await failing(async () => 1);
  promises.push(at('l'), 1);
  assert.throws(() => promises.pushTo(1, at('r'), 1), { code: 'USER_PROMISE' });
  const contexts = await failing((_l, _r, ctx) => ({ ...ctx }));
  contexts.push(at('l'), 1);
  contexts.pushTo(1, at('r'), 4);
  assert.deepEqual(contexts.output(), [{ key: 'k', leftTime: 1, rightTime: 4 }]);
  assert.throws(() => contexts.push(at('l')), /give the element its timestamp/);
  assert.throws(() => contexts.push(at('l'), 2 ** 52 + 1), /too far from 1970/);
});

test('elements that are kept are read-only in a test', async () => {
  const op = await testOperator((left: Stream<{ n: number }>, right: Stream<{ n: number }>) =>
    left
      .keyBy(() => 1)
      .intervalJoin(
        'join',
        right.keyBy(() => 1),
        {
          between: [0, 10],
          join: (l) => {
            l.n++;
            return l;
          },
        },
      ),
  );
  op.push({ n: 1 }, 1);
  assert.throws(() => op.pushTo(1, { n: 2 }, 1), /read only/);
});
