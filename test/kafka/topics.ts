/**
 * Topics for tests, filled by the client's own producer, and read by nothing of the code under test: the whole log, with the
 * markers that end transactions, from which follows what a reader of committed messages sees. (The client's own consumer
 * knows one aborted transaction of a producer in an answer, and there may be more.)
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Admin, Connection, fetchV12, Producer } from '@platformatic/kafka';

export interface Written {
  readonly partition: number;
  readonly offset: number;
  readonly key: string | null;
  readonly value: string | null;
}

/** What a log holds of each kind. */
export interface Log {
  readonly committed: readonly Written[];
  readonly aborted: readonly Written[];
  /** Of transactions that nobody has ended. */
  readonly open: readonly Written[];
}

const TRANSACTIONAL = 0b10000;
const CONTROL = 0b100000;

export class Topics {
  readonly address: string;
  readonly #admin: Admin;

  constructor(address: string) {
    this.address = address;
    this.#admin = new Admin({ clientId: 'test', bootstrapBrokers: [address] });
  }

  async create(
    topic: string,
    partitions: number,
    configs: Readonly<Record<string, string>> = {},
  ): Promise<void> {
    const list = Object.entries(configs).map(([name, value]) => ({ name, value }));
    await this.#admin.createTopics({ topics: [topic], partitions, replicas: 1, configs: list });
  }

  async grow(topic: string, partitions: number): Promise<void> {
    await this.#admin.createPartitions({
      topics: [{ name: topic, count: partitions, assignments: [{ brokerIds: [1] }] }],
    });
  }

  /** As retention does. */
  async deleteBefore(topic: string, partition: number, offset: number): Promise<void> {
    const partitions = [{ partition, offset: BigInt(offset) }];
    await this.#admin.deleteRecords({ topics: [{ name: topic, partitions }] });
  }

  /** Sends plain messages; `partition` says where each goes. */
  async fill(topic: string, values: readonly string[], partition: (index: number) => number): Promise<void> {
    // Partitions of a new topic have no leaders yet: what is sent again must not be there twice.
    const producer = new Producer({ clientId: 'test', bootstrapBrokers: [this.address], idempotent: true });
    try {
      const messages = values.map((value, index) => ({
        topic,
        key: Buffer.from(`k${index}`),
        value: Buffer.from(value),
        partition: partition(index),
      }));
      await producer.send({ messages });
    } finally {
      await producer.close();
    }
  }

  /** The log once what was ended is marked so, which brokers do after they have answered; as it is, if that never comes. */
  async endedLog(topic: string, partitions: number): Promise<Log> {
    const MOST_LOOKS = 300;
    for (let looks = 1; ; looks++) {
      const log = await this.log(topic, partitions);
      if (log.open.length === 0 || looks >= MOST_LOOKS) return log;
      await sleep(20);
    }
  }

  async log(topic: string, partitions: number): Promise<Log> {
    const log = { committed: [] as Written[], aborted: [] as Written[], open: [] as Written[] };
    const connection = new Connection('test');
    const [host = '', port = ''] = this.address.split(':');
    await connection.connect(host, Number(port));
    try {
      for (let partition = 0; partition < partitions; partition++) {
        const open = new Map<bigint, Written[]>();
        for (let offset = 0n; ; ) {
          const asked = { partition, currentLeaderEpoch: -1, fetchOffset: offset, lastFetchedEpoch: -1 };
          const topics = [{ topicId: topic, partitions: [{ ...asked, partitionMaxBytes: 1 << 20 }] }];
          const { responses } = await fetchV12.api.async(connection, 1, 0, 1 << 20, 0, 0, -1, topics, [], '');
          const batches = responses[0]?.partitions[0]?.records ?? [];
          for (const batch of batches) {
            offset = batch.firstOffset + BigInt(batch.lastOffsetDelta) + 1n;
            const first = Number(batch.firstOffset);
            if ((batch.attributes & CONTROL) !== 0) {
              const written = open.get(batch.producerId) ?? [];
              open.delete(batch.producerId);
              const committed = batch.records[0]?.key?.readInt16BE(2) === 1;
              log[committed ? 'committed' : 'aborted'].push(...written);
              continue;
            }
            const written = batch.records.map(({ offsetDelta, key, value }) => ({
              partition,
              offset: first + offsetDelta,
              key: key?.toString() ?? null,
              value: value?.toString() ?? null,
            }));
            if ((batch.attributes & TRANSACTIONAL) === 0) log.committed.push(...written);
            else open.set(batch.producerId, [...(open.get(batch.producerId) ?? []), ...written]);
          }
          if (batches.length === 0) break;
        }
        for (const written of open.values()) log.open.push(...written);
      }
    } finally {
      await connection.close();
    }
    return log;
  }

  async close(): Promise<void> {
    await this.#admin.close();
  }
}
