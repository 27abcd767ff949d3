/** Panes of other windows than those of the definition are refused, and its own never are. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TidemarkError } from '../../src/base/errors.js';
import type { Namespace } from '../../src/format/entry.js';
import type { AssignerDescription } from '../../src/graph/describe-window.js';
import type { TimeWindow, WindowAssigner } from '../../src/graph/window.js';
import { sliceLength } from '../../src/graph/window.js';
import { type Stream, triggers, windows } from '../../src/index.js';
import { alignDown, windowsOf } from '../../src/runtime/window/assigning.js';
import { isOwnWindow, type WindowShape } from '../../src/runtime/window/own-window.js';
import { testOperator } from '../../src/testing.js';
import fc from '../helpers/property.js';

const spec = (assign: AssignerDescription, slice?: number): WindowShape =>
  slice === undefined ? { assign } : { assign, slice };
const namespace = ({ start, end }: TimeWindow): Namespace => ({
  kind: 'window',
  start: BigInt(start),
  end: BigInt(end),
});

const time = fc.oneof(fc.integer({ min: -1000, max: 1000 }), fc.integer({ min: -(2 ** 48), max: 2 ** 48 }));
const length = fc.integer({ min: 1, max: 60 });
const offset = fc.integer({ min: -100, max: 100 });

test('what an assigner makes of any timestamp is its own, and of another length is not', () => {
  fc.assert(
    fc.property(time, length, length, offset, (timestamp, size, slide, by) => {
      const all = [
        { kind: 'tumbling', size, offset: by } as const,
        { kind: 'sliding', size, slide, offset: by } as const,
      ];
      for (const assign of all) {
        for (const window of windowsOf(assign, timestamp)) {
          assert.ok(isOwnWindow(spec(assign), namespace(window)), JSON.stringify([assign, window]));
          const longer = { ...window, end: window.end + 1 };
          assert.ok(!isOwnWindow(spec(assign), namespace(longer)));
          assert.ok(!isOwnWindow(spec({ kind: 'global' }), namespace(window)));
          assert.ok(isOwnWindow(spec({ kind: 'session', gap: 1 }), namespace(window)));
        }
        assert.ok(!isOwnWindow(spec(assign), { kind: 'global' }));
      }
      const sliding = { kind: 'sliding', size, slide, offset: by } as const;
      const slice = sliceLength(sliding);
      const start = alignDown(timestamp, slice, by);
      assert.ok(isOwnWindow(spec(sliding, slice), namespace({ start, end: start + slice })));
      if (slice > 1)
        assert.ok(
          !isOwnWindow(spec(sliding, slice), namespace({ start: start + 1, end: start + 1 + slice })),
        );
    }),
  );
  assert.ok(isOwnWindow(spec({ kind: 'global' }), { kind: 'global' }));
});

const every = (assign: WindowAssigner) => (stream: Stream<string>) =>
  stream
    .keyBy((key) => key)
    .window('w', {
      assign,
      ...(assign.kind === 'global' ? { trigger: triggers.count(100) } : {}),
      reduce: (a) => a,
    });

test('a window that became another is refused, and names both', async () => {
  for (const [was, is, message] of [
    [
      windows.tumbling(10),
      windows.tumbling(20),
      /w\.panes holds a window of 10 ms from 0, .*tumbling, size 20/,
    ],
    [windows.tumbling(10), windows.tumbling(10, { offset: 5 }), /of 10 ms from 0, .*offset 5/],
    [windows.sliding(10, 5), windows.sliding(10, 2), /w\.slices holds a window of 5 ms .*slide 2/],
    [windows.session(7), windows.tumbling(10), /a window of 7 ms from 3/],
    [windows.tumbling(10), windows.global(), /a window of 10 ms from 0, .*: global/],
    [windows.global(), windows.tumbling(10), /holds the global window/],
  ] as const) {
    const before = await testOperator(every(was));
    before.push('a', 3);
    const snapshot = await before.snapshot();
    await before.close();
    await assert.rejects(
      testOperator(every(is), { restore: snapshot, parallelism: 2 }),
      (error) =>
        error instanceof TidemarkError &&
        error.code === 'INCOMPATIBLE' &&
        message.test(error.message) &&
        /another uid/.test(error.details.hint ?? ''),
    );
    const same = await testOperator(every(was), { restore: snapshot, parallelism: 2 });
    assert.equal((same.state('w', 'a') as readonly unknown[]).length, 1);
    await same.close();
  }
});

test('what may change: the gap of sessions, and lateness', async () => {
  const before = await testOperator(every(windows.session(7)));
  before.push('a', 3);
  const snapshot = await before.snapshot();
  await before.close();
  const after = await testOperator(every(windows.session(20)), { restore: snapshot });
  after.push('a', 9);
  after.watermark(100);
  assert.deepEqual(after.output(), ['a']);
  await after.close();
});
