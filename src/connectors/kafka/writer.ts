/**
 * Writes messages for one subtask of a sink, within transactions or without.
 *
 * Invariants: what is written before `prepare` is called is in its transaction, what comes after in the next; at most
 * `BUFFER_BYTES` and one batch of elements wait in memory; after a failure every call rejects, and what was not prepared is
 * never committed.
 */
import { present } from '../../base/assert.js';
import { TidemarkError } from '../../base/errors.js';
import type { SinkWriter, WriterContext } from '../../graph/sink.js';
import type { Cluster } from './cluster.js';
import {
  abortOpen,
  addPartitions,
  beginProducer,
  idempotentProducer,
  type TransactionalIdentity,
} from './coordinator.js';
import { KafkaFailure, kafkaError } from './failure.js';
import { type LedgerRecord, PreparedRuns } from './ledger-record.js';
import { LEDGER_PARTITION } from './ledger-topic.js';
import type { Encoder } from './outgoing.js';
import { type Compression, type ProducerIdentity, Sending, type SendingOptions } from './sending.js';
import type { KafkaTransaction } from './transaction.js';
import type { IdPool } from './transactional-id.js';

/** Bytes that may wait for brokers before `write` makes its caller wait. */
const BUFFER_BYTES = 4 * 1024 * 1024;

/** What a broker says to a producer whose transaction was ended by somebody else: by the coordinator, after its time. */
const FENCED = [
  'INVALID_PRODUCER_EPOCH',
  'PRODUCER_FENCED',
  'INVALID_TXN_STATE',
  'INVALID_PRODUCER_ID_MAPPING',
];

export interface Writing<T> {
  readonly cluster: Cluster;
  readonly topic: string;
  readonly partitions: number;
  readonly encoder: Encoder<T>;
  readonly compression: Compression;
  /** Milliseconds that a request may take. */
  readonly timeout: number;
}

type Beginning = Pick<SendingOptions, 'identify' | 'announce'>;

/** Shared by both: encodes, keeps order, bounds what waits, tells what failed. */
class Outbox<T> {
  readonly #writing: Writing<T>;
  readonly #sink: string;

  constructor(writing: Writing<T>, sink: string) {
    this.#writing = writing;
    this.#sink = sink;
  }

  sending(beginning: Beginning): Sending {
    const { cluster, compression, timeout } = this.#writing;
    return new Sending({
      cluster,
      compression,
      timeout,
      ...beginning,
      explain: (error) => (error instanceof KafkaFailure ? this.#told(error) : error),
    });
  }

  write(sending: Sending, elements: readonly T[]): void | Promise<void> {
    const { topic, partitions, encoder } = this.#writing;
    encoder.nextBatch();
    // All or none: of a batch that cannot be encoded nothing is sent.
    const messages = elements.map((element) => encoder.encode(element, partitions));
    for (const message of messages) sending.add(topic, message);
    sending.start();
    if (sending.waitingBytes >= BUFFER_BYTES) return sending.settled();
  }

  #told(failure: KafkaFailure): TidemarkError {
    const told = kafkaError(
      'SINK_FAILED',
      `sink ${this.#sink}, writing to topic ${this.#writing.topic}`,
      failure,
    );
    if (!failure.is(...FENCED)) return told;
    return new TidemarkError(
      'SINK_FAILED',
      `${told.message}: the brokers have ended this sink's transaction: it was open for longer than its ` +
        'transactionTimeout, or a newer attempt of the job has begun',
      { hint: 'checkpoint more often, or give kafkaSink a longer transactionTimeout', cause: failure },
    );
  }
}

/** At least once: what is written is acknowledged by all replicas before the barrier is. */
export class PlainWriter<T> implements SinkWriter<T, void> {
  readonly #writing: Writing<T>;
  readonly #outbox: Outbox<T>;
  readonly #sending: Sending;

