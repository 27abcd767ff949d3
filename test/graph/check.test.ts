import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';
import { schema } from '../../src/codec/schema.js';
import { refuseSharedTargets } from '../../src/graph/check.js';
import { state } from '../../src/graph/declare-state.js';
import { defineJob } from '../../src/graph/define.js';
import { isDefinition } from '../../src/graph/definition.js';
import { jobNameProblem, nameProblem } from '../../src/graph/names.js';
import type { Stream } from '../../src/graph/stream.js';
import { triggers } from '../../src/graph/triggers.js';
import { windows } from '../../src/graph/windows.js';
import fc from '../helpers/property.js';
import { committing, findings, findingsOf, listed, loose, out, texts, thrown } from './build.js';

test('a right dataflow has no findings, and its nodes stand in the order they were made', () => {
  const definition = defineJob('right', {}, (job) => {
    const words = job.source('in', texts()).filter((word) => word !== '');
    const counts = words.keyBy((word) => word).process('count', { onElement() {} });
    words.union(counts).sink('out', out());
  });
  assert.ok(isDefinition(definition));
  const { nodes } = definition.build({});
  assert.deepEqual(
    nodes.map(({ kind }) => kind),
    ['source', 'filter', 'keyBy', 'process', 'union', 'sink'],
  );
  assert.deepEqual(
    nodes.map(({ id }) => id),
    [0, 1, 2, 3, 4, 5],
  );
});

test('a state and a timer of one operator have two names: uid.name is one of them', () => {
  const named = (timer: string) =>
    defineJob('named', {}, (job) => {
      job
        .source('in', texts())
        .keyBy((word) => word)
        .process('count', {
          state: { due: state.number(0) },
          timers: { [timer]: 'processing' as const },
          onElement() {},
          onTimer: { [timer]() {} },
        });
    });
  assert.equal(
    thrown(() => named('late').build({})),
    undefined,
  );
  const error = thrown(() => named('due').build({}));
  assert.equal(error?.code, 'GRAPH_INVALID');
  assert.match(error?.message ?? '', /a state and a timer are both called "due"/);
});

test('one error tells all findings of a definition at once', () => {
  const definition = defineJob(
    'not a name',
    loose({ params: { 'a=b': { kind: 'string', fallback: '' } }, paralelism: 2 }),
    (job) => {
      job.source('a.b', texts());
      job
        .source('in', texts())
        .keyBy((word) => word)
        .process('count', loose({ timers: { close: 'processing' } }))
        .sink('in', out());
    },
  );
  const error = thrown(() => definition.build({}));
  assert.equal(error?.code, 'GRAPH_INVALID');
  assert.equal(error?.exitCode, 2);
  assert.match(error?.message ?? '', /^definition "not a name" is not valid, 8 findings:/);
  assert.match(error?.hint ?? '', /tidemark plan/);
  assert.deepEqual(error === undefined ? [] : listed(error), [
    'job name "not a name": expected 1 to 63 letters, digits, _ or -, the first a letter or digit',
    'no option "paralelism"; expected one of: params, parallelism, maxParallelism, checkpoint, restart, stepTimeout',
    'parameter "a=b": expected 1 to 63 letters, digits, _ or -, the first a letter or _',
    'process "count": onElement is missing',
    'process "count": timer "close" has no handler: add onTimer: { close(time, ctx) { … } }',
    'source: uid "a.b": contains one of . @ /',
    'uid "in" is used twice: by a source and by a sink',
    'source "a.b": what it reads reaches no sink and no operator with state: add .sink(uid, …)',
  ]);
});

test('a dataflow needs a source, and every source a sink or an operator with state', () => {
  assert.deepEqual(findings(defineJob('empty', {}, () => {})), [
    'the dataflow has no source: begin with job.source(uid, …)',
  ]);
  const unused = 'source "in": what it reads reaches no sink and no operator with state: add .sink(uid, …)';
  assert.deepEqual(
    findingsOf(() => {}),
    [unused],
  );
  assert.deepEqual(
    findingsOf((input) => void input.map((word) => word).union(input)),
    [unused],
  );
  assert.deepEqual(
    findingsOf((input) => void input.keyBy((word) => word)),
    [unused],
  );
  // An operator without a consumer is fine: its state is what the job is for.
  assert.deepEqual(
    findingsOf((input) => void input.keyBy((word) => word).process('count', { onElement() {} })),
    [],
  );
});

test('where a uid was forgotten, that is all that is said of the operator', () => {
  const spec = { onElement() {} };
  assert.deepEqual(
    findingsOf((input, job) => {
      const keyed = input.keyBy((word) => word);
      job.source(loose(texts()), loose(undefined)).sink('other', out());
      keyed.process(loose(spec), loose(undefined));
      keyed.window(loose(spec), loose(undefined));
      keyed.intervalJoin(loose(keyed), loose(spec), loose(undefined));
      input.asyncMap(
        loose(() => {}),
        loose(undefined),
      );
      input.sink(loose(out()), loose(undefined));
    }).filter((finding) => !finding.includes('timestamps')),
    ['source', 'process', 'window', 'intervalJoin', 'asyncMap', 'sink'].map(
      (method) =>
        `${method}: expected its uid first, as in ${method}('name', …), found ${method === 'asyncMap' ? 'function (anonymous)' : 'an object'}`,
    ),
  );
});

