/** Broadcast state, and list and union state of sinks, from a dataflow into an archive and back. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { diffArchives } from '../../src/archive/diff.js';
import { viewEntry } from '../../src/archive/entries-view.js';
import { type Archive, openArchive } from '../../src/archive/read.js';
import { present } from '../../src/base/assert.js';
import { ByteReader } from '../../src/codec/reader.js';
import { readEntry } from '../../src/format/entry.js';
import { state } from '../../src/graph/declare-state.js';
import type { JobBuilder } from '../../src/graph/define.js';
import { defineSink } from '../../src/graph/define-sink.js';
import { type } from '../../src/graph/type.js';
import { type TakenSnapshot, take } from '../../src/testing/taken.js';
import { Driven, splitsOf } from '../runtime/driving.js';
import { archiveOf, diskWith, PATH } from './archives.js';
import { operator } from './blocks.js';

const OPERATORS = [
  operator('numbers', 'source', null, 16),
  operator('rules', 'source', null, 16),
  operator('match', 'process', 'auto', 16),
  operator('out', 'sink', null, 16),
];
const RULES = ['b', 'a', 'c'];

/** A sink that keeps every element, in a list and in a union. */
const keeping = () =>
  defineSink({
    state: { list: state.operatorList<string>(), union: state.operatorUnion<string>() },
    open({ state: { list, union } }) {
      const own: string[] = [];
      return {
        write(elements: readonly string[]) {
          for (const element of elements) list.add(element);
          own.push(...elements);
          union.set(own);
        },
      };
    },
  });

function build(numbers: number, rules: readonly string[] = RULES) {
  return (job: JobBuilder) => {
    const limits = job.source('rules', splitsOf({ all: rules }));
    job
      .source('numbers', splitsOf({ all: Array.from({ length: numbers }, (_, n) => n) }, 100))
      .keyBy((n) => n)
      .connect(limits.broadcast())
      .process('match', {
        broadcast: { rules: state.broadcast<string, { readonly length: number }>() },
        emits: type<string>(),
        onBroadcast: (rule, ctx) => ctx.broadcast.rules.set(rule, { length: rule.length }),
        onElement: (n, ctx) => ctx.emit(`element ${n}`),
      })
      .sink('out', keeping());
  };
}

async function stateAt(parallelism: number, rules?: readonly string[]): Promise<TakenSnapshot> {
  const driven = await Driven.open(build(20, rules), { parallelism });
  await driven.settle();
  return take(driven.dataflow, 1);
}

async function archived(snapshot: TakenSnapshot): Promise<Archive> {
  async function* blocks() {
    yield* snapshot.chunks;
  }
  const bytes = await archiveOf({ blocks: blocks(), operators: OPERATORS, tables: snapshot.tables });
  return openArchive(diskWith(bytes), PATH);
}

/** The entries of a state as `inspect` shows them, and the bytes of the state. */
async function stateIn(archive: Archive, name: string) {
  const { tables, operators } = archive.manifest;
  const table = present(
    tables.find((one) => one.name === name),
    name,
  );
  const owner = present(
    operators.find(({ uid }) => uid === table.operator),
    'its operator',
  );
  const views: { key: unknown; mapKey?: unknown; value: unknown; keyGroup: unknown }[] = [];
  const payloads: Buffer[] = [];
  for await (const { payload, entries } of archive.blocks({ tables: [table.id] })) {
    payloads.push(Buffer.from(payload));
    const from = new ByteReader(payload);
    for (let n = 0; n < entries; n++) views.push(viewEntry(readEntry(from), table, owner));
  }
  return { views, bytes: Buffer.concat(payloads) };
}

describe('state that belongs to no key', () => {
  test('gives one digest and no differences, whatever the parallelism it was taken at', async () => {
    const archives = await Promise.all([1, 3, 7].map(async (at) => archived(await stateAt(at))));
    const [first] = archives;
    assert.ok(first !== undefined);
    for (const archive of archives) {
      assert.equal(archive.manifest.digest, first.manifest.digest);
      assert.deepEqual(await diffArchives(first, archive), { equal: true, operators: [] });
      const rules = await stateIn(archive, 'rules');
      assert.deepEqual(rules.bytes, (await stateIn(first, 'rules')).bytes);
      assert.deepEqual(
        rules.views.map(({ key, keyGroup, mapKey, value }) => [key, keyGroup, mapKey, value]),
        RULES.toSorted().map((rule) => [null, null, rule, { length: 1 }]),
      );
      for (const name of ['list', 'union']) {
        const { views } = await stateIn(archive, name);
        assert.equal(views.length, 20);
        assert.deepEqual(new Set(views.map(({ value }) => value)).size, 20);
      }
    }
    const held = (await stateIn(present(archives[2], 'the last'), 'list')).views.map(({ key }) => key);
    const subtasks = new Set(held.map((key) => (key as readonly number[])[0]));
    assert.ok(subtasks.size > 1, 'several subtasks hold some');
  });

  test('differs where it differs', async () => {
    const [before, after] = [await stateAt(3), await stateAt(1, ['a', 'b', 'cc'])];
    const diff = await diffArchives(await archived(before), await archived(after));
    assert.deepEqual(diff.operators.find(({ uid }) => uid === 'match')?.states, [
      { name: 'rules', added: 1, removed: 1, changed: 0 },
    ]);
    assert.equal(
      diff.operators.some(({ uid }) => uid === 'out'),
      false,
    );
  });

  test('comes back from the archive at any parallelism, and goes into the next as it was', async () => {
    const archive = await archived(await stateAt(3));
    const chunks: { payload: Buffer; entries: number }[] = [];
    for await (const { payload, entries } of archive.blocks()) {
      chunks.push({ payload: Buffer.from(payload), entries });
    }
    const { tables, digest } = archive.manifest;
    const restore = { checkpoint: 1, barrierTime: 0, maxParallelism: 16, tables, chunks };
    for (const parallelism of [1, 3, 7]) {
      const driven = await Driven.open(build(20), { parallelism, restore });
      await driven.settle();
      assert.equal((await archived(await take(driven.dataflow, 2))).manifest.digest, digest);
    }
  });
});
