/** The window join, element by element; against a plain computation it is held in properties.test.ts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type JoinType,
  type Partner,
  type Stream,
  schema,
  type WindowAssigner,
  type WindowOf,
  windows,
} from 'tidemark';
import { testOperator } from 'tidemark/testing';
import { z } from 'zod';

interface Event {
  readonly key: string;
  readonly id: string;
}

const at = (id: string, key = 'k'): Event => ({ key, id });
const byKey = ({ key }: Event) => key;

const joined =
  <J extends JoinType = 'inner'>(assign: WindowAssigner<Event>, type?: J, lateness = 0) =>
  (left: Stream<Event>, right: Stream<Event>) =>
    left.keyBy(byKey).windowJoin('join', right.keyBy(byKey), {
      assign,
      lateness,
      ...(type === undefined ? {} : { type }),
      join: (l: Event, r: Partner<Event, J>, { start, end }: WindowOf<string>) =>
        `${l.id}+${r?.id ?? ''} ${start}-${end}`,
    });

test('every pair of a pane, once its window has ended', async () => {
  const op = await testOperator(joined(windows.tumbling(10)));
  for (const id of ['a', 'b']) op.push(at(id), 3);
  for (const id of ['x', 'y']) op.pushTo(1, at(id), 9);
  op.push(at('c', 'other'), 3);
  op.push(at('d'), 10);
  op.watermark(8);
  assert.deepEqual(op.output(), []);
  op.watermark(9);
  assert.deepEqual(op.takeOutput(), ['a+x 0-10', 'a+y 0-10', 'b+x 0-10', 'b+y 0-10']);
  op.push(at('e'), 9);
  op.pushTo(1, at('z'), 1);
  assert.deepEqual(op.output('late-left'), [at('e')]);
  assert.deepEqual(op.output('late-right'), [at('z')]);
  assert.equal(op.late('join'), 2);
  op.endOfInput();
  assert.deepEqual(op.takeOutput(), []);
  assert.deepEqual(op.state('join', 'k'), []);
});

test('left: those without a partner, too', async () => {
  const op = await testOperator(joined(windows.sliding(10, 5), 'left'));
  op.push(at('a'), 3);
  op.push(at('b'), 7);
  op.pushTo(1, at('x'), 11);
  op.endOfInput();
  assert.deepEqual(op.output(), ['a+ -5-5', 'a+ 0-10', 'b+ 0-10', 'b+x 5-15']);
});

test('sessions are of the elements of both sides together, with a gap of each', async () => {
  const op = await testOperator(joined(windows.session(({ id }: Event) => (id === 'wide' ? 10 : 3))));
  op.push(at('a'), 0);
  op.pushTo(1, at('x'), 2);
  op.pushTo(1, at('wide'), 4);
  op.push(at('b'), 13);
  op.push(at('c'), 17);
  op.endOfInput();
  assert.deepEqual(op.output(), ['a+x 0-16', 'a+wide 0-16', 'b+x 0-16', 'b+wide 0-16']);
});

test('with lateness, what comes late gives all results of its pane again', async () => {
  const op = await testOperator(joined(windows.tumbling(10), 'left', 5));
  op.push(at('a'), 3);
  op.watermark(12);
  op.pushTo(1, at('x'), 4);
  op.watermark(14);
  op.pushTo(1, at('y'), 5);
  assert.deepEqual(op.output(), ['a+ 0-10', 'a+x 0-10']);
  assert.deepEqual(op.output('late-right'), [at('y')]);
});

test('a savepoint keeps both sides; a schema of either may be raised', async () => {
  const One = z.object({ key: z.string(), id: z.string() });
  const one = schema(One);
  const raised = (what: string) => one.next(One, (event) => ({ ...event, id: `${what} ${event.id}` }));
  const piece =
    (left: typeof one | undefined, right: typeof one | undefined) =>
    (lefts: Stream<Event>, rights: Stream<Event>) =>
      lefts.keyBy(byKey).windowJoin('join', rights.keyBy(byKey), {
        assign: windows.tumbling(10),
        ...(left === undefined ? {} : { left }),
        ...(right === undefined ? {} : { right }),
        join: (l, r) => `${l.id}+${r.id}`,
      });
  const old = await testOperator(piece(undefined, one));
  old.push(at('a'), 1);
  old.pushTo(1, at('x'), 1);
  const snapshot = await old.snapshot();
  const results = async (left: typeof one | undefined, right: typeof one | undefined, from = snapshot) => {
    const op = await testOperator(piece(left, right), { restore: from, parallelism: 2 });
    const again = await op.snapshot();
    op.endOfInput();
    return { output: op.output(), again };
  };
  assert.deepEqual((await results(one, one)).output, ['a+x']);
  const left = await results(raised('l'), one);
  assert.deepEqual(left.output, ['l a+x']);
  const both = await results(raised('l'), raised('r'), left.again);
  assert.deepEqual(both.output, ['l a+r x']);
  assert.deepEqual((await results(raised('l'), raised('r'), both.again)).output, ['l a+r x']);
  // A side may not go back, though the other goes on.
  await assert.rejects(
    results(
      one,
      raised('r').next(One, (event) => event),
      left.again,
    ),
    /version 2 is not one of 1 to 1/,
  );
});

test('failures and promises of join name the operator', async () => {
  const failing = (join: () => unknown) =>
    testOperator((left: Stream<Event>, right: Stream<Event>) =>
      left.keyBy(byKey).windowJoin('join', right.keyBy(byKey), { assign: windows.tumbling(10), join }),
    );
  const failed = async (join: () => unknown) => {
    const op = await failing(join);
    op.push(at('a'), 1);
    op.pushTo(1, at('x'), 1);
    op.endOfInput();
  };
  await assert.rejects(
    failed(() => {
      throw new Error('no');
    }),
    { code: 'USER_CODE', message: /operator join: Error: no/ },
  );
  await assert.rejects(
    failed(async () => 1),
    { code: 'USER_PROMISE', message: /operator join/ },
  );
});