  constructor(writing: Writing<T>, context: WriterContext) {
    this.#writing = writing;
    this.#outbox = new Outbox(writing, context.sink);
    this.#sending = this.#outbox.sending({ identify: () => idempotentProducer(writing.cluster) });
  }

  write(elements: readonly T[]): void | Promise<void> {
    return this.#outbox.write(this.#sending, elements);
  }

  prepare(): Promise<undefined> {
    // Writing goes on meanwhile, and may never leave it with nothing to send.
    return this.#sending.delivered().then(() => undefined);
  }

  close(): Promise<void> {
    return this.#writing.cluster.close();
  }
}

export interface Transactions {
  readonly pool: IdPool;
  /** Milliseconds after which the coordinator aborts a transaction. */
  readonly transactionTimeout: number;
  /** The topic with the ledger. */
  readonly ledger: string;
}

/** Exactly once: what is written between two barriers is one transaction, which the committer ends. */
export class TransactionWriter<T> implements SinkWriter<T, KafkaTransaction> {
  readonly #writing: Writing<T>;
  readonly #transactions: Transactions;
  readonly #outbox: Outbox<T>;
  readonly #context: WriterContext;
  readonly #runs: PreparedRuns;
  #open: Sending | undefined;

  constructor(writing: Writing<T>, transactions: Transactions, context: WriterContext) {
    const { job, attempt, sink, subtask } = context;
    this.#writing = writing;
    this.#transactions = transactions;
    this.#context = context;
    this.#outbox = new Outbox(writing, sink);
    this.#runs = new PreparedRuns(writing.topic, { job: job.id, attempt, sink, subtask });
  }

  write(elements: readonly T[]): void | Promise<void> {
    if (elements.length === 0) return;
    this.#open ??= this.#begin();
    return this.#outbox.write(this.#open, elements);
  }

  async prepare(checkpoint: number): Promise<KafkaTransaction | undefined> {
    const open = this.#open;
    this.#open = undefined;
    if (open === undefined) return undefined;
    const { messages } = open;
    this.#addToLedger(open, this.#runs.record(checkpoint));
    await open.settled();
    const { transactionalId, producerId, producerEpoch } = present(
      open.identity,
      'the producer of what was sent',
    );
    return {
      transactionalId: present(transactionalId, 'the id of a transaction'),
      producerId: String(producerId),
      producerEpoch,
      messages,
    };
  }

  /** Gives up the running transaction: it was never prepared, so no snapshot knows it. */
  async close(): Promise<void> {
    const identity = this.#open?.identity;
    const { cluster } = this.#writing;
    try {
      if (identity?.transactionalId !== undefined)
        await abortOpen(cluster, identity.transactionalId, this.#transactions.transactionTimeout);
    } catch (error) {
      // The next attempt aborts it, or the coordinator after its time.
      this.#context.log(`sink ${this.#context.sink}: a transaction is left open: ${String(error)}`);
    } finally {
      await cluster.close();
    }
  }

  #begin(): Sending {
    const { cluster } = this.#writing;
    const { pool, transactionTimeout } = this.#transactions;
    const id = pool.take(this.#context.subtask);
    return this.#outbox.sending({
      identify: () => beginProducer(cluster, id, transactionTimeout),
      announce: (identity, topic, partitions) =>
        addPartitions(cluster, transactional(identity), topic, partitions),
    });
  }

  #addToLedger(open: Sending, { key, value }: LedgerRecord): void {
    const message = { key: Buffer.from(key), value: Buffer.from(value), headers: new Map<Buffer, Buffer>() };
    open.add(this.#transactions.ledger, {
      ...message,
      partition: LEDGER_PARTITION,
      timestamp: this.#context.clock.now(),
      bytes: key.length + value.length,
    });
  }
}

function transactional(identity: ProducerIdentity): TransactionalIdentity {
  return { ...identity, transactionalId: present(identity.transactionalId, 'the id of a transaction') };
}
