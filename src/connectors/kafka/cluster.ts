/**
 * Connections to the brokers of one cluster, and who answers for what: any broker, a partition's leader, the coordinator
 * of a transactional id.
 *
 * The client's low-level requests are used, each in one version that brokers from 3.0 on understand: they give a
 * transaction into the caller's hands, which the client's own producer does not.
 *
 * Invariants: a request that fails for a passing reason is tried again for `patience` and no longer; a connection that
 * failed or timed out is never used again; whom to ask is asked anew after any failure.
 */
import type { Connection } from '@platformatic/kafka';
import { present } from '../../base/assert.js';
import type { Clock } from '../../base/clock.js';
import { failureOf, KafkaFailure } from './failure.js';
import type { Kafka } from './library.js';
import type { Address, Reach } from './options.js';

const FIRST_PAUSE = 20;
const LONGEST_PAUSE = 1000;
/** How often the runtime hears that a request goes on: patience may be longer than a step may take. */
const BEAT_MS = 1000;
/** Milliseconds. */
const LONGEST_CONNECT = 10_000;
/** Kafka's key type of transactional ids, for FindCoordinator. */
const TRANSACTION = 1;

/** What a call needs beside what it does. */
export interface Calling {
  readonly signal?: AbortSignal;
  /** Names of answers that are not to be tried again here. */
  readonly final?: readonly string[];
  /** Try once only. */
  readonly once?: boolean;
}

/** What brokers are asked to do. */
export type Use = 'read' | 'write' | 'transactions';

interface Connected {
  readonly key: string;
  readonly connection: Connection;
  readonly ready: Promise<Connection>;
}

export interface Topic {
  /** Partition ids, ascending. */
  readonly partitions: readonly number[];
  readonly leaders: ReadonlyMap<number, Address>;
}

export class Cluster {
  readonly kafka: Kafka;
  readonly #reach: Reach;
  readonly #clock: Clock;
  readonly #alive: (() => void) | undefined;
  readonly #connections = new Map<string, Connected>();
  readonly #topics = new Map<string, Topic>();
  readonly #coordinators = new Map<string, Address>();
  #bootstrap = 0;
  #closed = false;

  constructor(
    kafka: Kafka,
    reach: Reach,
    { clock, alive }: { readonly clock: Clock; readonly alive?: (() => void) | undefined },
  ) {
    this.kafka = kafka;
    this.#reach = reach;
    this.#clock = clock;
    this.#alive = alive;
  }

  onAny<R>(act: (connection: Connection) => Promise<R>, calling?: Calling): Promise<R> {
    return this.#retry(() => Promise.resolve(this.#anyBroker()), act, calling);
  }

  onLeader<R>(
    topic: string,
    partition: number,
    act: (connection: Connection) => Promise<R>,
    calling?: Calling,
  ): Promise<R> {
    return this.#retry(() => this.#leader(topic, partition), act, calling);
  }

  onCoordinator<R>(
    transactionalId: string,
    act: (connection: Connection) => Promise<R>,
    calling?: Calling,
  ): Promise<R> {
    return this.#retry(() => this.#coordinator(transactionalId), act, calling);
  }

  /** Of every broker, one after the other. */
  async onEach<R>(act: (connection: Connection) => Promise<R>): Promise<R[]> {
    const { brokers } = await this.onAny((connection) =>
      this.kafka.metadataV12.api.async(connection, [], false, false),
    );
    const results: R[] = [];
    for (const broker of brokers) {
      results.push(await this.#retry(() => Promise.resolve(broker), act));
    }
    return results;
  }

  /** The topic as it is now; undefined when there is none of that name. */
  async topic(name: string, calling?: Calling): Promise<Topic | undefined> {
    try {
      return await this.onAny((connection) => this.#askTopic(connection, name), {
        ...calling,
        final: ['UNKNOWN_TOPIC_OR_PARTITION'],
      });
    } catch (error) {
      if (error instanceof KafkaFailure && error.is('UNKNOWN_TOPIC_OR_PARTITION')) return undefined;
      throw error;
    }
  }

