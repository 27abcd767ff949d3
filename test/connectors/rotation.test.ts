import assert from 'node:assert/strict';
import { test } from 'node:test';
import { familiesOf, rotationsOf } from '../../src/connectors/files/rotation.js';

test('rotated names are told from others, oldest first', () => {
  const names = [
    'app.log',
    'app.log.1',
    'app.log.10',
    'app.log.2',
    'app.log.2.gz',
    'app.log.x',
    'other.log.1',
  ];
  assert.deepEqual(rotationsOf('app.log', names), ['app.log.10', 'app.log.2', 'app.log.1']);
  assert.deepEqual(
    rotationsOf('app.log', [
      'app.log-20260201',
      'app.log-20260131',
      'app.log.2026-01-30',
      'app.log-20260131-2',
    ]),
    ['app.log.2026-01-30', 'app.log-20260131', 'app.log-20260131-2', 'app.log-20260201'],
  );
  assert.deepEqual(
    rotationsOf('app.log', ['app.log.0', 'app.log.01', 'app.log.12345', 'app.log1', 'app.log-']),
    [],
  );
});

test('a rotated name belongs to the live one where the pattern could match that', () => {
  const families = (paths: string[], pattern: string) =>
    familiesOf(paths, pattern).map(({ live, members }) => [live, ...members]);
  assert.deepEqual(families(['a/x.log', 'a/x.log.1', 'a/x.log.2', 'b/x.log.1'], '**/x.log*'), [
    ['a/x.log', 'a/x.log.2', 'a/x.log.1', 'a/x.log'],
    ['b/x.log', 'b/x.log.1'],
  ]);
  assert.deepEqual(families(['part.1', 'part.2'], 'part.*'), [
    ['part.1', 'part.1'],
    ['part.2', 'part.2'],
  ]);
  assert.deepEqual(families(['.1', 'a/.1'], '**'), [
    ['.1', '.1'],
    ['a/.1', 'a/.1'],
  ]);
});
