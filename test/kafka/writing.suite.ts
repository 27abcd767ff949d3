/** The sink against a broker: crashes at random moments, transactions that are lost, targets that are ahead. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '../../src/base/random.js';
import { beginProducer, commitPrepared } from '../../src/connectors/kafka/coordinator.js';
import { loadLedger } from '../../src/connectors/kafka/ledger-topic.js';
import { openCluster } from '../../src/connectors/kafka/open-cluster.js';
import { reachOf } from '../../src/connectors/kafka/options.js';
import type { KafkaTransaction } from '../../src/connectors/kafka/transaction.js';
import { type KafkaSinkOptions, kafkaSink } from '../../src/connectors/kafka-sink.js';
import { kafkaSource } from '../../src/connectors/kafka-source.js';
import type { SinkCommitter, SinkContext, SinkWriter, Transaction } from '../../src/graph/sink.js';
import { SEED } from '../helpers/seed.js';
import type { TestBroker } from './broker.js';
import { request, sinkContext, sourceContext, take, writerContext } from './contexts.js';
import { Topics } from './topics.js';

type Prepared = Transaction<KafkaTransaction>;

interface Attempt {
  readonly writers: readonly SinkWriter<string, KafkaTransaction>[];
  readonly committer: SinkCommitter<KafkaTransaction>;
  prepare(checkpoint: number): Promise<Prepared[]>;
  close(): Promise<void>;
}

/** A runtime in small: recovers, opens `subtasks` writers. What is not closed is what a killed process leaves. */
async function attempt(
  options: KafkaSinkOptions<string>,
  context: SinkContext,
  restored: readonly Prepared[],
  subtasks = 1,
): Promise<Attempt> {
  const sink = kafkaSink<string>({ value: (text) => text, ...options });
  const committer = await sink.committer?.(context);
  assert.ok(committer !== undefined);
  await committer.recover(restored);
  const writers: SinkWriter<string, KafkaTransaction>[] = [];
  for (let subtask = 0; subtask < subtasks; subtask++)
    writers.push(await sink.open(writerContext(context, subtask)));
  return {
    writers,
    committer,
    async prepare(checkpoint) {
      const prepared = writers.map(async (writer, subtask): Promise<Prepared[]> => {
        const value = await writer.prepare?.(checkpoint);
        const { job, attempt, sink } = context;
        return value === undefined
          ? []
          : [{ id: { job: job.id, attempt, sink, subtask, checkpoint }, value }];
      });
      return (await Promise.all(prepared)).flat();
    },
    async close() {
      for (const writer of writers) await writer.close?.();
      await committer.close?.();
    },
  };
}

const byText = (log: readonly { readonly value: string | null }[]) =>
  log.map(({ value }) => value ?? '').sort();

