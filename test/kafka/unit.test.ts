/** What of Kafka's source and sink needs no broker: positions, batches, decoding, options, errors. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { describe, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { murmur2 as clientMurmur2, type RecordsBatch } from '@platformatic/kafka';
import { systemClock } from '../../src/base/clock.js';
import type { TidemarkError } from '../../src/base/errors.js';
import { isCommitted } from '../../src/connectors/file-sink/ledger.js';
import { decodeText, jsonDecoder, ownDecoder } from '../../src/connectors/kafka/decode.js';
import { failureOf, KafkaFailure, kafkaError } from '../../src/connectors/kafka/failure.js';
import { begunRecord, PreparedRuns, readLedger } from '../../src/connectors/kafka/ledger-record.js';
import { EndMarkers } from '../../src/connectors/kafka/ledger-topic.js';
import { isKafka, loadKafka } from '../../src/connectors/kafka/library.js';
import type { KafkaMessage } from '../../src/connectors/kafka/message.js';
import { committedBatches, messagesIn, offsetAfter } from '../../src/connectors/kafka/messages.js';
import { missing, refuseGone } from '../../src/connectors/kafka/offsets.js';
import { openCluster } from '../../src/connectors/kafka/open-cluster.js';
import { addressOf, reachOf } from '../../src/connectors/kafka/options.js';
import { Encoder } from '../../src/connectors/kafka/outgoing.js';
import { murmur2, partitionOfKey } from '../../src/connectors/kafka/partitioner.js';
import {
  compareKafkaPositions,
  kafkaPosition,
  partitionOf,
  splitOf,
} from '../../src/connectors/kafka/position.js';
import { Sending } from '../../src/connectors/kafka/sending.js';
import { slices } from '../../src/connectors/kafka/slices.js';
import { kafkaTransaction } from '../../src/connectors/kafka/transaction.js';
import { attemptOf, IdPool, transactionalId } from '../../src/connectors/kafka/transactional-id.js';
import { kafkaSink } from '../../src/connectors/kafka-sink.js';
import { kafkaSource } from '../../src/connectors/kafka-source.js';
import { loose } from '../graph/build.js';
import fc from '../helpers/property.js';

const BROKERS = 'localhost:9092';

function message(offset: number, value: string | null = `v${offset}`): KafkaMessage {
  const bytes = value === null ? null : Buffer.from(value);
  return { topic: 't', partition: 0, offset, timestamp: 0, key: null, value: bytes, headers: [] };
}

describe('positions', () => {
  test('are checked', () => {
    const valid = (value: unknown) => !('issues' in kafkaPosition['~standard'].validate(value));
    for (const value of [{ offset: 0 }, { offset: 5, end: 7 }, { offset: 2, found: 3 }])
      assert.ok(valid(value));
    for (const value of [null, {}, { offset: -1 }, { offset: 1.5 }, { offset: '1' }, { offset: 1, end: -2 }])
      assert.ok(!valid(value));
  });

  test('are compared, unless they end at different places', () => {
    assert.ok((compareKafkaPositions({ offset: 1 }, { offset: 2 }) ?? 0) < 0);
    assert.equal(compareKafkaPositions({ offset: 2, found: 3 }, { offset: 2 }), 0);
    assert.equal(compareKafkaPositions({ offset: 1, end: 5 }, { offset: 1, end: 6 }), undefined);
  });

  test('splits name topic and partition, also of topics that look like splits', () => {
    for (const topic of ['a', 'a-1', 'a-1-2'])
      for (const partition of [0, 7, 1000])
        assert.equal(partitionOf(topic, splitOf(topic, partition)), partition);
    for (const split of ['a', 'a-', 'a-x', 'a-01', 'b-1', 'a-1-2'])
      assert.equal(partitionOf('a', split), undefined);
  });

  test('what is gone, and what never was', () => {
    const bounds = { begin: 10, end: 20 };
    assert.equal(missing({ offset: 10 }, bounds), 0);
    assert.equal(missing({ offset: 4 }, bounds), 6);
    assert.equal(missing({ offset: 4, end: 7 }, bounds), 3);
    assert.throws(() => refuseGone('t-0', { offset: 4 }, bounds, 'fail'), { code: 'SOURCE_CHANGED' });
    assert.throws(() => refuseGone('t-0', { offset: 21 }, bounds, 'skip'), { code: 'SOURCE_CHANGED' });
    refuseGone('t-0', { offset: 4 }, bounds, 'skip');
    refuseGone('t-0', { offset: 20 }, bounds, 'fail');
  });
});

test('slices: bounded, complete, in order, and none across where the split is to wait', () => {
  const offsets = fc.uniqueArray(fc.nat(60), { maxLength: 40 }).map((all) => all.sort((a, b) => a - b));
  const more = { batch: fc.integer({ min: 1, max: 9 }), beyond: fc.nat(5), until: fc.option(fc.nat(70)) };
  fc.assert(
    fc.property(offsets, fc.record(more), (offsets, { batch, beyond, until }) => {
      const after = (offsets.at(-1) ?? 0) + 1 + beyond;
      const wait = until === null ? {} : { until: { offset: until } };
      const cut = [
        ...slices(
          offsets.map((at) => message(at)),
          { batch, position: { offset: 0 }, after, ...wait },
        ),
      ];
      assert.deepEqual(
        cut.flatMap(({ elements }) => elements.map(({ offset }) => offset)),
        offsets,
      );
      assert.equal(cut.at(-1)?.offset, after);
      let from = 0;
      for (const { elements, offset } of cut) {
        assert.ok(elements.length <= batch && offset > from);
        assert.ok(elements.every((each) => each.offset >= from && each.offset < offset));
        assert.ok(until === null || until <= from || until >= offset, `${from}..${offset} across ${until}`);
        from = offset;
      }
    }),
  );
});

test('slices: nothing beyond the end, and nothing where nothing moves', () => {
  const position = { offset: 3 };
  const cut = [...slices([message(3), message(4)], { batch: 9, position, after: 4 })];
  assert.deepEqual(cut, [{ elements: [message(3)], offset: 4 }]);
  assert.deepEqual([...slices([], { batch: 9, position, after: 3 })], []);
});

interface Part {
  readonly producer: number;
  readonly kind: 'plain' | 'transactional' | 'commit' | 'abort';
  readonly first: number;
  readonly values?: readonly string[];
}

function batch({ producer, kind, first, values = [] }: Part): RecordsBatch {
  const control = kind === 'commit' || kind === 'abort';
  const key = Buffer.from([0, 0, 0, kind === 'commit' ? 1 : 0]);
  const record = { length: 0, attributes: 0, timestampDelta: 3n, headers: [] };
  const records = control
    ? [{ ...record, offsetDelta: 0, key, value: Buffer.alloc(0) }]
    : values.map((value, i) => ({ ...record, offsetDelta: i, key: null, value: Buffer.from(value) }));
  return {
    firstOffset: BigInt(first),
    length: 0,
    partitionLeaderEpoch: 0,
    magic: 2,
    crc: 0,
    attributes: (control ? 0b110000 : 0) | (kind === 'transactional' ? 0b10000 : 0),
    lastOffsetDelta: records.length - 1,
    firstTimestamp: 100n,
    maxTimestamp: 200n,
    producerId: BigInt(producer),
    producerEpoch: 0,
    firstSequence: 0,
    records,
  };
}

describe('batches', () => {
  const log = [
    batch({ producer: 1, kind: 'transactional', first: 0, values: ['a', 'b'] }),
    batch({ producer: 2, kind: 'transactional', first: 2, values: ['c'] }),
    batch({ producer: 1, kind: 'abort', first: 3 }),
    batch({ producer: 2, kind: 'commit', first: 4 }),
    batch({ producer: 1, kind: 'transactional', first: 5, values: ['d'] }),
    batch({ producer: 1, kind: 'commit', first: 6 }),
    batch({ producer: 1, kind: 'transactional', first: 7, values: ['e'] }),
    batch({ producer: 9, kind: 'plain', first: 8, values: ['f'] }),
    batch({ producer: 1, kind: 'abort', first: 9 }),
  ];
  const texts = (batches: readonly RecordsBatch[], from = 0) =>
    [...messagesIn(batches, { topic: 't', partition: 0, from })].map((each) => decodeText(each));

  test('of aborted transactions are left out, more than one of a producer', () => {
    const aborted = [
      { producerId: 1n, firstOffset: 7n },
      { producerId: 1n, firstOffset: 0n },
    ];
    assert.deepEqual(texts(committedBatches(log, aborted)), ['c', 'd', 'f']);
    assert.equal(offsetAfter(log), 10);
    assert.equal(offsetAfter([]), undefined);
  });

  test('are cut where reading begins; times are the producer’s or the broker’s', () => {
    assert.deepEqual(texts(committedBatches(log.slice(0, 2), []), 1), ['b', 'c']);
    const [plain] = [batch({ producer: 9, kind: 'plain', first: 8, values: ['f'] })];
    const timeOf = (each: RecordsBatch) =>
      [...messagesIn([each], { topic: 't', partition: 0, from: 0 })][0]?.timestamp;
    assert.equal(timeOf(plain), 103);
    assert.equal(timeOf({ ...plain, attributes: 0b1000 }), 200);
  });

  test('are decided by the markers that follow them', () => {
    const decided = new EndMarkers();
    const records = log.flatMap((each) =>
      decided.add([each], (read) => texts([read]).map((value) => ({ key: '', value }))),
    );
    assert.deepEqual(records.map(({ value }) => value).sort(), ['c', 'd', 'f']);
  });
});

describe('decoding', () => {
  const even = {
    '~standard': {
      version: 1 as const,
      vendor: 'test',
      validate: (value: unknown) =>
        typeof value === 'number' && value % 2 === 0
          ? { value }
          : { issues: [{ message: 'is odd', path: ['n'] }] },
    },
  };

  test('text and JSON, with a schema', () => {
    assert.equal(decodeText(message(0, 'zwölf')), 'zwölf');
    assert.deepEqual(jsonDecoder(undefined)(message(0, '{"a":1}')), { a: 1 });
    assert.equal(jsonDecoder(even)(message(0, '4')), 4);
  });

  test('what fails names topic, partition and offset', () => {
    const at = (text: string) => ({
      code: 'SOURCE_DATA',
      message: new RegExp(`topic t, partition 0, offset 8: ${text}`),
    });
    assert.throws(() => jsonDecoder(even)(message(8, '3')), at('.*schema at n \\(is odd\\): 3'));
    assert.throws(() => jsonDecoder(undefined)(message(8, '{')), at('the value is no JSON'));
    assert.throws(() => decodeText(message(8, null)), at('the value is null, a tombstone'));
    const throws = ownDecoder(() => {
      throw new Error('no idea');
    });
    assert.throws(() => throws(message(8, 'x'.repeat(500))), at('decode threw no idea: x{120}…'));
    assert.throws(() => ownDecoder(async () => 1)(message(8)), at('decode returned a promise'));
    const later = {
      '~standard': { version: 1 as const, vendor: 'test', validate: async () => ({ value: 1 }) },
    };
    assert.throws(() => jsonDecoder(later)(message(8, '1')), { code: 'DEFINITION_INVALID' });
  });
});

describe('partitions', () => {
  test('of keys are those of Kafka’s own producer', () => {
    // From UtilsTest.testMurmur2 of Apache Kafka.
    const known = { '21': -973932308, foobar: -790332482, 'a-little-bit-long-string': -985981536 };
    for (const [key, hash] of Object.entries(known)) assert.equal(murmur2(Buffer.from(key)), hash);
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 24 }), (bytes) => {
        assert.equal(murmur2(bytes), clientMurmur2(Buffer.from(bytes)));
        assert.ok(partitionOfKey(bytes, 7) >= 0 && partitionOfKey(bytes, 7) < 7);
      }),
    );
  });

  test('without a key in turn, a batch each; or as the sink says', () => {
    const plain = new Encoder<number>({}, 'out', () => 5, 0);
    const first = [plain.encode(1, 3), plain.encode(2, 3)];
    plain.nextBatch();
    assert.deepEqual(
      [...first, plain.encode(3, 3)].map(({ partition }) => partition),
      [0, 0, 1],
    );
    const own = new Encoder<number>({ partition: (n) => n }, 'out', () => 5, 0);
    assert.equal(own.encode(2, 3).partition, 2);
    assert.throws(() => own.encode(3, 3), {
      code: 'VALUE_REFUSED',
      message: /sink out: partition returned 3/,
    });
  });
});

test('elements that have no form as a message are refused', () => {
  const refused = (encoding: object, text: RegExp, element: unknown = 1) =>
    assert.throws(() => new Encoder(encoding, 'out', () => 5, 0).encode(element, 1), {
      code: 'VALUE_REFUSED',
      message: text,
    });
  refused({}, /at n cannot be written as JSON/, { n: Number.NaN });
  refused({ key: () => 5 }, /key is number/);
  refused({ key: () => 'a\ud800' }, /key holds half of a surrogate pair/);
  refused({ value: () => undefined }, /value is undefined/);
  refused({ headers: () => ({ a: null }) }, /the header a is null/);
  refused({ headers: () => null }, /headers returned no object/);
  refused({ timestamp: () => -1 }, /timestamp returned -1/);
});

describe('transactions', () => {
  test('their ids belong to one sink of one job', () => {
    const owner = { job: 'abc', sink: 'out' };
    assert.equal(attemptOf(owner, transactionalId(owner, 12, 3, 14)), 12);
    for (const id of [
      'tidemark/abc/out/1/1',
      'tidemark/abc/out/1/1/x',
      'tidemark/abc/out2/1/1/1',
      'out/1/1/1',
    ])
      assert.equal(attemptOf(owner, id), undefined, id);
    const pool = new IdPool(owner, 12);
    const [first, second] = [pool.take(1), pool.take(1)];
    assert.notEqual(first, second);
    pool.give(first);
    assert.equal(pool.take(1), first);
  });

  test('are checked when they come back from a snapshot', () => {
    const good = { transactionalId: 'tidemark/a/b/1/0/0', producerId: '12', producerEpoch: 3, messages: 4 };
    const valid = (value: unknown) => !('issues' in kafkaTransaction['~standard'].validate(value));
    assert.ok(valid(good));
    for (const bad of [null, 5, {}, { ...good, producerId: 12 }, { ...good, transactionalId: 'mine' }])
      assert.ok(!valid(bad));
  });

  test('a ledger’s newest messages say all that is committed, of one topic', () => {
    const writer = { job: 'a', attempt: 1, sink: 'out', subtask: 0 };
    const runs = new PreparedRuns('t', writer);
    const records = [98, 99, 101, 102, 250].map((checkpoint) => runs.record(checkpoint));
    const other = new PreparedRuns('other', writer).record(97);
    const newest = new Map(
      [...records, other, begunRecord('t', 'b', [{ job: 'a', checkpoint: 4 }])].map((r) => [r.key, r]),
    );
    const ledger = readLedger('t', newest.values());
    assert.ok(ledger !== undefined);
    const committed = [97, 98, 99, 100, 101, 102, 103, 250].filter((checkpoint) =>
      isCommitted(ledger, { ...writer, checkpoint }),
    );
    assert.deepEqual(committed, [98, 99, 101, 102, 250]);
    assert.deepEqual(ledger.begun.get('b'), [{ job: 'a', checkpoint: 4 }]);
    const [first] = records;
    assert.ok(first !== undefined);
    for (const wrong of [
      { key: 'x' },
      { value: '{}' },
      { value: '{"ranges":[[2,1]]}' },
      { key: '{"version":2}' },
    ])
      assert.equal(readLedger('t', [{ ...first, ...wrong }]), undefined);
  });
});

describe('failures', () => {
  const answer = (...ids: string[]) =>
    Object.assign(new Error('outer'), {
      errors: ids.map((apiId) => Object.assign(new Error('inner'), { apiId, serverErrorMessage: 'because' })),
    });

  test('pass, or do not', () => {
    assert.ok(failureOf(answer('NOT_LEADER_OR_FOLLOWER')).retriable);
    assert.ok(!failureOf(answer('NOT_LEADER_OR_FOLLOWER', 'MESSAGE_TOO_LARGE')).retriable);
    const network = failureOf(Object.assign(new Error('gone'), { code: 'PLT_KFK_NETWORK' }));
    assert.ok(network.retriable && network.network);
    const refused = Object.assign(new Error('SASL authentication failed.'), {
      code: 'PLT_KFK_AUTHENTICATION',
    });
    assert.ok(
      !failureOf(Object.assign(new Error('x', { cause: refused }), { code: 'PLT_KFK_NETWORK' })).retriable,
    );
    assert.ok(!failureOf(new Error('a bug')).retriable);
  });

  test('say what to do', () => {
    const told = kafkaError('SINK_FAILED', 'sink out', failureOf(answer('TOPIC_AUTHORIZATION_FAILED')));
    assert.equal(told.message, 'sink out: TOPIC_AUTHORIZATION_FAILED: because');
    assert.match(told.hint ?? '', /kafka-acls/);
  });
});

describe('options', () => {
  test('all that is wrong is said at once', () => {
    const wrong = { brokers: 'a b', topic: '..', from: 'here', client: { patience: 'soon', tls: 5 } };
    assert.throws(
      () => kafkaSource(wrong as never),
      (error: Error & { code?: string }) => {
        assert.equal(error.code, 'DEFINITION_INVALID');
        for (const name of ['brokers', 'topic', 'from', 'client.patience', 'client.tls'])
          assert.match(error.message, new RegExp(name));
        return true;
      },
    );
    const refused = (options: object, text: RegExp) =>
      assert.throws(() => kafkaSource({ brokers: BROKERS, topic: 't', ...options } as never), {
        message: text,
      });
    refused({ stopAt: 'latest', discover: '1s' }, /discover/);
    refused({ stopAt: 'latest', from: 'latest' }, /would read nothing/);
    refused({ decode: () => 1, format: 'json' }, /format: with decode/);
    refused({ schema: {} }, /schema: is for format/);
    refused({ speed: 1 }, /no property "speed"/);
    const sink = (options: object, text: RegExp) =>
      assert.throws(() => kafkaSink({ brokers: BROKERS, topic: 't', ...options } as never), {
        message: text,
      });
    sink({ delivery: 'at-least-once', ledger: 'l' }, /ledger: is for delivery/);
    sink({ ledger: 't' }, /ledger: expected the name of a topic other than/);
    sink({ key: 'id' }, /key: expected a function/);
    sink({ compression: 'zip' }, /compression/);
    sink({ client: { sasl: { mechanism: 'PLAIN' } } }, /client.sasl/);
  });

  test('what plan shows has no secret in it', () => {
    const sasl = { mechanism: 'PLAIN', username: 'me', password: 'hush' } as const;
    const { describe } = kafkaSource({ brokers: [BROKERS, 'b2:1'], topic: 't', client: { sasl } });
    assert.equal(describe, 'topic t at localhost:9092, b2:1');
  });

  test('addresses', () => {
    assert.deepEqual(addressOf('host'), { host: 'host', port: 9092 });
    assert.deepEqual(addressOf('[::1]:19092'), { host: '::1', port: 19092 });
    for (const wrong of ['', 'a:0', 'a:99999', 'a/b', 'user@a', 'a:b', '::1'])
      assert.equal(addressOf(wrong), undefined);
  });
});

describe('the client’s package', () => {
  test('is found from the project; where it is not, the error says what to type', async () => {
    const kafka = await loadKafka(resolve(import.meta.dirname, '../../..'));
    assert.ok(isKafka(kafka));
    const folder = mkdtempSync(join(tmpdir(), 'tidemark-test-'));
    try {
      // Beside tidemark it is found, too.
      assert.equal(await loadKafka(folder), kafka);
      const nowhere = () =>
        Promise.reject(Object.assign(new Error('none'), { code: 'ERR_MODULE_NOT_FOUND' }));
      await assert.rejects(loadKafka(folder, undefined, nowhere), (error: TidemarkError) => {
        assert.equal(error.code, 'PACKAGE_MISSING');
        assert.equal(error.hint, `in ${folder}: npm install @platformatic/kafka@1`);
        return true;
      });
      // Of the project's own package, another version is no reason to take one from elsewhere.
      const place = join(folder, 'node_modules/@platformatic/kafka');
      mkdirSync(place, { recursive: true });
      writeFileSync(join(place, 'package.json'), '{"name":"@platformatic/kafka","exports":"./index.js"}');
      writeFileSync(join(place, 'index.js'), 'exports.Connection = 1;');
      const other = { code: 'PACKAGE_MISSING', message: /is not of version 1.35/ };
      await assert.rejects(loadKafka(folder), other);
      await assert.rejects(loadKafka('/', pathToFileURL(join(folder, 'job.ts'))), other);
      assert.ok(!isKafka({ Connection: 1 }) && !isKafka(undefined));
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test('is asked for by no public type', () => {
    const asked: string[] = [];
    const seen = new Set<string>();
    const visit = (file: string) => {
      if (seen.has(file)) return;
      seen.add(file);
      const text = readFileSync(file, 'utf8').replace(/\/\*[\s\S]*?\*\//g, '');
      if (text.includes('@platformatic')) asked.push(file);
      for (const [, from = ''] of text.matchAll(/(?:from |import\()['"](\.[^'"]+)\.js['"]/g))
        visit(`${join(dirname(file), from)}.d.ts`);
    };
    visit(resolve(import.meta.dirname, '../../src/index.d.ts'));
    assert.ok([...seen].some((file) => file.endsWith('kafka-sink.d.ts')) && seen.size > 20);
    assert.deepEqual(asked, []);
    assert.ok(readdirSync(resolve(import.meta.dirname, '../../src/connectors/kafka')).length > 0);
  });
});

test('a barrier waits for what came before it, though messages go on coming', async () => {
  const lasting = 30;
  let rounds = 0;
  const one = {
    partition: 0,
    key: null,
    value: Buffer.from('v'),
    headers: new Map(),
    timestamp: 1,
    bytes: 1,
  };
  const cluster = loose({
    kafka: {
      NumericMap: Map,
      produceV9: {
        api: {
          async: async () => {
            await new Promise((resolve) => setImmediate(resolve));
            if (++rounds < lasting) sending.add('t', one);
          },
        },
      },
    },
    leaderKey: async () => 'broker',
    onLeader: (_topic: string, _partition: number, act: (connection: unknown) => Promise<void>) => act(null),
  });
  const identify = async () => ({ producerId: 1n, producerEpoch: 0 });
  const sending = new Sending({ cluster, compression: 'none', timeout: 1, identify });
  sending.add('t', one);
  sending.start();
  sending.add('t', one);
  await sending.delivered();
  assert.ok(rounds <= 3, `it waited for ${rounds} rounds`);
  await sending.settled();
  assert.equal(rounds, lasting);
});

test('the runtime hears that a sink goes on trying to reach its brokers', async () => {
  let beats = 0;
  const reach = reachOf({ brokers: 'localhost:1', topic: 't', client: { patience: 30 } });
  const context = { cwd: tmpdir(), clock: systemClock, alive: () => void beats++ };
  const cluster = await openCluster(reach, context);
  await assert.rejects(cluster.topic('t'), KafkaFailure);
  assert.ok(beats > 0);
  await cluster.close();
});
