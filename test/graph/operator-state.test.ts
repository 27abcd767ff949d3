/**
 * The state of sinks and sources: what is wrong with its declaration, and what its types say. The functions are compiled
 * and never run, as in types.test.ts: a line after `@ts-expect-error` that compiled would itself be a compile error.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { defineSink, defineSource, type Sink, type SourceSpec, schema, state } from 'tidemark';
import { z } from 'zod';
import { sinkFindings, sourceFindings } from '../../src/graph/check-spec.js';

interface Row {
  readonly key: string;
  readonly n: number;
}

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function same<A, B>(_proof: Same<A, B>): void {}

export function plainSink() {
  const sink = defineSink({
    state: { pending: state.operatorList<Row>(), seen: state.operatorUnion(z.number()) },
    open({ state: { pending, seen }, subtask }) {
      const [first] = pending.get();
      same<typeof first, Row | undefined>(true);
      const count: number = seen.size + subtask;
      seen.set(new Set([count]));
      pending.update((rows) => rows.filter(({ n }) => n > 0));
      // @ts-expect-error a row has a number
      pending.add({ key: 'a', n: '1' });
      // @ts-expect-error read-only
      pending.get().push({ key: 'a', n: 1 });
      // @ts-expect-error numbers
      seen.add('a');
      return {
        write(rows: readonly Row[]) {
          for (const row of rows) pending.add(row);
        },
      };
    },
  });
  same<typeof sink, Sink<Row, void>>(true);
}

export function exactlyOnceSink() {
  const sink = defineSink({
    transaction: schema(z.object({ file: z.string() })),
    state: { pending: state.operatorList<Row>() },
    open: (context) => ({
      write(rows: readonly Row[]) {
        context.state.pending.set(rows);
        // @ts-expect-error not declared
        context.state.other;
      },
      async prepare() {
        return { file: `${context.state.pending.size}` };
      },
    }),
    committer: () => ({ async recover() {}, async commit() {} }),
  });
  same<typeof sink, Sink<Row, { file: string }>>(true);
}

export function source() {
  const rows = defineSource({
    position: schema(z.number()),
    state: { open: state.operatorList<Row>(), seen: state.operatorUnion<string>() },
    splits: () => [{ id: 'main', start: 0 }],
    async *read({ position, state: { open, seen } }) {
      same<typeof open, readonly Row[]>(true);
      // @ts-expect-error read-only
      open.push({ key: 'a', n: 1 });
      const keys: readonly string[] = [...seen, 'a'];
      yield { elements: [{ key: 'a', n: position }], position: position + 1, state: { seen: keys } };
    },
  });
  same<typeof rows, SourceSpec<{ key: string; n: number }, number>>(true);
  defineSource({
    position: schema(z.number()),
    state: { seen: state.operatorUnion<string>() },
    splits: () => [],
    // @ts-expect-error strings
    async *read() {
      yield { elements: [1], position: 1, state: { seen: [1] } };
    },
  });
}

export function without() {
  defineSink<Row>({ open: () => ({ write() {} }) });
  defineSource<Row, number>({
    position: schema(z.number()),
    splits: () => [],
    async *read() {},
  });
  // @ts-expect-error keyed state belongs to keyed operators
  defineSink({ state: { seen: state.number() }, open: () => ({ write(_rows: readonly Row[]) {} }) });
}

describe('declarations', () => {
  const sink = { kind: 'test', open: () => {} };
  const source = { kind: 'test', position: schema(z.number()), splits: () => [], read: () => {} };
  const both = (given: unknown) => {
    const findings = sinkFindings({ ...sink, state: given });
    assert.deepEqual(sourceFindings({ ...source, state: given }), findings);
    return findings;
  };

  test('that are right have no findings', () => {
    assert.deepEqual(both(undefined), []);
    assert.deepEqual(both({}), []);
    assert.deepEqual(
      both({ a: state.operatorList({ formerly: ['b'] }), c: state.operatorUnion(schema(z.number())) }),
      [],
    );
  });

  test('that are none are told by name', () => {
    assert.deepEqual(both([]), ['state: expected an object of declarations, found an array']);
    assert.deepEqual(both({ a: 5, b: state.number(), 'c.d': state.operatorList() }), [
      'state "a": expected state.operatorList(…) or state.operatorUnion(…), found 5',
      'state "b": expected state.operatorList(…) or state.operatorUnion(…), found a declaration of kind "number"',
      'state "c.d": contains one of . @ /',
    ]);
  });

  test('may not claim a name that is still there, nor two of them the same', () => {
    const list = (...formerly: string[]) => state.operatorList({ formerly });
    assert.deepEqual(both({ a: list('b'), b: list('x/y') }), [
      'state "a" was formerly "b", but that state is still there',
      'state "b", formerly "x/y": contains one of . @ /',
    ]);
    assert.deepEqual(both({ a: list('old'), b: list('old') }), [
      'states "a" and "b" were both formerly "old"',
    ]);
  });
});
