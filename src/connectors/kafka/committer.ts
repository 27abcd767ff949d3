/**
 * Commits the transactions of a Kafka sink.
 *
 *     restored ──▶ commit, by its ids ──▶ yes
 *                                     └─▶ not known, or over ──▶ is it in the ledger? ──▶ yes
 *                                                                                     └─▶ its messages are lost
 *     all other ids of this sink of this job ──▶ a new epoch: what is open is aborted, who is left is fenced
 *
 * Invariants: a transaction has an epoch of its own, so that committing it can never commit another; whether one that the
 * coordinator does not know was committed, the ledger alone says; nothing of another job's is touched; a lost transaction
 * is never passed over in silence.
 */
import { present } from '../../base/assert.js';
import { TidemarkError } from '../../base/errors.js';
import type {
  LineageEntry,
  SinkCommitter,
  SinkContext,
  Transaction,
  TransactionId,
} from '../../graph/sink.js';
import { emptyLedger, isCommitted } from '../file-sink/ledger.js';
import { aheadOf, idsOf } from '../file-sink/lineage.js';
import type { Cluster } from './cluster.js';
import { beginProducer, commitPrepared, idempotentProducer, knownIds } from './coordinator.js';
import { saying } from './failure.js';
import { begunRecord } from './ledger-record.js';
import { ensureLedger, LEDGER_PARTITION, loadLedger } from './ledger-topic.js';
import type { Lost } from './options.js';
import { Sending } from './sending.js';
import type { KafkaTransaction } from './transaction.js';
import { attemptOf, type IdPool } from './transactional-id.js';

/** The most transactions that `ahead` names. */
const MAX_AHEAD = 100_000;
/** Attempts whose ids are fenced although nothing is open under them: messages of a killed process may be under way. */
const FENCED_ATTEMPTS = 3;

export interface Committing {
  readonly topic: string;
  readonly ledger: string;
  readonly pool: IdPool;
  readonly lost: Lost;
  readonly timeout: number;
  readonly transactionTimeout: number;
  connect(): Promise<Cluster>;
}

type Prepared = Transaction<KafkaTransaction>;

export class KafkaCommitter implements SinkCommitter<KafkaTransaction> {
  readonly #context: SinkContext;
  readonly #committing: Committing;
  #cluster: Cluster | undefined;

  constructor(context: SinkContext, committing: Committing) {
    this.#context = context;
    this.#committing = committing;
  }

