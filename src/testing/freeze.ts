/**
 * Makes a value deeply read-only, in place: arrays, objects, Map, Set and Date, and what is in them. A write then throws
 * where it happens, and not as state that is wrong some day.
 *
 * What cannot be made so is left as it is: the contents of typed arrays, buffers and ArrayBuffers, and private fields of
 * class instances.
 */

/** Frozen through and through, so that what is handed out again and again is walked once. Small flat ones are not noted. */
const frozen = new WeakSet<object>();
/** As many members are looked at as fast as they are looked up. */
const FEW = 16;

const MUTATORS = {
  Map: ['set', 'delete', 'clear'],
  Set: ['add', 'delete', 'clear'],
  Date: Object.getOwnPropertyNames(Date.prototype).filter((name) => name.startsWith('set')),
} as const;

/** Freezes a value and returns it. */
export function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !frozen.has(value)) freeze(value);
  return value;
}

/** Without recursion, for what nests deeply; elements may be anything. */
function freeze(value: object): void {
  const waiting = [value];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    if (frozen.has(next) || isBytes(next)) continue;
    const members = membersOf(next);
    const before = waiting.length;
    for (const member of members) if (typeof member === 'object' && member !== null) waiting.push(member);
    if (waiting.length > before || members.length > FEW) frozen.add(next);
    refuseMutators(next);
    Object.freeze(next);
  }
}

/** A read-only copy of a list, for lists that go on growing; the elements are frozen where they are. */
export function frozenList(list: readonly unknown[]): readonly unknown[] {
  return deepFreeze([...list]);
}

function isBytes(value: object): boolean {
  return ArrayBuffer.isView(value) || value instanceof ArrayBuffer || value instanceof SharedArrayBuffer;
}

function membersOf(value: object): readonly unknown[] {
  if (Array.isArray(value)) return value;
  if (value instanceof Map) return [...value.keys(), ...value.values()];
  if (value instanceof Set) return [...value];
  return Object.values(value);
}

/** Freezing a Map, a Set or a Date does not keep its methods from changing it. */
function refuseMutators(value: object): void {
  const kind =
    value instanceof Map ? 'Map' : value instanceof Set ? 'Set' : value instanceof Date ? 'Date' : undefined;
  if (kind === undefined || !Object.isExtensible(value)) return;
  for (const name of MUTATORS[kind]) {
    const refuse = () => {
      throw new TypeError(`Cannot change a read-only ${kind} by ${name}: it belongs to state`);
    };
    Object.defineProperty(value, name, { value: refuse });
  }
}
