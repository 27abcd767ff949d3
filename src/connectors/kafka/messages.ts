/**
 * What of a fetched batch of records a reader is given. Pure.
 *
 *     batch  │ records of one producer │ of a transaction, or not │ control: the end of a transaction
 *
 * A reader of committed messages is sent every record up to the last stable offset, and beside them which transactions
 * were aborted, and where each begins: what such a producer wrote from there to its abort marker is passed over (Kafka's
 * `CompletedFetch.nextFetchedRecord`).
 */
import type { RecordsBatch } from '@platformatic/kafka';
import { present } from '../../base/assert.js';
import type { KafkaMessage } from './message.js';

export interface Aborted {
  readonly producerId: bigint;
  readonly firstOffset: bigint;
}

const TIMESTAMP_OF_BROKER = 0b1000;
const TRANSACTIONAL = 0b10000;
const CONTROL = 0b100000;
/** Types of control records, in their keys. */
const ABORT = 0;
const COMMIT = 1;

/** What ends a transaction; undefined for a batch of messages, and for markers of other kinds. */
export function markerOf(batch: RecordsBatch): 'commit' | 'abort' | undefined {
  if ((batch.attributes & CONTROL) === 0) return undefined;
  const key = batch.records[0]?.key;
  if (key === undefined || key === null || key.length < 4) return undefined;
  const type = key.readInt16BE(2);
  return type === ABORT ? 'abort' : type === COMMIT ? 'commit' : undefined;
}

export function isTransactional({ attributes }: RecordsBatch): boolean {
  return (attributes & TRANSACTIONAL) !== 0;
}

/** The batches that hold messages a reader of committed ones sees. */
export function committedBatches(
  batches: readonly RecordsBatch[],
  aborted: readonly Aborted[],
): RecordsBatch[] {
  const waiting = [...aborted].sort((a, b) =>
    a.firstOffset < b.firstOffset ? -1 : a.firstOffset > b.firstOffset ? 1 : 0,
  );
  const within = new Set<bigint>();
  return batches.filter((batch) => {
    while (waiting[0] !== undefined && waiting[0].firstOffset <= lastOffsetOf(batch)) {
      within.add(present(waiting.shift(), 'the next aborted transaction').producerId);
    }
    if ((batch.attributes & CONTROL) !== 0) {
      if (markerOf(batch) === 'abort') within.delete(batch.producerId);
      return false;
    }
    return !(isTransactional(batch) && within.has(batch.producerId));
  });
}

function lastOffsetOf({ firstOffset, lastOffsetDelta }: RecordsBatch): bigint {
  return firstOffset + BigInt(lastOffsetDelta);
}

/** Where reading goes on behind these batches; undefined when there are none. */
export function offsetAfter(batches: readonly RecordsBatch[]): number | undefined {
  const last = batches.at(-1);
  return last === undefined ? undefined : Number(lastOffsetOf(last)) + 1;
}

/**
 * The messages from `from` on: a batch may begin before. What they hold are copies, so that one that is kept does not keep
 * all that came with it.
 */
export function* messagesIn(
  batches: readonly RecordsBatch[],
  { topic, partition, from }: { readonly topic: string; readonly partition: number; readonly from: number },
): Generator<KafkaMessage> {
  for (const batch of batches) {
    const first = Number(batch.firstOffset);
    const timeOf = batch.attributes & TIMESTAMP_OF_BROKER ? () => batch.maxTimestamp : undefined;
    for (const { key, value, headers, offsetDelta, timestampDelta } of batch.records) {
      const offset = first + offsetDelta;
      if (offset < from) continue;
      yield {
        topic,
        partition,
        offset,
        timestamp: Number(timeOf?.() ?? batch.firstTimestamp + timestampDelta),
        key: copied(key),
        value: copied(value),
        headers: headers.map(([name, content]) => ({
          name: name?.toString('utf8') ?? '',
          value: copied(content),
        })),
      };
    }
  }
}

function copied(bytes: Uint8Array | null): Uint8Array | null {
  return bytes === null ? null : new Uint8Array(bytes);
}
