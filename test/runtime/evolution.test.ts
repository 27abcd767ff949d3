/**
 * State that is restored by a definition with other codecs, newer schemas and typed map keys than the one that wrote it:
 * every kind of state, on both backends, through an archive.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { z } from 'zod';
import { TidemarkError } from '../../src/base/errors.js';
import type { StandardSchema } from '../../src/codec/schema.js';
import {
  type CodecFor,
  codec,
  collect,
  defineJob,
  defineSink,
  type JobBuilder,
  type KeyType,
  key,
  type Schema,
  schema,
  state,
  windows,
} from '../../src/index.js';
import { userFrame } from '../../src/job/user-frame.js';
import type { BackendFactory } from '../../src/runtime/compile.js';
import { EntryRefused } from '../../src/runtime/entry-refused.js';
import { createMemoryBackend } from '../../src/state/memory/backend.js';
import { snapshotFromArchive } from '../../src/testing/from-archive.js';
import { readState } from '../../src/testing/read-state.js';
import { entriesOf, lookAt, type TakenSnapshot, take } from '../../src/testing/taken.js';
import { archiveOf } from '../job/matrix-archive.js';
import { diskFactory } from '../state/disk-factory.js';
import { Driven, failureOf, splitsOf } from './driving.js';

const folder = mkdtempSync(join(tmpdir(), 'tidemark-evolution-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const BACKENDS: readonly { readonly name: string; readonly backend: BackendFactory }[] = [
  { name: 'memory', backend: createMemoryBackend },
  { name: 'disk', backend: diskFactory({ cacheBytes: 4096, mergeEvery: 2 }) },
];
const NUMBERS = Array.from({ length: 40 }, (_, i) => i + 1);

/** One version of what is kept: how it looks, how it is written, and how it is made of an element. */
interface Version<T> {
  readonly shape?: Schema<T>;
  readonly by?: { readonly codec: CodecFor<T>; readonly was?: readonly CodecFor<unknown>[] };
  readonly keys?: KeyType<number>;
  make(n: number): T;
  more(a: T, n: number): T;
}

/** Every kind of state there is, all of the same version. */
function keeping<T>({ shape, by = { codec: codec.value }, keys, make, more }: Version<T>) {
  const checked = shape ?? schema(z.custom<T>());
  const mapped = keys === undefined ? by : { ...by, keys };
  const add = (a: T, b: T) => more(a, (b as { cents?: number }).cents ?? Number(b));
  return (job: JobBuilder) => {
    const numbers = job.source('in', splitsOf({ a: NUMBERS }, 10));
    const rules = job.source('rules', splitsOf({ r: [1, 2] }, 2));
    const stamped = numbers.assignTimestamps((n) => n * 1_000, { outOfOrderness: '1h' });
    const keyed = stamped.keyBy((n) => `k${n % 4}`, key.string);
    keyed.connect(rules.broadcast()).process('keep', {
      state: {
        last: state.value(checked, by),
        fading: state.value(checked, { ...by, ttl: '1h' }),
        all: state.list(checked, by),
        fadingAll: state.list(checked, { ...by, ttl: '1h' }),
        byNumber: state.map<number, T>(checked, mapped),
        most: state.reducing(checked, add as never, by),
      },
      broadcast: { limits: state.broadcast<number, T>(checked, mapped) },
      onBroadcast: (n, ctx) => ctx.broadcast.limits.set(n, make(n)),
      onElement(n, ctx) {
        const { last, fading, all, fadingAll, byNumber, most } = ctx.state;
        last.set(make(n));
        fading.set(make(n));
        all.add(make(n));
        fadingAll.add(make(n));
        byNumber.set(n, make(n));
        most.add(make(n));
      },
    });
    stamped
      .map(make)
      .keyBy((a) => `k${(Number((a as { cents?: number }).cents ?? Number(a) * 100) / 100) % 4}`, key.string)
      .window('hourly', {
        assign: windows.tumbling('10s'),
        schema: checked,
        ...by,
        apply: (all) => all,
      })
      .sink('hours', collect([]));
    numbers.sink(
      'kept',
      defineSink({
        kind: 'kept',
        state: { rows: state.operatorList(checked, by) },
        open: ({ state: { rows } }) => ({
          async write(some: readonly number[]) {
            for (const n of some) rows.add(make(n));
          },
        }),
      }),
    );
  };
}

