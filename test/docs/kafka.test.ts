/** The examples of docs/kafka.md, beside the job in fixtures/jobs/customer-totals.ts, which test/kafka runs. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type KafkaMessage, kafkaSink, kafkaSource } from '../../src/index.js';

interface Reading {
  readonly device: string;
  readonly at: number;
  readonly celsius: number;
}

test('decode makes elements of whole messages', () => {
  const readings = kafkaSource({
    brokers: ['kafka-1:9092', 'kafka-2:9092'],
    topic: 'readings',
    from: 'latest',
    decode: ({ key, value, timestamp }) => ({
      device: key === null ? 'unknown' : Buffer.from(key).toString(),
      at: timestamp,
      celsius: value === null ? Number.NaN : Buffer.from(value).readFloatBE(0),
    }),
  });
  assert.equal(readings.describe, 'topic readings at kafka-1:9092, kafka-2:9092');
  const message: Pick<KafkaMessage, 'key'> = { key: null };
  assert.equal(message.key, null);
});

test('a sink says what a message is', () => {
  const alarms = kafkaSink({
    brokers: 'kafka-1:9092',
    topic: 'alarms',
    key: (reading: Reading) => reading.device,
    value: (reading) => `${reading.celsius} °C`,
    headers: () => ({ source: 'tidemark' }),
    timestamp: (reading) => reading.at,
    compression: 'gzip',
    delivery: 'at-least-once',
  });
  assert.equal(alarms.committer, undefined);
});

test('a cluster with TLS and passwords', () => {
  const secure = kafkaSource({
    brokers: 'kafka.example:9093',
    topic: 'orders',
    client: {
      tls: true,
      sasl: {
        mechanism: 'SCRAM-SHA-512',
        username: 'tidemark',
        password: () => process.env['KAFKA_PASSWORD'] ?? '',
      },
      patience: '2m',
    },
  });
  assert.equal(secure.describe, 'topic orders at kafka.example:9093');
});
