/**
 * The sink that writes to a topic of Apache Kafka: exactly once, by Kafka's transactions, or at least once.
 *
 * Invariants: a consumer that reads committed messages sees each element once, in order by subtask and partition; what a
 * failed attempt wrote is never committed; a transaction is committed by whoever comes next, from what the snapshot has of
 * it, and a ledger in a topic beside it says which were.
 */
import { parseDuration } from '../base/duration.js';
import { TidemarkError } from '../base/errors.js';
import { schema } from '../codec/schema.js';
import { isBag } from '../graph/bag.js';
import type { SinkContext, SinkSpec, WriterContext } from '../graph/sink.js';
import { KafkaCommitter } from './kafka/committer.js';
import { saying } from './kafka/failure.js';
import { openCluster } from './kafka/open-cluster.js';
import {
  type BrokerOptions,
  brokerFindings,
  describeTopic,
  durationFinding,
  isTopicName,
  type Lost,
  type Reach,
  reachOf,
  refuse,
} from './kafka/options.js';
import { Encoder } from './kafka/outgoing.js';
import { type KafkaTransaction, kafkaTransaction } from './kafka/transaction.js';
import { IdPool } from './kafka/transactional-id.js';
import { PlainWriter, TransactionWriter, type Writing } from './kafka/writer.js';

export type { KafkaTransaction };

/** What brokers allow, unless they are told otherwise (`transaction.max.timeout.ms`). */
const DEFAULT_TRANSACTION_TIMEOUT = 15 * 60_000;
const LEDGER_SUFFIX = '-tidemark';

export interface KafkaSinkOptions<T> extends BrokerOptions {
  /** The message's key, text or bytes. Messages of one key go to one partition, as Kafka's own producer has it. Default: none. */
  readonly key?: (element: T) => string | Uint8Array | null;
  /** The message's value; null makes a tombstone. Default: JSON; what JSON cannot hold is VALUE_REFUSED. */
  readonly value?: (element: T) => string | Uint8Array | null;
  readonly headers?: (element: T) => Readonly<Record<string, string | Uint8Array>>;
  /** The message's time, milliseconds since 1970. Default: when it is written. */
  readonly timestamp?: (element: T) => number;
  /** The partition, 0 to `partitions` − 1. Default: by the key's hash; without a key, one after the other. */
  readonly partition?: (element: T, partitions: number) => number;
  /** Default `exactly-once`. */
  readonly delivery?: 'exactly-once' | 'at-least-once';
  /** Default `none`. `zstd` needs Node 22.15 or later. */
  readonly compression?: 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd';
  /**
   * How long a transaction may be open, the time a job is down included; the brokers abort it then. At most their
   * `transaction.max.timeout.ms`. Default 15 minutes, which is what they allow unless they are told otherwise.
   */
  readonly transactionTimeout?: string | number;
  /** The topic that says which transactions are committed; made when it is not there. Default `<topic>-tidemark`. */
  readonly ledger?: string;
  /**
   * What becomes of messages whose transaction the brokers aborted before it could be committed, because the job was down for
   * longer than `transactionTimeout`: `fail` with TARGET_CORRUPT, or `skip` them, with a line in the log. Default `fail`.
   */
  readonly lost?: Lost;
}

const KNOWN = [
  'key',
  'value',
  'headers',
  'timestamp',
  'partition',
  'delivery',
  'compression',
  'transactionTimeout',
  'ledger',
  'lost',
];
const COMPRESSIONS = ['none', 'gzip', 'snappy', 'lz4', 'zstd', undefined];

/**
 * Writes a message an element to a topic. Needs the package `@platformatic/kafka` 1.x and brokers of Apache Kafka 3.0 or later.
 *
 * `exactly-once` (Flink's `KafkaSink` with `DeliveryGuarantee.EXACTLY_ONCE`): what is written between two checkpoints is one
 * transaction for each subtask, committed when the checkpoint is complete; consumers must read committed messages
 * (`isolation.level=read_committed`), and see them then. `at-least-once`: messages are there at once, and after a failure some
 * again; all replicas in sync have them before a checkpoint is complete.
 *
 * A job restored from a snapshot that the topic is ahead of is refused with TARGET_AHEAD; messages cannot be set aside, so
 * `--sinks rewind` is refused, too. Errors: PACKAGE_MISSING; FILE_NOT_FOUND when there is no such topic; VALUE_REFUSED for an
 * element that has no form as a message; TARGET_CORRUPT when a prepared transaction was aborted; SINK_FAILED when the brokers
 * do not answer, or refuse.
 */