const cents = z.object({ cents: z.number() });
const money = z.strictObject({ cents: z.number(), currency: z.string() });
const versioned = schema(z.number())
  .next(cents, (amount) => ({ cents: amount * 100 }))
  .next(money, (was) => ({ ...was, currency: 'EUR' }));

const EURO = (n: number) => ({ cents: n * 100, currency: 'EUR' });
const first: Version<number> = { shape: schema(z.number()), make: (n) => n, more: (a, n) => a + n };
const third: Version<z.infer<typeof money>> = {
  shape: versioned,
  make: EURO,
  more: (a, n) => ({ ...a, cents: a.cents + n }),
};

/** What `first` has of a number, by kind of state, in a newer version. */
function expected(value: (n: number) => unknown) {
  const of = (mod: number) => NUMBERS.filter((n) => n % 4 === mod);
  const held = (mod: number) => {
    const own = of(mod);
    const all = own.map(value);
    return {
      'keep.last': value(own.at(-1) ?? 0),
      'keep.fading': value(own.at(-1) ?? 0),
      'keep.all': all,
      'keep.fadingAll': all,
      'keep.byNumber': new Map(own.map((n) => [n, value(n)])),
      'keep.most': value(own.reduce((sum, n) => sum + n, 0)),
      hourly: [0, 1, 2, 3, 4]
        .map((w) => ({ window: { start: w * 10_000, end: (w + 1) * 10_000 }, from: w * 10 }))
        .map(({ window, from }) => ({
          window,
          value: own.filter((n) => n >= from && n < from + 10).map(value),
        }))
        .filter((pane) => pane.value.length > 0),
    };
  };
  return [0, 1, 2, 3].map(held);
}

function heldBy({ dataflow }: Driven) {
  const read = (name: string, of?: string) =>
    readState(dataflow.compiled, lookAt(dataflow), { name, key: of });
  const names = Object.keys(expected((n) => n)[0] ?? {});
  const keyed = [0, 1, 2, 3].map((mod) =>
    Object.fromEntries(names.map((name) => [name, read(name, `k${mod}`)])),
  );
  return { keyed, limits: read('keep.limits'), rows: read('kept.rows') };
}

function whole(value: (n: number) => unknown) {
  return {
    keyed: expected(value),
    limits: new Map([1, 2].map((n) => [n, value(n)])),
    rows: NUMBERS.map(value),
  };
}

let archives = 0;

async function archived(build: (job: JobBuilder) => void, snapshot: TakenSnapshot): Promise<TakenSnapshot> {
  const path = join(folder, `${archives++}.tar`);
  await archiveOf(defineJob('evolving', {}, build), snapshot, path, folder);
  return snapshotFromArchive(path);
}

/** All input read, on a backend, but its end not reached: windows are open. */
async function written(
  build: (job: JobBuilder) => void,
  { backend = createMemoryBackend, elements = NUMBERS.length + 2 } = {},
): Promise<TakenSnapshot> {
  const driven = await Driven.open(build, { backend, parallelism: 2 });
  while (driven.dataflow.elements < elements) await driven.step();
  const snapshot = await take(driven.dataflow, 1);
  await driven.dataflow.close();
  return snapshot;
}

