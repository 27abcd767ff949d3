import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { CASES } from '../../fixtures/upgrades/cases/all.js';
import { page, README } from './table.js';

const all = Object.values(CASES).flat();
const always = all.filter(({ long }) => long !== true);

test('the table of upgrades is the one of the cases', () => {
  assert.equal(readFileSync(README, 'utf8'), page(), 'write it anew: node dist/test/upgrades/table.js');
});

test('each case has a name of its own; enough of them are tried every time', () => {
  const names = all.map(({ name }) => name);
  assert.deepEqual([...new Set(names)], names);
  assert.ok(always.length >= 40, `${always.length} cases`);
  const undeclared = always.filter(({ old }) => old.undeclared === true);
  assert.ok(undeclared.length >= 15, `${undeclared.length} of them with undeclared types`);
});

test('a case without an undeclared type has nothing unproven', () => {
  for (const { name, old, plan } of all)
    if (old.undeclared !== true)
      assert.ok(!plan.some((line) => line.startsWith('unproven')), `${name}: ${plan.join(', ')}`);
});

test('what goes on prints, what is refused has a code', () => {
  for (const { name, exit, code, refused = code, prints } of all) {
    assert.equal(code === undefined, exit === 0, name);
    assert.equal(prints === undefined, refused !== undefined, name);
  }
});