  recover(restored: readonly Prepared[]): Promise<void> {
    return this.#saying('recovering', async (cluster) => {
      const { ledger, timeout } = this.#committing;
      await cluster.checkVersions('transactions');
      await ensureLedger(cluster, ledger, timeout);
      // First these: the fence below ends whatever is open.
      const unknown = await this.#commitAll(cluster, restored);
      await this.#fence(cluster);
      await this.#judge(cluster, unknown);
      await this.#recordBeginning(cluster);
    });
  }

  commit(transactions: readonly Prepared[]): Promise<void> {
    return this.#saying('committing', async (cluster) => {
      await this.#judge(cluster, await this.#commitAll(cluster, transactions));
      for (const { value } of transactions) this.#committing.pool.give(value.transactionalId);
    });
  }

  /** Reads only. */
  ahead(lineage: readonly LineageEntry[]): Promise<readonly TransactionId[]> {
    return this.#saying('looking at what is committed', async (cluster) => {
      const { ledger, topic } = this.#committing;
      const known = (await loadLedger(cluster, ledger, topic)) ?? emptyLedger;
      return idsOf(aheadOf(known, this.#context.job.id, lineage), MAX_AHEAD);
    });
  }

  /** Before anything else is rewound. */
  async checkRewind(lineage: readonly LineageEntry[]): Promise<void> {
    if ((await this.ahead(lineage)).length > 0) await this.rewind();
  }

  /** What is in a topic stays there. */
  rewind(): Promise<void> {
    const { sink } = this.#context;
    const message = `sink ${sink}: the messages in topic ${this.#committing.topic} that the snapshot does not include cannot be set aside`;
    throw new TidemarkError('TARGET_AHEAD', message, {
      hint: 'restore a newer snapshot, give the sink another topic, or add --sinks mute',
      operator: sink,
    });
  }

  async close(): Promise<void> {
    const cluster = this.#cluster;
    this.#cluster = undefined;
    await cluster?.close();
  }

  /** In order; gives those that are over, or that nobody knows. */
  async #commitAll(cluster: Cluster, transactions: readonly Prepared[]): Promise<Prepared[]> {
    const unknown: Prepared[] = [];
    for (const transaction of transactions) {
      this.#checkOwner(transaction);
      if (!(await commitPrepared(cluster, transaction.value))) unknown.push(transaction);
    }
    return unknown;
  }

  /** Snapshots may be made by others: one must not end transactions that are none of a tidemark job's. */
  #checkOwner({ id, value }: Prepared): void {
    if (attemptOf({ job: id.job, sink: id.sink }, value.transactionalId) === id.attempt) return;
    throw new TidemarkError(
      'TARGET_CORRUPT',
      `the transaction of checkpoint ${id.checkpoint} has the id ${value.transactionalId}, which is none of job ${id.job}`,
      { operator: this.#context.sink },
    );
  }

  /** Ends what earlier attempts of this job left, whatever their parallelism was, and fences the last of them. */
  async #fence(cluster: Cluster): Promise<void> {
    const { job, sink, attempt } = this.#context;
    for (const { id, open } of await knownIds(cluster)) {
      const of = attemptOf({ job: job.id, sink }, id);
      if (of === undefined || !(open || of >= attempt - FENCED_ATTEMPTS)) continue;
      await beginProducer(cluster, id, this.#committing.transactionTimeout);
    }
  }

  async #judge(cluster: Cluster, unknown: readonly Prepared[]): Promise<void> {
    if (unknown.length === 0) return;
    const { ledger, topic, lost } = this.#committing;
    const known = (await loadLedger(cluster, ledger, topic)) ?? emptyLedger;
    const gone = unknown.filter(({ id }) => !isCommitted(known, id));
    const [first] = gone;
    if (first === undefined) return;
    const messages = gone.reduce((sum, { value }) => sum + value.messages, 0);
    const what =
      `sink ${this.#context.sink}: the brokers aborted ${gone.length === 1 ? 'a transaction' : `${gone.length} transactions`} ` +
      `before they could be committed, from checkpoint ${first.id.checkpoint} of job ${first.id.job} on: ` +
      `${messages} messages to topic ${topic} are lost`;
    if (lost === 'skip') {
      this.#context.log(what);
      return;
    }
    throw new TidemarkError('TARGET_CORRUPT', what, {
      hint:
        'restore a snapshot from before that checkpoint; or go on without them: set lost: ' +
        "'skip' in kafkaSink and type: tidemark resume JOB --definition FILE. A longer transactionTimeout prevents it",
      operator: this.#context.sink,
    });
  }

  /** So that a job restored from another snapshot of the same past can tell this one's transactions. */
  async #recordBeginning(cluster: Cluster): Promise<void> {
    const { job, lineage, clock } = this.#context;
    if (lineage.length === 0) return;
    const { ledger, topic, timeout } = this.#committing;
    const known = await loadLedger(cluster, ledger, topic);
    if (known?.begun.has(job.id)) return;
    const { key, value } = begunRecord(topic, job.id, lineage);
    const sending = new Sending({
      cluster,
      compression: 'none',
      timeout,
      identify: () => idempotentProducer(cluster),
    });
    sending.add(ledger, {
      partition: LEDGER_PARTITION,
      key: Buffer.from(key),
      value: Buffer.from(value),
      headers: new Map(),
      timestamp: clock.now(),
      bytes: key.length + value.length,
    });
    await sending.settled();
  }

  async #saying<R>(doing: string, act: (cluster: Cluster) => Promise<R>): Promise<R> {
    this.#cluster ??= await this.#committing.connect();
    const cluster = present(this.#cluster, 'the connection to the brokers');
    return await saying(
      'SINK_FAILED',
      `sink ${this.#context.sink}, ${doing} in topic ${this.#committing.topic}`,
      () => act(cluster),
    );
  }
}