describe('schema versions', () => {
  for (const from of BACKENDS) {
    for (const { name, backend } of BACKENDS) {
      test(`1 to 3, of every kind of state, from ${from.name} to ${name}`, async () => {
        const restore = await archived(keeping(first), await written(keeping(first), from));
        const newer = await Driven.open(keeping(third), { restore, backend, parallelism: 3, attempt: 2 });
        assert.deepEqual(heldBy(newer), whole(EURO));

        // What is written now is of version 3: no step is made again.
        const never = () => assert.fail('a step of what is of the newest version');
        const shape = schema(z.number()).next(cents, never).next(money, never);
        const again = await archived(keeping(third), await take(newer.dataflow, 2));
        const last = await Driven.open(keeping({ ...third, shape }), { restore: again, backend, attempt: 3 });
        assert.deepEqual(heldBy(last), whole(EURO));
      });
    }
  }

  test('that have not changed cost nothing: no value is looked at', async () => {
    const restore = await written(keeping(first));
    const validate = () => assert.fail('a value was checked');
    const shape: StandardSchema<number> = { '~standard': { version: 1, vendor: 'test', validate } };
    const same = await Driven.open(keeping({ ...first, shape: schema(shape) }), { restore, attempt: 2 });
    assert.deepEqual(
      heldBy(same),
      whole((n) => n),
    );
  });
});

const text2 = codec.define<number>({
  id: 'roman',
  version: 2,
  encode: (n) => Buffer.from(`${n};`),
  decode(bytes, version) {
    const text = Buffer.from(bytes).toString();
    assert.equal(text.endsWith(';'), version === 2);
    return Number.parseInt(text, 10);
  },
});
const text1 = codec.define<number>({
  id: 'roman',
  encode: (n) => Buffer.from(`${n}`),
  decode: () => assert.fail('the older codec reads nothing'),
});
/** Reads none but its own. */
const text3 = codec.define<number>({
  id: 'roman',
  version: 3,
  encode: (n) => Buffer.from(`${n}!`),
  decode(bytes, version) {
    assert.equal(version, 3);
    return Number.parseInt(Buffer.from(bytes).toString(), 10);
  },
});
const readsValues = codec.define<number>({
  id: 'fixed',
  encode: (n) => Buffer.of(n >> 8, n),
  decode: ([high = 0, low = 0]) => high * 256 + low,
  reads: [codec.value, codec.json],
});

describe('codecs', () => {
  for (const [label, was, is] of [
    ['value to JSON', { codec: codec.value }, { codec: codec.json, was: [codec.value] }],
    ['JSON to numbers', { codec: codec.json }, { codec: codec.number, was: [codec.string, codec.json] }],
    ['version 1 of one’s own to 2', { codec: text1 }, { codec: text2 }],
    ['version 2 of one’s own to 3, by that of then', { codec: text2 }, { codec: text3, was: [text2] }],
    ['JSON to one that reads it', { codec: codec.json }, { codec: readsValues }],
    ['one’s own to value', { codec: text2 }, { codec: codec.value, was: [text2] }],
  ] as const) {
    for (const { name, backend } of BACKENDS) {
      test(`${label}, of every kind of state, to ${name}`, async () => {
        const old = keeping({ ...first, by: was });
        const restore = await archived(old, await written(old));
        const now = keeping({ ...first, by: is });
        const driven = await Driven.open(now, { restore, backend, parallelism: 3, attempt: 2 });
        assert.deepEqual(
          heldBy(driven),
          whole((n) => n),
        );
        const again = await archived(now, await take(driven.dataflow, 2));
        const same = await Driven.open(keeping({ ...first, by: { codec: is.codec } }), {
          restore: again,
          backend,
          attempt: 3,
        });
        assert.deepEqual(
          heldBy(same),
          whole((n) => n),
        );
      });
    }
  }

  test('and schema at once: the old codec, the steps, the new codec', async () => {
    const old = keeping({ ...first, by: { codec: codec.number } });
    const restore = await archived(old, await written(old));
    const now = keeping({ ...third, by: { codec: codec.json, was: [codec.number] } });
    assert.deepEqual(heldBy(await Driven.open(now, { restore, attempt: 2 })), whole(EURO));
  });

  test('from which there is no way are refused, entry by entry', async () => {
    const restore = await written(keeping({ ...first, by: { codec: codec.json } }));
    const found = refusals(keeping({ ...first, by: { codec: codec.number } }), restore);
    assert.ok(found.length > 100);
    for (const { refusal } of found)
      assert.match(refusal.reason, /kept by codec json v1, which .* does not read/);
  });
});

