import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatDuration, parseDuration } from '../../src/base/duration.js';
import { JOB_ID, newJobId } from '../../src/base/ids.js';
import { seededRandom, systemRandom } from '../../src/base/random.js';
import { formatBytes, parseSize } from '../../src/base/size.js';
import fc from '../helpers/property.js';

const usage = (setting: string) => ({ code: 'USAGE', message: new RegExp(`^${setting}: `) });

test('durations are read', () => {
  const expected = { '250ms': 250, '10s': 10_000, '5m': 300_000, '1h': 3_600_000, '2d': 172_800_000 };
  for (const [text, ms] of Object.entries(expected)) assert.equal(parseDuration(text, 'x'), ms);
  assert.equal(parseDuration('1h 30m', 'x'), 5_400_000);
  assert.equal(parseDuration('1.1s', 'x'), 1100);
  assert.equal(parseDuration('500', 'x'), 500);
  assert.equal(parseDuration(0, 'x'), 0);
  assert.equal(parseDuration(12, 'x'), 12);
});

test('what is no duration is a usage error that names the setting', () => {
  const wrong = [
    '',
    'abc',
    -1,
    1.5,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    '-5s',
    '5 parsecs',
    '0.5ms',
    '1e3s',
  ];
  for (const text of wrong) assert.throws(() => parseDuration(text, 'interval'), usage('interval'));
});

test('a formatted duration reads back as itself, cut to its two largest units', () => {
  assert.equal(formatDuration(90_000), '1m 30s');
  assert.equal(formatDuration(0), '0ms');
  assert.equal(formatDuration(86_400_000 + 60_000), '1d');
  fc.assert(
    fc.property(fc.nat({ max: 2 ** 31 - 1 }), (ms) => {
      const back = parseDuration(formatDuration(ms), 'x');
      assert.ok(back <= ms && ms - back < Math.max(ms / 24, 1));
    }),
  );
});

test('sizes are read and shown', () => {
  const expected = { '512m': 2 ** 29, '1k': 1024, '1.5GiB': 1.5 * 2 ** 30, '17': 17, '2TB': 2 ** 41, '0': 0 };
  for (const [text, bytes] of Object.entries(expected)) assert.equal(parseSize(text, 'x'), bytes);
  assert.equal(parseSize(4096, 'x'), 4096);
  for (const text of ['', 'm', '-1', '1 peck', Number.NaN, -5, '1e3'])
    assert.throws(() => parseSize(text, '--heap'), usage('--heap'));
  assert.equal(formatBytes(0), '0 B');
  assert.equal(formatBytes(999), '999 B');
  assert.equal(formatBytes(1000), '1 KiB');
  assert.equal(formatBytes(1536), '1.5 KiB');
  assert.equal(formatBytes(2 ** 29), '512 MiB');
  assert.equal(formatBytes(2 ** 60), '1048576 TiB');
});

test('a shown size is within a part in ten of what it shows', () => {
  fc.assert(
    fc.property(fc.nat({ max: 2 ** 31 - 1 }), (bytes) => {
      assert.ok(Math.abs(parseSize(formatBytes(bytes), 'x') - bytes) <= bytes * 0.06);
    }),
  );
});

test('seeded randomness repeats, and differs between seeds', () => {
  const draw = (seed: number) => Array.from({ length: 50 }, seededRandom(seed).next);
  assert.deepEqual(draw(7), draw(7));
  assert.notDeepEqual(draw(7), draw(8));
  for (const number of draw(0)) assert.ok(number >= 0 && number < 1);
  const mean = Array.from({ length: 10_000 }, seededRandom(1).next).reduce((a, b) => a + b) / 10_000;
  assert.ok(Math.abs(mean - 0.5) < 0.02);
  assert.equal(seededRandom(1).bytes(5).length, 5);
});

test('job ids differ, also of one moment and of one seed', () => {
  const at = (now: number) => ({ now: () => now, monotonic: () => 0, sleep: async () => {} });
  const ids = new Set(Array.from({ length: 1000 }, () => newJobId(at(1e12), systemRandom)));
  assert.equal(ids.size, 1000);
  for (const id of ids) assert.match(id, JOB_ID);
  assert.notEqual(newJobId(at(1e12), seededRandom(1)), newJobId(at(1e12 + 1000), seededRandom(1)));
});
