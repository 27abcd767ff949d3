import assert from 'node:assert/strict';
import { test } from 'node:test';
import { frozenSettings } from '../../src/graph/frozen-settings.js';
import { resolveSettings, type SettingsFlags } from '../../src/graph/resolve-settings.js';
import { parseRestart } from '../../src/graph/restart.js';
import type { SettingsDeclaration } from '../../src/graph/settings.js';
import fc from '../helpers/property.js';
import { loose, thrown } from './build.js';

test('defaults are those of the design', () => {
  assert.deepEqual(resolveSettings({}, {}), {
    parallelism: 1,
    maxParallelism: 128,
    backend: 'memory',
    cache: 128 * 1024 * 1024,
    checkpoint: {
      interval: 10_000,
      minPause: 0,
      timeout: 600_000,
      tolerated: 0,
      retain: 1,
      mode: 'full',
      onCancel: 'delete',
      onFailure: 'retain',
    },
    restart: { strategy: 'exponential-delay', initial: 1_000, maximum: 60_000, factor: 2, attempts: 10 },
    stepTimeout: 60_000,
    heap: undefined,
    sinks: 'live',
  });
});

test('a flag goes over the definition, the definition over the default', () => {
  const declared: SettingsDeclaration = {
    parallelism: 4,
    checkpoint: { interval: '1s', retain: 3, tolerated: 2, minPause: '500ms', timeout: '1m' },
    restart: 'none',
    stepTimeout: '5s',
  };
  const fromDefinition = resolveSettings(declared, {});
  assert.equal(fromDefinition.parallelism, 4);
  assert.deepEqual(fromDefinition.checkpoint, {
    interval: 1_000,
    minPause: 500,
    timeout: 60_000,
    tolerated: 2,
    retain: 3,
    mode: 'full',
    onCancel: 'delete',
    onFailure: 'retain',
  });
  assert.deepEqual(fromDefinition.restart, { strategy: 'none' });
  assert.equal(fromDefinition.stepTimeout, 5_000);

  const fromFlags = resolveSettings(declared, {
    parallelism: '100',
    checkpointInterval: '0',
    retain: '2',
    onCancel: 'retain',
    onFailure: 'delete',
    restart: 'fixed-delay:10ms:2',
    stepTimeout: '1m',
    heap: '1.5g',
    sinks: 'mute',
  });
  assert.equal(fromFlags.parallelism, 100);
  assert.equal(fromFlags.maxParallelism, 256);
  assert.equal(fromFlags.checkpoint.interval, 0);
  assert.equal(fromFlags.checkpoint.retain, 2);
  assert.equal(fromFlags.checkpoint.onCancel, 'retain');
  assert.equal(fromFlags.checkpoint.onFailure, 'delete');
  assert.deepEqual(fromFlags.restart, { strategy: 'fixed-delay', delay: 10, attempts: 2 });
  assert.equal(fromFlags.stepTimeout, 60_000);
  assert.equal(fromFlags.heap, 1536);
  assert.equal(fromFlags.sinks, 'mute');
});

test('checkpoints are incremental on the disk backend and full in memory, unless it is said otherwise', () => {
  const modeOf = (declared: SettingsDeclaration, flags: SettingsFlags = {}) =>
    resolveSettings(declared, flags).checkpoint.mode;
  assert.equal(modeOf({}), 'full');
  assert.equal(modeOf({ backend: 'disk' }), 'incremental');
  assert.equal(modeOf({}, { backend: 'disk' }), 'incremental');
  assert.equal(modeOf({ backend: 'disk' }, { backend: 'memory' }), 'full');
  assert.equal(modeOf({ backend: 'disk', checkpoint: { mode: 'full' } }), 'full');
  assert.equal(modeOf({ checkpoint: { mode: 'incremental' } }), 'incremental');
  assert.equal(modeOf({ backend: 'disk' }, { checkpointMode: 'full' }), 'full');
  assert.equal(resolveSettings({ cache: '1g' }, {}).cache, 1024 ** 3);
  assert.equal(resolveSettings({ cache: '1g' }, { cache: '8m' }).cache, 8 * 1024 ** 2);
});

test('a job frozen before a setting came has its default', () => {
  const { cache: _cache, ...older } = resolveSettings({ parallelism: 3 }, { retain: 2 });
  const { onFailure: _onFailure, ...checkpoint } = older.checkpoint;
  const kept: unknown = JSON.parse(JSON.stringify({ ...older, checkpoint }));
  assert.deepEqual(
    JSON.parse(JSON.stringify(frozenSettings(kept))),
    JSON.parse(JSON.stringify(resolveSettings({ parallelism: 3 }, { retain: 2 }))),
  );
  const newer = resolveSettings({ backend: 'disk', cache: '8m' }, { onFailure: 'delete' });
  assert.deepEqual(frozenSettings(newer), newer);
});

