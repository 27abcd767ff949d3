/**
 * Begins and ends transactions at their coordinator. Beside what the client does, a transaction can be ended by another
 * process than began it, from its ids alone (Flink's `FlinkKafkaInternalProducer.resumeTransaction`).
 */
import type { Cluster } from './cluster.js';
import { KafkaFailure } from './failure.js';
import type { ProducerIdentity } from './sending.js';
import type { KafkaTransaction } from './transaction.js';

/** A new producer, and a new epoch of it. */
const FRESH = { id: -1n, epoch: -1 } as const;
/** Answers to a wish to commit that say: not this transaction, or not any more. */
const ENDED = [
  'INVALID_PRODUCER_EPOCH',
  'PRODUCER_FENCED',
  'INVALID_TXN_STATE',
  'INVALID_PRODUCER_ID_MAPPING',
  'TRANSACTIONAL_ID_NOT_FOUND',
];

export type TransactionalIdentity = ProducerIdentity & { readonly transactionalId: string };

/**
 * A new epoch of a transactional id. Aborts what was open under it, waits until that is done, and fences whoever still has
 * an older epoch.
 */
export async function beginProducer(
  cluster: Cluster,
  transactionalId: string,
  timeout: number,
): Promise<TransactionalIdentity> {
  const { producerId, producerEpoch } = await cluster.onCoordinator(transactionalId, (connection) =>
    cluster.kafka.initProducerIdV4.api.async(connection, transactionalId, timeout, FRESH.id, FRESH.epoch),
  );
  return { transactionalId, producerId, producerEpoch };
}

/** A producer without transactions. */
export async function idempotentProducer(cluster: Cluster): Promise<ProducerIdentity> {
  const { producerId, producerEpoch } = await cluster.onAny((connection) =>
    cluster.kafka.initProducerIdV4.api.async(connection, null, 0, FRESH.id, FRESH.epoch),
  );
  return { producerId, producerEpoch };
}

/** Tells the coordinator which partitions a transaction writes to, before it does. */
export async function addPartitions(
  cluster: Cluster,
  identity: TransactionalIdentity,
  topic: string,
  partitions: readonly number[],
): Promise<void> {
  const topics = [{ name: topic, partitions: [...partitions] }];
  await cluster.onCoordinator(identity.transactionalId, (connection) =>
    cluster.kafka.addPartitionsToTxnV3.api.async(connection, [{ ...identity, verifyOnly: false, topics }]),
  );
}

/**
 * Commits a prepared transaction; again and again gives the same. False: the coordinator does not know whether this one was
 * committed, for it is over and another has begun under its id, or it is forgotten; or it was aborted.
 */
export async function commitPrepared(cluster: Cluster, prepared: KafkaTransaction): Promise<boolean> {
  try {
    const { transactionalId, producerId, producerEpoch } = prepared;
    await cluster.onCoordinator(transactionalId, (connection) =>
      cluster.kafka.endTxnV3.api.async(connection, transactionalId, BigInt(producerId), producerEpoch, true),
    );
    return true;
  } catch (error) {
    if (error instanceof KafkaFailure && error.is(...ENDED)) return false;
    throw error;
  }
}

/**
 * Aborts a transaction of one's own, by a new epoch of its id: of a request that is still under way nothing then gets in,
 * where the old epoch would let it begin the transaction again behind its end, for nobody to end. Does not wait until it is
 * done.
 */
export async function abortOpen(cluster: Cluster, transactionalId: string, timeout: number): Promise<void> {
  const DOING = 'CONCURRENT_TRANSACTIONS';
  try {
    await cluster.onCoordinator(
      transactionalId,
      (connection) =>
        cluster.kafka.initProducerIdV4.api.async(connection, transactionalId, timeout, FRESH.id, FRESH.epoch),
      { final: [DOING] },
    );
  } catch (error) {
    if (!(error instanceof KafkaFailure) || !error.is(DOING)) throw error;
  }
}

/** States in which nothing is open under a transactional id. */
const SETTLED = ['Empty', 'CompleteCommit', 'CompleteAbort', 'Dead'];

export interface KnownId {
  readonly id: string;
  /** A transaction is open under it, or being ended. */
  readonly open: boolean;
}

/** All transactional ids that the cluster knows, or that this user may see. */
export async function knownIds(cluster: Cluster): Promise<KnownId[]> {
  const answers = await cluster.onEach((connection) =>
    cluster.kafka.listTransactionsV0.api.async(connection, [], [], -1n, null),
  );
  return answers
    .flatMap(({ transactionStates }) => transactionStates)
    .map(({ transactionalId, transactionState }) => ({
      id: transactionalId,
      open: !SETTLED.includes(transactionState),
    }));
}
