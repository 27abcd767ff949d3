/**
 * Sends messages on behalf of one producer id, in order, each once: an idempotent producer, with or without a transaction.
 *
 *     add ─▶ pending, by partition ─▶ a round: one batch a partition, one request a leader ─▶ acknowledged by all replicas
 *
 * Every batch bears the number of its first message in its partition; a broker that has a batch already says so, or takes it
 * for acknowledged. So a round may be sent again after any failure.
 *
 * Invariants: one round is under way at a time; a round holds at most `BATCH_BYTES` of a partition, or one message; after a
 * failure that does not pass every call rejects with it.
 */
import type { MessageRecord } from '@platformatic/kafka';
import { present } from '../../base/assert.js';
import type { Cluster } from './cluster.js';
import { failureOf } from './failure.js';
import type { Outgoing } from './outgoing.js';

/** Of one partition in one request, uncompressed. Brokers take batches of about a mebibyte, unless told otherwise. */
const BATCH_BYTES = 256 * 1024;
/** Acknowledged once all replicas in sync have it. */
const ALL = -1;
/** Numbers in a partition wrap around here. */
const SEQUENCES = 2 ** 31;
/** What a broker says of a batch that it has had for long. */
const KNOWN_ALREADY = 'DUPLICATE_SEQUENCE_NUMBER';

export type Compression = 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd';

export interface ProducerIdentity {
  readonly producerId: bigint;
  readonly producerEpoch: number;
  /** Present: all is part of a transaction of this id. */
  readonly transactionalId?: string;
}

export interface SendingOptions {
  readonly cluster: Cluster;
  readonly compression: Compression;
  /** Milliseconds that a broker may wait for its replicas. */
  readonly timeout: number;
  /** Asked once, when the first message is there. */
  identify(): Promise<ProducerIdentity>;
  /** What is told of a failure, in place of it. */
  explain?(error: unknown): unknown;
  /** Called before anything is sent to partitions that nothing was sent to yet. */
  announce?(identity: ProducerIdentity, topic: string, partitions: readonly number[]): Promise<void>;
}

interface Lane {
  readonly topic: string;
  readonly partition: number;
  waiting: Outgoing[];
  /** The number of the next message to be sent. */
  sequence: number;
  announced: boolean;
  /** Messages that came, and those of them, the oldest, that are acknowledged. */
  added: number;
  acknowledged: number;
}

interface Parcel {
  readonly lane: Lane;
  readonly messages: readonly Outgoing[];
}

export class Sending {
  readonly #options: SendingOptions;
  readonly #lanes = new Map<string, Lane>();
  #identity: ProducerIdentity | undefined;
  #running: Promise<void> | undefined;
  #failure: { readonly error: unknown } | undefined;
  /** To be called after the round that is under way. */
  #atRoundEnd: (() => void)[] = [];
  /** Added and not yet acknowledged. */
  waitingBytes = 0;
  messages = 0;

  constructor(options: SendingOptions) {
    this.#options = options;
  }

  /** Set once something was sent. */
  get identity(): ProducerIdentity | undefined {
    return this.#identity;
  }

  add(topic: string, message: Outgoing): void {
    const key = `${topic}:${message.partition}`;
    let lane = this.#lanes.get(key);
    if (lane === undefined) {
      const counts = { sequence: 0, added: 0, acknowledged: 0 };
      lane = { topic, partition: message.partition, waiting: [], announced: false, ...counts };
      this.#lanes.set(key, lane);
    }
    lane.waiting.push(message);
    lane.added++;
    this.waitingBytes += message.bytes;
    this.messages++;
  }