export function kafkaSink<T>(options: KafkaSinkOptions<T>): SinkSpec<T, KafkaTransaction> {
  refuse('kafkaSink()', findingsOf(options));
  const reach = reachOf(options);
  const common = { kind: 'kafkaSink', describe: describeTopic(options) };
  if (options.delivery === 'at-least-once') {
    return {
      ...common,
      async open(context) {
        const writer = new PlainWriter<T>(await writingOf(options, reach, context), context);
        return {
          write: (elements) => writer.write(elements),
          prepare: () => writer.prepare(),
          close: () => writer.close(),
        };
      },
    };
  }
  const transactions = {
    ledger: ledgerOf(options),
    transactionTimeout: parseDuration(
      options.transactionTimeout ?? DEFAULT_TRANSACTION_TIMEOUT,
      'kafkaSink(): transactionTimeout',
    ),
  };
  const pools = new Pools();
  return {
    ...common,
    transaction: schema(kafkaTransaction),
    async open(context) {
      const writing = await writingOf(options, reach, context);
      return new TransactionWriter<T>(writing, { ...transactions, pool: pools.of(context) }, context);
    },
    committer: (context) =>
      new KafkaCommitter(context, {
        ...transactions,
        topic: options.topic,
        pool: pools.of(context),
        lost: options.lost ?? 'fail',
        timeout: reach.requestTimeout,
        connect: () => openCluster(reach, context),
      }),
  };
}

/** One for each attempt: its writers and its committer share it. */
class Pools {
  #attempt = '';
  #pool: IdPool | undefined;

  of({ job, attempt, sink }: SinkContext): IdPool {
    const name = JSON.stringify([job.id, attempt, sink]);
    if (this.#pool === undefined || name !== this.#attempt)
      this.#pool = new IdPool({ job: job.id, sink }, attempt);
    this.#attempt = name;
    return this.#pool;
  }
}

async function writingOf<T>(
  options: KafkaSinkOptions<T>,
  reach: Reach,
  context: WriterContext,
): Promise<Writing<T>> {
  const { topic, compression = 'none' } = options;
  const cluster = await openCluster(reach, context);
  try {
    const found = await saying('SINK_FAILED', `sink ${context.sink}, opening topic ${topic}`, async () => {
      await cluster.checkVersions('write');
      return cluster.topic(topic);
    });
    if (found === undefined) {
      throw new TidemarkError('FILE_NOT_FOUND', `sink ${context.sink}: there is no topic ${topic}`, {
        hint: `make it: kafka-topics.sh --create --topic ${topic}`,
      });
    }
    const partitions = found.partitions.length;
    const now = () => context.clock.now();
    const encoder = new Encoder<T>(options, context.sink, now, context.subtask);
    return { cluster, topic, partitions, encoder, compression, timeout: reach.requestTimeout };
  } catch (error) {
    await cluster.close();
    throw error;
  }
}

function ledgerOf({ topic, ledger }: { readonly topic: string; readonly ledger?: string }): string {
  return ledger ?? `${topic}${LEDGER_SUFFIX}`;
}

function findingsOf(options: unknown): string[] {
  if (!isBag(options)) return ['expected an object with brokers and topic'];
  const findings = brokerFindings(options, KNOWN);
  for (const name of ['key', 'value', 'headers', 'timestamp', 'partition']) {
    if (options[name] !== undefined && typeof options[name] !== 'function')
      findings.push(`${name}: expected a function`);
  }
  const oneOf = (name: string, values: readonly unknown[]) => {
    if (!values.includes(options[name]))
      findings.push(
        `${name}: expected ${values.filter(Boolean).join(' or ')}, found ${JSON.stringify(options[name])}`,
      );
  };
  oneOf('delivery', ['exactly-once', 'at-least-once', undefined]);
  oneOf('compression', COMPRESSIONS);
  oneOf('lost', ['fail', 'skip', undefined]);
  const { transactionTimeout, ledger, topic, delivery } = options;
  const wrong = durationFinding(transactionTimeout, 'transactionTimeout', 1000);
  if (wrong !== undefined) findings.push(wrong);
  const name = ledger ?? `${String(topic)}${LEDGER_SUFFIX}`;
  if (!isTopicName(name) || name === topic)
    findings.push('ledger: expected the name of a topic other than the one that is written to');
  if (delivery === 'at-least-once') {
    for (const each of ['transactionTimeout', 'ledger', 'lost'])
      if (options[each] !== undefined) findings.push(`${each}: is for delivery: 'exactly-once'`);
  }
  return findings;
}
