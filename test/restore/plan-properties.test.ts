/** What holds of every plan, and that the data thread puts entries where the plan said. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Graph } from '../../src/graph/node.js';
import type { NewGraph, NewOperator, NewTable } from '../../src/restore/compatible.js';
import { isTaken, planStates, type StatePlan } from '../../src/restore/plan-states.js';
import { nameOf, type SnapshotShape } from '../../src/restore/shape.js';
import { matchTable, type Table } from '../../src/runtime/tables.js';
import fc from '../helpers/property.js';
import { operator } from './shapes.js';

const UIDS = ['a', 'b', 'c', 'd'] as const;
const NAMES = ['s', 't', 'u', 'v'] as const;

interface OneState {
  readonly name: string;
  readonly kind: string;
  readonly version: number;
  readonly json: boolean;
  readonly formerly: readonly string[];
  readonly typed: boolean;
  readonly entries: number;
}

interface OneOperator {
  readonly uid: string;
  readonly formerly: readonly string[];
  readonly keyType: string;
  readonly states: readonly OneState[];
}

const oneState: fc.Arbitrary<OneState> = fc.record({
  name: fc.constantFrom(...NAMES),
  kind: fc.constantFrom('value', 'list', 'timer'),
  version: fc.integer({ min: 1, max: 2 }),
  json: fc.boolean(),
  formerly: fc.subarray([...NAMES], { maxLength: 2 }),
  typed: fc.boolean(),
  entries: fc.integer({ min: 0, max: 2 }),
});

const operators: fc.Arbitrary<readonly OneOperator[]> = fc.uniqueArray(
  fc.record({
    uid: fc.constantFrom(...UIDS),
    formerly: fc.subarray([...UIDS], { maxLength: 2 }),
    keyType: fc.constantFrom('string', 'auto'),
    states: fc.uniqueArray(oneState, {
      selector: ({ name, kind }) => `${name} ${kind === 'timer'}`,
      maxLength: 4,
    }),
  }),
  { selector: ({ uid }) => uid, maxLength: 4 },
);

function tableOf(uid: string, { name, kind, version, json, entries }: OneState) {
  const codec = { id: json ? 'json' : 'value', version: 1 };
  return { operator: uid, name, kind, codec, schemaVersion: version, mapKey: null, entries, bytes: entries };
}

function snapshotOf(all: readonly OneOperator[]): SnapshotShape {
  return {
    operators: all.map(({ uid, keyType }) => ({ uid, kind: 'process', keyType })),
    tables: all.flatMap(({ uid, states }) => states.map((one) => tableOf(uid, one))),
  };
}

/** A former name is of nothing that is there, and of one only. */
function graphOf(all: readonly OneOperator[]): NewGraph {
  const uids = new Set(all.map(({ uid }) => uid));
  const free = (taken: Set<string>) => (old: string) => !taken.has(old) && taken.add(old) !== undefined;
  const takenUids = new Set(uids);
  const ops = all.map(
    ({ uid, keyType, formerly }): NewOperator =>
      operator(uid, { keyType, formerly: formerly.filter(free(takenUids)) }),
  );
  const tables = all.flatMap(({ uid, states }) => {
    const taken = new Set<string>(states.map(({ name }) => name));
    return states.map((one): NewTable => {
      const { entries: _, bytes: __, ...table } = tableOf(uid, one);
      const formerly = one.kind === 'timer' ? [] : one.formerly.filter(free(taken));
      return { ...table, formerly, typed: one.typed, reads: one.typed ? [{ id: 'json', version: 1 }] : [] };
    });
  });
  return { operators: ops, tables };
}

const NONE = { allowMissing: false, drop: [] };
const shown = (plans: readonly StatePlan[]) =>
  plans.map(({ name, kind, action, to }) => `${name} ${kind} ${action} ${to}`);

