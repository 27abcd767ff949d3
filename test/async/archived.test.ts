/** Elements in flight in archives: exported and imported, compared, checked against a definition. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { z } from 'zod';
import { diffArchives } from '../../src/archive/diff.js';
import { viewEntry } from '../../src/archive/entries-view.js';
import type { Json } from '../../src/archive/tagged.js';
import { ByteReader } from '../../src/codec/reader.js';
import { readEntry } from '../../src/format/entry.js';
import { defineJob, fromArray, schema } from '../../src/index.js';
import { backendFor, EntryCheck } from '../../src/job/check-entries.js';
import { planStates } from '../../src/restore/plan-states.js';
import type { GivenEntry } from '../../src/rewrite/entry-from-view.js';
import { Dataflow } from '../../src/runtime/dataflow.js';
import { tablesOf } from '../../src/runtime/tables.js';
import { Where } from '../../src/runtime/where.js';
import { ManualClock } from '../../src/testing/manual-clock.js';
import { operator, table } from '../archive/blocks.js';
import { FaultyDisk } from '../helpers/faulty-disk.js';
import { graph, is, operator as shaped, snapshot, was } from '../restore/shapes.js';
import { Port, type State } from '../rewrite/porting.js';

const STATE: State = {
  operators: [operator('ask', 'process', null)],
  tables: [table(0, 'ask', '', 'in-flight')],
};

let port: Port;
before(async () => {
  port = await Port.make();
});
after(() => port.remove());

function entries(
  ...flights: readonly (readonly [subtask: number, place: number, time: number | null, value: Json])[]
) {
  return flights.map(
    ([subtask, place, time, value]) =>
      [
        0,
        { key: [subtask, place], value, ...(time === null ? {} : { mapKey: time }) },
      ] as const satisfies readonly [number, GivenEntry],
  );
}

const FLIGHTS = entries(
  [0, 0, 1000, 'a'],
  [0, 1, null, { id: 5 }],
  [1, 0, -5, 'a'],
  [2, 0, 2 ** 53 - 1, [1]],
);

describe('elements in flight', () => {
  for (const format of ['jsonl', 'csv', 'sqlite'] as const)
    test(`are the same by way of ${format}, with their timestamps`, async () => {
      const archive = await port.given(STATE, FLIGHTS);
      let made = await port.empty(STATE);
      for (const [label, path] of await port.export(archive, format)) {
        const only = label === '' ? {} : { only: label };
        made = (await port.import(made, { path }, format, only)).archive;
      }
      assert.equal(made.manifest.digest, archive.manifest.digest);
      const { equal } = await diffArchives(archive, made);
      assert.equal(equal, true);
    });

  test('are the same wherever they were, and not at another time', async () => {
    const archive = await port.given(STATE, FLIGHTS);
    const elsewhere = entries(
      [3, 0, 1000, 'a'],
      [0, 0, null, { id: 5 }],
      [0, 1, -5, 'a'],
      [0, 2, 2 ** 53 - 1, [1]],
    );
    const moved = await port.given(STATE, elsewhere);
    assert.equal(moved.manifest.digest, archive.manifest.digest);
    assert.equal((await diffArchives(archive, moved)).equal, true);
    const later = await port.given(STATE, [...entries([0, 0, 1001, 'a']), ...FLIGHTS.slice(1)]);
    assert.notEqual(later.manifest.digest, archive.manifest.digest);
    assert.deepEqual((await diffArchives(archive, later)).operators, [
      { uid: 'ask', states: [{ name: 'in-flight', added: 1, removed: 1, changed: 0 }] },
    ]);
  });

  test('are shown with subtask, place and timestamp', async () => {
    const archive = await port.given(STATE, FLIGHTS.slice(0, 2));
    const [shape] = archive.manifest.tables;
    const [own] = archive.manifest.operators;
    assert.ok(shape !== undefined && own !== undefined);
    const shown: unknown[] = [];
    for await (const { payload, entries: count } of archive.blocks()) {
      const from = new ByteReader(Buffer.from(payload));
      for (let i = 0; i < count; i++) shown.push(viewEntry(readEntry(from), shape, own));
    }
    const common = { operator: 'ask', state: 'in-flight', keyGroup: null, namespace: null };
    assert.deepEqual(shown, [
      { ...common, key: [0, 0], mapKey: 1000, value: 'a' },
      { ...common, key: [0, 1], value: { id: 5 } },
    ]);
  });

  test('are held against the schema of the definition', async () => {
    const definition = defineJob('checks', {}, (job) => {
      job
        .source('in', fromArray(['a']))
        .asyncMap('ask', async (text) => text, { schema: schema(z.string()) });
    });
    const built = definition.build({});
    const clock = new ManualClock();
    const dataflow = new Dataflow({
      graph: built,
      parallelism: 1,
      maxParallelism: 128,
      backend: backendFor(built),
      snapshots: 'all',
      context: {
        cwd: '/',
        disk: new FaultyDisk(),
        clock,
        job: { id: 'check', name: 'check' },
        attempt: 1,
        lineage: [],
        log: () => undefined,
        stdout: async () => undefined,
      },
      where: new Where(),
      liveSinks: false,
      rewind: false,
      wake: () => undefined,
    });
    const check = new EntryCheck(dataflow, built, new Where());
    const archive = await port.given(STATE, FLIGHTS);
    const own = tablesOf(built).find(({ kind }) => kind === 'in-flight');
    assert.ok(own !== undefined);
    for await (const { payload, entries: count } of archive.blocks()) {
      const from = new ByteReader(Buffer.from(payload));
      for (let i = 0; i < count; i++) check.take(readEntry(from), [{ ...own, id: 0 }]);
    }
    const { tables } = await check.found();
    assert.equal(tables[0]?.looked, 4);
    assert.equal(tables[0]?.refused, 2);
    assert.match(tables[0]?.shown[0]?.reason ?? '', /expected string/i);
  });

  test('go to the operator of their uid, else are missed', () => {
    const old = snapshot([shaped('ask')], was('ask', { kind: 'in-flight', entries: 3 }));
    const none = { allowMissing: false, drop: [] };
    const renamed = graph([shaped('find', { formerly: ['ask'] })], is('find', { kind: 'in-flight' }));
    const [moved] = planStates(old, renamed, none);
    assert.deepEqual([moved?.action, moved?.to], ['moved', 'find']);
    const [gone] = planStates(old, graph([shaped('ask')], is('ask.seen')), none);
    assert.equal(gone?.action, 'impossible');
    assert.match(gone?.message ?? '', /elements in flight \(3\) is not declared any more/);
    const [empty] = planStates(
      snapshot([shaped('ask')], was('ask', { kind: 'in-flight', entries: 0 })),
      graph([shaped('ask')], is('ask.seen')),
      none,
    );
    assert.equal(empty?.action, 'dropped');
  });
});