/** All that a definition refuses of a snapshot; what it takes is taken. */
function refusals(build: (job: JobBuilder) => void, snapshot: TakenSnapshot): EntryRefused[] {
  const { dataflow } = new Driven(build, { attempt: 2 });
  const found: EntryRefused[] = [];
  for (const entry of entriesOf(snapshot)) {
    try {
      dataflow.restore(entry, snapshot.tables);
    } catch (error) {
      if (!(error instanceof EntryRefused)) throw error;
      found.push(error);
    }
  }
  return found;
}

describe('map keys', () => {
  test('are taken where all are of the type that is declared', async () => {
    const restore = await written(keeping(first));
    const typed = await Driven.open(keeping({ ...first, keys: key.int }), { restore, attempt: 2 });
    assert.deepEqual(
      heldBy(typed),
      whole((n) => n),
    );
    const back = await Driven.open(keeping(first), { restore: await take(typed.dataflow, 2), attempt: 3 });
    assert.deepEqual(
      heldBy(back),
      whole((n) => n),
    );
  });

  test('of another type than declared are refused where they are set', async () => {
    const wrong = 'five' as unknown as number;
    const setting = (where: 'map' | 'broadcast') => (job: JobBuilder) => {
      const numbers = job.source('in', splitsOf({ a: [1] }));
      numbers
        .keyBy((n) => n)
        .connect(numbers.broadcast())
        .process('keep', {
          state: { map: state.map<number, number>({ keys: key.int }) },
          broadcast: { all: state.broadcast<number, number>({ keys: key.int }) },
          onElement: (n, ctx) => where === 'map' && ctx.state.map.set(wrong, n),
          onBroadcast: (n, ctx) => where === 'broadcast' && ctx.broadcast.all.set(wrong, n),
        });
    };
    for (const where of ['map', 'broadcast'] as const) {
      const failure = await failureOf(setting(where));
      assert.equal(failure?.code, 'KEY_REFUSED');
      assert.match(failure?.message ?? '', /keep|map/);
    }
  });

  test('of another type are refused by name, and others are taken', async () => {
    const mixed = (keys?: KeyType<string | number>) => (job: JobBuilder) =>
      void job
        .source('in', splitsOf({ a: [1] }))
        .keyBy(() => 'k')
        .process('keep', {
          state: { some: state.map<string | number, boolean>(keys === undefined ? {} : { keys }) },
          onElement(_, ctx) {
            for (const some of ['a', 5, 'b']) ctx.state.some.set(some, true);
          },
        });
    const snapshot = await written(mixed(), { elements: 1 });
    const [only, ...more] = refusals(mixed(key.string as KeyType<string | number>), snapshot);
    assert.deepEqual([only?.refusal.entry, more], ['key "k", map key 5', []]);
  });
});