test('every state of the snapshot is told once, every one of the definition has at most one beginning', () => {
  fc.assert(
    fc.property(operators, operators, (before, after) => {
      const [old, now] = [snapshotOf(before), graphOf(after)];
      const plans = planStates(old, now, NONE);
      const told = plans.filter(({ action }) => action !== 'new');
      assert.deepEqual(
        told.map(({ name, kind }) => `${name} ${kind}`),
        old.tables.map((table) => `${nameOf(table)} ${table.kind}`),
      );
      const begun = plans.filter(({ to }) => to !== null).map(({ to, kind }) => `${to} ${kind === 'timer'}`);
      assert.equal(new Set(begun).size, begun.length);
      const there = new Set(now.tables.map((table) => `${nameOf(table)} ${table.kind === 'timer'}`));
      for (const one of begun) assert.ok(there.has(one), one);
      if (!plans.some(({ action }) => action === 'impossible')) assert.equal(begun.length, there.size);
      for (const plan of plans) {
        assert.equal(plan.proven, plan.to !== null && plan.unproven === null);
        if (plan.action === 'kept') assert.ok(plan.proven && plan.to === plan.name);
        if (plan.action === 'unproven') assert.ok(!plan.proven && plan.to === plan.name);
        if (plan.action === 'migrated')
          assert.ok(plan.versions !== null || plan.codecs !== null || /^.*keys /.test(plan.message ?? ''));
        assert.equal(plan.to === null, !isTaken(plan) && plan.action !== 'new');
      }
    }),
  );
});

test('a snapshot fits the definition it was taken of', () => {
  fc.assert(
    fc.property(operators, (before) => {
      for (const plan of planStates(snapshotOf(before), graphOf(before), NONE))
        assert.equal(plan.action, plan.proven ? 'kept' : 'unproven');
    }),
  );
});

test('what may be left behind changes nothing but what is missing; what is dropped, nothing but itself', () => {
  fc.assert(
    fc.property(operators, operators, fc.nat(), (before, after, pick) => {
      const [old, now] = [snapshotOf(before), graphOf(after)];
      const plans = planStates(old, now, NONE);
      const allowed = planStates(old, now, { allowMissing: true, drop: [] });
      assert.deepEqual(
        shown(allowed),
        shown(plans.map((plan) => (plan.missing ? { ...plan, action: 'dropped' } : plan))),
      );
      const dropped = old.tables[pick % Math.max(1, old.tables.length)];
      if (dropped === undefined) return;
      const name = nameOf(dropped);
      const without = { ...old, tables: old.tables.filter((table) => nameOf(table) !== name) };
      const rest = planStates(old, now, { ...NONE, drop: [name] });
      assert.deepEqual(
        shown(rest.filter((plan) => plan.name !== name || plan.action === 'new')),
        shown(planStates(without, now, NONE)),
      );
      for (const plan of rest)
        if (plan.name === name && plan.action !== 'new') assert.equal(plan.action, 'dropped');
    }),
  );
});

/** As much of the definition as says where entries go. */
function asGraph({ operators: ops, tables }: NewGraph): Graph {
  const nodes = ops.map(({ uid, formerly }) => {
    const own = tables.filter((table) => table.operator === uid && table.kind !== 'timer');
    const declared = Object.fromEntries(own.map(({ name, formerly: names }) => [name, { formerly: names }]));
    return { kind: 'process', uid, formerly, spec: { state: declared } };
  });
  return { nodes } as unknown as Graph;
}

test('entries go where the plan says', () => {
  fc.assert(
    fc.property(operators, operators, (before, after) => {
      const [old, now] = [snapshotOf(before), graphOf(after)];
      const [theirs, ours] = [old.tables, now.tables].map((tables) =>
        tables.map((table, id) => ({ ...table, id }) as Table),
      );
      const plans = planStates(old, now, NONE);
      for (const [place, table] of (theirs ?? []).entries()) {
        const plan = plans[place];
        const found = matchTable(asGraph(now), ours ?? [], table);
        if (plan !== undefined && isTaken(plan)) assert.equal(found && nameOf(found), plan.to);
        else if (plan?.missing === true) assert.ok(found === undefined);
      }
    }),
  );
});