  /** Names the broker that leads a partition: what has the same may go in one request. */
  leaderKey(topic: string, partition: number): Promise<string> {
    return this.#retry(
      () => this.#leader(topic, partition),
      ({ host, port }) => Promise.resolve(keyOf({ host: host ?? '', port: port ?? 0 })),
    );
  }

  /** Refuses brokers that do not understand the versions used here, for what is to be done. */
  async checkVersions(use: Use): Promise<void> {
    const { kafka } = this;
    const needed = {
      read: [kafka.metadataV12, kafka.listOffsetsV7, kafka.fetchV12],
      write: [kafka.metadataV12, kafka.initProducerIdV4, kafka.produceV9],
      transactions: [
        kafka.findCoordinatorV4,
        kafka.addPartitionsToTxnV3,
        kafka.endTxnV3,
        kafka.listTransactionsV0,
      ],
    }[use];
    const { apiKeys } = await this.onAny((connection) =>
      kafka.apiVersionsV3.api.async(connection, 'tidemark', '1'),
    );
    for (const { api } of needed) {
      const range = apiKeys.find(({ apiKey }) => apiKey === api.key);
      if (range !== undefined && range.minVersion <= api.version && api.version <= range.maxVersion) continue;
      const found = range === undefined ? 'not at all' : `in ${range.minVersion} to ${range.maxVersion}`;
      const message = `the brokers know request ${api.key} ${found}, and version ${api.version} is needed: use Apache Kafka 3.0 to 4.x`;
      throw new KafkaFailure(message, NO_FACTS, undefined);
    }
  }

  /** At once: what is under way fails. */
  close(): Promise<void> {
    this.#closed = true;
    for (const connected of [...this.#connections.values()]) this.#drop(connected);
    return Promise.resolve();
  }

  async #retry<R>(
    address: () => Promise<Address>,
    act: (connection: Connection) => Promise<R>,
    calling?: Calling,
  ): Promise<R> {
    const over = new AbortController();
    void this.#beat(over.signal);
    try {
      return await this.#tries(address, act, calling);
    } finally {
      over.abort();
    }
  }

  async #beat(signal: AbortSignal): Promise<void> {
    while (this.#alive !== undefined && !signal.aborted) {
      this.#alive();
      await this.#clock.sleep(BEAT_MS, signal);
    }
  }

  async #tries<R>(
    address: () => Promise<Address>,
    act: (connection: Connection) => Promise<R>,
    { signal, final = [], once = false }: Calling = {},
  ): Promise<R> {
    const until = this.#clock.monotonic() + this.#reach.patience;
    for (let pause = FIRST_PAUSE; ; pause = Math.min(2 * pause, LONGEST_PAUSE)) {
      try {
        return await this.#once(await abortable(address(), signal), act, signal);
      } catch (error) {
        const failure = failureOf(error);
        this.#topics.clear();
        this.#coordinators.clear();
        const over = once || this.#closed || signal?.aborted === true || this.#clock.monotonic() >= until;
        if (over || !failure.retriable || failure.is(...final)) throw failure;
        await this.#clock.sleep(pause, signal);
      }
    }
  }

  async #once<R>(
    address: Address,
    act: (connection: Connection) => Promise<R>,
    signal?: AbortSignal,
  ): Promise<R> {
    try {
      return await abortable(
        this.#connect(address).then((connection) => act(connection)),
        signal,
      );
    } catch (error) {
      if (failureOf(error).network) this.#drop(this.#connections.get(keyOf(address)));
      throw error;
    }
  }

  #connect(address: Address): Promise<Connection> {
    if (this.#closed) return Promise.reject(new KafkaFailure('closed', NO_FACTS, undefined));
    const key = keyOf(address);
    const known = this.#connections.get(key);
    if (known !== undefined) return known.ready;
    const connection = this.#make(address);
    const connecting = Promise.resolve(connection.connect(address.host, address.port));
    const connected = { key, connection, ready: connecting.then(() => connection) };
    const drop = () => this.#drop(connected);
    // What fails is told to whoever asks it next; without a listener it would end the process.
    connection.on('error', drop);
    connection.on('close', drop);
    this.#connections.set(key, connected);
    return connected.ready;
  }

  #make({ host }: Address): Connection {
    const { clientId, tls, sasl, requestTimeout } = this.#reach;
    return new this.kafka.Connection(clientId, {
      requestTimeout,
      connectTimeout: Math.min(requestTimeout, LONGEST_CONNECT),
      ...(tls === undefined ? {} : { tls, tlsServerName: tls.servername ?? host }),
      ...(sasl === undefined ? {} : { sasl }),
    });
  }

  /** Lets go of exactly this connection; one that took its place stays. */
  #drop(connected: Connected | undefined): void {
    if (connected === undefined) return;
    const { key, connection, ready } = connected;
    if (this.#connections.get(key) === connected) this.#connections.delete(key);
    ready.catch(() => undefined);
    if (connection.isConnected()) Promise.resolve(connection.close()).catch(() => undefined);
    connection.socket?.destroy();
  }

  #anyBroker(): Address {
    const { brokers } = this.#reach;
    return present(brokers[this.#bootstrap++ % brokers.length], 'a broker');
  }

  async #askTopic(connection: Connection, name: string): Promise<Topic> {
    const { brokers, topics } = await this.kafka.metadataV12.api.async(connection, [name], false, false);
    const leaders = new Map<number, Address>();
    for (const { partitionIndex, leaderId } of topics[0]?.partitions ?? []) {
      const leader = brokers.find(({ nodeId }) => nodeId === leaderId);
      if (leader !== undefined) leaders.set(partitionIndex, { host: leader.host, port: leader.port });
    }
    const topic = { partitions: [...leaders.keys()].sort((a, b) => a - b), leaders };
    this.#topics.set(name, topic);
    return topic;
  }

  async #leader(topic: string, partition: number): Promise<Address> {
    const known = this.#topics.get(topic)?.leaders.get(partition);
    if (known !== undefined) return known;
    const asked = await this.#once(this.#anyBroker(), (connection) => this.#askTopic(connection, topic));
    const leader = asked.leaders.get(partition);
    if (leader !== undefined) return leader;
    const facts = { answers: ['UNKNOWN_TOPIC_OR_PARTITION'], network: false, retriable: true };
    throw new KafkaFailure(`topic ${topic} has no partition ${partition}`, facts, undefined);
  }

  async #coordinator(transactionalId: string): Promise<Address> {
    const known = this.#coordinators.get(transactionalId);
    if (known !== undefined) return known;
    const { coordinators } = await this.#once(this.#anyBroker(), (connection) =>
      this.kafka.findCoordinatorV4.api.async(connection, TRANSACTION, [transactionalId]),
    );
    const { host, port } = present(coordinators[0], 'the coordinator that was asked for');
    this.#coordinators.set(transactionalId, { host, port });
    return { host, port };
  }
}

const NO_FACTS = { answers: [], network: false, retriable: false } as const;

function keyOf({ host, port }: Address): string {
  return `${host}:${port}`;
}

/** Rejects as soon as the signal aborts, whatever the promise does then. */
function abortable<R>(promise: Promise<R>, signal: AbortSignal | undefined): Promise<R> {
  if (signal === undefined) return promise;
  return new Promise<R>((resolve, reject) => {
    const abort = () => reject(new KafkaFailure('aborted', NO_FACTS, signal.reason));
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort, { once: true });
  });
}
