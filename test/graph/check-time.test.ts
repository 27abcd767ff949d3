import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defineJob, type JobBuilder } from '../../src/graph/define.js';
import type { Stream } from '../../src/graph/stream.js';
import { defineTrigger, triggers } from '../../src/graph/triggers.js';
import { type } from '../../src/graph/type.js';
import { windows } from '../../src/graph/windows.js';
import { findings, findingsOf, loose, out, texts } from './build.js';

const timed = (stream: Stream<string>) =>
  stream.assignTimestamps((text) => text.length, { outOfOrderness: '5s' });
const windowed = (stream: Stream<string>, uid = 'w') =>
  stream.keyBy((text) => text).window(uid, { assign: windows.tumbling('1h'), reduce: (a) => a });
const due = (stream: Stream<string>, uid = 'p') =>
  stream
    .keyBy((text) => text)
    .process(uid, {
      timers: { quiet: 'processing', due: 'event' },
      onElement() {},
      onTimer: { quiet() {}, due() {} },
    });

/** The findings of a dataflow of two sources. */
const findingsOfTwo = (build: (a: Stream<string>, b: Stream<string>, job: JobBuilder) => void) =>
  findings(defineJob('two', {}, (job) => build(job.source('a', texts()), job.source('b', texts()), job)));

const ADD = "have no timestamps: add .assignTimestamps(fn, { outOfOrderness: '5m' })";

test('timestamps: an assign node has its lengths in milliseconds', () => {
  const { nodes } = defineJob('times', {}, (job) => {
    const input = job.source('in', texts());
    const select = (text: string) => text.length;
    input.assignTimestamps(select, { outOfOrderness: '5m' }).sink('out', out());
    job
      .source('other', texts())
      .assignTimestamps(select, { outOfOrderness: 0, idle: '30s', inTurn: true })
      .sink('out2', out());
  }).build({});
  const assigns = nodes.flatMap((node) => (node.kind === 'assign' ? [node] : []));
  assert.deepEqual(
    assigns.map(({ outOfOrderness, idle, inTurn }) => [outOfOrderness, idle, inTurn]),
    [
      [300_000, undefined, false],
      [0, 30_000, true],
    ],
  );
  assert.equal(assigns[0]?.timestamp('abc'), 3);
});

test('timestamps: what plain JavaScript gets wrong is found', () => {
  const given = (fn: unknown, options: unknown) =>
    findingsOf((input) => input.assignTimestamps(loose(fn), loose(options)).sink('out', out()));
  const fn = () => 0;
  assert.deepEqual(given(1, { outOfOrderness: 0 }), ['assignTimestamps expects a function, found 1']);
  assert.deepEqual(given(fn, undefined), [
    `assignTimestamps: expected options such as { outOfOrderness: '5m' }, found undefined`,
  ]);
  assert.deepEqual(given(fn, {}), [
    `assignTimestamps: outOfOrderness: expected a length of time such as '5m', or whole milliseconds, found undefined`,
  ]);
  assert.deepEqual(given(fn, { outOfOrderness: -1, idle: 0, inTurn: 'yes', late: 1 }), [
    'assignTimestamps: no property "late"; expected one of: outOfOrderness, idle, inTurn',
    'assignTimestamps: inTurn: expected true or false, found "yes"',
    `assignTimestamps: outOfOrderness: expected a length of time such as '5m', or whole milliseconds, found -1`,
    'assignTimestamps: idle: expected at least 1 ms, found 0',
  ]);
});

test('who goes by event time needs timestamps on every path from a source', () => {
  assert.deepEqual(
    findingsOf((input) => void windowed(timed(input))),
    [],
  );
  assert.deepEqual(
    findingsOf((input) => void windowed(timed(input.map((text) => text)).filter(() => true))),
    [],
  );
  assert.deepEqual(
    findingsOf((input) => void windowed(input)),
    [`window "w" goes by event time, but the elements of source "in" ${ADD}`],
  );
  assert.deepEqual(
    findingsOf((input) => void due(input)),
    [`timer "due" of process "p" goes by event time, but the elements of source "in" ${ADD}`],
  );
  assert.deepEqual(
    findingsOfTwo((a, b) => void windowed(timed(a).union(b))),
    [`window "w" goes by event time, but the elements of source "b" ${ADD}`],
  );
  assert.deepEqual(
    findingsOfTwo((a, b) => void windowed(a.union(b))),
    [`window "w" goes by event time, but the elements of sources "a", "b" ${ADD}`],
  );
  assert.deepEqual(
    findingsOfTwo((a, b) => void windowed(timed(a.union(b)))),
    [],
  );
  assert.deepEqual(
    findingsOfTwo((a, b) => void windowed(timed(a).union(timed(b)))),
    [],
  );
  // One branch of a source has timestamps, the other has not.
  assert.deepEqual(
    findingsOf((input) => void windowed(timed(input).union(input))),
    [`window "w" goes by event time, but the elements of source "in" ${ADD}`],
  );
});

