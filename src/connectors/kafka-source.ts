/**
 * The source that reads a topic of Apache Kafka.
 *
 * Invariants: one split a partition, `<topic>-<partition>`; a position is the offset of the next message, so that reading on
 * from it yields exactly what follows or fails; the group coordinator of Kafka takes no part: who reads which partition, and
 * how far, is in the job's snapshots alone.
 */
import { parseDuration } from '../base/duration.js';
import { TidemarkError } from '../base/errors.js';
import { type StandardSchema, schema } from '../codec/schema.js';
import { isBag } from '../graph/bag.js';
import { state } from '../graph/declare-state.js';
import { defineSource } from '../graph/define-source.js';
import type { SourceContext, SourceSpec, Split } from '../graph/source.js';
import { type Decode, decodeText, jsonDecoder, ownDecoder } from './kafka/decode.js';
import { saying } from './kafka/failure.js';
import type { KafkaHeader, KafkaMessage } from './kafka/message.js';
import { boundsOf, ISOLATION } from './kafka/offsets.js';
import { openCluster } from './kafka/open-cluster.js';
import {
  type BrokerOptions,
  brokerFindings,
  type Deleted,
  describeTopic,
  durationFinding,
  type KafkaClientOptions,
  type KafkaSasl,
  reachOf,
  refuse,
} from './kafka/options.js';
import { compareKafkaPositions, type KafkaPosition, kafkaPosition, splitOf } from './kafka/position.js';
import { checkPartition, type Reading, readPartition } from './kafka/read-partition.js';

export type { KafkaClientOptions, KafkaHeader, KafkaMessage, KafkaPosition, KafkaSasl };

const DEFAULT_DISCOVER = 60_000;

interface CommonOptions extends BrokerOptions {
  /** Where a partition is begun that no snapshot knows. A partition that comes up later is read whole. Default `earliest`. */
  readonly from?: 'earliest' | 'latest';
  /**
   * `latest`: read up to where the partitions end when the job begins, then end. The ends are part of the positions, so a job
   * that is restored ends at the same place. Default: go on for ever.
   */
  readonly stopAt?: 'latest';
  /** How often to look for new partitions, `'1m'` or milliseconds. Default 1 minute; not with `stopAt`. */
  readonly discover?: string | number;
  /**
   * What becomes of messages that retention deleted before they were read: `fail` with SOURCE_CHANGED, or `skip` them, with
   * a line in the log. Default `fail`.
   */
  readonly deleted?: Deleted;
  /** Elements per second over all partitions together. */
  readonly rate?: number;
}

export interface KafkaText extends CommonOptions {
  /** The message's value, as UTF-8. */
  readonly format?: 'text';
  readonly decode?: undefined;
}

export interface KafkaJson extends CommonOptions {
  /** The message's value, a JSON document. */
  readonly format: 'json';
  readonly schema?: undefined;
  readonly decode?: undefined;
}

export interface CheckedKafkaJson<T> extends CommonOptions {
  readonly format: 'json';
  /** Checks every element, and types it. Any Standard Schema: zod, valibot, arktype. */
  readonly schema: StandardSchema<T>;
  readonly decode?: undefined;
}

export interface DecodedKafka<T> extends CommonOptions {
  readonly format?: undefined;
  /** Makes an element of a message; a message it throws on fails the job, with topic, partition and offset. */
  readonly decode: (message: KafkaMessage) => T;
}

type KafkaOptions =
  | KafkaText
  | KafkaJson
  | CheckedKafkaJson<unknown>
  | (DecodedKafka<unknown> & { readonly schema?: undefined });

const KNOWN = ['from', 'stopAt', 'discover', 'deleted', 'rate', 'format', 'schema', 'decode'];

/**
 * Reads the committed messages of a topic (Flink's `KafkaSource`), each partition in order and side by side with the others.
 * Exactly-once: after a failure it goes on at the offset it had come to. Needs the package `@platformatic/kafka` 1.x and
 * brokers of Apache Kafka 3.0 or later. Messages of transactions that are open are waited for, those of aborted ones left out.
 *
 * Elements are texts (the default), JSON documents, or what `decode` makes of a message.
 *
 * Errors: PACKAGE_MISSING; FILE_NOT_FOUND when there is no such topic; SOURCE_DATA for a message that cannot be decoded, with
 * topic, partition and offset; SOURCE_CHANGED when what follows a position was deleted, with split and offsets;
 * SOURCE_FAILED when the brokers do not answer, or refuse.
 */
