/** An element as one line of JSON, or a refusal that says where it has no JSON form. */
import { TidemarkError } from '../base/errors.js';

/**
 * The JSON of a value. Refused, with VALUE_REFUSED and the path: what JSON would lose in silence (NaN,
 * Infinity, functions, symbols, Map, Set, typed arrays, undefined outside an object) or cannot hold (bigint,
 * cycles). A property that is undefined is left out, as JSON.stringify does; `toJSON` is honoured.
 */
export function jsonLine(value: unknown, sink: string): string {
  let text: string | undefined;
  try {
    text = JSON.stringify(value);
  } catch (error) {
    const found = findLost(value, '', new Set());
    throw refused(sink, found ?? { path: '', what: error instanceof Error ? error.message : String(error) });
  }
  if (text === undefined || mayLose(value)) {
    const found = findLost(value, '', new Set());
    if (found !== undefined) throw refused(sink, found);
  }
  return text ?? 'null';
}

interface Lost {
  readonly path: string;
  readonly what: string;
}

function refused(sink: string, { path, what }: Lost): TidemarkError {
  const where = path === '' ? 'the element' : `the element at ${path}`;
  return new TidemarkError('VALUE_REFUSED', `sink ${sink}: ${where} cannot be written as JSON: ${what}`, {
    hint: 'map it to something JSON has before the sink, or give the sink an encode function',
  });
}

/** Quick test, without paths: false means that JSON keeps everything. The value has no cycles. */
function mayLose(value: unknown): boolean {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return false;
    case 'number':
      return !Number.isFinite(value);
    case 'object':
      break;
    default:
      return true;
  }
  if (value === null) return false;
  if (Array.isArray(value)) return value.some(mayLose);
  if (Object.getPrototypeOf(value) !== Object.prototype || 'toJSON' in value) return true;
  for (const key in value) {
    const property = (value as Record<string, unknown>)[key];
    if (property !== undefined && mayLose(property)) return true;
  }
  return false;
}

function findLost(value: unknown, path: string, above: Set<object>): Lost | undefined {
  if (typeof value === 'number') {
    return Number.isFinite(value) ? undefined : { path, what: `${value} is no JSON number` };
  }
  if (typeof value === 'string' || typeof value === 'boolean' || value === null) return undefined;
  if (typeof value !== 'object') return { path, what: `JSON has no ${typeof value}` };
  if (above.has(value)) return { path, what: 'it contains itself' };
  if ('toJSON' in value && typeof value.toJSON === 'function') {
    const json: unknown = value.toJSON();
    return json === value ? undefined : findLost(json, path, above);
  }
  if (
    value instanceof Map ||
    value instanceof Set ||
    ArrayBuffer.isView(value) ||
    value instanceof ArrayBuffer
  ) {
    return { path, what: `JSON has no ${value.constructor.name}` };
  }
  return findLostInside(value, path, new Set([...above, value]));
}

function findLostInside(value: object, path: string, above: Set<object>): Lost | undefined {
  if (Array.isArray(value)) {
    for (const [i, item] of value.entries()) {
      const found = findLost(item, `${path}[${i}]`, above);
      if (found !== undefined) return found;
    }
    return undefined;
  }
  for (const [key, property] of Object.entries(value)) {
    if (property === undefined) continue;
    const found = findLost(property, path === '' ? key : `${path}.${key}`, above);
    if (found !== undefined) return found;
  }
  return undefined;
}
