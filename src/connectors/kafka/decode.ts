/** Turns messages into elements. */
import { TidemarkError } from '../../base/errors.js';
import type { StandardSchema } from '../../codec/schema.js';
import type { KafkaMessage } from './message.js';

/** Characters of a bad value that an error shows. */
const SHOWN_CHARS = 120;
const utf8 = new TextDecoder('utf-8', { ignoreBOM: true });

export type Decode<T> = (message: KafkaMessage) => T;

/** The value as UTF-8. A tombstone is SOURCE_DATA. */
export const decodeText: Decode<string> = (message) => utf8.decode(presentValue(message));

/** The value as a JSON document, checked against the schema if there is one. A tombstone is SOURCE_DATA. */
export function jsonDecoder(schema: StandardSchema<unknown> | undefined): Decode<unknown> {
  return (message) => {
    const text = decodeText(message);
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch (error) {
      throw bad(message, `the value is no JSON (${error instanceof Error ? error.message : String(error)})`);
    }
    return schema === undefined ? value : validated(value, schema, message);
  };
}

/** A decoder of the user's: what it throws names the message. */
export function ownDecoder<T>(decode: Decode<T>): Decode<T> {
  return (message) => {
    let element: T;
    try {
      element = decode(message);
    } catch (error) {
      throw bad(message, `decode threw ${error instanceof Error ? error.message : String(error)}`, error);
    }
    if (element instanceof Promise)
      throw bad(message, 'decode returned a promise; await it in the job, with asyncMap');
    return element;
  };
}

function validated(value: unknown, schema: StandardSchema<unknown>, message: KafkaMessage): unknown {
  const result = schema['~standard'].validate(value);
  if (result instanceof Promise) {
    throw new TidemarkError(
      'DEFINITION_INVALID',
      'kafkaSource(): an asynchronous schema cannot check elements',
    );
  }
  if (result.issues === undefined) return result.value;
  const [issue] = result.issues;
  const path = issue?.path
    ?.map((part) => (typeof part === 'object' && part !== null && 'key' in part ? part.key : part))
    .join('.');
  const where = path === undefined || path === '' ? '' : ` at ${path}`;
  throw bad(message, `the value does not match its schema${where} (${issue?.message ?? 'no reason given'})`);
}

function presentValue(message: KafkaMessage): Uint8Array {
  if (message.value !== null) return message.value;
  throw bad(message, 'the value is null, a tombstone; give the source a decode function to read those');
}

function bad(message: KafkaMessage, why: string, cause?: unknown): TidemarkError {
  const { topic, partition, offset, value } = message;
  const text = value === null ? '' : utf8.decode(value.subarray(0, 4 * SHOWN_CHARS));
  const shown = text.length > SHOWN_CHARS ? `${text.slice(0, SHOWN_CHARS)}…` : text;
  return new TidemarkError(
    'SOURCE_DATA',
    `topic ${topic}, partition ${partition}, offset ${offset}: ${why}${shown === '' ? '' : `: ${shown}`}`,
    {
      hint: 'give the source a decode function that says what becomes of such messages',
      ...(cause === undefined ? {} : { cause }),
    },
  );
}
