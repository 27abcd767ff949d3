/** What docs/schemas.md says, and its examples on a few elements: one job, in the versions it goes through. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';
import {
  codec,
  defineJob,
  fromArray,
  key,
  type StateDeclaration,
  schema,
  state,
  stdout,
  type ValueState,
} from '../../src/index.js';
import { testJob } from '../../src/testing.js';

interface Payment {
  readonly account: string;
  readonly cents: number;
}

const PAYMENTS: readonly Payment[] = [
  { account: 'ada', cents: 250 },
  { account: 'ben', cents: 1_000 },
];

/** Keeps a value of each account, as `made` makes it of a payment. */
const accounts = <T, G>(balance: StateDeclaration<ValueState<T, G>>, made: (cents: number) => T) =>
  defineJob('accounts', {}, (job) => {
    job
      .source('payments', fromArray(PAYMENTS))
      .keyBy((payment) => payment.account, key.string)
      .process('keep', {
        state: { balance },
        onElement: ({ cents }, ctx) => ctx.state.balance.set(made(cents)),
      });
    job.source('more', fromArray(PAYMENTS)).sink('out', stdout());
  });

/** What the state is of each account, taken over from one definition by the next. */
async function evolved(...definitions: readonly ReturnType<typeof accounts>[]): Promise<unknown[]> {
  let restore: Awaited<ReturnType<Awaited<ReturnType<typeof testJob>>['snapshot']>> | undefined;
  let held: unknown[] = [];
  for (const definition of definitions) {
    const job = await testJob(definition, restore === undefined ? {} : { restore });
    if (restore === undefined) await job.run();
    restore = await job.snapshot();
    held = PAYMENTS.map(({ account }) => job.state('keep.balance', account));
    await job.close();
  }
  return held;
}

const euros = schema(z.number());

const cents = euros.next(z.object({ cents: z.number().int() }), (amount) => ({
  cents: Math.round(amount * 100),
}));

const money = cents.next(
  z.strictObject({ cents: z.number().int(), currency: z.string().length(3) }),
  (before) => ({ ...before, currency: 'EUR' }),
);

const first = accounts(state.value(euros), (paid) => paid / 100);

test('a value comes from the version it was written under to the newest, step by step', async () => {
  const declared = { balance: state.value(money, { initial: { cents: 0, currency: 'EUR' } }) };
  const third = accounts(declared.balance, (paid) => ({ cents: paid, currency: 'EUR' }));
  const expected = [250, 1_000].map((paid) => ({ cents: paid, currency: 'EUR' }));
  assert.deepEqual(await evolved(first, third), expected);
  assert.deepEqual(
    await evolved(
      first,
      accounts(state.value(cents), (paid) => ({ cents: paid })),
      third,
    ),
    expected,
  );
});

test('what does not come through is told with the state, the key, the step, and the path', async () => {
  const careful = euros.next(z.number(), (amount) => {
    if (amount >= 10) throw new RangeError('too much');
    return amount;
  });
  await assert.rejects(
    evolved(
      first,
      accounts(state.value(careful), (paid) => paid),
    ),
    {
      code: 'INCOMPATIBLE',
      message: 'state keep.balance of key "ben": step v1→v2 threw: too much',
    },
  );
  const whole = euros.next(z.object({ euros: z.number().int() }), (amount) => ({ euros: amount }));
  await assert.rejects(
    evolved(
      first,
      accounts(state.value(whole), (paid) => ({ euros: paid })),
    ),
    {
      message: 'state keep.balance of key "ada": Invalid input: expected int, received number at .euros',
    },
  );
});

const decimals = codec.define<number>({
  id: 'decimals',
  version: 2,
  encode: (amount) => new TextEncoder().encode(amount.toFixed(2)),
  // Version 1 wrote whole cents.
  decode: (bytes, version) => Number(new TextDecoder().decode(bytes)) / (version === 1 ? 100 : 1),
  reads: [codec.value],
});

const decimals1 = codec.define<number>({
  id: 'decimals',
  encode: (amount) => new TextEncoder().encode(String(Math.round(amount * 100))),
  decode: (bytes) => Number(new TextDecoder().decode(bytes)) / 100,
});

test('a codec of one’s own reads its older versions, and what it says it reads', async () => {
  const now = accounts(state.value({ codec: decimals }), (paid) => paid / 100);
  for (const before of [state.value({ codec: decimals1 }), state.value<number>()])
    assert.deepEqual(
      await evolved(
        accounts(before, (paid) => paid / 100),
        now,
      ),
      [2.5, 10],
    );
});

test('a state says what it was kept by before', async () => {
  const declared = {
    balance: state.value(euros, { codec: codec.number, was: [codec.value, codec.json] }),
  };
  const now = accounts(declared.balance, (paid) => paid / 100);
  const before = accounts(state.value<number>({ codec: codec.json }), (paid) => paid / 100);
  assert.deepEqual(await evolved(first, now), [2.5, 10]);
  assert.deepEqual(await evolved(before, now), [2.5, 10]);
  await assert.rejects(evolved(before, accounts(state.value({ codec: codec.string }), String)), {
    message: /state keep\.balance of key ".*": kept by codec json v1, which the definition does not read/,
  });
});

test('codecs by type, and map keys', () => {
  const declared = {
    mean: state.value({ codec: codec.number, initial: 0 }),
    name: state.value({ codec: codec.string }),
    sketch: state.value({ codec: codec.bytes }),
    raw: state.value<Payment>({ codec: codec.json }),
    fares: state.map(schema(z.number()), { keys: key.string }),
    limits: state.broadcast(schema(z.number()), { keys: key.int }),
  };
  assert.deepEqual(
    Object.values(declared).map((one) => one.codec.id),
    ['number', 'string', 'bytes', 'json', 'value', 'value'],
  );
});
