/** Panes of which nobody wrote down of what windows they are: the first of each state tells. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { keyCodecById } from '../../src/codec/keys.js';
import { valueCodec } from '../../src/codec/value.js';
import { EntryWriter } from '../../src/format/entry.js';
import type { ManifestTable, ManifestWindow } from '../../src/format/manifest.js';
import { type OfPanes, refuseOtherWindows, withWindows } from '../../src/job/other-windows.js';
import type { TableFacts } from '../../src/job/protocol.js';
import { planStates } from '../../src/restore/plan-states.js';

const keys = keyCodecById('string');
const OPERATORS = [{ uid: 'days', kind: 'process', keyType: 'string', formerly: [] }];

const PANES = {
  id: 0,
  operator: 'days',
  name: 'panes',
  kind: 'reducing',
  codec: { id: 'value', version: 1 },
  schemaVersion: 1,
  mapKey: null,
} as const;

type Namespace = 'none' | 'global' | readonly [start: number, end: number];

function entry(namespace: Namespace): Buffer {
  const chunks: Buffer[] = [];
  const out = new EntryWriter(
    {
      take: (bytes) => Buffer.alloc(bytes),
      full: (chunk, used) => chunks.push(Buffer.from(chunk.subarray(0, used))),
    },
    1024,
  );
  out.begin(0, 1);
  out.key(keys, 'k');
  if (namespace === 'global') out.global();
  else if (namespace !== 'none') out.window(BigInt(namespace[0]), BigInt(namespace[1]));
  out.value(valueCodec, 1);
  out.flush();
  return Buffer.concat(chunks);
}

interface Of {
  readonly holds: Namespace;
  readonly was?: ManifestWindow;
  readonly is?: ManifestWindow;
  readonly ordered?: boolean;
}

/** What becomes of the panes, and how many were looked at. */
async function plan({ holds, was, is, ordered = true }: Of) {
  const table: ManifestTable = { ...PANES, entries: 1, bytes: 9, ...(was && { window: was }) };
  const facts: TableFacts = { ...PANES, formerly: [], typed: true, reads: [], ...(is && { window: is }) };
  let looked = 0;
  const snapshot: OfPanes = {
    manifest: { tables: [table] },
    isOrdered: async () => ordered,
    async *blocks({ tables }) {
      assert.deepEqual(tables, [0]);
      looked++;
      yield { payload: entry(holds) };
    },
  };
  const old = { operators: OPERATORS, tables: [table] };
  const graph = { operators: OPERATORS, tables: [facts] };
  const states = planStates(old, graph, { allowMissing: false, drop: [] });
  const [found] = await refuseOtherWindows(snapshot, { tables: [facts] }, states);
  return { action: found?.action, message: found?.message, advice: found?.advice, looked };
}

const DAY: ManifestWindow = { assign: { kind: 'tumbling', size: 10, offset: 0 } };
const SESSION: ManifestWindow = { assign: { kind: 'session', gap: 5 } };
const GLOBAL: ManifestWindow = { assign: { kind: 'global' }, trigger: 'count(3)' };

test('the first pane tells where the manifest does not', async () => {
  assert.deepEqual((await plan({ holds: [0, 10], is: DAY })).action, 'kept');
  assert.deepEqual((await plan({ holds: [3, 9], is: SESSION })).action, 'kept');
  const other = await plan({ holds: [0, 20], is: DAY });
  assert.equal(other.action, 'impossible');
  assert.match(other.message ?? '', /^holds a window of 20 ms from 0, which is none of its windows/);
  assert.match(other.advice ?? '', /--drop days/);
  assert.equal((await plan({ holds: [0, 10], is: GLOBAL })).action, 'impossible');
  assert.equal((await plan({ holds: 'global', is: DAY })).action, 'impossible');
});

test('panes go to no state of the same name that is none of a window', async () => {
  assert.equal((await plan({ holds: 'none' })).action, 'kept');
  const plain = await plan({ holds: [0, 10] });
  assert.equal(plain.action, 'impossible');
  assert.match(plain.message ?? '', /no window's state now/);
});

test('where the manifest tells, or entries have no order, none is looked at', async () => {
  assert.deepEqual(
    [
      await plan({ holds: [0, 20], was: DAY, is: DAY }),
      await plan({ holds: [0, 20], is: DAY, ordered: false }),
    ].map(({ action, looked }) => `${action} ${looked}`),
    ['kept 0', 'kept 0'],
  );
});

test('the code that wrote a checkpoint tells what windows its panes are of, where the checkpoint does not', async () => {
  const table: ManifestTable = { ...PANES, entries: 1, bytes: 9 };
  const facts: TableFacts = { ...PANES, formerly: [], typed: true, reads: [], window: DAY };
  const windows = async (tables: readonly ManifestTable[], graph = async () => ({ tables: [facts] })) =>
    (await withWindows(tables, graph)).map(({ window }) => window);
  const never = () => assert.fail('nothing is to be told');
  assert.deepEqual(await windows([table]), [DAY]);
  assert.deepEqual(await windows([{ ...table, window: SESSION }, table]), [SESSION, DAY]);
  assert.deepEqual(await windows([{ ...table, window: SESSION }], never), [SESSION]);
  assert.deepEqual(await windows([{ ...table, entries: 0 }], never), [undefined]);
  assert.deepEqual(await windows([{ ...table, name: 'sum' }], never), [undefined]);
  const gone = () => Promise.reject(new Error('it does not load any more'));
  assert.deepEqual(await windows([table], gone), [undefined]);
});