test('uids are unique, also against former ones', () => {
  const dataflow = (sinks: ReadonlyArray<readonly [string, string[]?]>) =>
    findingsOf((input) => {
      for (const [uid, formerly = []] of sinks) input.sink(uid, out(), { formerly });
    });
  assert.deepEqual(dataflow([['a'], ['b', ['c', 'd']]]), []);
  assert.deepEqual(dataflow([['a'], ['a']]), ['uid "a" is used twice: by a sink and by a sink']);
  assert.deepEqual(dataflow([['a', ['in']]]), [
    'sink "a" was formerly "in", but an operator of that uid is still there',
  ]);
  assert.deepEqual(dataflow([['a', ['a']]]), [
    'sink "a" was formerly "a", but an operator of that uid is still there',
  ]);
  assert.deepEqual(
    dataflow([
      ['a', ['old']],
      ['b', ['old']],
    ]),
    ['sink "a" and sink "b" were both formerly "old"'],
  );
  assert.deepEqual(
    findingsOf((input) => {
      const spec = { assign: windows.global(), trigger: triggers.count(1), reduce: (text: string) => text };
      input.keyBy((text) => text).window('in', spec);
    }),
    ['uid "in" is used twice: by a source and by a window'],
  );
  assert.deepEqual(dataflow([['a', ['x/y']]]), ['sink "a", formerly "x/y": contains one of . @ /']);
  assert.deepEqual(
    findingsOf((input) => input.sink('a', out(), loose({ formerly: 'old' }))),
    ['sink "a": formerly: expected an array of uids, found "old"'],
  );
});

test('states: names, declarations, former names and initial values', () => {
  const withState = (states: Record<string, unknown>) =>
    findingsOf((input) => {
      input.keyBy((word) => word).process('p', loose({ state: states, onElement() {} }));
    });
  assert.deepEqual(withState({ a: state.value<string>({ formerly: ['b'] }), c: state.list() }), []);
  assert.deepEqual(withState({ 'a@b': state.number() }), ['process "p": state "a@b": contains one of . @ /']);
  assert.deepEqual(withState({ a: 0 }), [
    'process "p": state "a": expected state.value(…) or its like, found 0',
  ]);
  assert.deepEqual(withState({ a: state.number(0, { formerly: ['b'] }), b: state.number() }), [
    'process "p": state "a" was formerly "b", but that state is still there',
  ]);
  assert.deepEqual(withState({ a: state.number(0, { formerly: ['a'] }) }), [
    'process "p": state "a" was formerly "a", but that state is still there',
  ]);
  assert.deepEqual(withState({ a: state.list({ formerly: ['x'] }), b: state.map({ formerly: ['x'] }) }), [
    'process "p": states "a" and "b" were both formerly "x"',
  ]);
  assert.deepEqual(withState({ a: state.number(loose('0')) }), [
    'process "p": state "a": expected a number to begin with, found "0"',
  ]);
  const [bySchema = ''] = withState({ a: state.value(schema(z.number()), { initial: loose('none') }) });
  assert.match(bySchema, /^process "p": state "a": its initial value is refused: .*number/);
  const [byCodec = ''] = withState({ a: state.value({ initial: { f: () => 1 } }) });
  assert.match(byCodec, /^process "p": state "a": its initial value is refused: .*\.f/);
});

test('timers and handlers belong together', () => {
  const withTimers = (timers: unknown, onTimer: unknown) =>
    findingsOf((input) => {
      input.keyBy((word) => word).process('p', loose({ timers, onTimer, onElement() {} }));
    });
  assert.deepEqual(withTimers({ close: 'processing' }, { close() {} }), []);
  assert.deepEqual(withTimers({ close: 'processing' }, undefined), [
    'process "p": timer "close" has no handler: add onTimer: { close(time, ctx) { … } }',
  ]);
  assert.deepEqual(withTimers(undefined, { close() {} }), [
    'process "p": onTimer handles "close", but no such timer is declared: add it to timers',
  ]);
  assert.deepEqual(withTimers({ close: 'later' }, { close() {} }), [
    `process "p": timer "close": expected 'event' or 'processing', found "later"`,
  ]);
  assert.deepEqual(withTimers({ close: 'processing' }, { close: 5 }), [
    'process "p": onTimer.close: expected a function, found 5',
  ]);
  assert.deepEqual(withTimers({ 'a.b': 'processing' }, { 'a.b'() {} }), [
    'process "p": timer "a.b": contains one of . @ /',
  ]);
});

