/**
 * What compiles of codecs, schemas and types of map keys, and what does not; see types.test.ts. A declaration says by
 * itself what its handle takes.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type BroadcastDeclaration,
  type Codec,
  codec,
  key,
  type OperatorStateDeclaration,
  type StateDeclaration,
  schema,
  state,
} from 'tidemark';
import { z } from 'zod';

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function same<A, B>(_proof: Same<A, B>): void {}

/** What a handle of the declaration gives, and takes. */
type Given<D> = D extends StateDeclaration<{ get(...key: never[]): infer G }> ? G : never;
type Taken<D> = D extends StateDeclaration<{ set(...args: infer A): void }> ? A : never;
type Added<D> = D extends StateDeclaration<{ add(value: infer A): void }> ? A : never;

interface Flight {
  readonly origin: string;
  readonly delay: number;
}

const money = codec.define({
  id: 'money',
  version: 2,
  encode: (cents: bigint) => Buffer.from(String(cents)),
  decode: (bytes, version) => BigInt(String(bytes)) * (version === 1 ? 100n : 1n),
  reads: [codec.value],
});

test('a codec says what is kept by it', () => {
  const mean = state.value({ codec: codec.number });
  same<Given<typeof mean>, number | undefined>(true);
  same<Taken<typeof mean>, [value: number]>(true);
  const name = state.value({ codec: codec.string, initial: 'nobody' });
  same<Given<typeof name>, string>(true);
  const sum = state.value({ codec: money });
  same<Taken<typeof sum>, [value: bigint]>(true);
  same<typeof money, Codec<bigint>>(true);
  const parts = state.list({ codec: codec.bytes });
  same<Added<typeof parts>, Uint8Array>(true);
  const most = state.reducing((a, b) => Math.max(a, b), { codec: codec.number });
  same<Added<typeof most>, number>(true);
  const rows = state.operatorList({ codec: codec.string });
  same<typeof rows, OperatorStateDeclaration<string>>(true);
  assert.deepEqual(
    [mean, name, sum, parts, most, rows].map((declared) => declared.codec.id),
    ['number', 'string', 'money', 'bytes', 'number', 'string'],
  );
});

test('a codec for every type leaves the type to who declares it', () => {
  const last = state.value<Flight>({ codec: codec.json });
  same<Taken<typeof last>, [value: Flight]>(true);
  const count = state.value({ codec: codec.json, initial: 0 });
  same<Given<typeof count>, number>(true);
  const some = state.value({ codec: codec.json });
  same<Taken<typeof some>, [value: unknown]>(true);
  const checked = state.list(schema(z.object({ a: z.number() })), { codec: codec.json, was: [codec.value] });
  same<Added<typeof checked>, { a: number }>(true);
  assert.equal(last.codec, codec.json);
});

test('map keys are of the type that is declared', () => {
  const fares = state.map(schema(z.number()), { keys: key.string, codec: codec.number });
  same<Taken<typeof fares>, [key: string, value: number]>(true);
  const byDay = state.map({ keys: key.int, codec: money });
  same<Taken<typeof byDay>, [key: number, value: bigint]>(true);
  const pairs = state.map<readonly [string, number], Flight>({ keys: key.tuple(key.string, key.int) });
  same<Taken<typeof pairs>, [key: readonly [string, number], value: Flight]>(true);
  const rules = state.broadcast({ keys: key.boolean, codec: codec.string });
  same<typeof rules, BroadcastDeclaration<boolean, string>>(true);
  assert.deepEqual(
    [fares, byDay, pairs, rules].map((declared) => declared.mapKey),
    ['string', 'int', 'tuple(string,int)', 'boolean'],
  );
});

export function refused(): void {
  // @ts-expect-error: strings by a codec for numbers.
  state.value<string>({ codec: codec.number });
  // @ts-expect-error: and by a schema for strings.
  state.value(schema(z.string()), { codec: codec.number });
  // @ts-expect-error: the initial value is none either.
  state.value({ codec: codec.number, initial: 'none' });
  // @ts-expect-error: elements are checked likewise.
  state.list<Flight>({ codec: codec.string });
  // @ts-expect-error: and what folds.
  state.reducing((a: string, b) => a + b, { codec: codec.number });
  const length = { id: 'a', encode: (n: number) => Buffer.alloc(n), decode: (b: Uint8Array) => b.length };
  // @ts-expect-error: a codec reads what it is of.
  codec.define({ ...length, reads: [money] });
  // @ts-expect-error: encode gives bytes.
  codec.define({ id: 'a', encode: (text: string) => text, decode: () => '' });
  // @ts-expect-error: decode gives what encode takes.
  codec.define<string>({ id: 'a', encode: (text) => Buffer.from(text), decode: (bytes) => bytes });
  // @ts-expect-error: keys are not of that type.
  state.map<string, number>({ keys: key.int });
  // @ts-expect-error: only maps have keys.
  state.value({ keys: key.string });
  // @ts-expect-error: numbers are kept in one way.
  state.number(0, { codec: codec.json });
}