  /** Sends what waits, in the background, unless that goes on already. */
  start(): void {
    this.throwFailure();
    if (this.#running !== undefined || this.waitingBytes === 0) return;
    this.#running = this.#rounds()
      .catch((error: unknown) => {
        this.#failure ??= { error: this.#options.explain?.(error) ?? error };
      })
      .finally(() => {
        this.#running = undefined;
      });
  }

  /** Resolves once all that was added is acknowledged. */
  async settled(): Promise<void> {
    this.start();
    while (this.#running !== undefined) {
      await this.#running;
      this.start();
    }
    this.throwFailure();
  }

  /** Resolves once all that was added before is acknowledged, however much is added meanwhile. */
  async delivered(): Promise<void> {
    const wanted = [...this.#lanes.values()].map((lane) => ({ lane, count: lane.added }));
    this.start();
    while (this.#running !== undefined && wanted.some(({ lane, count }) => lane.acknowledged < count)) {
      const round = new Promise<void>((resolve) => this.#atRoundEnd.push(resolve));
      await Promise.race([round, this.#running]);
    }
    this.throwFailure();
  }

  throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  async #rounds(): Promise<void> {
    this.#identity ??= await this.#options.identify();
    for (;;) {
      const parcels = [...this.#lanes.values()]
        .filter(({ waiting }) => waiting.length > 0)
        .map((lane) => ({ lane, messages: takeBatch(lane) }));
      if (parcels.length === 0) return;
      await this.#announce(this.#identity, parcels);
      await this.#deliver(this.#identity, parcels);
      for (const { lane, messages } of parcels) {
        lane.sequence = (lane.sequence + messages.length) % SEQUENCES;
        lane.acknowledged += messages.length;
        for (const { bytes } of messages) this.waitingBytes -= bytes;
      }
      for (const told of this.#atRoundEnd.splice(0)) told();
    }
  }

  async #announce(identity: ProducerIdentity, parcels: readonly Parcel[]): Promise<void> {
    const fresh = parcels.map(({ lane }) => lane).filter(({ announced }) => !announced);
    for (const topic of new Set(fresh.map((lane) => lane.topic))) {
      const partitions = fresh.filter((lane) => lane.topic === topic).map(({ partition }) => partition);
      await this.#options.announce?.(identity, topic, partitions);
    }
    for (const lane of fresh) lane.announced = true;
  }

  /** One request for each leader, side by side. */
  async #deliver(identity: ProducerIdentity, parcels: readonly Parcel[]): Promise<void> {
    const byLeader = new Map<string, Parcel[]>();
    for (const parcel of parcels) {
      const leader = await this.#options.cluster.leaderKey(parcel.lane.topic, parcel.lane.partition);
      byLeader.set(leader, [...(byLeader.get(leader) ?? []), parcel]);
    }
    const sent = [...byLeader.values()].map((group) => this.#send(identity, group));
    const failed = (await Promise.allSettled(sent)).find((result) => result.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }

  /** Leaders may change in between: what then fails is sent again, a partition at a time. */
  async #send(identity: ProducerIdentity, parcels: readonly Parcel[]): Promise<void> {
    const [first] = parcels;
    if (parcels.length === 1 || first === undefined) {
      for (const parcel of parcels) await this.#produce(identity, [parcel], false);
      return;
    }
    try {
      await this.#produce(identity, parcels, true);
    } catch (error) {
      if (!failureOf(error).retriable && !failureOf(error).is(KNOWN_ALREADY)) throw error;
      for (const parcel of parcels) await this.#produce(identity, [parcel], false);
    }
  }

  async #produce(identity: ProducerIdentity, parcels: readonly Parcel[], once: boolean): Promise<void> {
    const { cluster, compression, timeout } = this.#options;
    const { topic, partition } = present(parcels[0], 'something to send').lane;
    const sequences = new cluster.kafka.NumericMap();
    for (const { lane } of parcels) sequences.set(`${lane.topic}:${lane.partition}`, lane.sequence);
    const records = parcels.flatMap(({ lane, messages }) =>
      messages.map((message) => recordOf(lane.topic, message)),
    );
    const options = { ...identity, compression, sequences };
    try {
      await cluster.onLeader(
        topic,
        partition,
        (connection) => cluster.kafka.produceV9.api.async(connection, ALL, timeout, records, options),
        { once },
      );
    } catch (error) {
      if (!once && failureOf(error).is(KNOWN_ALREADY)) return;
      throw error;
    }
  }
}

/** Takes what the next batch of a partition holds: at least one message. */
function takeBatch(lane: Lane): Outgoing[] {
  let bytes = 0;
  let count = 0;
  for (const message of lane.waiting) {
    bytes += message.bytes;
    if (count > 0 && bytes > BATCH_BYTES) break;
    count++;
  }
  const batch = lane.waiting.slice(0, count);
  lane.waiting = lane.waiting.slice(count);
  return batch;
}

/** The client's types know neither messages without a value nor numbers of requests: both are part of the protocol. */
function recordOf(topic: string, { partition, key, value, headers, timestamp }: Outgoing): MessageRecord {
  const record = { topic, partition, value, timestamp: BigInt(timestamp), headers: new Map(headers) };
  return (key === null ? record : { ...record, key }) as MessageRecord;
}
