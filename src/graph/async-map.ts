/**
 * `asyncMap`: what its definition says of calls that answer later, and what a call is given (Flink's `AsyncDataStream` with
 * `RichAsyncFunction` and its retry strategies).
 */
import type { Codec } from '../codec/codec.js';
import { isCodec, isCodecs } from '../codec/define-codec.js';
import type { Schema } from '../codec/schema.js';
import { valueCodec } from '../codec/value.js';
import { type Bag, isBag, unknownNames } from './bag.js';
import { readLength } from './lengths.js';
import { show } from './names.js';
import type { OpenContext } from './process.js';
import { readSchema } from './schemas.js';
import type { Keeping } from './window.js';

/** What each call is given beside its element. */
export interface AsyncContext {
  /** Aborted when the try has timed out, or the attempt ends: hand it on to what can be given up. */
  readonly signal: AbortSignal;
  /** The number of this try, from 1. After a recovery it begins anew. */
  readonly attempt: number;
  readonly subtask: number;
  /** Event time of the element; undefined where there is none. */
  readonly timestamp: number | undefined;
  /** A line for the job's log. */
  log(line: string): void;
}

export interface RetryOptions {
  /** Tries in all, the first included; 1 to 100. */
  readonly attempts: number;
  /** Before the second try: `'100ms'` (the default) or milliseconds. */
  readonly delay?: string | number;
  /** Each further delay is so many times the one before. Default 2. */
  readonly factor?: number;
  /** No delay is longer. Default `'10s'`. */
  readonly most?: string | number;
  /** Whether this failure is worth another try. Default: every one is, a timeout too. */
  retryIf?(error: unknown): boolean;
}

/** `schema`, `codec` and `was` are of the elements in flight, as snapshots hold them. */
export interface AsyncMapOptions<T, U> extends Keeping<T> {
  /** Results in the order of the elements, per subtask (the default), or as they come. */
  readonly ordered?: boolean;
  /** Calls under way at a time, per subtask; 1 to 100,000. Default 100. When as many wait, nothing more is read. */
  readonly capacity?: number;
  /** How long one try may take: `'1m'` (the default) or milliseconds. */
  readonly timeout?: string | number;
  /** Default: one try. */
  readonly retries?: RetryOptions;
  /** The result where the last try failed. Default: that fails the job. */
  fallback?(element: T, error: unknown): U;
  readonly formerly?: readonly string[];
  /** Once per subtask and attempt, before the first call. */
  open?(context: OpenContext): void | Promise<void>;
  close?(): void | Promise<void>;
}

/** As the graph holds it: all that was left out is there. Lengths are milliseconds. */
export interface AsyncMapSpec<T, U> {
  readonly call: (element: T, context: AsyncContext) => Promise<U>;
  readonly ordered: boolean;
  readonly capacity: number;
  readonly timeout: number;
  readonly retries: {
    readonly attempts: number;
    readonly delay: number;
    readonly factor: number;
    readonly most: number;
    readonly retryIf: (error: unknown) => boolean;
  };
  readonly fallback: ((element: T, error: unknown) => U) | undefined;
  /** How elements in flight are kept. */
  readonly kept: {
    readonly codec: Codec<unknown>;
    readonly schema: Schema<unknown> | undefined;
    readonly was?: readonly Codec<unknown>[] | undefined;
  };
  readonly open: ((context: OpenContext) => void | Promise<void>) | undefined;
  readonly close: (() => void | Promise<void>) | undefined;
}

/** Most calls under way at a time, and most tries of one. */
const MAX_CAPACITY = 100_000;
const MAX_ATTEMPTS = 100;
const OPTIONS = [
  'ordered',
  'capacity',
  'timeout',
  'retries',
  'fallback',
  'schema',
  'codec',
  'was',
  'formerly',
  'open',
  'close',
];
const RETRY_OPTIONS = ['attempts', 'delay', 'factor', 'most', 'retryIf'];

