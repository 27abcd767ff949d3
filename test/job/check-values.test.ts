import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import type { ArchiveRange } from '../../src/archive/read.js';
import { homePaths } from '../../src/base/home.js';
import { operatorId } from '../../src/base/operator-id.js';
import { capabilitiesOf } from '../../src/format/archive-manifest.js';
import type { ManifestTable } from '../../src/format/manifest.js';
import {
  CHECK_ALL,
  CHECK_SAMPLE,
  checkValues,
  depthOf,
  isOfSameCode,
  RESTORE_CHECK,
  SAMPLE_ENTRIES,
  withRefused,
} from '../../src/job/check-values.js';
import { hasPassed, rememberPassed } from '../../src/job/checks-passed.js';
import type { PlannedSnapshot } from '../../src/job/planned-snapshot.js';
import type { CheckedEntries } from '../../src/job/protocol.js';
import type { StateAction, StatePlan } from '../../src/restore/plan-states.js';

const GROUPS = 128;
const BLOCK = 100;

/** Two keyed states of `entries` each, whose blocks hold the table and the group they are of. */
function snapshot(entries: number, ordered = true): PlannedSnapshot {
  const tables = ['a', 'b'].map(
    (name, id): ManifestTable => ({
      id,
      operator: 'count',
      name,
      kind: 'value',
      codec: { id: 'value', version: 1 },
      schemaVersion: 1,
      mapKey: null,
      entries,
      bytes: entries,
    }),
  );
  const operator = {
    uid: 'count',
    operatorId: operatorId('count'),
    kind: 'process',
    maxParallelism: GROUPS,
    keyType: 'string',
    watermark: null,
  } as const;
  async function* blocks({ tables: ids = [0, 1], groups }: ArchiveRange) {
    for (const id of ids)
      for (let group = groups?.start ?? 0; group <= Math.min(groups?.end ?? GROUPS, GROUPS - 1); group++)
        for (let left = Math.ceil(entries / GROUPS); left > 0; left -= BLOCK)
          yield { payload: Buffer.from([id, group]), entries: Math.min(BLOCK, left) };
  }
  return {
    label: 'x.tar',
    manifest: {
      kind: 'savepoint',
      layout: 'canonical',
      mode: 'full',
      backend: null,
      drained: false,
      capabilities: capabilitiesOf('canonical', 'full'),
      digest: 'd',
      operators: [operator],
      tables,
      entries: 2 * entries,
      bytes: 2 * entries,
    },
    provenance: {
      job: { id: 'j', name: 'j' },
      params: {},
      cwd: '/',
      parallelism: 1,
      checkpointId: 1,
      lineage: [],
      bundleHash: null,
      definitionFile: null,
      gitCommit: null,
    },
    isOrdered: async () => ordered,
    blocks,
  };
}

function plan(state: string, action: StateAction, kind = 'value'): StatePlan {
  return {
    name: kind === 'splits' ? 'count' : `count.${state}`,
    operator: 'count',
    state,
    kind,
    entries: 1,
    bytes: 1,
    action,
    to: null,
    versions: null,
    codecs: null,
    proven: true,
    unproven: null,
    missing: false,
    message: null,
    advice: null,
  };
}

/** A definition that takes everything, and what it was given: entries and groups, by table. */
function witness() {
  const seen = new Map<number, { entries: number; groups: Set<number> }>();
  const check = async (_: unknown, blocks: AsyncIterable<{ payload: Buffer; entries: number }>) => {
    for await (const { payload, entries } of blocks) {
      const [table = -1, group = -1] = payload;
      const of = seen.get(table) ?? { entries: 0, groups: new Set() };
      of.entries += entries;
      of.groups.add(group);
      seen.set(table, of);
    }
    const tables = [...seen].map(([table, { entries }]) => ({
      table,
      looked: entries,
      refused: 0,
      shown: [],
    }));
    return { tables, splits: [] } satisfies CheckedEntries;
  };
  return { seen, check };
}

test('values are of the same code where code and parameters are, and nobody has edited them', () => {
  const params = { one: '1', two: '2' };
  const taken = { bundleHash: 'a', params };
  assert.ok(isOfSameCode(taken, 'a', { two: '2', one: '1' }));
  assert.ok(!isOfSameCode(taken, 'b', params));
  assert.ok(!isOfSameCode(taken, 'a', { ...params, two: '3' }));
  assert.ok(!isOfSameCode({ ...taken, edited: true }, 'a', params));
});

describe('how closely a plan is looked at', () => {
  const cases = [
    [RESTORE_CHECK, { same: true, passed: false }, { migrated: 'all', others: 'none' }],
    [RESTORE_CHECK, { same: false, passed: false }, { migrated: 'all', others: 'sample' }],
    [RESTORE_CHECK, { same: false, passed: true }, { migrated: 'none', others: 'none' }],
    [CHECK_SAMPLE, { same: true, passed: false }, { migrated: 'sample', others: 'sample' }],
    [CHECK_ALL, { same: true, passed: true }, { migrated: 'all', others: 'all' }],
  ] as const;
  for (const [check, known, expected] of cases)
    test(`${JSON.stringify(known)} of ${JSON.stringify(check)}`, () => {
      assert.deepEqual(depthOf(check, known), expected);
    });
});

