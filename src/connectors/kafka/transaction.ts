/** What a prepared transaction of a Kafka sink is: messages that brokers have, and hide until its end is written. */
import type { StandardSchema } from '../../codec/schema.js';

export interface KafkaTransaction {
  readonly transactionalId: string;
  /** A 64-bit integer in decimal digits. */
  readonly producerId: string;
  /** One for each transaction: who has an older one can end no newer transaction. */
  readonly producerEpoch: number;
  readonly messages: number;
}

/** Transactions come back from snapshots that others may have made. */
export const kafkaTransaction: StandardSchema<KafkaTransaction> = {
  '~standard': {
    version: 1,
    vendor: 'tidemark',
    validate: (value) =>
      isTransaction(value) ? { value } : { issues: [{ message: 'is not a transaction of a Kafka sink' }] },
  },
};

function isTransaction(value: unknown): value is KafkaTransaction {
  if (typeof value !== 'object' || value === null) return false;
  const { transactionalId, producerId, producerEpoch, messages } = value as Partial<
    Record<keyof KafkaTransaction, unknown>
  >;
  return (
    typeof transactionalId === 'string' &&
    transactionalId.startsWith('tidemark/') &&
    typeof producerId === 'string' &&
    /^\d{1,19}$/.test(producerId) &&
    Number.isSafeInteger(producerEpoch) &&
    Number.isSafeInteger(messages)
  );
}
