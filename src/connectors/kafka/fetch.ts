/** Fetches what follows an offset of a partition: one request, whole batches. */
import type { RecordsBatch } from '@platformatic/kafka';
import { present } from '../../base/assert.js';
import type { Calling, Cluster } from './cluster.js';
import type { Aborted } from './messages.js';
import type { Isolation } from './offsets.js';

/** Bytes that an answer should hold at most; a batch that is larger comes alone. */
const MAX_BYTES = 1024 * 1024;
/** Milliseconds that a broker holds a request for which it has nothing. */
const MAX_WAIT_MS = 500;
/** No session: each request says all that it asks for. */
const NO_SESSION = { id: 0, epoch: -1 } as const;

export interface Fetching {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly isolation: Isolation;
}

export interface Fetched {
  readonly batches: readonly RecordsBatch[];
  readonly aborted: readonly Aborted[];
}

/** Rejects with a KafkaFailure; with OFFSET_OUT_OF_RANGE where the log does not have the offset. */
export async function fetchFrom(
  cluster: Cluster,
  { topic, partition, offset, isolation }: Fetching,
  calling: Calling = {},
): Promise<Fetched> {
  const asked = {
    partition,
    currentLeaderEpoch: -1,
    fetchOffset: BigInt(offset),
    lastFetchedEpoch: -1,
    partitionMaxBytes: MAX_BYTES,
  };
  const topics = [{ topicId: topic, partitions: [asked] }];
  const { responses } = await cluster.onLeader(
    topic,
    partition,
    (connection) =>
      cluster.kafka.fetchV12.api.async(
        connection,
        MAX_WAIT_MS,
        1,
        MAX_BYTES,
        isolation,
        NO_SESSION.id,
        NO_SESSION.epoch,
        topics,
        [],
        '',
      ),
    calling,
  );
  const { records = [], abortedTransactions } = present(
    responses[0]?.partitions[0],
    'the partition asked for',
  );
  return { batches: records, aborted: abortedTransactions };
}