export function writingSuite(broker: TestBroker): void {
  const topics = new Topics(broker.address);
  const brokers = broker.address;

  test('attempts that crash at any moment, at changing parallelism: each element is there once', async () => {
    await topics.create('crashes', 2);
    const random = seededRandom(SEED);
    const job = { id: 'bbbbbbbbbbbb', name: 'crashes' };
    const left: Attempt[] = [];
    let snapshot = { position: 0, open: [] as Prepared[] };
    let checkpoint = 0;
    for (let n = 1; n <= 25; n++) {
      const subtasks = 1 + Math.floor(random.next() * 3);
      const now = await attempt(
        { brokers, topic: 'crashes' },
        sinkContext({ job, attempt: n }),
        snapshot.open,
        subtasks,
      );
      left.push(now);
      let { position } = snapshot;
      // `recover` has committed what the snapshot had.
      let open: Prepared[] = [];
      for (let crashed = false; !crashed; ) {
        const count = Math.floor(random.next() * 6);
        for (let i = 0; i < count; i++) await now.writers[position % subtasks]?.write([`e${position++}`]);
        const chance = random.next();
        if (chance < 0.15) crashed = true;
        else {
          open = [...open, ...(await now.prepare(++checkpoint))];
          // A checkpoint that fails leaves its transactions to the next.
          if (chance < 0.3) continue;
          if (chance > 0.9) crashed = true;
          snapshot = { position, open };
          if (chance < 0.8) await now.committer.commit(open);
          else crashed = true;
          open = [];
        }
      }
    }
    const last = await attempt(
      { brokers, topic: 'crashes' },
      sinkContext({ job, attempt: 26 }),
      snapshot.open,
    );
    await last.close();
    // Here, what was given up lives on, and may have begun something since.
    for (const each of left) await each.close();
    const log = await topics.endedLog('crashes', 2);
    const expected = Array.from({ length: snapshot.position }, (_, i) => `e${i}`).sort();
    assert.deepEqual(byText(log.committed), expected);
    assert.ok(snapshot.position > 50 && log.aborted.length > 0, 'the search found nothing to do');
    assert.deepEqual(log.open, []);
  });

  test('an attempt that was given up is fenced: nothing it still sends counts', async () => {
    await topics.create('fenced', 1);
    const old = await attempt({ brokers, topic: 'fenced' }, sinkContext({ attempt: 1 }), []);
    await old.writers[0]?.write(['before']);
    const [prepared] = await old.prepare(1);
    const next = await attempt({ brokers, topic: 'fenced' }, sinkContext({ attempt: 2 }), []);
    await old.writers[0]?.write(['after']);
    await old.prepare(2).then(
      // What begins after the fence has an id that nobody knew; nobody commits it either.
      async () => undefined,
      (error: unknown) => assert.match(String(error), /SINK_FAILED|transaction/),
    );
    assert.ok(prepared !== undefined);
    await assert.rejects(old.committer.commit([prepared]), {
      code: 'TARGET_CORRUPT',
      message: /1 messages to topic fenced are lost/,
    });
    assert.deepEqual((await topics.log('fenced', 1)).committed, []);
    await next.close();
    await old.close();
  });

  test('a transaction that the brokers aborted is refused, with how much is lost; or left out with a line', async () => {
    await topics.create('lost', 1);
    const options = { brokers, topic: 'lost', transactionTimeout: 1000 };
    const job = { id: 'cccccccccccc', name: 'late' };
    const first = await attempt(options, sinkContext({ job }), []);
    await first.writers[0]?.write(['a', 'b']);
    const prepared = await first.prepare(1);
    // The job is down for too long.
    const cluster = await openCluster(reachOf(options), sourceContext());
    while ((await topics.log('lost', 1)).open.length > 0) await cluster.topic('lost');
    const again = kafkaSink<string>({ ...options, value: (text) => text });
    const context = sinkContext({ job, attempt: 2 });
    const committer = await again.committer?.(context);
    await assert.rejects(async () => committer?.recover(prepared), {
      code: 'TARGET_CORRUPT',
      message: /from checkpoint 1 of job cccccccccccc on: 2 messages to topic lost are lost/,
    });
    const lines: string[] = [];
    const skips = sinkContext({ job, attempt: 3, log: (line) => lines.push(line) });
    const third = await attempt({ ...options, lost: 'skip' }, skips, prepared);
    assert.match(lines.join(), /2 messages to topic lost are lost/);
    await third.writers[0]?.write(['c']);
    await third.committer.commit(await third.prepare(2));
    assert.deepEqual(byText((await topics.endedLog('lost', 1)).committed), ['c']);
    // One that is open for too long while it is written fails its writer, with what to do.
    await third.writers[0]?.write(['d']);
    while ((await topics.log('lost', 1)).aborted.length < 3) await cluster.topic('lost');
    await assert.rejects(
      async () => {
        await third.writers[0]?.write(['e']);
        await third.prepare(3);
      },
      { code: 'SINK_FAILED', message: /open for longer than its transactionTimeout/ },
    );
    await third.close();
    await first.close();
    await committer?.close?.();
    await cluster.close();
  });

  test('a ledger knows what is committed, whatever other jobs have open before it', async () => {
    await topics.create('shared', 1);
    const options = { brokers, topic: 'shared' };
    const other = await attempt(options, sinkContext({ job: { id: 'dddddddddddd', name: 'other' } }), []);
    await other.writers[0]?.write(['theirs']);
    await other.prepare(1);
    const job = { id: 'eeeeeeeeeeee', name: 'ours' };
    const ours = await attempt(options, sinkContext({ job }), []);
    await ours.writers[0]?.write(['ours']);
    const prepared = await ours.prepare(1);
    await ours.committer.commit(prepared);
    await ours.close();
    // The id is used again, so that its coordinator does not know the old transaction any more.
    const cluster = await openCluster(reachOf(options), sourceContext());
    const [{ value } = { value: undefined }] = prepared;
    assert.ok(value !== undefined);
    await beginProducer(cluster, value.transactionalId, 10_000);
    assert.equal(await commitPrepared(cluster, value), false);
    const next = await attempt(options, sinkContext({ job, attempt: 2 }), prepared);
    await next.close();
    const ledger = await loadLedger(cluster, 'shared-tidemark', 'shared');
    assert.deepEqual(
      [...(ledger?.committed.values() ?? [])].map(({ job, ranges }) => ({ job, ranges })),
      [{ job: job.id, ranges: [[1, 1]] }],
    );
    await cluster.close();
    await other.close();
  });

  test('a snapshot that the topic is ahead of: named, and cannot be rewound', async () => {
    await topics.create('ahead', 1);
    const options = { brokers, topic: 'ahead' };
    const job = { id: 'ffffffffffff', name: 'origin' };
    const origin = await attempt(options, sinkContext({ job }), []);
    for (const checkpoint of [1, 2, 3]) {
      await origin.writers[0]?.write([`at ${checkpoint}`]);
      await origin.committer.commit(await origin.prepare(checkpoint));
    }
    await origin.close();
    const fork = (id: string, checkpoint: number) =>
      sinkContext({ job: { id, name: 'fork' }, lineage: [{ job: job.id, checkpoint }] });
    const seen = async (context: SinkContext) => {
      const committer = await kafkaSink<string>(options).committer?.(context);
      const ahead = await committer?.ahead?.(context.lineage);
      await committer?.close?.();
      return ahead?.map(({ job, checkpoint }) => ({ job, checkpoint }));
    };
    const ahead = (checkpoint: number) => ({ job: job.id, checkpoint });
    assert.deepEqual(await seen(fork('gggggggggggg', 1)), [ahead(3), ahead(2)]);
    assert.deepEqual(await seen(fork('gggggggggggg', 3)), []);
    const forked = await attempt(options, fork('gggggggggggg', 3), []);
    await forked.writers[0]?.write(['forked']);
    await forked.committer.commit(await forked.prepare(4));
    // Where it began is in the ledger, so that another branch of the same past can tell.
    assert.deepEqual(await seen(fork('hhhhhhhhhhhh', 3)), [{ job: 'gggggggggggg', checkpoint: 4 }]);
    await assert.rejects(async () => forked.committer.rewind?.([ahead(1)]), {
      code: 'TARGET_AHEAD',
      message: /cannot be set aside/,
    });
    await forked.close();
  });

  test('a transaction that is none of the job’s is not touched', async () => {
    const committer = await kafkaSink<string>({ brokers, topic: 'ahead' }).committer?.(sinkContext());
    const id = { job: 'aaaaaaaaaaaa', attempt: 1, sink: 'out', subtask: 0, checkpoint: 1 };
    const value = {
      transactionalId: 'tidemark/somebody/else/1/0/0',
      producerId: '1',
      producerEpoch: 0,
      messages: 1,
    };
    await assert.rejects(async () => committer?.recover([{ id, value }]), {
      code: 'TARGET_CORRUPT',
      message: /none of job/,
    });
    await committer?.close?.();
  });

  test('at least once: all is acknowledged when prepare resolves; keys, headers, times and bytes arrive', async () => {
    await topics.create('plain', 3);
    const sink = kafkaSink<number>({
      brokers,
      topic: 'plain',
      delivery: 'at-least-once',
      compression: 'gzip',
      key: (n) => `key ${n % 7}`,
      value: (n) => (n === 5 ? null : new Uint8Array([n % 256])),
      headers: (n) => ({ n: String(n), empty: '' }),
      timestamp: (n) => 1_000_000 + n,
    });
    assert.equal(sink.committer, undefined);
    const writer = await sink.open(writerContext(sinkContext()));
    const numbers = Array.from({ length: 2000 }, (_, i) => i);
    for (let i = 0; i < numbers.length; i += 100) await writer.write(numbers.slice(i, i + 100));
    await writer.prepare?.(1);
    const source = kafkaSource({ brokers, topic: 'plain', stopAt: 'latest', decode: (message) => message });
    const read = [];
    for (const { id, start } of await source.splits(sourceContext()))
      read.push(...(await take(source, request(id, start))).elements);
    await writer.close?.();
    assert.equal(read.length, numbers.length);
    const text = (bytes: Uint8Array | null | undefined) => (bytes ? Buffer.from(bytes).toString() : bytes);
    const places = new Map(read.map(({ key, partition }) => [text(key), partition]));
    for (const { key, value, headers, timestamp, partition } of read) {
      const n = timestamp - 1_000_000;
      assert.equal(text(key), `key ${n % 7}`);
      assert.deepEqual(value, n === 5 ? null : new Uint8Array([n % 256]));
      assert.deepEqual(
        headers.map((header) => [header.name, text(header.value)]),
        [
          ['n', String(n)],
          ['empty', ''],
        ],
      );
      assert.equal(partition, places.get(text(key)));
    }
  });

  test('a large element, and one that is too large; a topic that is not there', async () => {
    await topics.create('large', 1);
    const one = await attempt({ brokers, topic: 'large' }, sinkContext({ sink: 'large' }), []);
    const large = ['x'.repeat(700_000), 'y'.repeat(700_000)];
    await one.writers[0]?.write(large);
    await one.committer.commit(await one.prepare(1));
    assert.deepEqual(byText((await topics.endedLog('large', 1)).committed), large);
    await assert.rejects(
      async () => {
        await one.writers[0]?.write(['z'.repeat(2_000_000)]);
        await one.prepare(2);
      },
      { code: 'SINK_FAILED', message: /MESSAGE_TOO_LARGE/ },
    );
    await one.close();
    const none = kafkaSink<string>({ brokers, topic: 'none', delivery: 'at-least-once' });
    await assert.rejects(async () => none.open(writerContext(sinkContext())), { code: 'FILE_NOT_FOUND' });
  });

  test('a broker that does not answer for a while is waited for, and nothing is there twice', async () => {
    await topics.create('paused', 1);
    const client = { requestTimeout: 300, patience: '30s' };
    for (const delivery of ['exactly-once', 'at-least-once'] as const) {
      const options = { brokers, topic: 'paused', client, delivery, value: (text: string) => text };
      const sink = kafkaSink<string>(options);
      const context = sinkContext({ sink: delivery, job: { id: 'iiiiiiiiiiii', name: 'paused' } });
      const committer = await sink.committer?.(context);
      await committer?.recover([]);
      const writer = await sink.open(writerContext(context));
      await writer.write([`${delivery} 1`]);
      broker.pause();
      const writing = (async () => {
        await writer.write([`${delivery} 2`]);
        return await writer.prepare?.(1);
      })();
      setTimeout(() => broker.go(), 1000);
      const value = await writing;
      const id = { job: context.job.id, attempt: 1, sink: delivery, subtask: 0, checkpoint: 1 };
      if (value !== undefined) await committer?.commit([{ id, value }]);
      await writer.close?.();
      await committer?.close?.();
    }
    assert.deepEqual(byText((await topics.endedLog('paused', 1)).committed), [
      'at-least-once 1',
      'at-least-once 2',
      'exactly-once 1',
      'exactly-once 2',
    ]);
  });

  test('closed', () => topics.close());
}