test('wrong settings are usage errors that name where they stand and what to give', () => {
  const cases: ReadonlyArray<readonly [SettingsDeclaration, SettingsFlags, RegExp]> = [
    [{}, { parallelism: '0' }, /^--parallelism: expected a whole number from 1 to 32768, found "0"$/],
    [{}, { parallelism: 'two' }, /^--parallelism: .* found "two"$/],
    [{}, { parallelism: '1.5' }, /^--parallelism: /],
    [{}, { parallelism: '' }, /^--parallelism: /],
    [{}, { parallelism: Number.NaN }, /^--parallelism: /],
    [{ parallelism: -1 }, {}, /^the definition's parallelism: .* found -1$/],
    [{}, { maxParallelism: '32769' }, /^--max-parallelism: .* 32768, found "32769"$/],
    [{ maxParallelism: 4 }, { parallelism: '5' }, /^parallelism 5 is over the maximum parallelism of 4$/],
    [{}, { backend: 'tape' }, /^--backend: expected memory or disk, found "tape"$/],
    [{ backend: loose('tape') }, {}, /^the definition's backend: expected memory or disk, found "tape"$/],
    [{}, { checkpointMode: 'some' }, /^--checkpoint-mode: expected full or incremental, found "some"$/],
    [{}, { cache: '1m' }, /^--cache: expected 4 MiB to 1 TiB, found "1m"$/],
    [{ cache: 'much' }, {}, /^the definition's cache: "much" is not a size$/],
    [{}, { checkpointInterval: 'often' }, /^--checkpoint-interval: /],
    [{}, { checkpointInterval: '30d' }, /^--checkpoint-interval: expected 0 ms to 24 days, found "30d"$/],
    [{ checkpoint: { interval: -5 } }, {}, /^the definition's checkpoint.interval: /],
    [{ checkpoint: { timeout: 0 } }, {}, /^the definition's checkpoint.timeout: expected 1 ms to 24 days/],
    [{ checkpoint: { tolerated: 0.5 } }, {}, /^the definition's checkpoint.tolerated: /],
    [{ checkpoint: loose({ intervall: 1 }) }, {}, /^the definition's checkpoint has no setting "intervall"$/],
    [{}, { retain: '0' }, /^--retain: expected a whole number from 1 to 1000, found "0"$/],
    [{}, { onCancel: 'keep' }, /^--on-cancel: expected delete or retain, found "keep"$/],
    [{}, { onFailure: 'keep' }, /^--on-failure: expected delete or retain, found "keep"$/],
    [{}, { stepTimeout: '0' }, /^--step-timeout: expected 1 ms to 24 days, found "0"$/],
    [{}, { heap: '1m' }, /^--heap: expected 16 MiB to 1 TiB, found "1m"$/],
    [{}, { heap: 'much' }, /^--heap: /],
    [{}, { sinks: 'rewind' }, /^--sinks: expected live or mute, found "rewind"$/],
    [{}, { restart: 'sometimes' }, /^--restart: "sometimes" is not a restart strategy$/],
    [{ restart: 'none:1' }, {}, /^the definition's restart: "none:1" is not a restart strategy$/],
  ];
  for (const [declared, flags, message] of cases) {
    const error = thrown(() => resolveSettings(declared, flags));
    assert.equal(error?.code, 'USAGE', String(message));
    assert.match(error?.message ?? '', message);
    assert.ok((error?.hint ?? '') !== '', `${message} has a hint`);
  }
});

test('restart strategies read as written, trailing parts may be left out', () => {
  assert.deepEqual(parseRestart('none'), { strategy: 'none' });
  assert.deepEqual(parseRestart('fixed-delay'), { strategy: 'fixed-delay', delay: 1_000, attempts: 10 });
  assert.deepEqual(parseRestart(' fixed-delay:250ms:3 '), {
    strategy: 'fixed-delay',
    delay: 250,
    attempts: 3,
  });
  assert.deepEqual(parseRestart('exponential-delay:2s'), {
    strategy: 'exponential-delay',
    initial: 2_000,
    maximum: 60_000,
    factor: 2,
    attempts: 10,
  });
  assert.deepEqual(parseRestart('exponential-delay:0:0:1'), {
    strategy: 'exponential-delay',
    initial: 0,
    maximum: 0,
    factor: 2,
    attempts: 1,
  });
  assert.deepEqual(parseRestart('failure-rate:3:1m:1s'), {
    strategy: 'failure-rate',
    failures: 3,
    window: 60_000,
    delay: 1_000,
  });
  const wrong = [
    '',
    'toString',
    'fixed-delay:soon',
    'fixed-delay:1s:0',
    'fixed-delay:1s:-1',
    'fixed-delay:1s:3:4',
    'fixed-delay:30d',
    'exponential-delay:2m:1m',
    'failure-rate:0',
    'failure-rate:3:',
  ];
  for (const text of wrong) assert.equal(thrown(() => parseRestart(text))?.code, 'USAGE', text);
});

test('whatever the flags say, the outcome is settings within the limits or a usage error', () => {
  const text = fc.oneof(
    fc.string(),
    fc.integer().map(String),
    fc.constantFrom('1', '128', '1s', 'none', 'live', 'full', 'incremental', 'memory', 'disk', '64m'),
  );
  const names = [
    'parallelism',
    'maxParallelism',
    'backend',
    'cache',
    'checkpointInterval',
    'checkpointMode',
    'retain',
    'onCancel',
    'onFailure',
    'restart',
    'stepTimeout',
    'heap',
    'sinks',
  ];
  fc.assert(
    fc.property(fc.dictionary(fc.constantFrom(...names), text), (flags) => {
      const error = thrown(() => {
        const settings = resolveSettings({}, flags);
        assert.ok(settings.parallelism >= 1 && settings.parallelism <= settings.maxParallelism);
        assert.ok(settings.maxParallelism <= 32_768);
        assert.ok(settings.checkpoint.interval >= 0 && settings.stepTimeout >= 1);
      });
      if (error !== undefined) assert.equal(error.code, 'USAGE');
    }),
  );
});
