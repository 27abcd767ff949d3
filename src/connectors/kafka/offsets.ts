/** Asks where a partition begins and ends, and judges whether reading can go on from an offset. */
import { present } from '../../base/assert.js';
import { TidemarkError } from '../../base/errors.js';
import type { Calling, Cluster } from './cluster.js';
import type { Deleted } from './options.js';
import type { KafkaPosition } from './position.js';

/** Kafka's isolation levels. */
export const ISOLATION = { uncommitted: 0, committed: 1 } as const;
export type Isolation = (typeof ISOLATION)[keyof typeof ISOLATION];

/** Kafka's timestamps for the ends of a log. */
const EARLIEST = -2n;
const LATEST = -1n;

export interface Bounds {
  /** Of the oldest message that is still there. */
  readonly begin: number;
  /** Behind the newest that may be read: for readers of committed messages, where the oldest open transaction begins. */
  readonly end: number;
}

export async function boundsOf(
  cluster: Cluster,
  topic: string,
  partition: number,
  isolation: Isolation,
  calling: Calling = {},
): Promise<Bounds> {
  const ask = async (timestamp: bigint) => {
    const asked = { partitionIndex: partition, currentLeaderEpoch: -1, timestamp };
    const { topics } = await cluster.onLeader(
      topic,
      partition,
      (connection) =>
        cluster.kafka.listOffsetsV7.api.async(connection, -1, isolation, [
          { name: topic, partitions: [asked] },
        ]),
      calling,
    );
    return Number(present(topics[0]?.partitions[0], 'the partition that was asked for').offset);
  };
  const begin = await ask(EARLIEST);
  return { begin, end: await ask(LATEST) };
}

/** How many messages before the first that is left were not read; 0 when none is missing. Pure. */
export function missing(position: KafkaPosition, { begin }: Bounds): number {
  const wanted = position.end ?? Number.POSITIVE_INFINITY;
  return Math.max(0, Math.min(begin, wanted) - position.offset);
}

/**
 * SOURCE_CHANGED where the partition does not have what follows the position any more, or never had: its messages were
 * deleted by retention, or the topic was made anew. `skip` forgives the former.
 */
export function refuseGone(split: string, position: KafkaPosition, bounds: Bounds, deleted: Deleted): void {
  const { offset } = position;
  if (missing(position, bounds) > 0 && deleted === 'fail') {
    throw new TidemarkError(
      'SOURCE_CHANGED',
      `split ${split}: expected to go on at offset ${offset}, and the oldest message left is at ${bounds.begin}: ` +
        `the topic's retention deleted ${missing(position, bounds)} offsets that were not read`,
      {
        hint:
          "to go on without them, set deleted: 'skip' in kafkaSource and type: tidemark resume JOB --definition FILE; " +
          "raise the topic's retention.ms so that it does not happen again",
      },
    );
  }
  if (offset > bounds.end) {
    throw new TidemarkError(
      'SOURCE_CHANGED',
      `split ${split}: expected to go on at offset ${offset}, and the partition ends at ${bounds.end}: ` +
        'the topic was made anew, or has lost messages',
      { hint: 'restore a snapshot that was taken on this topic, or start a new job' },
    );
  }
}