export function kafkaSource<T>(options: CheckedKafkaJson<T>): SourceSpec<T, KafkaPosition>;
export function kafkaSource<T>(options: DecodedKafka<T>): SourceSpec<T, KafkaPosition>;
export function kafkaSource<T = unknown>(options: KafkaJson): SourceSpec<T, KafkaPosition>;
export function kafkaSource(options: KafkaText): SourceSpec<string, KafkaPosition>;
export function kafkaSource(options: KafkaOptions): SourceSpec<unknown, KafkaPosition> {
  refuse('kafkaSource()', findingsOf(options));
  const { topic, from = 'earliest', stopAt, deleted = 'fail' } = options;
  const reading: Reading<unknown> = {
    topic,
    reach: reachOf(options),
    from,
    deleted,
    decode: decoderOf(options),
  };
  const discover = parseDuration(options.discover ?? DEFAULT_DISCOVER, 'kafkaSource(): discover');
  // Partitions that this process has known since it began: one that comes up meanwhile is new in all that it holds.
  let seen: number | undefined;
  const spec = defineSource({
    kind: 'kafkaSource',
    describe: `${describeTopic(options)}${stopAt === undefined ? '' : ', up to its end'}`,
    position: schema(kafkaPosition),
    state: { partitions: state.operatorUnion<number>() },
    ...(options.rate === undefined ? {} : { rate: options.rate }),
    ...(stopAt === undefined ? { rediscover: discover } : {}),
    async splits(context) {
      const splits = await splitsOf(reading, stopAt, seen, context);
      seen ??= splits.length;
      return splits;
    },
    compare: compareKafkaPositions,
    read: (request) => readPartition(reading, request),
  });
  return { ...spec, check: (request) => checkPartition(reading, request) };
}

async function splitsOf(
  reading: Reading<unknown>,
  stopAt: 'latest' | undefined,
  seen: number | undefined,
  context: SourceContext,
): Promise<Split<KafkaPosition>[]> {
  const { topic, from } = reading;
  const cluster = await openCluster(reading.reach, context);
  try {
    return await saying('SOURCE_FAILED', `topic ${topic}`, async () => {
      if (seen === undefined) await cluster.checkVersions('read');
      const found = await cluster.topic(topic);
      if (found === undefined) throw noTopic(topic);
      const splits: Split<KafkaPosition>[] = [];
      for (const partition of found.partitions) {
        const { begin, end } = await boundsOf(cluster, topic, partition, ISOLATION.committed);
        const isNew = seen !== undefined && partition >= seen;
        const start = {
          offset: from === 'earliest' || isNew ? begin : end,
          ...(stopAt === undefined ? {} : { end }),
          found: isNew ? seen : found.partitions.length,
        };
        splits.push({ id: splitOf(topic, partition), start });
      }
      return splits;
    });
  } finally {
    await cluster.close();
  }
}

function noTopic(topic: string): TidemarkError {
  return new TidemarkError('FILE_NOT_FOUND', `there is no topic ${topic}`, {
    hint: `check its name and the brokers; to make it: kafka-topics.sh --create --topic ${topic}`,
  });
}

function decoderOf(options: KafkaOptions): Decode<unknown> {
  if (options.decode !== undefined) return ownDecoder(options.decode);
  return options.format === 'json' ? jsonDecoder(options.schema) : decodeText;
}

function findingsOf(options: unknown): string[] {
  if (!isBag(options)) return ['expected an object with brokers and topic'];
  const findings = brokerFindings(options, KNOWN);
  const oneOf = (name: string, values: readonly unknown[]) => {
    if (!values.includes(options[name]))
      findings.push(
        `${name}: expected ${values.filter(Boolean).join(' or ')}, found ${JSON.stringify(options[name])}`,
      );
  };
  oneOf('from', ['earliest', 'latest', undefined]);
  oneOf('stopAt', ['latest', undefined]);
  oneOf('deleted', ['fail', 'skip', undefined]);
  oneOf('format', ['text', 'json', undefined]);
  const { stopAt, discover, rate, format, decode } = options;
  if (stopAt !== undefined && discover !== undefined)
    findings.push('discover: a source with stopAt takes up no new partitions');
  if (stopAt !== undefined && options['from'] === 'latest')
    findings.push('from: with stopAt, reading from latest would read nothing');
  const wrong = durationFinding(discover, 'discover', 100);
  if (wrong !== undefined) findings.push(wrong);
  if (rate !== undefined && !(typeof rate === 'number' && Number.isFinite(rate) && rate > 0))
    findings.push('rate: expected a number above 0');
  if (decode !== undefined && typeof decode !== 'function') findings.push('decode: expected a function');
  if (decode !== undefined && format !== undefined) findings.push('format: with decode, there is none');
  if (options['schema'] !== undefined && format !== 'json') findings.push("schema: is for format: 'json'");
  return findings;
}
