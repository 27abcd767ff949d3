/** What went wrong between us and the brokers, read off the errors of the client. Pure. */
import { type ErrorCode, TidemarkError } from '../../base/errors.js';

/** Answers of a broker after which the same request may succeed. */
const RETRIABLE: ReadonlySet<string> = new Set([
  'UNKNOWN_TOPIC_OR_PARTITION',
  'LEADER_NOT_AVAILABLE',
  'NOT_LEADER_OR_FOLLOWER',
  'REQUEST_TIMED_OUT',
  'BROKER_NOT_AVAILABLE',
  'REPLICA_NOT_AVAILABLE',
  'NETWORK_EXCEPTION',
  'COORDINATOR_LOAD_IN_PROGRESS',
  'COORDINATOR_NOT_AVAILABLE',
  'NOT_COORDINATOR',
  'NOT_ENOUGH_REPLICAS',
  'NOT_ENOUGH_REPLICAS_AFTER_APPEND',
  'NOT_CONTROLLER',
  'CONCURRENT_TRANSACTIONS',
  'KAFKA_STORAGE_ERROR',
  'FENCED_LEADER_EPOCH',
  'UNKNOWN_LEADER_EPOCH',
  'OFFSET_NOT_AVAILABLE',
  'PREFERRED_LEADER_NOT_AVAILABLE',
  'ELIGIBLE_LEADERS_NOT_AVAILABLE',
  'THROTTLING_QUOTA_EXCEEDED',
]);

/** Codes of the client for a connection that is of no use any more. */
const NETWORK: ReadonlySet<string> = new Set([
  'PLT_KFK_NETWORK',
  'PLT_KFK_TIMEOUT',
  'PLT_KFK_UNEXPECTED_CORRELATION_ID',
]);

/** How deep errors within errors are looked into. */
const MAX_DEPTH = 6;

/** A request that failed. */
export class KafkaFailure extends Error {
  /** What the broker answered, by Kafka's names: `OFFSET_OUT_OF_RANGE`, …; empty when it did not. */
  readonly answers: readonly string[];
  /** The connection failed, or timed out. */
  readonly network: boolean;
  readonly retriable: boolean;

  constructor(
    message: string,
    facts: Pick<KafkaFailure, 'answers' | 'network' | 'retriable'>,
    cause: unknown,
  ) {
    super(message, { cause });
    this.answers = facts.answers;
    this.network = facts.network;
    this.retriable = facts.retriable;
  }

  is(...answers: readonly string[]): boolean {
    return this.answers.some((answer) => answers.includes(answer));
  }
}

/** What an error of the client says; of any other error, that it is not to be tried again. */
export function failureOf(error: unknown): KafkaFailure {
  if (error instanceof KafkaFailure) return error;
  const all = flatten(error, 0);
  const answers = [...new Set(all.flatMap((each) => textIn(each, 'apiId')))];
  const codes = new Set(all.flatMap((each) => textIn(each, 'code')));
  const refused = codes.has('PLT_KFK_AUTHENTICATION');
  const network = !refused && answers.length === 0 && [...codes].some((code) => NETWORK.has(code));
  const retriable = network || (answers.length > 0 && answers.every((answer) => RETRIABLE.has(answer)));
  return new KafkaFailure(messageOf(all, answers), { answers, network, retriable }, error);
}

function flatten(error: unknown, depth: number): object[] {
  if (typeof error !== 'object' || error === null || depth > MAX_DEPTH) return [];
  const inner = 'errors' in error && Array.isArray(error.errors) ? (error.errors as unknown[]) : [];
  const cause = 'cause' in error ? [error.cause] : [];
  return [error, ...[...inner, ...cause].flatMap((each) => flatten(each, depth + 1))];
}

function textIn(error: object, name: string): string[] {
  const value = Object.getOwnPropertyDescriptor(error, name)?.value as unknown;
  return typeof value === 'string' ? [value] : [];
}

/** What the broker said, else what the errors say, from the outer to the inner, each once. */
function messageOf(all: readonly object[], answers: readonly string[]): string {
  const said = all.flatMap((each) => textIn(each, 'serverErrorMessage'));
  if (answers.length > 0) return [answers.join(', '), ...new Set(said)].join(': ');
  const texts = all.flatMap((each) => ('message' in each && each.message ? [String(each.message)] : []));
  return [...new Set(texts)].join(' ') || 'unknown failure';
}

const HINTS: readonly (readonly [answer: RegExp, hint: string])[] = [
  [
    /^TOPIC_AUTHORIZATION_FAILED|^CLUSTER_AUTHORIZATION_FAILED/,
    'give the user of this job the right to it: kafka-acls.sh --add',
  ],
  [
    /^TRANSACTIONAL_ID_AUTHORIZATION_FAILED/,
    'give the user of this job Write and Describe on transactional ids that begin with tidemark/: kafka-acls.sh --add',
  ],
  [/^INVALID_TRANSACTION_TIMEOUT/, 'give transactionTimeout at most the brokers’ transaction.max.timeout.ms'],
  [
    /^MESSAGE_TOO_LARGE|^RECORD_LIST_TOO_LARGE/,
    'raise max.message.bytes of the topic, or write smaller messages',
  ],
  [/^SASL|uthentication/, 'check client.sasl: mechanism, username and password'],
];

/** The failure as an error of a job. `doing` says at what, and at which brokers. */
export function kafkaError(code: ErrorCode, doing: string, failure: KafkaFailure): TidemarkError {
  const known = HINTS.find(([answer]) => answer.test(failure.answers[0] ?? failure.message))?.[1];
  const hint = known ?? (failure.network ? 'are the brokers up, and is this their address?' : undefined);
  return new TidemarkError(code, `${doing}: ${failure.message}`, {
    cause: failure,
    ...(hint === undefined ? {} : { hint }),
  });
}

/** Runs it; a failure of the brokers becomes an error of that code. */
export async function saying<R>(code: ErrorCode, doing: string, act: () => Promise<R>): Promise<R> {
  try {
    return await act();
  } catch (error) {
    throw error instanceof KafkaFailure ? kafkaError(code, doing, error) : error;
  }
}
