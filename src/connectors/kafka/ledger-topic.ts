/**
 * The ledger of a topic: a compacted topic beside it, of one partition.
 *
 *     begin ─── decided: every transaction here is over ─── last stable offset ─── some are open ─── end
 *           read as committed; the broker says what was        read as it lies; an end marker decides each
 *           aborted
 *
 * A reader of committed messages stops at the oldest transaction that is open, which may be another job's, and would not see
 * one of ours that was committed behind it. So what lies behind is read with its markers; compaction leaves it alone.
 */
import type { RecordsBatch } from '@platformatic/kafka';
import { TidemarkError } from '../../base/errors.js';
import type { Ledger } from '../file-sink/ledger.js';
import type { Cluster } from './cluster.js';
import { failureOf } from './failure.js';
import { fetchFrom } from './fetch.js';
import { type LedgerRecord, readLedger } from './ledger-record.js';
import { committedBatches, isTransactional, markerOf, messagesIn, offsetAfter } from './messages.js';
import { boundsOf, ISOLATION, type Isolation } from './offsets.js';

/** The ledger's only partition. */
export const LEDGER_PARTITION = 0;
const CONFIGS = [
  { name: 'cleanup.policy', value: 'compact' },
  // Small segments, so that compaction, which leaves the newest alone, comes to them.
  { name: 'segment.bytes', value: String(16 * 1024 * 1024) },
];
/** As many replicas as the cluster gives topics by default. */
const DEFAULT_REPLICAS = -1;
/** Empty answers in a row that say that compaction has left nothing up to the end. */
const MAX_EMPTY = 2;
const utf8 = new TextDecoder();

/** Makes the ledger's topic, unless it is there. */
export async function ensureLedger(cluster: Cluster, ledger: string, timeout: number): Promise<void> {
  if ((await cluster.topic(ledger)) !== undefined) return;
  const topic = {
    name: ledger,
    numPartitions: 1,
    replicationFactor: DEFAULT_REPLICAS,
    assignments: [],
    configs: CONFIGS,
  };
  try {
    await cluster.onAny((connection) =>
      cluster.kafka.createTopicsV7.api.async(connection, [topic], timeout, false),
    );
  } catch (error) {
    const failure = failureOf(error);
    if (failure.is('TOPIC_ALREADY_EXISTS')) return;
    throw new TidemarkError(
      'SINK_FAILED',
      `the topic ${ledger}, in which a Kafka sink keeps what is committed, cannot be made: ${failure.message}`,
      {
        hint: `make it: kafka-topics.sh --create --topic ${ledger} --partitions 1 --config cleanup.policy=compact`,
        cause: failure,
      },
    );
  }
}

/** What is committed; undefined when there is no ledger yet. */
export async function loadLedger(
  cluster: Cluster,
  ledger: string,
  topic: string,
): Promise<Ledger | undefined> {
  if ((await cluster.topic(ledger)) === undefined) return undefined;
  const { end: stable } = await boundsOf(cluster, ledger, LEDGER_PARTITION, ISOLATION.committed);
  const { begin, end } = await boundsOf(cluster, ledger, LEDGER_PARTITION, ISOLATION.uncommitted);
  const records: LedgerRecord[] = [];
  for await (const { batches, aborted, from } of walk(cluster, ledger, begin, stable, ISOLATION.committed))
    records.push(...recordsIn(committedBatches(batches, aborted), ledger, from, stable));
  const decided = new EndMarkers();
  for await (const { batches, from } of walk(cluster, ledger, stable, end, ISOLATION.uncommitted))
    records.push(...decided.add(batches, (batch) => recordsIn([batch], ledger, from, end)));
  const read = readLedger(topic, records);
  if (read !== undefined) return read;
  throw new TidemarkError(
    'TARGET_CORRUPT',
    `the topic ${ledger} holds messages that are no ledger of a Kafka sink`,
    {
      hint: 'give the sink a ledger topic of its own, with the option ledger',
    },
  );
}

interface Walked {
  readonly from: number;
  readonly batches: readonly RecordsBatch[];
  readonly aborted: Parameters<typeof committedBatches>[1];
}

async function* walk(
  cluster: Cluster,
  topic: string,
  begin: number,
  end: number,
  isolation: Isolation,
): AsyncGenerator<Walked> {
  let empty = 0;
  for (let from = begin; from < end && empty < MAX_EMPTY; ) {
    const { batches, aborted } = await fetchFrom(cluster, {
      topic,
      partition: LEDGER_PARTITION,
      offset: from,
      isolation,
    });
    yield { from, batches, aborted };
    const after = offsetAfter(batches);
    empty = after === undefined ? empty + 1 : 0;
    from = Math.max(from, after ?? from);
  }
}

/** Gathers messages of transactions until their ends come by, and lets go of those that were committed. */
export class EndMarkers {
  readonly #open = new Map<bigint, LedgerRecord[]>();

  add(batches: readonly RecordsBatch[], read: (batch: RecordsBatch) => LedgerRecord[]): LedgerRecord[] {
    return batches.flatMap((batch) => {
      const marker = markerOf(batch);
      if (marker === undefined) {
        const records = read(batch);
        if (!isTransactional(batch)) return records;
        this.#open.set(batch.producerId, [...(this.#open.get(batch.producerId) ?? []), ...records]);
        return [];
      }
      const records = this.#open.get(batch.producerId) ?? [];
      this.#open.delete(batch.producerId);
      return marker === 'commit' ? records : [];
    });
  }
}

function recordsIn(
  batches: readonly RecordsBatch[],
  topic: string,
  from: number,
  end: number,
): LedgerRecord[] {
  const messages = [...messagesIn(batches, { topic, partition: LEDGER_PARTITION, from })];
  return messages
    .filter(({ offset }) => offset < end)
    .map(({ key, value }) => ({ key: textOf(key), value: textOf(value) }));
}

function textOf(bytes: Uint8Array | null): string {
  return bytes === null ? '' : utf8.decode(bytes);
}