describe('what does not come through', () => {
  const debt = schema(z.number()).next(cents, (amount) => {
    if (amount === 13) throw new RangeError(`unlucky ${amount}`);
    return { cents: amount * 100 };
  });
  const second: Version<z.infer<typeof cents>> = { ...third, shape: debt };

  test('is told by state, key, step and the line of the step; all else is taken', async () => {
    const found = refusals(keeping(second), await written(keeping(first)));
    const at = (name: string) =>
      found.filter(({ refusal }) => `${refusal.operator}.${refusal.state}` === name);
    const reason = 'step v1→v2 threw: unlucky 13';
    for (const [name, entry, path] of [
      ['keep.all', 'key "k1"', '[3]'],
      ['keep.fadingAll', 'key "k1"', '[3]'],
      ['keep.byNumber', 'key "k1", map key 13', ''],
      ['hourly.panes', 'key "k1", window 10000 to 20000', '[0]'],
      ['kept.rows', '[subtask, place] [0, 12]', ''],
    ] as const) {
      const [one, ...more] = at(name);
      assert.ok(one !== undefined && more.length === 0, name);
      const { operator, state: own } = one.refusal;
      assert.deepEqual(one.refusal, { operator, state: own, entry, path, reason, step: 'v1→v2' });
      assert.equal(one.code, 'INCOMPATIBLE');
      assert.match(one.message, /^state \w+\.\w+ of .*: step v1→v2 threw: unlucky 13/);
      assert.match(userFrame(one.details.cause)?.at ?? '', /evolution\.test\.[jt]s:\d+/);
    }
    assert.equal(found.length, 5);
  });

  test('is told by its path where its shape is wrong', async () => {
    const wrong = { ...first, make: (n: number) => (n === 14 ? String(n) : n) as number };
    const found = refusals(keeping(third), await written(keeping(wrong)));
    const paths = found.map(({ refusal: { state: own, path } }) => `${own}${path}`).toSorted();
    assert.deepEqual(paths, ['all[3]', 'byNumber', 'fadingAll[3]', 'panes[1]', 'rows']);
    for (const { refusal } of found) assert.match(refusal.reason, /^not as version 1 of its schema/);
  });

  test('is told where a codec of one’s own cannot decode it, by either backend', async () => {
    const old = keeping({ ...first, by: { codec: text2 } });
    const snapshot = await written(old);
    const picky = codec.define<number>({
      id: 'roman',
      version: 2,
      encode: () => Buffer.of(),
      decode(bytes) {
        if (Buffer.from(bytes).toString() === '40;') throw new RangeError('too many');
        return 1;
      },
    });
    const found = refusals(keeping({ ...first, by: { codec: picky } }), snapshot);
    assert.deepEqual(
      [...new Set(found.map(({ refusal }) => refusal.reason))],
      ['codec roman cannot decode a value: too many'],
    );
    assert.deepEqual(found.map(({ refusal }) => refusal.state).toSorted(), [
      'all',
      'byNumber',
      'fading',
      'fadingAll',
      'last',
      'panes',
      'rows',
    ]);
  });

  for (const { name, backend } of BACKENDS) {
    test(`what encode throws fails the snapshot, by state and key, on ${name}`, async () => {
      const refusing = codec.define<number>({
        id: 'refusing',
        encode(n) {
          if (n === 13) throw new RangeError('unlucky');
          return Buffer.of(n);
        },
        decode: ([n = 0]) => n,
      });
      const build = (job: JobBuilder) =>
        void job
          .source('in', splitsOf({ a: NUMBERS.slice(0, 20) }))
          .keyBy((n) => `k${n % 4}`, key.string)
          .process('keep', {
            state: { all: state.list({ codec: refusing }) },
            onElement: (n, ctx) => ctx.state.all.add(n),
          });
      await assert.rejects(written(build, { backend, elements: 20 }), (error) => {
        assert.ok(error instanceof TidemarkError && error.code === 'VALUE_REFUSED', String(error));
        assert.match(
          error.message,
          /^state "all" of key "k1": encode of codec refusing threw: unlucky at \[3\]$/,
        );
        assert.match(userFrame(error.details.cause)?.at ?? '', /evolution\.test\.[jt]s:\d+/);
        return true;
      });
    });
  }

  test('a position of a source is named by its split', async () => {
    const from = (shape: Schema<unknown>) => (job: JobBuilder) =>
      void job
        .source('in', splitsOf({ a: [1, 2] }, 1, { position: shape as Schema<number> }))
        .sink('out', collect([]));
    const restore = await written(from(schema(z.number())), { elements: 2 });
    const next = schema(z.number()).next(z.string(), (n) => n as unknown as string);
    await assert.rejects(Driven.open(from(next as Schema<unknown>), { restore, attempt: 2 }), {
      code: 'INCOMPATIBLE',
      message: /^state in\.splits of split "a": .*expected string/,
    });
  });
});
