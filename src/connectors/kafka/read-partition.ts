/**
 * Reads one partition, from a position on.
 *
 * A connection of its own for each partition: a broker answers the requests of a connection one after the other, and one
 * that waits for messages of a quiet partition would hold up a busy one.
 *
 * Invariants: what one request brought is handed out before the next is made, so that a partition holds about a mebibyte in
 * memory (or one batch, where a producer made larger ones); committed messages only; a position moves past what holds no
 * message, too, so that a restore does not look at it again; what is missing is said, never passed over in silence.
 */
import { TidemarkError } from '../../base/errors.js';
import type { OperatorStateDeclaration } from '../../graph/operator-state.js';
import type { Batch, ReadRequest } from '../../graph/source.js';
import type { Cluster } from './cluster.js';
import type { Decode } from './decode.js';
import { failureOf, kafkaError, saying } from './failure.js';
import { fetchFrom } from './fetch.js';
import type { KafkaMessage } from './message.js';
import { committedBatches, messagesIn, offsetAfter } from './messages.js';
import { boundsOf, ISOLATION, missing, refuseGone } from './offsets.js';
import { openCluster } from './open-cluster.js';
import type { Deleted, Reach } from './options.js';
import { type KafkaPosition, partitionOf } from './position.js';
import { slices } from './slices.js';

export interface Reading<T> {
  readonly topic: string;
  readonly reach: Reach;
  readonly from: 'earliest' | 'latest';
  readonly deleted: Deleted;
  readonly decode: Decode<T>;
}

/** How many partitions the job has known, so that one that comes later is read from its beginning. */
export interface Known {
  readonly [name: string]: OperatorStateDeclaration;
  readonly partitions: OperatorStateDeclaration<number>;
}

type Request = ReadRequest<KafkaPosition, Known>;

export async function* readPartition<T>(
  reading: Reading<T>,
  request: Request,
): AsyncGenerator<Batch<T, KafkaPosition, Known>> {
  const { signal } = request;
  if (signal.aborted) return;
  const partition = partitionIn(reading.topic, request.split);
  const cluster = await openCluster(reading.reach, request);
  try {
    const log = new PartitionLog(cluster, reading, partition, request);
    let position = await log.begin();
    if (request.position.found !== undefined)
      yield { elements: [], position, state: { partitions: [request.position.found] } };
    while (!signal.aborted && !isAtEnd(position)) {
      const { messages, after } = await log.next(position);
      for (const { elements, offset } of slices(messages, { ...request, position, after })) {
        position = { ...position, offset };
        yield { elements: elements.map(reading.decode), position };
      }
    }
  } catch (error) {
    // What was under way when the reader was told to stop fails; that is no failure of the source.
    if (!signal.aborted) throw error;
  } finally {
    await cluster.close();
  }
}

/** Looks whether reading could go on from there, without reading. */
export async function checkPartition(
  reading: Reading<unknown>,
  request: Pick<Request, 'cwd' | 'clock' | 'split' | 'position'>,
): Promise<void> {
  const partition = partitionIn(reading.topic, request.split);
  const cluster = await openCluster(reading.reach, request);
  try {
    if (!isAtEnd(request.position)) {
      const bounds = await saying('SOURCE_FAILED', `split ${request.split}`, () =>
        boundsOf(cluster, reading.topic, partition, ISOLATION.uncommitted),
      );
      refuseGone(request.split, request.position, bounds, reading.deleted);
    }
  } finally {
    await cluster.close();
  }
}

function partitionIn(topic: string, split: string): number {
  const partition = partitionOf(topic, split);
  if (partition !== undefined) return partition;
  throw new TidemarkError(
    'SOURCE_CHANGED',
    `split ${split} is none of topic ${topic}, which this source reads`,
    {
      hint: 'give a source of another topic another uid; its splits of the old one go with --allow-non-restored-state',
    },
  );
}

function isAtEnd({ offset, end }: KafkaPosition): boolean {
  return end !== undefined && offset >= end;
}

interface Next {
  readonly messages: Iterable<KafkaMessage>;
  /** Where reading goes on behind them. */
  readonly after: number;
}

/** One partition as a log of committed messages. */
class PartitionLog {
  readonly #cluster: Cluster;
  readonly #reading: Reading<unknown>;
  readonly #partition: number;
  readonly #request: Request;

  constructor(cluster: Cluster, reading: Reading<unknown>, partition: number, request: Request) {
    this.#cluster = cluster;
    this.#reading = reading;
    this.#partition = partition;
    this.#request = request;
  }

  /**
   * The position to begin at. With `from: 'latest'`, a partition that was found only after the job had begun came up
   * meanwhile, and all that is in it is new.
   */
  async begin(): Promise<KafkaPosition> {
    const { position, state } = this.#request;
    const { found, ...rest } = position;
    const known = Math.max(...state.partitions);
    if (found === undefined || this.#reading.from === 'earliest' || known <= 0 || this.#partition < known)
      return rest;
    const { begin } = await this.#bounds();
    return { ...rest, offset: begin };
  }

  /** What follows the position; no messages when there is nothing yet. */
  async next(position: KafkaPosition): Promise<Next> {
    const { topic } = this.#reading;
    const partition = this.#partition;
    const fetching = { topic, partition, offset: position.offset, isolation: ISOLATION.committed };
    try {
      const { signal } = this.#request;
      const { batches, aborted } = await fetchFrom(this.#cluster, fetching, {
        signal,
        final: ['OFFSET_OUT_OF_RANGE'],
      });
      const after = Math.max(position.offset, offsetAfter(batches) ?? 0);
      const messages = messagesIn(committedBatches(batches, aborted), {
        topic,
        partition,
        from: position.offset,
      });
      return { messages, after: Math.min(after, position.end ?? after) };
    } catch (error) {
      const failure = failureOf(error);
      if (!failure.is('OFFSET_OUT_OF_RANGE'))
        throw kafkaError('SOURCE_FAILED', `split ${this.#request.split}`, failure);
      return { messages: [], after: await this.#firstLeft(position) };
    }
  }

  async #firstLeft(position: KafkaPosition): Promise<number> {
    const bounds = await this.#bounds();
    const { split, log } = this.#request;
    refuseGone(split, position, bounds, this.#reading.deleted);
    const gone = missing(position, bounds);
    if (gone > 0)
      log(
        `split ${split}: ${gone} offsets from ${position.offset} on were deleted before they were read, and are left out`,
      );
    return position.offset + gone;
  }

  #bounds(): ReturnType<typeof boundsOf> {
    const { signal, split } = this.#request;
    return saying('SOURCE_FAILED', `split ${split}`, () =>
      boundsOf(this.#cluster, this.#reading.topic, this.#partition, ISOLATION.uncommitted, { signal }),
    );
  }
}
