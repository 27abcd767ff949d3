/** `asyncMap` in a definition: what is found wrong with it, and what is said of it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';
import { describeGraph } from '../../src/graph/describe.js';
import { codec, defineJob, fromArray, type Stream, schema, windows } from '../../src/index.js';
import { findingsOf, out } from '../graph/build.js';

type Options = Parameters<Stream<string>['asyncMap']>[2];

function findings(options: unknown, call: unknown = async () => 1): string[] {
  return findingsOf((input) => {
    input.asyncMap('ask', call as () => Promise<unknown>, options as Options).sink('out', out());
  });
}

test('options are read, and all that is wrong with them is found', () => {
  assert.deepEqual(findings({}), []);
  assert.deepEqual(findings(undefined, 5), ['asyncMap "ask": expected a function to call, found 5']);
  const wrong = findings({
    ordered: 1,
    capacity: 0,
    timeout: 'soon',
    retries: { attempts: 101, delay: 0, factor: 0.5, most: '1', retryIf: true, more: 1 },
    fallback: 'none',
    schema: {},
    codec: 'json',
    was: codec.json,
    open: 1,
    wrong: 1,
  });
  const about = ['wrong', 'ordered', 'fallback', 'open', 'schema', 'codec', 'was', 'capacity', 'timeout'];
  const ofTries = ['more', 'retries.factor', 'retries.retryIf', 'retries.attempts', 'retries.delay'];
  for (const name of [...about, ...ofTries])
    assert.ok(
      wrong.some((finding) => finding.startsWith('asyncMap "ask": ') && finding.includes(name)),
      `${name}: ${wrong.join('\n')}`,
    );
});

test('uids are unique among all operators, former ones too', () => {
  const twice = findingsOf((input) => {
    input.asyncMap('ask', async () => 1).sink('ask', out());
  });
  assert.ok(twice.some((finding) => /uid "ask" is used twice: by an asyncMap and by a sink/.test(finding)));
  const claimed = findingsOf((input) => {
    input.asyncMap('ask', async () => 1, { formerly: ['old'] }).sink('out', out(), { formerly: ['old'] });
  });
  assert.match(claimed.join(), /asyncMap "ask" and sink "out" were both formerly "old"/);
});

test('assignTimestamps stands before it', () => {
  const behind = findingsOf((input) => {
    input
      .asyncMap('ask', async (text) => text)
      .assignTimestamps(() => 0, { outOfOrderness: 0 })
      .sink('out', out());
  });
  assert.deepEqual(behind, [
    'assignTimestamps stands after operator "ask": it belongs before the first keyed operator, and before asyncMap',
  ]);
  const untimed = findingsOf((input) => {
    input
      .asyncMap('ask', async (text) => text)
      .keyBy((text) => text)
      .window('w', { assign: windows.tumbling('1h'), apply: () => [1] })
      .sink('out', out());
  });
  assert.match(
    untimed.join(),
    /window "w" goes by event time, but the elements of source "in" have no timestamps/,
  );
});

test('it alone makes a source useful, for it keeps what it asks about', () => {
  assert.deepEqual(
    findingsOf((input) => {
      input.asyncMap('ask', async (text) => text);
    }),
    [],
  );
});

test('plan tells how it calls, and how elements in flight are kept', () => {
  const definition = defineJob('asks', {}, (job) => {
    job.source('in', fromArray([1])).asyncMap('ask', async (n) => n, {
      ordered: false,
      capacity: 7,
      timeout: '3s',
      retries: { attempts: 4 },
      fallback: (n) => n,
      schema: schema(z.number()).next(z.number(), (n) => n),
      codec: codec.json,
      formerly: ['query'],
    });
  });
  const node = describeGraph(definition.build({})).nodes[1];
  assert.deepEqual(node?.async, { ordered: false, capacity: 7, timeout: 3000, attempts: 4, fallback: true });
  assert.deepEqual(node?.states, [{ name: '', kind: 'in-flight', codec: 'json', version: 2, formerly: [] }]);
  assert.deepEqual([node?.uid, node?.formerly, node?.kind], ['ask', ['query'], 'asyncMap']);
});
