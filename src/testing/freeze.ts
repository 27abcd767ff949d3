/**
 * Makes a value deeply read-only, in place: arrays, objects, Map, Set and Date, and what is in them. A write then throws
 * where it happens, and not as state that is wrong some day.
 *
 * What cannot be made so is left as it is: the contents of typed arrays, buffers and ArrayBuffers, and private fields of
 * class instances.
 */

/** Frozen through and through, so that what is handed out again and again is walked once. */
const frozen = new WeakSet<object>();

const MUTATORS = {
  Map: ['set', 'delete', 'clear'],
  Set: ['add', 'delete', 'clear'],
  Date: Object.getOwnPropertyNames(Date.prototype).filter((name) => name.startsWith('set')),
} as const;

/** Freezes a value and returns it. */
export function deepFreeze<T>(value: T): T {
  const waiting: unknown[] = [value];
  while (waiting.length > 0) {
    const next = waiting.pop();
    if (!canFreeze(next) || frozen.has(next)) continue;
    frozen.add(next);
    addMembers(next, waiting);
    refuseMutators(next);
    Object.freeze(next);
  }
  return value;
}

/** A read-only copy of a list, for lists that go on growing; the elements are frozen where they are. */
export function frozenList(list: readonly unknown[]): readonly unknown[] {
  return deepFreeze([...list]);
}

function canFreeze(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false;
  return !ArrayBuffer.isView(value) && !(value instanceof ArrayBuffer || value instanceof SharedArrayBuffer);
}

function addMembers(value: object, to: unknown[]): void {
  if (Array.isArray(value)) {
    for (const element of value) to.push(element);
    return;
  }
  if (value instanceof Map) for (const [key, member] of value) to.push(key, member);
  else if (value instanceof Set) for (const member of value) to.push(member);
  // A getter is code of the user's, and is not called.
  for (const name of Object.keys(value)) to.push(Object.getOwnPropertyDescriptor(value, name)?.value);
}

/** Freezing a Map, a Set or a Date does not keep its methods from changing it. */
function refuseMutators(value: object): void {
  const kind = value instanceof Map ? 'Map' : value instanceof Set ? 'Set' : 'Date';
  if (kind === 'Date' && !(value instanceof Date)) return;
  if (!Object.isExtensible(value)) return;
  for (const name of MUTATORS[kind]) {
    const refuse = () => {
      throw new TypeError(`Cannot change a read-only ${kind} by ${name}: it belongs to state`);
    };
    Object.defineProperty(value, name, { value: refuse });
  }
}
