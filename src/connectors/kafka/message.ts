/** What a source's `decode` is given. In a file of its own: public types do not ask for the client's package. */

/** A message as it lies in a topic. */
export interface KafkaMessage {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  /** Milliseconds since 1970: the producer's time, or the broker's where the topic says so. */
  readonly timestamp: number;
  readonly key: Uint8Array | null;
  /** Null is a tombstone: what a compacted topic has for a key that was deleted. */
  readonly value: Uint8Array | null;
  /** In order; a name may stand there more than once. */
  readonly headers: readonly KafkaHeader[];
}

export interface KafkaHeader {
  readonly name: string;
  readonly value: Uint8Array | null;
}