test('what plain JavaScript gets wrong is found, too', () => {
  assert.deepEqual(
    findingsOf((input, job) => {
      input.map(loose(1)).filter(loose('x')).flatMap(loose(undefined)).sink('a', out());
      input.keyBy(loose({}), loose('string')).process('p', loose({ onElement: 1, onElemnt() {}, sides: 3 }));
      input.union(loose(3));
      input.sink('b', loose({ open: 1 }));
      job.source('c', loose(undefined)).sink('d', out());
    }),
    [
      'map expects a function, found 1',
      'filter expects a function, found "x"',
      'flatMap expects a function, found undefined',
      'keyBy expects a function, found an object',
      'keyBy expects a key type such as key.string, found "string"',
      'union expects streams, found 3',
      'process "p": no property "onElemnt"; expected one of: state, timers, sides, emits, formerly, open, onElement, onTimer, close',
      'process "p": onElement: expected a function, found 1',
      'process "p": sides: expected an object of type<…>(), found 3',
      'sink "b": kind is missing: expected non-empty text',
      'sink "b": open: expected a function, found 1',
      'source "c": expected an object, found undefined',
    ],
  );
});

test('streams of two jobs cannot be joined, two sinks cannot share a target, build cannot be asynchronous', () => {
  let other: Stream<string> | undefined;
  findingsOf((input) => {
    other = input;
  });
  const stranger = other ?? assert.fail('the first build ran');
  assert.deepEqual(
    findingsOf((input) => input.union(stranger).sink('a', out())),
    ['union expects streams of this job, found one of another'],
  );
  assert.deepEqual(
    findingsOf((input) => {
      input.sink('a', committing('out/x'));
      input.sink('b', committing('./out//x/'));
    }),
    ['sinks "a" and "b" write to one target, "./out//x/": give each its own'],
  );
  const late = defineJob(
    'late',
    {},
    loose(async () => {}),
  );
  assert.deepEqual(findings(late)[0], 'build returned a promise: describe the dataflow without await');
});

test('two sinks do not share a target, however their paths are written', () => {
  const graphOf = (...targets: readonly string[]) =>
    defineJob('targets', {}, (job) => {
      const input = job.source('in', texts());
      for (const [i, target] of targets.entries()) input.sink(`sink${i}`, committing(target));
    }).build({});
  const refusal = (cwd: string, ...targets: readonly string[]) =>
    thrown(() => refuseSharedTargets(graphOf(...targets), cwd));
  const cwd = '/data/jobs';
  const error = refusal(cwd, 'out', '/data/jobs/out');
  assert.equal(error?.code, 'GRAPH_INVALID');
  assert.deepEqual(error === undefined ? [] : listed(error), [
    'sinks "sink0" and "sink1" write to one target, "/data/jobs/out": give each its own',
  ]);
  assert.ok(refusal(cwd, 'a', '../jobs/x/../a/') !== undefined);
  assert.ok(refusal(cwd, 'a', 'b', '/data/jobs') === undefined);
  assert.ok(refusal('/data', 'out', '/data/jobs/out') === undefined);
});

test('defineJob and state.… refuse arguments that cannot be meant', () => {
  const noBuild = thrown(() =>
    defineJob(
      'a',
      loose(() => {}),
      loose(undefined),
    ),
  );
  assert.match(noBuild?.message ?? '', /expected defineJob\(name, options, build\)/);
  const option = thrown(() => state.value(loose({ formally: ['x'] })));
  assert.match(option?.message ?? '', /no option "formally"; expected one of: initial, formerly, codec/);
  const text = thrown(() => state.list(loose('number')));
  assert.match(text?.message ?? '', /expected a schema or options, found "number"/);
});

test('names: what is allowed can be printed as uid.name and job@id and taken apart again', () => {
  for (const name of ['count', 'söurce', 'a b', 'x'.repeat(200), '😀', 'a-b_c']) {
    assert.equal(nameProblem('uid', name), undefined, name);
  }
  for (const name of [
    '',
    ' a',
    'a ',
    'a.b',
    'a@b',
    'a/b',
    'a\nb',
    '\ud800',
    '__proto__',
    'x'.repeat(201),
    5,
  ]) {
    assert.notEqual(nameProblem('uid', name), undefined, String(name));
  }
  for (const name of ['a', '0', 'word-count', 'x'.repeat(63)]) assert.equal(jobNameProblem(name), undefined);
  for (const name of ['', '-a', '_a', 'a.tar', 'ä', 'x'.repeat(64), 7]) assert.ok(jobNameProblem(name));
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (uid, name) => {
      fc.pre(nameProblem('uid', uid) === undefined && nameProblem('state', name) === undefined);
      assert.deepEqual(`${uid}.${name}`.split('.'), [uid, name]);
    }),
  );
});

test('very many findings are cut', () => {
  const many = findingsOf((input) => {
    for (let i = 0; i < 100; i++) input.sink('same', out());
  });
  assert.equal(many.length, 50);
  assert.match(many.at(-1) ?? '', /and 49 more$/);
});
