/** Cuts what a request brought into batches. Pure. */
import type { KafkaMessage } from './message.js';
import type { KafkaPosition } from './position.js';

export interface Slice {
  readonly elements: readonly KafkaMessage[];
  /** Where reading goes on behind it. */
  readonly offset: number;
}

export interface Cutting {
  /** The most messages of a slice. */
  readonly batch: number;
  readonly position: KafkaPosition;
  /** Behind all messages, and behind what holds none; messages from there on are not handed out. */
  readonly after: number;
  /** No slice begins before it and ends after it. */
  readonly until?: KafkaPosition | undefined;
}

/** One after the other from `position` to `after`; without messages, where only the offset moves; none, where nothing does. */
export function* slices(messages: Iterable<KafkaMessage>, cutting: Cutting): Generator<Slice> {
  const { batch, position, after, until } = cutting;
  let stop = until !== undefined && until.offset < after ? until.offset : after;
  let from = position.offset;
  let elements: KafkaMessage[] = [];
  function* cut(offset: number): Generator<Slice> {
    if (offset <= from) return;
    yield { elements, offset };
    from = offset;
    elements = [];
  }
  for (const message of messages) {
    if (message.offset >= after) break;
    if (message.offset >= stop) {
      yield* cut(stop);
      stop = after;
    }
    elements.push(message);
    if (elements.length >= batch) yield* cut(message.offset + 1);
  }
  yield* cut(stop);
  yield* cut(after);
}