describe('what is looked at', () => {
  test('a sample comes from all over the key groups, and costs the same however much there is', async () => {
    for (const entries of [50_000, 5_000_000]) {
      const { seen, check } = witness();
      const states = [plan('a', 'kept'), plan('b', 'unproven')];
      await checkValues({ check }, snapshot(entries), states, { migrated: 'sample', others: 'sample' }, {});
      for (const { entries: looked, groups } of seen.values()) {
        assert.ok(looked >= SAMPLE_ENTRIES && looked < 2 * SAMPLE_ENTRIES + 16 * BLOCK, `${looked}`);
        assert.ok(groups.size >= 16 && Math.min(...groups) < 8 && Math.max(...groups) >= 120);
      }
      assert.equal(seen.size, 2);
    }
  });

  test('what is migrated may be looked at more closely, and what is not taken is not looked at', async () => {
    const { seen, check } = witness();
    const states = [plan('a', 'migrated'), plan('b', 'dropped')];
    const found = await checkValues(
      { check },
      snapshot(12_800),
      states,
      { migrated: 'all', others: 'sample' },
      {},
    );
    assert.deepEqual(
      [...seen].map(([table, { entries }]) => [table, entries]),
      [[0, 12_800]],
    );
    assert.deepEqual([found.looked, found.entries], [12_800, 12_800]);
  });

  test('no value where nothing is asked for, but sources are asked all the same', async () => {
    const states = [plan('a', 'kept'), plan('b', 'migrated')];
    const none = { migrated: 'none', others: 'none' } as const;
    const asked = witness();
    const split = { source: 'count', split: 'f', code: 'FILE_NOT_FOUND', reason: 'it is gone' } as const;
    const check = async (tables: unknown, blocks: Parameters<typeof asked.check>[1]) => ({
      ...(await asked.check(tables, blocks)),
      splits: [split],
    });
    const found = await checkValues({ check }, snapshot(100), states, none, {});
    assert.deepEqual(found, { looked: 0, entries: 200, states: [], splits: [split] });
    assert.equal(asked.seen.size, 0);
  });

  test('nothing at all where it would all have to be read for that', async () => {
    const check = async () => assert.fail('nobody is asked');
    const none = { migrated: 'none', others: 'none' } as const;
    const found = await checkValues(
      { check },
      snapshot(100, false),
      [plan('a', 'kept'), plan('b', 'kept')],
      none,
      {},
    );
    assert.deepEqual(found, { looked: 0, entries: 200, states: [], splits: [] });
  });

  test('progress is told, and a signal stops it', async () => {
    const stop = new AbortController();
    const told: number[] = [];
    const check = async (_: unknown, __: unknown, onEntries?: (entries: number) => void) => {
      onEntries?.(10);
      stop.abort();
      onEntries?.(20);
      return assert.fail('it goes on');
    };
    const progress = {
      signal: stop.signal,
      onProgress: (entries: number, of: number) => told.push(entries, of),
    };
    const states = [plan('a', 'kept'), plan('b', 'kept')];
    const depth = { migrated: 'all', others: 'all' } as const;
    await assert.rejects(checkValues({ check }, snapshot(100), states, depth, progress), {
      name: 'AbortError',
    });
    assert.deepEqual(told, [10, 200]);
  });
});

test('what the values do not allow is impossible, whatever the shapes say', () => {
  const shown = [{ keyGroup: 3, key: '"k"', mapKey: '5', path: '.x', reason: 'Too big' }];
  const values = {
    looked: 12,
    entries: 12,
    states: [{ name: 'count.a', kind: 'map', looked: 12, entries: 12, refused: 2, shown } as const],
    splits: [{ source: 'count', split: 'f', code: 'FILE_NOT_FOUND', reason: 'it is gone' } as const],
  };
  const facts = { operators: [] };
  const states = withRefused(
    [plan('a', 'kept', 'map'), plan('a', 'kept', 'timer'), plan('b', 'kept'), plan('', 'kept', 'splits')],
    values,
    facts,
  );
  assert.deepEqual(
    states.map(({ action, message }) => [action, message]),
    [
      ['impossible', '2 of the 12 entries looked at are not taken: of key "k", map key 5, Too big at .x'],
      ['kept', null],
      ['kept', null],
      ['impossible', 'split f: it is gone'],
    ],
  );
});

describe('a check that has passed', () => {
  const checked = { digest: 'd', bundle: 'b', params: { one: '1', two: '2' }, drop: ['a.b', 'c'] };

  test('is remembered for this snapshot, code, parameters and what is left behind alone', () => {
    const root = mkdtempSync(join(tmpdir(), 'tidemark-checks-'));
    const home = homePaths(root);
    try {
      assert.equal(hasPassed(home, checked), false);
      rememberPassed(home, checked);
      assert.equal(hasPassed(home, { ...checked, params: { two: '2', one: '1' } }), true);
      for (const other of [{ digest: 'e' }, { bundle: 'c' }, { params: { one: '1' } }])
        assert.equal(hasPassed(home, { ...checked, ...other }), false);
      // What was to be left behind was not looked at.
      assert.equal(hasPassed(home, { ...checked, drop: ['a.b'] }), false);
      assert.equal(hasPassed(home, { ...checked, drop: ['c', 'a.b'] }), true);
      rememberPassed(home, { ...checked, digest: '' });
      assert.equal(hasPassed(home, { ...checked, digest: '' }), false);
      for (let i = 0; i < 300; i++) rememberPassed(home, { ...checked, digest: `d${i}` });
      assert.equal(readdirSync(join(root, 'checks')).length, 256);
    } finally {
      rmSync(root, { recursive: true });
    }
  });
});
