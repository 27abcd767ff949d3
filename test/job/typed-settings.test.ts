import assert from 'node:assert/strict';
import { test } from 'node:test';
import { resolveSettings, type SettingsFlags } from '../../src/graph/resolve-settings.js';
import type { SettingsDeclaration } from '../../src/graph/settings.js';
import { typedSettings } from '../../src/job/typed-settings.js';

const DECLARED: readonly SettingsDeclaration[] = [
  {},
  {
    backend: 'disk',
    checkpoint: { interval: '5s', retain: 3, mode: 'full', onCancel: 'retain' },
    restart: 'none',
  },
];
const TYPED: readonly SettingsFlags[] = [
  {},
  { checkpointInterval: 100, retain: 2, stepTimeout: 1_000 },
  { backend: 'disk', cache: 8_388_608 },
  { backend: 'memory', checkpointMode: 'incremental', heap: '64m' },
  { restart: 'fixed-delay:250ms:3', onFailure: 'delete' },
  { restart: 'failure-rate:2:30000ms:0ms', onCancel: 'delete' },
  { restart: 'exponential-delay:10ms:2000ms:7', checkpointMode: 'full' },
];

test('what was typed over a definition is found again, and means the same over the next one', () => {
  for (const declared of DECLARED) {
    for (const flags of TYPED) {
      const frozen = resolveSettings(declared, flags);
      const found = typedSettings(declared, frozen);
      assert.deepEqual(resolveSettings(declared, found), frozen);
      for (const name of Object.keys(found)) assert.ok(name in flags, `${name} was not typed`);
    }
  }
});

test('what the definition says is left to the next definition', () => {
  const frozen = resolveSettings({ checkpoint: { interval: '5s' } }, { retain: 4 });
  assert.deepEqual(typedSettings({ checkpoint: { interval: '5s' } }, frozen), { retain: 4 });
});