export interface ReadAsyncMap {
  /** Usable only where there are no findings. */
  readonly spec: AsyncMapSpec<unknown, unknown>;
  /** Clauses without the operator's name. */
  readonly findings: readonly string[];
}

/** Reads what `Stream.asyncMap` was given, and finds what is wrong with it. Pure. */
export function readAsyncMap(call: unknown, given: unknown): ReadAsyncMap {
  const findings: string[] = [];
  if (typeof call !== 'function') findings.push(`expected a function to call, found ${show(call)}`);
  const options = isBag(given) ? given : {};
  if (!isBag(given)) findings.push(`expected options, found ${show(given)}`);
  findings.push(...unknownNames(options, OPTIONS));
  const { ordered = true, fallback, open, close, codec, was } = options;
  if (typeof ordered !== 'boolean') findings.push(`ordered: expected true or false, found ${show(ordered)}`);
  for (const [name, value] of Object.entries({ fallback, open, close })) {
    if (value !== undefined && typeof value !== 'function')
      findings.push(`${name}: expected a function, found ${show(value)}`);
  }
  const schema = readSchema(options['schema']);
  if (options['schema'] !== undefined && schema === undefined)
    findings.push(`schema: expected a schema, found ${show(options['schema'])}`);
  if (codec !== undefined && !isCodec(codec)) findings.push(`codec: expected a codec, found ${show(codec)}`);
  if (was !== undefined && !isCodecs(was))
    findings.push(`was: expected an array of codecs, found ${show(was)}`);
  const spec: AsyncMapSpec<unknown, unknown> = {
    call: call as AsyncMapSpec<unknown, unknown>['call'],
    ordered: ordered === true,
    capacity: whole('capacity', options['capacity'] ?? 100, MAX_CAPACITY, findings),
    timeout: length('timeout', options['timeout'] ?? '1m', findings),
    retries: readRetries(options['retries'], findings),
    fallback: fallback as AsyncMapSpec<unknown, unknown>['fallback'],
    kept: {
      codec: isCodec(codec) ? codec : valueCodec,
      schema,
      ...(isCodecs(was) ? { was } : {}),
    },
    open: open as AsyncMapSpec<unknown, unknown>['open'],
    close: close as AsyncMapSpec<unknown, unknown>['close'],
  };
  return { spec, findings };
}

function readRetries(given: unknown, findings: string[]): AsyncMapSpec<unknown, unknown>['retries'] {
  if (given !== undefined && !isBag(given))
    findings.push(`retries: expected { attempts: 3 } or the like, found ${show(given)}`);
  const options: Bag = isBag(given) ? given : { attempts: 1 };
  for (const finding of unknownNames(options, RETRY_OPTIONS)) findings.push(`retries: ${finding}`);
  const { factor = 2, retryIf = () => true } = options;
  if (typeof factor !== 'number' || !(factor >= 1 && factor <= 100))
    findings.push(`retries.factor: expected a number from 1 to 100, found ${show(factor)}`);
  if (typeof retryIf !== 'function')
    findings.push(`retries.retryIf: expected a function, found ${show(retryIf)}`);
  return {
    attempts: whole('retries.attempts', options['attempts'], MAX_ATTEMPTS, findings),
    delay: length('retries.delay', options['delay'] ?? '100ms', findings),
    factor: Number(factor),
    most: length('retries.most', options['most'] ?? '10s', findings),
    retryIf: retryIf as (error: unknown) => boolean,
  };
}

function whole(name: string, value: unknown, most: number, findings: string[]): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= most) return value;
  findings.push(`${name}: expected a whole number from 1 to ${most}, found ${show(value)}`);
  return 1;
}

function length(name: string, value: unknown, findings: string[]): number {
  const ms = readLength(value, 1);
  if (typeof ms === 'number') return ms;
  findings.push(`${name}: ${ms}`);
  return 1;
}