test('timestamps go on through operators with state: windows follow windows', () => {
  assert.deepEqual(
    findingsOf((input) => {
      const first = windowed(timed(input));
      void windowed(first, 'second');
      void due(first.late, 'late');
    }),
    [],
  );
  const silent = { onElement() {} };
  assert.deepEqual(
    findingsOf((input) => {
      const emitted: Stream<string> = input.keyBy((text) => text).process('p', silent);
      void windowed(emitted);
    }),
    [`window "w" goes by event time, but the elements of source "in" ${ADD}`],
  );
});

test('the global window needs timestamps only where its trigger goes by event time', () => {
  const global = (trigger: ReturnType<typeof triggers.count>) =>
    findingsOf((input) => {
      input.keyBy((text) => text).window('w', { assign: windows.global(), trigger, reduce: (a) => a });
    });
  assert.deepEqual(global(triggers.count(5)), []);
  assert.deepEqual(global(triggers.purging(triggers.count(5))), []);
  assert.deepEqual(global(defineTrigger({ onElement: () => 'fire', onProcessingTime: () => 'fire' })), []);
  assert.deepEqual(global(triggers.continuous('1m')), [
    `trigger continuous(1m) of window "w" goes by event time, but the elements of source "in" ${ADD}`,
  ]);
});

test('a broadcast stream may have no timestamps at all, but not for some of its elements alone', () => {
  const joined = (
    main: (a: Stream<string>) => Stream<string>,
    rules: (b: Stream<string>) => Stream<string>,
  ) =>
    findingsOfTwo((a, b) => {
      const emitted = main(a)
        .keyBy((text) => text)
        .connect(rules(b).broadcast())
        .process('p', {
          broadcast: {},
          timers: { due: 'event' },
          emits: type<string>(),
          onElement() {},
          onBroadcast() {},
          onTimer: { due() {} },
        });
      windowed(emitted);
    });
  const not = (stream: Stream<string>) => stream;
  assert.deepEqual(joined(timed, timed), []);
  assert.deepEqual(joined(timed, not), []);
  assert.deepEqual(
    joined(timed, (b) => timed(b).union(b)),
    [
      `timer "due" of process "p" goes by event time, but the elements of source "b" ${ADD}`,
      `window "w" goes by event time, but the elements of source "b" ${ADD}`,
    ],
  );
  assert.deepEqual(joined(not, timed), [
    `timer "due" of process "p" goes by event time, but the elements of source "a" ${ADD}`,
    `window "w" goes by event time, but the elements of source "a" ${ADD}`,
  ]);
});

test('one assignTimestamps on a path, one for a source, none after a keyed operator', () => {
  assert.deepEqual(
    findingsOf((input) => timed(timed(input).map((text) => text)).sink('out', out())),
    ['assignTimestamps stands after another one: the elements of source "in" have their timestamps already'],
  );
  assert.deepEqual(
    findingsOfTwo((a, b) => timed(timed(a).union(b)).sink('out', out())),
    ['assignTimestamps stands after another one: the elements of source "a" have their timestamps already'],
  );
  assert.deepEqual(
    findingsOf((input) => timed(input).union(timed(input)).sink('out', out())),
    ['assignTimestamps is there twice for source "in": use one stream that has it for all'],
  );
  assert.deepEqual(
    findingsOfTwo((a, b) => {
      timed(a.union(b)).sink('out', out());
      timed(b).sink('out2', out());
    }),
    ['assignTimestamps is there twice for source "b": use one stream that has it for all'],
  );
  assert.deepEqual(
    findingsOf((input) => timed(windowed(timed(input))).sink('out', out())),
    [
      'assignTimestamps stands after operator "w": it belongs before the first keyed operator, and before asyncMap',
    ],
  );
  assert.deepEqual(
    findingsOf((input) => {
      const emitted: Stream<string> = input.keyBy((text) => text).process('p', { onElement() {} });
      timed(emitted).sink('out', out());
    }),
    [
      'assignTimestamps stands after operator "p": it belongs before the first keyed operator, and before asyncMap',
    ],
  );
});
