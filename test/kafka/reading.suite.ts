/** The source against a broker: what it hands out, from which positions, and what it says when that is gone. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KafkaPosition } from '../../src/connectors/kafka/position.js';
import { kafkaSink } from '../../src/connectors/kafka-sink.js';
import { kafkaSource } from '../../src/connectors/kafka-source.js';
import type { TestBroker } from './broker.js';
import { request, sinkContext, sourceContext, take, writerContext } from './contexts.js';
import { Topics } from './topics.js';

const values = (count: number, from = 0) => Array.from({ length: count }, (_, i) => `v${from + i}`);

export function readingSuite(broker: TestBroker): void {
  const topics = new Topics(broker.address);
  const brokers = broker.address;

  test('up to the end: every message of every partition, in order, and the position behind it', async () => {
    await topics.create('read-all', 3);
    await topics.fill('read-all', values(300), (i) => i % 3);
    const source = kafkaSource({ brokers, topic: 'read-all', stopAt: 'latest' });
    const splits = await source.splits(sourceContext());
    assert.deepEqual(
      splits.map(({ id, start }) => ({ id, start })),
      [0, 1, 2].map((i) => ({ id: `read-all-${i}`, start: { offset: 0, end: 100, found: 3 } })),
    );
    // What comes later is not read: the end is part of the position.
    await topics.fill('read-all', values(30, 300), (i) => i % 3);
    for (const [i, { id, start }] of splits.entries()) {
      const { batches, elements, position } = await take(source, request(id, start, { batch: 7 }));
      assert.deepEqual(
        elements,
        values(300).filter((_, index) => index % 3 === i),
      );
      assert.deepEqual(position, { offset: 100, end: 100 });
      assert.ok(batches.every((batch) => batch.elements.length <= 7));
    }
  });

  test('from the position of any batch on, exactly what follows; never across where it is to wait', async () => {
    const source = kafkaSource({ brokers, topic: 'read-all', stopAt: 'latest' });
    const start = { offset: 0, end: 110 };
    const whole = await take(source, request('read-all-1', start, { batch: 9 }));
    let before = 0;
    for (const { elements, position } of whole.batches.filter((_, i) => i % 4 === 0 || i < 3)) {
      before = whole.elements.indexOf(elements.at(-1) ?? '') + 1 || before;
      const rest = await take(source, request('read-all-1', position));
      assert.deepEqual(rest.elements, whole.elements.slice(before));
    }
    const waits = await take(source, request('read-all-1', start, { until: { offset: 41 } }));
    assert.ok(waits.batches.some(({ position }) => position.offset === 41));
    assert.deepEqual(waits.elements, whole.elements);
  });

  test('messages of aborted transactions are left out, those of open ones waited for', async () => {
    await topics.create('with-transactions', 1);
    const sink = kafkaSink<string>({ brokers, topic: 'with-transactions', value: (text) => text });
    const context = sinkContext({ sink: 'mixed' });
    const committer = await sink.committer?.(context);
    await committer?.recover([]);
    const writer = await sink.open(writerContext(context));
    const expected: string[] = [];
    for (let i = 0; i < 6; i++) {
      await writer.write([`a${i}`, `b${i}`]);
      const value = await writer.prepare?.(i);
      const id = { job: context.job.id, attempt: 1, sink: 'mixed', subtask: 0, checkpoint: i };
      assert.ok(value !== undefined);
      if (i % 2 === 0) await committer?.commit([{ id, value }]);
      if (i % 2 === 0) expected.push(`a${i}`, `b${i}`);
    }
    await topics.fill('with-transactions', ['last'], () => 0);
    const open = kafkaSource({ brokers, topic: 'with-transactions', stopAt: 'latest' });
    const [waiting] = await open.splits(sourceContext());
    assert.ok(waiting !== undefined);
    const early = await take(open, request(waiting.id, waiting.start));
    assert.deepEqual(early.elements, ['a0', 'b0'], 'the second transaction is open, and all behind it waits');
    await writer.close?.();
    await committer?.close?.();
    // The next attempt ends what the first has left.
    const next = await sink.committer?.({ ...context, attempt: 2 });
    await next?.recover([]);
    await next?.close?.();
    const all = kafkaSource({ brokers, topic: 'with-transactions', stopAt: 'latest' });
    const [split] = await all.splits(sourceContext());
    assert.ok(split !== undefined);
    assert.deepEqual((await take(all, request(split.id, split.start))).elements, [...expected, 'last']);
  });

  test('a partition that comes up is read from its beginning, also from latest and after a restart', async () => {
    await topics.create('grows', 1);
    await topics.fill('grows', ['old'], () => 0);
    const source = kafkaSource({ brokers, topic: 'grows', from: 'latest' });
    const [first] = await source.splits(sourceContext());
    assert.deepEqual(first, { id: 'grows-0', start: { offset: 1, found: 1 } });
    const read = await take(source, request('grows-0', { offset: 1, found: 1 }), 0);
    assert.deepEqual(read.batches[0]?.state, { partitions: [1] });
    await topics.grow('grows', 2);
    await topics.fill('grows', ['new'], () => 1);
    const later = (await source.splits(sourceContext())).find(({ id }) => id === 'grows-1');
    assert.deepEqual(later?.start, { offset: 0, found: 1 });
    // Another process does not remember what there was, and is told by the state.
    const restarted = kafkaSource({ brokers, topic: 'grows', from: 'latest' });
    const found = (await restarted.splits(sourceContext())).find(({ id }) => id === 'grows-1');
    assert.deepEqual(found?.start, { offset: 1, found: 2 });
    assert.ok(found !== undefined);
    const state = { partitions: [1] };
    assert.deepEqual((await take(restarted, request('grows-1', found.start, { state }), 1)).elements, [
      'new',
    ]);
  });

  test('what retention deleted is refused with split and offsets, or left out with a line', async () => {
    await topics.create('short', 1);
    await topics.fill('short', values(50), () => 0);
    await topics.deleteBefore('short', 0, 20);
    const source = kafkaSource({ brokers, topic: 'short', stopAt: 'latest' });
    const position: KafkaPosition = { offset: 5, end: 50 };
    const gone = {
      code: 'SOURCE_CHANGED',
      message: /split short-0: .*offset 5, .* 20: .*deleted 15 offsets/,
    };
    await assert.rejects(take(source, request('short-0', position)), gone);
    await assert.rejects(
      async () => source.check?.({ ...sourceContext(), split: 'short-0', position }),
      gone,
    );
    await source.check?.({ ...sourceContext(), split: 'short-0', position: { offset: 20, end: 50 } });
    const lines: string[] = [];
    const skips = kafkaSource({ brokers, topic: 'short', stopAt: 'latest', deleted: 'skip' });
    const context = sourceContext((line) => lines.push(line));
    const left = await take(skips, { ...request('short-0', position), ...context });
    assert.deepEqual(left.elements, values(30, 20));
    assert.match(lines.join(), /15 offsets from 5 on were deleted/);
    const beyond = { offset: 60, end: 70 };
    await assert.rejects(take(skips, request('short-0', beyond)), {
      code: 'SOURCE_CHANGED',
      message: /ends at 50: the topic was made anew/,
    });
    await assert.rejects(take(skips, request('other-0', beyond)), {
      code: 'SOURCE_CHANGED',
      message: /none of topic/,
    });
  });

  test('a message that cannot be decoded is named by topic, partition and offset', async () => {
    await topics.create('damaged', 1);
    await topics.fill('damaged', ['1', '{'], () => 0);
    const source = kafkaSource({ brokers, topic: 'damaged', format: 'json', stopAt: 'latest' });
    await assert.rejects(take(source, request('damaged-0', { offset: 0, end: 2 })), {
      code: 'SOURCE_DATA',
      message: /topic damaged, partition 0, offset 1: the value is no JSON/,
    });
  });

  test('a reader that waits is told to stop, and stops at once', async () => {
    await topics.create('quiet', 1);
    const source = kafkaSource({ brokers, topic: 'quiet' });
    const abort = new AbortController();
    const batches = source.read(request('quiet-0', { offset: 0 }, { signal: abort.signal }));
    const next = batches[Symbol.asyncIterator]().next();
    setTimeout(() => abort.abort(), 20);
    assert.deepEqual(await next, { done: true, value: undefined });
  });

  test('no topic, no brokers', async () => {
    const none = kafkaSource({ brokers, topic: 'no-such' });
    await assert.rejects(async () => none.splits(sourceContext()), {
      code: 'FILE_NOT_FOUND',
      message: /no topic no-such/,
    });
    const nobody = kafkaSource({ brokers: 'localhost:1', topic: 'x', client: { patience: 50 } });
    await assert.rejects(async () => nobody.splits(sourceContext()), {
      code: 'SOURCE_FAILED',
      message: /topic x: .*localhost:1/,
    });
  });

  test('closed', () => topics.close());
}
