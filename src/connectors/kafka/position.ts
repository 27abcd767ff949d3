/** Where reading of a partition goes on. Pure. */
import type { StandardSchema } from '../../codec/schema.js';

export interface KafkaPosition {
  /** Of the next message to read. Offsets have holes, where transactions ended and where a topic is compacted. */
  readonly offset: number;
  /** With `stopAt`: the offset at which this partition ends for this job, found when it began. */
  readonly end?: number;
  /**
   * How many partitions there were when this one was found; gone once something of it is read. With `from: 'latest'`, a
   * partition that came up while the job was down is told by it from those that were there when the job began.
   */
  readonly found?: number;
}

/** How positions are kept. */
export const kafkaPosition: StandardSchema<KafkaPosition> = {
  '~standard': {
    version: 1,
    vendor: 'tidemark',
    validate: (value) =>
      isPosition(value) ? { value } : { issues: [{ message: 'is not a position in a Kafka partition' }] },
  },
};

function isPosition(value: unknown): value is KafkaPosition {
  if (typeof value !== 'object' || value === null) return false;
  const { offset, end, found } = value as Partial<Record<keyof KafkaPosition, unknown>>;
  return isOffset(offset) && (end === undefined || isOffset(end)) && (found === undefined || isOffset(found));
}

function isOffset(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

/** As the contract of sources has it: undefined where one ends elsewhere than the other. */
export function compareKafkaPositions(a: KafkaPosition, b: KafkaPosition): number | undefined {
  return a.end === b.end ? a.offset - b.offset : undefined;
}

/** `<topic>-<partition>`, as Kafka's own tools write it. */
export function splitOf(topic: string, partition: number): string {
  return `${topic}-${partition}`;
}

/** The partition of a split of this topic; undefined for a split of another. */
export function partitionOf(topic: string, split: string): number | undefined {
  const digits = split.startsWith(`${topic}-`) ? split.slice(topic.length + 1) : '';
  return /^(?:0|[1-9]\d{0,9})$/.test(digits) ? Number(digits) : undefined;
}
