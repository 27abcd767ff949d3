/** List and union state by itself: what subtasks hold, what is written of it, and who is given what after a restore. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { TidemarkError } from '../../src/base/errors.js';
import { ByteReader } from '../../src/codec/reader.js';
import { valueCodec } from '../../src/codec/value.js';
import { type Entry, EntryWriter, readEntry } from '../../src/format/entry.js';
import type {
  OperatorState,
  OperatorStateDeclaration,
  OperatorStateKind,
} from '../../src/graph/operator-state.js';
import { dealRuns } from '../../src/runtime/deal-runs.js';
import { copyChanges, OperatorStateStore } from '../../src/runtime/operator-state.js';
import type { Table } from '../../src/runtime/tables.js';
import fc from '../helpers/property.js';

const KINDS: readonly OperatorStateKind[] = ['operator-list', 'operator-union'];

function declare(kind: OperatorStateKind): OperatorStateDeclaration {
  return { kind, codec: valueCodec, schema: undefined, formerly: [] };
}

function table(kind: OperatorStateKind): Table {
  const codec = { id: valueCodec.id, version: valueCodec.version };
  return { id: 0, operator: 'out', name: 'kept', kind, codec, schemaVersion: 1, mapKey: null };
}

function store(kind: OperatorStateKind, parallelism: number, restored: readonly Entry[] = []) {
  const made = new OperatorStateStore('out', { kept: declare(kind) }, [table(kind)], parallelism);
  for (const entry of restored) made.restore(entry, 0);
  return made;
}

function handleOf(from: OperatorStateStore, subtask: number): OperatorState<unknown> {
  const { kept } = from.handles(subtask);
  assert.ok(kept !== undefined);
  return kept;
}

function written(from: OperatorStateStore): readonly Entry[] {
  const chunks: { bytes: Buffer; entries: number }[] = [];
  const out = new EntryWriter(
    {
      take: (bytes) => Buffer.alloc(bytes),
      full: (chunk, used, entries) => void chunks.push({ bytes: chunk.subarray(0, used), entries }),
    },
    1024,
  );
  from.write(out);
  out.flush();
  return chunks.flatMap(({ bytes, entries }) => {
    const reader = new ByteReader(bytes);
    return Array.from({ length: entries }, () => readEntry(reader));
  });
}

function holds(from: OperatorStateStore, parallelism: number): unknown[][] {
  return Array.from({ length: parallelism }, (_, subtask) => [...handleOf(from, subtask).get()]);
}

const lists = fc.array(fc.array(fc.integer(), { maxLength: 8 }), { minLength: 1, maxLength: 6 });
const parallelisms = fc.integer({ min: 1, max: 9 });

describe('runs', () => {
  test('hold all, in order, one for each, and differ in size by one at most', () => {
    fc.assert(
      fc.property(fc.array(fc.integer()), fc.integer({ min: 1, max: 40 }), (elements, parts) => {
        const runs = dealRuns(elements, parts);
        assert.equal(runs.length, parts);
        assert.deepEqual(runs.flat(), elements);
        const sizes = runs.map(({ length }) => length);
        assert.ok(Math.max(...sizes) - Math.min(...sizes) <= 1);
        assert.deepEqual(
          sizes,
          sizes.toSorted((a, b) => b - a),
        );
      }),
    );
  });

  test('are those of the picture in operator-state.ts', () => {
    assert.deepEqual(dealRuns([...'abcde'], 4), [['a', 'b'], ['c'], ['d'], ['e']]);
    assert.deepEqual(dealRuns([], 2), [[], []]);
  });
});

describe('a list', () => {
  test('is concatenated in the order of its subtasks and dealt anew, in whatever order its entries come', () => {
    fc.assert(
      fc.property(lists, parallelisms, fc.infiniteStream(fc.nat()), (before, parallelism, salt) => {
        const first = store('operator-list', before.length);
        for (const [subtask, list] of before.entries()) handleOf(first, subtask).set(list);
        const entries = written(first)
          .map((entry) => ({ entry, at: salt.next().value }))
          .sort((a, b) => a.at - b.at)
          .map(({ entry }) => entry);
        const second = store('operator-list', parallelism, entries);
        assert.deepEqual(holds(second, parallelism), dealRuns(before.flat(), parallelism));
      }),
    );
  });

  test('is written by those who changed it and those who did not', () => {
    const first = store('operator-list', 1);
    handleOf(first, 0).set([1, 2, 3, 4]);
    const second = store('operator-list', 2, written(first));
    handleOf(second, 1).add(5);
    assert.deepEqual(holds(store('operator-list', 1, written(second)), 1), [[1, 2, 3, 4, 5]]);
  });
});

describe('a union', () => {
  test('is given whole to everyone', () => {
    fc.assert(
      fc.property(lists, parallelisms, (before, parallelism) => {
        const first = store('operator-union', before.length);
        for (const [subtask, list] of before.entries()) handleOf(first, subtask).set(list);
        const second = store('operator-union', parallelism, written(first));
        for (const held of holds(second, parallelism)) assert.deepEqual(held, before.flat());
      }),
    );
  });

  test('that nobody changes does not multiply, however often and at whatever parallelism it is restored', () => {
    const first = store('operator-union', 2);
    handleOf(first, 0).set(['a', 'b']);
    handleOf(first, 1).set(['c']);
    let entries = written(first);
    for (const parallelism of [3, 1, 7]) entries = written(store('operator-union', parallelism, entries));
    assert.deepEqual(holds(store('operator-union', 1, entries), 1), [['a', 'b', 'c']]);
  });

  test('that some changed holds what they have, and one copy of what the others have', () => {
    const first = store('operator-union', 1);
    handleOf(first, 0).set(['a', 'b']);
    const second = store('operator-union', 3, written(first));
    handleOf(second, 1).set(['own']);
    const [all] = holds(store('operator-union', 1, written(second)), 1);
    assert.deepEqual(all?.toSorted(), ['a', 'b', 'own']);
    handleOf(second, 0).update((elements) => elements.slice(0, 1));
    handleOf(second, 2).clear();
    assert.deepEqual(holds(second, 3), [['a'], ['own'], []]);
    assert.deepEqual(holds(store('operator-union', 1, written(second)), 1), [['a', 'own']]);
  });
});

for (const kind of KINDS) {
  describe(kind, () => {
    test('behaves as a plain array of its subtask does, and no other subtask sees it', () => {
      const changes = fc.array(
        fc.record({
          subtask: fc.nat({ max: 2 }),
          what: fc.constantFrom('set', 'add', 'update', 'clear', 'replace'),
          elements: fc.array(fc.integer(), { maxLength: 4 }),
        }),
      );
      fc.assert(
        fc.property(changes, (history) => {
          const real = store(kind, 3);
          const model: number[][] = [[], [], []];
          for (const { subtask, what, elements } of history) {
            const handle = handleOf(real, subtask);
            const held = model[subtask] ?? [];
            if (what === 'set') handle.set(new Set(elements));
            if (what === 'set') model[subtask] = [...new Set(elements)];
            if (what === 'add') for (const element of elements) handle.add(element);
            if (what === 'add') held.push(...elements);
            if (what === 'update') handle.update((all) => [...all, ...elements]);
            if (what === 'update') model[subtask] = [...held, ...elements];
            if (what === 'clear') handle.clear();
            if (what === 'clear') model[subtask] = [];
            if (what === 'replace') real.replace(subtask, { kept: elements });
            if (what === 'replace') model[subtask] = [...elements];
            assert.equal(handle.size, model[subtask]?.length);
            assert.deepEqual(handle.get(), model[subtask]);
            assert.deepEqual(real.contents(subtask), { kept: model[subtask] });
          }
          assert.deepEqual(holds(real, 3), model);
        }),
      );
    });

    test('is what it was when it was written, whatever happens to it then', () => {
      const first = store(kind, 1);
      handleOf(first, 0).set([{ n: 1 }]);
      const entries = written(first);
      handleOf(first, 0).add({ n: 2 });
      assert.deepEqual(holds(store(kind, 1, entries), 1), [[{ n: 1 }]]);
    });

    test('refuses what cannot be kept, naming subtask, place and path', () => {
      const first = store(kind, 2);
      handleOf(first, 1).set([1, { a: [() => 1] }]);
      assert.throws(
        () => written(first),
        (error) =>
          error instanceof TidemarkError &&
          error.code === 'VALUE_REFUSED' &&
          /state out\.kept of subtask 1: .* at \[1\]\.a\[0\]/.test(error.message),
      );
    });
  });
}

describe('changes that a batch brings', () => {
  test('are of declared states only', () => {
    assert.throws(
      () => store('operator-list', 1).replace(0, { other: [] }),
      (error) =>
        error instanceof TidemarkError && error.code === 'SOURCE_FAILED' && /other.*kept/.test(error.message),
    );
  });

  test('are copied, so that the source may go on with its array, and must be arrays', () => {
    const own = [1];
    const copied = copyChanges({ kept: own, none: undefined });
    own.push(2);
    assert.deepEqual(copied, { kept: [1], none: undefined });
    assert.throws(
      () => copyChanges({ kept: 'text' as unknown as readonly unknown[] }),
      (error) => error instanceof TidemarkError && error.code === 'SOURCE_FAILED',
    );
  });
});
